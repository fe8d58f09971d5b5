/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_ORACLE_PRIV_H
#define TESTS_SIM_ORACLE_PRIV_H
/*
 * What the oracle remembers.
 */
#include "tests/sim/oracle.h"

struct oracle_known {
	uint64_t incarnation;
	uint32_t version;
};

struct oracle {
	uint8_t *view; /* [viewer][subject], owned, as the next ones */
	struct {
		uint32_t of[ORACLE_VIEW_MAX];
	} * count;		    /* [subject], over the living */
	struct oracle_known *known; /* [viewer][subject], NULL in large clusters */
	uint32_t living;	    /* whose views count */
	bool changed;		    /* anything that a condition may ask for, since it was last asked */
	bool tolerates;		    /* promises may be broken: they are counted */
	struct oracle_counts counts;
	uint32_t watched, watch_version, watch_round;
	int64_t watch_us;
	uint32_t *got; /* [viewer]: the round that it has */
	size_t n_got;
	struct sample watch_ms;
};

void oracle_own_map(struct sim_node *n);

#endif
