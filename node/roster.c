/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents that this node knows. Whatever changes marks its agent; before the loop waits, each marked agent is
 * planned once (supervisor/plan.c) and the moves are handed to its runners. Nothing is decided here but the order in
 * which waiting replicas get their turn to start.
 */
#include "node/roster.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_share.h"
#include "node/council_priv.h"
#include "node/node.h"
#include "node/runner_parts.h"
#include "node/shimfiles.h"
#include "supervisor/logs.h"

#define MOVES_A_PLAN	  256
#define SETTLE_ROUNDS_MAX 64 /* plans of one turn; what is left comes in the next */

static struct agent *agent_of(struct map_node *node)
{
	return CONTAINER_OF(node, struct agent, by_name);
}

int roster_init(struct node *n, struct err *e)
{
	uint64_t seed = rng_u64(&n->rng);

	(void)e;
	map_init(&n->roster.agents, AGENTS_MAX, seed);
	map_init(&n->roster.runners, (size_t)AGENTS_MAX * 2, seed);
	list_init(&n->roster.order);
	list_init(&n->roster.dirty);
	list_init(&n->roster.starting);
	return 0;
}

static void agent_free(struct agent *a)
{
	struct node *n = a->node;

	ev_timer_stop(n->loop, &a->again);
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i])
			runner_free(a->slots[i]);
	free(a->slots);
	map_del(&n->roster.agents, &a->by_name);
	list_del(&a->dirty);
	list_del(&a->order);
	spec_unref(a->spec);
	spec_unref(a->before);
	free(a->file);
	free(a->decided);
	register_seen_done(&a->seen, &council_mem);
	free(a);
}

void roster_drop(struct agent *a)
{
	assert(a->n_slots == 0);
	agent_free(a);
}

void roster_done(struct node *n)
{
	struct map_node *at = map_next(&n->roster.agents, NULL);

	n->roster.in_start = true; /* nothing is started on the way out */
	for (; at; at = map_next(&n->roster.agents, NULL))
		agent_free(agent_of(at));
	for (at = map_next(&n->roster.runners, NULL); at; at = map_next(&n->roster.runners, NULL))
		runner_free(CONTAINER_OF(at, struct runner, by_stem)); /* of agents that are gone */
	map_done(&n->roster.agents);
	map_done(&n->roster.runners);
}

const char *roster_bare(const struct node *n, const char *name)
{
	size_t len = strlen(n->cfg->name);

	return strncmp(name, n->cfg->name, len) == 0 && name[len] == '/' ? name + len + 1 : name;
}

struct agent *roster_find(struct node *n, const char *name)
{
	const char *bare = roster_bare(n, name);
	struct map_node *at = map_get(&n->roster.agents, bare);

	return at && (bare == name || agent_of(at)->scope == SPEC_SCOPE_NODE) ? agent_of(at) : NULL;
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	roster_mark(w->data);
}

/* Most names come in order already: looks from the end. */
static void insert_sorted(struct roster *ros, struct agent *a)
{
	struct list *at = ros->order.prev;

	while (at != &ros->order && strcmp(LIST_ENTRY(at, struct agent, order)->name, a->name) > 0)
		at = at->prev;
	list_add_tail(at->next, &a->order);
}

int roster_add(struct node *n, const char *name, enum spec_scope scope, struct agent **ret, struct err *e)
{
	struct agent *a = mem_zalloc(1, sizeof(*a));
	int rc;

	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	assert(strlen(name) < sizeof(a->name));
	memcpy(a->name, name, strlen(name) + 1);
	a->node = n;
	a->scope = scope;
	list_init(&a->dirty);
	list_init(&a->order);
	ev_timer_init(&a->again, on_again, 0., 0.);
	a->again.data = a;
	rc = map_add(&n->roster.agents, &a->by_name, a->name);
	if (rc < 0) {
		free(a);
		return rc == -ENOSPC ? err_set(e, rc, "%s: this node holds %d agents already, the most it may", name,
					       AGENTS_MAX)
				     : err_set(e, rc, "%s: %s", name, strerror(-rc));
	}
	insert_sorted(&n->roster, a);
	*ret = a;
	return 0;
}

void roster_set_spec(struct agent *a, struct agent_spec *spec)
{
	spec_unref(a->before);
	a->before = a->spec;
	a->spec = spec_ref(spec);
	roster_mark(a);
}

void roster_mark(struct agent *a)
{
	if (list_is_empty(&a->dirty))
		list_add_tail(&a->node->roster.dirty, &a->dirty);
}

static bool is_ready(const struct agent *dep)
{
	struct roster_count c;

	if (dep->decided)
		return decided_is_ready(dep->node, dep);
	roster_count(dep, &c);
	return c.ready >= c.desired;
}

