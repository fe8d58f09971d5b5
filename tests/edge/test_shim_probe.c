/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes' commands: in the agent's sandbox and groups, ended whole at their end or timeout, two at a time.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

static void run_agent(struct kit *k)
{
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
}

static void start_probe(struct kit *k, struct kit_plan *p, const char *script, uint32_t id, uint32_t timeout_ms)
{
	kit_plan(k, p, script);
	p->p.exec_id = id;
	p->p.timeout_ms = timeout_ms;
	kit_exec(k, p);
}

static const struct shim_exec_done *probe(struct kit *k, const char *script, uint32_t id, uint32_t timeout_ms)
{
	struct kit_plan p;

	start_probe(k, &p, script, id, timeout_ms);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, id);
	return &k->done;
}

static void stop_agent(struct kit *k)
{
	kit_stop(k, SIGTERM, 20000, SHIM_WHY_STOPPED, "");
	assert_int_equal(kit_end(k)->signal, SIGTERM);
	assert_int_equal(k->exit.leftovers, 0);
	assert_int_equal(kit_pids(k), 0);
}

static void its_status_and_first_output_are_told(void **state)
{
	struct kit *k = *state;
	char long_text[128];

	run_agent(k);
	assert_int_equal(probe(k, "echo fine; id -u", 1, 20000)->status, 0);
	assert_string_equal(k->done.output, "fine\n65534\n");
	assert_int_equal(k->done.timed_out, 0);
	assert_int_equal(WEXITSTATUS(probe(k, "echo bad >&2; exit 3", 2, 20000)->status), 3);
	assert_string_equal(k->done.output, "bad\n");
	assert_int_equal(probe(k, "head -c 10000000 /dev/zero | tr '\\0' y", 3, 20000)->status, 0);
	memset(long_text, 'y', 127);
	long_text[127] = '\0';
	assert_string_equal(k->done.output, long_text);
	assert_string_equal(kit_log(k, NULL), ""); /* the agent's log is the agent's */
	assert_int_equal(WTERMSIG(probe(k, "kill -9 $$", 4, 20000)->status), SIGKILL);
	stop_agent(k);
}

static void one_that_cannot_start_says_why(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	run_agent(k);
	kit_plan(k, &p, "");
	p.argv[0] = "/no/probe";
	p.p.exec_id = 9;
	kit_exec(k, &p);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, 9);
	assert_int_equal(k->done.status, -1);
	assert_int_equal(k->done.error, ENOENT);
	assert_int_equal(k->done.stage, SHIM_STAGE_EXEC);
	stop_agent(k);
}

static void one_that_hangs_is_ended_with_all_it_forked(void **state)
{
	struct kit *k = *state;

	run_agent(k);
	(void)probe(k, "echo begun; (setsid sleep 1000 &) ; (setsid setsid sleep 1001 &); sleep 1002", 5, 300);
	assert_int_equal(k->done.timed_out, 1);
	assert_int_equal(k->done.status, -1);
	assert_string_equal(k->done.output, "begun\n");
	WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S); /* the agent alone */
	stop_agent(k);
}

static void what_one_leaves_behind_ends_too(void **state)
{
	struct kit *k = *state;

	run_agent(k);
	assert_int_equal(probe(k, "(setsid sleep 1000 &) ; exit 0", 6, 20000)->status, 0);
	WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
	stop_agent(k);
}

static void two_at_a_time(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	run_agent(k);
	start_probe(k, &p, "exec sleep 1000", 1, 60000);
	start_probe(k, &p, "exec sleep 1001", 2, 1000);
	WAIT_UNTIL(kit_pids(k) == 3, WAIT_BOUND_S);
	(void)probe(k, "true", 3, 1000);
	assert_int_equal(k->done.status, -1);
	assert_int_equal(k->done.error, EBUSY);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, 2);
	WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
	for (uint32_t i = 0; i < 50; i++) { /* a slot is free again and again */
		WAIT_UNTIL(probe(k, "exit 1", 10 + i, 20000)->error != EBUSY, WAIT_BOUND_S);
		assert_int_equal(WEXITSTATUS(k->done.status), 1);
	}
	stop_agent(k);
}

static void the_agents_end_ends_them(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[200];
	struct stat st;

	run_agent(k);
	start_probe(k, &p, "exec sleep 1000", 1, 60000);
	WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
	assert_int_equal(kill(k->hello.pid, SIGKILL), 0);
	assert_int_equal(kit_end(k)->signal, SIGKILL);
	assert_int_equal(kit_pids(k), 0);
	(void)snprintf(path, sizeof(path), "%s/probe.0", k->kill_dir);
	assert_int_not_equal(stat(path, &st), 0);
}

static void in_the_agents_pid_namespace(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	kit_run(k, &p);
	kit_plan(k, &p, "cat /proc/2/comm");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	kit_exec(k, &p);
	kit_until(k, SHIM_EXEC_DONE);
	assert_string_equal(k->done.output, "sleep\n");
	stop_agent(k);
}

static void under_a_filter_of_its_own(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	run_agent(k);
	(void)probe(k, "cd /tmp 2>/dev/null || echo refused", 1, 20000);
	assert_string_equal(k->done.output, "refused\n");
	WAIT_UNTIL(k->refused.total == 1 || (kit_poll(k, 100), false), WAIT_BOUND_S);
	stop_agent(k);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(its_status_and_first_output_are_told),
		CASE(one_that_cannot_start_says_why),
		CASE(one_that_hangs_is_ended_with_all_it_forked),
		CASE(what_one_leaves_behind_ends_too),
		CASE(two_at_a_time),
		CASE(the_agents_end_ends_them),
		CASE(in_the_agents_pid_namespace),
		CASE(under_a_filter_of_its_own),
	};
	int rc;

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (kit_use_v2())
		rc += cmocka_run_group_tests_name("on cgroup v2", tests, NULL, NULL);
	return rc;
}
