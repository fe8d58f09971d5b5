/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_WAIT_H
#define TESTS_LIB_WAIT_H
/*
 * Waiting for an event, never for a time: the condition is looked at every few milliseconds, and the bound is so
 * generous that only a real fault reaches it. On a loaded machine a test becomes slower, not red.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/lib/test.h"

/* In seconds; COVEY_TEST_SLOWDOWN tells how many times slower than a plain host an emulated one is. */
static inline int wait_bound_s(void)
{
	const char *slowdown = getenv("COVEY_TEST_SLOWDOWN");

	return 30 * (slowdown && atoi(slowdown) > 1 ? atoi(slowdown) : 1);
}
#define WAIT_BOUND_S wait_bound_s()

static inline int64_t wait_mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static inline void wait_pause(void)
{
	(void)nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL); /* a shorter pause does no harm */
}

/* Up to max_ms, to hit a random instant of something: never to wait for it. */
static inline void wait_any_instant(uint64_t random, int max_ms)
{
	const struct timespec t = {.tv_nsec = (long)(random % ((uint64_t)max_ms * 1000000))};

	(void)nanosleep(&t, NULL); /* as above */
}

/* recv() with a bound (SO_RCVTIMEO), which is told of the process's having been stopped and going on: not this one. */
static inline ssize_t wait_recv(int fd, void *v, size_t n)
{
	ssize_t r;

	do
		r = recv(fd, v, n, 0);
	while (r < 0 && errno == EINTR);
	return r;
}

/* The same for all n bytes, or as many as came before the end. */
static inline ssize_t wait_recv_all(int fd, void *v, size_t n)
{
	size_t at = 0;
	ssize_t r = 1;

	for (; at < n && r > 0; at += r > 0 ? (size_t)r : 0)
		r = wait_recv(fd, (char *)v + at, n - at);
	return (ssize_t)at;
}

/* What took a third of its bound has a thin margin: the log of the test names it, though it passes. */
static inline void wait_told(int64_t began_ms, int bound_s, const char *cond)
{
	int64_t took_ms = wait_mono_ms() - began_ms;

	if (took_ms > bound_s * 1000LL / 3)
		print_message("took %d of %d s: %s\n", (int)(took_ms / 1000), bound_s, cond);
}

/* Until cond holds; the test fails, naming cond, after bound_s seconds. */
#define WAIT_UNTIL(cond, bound_s)                                                       \
	do {                                                                            \
		int64_t wait_began = wait_mono_ms();                                    \
		while (!(cond)) {                                                       \
			if (wait_mono_ms() > wait_began + (int64_t)(bound_s)*1000)      \
				fail_msg("waited %d s for: %s", (int)(bound_s), #cond); \
			wait_pause();                                                   \
		}                                                                       \
		wait_told(wait_began, (int)(bound_s), #cond);                           \
	} while (0)

#endif
