/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: lives of a replica, told as golden traces: starts, ends, restart policies. The model for tests of
 * a core.
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

static void test_why_after_a_shim_was_killed(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	story_run(&s, 0);
	story_shim_lost(&s, 3);
	assert_int_equal(s.r.last_exit.reason, REASON_START_FAILED);
	story_tick(&s, 103);
	story_started(&s, 105, 41);
	story_shim_lost(&s, 5105);
	assert_int_equal(s.r.last_exit.reason, REASON_SIGNAL);
	assert_int_equal(s.r.last_exit.signal, SIGKILL);
	assert_int_equal(s.r.last_exit.code, -1);
	assert_int_equal(s.r.last_exit.at_wall_ms, s.now.wall_ms);
	story_tick(&s, 5305);
	story_stop(&s, 5306, "");
	story_shim_lost(&s, 5307);
	assert_int_equal(s.r.last_exit.reason, REASON_STOPPED);
}

static void since(const struct story *s, int64_t mono_ms)
{
	assert_int_equal(s->r.since_mono_ms, mono_ms);
	assert_int_equal(s->r.since_wall_ms, mono_ms + 1000000);
}

static void test_since_when_a_state_is(void **state)
{
	struct story s;

	(void)state;
	story_begin(&s);
	since(&s, 0);
	story_run(&s, 5);
	since(&s, 5);
	assert_int_equal(s.r.started_mono_ms, 5);
	story_started(&s, 7, 41);
	since(&s, 7);
	assert_int_equal(s.r.started_mono_ms, 7);
	story_started(&s, 8, 42);
	since(&s, 7);
	assert_int_equal(s.r.pid, 42);
	story_exited(&s, 9, 1);
	since(&s, 9);
}

static void test_what_counts_as_a_good_end(void **state)
{
	static const struct {
		int code, signal;
		bool good;
	} ends[] = {
		{0, 0, true},
		{1, 0, false},
		{0, SIGTERM, true},
		{0, SIGINT, true},
		{0, SIGHUP, true},
		{0, SIGPIPE, true},
		{0, SIGUSR2, true}, /* the stop signal */
		{0, SIGUSR1, false},
		{0, SIGKILL, false},
		{0, SIGABRT, false},
	};
	struct story s;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		story_begin(&s);
		s.spec.restart.when = SPEC_ON_FAILURE;
		s.spec.stop_signal = ends[i].signal == SIGKILL ? SIGKILL : SIGUSR2;
		story_run(&s, 0);
		story_started(&s, 0, 41);
		if (ends[i].signal)
			story_killed(&s, 10, ends[i].signal);
		else
			story_exited(&s, 10, ends[i].code);
		assert_int_equal(s.r.state, ends[i].good ? REPLICA_STOPPED : REPLICA_BACKOFF);
	}
}

static void live_under_jumps(struct story *s, int64_t jump_ms)
{
	story_begin(s);
	s->wall_jump_ms = jump_ms;
	s->spec.liveness = story_probe(SPEC_PROBE_TCP);
	replica_init(&s->r, &s->spec, 1, s->now);
	story_run(s, 0);
	story_started(s, 8, 41);
	while (s->r.state == REPLICA_RUNNING) /* nobody answers */
		story_tick(s, replica_deadline_ms(&s->r));
	story_stopped(s, s->now.mono_ms + 5, SHIM_WHY_HEALTH, "no answer");
	story_tick(s, replica_deadline_ms(&s->r)); /* the backoff is over */
	story_started(s, s->now.mono_ms + 2, 42);
	story_exited(s, s->now.mono_ms + 20000, 1);
	story_stop(s, s->now.mono_ms + 1, "");
}

/* The wall clock is for people alone. */
static void test_a_clock_that_jumps_changes_nothing(void **state)
{
	static const int64_t jumps[] = {1, 3600 * 1000, -86400 * 1000, 1ll << 40, -(1ll << 40)};
	static struct story calm, s;

	(void)state;
	live_under_jumps(&calm, 0);
	assert_non_null(strstr(calm.t.v, "liveness probe failed"));
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		live_under_jumps(&s, jumps[i]);
		assert_string_equal(s.t.v, calm.t.v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_crashes_and_gives_up),
		cmocka_unit_test(test_nothing_waits_when_initial_is_zero),
		cmocka_unit_test(test_a_good_run_heals_the_backoff),
		cmocka_unit_test(test_policy_on_failure),
		cmocka_unit_test(test_policy_never),
		cmocka_unit_test(test_shim_is_killed),
		cmocka_unit_test(test_why_after_a_shim_was_killed),
		cmocka_unit_test(test_since_when_a_state_is),
		cmocka_unit_test(test_what_counts_as_a_good_end),
		cmocka_unit_test(test_a_clock_that_jumps_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
