/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent's replicas on this node should do next. Three passes of thought in one walk over the slots:
 * those that are not wanted go (or, of a stopped agent, rest); those that are wanted come, once what they
 * depend on is ready; then a changed definition is rolled through those that run an older one.
 *
 * Rolling: a slot is *down* when it is wanted and does not serve; of the newest definition it must have
 * served for min_healthy. Serving replicas are replaced while fewer than `unavailable` (at least one) are
 * down, so a newer definition that never gets ready stops the change at the first. Old ones that are down
 * anyway are replaced at once: that costs nobody anything. Surge is left to the cluster's scheduler.
 */
#include "supervisor/plan_impl.h"

void plan_push(struct planner *p, enum plan_move_type type, int64_t slot, const char *why)
{
	struct plan_moves *m = p->ret;

	if (m->n == m->cap) {
		m->more = true;
		return;
	}
	m->v[m->n++] = (struct plan_move){.type = type, .slot = (int)slot, .why = why};
}

static bool is_at_rest(const struct plan_slot *s)
{
	return s->state == REPLICA_PENDING || s->state == REPLICA_STOPPED || s->state == REPLICA_FAILED;
}

void plan_retire(struct planner *p, const struct plan_slot *s, const char *why)
{
	if (!s->exists)
		return;
	if (is_at_rest(s))
		plan_push(p, PLAN_FORGET, s->slot, why);
	else if (s->wanted)
		plan_push(p, PLAN_STOP, s->slot, why);
}

void plan_halt(struct planner *p, const struct plan_slot *s, const char *why)
{
	if (!s->exists)
		plan_push(p, PLAN_CREATE, s->slot, "wanted");
	if (s->wanted || s->state == REPLICA_PENDING)
		plan_push(p, PLAN_STOP, s->slot, why);
}

void plan_want(struct planner *p, const struct plan_slot *s)
{
	if (!s->exists)
		plan_push(p, PLAN_CREATE, s->slot, "wanted");
	if (!s->wanted && p->view->deps_ready)
		plan_push(p, PLAN_RUN, s->slot, "wanted");
}

/* Wanted here, told so, and no stopped one among them. */
static bool takes_part(const struct planner *p, size_t i)
{
	return (int64_t)i < p->view->desired && !p->view->slots[i].held;
}

static bool is_outdated(const struct plan_slot *s)
{
	return s->exists && s->wanted && !s->current;
}

static bool is_done(const struct plan_slot *s)
{
	return s->state == REPLICA_STOPPED && s->wanted;
}

/* When a slot of the newest definition has served long enough. */
static int64_t settled_ms(const struct planner *p, const struct plan_slot *s)
{
	return s->ready_since_ms + p->view->spec->update.min_healthy_ms;
}

static bool is_down(const struct planner *p, const struct plan_slot *s)
{
	if (s->exists && is_done(s))
		return false;
	if (!s->exists || !s->ready)
		return true;
	return s->current && p->now_ms < settled_ms(p, s);
}

/* How many replicas a change may take down at one time. */
static int64_t unavailable_max(const struct plan_view *v)
{
	struct spec_share s = v->spec->update.unavailable;
	int64_t n = s.is_percent ? v->desired * s.n / 100 : s.n;

	return MAX(n, (int64_t)1);
}

/* How many more serving replicas may be taken down. Sets when to look again for those that are settling. */
static int64_t budget(struct planner *p)
{
	const struct plan_view *v = p->view;
	int64_t down = MAX(v->desired - (int64_t)v->n_slots, (int64_t)0);

	for (size_t i = 0; i < v->n_slots; i++) {
		const struct plan_slot *s = &v->slots[i];

		if (!takes_part(p, i) || !is_down(p, s))
			continue;
		down++;
		if (s->exists && s->ready && s->current)
			p->ret->again_ms = MIN(p->ret->again_ms, settled_ms(p, s));
	}
	return unavailable_max(v) - down;
}

static void roll(struct planner *p)
{
	const struct plan_view *v = p->view;
	int64_t may = budget(p), outdated = 0;

	for (size_t i = 0; i < v->n_slots; i++) {
		const struct plan_slot *s = &v->slots[i];

		if (!takes_part(p, i) || !is_outdated(s))
			continue;
		outdated++;
		if (is_down(p, s) || is_done(s) || may-- > 0)
			plan_push(p, PLAN_REPLACE, s->slot, "its definition has changed");
	}
	if (outdated == 0)
		p->ret->again_ms = DEADLINE_NEVER;
}

void plan_agent(const struct plan_view *view, struct now now, struct plan_moves *ret)
{
	struct planner p = {.view = view, .ret = ret, .now_ms = now.mono_ms};
	int64_t n = MAX((int64_t)view->n_slots, view->desired);

	assert(view->desired >= 0 && view->desired <= REPLICAS_MAX && view->n_slots <= REPLICAS_MAX);
	ret->n = 0;
	ret->more = false;
	ret->again_ms = DEADLINE_NEVER;
	for (int64_t i = 0; i < n && !ret->more; i++) {
		struct plan_slot s = {.slot = (int)i};

		if (i < (int64_t)view->n_slots)
			s = view->slots[i];
		assert(s.slot == (int)i);
		if (view->removed)
			plan_retire(&p, &s, "removed");
		else if (i >= view->desired)
			plan_retire(&p, &s, "scaled down");
		else if (view->stopped || s.held)
			plan_halt(&p, &s, view->stopped ? "the agent is stopped" : "stopped by an operator");
		else
			plan_want(&p, &s);
	}
	if (!view->removed && !view->stopped && !view->paused)
		roll(&p);
}
