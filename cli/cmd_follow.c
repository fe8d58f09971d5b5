/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `logs` and `events`: what was written, and with -f what comes. A reader keeps its own place (a log's file and
 * offset, an event's id), so that it goes on without a gap when the daemon was restarted meanwhile.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/call.h"
#include "cli/field.h"
#include "cli/table.h"
#include "cli/when.h"

#define POLL_MS	     2000 /* one long poll */
#define GRACE_MS     10000
#define RETRY_MS     200
#define FOLLOW_LINES 10
#define PAGE_EVENTS  1000

/* One request of a reader that follows: a daemon that is away is waited for, without end. */
struct follow {
	bool on;   /* -f */
	bool met;  /* it has answered before: from now on its absence is waited for */
	bool gone; /* said so */
};

/* CLI_DONE with a result; or again (nothing yet); or told and over. */
static enum cli_status ask(
	struct cli *c, struct follow *f, const char *verb, const struct args *a, struct reply *r, bool *ret_again)
{
	struct err e = {0};
	enum call_end end = call_daemon(c, verb, a, f->on ? POLL_MS + GRACE_MS : c->opt.timeout_ms, r, &e);

	*ret_again = false;
	if (end == CALL_OK) {
		f->met = true;
		f->gone = false;
		return CLI_DONE;
	}
	if (!f->on || !f->met || end == CALL_REFUSED)
		return call_failed(end, r, &e);
	if (!f->gone)
		(void)cli_fail(CLI_NO_DAEMON, "%s; going on when it is back", e.text); /* told; it goes on */
	f->gone = true;
	*ret_again = true;
	(void)poll(NULL, 0, RETRY_MS); /* a signal only makes it shorter */
	return CLI_DONE;
}

/* Logs. */

struct log_place {
	bool known;
	uint64_t inode;
	int64_t offset;
	int64_t lines; /* of the first request; < 0: all */
};

static void log_args(struct args *a, const char *replica, const struct log_place *p, bool waits)
{
	args_init(a, 1 + (p->known ? 2 : p->lines >= 0) + (waits ? 1 : 0));
	mp_key_str(&a->w, "replica", replica);
	if (p->known) {
		mp_str(&a->w, "inode");
		mp_uint(&a->w, p->inode);
		mp_key_int(&a->w, "offset", p->offset);
	} else if (p->lines >= 0) {
		mp_key_int(&a->w, "lines", p->lines);
	}
	if (waits)
		mp_key_int(&a->w, "wait_ms", POLL_MS);
}

static void log_take(struct cli *c, struct log_place *p, const msgpack_object *result)
{
	const msgpack_object *data = mp_get(result, "data"), *inode = mp_get(result, "inode");

	if (field_bool(result, "gap"))
		(void)cli_fail(CLI_DONE, "some lines are missing: they were rotated away"); /* told; it goes on */
	if (data && data->type == MSGPACK_OBJECT_BIN)
		(void)bytes_add(&c->out, data->via.bin.ptr, data->via.bin.size); /* cli_flush tells */
	else if (data && data->type == MSGPACK_OBJECT_STR)
		(void)bytes_add(&c->out, data->via.str.ptr, data->via.str.size); /* cli_flush tells */
	p->known = true;
	p->inode = inode && inode->type == MSGPACK_OBJECT_POSITIVE_INTEGER ? inode->via.u64 : 0;
	p->offset = field_int(result, "offset", 0);
}

static enum cli_status log_step(struct cli *c, struct follow *f, struct log_place *p, bool *ret_more)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	bool again;

	log_args(&a, cli_arg(c, 0), p, f->on && p->known);
	status = ask(c, f, "logs", &a, &r, &again);
	*ret_more = f->on;
	if (status != CLI_DONE || again)
		return status;
	log_take(c, p, r.result);
	*ret_more |= field_bool(r.result, "more");
	return cli_has(c, OPT_JSON) ? CLI_DONE : cli_flush(c);
}

/* What was gathered in c->out, as one document: {"format": 1, "replica": "web.0", "lines": ["…"]} */
static enum cli_status log_json(struct cli *c)
{
	const char *replica = cli_arg(c, 0);
	msgpack_object name = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)strlen(replica), replica}};
	struct bytes log = c->out;
	enum cli_status status;

	bytes_init(&c->out, CLI_OUT_MAX);
	/* cli_flush tells what failed. */
	(void)bytes_str(&c->out, "{\"format\":1,\"replica\":");
	(void)mp_to_json(&name, 0, &c->out);
	(void)bytes_str(&c->out, ",\"lines\":[");
	for (size_t at = 0; at < log.n;) {
		const char *end = memchr(log.v + at, '\n', log.n - at);
		size_t n = end ? (size_t)(end - log.v) - at : log.n - at;
		msgpack_object line = {.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)n, log.v + at}};

		(void)bytes_str(&c->out, at ? "," : "");
		(void)mp_to_json(&line, 0, &c->out);
		at += n + 1;
	}
	(void)bytes_str(&c->out, "]}\n");
	c->out.failed |= log.failed;
	status = cli_flush(c);
	bytes_done(&log);
	return status;
}

enum cli_status cmd_logs(struct cli *c)
{
	struct follow f = {.on = cli_has(c, OPT_FOLLOW)};
	struct log_place p = {.lines = c->opt.lines};
	enum cli_status status;
	bool more, json = cli_has(c, OPT_JSON);

