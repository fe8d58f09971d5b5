/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked, from its coming to its answer: bids wait in the order in which they came, one at a time an agent
 * becomes a proposal.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/agree_impl.h"

#define FULL_MS 100 /* the registers took no more: until one has ended, or so long */

/* ---- bids ---- */

void agree_bid_free(struct agree *a, struct bid *b)
{
	if (b->text)
		a->mem.release(a->mem.ctx, b->text, b->text_n);
	if (b->made)
		a->mem.release(a->mem.ctx, b->made, b->cap_made);
	a->mem.release(a->mem.ctx, b, sizeof(*b));
}

void agree_bids_free(struct agree *a, struct bid *b)
{
	while (b) {
		struct bid *next = b->next;

		agree_bid_free(a, b);
		b = next;
	}
}

/* Of which nothing is known and nothing asked: else each name that is mistyped would stay. */
static void drop_unknown(struct agree *a, const struct ward *w)
{
	struct ballot ballot;
	struct msg_bytes value;

	if (w != a->root_ward && !registers_get(a->registers, &w->key, &ballot, &value))
		keyed_drop(&a->wards, &a->mem, &w->key, sizeof(*w));
}

struct bid *agree_bid_new(struct agree *a, const struct msg_key *key, const struct decide_event *event)
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
void agree_bid_add(struct agree *a, struct ward *w, struct bid *b)
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
	struct ward *w = agree_find(a, &b->key);
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
	struct bid *b = agree_bid_new(a, &c->key, &c->event);

	if (!b)
		return NULL;
	b->token = c->token;
	if (c->event.op)
		(void)snprintf(b->op, sizeof(b->op), "%s", c->event.op); /* the caller has checked its length */
	if (c->text.n == 0)
		return b;
	b->text = a->mem.alloc(a->mem.ctx, c->text.n);
	if (!b->text) {
		agree_bid_free(a, b);
		return NULL;
	}
	memcpy(b->text, c->text.v, c->text.n);
	b->text_n = c->text.n;
	return b;
}

int agree_root_command(struct agree *a, const struct agree_root_command *c)
{
	const struct decide_event none = {.type = SCHED_EVENT_TICK};
	struct bid *b;

	if (c->type == AGREE_ROOT_NONE || c->type >= AGREE_ROOT_RECOVER)
		return -EINVAL;
	if (c->type != AGREE_ROOT_FOUND && registers_cfg(a->registers)->epoch == 0)
		return -ENOTCONN;
	if (a->n_commands == AGREE_COMMANDS_MAX)
		return -EAGAIN;
	b = agree_bid_new(a, &a->root_ward->key, &none);
	if (!b)
		return -ENOMEM;
	b->token = c->token;
	b->order = (struct order){.type = c->type,
		.node = c->node,
		.cluster = c->cluster,
		.voters = c->voters,
		.spreads = c->spread != NULL,
		.replace_after_ms = c->replace_after_ms,
		.times = c->times};
	/* The caller has checked their lengths. */
	(void)snprintf(b->op, sizeof(b->op), "%s", c->op ? c->op : "");
	(void)snprintf(b->order.name, sizeof(b->order.name), "%s", c->name ? c->name : "");
	(void)snprintf(b->order.spread, sizeof(b->order.spread), "%s", c->spread ? c->spread : "");
	agree_bid_add(a, a->root_ward, b);
	return 0;
}

int agree_command(struct agree *a, const struct agree_command *c)
{
	struct ward *w;
	struct bid *b;
	int rc;

	if (c->key.n == 0)
		return -EINVAL;
	if (registers_cfg(a->registers)->epoch == 0)
		return -ENOTCONN;
	if (a->n_commands == AGREE_COMMANDS_MAX)
		return -EAGAIN;
	b = bid_of(a, c);
	rc = b ? agree_find_or_add(a, &c->key, &w)
	       : -ENOMEM; /* the agent last: nothing of a command that failed stays */
	if (rc < 0 && b)
		agree_bid_free(a, b);
	if (rc < 0)
		return rc;
	agree_bid_add(a, w, b);
	return 0;
}

