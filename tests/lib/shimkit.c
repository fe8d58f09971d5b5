/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bed: directories, groups and the daemon's end of a shim's socket.
 */
#include "tests/lib/shimkit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define NOBODY 65534

void kit_write(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		fail_msg("write '%s': %s", path, strerror(errno));
}

char *kit_read(const char *path, char *out, size_t cap)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, out, cap - 1);

	out[MAX(n, 0)] = '\0';
	return out;
}

void kit_open(struct kit *k)
{
	static unsigned beds;

	if (geteuid() != 0)
		TEST_SKIP_ALL("root");
	memset(k, 0, sizeof(*k));
	k->fd = k->filter = k->lease = -1;
	k->gen = 0xc0ffee0000000000u + (unsigned)getpid();
	k->dir = tmpdir_make();
	assert_int_equal(chmod(k->dir.path, 0755), 0);
	(void)snprintf(k->stem, sizeof(k->stem), "t%u.0", beds++);
	(void)snprintf(k->run_dir, sizeof(k->run_dir), "%s/run", k->dir.path);
	(void)snprintf(k->shims, sizeof(k->shims), "%s/shims", k->run_dir);
	(void)snprintf(k->ends, sizeof(k->ends), "%s/ends", k->dir.path);
	(void)snprintf(k->gen_path, sizeof(k->gen_path), "%s/daemon.gen", k->run_dir);
	(void)snprintf(k->log_path, sizeof(k->log_path), "%s/%s.log", k->dir.path, k->stem);
	(void)snprintf(k->sock_path, sizeof(k->sock_path), "%s/%s.sock", k->shims, k->stem);
	(void)snprintf(k->notify_path, sizeof(k->notify_path), "%s/%s.notify", k->shims, k->stem);
	assert_int_equal(mkdir(k->run_dir, 0755), 0);
	assert_int_equal(mkdir(k->shims, 0755), 0);
	(void)snprintf(k->dir.joined, sizeof(k->dir.joined), "%016llx\n", (unsigned long long)k->gen);
	kit_write(k->gen_path, k->dir.joined);
	kit_groups_open(k);
}

void kit_close(struct kit *k)
{
	if (k->pid > 0) {
		(void)kill(k->pid, SIGKILL);
		(void)waitpid(k->pid, NULL, 0);
	}
	kit_groups_close(k);
	if (k->fd >= 0)
		(void)close(k->fd);
	if (k->filter >= 0)
		(void)close(k->filter);
	if (k->lease >= 0)
		(void)close(k->lease);
	if (k->page)
		(void)munmap(k->page, sizeof(*k->page));
	tmpdir_remove(&k->dir);
}

void kit_op(struct kit_plan *p, uint32_t type, const char *path, const char *value)
{
	assert_true(p->n_ops < KIT_OPS_MAX);
	p->ops[p->n_ops].type = type;
	p->ops[p->n_ops].path = path;
	p->ops[p->n_ops++].value = value;
}

void kit_mount(struct kit_plan *p, uint32_t type, const char *path, const char *options)
{
	assert_true(p->n_mounts < KIT_MOUNTS_MAX);
	p->mounts[p->n_mounts].type = type;
	p->mounts[p->n_mounts].path = path;
	p->mounts[p->n_mounts++].options = options;
}

static void join_groups(struct kit *k, struct kit_plan *p)
{
	static char tasks[4][224];

	for (size_t i = 0; i < k->n_groups; i++) {
		kit_op(p, SHIM_OP_MKDIR, k->groups[i], NULL);
		if (k->v2) {
			kit_op(p, SHIM_OP_INTO, k->groups[i], NULL);
			continue;
		}
		(void)snprintf(tasks[i], sizeof(tasks[i]), "%s/tasks", k->groups[i]);
		kit_op(p, SHIM_OP_JOIN, tasks[i], NULL);
	}
}

void kit_plan(struct kit *k, struct kit_plan *p, const char *script)
{
	memset(p, 0, sizeof(*p));
	p->p.size = sizeof(p->p);
	p->p.version = SHIM_PROTO_VERSION;
	p->p.gen = k->gen;
	p->p.flags = SHIM_FLAG_NO_NEW_PRIVS | SHIM_FLAG_LOCK_MEMORY | (k->v2 ? SHIM_FLAG_V2 : 0);
	p->p.uid = p->p.gid = NOBODY;
	p->p.umask = 022;
	p->p.log_max_bytes = 1 << 20;
	p->p.log_keep = 3;
	p->argv[0] = "/bin/sh";
	p->argv[1] = "-c";
	p->argv[2] = script;
	p->env[0] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	p->directory = "/";
	join_groups(k, p);
}

