/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim and its daemons: generations, daemons that die and come back, a run_dir that is wiped, and what an agent
 * says by sd_notify meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/lib/proc.h"
#include "tests/lib/shimkit.h"

static int open_bed(void **state)
{
	static struct kit k;

	kit_open(&k);
	*state = &k;
	return 0;
}

static int close_bed(void **state)
{
	kit_close(*state);
	return 0;
}

static void hello(struct kit *k)
{
	kit_send(k, SHIM_QUERY, NULL, 0);
	kit_until(k, SHIM_HELLO);
}

static void another_generation_starts_nothing(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[160], script[160];

	assert_int_equal(chmod(k->dir.path, 0777), 0);
	(void)snprintf(script, sizeof(script), "touch %s/started", k->dir.path);
	kit_plan(k, &p, script);
	p.p.gen++;
	kit_start(k, &p);
	while (kit_poll(k, 1000))
		;
	assert_false(k->exited);
	kit_reap(k);
	assert_int_not_equal(access(k->sock_path, F_OK), 0);
	assert_int_not_equal(access(tmpdir_path(&k->dir, "started"), F_OK), 0);
	(void)snprintf(path, sizeof(path), "%s/%s.1.exit", k->shims, k->stem);
	assert_int_not_equal(access(path, F_OK), 0);
	kit_hang_up(k);
	assert_int_equal(unlink(k->gen_path), 0); /* and none at all */
	p.p.gen--;
	kit_start(k, &p);
	while (kit_poll(k, 1000))
		;
	assert_false(k->exited);
	kit_reap(k);
}

static void a_daemon_comes_back(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int pid;

	kit_plan(k, &p, "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done");
	p.label = "first";
	kit_run(k, &p);
	pid = k->hello.pid;
	kit_wait_log(k, "up\n");
	kit_hang_up(k);
	kit_connect(k);
	hello(k);
	assert_int_equal(k->hello.pid, pid);
	assert_int_equal(k->hello.pid_start, proc_start(pid)); /* it is there, so nobody else has its pid */
	assert_int_equal(k->hello.run, k->run);
	assert_int_equal(k->hello.state, SHIM_RUNNING);
	assert_int_equal(k->hello.log_bytes, 3);
	assert_string_equal(k->exit_label, "first");
	kit_send(k, SHIM_LABEL, "second", 6);
	hello(k);
	assert_string_equal(k->exit_label, "second");
	kit_stop(k, SIGTERM, 20000, SHIM_WHY_UPDATE, "");
	assert_int_equal(kit_end(k)->code, 9);
	assert_int_equal(k->exit.why, SHIM_WHY_UPDATE);
	assert_string_equal(k->exit_label, "second");
}

static void the_newest_connection_is_spoken_to(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	struct pollfd old;
	char byte;

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	old = (struct pollfd){.fd = k->fd, .events = POLLIN};
	k->fd = -1;
	kit_connect(k);
	hello(k);
	assert_int_equal(poll(&old, 1, 20000), 1);
	assert_int_equal(recv(old.fd, &byte, 1, 0), 0);
	(void)close(old.fd);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
}

static void an_exit_without_a_daemon_is_on_disk(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char script[200];

	(void)snprintf(script, sizeof(script), "while [ ! -e %s/go ]; do sleep 0.01; done; exit 42", k->dir.path);
	kit_plan(k, &p, script);
	p.label = "whose it was";
	kit_run(k, &p);
	kit_hang_up(k);
	kit_write(tmpdir_path(&k->dir, "go"), "");
	assert_int_equal(kit_record(k)->code, 42);
	assert_string_equal(k->exit_label, "whose it was");
	kit_reap(k);
	assert_int_not_equal(access(k->sock_path, F_OK), 0);
}

static void a_stop_is_carried_out_without_a_daemon(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap '' TERM; echo up; while :; do sleep 0.1; done");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_stop(k, SIGTERM, 200, SHIM_WHY_RESTART, "by hand");
	kit_hang_up(k);
	assert_int_equal(kit_record(k)->signal, SIGKILL);
	assert_int_equal(k->exit.escalated, 1);
	assert_int_equal(k->exit.why, SHIM_WHY_RESTART);
	kit_reap(k);
}

static void nonsense_is_passed_over(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char junk[8192];
	struct shim_msg lies = {SHIM_STOP, 100};

	memset(junk, 0xff, sizeof(junk));
	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	assert_int_equal(send(k->fd, junk, 3, 0), 3);
	assert_int_equal(send(k->fd, junk, 100, 0), 100);
	assert_int_equal(send(k->fd, junk, sizeof(junk), 0), sizeof(junk));
	assert_int_equal(send(k->fd, &lies, sizeof(lies), 0), sizeof(lies)); /* says 100 bytes, has none */
	kit_send(k, 4711, "x", 1);
	kit_send(k, SHIM_EXEC, "x", 1);
	kit_send(k, SHIM_CALL_OFF, "x", 1);
	kit_send(k, SHIM_STOP, NULL, 0); /* an empty one: no signal, at once */
	assert_int_equal(kit_end(k)->signal, SIGKILL);
}

static void wiped_directories_are_made_again(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char command[160];

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	(void)snprintf(command, sizeof(command), "rm -r %s", k->run_dir);
	assert_int_equal(system(command), 0);
	kit_send(k, SHIM_REBIND, NULL, 0);
	WAIT_UNTIL(access(k->sock_path, F_OK) == 0, WAIT_BOUND_S);
	kit_connect(k);
	hello(k);
	assert_int_equal(system(command), 0);
	assert_int_equal(kill(k->pid, SIGUSR1), 0);
	kit_connect(k);
	hello(k);
	assert_int_equal(system(command), 0);
	kit_hang_up(k); /* who has no daemon makes sure that the next one finds it */
	kit_connect(k);
	hello(k);
	assert_int_equal(system(command), 0);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k); /* the record's directory, too */
}

