/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/replica: every event in every state, and what comes of it: the state after it, then the outputs (an event
 * people read by its kind). Nothing aborts, and replica_check holds everywhere.
 */
#include "tests/lib/replica_story.h"

/* Events, each as one that could come. */
enum cell_event {
	RUN,
	STOP,
	RESTART,
	SPEC,
	STARTED,
	EXITED_0,
	EXITED_1,
	START_FAILED,
	STOP_DONE,
	RESTART_DONE_BY_SHIM,
	HEALTH_STOP_DONE,
	FENCED,
	SHIM_LOST,
	FOUND_PREPARING,
	FOUND_RUNNING,
	FOUND_STOPPING,
	FOUND_RESTARTING,
	FOUND_UNHEALTHY,
	NOTIFY,
	PROBE_OK,
	PROBE_BAD,
	TICK,
	CELL_EVENT_MAX
};

static const char *const event_names[] = {
	[RUN] = "run",
	[STOP] = "stop",
	[RESTART] = "restart",
	[SPEC] = "another definition",
	[STARTED] = "started",
	[EXITED_0] = "exited with 0",
	[EXITED_1] = "exited with 1",
	[START_FAILED] = "start failed",
	[STOP_DONE] = "ended by stop",
	[RESTART_DONE_BY_SHIM] = "ended by restart",
	[HEALTH_STOP_DONE] = "ended by health",
	[FENCED] = "fenced",
	[SHIM_LOST] = "shim lost",
	[FOUND_PREPARING] = "found preparing",
	[FOUND_RUNNING] = "found running",
	[FOUND_STOPPING] = "found stopping",
	[FOUND_RESTARTING] = "found restarting",
	[FOUND_UNHEALTHY] = "found unhealthy",
	[NOTIFY] = "notify",
	[PROBE_OK] = "probe ok",
	[PROBE_BAD] = "probe bad",
	[TICK] = "tick",
};
_Static_assert(ARRAY_LEN(event_names) == CELL_EVENT_MAX, "a name for each event");

static void cell_step(struct story *s, enum cell_event e)
{
	static const struct shim_exit exits[CELL_EVENT_MAX] = {
		[EXITED_0] = {.kind = SHIM_EXITED},
		[EXITED_1] = {.kind = SHIM_EXITED, .code = 1},
		[START_FAILED] = {.kind = SHIM_START_FAILED, .stage = SHIM_STAGE_EXEC, .error = 2},
		[STOP_DONE] = {.kind = SHIM_SIGNALED, .signal = SIGTERM, .why = SHIM_WHY_STOPPED},
		[RESTART_DONE_BY_SHIM] = {.kind = SHIM_SIGNALED, .signal = SIGTERM, .why = SHIM_WHY_RESTART},
		[HEALTH_STOP_DONE] = {.kind = SHIM_SIGNALED, .signal = SIGTERM, .why = SHIM_WHY_HEALTH},
		[FENCED] = {.kind = SHIM_FENCED},
	};
	static const struct shim_hello hellos[CELL_EVENT_MAX] = {
		[FOUND_PREPARING] = {.state = SHIM_PREPARING},
		[FOUND_RUNNING] = {.state = SHIM_RUNNING},
		[FOUND_STOPPING] = {.state = SHIM_STOPPING, .why = SHIM_WHY_STOPPED},
		[FOUND_RESTARTING] = {.state = SHIM_EMPTYING, .why = SHIM_WHY_RESTART},
		[FOUND_UNHEALTHY] = {.state = SHIM_STOPPING, .why = SHIM_WHY_WATCHDOG},
	};
	int64_t at_ms = 1000;

	switch (e) {
	case RUN:
		story_run(s, at_ms);
		break;
	case STOP:
		story_stop(s, at_ms, "");
		break;
	case RESTART:
		story_restart(s, at_ms, "");
		break;
	case SPEC:
		story_spec(s, at_ms, &s->spec);
		break;
	case STARTED:
		story_started(s, at_ms, 99);
		break;
	case SHIM_LOST:
		story_shim_lost(s, at_ms);
		break;
	case NOTIFY:
		story_notify(s, at_ms, (struct shim_notify){.ready = 1, .watchdog = 1}, "");
		break;
	case PROBE_OK:
	case PROBE_BAD:
		story_answer(s, at_ms, HEALTH_LIVENESS, e == PROBE_OK, 1, "");
		break;
	case TICK:
		story_at(s, at_ms);
		story_step(s, &(struct replica_in){.type = REPLICA_IN_TICK}, "tick");
		break;
	default:
		if (e >= FOUND_PREPARING)
			story_adopted(s, at_ms, 99, hellos[e]);
		else
			story_exit(s, at_ms, exits[e]);
		break;
	}
}

