/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups v2: one group a replica, its controllers switched on from the top down to the subtree's own directory. A
 * directory whose children have controllers may hold no process itself: when the daemon sits in it, the daemon moves
 * into a leaf beside the replicas first ("_daemon"). Where systemd has delegated a group on the way, what is above it
 * is systemd's, and is left as it is: a controller that it did not delegate is missing.
 */
#include "supervisor/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "supervisor/cgroup_home.h"

#define LEAF "_daemon"

static const char *const controllers[] = {"cpu", "memory", "pids", "cpuset", "io"};

static const struct where {
	const char *controller, *file;
} where[] = {
	[CGROUP_LIMIT_CPU] = {"cpu", "cpu.max"},
	[CGROUP_LIMIT_CPU_WEIGHT] = {"cpu", "cpu.weight"},
	[CGROUP_LIMIT_CPUSET] = {"cpuset", "cpuset.cpus"},
	[CGROUP_LIMIT_MEMORY] = {"memory", "memory.max"},
	[CGROUP_LIMIT_MEMORY_HIGH] = {"memory", "memory.high"},
	[CGROUP_LIMIT_SWAP] = {"memory", "memory.swap.max"},
	[CGROUP_LIMIT_PIDS] = {"pids", "pids.max"},
	[CGROUP_LIMIT_IO_WEIGHT] = {"io", "io.weight"}, /* or io.bfq.weight */
	[CGROUP_LIMIT_IO_MAX] = {"io", "io.max"},
};
_Static_assert(ARRAY_LEN(where) == CGROUP_LIMIT_MAX, "a place for each limit");

/* Moves this process from `level`, if it is there, into a leaf of it. */
static void move_to_leaf(int root, const char *level)
{
	char text[512], want[CGROUP_GROUP_MAX + 8], leaf[CGROUP_GROUP_MAX + 16];

	if (cgroup_read(AT_FDCWD, "/proc/self", "cgroup", text, sizeof(text)) <= 0)
		return;
	(void)snprintf(want, sizeof(want), "0::/%s\n", strcmp(level, ".") == 0 ? "" : level); /* was checked */
	if (!strstr(text, want))
		return;
	(void)snprintf(leaf, sizeof(leaf), "%s/" LEAF, level); /* as above */
	if (mkdirat(root, leaf, 0755) == 0 || errno == EEXIST)
		(void)cgroup_write(root, leaf, "cgroup.procs", "0"); /* a fault shows in `can` */
}

/* The kernel's own root, where processes are in nobody's way; what a container sees as its root is none. */
static bool is_root(int root, const char *level)
{
	return strcmp(level, ".") == 0 && faccessat(root, "cgroup.type", F_OK, 0) < 0;
}

/*
 * Switches the controllers on for the children of `level`. What does not work shows in `can`. A process in it, but at
 * the root, is in the way: the kernel refuses memory and io, and would take cpu, pids and cpuset, but only to make it a
 * group of threads, whose children get no memory and io afterwards, and no process of their own.
 */
static void enable(int root, const char *level)
{
	char there[512], on[512], value[32];

	if (!is_root(root, level))
		move_to_leaf(root, level);
	if (!is_root(root, level) && cgroup_read(root, level, "cgroup.procs", value, sizeof(value)) > 0)
		return;
	if (cgroup_read(root, level, "cgroup.controllers", there, sizeof(there)) < 0)
		return;
	if (cgroup_read(root, level, "cgroup.subtree_control", on, sizeof(on)) < 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		if (!cgroup_has_word(there, controllers[i]) || cgroup_has_word(on, controllers[i]))
			continue;
		(void)snprintf(value, sizeof(value), "+%s", controllers[i]);	  /* fits */
		(void)cgroup_write(root, level, "cgroup.subtree_control", value); /* as above */
	}
}

/* systemd marks what it hands over: trusted.delegate, and user.delegate for those who may not read that. */
static bool is_delegated(const struct cgroup *cg, const char *level)
{
	char path[4096], mark[4];

	if (snprintf(path, sizeof(path), "%s/%s", cg->mounts[CGROUP_UNIFIED], level) >= (int)sizeof(path))
		return false;
	return getxattr(path, "trusted.delegate", mark, sizeof(mark)) > 0 ||
	       getxattr(path, "user.delegate", mark, sizeof(mark)) > 0;
}

/* Whether the parent is, or is below, a group that was delegated. */
static bool has_delegated(const struct cgroup *cg)
{
	char level[CGROUP_GROUP_MAX] = "";

	while (cgroup_next_level(cg->parent, level))
		if (is_delegated(cg, level))
			return true;
	return false;
}

