/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the way of fdatasync and fsync (LD_PRELOAD, see dev/rough): most take a few milliseconds more, some a tenth of
 * COVEY_ROUGH_DISK_MS at most, and one of 25 up to all of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t any(void)
{
	struct timespec t;
	uint64_t x;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* always there */
	x = ((uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 32) * UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
	return x ^ x >> 32;
}

static void delay(void)
{
	const char *most = getenv("COVEY_ROUGH_DISK_MS");
	double most_ms = most ? atof(most) : 0, part = (double)(any() >> 11) / (double)(UINT64_C(1) << 53);
	uint64_t kind = any() % 100, us;

	us = (uint64_t)((kind < 4 ? most_ms : kind < 20 ? most_ms / 10 : 5) * part * 1000);
	(void)nanosleep(&(struct timespec){.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000},
		NULL); /* a shorter one is one, too */
}

int fdatasync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");

	delay();
	return next(fd);
}

int fsync(int fd)
{
	int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");

	delay();
	return next(fd);
}
