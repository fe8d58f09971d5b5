/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_DECIDED_H
#define NODE_DECIDED_H
/*
 * What was chosen for an agent becomes what this node is to run of it. A value that names this node is kept on disk
 * first: after a restart, with nobody to ask, its replicas are known and go on. Others are known in memory alone.
 */
#include "consensus/msg.h"
#include "scheduler/sched.h"
#include "supervisor/spec.h"

struct agent;
struct node;

/* A slot that is this node's, or that it has still to go on with while it moves. */
struct decided_slot {
	uint32_t number, version;
	uint64_t epoch;
	bool rests; /* it is to stop, and stays to be seen */
	bool leased;
};

/* Of an agent of the cluster, as of its newest decision here. */
struct decided {
	struct ballot ballot;
	uint64_t number; /* of the decision */
	struct sched_node by;
	uint32_t version, before_version; /* of agent.spec, agent.before; 0: none */
	uint32_t fresh;			  /* runs of lower versions are none of these */
	bool named;			  /* the value names this node: it tells what it has of it */
	size_t n;
	struct decided_slot slots[]; /* by rising number */
};

/* false: it is no agent's name. */
bool decided_key(const char *agent, struct msg_key *ret);
/* As of REGISTERS_OUT_CHOSEN; value is borrowed for the call. */
void decided_chosen(struct node *n, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value);
/* The same, of a value that was on disk at the start. */
void decided_loaded(struct node *n, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value);
void decided_again(struct node *n); /* what the disk did not take */
/* Which of its leased slots are this node's, by that value: council_hold.c is told. */
void decided_hold(struct node *n, const struct msg_key *key, struct msg_bytes value);
void decided_hold_due(struct node *n); /* of all that have changed since */
/*
 * What this node knew of a later era's register, held against its value; and as of REGISTERS_OUT_DROPPED. What is lost
 * with voters that were given up is told.
 */
void decided_tell_lost(struct node *n, const struct agent *a, const struct ballot *ballot, const struct sched_value *v);
void decided_dropped(struct node *n, const struct msg_key *key);
/* Nothing of it is here any more, and nobody asks: it needs no row. */
void decided_gone(struct node *n, struct agent *a);

/* Of the newest value that is known to be chosen, wherever the agent runs. */
struct decided_sum {
	bool stopped, removed;
	int64_t desired; /* of an agent for every node: 0 */
	int64_t version;
	int64_t decision;	 /* its number: rises by one each */
	struct sched_node by;	 /* who made the last decision */
	struct agent_spec *spec; /* borrowed until the loop turns; NULL: it cannot be read here */
};
bool decided_sum(struct node *n, const char *agent, struct decided_sum *ret);

/* NULL: it is not this node's. */
const struct decided_slot *decided_slot(const struct agent *a, int slot);
/* What the slot is to run; NULL: it has nothing of that version, and goes on with what it has. */
struct agent_spec *decided_spec(const struct agent *a, const struct decided_slot *s);
/* Whether all its replicas, wherever they are, are ready. */
bool decided_is_ready(struct node *n, const struct agent *a);

#endif
