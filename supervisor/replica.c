/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of one replica: its table of states, and what it is told (run, stop, restart) in each. What it is found to
 * be (started, adopted) is in replica_found.c; what follows from the end of a run in replica_end.c, from its probes in
 * replica_probe.c; what is only shown of a replica in replica_view.c.
 */
#include "supervisor/replica_impl.h"

#include <stdio.h>

#include "base/sm.h"

#define TO(s) SM_TO(REPLICA_##s)

static const struct sm_state states[] = {
	[REPLICA_PENDING] = {"pending",
		TO(STARTING) | TO(RUNNING) | TO(BACKOFF) | TO(STOPPING) | TO(STOPPED) | TO(FAILED)},
	[REPLICA_STARTING] = {"starting",
		TO(STARTING) | TO(RUNNING) | TO(BACKOFF) | TO(STOPPING) | TO(STOPPED) | TO(FAILED)},
	[REPLICA_RUNNING] = {"running", TO(STARTING) | TO(BACKOFF) | TO(STOPPING) | TO(STOPPED) | TO(FAILED)},
	[REPLICA_BACKOFF] = {"backoff", TO(STARTING) | TO(RUNNING) | TO(STOPPING) | TO(STOPPED)},
	[REPLICA_STOPPING] = {"stopping", TO(STARTING) | TO(BACKOFF) | TO(STOPPED) | TO(FAILED)},
	[REPLICA_STOPPED] = {"stopped", TO(STARTING) | TO(RUNNING) | TO(STOPPING)},
	[REPLICA_FAILED] = {"failed", TO(STARTING) | TO(RUNNING) | TO(STOPPING) | TO(STOPPED)},
	[REPLICA_LOST] = {"lost", 0},
};
_Static_assert(ARRAY_LEN(states) == REPLICA_STATE_MAX, "a row for each state");

const char *replica_state_name(enum replica_state s)
{
	return (unsigned)s < REPLICA_STATE_MAX ? states[s].name : NULL;
}

struct replica_out *replica_emit(struct step *s, enum replica_out_type type)
{
	struct replica_out *out = &s->outs->v[s->outs->n];

	assert(s->outs->n < REPLICA_OUTS_MAX);
	s->outs->n++;
	*out = (struct replica_out){.type = type};
	return out;
}

void replica_event(struct step *s, enum replica_severity severity, const char *kind, const char *fmt, ...)
{
	struct replica_out *out = replica_emit(s, REPLICA_OUT_EVENT);
	va_list ap;

	out->severity = severity;
	out->kind = kind;
	va_start(ap, fmt);
	(void)vsnprintf(out->text, sizeof(out->text), fmt, ap); /* a longer sentence is cut */
	va_end(ap);
}

struct health *replica_probe_of(struct replica *r, enum health_which which)
{
	return which == HEALTH_LIVENESS ? &r->liveness : &r->readiness;
}

void replica_cancel_probe(struct step *s, const struct health *h)
{
	if (!h->asking)
		return;
	s->r->free_by_ms = MAX(s->r->free_by_ms, health_deadline_ms(h)); /* a shim may not know how to call it off */
	replica_emit(s, REPLICA_OUT_PROBE_CANCEL)->which = h->which;
}

void replica_move(struct step *s, enum replica_state to)
{
	struct replica *r = s->r;

	if (to != REPLICA_RUNNING) {
		for (int w = 0; w < HEALTH_WHICH_MAX; w++) {
			struct health *h = replica_probe_of(r, (enum health_which)w);

			replica_cancel_probe(s, h);
			health_stop(h);
		}
	}
	if (to != REPLICA_RUNNING && to != REPLICA_STOPPING) {
		r->pid = 0;
		r->began = false;
		r->unprobed = false;
		r->notify_ready = false;
		r->status[0] = '\0';
	}
	sm_move(states, REPLICA_STATE_MAX, &r->state, (int)to);
	r->since_mono_ms = s->now.mono_ms;
	r->since_wall_ms = s->now.wall_ms;
	r->next_ms = DEADLINE_NEVER;
	r->manual = false;
}

void replica_emit_save(struct step *s)
{
	replica_emit(s, REPLICA_OUT_SAVE);
}

void replica_start(struct step *s)
{
	replica_move(s, REPLICA_STARTING);
	s->r->wanted = true;
	s->r->started_mono_ms = s->now.mono_ms;
	replica_emit(s, REPLICA_OUT_START);
}

/* Nothing of it runs; somebody asked for a start: what was held against it is forgotten. */
static void start_anew(struct step *s)
{
	struct restart_history *h = &s->r->history;

	if (s->r->state != REPLICA_PENDING) {
		restart_forget(h);
		replica_emit_save(s);
	}
	replica_start(s);
}

void replica_stop_run(struct step *s, enum shim_why why, const char *why_text)
{
	struct replica_out *out;

	replica_move(s, REPLICA_STOPPING);
	out = replica_emit(s, REPLICA_OUT_STOP);
	out->signal = s->r->spec->stop_signal;
	out->timeout_ms = s->r->spec->stop_timeout_ms;
	out->why = why;
	(void)snprintf(out->text, SHIM_WHY_TEXT_MAX, "%s", why_text ? why_text : ""); /* cut to what a shim keeps */
}

