/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's subtree: opened once, then measured, killed in, listed and cleared. What differs between v1 and v2 is
 * in their vtables; how groups are limited is a list of steps for the shim (cgroup_steps.c).
 */
#include "supervisor/cgroup_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "supervisor/cgroup_home.h"
#include "supervisor/cgroup_lib.h"

static const char *const made_by_library[] = {"pids", "memory", "cpu", "cpuacct", "cpuset", "blkio"};

/* Left by an earlier daemon. libcgroup would walk it, with every replica's groups in it, to set owners again. */
static bool is_made(const struct cgroup *cg, int t)
{
	AUTO_CLOSE int fd = open(cg->mounts[t], O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && faccessat(fd, cg->parent, F_OK, 0) == 0;
}

/*
 * Makes the parent in each hierarchy. What libcgroup cannot (a subtree that was delegated to a user), mkdir can. On v2,
 * and below a unit of systemd's, it is not asked: it would set owners and switch controllers on in every group on the
 * way, in systemd's too, and among processes.
 */
static int make_subtree(struct cgroup *cg, bool real, struct err *e)
{
	bool ask = real && cgroup_home_length(cg->parent) == 0;
	const char *names[CGROUP_TREE_MAX];
	struct err why;
	size_t n = 0;
	int rc = 0;

	for (int t = 0; t < CGROUP_TREE_MAX && cg->vt->version == 1; t++)
		if (cg->mounts[t] && !is_made(cg, t))
			names[n++] = made_by_library[t];
	if (ask && n > 0)
		rc = cgroup_lib_make(cg->parent, names, n, &why);
	if (rc < 0)
		log_debug("cgroup: %s; making the directories by hand", why.text);
	for (int t = 0; t < CGROUP_TREE_MAX; t++) {
		if (!cg->mounts[t])
			continue;
		cg->dirs[t].path = mem_printf("%s/%s", cg->mounts[t], cg->parent);
		if (!cg->dirs[t].path)
			return err_set(e, -ENOMEM, "out of memory");
		rc = io_mkdirs(cg->dirs[t].path, 0755, e);
		if (rc < 0)
			return rc;
		cg->dirs[t].fd = open(cg->dirs[t].path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (cg->dirs[t].fd < 0)
			return err_errno(e, "open '%s'", cg->dirs[t].path);
	}
	return 0;
}

static void list_missing(struct cgroup *cg)
{
	size_t n = 0;

	for (int l = 0; l < CGROUP_LIMIT_MAX; l++) {
		if (cg->can[l] || (l == CGROUP_LIMIT_SWAP && cg->swapless))
			continue;
		n += (size_t)snprintf(
			cg->missing + n, sizeof(cg->missing) - n, "%s%s", n ? ", " : "", cgroup_limit_name(l));
		assert(n < sizeof(cg->missing));
	}
}

static int open_found(struct cgroup *cg, const char *root, struct err *e)
{
	int version = cgroup_find(cg, root, e), rc;

	if (version < 0)
		return version;
	cg->vt = version == 2 ? &cgroup_v2 : &cgroup_v1;
	if (!cg->mounts[CGROUP_PIDS] && !cg->mounts[CGROUP_MEMORY] && !cg->mounts[CGROUP_CPU])
		return err_set(e, -ENOTSUP,
			"no cgroup hierarchy with pids, memory or cpu under '%s': agents cannot be limited or ended "
			"here; "
			"mount cgroup2 there, or, in a container, let it have its own",
			root);
	rc = make_subtree(cg, strcmp(root, "/sys/fs/cgroup") == 0, e);
	if (rc == 0)
		rc = cg->vt->prepare(cg, e);
	if (rc == 0)
		list_missing(cg);
	return rc;
}

int cgroup_open(const char *root, const char *parent, struct cgroup **ret, struct err *e)
{
	struct cgroup *cg;
	int rc;

	if (!parent[0] || parent[0] == '/' || strstr(parent, "..") || strlen(parent) >= CGROUP_GROUP_MAX)
		return err_set(e, -EINVAL, "cgroup.parent: '%s' is no path below a hierarchy's root", parent);
	cg = mem_zalloc(1, sizeof(*cg));
	if (!cg)
		return err_set(e, -ENOMEM, "out of memory");
	for (int t = 0; t < CGROUP_TREE_MAX; t++)
		cg->dirs[t].fd = -1;
	cg->parent = mem_strdup(parent);
	rc = cg->parent ? open_found(cg, root, e) : err_set(e, -ENOMEM, "out of memory");
	if (rc < 0) {
		cgroup_close(cg);
		return rc;
	}
	*ret = cg;
	return 0;
}

void cgroup_close(struct cgroup *cg)
{
	if (!cg)
		return;
	for (int t = 0; t < CGROUP_TREE_MAX; t++) {
		if (cg->dirs[t].fd >= 0)
			(void)close(cg->dirs[t].fd); /* a directory */
		free(cg->dirs[t].path);
		free(cg->mounts[t]);
	}
	free(cg->parent);
	free(cg->block_dir);
	free(cg);
}

int cgroup_version(const struct cgroup *cg)
{
	return cg->vt->version;
}

const char *cgroup_missing(const struct cgroup *cg)
{
	return cg->missing;
}

int cgroup_usage(const struct cgroup *cg, const char *group, struct cgroup_usage *ret, struct err *e)
{
	struct cgroup_usage u = CGROUP_USAGE_UNKNOWN;
	int rc = cg->vt->usage(cg, group, &u);

	if (rc < 0)
		return err_set(e, rc, "cgroup '%s': %s", group, strerror(-rc));
	*ret = u;
	return 0;
}

void cgroup_pressure(const struct cgroup *cg, const char *group, struct cgroup_pressure *ret)
{
	*ret = CGROUP_PRESSURE_UNKNOWN;
	if (cg->vt->pressure)
		cg->vt->pressure(cg, group, ret);
}

/* The hierarchy that says which processes are a replica's. */
static int member_dir(const struct cgroup *cg)
{
	enum cgroup_tree t = CGROUP_PIDS;

	while (cg->dirs[t].fd < 0)
		t++;
	return cg->dirs[t].fd;
}

struct pids {
	int *v;
	size_t n, max;
};

static int keep_pid(void *arg, int pid)
{
	struct pids *p = arg;

	if (p->n < p->max)
		p->v[p->n++] = pid;
	return 0;
}

int cgroup_pids(const struct cgroup *cg, const char *group, int *pids, size_t max)
{
	struct pids p = {.v = pids, .max = max};
	int rc = cgroup_walk(member_dir(cg), group, 0, keep_pid, &p);

	return rc < 0 ? rc : (int)p.n;
}

static int kill_pid(void *arg, int pid)
{
	if (pid == getpid())
		return 0; /* somebody has put the daemon there */
	(*(int *)arg)++;
	(void)kill(pid, SIGKILL); /* ended already is what is wanted */
	return 0;
}

int cgroup_kill(const struct cgroup *cg, const char *group)
{
	int n = 0, rc;

	cg->vt->hold(cg, group, true);
	rc = cgroup_walk(member_dir(cg), group, 0, kill_pid, &n);
	if (rc < 0 || n == 0)
		cg->vt->hold(cg, group, false);
	return rc < 0 ? rc : n;
}

static int remove_group(int dirfd, const char *group, int depth);

/* Groups inside of the group. */
static int remove_inside(int dirfd, const char *group, int depth)
{
	int fd = openat(dirfd, group, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	char inner[CGROUP_GROUP_MAX];
	struct dirent *d;
	DIR *dir;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd); /* was only opened */
		return -ENOMEM;
	}
	while (rc == 0 && (d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' &&
			snprintf(inner, sizeof(inner), "%s/%s", group, d->d_name) < (int)sizeof(inner))
			rc = remove_group(dirfd, inner, depth + 1);
	(void)closedir(dir); /* was only read */
	return rc;
}

static int remove_group(int dirfd, const char *group, int depth)
{
	int rc;

	if (dirfd == -1 || unlinkat(dirfd, group, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if ((errno != EBUSY && errno != ENOTEMPTY) || depth > CGROUP_DEPTH_MAX)
		return -errno;
	rc = remove_inside(dirfd, group, depth);
	if (rc < 0)
		return rc;
	return unlinkat(dirfd, group, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int cgroup_remove(const struct cgroup *cg, const char *group, struct err *e)
{
	int rc = 0;

	for (int t = 0; t < CGROUP_TREE_MAX; t++) {
		int one = remove_group(cg->dirs[t].fd, group, 0);

		rc = rc < 0 ? rc : one;
	}
	return rc < 0 ? err_set(e, rc, "remove cgroup '%s': %s", group, strerror(-rc)) : 0;
}

/* Whether a hierarchy before this one has the group too: then it has been told. */
static bool was_told(const struct cgroup *cg, int tree, const char *group)
{
	for (int t = 0; t < tree; t++)
		if (cg->dirs[t].fd >= 0 && faccessat(cg->dirs[t].fd, group, F_OK, 0) == 0)
			return true;
	return false;
}

static int each_in(const struct cgroup *cg, int tree, void (*fn)(void *arg, const char *group), void *arg)
{
	int fd = openat(cg->dirs[tree].fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	DIR *dir;

	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		(void)close(fd); /* was only opened */
		return -ENOMEM;
	}
	while ((d = readdir(dir)))
		if (d->d_type == DT_DIR && d->d_name[0] != '.' && d->d_name[0] != '_' && !was_told(cg, tree, d->d_name))
			fn(arg, d->d_name);
	(void)closedir(dir); /* was only read */
	return 0;
}

int cgroup_each(const struct cgroup *cg, void (*fn)(void *arg, const char *group), void *arg)
{
	int rc = 0;

	for (int t = 0; t < CGROUP_TREE_MAX && rc == 0; t++)
		if (cg->dirs[t].fd >= 0)
			rc = each_in(cg, t, fn, arg);
	return rc;
}

int cgroup_destroy(struct cgroup *cg, struct err *e)
{
	int rc = 0;

	for (int t = 0; t < CGROUP_TREE_MAX; t++) {
		int one = cg->dirs[t].path ? remove_group(AT_FDCWD, cg->dirs[t].path, 0) : 0;

		rc = rc < 0 ? rc : one;
	}
	return rc < 0 ? err_set(e, rc, "remove cgroup '%s': %s", cg->parent, strerror(-rc)) : 0;
}
