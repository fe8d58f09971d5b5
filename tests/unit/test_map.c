/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/map: beside a plain model, through thousands of random moves; then its bound, its walk, and a failed growth.
 */
#include "base/map.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "tests/lib/oom.h"

#define ITEMS 500

struct item {
	struct map_node node;
	char key[16];
	bool in;
};

static struct item items[ITEMS];

static int name_all(void **state)
{
	(void)state;
	memset(items, 0, sizeof(items));
	for (int i = 0; i < ITEMS; i++)
		(void)snprintf(items[i].key, sizeof(items[i].key), "agent-%d", i); /* fits */
	return 0;
}

static void assert_same(const struct map *m, size_t n_in)
{
	size_t seen = 0;

	assert_int_equal(m->n, n_in);
	MAP_FOREACH (p, m) {
		assert_true(CONTAINER_OF(p, struct item, node)->in);
		seen++;
	}
	assert_int_equal(seen, n_in);
	for (int i = 0; i < ITEMS; i++)
		assert_ptr_equal(map_get(m, items[i].key), items[i].in ? &items[i].node : NULL);
}

static void test_beside_a_model(void **state)
{
	struct map m;
	struct rng r;
	size_t n = 0;

	(void)state;
	rng_seed(&r, 1);
	map_init(&m, ITEMS, 7);
	assert_same(&m, 0);
	for (int turn = 0; turn < 20000; turn++) {
		struct item *it = &items[rng_below(&r, ITEMS)];

		if (it->in) {
			assert_int_equal(map_add(&m, &it->node, it->key), -EEXIST);
			map_del(&m, &it->node);
			n--;
		} else {
			assert_int_equal(map_add(&m, &it->node, it->key), 0);
			n++;
		}
		it->in = !it->in;
		if (turn % 500 == 0)
			assert_same(&m, n);
	}
	assert_same(&m, n);
	map_done(&m);
	map_done(&m); /* harmless again */
}

static void test_the_bound(void **state)
{
	struct map m = {.max = 2};

	(void)state;
	assert_int_equal(map_add(&m, &items[0].node, items[0].key), 0);
	assert_int_equal(map_add(&m, &items[1].node, items[1].key), 0);
	assert_int_equal(map_add(&m, &items[2].node, items[2].key), -ENOSPC);
	assert_int_equal(map_add(&m, &items[2].node, "agent-1"), -EEXIST);
	map_del(&m, &items[0].node);
	assert_int_equal(map_add(&m, &items[2].node, items[2].key), 0);
	map_done(&m);
}

static void test_emptied_while_walking(void **state)
{
	struct map m = {.max = ITEMS};
	size_t n = 0;

	(void)state;
	for (int i = 0; i < ITEMS; i++)
		assert_int_equal(map_add(&m, &items[i].node, items[i].key), 0);
	for (struct map_node *p = map_next(&m, NULL), *next; p; p = next, n++) {
		next = map_next(&m, p);
		map_del(&m, p);
	}
	assert_int_equal(n, ITEMS);
	assert_int_equal(m.n, 0);
	assert_null(map_next(&m, NULL));
	map_done(&m);
}

static void test_every_allocation_fails_once(void **state)
{
	unsigned long runs = 0;

	(void)state;
	OOM_LOOP (o) {
		struct map m = {.max = ITEMS};
		int rc = 0, n = 0;

		for (; n < ITEMS && rc == 0; n++) {
			rc = map_add(&m, &items[n].node, items[n].key);
			items[n].in = rc == 0;
		}
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		for (int i = n; i < ITEMS; i++)
			items[i].in = false;
		assert_same(&m, rc == 0 ? ITEMS : (size_t)n - 1);
		map_done(&m);
		runs = o.n;
	}
	assert_true(runs > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_beside_a_model, name_all),
		cmocka_unit_test_setup(test_the_bound, name_all),
		cmocka_unit_test_setup(test_emptied_while_walking, name_all),
		cmocka_unit_test_setup(test_every_allocation_fails_once, name_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
