/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The restart policy; its rules are told in restart.h. Who ends a run, and what counts as ended well, is the
 * replica's to say.
 */
#include "supervisor/restart.h"

#include <string.h>

/* The wait without jitter. */
static int64_t nominal_ms(const struct spec_restart *p, int64_t tries)
{
	int64_t d = p->initial_ms;

	switch (p->backoff) {
	case SPEC_LINEAR:
		if (__builtin_mul_overflow(d, tries, &d))
			d = p->max_ms;
		break;
	case SPEC_EXPONENTIAL:
		for (int64_t i = 1; i < tries && d > 0 && d < p->max_ms; i++)
			d = d > p->max_ms / 2 ? p->max_ms : d * 2;
		break;
	case SPEC_FIXED:
	case SPEC_BACKOFF_MAX:
		break;
	}
	return MIN(d, p->max_ms);
}

static bool was_good(const struct spec_restart *p, int64_t tries, int64_t ran_ms)
{
	return ran_ms >= RESTART_GOOD_RUN_MS && (tries == 0 || ran_ms >= nominal_ms(p, tries));
}

/* The limit and its time, brought down to what is remembered. */
static size_t kept_limit(const struct spec_restart *p, int64_t *ret_within_ms)
{
	if (p->limit <= RESTART_KEPT) {
		*ret_within_ms = p->within_ms;
		return (size_t)p->limit;
	}
	*ret_within_ms = p->within_ms / p->limit * RESTART_KEPT;
	return RESTART_KEPT;
}

static void drop_oldest(struct restart_history *h, size_t n)
{
	h->n -= n;
	memmove(h->at_ms, h->at_ms + n, h->n * sizeof(h->at_ms[0]));
}

static void window_add(struct restart_history *h, int64_t within_ms, int64_t now_ms)
{
	size_t old = 0;

	while (old < h->n && now_ms - h->at_ms[old] >= within_ms)
		old++;
	if (old == 0 && h->n == RESTART_KEPT)
		old = 1;
	drop_oldest(h, old);
	h->at_ms[h->n++] = now_ms;
}

enum restart_verdict restart_decide(
	const struct spec_restart *p, struct restart_history *h, bool ok, int64_t ran_ms, int64_t now_ms)
{
	int64_t within_ms;
	size_t limit = kept_limit(p, &within_ms);

	if (p->when == SPEC_NEVER || (p->when == SPEC_ON_FAILURE && ok))
		return ok ? RESTART_DONE : RESTART_REFUSED;
	if (was_good(p, h->tries, ran_ms))
		h->tries = 0;
	h->tries++;
	window_add(h, within_ms, now_ms);
	return limit > 0 && h->n >= limit ? RESTART_GIVEN_UP : RESTART_AGAIN;
}

int64_t restart_delay_ms(const struct spec_restart *p, int64_t tries, int64_t ran_ms, struct rng *rng)
{
	int64_t d = nominal_ms(p, tries), off;

	assert(tries >= 1);
	off = d / 100 * p->jitter_percent + d % 100 * p->jitter_percent / 100;
	d -= (int64_t)rng_below(rng, (uint64_t)off + 1);
	if (tries > RESTART_SPIN_TRIES && ran_ms < RESTART_SPIN_RUN_MS)
		d = MAX(d, (int64_t)RESTART_SPIN_PAUSE_MS);
	return d;
}

void restart_forget(struct restart_history *h)
{
	h->tries = 0;
	h->n = 0;
}
