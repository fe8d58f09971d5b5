/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_REGISTERS_H
#define CONSENSUS_REGISTERS_H
/*
 * A node's part in the registers, joined: its voter, the proposals that it makes, at most one change of voters that it
 * runs, and what is chosen as far as it knows. Values are bytes here too; who asks for a change gives the function.
 *
 *	registers_step(r, &in, now, &outs);
 *	for (size_t i = 0; i < outs.n; i++)
 *		route(&outs.v[i]);		WRITE to the storage thread, in order; SEND to the links
 *	wake_at(registers_deadline_ms(r));
 *
 * *Knowing what is chosen.* The node whose proposal it was tells the others the ballot (CHOSEN with `ours`), by gossip;
 * whoever hears of one that he does not know reads the register. And a voter that has accepted what it hears nobody
 * call chosen reads it after a while, and tells the others: who proposed it may be gone. Who comes new is told all that
 * another knows, by the caller (HEARD).
 *
 * *Itself.* What a node asks of its own voter does not go over a link: the voter is stepped by a later step, which is
 * due at once. So each step steps the voter once at most, and what it borrows from it stays until the next.
 *
 * *Who is to vote* is asked for a durable write first: only when each that a change adds has just made one does the
 * change begin, since after JOINT nothing is decided without a majority of them.
 *
 * *Early.* Where this node has changed a register twice in a row, it asks for promises for the next change behind its
 * Accept (proposer.h): that is then decided in one round. Another node that changes it takes them away.
 *
 * *A lost majority.* ROLL_CALL asks all voters for a durable answer; where no majority gives one, BEGIN_ERA makes those
 * who did the voters of a later era (quorum.h): the caller's, and its operator's, to want. Who learns of one has
 * it on disk, and reads all that it knew before again: what is nothing there any more is told (DROPPED).
 *
 * Leases (lease.h) are joined by the caller: GRANT is no answer to a proposal. One of another voter is not given here;
 * this node's own voter is asked with a MSG that is from this node, and what it says is told (GRANT).
 */
#include "consensus/acceptor.h"
#include "consensus/voters.h"

#define REGISTERS_PROPOSALS_MAX 64 /* of this node, at a time */
#define REGISTERS_OUTS_MAX	(6 * ACCEPTOR_OUTS_MAX)

struct registers;

struct registers_config {
	struct acceptor_config acceptor; /* its reader is borrowed until free, and read by proposals too */
	uint64_t nonce;			 /* random, new with each boot */
	uint64_t seed;
};

enum registers_in_type {
	REGISTERS_IN_TICK,
	REGISTERS_IN_MSG,    /* msg: of another node */
	REGISTERS_IN_STORED, /* write; this and the next two: as the acceptor's */
	REGISTERS_IN_FULL,
	REGISTERS_IN_RESUMED,
	REGISTERS_IN_SEEN,	/* boot, write: what a peer remembers of this voter */
	REGISTERS_IN_OPEN,	/* enough peers were heard, or there is none: requests are answered from now on */
	REGISTERS_IN_CFG,	/* cfg: a chosen configuration, as another node says */
	REGISTERS_IN_HEARD,	/* key, ballot, value: said to be chosen; of no bytes: it is to be read */
	REGISTERS_IN_PROPOSE,	/* ask */
	REGISTERS_IN_VOTERS,	/* voters: C' of a change, or nothing of interest where a JOINT one is taken up */
	REGISTERS_IN_ROLL_CALL, /* which of the voters answer */
	REGISTERS_IN_BEGIN_ERA, /* set, epoch: the voters that answered a roll call at that epoch; this node too */
	REGISTERS_IN_MAX
};

struct registers_ask {
	uint64_t token; /* of the caller's; comes back with ENDED */
	struct msg_key key;
	bool read; /* change and ctx are not used */
	/* As of struct proposer_config; *ret stays until the next call, or the step after ENDED. */
	struct ballot said;
	enum proposer_verdict (*change)(void *ctx, const struct proposer_base *base, struct msg_bytes *ret);
	void *ctx;
	uint32_t rank;
	int64_t for_ms;
};

struct registers_voters {
	struct quorum_set target;
	bool (*cfg_put)(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret);
	void *ctx;
};

/* All borrowed for the call. */
struct registers_in {
	enum registers_in_type type;
	const struct msg *msg; /* msg_fault was asked */
	uint64_t boot, write;
	const struct quorum_cfg *cfg;
	struct msg_key key;
	struct ballot ballot;
	struct msg_bytes value; /* borrowed for the step */
	const struct registers_ask *ask;
	const struct registers_voters *voters;
	const struct quorum_set *set;
	uint64_t epoch;
};

