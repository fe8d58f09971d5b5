/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A voter on a bad disk: a full one undoes what was handed over, told once, and goes on; any other failure ends the
 * voter until the host was restarted, whoever's rows met it; and whatever fails, what was acknowledged is there.
 */
#include "node/votes.h"

#include "tests/lib/fault_vfs.h"
#include "tests/lib/oom.h"
#include "tests/lib/votes_bed.h"

#define BIG_BYTES (4 * 1024 * 1024)

static int setup(void **state)
{
	static struct vbed w;

	fault_vfs_reset();
	vbed_make(&w);
	vbed_open(&w);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	fault_vfs_reset();
	vbed_done(*state);
	return 0;
}

static bool is_marked(struct vbed *w)
{
	return access(tmpdir_path(&w->b.dir, "store-suspect"), F_OK) == 0;
}

static void unmark(struct vbed *w)
{
	assert_int_equal(unlink(tmpdir_path(&w->b.dir, "store-suspect")), 0);
}

/* A restart finds the acceptor as it is. */
static void check_as_it_was(struct vbed *w)
{
	static char before[VBED_DUMP_MAX];
	const char *at = strchr(vbed_dump(w), '|'); /* the numbers before it may have gaps */

	(void)snprintf(before, sizeof(before), "%s", at ? at : "");
	vbed_reopen(w);
	at = strchr(vbed_dump(w), '|');
	assert_string_equal(at ? at : "", before);
	vbed_check_kept(w);
}

/* ---- full ---- */

static void test_a_full_disk_undoes_and_goes_on(void **state)
{
	struct vbed *w = *state;
	struct store_stats st;

	for (int i = 0; i < 10; i++)
		vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_full_after(0);
	for (int i = 0; i < 20; i++)
		vbed_vote(w, 1000);
	VBED_UNTIL(w, w->n_full > 0);
	assert_int_equal(w->n_full, 1);
	assert_int_equal(w->n_refused, 20);
	fault_vfs_full_after(-1);
	for (int i = 0; i < 11; i++)
		vbed_vote(w, 1000);
	vbed_settle(w);
	assert_int_equal(w->n_full, 1);
	assert_int_equal(w->n_refused, 20);
	check_as_it_was(w);
	store_stats(w->b.s, &st);
	assert_false(st.suspect);
	assert_false(is_marked(w));
}

/* Handed over between the failure and the loop's hearing of it: it belongs to what failed, though there is room. */
static void test_what_comes_before_the_refusal_is_heard_is_not_made(void **state)
{
	struct vbed *w = *state;
	struct store_stats st;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_full_after(0);
	vbed_vote(w, 1000);
	store_turn(w->b.s);
	do
		store_stats(w->b.s, &st);
	while (st.failures == 0);
	fault_vfs_full_after(-1);
	for (int i = 0; i < 6; i++)
		vbed_vote(w, 1000);
	VBED_UNTIL(w, w->n_full > 0);
	assert_int_equal(w->n_refused, 7);
	assert_int_equal(w->n_sent, 8);
	check_as_it_was(w);
	vbed_vote(w, 1000);
	vbed_settle(w);
	assert_int_equal(w->n_full, 0);
	check_as_it_was(w);
}

/* A value that does not fit: those before it are durable and told, those after it are not made. */
static void test_one_that_does_not_fit_undoes_what_came_after_it(void **state)
{
	struct vbed *w = *state;
	struct answers a = {0};

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_hold_syncs(true);
	assert_int_equal(store_put_meta(w->b.s, "first", 1, store_bed_answer, &a), 0);
	store_bed_await_held(&w->b);
	vbed_vote(w, 1000); /* accepted */
	vbed_vote(w, 1000);
	vbed_vote(w, MSG_VALUE_MAX);
	vbed_vote(w, 1000);
	assert_int_equal(store_put_meta(w->b.s, "other", 1, store_bed_answer, &a), 0);
	fault_vfs_full_beyond(256 * 1024);
	fault_vfs_hold_syncs(false);
	VBED_UNTIL(w, w->n_full > 0);
	store_bed_await(&w->b, &a, 2);
	assert_int_equal(a.failed, 0); /* it costs others nothing */
	assert_int_equal(w->n_full, 1);
	assert_int_equal(w->n_refused, 2);
	assert_int_equal(w->n_sent, 5);
	fault_vfs_full_beyond(-1);
	check_as_it_was(w);
}

static void test_a_full_queue_is_as_a_full_disk(void **state)
{
	struct vbed *w = *state;
	struct answers a = {0};
	int queued = 0;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_hold_syncs(true);
	vbed_vote(w, 1000);
	while (store_put_meta(w->b.s, "k", 1, store_bed_answer, &a) == 0)
		queued++;
	assert_true(queued > 1000);
	vbed_vote(w, 1000);
	vbed_vote(w, 1000);
	assert_int_equal(w->n_full, 0);
	fault_vfs_hold_syncs(false);
	VBED_UNTIL(w, w->n_full > 0);
	assert_int_equal(w->n_sent, 4);
	assert_int_equal(w->n_refused, 2);
	store_bed_await(&w->b, &a, queued);
	check_as_it_was(w);
}

