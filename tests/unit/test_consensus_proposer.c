/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proposal's story, told to voters a, b and c by node p: both phases, whose value is carried, conflicts, what is
 * lost, and how each ends.
 */
#include "tests/lib/proposer_story.h"

static void test_a_change_is_chosen(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	promise(&w, 'a', 0, "");
	promise(&w, 'a', 0, ""); /* doubled on the way: still one voter */
	promise(&w, 'c', 0, "");
	accepted(&w, 'b');
	accepted(&w, 'b');
	accepted(&w, 'c');
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 1 refused 0 tries 0\n"
		       "[     0] a: promise e1 web 1.af00 on 0\n"
		       "[     0] c: promise e1 web 1.af00 on 0\n"
		       "         -> abc: accept e1 web 1.af00 'new'\n"
		       "         = accepting 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] b: accepted e1 web 1.af00\n"
		       "         = accepting 1.af00 on 0 answered 2 refused 0 tries 0\n"
		       "[     0] b: accepted e1 web 1.af00\n"
		       "[     0] c: accepted e1 web 1.af00\n"
		       "         -> chosen 'new'\n"
		       "         = done 1.af00 on 0 answered 6 refused 0 tries 0: chosen\n");
	assert_int_equal(w.calls, 1);
	done(&w);
}

static void test_the_highest_accepted_value_is_the_base(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.source.counter = 9;
	begin_quietly(&w);
	promise(&w, 'a', 3, "three");
	promise(&w, 'b', 2, "two");
	assert_string_equal(w.saw, "three");
	assert_int_equal(w.p.state, PROPOSER_ACCEPTING);
	done(&w);
}

/* A change that is none carries the value through, so that it is chosen when it is told. */
static void test_nothing_to_change_is_carried_through(void **state)
{
	static const enum proposer_verdict verdicts[] = {PROPOSER_SAME, PROPOSER_REFUSE};
	struct world w;

	(void)state;
	for (int i = 0; i < 2; i++) {
		setup(&w);
		w.to = NULL;
		w.verdict = verdicts[i];
		w.source.counter = 9;
		begin_quietly(&w);
		promise(&w, 'a', 3, "three");
		promise(&w, 'b', 0, "");
		assert_int_equal(w.outs.msg.type, MSG_ACCEPT);
		assert_int_equal(w.outs.n_to, 3);
		accepted(&w, 'a');
		accepted(&w, 'b');
		assert_int_equal(w.p.outcome, i ? PROPOSER_REFUSED : PROPOSER_CHOSEN);
		assert_memory_equal(proposer_value(&w.p).v, "three", 5);
		done(&w);
		/* A name that nobody wrote stays so. */
		begin(&w);
		promises(&w, "ab");
		assert_int_equal(w.p.outcome, i ? PROPOSER_REFUSED : PROPOSER_CHOSEN);
		done(&w);
	}
}

static void test_a_conflict_backs_off_and_goes_above(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	refused(&w, 'a', 7);
	promise(&w, 'c', 0, "");
	refused(&w, 'b', 9);
	tick(&w, proposer_deadline_ms(&w.p));
	promise(&w, 'c', 9, "nine");
	promise(&w, 'a', 0, "");
	accepted(&w, 'c');
	refused(&w, 'a', 12);
	accepted(&w, 'b');
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: refused e1 web 7.b900: a higher ballot was promised\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 1 tries 0\n"
		       "[     0] c: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 4 refused 1 tries 0\n"
		       "[     0] b: refused e1 web 9.b900: a higher ballot was promised\n"
		       "         = waiting 1.af00 on 0 answered 4 refused 3 tries 1\n"
		       "[     6] tick\n"
		       "         -> abc: prepare e1 web 10.af00\n"
		       "         = preparing 10.af00 on 0 answered 0 refused 0 tries 1\n"
		       "[     6] c: promise e1 web 10.af00 on 9.b900 'nine'\n"
		       "         = preparing 10.af00 on 9.b900 answered 4 refused 0 tries 1\n"
		       "[     6] a: promise e1 web 10.af00 on 0\n"
		       "         -> abc: accept e1 web 10.af00 'new'\n"
		       "         = accepting 10.af00 on 9.b900 answered 0 refused 0 tries 1\n"
		       "[     6] c: accepted e1 web 10.af00\n"
		       "         = accepting 10.af00 on 9.b900 answered 4 refused 0 tries 1\n"
		       "[     6] a: refused e1 web 12.b900: a higher ballot was promised\n"
		       "         = accepting 10.af00 on 9.b900 answered 4 refused 1 tries 1\n"
		       "[     6] b: accepted e1 web 10.af00\n"
		       "         -> chosen 'new'\n"
		       "         = done 10.af00 on 9.b900 answered 6 refused 1 tries 1: chosen\n");
	assert_int_equal(w.calls, 1);
	done(&w);
}

