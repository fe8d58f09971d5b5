/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: stops and restarts that are asked for, at any time, told as golden traces.
 */
#include "tests/lib/replica_story.h"

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

static void test_restart_forgets_what_was_counted(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 1);
	story_tick(&s, 110);
	story_started(&s, 110, 42);
	TRACE_CLEAR(&s.t);
	story_restart(&s, 500, "");
	TRACE_IS(&s.t, "[   500] restart\n"
		       "         -> save\n"
		       "         -> stop by TERM within 10000 (restart: )\n"
		       "         -> info restarting: stopping, to start again\n"
		       "         = stopping to start again, pid 42\n");
}

/* An operator comes while the liveness probe has it stopped: nothing is counted. */
static void test_restart_while_stopping_because_unhealthy(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_TCP);
	s.spec.liveness.failures = 1;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_tick(&s, 0);
	story_answer(&s, 1, HEALTH_LIVENESS, false, 1, "refused");
	TRACE_CLEAR(&s.t);
	story_restart(&s, 2, "");
	story_stopped(&s, 3, SHIM_WHY_HEALTH, "refused");
	TRACE_IS(&s.t, "[     2] restart\n"
		       "[     3] run 1 ended\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         -> info restarted: refused; starts again now\n"
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stop_and_run_again),
		cmocka_unit_test(test_stop_then_run_before_it_has_stopped),
		cmocka_unit_test(test_stop_while_starting),
		cmocka_unit_test(test_stop_in_backoff_and_when_failed),
		cmocka_unit_test(test_restart_when_asked_counts_nowhere),
		cmocka_unit_test(test_restart_in_backoff_starts_now),
		cmocka_unit_test(test_restart_forgets_what_was_counted),
		cmocka_unit_test(test_restart_while_stopping_because_unhealthy),
		cmocka_unit_test(test_stop_during_a_restart_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
