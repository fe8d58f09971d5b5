/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of a proposal. A phase ends with a quorum, or when too many have refused for one: then the try is
 * over, and the next one comes after a pause drawn from a window that doubles (so that duels end), with a ballot
 * above all that was heard of. What was lost on the way is sent again, the same, to those who did not answer.
 */
#include "consensus/proposer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/sm.h"
#include "consensus/rules.h"

#define RANK_ROUNDS   4 /* a node of rank r waits r times so many */
#define BACKOFF_TOP   6 /* doublings */
#define RESEND_ROUNDS 4

static const struct sm_state states[] = {
	[PROPOSER_WAITING] = {"waiting",
		SM_TO(PROPOSER_WAITING) | SM_TO(PROPOSER_READING) | SM_TO(PROPOSER_PREPARING) | SM_TO(PROPOSER_DONE)},
	[PROPOSER_READING] = {"reading", SM_TO(PROPOSER_PREPARING) | SM_TO(PROPOSER_WAITING) | SM_TO(PROPOSER_DONE)},
	[PROPOSER_PREPARING] = {"preparing", SM_TO(PROPOSER_READY) | SM_TO(PROPOSER_ACCEPTING) |
						     SM_TO(PROPOSER_WAITING) | SM_TO(PROPOSER_PREPARING) |
						     SM_TO(PROPOSER_DONE)},
	[PROPOSER_READY] = {"ready", SM_TO(PROPOSER_PREPARING) | SM_TO(PROPOSER_DONE)},
	[PROPOSER_ACCEPTING] = {"accepting", SM_TO(PROPOSER_WAITING) | SM_TO(PROPOSER_DONE)},
	[PROPOSER_DONE] = {"done", 0},
};
_Static_assert(ARRAY_LEN(states) == PROPOSER_STATE_MAX, "each state is in the table");

static const char *const outcomes[] = {
	[PROPOSER_NONE] = "under way",
	[PROPOSER_CHOSEN] = "chosen",
	[PROPOSER_REFUSED] = "refused",
	[PROPOSER_EPOCH] = "the voters have changed",
	[PROPOSER_HELD] = "held by a live lease",
	[PROPOSER_UNKNOWN] = "unknown",
};
_Static_assert(ARRAY_LEN(outcomes) == PROPOSER_OUTCOME_MAX, "each outcome has a text");

const char *proposer_outcome_text(enum proposer_outcome o)
{
	return outcomes[o];
}

static void move(struct proposer *p, enum proposer_state to)
{
	sm_move(states, PROPOSER_STATE_MAX, &p->state, to);
}

static void voter_forget(const struct proposer *p, struct proposer_voter *v)
{
	const struct value_mem *mem = &p->config.mem;

	if (v->guards)
		mem->release(mem->ctx, v->guards, v->n_guards * sizeof(*v->guards));
	*v = (struct proposer_voter){0};
}

static void guards_forget(struct proposer *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->voters); i++)
		voter_forget(p, &p->voters[i]);
}

static void base_set(struct proposer *p, struct value *v, const struct ballot *accepted)
{
	value_unref(&p->config.mem, p->base);
	p->base = v;
	p->accepted = *accepted;
}

static void value_set(struct proposer *p, struct value *v)
{
	value_unref(&p->config.mem, p->value);
	p->value = v;
}

void proposer_init(struct proposer *p, const struct proposer_config *config, struct now now)
{
	memset(p, 0, sizeof(*p));
	p->config = *config;
	p->has = value_ref(config->has_value);
	p->config.has_value = NULL; /* that was borrowed */
	p->config.round_ms = MAX(config->round_ms, 1);
	rng_seed(&p->rng, config->seed);
	p->wake_ms = now.mono_ms;
	if (!config->read)
		p->wake_ms += (int64_t)config->rank * RANK_ROUNDS * p->config.round_ms;
	p->until_ms = now.mono_ms + config->for_ms;
}

void proposer_done(struct proposer *p)
{
	if (!p->config.source)
		return;
	guards_forget(p);
	base_set(p, NULL, &p->accepted);
	value_set(p, NULL);
	value_unref(&p->config.mem, p->has);
	p->has = NULL;
}

struct msg_bytes proposer_value(const struct proposer *p)
{
	return value_bytes(p->value);
}

