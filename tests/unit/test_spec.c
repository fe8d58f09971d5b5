/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents' files: what a good one means, every default, every fault of a bad one with its line and key, and each
 * allocation failing once.
 */
#include "supervisor/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/faults.h"
#include "tests/lib/oom.h"
#include "tests/lib/tmpdir.h"

static struct spec_faults faults; /* large: not on the stack of each test */

static struct agent_spec *good(const char *text)
{
	struct agent_spec *s = NULL;
	int rc = spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &s, &faults);

	if (rc < 0)
		fail_msg("refused (%d):\n%s", rc, faults_text(&faults));
	return s;
}

static void bad_in(enum spec_scope scope, const char *text, const char *want)
{
	struct agent_spec *untouched = (void *)&faults, *s = untouched; /* any address will do */

	assert_int_equal(spec_parse(text, strlen(text), scope, &s, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), want);
	assert_ptr_equal(s, untouched);
}

static void bad(const char *text, const char *want)
{
	bad_in(SPEC_SCOPE_CLUSTER, text, want);
}

/* A good agent with lines added behind its first two. */
#define AGENT "name: web\ncommand: [/bin/sh, -c, run]\n"

static void defaults_are_filled_in(void **state)
{
	struct agent_spec *s = good(AGENT);
	const struct spec_resources *r = &s->resources;

	(void)state;
	assert_string_equal(s->name, "web");
	assert_int_equal(s->command.n, 3);
	assert_null(s->command.v[3]);
	assert_string_equal(s->user, "dynamic");
	assert_string_equal(s->directory, "/");
	assert_int_equal(s->env.n + s->ports.n + s->depends_on.n + s->place_require.n + s->place_prefer.n, 0);
	assert_int_equal(s->kind, SPEC_REPLICATED);
	assert_int_equal(s->isolation, SPEC_KEEP);
	assert_true(s->replicas_min == 1 && s->replicas_max == 1 && s->replicas_initial == 1);
	assert_true(r->cpu_milli == 0 && r->memory_max_bytes == 0 && r->memory_high_bytes == 0 && r->pids_max == 0);
	assert_true(r->cpu_weight == 100 && r->io_weight == 0 && r->io_max_bps == 0 && r->nofile == 1024);
	assert_int_equal(r->swap_max_bytes, -1);
	assert_null(r->cpuset);
	assert_true(s->sandbox.no_new_privileges && s->sandbox.private_tmp && !s->sandbox.private_network);
	assert_int_equal(s->sandbox.seccomp, SPEC_SECCOMP_DEFAULT);
	assert_int_equal(s->sandbox.capabilities.n + s->sandbox.writable.n, 0);
	assert_int_equal(s->sandbox.read_only.n, 1);
	assert_string_equal(s->sandbox.read_only.v[0], "/");
	assert_null(s->sandbox.read_only.v[1]);
	assert_true(s->restart.when == SPEC_ALWAYS && s->restart.backoff == SPEC_EXPONENTIAL);
	assert_true(s->restart.initial_ms == 100 && s->restart.max_ms == 30000 && s->restart.jitter_percent == 25);
	assert_true(s->restart.limit == 10 && s->restart.within_ms == 60000);
	assert_true(s->stop_signal == SIGTERM && s->stop_timeout_ms == 10000);
	assert_true(s->liveness.kind == SPEC_PROBE_NONE && s->readiness.kind == SPEC_PROBE_NONE);
	assert_true(s->log_max_bytes == 10 << 20 && s->log_keep == 3 && s->log_timestamps);
	assert_int_equal(s->failover_grace_ms, 60000);
	assert_true(s->update.surge.is_percent && s->update.surge.n == 25);
	assert_true(!s->update.unavailable.is_percent && s->update.unavailable.n == 0 && s->update.rollback);
	assert_true(s->update.min_healthy_ms == 10000 && s->update.timeout_ms == 600000);
	assert_true(!s->metrics_port_name && !s->metrics_path && !s->place_spread);
	assert_int_equal(s->name_line, 1);
	assert_int_equal(s->depends_on_line, 0);
	spec_unref(s);
}

