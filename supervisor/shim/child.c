/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a child does between its clone and its exec, step by step, each a row of the table at the end with the stage
 * that is told when it fails. It may share its parent's memory (start.c): it writes nothing but its own struct and
 * the report, and calls the kernel directly where libc would keep records of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/sandbox.h"
#include "supervisor/shim/start.h"
#include "supervisor/shim/text.h"

#define DEFAULT_PATH	    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_STACK_BYTES (8u << 20) /* the shim runs with a small one, which is not the agent's business */

/* `file` is below path when given; what is in the replica's group goes to its sub-group for a probe. */
static int join_one(struct child *c, const char *path, const char *file)
{
	const char *dir = c->how->group_dir, *rest = path;
	struct text t = TEXT_OVER(c->path);
	size_t len = dir ? strlen(dir) : 0;

	if (c->how->sub && dir && strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0')) {
		text_str(&t, dir);
		text_str(&t, "/");
		text_str(&t, c->how->sub);
		rest = path + len;
	}
	text_str(&t, rest);
	text_str(&t, file);
	c->detail = c->path;
	return t.cut ? -ENAMETOOLONG : os_write_file(AT_FDCWD, c->path, "0");
}

/* The shim's is low, which is not for agents. */
static int raise_badness(const struct child *c)
{
	if (!c->how->badness_is_right)
		(void)os_write_file(
			AT_FDCWD, "/proc/self/oom_score_adj", "0"); /* where it cannot be raised it was not lowered */
	return 0;
}

/* By the descriptors that the shim holds; false: the paths have to do. */
static bool join_open(const struct groupfiles *f)
{
	for (unsigned i = 0; i < f->joins_n; i++)
		if (write(f->joins[i], "0", 1) != 1)
			return false;
	return f->joins_n > 0;
}

static int join_groups(struct child *c)
{
	if (!c->how->sub && c->how->joins && join_open(c->how->joins))
		return raise_badness(c);
	for (size_t i = 0; i < c->how->plan->p.ops_n; i++) {
		const struct shim_op *op = planread_op(c->how->plan, i);
		uint32_t type = op->type & ~(uint32_t)SHIM_OP_OPTIONAL;
		int rc = 0;

		if (type == SHIM_OP_JOIN)
			rc = join_one(c, planread_str(c->how->plan, op->path), "");
		else if (type == SHIM_OP_INTO && c->join_into)
			rc = join_one(c, planread_str(c->how->plan, op->path), "/cgroup.procs");
		if (rc < 0 && !(op->type & SHIM_OP_OPTIONAL))
			return rc;
	}
	return raise_badness(c);
}

static int set_session(struct child *c)
{
	sigset_t none;

	c->detail = "session";
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* cannot fail; that none is ignored main.c saw to */
	(void)setsid();				     /* fails only for a group's leader, which a new child is not */
	if (c->filter_sock >= 0 && dup3(c->filter_sock, SHIM_FD_NOTIFY_LISTENER, O_CLOEXEC) < 0)
		return -errno;
	if (dup2(c->how->out_fd, STDOUT_FILENO) < 0 || dup2(c->how->out_fd, STDERR_FILENO) < 0)
		return -errno;
	(void)umask(c->how->plan->p.umask & 0777); /* cannot fail */
	return 0;
}

static int enter_namespaces(struct child *c)
{
	if (c->how->beside)
		return sandbox_join(c->how->beside, &c->detail);
	return sandbox_unshare(c->how->plan, &c->detail);
}

static int mount_all(struct child *c)
{
	return c->how->beside ? 0 : sandbox_mount(c->how->plan, &c->detail);
}

static int change_directory(struct child *c)
{
	c->detail = planread_str(c->how->plan, c->how->plan->p.directory);
	if (!c->detail)
		c->detail = "/";
	return chdir(c->detail) < 0 ? -errno : 0;
}

