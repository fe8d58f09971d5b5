/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HOLDING_H
#define NODE_HOLDING_H
/*
 * Which leased slots this node may run, and until when: chosen values of agents' registers on one side, renewals
 * (consensus/lease.h) on the other, and what the edge is to do with its replicas. Pure.
 *
 *	holding_load(&h, …)			at start: each release that is on disk (votes_load_leases)
 *	rc = holding_step(&h, &in, now, &outs)
 *	if (outs.number)			votes_put_number, then NUMBER
 *	send(outs.msg, outs.to)
 *	while (holding_next(&h, &said))		until there is none, before the next step
 *		act(&said)
 *	wake_at(holding_deadline_ms(&h))
 *
 * *What is believed.* A slot's epoch is assigned once: values without it that have a higher next_epoch come after it,
 * and it never returns. So values may come in any order, and again. An epoch that was released is never run again.
 *
 * *Starts and ends.* RUN: it may be started, and may run until then. STOP: what runs of that epoch ends, nothing of it
 * is started, and the edge says EMPTY once it is sure that nothing of it runs, at once where nothing did. After a
 * restart it is sure of nothing before the shims that it finds have answered. It says FOUND of each that runs, and
 * then CHOSEN of its register again where a value of it is known.
 *
 * *Fuses.* While the cluster has one member (`alone`) they are unarmed: RUN until HOLDING_UNARMED, by the chosen value
 * alone. Before the node lets another in, and before it answers its first SEAL, the caller says ARM, and waits until
 * holding_is_armed: each slot has a quorum's grants, its new deadline was told (RUN, GOES_ON), and the edge has said
 * ARMED, which means that the shim has read it or that nothing of it runs. Then a guard stands at the voter for all
 * that runs. One that was found unarmed in a cluster of several is armed in the same way, and until then counts as a
 * guard without end. Nothing is unarmed again; alone again, what has a deadline goes on under its lease.
 *
 * Whether an earlier owner of a slot that was `keep` is to be waited for, the value says (scheduler/decide.h): it has
 * no owner until then.
 */
#include "consensus/lease.h"
#include "scheduler/sched.h"

#define HOLDING_UNARMED	     INT64_MAX
#define HOLDING_NUMBER_BLOCK 4096 /* numbers of renewals that are made durable together */
#define HOLDING_AGAIN_MS     1000 /* what was to be made durable, and is not, is asked for again */

/* Of a register's value: a slot that is this node's. */
struct holding_own {
	uint32_t slot;
	uint64_t epoch;
	bool stop; /* it is to stop, and is released */
};

enum holding_in_type {
	HOLDING_IN_TICK,
	HOLDING_IN_CHOSEN,   /* key, own, n_own, next_epoch: of a chosen value */
	HOLDING_IN_MSG,	     /* msg: GRANT or REFUSED; others are ignored */
	HOLDING_IN_CFG,	     /* cfg: a newer chosen one */
	HOLDING_IN_TIMES,    /* times, of a newer chosen value of the root register */
	HOLDING_IN_FOUND,    /* key, slot, epoch, until_ms: runs, as its page says */
	HOLDING_IN_EMPTY,    /* key, slot, epoch: answers STOP */
	HOLDING_IN_RELEASED, /* key, slot, epoch: its release is on disk */
	HOLDING_IN_NUMBER,   /* number: is on disk */
	HOLDING_IN_LONG,     /* tf_ms: a planned stop; see holding_least_ms */
	HOLDING_IN_RESUMED,  /* BOOTTIME − MONOTONIC has changed: the host slept */
	HOLDING_IN_ARM,	     /* the cluster is not of one member any more, or is about to be */
	HOLDING_IN_ARMED,    /* key, slot, epoch */
	HOLDING_IN_MAX
};

/* All borrowed for the call. */
struct holding_in {
	enum holding_in_type type;
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch;
	int64_t until_ms;	       /* CLOCK_BOOTTIME; HOLDING_UNARMED */
	const struct holding_own *own; /* by rising slot */
	size_t n_own;
	uint64_t next_epoch;
	const struct msg *msg; /* msg_fault was asked */
	const struct quorum_cfg *cfg;
	struct value_times times;
	uint64_t number;
	uint32_t tf_ms;
};

struct holding_outs {
	struct msg msg; /* to each of `to`, as lease_msg makes it; its leases are borrowed until the next step */
	uint8_t n_to;
	struct uuid to[QUORUM_ALL_MAX];
	uint16_t brief;
	uint64_t number; /* to be made durable; 0: none */
};