static void a_stale_socket_is_replaced_and_a_live_one_not(void **state)
{
	struct kit *k = *state;
	struct kit first;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	assert_int_equal(kill(k->pid, SIGKILL), 0);
	assert_int_equal(waitpid(k->pid, NULL, 0), k->pid);
	assert_int_equal(access(k->sock_path, F_OK), 0); /* stale now */
	kit_hang_up(k);
	kit_run(k, &p);
	first = *k;
	kit_start(k, &p); /* waits until the first has gone */
	assert_true(kit_poll(k, 300));
	assert_false(k->exited);
	kit_stop(&first, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	kit_until(&first, SHIM_EXIT);
	kit_reap(&first);
	kit_until(k, SHIM_STARTED);
	kit_hang_up(k);
	kit_connect(k);
	hello(k);
	assert_int_equal(k->hello.run, first.run + 1);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
	(void)close(first.fd);
}

/* A daemon that hangs: nothing is lost that its sockets cannot take, and nothing waits for it. */
static void a_daemon_that_does_not_read(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char script[200];

	(void)snprintf(
		script, sizeof(script), "while [ ! -e %s/go ]; do sleep 0.01; done; echo on; exit 1", k->dir.path);
	kit_plan(k, &p, script);
	kit_run(k, &p);
	for (int i = 0; i < 5000; i++) {
		struct shim_msg query = {SHIM_QUERY, 0};

		if (send(k->fd, &query, sizeof(query), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			assert_int_equal(errno, EAGAIN);
	}
	kit_write(tmpdir_path(&k->dir, "go"), "");
	assert_int_equal(kit_record(k)->code, 1);
	assert_string_equal(kit_log(k, NULL), "on\n");
	kit_reap(k);
}

static void said_by_notify(struct kit *k, const char *text)
{
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	memcpy(to.sun_path, k->notify_path, strlen(k->notify_path) + 1);
	assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to)), strlen(text));
}

/* As the agent's user, in or out of its group. */
static void notify_as(struct kit *k, const char *text, unsigned uid, bool in_group)
{
	int pid = fork(), status;

	assert_true(pid >= 0);
	if (pid == 0) {
		char procs[224];

		(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", k->kill_dir);
		if (in_group)
			kit_write(procs, "0");
		if (setresuid(uid, uid, uid) < 0)
			_exit(1);
		said_by_notify(k, text);
		while (in_group)
			(void)pause(); /* who is gone cannot be found in a group; the agent's end ends it */
		_exit(0);
	}
	if (in_group)
		return;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void notify_is_heard_forwarded_and_kept(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	p.p.uid = 4711;
	kit_run(k, &p);
	notify_as(k, "READY=1\nSTATUS=forged", 4712, false); /* any user may send, few are heard */
	said_by_notify(k, "STATUS=forged");
	notify_as(k, "\xff\xfe\nnothing\n=\nSTATUS=two of three\nMAINPID=x", 4711, false);
	kit_until(k, SHIM_NOTIFY);
	assert_string_equal(k->notify.status, "two of three");
	assert_int_equal(k->notify.ready, 0);
	notify_as(k, "READY=1", 4713, true); /* a worker of another user, in the group */
	kit_until(k, SHIM_NOTIFY);
	assert_int_equal(k->notify.ready, 1);
	notify_as(k, "WATCHDOG=1\nSTOPPING=1\nMAINPID=12", 4711, false);
	kit_until(k, SHIM_NOTIFY);
	assert_int_equal(k->notify.watchdog, 1);
	assert_int_equal(k->notify.stopping, 1);
	assert_int_equal(k->notify.main_pid, 12);
	kit_hang_up(k);
	kit_connect(k);
	hello(k);
	assert_int_equal(k->hello.ready, 1);
	assert_int_equal(k->hello.watchdog, 1);
	assert_true(k->hello.watchdog_boot_ms > k->hello.started_boot_ms);
	assert_true(k->hello.watchdog_boot_ms <= kit_boot_ns() / 1000000);
	assert_string_equal(k->hello.status, "two of three");
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
}

static void a_flood_of_notify_is_told_in_its_newest_form(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int64_t from = wait_mono_ms();
	int told = 0;

	kit_plan(k, &p, "exec sleep 1000");
	p.p.uid = 0;
	kit_run(k, &p);
	if (fork() == 0) {
		char procs[224], text[32];

		(void)snprintf(procs, sizeof(procs), "%s/cgroup.procs", k->kill_dir);
		kit_write(procs, "0");
		for (int i = 0; i <= 2000; i++) {
			(void)snprintf(text, sizeof(text), "STATUS=%d", i);
			said_by_notify(k, text);
		}
		_exit(0);
	}
	while (strcmp(k->notify.status, "2000") != 0) {
		kit_until(k, SHIM_NOTIFY);
		told++;
	}
	assert_true(told <= (wait_mono_ms() - from) / 100 + 2);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
	assert_true(wait(NULL) > 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(another_generation_starts_nothing),
		CASE(a_daemon_comes_back),
		CASE(the_newest_connection_is_spoken_to),
		CASE(an_exit_without_a_daemon_is_on_disk),
		CASE(a_stop_is_carried_out_without_a_daemon),
		CASE(nonsense_is_passed_over),
		CASE(wiped_directories_are_made_again),
		CASE(a_stale_socket_is_replaced_and_a_live_one_not),
		CASE(a_daemon_that_does_not_read),
		CASE(notify_is_heard_forwarded_and_kept),
		CASE(a_flood_of_notify_is_told_in_its_newest_form),
	};

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
