/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of a replica that runs on while its agent's definition changes: the new questions, whatever the old
 * ones are at.
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_probes_are_in_no_new_ones_way, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
