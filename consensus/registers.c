/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The joint: what comes goes to the voter, to the proposal whose round it has, or to the change of voters; what they
 * say goes out, or back to this node's own voter with a later step. What is chosen is kept in registers_known.c.
 */
#include "consensus/registers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "consensus/registers_impl.h"

#define ROUND_MS_FIRST 20		    /* until it was measured */
#define EARLY_MS       5000		    /* promises that nobody uses are let go */
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
	r->round_ms = ROUND_MS_FIRST;
	r->learn_at_ms = DEADLINE_NEVER;
	r->adopt_at_ms = now.mono_ms;
	r->root_at_ms = DEADLINE_NEVER;
	r->cfg = config->acceptor.header.cfg;
	r->now = now;
	rng_seed(&r->rng, config->seed);
	*ret = r;
	return 0;
}

static void work_free(struct registers *r, size_t i)
{
	r->n_asked -= r->works[i]->kind == WORK_ASKED;
	r->n_early -= r->works[i]->kind == WORK_EARLY;
	proposer_done(&r->works[i]->p);
	r->mem.release(r->mem.ctx, r->works[i], sizeof(*r->works[i]));
	r->works[i] = NULL;
	r->n_works--;
}

void registers_free(struct registers *r)
{
	if (!r)
		return;
	registers_voters_drop(r);
	for (size_t i = 0; i < WORKS_MAX; i++)
		if (r->works[i])
			work_free(r, i);
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
	if (later_era)
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

/* ---- proposals ---- */

int registers_work_begin(struct registers *r, enum work_kind kind, const struct registers_ask *ask,
	const struct quorum_cfg *cfg, struct work **ret)
{
	struct work *w;
	size_t i = 0;

	*ret = NULL;
	if (kind == WORK_ASKED && r->n_asked == REGISTERS_PROPOSALS_MAX)
		return -EAGAIN;
	while (i < WORKS_MAX && r->works[i])
		i++;
	assert(i < WORKS_MAX);
	w = r->mem.alloc(r->mem.ctx, sizeof(*w));
	if (!w)
		return -ENOMEM;
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->token = ask->token;
	w->until_ms = r->now.mono_ms + ask->for_ms;
	w->config = (struct proposer_config){.source = &r->source,
		.reader = r->reader,
		.mem = r->mem,
		.cfg = *cfg,
		.key = ask->key,
		.round = ++r->round,
		.read = ask->read,
		.change = ask->change,
		.ctx = ask->ctx,
		.rank = ask->rank,
		.round_ms = r->round_ms,
		.for_ms = ask->for_ms,
		.seed = rng_u64(&r->rng)};
	proposer_init(&w->p, &w->config, r->now);
	r->works[i] = w;
	r->n_works++;
	r->n_asked += kind == WORK_ASKED;
	r->n_early += kind == WORK_EARLY;
	*ret = w;
	return 0;
}

/* The same under the newer voters, in the time that is left. false: there is none. */
static bool work_again(struct registers *r, struct work *w)
{
	w->config.for_ms = w->until_ms - r->now.mono_ms;
	if (w->config.for_ms <= 0 || r->cfg.epoch <= w->config.cfg.epoch)
		return false;
	proposer_done(&w->p);
	w->config.cfg = r->cfg;
	w->config.round = ++r->round;
	w->config.rank = 0;
	w->config.round_ms = r->round_ms;
	w->config.seed = rng_u64(&r->rng);
	w->self_due = false;
	proposer_init(&w->p, &w->config, r->now);
	return true;
}

static struct work *early_of(const struct registers *r, const struct msg_key *key)
{
	for (size_t i = 0; r->n_early > 0 && i < WORKS_MAX; i++)
		if (r->works[i] && r->works[i]->kind == WORK_EARLY && !r->works[i]->ended &&
			msg_key_cmp(&r->works[i]->config.key, key) == 0)
			return r->works[i];
	return NULL;
}

/* Where there is no place for it, or no memory, the next change takes two rounds. */
static void begin_early(struct registers *r, const struct msg_key *key)
{
	const struct registers_ask ask = {.key = *key, .for_ms = EARLY_MS};
	struct work *w;

	if (r->n_early < EARLY_MAX && registers_is_own(r, key) && !early_of(r, key))
		(void)registers_work_begin(r, WORK_EARLY, &ask, &r->cfg, &w); /* as above */
}

static void work_ended(struct registers *r, struct work *w)
{
	const struct proposer *p = &w->p;
	bool chosen = p->outcome == PROPOSER_CHOSEN || p->outcome == PROPOSER_REFUSED;
	struct registers_out *out;

	if (p->outcome == PROPOSER_EPOCH)
		registers_see_cfg(r, &p->newer);
	if (p->outcome == PROPOSER_EPOCH && w->kind != WORK_VOTERS && w->kind != WORK_EARLY && work_again(r, w))
		return;
	w->ended = true; /* its value is borrowed until the next step */
	w->self_due = false;
	if (chosen)
		registers_learn(r, &w->config.key, &p->ballot, p->value);
	switch (w->kind) {
	case WORK_ASKED:
		out = registers_emit(r, REGISTERS_OUT_ENDED);
		out->token = w->token;
		out->key = w->config.key;
		out->outcome = p->outcome == PROPOSER_EPOCH ? PROPOSER_UNKNOWN : p->outcome;
		out->ballot = p->ballot;
		out->value = proposer_value(p);
		if (chosen)
			begin_early(r, &w->config.key);
		break;
	case WORK_EARLY:
		break;
	case WORK_LEARN:
		if (chosen && !p->value)
			registers_nothing(r, &w->config.key, &w->config.cfg);
		registers_learned(r, &w->config.key, chosen);
		break;
	case WORK_VOTERS:
		registers_voters_input(r, &(struct voters_in){.type = VOTERS_IN_PROPOSED,
						  .key = w->config.key,
						  .outcome = p->outcome,
						  .value = proposer_value(p)});
		break;
	case WORK_KIND_MAX:
		break;
	}
}

static void work_out(struct registers *r, struct work *w, const struct proposer_outs *outs)
{
	if (outs->n_to > 0 && registers_send(r, &outs->msg, outs->to, outs->n_to)) {
		w->self = outs->msg;
		w->self_due = true;
	}
	if (outs->done)
		work_ended(r, w);
}

/* An early one that was refused is no use: it would only be in the way of whoever is ahead. */
static void work_step(struct registers *r, struct work *w, const struct proposer_in *in)
{
	struct proposer_outs outs;

	proposer_step(&w->p, in, r->now, &outs);
	work_out(r, w, &outs);
	if (w->kind == WORK_EARLY && w->p.tries > 0)
		w->ended = true;
}

/* It was begun under voters that were given up since. */
static bool is_overtaken(const struct registers *r, const struct work *w)
{
	return quorum_floor(w->config.cfg.epoch) < quorum_floor(r->cfg.epoch);
}

static void overtake(struct registers *r, struct work *w)
{
	struct proposer_outs outs;

	proposer_overtake(&w->p, &r->cfg, &outs);
	work_out(r, w, &outs);
}

static struct work *work_of_round(const struct registers *r, uint64_t round)
{
	for (size_t i = 0; i < WORKS_MAX; i++)
		if (r->works[i] && !r->works[i]->ended && r->works[i]->config.round == round)
			return r->works[i];
	return NULL;
}

/* ---- the voter ---- */

/* An answer, to this node. */
static void answered(struct registers *r, const struct msg *m)
{
	struct work *w = work_of_round(r, m->round);

	if (m->type == MSG_REFUSED)
		registers_see_cfg(r, &m->cfg);
	if (w && !is_overtaken(r, w))
		work_step(r, w, &(struct proposer_in){.type = PROPOSER_IN_MSG, .msg = m});
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
	for (size_t i = 0; i < WORKS_MAX; i++) {
		struct work *w = r->works[(r->next_self + i) % WORKS_MAX];

		if (!w || !w->self_due)
			continue;
		r->next_self = (r->next_self + i + 1) % WORKS_MAX; /* each has its turn */
		w->self_due = false;
		registers_acceptor_input(r, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &w->self});
		return true;
	}
	return false;
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

	while (r->cfg.epoch != 0 && has_room(r) && registers_learn_next(r, &key)) {
		struct registers_ask ask = {.key = key, .read = true, .for_ms = LEARN_MS};
		struct work *w;

		if (registers_work_begin(r, WORK_LEARN, &ask, &r->cfg, &w) < 0) {
			registers_learned(r, &key, false);
			return;
		}
	}
}

