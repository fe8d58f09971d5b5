/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a running replica is: when its probes are asked, what their answers and sd_notify's messages mean for it. A
 * probe's verdict is health.c's.
 */
#include "supervisor/replica_impl.h"

#include <stdio.h>

static const char *const probe_names[] = {[HEALTH_LIVENESS] = "liveness", [HEALTH_READINESS] = "readiness"};
_Static_assert(ARRAY_LEN(probe_names) == HEALTH_WHICH_MAX, "a name for each probe");

const struct spec_probe *replica_probe_spec(const struct replica *r, enum health_which which)
{
	static const struct spec_probe none = {.kind = SPEC_PROBE_NONE};

	if (r->unprobed)
		return &none;
	return which == HEALTH_LIVENESS ? &r->spec->liveness : &r->spec->readiness;
}

/* Liveness failed: stopped, then started again as after a failed run. */
static void unhealthy(struct step *s)
{
	const struct health *h = &s->r->liveness;
	bool watchdog = h->probe->kind == SPEC_PROBE_NOTIFY;
	char text[SHIM_WHY_TEXT_MAX];

	if (watchdog)
		(void)snprintf(text, sizeof(text), "%s", h->text); /* fits */
	else
		(void)snprintf(text, sizeof(text), "liveness probe failed %lld time%s: %s", (long long)h->failed_in_row,
			h->failed_in_row == 1 ? "" : "s", h->text); /* cut */
	replica_stop_run(s, watchdog ? SHIM_WHY_WATCHDOG : SHIM_WHY_HEALTH, text);
	replica_event(s, SEVERITY_WARNING, "unhealthy", "%s; stopping it", text);
}

/* The level of a probe has changed. */
static void level_changed(struct step *s, const struct health *h, enum health_level was)
{
	const char *name = probe_names[h->which];

	switch (h->level) {
	case HEALTH_HEALTHY:
		if (h->which == HEALTH_READINESS && was != HEALTH_DEGRADED)
			replica_event(s, SEVERITY_INFO, "ready", "ready");
		else
			replica_event(s, was == HEALTH_UNKNOWN ? SEVERITY_DEBUG : SEVERITY_INFO, "healthy",
				"%s: healthy", name);
		break;
	case HEALTH_DEGRADED:
		if (h->which == HEALTH_READINESS && was != HEALTH_HEALTHY)
			replica_event(s, SEVERITY_INFO, "ready", "ready, but degraded: %s", h->text);
		else
			replica_event(s, SEVERITY_INFO, "degraded", "%s: degraded: %s", name, h->text);
		break;
	case HEALTH_UNHEALTHY:
		if (h->which == HEALTH_LIVENESS)
			unhealthy(s);
		else
			replica_event(s, SEVERITY_WARNING, "unready", "not ready: %s", h->text);
		break;
	default:
		break;
	}
}

void replica_arm_notify(struct step *s)
{
	struct replica *r = s->r;
	enum health_level was = r->readiness.level;

	if (r->notify_ready || r->spec->readiness.kind != SPEC_PROBE_NOTIFY)
		(void)health_watch(&r->liveness, false, s->now.mono_ms); /* arming changes no level */
	if (r->notify_ready && health_ready(&r->readiness, true))
		level_changed(s, &r->readiness, was);
}

static void notify_running(struct step *s)
{
	const struct shim_notify *n = s->in->notify;
	struct health *ready = &s->r->readiness, *live = &s->r->liveness;
	enum health_level was_ready = ready->level, was_live = live->level;

	if (n->stopping && health_ready(ready, false))
		level_changed(s, ready, was_ready);
	else if (n->ready)
		replica_arm_notify(s);
	if (n->watchdog && health_watch(live, true, s->now.mono_ms))
		level_changed(s, live, was_live);
}

void replica_on_notify(struct step *s)
{
	const struct shim_notify *n = s->in->notify;
	struct replica *r = s->r;

	if (r->state != REPLICA_STARTING && r->state != REPLICA_RUNNING && r->state != REPLICA_STOPPING)
		return;
	if (n->status[0])
		health_copy_text(r->status, sizeof(r->status), n->status);
	if (n->ready || n->stopping)
		r->notify_ready = !n->stopping;
	if (r->state == REPLICA_RUNNING)
		notify_running(s);
}

void replica_on_spec(struct step *s)
{
	struct replica *r = s->r;

	r->spec = s->in->spec;
	r->unprobed = false; /* a definition that is handed to what runs is the one that runs, or it restarts at once */
	for (int w = 0; w < HEALTH_WHICH_MAX; w++) {
		enum health_which which = (enum health_which)w;
		struct health *h = replica_probe_of(r, which), was = *h;

		if (!health_respec(h, replica_probe_spec(r, which), s->now.mono_ms))
			continue;
		replica_cancel_probe(s, &was);
		replica_arm_notify(s);
	}
}

void replica_on_probe(struct step *s)
{
	struct replica *r = s->r;
	struct health *h = replica_probe_of(r, s->in->which);
	enum health_level was = h->level;

	if (r->state != REPLICA_RUNNING || !h->asking)
		return;
	if (s->in->busy && s->now.mono_ms < r->free_by_ms) {
		health_not_asked(h, s->now.mono_ms); /* that others take its place says nothing about the agent */
		return;
	}
	if (!s->in->busy) /* what its command left behind may take its place a while longer */
		r->free_by_ms = MAX(r->free_by_ms, s->now.mono_ms + HEALTH_ANSWER_GRACE_MS);
	if (health_answer(h, s->in->ok, s->in->took_ms, s->in->text, s->now.mono_ms))
		level_changed(s, h, was);
}

static void tick_probe(struct step *s, enum health_which which)
{
	struct health *h = replica_probe_of(s->r, which);
	enum health_level was = h->level;

	if (health_is_overdue(h, s->now.mono_ms)) {
		replica_cancel_probe(s, h);
		if (health_overdue(h, s->now.mono_ms))
			level_changed(s, h, was);
	}
	if (health_is_due(h, s->now.mono_ms)) {
		health_asked(h, rng_below(&s->r->rng, HEALTH_JITTER_MAX), s->now.mono_ms);
		replica_emit(s, REPLICA_OUT_PROBE)->which = which;
	}
}

void replica_on_tick(struct step *s)
{
	if (s->r->state == REPLICA_BACKOFF && s->now.mono_ms >= s->r->next_ms) {
		replica_start(s);
		return;
	}
	tick_probe(s, HEALTH_LIVENESS); /* may stop it: then there is nothing to ask */
	tick_probe(s, HEALTH_READINESS);
}
