/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bed's control groups: made on v1, on v2, or on a hybrid host's v2; listed, emptied, removed.
 */
#include "tests/lib/shimkit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "tests/lib/groups.h"

#define ROOT	"/sys/fs/cgroup"
#define UNIFIED ROOT "/unified"

static void add_group(struct kit *k, const char *root)
{
	char *path = k->groups[k->n_groups++];

	(void)snprintf(path, sizeof(k->groups[0]), "%s/%scovey-test-%d-%s", root, groups_below(), getpid(), k->stem);
	if (mkdir(path, 0755) < 0)
		fail_msg("mkdir '%s': %s", path, strerror(errno));
}

static bool is_v2(const char *path)
{
	struct statfs st;

	return statfs(path, &st) == 0 && st.f_type == CGROUP2_SUPER_MAGIC;
}

/* For the groups to come; the daemon does it for its own. What cannot be switched on is not there in the group. */
static void switch_on(const char *root)
{
	static const char *const controllers[] = {"+memory", "+pids"};
	char path[192];

	(void)snprintf(path, sizeof(path), "%s/%scgroup.subtree_control", root, groups_below()); /* fits */
	for (size_t i = 0; i < ARRAY_LEN(controllers); i++) {
		AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd >= 0)
			(void)!write(fd, controllers[i], strlen(controllers[i])); /* as above */
	}
}

const char *kit_outside(struct kit *k)
{
	static char path[400];
	char groups[1024], *own;

	if (!k->v2) {
		(void)snprintf(path, sizeof(path), "%s/../cgroup.procs", k->kill_dir); /* fits */
		return path;
	}
	own = strstr(kit_read("/proc/self/cgroup", groups, sizeof(groups)), "0::/");
	assert_non_null(own);
	own[strcspn(own, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "%s%.200s/cgroup.procs", k->hybrid ? UNIFIED : ROOT, own + 3); /* fits */
	return path;
}

/* A hybrid host has v2 too, without controllers: processes are put into its groups and killed there all the same. */
void kit_groups_open(struct kit *k)
{
	bool hybrid = getenv("KIT_V2") && is_v2(UNIFIED);

	k->hybrid = hybrid;
	k->v2 = hybrid || is_v2(ROOT);
	if (!k->v2 &&
		(access("/sys/fs/cgroup/pids/tasks", W_OK) < 0 || access("/sys/fs/cgroup/memory/tasks", W_OK) < 0))
		TEST_SKIP_ALL("writable cgroups (memory and pids of v1, or v2)");
	if (k->v2) {
		if (!hybrid)
			switch_on(ROOT);
		add_group(k, hybrid ? UNIFIED : ROOT);
		(void)snprintf(k->oom_path, sizeof(k->oom_path), "%s/memory.events", k->groups[0]);
	} else {
		add_group(k, "/sys/fs/cgroup/pids");
		add_group(k, "/sys/fs/cgroup/memory");
		(void)snprintf(k->oom_path, sizeof(k->oom_path), "%s/memory.oom_control", k->groups[1]);
	}
	(void)snprintf(k->kill_dir, sizeof(k->kill_dir), "%s", k->groups[0]);
}

bool kit_use_v2(void)
{
	return is_v2(UNIFIED) && setenv("KIT_V2", "1", 1) == 0;
}

/* Pids that a file of them lists; each is killed when asked for. */
static int list_pids(const char *dir, bool kill_them)
{
	char path[300];
	int n = 0, pid;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1) {
		n++;
		if (kill_them)
			(void)kill(pid, SIGKILL);
	}
	if (f)
		(void)fclose(f);
	return n;
}

static int count_all(struct kit *k, bool kill_them)
{
	static const char *const subs[] = {"", "/probe.0", "/probe.1"};
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(subs); i++) {
		char path[224];

		(void)snprintf(path, sizeof(path), "%s%s", k->kill_dir, subs[i]);
		n += list_pids(path, kill_them);
		if (kill_them && i > 0)
			(void)rmdir(path);
	}
	return n;
}

int kit_pids(struct kit *k)
{
	return count_all(k, false);
}

void kit_groups_close(struct kit *k)
{
	WAIT_UNTIL(count_all(k, true) == 0, WAIT_BOUND_S);
	for (size_t i = 0; i < k->n_groups; i++) {
		(void)count_all(k, true);
		WAIT_UNTIL(rmdir(k->groups[i]) == 0 || errno == ENOENT, WAIT_BOUND_S);
	}
}
