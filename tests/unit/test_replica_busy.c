/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: a shim has two places for probes' commands. What becomes of a probe for which there is none, told
 * as golden traces.
 */
#include "tests/lib/replica_story.h"

/* The probe before it takes its place in the shim, which ends it at its timeout at the latest. */
static void test_the_probe_before_is_no_failure_of_the_new_one(void **state)
{
	struct agent_spec other;
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_EXEC);
	s.spec.liveness.failures = 1;
	other = s.spec;
	other.liveness.timeout_ms = 100;
	story_run(&s, 0);
	story_started(&s, 10, 41);
	story_tick(&s, 10);
	story_spec(&s, 20, &other);
	story_tick(&s, 20);
	story_busy(&s, 21, HEALTH_LIVENESS);
	story_tick(&s, 71);
	story_busy(&s, 6009, HEALTH_LIVENESS);
	story_tick(&s, 6059);
	story_busy(&s, 6060, HEALTH_LIVENESS);
	TRACE_IS(&s.t, "[     0] run\n"
		       "         -> start\n"
		       "         = starting\n"
		       "[    10] started, pid 41\n"
		       "         -> info started: started, pid 41\n"
		       "         = running, pid 41, unknown, ready\n"
		       "[    10] tick\n"
		       "         -> probe liveness\n"
		       "[    20] another definition\n"
		       "         -> cancel liveness\n"
		       "[    20] tick\n"
		       "         -> probe liveness\n"
		       "[    21] no place for liveness\n"
		       "[    71] tick\n"
		       "         -> probe liveness\n"
		       "[  6009] no place for liveness\n"
		       "[  6059] tick\n"
		       "         -> probe liveness\n"
		       "[  6060] no place for liveness\n"
		       "         -> stop by TERM within 10000 (health: liveness probe failed 1 time: no place)\n"
		       "         -> warning unhealthy: liveness probe failed 1 time: no place; stopping it\n"
		       "         = stopping to start again, pid 41\n");
}

/* What an answered probe left behind may take its place for a moment; for longer, something is wrong. */
static void test_no_place_is_a_failure_in_the_end(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.readiness = story_probe(SPEC_PROBE_EXEC);
	s.spec.readiness.failures = 1;
	story_run(&s, 0);
	story_started(&s, 0, 41);
	story_tick(&s, 0);
	story_answer(&s, 10, HEALTH_READINESS, true, 1, "");
	TRACE_CLEAR(&s.t);
	story_tick(&s, 2000);
	story_busy(&s, 2001, HEALTH_READINESS);
	story_tick(&s, 2051);
	story_busy(&s, 5009, HEALTH_READINESS);
	story_tick(&s, 5059);
	story_busy(&s, 5060, HEALTH_READINESS);
	story_next(&s);
	story_busy(&s, s.now.mono_ms + 1, HEALTH_READINESS); /* that was no answer of a shim that has places */
	assert_int_equal(s.r.readiness.failed_in_row, 2);
	assert_int_equal(s.r.readiness.asked, 3);
	TRACE_IS(&s.t, "[  2000] tick\n"
		       "         -> probe readiness\n"
		       "[  2001] no place for readiness\n"
		       "[  2051] tick\n"
		       "         -> probe readiness\n"
		       "[  5009] no place for readiness\n"
		       "[  5059] tick\n"
		       "         -> probe readiness\n"
		       "[  5060] no place for readiness\n"
		       "         -> warning unready: not ready: no place\n"
		       "         = running, pid 41, unhealthy\n"
		       "[  6981] tick\n"
		       "         -> probe readiness\n"
		       "[  6982] no place for readiness\n");
}

/* The shim has called off what the last daemon had asked, and may not be through with it. */
static void test_the_last_daemons_probes_are_no_failure_of_the_new_ones(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	s.spec.liveness = story_probe(SPEC_PROBE_EXEC);
	s.spec.liveness.failures = 1;
	story_adopted(&s, 10, 41, (struct shim_hello){.state = SHIM_RUNNING});
	story_tick(&s, 10);
	story_busy(&s, 11, HEALTH_LIVENESS);
	story_tick(&s, 61);
	story_busy(&s, 5009, HEALTH_LIVENESS);
	story_tick(&s, 5059);
	story_busy(&s, 5060, HEALTH_LIVENESS);
	TRACE_IS(&s.t, "[    10] shim found, pid 41\n"
		       "         -> debug adopted: found running, pid 41; taken over as it is\n"
		       "         = running, pid 41, unknown, ready\n"
		       "[    10] tick\n"
		       "         -> probe liveness\n"
		       "[    11] no place for liveness\n"
		       "[    61] tick\n"
		       "         -> probe liveness\n"
		       "[  5009] no place for liveness\n"
		       "[  5059] tick\n"
		       "         -> probe liveness\n"
		       "[  5060] no place for liveness\n"
		       "         -> stop by TERM within 10000 (health: liveness probe failed 1 time: no place)\n"
		       "         -> warning unhealthy: liveness probe failed 1 time: no place; stopping it\n"
		       "         = stopping to start again, pid 41\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_probe_before_is_no_failure_of_the_new_one),
		cmocka_unit_test(test_no_place_is_a_failure_in_the_end),
		cmocka_unit_test(test_the_last_daemons_probes_are_no_failure_of_the_new_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
