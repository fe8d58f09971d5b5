/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a change of voters. What is lost is asked again for ever: whoever gives a change up leaves it to
 * others, and a cluster whose change cannot be finished goes on under joint quorums.
 */
#include "consensus/voters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sm.h"
#include "consensus/rules.h"

#define RESEND_ROUNDS 4
#define CAP_FIRST     64

/* JOINT to RESCAN and SEAL to JOINT: a mutant's ways. */
static const struct sm_state states[] = {
	[VOTERS_JOINT] = {"joint", SM_TO(VOTERS_SEAL) | SM_TO(VOTERS_RESCAN) | SM_TO(VOTERS_DONE)},
	[VOTERS_SEAL] = {"seal", SM_TO(VOTERS_RESCAN) | SM_TO(VOTERS_WAIT) | SM_TO(VOTERS_JOINT) | SM_TO(VOTERS_DONE)},
	[VOTERS_RESCAN] = {"rescan", SM_TO(VOTERS_WAIT) | SM_TO(VOTERS_DONE)},
	[VOTERS_WAIT] = {"wait", SM_TO(VOTERS_STABLE)},
	[VOTERS_STABLE] = {"stable", SM_TO(VOTERS_DONE)},
	[VOTERS_DONE] = {"done", 0},
};
_Static_assert(ARRAY_LEN(states) == VOTERS_STATE_MAX, "each state is in the table");

static const struct msg_key root;

static void move(struct voters *v, enum voters_state to)
{
	sm_move(states, VOTERS_STATE_MAX, &v->state, to);
}

const char *voters_fault(const struct quorum_set *from, const struct quorum_set *to)
{
	struct quorum_cfg next = {.epoch = 1, .old = *to};
	int added = 0, removed = 0;

	if (quorum_fault(&next))
		return quorum_fault(&next);
	for (int i = 0; i < to->n; i++)
		added += !quorum_set_has(from, &to->v[i]);
	for (int i = 0; i < from->n; i++)
		removed += !quorum_set_has(to, &from->v[i]);
	if (added + removed == 0)
		return "these vote already";
	if (added + removed > 2)
		return "more than one swapped, or two added or removed, at a time";
	return NULL;
}

static struct quorum_cfg joint_of(const struct voters *v)
{
	struct quorum_cfg cfg = v->config.cfg;

	if (quorum_is_joint(&cfg))
		return cfg;
	cfg.epoch++;
	cfg.next = v->config.target;
	return cfg;
}

static struct quorum_cfg stable_of(const struct voters *v)
{
	struct quorum_cfg joint = joint_of(v);

	return (struct quorum_cfg){.epoch = joint.epoch + 1, .old = joint.next};
}

enum proposer_verdict voters_change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	const struct voters *v = ctx;
	struct quorum_cfg is, to = v->state == VOTERS_JOINT ? joint_of(v) : stable_of(v);

	if (v->state == VOTERS_RESCAN)
		return PROPOSER_SAME; /* whatever it is, it is carried over */
	if (!v->config.reader->cfg_get(v->config.reader->ctx, base->value, &is))
		return PROPOSER_REFUSE;
	if (quorum_same(&is, &to))
		return PROPOSER_SAME;
	if (!quorum_same(&is, &v->cfg) || !v->config.cfg_put(v->config.ctx, base->value, &to, ret))
		return PROPOSER_REFUSE;
	return PROPOSER_CHANGE;
}

static void finish(struct voters *v, enum voters_outcome outcome, struct voters_outs *outs)
{
	move(v, VOTERS_DONE);
	v->outcome = outcome;
	outs->done = true;
	outs->n_sends = outs->n_proposals = 0;
}

static void propose(struct voters *v, const struct msg_key *key, struct voters_outs *outs)
{
	outs->cfg = v->cfg;
	outs->keys[outs->n_proposals++] = *key;
}

static void seal_one(const struct voters *v, int i, struct voters_outs *outs)
{
	outs->to[outs->n_sends] = *quorum_voter(&v->cfg, i);
	outs->sends[outs->n_sends++] = (struct msg){.type = MSG_SEAL,
		.from = v->config.self,
		.cfg = v->cfg,
		.round = v->config.round,
		.key = v->voters[i].page,
		.more = v->voters[i].more};
}

static void seal_all(struct voters *v, struct now now, struct voters_outs *outs)
{
	int n = quorum_voters(&v->cfg);

	for (int i = 0; i < n; i++)
		if (!v->voters[i].last)
			seal_one(v, i, outs);
	v->resend_ms = now.mono_ms + (int64_t)RESEND_ROUNDS * v->config.round_ms;
}

static void fly(struct voters *v, struct voters_outs *outs)
{
	for (int i = 0; i < VOTERS_AT_ONCE && v->next_key < v->n_keys; i++) {
		if (v->busy[i])
			continue;
		v->busy[i] = true;
		v->flying[i] = v->keys[v->next_key++];
		propose(v, &v->flying[i], outs);
	}
}

