/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/enough: when a figure that wavers is told again.
 */
#include "node/enough.h"

#include "tests/lib/test.h"

#define MIB INT64_C(1048576)

static const struct enough_use of = {.cpu_cores = 4, .memory_bytes = 1000 * MIB};

static bool moved(double cores_told, double cores_is, int64_t mib_told, int64_t mib_is, int64_t age_ms)
{
	const struct enough_use told = {cores_told, mib_told < 0 ? -1 : mib_told * MIB};
	const struct enough_use is = {cores_is, mib_is < 0 ? -1 : mib_is * MIB};

	return enough_changed(&told, &is, &of, age_ms);
}

static void test_what_is_as_it_was(void **state)
{
	(void)state;
	assert_false(moved(0, 0, 0, 0, 0));
	assert_false(moved(1, 1, 100, 100, 10 * ENOUGH_OLD_MS));
	assert_false(moved(-1, -1, -1, -1, 10 * ENOUGH_OLD_MS));
}

static void test_a_twentieth_of_all(void **state)
{
	(void)state;
	assert_false(moved(1, 1.18, 0, 0, 0));
	assert_true(moved(1, 1.21, 0, 0, 0));
	assert_true(moved(1.21, 1, 0, 0, 0));
	assert_false(moved(0, 0, 400, 449, 0));
	assert_true(moved(0, 0, 400, 450, 0));
	assert_true(moved(0, 0, 450, 400, 0));
}

/* A quarter of what was told, but for what is nearly nothing. */
static void test_much_of_little(void **state)
{
	(void)state;
	assert_false(moved(0.001, 0.03, 0, 0, 0));
	assert_true(moved(0.01, 0.06, 0, 0, 0));
	assert_false(moved(0.4, 0.49, 0, 0, 0));
	assert_true(moved(0.4, 0.51, 0, 0, 0));
}

static void test_what_is_old(void **state)
{
	(void)state;
	assert_false(moved(1, 1.05, 0, 0, ENOUGH_OLD_MS - 1));
	assert_true(moved(1, 1.05, 0, 0, ENOUGH_OLD_MS));
	assert_false(moved(1, 1.03, 0, 0, ENOUGH_OLD_MS));
	assert_false(moved(0, 0, 400, 409, ENOUGH_OLD_MS));
	assert_true(moved(0, 0, 400, 410, ENOUGH_OLD_MS));
}

static void test_what_becomes_known(void **state)
{
	const struct enough_use none = {0}, told = {1, 100}, little = {1.1, 110}, much = {1.5, 150};

	(void)state;
	assert_true(moved(-1, 0, 0, 0, 0));
	assert_true(moved(0, 0, 10, -1, 0));
	/* All that there is may not be known. */
	assert_false(enough_changed(&told, &little, &none, 0));
	assert_true(enough_changed(&told, &much, &none, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_as_it_was),
		cmocka_unit_test(test_a_twentieth_of_all),
		cmocka_unit_test(test_much_of_little),
		cmocka_unit_test(test_what_is_old),
		cmocka_unit_test(test_what_becomes_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
