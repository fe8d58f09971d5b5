/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents under a real daemon: what runs, under which limits, and what people are told when it does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

/* Applies a definition that cannot run, and waits until it says so with this reason and these words. */
static void fails_with(const char *text, const char *reason, const char *words)
{
	struct daemon_replica r;
	char id[80], name[64];

	assert_int_equal(sscanf(text, "name: %63s", name), 1);
	(void)snprintf(id, sizeof(id), "%s.0", name);
	assert_true(daemon_ok(daemon_apply(&bed, text)));
	WAIT_UNTIL(daemon_replica(&bed, id, &r) && *r.reason, WAIT_BOUND_S);
	if (strcmp(r.reason, reason) != 0 || !strstr(r.text, words))
		fail_msg("%s: %s, '%s', wanted %s, '%s'", id, r.reason, r.text, reason, words);
	assert_true(daemon_ok(daemon_call(&bed, "stop", "all=true")));
}

static void test_starts_that_fail_say_why(void **state)
{
	char text[1024];

	(void)state;
	fails_with("name: a1\ncommand: [/no/such/program]\n", "start-failed", "/no/such/program");
	fails_with("name: a2\ncommand: [/etc/passwd]\n", "start-failed", "Permission denied");
	fails_with(
		"name: a3\ncommand: [/bin/true]\nuser: nobody-of-that-name\n", "start-failed", "nobody-of-that-name");
	fails_with("name: a4\ncommand: [/bin/true]\ndirectory: /no/such/folder\n", "start-failed", "/no/such/folder");
	fails_with("name: a5\ncommand: [no-such-program-in-path]\n", "start-failed", "no-such-program-in-path");
	(void)daemon_file(&bed, "foreign", "\177ELF\2\1\1garbage of another machine\n", 0755);
	(void)snprintf(
		text, sizeof(text), "name: a6\ncommand: [%s/foreign]\nsandbox: {private_tmp: no}\n", bed.dir.path);
	fails_with(text, "start-failed", "Exec format error");
}

static void test_ends_say_why(void **state)
{
	(void)state;
	fails_with("name: b1\ncommand: [/bin/sh, -c, \"exit 3\"]\n", "exited", "code 3");
	fails_with("name: b2\ncommand: [/bin/sh, -c, \"kill -SEGV $$$$\"]\n", "signal", "SEGV");
	fails_with("name: b3\ncommand: [/usr/bin/perl, -e, \"my $$x = 'a' x (1 << 28); sleep 9\"]\nresources: {memory: "
		   "32M}\n",
		"oom", "32M");
}

static void test_an_agent_that_ends_at_once_is_given_up(void **state)
{
	char op[64], why[256];
	const msgpack_object *reply;

	(void)state;
	reply = daemon_apply(&bed,
		"name: loop\ncommand: [/no/such/program]\nrestart: {initial: 1ms, max: 1ms, limit: 5, within: 60s}\n");
	assert_true(daemon_ok(reply));
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_false(daemon_wait(&bed, op, why));
	assert_true(daemon_state_is(&bed, "loop.0", "failed"));
	assert_non_null(strstr(why, "/no/such/program"));
	assert_true(daemon_ok(daemon_call(&bed, "start", "target=loop")));
	WAIT_UNTIL(daemon_state_is(&bed, "loop.0", "failed"), WAIT_BOUND_S);
}

