/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a change has come to its end: also when there is nothing to do, when it was overtaken by another, and when it
 * changes nothing that has to run anew.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

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

/* The operation of an accepted change. */
static void op_of(const msgpack_object *reply, char op[64])
{
	assert_true(daemon_ok(reply));
	(void)snprintf(op, 64, "%s", daemon_text(mp_get(reply, "result"), "op"));
}

static bool is_done(const msgpack_object *reply)
{
	char op[64], why[256];

	op_of(reply, op);
	return daemon_wait(&bed, op, why);
}

static void test_a_job_that_is_done_stays_done(void **state)
{
	static const char job[] = "name: job\ncommand: [/bin/true]\nrestart: {when: on-failure}\n";

	(void)state;
	daemon_run(&bed, job);
	WAIT_UNTIL(daemon_state_is(&bed, "job.0", "stopped"), WAIT_BOUND_S);
	assert_true(is_done(daemon_apply(&bed, job)));
	assert_true(is_done(daemon_call(&bed, "restart", "target=job")));
	assert_true(is_done(daemon_call(&bed, "start", "target=job")));
}

/* How often the job of the test below has run. */
static int64_t runs(void)
{
	return daemon_size(&bed, "runs");
}

/* Whoever was not answered asks again, with the same id: whatever became of the daemon, it is done once. */
static void test_a_repeat_is_done_once(void **state)
{
	char text[512];
	int pid;

	(void)state;
	(void)snprintf(text, sizeof(text),
		"name: job\ncommand: [/bin/sh, -c, \"printf x >>%s/runs\"]\nuser: root\nrestart: {when: never}\n"
		"sandbox: {private_tmp: no, read_only: []}\n",
		bed.dir.path);
	daemon_run(&bed, text);
	WAIT_UNTIL(daemon_state_is(&bed, "job.0", "stopped") && runs() == 1, WAIT_BOUND_S);
	assert_true(is_done(daemon_call(&bed, "start", "target=job,op=first")));
	WAIT_UNTIL(daemon_state_is(&bed, "job.0", "stopped") && runs() == 2, WAIT_BOUND_S);
	daemon_run(&bed, "name: long\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_true(is_done(daemon_call(&bed, "restart", "target=long,op=second")));
	pid = daemon_pid_of(&bed, "long.0");
	for (int i = 0; i < 2; i++) {
		assert_true(is_done(daemon_call(&bed, "start", "target=job,op=first")));
		assert_true(is_done(daemon_call(&bed, "restart", "target=long,op=second")));
		assert_int_equal(daemon_pid_of(&bed, "long.0"), pid);
		assert_int_equal(runs(), 2);
		daemon_kill(&bed, SIGKILL);
		daemon_start(&bed);
	}
	assert_true(is_done(daemon_call(&bed, "start", "target=job,op=third")));
	WAIT_UNTIL(daemon_state_is(&bed, "job.0", "stopped") && runs() == 3, WAIT_BOUND_S);
	assert_true(is_done(daemon_call(&bed, "restart", "target=long,op=fourth")));
	assert_int_not_equal(daemon_pid_of(&bed, "long.0"), pid);
}

/* Of agents, too, that are gone or other than they were by then. */
static void test_a_repeat_is_answered_after_a_death(void **state)
{
	static const char v1[] = "name: web\ncommand: [/bin/sleep, \"1001\"]\n",
			  v2[] = "name: web\ncommand: [/bin/sleep, \"1002\"]\n",
			  v3[] = "name: web\ncommand: [/bin/sleep, \"1003\"]\n";
	int64_t version = 0;
	int pid;

	(void)state;
	daemon_run(&bed, "name: gone\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_true(is_done(daemon_call(&bed, "remove", "agent=gone,op=first")));
	daemon_run(&bed, v1);
	daemon_run(&bed, v2);
	daemon_run(&bed, v3);
	daemon_kill(&bed, SIGKILL);
	daemon_start(&bed);
	assert_true(is_done(daemon_call(&bed, "remove", "agent=gone,op=first")));
	assert_true(is_done(daemon_call(&bed, "rollout", "action=undo,agent=web,op=second")));
	pid = daemon_pid_of(&bed, "web.0");
	for (int i = 0; i < 2; i++) {
		const msgpack_object *changes, *reply = daemon_call(&bed, "rollout", "action=undo,agent=web,op=second");

		assert_true(daemon_ok(reply));
		changes = mp_get(mp_get(reply, "result"), "changes");
		assert_int_equal(mp_get_int(&changes->via.array.ptr[0], "version", &version, 0, 99, NULL), 0);
		assert_int_equal(version, 4);
		assert_true(is_done(reply));
		assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
		daemon_kill(&bed, SIGKILL);
		daemon_start(&bed);
	}
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
}

static void test_one_that_has_failed_says_so_again(void **state)
{
	static const char bad[] = "name: bad\ncommand: [/bin/false]\nrestart: {when: never}\n";

	(void)state;
	assert_true(daemon_ok(daemon_apply(&bed, bad)));
	WAIT_UNTIL(daemon_state_is(&bed, "bad.0", "failed"), WAIT_BOUND_S);
	assert_false(is_done(daemon_apply(&bed, bad)));
}

static void test_overtaken_by_the_contrary(void **state)
{
	static const char slow[] = "name: slow\ncommand: [/bin/sh, -c, \"trap '' TERM; while :; do sleep 0.1; done\"]\n"
				   "stop: {timeout: 1s}\n";
	char stop[64], removal[64], why[256];

	(void)state;
	daemon_run(&bed, slow);
	op_of(daemon_call(&bed, "stop", "target=slow"), stop);
	assert_true(is_done(daemon_call(&bed, "start", "target=slow")));
	assert_true(daemon_wait(&bed, stop, why));
	op_of(daemon_call(&bed, "remove", "agent=slow"), removal);
	assert_true(is_done(daemon_apply(&bed, slow)));
	assert_true(daemon_wait(&bed, removal, why));
	assert_true(daemon_state_is(&bed, "slow.0", "running"));
}

/* Another probe, restart policy or stop needs no other process, and counts for the one that runs. */
static void test_a_probe_is_taken_by_what_runs(void **state)
{
	struct daemon_replica r;
	int pid;

	(void)state;
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&bed, "web.0");
	daemon_run(&bed,
		"name: web\ncommand: [/bin/sleep, \"1000\"]\nhealth: {liveness: {exec: {command: [/bin/true]}, "
		"every: 100ms}}\n");
	WAIT_UNTIL(daemon_replica(&bed, "web.0", &r) && strcmp(r.health, "healthy") == 0, WAIT_BOUND_S);
	assert_int_equal(r.pid, pid);
	assert_true(daemon_ok(daemon_apply(&bed,
		"name: web\ncommand: [/bin/sleep, \"1000\"]\nhealth: {liveness: {exec: {command: [/bin/false]}, "
		"every: 100ms, failures: 2}}\n")));
	WAIT_UNTIL(daemon_replica(&bed, "web.0", &r) && r.restarts > 0, WAIT_BOUND_S);
	assert_string_equal(r.reason, "health");
}

/* Down and up again while those that were too many still end. */
static void test_scaled_down_and_up(void **state)
{
	(void)state;
	daemon_run(&bed, "name: many\ncommand: [/bin/sh, -c, \"trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; "
			 "done\"]\nreplicas: 4\n");
	assert_true(daemon_ok(daemon_call(&bed, "scale", "agent=many,n=1")));
	assert_true(is_done(daemon_call(&bed, "scale", "agent=many,n=4")));
	assert_true(daemon_pid_of(&bed, "many.3") > 0);
	assert_true(is_done(daemon_call(&bed, "scale", "agent=many,n=0")));
	assert_int_equal(daemon_processes(&bed), 0);
}

static void test_one_replica_stays_stopped(void **state)
{
	(void)state;
	daemon_run(&bed, "name: two\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 2\n");
	assert_true(is_done(daemon_call(&bed, "stop", "target=two.0")));
	for (int i = 0; i < 2; i++) {
		assert_true(daemon_state_is(&bed, "two.0", "stopped"));
		assert_true(daemon_pid_of(&bed, "two.1") > 0);
		daemon_kill(&bed, SIGKILL);
		daemon_start(&bed);
	}
	assert_true(is_done(daemon_call(&bed, "stop", "target=two")));
	assert_true(is_done(daemon_call(&bed, "start", "target=two.0")));
	assert_true(daemon_pid_of(&bed, "two.0") > 0);
	assert_true(daemon_state_is(&bed, "two.1", "stopped"));
	assert_true(is_done(daemon_call(&bed, "start", "target=two")));
	assert_true(daemon_pid_of(&bed, "two.1") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_job_that_is_done_stays_done, begin, end),
		cmocka_unit_test_setup_teardown(test_a_repeat_is_done_once, begin, end),
		cmocka_unit_test_setup_teardown(test_a_repeat_is_answered_after_a_death, begin, end),
		cmocka_unit_test_setup_teardown(test_one_that_has_failed_says_so_again, begin, end),
		cmocka_unit_test_setup_teardown(test_overtaken_by_the_contrary, begin, end),
		cmocka_unit_test_setup_teardown(test_a_probe_is_taken_by_what_runs, begin, end),
		cmocka_unit_test_setup_teardown(test_scaled_down_and_up, begin, end),
		cmocka_unit_test_setup_teardown(test_one_replica_stays_stopped, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
