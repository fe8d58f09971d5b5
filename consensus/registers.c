/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The joint: what comes goes to the voter, to the proposal whose round it has, or to the change of voters; what they
 * say goes out, or back to this node's own voter with a later step. Proposals are in registers_work.c, what is chosen
 * is kept in registers_known.c.
 */
#include "consensus/registers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "consensus/registers_impl.h"
#include "consensus/rules.h"

#define LEARN_MS       10000		    /* one reading of what is said to be chosen */
#define TAKEN_PER_STEP (3 + QUORUM_ALL_MAX) /* outs that one answer, or one tick, makes at most */

/* ---- made and freed ---- */

int registers_new(
	const struct registers_config *config, const struct value_mem *mem, struct now now, struct registers **ret)
{
	struct registers *r = mem->alloc(mem->ctx, sizeof(*r));
	int rc;

	if (!r)
		return -ENOMEM;
	memset(r, 0, sizeof(*r));
	rc = acceptor_new(&config->acceptor, mem, now, &r->acceptor);
	if (rc < 0) {
		mem->release(mem->ctx, r, sizeof(*r));
		return rc;
	}
	r->mem = *mem;
	r->reader = config->acceptor.reader;
	r->source = (struct ballot_source){.node = config->acceptor.self, .nonce = config->nonce};
	r->round = config->nonce;
	pace_init(&r->pace);
	r->learn_at_ms = DEADLINE_NEVER;
	r->adopt_at_ms = now.mono_ms;
	r->root_at_ms = DEADLINE_NEVER;
	r->cfg = config->acceptor.header.cfg;
	r->now = now;
	rng_seed(&r->rng, config->seed);
	*ret = r;
	return 0;
}

void registers_free(struct registers *r)
{
	if (!r)
		return;
	registers_voters_drop(r);
	for (size_t i = 0; i < r->works_end; i++)
		if (r->works[i])
			registers_work_free(r, i);
	registers_known_free(r);
	acceptor_free(r->acceptor);
	r->mem.release(r->mem.ctx, r, sizeof(*r));
}

static void has_accepted(struct registers *r, const struct msg_key *key)
{
	struct acceptor_image is;

	if (acceptor_get(r->acceptor, key, &is))
		registers_accepted(r, key, &is.accepted);
}

/* Whether what it has accepted is chosen it has forgotten, or never heard. */
int registers_load(struct registers *r, const struct msg_key *key, const struct ballot *promised,
	const struct ballot *accepted, struct msg_bytes value)
{
	int rc = acceptor_load(r->acceptor, key, promised, accepted, value);

	if (rc == 0)
		has_accepted(r, key);
	return rc;
}

int registers_load_long(struct registers *r, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms)
{
	return acceptor_load_long(r->acceptor, key, slot, long_ms);
}

const struct acceptor *registers_voter(const struct registers *r)
{
	return r->acceptor;
}

/* ---- outputs ---- */

struct registers_out *registers_emit(struct registers *r, enum registers_out_type type)
{
	struct registers_out *out = &r->outs->v[r->outs->n++];

	assert(r->outs->n <= REGISTERS_OUTS_MAX);
	memset(out, 0, offsetof(struct registers_out, to));
	out->type = type;
	out->n_to = 0;
	return out;
}

static bool has_room(const struct registers *r)
{
	return r->outs->n + TAKEN_PER_STEP <= REGISTERS_OUTS_MAX;
}

void registers_see_cfg(struct registers *r, const struct quorum_cfg *cfg)
{
	bool later_era = quorum_floor(cfg->epoch) > quorum_floor(r->cfg.epoch);

	if (cfg->epoch <= r->cfg.epoch || cfg->old.n == 0)
		return;
	r->cfg = *cfg;
	r->cfg_told = false;
	if (later_era && RULE(M30))
		registers_known_era(r);
}

/* To all but this node; returns whether it is one of them. */
bool registers_send(struct registers *r, const struct msg *m, const struct uuid *to, uint8_t n)
{
	struct registers_out *out = NULL;
	bool self = false;

	for (uint8_t i = 0; i < n; i++) {
		if (ballot_same_node(&to[i], &r->source.node)) {
			self = true;
			continue;
		}
		if (!out) {
			out = registers_emit(r, REGISTERS_OUT_SEND);
			out->msg = *m;
		}
		out->to[out->n_to++] = to[i];
	}
	return self;
}

