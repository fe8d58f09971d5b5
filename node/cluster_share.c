/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this node tells of itself (told.h has the form): a replica when the turn of the loop in which it changed ends,
 * and its agent with it; an agent of which no replica changed a little later, since all hear of a decision at once, and
 * what each has to say of it would be in the way of that; its use when it changed enough. Whether one changed is seen
 * by a hash of what would be told, so that a plan of a thousand replicas packs none that is as it was.
 */
#include "node/cluster_share.h"

#include <stdio.h>
#include <string.h>

#include "node/cluster_priv.h"
#include "node/cluster_set.h"
#include "node/told.h"
#include "node/enough.h"
#include "node/report_priv.h"
#include "supervisor/health.h"

#define AGENTS_S      0.05 /* a decision is everywhere by then */
#define USE_EVERY_S   10.0
#define USE_REPLICA_S 0.05 /* reading what one uses takes some 50 us: it stays a thousandth of the time */

#define NOT_TOLD 2 /* as a hash of what was told, which is odd */

/* FNV-1a, by the byte. */
static uint64_t mix(uint64_t h, const void *v, size_t n)
{
	const uint8_t *p = v;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

static uint64_t mix_int(uint64_t h, int64_t v)
{
	return mix(h, &v, sizeof(v));
}

static uint64_t begin_hash(const struct cluster *c)
{
	return mix_int(0xcbf29ce484222325, (int64_t)c->cores_made); /* a new core has to be told all again */
}

/* false: it was not told. */
static bool put(struct cluster *c, const char *key, const struct bytes *v)
{
	if (!v->failed && v->n <= GOSSIP_VALUE_MAX)
		return cluster_set(c, key, v->v, v->n);
	cluster_set_lost(c, v->n <= GOSSIP_VALUE_MAX);
	return false;
}

/* ---- a replica ---- */

static uint64_t hash_replica(const struct cluster *c, const struct runner *r)
{
	const struct replica_exit *x = &r->core.last_exit;
	uint64_t h = begin_hash(c);

	h = mix_int(h, r->core.state);
	h = mix_int(h, replica_health(&r->core));
	h = mix_int(h, report_pid(r));
	h = mix_int(h, r->core.restarts);
	h = mix_int(h, (int64_t)r->epoch);
	h = mix_int(h, r->core.since_wall_ms);
	h = mix_int(h, (int64_t)r->refused.total);
	h = mix_int(h, runner_version(r));
	h = mix_int(h, r->ready_since_ms);
	h = mix_int(h, x->at_wall_ms);
	h = mix(h, x->text, strlen(x->text));
	return mix(h, r->core.status, strlen(r->core.status)) | 1; /* never 0 */
}

static void pack_exit(struct mp_writer *w, const struct replica_exit *x)
{
	char name[16];

	if (x->reason == REASON_NONE) {
		mp_nil(w);
		return;
	}
	mp_array(w, TOLD_EXIT_MAX);
	mp_str(w, replica_reason_name(x->reason));
	mp_int(w, x->code);
	mp_str(w, x->signal > 0 ? replica_signal_name(x->signal, name, sizeof(name)) : NULL);
	mp_str(w, x->text);
	mp_int(w, x->at_wall_ms);
}

static void pack_replica(struct mp_writer *w, const struct runner *r)
{
	mp_array(w, TOLD_REPLICA_MAX);
	mp_str(w, replica_state_name((enum replica_state)r->core.state));
	mp_str(w, health_level_name(replica_health(&r->core)));
	mp_int(w, report_pid(r));
	mp_int(w, r->core.restarts);
	mp_uint(w, r->epoch);
	mp_int(w, r->core.since_wall_ms);
	pack_exit(w, &r->core.last_exit);
	mp_uint(w, r->refused.total);
	mp_str(w, *r->core.status ? r->core.status : NULL);
	mp_int(w, runner_version(r));
	if (r->ready_since_ms)
		mp_int(w, r->ready_since_ms);
	else
		mp_nil(w);
}

static void share_replica(struct cluster *c, struct runner *r)
{
	CLEANUP(bytes_done) struct bytes v = {.max = GOSSIP_VALUE_MAX + 1};
	uint64_t h = hash_replica(c, r);
	char key[sizeof(TOLD_REPLICA) + REPLICA_ID_MAX];
	struct mp_writer w;

	if (h == r->told_hash)
		return;
	r->agent->told_replica = true;
	mp_writer_init(&w, &v);
	pack_replica(&w, r);
	(void)snprintf(key, sizeof(key), TOLD_REPLICA "%s", r->id); /* fits */
	r->told_hash = put(c, key, &v) ? h : NOT_TOLD;
}

void cluster_share_gone(struct cluster *c, const struct runner *r)
{
	char key[sizeof(TOLD_REPLICA) + REPLICA_ID_MAX];

	r->agent->told_replica = true;
	(void)snprintf(key, sizeof(key), TOLD_REPLICA "%s", r->id); /* fits */
	(void)cluster_set(c, key, NULL, 0);			    /* always done */
}

/* ---- an agent ---- */

static void agent_key(const struct agent *a, char *key, size_t n)
{
	bool own = a->scope == SPEC_SCOPE_NODE;

	(void)snprintf(key, n, TOLD_AGENT "%s%s%s", own ? a->node->cfg->name : "", own ? "/" : "", a->name); /* fits */
}

/* For all replicas of which a process may be there. */
static void pack_reserved(struct mp_writer *w, const struct agent *a)
{
	int64_t cpu_milli = 0, memory_bytes = 0;

	for (size_t i = 0; i < a->n_slots; i++) {
		const struct runner *r = a->slots[i];

		if (!r || !runner_is_alive(r))
			continue;
		cpu_milli += r->spec->resources.reserve_cpu_milli;
		memory_bytes += r->spec->resources.reserve_memory_bytes;
	}
	mp_int(w, cpu_milli);
	mp_int(w, memory_bytes);
}

/* Of a replica that was found, or not taken, nothing is told yet: who heard that we act on a decision would think it
 * gone. */
static bool is_awaiting(const struct agent *a)
{
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i] && (a->slots[i]->awaiting || a->slots[i]->told_hash == NOT_TOLD))
			return true;
	return false;
}

