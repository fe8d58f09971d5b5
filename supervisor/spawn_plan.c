/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a shim's plan out of a definition: one packet that says all a run needs (supervisor/shim_proto.h), so that the
 * shim decides nothing and parses nothing but offsets. What an agent is told in its environment is decided here:
 * covey's own names (COVEY_…, PORT_…, NOTIFY_SOCKET) last, so that a definition cannot take them.
 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "supervisor/capability.h"

#define DEFAULT_PATH	  "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define TOLD_MAX	  (PORTS_MAX + 8)
#define AGENT_STACK_BYTES (8u << 20)

/* The packet under construction: `at` is where the blob begins in `out`. */
struct blob {
	struct bytes *out;
	size_t at;
};

static shim_str blob_str(struct blob *b, const char *s)
{
	size_t at = b->out->n - b->at;

	if (!s)
		return 0;
	(void)bytes_add(b->out, s, strlen(s) + 1); /* `failed` is checked once, at the end */
	return (shim_str)at;
}

static uint32_t blob_array(struct blob *b, const void *v, size_t n, size_t size)
{
	static const char zero[8];
	size_t pad = -(b->out->n - b->at) & 7;

	(void)bytes_add(b->out, zero, pad); /* as above */
	(void)bytes_add(b->out, v, n * size);
	return (uint32_t)(b->out->n - b->at - n * size);
}

/* What covey tells every replica: the names that ${…} may use, and the end of its environment. */
struct told {
	struct spec_pair v[TOLD_MAX];
	size_t n;
	char text[PORTS_MAX * (NAME_MAX_LEN + 16)];
	size_t used;
};

static void tell(struct told *t, const char *key, const char *value)
{
	assert(t->n < TOLD_MAX);
	t->v[t->n++] = (struct spec_pair){key, value};
}

static void tell_port(struct told *t, const struct spawn_port *p)
{
	char *key = t->text + t->used;
	size_t room = sizeof(t->text) - t->used;
	int n = snprintf(key, room, "PORT_%s%c%u", p->name, 0, p->port);

	assert(n > 0 && (size_t)n < room);
	t->used += (size_t)n + 1;
	tell(t, key, key + strlen(key) + 1);
}

static void tell_all(struct told *t, const struct spawn_run *run, char epoch[24])
{
	t->n = t->used = 0;
	(void)snprintf(epoch, 24, "%llu", (unsigned long long)run->epoch); /* 20 digits at most */
	tell(t, "COVEY_AGENT", run->spec->name);
	tell(t, "COVEY_REPLICA", run->replica_id);
	tell(t, "COVEY_NODE", run->node);
	tell(t, "COVEY_EPOCH", epoch);
	if (run->statsd)
		tell(t, "COVEY_STATSD", run->statsd);
	for (size_t i = 0; i < run->n_ports && i < PORTS_MAX; i++)
		tell_port(t, &run->ports[i]);
}

static int add_expanded(
	struct blob *b, const char *key, const char *s, const struct spec_pairs *vars, shim_str *ret, struct err *e)
{
	AUTO_FREE char *value = NULL;
	AUTO_FREE char *whole = NULL;
	int rc = spec_expand(s, vars, &value, e);

	if (rc < 0)
		return rc;
	if (key) {
		whole = mem_printf("%s=%s", key, value);
		if (!whole)
			return err_set(e, -ENOMEM, "out of memory");
	}
	*ret = blob_str(b, whole ? whole : value);
	return 0;
}

static int add_argv(
	struct blob *b, const struct spec_strv *command, const struct told *t, struct shim_plan *plan, struct err *e)
{
	struct spec_pairs vars = {t->n, (struct spec_pair *)t->v};
	shim_str at[COMMAND_ARGS_MAX];

	for (size_t i = 0; i < command->n; i++) {
		int rc = add_expanded(b, NULL, command->v[i], &vars, &at[i], e);

		if (rc < 0)
			return err_wrap(e, "command: argument %zu", i);
	}
	plan->argv_n = (uint32_t)command->n;
	plan->argv_at = blob_array(b, at, command->n, sizeof(at[0]));
	return 0;
}

static shim_str env_pair(struct blob *b, const char *key, const char *value)
{
	char line[STRING_MAX + NAME_MAX_LEN + 2];

	(void)snprintf(line, sizeof(line), "%s=%s", key, value); /* both are bounded by the spec and the limits */
	return blob_str(b, line);
}

static bool is_set(const struct spec_pairs *env, const char *key)
{
	for (size_t i = 0; i < env->n; i++)
		if (strcmp(env->v[i].key, key) == 0)
			return true;
	return false;
}

/* Of the agent's NOTIFY_SOCKET. */
static void notify_path(const struct spawn_run *run, char out[4096])
{
	char dir[4096 - SHIM_SUN_PATH_MAX - 2], name[SHIM_SUN_PATH_MAX + 1];

	(void)snprintf(dir, sizeof(dir), "%s/shims", run->run_dir); /* bounded at config */
	shim_notify_name(dir, run->file_stem, name);
	(void)snprintf(out, 4096, "%s/%s", dir, name); /* fits */
}

