/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents that misbehave under a real daemon: what they write, what they close, what they leave behind; and leftovers
 * of shims that were killed, which a starting daemon finds.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "supervisor/shim_proto.h"
#include "tests/lib/daemon.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;
static int held_shim; /* by SIGSTOP */

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
	if (held_shim)
		(void)kill(held_shim, SIGCONT); /* a case that failed */
	held_shim = 0;
	daemon_done(&bed);
	return 0;
}

/* Its processor time in ticks. */
static long ticks_of(int pid)
{
	char path[64];
	long user = 0, system = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(
		fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system), 2);
	(void)fclose(f); /* read only */
	return user + system;
}

static void stop(const char *name)
{
	const msgpack_object *reply;
	char op[OP_ID_MAX], why[256], args[96];

	(void)snprintf(args, sizeof(args), "target=%s", name);
	reply = daemon_call(&bed, "stop", args);
	assert_true(daemon_ok(reply));
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
}

/* Whether the last lines that the replica wrote, as the daemon tells them, contain these bytes. */
static bool wrote(const char *replica, const void *bytes, size_t n)
{
	const msgpack_object *reply, *data;
	char args[96];

	(void)snprintf(args, sizeof(args), "replica=%s,lines=2", replica);
	reply = daemon_call(&bed, "logs", args);
	data = daemon_ok(reply) ? mp_get(mp_get(reply, "result"), "data") : NULL;
	return data && data->type == MSGPACK_OBJECT_BIN && memmem(data->via.bin.ptr, data->via.bin.size, bytes, n);
}

/* ---- output ---- */

static void test_closing_its_outputs_is_fine(void **state)
{
	long before;
	int64_t begun;
	int shim;

	(void)state;
	daemon_run(&bed, "name: quiet\ncommand: [/bin/sh, -c, \"exec <&- >&- 2>&-; exec sleep 1000\"]\n");
	shim = proc_parent(daemon_pid_of(&bed, "quiet.0"));
	before = ticks_of(shim);
	begun = wait_mono_ms();
	while (wait_mono_ms() - begun < 1000) /* long enough for a shim that spins to show */
		assert_true(daemon_pid_of(&bed, "quiet.0") > 0);
	assert_true(ticks_of(shim) - before < sysconf(_SC_CLK_TCK) / 10);
	stop("quiet");
}

static void test_binary_comes_back_as_it_was(void **state)
{
	static const char bytes[] = "\0\1\2\377\376\200 \33[31m\r x";

	(void)state;
	daemon_run(&bed,
		"name: bin\ncommand: [/usr/bin/perl, -e, \"$$| = 1; "
		"print qq(\\\\x00\\\\x01\\\\x02\\\\xff\\\\xfe\\\\x80 \\\\x1b[31m\\\\r x\\\\n); sleep 1000\"]\n");
	WAIT_UNTIL(wrote("bin.0", bytes, sizeof(bytes) - 1), WAIT_BOUND_S);
}

static void test_a_line_of_200_mb_is_bounded(void **state)
{
	char cmd[256];
	long kb = 0;
	FILE *f;

	(void)state;
	daemon_run(&bed, "name: long\ncommand: [/bin/sh, -c, \"head -c 209715200 /dev/zero | tr '\\\\0' x; echo; "
			 "echo all written; exec sleep 1000\"]\nlogs: {max_size: 1M, keep: 2}\n");
	WAIT_UNTIL(wrote("long.0", "all written", 11), 4 * WAIT_BOUND_S);
	(void)snprintf(cmd, sizeof(cmd), "cat %s/data/logs/long.0.log* | wc -c", bed.dir.path);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &kb), 1);
	(void)pclose(f); /* read to its end */
	assert_true(kb <= 3 << 20);
	stop("long");
}

/* ---- what is left behind ---- */