static void finish(struct proposer *p, enum proposer_outcome outcome, struct proposer_outs *outs)
{
	move(p, PROPOSER_DONE);
	p->outcome = outcome;
	outs->done = true;
	outs->n_to = 0;
}

/* The request of this phase, to those who have not answered it. */
static void ask(struct proposer *p, struct now now, struct proposer_outs *outs)
{
	static const enum msg_type types[] = {
		[PROPOSER_READING] = MSG_READ, [PROPOSER_PREPARING] = MSG_PREPARE, [PROPOSER_ACCEPTING] = MSG_ACCEPT};
	int n = quorum_voters(&p->config.cfg);

	outs->msg = (struct msg){.type = types[p->state],
		.from = p->config.source->node,
		.cfg = p->config.cfg,
		.round = p->config.round,
		.key = p->config.key,
		.ballot = p->state == PROPOSER_READING ? (struct ballot){0} : p->ballot};
	if (p->state == PROPOSER_ACCEPTING)
		outs->msg.value = value_bytes(p->value);
	if (p->state == PROPOSER_PREPARING && p->has)
		outs->msg.accepted = p->config.has;
	outs->n_to = 0;
	for (int i = 0; i < n; i++)
		if (!((p->answered | p->refused) >> i & 1) && !(p->asks_one && i != p->one))
			outs->to[outs->n_to++] = *quorum_voter(&p->config.cfg, i);
	p->resend_ms = now.mono_ms + (int64_t)RESEND_ROUNDS * p->config.round_ms;
}

static void phase(struct proposer *p, enum proposer_state to, struct now now, struct proposer_outs *outs)
{
	move(p, to);
	p->answered = p->refused = p->first = 0;
	p->asked_ms = now.mono_ms;
	p->again = false;
	ask(p, now, outs);
}

static void begin_reading(struct proposer *p, struct now now, struct proposer_outs *outs)
{
	p->asks_one = !ballot_is_zero(&p->config.said);
	if (p->asks_one)
		p->one = (int)rng_below(&p->rng, (uint64_t)quorum_voters(&p->config.cfg));
	phase(p, PROPOSER_READING, now, outs);
}

static void prepare(struct proposer *p, struct now now, struct proposer_outs *outs)
{
	const struct ballot floor = {.counter = RULE(M28) ? quorum_floor(p->config.cfg.epoch) : 0};

	p->above = *ballot_max(ballot_max(&p->above, &p->accepted), &floor);
	guards_forget(p);
	base_set(p, NULL, &(struct ballot){0});
	value_set(p, NULL);
	p->held = p->refuses = p->changed = p->aged = false;
	/* Burned at the first Accept sent; one that was only promised is not worth keeping either. */
	p->ballot = ballot_next(p->config.source, &p->above);
	phase(p, PROPOSER_PREPARING, now, outs);
}

/* U(0, 2 rounds × 2^tries), and no sooner than the guard that stood in the way ends. */
static void back_off(struct proposer *p, struct now now)
{
	uint64_t window = (uint64_t)2 * p->config.round_ms << MIN(p->tries, BACKOFF_TOP);

	move(p, PROPOSER_WAITING);
	p->tries++;
	p->wake_ms = now.mono_ms + 1 + (int64_t)rng_below(&p->rng, window);
	if (p->left_ms > 0)
		p->wake_ms = MAX(p->wake_ms, now.mono_ms + value_wait_ms(p->left_ms));
	p->left_ms = 0;
}

/* Voters whose promises show none of the slots guarded that the change moves away from the base. */
static uint16_t unguarded(struct proposer *p)
{
	const struct value_reader *r = p->config.reader;
	struct msg_bytes base = value_bytes(p->base), value = value_bytes(p->value);
	uint16_t mask = 0;
	uint32_t least = UINT32_MAX;
	int n = quorum_voters(&p->config.cfg);

	for (int i = 0; i < n; i++) {
		bool guards = false;

		for (uint32_t k = 0; k < p->voters[i].n_guards; k++) {
			const struct msg_guard *g = &p->voters[i].guards[k];
			struct msg_slot was, is;

			if (!value_slot(r, base, g->slot.slot, &was) || !value_slot_same(&was, &g->slot) ||
				(value_slot(r, value, g->slot.slot, &is) && value_slot_same(&is, &was)))
				continue;
			guards = true;
			least = MIN(least, g->left_ms);
		}
		if ((p->answered >> i & 1) && !guards)
			mask |= (uint16_t)(1u << i);
	}
	p->left_ms = least == UINT32_MAX ? 0 : least;
	return mask;
}

