/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_VERBS_H
#define NODE_VERBS_H
/*
 * The table of verbs: one row serves the control socket, and HTTP where it is marked as reading.
 */
#include "node/control.h"

struct node;

/* control_handler; arg is the node. */
void verbs_handle(void *arg, struct control_request *rq, const char *verb, const msgpack_object *args);
bool verbs_is_read(const char *verb);

/* A change is under way: other changes wait their turn. It has ended: the next one goes. */
void verbs_begin(struct node *n);
void verbs_next(struct node *n);
void verbs_turn(struct node *n); /* what waits and need not any more */
void verbs_done(struct node *n); /* at the end of the daemon: what waits is refused */

#endif
