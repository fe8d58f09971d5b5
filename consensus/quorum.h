/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_QUORUM_H
#define CONSENSUS_QUORUM_H
/*
 * Who votes, and when enough have. A configuration is (epoch, old, next): a majority of old decides, and of next
 * too while there is one (JOINT). Voters are numbered, old ones first and each once, so that answers are bits of a
 * mask: who answers twice, or stands in both sets, counts once in each.
 */
#include "consensus/ballot.h"

#define QUORUM_VOTERS_MAX 7 /* of one set */
#define QUORUM_ALL_MAX	  (2 * QUORUM_VOTERS_MAX)

struct quorum_set {
	uint8_t n;
	struct uuid v[QUORUM_VOTERS_MAX];
};

struct quorum_cfg {
	uint64_t epoch;		     /* 0: no configuration is known */
	struct quorum_set old, next; /* next.n 0: STABLE */
};

bool quorum_is_joint(const struct quorum_cfg *cfg);
bool quorum_same(const struct quorum_cfg *a, const struct quorum_cfg *b);
bool quorum_set_same(const struct quorum_set *a, const struct quorum_set *b); /* in the same order */
bool quorum_set_has(const struct quorum_set *s, const struct uuid *node);
/* NULL, or what is wrong with it, in words. What comes from outside is asked first. */
const char *quorum_fault(const struct quorum_cfg *cfg);
int quorum_voters(const struct quorum_cfg *cfg);			 /* how many, each once */
const struct uuid *quorum_voter(const struct quorum_cfg *cfg, int i);	 /* 0 ≤ i < quorum_voters */
int quorum_index(const struct quorum_cfg *cfg, const struct uuid *node); /* -1: no voter */
/* Whether the voters whose bits are set are a quorum. */
bool quorum_reached(const struct quorum_cfg *cfg, uint16_t mask);
/* Whether it can still be reached without those. */
bool quorum_possible(const struct quorum_cfg *cfg, uint16_t without);
/* The same for the sealing of cfg's old set: a majority of old, and one of next. Not a rule that a mutant changes. */
bool quorum_both(const struct quorum_cfg *cfg, uint16_t mask);
/* "e3 {a1b2}", while JOINT "e4 {a1b2} > {a1b2 c3d4 e5f6}". Returns out. */
char *quorum_text(const struct quorum_cfg *cfg, char *out, size_t n);

#endif
