/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `events`: what happened, and with -f what comes.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/field.h"
#include "cli/follow.h"
#include "cli/table.h"
#include "cli/when.h"

#define PAGE_EVENTS 1000

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
		mp_key_int(&a->w, "wait_ms", FOLLOW_POLL_MS);
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
	status = follow_ask(c, f, "events", &a, &r, &again);
	*ret_more = f->on;
	if (status != CLI_DONE || again)
		return status;
	event_take(c, p, r.result);
	*ret_more |= field_bool(r.result, "more") && p->has_after;
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
