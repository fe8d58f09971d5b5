/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd hears of a daemon, from its first READY to its STOPPING: figures that are true, a reload with its
 * faults, and, of one that cannot start, why. The test stands in for systemd at NOTIFY_SOCKET.
 */
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;
static int heard = -1;
static char last[1024];

static int begin(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval bound = {.tv_sec = WAIT_BOUND_S};

	(void)state;
	daemon_init(&bed);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s/notify", bed.dir.path); /* fits */
	heard = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(heard, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(setsockopt(heard, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)), 0);
	assert_int_equal(setenv("NOTIFY_SOCKET", sa.sun_path, 1), 0);
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
	return close(heard);
}

/* The next message that is more than the watchdog's. */
static const char *next(void)
{
	do {
		ssize_t n = wait_recv(heard, last, sizeof(last) - 1);

		if (n <= 0)
			fail_msg("nothing was heard for %d s", WAIT_BOUND_S);
		last[n] = '\0';
	} while (strcmp(last, "WATCHDOG=1") == 0);
	return last;
}

static void until(const char *message)
{
	while (strcmp(next(), message) != 0)
		;
}

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static void the_figures_are_true(void **state)
{
	(void)state;
	daemon_start(&bed);
	assert_string_equal(next(), "READY=1\nSTATUS=0 agents, 0 of 0 replicas ready");
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 2\n");
	until("STATUS=1 agent, 2 of 2 replicas ready");
	assert_true(daemon_ok(daemon_apply(&bed, "name: bad\ncommand: [/nonexistent]\nrestart: {when: never}\n")));
	until("STATUS=2 agents, 2 of 3 replicas ready, 1 failed");
	assert_true(daemon_ok(daemon_call(&bed, "stop", "all=true")));
	until("STATUS=2 agents, 0 of 0 replicas ready");
	daemon_kill(&bed, SIGTERM);
	assert_string_equal(next(), "STOPPING=1\nSTATUS=agents go on running");
}

static void reload_by(int signal)
{
	if (signal)
		assert_int_equal(kill(bed.pid, signal), 0);
	else
		assert_non_null(daemon_call(&bed, "reload", NULL));
	do {
		(void)next();
	} while (!begins(last, "RELOADING=1\nMONOTONIC_USEC="));
}

static void a_reload_is_told_with_its_faults(void **state)
{
	static const int by[] = {SIGHUP, 0};

	(void)state;
	daemon_start(&bed);
	(void)next();
	for (size_t i = 0; i < ARRAY_LEN(by); i++) {
		int64_t from = daemon_size(&bed, "coveyd.log");

		(void)daemon_file(&bed, "agents.d/a.yaml", "name: bad\n", 0644);
		reload_by(by[i]);
		assert_true(
			begins(next(), "READY=1\nSTATUS=0 agents, 0 of 0 replicas ready; agents_dir: 1 faults in "));
		assert_true(daemon_logged(&bed, from, "reload: agents_dir: 1 faults in", "goes on as it was"));
		(void)daemon_file(&bed, "agents.d/a.yaml", "", 0644);
		assert_int_equal(unlink(tmpdir_path(&bed.dir, "agents.d/a.yaml")), 0);
		reload_by(by[i]);
		assert_string_equal(next(), "READY=1\nSTATUS=0 agents, 0 of 0 replicas ready");
	}
}

static void who_cannot_start_says_why(void **state)
{
	int status = -1;

	(void)state;
	(void)snprintf(bed.extra, sizeof(bed.extra), "no_such_key: 1\nnor_this: 2\n");
	daemon_launch(&bed);
	assert_int_equal(waitpid(bed.pid, &status, 0), bed.pid);
	bed.pid = 0;
	assert_int_equal(WEXITSTATUS(status), 78);
	assert_true(begins(next(), "STATUS="));
	assert_non_null(strstr(last, "coveyd.yaml:7: no_such_key: unknown key"));
	assert_non_null(strstr(last, " (and more, see the journal)"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_figures_are_true, begin, end),
		cmocka_unit_test_setup_teardown(a_reload_is_told_with_its_faults, begin, end),
		cmocka_unit_test_setup_teardown(who_cannot_start_says_why, begin, end),
	};

	daemon_need_root();
	if (!dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL))
		TEST_SKIP_ALL("libsystemd.so.0 (Debian package libsystemd0)");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