/* The blob under construction. */
struct blob {
	char *v;
	size_t n;
};

static shim_str add_str(struct blob *b, const char *s)
{
	size_t at = b->n;

	if (!s)
		return 0;
	b->n += strlen(s) + 1;
	assert_true(b->n < SHIM_FRAME_MAX);
	memcpy(b->v + at, s, strlen(s) + 1);
	return (shim_str)at;
}

static uint32_t add_array(struct blob *b, const void *v, size_t n)
{
	size_t at = (b->n + 7) & ~(size_t)7;

	b->n = at + n;
	assert_true(b->n < SHIM_FRAME_MAX);
	memcpy(b->v + at, v, n);
	return (uint32_t)at;
}

static uint32_t add_strings(struct blob *b, const char *const *v, size_t max, uint32_t *ret_n)
{
	shim_str at[KIT_ARGS_MAX];
	size_t n;

	for (n = 0; n < max && v[n]; n++)
		at[n] = add_str(b, v[n]);
	*ret_n = (uint32_t)n;
	return add_array(b, at, n * sizeof(at[0]));
}

static void add_steps(struct blob *b, const struct kit_plan *p, struct shim_plan *s)
{
	struct shim_op ops[KIT_OPS_MAX];
	struct shim_mount mounts[KIT_MOUNTS_MAX];

	for (size_t i = 0; i < p->n_ops; i++)
		ops[i] = (struct shim_op){p->ops[i].type, add_str(b, p->ops[i].path), add_str(b, p->ops[i].value)};
	for (size_t i = 0; i < p->n_mounts; i++)
		mounts[i] = (struct shim_mount){
			p->mounts[i].type, add_str(b, p->mounts[i].path), add_str(b, p->mounts[i].options)};
	s->ops_n = (uint32_t)p->n_ops;
	s->ops_at = add_array(b, ops, p->n_ops * sizeof(ops[0]));
	s->mounts_n = (uint32_t)p->n_mounts;
	s->mounts_at = add_array(b, mounts, p->n_mounts * sizeof(mounts[0]));
	s->rlimits_n = (uint32_t)p->n_rlimits;
	s->rlimits_at = add_array(b, p->rlimits, p->n_rlimits * sizeof(p->rlimits[0]));
}

static void add_names(struct kit *k, struct blob *b, const struct kit_plan *p, struct shim_plan *s)
{
	s->replica_id = add_str(b, k->stem);
	s->file_stem = add_str(b, k->stem);
	s->dir_run = add_str(b, k->shims);
	s->gen_path = add_str(b, k->gen_path);
	s->dir_ends = add_str(b, p->dir_ends);
	s->log_path = add_str(b, k->log_path);
	s->directory = add_str(b, p->directory);
	s->kill_dir = add_str(b, k->kill_dir[0] ? k->kill_dir : NULL);
	s->oom_path = add_str(b, k->oom_path[0] ? k->oom_path : NULL);
	s->label_size = p->label ? (uint32_t)strlen(p->label) : 0;
	s->label = add_array(b, p->label ? p->label : "", s->label_size);
	s->argv_at = add_strings(b, p->argv, KIT_ARGS_MAX, &s->argv_n);
	s->env_at = add_strings(b, p->env, KIT_ENV_MAX, &s->env_n);
}

void *kit_message(struct kit *k, uint32_t type, const struct kit_plan *p, size_t *ret_n)
{
	char *v = calloc(1, SHIM_FRAME_MAX + 4096);
	struct shim_msg head = {.type = type};
	struct shim_plan s = p->p;
	struct blob b;

	assert_non_null(v);
	b = (struct blob){v + sizeof(head) + sizeof(s), 1};
	add_names(k, &b, p, &s);
	add_steps(&b, p, &s);
	s.blob_size = (uint32_t)b.n;
	head.size = (uint32_t)(sizeof(s) + b.n);
	memcpy(v, &head, sizeof(head));
	memcpy(v + sizeof(head), &s, sizeof(s));
	*ret_n = sizeof(head) + head.size;
	return v;
}

static void put_fd(int fd, int at)
{
	int from = fd < 0 ? open("/dev/null", O_RDWR) : fd;

	if (dup2(from, at) < 0)
		_exit(120);
}

