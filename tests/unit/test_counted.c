/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of ends go once the store has what they say, whichever comes first, and do not pile up when it cannot.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node/counted.h"
#include "node/node.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

struct bed {
	struct tmpdir dir;
	struct config cfg;
	struct node n;
	struct runner r;
};

static int open_bed(void **state)
{
	static struct bed b;

	b = (struct bed){0};
	b.dir = tmpdir_make();
	b.cfg.run_dir = b.cfg.data_dir = b.dir.path;
	assert_int_equal(mkdir(tmpdir_path(&b.dir, "shims"), 0700), 0);
	b.n.cfg = &b.cfg;
	list_init(&b.n.late_records);
	map_init(&b.n.roster.runners, 4, 1);
	b.r.node = &b.n;
	b.r.id = b.r.stem = (char *)"web.0";
	assert_int_equal(map_add(&b.n.roster.runners, &b.r.by_stem, b.r.stem), 0);
	*state = &b;
	return 0;
}

static int close_bed(void **state)
{
	struct bed *b = *state;

	counted_done(&b->n);
	map_done(&b->n.roster.runners);
	tmpdir_remove(&b->dir);
	return 0;
}

static const char *record(struct bed *b, int run)
{
	static char name[64];

	(void)snprintf(name, sizeof(name), "shims/web.0.%d.exit", run);
	return tmpdir_path(&b->dir, name);
}

static void write_record(struct bed *b, int run)
{
	FILE *f = fopen(record(b, run), "w");

	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

static bool is_there(struct bed *b, int run)
{
	return access(record(b, run), F_OK) == 0;
}

static void stored(struct bed *b, int run, bool stayed, int rc)
{
	struct counted *c = counted_new(&b->r, (uint64_t)run, stayed);

	assert_non_null(c);
	b->r.last_run = (uint64_t)run;
	b->n.store_failed = rc < 0; /* that was told already */
	counted_stored(c, rc, rc < 0 ? "full" : NULL);
	assert_int_equal(b->r.stored_run, rc < 0 ? 0 : run);
}

static void test_one_that_is_there_goes(void **state)
{
	struct bed *b = *state;

	write_record(b, 1);
	write_record(b, 2);
	stored(b, 1, true, 0);
	assert_false(is_there(b, 1));
	assert_true(is_there(b, 2));
	assert_int_equal(b->n.n_late_records, 0);
}

static void test_one_that_comes_late_goes_too(void **state)
{
	struct bed *b = *state;

	stored(b, 1, true, 0);
	stored(b, 2, false, 0); /* written before it was told of, or never */
	assert_int_equal(b->n.n_late_records, 1);
	counted_sweep(&b->n);
	assert_int_equal(b->n.n_late_records, 1);
	write_record(b, 1);
	counted_sweep(&b->n);
	assert_false(is_there(b, 1));
	assert_int_equal(b->n.n_late_records, 0);
}

static void test_one_that_never_comes_is_given_up(void **state)
{
	struct bed *b = *state;

	stored(b, 1, true, 0);
	for (int i = 0; i < 10 && b->n.n_late_records; i++)
		counted_sweep(&b->n);
	assert_int_equal(b->n.n_late_records, 0);
}

static void test_they_are_bounded(void **state)
{
	struct bed *b = *state;

	for (int run = 1; run <= COUNTED_LATE_MAX + 1; run++)
		stored(b, run, true, 0);
	assert_int_equal(b->n.n_late_records, COUNTED_LATE_MAX);
	write_record(b, 1);
	counted_done(&b->n);
	assert_int_equal(b->n.n_late_records, 0);
	assert_false(is_there(b, 1));
}

/* To be counted after a restart: but the newest alone. */
static void test_a_store_that_fails_leaves_one(void **state)
{
	struct bed *b = *state;

	for (int run = 1; run <= 5; run++) {
		write_record(b, run);
		stored(b, run, run % 2, -ENOSPC);
		assert_true(is_there(b, run));
		assert_false(is_there(b, run - 1));
	}
	write_record(b, 6);
	stored(b, 6, true, 0);
	assert_false(is_there(b, 5));
	assert_false(is_there(b, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_that_is_there_goes, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_one_that_comes_late_goes_too, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_one_that_never_comes_is_given_up, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_they_are_bounded, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_a_store_that_fails_leaves_one, open_bed, close_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
