/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/metrics: the text for a small node, word for word; labels with anything in them; that a strict reader of the
 * exposition format accepts all of it; and that doc/METRICS.md lists exactly what is told.
 */
#include "node/metrics.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>

#include "base/io.h"
#include "tests/lib/oom.h"
#include "tests/lib/test.h"

#define OUT_MAX (4 << 20)

static const struct metrics_replica replicas[] = {
	{.agent = "web",
		.replica = "web.0",
		.state = REPLICA_RUNNING,
		.health = HEALTH_HEALTHY,
		.usage = {.cpu_us = 1234567,
			.memory_bytes = 1048576,
			.pids = 3,
			.io_read_bytes = 4096,
			.io_write_bytes = 0,
			.throttled_us = 50,
			.oom_kills = 1,
			.pids_refused = 2},
		.pressure = {.cpu = 50, .memory = 0, .io = -1},
		.cpu_cores = 0.125,
		.restarts = 2,
		.refused = 5,
		.log_bytes = 1000,
		.log_dropped_lines = 7,
		.liveness_ms = 12,
		.readiness_ms = -1,
		.probes = 9,
		.probes_failed = 1},
	{.agent = "d\"b\\\n",
		.replica = "n1/db.0",
		.state = REPLICA_BACKOFF,
		.health = HEALTH_UNKNOWN,
		.usage = {.cpu_us = -1,
			.memory_bytes = -1,
			.pids = -1,
			.io_read_bytes = -1,
			.io_write_bytes = -1,
			.throttled_us = -1,
			.pids_refused = -1},
		.pressure = {-1, -1, -1},
		.cpu_cores = -1,
		.liveness_ms = -1,
		.readiness_ms = -1},
};

static const struct metrics_agent agents[] = {{.agent = "web", .desired = 2, .running = 1, .healthy = 1}};

static struct metrics_node node(void)
{
	return (struct metrics_node){.node = "n1",
		.version = "0.1.0",
		.started_wall_ms = 1700000000123,
		.events = 3,
		.spawns = 4,
		.loop_lag_max_ms = 1.5,
		.host = {.cpus = 2,
			.cpu_busy_us = 1500000,
			.cpu_total_us = 9000000,
			.memory_total_bytes = 1000,
			.memory_available_bytes = 600,
			.swap_total_bytes = 0,
			.swap_free_bytes = 0,
			.load1 = 0.5,
			.load5 = 1,
			.load15 = 2.25,
			.pressure_cpu = 12.5,
			.pressure_memory = -1,
			.pressure_io = 0,
			.disk_total_bytes = 5000,
			.disk_free_bytes = 4000,
			.uptime_ms = 61001},
		.self = {.cpu_us = 7, .rss_bytes = 4096, .fds = 12, .threads = 3},
		.store = {.jobs = 1,
			.commits = 2,
			.failures = 3,
			.commit_p50_us = 150,
			.commit_max_us = 2000000,
			.bytes = 6,
			.queued = 7,
			.suspect = true},
		.control = {.requests = 10, .refused_peers = 11, .bad_frames = 12, .dropped_full = 13, .waiting = 14},
		.gossip = {.alive = 3, .dead = 1, .links = 2, .bytes_out = 5, .health = 1},
		.council = {.epoch = 9,
			.voters = 3,
			.votes = 1,
			.quorum = 0,
			.agents = 4,
			.chosen = 21,
			.refused = 22,
			.held = 23,
			.unknown = 24,
			.under_way = 25,
			.round_ms = 7,
			.leases = 26}};
}

static void render(struct bytes *out)
{
	struct metrics_node n = node();

	metrics_render(&n, agents, ARRAY_LEN(agents), replicas, ARRAY_LEN(replicas), out);
	assert_false(out->failed);
}

static void has(const struct bytes *out, const char *line)
{
	char want[512];

	(void)snprintf(want, sizeof(want), "\n%s\n", line); /* fits */
	if (!strstr(out->v, want))
		fail_msg("not there: %s", line);
}

