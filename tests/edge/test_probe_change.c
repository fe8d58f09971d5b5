/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a replica that runs on while its agent's definition changes: the new questions as soon as they are
 * for it, whatever the old ones are at; and never those that are for another than it is.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

#define ROUNDS 3

static struct daemon_bed bed;

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	daemon_start(&bed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

static bool is_healthy(const char *id)
{
	struct daemon_replica r;

	return daemon_replica(&bed, id, &r) && strcmp(r.health, "healthy") == 0;
}

static void assert_runs_on(const char *id, int pid)
{
	struct daemon_replica r;

	assert_true(daemon_replica(&bed, id, &r));
	assert_string_equal(r.state, "running");
	assert_int_equal(r.pid, pid);
	assert_int_equal(r.restarts, 0);
}

/* Both probes answer until there is a file `slow`, and not for an hour then. n tells versions apart. */
static void slow_probes(char out[2048], int n)
{
	(void)snprintf(out, 2048,
		"name: web\ncommand: [/bin/sleep, \"1000\"]\nuser: root\nsandbox: {private_tmp: no}\nhealth:\n"
		"  liveness: {exec: {command: [/bin/sh, -c, \"test ! -e %s/slow || exec sleep 100%d\"]}, "
		"every: 100ms, timeout: 1h, failures: 1, after: 0}\n"
		"  readiness: {exec: {command: [/bin/sh, -c, \"test ! -e %s/slow || exec sleep 200%d\"]}, "
		"every: 100ms, timeout: 1h, failures: 1}\n",
		bed.dir.path, n, bed.dir.path, n);
}

/* Both of the shim's places are taken by what nobody wants to know any more when the new questions are asked. */
static void test_old_probes_are_in_no_new_ones_way(void **state)
{
	char text[2048];
	int pid;

	(void)state;
	slow_probes(text, 0);
	daemon_run(&bed, text);
	pid = daemon_pid_of(&bed, "web.0");
	for (int i = 1; i <= ROUNDS; i++) {
		(void)daemon_file(&bed, "slow", "", 0644);
		WAIT_UNTIL(daemon_processes(&bed) == 3, WAIT_BOUND_S);
		assert_int_equal(unlink(tmpdir_path(&bed.dir, "slow")), 0);
		slow_probes(text, i);
		daemon_run(&bed, text);
		WAIT_UNTIL(is_healthy("web.0"), WAIT_BOUND_S);
		assert_runs_on("web.0", pid);
	}
	assert_false(daemon_has_event(&bed, "web", "unready", ""));
	assert_false(daemon_has_event(&bed, "web", "unhealthy", ""));
}

/* An agent whose liveness is asked by a command that leaves a line in a file, and then ends so. */
static void noting(char out[1024], const char *name, const char *version, const char *file, const char *then)
{
	(void)snprintf(out, 1024,
		"name: %s\ncommand: [/bin/sleep, \"1000\"]\nuser: root\nenv: {VERSION: \"%s\"}\n"
		"sandbox: {private_tmp: no, read_only: []}\n"
		"health: {liveness: {exec: {command: [/bin/sh, -c, \"echo x >> %s/%s; %s\"]}, every: 100ms, "
		"failures: 1, after: 0}}\n",
		name, version, bed.dir.path, file, then);
}

static void apply(const char *text)
{
	assert_true(daemon_ok(daemon_apply(&bed, text)));
}

/* In the middle of a change a new daemon meets a replica that was started with a definition it knows nothing of. */
static void test_nobody_is_asked_what_is_for_another(void **state)
{
	struct daemon_replica r;
	char text[1024];
	int64_t seen;
	int pid;

	(void)state;
	noting(text, "witness", "1", "asked-witness", "true");
	daemon_run(&bed, text);
	noting(text, "web", "1", "asked-1", "true");
	daemon_run(&bed, text);
	pid = daemon_pid_of(&bed, "web.0");
	assert_true(daemon_ok(daemon_call(&bed, "rollout", "action=pause,agent=web")));
	noting(text, "web", "2", "asked-2", "exit 1");
	apply(text);
	noting(text, "web", "3", "asked-3", "exit 1");
	apply(text);
	for (int i = 0; i < ROUNDS; i++) {
		daemon_kill(&bed, SIGKILL);
		seen = daemon_size(&bed, "asked-witness");
		daemon_start(&bed);
		WAIT_UNTIL(daemon_size(&bed, "asked-witness") > seen + 10, WAIT_BOUND_S); /* its daemon asks */
		assert_runs_on("web.0", pid);
		assert_true(daemon_replica(&bed, "web.0", &r));
		assert_string_equal(r.health, "unknown");
	}
	assert_int_equal(daemon_size(&bed, "asked-2") + daemon_size(&bed, "asked-3"), 0);
	seen = daemon_size(&bed, "asked-1");
	noting(text, "web", "1", "asked-1", "true");
	apply(text); /* back to what runs: known again */
	WAIT_UNTIL(daemon_size(&bed, "asked-1") > seen && is_healthy("web.0"), WAIT_BOUND_S);
	assert_runs_on("web.0", pid);
	noting(text, "web", "4", "asked-4", "true");
	apply(text);
	assert_true(daemon_ok(daemon_call(&bed, "rollout", "action=resume,agent=web")));
	WAIT_UNTIL(daemon_pid_of(&bed, "web.0") != pid && is_healthy("web.0"), WAIT_BOUND_S);
	assert_true(daemon_size(&bed, "asked-4") > 0);
}

/* The definition that was replaced is known to a new daemon too: what still runs it is asked on, as it was. */
static void test_the_replaced_one_is_asked_on(void **state)
{
	char text[1024];
	int64_t seen;
	int pid;

	(void)state;
	noting(text, "web", "1", "asked-1", "true");
	daemon_run(&bed, text);
	pid = daemon_pid_of(&bed, "web.0");
	assert_true(daemon_ok(daemon_call(&bed, "rollout", "action=pause,agent=web")));
	noting(text, "web", "2", "asked-2", "exit 1");
	apply(text);
	for (int i = 0; i < ROUNDS; i++) {
		daemon_kill(&bed, SIGKILL);
		seen = daemon_size(&bed, "asked-1");
		daemon_start(&bed);
		WAIT_UNTIL(daemon_size(&bed, "asked-1") > seen + 10 && is_healthy("web.0"), WAIT_BOUND_S);
		assert_runs_on("web.0", pid);
	}
	assert_int_equal(daemon_size(&bed, "asked-2"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_probes_are_in_no_new_ones_way, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_is_asked_what_is_for_another, begin, end),
		cmocka_unit_test_setup_teardown(test_the_replaced_one_is_asked_on, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
