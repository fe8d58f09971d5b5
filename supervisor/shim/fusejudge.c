/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rule of consensus.md, The fuse: past the deadline a replica is ended at once; after a sleep of the host too,
 * whatever the deadline; a jump of the wall clock means nothing by itself, unless a sleep could not be told from it.
 * Before the first deadline nothing ends it.
 */
#include "supervisor/shim/fusejudge.h"

#include "base/util.h"
#include "supervisor/shim_proto.h"

enum fuse_verdict fusejudge(const struct fuse_view *v)
{
	int64_t slept = v->boot_ns - v->mono_ns - v->slept_ns;

	if (v->deadline_ns == SHIM_LEASE_UNARMED)
		return FUSE_HOLDS;
	if (slept > FUSE_SLEEP_MIN_NS || slept < -FUSE_SLEEP_MIN_NS)
		return FUSE_RESUMED;
	if (v->boot_ns >= v->deadline_ns)
		return FUSE_EXPIRED;
	return v->clock_was_set && !v->has_rtc ? FUSE_UNSURE : FUSE_HOLDS;
}

const char *fusejudge_text(enum fuse_verdict v)
{
	static const char *const text[] = {
		[FUSE_HOLDS] = "the lease holds",
		[FUSE_EXPIRED] = "its lease ran out before it was renewed",
		[FUSE_RESUMED] = "the host woke from a sleep",
		[FUSE_UNSURE] = "the clock was set, and without an RTC that cannot be told from a sleep",
	};

	_Static_assert(ARRAY_LEN(text) == FUSE_VERDICT_MAX, "a sentence for every verdict");
	return text[v];
}
