/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents that are known, each with when it is looked at next; and the step, in which what is asked (agree_bid.c)
 * becomes a proposal: one a step, and the next is due at once.
 */
#include "node/agree.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/agree_impl.h"
#include "scheduler/rank.h"

#define LOOKS_A_STEP 16 /* each reads a value, and decides: the rest is due at once */
#define OWN_MS	     5	/* what was decided is answered, and often followed by the next, before we look on */
#define HOSTS_MS     20 /* where one comes or goes others mostly do, too: they are looked at once */
#define OTHERS_MS    50 /* who decided it looks at what follows; we look when all have it, and told what they do */

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
	a->root_ward = keyed_add(&a->wards, mem, &(struct msg_key){0}, sizeof(*a->root_ward));
	if (!a->root_ward) {
		registers_free(a->registers);
		mem->release(mem->ctx, a, sizeof(*a));
		return -ENOMEM;
	}
	a->root_ward->look_at_ms = DEADLINE_NEVER;
	a->mem = *mem;
	a->world = config->world;
	a->self = register_node_of(&config->registers.acceptor.self);
	a->now = now;
	a->look_at_ms = DEADLINE_NEVER;
	a->bids_end = &a->bids;
	*ret = a;
	return 0;
}

void agree_free(struct agree *a)
{
	if (!a)
		return;
	registers_free(a->registers); /* first: its proposals have bids as their context */
	agree_bids_free(a, a->bids);
	agree_bids_free(a, a->spent);
	agree_voters_done(a);
	agree_root_done(a);
	keyed_free(&a->wards, &a->mem, sizeof(struct ward));
	a->mem.release(a->mem.ctx, a, sizeof(*a));
}

struct registers *agree_registers(struct agree *a)
{
	return a->registers;
}

/* ---- agents ---- */

struct ward *agree_find(const struct agree *a, const struct msg_key *key)
{
	return keyed_find(&a->wards, key);
}