/* ---- the voter ---- */

/* An answer, to this node. */
static void answered(struct registers *r, const struct msg *m)
{
	struct work *w = registers_work_of_round(r, m->round);

	if (m->type == MSG_REFUSED)
		registers_see_cfg(r, &m->cfg);
	if (w && !registers_is_overtaken(r, w))
		registers_work_step(r, w, &(struct proposer_in){.type = PROPOSER_IN_MSG, .msg = m});
	else if (!w && !registers_roll_answer(r, m))
		registers_voters_answer(r, m);
}

/* What a renewal comes to, the caller hears. */
static void answered_self(struct registers *r, const struct msg *m)
{
	if (m->type == MSG_GRANT || (m->type == MSG_REFUSED && m->number > 0))
		registers_emit(r, REGISTERS_OUT_GRANT)->msg = *m;
	answered(r, m);
}

void registers_acceptor_input(struct registers *r, const struct acceptor_in *in)
{
	acceptor_step(r->acceptor, in, r->now, &r->acceptor_outs);
	registers_see_cfg(r, acceptor_cfg(r->acceptor)); /* where there was no memory for the root's value */
	for (size_t i = 0; i < r->acceptor_outs.n; i++) {
		const struct acceptor_out *a = &r->acceptor_outs.v[i];

		switch (a->type) {
		case ACCEPTOR_OUT_SEND:
			if (registers_send(r, &a->msg, &a->to, 1))
				answered_self(r, &a->msg);
			break;
		case ACCEPTOR_OUT_ROLLED_BACK:
			(void)registers_emit(r, REGISTERS_OUT_ROLLED_BACK);
			break;
		case ACCEPTOR_OUT_REGISTER:
			has_accepted(r, a->key);
			registers_emit(r, REGISTERS_OUT_WRITE)->write = a;
			break;
		default:
			registers_emit(r, REGISTERS_OUT_WRITE)->write = a;
			break;
		}
	}
}

/* What a node has asked of its own voter: one a step. False: nothing. */
static bool ask_self(struct registers *r)
{
	struct work *w;

	if (!r->open)
		return false;
	if (registers_era_self(r))
		return true;
	if (r->roll.self_due) {
		r->roll.self_due = false;
		registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &r->roll.self});
		return true;
	}
	if (r->seal_due) {
		r->seal_due = false;
		registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &r->seal});
		return true;
	}
	w = registers_next_self(r, false);
	if (!w)
		w = registers_next_self(r, true); /* behind the Accept that it goes with */
	if (!w)
		return false;
	w->self_due = false;
	registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &w->self});
	return true;
}

/* ---- the step ---- */

static bool is_request(enum msg_type type)
{
	return type == MSG_PREPARE || type == MSG_ACCEPT || type == MSG_READ || type == MSG_SEAL || type == MSG_RENEW ||
	       type == MSG_RELEASE;
}

static void take(struct registers *r, const struct msg *m)
{
	if (!is_request(m->type)) {
		answered(r, m);
		return;
	}
	registers_see_cfg(r, &m->cfg);
	if (r->open)
		registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = m});
}

static void learn(struct registers *r)
{
	struct msg_key key;
	struct ballot said;

	while (r->cfg.epoch != 0 && has_room(r) && registers_learn_next(r, &key, &said)) {
		struct registers_ask ask = {.key = key, .read = true, .said = said, .for_ms = LEARN_MS};
		struct work *w;

		if (registers_work_begin(r, WORK_LEARN, &ask, &r->cfg, &w) < 0) {
			registers_learned(r, &key, false);
			return;
		}
	}
}

static void run(struct registers *r)
{
	for (size_t i = 0; i < r->works_end && has_room(r); i++) {
		struct work *w = r->works[i];

		if (w && !w->ended && registers_is_overtaken(r, w))
			registers_overtake(r, w);
		else if (w && !w->ended && proposer_deadline_ms(&w->p) <= r->now.mono_ms)
			registers_work_step(r, w, &(struct proposer_in){.type = PROPOSER_IN_TICK});
	}
	if (has_room(r))
		registers_voters_run(r);
	if (has_room(r))
		registers_roll_run(r);
	learn(r);
}