static void test_a_queue_that_is_full_of_others_is_told_of_too(void **state)
{
	struct vbed *w = *state;
	struct answers a = {0};
	int queued = 0;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_hold_syncs(true);
	while (store_put_meta(w->b.s, "k", 1, store_bed_answer, &a) == 0)
		queued++;
	vbed_vote(w, 1000); /* none of its writes is under way */
	assert_int_equal(w->n_full, 0);
	VBED_UNTIL(w, w->n_full > 0);
	assert_int_equal(w->n_refused, 1);
	fault_vfs_hold_syncs(false);
	store_bed_await(&w->b, &a, queued);
	vbed_vote(w, 1000);
	vbed_settle(w);
	check_as_it_was(w);
}

/* Of three the third could not be queued; the first is durable, the second not yet. */
static void test_a_refusal_waits_for_what_is_under_way(void **state)
{
	struct vbed *w = *state;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_reset();
	w->n_stored = 0;
	fault_vfs_hold_syncs(true);
	vbed_vote(w, 1000);
	store_bed_await_held(&w->b);
	vbed_vote(w, 1000);
	(void)mem_fail_at(1); /* none was set before */
	vbed_vote(w, 1000);
	assert_true(mem_fail_at(0));
	fault_vfs_let_sync();
	VBED_UNTIL(w, w->n_stored == 1);
	assert_int_equal(w->n_full, 0);
	fault_vfs_hold_syncs(false);
	VBED_UNTIL(w, w->n_full > 0);
	assert_int_equal(w->n_stored, 2);
	assert_int_equal(w->n_sent, 4);
	assert_int_equal(w->n_refused, 1);
	check_as_it_was(w);
}

static void test_every_allocation_of_a_write_fails_once(void **state)
{
	struct vbed *w = *state;

	vbed_vote(w, 1000);
	vbed_settle(w);
	OOM_LOOP (o) {
		int full = w->n_full;

		for (int i = 0; i < 4; i++)
			vbed_vote(w, 1000);
		if (oom_hit(&o))
			VBED_UNTIL(w, w->n_full > full);
		else
			vbed_settle(w);
		assert_int_equal(w->n_full, full + o.hit);
		assert_int_equal(w->n_failed, 0);
	}
	assert_true(w->n_full >= 4);
	check_as_it_was(w);
}

/* ---- failing ---- */

