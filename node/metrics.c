/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prometheus text from tables: a row is one metric, or one labelled part of it, and says where in the snapshot its
 * number lies. doc/METRICS.md is the same list for people; a test keeps the two alike. What is not known (negative)
 * has no line. Counters are in base units: seconds, bytes.
 */
#include "node/metrics.h"

#include <math.h>
#include <string.h>

/* How a number lies in the snapshot and is written. */
enum kind {
	KIND_I64,
	KIND_U64,
	KIND_SIZE,
	KIND_BOOL,
	KIND_REAL,
	KIND_PERCENT, /* double, written as a ratio */
	KIND_MICRO,   /* int64_t microseconds, written as seconds */
	KIND_MILLI,   /* int64_t milliseconds, written as seconds */
	KIND_SECONDS, /* double milliseconds, written as seconds */
	KIND_STATE,   /* enum replica_state: a 1 labelled with the state it is in */
	KIND_HEALTH,  /* enum health_level, the same */
	KIND_INFO,    /* a 1 labelled with the node's name and version */
	KIND_MAX
};

/* Rows of one metric follow each other and differ in label; the help stands at the first. */
struct row {
	const char *name, *type, *help;
	const char *label; /* name="value" for this row alone; or NULL */
	size_t at;
	enum kind kind;
};

#define NODE(name, type, kind, field, help)                                        \
	{                                                                          \
		name, type, help, NULL, offsetof(struct metrics_node, field), kind \
	}
#define NODE_PART(name, type, kind, field, label)                                   \
	{                                                                           \
		name, type, NULL, label, offsetof(struct metrics_node, field), kind \
	}
#define AGENT(name, type, kind, field, help)                                        \
	{                                                                           \
		name, type, help, NULL, offsetof(struct metrics_agent, field), kind \
	}
#define REPLICA(name, type, kind, field, help)                                        \
	{                                                                             \
		name, type, help, NULL, offsetof(struct metrics_replica, field), kind \
	}
#define REPLICA_PART(name, type, kind, field, label, help)                             \
	{                                                                              \
		name, type, help, label, offsetof(struct metrics_replica, field), kind \
	}

