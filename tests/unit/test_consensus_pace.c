/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long a round takes: what of a proposal is one, what the figure makes of it, and that pauses are counted in it.
 * First a proposal by hand; then the registers of voter a, whose own disk never answers, with voters b and c.
 */
#include "consensus/pace.h"
#include "consensus/registers.h"
#include "tests/lib/proposer_story.h"

#define RESEND_ROUNDS 4

static void round_is(const struct world *w, int64_t ms, bool again)
{
	assert_int_equal(w->outs.round_ms, ms);
	assert_int_equal(w->outs.again, again);
}

static void begin_measured(struct world *w)
{
	setup(w);
	begin_quietly(w);
	round_is(w, PROPOSER_NO_ROUND, false);
}

static void test_both_phases_are_rounds(void **state)
{
	struct world w;

	(void)state;
	begin_measured(&w);
	w.now_ms = 3;
	promise(&w, 'a', 0, "");
	round_is(&w, PROPOSER_NO_ROUND, false);
	w.now_ms = 7;
	promise(&w, 'c', 0, "");
	round_is(&w, 7, false);
	w.now_ms = 8;
	promise(&w, 'b', 0, ""); /* late, in vain */
	round_is(&w, PROPOSER_NO_ROUND, false);
	accepted(&w, 'a');
	accepted(&w, 'a'); /* doubled on the way */
	round_is(&w, PROPOSER_NO_ROUND, false);
	w.now_ms = 18;
	accepted(&w, 'b');
	round_is(&w, 11, false);
	done(&w);
}

/* A quorum has promised, and one that has nothing to do with a lease is awaited. */
static void test_a_late_voter_is_no_second_round(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.source.counter = 9;
	w.to = "0b2";
	w.quiet = true;
	begin(&w);
	w.now_ms = 4;
	guarded(&w, 'a', "0a1", "0a1", 3000);
	promise(&w, 'b', 1, "0a1");
	round_is(&w, 4, false);
	assert_int_equal(w.p.state, PROPOSER_PREPARING);
	w.now_ms = 9;
	promise(&w, 'c', 1, "0a1");
	assert_int_equal(w.p.state, PROPOSER_ACCEPTING);
	round_is(&w, PROPOSER_NO_ROUND, false);
	done(&w);
}

static void test_what_was_sent_again_is_told_apart(void **state)
{
	struct world w;

	(void)state;
	begin_measured(&w);
	promise(&w, 'a', 0, "");
	tick(&w, RESEND_ROUNDS * 10);
	assert_int_equal(w.outs.n_to, 2);
	round_is(&w, PROPOSER_NO_ROUND, false);
	w.now_ms = 41;
	promise(&w, 'b', 0, "");
	round_is(&w, 41, true);
	w.now_ms = 45;
	accepted(&w, 'a');
	accepted(&w, 'b');
	round_is(&w, 4, false); /* the next phase is another round */
	done(&w);
}

/* Refused, or read without a write, or ready for long: nothing of that is one. */
static void test_what_is_no_round(void **state)
{
	struct world w;

	(void)state;
	begin_measured(&w);
	refused(&w, 'a', 7);
	refused(&w, 'b', 7);
	round_is(&w, PROPOSER_NO_ROUND, false);
	done(&w);

	setup(&w);
	w.config.read = w.quiet = true;
	begin(&w);
	value(&w, 'a', 3, "three");
	value(&w, 'b', 3, "three");
	assert_int_equal(w.p.outcome, PROPOSER_CHOSEN);
	round_is(&w, PROPOSER_NO_ROUND, false);
	done(&w);

	setup(&w);
	w.config.change = NULL;
	w.quiet = true;
	begin(&w);
	w.now_ms = 6;
	promise(&w, 'a', 0, "");
	promise(&w, 'b', 0, "");
	round_is(&w, 6, false);
	assert_int_equal(w.p.state, PROPOSER_READY);
	w.now_ms = 900;
	give(&w, 700);
	assert_int_equal(w.outs.msg.type, MSG_ACCEPT);
	round_is(&w, PROPOSER_NO_ROUND, false);
	w.now_ms = 905;
	accepted(&w, 'b');
	accepted(&w, 'c');
	round_is(&w, 5, false);
	done(&w);
}