/* The state before the event; probes are out, in RUNNING. */
enum cell_state {
	PENDING,
	STARTING,
	RUNNING,
	BACKOFF,
	STOPPING,
	RESTARTING,
	UNHEALTHY,
	STOPPED,
	DONE,
	FAILED,
	CELL_STATE_MAX
};

static void cell_prepare(struct story *s, enum cell_state at)
{
	story_begin(s);
	s->spec.liveness = story_probe(SPEC_PROBE_TCP);
	s->spec.liveness.failures = 1;
	s->spec.restart.limit = at == FAILED ? 1 : 3;
	s->spec.restart.when = at == DONE ? SPEC_ON_FAILURE : SPEC_ALWAYS;
	if (at == STOPPED)
		story_stop(s, 0, "");
	if (at == PENDING || at == STOPPED)
		return;
	story_run(s, 0);
	if (at == STARTING)
		return;
	story_started(s, 0, 41);
	story_tick(s, 0);
	if (at == BACKOFF || at == FAILED || at == DONE)
		story_exited(s, 950, at == DONE ? 0 : 1);
	else if (at == STOPPING)
		story_stop(s, 950, "");
	else if (at == RESTARTING)
		story_restart(s, 950, "");
	else if (at == UNHEALTHY)
		story_answer(s, 950, HEALTH_LIVENESS, false, 1, "");
}

/* The state after it, then what came out of it. */
static void cell(struct trace *t, enum cell_state at, enum cell_event e)
{
	static struct story s;
	char line[256], *p;

	cell_prepare(&s, at);
	s.t.n = 0;
	cell_step(&s, e);
	s.t.v[s.t.n] = '\0';
	(void)replica_dump(&s.r, line, sizeof(line)); /* short */
	line[strcspn(line, ",")] = '\0';
	trace_add(t, "%-18s ", event_names[e]);
	trace_add(t, "%s:", line);
	p = s.t.v;
	while ((p = strstr(p, "-> "))) {
		bool is_event = strncmp(p += 3, "debug", 5) == 0 || strncmp(p, "info", 4) == 0 ||
				strncmp(p, "warning", 7) == 0 || strncmp(p, "error", 5) == 0;

		if (is_event)
			p += strcspn(p, " ") + 1;
		trace_add(t, " %s%.*s", is_event ? "!" : "", (int)strcspn(p, is_event ? ":" : " \n"), p);
	}
	trace_add(t, "\n");
}

static void row(enum cell_state at, const char *expected, int line)
{
	static struct trace t;

	t.n = 0;
	for (int e = 0; e < CELL_EVENT_MAX; e++)
		cell(&t, at, (enum cell_event)e);
	trace_is(&t, expected, __FILE__, line);
}
#define TRACE_IS_ROW(at, expected) row(at, expected, __LINE__)

static void test_pending(void **state)
{
	(void)state;
	TRACE_IS_ROW(PENDING, "run                starting: start\n"
			      "stop               stopped: save !stopped\n"
			      "restart            starting: start\n"
			      "another definition pending:\n"
			      "started            running: !started\n"
			      "exited with 0      backoff until 1100: save !exited\n"
			      "exited with 1      backoff until 1100: save !exited\n"
			      "start failed       backoff until 1100: save !exited\n"
			      "ended by stop      stopped: save !stopped\n"
			      "ended by restart   starting: save start !restarted\n"
			      "ended by health    backoff until 1100: save !exited\n"
			      "fenced             stopped: save !stopped\n"
			      "shim lost          pending:\n"
			      "found preparing    starting: !adopted\n"
			      "found running      running: !adopted\n"
			      "found stopping     stopping: !adopted\n"
			      "found restarting   stopping to start again: !adopted\n"
			      "found unhealthy    stopping to start again: !adopted\n"
			      "notify             pending:\n"
			      "probe ok           pending:\n"
			      "probe bad          pending:\n"
			      "tick               pending:\n");
}

static void test_starting(void **state)
{
	(void)state;
	TRACE_IS_ROW(STARTING, "run                starting:\n"
			       "stop               stopping: stop !stopping\n"
			       "restart            stopping to start again: save stop !restarting\n"
			       "another definition starting:\n"
			       "started            running: !started\n"
			       "exited with 0      backoff until 1100: save !exited\n"
			       "exited with 1      backoff until 1100: save !exited\n"
			       "start failed       backoff until 1100: save !exited\n"
			       "ended by stop      stopped: save !stopped\n"
			       "ended by restart   starting: save start !restarted\n"
			       "ended by health    backoff until 1100: save !exited\n"
			       "fenced             stopped: save !stopped\n"
			       "shim lost          backoff until 1100: save !exited\n"
			       "found preparing    starting:\n"
			       "found running      running: !adopted\n"
			       "found stopping     stopping: !adopted\n"
			       "found restarting   stopping to start again: !adopted\n"
			       "found unhealthy    stopping to start again: !adopted\n"
			       "notify             starting:\n"
			       "probe ok           starting:\n"
			       "probe bad          starting:\n"
			       "tick               starting:\n");
}

