/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both versions of cgroups against trees of plain files: which steps limit a replica, what a host lacks, how usage is
 * read. What the kernel makes of it is tests/edge/test_cgroup's.
 */
#include "supervisor/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "tests/lib/oom.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

static void put(struct tmpdir *d, const char *name, const char *text)
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

static void get(struct tmpdir *d, const char *name, char *out, size_t n)
{
	assert_true(cgroup_read(AT_FDCWD, d->path, name, out, n) >= 0);
}

/* A v1 host with every controller, each a hierarchy of its own. */
static void make_v1(struct tmpdir *d)
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

static void make_v2(struct tmpdir *d)
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

static struct cgroup *opened(struct tmpdir *d, const char *parent)
{
	struct cgroup *cg = NULL;
	struct err e = {0};

	if (cgroup_open(d->path, parent, &cg, &e) < 0)
		fail_msg("%s", e.text);
	return cg;
}

/* The steps as text, paths relative to the tree. */
static void steps_text(
	const struct cgroup *cg, struct tmpdir *d, const char *group, const struct spec_resources *r, struct bytes *out)
{
	static const char *const names[] = {
		[SHIM_OP_MKDIR] = "mkdir", [SHIM_OP_WRITE] = "write", [SHIM_OP_JOIN] = "join", [SHIM_OP_INTO] = "into"};
	struct cgroup_steps s;
	size_t skip = strlen(d->path) + 1;
	struct err e = {0};

	bytes_clear(out);
	if (cgroup_steps(cg, group, r, &s, &e) < 0) {
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

static void expect_steps(
	struct tmpdir *d, struct cgroup *cg, const char *group, const struct spec_resources *r, const char *want)
{
	struct bytes b = {.max = 65536};

	steps_text(cg, d, group, r, &b);
	assert_string_equal(b.v, want);
	bytes_done(&b);
}

static void test_v1_steps(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;

	(void)state;
	make_v1(&d);
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_version(cg), 1);
	assert_string_equal(cgroup_missing(cg), "");
	expect_steps(&d, cg, "web.0", &usual,
		"mkdir pids/covey/web.0\n"
		"mkdir memory/covey/web.0\n"
		"mkdir cpu/covey/web.0\n"
		"mkdir cpuacct/covey/web.0\n"
		"write memory/covey/web.0/memory.limit_in_bytes = 268435456\n"
		"write cpu/covey/web.0/cpu.cfs_period_us = 100000\n"
		"write cpu/covey/web.0/cpu.cfs_quota_us = 50000\n"
		"write pids/covey/web.0/pids.max = 64\n"
		"join pids/covey/web.0/tasks\n"
		"join memory/covey/web.0/tasks\n"
		"join cpu/covey/web.0/tasks\n"
		"join cpuacct/covey/web.0/tasks\n"
		"kill pids/covey/web.0\n"
		"oom memory/covey/web.0/memory.oom_control\n");
	expect_steps(&d, cg, "web.0/probe", &none,
		"mkdir pids/covey/web.0/probe\n"
		"mkdir memory/covey/web.0/probe\n"
		"mkdir cpu/covey/web.0/probe\n"
		"mkdir cpuacct/covey/web.0/probe\n"
		"write pids/covey/web.0/probe/pids.max = max\n"
		"join pids/covey/web.0/probe/tasks\n"
		"join memory/covey/web.0/probe/tasks\n"
		"join cpu/covey/web.0/probe/tasks\n"
		"join cpuacct/covey/web.0/probe/tasks\n"
		"kill pids/covey/web.0/probe\n"
		"oom memory/covey/web.0/probe/memory.oom_control\n");
	cgroup_close(cg);
}

static void test_v1_all_limits(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;
	char text[64];

	(void)state;
	make_v1(&d);
	cg = opened(&d, "covey");
	get(&d, "cpuset/covey/cpuset.cpus", text, sizeof(text));
	assert_string_equal(text, "0-7\n");
	get(&d, "cpuset/covey/cpuset.mems", text, sizeof(text));
	assert_string_equal(text, "0\n");
	expect_steps(&d, cg, "n1+web.0", &all,
		"mkdir pids/covey/n1+web.0\n"
		"mkdir memory/covey/n1+web.0\n"
		"mkdir cpu/covey/n1+web.0\n"
		"mkdir cpuacct/covey/n1+web.0\n"
		"write memory/covey/n1+web.0/memory.limit_in_bytes = 1000\n"
		"write memory/covey/n1+web.0/memory.memsw.limit_in_bytes = 1024\n"
		"write memory/covey/n1+web.0/memory.soft_limit_in_bytes = 800\n"
		"write cpu/covey/n1+web.0/cpu.cfs_period_us = 1000000\n"
		"write cpu/covey/n1+web.0/cpu.cfs_quota_us = 5000\n"
		"write cpu/covey/n1+web.0/cpu.shares = 2048\n"
		"write pids/covey/n1+web.0/pids.max = 7\n"
		"mkdir cpuset/covey/n1+web.0\n"
		"write cpuset/covey/n1+web.0/cpuset.mems = 0\n"
		"write cpuset/covey/n1+web.0/cpuset.cpus = 0-1,3\n"
		"mkdir blkio/covey/n1+web.0\n"
		"write blkio/covey/n1+web.0/blkio.bfq.weight = 1000\n"
		"write blkio/covey/n1+web.0/blkio.throttle.read_bps_device = 8:0 50\n"
		"write blkio/covey/n1+web.0/blkio.throttle.write_bps_device = 8:0 50\n"
		"join pids/covey/n1+web.0/tasks\n"
		"join memory/covey/n1+web.0/tasks\n"
		"join cpu/covey/n1+web.0/tasks\n"
		"join cpuacct/covey/n1+web.0/tasks\n"
		"join cpuset/covey/n1+web.0/tasks\n"
		"join blkio/covey/n1+web.0/tasks\n"
		"kill pids/covey/n1+web.0\n"
		"oom memory/covey/n1+web.0/memory.oom_control\n");
	cgroup_close(cg);
}

/* A group of an earlier run with other limits: none of them stays. */
static void test_v1_used_group_is_set_back(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;

	(void)state;
	make_v1(&d);
	assert_int_equal(io_mkdirs(tmpdir_path(&d, "pids/covey/web.0"), 0755, NULL), 0);
	assert_int_equal(io_mkdirs(tmpdir_path(&d, "blkio/covey/web.0"), 0755, NULL), 0);
	cg = opened(&d, "covey");
	expect_steps(&d, cg, "web.0", &none,
		"mkdir pids/covey/web.0\n"
		"mkdir memory/covey/web.0\n"
		"mkdir cpu/covey/web.0\n"
		"mkdir cpuacct/covey/web.0\n"
		"write memory/covey/web.0/memory.memsw.limit_in_bytes = -1\n"
		"write memory/covey/web.0/memory.limit_in_bytes = -1\n"
		"write memory/covey/web.0/memory.soft_limit_in_bytes = -1\n"
		"write cpu/covey/web.0/cpu.cfs_quota_us = -1\n"
		"write cpu/covey/web.0/cpu.cfs_period_us = 100000\n"
		"write cpu/covey/web.0/cpu.shares = 1024\n"
		"write pids/covey/web.0/pids.max = max\n"
		"join pids/covey/web.0/tasks\n"
		"join memory/covey/web.0/tasks\n"
		"join cpu/covey/web.0/tasks\n"
		"join cpuacct/covey/web.0/tasks\n"
		"kill pids/covey/web.0\n"
		"oom memory/covey/web.0/memory.oom_control\n");
	assert_int_equal(access(tmpdir_path(&d, "blkio/covey/web.0"), F_OK), -1);
	cgroup_close(cg);
}

static void test_v2_used_group_is_set_back(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;

	(void)state;
	make_v2(&d);
	put(&d, "covey/web.0/io.max", "8:0 rbps=50 wbps=50 riops=max wiops=max\n");
	cg = opened(&d, "covey");
	expect_steps(&d, cg, "web.0", &none,
		"mkdir covey/web.0\n"
		"write covey/web.0/memory.max = max\n"
		"write covey/web.0/memory.high = max\n"
		"write covey/web.0/memory.swap.max = max\n"
		"write covey/web.0/cpu.max = max 100000\n"
		"write covey/web.0/cpu.weight = 100\n"
		"write covey/web.0/cpuset.cpus = \n\n"
		"write covey/web.0/pids.max = max\n"
		"write covey/web.0/io.weight = default 100\n"
		"write covey/web.0/io.max = 8:0 rbps=max wbps=max\n"
		"into covey/web.0\n"
		"kill covey/web.0\n"
		"oom covey/web.0/memory.events\n");
	cgroup_close(cg);
}

static void test_v1_one_hierarchy_for_cpu_and_cpuacct(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;
	char target[PATH_MAX];

	(void)state;
	make_v1(&d);
	put(&d, "cpu/cpuacct.usage", "0\n");
	(void)snprintf(target, sizeof(target), "%s", tmpdir_path(&d, "cpuacct"));
	assert_int_equal(rename(target, tmpdir_path(&d, "was")), 0);
	assert_int_equal(symlink("cpu", target), 0);
	cg = opened(&d, "covey");
	assert_int_equal(cg->dirs[CGROUP_CPUACCT].fd, -1);
	put(&d, "pids/covey/a.0/pids.current", "3\n");
	put(&d, "cpu/covey/a.0/cpuacct.usage", "5000000\n");
	{
		struct cgroup_usage u;

		assert_int_equal(cgroup_usage(cg, "a.0", &u, NULL), 0);
		assert_int_equal(u.cpu_us, 5000);
	}
	cgroup_close(cg);
}

static void test_v1_usage(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_usage u = {.pids = 77};
	struct err e = {0};
	struct cgroup *cg;

	(void)state;
	make_v1(&d);
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, &e), -ENOENT);
	assert_string_equal(e.text, "cgroup 'web.0': No such file or directory");
	assert_int_equal(u.pids, 77);
	put(&d, "pids/covey/web.0/pids.current", "3\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, &e), 0);
	assert_int_equal(u.pids, 3);
	assert_int_equal(u.memory_bytes, -1);
	assert_int_equal(u.cpu_us, -1);
	assert_int_equal(u.throttled_us, -1);
	assert_int_equal(u.io_read_bytes, 0);
	put(&d, "memory/covey/web.0/memory.usage_in_bytes", "1000000\n");
	put(&d, "memory/covey/web.0/memory.stat", "inactive_file 1\ntotal_cache 5\ntotal_inactive_file 300000\n");
	put(&d, "memory/covey/web.0/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
	put(&d, "cpuacct/covey/web.0/cpuacct.usage", "123456789\n");
	put(&d, "cpu/covey/web.0/cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 7000999\n");
	put(&d, "blkio/covey/web.0/blkio.throttle.io_service_bytes_recursive",
		"8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n8:16 Read 11\n8:16 Write 3\nTotal 134\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, &e), 0);
	assert_int_equal(u.memory_bytes, 700000);
	assert_int_equal(u.oom_kills, 4);
	assert_int_equal(u.cpu_us, 123456);
	assert_int_equal(u.throttled_us, 7000);
	assert_int_equal(u.io_read_bytes, 111);
	assert_int_equal(u.io_write_bytes, 23);
	put(&d, "memory/covey/web.0/memory.stat", "total_inactive_file 2000000\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, &e), 0);
	assert_int_equal(u.memory_bytes, 0);
	cgroup_close(cg);
}

static void test_v1_lacking(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct spec_resources r = usual;
	struct cgroup *cg;

	(void)state;
	make_v1(&d);
	assert_int_equal(unlink(tmpdir_path(&d, "memory/covey/memory.memsw.limit_in_bytes")), 0);
	assert_int_equal(unlink(tmpdir_path(&d, "blkio/covey/blkio.bfq.weight")), 0);
	cg = opened(&d, "covey");
	assert_string_equal(cgroup_missing(cg), "swap, io_weight");
	r.swap_max_bytes = 0;
	expect_steps(&d, cg, "a.0", &r,
		"resources.swap: this host cannot enforce it (cgroup v1, swap, io_weight is missing)");
	cg->swapless = true; /* then there is nothing to enforce */
	r.pids_max = 0;
	r.memory_max_bytes = 0;
	r.cpu_milli = 0;
	expect_steps(&d, cg, "a.0", &r,
		"mkdir pids/covey/a.0\nmkdir memory/covey/a.0\nmkdir cpu/covey/a.0\nmkdir cpuacct/covey/a.0\n"
		"write pids/covey/a.0/pids.max = max\n"
		"join pids/covey/a.0/tasks\njoin memory/covey/a.0/tasks\njoin cpu/covey/a.0/tasks\njoin "
		"cpuacct/covey/a.0/tasks\n"
		"kill pids/covey/a.0\noom memory/covey/a.0/memory.oom_control\n");
	cgroup_close(cg);
	put(&d, "memory/covey/memory.memsw.limit_in_bytes", "");
	cg = opened(&d, "covey");
	expect_steps(&d, cg, "a.0", &r, "resources.swap: cgroup v1 limits it only together with resources.memory");
	cgroup_close(cg);
}

static void test_v2_steps(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;

	(void)state;
	make_v2(&d);
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_version(cg), 2);
	assert_string_equal(cgroup_missing(cg), "");
	expect_steps(&d, cg, "web.0", &usual,
		"mkdir covey/web.0\n"
		"write covey/web.0/memory.max = 268435456\n"
		"write covey/web.0/memory.oom.group = 1\n"
		"write covey/web.0/cpu.max = 50000 100000\n"
		"write covey/web.0/pids.max = 64\n"
		"into covey/web.0\n"
		"kill covey/web.0\n"
		"oom covey/web.0/memory.events\n");
	expect_steps(&d, cg, "web.0", &all,
		"mkdir covey/web.0\n"
		"write covey/web.0/memory.max = 1000\n"
		"write covey/web.0/memory.oom.group = 1\n"
		"write covey/web.0/memory.high = 800\n"
		"write covey/web.0/memory.swap.max = 24\n"
		"write covey/web.0/cpu.max = 5000 1000000\n"
		"write covey/web.0/cpu.weight = 200\n"
		"write covey/web.0/cpuset.cpus = 0-1,3\n"
		"write covey/web.0/pids.max = 7\n"
		"write covey/web.0/io.weight = default 5000\n"
		"write covey/web.0/io.max = 8:0 rbps=50 wbps=50\n"
		"into covey/web.0\n"
		"kill covey/web.0\n"
		"oom covey/web.0/memory.events\n");
	expect_steps(&d, cg, "web.0/probe", &none,
		"mkdir covey/web.0/probe\ninto covey/web.0/probe\nkill covey/web.0/probe\noom "
		"covey/web.0/probe/memory.events\n");
	cgroup_close(cg);
}

static void test_v2_usage(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_usage u = {0};
	struct cgroup *cg;

	(void)state;
	make_v2(&d);
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, NULL), -ENOENT);
	put(&d, "covey/web.0/cpu.stat", "usage_usec 4200\nuser_usec 4000\nsystem_usec 200\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, NULL), 0);
	assert_int_equal(u.cpu_us, 4200);
	assert_int_equal(u.throttled_us, -1);
	assert_int_equal(u.memory_bytes, -1);
	assert_int_equal(u.io_read_bytes, -1);
	put(&d, "covey/web.0/cpu.stat", "usage_usec 4200\nnr_periods 1\nnr_throttled 1\nthrottled_usec 77\n");
	put(&d, "covey/web.0/memory.current", "1000000\n");
	put(&d, "covey/web.0/memory.stat", "anon 5\nfile 6\nworkingset_inactive_file 9\ninactive_file 400000\n");
	put(&d, "covey/web.0/memory.events", "low 0\nhigh 0\nmax 9\noom 2\noom_kill 3\noom_group_kill 1\n");
	put(&d, "covey/web.0/pids.current", "12\n");
	put(&d, "covey/web.0/io.stat",
		"8:0 rbytes=100 wbytes=7 rios=1 wios=2 dbytes=9 dios=0\n254:0 rbytes=1 wbytes=2\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, NULL), 0);
	assert_int_equal(u.throttled_us, 77);
	assert_int_equal(u.memory_bytes, 600000);
	assert_int_equal(u.oom_kills, 3);
	assert_int_equal(u.pids, 12);
	assert_int_equal(u.io_read_bytes, 101);
	assert_int_equal(u.io_write_bytes, 9);
	cgroup_close(cg);
}

static void test_v2_switches_controllers_on(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct spec_resources r = usual;
	struct cgroup *cg;
	char text[64];

	(void)state;
	put(&d, "cgroup.controllers", "cpuset cpu memory pids\n");
	put(&d, "cgroup.subtree_control", "cpuset cpu memory\n");
	put(&d, "a/cgroup.controllers", "memory\n");
	put(&d, "a/cgroup.subtree_control", "");
	put(&d, "a/b/cgroup.controllers", "cpu memory\n");
	put(&d, "a/b/cgroup.subtree_control", "memory");
	cg = opened(&d, "a/b");
	get(&d, "cgroup.subtree_control", text, sizeof(text)); /* plain files are written over from their start */
	assert_string_equal(text, "+pidst cpu memory\n");
	get(&d, "a/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "+memory");
	get(&d, "a/b/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "+cpury");
	cgroup_close(cg);
	put(&d, "a/b/cgroup.subtree_control", "memory cpu");
	cg = opened(&d, "a/b");
	assert_string_equal(cgroup_missing(cg), "cpuset, swap, pids, io_weight, io_max");
	expect_steps(&d, cg, "web.0", &r,
		"resources.pids: this host cannot enforce it (cgroup v2, cpuset, swap, pids, io_weight, io_max is "
		"missing)");
	cgroup_close(cg);
}

static void collect(void *arg, const char *group)
{
	assert_int_equal(bytes_fmt(arg, "%s ", group), 0);
}

static void test_each_tells_a_group_once(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct bytes b = {.max = 4096};
	struct cgroup *cg;

	(void)state;
	make_v1(&d);
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_each(cg, collect, &b), 0);
	assert_int_equal(b.n, 0);
	assert_int_equal(mkdir(tmpdir_path(&d, "pids/covey/web.0"), 0755), 0);
	assert_int_equal(mkdir(tmpdir_path(&d, "memory/covey/web.0"), 0755), 0);
	assert_int_equal(mkdir(tmpdir_path(&d, "memory/covey/half-removed.0"), 0755), 0);
	assert_int_equal(mkdir(tmpdir_path(&d, "pids/covey/_daemon"), 0755), 0);
	assert_int_equal(cgroup_each(cg, collect, &b), 0);
	assert_string_equal(b.v, "web.0 half-removed.0 ");
	assert_int_equal(cgroup_remove(cg, "web.0", NULL), 0);
	assert_int_equal(cgroup_remove(cg, "half-removed.0", NULL), 0);
	assert_int_equal(cgroup_remove(cg, "never-there.0", NULL), 0);
	bytes_clear(&b);
	assert_int_equal(cgroup_each(cg, collect, &b), 0);
	assert_int_equal(b.n, 0);
	bytes_done(&b);
	cgroup_close(cg);
}

static void test_pids_of_groups_inside_count(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	int pids[4] = {0};
	struct cgroup *cg;

	(void)state;
	make_v2(&d);
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_pids(cg, "web.0", pids, 4), 0);
	put(&d, "covey/web.0/cgroup.procs", "11\n0\n12");
	put(&d, "covey/web.0/probe/cgroup.procs", "13\n");
	assert_int_equal(cgroup_pids(cg, "web.0", pids, 4), 2); /* the last line is not ended: never so by the kernel */
	put(&d, "covey/web.0/cgroup.procs", "11\n0\n12\n");
	assert_int_equal(cgroup_pids(cg, "web.0", pids, 4), 3);
	assert_int_equal(pids[0], 11);
	assert_int_equal(pids[1], 12);
	assert_int_equal(pids[2], 13);
	assert_int_equal(cgroup_pids(cg, "web.0", pids, 2), 2);
	cgroup_close(cg);
}

static void test_bad_roots_and_parents(void **state)
{
	static const char *const parents[] = {"", "/covey", "../covey", "a/../b"};
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg = NULL;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parents); i++) {
		assert_int_equal(cgroup_open(d.path, parents[i], &cg, &e), -EINVAL);
		assert_null(cg);
	}
	assert_int_equal(cgroup_open(d.path, "covey", &cg, &e), -ENOTSUP);
	assert_non_null(strstr(e.text, "no cgroup hierarchy"));
}