static void test_a_fault_changes_nothing(void **state)
{
	const msgpack_object *reply, *faults;
	int pid;

	(void)state;
	daemon_run(&bed, "name: good\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&bed, "good.0");
	reply = daemon_apply(
		&bed, "name: good\ncommand: [/bin/sleep, \"2000\"]\nreplica: 3\nresources: {memory: lots}\n");
	assert_false(daemon_ok(reply));
	assert_string_equal(daemon_text(reply, "code"), "faults");
	faults = mp_get(reply, "faults");
	assert_non_null(faults);
	assert_int_equal(faults->via.array.size, 2);
	assert_int_equal(daemon_pid_of(&bed, "good.0"), pid);
}

static void test_scale_stop_start_remove(void **state)
{
	char op[64], why[256];
	const msgpack_object *reply;

	(void)state;
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 2\n");
	assert_true(daemon_pid_of(&bed, "web.1") > 0);
	reply = daemon_call(&bed, "scale", "agent=web,n=4");
	assert_true(daemon_ok(reply));
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
	assert_int_equal(daemon_processes(&bed), 4);
	reply = daemon_call(&bed, "stop", "target=web");
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
	assert_int_equal(daemon_processes(&bed), 0);
	daemon_kill(&bed, SIGKILL);
	daemon_start(&bed);
	assert_true(daemon_state_is(&bed, "web.0", "stopped"));
	reply = daemon_call(&bed, "start", "target=web");
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
	assert_int_equal(daemon_processes(&bed), 4);
	reply = daemon_call(&bed, "remove", "agent=web");
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
	assert_false(daemon_ok(daemon_call(&bed, "status", "agent=web")));
}

/* An agent of agents_dir is "loc" and "n1/loc", wherever an agent is named; one of the cluster has no node's name. */
static void test_a_local_agent_has_two_names(void **state)
{
	static const char *const names[] = {"loc", "n1/loc"};
	const msgpack_object *reply;

	(void)state;
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed, "agents.d/loc.yaml", "name: loc\ncommand: [/bin/sleep, \"1000\"]\n", 0644);
	assert_true(daemon_ok(daemon_call(&bed, "reload", NULL)));
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/loc.0") > 0, WAIT_BOUND_S);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char args[64];

		(void)snprintf(args, sizeof(args), "agent=%s", names[i]);
		assert_true(daemon_ok(daemon_call(&bed, "status", args)));
		assert_true(daemon_ok(daemon_call(&bed, "explain", args)));
		assert_true(daemon_has_event(&bed, names[i], "started", "pid"));
		(void)snprintf(args, sizeof(args), "target=%s", names[i]);
		assert_true(daemon_ok(daemon_call(&bed, "stop", args)));
		assert_true(daemon_ok(daemon_call(&bed, "start", args)));
		(void)snprintf(args, sizeof(args), "replica=%s,list=true", names[i]);
		reply = daemon_call(&bed, "logs", args);
		assert_int_equal(mp_get(mp_get(reply, "result"), "replicas")->via.array.size, 1);
	}
	daemon_run(&bed, "name: all\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_true(daemon_ok(daemon_call(&bed, "status", "agent=all")));
	assert_false(daemon_ok(daemon_call(&bed, "status", "agent=n1/all")));
	assert_false(daemon_ok(daemon_call(&bed, "status", "agent=n2/loc")));
	reply = daemon_call(&bed, "restart", "target=n1/loc.0");
	assert_string_equal(daemon_text(&mp_get(mp_get(reply, "result"), "changes")->via.array.ptr[0], "text"),
		"n1/loc.0 alone is restarted");
}

/* A changed definition replaces the replicas, one after the other; one that changes nothing of a run replaces none. */
static void read_text(const char *path, char *out, size_t cap)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, cap - 1);

	out[MAX(n, 0)] = '\0';
	if (fd >= 0)
		close(fd);
}

static int parent_of(int pid)
{
	const char *name_end;
	char path[64], v[1024];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	read_text(path, v, sizeof(v));
	name_end = strrchr(v, ')');
	return name_end ? atoi(name_end + 4) : 0;
}

/* Running with another pid than `was`, which is returned. */
static int next_pid(const char *id, int was)
{
	int pid = 0;

	WAIT_UNTIL((pid = daemon_pid_of(&bed, id)) != 0 && pid != was, WAIT_BOUND_S);
	return pid;
}

