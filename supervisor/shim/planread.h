/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_PLANREAD_H
#define SUPERVISOR_SHIM_PLANREAD_H
/*
 * Reading a plan (struct shim_plan and its blob) out of a message. Pure. Once planread_plan has said yes, every
 * offset and count in it holds, and the accessors need no checks.
 */
#include <stddef.h>

#include "base/limits.h"
#include "supervisor/shim_proto.h"

#define PLAN_ARGV_MAX	 COMMAND_ARGS_MAX
#define PLAN_ENV_MAX	 (ENV_MAX + PORTS_MAX + 32)
#define PLAN_OPS_MAX	 128
#define PLAN_MOUNTS_MAX	 (PATHS_MAX * 2 + 8)
#define PLAN_RLIMITS_MAX 16
#define PLAN_GROUPS_MAX	 1024
#define PLAN_PATH_MAX	 512 /* of the paths that a shim keeps */
#define PLAN_LOG_MIN	 256 /* bytes of a log file, below which lines make no sense; 0 is without bound */

struct plan {
	struct shim_plan p;
	const char *blob; /* borrowed from the message */
};

/* 0, or -EINVAL, -EPROTO (another version), -E2BIG, -ENAMETOOLONG with the field at fault in *ret_what (static). */
int planread_plan(const void *payload, size_t n, struct plan *ret, const char **ret_what);

/* The string at an offset; NULL for 0. */
const char *planread_str(const struct plan *p, shim_str at);
const char *planread_argv(const struct plan *p, size_t i);
const char *planread_env(const struct plan *p, size_t i);
const struct shim_op *planread_op(const struct plan *p, size_t i);
const struct shim_mount *planread_mount(const struct plan *p, size_t i);
const struct shim_rlimit *planread_rlimit(const struct plan *p, size_t i);
const uint32_t *planread_groups(const struct plan *p);
/* The value of an environment variable that the agent will have; NULL: not there. */
const char *planread_getenv(const struct plan *p, const char *name);

#endif
