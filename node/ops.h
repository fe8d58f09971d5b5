/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_OPS_H
#define NODE_OPS_H
/*
 * Operations: each change gets an id. The same id again returns the first answer (so that a repeat is safe), and
 * `wait` tells how far the change has come. The last OPS_MAX are remembered, with at most OPS_BYTES_MAX
 * of answers; those that changed anything are in the
 * store, written with what they changed, and are known to the next daemon too.
 */
#include "node/control.h"
#include "node/store.h"

struct node;
struct agent;

enum op_goal { OP_RUNNING, OP_STOPPED, OP_REMOVED, OP_RESTARTED, OP_DRAINED, OP_RECOVERED, OP_GOAL_MAX };

struct op;

/* The operation of that id, or NULL. */
struct op *ops_find(struct node *n, const char *id);
/* A new one; an empty id makes one up. NULL when out of memory. */
struct op *ops_new(struct node *n, const char *id, enum op_goal goal);
const char *ops_id(const struct op *op);
/* What it is about; slot -1: the whole agent. */
int ops_add(struct op *op, const char *agent, int slot);
void ops_set_result(struct node *n, struct op *op, const struct bytes *packed); /* copied */
const struct bytes *ops_result(const struct op *op);
/* What a row keeps of it, with the answer that it will have; appended to out. */
int ops_pack(const struct op *op, const struct bytes *result, struct bytes *out);
/* To the store, with the answer that it will have. -ENOSPC, -ENOMEM: nothing was queued. */
int ops_store(struct node *n, const struct op *op, const struct bytes *result, store_done *done, void *arg);
/* Of a row; one that is not understood is left out, as if it had been forgotten. */
int ops_restore(struct node *n, const struct store_op *row);

struct op_progress {
	bool done, failed;
	int64_t ready, total;
	char text[256]; /* what it waits for, or why it failed; "" */
};

void ops_progress(struct node *n, const struct op *op, struct op_progress *ret);
void ops_forget(struct node *n, struct op *op); /* it came to nothing: the id is free again */
void ops_done(struct node *n);			/* frees all */

#endif
