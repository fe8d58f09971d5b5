/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_HEALTH_H
#define SUPERVISOR_HEALTH_H
/*
 * One probe's schedule and verdict, decided purely: when to ask next, and after how many answers in a row the
 * verdict turns. Part of a replica; node/ never speaks to it directly. Three levels: healthy; degraded (answers,
 * but failed since, or took more than half of its timeout); unhealthy.
 */
#include "base/clock.h"
#include "supervisor/spec.h"

enum health_which { HEALTH_LIVENESS, HEALTH_READINESS, HEALTH_WHICH_MAX };
enum health_level { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY, HEALTH_LEVEL_MAX };

struct health {
	const struct spec_probe *probe; /* borrowed from the definition; kind NONE: does nothing */
	enum health_level level;
	bool asking;	 /* a probe is out */
	int64_t next_ms; /* CLOCK_MONOTONIC: when to ask (probes), or when silence counts (notify's watchdog) */
	int64_t failed_in_row, ok_in_row;
	int64_t took_ms; /* of the last answer */
	uint64_t asked, failed;
	char text[128]; /* what went wrong last */
};

void health_start(struct health *h, const struct spec_probe *probe, int64_t now_ms); /* a run has begun */
void health_stop(struct health *h);						     /* the run has ended */
bool health_is_due(const struct health *h, int64_t now_ms); /* true: the caller asks, and says so by health_asked */
void health_asked(struct health *h, int64_t now_ms);
/* An answer. Returns true when the level changed. */
bool health_answer(struct health *h, bool ok, int64_t took_ms, const char *text, int64_t now_ms);
int64_t health_deadline_ms(const struct health *h);
const char *health_level_name(enum health_level l);

#endif
