/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_VOTERS_H
#define CONSENSUS_VOTERS_H
/*
 * The change of voters from C to C', run by any node, or taken up by any after its runner is gone:
 *
 *	JOINT	the root register goes from (e, C) to (e+1, C, C'), decided by C
 *	SEAL	a majority of C and one of C' are at e+1, durably: nothing is chosen at e any more. Each then
 *		lists its keys, and says the longest time left of any lease that it guards
 *	RESCAN	each key of the union is carried to joint quorums by a change that is none
 *	WAIT	that longest time, by this node's CLOCK_BOOTTIME: RESCAN carries values, not guards
 *	STABLE	the root register goes to (e+2, C'), decided by both
 *
 * Epochs e and e+2 have no quorum in common; what was chosen at e sits at a voter of every sealed majority, so it
 * is listed and carried over. Only who has sealed, scanned and waited itself makes it STABLE: who takes a change up
 * begins at SEAL. Proposals are run by the caller, with voters_change and this struct as its ctx.
 */
#include "consensus/proposer.h"

#define VOTERS_AT_ONCE	8		       /* keys carried at a time */
#define VOTERS_KEYS_MAX (2 * (AGENTS_MAX + 1)) /* of the union */

enum voters_state {
	VOTERS_JOINT,
	VOTERS_SEAL,
	VOTERS_RESCAN,
	VOTERS_WAIT,
	VOTERS_STABLE,
	VOTERS_DONE,
	VOTERS_STATE_MAX
};

enum voters_outcome {
	VOTERS_NONE,	  /* still at it */
	VOTERS_CHANGED,	  /* the new set votes */
	VOTERS_OVERTAKEN, /* the configuration is another by now; who routes answers took it from the refusal */
	VOTERS_FULL,	  /* no memory, or more names than there may be; nothing is lost, another may take it up */
	VOTERS_UNREADY,	  /* as registers.h says: it was not begun, since one to be added made no durable write */
	VOTERS_OUTCOME_MAX
};

struct voters_config {
	struct uuid self;
	const struct value_reader *reader;
	/* Pure: the root register's value with that configuration; *ret stays until the next call. */
	bool (*cfg_put)(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret);
	void *ctx;
	struct value_mem mem;
	struct quorum_cfg cfg;	  /* the chosen one; JOINT: it is taken up */
	struct quorum_set target; /* where it is STABLE */
	uint64_t round;		  /* as a proposal's */
	uint32_t round_ms;
};

struct voters_voter {
	bool last; /* page was heard: it is sealed */
	bool more;
	struct msg_key page; /* the last key heard */
	uint32_t left_ms;
};

/* On the caller's memory. */
struct voters {
	struct voters_config config;
	int state;
	enum voters_outcome outcome;
	struct quorum_cfg cfg; /* under which the next proposal is made */
	struct voters_voter voters[QUORUM_ALL_MAX];
	uint16_t sealed;
	struct msg_key *keys; /* owned; sorted, the union */
	uint32_t n_keys, cap_keys, next_key, n_carried;
	struct msg_key flying[VOTERS_AT_ONCE];
	bool busy[VOTERS_AT_ONCE];
	bool proposed;		       /* JOINT or STABLE is under way */
	int64_t wait_until_ms;	       /* CLOCK_BOOTTIME */
	int64_t resend_ms, wait_at_ms; /* CLOCK_MONOTONIC */
};

enum voters_in_type {
	VOTERS_IN_TICK,
	VOTERS_IN_MSG,	    /* msg: SEALED or REFUSED */
	VOTERS_IN_PROPOSED, /* key, outcome, value: how a proposal of the last outputs ended */
	VOTERS_IN_MAX
};

struct voters_in {
	enum voters_in_type type;
	const struct msg *msg; /* borrowed for the call; msg_fault was asked */
	struct msg_key key;
	enum proposer_outcome outcome;
	struct msg_bytes value; /* of CHOSEN and REFUSED; borrowed for the call */
};

struct voters_outs {
	bool done;
	uint8_t n_sends, n_proposals;
	struct uuid to[QUORUM_ALL_MAX];
	struct msg sends[QUORUM_ALL_MAX];
	struct quorum_cfg cfg; /* of the proposals */
	struct msg_key keys[VOTERS_AT_ONCE];
};

/* NULL, or why C' may not follow C: one voter is swapped, or two at most are added or removed. */
const char *voters_fault(const struct quorum_set *from, const struct quorum_set *to);
/* The configuration is without fault, and so is the step to the target. */
void voters_init(struct voters *v, const struct voters_config *config, struct now now);
void voters_done(struct voters *v); /* at any time; a zeroed one is fine */
void voters_step(struct voters *v, const struct voters_in *in, struct now now, struct voters_outs *outs);
int64_t voters_deadline_ms(const struct voters *v); /* CLOCK_MONOTONIC */
void voters_check(const struct voters *v);
char *voters_dump(const struct voters *v, char *out, size_t n);

enum proposer_verdict voters_change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret);

#endif