static void exec_shim(struct kit *k, int end)
{
	static char *const argv[] = {(char *)"covey-shim", NULL};
	const char *path = getenv("COVEY_SHIM"), *size = getenv("KIT_STACK");
	const struct rlimit stack = {size ? strtoul(size, NULL, 10) : 16384, RLIM_INFINITY};
	int control = fcntl(end, F_DUPFD, 50), filter, lease;

	filter = k->filter < 0 ? -1 : fcntl(k->filter, F_DUPFD, 50);
	lease = k->lease < 0 ? -1 : fcntl(k->lease, F_DUPFD, 50);
	put_fd(-1, 0);
	put_fd(-1, 1);
	put_fd(control, SHIM_FD_CONTROL);
	put_fd(filter, SHIM_FD_FILTER);
	put_fd(lease, SHIM_FD_LEASE);
	(void)syscall(SYS_close_range, SHIM_FD_NEXT, ~0u, 0);
	(void)signal(SIGPIPE, SIG_IGN); /* as the daemon has it */
	(void)setrlimit(RLIMIT_STACK, &stack);
	(void)execve(path ? path : "./covey-shim", argv, (char *[]){NULL});
	_exit(121);
}

void kit_start_raw(struct kit *k, const void *message, size_t n)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	if (n > 0)
		assert_int_equal(send(ends[0], message, n, MSG_NOSIGNAL), n);
	k->pid = fork();
	assert_true(k->pid >= 0);
	if (k->pid == 0)
		exec_shim(k, ends[1]);
	(void)close(ends[1]);
	k->fd = ends[0];
	k->exited = false;
}

void kit_start(struct kit *k, const struct kit_plan *p)
{
	struct kit_plan mine = *p;
	size_t n;
	void *v;

	mine.p.run = ++k->run;
	v = kit_message(k, SHIM_PLAN, &mine, &n);
	kit_start_raw(k, v, n);
	free(v);
}

void kit_run(struct kit *k, const struct kit_plan *p)
{
	kit_start(k, p);
	kit_until(k, SHIM_STARTED);
}

void kit_exec(struct kit *k, const struct kit_plan *p)
{
	size_t n;
	void *v = kit_message(k, SHIM_EXEC, p, &n);

	assert_int_equal(send(k->fd, v, n, MSG_NOSIGNAL), n);
	free(v);
}

void kit_send(struct kit *k, uint32_t type, const void *v, size_t n)
{
	char frame[1024];
	struct shim_msg head = {type, (uint32_t)n};

	memcpy(frame, &head, sizeof(head));
	if (n)
		memcpy(frame + sizeof(head), v, n);
	assert_int_equal(send(k->fd, frame, sizeof(head) + n, MSG_NOSIGNAL), sizeof(head) + n);
}

void kit_stop(struct kit *k, int sig, uint32_t timeout_ms, uint32_t why, const char *text)
{
	struct shim_stop s = {.size = sizeof(s), .signal = sig, .timeout_ms = timeout_ms, .why = why};

	(void)snprintf(s.why_text, sizeof(s.why_text), "%s", text);
	kit_send(k, SHIM_STOP, &s, sizeof(s));
}

static void take(struct kit *k, uint32_t type, const char *v, size_t n)
{
	switch (type) {
	case SHIM_HELLO:
	case SHIM_STARTED:
		assert_true(n >= sizeof(k->hello));
		memcpy(&k->hello, v, sizeof(k->hello));
		memset(k->exit_label, 0, sizeof(k->exit_label));
		memcpy(k->exit_label, v + sizeof(k->hello), n - sizeof(k->hello));
		break;
	case SHIM_NOTIFY:
		memcpy(&k->notify, v, sizeof(k->notify));
		break;
	case SHIM_REFUSED:
		memcpy(&k->refused, v, sizeof(k->refused));
		break;
	case SHIM_EXEC_DONE:
		memcpy(&k->done, v, sizeof(k->done));
		k->n_done++;
		break;
	case SHIM_ARMED:
		memcpy(&k->armed, v, sizeof(k->armed));
		break;
	case SHIM_EXIT:
		memcpy(&k->exit, v, sizeof(k->exit));
		k->exited = true;
		break;
	default:
		fail_msg("message %u", type);
	}
}

/* One message; 0 when there is none in time, its type, or -1 at the end. */
static int take_one(struct kit *k, int wait_ms)
{
	_Alignas(8) char v[8192];
	struct pollfd p = {.fd = k->fd, .events = POLLIN};
	struct shim_msg head;
	ssize_t n;

	if (poll(&p, 1, wait_ms) <= 0)
		return 0;
	n = recv(k->fd, v, sizeof(v), MSG_DONTWAIT);
	if (n <= 0)
		return -1;
	memcpy(&head, v, sizeof(head));
	assert_int_equal(head.size, n - sizeof(head));
	take(k, head.type, v + sizeof(head), head.size);
	return (int)head.type;
}

