/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The leases that each holder asked for last, so that it can ask for the same again by their sum. They are in memory
 * alone, and say nothing of who owns what: each renewal is judged by values and guards. What finds no place is not
 * remembered, and its holder goes on naming all of them; that of a holder which has gone silent makes place.
 */
#include <string.h>

#include "consensus/acceptor_impl.h"

static struct set *find(struct acceptor *a, const struct uuid *holder)
{
	for (uint32_t i = 0; i < a->n_sets; i++)
		if (ballot_same_node(&a->sets[i].holder, holder))
			return &a->sets[i];
	return NULL;
}

static void drop(struct acceptor *a, struct set *s)
{
	a->mem.release(a->mem.ctx, s->leases, s->n * sizeof(*s->leases));
	a->set_leases -= s->n;
	*s = a->sets[--a->n_sets];
}

/* The oldest of those that went silent, if there is one. */
static bool drop_oldest(struct acceptor *a)
{
	struct set *oldest = NULL;

	for (uint32_t i = 0; i < a->n_sets; i++)
		if (!oldest || a->sets[i].used_ms < oldest->used_ms)
			oldest = &a->sets[i];
	if (!oldest || a->now.mono_ms - oldest->used_ms < ACCEPTOR_SET_MS)
		return false;
	drop(a, oldest);
	return true;
}

static bool make_room(struct acceptor *a, uint32_t n)
{
	while (a->n_sets == ACCEPTOR_SETS_MAX || a->set_leases + n > ACCEPTOR_LEASES_MAX)
		if (!drop_oldest(a))
			return false;
	return true;
}

const struct set *acceptor_set(struct acceptor *a, const struct msg *m)
{
	struct set *s = find(a, &m->from);

	if (!s || s->sum != m->set)
		return NULL;
	s->number = MAX(s->number, m->number);
	s->used_ms = a->now.mono_ms;
	return s;
}

/* A late one does not take the place of a newer: whoever sent that counts on it. */
bool acceptor_set_learn(struct acceptor *a, const struct msg *m)
{
	struct set *s = find(a, &m->from);
	struct msg_lease *leases;

	if (msg_leases_sum(m->leases, m->n_leases) != m->set || (s && s->number > m->number))
		return false;
	if (s)
		drop(a, s);
	if (!make_room(a, m->n_leases))
		return false;
	leases = a->mem.alloc(a->mem.ctx, m->n_leases * sizeof(*leases));
	if (!leases)
		return false;
	memcpy(leases, m->leases, m->n_leases * sizeof(*leases));
	a->sets[a->n_sets++] = (struct set){.holder = m->from,
		.sum = m->set,
		.number = m->number,
		.used_ms = a->now.mono_ms,
		.leases = leases,
		.n = m->n_leases};
	a->set_leases += m->n_leases;
	return true;
}

void acceptor_sets_free(struct acceptor *a)
{
	while (a->n_sets > 0)
		drop(a, &a->sets[0]);
}
