/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups v1 against trees of plain files: which steps limit a replica, what a host lacks, how usage is read, and what
 * is the same for v2. What the kernel makes of it is tests/edge/test_cgroup's.
 */
#include <errno.h>
#include <sys/stat.h>

#include "tests/lib/cgroup_bed.h"
#include "tests/lib/oom.h"

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

static void test_v1_nothing_can_fork_while_it_is_killed(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;
	char text[16];

	(void)state;
	make_v1(&d);
	put(&d, "pids/covey/web.0/pids.max", "9");
	put(&d, "pids/covey/web.0/cgroup.procs", "");
	cg = opened(&d, "covey");
	assert_int_equal(cgroup_kill(cg, "web.0"), 0);
	get(&d, "pids/covey/web.0/pids.max", text, sizeof(text));
	assert_string_equal(text, "0");
	cgroup_close(cg);
}

static void test_v1_usage(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_usage u = {.pids = 77};
	struct cgroup_pressure p = {0};
	struct err e = {0};
	struct cgroup *cg;

	(void)state;
	make_v1(&d);
	cg = opened(&d, "covey");
	cgroup_pressure(cg, "web.0", &p);
	assert_true(p.cpu == -1 && p.memory == -1 && p.io == -1);
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
	put(&d, "pids/covey/web.0/pids.events", "max 6\n");
	put(&d, "cpuacct/covey/web.0/cpuacct.usage", "123456789\n");
	put(&d, "cpu/covey/web.0/cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 7000999\n");
	put(&d, "blkio/covey/web.0/blkio.throttle.io_service_bytes_recursive",
		"8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n8:16 Read 11\n8:16 Write 3\nTotal 134\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, &e), 0);
	assert_int_equal(u.memory_bytes, 700000);
	assert_int_equal(u.oom_kills, 4);
	assert_int_equal(u.pids_refused, 6);
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
	assert_int_equal(cgroup_steps(cg, "a.0", &all, false, &s, NULL), 0);
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
			rc = cgroup_steps(cg, "a.0", &all, false, &s, NULL);
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
		cmocka_unit_test(test_v1_one_hierarchy_for_cpu_and_cpuacct),
		cmocka_unit_test(test_v1_nothing_can_fork_while_it_is_killed),
		cmocka_unit_test(test_v1_usage),
		cmocka_unit_test(test_v1_lacking),
		cmocka_unit_test(test_each_tells_a_group_once),
		cmocka_unit_test(test_bad_roots_and_parents),
		cmocka_unit_test(test_many_disks_are_bounded),
		cmocka_unit_test(test_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
