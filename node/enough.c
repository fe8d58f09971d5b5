/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change that is told crosses every link of the cluster: with 32 nodes that each tell their use once in ten
 * seconds nothing would be left of the budget of an idle one (1,200 B/s, 760 of them heartbeats). Others place replicas
 * by these figures, for which a twentieth is exact.
 */
#include "node/enough.h"

#define OF_ALL	0.05
#define OF_TOLD 0.25
#define LEAST	0.01

static bool moved(double told, double is, double of, bool old)
{
	double by = is > told ? is - told : told - is;

	if ((told < 0) != (is < 0))
		return true; /* it became known, or is not any more */
	if (told < 0 || by <= 0)
		return false;
	if (of <= 0)
		return by > OF_TOLD * told;
	return by >= OF_ALL * of || (by >= LEAST * of && (old || by > OF_TOLD * told));
}

bool enough_changed(
	const struct enough_use *told, const struct enough_use *is, const struct enough_use *of, int64_t age_ms)
{
	bool old = age_ms >= ENOUGH_OLD_MS;

	return moved(told->cpu_cores, is->cpu_cores, of->cpu_cores, old) ||
	       moved((double)told->memory_bytes, (double)is->memory_bytes, (double)of->memory_bytes, old);
}
