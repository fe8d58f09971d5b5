/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_REGISTER_BED_H
#define TESTS_LIB_REGISTER_BED_H
/*
 * What tests of registers' values share: counted memory whose n-th allocation fails as tests/lib/oom.h says, values
 * with every field set by chance, and whether two are the same.
 */
#include <string.h>

#include "base/rng.h"
#include "node/register_agent.h"
#include "tests/lib/oom.h"

static inline void *rbed_alloc(void *ctx, size_t n)
{
	void *p = mem_alloc(n);

	if (p)
		*(size_t *)ctx += n;
	return p;
}

static inline void rbed_release(void *ctx, void *p, size_t n)
{
	assert_non_null(p);
	*(size_t *)ctx -= n;
	free(p);
}

/* held: what is out; 0 at the end. */
static inline struct value_mem rbed_mem(size_t *held)
{
	return (struct value_mem){.alloc = rbed_alloc, .release = rbed_release, .ctx = held};
}

static inline struct msg_bytes rbed_text(const char *s)
{
	return (struct msg_bytes){.v = (const uint8_t *)s, .n = strlen(s)};
}

static const struct sched_spec rbed_spec;

/* So that sched_check may be asked: that a version has a text, it does not know. */
static inline void rbed_specs(struct sched_value *v)
{
	v->now.spec = v->now.version ? &rbed_spec : NULL;
	v->before.spec = v->before.version ? &rbed_spec : NULL;
}

static inline struct sched_node rbed_node(struct rng *r, size_t of)
{
	uint64_t i = 1 + rng_below(r, of);

	return (struct sched_node){.hi = i * 0x0102030405060708ULL, .lo = ~i};
}

/* Small numbers, and large ones: msgpack writes each its own way. */
static inline uint64_t rbed_number(struct rng *r, uint64_t below)
{
	static const unsigned bits[] = {3, 7, 8, 15, 16, 31, 32, 62};
	uint64_t n = rng_below(r, UINT64_C(1) << bits[rng_below(r, ARRAY_LEN(bits))]);

	return n % below;
}

static inline void rbed_slot(struct rng *r, const struct sched_value *v, struct sched_slot *s, size_t nodes)
{
	s->state = v->removed ? SCHED_STOP : (enum sched_slot_state)rng_below(r, SCHED_SLOT_STATE_MAX);
	s->version = (uint32_t)rbed_number(r, v->next_version);
	s->why = (enum sched_why)rng_below(r, SCHED_WHY_MAX);
	s->leased = rng_below(r, 2);
	s->extra = rng_below(r, 4) == 0;
	s->decision = rbed_number(r, v->number + 1);
	if (rng_below(r, 3) == 0)
		s->reserve = (struct sched_reserve){
			(int64_t)rbed_number(r, SCHED_RESERVE_MAX), (int64_t)rbed_number(r, SCHED_RESERVE_MAX)};
	if (s->state == SCHED_PENDING) {
		s->last = rng_below(r, 2) ? rbed_node(r, nodes) : (struct sched_node){0};
		return;
	}
	s->node = rbed_node(r, nodes);
	s->epoch = 2 + rbed_number(r, v->next_epoch - 2);
	if (s->state != SCHED_RUN || s->leased || rng_below(r, 3) > 0)
		return;
	s->from = (struct sched_node){.hi = 1, .lo = rng_u64(r)};
	s->from_epoch = 1 + rng_below(r, s->epoch - 1);
}

static inline void rbed_step(struct rng *r, struct sched_step *s, size_t nodes)
{
	*s = (struct sched_step){.type = (enum sched_step_type)rng_below(r, SCHED_STEP_MAX),
		.why = (enum sched_why)rng_below(r, SCHED_WHY_MAX),
		.number = (uint32_t)rbed_number(r, UINT32_MAX),
		.version = (uint32_t)rbed_number(r, UINT32_MAX),
		.leased = rng_below(r, 2),
		.node = rbed_node(r, nodes),
		.epoch = rng_u64(r)};
}

