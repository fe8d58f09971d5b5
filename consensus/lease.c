/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renewals, numbered, a few of them under way at a time; what each voter granted is a bit of a mask for each slot. A
 * grant of all that a renewal asked for counts for those slots that it did ask for, and have not changed since.
 */
#include "consensus/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sm.h"
#include "consensus/rules.h"

#define CAP_FIRST 16

static const struct sm_state states[] = {
	[LEASE_ASKED] = {"asked", SM_TO(LEASE_HELD) | SM_TO(LEASE_EMPTY)},
	[LEASE_HELD] = {"held", SM_TO(LEASE_HELD) | SM_TO(LEASE_EMPTY)},
	[LEASE_EMPTY] = {"empty", SM_TO(LEASE_RELEASED)},
	[LEASE_RELEASED] = {"released", 0},
};
_Static_assert(ARRAY_LEN(states) == LEASE_STATE_MAX, "each state is in the table");

static void move(struct lease_slot *s, enum lease_state to)
{
	sm_move(states, LEASE_STATE_MAX, &s->state, to);
	s->changed = true;
}

static int order(const struct lease_slot *s, const struct msg_key *key, uint32_t slot)
{
	int rc = msg_key_cmp(&s->key, key);

	return rc != 0 ? rc : (s->slot > slot) - (s->slot < slot);
}

