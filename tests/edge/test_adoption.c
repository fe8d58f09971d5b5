/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work survives the daemon: killed at any moment and started again, it finds every replica, knows how those ended that
 * ended meanwhile, and starts nothing twice.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/rng.h"
#include "tests/lib/daemon.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

/* An agent that notes each of its starts in a file of the bed, once it is set up (`first`). */
static void noting(struct daemon_bed *d, const char *name, const char *first, const char *then, char out[1024])
{
	(void)snprintf(out, 1024,
		"name: %s\n"
		"command: [/bin/sh, -c, \"%s; echo x >> %s/notes-%s; %s\"]\n"
		"user: root\n"
		"sandbox: {private_tmp: no, read_only: []}\n"
		"restart: {initial: 10ms, limit: 0}\n",
		name, first, d->dir.path, name, then);
}

static int starts_of(struct daemon_bed *d, const char *name)
{
	char file[128], line[64];
	int n = 0;
	FILE *f;

	(void)snprintf(file, sizeof(file), "notes-%s", name);
	f = fopen(tmpdir_path(&d->dir, file), "r");
	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		(void)fclose(f);
	return n;
}

static void test_the_same_process_after_a_kill(void **state)
{
	struct daemon_bed d;
	char text[1024];
	int pid;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	noting(&d, "web", ":", "exec sleep 1000", text);
	daemon_run(&d, text);
	pid = daemon_pid_of(&d, "web.0");
	assert_true(pid > 0);
	for (int i = 0; i < 5; i++) {
		daemon_kill(&d, i % 2 ? SIGKILL : SIGTERM);
		assert_int_equal(kill(pid, 0), 0);
		daemon_start(&d);
		assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
	}
	assert_int_equal(starts_of(&d, "web"), 1);
	daemon_done(&d);
}

static void test_an_end_without_a_daemon_is_known(void **state)
{
	struct daemon_replica r;
	struct daemon_bed d;
	char text[1024];

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	noting(&d, "job", "trap 'exit 7' TERM", "while :; do sleep 0.05; done", text);
	daemon_run(&d, text);
	WAIT_UNTIL(starts_of(&d, "job") == 1, WAIT_BOUND_S);
	assert_true(daemon_replica(&d, "job.0", &r));
	daemon_kill(&d, SIGKILL);
	assert_int_equal(kill(r.pid, SIGTERM), 0);
	WAIT_UNTIL(proc_is_gone(r.pid), WAIT_BOUND_S);
	daemon_start(&d);
	WAIT_UNTIL(daemon_state_is(&d, "job.0", "running"), WAIT_BOUND_S);
	assert_true(daemon_replica(&d, "job.0", &r));
	assert_string_equal(r.reason, "exited");
	assert_int_equal(r.code, 7);
	assert_int_equal(r.restarts, 1);
	WAIT_UNTIL(starts_of(&d, "job") == 2, WAIT_BOUND_S);
	daemon_done(&d);
}

/* As `covey events --after`: how many with that text, from where it left. */
static int count_told(struct daemon_bed *d, const char *part, char after[64])
{
	const msgpack_object *result, *events;
	char args[96];
	int n = 0;

	(void)snprintf(args, sizeof(args), "max=1000,after=%s", after);
	result = mp_get(daemon_call(d, "events", args), "result");
	events = mp_get(result, "events");
	assert_non_null(events);
	assert_int_equal(events->type, MSGPACK_OBJECT_ARRAY);
	for (uint32_t i = 0; i < events->via.array.size; i++)
		n += strstr(daemon_text(&events->via.array.ptr[i], "text"), part) != NULL;
	(void)snprintf(after, 64, "%s", daemon_text(result, "last"));
	return n;
}

/* Whoever has read of an end reads of it once, though the daemon was killed right then. */
static void test_an_end_that_was_told_is_not_told_again(void **state)
{
	static const char text[] = "killed by signal KILL";
	struct daemon_bed d;
	char after[64] = "";

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, "name: job\ncommand: [/bin/sleep, \"1000\"]\nrestart: {when: never}\n");
	for (int i = 1; i <= 5; i++) {
		WAIT_UNTIL(daemon_pid_of(&d, "job.0") > 0, WAIT_BOUND_S);
		assert_int_equal(kill(daemon_pid_of(&d, "job.0"), SIGKILL), 0);
		WAIT_UNTIL(count_told(&d, text, after) == 1, WAIT_BOUND_S);
		daemon_kill(&d, SIGKILL);
		daemon_start(&d);
		assert_int_equal(count_told(&d, text, after), 0);
		assert_true(daemon_ok(daemon_call(&d, "start", "target=job")));
	}
	daemon_done(&d);
}

static void test_a_stop_goes_on_without_the_daemon(void **state)
{
	struct daemon_bed d;
	char text[1024];
	int pid;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	noting(&d, "slow", "trap '' TERM", "while :; do sleep 0.05; done", text);
	strcat(text, "stop: {timeout: 1s}\n");
	daemon_run(&d, text);
	WAIT_UNTIL(starts_of(&d, "slow") == 1, WAIT_BOUND_S);
	pid = daemon_pid_of(&d, "slow.0");
	assert_true(daemon_ok(daemon_call(&d, "stop", "target=slow")));
	daemon_kill(&d, SIGKILL);
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
	daemon_start(&d);
	WAIT_UNTIL(daemon_state_is(&d, "slow.0", "stopped"), WAIT_BOUND_S);
	assert_int_equal(starts_of(&d, "slow"), 1);
	daemon_done(&d);
}

