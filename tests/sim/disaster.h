/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_DISASTER_H
#define TESTS_SIM_DISASTER_H
/*
 * A majority of the voters is lost for ever, in the middle of all other faults, and given up by an operator: as
 * `covey recover --force` asks it, now and then, of one of the voters that are left, until they begin an era of their
 * own (PROTOCOL.md, *Eras*). Some hosts that are lost at the same time come back later, before it or after it. So many
 * voters are gone that those of before can decide nothing any more: then all holds that a run must keep, but one
 * thing. What was chosen before, and none of the voters that began the era had on disk, may be in nothing that follows.
 *
 * The operator says that the hosts given up are off only once they are, for as long as a lease may last; else the
 * daemon is left to wait. All draws are of a generator of its own: a run without is as it was.
 */
#include "tests/sim/figures.h"
#include "tests/sim/sim.h"

struct disaster;
struct whole;

struct disaster *disaster_new(struct sim *s, uint64_t seed);
void disaster_free(struct sim *s);
void disaster_begin(struct sim *s); /* from now on it may come */
void disaster_due(struct sim *s);
void disaster_looked(struct whole *w);		/* a turn of a node is over */
bool disaster_is_over(const struct sim *s);	/* whoever is to come back has; or none came */
bool disaster_is_in_era(const struct whole *w); /* it knows the era: what it calls chosen is so there */
/* Whether what was chosen before, and is on the disks of these nodes, need not be in what is chosen in the era. */
bool disaster_excuses(const struct sim *s, uint32_t on_disk);
void disaster_figures(const struct disaster *d, struct figures *f);

#endif