/* For a start at once, of the same definition; and not a moment longer than that is sure. */
static void test_a_shim_stays_for_the_next_run(void **state)
{
	int pid, shim;

	(void)state;
	daemon_run(&bed, "name: stays\ncommand: [/bin/sleep, \"1000\"]\nrestart: {initial: 0ms}\n");
	pid = daemon_pid_of(&bed, "stays.0");
	shim = parent_of(pid);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(kill(pid, SIGKILL), 0);
		pid = next_pid("stays.0", pid);
		assert_int_equal(parent_of(pid), shim);
	}
	assert_true(daemon_ok(daemon_call(&bed, "restart", "target=stays")));
	pid = next_pid("stays.0", pid);
	assert_int_equal(parent_of(pid), shim);
	daemon_run(&bed, "name: stays\ncommand: [/bin/sleep, \"2000\"]\nrestart: {initial: 1h, max: 1h}\n");
	pid = next_pid("stays.0", pid);
	assert_int_not_equal(parent_of(pid), shim);
	WAIT_UNTIL(kill(shim, 0) < 0, WAIT_BOUND_S);
	shim = parent_of(pid);
	assert_int_equal(kill(pid, SIGKILL), 0);
	WAIT_UNTIL(daemon_state_is(&bed, "stays.0", "backoff"), WAIT_BOUND_S);
	WAIT_UNTIL(kill(shim, 0) < 0, WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed, "stop", "target=stays")));
}

static void test_a_change_rolls(void **state)
{
	int pid;

	(void)state;
	daemon_run(&bed, "name: roll\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 2\nupdate: {min_healthy: 0}\n");
	pid = daemon_pid_of(&bed, "roll.0");
	daemon_run(&bed, "name: roll\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 3\nupdate: {min_healthy: 0}\n");
	assert_int_equal(daemon_pid_of(&bed, "roll.0"), pid);
	daemon_run(&bed, "name: roll\ncommand: [/bin/sleep, \"1001\"]\nreplicas: 3\nupdate: {min_healthy: 0}\n");
	assert_int_not_equal(daemon_pid_of(&bed, "roll.0"), pid);
	assert_int_equal(daemon_processes(&bed), 3);
}

static void test_depends_on_waits(void **state)
{
	struct daemon_replica r;
	char text[1024];

	(void)state;
	assert_true(
		daemon_ok(daemon_apply(&bed, "name: late\ncommand: [/bin/sleep, \"1000\"]\ndepends_on: [early]\n")));
	(void)snprintf(text, sizeof(text),
		"name: early\ncommand: [/bin/sleep, \"1000\"]\nuser: root\nsandbox: {private_tmp: no}\n"
		"health: {readiness: {exec: {command: [/usr/bin/test, -e, %s/go]}, every: 100ms}}\n",
		bed.dir.path);
	assert_true(daemon_ok(daemon_apply(&bed, text)));
	WAIT_UNTIL(daemon_state_is(&bed, "early.0", "running"), WAIT_BOUND_S);
	assert_false(daemon_state_is(&bed, "late.0", "running"));
	(void)daemon_file(&bed, "go", "", 0644);
	WAIT_UNTIL(daemon_state_is(&bed, "late.0", "running"), WAIT_BOUND_S);
	assert_true(daemon_replica(&bed, "early.0", &r));
	assert_string_equal(r.health, "healthy");
}

