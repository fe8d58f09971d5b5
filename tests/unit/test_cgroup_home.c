/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where agents live under systemd, against trees of plain files: the group of covey-agents.service is found beside the
 * daemon's own, on v2, v1 and hybrid hosts, and nowhere else; shims get a leaf in each hierarchy that systemd goes by.
 */
#include <errno.h>

#include "supervisor/cgroup_home.h"
#include "tests/lib/cgroup_bed.h"

static const char *at(struct tmpdir *d, const char *name)
{
	return tmpdir_path(d, name);
}

static struct cgroup_home find(struct tmpdir *d, const char *self)
{
	char proc[PATH_MAX];
	struct cgroup_home h;

	put(d, "proc/cgroup", self);
	(void)snprintf(proc, sizeof(proc), "%s/proc", d->path); /* fits */
	cgroup_home_find(d->path, proc, &h);
	return h;
}

static void expect(struct tmpdir *d, const char *self, bool found, bool by_systemd, const char *path)
{
	struct cgroup_home h = find(d, self);

	assert_int_equal(h.found, found);
	assert_int_equal(h.by_systemd, by_systemd);
	if (path)
		assert_string_equal(h.path, path);
}

static void test_v2(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();

	(void)state;
	put(&d, "cgroup.controllers", "memory pids\n");
	put(&d, "system.slice/covey-agents.service/cgroup.procs", "");
	expect(&d, "0::/system.slice/coveyd.service\n", true, true, "system.slice/covey-agents.service");
	expect(&d, "0::/system.slice/other.service\n", false, false, NULL);
	expect(&d, "0::/user.slice/user-0.slice/session-1.scope\n", false, false, NULL);
	expect(&d, "0::/other.slice/coveyd.service\n", false, true, NULL);
	expect(&d, "0::/\n", false, false, NULL);
	expect(&d, "0::/coveyd.service\n", false, false, NULL);
	expect(&d, "0::", false, false, NULL);
	expect(&d, "", false, false, NULL);
	expect(&d, "1:name=systemd:/system.slice/coveyd.service\n0::/\n", false, false, NULL);
}

static void test_v1_goes_by_systemds_own_hierarchy(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();

	(void)state;
	put(&d, "systemd/tasks", "");
	put(&d, "systemd/system.slice/covey-agents.service/tasks", "");
	expect(&d, "12:pids:/x/y\n1:name=systemd:/system.slice/coveyd.service\n0::/\n", true, true,
		"system.slice/covey-agents.service");
	expect(&d, "12:pids:/system.slice/coveyd.service\n1:name=systemd:/\n", false, false, NULL);
}

static void test_a_path_that_is_too_long_is_no_home(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	char self[600];

	(void)state;
	put(&d, "cgroup.controllers", "memory pids\n");
	(void)snprintf(self, sizeof(self), "0::/%0300d/coveyd.service\n", 1); /* fits */
	expect(&d, self, false, true, NULL);
}

static bool is_open_at(struct tmpdir *d, int fd, const char *name)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[MAX(n, (ssize_t)0)] = '\0';
	return fd >= 0 && strcmp(path, at(d, name)) == 0;
}

static void test_shims_get_a_leaf_in_each_hierarchy(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_place p = CGROUP_PLACE_NONE;
	struct cgroup_home h;
	struct err e;

	(void)state;
	put(&d, "systemd/tasks", "");
	put(&d, "systemd/s.slice/covey-agents.service/_shims/tasks", "");
	put(&d, "unified/cgroup.controllers", "");
	put(&d, "unified/s.slice/covey-agents.service/_shims/cgroup.procs", "");
	h = find(&d, "1:name=systemd:/s.slice/coveyd.service\n0::/s.slice/coveyd.service\n");
	assert_true(h.found);
	assert_int_equal(cgroup_place_open(d.path, &h, &p, &e), 0);
	assert_true(is_open_at(&d, p.into, "unified/s.slice/covey-agents.service/_shims"));
	assert_true(is_open_at(&d, p.procs, "unified/s.slice/covey-agents.service/_shims/cgroup.procs"));
	assert_true(is_open_at(&d, p.tasks, "systemd/s.slice/covey-agents.service/_shims/tasks"));
	cgroup_place_close(&p);
	assert_int_equal(p.into, -1);
}

static void test_without_a_home_there_is_no_place(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_place p = CGROUP_PLACE_NONE;
	struct cgroup_home h = {0};
	struct err e;

	(void)state;
	put(&d, "cgroup.controllers", "");
	assert_int_equal(cgroup_place_open(d.path, &h, &p, &e), 0);
	assert_int_equal(p.into, -1);
	assert_int_equal(p.procs, -1);
	assert_int_equal(p.tasks, -1);
}

static void test_what_cannot_be_opened_is_told(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	struct cgroup_place p = CGROUP_PLACE_NONE;
	struct cgroup_home h;
	struct err e;

	(void)state;
	put(&d, "cgroup.controllers", "");
	put(&d, "s.slice/covey-agents.service/x", "");
	h = find(&d, "0::/s.slice/coveyd.service\n");
	assert_int_equal(cgroup_place_open(d.path, &h, &p, &e), -ENOENT);
	assert_non_null(strstr(e.text, "_shims/cgroup.procs"));
	assert_int_equal(p.into, -1); /* untouched */
}

static void test_how_much_of_a_path_is_systemds(void **state)
{
	(void)state;
	assert_int_equal(cgroup_home_length("covey"), 0);
	assert_int_equal(cgroup_home_length("a/b"), 0);
	assert_int_equal(cgroup_home_length("system.slice/covey-agents.service"), 33);
	assert_int_equal(cgroup_home_length("system.slice/covey-agents.service/covey"), 33);
	assert_int_equal(cgroup_home_length("a.slice/b"), 7);
	assert_int_equal(cgroup_home_length(".slice"), 0);
	assert_int_equal(cgroup_home_length("a.slicer/b"), 0);
}

static void test_v2_switches_nothing_above_its_unit(void **state)
{
	AUTO_TMPDIR struct tmpdir d = tmpdir_make();
	char text[64];
	struct cgroup *cg;

	(void)state;
	put(&d, "cgroup.controllers", "cpu memory pids\n");
	put(&d, "cgroup.subtree_control", "memory\n");
	put(&d, "s.slice/cgroup.controllers", "cpu memory pids\n");
	put(&d, "s.slice/cgroup.subtree_control", "memory\n");
	put(&d, "s.slice/covey-agents.service/cgroup.controllers", "memory pids\n");
	put(&d, "s.slice/covey-agents.service/cgroup.subtree_control", "");
	cg = opened(&d, "s.slice/covey-agents.service");
	get(&d, "cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "memory\n");
	get(&d, "s.slice/cgroup.subtree_control", text, sizeof(text));
	assert_string_equal(text, "memory\n");
	get(&d, "s.slice/covey-agents.service/cgroup.subtree_control", text, sizeof(text));
	assert_int_equal(strncmp(text, "+pids", 5), 0); /* written last; a plain file keeps more */
	cgroup_close(cg);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v2),
		cmocka_unit_test(test_v1_goes_by_systemds_own_hierarchy),
		cmocka_unit_test(test_a_path_that_is_too_long_is_no_home),
		cmocka_unit_test(test_shims_get_a_leaf_in_each_hierarchy),
		cmocka_unit_test(test_without_a_home_there_is_no_place),
		cmocka_unit_test(test_what_cannot_be_opened_is_told),
		cmocka_unit_test(test_how_much_of_a_path_is_systemds),
		cmocka_unit_test(test_v2_switches_nothing_above_its_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
