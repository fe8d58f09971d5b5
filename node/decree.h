/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DECREE_H
#define NODE_DECREE_H
/*
 * Commands of operators about agents of the cluster: each becomes a command on its agent's register, and the request is
 * answered when all of them are. Several are no transaction: each agent is decided for itself, and the answer says of
 * which ones it was done.
 */
#include "node/apply.h"
#include "node/control.h"

struct node;

/* false: it is not the cluster's to decide; the node's own way is gone then (apply.c, change.c). */
bool decree_apply(struct node *n, struct control_request *rq, const msgpack_object *args, const struct apply_batch *b,
	int64_t if_version, bool dry);
bool decree_scale(struct node *n, struct control_request *rq, const msgpack_object *args);
bool decree_start(struct node *n, struct control_request *rq, const msgpack_object *args);
bool decree_stop(struct node *n, struct control_request *rq, const msgpack_object *args);
bool decree_restart(struct node *n, struct control_request *rq, const msgpack_object *args);
bool decree_remove(struct node *n, struct control_request *rq, const msgpack_object *args);
bool decree_rollout(struct node *n, struct control_request *rq, const msgpack_object *args);

/* How far an agent's replicas on all nodes have come to what was decided. */
struct decree_progress {
	int64_t ready, total;
	char text[160]; /* what is waited for; "" */
};
void decree_progress(struct node *n, const char *agent, bool running, struct decree_progress *ret);

#endif