static void test_running(void **state)
{
	(void)state;
	TRACE_IS_ROW(RUNNING, "run                running:\n"
			      "stop               stopping: cancel stop !stopping\n"
			      "restart            stopping to start again: save cancel stop !restarting\n"
			      "another definition running:\n"
			      "started            running:\n"
			      "exited with 0      backoff until 1100: save cancel !exited\n"
			      "exited with 1      backoff until 1100: save cancel !exited\n"
			      "start failed       backoff until 1100: save cancel !exited\n"
			      "ended by stop      stopped: cancel save !stopped\n"
			      "ended by restart   starting: save cancel start !restarted\n"
			      "ended by health    backoff until 1100: save cancel !exited\n"
			      "fenced             stopped: cancel save !stopped\n"
			      "shim lost          backoff until 1100: save cancel !exited\n"
			      "found preparing    running:\n"
			      "found running      running:\n"
			      "found stopping     running:\n"
			      "found restarting   running:\n"
			      "found unhealthy    running:\n"
			      "notify             running:\n"
			      "probe ok           running: !healthy\n"
			      "probe bad          stopping to start again: stop !unhealthy\n"
			      "tick               running:\n");
}

static void test_backoff(void **state)
{
	(void)state;
	TRACE_IS_ROW(BACKOFF, "run                starting: save start\n"
			      "stop               stopped: save !stopped\n"
			      "restart            starting: save start\n"
			      "another definition backoff until 1050:\n"
			      "started            running: !started\n"
			      "exited with 0      backoff until 1050: save !exited\n"
			      "exited with 1      backoff until 1050: save !exited\n"
			      "start failed       backoff until 1050: save !exited\n"
			      "ended by stop      backoff until 1050: save !exited\n"
			      "ended by restart   backoff until 1050: save !exited\n"
			      "ended by health    backoff until 1050: save !exited\n"
			      "fenced             backoff until 1050: save !exited\n"
			      "shim lost          backoff until 1050:\n"
			      "found preparing    starting: !adopted\n"
			      "found running      running: !adopted\n"
			      "found stopping     stopping: !adopted\n"
			      "found restarting   stopping to start again: !adopted\n"
			      "found unhealthy    stopping to start again: !adopted\n"
			      "notify             backoff until 1050:\n"
			      "probe ok           backoff until 1050:\n"
			      "probe bad          backoff until 1050:\n"
			      "tick               backoff until 1050:\n");
}

static void test_stopping(void **state)
{
	(void)state;
	TRACE_IS_ROW(STOPPING, "run                stopping to start again:\n"
			       "stop               stopping:\n"
			       "restart            stopping to start again:\n"
			       "another definition stopping:\n"
			       "started            stopping:\n"
			       "exited with 0      stopped: save !stopped\n"
			       "exited with 1      stopped: save !stopped\n"
			       "start failed       stopped: save !stopped\n"
			       "ended by stop      stopped: save !stopped\n"
			       "ended by restart   stopped: save !stopped\n"
			       "ended by health    stopped: save !stopped\n"
			       "fenced             stopped: save !stopped\n"
			       "shim lost          stopped: save !stopped\n"
			       "found preparing    stopping:\n"
			       "found running      stopping:\n"
			       "found stopping     stopping:\n"
			       "found restarting   stopping:\n"
			       "found unhealthy    stopping:\n"
			       "notify             stopping:\n"
			       "probe ok           stopping:\n"
			       "probe bad          stopping:\n"
			       "tick               stopping:\n");
}

static void test_stopping_for_a_restart(void **state)
{
	(void)state;
	TRACE_IS_ROW(RESTARTING, "run                stopping to start again:\n"
				 "stop               stopping:\n"
				 "restart            stopping to start again:\n"
				 "another definition stopping to start again:\n"
				 "started            stopping to start again:\n"
				 "exited with 0      starting: save start !restarted\n"
				 "exited with 1      starting: save start !restarted\n"
				 "start failed       starting: save start !restarted\n"
				 "ended by stop      starting: save start !restarted\n"
				 "ended by restart   starting: save start !restarted\n"
				 "ended by health    starting: save start !restarted\n"
				 "fenced             stopped: save !stopped\n"
				 "shim lost          starting: save start !restarted\n"
				 "found preparing    stopping to start again:\n"
				 "found running      stopping to start again:\n"
				 "found stopping     stopping to start again:\n"
				 "found restarting   stopping to start again:\n"
				 "found unhealthy    stopping to start again:\n"
				 "notify             stopping to start again:\n"
				 "probe ok           stopping to start again:\n"
				 "probe bad          stopping to start again:\n"
				 "tick               stopping to start again:\n");
}

