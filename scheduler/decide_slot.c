/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known of one slot, and the ways in which it may be changed.
 */
#include "scheduler/decide_impl.h"

int64_t decide_wanted(const struct sched_value *v)
{
	if (v->removed || v->now.spec->kind == SCHED_EVERY_NODE)
		return 0;
	return v->now.spec->kind == SCHED_SINGLETON ? MIN(v->desired, (int64_t)1) : v->desired;
}

void decide_again_at(struct decider *d, int64_t mono_ms)
{
	d->again_ms = MIN(d->again_ms, mono_ms);
}

const struct sched_spec *decide_spec_of(const struct decider *d, uint32_t version)
{
	return version == d->v->before.version && d->v->before.spec ? d->v->before.spec : d->v->now.spec;
}

bool decide_is_known(const struct decider *d, uint32_t version)
{
	return version == d->v->now.version || version == d->v->before.version;
}

/* Its daemon is down and its host is up: the shims still run the work, and with a lease that ends by itself. */
static enum decide_fate fate_of_dead(
	struct decider *d, const struct sched_host *h, bool leased, enum sched_why *ret_why)
{
	int64_t left = d->v->now.spec->failover_grace_ms - h->state_for_ms;

	*ret_why = !h->host_up ? SCHED_WHY_SILENT : leased ? SCHED_WHY_DEAD : SCHED_WHY_HOST_UP;
	if (!h->host_up || leased || left <= 0)
		return DECIDE_LOST;
	decide_again_at(d, d->now.mono_ms + left);
	return DECIDE_UNSURE;
}

enum decide_fate decide_fate_of(struct decider *d, struct sched_node node, bool leased, enum sched_why *ret_why)
{
	const struct place_room *r = place_room_of(&d->map, node);

	*ret_why = SCHED_WHY_NONE;
	if (!r && d->era)
		*ret_why = SCHED_WHY_UNKNOWN;
	if (!r)
		return d->era ? DECIDE_LOST : DECIDE_UNSURE;
	switch (r->host->state) {
	case SCHED_ALIVE:
		return DECIDE_WELL;
	case SCHED_DEAD:
		return fate_of_dead(d, r->host, leased, ret_why);
	case SCHED_LEFT:
		*ret_why = SCHED_WHY_LEFT;
		return DECIDE_LOST;
	case SCHED_FORGOTTEN:
		*ret_why = SCHED_WHY_FORGOTTEN;
		return DECIDE_LOST;
	default:
		return DECIDE_UNSURE;
	}
}

/* What the owner says of it at this epoch. Of a host that is not alive or suspect it is no news. */
static const struct sched_report *report_of(const struct decider *d, const struct sched_slot *s, bool from)
{
	const struct sched_report *r;
	const struct place_room *room = place_room_of(&d->map, from ? s->from : s->node);

	if (s->number >= d->n_reports || !room || room->host->state > SCHED_SUSPECT)
		return NULL;
	r = from ? d->reports[s->number].from : d->reports[s->number].node;
	if (!r || r->epoch != (from ? s->from_epoch : s->epoch) || !sched_same_node(r->node, from ? s->from : s->node))
		return NULL;
	return r;
}

/*
 * At a version that nobody has the definition of any more it goes on as it is; where that is alike to a later one it is
 * told under that number; after an undo the one that is to run has a lower number.
 */
static bool runs_what_is_asked(const struct decider *d, const struct sched_slot *s, const struct sched_report *r)
{
	return r->version == s->version ||
	       (!decide_is_known(d, s->version) && (r->version > s->version || r->version == d->v->now.version));
}

bool decide_serves_new(struct decider *d, const struct sched_slot *s)
{
	const struct sched_report *r = s->state == SCHED_RUN ? report_of(d, s, false) : NULL;
	int64_t left;

	if (!r || !r->ready || !runs_what_is_asked(d, s, r))
		return false;
	left = decide_spec_of(d, s->version)->min_healthy_ms - r->ready_for_ms;
	if (left > 0)
		decide_again_at(d, d->now.mono_ms + left);
	return left <= 0;
}

bool decide_serves(struct decider *d, const struct sched_slot *s)
{
	const struct sched_report *r = sched_is_node(s->from) ? report_of(d, s, true) : NULL;

	return (r && r->ready) || decide_serves_new(d, s);
}

/* It knows the decision, and has nothing of that epoch. */
static bool node_has_stopped(const struct decider *d, struct sched_node node, uint64_t decision)
{
	const struct place_room *r = place_room_of(&d->map, node);

	if (!r)
		return false;
	return r->host->state == SCHED_LEFT || r->host->state == SCHED_FORGOTTEN || r->host->knows >= decision;
}

