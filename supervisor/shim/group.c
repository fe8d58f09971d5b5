/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups from the shim's side. It knows nothing of controllers: the daemon's list says which directories to make and
 * which files to write, on v1 and v2 alike. A group is ended by killing process by process, with forks forbidden by
 * pids.max as soon as there is more than nothing to kill. Not by v2's cgroup.kill: since Linux 6.14 (and in older
 * stable kernels) who is born by CLONE_INTO_CGROUP into a group that was ever ended that way is killed at once.
 */
#include "supervisor/shim/group.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/text.h"

int group_make(const struct plan *p, bool *ret_fresh, const char **ret_path)
{
	bool fresh = false, used = false;

	for (size_t i = 0; i < p->p.ops_n; i++) {
		const struct shim_op *op = planread_op(p, i);
		uint32_t type = op->type & ~(uint32_t)SHIM_OP_OPTIONAL;
		int rc = 0;

		*ret_path = planread_str(p, op->path);
		if (type == SHIM_OP_MKDIR)
			rc = mkdir(*ret_path, 0755) < 0 ? -errno : 0;
		else if (type == SHIM_OP_WRITE)
			rc = os_write_file(AT_FDCWD, *ret_path, planread_str(p, op->value));
		if (type == SHIM_OP_MKDIR && rc == -EEXIST) {
			used = true;
			continue;
		}
		fresh |= type == SHIM_OP_MKDIR;
		if (rc < 0 && !(op->type & SHIM_OP_OPTIONAL))
			return rc;
	}
	*ret_fresh = fresh && !used;
	return 0;
}

const char *group_probe_name(int sub)
{
	static const char *const names[GROUP_PROBES] = {"probe.0", "probe.1"};

	return names[sub];
}

static int open_dir(const char *path)
{
	return openat(AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int group_probe(struct group *g, int sub)
{
	AUTO_CLOSE int dir = g->dir ? open_dir(g->dir) : -1;

	if (dir < 0)
		return g->dir ? -errno : -ENOENT;
	if (mkdirat(dir, group_probe_name(sub), 0755) < 0 && errno != EEXIST)
		return -errno;
	g->has_subs = true;
	return 0;
}

/* A buffer of pids, one a line; what is no whole line yet is moved to its beginning. Returns how many there were. */
static int kill_pids(char *v, size_t *n)
{
	int killed = 0, self = getpid();
	size_t at = 0, used;

	for (;;) {
		uint64_t pid = text_to_u64(v + at, *n - at, &used);

		if (used == 0 || at + used >= *n)
			break;
		at += used + 1;
		if (pid == 0 || (int)pid == self)
			continue;	       /* of another pid namespace; never ourselves */
		(void)kill((int)pid, SIGKILL); /* gone meanwhile is as good */
		killed++;
	}
	memmove(v, v + at, *n - at);
	*n -= at;
	return killed;
}

/* SIGKILLs what cgroup.procs of a directory names; 0 when there is no such directory. */
static int kill_listed(int dir)
{
	AUTO_CLOSE int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char v[1024];
	size_t have = 0;
	int killed = 0;

	while (fd >= 0) {
		ssize_t n = read(fd, v + have, sizeof(v) - have);

		if (n <= 0)
			break;
		have += (size_t)n;
		killed += kill_pids(v, &have);
	}
	return killed;
}

/* From here on nothing in the group can fork; a bomb would otherwise outrun the reading of its list. */
static void forbid_forks(struct group *g, int dir)
{
	ssize_t n;

	if (g->bounded)
		return;
	n = os_read_file(dir, "pids.max", g->pids_max, sizeof(g->pids_max));
	if (n > 0 && os_write_file(dir, "pids.max", "0") == 0)
		g->bounded = true;
}

int group_kill(struct group *g, int sub)
{
	AUTO_CLOSE int dir = -1;
	int n = 0;

	if (sub < 0 && groupfiles_is_empty(g->files, g->dir)) {
		g->own = 0;
		return 0;
	}
	dir = g->dir ? open_dir(g->dir) : -1;
	if (dir < 0)
		return 0;
	if (sub < 0) {
		n = kill_listed(dir);
		g->own = (unsigned)n;
		if (n > 0)
			forbid_forks(g, dir);
	}
	for (int i = 0; i < GROUP_PROBES && g->has_subs; i++) {
		AUTO_CLOSE int below = -1;

		if (sub >= 0 && i != sub)
			continue;
		below = openat(dir, group_probe_name(i), O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (below >= 0)
			n += kill_listed(below);
	}
	return n;
}

void group_settle(struct group *g)
{
	AUTO_CLOSE int dir = g->dir && (g->has_subs || g->bounded) ? open_dir(g->dir) : -1;

	if (dir < 0)
		return;
	for (int i = 0; i < GROUP_PROBES; i++)
		(void)unlinkat(dir, group_probe_name(i), AT_REMOVEDIR); /* the daemon removes what is left */
	if (g->bounded)
		(void)os_write_file(dir, "pids.max", g->pids_max); /* the next run writes its own limit anyhow */
	g->bounded = g->has_subs = false;
}

/* Whether a line "8:pids:/covey/web.0" of /proc/PID/cgroup names dir or something below it. */
static bool line_in(const char *line, const char *dir)
{
	const char *path = strchr(line, '/');
	size_t len = strlen(dir), n;

	if (!path || path[1] == '\n' || path[1] == '\0')
		return false;
	for (const char *end = path; *end && *end != '\n'; end++) {
		if (end[1] != '/' && end[1] != '\n' && end[1] != '\0')
			continue;
		n = (size_t)(end + 1 - path);
		if (n <= len && memcmp(dir + len - n, path, n) == 0)
			return true;
	}
	return false;
}

bool group_has(const struct group *g, int pid)
{
	char path[32], v[1536];
	struct text t = TEXT_OVER(path);
	const char *line = v;

	text_str(&t, "/proc/");
	text_u64(&t, (uint64_t)pid);
	text_str(&t, "/cgroup");
	if (!g->dir || os_read_file(AT_FDCWD, path, v, sizeof(v)) <= 0)
		return false;
	while (line) {
		if (line_in(line, g->dir))
			return true;
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	return false;
}
