/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files, clocks and temporary memory.
 */
#include "supervisor/shim/os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "supervisor/shim/text.h"

#define OS_PATH_MAX 528

int64_t os_now_ns(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t); /* cannot fail with the clocks of this program */
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t os_now_ms(clockid_t clock)
{
	return os_now_ns(clock) / 1000000;
}

void *os_map(size_t n, bool shared)
{
	void *v = mmap(NULL, n, PROT_READ | PROT_WRITE, (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);

	return v == MAP_FAILED ? NULL : v;
}

void os_unmap(void *v, size_t n)
{
	if (v)
		(void)munmap(v, n); /* fails only for what was not mapped */
}

ssize_t os_read_file(int dirfd, const char *path, char *out, size_t cap)
{
	AUTO_CLOSE int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < cap - 1) {
		ssize_t got = read(fd, out + n, cap - 1 - n);

		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	out[n] = '\0';
	return (ssize_t)n;
}

/* Of /proc/PID/stat; the name in field 2 may hold anything but ends at the last ')'. */
static uint64_t stat_field(int pid, int which)
{
	char path[32], v[400];
	struct text t = TEXT_OVER(path);
	const char *at;
	size_t used;

	text_str(&t, "/proc/");
	text_u64(&t, (uint64_t)pid);
	text_str(&t, "/stat");
	if (os_read_file(AT_FDCWD, path, v, sizeof(v)) <= 0)
		return 0;
	at = strrchr(v, ')');
	for (int field = 2; at && field < which; field++) {
		at = strchr(at, ' ');
		if (at)
			at++;
	}
	return at ? text_to_u64(at, strlen(at), &used) : 0;
}

uint64_t os_start_time(int pid)
{
	return stat_field(pid, 22);
}

uint64_t os_parent(int pid)
{
	return stat_field(pid, 4);
}

bool os_is_ending(int pid)
{
	const uint64_t exiting = 4; /* PF_EXITING */

	return stat_field(pid, 9) & exiting;
}

int os_write_file(int dirfd, const char *path, const char *v)
{
	AUTO_CLOSE int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, v, strlen(v)) < 0 ? -errno : 0;
}

int os_write_all(int fd, const void *v, size_t n)
{
	const char *at = v;

	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

int os_mkdirs(const char *path)
{
	char part[OS_PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -errno;
		part[i] = path[i];
	}
	return access(path, F_OK) < 0 ? -errno : 0;
}

void os_close(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing to do about it; what was written was checked at write */
	*fd = -1;
}