/* The first that is not below. */
static uint32_t place(const struct lease *l, const struct msg_key *key, uint32_t slot)
{
	uint32_t low = 0, high = l->n_slots;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (order(&l->slots[mid], key, slot) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct lease_slot *find(const struct lease *l, const struct msg_key *key, uint32_t slot, uint64_t epoch)
{
	uint32_t i = place(l, key, slot);

	if (i == l->n_slots || order(&l->slots[i], key, slot) != 0 || (epoch && l->slots[i].epoch != epoch))
		return NULL;
	return &l->slots[i];
}

void lease_init(struct lease *l, const struct lease_config *config, struct now now)
{
	memset(l, 0, sizeof(*l));
	l->config = *config;
	l->number = config->number;
	l->renew_at_ms = now.mono_ms;
}

static void slots_free(struct lease *l)
{
	const struct value_mem *mem = &l->config.mem;

	if (!l->slots)
		return;
	mem->release(mem->ctx, l->slots, l->cap_slots * sizeof(*l->slots));
	mem->release(mem->ctx, l->asked, l->cap_slots * sizeof(*l->asked));
}

void lease_done(struct lease *l)
{
	slots_free(l);
	l->slots = NULL;
	l->asked = NULL;
	l->n_slots = l->cap_slots = 0;
}

static int room(struct lease *l)
{
	const struct value_mem *mem = &l->config.mem;
	uint32_t cap = l->cap_slots ? l->cap_slots * 2 : CAP_FIRST;
	struct lease_slot *slots;
	struct msg_lease *asked;

	if (l->n_slots >= MSG_LEASES_MAX)
		return -ENOSPC;
	if (l->n_slots < l->cap_slots)
		return 0;
	slots = mem->alloc(mem->ctx, cap * sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	asked = mem->alloc(mem->ctx, cap * sizeof(*asked));
	if (!asked) {
		mem->release(mem->ctx, slots, cap * sizeof(*slots));
		return -ENOMEM;
	}
	if (l->n_slots > 0)
		memcpy(slots, l->slots, l->n_slots * sizeof(*slots));
	slots_free(l);
	l->slots = slots;
	l->asked = asked;
	l->cap_slots = cap;
	return 0;
}

/* A newer epoch of a slot takes the place of an older one, which its value ended. */
static int hold(struct lease *l, const struct lease_slot *in, struct now now)
{
	struct lease_slot *s = find(l, &in->key, in->slot, 0);
	uint32_t i;
	int rc;

	if (s && s->epoch >= in->epoch)
		return 0;
	if (!s) {
		rc = room(l);
		if (rc < 0)
			return rc;
		i = place(l, &in->key, in->slot);
		s = &l->slots[i];
		memmove(s + 1, s, (l->n_slots - i) * sizeof(*s));
		l->n_slots++;
	}
	*s = (struct lease_slot){.key = in->key, .slot = in->slot, .epoch = in->epoch, .changed = true};
	if (in->until_ms > 0 || !RULE(M20)) {
		s->state = LEASE_HELD;
		s->until_ms = MAX(in->until_ms, RULE(M20) ? 0 : now.boot_ms + l->config.times.tf_ms);
	}
	l->renew_at_ms = now.mono_ms;
	return 0;
}

static void to_all(const struct lease *l, enum msg_type type, uint32_t n, uint32_t tf_ms, struct lease_outs *outs)
{
	int voters = quorum_voters(&l->config.cfg);

	outs->brief = 0;
	outs->msg = (struct msg){.type = type,
		.from = l->config.self,
		.cfg = l->config.cfg,
		.leases = l->asked,
		.n_leases = n,
		.number = l->number,
		.tf_ms = tf_ms};
	for (int i = 0; i < voters; i++)
		outs->to[outs->n_to++] = *quorum_voter(&l->config.cfg, i);
}

static uint32_t collect(struct lease *l, bool released)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_slots; i++) {
		const struct lease_slot *s = &l->slots[i];

		if (released ? s->state == LEASE_RELEASED : s->state <= LEASE_HELD)
			l->asked[n++] = (struct msg_lease){.key = s->key, .slot = s->slot, .epoch = s->epoch};
	}
	return n;
}

/* No one knows them but whoever answers from now on. */
static void forget(struct lease *l)
{
	l->knows = l->heard = l->heard_before = 0;
}

/* The sum of what is about to be asked for, under l->number. */
static void set_is(struct lease *l, uint64_t set)
{
	if (set != l->set) {
		l->set = set;
		l->since = l->number;
		forget(l);
	}
	l->knows &= l->heard | l->heard_before;
	l->heard_before = l->heard;
	l->heard = 0;
}

/* t0 is noted here, before anything is sent. */
static void renew(struct lease *l, uint32_t tf_ms, struct now now, struct lease_outs *outs)
{
	uint32_t n = collect(l, false), k = l->n_flown++ % LEASE_FLYING_MAX;

	l->renew_at_ms = now.mono_ms + MAX(l->config.times.tf_ms / LEASE_RENEW_PARTS, 1);
	if (n == 0 || tf_ms == 0 || l->config.cfg.epoch == 0)
		return;
	l->number++;
	set_is(l, msg_leases_sum(l->asked, n));
	l->flying[k] = (struct lease_flying){
		.number = l->number, .tf_ms = tf_ms, .t0_ms = now.boot_ms, .cfg = l->config.cfg, .set = l->set};
	for (uint32_t i = 0; i < l->n_slots; i++) {
		struct lease_slot *s = &l->slots[i];

		s->grants[k] = 0;
		s->asked |= (uint8_t)((s->state <= LEASE_HELD) << k);
	}
	to_all(l, MSG_RENEW, n, tf_ms, outs);
	outs->msg.set = l->set;
	outs->brief = l->knows; /* to[i] is voter i */
}

/* Told again with each renewal for as long as a voter may guard it; nobody answers. */
static void release(struct lease *l, struct now now, struct lease_outs *outs)
{
	uint32_t kept = 0, n = collect(l, true);

	l->release_due = false;
	for (uint32_t i = 0; i < l->n_slots; i++)
		if (l->slots[i].state != LEASE_RELEASED || l->slots[i].until_ms > now.boot_ms || l->slots[i].changed)
			l->slots[kept++] = l->slots[i];
	l->n_slots = kept;
	if (n == 0 || l->config.cfg.epoch == 0)
		return;
	l->number++;
	to_all(l, MSG_RELEASE, n, 0, outs);
}

static bool is_quorum(const struct quorum_cfg *cfg, uint16_t mask)
{
	struct quorum_cfg one = *cfg;

	if (!RULE(M16))
		one.next.n = 0; /* the old ones' bits are the same */
	return quorum_reached(&one, mask);
}

/* One voter's grant of one slot, in answer to flying[k]. */
static void granted_slot(struct lease *l, struct lease_slot *s, uint32_t k, int voter, struct now now)
{
	const struct lease_flying *f = &l->flying[k];
	int64_t until_ms = (RULE(M13) ? f->t0_ms : now.boot_ms) + f->tf_ms;

	s->grants[k] |= (uint16_t)(1u << voter);
	if (!is_quorum(&f->cfg, s->grants[k]) || until_ms <= s->until_ms)
		return;
	s->until_ms = until_ms;
	s->unknown = false;
	move(s, LEASE_HELD);
}

static void granted_each(struct lease *l, const struct msg *m, uint32_t k, int voter, struct now now)
{
	for (uint32_t i = 0; i < m->n_leases; i++) {
		const struct msg_lease *a = &m->leases[i];
		struct lease_slot *s = find(l, &a->key, a->slot, a->epoch);

		if (!s || s->state > LEASE_HELD)
			continue;
		if (a->why == MSG_WHY_VALUE && !s->unknown)
			s->unknown = s->changed = true;
		if (a->why == MSG_WHY_NONE)
			granted_slot(l, s, k, voter, now);
	}
}

static void granted_all(struct lease *l, uint32_t k, int voter, struct now now)
{
	for (uint32_t i = 0; i < l->n_slots; i++) {
		struct lease_slot *s = &l->slots[i];

		if (s->state <= LEASE_HELD && s->asked >> k & 1)
			granted_slot(l, s, k, voter, now);
	}
}

/* It answers, and a grant of all says that it remembers them. */
static void hears(struct lease *l, const struct lease_flying *f, const struct msg *m, int voter)
{
	if (f->cfg.epoch != l->config.cfg.epoch || f->number < l->since)
		return;
	l->heard |= (uint16_t)(1u << voter);
	if (m->set)
		l->knows |= (uint16_t)(1u << voter);
}

static void granted(struct lease *l, const struct msg *m, struct now now)
{
	const struct lease_flying *f = NULL;
	uint32_t k;
	int voter;

	for (k = 0; k < LEASE_FLYING_MAX && !f; k++)
		if (l->flying[k].number == m->number && m->number > 0)
			f = &l->flying[k];
	k--;
	voter = f ? quorum_index(&f->cfg, &m->from) : -1;
	if (voter < 0 || m->cfg.epoch != f->cfg.epoch || (m->set && m->set != f->set))
		return;
	hears(l, f, m, voter);
	if (m->set)
		granted_all(l, k, voter, now);
	else
		granted_each(l, m, k, voter, now);
}

/* It gets all of them at once: with it all voters, since each renewal has a number. */
static void forgotten(struct lease *l, const struct msg *m, struct now now)
{
	int voter = quorum_index(&l->config.cfg, &m->from);

	if (voter < 0 || !(l->knows >> voter & 1))
		return;
	l->knows &= (uint16_t) ~(1u << voter);
	l->renew_at_ms = now.mono_ms;
}

static void ends(struct lease *l, const struct lease_in *in, struct now now)
{
	struct lease_slot *s = find(l, &in->slot.key, in->slot.slot, in->slot.epoch);

	if (!s)
		return;
	if (in->type == LEASE_IN_EMPTY && s->state <= LEASE_HELD) {
		move(s, LEASE_EMPTY);
	} else if (in->type == LEASE_IN_RELEASED && s->state == LEASE_EMPTY) {
		move(s, LEASE_RELEASED);
		s->until_ms = now.boot_ms + l->config.times.lv_ms;
		l->release_due = true;
	}
}

/* Nobody is to be told: voters that have that value guard the epoch no further. */
static void gone(struct lease *l, const struct lease_slot *in)
{
	struct lease_slot *s = find(l, &in->key, in->slot, in->epoch);

	if (!s || s->state > LEASE_HELD)
		return;
	l->n_slots--;
	memmove(s, s + 1, (size_t)(l->slots + l->n_slots - s) * sizeof(*s));
}

static void cfg_set(struct lease *l, const struct quorum_cfg *cfg, struct now now)
{
	if (cfg->epoch <= l->config.cfg.epoch)
		return;
	l->config.cfg = *cfg;
	l->renew_at_ms = now.mono_ms;
	forget(l);
}

static bool has_released(const struct lease *l)
{
	for (uint32_t i = 0; i < l->n_slots; i++)
		if (l->slots[i].state == LEASE_RELEASED)
			return true;
	return false;
}

static void hear(struct lease *l, const struct msg *m, struct now now)
{
	if (m->type == MSG_GRANT)
		granted(l, m, now);
	else if (m->type == MSG_REFUSED && m->why == MSG_WHY_EPOCH)
		cfg_set(l, &m->cfg, now);
	else if (m->type == MSG_REFUSED && m->why == MSG_WHY_SET)
		forgotten(l, m, now);
}

static void tick(struct lease *l, struct now now, struct lease_outs *outs)
{
	if (l->release_due)
		release(l, now, outs);
	else if (now.mono_ms >= l->renew_at_ms) {
		renew(l, l->config.times.tf_ms, now, outs);
		l->release_due = has_released(l);
	}
}

int lease_step(struct lease *l, const struct lease_in *in, struct now now, struct lease_outs *outs)
{
	outs->n_to = 0;
	l->told = 0;
	switch (in->type) {
	case LEASE_IN_TICK:
		tick(l, now, outs);
		break;
	case LEASE_IN_MSG:
		hear(l, in->msg, now);
		break;
	case LEASE_IN_CFG:
		cfg_set(l, in->cfg, now);
		break;
	case LEASE_IN_TIMES:
		l->config.times = in->times;
		break;
	case LEASE_IN_HOLD:
		return hold(l, &in->slot, now);
	case LEASE_IN_EMPTY:
	case LEASE_IN_RELEASED:
		ends(l, in, now);
		break;
	case LEASE_IN_GONE:
		gone(l, &in->slot);
		break;
	case LEASE_IN_LONG:
		renew(l, MIN(in->tf_ms, MSG_TF_MAX_MS), now, outs);
		break;
	case LEASE_IN_MAX:
		break;
	}
	return 0;
}

bool lease_changed(struct lease *l, struct lease_slot *ret)
{
	while (l->told < l->n_slots) {
		struct lease_slot *s = &l->slots[l->told++];

		if (!s->changed)
			continue;
		s->changed = false;
		*ret = *s;
		return true;
	}
	return false;
}

bool lease_get(const struct lease *l, const struct msg_key *key, uint32_t slot, struct lease_slot *ret)
{
	const struct lease_slot *s = find(l, key, slot, 0);

	if (s)
		*ret = *s;
	return s != NULL;
}

struct msg lease_msg(const struct msg *m, uint16_t brief, unsigned nth)
{
	struct msg ret = *m;

	if (brief >> nth & 1) {
		ret.leases = NULL;
		ret.n_leases = 0;
	}
	return ret;
}

bool lease_may_run(const struct lease_slot *s, struct now now)
{
	return s->state == LEASE_HELD && s->until_ms > now.boot_ms;
}

uint32_t lease_held(const struct lease *l, struct now now)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n_slots; i++)
		n += lease_may_run(&l->slots[i], now);
	return n;
}

