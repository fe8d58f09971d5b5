/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What reading verbs answer: status, nodes, top. Names and shapes are a contract (interface.md, "What the JSON
 * says").
 */
#include "node/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "covey/version.h"
#include "node/node.h"
#include "node/sample.h"
#include "node/sysstat.h"

#define REPORT_MAX CONTROL_FRAME_MAX

/* ---- words ---- */

const char *report_agent_state(const struct agent *a, const struct roster_count *c)
{
	static const enum replica_state worst[] = {
		REPLICA_FAILED, REPLICA_BACKOFF, REPLICA_STOPPING, REPLICA_STARTING, REPLICA_PENDING};

	if (a->removed)
		return "stopping";
	if (a->stopped)
		return c->alive ? "stopping" : "stopped";
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

static void key_known(struct mp_writer *w, const char *key, bool known, int64_t v)
{
	mp_str(w, key);
	if (known)
		mp_int(w, v);
	else
		mp_nil(w);
}

static void key_cores(struct mp_writer *w, const char *key, double v)
{
	mp_str(w, key);
	if (v < 0)
		mp_nil(w);
	else
		mp_double(w, v);
}

static void pack_replica(struct mp_writer *w, const struct runner *r)
{
	bool running = r->core.state == REPLICA_RUNNING;
	bool sampled = running && r->sample.at_mono_ms > 0;

	mp_map(w, 15);
	mp_key_str(w, "id", r->id);
	mp_key_str(w, "node", r->node->cfg->name);
	mp_key_str(w, "state", replica_state_name((enum replica_state)r->core.state));
	mp_key_str(w, "health", health_level_name(replica_health(&r->core)));
	key_known(w, "pid", runner_is_alive(r) && r->core.pid > 0, r->core.pid);
	mp_key_int(w, "restarts", r->core.restarts);
	mp_key_int(w, "epoch", (int64_t)r->epoch);
	mp_key_time(w, "since", r->core.since_wall_ms);
	key_cores(w, "cpu_cores", sampled ? r->sample.cpu_cores : -1);
	key_known(w, "memory_bytes", sampled, r->sample.usage.memory_bytes);
	key_known(
		w, "memory_limit_bytes", r->spec->resources.memory_max_bytes > 0, r->spec->resources.memory_max_bytes);
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

static void send_document(struct control_request *rq, struct bytes *out)
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
	send_document(rq, &out);
}

/* ---- nodes and top ---- */

struct totals {
	double cpu_cores;
	int64_t memory_bytes, replicas;
};

static void add_up(struct node *n, struct totals *ret)
{
	*ret = (struct totals){0};
	MAP_FOREACH (at, &n->roster.runners) {
		const struct runner *r = CONTAINER_OF(at, struct runner, by_stem);

		if (r->core.state != REPLICA_RUNNING)
			continue;
		ret->replicas++;
		ret->cpu_cores += MAX(r->sample.cpu_cores, 0.);
		ret->memory_bytes += r->sample.at_mono_ms ? r->sample.usage.memory_bytes : 0;
	}
}

static void pack_capacity(struct mp_writer *w, const char *key, double cores, int64_t bytes)
{
	mp_str(w, key);
	mp_map(w, 2);
	mp_key_double(w, "cpu_cores", cores);
	mp_key_int(w, "memory_bytes", bytes);
}

static void pack_labels(struct mp_writer *w, const struct config *cfg)
{
	mp_str(w, "labels");
	mp_map(w, cfg->labels.n);
	for (size_t i = 0; i < cfg->labels.n; i++)
		mp_key_str(w, cfg->labels.v[i].key, cfg->labels.v[i].value);
}

void report_nodes(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct sysstat_host host = {0};
	struct totals sum;
	struct bytes out;
	struct mp_writer w;

	(void)args;
	(void)sysstat_host(n->cfg->data_dir, &host, NULL); /* what cannot be read stays 0 */
	sample_all(n);
	add_up(n, &sum);
	bytes_init(&out, REPORT_MAX);
	mp_writer_init(&w, &out);
	mp_map(&w, 2);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "nodes");
	mp_array(&w, 1);
	mp_map(&w, 14);
	mp_key_str(&w, "name", n->cfg->name);
	mp_key_str(&w, "id", store_node_id(n->store));
	mp_key_str(&w, "address", NULL);
	mp_key_str(&w, "state", "alive");
	mp_key_time(&w, "since", n->started_wall_ms);
	mp_key_int(&w, "incarnation", (int64_t)(n->next_run >> 32));
	mp_key_bool(&w, "voter", true);
	mp_key_bool(&w, "schedulable", n->cfg->schedulable);
	mp_key_bool(&w, "draining", n->draining);
	pack_labels(&w, n->cfg);
	pack_capacity(&w, "capacity", n->cfg->cpu_milli ? (double)n->cfg->cpu_milli / 1e3 : (double)host.cpus,
		n->cfg->memory_bytes ? n->cfg->memory_bytes : host.memory_total_bytes);
	pack_capacity(&w, "used", sum.cpu_cores, sum.memory_bytes);
	mp_key_int(&w, "replicas", sum.replicas);
	mp_key_str(&w, "version", COVEY_VERSION);
	send_document(rq, &out);
}

static int64_t probe_ms(const struct runner *r)
{
	if (r->core.liveness.asked)
		return r->core.liveness.took_ms;
	return r->core.readiness.asked ? r->core.readiness.took_ms : -1;
}

static void pack_top_replica(struct mp_writer *w, const struct runner *r)
{
	const struct cgroup_usage *u = &r->sample.usage;
	bool sampled = r->core.state == REPLICA_RUNNING && r->sample.at_mono_ms > 0;

	mp_map(w, 13);
	mp_key_str(w, "id", r->id);
	mp_key_str(w, "agent", r->agent->name);
	mp_key_str(w, "state", replica_state_name((enum replica_state)r->core.state));
	key_known(w, "pid", runner_is_alive(r) && r->core.pid > 0, r->core.pid);
	key_cores(w, "cpu_cores", sampled ? r->sample.cpu_cores : -1);
	key_known(w, "memory_bytes", sampled, u->memory_bytes);
	key_known(
		w, "memory_limit_bytes", r->spec->resources.memory_max_bytes > 0, r->spec->resources.memory_max_bytes);
	key_known(w, "pids", sampled, u->pids);
	key_known(w, "io_read_bps", sampled && r->sample.io_read_bps >= 0, r->sample.io_read_bps);
	key_known(w, "io_write_bps", sampled && r->sample.io_write_bps >= 0, r->sample.io_write_bps);
	mp_key_int(w, "restarts", r->core.restarts);
	mp_key_int(w, "refused", (int64_t)r->refused.total);
	key_known(w, "probe_ms", probe_ms(r) >= 0, probe_ms(r));
}

static void pack_top_node(struct mp_writer *w, struct node *n)
{
	struct sysstat_host h = {0};
	struct sysstat_self self = {0};

	(void)sysstat_host(n->cfg->data_dir, &h, NULL); /* what cannot be read stays 0 */
	(void)sysstat_self(&self, NULL);		/* as above */
	mp_str(w, "node");
	mp_map(w, 10);
	mp_key_double(w, "cpu_cores", (double)h.cpus);
	key_cores(w, "cpu_used_cores", sample_node_cores(n, &h));
	mp_key_int(w, "memory_bytes", h.memory_total_bytes);
	mp_key_int(w, "memory_used_bytes", h.memory_total_bytes - h.memory_available_bytes);
	mp_key_double(w, "load1", h.load1);
	mp_key_int(w, "disk_free_bytes", h.disk_free_bytes);
	mp_key_int(w, "disk_bytes", h.disk_total_bytes);
	key_cores(w, "pressure_cpu", h.pressure_cpu);
	key_cores(w, "pressure_memory", h.pressure_memory);
	key_cores(w, "pressure_io", h.pressure_io);
	mp_str(w, "daemon");
	mp_map(w, 3);
	key_cores(w, "cpu_cores", sample_self_cores(n, &self));
	mp_key_int(w, "memory_bytes", self.rss_bytes);
	mp_key_int(w, "fds", self.fds);
}

void report_top(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct bytes out;
	struct mp_writer w;

	(void)args;
	sample_all(n);
	bytes_init(&out, REPORT_MAX);
	mp_writer_init(&w, &out);
	mp_map(&w, 4);
	mp_key_int(&w, "format", 1);
	pack_top_node(&w, n);
	mp_str(&w, "replicas");
	mp_array(&w, n->roster.runners.n);
	MAP_FOREACH (at, &n->roster.runners)
		pack_top_replica(&w, CONTAINER_OF(at, struct runner, by_stem));
	send_document(rq, &out);
}