static void on_run(struct step *s)
{
	struct replica *r = s->r;

	switch (r->state) {
	case REPLICA_PENDING:
	case REPLICA_BACKOFF:
	case REPLICA_STOPPED:
	case REPLICA_FAILED:
		start_anew(s);
		break;
	case REPLICA_STOPPING:
		if (!r->wanted)
			r->manual = true;
		r->wanted = true;
		break;
	default:
		break;
	}
}

static void say_asked(struct step *s, const char *kind, const char *doing)
{
	const char *why = s->in->why_text;

	replica_event(s, SEVERITY_INFO, kind, why && why[0] ? "%s: %s" : "%s", doing, why);
}

static void on_stop(struct step *s)
{
	struct replica *r = s->r;
	bool was_wanted = r->wanted;

	r->wanted = false;
	switch (r->state) {
	case REPLICA_STARTING:
	case REPLICA_RUNNING:
		replica_stop_run(s, s->in->why ? s->in->why : SHIM_WHY_STOPPED, s->in->why_text);
		say_asked(s, "stopping", "stopping");
		break;
	case REPLICA_STOPPING:
		r->manual = false;
		break;
	case REPLICA_PENDING:
	case REPLICA_BACKOFF:
	case REPLICA_FAILED:
		restart_forget(&r->history);
		replica_move(s, REPLICA_STOPPED);
		replica_emit_save(s);
		say_asked(s, "stopped", "stopped");
		break;
	case REPLICA_STOPPED:
		if (was_wanted)
			replica_emit_save(s); /* no longer done */
		break;
	default:
		break;
	}
}

static void on_restart(struct step *s)
{
	struct replica *r = s->r;

	switch (r->state) {
	case REPLICA_STARTING:
	case REPLICA_RUNNING:
		restart_forget(&r->history);
		replica_emit_save(s);
		replica_stop_run(s, s->in->why ? s->in->why : SHIM_WHY_RESTART, s->in->why_text);
		r->manual = true;
		say_asked(s, "restarting", "stopping, to start again");
		break;
	case REPLICA_STOPPING:
		r->wanted = true;
		r->manual = true;
		break;
	case REPLICA_LOST:
		break;
	default:
		start_anew(s);
		break;
	}
}

void replica_step(struct replica *r, const struct replica_in *in, struct now now, struct replica_outs *outs)
{
	static void (*const handlers[])(struct step *) = {
		[REPLICA_IN_RUN] = on_run,
		[REPLICA_IN_STOP] = on_stop,
		[REPLICA_IN_RESTART] = on_restart,
		[REPLICA_IN_SPEC] = replica_on_spec,
		[REPLICA_IN_STARTED] = replica_on_started,
		[REPLICA_IN_EXITED] = replica_on_exited,
		[REPLICA_IN_SHIM_LOST] = replica_on_shim_lost,
		[REPLICA_IN_ADOPTED] = replica_on_adopted,
		[REPLICA_IN_NOTIFY] = replica_on_notify,
		[REPLICA_IN_PROBE] = replica_on_probe,
		[REPLICA_IN_TICK] = replica_on_tick,
	};
	_Static_assert(ARRAY_LEN(handlers) == REPLICA_IN_MAX, "a handler for each event");
	struct step s = {.r = r, .in = in, .now = now, .outs = outs};

	assert((unsigned)in->type < REPLICA_IN_MAX);
	handlers[in->type](&s);
}

void replica_init(struct replica *r, const struct agent_spec *spec, uint64_t seed, struct now now)
{
	*r = (struct replica){.spec = spec,
		.state = REPLICA_PENDING,
		.since_mono_ms = now.mono_ms,
		.since_wall_ms = now.wall_ms,
		.next_ms = DEADLINE_NEVER};
	health_stop(&r->liveness);
	health_stop(&r->readiness);
	r->liveness.which = HEALTH_LIVENESS;
	r->readiness.which = HEALTH_READINESS;
	rng_seed(&r->rng, seed);
}

void replica_restore(struct replica *r, const struct replica_saved *saved)
{
	r->restarts = saved->restarts;
	r->history.tries = MAX(saved->tries, (int64_t)0);
	r->ended_run = saved->ended_run;
	r->last_exit = saved->last_exit;
	if (!saved->failed && !saved->done)
		return;
	sm_move(states, REPLICA_STATE_MAX, &r->state, saved->failed ? REPLICA_FAILED : REPLICA_STOPPED);
	r->wanted = true;
}

void replica_save(const struct replica *r, struct replica_saved *ret)
{
	*ret = (struct replica_saved){.restarts = r->restarts,
		.tries = r->history.tries,
		.ended_run = r->ended_run,
		.failed = r->state == REPLICA_FAILED,
		.done = r->state == REPLICA_STOPPED && r->wanted,
		.last_exit = r->last_exit};
}
