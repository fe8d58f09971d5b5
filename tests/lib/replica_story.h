/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_REPLICA_STORY_H
#define TESTS_LIB_REPLICA_STORY_H
/*
 * One replica, driven event by event, and its trace. After every step replica_check runs. Times are CLOCK_MONOTONIC
 * in ms and may only rise; the wall clock is a million ahead of it, CLOCK_BOOTTIME a thousand.
 */
#include <signal.h>

#include "base/units.h"
#include "supervisor/replica.h"
#include "tests/lib/trace.h"

struct story {
	struct agent_spec spec; /* may be changed before the first event */
	struct replica r;
	struct now now;
	uint64_t run; /* number of the last run ended */
	struct trace t;
	int64_t wall_jump_ms; /* the wall clock is set that much on and back at each step; 0: it is right */
};

/* Always restarted after 100 ms, 200 ms, … 30 s; given up at the third in a minute; TERM, 10 s. */
static inline void story_begin(struct story *s)
{
	memset(s, 0, sizeof(*s));
	s->spec.name = "web";
	s->spec.restart = (struct spec_restart){.when = SPEC_ALWAYS,
		.backoff = SPEC_EXPONENTIAL,
		.initial_ms = 100,
		.max_ms = 30000,
		.limit = 3,
		.within_ms = 60000};
	s->spec.stop_signal = SIGTERM;
	s->spec.stop_timeout_ms = 10000;
	s->now = (struct now){.boot_ms = 1000, .wall_ms = 1000000};
	replica_init(&s->r, &s->spec, 1, s->now);
}

static inline struct spec_probe story_probe(enum spec_probe_kind kind)
{
	return (struct spec_probe){.kind = kind, .every_ms = 2000, .timeout_ms = 1000, .failures = 3, .successes = 1};
}

static inline void story_at(struct story *s, int64_t at_ms)
{
	assert_true(at_ms >= s->now.mono_ms);
	s->now = (struct now){.mono_ms = at_ms, .boot_ms = at_ms + 1000, .wall_ms = at_ms + 1000000 + s->wall_jump_ms};
	s->wall_jump_ms = -s->wall_jump_ms;
}

static inline void story_out(struct story *s, const struct replica_out *o)
{
	static const char *const whys[] = {"none", "stopped", "health", "restart", "update", "watchdog"};
	static const char *const severities[] = {"debug", "info", "warning", "error"};
	static const char *const probes[] = {"liveness", "readiness"};
	char name[UNITS_TEXT_MAX];

	switch (o->type) {
	case REPLICA_OUT_START:
		TRACE_OUT(&s->t, "start");
		break;
	case REPLICA_OUT_STOP:
		TRACE_OUT(&s->t, "stop by %s within %" PRId64 " (%s: %s)",
			replica_signal_name(o->signal, name, sizeof(name)), o->timeout_ms, whys[o->why], o->text);
		break;
	case REPLICA_OUT_PROBE:
		TRACE_OUT(&s->t, "probe %s", probes[o->which]);
		break;
	case REPLICA_OUT_PROBE_CANCEL:
		TRACE_OUT(&s->t, "cancel %s", probes[o->which]);
		break;
	case REPLICA_OUT_SAVE:
		TRACE_OUT(&s->t, "save");
		break;
	default:
		assert_int_equal(o->type, REPLICA_OUT_EVENT);
		TRACE_OUT(&s->t, "%s %s: %s", severities[o->severity], o->kind, o->text);
		break;
	}
}

/* One step, told as `what`. */
static inline void PRINTF_LIKE(3, 4) story_step(struct story *s, const struct replica_in *in, const char *what, ...)
{
	struct replica_outs outs = {0};
	char text[256];
	va_list ap;

	va_start(ap, what);
	(void)vsnprintf(text, sizeof(text), what, ap); /* cut */
	va_end(ap);
	TRACE_EVENT(&s->t, s->now.mono_ms, "%s", text);
	replica_step(&s->r, in, s->now, &outs);
	replica_check(&s->r);
	for (size_t i = 0; i < outs.n; i++)
		story_out(s, &outs.v[i]);
	trace_state(&s->t, replica_dump(&s->r, text, sizeof(text)));
}

static inline void story_run(struct story *s, int64_t at_ms)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_RUN}, "run");
}

static inline void story_stop(struct story *s, int64_t at_ms, const char *why)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_STOP, .why_text = why}, "stop");
}

static inline void story_restart(struct story *s, int64_t at_ms, const char *why)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_RESTART, .why_text = why}, "restart");
}

