/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checked state machines.
 */
#include "base/sm.h"

bool sm_may_move(const struct sm_state *table, int n, int at, int to)
{
	assert(at >= 0 && at < n && to >= 0 && to < n && n <= 32);
	return (table[at].to & SM_TO(to)) != 0;
}

void sm_move(const struct sm_state *table, int n, int *at, int to)
{
	assert(sm_may_move(table, n, *at, to));
	*at = to;
}