bool kit_poll(struct kit *k, int wait_ms)
{
	return take_one(k, wait_ms) >= 0;
}

void kit_until(struct kit *k, uint32_t type)
{
	int64_t end = wait_mono_ms() + WAIT_BOUND_S * 1000;

	while (wait_mono_ms() < end) {
		int got = take_one(k, 1000);

		if (got == (int)type)
			return;
		if (got < 0)
			fail_msg("the shim closed before message %u", type);
		if (k->exited)
			fail_msg("exit kind %u stage %u error %d '%s' before message %u", k->exit.kind, k->exit.stage,
				k->exit.error, k->exit.detail, type);
	}
	fail_msg("no message %u", type);
}

void kit_reap(struct kit *k)
{
	int status = -1, pid = 0;

	WAIT_UNTIL((pid = waitpid(k->pid, &status, WNOHANG)) != 0, WAIT_BOUND_S);
	assert_int_equal(pid, k->pid);
	k->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		fail_msg("the shim itself ended with status 0x%x", status);
}

static void record_path(struct kit *k, char *out, size_t n)
{
	const char *dir = access(k->ends, F_OK) == 0 ? k->ends : k->shims;

	(void)snprintf(out, n, "%s/%s.%llu.exit", dir, k->stem, (unsigned long long)k->run);
}

const struct shim_exit *kit_record(struct kit *k)
{
	char path[256], v[2048];
	ssize_t n = -1;
	int fd;

	record_path(k, path, sizeof(path));
	WAIT_UNTIL(access(path, F_OK) == 0, WAIT_BOUND_S);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, v, sizeof(v));
		(void)close(fd);
	}
	assert_true(n >= (ssize_t)sizeof(k->exit));
	memcpy(&k->exit, v, sizeof(k->exit));
	memset(k->exit_label, 0, sizeof(k->exit_label));
	memcpy(k->exit_label, v + sizeof(k->exit), (size_t)n - sizeof(k->exit));
	assert_int_equal(k->exit.magic, SHIM_MAGIC);
	assert_int_equal(k->exit.size, sizeof(k->exit));
	assert_int_equal(k->exit.run, k->run);
	return &k->exit;
}

const struct shim_exit *kit_end(struct kit *k)
{
	struct shim_exit told;
	int64_t end = wait_mono_ms() + WAIT_BOUND_S * 1000;

	while (!k->exited && wait_mono_ms() < end)
		if (!kit_poll(k, 1000))
			break;
	assert_true(k->exited);
	told = k->exit;
	kit_reap(k);
	(void)kit_record(k);
	assert_memory_equal(&told, &k->exit, sizeof(told));
	assert_int_not_equal(access(k->sock_path, F_OK), 0);
	assert_int_not_equal(access(k->notify_path, F_OK), 0);
	(void)close(k->fd);
	k->fd = -1;
	return &k->exit;
}

const struct shim_exit *kit_end_of_run(struct kit *k)
{
	struct shim_exit told;

	while (!k->exited)
		kit_until(k, SHIM_EXIT);
	assert_int_equal(k->exit.stays, 1);
	told = k->exit;
	told.stays = 0;
	(void)kit_record(k);
	assert_memory_equal(&told, &k->exit, sizeof(told));
	assert_int_equal(kill(k->pid, 0), 0);
	return &k->exit;
}

void kit_hang_up(struct kit *k)
{
	(void)close(k->fd);
	k->fd = -1;
}

void kit_connect(struct kit *k)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};

	if (k->fd >= 0)
		(void)close(k->fd);
	k->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(strlen(k->sock_path) < sizeof(to.sun_path));
	memcpy(to.sun_path, k->sock_path, strlen(k->sock_path) + 1);
	WAIT_UNTIL(connect(k->fd, (struct sockaddr *)&to, sizeof(to)) == 0, WAIT_BOUND_S);
}

const char *kit_log(struct kit *k, size_t *ret_n)
{
	static char v[4 << 20];
	AUTO_CLOSE int fd = open(k->log_path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, v, sizeof(v) - 1);

	v[MAX(n, 0)] = '\0';
	if (ret_n)
		*ret_n = (size_t)MAX(n, 0);
	return v;
}

void kit_wait_log(struct kit *k, const char *text)
{
	WAIT_UNTIL(strstr(kit_log(k, NULL), text), WAIT_BOUND_S);
}
