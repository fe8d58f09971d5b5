/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_RULES_H
#define CONSENSUS_RULES_H
/*
 * Each rule without which data is lost, a leased slot runs twice or all stops for ever has a mutant: the same core
 * with that rule left out, which the tests must catch. The rule's condition in the code is written RULE(M1). In the
 * core of the daemon that is the constant true, and nothing of it is left; only a library of the tests is built
 * with CONSENSUS_MUTANTS, and its test says in rules_left_out which rule is missing.
 */
#include "base/util.h"

enum rules_mutant {
	M_NONE,
	M1,  /* neither raise nor check `accepted` */
	M2,  /* act on accepted values */
	M3,  /* use a ballot again with another value */
	M4,  /* a read, or a change that is none, skips the accept phase */
	M5,  /* amnesia: a wiped disk goes on as the same voter (the daemon's rule, and the bed's) */
	M6,  /* rollback: told of a later self, it goes on voting */
	M7,  /* a message of an older epoch is not refused */
	M8,  /* one majority is enough while JOINT */
	M9,  /* keys are listed before the seal */
	M10, /* no rescan */
	M11, /* fencing epochs begin again at 1 (the register's rule, not the core's) */
	M12, /* leases are judged by the durable copy while a newer write is under way */
	M13, /* a lease counts from the reply */
	M14, /* a lease of the whole node, which does not ask what moved */
	M15, /* the clock is read before the frames are taken (the loop's rule, and the bed's) */
	M16, /* one majority of grants is enough while JOINT */
	M17, /* no wait after a restart */
	M18, /* no wait before STABLE */
	M19, /* goes on granting after it refused an Accept for the guard */
	M20, /* the new owner starts at once */
	M21, /* RELEASE without the match of the epoch */
	M22, /* long grants in memory only */
	M23, /* no fuse (the shim's rule) */
	M24, /* a change of isolation does not stop first (the scheduler's rule) */
	/* Of eras, which are doc/PROTOCOL.md's: */
	M25, /* a lease of an earlier era is renewed */
	M26, /* who was given up brings along what it had accepted */
	M27, /* who begins an era keeps what it knows to be chosen, and its voter does not, to itself */
	M28, /* ballots of an era go on from those of before */
	M29, /* nobody waits for leases that the lost may have granted (the operator's word, and the simulator's) */
	M30, /* what was known before an era is not doubted in it */
	RULES_MUTANT_MAX
};

#ifdef CONSENSUS_MUTANTS
extern enum rules_mutant rules_left_out;
#define RULE(m) (rules_left_out != (m))
#else
#define RULE(m) true
#endif

#endif
