/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/rng: the published vectors of xoshiro256** and splitmix64, and draws that are even over their range.
 */
#include "base/rng.h"

#include "base/util.h"
#include "tests/lib/test.h"

static void test_xoshiro256ss_vectors(void **state)
{
	static const uint64_t expected[] = {11520ULL, 0ULL, 1509978240ULL, 1215971899390074240ULL,
		1216172134540287360ULL, 607988272756665600ULL, 16172922978634559625ULL, 8476171486693032832ULL,
		10595114339597558777ULL, 2904607092377533576ULL};
	struct rng r = {.s = {1, 2, 3, 4}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(rng_u64(&r), expected[i]);
}

static void test_splitmix64_vectors(void **state)
{
	static const uint64_t expected[] = {
		6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL, 4593380528125082431ULL};
	struct rng r;

	(void)state;
	rng_seed(&r, 1234567);
	for (size_t i = 0; i < ARRAY_LEN(expected); i++)
		assert_int_equal(r.s[i], expected[i]);
}

static void test_the_same_seed_the_same_run(void **state)
{
	struct rng a, b, c;
	int same = 0;

	(void)state;
	rng_seed(&a, 42);
	rng_seed(&b, 42);
	rng_seed(&c, 43);
	for (int i = 0; i < 1000; i++) {
		uint64_t x = rng_u64(&a);

		assert_int_equal(x, rng_u64(&b));
		same += x == rng_u64(&c);
	}
	assert_int_equal(same, 0);
}

static void test_below_is_even_and_within(void **state)
{
	static const uint64_t bounds[] = {1, 2, 3, 7, 10};
	struct rng r;

	(void)state;
	rng_seed(&r, 5);
	for (size_t k = 0; k < ARRAY_LEN(bounds); k++) {
		uint64_t hits[10] = {0}, want = 100000 / bounds[k];

		for (int i = 0; i < 100000; i++) {
			uint64_t x = rng_below(&r, bounds[k]);

			assert_true(x < bounds[k]);
			hits[x]++;
		}
		for (uint64_t x = 0; x < bounds[k]; x++)
			assert_in_range(hits[x], want - want / 20, want + want / 20);
	}
}

static void test_below_takes_the_largest_bound(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 6);
	for (int i = 0; i < 1000; i++) {
		assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
		assert_true(rng_below(&r, (1ULL << 63) + 1) <= 1ULL << 63);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_xoshiro256ss_vectors),
		cmocka_unit_test(test_splitmix64_vectors),
		cmocka_unit_test(test_the_same_seed_the_same_run),
		cmocka_unit_test(test_below_is_even_and_within),
		cmocka_unit_test(test_below_takes_the_largest_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