/* One is dead, one was asked by somebody else first: the same ballot again would be refused for ever. */
static void test_a_conflict_beside_a_dead_voter(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	refused(&w, 'a', 7);
	promise(&w, 'c', 0, "");
	tick(&w, 40);
	tick(&w, proposer_deadline_ms(&w.p));
	promises(&w, "ac");
	accepted(&w, 'c');
	refused(&w, 'a', 12);
	tick(&w, proposer_deadline_ms(&w.p));
	tick(&w, proposer_deadline_ms(&w.p));
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: refused e1 web 7.b900: a higher ballot was promised\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 1 tries 0\n"
		       "[     0] c: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 4 refused 1 tries 0\n"
		       "[    40] tick\n"
		       "         = waiting 1.af00 on 0 answered 4 refused 1 tries 1\n"
		       "[    46] tick\n"
		       "         -> abc: prepare e1 web 8.af00\n"
		       "         = preparing 8.af00 on 0 answered 0 refused 0 tries 1\n"
		       "[    46] a: promise e1 web 8.af00 on 0\n"
		       "         = preparing 8.af00 on 0 answered 1 refused 0 tries 1\n"
		       "[    46] c: promise e1 web 8.af00 on 0\n"
		       "         -> abc: accept e1 web 8.af00 'new'\n"
		       "         = accepting 8.af00 on 0 answered 0 refused 0 tries 1\n"
		       "[    46] c: accepted e1 web 8.af00\n"
		       "         = accepting 8.af00 on 0 answered 4 refused 0 tries 1\n"
		       "[    46] a: refused e1 web 12.b900: a higher ballot was promised\n"
		       "         = accepting 8.af00 on 0 answered 4 refused 1 tries 1\n"
		       "[    86] tick\n"
		       "         = waiting 8.af00 on 0 answered 4 refused 1 tries 2\n"
		       "[   111] tick\n"
		       "         -> abc: prepare e1 web 13.af00\n"
		       "         = preparing 13.af00 on 0 answered 0 refused 0 tries 2\n");
	done(&w);
}

/* The window doubles six times, and no pause is longer than it. */
static void test_the_pauses(void **state)
{
	struct world w;
	int64_t longest[9] = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		setup(&w);
		w.config.seed = seed;
		w.config.for_ms = 1000000;
		begin_quietly(&w);
		for (int i = 0; i < 9; i++) {
			refused(&w, 'a', w.p.ballot.counter + 5);
			refused(&w, 'b', w.p.ballot.counter + 5);
			assert_int_equal(w.p.state, PROPOSER_WAITING);
			longest[i] = MAX(longest[i], proposer_deadline_ms(&w.p) - w.now_ms);
			tick(&w, proposer_deadline_ms(&w.p));
		}
		done(&w);
	}
	for (int i = 0; i < 9; i++)
		assert_in_range(longest[i], (20 << MIN(i, 6)) * 9 / 10, 20 << MIN(i, 6));
}

static void test_ranks_wait_for_their_turn(void **state)
{
	struct world w;

	(void)state;
	for (uint32_t rank = 0; rank < 3; rank++) {
		setup(&w);
		w.config.rank = rank;
		begin_quietly(&w);
		assert_int_equal(w.outs.n_to, rank ? 0 : 3);
		assert_int_equal(proposer_deadline_ms(&w.p), 40 * (rank ? rank : 1));
		tick(&w, 40 * rank);
		assert_int_equal(w.p.state, PROPOSER_PREPARING);
		done(&w);
		w.config.read = true; /* disturbs nobody */
		begin(&w);
		assert_int_equal(w.outs.msg.type, MSG_READ);
		done(&w);
	}
}

