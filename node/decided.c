/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a register's value to the roster. See decided.h.
 */
#include "node/decided.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/node.h"
#include "node/register_agent.h"

/* A value on its way to disk. */
struct keeping {
	struct node *n;
	struct msg_key key;
	struct ballot ballot;
};

bool decided_key(const char *agent, struct msg_key *ret)
{
	size_t n = strlen(agent);

	if (n == 0 || n > NAME_MAX_LEN)
		return false;
	*ret = (struct msg_key){.n = (uint8_t)n};
	memcpy(ret->v, agent, n);
	return true;
}

static void name_of(const struct msg_key *key, char out[NAME_MAX_LEN + 1])
{
	memcpy(out, key->v, key->n);
	out[key->n] = '\0';
}

/* ---- what a value says of this node ---- */

/* Of its two owners, what is said of this one. */
static bool slot_of(const struct sched_slot *s, struct sched_node self, struct decided_slot *ret)
{
	bool owner = s->state != SCHED_PENDING && sched_same_node(s->node, self);
	bool from = s->state != SCHED_PENDING && sched_is_node(s->from) && sched_same_node(s->from, self);

	if (!owner && !from)
		return false;
	*ret = (struct decided_slot){.number = s->number,
		.version = owner ? s->version : 0, /* until the other one is ready it goes on as it is */
		.epoch = owner ? s->epoch : s->from_epoch,
		.rests = s->state == SCHED_STOP,
		.leased = s->leased};
	return true;
}

static bool is_named(const struct sched_value *v, struct sched_node self)
{
	for (size_t i = 0; i < v->n_slots; i++)
		if (sched_same_node(v->slots[i].node, self) || sched_same_node(v->slots[i].from, self))
			return true;
	for (size_t i = 0; i < v->n_held; i++)
		if (sched_same_node(v->held[i].node, self))
			return true;
	return false;
}

/* Every node that fits runs one of these; it has no slots of its own. */
static bool runs_everywhere(const struct node *n, const struct sched_value *v, const struct agent_spec *spec)
{
	if (!spec || spec->kind != SPEC_EVERY_NODE || v->removed || !n->cfg->schedulable)
		return false;
	for (size_t i = 0; i < spec->place_require.n; i++)
		if (!spec_expression_holds(spec->place_require.v[i], &n->cfg->labels))
			return false;
	return true;
}

static struct decided *make(const struct node *n, const struct register_agent *r, const struct ballot *ballot,
	const struct agent_spec *spec)
{
	struct decided *d = mem_zalloc(1, sizeof(*d) + (r->v.n_slots + 1) * sizeof(d->slots[0]));
	struct sched_node self = register_node_of(&n->council->self);

	if (!d)
		return NULL;
	d->ballot = *ballot;
	d->number = r->v.number;
	if (r->v.n_decisions > 0)
		d->by = r->v.decisions[r->v.n_decisions - 1].by;
	d->version = r->v.now.version;
	d->before_version = r->v.before.version;
	d->fresh = r->v.fresh;
	d->named = is_named(&r->v, self);
	for (size_t i = 0; i < r->v.n_slots; i++)
		d->n += slot_of(&r->v.slots[i], self, &d->slots[d->n]);
	if (d->n == 0 && runs_everywhere(n, &r->v, spec)) {
		d->slots[d->n++] = (struct decided_slot){.version = d->version, .rests = r->v.stopped};
		d->named = true;
	}
	return d;
}

/* ---- into the roster ---- */

/* Texts that are as they were need not be read again. */
static struct agent_spec *spec_of(
	struct node *n, struct agent_spec *had, struct agent_spec *had_too, struct msg_bytes text, const char *name)
{
	struct agent_spec *const known[] = {had, had_too};
	const struct register_def *d;
	struct err e = {.text = "out of memory"};

	if (text.n == 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i] && known[i]->text_len == text.n && memcmp(known[i]->text, text.v, text.n) == 0)
			return spec_ref(known[i]);
	d = council_def(n->council, text, &e);
	if (!d)
		log_line(LOG_LEVEL_ERR, name, NULL, "%s; what runs of it is left alone", e.text);
	return d ? spec_ref(d->agent) : NULL;
}

static struct agent *agent_of(struct node *n, const char *name, const struct register_agent *r)
{
	struct agent *a = roster_find(n, name);
	struct err e;

	if (a && a->scope != SPEC_SCOPE_CLUSTER) {
		log_line(LOG_LEVEL_ERR, name, NULL,
			"the cluster has an agent of that name, and agents_dir of this node too: the cluster's does "
			"not run here; rename the one in %s",
			a->file ? a->file : "agents_dir");
		return NULL;
	}
	if (a || r->v.now.version == 0 || r->v.removed)
		return a;
	if (roster_add(n, name, SPEC_SCOPE_CLUSTER, &a, &e) < 0) {
		log_line(LOG_LEVEL_ERR, name, NULL, "%s", e.text);
		return NULL;
	}
	return a;
}

