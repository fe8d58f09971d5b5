/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease's side: which slots are in it, what it says of them, and when it may speak: no renewal leaves under a
 * number that is not on disk, and numbers are put there in blocks.
 */
#include <string.h>

#include "node/holding_impl.h"

int holding_tell_lease(
	struct holding *h, enum lease_in_type type, const struct holding_slot *s, int64_t until_ms, struct now now)
{
	struct lease_outs none;
	const struct lease_in in = {
		.type = type, .slot = {.key = s->key, .slot = s->slot, .epoch = s->epoch, .until_ms = until_ms}};

	return lease_step(&h->lease, &in, now, &none); /* of these inputs nothing is sent */
}

/* What is unarmed by right asks for no lease. */
static bool wants_lease(const struct holding *h, const struct holding_slot *s)
{
	return !s->leased && s->state <= HOLDING_ENDING && !(h->alone && s->unarmed);
}

void holding_join(struct holding *h, struct holding_slot *s, struct now now)
{
	bool has_deadline = s->until_ms > 0 && s->until_ms != HOLDING_UNARMED;

	if (!wants_lease(h, s))
		return;
	s->leased = holding_tell_lease(h, LEASE_IN_HOLD, s, has_deadline ? s->until_ms : 0, now) == 0;
	if (!s->leased)
		s->again_ms = now.mono_ms + HOLDING_AGAIN_MS; /* no memory, or too many */
}

void holding_leave(struct holding *h, struct holding_slot *s, struct now now)
{
	if (s->leased)
		(void)holding_tell_lease(h, LEASE_IN_GONE, s, 0, now); /* cannot fail */
	s->leased = s->unknown = false;
	s->words &= ~HOLDING_MAY_RUN;
}

static void take_one(
	struct holding_slot *s, const struct lease_slot *l, const struct value_times *times, struct now now)
{
	if (l->unknown && !s->unknown && now.mono_ms >= s->again_ms) {
		s->words |= HOLDING_BIT(HOLDING_IDENTITY);
		s->again_ms = now.mono_ms + times->tf_ms;
	}
	s->unknown = l->unknown;
	if (l->state != LEASE_HELD || (l->until_ms <= s->until_ms && s->until_ms != HOLDING_UNARMED))
		return;
	s->until_ms = l->until_ms;
	if (s->until_ms > now.boot_ms)
		s->words |= HOLDING_BIT(s->state == HOLDING_OURS ? HOLDING_RUN : HOLDING_GOES_ON);
}

void holding_take_changes(struct holding *h, struct now now)
{
	struct lease_slot l;

	while (lease_changed(&h->lease, &l)) {
		struct holding_slot *s = holding_find(h, &l.key, l.slot);

		if (s && s->epoch == l.epoch && s->leased && s->state <= HOLDING_ENDING)
			take_one(s, &l, &h->times, now);
	}
}

void holding_ask_number(struct holding *h, struct now now, struct holding_outs *outs)
{
	uint64_t want = h->lease.number + HOLDING_NUMBER_BLOCK;

	if (h->durable >= h->lease.number + HOLDING_NUMBER_BLOCK / 2 || now.mono_ms < h->ask_at_ms)
		return;
	h->asked = MAX(h->asked, want);
	h->ask_at_ms = now.mono_ms + HOLDING_AGAIN_MS;
	outs->number = h->asked;
}

static bool may_send(const struct holding *h)
{
	return h->lease.number < h->durable; /* a step sends one message, with the next number */
}

static void send(struct holding *h, const struct lease_in *in, struct now now, struct holding_outs *outs)
{
	struct lease_outs l;

	(void)lease_step(&h->lease, in, now, &l); /* of these inputs it cannot fail */
	outs->msg = l.msg;
	outs->n_to = l.n_to;
	outs->brief = l.brief;
	memcpy(outs->to, l.to, l.n_to * sizeof(l.to[0]));
}

void holding_renew(struct holding *h, struct now now, struct holding_outs *outs)
{
	if (!may_send(h))
		return;
	if (h->long_ms > 0)
		send(h, &(struct lease_in){.type = LEASE_IN_LONG, .tf_ms = h->long_ms}, now, outs);
	else
		send(h, &(struct lease_in){.type = LEASE_IN_TICK}, now, outs);
	h->long_ms = 0;
}

/* What was not done yet is asked for again. */
void holding_remind(struct holding *h, struct now now)
{
	for (uint32_t i = 0; i < h->n_slots; i++) {
		struct holding_slot *s = &h->slots[i];

		holding_join(h, s, now);
		if (now.mono_ms < s->again_ms)
			continue;
		if (s->state == HOLDING_EMPTY) {
			s->words |= HOLDING_BIT(HOLDING_RELEASE);
			s->again_ms = now.mono_ms + HOLDING_AGAIN_MS;
		} else if (s->unknown && s->leased) {
			s->words |= HOLDING_BIT(HOLDING_IDENTITY);
			s->again_ms = now.mono_ms + h->times.tf_ms;
		}
	}
}

/* For the lease as it is. */
void holding_pass_on(struct holding *h, const struct holding_in *in, struct now now)
{
	struct lease_outs none;
	struct lease_in l = {.type = LEASE_IN_MSG, .msg = in->msg, .cfg = in->cfg, .times = in->times};

	if (in->type == HOLDING_IN_CFG)
		l.type = LEASE_IN_CFG;
	else if (in->type == HOLDING_IN_TIMES)
		l.type = LEASE_IN_TIMES;
	if (l.type == LEASE_IN_TIMES)
		h->times = in->times;
	(void)lease_step(&h->lease, &l, now, &none); /* as in holding_tell_lease */
}

int64_t holding_deadline_ms(const struct holding *h)
{
	int64_t at = may_send(h) ? (h->long_ms > 0 ? INT64_MIN : lease_deadline_ms(&h->lease)) : DEADLINE_NEVER;

	if (h->durable < h->lease.number + HOLDING_NUMBER_BLOCK / 2)
		at = MIN(at, h->ask_at_ms);
	for (uint32_t i = 0; i < h->n_slots; i++)
		if (h->slots[i].state == HOLDING_EMPTY || h->slots[i].unknown || wants_lease(h, &h->slots[i]))
			at = MIN(at, h->slots[i].again_ms);
	return at;
}