bool decide_has_stopped(const struct decider *d, const struct sched_slot *s)
{
	const struct sched_report *r = s->number < d->n_reports ? d->reports[s->number].node : NULL;
	const struct place_room *room = place_room_of(&d->map, s->node);

	if (room && (room->host->state == SCHED_LEFT || room->host->state == SCHED_FORGOTTEN))
		return true;
	return node_has_stopped(d, s->node, s->decision) && !(r && r->up && r->epoch == s->epoch);
}

/* It has not begun, and of a version that nobody has the definition of any more it never will. */
bool decide_never_begins(const struct decider *d, const struct sched_slot *s)
{
	return s->state == SCHED_RUN && !decide_is_known(d, s->version) && decide_has_stopped(d, s);
}

bool decide_is_idle(struct decider *d, const struct sched_slot *s)
{
	const struct sched_report *r = report_of(d, s, false);
	enum sched_why why;

	if (s->state != SCHED_RUN)
		return true;
	if (sched_is_node(s->from) && decide_serves(d, s))
		return false;
	if (decide_fate_of(d, s->node, s->leased, &why) == DECIDE_LOST || decide_never_begins(d, s))
		return true;
	/* What it was to run before the last change it will never run: it was taken then. */
	return r && (!r->ready || (!decide_is_known(d, s->version) && !runs_what_is_asked(d, s, r)));
}

static bool is_up_there(const struct decider *d, const struct sched_held *h)
{
	const struct sched_view *view = d->in->view;

	for (size_t i = 0; i < view->n_reports; i++) {
		const struct sched_report *r = &view->reports[i];

		if (r->up && sched_same_node(r->node, h->node) && r->epoch <= h->epoch &&
			(r->number == h->number || h->number == SCHED_ANY_SLOT))
			return true;
	}
	return false;
}

static bool is_held(const struct decider *d, const struct sched_held *h)
{
	const struct place_room *r = place_room_of(&d->map, h->node);

	if (r && (r->host->state == SCHED_LEFT || r->host->state == SCHED_FORGOTTEN))
		return false;
	return !node_has_stopped(d, h->node, h->decision) || is_up_there(d, h);
}

void decide_prune(struct decider *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->v->n_held; i++)
		if (is_held(d, &d->v->held[i]))
			d->v->held[n++] = d->v->held[i];
	d->v->n_held = n;
}

bool decide_held_by(const struct decider *d, uint32_t number, struct sched_node *ret)
{
	for (size_t i = 0; i < d->v->n_held; i++) {
		const struct sched_held *h = &d->v->held[i];

		if ((h->number != number && h->number != SCHED_ANY_SLOT) || !is_held(d, h))
			continue;
		*ret = h->node;
		return true;
	}
	return false;
}

struct place_room *decide_room_for(const struct decider *d, const struct sched_slot *s, struct sched_node last)
{
	struct place_ask ask = {
		.spec = decide_spec_of(d, s->version), .number = s->number, .last = last, .avoid = {s->node, s->from}};

	return place_pick(&d->map, &ask);
}

void decide_step_add(struct decider *d, enum sched_step_type type, enum sched_why why, const struct sched_slot *s,
	struct sched_node from)
{
	d->changed = true;
	if (d->d.n_steps < SCHED_STEPS_MAX)
		d->d.steps[d->d.n_steps] = (struct sched_step){.type = type,
			.why = why,
			.number = s->number,
			.version = s->version,
			.leased = s->leased,
			.node = s->node,
			.from = from,
			.epoch = s->epoch};
	d->d.n_steps++;
}

/* What knows by itself that it stopped is not held: leases, and nodes that left. */
static bool hold(struct decider *d, const struct sched_slot *s, struct sched_node node, uint64_t epoch)
{
	enum sched_why why;

	if (s->leased)
		return true;
	if (decide_fate_of(d, node, true, &why) == DECIDE_LOST && (why == SCHED_WHY_LEFT || why == SCHED_WHY_FORGOTTEN))
		return true;
	return sched_hold(
		d->v, (struct sched_held){.number = s->number, .node = node, .epoch = epoch, .decision = d->d.number});
}

