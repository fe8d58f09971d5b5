/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WHOLE_RUN_H
#define TESTS_SIM_WHOLE_RUN_H
/*
 * A run of whole nodes: what people ask of them, and what must be true whatever is done to them.
 *
 * At once, wherever it is seen:
 *	- a ballot of a register has one value, and what is called chosen at it a quorum has on disk
 *	- of two chosen values the one with the lower ballot is an ancestor of the other, by the hashes of their
 *	  parents: so what was acknowledged is in whatever follows
 *	- no promise of a voter falls on its disk (an old copy that is put back is another disk), and none is answered
 *	  that is not there
 *	- nothing is started but in a slot, at an epoch, of a chosen value
 *	- at no instant of real time a slot runs twice of which either runs under a lease; but for one that is kept and
 *	  was started by an old copy of a disk, when no node knew better that was heard since (whole_truth.c)
 *	- what a node holds is within its bounds
 * A voter with an old disk may vote when none of those whom it has heard remembers more of its votes. If what it had
 * accepted is then lost, and another value chosen, or a second lease given, the run ends there, and has not failed.
 * Once all is healed, within a bound: all know the same values, as many vote as suits the members, and all that is
 * desired runs and is ready once, and nothing else.
 */
#include "tests/sim/figures.h"
#include "tests/sim/sim.h"
#include "consensus/msg.h"

#define WHOLE_AGENTS_MAX 8
#define WHOLE_CLUSTER	 0xc1 /* each byte of the cluster's id */

struct agree_root_command;
struct disaster;
struct mixed;
struct whole;
struct whole_shim;
struct whole_truth;

enum whole_kind {
	WHOLE_KEEP,	 /* replicated */
	WHOLE_STOP,	 /* replicated, under leases */
	WHOLE_SINGLETON, /* under a lease */
	WHOLE_ALONE,	 /* a singleton that keeps */
	WHOLE_EVERYWHERE,
	WHOLE_KIND_MAX
};

struct whole_agent {
	char name[8];
	enum whole_kind kind;
	unsigned edition; /* of its command */
};

struct whole_run {
	uint32_t agents;
	int mutant; /* of consensus/rules.h and above, where the simulator is what has the rule */
	uint32_t fail_ppm, slow_start_ppm; /* of starts */
	uint32_t asks_a_minute;
	struct heap_item next; /* command */
	struct rng rng;	       /* of commands */
	struct whole_agent agent[WHOLE_AGENTS_MAX];
	struct whole_truth *truth;
	struct mixed *mixed;	   /* NULL: all nodes are of one version */
	struct disaster *disaster; /* NULL: none comes */
	uint64_t op;
	/* Figures. */
	uint64_t asked, done, refused, unknown, begun, fenced, chosen, reads, misled;
	int64_t undrained_us; /* when it was asked for last */
	bool calm;	      /* nobody asks any more */
	uint32_t lost_votes;  /* bits of voters with an old disk; none of those whom they had heard remembered more */
};

/* Rules that are not the core's: consensus.md. */
enum {
	WHOLE_AMNESIA = 5,
	WHOLE_CLOCK_BEFORE = 15,
	WHOLE_NO_FUSE = 23,
	WHOLE_NO_WAIT = 29,
	WHOLE_NO_CARRY = 101,
	WHOLE_NO_MIN_VERSION
};

struct whole_run *whole_run_new(struct sim *s, uint64_t seed, uint32_t agents);
void whole_run_free(struct sim *s);
void whole_run_due(struct sim *s);   /* somebody asks something */
void whole_run_begin(struct sim *s); /* from now on */
void whole_run_calm(struct sim *s);  /* no more, and hosts whose disk failed are started anew */
bool whole_run_found(struct sim *s); /* the first node founds the cluster; false, and failed: it does not */
/* Who drains takes work again, who is gone is forgotten: asked now and then until it is done. false: it is. */
bool whole_run_tidy(struct sim *s, struct whole *at);
/* As somebody asks it of that node. done: set with the answer that it is; NULL: nobody waits. */
void whole_run_ask_root(
	struct sim *s, struct whole *w, const struct agree_root_command *cmd, const char *what, bool *done);
/* The newest voters that a daemon knows which runs; NULL: none does. */
const struct quorum_cfg *whole_run_cfg(const struct sim *s);
/* Healed within that time, in s; else the run fails. */
double whole_run_heals(struct sim *s, int64_t within_us);
/* Whether its host may go for ever: those that stay can still decide. */
bool whole_run_may_go(const struct sim *s, const struct sim_node *n);
void whole_run_figures(const struct sim *s, struct figures *f);
void whole_run_dump(struct sim *s, FILE *to); /* values, and what each node has of them */

/* ---- what is seen ---- */

void whole_run_accepted(struct whole *w, const struct msg_key *key, const struct ballot *ballot,
	struct msg_bytes value); /* on its disk */
void whole_run_chosen(struct whole *w, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value);
void whole_run_sends(struct whole *w, const struct msg *m);
void whole_run_launched(struct whole_shim *s);
void whole_run_began(struct whole_shim *s);
void whole_run_looked(struct whole *w); /* a turn is over */
void whole_run_killed(struct whole *w);

#endif
