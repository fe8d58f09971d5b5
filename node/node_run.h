/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_RUN_H
#define NODE_NODE_RUN_H
/*
 * A node's beginning and end, for main and for tests.
 */
#include "base/err.h"
#include "node/config.h"

struct node;

/* cfg is borrowed until node_close. *ret is set also on failure (unless out of memory): close it either way. */
int node_open(struct config *cfg, struct node **ret, struct err *e);
/* Until SIGTERM or SIGINT (0), or until it is to begin again (1); negative when it could not serve. */
int node_run(struct node *n);
/* Agents go on running. */
void node_close(struct node *n);

#endif
