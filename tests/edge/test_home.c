/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What systemd does to units, done to a daemon by hand, in groups named as systemd names them: what is in the daemon's
 * own unit may be killed to the last process and no agent notices; covey-hold keeps the other unit, and ends in order
 * what lives there. systemd itself is the virtual machine's (tests/vm/suite).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/io.h"
#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

#define ROOT "/sys/fs/cgroup"

/* The hierarchies that systemd would go by on this host. */
static const char *bases[2];
static size_t n_bases;

struct home {
	struct daemon_bed d;
	char slice[40];
	int holder, notify;
	char notify_path[128];
};

static void find_bases(void)
{
	if (access(ROOT "/cgroup.controllers", F_OK) == 0)
		bases[n_bases++] = ROOT;
	if (access(ROOT "/systemd/tasks", F_OK) == 0)
		bases[n_bases++] = ROOT "/systemd";
	if (access(ROOT "/unified/cgroup.controllers", F_OK) == 0)
		bases[n_bases++] = ROOT "/unified";
	if (n_bases == 0)
		TEST_SKIP_ALL("cgroup v2, or a hierarchy of v1 named systemd");
}

static const char *path_of(const struct home *h, size_t base, const char *below)
{
	static char path[192];

	(void)snprintf(path, sizeof(path), "%s/%s%s%s", bases[base], h->slice, *below ? "/" : "", below); /* fits */
	return path;
}

static void write_file(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("write %s to %s: %s", text, path, strerror(errno));
}

/* As systemd: both units' groups; on v2 with controllers, which it switches on for a delegated one. */
static void make_units(struct home *h)
{
	for (size_t i = 0; i < n_bases; i++) {
		assert_int_equal(mkdir(path_of(h, i, ""), 0755), 0);
		if (strcmp(bases[i], ROOT) == 0)
			write_file(path_of(h, i, "cgroup.subtree_control"), "+memory +pids +cpu");
		assert_int_equal(mkdir(path_of(h, i, "coveyd.service"), 0755), 0);
		assert_int_equal(mkdir(path_of(h, i, "covey-agents.service"), 0755), 0);
	}
}

static int run_hold(const struct home *h, const char *group, const char *arg)
{
	int pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	for (size_t i = 0; i < n_bases; i++) {
		char file[64];

		(void)snprintf(file, sizeof(file), "%s/cgroup.procs", group);
		write_file(path_of(h, i, file), "0");
	}
	(void)setenv("NOTIFY_SOCKET", h->notify_path, 1);
	(void)execl("./covey-hold", "covey-hold", arg, NULL);
	_exit(126);
}

static void open_notify(struct home *h)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	(void)snprintf(h->notify_path, sizeof(h->notify_path), "%s/systemd", h->d.dir.path);
	memcpy(sa.sun_path, h->notify_path, strlen(h->notify_path) + 1);
	h->notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(h->notify, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(setsockopt(h->notify, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = WAIT_BOUND_S},
				 sizeof(struct timeval)),
		0);
}

static void expect_notify(struct home *h, const char *begin)
{
	char text[512];
	ssize_t n = wait_recv(h->notify, text, sizeof(text) - 1);

	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
}

static void home_open(struct home *h)
{
	*h = (struct home){0};
	daemon_init(&h->d);
	(void)snprintf(h->slice, sizeof(h->slice), "test%d-%s.slice", (int)getpid(), strrchr(h->d.dir.path, '-') + 1);
	(void)snprintf(h->d.cgroup, sizeof(h->d.cgroup), "%s/covey-agents.service", h->slice); /* fits */
	h->d.finds_home = true;
	make_units(h);
	for (size_t i = 0; i < n_bases; i++)
		(void)snprintf(
			h->d.joins[i], sizeof(h->d.joins[i]), "%s", path_of(h, i, "coveyd.service/cgroup.procs"));
	open_notify(h);
	h->holder = run_hold(h, "covey-agents.service", NULL);
	expect_notify(h, "READY=1\nSTATUS=");
}

