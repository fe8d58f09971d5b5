/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See recall.h. Once the disk was found good, or believed for want of others, a later word of one that is not in the
 * view any more changes nothing; but for the word that it is old, which holds from then on.
 */
#include "node/recall.h"

static const char *const names[] = {
	[RECALL_ASKS] = "asks",
	[RECALL_GOOD] = "good",
	[RECALL_ALONE] = "alone",
	[RECALL_OLD] = "old",
};
_Static_assert(ARRAY_LEN(names) == RECALL_STAND_MAX, "each stand has a name");

enum recall_stand recall_judge(enum recall_stand was, const struct recall_view *v)
{
	if (was == RECALL_OLD || v->old)
		return RECALL_OLD;
	if (was != RECALL_ASKS)
		return was;
	if (v->single)
		return RECALL_ALONE;
	if (v->answered > 0 && v->silent == 0)
		return RECALL_GOOD;
	if (v->since_ms >= (v->silent > 0 ? RECALL_MOST_MS : RECALL_ALONE_MS))
		return RECALL_ALONE;
	return RECALL_ASKS;
}

bool recall_may_start(enum recall_stand stand, enum recall_source source)
{
	return source == RECALL_HEARD || (source == RECALL_DISK && (stand == RECALL_GOOD || stand == RECALL_ALONE));
}

/* One that passed it is not made up for by another that is as far behind. */
enum recall_source recall_told(enum recall_source was, int ballot)
{
	if (was == RECALL_HEARD || ballot < 0)
		return was;
	if (ballot > 0)
		return RECALL_PASSED;
	return was == RECALL_PASSED ? RECALL_PASSED : RECALL_HEARD;
}

enum recall_source recall_taken(enum recall_source was, enum recall_stand stand, bool behind)
{
	if (was == RECALL_HEARD)
		return RECALL_HEARD;
	if (behind)
		return RECALL_PASSED;
	return stand == RECALL_ASKS ? RECALL_DISK : RECALL_HEARD;
}

const char *recall_stand_name(enum recall_stand stand)
{
	return (unsigned)stand < RECALL_STAND_MAX ? names[stand] : NULL;
}
