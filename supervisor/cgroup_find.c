/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the hierarchies are: libcgroup's word for it on a real host, the files of the tree in tests.
 */
#include "supervisor/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "supervisor/cgroup_lib.h"

static const char *const tree_names[] = {
	[CGROUP_PIDS] = "pids",
	[CGROUP_MEMORY] = "memory",
	[CGROUP_CPU] = "cpu",
	[CGROUP_CPUACCT] = "cpuacct",
	[CGROUP_CPUSET] = "cpuset",
	[CGROUP_BLKIO] = "blkio",
};
_Static_assert(ARRAY_LEN(tree_names) == CGROUP_TREE_MAX, "a name for each tree");

static bool exists(const char *dir, const char *file)
{
	char path[4096];

	return snprintf(path, sizeof(path), "%s/%s", dir, file) < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* Keeps the mount of a v1 controller. */
static int keep(struct cgroup *cg, const char *name, const char *path)
{
	for (int t = 0; t < CGROUP_TREE_MAX; t++) {
		if (strcmp(tree_names[t], name) != 0 || cg->mounts[t])
			continue;
		cg->mounts[t] = mem_strdup(path);
		return cg->mounts[t] ? 0 : -ENOMEM;
	}
	return 0;
}

/* On a hybrid host libcgroup may also name controllers of the unified tree: v1 has no cgroup.controllers. */
static int keep_v1(void *arg, const char *controller, const char *path)
{
	return exists(path, "cgroup.controllers") ? 0 : keep(arg, controller, path);
}

static int find_by_files(struct cgroup *cg, const char *root, struct err *e)
{
	char path[4096];

	for (int t = 0; t < CGROUP_TREE_MAX; t++) {
		if (!exists(root, tree_names[t]))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", root, tree_names[t]); /* exists() has measured it */
		if (keep(cg, tree_names[t], path) < 0)
			return err_set(e, -ENOMEM, "out of memory");
	}
	return 0;
}

/* cpu and cpuacct as one hierarchy need one group. */
static void drop_twins(struct cgroup *cg)
{
	char *cpu = cg->mounts[CGROUP_CPU], *acct = cg->mounts[CGROUP_CPUACCT];

	if (!cpu || !acct || (strcmp(cpu, acct) != 0 && !exists(cpu, "cpuacct.usage")))
		return;
	free(acct);
	cg->mounts[CGROUP_CPUACCT] = NULL;
}

/* /proc/swaps has a heading, and a line for each. */
static bool is_swapless(void)
{
	char text[4096];

	if (cgroup_read(AT_FDCWD, "/proc", "swaps", text, sizeof(text)) <= 0)
		return false;
	return !strchr(text, '\n') || !strchr(strchr(text, '\n') + 1, '\n');
}

int cgroup_find(struct cgroup *cg, const char *root, struct err *e)
{
	bool real = strcmp(root, "/sys/fs/cgroup") == 0;
	int rc;

	cg->block_dir = real ? mem_strdup("/sys/block") : mem_printf("%s/block", root);
	cg->swapless = real && is_swapless();
	if (!cg->block_dir)
		return err_set(e, -ENOMEM, "out of memory");
	if (exists(root, "cgroup.controllers")) {
		cg->mounts[CGROUP_UNIFIED] = mem_strdup(root);
		return cg->mounts[CGROUP_UNIFIED] ? 2 : err_set(e, -ENOMEM, "out of memory");
	}
	rc = real ? cgroup_lib_mounts(keep_v1, cg, e) : find_by_files(cg, root, e);
	if (rc < 0)
		return rc;
	drop_twins(cg);
	return 1;
}
