/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lost majority is given up, by an operator's word (`covey recover --force`): who of the voters answers, and that
 * they are too few, is found out here; then it is waited for as long as a lease may last that those who are given up
 * have granted; then it is asked once more, and the era begins (consensus/registers.h). From there on nothing of it
 * depends on this node: each node that knows the era sees that the root register is still of an earlier one, and each
 * agent too (scheduler/decide.h), and whose turn it is sets that right.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sm.h"
#include "node/agree_impl.h"

static const struct sm_state states[] = {
	[AGREE_RECOVERY_NONE] = {"none", SM_TO(AGREE_RECOVERY_CALL)},
	[AGREE_RECOVERY_CALL] = {"call",
		SM_TO(AGREE_RECOVERY_NONE) | SM_TO(AGREE_RECOVERY_WAIT) | SM_TO(AGREE_RECOVERY_BEGUN)},
	[AGREE_RECOVERY_WAIT] = {"wait", SM_TO(AGREE_RECOVERY_CALL_AGAIN)},
	[AGREE_RECOVERY_CALL_AGAIN] = {"call again", SM_TO(AGREE_RECOVERY_NONE) | SM_TO(AGREE_RECOVERY_BEGUN)},
	[AGREE_RECOVERY_BEGUN] = {"begun", SM_TO(AGREE_RECOVERY_NONE)},
};
_Static_assert(ARRAY_LEN(states) == AGREE_RECOVERY_MAX, "each state is in the table");

static void move(struct agree *a, enum agree_recovery_state to)
{
	int state = a->recovery.is.state;

	sm_move(states, AGREE_RECOVERY_MAX, &state, to);
	a->recovery.is.state = (enum agree_recovery_state)state;
}

const struct agree_recovery *agree_recovery(const struct agree *a)
{
	return &a->recovery.is;
}

/* ---- answers ---- */

static void answer(
	struct agree_outs *outs, uint64_t token, enum agree_outcome outcome, const struct err *refused, bool changed)
{
	struct agree_answer *r = &outs->answers[outs->n_answers++];

	assert(outs->n_answers <= AGREE_ANSWERS_MAX);
	*r = (struct agree_answer){.token = token, .outcome = outcome, .changed = changed};
	if (refused)
		r->refused = *refused;
}

/* It ends, and nothing was done. Who asked is answered, or sees it by agree_recovery. */
static void fail(struct agree *a, struct agree_outs *outs)
{
	struct recovery *v = &a->recovery;

	if (v->is.state == AGREE_RECOVERY_CALL)
		answer(outs, v->token, AGREE_REFUSED, &v->is.failed, false);
	move(a, AGREE_RECOVERY_NONE);
}

/* ---- asked ---- */

/*
 * The root as this node has it. After a start it is what its own voter has accepted: what is chosen nobody can tell
 * while there is no majority. -ENOENT, -ENOMEM.
 */
static int root_here(struct agree *a, struct register_root *ret)
{
	static const struct msg_key root_key;
	const struct register_root *root = agree_root(a);
	struct acceptor_image image = {0};
	struct msg_bytes bytes;

	if (!root && (!acceptor_get(registers_voter(a->registers), &root_key, &image) || !image.value))
		return -ENOENT;
	bytes = root ? root->bytes : value_bytes(image.value);
	return register_root_read(ret, &a->mem, bytes, NULL);
}

static bool is_this_cluster(const struct register_root *r, const struct agree_root_command *c)
{
	if (c->name && *c->name)
		return strcmp(c->name, r->name) == 0;
	return memcmp(&c->cluster, &r->cluster, sizeof(c->cluster)) == 0;
}

/* How long a lease may last that the lost voters have granted, by whichever clock. */
static uint32_t longest_ms(const struct register_root *root)
{
	return value_wait_ms(MSG_TF_MAX_MS + root->times.kill_ms);
}

