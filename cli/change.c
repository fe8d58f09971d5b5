/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change, asked for once and waited for. Every change carries an id of its own (--op): when the connection
 * breaks before the answer, nobody knows whether it was decided, and repeating it with the same id is safe. While
 * waiting, a daemon that is restarted is waited for too: the change is durable by then.
 */
#include "cli/call.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/field.h"
#include "cli/table.h"

#define ANSWER_MIN_MS 5000  /* a request is given this long, however short --timeout is */
#define POLL_MS	      2000  /* one long poll */
#define GRACE_MS      10000 /* an answer that is this late is lost */
#define GONE_MAX_MS   10000 /* a daemon away for longer is not waited for */
#define GONE_STEP_MS  100

struct waiting {
	const char *what;
	int64_t until_ms, gone_since_ms; /* CLOCK_MONOTONIC; gone: 0 while it answers */
	bool shown;			 /* a progress line is on the terminal */
	char text[512];			 /* what it waits for */
};

static void progress_clear(struct waiting *w)
{
	if (w->shown)
		(void)fputs("\r\033[K", stderr); /* only looks depend on it */
	w->shown = false;
}

static void progress(const struct cli *c, struct waiting *w)
{
	struct bytes line = {.max = 8192};

	if (!c->err_tty)
		return;
	text_clean(&line, w->text, strlen(w->text), screen_width(STDERR_FILENO) - 1);
	if (!line.failed)
		(void)fprintf(stderr, "\r\033[K%s", line.v ? line.v : ""); /* only looks depend on it */
	w->shown = true;
	bytes_done(&line);
}

/* "web: 2 of 5 ready; waiting for web.3 (backoff: exited with code 1)" */
static void remember(struct waiting *w, const msgpack_object *result)
{
	int64_t ready = field_int(result, "ready", 0), total = field_int(result, "total", 0);
	char text[256];

	(void)field_text(result, "text", text, sizeof(text)); /* it is text */
	/* A line that is cut is still one. */
	if (total > 0)
		(void)snprintf(w->text, sizeof(w->text), "%.100s: %lld of %lld ready%s%s", w->what, (long long)ready,
			(long long)total, *text ? "; " : "", text);
	else
		(void)snprintf(w->text, sizeof(w->text), "%.100s: %s", w->what, *text ? text : "under way");
}

static enum cli_status outcome_unknown(const struct cli *c, const struct err *e)
{
	return cli_fail(CLI_UNKNOWN,
		"%s; whether it was done is not known: repeat the command with --op %s, which is safe", e->text, c->op);
}

static void sleep_ms(int64_t ms)
{
	(void)poll(NULL, 0, (int)ms); /* a signal only makes it shorter */
}

/* The daemon did not answer while we waited: again, or CLI_UNKNOWN once that took too long. true: again. */
static bool wait_for_daemon(const struct cli *c, struct waiting *w, const struct err *e, enum cli_status *ret)
{
	int64_t now = cli_mono_ms();

	if (w->gone_since_ms == 0)
		w->gone_since_ms = now;
	if (now - w->gone_since_ms > GONE_MAX_MS || now >= w->until_ms) {
		progress_clear(w);
		*ret = outcome_unknown(c, e);
		return false;
	}
	(void)snprintf(
		w->text, sizeof(w->text), "%.100s: the daemon does not answer, trying again", w->what); /* fits */
	progress(c, w);
	sleep_ms(GONE_STEP_MS);
	return true;
}

/* What one answer to `wait` means. true: go on waiting. */
static bool judge(const struct cli *c, struct waiting *w, const msgpack_object *result, enum cli_status *ret)
{
	remember(w, result);
	w->gone_since_ms = 0;
	if (field_bool(result, "failed")) {
		progress_clear(w);
		*ret = cli_fail(CLI_REFUSED, "%s", w->text);
		return false;
	}
	if (field_bool(result, "done")) {
		progress_clear(w);
		*ret = CLI_DONE;
		return false;
	}
	progress(c, w);
	return true;
}

