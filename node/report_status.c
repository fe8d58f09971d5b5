/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading verb `status`: the agents of all nodes, each with its replicas wherever they are. Those of this node are
 * as they are now, those of others as they told, and those of a node that is dead are lost. Agents of one name on
 * several nodes are shown as one: desired is the sum, the state is the worst of those that lack something. A node's own
 * agents (agents_dir) stay apart; those of others are called "n2/web". Names and shapes are a contract.
 */
#include <stdio.h>
#include <string.h>

#include "node/cluster.h"
#include "node/council.h"
#include "node/told.h"
#include "node/node.h"
#include "node/report_far.h"
#include "node/report_priv.h"
#include "node/sample.h"

/* ---- a replica ---- */

/* Five pairs; reason NULL: it has not ended yet. */
static void pack_exit(
	struct mp_writer *w, const char *reason, int64_t code, const char *signal, const char *text, int64_t at_wall_ms)
{
	mp_str(w, "last_exit");
	if (!reason) {
		mp_nil(w);
		return;
	}
	mp_map(w, 5);
	mp_key_str(w, "reason", reason);
	report_key_int(w, "code", code);
	mp_key_str(w, "signal", signal);
	mp_key_str(w, "text", text);
	mp_key_time(w, "at", at_wall_ms);
}

static void pack_own_exit(struct mp_writer *w, const struct replica_exit *x)
{
	char name[16];

	pack_exit(w, x->reason == REASON_NONE ? NULL : replica_reason_name(x->reason), x->code,
		x->signal > 0 ? replica_signal_name(x->signal, name, sizeof(name)) : NULL, x->text, x->at_wall_ms);
}

/* Three pairs. */
static void pack_pressure(struct mp_writer *w, const struct runner *r)
{
	struct cgroup_pressure p;

	sample_pressure(r, &p);
	report_key_real(w, "pressure_cpu", p.cpu);
	report_key_real(w, "pressure_memory", p.memory);
	report_key_real(w, "pressure_io", p.io);
}

/* detail: one agent was asked for. */
static void pack_own(struct mp_writer *w, const struct runner *r, bool detail)
{
	struct cgroup_usage u;
	double cores = sample_usage(r, &u);

	mp_map(w, detail ? 19 : 16);
	mp_key_str(w, "id", r->id);
	mp_key_str(w, "node", r->node->cfg->name);
	mp_key_str(w, "state", replica_state_name((enum replica_state)r->core.state));
	mp_key_str(w, "health", health_level_name(replica_health(&r->core)));
	report_key_int(w, "pid", report_pid(r));
	mp_key_int(w, "restarts", r->core.restarts);
	mp_key_int(w, "epoch", (int64_t)r->epoch);
	mp_key_int(w, "version", runner_version(r));
	mp_key_time(w, "since", r->core.since_wall_ms);
	report_key_real(w, "cpu_cores", cores);
	report_key_int(w, "memory_bytes", u.memory_bytes);
	report_key_int(w, "memory_limit_bytes", report_memory_limit(r));
	pack_own_exit(w, &r->core.last_exit);
	mp_str(w, "ports");
	mp_map(w, MIN(r->n_ports, r->spec->ports.n));
	for (size_t i = 0; i < r->n_ports && i < r->spec->ports.n; i++)
		mp_key_int(w, r->spec->ports.v[i].name, r->ports[i]);
	mp_key_int(w, "refused", (int64_t)r->refused.total);
	mp_key_str(w, "status", *r->core.status ? r->core.status : NULL);
	if (detail)
		pack_pressure(w, r);
}

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static void pack_told_exit(struct mp_writer *w, const msgpack_object *x)
{
	char reason[16], signal[16], text[EVENT_TEXT_MAX];

	(void)told_text(x, TOLD_EXIT_REASON, reason, sizeof(reason)); /* it is reason; so below */
	(void)told_text(x, TOLD_EXIT_SIGNAL, signal, sizeof(signal));
	(void)told_text(x, TOLD_EXIT_TEXT, text, sizeof(text));
	pack_exit(w, or_null(reason), told_int(x, TOLD_EXIT_CODE, -1), or_null(signal), text,
		told_int(x, TOLD_EXIT_AT, 0));
}

