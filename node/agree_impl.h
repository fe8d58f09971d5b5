/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_AGREE_IMPL_H
#define NODE_AGREE_IMPL_H
/*
 * What agree.c, which has the agents, agree_bid.c, which has what is asked of them, agree_decide.c, which decides,
 * agree_root.c, which does the same for the root register, agree_voters.c, which changes voters, and agree_recover.c,
 * which gives up those that are lost, share.
 */
#include "consensus/keyed.h"
#include "node/agree.h"

#define LOOK_AGAIN_MS 1000 /* what did not come to be decided, or had no memory */

/* As struct agree_root_command. */
struct order {
	enum agree_root_type type;
	struct sched_node node;
	struct uuid cluster;
	char name[NAME_MAX_LEN + 1], spread[NAME_MAX_LEN + 1];
	int voters;
	bool spreads;
	int64_t replace_after_ms;
	enum agree_times times;
};

/* Asked by somebody, or by the look at an agent. */
struct bid {
	struct bid *next; /* that came later */
	struct agree *a;
	struct msg_key key;
	bool tends; /* nobody asked: what is to be decided as things are */
	bool under_way;
	bool reads;	/* it is not known whether there is such an agent */
	uint64_t token; /* of the caller's */
	uint64_t round; /* as the registers know it */
	struct decide_event event;
	struct order order; /* of the root's */
	char op[OP_ID_MAX + 1];
	uint8_t *text; /* owned; of the definition */
	size_t text_n;
	int64_t until_ms; /* CLOCK_MONOTONIC */
	/* What the last call of its change function made. */
	uint8_t *made; /* owned, cap_made */
	size_t cap_made;
	struct err refused;
	bool offered;	      /* in one of its tries */
	bool repeat, changed; /* as its answer will say */
};

/* An agent that is known, or of which something is asked. */
struct ward {
	struct msg_key key;
	struct decide_memory memory;
	bool unseen;		     /* its newest value is not in `memory` yet */
	int64_t look_at_ms;	     /* CLOCK_MONOTONIC: something may be to be decided */
	enum sched_event_type event; /* since it was looked at; TICK: nothing that has a name */
	struct sched_node subject;
	int64_t turn_at_ms; /* this node's, by its rank, to decide what is to be decided; 0: nothing is */
	struct bid *bid;    /* under way, or waiting as the first; in agree.bids */
};

#define AVOID_MAX 8

/* One that made no durable write when it was asked to. */
struct avoided {
	struct sched_node node;
	int64_t until_ms; /* CLOCK_MONOTONIC: not asked before */
	int64_t pause_ms; /* the last, which ends there */
};

/* The change of voters that this node runs, or is about to. */
struct voting {
	bool due; /* with the next step that has room for it */
	bool under_way;
	struct quorum_set target;
	uint64_t epoch;			 /* at which it is due */
	struct register_put put;	 /* out is owned, as long as it is used */
	uint64_t joint_epoch;		 /* the newest JOINT seen, … */
	int64_t joint_at_ms;		 /* … and when; CLOCK_MONOTONIC */
	struct avoided avoid[AVOID_MAX]; /* the oldest is overwritten */
	size_t next_avoid;
};

/* A lost majority is being given up. */
struct recovery {
	struct agree_recovery is;
	uint64_t token; /* of who asked */
	bool off, plan; /* as it was asked */
	bool due;	/* a roll call, or the era once there was one: with the next step that has room for it */
	bool called;
	uint64_t epoch; /* at which the roll was called */
};

struct agree {
	struct value_mem mem;
	struct agree_world world;
	struct registers *registers;
	struct sched_node self;
	struct now now;
	struct keyed wards;	      /* struct ward */
	int64_t look_at_ms;	      /* of the wards, the earliest, or before it */
	struct bid *bids, **bids_end; /* in the order in which they came; owned */
	size_t n_commands;
	int64_t full_until_ms; /* CLOCK_MONOTONIC: the registers took no more */
	uint64_t token;	       /* the newest given to the registers */
	struct bid *spent;     /* owned: answered by the step at hand, freed by the next */
	bool begun;
	struct ward *root_ward;	   /* in wards, always */
	struct register_root root; /* that was chosen at root_ballot; its bytes are the registers' */
	struct ballot root_ballot; /* zero: none was read */
	struct voting voting;
	struct recovery recovery;
};

