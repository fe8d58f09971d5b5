/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_HEAP_H
#define TESTS_SIM_HEAP_H
/*
 * The events to come, soonest first; those of one instant in the order in which they were set. An event is an item
 * that lies in what it is of (a node, one way of a connection, a dial), so that it is moved in place and never found
 * stale. Four children a parent: fewer cache lines than two.
 */
#include "base/util.h"

struct heap_item {
	int64_t at_us;
	uint64_t order;
	size_t place; /* 0: not in the heap; else index + 1 */
	int kind;     /* the owner's */
};

struct heap {
	struct heap_item **v; /* owned; the items are not */
	size_t n, room;
	uint64_t order;
};

void heap_done(struct heap *h);
/* Puts the item in, or moves it. */
void heap_set(struct heap *h, struct heap_item *item, int64_t at_us);
void heap_del(struct heap *h, struct heap_item *item); /* no harm when it is not in */
struct heap_item *heap_first(const struct heap *h);    /* NULL when there is none; stays in */

static inline bool heap_has(const struct heap_item *item)
{
	return item->place != 0;
}

#endif
