/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/list: order is that of adding, removing while walking is safe, removing twice is harmless.
 */
#include "base/list.h"

#include "tests/lib/test.h"

struct item {
	int n;
	struct list link;
};

static int digits_of(struct list *l)
{
	int n = 0;

	LIST_FOREACH (p, l)
		n = n * 10 + LIST_ENTRY(p, struct item, link)->n;
	return n;
}

static void test_order_and_removal(void **state)
{
	struct item v[5];
	struct list l;

	(void)state;
	list_init(&l);
	assert_true(list_is_empty(&l));
	assert_int_equal(digits_of(&l), 0);
	for (int i = 0; i < 5; i++) {
		v[i].n = i + 1;
		list_add_tail(&l, &v[i].link);
	}
	assert_int_equal(digits_of(&l), 12345);
	list_del(&v[2].link);
	list_del(&v[2].link);
	assert_int_equal(digits_of(&l), 1245);
	list_del(&v[0].link);
	list_del(&v[4].link);
	assert_int_equal(digits_of(&l), 24);
	list_add_tail(&l, &v[2].link);
	assert_int_equal(digits_of(&l), 243);
}

static void test_removing_while_walking(void **state)
{
	struct item v[9];
	struct list l;

	(void)state;
	list_init(&l);
	for (int i = 0; i < 9; i++) {
		v[i].n = i + 1;
		list_add_tail(&l, &v[i].link);
	}
	LIST_FOREACH_SAFE (p, &l)
		if (LIST_ENTRY(p, struct item, link)->n % 2)
			list_del(p);
	assert_int_equal(digits_of(&l), 2468);
	LIST_FOREACH_SAFE (p, &l)
		list_del(p);
	assert_true(list_is_empty(&l));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_and_removal),
		cmocka_unit_test(test_removing_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
