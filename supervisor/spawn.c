/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts covey-shim: the one place that vforks. Nothing here waits for the agent; what became of it comes over the
 * shim's socket.
 *
 * The child shares memory *and* the descriptor table with the daemon until it has called close_range with
 * CLOSE_RANGE_UNSHARE: copying a table of thousands of descriptors would cost each start tens of microseconds and
 * leave each shim 32 kB of kernel memory. The price: what the child needs must already sit at its final number, so
 * SHIM_FD_CONTROL … are reserved in the daemon for this, and hold /dev/null between starts.
 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "supervisor/spawn_clone.h"

#define CHILD_STACK_BYTES 16384
#define SHIM_STACK_BYTES  16384 /* all of a shim's stack is locked: see libraries on memory in doc/ARCHITECTURE.md */
#define PLAN_SNDBUF_BYTES (SHIM_FRAME_MAX + 4096)

int spawn_reserve_fds(struct err *e)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return err_errno(e, "open '/dev/null'");
	for (int fd = 0; fd < SHIM_FD_NEXT; fd++) {
		if (fd == null || (fd <= STDERR_FILENO && fcntl(fd, F_GETFD) >= 0))
			continue;
		if (dup3(null, fd, O_CLOEXEC) < 0)
			return err_errno(e, "reserve descriptor %d", fd);
	}
	if (null >= SHIM_FD_NEXT)
		(void)close(null); /* a descriptor of /dev/null: nothing is lost */
	return 0;
}

bool spawn_badness_is_default(void)
{
	char v[16];
	AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, v, sizeof(v));

	return n == 2 && v[0] == '0';
}

/* Both share it. */
struct child {
	const char *path;
	int join[2];   /* files that "0" is written to: then it is where it belongs; -1: none */
	bool is_begun; /* by the child, as `error` */
	int error;
};

/* Runs in the daemon's memory and on a stack of its own: raw system calls alone, no return but exec or _exit. */
static NO_ASAN int child_main(void *arg)
{
	static char *const argv[] = {(char *)"covey-shim", NULL};
	static char *const envp[] = {NULL};
	const struct rlimit stack = {SHIM_STACK_BYTES, RLIM_INFINITY};
	struct child *c = arg;

	c->is_begun = true;
	for (size_t i = 0; i < ARRAY_LEN(c->join); i++)
		if (c->join[i] >= 0)
			(void)syscall(SYS_write, c->join[i], "0", 1); /* else it lives in the daemon's group */
	if (syscall(SYS_close_range, SHIM_FD_NEXT, ~0u, CLOSE_RANGE_UNSHARE) < 0 ||
		syscall(SYS_prlimit64, 0, RLIMIT_STACK, &stack, NULL) < 0) {
		c->error = errno;
		_exit(127);
	}
	for (int fd = SHIM_FD_CONTROL; fd < SHIM_FD_NEXT; fd++)
		(void)fcntl(fd, F_SETFD, 0); /* open and ours: cannot fail */
	(void)execve(c->path, argv, envp);   /* returns only on failure, told below */
	c->error = errno;
	_exit(127);
}

static int put_at(int fd, int at)
{
	return dup3(fd, at, O_CLOEXEC) < 0 ? -errno : 0;
}

/* Gives the reserved numbers back to /dev/null, so that the shim's end is held by the shim alone. */
static void release_reserved(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = SHIM_FD_CONTROL; fd < SHIM_FD_NEXT; fd++) {
		if (null >= 0 && dup3(null, fd, O_CLOEXEC) >= 0)
			continue;
		(void)close(fd); /* no descriptor free: the number stays ours only by luck, but nothing leaks */
	}
	if (null >= 0)
		(void)close(null); /* as above */
}

/*
 * Born where it is to live, where that can be: a move costs a grace period of the kernel's, in which the daemon would
 * stand still. See supervisor/shim/start.c for kernels that kill who is born into some groups: such a child has not
 * begun, is reaped by the kernel (SA_NOCLDWAIT), and the next one moves.
 */
