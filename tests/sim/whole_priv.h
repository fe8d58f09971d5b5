/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WHOLE_PRIV_H
#define TESTS_SIM_WHOLE_PRIV_H
/*
 * What the files of whole.h share.
 */
#include "node/cluster_priv.h"
#include "node/council_priv.h"
#include "node/holding.h"
#include "node/node.h"
#include "node/runner_parts.h"
#include "node/votes_priv.h"
#include "tests/sim/node.h"
#include "tests/sim/whole.h"

/* ---- time ---- */

/* The watchers of a daemon that are started. */
struct whole_loop {
	struct whole_watch {
		ev_timer *w;
		int64_t at_us; /* CLOCK_MONOTONIC */
		uint64_t order;
	} * v; /* owned; a watcher's `active` is its place + 1 */
	size_t n, cap;
	uint64_t order;
	bool again; /* it turns once more at once */
};

/* ---- the disk ---- */

struct whole_reg {
	struct msg_key key;
	struct ballot promised, accepted;
	uint8_t *v; /* owned; NULL: none */
	size_t n;
	bool fell; /* of `chosen`: an old copy brought it back, and nothing newer was written since */
};

struct whole_regs {
	struct whole_reg *v; /* owned */
	size_t n;
};

struct whole_long {
	struct msg_key key;
	struct msg_slot slot;
	uint32_t long_ms;
};

struct whole_release {
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch;
};

struct whole_remembered {
	struct uuid node;
	uint64_t boot, write;
};

struct whole_row {
	char id[REPLICA_ID_MAX];
	uint8_t *v; /* owned */
	size_t n;
};

struct whole_disk {
	struct acceptor_header header;
	uint64_t write, number;
	struct whole_regs votes, chosen; /* chosen: `accepted` is the ballot */
	struct whole_long *longs;	 /* owned; so the next ones */
	struct whole_release *releases;
	struct whole_remembered *seen;
	struct whole_row *replicas;
	bool votes_fell;	     /* an old copy brought them back: some are lost */
	char *notes[STORE_NOTE_MAX]; /* NULL: never written */
	size_t n_longs, n_releases, n_seen, n_replicas;
};

void whole_disk_copy(struct whole_disk *to, const struct whole_disk *from);
void whole_disk_done(struct whole_disk *d);
/* An old copy is put back. */
void whole_disk_restore(struct whole_disk *d, const struct whole_disk *copy);
bool whole_disk_fell(const struct whole_disk *d, const struct msg_key *key);
/* One job that became durable. */
void whole_disk_apply(struct whole *w, const struct store_job *j);

/* ---- shims ---- */

/* The page of a fuse, of both ends. */
struct whole_page {
	struct shim_lease lease; /* first: what node/fuse_page.h points to */
	int refs;
};

enum whole_shim_state { WHOLE_BEGINS, WHOLE_RUNS, WHOLE_ENDED, WHOLE_SHIM_STATE_MAX };

struct whole_shim {
	struct list link;      /* in whole.shims */
	struct heap_item item; /* what comes next of its life */
	struct heap_item says; /* what it has to say reaches the daemon */
	struct whole *w;
	char stem[RUNNER_STEM_MAX];
	struct runner_label label;
	enum whole_shim_state state;
	uint64_t run;
	bool leased, burnt, ready, record;
	bool misled; /* started by an old copy of the disk, and nobody whom its daemon had heard of knew better */
	struct whole_page *page; /* a reference; NULL: it has no fuse */
	/* Of real time; INT64_MAX: never. */
	int64_t starts_us, ready_us, fails_us, stops_us, burns_us;
	struct shim_stop stop; /* as told; size 0: not */
	struct runner *r;      /* at the other end of its socket; NULL: nobody */
	unsigned due;	       /* bits of what is to be said */
	struct shim_exit x;    /* of ENDED */
};

enum { WHOLE_SAYS_HELLO = 1, WHOLE_SAYS_STARTED = 2, WHOLE_SAYS_READY = 4, WHOLE_SAYS_ARMED = 8, WHOLE_SAYS_EXIT = 16 };

struct whole_shim *whole_shim_new(struct runner *r, struct whole_page *page);
void whole_shim_free(struct whole_shim *s);
void whole_shim_arm(struct whole_shim *s);
void whole_shim_say(struct whole_shim *s, unsigned what, int64_t within_us);
void whole_shim_told(struct whole_shim *s); /* its socket can be read */
void whole_shim_step(struct whole_shim *s); /* its time has come */
void whole_shim_end(struct whole_shim *s, enum shim_exit_kind kind, const char *why);
struct whole_page *whole_page_ref(struct whole_page *p);
void whole_page_unref(struct whole_page *p);
void whole_adopt(struct whole *w); /* what a daemon finds at its start */

/* ---- a node ---- */

struct whole {
	struct sim_node *sn;
	/* The host's. */
	struct whole_disk disk, copy; /* copy: as it once was */
	bool has_copy;
	struct list shims;
	uint32_t full_ppm; /* faults of the disk */
	int64_t slow_us;
	bool fsync_fails, suspect;
	/* The daemon's; n NULL: there is none. */
	struct node *n;
	struct cluster *c;
	struct config cfg;
	struct spec_pair labels[2];
	struct whole_loop loop;
	struct heap_item timer;
	struct store store;
	struct heap_item disk_item;
	struct list batch; /* what the disk is at; empty: nothing */
	bool disk_waits;   /* it is done, and nobody listens */
	bool ending, in_turn;
	bool leaves;	  /* once it has handed over what it has */
	uint32_t heard;	  /* bits of nodes that have said what they remember of it, to this daemon */
	bool told_old;	  /* … and which is more than was on its disk */
	bool opened;	  /* it has begun to vote */
	int64_t slept_us; /* since then its host sleeps */
	char name[SIM_NAME_MAX];
};

static inline struct sim *whole_sim(const struct whole *w)
{
	return w->sn->sim;
}

/* A daemon of a loop, or of its store. */
static inline struct whole *whole_of_loop(struct ev_loop *loop)
{
	return (struct whole *)(void *)loop;
}

static inline struct whole *whole_of(const struct node *n)
{
	return whole_of_loop(n->loop);
}

struct rng *whole_rng(struct whole *w);
int64_t whole_between(struct whole *w, int64_t low, int64_t high);
bool whole_chance(struct whole *w, uint32_t ppm);
void whole_tell(struct whole *w, const char *fmt, ...) PRINTF_LIKE(2, 3);

void whole_loop_arm(struct whole *w);
void whole_loop_run(struct whole *w); /* what is due */
void whole_loop_done(struct whole *w);
void whole_store_begin(struct whole *w);
void whole_store_due(struct whole *w);
void whole_store_end(struct whole *w); /* the daemon is killed */

#endif