int64_t lease_deadline_ms(const struct lease *l)
{
	if (l->n_slots == 0)
		return DEADLINE_NEVER;
	return l->release_due ? INT64_MIN : l->renew_at_ms;
}

void lease_check(const struct lease *l)
{
	assert(l->n_slots <= l->cap_slots && l->n_slots <= MSG_LEASES_MAX);
	for (uint32_t i = 0; i < l->n_slots; i++) {
		const struct lease_slot *s = &l->slots[i];

		assert(i == 0 || order(&l->slots[i - 1], &s->key, s->slot) < 0);
		assert(s->state >= 0 && s->state < LEASE_STATE_MAX && s->epoch > 0);
		assert((s->state == LEASE_ASKED && s->until_ms == 0) || s->state != LEASE_ASKED);
	}
	for (int k = 0; k < LEASE_FLYING_MAX; k++)
		assert(l->flying[k].number <= l->number);
	assert(l->since <= l->number && (l->set != 0 || l->knows == 0));
}

char *lease_dump(const struct lease *l, char *out, size_t n)
{
	size_t at = (size_t)snprintf(out, n, "number %" PRIu64, l->number);

	for (uint32_t i = 0; i < l->n_slots && at < n; i++) {
		const struct lease_slot *s = &l->slots[i];

		at += (size_t)snprintf(out + at, n - at, " | %.*s.%" PRIu32 "/%" PRIu64 " %s until %" PRId64 "%s",
			s->key.n, s->key.v, s->slot, s->epoch, states[s->state].name, s->until_ms,
			s->unknown ? " unknown" : "");
	}
	return out;
}
