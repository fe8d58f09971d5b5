/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading verb `status`, and what all of them share. Names and shapes are a contract.
 */
#include "node/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "covey/version.h"
#include "node/node.h"
#include "node/report_priv.h"
#include "node/sample.h"

/* ---- words ---- */

const char *report_agent_state(const struct agent *a, const struct roster_count *c)
{
	static const enum replica_state worst[] = {
		REPLICA_FAILED, REPLICA_BACKOFF, REPLICA_STOPPING, REPLICA_STARTING, REPLICA_PENDING};
	char why[256];

	if (a->removed)
		return "stopping";
	if (a->stopped)
		return c->alive ? "stopping" : "stopped";
	if (roster_barred(a, why, sizeof(why)))
		return c->alive ? "stopping" : "pending";
	if (c->running >= c->desired)
		return "running";
	for (size_t w = 0; w < ARRAY_LEN(worst); w++)
		for (size_t i = 0; i < a->n_slots; i++)
			if (a->slots[i] && (enum replica_state)a->slots[i]->core.state == worst[w])
				return replica_state_name(worst[w]);
	if (c->running > 0)
		return "running"; /* the others rest: held, or done */
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i] && a->slots[i]->core.state == REPLICA_STOPPED)
			return "stopped";
	return "pending";
}

const char *report_pending_reason(const struct agent *a, char *out, size_t n)
{
	if (!a->stopped && roster_barred(a, out, n))
		return out;
	for (size_t i = 0; !a->stopped && i < a->spec->depends_on.n; i++) {
		const char *name = a->spec->depends_on.v[i];
		const struct agent *dep = roster_find(a->node, name);
		struct roster_count c = {0};

		if (dep)
			roster_count(dep, &c);
		if (dep && !dep->stopped && !dep->removed && c.ready >= c.desired)
			continue;
		(void)snprintf(out, n, "waits for %s, which %s", name,
			!dep	       ? "is not defined"
			: dep->stopped ? "is stopped"
				       : "is not ready");
		return out;
	}
	return NULL;
}

/* ---- status ---- */

static void pack_exit(struct mp_writer *w, const struct replica_exit *x)
{
	char name[16];

	mp_str(w, "last_exit");
	if (x->reason == REASON_NONE) {
		mp_nil(w);
		return;
	}
	mp_map(w, 5);
	mp_key_str(w, "reason", replica_reason_name(x->reason));
	mp_str(w, "code");
	if (x->code < 0)
		mp_nil(w);
	else
		mp_int(w, x->code);
	mp_key_str(w, "signal", x->signal > 0 ? replica_signal_name(x->signal, name, sizeof(name)) : NULL);
	mp_key_str(w, "text", x->text);
	mp_key_time(w, "at", x->at_wall_ms);
}

void report_key_int(struct mp_writer *w, const char *key, int64_t v)
{
	mp_str(w, key);
	if (v < 0)
		mp_nil(w);
	else
		mp_int(w, v);
}

void report_key_real(struct mp_writer *w, const char *key, double v)
{
	mp_str(w, key);
	if (v < 0)
		mp_nil(w);
	else
		mp_double(w, v);
}

int64_t report_pid(const struct runner *r)
{
	return runner_is_alive(r) && r->core.pid > 0 ? r->core.pid : -1;
}

int64_t report_memory_limit(const struct runner *r)
{
	int64_t v = r->spec->resources.memory_max_bytes;

	return v > 0 ? v : -1;
}

