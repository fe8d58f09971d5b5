/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How news travels. What changed since a link's cursor is what the link has to say: so news merges by itself while it
 * waits, and none is queued. States (life and death) go on every link at once. Maps go on eager links, which form a
 * tree since whoever is told twice turns the second teller lazy (Plumtree); on lazy links digests follow a little
 * later, for whoever missed it on the tree to ask, which makes the link part of the tree. One end of a lazy link says
 * it first, and the other, who waits once more, mostly need not: it has been told that it is known.
 *
 * Of a cycle of links several may turn lazy at once, when several have news: so trees are cut. The neighbours on the
 * first two rings stay eager, whatever is told twice: two rings hang together, and from anywhere it is few steps.
 *
 * The first change after a pause goes at once; further ones wait for the rest of flush_ms, so that a burst is one
 * message a link.
 */
#include "gossip/gossip_impl.h"

#define SKELETON_RINGS 2

void spread_changed(struct gossip *g)
{
	int64_t now = g->now.mono_ms;

	g->changed_ms = now;
	if (g->flush_at == DEADLINE_NEVER)
		g->flush_at = MAX(now, g->flushed_ms + g->profile->flush_ms);
	if (g->lazy_at == DEADLINE_NEVER) {
		g->lazy_at = now + g->profile->lazy_ms;
		g->lazy_mark = g->seq;
	}
}

static bool has_news(const struct gossip *g, const struct link *l)
{
	return g->state_seq > l->state_cursor || (l->eager && g->seq > l->map_cursor);
}

static void flush(struct gossip *g)
{
	g->flush_at = DEADLINE_NEVER;
	g->flushed_ms = g->now.mono_ms;
	LINKS_FOREACH(g, l)
	if (has_news(g, l))
		links_ready(l);
}

/* Of the two ends of a link one; of a node's links about half. */
static bool speaks_first(const struct gossip *g, const struct link *l)
{
	uint64_t id = members_at(g, l->member)->id;

	return (g->id < id) == ((g->id ^ id) & 1);
}

/* Only what was there when the pause began: it had the whole of it to come by the tree. */
static void flush_lazy(struct gossip *g)
{
	bool behind = g->lazy_mark > g->lazy_told;

	LINKS_FOREACH(g, l)
	{
		l->lazy_to = speaks_first(g, l) ? g->lazy_mark : g->lazy_told;
		if (!l->eager && l->map_cursor < l->lazy_to)
			links_ready(l);
	}
	g->lazy_told = g->lazy_mark;
	g->lazy_at = DEADLINE_NEVER;
	if (g->seq > g->lazy_mark || behind) {
		g->lazy_at = g->now.mono_ms + g->profile->lazy_ms;
		g->lazy_mark = g->seq;
	}
}

void spread_run(struct gossip *g)
{
	if (g->now.mono_ms >= g->flush_at)
		flush(g);
	if (g->now.mono_ms >= g->lazy_at)
		flush_lazy(g);
}

uint32_t spread_after(const struct gossip *g, uint64_t seq)
{
	uint32_t ret = MEMBER_NONE;

	for (uint32_t i = g->newest; i != MEMBER_NONE && members_at(g, i)->seq > seq; i = members_at(g, i)->prev)
		ret = i;
	return ret;
}

/* Whoever wants to know it asks, when he sees that our views differ: then we know whether it was us. */
static bool is_verdict_alone(const struct member *m)
{
	return m->alone && m->state == GOSSIP_DEAD;
}

/* A stranger's state goes with its map, but when it says more than that it lives. */
static bool state_is_news(const struct member *m, const struct link *l)
{
	if (is_verdict_alone(m))
		return false;
	if ((int32_t)(m->state_seq - (uint32_t)l->state_cursor) <= 0 || m->state_from == l->number)
		return false;
	return m->flags != 0 || m->accused || !m->record || m->record->seq <= l->state_cursor;
}

