/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots and their owners: owners that are lost, moves and stops that are done, slots too many, slots that are missing
 * or nobody's.
 */
#include <stdio.h>
#include <string.h>

#include "scheduler/decide_impl.h"

static bool is_wanted(const struct decider *d, const struct sched_slot *s)
{
	return s->number < d->wanted || (s->extra && d->wanted > 0 && !d->v->stopped);
}

/* A dead owner keeps what nobody else can take: it may come back. One that is gone for ever does not. */
static void leave_lost(struct decider *d, struct sched_slot *s, enum sched_why why)
{
	struct place_room *r;

	if (d->v->stopped || !is_wanted(d, s))
		return; /* what is surplus goes in any case, what is stopped may stay there */
	r = decide_room_for(d, s, (struct sched_node){0});
	if (r && decide_spec_of(d, s->version)->leased == s->leased && decide_assign(d, s, r->host->id, false, why))
		return;
	if (why == SCHED_WHY_LEFT || why == SCHED_WHY_FORGOTTEN || why == SCHED_WHY_UNKNOWN)
		decide_pend(d, s, why);
}

/* It may stay where it is, as far as that node goes. */
static bool from_suits(const struct decider *d, const struct sched_slot *s)
{
	const struct place_room *r = place_room_of(&d->map, s->from);

	return r && place_fault(r, decide_spec_of(d, s->version), &s->reserve, NULL) == PLACE_FITS;
}

/*
 * It has two: from goes when node is ready, or when from is lost; another node is found when that one is. Where none
 * is, and from may stay, or none can be, since nobody has the definition any more, or it is to run as something else,
 * from goes on alone: decide_roll sees to it.
 */
static void settle_moving(struct decider *d, struct sched_slot *s)
{
	bool joins = decide_is_known(d, s->version) && !decide_spec_of(d, s->version)->leased, lost;
	enum sched_why why;
	const struct place_room *at = place_room_of(&d->map, s->node);
	struct place_room *other;

	if (decide_fate_of(d, s->from, false, &why) == DECIDE_LOST) {
		decide_release(d, s, why);
		return;
	}
	if (decide_serves_new(d, s)) {
		decide_release(d, s, SCHED_WHY_READY);
		d->rolled |= s->extra;
		return;
	}
	lost = decide_fate_of(d, s->node, false, &why) == DECIDE_LOST;
	if (!lost && decide_never_begins(d, s)) {
		lost = true;
		why = SCHED_WHY_VERSION;
	}
	if (!lost && (!at || !at->host->draining))
		return;
	if (!lost)
		why = SCHED_WHY_DRAIN;
	other = joins ? decide_room_for(d, s, (struct sched_node){0}) : NULL;
	if (lost && (!joins || (!other && from_suits(d, s))))
		decide_go_on(d, s, why);
	else if (other)
		(void)decide_assign(d, s, other->host->id, false, why); /* no room to remember: it stays as it is */
}

static void settle_stopped(struct decider *d, struct sched_slot *s)
{
	enum sched_why why;
	bool lost = decide_fate_of(d, s->node, s->leased, &why) == DECIDE_LOST;

	if (d->v->stopped && is_wanted(d, s)) {
		if (why == SCHED_WHY_LEFT || why == SCHED_WHY_FORGOTTEN)
			decide_pend(d, s, why);
		return; /* started again, it finds its place */
	}
	if (!lost && !decide_has_stopped(d, s) && (s->leased || s->why != SCHED_WHY_STOPPED))
		return;
	/* Where it is to go, if anywhere, for the reason that it had to stop; else it is just wanted again. */
	if (s->why != SCHED_WHY_DRAIN && s->why != SCHED_WHY_UNFIT && s->why != SCHED_WHY_LEASE)
		s->why = SCHED_WHY_WANTED;
	decide_pend(d, s, s->why);
}

static void settle_owners(struct decider *d)
{
	enum sched_why why;

	for (size_t i = 0; i < d->v->n_slots; i++) {
		struct sched_slot *s = &d->v->slots[i];

		if (s->state == SCHED_STOP)
			settle_stopped(d, s);
		if (s->state != SCHED_RUN)
			continue;
		if (sched_is_node(s->from))
			settle_moving(d, s);
		else if (decide_fate_of(d, s->node, s->leased, &why) == DECIDE_LOST)
			leave_lost(d, s, why);
	}
}

