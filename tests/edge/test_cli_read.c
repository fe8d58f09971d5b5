/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reading commands print, against canned answers: golden text when piped, cut and coloured on a terminal,
 * one JSON document with --json.
 */
#include "tests/lib/fake_daemon.h"
#include "tests/lib/json.h"

#include <time.h>

#include "cli/cli.h"

/* So long ago that the seconds of a slow test do not show: 3h12m30s. */
#define AGO_MS ((3 * 3600 + 12 * 60 + 30) * 1000LL)

static int64_t wall_ms(void)
{
	return (int64_t)time(NULL) * 1000;
}

static void ok(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_key_bool(w, "ok", true);
	mp_str(w, "result");
}

static void pack_replica(struct mp_writer *w, int slot, const char *state)
{
	char id[16];

	(void)snprintf(id, sizeof(id), "web.%d", slot);
	mp_map(w, 12);
	mp_key_str(w, "id", id);
	mp_key_str(w, "node", "n1");
	mp_key_str(w, "state", state);
	mp_key_str(w, "health", slot ? "unhealthy" : "healthy");
	mp_key_int(w, "pid", 4711 + slot);
	mp_key_int(w, "restarts", 3 * slot);
	mp_key_int(w, "version", slot ? 4 : -1);
	mp_key_time(w, "since", wall_ms() - AGO_MS);
	mp_key_double(w, "cpu_cores", 0.12);
	mp_key_int(w, "memory_bytes", 10485760);
	mp_key_int(w, "memory_limit_bytes", 268435456);
	mp_str(w, "last_exit");
	mp_map(w, 3);
	mp_key_str(w, "reason", slot ? "oom" : "exited");
	mp_key_str(w, "text", slot ? "killed at its memory limit of 256M" : "exited with code 1");
	mp_key_time(w, "at", wall_ms() - AGO_MS - (slot ? 0 : 86400000));
}

static void pack_status(struct mp_writer *w, int64_t alive)
{
	mp_map(w, 3);
	mp_key_int(w, "format", 1);
	mp_str(w, "cluster");
	mp_map(w, 5);
	mp_key_str(w, "node", "n1");
	mp_key_int(w, "alive", alive);
	mp_key_int(w, "members", 3);
	mp_key_bool(w, "quorum", true);
	mp_key_bool(w, "isolated", false);
	mp_str(w, "agents");
	mp_array(w, 2);
	mp_map(w, 6);
	mp_key_str(w, "name", "web");
	mp_key_str(w, "state", "running");
	mp_key_int(w, "desired", 2);
	mp_key_int(w, "running", 2);
	mp_key_str(w, "pending_reason", NULL);
	mp_str(w, "replicas");
	mp_array(w, 2);
	pack_replica(w, 0, "running");
	pack_replica(w, 1, "running");
	mp_map(w, 5);
	mp_key_str(w, "name", "db");
	mp_key_str(w, "state", "pending");
	mp_key_int(w, "desired", 1);
	mp_key_int(w, "running", 0);
	mp_key_str(w, "pending_reason", "no node matches disk == ssd");
}

static bool serve_status(void *arg, unsigned n, const char *verb, const msgpack_object *args, struct mp_writer *w)
{
	const int64_t *alive = arg;

	(void)n;
	(void)args;
	if (strcmp(verb, "status") != 0)
		return false;
	ok(w);
	pack_status(w, *alive);
	return true;
}

static void prints(const struct ran *r, const char *out)
{
	assert_string_equal(r->err.v, "");
	assert_string_equal(r->out.v, out);
	assert_int_equal(r->status, CLI_DONE);
}

