/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon and a store that it cannot use: damaged, of a newer version, locked, or on a full disk. Agents that run go
 * on in each of them, and a sentence says what is wrong.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/lib/cluster_bed.h"
#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

#define HOPELESS 78 /* another start would not help */

/* Starts the daemon, which must refuse to, with these words. */
static void refuses_to_start(int exit_status, const char *words)
{
	int64_t from = daemon_size(&bed, "coveyd.log");
	int status = -1;

	daemon_launch(&bed);
	WAIT_UNTIL(waitpid(bed.pid, &status, WNOHANG) == bed.pid, WAIT_BOUND_S);
	bed.pid = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), exit_status);
	if (!daemon_logged(&bed, from, "covey.db", words))
		fail_msg("the log does not say '%s'", words);
}

static int run_sleeper(void)
{
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	return daemon_pid_of(&bed, "web.0");
}

static void copy(const char *from, const char *to)
{
	char cmd[512];

	(void)snprintf(cmd, sizeof(cmd), "cp %s/data/%s %s/data/%s", bed.dir.path, from, bed.dir.path, to);
	assert_int_equal(system(cmd), 0);
}

static void test_a_truncated_store_is_refused(void **state)
{
	const char *db;
	int pid;

	(void)state;
	daemon_start(&bed);
	pid = run_sleeper();
	daemon_kill(&bed, SIGTERM); /* a tidy end: all is in covey.db */
	copy("covey.db", "kept");
	db = tmpdir_path(&bed.dir, "data/covey.db");
	assert_int_equal(truncate(db, 0), 0);
	refuses_to_start(HOPELESS, "is truncated to 0 bytes");
	copy("kept", "covey.db");
	assert_int_equal(truncate(tmpdir_path(&bed.dir, "data/covey.db"), daemon_size(&bed, "data/kept") / 2), 0);
	refuses_to_start(HOPELESS, "is damaged");
	assert_int_equal(kill(pid, 0), 0);
	copy("kept", "covey.db");
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
}

static void exec_sql(sqlite3 *db, const char *sql)
{
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
}