/* The change function's word on the base; false: no memory. */
static bool apply(struct proposer *p)
{
	struct proposer_base base = {
		.value = value_bytes(p->base), .written = p->base != NULL, .accepted = p->accepted};
	struct msg_bytes ret = {0};
	enum proposer_verdict verdict = p->config.read ? PROPOSER_SAME : p->config.change(p->config.ctx, &base, &ret);

	p->changed = verdict == PROPOSER_CHANGE;
	p->refuses = verdict == PROPOSER_REFUSE;
	if (p->changed)
		value_set(p, ret.n <= MSG_VALUE_MAX ? value_new(&p->config.mem, ret) : NULL);
	else
		value_set(p, value_ref(p->base));
	return p->value || !p->changed;
}

static bool is_early(const struct proposer *p)
{
	return !p->config.read && !p->config.change;
}

static void promised(struct proposer *p, struct now now, struct proposer_outs *outs)
{
	uint16_t mask = p->answered;
	struct msg_slot slot;

	if (!quorum_reached(&p->config.cfg, p->answered))
		return;
	if (is_early(p)) {
		move(p, PROPOSER_READY);
		return;
	}
	if (!apply(p)) {
		back_off(p, now);
		return;
	}
	/* A quorum that accepted nothing says so as well as a read does: a name that nobody wrote stays so. */
	if (!p->changed && (!p->base || !RULE(M4))) {
		finish(p, p->refuses ? PROPOSER_REFUSED : PROPOSER_CHOSEN, outs);
		return;
	}
	if (p->aged && p->changed &&
		value_moves(p->config.reader, value_bytes(p->base), value_bytes(p->value), &slot)) {
		prepare(p, now, outs); /* whose guard may stand in the way by now has to be heard */
		return;
	}
	if (p->changed)
		mask = unguarded(p);
	p->held = !quorum_reached(&p->config.cfg, mask);
	if (p->held) {
		if (!quorum_possible(&p->config.cfg, (uint16_t)((p->answered & ~mask) | p->refused)))
			back_off(p, now);
		return;
	}
	p->left_ms = 0;
	p->sent = true;
	phase(p, PROPOSER_ACCEPTING, now, outs);
}

static bool guards_keep(struct proposer *p, int i, const struct msg *m)
{
	const struct value_mem *mem = &p->config.mem;
	struct proposer_voter v = {.n_guards = m->n_guards};

	if (v.n_guards > 0) {
		v.guards = mem->alloc(mem->ctx, v.n_guards * sizeof(*v.guards));
		if (!v.guards)
			return false;
		memcpy(v.guards, m->guards, v.n_guards * sizeof(*v.guards));
	}
	voter_forget(p, &p->voters[i]);
	p->voters[i] = v;
	return true;
}

static bool base_take(struct proposer *p, const struct msg *m)
{
	struct value *v;

	if (ballot_is_zero(&m->accepted) || (p->base && ballot_cmp(&m->accepted, &p->accepted) <= 0))
		return true;
	if (p->has && ballot_cmp(&m->accepted, &p->config.has) == 0)
		v = value_ref(p->has); /* a ballot has one value */
	else
		v = value_new(&p->config.mem, m->value);
	if (!v)
		return false;
	base_set(p, v, &m->accepted);
	return true;
}

static void found(struct proposer *p, struct proposer_outs *outs)
{
	p->ballot = p->accepted;
	value_set(p, value_ref(p->base));
	finish(p, PROPOSER_CHOSEN, outs);
}

/* The one that was asked does not have it. */
static void ask_all(struct proposer *p, struct now now, struct proposer_outs *outs)
{
	p->asks_one = false;
	ask(p, now, outs);
}

