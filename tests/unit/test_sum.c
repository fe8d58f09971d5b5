/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The checksum: the same everywhere, and another for any bit that differs, any length, and any place.
 */
#include "base/sum.h"

#include <string.h>

#include "base/util.h"
#include "tests/lib/test.h"

/* On disks: they must never change. */
static void test_it_is_the_same_everywhere(void **state)
{
	(void)state;
	assert_int_equal(sum_u64(0, 0), 0x4e17cf67001b3979);
	assert_int_equal(sum_bytes(1, "", 0), 0x68cb58c58e88561b);
	assert_int_equal(sum_bytes(1, "a vote on disk", 14), 0xece106a9b6b06fd1);
}

static void test_each_bit_counts(void **state)
{
	unsigned char v[41];

	(void)state;
	for (size_t n = 1; n < sizeof(v); n++) {
		uint64_t was;

		memset(v, 0, sizeof(v));
		was = sum_bytes(7, v, n);
		for (size_t bit = 0; bit < 8 * n; bit++) {
			v[bit / 8] ^= (unsigned char)(1 << bit % 8);
			assert_true(sum_bytes(7, v, n) != was);
			v[bit / 8] ^= (unsigned char)(1 << bit % 8);
		}
	}
}

static void test_zeros_are_told_apart_by_how_many(void **state)
{
	static const unsigned char zeros[64];
	uint64_t seen[ARRAY_LEN(zeros)];

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(zeros); n++) {
		seen[n] = sum_bytes(0, zeros, n);
		for (size_t k = 0; k < n; k++)
			assert_true(seen[k] != seen[n]);
	}
}

static void test_two_fields_are_not_one(void **state)
{
	(void)state;
	assert_true(sum_bytes(sum_bytes(0, "ab", 2), "c", 1) != sum_bytes(sum_bytes(0, "a", 1), "bc", 2));
	assert_true(sum_bytes(sum_bytes(0, "abc", 3), "", 0) != sum_bytes(sum_bytes(0, "", 0), "abc", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_the_same_everywhere),
		cmocka_unit_test(test_each_bit_counts),
		cmocka_unit_test(test_zeros_are_told_apart_by_how_many),
		cmocka_unit_test(test_two_fields_are_not_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
