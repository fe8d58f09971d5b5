/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people are told of decisions and of who makes them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/decided.h"
#include "node/node.h"
#include "scheduler/explain.h"

const struct register_root *council_root(const struct council *c)
{
	return agree_root(c->a);
}

bool council_get(const struct council *c, const char *agent, struct ballot *ret_ballot, struct msg_bytes *ret_value)
{
	struct msg_key key;

	return c && c->a && decided_key(agent, &key) &&
	       registers_get(agree_registers(c->a), &key, ret_ballot, ret_value);
}

const struct quorum_cfg *council_voters(const struct council *c)
{
	return registers_cfg(agree_registers(c->a));
}

bool council_is_voter(const struct council *c, uint64_t member)
{
	const struct quorum_cfg *cfg = council_voters(c);

	for (uint8_t i = 0; i < cfg->old.n; i++)
		if (gossip_id_of(cfg->old.v[i].v) == member)
			return true;
	for (uint8_t i = 0; i < cfg->next.n; i++)
		if (gossip_id_of(cfg->next.v[i].v) == member)
			return true;
	return false;
}

static bool is_there(const struct council *c, const struct uuid *node)
{
	const struct gossip *g = c->n->cluster ? cluster_core(c->n->cluster) : NULL;
	struct gossip_member m;

	if (!g || !gossip_member_get(g, gossip_id_of(node->v), &m))
		return false;
	return m.self ||
	       (m.state <= GOSSIP_SUSPECT && !gossip_is_isolated(g)); /* who is isolated may call nobody dead */
}

/* Who is not known here is told by the first digits of its UUID, as in decisions. */
static const char *name_of(const struct council *c, const struct uuid *node, char out[NAME_MAX_LEN + 1])
{
	const char *name = cluster_seen_name(c->n->cluster, gossip_id_of(node->v));

	if (strcmp(name, "?") == 0)
		(void)snprintf(out, NAME_MAX_LEN + 1, "%08" PRIx64, register_node_of(node).hi >> 32); /* fits */
	else
		(void)snprintf(out, NAME_MAX_LEN + 1, "%s", name); /* fits */
	return out;
}

/* "n1, n2" of those that are not there. */
static char *missing(const struct council *c, char *out, size_t n)
{
	const struct quorum_cfg *cfg = council_voters(c);
	char name[NAME_MAX_LEN + 1];
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; i < quorum_voters(cfg) && at < n; i++) {
		const struct uuid *v = quorum_voter(cfg, i);

		if (!is_there(c, v))
			at += (size_t)snprintf(
				out + at, n - at, "%s%s", at ? ", " : "", name_of(c, v, name)); /* cut is fine */
	}
	return out;
}

bool council_has_quorum(const struct council *c)
{
	const struct quorum_cfg *cfg = council_voters(c);
	uint16_t mask = 0;

	for (int i = 0; i < quorum_voters(cfg); i++)
		mask |= (uint16_t)(is_there(c, quorum_voter(cfg, i)) ? 1u << i : 0);
	return cfg->epoch > 0 && quorum_reached(cfg, mask);
}

const struct uuid *council_self(const struct council *c)
{
	return &c->self;
}

bool council_is_leaving(const struct council *c, const struct uuid *node)
{
	const struct register_root *root = c->a ? council_root(c) : NULL;

	return root && register_nodes_has(&root->leaving, register_node_of(node));
}

bool council_is_draining(const struct council *c, const struct uuid *node)
{
	const struct register_root *root = c->a ? council_root(c) : NULL;

	return root && register_nodes_has(&root->draining, register_node_of(node));
}

bool council_has_handed_over(const struct council *c)
{
	if (quorum_index(council_voters(c), &c->self) >= 0)
		return false;
	LIST_FOREACH (at, &c->n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (a->decided && a->spec->kind != SPEC_EVERY_NODE && (a->n_slots > 0 || a->decided->n > 0))
			return false; /* what runs on every node runs on: it is nobody else's */
	}
	return true;
}