/* Readiness is the proof: with a /tmp and a network of its own, and with the host's, which has nothing of the other. */
static void test_a_probe_is_where_its_agent_is(void **state)
{
	char text[1024], host[64] = "", path[64], own[64] = "";

	(void)state;
	daemon_run(&bed, "name: inside\n"
			 "command: [/bin/sh, -c, \"readlink /proc/self/ns/net >/tmp/of-inside; exec sleep 1000\"]\n"
			 "sandbox: {private_tmp: yes, network: none}\n"
			 "health: {readiness: {exec: {command: [/bin/sh, -c, "
			 "\"readlink /proc/self/ns/net | cmp - /tmp/of-inside\"]}, every: 100ms}}\n");
	assert_true(readlink("/proc/self/ns/net", host, sizeof(host) - 1) > 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", daemon_pid_of(&bed, "inside.0"));
	assert_true(readlink(path, own, sizeof(own) - 1) > 0);
	assert_string_not_equal(own, host);
	(void)snprintf(text, sizeof(text),
		"name: outside\ncommand: [/bin/sleep, \"1000\"]\nsandbox: {private_tmp: no, network: host}\n"
		"health: {readiness: {exec: {command: [/bin/sh, -c, "
		"\"test ! -e /tmp/of-inside && readlink /proc/self/ns/net | grep -xF '%s'\"]}, every: 100ms}}\n",
		host);
	daemon_run(&bed, text);
}

/* A named pipe lies on a read-only file system, which keeps nobody from writing into it. */
static void test_what_is_read_only_takes_no_write(void **state)
{
	static const char script[] = "if (exec 3<>%s/pipe) 2>/dev/null; then echo open >%s/out/said; else echo refused "
				     ">%s/out/said; fi; exec sleep 1000";
	const char *dir = bed.dir.path;
	char text[2048], said[16];

	(void)state;
	assert_int_equal(mkfifo(tmpdir_path(&bed.dir, "pipe"), 0666), 0);
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "out"), 0777), 0);
	assert_int_equal(chmod(dir, 0755) | chmod(tmpdir_path(&bed.dir, "pipe"), 0666), 0);
	assert_int_equal(chmod(tmpdir_path(&bed.dir, "out"), 0777), 0);
	for (int locked = 0; locked < 2; locked++) {
		char command[1024];
		int64_t size = 0;

		(void)snprintf(command, sizeof(command), script, dir, dir, dir);
		(void)snprintf(text, sizeof(text),
			"name: pipe%d\ncommand: [/bin/sh, -c, \"%s\"]\n"
			"sandbox: {private_tmp: no, read_only: [%s], writable: [%s/out]}\n",
			locked, command, locked ? "/" : "/usr", dir);
		daemon_run(&bed, text);
		WAIT_UNTIL((size = daemon_size(&bed, "out/said")) > 0, WAIT_BOUND_S);
		read_text(tmpdir_path(&bed.dir, "out/said"), said, sizeof(said));
		if (locked && syscall(SYS_landlock_create_ruleset, NULL, 0, 1) <= 0)
			TEST_SKIP_ALL("Landlock");
		assert_string_equal(said, locked ? "refused\n" : "open\n");
		assert_int_equal(unlink(tmpdir_path(&bed.dir, "out/said")), 0);
	}
}

static void test_notify_makes_ready(void **state)
{
	(void)state;
	daemon_run(&bed, "name: speaks\n"
			 "command: [/usr/bin/perl, -MSocket, -e, \"socket(S, AF_UNIX, SOCK_DGRAM, 0); "
			 "send(S, qq(READY=1\\nSTATUS=all is well), 0, sockaddr_un($$ENV{NOTIFY_SOCKET})) or die $$!; "
			 "sleep 1000\"]\n"
			 "health: {readiness: {notify: {}}}\n");
	assert_true(daemon_state_is(&bed, "speaks.0", "running"));
}

static void test_a_failed_liveness_restarts(void **state)
{
	struct daemon_replica r;

	(void)state;
	assert_true(daemon_ok(daemon_apply(&bed,
		"name: sick\ncommand: [/bin/sleep, \"1000\"]\n"
		"health: {liveness: {exec: {command: [/bin/false]}, every: 100ms, failures: 2, after: 0}}\n")));
	WAIT_UNTIL(daemon_replica(&bed, "sick.0", &r) && r.restarts > 0, WAIT_BOUND_S);
	assert_string_equal(r.reason, "health");
}

