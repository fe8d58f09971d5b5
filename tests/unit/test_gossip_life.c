/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small clusters of real cores: how they find each other, and what each sees when a daemon is killed, a host is lost,
 * a process is paused, a path is cut, a node leaves or comes back.
 */
#include "tests/lib/gossip_bed.h"

static bool all_linked(struct bed *b)
{
	return bed_agreed(b);
}

static void test_join(void **state)
{
	static const int sizes[] = {1, 2, 3, 5, 11, 32, 64};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);

		for (int k = 0; k < b->n; k++)
			bed_start(b, k, k == 0 ? -1 : 0);
		assert_in_range(bed_until(b, 10000, all_linked), 0, 2000);
		bed_run(b, 20000);
		assert_true(bed_agreed(b));
		for (int k = 0; k < b->n; k++) {
			assert_int_equal(gossip_alive(b->v[k].g), sizes[i]);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_ACCUSED], 0);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_JOINED], sizes[i] - 1);
		}
		bed_free(b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
