/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay: on each of the rings the members stand in the order of a hash of ring and id. Rings are not stored. Our
 * own neighbours, and the predecessors of each member that stands accused, are kept as members come and go: one that
 * comes is compared with those that are there, the loss of a neighbour costs one look over all members.
 */
#include "gossip/gossip_impl.h"

/* The first digits of pi, so that nobody chose them. */
static const uint64_t ring_constant[GOSSIP_RINGS] = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0,
	0x082efa98ec4e6c89, 0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917,
	0x9216d5d98979fb1b, 0xd1310ba698dfb5ac};

static uint64_t rank(uint64_t id, int ring)
{
	return gossip_mix(id ^ ring_constant[ring]);
}

uint8_t rings_watch(const struct member *x)
{
	return x->record ? x->record->watch_rings : 1;
}

uint32_t rings_scan(const struct gossip *g, const struct member *x, int ring, bool before)
{
	uint64_t at = rank(x->id, ring), best = 0;
	uint32_t ret = MEMBER_NONE;

	for (uint32_t c = 0; c < g->n_chunks; c++) {
		const struct member *chunk = g->chunks[c];

		for (uint32_t i = 0; i < CHUNK_MEMBERS; i++) {
			const struct member *m = &chunk[i];
			uint64_t away;

			if (!members_in_ring(m) || m == x)
				continue;
			away = before ? at - rank(m->id, ring) : rank(m->id, ring) - at;
			if (ret == MEMBER_NONE || away < best) {
				best = away;
				ret = c * CHUNK_MEMBERS + i;
			}
		}
	}
	return ret;
}

/* y came: does it stand between x and its neighbour? */
static bool nearer(
	const struct gossip *g, const struct member *x, uint32_t neighbour, uint64_t y_rank, int ring, bool before)
{
	uint64_t at, other;

	if (neighbour == MEMBER_NONE)
		return true;
	at = rank(x->id, ring);
	other = rank(members_at(g, neighbour)->id, ring);
	return before ? at - y_rank < at - other : y_rank - at < other - at;
}

void rings_joined(struct gossip *g, uint32_t index)
{
	const struct member *self = members_at(g, g->self);
	uint64_t ranks[GOSSIP_RINGS];

	for (int r = 0; r < GOSSIP_RINGS; r++)
		ranks[r] = rank(members_at(g, index)->id, r);
	for (int r = 0; r < GOSSIP_RINGS && index != g->self; r++) {
		if (nearer(g, self, g->pred[r], ranks[r], r, true))
			g->pred[r] = index;
		if (nearer(g, self, g->succ[r], ranks[r], r, false))
			g->succ[r] = index;
	}
	for (struct accused *a = g->accused; a; a = a->next)
		for (int r = 0; r < GOSSIP_RINGS && a->member != index; r++)
			if (nearer(g, members_at(g, a->member), a->pred[r], ranks[r], r, true))
				a->pred[r] = index;
	g->judge = g->judge || g->accused;
	g->rewire = true;
}

void rings_gone(struct gossip *g, uint32_t index)
{
	const struct member *self = members_at(g, g->self);

	for (int r = 0; r < GOSSIP_RINGS; r++) {
		if (g->pred[r] == index)
			g->pred[r] = rings_scan(g, self, r, true);
		if (g->succ[r] == index)
			g->succ[r] = rings_scan(g, self, r, false);
	}
	for (struct accused *a = g->accused; a; a = a->next)
		for (int r = 0; r < GOSSIP_RINGS; r++)
			if (a->pred[r] == index)
				a->pred[r] = rings_scan(g, members_at(g, a->member), r, true);
	g->judge = g->judge || g->accused;
	g->rewire = true;
}

void rings_observe(struct gossip *g, struct accused *a)
{
	for (int r = 0; r < GOSSIP_RINGS; r++)
		a->pred[r] = rings_scan(g, members_at(g, a->member), r, true);
}

size_t rings_distinct(const uint32_t *v, size_t n, uint32_t *ret)
{
	size_t n_ret = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		while (k < n_ret && ret[k] != v[i])
			k++;
		if (k == n_ret && v[i] != MEMBER_NONE)
			ret[n_ret++] = v[i];
	}
	return n_ret;
}

size_t rings_observers(const struct gossip *g, const struct member *x, uint32_t ret[GOSSIP_RINGS])
{
	uint32_t pred[GOSSIP_RINGS];
	int n = rings_watch(x);

	for (int r = 0; r < n; r++)
		pred[r] = x->accused ? x->accused->pred[r] : rings_scan(g, x, r, true);
	return rings_distinct(pred, (size_t)n, ret);
}
