/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots that leave a node which still runs them: because it drains, or because others are so much emptier. Without a
 * lease the new one starts first, as far as surge allows; with one, or without surge, the old one stops first.
 */
#include "scheduler/decide_impl.h"

/* After one move for the sake of load, the next only when figures have had the time to show it. */
#define EVEN_PAUSE_MS 60000

int64_t decide_joining(const struct decider *d)
{
	int64_t n = 0;

	for (size_t i = 0; i < d->v->n_slots; i++)
		n += d->v->slots[i].extra || sched_is_node(d->v->slots[i].from);
	return n;
}

/* Its place is another's, if there is one. */
static void move_away(struct decider *d, struct sched_slot *s)
{
	struct place_room *r = decide_room_for(d, s, (struct sched_node){0});

	if (!r || decide_spec_of(d, s->version)->leased != s->leased)
		return;
	if (s->leased) {
		if (decide_may_take(d, s))
			decide_stop(d, s, SCHED_WHY_DRAIN);
		return;
	}
	if (decide_is_idle(d, s))
		(void)decide_assign(d, s, r->host->id, false, SCHED_WHY_DRAIN); /* else next time */
	else if (d->surge > 0 && decide_is_known(d, s->version) && decide_joining(d) < d->surge)
		(void)decide_assign(d, s, r->host->id, true, SCHED_WHY_DRAIN);
	else if ((d->surge == 0 || !decide_is_known(d, s->version)) && decide_may_take(d, s))
		(void)decide_assign(d, s, r->host->id, false, SCHED_WHY_DRAIN);
}

void decide_drain(struct decider *d)
{
	for (size_t i = 0; i < d->v->n_slots; i++) {
		struct sched_slot *s = &d->v->slots[i];
		const struct place_room *at = place_room_of(&d->map, s->node);

		if (s->state == SCHED_RUN && !sched_is_node(s->from) && at && at->host->state == SCHED_ALIVE &&
			at->host->draining)
			move_away(d, s);
	}
}

/* All serve where they are, and nothing else is under way. */
static bool is_calm(struct decider *d)
{
	if (d->changed || decide_is_rolling(d) || d->surge == 0)
		return false;
	for (size_t i = 0; i < d->v->n_slots; i++) {
		const struct sched_slot *s = &d->v->slots[i];

		if (s->state != SCHED_RUN || s->leased || sched_is_node(s->from) || !decide_serves_new(d, s))
			return false;
	}
	return true;
}

static bool is_cool(struct decider *d)
{
	const struct sched_cooldown *c = &d->v->cooldowns[SCHED_COOLDOWN_EVEN];
	const struct decide_seen_at *seen = &d->in->memory->cooldowns[SCHED_COOLDOWN_EVEN];
	int64_t until_ms = d->now.mono_ms + c->length_ms;

	if (c->decision == 0)
		return true;
	if (seen->decision == c->decision)
		until_ms = seen->mono_ms + c->length_ms;
	if (until_ms <= d->now.mono_ms)
		return true;
	decide_again_at(d, until_ms);
	return false;
}

/* Two fewer there than here, so that it is fewer afterwards too, and no worse by `spread`. */
static bool is_emptier(const struct decider *d, const struct place_room *to, const struct place_room *at)
{
	uint32_t there = d->map.rooms[to->domain].domain_mine, here = d->map.rooms[at->domain].domain_mine;

	if (to->domain == at->domain)
		return to->mine + 2 <= at->mine;
	if (d->v->now.spec->spread)
		return there + 2 <= here || (there + 1 <= here && to->mine + 2 <= at->mine);
	return to->mine + 2 <= at->mine;
}

void decide_even(struct decider *d)
{
	if (!is_calm(d) || !is_cool(d))
		return;
	for (size_t i = 0; i < d->v->n_slots; i++) {
		struct sched_slot *s = &d->v->slots[i];
		const struct place_room *at = place_room_of(&d->map, s->node);
		struct place_room *to = decide_room_for(d, s, (struct sched_node){0});

		if (!at || !to || !is_emptier(d, to, at) || !decide_assign(d, s, to->host->id, true, SCHED_WHY_EVEN))
			continue;
		d->v->cooldowns[SCHED_COOLDOWN_EVEN] =
			(struct sched_cooldown){.decision = d->d.number, .length_ms = EVEN_PAUSE_MS};
		return;
	}
}
