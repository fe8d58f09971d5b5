/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash map with intrusive nodes: seeded FNV-1a, chains, doubling at load 1.
 */
#include "base/map.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

static uint64_t hash(const struct map *m, const char *key)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ m->seed;

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 0x100000001b3ULL;
	return h ^ (h >> 29);
}

void map_init(struct map *m, size_t max, uint64_t seed)
{
	*m = (struct map){.max = max, .seed = seed};
}

void map_done(struct map *m)
{
	free(m->buckets);
	*m = (struct map){.max = m->max, .seed = m->seed};
}

static int grow(struct map *m)
{
	size_t n = m->n_buckets ? m->n_buckets * 2 : 16;
	struct map_node **v = mem_zalloc(n, sizeof(struct map_node *));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < m->n_buckets; i++)
		for (struct map_node *e = m->buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = v[e->hash & (n - 1)];
			v[e->hash & (n - 1)] = e;
		}
	free(m->buckets);
	m->buckets = v;
	m->n_buckets = n;
	return 0;
}

int map_add(struct map *m, struct map_node *node, const char *key)
{
	int rc;

	if (map_get(m, key))
		return -EEXIST;
	if (m->n >= m->max)
		return -ENOSPC;
	if (m->n >= m->n_buckets && (rc = grow(m)) < 0)
		return rc;
	node->key = key;
	node->hash = hash(m, key);
	node->next = m->buckets[node->hash & (m->n_buckets - 1)];
	m->buckets[node->hash & (m->n_buckets - 1)] = node;
	m->n++;
	return 0;
}

struct map_node *map_get(const struct map *m, const char *key)
{
	uint64_t h = hash(m, key);

	if (!m->n_buckets)
		return NULL;
	for (struct map_node *e = m->buckets[h & (m->n_buckets - 1)]; e; e = e->next)
		if (e->hash == h && strcmp(e->key, key) == 0)
			return e;
	return NULL;
}

void map_del(struct map *m, struct map_node *node)
{
	struct map_node **at = &m->buckets[node->hash & (m->n_buckets - 1)];

	while (*at != node) {
		assert(*at);
		at = &(*at)->next;
	}
	*at = node->next;
	node->next = NULL;
	m->n--;
}

struct map_node *map_next(const struct map *m, const struct map_node *at)
{
	size_t i = 0;

	if (at && at->next)
		return at->next;
	if (at)
		i = (at->hash & (m->n_buckets - 1)) + 1;
	for (; i < m->n_buckets; i++)
		if (m->buckets[i])
			return m->buckets[i];
	return NULL;
}
