/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: what a daemon finds after its restart, told as golden traces: shims, records of runs that ended
 * meanwhile, what was saved.
 */
#include "tests/lib/replica_story.h"

static void test_the_same_end_is_heard_twice(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exit(&s, 10, (struct shim_exit){.run = 7, .kind = SHIM_EXITED, .code = 1});
	story_tick(&s, 110);
	story_exit(&s, 111, (struct shim_exit){.run = 7, .kind = SHIM_EXITED, .code = 1});
	story_exit(&s, 112, (struct shim_exit){.run = 6, .kind = SHIM_EXITED, .code = 1});
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     0] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, healthy, ready\n"
		"[    10] run 7 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 1 after 10ms; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 110, tries 1\n"
		"[   110] tick\n"
		"         -> start\n"
		"         = starting, tries 1\n"
		"[   111] run 7 ended\n"
		"[   112] run 6 ended\n");
}

static void test_found_running_after_a_restart_of_the_daemon(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_NOTIFY);
	s.spec.readiness = story_probe(SPEC_PROBE_NOTIFY);
	story_at(&s, 100000);
	story_adopted(&s, 100000, 41,
		(struct shim_hello){.state = SHIM_RUNNING,
			.ready = 1,
			.started_boot_ms = 81000,
			.started_wall_ms = 9,
			.status = "up"});
	assert_int_equal(s.r.started_mono_ms, 80000);
	assert_int_equal(s.r.since_mono_ms, 80000);
	assert_int_equal(s.r.since_wall_ms, 9);
	story_run(&s, 100001);
	assert_int_equal(replica_deadline_ms(&s.r), 106000);
	story_exited(&s, 100500, 3);
	TRACE_IS(&s.t,
		"[100000] shim found, pid 41\n"
		"         -> debug adopted: found running, pid 41; taken over as it is\n"
		"         = running, pid 41, unknown, ready, 'up'\n"
		"[100001] run\n"
		"[100500] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 3 after 20s; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 100600, tries 1\n");
}

static void test_found_preparing_after_a_restart_of_the_daemon(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_adopted(&s, 10, 41, (struct shim_hello){.state = SHIM_PREPARING});
	assert_int_equal(s.r.started_mono_ms, 10);
	story_adopted(&s, 20, 42, (struct shim_hello){.state = SHIM_PREPARING}); /* met once more */
	story_started(&s, 30, 43);
	story_adopted(&s, 40, 44, (struct shim_hello){.state = SHIM_RUNNING}); /* met once more */
	TRACE_IS(&s.t, "[    10] shim found, pid 41\n"
		       "         -> debug adopted: found starting, pid 41; taken over as it is\n"
		       "         = starting, pid 41\n"
		       "[    20] shim found, pid 42\n"
		       "         = starting, pid 42\n"
		       "[    30] started, pid 43\n"
		       "         -> info started: started, pid 43\n"
		       "         = running, pid 43, healthy, ready\n"
		       "[    40] shim found, pid 44\n"
		       "         = running, pid 44, healthy, ready\n");
}

static void test_found_stopping_after_a_restart_of_the_daemon(void **state)
{
	static const enum shim_why whys[] = {SHIM_WHY_STOPPED, SHIM_WHY_RESTART, SHIM_WHY_HEALTH};
	struct story s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whys); i++) {
		struct trace t;

		if (i > 0)
			t = s.t;
		story_begin(&s);
		if (i > 0)
			s.t = t;
		story_adopted(&s, 0, 41, (struct shim_hello){.state = SHIM_STOPPING, .why = whys[i]});
		story_stopped(&s, 5, whys[i], "");
	}
	TRACE_IS(&s.t,
		"[     0] shim found, pid 41\n"
		"         -> debug adopted: found stopping, pid 41; taken over as it is\n"
		"         = stopping, pid 41\n"
		"[     5] run 1 ended\n"
		"         -> save\n"
		"         -> info stopped: stopped\n"
		"         = stopped\n"
		"[     0] shim found, pid 41\n"
		"         -> debug adopted: found stopping, pid 41; taken over as it is\n"
		"         = stopping to start again, pid 41\n"
		"[     5] run 1 ended\n"
		"         -> save\n"
		"         -> start\n"
		"         -> info restarted: stopped; starts again now\n"
		"         = starting\n"
		"[     0] shim found, pid 41\n"
		"         -> debug adopted: found stopping, pid 41; taken over as it is\n"
		"         = stopping to start again, pid 41\n"
		"[     5] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: unhealthy; ended after 5ms; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 105, tries 1\n");
}

