/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_ACCEPTOR_STORY_H
#define TESTS_LIB_ACCEPTOR_STORY_H
/*
 * A voter a, one of a, b, c, driven by hand: what it hears, what it says to that, and what it writes.
 */
#include "tests/lib/consensus_story.h"

struct world {
	struct acceptor *a;
	struct story_mem mem;
	struct acceptor_outs outs;
	struct trace t;
	struct quorum_cfg cfg; /* of the askers */
	int64_t now_ms;
	uint64_t round, write; /* the highest handed over */
	bool quiet;
};

static inline void begin(struct world *w, const struct acceptor_header *header, uint64_t boot, uint64_t write)
{
	struct value_mem mem = story_mem(&w->mem);
	struct acceptor_config config = {
		.self = story_node('a'), .header = *header, .boot = boot, .write = write, .reader = &story_reader};

	assert_int_equal(acceptor_new(&config, &mem, story_now(w->now_ms), &w->a), 0);
}

static inline void setup(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->cfg = story_cfg(1, "abc", "");
	begin(w, &(struct acceptor_header){.cfg = w->cfg}, 1, 0);
}

static inline void done(struct world *w)
{
	acceptor_free(w->a);
	assert_int_equal(w->mem.bytes, 0);
}

static inline void step(struct world *w, const struct acceptor_in *in)
{
	char dump[512];

	acceptor_step(w->a, in, story_now(w->now_ms), &w->outs);
	if (acceptor_keys(w->a) % 100 < 10) /* it looks at all of them */
		acceptor_check(w->a);
	for (size_t i = 0; i < w->outs.n; i++)
		w->write = MAX(w->write, w->outs.v[i].write);
	if (w->quiet)
		return;
	for (size_t i = 0; i < w->outs.n; i++)
		story_add_out(&w->t, &w->outs.v[i]);
	trace_state(&w->t, acceptor_dump(w->a, dump, sizeof(dump)));
}

static inline void hear(struct world *w, char from, struct msg m)
{
	m.from = story_node(from);
	m.round = ++w->round;
	m.cfg = w->cfg;
	assert_null(msg_fault(&m));
	if (!w->quiet) {
		trace_add(&w->t, "[%6d] %c: ", (int)w->now_ms, from);
		story_add_msg(&w->t, &m);
		trace_add(&w->t, "\n");
	}
	step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &m});
}

static inline void prepare(struct world *w, char from, const char *key, uint64_t counter)
{
	hear(w, from, (struct msg){.type = MSG_PREPARE, .key = story_key(key), .ballot = story_ballot(counter, from)});
}

static inline void accept_value(struct world *w, char from, const char *key, uint64_t counter, const char *value)
{
	hear(w, from,
		(struct msg){.type = MSG_ACCEPT,
			.key = story_key(key),
			.ballot = story_ballot(counter, from),
			.value = story_value(value)});
}

static inline void stored(struct world *w, uint64_t write)
{
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "stored %u", (unsigned)write);
	step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_STORED, .write = write});
}

/* A voter whose root register has the times of leases, and which has accepted a value of web's; all durable. */
static inline void with(struct world *w, const char *value)
{
	setup(w);
	w->quiet = true;
	accept_value(w, 'b', "", 1, "times");
	accept_value(w, 'b', "web", 1, value);
	stored(w, w->write);
	w->quiet = false;
}

/* One that begins again, and has that on its disk; it once guarded for so long. */
static inline void with_again(struct world *w, const char *value, uint32_t lv_max_ms)
{
	struct msg_key root = {0}, web = story_key("web");
	struct ballot one = story_ballot(1, 'b');

	begin(w, &(struct acceptor_header){.cfg = w->cfg, .lv_max_ms = lv_max_ms}, 2, 9);
	assert_int_equal(acceptor_load(w->a, &root, &one, &one, story_value("times")), 0);
	assert_int_equal(acceptor_load(w->a, &web, &one, &one, story_value(value)), 0);
}

#endif
