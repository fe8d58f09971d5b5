/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents that are known, each with when it is looked at next; and what is asked of them, in the order in which it
 * came, one at a time an agent. A bid becomes a proposal with a step of its own, due at once.
 */
#include "node/agree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/agree_impl.h"
#include "scheduler/rank.h"

#define LOOKS_A_STEP  16   /* each reads a value, and decides: the rest is due at once */
#define FULL_MS	      100  /* the registers took no more: until one has ended, or so long */
#define LOOK_AGAIN_MS 1000 /* what did not come to be decided, or had no memory */
#define ROUND_TRIP_US 2000 /* until it was measured */

/* ---- made and freed ---- */

int agree_new(const struct agree_config *config, const struct value_mem *mem, struct now now, struct agree **ret)
{
	struct agree *a = mem->alloc(mem->ctx, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	memset(a, 0, sizeof(*a));
	rc = registers_new(&config->registers, mem, now, &a->registers);
	if (rc < 0) {
		mem->release(mem->ctx, a, sizeof(*a));
		return rc;
	}
	a->mem = *mem;
	a->world = config->world;
	a->self = register_node_of(&config->registers.acceptor.self);
	a->write_us = config->write_us;
	a->round_trip_us = ROUND_TRIP_US;
	a->now = now;
	a->look_at_ms = DEADLINE_NEVER;
	a->bids_end = &a->bids;
	*ret = a;
	return 0;
}

static void bid_free(struct agree *a, struct bid *b)
{
	if (b->text)
		a->mem.release(a->mem.ctx, b->text, b->text_n);
	if (b->made)
		a->mem.release(a->mem.ctx, b->made, b->cap_made);
	a->mem.release(a->mem.ctx, b, sizeof(*b));
}

static void bids_free(struct agree *a, struct bid *b)
{
	while (b) {
		struct bid *next = b->next;

		bid_free(a, b);
		b = next;
	}
}

void agree_free(struct agree *a)
{
	if (!a)
		return;
	registers_free(a->registers); /* first: its proposals have bids as their context */
	bids_free(a, a->bids);
	bids_free(a, a->spent);
	keyed_free(&a->wards, &a->mem, sizeof(struct ward));
	a->mem.release(a->mem.ctx, a, sizeof(*a));
}

struct registers *agree_registers(struct agree *a)
{
	return a->registers;
}

/* ---- agents ---- */

static struct ward *find(const struct agree *a, const struct msg_key *key)
{
	return keyed_find(&a->wards, key);
}

static int find_or_add(struct agree *a, const struct msg_key *key, struct ward **ret)
{
	*ret = find(a, key);
	if (*ret)
		return 0;
	if (a->wards.n == AGENTS_MAX)
		return -ENOSPC;
	*ret = keyed_add(&a->wards, &a->mem, key, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->look_at_ms = DEADLINE_NEVER;
	return 0;
}

static void look_at(struct agree *a, struct ward *w, int64_t ms)
{
	w->look_at_ms = ms;
	a->look_at_ms = MIN(a->look_at_ms, ms);
}

/* Of which nothing is known and nothing asked: else each name that is mistyped would stay. */
static void drop_unknown(struct agree *a, const struct ward *w)
{
	struct ballot ballot;
	struct msg_bytes value;

	if (!registers_get(a->registers, &w->key, &ballot, &value))
		keyed_drop(&a->wards, &a->mem, &w->key, sizeof(*w));
}

/* ---- bids ---- */

/* NULL: no memory. */
static struct bid *bid_new(struct agree *a, const struct msg_key *key, const struct decide_event *event)
{
	struct bid *b = a->mem.alloc(a->mem.ctx, sizeof(*b));

	if (!b)
		return NULL;
	memset(b, 0, sizeof(*b));
	b->a = a;
	b->key = *key;
	b->event = *event;
	b->until_ms = a->now.mono_ms + AGREE_COMMAND_MS;
	return b;
}

/* Behind all others; of its agent's it may be the first. */
static void bid_add(struct agree *a, struct ward *w, struct bid *b)
{
	*a->bids_end = b;
	a->bids_end = &b->next;
	a->n_commands += !b->tends;
	if (!w->bid)
		w->bid = b;
}

/* Its memory stays for the step at hand; the next one of that agent has its turn. */
static void bid_spend(struct agree *a, struct bid *b)
{
	struct ward *w = find(a, &b->key);
	struct bid **at = &a->bids;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	if (!b->next)
		a->bids_end = at;
	a->n_commands -= !b->tends;
	b->next = a->spent;
	a->spent = b;
	assert(w);
	if (w->bid != b)
		return;
	w->bid = a->bids;
	while (w->bid && msg_key_cmp(&w->bid->key, &w->key) != 0)
		w->bid = w->bid->next;
	if (!w->bid)
		drop_unknown(a, w);
}

/* NULL: no memory. */
static struct bid *bid_of(struct agree *a, const struct agree_command *c)
{
	struct bid *b = bid_new(a, &c->key, &c->event);

	if (!b)
		return NULL;
	b->token = c->token;
	if (c->event.op)
		(void)snprintf(b->op, sizeof(b->op), "%s", c->event.op); /* the caller has checked its length */
	if (c->text.n == 0)
		return b;
	b->text = a->mem.alloc(a->mem.ctx, c->text.n);
	if (!b->text) {
		bid_free(a, b);
		return NULL;
	}
	memcpy(b->text, c->text.v, c->text.n);
	b->text_n = c->text.n;
	return b;
}

static int command(struct agree *a, const struct agree_command *c)
{
	struct ward *w;
	struct bid *b;
	int rc;

	if (registers_cfg(a->registers)->epoch == 0)
		return -ENOTCONN;
	if (a->n_commands == AGREE_COMMANDS_MAX)
		return -EAGAIN;
	b = bid_of(a, c);
	rc = b ? find_or_add(a, &c->key, &w) : -ENOMEM; /* the agent last: nothing of a command that failed stays */
	if (rc < 0 && b)
		bid_free(a, b);
	if (rc < 0)
		return rc;
	bid_add(a, w, b);
	return 0;
}

static enum proposer_verdict change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	struct bid *b = ctx;
	struct ward *w = find(b->a, &b->key);
	struct judgement j;
	size_t n = 0;
	int rc;

	rc = agree_decide(b->a, b, &w->memory, base->written ? base->value : (struct msg_bytes){0}, true, &j, &n);
	b->refused = j.refused;
	b->repeat = j.repeat;
	b->changed = rc == 0 && j.changed;
	if (rc < 0 && b->refused.code == 0)
		(void)err_set(&b->refused, rc, "out of memory"); /* it is read from there */
	if (b->refused.code)
		return PROPOSER_REFUSE;
	*ret = (struct msg_bytes){b->made, n};
	return b->changed ? PROPOSER_CHANGE : PROPOSER_SAME;
}

/* One that may begin: the first of its agent. */
static struct bid *bid_next(const struct agree *a)
{
	for (struct bid *b = a->bids; b; b = b->next)
		if (!b->under_way && find(a, &b->key)->bid == b)
			return b;
	return NULL;
}

/* ---- answers ---- */

static void answer(
	struct agree_outs *outs, const struct bid *b, enum agree_outcome outcome, const struct registers_out *o)
{
	struct agree_answer *r = &outs->answers[outs->n_answers++];

	assert(outs->n_answers <= AGREE_ANSWERS_MAX);
	*r = (struct agree_answer){.token = b->token, .outcome = outcome, .repeat = b->repeat, .changed = b->changed};
	if (outcome == AGREE_REFUSED)
		r->refused = b->refused;
	if (o) {
		r->ballot = o->ballot;
		r->value = o->value;
	}
}

/* A name of which nothing was known here was read first. */
static bool was_read(struct agree *a, struct bid *b, const struct registers_out *o, struct agree_outs *outs)
{
	if (!b->reads)
		return false;
	b->reads = b->under_way = false;
	if (o->outcome == PROPOSER_CHOSEN && o->value.n > 0)
		return true; /* and now it is known */
	if (o->outcome != PROPOSER_CHOSEN) {
		answer(outs, b, AGREE_UNKNOWN, NULL);
	} else {
		(void)err_set(&b->refused, -ENOENT, "there is no agent '%.*s'", (int)b->key.n,
			b->key.v); /* it is read from there */
		answer(outs, b, AGREE_REFUSED, NULL);
	}
	bid_spend(a, b);
	return true;
}

static void ended(struct agree *a, const struct registers_out *o, struct agree_outs *outs)
{
	static const enum agree_outcome outcomes[PROPOSER_OUTCOME_MAX] = {[PROPOSER_NONE] = AGREE_UNKNOWN,
		[PROPOSER_CHOSEN] = AGREE_DONE,
		[PROPOSER_REFUSED] = AGREE_REFUSED,
		[PROPOSER_EPOCH] = AGREE_UNKNOWN,
		[PROPOSER_HELD] = AGREE_HELD,
		[PROPOSER_UNKNOWN] = AGREE_UNKNOWN};
	struct bid *b = a->bids;

	a->full_until_ms = 0;
	while (b && !(b->under_way && b->round == o->token))
		b = b->next;
	assert(b);
	if (was_read(a, b, o, outs))
		return;
	if (!b->tends)
		answer(outs, b, outcomes[o->outcome], o);
	if (o->outcome != PROPOSER_CHOSEN)
		look_at(a, find(a, &b->key), a->now.mono_ms + LOOK_AGAIN_MS);
	bid_spend(a, b);
}

/* Those that never had their turn: nothing of them was sent. */
static void expire(struct agree *a, struct agree_outs *outs)
{
	for (struct bid *b = a->bids, *next; b; b = next) {
		next = b->next;
		if (b->under_way || a->now.mono_ms < b->until_ms || outs->n_answers == AGREE_ANSWERS_MAX)
			continue;
		(void)err_set(&b->refused, -EBUSY,
			"%.*s: other changes of it took longer than %d s; nothing was changed", (int)b->key.n, b->key.v,
			AGREE_COMMAND_MS / 1000); /* it is read from there */
		if (!b->tends)
			answer(outs, b, AGREE_REFUSED, NULL);
		bid_spend(a, b);
	}
}

/* ---- looking ---- */

static void chosen(struct agree *a, const struct registers_out *o)
{
	struct ward *w;

	if (o->key.n == 0 || find_or_add(a, &o->key, &w) < 0)
		return; /* the root's; or no memory: it is looked at when it changes again */
	agree_remember(a, w, o->value);
	w->turn_at_ms = 0;
	look_at(a, w, a->now.mono_ms);
}

/* It is to be decided: at its turn, unless somebody else has by then. */
static void tend(struct agree *a, struct ward *w, struct bid *b)
{
	uint32_t rank = agree_rank(a, &w->key);

	if (w->turn_at_ms == 0 && rank != RANK_NONE)
		w->turn_at_ms = a->now.mono_ms + rank_delay_ms(rank, a->round_trip_us, a->write_us);
	if (rank == RANK_NONE || a->now.mono_ms < w->turn_at_ms) {
		look_at(a, w, rank == RANK_NONE ? a->now.mono_ms + LOOK_AGAIN_MS : w->turn_at_ms);
		bid_free(a, b);
		return;
	}
	w->turn_at_ms = 0;
	w->event = SCHED_EVENT_TICK;
	b->tends = true;
	bid_add(a, w, b);
}

static void look(struct agree *a, struct ward *w)
{
	struct decide_event event = {.type = w->event, .subject = w->subject, .desired = -1};
	struct ballot ballot;
	struct msg_bytes value;
	struct judgement j;
	struct bid *b;
	size_t n;

	w->look_at_ms = DEADLINE_NEVER;
	if (w->bid || !registers_get(a->registers, &w->key, &ballot, &value))
		return; /* what is asked settles all; and is followed by a look */
	b = bid_new(a, &w->key, &event);
	if (!b || agree_decide(a, b, &w->memory, value, false, &j, &n) == -ENOMEM) {
		if (b)
			bid_free(a, b);
		look_at(a, w, a->now.mono_ms + LOOK_AGAIN_MS);
		return;
	}
	if (j.changed && j.refused.code == 0) {
		tend(a, w, b);
		return;
	}
	bid_free(a, b);
	w->turn_at_ms = 0;
	w->event = SCHED_EVENT_TICK;
	if (j.again_ms != DEADLINE_NEVER)
		look_at(a, w, MAX(j.again_ms, a->now.mono_ms + 1));
}

static void looks(struct agree *a)
{
	int64_t at = DEADLINE_NEVER;
	size_t n = 0;

	if (a->look_at_ms > a->now.mono_ms)
		return;
	a->look_at_ms = DEADLINE_NEVER;
	for (size_t i = 0; i < a->wards.n; i++) {
		struct ward *w = a->wards.v[i];

		if (w->look_at_ms <= a->now.mono_ms && n++ < LOOKS_A_STEP)
			look(a, w);
		at = MIN(at, w->look_at_ms);
	}
	a->look_at_ms = at;
}

static void look_at_all(struct agree *a, enum sched_event_type event, struct sched_node subject)
{
	for (size_t i = 0; i < a->wards.n; i++) {
		struct ward *w = a->wards.v[i];

		w->event = event;
		w->subject = subject;
		look_at(a, w, a->now.mono_ms);
	}
}

/* ---- the step ---- */

static void sweep(struct agree *a)
{
	bids_free(a, a->spent);
	a->spent = NULL;
}

/* Its proposal. A name that is not known here is read first, but to be made: a voter keeps what was asked to change. */
static int propose(struct agree *a, struct bid *b, struct agree_outs *outs)
{
	struct ballot ballot;
	struct msg_bytes value;
	struct registers_ask ask = {.token = ++a->token,
		.key = b->key,
		.change = change,
		.ctx = b,
		.for_ms = MAX(b->until_ms - a->now.mono_ms, (int64_t)1)};
	int rc;

	ask.read = b->event.type != SCHED_EVENT_APPLY && !registers_get(a->registers, &b->key, &ballot, &value);
	b->reads = ask.read;
	b->round = ask.token;
	b->under_way = true; /* it may end in this step */
	rc = registers_step(a->registers, &(struct registers_in){.type = REGISTERS_IN_PROPOSE, .ask = &ask}, a->now,
		&outs->registers);
	if (rc < 0) {
		b->under_way = b->reads = false;
		a->full_until_ms = a->now.mono_ms + FULL_MS;
	}
	return 0;
}

/* The next bid becomes a proposal; or time goes on. */
static int go_on(struct agree *a, struct agree_outs *outs)
{
	struct bid *b = a->full_until_ms <= a->now.mono_ms ? bid_next(a) : NULL;

	if (b)
		return propose(a, b, outs);
	return registers_step(
		a->registers, &(struct registers_in){.type = REGISTERS_IN_TICK}, a->now, &outs->registers);
}

/* What the registers say that is ours to hear. ENDED is taken out. */
static void hear(struct agree *a, struct agree_outs *outs)
{
	size_t left = 0;

	for (size_t i = 0; i < outs->registers.n; i++) {
		const struct registers_out *o = &outs->registers.v[i];

		if (o->type == REGISTERS_OUT_ENDED) {
			ended(a, o, outs);
			continue;
		}
		if (o->type == REGISTERS_OUT_CHOSEN)
			chosen(a, o);
		if (left != i)
			outs->registers.v[left] = *o;
		left++;
	}
	outs->registers.n = left;
}

int agree_step(struct agree *a, const struct agree_in *in, struct now now, struct agree_outs *outs)
{
	struct ward *w;
	int rc = 0, asked = 0;

	outs->n_answers = 0;
	a->now = now;
	sweep(a);
	switch (in->type) {
	case AGREE_IN_COMMAND:
		asked = command(a, in->command);
		break;
	case AGREE_IN_HOSTS:
		look_at_all(a, in->event, in->subject);
		break;
	case AGREE_IN_AGENT:
		w = find(a, &in->key);
		if (w)
			look_at(a, w, now.mono_ms);
		break;
	default:
		break;
	}
	if (in->type == AGREE_IN_REGISTERS && in->registers->type != REGISTERS_IN_TICK)
		rc = registers_step(a->registers, in->registers, now, &outs->registers);
	else
		rc = go_on(a, outs);
	hear(a, outs);
	expire(a, outs);
	looks(a);
	return asked < 0 ? asked : rc;
}

int64_t agree_deadline_ms(const struct agree *a)
{
	int64_t at = MIN(registers_deadline_ms(a->registers), a->look_at_ms);

	if (a->spent)
		return a->now.mono_ms;
	if (bid_next(a))
		at = MIN(at, MAX(a->full_until_ms, a->now.mono_ms));
	for (const struct bid *b = a->bids; b; b = b->next)
		if (!b->under_way)
			at = MIN(at, b->until_ms);
	return at;
}

/* ---- what is known of it ---- */

void agree_check(const struct agree *a)
{
	size_t commands = 0;

	registers_check(a->registers);
	keyed_check(&a->wards);
	for (size_t i = 0; i < a->wards.n; i++)
		assert(((const struct ward *)a->wards.v[i])->look_at_ms >= a->look_at_ms);
	for (const struct bid *b = a->bids; b; b = b->next) {
		const struct ward *w = find(a, &b->key);

		commands += !b->tends;
		assert(w && w->bid && (!b->under_way || w->bid == b));
	}
	assert(commands == a->n_commands && commands <= AGREE_COMMANDS_MAX);
}

char *agree_dump(const struct agree *a, char *out, size_t n)
{
	char registers[320];

	(void)snprintf(out, n, "%zu agents, %zu commands; %s", a->wards.n, a->n_commands,
		registers_dump(a->registers, registers, sizeof(registers))); /* cut is fine */
	return out;
}
