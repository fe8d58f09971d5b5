/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_MSG_H
#define CONSENSUS_MSG_H
/*
 * What nodes say to each other about registers, as structs; an edge writes them as bytes, several in a frame where
 * it likes. A request carries the configuration under which it was made; an answer repeats the epoch at which it is
 * given, and the round, by which its asker finds what it belongs to. Only chosen configurations travel. The
 * requests that change something are safe when they come twice, late, or in another order.
 *
 *	PREPARE, ACCEPT	  → PROMISE, ACCEPTED	a change, in two phases
 *	READ		  → VALUE		what is accepted there, without a promise
 *	SEAL		  → SEALED		adopts the configuration; keys, page by page
 *	RENEW		  → GRANT		leases of slots
 *	RELEASE					ends one; no answer
 *	any of them	  → REFUSED		why; the voter's own configuration, where that is the reason
 *	SEEN					once a link: what the sender remembers of the receiver's votes
 *	KEPT		  → KNOWN		what the sender found on its disk; what of it the asked knows
 *
 * One that does not vote answers SEAL too: so is asked, before it is given a vote, whether its disk works.
 */
#include "base/limits.h"
#include "consensus/quorum.h"

#define MSG_VALUE_MAX  (512 * 1024) /* a definition and all its slots */
#define MSG_LEASES_MAX REPLICAS_MAX /* of one node */
#define MSG_GUARDS_MAX REPLICAS_MAX /* of one register */
#define MSG_KEYS_MAX   64	    /* a page of SEALED, KEPT and KNOWN */
#define MSG_TF_MAX_MS  60000	    /* the longest that a lease may be asked for */

enum msg_type {
	MSG_PREPARE,  /* key, ballot */
	MSG_PROMISE,  /* key, ballot; accepted, value, guards */
	MSG_ACCEPT,   /* key, ballot, value */
	MSG_ACCEPTED, /* key, ballot */
	MSG_READ,     /* key */
	MSG_VALUE,    /* key, accepted, value */
	MSG_SEAL,     /* more: the page that follows key, which was the last of the page before; else the first page */
	MSG_SEALED,   /* key: as asked; keys, more, left_ms */
	MSG_RENEW,    /* number, tf_ms, leases, set; without leases: the same as those that were sent with that set */
	MSG_GRANT,    /* number; leases: each granted or why not; or set: all are granted, and are remembered */
	MSG_RELEASE,  /* number, leases */
	MSG_REFUSED,  /* why; key, ballot: the higher one; left_ms, slot; number: as asked */
	MSG_SEEN,     /* boot, write: the highest that the receiver ever answered with; zeroes: it never did */
	MSG_KEPT,     /* chosen: a page of what the sender found on its disk; key: the last of them */
	MSG_KNOWN,    /* key: as asked; chosen: those of that page that it has heard of at that ballot, or above */
	MSG_TYPE_MAX
};

enum msg_why {
	MSG_WHY_NONE,
	MSG_WHY_BALLOT,	     /* a higher ballot is promised or accepted: ballot */
	MSG_WHY_EPOCH,	     /* asked under an older configuration: cfg is the voter's */
	MSG_WHY_GUARD,	     /* a live guard forbids that value: slot, left_ms */
	MSG_WHY_WAIT,	     /* the voter waits after its restart, and the value moves a slot: slot, left_ms */
	MSG_WHY_NOT_VOTER,   /* it does not vote in that configuration */
	MSG_WHY_ROLLED_BACK, /* its disk went back in time: it does not vote */
	MSG_WHY_BUSY,	     /* too many writes wait for its disk */
	MSG_WHY_FULL,	     /* its disk or memory is full, or there are too many names */
	MSG_WHY_NUMBER,	     /* a RENEW older than one it knows */
	MSG_WHY_VALUE,	     /* GRANT: its newest value does not give that slot to the asker, at that epoch */
	MSG_WHY_TF,	     /* GRANT: longer than it guards */
	MSG_WHY_MOVING,	     /* GRANT: it refused to accept a value for that guard, and grants no further */
	MSG_WHY_RELEASED,    /* GRANT: that epoch was released */
	MSG_WHY_SET,	     /* it does not remember that set of leases */
	MSG_WHY_MAX
};

/* An agent's name; the empty one is the root register's. */
struct msg_key {
	uint8_t n;
	char v[NAME_MAX_LEN];
};

struct msg_bytes {
	const uint8_t *v; /* borrowed for the call */
	size_t n;
};

struct msg_slot {
	uint32_t slot;
	struct uuid owner;
	uint64_t epoch;
};

struct msg_guard {
	struct msg_slot slot;
	uint32_t left_ms;
};

struct msg_lease {
	struct msg_key key;
	uint32_t slot;
	uint64_t epoch;
	enum msg_why why; /* GRANT: NONE is granted */
};

/* A value is chosen at that ballot, and the sender knows of none at a higher one. */
struct msg_chosen {
	struct msg_key key;
	struct ballot ballot;
};

struct msg {
	enum msg_type type;
	struct uuid from;      /* whom the link belongs to */
	struct quorum_cfg cfg; /* of requests, and of REFUSED; else the epoch alone */
	uint64_t round;	       /* the asker's */
	struct msg_key key;
	struct ballot ballot, accepted; /* accepted zero: nothing was */
	struct msg_bytes value;
	const struct msg_guard *guards; /* this and the next three are borrowed for the call */
	const struct msg_key *keys;	/* by rising key */
	const struct msg_lease *leases;
	const struct msg_chosen *chosen; /* by rising key */
	uint32_t n_guards, n_keys, n_leases, n_chosen;
	bool more;
	enum msg_why why;
	struct msg_slot slot;
	uint32_t left_ms, tf_ms;
	uint64_t boot, write; /* of answers: the voter's start, and what is on its disk; peers remember the highest */
	uint64_t number;      /* of RENEW and RELEASE: rises for as long as the node's UUID lives */
	uint64_t set;	      /* msg_leases_sum; 0: the sender knows of no sets */
};

const char *msg_name(enum msg_type type);   /* "prepare", …; NULL when there is none */
const char *msg_why_text(enum msg_why why); /* in words */
int msg_key_cmp(const struct msg_key *a, const struct msg_key *b);
/* Of what is asked for: names, slots and epochs in their order. Never 0. */
uint64_t msg_leases_sum(const struct msg_lease *v, uint32_t n);
/* What must be true of a message beyond its form: NULL, or what is wrong, in words. Whoever reads frames asks it. */
const char *msg_fault(const struct msg *m);

#endif