/* Live use, ports and limits are not told: those the node itself has said, when it was asked. */
static void pack_told(struct mp_writer *w, const struct told_item *item, const struct report_far *far)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *detail = report_far_replica(far, item);
	const msgpack_object *v = told_read(item->value, &t);
	bool lost = item->member->state == GOSSIP_DEAD;
	char state[16], health[16], said[SHIM_STATUS_MAX];

	if (detail && !lost) {
		mp_object(w, detail);
		return;
	}
	(void)told_text(v, TOLD_REPLICA_STATE, state, sizeof(state)); /* it is state; so below */
	(void)told_text(v, TOLD_REPLICA_HEALTH, health, sizeof(health));
	(void)told_text(v, TOLD_REPLICA_SAID, said, sizeof(said));
	mp_map(w, 15);
	mp_str(w, "id");
	mp_strn(w, item->id.v, item->id.n);
	mp_key_str(w, "node", item->member->has_record ? item->member->record.name.v : "?");
	mp_key_str(w, "state", lost ? "lost" : *state ? state : "pending");
	mp_key_str(w, "health", lost || !*health ? "unknown" : health);
	report_key_int(w, "pid", lost ? -1 : told_int(v, TOLD_REPLICA_PID, -1));
	mp_key_int(w, "restarts", told_int(v, TOLD_REPLICA_RESTARTS, 0));
	mp_key_int(w, "epoch", told_int(v, TOLD_REPLICA_EPOCH, 0));
	report_key_int(w, "version", told_int(v, TOLD_REPLICA_VERSION, -1));
	mp_key_time(w, "since", told_int(v, TOLD_REPLICA_SINCE, 0));
	report_key_real(w, "cpu_cores", -1);
	report_key_int(w, "memory_bytes", -1);
	report_key_int(w, "memory_limit_bytes", -1);
	pack_told_exit(w, told_at(v, TOLD_REPLICA_EXIT, MSGPACK_OBJECT_ARRAY));
	mp_key_int(w, "refused", told_int(v, TOLD_REPLICA_REFUSED, 0));
	mp_key_str(w, "status", or_null(said));
}

/* ---- an agent ---- */

/* Here, elsewhere, or both. */
struct part {
	const struct agent *own; /* NULL: it is not here */
	const struct told_item *agents, *replicas;
	size_t n_agents, n_replicas;
	struct gossip_str name;
};

struct sum {
	int64_t desired, running, healthy, version, decision;
	bool stopped;
	unsigned worst; /* of those that lack something */
	char state[16], kind[16], decided_by[NAME_MAX_LEN + 1], reason[256];
};

/* The later, the worse. */
static const char *const states[] = {
	"", "stopped", "running", "pending", "starting", "stopping", "backoff", "failed", "lost"};

static void add_state(struct sum *s, const char *state, const char *reason)
{
	for (unsigned i = 0; i < ARRAY_LEN(states); i++)
		if (i > s->worst && strcmp(states[i], state) == 0) {
			s->worst = i;
			(void)snprintf(s->state, sizeof(s->state), "%s", state); /* fits */
		}
	if (reason && !*s->reason)
		(void)snprintf(s->reason, sizeof(s->reason), "%s", reason); /* cut is fine */
}

static void add_own(struct sum *s, const struct agent *a)
{
	struct roster_count c;
	char reason[256];

	roster_count(a, &c);
	s->desired += c.desired;
	s->running += c.running;
	s->healthy += c.healthy;
	s->version = MAX(s->version, a->version);
	s->stopped &= a->stopped;
	(void)snprintf(s->kind, sizeof(s->kind), "%s", spec_kind_name(a->spec->kind)); /* fits; so below */
	(void)snprintf(s->decided_by, sizeof(s->decided_by), "%s", a->node->cfg->name);
	add_state(s, report_agent_state(a, &c),
		c.running < c.desired ? report_pending_reason(a, reason, sizeof(reason)) : NULL);
}

static void add_told(struct sum *s, const struct told_item *item)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_read(item->value, &t);
	bool stopped = told_bool(v, TOLD_AGENT_STOPPED, false);
	char state[16], reason[256];

	s->desired += told_int(v, TOLD_AGENT_DESIRED, 0);
	s->version = MAX(s->version, told_int(v, TOLD_AGENT_VERSION, 0));
	s->stopped &= stopped;
	if (!*s->kind)
		(void)told_text(v, TOLD_AGENT_KIND, s->kind, sizeof(s->kind)); /* it is kind; so below */
	if (!*s->decided_by && item->member->has_record)
		(void)snprintf(s->decided_by, sizeof(s->decided_by), "%s", item->member->record.name.v); /* fits */
	(void)told_text(v, TOLD_AGENT_STATE, state, sizeof(state));
	(void)told_text(v, TOLD_AGENT_REASON, reason, sizeof(reason));
	add_state(s, item->member->state == GOSSIP_DEAD && !stopped ? "lost" : state, or_null(reason));
}

