/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CHANGE_H
#define NODE_CHANGE_H
/*
 * What operators ask for. Each verb checks everything first, changes nothing when anything is wrong, hands the
 * change to the
 * store, and answers once it is durable.
 */
#include "node/control.h"

struct node;

/* Verbs of the table in verbs.c. */
void change_scale(struct node *n, struct control_request *rq, const msgpack_object *args);
void change_start(struct node *n, struct control_request *rq, const msgpack_object *args);
void change_stop(struct node *n, struct control_request *rq, const msgpack_object *args);
void change_restart(struct node *n, struct control_request *rq, const msgpack_object *args);
void change_remove(struct node *n, struct control_request *rq, const msgpack_object *args);
void change_rollout(struct node *n, struct control_request *rq, const msgpack_object *args);

#endif
