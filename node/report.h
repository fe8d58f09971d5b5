/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REPORT_H
#define NODE_REPORT_H
/*
 * What reading verbs answer, as documents of doc/ARCHITECTURE.md's table.
 */
#include "node/control.h"

struct agent;
struct node;
struct roster_count;

/* The agent of that name; "": all. brief: no other node is asked for more. */
void report_status(struct node *n, struct control_request *rq, const char *only, bool brief);
void report_nodes(struct node *n, struct control_request *rq, const msgpack_object *args);
void report_top(struct node *n, struct control_request *rq, const msgpack_object *args);
void report_explain(struct node *n, struct control_request *rq, const msgpack_object *args);
void report_profile(struct node *n, struct control_request *rq, const msgpack_object *args);
void report_version(struct node *n, struct control_request *rq, const msgpack_object *args);

/* An agent's state in one word, and why it is pending (or NULL). */
const char *report_agent_state(const struct agent *a, const struct roster_count *c);
const char *report_pending_reason(const struct agent *a, char *out, size_t n);

/* Another node has the agent or replica of that name: rq is refused with its name, and true. */
bool report_is_elsewhere(struct node *n, struct control_request *rq, const char *name);

#endif
