/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations, and how far they have come. Progress is read off the roster each time it is asked for; an operation
 * holds names alone, so that nothing of it can dangle.
 */
#include "node/ops.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/decree.h"
#include "node/decree_recover.h"
#include "node/decree_root.h"
#include "node/node.h"

#define SEQ_MAX (INT64_MAX / 2) /* of a row: far from where counting on would end */

struct op_target {
	char agent[NAME_MAX_LEN + 1];
	int slot;
};

struct op {
	struct list order;
	int64_t seq;
	char id[OP_ID_MAX];
	enum op_goal goal;
	uint64_t first_run; /* runs from here on began after the operation */
	bool decided;	    /* answered: what was asked is so from here on */
	struct bytes result;
	struct op_target *v; /* owned */
	size_t n;
};

/* The newest first: that is who is asked for. */
struct op *ops_find(struct node *n, const char *id)
{
	for (struct list *at = n->ops.prev; *id && at != &n->ops; at = at->prev) {
		struct op *op = LIST_ENTRY(at, struct op, order);

		if (strcmp(op->id, id) == 0)
			return op;
	}
	return NULL;
}

static void op_free(struct node *n, struct op *op)
{
	list_del(&op->order);
	n->n_ops--;
	n->ops_bytes -= op->result.n;
	bytes_done(&op->result);
	free(op->v);
	free(op);
}

/* The newest stays, whatever its size. */
static void keep_bounds(struct node *n)
{
	while (n->n_ops > 1 && (n->n_ops > OPS_MAX || n->ops_bytes > OPS_BYTES_MAX))
		op_free(n, LIST_ENTRY(n->ops.next, struct op, order));
}

struct op *ops_new(struct node *n, const char *id, enum op_goal goal)
{
	struct op *op = mem_zalloc(1, sizeof(*op));

	if (!op)
		return NULL;
	if (*id)
		(void)snprintf(op->id, sizeof(op->id), "%s", id); /* bounded by the verb's argument */
	else
		(void)snprintf(op->id, sizeof(op->id), "op-%016" PRIx64, rng_u64(&n->rng));
	op->seq = ++n->ops_seq;
	op->goal = goal;
	op->first_run = n->next_run;
	bytes_init(&op->result, CONTROL_FRAME_MAX);
	list_add_tail(&n->ops, &op->order);
	n->n_ops++;
	keep_bounds(n);
	return op;
}

const char *ops_id(const struct op *op)
{
	return op->id;
}

int ops_add(struct op *op, const char *agent, int slot)
{
	struct op_target *v = mem_realloc(op->v, (op->n + 1) * sizeof(*v));

	if (!v)
		return -ENOMEM;
	op->v = v;
	v[op->n].slot = slot;
	(void)snprintf(v[op->n].agent, sizeof(v[op->n].agent), "%s", agent); /* names are bounded */
	op->n++;
	return 0;
}

static int take_result(struct node *n, struct op *op, const void *v, size_t size)
{
	int rc = bytes_add(&op->result, v, size);

	op->decided = true;
	n->ops_bytes += op->result.n;
	keep_bounds(n);
	return rc;
}

void ops_set_result(struct node *n, struct op *op, const struct bytes *packed)
{
	(void)take_result(n, op, packed->v, packed->n); /* out of memory: a repeat is refused, until a start reads it */
}

const struct bytes *ops_result(const struct op *op)
{
	return &op->result;
}

/* ---- the row ---- */

int ops_pack(const struct op *op, const struct bytes *result, struct bytes *out)
{
	struct mp_writer w;

	mp_writer_init(&w, out);
	mp_map(&w, 4);
	mp_key_int(&w, "goal", op->goal);
	mp_key_int(&w, "first_run", (int64_t)op->first_run);
	mp_str(&w, "targets");
	mp_array(&w, op->n);
	for (size_t i = 0; i < op->n; i++) {
		mp_map(&w, 2);
		mp_key_str(&w, "agent", op->v[i].agent);
		mp_key_int(&w, "slot", op->v[i].slot);
	}
	mp_str(&w, "result");
	mp_bin(&w, result->v, result->n);
	return out->failed ? -ENOMEM : 0;
}

int ops_store(struct node *n, const struct op *op, const struct bytes *result, store_done *done, void *arg)
{
	CLEANUP(bytes_done) struct bytes out;
	struct store_op row = {.seq = op->seq,
		.oldest = LIST_ENTRY(n->ops.next, struct op, order)->seq, /* op itself is there */
		.id = op->id};

	bytes_init(&out, 2 * CONTROL_FRAME_MAX);
	if (ops_pack(op, result, &out) < 0)
		return -ENOMEM;
	row.saved = out.v;
	row.saved_len = out.n;
	return store_put_op(n->store, &row, done, arg);
}

