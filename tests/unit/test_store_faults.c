/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store on a bad disk and with a bad file: what was acknowledged is never missing afterwards, a full disk passes, a
 * failed fsync ends all promises, and a file that is damaged, foreign, newer or in use is refused with what to do.
 */
#include "node/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/lib/fault_vfs.h"
#include "tests/lib/store_bed.h"
#include "tests/lib/test.h"

#define SAVED_BYTES 3000

static int setup(void **state)
{
	static struct store_bed bed;

	fault_vfs_reset();
	store_bed_make(&bed);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	fault_vfs_reset();
	store_bed_done(*state);
	return 0;
}

static void test_a_full_disk_passes(void **state)
{
	struct store_bed *b = *state;
	struct store_stats st;
	struct answers a = {0};

	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 1), 0);
	fault_vfs_full_after(0);
	assert_int_equal(store_put_meta(b->s, "k", 2, store_bed_answer, &a), 0);
	assert_int_equal(store_put_meta(b->s, "l", 2, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 2);
	assert_int_equal(a.failed, 2);
	assert_int_equal(a.rc, -ENOSPC);
	assert_non_null(strstr(a.error, "no room to write"));
	assert_non_null(strstr(a.error, "free some space"));
	assert_int_equal(store_meta(b->s, "k", 0), 1);
	fault_vfs_full_after(-1);
	assert_int_equal(store_bed_put_meta(b, "k", 3), 0);
	store_bed_reopen(b);
	assert_int_equal(store_meta(b->s, "k", 0), 3);
	assert_int_equal(store_meta(b->s, "l", -1), -1);
	store_stats(b->s, &st);
	assert_false(st.suspect);
}

/* A disk with room for little: the large job of a group fails, the small ones beside it are done. */
static void test_one_job_that_does_not_fit_costs_the_others_nothing(void **state)
{
	struct store_bed *b = *state;
	AUTO_FREE char *big = calloc(1, AGENT_FILE_MAX);
	const struct store_agent agent = {.name = "big", .text = big, .text_len = AGENT_FILE_MAX};
	struct answers small = {0}, large = {0};

	assert_non_null(big);
	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 1), 0);
	fault_vfs_hold_syncs(true);
	assert_int_equal(store_put_meta(b->s, "first", 1, store_bed_answer, &small), 0);
	store_bed_await_held(b);
	assert_int_equal(store_put_meta(b->s, "k", 2, store_bed_answer, &small), 0);
	assert_int_equal(store_put_agent(b->s, &agent, store_bed_answer, &large), 0);
	assert_int_equal(store_put_meta(b->s, "l", 2, store_bed_answer, &small), 0);
	fault_vfs_full_beyond(128 * 1024);
	fault_vfs_hold_syncs(false);
	store_bed_await(b, &small, 3);
	assert_int_equal(small.failed, 0);
	assert_int_equal(large.n, 1);
	assert_int_equal(large.rc, -ENOSPC);
	fault_vfs_full_beyond(-1);
	store_bed_reopen(b);
	assert_int_equal(store_meta(b->s, "k", 0), 2);
	assert_int_equal(store_meta(b->s, "l", 0), 2);
}

