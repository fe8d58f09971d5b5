/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of several replicas as one: in the order of their times, whatever way they come.
 */
#include "cli/merge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "tests/lib/oom.h"

struct bed {
	struct merge m;
	struct merge_source v[3];
	struct bytes out;
};

static int setup(void **state)
{
	static const char *const names[] = {"web.0", "web.10", "db.1"};
	static struct bed b;

	b = (struct bed){.out = {.max = 1 << 24}};
	for (size_t i = 0; i < ARRAY_LEN(b.v); i++) {
		(void)snprintf(b.v[i].name, sizeof(b.v[i].name), "%s", names[i]);
		assert_int_equal(merge_add(&b.m, &b.v[i]), 0);
	}
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	for (size_t i = 0; i < ARRAY_LEN(b->v); i++)
		merge_source_done(&b->v[i]);
	merge_done(&b->m);
	bytes_done(&b->out);
	return 0;
}

static void feed(struct bed *b, int i, const char *text)
{
	assert_int_equal(merge_feed(&b->v[i], text, strlen(text)), 0);
}

static void prints(struct bed *b, const char *text)
{
	assert_true(merge_lines(&b->m, &b->out, SIZE_MAX));
	assert_int_equal(bytes_str(&b->out, ""), 0);
	assert_string_equal(b->out.v, text);
	bytes_clear(&b->out);
}

static void end_all(struct bed *b)
{
	for (size_t i = 0; i < ARRAY_LEN(b->v); i++)
		b->v[i].ended = true;
}

#define AT(s) "2026-01-02T03:04:" s ".000000Z "

static void test_in_the_order_of_their_times(void **state)
{
	struct bed *b = *state;

	feed(b, 0, AT("01") "a\n" AT("04") "d\n");
	feed(b, 1, AT("02") "b\n" AT("05") "e\n");
	feed(b, 2, AT("03") "c\n" AT("06") "f\n");
	end_all(b);
	prints(b, "web.0  | " AT("01") "a\n"
				       "web.10 | " AT(
					       "02") "b\n"
						     "db.1   | " AT(
							     "03") "c\n"
								   "web.0  | " AT(
									   "04") "d\n"
										 "web.10 | " AT(
											 "05") "e\n"
											       "db.1   | " AT(
												       "06") "f\n");
}

static void test_of_the_same_time_in_the_order_of_replicas(void **state)
{
	struct bed *b = *state;

	for (int i = 2; i >= 0; i--)
		feed(b, i, AT("01") "x\n" AT("01") "y\n");
	end_all(b);
	prints(b, "web.0  | " AT("01") "x\n"
				       "web.0  | " AT(
					       "01") "y\n"
						     "web.10 | " AT(
							     "01") "x\n"
								   "web.10 | " AT(
									   "01") "y\n"
										 "db.1   | " AT(
											 "01") "x\n"
											       "db.1   | " AT(
												       "01") "y\n");
}

/* Nothing is printed that an older line of another could still come before. */
static void test_who_has_no_line_is_waited_for(void **state)
{
	struct bed *b = *state;

	feed(b, 0, AT("01") "a\n" AT("04") "d\n");
	feed(b, 1, AT("02") "b\n");
	prints(b, "");
	feed(b, 2, AT("03") "c");
	prints(b, "");
	feed(b, 2, "c\n");
	prints(b, "web.0  | " AT("01") "a\n"
				       "web.10 | " AT("02") "b\n");
	b->v[1].ended = true;
	prints(b, "db.1   | " AT("03") "cc\n");
	b->v[2].ended = true;
	prints(b, "web.0  | " AT("04") "d\n");
}

static void test_lines_without_a_time_follow_the_one_before(void **state)
{
	static const char *const not_stamps[] = {"2026-01-02 03:04:09.000000Z x\n", "2026-01-02T03:04:00.000000Z\n",
		"2026-01-02T03:04:0x.000000Z x\n", "\n"};
	struct bed *b = *state;

	feed(b, 0, "before any\n" AT("02") "b\n");
	for (size_t i = 0; i < ARRAY_LEN(not_stamps); i++)
		feed(b, 0, not_stamps[i]);
	feed(b, 0, AT("04") "d\n");
	feed(b, 1, AT("03") "c\n");
	end_all(b);
	prints(b, "web.0  | before any\n"
		  "web.0  | " AT("02") "b\n"
				       "web.0  | 2026-01-02 03:04:09.000000Z x\n"
				       "web.0  | 2026-01-02T03:04:00.000000Z\n"
				       "web.0  | 2026-01-02T03:04:0x.000000Z x\n"
				       "web.0  | \n"
				       "web.10 | " AT("03") "c\n"
							    "web.0  | " AT("04") "d\n");
}

