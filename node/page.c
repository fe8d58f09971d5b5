/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What HTTP answers: at once, but for verbs that wait for something, which answer when it is there.
 */
#include "node/page.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "covey/version.h"
#include "node/cluster_figures.h"
#include "node/metrics.h"
#include "node/node.h"
#include "node/sample.h"
#include "node/verbs.h"

#define QUERY_PAIRS_MAX 8

static void plain(struct http_answer *ret, int status, const char *text)
{
	ret->status = status;
	ret->content_type = "text/plain; charset=utf-8";
	bytes_init(&ret->body, 1024);
	(void)bytes_str(&ret->body, text); /* an empty body otherwise */
}

/* ---- /metrics ---- */

static void fill_replica(const struct runner *r, struct metrics_replica *m)
{
	struct cgroup_usage usage;
	double cores = sample_usage(r, &usage);

	*m = (struct metrics_replica){.agent = r->agent->name,
		.replica = r->id,
		.state = (enum replica_state)r->core.state,
		.health = replica_health(&r->core),
		.usage = usage,
		.cpu_cores = cores,
		.restarts = r->core.restarts,
		.refused = r->refused.total,
		.log_bytes = r->log_bytes,
		.log_dropped_lines = r->log_dropped_lines,
		.liveness_ms = r->core.liveness.asked ? r->core.liveness.took_ms : -1,
		.readiness_ms = r->core.readiness.asked ? r->core.readiness.took_ms : -1,
		.probes = r->core.liveness.asked + r->core.readiness.asked,
		.probes_failed = r->core.liveness.failed + r->core.readiness.failed};
	sample_pressure(r, &m->pressure);
}

static void fill_node(struct node *n, struct metrics_node *m)
{
	struct events_stats ev;

	*m = (struct metrics_node){.node = n->cfg->name,
		.version = COVEY_VERSION,
		.started_wall_ms = n->started_wall_ms,
		.spawns = n->spawns,
		.loop_lag_max_ms = lag_max_ms(&n->lag, n->now.mono_ms)};
	sysstat_host(n->cfg->data_dir, &m->host);
	sysstat_self(&m->self);
	store_stats(n->store, &m->store);
	control_stats(n->control, &m->control);
	cluster_figures(n->cluster, &m->gossip);
	council_figures(n->council, &m->council);
	events_stats(n->events, &ev);
	m->events = ev.emitted;
}

static size_t fill_agents(struct node *n, struct metrics_agent *v)
{
	size_t k = 0;

	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);
		struct roster_count c;

		roster_count(a, &c);
		v[k++] = (struct metrics_agent){a->name, c.desired, c.running, c.healthy};
	}
	return k;
}

static size_t fill_replicas(struct node *n, struct metrics_replica *v)
{
	size_t k = 0;

	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);

		for (size_t i = 0; i < a->n_slots; i++)
			if (a->slots[i])
				fill_replica(a->slots[i], &v[k++]);
	}
	return k;
}

static void metrics(struct node *n, struct http_answer *ret)
{
	AUTO_FREE struct metrics_agent *agents = mem_zalloc(n->roster.agents.n, sizeof(*agents));
	AUTO_FREE struct metrics_replica *replicas = mem_zalloc(n->roster.runners.n, sizeof(*replicas));
	struct metrics_node node;
	size_t n_agents, n_replicas;

	if (!agents || !replicas) {
		plain(ret, 503, "out of memory\n");
		return;
	}
	sample_all(n);
	fill_node(n, &node);
	n_agents = fill_agents(n, agents);
	n_replicas = fill_replicas(n, replicas);
	ret->status = 200;
	ret->content_type = "text/plain; version=0.0.4; charset=utf-8";
	bytes_init(&ret->body, HTTP_REPLY_MAX);
	metrics_render(&node, agents, n_agents, replicas, n_replicas, &ret->body);
}

/* ---- /v1/VERB ---- */