static inline void rbed_decision(struct rng *r, struct sched_decision *d, uint64_t number, size_t nodes)
{
	static const char *const texts[] = {"", "no node: 3 drain", "läuft noch auf n3", "\xf0\x9f\x90\xa6"};

	*d = (struct sched_decision){.number = number,
		.by = rbed_node(r, nodes),
		.ballot = rbed_number(r, SCHED_COUNT_MAX),
		.wall_ms = (int64_t)rbed_number(r, INT64_MAX),
		.event = (enum sched_event_type)rng_below(r, SCHED_EVENT_MAX),
		.subject = rng_below(r, 2) ? rbed_node(r, nodes) : (struct sched_node){0},
		.alive = (uint32_t)rbed_number(r, UINT32_MAX),
		.suspect = (uint32_t)rbed_number(r, UINT32_MAX),
		.dead = (uint32_t)rbed_number(r, UINT32_MAX),
		.gone = (uint32_t)rbed_number(r, UINT32_MAX),
		.version_was = (uint32_t)rbed_number(r, UINT32_MAX),
		.version = (uint32_t)rbed_number(r, UINT32_MAX),
		.desired_was = (int64_t)rng_below(r, SCHED_SLOTS_MAX + 1),
		.desired = (int64_t)rng_below(r, SCHED_SLOTS_MAX + 1),
		.rollout_was = (enum sched_rollout_state)rng_below(r, SCHED_ROLLOUT_STATE_MAX),
		.rollout = (enum sched_rollout_state)rng_below(r, SCHED_ROLLOUT_STATE_MAX),
		.n_steps = (uint32_t)rng_below(r, 2 * SCHED_STEPS_MAX)};
	(void)snprintf(d->text, sizeof(d->text), "%s", texts[rng_below(r, ARRAY_LEN(texts))]); /* fits */
	for (uint32_t i = 0; i < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX); i++)
		rbed_step(r, &d->steps[i], nodes);
}

/* Into v's arrays, which are large enough. Nothing in it makes sense but what sched_fault asks for. */
static inline void rbed_random(struct rng *r, struct sched_value *v, size_t n_slots, size_t n_held, size_t nodes)
{
	sched_init(v, v->slots, v->cap_slots, v->held, v->cap_held);
	v->n_decisions = rng_below(r, SCHED_DECISIONS_MAX + 1);
	v->number = v->n_decisions + rbed_number(r, SCHED_COUNT_MAX / 2);
	v->next_version = 3 + (uint32_t)rbed_number(r, SCHED_VERSION_MAX - 3);
	v->fresh = (uint32_t)rbed_number(r, v->next_version - 1);
	v->next_epoch = 4 + rbed_number(r, SCHED_COUNT_MAX - 4);
	v->removed = rng_below(r, 5) == 0;
	v->stopped = rng_below(r, 2);
	v->now.version = v->next_version - 1;
	v->before.version = rng_below(r, 2) ? v->next_version - 2 : 0;
	v->desired = (int64_t)rng_below(r, SCHED_SLOTS_MAX + 1);
	v->rollout = (struct sched_rollout){(enum sched_rollout_state)rng_below(r, SCHED_ROLLOUT_STATE_MAX),
		(uint32_t)rbed_number(r, v->next_version), (uint32_t)rbed_number(r, v->next_version),
		rbed_number(r, v->number + 1)};
	for (size_t i = 0; i < SCHED_COOLDOWN_MAX; i++)
		v->cooldowns[i] =
			(struct sched_cooldown){rbed_number(r, v->number + 1), (int64_t)rbed_number(r, INT64_MAX)};
	for (uint32_t at = 0; v->n_slots < n_slots && at < SCHED_SLOTS_MAX; at += 1 + (uint32_t)rng_below(r, 3)) {
		struct sched_slot *s = &v->slots[v->n_slots++];

		*s = (struct sched_slot){.number = at};
		if (v->n_slots > 1)
			s->reserve = s[-1].reserve;
		rbed_slot(r, v, s, nodes);
	}
	for (; v->n_held < n_held; v->n_held++)
		v->held[v->n_held] =
			(struct sched_held){.number = rng_below(r, 4) ? (uint32_t)v->n_held : SCHED_ANY_SLOT,
				.node = rbed_node(r, nodes),
				.epoch = rbed_number(r, v->next_epoch),
				.decision = rbed_number(r, v->number + 1)};
	for (size_t i = 0; i < v->n_decisions; i++)
		rbed_decision(r, &v->decisions[i], v->number + 1 + i - v->n_decisions, nodes);
	v->n_ops = rng_below(r, SCHED_OPS_MAX + 1);
	for (size_t i = 0; i < v->n_ops; i++)
		(void)snprintf(v->ops[i], sizeof(v->ops[i]), "op-%0*llu", (int)rng_below(r, 58), (unsigned long long)i);
	rbed_specs(v);
	sched_check(v);
}