static void test_a_survivor_of_its_end_is_ended(void **state)
{
	struct daemon_replica r;

	(void)state;
	assert_true(daemon_ok(daemon_apply(&bed,
		"name: fork\ncommand: [/bin/sh, -c, \"(setsid sh -c 'sleep 1000 & sleep 1000' &) ; exit 0\"]\n"
		"restart: {when: never}\n")));
	WAIT_UNTIL(daemon_replica(&bed, "fork.0", &r) && *r.reason, WAIT_BOUND_S);
	WAIT_UNTIL(daemon_processes(&bed) == 0, WAIT_BOUND_S);
}

static void test_ignoring_the_signal_is_told(void **state)
{
	struct daemon_replica r;
	int pid;

	(void)state;
	daemon_run(&bed,
		"name: deaf\ncommand: [/usr/bin/perl, -e, \"$$SIG{TERM} = 'IGNORE'; $$| = 1; print qq(deaf\\\\n); "
		"sleep 1 while 1\"]\nstop: {timeout: 300ms}\n");
	WAIT_UNTIL(wrote("deaf.0", "deaf", 4), WAIT_BOUND_S);
	pid = daemon_pid_of(&bed, "deaf.0");
	stop("deaf");
	assert_true(proc_is_gone(pid));
	assert_true(daemon_replica(&bed, "deaf.0", &r));
	assert_string_equal(r.state, "stopped");
	assert_non_null(strstr(r.text, "did not stop within 300ms, killed"));
}

static void test_a_probe_that_forks_leaves_nothing(void **state)
{
	int pid, seen = 0;

	(void)state;
	daemon_run(&bed,
		"name: probed\ncommand: [/bin/sleep, \"1000\"]\n"
		"health: {liveness: {exec: {command: [/bin/sh, -c, \"setsid sleep 1000 & sleep 1000 & sleep 1000\"]}, "
		"every: 500ms, timeout: 200ms, failures: 1000, after: 0}}\n");
	pid = daemon_pid_of(&bed, "probed.0");
	for (int i = 0; i < 3; i++) {
		WAIT_UNTIL(daemon_processes(&bed) > 1, WAIT_BOUND_S);
		seen++;
		WAIT_UNTIL(daemon_processes(&bed) == 1, WAIT_BOUND_S);
	}
	assert_int_equal(seen, 3);
	assert_int_equal(daemon_pid_of(&bed, "probed.0"), pid);
	stop("probed");
	assert_int_equal(daemon_processes(&bed), 0);
}

/* ---- leftovers of shims ---- */

static int run_sleeper(void)
{
	int pid;

	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\nrestart: {initial: 10ms, max: 10ms}\n");
	pid = daemon_pid_of(&bed, "web.0");
	assert_true(pid > 0); /* it is killed: 0 would be ourselves */
	return pid;
}

static void test_a_socket_of_a_killed_shim_is_no_shim(void **state)
{
	int shim, pid, again;

	(void)state;
	pid = run_sleeper();
	shim = proc_parent(pid);
	daemon_kill(&bed, SIGKILL);
	assert_int_equal(kill(shim, SIGKILL), 0);
	WAIT_UNTIL(proc_is_gone(shim), WAIT_BOUND_S);
	assert_int_equal(access(tmpdir_path(&bed.dir, "run/shims/web.0.sock"), F_OK), 0);
	(void)daemon_file(&bed, "run/shims/ghost.0.sock", "no socket", 0600);
	daemon_start(&bed);
	WAIT_UNTIL(daemon_pid_of(&bed, "web.0") > 0, WAIT_BOUND_S);
	again = daemon_pid_of(&bed, "web.0");
	assert_int_not_equal(again, pid);
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_processes(&bed) == 1, WAIT_BOUND_S);
	daemon_kill(&bed, SIGKILL);
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), again);
}

/* Somebody listens where the shim did, and says nothing: the daemon does not wait for ever, and what was the shim's is
 * ended once that one is gone. */