static void check_ended(struct vbed *w)
{
	int stored = w->n_stored, sent = w->n_sent;
	struct answers a = {0};

	assert_int_equal(w->n_failed, 1);
	assert_non_null(strstr(w->why, "the disk failed on"));
	assert_true(is_marked(w));
	vbed_prepare(w, 'b', "later", 1);
	assert_int_equal(store_sync(w->b.s, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 1);
	assert_int_equal(a.rc, -EIO);
	assert_int_equal(w->n_stored, stored);
	assert_int_equal(w->n_sent, sent);
	assert_int_equal(w->n_failed, 1);
	vbed_close(w);
	vbed_refused(w, -EIO, "this node does not vote until the disk was mended and the host restarted");
	unmark(w);
	vbed_open(w);
	vbed_check_kept(w);
}

static void test_a_failed_sync_ends_the_voter(void **state)
{
	struct vbed *w = *state;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_fail_sync(1);
	vbed_vote(w, 1000);
	VBED_UNTIL(w, w->n_failed > 0);
	check_ended(w);
}

static void test_a_failed_write_ends_the_voter(void **state)
{
	struct vbed *w = *state;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_fail_write(1);
	vbed_vote(w, 1000);
	VBED_UNTIL(w, w->n_failed > 0);
	check_ended(w);
}

static void test_a_failed_sync_of_others_rows_ends_the_voter(void **state)
{
	struct vbed *w = *state;

	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_fail_sync(1);
	assert_int_equal(store_bed_put_meta(&w->b, "k", 1), -EIO);
	VBED_UNTIL(w, w->n_failed > 0);
	check_ended(w);
}

/* A job that is enough for a checkpoint, and none after it that could meet the failure. */
static void test_a_failed_sync_of_a_checkpoint_ends_the_voter(void **state)
{
	struct vbed *w = *state;
	AUTO_FREE char *big = calloc(1, BIG_BYTES);
	const struct store_agent agent = {.name = "big", .text = big, .text_len = BIG_BYTES};
	struct answers a = {0};

	assert_non_null(big);
	vbed_vote(w, 1000);
	vbed_settle(w);
	fault_vfs_fail_db_sync(1);
	assert_int_equal(store_put_agent(w->b.s, &agent, store_bed_answer, &a), 0);
	store_bed_await(&w->b, &a, 1);
	assert_int_equal(a.rc, 0);
	VBED_UNTIL(w, w->n_failed > 0);
	check_ended(w);
}

/* ---- each of them ---- */

/* Until a checkpoint has happened, or the voter has ended. */
static void drive(struct vbed *w)
{
	for (int i = 0; i < 40 && w->n_failed == 0; i++) {
		for (int k = 0; k < 16; k++)
			vbed_vote(w, 1500);
		VBED_UNTIL(w, w->stored >= w->written || w->n_failed > 0 || w->n_full > 0);
		w->n_full = 0;
	}
}

static void each_one_fails(void (*fault)(long nth), long (*count)(void), long step)
{
	bool reached = true;
	long nth = 1;

	for (; reached; nth += step) {
		struct vbed w;

		vbed_make(&w);
		vbed_open(&w);
		fault_vfs_reset();
		fault(nth);
		drive(&w);
		reached = count() >= nth;
		fault_vfs_reset();
		vbed_close(&w);
		if (is_marked(&w))
			unmark(&w);
		vbed_open(&w);
		vbed_check_kept(&w);
		vbed_vote(&w, 100);
		vbed_settle(&w);
		vbed_done(&w);
	}
	assert_true(nth > 2 * step); /* on a busy host commits are few, and large */
}

static void test_a_write_that_fails_loses_nothing_acknowledged(void **state)
{
	(void)state;
	each_one_fails(fault_vfs_fail_write, fault_vfs_writes, 67);
}

static void test_a_sync_that_fails_loses_nothing_acknowledged(void **state)
{
	(void)state;
	each_one_fails(fault_vfs_fail_sync, fault_vfs_syncs, 3);
}

/* Full from the n-th write on, then there is room again. */
static void test_a_disk_full_at_each_place_loses_nothing_acknowledged(void **state)
{
	struct vbed *w = *state;
	long n = 0;

	for (; n < 60; n++) {
		w->n_full = 0;
		fault_vfs_full_after(n);
		for (int i = 0; i < 20; i++)
			vbed_vote(w, 1500);
		VBED_UNTIL(w, w->stored >= w->written || w->n_full > 0);
		fault_vfs_full_after(-1);
		vbed_vote(w, 1500);
		vbed_settle(w);
		assert_int_equal(w->n_failed, 0);
		check_as_it_was(w);
	}
}

static void test_every_allocation_of_opening_fails_once(void **state)
{
	struct vbed *w = *state;

	for (int i = 0; i < 20; i++)
		vbed_vote(w, 1000);
	vbed_settle(w);
	vbed_close(w);
	OOM_LOOP (o) {
		struct err e = {0};
		int rc;

		(void)mem_fail_at(0); /* the store's own: test_store.c */
		store_bed_open(&w->b);
		(void)mem_fail_at(o.n);
		rc = votes_new(w->b.s, w->b.dir.path, &vbed_hooks, w, &w->v, &e);
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		if (rc < 0)
			w->v = NULL;
		vbed_close(w);
	}
	for (long n = 1;; n++) {
		struct err e = {0};
		int rc;

		vbed_new(w);
		w->mem.fail_in = n;
		w->mem.failed = false;
		rc = vbed_load(w, &e);
		w->mem.fail_in = 0;
		assert_int_equal(rc, w->mem.failed ? -ENOMEM : 0);
		vbed_close(w);
		if (rc == 0)
			break;
		assert_non_null(strstr(e.text, "out of memory"));
	}
	vbed_open(w);
	vbed_check_kept(w);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_full_disk_undoes_and_goes_on),
		TEST(test_what_comes_before_the_refusal_is_heard_is_not_made),
		TEST(test_one_that_does_not_fit_undoes_what_came_after_it),
		TEST(test_a_full_queue_is_as_a_full_disk),
		TEST(test_a_queue_that_is_full_of_others_is_told_of_too),
		TEST(test_a_refusal_waits_for_what_is_under_way),
		TEST(test_every_allocation_of_a_write_fails_once),
		TEST(test_a_failed_sync_ends_the_voter),
		TEST(test_a_failed_write_ends_the_voter),
		TEST(test_a_failed_sync_of_others_rows_ends_the_voter),
		TEST(test_a_failed_sync_of_a_checkpoint_ends_the_voter),
		TEST(test_a_write_that_fails_loses_nothing_acknowledged),
		TEST(test_a_sync_that_fails_loses_nothing_acknowledged),
		TEST(test_a_disk_full_at_each_place_loses_nothing_acknowledged),
		TEST(test_every_allocation_of_opening_fails_once),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
