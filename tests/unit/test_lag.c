/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The longest turn of the loop is told for at least a minute, and then forgotten.
 */
#include "node/lag.h"

#include "tests/lib/test.h"

static void test_the_longest_of_the_last_minutes(void **state)
{
	struct lag l = {0};

	(void)state;
	assert_true(lag_max_ms(&l, 1000000) == 0);
	lag_turn(&l, 1500, 1000000);
	lag_turn(&l, 300, 1000001);
	assert_true(lag_max_ms(&l, 1000002) == 1.5);
	lag_turn(&l, 700, 1000000 + LAG_WINDOW_MS); /* the next window */
	assert_true(lag_max_ms(&l, 1000000 + 2 * LAG_WINDOW_MS - 1) == 1.5);
	assert_true(lag_max_ms(&l, 1000000 + 2 * LAG_WINDOW_MS) == 0.7);
	assert_true(lag_max_ms(&l, 1000000 + 3 * LAG_WINDOW_MS) == 0);
}

static void test_long_ago_is_forgotten_at_once(void **state)
{
	struct lag l = {0};

	(void)state;
	lag_turn(&l, 1500, 1000000);
	assert_true(lag_max_ms(&l, 1000000 + 2 * LAG_WINDOW_MS) == 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_longest_of_the_last_minutes),
		cmocka_unit_test(test_long_ago_is_forgotten_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
