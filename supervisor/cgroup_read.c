/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files of a cgroup tree, read and written relative to a kept directory: one open, one or two reads, no heap, no
 * stdio. What the numbers mean is the versions' to know.
 */
#include "supervisor/cgroup_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int open_in(int dirfd, const char *group, const char *file, int flags)
{
	char path[CGROUP_GROUP_MAX + 64];
	int fd;

	if (dirfd == -1)
		return -ENOENT;
	if (snprintf(path, sizeof(path), "%s/%s", group, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = openat(dirfd, path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_read(int dirfd, const char *group, const char *file, char *out, size_t n)
{
	int fd = open_in(dirfd, group, file, O_RDONLY);
	size_t got = 0;
	ssize_t r = 1;

	if (fd < 0)
		return fd;
	while (got < n - 1 && r > 0) {
		r = read(fd, out + got, n - 1 - got);
		if (r > 0)
			got += (size_t)r;
	}
	r = r < 0 ? -errno : (ssize_t)got;
	(void)close(fd); /* was only read */
	out[got] = '\0';
	return (int)r;
}

int cgroup_write(int dirfd, const char *group, const char *file, const char *value)
{
	int fd = open_in(dirfd, group, file, O_WRONLY), rc = 0;

	if (fd < 0)
		return fd;
	if (write(fd, value, strlen(value)) < 0)
		rc = -errno;
	(void)close(fd); /* the kernel has taken or refused it by now */
	return rc;
}

int64_t cgroup_read_number(int dirfd, const char *group, const char *file)
{
	char text[64];

	if (cgroup_read(dirfd, group, file, text, sizeof(text)) <= 0 || text[0] < '0' || text[0] > '9')
		return -1;
	return strtoll(text, NULL, 10);
}

int64_t cgroup_field(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, n) == 0 && at[n] == ' ')
			return strtoll(at + n, NULL, 10);
	}
	return -1;
}

int64_t cgroup_sum(const char *text, const char *mark)
{
	int64_t sum = 0;

	for (const char *at = strstr(text, mark); at; at = strstr(at, mark)) {
		at += strlen(mark);
		sum += strtoll(at, NULL, 10);
	}
	return sum;
}

bool cgroup_has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		if ((at == text || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' ' || at[n] == '\n'))
			return true;
	return false;
}

bool cgroup_next_level(const char *parent, char level[CGROUP_GROUP_MAX])
{
	size_t n = strlen(level);
	const char *end;

	if (parent[n] == '\0')
		return false;
	end = strchrnul(parent + n + (n > 0), '/');
	n = (size_t)(end - parent);
	memcpy(level, parent, n);
	level[n] = '\0';
	return true;
}

/* The pids of one cgroup.procs, read piece by piece: it may be long. */
static int walk_procs(int fd, int (*fn)(void *arg, int pid), void *arg)
{
	char buf[4096];
	int pid = -1, rc = 0;
	ssize_t n;

	while (rc >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n && rc >= 0; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = (pid < 0 ? 0 : pid * 10) + (buf[i] - '0');
				continue;
			}
			if (pid > 0)
				rc = fn(arg, pid);
			pid = -1;
		}
	}
	return rc < 0 ? rc : 0;
}

static int walk_inside(int dirfd, const char *group, int depth, int (*fn)(void *arg, int pid), void *arg)
{
	int fd = open_in(dirfd, group, ".", O_RDONLY | O_DIRECTORY), rc = 0;
	char inner[CGROUP_GROUP_MAX];
	struct dirent *d;
	DIR *dir;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd); /* was only opened */
		return -ENOMEM;
	}
	while (rc >= 0 && (d = readdir(dir))) {
		if (d->d_type != DT_DIR || d->d_name[0] == '.')
			continue;
		if (snprintf(inner, sizeof(inner), "%s/%s", group, d->d_name) < (int)sizeof(inner))
			rc = cgroup_walk(dirfd, inner, depth + 1, fn, arg);
	}
	(void)closedir(dir); /* was only read */
	return rc;
}

int cgroup_walk(int dirfd, const char *group, int depth, int (*fn)(void *arg, int pid), void *arg)
{
	int fd, rc;

	if (depth > CGROUP_DEPTH_MAX)
		return 0;
	fd = open_in(dirfd, group, "cgroup.procs", O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = walk_procs(fd, fn, arg);
	(void)close(fd); /* was only read */
	return rc < 0 ? rc : walk_inside(dirfd, group, depth, fn, arg);
}