/* The pid that an agent had is anybody's once its shim does not hold it; that it had begun is known all the same. */
static void test_a_pid_that_nobody_holds_is_not_told(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_adopted_ended(&s, 5000, 41, (struct shim_hello){.started_boot_ms = 2000});
	story_adopted_ended(&s, 5001, 41, (struct shim_hello){.started_boot_ms = 2000}); /* met once more */
	story_stop(&s, 5002, "");
	assert_int_equal(s.r.started_mono_ms, 1000);
	story_shim_lost(&s, 5003);
	TRACE_IS(&s.t, "[  5000] shim found, pid 41 was its agent's\n"
		       "         -> debug adopted: found stopping; taken over as it is\n"
		       "         = stopping\n"
		       "[  5001] shim found, pid 41 was its agent's\n"
		       "[  5002] stop\n"
		       "[  5003] shim lost\n"
		       "         -> save\n"
		       "         -> info stopped: stopped; its shim ended without a record\n"
		       "         = stopped\n");
}

/* Nothing is asked of it, not even what it says is judged, until there is a run of a definition that is known. */
static void test_found_running_another_definition(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_NOTIFY);
	s.spec.readiness = story_probe(SPEC_PROBE_EXEC);
	story_adopted_other(&s, 10, 41, SHIM_RUNNING);
	assert_int_equal(replica_deadline_ms(&s.r), DEADLINE_NEVER);
	story_notify(&s, 20, (struct shim_notify){.stopping = 1}, "STOPPING=1");
	story_notify(&s, 30, (struct shim_notify){.ready = 1, .watchdog = 1}, "READY=1");
	assert_int_equal(replica_deadline_ms(&s.r), DEADLINE_NEVER);
	story_restart(&s, 40, "its definition has changed");
	story_stopped(&s, 50, SHIM_WHY_UPDATE, "its definition has changed");
	story_started(&s, 60, 42);
	story_tick(&s, 60);
	TRACE_IS(&s.t,
		"[    10] shim found, pid 41, of another definition\n"
		"         -> debug adopted: found running, pid 41; taken over as it is, and not probed: the definition "
		"that it was started with is not known any more\n"
		"         = running, pid 41, unknown, ready\n"
		"[    20] notify STOPPING=1\n"
		"[    30] notify READY=1\n"
		"[    40] restart\n"
		"         -> save\n"
		"         -> stop by TERM within 10000 (restart: its definition has changed)\n"
		"         -> info restarting: stopping, to start again: its definition has changed\n"
		"         = stopping to start again, pid 41\n"
		"[    50] run 1 ended\n"
		"         -> save\n"
		"         -> start\n"
		"         -> info restarted: stopped: its definition has changed; starts again now\n"
		"         = starting\n"
		"[    60] started, pid 42\n"
		"         -> info started: started, pid 42\n"
		"         = running, pid 42, unknown\n"
		"[    60] tick\n"
		"         -> probe readiness\n");
}

/* It may have been on its way; and the definition that it runs may come back. */
static void test_another_definition_is_known_again(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_EXEC);
	story_adopted_other(&s, 10, 41, SHIM_PREPARING);
	story_started(&s, 20, 41);
	assert_int_equal(replica_deadline_ms(&s.r), DEADLINE_NEVER);
	story_spec(&s, 30, &s.spec);
	story_tick(&s, 30);
	story_answer(&s, 31, HEALTH_LIVENESS, true, 1, "");
	TRACE_IS(&s.t, "[    10] shim found, pid 41, of another definition\n"
		       "         -> debug adopted: found starting, pid 41; taken over as it is, and not probed: the "
		       "definition "
		       "that it was started with is not known any more\n"
		       "         = starting, pid 41\n"
		       "[    20] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown, ready\n"
		       "[    30] another definition\n"
		       "[    30] tick\n"
		       "         -> probe liveness\n"
		       "[    31] liveness answers \n"
		       "         -> debug healthy: liveness: healthy\n"
		       "         = running, pid 41, healthy, ready\n");
}

