/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/bytes: what is appended is there, the bound holds to the byte, a failure sticks until it is cleared, and every
 * failed allocation leaves what was written before.
 */
#include "base/bytes.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/oom.h"

static void test_appends(void **state)
{
	struct bytes b;

	(void)state;
	bytes_init(&b, 1000);
	assert_int_equal(bytes_str(&b, "a"), 0);
	assert_int_equal(bytes_add(&b, "b\0c", 3), 0);
	assert_int_equal(bytes_fmt(&b, "-%d-%s", 42, "x"), 0);
	assert_int_equal(bytes_fmt(&b, "%s", ""), 0);
	assert_int_equal(b.n, 9);
	assert_memory_equal(b.v, "ab\0c-42-x", 10);
	bytes_done(&b);
	assert_null(b.v);
	bytes_done(&b); /* harmless again */
}

static void test_a_zeroed_one_with_a_bound_is_ready(void **state)
{
	struct bytes b = {.max = 3};

	(void)state;
	assert_int_equal(bytes_add(&b, NULL, 0), 0);
	assert_string_equal(b.v, "");
	bytes_done(&b);
}

static void test_the_bound_is_exact(void **state)
{
	for (size_t max = 0; max < 200; max++) {
		struct bytes b = {.max = max};

		(void)state;
		for (size_t i = 0; i < max; i++)
			assert_int_equal(bytes_add(&b, "x", 1), 0);
		assert_false(b.failed);
		assert_true(b.cap <= max + 1 || max < 64);
		assert_int_equal(bytes_add(&b, "x", 1), -EMSGSIZE);
		assert_true(b.failed);
		assert_int_equal(b.n, max);
		bytes_done(&b);
	}
}

static void test_a_failure_sticks_until_cleared(void **state)
{
	struct bytes b = {.max = 4};

	(void)state;
	assert_int_equal(bytes_str(&b, "abc"), 0);
	assert_int_equal(bytes_fmt(&b, "%s", "def"), -EMSGSIZE);
	assert_int_equal(bytes_str(&b, "d"), -ENOMEM);
	assert_string_equal(b.v, "abc");
	bytes_clear(&b);
	assert_int_equal(bytes_str(&b, "1234"), 0);
	assert_string_equal(b.v, "1234");
	bytes_done(&b);
}

static void test_no_length_wraps_round(void **state)
{
	struct bytes b = {.max = SIZE_MAX};

	(void)state;
	assert_int_equal(bytes_str(&b, "abc"), 0);
	assert_int_equal(bytes_reserve(&b, SIZE_MAX - 3), -EMSGSIZE);
	bytes_clear(&b);
	assert_int_equal(bytes_reserve(&b, (size_t)PTRDIFF_MAX + 1), -EMSGSIZE);
	bytes_done(&b);
}

static void test_take_gives_the_memory_away(void **state)
{
	struct bytes b = {.max = 10};
	char *v;

	(void)state;
	assert_null(bytes_take(&b));
	assert_int_equal(bytes_str(&b, "mine"), 0);
	v = bytes_take(&b);
	assert_string_equal(v, "mine");
	free(v);
	assert_null(b.v);
	assert_int_equal(bytes_str(&b, "again"), 0);
	assert_int_equal(bytes_str(&b, "too long"), -EMSGSIZE);
	assert_null(bytes_take(&b)); /* half a text is no text */
	assert_null(b.v);
}

static void test_every_allocation_fails_once(void **state)
{
	unsigned long runs = 0;

	(void)state;
	OOM_LOOP (o) {
		struct bytes b = {.max = 1000};
		size_t whole = 0;
		int rc = 0;

		for (int i = 0; i < 300 && rc == 0; i++, whole = b.n)
			rc = bytes_fmt(&b, "%s", "abc");
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(b.n, whole);
		assert_int_equal(b.failed, o.hit);
		bytes_done(&b);
		runs = o.n;
	}
	assert_true(runs > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_a_zeroed_one_with_a_bound_is_ready),
		cmocka_unit_test(test_the_bound_is_exact),
		cmocka_unit_test(test_a_failure_sticks_until_cleared),
		cmocka_unit_test(test_no_length_wraps_round),
		cmocka_unit_test(test_take_gives_the_memory_away),
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