static const char *const told[] = {
	"covey_node_info{node=\"n1\",version=\"0.1.0\"} 1",
	"covey_node_cpus 2",
	"covey_node_cpu_seconds_total 1.500000",
	"covey_node_load15 2.25",
	"covey_node_pressure_ratio{resource=\"cpu\"} 0.125",
	"covey_node_pressure_ratio{resource=\"io\"} 0",
	"covey_node_uptime_seconds 61.001",
	"covey_gossip_members{state=\"alive\"} 3",
	"covey_gossip_members{state=\"dead\"} 1",
	"covey_gossip_members{state=\"left\"} 0",
	"covey_gossip_links 2",
	"covey_gossip_bytes_out_total 5",
	"covey_council_epoch 9",
	"covey_council_voters 3",
	"covey_council_votes 1",
	"covey_council_quorum 0",
	"covey_council_agents 4",
	"covey_council_proposals_total{outcome=\"chosen\"} 21",
	"covey_council_proposals_total{outcome=\"refused\"} 22",
	"covey_council_proposals_total{outcome=\"held\"} 23",
	"covey_council_proposals_total{outcome=\"unknown\"} 24",
	"covey_council_under_way 25",
	"covey_council_round_seconds 0.007",
	"covey_council_leases_held 26",
	"covey_daemon_start_time_seconds 1700000000.123",
	"covey_daemon_loop_lag_max_seconds 0.0015",
	"covey_daemon_store_commit_p50_seconds 0.000150",
	"covey_daemon_store_commit_max_seconds 2.000000",
	"covey_daemon_store_queued 7",
	"covey_daemon_store_suspect 1",
	"covey_daemon_control_waiting 14",
};

/* The part that grows with the replicas, as it stands at the end. */
static const char golden[] =
	"# HELP covey_agent_desired_replicas Replicas that should run.\n"
	"# TYPE covey_agent_desired_replicas gauge\n"
	"covey_agent_desired_replicas{agent=\"web\"} 2\n"
	"# HELP covey_agent_running_replicas Replicas that run.\n"
	"# TYPE covey_agent_running_replicas gauge\n"
	"covey_agent_running_replicas{agent=\"web\"} 1\n"
	"# HELP covey_agent_healthy_replicas Replicas that run and are not unhealthy.\n"
	"# TYPE covey_agent_healthy_replicas gauge\n"
	"covey_agent_healthy_replicas{agent=\"web\"} 1\n"
	"# HELP covey_replica_state Always 1; the label state tells it: pending, starting, running, backoff, stopping, "
	"stopped, failed or lost.\n"
	"# TYPE covey_replica_state gauge\n"
	"covey_replica_state{agent=\"web\",replica=\"web.0\",state=\"running\"} 1\n"
	"covey_replica_state{agent=\"d\\\"b\\\\\\n\",replica=\"n1/db.0\",state=\"backoff\"} 1\n"
	"# HELP covey_replica_health Always 1; the label health tells it: unknown, healthy, degraded or unhealthy.\n"
	"# TYPE covey_replica_health gauge\n"
	"covey_replica_health{agent=\"web\",replica=\"web.0\",health=\"healthy\"} 1\n"
	"covey_replica_health{agent=\"d\\\"b\\\\\\n\",replica=\"n1/db.0\",health=\"unknown\"} 1\n"
	"# HELP covey_replica_cpu_seconds_total Processor time used, by ended processes too.\n"
	"# TYPE covey_replica_cpu_seconds_total counter\n"
	"covey_replica_cpu_seconds_total{agent=\"web\",replica=\"web.0\"} 1.234567\n"
	"# HELP covey_replica_cpu_cores Processors used over the last sampling period.\n"
	"# TYPE covey_replica_cpu_cores gauge\n"
	"covey_replica_cpu_cores{agent=\"web\",replica=\"web.0\"} 0.125\n"
	"# HELP covey_replica_cpu_throttled_seconds_total Time held back by the cpu limit.\n"
	"# TYPE covey_replica_cpu_throttled_seconds_total counter\n"
	"covey_replica_cpu_throttled_seconds_total{agent=\"web\",replica=\"web.0\"} 0.000050\n"
	"# HELP covey_replica_memory_bytes Working set: memory charged, without page cache that could go at once.\n"
	"# TYPE covey_replica_memory_bytes gauge\n"
	"covey_replica_memory_bytes{agent=\"web\",replica=\"web.0\"} 1048576\n"
	"# HELP covey_replica_pids Processes and threads.\n"
	"# TYPE covey_replica_pids gauge\n"
	"covey_replica_pids{agent=\"web\",replica=\"web.0\"} 3\n"
	"# HELP covey_replica_pids_refused_total Processes and threads that could not be made at the pids limit.\n"
	"# TYPE covey_replica_pids_refused_total counter\n"
	"covey_replica_pids_refused_total{agent=\"web\",replica=\"web.0\"} 2\n";