static const char whole[] =
	"version: 1                       # optional\n"
	"name: web\n"
	"command: [/usr/bin/python3, -m, http.server, \"${PORT_http}\"]\n"
	"user: www-data\n"
	"directory: /srv/web\n"
	"env: {LANG: C.UTF-8, HOME: /srv/$$x, N: 010}\n"
	"kind: replicated\n"
	"replicas: {min: 2, max: 10, initial: 3}\n"
	"ports: {http: auto, admin: 8080}\n"
	"resources: {cpu: 0.5, cpu_weight: 200, cpuset: \"0-3,5\", memory: 256M, memory_high: 200M, swap: 0, pids: "
	"64,\n"
	"            nofile: 4096, io_weight: 50, io_max: 50M, reserve: {cpu: 0.25, memory: 128M}}\n"
	"sandbox:\n"
	"  seccomp: {base: strict, allow: [mount, \"@process\"], deny: [ptrace]}\n"
	"  no_new_privileges: no\n"
	"  capabilities:\n"
	"  - CAP_NET_BIND_SERVICE\n"
	"  private_tmp: false\n"
	"  read_only: [/, /srv]\n"
	"  writable: [/srv/web/data]\n"
	"  network: host\n"
	"restart: {when: on-failure, backoff: linear, initial: 0, max: 1m, jitter: 0%, limit: 0, within: 2h}\n"
	"stop: {signal: SIGINT, timeout: 500ms}\n"
	"health:\n"
	"  liveness: {http: {port: http, path: \"/healthz?deep=1\"}, every: 5s, timeout: 1s, failures: 2, successes: "
	"3,\n"
	"    after: 4s}\n"
	"  readiness: {tcp: {port: 8080}}\n"
	"logs: {max_size: 1M, keep: 0, timestamps: yes}\n"
	"depends_on: [db, cache]\n"
	"placement: {require: [\"zone == a\", \"disk!=hdd\"], prefer: [\"disk == ssd\"], spread: zone}\n"
	"isolation: stop\n"
	"failover_grace: 5m\n"
	"update: {surge: 2, unavailable: 50%, min_healthy: 1s, timeout: 1h, rollback: no}\n"
	"metrics: {prometheus: {port: http}}\n"
	"scale: [{signal: cpu}]\n";

