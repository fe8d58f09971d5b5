/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey explain` of what the cluster decides: every node tells the same of an agent, since all of it is in the
 * register. Of its replicas this node tells what it has itself, and of others what they told; and where every node is
 * to have one, why some have none.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/node.h"
#include "node/register_agent.h"
#include "node/report_priv.h"
#include "scheduler/explain.h"
#include "scheduler/place.h"

struct lines {
	struct mp_writer w;
	struct bytes b;
	const struct sched_view *view;
	size_t n;
};

static void add_line(void *ctx, const struct sched_decision *of, const char *text)
{
	struct lines *l = ctx;
	char by[SCHED_NAME_TEXT_MAX];

	mp_map(&l->w, 5);
	mp_key_time(&l->w, "time", of->wall_ms);
	mp_key_str(&l->w, "what", text[0] == 'd' ? "decided" : "so");
	mp_key_str(&l->w, "replica", NULL);
	mp_key_str(&l->w, "why", text);
	mp_key_str(&l->w, "by", sched_name_of(l->view, of->by, by));
	l->n++;
}

/* What is known of an agent. */
struct known {
	const char *agent;
	struct register_agent r;
	struct ballot ballot;
	struct sched_view view;
	const struct sched_spec *every; /* of one for every node; NULL: it is none, or cannot be read */
	const struct told_item *told;	/* its replicas, this node's among them */
	size_t n_told;
};

/* pending: the first reason, "" without one. */
static void pack_summary(struct mp_writer *w, const struct known *k, const char *pending)
{
	const struct sched_value *v = &k->r.v;
	const char *state = v->removed ? "removed" : v->stopped ? "stopped" : "wanted";
	struct sched_node node = register_node_of(&k->ballot.node);
	char by[SCHED_NAME_TEXT_MAX], many[64] = "a replica on each node that fits", text[512];

	mp_array(w, *pending ? 2 : 1);
	if (!k->every)
		(void)snprintf(many, sizeof(many), "%" PRId64 " replica%s", v->desired,
			v->desired == 1 ? "" : "s"); /* fits; so below */
	(void)snprintf(text, sizeof(text),
		"%s is %s: %s, version %" PRIu32 ", by decision %" PRIu64 ", chosen at ballot %" PRIu64
		" of %s; its rollout is %s.",
		k->agent, state, many, v->now.version, v->number, k->ballot.counter, sched_name_of(&k->view, node, by),
		sched_rollout_name(v->rollout.state));
	mp_str(w, text);
	(void)snprintf(text, sizeof(text), "A replica is pending: %s.", pending);
	if (*pending)
		mp_str(w, text);
}

/* ---- its replicas elsewhere, and where there is none ---- */

static size_t count_far(const struct known *k)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n_told; i++)
		n += !k->told[i].member->self;
	return n;
}

static void pack_far(struct mp_writer *w, const struct known *k, const struct told_item *item, int64_t wall_ms)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_read(item->value, &t);
	const msgpack_object *last = told_at(v, TOLD_REPLICA_EXIT, MSGPACK_OBJECT_ARRAY);
	int64_t for_ms = MAX(wall_ms - told_int(v, TOLD_REPLICA_SINCE, wall_ms), (int64_t)0); /* clocks differ */
	bool lost = item->member->state == GOSSIP_DEAD;
	char state[16], health[16], text[EVENT_TEXT_MAX], why[512] = "its node is dead";

	(void)told_text(v, TOLD_REPLICA_STATE, state, sizeof(state)); /* it is state; so below */
	(void)told_text(v, TOLD_REPLICA_HEALTH, health, sizeof(health));
	(void)told_text(last, TOLD_EXIT_TEXT, text, sizeof(text));
	if (!lost && strcmp(state, replica_state_name(REPLICA_RUNNING)) == 0)
		(void)report_runs_text(for_ms, told_int(v, TOLD_REPLICA_PID, 0), health,
			told_int(v, TOLD_REPLICA_VERSION, k->r.v.now.version) < k->r.v.now.version, why, sizeof(why));
	else if (!lost)
		(void)report_rests_text(state, for_ms, text, why, sizeof(why));
	mp_map(w, 4);
	mp_str(w, "id");
	mp_strn(w, item->id.v, item->id.n);
	mp_key_str(w, "node", item->member->has_record ? item->member->record.name.v : "?");
	mp_key_str(w, "state", lost ? "lost" : state);
	mp_key_str(w, "why", why);
}

/* "each.n1" against an id: in the order of told.h's lists, the shorter first. */
static int compare_id(struct gossip_str id, const char *text)
{
	size_t n = strlen(text);

	return id.n != n ? (id.n > n) - (id.n < n) : memcmp(id.v, text, n);
}

static bool has_one(const struct known *k, const struct sched_host *h)
{
	struct uuid node = register_uuid_of(h->id);
	char id[REPLICA_ID_MAX];
	size_t low = 0, high = k->n_told;

	(void)snprintf(id, sizeof(id), "%s.%s", k->agent, h->name); /* as runner_name; fits */
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare_id(k->told[mid].id, id) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < k->n_told && compare_id(k->told[low].id, id) == 0; low++)
		if (k->told[low].member->id == gossip_id_of(node.v)) /* not an earlier one of that name */
			return true;
	return false;
}

/* NULL: it has one, or is none that could. */
static const char *why_none(const struct known *k, const struct sched_host *h, char *out, size_t n)
{
	if (!k->every || k->r.v.removed || h->state > SCHED_DEAD || has_one(k, h))
		return NULL;
	if (h->state == SCHED_DEAD)
		return "is dead";
	return *place_why_not(k->every, h, out, n) ? out : "has told of none yet";
}

static void pack_without(struct mp_writer *w, const struct known *k)
{
	char text[256];
	size_t n = 0;

	for (size_t i = 0; i < k->view.n_hosts; i++)
		n += why_none(k, &k->view.hosts[i], text, sizeof(text)) != NULL;
	mp_array(w, n);
	for (size_t i = 0; i < k->view.n_hosts; i++) {
		const char *why = why_none(k, &k->view.hosts[i], text, sizeof(text));

		if (!why)
			continue;
		mp_map(w, 2);
		mp_key_str(w, "node", k->view.hosts[i].name);
		mp_key_str(w, "why", why);
	}
}

/* ---- the document ---- */

/* false: no memory, or no such value. register_agent_done in any case. */
static bool know(struct node *n, struct known *k)
{
	const struct gossip_str name = {k->agent, (uint16_t)strlen(k->agent)};
	const struct register_def *def;
	struct msg_bytes value;
	struct err e;

	if (!council_get(n->council, k->agent, &k->ballot, &value) || !council_view(n->council, k->agent, &k->view) ||
		register_agent_read(&k->r, &council_mem, value, &e) < 0)
		return false;
	def = k->r.now.n > 0 ? council_def(n->council, k->r.now, &e) : NULL;
	k->every = def && def->agent->kind == SPEC_EVERY_NODE ? &def->spec : NULL;
	k->told = told_of(n->council->told.replicas, n->council->told.n_replicas, name, &k->n_told);
	return true;
}

static void pack_known(struct node *n, struct mp_writer *w, const struct known *k, const struct agent *a)
{
	mp_str(w, "replicas");
	report_pack_replicas(w, a, count_far(k));
	for (size_t i = 0; i < k->n_told; i++)
		if (!k->told[i].member->self)
			pack_far(w, k, &k->told[i], n->now.wall_ms);
	mp_str(w, "without");
	pack_without(w, k);
}

bool report_explain_decided(struct node *n, struct control_request *rq, const struct agent *a)
{
	CLEANUP(bytes_done) struct bytes out = {.max = REPORT_MAX};
	struct lines l = {.b = {.max = REPORT_MAX / 2}};
	struct known k = {.agent = a->name};
	struct mp_writer w;
	char pending[256];

	if (!n->council || !a->decided)
		return false;
	(void)council_pending(n->council, a->name, pending, sizeof(pending)); /* first: it makes a view anew */
	if (!know(n, &k)) {
		register_agent_done(&k.r);
		return false;
	}
	l.view = &k.view;
	mp_writer_init(&l.w, &l.b);
	explain_value(&k.r.v, &k.view, add_line, &l);
	mp_writer_init(&w, &out);
	mp_map(&w, 6);
	mp_key_int(&w, "format", 1);
	mp_key_str(&w, "agent", a->name);
	mp_str(&w, "text");
	pack_summary(&w, &k, pending);
	pack_known(n, &w, &k, a);
	mp_str(&w, "decisions");
	mp_array(&w, l.n);
	if (l.b.n)
		(void)bytes_add(&out, l.b.v, l.b.n); /* the elements; out.failed tells */
	out.failed |= l.b.failed;
	control_reply(rq, &out);
	bytes_done(&l.b);
	register_agent_done(&k.r);
	return true;
}
