/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pull: what a link has to say next, the most urgent first; bulk gives way with each message.
 */
#include "gossip/gossip_impl.h"

static bool pull_urgent(struct link *l, struct gossip_msg *ret)
{
	const struct urgent *u = &l->urgent[l->urgent_at];

	if (l->urgent_n == 0)
		return false;
	ret->type = u->type;
	ret->probe = u->probe;
	l->urgent_at = (l->urgent_at + 1) % URGENT_MAX;
	l->urgent_n--;
	return true;
}

/* A greeting, a beat, the word that the link is lazy now: each a few bytes. */
static bool pull_small(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	uint64_t inc = members_at(g, g->self)->inc;

	if (l->greet_due) {
		l->greet_due = false;
		l->want_told = l->wanted;
		ret->type = GOSSIP_MSG_GREET;
		ret->greet = (struct gossip_msg_greet){inc, g->view_hash, l->wanted};
		return true;
	}
	if (l->beat_due) {
		l->beat_due = false;
		ret->type = GOSSIP_MSG_BEAT;
		ret->beat = (struct gossip_msg_beat){inc, g->view_hash};
		return true;
	}
	if (pull_urgent(l, ret))
		return true;
	if (!l->prune_due)
		return false;
	l->prune_due = false;
	ret->type = GOSSIP_MSG_PRUNE;
	return true;
}

/* What others say of it itself. */
static bool pull_contested(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	if (!l->contested)
		return false;
	ret->type = GOSSIP_MSG_STATES;
	ret->states.n = 1;
	ret->states.v[0] = (struct gossip_msg_state){
		.id = members_at(g, l->member)->id, .incarnation = l->contested, .flags = GOSSIP_FLAG_DEAD};
	l->contested = 0;
	return true;
}

bool gossip_pull(struct gossip *g, uint32_t link, struct now now, struct gossip_msg *ret)
{
	struct link *l = link < GOSSIP_LINKS_MAX ? g->links[link] : NULL;

	if (!l || l->closing)
		return false;
	g->now = now;
	if (pull_small(g, l, ret) || pull_contested(g, l, ret) || sync_pull_sync(g, l, ret) ||
		spread_states(g, l, ret) || sync_pull_wants(g, l, ret) || spread_deltas(g, l, ret) ||
		spread_lazy(g, l, ret) || sync_pull_serve(g, l, ret) || sync_pull_walk(g, l, ret)) {
		g->figures.msgs_out[ret->type]++;
		return true;
	}
	l->ready = l->ready_told = false;
	if (g->leaving && !g->left_told)
		g->deadline_ms = MIN(g->deadline_ms, now.mono_ms);
	return false;
}