/* What is to be decided, and the value it makes of `base`. */
struct judgement {
	bool changed, repeat;
	struct err refused;
	int64_t again_ms;
};

/* agree.c */
struct ward *agree_find(const struct agree *a, const struct msg_key *key); /* NULL: none */
int agree_find_or_add(struct agree *a, const struct msg_key *key, struct ward **ret);
void agree_look_at(struct agree *a, struct ward *w, int64_t ms);
void agree_look_at_all(struct agree *a, enum sched_event_type event, struct sched_node subject);
/* Whether it is this node's turn, by its rank, to do what it found to be done; else it is looked at again then. */
bool agree_turn(struct agree *a, struct ward *w);

/* agree_bid.c */
struct bid *agree_bid_new(
	struct agree *a, const struct msg_key *key, const struct decide_event *event); /* NULL: no memory */
void agree_bid_free(struct agree *a, struct bid *b);
void agree_bids_free(struct agree *a, struct bid *b); /* and all that come later */
void agree_bid_add(struct agree *a, struct ward *w, struct bid *b);
struct bid *agree_bid_next(const struct agree *a); /* one that may begin: the first of its agent */
int agree_command(struct agree *a, const struct agree_command *c);
int agree_root_command(struct agree *a, const struct agree_root_command *c);
void agree_propose(struct agree *a, struct bid *b, struct agree_outs *outs);
void agree_ended(struct agree *a, const struct registers_out *o, struct agree_outs *outs);
void agree_expire(struct agree *a, struct agree_outs *outs);

/*
 * agree_decide.c
 *
 * Decides on a value. make: the bytes of the next one are made, at bid->made, *ret_n of them, where it is another.
 * -ENOMEM, or what the value or the definition has that makes no sense, in ret->refused.
 */
int agree_decide(struct agree *a, struct bid *bid, struct ward *w, struct msg_bytes base, bool make,
	struct judgement *ret, size_t *ret_n);
/* Room for so much at bid->made. -ENOMEM. */
int agree_room(struct agree *a, struct bid *bid, size_t cap);
/* decide_remember, of what was chosen. agree_decide does it where `base` is that. */
void agree_remember(struct agree *a, struct ward *w);
/* The node's rank for the agent; RANK_NONE: it is not among the living. */
uint32_t agree_rank(struct agree *a, const struct msg_key *key);

/*
 * agree_root.c
 *
 * As agree_decide, of a bid on the root register.
 */
int agree_root_decide(struct agree *a, struct bid *bid, struct msg_bytes base, struct judgement *ret, size_t *ret_n);
/* Of FOUND: the configuration that it begins with, and whether this node may; else the bid's refused says why. */
struct quorum_cfg agree_first_cfg(const struct agree *a);
bool agree_may_found(const struct agree *a, struct bid *bid);
void agree_root_chosen(struct agree *a);
void agree_root_done(struct agree *a);

/* agree_voters.c */
void agree_voters_look(struct agree *a, struct ward *w);
void agree_voters_begin(struct agree *a, struct agree_outs *outs); /* what is due */
void agree_voters_ended(struct agree *a, const struct registers_out *o);
void agree_voters_sweep(struct agree *a); /* what no proposal uses any more */
void agree_voters_done(struct agree *a);

/* agree_recover.c */
int agree_recover_command(struct agree *a, const struct agree_root_command *c, struct agree_outs *outs);
void agree_recover_tick(struct agree *a);
int64_t agree_recover_deadline_ms(const struct agree *a);
void agree_recover_begin(struct agree *a, struct agree_outs *outs); /* what is due */
void agree_recover_roll(struct agree *a, const struct registers_out *o, struct agree_outs *outs);
/* Whether the root's value says nothing of the newest era's voters yet; and then. */
bool agree_root_is_old(const struct agree *a, const struct register_root *root);
void agree_recover_look(struct agree *a, struct ward *w);
void agree_recover_root(struct agree *a, const struct register_root *root); /* it was chosen */

#endif