static void run(struct registers *r)
{
	for (size_t i = 0; i < WORKS_MAX && has_room(r); i++) {
		struct work *w = r->works[i];

		if (w && !w->ended && is_overtaken(r, w))
			overtake(r, w);
		else if (w && !w->ended && proposer_deadline_ms(&w->p) <= r->now.mono_ms)
			work_step(r, w, &(struct proposer_in){.type = PROPOSER_IN_TICK});
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
	for (size_t i = 0; i < WORKS_MAX; i++)
		if (r->works[i] && r->works[i]->ended)
			work_free(r, i);
	registers_known_sweep(r);
}

/* With the promises that there are. false: there are none. */
static bool propose_early(struct registers *r, const struct registers_ask *ask)
{
	const struct proposer_given given = {.change = ask->change, .ctx = ask->ctx, .for_ms = ask->for_ms};
	struct work *w = ask->read ? NULL : early_of(r, &ask->key);
	struct proposer_outs outs;

	if (w && w->config.cfg.epoch != r->cfg.epoch)
		w->ended = true; /* of no use any more */
	if (!w || w->ended || r->n_asked == REGISTERS_PROPOSALS_MAX)
		return false;
	w->kind = WORK_ASKED;
	r->n_early--;
	r->n_asked++;
	w->token = ask->token;
	w->until_ms = r->now.mono_ms + ask->for_ms;
	w->config.change = ask->change;
	w->config.ctx = ask->ctx;
	w->config.for_ms = ask->for_ms;
	proposer_give(&w->p, &given, r->now, &outs);
	work_out(r, w, &outs);
	return true;
}

static int propose(struct registers *r, const struct registers_ask *ask)
{
	struct work *w;
	int rc;

	if (r->cfg.epoch == 0)
		return -ENOTCONN;
	if (propose_early(r, ask))
		return 0;
	rc = registers_work_begin(r, WORK_ASKED, ask, &r->cfg, &w);
	if (rc == 0)
		work_step(r, w, &(struct proposer_in){.type = PROPOSER_IN_TICK});
	return rc;
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
		registers_heard(r, &in->key, &in->ballot);
		break;
	case REGISTERS_IN_PROPOSE:
		rc = propose(r, in->ask);
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
	for (size_t i = 0; i < WORKS_MAX; i++) {
		const struct work *w = r->works[i];

		if (w && (w->ended || (w->self_due && r->open) || is_overtaken(r, w)))
			return r->now.mono_ms;
		if (w)
			at = MIN(at, proposer_deadline_ms(&w->p));
	}
	return at;
}

/* ---- what is known of it ---- */

void registers_round_ms(struct registers *r, uint32_t ms)
{
	r->round_ms = MAX(ms, 1u);
}

const struct quorum_cfg *registers_cfg(const struct registers *r)
{
	return &r->cfg;
}

size_t registers_under_way(const struct registers *r)
{
	return r->n_works;
}
