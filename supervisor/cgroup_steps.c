/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of steps by which a shim makes and limits a replica's groups: how steps are written, and which limits a
 * definition asks for. What is written where is the versions' to know.
 */
#include "supervisor/cgroup_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const char *const limit_names[] = {
	[CGROUP_LIMIT_CPU] = "cpu",
	[CGROUP_LIMIT_CPU_WEIGHT] = "cpu_weight",
	[CGROUP_LIMIT_CPUSET] = "cpuset",
	[CGROUP_LIMIT_MEMORY] = "memory",
	[CGROUP_LIMIT_MEMORY_HIGH] = "memory_high",
	[CGROUP_LIMIT_SWAP] = "swap",
	[CGROUP_LIMIT_PIDS] = "pids",
	[CGROUP_LIMIT_IO_WEIGHT] = "io_weight",
	[CGROUP_LIMIT_IO_MAX] = "io_max",
};
_Static_assert(ARRAY_LEN(limit_names) == CGROUP_LIMIT_MAX, "a name for each limit");

const char *cgroup_limit_name(enum cgroup_limit l)
{
	return limit_names[l];
}

static bool asked(const struct cgroup *cg, const struct spec_resources *r, enum cgroup_limit l)
{
	switch (l) {
	case CGROUP_LIMIT_CPU:
		return r->cpu_milli > 0;
	case CGROUP_LIMIT_CPU_WEIGHT:
		return r->cpu_weight > 0 && r->cpu_weight != 100;
	case CGROUP_LIMIT_CPUSET:
		return r->cpuset;
	case CGROUP_LIMIT_MEMORY:
		return r->memory_max_bytes > 0;
	case CGROUP_LIMIT_MEMORY_HIGH:
		return r->memory_high_bytes > 0;
	case CGROUP_LIMIT_SWAP:
		return r->swap_max_bytes >= 0 && !(cg->swapless && !cg->can[l]);
	case CGROUP_LIMIT_PIDS:
		return r->pids_max > 0;
	case CGROUP_LIMIT_IO_WEIGHT:
		return r->io_weight > 0;
	case CGROUP_LIMIT_IO_MAX:
		return r->io_max_bps > 0;
	case CGROUP_LIMIT_MAX:
		break;
	}
	return false;
}

/* -ENOTSUP for the first limit that the host cannot do. */
static int check(const struct cgroup *cg, const struct spec_resources *r, struct err *e)
{
	for (int l = 0; l < CGROUP_LIMIT_MAX; l++)
		if (asked(cg, r, l) && !cg->can[l])
			return err_set(e, -ENOTSUP,
				"resources.%s: this host cannot enforce it (cgroup v%d, %s is missing)", limit_names[l],
				cg->vt->version, cg->missing);
	if (cg->vt->version == 1 && cg->can[CGROUP_LIMIT_SWAP] && r->swap_max_bytes >= 0 && r->memory_max_bytes == 0)
		return err_set(e, -ENOTSUP, "resources.swap: cgroup v1 limits it only together with resources.memory");
	return 0;
}

char *cgroup_path(const struct cgroup *cg, enum cgroup_tree t, const char *group, const char *file)
{
	return mem_printf("%s/%s%s%s", cg->dirs[t].path, group, file ? "/" : "", file ? file : "");
}

/* Takes value. */
static void add(struct cgroup_build *b, uint32_t type, char *path, char *value)
{
	struct cgroup_steps *s = b->steps;

	if (b->joins_only && type != SHIM_OP_JOIN && type != SHIM_OP_INTO) {
		free(path);
		free(value);
		return;
	}
	if (b->rc == 0 && s->n == ARRAY_LEN(s->v))
		b->rc = -E2BIG;
	if (b->rc == 0 && !path)
		b->rc = -ENOMEM;
	if (b->rc < 0) {
		free(path);
		free(value);
		return;
	}
	s->v[s->n++] = (struct cgroup_step){.type = type, .path = path, .value = value};
}

void cgroup_step_mkdir(struct cgroup_build *b, enum cgroup_tree t)
{
	add(b, SHIM_OP_MKDIR, cgroup_path(b->cg, t, b->group, NULL), NULL);
}

