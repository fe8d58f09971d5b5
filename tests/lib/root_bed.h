/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_ROOT_BED_H
#define TESTS_LIB_ROOT_BED_H
/*
 * A cluster of agree_bed.h with a real root register, which nobody has founded yet. Each node has its own view of who
 * lives, a little late where the test says so, and is told what it sees change. Of all that is chosen one value belongs
 * to one ballot, and no configuration comes back. One bed at a time.
 */
#include "tests/lib/agree_bed.h"

#define ROOTBED_CHOSEN_MAX 4096

extern struct rootbed {
	int present; /* so many nodes are members, … */
	bool left[RBED_NODES_MAX];
	bool hidden[RBED_NODES_MAX][RBED_NODES_MAX]; /* … but for those that one does not know, */
	int64_t since_ms[RBED_NODES_MAX];	     /* are up, or down, since then, … */
	int64_t lag_ms[RBED_NODES_MAX];		     /* … which each sees so much later */
	bool seen[RBED_NODES_MAX][RBED_NODES_MAX];
	struct sched_host hosts[RBED_NODES_MAX];
	struct sched_report report;
	struct {
		struct ballot ballot;
		uint64_t hash, epoch;
	} chosen[ROOTBED_CHOSEN_MAX];
	size_t n_chosen;
} rootbed;

extern const struct uuid rootbed_cluster;

/* So many are members; the others run, and are not known. */
void rootbed_begin(uint64_t seed, int present);
void rootbed_founded(uint64_t seed, int present); /* and node 0 has founded the cluster, alone */
void rootbed_come(int present);			  /* so many members at least, from now on */
void rootbed_crash(int node);
void rootbed_start(int node);
struct sched_node rootbed_id(int node);
/* struct agree_world; the ctx is the node. Of the one agent the replica is there, where its slot is, and not ready. */
bool rootbed_view(void *ctx, const char *agent, struct sched_view *ret);
const struct sched_spec *rootbed_spec(void *ctx, struct msg_bytes text, struct err *e);
/* The one slot of the one agent ("a"), as far as that node knows. */
bool rootbed_slot(int node, struct sched_slot *ret);

/* What is asked: the token. */
uint64_t rootbed_ask(int node, struct agree_root_command c);
uint64_t rootbed_found(int node, struct uuid id, const char *op);
uint64_t rootbed_about(int node, enum agree_root_type type, int of, const char *op);
struct agree_root_command rootbed_voters(int n); /* to be asked */

/* What is seen. */
const struct register_root *rootbed_root(int node); /* NULL: it is down, or knows none */
/* Who votes, as all members that are up say: "012"; "JOINT", or "?": they do not agree. */
const char *rootbed_who_votes(void);
bool rootbed_is_number(size_t n); /* so many vote */
bool rootbed_is_voter(int node);
/* They come to be so many within that time, and stay. */
void rootbed_become(size_t n, int64_t within_ms);

#endif
