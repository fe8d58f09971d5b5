/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_FUSEJUDGE_H
#define SUPERVISOR_SHIM_FUSEJUDGE_H
/*
 * Whether a leased replica may go on. Pure; who reads the clocks is fuse.c.
 */
#include <stdbool.h>
#include <stdint.h>

/* More than this between CLOCK_BOOTTIME and CLOCK_MONOTONIC is a sleep, less the time between reading the two. */
#define FUSE_SLEEP_MIN_NS 10000000

enum fuse_verdict { FUSE_HOLDS, FUSE_EXPIRED, FUSE_RESUMED, FUSE_UNSURE, FUSE_VERDICT_MAX };

struct fuse_view {
	int64_t deadline_ns;	  /* CLOCK_BOOTTIME; SHIM_LEASE_UNARMED */
	int64_t boot_ns, mono_ns; /* the two clocks, read together */
	int64_t slept_ns;	  /* their difference when the fuse was armed */
	bool clock_was_set;	  /* CLOCK_REALTIME jumped: a step, or a resume */
	bool has_rtc;		  /* without one a sleep does not show in CLOCK_BOOTTIME */
};

enum fuse_verdict fusejudge(const struct fuse_view *v);
/* The sentence for an exit record. */
const char *fusejudge_text(enum fuse_verdict v);

#endif
