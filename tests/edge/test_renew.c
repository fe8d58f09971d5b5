/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store replaced under a daemon that runs: it begins again in the same process, agents that the backup knows run
 * on, others are stopped, and asking again is answered as the first time. And the same for a store so damaged that no
 * daemon starts with it.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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

static const char *backup_path(void)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/backup", bed.dir.path);
	return path;
}

static bool call_with_path(const char *verb, const char *op)
{
	char args[256];

	(void)snprintf(args, sizeof(args), "path=%s%s%s", backup_path(), op ? ",op=" : "", op ? op : "");
	return daemon_ok(daemon_call(&bed, verb, args));
}

static const char *node_id(void)
{
	static char id[64];
	const msgpack_object *reply = daemon_call(&bed, "nodes", NULL);

	assert_true(daemon_ok(reply));
	reply = &mp_get(mp_get(reply, "result"), "nodes")->via.array.ptr[0];
	(void)snprintf(id, sizeof(id), "%s", daemon_text(reply, "id"));
	return id;
}

static void is_done(const char *op)
{
	char why[256] = "";

	if (!daemon_wait(&bed, op, why))
		fail_msg("%s: %s", op, why);
}

static void test_restored_while_agents_run(void **state)
{
	char old_id[64];
	int kept, pid = bed.pid, moved;

	(void)state;
	(void)snprintf(old_id, sizeof(old_id), "%s", node_id());
	daemon_run(&bed, "name: kept\ncommand: [/bin/sleep, \"1000\"]\n");
	daemon_run(&bed, "name: moved\ncommand: [/bin/sleep, \"1001\"]\n");
	kept = daemon_pid_of(&bed, "kept.0");
	moved = daemon_pid_of(&bed, "moved.0");
	assert_true(call_with_path("backup", NULL));
	daemon_run(&bed, "name: moved\ncommand: [/bin/sleep, \"1002\"]\n");
	daemon_run(&bed, "name: newer\ncommand: [/bin/sleep, \"1003\"]\n");
	assert_true(call_with_path("restore", "op-restore"));
	is_done("op-restore");
	assert_int_equal(kill(pid, 0), 0); /* the same process: its shims stay its children */
	assert_string_not_equal(node_id(), old_id);
	assert_int_equal(daemon_pid_of(&bed, "kept.0"), kept);
	WAIT_UNTIL(daemon_pid_of(&bed, "moved.0") > 0 && daemon_processes(&bed) == 2, WAIT_BOUND_S);
	assert_int_not_equal(daemon_pid_of(&bed, "moved.0"), moved);
	WAIT_UNTIL(!daemon_ok(daemon_call(&bed, "status", "agent=newer")), WAIT_BOUND_S);
	/* Asked again, it is not done again. */
	daemon_run(&bed, "name: newer\ncommand: [/bin/sleep, \"1003\"]\n");
	assert_true(call_with_path("restore", "op-restore"));
	is_done("op-restore");
	assert_true(daemon_pid_of(&bed, "newer.0") > 0);
	assert_int_equal(daemon_pid_of(&bed, "kept.0"), kept);
	daemon_kill(&bed, SIGTERM); /* it still ends as it should */
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "kept.0"), kept);
}

/* ---- signals ---- */