static bool wait_once(struct cli *c, struct waiting *w, int64_t left_ms, enum cli_status *ret)
{
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	int64_t wait_ms = MAX(MIN(left_ms, (int64_t)POLL_MS), (int64_t)0);
	struct err e = {0};
	enum call_end end;

	args_init(&a, 2);
	mp_key_str(&a.w, "op", c->op);
	mp_key_int(&a.w, "wait_ms", wait_ms);
	end = call_daemon(c, "wait", &a, wait_ms + GRACE_MS, &r, &e);
	if (end == CALL_OK)
		return judge(c, w, r.result, ret);
	if (end == CALL_REFUSED && strcmp(r.code, "unknown") != 0) {
		progress_clear(w);
		*ret = call_failed(end, &r, &e);
		return false;
	}
	if (end == CALL_REFUSED)
		(void)err_set(&e, -ESTALE, "%s", r.error); /* told by the call below */
	return wait_for_daemon(c, w, &e, ret);
}

static enum cli_status wait_until_done(struct cli *c, const char *what)
{
	struct waiting w = {.what = what, .until_ms = cli_mono_ms() + c->opt.timeout_ms};
	enum cli_status status = CLI_DONE;
	char timeout[UNITS_TEXT_MAX];

	(void)snprintf(w.text, sizeof(w.text), "%.100s: under way", what); /* fits */
	for (;;) {
		int64_t left = w.until_ms - cli_mono_ms();

		if (!wait_once(c, &w, left, &status))
			return status;
		if (left > 0)
			continue;
		progress_clear(&w);
		return cli_fail(CLI_STILL_GOING, "still going on after %s: %s",
			units_duration(timeout, c->opt.timeout_ms), w.text);
	}
}

/* Appending to c->out: cli_flush tells what failed, hence the (void)s. */

static void show_line(struct cli *c, const char *before, const char *text)
{
	(void)bytes_str(&c->out, before);
	text_clean(&c->out, text, strlen(text), 0);
	(void)bytes_str(&c->out, "\n");
}

void change_show_lines(struct cli *c, const msgpack_object *result, void *arg)
{
	char agent[REPLICA_ID_MAX], change[64], text[1024], head[REPLICA_ID_MAX + 2];

	(void)arg; /* nothing beside the result */
	for (uint32_t i = 0; i < field_n(result, "changes"); i++) {
		const msgpack_object *o = field_at(result, "changes", i);

		(void)field_text(o, "change", change, sizeof(change));
		(void)field_text(o, "text", text, sizeof(text));
		(void)snprintf(head, sizeof(head), "%s: ", field_text(o, "agent", agent, sizeof(agent)));
		show_line(c, *agent ? head : "", *text ? text : change);
	}
}

/* What the daemon says beside changes: a sentence, or the plan of --dry-run. */
static void show_text(struct cli *c, const msgpack_object *result)
{
	char text[2048];

	if (*field_text(result, "text", text, sizeof(text)))
		show_line(c, "", text);
	for (uint32_t i = 0; i < field_n(result, "plan"); i++) {
		const msgpack_object *o = field_at(result, "plan", i);

		if (o->type != MSGPACK_OBJECT_STR)
			continue;
		(void)snprintf(text, sizeof(text), "%.*s", (int)o->via.str.size, o->via.str.ptr); /* cut is fine */
		show_line(c, "would: ", text);
	}
}

enum cli_status change_run(
	struct cli *c, const char *verb, const struct args *a, const char *what, change_show *show, void *arg)
{
	AUTO_REPLY struct reply r = {0};
	struct err e = {0};
	enum call_end end = call_daemon(c, verb, a, MAX(c->opt.timeout_ms, (int64_t)ANSWER_MIN_MS), &r, &e);
	enum cli_status status;

	if (end == CALL_LOST)
		return outcome_unknown(c, &e);
	if (end == CALL_REFUSED && strcmp(r.code, "unknown") == 0)
		return cli_fail(CLI_UNKNOWN, "%s", r.error); /* which names the operation */
	if (end != CALL_OK)
		return call_failed(end, &r, &e);
	if (show)
		show(c, r.result, arg);
	else
		change_show_lines(c, r.result, NULL);
	show_text(c, r.result);
	status = cli_flush(c);
	if (status != CLI_DONE || cli_has(c, OPT_NO_WAIT) || cli_has(c, OPT_DRY_RUN) || !mp_get(r.result, "op"))
		return status;
	return wait_until_done(c, what);
}
