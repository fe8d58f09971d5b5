/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups v1: one group a controller. A replica has memory, cpu and pids always, so that it can be measured and
 * killed; cpuacct beside them where it is a hierarchy of its own; cpuset and blkio only when they are asked for.
 *
 * Processor time is cpuacct's, exact over the life of the group. Measured against adding up /proc/PID/stat over the
 * group's processes, a fourth group costs nothing that can be seen at a start, is read in a third of the time, and
 * misses nothing: the sum loses what orphans used, whose time goes to their reaper, and falls when they end.
 * Where blkio was not asked for, I/O is such a sum of /proc/PID/io: what a process used counts as long as it lives and,
 * once it was waited for, as long as its parent does.
 */
#include "supervisor/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define PERIOD_DEFAULT_US 100000 /* of a new group */
#define IO_PIDS_MAX	  64	 /* processes of a replica whose I/O is added up; with more it is not known */

static const struct where {
	enum cgroup_tree tree;
	const char *file;
} where[] = {
	[CGROUP_LIMIT_CPU] = {CGROUP_CPU, "cpu.cfs_quota_us"},
	[CGROUP_LIMIT_CPU_WEIGHT] = {CGROUP_CPU, "cpu.shares"},
	[CGROUP_LIMIT_CPUSET] = {CGROUP_CPUSET, "cpuset.cpus"},
	[CGROUP_LIMIT_MEMORY] = {CGROUP_MEMORY, "memory.limit_in_bytes"},
	[CGROUP_LIMIT_MEMORY_HIGH] = {CGROUP_MEMORY, "memory.soft_limit_in_bytes"},
	[CGROUP_LIMIT_SWAP] = {CGROUP_MEMORY, "memory.memsw.limit_in_bytes"},
	[CGROUP_LIMIT_PIDS] = {CGROUP_PIDS, "pids.max"},
	[CGROUP_LIMIT_IO_WEIGHT] = {CGROUP_BLKIO, "blkio.bfq.weight"}, /* or blkio.weight */
	[CGROUP_LIMIT_IO_MAX] = {CGROUP_BLKIO, "blkio.throttle.read_bps_device"},
};
_Static_assert(ARRAY_LEN(where) == CGROUP_LIMIT_MAX, "a place for each limit");

static bool has_file(const struct cgroup *cg, enum cgroup_tree t, const char *file)
{
	return cg->dirs[t].fd >= 0 && faccessat(cg->dirs[t].fd, file, F_OK, 0) == 0;
}

/* A cpuset without processors or memory nodes takes no process: each level gets what the root has. */
static void init_cpuset(const struct cgroup *cg, const char *file)
{
	AUTO_CLOSE int root = open(cg->mounts[CGROUP_CPUSET], O_PATH | O_DIRECTORY | O_CLOEXEC);
	char level[CGROUP_GROUP_MAX] = "", all[256], own[256];

	if (cgroup_read(root, ".", file, all, sizeof(all)) <= 0)
		return;
	while (cgroup_next_level(cg->parent, level)) {
		if (cgroup_read(root, level, file, own, sizeof(own)) > 1)
			continue;
		(void)cgroup_write(root, level, file, all); /* a fault shows in `can` */
	}
}

static int v1_prepare(struct cgroup *cg, struct err *e)
{
	char text[64];

	(void)e; /* what is not there is told as missing */
	if (cg->mounts[CGROUP_CPUSET]) {
		init_cpuset(cg, "cpuset.cpus");
		init_cpuset(cg, "cpuset.mems");
	}
	for (int l = 0; l < CGROUP_LIMIT_MAX; l++)
		cg->can[l] = has_file(cg, where[l].tree, where[l].file);
	cg->can[CGROUP_LIMIT_CPUSET] =
		cgroup_read(cg->dirs[CGROUP_CPUSET].fd, ".", "cpuset.cpus", text, sizeof(text)) > 1;
	cg->io_weight = cg->can[CGROUP_LIMIT_IO_WEIGHT] ? "blkio.bfq.weight" : NULL;
	if (!cg->io_weight && has_file(cg, CGROUP_BLKIO, "blkio.weight"))
		cg->io_weight = "blkio.weight";
	cg->can[CGROUP_LIMIT_IO_WEIGHT] = cg->io_weight;
	return 0;
}

static int64_t or_unset(int64_t n)
{
	return n > 0 ? n : -1;
}

