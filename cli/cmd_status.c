/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `status` and `nodes`: what is there, as tables.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "cli/call.h"
#include "cli/field.h"
#include "cli/view.h"

/* One agent's replicas taken together. */
struct sums {
	int64_t restarts, memory, limit, youngest_ms; /* youngest: when its newest state began */
	double cpu;
	bool has_cpu, has_memory, all_limited;
	char health[32];
	const msgpack_object *last_exit; /* the latest; NULL: none */
	int64_t last_exit_ms;
};

static int health_rank(const char *health)
{
	static const char *const worse[] = {"healthy", "unknown", "degraded", "unhealthy"};

	for (int i = 0; i < (int)ARRAY_LEN(worse); i++)
		if (strcmp(health, worse[i]) == 0)
			return i;
	return -1;
}

static void add_health(struct sums *s, const msgpack_object *replica)
{
	char health[32], state[32];

	(void)field_text(replica, "health", health, sizeof(health)); /* it is text */
	if (strcmp(field_text(replica, "state", state, sizeof(state)), "running") == 0 &&
		health_rank(health) > health_rank(s->health))
		memcpy(s->health, health, sizeof(s->health));
}

static void add_replica(struct sums *s, const msgpack_object *replica)
{
	double cpu = field_double(replica, "cpu_cores", -1);
	int64_t memory = field_int(replica, "memory_bytes", -1), limit = field_int(replica, "memory_limit_bytes", 0);
	const msgpack_object *last = mp_get(replica, "last_exit");
	int64_t at = field_time(last, "at");

	s->restarts += field_int(replica, "restarts", 0);
	s->youngest_ms = MAX(s->youngest_ms, field_time(replica, "since"));
	if (cpu >= 0) {
		s->cpu += cpu;
		s->has_cpu = true;
	}
	if (memory >= 0) {
		s->memory += memory;
		s->has_memory = true;
		s->all_limited &= limit > 0;
		s->limit += limit;
	}
	add_health(s, replica);
	if (last && (!s->last_exit || at > s->last_exit_ms)) {
		s->last_exit = last;
		s->last_exit_ms = at;
	}
}

static void sum_up(const msgpack_object *agent, struct sums *ret)
{
	*ret = (struct sums){.all_limited = true};
	for (uint32_t i = 0; i < field_n(agent, "replicas"); i++)
		add_replica(ret, field_at(agent, "replicas", i));
}

static const struct table_column agent_columns[] = {
	{"AGENT", false, 12, 0},
	{"STATE", false, 0, 0},
	{"RUNNING", true, 0, 0},
	{"HEALTH", false, 0, 4},
	{"RESTARTS", true, 0, 5},
	{"AGE", true, 0, 7},
	{"CPU", true, 0, 6},
	{"MEMORY", true, 0, 3},
	{"NOTE", false, 16, 2},
};

static void agent_row(struct table *t, const msgpack_object *agent, int64_t now_ms)
{
	int64_t desired = field_int(agent, "desired", 0), running = field_int(agent, "running", 0);
	char name[REPLICA_ID_MAX], state[32], pending[512];
	struct sums s;

	sum_up(agent, &s);
	(void)field_text(agent, "state", state, sizeof(state)); /* it is text */
	table_cell(t, TINT_NONE, "%s", field_text(agent, "name", name, sizeof(name)));
	table_cell(t, view_state_tint(state), "%s", state);
	table_cell(t, running < desired ? TINT_WARN : TINT_NONE, "%lld/%lld", (long long)running, (long long)desired);
	table_cell(t, view_health_tint(s.health), "%s", *s.health ? s.health : "-");
	table_cell(t, TINT_NONE, "%lld", (long long)s.restarts);
	view_age(t, s.youngest_ms, now_ms);
	view_cores(t, s.has_cpu ? s.cpu : -1);
	view_memory(t, s.has_memory ? s.memory : -1, s.all_limited ? s.limit : 0);
	if (*field_text(agent, "pending_reason", pending, sizeof(pending)))
		table_cell(t, TINT_WARN, "%s", pending);
	else
		view_exit(t, s.last_exit, now_ms);
}

