/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting a program. There are two ways to clone. Usually the child shares the shim's memory and the shim stands
 * still until the exec (as vfork: nothing is copied). But a child whose exec is a call that its own filter sends to
 * the shim for an answer (`learn`), and one beside a fuse, which must burn whatever a file server does to an exec, is
 * forked, and the loop goes on meanwhile: its exec closes a pipe.
 */
#include "supervisor/shim/start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervisor/shim/bpf.h"
#include "supervisor/shim/os.h"

#define CHILD_STACK_BYTES  24576
#define CHILD_REGION_BYTES (sizeof(struct child) + CHILD_STACK_BYTES)

void start_none(struct task *t)
{
	*t = (struct task){.listener = -1, .starting = -1, .filter_sock = -1};
}

void start_forget(struct task *t)
{
	os_close(&t->listener);
	os_close(&t->starting);
	os_close(&t->filter_sock);
	os_unmap(t->report, sizeof(*t->report));
	start_none(t);
}

/* Maps the filter that the daemon passed, if it did; len 0: none. */
static int map_filter(struct k_sock_fprog *ret)
{
	struct stat st;
	void *v;

	*ret = (struct k_sock_fprog){0};
	if (fstat(SHIM_FD_FILTER, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
		return 0;
	if (st.st_size % (off_t)sizeof(struct k_sock_filter) ||
		st.st_size / (off_t)sizeof(struct k_sock_filter) > UINT16_MAX)
		return -EINVAL;
	v = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, SHIM_FD_FILTER, 0);
	if (v == MAP_FAILED)
		return -errno;
	ret->len = (uint16_t)((size_t)st.st_size / sizeof(struct k_sock_filter));
	ret->filter = v;
	return 0;
}

static void unmap_filter(const struct k_sock_fprog *f)
{
	if (f->len)
		os_unmap((void *)(uintptr_t)f->filter, f->len * sizeof(struct k_sock_filter));
}

static bool exec_is_allowed(const struct k_sock_fprog *f)
{
	static const int calls[] = {SYS_execve, SYS_exit, SYS_exit_group};

	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (!bpf_allows(f->filter, f->len, calls[i]))
			return false;
	return true;
}

/* The directory for CLONE_INTO_CGROUP, opened; -1: the plan names none. */
static int open_into(const struct start_how *how)
{
	for (size_t i = 0; i < how->plan->p.ops_n; i++) {
		const struct shim_op *op = planread_op(how->plan, i);
		AUTO_CLOSE int dir = -1;

		if ((op->type & ~(uint32_t)SHIM_OP_OPTIONAL) != SHIM_OP_INTO)
			continue;
		dir = openat(AT_FDCWD, planread_str(how->plan, op->path), O_PATH | O_DIRECTORY | O_CLOEXEC);
		return dir < 0 ? -1 : openat(dir, how->sub ? how->sub : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	return -1;
}

/* As fork, into a cgroup of v2. clone3 has no wrapper, and without one it cannot give the child a stack of its own. */
static int clone_into(struct child *c, int into)
{
	struct k_clone_args args = {
		.flags = K_CLONE_INTO_CGROUP | CLONE_VFORK, .exit_signal = SIGCHLD, .cgroup = (uint64_t)into};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid == 0)
		_exit(child_main(c));
	return pid < 0 ? -errno : (int)pid;
}

/*
 * Cloning into a group is quickest, but does not always work: some kernels (6.18 is one) kill at birth whoever is
 * cloned into a group that was ended by cgroup.kill before, since they compare its kills with the parent's group's.
 * Such a child has reached no stage at all; the next one joins by itself.
 */
static int clone_child(struct child *c, bool wait, int into)
{
	char *stack_top = (char *)c + (CHILD_REGION_BYTES & ~(size_t)63);
	int pid;

	if (into >= 0) {
		pid = clone_into(c, into);
		if (pid > 0 && c->report->stage != SHIM_STAGE_NONE)
			return pid;
		if (pid > 0)
			(void)waitpid(pid, NULL, 0); /* killed: this does not wait long */
	}
	c->join_into = true;
	pid = clone(child_main, stack_top, (wait ? CLONE_VM | CLONE_VFORK : 0) | SIGCHLD, c);
	return pid < 0 ? -errno : pid;
}

/* Takes the listener that the child has sent, if it has. */
static void take_listener(struct task *t)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;

	if (t->filter_sock < 0 || recvmsg(t->filter_sock, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS) {
		os_close(&t->listener);
		memcpy(&t->listener, CMSG_DATA(cmsg), sizeof(t->listener));
		(void)fcntl(t->listener, F_SETFL, O_NONBLOCK); /* it is polled first */
	}
	os_close(&t->filter_sock);
}

/* The exec, or the end of the child before it. */
static int start_settled(struct task *t, const struct start_report *report, struct start_report *ret)
{
	take_listener(t);
	os_close(&t->filter_sock);
	os_close(&t->starting);
	*ret = *report;
	os_unmap(t->report, sizeof(*t->report));
	t->report = NULL;
	if (ret->error == 0 && ret->stage == SHIM_STAGE_EXEC)
		return 0;
	if (ret->error == 0)
		ret->error = EINTR; /* killed on the way, by the limit of its memory for one */
	(void)kill(t->pid, SIGKILL);
	(void)waitpid(t->pid, NULL, 0); /* it is ending: this does not wait long */
	start_forget(t);
	return -ret->error;
}

int start_go_on(struct task *t, struct start_report *ret)
{
	struct pollfd p = {.fd = t->starting, .events = POLLIN};

	take_listener(t);
	if (poll(&p, 1, 0) <= 0)
		return -EAGAIN;
	return start_settled(t, t->report, ret);
}

/* What both ends need: the report, the socket of the listener, the pipe that the exec closes. */
static int open_channels(struct task *t, struct child *c, bool wait, int into, int *ret_pipe)
{
	int ends[2];

	c->report = &c->own_report;
	c->filter_sock = -1;
	*ret_pipe = -1;
	if (c->filter.len) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
			return -errno;
		t->filter_sock = ends[0];
		c->filter_sock = ends[1];
	}
	if (wait && into < 0)
		return 0;
	t->report = os_map(sizeof(*t->report), true);
	if (!t->report)
		return -ENOMEM;
	c->report = t->report;
	if (wait)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	t->starting = ends[0];
	*ret_pipe = ends[1];
	return 0;
}

static int start_in_region(struct task *t, const struct start_how *how, struct child *c, struct start_report *ret)
{
	AUTO_CLOSE int pipe = -1;
	AUTO_CLOSE int sock = -1;
	AUTO_CLOSE int into = -1;
	bool wait;
	int rc = map_filter(&c->filter);

	if (rc < 0)
		return rc;
	wait = how->may_wait && (c->filter.len == 0 || exec_is_allowed(&c->filter));
	c->how = how;
	c->parent = getpid();
	into = wait ? open_into(how) : -1;
	rc = open_channels(t, c, wait, into, &pipe);
	sock = c->filter_sock;
	if (rc == 0)
		rc = clone_child(c, wait, into);
	unmap_filter(&c->filter);
	if (rc < 0)
		return rc;
	t->pid = rc;
	return wait ? start_settled(t, c->report, ret) : 0;
}

int start_task(struct task *t, const struct start_how *how, struct start_report *ret)
{
	struct child *c = os_map(CHILD_REGION_BYTES, false);
	int rc = -ENOMEM;

	start_none(t);
	*ret = (struct start_report){.stage = SHIM_STAGE_FORK};
	if (c)
		rc = start_in_region(t, how, c, ret);
	os_unmap(c, CHILD_REGION_BYTES);
	if (rc < 0 && ret->error == 0) {
		ret->error = -rc;
		start_forget(t);
	}
	return rc;
}
