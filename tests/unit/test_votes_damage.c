/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Damage on disk: whichever field of whichever row of a vote is not as it was written, this node does not vote and says
 * so; neither does it when a row is gone or is an old one. What holders and proposers keep costs itself.
 */
#include "node/votes.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "base/io.h"
#include "base/log.h"
#include "tests/lib/votes_bed.h"

#define COLUMNS_MAX 6
#define FILE_MAX    (4 << 20)

/* A store with some of everything, closed, and its bytes. */
struct bed {
	struct vbed w;
	struct bytes pristine;
	struct answers a;
};

static const char *db_path(struct bed *d)
{
	return tmpdir_path(&d->w.b.dir, "covey.db");
}

static void save(struct bed *d)
{
	bytes_clear(&d->pristine);
	assert_int_equal(io_read_file(AT_FDCWD, db_path(d), &d->pristine, NULL), 0);
	assert_int_equal(access(tmpdir_path(&d->w.b.dir, "covey.db-wal"), F_OK), -1);
}

static void put_back(struct bed *d)
{
	assert_int_equal(io_replace_file(AT_FDCWD, db_path(d), d->pristine.v, d->pristine.n, 0600, false, NULL), 0);
}

static int setup(void **state)
{
	static struct bed d;
	static const char *const keys[] = {"web"};
	const struct uuid c = story_node('c');
	const struct msg_key web = story_key("web");
	const struct ballot ballot = story_ballot(4, 'b');

	memset(&d, 0, sizeof(d));
	bytes_init(&d.pristine, FILE_MAX);
	vbed_make(&d.w);
	vbed_open(&d.w);
	d.w.cfg = story_cfg(3, "abc", "abd");
	vbed_accept(&d.w, 'b', "", 1, "times");
	vbed_accept(&d.w, 'b', "web", 1, "0b1");
	vbed_prepare(&d.w, 'b', "web", 5);
	vbed_prepare(&d.w, 'b', "db", 5);
	vbed_renew(&d.w, keys, 1, 10000);
	vbed_settle(&d.w);
	assert_int_equal(votes_put_number(d.w.v, 77, store_bed_answer, &d.a), 0);
	assert_int_equal(votes_put_release(d.w.v, &web, 1, 8, store_bed_answer, &d.a), 0);
	assert_int_equal(votes_put_chosen(d.w.v, &web, &ballot, story_value("chosen"), store_bed_answer, &d.a), 0);
	assert_int_equal(votes_put_seen(d.w.v, &c, 1, 5, store_bed_answer, &d.a), 0);
	store_bed_await(&d.w.b, &d.a, 4);
	assert_int_equal(d.a.failed, 0);
	vbed_close(&d.w);
	save(&d);
	*state = &d;
	return 0;
}

static int teardown(void **state)
{
	struct bed *d = *state;

	vbed_done(&d->w);
	bytes_done(&d->pristine);
	return 0;
}

static sqlite3 *open_db(struct bed *d)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(db_path(d), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA synchronous=OFF", NULL, NULL, NULL), SQLITE_OK);
	return db;
}

