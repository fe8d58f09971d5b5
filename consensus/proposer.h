/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_PROPOSER_H
#define CONSENSUS_PROPOSER_H
/*
 * One change of one register, from the wait for one's turn to the outcome: Prepare at all voters, the value of the
 * highest accepted ballot from a quorum of promises, the caller's change function, Accept at all voters, chosen
 * with a quorum of accepts. It keeps one configuration from its start to its end. A read asks once what is
 * accepted; where a quorum says the same ballot that is the answer, else the value is carried through both phases.
 *
 *	proposer_init(&p, &config, now);
 *	proposer_step(&p, &in, now, &outs);	outs.msg goes to each of outs.to; once outs.done, proposer_outcome
 *	wake_at(proposer_deadline_ms(&p));
 *	proposer_done(&p);
 *
 * *Early.* A proposal without a change function asks for promises and waits with them (READY) for what is to change, or
 * for its end: given later, it is one round to the outcome. It is the same two phases; what was promised long ago is
 * as good as what was promised just now, or the Accept is refused. Only what guards there are is not known any more: a
 * change that moves a slot asks for promises anew.
 *
 * The caller gives each proposal of a node the same source of ballots, puts messages of several proposals into one
 * frame where it likes, and begins again under the newer configuration after PROPOSER_EPOCH.
 */
#include "base/clock.h"
#include "base/rng.h"
#include "consensus/value.h"

enum proposer_verdict {
	PROPOSER_CHANGE, /* *ret is the new value */
	PROPOSER_SAME,	 /* nothing to change: the value is carried through as it is */
	PROPOSER_REFUSE, /* the change does not apply to this value; carried through too, so that this is the truth */
	PROPOSER_VERDICT_MAX
};

/* What a change function may know beside the value. */
struct proposer_base {
	struct msg_bytes value; /* borrowed for the call */
	bool written;		/* false: no value was ever accepted */
	struct ballot accepted;
};

struct proposer_config {
	struct ballot_source *source; /* borrowed until done */
	const struct value_reader *reader;
	struct value_mem mem;
	struct quorum_cfg cfg;
	struct msg_key key;
	uint64_t round; /* unlike that of any other proposal of this node; count from the nonce of its boot */
	bool read;	/* change and ctx are not used */
	/* Of a read: known to be chosen (0: none). One voter is asked first; who accepted at that has its value. */
	struct ballot said;
	/* Else: a value that this node has, and its ballot; 0: none. Who promises on that need not send it. */
	struct ballot has;
	struct value *has_value; /* borrowed for proposer_init */
	/* Pure: the same base, the same verdict and value. *ret stays until the next call or proposer_done. NULL, and
	 * not a read: early. */
	enum proposer_verdict (*change)(void *ctx, const struct proposer_base *base, struct msg_bytes *ret);
	void *ctx;
	uint32_t rank;	   /* of this node for this register among the living: 0 starts at once */
	uint32_t round_ms; /* a round trip and a durable write, as measured */
	int64_t for_ms;	   /* then the outcome is UNKNOWN */
	uint64_t seed;
};

enum proposer_state {
	PROPOSER_WAITING, /* for its turn, or backing off */
	PROPOSER_READING,
	PROPOSER_PREPARING,
	PROPOSER_READY, /* early, with a quorum of promises */
	PROPOSER_ACCEPTING,
	PROPOSER_DONE,
	PROPOSER_STATE_MAX
};

enum proposer_outcome {
	PROPOSER_NONE,	  /* still at it */
	PROPOSER_CHOSEN,  /* the value, at the ballot */
	PROPOSER_REFUSED, /* by the change function; the value that it refused is chosen */
	PROPOSER_EPOCH,	  /* the voters have changed, to `newer`; what was sent may be chosen or not */
	PROPOSER_HELD,	  /* a live lease stood in its way all the time, and nothing was sent */
	PROPOSER_UNKNOWN, /* no quorum answered: it may have been chosen, or may be yet */
	PROPOSER_OUTCOME_MAX
};

struct proposer_voter {
	struct msg_guard *guards; /* owned */
	uint32_t n_guards;
};

/* On the caller's memory. */
struct proposer {
	struct proposer_config config;
	int state;
	enum proposer_outcome outcome;
	struct rng rng;
	struct ballot ballot, above; /* of this try; the highest heard of */
	struct ballot accepted;	     /* of the base */
	struct value *has;	     /* counted: of config.has */
	struct value *base, *value;  /* owned: of the highest accepted ballot so far; what Accept carries */
	uint16_t answered, refused;  /* voters, in this phase */
	uint16_t first;		     /* READING: those who answered with `accepted` */
	bool asks_one;		     /* READING: so far … */
	int one;		     /* … this voter alone */
	struct proposer_voter voters[QUORUM_ALL_MAX];
	struct quorum_cfg newer; /* PROPOSER_EPOCH */
	unsigned tries;
	bool again;	  /* the request of this phase was sent again */
	bool sent;	  /* an Accept, in any try */
	bool aged;	  /* it was READY with these promises */
	bool changed;	  /* `value` is the change function's, not the base's */
	bool refuses;	  /* the change function did */
	bool held;	  /* a guard stands in the way in this try */
	uint32_t left_ms; /* of that guard */
	int64_t asked_ms; /* CLOCK_MONOTONIC, as the next three: this phase began */
	int64_t wake_ms, resend_ms, until_ms;
};

enum proposer_in_type { PROPOSER_IN_TICK, PROPOSER_IN_MSG, PROPOSER_IN_MAX };

struct proposer_in {
	enum proposer_in_type type;
	const struct msg *msg; /* an answer; borrowed for the call; msg_fault was asked. Of another round: ignored */
};

struct proposer_outs {
	bool done;
	struct msg msg; /* to all of these; pointers in it are borrowed until the next step */
	uint8_t n_to;
	struct uuid to[QUORUM_ALL_MAX];
	/* With this answer a quorum has promised, or accepted: how long after it was asked. NO_ROUND: not so. */
	int64_t round_ms;
	bool again; /* … and it was asked more than once */
};
#define PROPOSER_NO_ROUND (-1)

void proposer_init(struct proposer *p, const struct proposer_config *config, struct now now);
/* What an early one is to change, and how long from now it may take. */
struct proposer_given {
	enum proposer_verdict (*change)(void *ctx, const struct proposer_base *base, struct msg_bytes *ret);
	void *ctx;
	int64_t for_ms;
};
void proposer_give(struct proposer *p, const struct proposer_given *g, struct now now, struct proposer_outs *outs);
void proposer_done(struct proposer *p); /* at any time; a zeroed one is fine */
void proposer_step(struct proposer *p, const struct proposer_in *in, struct now now, struct proposer_outs *outs);
/* Whatever was answered under its configuration counts for nothing any more: PROPOSER_EPOCH, unless it is over. */
void proposer_overtake(struct proposer *p, const struct quorum_cfg *newer, struct proposer_outs *outs);
int64_t proposer_deadline_ms(const struct proposer *p);
void proposer_check(const struct proposer *p);
char *proposer_dump(const struct proposer *p, char *out, size_t n);

/* Of CHOSEN and REFUSED: the value, and the ballot at which a quorum has it. Borrowed until done. */
struct msg_bytes proposer_value(const struct proposer *p);
const char *proposer_outcome_text(enum proposer_outcome o);

#endif