static int set_rlimits(struct child *c)
{
	const struct plan *p = c->how->plan;
	struct rlimit stack;
	bool has_stack = false;

	for (size_t i = 0; i < p->p.rlimits_n; i++) {
		const struct shim_rlimit *r = planread_rlimit(p, i);
		struct rlimit v = {r->soft, r->hard};

		c->detail = r->resource == RLIMIT_NOFILE ? "nofile" : "rlimits";
		has_stack |= r->resource == RLIMIT_STACK;
		if (setrlimit((int)r->resource, &v) < 0)
			return -errno;
	}
	if (has_stack || getrlimit(RLIMIT_STACK, &stack) < 0)
		return 0;
	stack.rlim_cur = MIN(DEFAULT_STACK_BYTES, stack.rlim_max);
	return setrlimit(RLIMIT_STACK, &stack) < 0 ? -errno : 0;
}

int child_drop_bounding(uint64_t caps)
{
	for (unsigned long cap = 0; caps >> cap; cap++) {
		if (!(caps >> cap & 1))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL ? 0 : -errno; /* past the kernel's last */
		if (cap == K_CAP_LAST_MAX)
			break;
	}
	return 0;
}

static int drop_bounding(struct child *c)
{
	c->detail = "capabilities";
	return child_drop_bounding(c->how->bounding & ~c->how->plan->p.cap_keep);
}

/* libc's own calls would make all of a process's threads follow, with records in the memory that we share. */
static int change_user(struct child *c)
{
	const struct shim_plan *p = &c->how->plan->p;

	c->detail = "user";
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return -errno;
	if (syscall(SYS_setgroups, (size_t)p->groups_n, planread_groups(c->how->plan)) < 0 ||
		syscall(SYS_setresgid, p->gid, p->gid, p->gid) < 0 ||
		syscall(SYS_setresuid, p->uid, p->uid, p->uid) < 0)
		return -errno;
	return 0;
}

/*
 * The kept ones become ambient, so that they survive the exec of a user that is not root. Loading a filter (or
 * Landlock's rules) without no_new_privs takes CAP_SYS_ADMIN: it stays until the exec, whose arithmetic then takes it
 * away, since it is neither ambient nor in the bounding set.
 */
