/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_CGROUP_BED_H
#define TESTS_LIB_CGROUP_BED_H
/*
 * Trees of plain files that look like a host with cgroups v1 or v2, and the steps that limit a replica in one as text.
 */
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "supervisor/cgroup_impl.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

static inline void put(struct tmpdir *d, const char *name, const char *text)
{
	char path[PATH_MAX], *slash;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s", tmpdir_path(d, name)); /* fits */
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_int_equal(io_mkdirs(path, 0755, NULL), 0);
	*slash = '/';
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void get(struct tmpdir *d, const char *name, char *out, size_t n)
{
	assert_true(cgroup_read(AT_FDCWD, d->path, name, out, n) >= 0);
}

/* A v1 host with every controller, each a hierarchy of its own. */
static inline void make_v1(struct tmpdir *d)
{
	put(d, "memory/covey/memory.limit_in_bytes", "");
	put(d, "memory/covey/memory.soft_limit_in_bytes", "");
	put(d, "memory/covey/memory.memsw.limit_in_bytes", "");
	put(d, "cpu/covey/cpu.cfs_quota_us", "");
	put(d, "cpu/covey/cpu.shares", "");
	put(d, "cpuacct/covey/cpuacct.usage", "");
	put(d, "pids/covey/pids.max", "");
	put(d, "cpuset/cpuset.cpus", "0-7\n");
	put(d, "cpuset/cpuset.mems", "0\n");
	put(d, "cpuset/covey/cpuset.cpus", "");
	put(d, "cpuset/covey/cpuset.mems", "");
	put(d, "blkio/covey/blkio.bfq.weight", "");
	put(d, "blkio/covey/blkio.throttle.read_bps_device", "");
	put(d, "block/sda/dev", "8:0\n");
	put(d, "block/loop0/dev", "7:0\n");
}

static inline void make_v2(struct tmpdir *d)
{
	put(d, "cgroup.controllers", "cpuset cpu io memory pids\n");
	put(d, "cgroup.subtree_control", "cpuset cpu io memory pids\n");
	put(d, "covey/cgroup.controllers", "cpuset cpu io memory pids\n");
	put(d, "covey/cgroup.subtree_control", "cpuset cpu io memory pids\n");
	put(d, "covey/memory.swap.max", "");
	put(d, "covey/io.weight", "");
	put(d, "block/sda/dev", "8:0\n");
	put(d, "block/loop0/dev", "7:0\n");
}

static inline struct cgroup *opened(struct tmpdir *d, const char *parent)
{
	struct cgroup *cg = NULL;
	struct err e = {0};

	if (cgroup_open(d->path, parent, &cg, &e) < 0)
		fail_msg("%s", e.text);
	return cg;
}

/* The steps as text, paths relative to the tree. */
static inline void steps_text(
	const struct cgroup *cg, struct tmpdir *d, const char *group, const struct spec_resources *r, struct bytes *out)
{
	static const char *const names[] = {
		[SHIM_OP_MKDIR] = "mkdir", [SHIM_OP_WRITE] = "write", [SHIM_OP_JOIN] = "join", [SHIM_OP_INTO] = "into"};
	struct cgroup_steps s;
	size_t skip = strlen(d->path) + 1;
	struct err e = {0};

	bytes_clear(out);
	if (cgroup_steps(cg, group, r, false, &s, &e) < 0) {
		assert_int_equal(bytes_str(out, e.text), 0);
		return;
	}
	for (size_t i = 0; i < s.n; i++)
		assert_int_equal(bytes_fmt(out, "%s %s%s%s\n", names[s.v[i].type], s.v[i].path + skip,
					 s.v[i].value ? " = " : "", s.v[i].value ? s.v[i].value : ""),
			0);
	assert_int_equal(bytes_fmt(out, "kill %s\noom %s\n", s.kill_dir + skip, s.oom_path + skip), 0);
	assert_int_equal(s.v2, cgroup_version(cg) == 2);
	cgroup_steps_done(&s);
}

static const struct spec_resources none = {.cpu_weight = 100, .swap_max_bytes = -1};
static const struct spec_resources usual = {
	.cpu_milli = 500, .cpu_weight = 100, .memory_max_bytes = 256 << 20, .swap_max_bytes = -1, .pids_max = 64};
static const struct spec_resources all = {.cpu_milli = 5,
	.cpu_weight = 200,
	.cpuset = "0-1,3",
	.memory_max_bytes = 1000,
	.memory_high_bytes = 800,
	.swap_max_bytes = 24,
	.pids_max = 7,
	.io_weight = 5000,
	.io_max_bps = 50};

static inline void expect_steps(
	struct tmpdir *d, struct cgroup *cg, const char *group, const struct spec_resources *r, const char *want)
{
	struct bytes b = {.max = 65536};

	steps_text(cg, d, group, r, &b);
	assert_string_equal(b.v, want);
	bytes_done(&b);
}

#endif
