/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smoothed figure: the first, then an eighth of the way to each new one, as TCP does with its round trips (RFC
 * 6298).
 */
#include "consensus/pace.h"

#include "base/util.h"

#define SHARE 8

void pace_init(struct pace *p)
{
	*p = (struct pace){.us = PACE_FIRST_MS * 1000};
}

void pace_took(struct pace *p, int64_t ms)
{
	int64_t us = MIN(MAX(ms, (int64_t)PACE_MIN_MS), (int64_t)PACE_MAX_MS) * 1000;

	p->us = p->known ? (uint32_t)((int64_t)p->us + (us - (int64_t)p->us) / SHARE) : (uint32_t)us;
	p->known = true;
}

void pace_sent_again(struct pace *p)
{
	p->us = MIN(p->us + p->us / SHARE, PACE_MAX_MS * 1000u);
	p->known = true;
}

uint32_t pace_ms(const struct pace *p)
{
	return (p->us + 500) / 1000;
}

uint32_t pace_rank_ms(const struct pace *p)
{
	return p->known ? pace_ms(p) : PACE_MIN_MS;
}
