/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a plan. The daemon is trusted to mean well and not to be of our build: sizes are as it says, and a fault of
 * its own must end in a sentence, not in a shim that crashes with an agent half started. So every offset, count and
 * string is looked at once, here.
 */
#include "supervisor/shim/planread.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

#define PLAN_SIZE_V1 (offsetof(struct shim_plan, blob_size) + sizeof(uint32_t))

_Static_assert(sizeof(struct shim_plan) % 8 == 0, "the blob must begin aligned");

static bool str_ok(const struct plan *p, shim_str at, size_t max)
{
	size_t room = at < p->p.blob_size ? p->p.blob_size - at : 0;

	return room > 0 && memchr(p->blob + at, '\0', MIN(room, max + 1)) != NULL;
}

static bool array_ok(const struct plan *p, uint32_t at, uint32_t n, size_t size, uint32_t max)
{
	return n <= max && at % 8 == 0 && at <= p->p.blob_size && n * size <= p->p.blob_size - at;
}

struct field {
	const char *name;
	uint32_t at; /* in struct shim_plan */
	uint32_t max;
	bool required, absolute;
};

#define FIELD(f, max, required, absolute)                                        \
	{                                                                        \
#f, offsetof(struct shim_plan, f), (max), (required), (absolute) \
	}

static int check_strings(const struct plan *p, const char **ret_what)
{
	static const struct field fields[] = {
		FIELD(replica_id, REPLICA_ID_MAX, true, false),
		FIELD(file_stem, REPLICA_ID_MAX, true, false),
		FIELD(dir_run, PLAN_PATH_MAX, true, true),
		FIELD(dir_ends, PLAN_PATH_MAX, false, true),
		FIELD(gen_path, PLAN_PATH_MAX, true, true),
		FIELD(log_path, PLAN_PATH_MAX, true, true),
		FIELD(directory, STRING_MAX, false, true),
		FIELD(kill_dir, PLAN_PATH_MAX, false, true),
		FIELD(oom_path, PLAN_PATH_MAX, false, true),
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const struct field *f = &fields[i];
		shim_str at;

		*ret_what = f->name;
		memcpy(&at, (const char *)&p->p + f->at, sizeof(at));
		if (at == 0 && !f->required)
			continue;
		if (at == 0 || at >= p->p.blob_size)
			return -EINVAL;
		if (!str_ok(p, at, f->max))
			return -ENAMETOOLONG;
		if (p->blob[at] == '\0' || (f->absolute && p->blob[at] != '/'))
			return -EINVAL;
	}
	*ret_what = "file_stem";
	return strchr(planread_str(p, p->p.file_stem), '/') ? -EINVAL : 0;
}

static int check_arrays(const struct plan *p, const char **ret_what)
{
	const struct shim_plan *s = &p->p;
	const struct {
		const char *name;
		uint32_t at, n, max;
		size_t size;
	} arrays[] = {
		{"argv", s->argv_at, s->argv_n, PLAN_ARGV_MAX, sizeof(shim_str)},
		{"env", s->env_at, s->env_n, PLAN_ENV_MAX, sizeof(shim_str)},
		{"ops", s->ops_at, s->ops_n, PLAN_OPS_MAX, sizeof(struct shim_op)},
		{"mounts", s->mounts_at, s->mounts_n, PLAN_MOUNTS_MAX, sizeof(struct shim_mount)},
		{"rlimits", s->rlimits_at, s->rlimits_n, PLAN_RLIMITS_MAX, sizeof(struct shim_rlimit)},
		{"groups", s->groups_at, s->groups_n, PLAN_GROUPS_MAX, sizeof(uint32_t)},
	};

	for (size_t i = 0; i < ARRAY_LEN(arrays); i++) {
		*ret_what = arrays[i].name;
		if (!array_ok(p, arrays[i].at, arrays[i].n, arrays[i].size, arrays[i].max))
			return arrays[i].n > arrays[i].max ? -E2BIG : -EINVAL;
	}
	*ret_what = "label";
	if (s->label_size > SHIM_LABEL_MAX)
		return -E2BIG;
	return s->label > s->blob_size || s->label_size > s->blob_size - s->label ? -EINVAL : 0;
}

static bool op_ok(const struct plan *p, const struct shim_op *op)
{
	uint32_t type = op->type & ~(uint32_t)SHIM_OP_OPTIONAL;

	if (type < SHIM_OP_MKDIR || type > SHIM_OP_INTO)
		return (op->type & SHIM_OP_OPTIONAL) != 0; /* of a newer build, and it can do without */
	if (op->path == 0 || !str_ok(p, op->path, STRING_MAX) || p->blob[op->path] != '/')
		return false;
	return type != SHIM_OP_WRITE || (op->value && str_ok(p, op->value, STRING_MAX));
}

