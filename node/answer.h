/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ANSWER_H
#define NODE_ANSWER_H
/*
 * A change under way: what is to become of which agents (stages), written to the store first, taken into the
 * roster once it is
 * durable, and answered then. When the store refuses, nothing has changed. One change at a time is under way; others
 * wait their turn (verbs.c).
 */
#include "node/control.h"
#include "node/ops.h"
#include "supervisor/spec.h"

struct agent;
struct node;

#define ANSWER_TEXT_MAX 256

/* What is done with replicas once the change is taken. */
enum stage_act { STAGE_NONE, STAGE_START, STAGE_STOP, STAGE_RESTART, STAGE_ACT_MAX };

struct stage {
	char agent[NAME_MAX_LEN + 1];
	int slot; /* -1: the whole agent */
	enum spec_scope scope;
	struct agent_spec *spec; /* a reference: the definition from then on */
	int64_t version, desired;
	bool stopped, paused, removed;
	bool put; /* what is wanted changes: goes to the store */
	enum stage_act act;
	const char *change;	    /* static: "created", "scaled", …: the answer's word and the event's kind */
	char *file;		    /* owned, or NULL */
	char text[ANSWER_TEXT_MAX]; /* "" is nil */
	char *replaced;		    /* owned: the text of the definition that is replaced, or NULL */
};

struct answer {
	struct node *node;
	struct control_request *rq;
	uint32_t uid;	 /* who asked */
	struct op *op;	 /* NULL: a dry run */
	struct stage *v; /* owned */
	size_t n, cap;
	char **plan; /* owned sentences of a dry run */
	size_t n_plan;
	struct bytes packed; /* once sealed */
	int rc;		     /* the first failure */
	char error[256];
	/* Once the change is taken, instead of the answer: this is part of one that goes on. Borrowed. NULL: none. */
	void (*then)(struct answer *an);
};

/* Reads `op` of args, which is not known yet (verbs.c has looked). NULL: rq was refused. */
struct answer *answer_new(
	struct node *n, struct control_request *rq, const msgpack_object *args, enum op_goal goal, bool dry_run);
/* A stage of what the agent is now (a may be NULL: a new one, for name). NULL when out of memory (answered later). */
struct stage *answer_stage(struct answer *an, const struct agent *a, const char *name, const char *change);
void answer_set_spec(struct stage *s, struct agent_spec *spec); /* takes another reference */
int answer_plan(struct answer *an, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Stores, takes, answers; takes an. */
void answer_send(struct answer *an);

#endif
