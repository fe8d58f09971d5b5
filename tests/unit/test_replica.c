/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: lives of a replica, told as golden traces: restart policies, stops and restarts. The model for
 * tests of a core.
 */
#include "tests/lib/replica_story.h"

static void test_starts_crashes_and_gives_up(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 8, 41);
	story_exited(&s, 3008, 1);
	story_tick(&s, 3108);
	story_started(&s, 3116, 42);
	story_killed(&s, 3200, SIGSEGV);
	story_tick(&s, 3400);
	story_exit(&s, 3410,
		(struct shim_exit){
			.kind = SHIM_START_FAILED, .stage = SHIM_STAGE_EXEC, .error = 2, .detail = "/srv/web"});
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     8] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, healthy, ready\n"
		"[  3008] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 1 after 3s; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 3108, tries 1\n"
		"[  3108] tick\n"
		"         -> start\n"
		"         = starting, tries 1\n"
		"[  3116] started, pid 42\n"
		"         -> info started: started, pid 42\n"
		"         = running, pid 42, tries 1, healthy, ready\n"
		"[  3200] run 2 ended\n"
		"         -> save\n"
		"         -> warning exited: killed by signal SEGV (not sent by covey) after 84ms; starts again in "
		"200ms (try 2 of 3 in 1m)\n"
		"         = backoff until 3400, tries 2\n"
		"[  3400] tick\n"
		"         -> start\n"
		"         = starting, tries 2\n"
		"[  3410] run 3 ended\n"
		"         -> save\n"
		"         -> error failed: start failed: exec '/srv/web': No such file or directory; given up: ended 3 "
		"times in 1m\n"
		"         = failed, tries 3\n");
}

static void test_nothing_waits_when_initial_is_zero(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.initial_ms = 0;
	s.spec.restart.limit = 0;
	story_run(&s, 0);
	story_started(&s, 8, 41);
	story_killed(&s, 2000, SIGKILL);
	story_started(&s, 2004, 42);
	story_exit(&s, 2100, (struct shim_exit){.kind = SHIM_START_FAILED, .stage = SHIM_STAGE_FORK, .error = 11});
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     8] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[  2000] run 1 ended\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         -> warning exited: killed by signal KILL (not sent by covey) after 1.9s; starts again "
		       "now (try 1)\n"
		       "         = starting, tries 1\n"
		       "[  2004] started, pid 42\n"
		       "         -> info started: started, pid 42\n"
		       "         = running, pid 42, tries 1, healthy, ready\n"
		       "[  2100] run 2 ended\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         -> warning exited: start failed: fork: Resource temporarily unavailable; starts again "
		       "now (try 2)\n"
		       "         = starting, tries 2\n");
}

static void test_a_good_run_heals_the_backoff(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.limit = 0;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 1);
	story_tick(&s, 110);
	story_started(&s, 110, 42);
	story_exited(&s, 120, 1);
	story_tick(&s, 320);
	story_started(&s, 320, 43);
	story_exited(&s, 20320, 1);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     0] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[    10] run 1 ended\n"
		       "         -> save\n"
		       "         -> warning exited: exited with code 1 after 10ms; starts again in 100ms (try 1)\n"
		       "         = backoff until 110, tries 1\n"
		       "[   110] tick\n"
		       "         -> start\n"
		       "         = starting, tries 1\n"
		       "[   110] started, pid 42\n"
		       "         -> info started: started, pid 42\n"
		       "         = running, pid 42, tries 1, healthy, ready\n"
		       "[   120] run 2 ended\n"
		       "         -> save\n"
		       "         -> warning exited: exited with code 1 after 10ms; starts again in 200ms (try 2)\n"
		       "         = backoff until 320, tries 2\n"
		       "[   320] tick\n"
		       "         -> start\n"
		       "         = starting, tries 2\n"
		       "[   320] started, pid 43\n"
		       "         -> info started: started, pid 43\n"
		       "         = running, pid 43, tries 2, healthy, ready\n"
		       "[ 20320] run 3 ended\n"
		       "         -> save\n"
		       "         -> warning exited: exited with code 1 after 20s; starts again in 100ms (try 1)\n"
		       "         = backoff until 20420, tries 1\n");
}

static void test_policy_on_failure(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.when = SPEC_ON_FAILURE;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 1);
	story_tick(&s, 110);
	story_started(&s, 110, 42);
	story_exited(&s, 2110, 0);
	story_run(&s, 3000);
	story_started(&s, 3000, 43);
	story_killed(&s, 4000, SIGTERM);
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     0] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, healthy, ready\n"
		"[    10] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 1 after 10ms; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 110, tries 1\n"
		"[   110] tick\n"
		"         -> start\n"
		"         = starting, tries 1\n"
		"[   110] started, pid 42\n"
		"         -> info started: started, pid 42\n"
		"         = running, pid 42, tries 1, healthy, ready\n"
		"[  2110] run 2 ended\n"
		"         -> save\n"
		"         -> info done: exited with code 0 after 2s; not started again, as restart.when is on-failure\n"
		"         = stopped (done), tries 1\n"
		"[  3000] run\n"
		"         -> save\n"
		"         -> start\n"
		"         = starting\n"
		"[  3000] started, pid 43\n"
		"         -> info started: started, pid 43\n"
		"         = running, pid 43, healthy, ready\n"
		"[  4000] run 3 ended\n"
		"         -> save\n"
		"         -> info done: killed by signal TERM (not sent by covey) after 1s; not started again, as "
		"restart.when is on-failure\n"
		"         = stopped (done)\n");
}

