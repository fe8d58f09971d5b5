/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_VOTES_H
#define NODE_VOTES_H
/*
 * What a voter, a proposer and a holder of leases keep, in the node's one store: each row with a checksum of all that
 * it says. A voter's writes are numbered and go to disk in their order, those of one turn of the disk in one
 * transaction.
 *
 *	votes_new(store, run_dir, &hooks, arg, &v, &e)
 *	votes_load(v, &sink, arg, &e)		< 0: this node does not vote, and why
 *	…
 *	votes_write(v, out)	each HEADER, REGISTER and LONG of acceptor_step, in their order
 *	…
 *	store_close(store); votes_free(v); acceptor_free(acceptor)	in this order: the disk reads what the
 *								acceptor has; never from within a hook
 *
 * What failed for want of room or memory is undone as the acceptor wants it: what was handed over after it is not made
 * either, `full` is told once all that was handed over is done with, and what comes later is written again. Any other
 * failure of the disk, also of another's rows and of a checkpoint, ends the voter: the file RUN_DIR/store-suspect is
 * made, `failed` is told once, and nothing afterwards. A node that finds that file does not vote.
 */
#include "base/clock.h"
#include "base/err.h"
#include "consensus/acceptor.h"
#include "node/store.h"

#define VOTES_SEEN_MAX 256 /* nodes of which this one remembers; then the one longest not heard of goes */

struct votes;

/* Called on the loop, never from within votes_write; from within store_close too. */
struct votes_hooks {
	void (*stored)(void *arg, uint64_t write); /* for ACCEPTOR_IN_STORED */
	void (*full)(void *arg);		   /* for ACCEPTOR_IN_FULL */
	/* No acceptor is stepped any more; the daemon is to end. The sentence is borrowed for the call. */
	void (*failed)(void *arg, const char *sentence);
};

/* Once a store, before its first job. */
int votes_new(struct store *s, const char *run_dir, const struct votes_hooks *hooks, void *arg, struct votes **ret,
	struct err *e) MUST_CHECK;
void votes_free(struct votes *v); /* after store_close; NULL is fine */

/* Whoever makes the acceptor out of what is on disk; it is told in this order. What it returns is as of acceptor_new,
 * acceptor_load and acceptor_load_long. */
struct votes_sink {
	int (*begin)(void *arg, const struct acceptor_header *header, uint64_t write);
	int (*vote)(void *arg, const struct msg_key *key, const struct ballot *promised, const struct ballot *accepted,
		struct msg_bytes value);
	int (*lasting)(void *arg, const struct msg_key *key, const struct msg_slot *slot, uint32_t long_ms);
};

/*
 * At start: what the voter's disk has. -EUCLEAN: a row of a vote is damaged; -EIO: the mark is there; -ENOMEM. Each
 * with a sentence; what was made of it until then is of no use.
 */
int votes_load(struct votes *v, const struct votes_sink *sink, void *arg, struct err *e) MUST_CHECK;
/* HEADER, REGISTER or LONG. What it points to is read until its STORED or FULL, or until store_close. */
void votes_write(struct votes *v, const struct acceptor_out *out);

/*
 * A holder's. At start: the number that was put last, 0 for none, and each slot's highest released epoch. -EUCLEAN: a
 * row is damaged, and this node must hold no leases. A negative return of fn ends the walk.
 */
int votes_load_leases(struct votes *v, int (*fn)(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch),
	void *arg, uint64_t *ret_number, struct err *e) MUST_CHECK;
/* At start: of whom this node remembers what. Damaged rows are warned of and left out. fn as above. */
int votes_load_seen(struct votes *v, int (*fn)(void *arg, const struct uuid *node, uint64_t boot, uint64_t write),
	void *arg, struct err *e) MUST_CHECK;
/* At start: chosen values that this node acts on without a quorum. Likewise. The value is borrowed for the call. */
int votes_load_chosen(struct votes *v,
	int (*fn)(void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value), void *arg,
	struct err *e) MUST_CHECK;

/*
 * Jobs, as those of store.h: all content is copied, done may be NULL; -ENOSPC when the queue is full, -EINVAL for a
 * number above INT64_MAX or a value above MSG_VALUE_MAX.
 */
/* RENEW and RELEASE of this boot have numbers up to this one, those of the next boot begin above. */
int votes_put_number(struct votes *v, uint64_t number, store_done *done, void *arg);
/* For LEASE_IN_RELEASED. A slot's epoch never falls. */
int votes_put_release(
	struct votes *v, const struct msg_key *key, uint32_t slot, uint64_t epoch, store_done *done, void *arg);
/* Once a chosen value has left that epoch behind: releases up to it need no row any more. */
int votes_drop_release(
	struct votes *v, const struct msg_key *key, uint32_t slot, uint64_t epoch, store_done *done, void *arg);
/* Never falls. It waits a moment for other work to ride along with: a restart that forgets the last is told anew. */
int votes_put_seen(
	struct votes *v, const struct uuid *node, uint64_t boot, uint64_t write, store_done *done, void *arg);
int votes_drop_seen(struct votes *v, const struct uuid *node, store_done *done, void *arg);
/* One at a lower ballot than the one that is there changes nothing. */
int votes_put_chosen(struct votes *v, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value,
	store_done *done, void *arg);
/* It waits a moment, too: a row too many costs a restart nothing but its reading. */
int votes_drop_chosen(struct votes *v, const struct msg_key *key, store_done *done, void *arg);

#endif
