/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading verbs `nodes` and `top`: what there is, and what of it is used. What cannot be read is nil, not 0.
 */
#include "covey/version.h"
#include "node/report_priv.h"
#include "node/sample.h"

struct totals {
	double cpu_cores;
	int64_t memory_bytes, replicas;
};

static void add_up(struct node *n, struct totals *ret)
{
	*ret = (struct totals){0};
	MAP_FOREACH (at, &n->roster.runners) {
		const struct runner *r = CONTAINER_OF(at, struct runner, by_stem);
		struct cgroup_usage u;

		if (r->core.state != REPLICA_RUNNING)
			continue;
		ret->replicas++;
		ret->cpu_cores += MAX(sample_usage(r, &u), 0.);
		ret->memory_bytes += MAX(u.memory_bytes, (int64_t)0);
	}
}

static void pack_capacity(struct mp_writer *w, const char *key, double cores, int64_t bytes)
{
	mp_str(w, key);
	mp_map(w, 2);
	report_key_real(w, "cpu_cores", cores);
	report_key_int(w, "memory_bytes", bytes);
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
	struct sysstat_host host;
	struct totals sum;
	struct bytes out;
	struct mp_writer w;

	(void)args;
	sysstat_host(n->cfg->data_dir, &host);
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
	report_send(rq, &out);
}

static int64_t probe_ms(const struct runner *r)
{
	if (r->core.liveness.asked)
		return r->core.liveness.took_ms;
	return r->core.readiness.asked ? r->core.readiness.took_ms : -1;
}

static void pack_top_replica(struct mp_writer *w, const struct runner *r)
{
	struct cgroup_pressure pressure;
	struct cgroup_usage u;
	double cores = sample_usage(r, &u);
	bool known = u.pids >= 0;

	sample_pressure(r, &pressure);
	mp_map(w, 16);
	mp_key_str(w, "id", r->id);
	mp_key_str(w, "agent", r->agent->name);
	mp_key_str(w, "state", replica_state_name((enum replica_state)r->core.state));
	report_key_int(w, "pid", report_pid(r));
	report_key_real(w, "cpu_cores", cores);
	report_key_int(w, "memory_bytes", u.memory_bytes);
	report_key_int(w, "memory_limit_bytes", report_memory_limit(r));
	report_key_int(w, "pids", u.pids);
	report_key_int(w, "io_read_bps", known ? r->sample.io_read_bps : -1);
	report_key_int(w, "io_write_bps", known ? r->sample.io_write_bps : -1);
	report_key_real(w, "pressure_cpu", pressure.cpu);
	report_key_real(w, "pressure_memory", pressure.memory);
	report_key_real(w, "pressure_io", pressure.io);
	mp_key_int(w, "restarts", r->core.restarts);
	mp_key_int(w, "refused", (int64_t)r->refused.total);
	report_key_int(w, "probe_ms", probe_ms(r));
}

void report_pack_host(struct mp_writer *w, const struct report_host *x)
{
	const struct sysstat_host *h = &x->host;
	bool used = h->memory_total_bytes >= 0 && h->memory_available_bytes >= 0;

	mp_str(w, "node");
	mp_map(w, 10);
	report_key_real(w, "cpu_cores", (double)h->cpus);
	report_key_real(w, "cpu_used_cores", x->host_cores);
	report_key_int(w, "memory_bytes", h->memory_total_bytes);
	report_key_int(w, "memory_used_bytes", used ? h->memory_total_bytes - h->memory_available_bytes : -1);
	report_key_real(w, "load1", h->load1);
	report_key_int(w, "disk_free_bytes", h->disk_free_bytes);
	report_key_int(w, "disk_bytes", h->disk_total_bytes);
	report_key_real(w, "pressure_cpu", h->pressure_cpu);
	report_key_real(w, "pressure_memory", h->pressure_memory);
	report_key_real(w, "pressure_io", h->pressure_io);
	mp_str(w, "daemon");
	mp_map(w, 3);
	report_key_real(w, "cpu_cores", x->self_cores);
	report_key_int(w, "memory_bytes", x->self.rss_bytes);
	report_key_int(w, "fds", x->self.fds);
}

void report_top(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct report_host h;
	struct bytes out;
	struct mp_writer w;

	(void)args;
	sysstat_host(n->cfg->data_dir, &h.host);
	sysstat_self(&h.self);
	h.host_cores = sample_node_cores(n, &h.host);
	h.self_cores = sample_self_cores(n, &h.self);
	sample_all(n);
	bytes_init(&out, REPORT_MAX);
	mp_writer_init(&w, &out);
	mp_map(&w, 4);
	mp_key_int(&w, "format", 1);
	report_pack_host(&w, &h);
	mp_str(&w, "replicas");
	mp_array(&w, n->roster.runners.n);
	MAP_FOREACH (at, &n->roster.runners)
		pack_top_replica(&w, CONTAINER_OF(at, struct runner, by_stem));
	report_send(rq, &out);
}
