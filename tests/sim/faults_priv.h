/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_FAULTS_PRIV_H
#define TESTS_SIM_FAULTS_PRIV_H
/*
 * What the two files of faults share.
 */
#include "tests/sim/faults.h"

#define TURN_US 1000000 /* mean between two turns of what flips */

struct faults {
	struct sim *sim;
	struct rng rng;
	uint32_t rate[FAULTS_KINDS_MAX]; /* a minute, in thousandths */
	struct heap_item next;
	struct fault active[FAULTS_ACTIVE_MAX];
	uint64_t done;
};

extern const struct fault_kind faults_kinds[]; /* ended by one without a name */
int64_t faults_some_us(struct faults *f, int64_t mean_us);

#endif
