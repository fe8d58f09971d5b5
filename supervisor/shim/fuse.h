/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_FUSE_H
#define SUPERVISOR_SHIM_FUSE_H
/*
 * The fuse of a leased replica: reads the daemon's deadline and the clocks; fusejudge.c decides.
 */
#include "supervisor/shim/fusejudge.h"
#include "supervisor/shim_proto.h"

struct fuse {
	const struct shim_lease *lease; /* NULL: there is none */
	int deadline_fd;		/* timerfd on CLOCK_BOOTTIME, at the deadline last read */
	int clock_fd;			/* timerfd that a set clock cancels */
	int64_t seen_ns;		/* the deadline last read */
	int64_t slept_ns;
	bool has_rtc;
};

void fuse_none(struct fuse *f);
/* By the page behind SHIM_FD_LEASE; 0 or -errno. */
int fuse_open(struct fuse *f);
/* When one of its descriptors is readable, when it is to be armed, and before a start. Sets the timer anew while it
 * holds. */
enum fuse_verdict fuse_look(struct fuse *f);
/* Ahead of everything else on the host, with all memory present: what may fail here is only made worse by giving up. */
void fuse_first_in_line(void);

#endif