static void test_golden(void **state)
{
	struct bytes out = {.max = OUT_MAX};

	(void)state;
	render(&out);
	assert_non_null(strstr(out.v, golden));
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		has(&out, told[i]);
	has(&out, "covey_replica_probe_seconds{agent=\"web\",replica=\"web.0\",probe=\"liveness\"} 0.012");
	has(&out, "covey_replica_refused_syscalls_total{agent=\"web\",replica=\"web.0\"} 5");
	has(&out, "covey_replica_pressure_ratio{agent=\"web\",replica=\"web.0\",resource=\"cpu\"} 0.5");
	has(&out, "covey_replica_pressure_ratio{agent=\"web\",replica=\"web.0\",resource=\"memory\"} 0");
	assert_null(strstr(out.v, "replica=\"web.0\",resource=\"io\""));
	assert_null(strstr(out.v, "covey_replica_pressure_ratio{agent=\"d"));
	assert_null(strstr(out.v, "probe=\"readiness\""));			     /* unknown: no line */
	assert_null(strstr(out.v, "covey_node_pressure_ratio{resource=\"memory\"")); /* as well */
	bytes_done(&out);
}

/* A reader of the format that forgives nothing. */
struct reader {
	const char *at;
	int line;
	char metric[128]; /* of the last TYPE */
	char type[16];
	struct bytes seen_metrics, seen_series;
};

static void reader_fails(const struct reader *r, const char *what)
{
	fail_msg("line %d: %s: %.60s", r->line, what, r->at);
}

/* Takes a name [a-zA-Z_:][a-zA-Z0-9_:]* into out. */
static void take_name(struct reader *r, char *out, size_t n)
{
	size_t len = 0;

	while (isalnum((unsigned char)r->at[len]) || r->at[len] == '_' || r->at[len] == ':')
		len++;
	if (len == 0 || len >= n || isdigit((unsigned char)r->at[0]))
		reader_fails(r, "no name");
	memcpy(out, r->at, len);
	out[len] = '\0';
	r->at += len;
}

static void take(struct reader *r, const char *text)
{
	if (strncmp(r->at, text, strlen(text)) != 0)
		reader_fails(r, text);
	r->at += strlen(text);
}

static void once(struct reader *r, struct bytes *seen, const char *v, size_t n)
{
	char key[512];

	(void)snprintf(key, sizeof(key), "\n%.*s\n", (int)n, v);
	if (seen->v && strstr(seen->v, key))
		reader_fails(r, "told twice");
	assert_int_equal(bytes_str(seen, key), 0);
}