static void share_agent(struct cluster *c, struct agent *a)
{
	CLEANUP(bytes_done) struct bytes v = {.max = GOSSIP_VALUE_MAX + 1};
	char key[sizeof(TOLD_AGENT) + 2 * NAME_MAX_LEN + 2], reason[256];
	struct roster_count n;
	struct mp_writer w;
	uint64_t h;

	roster_count(a, &n);
	mp_writer_init(&w, &v);
	mp_array(&w, TOLD_AGENT_MAX);
	mp_str(&w, spec_kind_name(a->spec->kind));
	mp_str(&w, report_agent_state(a, &n));
	mp_int(&w, n.desired);
	mp_int(&w, a->version);
	mp_bool(&w, a->stopped);
	mp_str(&w, n.running < n.desired ? report_pending_reason(a, reason, sizeof(reason)) : NULL);
	if (a->decided && !is_awaiting(a))
		mp_uint(&w, a->decided->number);
	else
		mp_nil(&w);
	pack_reserved(&w, a);
	h = mix(begin_hash(c), v.v, v.failed ? 0 : v.n) | 1; /* never 0 */
	if (h == a->told_hash)
		return;
	agent_key(a, key, sizeof(key));
	a->told_hash = put(c, key, &v) ? h : NOT_TOLD;
}

/* What the cluster has decided all know; a node tells what it has of it, and that it has nothing left. */
static bool is_to_tell(const struct agent *a)
{
	return !a->decided || a->decided->named || a->n_slots > 0;
}

static void share_own(struct cluster *c, struct agent *a)
{
	a->tell_due = a->told_replica = false;
	if (is_to_tell(a)) {
		share_agent(c, a);
		return;
	}
	if (a->told_hash)
		cluster_share_removed(c, a);
	a->told_hash = 0;
}