/* What the last step ended was borrowed until now. */
static void sweep(struct registers *r)
{
	if (r->voters_ended)
		registers_voters_drop(r);
	r->voters_ended = false;
	for (size_t i = 0; i < r->works_end; i++)
		if (r->works[i] && r->works[i]->ended)
			registers_work_free(r, i);
	registers_known_sweep(r);
}

static void tick(struct registers *r)
{
	if (ask_self(r))
		return; /* the voter is stepped once */
	if (acceptor_deadline_ms(r->acceptor) <= r->now.mono_ms)
		registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_TICK});
}

int registers_step(struct registers *r, const struct registers_in *in, struct now now, struct registers_outs *outs)
{
	static const enum acceptor_in_type to_voter[REGISTERS_IN_MAX] = {[REGISTERS_IN_STORED] = ACCEPTOR_IN_STORED,
		[REGISTERS_IN_FULL] = ACCEPTOR_IN_FULL,
		[REGISTERS_IN_RESUMED] = ACCEPTOR_IN_RESUMED,
		[REGISTERS_IN_SEEN] = ACCEPTOR_IN_SEEN};
	int rc = 0;

	outs->n = 0;
	r->outs = outs;
	r->now = now;
	sweep(r);
	switch (in->type) {
	case REGISTERS_IN_MSG:
		take(r, in->msg);
		break;
	case REGISTERS_IN_STORED:
	case REGISTERS_IN_FULL:
	case REGISTERS_IN_RESUMED:
	case REGISTERS_IN_SEEN:
		registers_acceptor_input(
			r, &(struct acceptor_in){.type = to_voter[in->type], .boot = in->boot, .write = in->write});
		break;
	case REGISTERS_IN_OPEN:
		r->open = true;
		break;
	case REGISTERS_IN_CFG:
		if (!quorum_fault(in->cfg))
			registers_see_cfg(r, in->cfg);
		break;
	case REGISTERS_IN_HEARD:
		registers_heard(r, &in->key, &in->ballot, in->value);
		break;
	case REGISTERS_IN_PROPOSE:
		rc = registers_propose(r, in->ask);
		break;
	case REGISTERS_IN_VOTERS:
		rc = registers_voters_begin(r, in->voters);
		break;
	case REGISTERS_IN_ROLL_CALL:
		rc = registers_roll_begin(r);
		break;
	case REGISTERS_IN_BEGIN_ERA:
		rc = registers_era_begin(r, in->set, in->epoch);
		break;
	default:
		tick(r);
		break;
	}
	run(r);
	if (!r->cfg_told)
		(void)registers_emit(r, REGISTERS_OUT_CFG);
	r->cfg_told = true;
	r->outs = NULL;
	return rc;
}

int64_t registers_deadline_ms(const struct registers *r)
{
	int64_t at =
		MIN(acceptor_deadline_ms(r->acceptor), MIN(registers_learn_deadline(r), registers_voters_deadline(r)));

	at = MIN(at, registers_era_deadline(r));
	if (r->voters_ended || ((r->seal_due || r->roll.self_due) && r->open))
		return r->now.mono_ms;
	for (size_t i = 0; i < r->works_end; i++) {
		const struct work *w = r->works[i];

		if (w && (w->ended || (w->self_due && r->open) || registers_is_overtaken(r, w)))
			return r->now.mono_ms;
		if (w)
			at = MIN(at, proposer_deadline_ms(&w->p));
	}
	return at;
}

/* ---- what is known of it ---- */

uint32_t registers_round_ms(const struct registers *r)
{
	return pace_ms(&r->pace);
}

uint32_t registers_rank_ms(const struct registers *r)
{
	return pace_rank_ms(&r->pace);
}

void registers_figures(const struct registers *r, struct registers_figures *ret)
{
	memcpy(ret->ended, r->ended, sizeof(ret->ended));
	ret->under_way = r->n_asked;
}

const struct quorum_cfg *registers_cfg(const struct registers *r)
{
	return &r->cfg;
}

size_t registers_under_way(const struct registers *r)
{
	return r->n_works;
}