bool decide_assign(struct decider *d, struct sched_slot *s, struct sched_node node, bool join, enum sched_why why)
{
	const struct sched_spec *spec = decide_spec_of(d, s->version);
	struct sched_node was = s->node;
	bool had = s->state != SCHED_PENDING;

	assert(!join || (had && !s->leased && !sched_is_node(s->from) && decide_is_known(d, s->version)));
	if (had && !join) {
		if (!hold(d, s, was, s->epoch))
			return false;
		place_count(&d->map, &s->reserve, was, -1);
	}
	if (join) {
		s->from = was;
		s->from_epoch = s->epoch;
	}
	if (!had)
		was = s->last;
	if (!decide_is_known(d, s->version))
		s->version = d->v->now.version;
	s->state = SCHED_RUN;
	s->why = why;
	s->leased = spec->leased;
	s->node = node;
	s->last = (struct sched_node){0};
	s->epoch = d->v->next_epoch++;
	s->decision = d->d.number;
	if (!join)
		s->reserve = spec->reserve;
	place_count(&d->map, &s->reserve, node, 1);
	decide_step_add(d, join ? SCHED_STEP_JOIN : had ? SCHED_STEP_MOVE : SCHED_STEP_PLACE, why, s, was);
	return true;
}

void decide_release(struct decider *d, struct sched_slot *s, enum sched_why why)
{
	struct sched_node from = s->from;

	if (!hold(d, s, from, s->from_epoch))
		return; /* it goes on, until there is room to remember it */
	place_count(&d->map, &s->reserve, from, -1);
	s->from = (struct sched_node){0};
	s->from_epoch = 0;
	decide_step_add(d, SCHED_STEP_RELEASE, why, s, from);
}

void decide_go_on(struct decider *d, struct sched_slot *s, enum sched_why why)
{
	const struct sched_report *r = report_of(d, s, true);
	struct sched_node was = s->node;

	if (!hold(d, s, was, s->epoch))
		return;
	place_count(&d->map, &s->reserve, was, -1);
	if (r && d->v->rollout.state != SCHED_ROLLOUT_IDLE)
		s->version = r->version; /* it is as it was before the move: decide_roll goes on from there */
	if (s->number < d->n_reports)
		d->reports[s->number] = (struct decide_reports){.node = d->reports[s->number].from};
	s->node = s->from;
	s->epoch = s->from_epoch;
	s->from = (struct sched_node){0};
	s->from_epoch = 0;
	s->why = why;
	decide_step_add(d, SCHED_STEP_RELEASE, why, s, was);
}

void decide_stop(struct decider *d, struct sched_slot *s, enum sched_why why)
{
	if (sched_is_node(s->from))
		decide_release(d, s, why);
	if (sched_is_node(s->from))
		return;
	s->state = SCHED_STOP;
	s->why = why;
	s->decision = d->d.number;
	decide_step_add(d, SCHED_STEP_STOP, why, s, (struct sched_node){0});
}

void decide_pend(struct decider *d, struct sched_slot *s, enum sched_why why)
{
	struct sched_node was = s->node;

	/* One that was not told to stop may be about to start. */
	if (!(s->state == SCHED_STOP && decide_has_stopped(d, s)) && !hold(d, s, was, s->epoch))
		return;
	place_count(&d->map, &s->reserve, was, -1);
	s->state = SCHED_PENDING;
	s->why = why;
	s->last = was;
	s->node = (struct sched_node){0};
	s->epoch = 0;
	d->changed = true; /* what comes of it is the step */
}

void decide_drop(struct decider *d, struct sched_slot *s, enum sched_why why)
{
	struct sched_slot was;

	if (sched_is_node(s->from))
		decide_release(d, s, why);
	if (s->state == SCHED_RUN && !sched_is_node(s->from))
		decide_pend(d, s, why);
	else if (s->state == SCHED_STOP)
		decide_pend(d, s, why);
	if (s->state != SCHED_PENDING)
		return;
	was = *s;
	sched_slot_drop(d->v, s);
	decide_step_add(d, SCHED_STEP_DROP, why, &was, was.last);
}

void decide_set_version(struct decider *d, struct sched_slot *s, uint32_t version)
{
	place_count(&d->map, &s->reserve, s->node, -1);
	s->version = version;
	s->reserve = decide_spec_of(d, version)->reserve;
	place_count(&d->map, &s->reserve, s->node, 1);
	d->changed = d->rolled = true;
}

void decide_update(struct decider *d, struct sched_slot *s, uint32_t version)
{
	decide_set_version(d, s, version);
	decide_step_add(d, SCHED_STEP_UPDATE, SCHED_WHY_VERSION, s, (struct sched_node){0});
}

bool decide_may_take(struct decider *d, const struct sched_slot *s)
{
	if (decide_is_idle(d, s))
		return true;
	if (!decide_serves(d, s) || d->spare <= 0)
		return false;
	d->spare--;
	return true;
}

void decide_count_spare(struct decider *d)
{
	int64_t serving = 0;

	for (size_t i = 0; i < d->v->n_slots; i++)
		serving += decide_serves(d, &d->v->slots[i]);
	d->spare = serving - (d->wanted - d->unavailable);
}
