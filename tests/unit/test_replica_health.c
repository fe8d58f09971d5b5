/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: what probes and sd_notify do to a replica, told as golden traces.
 */
#include "tests/lib/replica_story.h"

static void test_liveness_fails(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_HTTP);
	s.spec.liveness.failures = 2;
	s.spec.liveness.after_ms = 500;
	s.spec.readiness = story_probe(SPEC_PROBE_TCP);
	story_run(&s, 0);
	story_started(&s, 10, 41);
	story_tick(&s, 10);
	story_answer(&s, 11, HEALTH_READINESS, true, 1, "");
	story_tick(&s, 510);
	story_answer(&s, 512, HEALTH_LIVENESS, true, 2, "");
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    10] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown\n"
		       "[    10] tick\n"
		       "         -> probe readiness\n"
		       "[    11] readiness answers \n"
		       "         -> info ready: ready\n"
		       "         = running, pid 41, unknown, ready\n"
		       "[   510] tick\n"
		       "         -> probe liveness\n"
		       "[   512] liveness answers \n"
		       "         -> debug healthy: liveness: healthy\n"
		       "         = running, pid 41, healthy, ready\n");
	story_next(&s);
	story_next(&s);
	story_answer(&s, 3000, HEALTH_LIVENESS, false, 3, "GET /: answered 503");
	story_next(&s);
	story_answer(&s, 6000, HEALTH_LIVENESS, false, 3, "GET /: answered 503");
	story_answer(&s, 6001, HEALTH_READINESS, true, 3, "");
	story_stopped(&s, 6010, SHIM_WHY_HEALTH, "liveness probe failed 2 times: GET /: answered 503");
	TRACE_IS(&s.t,
		"[  2010] tick\n"
		"         -> probe readiness\n"
		"[  2406] tick\n"
		"         -> probe liveness\n"
		"[  3000] liveness fails GET /: answered 503\n"
		"         -> info degraded: liveness: degraded: GET /: answered 503\n"
		"         = running, pid 41, degraded, ready\n"
		"[  4328] tick\n"
		"         -> probe liveness\n"
		"[  6000] liveness fails GET /: answered 503\n"
		"         -> cancel readiness\n"
		"         -> stop by TERM within 10000 (health: liveness probe failed 2 times: GET /: answered 503)\n"
		"         -> warning unhealthy: liveness probe failed 2 times: GET /: answered 503; stopping it\n"
		"         = stopping to start again, pid 41\n"
		"[  6001] readiness answers \n"
		"[  6010] run 1 ended\n"
		"         -> save\n"
		"         -> warning exited: liveness probe failed 2 times: GET /: answered 503; ended after 6s; "
		"starts again in 100ms (try 1 of 3 in 1m)\n"
		"         = backoff until 6110, tries 1\n");
}

static void test_readiness_comes_and_goes(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.readiness = story_probe(SPEC_PROBE_EXEC);
	s.spec.readiness.failures = 1;
	story_run(&s, 0);
	story_started(&s, 10, 41);
	story_tick(&s, 10);
	story_answer(&s, 11, HEALTH_READINESS, false, 1, "exit 1");
	story_tick(&s, 60);
	story_answer(&s, 61, HEALTH_READINESS, true, 1, "");
	story_next(&s);
	story_answer(&s, 3000, HEALTH_READINESS, false, 1, "exit 1");
	story_next(&s);
	story_answer(&s, 5000, HEALTH_READINESS, true, 600, "");
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    10] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown\n"
		       "[    10] tick\n"
		       "         -> probe readiness\n"
		       "[    11] readiness fails exit 1\n"
		       "[    60] tick\n"
		       "         -> probe readiness\n"
		       "[    61] readiness answers \n"
		       "         -> info ready: ready\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[  2060] tick\n"
		       "         -> probe readiness\n"
		       "[  3000] readiness fails exit 1\n"
		       "         -> warning unready: not ready: exit 1\n"
		       "         = running, pid 41, unhealthy\n"
		       "[  3946] tick\n"
		       "         -> probe readiness\n"
		       "[  5000] readiness answers \n"
		       "         -> info ready: ready, but degraded: answered after 600 ms\n"
		       "         = running, pid 41, degraded, ready\n");
}

static void test_an_answer_never_comes(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_EXEC);
	s.spec.liveness.failures = 1;
	story_run(&s, 0);
	story_started(&s, 10, 41);
	story_tick(&s, 10);
	story_tick(&s, 6010);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    10] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown, ready\n"
		       "[    10] tick\n"
		       "         -> probe liveness\n"
		       "[  6010] tick\n"
		       "         -> cancel liveness\n"
		       "         -> stop by TERM within 10000 (health: liveness probe failed 1 time: the probe was "
		       "never answered for)\n"
		       "         -> warning unhealthy: liveness probe failed 1 time: the probe was never answered for; "
		       "stopping it\n"
		       "         = stopping to start again, pid 41\n");
}

