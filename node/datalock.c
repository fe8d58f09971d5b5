/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One daemon a data_dir. flock, not fcntl: it dies with the last descriptor, which a vforked child may hold a moment
 * longer than the daemon lived.
 */
#include "node/datalock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/io.h"
#include "base/mem.h"

#define WAIT_MS	 2000
#define PAUSE_MS 20
#define PID_TEXT 16

static int lock_within(int fd)
{
	const struct timespec pause = {.tv_nsec = PAUSE_MS * 1000000L};

	for (int waited = 0;; waited += PAUSE_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= WAIT_MS)
			return -errno;
		(void)nanosleep(&pause, NULL); /* a shorter pause only asks earlier */
	}
}

static int refuse(int fd, const char *data_dir, struct err *e)
{
	char text[PID_TEXT] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int pid = n > 0 ? atoi(text) : 0;

	if (pid <= 0)
		return err_set(e, -EBUSY, "another coveyd uses '%s': stop it first", data_dir);
	return err_set(e, -EBUSY, "another coveyd (pid %d) uses '%s': stop it first", pid, data_dir);
}

static int write_pid(int fd)
{
	char text[PID_TEXT];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	if (ftruncate(fd, 0) < 0)
		return -errno;
	return io_write_all(fd, text, (size_t)n);
}

int datalock_take(const char *data_dir, int *ret_fd, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/lock", data_dir);
	AUTO_CLOSE int fd = -1;
	int rc;

	if (!path)
		return err_set(e, -ENOMEM, "out of memory while locking '%s'", data_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "open '%s'", path);
	rc = lock_within(fd);
	if (rc == -EWOULDBLOCK)
		return refuse(fd, data_dir, e);
	if (rc < 0)
		return err_set(e, rc, "lock '%s': %s", path, strerror(-rc));
	/* The pid is for people: on a full disk the lock holds without it. */
	(void)write_pid(fd);
	*ret_fd = fd;
	fd = -1;
	return 0;
}