static void every_key_is_read(void **state)
{
	struct agent_spec *s = good(whole);
	const struct spec_resources *r = &s->resources;

	(void)state;
	assert_string_equal(s->command.v[3], "${PORT_http}");
	assert_string_equal(s->user, "www-data");
	assert_string_equal(s->directory, "/srv/web");
	assert_int_equal(s->env.n, 3);
	assert_string_equal(s->env.v[1].key, "HOME");
	assert_string_equal(s->env.v[1].value, "/srv/$$x");
	assert_string_equal(s->env.v[2].value, "010"); /* as written: no 8 */
	assert_true(s->replicas_min == 2 && s->replicas_max == 10 && s->replicas_initial == 3);
	assert_true(s->ports.n == 2 && s->ports.v[0].port == 0 && s->ports.v[1].port == 8080);
	assert_true(r->cpu_milli == 500 && r->cpu_weight == 200 && r->memory_max_bytes == 256 << 20);
	assert_true(r->memory_high_bytes == 200 << 20 && r->swap_max_bytes == 0 && r->pids_max == 64);
	assert_true(r->nofile == 4096 && r->io_weight == 50 && r->io_max_bps == 50 << 20);
	assert_true(r->reserve_cpu_milli == 250 && r->reserve_memory_bytes == 128 << 20);
	assert_string_equal(r->cpuset, "0-3,5");
	assert_int_equal(s->sandbox.seccomp, SPEC_SECCOMP_STRICT);
	assert_true(s->sandbox.seccomp_allow.n == 2 && s->sandbox.seccomp_deny.n == 1);
	assert_string_equal(s->sandbox.seccomp_allow.v[1], "@process");
	assert_true(!s->sandbox.no_new_privileges && !s->sandbox.private_tmp);
	assert_string_equal(s->sandbox.capabilities.v[0], "CAP_NET_BIND_SERVICE");
	assert_true(s->sandbox.read_only.n == 2 && s->sandbox.writable.n == 1);
	assert_true(s->restart.when == SPEC_ON_FAILURE && s->restart.backoff == SPEC_LINEAR && s->restart.limit == 0);
	assert_true(s->restart.initial_ms == 0 && s->restart.max_ms == 60000 && s->restart.jitter_percent == 0);
	assert_true(s->stop_signal == SIGINT && s->stop_timeout_ms == 500);
	assert_int_equal(s->liveness.kind, SPEC_PROBE_HTTP);
	assert_string_equal(s->liveness.port_name, "http");
	assert_string_equal(s->liveness.path, "/healthz?deep=1");
	assert_true(s->liveness.every_ms == 5000 && s->liveness.timeout_ms == 1000 && s->liveness.after_ms == 4000);
	assert_true(s->liveness.failures == 2 && s->liveness.successes == 3);
	assert_true(s->readiness.kind == SPEC_PROBE_TCP && s->readiness.port == 8080 && !s->readiness.port_name);
	assert_true(s->readiness.every_ms == 2000 && s->readiness.after_ms == 0);
	assert_true(s->log_max_bytes == 1 << 20 && s->log_keep == 0 && s->log_timestamps);
	assert_true(s->depends_on.n == 2 && s->place_require.n == 2 && s->place_prefer.n == 1);
	assert_string_equal(s->place_spread, "zone");
	assert_true(s->isolation == SPEC_STOP && s->failover_grace_ms == 300000);
	assert_true(!s->update.surge.is_percent && s->update.surge.n == 2 && !s->update.rollback);
	assert_true(s->update.unavailable.is_percent && s->update.unavailable.n == 50);
	assert_string_equal(s->metrics_port_name, "http");
	assert_string_equal(s->metrics_path, "/metrics");
	assert_int_equal(s->text_len, strlen(whole));
	assert_string_equal(s->text, whole);
	assert_int_equal(s->depends_on_line, 28);
	spec_unref(s);
}

static void other_forms_are_read(void **state)
{
	struct agent_spec *s = good("name: a\n"
				    "command:\n"
				    "- sh\n"
				    "- -c\n"
				    "- |\n"
				    "  echo \"$$HOME\"\n"
				    "  sleep 1\n"
				    "kind: singleton\n"
				    "sandbox: {seccomp: learn, network: none}\n"
				    "health:\n"
				    "  liveness: {exec: {command: [true]}}\n"
				    "  readiness: {notify: {}}\n"
				    "resources: {cpu: 2, memory: 1G}\n");

	(void)state;
	assert_string_equal(s->command.v[2], "echo \"$$HOME\"\nsleep 1\n");
	assert_int_equal(s->isolation, SPEC_STOP); /* a singleton's */
	assert_int_equal(s->sandbox.seccomp, SPEC_SECCOMP_LEARN);
	assert_true(s->sandbox.private_network);
	assert_true(s->liveness.kind == SPEC_PROBE_EXEC && s->readiness.kind == SPEC_PROBE_NOTIFY);
	assert_string_equal(s->liveness.command.v[0], "true");
	assert_true(s->resources.reserve_cpu_milli == 2000 && s->resources.reserve_memory_bytes == 1 << 30);
	spec_unref(s);
	s = good(AGENT "kind: every-node\n");
	assert_int_equal(s->kind, SPEC_EVERY_NODE);
	spec_unref(s);
}

