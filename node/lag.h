/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_LAG_H
#define NODE_LAG_H
/*
 * How late the event loop was: a turn of it is what everything else had to wait. Purely; the longest of the last one to
 * two minutes is told.
 */
#include <stdint.h>

#define LAG_WINDOW_MS 60000

struct lag {
	int64_t window_at_ms;	   /* CLOCK_MONOTONIC */
	int64_t now_us, before_us; /* the longest turn of this window, and of the one before */
};

/* A turn that took so long has ended. */
void lag_turn(struct lag *l, int64_t took_us, int64_t now_ms);
double lag_max_ms(struct lag *l, int64_t now_ms);

#endif