static const struct row node_rows[] = {
	NODE("covey_node_info", "gauge", KIND_INFO, node, "Always 1; the labels tell the node's name and version."),
	NODE("covey_node_cpus", "gauge", KIND_I64, host.cpus, "Processors that are online."),
	NODE("covey_node_cpu_seconds_total", "counter", KIND_MICRO, host.cpu_busy_us,
		"Processor time used by everything on the host, all processors together."),
	NODE("covey_node_memory_bytes", "gauge", KIND_I64, host.memory_total_bytes, "Memory of the host."),
	NODE("covey_node_memory_available_bytes", "gauge", KIND_I64, host.memory_available_bytes,
		"Memory that could be had without swapping."),
	NODE("covey_node_swap_bytes", "gauge", KIND_I64, host.swap_total_bytes, "Swap of the host."),
	NODE("covey_node_swap_free_bytes", "gauge", KIND_I64, host.swap_free_bytes, "Swap that is free."),
	NODE("covey_node_load1", "gauge", KIND_REAL, host.load1, "Load average over 1 minute."),
	NODE("covey_node_load5", "gauge", KIND_REAL, host.load5, "Load average over 5 minutes."),
	NODE("covey_node_load15", "gauge", KIND_REAL, host.load15, "Load average over 15 minutes."),
	{"covey_node_pressure_ratio", "gauge",
		"Share of the last 10 seconds in which some task waited for the resource (PSI).", "resource=\"cpu\"",
		offsetof(struct metrics_node, host.pressure_cpu), KIND_PERCENT},
	NODE_PART("covey_node_pressure_ratio", "gauge", KIND_PERCENT, host.pressure_memory, "resource=\"memory\""),
	NODE_PART("covey_node_pressure_ratio", "gauge", KIND_PERCENT, host.pressure_io, "resource=\"io\""),
	NODE("covey_node_disk_bytes", "gauge", KIND_I64, host.disk_total_bytes, "Size of the file system of data_dir."),
	NODE("covey_node_disk_free_bytes", "gauge", KIND_I64, host.disk_free_bytes,
		"Bytes free for the daemon on the file system of data_dir."),
	NODE("covey_node_uptime_seconds", "gauge", KIND_MILLI, host.uptime_ms, "Time since the host's boot."),
	NODE("covey_daemon_start_time_seconds", "gauge", KIND_MILLI, started_wall_ms,
		"When coveyd started, since 1970."),
	NODE("covey_daemon_cpu_seconds_total", "counter", KIND_MICRO, self.cpu_us, "Processor time used by coveyd."),
	NODE("covey_daemon_memory_bytes", "gauge", KIND_I64, self.rss_bytes, "Resident memory of coveyd."),
	NODE("covey_daemon_fds", "gauge", KIND_I64, self.fds, "Open descriptors of coveyd."),
	NODE("covey_daemon_threads", "gauge", KIND_I64, self.threads, "Threads of coveyd."),
	NODE("covey_daemon_events_total", "counter", KIND_U64, events, "Events told since the start of coveyd."),
	NODE("covey_daemon_spawns_total", "counter", KIND_U64, spawns, "Shims started since the start of coveyd."),
	NODE("covey_daemon_loop_lag_max_seconds", "gauge", KIND_SECONDS, loop_lag_max_ms,
		"Longest time the event loop was late lately."),
	NODE("covey_daemon_store_jobs_total", "counter", KIND_U64, store.jobs, "Changes given to the store."),
	NODE("covey_daemon_store_commits_total", "counter", KIND_U64, store.commits,
		"Transactions of the store, each of one or more changes."),
	NODE("covey_daemon_store_failures_total", "counter", KIND_U64, store.failures,
		"Changes the store could not make durable."),
	NODE("covey_daemon_store_commit_p50_seconds", "gauge", KIND_MICRO, store.commit_p50_us,
		"Median time of a transaction."),
	NODE("covey_daemon_store_commit_max_seconds", "gauge", KIND_MICRO, store.commit_max_us,
		"Longest time of a transaction."),
	NODE("covey_daemon_store_bytes", "gauge", KIND_I64, store.bytes, "Size of the store."),
	NODE("covey_daemon_store_queued", "gauge", KIND_SIZE, store.queued, "Changes that wait for the store."),
	NODE("covey_daemon_store_suspect", "gauge", KIND_BOOL, store.suspect,
		"1 when writing to disk has failed: nothing is promised any more."),
	NODE("covey_daemon_control_requests_total", "counter", KIND_U64, control.requests,
		"Requests on the control socket."),
	NODE("covey_daemon_control_refused_peers_total", "counter", KIND_U64, control.refused_peers,
		"Connections refused for their user."),
	NODE("covey_daemon_control_bad_frames_total", "counter", KIND_U64, control.bad_frames,
		"Requests that could not be read."),
	NODE("covey_daemon_control_dropped_total", "counter", KIND_U64, control.dropped_full,
		"Requests refused because too many were waiting."),
	NODE("covey_daemon_control_waiting", "gauge", KIND_SIZE, control.waiting, "Requests that wait for something."),
	{"covey_gossip_members", "gauge", "Members by state, as this node sees them.", "state=\"alive\"",
		offsetof(struct metrics_node, gossip.alive), KIND_I64},
	NODE_PART("covey_gossip_members", "gauge", KIND_I64, gossip.suspect, "state=\"suspect\""),
	NODE_PART("covey_gossip_members", "gauge", KIND_I64, gossip.dead, "state=\"dead\""),
	NODE_PART("covey_gossip_members", "gauge", KIND_I64, gossip.left, "state=\"left\""),
	NODE("covey_gossip_isolated", "gauge", KIND_I64, gossip.isolated, "1 while this node hears no other."),
	NODE("covey_gossip_health", "gauge", KIND_I64, gossip.health,
		"1: this node is in time; up to 4: it is late itself, and waits that much longer before it accuses."),
	NODE("covey_gossip_late_total", "counter", KIND_I64, gossip.late, "Times that this node was late itself."),
	NODE("covey_gossip_links", "gauge", KIND_I64, gossip.links, "Links to other nodes."),
	NODE("covey_gossip_links_eager", "gauge", KIND_I64, gossip.links_eager,
		"Links on which news is sent at once; on the others its digest."),
	NODE("covey_gossip_frames_in_total", "counter", KIND_I64, gossip.frames_in, "Frames that came over links."),
	NODE("covey_gossip_frames_out_total", "counter", KIND_I64, gossip.frames_out, "Frames sent over links."),
	NODE("covey_gossip_bytes_in_total", "counter", KIND_I64, gossip.bytes_in,
		"Bytes of the frames that came, without those of TLS and TCP."),
	NODE("covey_gossip_bytes_out_total", "counter", KIND_I64, gossip.bytes_out, "Bytes of the frames sent."),
	NODE("covey_gossip_dialled_total", "counter", KIND_I64, gossip.dialled, "Dials begun."),
	NODE("covey_gossip_accepted_total", "counter", KIND_I64, gossip.accepted, "Connections accepted."),
	NODE("covey_gossip_turned_away_total", "counter", KIND_I64, gossip.turned_away,
		"Connections that did not become a link: TLS, the hello, or silence."),
	NODE("covey_gossip_bad_frames_total", "counter", KIND_I64, gossip.bad_frames,
		"Frames that were no message; each was ignored."),
	NODE("covey_gossip_refused_total", "counter", KIND_I64, gossip.refused,
		"Values that their sender may not tell; each was ignored."),
	NODE("covey_gossip_syncs_total", "counter", KIND_I64, gossip.syncs, "Comparisons with another node's view."),
	NODE("covey_gossip_values_bytes", "gauge", KIND_I64, gossip.values_bytes,
		"Memory of what members tell of themselves."),
	NODE("covey_gossip_asked_total", "counter", KIND_I64, gossip.asked, "Questions to other nodes: logs, details."),
	NODE("covey_gossip_asked_failed_total", "counter", KIND_I64, gossip.asked_failed,
		"Of these, refused or not answered."),
	NODE("covey_gossip_served_total", "counter", KIND_I64, gossip.served,
		"Questions of other nodes that this one took."),
	NODE("covey_gossip_served_refused_total", "counter", KIND_I64, gossip.served_refused,
		"Those that it did not take: too many at a time."),
	NODE("covey_gossip_passed_total", "counter", KIND_I64, gossip.passed,
		"Those that it passed on to a node that cannot be dialled."),
	NODE("covey_gossip_strays_total", "counter", KIND_I64, gossip.strays,
		"Messages of no question that is known; each was ignored."),
	NODE("covey_gossip_answers_bytes", "gauge", KIND_I64, gossip.answers_bytes,
		"Memory of answers that have not left."),
	NODE("covey_gossip_registers_in_total", "counter", KIND_I64, gossip.registers_in,
		"Messages about registers that came."),
	NODE("covey_gossip_registers_out_total", "counter", KIND_I64, gossip.registers_out,
		"Messages about registers that were sent."),
	NODE("covey_gossip_registers_dropped_total", "counter", KIND_I64, gossip.registers_dropped,
		"Those for which there was no link, place or memory, or whose link ended; they are asked for again."),
	NODE("covey_gossip_registers_bad_total", "counter", KIND_I64, gossip.registers_bad,
		"Those that were no message, or came out of turn; each was ignored."),
	NODE("covey_gossip_registers_bytes", "gauge", KIND_I64, gossip.registers_bytes,
		"Memory of those that have not left or not come whole."),
	NODE("covey_council_epoch", "gauge", KIND_I64, council.epoch,
		"Of the voters: rises with each change of who votes; 0: nobody is known to vote."),
	NODE("covey_council_voters", "gauge", KIND_I64, council.voters,
		"Nodes that vote; while they change, those of before and after."),
	NODE("covey_council_votes", "gauge", KIND_I64, council.votes, "1 when this node is one of them."),
	NODE("covey_council_quorum", "gauge", KIND_I64, council.quorum,
		"1 when a majority of the voters is there, as this node sees it: else nothing is decided."),
	NODE("covey_council_agents", "gauge", KIND_I64, council.agents,
		"Agents whose newest decision this node knows; removed ones count."),
	{"covey_council_proposals_total", "counter",
		"Changes and readings that this node proposed, by their end; unknown: too few voters answered.",
		"outcome=\"chosen\"", offsetof(struct metrics_node, council.chosen), KIND_I64},
	NODE_PART("covey_council_proposals_total", "counter", KIND_I64, council.refused, "outcome=\"refused\""),
	NODE_PART("covey_council_proposals_total", "counter", KIND_I64, council.held, "outcome=\"held\""),
	NODE_PART("covey_council_proposals_total", "counter", KIND_I64, council.unknown, "outcome=\"unknown\""),
	NODE("covey_council_under_way", "gauge", KIND_I64, council.under_way, "Those that have not ended."),
	NODE("covey_council_round_seconds", "gauge", KIND_MILLI, council.round_ms,
		"How long voters take to answer a proposal from their disks, as pauses count it: 0.005 to 0.25."),
	NODE("covey_council_leases_held", "gauge", KIND_I64, council.leases,
		"Replicas that this node may run under a lease now."),
};