static void remove_dir(const char *path)
{
	WAIT_UNTIL(rmdir(path) == 0 || errno == ENOENT, WAIT_BOUND_S); /* who has ended is in it for a moment more */
}

/* Also of the hierarchies in which the daemon alone has made groups. */
static void remove_slices(const struct home *h)
{
	static const char *const trees[] = {
		"", "/pids", "/memory", "/cpu", "/cpuacct", "/cpuset", "/blkio", "/systemd", "/unified"};
	static const char *const below[] = {"/covey-agents.service/_holder", "/covey-agents.service/_shims",
		"/covey-agents.service", "/coveyd.service", ""};
	char path[512];

	for (size_t t = 0; t < ARRAY_LEN(trees); t++)
		for (size_t i = 0; i < ARRAY_LEN(below); i++) {
			(void)snprintf(path, sizeof(path), ROOT "%s/%s%s", trees[t], h->slice, below[i]);
			remove_dir(path);
		}
}

static void home_done(struct home *h)
{
	int status;

	daemon_done(&h->d);
	assert_int_equal(kill(h->holder, SIGTERM), 0);
	assert_int_equal(waitpid(h->holder, &status, 0), h->holder);
	assert_int_equal(status, 0);
	(void)close(h->notify); /* was only read */
	remove_slices(h);
}

static int parent_of(int pid)
{
	char path[64], text[512] = "", *at;
	int ppid = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	(void)fclose(f); /* read only */
	at = strrchr(text, ')');
	assert_int_equal(sscanf(at, ") %*c %d", &ppid), 1);
	return ppid;
}

/* Whether the process is in this group of the slice, by every hierarchy that systemd goes by. */
static bool lives_in(const struct home *h, int pid, const char *group)
{
	char path[64], line[512], want[256];
	size_t found = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	(void)snprintf(want, sizeof(want), ":/%s/%s\n", h->slice, group);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		found += (strstr(line, "name=systemd:") || strncmp(line, "0::", 3) == 0) && strstr(line, want);
	if (f)
		(void)fclose(f); /* read only */
	return found == n_bases;
}

/* What systemd does to a unit that it ends: each process in its group, in each hierarchy. */
static void kill_unit(const struct home *h, const char *unit)
{
	for (size_t i = 0; i < n_bases; i++) {
		char file[64];
		int pid;
		FILE *f;

		(void)snprintf(file, sizeof(file), "%s/cgroup.procs", unit);
		f = fopen(path_of(h, i, file), "r");
		assert_non_null(f);
		while (fscanf(f, "%d", &pid) == 1)
			(void)kill(pid, SIGKILL); /* also twice */
		(void)fclose(f);		  /* read only */
	}
}

static void agent(struct home *h, char out[1024])
{
	(void)snprintf(out, 1024,
		"name: web\n"
		"command: [/bin/sh, -c, \"trap 'echo INT >%s/said; exit 0' INT; trap 'echo TERM >%s/said' TERM; "
		"echo x >%s/up; while :; do sleep 0.05; done\"]\n"
		"user: root\nsandbox: {private_tmp: no, read_only: []}\nstop: {signal: INT, timeout: 60s}\n",
		h->d.dir.path, h->d.dir.path, h->d.dir.path);
}

static int start_agent(struct home *h)
{
	char text[1024];

	agent(h, text);
	daemon_run(&h->d, text);
	WAIT_UNTIL(daemon_size(&h->d, "up") > 0, WAIT_BOUND_S);
	return daemon_pid_of(&h->d, "web.0");
}

static void the_end_of_the_daemons_unit_ends_no_agent(void **state)
{
	struct home h;
	int pid, shim;

	(void)state;
	home_open(&h);
	assert_true(lives_in(&h, h.holder, "covey-agents.service/_holder"));
	daemon_start(&h.d);
	assert_true(daemon_logged(&h.d, 0, "agents live in ", h.d.cgroup));
	assert_true(lives_in(&h, h.d.pid, "coveyd.service"));
	pid = start_agent(&h);
	shim = parent_of(pid);
	assert_true(lives_in(&h, shim, "covey-agents.service/_shims"));
	kill_unit(&h, "coveyd.service");
	assert_int_equal(waitpid(h.d.pid, NULL, 0), h.d.pid);
	h.d.pid = 0;
	assert_int_equal(kill(shim, 0), 0);
	assert_int_equal(kill(pid, 0), 0);
	daemon_start(&h.d);
	assert_int_equal(daemon_pid_of(&h.d, "web.0"), pid);
	home_done(&h);
}