/* A backup that takes a moment to be checked. */
static void back_up_large(void)
{
	sqlite3 *db = NULL;

	assert_true(call_with_path("backup", NULL));
	assert_int_equal(sqlite3_open(backup_path(), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				 "CREATE TABLE large(v); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n "
				 "WHERE i<200000) INSERT INTO large SELECT zeroblob(500) FROM n",
				 NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* A process that signals the daemon from when it makes the next store on: once, or until it is killed. */
static int signaller(int signal, bool once)
{
	char making[128];
	int pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
	(void)snprintf(making, sizeof(making), "%s/data/covey.db.making", bed.dir.path);
	while (access(making, F_OK) < 0)
		wait_pause();
	while (kill(bed.pid, signal) == 0 && !once) /* until it is gone, also when the test has failed */
		wait_pause();
	_exit(0);
}

static void test_told_to_end_while_the_next_store_is_made(void **state)
{
	int pid, status = 0;
	char id[64];

	(void)state;
	(void)snprintf(id, sizeof(id), "%s", node_id());
	back_up_large();
	pid = signaller(SIGTERM, true);
	assert_true(call_with_path("restore", "op-restore"));
	if (waitpid(pid, NULL, WNOHANG) == 0) { /* it was not in time, or has not ended yet */
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		(void)kill(bed.pid, SIGTERM); /* a second one changes nothing */
	}
	WAIT_UNTIL(waitpid(bed.pid, &status, WNOHANG) == bed.pid, WAIT_BOUND_S);
	assert_true(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGTERM);
	bed.pid = 0;
	daemon_start(&bed);
	is_done("op-restore");
	assert_string_not_equal(node_id(), id);
}

static void test_told_to_reload_while_it_begins_again(void **state)
{
	int pid, was = bed.pid;

	(void)state;
	back_up_large();
	pid = signaller(SIGHUP, false);
	assert_true(call_with_path("restore", "op-restore"));
	is_done("op-restore");
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(waitpid(was, NULL, WNOHANG), 0);
}

/* ---- what is none ---- */

static void refused(const char *verb, const char *args, const char *words)
{
	const msgpack_object *reply = daemon_call(&bed, verb, args);

	assert_false(daemon_ok(reply));
	if (!strstr(daemon_text(reply, "error"), words))
		fail_msg("'%s' does not say '%s'", daemon_text(reply, "error"), words);
}

static void test_what_is_no_backup_changes_nothing(void **state)
{
	char args[256], id[64];
	int pid;

	(void)state;
	(void)snprintf(id, sizeof(id), "%s", node_id());
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&bed, "web.0");
	refused("restore", NULL, "path: the file of a backup is needed");
	refused("restore", "path=backup", "an absolute path is needed");
	refused("restore", "path=/nonexistent/x", "nothing was changed: open '/nonexistent/x': No such file");
	(void)snprintf(args, sizeof(args), "path=%s",
		daemon_file(&bed, "junk",
			"this is no database, but it is long enough to have a header of a hundred "
			"bytes, as one would have\n",
			0600));
	refused("restore", args, "junk");
	(void)snprintf(args, sizeof(args), "path=%s/data/covey.db", bed.dir.path);
	refused("restore", args, "/data' itself, not a backup");
	assert_string_equal(node_id(), id);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
}

static void test_reset_begins_anew_once_nothing_is_defined(void **state)
{
	char old_id[64], op[64];
	const msgpack_object *reply;

	(void)state;
	(void)snprintf(old_id, sizeof(old_id), "%s", node_id());
	daemon_run(&bed, "name: web\ncommand: [/bin/sh, -c, \"echo hello; exec sleep 1000\"]\n");
	refused("reset", "force=true", "nothing was changed: 1 agent is still there (web): remove it first");
	(void)daemon_file(&bed, "data/logs/left.0.log", "of an agent that is gone\n", 0600);
	reply = daemon_call(&bed, "remove", "agent=web");
	assert_true(daemon_ok(reply));
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	is_done(op);
	assert_true(daemon_ok(daemon_call(&bed, "reset", "force=true,op=op-reset")));
	is_done("op-reset");
	assert_string_not_equal(node_id(), old_id);
	assert_int_equal(daemon_size(&bed, "data/logs/left.0.log"), 0);
	assert_false(daemon_has_event(&bed, "web", "created", ""));
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_true(daemon_ok(daemon_call(&bed, "reset", "op=op-reset"))); /* the answer of then */
	assert_true(daemon_pid_of(&bed, "web.0") > 0);
}

static void test_a_reset_that_fails_removes_no_logs(void **state)
{
	char path[256];

	(void)state;
	(void)daemon_file(&bed, "data/logs/left.0.log", "of an agent that is gone\n", 0600);
	(void)snprintf(path, sizeof(path), "%s/data/covey.db.making", bed.dir.path);
	assert_int_equal(mkdir(path, 0700), 0); /* in the way of the next store */
	refused("reset", NULL, "nothing was changed: remove '");
	assert_true(daemon_size(&bed, "data/logs/left.0.log") > 0);
	assert_int_equal(rmdir(path), 0);
	assert_true(daemon_ok(daemon_call(&bed, "reset", NULL)));
}

static void test_no_reset_while_something_ends_or_is_not_understood(void **state)
{
	static const char deaf[] =
		"name: deaf\ncommand: [/bin/sh, -c, \"trap '' TERM; echo up; while :; do sleep 1; done\"]\n"
		"stop: {timeout: 1h}\n";
	char path[256];

	(void)state;
	daemon_run(&bed, deaf);
	WAIT_UNTIL(daemon_size(&bed, "data/logs/deaf.0.log") > 0, WAIT_BOUND_S); /* it hears no SIGTERM */
	assert_true(daemon_ok(daemon_call(&bed, "remove", "agent=deaf")));
	refused("reset", NULL, "nothing was changed: deaf is still ending");
	daemon_kill(&bed, SIGKILL);
	daemon_done(&bed);
	daemon_init(&bed);
	(void)snprintf(path, sizeof(path), "%s/agents.d", bed.dir.path);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)daemon_file(&bed, "agents.d/bad.yaml", "name: bad\nnonsense: 1\n", 0600);
	daemon_start(&bed);
	refused("reset", NULL, "agents.d that this version could not read");
}

/* coveyd --restore: its exit status and what it says. */
static int offline(char *out, size_t max)
{
	char command[512];
	size_t n;
	FILE *f;

	(void)snprintf(
		command, sizeof(command), "./coveyd -c %s/coveyd.yaml --restore %s 2>&1", bed.dir.path, backup_path());
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out, 1, max - 1, f);
	out[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

static void test_a_damaged_store_is_restored_without_a_daemon(void **state)
{
	char out[4096];
	int pid;

	(void)state;
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&bed, "web.0");
	assert_true(call_with_path("backup", NULL));
	assert_int_equal(offline(out, sizeof(out)), 1);
	assert_non_null(strstr(out, "another coveyd (pid "));
	daemon_kill(&bed, SIGTERM);
	(void)daemon_file(&bed, "data/covey.db", "rubbish", 0600);
	assert_int_equal(offline(out, sizeof(out)), 0);
	assert_non_null(strstr(out, "start coveyd"));
	daemon_start(&bed);
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_restored_while_agents_run, begin, end),
		cmocka_unit_test_setup_teardown(test_told_to_end_while_the_next_store_is_made, begin, end),
		cmocka_unit_test_setup_teardown(test_told_to_reload_while_it_begins_again, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_no_backup_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_reset_begins_anew_once_nothing_is_defined, begin, end),
		cmocka_unit_test_setup_teardown(test_a_reset_that_fails_removes_no_logs, begin, end),
		cmocka_unit_test_setup_teardown(test_no_reset_while_something_ends_or_is_not_understood, begin, end),
		cmocka_unit_test_setup_teardown(test_a_damaged_store_is_restored_without_a_daemon, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