static int show_agents(const msgpack_object *root, const struct view *v, struct bytes *out)
{
	struct table t;
	int rc;

	table_init(&t, agent_columns, ARRAY_LEN(agent_columns));
	for (uint32_t i = 0; i < field_n(root, "agents"); i++)
		agent_row(&t, field_at(root, "agents", i), v->now_ms);
	rc = table_render(&t, v->width, v->colour, out);
	table_done(&t);
	return rc;
}

static const struct table_column replica_columns[] = {
	{"REPLICA", false, 12, 0},
	{"NODE", false, 0, 9},
	{"STATE", false, 0, 0},
	{"HEALTH", false, 0, 4},
	{"PID", true, 0, 8},
	{"RESTARTS", true, 0, 5},
	{"AGE", true, 0, 7},
	{"CPU", true, 0, 6},
	{"MEMORY", true, 0, 3},
	{"VERSION", true, 0, 10},
	{"LAST EXIT", false, 16, 2},
};

/* One that is not known is none above 0. */
static void number(struct table *t, int64_t n)
{
	if (n > 0)
		table_cell(t, TINT_NONE, "%lld", (long long)n);
	else
		table_cell(t, TINT_DIM, "-");
}

static void replica_row(struct table *t, const msgpack_object *r, int64_t now_ms)
{
	char id[REPLICA_ID_MAX], node[NAME_MAX_LEN + 1], state[32], health[32];
	int64_t pid = field_int(r, "pid", 0), version = field_int(r, "version", 0);

	(void)field_text(r, "state", state, sizeof(state));    /* it is text */
	(void)field_text(r, "health", health, sizeof(health)); /* it is text */
	table_cell(t, TINT_NONE, "%s", field_text(r, "id", id, sizeof(id)));
	table_cell(t, TINT_NONE, "%s", field_text(r, "node", node, sizeof(node)));
	table_cell(t, view_state_tint(state), "%s", state);
	table_cell(t, view_health_tint(health), "%s", *health ? health : "-");
	number(t, pid);
	table_cell(t, TINT_NONE, "%lld", (long long)field_int(r, "restarts", 0));
	view_age(t, field_time(r, "since"), now_ms);
	view_cores(t, field_double(r, "cpu_cores", -1));
	view_memory(t, field_int(r, "memory_bytes", -1), field_int(r, "memory_limit_bytes", 0));
	number(t, version);
	view_exit(t, mp_get(r, "last_exit"), now_ms);
}

static int show_replicas(const msgpack_object *agent, const struct view *v, struct bytes *out)
{
	struct table t;
	int rc;

	table_init(&t, replica_columns, ARRAY_LEN(replica_columns));
	for (uint32_t i = 0; i < field_n(agent, "replicas"); i++)
		replica_row(&t, field_at(agent, "replicas", i), v->now_ms);
	rc = table_render(&t, v->width, v->colour, out);
	table_done(&t);
	return rc;
}

/* A word about the cluster when there is something to say about it. */
static void show_cluster(const msgpack_object *root, struct bytes *out)
{
	const msgpack_object *cluster = mp_get(root, "cluster");
	int64_t members = field_int(cluster, "members", 1), alive = field_int(cluster, "alive", 1);
	char node[NAME_MAX_LEN + 1], text[512];

	(void)field_text(cluster, "node", node, sizeof(node)); /* it is text */
	/* out->failed tells. */
	if (*field_text(cluster, "text", text, sizeof(text)))
		(void)bytes_fmt(out, "%s: %s\n\n", node, text);
	else if (field_bool(cluster, "isolated"))
		(void)bytes_fmt(out, "%s hears nobody: what follows is what it last knew\n\n", node);
	else if (cluster && mp_get(cluster, "quorum") && !field_bool(cluster, "quorum"))
		(void)bytes_fmt(
			out, "%s reaches no majority of the voters: nothing can be decided from here\n\n", node);
	else if (alive < members)
		(void)bytes_fmt(out, "%lld of %lld nodes alive\n\n", (long long)alive, (long long)members);
}

