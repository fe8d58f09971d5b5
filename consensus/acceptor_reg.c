/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of registers, sorted by key, so that it can be listed page by page while it grows; and the guards of
 * one, sorted by slot. Nothing is ever erased: a removed agent's register says what the next one of that name goes
 * on from.
 */
#include <string.h>

#include "consensus/acceptor_impl.h"

#define CAP_FIRST 16

/* Doubles *v, of `size` bytes each; false: no memory, nothing has changed. */
static bool grow(struct acceptor *a, void **v, size_t cap, size_t size)
{
	size_t more = cap ? cap * 2 : CAP_FIRST;
	void *p = a->mem.alloc(a->mem.ctx, more * size);

	if (!p)
		return false;
	if (cap > 0) {
		memcpy(p, *v, cap * size);
		a->mem.release(a->mem.ctx, *v, cap * size);
	}
	*v = p;
	return true;
}

struct reg *acceptor_reg_find(const struct acceptor *a, const struct msg_key *key)
{
	return keyed_find(&a->regs, key);
}

size_t acceptor_reg_after(const struct acceptor *a, const struct msg_key *key)
{
	bool there;
	size_t i = keyed_place(&a->regs, key, &there);

	return i + there;
}

struct reg *acceptor_reg_add(struct acceptor *a, const struct msg_key *key)
{
	struct reg *r = acceptor_reg_find(a, key);

	if (r || a->regs.n >= ACCEPTOR_KEYS_MAX)
		return r;
	return keyed_add(&a->regs, &a->mem, key, sizeof(*r));
}

void acceptor_regs_free(struct acceptor *a)
{
	for (size_t i = 0; i < a->regs.n; i++) {
		struct reg *r = a->regs.v[i];

		value_unref(&a->mem, r->image.value);
		value_unref(&a->mem, r->durable.value);
		if (r->guards)
			a->mem.release(a->mem.ctx, r->guards, r->cap_guards * sizeof(*r->guards));
	}
	keyed_free(&a->regs, &a->mem, sizeof(struct reg));
}

struct guard *acceptor_guard(struct acceptor *a, struct reg *r, uint32_t slot, bool make)
{
	void *v = r->guards;
	size_t low = 0, high = r->n_guards;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (r->guards[mid].slot.slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < r->n_guards && r->guards[low].slot.slot == slot)
		return &r->guards[low];
	if (!make || r->n_guards >= MSG_GUARDS_MAX)
		return NULL;
	if (r->n_guards == r->cap_guards) {
		if (!grow(a, &v, r->cap_guards, sizeof(*r->guards)))
			return NULL;
		r->guards = v;
		r->cap_guards = r->cap_guards ? r->cap_guards * 2 : CAP_FIRST;
	}
	memmove(&r->guards[low + 1], &r->guards[low], (r->n_guards - low) * sizeof(*r->guards));
	r->guards[low] = (struct guard){.slot.slot = slot};
	r->n_guards++;
	return &r->guards[low];
}

void acceptor_image_set(const struct acceptor *a, struct acceptor_image *to, const struct acceptor_image *from)
{
	struct value *was = to->value;

	*to = *from;
	(void)value_ref(to->value); /* counted for `to` */
	value_unref(&a->mem, was);
}
