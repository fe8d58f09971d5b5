/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_LEASE_H
#define CONSENSUS_LEASE_H
/*
 * The holder's side of leases: which slots this node may run, and until when. One RENEW for all slots goes to every
 * voter, directly; CLOCK_BOOTTIME is noted before it is sent, and with a quorum of grants for a slot the deadline is
 * that time + T_f, whenever the grants came. The fuse is the shim's: it kills at the deadline; what is decided here is
 * only what is written into its page. How long voters guard is in value.h, what they do in acceptor_lease.c.
 *
 *	lease_step(&l, &in, now, &outs);	outs.msg goes to each of outs.to
 *	while (lease_changed(&l, &slot))	write its deadline; start it when it may run;
 *		…				write its release to disk (then RELEASED);
 *						run an identity change where voters do not know its value
 *	wake_at(lease_deadline_ms(&l));
 *
 * A slot whose group is empty is released: written to disk first, then told, and never renewed again.
 *
 * A voter that has said that it remembers the leases that are asked for is told their sum alone, until the leases or
 * the voters change, the voter says that it has forgotten them, or answers two renewals with nothing: it may be an
 * older one by now, which does not know sums.
 */
#include "base/clock.h"
#include "consensus/value.h"

#define LEASE_FLYING_MAX  4 /* renewals that answers may still come to */
#define LEASE_RENEW_PARTS 3 /* renewals within T_f */

enum lease_state {
	LEASE_ASKED,	/* no quorum has granted it yet: it may not start */
	LEASE_HELD,	/* it may run until its deadline */
	LEASE_EMPTY,	/* nothing of it runs: its release is to be written to disk */
	LEASE_RELEASED, /* on disk; voters are told for as long as one may guard it */
	LEASE_STATE_MAX
};

struct lease_slot {
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch;
	int state;
	int64_t until_ms; /* CLOCK_BOOTTIME; 0: never granted. Of RELEASED: until voters are told */
	bool unknown;	  /* a voter does not have the value that gives it to us */
	bool changed;	  /* not told by lease_changed yet */
	uint16_t grants[LEASE_FLYING_MAX];
	uint8_t asked; /* bit k: the renewal of flying[k] asked for it */
};

struct lease_config {
	struct uuid self;
	struct quorum_cfg cfg;
	struct value_times times;
	uint64_t number; /* all numbers of this boot are above, and above all of earlier boots */
	struct value_mem mem;
};

struct lease_flying {
	uint64_t number;
	uint32_t tf_ms;
	int64_t t0_ms; /* CLOCK_BOOTTIME, before it was sent */
	struct quorum_cfg cfg;
	uint64_t set; /* msg_leases_sum */
};

/* On the caller's memory. */
struct lease {
	struct lease_config config;
	uint64_t number;
	struct lease_slot *slots; /* owned; by rising key and slot */
	uint32_t n_slots, cap_slots;
	struct msg_lease *asked; /* owned, cap_slots: the RENEW or RELEASE at hand */
	struct lease_flying flying[LEASE_FLYING_MAX];
	uint32_t n_flown, told; /* lease_changed: up to which slot, in this step */
	int64_t renew_at_ms;	/* CLOCK_MONOTONIC */
	bool release_due;
	uint64_t set, since; /* what the newest renewal asked for, and the number of the first that asked for that */
	uint16_t knows;	     /* voters that remember it */
	uint16_t heard, heard_before; /* that answered with grants since the newest renewal; since the one before */
};

enum lease_in_type {
	LEASE_IN_TICK,
	LEASE_IN_MSG,	   /* msg: GRANT; REFUSED with a newer configuration, or for a set that was forgotten */
	LEASE_IN_CFG,	   /* cfg: a newer chosen one */
	LEASE_IN_TIMES,	   /* times, of a newer chosen value of the root register */
	LEASE_IN_HOLD,	   /* slot: a chosen value gives it to us; until_ms of one that runs already, or 0 */
	LEASE_IN_EMPTY,	   /* slot: it is not this node's any more, or stops, and nothing of it runs */
	LEASE_IN_GONE,	   /* slot: a chosen value left that epoch behind; it is asked for no more, whatever runs */
	LEASE_IN_RELEASED, /* slot: its release is on disk */
	LEASE_IN_LONG,	   /* tf_ms: a planned stop; renews once, for up to MSG_TF_MAX_MS */
	LEASE_IN_MAX
};

struct lease_in {
	enum lease_in_type type;
	const struct msg *msg; /* borrowed for the call; msg_fault was asked */
	const struct quorum_cfg *cfg;
	struct value_times times;
	struct lease_slot slot; /* key, slot, epoch, until_ms */
	uint32_t tf_ms;
};

struct lease_outs {
	struct msg msg; /* its leases are borrowed until the next step */
	uint8_t n_to;
	struct uuid to[QUORUM_ALL_MAX];
	uint16_t brief; /* bit i: to[i] gets it without its leases (lease_msg) */
};

void lease_init(struct lease *l, const struct lease_config *config, struct now now);
void lease_done(struct lease *l); /* a zeroed one is fine */
/* Every input is allowed at every time. 0, or of HOLD -ENOMEM, -ENOSPC: it is not held. */
int lease_step(struct lease *l, const struct lease_in *in, struct now now, struct lease_outs *outs);
bool lease_changed(struct lease *l, struct lease_slot *ret); /* the next that changed since it was told */
bool lease_get(const struct lease *l, const struct msg_key *key, uint32_t slot, struct lease_slot *ret);
bool lease_may_run(const struct lease_slot *s, struct now now);
uint32_t lease_held(const struct lease *l, struct now now); /* how many may */
int64_t lease_deadline_ms(const struct lease *l);	    /* CLOCK_MONOTONIC */
/* What the nth of those to whom m goes is sent. */
struct msg lease_msg(const struct msg *m, uint16_t brief, unsigned nth);
void lease_check(const struct lease *l);
char *lease_dump(const struct lease *l, char *out, size_t n);

#endif
