/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_RUNS_H
#define TESTS_SIM_RUNS_H
/*
 * What is done in a run: a swarm of faults with healing at its end, or a scenario whose figures have bars.
 */
#include "tests/sim/figures.h"
#include "tests/sim/sim.h"

struct run {
	const char *scenario; /* NULL: faults, then healing */
	const char *faults;
	uint32_t nodes;
	uint64_t seed;
	double minutes;
	enum gossip_profile_id profile;
	bool tls;
	bool primed;	      /* a cluster that was together: each knows of all at the start */
	bool whole;	      /* nodes, not gossip cores alone */
	bool mixed;	      /* of two versions */
	bool disaster;	      /* a majority of the voters is lost for ever */
	int mutant;	      /* the rule that is left out; 0: none */
	uint32_t agents;      /* of whole nodes; 0: the seed draws */
	unsigned trials;      /* of a scenario, 0: its own number */
	uint32_t check_every; /* 0: by the size of the cluster */
	bool check_set;
	FILE *live;
	struct figures figures;
	char faults_text[512]; /* as drawn */
	char why[256];	       /* why it failed */
	double virtual_s;
	uint64_t steps, msgs;
};

/* Whether all was as it must be; if not, run->why, and the end of the story is written to standard error. */
bool runs_go(struct run *r);
const char *runs_scenario_name(size_t i, const char **ret_what); /* NULL behind the last */

/* For scenarios. */
struct scenario {
	const char *name, *what;
	uint32_t nodes; /* default */
	double minutes;
	void (*go)(struct sim *s, struct run *r);
};

extern const struct scenario runs_scenarios[]; /* ended by one without a name */
/* All nodes start within `over_us`, the first founds the cluster; false, and failed, when they do not come together. */
bool runs_together(struct sim *s, int64_t over_us, int64_t within_us);
/* Waits until it holds; the time it took, or a failure that says `what`. */
int64_t runs_wait(
	struct sim *s, int64_t within_us, bool (*done)(struct sim *s, void *arg), void *arg, const char *what);
struct net_profile runs_net(enum gossip_profile_id profile, bool tls);

#endif