void cluster_share_agent(struct cluster *c, struct agent *a)
{
	if (!a->spec)
		return;
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i] && !a->slots[i]->awaiting)
			share_replica(c, a->slots[i]);
	if (!a->decided || a->told_replica) {
		share_own(c, a);
		return;
	}
	a->tell_due = true;
	if (!ev_is_active(&c->agents_timer)) {
		ev_timer_set(&c->agents_timer, AGENTS_S, 0.);
		ev_timer_start(c->n->loop, &c->agents_timer);
	}
}

static void on_agents(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n);
	LIST_FOREACH (at, &c->n->roster.order) {
		struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (a->tell_due)
			share_own(c, a);
	}
}

void cluster_share_removed(struct cluster *c, const struct agent *a)
{
	char key[sizeof(TOLD_AGENT) + 2 * NAME_MAX_LEN + 2];

	agent_key(a, key, sizeof(key));
	(void)cluster_set(c, key, NULL, 0); /* always done */
}

/* ---- the node ---- */

void cluster_share_node(struct cluster *c)
{
	CLEANUP(bytes_done) struct bytes v = {.max = 64 * 1024};
	const struct config *cfg = c->n->cfg;
	struct mp_writer w;

	report_own_capacity(c->n, &c->capacity.cpu_cores, &c->capacity.memory_bytes);
	mp_writer_init(&w, &v);
	mp_array(&w, TOLD_NODE_MAX);
	mp_bool(&w, cfg->schedulable);
	mp_bool(&w, c->n->draining);
	mp_double(&w, c->capacity.cpu_cores);
	mp_int(&w, c->capacity.memory_bytes);
	mp_map(&w, cfg->labels.n);
	for (size_t i = 0; i < cfg->labels.n; i++)
		mp_key_str(&w, cfg->labels.v[i].key, cfg->labels.v[i].value);
	(void)put(c, TOLD_NODE, &v); /* told anew with all that was not; so below */
}

static void share_use(struct cluster *c, bool anyway)
{
	CLEANUP(bytes_done) struct bytes v = {.max = GOSSIP_VALUE_MAX};
	struct report_use use;
	struct enough_use is;
	struct mp_writer w;

	report_own_use(c->n, &use);
	is = (struct enough_use){use.cpu_cores, use.memory_bytes};
	if (!anyway && !enough_changed(&c->use, &is, &c->capacity, c->n->now.mono_ms - c->use_told_ms))
		return;
	c->use = is;
	c->use_told_ms = c->n->now.mono_ms;
	mp_writer_init(&w, &v);
	mp_array(&w, TOLD_USE_MAX);
	mp_double(&w, is.cpu_cores);
	mp_int(&w, is.memory_bytes);
	(void)put(c, TOLD_USE, &v);
}

static void on_use(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;
	double every_s = MAX(USE_EVERY_S, USE_REPLICA_S * (double)c->n->roster.runners.n);

	(void)revents;
	node_now(c->n);
	if (c->g)
		share_use(c, false);
	ev_timer_set(w, every_s, 0.);
	ev_timer_start(loop, w);
}

void cluster_share_untold(struct cluster *c)
{
	cluster_share_node(c);
	share_use(c, true);
	LIST_FOREACH (at, &c->n->roster.order)
		cluster_share_agent(c, LIST_ENTRY(at, struct agent, order));
}

void cluster_share_all(struct cluster *c)
{
	c->cores_made++;
	cluster_share_untold(c);
}

void cluster_share_init(struct cluster *c)
{
	ev_timer_init(&c->use_timer, on_use, USE_EVERY_S, 0.);
	c->use_timer.data = c;
	ev_timer_start(c->n->loop, &c->use_timer);
	ev_timer_init(&c->agents_timer, on_agents, AGENTS_S, 0.);
	c->agents_timer.data = c;
}

void cluster_share_done(struct cluster *c)
{
	ev_timer_stop(c->n->loop, &c->use_timer);
	ev_timer_stop(c->n->loop, &c->agents_timer);
}
