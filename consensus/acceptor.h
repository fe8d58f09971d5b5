/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_ACCEPTOR_H
#define CONSENSUS_ACCEPTOR_H
/*
 * One voter: what it has promised and accepted of each register, which configuration it is in, which leases it
 * guards. It decides what to answer and what must be on disk before. CASPaxos (Rystsov 2018) with two phases,
 * without a leader.
 *
 *	acceptor_step(a, &in, now, &outs);
 *	for (size_t i = 0; i < outs.n; i++)
 *		route(&outs.v[i]);		PERSIST to the storage thread, in order; SEND to the link
 *	wake_at(acceptor_deadline_ms(a));
 *
 * A register changes in memory when its write is handed over; the answer waits until that write, and every other
 * that it rests on, is durable. Writes are numbered, rising over restarts; STORED tells the number up to which all
 * are durable. FULL says that the disk took none of those that it was not told of: all of them are undone, and
 * their askers refused. Refusals acknowledge nothing and go at once.
 *
 * What the edge sees to: after an fsync error no acceptor is stepped any more. An acceptor is made from what was
 * durable, with a boot number that is durable and higher than before; it is stepped with messages only after the
 * node heard what its peers remember of it (SEEN), since a disk that went back in time has forgotten votes. `now`
 * is read after the messages were taken from their queue, so that no guard starts before its RENEW was sent.
 */
#include "base/clock.h"
#include "consensus/value.h"

#define ACCEPTOR_KEYS_MAX    (AGENTS_MAX + 1) /* and the root register */
#define ACCEPTOR_PENDING_MAX 256	      /* answers and writes that wait for the disk */
#define ACCEPTOR_OUTS_MAX    16
#define ACCEPTOR_SETS_MAX    256		  /* holders whose leases are remembered */
#define ACCEPTOR_LEASES_MAX  (3 * MSG_LEASES_MAX) /* and all their leases together */
#define ACCEPTOR_SET_MS	     (2 * MSG_TF_MAX_MS)  /* those of a holder that was silent for so long may be forgotten */

struct acceptor;

/* What is on disk once for the voter. */
struct acceptor_header {
	struct quorum_cfg cfg;
	uint32_t lv_max_ms; /* the longest that it ever guarded by R's times: what it waits after a restart */
	/* What was accepted at a lower counter counts for nothing: this voter was given up since (quorum.h). */
	uint64_t keep_from;
};

struct acceptor_config {
	struct uuid self;
	struct acceptor_header header;	   /* zeroes: a new voter */
	uint64_t boot;			   /* ≥ 1; of this start */
	uint64_t write;			   /* the highest number on disk */
	const struct value_reader *reader; /* borrowed until free */
};

/* What is on disk of a register. */
struct acceptor_image {
	struct ballot promised, accepted;
	struct value *value; /* NULL: none was accepted */
};

enum acceptor_in_type {
	ACCEPTOR_IN_TICK,
	ACCEPTOR_IN_MSG,     /* msg: a request; others are ignored */
	ACCEPTOR_IN_STORED,  /* write: all up to it are durable */
	ACCEPTOR_IN_FULL,    /* none of the writes after the last STORED was made, nor will be */
	ACCEPTOR_IN_RESUMED, /* BOOTTIME − MONOTONIC has changed: the host slept */
	ACCEPTOR_IN_SEEN,    /* boot, write: a peer remembers these of this voter */
	ACCEPTOR_IN_KNOWN,   /* key, ballot, value: is chosen, whatever was promised since; it may have missed it */
	ACCEPTOR_IN_CFG, /* cfg: a configuration of a later era, to be durable though nobody asks anything under it */
	ACCEPTOR_IN_MAX
};

struct acceptor_in {
	enum acceptor_in_type type;
	const struct msg *msg; /* borrowed for the call; msg_fault was asked */
	uint64_t boot, write;
	const struct quorum_cfg *cfg; /* borrowed for the call, as the next; the value is counted once more */
	const struct msg_key *key;
	struct ballot ballot;
	struct value *value;
};

enum acceptor_out_type {
	ACCEPTOR_OUT_SEND,	  /* to, msg */
	ACCEPTOR_OUT_HEADER,	  /* persist: write, header */
	ACCEPTOR_OUT_REGISTER,	  /* persist: write, key, image; new_value: else the value on disk stays */
	ACCEPTOR_OUT_LONG,	  /* persist: write, holder, leases: those granted, guarded for long_ms from now */
	ACCEPTOR_OUT_ROLLED_BACK, /* the disk went back in time: this voter votes no more */
	ACCEPTOR_OUT_MAX
};

/* Pointers are borrowed until the next step; what is persisted, until its STORED or FULL. */
struct acceptor_out {
	enum acceptor_out_type type;
	struct uuid to;
	struct msg msg;
	uint64_t write;
	struct acceptor_header header;
	const struct msg_key *key;
	struct acceptor_image image;
	bool new_value;
	struct uuid holder;
	const struct msg_lease *leases;
	uint32_t n_leases, long_ms;
};

struct acceptor_outs {
	size_t n;
	struct acceptor_out v[ACCEPTOR_OUTS_MAX];
};

/* 0 and *ret, or -ENOMEM, or -EINVAL. It is in its wait after a restart if the header says that it ever guarded. */
int acceptor_new(const struct acceptor_config *config, const struct value_mem *mem, struct now now,
	struct acceptor **ret) MUST_CHECK;
void acceptor_free(struct acceptor *a); /* NULL is fine */
/* Before the first step: what was on disk. 0, -ENOMEM, -ENOSPC, -EEXIST, or -EINVAL for what no voter writes. */
int acceptor_load(struct acceptor *a, const struct msg_key *key, const struct ballot *promised,
	const struct ballot *accepted, struct msg_bytes value) MUST_CHECK;
/* After those: a long grant on disk is guarded for its whole length again. 0, or -ENOMEM. */
int acceptor_load_long(
	struct acceptor *a, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms) MUST_CHECK;
/* Empties outs first. Every input is allowed at every time; what finds no place among outs comes with the next step. */
void acceptor_step(struct acceptor *a, const struct acceptor_in *in, struct now now, struct acceptor_outs *outs);
int64_t acceptor_deadline_ms(const struct acceptor *a); /* CLOCK_MONOTONIC */
void acceptor_check(const struct acceptor *a);		/* aborts when an invariant is broken; O(keys) */
/* One line: configuration, writes, what waits; and of each register promised, accepted, guards. Returns out. */
char *acceptor_dump(const struct acceptor *a, char *out, size_t n);

/* What is known, for events and explanations. */
const struct quorum_cfg *acceptor_cfg(const struct acceptor *a);
size_t acceptor_keys(const struct acceptor *a);
bool acceptor_get(const struct acceptor *a, const struct msg_key *key, struct acceptor_image *ret);
bool acceptor_is_settled(const struct acceptor *a);  /* nothing that it handed over is under way to the disk */
uint64_t acceptor_highest(const struct acceptor *a); /* counter of a ballot that it promised or accepted */
uint32_t acceptor_left_ms(const struct acceptor *a, struct now now); /* of the longest guard or wait; 0: none */

#endif
