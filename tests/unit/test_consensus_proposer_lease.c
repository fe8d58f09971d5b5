/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proposal that moves a slot, and the leases in its way.
 */
#include "tests/lib/proposer_story.h"

static void test_a_lease_is_in_the_way(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.to = "0b2";
	w.source.counter = 3;
	begin(&w);
	guarded(&w, 'a', "0a1", "0a1", 900);
	promise(&w, 'b', 1, "0a1");
	guarded(&w, 'c', "0a1", "0a1", 600);
	tick(&w, proposer_deadline_ms(&w.p));
	guarded(&w, 'a', "0a1", "0a1", 10);
	promise(&w, 'b', 1, "0a1");
	promise(&w, 'c', 1, "0a1");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 4.af00\n"
		       "         = preparing 4.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: promise e1 web 4.af00 on 1.b900 '0a1' [0a1 900 ms]\n"
		       "         = preparing 4.af00 on 1.b900 answered 1 refused 0 tries 0\n"
		       "[     0] b: promise e1 web 4.af00 on 1.b900 '0a1'\n"
		       "         = preparing 4.af00 on 1.b900 answered 3 refused 0 tries 0 held\n"
		       "[     0] c: promise e1 web 4.af00 on 1.b900 '0a1' [0a1 600 ms]\n"
		       "         = waiting 4.af00 on 1.b900 answered 7 refused 0 tries 1 held\n"
		       "[   734] tick\n"
		       "         -> abc: prepare e1 web 5.af00\n"
		       "         = preparing 5.af00 on 0 answered 0 refused 0 tries 1\n"
		       "[   734] a: promise e1 web 5.af00 on 1.b900 '0a1' [0a1 10 ms]\n"
		       "         = preparing 5.af00 on 1.b900 answered 1 refused 0 tries 1\n"
		       "[   734] b: promise e1 web 5.af00 on 1.b900 '0a1'\n"
		       "         = preparing 5.af00 on 1.b900 answered 3 refused 0 tries 1 held\n"
		       "[   734] c: promise e1 web 5.af00 on 1.b900 '0a1'\n"
		       "         -> abc: accept e1 web 5.af00 '0b2'\n"
		       "         = accepting 5.af00 on 1.b900 answered 0 refused 0 tries 1\n");
	done(&w);
}

/* Held all the time: nothing was sent, and that is certain. */
static void test_held_to_the_end(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.to = "0b2";
	w.source.counter = 3;
	begin_quietly(&w);
	while (w.p.state != PROPOSER_DONE) {
		assert_true(w.now_ms <= 5000);
		if (w.p.state == PROPOSER_PREPARING && w.p.answered == 0) {
			guarded(&w, 'a', "0a1", "0a1", 3000);
			guarded(&w, 'b', "0a1", "0a1", 3000);
		}
		tick(&w, proposer_deadline_ms(&w.p));
		assert_true(w.outs.n_to == 0 || w.outs.msg.type == MSG_PREPARE);
	}
	assert_int_equal(w.p.outcome, PROPOSER_HELD);
	done(&w);
}

/* What stands in nobody's way: another slot's guard, one that the change keeps, one that differs from the base. */
static void test_a_guard_that_does_not_hold(void **state)
{
	static const struct {
		const char *base, *guard, *to;
		bool held;
	} v[] = {
		{"0a1", "0a1", "0b2", true},
		{"0a1", "0a1", "new", true}, /* an absent slot is moved too */
		{"0a1", "0a1", "0a11c2", false},
		{"0a1", "1a1", "0b2", false},
		{"0b2", "0a1", "0c3", false},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		setup(&w);
		w.to = v[i].to;
		w.source.counter = 3;
		begin_quietly(&w);
		guarded(&w, 'a', v[i].base, v[i].guard, 900);
		guarded(&w, 'b', v[i].base, v[i].guard, 900);
		assert_int_equal(w.p.state, v[i].held ? PROPOSER_WAITING : PROPOSER_ACCEPTING);
		done(&w);
	}
}

static void test_a_guard_that_refused_is_waited_for(void **state)
{
	struct world w;
	struct msg m = {.type = MSG_REFUSED, .why = MSG_WHY_GUARD, .left_ms = 900};

	(void)state;
	setup(&w);
	begin_quietly(&w);
	promises(&w, "ab");
	hear(&w, 'a', m);
	m.left_ms = 1800;
	hear(&w, 'b', m);
	assert_int_equal(w.p.state, PROPOSER_WAITING);
	assert_int_equal(proposer_deadline_ms(&w.p), 1100); /* its clock may be the faster one */
	tick(&w, 5000);
	assert_int_equal(w.p.outcome, PROPOSER_UNKNOWN); /* an Accept was sent */
	done(&w);
}

/* Leases may have been granted since the promises: what moves a slot asks anew, other changes need not. */
static void test_early_promises_tell_of_no_leases(void **state)
{
	struct world w;

	(void)state;
	for (int moves = 0; moves < 2; moves++) {
		setup(&w);
		w.config.change = NULL;
		w.to = moves ? "0b2" : "0a11c2";
		w.source.counter = 3;
		begin_quietly(&w);
		promise(&w, 'a', 1, "0a1");
		promise(&w, 'b', 1, "0a1");
		give(&w, 5000);
		assert_int_equal(w.outs.msg.type, moves ? MSG_PREPARE : MSG_ACCEPT);
		if (moves) {
			assert_int_equal(w.outs.msg.ballot.counter, 5);
			guarded(&w, 'a', "0a1", "0a1", 900);
			guarded(&w, 'b', "0a1", "0a1", 900);
			assert_int_equal(w.p.state, PROPOSER_WAITING); /* nothing was sent that would end the lease */
		}
		done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lease_is_in_the_way),
		cmocka_unit_test(test_held_to_the_end),
		cmocka_unit_test(test_a_guard_that_does_not_hold),
		cmocka_unit_test(test_a_guard_that_refused_is_waited_for),
		cmocka_unit_test(test_early_promises_tell_of_no_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
