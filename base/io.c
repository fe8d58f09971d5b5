/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files and whole writes.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define READ_MIN 4096

int io_write_all(int fd, const void *v, size_t n)
{
	const char *p = v;

	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return w < 0 ? -errno : -EIO;
		p += w;
		n -= (size_t)w;
	}
	return 0;
}

/* One read that EINTR does not end: bytes read, 0 at the end of the file, -errno. */
static ssize_t read_some(int fd, void *v, size_t n)
{
	ssize_t r;

	do
		r = read(fd, v, n);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static int read_all(int fd, struct bytes *out)
{
	for (;;) {
		size_t left = out->max - out->n;
		char one;
		ssize_t r;
		int rc;

		if (left == 0) { /* full: one more byte in the file is one too many */
			r = read_some(fd, &one, 1);
			return r > 0 ? -EFBIG : (int)r;
		}
		rc = bytes_reserve(out, MIN(left, MAX((size_t)READ_MIN, out->n)));
		if (rc < 0)
			return rc;
		r = read_some(fd, out->v + out->n, MIN(left, out->cap - out->n - 1));
		if (r <= 0)
			return (int)r;
		out->n += (size_t)r;
		out->v[out->n] = '\0';
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
	if (rc == 0)
		return bytes_add(out, "", 0); /* an empty file is an empty string too */
	bytes_clear(out);
	if (rc == -EFBIG)
		return err_set(e, -EFBIG, "read '%s': larger than %zu bytes", path, out->max);
	return err_set(e, rc, "read '%s': %s", path, strerror(-rc));
}

/* The name is durable once its directory is. */
static int sync_parent(int dirfd, const char *path)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *parent =
		slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strdup(".");
	AUTO_CLOSE int fd = -1;

	if (!parent)
		return -ENOMEM;
	fd = openat(dirfd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int write_aside(int dirfd, const char *aside, const void *v, size_t n, unsigned mode, bool durable)
{
	int fd = openat(dirfd, aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fchmod(fd, (mode_t)mode) < 0 ? -errno : io_write_all(fd, v, n);
	if (rc == 0 && durable && fsync(fd) < 0)
		rc = -errno;
	if (close(fd) < 0 && rc == 0)
		rc = -errno;
	return rc;
}

int io_replace_file(int dirfd, const char *path, const void *v, size_t n, unsigned mode, bool durable, struct err *e)
{
	char aside[PATH_MAX];
	int rc;

	if ((size_t)snprintf(aside, sizeof(aside), "%s.new", path) >= sizeof(aside))
		return err_set(e, -ENAMETOOLONG, "write '%s': name too long", path);
	rc = write_aside(dirfd, aside, v, n, mode, durable);
	if (rc == 0 && renameat(dirfd, aside, dirfd, path) < 0)
		rc = -errno;
	if (rc < 0)
		(void)unlinkat(dirfd, aside, 0); /* best effort: the fault is told either way */
	else if (durable)
		rc = sync_parent(dirfd, path);
	return rc < 0 ? err_set(e, rc, "write '%s': %s", path, strerror(-rc)) : 0;
}

int io_mkdirs(const char *path, unsigned mode, struct err *e)
{
	char p[PATH_MAX];
	size_t n = strlen(path);
	struct stat st;

	if (n == 0 || n >= sizeof(p))
		return err_set(e, n ? -ENAMETOOLONG : -EINVAL, "mkdir '%s': bad length", path);
	memcpy(p, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (p[i] != '/' && p[i] != '\0')
			continue;
		p[i] = '\0';
		if (mkdir(p, (mode_t)mode) < 0 && errno != EEXIST)
			return err_errno(e, "mkdir '%s'", p);
		p[i] = path[i];
	}
	if (stat(path, &st) < 0)
		return err_errno(e, "mkdir '%s'", path);
	return S_ISDIR(st.st_mode) ? 0 : err_set(e, -ENOTDIR, "mkdir '%s': %s", path, strerror(ENOTDIR));
}
