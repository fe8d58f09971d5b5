/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_PLACE_H
#define SCHEDULER_PLACE_H
/*
 * On which node a slot is best placed, or why on none. Only alive nodes that take agents, do not drain, meet every
 * `require` and have room: not more is reserved than their capacity, and the memory is really free. Of these the best
 * by, one after the other: the fewest of this agent where `spread` has the same value, the fewest on the node, the most
 * of `prefer`, the lowest load in tenths, the hash of agent, slot and node. The last spreads what many stewards decide
 * at one time, when the node with the lowest load would be everybody's first choice.
 *
 * The order of the hosts in the view counts for nothing. Load measured in cpu only sorts: it changes by the second.
 */
#include "scheduler/sched.h"

/* A host, and what of this agent is there. */
struct place_room {
	const struct sched_host *host;
	uint32_t mine;
	int64_t cpu_milli, memory_bytes; /* reserved by those */
	uint32_t domain;		 /* the first room with the same value of `spread` */
	uint32_t domain_mine;		 /* of that first room: how many are in all of them */
};

struct place_map {
	const char *agent;
	struct place_room *rooms; /* the caller's; by rising id */
	size_t n, cap;
};

enum place_fault {
	PLACE_FITS,
	PLACE_AWAY, /* not alive */
	PLACE_CLOSED,
	PLACE_DRAINING,
	PLACE_UNMET,
	PLACE_NO_CPU,
	PLACE_NO_MEMORY,
	PLACE_FULL_MEMORY, /* reserved is less, but it is in use */
	PLACE_FAULT_MAX
};

struct place_ask {
	const struct sched_spec *spec;
	uint32_t number;
	struct sched_node last;	    /* taken before all others if it fits: its data is there, or it runs there */
	struct sched_node avoid[2]; /* not there */
};

/* false: more hosts than rooms. spread may be NULL. */
bool place_begin(struct place_map *m, const char *agent, const struct sched_view *view, const char *spread) MUST_CHECK;
struct place_room *place_room_of(const struct place_map *m, struct sched_node id); /* NULL: not known */
/* One more replica with that on the node, or one less (sign -1). An unknown node is none of our rooms. */
void place_count(struct place_map *m, const struct sched_reserve *what, struct sched_node node, int sign);
/*
 * Whether it fits there. `was` (NULL: none): what the replica has that is changed into it.
 * ret_unmet (may be NULL): which `require`.
 */
enum place_fault place_fault(
	const struct place_room *r, const struct sched_spec *spec, const struct sched_reserve *was, size_t *ret_unmet);
/* The same, whatever state the node is in: for what is there already. */
enum place_fault place_lacks(
	const struct place_room *r, const struct sched_spec *spec, const struct sched_reserve *was, size_t *ret_unmet);
struct place_room *place_pick(const struct place_map *m, const struct place_ask *ask); /* NULL: none */
/* Why place_pick found none. Returns out. */
char *place_why(const struct place_map *m, const struct place_ask *ask, char *out, size_t n);
/*
 * Kind every-node, which has no slots: why that node runs no replica, as "takes no agents"; "": it is one that does,
 * while it drains too. Returns out.
 */
char *place_why_not(const struct sched_spec *spec, const struct sched_host *h, char *out, size_t n);

#endif