static int v2_prepare(struct cgroup *cg, struct err *e)
{
	AUTO_CLOSE int root = open(cg->mounts[CGROUP_UNIFIED], O_PATH | O_DIRECTORY | O_CLOEXEC);
	int dir = cg->dirs[CGROUP_UNIFIED].fd;
	char level[CGROUP_GROUP_MAX] = "", on[512] = "";
	/* Above what was delegated systemd alone switches controllers; where no mark tells, the names of units do. */
	bool marked = has_delegated(cg);
	size_t systemds = marked ? 0 : cgroup_home_length(cg->parent);
	bool ours = !marked && systemds == 0;

	if (root < 0)
		return err_errno(e, "open '%s'", cg->mounts[CGROUP_UNIFIED]);
	if (ours)
		enable(root, ".");
	while (cgroup_next_level(cg->parent, level)) {
		ours = ours || (marked ? is_delegated(cg, level) : strlen(level) >= systemds);
		if (ours)
			enable(root, level);
	}
	(void)cgroup_read(dir, ".", "cgroup.subtree_control", on, sizeof(on)); /* none: then nothing can be limited */
	for (int l = 0; l < CGROUP_LIMIT_MAX; l++)
		cg->can[l] = cgroup_has_word(on, where[l].controller);
	if (faccessat(dir, "memory.swap.max", F_OK, 0) < 0)
		cg->can[CGROUP_LIMIT_SWAP] = false;
	if (faccessat(dir, "io.weight", F_OK, 0) == 0)
		cg->io_weight = "io.weight";
	else if (faccessat(dir, "io.bfq.weight", F_OK, 0) == 0)
		cg->io_weight = "io.bfq.weight";
	if (!cg->io_weight)
		cg->can[CGROUP_LIMIT_IO_WEIGHT] = false;
	return 0;
}

static int64_t or_unset(int64_t n)
{
	return n > 0 ? n : -1;
}

static void build_memory(struct cgroup_build *b, const struct spec_resources *r)
{
	cgroup_step_number(b, CGROUP_UNIFIED, "memory.max", or_unset(r->memory_max_bytes), "max");
	if (r->memory_max_bytes > 0)
		cgroup_step_write(b, CGROUP_UNIFIED, "memory.oom.group", "1");
	cgroup_step_number(b, CGROUP_UNIFIED, "memory.high", or_unset(r->memory_high_bytes), "max");
	if (b->cg->can[CGROUP_LIMIT_SWAP])
		cgroup_step_number(b, CGROUP_UNIFIED, "memory.swap.max", r->swap_max_bytes, "max");
}

static void build_cpu(struct cgroup_build *b, const struct spec_resources *r)
{
	int64_t quota, period;

	if (r->cpu_milli > 0) {
		cgroup_quota(r->cpu_milli, &quota, &period);
		cgroup_step_write(b, CGROUP_UNIFIED, "cpu.max", "%lld %lld", (long long)quota, (long long)period);
	} else if (b->used) {
		cgroup_step_write(b, CGROUP_UNIFIED, "cpu.max", "max 100000");
	}
	cgroup_step_number(b, CGROUP_UNIFIED, "cpu.weight", r->cpu_weight != 100 ? or_unset(r->cpu_weight) : -1, "100");
}

static void build_io_weight(struct cgroup_build *b, const struct spec_resources *r)
{
	bool bfq = b->cg->io_weight && strcmp(b->cg->io_weight, "io.bfq.weight") == 0;
	int64_t weight = r->io_weight > 0 ? r->io_weight : 100;

	if (b->cg->io_weight && (r->io_weight > 0 || b->used))
		cgroup_step_write(b, CGROUP_UNIFIED, b->cg->io_weight, "%s%lld", bfq ? "" : "default ",
			(long long)(bfq ? MIN(1000, weight) : weight));
}

static void build_io_max(struct cgroup_build *b, const struct spec_resources *r)
{
	char devices[CGROUP_DEVICES_MAX][16], limit[24] = "max", was[16];
	bool had = b->used && cgroup_read(b->cg->dirs[CGROUP_UNIFIED].fd, b->group, "io.max", was, sizeof(was)) > 0;
	size_t n = r->io_max_bps > 0 || had ? cgroup_devices(b->cg, devices, CGROUP_DEVICES_MAX) : 0;

	if (r->io_max_bps > 0)
		(void)snprintf(limit, sizeof(limit), "%lld", (long long)r->io_max_bps); /* fits */
	for (size_t i = 0; i < n; i++)
		cgroup_step_write(b, CGROUP_UNIFIED, "io.max", "%s rbps=%s wbps=%s", devices[i], limit, limit);
}

