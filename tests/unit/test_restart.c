/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/restart: backoff curves, jitter, the limit in its window, what a good run heals.
 */
#include "supervisor/restart.h"

#include "tests/lib/trace.h"

static struct spec_restart policy(enum spec_backoff backoff)
{
	return (struct spec_restart){.when = SPEC_ALWAYS,
		.backoff = backoff,
		.initial_ms = 100,
		.max_ms = 1000,
		.limit = 3,
		.within_ms = 60000};
}

/* The waits after the first, second, … failed run. */
static void waits(const struct spec_restart *p, const char *expected)
{
	static struct trace t;
	struct rng rng;

	rng_seed(&rng, 1);
	t.n = 0;
	for (int64_t tries = 1; tries <= 12; tries++)
		trace_add(&t, "%" PRId64 " ", restart_delay_ms(p, tries, RESTART_SPIN_RUN_MS, &rng));
	TRACE_IS(&t, expected);
}

static void test_backoff_curves(void **state)
{
	struct spec_restart fixed = policy(SPEC_FIXED), linear = policy(SPEC_LINEAR),
			    exponential = policy(SPEC_EXPONENTIAL);

	(void)state;
	waits(&fixed, "100 100 100 100 100 100 100 100 100 100 100 100 ");
	waits(&linear, "100 200 300 400 500 600 700 800 900 1000 1000 1000 ");
	waits(&exponential, "100 200 400 800 1000 1000 1000 1000 1000 1000 1000 1000 ");
	fixed.max_ms = 50;
	waits(&fixed, "50 50 50 50 50 50 50 50 50 50 50 50 ");
}

static void test_backoff_does_not_overflow(void **state)
{
	struct spec_restart p = policy(SPEC_EXPONENTIAL);
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	p.max_ms = INT64_MAX / 2;
	assert_int_equal(restart_delay_ms(&p, INT64_MAX, 0, &rng), p.max_ms);
	p.jitter_percent = 100;
	assert_in_range(restart_delay_ms(&p, INT64_MAX, 0, &rng), 0, (uintmax_t)p.max_ms);
	p.jitter_percent = 0;
	p.backoff = SPEC_LINEAR;
	assert_int_equal(restart_delay_ms(&p, INT64_MAX, 0, &rng), p.max_ms);
}

static void test_no_wait_at_all_but_when_it_spins(void **state)
{
	struct spec_restart p = policy(SPEC_EXPONENTIAL);
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	p.initial_ms = 0;
	waits(&p, "0 0 0 0 0 0 0 0 0 0 0 0 ");
	assert_int_equal(restart_delay_ms(&p, RESTART_SPIN_TRIES, 0, &rng), 0);
	assert_int_equal(
		restart_delay_ms(&p, RESTART_SPIN_TRIES + 1, RESTART_SPIN_RUN_MS - 1, &rng), RESTART_SPIN_PAUSE_MS);
	assert_int_equal(restart_delay_ms(&p, RESTART_SPIN_TRIES + 1, RESTART_SPIN_RUN_MS, &rng), 0);
	p.initial_ms = 500;
	assert_int_equal(restart_delay_ms(&p, RESTART_SPIN_TRIES + 1, 0, &rng), 1000);
}

/* Uniform in [75, 100] % of the nominal wait: never more than max, both ends reached. */
static void test_jitter_takes_off_up_to_its_share(void **state)
{
	struct spec_restart p = policy(SPEC_FIXED);
	int64_t least = INT64_MAX, most = 0, sum = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7);
	p.jitter_percent = 25;
	for (int i = 0; i < 10000; i++) {
		int64_t d = restart_delay_ms(&p, 1, 0, &rng);

		least = MIN(least, d);
		most = MAX(most, d);
		sum += d;
	}
	assert_int_equal(least, 75);
	assert_int_equal(most, 100);
	assert_in_range(sum / 100, 8700, 8800);
}

/* Feeds ends at these times (ms), each after a run of ran_ms; returns at which it was given up, or 0. */
static size_t given_up_at(const struct spec_restart *p, int64_t ran_ms, const int64_t *at_ms, size_t n)
{
	struct restart_history h = {0};

	for (size_t i = 0; i < n; i++)
		if (restart_decide(p, &h, false, ran_ms, at_ms[i]) == RESTART_GIVEN_UP)
			return i + 1;
	return 0;
}