enum holding_word {
	HOLDING_STOP,
	HOLDING_RELEASE,  /* votes_put_release, then RELEASED */
	HOLDING_DROP,	  /* votes_drop_release: a chosen value has left that epoch behind */
	HOLDING_IDENTITY, /* key: a voter does not know its value; propose a change that is none, once a key */
	HOLDING_RUN,	  /* until_ms */
	HOLDING_GOES_ON,  /* until_ms, of what runs of it, if anything; nothing is started */
	HOLDING_WORD_MAX
};

struct holding_said {
	enum holding_word word;
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch;
	int64_t until_ms; /* CLOCK_BOOTTIME; HOLDING_UNARMED */
};

enum holding_state {
	HOLDING_FOUND,	  /* runs, and whose it is now is not known yet */
	HOLDING_OURS,	  /* to run */
	HOLDING_ENDING,	  /* ours, and to stop: renewed as long as something of it may run */
	HOLDING_LOST,	  /* of an epoch that was left behind: to stop, and not renewed */
	HOLDING_EMPTY,	  /* nothing of it runs: its release is being written */
	HOLDING_RELEASED, /* remembered until a value has left the epoch behind */
	HOLDING_STATE_MAX
};

struct holding_slot {
	struct msg_key key;
	uint32_t slot;
	int state;
	uint64_t epoch;
	uint64_t next; /* ours too: held once nothing of `epoch` runs; 0: none */
	uint64_t drop; /* of HOLDING_DROP */
	bool next_stop;
	bool gone;	  /* EMPTY: its epoch was left behind meanwhile */
	bool leased;	  /* is in the lease */
	bool unarmed;	  /* what runs of it may have no deadline */
	bool unknown;	  /* a voter does not know its value */
	bool dead;	  /* to be taken out of the table */
	unsigned words;	  /* to be said */
	int64_t until_ms; /* as said; 0: never */
	int64_t again_ms; /* CLOCK_MONOTONIC: RELEASE, IDENTITY */
};

struct holding_config {
	struct uuid self;
	struct quorum_cfg cfg; /* epoch 0: none is known yet */
	struct value_times times;
	uint64_t number; /* the one on disk */
	bool alone;
	struct value_mem mem;
};

/* On the caller's memory. */
struct holding {
	struct lease lease;
	struct value_mem mem;
	struct value_times times;
	struct holding_slot *slots; /* owned; by rising key and slot */
	uint32_t n_slots, cap_slots, n_dead;
	uint32_t said; /* holding_next: up to which slot, in this step */
	bool alone;
	uint64_t durable, asked; /* numbers */
	int64_t ask_at_ms;	 /* CLOCK_MONOTONIC: for a number again */
	uint32_t long_ms;	 /* a long renewal that waits for a number; 0: none */
};

void holding_init(struct holding *h, const struct holding_config *config, struct now now);
void holding_done(struct holding *h); /* a zeroed one is fine */
/* Before the first step: a release that is on disk. 0, -ENOMEM, -ENOSPC. */
int holding_load(
	struct holding *h, const struct msg_key *key, uint32_t slot, uint64_t epoch, struct now now) MUST_CHECK;
/*
 * Every input is allowed at every time. 0; of CHOSEN and FOUND -ENOMEM, -ENOSPC: some of it was not taken, say it again
 * later; of FOUND -ESTALE: that epoch was released, or is none (0): what runs is to be ended at once.
 */
int holding_step(struct holding *h, const struct holding_in *in, struct now now, struct holding_outs *outs) MUST_CHECK;
bool holding_next(struct holding *h, struct holding_said *ret); /* false: there is no more */
int64_t holding_deadline_ms(const struct holding *h);		/* CLOCK_MONOTONIC */
void holding_check(const struct holding *h);
char *holding_dump(const struct holding *h, char *out, size_t n);

/* Whether all that runs has a deadline, and whatever is to run will have one. */
bool holding_is_armed(const struct holding *h);
/* The earliest deadline of what may run or goes on, 0 where one has none yet; DEADLINE_NEVER: there is none. */
int64_t holding_least_ms(const struct holding *h);
bool holding_knows(const struct holding *h, const struct msg_key *key); /* a slot of it */
/* Those slots of a value that are node's, leased, at most `cap`; returns how many. */
size_t holding_own(const struct sched_value *v, struct sched_node node, struct holding_own *ret, size_t cap);

#endif
