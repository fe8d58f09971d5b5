/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H
/*
 * Who knows what, beside what is true: every node's view of every other, kept up to date by what the cores say has
 * changed, and what must hold of it.
 *
 * After each step of a node:
 *	- what it knows of a member only grows: the incarnation, and the map's version within a boot
 *	- its own map is what it set, and its own state is alive
 *	- it calls nobody dead who is calm: who runs, whom no fault has touched for CALM_US, and most of whose
 *	  observers, as it computes them, are calm as well; unless it speaks of an incarnation that is over
 *	- its memory is within the bound
 * At the end, once all is healed, every living node has the same view: states as they are, the same incarnations, the
 * same maps, and these are what their owners set.
 */
#include "tests/sim/figures.h"
#include "tests/sim/sim.h"

enum oracle_view {
	ORACLE_UNKNOWN,
	ORACLE_ALIVE,
	ORACLE_SUSPECT,
	ORACLE_DEAD,
	ORACLE_LEFT,
	ORACLE_FORGOTTEN,
	ORACLE_VIEW_MAX
};

struct oracle *oracle_new(struct sim *s);
void oracle_free(struct oracle *o);

void oracle_stepped(struct sim_node *n);	    /* after each step */
void oracle_begins(struct sim_node *n);		    /* a new core, which knows nothing; its view counts from now on */
void oracle_parts(struct sim_node *n);		    /* its view counts no more: it ended, or stands still */
void oracle_returns(struct sim_node *n);	    /* from standing still */
void oracle_touch(struct sim_node *n, bool begins); /* a fault touches it, or touches it no more */

bool oracle_changed(struct sim *s);  /* since it was last asked */
void oracle_tolerate(struct sim *s); /* broken promises are counted and do not fail the run */

/* How many living nodes have this view of it. */
uint32_t oracle_count(const struct sim *s, uint32_t subject, enum oracle_view view);
uint32_t oracle_living(const struct sim *s);
/* All living nodes see the living alive, and those that are gone dead, left or not at all. */
bool oracle_all_agree(struct sim *s, void *unused);
/* The same, and equal hashes of all views. */
bool oracle_converged(struct sim *s, void *unused);
/* Each entry of each map at each node; fails the run with what differs. */
void oracle_compare_all(struct sim *s);
/* Why oracle_converged does not hold, in words; the node to look at. */
uint32_t oracle_explain(struct sim *s, char *out, size_t n);

/* Watches a change of a map: when each living node has it. */
void oracle_watch(struct sim *s, uint32_t origin);
size_t oracle_watched(const struct sim *s);    /* nodes that have it */
struct sample *oracle_watch_ms(struct sim *s); /* one sample a node; borrowed */

struct oracle_counts {
	uint64_t false_suspects;  /* a view of a calm member turned to suspect */
	uint64_t false_dead;	  /* a view of a running, unpaused member turned to dead, calm or not */
	uint64_t calm_dead;	  /* of a calm one */
	uint64_t broken_promises; /* and most of its observers calm: fails the run unless tolerated */
};

struct oracle_counts *oracle_counts(struct sim *s); /* borrowed */

#endif
