/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_REGISTERS_IMPL_H
#define CONSENSUS_REGISTERS_IMPL_H
/*
 * What registers.c, which joins, registers_work.c, which has the proposals, and registers_known.c, which remembers what
 * is chosen, share.
 */
#include "base/rng.h"
#include "consensus/keyed.h"
#include "consensus/pace.h"
#include "consensus/registers.h"

#define LEARNS_MAX 8  /* readings at a time */
#define EARLY_MAX  64 /* proposals that wait for what is to be changed */
/* With those of a change of voters that was given up in the step at hand, beside those of the next one. */
#define WORKS_MAX (REGISTERS_PROPOSALS_MAX + LEARNS_MAX + 2 * VOTERS_AT_ONCE + EARLY_MAX)

enum work_kind {
	WORK_ASKED,  /* by the caller */
	WORK_LEARN,  /* of what is said to be chosen */
	WORK_EARLY,  /* has promises, and waits for what is to be changed */
	WORK_VOTERS, /* of the change of voters: under its configuration, which is not always the newest */
	WORK_KIND_MAX
};

struct work {
	struct proposer p;
	struct proposer_config config; /* to begin again with */
	enum work_kind kind;
	uint64_t token;
	int64_t until_ms; /* CLOCK_MONOTONIC */
	struct msg self;  /* for this node's own voter; its value is p's */
	bool self_due;
	bool ended; /* freed when the next step begins */
};

/* A register, as far as it is known what is chosen there. */
struct known {
	struct msg_key key;
	struct ballot ballot; /* zero: nothing is known */
	struct value *value;  /* counted */
	struct ballot heard;  /* said to be chosen, or accepted here: to be read when it is above `ballot` */
	struct ballot said;   /* the highest of those that another node said to be chosen */
	int64_t learn_at_ms;  /* CLOCK_MONOTONIC */
	uint8_t own;	      /* so many in a row were this node's; no more are counted than count */
	uint8_t tries;
	bool learning; /* a reading is under way */
	bool doubted;  /* it is of an earlier era: read until it is of this one, or nothing */
};

/* Before a change of voters: those that it adds are asked for a durable write. */
struct probe {
	struct registers_voters ask; /* to begin with then */
	struct quorum_cfg cfg;	     /* under which they are asked */
	struct quorum_set added;
	uint8_t answered; /* a bit each */
	uint64_t round;	  /* 0: nobody is asked */
	int64_t resend_ms, until_ms;
};

/* Which voters answer. */
struct roll {
	struct quorum_cfg cfg; /* under which they are asked */
	uint16_t answered;     /* a bit each */
	uint64_t round;	       /* 0: nobody is asked */
	int64_t resend_ms, until_ms;
	struct msg self; /* for this node's own voter */
	bool self_due;
};

struct registers {
	struct value_mem mem;
	const struct value_reader *reader;
	struct acceptor *acceptor;
	struct acceptor_outs acceptor_outs;
	struct ballot_source source;
	struct quorum_cfg cfg; /* the newest that is known to be chosen */
	bool cfg_told, open;
	uint64_t round; /* the newest given to a proposal */
	struct pace pace;
	struct rng rng;
	struct now now;
	struct registers_outs *outs;   /* of the step at hand */
	struct work *works[WORKS_MAX]; /* below works_end, with gaps */
	size_t works_end;
	size_t n_works, n_asked, n_early, next_self;
	uint64_t ended[PROPOSER_OUTCOME_MAX]; /* of those that were asked */
	struct voters *voters;		      /* NULL: none is changed by this node */
	struct probe probe;
	struct roll roll;
	struct quorum_cfg next_era; /* this node begins it, once its voter has all that is known; epoch 0: none */
	int64_t root_at_ms;  /* CLOCK_MONOTONIC: our voter is to have the root register that is known, from then on */
	int64_t adopt_at_ms; /* CLOCK_MONOTONIC: a later era is to be on disk, from then on */
	struct msg seal;     /* for this node's own voter */
	bool seal_due;
	bool voters_lost, voters_ended;
	struct keyed known;			 /* struct known */
	struct value *spent[REGISTERS_OUTS_MAX]; /* replaced by the step at hand, which others still borrow */
	size_t n_spent, n_learning;
	int64_t learn_at_ms; /* of the known, the earliest, or before it */
};

/* registers.c */
struct registers_out *registers_emit(struct registers *r, enum registers_out_type type);
void registers_see_cfg(struct registers *r, const struct quorum_cfg *cfg);

/* To all but this node; returns whether it is one of them. */
bool registers_send(struct registers *r, const struct msg *m, const struct uuid *to, uint8_t n);

/* registers_work.c */
void registers_work_free(struct registers *r, size_t i);
void registers_work_step(struct registers *r, struct work *w, const struct proposer_in *in);
struct work *registers_work_of_round(const struct registers *r, uint64_t round); /* NULL: none, or it has ended */
/* One that asks this node's own voter; each has its turn. NULL: none does. */
bool registers_is_overtaken(const struct registers *r, const struct work *w);
void registers_overtake(struct registers *r, struct work *w); /* it ends, or is asked anew under the newer voters */
struct work *registers_next_self(struct registers *r, bool early);
int registers_propose(struct registers *r, const struct registers_ask *ask);
int registers_work_begin(struct registers *r, enum work_kind kind, const struct registers_ask *ask,
	const struct quorum_cfg *cfg, struct work **ret);

/* registers_voters.c */
int registers_voters_begin(struct registers *r, const struct registers_voters *ask);
void registers_voters_input(struct registers *r, const struct voters_in *in);
void registers_voters_drop(struct registers *r); /* and its proposals, when the next step begins */
void registers_voters_answer(struct registers *r, const struct msg *m); /* to it, if it is */
void registers_voters_run(struct registers *r);				/* what is due */
int64_t registers_voters_deadline(const struct registers *r);		/* CLOCK_MONOTONIC */

/* registers_era.c */
int registers_roll_begin(struct registers *r);
int registers_era_begin(struct registers *r, const struct quorum_set *set, uint64_t epoch);
bool registers_roll_answer(struct registers *r, const struct msg *m); /* whether it is one */
void registers_roll_run(struct registers *r);
/* Our own voter's part in a later era: one input to it, or false: nothing is due. */
bool registers_era_self(struct registers *r);
void registers_acceptor_input(struct registers *r, const struct acceptor_in *in); /* registers.c */
int64_t registers_era_deadline(const struct registers *r);

/* registers_known.c */
void registers_known_era(struct registers *r); /* all that is known is of an earlier one */
void registers_nothing(
	struct registers *r, const struct msg_key *key, const struct quorum_cfg *cfg); /* so it was read */
void registers_known_free(struct registers *r);
void registers_known_sweep(struct registers *r);
void registers_known_check(const struct registers *r);
/* Whether this node is the one that changes it, of late. */
bool registers_is_own(const struct registers *r, const struct msg_key *key);
/* It is chosen; told when it is news. */
void registers_learn(struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct value *value);
void registers_heard(
	struct registers *r, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value);
/* By this node's voter: somebody should say soon that it is chosen. */
void registers_accepted(struct registers *r, const struct msg_key *key, const struct ballot *ballot);
bool registers_learn_next(
	struct registers *r, struct msg_key *ret, struct ballot *ret_said); /* one that is due; it is being read then */
void registers_learned(struct registers *r, const struct msg_key *key, bool well);
int64_t registers_learn_deadline(const struct registers *r);

#endif
