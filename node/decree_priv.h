/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DECREE_PRIV_H
#define NODE_DECREE_PRIV_H
/*
 * What several agents are asked for at once, and how far that has come: one answer to all (decree.c).
 */
#include "node/agree.h"
#include "node/decree.h"
#include "node/ops.h"

struct decree;

/* One agent of it. */
struct decree_item {
	struct decree *of;
	char agent[NAME_MAX_LEN + 1];
	const char *change; /* static: the answer's word, and the event's kind */
	char *file;	    /* owned, or NULL */
	char *replaced;	    /* owned: the text of the definition that is replaced, or NULL */
	bool answered, told;
	enum agree_outcome outcome;
	int64_t version;
	bool compares; /* apply, scale: what is as it was is not called changed */
	int64_t version_was, desired_was;
	char text[ERR_TEXT_MAX]; /* why not, or what else there is to say; "" */
};

struct decree {
	struct node *n;
	struct control_request *rq;
	uint32_t uid;
	char op[OP_ID_MAX];
	size_t n_items, n_answered;
	struct decree_item *items; /* owned */
};

/* Whether it can be begun; else rq was refused. */
bool decree_may_begin(struct node *n, struct control_request *rq, const msgpack_object *args, char id[OP_ID_MAX]);
/* For so many items. op: NULL where there was no memory for it; forgotten when the rest fails. NULL: rq was refused. */
struct decree *decree_of(struct node *n, struct control_request *rq, struct op *op, size_t items);
/* Both of these. */
struct decree *decree_new(
	struct node *n, struct control_request *rq, const msgpack_object *args, enum op_goal goal, size_t items);
struct decree_item *decree_item_add(struct decree *d, const char *agent, const char *change);
/* After the last one has been given d may be gone. */
void decree_give(struct decree_item *t, const struct agree_command *cmd);
void decree_finish(struct decree *d); /* all are answered: so is rq, and d is gone */

/* Whether `key` names an agent of the cluster; a replica, an agent of agents_dir, one that was never decided: not. */
bool decree_agent(struct node *n, const msgpack_object *args, const char *key, char name[NAME_MAX_LEN + 1]);
/* Of one agent. */
void decree_change(struct node *n, struct control_request *rq, const msgpack_object *args, const char *agent,
	const char *change, enum op_goal goal, const struct decide_event *event);

#endif
