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

/* The first that is not below key. */
static size_t place(const struct acceptor *a, const struct msg_key *key)
{
	size_t low = 0, high = a->n_regs;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (msg_key_cmp(&a->regs[mid]->key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct reg *acceptor_reg_find(const struct acceptor *a, const struct msg_key *key)
{
	size_t i = place(a, key);

	return i < a->n_regs && msg_key_cmp(&a->regs[i]->key, key) == 0 ? a->regs[i] : NULL;
}

size_t acceptor_reg_after(const struct acceptor *a, const struct msg_key *key)
{
	size_t i = place(a, key);

	return i < a->n_regs && msg_key_cmp(&a->regs[i]->key, key) == 0 ? i + 1 : i;
}

struct reg *acceptor_reg_add(struct acceptor *a, const struct msg_key *key)
{
	struct reg *r = acceptor_reg_find(a, key);
	void *v = a->regs;
	size_t i;

	if (r || a->n_regs >= ACCEPTOR_KEYS_MAX)
		return r;
	if (a->n_regs == a->cap_regs) {
		if (!grow(a, &v, a->cap_regs, sizeof(struct reg *)))
			return NULL;
		a->regs = v;
		a->cap_regs = a->cap_regs ? a->cap_regs * 2 : CAP_FIRST;
	}
	r = a->mem.alloc(a->mem.ctx, sizeof(*r));
	if (!r)
		return NULL;
	*r = (struct reg){.key = *key};
	i = place(a, key);
	memmove(&a->regs[i + 1], &a->regs[i], (a->n_regs - i) * sizeof(struct reg *));
	a->regs[i] = r;
	a->n_regs++;
	return r;
}

void acceptor_regs_free(struct acceptor *a)
{
	for (size_t i = 0; i < a->n_regs; i++) {
		struct reg *r = a->regs[i];

		value_unref(&a->mem, r->image.value);
		value_unref(&a->mem, r->durable.value);
		if (r->guards)
			a->mem.release(a->mem.ctx, r->guards, r->cap_guards * sizeof(*r->guards));
		a->mem.release(a->mem.ctx, r, sizeof(*r));
	}
	if (a->regs)
		a->mem.release(a->mem.ctx, a->regs, a->cap_regs * sizeof(struct reg *));
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
