/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files are read at offset 0, which makes the kernel write them anew. cgroup.procs is none of them: v1 answers who
 * reads it again within a second from a list that it made before.
 */
#include "supervisor/shim/groupfiles.h"

#include <fcntl.h>
#include <string.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/text.h"

void groupfiles_none(struct groupfiles *f)
{
	*f = (struct groupfiles){.pids = -1, .oom = -1};
}

void groupfiles_close(struct groupfiles *f)
{
	os_close(&f->pids);
	os_close(&f->oom);
	for (unsigned i = 0; i < f->joins_n; i++)
		os_close(&f->joins[i]);
	f->joins_n = 0;
}

static int open_pids(const char *kill_dir)
{
	AUTO_CLOSE int dir = openat(AT_FDCWD, kill_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 ? -1 : openat(dir, "pids.current", O_RDONLY | O_CLOEXEC);
}

void groupfiles_open(
	struct groupfiles *f, const char *kill_dir, const char *oom_path, const char *joins, unsigned joins_n)
{
	groupfiles_close(f);
	if (kill_dir)
		f->pids = open_pids(kill_dir);
	if (oom_path)
		f->oom = openat(AT_FDCWD, oom_path, O_RDONLY | O_CLOEXEC);
	if (joins_n > GROUPFILES_JOINS)
		return;
	for (unsigned i = 0; i < joins_n; i++) {
		f->joins[i] = openat(AT_FDCWD, joins, O_WRONLY | O_CLOEXEC);
		joins += strlen(joins) + 1;
	}
	f->joins_n = joins_n;
}

/* All of a small file, by the descriptor when there is one. */
static ssize_t read_now(int fd, const char *path, char *out, size_t cap)
{
	ssize_t n;

	if (fd < 0)
		return path ? os_read_file(AT_FDCWD, path, out, cap) : -1;
	n = pread(fd, out, cap - 1, 0);
	if (n >= 0)
		out[n] = '\0';
	return n;
}

bool groupfiles_is_empty(const struct groupfiles *f, const char *kill_dir)
{
	AUTO_CLOSE int fd = f->pids < 0 && kill_dir ? open_pids(kill_dir) : -1;
	char v[32];

	return read_now(f->pids < 0 ? fd : f->pids, NULL, v, sizeof(v)) > 0 && strcmp(v, "0\n") == 0;
}

uint64_t groupfiles_oom_kills(const struct groupfiles *f, const char *oom_path)
{
	char v[512];
	uint64_t n = 0;

	if (read_now(f->oom, oom_path, v, sizeof(v)) > 0)
		(void)text_find_u64(v, "oom_kill", &n); /* an old kernel has no such line: 0 */
	return n;
}
