/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HOST_H
#define NODE_HOST_H
/*
 * The host as this node finds it at start: where agents may live on it, and what it cannot do for them.
 */
#include "base/err.h"

struct node;

/* Opens the groups: cgroup, home and place of the node are set. */
int host_open(struct node *n, struct err *e);
void host_close(struct node *n);
/* Says in the log what agents cannot be given here, and what becomes of those that ask for it; and what of the
 * configuration is not done. Once, at start. */
void host_tell(struct node *n);

#endif