/* The limit with swap may never be the lower one of the two: in a used group it goes out of the way first. */
static void build_memory(struct cgroup_build *b, const struct spec_resources *r)
{
	bool swap = r->swap_max_bytes >= 0;

	if (b->cg->can[CGROUP_LIMIT_SWAP] && b->used)
		cgroup_step_write(b, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "-1");
	if (b->cg->can[CGROUP_LIMIT_MEMORY])
		cgroup_step_number(b, CGROUP_MEMORY, "memory.limit_in_bytes", or_unset(r->memory_max_bytes), "-1");
	if (b->cg->can[CGROUP_LIMIT_SWAP] && swap)
		cgroup_step_write(b, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", "%lld",
			(long long)(r->memory_max_bytes + r->swap_max_bytes));
	if (b->cg->can[CGROUP_LIMIT_MEMORY_HIGH])
		cgroup_step_number(
			b, CGROUP_MEMORY, "memory.soft_limit_in_bytes", or_unset(r->memory_high_bytes), "-1");
}

/* Each write of quota or period makes the kernel look at all groups there are, so a new one is told only its quota. */
static void build_cpu(struct cgroup_build *b, const struct spec_resources *r)
{
	int64_t quota = -1, period = -1;

	if (b->cg->can[CGROUP_LIMIT_CPU]) {
		if (r->cpu_milli > 0)
			cgroup_quota(r->cpu_milli, &quota, &period);
		if (b->used)
			cgroup_step_write(b, CGROUP_CPU, "cpu.cfs_quota_us", "-1");
		if (b->used || period != PERIOD_DEFAULT_US)
			cgroup_step_number(b, CGROUP_CPU, "cpu.cfs_period_us", period, "100000");
		if (quota > 0)
			cgroup_step_write(b, CGROUP_CPU, "cpu.cfs_quota_us", "%lld", (long long)quota);
	}
	if (b->cg->can[CGROUP_LIMIT_CPU_WEIGHT])
		cgroup_step_number(b, CGROUP_CPU, "cpu.shares",
			r->cpu_weight > 0 && r->cpu_weight != 100 ? MAX(2, r->cpu_weight * 1024 / 100) : -1, "1024");
}

static void build_cpuset(struct cgroup_build *b, const struct spec_resources *r)
{
	char mems[256];

	if (cgroup_read(b->cg->dirs[CGROUP_CPUSET].fd, ".", "cpuset.mems", mems, sizeof(mems)) <= 0)
		mems[0] = '\0';
	mems[strcspn(mems, "\n")] = '\0';
	cgroup_step_mkdir(b, CGROUP_CPUSET);
	cgroup_step_write(b, CGROUP_CPUSET, "cpuset.mems", "%s", mems);
	cgroup_step_write(b, CGROUP_CPUSET, "cpuset.cpus", "%s", r->cpuset);
}

static void build_blkio(struct cgroup_build *b, const struct spec_resources *r)
{
	static const char *const files[] = {"blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device"};
	bool bfq = b->cg->io_weight && strcmp(b->cg->io_weight, "blkio.bfq.weight") == 0;
	char devices[CGROUP_DEVICES_MAX][16];
	size_t n = r->io_max_bps > 0 || b->used ? cgroup_devices(b->cg, devices, CGROUP_DEVICES_MAX) : 0;

	cgroup_step_mkdir(b, CGROUP_BLKIO);
	if (b->cg->io_weight)
		cgroup_step_number(b, CGROUP_BLKIO, b->cg->io_weight,
			r->io_weight > 0 ? MIN(1000, MAX(bfq ? 1 : 10, r->io_weight)) : -1, bfq ? "100" : "500");
	for (size_t i = 0; i < n; i++)
		for (size_t f = 0; f < ARRAY_LEN(files); f++)
			cgroup_step_write(b, CGROUP_BLKIO, files[f], "%s %lld", devices[i], (long long)r->io_max_bps);
}

/* A group of an earlier run that is not joined any more would be taken for this run's. */
static void drop_group(const struct cgroup_build *b, enum cgroup_tree t)
{
	if (b->used && b->cg->dirs[t].fd >= 0)
		(void)unlinkat(b->cg->dirs[t].fd, b->group, AT_REMOVEDIR); /* mostly there is none */
}

