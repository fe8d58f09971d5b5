/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ELSEWHERE_H
#define NODE_ELSEWHERE_H
/*
 * Verbs about what another node has: who that is, as members tell, and asking it. What is on this node is meant first.
 *
 * "web.0" is the cluster's, or else somebody's own; "n2/web.0" is n2's own, or else that of the cluster which n2 runs.
 */
#include "node/control.h"
#include "node/fetch.h"
#include "gossip/gossip.h"

struct node;
struct runner;

enum elsewhere_kind { ELSEWHERE_AGENT, ELSEWHERE_REPLICA, ELSEWHERE_KIND_MAX };

struct elsewhere {
	uint64_t member;
	char node[GOSSIP_NAME_MAX + 1];
	char id[REPLICA_ID_MAX]; /* as that node calls it */
};

/* The replica of that name on this node; "n1/web.0" on n1 is any of its. NULL. */
struct runner *elsewhere_own(struct node *n, const char *name);

/* The only other node that has it: 0. Else -ENOENT, or -ENOTUNIQ with a sentence. Dead ones count only when no other
 * does. */
int elsewhere_one(
	const struct node *n, enum elsewhere_kind kind, const char *name, struct elsewhere *ret, struct err *e);

/*
 * Asks the node that has what `args` names under `key`, and has rq answered with what it says. True: rq is ended, or
 * will be. False: no other node has it, or it is another node that asks: of what is here alone.
 */
bool elsewhere_forward(
	struct node *n, struct control_request *rq, const char *verb, const char *key, const msgpack_object *args);

/* The sentence for what a node answered: not its own "this node", but its name. */
void elsewhere_refuse(struct control_request *rq, const char *node, const struct fetch_answer *a);

#endif
