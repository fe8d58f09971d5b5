/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change to another definition. Slots are changed where they are, one after the other, as long as enough others
 * serve; with surge, slots beyond the desired number run the new one first and carry the load meanwhile. What
 * gets nowhere for `timeout` goes back to the last definition that ran everywhere. A slot that cannot be what it was,
 * for its lease or its node, stops first.
 */
#include <stdio.h>

#include "base/units.h"
#include "scheduler/decide_impl.h"

bool decide_is_rolling(const struct decider *d)
{
	const struct sched_rollout *r = &d->v->rollout;

	if (r->state == SCHED_ROLLOUT_IDLE)
		return false;
	if (r->state != SCHED_ROLLOUT_ROLLED_BACK)
		return true;
	for (size_t i = 0; i < d->v->n_slots; i++) /* gone back, or still going? */
		if (d->v->slots[i].version != d->v->now.version || d->v->slots[i].extra)
			return true;
	return false;
}

static bool is_outdated(const struct decider *d, const struct sched_slot *s)
{
	return s->state == SCHED_RUN && (s->version != d->v->now.version || s->leased != d->v->now.spec->leased);
}

/* Which slots the change is about. */
static bool is_regular(const struct decider *d, const struct sched_slot *s)
{
	return s->number < d->wanted;
}

void decide_go_back(struct decider *d)
{
	struct sched_value *v = d->v;
	struct sched_def bad = v->now;

	assert(v->before.version);
	v->now = v->before;
	v->before = bad;
	v->rollout = (struct sched_rollout){
		.state = SCHED_ROLLOUT_ROLLED_BACK, .from = bad.version, .to = v->now.version, .progress = d->d.number};
	d->changed = true;
}

void decide_timeout(struct decider *d)
{
	struct sched_rollout *r = &d->v->rollout;
	const struct decide_seen_at *seen = &d->in->memory->progress;
	int64_t timeout_ms = d->v->now.spec->timeout_ms, at_ms = d->now.mono_ms + timeout_ms;
	char after[UNITS_TEXT_MAX];

	if (r->state != SCHED_ROLLOUT_RUNNING || d->v->stopped || d->v->removed || timeout_ms <= 0)
		return;
	if (r->progress == d->d.number)
		return; /* it has just begun */
	if (seen->decision == r->progress)
		at_ms = seen->mono_ms + timeout_ms;
	if (at_ms > d->now.mono_ms) {
		decide_again_at(d, at_ms);
		return;
	}
	(void)units_duration(after, timeout_ms);
	if (d->v->now.spec->rollback && d->v->before.version) {
		(void)snprintf(d->d.text, sizeof(d->d.text), "it got no further for %s", after); /* fits */
		decide_go_back(d);
		return;
	}
	(void)snprintf(d->d.text, sizeof(d->d.text), "it got no further for %s, and %s", after,
		d->v->now.spec->rollback ? "there is no version to go back to"
					 : "is not to go back by itself"); /* fits */
	r->state = SCHED_ROLLOUT_FAILED;
	d->changed = true;
}

/* Elsewhere, by the new definition. */
static struct place_room *room_for_new(struct decider *d, const struct sched_slot *s)
{
	struct sched_slot new = *s;

	new.version = d->v->now.version;
	return decide_room_for(d, &new, (struct sched_node){0});
}

/* In place if it may be there; else where it may, and first it stops. */
static void change(struct decider *d, struct sched_slot *s)
{
	const struct sched_spec *spec = d->v->now.spec;
	const struct place_room *at = place_room_of(&d->map, s->node);
	struct place_room *to = NULL;
	enum place_fault fault;

	fault = at ? place_lacks(at, spec, &s->reserve, NULL) : PLACE_AWAY;
	if (s->leased != spec->leased) {
		if (((at && place_fault(at, spec, &s->reserve, NULL) == PLACE_FITS) || room_for_new(d, s)) &&
			decide_may_take(d, s))
			decide_stop(d, s, SCHED_WHY_LEASE); /* where it goes next it is of the new version */
		return;
	}
	if (fault == PLACE_FITS) {
		if (decide_may_take(d, s))
			decide_update(d, s, d->v->now.version);
		return;
	}
	to = room_for_new(d, s);
	if (!to || !decide_may_take(d, s))
		return;
	if (s->leased) {
		decide_stop(d, s, SCHED_WHY_UNFIT);
		return;
	}
	decide_set_version(d, s, d->v->now.version);
	(void)decide_assign(d, s, to->host->id, false, SCHED_WHY_UNFIT); /* else it is changed where it is */
}

