/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root register: what is asked of it, as changes of its value; and the newest that was chosen, read once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/agree_impl.h"

#define SPARE_BYTES 4096 /* that one change adds at most, and what follows on old bytes */

static const struct msg_key root_key;

/* ---- what was chosen ---- */

void agree_root_done(struct agree *a)
{
	register_root_done(&a->root);
	a->root_ballot = (struct ballot){0};
}

/* What is read stays until agree_root_chosen: in the middle of a step too, when a newer one is there. */
const struct register_root *agree_root(struct agree *a)
{
	struct ballot ballot;
	struct msg_bytes value;

	if (!ballot_is_zero(&a->root_ballot))
		return &a->root;
	if (!registers_get(a->registers, &root_key, &ballot, &value) ||
		register_root_read(&a->root, &a->mem, value, NULL) < 0)
		return NULL;
	a->root_ballot = ballot;
	return &a->root;
}

struct ballot agree_root_ballot(const struct agree *a)
{
	return a->root_ballot;
}

/* A node that is in one of them, and not in the other. */
static bool differ(const struct register_nodes *a, const struct register_nodes *b, struct sched_node *ret)
{
	for (size_t i = 0; i < a->n; i++)
		if (!register_nodes_has(b, a->v[i])) {
			*ret = a->v[i];
			return true;
		}
	return false;
}

/* Of several changes that were heard of at once, one is told as the reason; all are seen in the view. */
void agree_root_chosen(struct agree *a)
{
	struct register_root was = a->root; /* what it owns */
	bool had = !ballot_is_zero(&a->root_ballot);
	const struct register_root *is;
	struct sched_node node = {0};

	a->root = (struct register_root){0};
	a->root_ballot = (struct ballot){0};
	is = agree_root(a);
	if (!is || !had)
		agree_look_at_all(a, SCHED_EVENT_TICK, node);
	else if (differ(&is->forgotten, &was.forgotten, &node))
		agree_look_at_all(a, SCHED_EVENT_NODE_GONE, node);
	else if (differ(&is->draining, &was.draining, &node))
		agree_look_at_all(a, SCHED_EVENT_DRAIN, node);
	else if (differ(&was.draining, &is->draining, &node))
		agree_look_at_all(a, SCHED_EVENT_UNDRAIN, node);
	if (is)
		agree_recover_root(a, is);
	a->root_ward->turn_at_ms = 0;
	agree_look_at(a, a->root_ward, a->now.mono_ms);
	register_root_done(&was);
}

/* ---- what is asked ---- */

struct asked {
	struct agree *a;
	struct bid *bid;
	struct register_root *r;
	struct judgement *j;
	char name[SCHED_NAME_TEXT_MAX]; /* of the node */
	const struct sched_host *host;	/* NULL: it is not known here */
	const struct sched_view *view;
};

struct quorum_cfg agree_first_cfg(const struct agree *a)
{
	return (struct quorum_cfg){.epoch = 1, .old = {.n = 1, .v = {register_uuid_of(a->self)}}};
}

/* Nobody votes yet; or this node alone, and it is seen by the value whether that came so far. */
bool agree_may_found(const struct agree *a, struct bid *bid)
{
	const struct quorum_cfg *is = registers_cfg(a->registers), first = agree_first_cfg(a);

	if (is->epoch == 0 || quorum_same(is, &first))
		return true;
	(void)err_set(&bid->refused, -EEXIST,
		"this node is in a cluster already, and founds no other"); /* it is read from there; so below */
	return false;
}

static void found(struct asked *q)
{
	struct register_root *r = q->r;
	const struct order *o = &q->bid->order;

	if (r->bytes.n > 0 && memcmp(&r->cluster, &o->cluster, sizeof(r->cluster)) == 0) {
		q->j->repeat = true;
		return;
	}
	if (r->bytes.n > 0) {
		(void)err_set(&q->j->refused, -EEXIST, "this node is in the cluster '%s' already, and founds no other",
			r->name);
		return;
	}
	r->cfg = agree_first_cfg(q->a);
	r->cluster = o->cluster;
	(void)snprintf(r->name, sizeof(r->name), "%s", o->name); /* fits */
	r->times = REGISTER_DEFAULT_TIMES;
	q->j->changed = true;
}

static bool put(struct asked *q, struct register_nodes *s, const char *what)
{
	int rc;

	if (register_nodes_has(s, q->bid->order.node))
		return true;
	rc = register_nodes_add(q->r, s, q->bid->order.node);
	if (rc == -ENOSPC)
		(void)err_set(&q->j->refused, rc, "%d nodes %s already, and no more may", REGISTER_NODES_MAX, what);
	else if (rc < 0)
		(void)err_set(&q->j->refused, rc, "out of memory");
	q->j->changed |= rc == 0;
	return rc == 0;
}

static void take(struct asked *q, struct register_nodes *s)
{
	q->j->changed |= register_nodes_has(s, q->bid->order.node);
	register_nodes_drop(s, q->bid->order.node);
}

static bool is_forgotten(struct asked *q)
{
	if (!register_nodes_has(&q->r->forgotten, q->bid->order.node))
		return false;
	(void)err_set(&q->j->refused, -ENOENT, "%s was forgotten", q->name);
	return true;
}

static void drain(struct asked *q)
{
	if (!is_forgotten(q))
		(void)put(q, &q->r->draining, "drain"); /* refused tells */
}

static void undrain(struct asked *q)
{
	take(q, &q->r->draining);
	take(q, &q->r->leaving);
}

static bool is_living(const struct sched_host *h)
{
	return h->state == SCHED_ALIVE || h->state == SCHED_SUSPECT;
}

