/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to the daemon itself: faulty files in agents_dir, a daemon that hangs or is killed in the middle of a
 * change, ten thousand commands. Agents that run go on in each of them.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/rng.h"
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

static int run_sleeper(void)
{
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	return daemon_pid_of(&bed, "web.0");
}

/* ---- agents_dir ---- */

#define LOCAL(name, seconds) "name: " name "\ncommand: [/bin/sleep, \"" seconds "\"]\n"

static void make_agents_dir(void)
{
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
}

static void test_a_faulty_file_at_reload_changes_nothing(void **state)
{
	int64_t from;
	int pid;

	(void)state;
	make_agents_dir();
	(void)daemon_file(&bed, "agents.d/a.yaml", LOCAL("a", "1000"), 0644);
	daemon_start(&bed);
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/a.0") > 0, WAIT_BOUND_S);
	pid = daemon_pid_of(&bed, "n1/a.0");
	(void)daemon_file(&bed, "agents.d/a.yaml", LOCAL("a", "2000"), 0644);
	(void)daemon_file(&bed, "agents.d/b.yaml", LOCAL("b", "1000") "replica: 3\n", 0644);
	from = daemon_size(&bed, "coveyd.log");
	assert_int_equal(kill(bed.pid, SIGHUP), 0);
	WAIT_UNTIL(daemon_logged(&bed, from, "reload: ", "what runs goes on as it was"), WAIT_BOUND_S);
	assert_true(daemon_logged(&bed, from, "agents.d/b.yaml:3: replica: ", ""));
	assert_int_equal(daemon_pid_of(&bed, "n1/a.0"), pid);
	assert_int_equal(daemon_processes(&bed), 1);
	(void)daemon_file(&bed, "agents.d/b.yaml", LOCAL("b", "1000"), 0644);
	assert_int_equal(kill(bed.pid, SIGHUP), 0);
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/b.0") > 0, WAIT_BOUND_S);
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/a.0") > 0 && daemon_pid_of(&bed, "n1/a.0") != pid, WAIT_BOUND_S);
}

static void test_a_faulty_file_at_start_leaves_all_alone(void **state)
{
	int64_t from;
	int local, pid;

	(void)state;
	make_agents_dir();
	(void)daemon_file(&bed, "agents.d/a.yaml", LOCAL("a", "1000"), 0644);
	daemon_start(&bed);
	pid = run_sleeper();
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/a.0") > 0, WAIT_BOUND_S);
	local = daemon_pid_of(&bed, "n1/a.0");
	daemon_kill(&bed, SIGKILL);
	(void)daemon_file(&bed, "agents.d/b.yaml", LOCAL("b", "1000") "\tx: 1\n", 0644);
	from = daemon_size(&bed, "coveyd.log");
	daemon_start(&bed);
	assert_true(daemon_logged(&bed, from, "agents.d/b.yaml:3: ", ""));
	assert_true(daemon_logged(&bed, from, "agents_dir: 1 faults", "nothing of it was taken"));
	assert_int_equal(daemon_pid_of(&bed, "web.0"), pid);
	assert_int_equal(kill(local, 0), 0);
	assert_int_equal(daemon_processes(&bed), 2);
	(void)daemon_file(&bed, "agents.d/b.yaml", LOCAL("b", "1000"), 0644);
	assert_int_equal(kill(bed.pid, SIGHUP), 0);
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/b.0") > 0, WAIT_BOUND_S);
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/a.0") == local, WAIT_BOUND_S);
}

/* ---- the daemon itself ---- */

static void test_a_hung_daemon_holds_nobody_up(void **state)
{
	int64_t was;
	int pid;

	(void)state;
	daemon_start(&bed);
	daemon_run(&bed, "name: web\ncommand: [/bin/sh, -c, \"while echo line; do sleep 0.01; done\"]\n");
	pid = daemon_pid_of(&bed, "web.0");
	assert_true(pid > 0);
	assert_int_equal(kill(bed.pid, SIGSTOP), 0);
	was = daemon_size(&bed, "data/logs/web.0.log");
	WAIT_UNTIL(daemon_size(&bed, "data/logs/web.0.log") > was + 100, WAIT_BOUND_S);
	assert_int_equal(kill(pid, SIGKILL), 0); /* its end is told once the daemon listens again */
	assert_int_equal(kill(bed.pid, SIGCONT), 0);
	WAIT_UNTIL(daemon_pid_of(&bed, "web.0") > 0 && daemon_pid_of(&bed, "web.0") != pid, WAIT_BOUND_S);
	was = daemon_size(&bed, "data/logs/web.0.log");
	WAIT_UNTIL(daemon_size(&bed, "data/logs/web.0.log") > was, WAIT_BOUND_S);
}

static int count_fds(void)
{
	char cmd[96];
	int n = 0;
	FILE *f;

	(void)snprintf(cmd, sizeof(cmd), "ls /proc/%d/fd | wc -l", bed.pid);
	f = popen(cmd, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &n), 1);
	(void)pclose(f); /* read to its end */
	return n;
}

