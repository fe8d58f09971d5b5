/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of several rows is stored as a whole or not at all: on a disk without room for all of it, and when the one
 * who asked gives up half-way. What was queued beside it has its own fate. It may have more rows than wait otherwise.
 */
#include "node/store.h"

#include <errno.h>

#include "tests/lib/fault_vfs.h"
#include "tests/lib/store_bed.h"
#include "tests/lib/test.h"

static int setup(void **state)
{
	static struct store_bed bed;

	fault_vfs_reset();
	store_bed_make(&bed);
	store_bed_open(&bed);
	assert_int_equal(store_bed_put_meta(&bed, "k", 1), 0);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	fault_vfs_reset();
	store_bed_done(*state);
	return 0;
}

static void put(struct store_bed *b, const char *key, int64_t value, struct answers *a)
{
	assert_int_equal(store_put_meta(b->s, key, value, store_bed_answer, a), 0);
}

/* The thread is kept busy while the test queues, so that all of it is one batch. */
static void hold(struct store_bed *b, struct answers *a)
{
	fault_vfs_hold_syncs(true);
	put(b, "held", 1, a);
	store_bed_await_held(b);
}

static void test_one_that_does_not_fit_takes_its_group_along(void **state)
{
	struct store_bed *b = *state;
	AUTO_FREE char *big = calloc(1, AGENT_FILE_MAX);
	const struct store_agent agent = {.name = "big", .text = big, .text_len = AGENT_FILE_MAX};
	struct answers alone = {0}, group = {0};

	assert_non_null(big);
	hold(b, &alone);
	put(b, "before", 1, &alone);
	store_group_begin(b->s);
	put(b, "k", 2, &group);
	assert_int_equal(store_put_agent(b->s, &agent, store_bed_answer, &group), 0);
	put(b, "l", 2, &group);
	store_group_end(b->s);
	put(b, "after", 1, &alone);
	fault_vfs_full_beyond(128 * 1024);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &alone, 3);
	assert_int_equal(alone.failed, 0);
	assert_int_equal(group.n, 3);
	assert_int_equal(group.failed, 3);
	assert_int_equal(group.rc, -ENOSPC);
	fault_vfs_full_beyond(-1);
	store_bed_reopen(b);
	assert_int_equal(store_meta(b->s, "before", 0), 1);
	assert_int_equal(store_meta(b->s, "after", 0), 1);
	assert_int_equal(store_meta(b->s, "k", 0), 1);
	assert_int_equal(store_meta(b->s, "l", -1), -1);
}

static void test_a_group_that_is_dropped_was_never_there(void **state)
{
	struct store_bed *b = *state;
	struct answers alone = {0}, group = {0};
	struct store_stats st;

	hold(b, &alone);
	put(b, "before", 1, &alone);
	store_group_begin(b->s);
	put(b, "k", 2, &group);
	put(b, "l", 2, &group);
	fault_vfs_hold_syncs(false); /* the thread comes back, and leaves the open group where it is */
	store_group_drop(b->s);
	put(b, "after", 1, &alone);
	store_bed_await(b, &alone, 3);
	assert_int_equal(alone.failed, 0);
	assert_int_equal(group.n, 0);
	store_stats(b->s, &st);
	assert_int_equal(st.queued, 0);
	store_bed_reopen(b);
	assert_int_equal(store_meta(b->s, "before", 0), 1);
	assert_int_equal(store_meta(b->s, "after", 0), 1);
	assert_int_equal(store_meta(b->s, "k", 0), 1);
	assert_int_equal(store_meta(b->s, "l", -1), -1);
}

static void test_groups_beside_each_other_are_two(void **state)
{
	struct store_bed *b = *state;
	AUTO_FREE char *big = calloc(1, AGENT_FILE_MAX);
	const struct store_agent agent = {.name = "big", .text = big, .text_len = AGENT_FILE_MAX};
	struct answers held = {0}, fits = {0}, large = {0};

	assert_non_null(big);
	hold(b, &held);
	store_group_begin(b->s);
	put(b, "k", 2, &large);
	assert_int_equal(store_put_agent(b->s, &agent, store_bed_answer, &large), 0);
	store_group_end(b->s);
	store_group_begin(b->s);
	put(b, "l", 2, &fits);
	put(b, "m", 2, &fits);
	store_group_end(b->s);
	fault_vfs_full_beyond(128 * 1024);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &fits, 2);
	assert_int_equal(fits.failed, 0);
	assert_int_equal(large.failed, 2);
	assert_int_equal(store_meta(b->s, "k", 0), 1);
	assert_int_equal(store_meta(b->s, "m", 0), 2);
}

/* ---- how large one may be ---- */

static void fill(struct store_bed *b, int n, struct answers *a)
{
	char key[32];

	for (int i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "row%d", i); /* fits */
		put(b, key, i, a);
	}
}

