/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_HEALTH_H
#define SUPERVISOR_HEALTH_H
/*
 * One probe's schedule and verdict, decided purely: when to ask next, and after how many answers in a row the
 * verdict turns. Part of a replica; node/ never speaks to it directly. Three levels: healthy; degraded (answers,
 * but failed since, or took more than half of its timeout); unhealthy.
 *
 * Until it has been ready once, a replica's readiness is asked eagerly: after 50 ms, then each time a quarter of the
 * time since the start has passed, at most `every`. So an agent that is up after 300 ms is known as ready soon
 * after, whatever `every` is, and no failure counts before the usual pace is reached.
 *
 * notify is not asked. Readiness: READY=1 turns it healthy. Liveness: WATCHDOG=1 must come; a silence of
 * `every` × `failures` is unhealthy. As under systemd it counts from READY=1 where readiness is notify, else
 * from the start; `after` delays it.
 */
#include "base/clock.h"
#include "supervisor/spec.h"

enum health_which { HEALTH_LIVENESS, HEALTH_READINESS, HEALTH_WHICH_MAX };
enum health_level { HEALTH_UNKNOWN, HEALTH_HEALTHY, HEALTH_DEGRADED, HEALTH_UNHEALTHY, HEALTH_LEVEL_MAX };

#define HEALTH_TEXT_MAX	       128
#define HEALTH_EAGER_MS	       50
#define HEALTH_ANSWER_GRACE_MS 5000 /* an answer that is late by this, over its timeout, will not come */
#define HEALTH_BUSY_MS	       50   /* until one that could not be asked is tried again */
#define HEALTH_JITTER_MAX      1000

struct health {
	const struct spec_probe *probe; /* borrowed from the definition; kind NONE: does nothing; NULL: no run */
	enum health_which which;
	enum health_level level;
	bool asking;	  /* a probe is out */
	bool again;	  /* the next is one that could not be asked before: it has been counted */
	int64_t start_ms; /* of the run, `after` included */
	int64_t asked_ms;
	int64_t next_ms; /* CLOCK_MONOTONIC: when to ask (probes), or when silence counts (notify's watchdog) */
	int64_t failed_in_row, ok_in_row;
	int64_t took_ms; /* of the last answer; -1: none yet */
	uint64_t asked, failed;
	char text[HEALTH_TEXT_MAX]; /* what went wrong last */
};

void health_start(struct health *h, enum health_which which, const struct spec_probe *probe,
	int64_t now_ms);	    /* a run has begun */
void health_stop(struct health *h); /* the run has ended; asked and failed go on counting */
/* Another definition counts: true when the probe differs, then it has begun anew (an answer that is out is void). */
bool health_respec(struct health *h, const struct spec_probe *probe, int64_t now_ms);
bool health_is_due(const struct health *h, int64_t now_ms); /* true: the caller asks, and says so by health_asked */
/* jitter, 0 … HEALTH_JITTER_MAX - 1: takes up to a tenth off `every`, so that probes of a thousand replicas spread. */
void health_asked(struct health *h, uint64_t jitter, int64_t now_ms);
/* It could not be asked: no answer of any kind; due again a moment later. */
void health_not_asked(struct health *h, int64_t now_ms);
/* An answer. Returns true when the level changed. text may be NULL. */
bool health_answer(struct health *h, bool ok, int64_t took_ms, const char *text, int64_t now_ms);
/* The watchdog is armed or fed; by WATCHDOG=1 (beat) the level changes: true. Nothing but for liveness by notify. */
bool health_watch(struct health *h, bool beat, int64_t now_ms);
/* READY=1, or STOPPING=1: ready no more. Nothing but for readiness by notify. Returns true when the level changed. */
bool health_ready(struct health *h, bool ready);
/* Silence for too long: of the watchdog, or of an answer that never came (asking: the caller cancels it). */
bool health_is_overdue(const struct health *h, int64_t now_ms);
bool health_overdue(struct health *h, int64_t now_ms); /* counts it; returns true when the level changed */
int64_t health_deadline_ms(const struct health *h);
const char *health_level_name(enum health_level l);
/* Copies a text of others, each control character as a blank. */
void health_copy_text(char *out, size_t n, const char *s);

#endif
