/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FAIL_IO_H
#define TESTS_LIB_FAIL_IO_H
/*
 * Fail the n-th write or fsync. Including this file (in the one .c file of a test program) puts functions of these
 * names in front of libc's, for the program and for the libraries it loads (SQLite too), on all threads. pwrite
 * counts as a write, fdatasync as an fsync.
 *
 *	fault_set(FAULT_WRITE, 3, ENOSPC);	the third write from now on fails, and all after it
 *	…
 *	assert_true(fault_clear(FAULT_WRITE));	it was reached
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/util.h"

enum fault { FAULT_WRITE, FAULT_FSYNC, FAULT_MAX };

struct fault_state {
	atomic_long in; /* calls until it fails */
	atomic_int error;
	atomic_bool on, reached;
};

static struct fault_state fault_states[FAULT_MAX];

/* The n-th call (1: the next) and all later ones fail with `error`, until fault_clear. */
static inline void fault_set(enum fault what, long n, int error)
{
	struct fault_state *f = &fault_states[what];

	f->in = n;
	f->error = error;
	f->reached = false;
	f->on = true;
}

/* Calls succeed again; whether one failed. */
static inline bool fault_clear(enum fault what)
{
	fault_states[what].on = false;
	return fault_states[what].reached;
}

static inline bool fault_now(enum fault what)
{
	struct fault_state *f = &fault_states[what];

	if (!f->on || atomic_fetch_sub(&f->in, 1) > 1)
		return false;
	f->reached = true;
	errno = f->error;
	return true;
}

ssize_t write(int fd, const void *v, size_t n)
{
	return fault_now(FAULT_WRITE) ? -1 : (ssize_t)syscall(SYS_write, fd, v, n);
}

ssize_t pwrite(int fd, const void *v, size_t n, off_t at)
{
	return fault_now(FAULT_WRITE) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, v, n, at);
}

ssize_t pwrite64(int fd, const void *v, size_t n, off64_t at)
{
	return fault_now(FAULT_WRITE) ? -1 : (ssize_t)syscall(SYS_pwrite64, fd, v, n, at);
}

int fsync(int fd)
{
	return fault_now(FAULT_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return fault_now(FAULT_FSYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

#endif
