/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows when a run has ended: nothing, another run at once or after a wait, or giving up. The counting is
 * restart.c's, the words for the end itself are replica_explain.c's.
 */
#include "supervisor/replica_impl.h"

#include <signal.h>
#include <stdio.h>

#include "base/units.h"

/* Ended well: with 0, or by a signal that asks politely. */
static bool ended_well(const struct agent_spec *spec, const struct replica_exit *x)
{
	if (x->reason == REASON_EXITED)
		return x->code == 0;
	return x->reason == REASON_SIGNAL &&
	       (x->signal == SIGTERM || x->signal == SIGINT || x->signal == SIGHUP || x->signal == SIGPIPE ||
		       (x->signal == spec->stop_signal && x->signal != SIGKILL));
}

/* "exited with code 1 after 3s" */
static const char *end_text(const struct replica_exit *x, int64_t ran_ms, char out[EVENT_TEXT_MAX])
{
	char span[UNITS_TEXT_MAX];

	if (x->reason == REASON_START_FAILED)
		(void)snprintf(out, EVENT_TEXT_MAX, "%.180s", x->text); /* leaves room for what follows */
	else if (x->reason == REASON_HEALTH)
		(void)snprintf(
			out, EVENT_TEXT_MAX, "%.160s; ended after %s", x->text, replica_span(span, ran_ms)); /* cut */
	else
		(void)snprintf(out, EVENT_TEXT_MAX, "%.160s after %s", x->text, replica_span(span, ran_ms)); /* cut */
	return out;
}

/* " (try 3 of 10 in 1m)" */
static const char *tries_text(const struct replica *r, char out[UNITS_TEXT_MAX * 2])
{
	const struct spec_restart *p = &r->spec->restart;
	char within[UNITS_TEXT_MAX];

	if (p->limit > 0 && p->limit <= RESTART_KEPT)
		(void)snprintf(out, UNITS_TEXT_MAX * 2, " (try %zu of %lld in %s)", r->history.n, (long long)p->limit,
			units_duration(within, p->within_ms)); /* fits */
	else
		(void)snprintf(out, UNITS_TEXT_MAX * 2, " (try %lld)", (long long)r->history.tries); /* fits */
	return out;
}

static void start_again(struct step *s, const char *end, bool well, int64_t ran_ms)
{
	struct replica *r = s->r;
	int64_t delay_ms = restart_delay_ms(&r->spec->restart, r->history.tries, ran_ms, &r->rng);
	char tries[UNITS_TEXT_MAX * 2], span[UNITS_TEXT_MAX];
	enum replica_severity severity = well ? SEVERITY_INFO : SEVERITY_WARNING;

	r->restarts++;
	replica_emit_save(s);
	(void)tries_text(r, tries);
	if (delay_ms == 0) {
		replica_start(s);
		replica_event(s, severity, "exited", "%s; starts again now%s", end, tries);
		return;
	}
	replica_move(s, REPLICA_BACKOFF);
	r->next_ms = s->now.mono_ms + delay_ms;
	replica_event(s, severity, "exited", "%s; starts again in %s%s", end, replica_span(span, delay_ms), tries);
}

/* A run ended that was to go on. */
static void decide(struct step *s, int64_t ran_ms)
{
	struct replica *r = s->r;
	const struct spec_restart *p = &r->spec->restart;
	bool well = ended_well(r->spec, &r->last_exit);
	char end[EVENT_TEXT_MAX], within[UNITS_TEXT_MAX];

	r->wanted = true;
	(void)end_text(&r->last_exit, ran_ms, end);
	switch (restart_decide(p, &r->history, well, ran_ms, s->now.mono_ms)) {
	case RESTART_DONE:
		replica_move(s, REPLICA_STOPPED);
		replica_emit_save(s);
		replica_event(s, SEVERITY_INFO, "done", "%s; not started again, as restart.when is %s", end,
			p->when == SPEC_NEVER ? "never" : "on-failure");
		break;
	case RESTART_REFUSED:
		replica_move(s, REPLICA_FAILED);
		replica_emit_save(s);
		replica_event(s, SEVERITY_ERROR, "failed", "%s; not started again, as restart.when is never", end);
		break;
	case RESTART_GIVEN_UP:
		replica_move(s, REPLICA_FAILED);
		replica_emit_save(s);
		replica_event(s, SEVERITY_ERROR, "failed", "%s; given up: ended %lld times in %s", end,
			(long long)p->limit, units_duration(within, p->within_ms));
		break;
	default:
		start_again(s, end, well, ran_ms);
		break;
	}
}

static void rest(struct step *s)
{
	s->r->wanted = false;
	replica_move(s, REPLICA_STOPPED);
	replica_emit_save(s);
	replica_event(s, SEVERITY_INFO, "stopped", "%s", s->r->last_exit.text);
}

static void restart_asked(struct step *s)
{
	replica_emit_save(s);
	replica_start(s);
	replica_event(s, SEVERITY_INFO, "restarted", "%s; starts again now", s->r->last_exit.text);
}

/* last_exit is set; why is what the record says of a stop, in case this daemon did not send it. */
static void run_ended(struct step *s, uint32_t why, int64_t ran_ms)
{
	struct replica *r = s->r;

	switch (r->state) {
	case REPLICA_STOPPING:
		if (!r->wanted || r->last_exit.reason == REASON_FENCED)
			rest(s);
		else if (r->manual)
			restart_asked(s);
		else
			decide(s, ran_ms);
		break;
	case REPLICA_PENDING:
	case REPLICA_STARTING:
	case REPLICA_RUNNING:
		if (why == SHIM_WHY_STOPPED || r->last_exit.reason == REASON_FENCED)
			rest(s);
		else if (why == SHIM_WHY_RESTART || why == SHIM_WHY_UPDATE)
			restart_asked(s);
		else
			decide(s, ran_ms);
		break;
	default: /* of a run that was not known: told, and nothing follows */
		replica_emit_save(s);
		replica_event(s, SEVERITY_WARNING, "exited", "an earlier run: %s", r->last_exit.text);
		break;
	}
}

void replica_on_exited(struct step *s)
{
	const struct shim_exit *x = s->in->exit;
	struct replica *r = s->r;

	if (x->run != 0 && x->run <= r->ended_run)
		return;
	r->ended_run = MAX(x->run, r->ended_run);
	replica_explain_exit(r->spec, x, s->in->refused_name, &r->last_exit);
	run_ended(s, x->why, MAX(x->ran_ms, (int64_t)0));
}

void replica_on_shim_lost(struct step *s)
{
	struct replica *r = s->r;
	struct replica_exit x = {.code = -1, .at_wall_ms = s->now.wall_ms};
	const char *text;

	switch (r->state) {
	case REPLICA_STARTING:
		x.reason = REASON_START_FAILED;
		text = "start failed: its shim ended before the agent ran";
		break;
	case REPLICA_RUNNING:
		x.reason = REASON_SIGNAL;
		x.signal = SIGKILL;
		text = "killed together with its shim";
		break;
	case REPLICA_STOPPING:
		x.reason = REASON_STOPPED;
		text = r->began ? "stopped; its shim ended without a record" : "stopped before it had started";
		break;
	default:
		return;
	}
	(void)snprintf(x.text, sizeof(x.text), "%s", text); /* fits */
	r->last_exit = x;
	run_ended(s, SHIM_WHY_NONE, MAX(s->now.mono_ms - r->started_mono_ms, (int64_t)0));
}