static void test_stopping_because_unhealthy(void **state)
{
	(void)state;
	TRACE_IS_ROW(UNHEALTHY, "run                stopping to start again:\n"
				"stop               stopping:\n"
				"restart            stopping to start again:\n"
				"another definition stopping to start again:\n"
				"started            stopping to start again:\n"
				"exited with 0      backoff until 1100: save !exited\n"
				"exited with 1      backoff until 1100: save !exited\n"
				"start failed       backoff until 1100: save !exited\n"
				"ended by stop      backoff until 1100: save !exited\n"
				"ended by restart   backoff until 1100: save !exited\n"
				"ended by health    backoff until 1100: save !exited\n"
				"fenced             stopped: save !stopped\n"
				"shim lost          backoff until 1100: save !exited\n"
				"found preparing    stopping to start again:\n"
				"found running      stopping to start again:\n"
				"found stopping     stopping to start again:\n"
				"found restarting   stopping to start again:\n"
				"found unhealthy    stopping to start again:\n"
				"notify             stopping to start again:\n"
				"probe ok           stopping to start again:\n"
				"probe bad          stopping to start again:\n"
				"tick               stopping to start again:\n");
}

static void test_stopped(void **state)
{
	(void)state;
	TRACE_IS_ROW(STOPPED, "run                starting: save start\n"
			      "stop               stopped:\n"
			      "restart            starting: save start\n"
			      "another definition stopped:\n"
			      "started            stopping: !started save stop\n"
			      "exited with 0      stopped: save !exited\n"
			      "exited with 1      stopped: save !exited\n"
			      "start failed       stopped: save !exited\n"
			      "ended by stop      stopped: save !exited\n"
			      "ended by restart   stopped: save !exited\n"
			      "ended by health    stopped: save !exited\n"
			      "fenced             stopped: save !exited\n"
			      "shim lost          stopped:\n"
			      "found preparing    stopping: !adopted save stop\n"
			      "found running      stopping: !adopted save stop\n"
			      "found stopping     stopping: !adopted save\n"
			      "found restarting   stopping: !adopted save\n"
			      "found unhealthy    stopping: !adopted save\n"
			      "notify             stopped:\n"
			      "probe ok           stopped:\n"
			      "probe bad          stopped:\n"
			      "tick               stopped:\n");
}

static void test_done(void **state)
{
	(void)state;
	TRACE_IS_ROW(DONE, "run                starting: save start\n"
			   "stop               stopped: save\n"
			   "restart            starting: save start\n"
			   "another definition stopped (done):\n"
			   "started            running: !started save\n"
			   "exited with 0      stopped (done): save !exited\n"
			   "exited with 1      stopped (done): save !exited\n"
			   "start failed       stopped (done): save !exited\n"
			   "ended by stop      stopped (done): save !exited\n"
			   "ended by restart   stopped (done): save !exited\n"
			   "ended by health    stopped (done): save !exited\n"
			   "fenced             stopped (done): save !exited\n"
			   "shim lost          stopped (done):\n"
			   "found preparing    starting: !adopted save\n"
			   "found running      running: !adopted save\n"
			   "found stopping     stopping: !adopted save\n"
			   "found restarting   stopping to start again: !adopted save\n"
			   "found unhealthy    stopping to start again: !adopted save\n"
			   "notify             stopped (done):\n"
			   "probe ok           stopped (done):\n"
			   "probe bad          stopped (done):\n"
			   "tick               stopped (done):\n");
}

static void test_failed(void **state)
{
	(void)state;
	TRACE_IS_ROW(FAILED, "run                starting: save start\n"
			     "stop               stopped: save !stopped\n"
			     "restart            starting: save start\n"
			     "another definition failed:\n"
			     "started            running: !started save\n"
			     "exited with 0      failed: save !exited\n"
			     "exited with 1      failed: save !exited\n"
			     "start failed       failed: save !exited\n"
			     "ended by stop      failed: save !exited\n"
			     "ended by restart   failed: save !exited\n"
			     "ended by health    failed: save !exited\n"
			     "fenced             failed: save !exited\n"
			     "shim lost          failed:\n"
			     "found preparing    starting: !adopted save\n"
			     "found running      running: !adopted save\n"
			     "found stopping     stopping: !adopted save\n"
			     "found restarting   stopping to start again: !adopted save\n"
			     "found unhealthy    stopping to start again: !adopted save\n"
			     "notify             failed:\n"
			     "probe ok           failed:\n"
			     "probe bad          failed:\n"
			     "tick               failed:\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_starting),
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_stopping),
		cmocka_unit_test(test_stopping_for_a_restart),
		cmocka_unit_test(test_stopping_because_unhealthy),
		cmocka_unit_test(test_stopped),
		cmocka_unit_test(test_done),
		cmocka_unit_test(test_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
