/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of slots: what each input makes of them, and what the lease says of them. Entering and leaving the lease is
 * holding_join() and holding_leave(); what is to be said is bits of a slot until holding_next says it.
 */
#include "node/holding_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sm.h"

#define CAP_FIRST 16

static const struct sm_state states[] = {
	[HOLDING_FOUND] = {"found", SM_TO(HOLDING_OURS) | SM_TO(HOLDING_ENDING) | SM_TO(HOLDING_LOST)},
	[HOLDING_OURS] = {"ours", SM_TO(HOLDING_ENDING) | SM_TO(HOLDING_LOST)},
	[HOLDING_ENDING] = {"ending", SM_TO(HOLDING_EMPTY) | SM_TO(HOLDING_LOST)},
	[HOLDING_LOST] = {"lost", 0}, /* the end of an epoch; so below */
	[HOLDING_EMPTY] = {"empty", SM_TO(HOLDING_RELEASED)},
	[HOLDING_RELEASED] = {"released", 0},
};
_Static_assert(ARRAY_LEN(states) == HOLDING_STATE_MAX, "each state is in the table");

static void move(struct holding_slot *s, enum holding_state to)
{
	sm_move(states, HOLDING_STATE_MAX, &s->state, to);
}

/* ---- the table ---- */

static int order(const struct holding_slot *s, const struct msg_key *key, uint32_t slot)
{
	int rc = msg_key_cmp(&s->key, key);

	return rc != 0 ? rc : (s->slot > slot) - (s->slot < slot);
}