static void settle_surplus(struct decider *d)
{
	enum sched_why why = d->v->removed ? SCHED_WHY_REMOVED : SCHED_WHY_SURPLUS, lost;

	for (size_t i = d->v->n_slots; i-- > 0;) {
		struct sched_slot *s = &d->v->slots[i];

		if (s->number < d->wanted)
			s->extra = false;
		if (is_wanted(d, s) && d->v->stopped && s->state == SCHED_RUN)
			decide_stop(d, s, SCHED_WHY_STOPPED);
		if (is_wanted(d, s))
			continue;
		if (s->state == SCHED_RUN && s->leased && decide_fate_of(d, s->node, true, &lost) != DECIDE_LOST)
			decide_stop(d, s, why);
		else if (s->state == SCHED_RUN || s->state == SCHED_PENDING)
			decide_drop(d, s, why);
		else if (!s->leased)
			decide_drop(d, s, why); /* what it may still run is remembered */
	}
}

static void pend(struct decider *d, struct sched_slot *s, bool is_new)
{
	struct sched_node held;
	char name[SCHED_NAME_TEXT_MAX];
	struct place_ask ask = {.spec = decide_spec_of(d, s->version), .number = s->number};

	if (!is_new && !d->changed)
		return; /* it was so before */
	if (d->d.text[0] == '\0' && ask.spec->leased && decide_held_by(d, s->number, &held))
		(void)snprintf(d->d.text, sizeof(d->d.text), "slot %u is pending: may still run on %s",
			(unsigned)s->number, sched_name_of(d->in->view, held, name)); /* fits */
	else if (d->d.text[0] == '\0') {
		char text[SCHED_TEXT_MAX - 32];

		(void)snprintf(d->d.text, sizeof(d->d.text), "slot %u is pending: %s", (unsigned)s->number,
			place_why(&d->map, &ask, text, sizeof(text))); /* the text is shorter */
	}
	if (is_new)
		decide_step_add(d, SCHED_STEP_PEND, s->why, s, s->last);
}

/* A change that goes on no further: what it has not come to stays as it was. */
static bool is_halted(const struct decider *d)
{
	return d->v->rollout.state == SCHED_ROLLOUT_PAUSED || d->v->rollout.state == SCHED_ROLLOUT_FAILED;
}

static void place(struct decider *d, struct sched_slot *s, bool is_new)
{
	struct sched_node held;
	struct place_room *r = NULL;
	enum sched_why why = s->why == SCHED_WHY_NONE ? SCHED_WHY_WANTED : s->why;

	if (!is_halted(d) || s->version != d->v->before.version)
		s->version = d->v->now.version;
	if (!decide_spec_of(d, s->version)->leased || !decide_held_by(d, s->number, &held))
		r = is_new && d->in->event->adopt ? place_room_of(&d->map, d->in->self)
						  : decide_room_for(d, s, s->last);
	if (!r || !decide_assign(d, s, r->host->id, false, why))
		pend(d, s, is_new);
}

static bool was_pending(const struct decider *d, uint32_t number)
{
	const struct sched_slot *s = sched_slot_of(d->in->was, number);

	return s && s->state == SCHED_PENDING;
}

static void settle_missing(struct decider *d)
{
	if (d->v->stopped)
		return;
	for (uint32_t i = 0; i < d->wanted; i++) {
		struct sched_slot *s = sched_slot_of(d->v, i);
		bool is_new = !was_pending(d, i);

		if (!s) {
			s = sched_slot_add(d->v, i);
			if (!s)
				return; /* full: looked at before a number is desired */
			s->version = d->v->now.version;
			s->why = SCHED_WHY_WANTED;
			d->changed = true;
		}
		if (s->state == SCHED_PENDING)
			place(d, s, is_new);
	}
	for (size_t i = 0; i < d->v->n_slots; i++) {
		struct sched_slot *s = &d->v->slots[i];

		if (s->number >= d->wanted && s->state == SCHED_PENDING)
			place(d, s, !was_pending(d, s->number));
	}
}

/* What the bounds of a change are, of so many as are desired. */
static void count_bounds(struct decider *d)
{
	const struct sched_spec *spec = d->v->now.spec;
	int64_t room = (int64_t)d->v->cap_slots - d->v->desired;

	d->wanted = decide_wanted(d->v);
	d->surge = spec->leased ? 0 : MIN(MAX(sched_share_of(spec->surge, d->wanted, true), (int64_t)0), room);
	d->unavailable = MAX(sched_share_of(spec->unavailable, d->wanted, false), (int64_t)0);
	if (d->surge == 0 && d->unavailable == 0)
		d->unavailable = 1;
}

void decide_settle(struct decider *d)
{
	decide_timeout(d);
	count_bounds(d);
	settle_owners(d);
	settle_surplus(d);
	settle_missing(d);
	decide_count_spare(d);
	if (!d->v->stopped) {
		decide_drain(d);
		decide_roll(d);
		decide_even(d);
	}
}
