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

#endif