static bool deps_ready(const struct agent *a)
{
	for (size_t i = 0; i < a->spec->depends_on.n; i++) {
		const struct agent *dep = roster_find(a->node, a->spec->depends_on.v[i]);

		if (!dep || dep->stopped || dep->removed || !is_ready(dep))
			return false;
	}
	return true;
}

/* How many of its replicas this node is to run. */
static int64_t desired_here(const struct agent *a)
{
	int64_t n = 0;

	if (a->stopped || a->removed || !a->decided)
		return a->stopped || a->removed ? 0 : a->desired;
	for (size_t i = 0; i < a->decided->n; i++)
		n += !a->decided->slots[i].rests;
	return n;
}

void roster_count(const struct agent *a, struct roster_count *ret)
{
	*ret = (struct roster_count){.desired = desired_here(a)};
	for (size_t i = 0; i < a->n_slots; i++) {
		const struct runner *r = a->slots[i];

		if (!r)
			continue;
		ret->exist++;
		ret->alive += runner_is_alive(r);
		ret->failed += r->core.state == REPLICA_FAILED;
		if (r->core.state != REPLICA_RUNNING)
			continue;
		ret->running++;
		ret->ready += replica_is_ready(&r->core);
		ret->current += runner_is_current(r);
		ret->healthy += replica_health(&r->core) != HEALTH_UNHEALTHY && replica_is_ready(&r->core);
	}
}

static bool is_wanted(const struct runner *r)
{
	const struct agent *a = r->agent;
	const struct decided_slot *s = a->decided ? decided_slot(a, r->slot) : NULL;

	if (a->decided)
		return s && !s->rests && !r->held;
	return !a->stopped && !a->removed && !r->held && r->slot < a->desired;
}

struct agent_spec *roster_spec(const struct runner *r)
{
	const struct decided_slot *s = r->agent->decided ? decided_slot(r->agent, r->slot) : NULL;
	struct agent_spec *spec = s ? decided_spec(r->agent, s) : NULL;

	if (!r->agent->decided)
		return r->agent->spec;
	return spec ? spec : r->spec;
}

int64_t roster_version(const struct runner *r)
{
	const struct agent *a = r->agent;

	if (!a->decided || roster_spec(r) == a->spec)
		return a->version;
	return roster_spec(r) == a->before ? a->decided->before_version : r->run_version;
}

/* It ends, to begin again with the newest definition: told so already. */
static bool is_being_replaced(const struct runner *r)
{
	return r->core.state == REPLICA_STOPPING && r->core.wanted && r->core.manual && r->spec == roster_spec(r);
}

static void fill_slot(const struct runner *r, int slot, struct plan_slot *ret)
{
	*ret = (struct plan_slot){.slot = slot, .exists = r != NULL};
	if (!r)
		return;
	if (r->awaiting) { /* until its shim has answered there is nothing to do about it */
		ret->state = REPLICA_STARTING;
		ret->current = true;
		ret->wanted = is_wanted(r);
		return;
	}
	ret->state = (enum replica_state)r->core.state;
	ret->wanted = r->core.wanted;
	ret->held = r->held;
	ret->current = (runner_is_current(r) || is_being_replaced(r)) && !r->restart_due;
	ret->ready = r->ready_since_ms > 0;
	ret->ready_since_ms = r->ready_since_ms;
}

static int grow_slots(struct agent *a, size_t want)
{
	struct runner **v;

	if (want <= a->n_slots)
		return 0;
	v = mem_realloc(a->slots, want * sizeof(struct runner *));
	if (!v)
		return -ENOMEM;
	memset(v + a->n_slots, 0, (want - a->n_slots) * sizeof(struct runner *));
	a->slots = v;
	a->n_slots = want;
	return 0;
}

struct runner *roster_slot(struct agent *a, int slot, const char *found)
{
	struct err e = {.text = "out of memory"};
	struct runner *r;

	assert(slot >= 0 && slot < REPLICAS_MAX);
	if ((size_t)slot < a->n_slots && a->slots[slot])
		return a->slots[slot];
	if (grow_slots(a, (size_t)slot + 1) == 0 && runner_new(a->node, a, slot, found, &r, &e) == 0) {
		a->slots[slot] = r;
		return r;
	}
	log_line(LOG_LEVEL_ERR, a->name, NULL, "slot %d cannot be made: %s; trying again at the next change", slot,
		e.text);
	return NULL;
}

static void replace(struct runner *r, const char *why)
{
	enum shim_why how = r->restart_due ? SHIM_WHY_RESTART : SHIM_WHY_UPDATE;

	r->restart_due = false;
	runner_take_spec(r, roster_spec(r));
	runner_restart(r, how, how == SHIM_WHY_RESTART ? "restarted by an operator" : why);
}

