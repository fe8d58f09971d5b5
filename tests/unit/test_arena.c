/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/arena: what it gives is zeroed, aligned, and stays where it is; the bound is exact; a failed allocation costs
 * nothing that was given before.
 */
#include "base/arena.h"

#include <string.h>

#include "tests/lib/oom.h"

static void test_gives_zeroed_aligned_memory_that_stays(void **state)
{
	struct arena a;
	char *v[200];

	(void)state;
	arena_init(&a, 1 << 20);
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		v[i] = arena_alloc(&a, i);
		assert_non_null(v[i]);
		assert_int_equal((uintptr_t)v[i] % 16, 0);
		for (size_t k = 0; k < i; k++)
			assert_int_equal(v[i][k], 0);
		memset(v[i], (int)i, i);
	}
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		for (size_t k = 0; k < i; k++)
			assert_int_equal((unsigned char)v[i][k], i & 0xff);
	arena_done(&a);
	arena_done(&a); /* harmless again */
}

static void test_strings(void **state)
{
	struct arena a = {.max_bytes = 4096};

	(void)state;
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_strdup(&a, "hello"), "hello");
	assert_string_equal(arena_strndup(&a, "hello", 2), "he");
	arena_done(&a);
}

static void test_the_bound_is_exact(void **state)
{
	struct arena a = {.max_bytes = 64};

	(void)state;
	assert_non_null(arena_alloc(&a, 48));
	assert_null(arena_alloc(&a, 17));
	assert_non_null(arena_alloc(&a, 16));
	assert_null(arena_alloc(&a, 1));
	assert_int_equal(a.used_bytes, 64);
	arena_done(&a);
	assert_int_equal(a.used_bytes, 0);
	assert_non_null(arena_alloc(&a, 64)); /* empty, it is ready again, with its bound */
	assert_null(arena_alloc(&a, 1));
	arena_done(&a);
}

static void test_no_length_wraps_round(void **state)
{
	struct arena a = {.max_bytes = SIZE_MAX};

	(void)state;
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 14));
	assert_null(arena_strndup(&a, "x", SIZE_MAX));
	arena_done(&a);
}

static void test_every_allocation_fails_once(void **state)
{
	unsigned long runs = 0;

	(void)state;
	OOM_LOOP (o) {
		struct arena a = {.max_bytes = 1 << 20};
		char *first = NULL, *last = NULL;

		for (int i = 0; i < 1000; i++) {
			last = arena_strdup(&a, "some words");
			if (!last)
				break;
			first = first ? first : last;
		}
		assert_int_equal(last == NULL, oom_hit(&o));
		if (first)
			assert_string_equal(first, "some words");
		arena_done(&a);
		runs = o.n;
	}
	assert_true(runs > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gives_zeroed_aligned_memory_that_stays),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_the_bound_is_exact),
		cmocka_unit_test(test_no_length_wraps_round),
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
