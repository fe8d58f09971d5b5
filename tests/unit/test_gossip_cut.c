/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small clusters of real cores that are cut: who is alone, who was called dead by those that did not hear him, and what
 * becomes of it when they meet again.
 */
#include "tests/lib/gossip_bed.h"

/* Who hears nobody says so, and accuses nobody; the others agree that it is gone. */
static void test_isolated(void **state)
{
	struct bed *b = bed_new(5);

	(void)state;
	bed_start_all(b);
	bed_run(b, 5000);
	bed_mark(b);
	for (int i = 0; i < 5; i++) {
		bed_cut(b, i, 4, i != 4);
		bed_cut(b, 4, i, i != 4);
	}
	bed_run(b, 10000);
	assert_true(gossip_is_isolated(b->v[4].g));
	assert_int_equal(b->v[4].events[GOSSIP_EVENT_ISOLATED], 1);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(bed_state(b, i, 4), GOSSIP_ALIVE);
		assert_int_equal(bed_state(b, 4, i), GOSSIP_DEAD);
		assert_false(gossip_is_isolated(b->v[i].g));
	}
	for (int i = 0; i < 5; i++) {
		bed_cut(b, i, 4, false);
		bed_cut(b, 4, i, false);
	}
	(void)bed_until(b, 2000, bed_agreed);
	assert_int_equal(b->v[4].events[GOSSIP_EVENT_HEARS], 1);
	assert_true(b->v[4].events[GOSSIP_EVENT_REFUTED] > 0);
	bed_free(b);
}

static void cut_off(struct bed *b, int node, int other, bool cut)
{
	bed_cut(b, node, other, cut);
	bed_cut(b, other, node, cut);
}

/* All others at once: who is left calls nobody dead, since it may be he who is cut off; unless he decides, alone. */
static void others_are_lost(int n, bool alone)
{
	struct bed *b = bed_new(n);
	struct gossip_in in = {.type = GOSSIP_IN_VOTERS, .n_ids = alone ? 1 : 2};
	uint64_t voters[2];

	bed_start_all(b);
	voters[0] = b->v[0].id;
	voters[1] = b->v[1].id;
	in.ids = voters;
	bed_step(b, 0, &in);
	for (int i = 1; i < n; i++)
		bed_lose(b, i);
	bed_run(b, 3000 * (int64_t)n); /* five at a time, at most */
	assert_true(gossip_is_isolated(b->v[0].g));
	for (int i = 1; i < n; i++)
		assert_int_equal(bed_state(b, i, 0), alone ? GOSSIP_DEAD : GOSSIP_ALIVE);
	bed_free(b);
}

static void test_who_votes_alone_has_no_witness(void **state)
{
	(void)state;
	others_are_lost(5, false);
	others_are_lost(5, true);
	others_are_lost(BED_NODES_MAX, true);
}

/* The one that votes is cut off, and the others run: of none of those whom it calls dead does anybody hear that. */
static void test_who_votes_alone_takes_it_back(void **state)
{
	struct bed *b = bed_new(6);
	struct gossip_in in = {.type = GOSSIP_IN_VOTERS, .n_ids = 1};

	(void)state;
	bed_start_all(b);
	in.ids = &b->v[0].id;
	bed_step(b, 0, &in);
	for (int i = 1; i < 6; i++)
		cut_off(b, 0, i, true);
	bed_run(b, 20000);
	bed_mark(b);
	for (int i = 1; i < 6; i++) {
		assert_int_equal(bed_state(b, i, 0), GOSSIP_DEAD);
		assert_int_equal(bed_state(b, 0, i), GOSSIP_DEAD);
	}
	for (int i = 1; i < 6; i++)
		cut_off(b, 0, i, false);
	(void)bed_until(b, 60000, bed_agreed);
	for (int i = 1; i < 6; i++)
		for (int k = 1; k < 6; k++)
			assert_int_equal(b->v[i].said_ms[k][GOSSIP_DEAD], -1);
	bed_free(b);
}

/* n0 missed that n2 returned, and calls n1 dead while it hears nobody. Nobody hears of that. */
static void test_a_verdict_alone_is_taken_back(void **state)
{
	struct bed *b = bed_new(3);

	(void)state;
	bed_start_all(b);
	bed_lose(b, 2);
	bed_run(b, 5000);
	assert_int_equal(bed_state(b, 2, 0), GOSSIP_DEAD);
	cut_off(b, 0, 1, true);
	cut_off(b, 0, 2, true);
	bed_start(b, 2, 1);
	bed_run(b, 10000);
	assert_int_equal(bed_state(b, 1, 0), GOSSIP_DEAD);
	assert_int_equal(bed_state(b, 0, 2), GOSSIP_DEAD);
	assert_int_equal(bed_state(b, 1, 2), GOSSIP_ALIVE);
	bed_mark(b);
	cut_off(b, 0, 2, false);
	bed_run(b, 30000);
	assert_int_equal(bed_state(b, 2, 0), GOSSIP_ALIVE);
	assert_int_equal(bed_state(b, 0, 2), GOSSIP_ALIVE);
	assert_int_equal(b->v[2].said_ms[1][GOSSIP_DEAD], -1);
	bed_free(b);
}

/* Two halves called each other dead. When they meet again nobody calls one dead whom it hears. */
static void test_halves_meet_again(void **state)
{
	struct bed *b = bed_new(8);

	(void)state;
	bed_start_all(b);
	for (int i = 0; i < 4; i++)
		for (int k = 4; k < 8; k++)
			cut_off(b, i, k, true);
	bed_run(b, 20000);
	for (int i = 0; i < 4; i++)
		for (int k = 4; k < 8; k++)
			assert_true(bed_state(b, i, k) == GOSSIP_DEAD && bed_state(b, k, i) == GOSSIP_DEAD);
	bed_mark(b);
	for (int i = 0; i < 4; i++)
		for (int k = 4; k < 8; k++)
			cut_off(b, i, k, false);
	(void)bed_until(b, 120000, bed_agreed);
	for (int i = 0; i < 8; i++)
		for (int k = 0; k < 8; k++)
			assert_true(i / 4 != k / 4 || b->v[i].said_ms[k][GOSSIP_DEAD] < 0);
	bed_free(b);
}

/*
 * The few on one side of a cut call all of the other side dead too, whoever observes whom: two of them may each have
 * accused another one, and wait for the other to agree.
 */
static void test_the_few_agree(void **state)
{
	(void)state;
	for (unsigned salt = 1; salt <= 60; salt++) {
		struct bed *b = bed_new(5);

		b->salt = salt;
		bed_start_all(b);
		for (int i = 0; i < 2; i++)
			for (int k = 2; k < 5; k++)
				cut_off(b, i, k, true);
		bed_run(b, 30000);
		for (int i = 0; i < 2; i++)
			for (int k = 2; k < 5; k++)
				assert_true(bed_state(b, k, i) == GOSSIP_DEAD && bed_state(b, i, k) == GOSSIP_DEAD);
		bed_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_isolated),
		cmocka_unit_test(test_who_votes_alone_has_no_witness),
		cmocka_unit_test(test_who_votes_alone_takes_it_back),
		cmocka_unit_test(test_a_verdict_alone_is_taken_back),
		cmocka_unit_test(test_halves_meet_again),
		cmocka_unit_test(test_the_few_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
