/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
/*
 * What time it is, as cores are told it. Read once a turn of the loop, after the frames were taken from the
 * queue. Timers run by mono_ms; leases by boot_ms (a suspended host has lost its time); wall_ms is for people
 * alone, and no behaviour depends on it.
 */
#include <stdint.h>

struct now {
	int64_t mono_ms; /* CLOCK_MONOTONIC */
	int64_t boot_ms; /* CLOCK_BOOTTIME */
	int64_t wall_ms; /* CLOCK_REALTIME, since 1970 */
};

#define DEADLINE_NEVER INT64_MAX /* what x_deadline_ms returns when a core waits for events alone */

#endif