static void test_what_is_lost_is_sent_again(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	promise(&w, 'b', 0, "");
	tick(&w, 40);
	promise(&w, 'a', 0, "");
	accepted(&w, 'a');
	tick(&w, 80);
	tick(&w, 5000);
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] b: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 2 refused 0 tries 0\n"
		       "[    40] tick\n"
		       "         -> ac: prepare e1 web 1.af00\n"
		       "[    40] a: promise e1 web 1.af00 on 0\n"
		       "         -> abc: accept e1 web 1.af00 'new'\n"
		       "         = accepting 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[    40] a: accepted e1 web 1.af00\n"
		       "         = accepting 1.af00 on 0 answered 1 refused 0 tries 0\n"
		       "[    80] tick\n"
		       "         -> bc: accept e1 web 1.af00 'new'\n"
		       "[  5000] tick\n"
		       "         -> unknown 'new'\n"
		       "         = done 1.af00 on 0 answered 1 refused 0 tries 0: not chosen\n");
	done(&w);
}

static void test_newer_voters_end_it(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin_quietly(&w);
	hear(&w, 'a', (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_EPOCH, .cfg = story_cfg(1, "xyz", "")});
	assert_int_equal(w.p.outcome, PROPOSER_NONE); /* not newer */
	promise(&w, 'a', 0, "");
	hear(&w, 'b', (struct msg){.type = MSG_PROMISE, .ballot = w.p.ballot, .cfg.epoch = 2});
	assert_int_equal(w.p.state, PROPOSER_PREPARING); /* given at another epoch: does not count */
	hear(&w, 'x', (struct msg){.type = MSG_PROMISE, .ballot = w.p.ballot});
	assert_int_equal(w.p.state, PROPOSER_PREPARING); /* no voter */
	hear(&w, 'b', (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_EPOCH, .cfg = story_cfg(2, "abc", "abd")});
	assert_int_equal(w.p.outcome, PROPOSER_EPOCH);
	assert_int_equal(w.p.newer.epoch, 2);
	assert_int_equal(proposer_deadline_ms(&w.p), DEADLINE_NEVER);
	done(&w);
}

/* A ballot has one value: what this node has of the voters' is not sent to it, and it is the base all the same. */
static void test_what_it_has_is_the_base(void **state)
{
	struct world w;

	(void)state;
	for (int i = 0; i < 3; i++) {
		setup(&w);
		w.quiet = true;
		w.source.counter = 9;
		w.config.has = story_ballot(3, 'z');
		w.config.has_value = value_new(&w.config.mem, story_value("three"));
		begin(&w);
		value_unref(&w.config.mem, w.config.has_value); /* it keeps its own */
		assert_true(ballot_cmp(&w.outs.msg.accepted, &w.config.has) == 0);
		promise(&w, 'a', 3, "");
		promise(&w, 'b', i == 0 ? 3 : i == 1 ? 0 : 4, i == 2 ? "four" : ""); /* that one is newer */
		assert_string_equal(w.saw, i == 2 ? "four" : "three");
		assert_int_equal(w.outs.msg.type, MSG_ACCEPT);
		assert_true(ballot_is_zero(&w.outs.msg.accepted));
		done(&w);
	}
	setup(&w);
	begin_quietly(&w);
	assert_true(ballot_is_zero(&w.outs.msg.accepted)); /* it has nothing */
	done(&w);
}

