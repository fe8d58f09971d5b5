/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pid is a number that the kernel gives to somebody else once its process is gone. Here it does so at the worst of
 * times: a shim and its agent die unseen by the daemon, and bystanders have exactly their pids. Nobody signals a
 * bystander, nobody takes it for the replica, nobody shows it.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/daemon.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

#define STORIES_MAX 5 /* somebody else may be quicker to take a pid, once in a long while */

static struct daemon_bed bed;
static int agent, shim; /* pids that are bystanders' now; 0: none */

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	daemon_start(&bed);
	return 0;
}

static void end_bystanders(void)
{
	if (agent)
		proc_end(agent);
	if (shim)
		proc_end(shim);
	agent = shim = 0;
}

static int end(void **state)
{
	(void)state;
	if (bed.pid)
		(void)kill(bed.pid, SIGCONT); /* of a case that failed */
	end_bystanders();
	daemon_done(&bed);
	return 0;
}

static void done(const char *verb, const char *args)
{
	const msgpack_object *reply = daemon_call(&bed, verb, args);
	char op[OP_ID_MAX], why[256];

	assert_true(daemon_ok(reply));
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
}

static void kill_and_see(int pid)
{
	(void)kill(pid, SIGKILL); /* an agent may have died with its shim */
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
}

/* A process of ours with the pid of one that is gone. */
static bool take_pid(int gone, int *ret)
{
	int rc = proc_make(gone);

	if (rc == -EEXIST)
		return false;
	assert_int_equal(rc, 0);
	*ret = gone;
	return true;
}

/* The shim first, so that nobody records how the agent ended; then both pids are bystanders'. */
static bool replace_by_bystanders(int old_agent, int old_shim)
{
	kill_and_see(old_shim);
	kill_and_see(old_agent);
	return take_pid(old_agent, &agent) && take_pid(old_shim, &shim);
}

static int run_web(void)
{
	int pid;

	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\nrestart: {initial: 10ms, max: 10ms, limit: 0}\n");
	pid = daemon_pid_of(&bed, "web.0");
	assert_true(pid > 0); /* it is killed: 0 would be ourselves */
	return pid;
}

static bool is_another(void)
{
	struct daemon_replica r;

	assert_true(daemon_replica(&bed, "web.0", &r));
	assert_int_not_equal(r.pid, agent);
	assert_int_not_equal(r.pid, shim);
	return strcmp(r.state, "running") == 0;
}

/* From the first look on it has another pid or none; and what is done to it is not done to bystanders. */
static void the_replica_is_another(void)
{
	WAIT_UNTIL(is_another(), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_processes(&bed) == 1, WAIT_BOUND_S);
	assert_false(daemon_has_event(&bed, "web", "adopted", ""));
	done("restart", "target=web");
	done("stop", "target=web");
	done("remove", "agent=web");
	WAIT_UNTIL(daemon_processes(&bed) == 0, WAIT_BOUND_S);
	assert_true(proc_lives(agent));
	assert_true(proc_lives(shim));
}

/* Stories: false when a pid was taken by somebody else, so that there is nothing to see. */

static bool while_no_daemon_is_there(void)
{
	int pid = run_web(), parent = proc_parent(pid);
	bool ours;

	daemon_kill(&bed, SIGKILL);
	ours = replace_by_bystanders(pid, parent);
	daemon_start(&bed);
	return ours;
}

/* It hears of nothing until both pids are somebody else's. */
static bool while_the_daemon_sleeps(void)
{
	int pid = run_web(), parent = proc_parent(pid);
	bool ours;

	assert_int_equal(kill(bed.pid, SIGSTOP), 0);
	ours = replace_by_bystanders(pid, parent);
	assert_int_equal(kill(bed.pid, SIGCONT), 0);
	WAIT_UNTIL(daemon_pid_of(&bed, "web.0") > 0 && daemon_pid_of(&bed, "web.0") != pid, WAIT_BOUND_S);
	return ours;
}

static void tell(bool (*story)(void))
{
	for (int i = 0; i < STORIES_MAX; i++) {
		bool ours = story();

		if (ours) {
			the_replica_is_another();
			return;
		}
		WAIT_UNTIL(daemon_pid_of(&bed, "web.0") > 0, WAIT_BOUND_S);
		end_bystanders();
	}
	fail_msg("a pid that was free was taken by others, %d times", STORIES_MAX);
}

static void test_bystanders_of_a_new_daemon(void **state)
{
	(void)state;
	tell(while_no_daemon_is_there);
}

static void test_bystanders_of_the_same_daemon(void **state)
{
	(void)state;
	tell(while_the_daemon_sleeps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_bystanders_of_a_new_daemon, begin, end),
		cmocka_unit_test_setup_teardown(test_bystanders_of_the_same_daemon, begin, end),
	};

	daemon_need_root();
	proc_need_chosen_pids();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
