/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading verb `top`: what is used. What cannot be read is nil, not 0.
 */
#include "node/cluster_figures.h"
#include "node/report_priv.h"
#include "node/sample.h"

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

static void pack_gossip(struct mp_writer *w, const struct cluster *c)
{
	struct cluster_figures f;

	cluster_figures(c, &f);
	mp_str(w, "gossip");
	if (f.alive < 0) {
		mp_nil(w);
		return;
	}
	mp_map(w, 8);
	mp_key_int(w, "alive", f.alive);
	mp_key_int(w, "suspect", f.suspect);
	mp_key_int(w, "dead", f.dead);
	mp_key_int(w, "left", f.left);
	mp_key_int(w, "links", f.links);
	mp_key_int(w, "health", f.health);
	mp_key_int(w, "bytes_in", f.bytes_in);
	mp_key_int(w, "bytes_out", f.bytes_out);
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
	mp_map(&w, 5);
	mp_key_int(&w, "format", 1);
	report_pack_host(&w, &h);
	pack_gossip(&w, n->cluster);
	mp_str(&w, "replicas");
	mp_array(&w, n->roster.runners.n);
	MAP_FOREACH (at, &n->roster.runners)
		pack_top_replica(&w, CONTAINER_OF(at, struct runner, by_stem));
	report_send(rq, &out);
}
