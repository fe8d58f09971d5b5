/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the core asks of the world when it decides: the hosts and their replicas, as gossip tells them, made once a
 * turn of the loop, again when gossip or the root register has become another within it, and then for each agent; and
 * definitions, read once as long as there is place.
 */
#include <errno.h>

#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/node.h"

/* ---- hosts, and an agent's replicas ---- */

static int64_t since_ms(void *ctx, uint64_t id)
{
	const struct council *c = ctx;

	return cluster_since_mono(c->n->cluster, id);
}

void council_view_drop(struct council *c)
{
	if (!c->has_view)
		return;
	register_view_done(&c->view);
	register_hosts_done(&c->hosts);
	told_done(&c->told);
	c->view = (struct register_view){0};
	c->hosts = (struct register_hosts){0};
	c->has_view = false;
}

static bool make_hosts(struct council *c)
{
	const struct gossip *g = c->n->cluster ? cluster_core(c->n->cluster) : NULL;
	struct register_hosts_in in = {.g = g,
		.told = &c->told,
		.root = council_root(c),
		.since_ms = since_ms,
		.ctx = c,
		.now = c->n->now,
		.mem = council_mem};
	struct ballot root;
	struct err e;

	if (!g)
		return false;
	root = agree_root_ballot(c->a);
	if (c->has_view && c->view_changes == gossip_changes(g) && ballot_cmp(&c->view_root, &root) == 0)
		return true;
	council_view_drop(c);
	c->view_changes = gossip_changes(g);
	c->view_root = root;
	if (told_whole(g, &c->told) < 0) {
		told_done(&c->told);
		return false;
	}
	c->has_view = true;
	if (register_hosts_make(&c->hosts, &in, &e) == 0)
		return true;
	council_view_drop(c);
	return false;
}

bool council_view(void *ctx, const char *agent, struct sched_view *ret)
{
	struct council *c = ctx;
	struct agent *a = roster_find(c->n, agent);
	struct err e;

	if (!make_hosts(c))
		return false;
	register_view_done(&c->view);
	c->view = (struct register_view){0};
	if (register_view_make(&c->view, &c->hosts, agent, a ? &a->seen : &c->seen, c->n->now, &e) < 0)
		return false;
	*ret = c->view.view;
	return true;
}

/* ---- definitions ---- */

static void spend(struct council *c, struct council_def *d)
{
	if (!d->def)
		return;
	if (c->stepping && c->n_spent < ARRAY_LEN(c->spent))
		c->spent[c->n_spent++] = d->def;
	else
		register_def_free(&council_mem, d->def);
	d->def = NULL;
}

static bool is_of(const struct council_def *d, uint64_t hash, struct msg_bytes text)
{
	return d->def && d->hash == hash && d->def->agent->text_len == text.n &&
	       memcmp(d->def->agent->text, text.v, text.n) == 0;
}

void council_defined(struct council *c, struct agent_spec *spec)
{
	const struct msg_bytes text = {(const uint8_t *)spec->text, spec->text_len};
	uint64_t hash = register_hash(text);
	struct council_def *d = &c->defs[hash % COUNCIL_DEFS_MAX];
	struct register_def *def;
	struct err e;

	if (is_of(d, hash, text) || (c->stepping && d->def && c->n_spent == ARRAY_LEN(c->spent)) ||
		register_def_new(&council_mem, spec, &def, &e) < 0)
		return; /* it is read again */
	spend(c, d);
	*d = (struct council_def){.hash = hash, .def = def};
}

const struct register_def *council_def(struct council *c, struct msg_bytes text, struct err *e)
{
	uint64_t hash = register_hash(text);
	struct council_def *d = &c->defs[hash % COUNCIL_DEFS_MAX];
	struct register_def *def;

	if (is_of(d, hash, text))
		return d->def;
	if (c->stepping && d->def && c->n_spent == ARRAY_LEN(c->spent)) {
		(void)err_set(e, -EAGAIN, "too many definitions at a time"); /* the caller returns NULL's meaning */
		return NULL;
	}
	if (register_def_parse(&council_mem, text, &def, e) < 0)
		return NULL;
	spend(c, d);
	*d = (struct council_def){.hash = hash, .def = def};
	return def;
}

const struct sched_spec *council_spec(void *ctx, struct msg_bytes text, struct err *e)
{
	const struct register_def *d = council_def(ctx, text, e);

	return d ? &d->spec : NULL;
}

bool council_same_run(void *ctx, struct msg_bytes was, struct msg_bytes text)
{
	struct err e;
	const struct register_def *a = council_def(ctx, was, &e);
	uint64_t hash = a ? a->agent->run_hash : 0;
	const struct register_def *b = a ? council_def(ctx, text, &e) : NULL;

	return b && b->agent->run_hash == hash;
}

void council_defs_sweep(struct council *c)
{
	while (c->n_spent > 0)
		register_def_free(&council_mem, c->spent[--c->n_spent]);
}

void council_view_done(struct council *c)
{
	council_view_drop(c);
	council_defs_sweep(c);
	for (size_t i = 0; i < COUNCIL_DEFS_MAX; i++)
		register_def_free(&council_mem, c->defs[i].def);
	register_seen_done(&c->seen, &council_mem);
}
