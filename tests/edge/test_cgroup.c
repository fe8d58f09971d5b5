/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of the real kernel: the steps are done as a shim does them, and then the limits hold, everything in a group
 * can be killed however it hides, usage is told, and nothing is left behind.
 */
#include "supervisor/cgroup_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/lib/groups.h"
#include "tests/lib/test.h"
#include "tests/lib/wait.h"

static const struct spec_resources none = {.cpu_weight = 100, .swap_max_bytes = -1};

static struct cgroup *cg; /* one subtree for the whole program, named after its pid */

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	(void)close(fd); /* written or refused by now */
	return rc;
}

/* What a shim does before it forks; returns the directory to be born into, or -1. */
static int do_steps(const struct cgroup_steps *s)
{
	int into = -1;

	for (size_t i = 0; i < s->n; i++) {
		const struct cgroup_step *st = &s->v[i];

		if (st->type == SHIM_OP_MKDIR)
			assert_true(mkdir(st->path, 0755) == 0 || errno == EEXIST);
		else if (st->type == SHIM_OP_WRITE && write_file(st->path, st->value) < 0)
			fail_msg("write '%s' to %s: %s", st->value, st->path, strerror(errno));
		else if (st->type == SHIM_OP_INTO)
			into = open(st->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return into;
}

/* Starts body in the group; it is in there when this returns, and ends with the test at the latest. */
static pid_t start(const char *group, const struct spec_resources *r, int (*body)(void *arg), void *arg)
{
	struct clone_args args = {.exit_signal = SIGCHLD};
	struct cgroup_steps s;
	struct err e = {0};
	int into, joined[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(joined, O_CLOEXEC), 0);
	if (cgroup_steps(cg, group, r, false, &s, &e) < 0)
		fail_msg("%s", e.text);
	into = do_steps(&s);
	if (into >= 0) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)into;
	}
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* only for tidiness */
		for (size_t i = 0; i < s.n; i++)
			if (s.v[i].type == SHIM_OP_JOIN && write_file(s.v[i].path, "0") < 0)
				_exit(99);
		if (write(joined[1], "j", 1) != 1)
			_exit(98);
		(void)close(joined[0]); /* children of the body hold neither end */
		(void)close(joined[1]);
		_exit(body(arg));
	}
	(void)close(joined[1]); /* the child's */
	assert_int_equal(read(joined[0], &byte, 1), 1);
	(void)close(joined[0]); /* was only read */
	if (into >= 0)
		(void)close(into); /* a directory */
	cgroup_steps_done(&s);
	return pid;
}

static int status_of(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static struct cgroup_usage usage_of(const char *group)
{
	struct cgroup_usage u;
	struct err e = {0};

	if (cgroup_usage(cg, group, &u, &e) < 0)
		fail_msg("%s", e.text);
	return u;
}

static bool none_left(const char *group)
{
	return cgroup_kill(cg, group) == 0;
}

static void kill_and_remove(const char *group)
{
	struct err e = {0};

	WAIT_UNTIL(none_left(group), WAIT_BOUND_S);
	WAIT_UNTIL(cgroup_remove(cg, group, &e) == 0, WAIT_BOUND_S);
}

/* Skips a test when the host lacks the limit. */
static bool lacks(enum cgroup_limit l)
{
	if (!cg->can[l])
		print_message("not here: this host lacks the limit %s\n", cgroup_limit_name(l));
	return !cg->can[l];
}

static int body_hog(void *arg)
{
	size_t step = 1 << 20;

	(void)arg;
	for (int i = 0; i < 256; i++) {
		char *p = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			return 1;
		memset(p, 1, step);
	}
	return 0;
}

static void test_memory_hog_is_killed(void **state)
{
	struct spec_resources r = none;
	int status;

	(void)state;
	if (lacks(CGROUP_LIMIT_MEMORY))
		return;
	r.memory_max_bytes = 32 << 20;
	r.swap_max_bytes = cg->can[CGROUP_LIMIT_SWAP] ? 0 : -1;
	status = status_of(start("hog.0", &r, body_hog, NULL));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_true(usage_of("hog.0").oom_kills >= 1);
	kill_and_remove("hog.0");
}

static int64_t mono_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail */
	return t.tv_sec * INT64_C(1000000) + t.tv_nsec / 1000;
}

static int body_burn(void *arg)
{
	int64_t until = mono_us() + *(int64_t *)arg;

	if (fork() < 0)
		return 1;
	while (mono_us() < until)
		;
	return 0;
}