/* What is not as it is now, and why. */
static void show_notes(const msgpack_object *agent, struct bytes *out)
{
	const msgpack_object *notes = mp_get(agent, "notes");

	for (uint32_t i = 0; i < field_n(agent, "notes"); i++) {
		const msgpack_object *o = &notes->via.array.ptr[i];

		if (o->type == MSGPACK_OBJECT_STR)
			(void)bytes_fmt(out, "%.*s\n", (int)o->via.str.size, o->via.str.ptr); /* out->failed tells */
	}
}

int view_status(const msgpack_object *root, bool one, const struct view *v, struct bytes *out)
{
	uint32_t n = field_n(root, "agents");
	int rc;

	show_cluster(root, out);
	if (n == 0) {
		(void)bytes_str(out, "no agents; `covey apply FILE` creates one\n"); /* out->failed tells */
		return 0;
	}
	rc = show_agents(root, v, out);
	for (uint32_t i = 0; rc == 0 && one && i < n; i++) {
		(void)bytes_str(out, "\n"); /* out->failed tells */
		rc = show_replicas(field_at(root, "agents", i), v, out);
		show_notes(field_at(root, "agents", i), out);
	}
	return rc;
}

enum cli_status cmd_status(struct cli *c)
{
	const char *agent = cli_arg(c, 0);
	struct view v = view_of(c);
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;

	args_init(&a, agent ? 1 : 0);
	if (agent)
		mp_key_str(&a.w, "agent", agent);
	status = call_read(c, "status", &a, &r);
	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	c->out.failed |= view_status(r.result, agent != NULL, &v, &c->out) < 0;
	return cli_flush(c);
}

static const struct table_column node_columns[] = {
	{"NODE", false, 12, 0},
	{"STATE", false, 0, 0},
	{"VOTES", false, 0, 5},
	{"CPU", true, 0, 4},
	{"MEMORY", true, 0, 3},
	{"REPLICAS", true, 0, 2},
	{"AGE", true, 0, 6},
	{"ADDRESS", false, 16, 7},
	{"VERSION", false, 0, 8},
};

static void node_row(struct table *t, const msgpack_object *n, int64_t now_ms)
{
	const msgpack_object *capacity = mp_get(n, "capacity"), *used = mp_get(n, "used");
	char name[NAME_MAX_LEN + 1], state[32], address[128], version[64];
	bool draining = field_bool(n, "draining");

	(void)field_text(n, "state", state, sizeof(state)); /* it is text */
	table_cell(t, TINT_NONE, "%s", field_text(n, "name", name, sizeof(name)));
	table_cell(t, draining ? TINT_WARN : view_state_tint(state), "%s%s", state, draining ? ", draining" : "");
	table_cell(t, TINT_NONE, "%s", field_bool(n, "voter") ? "yes" : "no");
	view_cores_of(t, field_double(used, "cpu_cores", -1), field_double(capacity, "cpu_cores", -1));
	view_memory(t, field_int(used, "memory_bytes", -1), field_int(capacity, "memory_bytes", 0));
	table_cell(t, TINT_NONE, "%lld", (long long)field_int(n, "replicas", 0));
	view_age(t, field_time(n, "since"), now_ms);
	table_cell(t, TINT_NONE, "%s", *field_text(n, "address", address, sizeof(address)) ? address : "-");
	table_cell(t, TINT_NONE, "%s", field_text(n, "version", version, sizeof(version)));
}

int view_nodes(const msgpack_object *root, const struct view *v, struct bytes *out)
{
	struct table t;
	int rc;

	table_init(&t, node_columns, ARRAY_LEN(node_columns));
	for (uint32_t i = 0; i < field_n(root, "nodes"); i++)
		node_row(&t, field_at(root, "nodes", i), v->now_ms);
	rc = table_render(&t, v->width, v->colour, out);
	table_done(&t);
	return rc;
}

enum cli_status cmd_nodes(struct cli *c)
{
	struct view v = view_of(c);
	AUTO_ARGS struct args a;
	AUTO_REPLY struct reply r = {0};
	enum cli_status status;

	args_init(&a, 0);
	status = call_read(c, "nodes", &a, &r);
	if (status != CLI_DONE || call_print_json(c, &r, &status))
		return status;
	c->out.failed |= view_nodes(r.result, &v, &c->out) < 0;
	return cli_flush(c);
}