static inline bool rbed_same_slot(const struct sched_slot *a, const struct sched_slot *b)
{
	return a->number == b->number && a->version == b->version && a->state == b->state && a->why == b->why &&
	       a->leased == b->leased && a->extra == b->extra && sched_same_node(a->node, b->node) &&
	       a->epoch == b->epoch && sched_same_node(a->from, b->from) && a->from_epoch == b->from_epoch &&
	       sched_same_node(a->last, b->last) && a->decision == b->decision &&
	       a->reserve.cpu_milli == b->reserve.cpu_milli && a->reserve.memory_bytes == b->reserve.memory_bytes;
}

static inline bool rbed_same_step(const struct sched_step *a, const struct sched_step *b)
{
	return a->type == b->type && a->why == b->why && a->number == b->number && a->version == b->version &&
	       a->leased == b->leased && sched_same_node(a->node, b->node) && sched_same_node(a->from, b->from) &&
	       a->epoch == b->epoch;
}

static inline bool rbed_same_decision(const struct sched_decision *a, const struct sched_decision *b)
{
	bool same = a->number == b->number && sched_same_node(a->by, b->by) && a->ballot == b->ballot &&
		    a->wall_ms == b->wall_ms && a->event == b->event && sched_same_node(a->subject, b->subject) &&
		    a->alive == b->alive && a->suspect == b->suspect && a->dead == b->dead && a->gone == b->gone &&
		    a->version_was == b->version_was && a->version == b->version && a->desired_was == b->desired_was &&
		    a->desired == b->desired && a->rollout_was == b->rollout_was && a->rollout == b->rollout &&
		    a->n_steps == b->n_steps && strcmp(a->text, b->text) == 0;

	for (uint32_t i = 0; same && i < MIN(a->n_steps, (uint32_t)SCHED_STEPS_MAX); i++)
		same = rbed_same_step(&a->steps[i], &b->steps[i]);
	return same;
}

static inline bool rbed_same_held(const struct sched_held *a, const struct sched_held *b)
{
	return a->number == b->number && sched_same_node(a->node, b->node) && a->epoch == b->epoch &&
	       a->decision == b->decision;
}

/* But for the definitions of a removed agent without slots, which are not kept. */
static inline bool rbed_same(const struct sched_value *a, const struct sched_value *b)
{
	bool kept = !a->removed || a->n_slots > 0;
	bool same = a->number == b->number && b->now.version == (kept ? a->now.version : 0) &&
		    b->before.version == (kept ? a->before.version : 0) && a->next_version == b->next_version &&
		    a->next_epoch == b->next_epoch && a->fresh == b->fresh && a->desired == b->desired &&
		    a->stopped == b->stopped && a->removed == b->removed && a->rollout.state == b->rollout.state &&
		    a->rollout.from == b->rollout.from && a->rollout.to == b->rollout.to &&
		    a->rollout.progress == b->rollout.progress && a->n_slots == b->n_slots && a->n_held == b->n_held &&
		    a->n_decisions == b->n_decisions && a->n_ops == b->n_ops;

	for (size_t i = 0; same && i < SCHED_COOLDOWN_MAX; i++)
		same = a->cooldowns[i].decision == b->cooldowns[i].decision &&
		       a->cooldowns[i].length_ms == b->cooldowns[i].length_ms;
	for (size_t i = 0; same && i < a->n_slots; i++)
		same = rbed_same_slot(&a->slots[i], &b->slots[i]);
	for (size_t i = 0; same && i < a->n_held; i++)
		same = rbed_same_held(&a->held[i], &b->held[i]);
	for (size_t i = 0; same && i < a->n_decisions; i++)
		same = rbed_same_decision(&a->decisions[i], &b->decisions[i]);
	for (size_t i = 0; same && i < a->n_ops; i++)
		same = strcmp(a->ops[i], b->ops[i]) == 0;
	return same;
}

#endif
