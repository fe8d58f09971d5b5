/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that lives and dies together, in blocks that grow.
 */
#include "base/arena.h"

#include <string.h>

#include "base/mem.h"

#define BLOCK_MIN 256
#define ALIGN	  16

struct arena_block {
	struct arena_block *next;
	size_t used, cap;
	_Alignas(ALIGN) char v[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
	*a = (struct arena){.max_bytes = max_bytes};
}

void arena_done(struct arena *a)
{
	struct arena_block *b = a->head;

	while (b) {
		struct arena_block *next = b->next;

		free(b);
		b = next;
	}
	*a = (struct arena){.max_bytes = a->max_bytes};
}

static struct arena_block *grow(struct arena *a, size_t n)
{
	size_t want = a->head ? a->head->cap * 2 : BLOCK_MIN;
	size_t cap = MAX(n, MIN(want, a->max_bytes - a->used_bytes)); /* no more than may ever be given */
	struct arena_block *b = mem_alloc(sizeof(*b) + cap);

	if (!b)
		return NULL;
	b->next = a->head;
	b->used = 0;
	b->cap = cap;
	a->head = b;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	void *p;

	if (__builtin_add_overflow(n, ALIGN - 1, &n))
		return NULL;
	n &= ~(size_t)(ALIGN - 1);
	if (n > a->max_bytes - a->used_bytes)
		return NULL;
	if (!b || n > b->cap - b->used)
		b = grow(a, n);
	if (!b)
		return NULL;
	p = b->v + b->used;
	b->used += n;
	a->used_bytes += n;
	return memset(p, 0, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *d = n < SIZE_MAX ? arena_alloc(a, n + 1) : NULL;

	if (d)
		memcpy(d, s, n);
	return d;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return arena_strndup(a, s, strlen(s));
}
