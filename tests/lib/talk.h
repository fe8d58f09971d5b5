/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_TALK_H
#define TESTS_LIB_TALK_H
/*
 * A conversation between `covey` and a daemon, as a test writes it: what is answered to each request, and afterwards
 * what was asked.
 */
#include "tests/lib/fake_daemon.h"

#include "cli/cli.h"

/* One answer: its packer, and a text for it; NULL hangs up. */
struct step {
	void (*pack)(struct mp_writer *w, const char *text);
	const char *text;
};

/* A conversation. The last step repeats. */
struct talk {
	const struct step *steps;
	unsigned n;
	struct bytes asked; /* "verb {args}" a line */
};

static inline bool serve_talk(void *arg, unsigned n, const char *verb, const msgpack_object *args, struct mp_writer *w)
{
	struct talk *t = arg;
	const struct step *step = &t->steps[n < t->n ? n : t->n - 1];

	(void)bytes_fmt(&t->asked, "%s ", verb); /* t->asked.failed tells; so below */
	(void)mp_to_json(args, 0, &t->asked);
	(void)bytes_str(&t->asked, "\n");
	if (!step->pack)
		return false;
	step->pack(w, step->text);
	return true;
}

struct heard {
	struct ran ran;
	struct bytes asked;
};

static inline void heard_done(struct heard *h)
{
	run_done(&h->ran);
	bytes_done(&h->asked);
}
#define AUTO_HEARD CLEANUP(heard_done)

static inline struct heard converse(const struct step *steps, unsigned n, const struct run *run)
{
	struct talk t = {.steps = steps, .n = n, .asked = {.max = 1 << 24}};
	struct run with = *run;
	struct heard h;
	struct fake f;

	fake_start(&f, serve_talk, &t);
	with.socket = f.path;
	h.ran = run_covey(&with);
	fake_stop(&f);
	assert_int_equal(bytes_str(&t.asked, ""), 0);
	h.asked = t.asked;
	return h;
}

#define TALK(steps, ...) \
	converse(steps, ARRAY_LEN(steps), &(struct run){.argv = (const char *const[]){__VA_ARGS__, NULL}})

static inline void result(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_key_bool(w, "ok", true);
	mp_str(w, "result");
}

static inline void wait_is(struct mp_writer *w, bool done, bool failed, const char *text)
{
	result(w);
	mp_map(w, 5);
	mp_key_bool(w, "done", done);
	mp_key_bool(w, "failed", failed);
	mp_key_int(w, "ready", 2);
	mp_key_int(w, "total", 5);
	mp_key_str(w, "text", text);
}

static inline void waiting(struct mp_writer *w, const char *text)
{
	wait_is(w, false, false, text);
}

static inline void done(struct mp_writer *w, const char *text)
{
	wait_is(w, true, false, text);
}

static inline void failed(struct mp_writer *w, const char *text)
{
	wait_is(w, false, true, text);
}

static inline void refuse_as(struct mp_writer *w, const char *code, const char *text)
{
	mp_map(w, 3);
	mp_key_bool(w, "ok", false);
	mp_key_str(w, "code", code);
	mp_key_str(w, "error", text);
}

static inline void refuse(struct mp_writer *w, const char *text)
{
	refuse_as(w, "refused", text);
}

static inline void stopping(struct mp_writer *w, const char *text)
{
	refuse_as(w, "stopping", text);
}

static inline void told(struct mp_writer *w, const char *text)
{
	result(w);
	mp_map(w, 1);
	mp_key_str(w, "text", text);
}

static inline void starts(const char *text, const char *with)
{
	if (strncmp(text, with, strlen(with)) != 0)
		fail_msg("'%s' does not start with '%s'", text, with);
}

static inline void came(const struct heard *h, int status, const char *out, const char *err)
{
	assert_string_equal(h->ran.err.v, err);
	assert_string_equal(h->ran.out.v, out);
	assert_int_equal(h->ran.status, status);
}

#endif
