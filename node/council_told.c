/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What gossip tells of members, as the core has to hear it: who is there, and what changed of an agent's replicas.
 */
#include <stdio.h>
#include <string.h>

#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/node.h"

static void hosts(struct council *c, enum sched_event_type event, const struct gossip_member *m)
{
	struct uuid u = {{0}};

	if (m->has_record)
		memcpy(u.v, m->record.uuid, sizeof(u.v));
	council_view_drop(c);
	(void)council_in(
		c, &(struct agree_in){
			   .type = AGREE_IN_HOSTS, .event = event, .subject = register_node_of(&u)}); /* cannot fail */
}

void council_member(struct council *c, const struct gossip_member *m, int was)
{
	c->mend_due = true;
	switch (m->state) {
	case GOSSIP_ALIVE:
		if (was != GOSSIP_SUSPECT)
			hosts(c, SCHED_EVENT_NODE_BACK, m);
		break;
	case GOSSIP_DEAD:
		hosts(c, SCHED_EVENT_NODE_DEAD, m);
		break;
	case GOSSIP_LEFT:
	case GOSSIP_FORGOTTEN:
		hosts(c, SCHED_EVENT_NODE_GONE, m);
		break;
	case GOSSIP_SUSPECT:
	case GOSSIP_STATE_MAX:
		break;
	}
}

/* "web" of "web.3". */
static struct gossip_str agent_of(struct gossip_str id)
{
	const char *dot = memrchr(id.v, '.', id.n);

	return dot ? (struct gossip_str){id.v, (uint16_t)(dot - id.v)} : id;
}

static bool begins(struct gossip_str key, const char *with, struct gossip_str *rest)
{
	size_t n = strlen(with);

	if (key.n < n || memcmp(key.v, with, n) != 0)
		return false;
	*rest = (struct gossip_str){key.v + n, (uint16_t)(key.n - n)};
	return true;
}

/* Agents here that wait for that one. */
static void wake(struct council *c, struct gossip_str agent)
{
	char name[NAME_MAX_LEN + 1];

	if (!c->n->roster.depends)
		return;
	(void)snprintf(name, sizeof(name), "%.*s", (int)agent.n, agent.v); /* fits */
	roster_wake_dependents(c->n, name);
}

/* Something is said of an agent's replicas: whether anything is to be decided of it now. */
static void look_at(struct council *c, struct gossip_str agent)
{
	struct agree_in in = {.type = AGREE_IN_AGENT};

	if (agent.n > NAME_MAX_LEN || memchr(agent.v, '/', agent.n))
		return; /* a node's own */
	wake(c, agent);
	in.key.n = (uint8_t)agent.n;
	memcpy(in.key.v, agent.v, agent.n);
	(void)council_in(c, &in); /* cannot fail */
}

void council_told(struct council *c, const struct gossip_member *m, uint32_t version)
{
	const struct gossip *g = cluster_core(c->n->cluster);
	struct gossip_entry e;
	struct gossip_str rest;

	council_view_drop(c);
	c->mend_due |= version == 0; /* one that begins anew: what it told before nobody tells */
	for (uint32_t at = 0; gossip_value_next(g, m->id, &at, &e);) {
		if (e.version <= version)
			continue;
		if (begins(e.key, TOLD_CHOSEN, &rest)) {
			if (!e.removed && !m->self)
				council_hint_heard(c, m, &e);
		} else if (begins(e.key, TOLD_AGENT, &rest)) {
			look_at(c, rest);
		} else if (begins(e.key, TOLD_REPLICA, &rest)) {
			look_at(c, agent_of(rest));
		} else if (begins(e.key, TOLD_NODE, &rest)) {
			hosts(c, SCHED_EVENT_TICK, m);
		}
	}
}

void council_linked(struct council *c, const struct uuid *peer)
{
	council_seen_tell(c, peer);
	council_recall_linked(c, peer);
}

void council_anew(struct council *c)
{
	council_hint_anew(c);
}

void council_again(struct council *c)
{
	council_hint_again(c);
}
