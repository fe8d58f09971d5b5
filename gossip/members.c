/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of members: chunks that never move, an index by id, the list by recency of change, and the hash of the
 * view, kept up to date with each change. Ten thousand members are 72 bytes each here, beside their records.
 */
#include "gossip/gossip_impl.h"

#define TABLE_MIN 32

struct member *members_at(const struct gossip *g, uint32_t index)
{
	return &g->chunks[index / CHUNK_MEMBERS][index % CHUNK_MEMBERS];
}

uint32_t members_index(const struct gossip *g, uint64_t id)
{
	uint32_t mask = g->table_n - 1;

	if (g->table_n == 0)
		return MEMBER_NONE;
	for (uint32_t i = (uint32_t)gossip_mix(id) & mask; g->table[i] != MEMBER_NONE; i = (i + 1) & mask)
		if (members_at(g, g->table[i])->id == id)
			return g->table[i];
	return MEMBER_NONE;
}

struct member *members_find(const struct gossip *g, uint64_t id)
{
	uint32_t index = members_index(g, id);

	return index == MEMBER_NONE ? NULL : members_at(g, index);
}

uint32_t members_self(const struct gossip *g, const struct member *m)
{
	return m == members_at(g, g->self) ? g->self : members_index(g, m->id);
}

/* Where it belongs in the table by name, or by id. */
static uint32_t home(const struct gossip *g, uint32_t index, bool name)
{
	const struct member *m = members_at(g, index);

	return (name ? m->name_hash : (uint32_t)gossip_mix(m->id)) & (g->table_n - 1);
}

static void table_put(const struct gossip *g, uint32_t *table, uint32_t index, bool name)
{
	uint32_t i = home(g, index, name);

	while (table[i] != MEMBER_NONE)
		i = (i + 1) & (g->table_n - 1);
	table[i] = index;
}

/* Those behind the hole move up, so that no search stops short of them (Knuth 6.4, algorithm R). */
static void table_drop(const struct gossip *g, uint32_t *table, uint32_t index, bool name)
{
	uint32_t mask = g->table_n - 1, hole = home(g, index, name);

	while (table[hole] != index)
		hole = (hole + 1) & mask;
	for (uint32_t i = (hole + 1) & mask; table[i] != MEMBER_NONE; i = (i + 1) & mask) {
		if (((i - home(g, table[i], name)) & mask) < ((i - hole) & mask))
			continue;
		table[hole] = table[i];
		hole = i;
	}
	table[hole] = MEMBER_NONE;
}

static void tables_release(struct gossip *g)
{
	if (g->table)
		gossip_release(g, g->table, 2 * g->table_n * sizeof(*g->table));
	g->table = NULL;
}

/* Three quarters full at most; the table by name is the second half. */
static bool table_room(struct gossip *g)
{
	uint32_t n = g->table_n ? g->table_n * 2 : TABLE_MIN, *table;

	if ((g->n_members + 1) * 4 <= g->table_n * 3)
		return true;
	table = gossip_alloc(g, 2 * n * sizeof(*table));
	if (!table)
		return false;
	memset(table, 0xff, 2 * n * sizeof(*table));
	tables_release(g);
	g->table = table;
	g->table_n = n;
	MEMBERS_FOREACH(g, m)
	{
		table_put(g, table, m_i, false);
		if (m->record)
			table_put(g, table + n, m_i, true);
	}
	return true;
}

void members_named(struct gossip *g, const struct member *m, bool named)
{
	uint32_t index = members_self(g, m);

	if (named)
		table_put(g, g->table + g->table_n, index, true);
	else
		table_drop(g, g->table + g->table_n, index, true);
}

struct member *members_by_name(const struct gossip *g, uint32_t hash, uint32_t *at)
{
	const uint32_t *names = g->table + g->table_n;

	for (; names[(hash + *at) & (g->table_n - 1)] != MEMBER_NONE; ++*at) {
		struct member *m = members_at(g, names[(hash + *at) & (g->table_n - 1)]);

		if (m->name_hash != hash)
			continue;
		++*at;
		return m;
	}
	return NULL;
}

static bool chunks_room(struct gossip *g)
{
	struct member *chunk, **chunks;
	uint32_t cap = g->chunks_cap ? g->chunks_cap * 2 : 4, first = g->n_chunks * CHUNK_MEMBERS;

	if (g->free_member != MEMBER_NONE)
		return true;
	if (g->n_chunks == g->chunks_cap) {
		chunks = gossip_alloc(g, cap * sizeof(struct member *));
		if (!chunks)
			return false;
		if (g->chunks) {
			memcpy(chunks, g->chunks, g->n_chunks * sizeof(struct member *));
			gossip_release(g, g->chunks, g->chunks_cap * sizeof(struct member *));
		}
		g->chunks = chunks;
		g->chunks_cap = cap;
	}
	chunk = gossip_alloc(g, CHUNK_MEMBERS * sizeof(*chunk));
	if (!chunk)
		return false;
	g->chunks[g->n_chunks++] = chunk;
	for (uint32_t i = CHUNK_MEMBERS; i-- > 0;) {
		chunk[i].next = g->free_member;
		g->free_member = first + i;
	}
	return true;
}

