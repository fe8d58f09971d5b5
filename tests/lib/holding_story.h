/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_HOLDING_STORY_H
#define TESTS_LIB_HOLDING_STORY_H
/*
 * Golden traces of node/holding.h: one node, x, with the voters a, b and c, and slots of the agent web.
 */
#include "node/holding.h"
#include "tests/lib/consensus_story.h"

struct teller {
	struct holding h;
	struct story_mem mem;
	struct holding_outs outs;
	struct trace t;
	int64_t now_ms;
	int rc;
	bool quiet, drains;
};

static const struct value_times teller_times = {.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100};

static inline void teller_setup(struct teller *w, bool alone)
{
	struct holding_config config = {.self = story_node('x'),
		.cfg = story_cfg(1, "abc", ""),
		.times = teller_times,
		.number = 7,
		.alone = alone};

	memset(w, 0, sizeof(*w));
	config.mem = story_mem(&w->mem);
	holding_init(&w->h, &config, story_now(0));
}

static inline void teller_done(struct teller *w)
{
	holding_done(&w->h);
	assert_int_equal(w->mem.bytes, 0);
}

static inline void teller_say(struct teller *w, const struct holding_said *s)
{
	static const char *const words[] = {[HOLDING_STOP] = "stop",
		[HOLDING_RELEASE] = "write the release of",
		[HOLDING_DROP] = "drop the release of",
		[HOLDING_IDENTITY] = "identity change for",
		[HOLDING_RUN] = "run",
		[HOLDING_GOES_ON] = "goes on:"};
	bool has_until = s->word >= HOLDING_RUN;

	_Static_assert(ARRAY_LEN(words) == HOLDING_WORD_MAX, "each word has a text");
	if (s->word == HOLDING_IDENTITY)
		TRACE_OUT(&w->t, "%s %.*s", words[s->word], s->key.n, s->key.v);
	else if (has_until && s->until_ms == HOLDING_UNARMED)
		TRACE_OUT(&w->t, "%s %u/%u, unarmed", words[s->word], (unsigned)s->slot, (unsigned)s->epoch);
	else if (has_until)
		TRACE_OUT(&w->t, "%s %u/%u until %d", words[s->word], (unsigned)s->slot, (unsigned)s->epoch,
			(int)s->until_ms);
	else
		TRACE_OUT(&w->t, "%s %u/%u", words[s->word], (unsigned)s->slot, (unsigned)s->epoch);
}

static inline void teller_step(struct teller *w, const struct holding_in *in)
{
	struct holding_said s;
	char dump[512];

	w->rc = holding_step(&w->h, in, story_now(w->now_ms), &w->outs);
	holding_check(&w->h);
	if (w->quiet) {
		while (w->drains && holding_next(&w->h, &s))
			;
		return;
	}
	if (w->outs.number > 0)
		TRACE_OUT(&w->t, "number %u to disk", (unsigned)w->outs.number);
	if (w->outs.n_to > 0) {
		TRACE_OUT(&w->t, "%d voters: %s number %u for %u ms", w->outs.n_to, msg_name(w->outs.msg.type),
			(unsigned)w->outs.msg.number, (unsigned)w->outs.msg.tf_ms);
		w->t.n--;
		story_add_leases(&w->t, &w->outs.msg);
		trace_add(&w->t, "\n");
	}
	while (holding_next(&w->h, &s))
		teller_say(w, &s);
	trace_state(&w->t, holding_dump(&w->h, dump, sizeof(dump)));
}

static inline void teller_tick(struct teller *w, int64_t at_ms)
{
	w->now_ms = at_ms;
	if (!w->quiet)
		TRACE_EVENT(&w->t, at_ms, "tick");
	teller_step(w, &(struct holding_in){.type = HOLDING_IN_TICK});
}

static inline void teller_number(struct teller *w, uint64_t n)
{
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "number %u is on disk", (unsigned)n);
	teller_step(w, &(struct holding_in){.type = HOLDING_IN_NUMBER, .number = n});
}

/* "0/4", "0/4 stop", "": of web. */
static inline void teller_chosen(struct teller *w, const char *text, uint64_t next_epoch)
{
	struct holding_own own[4];
	struct holding_in in = {
		.type = HOLDING_IN_CHOSEN, .key = story_key("web"), .own = own, .next_epoch = next_epoch};
	unsigned slot, epoch;
	int n;

	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "chosen, next %u: %s", (unsigned)next_epoch, *text ? text : "nothing");
	for (const char *at = text; sscanf(at, " %u/%u%n", &slot, &epoch, &n) == 2; at += n) {
		own[in.n_own] =
			(struct holding_own){.slot = slot, .epoch = epoch, .stop = strncmp(at + n, " stop", 5) == 0};
		n += own[in.n_own++].stop ? 5 : 0;
	}
	teller_step(w, &in);
}

static inline void teller_of_slot(
	struct teller *w, enum holding_in_type type, uint32_t slot, uint64_t epoch, int64_t until_ms)
{
	static const char *const names[] = {[HOLDING_IN_FOUND] = "found",
		[HOLDING_IN_EMPTY] = "empty",
		[HOLDING_IN_RELEASED] = "released",
		[HOLDING_IN_ARMED] = "armed"};

	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "%s %u/%u", names[type], (unsigned)slot, (unsigned)epoch);
	teller_step(
		w, &(struct holding_in){
			   .type = type, .key = story_key("web"), .slot = slot, .epoch = epoch, .until_ms = until_ms});
}

static inline void teller_grant(
	struct teller *w, const char *from, uint64_t n, uint32_t slot, uint64_t epoch, enum msg_why why)
{
	for (; *from; from++) {
		struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = epoch, .why = why};
		struct msg m = {.type = MSG_GRANT,
			.from = story_node(*from),
			.cfg.epoch = w->h.lease.config.cfg.epoch,
			.number = n,
			.leases = &l,
			.n_leases = 1};

		if (!w->quiet)
			TRACE_EVENT(&w->t, w->now_ms, "%c: %s, number %u", *from, msg_why_text(why), (unsigned)n);
		teller_step(w, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = &m});
	}
}

/* Numbers are on disk, and so is the first renewal under way: number 8. */
static inline void teller_begin(struct teller *w, const char *text, uint64_t next_epoch)
{
	w->quiet = w->drains = true;
	teller_tick(w, 0);
	teller_number(w, w->outs.number);
	teller_chosen(w, text, next_epoch);
	teller_tick(w, 0);
	w->quiet = w->drains = false;
	w->t.n = 0;
}

#endif
