/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases as a voter sees them. A guard of (slot, owner, epoch) is a promise not to accept a value that moves the
 * slot before the guard has ended by this clock: longer than the holder's fuse by its own clock, whatever both
 * rates are within ρ. Guards are in memory: after a restart the voter waits for as long as it may have granted. A
 * grant that is longer than the lease times of the cluster say (a planned stop) is written to disk instead.
 */
#include <errno.h>
#include <string.h>

#include "consensus/acceptor_impl.h"

static const struct msg_key root;

void acceptor_times(struct acceptor *a)
{
	const struct reg *r = acceptor_reg_find(a, &root);
	struct acceptor_image is = r ? acceptor_kept(a, &r->image) : (struct acceptor_image){0};
	struct value_times times;

	a->times = (struct value_times){0};
	if (!is.value || !a->reader->times_get(a->reader->ctx, value_bytes(is.value), &times))
		return;
	times.lv_ms = MAX(times.lv_ms, value_guard_ms(times.tf_ms, times.kill_ms));
	a->times = times;
}

void acceptor_restart_wait(struct acceptor *a)
{
	a->wait_until_ms = MAX(a->wait_until_ms, a->now.boot_ms + a->header.lv_max_ms);
}

static bool is_live(const struct acceptor *a, const struct guard *g)
{
	return g->until_ms > a->now.boot_ms;
}

static uint32_t left_ms(const struct acceptor *a, int64_t until_ms)
{
	return until_ms > a->now.boot_ms ? (uint32_t)MIN(until_ms - a->now.boot_ms, UINT32_MAX) : 0;
}

uint32_t acceptor_left_ms(const struct acceptor *a, struct now now)
{
	int64_t until = a->wait_until_ms;

	for (size_t i = 0; i < a->regs.n; i++) {
		const struct reg *r = a->regs.v[i];

		for (uint32_t k = 0; k < r->n_guards; k++)
			until = MAX(until, r->guards[k].until_ms);
	}
	return until > now.boot_ms ? (uint32_t)MIN(until - now.boot_ms, UINT32_MAX) : 0;
}

int acceptor_load_long(struct acceptor *a, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms)
{
	struct reg *r = acceptor_reg_find(a, key);
	struct msg_slot is;
	struct guard *g;

	/* A value that moved the slot was accepted only after the guard had ended. */
	if (!r || !value_slot(a->reader, value_bytes(acceptor_kept(a, &r->image).value), slot->slot, &is) ||
		!value_slot_same(&is, slot))
		return 0;
	g = acceptor_guard(a, r, slot->slot, true);
	if (!g)
		return -ENOMEM;
	g->slot = *slot;
	g->until_ms = a->now.boot_ms + long_ms;
	return 0;
}

/* Both are sorted by slot, so one walk beside the other does. Those that forbid are granted no further. */
static bool guards_forbid(struct acceptor *a, struct reg *r, struct msg_bytes value, struct msg *why)
{
	size_t at = 0;
	struct msg_slot s;
	bool more = a->reader->slot_next(a->reader->ctx, value, &at, &s);

	for (uint32_t i = 0; i < r->n_guards; i++) {
		struct guard *g = &r->guards[i];

		while (more && s.slot < g->slot.slot)
			more = a->reader->slot_next(a->reader->ctx, value, &at, &s);
		if (!is_live(a, g) || (more && value_slot_same(&s, &g->slot)))
			continue;
		g->moving = true;
		if (left_ms(a, g->until_ms) <= why->left_ms)
			continue;
		*why = (struct msg){.why = MSG_WHY_GUARD, .slot = g->slot, .left_ms = left_ms(a, g->until_ms)};
	}
	return why->why == MSG_WHY_GUARD;
}

bool acceptor_forbids(struct acceptor *a, struct reg *r, struct msg_bytes value, struct msg *why)
{
	if (guards_forbid(a, r, value, why))
		return true;
	if (a->wait_until_ms <= a->now.boot_ms ||
		!value_moves(a->reader, value_bytes(acceptor_kept(a, &r->image).value), value, &why->slot))
		return false;
	why->why = MSG_WHY_WAIT;
	why->left_ms = left_ms(a, a->wait_until_ms);
	return true;
}

void acceptor_moved(struct acceptor *a, struct reg *r)
{
	uint32_t kept = 0;
	size_t at = 0;
	struct msg_slot s;
	struct msg_bytes value = value_bytes(r->image.value);
	bool more = a->reader->slot_next(a->reader->ctx, value, &at, &s);

	for (uint32_t i = 0; i < r->n_guards; i++) {
		struct guard *g = &r->guards[i];

		while (more && s.slot < g->slot.slot)
			more = a->reader->slot_next(a->reader->ctx, value, &at, &s);
		g->moving = false;
		if (is_live(a, g) || (more && value_slot_same(&s, &g->slot)))
			r->guards[kept++] = *g;
	}
	r->n_guards = kept;
}

static bool is_of(const struct reg *r, const struct acceptor *a, const struct msg_slot *slot, bool durable)
{
	struct acceptor_image image = {0};
	struct msg_slot is;

	if (r)
		image = acceptor_kept(a, durable ? &r->durable : &r->image);
	return value_slot(a->reader, value_bytes(image.value), slot->slot, &is) && value_slot_same(&is, slot);
}

static enum msg_why grant(struct acceptor *a, const struct msg *m, const struct msg_lease *l, int64_t until_ms)
{
	struct reg *r = acceptor_reg_find(a, &l->key);
	struct msg_slot slot = {.slot = l->slot, .owner = m->from, .epoch = l->epoch};
	struct guard *g;