static void all_faults_are_told_in_one_go(void **state)
{
	(void)state;
	bad("nmae: Web\n"
	    "command: sleep\n"
	    "usr: x\n"
	    "replicas: \"2\"\n"
	    "memory: 10M\n"
	    "resources: {memory: 256Q, cpu: .5, pids: 010, nofile: 5, memory_high: 10}\n"
	    "ports: {a-b: 1, x: 99999, y: 80, z: 80, y: 90}\n"
	    "kind: Singleton\n"
	    "health:\n"
	    "  liveness: {http: {port: web}, tcp: {}}\n"
	    "  readiness: {every: 3}\n"
	    "env: {1X: a, COVEY_X: b, OK: , T: \"$x\"}\n"
	    "logs:\n"
	    "foo: bar\n",
		"1: nmae: unknown key; did you mean name?\n"
		"1: name: missing; it must be a name such as web\n"
		"2: command: must be a list: the program and its arguments, not 'sleep'\n"
		"3: usr: unknown key; did you mean user?\n"
		"4: replicas: must be a number, not a text: write 2 without quotes\n"
		"5: memory: unknown key; did you mean resources.memory?\n"
		"6: resources.memory: must be a size such as 256M, from 1M to 1024T, not '256Q'\n"
		"6: resources.cpu: must be a number such as 0.5, from 0.01 to 1024, not '.5'\n"
		"6: resources.pids: must be a whole number, from 1 to 4194304, not '010'\n"
		"6: resources.nofile: must be a whole number, from 8 to 1048576, not '5'\n"
		"6: resources.memory_high: must be a size such as 256M, from 1M to 1024T, not '10'\n"
		"7: ports.a-b: the name must be a port's name of at most 63 letters, digits and _ (it is told as "
		"PORT_name)\n"
		"7: ports.x: must be auto, or a number from 1 to 65535, not '99999'\n"
		"7: ports.y: given twice, first in line 7\n"
		"7: ports.z: the same number as y\n"
		"8: kind: must be replicated, singleton or every-node, not 'Singleton'; did you mean singleton?\n"
		"10: health.liveness.tcp: one of http, tcp, exec and notify, not two\n"
		"10: health.liveness.http.port: must be a name of ports, and 'web' is none\n"
		"11: health.readiness.every: must be a duration such as 10s, from 100ms to 1h, not '3'\n"
		"11: health.readiness: needs one of http, tcp, exec and notify\n"
		"12: env.1X: the name must be a variable's name of at most 63 letters, digits and _, not beginning "
		"with a digit\n"
		"12: env.COVEY_X: the name must be another one: COVEY_… and NOTIFY_SOCKET are told by covey\n"
		"12: env.OK: has no value; it must be a text\n"
		"12: env.T: must be a text in which $ begins ${NAME}, or $$ for a dollar, not '$x'\n"
		"13: logs: has no value; it must be a map of keys\n"
		"14: foo: unknown key; allowed here: version, name, command, user, directory, env, kind, replicas, "
		"ports, resources, sandbox, restart, stop, health, logs, depends_on, placement, isolation, "
		"failover_grace, update, metrics, scale\n");
}

