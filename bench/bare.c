/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of the benchmarks: the fastest loop we know that starts N processes as covey must, and starts again
 * what died. For each one: its cgroups (memory, cpu, pids) made and limited, vfork, joined, no_new_privs, a
 * filter of the size of the default profile (compiled and exported once) loaded raw, exec. Then it waits with
 * waitpid and restarts at once, into the groups that are already there. SIGTERM ends it and all it started.
 *
 * What it does not do, and a supervisor must: drain the output, keep a state that outlives it, answer questions,
 * notice what the dead left behind, restart with any policy. That is what a ratio to this loop is the price of.
 *
 *	bench-bare [--plain | --linear] N GROUP BOARD AGENT
 *
 * Agents are run as AGENT BOARD I. --plain leaves out groups and filter; --linear has the filter as libseccomp
 * exports it when not told otherwise. On a host with cgroup v2 alone the child is born in its group
 * (CLONE_INTO_CGROUP); on v1 the child writes 0 to `tasks`, which does not wait as cgroup.procs does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

#define CGROUP_ROOT  "/sys/fs/cgroup"
#define CGROUP2_TYPE 0x63677270L
#define N_MAX	     100000
#define FILTER_MAX   4096
#define NAME_SIZE    32
#define EXIT_SETUP   120

struct limit {
	const char *controller, *file, *value;
};

static const struct limit limits_v1[] = {
	{"memory", "memory.limit_in_bytes", "67108864"},
	{"cpu", "cpu.cfs_quota_us", "50000"},
	{"pids", "pids.max", "16"},
};
static const struct limit limits_v2[] = {
	{"", "memory.max", "67108864"},
	{"", "cpu.max", "50000 100000"},
	{"", "pids.max", "16"},
};
#define LIMITS (sizeof limits_v1 / sizeof limits_v1[0])
_Static_assert(sizeof limits_v1 == sizeof limits_v2, "as many limits on both");

struct bare {
	uint32_t n;
	bool plain, linear, v2;
	const char *group, *board, *agent;
	int parent[LIMITS]; /* our group in each hierarchy; v2: the first alone */
	struct sock_fprog filter;
	int null;
};

/* The pids and their number, and whether we were told to end: what the handler of SIGTERM works with. */
static volatile pid_t *pids;
static volatile uint32_t n_pids;
static volatile sig_atomic_t ending;

static NO_RETURN void die(const char *what, const char *name)
{
	(void)fprintf(stderr, "bench-bare: %s %s: %s\n", what, name, strerror(errno));
	exit(EXIT_SETUP);
}

static void on_term(int sig)
{
	(void)sig;
	ending = 1;
	for (uint32_t i = 0; i < n_pids; i++)
		if (pids[i] > 0)
			(void)kill(pids[i], SIGKILL); /* a zombie of ours at worst: not reaped while here */
}

static size_t groups_per_agent(const struct bare *b)
{
	return b->v2 ? 1 : LIMITS;
}

/*
 * A filter that says EPERM to what the default profile refuses and compares as many numbers: every call that
 * libseccomp knows by name is allowed but for the refused.
 */