static void status_when_piped(void **state)
{
	int64_t alive = 3;
	struct fake f;

	(void)state;
	fake_start(&f, serve_status, &alive);
	AUTO_RAN struct ran all = RUN(f.path, "status"), one = RUN(f.path, "status", "web");
	fake_stop(&f);
	prints(&all,
		"AGENT  STATE    RUNNING  HEALTH     RESTARTS    AGE   CPU      MEMORY  NOTE\n"
		"web    running      2/2  unhealthy         3  3h12m  0.24  20.0M/512M  killed at its memory limit of "
		"256M, "
		"3h12m ago\n"
		"db     pending      0/1  -                 0      -     -           -  no node matches disk == ssd\n");
	assert_non_null(strstr(one.out.v,
		"\n\nREPLICA  NODE  STATE    HEALTH      PID  RESTARTS    AGE   CPU      MEMORY"
		"  VERSION  LAST EXIT\n"
		"web.0    n1    running  healthy    4711         0  3h12m  0.12  10.0M/256M        -  exited with code "
		"1, 1d03h "
		"ago\n"
		"web.1    n1    running  unhealthy  4712         3  3h12m  0.12  10.0M/256M        4  killed at"));
}

static void status_says_who_is_missing(void **state)
{
	int64_t alive = 2;
	struct fake f;

	(void)state;
	fake_start(&f, serve_status, &alive);
	AUTO_RAN struct ran r = RUN(f.path, "status");
	fake_stop(&f);
	assert_memory_equal(r.out.v, "2 of 3 nodes alive\n\nAGENT", 25);
}

static size_t widest_line(const char *text)
{
	size_t widest = 0, at = 0;

	for (; *text; text++) {
		if (*text == '\n' || *text == '\r')
			at = 0;
		else if (*text == '\033') /* an escape takes no room */
			text = strchr(text, 'm');
		else if (((unsigned char)*text & 0xc0) != 0x80)
			at++;
		widest = at > widest ? at : widest;
	}
	return widest;
}

static void status_on_a_terminal(void **state)
{
	static const char *const argv[] = {"status", "web", NULL}, *const no_colour[] = {"NO_COLOR=1", NULL},
				 *const dumb[] = {"TERM=dumb", NULL}, *const columns[] = {"COLUMNS=50", NULL};
	int64_t alive = 3;
	struct fake f;

	(void)state;
	fake_start(&f, serve_status, &alive);
	for (unsigned width = 40; width <= 120; width += 20) {
		AUTO_RAN struct ran r = run_covey(&(struct run){.socket = f.path, .columns = width, .argv = argv});

		assert_int_equal(r.status, CLI_DONE);
		assert_non_null(strstr(r.out.v, "\033[32mrunning\033[0m"));
		assert_true(widest_line(r.out.v) <= width);
		assert_true(width > 40 || !strstr(r.out.v, "PID"));
		assert_true(width < 120 || strstr(r.out.v, "PID"));
	}
	AUTO_RAN struct ran plain =
		run_covey(&(struct run){.socket = f.path, .columns = 80, .argv = argv, .env = no_colour});
	AUTO_RAN struct ran old = run_covey(&(struct run){.socket = f.path, .columns = 80, .argv = argv, .env = dumb});
	AUTO_RAN struct ran narrow =
		run_covey(&(struct run){.socket = f.path, .columns = 80, .argv = argv, .env = columns});
	fake_stop(&f);
	assert_null(strchr(plain.out.v, '\033'));
	assert_null(strchr(old.out.v, '\033'));
	assert_true(widest_line(narrow.out.v) <= 50);
}

static void pack_nodes(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_key_int(w, "format", 1);
	mp_str(w, "nodes");
	mp_array(w, 1);
	mp_map(w, 9);
	mp_key_str(w, "name", "n1");
	mp_key_str(w, "state", "alive");
	mp_key_bool(w, "voter", true);
	mp_key_bool(w, "draining", true);
	mp_key_int(w, "replicas", 12);
	mp_key_time(w, "since", wall_ms() - AGO_MS);
	mp_key_str(w, "version", "0.1.0");
	mp_str(w, "capacity");
	mp_map(w, 2);
	mp_key_double(w, "cpu_cores", 3.5);
	mp_key_int(w, "memory_bytes", 8LL << 30);
	mp_str(w, "used");
	mp_map(w, 2);
	mp_key_int(w, "cpu_cores", 1);
	mp_key_int(w, "memory_bytes", 1LL << 30);
}

