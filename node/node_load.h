/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_NODE_LOAD_H
#define NODE_NODE_LOAD_H

#include "base/err.h"

struct node;

/* What the store has of agents, operations and replicas, and what agents_dir has: before shims are looked for. */
int node_load(struct node *n, struct err *e);

#endif
