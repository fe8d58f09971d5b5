/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_PARCEL_H
#define NODE_PARCEL_H
/*
 * Register messages (consensus/msg.h) over one link, whose frames are smaller: what waits to leave, and what has come
 * of a message that is not complete. A message that fits one piece goes in the order in which it was given; of longer
 * ones one at a time goes in pieces, between which the short ones come. What does not fit a bound is dropped and
 * counted, and so is all of a link that ends: the protocol asks again.
 *
 * Decides alone: no clock, no socket. cluster_register.c gives it links.
 */
#include "base/bytes.h"
#include "base/limits.h"
#include "base/list.h"
#include "consensus/wire.h"
#include "gossip/msg.h"

struct parcel_figures {
	uint64_t frames_in, frames_out, bytes_in, bytes_out; /* bytes of messages, without what frames add */
	uint64_t in, out;				     /* messages that came whole, or left */
	uint64_t full;					     /* dropped: no place in a queue, or for one that comes */
	uint64_t lost;					     /* dropped: no memory, or their link ended */
	uint64_t strays;    /* pieces out of turn; each was ignored, with what there was of its message */
	uint64_t too_large; /* pieces of what no message is as large as */
};

/* Of all links together. */
struct parcels {
	struct parcel_figures figures;
	size_t held; /* bytes, both ways: at most PARCEL_HELD_MAX */
};

struct parcel_link {
	struct parcels *all;
	struct list small, large; /* of struct parcel */
	size_t small_bytes, large_bytes;
	size_t sent;	  /* of the first large one */
	struct bytes in;  /* what has come of one in pieces */
	uint32_t in_size; /* of the whole; 0: there is none */
};

/* A message that has come. */
struct parcel_whole {
	const void *v;
	size_t n;
	struct bytes own; /* v is of it, where it came in pieces; else v borrows from the piece */
};

void parcel_link_init(struct parcel_link *l, struct parcels *all);
/* Drops what waits and what is not complete. */
void parcel_link_done(struct parcel_link *l);

/* Encoded at once. 0; -ENOBUFS: full, -ENOMEM: dropped and counted. */
int parcel_add(struct parcel_link *l, const struct msg *m);
/* The next piece, borrowed until parcel_sent. *ret_alone: it is a whole message; else it may wait for an idle link. */
bool parcel_next(const struct parcel_link *l, struct gossip_msg *ret, bool *ret_alone);
/* What became of that piece; false: its message is dropped. */
void parcel_sent(struct parcel_link *l, const struct gossip_msg *piece, bool sent);

/* A piece that came, gossip_msg_fault was asked. true: with it a message is whole; parcel_whole_done. */
bool parcel_take(struct parcel_link *l, const struct gossip_msg_register *piece, struct parcel_whole *ret);
void parcel_whole_done(struct parcel_whole *w);

#endif