	if (json && f.on)
		return cli_usage(c, "--json and --follow exclude each other: a document has an end");
	if (p.lines < 0 && f.on)
		p.lines = FOLLOW_LINES;
	do
		status = log_step(c, &f, &p, &more);
	while (status == CLI_DONE && more);
	return status == CLI_DONE && json ? log_json(c) : status;
}

/* Events. */

struct event_place {
	char after[128]; /* the id of the last one seen */
	bool has_after;
	int64_t since_ms; /* -1: none */
	bool tail;	  /* the first request asks for the newest few alone */
};

static void event_args(struct args *a, const struct cli *c, const struct event_place *p, bool waits)
{
	const char *agent = c->opt.value[OPT_AGENT];

	args_init(a, 1 + p->has_after + (agent ? 1 : 0) + (p->since_ms >= 0) + p->tail + waits);
	mp_key_int(&a->w, "max", PAGE_EVENTS);
	if (p->has_after)
		mp_key_str(&a->w, "after", p->after);
	if (agent)
		mp_key_str(&a->w, "agent", agent);
	if (p->since_ms >= 0)
		mp_key_int(&a->w, "since_ms", p->since_ms);
	if (p->tail)
		mp_key_int(&a->w, "tail", FOLLOW_LINES);
	if (waits)
		mp_key_int(&a->w, "wait_ms", POLL_MS);
}

static enum tint severity_tint(const char *severity)
{
	if (strcmp(severity, "error") == 0)
		return TINT_BAD;
	if (strcmp(severity, "warning") == 0)
		return TINT_WARN;
	return strcmp(severity, "debug") == 0 ? TINT_DIM : TINT_NONE;
}

/* The clock on the wall of who reads. */
static void put_time(struct bytes *out, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char text[64] = "-";
	struct tm tm;

	if (ms > 0 && localtime_r(&s, &tm) && strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		(void)snprintf(text, sizeof(text), "-"); /* fits */
	(void)bytes_fmt(out, "%-19s  ", text);		 /* out->failed tells */
}

/* "2026-01-02 03:04:05  warning  web.0: exited with code 1" */
static void put_event(struct cli *c, const msgpack_object *ev)
{
	char severity[16], who[REPLICA_ID_MAX], text[1024];
	enum tint tint;

	tint = c->colour ? severity_tint(field_text(ev, "severity", severity, sizeof(severity))) : TINT_NONE;
	(void)field_text(ev, "severity", severity, sizeof(severity)); /* it is text */
	if (!*field_text(ev, "replica", who, sizeof(who)))
		(void)field_text(ev, "agent", who, sizeof(who)); /* it is text */
	if (!*field_text(ev, "text", text, sizeof(text)))
		(void)field_text(ev, "kind", text, sizeof(text)); /* it is text */
	put_time(&c->out, field_time(ev, "time"));
	/* cli_flush tells. */
	(void)bytes_fmt(&c->out, "%s%-7s%s  %s%s", tint_begin(tint), severity, tint == TINT_NONE ? "" : TINT_END, who,
		*who ? ": " : "");
	text_clean(&c->out, text, strlen(text), 0);
	(void)bytes_str(&c->out, "\n");
}

static void event_take(struct cli *c, struct event_place *p, const msgpack_object *result)
{
	char last[sizeof(p->after)];

	for (uint32_t i = 0; i < field_n(result, "events"); i++) {
		const msgpack_object *ev = field_at(result, "events", i);

		if (!cli_has(c, OPT_JSON)) {
			put_event(c, ev);
			continue;
		}
		(void)mp_to_json(ev, 0, &c->out); /* cli_flush tells */
		(void)bytes_str(&c->out, "\n");	  /* as above */
	}
	if (*field_text(result, "last", last, sizeof(last))) {
		memcpy(p->after, last, sizeof(last));
		p->has_after = true;
	}
	p->tail = false;
}

static enum cli_status event_step(struct cli *c, struct follow *f, struct event_place *p, bool *ret_more)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;
	bool again;

	event_args(&a, c, p, f->on && f->met);
	status = ask(c, f, "events", &a, &r, &again);
	*ret_more = f->on;
	if (status != CLI_DONE || again)
		return status;
	event_take(c, p, r.result);
	*ret_more |= field_n(r.result, "events") >= PAGE_EVENTS && p->has_after;
	return cli_flush(c);
}

enum cli_status cmd_events(struct cli *c)
{
	const char *since = c->opt.value[OPT_SINCE], *after = c->opt.value[OPT_AFTER];
	struct follow f = {.on = cli_has(c, OPT_FOLLOW)};
	struct event_place p = {.since_ms = -1, .tail = f.on && !since && !after};
	enum cli_status status;
	bool more;

	if (since && when_parse_since(since, cli_wall_ms(), &p.since_ms) < 0)
		return cli_usage(
			c, "--since: '%.60s' is neither a duration (10m) nor a time (2026-01-02T03:04:05Z)", since);
	if (after && (size_t)snprintf(p.after, sizeof(p.after), "%s", after) >= sizeof(p.after))
		return cli_usage(c, "--after: not an event's id");
	p.has_after = after != NULL;
	do
		status = event_step(c, &f, &p, &more);
	while (status == CLI_DONE && more);
	return status;
}