static bool mount_ok(const struct plan *p, const struct shim_mount *m)
{
	if (m->type < SHIM_MOUNT_TMPFS || m->type > SHIM_MOUNT_WRITABLE)
		return false;
	if (m->path == 0 || !str_ok(p, m->path, STRING_MAX) || p->blob[m->path] != '/')
		return false;
	return m->options == 0 || str_ok(p, m->options, STRING_MAX);
}

static int check_elements(const struct plan *p, const char **ret_what)
{
	*ret_what = "argv";
	if (p->p.argv_n == 0)
		return -EINVAL;
	for (size_t i = 0; i < p->p.argv_n; i++)
		if (!str_ok(p, ((const shim_str *)(const void *)(p->blob + p->p.argv_at))[i], SHIM_FRAME_MAX))
			return -EINVAL;
	if (planread_argv(p, 0)[0] == '\0')
		return -EINVAL;
	*ret_what = "env";
	for (size_t i = 0; i < p->p.env_n; i++)
		if (!str_ok(p, ((const shim_str *)(const void *)(p->blob + p->p.env_at))[i], SHIM_FRAME_MAX))
			return -EINVAL;
	*ret_what = "ops";
	for (size_t i = 0; i < p->p.ops_n; i++)
		if (!op_ok(p, planread_op(p, i)))
			return -EINVAL;
	*ret_what = "mounts";
	for (size_t i = 0; i < p->p.mounts_n; i++)
		if (!mount_ok(p, planread_mount(p, i)))
			return -EINVAL;
	return 0;
}

int planread_plan(const void *payload, size_t n, struct plan *ret, const char **ret_what)
{
	struct plan p = {0};
	uint32_t size;
	int rc;

	*ret_what = "size";
	if (n < PLAN_SIZE_V1)
		return -EINVAL;
	memcpy(&size, payload, sizeof(size));
	if (size < PLAN_SIZE_V1 || size > n || size % 8)
		return -EINVAL;
	memcpy(&p.p, payload, MIN(size, sizeof(p.p)));
	*ret_what = "version";
	if (p.p.version != SHIM_PROTO_VERSION)
		return -EPROTO;
	*ret_what = "blob_size";
	p.blob = (const char *)payload + size;
	if (p.p.blob_size == 0 || p.p.blob_size > n - size || p.blob[0] != '\0')
		return -EINVAL;
	rc = check_arrays(&p, ret_what);
	if (rc == 0)
		rc = check_strings(&p, ret_what);
	if (rc == 0)
		rc = check_elements(&p, ret_what);
	if (rc < 0)
		return rc;
	*ret_what = "log_max_bytes";
	if (p.p.log_max_bytes && p.p.log_max_bytes < PLAN_LOG_MIN)
		return -EINVAL;
	*ret = p;
	return 0;
}

const char *planread_str(const struct plan *p, shim_str at)
{
	return at ? p->blob + at : NULL;
}

static const void *element(const struct plan *p, uint32_t at, size_t i, size_t size)
{
	return p->blob + at + i * size;
}

const char *planread_argv(const struct plan *p, size_t i)
{
	return p->blob + *(const shim_str *)element(p, p->p.argv_at, i, sizeof(shim_str));
}

const char *planread_env(const struct plan *p, size_t i)
{
	return p->blob + *(const shim_str *)element(p, p->p.env_at, i, sizeof(shim_str));
}

const struct shim_op *planread_op(const struct plan *p, size_t i)
{
	return element(p, p->p.ops_at, i, sizeof(struct shim_op));
}

const struct shim_mount *planread_mount(const struct plan *p, size_t i)
{
	return element(p, p->p.mounts_at, i, sizeof(struct shim_mount));
}

const struct shim_rlimit *planread_rlimit(const struct plan *p, size_t i)
{
	return element(p, p->p.rlimits_at, i, sizeof(struct shim_rlimit));
}

const uint32_t *planread_groups(const struct plan *p)
{
	return element(p, p->p.groups_at, 0, sizeof(uint32_t));
}

const char *planread_getenv(const struct plan *p, const char *name)
{
	size_t len = strlen(name);
	const char *found = NULL;

	for (size_t i = 0; i < p->p.env_n; i++)
		if (strncmp(planread_env(p, i), name, len) == 0 && planread_env(p, i)[len] == '=')
			found = planread_env(p, i) + len + 1; /* the last one wins, as with getenv of most shells */
	return found;
}
