/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proposal that only reads: what a quorum says, and what is said to be chosen already, of which one voter is asked.
 */
#include "tests/lib/proposer_story.h"

static void test_a_read_in_one_round(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.read = true;
	begin(&w);
	value(&w, 'a', 3, "three");
	value(&w, 'b', 3, "three");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: read e1 web\n"
		       "         = reading 0 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: value e1 web on 3.b900 'three'\n"
		       "         = reading 0 on 3.b900 answered 1 refused 0 tries 0\n"
		       "[     0] b: value e1 web on 3.b900 'three'\n"
		       "         -> chosen 'three'\n"
		       "         = done 3.b900 on 3.b900 answered 3 refused 0 tries 0: chosen\n");
	done(&w);
	begin_quietly(&w);
	value(&w, 'a', 0, "");
	value(&w, 'c', 0, "");
	assert_int_equal(w.p.outcome, PROPOSER_CHOSEN); /* nobody ever wrote it */
	assert_int_equal(proposer_value(&w.p).n, 0);
	done(&w);
}

/* Voters who do not agree: the newest value may be chosen or not, so that the read sees to it. */
static void test_a_read_that_finishes_what_it_sees(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.read = true;
	begin_quietly(&w);
	value(&w, 'a', 2, "two");
	value(&w, 'b', 3, "three");
	assert_int_equal(w.p.state, PROPOSER_READING); /* c may have three as well */
	value(&w, 'c', 1, "one");
	assert_int_equal(w.p.state, PROPOSER_PREPARING);
	promise(&w, 'a', 2, "two");
	promise(&w, 'b', 3, "three");
	assert_int_equal(w.p.state, PROPOSER_ACCEPTING);
	assert_memory_equal(w.outs.msg.value.v, "three", 5);
	assert_int_equal(w.calls, 0);
	done(&w);
}

static void test_a_read_does_not_wait_for_who_keeps_silent(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.read = true;
	begin_quietly(&w);
	value(&w, 'a', 2, "two");
	value(&w, 'b', 3, "three");
	tick(&w, 40);
	assert_int_equal(w.p.state, PROPOSER_PREPARING);
	assert_int_equal(w.p.ballot.counter, 4);
	done(&w);
}

/* ---- what is said to be chosen ---- */

static void setup_said(struct world *w, uint64_t said)
{
	setup(w);
	w->config.read = true;
	w->config.said = story_ballot(said, 'z');
}

static char asked_of(const struct world *w)
{
	assert_int_equal(w->outs.n_to, 1);
	assert_int_equal(w->outs.msg.type, MSG_READ);
	return story_name(&w->outs.to[0]);
}

static void test_one_has_what_is_said_to_be_chosen(void **state)
{
	struct world w;

	(void)state;
	setup_said(&w, 3);
	begin(&w);
	value(&w, asked_of(&w), 3, "three");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> a: read e1 web\n"
		       "         = reading 0 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: value e1 web on 3.b900 'three'\n"
		       "         -> chosen 'three'\n"
		       "         = done 3.b900 on 3.b900 answered 0 refused 0 tries 0: chosen\n");
	assert_true(ballot_cmp(&w.p.ballot, &w.config.said) == 0);
	done(&w);
}

/* Not always the same one: many nodes hear of it at once. */
static void test_another_node_asks_another_one(void **state)
{
	unsigned asked = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct world w;

		setup_said(&w, 3);
		w.quiet = true;
		w.config.seed = seed;
		begin(&w);
		asked |= 1u << (asked_of(&w) - 'a');
		done(&w);
	}
	assert_int_equal(asked, 7);
}

/* Then all are asked, and the first that has it is enough. */
static void test_the_one_does_not_have_it(void **state)
{
	static const char *const why[] = {"an older one", "nothing", "refuses", "silent"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(why); i++) {
		struct world w;
		char one;

		setup_said(&w, 3);
		begin_quietly(&w);
		one = asked_of(&w);
		if (i == 0)
			value(&w, one, 2, "two");
		else if (i == 1)
			value(&w, one, 0, "");
		else if (i == 2)
			hear(&w, one, (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_FULL});
		else
			tick(&w, proposer_deadline_ms(&w.p));
		assert_int_equal(w.p.state, PROPOSER_READING);
		assert_int_equal(w.outs.msg.type, MSG_READ);
		assert_int_equal(w.outs.n_to, i == 2 ? 2 : 3); /* who refused has had its turn */
		value(&w, one == 'a' ? 'b' : 'a', 3, "three");
		assert_int_equal(w.p.outcome, PROPOSER_CHOSEN);
		assert_memory_equal(proposer_value(&w.p).v, "three", 5);
		done(&w);
	}
}

/* It is only late there: nobody is disturbed before the others had their time. */
static void test_nobody_has_it_yet(void **state)
{
	struct world w;

	(void)state;
	setup_said(&w, 3);
	begin_quietly(&w);
	value(&w, asked_of(&w), 2, "two");
	value(&w, 'a', 2, "two");
	value(&w, 'b', 1, "one");
	value(&w, 'c', 0, "");
	assert_int_equal(w.p.state, PROPOSER_READING);
	tick(&w, proposer_deadline_ms(&w.p));
	assert_int_equal(w.p.state, PROPOSER_PREPARING);
	done(&w);
}

/* What is newer than what is said is only accepted, as far as is known: a quorum has to say so. */
static void test_there_is_something_newer(void **state)
{
	struct world w;

	(void)state;
	setup_said(&w, 3);
	begin_quietly(&w);
	value(&w, asked_of(&w), 4, "four");
	assert_int_equal(w.p.state, PROPOSER_READING);
	assert_int_equal(w.outs.n_to, 3);
	value(&w, 'a', 4, "four");
	assert_int_equal(w.p.outcome, PROPOSER_NONE);
	value(&w, 'b', 4, "four");
	assert_int_equal(w.p.outcome, PROPOSER_CHOSEN);
	assert_memory_equal(proposer_value(&w.p).v, "four", 4);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_read_in_one_round),
		cmocka_unit_test(test_a_read_that_finishes_what_it_sees),
		cmocka_unit_test(test_a_read_does_not_wait_for_who_keeps_silent),
		cmocka_unit_test(test_one_has_what_is_said_to_be_chosen),
		cmocka_unit_test(test_another_node_asks_another_one),
		cmocka_unit_test(test_the_one_does_not_have_it),
		cmocka_unit_test(test_nobody_has_it_yet),
		cmocka_unit_test(test_there_is_something_newer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
