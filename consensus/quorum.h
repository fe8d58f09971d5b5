/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_QUORUM_H
#define CONSENSUS_QUORUM_H
/*
 * Who votes, and when enough have. A configuration is (epoch, old, next): a majority of old decides, and of next
 * too while there is one (JOINT). Voters are numbered, old ones first and each once, so that answers are bits of a
 * mask: who answers twice, or stands in both sets, counts once in each.
 *
 * *Eras.* The upper half of an epoch is its era. Within one, each configuration follows on the one before. A lost
 * majority is given up by a configuration that follows on nobody's: the first of a later era, epoch = era << 32, which
 * only those who survived begin (registers.h). Ballots and the epochs of slots made in an era lie above its floor, so
 * above all of earlier eras, whoever made those: what the other side decided is never taken for newer.
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

#define QUORUM_ERA_STEP (UINT64_C(1) << 32)

/* The first number of an epoch's era: of that epoch, of its ballots, of the epochs of slots. 0: the first era. */
static inline uint64_t quorum_floor(uint64_t epoch)
{
	return epoch - epoch % QUORUM_ERA_STEP;
}

bool quorum_is_joint(const struct quorum_cfg *cfg);
/* It begins an era. */
bool quorum_is_first(const struct quorum_cfg *cfg);
/* The configuration in which these, at most QUORUM_ALL_IN, begin an era: while it lasts each quorum is all of them. */
#define QUORUM_ALL_IN 4
struct quorum_cfg quorum_all_of(uint64_t epoch, const struct quorum_set *s);
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