static void the_end_of_the_agents_unit_is_in_order(void **state)
{
	struct daemon_replica r;
	struct home h;
	int pid, stop, status, was;

	(void)state;
	home_open(&h);
	daemon_start(&h.d);
	pid = start_agent(&h);
	daemon_kill(&h.d, SIGTERM);
	assert_int_equal(kill(pid, 0), 0);
	for (size_t i = 0; i < n_bases; i++) /* where systemd has an ExecStop= of a delegated unit run */
		assert_int_equal(mkdir(path_of(&h, i, "covey-agents.service/.control"), 0755), 0);
	stop = run_hold(&h, "covey-agents.service/.control", "--stop");
	assert_int_equal(waitpid(stop, &status, 0), stop);
	assert_int_equal(status, 0);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(daemon_size(&h.d, "said"), 4); /* INT, and no TERM */
	for (size_t i = 0; i < n_bases; i++)
		remove_dir(path_of(&h, i, "covey-agents.service/.control"));
	was = pid;
	daemon_start(&h.d);
	WAIT_UNTIL(daemon_pid_of(&h.d, "web.0") > 0, WAIT_BOUND_S);
	assert_int_not_equal(daemon_pid_of(&h.d, "web.0"), was);
	assert_true(daemon_replica(&h.d, "web.0", &r));
	assert_string_equal(r.reason, "stopped");
	assert_string_equal(r.text, "stopped: with all agents of its host");
	home_done(&h);
}

/* Some kernels kill at birth who is cloned into a group that was ended by cgroup.kill: then shims are moved. */
static void a_group_that_was_killed_before_takes_shims(void **state)
{
	struct home h;
	int pid;

	(void)state;
	home_open(&h);
	for (size_t i = 0; i < n_bases; i++) {
		assert_int_equal(mkdir(path_of(&h, i, "covey-agents.service/_shims"), 0755), 0);
		if (access(path_of(&h, i, "covey-agents.service/_shims/cgroup.kill"), F_OK) == 0)
			write_file(path_of(&h, i, "covey-agents.service/_shims/cgroup.kill"), "1");
	}
	daemon_start(&h.d);
	pid = start_agent(&h);
	assert_true(lives_in(&h, parent_of(pid), "covey-agents.service/_shims"));
	home_done(&h);
}

static void without_the_unit_it_is_said(void **state)
{
	struct home h;

	(void)state;
	home_open(&h);
	assert_int_equal(kill(h.holder, SIGKILL), 0);
	assert_int_equal(waitpid(h.holder, NULL, 0), h.holder);
	for (size_t i = 0; i < n_bases; i++) {
		remove_dir(path_of(&h, i, "covey-agents.service/_holder"));
		remove_dir(path_of(&h, i, "covey-agents.service"));
	}
	h.d.finds_home = false; /* a group of the test's own, as one that an operator names */
	(void)snprintf(h.d.cgroup, sizeof(h.d.cgroup), "%s/elsewhere", h.slice);
	daemon_start(&h.d);
	assert_true(daemon_logged(&h.d, 0, "covey-agents.service is not there", "elsewhere"));
	daemon_done(&h.d);
	(void)close(h.notify); /* was only read */
	remove_slices(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_the_daemons_unit_ends_no_agent),
		cmocka_unit_test(the_end_of_the_agents_unit_is_in_order),
		cmocka_unit_test(a_group_that_was_killed_before_takes_shims),
		cmocka_unit_test(without_the_unit_it_is_said),
	};

	daemon_need_root();
	find_bases();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
