/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CONSENSUS_BED_H
#define TESTS_LIB_CONSENSUS_BED_H
/*
 * Hosts with the real consensus core in virtual time: each has an acceptor on a disk of its own, proposals, a clock
 * with a rate of its own. One seed decides what the network loses, delays, doubles and puts in another order, which
 * writes a crash takes back, and who is paused. What is false is written into `wrong`, once, and the run ends: a
 * test of the core wants it empty, a test of a mutant wants it full.
 *
 *	struct cbed *b = cbed_new(&(struct cbed_config){.seed = 7, .hosts = 5, .voters = 3, …});
 *	cbed_run(b, 30000);
 *	cbed_heal(b, 60000);
 *	assert_string_equal(b->wrong, "");
 */
#include "base/rng.h"
#include "consensus/acceptor.h"
#include "consensus/proposer.h"
#include "consensus/lease.h"
#include "consensus/rules.h"
#include "consensus/voters.h"
#include "tests/sim/heap.h"

#define CBED_HOSTS_MAX	 9
#define CBED_KEYS_MAX	 4  /* the root register is the first */
#define CBED_OPS_MAX	 24 /* proposals of one host at a time */
#define CBED_SLOTS_MAX	 2
#define CBED_QUEUE_MAX	 512
#define CBED_LEASES_MAX	 (CBED_KEYS_MAX * CBED_SLOTS_MAX)
#define CBED_ASKED_MAX	 64 /* renewals of one host that are remembered */
#define CBED_VALUES_MAX	 65536
#define CBED_HISTORY_MAX 32

/* What a register holds here. A child is made by a change and names its parent. */
struct cval {
	uint64_t id, parent;
	uint32_t depth, n_slots;
	uint64_t done[CBED_HISTORY_MAX]; /* the changes in it, newest first */
	uint64_t next_epoch;
	struct msg_slot slots[CBED_SLOTS_MAX];
	struct quorum_cfg cfg;
	struct value_times times;
};

enum cbed_kind {
	CBED_READ,
	CBED_APPEND,  /* a change that leaves the slots as they are */
	CBED_NOTHING, /* a change that turns out to be none */
	CBED_MOVE,    /* a slot to another host */
	CBED_VOTERS,  /* of a change of voters */
	CBED_KIND_MAX
};

struct cbed;

struct cop {
	struct heap_item timer;
	bool used;
	struct cbed *b;
	int host;
	enum cbed_kind kind;
	uint64_t id; /* stays over retries, so that what was done is recognised */
	int key;
	uint32_t slot;
	int to;		/* MOVE: whereto */
	uint32_t depth; /* of what was chosen when it began */
	struct proposer p;
	struct cval next; /* what the change function made */
	enum proposer_outcome outcome;
	struct cval got;  /* of CHOSEN, REFUSED */
	int64_t until_ms; /* real time */
	bool must;	  /* be decided */
	bool own_cfg;	  /* it keeps `cfg`, and ends with a newer one */
	struct quorum_cfg cfg;
};

/* What a shim runs: it goes on without its daemon, until its fuse. */
struct cproc {
	struct heap_item timer;
	int host, key;
	uint32_t slot;
	bool running, dying;
	uint64_t epoch;
	int64_t until_ms; /* the host's CLOCK_BOOTTIME */
};

/* A chosen value on its way to a host. */
struct cnews {
	struct heap_item timer;
	int host, key;
	struct cval value;
};

struct cwrite {
	uint64_t number;
	enum acceptor_out_type what;
	struct acceptor_header header;
	int key;
	struct ballot promised, accepted;
	bool new_value, has_value;
	struct cval value;
	struct uuid holder;
	struct msg_lease leases[CBED_LEASES_MAX];
	uint32_t n_leases, long_ms;
};

struct cdisk {
	struct acceptor_header header;
	uint64_t write, boot;
	struct {
		bool there, has_value;
		struct ballot promised, accepted;
		struct cval value;
	} regs[CBED_KEYS_MAX];
	struct clong {
		struct msg_slot slot;
		uint32_t long_ms; /* 0: none */
	} longs[CBED_KEYS_MAX][CBED_SLOTS_MAX];
	uint64_t released[CBED_KEYS_MAX][CBED_SLOTS_MAX]; /* the highest epoch */
};

/* What a renewal asked for. */
struct casked {
	uint64_t number;
	uint32_t n;
	struct msg_lease leases[CBED_LEASES_MAX];
};