static void test_a_failed_fsync_ends_all_promises(void **state)
{
	struct store_bed *b = *state;
	struct store_stats st;
	struct answers a = {0};

	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 1), 0);
	fault_vfs_fail_sync(1);
	assert_int_equal(store_put_meta(b->s, "k", 2, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	assert_int_equal(a.rc, -EIO);
	assert_non_null(strstr(a.error, "fsync"));
	store_stats(b->s, &st);
	assert_true(st.suspect);
	assert_int_equal(store_put_meta(b->s, "k", 3, store_bed_answer, &a), 0); /* the disk is well again; too late */
	store_bed_await(b, &a, 2);
	assert_int_equal(a.rc, -EIO);
	assert_non_null(strstr(a.error, "earlier"));
	assert_int_equal(store_sync(b->s, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 3);
	assert_int_equal(a.rc, -EIO);
	store_bed_reopen(b);
	assert_int_not_equal(store_meta(b->s, "k", 0), 3);
	assert_int_equal(store_bed_put_meta(b, "k", 4), 0);
}

static void test_a_suspect_store_can_still_be_copied(void **state)
{
	struct store_bed *b = *state;
	struct answers a = {0};
	char path[128];

	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 1), 0);
	fault_vfs_fail_sync(1);
	assert_int_equal(store_bed_put_meta(b, "k", 2), -EIO);
	(void)snprintf(path, sizeof(path), "%s/copy", b->dir.path);
	assert_int_equal(store_backup(b->s, path, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	assert_int_equal(a.rc, 0);
}

static int put_saved(struct store_bed *b, int i, struct answers *a)
{
	char id[32], saved[SAVED_BYTES];
	const struct store_replica r = {.id = id, .saved = saved, .saved_len = sizeof(saved)};

	(void)snprintf(id, sizeof(id), "a.%d", i);
	memset(saved, 'a' + i % 26, sizeof(saved));
	return store_put_replica(b->s, &r, store_bed_answer, a);
}

static int see_saved(void *arg, const struct store_replica *r)
{
	bool *there = arg;
	int i = atoi(r->id + 2);

	assert_int_equal(r->saved_len, SAVED_BYTES);
	assert_int_equal(((const char *)r->saved)[SAVED_BYTES - 1], 'a' + i % 26);
	there[i] = true;
	return 0;
}

/* Writes until a checkpoint has happened; each answer that is 0 must be there after a restart. */
static void drive_through_checkpoint(struct store_bed *b, void (*fault)(long nth), long nth)
{
	enum { ROWS = 450 };
	bool acked[ROWS] = {0}, there[ROWS] = {0};

	store_bed_open(b);
	fault_vfs_reset();
	fault(nth);
	for (int i = 0; i < ROWS;) {
		struct answers a[8] = {0};
		int from = i;

		for (; i < ROWS && i < from + 8; i++)
			assert_int_equal(put_saved(b, i, &a[i - from]), 0);
		store_bed_await(b, &a[i - from - 1], 1);
		for (int k = from; k < i; k++)
			acked[k] = a[k - from].rc == 0;
	}
	fault(0);
	store_bed_reopen(b);
	assert_int_equal(store_load_replicas(b->s, see_saved, there, NULL), 0);
	for (int i = 0; i < ROWS; i++)
		if (acked[i] && !there[i])
			fail_msg("fault %ld: row %d was acknowledged and is gone", nth, i);
}

/* Every step-th fault of its kind, until a run has fewer than that. */
static void each_one_fails(void (*fault)(long nth), long (*count)(void), long step)
{
	bool reached = true;
	long nth = 1;

	for (; reached; nth += step) {
		struct store_bed b;

		store_bed_make(&b);
		drive_through_checkpoint(&b, fault, nth);
		reached = count() >= nth;
		store_bed_done(&b);
	}
	assert_true(nth > 10 * step);
}

static void test_a_write_that_fails_loses_nothing_acknowledged(void **state)
{
	(void)state;
	each_one_fails(fault_vfs_fail_write, fault_vfs_writes, 97);
}

static void test_a_sync_that_fails_loses_nothing_acknowledged(void **state)
{
	(void)state;
	each_one_fails(fault_vfs_fail_sync, fault_vfs_syncs, 5);
}

/* SQLite's own checkpoints swallow this, and the next one resets the log: what the disk lost is then gone for good. */
static void test_a_failed_fsync_of_a_checkpoint_is_noticed(void **state)
{
	enum { ROWS = 700 };
	bool there[ROWS] = {0};
	struct store_bed *b = *state;
	struct store_stats st;
	struct answers a = {0};

	store_bed_open(b);
	fault_vfs_fail_db_sync(1);
	for (int i = 0; i < ROWS; i++)
		assert_int_equal(put_saved(b, i, &a), 0);
	store_bed_await(b, &a, ROWS);
	assert_int_equal(store_bed_put_meta(b, "k", 1), -EIO); /* the checkpoint came before it */
	store_stats(b->s, &st);
	assert_true(st.suspect);
	store_bed_reopen(b);
	assert_int_equal(store_load_replicas(b->s, see_saved, there, NULL), 0);
	for (int i = 0; i < ROWS - a.failed; i++)
		assert_true(there[i]);
}

static void refused(struct store_bed *b, int rc, const char *words)
{
	struct store *s = NULL;
	struct err e = {0};

	assert_int_equal(store_open(b->loop, b->dir.path, &s, &e), rc);
	assert_null(s);
	if (!strstr(e.text, words))
		fail_msg("'%s' does not say '%s'", e.text, words);
}

static void write_at(struct store_bed *b, off_t at, const char *v, size_t n)
{
	AUTO_CLOSE int fd = open(tmpdir_path(&b->dir, "covey.db"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, v, n, at), (ssize_t)n);
}

/* A store with some content, closed. */
static void make_filled(struct store_bed *b)
{
	struct answers a = {0};

	store_bed_open(b);
	for (int i = 0; i < 60; i++)
		assert_int_equal(put_saved(b, i, &a), 0);
	store_bed_await(b, &a, 60);
	store_bed_close(b);
}

static void test_a_truncated_file_is_refused(void **state)
{
	struct store_bed *b = *state;
	struct stat st;

	make_filled(b);
	assert_int_equal(stat(tmpdir_path(&b->dir, "covey.db"), &st), 0);
	assert_true(st.st_size > 40000);
	assert_int_equal(truncate(tmpdir_path(&b->dir, "covey.db"), st.st_size / 2), 0);
	refused(b, -EUCLEAN, "damaged");
	assert_int_equal(truncate(tmpdir_path(&b->dir, "covey.db"), 50), 0);
	refused(b, -EUCLEAN, "truncated to 50 bytes");
	assert_int_equal(truncate(tmpdir_path(&b->dir, "covey.db"), 0), 0);
	refused(b, -EUCLEAN, "truncated to 0 bytes");
	assert_int_equal(unlink(tmpdir_path(&b->dir, "covey.db")), 0);
	store_bed_open(b); /* as the sentence said: away with it, and it starts anew */
}

static void test_a_damaged_file_is_refused(void **state)
{
	struct store_bed *b = *state;
	char junk[4096];

	make_filled(b);
	memset(junk, 0xa5, sizeof(junk));
	write_at(b, 5 * 4096, junk, sizeof(junk));
	refused(b, -EUCLEAN, "restore a backup");
}

static void test_what_is_no_database_is_refused(void **state)
{
	struct store_bed *b = *state;
	char text[8192];

	memset(text, 'x', sizeof(text));
	write_at(b, 0, text, sizeof(text));
	refused(b, -EUCLEAN, "damaged");
	assert_int_equal(unlink(tmpdir_path(&b->dir, "covey.db")), 0);
	assert_int_equal(mkdir(tmpdir_path(&b->dir, "covey.db"), 0700), 0);
	refused(b, -EINVAL, "not a regular file");
}

static void run_sql(struct store_bed *b, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(tmpdir_path(&b->dir, "covey.db"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_a_newer_or_foreign_file_is_refused(void **state)
{
	struct store_bed *b = *state;

	make_filled(b);
	run_sql(b, "PRAGMA user_version=4");
	refused(b, -EPROTO, "newer covey (schema 4, this one knows 3)");
	run_sql(b, "PRAGMA user_version=0");
	refused(b, -EUCLEAN, "no schema version");
	run_sql(b, "PRAGMA user_version=3; PRAGMA application_id=7");
	refused(b, -EUCLEAN, "another program's");
	run_sql(b, "PRAGMA application_id=1131378297; DELETE FROM identity");
	refused(b, -EUCLEAN, "no node id");
	run_sql(b, "INSERT INTO identity VALUES('node_id','short')");
	refused(b, -EUCLEAN, "no node id");
	run_sql(b,
		"DELETE FROM identity; INSERT INTO identity VALUES('node_id','0f8fad5b-d9cb-469f-a165-70867728950e');"
		"INSERT INTO identity VALUES('cluster_id','')");
	refused(b, -EUCLEAN, "no cluster id");
	run_sql(b, "DROP TABLE events");
	refused(b, -EUCLEAN, "");
}

static void test_a_log_without_its_file_is_refused(void **state)
{
	struct store_bed *b = *state;
	AUTO_CLOSE int fd = -1;

	fd = open(tmpdir_path(&b->dir, "covey.db-wal"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	refused(b, -EUCLEAN, "is missing but its log");
}

static void test_a_directory_that_is_not_there_is_told(void **state)
{
	struct store_bed *b = *state;

	tmpdir_remove(&b->dir);
	(void)snprintf(b->dir.path, sizeof(b->dir.path), "/nonexistent");
	refused(b, -ENOENT, "/nonexistent/covey.db");
	b->dir.path[0] = '\0';
}

/* Another process that has the store open until it is told to go. */
static pid_t start_holder(struct store_bed *b, int *ret_go)
{
	int ready[2], go[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		store_bed_open(b);
		if (write(ready[1], "", 1) != 1 || close(go[1]) != 0 || read(go[0], &c, 1) != 0)
			_exit(1);
		_exit(0);
	}
	assert_int_equal(close(go[0]) | close(ready[1]), 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(close(ready[0]), 0);
	*ret_go = go[1];
	return pid;
}

static void test_a_locked_file_is_refused_and_its_holder_named(void **state)
{
	struct store_bed *b = *state;
	char words[64];
	int go, status;
	pid_t pid = start_holder(b, &go);

	(void)snprintf(words, sizeof(words), "locked by process %d", (int)pid);
	refused(b, -EBUSY, words);
	assert_int_equal(close(go), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 1), 0);
}

static void test_a_full_disk_at_the_first_start_leaves_nothing(void **state)
{
	struct store_bed *b = *state;
	struct stat st;

	for (long n = 0; n < 3; n++) {
		fault_vfs_full_after(n);
		refused(b, -ENOSPC, "no room");
		assert_int_equal(stat(tmpdir_path(&b->dir, "covey.db"), &st), -1);
		assert_int_equal(stat(tmpdir_path(&b->dir, "covey.db.new"), &st), -1);
	}
	fault_vfs_full_after(-1);
	store_bed_open(b);
}

static void test_a_backup_without_room_leaves_nothing(void **state)
{
	struct store_bed *b = *state;
	struct answers a = {0};
	struct stat st;
	char path[128];

	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 1), 0);
	(void)snprintf(path, sizeof(path), "%s/copy", b->dir.path);
	fault_vfs_full_after(3);
	assert_int_equal(store_backup(b->s, path, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	assert_int_equal(a.rc, -ENOSPC);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(stat(tmpdir_path(&b->dir, "copy.new"), &st), -1);
	fault_vfs_full_after(-1);
	assert_int_equal(store_bed_put_meta(b, "k", 2), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_locked_file_is_refused_and_its_holder_named),
		TEST(test_a_full_disk_passes),
		TEST(test_one_job_that_does_not_fit_costs_the_others_nothing),
		TEST(test_a_failed_fsync_ends_all_promises),
		TEST(test_a_suspect_store_can_still_be_copied),
		TEST(test_a_write_that_fails_loses_nothing_acknowledged),
		TEST(test_a_sync_that_fails_loses_nothing_acknowledged),
		TEST(test_a_failed_fsync_of_a_checkpoint_is_noticed),
		TEST(test_a_truncated_file_is_refused),
		TEST(test_a_damaged_file_is_refused),
		TEST(test_what_is_no_database_is_refused),
		TEST(test_a_newer_or_foreign_file_is_refused),
		TEST(test_a_log_without_its_file_is_refused),
		TEST(test_a_directory_that_is_not_there_is_told),
		TEST(test_a_full_disk_at_the_first_start_leaves_nothing),
		TEST(test_a_backup_without_room_leaves_nothing),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