static int add_env(
	struct blob *b, const struct spawn_run *run, const struct told *t, struct shim_plan *plan, struct err *e)
{
	struct spec_pairs vars = {t->n, (struct spec_pair *)t->v};
	const struct spec_pairs *env = &run->spec->env;
	shim_str at[ENV_MAX + TOLD_MAX + 4];
	char notify[4096];
	size_t n = 0;

	if (!is_set(env, "PATH"))
		at[n++] = env_pair(b, "PATH", DEFAULT_PATH);
	for (size_t i = 0; i < env->n && i < ENV_MAX; i++) {
		int rc = add_expanded(b, env->v[i].key, env->v[i].value, &vars, &at[n++], e);

		if (rc < 0)
			return err_wrap(e, "env: %s", env->v[i].key);
	}
	for (size_t i = 0; i < t->n; i++)
		at[n++] = env_pair(b, t->v[i].key, t->v[i].value);
	notify_path(run, notify);
	at[n++] = env_pair(b, "NOTIFY_SOCKET", notify);
	plan->env_n = (uint32_t)n;
	plan->env_at = blob_array(b, at, n, sizeof(at[0]));
	return 0;
}

static void add_ops(struct blob *b, const struct cgroup_steps *steps, struct shim_plan *plan)
{
	struct shim_op ops[ARRAY_LEN(steps->v)];

	for (size_t i = 0; i < steps->n; i++)
		ops[i] = (struct shim_op){
			steps->v[i].type, blob_str(b, steps->v[i].path), blob_str(b, steps->v[i].value)};
	plan->ops_n = (uint32_t)steps->n;
	plan->ops_at = blob_array(b, ops, steps->n, sizeof(ops[0]));
	plan->kill_dir = blob_str(b, steps->kill_dir);
	plan->oom_path = blob_str(b, steps->oom_path);
	if (steps->v2)
		plan->flags |= SHIM_FLAG_V2;
}

/* Whether `path` would be hidden by a private tmp. */
static bool is_under_tmp(const char *path)
{
	return strncmp(path, "/tmp/", 5) == 0 || strncmp(path, "/var/tmp/", 9) == 0 ||
	       strncmp(path, "/dev/shm/", 9) == 0;
}

static void add_mounts(struct blob *b, const struct spawn_run *run, struct shim_plan *plan)
{
	static const char *const private[] = {"/tmp", "/var/tmp", "/dev/shm"};
	const struct spec_sandbox *s = &run->spec->sandbox;
	struct shim_mount m[PATHS_MAX * 2 + ARRAY_LEN(private) + 1];
	size_t n = 0;

	for (size_t i = 0; i < s->read_only.n && i < PATHS_MAX; i++)
		m[n++] = (struct shim_mount){SHIM_MOUNT_READ_ONLY, blob_str(b, s->read_only.v[i]), 0};
	for (size_t i = 0; s->private_tmp && i < ARRAY_LEN(private); i++)
		m[n++] = (struct shim_mount){
			SHIM_MOUNT_TMPFS, blob_str(b, private[i]), blob_str(b, "mode=1777,size=25%")};
	for (size_t i = 0; i < s->writable.n && i < PATHS_MAX; i++)
		m[n++] = (struct shim_mount){SHIM_MOUNT_WRITABLE, blob_str(b, s->writable.v[i]), 0};
	if (s->private_tmp && is_under_tmp(run->run_dir)) {
		char notify[4096];

		notify_path(run, notify);
		m[n++] = (struct shim_mount){SHIM_MOUNT_WRITABLE, blob_str(b, notify), 0};
	}
	plan->mounts_n = (uint32_t)n;
	plan->mounts_at = blob_array(b, m, n, sizeof(m[0]));
}

static void add_rlimits(struct blob *b, const struct spec_resources *r, struct shim_plan *plan)
{
	const struct shim_rlimit v[] = {
		{RLIMIT_NOFILE, 0, (uint64_t)r->nofile, (uint64_t)r->nofile},
		{RLIMIT_STACK, 0, AGENT_STACK_BYTES, RLIM_INFINITY},
		{RLIMIT_CORE, 0, 0, RLIM_INFINITY},
	};

	plan->rlimits_n = ARRAY_LEN(v);
	plan->rlimits_at = blob_array(b, v, ARRAY_LEN(v), sizeof(v[0]));
}

static uint64_t capability_mask(const struct spec_strv *names)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < names->n; i++)
		mask |= UINT64_C(1) << capability_number(names->v[i]); /* checked when the file was read */
	return mask;
}

/* Nothing may be written but what is said: then Landlock refuses what a read-only mount does not, pipes and devices. */
static bool is_all_read_only(const struct spec_sandbox *s)
{
	for (size_t i = 0; i < s->read_only.n; i++)
		if (strcmp(s->read_only.v[i], "/") == 0)
			return true;
	return false;
}

