/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_SEEDS_H
#define TESTS_LIB_SEEDS_H
/*
 * The seeds of a test: 1 to so many, or those of COVEY_SEEDS="FROM TO", which are told when they begin.
 *
 *	for (struct seeds s = seeds_of(SEEDS); seeds_next(&s);)
 *		one_seed(s.seed);
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/test.h"

#define SEEDS_TELL 1000 /* of more each hundredth is told */

struct seeds {
	uint64_t seed, to, n;
	bool told;
};

static inline struct seeds seeds_of(uint64_t usual)
{
	const char *told = getenv("COVEY_SEEDS");
	uint64_t from = 1, to = usual;

	if (told && sscanf(told, "%" SCNu64 " %" SCNu64, &from, &to) != 2)
		fail_msg("COVEY_SEEDS is two numbers: FROM TO");
	return (struct seeds){.seed = from - 1, .to = to, .n = to - from + 1, .told = told != NULL};
}

static inline bool seeds_next(struct seeds *s)
{
	if (s->seed == s->to)
		return false;
	s->seed++;
	if (s->told && (s->n <= SEEDS_TELL || s->seed % 100 == 0))
		print_message("seed %" PRIu64 "\n", s->seed);
	return true;
}

#endif
