/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MAP_H
#define BASE_MAP_H
/*
 * A hash map from strings to elements that carry their own node: the map owns its buckets, never an element or
 * a key. Grows by itself, up to the bound given.
 */
#include "base/util.h"

struct map_node {
	struct map_node *next;
	const char *key; /* borrowed from the element while it is in the map */
	uint64_t hash;
};

struct map {
	struct map_node **buckets; /* owned */
	size_t n_buckets, n, max;
	uint64_t seed;
};

void map_init(struct map *m, size_t max, uint64_t seed);
void map_done(struct map *m); /* the elements stay the caller's */
/* 0, -EEXIST, -ENOSPC (bound) or -ENOMEM. */
int map_add(struct map *m, struct map_node *node, const char *key) MUST_CHECK;
struct map_node *map_get(const struct map *m, const char *key); /* NULL when absent */
void map_del(struct map *m, struct map_node *node);		/* must be in the map */
/* The node after `at` in bucket order (NULL: the first); NULL at the end. Deleting `at` is allowed only once
 * its successor was fetched. */
struct map_node *map_next(const struct map *m, const struct map_node *at);

#define MAP_FOREACH(p, m) for (struct map_node *p = map_next(m, NULL); p; p = map_next(m, p))

#endif
