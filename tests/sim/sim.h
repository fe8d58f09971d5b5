/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H
/*
 * A cluster of real gossip cores, or of whole nodes (whole.h), in virtual time: one heap of events, one seed. What a
 * node is stands in node.h, the network in net.h, what must be true in oracle.h and whole_run.h, what is done to them
 * in faults.h, and runs of it in runs.h.
 */
#include "gossip/gossip.h"
#include "tests/sim/net.h"
#include "tests/sim/story.h"

#define SIM_COPIES_MAX 4
#define SIM_FORGOT_MAX 16
#define SIM_KEYS_MAX   12 /* of a node's map, as far as the simulator sets it */
#define SIM_NAME_MAX   32
#define SIM_LOOK_US    1000    /* how often a condition is looked at */
#define SIM_SWEEP_US   2500000 /* keepalive */

enum sim_item {
	SIM_ITEM_WAKE = NET_ITEM_MAX,
	SIM_ITEM_CHORE,
	SIM_ITEM_FAULT,
	SIM_ITEM_FAULT_ENDS,
	SIM_ITEM_SWEEP,
	SIM_ITEM_LOOP, /* this and the next ones: whole.h */
	SIM_ITEM_DISK,
	SIM_ITEM_SHIM,
	SIM_ITEM_SHIM_SAYS,
	SIM_ITEM_WHOLE,
	SIM_ITEM_MIXED,	   /* mixed.h */
	SIM_ITEM_DISASTER, /* disaster.h */
	SIM_ITEM_MAX
};

enum sim_life {
	SIM_ABSENT, /* never started */
	SIM_RUNS,
	SIM_STOPPED, /* its process is not scheduled */
	SIM_ASLEEP,  /* its machine is suspended */
	SIM_DOWN,    /* its process is gone, the host is there */
	SIM_LOST,    /* its host is gone */
	SIM_LEFT,    /* it left, and ended */
	SIM_LIFE_MAX
};

struct sim_key {
	char value[64];
	size_t len;
	bool set, removed;
	bool unsure; /* there was no memory for it */
};

struct sim_link {
	struct net_conn *conn; /* NULL: this number is free */
	int side;
};

struct sim_node {
	struct heap_item wake;
	struct heap_item chore; /* to end, or to begin again */
	struct sim *sim;
	uint32_t number;
	enum sim_life life;
	struct gossip *g;
	uint8_t uuid[GOSSIP_UUID_LEN];
	uint64_t id;
	char name[SIM_NAME_MAX], address[SIM_NAME_MAX];
	uint32_t boot_was[SIM_COPIES_MAX]; /* the last ones: there are copies of all but the first */
	uint32_t boot;			   /* on its disk */
	bool member;			   /* it has a cluster id */
	uint64_t forgot[SIM_FORGOT_MAX];   /* on its disk: who will not come back, the last ones */
	uint32_t n_forgot;
	bool no_clock;	     /* its wall clock says 1970 */
	uint32_t boot_heard; /* above that on its disk, which must be an older copy */
	bool leaving, told_left;
	bool forgotten; /* by an operator, for ever */
	bool gone;	/* its host comes back no more */
	bool forgets;	/* its disk went back in time: it votes no more */
	bool newer;	/* of the next version: mixed.h */
	uint32_t memory_fails_ppm;

	int64_t real_us, mono_us, boot_us; /* its clocks showed this at that time */
	int32_t ppm;			   /* and run faster by this since */

	struct sim_link links[GOSSIP_LINKS_MAX];
	uint32_t closed[GOSSIP_LINKS_MAX], n_closed; /* by the core: to be answered */
	uint64_t view_cursor;
	bool counted;		 /* its view is (oracle) */
	size_t bytes, bytes_max; /* of the core, as allocated */

	struct sim_key keys[SIM_KEYS_MAX];
	int64_t calm_us; /* since then no fault touches it */
	uint32_t faults; /* that touch it now */
	uint64_t sent_at_mark;
	struct whole *w; /* owned; NULL: its gossip core runs alone */
};

struct sim_options {
	uint32_t nodes, room; /* room: with those that may join later */
	uint64_t seed;
	enum gossip_profile_id profile;
	struct net_profile net;
	uint32_t clock_ppm;   /* rates lie within ± of it */
	uint32_t check_every; /* gossip_check after each so many steps; 0: never */
	bool quiet;	      /* no line a message in the story */
	FILE *live;
	bool primed; /* each node knows of all at the start */
	bool whole;  /* nodes are whole (whole.h), else gossip cores */
};

struct sim {
	struct sim_options o;
	int64_t now_us;
	struct heap heap;
	struct net net;
	struct rng rng; /* what nodes and clocks are made of */
	struct story story;
	struct sim_node *nodes; /* owned, o.room of them */
	struct heap_item sweep;
	struct oracle *oracle;
	struct faults *faults;
	struct whole_run *whole; /* NULL: gossip cores alone */
	uint32_t knocked_at;	 /* by whom the last hello was refused because both wait */
	uint64_t steps, msgs, events;
	uint64_t event_count[GOSSIP_EVENT_MAX];
	bool failed;
	bool outside; /* … by what is outside of what is assumed: that is no failure, and the end of the run */
	char why[256];
	uint32_t failed_node;
	struct gossip_outs outs; /* scratch */
	struct gossip_msg msg;
};

void sim_init(struct sim *s, const struct sim_options *o);
void sim_done(struct sim *s);
/* Runs until that time, or until done says so after a change (NULL: never), or something failed. True: done said so. */
bool sim_run(struct sim *s, int64_t until_us, bool (*done)(struct sim *s, void *arg), void *arg);
void sim_step(struct sim *s, struct heap_item *item); /* the soonest event */
/* What must not be is: the run ends. The first one is kept. */
void sim_fail(struct sim *s, uint32_t node, const char *fmt, ...) PRINTF_LIKE(3, 4);
uint32_t sim_number_of(uint64_t id); /* of a node's id */

#endif
