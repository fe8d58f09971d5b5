/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change of voters that this node runs: its messages and proposals among all others; and before it those that it
 * adds are asked for a durable write.
 */
#include <errno.h>
#include <string.h>

#include "consensus/registers_impl.h"

#define VOTERS_MS     3000 /* one proposal of it: it asks again */
#define PROBE_MS      3000 /* who has not answered by then is not made a voter */
#define RESEND_ROUNDS 4

void registers_voters_drop(struct registers *r)
{
	if (!r->voters)
		return;
	voters_done(r->voters);
	r->mem.release(r->mem.ctx, r->voters, sizeof(*r->voters));
	r->voters = NULL;
	r->seal_due = false;
	for (size_t i = 0; i < r->works_end; i++)
		if (r->works[i] && r->works[i]->kind == WORK_VOTERS)
			r->works[i]->ended = true; /* freed when the next step begins */
}

static void voters_propose(struct registers *r, const struct voters_outs *outs)
{
	for (int i = 0; i < outs->n_proposals; i++) {
		struct registers_ask ask = {
			.key = outs->keys[i], .change = voters_change, .ctx = r->voters, .for_ms = VOTERS_MS};
		struct work *w;

		if (registers_work_begin(r, WORK_VOTERS, &ask, &outs->cfg, &w) < 0) {
			r->voters_lost = true; /* given up, as a crash would: another takes it up, or this node again */
			return;
		}
	}
}

/* Somebody may have read that it is so before its runner hears: overtaken by itself, or by who took it up. */
static enum voters_outcome voters_outcome(const struct registers *r)
{
	const struct voters_config *c = &r->voters->config;
	const struct quorum_set *target = quorum_is_joint(&c->cfg) ? &c->cfg.next : &c->target;

	if (r->voters->outcome == VOTERS_OVERTAKEN && !quorum_is_joint(&r->cfg) && quorum_set_same(&r->cfg.old, target))
		return VOTERS_CHANGED;
	return r->voters->outcome;
}

void registers_voters_input(struct registers *r, const struct voters_in *in)
{
	struct voters_outs outs;
	struct registers_out *out;

	if (!r->voters || r->voters_lost)
		return;
	voters_step(r->voters, in, r->now, &outs);
	for (int i = 0; i < outs.n_sends; i++)
		if (registers_send(r, &outs.sends[i], &outs.to[i], 1)) {
			r->seal = outs.sends[i];
			r->seal_due = true;
		}
	voters_propose(r, &outs);
	if (!outs.done && !r->voters_lost)
		return;
	out = registers_emit(r, REGISTERS_OUT_VOTERS);
	out->voters_outcome = outs.done ? voters_outcome(r) : VOTERS_FULL;
	r->voters_ended = true; /* its context is in use by proposals of this step */
}

static int change_begin(struct registers *r, const struct registers_voters *ask)
{
	struct voters_config config = {.self = r->source.node,
		.reader = r->reader,
		.cfg_put = ask->cfg_put,
		.ctx = ask->ctx,
		.mem = r->mem,
		.cfg = r->cfg,
		.target = ask->target,
		.round_ms = pace_ms(&r->pace)};

	r->voters = r->mem.alloc(r->mem.ctx, sizeof(*r->voters));
	if (!r->voters)
		return -ENOMEM;
	config.round = ++r->round;
	r->voters_lost = r->voters_ended = false;
	voters_init(r->voters, &config, r->now);
	registers_voters_input(r, &(struct voters_in){.type = VOTERS_IN_TICK});
	return 0;
}

/* ---- asking those that are added ---- */

static void probe_send(struct registers *r)
{
	struct probe *p = &r->probe;
	const struct msg m = {.type = MSG_SEAL, .from = r->source.node, .cfg = p->cfg, .round = p->round};
	struct uuid to[QUORUM_VOTERS_MAX];
	uint8_t n = 0;

	for (uint8_t i = 0; i < p->added.n; i++)
		if (!(p->answered >> i & 1))
			to[n++] = p->added.v[i];
	p->resend_ms = r->now.mono_ms + (int64_t)RESEND_ROUNDS * pace_ms(&r->pace);
	if (n > 0 && registers_send(r, &m, to, n)) {
		r->seal = m;
		r->seal_due = true;
	}
}

