/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_HOLDING_BED_H
#define TESTS_LIB_HOLDING_BED_H
/*
 * The bed of consensus_bed.h, whose leased slots are run as node/holding.h says. One bed at a time.
 */
#include "node/holding.h"
#include "tests/lib/consensus_bed.h"

struct holding_bed_figures {
	uint64_t releases, drops, identities;
	bool alone; /* set by a test: host 0 has its fuses unarmed, until holding_bed_arm */
};

extern struct holding_bed_figures holding_bed_figures;

void holding_bed_arm(struct cbed *b, int host);
const struct holding *holding_bed_of(int host);

#endif
