/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delegated group of covey-agents.service, and how a shim gets into it. No bus and no file of state is asked: a
 * unit's name and its group's are one, and /proc says the daemon's own.
 *
 * On a hybrid host systemd goes by the hierarchy of v2 in "unified" and keeps its old one ("systemd") in step, so
 * shims are moved in both. Limits are another matter: cgroup.c has them.
 */
#include "supervisor/cgroup_home.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "supervisor/cgroup_impl.h"

#define OWN_UNIT "coveyd.service"
#define SHIMS	 "_shims"

static bool is_there(const char *root, const char *below, const char *path)
{
	char whole[4096];

	return snprintf(whole, sizeof(whole), "%s%s%s%s", root, below, *path ? "/" : "", path) < (int)sizeof(whole) &&
	       access(whole, F_OK) == 0;
}

/* Where systemd's own v1 hierarchy, and that of v2, are below root; NULL: there is none. */
static const char *v1_below(const char *root)
{
	return is_there(root, "/systemd", "tasks") ? "/systemd" : NULL;
}

static const char *v2_below(const char *root)
{
	if (is_there(root, "", "cgroup.controllers"))
		return "";
	return is_there(root, "/unified", "cgroup.controllers") ? "/unified" : NULL;
}

/* The path in the line "NUMBER" which "/PATH" of /proc/PID/cgroup, without its first slash. NULL: no such line. */
static char *path_in(char *text, const char *which)
{
	for (char *line = text, *end; line; line = end) {
		char *at = line + strspn(line, "0123456789");

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		if (strncmp(at, which, strlen(which)) == 0)
			return at + strlen(which);
	}
	return NULL;
}

void cgroup_home_find(const char *root, const char *proc, struct cgroup_home *ret)
{
	const char *v1 = v1_below(root), *v2 = v2_below(root);
	char text[CGROUP_TEXT_MAX], *own, *name;

	*ret = (struct cgroup_home){0};
	if ((!v1 && !v2) || cgroup_read(AT_FDCWD, proc, "cgroup", text, sizeof(text)) <= 0)
		return;
	own = path_in(text, v1 ? ":name=systemd:/" : "::/");
	name = own ? strrchr(own, '/') : NULL;
	if (!name)
		return; /* in the root, or in a group of the root: no unit's */
	*name++ = '\0';
	ret->by_systemd = strcmp(name, OWN_UNIT) == 0;
	if (snprintf(ret->path, sizeof(ret->path), "%s/" CGROUP_HOME_UNIT, own) >= (int)sizeof(ret->path))
		return;
	ret->found = ret->by_systemd && is_there(root, v1 ? v1 : v2, ret->path);
}

/* "system.slice/covey-agents.service/covey": 33. */
size_t cgroup_home_length(const char *path)
{
	static const char *const units[] = {".service", ".scope", ".slice"};
	size_t length = 0, at = 0;

	for (;;) {
		size_t n = strcspn(path + at, "/");

		for (size_t i = 0; i < ARRAY_LEN(units); i++) {
			size_t m = strlen(units[i]);

			if (n > m && strncmp(path + at + n - m, units[i], m) == 0)
				length = at + n;
		}
		if (!path[at + n])
			return length;
		at += n + 1;
	}
}

static int open_in(const char *dir, const char *file, int *ret, struct err *e)
{
	char path[4096];

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, "'%s/%s'", dir, file);
	*ret = open(path, O_WRONLY | O_CLOEXEC);
	return *ret < 0 ? err_errno(e, "open '%s'", path) : 0;
}

static int make_leaf(const char *root, const char *below, const struct cgroup_home *home, char dir[4096], struct err *e)
{
	if (snprintf(dir, 4096, "%s%s/%s/" SHIMS, root, below, home->path) >= 4096)
		return err_set(e, -ENAMETOOLONG, "'%s/%s'", root, home->path);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_errno(e, "mkdir '%s'", dir);
	return 0;
}

static int open_v2(
	const char *root, const char *below, const struct cgroup_home *home, struct cgroup_place *p, struct err *e)
{
	char dir[4096];
	int rc = make_leaf(root, below, home, dir, e);

	if (rc < 0)
		return rc;
	p->into = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (p->into < 0)
		return err_errno(e, "open '%s'", dir);
	return open_in(dir, "cgroup.procs", &p->procs, e);
}

static int open_v1(
	const char *root, const char *below, const struct cgroup_home *home, struct cgroup_place *p, struct err *e)
{
	char dir[4096];
	int rc = make_leaf(root, below, home, dir, e);

	return rc < 0 ? rc : open_in(dir, "tasks", &p->tasks, e);
}

int cgroup_place_open(const char *root, const struct cgroup_home *home, struct cgroup_place *ret, struct err *e)
{
	const char *v1 = v1_below(root), *v2 = v2_below(root);
	struct cgroup_place p = CGROUP_PLACE_NONE;
	int rc = 0;

	if (home->found && v2 && is_there(root, v2, home->path))
		rc = open_v2(root, v2, home, &p, e);
	if (rc == 0 && home->found && v1)
		rc = open_v1(root, v1, home, &p, e);
	if (rc < 0)
		cgroup_place_close(&p);
	else
		*ret = p;
	return rc;
}

void cgroup_place_close(struct cgroup_place *p)
{
	const int fds[] = {p->into, p->procs, p->tasks};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)close(fds[i]); /* nothing was written that is not in the kernel */
	*p = CGROUP_PLACE_NONE;
}
