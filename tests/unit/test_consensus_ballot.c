/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ballots are in one total order, and a source never makes one twice, whatever it hears of.
 */
#include "tests/lib/consensus_story.h"

static void test_the_order_is_total(void **state)
{
	struct ballot v[28], zero = {0};
	int n = 0;

	(void)state;
	v[n++] = zero;
	for (uint64_t counter = 1; counter <= 3; counter++)
		for (char node = 'a'; node <= 'c'; node++)
			for (uint64_t nonce = 1; nonce <= 3; nonce++)
				v[n++] = (struct ballot){.counter = counter, .node = story_node(node), .nonce = nonce};
	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++) {
			int rc = ballot_cmp(&v[i], &v[k]);

			assert_true(i < k ? rc < 0 : i == k ? rc == 0 : rc > 0);
			assert_ptr_equal(ballot_max(&v[i], &v[k]), i < k ? &v[k] : &v[i]);
		}
	assert_true(ballot_is_zero(&zero) && !ballot_is_zero(&v[1]));
}

static void test_a_counter_is_more_than_a_node(void **state)
{
	struct ballot low = story_ballot(1, 'z'), high = story_ballot(2, 'a');

	(void)state;
	assert_true(ballot_cmp(&low, &high) < 0);
	low = (struct ballot){.counter = UINT32_MAX, .node = story_node('a')};
	high = (struct ballot){.counter = (uint64_t)UINT32_MAX + 1, .node = story_node('a')};
	assert_true(ballot_cmp(&low, &high) < 0);
}

static void test_a_source_makes_none_twice(void **state)
{
	struct ballot_source s = {.node = story_node('b'), .nonce = 7};
	struct ballot last = {0}, above = {0};
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (int i = 0; i < 1000; i++) {
		struct ballot next;

		above.counter = rng_below(&r, 2) ? rng_below(&r, 2000) : 0;
		above.node = story_node('z');
		next = ballot_next(&s, &above);
		assert_true(ballot_cmp(&next, &last) > 0 && ballot_cmp(&next, &above) > 0);
		assert_true(ballot_same_node(&next.node, &s.node) && next.nonce == 7);
		last = next;
	}
}

/* Two boots of one node: the same counters, other ballots. */
static void test_a_boot_repeats_none_of_another(void **state)
{
	struct ballot_source one = {.node = story_node('b'), .nonce = 7}, two = {.node = story_node('b'), .nonce = 8};
	struct ballot zero = {0}, a = ballot_next(&one, &zero), b = ballot_next(&two, &zero);

	(void)state;
	assert_int_equal(a.counter, b.counter);
	assert_true(ballot_cmp(&a, &b) != 0);
}

static void test_the_text(void **state)
{
	char text[BALLOT_TEXT_MAX];
	struct ballot zero = {0}, top = {.counter = UINT64_MAX, .node = {.v = {0xff, 0xff}}};

	(void)state;
	assert_string_equal(ballot_text(&zero, text, sizeof(text)), "0");
	assert_string_equal(ballot_text(&top, text, sizeof(text)), "18446744073709551615.ffff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_order_is_total),
		cmocka_unit_test(test_a_counter_is_more_than_a_node),
		cmocka_unit_test(test_a_source_makes_none_twice),
		cmocka_unit_test(test_a_boot_repeats_none_of_another),
		cmocka_unit_test(test_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