/* A log stays in its own order when the clock was put back. */
static void test_a_clock_that_was_put_back(void **state)
{
	struct bed *b = *state;

	feed(b, 0, AT("05") "a\n" AT("01") "b\n");
	feed(b, 1, AT("03") "c\n");
	end_all(b);
	prints(b, "web.10 | " AT("03") "c\n"
				       "web.0  | " AT("05") "a\n"
							    "web.0  | " AT("01") "b\n");
}

static void test_one_alone_has_no_name(void **state)
{
	struct bed *b = *state;

	merge_drop(&b->m, &b->v[0]);
	merge_drop(&b->m, &b->v[2]);
	merge_drop(&b->m, &b->v[2]); /* harmless */
	feed(b, 1, "a\nb\nrest");
	prints(b, "a\nb\n");
	merge_rest(&b->m, &b->v[1], &b->out);
	prints(b, "rest\n");
	merge_rest(&b->m, &b->v[1], &b->out);
	prints(b, "");
}

static void test_a_line_without_end_comes_in_pieces(void **state)
{
	struct bed *b = *state;
	char part[4096];
	size_t n = 0;

	merge_drop(&b->m, &b->v[0]);
	merge_drop(&b->m, &b->v[2]);
	memset(part, 'x', sizeof(part));
	for (; !merge_has_line(&b->v[1]); n += sizeof(part)) {
		assert_true(n < 2 * MERGE_LINE_MAX);
		assert_int_equal(merge_feed(&b->v[1], part, sizeof(part)), 0);
	}
	assert_true(merge_lines(&b->m, &b->out, SIZE_MAX));
	assert_int_equal(b->out.n, n + 1);
	assert_int_equal(b->out.v[n], '\n');
}

static void test_printing_stops_at_its_bound(void **state)
{
	struct bed *b = *state;

	feed(b, 0, "a\nb\n");
	end_all(b);
	assert_false(merge_lines(&b->m, &b->out, 1));
	assert_string_equal(b->out.v, "web.0  | a\n");
	assert_true(merge_lines(&b->m, &b->out, 100));
	assert_string_equal(b->out.v, "web.0  | a\nweb.0  | b\n");
}

/* Many logs, fed in pieces of any size: all lines come out, none before an older one. */
static void test_any_pieces(void **state)
{
	static char log[20][20000];
	size_t at[20] = {0}, n[20] = {0}, lines = 0, found = 0;
	struct bytes out = {.max = 1 << 24};
	struct merge_source v[20] = {0};
	struct merge m = {0};
	char before[MERGE_STAMP + 1] = "";
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7);
	for (int i = 0; i < 20; i++) {
		(void)snprintf(v[i].name, sizeof(v[i].name), "web.%d", i);
		assert_int_equal(merge_add(&m, &v[i]), 0);
		for (unsigned s = 0; n[i] < 19000; lines++) {
			s += (unsigned)(rng_u64(&rng) % 900);
			n[i] += (size_t)snprintf(
				log[i] + n[i], sizeof(log[i]) - n[i], "2026-01-02T03:04:05.%06uZ line\n", s);
		}
	}
	for (size_t left = 20; left;) {
		size_t i = rng_u64(&rng) % 20, k = rng_u64(&rng) % 700;

		k = MIN(k, n[i] - at[i]);
		assert_int_equal(merge_feed(&v[i], log[i] + at[i], k), 0);
		at[i] += k;
		left -= at[i] == n[i] && !v[i].ended;
		v[i].ended = at[i] == n[i];
		assert_true(merge_lines(&m, &out, SIZE_MAX));
	}
	assert_int_equal(bytes_str(&out, ""), 0);
	for (const char *p = out.v; *p; p = strchr(p, '\n') + 1, found++) {
		assert_true(strncmp(p + 9, before, MERGE_STAMP) >= 0);
		memcpy(before, p + 9, MERGE_STAMP);
	}
	assert_int_equal(found, lines);
	for (int i = 0; i < 20; i++)
		merge_source_done(&v[i]);
	merge_done(&m);
	bytes_done(&out);
}

static void test_every_allocation_fails_once(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		struct merge_source v[20] = {0};
		struct merge m = {0};
		int rc = 0;

		for (size_t i = 0; i < ARRAY_LEN(v) && rc == 0; i++)
			rc = merge_add(&m, &v[i]);
		if (rc == 0)
			rc = merge_feed(&v[19], "a\n", 2);
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(merge_has_line(&v[19]), rc == 0);
		merge_source_done(&v[19]);
		merge_done(&m);
	}
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_in_the_order_of_their_times),
		TEST(test_of_the_same_time_in_the_order_of_replicas),
		TEST(test_who_has_no_line_is_waited_for),
		TEST(test_lines_without_a_time_follow_the_one_before),
		TEST(test_a_clock_that_was_put_back),
		TEST(test_one_alone_has_no_name),
		TEST(test_a_line_without_end_comes_in_pieces),
		TEST(test_printing_stops_at_its_bound),
		cmocka_unit_test(test_any_pieces),
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