static void run_sql(struct bed *d, const char *sql)
{
	sqlite3 *db = open_db(d);
	char *why = NULL;

	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	assert_int_equal(sqlite3_changes(db) >= 1, 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- each field of each row ---- */

/* A row: its columns' names, and what is in them. */
struct row {
	char names[COLUMNS_MAX][16];
	sqlite3_value *v[COLUMNS_MAX];
	int n;
};

static bool read_row(sqlite3 *db, const char *table, int at, struct row *ret)
{
	char sql[80];
	sqlite3_stmt *st;
	bool there;

	(void)snprintf(sql, sizeof(sql), "SELECT * FROM %s LIMIT 1 OFFSET %d", table, at);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	there = sqlite3_step(st) == SQLITE_ROW;
	ret->n = there ? sqlite3_column_count(st) : 0;
	assert_true(ret->n <= COLUMNS_MAX);
	for (int i = 0; i < ret->n; i++) {
		(void)snprintf(ret->names[i], sizeof(ret->names[i]), "%s", sqlite3_column_name(st, i));
		ret->v[i] = sqlite3_value_dup(sqlite3_column_value(st, i));
	}
	assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
	return there;
}

static void free_row(struct row *r)
{
	for (int i = 0; i < r->n; i++)
		sqlite3_value_free(r->v[i]);
}

enum harm { BIT_FIRST, BIT_LAST, SHORTER, LONGER, OTHER_TYPE, HARM_MAX };

/* Another value in its place; false: there is none of that kind. */
static bool bind_harmed(sqlite3_stmt *st, sqlite3_value *v, enum harm harm)
{
	uint8_t b[512];
	int n = sqlite3_value_bytes(v);

	if (sqlite3_value_type(v) == SQLITE_INTEGER) {
		int64_t x = sqlite3_value_int64(v);

		if (harm == OTHER_TYPE)
			return sqlite3_bind_double(st, 1, 0.5) == SQLITE_OK;
		if (harm != BIT_FIRST && harm != BIT_LAST)
			return false;
		return sqlite3_bind_int64(st, 1, x ^ (harm == BIT_FIRST ? 1LL << 33 : 64)) == SQLITE_OK;
	}
	assert_int_equal(sqlite3_value_type(v), SQLITE_BLOB);
	assert_true(n < (int)sizeof(b));
	if (n > 0)
		memcpy(b, sqlite3_value_blob(v), (size_t)n);
	if (n == 0 && harm != LONGER)
		return false;
	if (harm == BIT_FIRST)
		b[0] ^= 0x80;
	if (harm == BIT_LAST)
		b[n - 1] ^= 1;
	if (harm == LONGER)
		b[n] = 0;
	n += (harm == LONGER) - (harm == SHORTER);
	if (harm == OTHER_TYPE)
		return sqlite3_bind_text(st, 1, (const char *)b, n, SQLITE_TRANSIENT) == SQLITE_OK;
	return sqlite3_bind_blob(st, 1, b, n, SQLITE_TRANSIENT) == SQLITE_OK;
}

static bool harm_field(struct bed *d, const char *table, int at, int column, enum harm harm)
{
	char sql[512];
	struct row r;
	sqlite3_stmt *st;
	sqlite3 *db;
	bool done;
	int rc;

	put_back(d);
	db = open_db(d);
	assert_true(read_row(db, table, at, &r));
	(void)snprintf(sql, sizeof(sql), "UPDATE %s SET %s=? WHERE 1", table, r.names[column]);
	for (int i = 0; i < r.n; i++)
		(void)snprintf(sql + strlen(sql), sizeof(sql) - strlen(sql), " AND %s IS ?", r.names[i]);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
	for (int i = 0; i < r.n; i++)
		assert_int_equal(sqlite3_bind_value(st, i + 2, r.v[i]), SQLITE_OK);
	done = bind_harmed(st, r.v[column], harm);
	if (done) {
		rc = sqlite3_step(st);
		done = rc != SQLITE_MISMATCH; /* a row's number is one */
		assert_int_equal(rc, done ? SQLITE_DONE : SQLITE_MISMATCH);
		assert_int_equal(sqlite3_changes(db), done);
	}
	(void)sqlite3_finalize(st); /* repeats what was looked at above */
	free_row(&r);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return done;
}

static int shape(struct bed *d, const char *table, int *ret_columns)
{
	sqlite3 *db = open_db(d);
	struct row r;
	int rows = 0;

	for (; read_row(db, table, rows, &r); rows++) {
		*ret_columns = r.n;
		free_row(&r);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return rows;
}

/* From `column` on: before it there may be the row's number, which says nothing. */
static int each_field(struct bed *d, const char *table, int column, void (*check)(struct bed *d))
{
	int columns = 0, rows, n = 0;

	put_back(d);
	rows = shape(d, table, &columns);
	for (int at = 0; at < rows; at++)
		for (int i = column; i < columns; i++)
			for (int harm = 0; harm < HARM_MAX; harm++) {
				if (!harm_field(d, table, at, i, harm))
					continue;
				check(d);
				n++;
			}
	return n;
}

static void does_not_vote(struct bed *d)
{
	vbed_refused(&d->w, -EUCLEAN, "this node does not vote until");
}

static void test_each_field_of_a_vote(void **state)
{
	struct bed *d = *state;

	assert_true(each_field(d, "vote_state", 0, does_not_vote) >= 3 * 10);
	assert_true(each_field(d, "vote_promises", 0, does_not_vote) >= 2 * 12);
	assert_true(each_field(d, "vote_values", 1, does_not_vote) >= 2 * 14);
	assert_true(each_field(d, "vote_longs", 0, does_not_vote) >= 20);
	put_back(d);
	vbed_open(&d->w);
}

static void holds_no_lease(struct bed *d)
{
	uint64_t number = 0;
	struct err e = {0};

	vbed_open(&d->w);
	assert_int_equal(votes_load_leases(d->w.v, NULL, NULL, &number, &e), -EUCLEAN);
	assert_non_null(strstr(e.text, "it holds none until"));
	vbed_close(&d->w);
}

static void test_each_field_of_a_release(void **state)
{
	assert_true(each_field(*state, "lease_releases", 0, holds_no_lease) >= 14);
}

static int count_seen(void *arg, const struct uuid *node, uint64_t boot, uint64_t write)
{
	(void)node;
	(void)boot;
	(void)write;
	++*(int *)arg;
	return 0;
}

static int count_chosen(void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	(void)key;
	(void)ballot;
	(void)value;
	++*(int *)arg;
	return 0;
}

static void remembers(struct bed *d, int seen, int chosen)
{
	int n_seen = 0, n_chosen = 0;

	assert_int_equal(votes_load_seen(d->w.v, count_seen, &n_seen, NULL), 0);
	assert_int_equal(votes_load_chosen(d->w.v, count_chosen, &n_chosen, NULL), 0);
	assert_int_equal(n_seen, seen);
	assert_int_equal(n_chosen, chosen);
}

/* It is gone then, and so not in the way of a whole one. */
static void leaves_out_seen(struct bed *d)
{
	const struct uuid c = story_node('c');
	struct answers a = {0};

	vbed_open(&d->w);
	remembers(d, 0, 1);
	assert_int_equal(votes_put_seen(d->w.v, &c, 1, 5, store_bed_answer, &a), 0);
	assert_int_equal(store_sync(d->w.b.s, NULL, NULL), 0);
	store_bed_await(&d->w.b, &a, 1);
	remembers(d, 1, 1);
	vbed_close(&d->w);
}

static void leaves_out_chosen(struct bed *d)
{
	const struct msg_key web = story_key("web");
	const struct ballot ballot = story_ballot(4, 'b');
	struct answers a = {0};

	vbed_open(&d->w);
	remembers(d, 1, 0);
	assert_int_equal(votes_put_chosen(d->w.v, &web, &ballot, story_value("chosen"), store_bed_answer, &a), 0);
	store_bed_await(&d->w.b, &a, 1);
	remembers(d, 1, 1);
	vbed_close(&d->w);
}

static void test_each_field_of_what_others_said_costs_itself(void **state)
{
	assert_true(each_field(*state, "voters_seen", 1, leaves_out_seen) >= 12);
	assert_true(each_field(*state, "chosen_values", 1, leaves_out_chosen) >= 14);
}

/* ---- rows ---- */

static void test_a_row_that_is_gone(void **state)
{
	static const char *const rows[] = {"vote_state WHERE id=1", "vote_state WHERE id=2",
		"vote_promises WHERE key=CAST('web' AS BLOB)", "vote_promises WHERE key=CAST('db' AS BLOB)",
		"vote_values WHERE key=x''", "vote_values WHERE key=CAST('web' AS BLOB)", "vote_longs"};
	struct bed *d = *state;
	char sql[128];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		put_back(d);
		(void)snprintf(sql, sizeof(sql), "DELETE FROM %s", rows[i]);
		run_sql(d, sql);
		does_not_vote(d);
	}
}

static void test_a_row_of_another(void **state)
{
	struct bed *d = *state;

	run_sql(d, "INSERT INTO vote_promises SELECT CAST('xx' AS BLOB), ballot, sum FROM vote_promises LIMIT 1");
	does_not_vote(d);
	put_back(d);
	run_sql(d, "INSERT INTO vote_state VALUES(9, x'00', 0)");
	does_not_vote(d);
}

/* A write that the disk said it had made, and had not: the row is whole, and says what was true before. */
static void test_a_row_that_is_as_it_was_before(void **state)
{
	static const char *const tables[] = {"vote_promises", "vote_values", "vote_longs", "vote_state"};
	static const char *const keys[] = {"web"};
	struct bed *d = *state;
	char sql[512];

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		put_back(d);
		(void)snprintf(sql, sizeof(sql), "CREATE TABLE old AS SELECT * FROM %s; INSERT INTO meta VALUES('x',1)",
			tables[i]);
		run_sql(d, sql);
		vbed_open(&d->w);
		d->w.cfg = story_cfg(9, "abc", "");
		vbed_accept(&d->w, 'b', "web", 7, "0b1 again");
		vbed_prepare(&d->w, 'b', "web", 9);
		vbed_prepare(&d->w, 'b', "db", 9);
		vbed_renew(&d->w, keys, 1, 50000);
		vbed_settle(&d->w);
		vbed_close(&d->w);
		(void)snprintf(
			sql, sizeof(sql), "DELETE FROM %s; INSERT INTO %s SELECT * FROM old", tables[i], tables[i]);
		run_sql(d, sql);
		does_not_vote(d);
	}
}

/* ---- what it says ---- */

static void says(struct bed *d, const char *sql, const char *words)
{
	put_back(d);
	run_sql(d, sql);
	vbed_refused(&d->w, -EUCLEAN, words);
}

static void test_it_says_which(void **state)
{
	struct bed *d = *state;

	says(d, "UPDATE vote_promises SET sum=sum+1 WHERE key=CAST('db' AS BLOB)",
		"covey.db' is damaged: its promise on the register of 'db' is not as it was written; this node does "
		"not "
		"vote until \"covey restore\" of a backup, or \"covey reset\", made it a new one");
	says(d, "UPDATE vote_values SET value=x'00' WHERE key=CAST('web' AS BLOB)",
		"what it accepted for the register of 'web'");
	says(d, "UPDATE vote_values SET value=x'00' WHERE key=x''", "what it accepted for the cluster's register");
	says(d, "UPDATE vote_longs SET long_ms=1", "a lease that it granted of the register of 'web'");
	says(d, "UPDATE vote_promises SET key=x'0a0b' WHERE key=CAST('db' AS BLOB)",
		"a register whose name cannot be read");
	says(d, "UPDATE vote_state SET body=x'00' WHERE id=1", "the head of its votes");
	says(d, "DELETE FROM vote_promises", "the whole of its votes (a row is gone, or older than the others)");
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_each_field_of_a_vote),
		TEST(test_each_field_of_a_release),
		TEST(test_each_field_of_what_others_said_costs_itself),
		TEST(test_a_row_that_is_gone),
		TEST(test_a_row_of_another),
		TEST(test_a_row_that_is_as_it_was_before),
		TEST(test_it_says_which),
	};

	log_to(NULL, LOG_LEVEL_ERR); /* each row that is left out is warned of */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
