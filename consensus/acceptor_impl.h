/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_ACCEPTOR_IMPL_H
#define CONSENSUS_ACCEPTOR_IMPL_H
/*
 * What the files of the acceptor share. Registers lie sorted by key; what was handed over and waits for the disk, or
 * waits to be answered, lies in one queue in the order in which it came.
 */
#include "consensus/acceptor.h"
#include "consensus/keyed.h"
#include "consensus/rules.h"

struct guard {
	struct msg_slot slot;
	int64_t until_ms; /* CLOCK_BOOTTIME; live as long as now is below */
	uint64_t number;  /* of the newest RENEW or RELEASE of it */
	bool moving;	  /* it forbade an Accept: no further renewal until a value is accepted */
	bool released;
};

struct reg {
	struct msg_key key;
	struct acceptor_image image; /* as handed over */
	struct acceptor_image durable;
	uint64_t write, durable_write; /* the newest handed over, and the newest on disk */
	struct guard *guards;	       /* owned; by rising slot */
	uint32_t n_guards, cap_guards;
};

/* What a holder asked for last with all its leases. */
struct set {
	struct uuid holder;
	uint64_t sum;		  /* msg_leases_sum */
	uint64_t number;	  /* of the newest renewal that asked for it */
	int64_t used_ms;	  /* CLOCK_MONOTONIC: when that came */
	struct msg_lease *leases; /* owned */
	uint32_t n;
};

enum pending_what { PENDING_NOTHING, PENDING_HEADER, PENDING_REGISTER, PENDING_LONG, PENDING_MAX };

struct pending {
	enum pending_what what; /* what its own write changes on disk; NOTHING: it has none */
	uint64_t write;
	uint64_t need; /* it is answered when this number is durable */
	struct reg *reg;
	struct acceptor_image image; /* the value is counted */
	struct acceptor_header header;
	bool answers;
	bool has_value; /* whoever asked: it is not told */
	struct uuid to;
	struct msg msg; /* the answer, with the value of `image`; with the leases below, but where it has a set */
	struct msg_lease *leases; /* owned */
	uint32_t n_leases;
	void *page; /* owned: guards or keys, made when the answer goes */
	size_t page_bytes;
};

struct acceptor {
	struct value_mem mem;
	const struct value_reader *reader;
	struct uuid self;
	struct acceptor_header header, durable_header;
	struct value_times times;   /* of the newest value of the root register; zeroes: not known */
	uint64_t boot, write_first; /* of this start, and what was on disk then */
	uint64_t write;		    /* the newest handed over */
	uint64_t durable;	    /* up to it nothing is under way any more */
	uint64_t on_disk;	    /* up to it nothing was refused by the disk */
	uint64_t header_write, header_durable_write;
	int64_t wait_until_ms; /* CLOCK_BOOTTIME */
	bool rolled_back, rolled_back_told;
	bool due; /* the last flush had no room for all that is done */
	struct now now;
	struct keyed regs;     /* struct reg */
	struct pending *queue; /* owned, ACCEPTOR_PENDING_MAX */
	size_t n_queue;
	struct pending spent[ACCEPTOR_OUTS_MAX]; /* answered by the step at hand, freed by the next */
	size_t n_spent;
	struct set sets[ACCEPTOR_SETS_MAX]; /* in no order */
	uint32_t n_sets, set_leases;	    /* of all of them */
};

/* acceptor_reg.c */
struct reg *acceptor_reg_find(const struct acceptor *a, const struct msg_key *key);
struct reg *acceptor_reg_add(struct acceptor *a, const struct msg_key *key); /* or as it is; NULL: full, no memory */
size_t acceptor_reg_after(const struct acceptor *a, const struct msg_key *key);
void acceptor_regs_free(struct acceptor *a);
/* A guard of that slot, made when there is none; NULL: no memory. */
struct guard *acceptor_guard(struct acceptor *a, struct reg *r, uint32_t slot, bool make);
void acceptor_image_set(const struct acceptor *a, struct acceptor_image *to, const struct acceptor_image *from);

/* What of it counts: nothing is accepted that was so before this voter was given up. */
struct acceptor_image acceptor_kept(const struct acceptor *a, const struct acceptor_image *image);

/* acceptor_store.c */
bool acceptor_has_room(const struct acceptor *a);
/* Each hands one write over; room was asked for. */
void acceptor_write_header(struct acceptor *a, struct acceptor_outs *outs);
struct pending *acceptor_write_register(struct acceptor *a, struct reg *r, bool new_value, struct acceptor_outs *outs);
struct pending *acceptor_write_long(struct acceptor *a, struct msg_lease *leases, uint32_t n, const struct uuid *holder,
	uint32_t long_ms, struct acceptor_outs *outs);
/* An answer to the request, to go once `need` is durable. */
struct pending *acceptor_wait(struct acceptor *a, uint64_t need);
void acceptor_answer(struct acceptor *a, struct pending *p, const struct msg *to, enum msg_type type);
void acceptor_refuse(struct acceptor *a, const struct msg *to, const struct msg *why, struct acceptor_outs *outs);
void acceptor_refuse_why(struct acceptor *a, const struct msg *to, enum msg_why why, struct acceptor_outs *outs);
void acceptor_stored(struct acceptor *a, uint64_t write);
void acceptor_full(struct acceptor *a);
void acceptor_flush(struct acceptor *a, struct acceptor_outs *outs);
bool acceptor_is_due(const struct acceptor *a);
void acceptor_pending_free(struct acceptor *a, struct pending *p);

/* acceptor_sets.c */
/* What it asks for, by its sum alone; NULL: not remembered. */
const struct set *acceptor_set(struct acceptor *a, const struct msg *m);
bool acceptor_set_learn(struct acceptor *a, const struct msg *m); /* a RENEW with its leases; true: is remembered */
void acceptor_sets_free(struct acceptor *a);

/* acceptor_lease.c */
void acceptor_times(struct acceptor *a); /* after the root register changed */
/* Whether a live guard, or the wait after a restart, forbids that value: why, slot, left_ms. */
bool acceptor_forbids(struct acceptor *a, struct reg *r, struct msg_bytes value, struct msg *why);
void acceptor_moved(struct acceptor *a, struct reg *r); /* its value is new: what it guards may be renewed again */
void acceptor_renew(struct acceptor *a, const struct msg *m, struct acceptor_outs *outs);
void acceptor_release(struct acceptor *a, const struct msg *m);
/* Into the answer: live guards, and what may be guarded while it waits; r may be NULL. false: no memory. */
bool acceptor_guards_tell(struct acceptor *a, const struct reg *r, struct pending *p);
void acceptor_restart_wait(struct acceptor *a);

#endif