static enum proposer_verdict change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	struct bid *b = ctx;
	struct ward *w = agree_find(b->a, &b->key);
	struct msg_bytes value = base->written ? base->value : (struct msg_bytes){0};
	struct judgement j;
	size_t n = 0;
	int rc;

	agree_remember(b->a, w);
	if (w == b->a->root_ward)
		rc = agree_root_decide(b->a, b, value, &j, &n);
	else
		rc = agree_decide(b->a, b, w, value, true, &j, &n);
	b->refused = j.refused;
	b->offered |= rc == 0 && j.changed;
	b->repeat = j.repeat && !b->offered; /* else what is there already came of an earlier try */
	b->changed = rc == 0 && (j.changed || (j.repeat && b->offered));
	if (rc < 0 && b->refused.code == 0)
		(void)err_set(&b->refused, rc, "out of memory"); /* it is read from there */
	if (b->refused.code)
		return PROPOSER_REFUSE;
	*ret = (struct msg_bytes){b->made, n};
	return rc == 0 && j.changed ? PROPOSER_CHANGE : PROPOSER_SAME;
}

struct bid *agree_bid_next(const struct agree *a)
{
	for (struct bid *b = a->bids; b; b = b->next)
		if (!b->under_way && agree_find(a, &b->key)->bid == b)
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

void agree_ended(struct agree *a, const struct registers_out *o, struct agree_outs *outs)
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
		agree_look_at(a, agree_find(a, &b->key), a->now.mono_ms + LOOK_AGAIN_MS);
	bid_spend(a, b);
}

/* Those that never had their turn: nothing of them was sent. */
void agree_expire(struct agree *a, struct agree_outs *outs)
{
	for (struct bid *b = a->bids, *next; b; b = next) {
		next = b->next;
		if (b->under_way || a->now.mono_ms < b->until_ms || outs->n_answers == AGREE_ANSWERS_MAX)
			continue;
		(void)err_set(&b->refused, -EBUSY,
			"%.*s: other changes of it took longer than %d s; nothing was changed",
			b->key.n ? (int)b->key.n : (int)strlen("the cluster"), b->key.n ? b->key.v : "the cluster",
			AGREE_COMMAND_MS / 1000); /* it is read from there */
		if (!b->tends)
			answer(outs, b, AGREE_REFUSED, NULL);
		bid_spend(a, b);
	}
}

/* ---- proposals ---- */

/* This node takes the first configuration, and is told whether that is enough with the next step. */
static bool founds(struct agree *a, struct bid *b, struct agree_outs *outs)
{
	const struct quorum_cfg first = agree_first_cfg(a);
	struct registers_in in = {.type = REGISTERS_IN_TICK};
	int rc;

	if (!agree_may_found(a, b)) {
		answer(outs, b, AGREE_REFUSED, NULL);
		bid_spend(a, b);
	} else if (registers_cfg(a->registers)->epoch == 0) {
		in = (struct registers_in){.type = REGISTERS_IN_CFG, .cfg = &first};
	} else {
		return false;
	}
	rc = registers_step(a->registers, &in, a->now, &outs->registers);
	assert(rc == 0); /* of neither anything is asked */
	return true;
}

/* Its proposal. A name that is not known here is read first, but to be made: a voter keeps what was asked to change. */
void agree_propose(struct agree *a, struct bid *b, struct agree_outs *outs)
{
	struct ballot ballot;
	struct msg_bytes value;
	struct registers_ask ask = {.token = ++a->token,
		.key = b->key,
		.change = change,
		.ctx = b,
		.for_ms = MAX(b->until_ms - a->now.mono_ms, (int64_t)1)};
	int rc;

	if (b->order.type == AGREE_ROOT_FOUND && founds(a, b, outs))
		return;
	ask.read = b->key.n > 0 && b->event.type != SCHED_EVENT_APPLY &&
		   !registers_get(a->registers, &b->key, &ballot, &value);
	b->reads = ask.read;
	b->round = ask.token;
	b->under_way = true; /* it may end in this step */
	rc = registers_step(a->registers, &(struct registers_in){.type = REGISTERS_IN_PROPOSE, .ask = &ask}, a->now,
		&outs->registers);
	if (rc < 0) {
		b->under_way = b->reads = false;
		a->full_until_ms = a->now.mono_ms + FULL_MS;
	}
}