static const struct row agent_rows[] = {
	AGENT("covey_agent_desired_replicas", "gauge", KIND_I64, desired, "Replicas that should run."),
	AGENT("covey_agent_running_replicas", "gauge", KIND_I64, running, "Replicas that run."),
	AGENT("covey_agent_healthy_replicas", "gauge", KIND_I64, healthy, "Replicas that run and are not unhealthy."),
};

static const struct row replica_rows[] = {
	REPLICA("covey_replica_state", "gauge", KIND_STATE, state,
		"Always 1; the label state tells it: pending, starting, running, backoff, stopping, stopped, failed or "
		"lost."),
	REPLICA("covey_replica_health", "gauge", KIND_HEALTH, health,
		"Always 1; the label health tells it: unknown, healthy, degraded or unhealthy."),
	REPLICA("covey_replica_cpu_seconds_total", "counter", KIND_MICRO, usage.cpu_us,
		"Processor time used, by ended processes too."),
	REPLICA("covey_replica_cpu_cores", "gauge", KIND_REAL, cpu_cores,
		"Processors used over the last sampling period."),
	REPLICA("covey_replica_cpu_throttled_seconds_total", "counter", KIND_MICRO, usage.throttled_us,
		"Time held back by the cpu limit."),
	REPLICA("covey_replica_memory_bytes", "gauge", KIND_I64, usage.memory_bytes,
		"Working set: memory charged, without page cache that could go at once."),
	REPLICA("covey_replica_pids", "gauge", KIND_I64, usage.pids, "Processes and threads."),
	REPLICA("covey_replica_pids_refused_total", "counter", KIND_I64, usage.pids_refused,
		"Processes and threads that could not be made at the pids limit."),
	REPLICA("covey_replica_io_read_bytes_total", "counter", KIND_I64, usage.io_read_bytes, "Read from disks."),
	REPLICA("covey_replica_io_write_bytes_total", "counter", KIND_I64, usage.io_write_bytes, "Written to disks."),
	REPLICA("covey_replica_oom_kills_total", "counter", KIND_I64, usage.oom_kills,
		"Processes killed at the memory limit."),
	{"covey_replica_pressure_ratio", "gauge",
		"Share of the last 10 seconds in which some task of it waited for the resource (PSI, cgroup v2).",
		"resource=\"cpu\"", offsetof(struct metrics_replica, pressure.cpu), KIND_PERCENT},
	REPLICA_PART(
		"covey_replica_pressure_ratio", "gauge", KIND_PERCENT, pressure.memory, "resource=\"memory\"", NULL),
	REPLICA_PART("covey_replica_pressure_ratio", "gauge", KIND_PERCENT, pressure.io, "resource=\"io\"", NULL),
	REPLICA("covey_replica_restarts_total", "counter", KIND_I64, restarts, "Restarts over the replica's life."),
	REPLICA("covey_replica_refused_syscalls_total", "counter", KIND_U64, refused,
		"System calls refused by the seccomp profile in this run."),
	REPLICA("covey_replica_log_bytes_total", "counter", KIND_U64, log_bytes, "Bytes logged in this run."),
	REPLICA("covey_replica_log_dropped_lines_total", "counter", KIND_U64, log_dropped_lines,
		"Lines that could not be logged in this run."),
	REPLICA("covey_replica_probes_total", "counter", KIND_U64, probes, "Probes made, of either kind."),
	REPLICA("covey_replica_probes_failed_total", "counter", KIND_U64, probes_failed, "Probes that failed."),
	REPLICA_PART("covey_replica_probe_seconds", "gauge", KIND_MILLI, liveness_ms, "probe=\"liveness\"",
		"How long the last answer to a probe took."),
	REPLICA_PART("covey_replica_probe_seconds", "gauge", KIND_MILLI, readiness_ms, "probe=\"readiness\"", NULL),
};

