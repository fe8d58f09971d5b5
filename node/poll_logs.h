/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_POLL_LOGS_H
#define NODE_POLL_LOGS_H
/*
 * What the files of the verb `logs` share: poll_logs.c reads here, poll_logs_far.c asks other nodes, poll_logs_list.c
 * says which replicas an agent has.
 */
#include "node/elsewhere.h"
#include "node/poll_priv.h"
#include "supervisor/logs.h"

#define LOGS_A_REPLY (256 * 1024)
#define PLACES_MAX   64 /* replicas in one request */
#define PART_MORE    (REPLICA_ID_MAX + 128)

struct place {
	char replica[REPLICA_ID_MAX];
	struct logs_pos pos;
	bool begins;		 /* was asked for without a position: it is told one in any case */
	int64_t lines;		 /* then: the last so many; -1: all */
	uint8_t far;		 /* 0: it is here; else the number, from 1 on, of its node's question */
	char id[REPLICA_ID_MAX]; /* there */
};

/* The places that one question to one other node is about. */
struct far {
	struct log_waiter *lw;
	uint64_t member;
	char node[GOSSIP_NAME_MAX + 1];
	struct fetch_ask *ask; /* NULL: not under way */
	size_t n_places, n_parts;
	struct bytes parts; /* packed, under the names that were asked for */
};

struct log_waiter {
	struct waiter w;
	int64_t page; /* bytes of each place at most */
	size_t n, n_far;
	bool waits;	 /* they have said what they had, and wait for more */
	struct far *far; /* owned */
	struct place places[];
};

/* Finds out which places are elsewhere, and asks what is there now. 0, or -ENOMEM. */
int poll_far_begin(struct log_waiter *lw, struct err *e);
/* Whether all have said what they have. */
bool poll_far_may_answer(const struct log_waiter *lw);
/* Their parts, appended: how many. */
size_t poll_far_collect(const struct log_waiter *lw, struct bytes *list);
/* There is nothing new: they are asked to wait for it. Always false. */
bool poll_far_waits(struct log_waiter *lw);

/* The names of an agent's replicas, wherever they are; a replica is one by itself. */
void poll_logs_list(struct node *n, struct control_request *rq, const char *name);

#endif
