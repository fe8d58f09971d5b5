/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONSENSUS_PACE_H
#define CONSENSUS_PACE_H
/*
 * How long a round takes here, a round trip and a durable write at a quorum of the voters: measured by this node's own
 * proposals, smoothed. Pauses between who may do the same (ranks, tries, what is sent again) are counted in it.
 *
 * A round in which something was sent again says nothing of how long it takes: the answer may be to the first or to the
 * second (Karn and Partridge 1987). That it had not come by then does say that the figure is too low, or that
 * something was lost; so it rises by a step, and where that goes on, until rounds end before anything is sent again.
 */
#include <stdbool.h>
#include <stdint.h>

#define PACE_FIRST_MS 20 /* until it was measured */
/* A turn of a busy node's loop or two: pauses that are shorter part nobody from anybody. */
#define PACE_MIN_MS 5
/*
 * Above any link and disk that do well. Where a disk stands for seconds, or a minute, who is next in rank is to
 * step in after seconds, not after minutes, and what was lost is to be sent again as soon.
 */
#define PACE_MAX_MS 250

struct pace {
	uint32_t us;
	bool known; /* there was a round */
};

void pace_init(struct pace *p);
void pace_took(struct pace *p, int64_t ms); /* a round, in which nothing was sent twice */
void pace_sent_again(struct pace *p);	    /* a round ended, in which something was */
uint32_t pace_ms(const struct pace *p);	    /* within the bounds */
/*
 * The same, for ranks. Until it is known it is that of hosts side by side: most nodes never propose, and where they
 * step in too late all wait for it; too soon, and a ballot is refused.
 */
uint32_t pace_rank_ms(const struct pace *p);

#endif
