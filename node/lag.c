/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two windows, so that what is told is never of less than one.
 */
#include "node/lag.h"

#include "base/util.h"

static void move_on(struct lag *l, int64_t now_ms)
{
	int64_t passed = now_ms - l->window_at_ms;

	if (passed < LAG_WINDOW_MS)
		return;
	l->before_us = passed < 2 * LAG_WINDOW_MS ? l->now_us : 0;
	l->now_us = 0;
	l->window_at_ms = now_ms;
}

void lag_turn(struct lag *l, int64_t took_us, int64_t now_ms)
{
	move_on(l, now_ms);
	l->now_us = MAX(l->now_us, took_us);
}

double lag_max_ms(struct lag *l, int64_t now_ms)
{
	move_on(l, now_ms);
	return (double)MAX(l->now_us, l->before_us) / 1e3;
}