static void read_head(struct reader *r)
{
	char name[128];

	take(r, "# HELP ");
	take_name(r, name, sizeof(name));
	take(r, " ");
	for (; *r->at != '\n'; r->at++)
		if ((unsigned char)*r->at < ' ' || *r->at == '\\')
			reader_fails(r, "help needs escaping");
	take(r, "\n# TYPE ");
	r->line++;
	take_name(r, r->metric, sizeof(r->metric));
	if (strcmp(r->metric, name) != 0)
		reader_fails(r, "HELP and TYPE of different metrics");
	take(r, " ");
	take_name(r, r->type, sizeof(r->type));
	take(r, "\n");
	r->line++;
	once(r, &r->seen_metrics, name, strlen(name));
	if ((strcmp(r->type, "counter") == 0) !=
		(strstr(name, "_total") && strcmp(strstr(name, "_total"), "_total") == 0))
		reader_fails(r, "counters, and only they, end in _total");
	if (strcmp(r->type, "counter") != 0 && strcmp(r->type, "gauge") != 0)
		reader_fails(r, "type");
}

static void read_label(struct reader *r)
{
	char name[64];

	take_name(r, name, sizeof(name));
	take(r, "=\"");
	for (; *r->at != '"'; r->at++) {
		if (*r->at == '\n' || !*r->at)
			reader_fails(r, "value not ended");
		if (*r->at == '\\' && !strchr("\\\"n", *++r->at))
			reader_fails(r, "escape");
	}
	r->at++;
}

static void read_sample(struct reader *r)
{
	const char *began = r->at;
	char name[128], *end;
	double v;

	take_name(r, name, sizeof(name));
	if (strcmp(name, r->metric) != 0)
		reader_fails(r, "sample of another metric");
	if (*r->at == '{') {
		r->at++;
		read_label(r);
		while (*r->at == ',') {
			r->at++;
			read_label(r);
		}
		take(r, "}");
	}
	once(r, &r->seen_series, began, (size_t)(r->at - began));
	take(r, " ");
	v = strtod(r->at, &end);
	if (end == r->at || !isfinite(v) || v < 0)
		reader_fails(r, "value");
	r->at = end;
	take(r, "\n");
	r->line++;
}

static void read_all(const struct bytes *text)
{
	struct reader r = {.at = text->v, .line = 1, .seen_metrics = {.max = OUT_MAX}, .seen_series = {.max = OUT_MAX}};

	assert_int_equal(strlen(text->v), text->n);
	while (*r.at)
		if (*r.at == '#')
			read_head(&r);
		else
			read_sample(&r);
	bytes_done(&r.seen_metrics);
	bytes_done(&r.seen_series);
}

static void test_a_strict_reader_takes_it(void **state)
{
	struct bytes out = {.max = OUT_MAX};

	(void)state;
	render(&out);
	read_all(&out);
	bytes_done(&out);
}

static void test_odd_numbers_are_left_out(void **state)
{
	struct bytes out = {.max = OUT_MAX};
	struct metrics_node n = node();
	struct metrics_replica r = replicas[0];

	(void)state;
	n.host.load1 = (double)NAN;
	n.host.load5 = (double)INFINITY;
	n.host.cpus = INT64_MIN;
	r.refused = UINT64_MAX;
	r.usage.cpu_us = INT64_MAX;
	metrics_render(&n, NULL, 0, &r, 1, &out);
	read_all(&out);
	assert_null(strstr(out.v, "\ncovey_node_load1 "));
	assert_null(strstr(out.v, "\ncovey_node_load5 "));
	assert_null(strstr(out.v, "\ncovey_node_cpus "));
	assert_non_null(strstr(out.v, "} 9223372036854775807\n"));
	bytes_done(&out);
}