const char *council_fault(const struct council *c, char *out, size_t n)
{
	const struct cluster *cluster = c->n->cluster;
	char who[256];

	if (cluster && cluster_fault(cluster, out, n))
		return out;
	if (registers_cfg(agree_registers(c->a))->epoch == 0) {
		(void)snprintf(out, n, "%s has not heard yet who votes", c->n->cfg->name); /* cut is fine */
		return out;
	}
	if (council_has_quorum(c))
		return NULL;
	(void)snprintf(out, n, "no majority of the voters is there: of %d votes those of %s are missing",
		quorum_voters(council_voters(c)), missing(c, who, sizeof(who)));
	return out;
}

void council_pack_voters(const struct council *c, struct mp_writer *w)
{
	const struct gossip *g = c->n->cluster ? cluster_core(c->n->cluster) : NULL;
	const struct quorum_cfg *cfg = council_voters(c);
	int n = g ? quorum_voters(cfg) : 0;
	char name[NAME_MAX_LEN + 1];

	mp_array(w, (size_t)n);
	for (int i = 0; i < n; i++)
		mp_str(w, name_of(c, quorum_voter(cfg, i), name));
}

char *council_text(struct council *c, char *out, size_t n)
{
	const struct quorum_cfg *cfg = council_voters(c);
	struct electorate_count count;
	char advice[256] = "";
	size_t at;

	if (cfg->epoch == 0) {
		(void)snprintf(out, n, "it is not known yet who votes"); /* cut is fine; so below */
		return out;
	}
	(void)agree_electorate(c->a, &count, advice, sizeof(advice)); /* else there is no advice */
	at = (size_t)snprintf(out, n, "%d voters, epoch %" PRIu64 "%s", quorum_voters(cfg), cfg->epoch,
		quorum_is_joint(cfg) ? ", a change of them is under way" : "");
	if (*advice && at < n)
		at += (size_t)snprintf(out + at, n - at, "; %s", advice);
	if (*c->fault && at < n)
		(void)snprintf(out + at, n - at, "; %s does not vote: %s", c->n->cfg->name, c->fault);
	return out;
}

char *council_pending(struct council *c, const char *agent, char *out, size_t n)
{
	struct msg_key key;

	out[0] = '\0';
	return c->a && decided_key(agent, &key) ? agree_pending(c->a, &key, out, n) : out;
}

/* ---- a plan ---- */

struct planned {
	const char *agent;
	council_line *fn;
	void *ctx;
};

static void say(void *ctx, const struct sched_value *was, const struct sched_value *next, const struct sched_view *view)
{
	const struct planned *p = ctx;
	const struct sched_decision *d = next->n_decisions > 0 ? &next->decisions[next->n_decisions - 1] : NULL;
	char step[EXPLAIN_TEXT_MAX], text[EXPLAIN_TEXT_MAX + NAME_MAX_LEN + 8];

	if (!d || d->number == was->number ||
		(next->now.version == was->now.version && next->desired == was->desired && d->n_steps == 0)) {
		(void)snprintf(text, sizeof(text), "%s: unchanged", p->agent); /* fits; so below */
		p->fn(p->ctx, text);
		return;
	}
	(void)snprintf(text, sizeof(text), "%s: %s", p->agent, explain_decision(d, view, step, sizeof(step)));
	p->fn(p->ctx, text);
	for (uint32_t i = 0; i < d->n_steps && i < SCHED_STEPS_MAX; i++) {
		(void)snprintf(
			text, sizeof(text), "%s: %s", p->agent, explain_step(&d->steps[i], view, step, sizeof(step)));
		p->fn(p->ctx, text);
	}
	if (d->n_steps > SCHED_STEPS_MAX) {
		(void)snprintf(text, sizeof(text), "%s: and %u more", p->agent, d->n_steps - SCHED_STEPS_MAX);
		p->fn(p->ctx, text);
	}
}

int council_plan(struct council *c, const struct agree_command *cmd, council_line *fn, void *ctx, struct err *e)
{
	char agent[NAME_MAX_LEN + 1];
	struct planned p = {.agent = agent, .fn = fn, .ctx = ctx};

	(void)snprintf(agent, sizeof(agent), "%.*s", (int)cmd->key.n, cmd->key.v); /* fits */
	council_view_drop(c);
	return agree_plan(c->a, cmd, say, &p, e);
}
