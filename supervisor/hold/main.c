/* SPDX-License-Identifier: Apache-2.0 */
/*
 * covey-hold: what covey-agents.service runs. It holds that unit's delegated group, in which shims and agents live,
 * while coveyd comes and goes; it knows no agent and speaks to no daemon. Its end ends nothing: the unit stays
 * (etc/covey-agents.service.in says how).
 *
 *	covey-hold          moves into a leaf of its group (one with groups inside may hold no process itself, on v2),
 *	                    tells systemd that the unit is up, and waits for SIGTERM
 *	covey-hold --stop   sends SIGTERM to every shim in the group, which stops its agent as the definition says
 *	                    (supervisor/shim/life.c), and returns when none is left; systemd bounds how long that may be
 *
 * Small and static as the shim is, and made of its parts.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/text.h"

#define ROOT	     "/sys/fs/cgroup"
#define SHIM_NAME    "/covey-shim"
#define GONE	     " (deleted)" /* of a program that was upgraded meanwhile */
#define PAUSE_MAX_MS 200
#define PATH_BYTES   512

/* The hierarchies that systemd goes by. */
static const struct tree {
	const char *mount, *mark; /* a file of its root */
	const char *line;	  /* what stands before the path in /proc/self/cgroup, behind the number */
} trees[] = {
	{ROOT, "cgroup.controllers", "::"},
	{ROOT "/unified", "cgroup.controllers", "::"},
	{ROOT "/systemd", "tasks", ":name=systemd:"},
};

static int say(const char *what, const char *path, int error)
{
	char line[PATH_BYTES + 256];
	struct text t = TEXT_OVER(line);

	text_str(&t, "covey-hold: ");
	text_str(&t, what);
	text_str(&t, path);
	text_str(&t, error ? ": " : "");
	text_str(&t, error ? strerror(error) : "");
	text_str(&t, "\n");
	(void)os_write_all(STDERR_FILENO, line, t.n); /* nobody is left to tell */
	return 1;
}

/* MOUNT/UNIT's group of this process in a hierarchy, or false. A control process of systemd's is in a group inside. */
static bool own_group(const struct tree *tree, struct text *ret)
{
	static const char control[] = "/.control";
	char text[2048];
	struct text mark = TEXT_OVER(text);
	char *line = text, *end;

	text_str(&mark, tree->mount);
	text_str(&mark, "/");
	text_str(&mark, tree->mark);
	if (access(text, F_OK) < 0 || os_read_file(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) <= 0)
		return false;
	for (; line; line = end) {
		char *at = line + strspn(line, "0123456789");
		size_t n;

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		if (strncmp(at, tree->line, strlen(tree->line)) != 0)
			continue;
		at += strlen(tree->line);
		n = strlen(at);
		if (n > strlen(control) && strcmp(at + n - strlen(control), control) == 0)
			n -= strlen(control);
		text_str(ret, tree->mount);
		text_mem(ret, at, n);
		return n > 1 && !ret->cut; /* the root is no unit's */
	}
	return false;
}

static int enter_leaf(const struct tree *tree)
{
	char path[PATH_BYTES];
	struct text t = TEXT_OVER(path);
	int rc;

	if (!own_group(tree, &t))
		return 0;
	text_str(&t, "/_holder");
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return say("is the group delegated (Delegate=yes)? mkdir ", path, errno);
	text_str(&t, "/cgroup.procs");
	rc = os_write_file(AT_FDCWD, path, "0");
	return rc < 0 ? say("is the group delegated (Delegate=yes)? write ", path, -rc) : 0;
}

/* Without libsystemd: one datagram. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	size_t n = path ? strlen(path) : 0;
	int fd;

	if (n < 2 || n >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&to,
			       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		(void)say("tell systemd at ", path, errno); /* whose own timeout tells the rest */
	os_close(&fd);
}

static int hold(void)
{
	sigset_t end;
	int sig;

	for (size_t i = 0; i < ARRAY_LEN(trees); i++)
		if (enter_leaf(&trees[i]) != 0)
			return 1;
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &end, NULL); /* cannot fail with these arguments */
	(void)mlockall(MCL_CURRENT);		  /* else it may be swapped, which is no harm */
	notify("READY=1\nSTATUS=holds the control groups of shims and agents");
	return sigwait(&end, &sig) ? 1 : 0;
}

static bool is_shim(int pid)
{
	char path[32], exe[PATH_BYTES];
	struct text t = TEXT_OVER(path);
	ssize_t n;

	text_str(&t, "/proc/");
	text_u64(&t, (uint64_t)pid);
	text_str(&t, "/exe");
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false; /* gone */
	exe[n] = '\0';
	if (n > (ssize_t)strlen(GONE) && strcmp(exe + n - strlen(GONE), GONE) == 0)
		n -= (ssize_t)strlen(GONE);
	return n >= (ssize_t)strlen(SHIM_NAME) &&
	       strncmp(exe + n - strlen(SHIM_NAME), SHIM_NAME, strlen(SHIM_NAME)) == 0;
}

/* SIGTERM to each shim that a list of pids names. Returns how many there are. */
static unsigned terminate_listed(const char *path)
{
	AUTO_CLOSE int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	unsigned found = 0;
	char v[1024];
	size_t have = 0, used;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, v + have, sizeof(v) - have)) > 0) {
		size_t at = 0;

		have += (size_t)n;
		for (;;) {
			int pid = (int)text_to_u64(v + at, have - at, &used);

			if (used == 0 || at + used >= have)
				break;
			at += used + 1;
			if (pid <= 0 || !is_shim(pid))
				continue;
			(void)kill(pid, SIGTERM); /* gone meanwhile is as good; a shim heeds the first one alone */
			found++;
		}
		memmove(v, v + at, have - at);
		have -= at;
	}
	return found;
}

static unsigned terminate_all(void)
{
	unsigned most = 0;

	for (size_t i = 0; i < ARRAY_LEN(trees); i++) {
		char path[PATH_BYTES];
		struct text t = TEXT_OVER(path);
		unsigned n = 0;

		if (own_group(&trees[i], &t)) {
			text_str(&t, "/_shims/cgroup.procs");
			n = t.cut ? 0 : terminate_listed(path);
		}
		most = n > most ? n : most; /* on a hybrid host they are in two hierarchies */
	}
	return most;
}

static int stop(void)
{
	int64_t pause_ms = 5, began_ms = os_now_ms(CLOCK_MONOTONIC);
	unsigned first = terminate_all(), left = first;
	char line[64];
	struct text t = TEXT_OVER(line);

	while (left > 0) {
		const struct timespec pause = {0, pause_ms * 1000000};

		(void)nanosleep(&pause, NULL); /* looked again earlier is fine */
		pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
		left = terminate_all();
	}
	text_u64(&t, first);
	text_str(&t, " agents were ended, in ");
	text_u64(&t, (uint64_t)(os_now_ms(CLOCK_MONOTONIC) - began_ms));
	text_str(&t, " ms");
	(void)say(line, "", 0); /* a remark, no fault */
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return hold();
	if (argc == 2 && strcmp(argv[1], "--stop") == 0)
		return stop();
	(void)say("usage: covey-hold [--stop]; covey-agents.service runs it", "", 0); /* and that is all of it */
	return 2;
}
