/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H
/*
 * Makes a shim's plan out of a definition and starts covey-shim with it. The one place that vforks. The child
 * shares the descriptor table until it has closed all but its own (CLOSE_RANGE_UNSHARE), so that a daemon with
 * thousands of descriptors neither copies them nor leaves the shim a large table.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "supervisor/cgroup.h"
#include "supervisor/cgroup_home.h"
#include "supervisor/seccomp.h"
#include "supervisor/shim_proto.h"
#include "supervisor/spec.h"

struct spawn_port {
	const char *name;
	uint16_t port;
};

/* Everything that one run needs beside its definition. All borrowed for the call. */
struct spawn_run {
	const struct agent_spec *spec;
	const char *replica_id, *file_stem; /* "n1/web.0" and "n1+web.0" */
	const char *node;
	const char *run_dir, *ends_dir, *log_path;
	uint64_t run, gen, epoch;
	uint32_t uid, gid;
	const uint32_t *groups;
	size_t n_groups;
	const struct spawn_port *ports;
	size_t n_ports;
	const struct cgroup_steps *steps;
	const struct seccomp_filter *filter;
	const void *label;
	size_t label_size;
	int lease_fd; /* -1: unarmed */
	bool pid_namespace;
	bool badness_is_default; /* spawn_badness_is_default */
	const char *statsd;	 /* COVEY_STATSD, or NULL */
};

/* Reserves the descriptors SHIM_FD_CONTROL … in this process; call first in main(), before anything opens one. */
int spawn_reserve_fds(struct err *e);

/* Whether the oom_score_adj of this process is 0: then nothing has to be done about it in what it starts. */
bool spawn_badness_is_default(void);

/* The message SHIM_PLAN (header, struct, blob) for a run. A ${NAME} that nobody tells is -ENOENT, named. */
int spawn_plan(const struct spawn_run *run, struct bytes *out, struct err *e);
/* The same as SHIM_EXEC for a probe's command. */
int spawn_exec_plan(const struct spawn_run *run, const struct spec_strv *command, uint32_t exec_id, int64_t timeout_ms,
	struct bytes *out, struct err *e);

struct spawn_with {
	const char *shim_path;
	const struct cgroup_place *place; /* where it is to live; NULL: where the daemon does */
	int filter_fd, lease_fd;	  /* -1: none */
};

/* Starts a shim with a plan made above. *ret_fd is the daemon's end, non-blocking; *ret_pid the shim's. */
int spawn_shim(const struct spawn_with *with, const struct bytes *plan, int *ret_fd, int *ret_pid, struct err *e);

/* Resolves `user:` to ids. dynamic: ret_dynamic is set, and the caller allots one from the range below. */
int spawn_user(const char *user, uint32_t *ret_uid, uint32_t *ret_gid, uint32_t *groups, size_t *n_groups,
	bool *ret_dynamic, struct err *e);
#define SPAWN_DYNAMIC_MIN 61184 /* systemd's range for DynamicUser= */
#define SPAWN_DYNAMIC_MAX 65519

#endif
