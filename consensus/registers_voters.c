/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change of voters that this node runs: its messages and proposals among all others.
 */
#include <errno.h>
#include <string.h>

#include "consensus/registers_impl.h"

#define VOTERS_MS 3000 /* one proposal of it: it asks again */

void registers_voters_drop(struct registers *r)
{
	if (!r->voters)
		return;
	voters_done(r->voters);
	r->mem.release(r->mem.ctx, r->voters, sizeof(*r->voters));
	r->voters = NULL;
	r->seal_due = false;
	for (size_t i = 0; i < WORKS_MAX; i++)
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

int registers_voters_begin(struct registers *r, const struct registers_voters *ask)
{
	struct voters_config config = {.self = r->source.node,
		.reader = r->reader,
		.cfg_put = ask->cfg_put,
		.ctx = ask->ctx,
		.mem = r->mem,
		.cfg = r->cfg,
		.target = ask->target,
		.round_ms = r->round_ms};

	if (r->cfg.epoch == 0)
		return -ENOTCONN;
	if (r->voters)
		return -EAGAIN;
	if (!quorum_is_joint(&r->cfg) && voters_fault(&r->cfg.old, &ask->target))
		return -EINVAL;
	r->voters = r->mem.alloc(r->mem.ctx, sizeof(*r->voters));
	if (!r->voters)
		return -ENOMEM;
	config.round = ++r->round;
	r->voters_lost = r->voters_ended = false;
	voters_init(r->voters, &config, r->now);
	registers_voters_input(r, &(struct voters_in){.type = VOTERS_IN_TICK});
	return 0;
}
