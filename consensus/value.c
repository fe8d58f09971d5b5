/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counted values, and what two of them say about slots.
 */
#include "consensus/value.h"

#include <string.h>

/* ρ = 0.1, chrony's and Linux's bound on how fast a clock is slewed, so that (1 + ρ) / (1 − ρ) = 11 / 9. */
#define FAST 11
#define SLOW 9

uint32_t value_wait_ms(uint32_t ms)
{
	return (uint32_t)MIN(((uint64_t)ms * FAST + SLOW - 1) / SLOW, UINT32_MAX);
}

uint32_t value_guard_ms(uint32_t tf_ms, uint32_t kill_ms)
{
	return value_wait_ms((uint32_t)MIN((uint64_t)tf_ms + kill_ms, UINT32_MAX));
}

struct value *value_new(const struct value_mem *mem, struct msg_bytes bytes)
{
	struct value *v = mem->alloc(mem->ctx, sizeof(*v) + bytes.n);

	if (!v)
		return NULL;
	v->refs = 1;
	v->n = (uint32_t)bytes.n;
	if (bytes.n > 0)
		memcpy(v->v, bytes.v, bytes.n);
	return v;
}

struct value *value_ref(struct value *v)
{
	if (v)
		v->refs++;
	return v;
}

void value_unref(const struct value_mem *mem, struct value *v)
{
	if (!v)
		return;
	assert(v->refs > 0);
	if (--v->refs == 0)
		mem->release(mem->ctx, v, sizeof(*v) + v->n);
}

struct msg_bytes value_bytes(const struct value *v)
{
	return v ? (struct msg_bytes){.v = v->v, .n = v->n} : (struct msg_bytes){0};
}

bool value_slot(const struct value_reader *r, struct msg_bytes value, uint32_t slot, struct msg_slot *ret)
{
	struct msg_slot s;
	size_t at = 0;

	while (r->slot_next(r->ctx, value, &at, &s)) {
		if (s.slot != slot)
			continue;
		*ret = s;
		return true;
	}
	return false;
}

bool value_slot_same(const struct msg_slot *a, const struct msg_slot *b)
{
	return a->slot == b->slot && a->epoch == b->epoch && ballot_same_node(&a->owner, &b->owner);
}

/* Both are sorted, so one walk beside the other does. */
bool value_moves(const struct value_reader *r, struct msg_bytes was, struct msg_bytes now, struct msg_slot *ret)
{
	struct msg_slot a, b;
	size_t at = 0, bt = 0;
	bool more = r->slot_next(r->ctx, now, &bt, &b);

	while (r->slot_next(r->ctx, was, &at, &a)) {
		while (more && b.slot < a.slot)
			more = r->slot_next(r->ctx, now, &bt, &b);
		if (more && value_slot_same(&a, &b))
			continue;
		*ret = a;
		return true;
	}
	return false;
}
