/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rendezvous ranks: each node's hash with the agent, compared; no table, and a node that comes or goes changes the
 * rank of others by one at most.
 */
#include "scheduler/rank.h"

/* The finalizer of splitmix64. */
static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t rank_hash(const char *agent, struct sched_node node)
{
	uint64_t h = 0xcbf29ce484222325ULL; /* FNV-1a of the name, then the node mixed in */

	for (; *agent; agent++)
		h = (h ^ (unsigned char)*agent) * 0x100000001b3ULL;
	return mix(mix(mix(h) ^ node.hi) ^ node.lo);
}

static bool is_living(const struct sched_host *h)
{
	return h->state == SCHED_ALIVE || h->state == SCHED_SUSPECT;
}

/* Two nodes of one hash stand in the order of their ids. */
static bool stands_before(uint64_t a_hash, struct sched_node a, uint64_t b_hash, struct sched_node b)
{
	return a_hash != b_hash ? a_hash > b_hash : sched_compare_node(a, b) < 0;
}

uint32_t rank_of(const char *agent, const struct sched_view *view, struct sched_node node)
{
	const struct sched_host *self = sched_host_of(view, node);
	uint64_t own = rank_hash(agent, node);
	uint32_t rank = 0;

	if (!self || !is_living(self))
		return RANK_NONE;
	for (size_t i = 0; i < view->n_hosts; i++) {
		const struct sched_host *h = &view->hosts[i];

		if (is_living(h) && stands_before(rank_hash(agent, h->id), h->id, own, node))
			rank++;
	}
	return rank;
}

bool rank_node(const char *agent, const struct sched_view *view, uint32_t rank, struct sched_node *ret)
{
	struct sched_node at = {0};
	uint64_t at_hash = UINT64_MAX;
	bool any = false;

	for (uint32_t r = 0; r <= rank; r++) {
		const struct sched_host *best = NULL;
		uint64_t best_hash = 0;

		for (size_t i = 0; i < view->n_hosts; i++) {
			const struct sched_host *h = &view->hosts[i];
			uint64_t hash = rank_hash(agent, h->id);

			if (!is_living(h) || (any && !stands_before(at_hash, at, hash, h->id)))
				continue;
			if (best && !stands_before(hash, h->id, best_hash, best->id))
				continue;
			best = h;
			best_hash = hash;
		}
		if (!best)
			return false;
		at = best->id;
		at_hash = best_hash;
		any = true;
	}
	*ret = at;
	return true;
}

int64_t rank_delay_ms(uint32_t rank, uint32_t round_ms)
{
	int64_t step_ms = 4 * MIN((int64_t)round_ms, (int64_t)RANK_DELAY_MAX_MS);

	return MIN(rank * step_ms, (int64_t)RANK_DELAY_MAX_MS);
}