static void test_notify_makes_ready_and_feeds_the_watchdog(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_NOTIFY);
	s.spec.readiness = story_probe(SPEC_PROBE_NOTIFY);
	story_run(&s, 0);
	story_started(&s, 10, 41);
	assert_int_equal(replica_deadline_ms(&s.r), DEADLINE_NEVER);
	story_notify(&s, 50000, (struct shim_notify){.ready = 1, .status = "serving"}, "READY=1");
	story_notify(&s, 55000, (struct shim_notify){.watchdog = 1}, "WATCHDOG=1");
	story_tick(&s, 61000);
	story_stopped(&s, 61001, SHIM_WHY_WATCHDOG, "no WATCHDOG=1 for 6s");
	story_notify(&s, 61002, (struct shim_notify){.ready = 1}, "READY=1");
	story_tick(&s, 61101);
	story_notify(&s, 61102, (struct shim_notify){.ready = 1}, "READY=1");
	story_started(&s, 61103, 42);
	story_notify(&s, 61200, (struct shim_notify){.stopping = 1, .status = "bye"}, "STOPPING=1");
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    10] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown\n"
		       "[ 50000] notify READY=1\n"
		       "         -> info ready: ready\n"
		       "         = running, pid 41, unknown, ready, 'serving'\n"
		       "[ 55000] notify WATCHDOG=1\n"
		       "         -> debug healthy: liveness: healthy\n"
		       "         = running, pid 41, healthy, ready, 'serving'\n"
		       "[ 61000] tick\n"
		       "         -> stop by TERM within 10000 (watchdog: no WATCHDOG=1 for 6s)\n"
		       "         -> warning unhealthy: no WATCHDOG=1 for 6s; stopping it\n"
		       "         = stopping to start again, pid 41, 'serving'\n"
		       "[ 61001] run 1 ended\n"
		       "         -> save\n"
		       "         -> warning exited: no WATCHDOG=1 for 6s; ended after 1m00s; starts again in 100ms "
		       "(try 1 of 3 in 1m)\n"
		       "         = backoff until 61101, tries 1\n"
		       "[ 61002] notify READY=1\n"
		       "[ 61101] tick\n"
		       "         -> start\n"
		       "         = starting, tries 1\n"
		       "[ 61102] notify READY=1\n"
		       "[ 61103] started, pid 42\n"
		       "         -> info started: started, pid 42\n"
		       "         -> info ready: ready\n"
		       "         = running, pid 42, tries 1, unknown, ready\n"
		       "[ 61200] notify STOPPING=1\n"
		       "         -> warning unready: not ready: STOPPING=1 was said\n"
		       "         = running, pid 42, tries 1, unhealthy, 'bye'\n");
}

static void test_each_run_says_ready_anew(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.restart.initial_ms = 0;
	s.spec.readiness = story_probe(SPEC_PROBE_NOTIFY);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_notify(&s, 10, (struct shim_notify){.ready = 1, .status = "up"}, "READY=1");
	story_exited(&s, 20, 1);
	story_started(&s, 30, 42);
	story_stop(&s, 40, "");
	story_notify(&s, 41, (struct shim_notify){.stopping = 1, .status = "bye"}, "STOPPING=1");
	TRACE_IS(&s.t,
		"[     0] run\n"
		"         -> start\n"
		"         = starting\n"
		"[     0] started, pid 41\n"
		"         -> info started: started, pid 41\n"
		"         = running, pid 41, unknown\n"
		"[    10] notify READY=1\n"
		"         -> info ready: ready\n"
		"         = running, pid 41, healthy, ready, 'up'\n"
		"[    20] run 1 ended\n"
		"         -> save\n"
		"         -> start\n"
		"         -> warning exited: exited with code 1 after 20ms; starts again now (try 1 of 3 in 1m)\n"
		"         = starting, tries 1\n"
		"[    30] started, pid 42\n"
		"         -> info started: started, pid 42\n"
		"         = running, pid 42, tries 1, unknown\n"
		"[    40] stop\n"
		"         -> stop by TERM within 10000 (stopped: )\n"
		"         -> info stopping: stopping\n"
		"         = stopping, pid 42, tries 1\n"
		"[    41] notify STOPPING=1\n"
		"         = stopping, pid 42, tries 1, 'bye'\n");
}

static void test_slow_is_degraded(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.readiness = story_probe(SPEC_PROBE_TCP);
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_tick(&s, 0);
	story_answer(&s, 1, HEALTH_READINESS, true, 1, "");
	TRACE_CLEAR(&s.t);
	story_next(&s);
	story_answer(&s, 2600, HEALTH_READINESS, true, 600, "");
	story_next(&s);
	story_answer(&s, 4600, HEALTH_READINESS, true, 1, "");
	TRACE_IS(&s.t, "[  2000] tick\n"
		       "         -> probe readiness\n"
		       "[  2600] readiness answers \n"
		       "         -> info degraded: readiness: degraded: answered after 600 ms\n"
		       "         = running, pid 41, degraded, ready\n"
		       "[  3896] tick\n"
		       "         -> probe readiness\n"
		       "[  4600] readiness answers \n"
		       "         -> info healthy: readiness: healthy\n"
		       "         = running, pid 41, healthy, ready\n");
}