	/* Of an earlier era: it may have been given away by those that were given up. It ends, and begins anew. */
	if (l->epoch < quorum_floor(a->header.cfg.epoch) && RULE(M25))
		return MSG_WHY_MOVING;
	if (!r || (!is_of(r, a, &slot, !RULE(M12)) && RULE(M14)))
		return MSG_WHY_VALUE;
	g = acceptor_guard(a, r, l->slot, true);
	if (!g)
		return MSG_WHY_FULL;
	if (!value_slot_same(&g->slot, &slot))
		*g = (struct guard){.slot = slot, .until_ms = g->until_ms};
	if (g->number >= m->number)
		return MSG_WHY_NUMBER;
	if (g->released)
		return MSG_WHY_RELEASED;
	if (g->moving && RULE(M19))
		return MSG_WHY_MOVING;
	g->number = m->number;
	g->until_ms = MAX(g->until_ms, until_ms);
	return MSG_WHY_NONE;
}

/* Leases that were named one by one. all: they are answered by their sum where each of them is granted. */
static void renew(struct acceptor *a, const struct msg *m, bool all, struct acceptor_outs *outs)
{
	bool is_long = m->tf_ms > a->times.tf_ms, knows = a->times.lv_ms > 0 && m->tf_ms <= MSG_TF_MAX_MS, some = false;
	uint32_t ms = is_long ? MAX(value_guard_ms(m->tf_ms, a->times.kill_ms), a->times.lv_ms) : a->times.lv_ms;
	uint64_t need = 0;
	struct msg_lease *leases = a->mem.alloc(a->mem.ctx, m->n_leases * sizeof(*leases));
	struct pending *p;

	if (!leases) {
		acceptor_refuse_why(a, m, MSG_WHY_FULL, outs);
		return;
	}
	memcpy(leases, m->leases, m->n_leases * sizeof(*leases));
	for (uint32_t i = 0; i < m->n_leases; i++) {
		const struct reg *r = acceptor_reg_find(a, &leases[i].key);

		leases[i].why = knows ? grant(a, m, &leases[i], a->now.boot_ms + ms) : MSG_WHY_TF;
		some = some || leases[i].why == MSG_WHY_NONE;
		all = all && leases[i].why == MSG_WHY_NONE;
		if (r)
			need = MAX(need, r->write);
	}
	need = MAX(need, a->header_write);
	p = some && is_long && RULE(M22) ? acceptor_write_long(a, leases, m->n_leases, &m->from, ms, outs)
					 : acceptor_wait(a, need);
	p->leases = leases;
	p->n_leases = m->n_leases;
	acceptor_answer(a, p, m, MSG_GRANT);
	p->msg.set = all ? m->set : 0;
}

/* What is asked for by its sum is judged lease by lease, now, as if all of them had been named. */
void acceptor_renew(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs)
{
	struct msg whole = *m;
	const struct set *s;

	if (m->n_leases > 0) {
		renew(a, m, m->set != 0 && acceptor_set_learn(a, m), outs);
		return;
	}
	if (m->set == 0)
		return;
	s = acceptor_set(a, m);
	if (!s) {
		acceptor_refuse_why(a, m, MSG_WHY_SET, outs);
		return;
	}
	whole.leases = s->leases;
	whole.n_leases = s->n;
	renew(a, &whole, true, outs);
}

void acceptor_release(struct acceptor *a, const struct msg *m)
{
	for (uint32_t i = 0; i < m->n_leases; i++) {
		const struct msg_lease *l = &m->leases[i];
		struct reg *r = acceptor_reg_find(a, &l->key);
		struct msg_slot slot = {.slot = l->slot, .owner = m->from, .epoch = l->epoch};
		struct guard *g = r ? acceptor_guard(a, r, l->slot, is_of(r, a, &slot, false)) : NULL;

		if (!g)
			continue;
		if (!value_slot_same(&g->slot, &slot) && is_of(r, a, &slot, false))
			*g = (struct guard){.slot = slot, .until_ms = g->until_ms};
		if (g->number >= m->number || (!value_slot_same(&g->slot, &slot) && RULE(M21)))
			continue;
		g->number = m->number;
		g->until_ms = 0;
		g->released = true;
	}
}

bool acceptor_guards_tell(struct acceptor *a, const struct reg *r, struct pending *p)
{
	bool waits = a->wait_until_ms > a->now.boot_ms;
	struct acceptor_image is = r ? acceptor_kept(a, &r->image) : (struct acceptor_image){0};
	struct msg_guard *v;
	struct msg_slot s;
	size_t at = 0, n = r ? r->n_guards : 0, k = 0;

	if (r && waits)
		while (a->reader->slot_next(a->reader->ctx, value_bytes(is.value), &at, &s))
			n++;
	if (n == 0)
		return true;
	n = MIN(n, MSG_GUARDS_MAX);
	p->page_bytes = n * sizeof(*v);
	p->page = v = a->mem.alloc(a->mem.ctx, p->page_bytes);
	if (!v)
		return false;
	for (uint32_t i = 0; i < r->n_guards && k < n; i++)
		if (is_live(a, &r->guards[i]))
			v[k++] = (struct msg_guard){
				.slot = r->guards[i].slot, .left_ms = left_ms(a, r->guards[i].until_ms)};
	at = 0;
	while (waits && k < n && a->reader->slot_next(a->reader->ctx, value_bytes(is.value), &at, &s))
		v[k++] = (struct msg_guard){.slot = s, .left_ms = left_ms(a, a->wait_until_ms)};
	p->msg.guards = v;
	p->msg.n_guards = (uint32_t)k;
	return true;
}