/* One round is enough when a quorum has accepted the same ballot: that is chosen, and nothing newer was before. */
static void read_answered(struct proposer *p, int i, const struct msg *m, struct now now, struct proposer_outs *outs)
{
	struct ballot was = p->accepted;
	bool had = p->answered != 0;

	if (!base_take(p, m))
		return;
	if (p->base && ballot_cmp(&p->accepted, &p->config.said) == 0) { /* a ballot has one value */
		found(p, outs);
		return;
	}
	if (!had || ballot_cmp(&was, &p->accepted) != 0)
		p->first = 0;
	p->answered |= (uint16_t)(1u << i);
	if (ballot_cmp(&m->accepted, &p->accepted) == 0)
		p->first |= (uint16_t)(1u << i);
	if (quorum_reached(&p->config.cfg, RULE(M4) ? p->first : p->answered)) {
		found(p, outs);
	} else if (p->asks_one) {
		p->answered = p->first = 0; /* it may have it by now */
		ask_all(p, now, outs);
	} else if (ballot_is_zero(&p->config.said) &&
		   !quorum_possible(&p->config.cfg, (uint16_t)((p->answered & ~p->first) | p->refused))) {
		prepare(p, now, outs); /* what is said to be chosen is only late */
	}
}

static void refused(struct proposer *p, int i, const struct msg *m, struct now now, struct proposer_outs *outs)
{
	if (m->why == MSG_WHY_EPOCH) {
		if (m->cfg.epoch <= p->config.cfg.epoch)
			return;
		p->newer = m->cfg;
		finish(p, PROPOSER_EPOCH, outs);
		return;
	}
	if (m->cfg.epoch != p->config.cfg.epoch)
		return;
	if (m->why == MSG_WHY_BALLOT) {
		if (ballot_cmp(&m->ballot, &p->ballot) <= 0)
			return; /* of an earlier try */
		p->above = *ballot_max(&p->above, &m->ballot);
	} else if (m->why == MSG_WHY_GUARD || m->why == MSG_WHY_WAIT) {
		if (p->state != PROPOSER_ACCEPTING)
			return;
		p->left_ms = p->left_ms ? MIN(p->left_ms, m->left_ms) : m->left_ms;
	}
	p->refused |= (uint16_t)(1u << i);
	if (!quorum_possible(&p->config.cfg, p->refused))
		back_off(p, now);
	else if (p->state == PROPOSER_READING && p->asks_one)
		ask_all(p, now, outs);
}

/* By a voter that has written. The one that makes the quorum ends the round; who comes later does so in vain. */
static void answered(struct proposer *p, int i, struct now now, struct proposer_outs *outs)
{
	bool had = quorum_reached(&p->config.cfg, p->answered);

	p->answered |= (uint16_t)(1u << i);
	if (had || !quorum_reached(&p->config.cfg, p->answered))
		return;
	outs->round_ms = now.mono_ms - p->asked_ms;
	outs->again = p->again;
}

static void take(struct proposer *p, const struct msg *m, struct now now, struct proposer_outs *outs)
{
	static const enum msg_type types[] = {[PROPOSER_WAITING] = MSG_REFUSED,
		[PROPOSER_READING] = MSG_VALUE,
		[PROPOSER_PREPARING] = MSG_PROMISE,
		[PROPOSER_READY] = MSG_REFUSED,
		[PROPOSER_ACCEPTING] = MSG_ACCEPTED,
		[PROPOSER_DONE] = MSG_REFUSED};
	int i = quorum_index(&p->config.cfg, &m->from);

	if (i < 0 || m->round != p->config.round || msg_key_cmp(&m->key, &p->config.key) != 0 ||
		p->state == PROPOSER_WAITING || p->state == PROPOSER_READY || p->state == PROPOSER_DONE ||
		(p->answered >> i & 1))
		return;
	if (m->type == MSG_REFUSED) {
		refused(p, i, m, now, outs);
		return;
	}
	if (m->type != types[p->state] || m->cfg.epoch != p->config.cfg.epoch)
		return;
	if (p->state == PROPOSER_READING) {
		read_answered(p, i, m, now, outs);
		return;
	}
	if (ballot_cmp(&m->ballot, &p->ballot) != 0)
		return;
	if (p->state == PROPOSER_PREPARING) {
		if (!guards_keep(p, i, m) || !base_take(p, m))
			return; /* asked again */
		answered(p, i, now, outs);
		promised(p, now, outs);
		return;
	}
	answered(p, i, now, outs);
	if (quorum_reached(&p->config.cfg, p->answered) || !RULE(M2))
		finish(p, p->refuses ? PROPOSER_REFUSED : PROPOSER_CHOSEN, outs);
}