static void test_a_mute_listener_holds_nobody_up(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int shim, pid, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	(void)state;
	pid = run_sleeper();
	shim = proc_parent(pid);
	daemon_kill(&bed, SIGKILL);
	assert_int_equal(kill(shim, SIGKILL), 0);
	WAIT_UNTIL(proc_is_gone(shim), WAIT_BOUND_S);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/run/shims/web.0.sock", bed.dir.path);
	(void)unlink(at.sun_path); /* absent is as good */
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	daemon_start(&bed);
	(void)close(fd); /* of a test */
	WAIT_UNTIL(daemon_pid_of(&bed, "web.0") > 0 && daemon_pid_of(&bed, "web.0") != pid, WAIT_BOUND_S);
	WAIT_UNTIL(daemon_processes(&bed) == 1, WAIT_BOUND_S);
}

static void write_record(const char *name, const void *v, size_t n)
{
	FILE *f = fopen(tmpdir_path(&bed.dir, name), "w");

	assert_non_null(f);
	assert_int_equal(fwrite(v, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

/* Records that are none, of runs to come: neither counted nor believed, and not kept. */
static void write_garbage(void)
{
	struct shim_exit x = {.magic = SHIM_MAGIC, .size = sizeof(x), .run = UINT64_MAX, .kind = 0x7fffffff};

	write_record("run/shims/web.0.18446744073709551615.exit", &x, sizeof(x));
	x.kind = SHIM_EXITED;
	x.size = sizeof(x) * 2;
	write_record("run/shims/web.0.18446744073709551614.exit", &x, sizeof(x));
	write_record("run/shims/web.0.18446744073709551613.exit", "garbage", 7);
	write_record("run/shims/web.0.18446744073709551612.exit", &x.magic, sizeof(x.magic));
	write_record("run/shims/web.0.18446744073709551611.exit", "", 0);
	write_record("run/shims/nobody.exit", "garbage", 7);
}

static bool garbage_is_gone(void)
{
	char name[64];

	for (int i = 1; i <= 5; i++) {
		(void)snprintf(name, sizeof(name), "run/shims/web.0.1844674407370955161%d.exit", i);
		if (access(tmpdir_path(&bed.dir, name), F_OK) == 0)
			return false;
	}
	return true;
}

static void test_records_of_garbage_are_not_believed(void **state)
{
	struct daemon_replica r;
	int pid;

	(void)state;
	pid = run_sleeper();
	daemon_kill(&bed, SIGKILL);
	write_garbage();
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
	assert_true(garbage_is_gone());
	assert_int_equal(kill(pid, SIGKILL), 0);
	WAIT_UNTIL(daemon_replica(&bed, "web.0", &r) && r.pid > 0 && r.pid != pid, WAIT_BOUND_S);
	assert_string_equal(r.reason, "signal");
	assert_int_equal(r.restarts, 1);
	stop("web");
	daemon_kill(&bed, SIGKILL);
	write_garbage(); /* of a replica that does not run */
	daemon_start(&bed);
	assert_true(daemon_state_is(&bed, "web.0", "stopped"));
	assert_true(garbage_is_gone());
	assert_true(daemon_ok(daemon_call(&bed, "start", "target=web")));
	WAIT_UNTIL(daemon_pid_of(&bed, "web.0") > 0, WAIT_BOUND_S);
}

/* Directories have an order of their own; what is older than the last that was counted would be taken for counted. */
static void test_ends_of_many_runs_are_all_told(void **state)
{
	struct shim_exit x = {.magic = SHIM_MAGIC, .size = sizeof(x), .kind = SHIM_EXITED};
	struct daemon_replica r;
	char name[64], text[64];

	(void)state;
	(void)run_sleeper();
	stop("web");
	daemon_kill(&bed, SIGKILL);
	for (x.code = 1; x.code <= 30; x.code++) {
		x.run = (1ull << 60) + (uint64_t)x.code;
		(void)snprintf(name, sizeof(name), "run/shims/web.0.%llu.exit", (unsigned long long)x.run);
		write_record(name, &x, sizeof(x));
	}
	daemon_start(&bed);
	for (int code = 1; code <= 30; code++) {
		(void)snprintf(text, sizeof(text), "exited with code %d%s", code, code < 30 ? "," : "");
		assert_true(daemon_has_event(&bed, "web", "exited", text));
	}
	assert_true(daemon_replica(&bed, "web.0", &r));
	assert_int_equal(r.code, 30);
	WAIT_UNTIL(access(tmpdir_path(&bed.dir, name), F_OK) < 0, WAIT_BOUND_S);
}

/* ---- a shim that hangs ---- */

/* Two probes' plans are 240 kB and more, which is what most hosts let a socket hold. */
static void run_with_large_probes(int failures)
{
	static char text[2 * SHIM_FRAME_MAX];
	static const char *const which[] = {"liveness", "readiness"};
	size_t n = (size_t)snprintf(text, sizeof(text), "name: deaf\ncommand: [/bin/sleep, \"1000\"]\nhealth:\n");

	for (size_t w = 0; w < ARRAY_LEN(which); w++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "  %s: {exec: {command: [/bin/true", which[w]);
		for (int i = 0; i < 30; i++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, ", %0*d", 4000, i);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "]}, every: 100ms, failures: %d}\n", failures);
	}
	assert_true(n < sizeof(text));
	daemon_run(&bed, text);
}

static int socket_bytes(void)
{
	FILE *f = fopen("/proc/sys/net/core/wmem_default", "r");
	int n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	(void)fclose(f); /* read only */
	return n;
}

/* Its socket is full when liveness has failed: the order to stop waits there too, and comes when the shim goes on. */
static void test_a_deaf_shim_is_told_to_stop_once_it_hears(void **state)
{
	struct daemon_replica r;
	int pid, rounds = 1 + socket_bytes() / 240000;

	(void)state;
	run_with_large_probes(rounds);
	pid = daemon_pid_of(&bed, "deaf.0");
	held_shim = proc_parent(pid);
	assert_int_equal(kill(held_shim, SIGSTOP), 0);
	WAIT_UNTIL(daemon_logged(&bed, 0, "deaf.0", "it is sent again once the shim reads"), rounds * WAIT_BOUND_S);
	assert_true(daemon_state_is(&bed, "deaf.0", "stopping"));
	assert_int_equal(kill(pid, 0), 0);
	assert_int_equal(kill(held_shim, SIGCONT), 0);
	held_shim = 0;
	WAIT_UNTIL(daemon_replica(&bed, "deaf.0", &r) && r.pid > 0 && r.pid != pid, WAIT_BOUND_S);
	assert_string_equal(r.reason, "health");
	assert_true(proc_is_gone(pid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_closing_its_outputs_is_fine, begin, end),
		cmocka_unit_test_setup_teardown(test_binary_comes_back_as_it_was, begin, end),
		cmocka_unit_test_setup_teardown(test_a_line_of_200_mb_is_bounded, begin, end),
		cmocka_unit_test_setup_teardown(test_a_survivor_of_its_end_is_ended, begin, end),
		cmocka_unit_test_setup_teardown(test_ignoring_the_signal_is_told, begin, end),
		cmocka_unit_test_setup_teardown(test_a_probe_that_forks_leaves_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_socket_of_a_killed_shim_is_no_shim, begin, end),
		cmocka_unit_test_setup_teardown(test_a_mute_listener_holds_nobody_up, begin, end),
		cmocka_unit_test_setup_teardown(test_records_of_garbage_are_not_believed, begin, end),
		cmocka_unit_test_setup_teardown(test_ends_of_many_runs_are_all_told, begin, end),
		cmocka_unit_test_setup_teardown(test_a_deaf_shim_is_told_to_stop_once_it_hears, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