static int clone_child(struct child *c, const struct cgroup_place *place)
{
	_Alignas(16) char stack[CHILD_STACK_BYTES];
	int pid = -ENOSYS;

	c->join[0] = place->tasks;
	if (place->into >= 0)
		pid = spawn_clone_into(child_main, stack, sizeof(stack), c, place->into);
	if (pid > 0 && c->is_begun)
		return pid;
	c->join[1] = place->procs;
	pid = clone(child_main, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, c);
	return pid < 0 ? -errno : pid;
}

static int clone_shim(const struct spawn_with *with, int *ret_pid, struct err *e)
{
	const struct cgroup_place nowhere = CGROUP_PLACE_NONE;
	struct child c = {.path = with->shim_path, .join = {-1, -1}};
	sigset_t all, old;
	int pid;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old); /* cannot fail with these arguments */
	pid = clone_child(&c, with->place ? with->place : &nowhere);
	(void)sigprocmask(SIG_SETMASK, &old, NULL); /* as above */
	if (pid < 0)
		return err_set(e, pid, "start a shim: %s", strerror(-pid));
	if (c.error)
		return err_set(e, -c.error, "start a shim: exec '%s': %s", c.path, strerror(c.error));
	*ret_pid = pid;
	return 0;
}

/* Both ends; the plan already waits in the shim's, so that the shim never has to wait for it. */
static int socket_with_plan(const struct bytes *plan, int sv[2], struct err *e)
{
	int size = PLAN_SNDBUF_BYTES, rc = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv) < 0)
		return err_errno(e, "make a shim's socket");
	if (plan->n > 32768)
		(void)setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)); /* if refused, send tells */
	if (send(sv[0], plan->v, plan->n, MSG_NOSIGNAL) != (ssize_t)plan->n)
		rc = err_errno(e, "hand over a plan of %zu bytes", plan->n);
	if (rc < 0) {
		(void)close(sv[0]); /* nothing was said over it */
		(void)close(sv[1]);
	}
	return rc;
}

int spawn_shim(const struct spawn_with *with, const struct bytes *plan, int *ret_fd, int *ret_pid, struct err *e)
{
	int sv[2], pid, rc = socket_with_plan(plan, sv, e);

	if (rc < 0)
		return rc;
	rc = put_at(sv[1], SHIM_FD_CONTROL);
	if (rc == 0 && with->filter_fd >= 0)
		rc = put_at(with->filter_fd, SHIM_FD_FILTER);
	if (rc == 0 && with->lease_fd >= 0)
		rc = put_at(with->lease_fd, SHIM_FD_LEASE);
	if (rc < 0)
		(void)err_set(e, rc, "start a shim: %s", strerror(-rc)); /* rc is returned below */
	else
		rc = clone_shim(with, &pid, e);
	release_reserved();
	(void)close(sv[1]); /* the shim has it */
	if (rc < 0) {
		(void)close(sv[0]);
		return rc;
	}
	*ret_fd = sv[0];
	*ret_pid = pid;
	return 0;
}

int spawn_user(const char *user, uint32_t *ret_uid, uint32_t *ret_gid, uint32_t *groups, size_t *n_groups,
	bool *ret_dynamic, struct err *e)
{
	gid_t found[64];
	int n = ARRAY_LEN(found);
	struct passwd *pw;

	*ret_dynamic = strcmp(user, "dynamic") == 0;
	if (*ret_dynamic) {
		*n_groups = 0;
		return 0;
	}
	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return err_set(e, -ESRCH, "user '%s': there is no such user on this host", user);
	if (getgrouplist(user, pw->pw_gid, found, &n) < 0)
		n = ARRAY_LEN(found); /* more groups than we pass on: the first ones */
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	*n_groups = MIN((size_t)n, *n_groups);
	for (size_t i = 0; i < *n_groups; i++)
		groups[i] = found[i];
	return 0;
}