/* `failed` of the output tells of what did not fit, once, to the caller: single appends need not be looked at. */
static void put(struct bytes *out, const char *s)
{
	(void)bytes_str(out, s);
}

/* A label's value: backslash, quote and newline are escaped. */
static void put_label(struct bytes *out, const char *name, const char *value)
{
	put(out, name);
	put(out, "=\"");
	for (; *value; value++) {
		if (*value == '\n')
			put(out, "\\n");
		else if (*value == '"' || *value == '\\')
			(void)bytes_fmt(out, "\\%c", *value); /* as put */
		else
			(void)bytes_add(out, value, 1); /* as put */
	}
	put(out, "\"");
}

static int64_t integer_at(const struct row *r, const void *v)
{
	const char *at = (const char *)v + r->at;

	switch (r->kind) {
	case KIND_I64:
	case KIND_MICRO:
	case KIND_MILLI:
		return *(const int64_t *)(const void *)at;
	case KIND_U64:
		return (int64_t)MIN(*(const uint64_t *)(const void *)at, (uint64_t)INT64_MAX);
	case KIND_SIZE:
		return (int64_t) * (const size_t *)(const void *)at;
	case KIND_BOOL:
		return *(const bool *)(const void *)at;
	default:
		return 1; /* what is told by a label */
	}
}