/* What it wrote goes with it: names come and go for ever, and the disk has a bound. */
static void remove_logs(const struct runner *r)
{
	char path[4096];
	struct err e;

	if (logs_remove(runner_log_path(r, path, sizeof(path)), &e) < 0)
		log_line(LOG_LEVEL_WARN, r->agent->name, r->id, "%s; the log stays", e.text);
}

static void forget_slot(struct agent *a, int slot)
{
	struct runner *r = a->slots[slot];

	remove_logs(r);
	if (a->node->cluster)
		cluster_share_gone(a->node->cluster, r);
	shimfiles_remove_sockets(a->node->cfg, r->stem);
	(void)store_del_replica(
		a->node->store, r->id, node_stored, a->node); /* a full queue is told by node_stored's figures */
	runner_free(r);
	a->slots[slot] = NULL;
	while (a->n_slots && !a->slots[a->n_slots - 1])
		a->n_slots--;
}

static void create(struct agent *a, int slot)
{
	const struct decided_slot *s = a->decided ? decided_slot(a, slot) : NULL;
	struct runner *r = roster_slot(a, slot, NULL); /* told there; the next plan asks again */

	if (r && s)
		r->epoch = s->epoch;
}

static void do_move(struct agent *a, const struct plan_move *m)
{
	struct runner *r = (size_t)m->slot < a->n_slots ? a->slots[m->slot] : NULL;

	if (m->type == PLAN_CREATE)
		create(a, m->slot);
	if (!r || r->awaiting)
		return;
	if (m->type == PLAN_RUN) {
		if (!runner_is_alive(r))
			runner_take_spec(r, roster_spec(r));
		runner_run(r);
	} else if (m->type == PLAN_STOP) {
		runner_stop(r, SHIM_WHY_STOPPED, m->why);
	} else if (m->type == PLAN_REPLACE) {
		replace(r, m->why);
	} else if (m->type == PLAN_FORGET && !runner_is_alive(r)) {
		forget_slot(a, m->slot);
	}
}

/* One whose readiness changed: those that depend on it are planned too. */
static void wake_dependents(struct agent *a)
{
	struct roster_count c;

	roster_count(a, &c);
	if (c.ready == a->ready_slots)
		return;
	a->ready_slots = c.ready;
	roster_wake_dependents(a->node, a->name);
}

void roster_wake_dependents(struct node *n, const char *name)
{
	LIST_FOREACH (at, &n->roster.order) {
		struct agent *other = LIST_ENTRY(at, struct agent, order);

		for (size_t i = 0; other->spec && i < other->spec->depends_on.n; i++)
			if (strcmp(other->spec->depends_on.v[i], name) == 0)
				roster_mark(other);
	}
}

static void arm_again(struct agent *a, int64_t again_ms)
{
	struct node *n = a->node;

	ev_timer_stop(n->loop, &a->again);
	if (again_ms == DEADLINE_NEVER)
		return;
	ev_timer_set(&a->again, (double)MAX(again_ms - n->now.mono_ms, (int64_t)1) / 1e3, 0.);
	ev_timer_start(n->loop, &a->again);
}

static bool all_gone(const struct agent *a)
{
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i])
			return false;
	return true;
}

/* What changed in the definition without a need to run anything anew (probes, restart, stop) counts at once. */
static void hand_over_spec(struct agent *a)
{
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i] && !a->slots[i]->awaiting && runner_is_current(a->slots[i]))
			runner_take_spec(a->slots[i], roster_spec(a->slots[i]));
}

const char *roster_barred(const struct agent *a, char *out, size_t n)
{
	const struct config *cfg = a->node->cfg;
	const char *others = a->node->cluster ? "this version moves nothing to another" : "there is no other";

	if (a->scope == SPEC_SCOPE_NODE || a->decided)
		return NULL;
	if (!cfg->schedulable) {
		(void)snprintf(out, n, "waits: %s is a witness (node.schedulable: no), and %s", cfg->name,
			others); /* a longer one is cut; so below */
		return out;
	}
	for (size_t i = 0; i < a->spec->place_require.n; i++) {
		if (spec_expression_holds(a->spec->place_require.v[i], &cfg->labels))
			continue;
		(void)snprintf(out, n, "waits for a node with %s, which %s is not, and %s", a->spec->place_require.v[i],
			cfg->name, others);
		return out;
	}
	return NULL;
}