static void stable(struct voters *v, struct now now, struct voters_outs *outs)
{
	if (v->state != VOTERS_WAIT)
		move(v, VOTERS_WAIT);
	v->wait_at_ms = now.mono_ms + MAX(v->wait_until_ms - now.boot_ms, 0);
	if (RULE(M18) && now.boot_ms < v->wait_until_ms)
		return;
	move(v, VOTERS_STABLE);
	v->proposed = true;
	propose(v, &root, outs);
}

static void rescan(struct voters *v, struct now now, struct voters_outs *outs)
{
	if (!RULE(M10)) {
		stable(v, now, outs);
		return;
	}
	move(v, VOTERS_RESCAN);
	fly(v, outs);
	if (v->n_keys == 0)
		stable(v, now, outs);
}

static void joint(struct voters *v, struct voters_outs *outs)
{
	v->proposed = true;
	propose(v, &root, outs);
}

static void sealed(struct voters *v, struct now now, struct voters_outs *outs)
{
	uint32_t longest = 0;
	int n = quorum_voters(&v->cfg);

	for (int i = 0; i < n; i++)
		if (v->sealed >> i & 1)
			longest = MAX(longest, v->voters[i].left_ms);
	v->wait_until_ms = now.boot_ms + value_wait_ms(longest);
	if (RULE(M9) || quorum_is_joint(&v->cfg)) {
		rescan(v, now, outs);
		return;
	}
	move(v, VOTERS_JOINT);
	joint(v, outs);
}

void voters_init(struct voters *v, const struct voters_config *config, struct now now)
{
	memset(v, 0, sizeof(*v));
	v->config = *config;
	v->config.round_ms = MAX(config->round_ms, 1);
	v->cfg = config->cfg;
	v->state = quorum_is_joint(&v->cfg) || !RULE(M9) ? VOTERS_SEAL : VOTERS_JOINT;
	v->resend_ms = now.mono_ms;
}

void voters_done(struct voters *v)
{
	if (v->keys)
		v->config.mem.release(v->config.mem.ctx, v->keys, v->cap_keys * sizeof(*v->keys));
	v->keys = NULL;
	v->n_keys = v->cap_keys = 0;
}

static bool keys_room(struct voters *v)
{
	const struct value_mem *mem = &v->config.mem;
	uint32_t cap = v->cap_keys ? v->cap_keys * 2 : CAP_FIRST;
	struct msg_key *keys;

	if (v->n_keys < MIN(v->cap_keys, VOTERS_KEYS_MAX))
		return true;
	if (v->n_keys >= VOTERS_KEYS_MAX || !(keys = mem->alloc(mem->ctx, cap * sizeof(*keys))))
		return false;
	if (v->keys) {
		memcpy(keys, v->keys, v->n_keys * sizeof(*keys));
		mem->release(mem->ctx, v->keys, v->cap_keys * sizeof(*keys));
	}
	v->keys = keys;
	v->cap_keys = cap;
	return true;
}

