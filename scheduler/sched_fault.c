/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must always be true of the value of an agent's register. What comes from others is asked for its fault; what was
 * decided here has none.
 */
#include <string.h>

#include "scheduler/sched.h"

static const char *reserve_fault(const struct sched_reserve *r)
{
	if (r->cpu_milli < 0 || r->cpu_milli > SCHED_RESERVE_MAX || r->memory_bytes < 0 ||
		r->memory_bytes > SCHED_RESERVE_MAX)
		return "a slot reserves what no host has";
	return NULL;
}

static const char *slot_fault(const struct sched_value *v, const struct sched_slot *s)
{
	if ((unsigned)s->state >= SCHED_SLOT_STATE_MAX || (unsigned)s->why >= SCHED_WHY_MAX)
		return "a slot is in no state that there is";
	if (s->number >= SCHED_SLOTS_MAX)
		return "a slot has a number that none may have";
	if (s->version >= v->next_version)
		return "a slot is to run a version that there never was";
	if (s->decision > v->number)
		return "a slot was assigned by a decision that there never was";
	if (s->state == SCHED_PENDING) {
		if (sched_is_node(s->node) || sched_is_node(s->from) || s->epoch != 0)
			return "a pending slot has an owner";
		return reserve_fault(&s->reserve);
	}
	if (!sched_is_node(s->node))
		return "a slot that is not pending has no owner";
	if (s->epoch < 1 || s->epoch >= v->next_epoch)
		return "a slot has an epoch that was never given";
	if (sched_is_node(s->last))
		return "a slot with an owner remembers the last one";
	if (!sched_is_node(s->from))
		return reserve_fault(&s->reserve);
	if (s->state != SCHED_RUN || s->leased)
		return "a slot that is under a lease, or stops, has two owners";
	if (s->from_epoch < 1 || s->from_epoch >= s->epoch)
		return "the earlier owner of a slot has no earlier epoch";
	if (sched_same_node(s->from, s->node))
		return "a slot moves to where it is";
	return reserve_fault(&s->reserve);
}

static const char *slots_fault(const struct sched_value *v)
{
	if (v->n_slots > v->cap_slots || v->n_slots > SCHED_SLOTS_MAX)
		return "more slots than there may be";
	for (size_t i = 0; i < v->n_slots; i++) {
		const char *fault = slot_fault(v, &v->slots[i]);

		if (fault)
			return fault;
		if (i > 0 && v->slots[i - 1].number >= v->slots[i].number)
			return "the slots are not in the order of their numbers";
		if (v->removed && v->slots[i].state != SCHED_STOP)
			return "a slot of a removed agent does not stop";
	}
	return NULL;
}

static const char *held_fault(const struct sched_value *v)
{
	if (v->n_held > v->cap_held || v->n_held > SCHED_HELD_MAX)
		return "more earlier owners than there may be";
	for (size_t i = 0; i < v->n_held; i++) {
		const struct sched_held *h = &v->held[i];

		if (!sched_is_node(h->node))
			return "an earlier owner is nobody";
		if (h->number >= SCHED_SLOTS_MAX && h->number != SCHED_ANY_SLOT)
			return "an earlier owner of a slot that none may be";
		if (h->epoch >= v->next_epoch)
			return "an earlier owner has an epoch that was never given";
		if (h->decision > v->number)
			return "an earlier owner lost its slot by a decision that there never was";
	}
	return NULL;
}

static const char *step_fault(const struct sched_step *s)
{
	if ((unsigned)s->type >= SCHED_STEP_MAX || (unsigned)s->why >= SCHED_WHY_MAX)
		return "a decision has a step of no kind that there is";
	return NULL;
}

static const char *decision_fault(const struct sched_decision *d)
{
	if ((unsigned)d->event >= SCHED_EVENT_MAX || (unsigned)d->rollout >= SCHED_ROLLOUT_STATE_MAX ||
		(unsigned)d->rollout_was >= SCHED_ROLLOUT_STATE_MAX)
		return "a decision is of no kind that there is";
	if (d->desired < 0 || d->desired > SCHED_SLOTS_MAX || d->desired_was < 0 || d->desired_was > SCHED_SLOTS_MAX ||
		d->ballot > SCHED_COUNT_MAX)
		return "a decision has a number that none may have";
	if (!memchr(d->text, '\0', sizeof(d->text)))
		return "a decision's text has no end";
	for (uint32_t i = 0; i < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX); i++)
		if (step_fault(&d->steps[i]))
			return step_fault(&d->steps[i]);
	return NULL;
}

static const char *decisions_fault(const struct sched_value *v)
{
	if (v->n_decisions > SCHED_DECISIONS_MAX)
		return "more decisions than are kept";
	for (size_t i = 0; i < v->n_decisions; i++) {
		const char *fault = decision_fault(&v->decisions[i]);

		if (fault)
			return fault;
		if (v->decisions[i].number + v->n_decisions != v->number + 1 + i)
			return "the decisions are not the last ones";
	}
	return NULL;
}

static const char *rollout_fault(const struct sched_value *v)
{
	const struct sched_rollout *r = &v->rollout;

	if ((unsigned)r->state >= SCHED_ROLLOUT_STATE_MAX)
		return "a change is in no state that there is";
	if (r->from >= v->next_version || r->to >= v->next_version)
		return "a change is of a version that there never was";
	if (r->progress > v->number)
		return "a change came on by a decision that there never was";
	for (size_t i = 0; i < SCHED_COOLDOWN_MAX; i++)
		if (v->cooldowns[i].decision > v->number || v->cooldowns[i].length_ms < 0)
			return "a pause began with a decision that there never was, or has no length";
	return NULL;
}

static const char *ops_fault(const struct sched_value *v)
{
	if (v->n_ops > SCHED_OPS_MAX)
		return "more operations than are remembered";
	for (size_t i = 0; i < v->n_ops; i++)
		if (v->ops[i][0] == '\0' || !memchr(v->ops[i], '\0', sizeof(v->ops[i])))
			return "an operation without an id, or with a longer one than may be";
	return NULL;
}

static const char *numbers_fault(const struct sched_value *v)
{
	if (v->next_version < 1 || v->next_version > SCHED_VERSION_MAX || v->next_epoch < 1 ||
		v->next_epoch > SCHED_COUNT_MAX || v->number > SCHED_COUNT_MAX)
		return "a number that nobody counts to";
	if (v->now.version >= v->next_version || v->before.version >= v->next_version || v->fresh >= v->next_version)
		return "a definition of a version that there never was";
	if (v->now.version && v->now.version == v->before.version)
		return "two definitions of one version";
	if (v->desired < 0 || v->desired > SCHED_SLOTS_MAX)
		return "more replicas are desired than there may be";
	if (!v->removed && v->number > 0 && !v->now.version)
		return "an agent without a definition";
	return NULL;
}

const char *sched_fault(const struct sched_value *v)
{
	const char *(*const faults[])(const struct sched_value *) = {
		numbers_fault, slots_fault, held_fault, rollout_fault, decisions_fault, ops_fault};
	const char *fault = NULL;

	for (size_t i = 0; i < ARRAY_LEN(faults) && !fault; i++)
		fault = faults[i](v);
	return fault;
}

void sched_check(const struct sched_value *v)
{
	assert(!sched_fault(v));
	assert(!v->now.version == !v->now.spec && !v->before.version == !v->before.spec);
}
