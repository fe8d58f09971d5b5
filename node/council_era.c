/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lost voters are given up (agree_recover.c): what people are told of it, on the side that goes on and on the other.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gossip/identity.h"
#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/node.h"

const struct agree_recovery *council_recovery(const struct council *c)
{
	return agree_recovery(c->a);
}

char *council_names(const struct council *c, const struct uuid *v, size_t n, char *out, size_t size)
{
	const struct gossip *g = c->n->cluster ? cluster_core(c->n->cluster) : NULL;
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n && at < size; i++) {
		char id[IDENTITY_UUID_TEXT];
		struct gossip_member m;
		bool known = g && gossip_member_get(g, gossip_id_of(v[i].v), &m) && m.has_record;

		at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "",
			known ? m.record.name.v : identity_text(v[i].v, id)); /* cut is fine */
	}
	return out;
}

static void tell(struct council *c, const struct quorum_cfg *cfg)
{
	const struct agree_recovery *r = council_recovery(c);
	bool votes = quorum_index(cfg, &c->self) >= 0;
	char gone[256];

	if (votes && r->state == AGREE_RECOVERY_BEGUN)
		node_event(c->n, SEVERITY_WARNING, "recovered", NULL, NULL,
			"%s gave up the voters %s, as it was told to: what they alone had acknowledged is lost; epoch "
			"%" PRIu64,
			c->n->cfg->name, council_names(c, r->gone, r->n_gone, gone, sizeof(gone)), cfg->epoch);
	else if (votes || !c->voted)
		node_event(c->n, SEVERITY_WARNING, "recovered", NULL, NULL,
			"lost voters were given up, and what they alone had acknowledged: %s goes on with the others; "
			"epoch %" PRIu64,
			c->n->cfg->name, cfg->epoch);
	else
		node_event(c->n, SEVERITY_WARNING, "given-up", NULL, NULL,
			"%s was given up as a voter by others, who went on without it: it does not vote until it is "
			"chosen again, stops what runs here under leases, and drops what they do not know; epoch "
			"%" PRIu64,
			c->n->cfg->name, cfg->epoch);
}

void council_era_turn(struct council *c)
{
	const struct quorum_cfg *cfg = council_voters(c);
	uint64_t floor = quorum_floor(cfg->epoch);

	if (floor > c->floor && c->voters_known)
		tell(c, cfg);
	c->floor = floor;
	c->voters_known = cfg->epoch > 0;
	c->voted = quorum_index(cfg, &c->self) >= 0;
}