static int check(struct agree *a, const struct agree_root_command *c, uint32_t *ret_wait_ms, struct err *e)
{
	const struct quorum_cfg *cfg = registers_cfg(a->registers);
	struct uuid self = register_uuid_of(a->self);
	struct register_root root = {0};
	bool is_this;

	if (cfg->epoch == 0 || root_here(a, &root) < 0)
		return err_set(e, -ENOENT,
			"this node knows nothing of what the cluster has decided about itself: recover on one that "
			"has voted");
	is_this = is_this_cluster(&root, c);
	*ret_wait_ms = c->off ? 0 : longest_ms(&root);
	register_root_done(&root);
	if (!is_this)
		return err_set(e, -EINVAL, "that is not the name of this node's cluster");
	if (quorum_index(cfg, &self) < 0)
		return err_set(e, -EPERM, "this node does not vote: recover on one of the voters that are left");
	if (a->recovery.is.state != AGREE_RECOVERY_NONE)
		return err_set(e, -EBUSY, "a recovery is under way here already");
	return 0;
}

int agree_recover_command(struct agree *a, const struct agree_root_command *c, struct agree_outs *outs)
{
	struct recovery *v = &a->recovery;
	uint32_t wait_ms = 0;
	struct err e;

	if (check(a, c, &wait_ms, &e) < 0) {
		answer(outs, c->token, AGREE_REFUSED, &e, false);
		return 0;
	}
	move(a, AGREE_RECOVERY_CALL);
	v->token = c->token;
	v->off = c->off;
	v->plan = c->plan;
	v->is.failed = (struct err){0};
	v->is.n_stay = v->is.n_gone = 0;
	v->is.wait_ms = wait_ms;
	v->due = true;
	return 0;
}

void agree_recover_tick(struct agree *a)
{
	struct recovery *v = &a->recovery;

	if (v->is.state != AGREE_RECOVERY_WAIT || a->now.boot_ms < v->is.until_ms)
		return;
	move(a, AGREE_RECOVERY_CALL_AGAIN);
	v->due = true;
}

int64_t agree_recover_deadline_ms(const struct agree *a)
{
	const struct recovery *v = &a->recovery;

	if (v->due)
		return a->now.mono_ms;
	if (v->is.state != AGREE_RECOVERY_WAIT)
		return DEADLINE_NEVER;
	return a->now.mono_ms + MAX(v->is.until_ms - a->now.boot_ms, (int64_t)0);
}

/* ---- the roll, and what follows from it ---- */

static int begin_era(struct agree *a, struct agree_outs *outs)
{
	struct recovery *v = &a->recovery;
	struct quorum_set set = {.n = v->is.n_stay};
	struct registers_in in = {.type = REGISTERS_IN_BEGIN_ERA, .set = &set, .epoch = v->epoch};

	memcpy(set.v, v->is.stay, v->is.n_stay * sizeof(set.v[0])); /* judge() has seen to it that they fit */
	return registers_step(a->registers, &in, a->now, &outs->registers);
}

/* What is due: a roll call, or the era. */
void agree_recover_begin(struct agree *a, struct agree_outs *outs)
{
	struct recovery *v = &a->recovery;
	bool calls = !v->called;
	int rc;

	v->due = false;
	if (calls)
		rc = registers_step(
			a->registers, &(struct registers_in){.type = REGISTERS_IN_ROLL_CALL}, a->now, &outs->registers);
	else
		rc = begin_era(a, outs);
	if (rc < 0) {
		(void)err_set(&v->is.failed, rc,
			rc == -ERANGE	? "there have been too many recoveries: no later one can be told from them"
			: rc == -ESTALE ? "the voters have changed meanwhile: look at 'covey voters'"
					: "this node does not vote now: look at 'covey voters'"); /* read from there */
		v->called = false;
		fail(a, outs);
		return;
	}
	v->called = calls;
	if (calls)
		return;
	if (v->is.state == AGREE_RECOVERY_CALL)
		answer(outs, v->token, AGREE_DONE, NULL, true);
	move(a, AGREE_RECOVERY_BEGUN);
}

static bool has(const struct uuid *v, size_t n, const struct uuid *node)
{
	for (size_t i = 0; i < n; i++)
		if (ballot_same_node(&v[i], node))
			return true;
	return false;
}