enum registers_out_type {
	REGISTERS_OUT_SEND,   /* msg, to each of to */
	REGISTERS_OUT_WRITE,  /* write: HEADER, REGISTER or LONG, as the acceptor says */
	REGISTERS_OUT_CHOSEN, /* key, ballot, value: news here; ours: nobody told us, so we tell others */
	REGISTERS_OUT_ENDED,  /* token, key, outcome, ballot, value */
	REGISTERS_OUT_VOTERS, /* voters_outcome: how the change of voters ended; to: of UNREADY, who did not answer */
	REGISTERS_OUT_CFG,    /* another configuration is known, see registers_cfg */
	REGISTERS_OUT_ROLLED_BACK, /* this voter votes no more */
	REGISTERS_OUT_GRANT,	   /* msg: this node's own voter answers a RENEW of this node */
	REGISTERS_OUT_ROLL,	   /* to: the voters that answered; epoch: at which they were asked */
	REGISTERS_OUT_DROPPED,	   /* key, ballot, value: was chosen by voters that were given up, and is nothing now */
	REGISTERS_OUT_MAX
};

/* Pointers are borrowed until the next step. */
struct registers_out {
	enum registers_out_type type;
	struct msg msg;
	uint8_t n_to;
	struct uuid to[QUORUM_ALL_MAX];
	const struct acceptor_out *write;
	struct msg_key key;
	struct ballot ballot;
	struct msg_bytes value;
	bool ours;
	uint64_t token;
	enum proposer_outcome outcome;
	enum voters_outcome voters_outcome;
	uint64_t epoch; /* of ROLL */
};

struct registers_outs {
	size_t n;
	struct registers_out v[REGISTERS_OUTS_MAX];
};

/* 0 and *ret, -ENOMEM, or -EINVAL. */
int registers_new(const struct registers_config *config, const struct value_mem *mem, struct now now,
	struct registers **ret) MUST_CHECK;
void registers_free(struct registers *r); /* NULL is fine */
/* Before the first step, what was on disk: as acceptor_load and acceptor_load_long. */
int registers_load(struct registers *r, const struct msg_key *key, const struct ballot *promised,
	const struct ballot *accepted, struct msg_bytes value) MUST_CHECK;
int registers_load_long(
	struct registers *r, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms) MUST_CHECK;
/* And what was known to be chosen. 0 or -ENOMEM. */
int registers_load_chosen(
	struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value) MUST_CHECK;

/*
 * 0; of ROLL_CALL and BEGIN_ERA -ENOTCONN, -EAGAIN (another is under way; this node does not vote yet), of BEGIN_ERA
 * -ESTALE (the voters have changed), -EINVAL (no such set), -ERANGE (there is no later era);
 * of PROPOSE and VOTERS -ENOTCONN (no configuration is known), -EAGAIN (too many are under way), -ENOMEM, and of
 * VOTERS -EINVAL: C' may not follow. Every input is allowed at every time.
 */
int registers_step(
	struct registers *r, const struct registers_in *in, struct now now, struct registers_outs *outs) MUST_CHECK;
int64_t registers_deadline_ms(const struct registers *r); /* CLOCK_MONOTONIC */
/* How long a round trip and a durable write take, as this node's proposals have it (pace.h): for pauses. */
uint32_t registers_round_ms(const struct registers *r);
uint32_t registers_rank_ms(const struct registers *r); /* for ranks: pace_rank_ms */
/* Of what was proposed: how it ended, since the start, and what has not. */
struct registers_figures {
	uint64_t ended[PROPOSER_OUTCOME_MAX];
	size_t under_way;
};
void registers_figures(const struct registers *r, struct registers_figures *ret);
void registers_check(const struct registers *r);
char *registers_dump(const struct registers *r, char *out, size_t n);

/* What is known. */
const struct acceptor *registers_voter(const struct registers *r);
const struct quorum_cfg *registers_cfg(const struct registers *r); /* epoch 0: none */
/* The newest value known to be chosen; borrowed until the next step. false: none is known. */
bool registers_get(
	const struct registers *r, const struct msg_key *key, struct ballot *ret_ballot, struct msg_bytes *ret_value);
/* Something newer is said to be chosen, or was accepted here, and is not known yet. */
bool registers_is_behind(const struct registers *r, const struct msg_key *key);
/* The keys with such a value, by rising key; *at is 0 at first. */
bool registers_next(const struct registers *r, size_t *at, struct msg_key *ret);
size_t registers_under_way(const struct registers *r);

#endif