static void test_limit_within_its_time(void **state)
{
	static const int64_t quick[] = {1, 2, 3, 4}, spread[] = {0, 30000, 60000, 90000, 120000},
			     edge[] = {0, 30000, 59999};
	static const int64_t late[] = {0, 100000, 100001, 100002}, sliding[] = {0, 50000, 70000, 75000};
	struct spec_restart p = policy(SPEC_FIXED);

	(void)state;
	assert_int_equal(given_up_at(&p, 0, quick, ARRAY_LEN(quick)), 3);
	assert_int_equal(given_up_at(&p, 0, spread, ARRAY_LEN(spread)), 0);
	assert_int_equal(given_up_at(&p, 0, edge, ARRAY_LEN(edge)), 3);
	assert_int_equal(given_up_at(&p, 0, late, ARRAY_LEN(late)), 4);
	assert_int_equal(given_up_at(&p, 0, sliding, ARRAY_LEN(sliding)), 4);
	p.limit = 1;
	assert_int_equal(given_up_at(&p, 0, quick, ARRAY_LEN(quick)), 1);
	p.limit = 0;
	assert_int_equal(given_up_at(&p, 0, quick, ARRAY_LEN(quick)), 0);
}

/* 100 in 100 s is judged as 16 in 16 s: the ends of a second each reach it, those of 1.1 s never. */
static void test_a_limit_greater_than_what_is_kept(void **state)
{
	struct spec_restart p = policy(SPEC_FIXED);
	int64_t second[100], slower[100];

	(void)state;
	p.limit = 100;
	p.within_ms = 100000;
	for (int64_t i = 0; i < 100; i++) {
		second[i] = i * 999;
		slower[i] = i * 1100;
	}
	assert_int_equal(given_up_at(&p, 0, second, 100), RESTART_KEPT);
	assert_int_equal(given_up_at(&p, 0, slower, 100), 0);
	p.limit = RESTART_KEPT;
	assert_int_equal(given_up_at(&p, 0, slower, 100), RESTART_KEPT);
}

/* Never more than are kept, the newest of them. */
static void test_the_history_is_bounded(void **state)
{
	struct spec_restart p = policy(SPEC_FIXED);
	struct restart_history h = {0};

	(void)state;
	p.limit = 0;
	for (int64_t i = 1; i <= 40; i++) {
		assert_int_equal(restart_decide(&p, &h, false, 0, i), RESTART_AGAIN);
		assert_int_equal(h.n, MIN(i, (int64_t)RESTART_KEPT));
		assert_int_equal(h.at_ms[h.n - 1], i);
		assert_int_equal(h.at_ms[0], MAX(i - RESTART_KEPT + 1, (int64_t)1));
	}
	assert_int_equal(h.tries, 40);
}

/* tries after four short runs and then one of ran_ms. */
static int64_t tries_after(int64_t ran_ms, int64_t max_ms)
{
	struct spec_restart p = policy(SPEC_EXPONENTIAL);
	struct restart_history h = {0};

	p.limit = 0;
	p.initial_ms = 10000;
	p.max_ms = max_ms;
	for (int i = 0; i < 4; i++)
		(void)restart_decide(&p, &h, false, 0, i); /* only counted */
	assert_int_equal(h.tries, 4);
	(void)restart_decide(&p, &h, false, ran_ms, 5); /* only counted */
	return h.tries;
}

static void test_a_good_run_heals(void **state)
{
	(void)state;
	assert_int_equal(tries_after(9999, 10000), 5);
	assert_int_equal(tries_after(10000, 10000), 1);
	assert_int_equal(tries_after(79999, 300000), 5); /* the wait before it was 80 s */
	assert_int_equal(tries_after(80000, 300000), 1);
}

static void test_when(void **state)
{
	static const struct {
		enum spec_when when;
		bool ok;
		enum restart_verdict verdict;
	} cases[] = {
		{SPEC_ALWAYS, true, RESTART_AGAIN},
		{SPEC_ALWAYS, false, RESTART_AGAIN},
		{SPEC_ON_FAILURE, true, RESTART_DONE},
		{SPEC_ON_FAILURE, false, RESTART_AGAIN},
		{SPEC_NEVER, true, RESTART_DONE},
		{SPEC_NEVER, false, RESTART_REFUSED},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spec_restart p = policy(SPEC_FIXED);
		struct restart_history h = {0};
		bool counted = cases[i].verdict == RESTART_AGAIN;

		p.when = cases[i].when;
		assert_int_equal(restart_decide(&p, &h, cases[i].ok, 0, 0), cases[i].verdict);
		assert_int_equal(h.tries, counted);
		assert_int_equal(h.n, counted);
		restart_forget(&h);
		assert_true(h.tries == 0 && h.n == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backoff_curves),
		cmocka_unit_test(test_backoff_does_not_overflow),
		cmocka_unit_test(test_no_wait_at_all_but_when_it_spins),
		cmocka_unit_test(test_jitter_takes_off_up_to_its_share),
		cmocka_unit_test(test_limit_within_its_time),
		cmocka_unit_test(test_a_limit_greater_than_what_is_kept),
		cmocka_unit_test(test_the_history_is_bounded),
		cmocka_unit_test(test_a_good_run_heals),
		cmocka_unit_test(test_when),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
