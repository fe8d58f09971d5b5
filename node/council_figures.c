/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is decided here, in numbers: for /metrics.
 */
#include "node/council_figures.h"

#include "node/council_priv.h"
#include "node/node.h"

static int64_t agents(const struct registers *r)
{
	struct msg_key key;
	int64_t n = 0;

	for (size_t at = 0; registers_next(r, &at, &key);)
		n += key.n > 0;
	return n;
}

void council_figures(const struct council *c, struct council_figures *ret)
{
	struct registers_figures f;
	const struct registers *r;
	const struct quorum_cfg *cfg;

	*ret = (struct council_figures){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
	if (!c || !c->a)
		return;
	r = agree_registers(c->a);
	cfg = council_voters(c);
	registers_figures(r, &f);
	*ret = (struct council_figures){.epoch = (int64_t)cfg->epoch,
		.voters = quorum_voters(cfg),
		.votes = quorum_index(cfg, &c->self) >= 0,
		.quorum = council_has_quorum(c),
		.agents = agents(r),
		.chosen = (int64_t)f.ended[PROPOSER_CHOSEN],
		.refused = (int64_t)f.ended[PROPOSER_REFUSED],
		.held = (int64_t)f.ended[PROPOSER_HELD],
		.unknown = (int64_t)f.ended[PROPOSER_UNKNOWN],
		.under_way = (int64_t)f.under_way,
		.round_ms = registers_round_ms(r),
		.leases = lease_held(&c->hold.lease, c->n->now)};
}