static void list_drop(struct gossip *g, uint32_t index)
{
	struct member *m = members_at(g, index);

	if (m->prev != MEMBER_NONE)
		members_at(g, m->prev)->next = m->next;
	else
		g->oldest = m->next;
	if (m->next != MEMBER_NONE)
		members_at(g, m->next)->prev = m->prev;
	else
		g->newest = m->prev;
	if (g->hint == index)
		g->hint = MEMBER_NONE;
}

static void list_append(struct gossip *g, uint32_t index)
{
	struct member *m = members_at(g, index);

	m->prev = g->newest;
	m->next = MEMBER_NONE;
	if (g->newest != MEMBER_NONE)
		members_at(g, g->newest)->next = index;
	else
		g->oldest = index;
	g->newest = index;
}

/* Room for one more: the oldest of those that are gone makes place. */
static void bury(struct gossip *g)
{
	for (uint32_t i = g->oldest; i != MEMBER_NONE; i = members_at(g, i)->next) {
		struct member *m = members_at(g, i);

		if ((m->flags & (GOSSIP_FLAG_LEFT | GOSSIP_FLAG_FORGOTTEN)) && i != g->self && m->link == FROM_NONE) {
			members_drop(g, m);
			return;
		}
	}
}

struct member *members_add(struct gossip *g, uint64_t id, uint64_t inc)
{
	struct member *m;
	uint32_t index;

	if (g->n_gone >= GOSSIP_GONE_MAX)
		bury(g);
	if (g->n_members >= GOSSIP_MEMBERS_MAX) {
		gossip_event_paced(g, &g->many_told_ms, GOSSIP_EVENT_TOO_MANY, id, 0, GOSSIP_MEMBERS_MAX);
		return NULL;
	}
	if (!table_room(g) || !chunks_room(g)) {
		gossip_no_memory(g, id);
		return NULL;
	}
	index = g->free_member;
	m = members_at(g, index);
	g->free_member = m->next;
	*m = (struct member){.id = id,
		.inc = inc,
		.seq = ++g->seq,
		.used = 1,
		.state = GOSSIP_STATE_MAX,
		.state_from = FROM_NONE,
		.map_from = FROM_NONE,
		.link = FROM_NONE};
	m->state_seq = (uint32_t)m->seq;
	list_append(g, index);
	table_put(g, g->table, index, false);
	g->n_members++;
	g->new_ms = g->now.mono_ms;
	g->view_hash ^= members_hash(m);
	g->buckets[id >> 59] ^= members_hash(m);
	return m;
}

void members_drop(struct gossip *g, struct member *m)
{
	uint32_t index = members_index(g, m->id);

	assert(m->link == FROM_NONE && !members_in_ring(m));
	g->view_hash ^= members_hash(m);
	g->buckets[m->id >> 59] ^= members_hash(m);
	if (m->state < GOSSIP_STATE_MAX)
		g->n_state[m->state]--;
	if (m->state == GOSSIP_LEFT || m->state == GOSSIP_FORGOTTEN)
		g->n_gone--;
	state_clear(g, m);
	values_drop(g, m);
	admit_record_free(g, m);
	table_drop(g, g->table, index, false);
	list_drop(g, index);
	*m = (struct member){.next = g->free_member};
	g->free_member = index;
	g->n_members--;
}

/* Of what is beside the incarnation: 0 for a member of whom nothing is said. */
uint32_t members_sum(const struct member *m)
{
	uint64_t h = m->flags;

	if (m->flags == 0 && !m->accused)
		return 0;
	for (uint32_t i = 0; m->accused && i < m->accused->n; i++)
		h = gossip_mix(h ^ m->accused->ids[i]) + (m->accused->up >> i & 1);
	h = gossip_mix(h);
	return (uint32_t)h ? (uint32_t)h : 1;
}

/* Those that left or were forgotten are forgotten at different times: they do not count. */
uint64_t members_hash(const struct member *m)
{
	if (m->flags & (GOSSIP_FLAG_LEFT | GOSSIP_FLAG_FORGOTTEN))
		return 0;
	return gossip_mix(gossip_mix(gossip_mix(m->id) ^ m->inc) ^ ((uint64_t)members_sum(m) << 32 | m->version));
}

void members_changed(struct gossip *g, struct member *m, uint64_t was, int what, uint8_t from)
{
	uint32_t index = members_self(g, m);
	uint64_t diff = was ^ members_hash(m);

	g->view_hash ^= diff;
	g->buckets[m->id >> 59] ^= diff;
	m->seq = ++g->seq;
	if (what & CHANGE_STATE) {
		m->state_seq = (uint32_t)m->seq;
		m->state_from = from;
		g->state_seq = m->seq;
	}
	if (what & CHANGE_MAP)
		m->map_from = from;
	list_drop(g, index);
	list_append(g, index);
	g->app_changed = true;
	spread_changed(g);
}

bool members_in_ring(const struct member *m)
{
	return m->used && m->state <= GOSSIP_SUSPECT;
}

void members_done(struct gossip *g)
{
	MEMBERS_FOREACH(g, m)
	{
		state_clear(g, m);
		values_drop(g, m);
		admit_record_free(g, m);
	}
	for (uint32_t i = 0; i < g->n_chunks; i++)
		gossip_release(g, g->chunks[i], CHUNK_MEMBERS * sizeof(struct member));
	if (g->chunks)
		gossip_release(g, g->chunks, g->chunks_cap * sizeof(struct member *));
	tables_release(g);
}