/* Each allocation fails once: what was not kept is asked for again, and in the end it is chosen. */
static void test_no_memory(void **state)
{
	bool more = true;

	(void)state;
	for (long n = 1; more; n++) {
		struct world w;

		setup(&w);
		w.to = "0a1new";
		w.source.counter = 3;
		w.mem.fail_in = n;
		begin_quietly(&w);
		while (w.p.outcome == PROPOSER_NONE) {
			for (char v = 'a'; v <= 'c' && w.p.state == PROPOSER_PREPARING; v++)
				guarded(&w, v, "0a1", "0a1", 100); /* the change keeps it */
			for (char v = 'a'; v <= 'c' && w.p.state == PROPOSER_ACCEPTING; v++)
				accepted(&w, v);
			if (w.p.outcome == PROPOSER_NONE)
				tick(&w, proposer_deadline_ms(&w.p));
		}
		assert_int_equal(w.p.outcome, PROPOSER_CHOSEN);
		more = w.mem.failed;
		done(&w);
	}
}

/* With promises ahead it is one round from the change to the outcome. */
static void test_early_it_waits_for_what_is_to_change(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.change = NULL;
	w.source.counter = 9;
	begin_quietly(&w);
	promise(&w, 'a', 3, "three");
	promise(&w, 'b', 2, "two");
	assert_int_equal(w.p.state, PROPOSER_READY);
	assert_int_equal(w.outs.n_to, 0);
	assert_int_equal(proposer_deadline_ms(&w.p), 5000);
	promise(&w, 'c', 4, "four"); /* late: a quorum is a quorum */
	tick(&w, 1000);
	assert_true(w.p.state == PROPOSER_READY && w.outs.n_to == 0 && w.calls == 0);
	give(&w, 700);
	assert_string_equal(w.saw, "three");
	assert_true(w.outs.msg.type == MSG_ACCEPT && w.outs.n_to == 3);
	assert_memory_equal(w.outs.msg.value.v, "new", 3);
	accepted(&w, 'a');
	accepted(&w, 'c');
	assert_int_equal(w.p.outcome, PROPOSER_CHOSEN);
	done(&w);
}

static void test_early_it_is_told_too_soon_or_never(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.change = NULL;
	begin_quietly(&w);
	promise(&w, 'a', 0, "");
	give(&w, 700); /* before there is a quorum: goes on as any other */
	assert_true(w.outs.n_to == 0 && w.p.state == PROPOSER_PREPARING);
	promise(&w, 'b', 0, "");
	assert_int_equal(w.outs.msg.type, MSG_ACCEPT);
	tick(&w, 700);
	assert_int_equal(w.p.outcome, PROPOSER_UNKNOWN);
	done(&w);
	w.now_ms = 0;
	begin(&w);
	promises(&w, "ab");
	tick(&w, proposer_deadline_ms(&w.p));
	assert_true(w.p.outcome == PROPOSER_UNKNOWN && w.calls == 1);
	done(&w);
}

/* Somebody else was faster: the promises are worth nothing, and that is found out. */
static void test_early_promises_may_be_overtaken(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.change = NULL;
	begin_quietly(&w);
	promises(&w, "ab");
	give(&w, 5000);
	refused(&w, 'a', 7);
	refused(&w, 'b', 7);
	assert_int_equal(w.p.state, PROPOSER_WAITING);
	tick(&w, proposer_deadline_ms(&w.p));
	assert_int_equal(w.outs.msg.type, MSG_PREPARE);
	promise(&w, 'a', 7, "seven");
	promise(&w, 'c', 0, "");
	assert_string_equal(w.saw, "seven");
	assert_int_equal(w.outs.msg.type, MSG_ACCEPT);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_is_chosen),
		cmocka_unit_test(test_the_highest_accepted_value_is_the_base),
		cmocka_unit_test(test_nothing_to_change_is_carried_through),
		cmocka_unit_test(test_a_conflict_backs_off_and_goes_above),
		cmocka_unit_test(test_a_conflict_beside_a_dead_voter),
		cmocka_unit_test(test_the_pauses),
		cmocka_unit_test(test_ranks_wait_for_their_turn),
		cmocka_unit_test(test_what_is_lost_is_sent_again),
		cmocka_unit_test(test_newer_voters_end_it),
		cmocka_unit_test(test_what_it_has_is_the_base),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_early_it_waits_for_what_is_to_change),
		cmocka_unit_test(test_early_it_is_told_too_soon_or_never),
		cmocka_unit_test(test_early_promises_may_be_overtaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