static void test_another_watchdog_while_running(void **state)
{
	struct agent_spec other;
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_NOTIFY);
	s.spec.readiness = story_probe(SPEC_PROBE_NOTIFY);
	other = s.spec;
	other.liveness.every_ms = 1000;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_spec(&s, 5, &other);
	assert_int_equal(replica_deadline_ms(&s.r), DEADLINE_NEVER); /* not ready yet */
	story_notify(&s, 10, (struct shim_notify){.ready = 1}, "READY=1");
	assert_int_equal(replica_deadline_ms(&s.r), 3010);
	story_spec(&s, 20, &s.spec);
	assert_int_equal(replica_deadline_ms(&s.r), 6020);
	assert_true(replica_is_ready(&s.r));
	other.readiness.every_ms++;
	story_spec(&s, 30, &other);
	assert_true(replica_is_ready(&s.r));
}

static void test_another_definition_while_running(void **state)
{
	struct agent_spec other;
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.readiness = story_probe(SPEC_PROBE_TCP);
	story_run(&s, 0);
	story_started(&s, 10, 41);
	story_tick(&s, 10);
	other = s.spec;
	other.stop_timeout_ms = 1;
	story_spec(&s, 11, &other);
	story_answer(&s, 12, HEALTH_READINESS, true, 1, "");
	story_next(&s);
	s.spec.readiness.port = 80;
	story_spec(&s, 3000, &s.spec);
	story_tick(&s, 3000);
	story_spec(&s, 3001, &other);
	story_stop(&s, 3002, "");
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    10] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown\n"
		       "[    10] tick\n"
		       "         -> probe readiness\n"
		       "[    11] another definition\n"
		       "[    12] readiness answers \n"
		       "         -> info ready: ready\n"
		       "         = running, pid 41, healthy, ready\n"
		       "[  2010] tick\n"
		       "         -> probe readiness\n"
		       "[  3000] another definition\n"
		       "         -> cancel readiness\n"
		       "         = running, pid 41, unknown\n"
		       "[  3000] tick\n"
		       "         -> probe readiness\n"
		       "[  3001] another definition\n"
		       "         -> cancel readiness\n"
		       "[  3002] stop\n"
		       "         -> stop by TERM within 1 (stopped: )\n"
		       "         -> info stopping: stopping\n"
		       "         = stopping, pid 41\n");
}

static void test_health_is_the_worse_of_both(void **state)
{
	static const enum health_level worse[HEALTH_LEVEL_MAX][HEALTH_LEVEL_MAX] = {
		[HEALTH_UNKNOWN] = {HEALTH_UNKNOWN, HEALTH_UNKNOWN, HEALTH_UNKNOWN, HEALTH_UNHEALTHY},
		[HEALTH_HEALTHY] = {HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY},
		[HEALTH_DEGRADED] = {HEALTH_UNKNOWN, HEALTH_DEGRADED, HEALTH_DEGRADED, HEALTH_UNHEALTHY},
		[HEALTH_UNHEALTHY] = {HEALTH_UNHEALTHY, HEALTH_UNHEALTHY, HEALTH_UNHEALTHY, HEALTH_UNHEALTHY},
	};
	struct story s;

	(void)state;
	story_begin(&s);
	assert_int_equal(replica_health(&s.r), HEALTH_UNKNOWN);
	assert_false(replica_is_ready(&s.r));
	story_run(&s, 0);
	story_started(&s, 0, 41);
	assert_int_equal(replica_health(&s.r), HEALTH_HEALTHY);
	assert_true(replica_is_ready(&s.r));
	s.spec.liveness = story_probe(SPEC_PROBE_TCP);
	s.spec.readiness = story_probe(SPEC_PROBE_TCP);
	for (int l = 0; l < HEALTH_LEVEL_MAX; l++)
		for (int r = 0; r < HEALTH_LEVEL_MAX; r++) {
			s.r.liveness.level = (enum health_level)l;
			s.r.readiness.level = (enum health_level)r;
			assert_int_equal(replica_health(&s.r), worse[l][r]);
			assert_int_equal(replica_is_ready(&s.r), r == HEALTH_HEALTHY || r == HEALTH_DEGRADED);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_liveness_fails),
		cmocka_unit_test(test_readiness_comes_and_goes),
		cmocka_unit_test(test_an_answer_never_comes),
		cmocka_unit_test(test_notify_makes_ready_and_feeds_the_watchdog),
		cmocka_unit_test(test_each_run_says_ready_anew),
		cmocka_unit_test(test_slow_is_degraded),
		cmocka_unit_test(test_another_watchdog_while_running),
		cmocka_unit_test(test_another_definition_while_running),
		cmocka_unit_test(test_health_is_the_worse_of_both),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
