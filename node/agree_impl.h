/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_AGREE_IMPL_H
#define NODE_AGREE_IMPL_H
/*
 * What agree.c, which has the agents, agree_bid.c, which has what is asked of them, and agree_decide.c, which decides,
 * share.
 */
#include "consensus/keyed.h"
#include "node/agree.h"

#define LOOK_AGAIN_MS 1000 /* what did not come to be decided, or had no memory */

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
	char op[OP_ID_MAX + 1];
	uint8_t *text; /* owned; of the definition */
	size_t text_n;
	int64_t until_ms; /* CLOCK_MONOTONIC */
	/* What the last call of its change function made. */
	uint8_t *made; /* owned, cap_made */
	size_t cap_made;
	struct err refused;
	bool repeat, changed;
};

/* An agent that is known, or of which something is asked. */
struct ward {
	struct msg_key key;
	struct decide_memory memory;
	int64_t look_at_ms;	     /* CLOCK_MONOTONIC: something may be to be decided */
	enum sched_event_type event; /* since it was looked at; TICK: nothing that has a name */
	struct sched_node subject;
	int64_t turn_at_ms; /* this node's, by its rank, to decide what is to be decided; 0: nothing is */
	struct bid *bid;    /* under way, or waiting as the first; in agree.bids */
};

struct agree {
	struct value_mem mem;
	struct agree_world world;
	struct registers *registers;
	struct sched_node self;
	uint32_t write_us, round_trip_us;
	struct now now;
	struct keyed wards;	      /* struct ward */
	int64_t look_at_ms;	      /* of the wards, the earliest, or before it */
	struct bid *bids, **bids_end; /* in the order in which they came; owned */
	size_t n_commands;
	int64_t full_until_ms; /* CLOCK_MONOTONIC: the registers took no more */
	uint64_t token;	       /* the newest given to the registers */
	struct bid *spent;     /* owned: answered by the step at hand, freed by the next */
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

/* agree_bid.c */
struct bid *agree_bid_new(
	struct agree *a, const struct msg_key *key, const struct decide_event *event); /* NULL: no memory */
void agree_bid_free(struct agree *a, struct bid *b);
void agree_bids_free(struct agree *a, struct bid *b); /* and all that come later */
void agree_bid_add(struct agree *a, struct ward *w, struct bid *b);
struct bid *agree_bid_next(const struct agree *a); /* one that may begin: the first of its agent */
int agree_command(struct agree *a, const struct agree_command *c);
void agree_propose(struct agree *a, struct bid *b, struct agree_outs *outs);
void agree_ended(struct agree *a, const struct registers_out *o, struct agree_outs *outs);
void agree_expire(struct agree *a, struct agree_outs *outs);

/*
 * agree_decide.c
 *
 * Decides on a value. make: the bytes of the next one are made, at bid->made, *ret_n of them, where it is another.
 * -ENOMEM, or what the value or the definition has that makes no sense, in ret->refused.
 */
int agree_decide(struct agree *a, struct bid *bid, const struct decide_memory *memory, struct msg_bytes base, bool make,
	struct judgement *ret, size_t *ret_n);
/* decide_remember, of the bytes. */
void agree_remember(struct agree *a, struct ward *w, struct msg_bytes value);
/* The node's rank for the agent; RANK_NONE: it is not among the living. */
uint32_t agree_rank(struct agree *a, const struct msg_key *key);

#endif