static void take(struct node *n, const char *name, const struct register_agent *r, const struct ballot *ballot)
{
	struct agent *a = agent_of(n, name, r);
	struct agent_spec *now, *before;
	struct decided *d;
	bool first;

	if (!a || (a->decided && ballot_cmp(ballot, &a->decided->ballot) <= 0))
		return;
	now = spec_of(n, a->spec, a->before, r->now, name);
	before = spec_of(n, a->spec, a->before, r->before, name);
	d = make(n, r, ballot, now ? now : a->spec);
	if (!d || (!now && !a->spec)) {
		free(d); /* it cannot be read here, and nothing of it runs; or no memory: with the next one */
		spec_unref(now);
		spec_unref(before);
		if (!a->spec)
			roster_drop(a);
		return;
	}
	if (!a->decided && a->spec) /* a row of when this node was alone says no more what is wanted */
		(void)store_del_agent(n->store, name, node_stored, n); /* full: imported again at the next start */
	decided_tell_lost(n, a, ballot, &r->v);
	first = !a->decided;
	free(a->decided);
	a->decided = d;
	council_recall_taken(a, first);
	if (now) {
		spec_unref(a->spec);
		a->spec = now; /* both are references */
		spec_unref(a->before);
		a->before = before;
	} else {
		spec_unref(before);
	}
	a->version = r->v.now.version;
	a->desired = r->v.desired;
	a->stopped = r->v.stopped;
	a->removed = r->v.removed;
	a->paused = r->v.rollout.state == SCHED_ROLLOUT_PAUSED;
	if (r->v.n_decisions > 0)
		a->changed_wall_ms = r->v.decisions[r->v.n_decisions - 1].wall_ms;
	a->hold_due = n->council->hold_chosen = true;
	n->roster.depends |= a->spec->depends_on.n > 0;
	roster_mark(a);
}

/* false: it cannot be read. */
static bool read_value(const struct msg_key *key, struct msg_bytes value, struct register_agent *ret)
{
	char name[NAME_MAX_LEN + 1];
	struct err e;

	*ret = (struct register_agent){0};
	if (register_agent_read(ret, &council_mem, value, &e) == 0)
		return true;
	name_of(key, name);
	log_line(LOG_LEVEL_ERR, name, NULL, "what was decided of it cannot be read: %s; what runs of it is left alone",
		e.text);
	return false;
}

static void take_value(struct node *n, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	char name[NAME_MAX_LEN + 1];
	struct register_agent r;

	name_of(key, name);
	if (spec_name_is_valid(name) && read_value(key, value, &r)) {
		take(n, name, &r, ballot);
		register_agent_done(&r);
	}
}

/* The plan that follows drops the row where a newer value has left this node out. */
static void is_kept(struct node *n, const struct msg_key *key)
{
	char name[NAME_MAX_LEN + 1];
	struct agent *a;

	name_of(key, name);
	a = roster_find(n, name);
	if (!a || a->scope != SPEC_SCOPE_CLUSTER)
		return;
	a->kept = true;
	roster_mark(a);
}

void decided_loaded(struct node *n, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	char name[NAME_MAX_LEN + 1];
	struct agent *a;

	take_value(n, key, ballot, value);
	is_kept(n, key);
	name_of(key, name);
	a = roster_find(n, name);
	if (a && a->decided)
		a->recall = RECALL_DISK;
}

/* ---- leases ---- */

void decided_hold(struct node *n, const struct msg_key *key, struct msg_bytes value)
{
	struct register_agent r;

	if (!read_value(key, value, &r))
		return;
	council_hold_chosen(n->council, key, &r);
	register_agent_done(&r);
}

/* Nothing of it runs under a lease here, or did: then a new value says nothing that is held. */
static bool is_unheld(const struct council *c, const struct agent *a, const struct msg_key *key)
{
	for (size_t i = 0; i < a->decided->n; i++)
		if (a->decided->slots[i].leased)
			return false;
	return !holding_knows(&c->hold, key);
}

void decided_hold_due(struct node *n)
{
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;

	if (!n->council->hold_chosen)
		return;
	n->council->hold_chosen = false;
	LIST_FOREACH (at, &n->roster.order) {
		struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (!a->hold_due)
			continue;
		a->hold_due = false;
		if (decided_key(a->name, &key) && !is_unheld(n->council, a, &key) &&
			council_get(n->council, a->name, &ballot, &value))
			decided_hold(n, &key, value);
	}
}

/* ---- disk first ---- */

static void on_kept(void *arg, int rc, const char *error)
{
	struct keeping *k = arg;
	struct node *n = k->n;
	struct msg_bytes value;
	struct ballot ballot;

	node_now(n);
	node_stored(n, rc, error);
	if (!n->council->ended && registers_get(agree_registers(n->council->a), &k->key, &ballot, &value)) {
		if (ballot_cmp(&ballot, &k->ballot) == 0 && rc == 0)
			take_value(n, &k->key, &ballot, value); /* else a newer one is here, or on its way */
		else if (ballot_cmp(&ballot, &k->ballot) == 0)
			n->council->keep_again = true;
		if (rc == 0)
			is_kept(n, &k->key);
	}
	free(k);
}

