/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim that stays for the next run: what of the run before must not reach into it, and when it goes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

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

static void plan(struct kit *k, struct kit_plan *p, const char *script)
{
	kit_plan(k, p, script);
	p->p.flags |= SHIM_FLAG_STAY;
}

/* Waits until the shim has done what it does once an agent has run for a while: it locks its memory, for one. */
static void wait_settled(const struct kit *k)
{
	char path[64], v[4096];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", k->pid);
	WAIT_UNTIL(strstr(kit_read(path, v, sizeof(v)), "VmLck:") && !strstr(v, "VmLck:\t       0 kB"), WAIT_BOUND_S);
}

static void one_shim_runs_it_again_and_again(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int pid;

	plan(k, &p, "echo run; exit 3");
	p.label = "first";
	kit_run(k, &p);
	pid = k->pid;
	assert_int_equal(kit_end_of_run(k)->code, 3);
	assert_string_equal(k->exit_label, "first");
	for (int i = 0; i < 5; i++) {
		p.label = "a later one";
		kit_again(k, &p);
		kit_until(k, SHIM_STARTED);
		assert_int_equal(k->hello.run, k->run);
		assert_int_equal(k->hello.run_before, k->run - 1);
		assert_int_equal(kit_end_of_run(k)->run, k->run);
		assert_int_equal(k->exit.code, 3);
		assert_string_equal(k->exit_label, "a later one");
	}
	assert_int_equal(k->pid, pid);
	assert_string_equal(kit_log(k, NULL), "run\nrun\nrun\nrun\nrun\nrun\n");
	assert_int_equal(kit_pids(k), 0);
	kit_hang_up(k);
	kit_reap(k);
	assert_int_not_equal(access(k->sock_path, F_OK), 0);
	assert_int_not_equal(access(k->notify_path, F_OK), 0);
}

/* Its groups' files are open by then, its bounding set is empty: the agent must find the same as the first did. */
static void a_settled_one_starts_the_same(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	const char *at;
	char first[4096];
	size_t n;

	plan(k, &p,
		"cat /proc/self/cgroup; grep -E 'Cap|Sig[BI]|NoNew|Seccomp:|Groups|Uid' /proc/self/status; "
		"cat /proc/self/oom_score_adj; ls -l /proc/self/fd | grep -c cgroup; umask; pwd; exec sleep 1000");
	kit_run(k, &p);
	kit_wait_log(k, "0022\n/\n"); /* all but the sleep */
	wait_settled(k);
	kit_stop(k, SIGKILL, 1000, SHIM_WHY_RESTART, "");
	(void)kit_end_of_run(k);
	(void)snprintf(first, sizeof(first), "%s", kit_log(k, &n));
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	WAIT_UNTIL(strlen(at = kit_log(k, NULL)) >= 2 * n, WAIT_BOUND_S);
	assert_string_equal(at + n, first);
	if (k->kill_dir[0])
		assert_int_equal(kit_pids(k), 1);
	kit_stop(k, SIGKILL, 1000, SHIM_WHY_RESTART, "");
	(void)kit_end_of_run(k);
}

static void what_was_said_of_one_run_is_not_of_the_next(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	plan(k, &p, "cd /tmp; exit 1");
	kit_run(k, &p);
	assert_int_equal(kit_end_of_run(k)->refused.total, 1);
	close(k->filter);
	k->filter = -1;
	p.argv[2] = "cd /tmp && echo no filter; exit 2"; /* what it was told with this plan, not with the first */
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	assert_int_equal(kit_end_of_run(k)->code, 2);
	assert_int_equal(k->exit.refused.total, 0);
	assert_int_equal(k->exit.why, SHIM_WHY_NONE);
	assert_non_null(strstr(kit_log(k, NULL), "no filter\n"));
	p.argv[2] = "exec sleep 1000";
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	kit_stop(k, SIGTERM, 10000, SHIM_WHY_STOPPED, "enough");
	assert_int_equal(kit_end_of_run(k)->signal, SIGTERM);
	assert_int_equal(k->exit.why, SHIM_WHY_STOPPED);
	p.argv[2] = "exit 4";
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	assert_int_equal(kit_end_of_run(k)->why, SHIM_WHY_NONE);
	assert_int_equal(k->exit.code, 4);
	assert_string_equal(k->exit.why_text, "");
}

/* Connected to the NOTIFY_SOCKET of the shim. */
static int notifier(const struct kit *k)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t len = strlen(k->notify_path) + 1;
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(len <= sizeof(to.sun_path));
	memcpy(to.sun_path, k->notify_path, len);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void datagrams_of_before_are_forgotten(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int fd;

	plan(k, &p, "exit 0");
	p.p.uid = p.p.gid = 0; /* so that we are heard */
	kit_run(k, &p);
	(void)kit_end_of_run(k);
	fd = notifier(k);
	assert_int_equal(send(fd, "READY=1", 7, 0), 7);
	p.argv[2] = "exec sleep 1000";
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	assert_int_equal(k->hello.ready, 0);
	assert_int_equal(send(fd, "STATUS=now", 10, 0), 10);
	kit_until(k, SHIM_NOTIFY);
	assert_int_equal(k->notify.ready, 0);
	assert_string_equal(k->notify.status, "now");
	close(fd);
}

static void wait_zombie(int pid)
{
	char path[64], v[1024];

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	WAIT_UNTIL(strstr(kit_read(path, v, sizeof(v)), ") Z "), WAIT_BOUND_S);
}