/* Whether those who answered may, and have to, go on without the others. */
static int judge(struct agree *a, const struct registers_out *o, struct err *e)
{
	const struct quorum_cfg *cfg = registers_cfg(a->registers);
	const struct agree_recovery *v = &a->recovery.is;
	struct uuid self = register_uuid_of(a->self);
	uint16_t mask = 0;

	if (o->epoch != cfg->epoch || (v->state == AGREE_RECOVERY_CALL_AGAIN && o->epoch != a->recovery.epoch))
		return err_set(e, -ESTALE, "the voters have changed meanwhile: look at 'covey voters'");
	for (uint8_t i = 0; i < o->n_to; i++)
		mask |= (uint16_t)(1u << quorum_index(cfg, &o->to[i]));
	if (quorum_reached(cfg, mask))
		return err_set(e, -EEXIST, "a majority of the voters answers, %u of %d: there is nothing to recover",
			o->n_to, quorum_voters(cfg));
	if (!has(o->to, o->n_to, &self))
		return err_set(e, -EPERM, "the disk of this node does not answer: recover on another voter");
	for (uint8_t i = 0; i < v->n_stay; i++)
		if (!has(o->to, o->n_to, &v->stay[i]))
			return err_set(e, -ESTALE,
				"one of the voters that were left has been lost meanwhile: begin again, which names "
				"it");
	if (o->n_to > QUORUM_ALL_IN)
		return err_set(
			e, -E2BIG, "%u voters are left, and %d at most can be recovered", o->n_to, QUORUM_ALL_IN);
	return 0;
}

static void keep(struct agree *a, const struct registers_out *o)
{
	const struct quorum_cfg *cfg = registers_cfg(a->registers);
	struct agree_recovery *v = &a->recovery.is;

	a->recovery.epoch = o->epoch;
	v->n_stay = v->n_gone = 0;
	for (int i = 0; i < quorum_voters(cfg); i++) {
		const struct uuid *node = quorum_voter(cfg, i);

		if (has(o->to, o->n_to, node))
			v->stay[v->n_stay++] = *node;
		else
			v->gone[v->n_gone++] = *node;
	}
}

void agree_recover_roll(struct agree *a, const struct registers_out *o, struct agree_outs *outs)
{
	struct recovery *v = &a->recovery;
	bool first = v->is.state == AGREE_RECOVERY_CALL;

	if (!first && v->is.state != AGREE_RECOVERY_CALL_AGAIN)
		return;
	if (judge(a, o, &v->is.failed) < 0) {
		v->called = false;
		fail(a, outs);
		return;
	}
	keep(a, o);
	if (v->plan) {
		v->called = false;
		answer(outs, v->token, AGREE_DONE, NULL, false);
		move(a, AGREE_RECOVERY_NONE);
	} else if (first && !v->off) {
		v->called = false;
		v->is.until_ms = a->now.boot_ms + v->is.wait_ms;
		answer(outs, v->token, AGREE_DONE, NULL, true);
		move(a, AGREE_RECOVERY_WAIT);
	} else {
		v->due = true; /* the era, with the next step */
	}
}

/* ---- what is left of an earlier era ---- */

bool agree_root_is_old(const struct agree *a, const struct register_root *root)
{
	return quorum_floor(root->cfg.epoch) < quorum_floor(registers_cfg(a->registers)->epoch);
}

/* At its turn, as everything that is to be decided. */
void agree_recover_look(struct agree *a, struct ward *w)
{
	const struct decide_event none = {.type = SCHED_EVENT_TICK};
	struct bid *b;

	if (w->bid || !agree_turn(a, w))
		return; /* what is asked is followed by a look */
	b = agree_bid_new(a, &w->key, &none);
	if (!b) {
		agree_look_at(a, w, a->now.mono_ms + LOOK_AGAIN_MS);
		return;
	}
	b->tends = true;
	b->order = (struct order){.type = AGREE_ROOT_RECOVER, .voters = -1, .replace_after_ms = -1};
	agree_bid_add(a, w, b);
}

/* The root is of the newest era: whatever is left to be done is done as always. */
void agree_recover_root(struct agree *a, const struct register_root *root)
{
	if (a->recovery.is.state == AGREE_RECOVERY_BEGUN && !agree_root_is_old(a, root))
		move(a, AGREE_RECOVERY_NONE);
}
