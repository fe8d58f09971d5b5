/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_PROPOSER_STORY_H
#define TESTS_LIB_PROPOSER_STORY_H
/*
 * A proposal of node p to voters a, b and c, driven by hand: what it hears, and what it says to that.
 */
#include "tests/lib/consensus_story.h"

struct world {
	struct proposer p;
	struct proposer_config config;
	struct ballot_source source;
	struct story_mem mem;
	struct proposer_outs outs;
	struct trace t;
	int64_t now_ms;
	const char *to;		       /* what the change makes; NULL: nothing to change */
	enum proposer_verdict verdict; /* where to is NULL */
	int calls;
	char saw[STORY_TEXT_MAX];
	bool quiet;
};

static inline enum proposer_verdict change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	struct world *w = ctx;

	w->calls++;
	(void)snprintf(w->saw, sizeof(w->saw), "%.*s", (int)base->value.n, (const char *)base->value.v);
	if (!w->to)
		return w->verdict;
	*ret = story_value(w->to);
	return PROPOSER_CHANGE;
}

static inline void setup(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->source = (struct ballot_source){.node = story_node('p'), .nonce = 1};
	w->to = "new";
	w->verdict = PROPOSER_SAME;
	w->config = (struct proposer_config){.source = &w->source,
		.reader = &story_reader,
		.mem = story_mem(&w->mem),
		.cfg = story_cfg(1, "abc", ""),
		.key = story_key("web"),
		.round = 77,
		.change = change,
		.ctx = w,
		.round_ms = 10,
		.for_ms = 5000,
		.seed = 5};
}

static inline void done(struct world *w)
{
	proposer_done(&w->p);
	assert_int_equal(w->mem.bytes, 0);
}

static inline void step(struct world *w, const struct proposer_in *in)
{
	char dump[256];

	proposer_step(&w->p, in, story_now(w->now_ms), &w->outs);
	proposer_check(&w->p);
	if (w->quiet)
		return;
	if (w->outs.n_to > 0) {
		trace_add(&w->t, "         -> ");
		for (int i = 0; i < w->outs.n_to; i++)
			trace_add(&w->t, "%c", story_name(&w->outs.to[i]));
		trace_add(&w->t, ": ");
		story_add_msg(&w->t, &w->outs.msg);
		trace_add(&w->t, "\n");
	}
	if (w->outs.done)
		TRACE_OUT(&w->t, "%s '%.*s'", proposer_outcome_text(w->p.outcome), (int)proposer_value(&w->p).n,
			(const char *)proposer_value(&w->p).v);
	trace_state(&w->t, proposer_dump(&w->p, dump, sizeof(dump)));
}

static inline void tick(struct world *w, int64_t at_ms)
{
	w->now_ms = at_ms;
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "tick");
	step(w, &(struct proposer_in){.type = PROPOSER_IN_TICK});
}

static inline void begin(struct world *w)
{
	proposer_init(&w->p, &w->config, story_now(w->now_ms));
	tick(w, w->now_ms);
}

static inline void begin_quietly(struct world *w)
{
	w->quiet = true;
	begin(w);
}

/* An early one is told what to change. */
static inline void give(struct world *w, int64_t for_ms)
{
	const struct proposer_given g = {.change = change, .ctx = w, .for_ms = for_ms};

	proposer_give(&w->p, &g, story_now(w->now_ms), &w->outs);
	proposer_check(&w->p);
}

static inline void hear(struct world *w, char from, struct msg m)
{
	m.from = story_node(from);
	m.round = 77;
	m.key = story_key("web");
	if (m.cfg.epoch == 0)
		m.cfg.epoch = 1;
	assert_null(msg_fault(&m));
	if (!w->quiet) {
		trace_add(&w->t, "[%6d] %c: ", (int)w->now_ms, from);
		story_add_msg(&w->t, &m);
		trace_add(&w->t, "\n");
	}
	step(w, &(struct proposer_in){.type = PROPOSER_IN_MSG, .msg = &m});
}

static inline void promise(struct world *w, char from, uint64_t accepted, const char *value)
{
	hear(w, from,
		(struct msg){.type = MSG_PROMISE,
			.ballot = w->p.ballot,
			.accepted = accepted ? story_ballot(accepted, 'z') : (struct ballot){0},
			.value = story_value(value)});
}

/* Of several that have accepted nothing. */
static inline void promises(struct world *w, const char *from)
{
	for (; *from; from++)
		promise(w, *from, 0, "");
}

static inline void accepted(struct world *w, char from)
{
	hear(w, from, (struct msg){.type = MSG_ACCEPTED, .ballot = w->p.ballot});
}

static inline void value(struct world *w, char from, uint64_t ballot, const char *text)
{
	hear(w, from,
		(struct msg){.type = MSG_VALUE,
			.accepted = ballot ? story_ballot(ballot, 'z') : (struct ballot){0},
			.value = story_value(text)});
}

static inline void refused(struct world *w, char from, uint64_t higher)
{
	hear(w, from, (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_BALLOT, .ballot = story_ballot(higher, 'z')});
}

static inline void guarded(struct world *w, char from, const char *base, const char *guard, uint32_t left_ms)
{
	struct msg_guard g = {.left_ms = left_ms};
	size_t at = 0;

	assert_true(story_slot_next(NULL, story_value(guard), &at, &g.slot));
	hear(w, from,
		(struct msg){.type = MSG_PROMISE,
			.ballot = w->p.ballot,
			.accepted = story_ballot(1, 'z'),
			.value = story_value(base),
			.guards = &g,
			.n_guards = 1});
}

#endif