struct chost {
	struct heap_item disk_timer, life_timer, load_timer, voters_timer, vote_timer;
	struct uuid uuid;
	bool up;
	bool older; /* of a version that knows no sums of leases */
	int64_t paused_until;
	int64_t offset_ms;
	int rate_pm; /* thousandths */
	struct acceptor *a;
	struct cdisk disk;
	struct cwrite queue[CBED_QUEUE_MAX]; /* handed over, not yet on disk */
	size_t n_queue;
	struct ballot_source source;
	struct quorum_cfg cfg; /* the newest chosen one that it knows */
	uint64_t round;	       /* begins at the nonce: no answer to an earlier boot fits */
	struct cop ops[CBED_OPS_MAX];
	uint64_t seen_boot, seen_write; /* what peers remember of it */
	struct voters voters;
	bool runs_voters;
	struct cval cfg_next;
	struct lease lease;
	struct heap_item lease_timer;
	struct casked asked[CBED_ASKED_MAX]; /* by number */
	struct cval newest[CBED_KEYS_MAX];   /* chosen, as far as it knows */
	struct cproc procs[CBED_KEYS_MAX][CBED_SLOTS_MAX];
	struct ballot told_promised[CBED_KEYS_MAX], told_accepted[CBED_KEYS_MAX];
};

enum cbed_event {
	EV_MSG,
	EV_OP,
	EV_DISK,
	EV_LIFE,
	EV_LOAD,
	EV_VOTERS,
	EV_VOTE,
	EV_LEASE,
	EV_PROC,
	EV_NEWS,
	EV_CUT,
	EV_MAX
};

struct cbed_config {
	uint64_t seed;
	int hosts, voters, keys;
	int lose_pct, double_pct, late_pct; /* messages */
	int crash_s;			    /* seconds from one to the next of each host; 0: never */
	int pause_s;
	int load_ms;	    /* from one operation of a host to the next; 0: none */
	int full_pct;	    /* of writes: the disk takes none */
	bool leases;	    /* registers but the root have slots, which hosts run */
	int vote_s;	    /* seconds from one change of voters that a host begins to the next; 0: none */
	int nomem_pm;	    /* of allocations, thousandths */
	int older_pct;	    /* of starts of a host: it is of an older version for that boot */
	bool same_clock;    /* all rates 1 */
	bool cuts;	    /* pairs are cut for a while */
	bool amnesia;	    /* M5: a wiped disk keeps its UUID */
	bool outcomes_only; /* for mutants: what was promised is not looked at, only what came of it */
};

struct cbed {
	struct cbed_config config;
	struct heap heap;
	struct rng rng;
	int64_t now_ms; /* real time */
	struct chost hosts[CBED_HOSTS_MAX];
	bool cut[CBED_HOSTS_MAX][CBED_HOSTS_MAX];
	struct heap_item cut_timer;
	bool calm;		  /* no more faults */
	int disk_ms;		  /* how long each write takes; 0: as it comes */
	int stale_ms;		  /* M15: how old the clock is by which a RENEW is judged */
	bool by_hand;		  /* messages stay in `held` until a test hands them on */
	struct cmsg *held;	  /* owned */
	size_t bytes;		  /* that the cores hold */
	struct cval_line *values; /* owned: what changes made, by id */
	uint32_t n_values;
	uint64_t chain[CBED_KEYS_MAX][CBED_VALUES_MAX / CBED_KEYS_MAX]; /* id chosen at each depth; 0: not known */
	uint32_t tip[CBED_KEYS_MAX];					/* the deepest chosen */
	uint64_t ops_chosen, ops_unknown, ops_begun, crashes, msgs, voters_changed, starts, fenced;
	uint64_t brief, brief_granted, sets_unknown; /* renewals by a sum, grants by it, and those that knew of none */
	uint64_t older;				     /* starts of an older version */
	char wrong[256];
};

struct cval_line {
	uint64_t id, parent;
	uint32_t depth;
	int key;
};

struct cmsg {
	struct heap_item timer;
	struct cmsg *next;
	int from, to;
	struct msg m; /* what it points to follows it */
};

struct cbed *cbed_new(const struct cbed_config *config);
void cbed_free(struct cbed *b);
void cbed_run(struct cbed *b, int64_t ms);
/* All faults end; then each host must read each register, and all that is under way must end, within ms. */
void cbed_heal(struct cbed *b, int64_t ms);
void PRINTF_LIKE(2, 3) cbed_wrong(struct cbed *b, const char *fmt, ...); /* the first counts */
struct now cbed_now(const struct cbed *b, int host);
struct value_mem cbed_mem(struct cbed *b);

/* By hand. */
/* NULL: too many at a time. cfg NULL: the host's newest, and again under each newer one. */
struct cop *cbed_begin_at(
	struct cbed *b, int host, int key, enum cbed_kind kind, int64_t for_ms, const struct quorum_cfg *cfg);
