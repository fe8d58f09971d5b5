/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gossip does, in numbers: for /metrics and `covey top`.
 */
#include "node/cluster_figures.h"

#include "node/cluster_priv.h"
#include "node/fetch.h"

static void count_registers(const struct cluster *c, struct cluster_figures *ret)
{
	struct cluster_register_figures r;

	cluster_register_figures(c, &r);
	ret->registers_in = (int64_t)r.parcels.in;
	ret->registers_out = (int64_t)r.parcels.out;
	ret->registers_dropped = (int64_t)(r.parcels.full + r.parcels.lost + r.unlinked + r.unheard);
	ret->registers_bad = (int64_t)(r.bad + r.parcels.strays + r.parcels.too_large);
	ret->registers_bytes = (int64_t)r.held;
}

static void count_members(const struct gossip *g, struct cluster_figures *ret)
{
	int64_t *const counts[] = {[GOSSIP_ALIVE] = &ret->alive,
		[GOSSIP_SUSPECT] = &ret->suspect,
		[GOSSIP_DEAD] = &ret->dead,
		[GOSSIP_LEFT] = &ret->left};
	struct gossip_member m;

	for (uint32_t at = 0; gossip_member_next(g, &at, &m);)
		if (m.state < ARRAY_LEN(counts))
			++*counts[m.state];
}

void cluster_figures(const struct cluster *c, struct cluster_figures *ret)
{
	struct transport_stats t;
	struct gossip_figures g;
	struct fetch_figures f;

	*ret = CLUSTER_FIGURES_NONE;
	if (!c || !c->g)
		return;
	*ret = (struct cluster_figures){0};
	count_members(c->g, ret);
	transport_stats(c->t, &t);
	gossip_figures(c->g, &g);
	ret->links = g.links;
	ret->links_eager = g.links_eager;
	ret->frames_in = (int64_t)t.frames_in;
	ret->frames_out = (int64_t)t.frames_out;
	ret->bytes_in = (int64_t)t.bytes_in;
	ret->bytes_out = (int64_t)t.bytes_out;
	ret->dialled = (int64_t)t.dialled;
	ret->accepted = (int64_t)t.accepted;
	ret->turned_away = (int64_t)t.turned_away;
	ret->bad_frames = (int64_t)(c->bad_frames + t.bad_frames);
	ret->refused = (int64_t)g.refused;
	ret->syncs = (int64_t)g.syncs;
	ret->late = (int64_t)g.late_ticks;
	ret->health = g.health;
	ret->values_bytes = (int64_t)g.values_bytes;
	ret->isolated = gossip_is_isolated(c->g);
	fetch_figures(c->fetch, &f);
	ret->asked = (int64_t)f.asked;
	ret->asked_failed = (int64_t)f.failed;
	ret->served = (int64_t)f.served;
	ret->served_refused = (int64_t)f.refused;
	ret->passed = (int64_t)f.passed;
	ret->strays = (int64_t)f.strays;
	ret->answers_bytes = (int64_t)f.held;
	count_registers(c, ret);
}