static int set_capabilities(struct child *c)
{
	const struct shim_plan *p = &c->how->plan->p;
	struct k_cap_header head = {.version = K_CAPABILITY_VERSION_3};
	struct k_cap_data now[2], want[2];
	uint64_t keep = p->cap_keep, have, hold;

	c->detail = "capabilities";
	if (syscall(SYS_capget, &head, now) < 0)
		return -errno;
	have = now[0].permitted | (uint64_t)now[1].permitted << 32;
	keep &= have; /* what we have not ourselves we cannot give */
	hold = keep;
	if ((c->filter.len || p->flags & SHIM_FLAG_LANDLOCK) && !(p->flags & SHIM_FLAG_NO_NEW_PRIVS))
		hold |= have & 1ull << K_CAP_SYS_ADMIN;
	for (int i = 0; i < 2; i++) {
		want[i].effective = want[i].permitted = (uint32_t)(hold >> 32 * i);
		want[i].inheritable = (uint32_t)(keep >> 32 * i);
	}
	if (syscall(SYS_capset, &head, want) < 0)
		return -errno;
	for (unsigned long cap = 0; cap <= K_CAP_LAST_MAX; cap++)
		if (keep >> cap & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return -errno;
	return 0;
}

/* After the change of user, which takes it back. In a pid namespace of our own the parent cannot be asked for. */
static int set_parent_death(struct child *c)
{
	bool outside = !(c->how->plan->p.flags & SHIM_FLAG_NEW_PIDNS);

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return -errno;
	return outside && getppid() != c->parent ? -EOWNERDEAD : 0;
}

static int try_program(struct child *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return -EACCES;
	c->program = path;
	return 0;
}

static int search_program(struct child *c, const char *name, const char *dirs)
{
	int rc = -ENOENT;

	while (dirs) {
		const char *end = strchr(dirs, ':');
		size_t len = end ? (size_t)(end - dirs) : strlen(dirs);
		struct text t = TEXT_OVER(c->path);
		int found;

		text_mem(&t, dirs, len);
		text_str(&t, len ? "/" : "./"); /* an empty element is the current directory */
		text_str(&t, name);
		found = t.cut ? -ENAMETOOLONG : try_program(c, c->path);
		if (found == 0)
			return 0;
		if (found == -EACCES)
			rc = -EACCES; /* goes on looking, and tells this if there is no other */
		dirs = end ? end + 1 : NULL;
	}
	return rc;
}

/* In the agent's own view: its mounts, directory, user and PATH. */
static int find_program(struct child *c)
{
	const char *name = planread_argv(c->how->plan, 0), *dirs = planread_getenv(c->how->plan, "PATH");

	c->detail = name;
	if (strchr(name, '/')) {
		c->program = name; /* what is wrong with it, the exec says best */
		return 0;
	}
	return search_program(c, name, dirs && dirs[0] ? dirs : DEFAULT_PATH);
}

static int give_up_privileges(struct child *c)
{
	c->detail = "no_new_privs";
	if (!(c->how->plan->p.flags & SHIM_FLAG_NO_NEW_PRIVS))
		return 0;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static int restrict_writes(struct child *c)
{
	return sandbox_landlock(c->how->plan, &c->detail);
}

/* The filter is in force from here on: sendmsg on this one descriptor and the exec are all that is called. */
static int load_filter(struct child *c)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)"", 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int listener;

	c->detail = "seccomp";
	if (c->filter.len == 0)
		return 0;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	listener = (int)syscall(SYS_seccomp, K_SECCOMP_SET_MODE_FILTER, K_SECCOMP_FLAG_NEW_LISTENER, &c->filter);
	if (listener < 0)
		return -errno;
	memcpy(CMSG_DATA(cmsg), &listener, sizeof(listener));
	return sendmsg(SHIM_FD_NOTIFY_LISTENER, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0; /* close-on-exec, as all */
}

static int exec_program(struct child *c)
{
	const struct plan *p = c->how->plan;

	c->detail = c->program;
	for (size_t i = 0; i < p->p.argv_n; i++)
		c->argv[i] = planread_argv(p, i);
	for (size_t i = 0; i < p->p.env_n; i++)
		c->env[i] = planread_env(p, i);
	(void)execve(c->program, (char *const *)(uintptr_t)c->argv, (char *const *)(uintptr_t)c->env);
	return -errno; /* an exec that returns has failed */
}

static const struct {
	enum shim_stage stage;
	int (*run)(struct child *c);
} child_steps[] = {
	{SHIM_STAGE_JOIN, join_groups},
	{SHIM_STAGE_FORK, set_session},
	{SHIM_STAGE_NAMESPACE, enter_namespaces},
	{SHIM_STAGE_MOUNT, mount_all},
	{SHIM_STAGE_DIRECTORY, change_directory},
	{SHIM_STAGE_RLIMIT, set_rlimits},
	{SHIM_STAGE_CAPABILITIES, drop_bounding},
	{SHIM_STAGE_USER, change_user},
	{SHIM_STAGE_CAPABILITIES, set_capabilities},
	{SHIM_STAGE_FORK, set_parent_death},
	{SHIM_STAGE_EXEC, find_program},
	{SHIM_STAGE_USER, give_up_privileges},
	{SHIM_STAGE_LANDLOCK, restrict_writes},
	{SHIM_STAGE_SECCOMP, load_filter},
	{SHIM_STAGE_EXEC, exec_program},
};

int child_main(void *arg)
{
	struct child *c = arg;

	for (size_t i = 0; i < ARRAY_LEN(child_steps); i++) {
		struct text detail = TEXT_OVER(c->report->detail);
		int rc;

		c->report->stage = child_steps[i].stage;
		rc = child_steps[i].run(c);
		if (rc == 0)
			continue;
		text_str(&detail, c->detail ? c->detail : "");
		c->report->error = -rc;
		break;
	}
	return 127;
}