static void test_many_disks_are_bounded(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_steps s;
	struct cgroup *cg;
	char name[64], text[32];

	(void)state;
	make_v1(&d);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "block/vd%d/dev", i);
		(void)snprintf(text, sizeof(text), "254:%d\n", i);
		put(&d, name, text);
	}
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_steps(cg, "a.0", &all, &s, NULL), 0);
	assert_true(s.n <= ARRAY_LEN(s.v));
	cgroup_steps_done(&s);
	cgroup_close(cg);
}

static void test_every_failed_allocation(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();

	(void)state;
	make_v1(&d);
	OOM_LOOP (o) {
		struct cgroup_steps s = {0};
		struct cgroup *cg = NULL;
		int rc = cgroup_open(d.path, "covey", &cg, NULL);

		if (rc == 0)
			rc = cgroup_steps(cg, "a.0", &all, &s, NULL);
		if (oom_hit(&o))
			assert_int_equal(rc, -ENOMEM);
		else
			assert_int_equal(rc, 0);
		cgroup_steps_done(&s);
		cgroup_close(cg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1_steps),
		cmocka_unit_test(test_v1_all_limits),
		cmocka_unit_test(test_v1_used_group_is_set_back),
		cmocka_unit_test(test_v2_used_group_is_set_back),
		cmocka_unit_test(test_v1_one_hierarchy_for_cpu_and_cpuacct),
		cmocka_unit_test(test_v1_usage),
		cmocka_unit_test(test_v1_lacking),
		cmocka_unit_test(test_v2_steps),
		cmocka_unit_test(test_v2_usage),
		cmocka_unit_test(test_v2_switches_controllers_on),
		cmocka_unit_test(test_each_tells_a_group_once),
		cmocka_unit_test(test_pids_of_groups_inside_count),
		cmocka_unit_test(test_bad_roots_and_parents),
		cmocka_unit_test(test_many_disks_are_bounded),
		cmocka_unit_test(test_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
