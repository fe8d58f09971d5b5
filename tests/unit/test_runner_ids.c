/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ids of exec probes: the answer to a probe of an earlier daemon is never taken for that to one of this daemon's.
 */
#include "node/node.h"
#include "node/runner_parts.h"
#include "tests/lib/test.h"

static void test_an_earlier_daemons_are_others(void **state)
{
	enum { MANY = 300 };
	static uint32_t ids[2][MANY];
	struct node n = {0};

	(void)state;
	for (int start = 0; start < 2; start++) {
		struct runner r = {.node = &n};

		n.next_run = ((uint64_t)(7 + start) << 32) + 12345;
		for (int i = 0; i < MANY; i++)
			ids[start][i] = runner_new_exec_id(&r);
	}
	for (int i = 0; i < MANY; i++)
		for (int k = 0; k < MANY; k++) {
			assert_int_not_equal(ids[0][i], ids[1][k]);
			assert_true(i == k || ids[0][i] != ids[0][k]);
		}
}

/* 0 says that no probe is out. */
static void test_none_is_zero(void **state)
{
	struct node n = {.next_run = (uint64_t)1 << 48}; /* a start whose lower half is 0 */
	struct runner r = {.node = &n};
	uint32_t first = runner_new_exec_id(&r);

	(void)state;
	for (int i = 1; i < UINT16_MAX; i++)
		assert_int_not_equal(runner_new_exec_id(&r), 0);
	assert_int_equal(runner_new_exec_id(&r), first); /* it has come round */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_earlier_daemons_are_others),
		cmocka_unit_test(test_none_is_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
