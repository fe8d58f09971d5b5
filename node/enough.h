/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_ENOUGH_H
#define NODE_ENOUGH_H
/*
 * When a figure that wavers is worth telling to every node again. Purely.
 */
#include "base/util.h"

#define ENOUGH_OLD_MS 300000

struct enough_use {
	double cpu_cores; /* -1: not known */
	int64_t memory_bytes;
};

/*
 * told: what others know, told age_ms ago; is: what it is; of: all that there is. A change by a twentieth of all, or
 * by a quarter of what was told (and a hundredth of all); once that is old a hundredth of all will do.
 */
bool enough_changed(
	const struct enough_use *told, const struct enough_use *is, const struct enough_use *of, int64_t age_ms);

#endif
