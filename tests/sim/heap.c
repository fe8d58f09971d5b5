/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 4-ary heap of items that know their place.
 */
#include "tests/sim/heap.h"

#define CHILDREN 4

void heap_done(struct heap *h)
{
	free(h->v);
	*h = (struct heap){0};
}

static bool before(const struct heap_item *a, const struct heap_item *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void put(struct heap *h, struct heap_item *item, size_t i)
{
	h->v[i] = item;
	item->place = i + 1;
}

static void up(struct heap *h, struct heap_item *item, size_t i)
{
	while (i > 0 && before(item, h->v[(i - 1) / CHILDREN])) {
		put(h, h->v[(i - 1) / CHILDREN], i);
		i = (i - 1) / CHILDREN;
	}
	put(h, item, i);
}

static void down(struct heap *h, struct heap_item *item, size_t i)
{
	for (;;) {
		size_t first = i * CHILDREN + 1, best = first;

		if (first >= h->n)
			break;
		for (size_t c = first + 1; c < MIN(first + CHILDREN, h->n); c++)
			if (before(h->v[c], h->v[best]))
				best = c;
		if (!before(h->v[best], item))
			break;
		put(h, h->v[best], i);
		i = best;
	}
	put(h, item, i);
}

static void settle(struct heap *h, struct heap_item *item, size_t i)
{
	if (i > 0 && before(item, h->v[(i - 1) / CHILDREN]))
		up(h, item, i);
	else
		down(h, item, i);
}

void heap_set(struct heap *h, struct heap_item *item, int64_t at_us)
{
	item->at_us = at_us;
	item->order = ++h->order;
	if (item->place) {
		settle(h, item, item->place - 1);
		return;
	}
	if (h->n == h->room) {
		h->room = h->room ? h->room * 2 : 64;
		h->v = realloc(h->v, h->room * sizeof(struct heap_item *));
		assert(h->v);
	}
	up(h, item, h->n++);
}

void heap_del(struct heap *h, struct heap_item *item)
{
	size_t i = item->place - 1;
	struct heap_item *last;

	if (!item->place)
		return;
	assert(h->v[i] == item);
	item->place = 0;
	last = h->v[--h->n];
	if (last != item)
		settle(h, last, i);
}

struct heap_item *heap_first(const struct heap *h)
{
	return h->n ? h->v[0] : NULL;
}
