/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of another time: one of the first schema is brought to this one's, whole or not at all; a backup becomes
 * the next store, and an empty one too (test_store_next_files.c: what is no backup); a disk that fails leaves what is
 * there as it was.
 */
#include "node/store_next.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/fault_vfs.h"
#include "tests/lib/oom.h"
#include "tests/lib/store_bed.h"

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

static const char *in(struct store_bed *b, const char *name)
{
	return tmpdir_path(&b->dir, name);
}

static void run_sql(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A store with one agent and a value, closed. */
static void make_filled(struct store_bed *b, int64_t value)
{
	const struct store_agent web = {.name = "web", .version = 7, .text = "name: web\n", .text_len = 10};
	struct answers a = {0};

	store_bed_open(b);
	assert_int_equal(store_put_agent(b->s, &web, store_bed_answer, &a), 0);
	assert_int_equal(store_put_meta(b->s, "k", value, store_bed_answer, &a), 0);
	assert_int_equal(store_put_meta(b->s, "boot", value, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 3);
	assert_int_equal(a.failed, 0);
	store_bed_close(b);
}

static int see_version(void *arg, const struct store_agent *a)
{
	assert_null(a->before);
	*(int64_t *)arg = a->version;
	return 0;
}

static int64_t version_of_web(struct store_bed *b)
{
	int64_t version = 0;

	assert_int_equal(store_load_agents(b->s, see_version, &version, NULL), 0);
	return version;
}

static int see_op(void *arg, const struct store_op *op)
{
	char *seen = arg;

	(void)snprintf(seen + strlen(seen), 64, "%s=%.*s;", op->id, (int)op->saved_len, (const char *)op->saved);
	return 0;
}

/* ---- schemas ---- */

#define TO_SECOND                                                                   \
	"DROP TABLE vote_state; DROP TABLE vote_promises; DROP TABLE vote_values;"  \
	"DROP TABLE vote_longs; DROP TABLE lease_releases; DROP TABLE voters_seen;" \
	"DROP TABLE chosen_values; PRAGMA user_version=2;"
static const char to_first[] = TO_SECOND "DROP TABLE ops; ALTER TABLE agents DROP COLUMN before; PRAGMA user_version=1";

static void test_the_first_schema_is_brought_to_this_one(void **state)
{
	struct store_bed *b = *state;
	const struct store_op op = {.seq = 1, .oldest = 1, .id = "op-a"};
	struct answers a = {0};

	make_filled(b, 5);
	run_sql(in(b, "covey.db"), to_first);
	store_bed_open(b);
	assert_int_equal(version_of_web(b), 7);
	assert_int_equal(store_meta(b->s, "k", 0), 5);
	assert_int_equal(store_put_op(b->s, &op, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	assert_int_equal(a.failed, 0);
	store_bed_reopen(b); /* once is enough */
	assert_int_equal(version_of_web(b), 7);
}

static void test_the_second_schema_gets_room_for_votes(void **state)
{
	struct store_bed *b = *state;
	const struct store_op op = {.seq = 1, .oldest = 1, .id = "op-a", .saved = "A", .saved_len = 1};
	struct answers a = {0};
	char seen[256] = "";

	make_filled(b, 5);
	store_bed_open(b);
	assert_int_equal(store_put_op(b->s, &op, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	store_bed_close(b);
	run_sql(in(b, "covey.db"), TO_SECOND);
	store_bed_open(b);
	assert_int_equal(version_of_web(b), 7);
	assert_int_equal(store_load_ops(b->s, see_op, seen, NULL), 0);
	assert_string_equal(seen, "op-a=A;");
	store_bed_close(b);
	run_sql(in(b, "covey.db"),
		"INSERT INTO vote_state VALUES(1,x'',0); INSERT INTO vote_promises VALUES(x'',x'',0);"
		"INSERT INTO vote_values VALUES(1,x'',x'',0,x''); INSERT INTO vote_longs VALUES(x'',0,x'',0,0,0);"
		"INSERT INTO lease_releases VALUES(x'',0,0,0); INSERT INTO voters_seen VALUES(1,x'',0,0,0);"
		"INSERT INTO chosen_values VALUES(1,x'',x'',0,x'')");
}

/* A disk that fails on the way leaves a store of the first schema, which the next start brings up. */
static void test_an_upgrade_that_fails_is_none(void **state)
{
	struct store_bed *b = *state;
	struct err e = {0};
	int n = 0, rc;

	do {
		fault_vfs_reset();
		make_filled(b, 5);
		run_sql(in(b, "covey.db"), to_first);
		fault_vfs_fail_write(++n);
		rc = store_open(b->loop, b->dir.path, &b->s, &e);
		fault_vfs_reset();
		if (rc < 0) {
			b->s = NULL;
			store_bed_open(b);
		}
		assert_int_equal(version_of_web(b), 7);
		store_bed_close(b);
		assert_int_equal(unlink(in(b, "covey.db")), 0);
	} while (rc < 0);
	assert_true(n > 1);
}

/* ---- the next one ---- */

static void back_up(struct store_bed *b, const char *path)
{
	struct answers a = {0};

	store_bed_open(b);
	assert_int_equal(store_backup(b->s, path, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	assert_int_equal(a.failed, 0);
	store_bed_close(b);
}

static void test_a_backup_becomes_the_next_store(void **state)
{
	struct store_bed *b = *state;
	const struct store_op op = {.id = "op-r", .saved = "R", .saved_len = 1};
	char backup[128], old_id[37], seen[256] = "";
	struct err e = {0};

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	make_filled(b, 5);
	back_up(b, backup);
	run_sql(backup, to_first); /* of an older version, too */
	store_bed_open(b);
	assert_int_equal(store_bed_put_meta(b, "k", 6), 0);
	(void)snprintf(old_id, sizeof(old_id), "%s", store_node_id(b->s));
	assert_int_equal(store_next_make(b->dir.path, backup, &op, &(struct store_counts){.boot = 9}, &e),
		0); /* while the old one is in use */
	assert_int_equal(store_bed_put_meta(b, "k", 7), 0);
	store_bed_close(b);
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	assert_int_equal(store_next_take(b->dir.path, &e), 0);
	store_bed_open(b);
	assert_int_equal(store_meta(b->s, "k", 0), 5);
	assert_int_equal(store_meta(b->s, "boot", 0), 9);
	assert_int_equal(version_of_web(b), 7);
	assert_string_not_equal(store_node_id(b->s), old_id);
	assert_int_equal(store_load_ops(b->s, see_op, seen, NULL), 0);
	assert_string_equal(seen, "op-r=R;");
	assert_int_equal(access(backup, F_OK), 0);
}

/* The counts of starts and of events do not fall, whichever of the two is ahead. */
static void test_counts_go_on(void **state)
{
	struct store_bed *b = *state;
	char backup[128];
	struct err e = {0};

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	make_filled(b, 50);
	back_up(b, backup);
	assert_int_equal(store_next_make(b->dir.path, backup, NULL, &(struct store_counts){.boot = 9}, &e), 0);
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	store_bed_open(b);
	assert_int_equal(store_meta(b->s, "boot", 0), 50);
	store_bed_close(b);
	make_filled(b, 3);
	assert_int_equal(store_next_make(b->dir.path, backup, NULL, &(struct store_counts){.event_seq = 777}, &e), 0);
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	store_bed_open(b);
	assert_int_equal(store_meta(b->s, "event_seq", 0), 777);
	store_bed_close(b);
	back_up(b, backup);
	assert_int_equal(
		store_next_make(b->dir.path, backup, NULL, NULL, &e), 0); /* nobody knows how many there were */
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	store_bed_open(b);
	assert_true(store_meta(b->s, "event_seq", 0) > 777 + EVENTS_KEPT_MAX);
}

static void test_an_empty_one(void **state)
{
	struct store_bed *b = *state;
	struct err e = {0};

	make_filled(b, 5);
	assert_int_equal(store_next_make(b->dir.path, NULL, NULL, &(struct store_counts){.boot = 9}, &e), 0);
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	store_bed_open(b);
	assert_int_equal(store_meta(b->s, "k", 0), 0);
	assert_int_equal(store_meta(b->s, "boot", 0), 9);
	assert_int_equal(version_of_web(b), 0);
}

/* A log that was left of the old store would be replayed into the new one. */
static void test_nothing_of_the_old_store_is_left_beside_it(void **state)
{
	struct store_bed *b = *state;
	struct err e = {0};
	FILE *f;

	make_filled(b, 5);
	assert_int_equal(store_next_make(b->dir.path, NULL, NULL, &(struct store_counts){.boot = 9}, &e), 0);
	f = fopen(in(b, "covey.db-wal"), "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	assert_int_equal(access(in(b, "covey.db-wal"), F_OK), -1);
	/* A host that died after the old file was removed goes on from there. */
	assert_int_equal(store_next_make(b->dir.path, NULL, NULL, &(struct store_counts){.boot = 10}, &e), 0);
	assert_int_equal(unlink(in(b, "covey.db")), 0);
	assert_int_equal(store_next_take(b->dir.path, &e), 1);
	store_bed_open(b);
	assert_int_equal(store_meta(b->s, "boot", 0), 10);
}

/* A daemon that was killed over it left half of one, which may be large. */
static void test_half_of_one_is_removed_at_the_next_start(void **state)
{
	static const char *const names[] = {"covey.db.making", "covey.db.making-wal"};
	struct store_bed *b = *state;
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(close(open(in(b, names[i]), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)), 0);
	assert_int_equal(store_next_take(b->dir.path, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(access(in(b, names[i]), F_OK), -1);
}

/* ---- faults ---- */

static void test_every_allocation_fails_once(void **state)
{
	struct store_bed *b = *state;
	char backup[128];

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	make_filled(b, 5);
	back_up(b, backup);
	OOM_LOOP (o) {
		struct err e = {0};
		int rc = store_next_make(b->dir.path, backup, NULL, &(struct store_counts){.boot = 1}, &e);

		if (rc == 0)
			rc = store_next_take(b->dir.path, &e) == 1 ? 0 : e.code;
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
	}
	store_bed_open(b);
	assert_int_equal(store_meta(b->s, "k", 0), 5);
}

/* A disk that fails at any point makes no next store; one that was made has all that it should. */
static void test_every_write_and_sync_fails_once(void **state)
{
	static void (*const faults[])(long) = {fault_vfs_fail_write, fault_vfs_full_after, fault_vfs_fail_sync};
	const struct store_op op = {.id = "op-r", .saved = "R", .saved_len = 1};
	struct store_bed *b = *state;
	char backup[128];

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	for (size_t kind = 0; kind < ARRAY_LEN(faults); kind++) {
		int n = 0, rc;

		make_filled(b, 5);
		back_up(b, backup);
		do {
			struct err e = {0};
			char seen[256] = "";

			faults[kind](++n);
			rc = store_next_make(b->dir.path, backup, &op, &(struct store_counts){.boot = 9}, &e);
			fault_vfs_reset();
			assert_int_equal(access(in(b, "covey.db.making"), F_OK), -1);
			assert_int_equal(access(in(b, "covey.db.making-wal"), F_OK), -1);
			assert_int_equal(store_next_take(b->dir.path, &e), rc == 0);
			store_bed_open(b);
			assert_int_equal(store_meta(b->s, "boot", 0), rc == 0 ? 9 : 5);
			assert_int_equal(store_load_ops(b->s, see_op, seen, NULL), 0);
			assert_string_equal(seen, rc == 0 ? "op-r=R;" : "");
			store_bed_close(b);
		} while (rc < 0);
		assert_true(n > 1);
		assert_int_equal(unlink(in(b, "covey.db")), 0);
	}
}

/* A folder that cannot be read can be written to, but not be opened to be made durable. */
static void test_one_that_is_not_durable_is_not_taken_later(void **state)
{
	struct store_bed *b = *state;
	uid_t uid = getuid() == 0 ? 65534 : getuid();
	char backup[128];
	struct err e = {0};
	int rc;

	(void)snprintf(backup, sizeof(backup), "%s/backup", b->dir.path);
	make_filled(b, 5);
	back_up(b, backup);
	assert_int_equal(chown(backup, uid, (gid_t)-1), 0);
	assert_int_equal(chown(b->dir.path, uid, (gid_t)-1), 0);
	assert_int_equal(chmod(b->dir.path, 0300), 0);
	assert_int_equal(seteuid(uid), 0);
	rc = store_next_make(b->dir.path, backup, NULL, &(struct store_counts){.boot = 9}, &e);
	assert_int_equal(seteuid(getuid()), 0);
	assert_int_equal(chmod(b->dir.path, 0700), 0);
	assert_int_equal(rc, -EACCES);
	assert_non_null(strstr(e.text, "durable"));
	assert_int_equal(store_next_take(b->dir.path, &e), 0);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_first_schema_is_brought_to_this_one),
		TEST(test_the_second_schema_gets_room_for_votes),
		TEST(test_an_upgrade_that_fails_is_none),
		TEST(test_a_backup_becomes_the_next_store),
		TEST(test_counts_go_on),
		TEST(test_an_empty_one),
		TEST(test_nothing_of_the_old_store_is_left_beside_it),
		TEST(test_half_of_one_is_removed_at_the_next_start),
		TEST(test_every_allocation_fails_once),
		TEST(test_every_write_and_sync_fails_once),
		TEST(test_one_that_is_not_durable_is_not_taken_later),
	};

	fault_vfs_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
