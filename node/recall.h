/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_RECALL_H
#define NODE_RECALL_H
/*
 * Whether what this node finds on its disk at its start is believed, before anything is started by it. The disk may be
 * an old copy: then its slots may be another's by now. So the other members are asked what they know of the same
 * registers (KEPT, KNOWN), and tell what they remember of this node's votes (SEEN). Where nobody is there to ask, as
 * after a cut of the power that only this host has come back from, the disk is believed after a while. What is running
 * already goes on meanwhile; what runs under a lease has voters to ask, and is none of this file's.
 *
 * Pure: council_recall.c asks, and does what follows. What it cannot tell: that the disk is old, when nobody who knows
 * better is heard before the time is over.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

#define RECALL_ALONE_MS 5000  /* nobody is there */
#define RECALL_MOST_MS	10000 /* somebody is, and does not answer: a version that knows no KEPT, or one that hangs */

/* Of the disk. */
enum recall_stand {
	RECALL_ASKS,  /* others may know better */
	RECALL_GOOD,  /* those that are there do not */
	RECALL_ALONE, /* nobody has answered for long enough; or this node is all there ever was */
	RECALL_OLD,   /* it went back in time: what it says counts once it was heard anew */
	RECALL_STAND_MAX
};

/* Of one register: where what is known of it comes from. */
enum recall_source {
	RECALL_HEARD,  /* of another since the start; or nobody else decides of it */
	RECALL_DISK,   /* from the disk alone */
	RECALL_PASSED, /* from the disk, and another knows of a newer value, which is not here yet */
	RECALL_SOURCE_MAX
};

struct recall_view {
	bool single;	  /* no other member was ever heard of */
	bool old;	  /* a member remembers votes that the disk has not */
	size_t answered;  /* members that have said all they know of the registers on the disk */
	size_t silent;	  /* that have a link to this node, and have not */
	int64_t since_ms; /* the start of the daemon */
};

/* Each call again with what is so now; `was` is RECALL_ASKS at first. */
enum recall_stand recall_judge(enum recall_stand was, const struct recall_view *v);
bool recall_may_start(enum recall_stand stand, enum recall_source source);
/* Another tells of a value that was chosen, at a ballot below (negative), at, or above the one from the disk. */
enum recall_source recall_told(enum recall_source was, int ballot);
/* Its value is here, by reading it or told by others; behind: something newer is known to be chosen. */
enum recall_source recall_taken(enum recall_source was, enum recall_stand stand, bool behind);
const char *recall_stand_name(enum recall_stand stand); /* "asks", …; NULL when there is none */

#endif
