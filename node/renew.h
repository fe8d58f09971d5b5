/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RENEW_H
#define NODE_RENEW_H
/*
 * The verbs that replace the store: `restore` by that of a backup, `reset` by an empty one. The next store is made
 * while the old one is in use (node/store_next.h); then the daemon begins again with it, in the same process (main.c).
 * Agents that the next store knows go on; others are stopped, as whatever runs and is defined nowhere.
 */
#include "node/control.h"

struct node;

void renew_restore(struct node *n, struct control_request *rq, const msgpack_object *args);
void renew_reset(struct node *n, struct control_request *rq, const msgpack_object *args);

#endif