/* How long the table of slots is: those that are there, and those that the cluster gave. */
static size_t table_len(const struct agent *a)
{
	const struct decided *d = a->decided;

	return d && d->n > 0 ? MAX(a->n_slots, (size_t)d->slots[d->n - 1].number + 1) : a->n_slots;
}

/* A replica that rests takes the epoch of its new assignment; one that runs is of another one, and stops first. */
static void fill_assigned(struct agent *a, size_t i, struct plan_slot *ret)
{
	const struct decided_slot *s = decided_slot(a, (int)i);
	struct runner *r = i < a->n_slots ? a->slots[i] : NULL;

	ret->assigned = s != NULL;
	ret->rests = s && s->rests;
	if (s && r && !runner_is_alive(r))
		runner_lease_spec(r); /* as the slot has it */
	if (!s || !r || r->awaiting || r->epoch == s->epoch)
		return;
	/* Of no epoch: it ran before the cluster was, and goes on. A lease wants its own start. */
	ret->other_epoch = runner_is_alive(r) && (r->epoch > 0 || s->leased);
	if (!ret->other_epoch)
		r->epoch = s->epoch;
}

static void fill_slots(struct agent *a, struct plan_slot *slots, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		fill_slot(i < a->n_slots ? a->slots[i] : NULL, (int)i, &slots[i]);
		if (a->decided)
			fill_assigned(a, i, &slots[i]);
	}
}

/* Nothing of it is here any more: the cluster may have it all the same. */
static void gone(struct agent *a)
{
	struct node *n = a->node;

	decided_gone(n, a);
	if (!a->removed)
		return;
	if (n->cluster)
		cluster_share_removed(n->cluster, a);
	if (a->scope == SPEC_SCOPE_CLUSTER && !a->decided)
		(void)store_del_agent(n->store, a->name, node_stored, n); /* full: removed again at the next start */
	if (!a->decided || !a->decided->named)
		agent_free(a);
}

static void plan_one(struct agent *a)
{
	struct plan_move v[MOVES_A_PLAN];
	struct plan_moves moves = {.cap = ARRAY_LEN(v), .v = v, .again_ms = DEADLINE_NEVER};
	size_t n = table_len(a);
	struct plan_slot *slots = mem_zalloc(n + 1, sizeof(*slots));
	char why[256];
	struct plan_view view = {.desired = a->desired,
		.stopped = a->stopped || roster_barred(a, why, sizeof(why)),
		.removed = a->removed,
		.paused = a->paused,
		.spec = a->spec,
		.slots = slots,
		.n_slots = n};

	if (!slots)
		return; /* the next change plans it */
	hand_over_spec(a);
	view.deps_ready = deps_ready(a);
	fill_slots(a, slots, n);
	if (a->decided)
		plan_assigned(&view, a->node->now, &moves);
	else
		plan_agent(&view, a->node->now, &moves);
	for (size_t i = 0; i < moves.n; i++)
		do_move(a, &moves.v[i]);
	free(slots);
	if (moves.more)
		roster_mark(a); /* runners that were told something have marked it themselves */
	for (size_t i = 0; !moves.more && i < a->n_slots; i++)
		if (a->slots[i] && a->slots[i]->lease_waits)
			runner_recalled(a->slots[i]);
	arm_again(a, moves.again_ms);
	wake_dependents(a);
	if (a->node->cluster)
		cluster_share_agent(a->node->cluster, a);
	if (all_gone(a))
		gone(a);
}

void roster_settle(struct node *n)
{
	size_t left = SETTLE_ROUNDS_MAX + n->roster.agents.n;

	while (!list_is_empty(&n->roster.dirty) && left-- > 0) {
		struct agent *a = LIST_ENTRY(n->roster.dirty.next, struct agent, dirty);

		list_del(&a->dirty);
		plan_one(a);
	}
}

struct runner *roster_runner(struct node *n, const char *id)
{
	char stem[RUNNER_STEM_MAX];
	struct map_node *at;

	if (strlen(id) >= sizeof(stem))
		return NULL;
	for (size_t i = 0; i <= strlen(id); i++)
		stem[i] = id[i] == '/' ? '+' : id[i];
	at = map_get(&n->roster.runners, stem);
	return at ? CONTAINER_OF(at, struct runner, by_stem) : NULL;
}

void roster_start_next(struct node *n)
{
	struct roster *ros = &n->roster;

	if (ros->in_start || (n->awaiting > 0 && !n->serving))
		return;
	ros->in_start = true; /* a start that fails at once may ask for the next from within */
	while (ros->n_starting < STARTING_MAX && !list_is_empty(&ros->starting)) {
		struct runner *r = LIST_ENTRY(ros->starting.next, struct runner, waiting);

		list_del(&r->waiting);
		launch_run(r);
	}
	ros->in_start = false;
}