static long rss_kb(void)
{
	char path[64], line[256];
	long kb = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", bed.pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		(void)sscanf(line, "VmRSS: %ld", &kb); /* another line leaves it */
	(void)fclose(f);
	return kb;
}

static void test_ten_thousand_commands_leave_nothing(void **state)
{
#ifdef __SANITIZE_ADDRESS__
	const long slack_kb = 300 * 1024; /* what is freed waits in quarantine */
#else
	const long slack_kb = 512;
#endif
	long kb, grown_kb = slack_kb + 1;
	int fds;

	(void)state;
	daemon_start(&bed);
	for (int i = 0; i < 500; i++)
		assert_non_null(daemon_call(&bed, "version", NULL));
	fds = count_fds();
	for (int times = 0; grown_kb > slack_kb && times < 3; times++) { /* what leaks does so each time */
		kb = rss_kb();
		for (int i = 0; i < 10000; i++)
			assert_non_null(daemon_call(&bed, "version", NULL));
		WAIT_UNTIL(count_fds() <= fds, WAIT_BOUND_S);
		grown_kb = rss_kb() - kb;
	}
	if (grown_kb > slack_kb)
		fail_msg("%ld KB more each time", grown_kb);
}

static int covey(const char *socket, const char *args)
{
	char cmd[1024];
	int status;

	(void)snprintf(
		cmd, sizeof(cmd), "./covey --socket %s %s >/dev/null 2>%s/covey.err", socket, args, bed.dir.path);
	status = system(cmd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_the_command_says_how_it_went(void **state)
{
	char args[256];

	(void)state;
	daemon_start(&bed);
	(void)snprintf(args, sizeof(args), "apply %s",
		daemon_file(&bed, "web.yaml", "name: web\ncommand: [/bin/sleep, \"1000\"]\n", 0644));
	assert_int_equal(covey(bed.socket, args), 0);
	assert_int_equal(covey(bed.socket, "status web"), 0);
	assert_int_equal(covey(bed.socket, "scale nobody 3"), 1);
	assert_true(daemon_size(&bed, "covey.err") > 0);
	(void)snprintf(args, sizeof(args), "apply %s", daemon_file(&bed, "bad.yaml", "name: web\n", 0644));
	assert_int_equal(covey(bed.socket, args), 1);
	assert_int_equal(covey(bed.socket, "fly"), 2);
	assert_int_equal(covey(bed.socket, "scale web"), 2);
	assert_int_equal(covey("/nowhere/covey.sock", "status"), 3);
	daemon_kill(&bed, SIGKILL);
	assert_int_equal(covey(bed.socket, "status"), 3);
	daemon_start(&bed);
}

/* ---- killed in the middle of a change ---- */

enum { MANY = 50 };

static void write_many(void)
{
	char name[32], text[512];

	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "many"), 0755), 0);
	for (int i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "many/m%d.yaml", i);
		(void)snprintf(text, sizeof(text),
			"name: m%d\ncommand: [/bin/sh, -c, \"echo m%d >> %s/notes; exec sleep 1000\"]\n"
			"user: root\nsandbox: {private_tmp: no, read_only: []}\n",
			i, i, bed.dir.path);
		(void)daemon_file(&bed, name, text, 0644);
	}
}

static int count_agents(void)
{
	const msgpack_object *reply = daemon_call(&bed, "status", NULL);

	assert_true(daemon_ok(reply));
	return (int)mp_get(mp_get(reply, "result"), "agents")->via.array.size;
}

static int count_notes(void)
{
	char line[32];
	int n = 0;
	FILE *f = fopen(tmpdir_path(&bed.dir, "notes"), "r");

	while (f && fgets(line, sizeof(line), f))
		n++;
	if (f)
		(void)fclose(f); /* read only */
	return n;
}

/* All of them or none is there afterwards; the same again makes it all, and nothing runs twice. */
static void test_killed_while_fifty_are_applied(void **state)
{
	char args[256];
	struct rng rng;

	(void)state;
	rng_seed(&rng, 20260103);
	write_many();
	daemon_start(&bed);
	(void)snprintf(args, sizeof(args), "apply %s/many/m[0-9]*.yaml", bed.dir.path);
	for (int round = 0; round < 3; round++) {
		int there, pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(covey(bed.socket, args));
		wait_any_instant(rng_u64(&rng), 150);
		daemon_kill(&bed, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		daemon_start(&bed);
		there = count_agents();
		if (there != 0 && there != MANY)
			fail_msg("%d of %d were applied", there, MANY);
	}
	assert_int_equal(covey(bed.socket, args), 0);
	WAIT_UNTIL(count_notes() >= MANY, WAIT_BOUND_S);
	assert_int_equal(daemon_processes(&bed), MANY);
	assert_int_equal(count_notes(), MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_faulty_file_at_reload_changes_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_a_faulty_file_at_start_leaves_all_alone, begin, end),
		cmocka_unit_test_setup_teardown(test_a_hung_daemon_holds_nobody_up, begin, end),
		cmocka_unit_test_setup_teardown(test_ten_thousand_commands_leave_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_the_command_says_how_it_went, begin, end),
		cmocka_unit_test_setup_teardown(test_killed_while_fifty_are_applied, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