static void pack_top(struct mp_writer *w)
{
	mp_map(w, 4);
	mp_str(w, "gossip");
	mp_map(w, 6);
	mp_key_int(w, "alive", 3);
	mp_key_int(w, "suspect", 0);
	mp_key_int(w, "dead", 1);
	mp_key_int(w, "links", 2);
	mp_key_int(w, "bytes_in", 1536);
	mp_key_int(w, "bytes_out", 10);
	mp_str(w, "node");
	mp_map(w, 6);
	mp_key_double(w, "cpu_used_cores", 1.25);
	mp_key_int(w, "cpu_cores", 2);
	mp_key_double(w, "pressure_cpu", 7.0);
	mp_key_double(w, "pressure_io", 0.0);
	mp_key_str(w, "load1", NULL);
	mp_key_int(w, "memory_bytes", 1LL << 30);
	mp_str(w, "daemon");
	mp_map(w, 1);
	mp_key_int(w, "fds", 20);
	mp_str(w, "replicas");
	mp_array(w, 2);
	mp_map(w, 3);
	mp_key_str(w, "id", "idle.0");
	mp_key_str(w, "state", "running");
	mp_key_double(w, "cpu_cores", 0.01);
	mp_map(w, 9);
	mp_key_str(w, "id", "busy.0");
	mp_key_str(w, "state", "running");
	mp_key_int(w, "pid", 77);
	mp_key_double(w, "cpu_cores", 0.99);
	mp_key_int(w, "memory_bytes", 1 << 20);
	mp_key_int(w, "pids", 3);
	mp_key_int(w, "io_read_bps", 0);
	mp_key_int(w, "io_write_bps", 1536);
	mp_key_int(w, "probe_ms", 4);
}

static void pack_explain(struct mp_writer *w)
{
	mp_map(w, 4);
	mp_str(w, "text");
	mp_array(w, 1);
	mp_str(w, "web waits: db is not ready.");
	mp_str(w, "replicas");
	mp_array(w, 2);
	mp_map(w, 3);
	mp_key_str(w, "id", "web.0");
	mp_key_str(w, "state", "pending");
	mp_key_str(w, "why", "db is not ready");
	mp_map(w, 4);
	mp_key_str(w, "id", "web.1");
	mp_key_str(w, "node", "n2");
	mp_key_str(w, "state", "lost");
	mp_key_str(w, "why", "its node is dead");
	mp_str(w, "without");
	mp_array(w, 1);
	mp_map(w, 2);
	mp_key_str(w, "node", "n3");
	mp_key_str(w, "why", "is not zone == a");
	mp_str(w, "decisions");
	mp_array(w, 1);
	mp_map(w, 5);
	mp_key_time(w, "time", 1767323045678);
	mp_key_str(w, "what", "scaled to 3");
	mp_key_str(w, "why", "asked for");
	mp_key_str(w, "by", "n1");
	mp_key_int(w, "version", 4);
}

static void pack_profile(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_key_bool(w, "complete", false);
	mp_key_str(w, "text", "seccomp:\n  base: strict\n  allow: [read]\n");
}

static void pack_rollout(struct mp_writer *w)
{
	mp_map(w, 7);
	mp_key_str(w, "agent", "web");
	mp_key_int(w, "version", 4);
	mp_key_int(w, "desired", 3);
	mp_key_int(w, "updated", 1);
	mp_key_int(w, "ready", 2);
	mp_key_bool(w, "paused", true);
	mp_key_str(w, "text", "web.1 is next");
}

static void pack_voters(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_str(w, "voters");
	mp_array(w, 1);
	mp_str(w, "n1");
	mp_key_str(w, "text", "a node alone votes alone");
}

