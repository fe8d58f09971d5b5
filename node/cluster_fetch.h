/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_FETCH_H
#define NODE_CLUSTER_FETCH_H
/*
 * What fetch.h needs of this node: its links, its members, its verbs; and asking, for verbs about what is elsewhere.
 */
#include "node/cluster.h"
#include "node/fetch.h"

struct cluster_question {
	uint64_t to;
	const char *verb;
	const struct bytes *args; /* one packed map */
	fetch_done *done;
	bool (*gone)(void *arg); /* as in fetch.h */
	void *arg;
};

/* 0, or -errno with a sentence: it was not asked. fetch_drop(*ret) when nobody waits any more. */
int cluster_fetch_ask(struct cluster *c, const struct cluster_question *q, struct fetch_ask **ret, struct err *e);
/* All that is under way ends now; nothing is begun any more. */
void cluster_fetch_end(struct cluster *c);

/* ---- for the other files of cluster.h ---- */

int cluster_fetch_init(struct cluster *c); /* 0 or -ENOMEM */
void cluster_fetch_done(struct cluster *c);
void cluster_fetch_look(struct cluster *c); /* links and members may have changed; not within a step of the core */
void cluster_fetch_say(struct cluster *c, uint32_t link); /* as cluster_pull */
void cluster_fetch_take(struct cluster *c, uint32_t link, const struct gossip_msg *m);

#endif
