/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proposals of a node, each with a place of its own: begun, stepped, begun again under newer voters, ended; and
 * those that are ahead of what is to be changed.
 */
#include <errno.h>
#include <string.h>

#include "consensus/registers_impl.h"

#define EARLY_MS    5000 /* promises that nobody uses are let go */
#define EARLY_BYTES 3500 /* all of the Accept is one frame; a longer one may be overtaken by what is sent after it */

void registers_work_free(struct registers *r, size_t i)
{
	r->n_asked -= r->works[i]->kind == WORK_ASKED;
	r->n_early -= r->works[i]->kind == WORK_EARLY;
	proposer_done(&r->works[i]->p);
	r->mem.release(r->mem.ctx, r->works[i], sizeof(*r->works[i]));
	r->works[i] = NULL;
	r->n_works--;
	while (r->works_end > 0 && !r->works[r->works_end - 1])
		r->works_end--;
}

/* What is known to be chosen is what most voters have. */
static void has_known(const struct registers *r, struct proposer_config *c)
{
	const struct known *k = keyed_find(&r->known, &c->key);

	c->has = k && k->value ? k->ballot : (struct ballot){0};
	c->has_value = k ? k->value : NULL;
}

/* before: what it will find accepted; NULL: what is known. */
static int begin(struct registers *r, enum work_kind kind, const struct registers_ask *ask,
	const struct quorum_cfg *cfg, const struct work *before, struct work **ret)
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
		.said = ask->said,
		.change = ask->change,
		.ctx = ask->ctx,
		.rank = ask->rank,
		.round_ms = pace_ms(&r->pace),
		.for_ms = ask->for_ms,
		.seed = rng_u64(&r->rng)};
	if (before) {
		w->config.has = before->p.ballot;
		w->config.has_value = before->p.value;
	} else {
		has_known(r, &w->config);
	}
	proposer_init(&w->p, &w->config, r->now);
	r->works[i] = w;
	r->works_end = MAX(r->works_end, i + 1);
	r->n_works++;
	r->n_asked += kind == WORK_ASKED;
	r->n_early += kind == WORK_EARLY;
	*ret = w;
	return 0;
}

int registers_work_begin(struct registers *r, enum work_kind kind, const struct registers_ask *ask,
	const struct quorum_cfg *cfg, struct work **ret)
{
	return begin(r, kind, ask, cfg, NULL, ret);
}

/* The same under the newer voters, in the time that is left. false: there is none. */
static bool work_again(struct registers *r, struct work *w)
{
	w->config.for_ms = w->until_ms - r->now.mono_ms;
	if (w->config.for_ms <= 0 || r->cfg.epoch <= w->config.cfg.epoch)
		return false;
	proposer_done(&w->p);
	w->config.cfg = r->cfg;
	w->config.said = (struct ballot){0}; /* it may be of voters that were given up */
	w->config.round = ++r->round;
	w->config.rank = 0;
	w->config.round_ms = pace_ms(&r->pace);
	w->config.seed = rng_u64(&r->rng);
	has_known(r, &w->config);
	w->self_due = false;
	proposer_init(&w->p, &w->config, r->now);
	return true;
}

static struct work *early_of(const struct registers *r, const struct msg_key *key)
{
	for (size_t i = 0; r->n_early > 0 && i < r->works_end; i++)
		if (r->works[i] && r->works[i]->kind == WORK_EARLY && !r->works[i]->ended &&
			msg_key_cmp(&r->works[i]->config.key, key) == 0)
			return r->works[i];
	return NULL;
}

/* Where there is no place for it, or no memory, the next change takes two rounds. */
static void begin_early(struct registers *r, const struct work *before)
{
	const struct msg_key *key = &before->config.key;
	const struct registers_ask ask = {.key = *key, .for_ms = EARLY_MS};
	struct work *w;

	if (r->n_early < EARLY_MAX && registers_is_own(r, key) && !early_of(r, key))
		(void)begin(r, WORK_EARLY, &ask, &r->cfg, before, &w); /* as above */
}