struct cop *cbed_begin(struct cbed *b, int host, int key, enum cbed_kind kind, int64_t for_ms);
void cbed_crash(struct cbed *b, int host);
void cbed_boot(struct cbed *b, int host);
void cbed_wipe(struct cbed *b, int host); /* a new disk: a new UUID, and no voter (M5: the old one) */
/* Hands the first held message of that kind on, or loses it; false: there is none. -1: whoever. */
bool cbed_hand(struct cbed *b, int from, int to, enum msg_type type);
void cbed_lose(struct cbed *b, int from, int to, enum msg_type type); /* all of them */
int cbed_host_of(const struct cbed *b, const struct uuid *node);      /* -1: none */

/* consensus_bed_ops.c */
extern const struct value_reader cbed_reader;
struct msg_key cbed_key(int key);
int cbed_key_of(const struct msg_key *key);
struct msg_bytes cbed_bytes(const struct cval *v);
bool cbed_read(struct msg_bytes bytes, struct cval *ret);
void cbed_op_msg(struct cbed *b, int host, const struct msg *m);
void cbed_op_tick(struct cbed *b, struct cop *op);
void cbed_ops_drop(struct cbed *b, int host);

/* consensus_bed_voters.c */
void cbed_voters_begin(struct cbed *b, int host, const struct quorum_set *target); /* JOINT: takes it up */
void cbed_voters_msg(struct cbed *b, int host, const struct msg *m);
void cbed_voters_tick(struct cbed *b, int host);
void cbed_voters_proposed(struct cbed *b, const struct cop *op);
void cbed_voters_drop(struct cbed *b, int host);
void cbed_vote(struct cbed *b, int host);			     /* begins a change, or takes one up, by chance */
struct quorum_set cbed_set(const struct cbed *b, const char *hosts); /* "023" */

/* consensus_bed_proc.c: until_ms INT64_MAX: without a fuse */
void cbed_proc_start(struct cbed *b, struct cproc *p, uint64_t epoch, int64_t until_ms);
void cbed_proc_extend(struct cbed *b, struct cproc *p, int64_t until_ms);
void cbed_proc_stop(struct cbed *b, struct cproc *p);
bool cbed_proc_ends(struct cbed *b, struct cproc *p); /* its timer: the fuse, then (true) the end of all of it */
/* As of struct lease_outs. */
void cbed_ask_voters(
	struct cbed *b, int host, const struct msg *msg, uint16_t brief, const struct uuid *to, unsigned n_to);

/* consensus_bed_lease.c, or in its place holding_bed.c */
void cbed_lease_boot(struct cbed *b, int host);
void cbed_lease_drop(struct cbed *b, int host);
void cbed_lease_tick(struct cbed *b, int host);
void cbed_lease_msg(struct cbed *b, int host, const struct msg *m);
void cbed_lease_cfg(struct cbed *b, int host);
void cbed_news(struct cbed *b, int host, int key, const struct cval *v);
void cbed_proc_timer(struct cbed *b, struct cproc *p);
void cbed_give_up(struct cbed *b, int host, int key, uint32_t slot); /* stops it and releases the lease */
void cbed_long(struct cbed *b, int host, uint32_t tf_ms);
void cbed_all_run(struct cbed *b); /* each slot, where its owner has not given it up */
struct cop *cbed_move(struct cbed *b, int host, int key, uint32_t slot, int to, int64_t for_ms);

/* consensus_bed_net.c */
void cbed_acceptor_step(struct cbed *b, int host, const struct acceptor_in *in);
void cbed_deliver(struct cbed *b, const struct cmsg *c);
void cbed_disk_apply(struct chost *h, size_t n); /* the first n writes that are under way */
void cbed_disk_done(struct cbed *b, int host);

/* consensus_bed.c, for the other files of the bed */
bool cbed_chance(struct cbed *b, int pct);
void cbed_send(struct cbed *b, int from, int to, const struct msg *m);
void cbed_learn(struct cbed *b, int host, const struct quorum_cfg *cfg);
void cbed_publish(struct cbed *b, int from, int key, const struct cval *v); /* to all hosts, in a while */
int64_t cbed_between(struct cbed *b, int64_t low, int64_t high);
int64_t cbed_real_ms(const struct cbed *b, int host, int64_t mono_ms);

/* consensus_bed_true.c */
void cbed_made(struct cbed *b, int key, const struct cval *v); /* by a change function */
void cbed_chosen(struct cbed *b, int key, const struct cval *v, uint32_t at_least);
void cbed_answered(struct cbed *b, int host, int to, const struct msg *m);
void cbed_asks(struct cbed *b, int host, const struct msg *m); /* a RENEW with all its leases */
void cbed_after_step(struct cbed *b, int host);

#endif