static void test_every_state_and_health_has_a_word(void **state)
{
	struct metrics_node n = node();

	(void)state;
	for (int s = 0; s < REPLICA_STATE_MAX; s++)
		for (int h = 0; h < HEALTH_LEVEL_MAX; h++) {
			struct bytes out = {.max = OUT_MAX};
			struct metrics_replica r = replicas[0];
			char want[128];

			r.state = (enum replica_state)s;
			r.health = (enum health_level)h;
			metrics_render(&n, NULL, 0, &r, 1, &out);
			(void)snprintf(
				want, sizeof(want), ",state=\"%s\"} 1\n", replica_state_name(r.state)); /* fits */
			assert_non_null(strstr(out.v, want));
			(void)snprintf(
				want, sizeof(want), ",health=\"%s\"} 1\n", health_level_name(r.health)); /* as above */
			assert_non_null(strstr(out.v, want));
			bytes_done(&out);
		}
}

static void test_full_is_told(void **state)
{
	struct bytes out = {.max = 2000};
	struct metrics_node n = node();

	(void)state;
	metrics_render(&n, agents, 1, replicas, 1, &out);
	assert_true(out.failed);
	assert_true(out.n <= 2000);
	bytes_done(&out);
	OOM_LOOP (o) {
		bytes_init(&out, OUT_MAX);
		metrics_render(&n, agents, 1, replicas, 1, &out);
		assert_int_equal(out.failed, oom_hit(&o));
		bytes_done(&out);
	}
}

/* The names of the labels between { and } of a sample. */
static void labels_of(const char *at, char *out, size_t n)
{
	bool in_value = false;
	size_t len = 0;

	for (; (in_value || *at != '}') && len < n - 3; at++) {
		if (*at == '"') {
			in_value = !in_value;
		} else if (!in_value && *at == ',') {
			out[len++] = ',';
			out[len++] = ' ';
		} else if (!in_value && *at != '=') {
			out[len++] = *at;
		}
	}
	out[len] = '\0';
}

/* Each metric as its row of doc/METRICS.md must be, in order: | `name` | type | labels | meaning | */
static void rows_of(const struct bytes *text, struct bytes *rows)
{
	for (const char *at = text->v; (at = strstr(at, "# HELP ")); at++) {
		char name[128], type[16], labels[128] = "";
		const char *help = strchr(at + 7, ' ') + 1, *sample = strchr(help, '\n') + 1;

		assert_int_equal(sscanf(at + 7, "%127s", name), 1);
		assert_int_equal(sscanf(sample, "# TYPE %*s %15s", type), 1);
		sample = strchr(sample, '\n') + 1;
		if (strncmp(sample, name, strlen(name)) == 0 && sample[strlen(name)] == '{')
			labels_of(sample + strlen(name) + 1, labels, sizeof(labels));
		assert_int_equal(bytes_fmt(rows, "| `%s` | %s | %s | %.*s |\n", name, type, labels,
					 (int)strcspn(help, "\n"), help),
			0);
	}
}

static void test_the_document_is_true(void **state)
{
	const char *top = getenv("srcdir");
	struct bytes out = {.max = OUT_MAX}, rows = {.max = OUT_MAX}, doc = {.max = OUT_MAX};
	char path[4096];
	struct err e = {0};

	(void)state;
	render(&out);
	rows_of(&out, &rows);
	(void)snprintf(path, sizeof(path), "%s/doc/METRICS.md", top ? top : "."); /* a path too long cannot be opened */
	if (io_read_file(AT_FDCWD, path, &doc, &e) < 0)
		fail_msg("%s", e.text);
	if (!strstr(doc.v, rows.v)) {
		(void)fputs(rows.v, stderr);
		fail_msg("the table of doc/METRICS.md must be as above");
	}
	assert_null(strstr(strstr(doc.v, rows.v) + rows.n, "| `"));
	bytes_done(&out);
	bytes_done(&rows);
	bytes_done(&doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_a_strict_reader_takes_it),
		cmocka_unit_test(test_odd_numbers_are_left_out),
		cmocka_unit_test(test_every_state_and_health_has_a_word),
		cmocka_unit_test(test_full_is_told),
		cmocka_unit_test(test_the_document_is_true),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