static void add_replica(struct sum *s, const struct told_item *item)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_read(item->value, &t);
	char word[16];

	if (item->member->state == GOSSIP_DEAD ||
		strcmp(told_text(v, TOLD_REPLICA_STATE, word, sizeof(word)), "running") != 0)
		return;
	s->running++;
	s->healthy += strcmp(told_text(v, TOLD_REPLICA_HEALTH, word, sizeof(word)), "healthy") == 0;
}

static void add_each_state(const struct part *p, struct sum *s)
{
	for (size_t i = 0; p->own && i < p->own->n_slots; i++)
		if (p->own->slots[i])
			add_state(s, replica_state_name((enum replica_state)p->own->slots[i]->core.state), NULL);
	for (size_t i = 0; i < p->n_replicas; i++) {
		CLEANUP(mp_done) struct mp_tree t = {0};
		const msgpack_object *v = told_read(p->replicas[i].value, &t);
		char state[16];

		(void)told_text(v, TOLD_REPLICA_STATE, state, sizeof(state)); /* it is state */
		add_state(s, p->replicas[i].member->state == GOSSIP_DEAD ? "lost" : state, NULL);
	}
}

/* From the worst of its replicas' to its own. */
static void end_state(struct sum *s, bool removed)
{
	const char *state = NULL; /* that one */

	if (s->stopped)
		state = removed || s->running > 0 || strcmp(s->state, "stopping") == 0 ? "stopping" : "stopped";
	else if (s->running >= s->desired)
		state = "running";
	else if (!*s->state || strcmp(s->state, "running") == 0 || strcmp(s->state, "stopped") == 0)
		state = "pending";
	if (state)
		(void)snprintf(s->state, sizeof(s->state), "%s", state); /* fits */
}

/* Every node was to have one. */
static void is_nowhere(const struct part *p, struct sum *s)
{
	(void)strcpy(s->state, "pending"); /* fits; so below */
	(void)snprintf(s->reason, sizeof(s->reason), "no node has one: covey explain %.*s tells why", (int)p->name.n,
		p->name.v);
}

/* What the cluster has decided is known everywhere; what is there is told by those that have it. */
static void add_decided(struct node *n, const struct part *p, const struct decided_sum *d, struct sum *s)
{
	struct uuid by = register_uuid_of(d->by);
	struct gossip_member m;
	struct roster_count c;
	bool every;

	*s = (struct sum){.stopped = d->stopped || d->removed,
		.desired = d->stopped || d->removed ? 0 : d->desired,
		.version = d->version,
		.decision = d->decision};
	if (p->own)
		roster_count(p->own, &c);
	s->running = p->own ? c.running : 0;
	s->healthy = p->own ? c.healthy : 0;
	for (size_t i = 0; i < p->n_replicas; i++)
		add_replica(s, &p->replicas[i]);
	add_each_state(p, s);
	every = d->spec && d->spec->kind == SPEC_EVERY_NODE;
	if (every)
		s->desired = (int64_t)(p->n_replicas + (p->own ? p->own->n_slots : 0));
	end_state(s, d->removed);
	(void)snprintf(
		s->kind, sizeof(s->kind), "%s", d->spec ? spec_kind_name(d->spec->kind) : ""); /* fits; so below */
	if (gossip_member_get(cluster_core(n->cluster), gossip_id_of(by.v), &m) && m.has_record)
		(void)snprintf(s->decided_by, sizeof(s->decided_by), "%s", m.record.name.v);
	if (s->running < s->desired)
		(void)council_pending(n->council, p->own ? p->own->name : "", s->reason, sizeof(s->reason));
	if (every && s->desired == 0 && !s->stopped)
		is_nowhere(p, s);
}

static void add_up(struct node *n, const struct part *p, struct sum *s)
{
	char name[NAME_MAX_LEN + 1];
	struct decided_sum d;

	(void)snprintf(name, sizeof(name), "%.*s", (int)p->name.n, p->name.v); /* one of a node's own is not decided */
	if (n->council && cluster_core(n->cluster) && (!p->own || p->own->scope == SPEC_SCOPE_CLUSTER) &&
		decided_sum(n, name, &d)) {
		add_decided(n, p, &d, s);
		return;
	}
	*s = (struct sum){.stopped = true, .decision = -1};
	if (p->own)
		add_own(s, p->own);
	for (size_t i = 0; i < p->n_agents; i++)
		add_told(s, &p->agents[i]);
	for (size_t i = 0; i < p->n_replicas; i++)
		add_replica(s, &p->replicas[i]);
	if (!s->stopped && s->desired > 0 && s->running >= s->desired && (p->n_agents > 0 || !p->own))
		(void)strcpy(s->state, "running"); /* fits */
}