/* The first that is not below. */
static uint32_t place(const struct holding *h, const struct msg_key *key, uint32_t slot)
{
	uint32_t low = 0, high = h->n_slots;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (order(&h->slots[mid], key, slot) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct holding_slot *holding_find(const struct holding *h, const struct msg_key *key, uint32_t slot)
{
	uint32_t i = place(h, key, slot);

	return i < h->n_slots && order(&h->slots[i], key, slot) == 0 ? &h->slots[i] : NULL;
}

static int room(struct holding *h)
{
	uint32_t cap = h->cap_slots ? h->cap_slots * 2 : CAP_FIRST;
	struct holding_slot *v;

	if (h->n_slots >= MSG_LEASES_MAX)
		return -ENOSPC;
	if (h->n_slots < h->cap_slots)
		return 0;
	v = h->mem.alloc(h->mem.ctx, cap * sizeof(*v));
	if (!v)
		return -ENOMEM;
	if (h->slots) {
		memcpy(v, h->slots, h->n_slots * sizeof(*v));
		h->mem.release(h->mem.ctx, h->slots, h->cap_slots * sizeof(*v));
	}
	h->slots = v;
	h->cap_slots = cap;
	return 0;
}

/* NULL: *ret_rc says why. */
static struct holding_slot *add(struct holding *h, const struct msg_key *key, uint32_t slot, int *ret_rc)
{
	struct holding_slot *s;
	uint32_t i;

	*ret_rc = room(h);
	if (*ret_rc < 0)
		return NULL;
	i = place(h, key, slot);
	s = &h->slots[i];
	memmove(s + 1, s, (h->n_slots - i) * sizeof(*s));
	h->n_slots++;
	*s = (struct holding_slot){.key = *key, .slot = slot};
	return s;
}

static void sweep(struct holding *h)
{
	uint32_t kept = 0;

	if (h->n_dead == 0)
		return;
	for (uint32_t i = 0; i < h->n_slots; i++)
		if (!h->slots[i].dead)
			h->slots[kept++] = h->slots[i];
	h->n_slots = kept;
	h->n_dead = 0;
}

/* ---- a slot's epoch begins, and ends ---- */

/* Of a value that gives it to this node: nothing of it runs here, as far as is known. */
static void begin(struct holding *h, struct holding_slot *s, uint64_t epoch, bool stop, struct now now)
{
	s->state = HOLDING_OURS; /* the first state of an epoch */
	s->epoch = epoch;
	s->next = 0;
	s->next_stop = s->gone = s->unknown = s->leased = false;
	s->unarmed = h->alone;
	s->until_ms = h->alone ? HOLDING_UNARMED : 0;
	s->words &= HOLDING_BIT(HOLDING_DROP);
	if (stop) {
		move(s, HOLDING_ENDING);
		s->words |= HOLDING_BIT(HOLDING_STOP);
	} else if (h->alone) {
		s->words |= HOLDING_BIT(HOLDING_RUN);
	}
	holding_join(h, s, now);
}

/* Nothing is left of its epoch. */
static void retire(struct holding *h, struct holding_slot *s, struct now now)
{
	if (s->next > 0) {
		begin(h, s, s->next, s->next_stop, now);
		return;
	}
	s->dead = true;
	h->n_dead++;
}

static void dropped(struct holding *h, struct holding_slot *s, struct now now)
{
	s->drop = s->epoch;
	s->words |= HOLDING_BIT(HOLDING_DROP);
	retire(h, s, now);
}

/* A chosen value has left its epoch behind. */
static void lose(struct holding *h, struct holding_slot *s, struct now now)
{
	switch ((enum holding_state)s->state) {
	case HOLDING_FOUND:
	case HOLDING_OURS:
		s->words |= HOLDING_BIT(HOLDING_STOP);
		/* fall through */
	case HOLDING_ENDING:
		holding_leave(h, s, now);
		move(s, HOLDING_LOST);
		break;
	case HOLDING_EMPTY:
		s->gone = true; /* its release is under way to the disk, and goes from there once it is */
		break;
	case HOLDING_RELEASED:
		dropped(h, s, now);
		break;
	case HOLDING_LOST:
	case HOLDING_STATE_MAX:
		break;
	}
}

static void is_ours(const struct holding *h, struct holding_slot *s, bool stop, struct now now)
{
	if (s->state == HOLDING_FOUND && !stop) {
		move(s, HOLDING_OURS);
		s->words &= ~HOLDING_BIT(HOLDING_GOES_ON);
		if (s->until_ms > now.boot_ms && (s->until_ms != HOLDING_UNARMED || h->alone))
			s->words |= HOLDING_BIT(HOLDING_RUN);
	}
	if (s->state > HOLDING_OURS || !stop)
		return;
	move(s, HOLDING_ENDING);
	if (s->words & HOLDING_BIT(HOLDING_RUN))
		s->words |= HOLDING_BIT(HOLDING_GOES_ON);
	s->words &= ~HOLDING_BIT(HOLDING_RUN);
	s->words |= HOLDING_BIT(HOLDING_STOP);
}

/* One that is in the table, held against a value; own: what the value gives this node of that slot, or NULL. */
static void judge(
	struct holding *h, struct holding_slot *s, const struct holding_own *own, uint64_t next_epoch, struct now now)
{
	if (own && own->epoch == s->epoch) {
		is_ours(h, s, own->stop, now);
		return;
	}
	if (own && own->epoch > s->epoch && own->epoch >= s->next) {
		s->next_stop = own->stop || (s->next == own->epoch && s->next_stop);
		s->next = own->epoch;
		lose(h, s, now);
		return;
	}
	if (own)
		return; /* an older value, or one between the two */
	if (s->next < next_epoch)
		s->next = 0;
	if (s->epoch < next_epoch)
		lose(h, s, now);
}

static const struct holding_own *own_of(const struct holding_in *in, uint32_t slot)
{
	size_t low = 0, high = in->n_own;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (in->own[mid].slot < slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low < in->n_own && in->own[low].slot == slot ? &in->own[low] : NULL;
}

static int chosen(struct holding *h, const struct holding_in *in, struct now now)
{
	int rc = 0;

	for (uint32_t i = place(h, &in->key, 0); i < h->n_slots && msg_key_cmp(&h->slots[i].key, &in->key) == 0; i++)
		judge(h, &h->slots[i], own_of(in, h->slots[i].slot), in->next_epoch, now);
	for (size_t i = 0; i < in->n_own && rc == 0; i++) {
		struct holding_slot *s = holding_find(h, &in->key, in->own[i].slot);

		if (s)
			continue;
		s = add(h, &in->key, in->own[i].slot, &rc);
		if (s)
			begin(h, s, in->own[i].epoch, in->own[i].stop, now);
	}
	return rc;
}

/* ---- what the edge says ---- */

static void runs(struct holding *h, struct holding_slot *s, const struct holding_in *in, struct now now)
{
	s->until_ms = MAX(s->until_ms, in->until_ms);
	s->unarmed = in->until_ms == HOLDING_UNARMED;
	holding_join(h, s, now);
}

static int found(struct holding *h, const struct holding_in *in, struct now now)
{
	struct holding_slot *s = holding_find(h, &in->key, in->slot);
	int rc;

	if (in->epoch == 0 || (s && in->epoch <= s->epoch && s->state >= HOLDING_EMPTY))
		return -ESTALE;
	if (s && in->epoch == s->epoch) {
		runs(h, s, in, now);
		return 0;
	}
	if (s && in->epoch < s->epoch) { /* of an epoch before: the newer one begins once it has ended */
		uint64_t next = s->next > 0 ? s->next : s->epoch;
		bool stop = s->next > 0 ? s->next_stop : s->state == HOLDING_ENDING;

		holding_leave(h, s, now);
		*s = (struct holding_slot){.key = s->key,
			.slot = s->slot,
			.state = HOLDING_LOST,
			.epoch = in->epoch,
			.next = next,
			.next_stop = stop,
			.drop = s->drop,
			.unarmed = in->until_ms == HOLDING_UNARMED,
			.words = HOLDING_BIT(HOLDING_STOP) | (s->words & HOLDING_BIT(HOLDING_DROP))};
		return 0;
	}
	if (s)
		holding_leave(h, s, now); /* left behind, whatever is known of it: of a slot there is one run at most */
	else
		s = add(h, &in->key, in->slot, &rc);
	if (!s)
		return rc;
	*s = (struct holding_slot){.key = in->key, .slot = in->slot, .state = HOLDING_FOUND, .epoch = in->epoch};
	runs(h, s, in, now);
	return 0;
}

static void emptied(struct holding *h, struct holding_slot *s, struct now now)
{
	if (s->state == HOLDING_LOST) {
		retire(h, s, now);
		return;
	}
	if (s->state != HOLDING_ENDING)
		return;
	if (s->leased)
		(void)holding_tell_lease(h, LEASE_IN_EMPTY, s, 0, now); /* cannot fail */
	move(s, HOLDING_EMPTY);
	s->unarmed = s->unknown = false;
	s->words = (s->words & ~(HOLDING_MAY_RUN | HOLDING_BIT(HOLDING_STOP))) | HOLDING_BIT(HOLDING_RELEASE);
	s->again_ms = now.mono_ms + HOLDING_AGAIN_MS;
}

static void released(struct holding *h, struct holding_slot *s, struct now now)
{
	if (s->state != HOLDING_EMPTY)
		return;
	if (s->leased)
		(void)holding_tell_lease(
			h, LEASE_IN_RELEASED, s, 0, now); /* cannot fail; it tells the voters, and forgets */
	s->leased = false;
	s->words &= ~HOLDING_BIT(HOLDING_RELEASE);
	move(s, HOLDING_RELEASED);
	if (s->gone)
		dropped(h, s, now);
}

static void of_slot(struct holding *h, const struct holding_in *in, struct now now)
{
	struct holding_slot *s = holding_find(h, &in->key, in->slot);

	if (!s || s->epoch != in->epoch || s->dead)
		return;
	if (in->type == HOLDING_IN_EMPTY)
		emptied(h, s, now);
	else if (in->type == HOLDING_IN_RELEASED)
		released(h, s, now);
	else
		s->unarmed = false;
}

static int take(struct holding *h, const struct holding_in *in, struct now now)
{
	switch (in->type) {
	case HOLDING_IN_CHOSEN:
		return chosen(h, in, now);
	case HOLDING_IN_FOUND:
		return found(h, in, now);
	case HOLDING_IN_EMPTY:
	case HOLDING_IN_RELEASED:
	case HOLDING_IN_ARMED:
		of_slot(h, in, now);
		break;
	case HOLDING_IN_MSG:
	case HOLDING_IN_CFG:
	case HOLDING_IN_TIMES:
		holding_pass_on(h, in, now);
		break;
	case HOLDING_IN_NUMBER:
		h->durable = MAX(h->durable, in->number);
		break;
	case HOLDING_IN_LONG:
		h->long_ms = MIN(in->tf_ms, MSG_TF_MAX_MS);
		break;
	case HOLDING_IN_RESUMED:
		h->long_ms = MAX(h->long_ms, h->times.tf_ms); /* renews at once, by the time before it is sent */
		break;
	case HOLDING_IN_ARM:
		h->alone = false;
		break;
	case HOLDING_IN_TICK:
	case HOLDING_IN_MAX:
		break;
	}
	return 0;
}

int holding_step(struct holding *h, const struct holding_in *in, struct now now, struct holding_outs *outs)
{
	int rc;

	outs->n_to = 0;
	outs->number = 0;
	h->said = 0;
	sweep(h);
	rc = take(h, in, now);
	holding_take_changes(h, now);
	if (in->type == HOLDING_IN_TICK || in->type == HOLDING_IN_ARM)
		holding_remind(h, now);
	if (in->type == HOLDING_IN_TICK || h->long_ms > 0) {
		holding_renew(h, now, outs);
		holding_ask_number(h, now, outs);
	}
	return rc;
}

/* One of the same register may stand behind it. */
static void identity_said(struct holding *h, uint32_t at)
{
	for (uint32_t i = at; i < h->n_slots && msg_key_cmp(&h->slots[i].key, &h->slots[at].key) == 0; i++)
		h->slots[i].words &= ~HOLDING_BIT(HOLDING_IDENTITY);
}

bool holding_next(struct holding *h, struct holding_said *ret)
{
	struct holding_slot *s;
	int word = 0;

	while (h->said < h->n_slots && h->slots[h->said].words == 0)
		h->said++;
	if (h->said == h->n_slots)
		return false;
	s = &h->slots[h->said];
	while (!(s->words & HOLDING_BIT(word)))
		word++;
	s->words &= ~HOLDING_BIT(word);
	if (word == HOLDING_IDENTITY)
		identity_said(h, h->said);
	*ret = (struct holding_said){.word = (enum holding_word)word,
		.key = s->key,
		.slot = s->slot,
		.epoch = word == HOLDING_DROP ? s->drop : s->epoch,
		.until_ms = s->until_ms};
	return true;
}

/* ---- the rest ---- */

void holding_init(struct holding *h, const struct holding_config *config, struct now now)
{
	const struct lease_config lease = {.self = config->self,
		.cfg = config->cfg,
		.times = config->times,
		.number = config->number,
		.mem = config->mem};

	*h = (struct holding){.mem = config->mem,
		.times = config->times,
		.alone = config->alone,
		.durable = config->number,
		.ask_at_ms = now.mono_ms};
	lease_init(&h->lease, &lease, now);
}

void holding_done(struct holding *h)
{
	lease_done(&h->lease);
	if (h->slots)
		h->mem.release(h->mem.ctx, h->slots, h->cap_slots * sizeof(*h->slots));
	h->slots = NULL;
	h->n_slots = h->cap_slots = 0;
}

/* Voters are told of it once more: who wrote it may have ended before they were. */
int holding_load(struct holding *h, const struct msg_key *key, uint32_t slot, uint64_t epoch, struct now now)
{
	int rc;
	struct holding_slot *s = add(h, key, slot, &rc);

	if (!s)
		return rc;
	s->state = HOLDING_RELEASED; /* the first state of an epoch that was released before */
	s->epoch = epoch;
	rc = holding_tell_lease(h, LEASE_IN_HOLD, s, 0, now);
	if (rc == 0)
		rc = holding_tell_lease(h, LEASE_IN_EMPTY, s, 0, now);
	if (rc == 0)
		rc = holding_tell_lease(h, LEASE_IN_RELEASED, s, 0, now);
	return rc;
}

bool holding_is_armed(const struct holding *h)
{
	for (uint32_t i = 0; i < h->n_slots; i++)
		if (h->slots[i].unarmed && !h->slots[i].dead)
			return false;
	return !h->alone;
}

int64_t holding_least_ms(const struct holding *h)
{
	int64_t least = DEADLINE_NEVER;

	for (uint32_t i = 0; i < h->n_slots; i++)
		if (h->slots[i].state <= HOLDING_ENDING)
			least = MIN(least, h->slots[i].until_ms);
	return least;
}

bool holding_knows(const struct holding *h, const struct msg_key *key)
{
	uint32_t i = place(h, key, 0);

	return i < h->n_slots && msg_key_cmp(&h->slots[i].key, key) == 0;
}

size_t holding_own(const struct sched_value *v, struct sched_node node, struct holding_own *ret, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_slots && n < cap; i++) {
		const struct sched_slot *s = &v->slots[i];

		if (s->leased && s->state != SCHED_PENDING && sched_same_node(s->node, node))
			ret[n++] = (struct holding_own){s->number, s->epoch, s->state == SCHED_STOP};
	}
	return n;
}

void holding_check(const struct holding *h)
{
	lease_check(&h->lease);
	assert(h->n_slots <= h->cap_slots && h->n_slots <= MSG_LEASES_MAX && h->lease.number <= h->durable);
	for (uint32_t i = 0; i < h->n_slots; i++) {
		const struct holding_slot *s = &h->slots[i];
		struct lease_slot l;

		assert(i == 0 || order(&h->slots[i - 1], &s->key, s->slot) < 0);
		assert(s->epoch > 0 && (s->next == 0 || s->next > s->epoch));
		assert(!s->leased || s->state <= HOLDING_ENDING || s->state == HOLDING_EMPTY);
		assert(s->state <= HOLDING_LOST || !s->unarmed);
		if (s->leased)
			assert(lease_get(&h->lease, &s->key, s->slot, &l) && l.epoch == s->epoch &&
				(l.state == LEASE_EMPTY) == (s->state == HOLDING_EMPTY));
	}
}

char *holding_dump(const struct holding *h, char *out, size_t n)
{
	size_t at = (size_t)snprintf(
		out, n, "number %" PRIu64 " of %" PRIu64 "%s", h->lease.number, h->durable, h->alone ? " alone" : "");

	for (uint32_t i = 0; i < h->n_slots && at < n; i++) {
		const struct holding_slot *s = &h->slots[i];
		char until[40] = "";

		if (s->state <= HOLDING_LOST && s->until_ms == HOLDING_UNARMED)
			(void)snprintf(until, sizeof(until), " unarmed"); /* fits, as the next */
		else if (s->state <= HOLDING_LOST && s->until_ms > 0)
			(void)snprintf(
				until, sizeof(until), " until %" PRId64 "%s", s->until_ms, s->unarmed ? " arming" : "");
		at += (size_t)snprintf(out + at, n - at, " | %.*s.%" PRIu32 "/%" PRIu64 " %s%s%s", s->key.n, s->key.v,
			s->slot, s->epoch, states[s->state].name, until, s->unknown ? " unknown" : "");
		if (s->next > 0 && at < n)
			at += (size_t)snprintf(out + at, n - at, " then %" PRIu64, s->next);
	}
	return out;
}