/* Two processes that would use up two processors get a twentieth of one: so little that it shows on a busy host too. */
static void test_two_cpu_hogs_get_a_twentieth_of_a_processor(void **state)
{
	int64_t ran_us = 1000000, began = mono_us(), took;
	struct spec_resources r = none;
	struct cgroup_usage u;

	(void)state;
	if (lacks(CGROUP_LIMIT_CPU))
		return;
	r.cpu_milli = 50;
	assert_int_equal(status_of(start("burn.0", &r, body_burn, &ran_us)), 0);
	u = usage_of("burn.0");
	took = mono_us() - began;
	assert_true(u.cpu_us > 0);
	assert_true(u.cpu_us <= took / 20 + 100000);
	assert_true(u.throttled_us > 0);
	kill_and_remove("burn.0");
}

static int body_forks(void *arg)
{
	int made = 0;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0)
			for (;;)
				(void)pause();
		if (pid < 0)
			return errno == EAGAIN && made == *(int *)arg ? 0 : 1;
		made++;
	}
	return 2;
}

static void test_pids_limit(void **state)
{
	struct spec_resources r = none;
	int made = 4; /* and the main one */

	(void)state;
	if (lacks(CGROUP_LIMIT_PIDS))
		return;
	r.pids_max = 5;
	assert_int_equal(status_of(start("forks.0", &r, body_forks, &made)), 0);
	assert_int_equal(usage_of("forks.0").pids, 4);
	assert_int_equal(usage_of("forks.0").pids_refused, 1);
	kill_and_remove("forks.0");
}

static int body_hide(void *arg)
{
	(void)arg;
	(void)signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < 3; i++) {
		if (fork() != 0)
			continue;
		(void)setsid();
		if (fork() != 0)
			_exit(0);
		for (;;)
			(void)pause();
	}
	while (wait(NULL) > 0)
		;
	return 0; /* those between are gone, those that hide are there */
}

static bool has_pids(const char *group, int n)
{
	int pids[16];

	return cgroup_pids(cg, group, pids, ARRAY_LEN(pids)) == n;
}

static void test_a_tree_that_hides_is_killed(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(status_of(start("hide.0", &none, body_hide, NULL)), 0);
	WAIT_UNTIL(has_pids("hide.0", 3), WAIT_BOUND_S);
	assert_int_equal(cgroup_remove(cg, "hide.0", &e), -EBUSY);
	assert_true(cgroup_kill(cg, "hide.0") == 3);
	WAIT_UNTIL(has_pids("hide.0", 0), WAIT_BOUND_S);
	kill_and_remove("hide.0");
	assert_int_equal(cgroup_kill(cg, "hide.0"), 0);
}

static int body_bomb(void *arg)
{
	(void)arg;
	for (;;)
		(void)fork();
	return 0;
}

static void test_a_fork_bomb_is_killed(void **state)
{
	struct spec_resources r = none;
	pid_t pid;

	(void)state;
	if (lacks(CGROUP_LIMIT_PIDS))
		return;
	r.pids_max = 50;
	pid = start("bomb.0", &r, body_bomb, NULL);
	WAIT_UNTIL(usage_of("bomb.0").pids == 50, WAIT_BOUND_S);
	WAIT_UNTIL(none_left("bomb.0"), WAIT_BOUND_S);
	assert_true(WIFSIGNALED(status_of(pid)));
	kill_and_remove("bomb.0");
}

static int body_pause(void *arg)
{
	(void)arg;
	for (;;)
		(void)pause();
	return 0;
}

static void test_a_probe_inside_goes_with_the_replica(void **state)
{
	struct spec_resources r = none;
	pid_t agent, probe;

	(void)state;
	r.pids_max = cg->can[CGROUP_LIMIT_PIDS] ? 10 : 0;
	agent = start("web.0", &r, body_pause, NULL);
	probe = start("web.0/probe", &none, body_pause, NULL);
	WAIT_UNTIL(has_pids("web.0", 2), WAIT_BOUND_S);
	assert_true(has_pids("web.0/probe", 1));
	assert_int_equal(cgroup_kill(cg, "web.0/probe"), 1);
	assert_true(WIFSIGNALED(status_of(probe)));
	WAIT_UNTIL(none_left("web.0/probe"), WAIT_BOUND_S);
	WAIT_UNTIL(has_pids("web.0", 1), WAIT_BOUND_S);
	probe = start("web.0/probe", &none, body_pause, NULL); /* again, after a kill */
	WAIT_UNTIL(has_pids("web.0", 2), WAIT_BOUND_S);
	WAIT_UNTIL(none_left("web.0"), WAIT_BOUND_S);
	(void)status_of(agent);
	(void)status_of(probe);
	kill_and_remove("web.0");
}