static void filter_build(struct bare *b)
{
	static const char *const refused[] = {"mount", "umount2", "pivot_root", "chroot", "reboot", "kexec_load",
		"kexec_file_load", "init_module", "finit_module", "delete_module", "bpf", "perf_event_open", "ptrace",
		"process_vm_readv", "process_vm_writev", "swapon", "swapoff", "settimeofday", "clock_settime",
		"clock_adjtime", "adjtimex", "acct", "quotactl", "iopl", "ioperm", "keyctl", "add_key", "request_key",
		"userfaultfd", "open_by_handle_at", "name_to_handle_at", "lookup_dcookie", "nfsservctl", "syslog",
		"vhangup", "sethostname", "setdomainname", "move_mount", "open_tree", "fsopen", "fsmount", "fsconfig",
		"fspick", "unshare", "setns", "mbind", "set_mempolicy", "migrate_pages", "move_pages", "kcmp",
		"personality", "uselib", "ustat", "sysfs", "_sysctl"};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;

	if (!ctx || fd < 0)
		die("make", "the filter");
	if (!b->linear)
		(void)seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: taken in half the time */
	for (int nr = 0; nr < 460; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);
		bool is_refused = name == NULL;

		for (size_t i = 0; name && i < sizeof refused / sizeof refused[0]; i++)
			is_refused = is_refused || strcmp(name, refused[i]) == 0;
		if (!is_refused && seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0) < 0)
			die("allow", name);
		free(name);
	}
	if (seccomp_export_bpf(ctx, fd) < 0 || fstat(fd, &st) < 0)
		die("export", "the filter");
	seccomp_release(ctx);
	b->filter.len = (unsigned short)((size_t)st.st_size / sizeof(struct sock_filter));
	b->filter.filter = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (b->filter.filter == MAP_FAILED || b->filter.len > FILTER_MAX)
		die("map", "the filter");
	(void)close(fd); /* the mapping holds it */
}

static void parents_make(struct bare *b)
{
	struct statfs fs;

	b->v2 = statfs(CGROUP_ROOT, &fs) == 0 && fs.f_type == CGROUP2_TYPE;
	if (b->v2) {
		int fd = open(CGROUP_ROOT "/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "+memory +cpu +pids", 18) < 0)
			die("enable controllers in", CGROUP_ROOT);
		(void)close(fd); /* a cgroup file: write has told all */
	}
	for (size_t i = 0; i < groups_per_agent(b); i++) {
		char path[256];

		(void)snprintf(path, sizeof path, CGROUP_ROOT "/%s/%s", b->v2 ? "" : limits_v1[i].controller, b->group);
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			die("make", path);
		b->parent[i] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (b->parent[i] < 0)
			die("open", path);
	}
	if (b->v2) {
		int fd = openat(b->parent[0], "cgroup.subtree_control", O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, "+memory +cpu +pids", 18) < 0)
			die("enable controllers in", b->group);
		(void)close(fd); /* a cgroup file: write has told all */
	}
}

static void group_write(int parent, const char *name, const char *file, const char *value)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", name, file);
	fd = openat(parent, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		die("write", path);
	(void)close(fd); /* a cgroup file: write has told all */
}

static void groups_make(const struct bare *b, const char *name)
{
	for (size_t i = 0; i < LIMITS; i++) {
		const struct limit *l = b->v2 ? &limits_v2[i] : &limits_v1[i];
		int parent = b->parent[b->v2 ? 0 : i];

		if ((!b->v2 || i == 0) && mkdirat(parent, name, 0755) < 0)
			die("make", name);
		group_write(parent, name, l->file, l->value);
	}
}

/* Opens what the child joins its groups by: `tasks` of each on v1, the directory on v2. */
static void groups_open(const struct bare *b, const char *name, int fds[LIMITS])
{
	char path[128];

	(void)snprintf(path, sizeof path, b->v2 ? "%s" : "%s/tasks", name);
	for (size_t i = 0; i < groups_per_agent(b); i++) {
		fds[i] = openat(b->parent[i], path, (b->v2 ? O_RDONLY | O_DIRECTORY : O_WRONLY) | O_CLOEXEC);
		if (fds[i] < 0)
			die("open", path);
	}
}

/* In the child, which shares our memory (v1) until exec: system calls alone. */
static NO_RETURN void child(const struct bare *b, const int fds[LIMITS], char *const argv[])
{
	sigset_t none;

	(void)signal(SIGTERM, SIG_DFL); /* ours alone: the table of handlers is not shared */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (!b->plain && !b->v2)
		for (size_t i = 0; i < LIMITS; i++)
			if (write(fds[i], "0", 1) != 1)
				_exit(EXIT_SETUP);
	(void)dup2(b->null, STDOUT_FILENO);
	if (!b->plain && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
				 syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &b->filter) < 0))
		_exit(EXIT_SETUP);
	(void)execv(b->agent, argv);
	_exit(EXIT_SETUP);
}

