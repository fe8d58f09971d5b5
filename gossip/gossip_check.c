/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must always be true of the core, looked at from scratch: whatever is kept up to date by increments is computed
 * anew here and compared.
 */
#include "gossip/gossip_impl.h"

static void check_member(const struct gossip *g, const struct member *m, uint32_t index)
{
	assert(m->id != 0 && members_index(g, m->id) == index);
	assert(m->seq <= g->seq);
	assert(m->state < GOSSIP_STATE_MAX);
	assert(m->flags == state_join(m->flags));
	if (m->record) {
		uint32_t at = 0;
		const struct member *named = members_by_name(g, m->name_hash, &at);

		while (named && named != m)
			named = members_by_name(g, m->name_hash, &at);
		assert(named == m);
	}
	assert(!m->accused || (m->accused->n > 0 && m->accused->member == index && m->flags == 0));
	assert(m->record || m->state == GOSSIP_FORGOTTEN);
	assert(m->link == FROM_NONE || (g->links[m->link] && g->links[m->link]->member == index));
	assert(m->state == (m->flags & GOSSIP_FLAG_FORGOTTEN	 ? GOSSIP_FORGOTTEN
				   : m->flags & GOSSIP_FLAG_LEFT ? GOSSIP_LEFT
				   : m->flags & GOSSIP_FLAG_DEAD ? GOSSIP_DEAD
				   : state_is_accused(m)	 ? GOSSIP_SUSPECT
								 : GOSSIP_ALIVE));
}

static size_t check_values(const struct member *m)
{
	const struct values *vs = m->values;
	uint32_t bytes = 0, removed = 0;

	if (!vs)
		return 0;
	for (uint32_t i = 0; i < vs->n; i++) {
		assert(vs->v[i].version <= m->version);
		assert(i == 0 || (vs->v[i].version > vs->v[i - 1].version && vs->v[i].e->seq >= vs->v[i - 1].e->seq));
		assert(vs->v[i].e->seq <= m->seq);
		bytes += (uint32_t)sizeof(struct entry) + vs->v[i].e->key_n + vs->v[i].e->value_n + vs->v[i].e->spare_n;
		removed += vs->v[i].e->removed;
	}
	assert(vs->n <= vs->cap && vs->n <= GOSSIP_KEYS_MAX && vs->bytes == bytes && vs->n_removed == removed);
	return bytes;
}

static void check_members(const struct gossip *g)
{
	uint64_t view = 0, buckets[GOSSIP_BUCKETS] = {0};
	uint32_t n = 0, n_state[GOSSIP_STATE_MAX] = {0};
	size_t bytes = 0;

	MEMBERS_FOREACH(g, m)
	{
		check_member(g, m, m_i);
		bytes += check_values(m);
		view ^= members_hash(m);
		buckets[m->id >> 59] ^= members_hash(m);
		n_state[m->state]++;
		n++;
	}
	assert(n == g->n_members && view == g->view_hash && bytes == g->values_bytes);
	assert(memcmp(buckets, g->buckets, sizeof(buckets)) == 0 && memcmp(n_state, g->n_state, sizeof(n_state)) == 0);
	assert(g->n_alive == n_state[GOSSIP_ALIVE] + n_state[GOSSIP_SUSPECT]);
	assert(g->n_gone == n_state[GOSSIP_LEFT] + n_state[GOSSIP_FORGOTTEN]);
}

static void check_list(const struct gossip *g)
{
	uint32_t n = 0, before = MEMBER_NONE;

	for (uint32_t i = g->oldest; i != MEMBER_NONE; i = members_at(g, i)->next) {
		assert(members_at(g, i)->prev == before);
		assert(before == MEMBER_NONE || members_at(g, before)->seq < members_at(g, i)->seq);
		before = i;
		n++;
	}
	assert(n == g->n_members && g->newest == before);
}

static void check_rings(const struct gossip *g)
{
	for (int r = 0; r < GOSSIP_RINGS; r++) {
		assert(g->pred[r] == rings_scan(g, members_at(g, g->self), r, true));
		assert(g->succ[r] == rings_scan(g, members_at(g, g->self), r, false));
	}
	for (const struct accused *a = g->accused; a; a = a->next) {
		assert(members_at(g, a->member)->accused == a && a->n <= ACCUSERS_ALL);
		assert(!a->next || a->next->prev == a);
		for (int i = 1; i < a->n; i++)
			assert(a->ids[i - 1] < a->ids[i]);
		for (int r = 0; r < GOSSIP_RINGS; r++)
			assert(a->pred[r] == rings_scan(g, members_at(g, a->member), r, true));
	}
}

static void check_links(const struct gossip *g)
{
	uint32_t n = 0, syncing = GOSSIP_NO_LINK;

	LINKS_FOREACH(g, l)
	{
		n++;
		assert(l->number == l_i && members_at(g, l->member)->used);
		assert(l->state_cursor <= g->seq && l->map_cursor <= g->seq);
		assert(l->n_ask <= ASK_MAX && l->n_serve <= SERVE_MAX && l->urgent_n <= URGENT_MAX);
		assert((l->n_ask == 0 || l->ask) && (l->n_serve == 0 || l->serve));
		if (l->syncing)
			syncing = l->number;
	}
	assert(n == g->n_links && syncing == g->syncing);
}

void gossip_check(const struct gossip *g)
{
	const struct member *self = members_at(g, g->self);

	assert(self->id == g->id && self->used && self->record && !self->accused);
	assert(!(self->flags & GOSSIP_FLAG_DEAD));
	assert(!g->judge && !g->rewire && g->n_watches <= ARRAY_LEN(g->watches) && g->health >= 1 && g->health <= 4);
	assert(g->n_events <= EVENTS_MAX);
	check_members(g);
	check_list(g);
	check_rings(g);
	check_links(g);
}
