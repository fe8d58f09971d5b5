/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a test's coveyd: its agents, its groups, and its folder, once no shim is left that could write there.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "supervisor/cgroup.h"
#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

static void end_group(void *arg, const char *group)
{
	struct cgroup *cg = arg;

	for (int tries = 0; tries < 2000 && cgroup_kill(cg, group) > 0; tries++)
		wait_pause();
}

static void count_group(void *arg, const char *group)
{
	(void)group;
	++*(size_t *)arg;
}

/* The parent too, unless it is a unit's: that one holds others, and goes with the unit. */
static bool is_gone(const struct daemon_bed *d, struct cgroup *cg)
{
	bool removed = cgroup_destroy(cg, NULL) == 0;
	size_t left = 0;

	if (removed || !d->finds_home)
		return removed;
	(void)cgroup_each(cg, count_group, &left);
	return left == 0;
}

static void end_groups(struct daemon_bed *d)
{
	int64_t end = wait_mono_ms() + WAIT_BOUND_S * 1000;
	struct cgroup *cg;
	struct err e;

	if (cgroup_open("/sys/fs/cgroup", d->cgroup, &cg, &e) < 0)
		return;
	(void)cgroup_each(cg, end_group, cg);
	while (!is_gone(d, cg) && wait_mono_ms() < end) {
		(void)cgroup_each(cg, end_group, cg);
		wait_pause();
	}
	cgroup_close(cg);
}

/* Whether a shim has that socket. Asked with one of another type, which is refused in a way of its own. */
static bool is_held(int dir, const char *name)
{
	AUTO_CLOSE int at = openat(dir, name, O_PATH | O_CLOEXEC);
	AUTO_CLOSE int fd = at < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (fd < 0)
		return false;
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", at); /* fits */
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == EPROTOTYPE;
}

/* Its sockets are what a shim removes last but for itself: after the record of its agent's end. */
static bool has_shims(struct daemon_bed *d)
{
	char path[PATH_MAX + 16];
	const struct dirent *de;
	bool held = false;
	DIR *dir;

	(void)snprintf(
		path, sizeof(path), "%s/shims", *d->run_dir == '/' ? d->run_dir : tmpdir_path(&d->dir, d->run_dir));
	dir = opendir(path);
	while (dir && !held && (de = readdir(dir)))
		held = strstr(de->d_name, ".sock") && is_held(dirfd(dir), de->d_name);
	if (dir)
		(void)closedir(dir); /* read only */
	return held;
}

void daemon_done(struct daemon_bed *d)
{
	int64_t end;

	if (d->pid)
		(void)daemon_call(d, "stop", "all=true"); /* tidy where it works; below where it does not */
	daemon_kill(d, SIGKILL);
	end_groups(d);
	end = wait_mono_ms() + WAIT_BOUND_S * 1000;
	while (has_shims(d) && wait_mono_ms() < end)
		wait_pause();
	if (d->has_tree)
		mp_done(&d->tree);
	d->has_tree = false;
	bytes_done(&d->reply);
	tmpdir_remove(&d->dir);
}
