/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fuse's descriptors. The daemon only ever moves the deadline on, so it is enough to read it again when the one
 * read before has come. A timer far ahead on CLOCK_REALTIME is cancelled by the kernel when that clock is set, which
 * a resume from suspend does too.
 */
#include "supervisor/shim/fuse.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"

#define CLOCK_PAIR_TRIES  5
#define CLOCK_PAIR_MAX_NS 200000
#define FAR_AHEAD_S	  (100ll * 365 * 86400)

void fuse_none(struct fuse *f)
{
	*f = (struct fuse){.deadline_fd = -1, .clock_fd = -1};
}

/* Both clocks as of one moment: read between two readings of the other that lie close together. */
static void read_clocks(int64_t *ret_boot_ns, int64_t *ret_mono_ns)
{
	for (int i = 0; i < CLOCK_PAIR_TRIES; i++) {
		int64_t before = os_now_ns(CLOCK_MONOTONIC), after;

		*ret_boot_ns = os_now_ns(CLOCK_BOOTTIME);
		after = os_now_ns(CLOCK_MONOTONIC);
		*ret_mono_ns = before + (after - before) / 2;
		if (after - before < CLOCK_PAIR_MAX_NS)
			return;
	}
}

static int set_timer(int fd, int64_t at_ns, int flags)
{
	struct itimerspec t = {.it_value = {at_ns / 1000000000, at_ns % 1000000000}};

	if (at_ns <= 0)
		t.it_value = (struct timespec){0, 1}; /* all zero would stop it */
	return timerfd_settime(fd, TFD_TIMER_ABSTIME | flags, &t, NULL) < 0 ? -errno : 0;
}

static int watch_clock(struct fuse *f)
{
	return set_timer(f->clock_fd, os_now_ns(CLOCK_REALTIME) + FAR_AHEAD_S * 1000000000, K_TFD_TIMER_CANCEL_ON_SET);
}

int fuse_open(struct fuse *f)
{
	int64_t boot_ns, mono_ns;
	struct stat st;
	void *page;

	fuse_none(f);
	if (fstat(SHIM_FD_LEASE, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(*f->lease))
		return -EINVAL;
	page = mmap(NULL, sizeof(*f->lease), PROT_READ, MAP_SHARED, SHIM_FD_LEASE, 0);
	if (page == MAP_FAILED)
		return -errno;
	f->deadline_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	f->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (f->deadline_fd < 0 || f->clock_fd < 0)
		return -errno;
	read_clocks(&boot_ns, &mono_ns);
	f->slept_ns = boot_ns - mono_ns;
	f->has_rtc = access("/sys/class/rtc/rtc0", F_OK) == 0;
	f->lease = page;
	return watch_clock(f);
}

enum fuse_verdict fuse_look(struct fuse *f)
{
	struct fuse_view v = {.slept_ns = f->slept_ns, .has_rtc = f->has_rtc};
	enum fuse_verdict verdict;
	uint64_t fired;

	if (!f->lease)
		return FUSE_HOLDS;
	(void)read(f->deadline_fd, &fired, sizeof(fired)); /* makes it unreadable; the clocks tell what is due */
	if (read(f->clock_fd, &fired, sizeof(fired)) < 0 && errno == ECANCELED) {
		v.clock_was_set = true;
		(void)watch_clock(f); /* a timer that was set once can be set again */
	}
	v.deadline_ns = atomic_load_explicit(&f->lease->deadline_boot_ns, memory_order_acquire);
	read_clocks(&v.boot_ns, &v.mono_ns);
	if (f->seen_ns == SHIM_LEASE_UNARMED)
		v.slept_ns = f->slept_ns = v.boot_ns - v.mono_ns; /* what it slept before it was armed */
	f->seen_ns = v.deadline_ns;
	verdict = fusejudge(&v);
	if (verdict == FUSE_HOLDS && set_timer(f->deadline_fd, v.deadline_ns, 0) < 0)
		verdict = FUSE_EXPIRED; /* a fuse that cannot be set does not hold */
	return verdict;
}

void fuse_first_in_line(void)
{
	const struct sched_param first = {.sched_priority = 1};

	(void)syscall(SYS_sched_setscheduler, 0, SCHED_FIFO | K_SCHED_RESET_ON_FORK, &first); /* see fuse.h */
	(void)mlockall(MCL_CURRENT);
	(void)mlockall(MCL_FUTURE);
}