static void test_policy_never(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.when = SPEC_NEVER;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 0);
	story_restart(&s, 20, "asked");
	story_started(&s, 20, 42);
	story_exited(&s, 30, 7);
	story_stop(&s, 40, "enough");
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     0] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, healthy, ready\n"
		"[    10] run 1 ended\n"
		"         -> save\n"
		"         -> info done: exited with code 0 after 10ms; not started again, as restart.when is never\n"
		"         = stopped (done)\n"
		"[    20] restart\n"
		"         -> save\n"
		"         -> start\n"
		"         = starting\n"
		"[    20] started, pid 42\n"
		"         -> info started: started, pid 42\n"
		"         = running, pid 42, healthy, ready\n"
		"[    30] run 2 ended\n"
		"         -> save\n"
		"         -> error failed: exited with code 7 after 10ms; not started again, as restart.when is never\n"
		"         = failed\n"
		"[    40] stop\n"
		"         -> save\n"
		"         -> info stopped: stopped: enough\n"
		"         = stopped\n");
}

static void test_stop_and_run_again(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_stop(&s, 1000, "asked by an operator");
	story_stopped(&s, 1010, SHIM_WHY_STOPPED, "asked by an operator");
	story_run(&s, 2000);
	story_started(&s, 2000, 42);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     0] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[  1000] stop\n"
		       "         -> stop by TERM within 10000 (stopped: asked by an operator)\n"
		       "         -> info stopping: stopping: asked by an operator\n"
		       "         = stopping, pid 41\n"
		       "[  1010] run 1 ended\n"
		       "         -> save\n"
		       "         -> info stopped: stopped: asked by an operator\n"
		       "         = stopped\n"
		       "[  2000] run\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[  2000] started, pid 42\n"
		       "         -> info started: started, pid 42\n"
		       "         = running, pid 42, healthy, ready\n");
}

static void test_stop_then_run_before_it_has_stopped(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_stop(&s, 1000, "");
	story_run(&s, 1005);
	story_stopped(&s, 1010, SHIM_WHY_STOPPED, "");
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     0] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[  1000] stop\n"
		       "         -> stop by TERM within 10000 (stopped: )\n"
		       "         -> info stopping: stopping\n"
		       "         = stopping, pid 41\n"
		       "[  1005] run\n"
		       "         = stopping to start again, pid 41\n"
		       "[  1010] run 1 ended\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         -> info restarted: stopped; starts again now\n"
		       "         = starting\n");
}

static void test_stop_while_starting(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_stop(&s, 1, "scaled down");
	story_started(&s, 2, 41);
	story_stopped(&s, 3, SHIM_WHY_STOPPED, "scaled down");
	story_run(&s, 10);
	story_stop(&s, 11, "scaled down");
	story_shim_lost(&s, 11);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     1] stop\n"
		       "         -> stop by TERM within 10000 (stopped: scaled down)\n"
		       "         -> info stopping: stopping: scaled down\n"
		       "         = stopping\n"
		       "[     2] started, pid 41\n"
		       "         = stopping, pid 41\n"
		       "[     3] run 1 ended\n"
		       "         -> save\n"
		       "         -> info stopped: stopped: scaled down\n"
		       "         = stopped\n"
		       "[    10] run\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    11] stop\n"
		       "         -> stop by TERM within 10000 (stopped: scaled down)\n"
		       "         -> info stopping: stopping: scaled down\n"
		       "         = stopping\n"
		       "[    11] shim lost\n"
		       "         -> save\n"
		       "         -> info stopped: stopped before it had started\n"
		       "         = stopped\n");
}

static void test_stop_in_backoff_and_when_failed(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.limit = 2;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 1);
	story_stop(&s, 20, "");
	story_run(&s, 30);
	story_started(&s, 30, 42);
	story_exited(&s, 40, 1);
	story_tick(&s, 140);
	story_started(&s, 140, 43);
	story_exited(&s, 150, 1);
	story_stop(&s, 160, "");
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     0] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, healthy, ready\n"
		"[    10] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 1 after 10ms; starts again in 100ms (try 1 of 2 in 1m)\n"
		"         = backoff until 110, tries 1\n"
		"[    20] stop\n"
		"         -> save\n"
		"         -> info stopped: stopped\n"
		"         = stopped\n"
		"[    30] run\n"
		"         -> save\n"
		"         -> start\n"
		"         = starting\n"
		"[    30] started, pid 42\n"
		"         -> info started: started, pid 42\n"
		"         = running, pid 42, healthy, ready\n"
		"[    40] run 2 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 1 after 10ms; starts again in 100ms (try 1 of 2 in 1m)\n"
		"         = backoff until 140, tries 1\n"
		"[   140] tick\n"
		"         -> start\n"
		"         = starting, tries 1\n"
		"[   140] started, pid 43\n"
		"         -> info started: started, pid 43\n"
		"         = running, pid 43, tries 1, healthy, ready\n"
		"[   150] run 3 ended\n"
		"         -> save\n"
		"         -> error failed: exited with code 1 after 10ms; given up: ended 2 times in 1m\n"
		"         = failed, tries 2\n"
		"[   160] stop\n"
		"         -> save\n"
		"         -> info stopped: stopped\n"
		"         = stopped\n");
}