/* The shim and the daemon both gone: what is left of the replica is ended before it is started again. */
static void test_a_killed_shim_leaves_nothing(void **state)
{
	struct daemon_bed d;
	struct daemon_replica r;
	char text[1024];
	int pid;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	noting(&d, "two", ":", "setsid sleep 1000 & exec sleep 1000", text);
	daemon_run(&d, text);
	WAIT_UNTIL(starts_of(&d, "two") == 1, WAIT_BOUND_S);
	pid = daemon_pid_of(&d, "two.0");
	assert_int_equal(kill(proc_parent(pid), SIGKILL), 0);
	WAIT_UNTIL(daemon_replica(&d, "two.0", &r) && strcmp(r.state, "running") == 0 && r.pid != pid, WAIT_BOUND_S);
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S); /* once init has reaped it */
	WAIT_UNTIL(daemon_processes(&d) == 2, WAIT_BOUND_S);
	WAIT_UNTIL(starts_of(&d, "two") == 2, WAIT_BOUND_S);
	daemon_done(&d);
}

/* Both probes are asked for when the daemon dies, and would go on for long: the next one is answered all the same. */
static void test_probes_of_the_last_daemon_are_in_nobodys_way(void **state)
{
	struct daemon_replica r;
	struct daemon_bed d;
	char text[2048], slow[128];
	int pid;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	(void)snprintf(slow, sizeof(slow), "%s/slow", d.dir.path);
	(void)snprintf(text, sizeof(text),
		"name: asked\ncommand: [/bin/sleep, \"1000\"]\nuser: root\nsandbox: {private_tmp: no}\nhealth:\n"
		"  liveness: {exec: {command: [/bin/sh, -c, \"test ! -e %s || exec sleep 1000\"]}, every: 100ms, "
		"timeout: 1h, failures: 1, after: 0}\n"
		"  readiness: {exec: {command: [/bin/sh, -c, \"test ! -e %s || exec sleep 1000\"]}, every: 100ms, "
		"timeout: 1h, failures: 1}\n",
		slow, slow);
	daemon_run(&d, text);
	pid = daemon_pid_of(&d, "asked.0");
	for (int i = 0; i < 3; i++) {
		(void)daemon_file(&d, "slow", "", 0644);
		WAIT_UNTIL(daemon_processes(&d) == 3, WAIT_BOUND_S);
		daemon_kill(&d, SIGKILL);
		assert_int_equal(unlink(slow), 0);
		daemon_start(&d);
		WAIT_UNTIL(daemon_replica(&d, "asked.0", &r) && strcmp(r.health, "healthy") == 0, WAIT_BOUND_S);
		assert_int_equal(r.pid, pid);
		assert_int_equal(r.restarts, 0);
	}
	assert_false(daemon_has_event(&d, "asked", "unready", ""));
	daemon_done(&d);
}

/* Kills at random instants, while replicas start, end and are stopped: none lost, none doubled, none restarted. */
static void test_kills_at_random_instants(void **state)
{
	enum { STEADY = 5, KILLS = 25 };
	struct daemon_bed d;
	char text[1024], name[16];
	int pids[STEADY];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 20260102);
	daemon_init(&d);
	daemon_start(&d);
	for (int i = 0; i < STEADY; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		noting(&d, name, ":", "exec sleep 1000", text);
		daemon_run(&d, text);
		(void)snprintf(name, sizeof(name), "s%d.0", i);
		pids[i] = daemon_pid_of(&d, name);
	}
	noting(&d, "busy", ":", "sleep 0.02", text); /* ends and starts all the time */
	assert_true(daemon_ok(daemon_apply(&d, text)));
	for (int k = 0; k < KILLS; k++) {
		(void)daemon_call(&d, k % 2 ? "stop" : "start", "target=busy");
		wait_any_instant(rng_u64(&rng), 30);
		daemon_kill(&d, SIGKILL);
		wait_any_instant(rng_u64(&rng), 30);
		daemon_start(&d);
		for (int i = 0; i < STEADY; i++) {
			(void)snprintf(name, sizeof(name), "s%d.0", i);
			assert_int_equal(daemon_pid_of(&d, name), pids[i]);
		}
	}
	for (int i = 0; i < STEADY; i++) {
		(void)snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(starts_of(&d, name), 1);
	}
	WAIT_UNTIL(daemon_ok(daemon_call(&d, "stop", "target=busy")) && daemon_state_is(&d, "busy.0", "stopped"),
		WAIT_BOUND_S);
	assert_int_equal(daemon_processes(&d), STEADY);
	daemon_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_process_after_a_kill),
		cmocka_unit_test(test_an_end_without_a_daemon_is_known),
		cmocka_unit_test(test_an_end_that_was_told_is_not_told_again),
		cmocka_unit_test(test_a_stop_goes_on_without_the_daemon),
		cmocka_unit_test(test_a_killed_shim_leaves_nothing),
		cmocka_unit_test(test_probes_of_the_last_daemon_are_in_nobodys_way),
		cmocka_unit_test(test_kills_at_random_instants),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