static void set_flags(const struct spawn_run *run, struct shim_plan *plan)
{
	const struct spec_sandbox *s = &run->spec->sandbox;

	plan->flags |= SHIM_FLAG_LOCK_MEMORY;
	plan->flags |= s->no_new_privileges ? SHIM_FLAG_NO_NEW_PRIVS : 0;
	plan->flags |= s->private_network ? SHIM_FLAG_NEW_NET : 0;
	plan->flags |= is_all_read_only(s) ? SHIM_FLAG_LANDLOCK : 0;
	plan->flags |= run->pid_namespace ? SHIM_FLAG_NEW_PIDNS : 0;
	plan->flags |= run->spec->log_timestamps ? SHIM_FLAG_LOG_TIMESTAMPS : 0;
	plan->flags |= run->filter->learn ? SHIM_FLAG_SECCOMP_LEARN : 0;
	plan->flags |= run->filter->kill ? SHIM_FLAG_SECCOMP_KILL : 0;
	plan->flags |= run->badness_is_default ? SHIM_FLAG_BADNESS_DEFAULT : 0;
	plan->flags |= strcmp(run->spec->user, "dynamic") == 0 ? SHIM_FLAG_REMOVE_IPC : 0;
	plan->flags |= run->lease_fd >= 0 ? SHIM_FLAG_ARMED : SHIM_FLAG_STAY;
}

static void add_common(struct blob *b, const struct spawn_run *run, struct shim_plan *plan)
{
	char path[4096];

	(void)bytes_add(b->out, "", 1); /* offset 0 means none; `failed` is checked at the end */
	plan->replica_id = blob_str(b, run->replica_id);
	plan->file_stem = blob_str(b, run->file_stem);
	(void)snprintf(path, sizeof(path), "%s/shims", run->run_dir); /* bounded at config */
	plan->dir_run = blob_str(b, path);
	(void)snprintf(path, sizeof(path), "%s/daemon.gen", run->run_dir);
	plan->gen_path = blob_str(b, path);
	plan->dir_ends = blob_str(b, run->ends_dir);
	plan->directory = blob_str(b, run->spec->directory);
	plan->log_path = blob_str(b, run->log_path);
	plan->label = (shim_str)blob_array(b, run->label, run->label_size, 1);
	plan->label_size = (uint32_t)run->label_size;
	add_ops(b, run->steps, plan);
	add_mounts(b, run, plan);
	add_rlimits(b, &run->spec->resources, plan);
	plan->groups_n = (uint32_t)run->n_groups;
	plan->groups_at = blob_array(b, run->groups, run->n_groups, sizeof(run->groups[0]));
	set_flags(run, plan);
}

static int write_plan(enum shim_msg_type type, const struct spawn_run *run, const struct spec_strv *command,
	struct shim_plan *plan, struct bytes *out, struct err *e)
{
	struct shim_msg head = {.type = type};
	struct blob b = {.out = out};
	struct told told;
	char epoch[24];
	int rc;

	bytes_clear(out);
	(void)bytes_add(out, &head, sizeof(head));
	(void)bytes_add(out, plan, sizeof(*plan)); /* filled in below; `failed` is checked at the end */
	b.at = out->n;
	tell_all(&told, run, epoch);
	add_common(&b, run, plan);
	rc = add_argv(&b, command, &told, plan, e);
	if (rc == 0)
		rc = add_env(&b, run, &told, plan, e);
	if (rc < 0)
		return rc;
	if (out->failed)
		return err_set(e, -E2BIG, "the definition does not fit into a shim's plan of %d bytes", SHIM_FRAME_MAX);
	plan->blob_size = (uint32_t)(out->n - b.at);
	head.size = (uint32_t)(out->n - sizeof(head));
	memcpy(out->v, &head, sizeof(head));
	memcpy(out->v + sizeof(head), plan, sizeof(*plan));
	return 0;
}

static struct shim_plan plan_of(const struct spawn_run *run)
{
	return (struct shim_plan){
		.size = sizeof(struct shim_plan),
		.version = SHIM_PROTO_VERSION,
		.run = run->run,
		.gen = run->gen,
		.uid = run->uid,
		.gid = run->gid,
		.cap_keep = capability_mask(&run->spec->sandbox.capabilities),
		.umask = 022,
		.log_max_bytes = (uint64_t)run->spec->log_max_bytes,
		.log_keep = (uint32_t)run->spec->log_keep,
		.stop_signal = run->spec->stop_signal,
		.stop_timeout_ms = (uint32_t)MIN(run->spec->stop_timeout_ms, (int64_t)UINT32_MAX),
	};
}

int spawn_plan(const struct spawn_run *run, struct bytes *out, struct err *e)
{
	struct shim_plan plan = plan_of(run);

	return write_plan(SHIM_PLAN, run, &run->spec->command, &plan, out, e);
}

int spawn_exec_plan(const struct spawn_run *run, const struct spec_strv *command, uint32_t exec_id, int64_t timeout_ms,
	struct bytes *out, struct err *e)
{
	struct shim_plan plan = plan_of(run);

	plan.exec_id = exec_id;
	plan.timeout_ms = (uint32_t)timeout_ms;
	return write_plan(SHIM_EXEC, run, command, &plan, out, e);
}
