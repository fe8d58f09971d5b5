/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_GOSSIP_BED_H
#define TESTS_LIB_GOSSIP_BED_H
/*
 * A few cores of gossip that speak to each other directly, in virtual time: a message is pulled from one core and
 * stepped into the other at once. Hosts may be lost, daemons stopped, killed and started again, pairs cut. After each
 * step gossip_check runs, and each message is held against gossip_msg_fault. Faults of networks that depend on chance
 * are the simulator's (tests/sim).
 */
#include "gossip/gossip.h"
#include "tests/lib/trace.h"

#define BED_NODES_MAX	64
#define BED_PENDING_MAX 65536
#define BED_HELD_MAX	1024

enum bed_how {
	BED_OFF, /* no daemon; its host is there */
	BED_UP,
	BED_PAUSED, /* SIGSTOP: its kernel goes on */
	BED_LOST,   /* the host is gone, nothing answers */
	BED_HOW_MAX
};

struct bed_link {
	bool up;
	int peer;
	uint32_t peer_link;
};

struct bed_node {
	struct gossip *g;
	enum bed_how how;
	uint32_t boot;
	uint64_t id;
	char name[16], address[16];
	struct bed_link links[GOSSIP_LINKS_MAX];
	uint64_t cursor;
	uint64_t events[GOSSIP_EVENT_MAX]; /* how many of each */
	struct gossip_out last[GOSSIP_EVENT_MAX];
	int64_t said_ms[BED_NODES_MAX][GOSSIP_STATE_MAX]; /* when it first saw that node so, since bed_mark; -1 never */
};

struct bed_todo {
	int node;
	struct gossip_in in;
	bool pull;
};

struct bed {
	int n;
	struct bed_node v[BED_NODES_MAX];
	bool cut[BED_NODES_MAX][BED_NODES_MAX]; /* from, to */
	struct bed_todo todo[BED_PENDING_MAX];
	size_t todo_at, todo_n;
	struct bed_todo held[BED_HELD_MAX]; /* what the kernel has for those that are paused */
	size_t n_held;
	int64_t now_ms;
	uint64_t msgs; /* since the start */
	uint64_t of[GOSSIP_MSG_TYPE_MAX];
	size_t bytes; /* that the cores hold */
	long fail_in; /* allocations until one fails; 0: none */
	bool failed;
	bool traced;	   /* events go into the trace */
	size_t values_max; /* of each core; 0: the default */
	uint64_t salt;	   /* of the UUIDs of nodes that start from now on */
	enum gossip_profile_id profile;
	struct trace t;
};

struct bed *bed_new(int n);
void bed_free(struct bed *b);
/* A (new) boot of a node; seed: index of the node that it dials, or -1. */
void bed_start(struct bed *b, int node, int seed);
/* All of them, the first is every other's seed; run until all see all. */
void bed_start_all(struct bed *b);
void bed_kill(struct bed *b, int node); /* kill −9: links are reset, the host refuses */
void bed_lose(struct bed *b, int node); /* the host is gone */
void bed_pause(struct bed *b, int node, bool paused);
void bed_cut(struct bed *b, int from, int to, bool cut);
void bed_step(struct bed *b, int node, const struct gossip_in *in);
void bed_set(struct bed *b, int node, const char *key, const char *value); /* NULL: removed */
void bed_run(struct bed *b, int64_t ms);
/* Runs until done(b) holds; fails after ms. Returns how long it took. */
int64_t bed_until(struct bed *b, int64_t ms, bool (*done)(struct bed *b));
void bed_mark(struct bed *b);
struct gossip_mem bed_mem(struct bed *b);

enum gossip_state bed_state(struct bed *b, int of, int as_seen_by);    /* GOSSIP_STATE_MAX: not known */
const char *bed_value(struct bed *b, int at, int of, const char *key); /* static buffer; NULL: none */
bool bed_agreed(struct bed *b); /* all that are up have the same view, in which they are alive */

#endif