static void pack_version(struct mp_writer *w)
{
	mp_map(w, 4);
	mp_key_str(w, "version", "9.9.9");
	mp_key_int(w, "protocol", 1);
	mp_key_str(w, "node", "n1");
	mp_str(w, "libraries");
	mp_map(w, 1);
	mp_key_str(w, "libev", "4.33");
}

static void pack_events(struct mp_writer *w)
{
	mp_map(w, 2);
	mp_str(w, "events");
	mp_array(w, 2);
	mp_map(w, 6);
	mp_key_str(w, "id", "n1-1");
	mp_key_time(w, "time", 1767323045678);
	mp_key_str(w, "severity", "info");
	mp_key_str(w, "agent", "web");
	mp_key_str(w, "replica", "web.0");
	mp_key_str(w, "text", "started, pid 4711");
	mp_map(w, 4);
	mp_key_str(w, "id", "n1-2");
	mp_key_time(w, "time", 1767323046678);
	mp_key_str(w, "severity", "warning");
	mp_key_str(w, "text", "two\nlines");
	mp_key_str(w, "last", "n1-2");
}

static const struct {
	const char *verb;
	void (*pack)(struct mp_writer *w);
} answers[] = {{"nodes", pack_nodes}, {"top", pack_top}, {"explain", pack_explain}, {"profile", pack_profile},
	{"rollout", pack_rollout}, {"voters", pack_voters}, {"version", pack_version}, {"events", pack_events}};

static bool serve_canned(void *arg, unsigned n, const char *verb, const msgpack_object *args, struct mp_writer *w)
{
	(void)arg;
	(void)n;
	(void)args;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (strcmp(answers[i].verb, verb) != 0)
			continue;
		ok(w);
		answers[i].pack(w);
		return true;
	}
	ok(w);
	pack_status(w, 3);
	return true;
}

static void golden_texts(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, serve_canned, NULL);
	AUTO_RAN struct ran nodes = RUN(f.path, "nodes"), top = RUN(f.path, "top"),
			    explain = RUN(f.path, "explain", "web"), rollout = RUN(f.path, "rollout", "status", "web"),
			    voters = RUN(f.path, "voters"), events = RUN(f.path, "events"),
			    profile = RUN(f.path, "profile", "web");
	fake_stop(&f);
	prints(&nodes, "NODE  STATE            VOTES        CPU   MEMORY  REPLICAS    AGE  ADDRESS  VERSION\n"
		       "n1    alive, draining  yes    1.00/3.50  1.0G/8G        12  3h12m  -        0.1.0\n");
	prints(&top, "node: cpu 1.25 of 2.00 · memory - of 1.0G · load - · disk - free · pressure cpu 7%, io 0%\n"
		     "daemon: cpu - · memory - · 20 descriptors · 2 replicas\n"
		     "cluster: 3 nodes alive, 1 dead · 2 links · 1.5K in, 10B out\n\n"
		     "REPLICA  STATE    PID   CPU  MEMORY  PIDS  READ/S  WRITE/S  RESTARTS  REFUSED  PROBE\n"
		     "busy.0   running   77  0.99    1.0M     3      0B     1.5K         -        -    4ms\n"
		     "idle.0   running    -  0.01       -     -       -        -         -        -      -\n");
	prints(&explain, "web waits: db is not ready.\n\nreplicas:\n  web.0  pending: db is not ready\n"
			 "  web.1  lost on n2: its node is dead\n\nnone on:\n  n3  is not zone == a\n\ndecisions:\n"
			 "  2026-01-02T03:04:05.678Z  scaled to 3: asked for (by n1, version 4)\n");
	prints(&rollout, "web: version 4, paused: 1 of 3 updated, 2 ready\nweb.1 is next\n");
	prints(&voters, "n1\na node alone votes alone\n");
	prints(&events, "2026-01-02 03:04:05  info     web.0: started, pid 4711\n"
			"2026-01-02 03:04:06  warning  two lines\n");
	assert_string_equal(profile.out.v, "seccomp:\n  base: strict\n  allow: [read]\n");
	assert_string_equal(profile.err.v, "covey: the agent is still being watched: more may be added\n");
	assert_int_equal(profile.status, CLI_DONE);
}