static void forget(struct asked *q)
{
	if (q->host && is_living(q->host)) {
		(void)err_set(&q->j->refused, -EBUSY,
			"%s is alive: a node is forgotten that will not come back; one that is here leaves", q->name);
		return;
	}
	if (!put(q, &q->r->forgotten, "are forgotten"))
		return;
	take(q, &q->r->draining);
	take(q, &q->r->leaving);
}

/* Who votes must be able to give its vote to somebody. */
static void leave(struct asked *q)
{
	struct uuid id = register_uuid_of(q->bid->order.node);
	bool others = quorum_index(&q->r->cfg, &id) < 0;

	for (size_t i = 0; i < q->view->n_hosts; i++) {
		const struct sched_host *h = &q->view->hosts[i];

		others |= is_living(h) && !sched_same_node(h->id, q->bid->order.node) &&
			  !register_nodes_has(&q->r->leaving, h->id) && !register_nodes_has(&q->r->forgotten, h->id);
	}
	if (is_forgotten(q))
		return;
	if (!others)
		(void)err_set(&q->j->refused, -EBUSY,
			"%s votes, and no other node is alive that could vote in its place", q->name);
	else if (put(q, &q->r->draining, "drain"))
		(void)put(q, &q->r->leaving, "leave"); /* refused tells */
}

static void voters(struct asked *q)
{
	const struct order *o = &q->bid->order;
	struct register_root *r = q->r;

	if (o->voters > QUORUM_VOTERS_MAX || o->voters < -1 || (o->voters > 0 && o->voters % 2 == 0)) {
		(void)err_set(&q->j->refused, -EINVAL,
			"%d voters: 1, 3, 5 or 7 may be asked for, or 0 for as many as suits the members", o->voters);
		return;
	}
	if (o->replace_after_ms >= 0 &&
		(o->replace_after_ms < REGISTER_REPLACE_MIN_MS || o->replace_after_ms > REGISTER_REPLACE_MAX_MS)) {
		(void)err_set(
			&q->j->refused, -EINVAL, "a dead voter is replaced after 1 s at least, and 7 days at most");
		return;
	}
	if (o->voters >= 0)
		r->voters = (uint32_t)o->voters;
	if (o->spreads)
		memcpy(r->spread, o->spread, sizeof(r->spread));
	if (o->replace_after_ms >= 0)
		r->replace_after_ms = (uint32_t)o->replace_after_ms;
	if (o->times != AGREE_TIMES_KEEP)
		r->times = o->times == AGREE_TIMES_SLOW ? REGISTER_SLOW_TIMES : REGISTER_DEFAULT_TIMES;
	q->j->changed = true;
}

/* The voters of the era are those who began it, until the root says otherwise. */
static void recover(struct asked *q)
{
	if (!agree_root_is_old(q->a, q->r))
		return;
	q->r->cfg = *registers_cfg(q->a->registers);
	q->j->changed = true;
}

/* ---- the change function ---- */

static bool has_op(const struct register_root *r, const char *op)
{
	for (size_t i = 0; i < r->n_ops && *op; i++)
		if (strcmp(r->ops[i], op) == 0)
			return true;
	return false;
}

/* The oldest goes when there are too many. */
static void add_op(struct register_root *r, const char *op)
{
	if (!*op)
		return;
	if (r->n_ops == SCHED_OPS_MAX)
		memmove(r->ops[0], r->ops[1], --r->n_ops * sizeof(r->ops[0]));
	memcpy(r->ops[r->n_ops++], op, strlen(op) + 1);
}

static int obey(struct asked *q)
{
	static void (*const orders[AGREE_ROOT_TYPE_MAX])(struct asked *) = {[AGREE_ROOT_FOUND] = found,
		[AGREE_ROOT_DRAIN] = drain,
		[AGREE_ROOT_UNDRAIN] = undrain,
		[AGREE_ROOT_FORGET] = forget,
		[AGREE_ROOT_LEAVE] = leave,
		[AGREE_ROOT_VOTERS] = voters,
		[AGREE_ROOT_RECOVER] = recover};
	const struct order *o = &q->bid->order;
	struct sched_view view;

	if (q->r->bytes.n == 0 && o->type != AGREE_ROOT_FOUND)
		return err_set(&q->j->refused, -ENOENT, "no cluster was founded yet");
	if (q->r->min_version > REGISTER_VERSION)
		return err_set(&q->j->refused, -ENOTSUP,
			"what is known of the cluster was written by a newer version of covey than this node's: ask a "
			"node "
			"that has it");
	if (has_op(q->r, q->bid->op)) {
		q->j->repeat = true;
		return 0;
	}
	if (!q->a->world.view(q->a->world.ctx, "", &view))
		return -ENOMEM;
	q->view = &view;
	q->host = sched_host_of(&view, o->node);
	(void)sched_name_of(&view, o->node, q->name); /* it is read from there */
	orders[o->type](q);
	return q->j->refused.code;
}

int agree_root_decide(struct agree *a, struct bid *bid, struct msg_bytes base, struct judgement *ret, size_t *ret_n)
{
	struct register_root r = {0};
	struct asked q = {.a = a, .bid = bid, .r = &r, .j = ret};
	int rc;

	*ret = (struct judgement){.again_ms = DEADLINE_NEVER};
	rc = register_root_read(&r, &a->mem, base, &ret->refused);
	if (rc < 0)
		return rc;
	rc = obey(&q);
	if (rc == 0 && ret->changed) {
		add_op(&r, bid->op);
		rc = agree_room(a, bid, MIN(base.n + SPARE_BYTES, (size_t)MSG_VALUE_MAX));
		if (rc == 0)
			rc = register_root_write(&r, bid->made, bid->cap_made, ret_n, &ret->refused);
	}
	register_root_done(&r);
	return rc;
}
