/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_POLL_H
#define NODE_POLL_H
/*
 * Verbs that may have to wait before they answer: status, wait, logs, events. A request that waits is kept until what
 * it waits for is there, its time is up, or its peer is gone.
 */
#include "node/control.h"

struct node;

void poll_status(struct node *n, struct control_request *rq, const msgpack_object *args);
void poll_wait(struct node *n, struct control_request *rq, const msgpack_object *args);
void poll_logs(struct node *n, struct control_request *rq, const msgpack_object *args);
void poll_events(struct node *n, struct control_request *rq, const msgpack_object *args);

/* Looks at all that wait; called when something changed and once a while. */
void poll_look(struct node *n);
bool poll_is_waiting(const struct node *n);
void poll_done(struct node *n); /* at the end of the daemon */

#endif
