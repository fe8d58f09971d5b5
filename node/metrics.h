/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_METRICS_H
#define NODE_METRICS_H
/*
 * Prometheus text (exposition format 0.0.4) from a snapshot that node/ fills. Rendering only: no reading, no clock.
 */
#include "base/bytes.h"
#include "node/cluster_figures.h"
#include "node/control.h"
#include "node/council_figures.h"
#include "node/store.h"
#include "node/sysstat.h"
#include "supervisor/cgroup.h"
#include "supervisor/health.h"
#include "supervisor/replica.h"

struct metrics_replica {
	const char *agent, *replica; /* label values, escaped by the renderer */
	enum replica_state state;
	enum health_level health;
	struct cgroup_usage usage;
	struct cgroup_pressure pressure;
	double cpu_cores; /* over the last sampling period; -1: not yet */
	int64_t restarts;
	uint64_t refused, log_bytes, log_dropped_lines;
	int64_t liveness_ms, readiness_ms; /* last probe's latency; -1: none */
	uint64_t probes, probes_failed;
};

struct metrics_agent {
	const char *agent;
	int64_t desired, running, healthy;
};

struct metrics_node {
	const char *node, *version;
	struct sysstat_host host;
	struct sysstat_self self;
	struct store_stats store;
	struct control_stats control;
	struct cluster_figures gossip;
	struct council_figures council;
	int64_t started_wall_ms;
	uint64_t events, spawns;
	double loop_lag_max_ms;
};

/* Begins with the node's figures, then one call a metric family inside: agents and replicas are walked for each. */
void metrics_render(const struct metrics_node *node, const struct metrics_agent *agents, size_t n_agents,
	const struct metrics_replica *replicas, size_t n_replicas, struct bytes *out);

#endif
