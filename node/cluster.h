/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CLUSTER_H
#define NODE_CLUSTER_H
/*
 * This node's part in gossip: the core (gossip/gossip.h), the links that it asks for (gossip/transport.h), and what the
 * rest of the daemon needs of both. There is one only where the configuration has a gossip section.
 *
 *	cluster.c        opening, the loop's callbacks, the core's outputs to edges
 *	cluster_link.c   the transport's hooks: a link from its hello to its end
 *	cluster_life.c   waiting, founding, being let in, leaving, beginning again
 *	cluster_event.c  the core's events as sentences
 *	cluster_forget.c who will not come back, as operators said, over restarts
 *	cluster_seen.c   since when members are as they are; whom to dial after a restart
 *	cluster_tls.c    certificates
 *	cluster_fetch.c  questions to other members and theirs to us (fetch.h)
 *	cluster_reach.c  whether the host of one that says nothing is up
 *	cluster_register.c  register messages to and from them (parcel.h)
 *	cluster_share.c  what this node tells of itself; cluster_set.c: how, and again; told.c: what others told
 */
#include "base/bytes.h"
#include "base/err.h"
#include "gossip/gossip.h"
#include "node/control.h"

struct cluster;
struct node;

/* How this node stands to its cluster. */
enum cluster_stand {
	CLUSTER_WAITING,   /* to be let in, or for `covey init` */
	CLUSTER_MEMBER,	   /* of one */
	CLUSTER_LEAVING,   /* it tells the others */
	CLUSTER_LEFT,	   /* until `covey init` */
	CLUSTER_FORGOTTEN, /* by an operator: until `covey reset` */
	CLUSTER_STAND_MAX
};

/* Nothing is listened at before cluster_begin. */
int cluster_open(struct node *n, struct cluster **ret, struct err *e);
/* What cannot be had now (an address, certificates) is tried again, and said once: agents run meanwhile. */
void cluster_begin(struct cluster *c);
void cluster_hurry(struct cluster *c); /* all shims that were found have answered: it need not wait for them */
void cluster_close(struct cluster *c); /* NULL is fine */

enum cluster_stand cluster_stand(const struct cluster *c);
/* Waiting, left, …: a sentence for people, with what to do; NULL: all is well. */
const char *cluster_fault(const struct cluster *c, char *out, size_t n);
/* 36 characters; "" for none. */
const char *cluster_id(const struct cluster *c);
/* The core, to look at; NULL when none runs (left, or not begun). */
const struct gossip *cluster_core(const struct cluster *c);
/* A member's name, also when it is gone, a voter's also after a start; "?" when it was never known. */
const char *cluster_seen_name(const struct cluster *c, uint64_t id);
/* CLOCK_REALTIME since when the member is in its state, as seen here; 0: not known. */
int64_t cluster_since(const struct cluster *c, uint64_t id);
/* The same by CLOCK_MONOTONIC: how long it has been so here. */
int64_t cluster_since_mono(const struct cluster *c, uint64_t id);
/* No other member was there when this was written to disk last. */
bool cluster_was_alone(const struct cluster *c);
/* These vote: direct links to them are kept. */
void cluster_voters(struct cluster *c, const uint64_t *ids, size_t n);
/* Certificates are read again. -errno with a sentence: those in use stay. */
int cluster_reload(struct cluster *c, struct err *e);

void cluster_turn(struct cluster *c); /* before the loop waits */

/*
 * Own map; before the loop waits. v NULL: removed, which is always done. false: the core did not take it, for want of
 * memory or for a bound; this is said, and all that was not told is asked for again in a while.
 */
bool cluster_set(struct cluster *c, const char *key, const void *v, size_t n);

/* Verbs, of a node with a gossip section. */
void cluster_verb_init(struct node *n, struct control_request *rq, const msgpack_object *args);
void cluster_verb_leave(struct node *n, struct control_request *rq, const msgpack_object *args);
void cluster_verb_forget(struct node *n, struct control_request *rq, const msgpack_object *args);

#endif