/* far NULL: all agents were asked for, and no node is asked for more. */
static void pack_agent(struct node *n, struct mp_writer *w, const struct part *p, const struct report_far *far)
{
	enum spec_scope scope = p->own				    ? p->own->scope
				: memchr(p->name.v, '/', p->name.n) ? SPEC_SCOPE_NODE
								    : SPEC_SCOPE_CLUSTER;
	size_t replicas = p->n_replicas;
	struct sum s;

	add_up(n, p, &s);
	for (size_t i = 0; p->own && i < p->own->n_slots; i++)
		replicas += p->own->slots[i] != NULL;
	mp_map(w, far ? 14 : 13);
	mp_str(w, "name");
	mp_strn(w, p->name.v, p->name.n);
	mp_key_str(w, "scope", spec_scope_name(scope));
	mp_key_str(w, "kind", s.kind);
	mp_key_str(w, "state", *s.state ? s.state : "pending");
	mp_key_str(w, "pending_reason",
		s.running < s.desired || strcmp(s.state, "pending") == 0 ? or_null(s.reason) : NULL);
	mp_key_int(w, "desired", s.desired);
	mp_key_int(w, "running", s.running);
	mp_key_int(w, "healthy", s.healthy);
	mp_key_int(w, "version", s.version);
	report_key_int(w, "decision", s.decision);
	mp_key_str(w, "decided_by", s.decided_by);
	mp_key_bool(w, "stopped", s.stopped);
	mp_str(w, "replicas");
	mp_array(w, replicas);
	for (size_t i = 0; p->own && i < p->own->n_slots; i++)
		if (p->own->slots[i])
			pack_own(w, p->own->slots[i], far != NULL);
	for (size_t i = 0; i < p->n_replicas; i++)
		pack_told(w, &p->replicas[i], far);
	if (far)
		report_far_pack_notes(w, far, p->name);
}

/* ---- all agents ---- */

/* Two lists by name, walked as one. */
struct walk {
	const struct node *node;
	const struct told *told;
	const struct list *order, *at; /* of the roster; at == order: its end */
	size_t next;		       /* of told->agents */
};

static struct gossip_str str(const char *s)
{
	return (struct gossip_str){s, (uint16_t)strlen(s)};
}

static int compare(struct gossip_str a, struct gossip_str b)
{
	int rc = memcmp(a.v, b.v, MIN(a.n, b.n));

	return rc ? rc : (int)a.n - (int)b.n;
}

static bool any_part(struct walk *k, struct part *ret)
{
	const struct told *t = k->told;
	const struct agent *own = k->at == k->order ? NULL : LIST_ENTRY(k->at, const struct agent, order);
	bool more = k->next < t->n_agents;
	int which;

	if (!own && !more)
		return false;
	which = !own ? 1 : !more ? -1 : compare(str(own->name), t->agents[k->next].agent);
	*ret = (struct part){
		.own = which <= 0 ? own : NULL, .name = which <= 0 ? str(own->name) : t->agents[k->next].agent};
	if (ret->own)
		k->at = k->at->next;
	if (ret->own && (which < 0 || own->scope == SPEC_SCOPE_NODE))
		return true; /* a node's own has nothing to do with one of the cluster's of that name */
	ret->agents = told_of(t->agents, t->n_agents, ret->name, &ret->n_agents);
	ret->replicas = told_of(t->replicas, t->n_replicas, ret->name, &ret->n_replicas);
	k->next += ret->n_agents;
	return true;
}

/* Of an agent that was removed nothing is shown but replicas that still end. */
static bool next_part(struct walk *k, struct part *ret)
{
	do {
		if (!any_part(k, ret))
			return false;
	} while (ret->own && ret->own->decided && ret->own->removed && ret->own->n_slots == 0 && ret->n_replicas == 0);
	return true;
}

static struct walk walk_begin(const struct node *n, const struct told *t)
{
	return (struct walk){.node = n, .told = t, .order = &n->roster.order, .at = n->roster.order.next};
}