static void tick(struct proposer *p, struct now now, struct proposer_outs *outs)
{
	if (now.mono_ms >= p->until_ms) {
		finish(p, p->held && !p->sent ? PROPOSER_HELD : PROPOSER_UNKNOWN, outs);
		return;
	}
	if (p->state == PROPOSER_WAITING) {
		if (now.mono_ms < p->wake_ms)
			return;
		if (p->config.read && p->tries == 0)
			begin_reading(p, now, outs);
		else
			prepare(p, now, outs);
		return;
	}
	if (p->state == PROPOSER_READY || now.mono_ms < p->resend_ms)
		return;
	if (p->held || ballot_cmp(&p->above, &p->ballot) > 0) { /* who was refused so is refused for ever */
		back_off(p, now);
		return;
	}
	if (p->state == PROPOSER_READING && quorum_reached(&p->config.cfg, p->answered)) {
		prepare(p, now, outs); /* they do not agree, and the others keep silent */
		return;
	}
	p->refused = 0; /* a voter that was full or busy may no longer be */
	p->asks_one = false;
	p->again = true;
	ask(p, now, outs);
}

static void outs_begin(struct proposer_outs *outs)
{
	outs->done = outs->again = false;
	outs->n_to = 0;
	outs->round_ms = PROPOSER_NO_ROUND;
}

void proposer_step(struct proposer *p, const struct proposer_in *in, struct now now, struct proposer_outs *outs)
{
	outs_begin(outs);
	if (p->state == PROPOSER_DONE)
		return;
	if (in->type == PROPOSER_IN_MSG)
		take(p, in->msg, now, outs);
	else if (in->type == PROPOSER_IN_TICK)
		tick(p, now, outs);
}

void proposer_overtake(struct proposer *p, const struct quorum_cfg *newer, struct proposer_outs *outs)
{
	outs_begin(outs);
	if (p->state == PROPOSER_DONE)
		return;
	p->newer = *newer;
	finish(p, PROPOSER_EPOCH, outs);
}

void proposer_give(struct proposer *p, const struct proposer_given *g, struct now now, struct proposer_outs *outs)
{
	assert(is_early(p) && p->state != PROPOSER_DONE);
	outs_begin(outs);
	p->config.change = g->change;
	p->config.ctx = g->ctx;
	p->config.for_ms = g->for_ms;
	p->until_ms = now.mono_ms + g->for_ms;
	if (p->state != PROPOSER_READY)
		return;
	p->aged = true;
	move(p, PROPOSER_PREPARING);
	promised(p, now, outs);
}

int64_t proposer_deadline_ms(const struct proposer *p)
{
	if (p->state == PROPOSER_DONE)
		return DEADLINE_NEVER;
	if (p->state == PROPOSER_READY)
		return p->until_ms;
	return MIN(p->until_ms, p->state == PROPOSER_WAITING ? p->wake_ms : p->resend_ms);
}

void proposer_check(const struct proposer *p)
{
	uint16_t all = (uint16_t)((1u << quorum_voters(&p->config.cfg)) - 1);

	assert(p->state >= 0 && p->state < PROPOSER_STATE_MAX);
	assert((p->state == PROPOSER_DONE) == (p->outcome != PROPOSER_NONE));
	assert(((p->answered | p->refused | p->first) & ~all) == 0 && (p->first & ~p->answered) == 0);
	assert(p->ballot.counter <= p->config.source->counter || p->config.read);
	assert(p->state != PROPOSER_ACCEPTING || (p->value && p->sent));
	assert(ballot_is_zero(&p->accepted) || p->base);
	assert(p->outcome != PROPOSER_HELD || !p->sent);
}

char *proposer_dump(const struct proposer *p, char *out, size_t n)
{
	char ballot[BALLOT_TEXT_MAX], base[BALLOT_TEXT_MAX];

	(void)snprintf(out, n, "%s %s on %s answered %x refused %x tries %u%s%s", states[p->state].name,
		ballot_text(&p->ballot, ballot, sizeof(ballot)), ballot_text(&p->accepted, base, sizeof(base)),
		p->answered, p->refused, p->tries, p->held ? " held" : "",
		p->outcome ? (p->outcome == PROPOSER_CHOSEN ? ": chosen" : ": not chosen") : "");
	return out;
}
