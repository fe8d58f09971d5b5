/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/rank: who decides for an agent: the same everywhere, spread over the nodes, and the next in line when one
 * goes.
 */
#include "tests/lib/sched_bed.h"

#define AGENTS 1000

static struct bed bed;

static struct bed *of(size_t n)
{
	bed_init(&bed, "web");
	for (size_t i = 0; i < n; i++)
		(void)bed_host(&bed, NULL);
	bed_tell(&bed);
	return &bed;
}

static void test_the_hash_never_changes(void **state)
{
	(void)state;
	assert_true(rank_hash("web", (struct sched_node){1, 2}) == UINT64_C(0x1c38705e826f9037));
	assert_true(rank_hash("", (struct sched_node){0, 0}) == UINT64_C(0x2ea129e6a74b30cd));
}

static void test_ranks_and_nodes_agree(void **state)
{
	struct bed *b = of(7);
	struct sched_node node;
	uint32_t seen = 0;

	(void)state;
	for (uint32_t r = 0; r < 7; r++) {
		assert_true(rank_node("web", &b->view, r, &node));
		assert_int_equal(rank_of("web", &b->view, node), r);
		for (size_t i = 0; i < 7; i++)
			seen |= sched_same_node(node, bed_id(i)) ? 1u << i : 0;
	}
	assert_int_equal(seen, 0x7f);
	assert_true(rank_node("web", &b->view, 0, &node));
	for (size_t i = 0; i < 7; i++)
		assert_true(rank_hash("web", bed_id(i)) <= rank_hash("web", node)); /* the highest, in every version */
	assert_false(rank_node("web", &b->view, 7, &node));
	assert_int_equal(rank_of("web", &b->view, bed_id(9)), RANK_NONE);
}

static void test_the_next_steps_in(void **state)
{
	struct bed *b = of(5);
	struct sched_node first, second, now;
	size_t at = 0;

	(void)state;
	assert_true(rank_node("web", &b->view, 0, &first) && rank_node("web", &b->view, 1, &second));
	while (!sched_same_node(first, bed_id(at)))
		at++;
	b->hosts[at].state = SCHED_SUSPECT; /* it may still be there */
	assert_int_equal(rank_of("web", &b->view, first), 0);
	for (enum sched_host_state s = SCHED_DEAD; s < SCHED_HOST_STATE_MAX; s++) {
		b->hosts[at].state = s;
		assert_int_equal(rank_of("web", &b->view, first), RANK_NONE);
		assert_true(rank_node("web", &b->view, 0, &now));
		assert_true(sched_same_node(now, second));
	}
}

/* What one host has lost is shared by all that are left. */
static void test_agents_are_spread_over_stewards(void **state)
{
	struct bed *b = of(5);
	int n[5] = {0};
	char name[24];

	(void)state;
	b->hosts[4].state = SCHED_DEAD;
	for (unsigned i = 0; i < AGENTS; i++) {
		struct sched_node node;

		(void)snprintf(name, sizeof(name), "agent-%u", i);
		assert_true(rank_node(name, &b->view, 0, &node));
		for (size_t h = 0; h < 5; h++)
			n[h] += sched_same_node(node, bed_id(h));
	}
	assert_int_equal(n[4], 0);
	for (size_t h = 0; h < 4; h++)
		assert_true(n[h] > AGENTS / 4 - 60 && n[h] < AGENTS / 4 + 60);
}

static void test_ranks_wait_as_measured(void **state)
{
	(void)state;
	assert_int_equal(rank_delay_ms(0, 7), 0);
	assert_int_equal(rank_delay_ms(1, 7), 28);
	assert_int_equal(rank_delay_ms(3, 5), 60);
	assert_int_equal(rank_delay_ms(2, 0), 0);
	assert_int_equal(rank_delay_ms(RANK_NONE, 1), RANK_DELAY_MAX_MS);
	assert_int_equal(rank_delay_ms(1, UINT32_MAX), RANK_DELAY_MAX_MS);
	assert_int_equal(rank_delay_ms(RANK_NONE, UINT32_MAX), RANK_DELAY_MAX_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_hash_never_changes),
		cmocka_unit_test(test_ranks_and_nodes_agree),
		cmocka_unit_test(test_the_next_steps_in),
		cmocka_unit_test(test_agents_are_spread_over_stewards),
		cmocka_unit_test(test_ranks_wait_as_measured),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