/* "web", "web.0", "n1/web": whether that part is meant. */
static bool is_meant(const struct node *n, const struct part *p, const char *name)
{
	const char *bare = p->own && p->own->scope == SPEC_SCOPE_NODE ? roster_bare(n, name) : name;
	struct gossip_str want = str(bare);
	const char *dot = strrchr(bare, '.');

	if (compare(p->name, want) == 0)
		return true;
	if (!dot)
		return false;
	want.n = (uint16_t)(dot - bare);
	return compare(p->name, want) == 0;
}

/* How many there are, or are meant by `only`. */
static size_t count_parts(const struct node *n, const struct told *t, const char *only)
{
	struct walk k = walk_begin(n, t);
	struct part p;
	size_t count = 0;

	while (next_part(&k, &p))
		count += !*only || is_meant(n, &p, only);
	return count;
}

/* ---- the document ---- */

static void pack_cluster(struct mp_writer *w, const struct node *n)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	const char *id = n->cluster ? cluster_id(n->cluster) : store_node_id(n->store);
	bool isolated = g && gossip_is_isolated(g);
	char fault[512];

	mp_map(w, 8);
	mp_key_str(w, "id", or_null(id)); /* a node without a gossip section is a cluster of one */
	mp_key_str(w, "node", n->cfg->name);
	mp_key_int(w, "alive", g ? (int64_t)gossip_alive(g) : 1);
	mp_key_int(w, "members", g ? (int64_t)gossip_members(g) : 1);
	mp_key_bool(w, "quorum", n->council ? council_has_quorum(n->council) : !isolated);
	mp_key_bool(w, "isolated", isolated);
	mp_str(w, "voters");
	if (n->council)
		council_pack_voters(n->council, w);
	else
		mp_array(w, 1);
	if (!n->council)
		mp_str(w, n->cfg->name);
	mp_key_str(w, "text", n->cluster ? cluster_fault(n->cluster, fault, sizeof(fault)) : NULL);
}

static void no_agent(struct control_request *rq, const char *name)
{
	control_refuse(rq, "refused", "there is no agent '%s'; 'covey status' lists them", name);
}

/* far: as in pack_agent. */
static void answer(struct node *n, struct control_request *rq, const struct told *told, const char *only,
	const struct report_far *far)
{
	size_t count = count_parts(n, told, only);
	struct mp_writer w;
	struct bytes out;
	struct walk k;
	struct part p;

	if (*only && count == 0) {
		no_agent(rq, only);
		return;
	}
	sample_all(n);
	bytes_init(&out, REPORT_MAX);
	mp_writer_init(&w, &out);
	mp_map(&w, 3);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "cluster");
	pack_cluster(&w, n);
	mp_str(&w, "agents");
	mp_array(&w, count);
	for (k = walk_begin(n, told); next_part(&k, &p);)
		if (!*only || is_meant(n, &p, only))
			pack_agent(n, &w, &p, far);
	report_send(rq, &out);
}

void report_status_answer(struct node *n, struct control_request *rq, const char *only, const struct report_far *far)
{
	CLEANUP(told_done) struct told told = {0};
	bool alone = control_peer(rq)->member; /* each node tells of itself */

	if (told_all(alone ? NULL : n->cluster, &told) < 0)
		control_refuse(rq, "refused", "out of memory");
	else
		answer(n, rq, &told, only, far);
}

/* Nodes that have some of it are asked for what they do not tell by themselves. */
static void ask_others(struct node *n, struct report_far *far, const char *only)
{
	CLEANUP(told_done) struct told told = {0};
	struct walk k;
	struct part p;

	if (told_all(n->cluster, &told) < 0)
		return; /* as is told, then */
	for (k = walk_begin(n, &told); next_part(&k, &p);)
		for (size_t i = 0; is_meant(n, &p, only) && i < p.n_replicas; i++)
			if (p.replicas[i].member->state <= GOSSIP_SUSPECT)
				report_far_ask(far, p.replicas[i].member, p.name);
}

void report_status(struct node *n, struct control_request *rq, const char *only, bool brief)
{
	struct report_far *far;

	if (!*only || brief) {
		report_status_answer(n, rq, only, NULL);
		return;
	}
	far = report_far_new(n, rq, only);
	if (!far) {
		control_refuse(rq, "refused", "out of memory");
		return;
	}
	if (n->cluster && !control_peer(rq)->member)
		ask_others(n, far, only);
	report_far_begin(far);
}