static const char *const reading[][4] = {{"status"}, {"nodes"}, {"top"}, {"explain", "web"}, {"profile", "web"},
	{"rollout", "status", "web"}, {"voters"}, {"version"}};

static void each_reading_command_prints_one_document(void **state)
{
	struct fake f;

	(void)state;
	fake_start(&f, serve_canned, NULL);
	for (size_t i = 0; i < ARRAY_LEN(reading); i++) {
		const char *const argv[] = {"--json", reading[i][0], reading[i][1], reading[i][2], NULL};
		AUTO_RAN struct ran piped = run_covey(&(struct run){.socket = f.path, .argv = argv}),
				    shown = run_covey(&(struct run){.socket = f.path, .columns = 40, .argv = argv});

		assert_string_equal(piped.err.v, "");
		assert_int_equal(piped.status, CLI_DONE);
		assert_true(json_is_document(piped.out.v));
		assert_ptr_equal(strchr(piped.out.v, '\n'), piped.out.v + piped.out.n - 1);
		assert_true(json_is_document(shown.out.v));
		assert_null(strchr(shown.out.v, '\033'));
	}
	AUTO_RAN struct ran events = RUN(f.path, "events", "--json");
	fake_stop(&f);
	*strchr(events.out.v, '\n') = '\0';
	assert_true(json_is_document(events.out.v));
	assert_true(json_is_document(events.out.v + strlen(events.out.v) + 1));
}

static void the_checker_of_json_can_say_no(void **state)
{
	static const char *const bad[] = {"", "{} {}", "{\"a\":}", "[1,]", "{a:1}", "\"\\x\"", "\"\n\"", "01", "1.",
		"nul", "{\"a\" 1}", "[1 2]", "\"", "-", "1e", "{\"a\":1,}"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(json_is_document(bad[i]));
	assert_true(json_is_document(" {\"a\": [1, -2.5e+3, null, \"\\u00e4\\n\"], \"b\": {}}\n"));
}

static void the_environment_names_the_daemon(void **state)
{
	static const char *const argv[] = {"voters", NULL};
	char variable[128];
	const char *const env[] = {variable, NULL};
	struct fake f;

	(void)state;
	fake_start(&f, serve_canned, NULL);
	(void)snprintf(variable, sizeof(variable), "COVEY_SOCKET=%s", f.path);
	AUTO_RAN struct ran r = run_covey(&(struct run){.env = env, .argv = argv});
	fake_stop(&f);
	assert_int_equal(r.status, CLI_DONE);
}

/* top on a terminal: drawn, then q; the terminal is given back. */
static void top_lives_until_q(void **state)
{
	static const char *const argv[] = {"top", NULL};
	struct fake f;

	(void)state;
	fake_start(&f, serve_canned, NULL);
	AUTO_RAN struct ran r = run_covey(&(struct run){.socket = f.path, .columns = 80, .in = "q", .argv = argv});
	fake_stop(&f);
	assert_int_equal(r.status, CLI_DONE);
	assert_non_null(strstr(r.out.v, "\033[?1049h"));
	assert_non_null(strstr(r.out.v, "busy.0"));
	assert_non_null(strstr(r.out.v, "\033[?1049l"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_when_piped),
		cmocka_unit_test(status_says_who_is_missing),
		cmocka_unit_test(status_on_a_terminal),
		cmocka_unit_test(golden_texts),
		cmocka_unit_test(each_reading_command_prints_one_document),
		cmocka_unit_test(the_checker_of_json_can_say_no),
		cmocka_unit_test(the_environment_names_the_daemon),
		cmocka_unit_test(top_lives_until_q),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