static int read_targets(struct op *op, const msgpack_object *targets, struct err *e)
{
	for (size_t i = 0; targets && i < targets->via.array.size; i++) {
		const msgpack_object *o = &targets->via.array.ptr[i];
		char agent[NAME_MAX_LEN + 1];
		int64_t slot = -1;

		if (o->type != MSGPACK_OBJECT_MAP || mp_get_strz(o, "agent", agent, sizeof(agent), e) < 0 ||
			mp_get_int(o, "slot", &slot, -1, REPLICAS_MAX, e) < 0)
			return -EINVAL;
		if (ops_add(op, agent, (int)slot) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* It is sent as it is: what is no map would spoil the whole answer. */
static int check_result(const msgpack_object_bin *result, struct err *e)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	int rc = mp_read(&t, result->ptr, result->size, e);

	return rc == 0 && mp_root(&t)->type != MSGPACK_OBJECT_MAP ? -EINVAL : rc;
}

static int read_row(struct node *n, struct op *op, const msgpack_object *o, struct err *e)
{
	const msgpack_object *targets = NULL, *result = mp_get(o, "result");
	int64_t goal = -1, first_run = 0;
	int rc = mp_get_int(o, "goal", &goal, 0, OP_GOAL_MAX - 1, e);

	if (rc == 0)
		rc = mp_get_int(o, "first_run", &first_run, 0, INT64_MAX, e);
	if (rc == 0)
		rc = mp_get_array(o, "targets", &targets, e);
	if (rc == 0 && (goal < 0 || !result || result->type != MSGPACK_OBJECT_BIN))
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	op->goal = (enum op_goal)goal;
	op->first_run = (uint64_t)first_run;
	rc = read_targets(op, targets, e);
	if (rc == 0)
		rc = check_result(&result->via.bin, e);
	return rc < 0 ? rc : take_result(n, op, result->via.bin.ptr, result->via.bin.size);
}

int ops_restore(struct node *n, const struct store_op *row)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	struct err e = {0};
	struct op *op;
	int rc = mp_read(&t, row->saved, row->saved_len, &e);

	if (rc < 0 || mp_root(&t)->type != MSGPACK_OBJECT_MAP || !*row->id || strlen(row->id) >= OP_ID_MAX ||
		row->seq <= n->ops_seq || row->seq > SEQ_MAX)
		return rc == -ENOMEM ? rc : 0;
	op = ops_new(n, row->id, OP_RUNNING);
	if (!op)
		return -ENOMEM;
	op->seq = n->ops_seq = row->seq;
	rc = read_row(n, op, mp_root(&t), &e);
	if (rc < 0)
		op_free(n, op);
	return rc == -ENOMEM ? rc : 0;
}

void ops_forget(struct node *n, struct op *op)
{
	op_free(n, op);
}

void ops_done(struct node *n)
{
	while (!list_is_empty(&n->ops))
		op_free(n, LIST_ENTRY(n->ops.next, struct op, order));
}

/* ---- progress ---- */

static void waits_for(struct op_progress *p, const char *agent, const struct runner *r, const char *what)
{
	if (*p->text)
		return;
	if (!r)
		(void)snprintf(p->text, sizeof(p->text), "%s: %s", agent, what); /* a longer one is cut */
	else if (r->core.state == REPLICA_BACKOFF || r->core.state == REPLICA_FAILED)
		(void)snprintf(p->text, sizeof(p->text), "%s (%s: %.80s)", r->id, replica_state_name(r->core.state),
			r->core.last_exit.text);
	else
		(void)snprintf(p->text, sizeof(p->text), "%s (%s)", r->id, what);
}

static bool runs_as_meant(const struct op *op, const struct runner *r)
{
	return r->core.state == REPLICA_RUNNING && runner_is_current(r) && !r->restart_due &&
	       replica_is_ready(&r->core) && (op->goal != OP_RESTARTED || r->run >= op->first_run);
}

/* It rests, and will not be started for what was asked: what its last run came to is the outcome. */
static bool is_settled(const struct op *op, const struct runner *r)
{
	return runner_is_current(r) && !r->restart_due && !r->awaiting &&
	       (op->goal != OP_RESTARTED || r->last_run >= op->first_run);
}

/* A batch job that ended well counts as done. */
static bool ended_well(const struct op *op, const struct runner *r)
{
	return r->core.state == REPLICA_STOPPED && r->core.wanted && is_settled(op, r);
}

static void count_running(const struct op *op, const struct runner *r, const char *agent, struct op_progress *p)
{
	p->total++;
	if (r && (runs_as_meant(op, r) || ended_well(op, r))) {
		p->ready++;
		return;
	}
	if (r && r->core.state == REPLICA_FAILED && is_settled(op, r)) {
		p->text[0] = '\0';
		p->failed = true;
	}
	waits_for(p, agent, r, r ? replica_state_name(r->core.state) : "not started yet");
}

static void count_stopped(const struct runner *r, const char *agent, struct op_progress *p)
{
	p->total++;
	if (!r || !runner_is_alive(r))
		p->ready++;
	else
		waits_for(p, agent, r, replica_state_name(r->core.state));
}

/* Somebody has asked for the contrary since: nothing is left to wait for. */
static bool is_overtaken(const struct op *op, const struct op_target *t, const struct agent *a)
{
	const struct runner *r = t->slot >= 0 && (size_t)t->slot < a->n_slots ? a->slots[t->slot] : NULL;

	switch (op->goal) {
	case OP_REMOVED:
		return !a->removed;
	case OP_STOPPED:
		return !a->removed && !a->stopped && !(r && r->held);
	case OP_RUNNING:
	case OP_RESTARTED:
		return a->removed || a->stopped;
	case OP_DRAINED:
	case OP_RECOVERED:
	case OP_GOAL_MAX:
		break;
	}
	return false;
}

/* On all nodes. */
static void decided_target(struct node *n, const struct op *op, const struct op_target *t, struct op_progress *p)
{
	struct decree_progress d;

	decree_progress(n, t->agent, op->goal == OP_RUNNING || op->goal == OP_RESTARTED, &d);
	p->total += d.total;
	p->ready += d.ready;
	if (!*p->text && d.ready < d.total)
		(void)snprintf(p->text, sizeof(p->text), "%s", d.text); /* fits */
}

/* The target is a node. */
static void drained(struct node *n, const struct op_target *t, struct op_progress *p)
{
	int64_t left = decree_left_on(n, t->agent);

	p->total += left + 1;
	p->ready++;
	if (left > 0 && !*p->text)
		(void)snprintf(
			p->text, sizeof(p->text), "%" PRId64 " replicas are still on %s", left, t->agent); /* fits */
}

static void target_progress(struct node *n, const struct op *op, const struct op_target *t, struct op_progress *p)
{
	const struct agent *a = roster_find(n, t->agent);
	struct decided_sum sum;
	size_t upto;

	if (op->goal == OP_DRAINED) {
		drained(n, t, p);
		return;
	}
	if (t->slot < 0 && decided_sum(n, t->agent, &sum) && (!a || a->scope == SPEC_SCOPE_CLUSTER)) {
		decided_target(n, op, t, p);
		return;
	}
	if (!a) {
		p->total++;
		p->ready++;
		return; /* gone: removed since, whatever was asked */
	}
	upto = op->goal == OP_RUNNING || op->goal == OP_RESTARTED ? (size_t)a->desired : a->n_slots;
	for (size_t i = 0; i < upto; i++) {
		const struct runner *r = i < a->n_slots ? a->slots[i] : NULL;

		if ((t->slot >= 0 && (size_t)t->slot != i) || (r && r->held && t->slot < 0))
			continue;
		if (op->goal == OP_RUNNING || op->goal == OP_RESTARTED)
			count_running(op, r, a->name, p);
		else
			count_stopped(r, a->name, p);
	}
	for (size_t i = upto; i < a->n_slots; i++) /* fewer are wanted: the others have to go */
		if (a->slots[i])
			count_stopped(a->slots[i], a->name, p);
	if (op->goal == OP_REMOVED) {
		p->total++;
		waits_for(p, a->name, NULL, "being removed");
	}
}

void ops_progress(struct node *n, const struct op *op, struct op_progress *ret)
{
	*ret = (struct op_progress){0};
	if (!op->decided) {
		ret->total = 1;
		(void)snprintf(ret->text, sizeof(ret->text), "being stored"); /* fits */
		return;
	}
	if (op->goal == OP_RECOVERED)
		decree_recover_progress(n, ret);
	for (size_t i = 0; i < op->n; i++) {
		const struct agent *a = roster_find(n, op->v[i].agent);

		if (a && !a->decided && is_overtaken(op, &op->v[i], a))
			continue;
		target_progress(n, op, &op->v[i], ret);
	}
	ret->done = ret->ready == ret->total;
	if (ret->done)
		ret->failed = false;
}