static void the_sandbox_is_checked(void **state)
{
	(void)state;
	bad(AGENT "sandbox:\n"
		  "  private_tmp: on\n"
		  "  seccomp: {base: off, allow: [mout, \"@net\", \"Bad!\", ptrace], deny: [ptrace]}\n"
		  "  capabilities: [cap_chown]\n"
		  "  read_only: [../etc, /a/../b, /c]\n"
		  "  writable: [/c]\n"
		  "  network: private\n",
		"4: sandbox.private_tmp: must be yes or no, not 'on'\n"
		"5: sandbox.seccomp.base: must be default or strict, not 'off'\n"
		"5: sandbox.seccomp.allow[2]: must be the name of a system call such as mount, or of a group such as "
		"@network, not 'Bad!'\n"
		"5: sandbox.seccomp.deny[0]: is in sandbox.seccomp.allow too\n"
		"5: sandbox.seccomp.allow[0]: 'mout' is no system call or group that this build knows\n"
		"5: sandbox.seccomp.allow[1]: '@net' is no system call or group that this build knows\n"
		"6: sandbox.capabilities[0]: must be a capability such as CAP_NET_BIND_SERVICE, as capabilities(7) has "
		"them, not 'cap_chown'\n"
		"7: sandbox.read_only[0]: must be an absolute path, not '../etc'\n"
		"7: sandbox.read_only[1]: must be an absolute path without .., not '/a/../b'\n"
		"8: sandbox.writable[0]: is in sandbox.read_only too\n"
		"9: sandbox.network: must be host or none, not 'private'\n");
	bad(AGENT "sandbox: {seccomp: defualt}\n",
		"3: sandbox.seccomp: must be default, strict, off or learn, not 'defualt'; did you mean default?\n");
	bad(AGENT "sandbox: {seccomp: [a]}\n", "3: sandbox.seccomp: must be default, strict, off, learn or a map of "
					       "base, allow and deny, not a list\n");
	bad(AGENT "ports: {p: auto}\nsandbox: {network: none}\nhealth: {liveness: {tcp: {port: p}}}\n",
		"5: health.liveness.tcp: cannot be asked: sandbox.network is none; use exec or notify\n");
}

static void keys_must_agree(void **state)
{
	(void)state;
	bad(AGENT "resources: {memory: 10M, memory_high: 11M, reserve: {memory: 12M, cpu: 2}, cpu: 1}\n",
		"3: resources.reserve.cpu: must not be more than the limit, resources.cpu\n"
		"3: resources.reserve.memory: must not be more than the limit, resources.memory of 10M\n"
		"3: resources.memory_high: must not be more than the limit, resources.memory of 10M\n");
	bad(AGENT "resources: {swap: 1M}\n",
		"3: resources.swap: counts on top of resources.memory, which is missing\n");
	bad(AGENT "replicas: {min: 3, max: 2}\n", "3: replicas.min: must not be more than max\n");
	bad(AGENT "replicas: {min: 1, max: 2, initial: 3}\n", "3: replicas.initial: must be from min to max\n");
	bad(AGENT "replicas: {min: 1}\n", "3: replicas.max: missing; it must be a whole number, from 0 to 10000\n");
	bad(AGENT "replicas: [1]\n",
		"3: replicas: must be a whole number, from 0 to 10000, or a map of min, max and initial, not a list\n");
	bad(AGENT "replicas: 10001\n", "3: replicas: must be a whole number, from 0 to 10000, not '10001'\n");
	bad(AGENT "kind: singleton\nreplicas: 2\n", "4: replicas: must be 1: kind is singleton\n");
	bad(AGENT "kind: every-node\nreplicas: 2\n",
		"4: replicas: not with kind every-node, which is one on each node\n");
	bad(AGENT "restart: {initial: 2s, max: 1s}\n",
		"3: restart.initial: restart.initial must not be more than restart.max\n");
	bad(AGENT "update: {surge: 0}\n",
		"3: update.surge: surge and unavailable cannot both be 0: nothing could ever be replaced\n");
	bad(AGENT "depends_on: [db, web, db, Bad]\n", "3: depends_on[3]: must be a name of at most 63 lower-case "
						      "letters, digits and -, beginning with a letter "
						      "and not ending in -, not 'Bad'\n"
						      "3: depends_on[1]: the agent itself\n"
						      "3: depends_on[2]: given twice\n");
	bad("name: web\ncommand: [\"${PORT_x}\", \"${HOME}\", \"$5\", \"${}\"]\nports: {y: auto}\nenv: {PORT_y: 1}\n"
	    "metrics: {prometheus: {port: z}}\n",
		"2: command[1]: must be a text with ${…} of what covey tells: COVEY_AGENT, COVEY_REPLICA, COVEY_NODE, "
		"COVEY_EPOCH, COVEY_STATSD, PORT_name ($$ is a dollar), not '${HOME}'\n"
		"2: command[2]: must be a text in which $ begins ${NAME}, or $$ for a dollar, not '$5'\n"
		"2: command[3]: must be a text in which $ begins ${NAME}, or $$ for a dollar, not '${}'\n"
		"2: command[0]: ${PORT_x}: there is no port of that name\n"
		"4: env.PORT_y: is told by covey: ports has it\n"
		"5: metrics.prometheus.port: must be a name of ports, and 'z' is none\n");
	bad(AGENT "placement: {require: [zone, \"zone = a\", \"a == \"], spread: \"\"}\nscale: [1]\nstop: {signal: "
		  "FOO}\n",
		"3: placement.require[0]: must be an expression such as \"zone == a\" or \"disk != hdd\", not 'zone'\n"
		"3: placement.require[1]: must be an expression such as \"zone == a\" or \"disk != hdd\", not 'zone = "
		"a'\n"
		"3: placement.require[2]: must be an expression such as \"zone == a\" or \"disk != hdd\", not 'a == '\n"
		"3: placement.spread: must be a label of at most 63 lower-case letters, digits, _, . and -, beginning "
		"with a letter, not ''\n"
		"4: scale[0]: must be a policy: a map of keys, not '1'\n"
		"5: stop.signal: must be a signal such as TERM, INT or QUIT, not 'FOO'\n");
}

