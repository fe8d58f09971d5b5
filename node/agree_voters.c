/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is to vote, brought about: looked at as agents are, by rank; one change at a time, run by the registers. One that
 * nobody ended is taken up.
 */
#include <errno.h>
#include <string.h>

#include "node/agree_impl.h"
#include "scheduler/rank.h"

#define TAKE_UP_MS     5000  /* JOINT is seen for so long: who ran the change is gone; the next rank so much later */
#define AVOID_FIRST_MS 5000  /* who made no durable write when it was asked to, … */
#define AVOID_MOST_MS  60000 /* … again and again */

static const struct msg_key root_key;

/* ---- looking ---- */

static size_t avoided(const struct agree *a, struct sched_node out[AVOID_MAX], int64_t *ret_until_ms)
{
	size_t n = 0;

	*ret_until_ms = DEADLINE_NEVER;
	for (size_t i = 0; i < AVOID_MAX; i++)
		if (a->voting.avoid[i].until_ms > a->now.mono_ms) {
			out[n++] = a->voting.avoid[i].node;
			*ret_until_ms = MIN(*ret_until_ms, a->voting.avoid[i].until_ms);
		}
	return n;
}

static struct avoided *avoided_find(struct voting *v, struct sched_node node)
{
	for (size_t i = 0; i < AVOID_MAX; i++)
		if (sched_same_node(v->avoid[i].node, node))
			return &v->avoid[i];
	return NULL;
}

/*
 * Each time for twice as long, so that a disk which stalled once costs little, and one which writes nothing is hardly
 * asked. Who was asked no more for as long as the longest pause begins anew.
 */
static void avoid(struct agree *a, struct sched_node node)
{
	struct voting *v = &a->voting;
	struct avoided *x = avoided_find(v, node);

	if (!x || a->now.mono_ms > x->until_ms + AVOID_MOST_MS) {
		x = x ? x : &v->avoid[v->next_avoid++ % AVOID_MAX];
		*x = (struct avoided){.node = node, .pause_ms = AVOID_FIRST_MS / 2};
	}
	x->pause_ms = MIN(2 * x->pause_ms, (int64_t)AVOID_MOST_MS);
	x->until_ms = a->now.mono_ms + x->pause_ms;
}

/* Its runner may be at work still: two at once do no harm. */
static void look_joint(struct agree *a, struct ward *w, const struct quorum_cfg *cfg)
{
	struct voting *v = &a->voting;
	uint32_t rank = agree_rank(a, &root_key);
	int64_t at_ms;

	if (v->joint_epoch != cfg->epoch) {
		v->joint_epoch = cfg->epoch;
		v->joint_at_ms = a->now.mono_ms;
	}
	at_ms = v->joint_at_ms + TAKE_UP_MS * (1 + (int64_t)rank);
	if (rank == RANK_NONE)
		agree_look_at(a, w, a->now.mono_ms + LOOK_AGAIN_MS);
	else if (a->now.mono_ms < at_ms)
		agree_look_at(a, w, MIN(at_ms, a->now.mono_ms + LOOK_AGAIN_MS)); /* ranks change */
	else
		v->due = true;
}

void agree_voters_look(struct agree *a, struct ward *w)
{
	const struct quorum_cfg *cfg = registers_cfg(a->registers);
	struct voting *v = &a->voting;
	struct sched_node avoid[AVOID_MAX];
	struct electorate_in in = {.now = &cfg->old, .avoid = avoid};
	struct sched_view view;
	int64_t in_ms, at_ms;

	if (cfg->epoch == 0 || v->due || v->under_way)
		return; /* it is looked at when these are over */
	v->epoch = cfg->epoch;
	in.root = agree_root(a);
	if (in.root && in.root->min_version > REGISTER_VERSION)
		return; /* nodes of that version see to it */
	if (in.root && agree_root_is_old(a, in.root)) {
		agree_recover_look(a, w);
		return;
	}
	if (quorum_is_joint(cfg)) {
		look_joint(a, w, cfg);
		return;
	}
	if (!in.root || !a->world.view(a->world.ctx, "", &view)) {
		agree_look_at(a, w, a->now.mono_ms + LOOK_AGAIN_MS);
		return;
	}
	in.view = &view;
	in.n_avoid = avoided(a, avoid, &at_ms);
	if (!quorum_same(&in.root->cfg, cfg))
		return; /* the newer one is still to be heard of here */
	if (electorate_next(&in, &v->target, &in_ms)) {
		v->due = agree_turn(a, w);
		return;
	}
	w->turn_at_ms = 0;
	if (in_ms != INT64_MAX)
		at_ms = MIN(at_ms, a->now.mono_ms + MAX(in_ms, (int64_t)1));
	if (at_ms != DEADLINE_NEVER)
		agree_look_at(a, w, at_ms);
}

bool agree_electorate(struct agree *a, struct electorate_count *ret, char *text, size_t n)
{
	const struct register_root *root = agree_root(a);
	struct electorate_in in = {.root = root, .now = &registers_cfg(a->registers)->old};
	struct sched_view view;

	if (!root || !a->world.view(a->world.ctx, "", &view))
		return false;
	in.view = &view;
	electorate_count(&in, ret);
	(void)electorate_text(&in, text, n); /* it is read from there */
	return true;
}

/* ---- a change ---- */

static int begin(struct agree *a, struct agree_outs *outs)
{
	struct voting *v = &a->voting;
	struct registers_voters ask = {.target = v->target, .cfg_put = register_cfg_put, .ctx = &v->put};

	if (registers_cfg(a->registers)->epoch != v->epoch)
		return -EAGAIN;
	if (!v->put.out)
		v->put = (struct register_put){
			.mem = a->mem, .out = a->mem.alloc(a->mem.ctx, MSG_VALUE_MAX), .cap = MSG_VALUE_MAX};
	if (!v->put.out)
		return -ENOMEM;
	v->under_way = true; /* it may end in this step */
	return registers_step(a->registers, &(struct registers_in){.type = REGISTERS_IN_VOTERS, .voters = &ask}, a->now,
		&outs->registers);
}

void agree_voters_begin(struct agree *a, struct agree_outs *outs)
{
	int rc;

	a->voting.due = false;
	outs->registers.n = 0;
	rc = begin(a, outs);
	if (rc == 0)
		return;
	a->voting.under_way = false;
	agree_look_at(a, a->root_ward, a->now.mono_ms + (rc == -EAGAIN ? 1 : LOOK_AGAIN_MS));
}

void agree_voters_ended(struct agree *a, const struct registers_out *o)
{
	struct voting *v = &a->voting;
	int64_t in_ms = o->voters_outcome == VOTERS_CHANGED || o->voters_outcome == VOTERS_UNREADY ? 0 : LOOK_AGAIN_MS;

	v->under_way = false;
	for (uint8_t i = 0; o->voters_outcome == VOTERS_UNREADY && i < o->n_to; i++)
		avoid(a, register_node_of(&o->to[i]));
	a->root_ward->turn_at_ms = 0;
	agree_look_at(a, a->root_ward, a->now.mono_ms + in_ms);
}

void agree_voters_done(struct agree *a)
{
	if (a->voting.put.out)
		a->mem.release(a->mem.ctx, a->voting.put.out, a->voting.put.cap);
	a->voting.put = (struct register_put){0};
}

/* The registers forget a change with the step after its end. */
void agree_voters_sweep(struct agree *a)
{
	if (!a->voting.under_way)
		agree_voters_done(a);
}