static void test_ended_while_no_daemon_was_there(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_exit(&s, 0, (struct shim_exit){.kind = SHIM_EXITED, .code = 3, .ran_ms = 4000});
	TRACE_IS(&s.t,
		"[     0] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: exited with code 3 after 4s; starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 100, tries 1\n");
	story_begin(&s);
	story_stopped(&s, 0, SHIM_WHY_STOPPED, "asked by an operator");
	TRACE_IS(&s.t, "[     0] run 1 ended\n"
		       "         -> save\n"
		       "         -> info stopped: stopped: asked by an operator\n"
		       "         = stopped\n");
	story_begin(&s);
	story_stopped(&s, 0, SHIM_WHY_UPDATE, "");
	TRACE_IS(&s.t, "[     0] run 1 ended\n"
		       "         -> save\n"
		       "         -> start\n"
		       "         -> info restarted: stopped; starts again now\n"
		       "         = starting\n");
}

static void test_found_running_although_it_is_stopped(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_stop(&s, 0, "");
	story_adopted(&s, 1, 41, (struct shim_hello){.state = SHIM_RUNNING});
	story_adopted(&s, 2, 41, (struct shim_hello){.state = SHIM_RUNNING});
	story_shim_lost(&s, 3);
	TRACE_IS(&s.t, "[     0] stop\n"
		       "         -> save\n"
		       "         -> info stopped: stopped\n"
		       "         = stopped\n"
		       "[     1] shim found, pid 41\n"
		       "         -> debug adopted: found running, pid 41; taken over as it is\n"
		       "         -> save\n"
		       "         -> stop by TERM within 10000 (stopped: found running although it is stopped)\n"
		       "         = stopping, pid 41\n"
		       "[     2] shim found, pid 41\n"
		       "[     3] shim lost\n"
		       "         -> save\n"
		       "         -> info stopped: stopped; its shim ended without a record\n"
		       "         = stopped\n");
}

/* What was saved leads to the same replica. */
static void test_saved_and_restored(void **state)
{
	struct replica_saved saved, again;
	struct replica r;
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.limit = 2;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 1);
	replica_save(&s.r, &saved);
	assert_int_equal(saved.restarts, 1);
	assert_int_equal(saved.tries, 1);
	assert_int_equal(saved.ended_run, 1);
	assert_false(saved.failed || saved.done);
	assert_string_equal(saved.last_exit.text, "exited with code 1");

	story_tick(&s, 110);
	story_exited(&s, 120, 1);
	replica_save(&s.r, &saved);
	assert_true(saved.failed);
	replica_init(&r, &s.spec, 2, s.now);
	replica_restore(&r, &saved);
	replica_check(&r);
	assert_int_equal(r.state, REPLICA_FAILED);
	assert_true(r.wanted);
	replica_save(&r, &again);
	assert_memory_equal(&again.last_exit, &saved.last_exit, sizeof(saved.last_exit));
	assert_int_equal(again.restarts, saved.restarts);
	assert_int_equal(again.tries, saved.tries);
	assert_int_equal(again.ended_run, saved.ended_run);
	assert_true(again.failed && !again.done);
}

static void test_done_stays_done_over_a_restart_of_the_daemon(void **state)
{
	struct replica_saved saved;
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.when = SPEC_ON_FAILURE;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_exited(&s, 10, 0);
	replica_save(&s.r, &saved);
	assert_true(saved.done && !saved.failed);
	replica_init(&s.r, &s.spec, 2, s.now);
	replica_restore(&s.r, &saved);
	replica_check(&s.r);
	assert_int_equal(s.r.state, REPLICA_STOPPED);
	assert_true(s.r.wanted);
	story_stop(&s, 20, "");
	replica_save(&s.r, &saved);
	assert_false(saved.done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_end_is_heard_twice),
		cmocka_unit_test(test_found_running_after_a_restart_of_the_daemon),
		cmocka_unit_test(test_found_preparing_after_a_restart_of_the_daemon),
		cmocka_unit_test(test_found_stopping_after_a_restart_of_the_daemon),
		cmocka_unit_test(test_a_pid_that_nobody_holds_is_not_told),
		cmocka_unit_test(test_found_running_another_definition),
		cmocka_unit_test(test_another_definition_is_known_again),
		cmocka_unit_test(test_ended_while_no_daemon_was_there),
		cmocka_unit_test(test_found_running_although_it_is_stopped),
		cmocka_unit_test(test_saved_and_restored),
		cmocka_unit_test(test_done_stays_done_over_a_restart_of_the_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
