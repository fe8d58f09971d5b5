/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_VOTES_PRIV_H
#define NODE_VOTES_PRIV_H
/*
 * What the files of the votes share, and what the storage thread asks of them.
 *
 * The tables, each row with the sum of all its other columns:
 *
 *	vote_state	what there is once: the header; the highest write number, and `fold`; the number of renewals
 *	vote_promises	key, ballot: raised by a PREPARE
 *	vote_values	key, ballot, value: an ACCEPT, which is a promise at that ballot too. Apart from the promises,
 *			since a row is written whole, and a promise must not cost a value of half a MiB
 *	vote_longs	key, slot, owner, epoch, long_ms: the longest grant of that owner and epoch
 *	lease_releases, voters_seen, chosen_values	see votes.h
 *
 * `fold` is the sums of all rows of the vote but its own, put together by exclusive or: a row that is gone, or that is
 * again as it was before (a page that the disk did not take, or put elsewhere), has a right sum, and the fold is wrong.
 */
#include "node/store_priv.h"
#include "node/votes.h"

#define VOTES_BALLOT_BYTES 32  /* counter, node, nonce, big-endian: blobs compare as ballots do */
#define VOTES_BODY_MAX	   256 /* of vote_state */

enum votes_what {
	VOTES_HEADER, /* these three are the acceptor's */
	VOTES_REGISTER,
	VOTES_LONG,
	VOTES_NUMBER,
	VOTES_RELEASE,
	VOTES_RELEASE_DROP,
	VOTES_SEEN,
	VOTES_SEEN_DROP,
	VOTES_CHOSEN,
	VOTES_CHOSEN_DROP,
	VOTES_WHAT_MAX
};

/* The rows of vote_state, and what their sums and those of the other tables begin with. */
enum votes_tag {
	VOTES_TAG_HEADER = 1,
	VOTES_TAG_WRITE,
	VOTES_TAG_NUMBER,
	VOTES_TAG_PROMISE,
	VOTES_TAG_VALUE,
	VOTES_TAG_LONG,
	VOTES_TAG_RELEASE,
	VOTES_TAG_SEEN,
	VOTES_TAG_CHOSEN,
	VOTES_TAG_MAX
};

/* The content of a job. */
struct votes_row {
	struct votes *v;
	enum votes_what what;
	uint64_t turn, write; /* the acceptor's */
	bool refused;	      /* not tried: one before it failed. Set by the storage thread */
	bool new_value;
	struct acceptor_header header;
	struct msg_key key;
	struct ballot promised, ballot;
	struct msg_bytes value;		/* the acceptor's: borrowed */
	const struct msg_lease *leases; /* borrowed */
	uint32_t n_leases, long_ms, slot;
	struct uuid node;
	uint64_t number, boot; /* number: of renewals; an epoch; a write */
};

struct votes_disk {
	uint64_t write, fold;
};

struct votes {
	struct store *s; /* borrowed; gone when votes_free is called */
	struct ev_loop *loop;
	struct votes_hooks hooks;
	void *arg;
	char *mark;   /* owned: RUN_DIR/store-suspect */
	ev_timer due; /* full is told from the loop */
	/* The loop's. */
	bool loaded;
	uint64_t turn;	 /* rises with each FULL */
	size_t n_flying; /* writes that are not answered */
	uint64_t stored; /* 0: nothing new is */
	bool refusing;	 /* the next to tell is FULL */
	bool failed;
	/* The storage thread's; before it runs, the loop's. */
	uint64_t failed_turn;
	struct votes_disk durable, at; /* of the transaction at hand */
};

/* votes_rows.c: on the storage thread, within a transaction. */
int votes_run(struct votes *v, struct votes_row *r, struct err *e);
int votes_end(struct votes *v, struct err *e); /* before its commit */
void votes_ended(struct votes *v, bool committed);
void votes_give_up(struct votes *v, const struct votes_row *r); /* it failed, alone */

/* votes_sum.c: what is on disk, as bytes, and the sums of it. */
size_t votes_header_bytes(const struct acceptor_header *h, uint8_t out[VOTES_BODY_MAX]);
bool votes_header_read(const uint8_t *v, size_t n, struct acceptor_header *ret);
void votes_u64_bytes(uint64_t x, uint8_t out[8]);
uint64_t votes_u64_read(const uint8_t v[8]);
void votes_ballot_bytes(const struct ballot *b, uint8_t out[VOTES_BALLOT_BYTES]);
void votes_ballot_read(const uint8_t v[VOTES_BALLOT_BYTES], struct ballot *ret);
uint64_t votes_sum_state(enum votes_tag tag, const void *body, size_t n);
uint64_t votes_sum_value(enum votes_tag tag, struct msg_bytes key, struct msg_bytes ballot, struct msg_bytes value);
uint64_t votes_sum_slot(
	enum votes_tag tag, struct msg_bytes key, int64_t slot, struct msg_bytes owner, int64_t epoch, int64_t long_ms);
uint64_t votes_sum_seen(struct msg_bytes node, int64_t boot, int64_t write);

#endif