static void test_one_larger_than_the_queue(void **state)
{
	enum { ROWS = STORE_QUEUE_MAX + 2000 };
	struct store_bed *b = *state;
	struct answers alone = {0}, none = {0}, all = {0};
	char last[32];

	hold(b, &alone);
	store_group_begin(b->s);
	fill(b, ROWS, &none);
	store_group_end(b->s);
	put(b, "after", 1, &alone); /* has its place all the same */
	fault_vfs_full_beyond(128 * 1024);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &none, ROWS);
	assert_int_equal(none.failed, ROWS);
	fault_vfs_full_beyond(-1);
	assert_int_equal(store_meta(b->s, "row0", -1), -1);
	store_group_begin(b->s);
	fill(b, ROWS, &all);
	store_group_end(b->s);
	store_bed_await(b, &all, ROWS);
	store_bed_await(b, &alone, 2);
	assert_int_equal(all.failed + alone.failed, 0);
	store_bed_reopen(b);
	assert_int_equal(store_meta(b->s, "row0", -1), 0);
	assert_int_equal(store_meta(b->s, "after", 0), 1);
	(void)snprintf(last, sizeof(last), "row%d", ROWS - 1); /* fits */
	assert_int_equal(store_meta(b->s, last, -1), ROWS - 1);
}

static size_t queued(struct store_bed *b)
{
	struct store_stats st;

	store_stats(b->s, &st);
	return st.queued;
}

static void test_the_bound_on_its_rows_is_exact(void **state)
{
	struct store_bed *b = *state;
	struct answers alone = {0}, group = {0};

	hold(b, &alone);
	store_group_begin(b->s);
	fill(b, STORE_GROUP_MAX, &group);
	assert_int_equal(store_put_meta(b->s, "k", 2, store_bed_answer, &group), -E2BIG);
	store_group_drop(b->s);
	assert_int_equal(queued(b), 1);
	store_group_begin(b->s); /* it has left nothing behind that counts */
	fill(b, STORE_GROUP_MAX, &group);
	store_group_end(b->s);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &group, STORE_GROUP_MAX);
	assert_int_equal(group.failed, 0);
	assert_int_equal(store_meta(b->s, "k", 0), 1);
}

static void test_the_bound_on_its_bytes(void **state)
{
	struct store_bed *b = *state;
	AUTO_FREE char *big = calloc(1, AGENT_FILE_MAX);
	const struct store_agent agent = {.name = "big", .text = big, .text_len = AGENT_FILE_MAX};
	struct answers alone = {0}, group = {0};
	int rc, n = 0;

	assert_non_null(big);
	hold(b, &alone);
	store_group_begin(b->s);
	while ((rc = store_put_agent(b->s, &agent, store_bed_answer, &group)) == 0)
		n++;
	assert_int_equal(n, STORE_BYTES_MAX / AGENT_FILE_MAX - 1); /* the last would fit but for the jobs' own size */
	assert_int_equal(rc, -E2BIG);
	store_group_drop(b->s);
	assert_int_equal(queued(b), 1);
	put(b, "k", 2, &alone);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &alone, 2);
	assert_int_equal(store_meta(b->s, "k", 0), 2);
}

/* Groups and single rows wait in bounds of their own, and either is told that there is no room now: there will be. */
static void test_both_bounds_at_once(void **state)
{
	struct store_bed *b = *state;
	struct answers alone = {0}, group = {0};

	hold(b, &alone);
	store_group_begin(b->s);
	fill(b, STORE_GROUP_MAX - 1, &group);
	store_group_end(b->s);
	for (int i = 1; i < STORE_QUEUE_MAX; i++)
		put(b, "k", i, &alone);
	assert_int_equal(store_put_meta(b->s, "k", -1, NULL, NULL), -ENOSPC);
	store_group_begin(b->s);
	put(b, "l", 1, &group);
	assert_int_equal(store_put_meta(b->s, "m", 1, NULL, NULL), -ENOSPC);
	store_group_drop(b->s);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &alone, STORE_QUEUE_MAX);
	store_bed_await(b, &group, STORE_GROUP_MAX - 1);
	assert_int_equal(alone.failed + group.failed, 0);
	assert_int_equal(queued(b), 0);
	assert_int_equal(store_meta(b->s, "k", 0), STORE_QUEUE_MAX - 1);
	assert_int_equal(store_meta(b->s, "l", -1), -1);
	assert_int_equal(store_bed_put_meta(b, "m", 3), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_that_does_not_fit_takes_its_group_along, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_group_that_is_dropped_was_never_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_groups_beside_each_other_are_two, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_larger_than_the_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_bound_on_its_rows_is_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_bound_on_its_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_both_bounds_at_once, setup, teardown),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
