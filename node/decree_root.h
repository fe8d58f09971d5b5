/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DECREE_ROOT_H
#define NODE_DECREE_ROOT_H
/*
 * Commands of operators about the cluster itself: who drains, who votes, who will not come back. Each is a command on
 * the root register.
 */
#include "node/control.h"

struct node;

void decree_drain(struct node *n, struct control_request *rq, const msgpack_object *args);
void decree_undrain(struct node *n, struct control_request *rq, const msgpack_object *args);
/* Without arguments it only tells. */
void decree_voters(struct node *n, struct control_request *rq, const msgpack_object *args);
/* How far the draining of that node has come: replicas that are still there. */
int64_t decree_left_on(struct node *n, const char *node);

#endif