/* Whatever it does to get away, nothing is left after the stop. */
static void test_nothing_is_left(void **state)
{
	char op[64], why[256];
	const msgpack_object *reply;

	(void)state;
	daemon_run(&bed, "name: wild\n"
			 "command: [/bin/sh, -c, \"(setsid sh -c 'trap \\\"\\\" TERM; sleep 1000 & sleep 1000' &) ; "
			 "trap '' TERM; sleep 1000\"]\n"
			 "stop: {timeout: 200ms}\n");
	WAIT_UNTIL(daemon_processes(&bed) >= 4, WAIT_BOUND_S);
	reply = daemon_call(&bed, "stop", "target=wild");
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
	assert_int_equal(daemon_processes(&bed), 0);
}

static void test_a_fork_bomb_is_held(void **state)
{
	char op[64], why[256];
	const msgpack_object *reply;

	(void)state;
	assert_true(daemon_ok(daemon_apply(&bed, "name: bomb\ncommand: [/usr/bin/perl, -e, \"while (1) { fork "
						 "}\"]\nresources: {pids: 30, cpu: 0.5}\n")));
	WAIT_UNTIL(daemon_processes(&bed) >= 25, WAIT_BOUND_S);
	assert_true(daemon_processes(&bed) <= 30);
	reply = daemon_call(&bed, "stop", "target=bomb");
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
	assert_int_equal(daemon_processes(&bed), 0);
}

static void test_a_second_daemon_is_refused(void **state)
{
	struct daemon_bed other = bed;

	(void)state;
	other.has_tree = false;
	bytes_init(&other.reply, 1 << 20);
	daemon_launch(&other);
	WAIT_UNTIL(waitpid(other.pid, NULL, WNOHANG) == other.pid, WAIT_BOUND_S);
	bytes_done(&other.reply);
	assert_true(daemon_ok(daemon_call(&bed, "version", NULL)));
}

static void test_run_dir_wiped(void **state)
{
	char cmd[256];
	int pid;

	(void)state;
	daemon_run(&bed, "name: stays\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&bed, "stays.0");
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s/run", bed.dir.path);
	assert_int_equal(system(cmd), 0);
	WAIT_UNTIL(daemon_call(&bed, "version", NULL), WAIT_BOUND_S);
	assert_int_equal(daemon_pid_of(&bed, "stays.0"), pid);
	WAIT_UNTIL(access(tmpdir_path(&bed.dir, "run/shims/stays.0.sock"), F_OK) == 0, WAIT_BOUND_S);
	daemon_kill(&bed, SIGKILL);
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "stays.0"), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_starts_that_fail_say_why, begin, end),
		cmocka_unit_test_setup_teardown(test_ends_say_why, begin, end),
		cmocka_unit_test_setup_teardown(test_an_agent_that_ends_at_once_is_given_up, begin, end),
		cmocka_unit_test_setup_teardown(test_a_fault_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_scale_stop_start_remove, begin, end),
		cmocka_unit_test_setup_teardown(test_a_local_agent_has_two_names, begin, end),
		cmocka_unit_test_setup_teardown(test_a_shim_stays_for_the_next_run, begin, end),
		cmocka_unit_test_setup_teardown(test_a_change_rolls, begin, end),
		cmocka_unit_test_setup_teardown(test_depends_on_waits, begin, end),
		cmocka_unit_test_setup_teardown(test_a_probe_is_where_its_agent_is, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_read_only_takes_no_write, begin, end),
		cmocka_unit_test_setup_teardown(test_notify_makes_ready, begin, end),
		cmocka_unit_test_setup_teardown(test_a_failed_liveness_restarts, begin, end),
		cmocka_unit_test_setup_teardown(test_nothing_is_left, begin, end),
		cmocka_unit_test_setup_teardown(test_a_fork_bomb_is_held, begin, end),
		cmocka_unit_test_setup_teardown(test_a_second_daemon_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_run_dir_wiped, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
