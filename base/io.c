/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files and whole writes.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int io_write_all(int fd, const void *v, size_t n)
{
	const char *p = v;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

static int read_all(int fd, struct bytes *out)
{
	for (;;) {
		size_t room = MIN((size_t)65536, out->max - out->n);
		ssize_t r;
		int rc;

		if (room == 0) { /* full: one more byte in the file is one too many */
			char one;

			r = read(fd, &one, 1);
			return r == 0 ? 0 : r > 0 ? -EFBIG : -errno;
		}
		rc = bytes_reserve(out, room);
		if (rc < 0)
			return rc;
		r = read(fd, out->v + out->n, room);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		out->n += (size_t)r;
		out->v[out->n] = '\0';
		if (r == 0)
			return 0;
	}
}

int io_read_file(int dirfd, const char *path, struct bytes *out, struct err *e)
{
	AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	bytes_clear(out);
	if (fd < 0)
		return err_errno(e, "open '%s'", path);
	if (fstat(fd, &st) < 0)
		return err_errno(e, "stat '%s'", path);
	if (S_ISDIR(st.st_mode))
		return err_set(e, -EISDIR, "read '%s': is a directory", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EINVAL, "read '%s': not a regular file", path);
	rc = read_all(fd, out);
	if (rc == -EFBIG || rc == -EMSGSIZE)
		return err_set(e, -EFBIG, "read '%s': larger than %zu bytes", path, out->max);
	if (rc < 0)
		return err_set(e, rc, "read '%s': %s", path, strerror(-rc));
	return 0;
}

int io_replace_file(int dirfd, const char *path, const void *v, size_t n, unsigned mode, bool durable, struct err *e)
{
	char aside[4096];
	AUTO_CLOSE int fd = -1;
	int rc;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside))
		return err_set(e, -ENAMETOOLONG, "write '%s': name too long", path);
	fd = openat(dirfd, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, (mode_t)mode);
	if (fd < 0)
		return err_errno(e, "create '%s'", aside);
	rc = io_write_all(fd, v, n);
	if (rc == 0 && durable && fsync(fd) < 0)
		rc = -errno;
	if (rc == 0 && renameat(dirfd, aside, dirfd, path) < 0)
		rc = -errno;
	if (rc == 0)
		return 0;
	(void)unlinkat(dirfd, aside, 0); /* best effort: the fault is told either way */
	return err_set(e, rc, "write '%s': %s", path, strerror(-rc));
}

int io_mkdirs(const char *path, unsigned mode, struct err *e)
{
	char p[4096];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(p))
		return err_set(e, -ENAMETOOLONG, "mkdir '%s': bad length", path);
	memcpy(p, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (p[i] != '/' && p[i] != '\0')
			continue;
		p[i] = '\0';
		if (mkdir(p, (mode_t)mode) < 0 && errno != EEXIST)
			return err_errno(e, "mkdir '%s'", p);
		p[i] = path[i];
	}
	return 0;
}