/* What was said just before the end is read after it, or held back for a while: either is too late to be told. */
static void nothing_is_said_of_a_run_after_its_end(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int fd;

	plan(k, &p, "exec sleep 1000");
	p.p.uid = p.p.gid = 0; /* so that we are heard */
	kit_run(k, &p);
	fd = notifier(k);
	for (int held = 0; held <= 1; held++) {
		assert_int_equal(send(fd, "READY=1", 7, 0), 7);
		kit_until(k, SHIM_NOTIFY);
		if (!held)
			assert_int_equal(kill(k->pid, SIGSTOP), 0);
		assert_int_equal(send(fd, "STATUS=late", 11, 0), 11);
		if (held) { /* it has read that before it answers */
			kit_send(k, SHIM_QUERY, NULL, 0);
			kit_until(k, SHIM_HELLO);
		}
		assert_int_equal(kill(k->hello.pid, SIGKILL), 0);
		if (!held)
			wait_zombie(k->hello.pid);
		assert_int_equal(kill(k->pid, SIGCONT), 0);
		(void)kit_end_of_run(k);
		k->notify = (struct shim_notify){0};
		(void)kit_poll(k, 300); /* it held back for less */
		assert_int_equal(k->notify.ready, 0);
		kit_again(k, &p);
		kit_until(k, SHIM_STARTED);
	}
	close(fd);
}

static void a_start_that_fails_is_told_and_tried_again(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	plan(k, &p, "exit 0");
	kit_run(k, &p);
	(void)kit_end_of_run(k);
	p.argv[0] = "/no/such/program";
	kit_again(k, &p);
	assert_int_equal(kit_end_of_run(k)->kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.error, ENOENT);
	assert_int_equal(k->exit.stage, SHIM_STAGE_EXEC);
	p.argv[0] = "/bin/sh";
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	assert_int_equal(kit_end_of_run(k)->code, 0);
}

/* What it has given up it cannot give: the daemon starts another shim. */
static void capabilities_given_up_are_refused(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	wait_settled(k);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_RESTART, "");
	(void)kit_end_of_run(k);
	p.p.cap_keep = 1 << 10; /* CAP_NET_BIND_SERVICE */
	kit_again(k, &p);
	kit_until(k, SHIM_EXIT);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.stage, SHIM_STAGE_PLAN);
	assert_int_equal(k->exit.error, EPERM);
	assert_int_equal(k->exit.stays, 0);
	kit_reap(k);
}

static void a_plan_that_cannot_be_read_is_its_end(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	plan(k, &p, "exit 0");
	kit_run(k, &p);
	(void)kit_end_of_run(k);
	kit_send(k, SHIM_PLAN, "nonsense", 8);
	while (kit_poll(k, 1000))
		;
	kit_reap(k);
	assert_int_not_equal(access(k->sock_path, F_OK), 0);
}

static void another_daemon_finds_the_record_alone(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	int old;

	plan(k, &p, "exit 9");
	kit_run(k, &p);
	(void)kit_end_of_run(k);
	old = k->fd;
	k->fd = -1;
	kit_connect(k);
	while (kit_poll(k, 1000))
		;
	kit_reap(k);
	assert_int_equal(kit_record(k)->code, 9);
	assert_int_not_equal(access(k->sock_path, F_OK), 0);
	close(old);
}

/* Whoever dies right after its end was told finds its record written, however early. */
static void the_record_is_there_when_the_daemon_hangs_up(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	for (int i = 0; i < 10; i++) {
		plan(k, &p, "exit 5");
		kit_run(k, &p);
		kit_until(k, SHIM_EXIT);
		kit_hang_up(k);
		kit_reap(k);
		assert_int_equal(kit_record(k)->code, 5);
		assert_int_equal(k->exit.run, k->run);
		k->exited = false;
	}
}

static void nothing_is_run_but_a_plan(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	plan(k, &p, "exit 0");
	kit_run(k, &p);
	(void)kit_end_of_run(k);
	kit_stop(k, SIGTERM, 0, SHIM_WHY_STOPPED, "nobody");
	kit_send(k, SHIM_SIGNAL, NULL, 0);
	kit_send(k, SHIM_LABEL, "x", 1);
	p.p.exec_id = 7;
	kit_exec(k, &p);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, 7);
	assert_int_equal(k->done.error, ESRCH);
	p.p.exec_id = 0;
	kit_again(k, &p);
	kit_until(k, SHIM_STARTED);
	assert_int_equal(kit_end_of_run(k)->code, 0);
	assert_int_equal(k->exit.why, SHIM_WHY_NONE);
}

static void one_with_a_pid_namespace_goes(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	plan(k, &p, "exit 0");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	kit_run(k, &p);
	assert_int_equal(kit_end(k)->stays, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_shim_runs_it_again_and_again, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(a_settled_one_starts_the_same, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(what_was_said_of_one_run_is_not_of_the_next, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(datagrams_of_before_are_forgotten, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(nothing_is_said_of_a_run_after_its_end, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(a_start_that_fails_is_told_and_tried_again, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(capabilities_given_up_are_refused, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(a_plan_that_cannot_be_read_is_its_end, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(another_daemon_finds_the_record_alone, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(the_record_is_there_when_the_daemon_hangs_up, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(nothing_is_run_but_a_plan, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(one_with_a_pid_namespace_goes, open_bed, close_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