/* pids.max is always said: a group that was killed has it at 0. */
static void v1_build(struct cgroup_build *b, const struct spec_resources *r)
{
	bool blkio = r->io_weight > 0 || r->io_max_bps > 0;
	enum cgroup_tree t;

	for (t = CGROUP_PIDS; t <= CGROUP_CPUACCT; t++)
		if (b->cg->dirs[t].fd >= 0)
			cgroup_step_mkdir(b, t);
	build_memory(b, r);
	build_cpu(b, r);
	if (b->cg->can[CGROUP_LIMIT_PIDS] && r->pids_max > 0)
		cgroup_step_write(b, CGROUP_PIDS, "pids.max", "%lld", (long long)r->pids_max);
	else if (b->cg->can[CGROUP_LIMIT_PIDS])
		cgroup_step_write(b, CGROUP_PIDS, "pids.max", "max");
	if (r->cpuset)
		build_cpuset(b, r);
	else
		drop_group(b, CGROUP_CPUSET);
	if (blkio)
		build_blkio(b, r);
	else
		drop_group(b, CGROUP_BLKIO);
	for (t = CGROUP_PIDS; t < CGROUP_TREE_MAX; t++)
		if (b->cg->dirs[t].fd >= 0 && (t != CGROUP_CPUSET || r->cpuset) && (t != CGROUP_BLKIO || blkio))
			cgroup_step_join(b, t, "tasks");
}

struct io_sum {
	int64_t read, write;
	int pids;
};

static int add_io(void *arg, int pid)
{
	struct io_sum *sum = arg;
	char dir[32], text[512];

	if (++sum->pids > IO_PIDS_MAX)
		return -E2BIG;
	(void)snprintf(dir, sizeof(dir), "/proc/%d", pid); /* fits */
	if (cgroup_read(AT_FDCWD, dir, "io", text, sizeof(text)) <= 0)
		return 0; /* has ended meanwhile */
	sum->read += MAX(0, cgroup_field(text, "read_bytes:"));
	sum->write += MAX(0, cgroup_field(text, "write_bytes:"));
	return 0;
}

static void read_io(const struct cgroup *cg, const char *group, struct cgroup_usage *u)
{
	struct io_sum sum = {0};
	char text[CGROUP_TEXT_MAX];

	if (cgroup_read(cg->dirs[CGROUP_BLKIO].fd, group, "blkio.throttle.io_service_bytes_recursive", text,
		    sizeof(text)) >= 0) {
		u->io_read_bytes = cgroup_sum(text, " Read ");
		u->io_write_bytes = cgroup_sum(text, " Write ");
		return;
	}
	if (cgroup_walk(cg->dirs[CGROUP_PIDS].fd, group, 0, add_io, &sum) < 0)
		return;
	u->io_read_bytes = sum.read;
	u->io_write_bytes = sum.write;
}

static int v1_usage(const struct cgroup *cg, const char *group, struct cgroup_usage *u)
{
	enum cgroup_tree acct = cg->dirs[CGROUP_CPUACCT].fd >= 0 ? CGROUP_CPUACCT : CGROUP_CPU;
	char text[CGROUP_TEXT_MAX];
	int64_t used, n;

	u->pids = cgroup_read_number(cg->dirs[CGROUP_PIDS].fd, group, "pids.current");
	if (cgroup_read(cg->dirs[CGROUP_PIDS].fd, group, "pids.events", text, sizeof(text)) > 0)
		u->pids_refused = cgroup_field(text, "max");
	used = cgroup_read_number(cg->dirs[CGROUP_MEMORY].fd, group, "memory.usage_in_bytes");
	if (u->pids < 0 && used < 0)
		return -ENOENT;
	if (used >= 0 && cgroup_read(cg->dirs[CGROUP_MEMORY].fd, group, "memory.stat", text, sizeof(text)) > 0)
		u->memory_bytes = MAX(0, used - MAX(0, cgroup_field(text, "total_inactive_file")));
	if (cgroup_read(cg->dirs[CGROUP_MEMORY].fd, group, "memory.oom_control", text, sizeof(text)) > 0)
		u->oom_kills = cgroup_field(text, "oom_kill");
	n = cgroup_read_number(cg->dirs[acct].fd, group, "cpuacct.usage");
	u->cpu_us = n < 0 ? -1 : n / 1000;
	if (cgroup_read(cg->dirs[CGROUP_CPU].fd, group, "cpu.stat", text, sizeof(text)) > 0) {
		n = cgroup_field(text, "throttled_time");
		u->throttled_us = n < 0 ? -1 : n / 1000;
	}
	read_io(cg, group, u);
	return 0;
}

/* No process of the group can make another one from here on; the next steps say pids.max again. */
static void v1_hold(const struct cgroup *cg, const char *group, bool on)
{
	if (on)
		(void)cgroup_write(
			cg->dirs[CGROUP_PIDS].fd, group, "pids.max", "0"); /* it is killed until none is left */
}

const struct cgroup_vtable cgroup_v1 = {
	.version = 1, .prepare = v1_prepare, .build = v1_build, .usage = v1_usage, .hold = v1_hold};
