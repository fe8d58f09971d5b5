/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_REGISTER_H
#define NODE_CLUSTER_REGISTER_H
/*
 * Register messages to and from other members, over the links of gossip (parcel.h). They are sent when a link has room
 * and its core nothing to say, ahead of questions and answers; one that is longer than a frame, piece by piece on an
 * idle link. So a beat waits behind no more of them than of anything else.
 */
#include "node/cluster.h"
#include "node/parcel.h"

struct cluster_register_figures {
	struct parcel_figures parcels;
	uint64_t unlinked; /* not sent: no link to that node */
	uint64_t unheard;  /* messages that came while nobody listened */
	uint64_t bad;	   /* that were no message */
	size_t held;	   /* bytes that have not left, or are not complete */
};

/* m and what it points to is borrowed for the call; its sender is the node at the other end of the link. */
typedef void cluster_register_heard(void *arg, const struct msg *m);

/* NULL: nobody listens. */
void cluster_register_listen(struct cluster *c, cluster_register_heard *on_register, void *arg);
/*
 * To another node; m is borrowed for the call. false: there is no link to it, a queue is full, or memory: it is dropped
 * and counted. true promises nothing either.
 */
bool cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m);
void cluster_register_figures(const struct cluster *c, struct cluster_register_figures *ret);

/* ---- for the other files of cluster.h ---- */

void cluster_register_say(struct cluster *c, uint32_t link); /* as cluster_pull */
void cluster_register_take(struct cluster *c, uint32_t link, const struct gossip_msg *m);
void cluster_register_drop(struct cluster *c, uint32_t link); /* it ends */

#endif
