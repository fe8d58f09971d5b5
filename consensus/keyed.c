/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See keyed.h.
 */
#include "consensus/keyed.h"

#include <string.h>

#define CAP_FIRST 16

static const struct msg_key *key_of(const struct keyed *t, size_t i)
{
	return t->v[i]; /* its first member */
}

size_t keyed_place(const struct keyed *t, const struct msg_key *key, bool *ret_there)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (msg_key_cmp(key_of(t, mid), key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret_there = low < t->n && msg_key_cmp(key_of(t, low), key) == 0;
	return low;
}

void *keyed_find(const struct keyed *t, const struct msg_key *key)
{
	bool there;
	size_t at = keyed_place(t, key, &there);

	return there ? t->v[at] : NULL;
}

static bool grow(struct keyed *t, const struct value_mem *mem)
{
	size_t cap = t->cap ? 2 * t->cap : CAP_FIRST;
	void **v = mem->alloc(mem->ctx, cap * sizeof(void *));

	if (!v)
		return false;
	if (t->v) {
		memcpy(v, t->v, t->n * sizeof(void *));
		mem->release(mem->ctx, t->v, t->cap * sizeof(void *));
	}
	t->v = v;
	t->cap = cap;
	return true;
}

void *keyed_add(struct keyed *t, const struct value_mem *mem, const struct msg_key *key, size_t size)
{
	bool there;
	size_t at = keyed_place(t, key, &there);
	void *p;

	assert(!there);
	if (t->n == t->cap && !grow(t, mem))
		return NULL;
	p = mem->alloc(mem->ctx, size);
	if (!p)
		return NULL;
	memset(p, 0, size);
	memcpy(p, key, sizeof(*key));
	memmove(&t->v[at + 1], &t->v[at], (t->n - at) * sizeof(void *));
	t->v[at] = p;
	t->n++;
	return p;
}

void keyed_drop(struct keyed *t, const struct value_mem *mem, const struct msg_key *key, size_t size)
{
	bool there;
	size_t at = keyed_place(t, key, &there);

	assert(there);
	mem->release(mem->ctx, t->v[at], size); /* key may be its own */
	memmove(&t->v[at], &t->v[at + 1], (--t->n - at) * sizeof(void *));
}

void keyed_free(struct keyed *t, const struct value_mem *mem, size_t size)
{
	for (size_t i = 0; i < t->n; i++)
		mem->release(mem->ctx, t->v[i], size);
	if (t->v)
		mem->release(mem->ctx, t->v, t->cap * sizeof(void *));
	*t = (struct keyed){0};
}

void keyed_check(const struct keyed *t)
{
	assert(t->n <= t->cap);
	for (size_t i = 1; i < t->n; i++)
		assert(msg_key_cmp(key_of(t, i - 1), key_of(t, i)) < 0);
}