static void render(struct http_answer *ret, bool ok, const struct bytes *packed, const char *error)
{
	struct mp_tree t;

	if (!ok) {
		plain(ret, 400, error ? error : "refused");
		(void)bytes_str(&ret->body, "\n"); /* only looks */
		return;
	}
	if (mp_read(&t, packed->v, packed->n, NULL) < 0) {
		plain(ret, 500, "the answer is malformed\n");
		return;
	}
	ret->status = 200;
	ret->content_type = "application/json";
	bytes_init(&ret->body, HTTP_REPLY_MAX);
	(void)mp_to_json(mp_root(&t), 0, &ret->body); /* `failed` is looked at where the body is sent */
	mp_done(&t);
}

static void on_reply(void *arg, bool ok, const struct bytes *packed, const char *code, const char *error)
{
	struct http_answer a = {0};

	(void)code; /* the sentence says it */

	render(&a, ok, packed, error);
	http_reply(arg, &a);
}

/* "agent=web&max=10" as a map; numbers as numbers. Values are names and numbers, so nothing is escaped in them. */
static int pack_query(const char *query, struct bytes *out)
{
	size_t pairs = 0;
	struct mp_writer w;
	char key[64], value[256];
	int used;

	for (const char *p = query; *p; p++)
		pairs += *p == '=';
	if (pairs > QUERY_PAIRS_MAX)
		return -1;
	mp_writer_init(&w, out);
	mp_map(&w, pairs);
	for (; pairs; pairs--) {
		if (sscanf(query, "%63[^=&]=%255[^&]%n", key, value, &used) != 2)
			return -1;
		mp_str(&w, key);
		if (value[0] && strspn(value, "0123456789") == strlen(value) && strlen(value) < 18)
			mp_int(&w, strtoll(value, NULL, 10));
		else
			mp_str(&w, value);
		query += used + (query[used] == '&');
	}
	return *query ? -1 : 0;
}

static void say(struct http_request *rq, int status, const char *text)
{
	struct http_answer a = {0};

	plain(&a, status, text);
	http_reply(rq, &a);
}

static const char nothing_here[] = "not found: /metrics, /health/live, /health/ready and /v1/ with a reading verb are "
				   "here\n";

static void verb(struct node *n, const char *name, const char *query, struct http_request *http)
{
	CLEANUP(bytes_done) struct bytes packed = {.max = 4096};
	struct control_request *rq;
	struct mp_tree args;

	if (!verbs_is_read(name)) {
		say(http, 404, nothing_here);
		return;
	}
	if (pack_query(query, &packed) < 0 || mp_read(&args, packed.v, packed.n, NULL) < 0) {
		say(http, 400, "the query is not NAME=VALUE&…\n");
		return;
	}
	rq = control_request_new(n->control, CONTROL_HTTP, on_reply, http);
	if (rq)
		verbs_handle(n, rq, name, mp_root(&args)); /* a verb that waits has copied what it needs */
	else
		say(http, 503, "too busy\n");
	mp_done(&args);
}

static void answer_at_once(struct node *n, const char *path, struct http_answer *ret)
{
	if (strcmp(path, "/metrics") == 0)
		metrics(n, ret);
	else if (strcmp(path, "/health/live") == 0)
		plain(ret, 200, "live\n");
	else if (strcmp(path, "/health/ready") == 0)
		plain(ret, n->awaiting || n->store_failed ? 503 : 200,
			n->awaiting	  ? "looking for running replicas\n"
			: n->store_failed ? "the store refuses writes\n"
					  : "ready\n");
	else
		plain(ret, 404, nothing_here);
}

void page_answer(void *arg, struct http_request *rq, const char *path, const char *query)
{
	struct http_answer a = {0};
	struct node *n = arg;

	node_now(n);
	if (strncmp(path, "/v1/", 4) == 0) {
		verb(n, path + 4, query, rq);
		return;
	}
	answer_at_once(n, path, &a);
	http_reply(rq, &a);
}
