/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_WHOLE_TRUTH_H
#define TESTS_SIM_WHOLE_TRUTH_H
/*
 * What was ever accepted and chosen in a run, by register: see whole_run.h for what must be true of it.
 */
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

struct whole_truth *whole_truth_new(void);
void whole_truth_free(struct whole_truth *t);
/* Who votes, as it was accepted somewhere; *at is 0 at first. NULL: no more. */
const struct quorum_cfg *whole_truth_cfg(const struct whole_truth *t, size_t *at);

#endif
