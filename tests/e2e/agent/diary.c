/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent that keeps a diary: while it runs it appends a line every 10 ms to a file of its own in $DIARY, so that a
 * test reads afterwards what ran where, when and at which epoch (tests/e2e/bed/diary.py).
 *
 *	REPLICA-NODE-EPOCH-BOOTTIME		the file's name: when this process began
 *	REALTIME BOOTTIME			a line: both in ns
 *
 * What a late line means is the reader's to judge: a line says that the process ran then, silence says nothing.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EACH_NS 10000000

static int64_t ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t); /* these clocks are always there */
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static const char *told(const char *name)
{
	const char *s = getenv(name);

	if (s && *s)
		return s;
	(void)fprintf(stderr, "diary: %s is not told\n", name); /* nobody else reads it */
	exit(2);
}

int main(void)
{
	char path[512], line[64];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s-%s-%s-%" PRId64, told("DIARY"), told("COVEY_REPLICA"),
		told("COVEY_NODE"), told("COVEY_EPOCH"), ns(CLOCK_BOOTTIME)); /* cut: then it cannot be read */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		perror(path);
		return 2;
	}
	for (;;) {
		int n = snprintf(
			line, sizeof(line), "%" PRId64 " %" PRId64 "\n", ns(CLOCK_REALTIME), ns(CLOCK_BOOTTIME));

		if (write(fd, line, (size_t)n) != n) {
			perror(path);
			return 2;
		}
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = EACH_NS}, NULL);
	}
}
