/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroups v2 against trees of plain files: which steps limit a replica, which controllers are switched on down to it,
 * how usage is read. What the kernel makes of it is tests/edge/test_cgroup's, and the virtual machine's.
 */
#include <errno.h>
#include <sys/xattr.h>

#include "tests/lib/cgroup_bed.h"

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
	put(&d, "covey/web.0/pids.events", "max 5\n");
	put(&d, "covey/web.0/io.stat",
		"8:0 rbytes=100 wbytes=7 rios=1 wios=2 dbytes=9 dios=0\n254:0 rbytes=1 wbytes=2\n");
	assert_int_equal(cgroup_usage(cg, "web.0", &u, NULL), 0);
	assert_int_equal(u.throttled_us, 77);
	assert_int_equal(u.memory_bytes, 600000);
	assert_int_equal(u.oom_kills, 3);
	assert_int_equal(u.pids, 12);
	assert_int_equal(u.pids_refused, 5);
	assert_int_equal(u.io_read_bytes, 101);
	assert_int_equal(u.io_write_bytes, 9);
	cgroup_close(cg);
}

/* What a kernel without PSI, or with psi=0, does not tell is not known, and no 0. */
static void test_v2_pressure(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_pressure p = {0};
	struct cgroup *cg;

	(void)state;
	make_v2(&d);
	cg = opened(&d, "covey");
	cgroup_pressure(cg, "web.0", &p);
	assert_true(p.cpu == -1 && p.memory == -1 && p.io == -1);
	put(&d, "covey/web.0/cpu.pressure",
		"some avg10=12.50 avg60=0.00 avg300=0.00 total=5\nfull avg10=3.00 total=1\n");
	put(&d, "covey/web.0/memory.pressure", "some avg10=0.00 avg60=9.00 avg300=0.00 total=5\n");
	put(&d, "covey/web.0/io.pressure", "full avg10=1.50 avg60=0.00 avg300=0.00 total=5\n");
	cgroup_pressure(cg, "web.0", &p);
	assert_true(p.cpu == 12.5);
	assert_true(p.memory == 0);
	assert_true(p.io == -1);
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

/* Only from the delegated group down: what systemd did not hand over is missing, not taken. */
static void test_v2_leaves_what_is_not_delegated(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup *cg;
	char text[64];

	(void)state;
	put(&d, "cgroup.controllers", "cpu memory pids\n");
	put(&d, "cgroup.subtree_control", "pids\n");
	put(&d, "a/cgroup.controllers", "cpu pids\n");
	put(&d, "a/cgroup.subtree_control", "pids\n");
	put(&d, "a/b/cgroup.controllers", "pids\n");
	put(&d, "a/b/cgroup.subtree_control", "");
	put(&d, "a/b/c/cgroup.controllers", "pids\n");
	put(&d, "a/b/c/cgroup.subtree_control", "");
	if (setxattr(tmpdir_path(&d, "a/b"), "user.delegate", "1", 1, 0) < 0) {
		print_message("not here: this host lacks extended attributes in its temporary directory\n");
		return;
	}
	cg = opened(&d, "a/b/c");
	get(&d, "cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "pids\n");
	get(&d, "a/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "pids\n");
	get(&d, "a/b/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "+pids");
	get(&d, "a/b/c/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "+pids");
	cgroup_close(cg);
	put(&d, "a/b/c/cgroup.subtree_control", "");
	put(&d, "a/b/c/cgroup.procs", "1\n"); /* somebody else is there: no controller at all */
	cg = opened(&d, "a/b/c");
	get(&d, "a/b/c/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "");
	assert_non_null(strstr(cgroup_missing(cg), "pids"));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v2_used_group_is_set_back),
		cmocka_unit_test(test_v2_steps),
		cmocka_unit_test(test_v2_usage),
		cmocka_unit_test(test_v2_pressure),
		cmocka_unit_test(test_v2_switches_controllers_on),
		cmocka_unit_test(test_v2_leaves_what_is_not_delegated),
		cmocka_unit_test(test_pids_of_groups_inside_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