static void test_restart_when_asked_counts_nowhere(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_restart(&s, 500, "asked by an operator");
	story_restart(&s, 501, "asked by an operator");
	story_stopped(&s, 510, SHIM_WHY_RESTART, "asked by an operator");
	story_started(&s, 512, 42);
	assert_int_equal(s.r.restarts, 0);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     0] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[   500] restart\n"
		       "         -> save\n"
		       "         -> stop by TERM within 10000 (restart: asked by an operator)\n"
		       "         -> info restarting: stopping, to start again: asked by an operator\n"
		       "         = stopping to start again, pid 41\n"
		       "[   501] restart\n"
		       "[   510] run 1 ended\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         -> info restarted: stopped: asked by an operator; starts again now\n"
		       "         = starting\n"
		       "[   512] started, pid 42\n"
		       "         -> info started: started, pid 42\n"
		       "         = running, pid 42, healthy, ready\n");
}

static void test_restart_in_backoff_starts_now(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 1);
	story_restart(&s, 20, "");
	assert_int_equal(s.r.restarts, 1);
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     0] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, healthy, ready\n"
		"[    10] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 1 after 10ms; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 110, tries 1\n"
		"[    20] restart\n"
		"         -> save\n"
		"         -> start\n"
		"         = starting\n");
}

static void test_stop_during_a_restart_is_final(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_restart(&s, 500, "");
	story_stop(&s, 501, "");
	story_stopped(&s, 510, SHIM_WHY_RESTART, "");
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     0] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[   500] restart\n"
		       "         -> save\n"
		       "         -> stop by TERM within 10000 (restart: )\n"
		       "         -> info restarting: stopping, to start again\n"
		       "         = stopping to start again, pid 41\n"
		       "[   501] stop\n"
		       "         = stopping, pid 41\n"
		       "[   510] run 1 ended\n"
		       "         -> save\n"
		       "         -> info stopped: stopped\n"
		       "         = stopped\n");
}

static void test_shim_is_killed(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_shim_lost(&s, 3);
	story_tick(&s, 103);
	story_started(&s, 105, 41);
	story_shim_lost(&s, 5105);
	story_tick(&s, 5305);
	story_started(&s, 5306, 42);
	story_stop(&s, 5400, "");
	story_shim_lost(&s, 5401);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[     3] shim lost\n"
		       "         -> save\n"
		       "         -> warning exited: start failed: its shim ended before the agent ran; starts again in "
		       "100ms (try 1 of 3 in 1m)\n"
		       "         = backoff until 103, tries 1\n"
		       "[   103] tick\n"
		       "         -> start\n"
		       "         = starting, tries 1\n"
		       "[   105] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, tries 1, healthy, ready\n"
		       "[  5105] shim lost\n"
		       "         -> save\n"
		       "         -> warning exited: killed together with its shim after 5s; starts again in 200ms (try "
		       "2 of 3 in 1m)\n"
		       "         = backoff until 5305, tries 2\n"
		       "[  5305] tick\n"
		       "         -> start\n"
		       "         = starting, tries 2\n"
		       "[  5306] started, pid 42\n"
		       "         -> info started: started, pid 42\n"
		       "         = running, pid 42, tries 2, healthy, ready\n"
		       "[  5400] stop\n"
		       "         -> stop by TERM within 10000 (stopped: )\n"
		       "         -> info stopping: stopping\n"
		       "         = stopping, pid 42, tries 2\n"
		       "[  5401] shim lost\n"
		       "         -> save\n"
		       "         -> info stopped: stopped; its shim ended without a record\n"
		       "         = stopped, tries 2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_crashes_and_gives_up),
		cmocka_unit_test(test_nothing_waits_when_initial_is_zero),
		cmocka_unit_test(test_a_good_run_heals_the_backoff),
		cmocka_unit_test(test_policy_on_failure),
		cmocka_unit_test(test_policy_never),
		cmocka_unit_test(test_stop_and_run_again),
		cmocka_unit_test(test_stop_then_run_before_it_has_stopped),
		cmocka_unit_test(test_stop_while_starting),
		cmocka_unit_test(test_stop_in_backoff_and_when_failed),
		cmocka_unit_test(test_restart_when_asked_counts_nowhere),
		cmocka_unit_test(test_restart_in_backoff_starts_now),
		cmocka_unit_test(test_stop_during_a_restart_is_final),
		cmocka_unit_test(test_shim_is_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