static void test_the_figure_is_smoothed_and_bounded(void **state)
{
	struct pace p;
	uint32_t was;

	(void)state;
	pace_init(&p);
	assert_int_equal(pace_ms(&p), PACE_FIRST_MS);
	assert_int_equal(pace_rank_ms(&p), PACE_MIN_MS); /* most never propose */
	pace_took(&p, 40);
	assert_int_equal(pace_ms(&p), 40);
	assert_int_equal(pace_rank_ms(&p), 40);
	pace_took(&p, 40 + 80);
	assert_int_equal(pace_ms(&p), 40 + 10); /* one that was slow is one of eight */
	for (int i = 0; i < 100; i++)
		pace_took(&p, 37);
	assert_int_equal(pace_ms(&p), 37);
	pace_sent_again(&p);
	assert_int_equal(pace_ms(&p), 42);
	for (int i = 0; i < 100; i++)
		pace_took(&p, INT64_MAX);
	assert_int_equal(pace_ms(&p), PACE_MAX_MS);
	for (int i = 0; i < 100; i++)
		pace_took(&p, 0);
	assert_int_equal(pace_ms(&p), PACE_MIN_MS);
	pace_took(&p, -5); /* clocks that go back are the caller's fault, and do no harm */
	assert_int_equal(pace_ms(&p), PACE_MIN_MS);
	for (int i = 0; i < 100; i++) {
		was = pace_ms(&p);
		pace_sent_again(&p);
		assert_true(pace_ms(&p) >= was);
	}
	assert_int_equal(pace_ms(&p), PACE_MAX_MS);
}

/* ---- the registers ---- */

struct many {
	struct registers *r;
	struct registers_outs outs;
	struct story_mem mem;
	int64_t now_ms;
	uint64_t token;
};

static void many_step(struct many *m, const struct registers_in *in)
{
	assert_int_equal(registers_step(m->r, in, story_now(m->now_ms), &m->outs), 0);
	registers_check(m->r);
}

static void many_begin(struct many *m)
{
	const struct value_mem mem = story_mem(&m->mem);
	const struct registers_config c = {.acceptor = {.self = story_node('a'),
						   .header.cfg = story_cfg(1, "abc", ""),
						   .boot = 1,
						   .reader = &story_reader},
		.nonce = 7,
		.seed = 7};

	memset(m, 0, sizeof(*m));
	assert_int_equal(registers_new(&c, &mem, story_now(0), &m->r), 0);
	many_step(m, &(struct registers_in){.type = REGISTERS_IN_OPEN});
	assert_int_equal(registers_round_ms(m->r), PACE_FIRST_MS);
}

static void many_done(struct many *m)
{
	registers_free(m->r);
	assert_int_equal(m->mem.bytes, 0);
}

static enum proposer_verdict put(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	(void)ctx;
	(void)base;
	*ret = story_value("new");
	return PROPOSER_CHANGE;
}

/* What the last step asked of b and c; NULL: nothing. */
static const struct msg *asked(const struct many *m)
{
	for (size_t i = 0; i < m->outs.n; i++)
		if (m->outs.v[i].type == REGISTERS_OUT_SEND &&
			(m->outs.v[i].msg.type == MSG_PREPARE || m->outs.v[i].msg.type == MSG_ACCEPT))
			return &m->outs.v[i].msg;
	return NULL;
}

static bool has_ended(const struct many *m)
{
	for (size_t i = 0; i < m->outs.n; i++)
		if (m->outs.v[i].type == REGISTERS_OUT_ENDED) {
			assert_int_equal(m->outs.v[i].outcome, PROPOSER_CHOSEN);
			return true;
		}
	return false;
}

