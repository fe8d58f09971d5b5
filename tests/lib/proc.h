/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_PROC_H
#define TESTS_LIB_PROC_H
/*
 * Processes of others: whose child one is, whether it is gone; and a bystander that has exactly the pid of one that is
 * gone, as the kernel might have given it to anybody.
 */
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"

static inline int proc_parent(int pid)
{
	char path[64];
	int parent = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid); /* fits */
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c %d", &parent), 1);
	(void)fclose(f); /* read only */
	return parent;
}

/* When it began, in ticks since the host did: with the pid, a name that nobody else ever has. */
static inline uint64_t proc_start(int pid)
{
	unsigned long long start = 0;
	char path[64];
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid); /* fits */
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d (%*[^)]) %*c"), 0);
	for (int field = 4; field < 22; field++)
		assert_int_equal(fscanf(f, "%*s"), 0);
	assert_int_equal(fscanf(f, "%llu", &start), 1);
	(void)fclose(f); /* read only */
	return start;
}

/* Ended, and its parent has taken note: nobody has the pid. */
static inline bool proc_is_gone(int pid)
{
	return kill(pid, 0) < 0 && errno == ESRCH;
}

/* A child that only waits, with that pid: 0; -EPERM, -ENOSYS, -EINVAL: this host does not let us; -EEXIST: taken. */
static inline int proc_make(int pid)
{
	const pid_t tid = pid;
	struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)(uintptr_t)&tid, .set_tid_size = 1};
	long rc = syscall(SYS_clone3, &args, sizeof(args));

	if (rc == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* with the test, should that fail */
		for (;;)
			(void)pause(); /* until it is killed */
	}
	return rc < 0 ? -errno : 0;
}

/* Whether a child of ours is there and runs; one that was killed is not. */
static inline bool proc_lives(int pid)
{
	return waitpid(pid, NULL, WNOHANG) == 0;
}

static inline void proc_end(int pid)
{
	(void)kill(pid, SIGKILL); /* ours and not reaped, or gone */
	(void)waitpid(pid, NULL, 0);
}

/* The program ends with 77 unless this host lets it choose a pid. */
static inline void proc_need_chosen_pids(void)
{
	int pid = fork(), rc;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	rc = proc_make(pid);
	if (rc == 0)
		proc_end(pid);
	else if (rc != -EEXIST) /* given to somebody meanwhile: then it was free to be chosen */
		TEST_SKIP_ALL("clone3 with set_tid (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE): a pid cannot be chosen");
}

#endif
