/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts and network of an agent. Read-only is one recursive mount_setattr, whatever the number of mounts. Writable
 * paths are cloned before anything is changed, so that they keep what they were (a mount that was read-only on the
 * host stays so), and put over the read-only ones in their turn. /dev and /proc stay usable under a read-only root:
 * only what was writable before is made so again.
 */
#include "supervisor/shim/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/text.h"

#define QUEUES "/dev/mqueue"

static int loopback_up(void)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (fd < 0)
		return errno == EAFNOSUPPORT ? 0 : -errno; /* a kernel without IPv4 */
	return ioctl(fd, SIOCSIFFLAGS, &r) < 0 ? -errno : 0;
}

int sandbox_unshare(const struct plan *p, const char **ret_detail)
{
	bool net = p->p.flags & SHIM_FLAG_NEW_NET, pids = p->p.flags & SHIM_FLAG_NEW_PIDNS;
	bool mounts = p->p.mounts_n > 0 || pids;

	*ret_detail = mounts ? "mount namespace" : "network namespace";
	if ((mounts || net) && unshare((mounts ? CLONE_NEWNS : 0) | (net ? CLONE_NEWNET : 0)) < 0)
		return -errno;
	if (mounts && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	*ret_detail = "/proc";
	if (pids && mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	*ret_detail = "lo";
	return net ? loopback_up() : 0;
}

static void name_namespace(const char *of, const char *which, struct text *t)
{
	text_str(t, "/proc/");
	text_str(t, of);
	text_str(t, "/ns/");
	text_str(t, which);
}

static int join_one(const char *pid, const char *which, int type)
{
	char theirs[64], mine[64];
	struct text to = TEXT_OVER(theirs), from = TEXT_OVER(mine);
	AUTO_CLOSE int fd = -1;
	struct stat there, here;

	name_namespace(pid, which, &to);
	name_namespace("self", which, &from);
	fd = open(theirs, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &there) < 0 || stat(mine, &here) < 0)
		return -errno;
	if (there.st_dev == here.st_dev && there.st_ino == here.st_ino)
		return 0; /* it has none of its own */
	return setns(fd, type) < 0 ? -errno : 0;
}

/* What the agent has counts, and not what this plan says: the definition may have changed since the agent began. */
int sandbox_join(int pid, const char **ret_detail)
{
	char who[16];
	struct text t = TEXT_OVER(who);
	int rc;

	text_u64(&t, (uint64_t)pid);
	*ret_detail = "the agent's network namespace";
	rc = join_one(who, "net", CLONE_NEWNET);
	if (rc < 0)
		return rc;
	*ret_detail = "the agent's mount namespace";
	return join_one(who, "mnt", CLONE_NEWNS);
}

static int set_attr(int dirfd, const char *path, unsigned flags, uint64_t set, uint64_t clear)
{
	struct k_mount_attr attr = {.attr_set = set, .attr_clr = clear};

	return syscall(SYS_mount_setattr, dirfd, path, flags, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

static int clone_tree(const char *path)
{
	long fd = syscall(SYS_open_tree, AT_FDCWD, path, K_OPEN_TREE_CLONE | O_CLOEXEC | K_AT_RECURSIVE);

	return fd < 0 ? -errno : (int)fd;
}

static int put_tree(int fd, const char *path)
{
	return syscall(SYS_move_mount, fd, "", AT_FDCWD, path, K_MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static bool is_writable(const char *path)
{
	struct statvfs st;

	return statvfs(path, &st) == 0 && !(st.f_flag & ST_RDONLY);
}

static int read_only(const char *path)
{
	AUTO_CLOSE int tree = -1;
	int rc = set_attr(AT_FDCWD, path, K_AT_RECURSIVE, K_MOUNT_ATTR_RDONLY, 0);

	if (rc != -EINVAL)
		return rc;
	tree = clone_tree(path); /* no mount point yet: it becomes one */
	if (tree < 0)
		return tree;
	rc = set_attr(tree, "", AT_EMPTY_PATH | K_AT_RECURSIVE, K_MOUNT_ATTR_RDONLY, 0);
	return rc < 0 ? rc : put_tree(tree, path);
}

/* What is the whole host's, and asks who writes there for the uid alone, not for a capability. */
static int kernel_read_only(void)
{
	static const char *const settings[] = {"/proc/sys", "/proc/sysrq-trigger"};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(settings); i++)
		rc = access(settings[i], F_OK) < 0 ? 0 : read_only(settings[i]);
	return rc;
}

/* The whole root, but for the interfaces of the kernel that programs write to. */
static int root_read_only(uint32_t uid)
{
	static const char *const kept[] = {"/dev", "/dev/pts", "/dev/shm", QUEUES, "/proc"};
	bool writable[ARRAY_LEN(kept)];
	int rc;

	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		writable[i] = is_writable(kept[i]);
	rc = set_attr(AT_FDCWD, "/", K_AT_RECURSIVE, K_MOUNT_ATTR_RDONLY, 0);
	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(kept); i++)
		if (writable[i])
			(void)set_attr(
				AT_FDCWD, kept[i], 0, 0, K_MOUNT_ATTR_RDONLY); /* no mount point: part of the root */
	return rc == 0 && uid == 0 ? kernel_read_only() : rc;
}

/* A place to mount on that an earlier tmpfs has covered is made again in it. */
static int make_target(const char *path, bool dir)
{
	const char *last = strrchr(path, '/');
	char parent[PLAN_PATH_MAX];
	size_t n = (size_t)(last - path);
	int rc = 0;

	if (dir)
		return os_mkdirs(path);
	if (n >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, n);
	parent[n] = '\0';
	if (n > 0)
		rc = os_mkdirs(parent);
	if (rc == 0 && mknod(path, S_IFREG | 0600, 0) < 0)
		rc = -errno;
	return rc;
}

static int writable(int tree, const char *path)
{
	struct stat st;
	int rc = put_tree(tree, path);

	if (rc != -ENOENT || fstat(tree, &st) < 0)
		return rc;
	rc = make_target(path, S_ISDIR(st.st_mode));
	return rc < 0 ? rc : put_tree(tree, path);
}

static int private_tmpfs(const char *path, const char *options)
{
	int rc;

	if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	rc = os_mkdirs(path);
	if (rc == 0 && mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		rc = -errno;
	return rc;
}

static int mount_one(const struct plan *p, const struct shim_mount *m, int tree)
{
	const char *path = planread_str(p, m->path);

	switch (m->type) {
	case SHIM_MOUNT_TMPFS:
		return private_tmpfs(path, planread_str(p, m->options));
	case SHIM_MOUNT_READ_ONLY:
		return strcmp(path, "/") == 0 ? root_read_only(p->p.uid) : read_only(path);
	case SHIM_MOUNT_WRITABLE:
		return writable(tree, path);
	}
	return -EINVAL;
}

int sandbox_mount(const struct plan *p, const char **ret_detail)
{
	int trees[PLAN_MOUNTS_MAX], rc = 0;
	size_t n;

	for (n = 0; n < p->p.mounts_n && rc == 0; n++) {
		const struct shim_mount *m = planread_mount(p, n);

		*ret_detail = planread_str(p, m->path);
		trees[n] = m->type == SHIM_MOUNT_WRITABLE ? clone_tree(*ret_detail) : -1;
		if (m->type == SHIM_MOUNT_WRITABLE && trees[n] < 0)
			rc = trees[n];
	}
	for (size_t i = 0; i < p->p.mounts_n && rc == 0; i++) {
		*ret_detail = planread_str(p, planread_mount(p, i)->path);
		rc = mount_one(p, planread_mount(p, i), trees[i]);
	}
	for (size_t i = 0; i < n; i++)
		os_close(&trees[i]);
	return rc;
}

/* Every right to change something that an ABI knows; the ones for a file alone are the second. */
static uint64_t landlock_rights(long abi, uint64_t *ret_file)
{
	uint64_t v = K_LANDLOCK_WRITE_FILE;

	for (uint64_t right = K_LANDLOCK_REMOVE_DIR; right <= K_LANDLOCK_MAKE_SYM; right <<= 1)
		v |= right;
	if (abi >= 2)
		v |= K_LANDLOCK_REFER;
	if (abi >= 3)
		v |= K_LANDLOCK_TRUNCATE;
	*ret_file = v & (K_LANDLOCK_WRITE_FILE | K_LANDLOCK_TRUNCATE);
	return v;
}

static int landlock_allow(int rules, const char *path, uint64_t rights, uint64_t file_rights)
{
	AUTO_CLOSE int fd = openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
	struct k_landlock_path rule = {.allowed_access = rights, .parent_fd = fd};
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access = file_rights;
	return syscall(SYS_landlock_add_rule, rules, K_LANDLOCK_RULE_PATH, &rule, 0) < 0 ? -errno : 0;
}

int sandbox_landlock(const struct plan *p, const char **ret_detail)
{
	long abi = p->p.flags & SHIM_FLAG_LANDLOCK
			   ? syscall(SYS_landlock_create_ruleset, NULL, 0, K_LANDLOCK_CREATE_VERSION)
			   : 0;
	uint64_t file_rights;
	struct k_landlock_ruleset set = {.handled_access_fs = landlock_rights(abi, &file_rights)};
	AUTO_CLOSE int rules = -1;
	int rc;

	if (abi <= 0)
		return 0; /* not asked for, or a kernel without it: the mounts alone protect */
	*ret_detail = "landlock";
	rules = (int)syscall(SYS_landlock_create_ruleset, &set, sizeof(set), 0);
	if (rules < 0)
		return -errno;
	rc = landlock_allow(rules, "/dev", set.handled_access_fs, file_rights);
	if (rc == 0 && access(QUEUES, F_OK) == 0) /* mq_open goes by a mount that is below nothing */
		rc = landlock_allow(rules, QUEUES, set.handled_access_fs, file_rights);
	if (rc == 0)
		rc = landlock_allow(rules, "/proc", file_rights, file_rights);
	for (size_t i = 0; rc == 0 && i < p->p.mounts_n; i++) {
		const struct shim_mount *m = planread_mount(p, i);

		*ret_detail = planread_str(p, m->path);
		if (m->type != SHIM_MOUNT_READ_ONLY)
			rc = landlock_allow(rules, *ret_detail, set.handled_access_fs, file_rights);
	}
	if (rc == 0 && syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		rc = -errno;
	return rc;
}