static void what_is_just_allowed(void **state)
{
	static const char *const fine[] = {"resources: {memory: 10M, memory_high: 10M, reserve: {memory: 10M}}\n",
		"resources: {cpu: 1, reserve: {cpu: 1}}\n", "restart: {initial: 2s, max: 2s}\n",
		"replicas: {min: 0, max: 0}\n", "replicas: {min: 1, max: 2, initial: 2}\n", "replicas: 10000\n",
		"resources: {cpuset: \"8191\"}\n", "resources: {cpuset: \"3-3,0\"}\n",
		"update: {surge: 0, unavailable: 1}\n", "kind: singleton\nreplicas: 1\n", "ports: {a: 1, b: 65535}\n",
		"sandbox: {read_only: [/..a, /a..]}\n"};
	static const char *const cpus[] = {
		"8192", "3-2", "a", "1-", "-1", "1,", ",1", "1 2", "", "99999999999999999999"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), AGENT "%s", fine[i]); /* ours, and short */
		spec_unref(good(text));
	}
	for (size_t i = 0; i < ARRAY_LEN(cpus); i++) {
		char text[256], want[256];

		(void)snprintf(text, sizeof(text), AGENT "resources: {cpuset: \"%s\"}\n", cpus[i]);
		(void)snprintf(want, sizeof(want),
			"3: resources.cpuset: must be processors such as 0-3,6, each at most 8191, not '%s'\n",
			cpus[i]);
		bad(text, want);
	}
}

static void a_node_s_own_agent_has_no_cluster_keys(void **state)
{
	(void)state;
	bad_in(SPEC_SCOPE_NODE, AGENT "placement: {}\nisolation: keep\nkind: singleton\n",
		"3: placement: not in agents_dir, whose agents run on this node alone; `covey apply` makes it the "
		"cluster's\n"
		"4: isolation: not in agents_dir, whose agents run on this node alone; `covey apply` makes it the "
		"cluster's\n"
		"5: kind: not in agents_dir, whose agents run on this node alone; `covey apply` makes it the "
		"cluster's\n");
}