/* Another name each: no promises are ahead of any. */
static struct msg propose(struct many *m)
{
	char name[8];
	struct registers_ask ask = {.token = ++m->token, .change = put, .for_ms = 60000};

	(void)snprintf(name, sizeof(name), "k%d", (int)m->token); /* fits */
	ask.key = story_key(name);
	many_step(m, &(struct registers_in){.type = REGISTERS_IN_PROPOSE, .ask = &ask});
	assert_non_null(asked(m));
	return *asked(m);
}

static void answer(struct many *m, const struct msg *of)
{
	struct msg a = {.type = of->type == MSG_PREPARE ? MSG_PROMISE : MSG_ACCEPTED,
		.cfg.epoch = 1,
		.round = of->round,
		.key = of->key,
		.ballot = of->ballot};

	for (char from = 'b'; from <= 'c'; from++) {
		a.from = story_node(from);
		many_step(m, &(struct registers_in){.type = REGISTERS_IN_MSG, .msg = &a});
		if (asked(m) || has_ended(m))
			return;
	}
}

/* What is due until then is done. true: something was sent again, and we stop there. */
static bool run_to(struct many *m, int64_t at_ms, bool stop)
{
	while (registers_deadline_ms(m->r) <= at_ms) {
		m->now_ms = MAX(m->now_ms, registers_deadline_ms(m->r));
		many_step(m, &(struct registers_in){.type = REGISTERS_IN_TICK});
		if (stop && asked(m))
			return true;
	}
	m->now_ms = at_ms;
	return false;
}

/* One change; each phase takes so long at b and c. */
static void change_takes(struct many *m, int64_t phase_ms)
{
	struct msg is = propose(m);

	for (int phase = 0; phase < 2; phase++) {
		(void)run_to(m, m->now_ms + phase_ms, false);
		answer(m, &is);
		if (phase == 0)
			is = *asked(m);
	}
	assert_true(has_ended(m));
	m->now_ms++;
}

static void test_proposals_measure(void **state)
{
	struct many m;

	(void)state;
	many_begin(&m);
	for (int i = 0; i < 40; i++)
		change_takes(&m, 12);
	assert_int_equal(registers_round_ms(m.r), 12);
	for (int i = 0; i < 40; i++)
		change_takes(&m, 1);
	assert_int_equal(registers_round_ms(m.r), PACE_MIN_MS);
	many_done(&m);
}

/* A disk that becomes much slower makes all be sent again, and is measured in the end. */
static void test_what_becomes_slow_is_found(void **state)
{
	struct many m;
	uint32_t was;

	(void)state;
	many_begin(&m);
	was = registers_round_ms(m.r);
	change_takes(&m, 90);
	assert_int_equal(registers_round_ms(m.r), was + was / 4); /* by a step for each phase: neither is a measure */
	for (int i = 0; i < 60; i++)
		change_takes(&m, 90);
	assert_int_equal(registers_round_ms(m.r), 90);
	for (int i = 0; i < 60; i++)
		change_takes(&m, 3000);
	assert_int_equal(registers_round_ms(m.r), PACE_MAX_MS);
	many_done(&m);
}

static void test_pauses_are_counted_in_it(void **state)
{
	struct many m;
	int64_t from_ms;

	(void)state;
	many_begin(&m);
	for (int i = 0; i < 60; i++)
		change_takes(&m, 55);
	(void)propose(&m);
	from_ms = m.now_ms;
	assert_true(run_to(&m, from_ms + 1000, true));
	assert_int_equal(m.now_ms - from_ms, RESEND_ROUNDS * 55);
	many_done(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_phases_are_rounds),
		cmocka_unit_test(test_a_late_voter_is_no_second_round),
		cmocka_unit_test(test_what_was_sent_again_is_told_apart),
		cmocka_unit_test(test_what_is_no_round),
		cmocka_unit_test(test_the_figure_is_smoothed_and_bounded),
		cmocka_unit_test(test_proposals_measure),
		cmocka_unit_test(test_what_becomes_slow_is_found),
		cmocka_unit_test(test_pauses_are_counted_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