static void pack_replica(struct mp_writer *w, const struct runner *r)
{
	struct cgroup_usage u;
	double cores = sample_usage(r, &u);

	mp_map(w, 15);
	mp_key_str(w, "id", r->id);
	mp_key_str(w, "node", r->node->cfg->name);
	mp_key_str(w, "state", replica_state_name((enum replica_state)r->core.state));
	mp_key_str(w, "health", health_level_name(replica_health(&r->core)));
	report_key_int(w, "pid", report_pid(r));
	mp_key_int(w, "restarts", r->core.restarts);
	mp_key_int(w, "epoch", (int64_t)r->epoch);
	mp_key_time(w, "since", r->core.since_wall_ms);
	report_key_real(w, "cpu_cores", cores);
	report_key_int(w, "memory_bytes", u.memory_bytes);
	report_key_int(w, "memory_limit_bytes", report_memory_limit(r));
	pack_exit(w, &r->core.last_exit);
	mp_str(w, "ports");
	mp_map(w, MIN(r->n_ports, r->spec->ports.n));
	for (size_t i = 0; i < r->n_ports && i < r->spec->ports.n; i++)
		mp_key_int(w, r->spec->ports.v[i].name, r->ports[i]);
	mp_key_int(w, "refused", (int64_t)r->refused.total);
	mp_key_str(w, "status", *r->core.status ? r->core.status : NULL);
}

static void pack_agent(struct mp_writer *w, const struct agent *a)
{
	struct roster_count c;
	char reason[256];
	size_t n = 0;

	roster_count(a, &c);
	for (size_t i = 0; i < a->n_slots; i++)
		n += a->slots[i] != NULL;
	mp_map(w, 12);
	mp_key_str(w, "name", a->name);
	mp_key_str(w, "scope", spec_scope_name(a->scope));
	mp_key_str(w, "kind", spec_kind_name(a->spec->kind));
	mp_key_str(w, "state", report_agent_state(a, &c));
	mp_key_str(
		w, "pending_reason", c.running < c.desired ? report_pending_reason(a, reason, sizeof(reason)) : NULL);
	mp_key_int(w, "desired", c.desired);
	mp_key_int(w, "running", c.running);
	mp_key_int(w, "healthy", c.healthy);
	mp_key_int(w, "version", a->version);
	mp_key_str(w, "decided_by", a->node->cfg->name);
	mp_key_bool(w, "stopped", a->stopped);
	mp_str(w, "replicas");
	mp_array(w, n);
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i])
			pack_replica(w, a->slots[i]);
}

static void pack_cluster(struct mp_writer *w, const struct node *n)
{
	mp_map(w, 7);
	mp_key_str(w, "id", store_node_id(n->store)); /* a node alone is a cluster of one */
	mp_key_str(w, "node", n->cfg->name);
	mp_key_int(w, "alive", 1);
	mp_key_int(w, "members", 1);
	mp_key_bool(w, "quorum", true);
	mp_key_bool(w, "isolated", false);
	mp_str(w, "voters");
	mp_array(w, 1);
	mp_str(w, n->cfg->name);
}

void report_send(struct control_request *rq, struct bytes *out)
{
	if (out->failed)
		control_refuse(rq, "refused", "the answer is larger than %d bytes: ask for one agent", REPORT_MAX);
	else
		control_reply(rq, out);
	bytes_done(out);
}

void report_status(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char name[REPLICA_ID_MAX] = "";
	const struct agent *only = NULL;
	struct bytes out;
	struct mp_writer w;
	struct err e;

	if (mp_get_strz(args, "agent", name, sizeof(name), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		return;
	}
	if (*name && !(only = roster_find(n, name))) {
		const struct runner *r = roster_runner(n, name);

		only = r ? r->agent : NULL;
		if (!only) {
			control_refuse(rq, "refused", "there is no agent '%s'; 'covey status' lists them", name);
			return;
		}
	}
	sample_all(n);
	bytes_init(&out, REPORT_MAX);
	mp_writer_init(&w, &out);
	mp_map(&w, 3);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "cluster");
	pack_cluster(&w, n);
	mp_str(&w, "agents");
	mp_array(&w, only ? 1 : n->roster.agents.n);
	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (!only || a == only)
			pack_agent(&w, a);
	}
	report_send(rq, &out);
}