static inline void story_spec(struct story *s, int64_t at_ms, const struct agent_spec *spec)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_SPEC, .spec = spec}, "another definition");
}

static inline void story_started(struct story *s, int64_t at_ms, int pid)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_STARTED, .pid = pid}, "started, pid %d", pid);
}

/* A record with the next run's number. */
static inline void story_exit(struct story *s, int64_t at_ms, struct shim_exit x)
{
	story_at(s, at_ms);
	if (x.run == 0)
		x.run = ++s->run;
	x.ended_wall_ms = s->now.wall_ms;
	if (x.kind == SHIM_START_FAILED)
		x.ran_ms = 0;
	else if (x.ran_ms == 0)
		x.ran_ms = at_ms - s->r.started_mono_ms;
	story_step(s, &(struct replica_in){.type = REPLICA_IN_EXITED, .exit = &x, .refused_name = "mount"},
		"run %" PRIu64 " ended", x.run);
}

static inline void story_exited(struct story *s, int64_t at_ms, int code)
{
	story_exit(s, at_ms, (struct shim_exit){.kind = SHIM_EXITED, .code = code});
}

static inline void story_killed(struct story *s, int64_t at_ms, int signal)
{
	story_exit(s, at_ms, (struct shim_exit){.kind = SHIM_SIGNALED, .signal = signal});
}

/* The end of a stop that was asked for. */
static inline void story_stopped(struct story *s, int64_t at_ms, enum shim_why why, const char *text)
{
	struct shim_exit x = {.kind = SHIM_SIGNALED, .signal = SIGTERM, .why = why};

	(void)snprintf(x.why_text, sizeof(x.why_text), "%s", text); /* short */
	story_exit(s, at_ms, x);
}

static inline void story_shim_lost(struct story *s, int64_t at_ms)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_SHIM_LOST}, "shim lost");
}

/* A shim that holds its agent's process. */
static inline void story_adopted(struct story *s, int64_t at_ms, int pid, struct shim_hello hello)
{
	story_at(s, at_ms);
	hello.pid = pid;
	hello.pid_start = 5;
	story_step(s, &(struct replica_in){.type = REPLICA_IN_ADOPTED, .pid = pid, .hello = &hello},
		"shim found, pid %d", pid);
}

/* One whose agent has ended: it tells the pid that this one had. */
static inline void story_adopted_ended(struct story *s, int64_t at_ms, int pid, struct shim_hello hello)
{
	story_at(s, at_ms);
	hello.pid = pid;
	hello.state = SHIM_EMPTYING;
	story_step(s, &(struct replica_in){.type = REPLICA_IN_ADOPTED, .pid = pid, .hello = &hello},
		"shim found, pid %d was its agent's", pid);
}

/* One that runs a definition that is not known. */
static inline void story_adopted_other(struct story *s, int64_t at_ms, int pid, enum shim_state state)
{
	const struct shim_hello hello = {.state = state, .pid_start = 5};

	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_ADOPTED, .pid = pid, .hello = &hello, .unprobed = true},
		"shim found, pid %d, of another definition", pid);
}

static inline void story_notify(struct story *s, int64_t at_ms, struct shim_notify n, const char *what)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_NOTIFY, .notify = &n}, "notify %s", what);
}

static inline void story_answer(
	struct story *s, int64_t at_ms, enum health_which which, bool ok, int64_t took_ms, const char *text)
{
	story_at(s, at_ms);
	story_step(s,
		&(struct replica_in){
			.type = REPLICA_IN_PROBE, .which = which, .ok = ok, .took_ms = took_ms, .text = text},
		"%s %s %s", which == HEALTH_LIVENESS ? "liveness" : "readiness", ok ? "answers" : "fails", text);
}

static inline void story_busy(struct story *s, int64_t at_ms, enum health_which which)
{
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_PROBE, .which = which, .busy = true, .text = "no place"},
		"no place for %s", which == HEALTH_LIVENESS ? "liveness" : "readiness");
}

/* Lets time pass: a tick at the next deadline, which must be at at_ms. */
static inline void story_tick(struct story *s, int64_t at_ms)
{
	assert_int_equal(replica_deadline_ms(&s->r), at_ms);
	story_at(s, at_ms);
	story_step(s, &(struct replica_in){.type = REPLICA_IN_TICK}, "tick");
}

/* The same, whenever that is (the pace of probes is jittered). */
static inline void story_next(struct story *s)
{
	story_tick(s, replica_deadline_ms(&s->r));
}

#endif