/* The same group again with other limits, and with none: the kernel takes every step. */
static void test_a_used_group_is_used_again(void **state)
{
	struct spec_resources small = none, big = none;
	const struct spec_resources *runs[] = {&big, &small, &none, &big};
	char group[] = "again.0";

	(void)state;
	if (lacks(CGROUP_LIMIT_MEMORY) || lacks(CGROUP_LIMIT_CPU) || lacks(CGROUP_LIMIT_SWAP))
		return;
	small.memory_max_bytes = 16 << 20;
	small.swap_max_bytes = 0;
	small.cpu_milli = 5;
	small.cpu_weight = 50;
	big.memory_max_bytes = 512 << 20;
	big.memory_high_bytes = 256 << 20;
	big.swap_max_bytes = 1 << 20;
	big.cpu_milli = 2000;
	big.cpuset = cg->can[CGROUP_LIMIT_CPUSET] ? "0" : NULL;
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		int status = status_of(start(group, runs[i], body_hog, NULL));

		assert_int_equal(WIFSIGNALED(status), runs[i] == &small);
		WAIT_UNTIL(none_left(group), WAIT_BOUND_S);
	}
	kill_and_remove(group);
}

static int body_write(void *arg)
{
	char buf[4096] = "x";
	int fd = open(arg, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return 1;
	for (int i = 0; i < 256; i++)
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			return 2;
	return fsync(fd) == 0 && unlink(arg) == 0 ? body_pause(NULL) : 3;
}

static bool wrote(const char *group, int64_t bytes)
{
	return usage_of(group).io_write_bytes >= bytes;
}

static void test_io_and_memory_are_told(void **state)
{
	char path[64];
	struct cgroup_usage u;
	pid_t pid;

	(void)state;
	(void)snprintf(path, sizeof(path), "/var/tmp/covey-test-%d", (int)getpid()); /* fits */
	pid = start("io.0", &none, body_write, path);
	WAIT_UNTIL(cgroup_version(cg) == 2 || wrote("io.0", 1 << 20), WAIT_BOUND_S);
	u = usage_of("io.0");
	assert_int_equal(u.pids, cg->can[CGROUP_LIMIT_PIDS] ? 1 : -1);
	assert_int_equal(u.memory_bytes >= 0, cg->can[CGROUP_LIMIT_MEMORY]);
	assert_true(u.memory_bytes < 1 << 20); /* the page cache does not count */
	WAIT_UNTIL(none_left("io.0"), WAIT_BOUND_S);
	(void)status_of(pid);
	kill_and_remove("io.0");
}

static int64_t own_cpu_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* cannot fail on Linux */
	return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

/* Processor time of what has ended counts, orphans' too: so much of it, however long that takes on a busy host. */
static int body_orphans_burn(void *arg)
{
	if (fork() == 0) {
		if (fork() == 0)
			while (own_cpu_us() < *(int64_t *)arg)
				;
		_exit(0);
	}
	return body_pause(NULL);
}

static void test_cpu_of_orphans_counts(void **state)
{
	int64_t burn_us = 200000;
	pid_t pid = start("orphan.0", &none, body_orphans_burn, &burn_us);

	(void)state;
	WAIT_UNTIL(usage_of("orphan.0").cpu_us >= 20000, WAIT_BOUND_S);
	WAIT_UNTIL(has_pids("orphan.0", 1) || has_pids("orphan.0", 2),
		WAIT_BOUND_S); /* a child nobody waits for may stay listed */
	assert_true(usage_of("orphan.0").cpu_us >= 20000);
	WAIT_UNTIL(none_left("orphan.0"), WAIT_BOUND_S);
	(void)status_of(pid);
	kill_and_remove("orphan.0");
}

static void test_cpuset_is_in_force(void **state)
{
	struct spec_resources r = none;
	cpu_set_t set;
	pid_t pid;

	(void)state;
	if (lacks(CGROUP_LIMIT_CPUSET))
		return;
	r.cpuset = "0";
	pid = start("set.0", &r, body_pause, NULL);
	WAIT_UNTIL(sched_getaffinity(pid, sizeof(set), &set) == 0 && CPU_COUNT(&set) == 1, WAIT_BOUND_S);
	assert_true(CPU_ISSET(0, &set));
	WAIT_UNTIL(none_left("set.0"), WAIT_BOUND_S);
	(void)status_of(pid);
	kill_and_remove("set.0");
}

static void test_limits_that_are_missing_are_refused(void **state)
{
	struct spec_resources r = none;
	struct cgroup_steps s;
	struct err e = {0};

	(void)state;
	r.cpu_milli = 500;
	r.cpu_weight = 200;
	r.memory_max_bytes = 64 << 20;
	r.memory_high_bytes = 32 << 20;
	r.swap_max_bytes = 0;
	r.pids_max = 10;
	r.cpuset = "0";
	r.io_weight = 100;
	r.io_max_bps = 1 << 20;
	if (cgroup_missing(cg)[0]) {
		assert_int_equal(cgroup_steps(cg, "all.0", &r, false, &s, &e), -ENOTSUP);
		assert_non_null(strstr(e.text, "this host cannot enforce it"));
	}
	r.io_weight = cg->can[CGROUP_LIMIT_IO_WEIGHT] ? 100 : 0; /* and the others the kernel takes */
	if (strcmp(cgroup_missing(cg), cg->can[CGROUP_LIMIT_IO_WEIGHT] ? "" : "io_weight") == 0) {
		pid_t pid = start("all.0", &r, body_pause, NULL);

		WAIT_UNTIL(has_pids("all.0", 1), WAIT_BOUND_S);
		assert_true(usage_of("all.0").io_write_bytes >= 0);
		WAIT_UNTIL(none_left("all.0"), WAIT_BOUND_S);
		(void)status_of(pid);
		kill_and_remove("all.0");
	}
}

static void count(void *arg, const char *group)
{
	assert_string_equal(group, "each.0");
	(*(int *)arg)++;
}

static void test_each(void **state)
{
	pid_t pid = start("each.0", &none, body_pause, NULL);
	int n = 0;

	(void)state;
	assert_int_equal(cgroup_each(cg, count, &n), 0);
	assert_int_equal(n, 1);
	WAIT_UNTIL(none_left("each.0"), WAIT_BOUND_S);
	(void)status_of(pid);
	kill_and_remove("each.0");
	assert_int_equal(cgroup_each(cg, count, &n), 0);
	assert_int_equal(n, 1);
}

/* What a failed test left. */
static void clear(void *arg, const char *group)
{
	(void)arg;
	while (cgroup_kill(cg, group) > 0)
		wait_pause();
	while (cgroup_remove(cg, group, NULL) == -EBUSY)
		wait_pause();
}

static int clear_all(void **state)
{
	(void)state;
	return cgroup_each(cg, clear, NULL);
}

/* All tests in a subtree of its own, which is gone afterwards. How many failed; -errno: it could not be made. */
static int run_all(const char *root, const struct CMUnitTest *tests, size_t n)
{
	char parent[GROUPS_BELOW_MAX + 64];
	struct err e = {0};
	int failed, rc;

	(void)snprintf(parent, sizeof(parent), "%scovey-test-%d/inner", groups_below(), (int)getpid()); /* fits */
	rc = cgroup_open(root, parent, &cg, &e);
	if (rc < 0) {
		print_error("%s\n", e.text);
		return rc;
	}
	print_message("cgroup v%d at %s, missing: %s\n", cgroup_version(cg), root, cgroup_missing(cg));
	failed = _cmocka_run_group_tests(root, tests, n, NULL, NULL);
	if (cgroup_destroy(cg, &e) < 0) {
		print_error("%s\n", e.text);
		failed++;
	}
	cgroup_close(cg);
	*strrchr(parent, '/') = '\0';
	if (cgroup_open(root, parent, &cg, &e) == 0) {
		(void)cgroup_destroy(cg, &e); /* only the outer directory is left */
		cgroup_close(cg);
	}
	return failed;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_memory_hog_is_killed, clear_all),
		cmocka_unit_test_teardown(test_two_cpu_hogs_get_a_twentieth_of_a_processor, clear_all),
		cmocka_unit_test_teardown(test_pids_limit, clear_all),
		cmocka_unit_test_teardown(test_a_tree_that_hides_is_killed, clear_all),
		cmocka_unit_test_teardown(test_a_fork_bomb_is_killed, clear_all),
		cmocka_unit_test_teardown(test_a_probe_inside_goes_with_the_replica, clear_all),
		cmocka_unit_test_teardown(test_a_used_group_is_used_again, clear_all),
		cmocka_unit_test_teardown(test_io_and_memory_are_told, clear_all),
		cmocka_unit_test_teardown(test_cpu_of_orphans_counts, clear_all),
		cmocka_unit_test_teardown(test_cpuset_is_in_force, clear_all),
		cmocka_unit_test_teardown(test_limits_that_are_missing_are_refused, clear_all),
		cmocka_unit_test_teardown(test_each, clear_all),
	};
	int rc = run_all("/sys/fs/cgroup", tests, ARRAY_LEN(tests));

	if (rc == -ENOTSUP || rc == -EROFS || rc == -EACCES)
		TEST_SKIP_ALL("cgroups to write to");
	if (rc == 0 && access("/sys/fs/cgroup/unified/cgroup.controllers", F_OK) == 0)
		rc = run_all("/sys/fs/cgroup/unified", tests, ARRAY_LEN(tests)); /* v2 beside v1: all but limits */
	return rc != 0;
}
