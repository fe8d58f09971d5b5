/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_BALLOT_H
#define CONSENSUS_BALLOT_H
/*
 * Ballots: (counter, node, nonce of the node's boot), ordered in that way. The nonce is random and new with each
 * boot, so that two boots of one node never make the same ballot, and the counter needs no disk. All proposals of a
 * node take their ballots from one source, which never makes one twice: a ballot is burned at the first Accept
 * sent.
 */
#include "base/util.h"

#define BALLOT_COUNTER_MAX (UINT64_C(1) << 62) /* a message with a higher one is faulty: nobody counts that far */
#define BALLOT_TEXT_MAX	   40

struct uuid {
	uint8_t v[16];
};

struct ballot {
	uint64_t counter; /* 0: the zero ballot, below all others */
	struct uuid node;
	uint64_t nonce;
};

struct ballot_source {
	struct uuid node;
	uint64_t nonce;
	uint64_t counter; /* the highest made so far */
};

bool ballot_same_node(const struct uuid *a, const struct uuid *b);
int ballot_cmp(const struct ballot *a, const struct ballot *b); /* below 0, 0, above 0 */
bool ballot_is_zero(const struct ballot *b);
const struct ballot *ballot_max(const struct ballot *a, const struct ballot *b);
/* A new one, above `above` and all that this source made before. `above` is of a message without fault. */
struct ballot ballot_next(struct ballot_source *s, const struct ballot *above);
/* "4.a1b2": the counter, and the node's UUID as ballot_node_text writes it. Returns out. */
char *ballot_text(const struct ballot *b, char *out, size_t n);
char *ballot_node_text(const struct uuid *node, char *out, size_t n); /* its first two bytes, in hex */

#endif