static pid_t fork_into(int group)
{
	struct clone_args a = {
		.flags = CLONE_INTO_CGROUP | CLONE_VFORK, .exit_signal = SIGCHLD, .cgroup = (uint64_t)group};

	return (pid_t)syscall(SYS_clone3, &a, sizeof a);
}

static void start(const struct bare *b, uint32_t i, bool is_first)
{
	char name[NAME_SIZE], id[NAME_SIZE];
	char *const argv[] = {(char *)(uintptr_t)b->agent, (char *)(uintptr_t)b->board, id, NULL};
	int fds[LIMITS] = {-1, -1, -1};
	pid_t pid;

	(void)snprintf(name, sizeof name, "r%u", i);
	(void)snprintf(id, sizeof id, "%u", i);
	if (!b->plain && is_first)
		groups_make(b, name);
	if (!b->plain)
		groups_open(b, name, fds);
	pid = b->v2 && !b->plain ? fork_into(fds[0]) : vfork();
	if (pid == 0)
		child(b, fds, argv);
	if (pid < 0)
		die("start", name);
	pids[i] = pid;
	for (size_t f = 0; f < LIMITS; f++)
		if (fds[f] >= 0)
			(void)close(fds[f]); /* a cgroup file */
}

static uint32_t find(pid_t pid, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && pids[i] != pid)
		i++;
	return i;
}

/* SIGTERM is blocked wherever a child is being made, so that the handler sees each. */
static void run(const struct bare *b)
{
	sigset_t term;
	uint32_t alive = b->n;

	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &term, NULL);
	for (uint32_t i = 0; i < b->n; i++)
		start(b, i, true);
	n_pids = b->n;
	(void)sigprocmask(SIG_UNBLOCK, &term, NULL);
	while (alive > 0) {
		pid_t pid = waitpid(-1, NULL, 0);
		uint32_t i;

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			die("wait for", "a child");
		(void)sigprocmask(SIG_BLOCK, &term, NULL);
		i = find(pid, b->n);
		if (i < b->n && !ending)
			start(b, i, false);
		else if (i < b->n) {
			pids[i] = 0;
			alive--;
		}
		(void)sigprocmask(SIG_UNBLOCK, &term, NULL);
	}
}

static void groups_remove(const struct bare *b)
{
	for (size_t g = 0; !b->plain && g < groups_per_agent(b); g++) {
		char name[NAME_SIZE], path[256];

		for (uint32_t i = 0; i < b->n; i++) {
			(void)snprintf(name, sizeof name, "r%u", i);
			(void)unlinkat(b->parent[g], name, AT_REMOVEDIR); /* the harness removes what is left */
		}
		(void)snprintf(path, sizeof path, CGROUP_ROOT "/%s/%s", b->v2 ? "" : limits_v1[g].controller, b->group);
		(void)rmdir(path); /* the harness removes what is left */
	}
}

int main(int argc, char **argv)
{
	struct bare b = {.plain = argc > 1 && strcmp(argv[1], "--plain") == 0,
		.linear = argc > 1 && strcmp(argv[1], "--linear") == 0};
	const int options = b.plain || b.linear;
	const struct sigaction term = {.sa_handler = on_term};

	if (argc != 5 + options || strtoul(argv[1 + options], NULL, 10) > N_MAX) {
		(void)fputs("usage: bench-bare [--plain | --linear] N GROUP BOARD AGENT\n", stderr);
		return 2;
	}
	argv += options;
	b.n = (uint32_t)strtoul(argv[1], NULL, 10);
	b.group = argv[2];
	b.board = argv[3];
	b.agent = argv[4];
	b.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	pids = calloc(b.n + 1, sizeof *pids);
	if (!pids || b.null < 0 || sigaction(SIGTERM, &term, NULL) < 0)
		die("prepare", "the loop");
	if (!b.plain) {
		filter_build(&b);
		parents_make(&b);
	}
	run(&b);
	groups_remove(&b);
	return 0;
}