int agree_find_or_add(struct agree *a, const struct msg_key *key, struct ward **ret)
{
	*ret = agree_find(a, key);
	if (*ret)
		return 0;
	if (a->wards.n == AGENTS_MAX + 1) /* and the root's */
		return -ENOSPC;
	*ret = keyed_add(&a->wards, &a->mem, key, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->look_at_ms = DEADLINE_NEVER;
	return 0;
}

void agree_look_at(struct agree *a, struct ward *w, int64_t ms)
{
	w->look_at_ms = ms;
	a->look_at_ms = MIN(a->look_at_ms, ms);
}

/* ---- looking ---- */

static void chosen(struct agree *a, const struct msg_key *key, int64_t look_at_ms)
{
	struct ward *w;

	if (key->n == 0) {
		agree_root_chosen(a);
		return;
	}
	if (agree_find_or_add(a, key, &w) < 0)
		return;	  /* no memory: it is looked at when it changes again */
	w->unseen = true; /* the look at it reads it anyway */
	w->turn_at_ms = 0;
	agree_look_at(a, w, MIN(w->look_at_ms, look_at_ms));
}

/* What was known to be chosen before this start. */
static void begin(struct agree *a)
{
	struct ballot ballot;
	struct msg_bytes value;
	struct msg_key key;

	a->begun = true;
	for (size_t at = 0; registers_next(a->registers, &at, &key);)
		if (registers_get(a->registers, &key, &ballot, &value))
			chosen(a, &key, a->now.mono_ms);
}

bool agree_turn(struct agree *a, struct ward *w)
{
	uint32_t rank = agree_rank(a, &w->key);

	if (w->turn_at_ms == 0 && rank != RANK_NONE)
		w->turn_at_ms = a->now.mono_ms + rank_delay_ms(rank, registers_rank_ms(a->registers));
	if (rank == RANK_NONE || a->now.mono_ms < w->turn_at_ms) {
		agree_look_at(a, w, rank == RANK_NONE ? a->now.mono_ms + LOOK_AGAIN_MS : w->turn_at_ms);
		return false;
	}
	w->turn_at_ms = 0;
	return true;
}

/* It is to be decided: at its turn, unless somebody else has by then. */
static void tend(struct agree *a, struct ward *w, struct bid *b)
{
	if (!agree_turn(a, w)) {
		agree_bid_free(a, b);
		return;
	}
	w->event = SCHED_EVENT_TICK;
	b->tends = true;
	agree_bid_add(a, w, b);
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
	if (w == a->root_ward) {
		agree_voters_look(a, w);
		return;
	}
	if (w->bid)
		agree_remember(a, w);
	if (w->bid || !registers_get(a->registers, &w->key, &ballot, &value))
		return; /* what is asked settles all; and is followed by a look */
	b = agree_bid_new(a, &w->key, &event);
	if (!b || agree_decide(a, b, w, value, false, &j, &n) == -ENOMEM) {
		if (b)
			agree_bid_free(a, b);
		agree_look_at(a, w, a->now.mono_ms + LOOK_AGAIN_MS);
		return;
	}
	if (j.changed && j.refused.code == 0) {
		tend(a, w, b);
		return;
	}
	agree_bid_free(a, b);
	w->turn_at_ms = 0;
	w->event = SCHED_EVENT_TICK;
	if (j.again_ms != DEADLINE_NEVER)
		agree_look_at(a, w, MAX(j.again_ms, a->now.mono_ms + 1));
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

void agree_look_at_all(struct agree *a, enum sched_event_type event, struct sched_node subject)
{
	for (size_t i = 0; i < a->wards.n; i++) {
		struct ward *w = a->wards.v[i];

		w->event = event;
		w->subject = subject;
		agree_look_at(a, w, MIN(w->look_at_ms, a->now.mono_ms + HOSTS_MS));
	}
}

/* ---- the step ---- */

static void sweep(struct agree *a)
{
	agree_bids_free(a, a->spent);
	a->spent = NULL;
	agree_voters_sweep(a);
}

/* The next bid becomes a proposal; or time goes on. */
static int go_on(struct agree *a, struct agree_outs *outs)
{
	struct bid *b = a->full_until_ms <= a->now.mono_ms ? agree_bid_next(a) : NULL;

	if (a->recovery.due) {
		outs->registers.n = 0;
		agree_recover_begin(a, outs);
		return 0;
	}
	if (a->voting.due) {
		agree_voters_begin(a, outs);
		return 0;
	}
	if (b) {
		agree_propose(a, b, outs);
		return 0;
	}
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
			agree_ended(a, o, outs);
			continue;
		}
		if (o->type == REGISTERS_OUT_CHOSEN)
			chosen(a, &o->key, a->now.mono_ms + (o->ours ? OWN_MS : OTHERS_MS));
		else if (o->type == REGISTERS_OUT_CFG)
			agree_look_at(a, a->root_ward, a->now.mono_ms);
		else if (o->type == REGISTERS_OUT_VOTERS)
			agree_voters_ended(a, o);
		else if (o->type == REGISTERS_OUT_ROLL)
			agree_recover_roll(a, o, outs);
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
	if (!a->begun)
		begin(a);
	agree_recover_tick(a);
	switch (in->type) {
	case AGREE_IN_COMMAND:
		asked = agree_command(a, in->command);
		break;
	case AGREE_IN_ROOT:
		if (in->root->type == AGREE_ROOT_RECOVER)
			asked = agree_recover_command(a, in->root, outs);
		else
			asked = agree_root_command(a, in->root);
		break;
	case AGREE_IN_HOSTS:
		agree_look_at_all(a, in->event, in->subject);
		break;
	case AGREE_IN_AGENT:
		w = agree_find(a, &in->key);
		if (w)
			agree_look_at(a, w, now.mono_ms);
		break;
	default:
		break;
	}
	if (in->type == AGREE_IN_REGISTERS && in->registers->type != REGISTERS_IN_TICK)
		rc = registers_step(a->registers, in->registers, now, &outs->registers);
	else
		rc = go_on(a, outs);
	hear(a, outs);
	agree_expire(a, outs);
	looks(a);
	return asked < 0 ? asked : rc;
}

int64_t agree_deadline_ms(const struct agree *a)
{
	int64_t at = MIN(registers_deadline_ms(a->registers), a->look_at_ms);

	at = MIN(at, agree_recover_deadline_ms(a));
	if (a->spent || a->voting.due)
		return a->now.mono_ms;
	if (agree_bid_next(a))
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
		const struct ward *w = agree_find(a, &b->key);

		commands += !b->tends;
		assert(w && w->bid && (!b->under_way || w->bid == b));
	}
	assert(commands == a->n_commands && commands <= AGREE_COMMANDS_MAX);
}

char *agree_dump(const struct agree *a, char *out, size_t n)
{
	char registers[320];

	(void)snprintf(out, n, "%zu agents, %zu commands; %s", a->wards.n - 1, a->n_commands,
		registers_dump(a->registers, registers, sizeof(registers))); /* cut is fine */
	return out;
}