bool spread_states(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	struct pack p;

	if (g->state_seq <= l->state_cursor)
		return false;
	pack_begin(&p, ret, GOSSIP_MSG_STATES);
	for (uint32_t i = spread_after(g, l->state_cursor); i != MEMBER_NONE; i = members_at(g, i)->next) {
		const struct member *m = members_at(g, i);

		if (state_is_news(m, l) && !pack_state(&p, m))
			return true;
		l->state_cursor = m->seq;
	}
	l->state_cursor = g->seq;
	return ret->states.n > 0;
}

/* What is newer than the cursor in a map: all beyond *from, and the record. */
static bool map_is_news(const struct member *m, const struct link *l, uint32_t *from, bool *record)
{
	const struct values *vs = m->values;
	uint32_t n = vs ? vs->n : 0;

	if (!m->record || m->record->version == 0 || m->flags & (GOSSIP_FLAG_LEFT | GOSSIP_FLAG_FORGOTTEN) ||
		m->map_from == l->number || m->link == l->number)
		return false;
	while (n > 0 && vs->v[n - 1].e->seq > l->map_cursor)
		n--;
	*from = n > 0 ? vs->v[n - 1].version : 0;
	*record = m->record->seq > l->map_cursor;
	if (!*record)
		*from = MAX(*from, m->record->version);
	return *record || (vs && n < vs->n);
}

bool spread_deltas(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	struct pack p;

	if (!l->eager || g->seq <= l->map_cursor)
		return false;
	pack_begin(&p, ret, GOSSIP_MSG_DELTAS);
	for (uint32_t i = spread_after(g, l->map_cursor); i != MEMBER_NONE; i = members_at(g, i)->next) {
		const struct member *m = members_at(g, i);
		uint32_t from, to;
		bool record;
		int rc;

		if (!map_is_news(m, l, &from, &record)) {
			l->map_cursor = m->seq;
			continue;
		}
		if (l->part_member == i && l->part_version > from) {
			from = l->part_version;
			record = m->record->version > from;
		}
		rc = pack_map(&p, m, from, record, &to);
		if (rc == PACK_PART) {
			l->part_member = i;
			l->part_version = to;
		}
		if (rc != PACK_ALL)
			return true;
		l->part_member = MEMBER_NONE;
		l->map_cursor = m->seq;
	}
	l->map_cursor = g->seq;
	return ret->deltas.n_parts > 0;
}

bool spread_lazy(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	struct pack p;

	if (l->eager || l->lazy_to <= l->map_cursor)
		return false;
	pack_begin(&p, ret, GOSSIP_MSG_DIGESTS);
	for (uint32_t i = spread_after(g, l->map_cursor); i != MEMBER_NONE; i = members_at(g, i)->next) {
		const struct member *m = members_at(g, i);
		uint32_t from;
		bool record;

		if (m->seq > l->lazy_to)
			break;
		if (map_is_news(m, l, &from, &record) && !pack_digest(&p, m))
			return true;
		l->map_cursor = m->seq;
	}
	l->map_cursor = MAX(l->map_cursor, l->lazy_to);
	return ret->digests.n > 0;
}

void spread_known(const struct gossip *g, struct link *l, const struct member *known)
{
	uint32_t i = l->eager ? MEMBER_NONE : spread_after(g, l->map_cursor), from;
	bool record;

	for (; i != MEMBER_NONE; i = members_at(g, i)->next) {
		const struct member *m = members_at(g, i);

		if (m != known && map_is_news(m, l, &from, &record))
			return;
		l->map_cursor = m->seq;
	}
}

bool spread_stays(const struct gossip *g, const struct link *l)
{
	for (int r = 0; r < SKELETON_RINGS; r++)
		if (g->pred[r] == l->member || g->succ[r] == l->member)
			return true;
	return false;
}

void spread_prune(struct gossip *g, struct link *l)
{
	l->eager = false;
	l->part_member = MEMBER_NONE;
	if (g->lazy_at == DEADLINE_NEVER && l->map_cursor < g->seq) {
		g->lazy_at = g->now.mono_ms + g->profile->lazy_ms;
		g->lazy_mark = g->seq;
	}
}

void spread_graft(struct gossip *g, struct link *l)
{
	l->eager = true;
	if (has_news(g, l))
		links_ready(l);
}
