/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_OPS_H
#define NODE_OPS_H
/*
 * Operations: each change gets an id. The same id again returns the first answer (so that a repeat is safe), and
 * `wait` tells how far the change has come. The last NODE_OPS_MAX are remembered.
 */
#include "node/control.h"

struct node;
struct agent;

enum op_goal { OP_RUNNING, OP_STOPPED, OP_REMOVED, OP_RESTARTED, OP_GOAL_MAX };

struct op;

/* The operation of that id, or NULL. */
struct op *ops_find(struct node *n, const char *id);
/* A new one; an empty id makes one up. NULL when out of memory. */
struct op *ops_new(struct node *n, const char *id, enum op_goal goal);
const char *ops_id(const struct op *op);
/* What it is about; slot -1: the whole agent. */
int ops_add(struct op *op, const char *agent, int slot);
/* It was asked before, of a daemon that has died since: runs from this one on are its. */
void ops_repeats(struct op *op, uint64_t first_run);
void ops_set_result(struct op *op, const struct bytes *packed); /* copied */
const struct bytes *ops_result(const struct op *op);

struct op_progress {
	bool done, failed;
	int64_t ready, total;
	char text[256]; /* what it waits for, or why it failed; "" */
};

void ops_progress(struct node *n, const struct op *op, struct op_progress *ret);
void ops_forget(struct node *n, struct op *op); /* it came to nothing: the id is free again */
void ops_done(struct node *n);			/* frees all */

#endif
