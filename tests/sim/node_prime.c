/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cluster that was together before the run begins: what every core has been told by then is put into it directly.
 * Coming together is n² words; at ten thousand nodes that is hours of what the scenarios do not ask about. Links are
 * not put there: the cores dial them, as after a power cut.
 */
#include "gossip/gossip_impl.h"
#include "tests/sim/node_priv.h"
#include "tests/sim/oracle.h"

static void tell_of(struct sim_node *n, const struct sim_node *other, uint64_t incarnation)
{
	struct gossip_record record;
	struct admit a = {.by_link = false};
	const struct member *m;

	node_record(other, &record);
	m = admit_member(n->g, incarnation, &record, FROM_NONE, &a);
	assert(m && a.news);
}

void node_prime_all(struct sim *s)
{
	uint64_t *incarnations = calloc(s->o.nodes, sizeof(*incarnations));

	assert(incarnations);
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		struct sim_node *n = &s->nodes[i];
		struct gossip_member self;
		bool started = node_start(n, true), there;

		assert(started);
		there = gossip_member_get(n->g, n->id, &self);
		assert(there);
		incarnations[i] = self.incarnation;
	}
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		for (uint32_t k = 0; k < s->o.nodes; k++)
			if (k != i)
				tell_of(&s->nodes[i], &s->nodes[k], incarnations[k]);
		oracle_stepped(&s->nodes[i]);
		node_set_timer(&s->nodes[i]);
	}
	free(incarnations);
}