static bool key_add(struct voters *v, const struct msg_key *key)
{
	uint32_t low = 0, high = v->n_keys;

	while (low < high) {
		uint32_t mid = (low + high) / 2;

		if (msg_key_cmp(&v->keys[mid], key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < v->n_keys && msg_key_cmp(&v->keys[low], key) == 0)
		return true;
	if (!keys_room(v))
		return false;
	memmove(&v->keys[low + 1], &v->keys[low], (v->n_keys - low) * sizeof(*v->keys));
	v->keys[low] = *key;
	v->n_keys++;
	return true;
}

/* One page of a voter's list; the last one seals it. */
static void listed(struct voters *v, const struct msg *m, struct now now, struct voters_outs *outs)
{
	int i = quorum_index(&v->cfg, &m->from);
	struct voters_voter *w;

	if (i < 0 || v->voters[i].last || m->cfg.epoch != v->cfg.epoch || msg_key_cmp(&m->key, &v->voters[i].page) != 0)
		return;
	w = &v->voters[i];
	for (uint32_t k = 0; k < m->n_keys; k++)
		if (!key_add(v, &m->keys[k])) {
			finish(v, VOTERS_FULL, outs);
			return;
		}
	w->left_ms = MAX(w->left_ms, m->left_ms);
	if (m->more && m->n_keys > 0) {
		w->more = true;
		w->page = m->keys[m->n_keys - 1];
		seal_one(v, i, outs);
		return;
	}
	w->last = true;
	v->sealed |= (uint16_t)(1u << i);
	if (quorum_is_joint(&v->cfg) ? quorum_both(&v->cfg, v->sealed) : quorum_reached(&v->cfg, v->sealed))
		sealed(v, now, outs);
}

static void take(struct voters *v, const struct msg *m, struct now now, struct voters_outs *outs)
{
	if (v->state != VOTERS_SEAL || m->round != v->config.round)
		return;
	if (m->type == MSG_SEALED)
		listed(v, m, now, outs);
	else if (m->type == MSG_REFUSED && m->why == MSG_WHY_EPOCH && m->cfg.epoch > v->cfg.epoch)
		finish(v, VOTERS_OVERTAKEN, outs);
}

/* JOINT or STABLE has ended. */
static void decided(struct voters *v, const struct voters_in *in, struct now now, struct voters_outs *outs)
{
	struct quorum_cfg is, to = v->state == VOTERS_JOINT ? joint_of(v) : stable_of(v);

	v->proposed = false;
	if (in->outcome == PROPOSER_UNKNOWN || in->outcome == PROPOSER_HELD) {
		joint(v, outs); /* again; what was done is recognised */
		return;
	}
	if (in->outcome != PROPOSER_CHOSEN || !v->config.reader->cfg_get(v->config.reader->ctx, in->value, &is) ||
		!quorum_same(&is, &to)) {
		finish(v, VOTERS_OVERTAKEN, outs);
		return;
	}
	v->cfg = to;
	if (v->state == VOTERS_STABLE) {
		finish(v, VOTERS_CHANGED, outs);
	} else if (RULE(M9)) {
		move(v, VOTERS_SEAL);
		seal_all(v, now, outs);
	} else
		rescan(v, now, outs);
}

static void carried(struct voters *v, const struct voters_in *in, struct now now, struct voters_outs *outs)
{
	for (int i = 0; i < VOTERS_AT_ONCE; i++) {
		if (!v->busy[i] || msg_key_cmp(&v->flying[i], &in->key) != 0)
			continue;
		if (in->outcome == PROPOSER_EPOCH) {
			finish(v, VOTERS_OVERTAKEN, outs);
			return;
		}
		if (in->outcome != PROPOSER_CHOSEN) {
			propose(v, &in->key, outs);
			return;
		}
		v->busy[i] = false;
		if (++v->n_carried == v->n_keys)
			stable(v, now, outs);
		else
			fly(v, outs);
		return;
	}
}

static void tick(struct voters *v, struct now now, struct voters_outs *outs)
{
	if (v->state == VOTERS_JOINT && !v->proposed)
		joint(v, outs);
	else if (v->state == VOTERS_SEAL && now.mono_ms >= v->resend_ms)
		seal_all(v, now, outs);
	else if (v->state == VOTERS_WAIT)
		stable(v, now, outs);
}

void voters_step(struct voters *v, const struct voters_in *in, struct now now, struct voters_outs *outs)
{
	outs->done = false;
	outs->n_sends = outs->n_proposals = 0;
	if (v->state == VOTERS_DONE)
		return;
	if (in->type == VOTERS_IN_MSG)
		take(v, in->msg, now, outs);
	else if (in->type == VOTERS_IN_TICK)
		tick(v, now, outs);
	else if (in->type == VOTERS_IN_PROPOSED && v->state == VOTERS_RESCAN)
		carried(v, in, now, outs);
	else if (in->type == VOTERS_IN_PROPOSED && v->proposed)
		decided(v, in, now, outs);
}

int64_t voters_deadline_ms(const struct voters *v)
{
	if (v->state == VOTERS_SEAL || (v->state == VOTERS_JOINT && !v->proposed))
		return v->resend_ms;
	return v->state == VOTERS_WAIT ? v->wait_at_ms : DEADLINE_NEVER;
}

void voters_check(const struct voters *v)
{
	uint32_t flying = 0;

	for (int i = 0; i < VOTERS_AT_ONCE; i++)
		flying += v->busy[i];
	assert((v->state == VOTERS_DONE) == (v->outcome != VOTERS_NONE));
	assert(v->next_key <= v->n_keys && v->n_carried + flying == v->next_key);
	assert(v->state != VOTERS_STABLE || !RULE(M10) || v->n_carried == v->n_keys);
	assert(v->state != VOTERS_STABLE || !RULE(M9) || quorum_both(&v->cfg, v->sealed));
	for (uint32_t i = 1; i < v->n_keys; i++)
		assert(msg_key_cmp(&v->keys[i - 1], &v->keys[i]) < 0);
}

char *voters_dump(const struct voters *v, char *out, size_t n)
{
	char cfg[512];

	(void)snprintf(out, n, "%s %s sealed %x keys %" PRIu32 "/%" PRIu32 "%s", states[v->state].name,
		quorum_text(&v->cfg, cfg, sizeof(cfg)), v->sealed, v->n_carried, v->n_keys,
		v->outcome == VOTERS_CHANGED ? ": changed"
		: v->outcome		     ? ": not changed"
					     : "");
	return out;
}
