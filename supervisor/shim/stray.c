/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Children are looked for by reading whose parent we are: not every kernel lists them (CONFIG_PROC_CHILDREN). Those of
 * a child that is killed are ours a moment later, so that round by round the whole tree goes, wherever it sits. What a
 * process has others start for it (systemd, a daemon of containers) is no descendant of it.
 */
#include "supervisor/shim/stray.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/text.h"

enum stray stray_look(void)
{
	siginfo_t info = {0};

	if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
		return STRAY_NONE; /* ECHILD is all that it can be */
	return info.si_pid ? STRAY_DEAD : STRAY_LIVE;
}

/* 1: it was alive; one that ends already (a probe that was killed) is none that was left. */
static int kill_if_ours(const char *name, int self)
{
	size_t len = strlen(name), used;
	uint64_t pid = text_to_u64(name, len, &used);
	bool ends;

	if (used == 0 || used < len || os_parent((int)pid) != (uint64_t)self)
		return 0;
	ends = os_is_ending((int)pid);
	(void)kill((int)pid, SIGKILL); /* a child of ours that is not reaped: the pid is its own */
	return !ends;
}

int stray_kill(void)
{
	AUTO_CLOSE int proc = openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t v[128];
	int killed = 0, self = getpid();
	long n;

	while (proc >= 0 && (n = syscall(SYS_getdents64, proc, v, sizeof(v))) > 0)
		for (char *at = (char *)v; at < (char *)v + n; at += ((struct k_dirent *)(void *)at)->size)
			killed += kill_if_ours(((struct k_dirent *)(void *)at)->name, self);
	return killed;
}