/* It is of no use any more. */
static void let_go(struct work *w)
{
	w->ended = true;
	w->self_due = false;
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
	let_go(w); /* its value is borrowed until the next step */
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
		r->ended[out->outcome]++;
		if (chosen)
			begin_early(r, w);
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

/*
 * Behind an Accept goes what asks for the promises of the next change: voters write both at once, and their answers
 * come together. Where the Accept is refused, so is what those promises are for.
 */
static void look_ahead(struct registers *r, const struct work *w, const struct proposer_outs *outs)
{
	struct work *early = w->p.tries > 0 ? early_of(r, &w->config.key) : NULL;

	if (early)
		let_go(early);
	else if (outs->n_to > 0 && outs->msg.type == MSG_ACCEPT && outs->msg.value.n <= EARLY_BYTES && w->p.tries == 0)
		begin_early(r, w);
}

static void measure(struct registers *r, const struct proposer_outs *outs)
{
	if (outs->round_ms != PROPOSER_NO_ROUND && !outs->again)
		pace_took(&r->pace, outs->round_ms);
	else if (outs->again)
		pace_sent_again(&r->pace);
}

static void work_out(struct registers *r, struct work *w, const struct proposer_outs *outs)
{
	measure(r, outs);
	if (outs->n_to > 0 && registers_send(r, &outs->msg, outs->to, outs->n_to)) {
		w->self = outs->msg;
		w->self_due = true;
	}
	if (w->kind == WORK_ASKED)
		look_ahead(r, w, outs);
	if (outs->done)
		work_ended(r, w);
}

/* An early one that was refused is no use: it would only be in the way of whoever is ahead. */
void registers_work_step(struct registers *r, struct work *w, const struct proposer_in *in)
{
	struct proposer_outs outs;

	proposer_step(&w->p, in, r->now, &outs);
	work_out(r, w, &outs);
	if (w->kind == WORK_EARLY && w->p.tries > 0)
		let_go(w);
}

/* It was begun under voters that were given up since. */
bool registers_is_overtaken(const struct registers *r, const struct work *w)
{
	return quorum_floor(w->config.cfg.epoch) < quorum_floor(r->cfg.epoch);
}

void registers_overtake(struct registers *r, struct work *w)
{
	struct proposer_outs outs;

	proposer_overtake(&w->p, &r->cfg, &outs);
	work_out(r, w, &outs);
}

struct work *registers_work_of_round(const struct registers *r, uint64_t round)
{
	for (size_t i = 0; i < r->works_end; i++)
		if (r->works[i] && !r->works[i]->ended && r->works[i]->config.round == round)
			return r->works[i];
	return NULL;
}

/* ---- what is asked ---- */

/* Each has its turn. NULL: none is due. */
struct work *registers_next_self(struct registers *r, bool early)
{
	size_t from = r->next_self < r->works_end ? r->next_self : 0;

	for (size_t i = 0; i < r->works_end; i++) {
		size_t at = (from + i) % r->works_end;
		struct work *w = r->works[at];

		if (!w || !w->self_due || (w->kind == WORK_EARLY) != early)
			continue;
		r->next_self = at + 1;
		return w;
	}
	return NULL;
}

/* With the promises that there are. false: there are none. */
static bool propose_early(struct registers *r, const struct registers_ask *ask)
{
	const struct proposer_given given = {.change = ask->change, .ctx = ask->ctx, .for_ms = ask->for_ms};
	struct work *w = ask->read ? NULL : early_of(r, &ask->key);
	struct proposer_outs outs;

	if (w && w->config.cfg.epoch != r->cfg.epoch)
		let_go(w);
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

int registers_propose(struct registers *r, const struct registers_ask *ask)
{
	struct work *w;
	int rc;

	if (r->cfg.epoch == 0)
		return -ENOTCONN;
	if (propose_early(r, ask))
		return 0;
	rc = registers_work_begin(r, WORK_ASKED, ask, &r->cfg, &w);
	if (rc == 0)
		registers_work_step(r, w, &(struct proposer_in){.type = PROPOSER_IN_TICK});
	return rc;
}