/* A group inside of a replica's has no limits of its own, and no files for them. pids.max is always said. */
static void v2_build(struct cgroup_build *b, const struct spec_resources *r)
{
	const bool *can = b->cg->can;

	cgroup_step_mkdir(b, CGROUP_UNIFIED);
	if (strchr(b->group, '/')) {
		cgroup_step_into(b);
		return;
	}
	if (can[CGROUP_LIMIT_MEMORY])
		build_memory(b, r);
	if (can[CGROUP_LIMIT_CPU])
		build_cpu(b, r);
	if (r->cpuset || (b->used && can[CGROUP_LIMIT_CPUSET]))
		cgroup_step_write(b, CGROUP_UNIFIED, "cpuset.cpus", "%s", r->cpuset ? r->cpuset : "\n");
	if (can[CGROUP_LIMIT_PIDS] && r->pids_max > 0)
		cgroup_step_write(b, CGROUP_UNIFIED, "pids.max", "%lld", (long long)r->pids_max);
	else if (can[CGROUP_LIMIT_PIDS])
		cgroup_step_write(b, CGROUP_UNIFIED, "pids.max", "max");
	build_io_weight(b, r);
	if (can[CGROUP_LIMIT_IO_MAX])
		build_io_max(b, r);
	cgroup_step_into(b);
}

static int v2_usage(const struct cgroup *cg, const char *group, struct cgroup_usage *u)
{
	int dir = cg->dirs[CGROUP_UNIFIED].fd;
	char text[CGROUP_TEXT_MAX];
	int64_t used = cgroup_read_number(dir, group, "memory.current");
	int rc = cgroup_read(dir, group, "cpu.stat", text, sizeof(text));

	if (rc < 0)
		return rc;
	u->cpu_us = cgroup_field(text, "usage_usec");
	u->throttled_us = cgroup_field(text, "throttled_usec");
	u->pids = cgroup_read_number(dir, group, "pids.current");
	if (used >= 0 && cgroup_read(dir, group, "memory.stat", text, sizeof(text)) > 0)
		u->memory_bytes = MAX(0, used - MAX(0, cgroup_field(text, "inactive_file")));
	if (cgroup_read(dir, group, "memory.events", text, sizeof(text)) > 0)
		u->oom_kills = cgroup_field(text, "oom_kill");
	if (cgroup_read(dir, group, "pids.events", text, sizeof(text)) > 0)
		u->pids_refused = cgroup_field(text, "max");
	if (cgroup_read(dir, group, "io.stat", text, sizeof(text)) >= 0) {
		u->io_read_bytes = cgroup_sum(text, " rbytes=");
		u->io_write_bytes = cgroup_sum(text, " wbytes=");
	}
	return 0;
}

/* "some avg10=1.23 …"; a kernel with psi=0 has the files and refuses to read them. */
static double some_avg10(const struct cgroup *cg, const char *group, const char *file)
{
	static const char mark[] = "some avg10=";
	char text[256];

	if (cgroup_read(cg->dirs[CGROUP_UNIFIED].fd, group, file, text, sizeof(text)) <= 0 ||
		strncmp(text, mark, sizeof(mark) - 1) != 0)
		return -1;
	return strtod(text + sizeof(mark) - 1, NULL);
}

static void v2_pressure(const struct cgroup *cg, const char *group, struct cgroup_pressure *ret)
{
	ret->cpu = some_avg10(cg, group, "cpu.pressure");
	ret->memory = some_avg10(cg, group, "memory.pressure");
	ret->io = some_avg10(cg, group, "io.pressure");
}

/*
 * Not cgroup.kill: since Linux 6.14 (and in older stable kernels) a process that is born into a group by
 * CLONE_INTO_CGROUP is killed when the group was ever ended that way and its parent's was not. Frozen processes can be
 * killed, and their children are born frozen.
 */
static void v2_hold(const struct cgroup *cg, const char *group, bool on)
{
	(void)cgroup_write(
		cg->dirs[CGROUP_UNIFIED].fd, group, "cgroup.freeze", on ? "1" : "0"); /* it is killed anyhow */
}

const struct cgroup_vtable cgroup_v2 = {.version = 2,
	.prepare = v2_prepare,
	.build = v2_build,
	.usage = v2_usage,
	.pressure = v2_pressure,
	.hold = v2_hold};