static void test_a_store_of_others_is_refused(void **state)
{
	sqlite3 *db;
	int pid;

	(void)state;
	daemon_start(&bed);
	pid = run_sleeper();
	daemon_kill(&bed, SIGTERM);
	assert_int_equal(sqlite3_open(tmpdir_path(&bed.dir, "data/covey.db"), &db), SQLITE_OK);
	exec_sql(db, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE");
	refuses_to_start(1, "is locked by process");
	exec_sql(db, "ROLLBACK; PRAGMA user_version=99");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	refuses_to_start(HOPELESS, "was written by a newer covey (schema 99");
	assert_int_equal(sqlite3_open(tmpdir_path(&bed.dir, "data/covey.db"), &db), SQLITE_OK);
	exec_sql(db, "PRAGMA user_version=3");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(kill(pid, 0), 0);
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
}

/* ---- a full disk ---- */

static void mount_data(void)
{
	const char *data = tmpdir_path(&bed.dir, "data");

	assert_int_equal(mkdir(data, 0700), 0);
	if (mount("tmpfs", data, "tmpfs", 0, "size=2m") == 0)
		return;
	TEST_SKIP_ALL("mount of a tmpfs");
}

static void fill_data(void)
{
	static const char block[4096];
	int fd = open(tmpdir_path(&bed.dir, "data/fill"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	(void)close(fd); /* only there to take room */
}

static void free_data(void)
{
	assert_int_equal(unlink(tmpdir_path(&bed.dir, "data/fill")), 0);
}

static int end_mounted(void **state)
{
	(void)umount2(tmpdir_path(&bed.dir, "data"), MNT_DETACH); /* the daemon ends with it still in use */
	return end(state);
}

/* Kills web.0's process; returns once another one runs. */
static void kill_web(void)
{
	int pid, next;

	WAIT_UNTIL((pid = daemon_pid_of(&bed, "web.0")) > 0, WAIT_BOUND_S);
	assert_int_equal(kill(pid, SIGKILL), 0);
	WAIT_UNTIL((next = daemon_pid_of(&bed, "web.0")) > 0 && next != pid, WAIT_BOUND_S);
}

static void test_a_full_disk_refuses_changes(void **state)
{
	const msgpack_object *reply;
	int pid;

	(void)state;
	mount_data();
	daemon_start(&bed);
	daemon_run(&bed, "name: web\ncommand: [/bin/sh, -c, \"while echo line; do sleep 0.01; done\"]\n");
	pid = daemon_pid_of(&bed, "web.0");
	fill_data();
	for (int i = 0; i < 3; i++) {
		reply = daemon_apply(&bed, "name: late\ncommand: [/bin/sleep, \"1000\"]\n");
		assert_non_null(reply);
		assert_false(daemon_ok(reply));
		assert_non_null(strstr(daemon_text(reply, "error"), "nothing was changed: no room to write"));
		assert_false(daemon_ok(daemon_call(&bed, "scale", "agent=web,n=2")));
		reply = daemon_call(&bed, "stop", "target=web.0");
		assert_false(daemon_ok(reply));
		assert_non_null(strstr(daemon_text(reply, "error"), "nothing was changed: no room to write"));
	}
	assert_false(daemon_ok(daemon_call(&bed, "status", "agent=late")));
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
	daemon_kill(&bed, SIGKILL); /* full at its start too */
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
	assert_false(daemon_ok(daemon_call(&bed, "status", "agent=late")));
	assert_false(daemon_ok(daemon_call(&bed, "stop", "target=web.0")));
	free_data();
	daemon_run(&bed, "name: late\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
	kill_web(); /* its end is stored */
	pid = daemon_pid_of(&bed, "web.0");
	for (int i = 0; i < 2; i++) { /* what was refused is not stored later, what was answered is */
		daemon_kill(&bed, SIGKILL);
		daemon_start(&bed);
		if (i == 0) {
			assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
			assert_true(daemon_ok(daemon_call(&bed, "stop", "target=web.0")));
		}
	}
	WAIT_UNTIL(daemon_state_is(&bed, "web.0", "stopped"), WAIT_BOUND_S);
}

/* Runs are numbered from a count of the daemon's starts. One that could not be written must give no number twice, or
 * the end of a later run would be taken for one that was counted before. */
static void test_no_run_is_numbered_twice(void **state)
{
	(void)state;
	mount_data();
	daemon_start(&bed);
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n"
			 "restart: {initial: 10ms, max: 10ms, limit: 0}\n");
	fill_data();
	for (int restart = 0; restart < 3; restart++) {
		daemon_kill(&bed, SIGKILL);
		daemon_start(&bed);
		for (int i = 0; i < 3 - restart; i++)
			kill_web();
		if (restart == 1)
			free_data();
	}
}

static bool listens(int port)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0;
}

/* Other nodes tell starts of a daemon apart by that count too. */
static void test_nothing_is_gossiped_before_the_start_is_counted(void **state)
{
	int port = cluster_bed_free_port();
	int64_t from;

	(void)state;
	(void)snprintf(bed.extra, sizeof(bed.extra),
		"gossip: {bind: \"127.0.0.1:%d\", join: [\"127.0.0.1:%d\"], insecure: yes}\n", port, port); /* fits */
	mount_data();
	daemon_start(&bed);
	WAIT_UNTIL(listens(port), WAIT_BOUND_S);
	fill_data();
	daemon_kill(&bed, SIGKILL);
	from = daemon_size(&bed, "coveyd.log");
	daemon_start(&bed);
	WAIT_UNTIL(daemon_logged(
			   &bed, from, "gossip: the store has not taken the number of this start", "it is tried again"),
		WAIT_BOUND_S);
	assert_false(listens(port));
	free_data();
	WAIT_UNTIL(listens(port), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_logged(&bed, from, "gossip: it works now", ""), WAIT_BOUND_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_truncated_store_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_a_store_of_others_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(test_a_full_disk_refuses_changes, begin, end_mounted),
		cmocka_unit_test_setup_teardown(test_no_run_is_numbered_twice, begin, end_mounted),
		cmocka_unit_test_setup_teardown(
			test_nothing_is_gossiped_before_the_start_is_counted, begin, end_mounted),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
