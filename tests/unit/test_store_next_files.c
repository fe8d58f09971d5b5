/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an operator may name as a backup and is none: it is refused with a sentence about that file, nothing is left of
 * it, nothing waits for it, and the store that is there is as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/store_next.h"
#include "tests/lib/store_bed.h"

static int setup(void **state)
{
	static struct store_bed bed;

	store_bed_make(&bed);
	*state = &bed;
	return 0;
}

static int teardown(void **state)
{
	store_bed_done(*state);
	return 0;
}

static const char *in(struct store_bed *b, const char *name)
{
	return tmpdir_path(&b->dir, name);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void write_to(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* A store with a value, and a backup of it; closed. */
static void make_backup(struct store_bed *b, const char *path)
{
	struct answers a = {0};

	store_bed_open(b);
	assert_int_equal(store_put_meta(b->s, "k", 5, store_bed_answer, &a), 0);
	assert_int_equal(store_backup(b->s, path, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 2);
	assert_int_equal(a.failed, 0);
	store_bed_close(b);
}

static void refused(struct store_bed *b, const char *from, int rc, const char *words)
{
	struct err e = {0};

	assert_int_equal(store_next_make(b->dir.path, from, NULL, &(struct store_counts){.boot = 1}, &e), rc);
	if (!strstr(e.text, words) || strstr(e.text, "making"))
		fail_msg("'%s' does not say '%s'", e.text, words);
	assert_int_equal(access(in(b, "covey.db.making"), F_OK), -1);
	assert_int_equal(store_next_take(b->dir.path, &e), 0);
}

static void test_what_is_no_backup_is_refused(void **state)
{
	struct store_bed *b = *state;
	char backup[128];

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	make_backup(b, backup);
	refused(b, "/nonexistent/backup", -ENOENT, "open '/nonexistent/backup'");
	refused(b, b->dir.path, -EINVAL, "is no regular file");
	run_sql(backup, "PRAGMA user_version=99");
	refused(b, backup, -EPROTO, "backup' was written by a newer covey (schema 99");
	run_sql(backup, "PRAGMA application_id=3");
	refused(b, backup, -EUCLEAN, "backup' is another program's database: take another backup");
	run_sql(backup, "PRAGMA user_version=1; PRAGMA application_id=1131378297");
	assert_int_equal(truncate(backup, 6000), 0);
	refused(b, backup, -EUCLEAN, "damaged");
	assert_int_equal(truncate(backup, 50), 0);
	refused(b, backup, -EUCLEAN, "backup' is truncated to 50 bytes: take another backup");
	assert_int_equal(truncate(backup, 0), 0);
	refused(b, backup, -EINVAL, "backup' is empty");
	assert_int_equal(unlink(backup), 0);
	assert_int_equal(mkfifo(backup, 0600), 0);
	refused(b, backup, -EINVAL, "backup' is no regular file"); /* whom nobody writes to */
}

/* Nothing of a file as large as a disk is copied when it is none of ours. */
static void test_a_huge_file_is_not_copied(void **state)
{
	static const off_t huge = (off_t)1 << 42;
	struct store_bed *b = *state;
	char file[128];

	(void)snprintf(file, sizeof(file), "%s/huge", b->dir.path);
	assert_int_equal(close(open(file, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(truncate(file, huge), 0);
	refused(b, file, -EUCLEAN, "huge' is no backup of a store");
}

/* As another process sees it. */
static bool is_locked(const char *path)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int status = 0, pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		_exit(fd >= 0 && fcntl(fd, F_SETLK, &fl) < 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WEXITSTATUS(status) == 1;
}

static void test_a_store_in_use_is_no_backup_by_any_name(void **state)
{
	struct store_bed *b = *state;
	char link_to[128], hard[128], other[128];

	(void)snprintf(link_to, sizeof(link_to), "%s/link", b->dir.path);
	(void)snprintf(hard, sizeof(hard), "%s/hard", b->dir.path);
	(void)snprintf(other, sizeof(other), "%s/other", b->dir.path);
	make_backup(b, other);
	store_bed_open(b);
	assert_int_equal(symlink(in(b, "covey.db"), link_to), 0);
	assert_int_equal(link(in(b, "covey.db"), hard), 0);
	refused(b, in(b, "covey.db"), -EINVAL, "is the store of");
	refused(b, link_to, -EINVAL, "link' is the store of");
	refused(b, hard, -EINVAL, "hard' is the store of");
	assert_true(is_locked(in(b, "covey.db")));
	/* That of another daemon. */
	write_to(in(b, "other-wal"), "not empty");
	assert_int_equal(unlink(link_to), 0);
	assert_int_equal(symlink(other, link_to), 0);
	refused(b, other, -EINVAL, "is a store in use, not a backup");
	refused(b, link_to, -EINVAL, "other-wal' is beside it");
}

/* ---- one that is being written ---- */

struct appender {
	int fd;
	atomic_bool end;
};

static void *append(void *arg)
{
	struct appender *ap = arg;

	while (!atomic_load(&ap->end))
		if (write(ap->fd, "x", 1) != 1)
			break;
	return NULL;
}

static bool is_refused_as_being_written(struct store_bed *b, const char *from)
{
	struct err e = {0};
	int rc = store_next_make(b->dir.path, from, NULL, &(struct store_counts){.boot = 1}, &e);

	return rc == -EBUSY && strstr(e.text, "is being written: wait until it is whole");
}

static void test_one_that_is_being_written_is_refused(void **state)
{
	struct store_bed *b = *state;
	struct appender ap = {.end = false};
	char backup[128];
	pthread_t thread;

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	make_backup(b, backup);
	ap.fd = open(backup, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(ap.fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, append, &ap), 0);
	WAIT_UNTIL(is_refused_as_being_written(b, backup), WAIT_BOUND_S); /* a copy may just be faster than it */
	atomic_store(&ap.end, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(close(ap.fd), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_no_backup_is_refused),
		TEST(test_a_huge_file_is_not_copied),
		TEST(test_a_store_in_use_is_no_backup_by_any_name),
		TEST(test_one_that_is_being_written_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