static double real_at(const struct row *r, const void *v)
{
	double d = *(const double *)(const void *)((const char *)v + r->at);

	if (!isfinite(d))
		return -1;
	return r->kind == KIND_PERCENT ? d / 100 : r->kind == KIND_SECONDS ? d / 1000 : d;
}

static bool is_real(const struct row *r)
{
	return r->kind == KIND_REAL || r->kind == KIND_PERCENT || r->kind == KIND_SECONDS;
}

static bool is_known(const struct row *r, const void *v)
{
	return is_real(r) ? real_at(r, v) >= 0 : integer_at(r, v) >= 0;
}

static void put_value(struct bytes *out, const struct row *r, const void *v)
{
	int64_t n;

	if (is_real(r)) {
		(void)bytes_fmt(out, " %.6g\n", real_at(r, v)); /* as put */
		return;
	}
	n = integer_at(r, v);
	if (r->kind == KIND_MICRO)
		(void)bytes_fmt(out, " %lld.%06lld\n", (long long)(n / 1000000), (long long)(n % 1000000)); /* as put */
	else if (r->kind == KIND_MILLI)
		(void)bytes_fmt(out, " %lld.%03lld\n", (long long)(n / 1000), (long long)(n % 1000)); /* as put */
	else
		(void)bytes_fmt(out, " %lld\n", (long long)n); /* as put */
}

/* HELP and TYPE, before the first row of a metric. */
static void put_head(struct bytes *out, const struct row *r)
{
	if (r->help)
		(void)bytes_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", r->name, r->help, r->name, r->type); /* as put */
}

static void put_node(struct bytes *out, const struct row *r, const struct metrics_node *n)
{
	put_head(out, r);
	if (!is_known(r, n))
		return;
	put(out, r->name);
	if (r->kind == KIND_INFO) {
		put(out, "{");
		put_label(out, "node", n->node);
		put(out, ",");
		put_label(out, "version", n->version);
		put(out, "}");
	} else if (r->label) {
		(void)bytes_fmt(out, "{%s}", r->label); /* as put */
	}
	put_value(out, r, n);
}

static void put_agent(struct bytes *out, const struct row *r, const struct metrics_agent *a)
{
	if (!is_known(r, a))
		return;
	put(out, r->name);
	put_label(out, "{agent", a->agent);
	put(out, "}");
	put_value(out, r, a);
}

static void put_replica(struct bytes *out, const struct row *r, const struct metrics_replica *p)
{
	if (!is_known(r, p))
		return;
	put(out, r->name);
	put_label(out, "{agent", p->agent);
	put_label(out, ",replica", p->replica);
	if (r->label)
		(void)bytes_fmt(out, ",%s", r->label); /* as put */
	if (r->kind == KIND_STATE)
		put_label(out, ",state", replica_state_name(p->state));
	if (r->kind == KIND_HEALTH)
		put_label(out, ",health", health_level_name(p->health));
	put(out, "}");
	put_value(out, r, p);
}

void metrics_render(const struct metrics_node *node, const struct metrics_agent *agents, size_t n_agents,
	const struct metrics_replica *replicas, size_t n_replicas, struct bytes *out)
{
	for (size_t i = 0; i < ARRAY_LEN(node_rows); i++)
		put_node(out, &node_rows[i], node);
	for (size_t i = 0; i < ARRAY_LEN(agent_rows); i++) {
		put_head(out, &agent_rows[i]);
		for (size_t k = 0; k < n_agents; k++)
			put_agent(out, &agent_rows[i], &agents[k]);
	}
	for (size_t i = 0; i < ARRAY_LEN(replica_rows); i++) {
		put_head(out, &replica_rows[i]);
		for (size_t k = 0; k < n_replicas; k++)
			put_replica(out, &replica_rows[i], &replicas[k]);
	}
}