static void probe_begin(struct registers *r, const struct registers_voters *ask)
{
	struct probe *p = &r->probe;

	*p = (struct probe){.ask = *ask, .cfg = r->cfg, .round = ++r->round, .until_ms = r->now.mono_ms + PROBE_MS};
	for (uint8_t i = 0; i < ask->target.n; i++)
		if (!quorum_set_has(&r->cfg.old, &ask->target.v[i]))
			p->added.v[p->added.n++] = ask->target.v[i];
	probe_send(r);
}

/* It ends, and no change follows. */
static void probe_end(struct registers *r, enum voters_outcome outcome)
{
	struct registers_out *out = registers_emit(r, REGISTERS_OUT_VOTERS);

	out->voters_outcome = outcome;
	for (uint8_t i = 0; outcome == VOTERS_UNREADY && i < r->probe.added.n; i++)
		if (!(r->probe.answered >> i & 1))
			out->to[out->n_to++] = r->probe.added.v[i];
	r->probe.round = 0;
}

static void probe_answer(struct registers *r, const struct msg *m)
{
	struct probe *p = &r->probe;

	for (uint8_t i = 0; i < p->added.n; i++)
		if (m->type == MSG_SEALED && m->cfg.epoch == p->cfg.epoch && ballot_same_node(&p->added.v[i], &m->from))
			p->answered |= (uint8_t)(1u << i);
}

/* Under another configuration it is another change. */
static void probe_run(struct registers *r)
{
	struct probe *p = &r->probe;

	if (r->cfg.epoch != p->cfg.epoch) {
		probe_end(r, VOTERS_OVERTAKEN);
	} else if (p->answered == (1u << p->added.n) - 1) {
		p->round = 0;
		if (change_begin(r, &p->ask) < 0)
			probe_end(r, VOTERS_FULL);
	} else if (r->now.mono_ms >= p->until_ms) {
		probe_end(r, VOTERS_UNREADY);
	} else if (r->now.mono_ms >= p->resend_ms) {
		probe_send(r);
	}
}

/* ---- both ---- */

int registers_voters_begin(struct registers *r, const struct registers_voters *ask)
{
	if (r->cfg.epoch == 0)
		return -ENOTCONN;
	if (r->voters || r->probe.round != 0)
		return -EAGAIN;
	if (quorum_is_joint(&r->cfg))
		return change_begin(r, ask);
	if (voters_fault(&r->cfg.old, &ask->target))
		return -EINVAL;
	probe_begin(r, ask); /* of one that adds nobody, it is over at once */
	return 0;
}

void registers_voters_answer(struct registers *r, const struct msg *m)
{
	if (r->probe.round != 0 && r->probe.round == m->round)
		probe_answer(r, m);
	else if (r->voters && r->voters->config.round == m->round)
		registers_voters_input(r, &(struct voters_in){.type = VOTERS_IN_MSG, .msg = m});
}

/* It was begun under voters that were given up since: they would be asked for ever. */
static bool is_overtaken(const struct registers *r)
{
	return r->voters && !r->voters_ended && quorum_floor(r->voters->config.cfg.epoch) < quorum_floor(r->cfg.epoch);
}

void registers_voters_run(struct registers *r)
{
	if (is_overtaken(r)) {
		registers_emit(r, REGISTERS_OUT_VOTERS)->voters_outcome = VOTERS_OVERTAKEN;
		r->voters_ended = true;
	}
	if (r->probe.round != 0)
		probe_run(r);
	else if (r->voters && !r->voters_ended && voters_deadline_ms(r->voters) <= r->now.mono_ms)
		registers_voters_input(r, &(struct voters_in){.type = VOTERS_IN_TICK});
}

int64_t registers_voters_deadline(const struct registers *r)
{
	if (is_overtaken(r))
		return r->now.mono_ms;
	if (r->probe.round != 0)
		return MIN(r->probe.resend_ms, r->probe.until_ms);
	return r->voters ? voters_deadline_ms(r->voters) : DEADLINE_NEVER;
}
