/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_RESTART_H
#define SUPERVISOR_RESTART_H
/*
 * The restart policy, decided purely: whether a run that ended is followed by another, after how long, and when
 * it is enough.
 *
 * Every end of a run that nobody asked for counts, an exit with 0 under `always` too (systemd's start limit and
 * Kubernetes' crash loop count alike). Two counts are kept, and each heals in its own way:
 *
 *	tries	place in the backoff. Anew after a good run: one of at least 10 s that also lasted as long as the
 *		wait before it (so that five minutes of waiting are not forgiven for ten seconds of running).
 *	window	ends of the last `within`, waits included, as systemd's StartLimitIntervalSec: `limit` of them and
 *		it is given up. Heals by itself, as they grow old.
 *
 * Jitter takes off up to its percentage, so that `max` is never passed and nothing gathers at it.
 */
#include "base/rng.h"
#include "supervisor/spec.h"

#define RESTART_KEPT	    16 /* ends remembered; a greater limit is judged by its rate: 16 in within × 16 / limit */
#define RESTART_GOOD_RUN_MS 10000
/* The guard against a policy without any wait (initial: 0ms, limit: 0): so many short runs, then a pause each. */
#define RESTART_SPIN_TRIES    10
#define RESTART_SPIN_RUN_MS   1000
#define RESTART_SPIN_PAUSE_MS 100

struct restart_history {
	int64_t tries;
	size_t n;		     /* of at_ms, oldest first */
	int64_t at_ms[RESTART_KEPT]; /* CLOCK_MONOTONIC */
};

enum restart_verdict {
	RESTART_AGAIN,	  /* after restart_delay_ms */
	RESTART_DONE,	  /* it ended well and the policy wants no more */
	RESTART_REFUSED,  /* it failed, and when: never */
	RESTART_GIVEN_UP, /* limit reached */
	RESTART_VERDICT_MAX
};

/* A run ended by itself: counts it (but for DONE and REFUSED) and decides. ok: it ended well. */
enum restart_verdict restart_decide(
	const struct spec_restart *p, struct restart_history *h, bool ok, int64_t ran_ms, int64_t now_ms);
/* The wait before the next run, tries (≥ 1) ends in; ran_ms is how long the last run was. */
int64_t restart_delay_ms(const struct spec_restart *p, int64_t tries, int64_t ran_ms, struct rng *rng);
void restart_forget(struct restart_history *h);

#endif