static void change_outdated(struct decider *d, struct sched_slot *s)
{
	enum sched_why why;

	if (!is_outdated(d, s) || (s->extra && d->v->now.spec->leased))
		return;
	if (!sched_is_node(s->from))
		change(d, s);
	else if (decide_fate_of(d, s->node, false, &why) == DECIDE_LOST && decide_may_take(d, s))
		decide_stop(d, s, SCHED_WHY_VERSION); /* it will never have moved: it begins anew */
}

static int64_t outdated(const struct decider *d)
{
	int64_t n = 0;

	for (size_t i = 0; i < d->v->n_slots; i++)
		n += is_regular(d, &d->v->slots[i]) && is_outdated(d, &d->v->slots[i]);
	return n;
}

static int64_t extras(const struct decider *d)
{
	int64_t n = 0;

	for (size_t i = 0; i < d->v->n_slots; i++)
		n += d->v->slots[i].extra;
	return n;
}

/* As many as there are old ones, at most `surge`, beside those that move. One that finds no place is not begun. */
static void add_extras(struct decider *d, int64_t old)
{
	for (uint32_t number = (uint32_t)d->wanted; extras(d) < MIN(old, d->surge) && decide_joining(d) < d->surge;
		number++) {
		struct sched_slot *s;
		struct place_room *r;

		if (number >= d->v->cap_slots)
			return;
		if (sched_slot_of(d->v, number))
			continue;
		s = sched_slot_add(d->v, number);
		if (!s)
			return;
		s->version = d->v->now.version;
		s->extra = true;
		r = decide_room_for(d, s, (struct sched_node){0});
		if (!r || !decide_assign(d, s, r->host->id, false, SCHED_WHY_VERSION)) {
			sched_slot_drop(d->v, s);
			return;
		}
		d->rolled = true;
	}
}

/* One that was placed when leases had come: it stops first, and is surplus from then on. */
static void drop_extra(struct decider *d, struct sched_slot *s)
{
	enum sched_why why;

	if (s->state != SCHED_RUN || !s->leased || decide_fate_of(d, s->node, true, &why) == DECIDE_LOST) {
		decide_drop(d, s, SCHED_WHY_VERSION);
		return;
	}
	s->extra = false;
	decide_stop(d, s, SCHED_WHY_VERSION);
}

/* More than there are old ones: they go, as far as the others carry the load. */
static void drop_extras(struct decider *d, int64_t old)
{
	for (size_t i = d->v->n_slots; i-- > 0 && extras(d) > MIN(old, d->surge);) {
		struct sched_slot *s = &d->v->slots[i];

		if (s->extra && !sched_is_node(s->from) && decide_may_take(d, s))
			drop_extra(d, s);
	}
}

/* Each runs the new one, and serves or could not be anywhere. */
static bool is_done(struct decider *d)
{
	for (size_t i = 0; i < d->v->n_slots; i++) {
		const struct sched_slot *s = &d->v->slots[i];
		enum sched_why why;

		if (!is_regular(d, s) || s->state == SCHED_PENDING)
			continue;
		if (s->state == SCHED_STOP || s->version != d->v->now.version || is_outdated(d, s))
			return false;
		if (!decide_serves_new(d, s) && decide_fate_of(d, s->node, s->leased, &why) != DECIDE_LOST)
			return false;
	}
	return true;
}

static void finish(struct decider *d)
{
	if (d->v->rollout.state != SCHED_ROLLOUT_RUNNING || !is_done(d))
		return;
	d->v->rollout.state = SCHED_ROLLOUT_IDLE;
	d->changed = true;
}

void decide_roll(struct decider *d)
{
	struct sched_rollout *r = &d->v->rollout;
	int64_t old = outdated(d);

	if (r->state == SCHED_ROLLOUT_PAUSED || r->state == SCHED_ROLLOUT_FAILED)
		return;
	if (r->state != SCHED_ROLLOUT_IDLE) {
		add_extras(d, old);
		drop_extras(d, old); /* rather than change them */
		for (size_t i = 0; i < d->v->n_slots; i++)
			change_outdated(d, &d->v->slots[i]);
		old = outdated(d);
	}
	drop_extras(d, old);
	finish(d);
	if (d->rolled)
		r->progress = d->d.number;
}