static bool keep(struct node *n, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	struct keeping *k = mem_zalloc(1, sizeof(*k));

	if (!k)
		return false;
	*k = (struct keeping){.n = n, .key = *key, .ballot = *ballot};
	if (votes_put_chosen(n->council->votes, key, ballot, value, on_kept, k) == 0)
		return true;
	free(k);
	return false;
}

/* Whether it is to be found again after a restart: it says something of this node, or something of it is here. */
static bool is_to_keep(struct node *n, const char *name, const struct register_agent *r)
{
	const struct agent *a = roster_find(n, name);
	const struct register_def *d;
	struct err e;

	if (is_named(&r->v, register_node_of(&n->council->self)))
		return true;
	if (a && a->scope == SPEC_SCOPE_CLUSTER && (a->n_slots > 0 || a->kept))
		return true;
	d = r->now.n > 0 ? council_def(n->council, r->now, &e) : NULL;
	return d && runs_everywhere(n, &r->v, d->agent);
}

void decided_chosen(struct node *n, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value)
{
	char name[NAME_MAX_LEN + 1];
	struct register_agent r;

	name_of(key, name);
	if (!spec_name_is_valid(name) || !read_value(key, value, &r))
		return;
	if (!is_to_keep(n, name, &r))
		take(n, name, &r, ballot);
	else if (!keep(n, key, ballot, value))
		n->council->keep_again = true;
	register_agent_done(&r);
}

void decided_again(struct node *n)
{
	struct registers *all = agree_registers(n->council->a);
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;

	n->council->keep_again = false;
	for (size_t at = 0; registers_next(all, &at, &key);) {
		char name[NAME_MAX_LEN + 1];
		const struct agent *a;

		if (key.n == 0 || !registers_get(all, &key, &ballot, &value))
			continue;
		name_of(&key, name);
		a = roster_find(n, name);
		if (!a || !a->decided || ballot_cmp(&a->decided->ballot, &ballot) < 0)
			decided_chosen(n, &key, &ballot, value);
	}
}

void decided_gone(struct node *n, struct agent *a)
{
	struct msg_key key;

	if (!a->kept || !a->decided || a->decided->named || !decided_key(a->name, &key))
		return;
	a->kept = false;
	(void)votes_drop_chosen(
		n->council->votes, &key, node_stored, n); /* full: a row too many, until it is ours again */
}

/* ---- asked by the roster ---- */

const struct decided_slot *decided_slot(const struct agent *a, int slot)
{
	const struct decided *d = a->decided;
	size_t low = 0, high = d->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (d->slots[mid].number < (uint32_t)slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low < d->n && d->slots[low].number == (uint32_t)slot ? &d->slots[low] : NULL;
}

struct agent_spec *decided_spec(const struct agent *a, const struct decided_slot *s)
{
	if (s->version == a->decided->version)
		return a->spec;
	return s->version && s->version == a->decided->before_version ? a->before : NULL;
}

bool decided_sum(struct node *n, const char *agent, struct decided_sum *ret)
{
	const struct register_def *d;
	struct register_agent r;
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;
	struct err e;

	if (!n->council || !decided_key(agent, &key) || !council_get(n->council, agent, &ballot, &value) ||
		!read_value(&key, value, &r))
		return false;
	d = r.now.n > 0 ? council_def(n->council, r.now, &e) : NULL;
	*ret = (struct decided_sum){.stopped = r.v.stopped,
		.removed = r.v.removed || r.v.now.version == 0,
		.desired = r.v.desired,
		.version = r.v.now.version,
		.decision = (int64_t)r.v.number,
		.spec = d ? d->agent : NULL};
	if (d && d->agent->kind == SPEC_EVERY_NODE)
		ret->desired = 0;
	if (r.v.n_decisions > 0)
		ret->by = r.v.decisions[r.v.n_decisions - 1].by;
	register_agent_done(&r);
	return true;
}

static bool is_ready(const struct gossip *g, const struct agent *a, const struct sched_slot *s)
{
	struct uuid node = register_uuid_of(s->node);
	char key[sizeof(TOLD_REPLICA) + REPLICA_ID_MAX];
	CLEANUP(mp_done) struct mp_tree t = {0};
	struct gossip_str v;

	(void)snprintf(key, sizeof(key), TOLD_REPLICA "%s.%u", a->name, s->number); /* fits */
	if (s->state != SCHED_RUN ||
		!gossip_value_get(g, gossip_id_of(node.v), (struct gossip_str){key, (uint16_t)strlen(key)}, &v))
		return false;
	return told_int(told_read(v, &t), TOLD_REPLICA_READY, -1) >= 0;
}

bool decided_is_ready(struct node *n, const struct agent *a)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	struct register_agent r;
	struct msg_bytes value;
	struct ballot ballot;
	struct msg_key key;
	int64_t ready = 0;

	if (!g || !decided_key(a->name, &key) || !council_get(n->council, a->name, &ballot, &value) ||
		!read_value(&key, value, &r))
		return false;
	for (size_t i = 0; i < r.v.n_slots; i++)
		ready += is_ready(g, a, &r.v.slots[i]);
	ready = r.v.removed || r.v.stopped ? -1 : ready;
	register_agent_done(&r);
	return ready >= a->desired;
}