static void names_are_bounded(void **state)
{
	char text[200];

	(void)state;
	assert_true(spec_name_is_valid("a"));
	assert_true(spec_name_is_valid("a-1"));
	assert_false(spec_name_is_valid(""));
	assert_false(spec_name_is_valid("1a"));
	assert_false(spec_name_is_valid("a-"));
	assert_false(spec_name_is_valid("a_b"));
	for (int n = 60; n < 67; n++) {
		memset(text, 'a', (size_t)n);
		text[n] = '\0';
		assert_int_equal(spec_name_is_valid(text), n <= NAME_MAX_LEN);
	}
}

static void references_are_counted(void **state)
{
	struct agent_spec *s = good(AGENT);

	(void)state;
	assert_ptr_equal(spec_ref(s), s);
	spec_unref(s);
	assert_string_equal(s->name, "web");
	spec_unref(s);
	spec_unref(NULL);
}

static void every_allocation_fails_once(void **state)
{
	unsigned long runs = 0;
	char text[sizeof(whole)];

	(void)state;
	/* Groups are looked up with memory of their own: without it they are not known, and the file is refused. */
	memcpy(text, whole, sizeof(whole));
	memcpy(strstr(text, "\"@process\""), "umount2   ", 10);
	OOM_LOOP (o) {
		struct agent_spec *s = NULL;
		int rc = spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &s, &faults);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(s != NULL, rc == 0);
		spec_unref(s);
		runs = o.n;
	}
	assert_true(runs > 4);
}

static void files_that_cannot_be_read(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	struct agent_spec *s = NULL;
	char path[128];
	FILE *f;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/a.yaml", dir.path); /* short */
	assert_int_equal(spec_load(path, SPEC_SCOPE_NODE, &s, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), " cannot be read: No such file or directory\n");
	assert_int_equal(spec_load(dir.path, SPEC_SCOPE_NODE, &s, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), " is a directory\n");
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(ftruncate(fileno(f), 100 << 20), 0); /* 100 MB, sparse */
	assert_int_equal(fclose(f), 0);
	assert_int_equal(spec_load(path, SPEC_SCOPE_NODE, &s, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), " larger than 262144 bytes\n");
	assert_int_equal(mkfifo(tmpdir_path(&dir, "fifo"), 0600), 0);
	assert_int_equal(spec_load(tmpdir_path(&dir, "fifo"), SPEC_SCOPE_NODE, &s, &faults), -EINVAL);
	assert_string_equal(faults_text(&faults), " not a regular file\n");
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(AGENT, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(spec_load(path, SPEC_SCOPE_NODE, &s, &faults), 0);
	assert_string_equal(s->name, "web");
	spec_unref(s);
}

static void expressions_over_labels(void **state)
{
	struct spec_pair v[] = {{.key = "zone", .value = "a"}, {.key = "disk", .value = "ssd"}};
	const struct spec_pairs labels = {.n = ARRAY_LEN(v), .v = v}, none = {0};

	(void)state;
	assert_true(spec_expression_holds("zone == a", &labels));
	assert_true(spec_expression_holds("disk==ssd", &labels));
	assert_false(spec_expression_holds("zone == b", &labels));
	assert_false(spec_expression_holds("zone == aa", &labels));
	assert_true(spec_expression_holds("zone != b", &labels));
	assert_false(spec_expression_holds("zone != a", &labels));
	assert_false(spec_expression_holds("rack == a", &labels));
	assert_true(spec_expression_holds("rack != a", &labels)); /* it has none */
	assert_false(spec_expression_holds("zone == a", &none));
	assert_false(spec_expression_holds("zone", &labels));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_filled_in),
		cmocka_unit_test(expressions_over_labels),
		cmocka_unit_test(every_key_is_read),
		cmocka_unit_test(other_forms_are_read),
		cmocka_unit_test(all_faults_are_told_in_one_go),
		cmocka_unit_test(the_sandbox_is_checked),
		cmocka_unit_test(keys_must_agree),
		cmocka_unit_test(what_is_just_allowed),
		cmocka_unit_test(a_node_s_own_agent_has_no_cluster_keys),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(every_allocation_fails_once),
		cmocka_unit_test(files_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
