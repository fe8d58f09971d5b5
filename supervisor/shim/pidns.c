/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pid namespace around a replica, so that the shim's death ends every descendant: the kernel sends the namespace's
 * init SIGKILL when its parent dies, and everything else in it with it. The init is a fork of the shim. The agent is
 * not its child but the shim's, put into the namespace, which keeps its status and pid first-hand; orphans are the
 * init's. It is also the second to watch the fuse: its loop does nothing that could block.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"

static void reap(int signal_fd)
{
	struct signalfd_siginfo info;

	(void)read(signal_fd, &info, sizeof(info)); /* says only that there is something to reap */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

/* Its exit ends everything in the namespace. */
static NO_RETURN void init_loop(struct fuse *fuse, int parent, int signal_fd)
{
	struct pollfd p[] = {
		{.fd = parent}, /* POLLHUP when the shim is gone */
		{.fd = signal_fd, .events = POLLIN},
		{.fd = fuse->deadline_fd, .events = POLLIN},
		{.fd = fuse->clock_fd, .events = POLLIN},
	};

	for (;;) {
		enum fuse_verdict verdict = fuse_look(fuse);

		if (verdict != FUSE_HOLDS)
			_exit(PIDNS_EXIT_FUSE + (int)verdict);
		if (poll(p, ARRAY_LEN(p), -1) < 0 && errno != EINTR)
			_exit(1);
		if (p[0].revents)
			_exit(1);
		if (p[1].revents)
			reap(signal_fd);
	}
}

/* Gives up all that was the shim's; descriptors that it still needs are duplicated to the front. */
static NO_RETURN void init_main(struct shim *s, int parent)
{
	struct fuse fuse;
	sigset_t child;
	int signal_fd;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* cannot fail; the pipe tells the same */
	(void)prctl(PR_SET_NAME, "covey-init", 0, 0, 0); /* for people who look */
	fuse_none(&fuse);
	if (s->flags & SHIM_FLAG_ARMED) {
		if (fuse_open(&fuse) < 0)
			_exit(PIDNS_EXIT_FUSE + FUSE_UNSURE);
		fuse_first_in_line();
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	for (int fd = 0; fd < 64; fd++)
		if (fd != parent && fd != signal_fd && fd != fuse.deadline_fd && fd != fuse.clock_fd)
			(void)close(fd); /* most are not open */
	init_loop(&fuse, parent, signal_fd);
}

/* It looks each time that it wakes. */
void pidns_look(const struct shim *s)
{
	if (s->init_pid)
		(void)kill(s->init_pid, SIGCHLD); /* ours and not reaped */
}

int pidns_open(struct shim *s)
{
	int ends[2];
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	s->init_pipe = ends[1];
	if (unshare(CLONE_NEWPID) < 0) {
		os_close(&ends[0]);
		return -errno;
	}
	pid = fork();
	if (pid == 0) {
		os_close(&ends[1]);
		init_main(s, ends[0]);
	}
	os_close(&ends[0]);
	if (pid < 0)
		return -errno;
	s->init_pid = (int)pid;
	return 0;
}