void cgroup_step_join(struct cgroup_build *b, enum cgroup_tree t, const char *file)
{
	add(b, SHIM_OP_JOIN, cgroup_path(b->cg, t, b->group, file), NULL);
}

void cgroup_step_into(struct cgroup_build *b)
{
	add(b, SHIM_OP_INTO, cgroup_path(b->cg, CGROUP_UNIFIED, b->group, NULL), NULL);
}

void cgroup_step_write(struct cgroup_build *b, enum cgroup_tree t, const char *file, const char *fmt, ...)
{
	char text[256], *value;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* values are short: numbers and lists of processors */
	va_end(ap);
	value = mem_strdup(text);
	if (!value && b->rc == 0)
		b->rc = -ENOMEM;
	add(b, SHIM_OP_WRITE, cgroup_path(b->cg, t, b->group, file), value);
}

void cgroup_step_number(struct cgroup_build *b, enum cgroup_tree t, const char *file, int64_t n, const char *unset)
{
	if (n >= 0)
		cgroup_step_write(b, t, file, "%lld", (long long)n);
	else if (b->used)
		cgroup_step_write(b, t, file, "%s", unset);
}

void cgroup_quota(int64_t milli, int64_t *ret_quota_us, int64_t *ret_period_us)
{
	*ret_period_us = milli >= 10 ? 100000 : 1000000; /* the kernel takes no quota below a millisecond */
	*ret_quota_us = milli * (*ret_period_us / 1000);
}

/* Whole disks that are no memory in disguise: I/O of a loop device is its file's, and counted there. */
static bool is_disk(const char *name)
{
	static const char *const no[] = {"loop", "ram", "zram", "sr", "fd", "."};

	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (strncmp(name, no[i], strlen(no[i])) == 0)
			return false;
	return true;
}

size_t cgroup_devices(const struct cgroup *cg, char (*ret)[16], size_t max)
{
	DIR *dir = opendir(cg->block_dir);
	struct dirent *d;
	size_t n = 0;

	if (!dir)
		return 0;
	while (n < max && (d = readdir(dir))) {
		int got;

		if (!is_disk(d->d_name))
			continue;
		got = cgroup_read(dirfd(dir), d->d_name, "dev", ret[n], sizeof(ret[n]));
		if (got <= 0)
			continue;
		ret[n][strcspn(ret[n], "\n")] = '\0';
		n++;
	}
	(void)closedir(dir); /* was only read */
	return n;
}

int cgroup_steps(const struct cgroup *cg, const char *group, const struct spec_resources *r, bool settled,
	struct cgroup_steps *ret, struct err *e)
{
	struct cgroup_steps steps = {0};
	struct cgroup_build b = {.cg = cg, .group = group, .steps = &steps, .joins_only = settled};
	bool v2 = cg->vt->version == 2;
	enum cgroup_tree kill = CGROUP_PIDS, oom = v2 ? CGROUP_UNIFIED : CGROUP_MEMORY;
	int rc = check(cg, r, e);

	assert(group[0] && group[0] != '/' && !strstr(group, "..") && strlen(group) < CGROUP_GROUP_MAX);
	if (rc < 0)
		return rc;
	while (cg->dirs[kill].fd < 0)
		kill++;
	b.used = !settled && faccessat(cg->dirs[kill].fd, group, F_OK, 0) == 0;
	cg->vt->build(&b, r);
	steps.v2 = v2;
	steps.kill_dir = cgroup_path(cg, kill, group, NULL);
	if (cg->dirs[oom].fd >= 0)
		steps.oom_path = cgroup_path(cg, oom, group, v2 ? "memory.events" : "memory.oom_control");
	if (b.rc == 0 && (!steps.kill_dir || (cg->dirs[oom].fd >= 0 && !steps.oom_path)))
		b.rc = -ENOMEM;
	if (b.rc < 0) {
		cgroup_steps_done(&steps);
		return err_set(e, b.rc, "cgroup '%s': %s", group, strerror(-b.rc));
	}
	*ret = steps;
	return 0;
}

void cgroup_steps_done(struct cgroup_steps *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].path);
		free(s->v[i].value);
	}
	free(s->kill_dir);
	free(s->oom_path);
	memset(s, 0, sizeof(*s));
}
