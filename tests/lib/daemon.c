/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real coveyd for a test.
 */
#include "tests/lib/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/io.h"
#include "node/control_client.h"
#include "supervisor/cgroup.h"
#include "tests/lib/groups.h"
#include "tests/lib/wait.h"

#define REPLY_MAX (16u << 20)

void daemon_need_root(void)
{
	if (getuid() == 0)
		return;
	fprintf(stderr, "skipped: needs root, to make cgroups and change users\n");
	exit(77);
}

void daemon_init(struct daemon_bed *d)
{
	*d = (struct daemon_bed){.dir = tmpdir_make(), .name = "n1", .run_dir = "run"};
	(void)chmod(d->dir.path, 0755); /* ours; agents of other users reach their sockets through it */
	(void)snprintf(d->cgroup, sizeof(d->cgroup), "%scovey-test-%d-%s", groups_below(), (int)getpid(),
		strrchr(d->dir.path, '-') + 1);
	(void)snprintf(d->socket, sizeof(d->socket), "%s/run/covey.sock", d->dir.path);
	bytes_init(&d->reply, REPLY_MAX);
}

const char *daemon_file(struct daemon_bed *d, const char *name, const char *content, unsigned mode)
{
	const char *path = tmpdir_path(&d->dir, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(content, 1, strlen(content), f), strlen(content));
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, (mode_t)mode), 0);
	return path;
}

int64_t daemon_size(struct daemon_bed *d, const char *name)
{
	struct stat st;

	return stat(tmpdir_path(&d->dir, name), &st) == 0 ? st.st_size : 0;
}

bool daemon_logged(struct daemon_bed *d, int64_t from, const char *part, const char *other)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen(tmpdir_path(&d->dir, "coveyd.log"), "r");

	assert_non_null(f);
	(void)fseeko(f, from, SEEK_SET); /* a regular file */
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, part) && strstr(line, other);
	(void)fclose(f); /* read only */
	return found;
}

static void write_config(struct daemon_bed *d)
{
	char text[2048];

	(void)snprintf(text, sizeof(text),
		"node: {name: %s%s%s%s}\ndata_dir: data\nrun_dir: %s\nagents_dir: agents.d\n%s{parent: %s}\n"
		"http: {bind: \"127.0.0.1:%d\"}\n%s",
		d->name, d->labelled ? ", labels: {host: " : "", d->labelled ? d->name : "", d->labelled ? "}" : "",
		d->run_dir, d->finds_home ? "# cgroup: " : "cgroup: ", d->cgroup, d->http_port, d->extra);
	(void)daemon_file(d, "coveyd.yaml", text, 0644);
}

static void enter(const char *file)
{
	int fd = *file ? open(file, O_WRONLY | O_CLOEXEC) : -1;

	if (*file && (fd < 0 || write(fd, "0", 1) != 1))
		_exit(125);
	if (fd >= 0)
		(void)close(fd); /* written */
}

static void exec_daemon(struct daemon_bed *d)
{
	char config[256], log[256];
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(d->joins); i++)
		enter(d->joins[i]);
	(void)snprintf(config, sizeof(config), "%s/coveyd.yaml", d->dir.path);
	(void)snprintf(log, sizeof(log), "%s/coveyd.log", d->dir.path);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	(void)dup2(fd, STDERR_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	execl(d->program ? d->program : "./coveyd", "coveyd", "-c", config, "--verbose", NULL);
	_exit(126);
}

void daemon_launch(struct daemon_bed *d)
{
	write_config(d);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0)
		exec_daemon(d);
}

static void print_log(struct daemon_bed *d)
{
	struct bytes b;

	bytes_init(&b, REPLY_MAX);
	if (io_read_file(AT_FDCWD, tmpdir_path(&d->dir, "coveyd.log"), &b, NULL) == 0)
		fprintf(stderr, "--- coveyd.log\n%s---\n", b.n > 8000 ? b.v + b.n - 8000 : b.v);
	bytes_done(&b);
}

void daemon_start(struct daemon_bed *d)
{
	int64_t end = wait_mono_ms() + WAIT_BOUND_S * 1000;

	daemon_launch(d);
	while (!daemon_call(d, "version", NULL)) {
		if (waitpid(d->pid, NULL, WNOHANG) == d->pid || wait_mono_ms() > end) {
			print_log(d);
			d->pid = 0;
			fail_msg("coveyd does not answer");
		}
		wait_pause();
	}
}

void daemon_kill(struct daemon_bed *d, int signal)
{
	if (!d->pid)
		return;
	(void)kill(d->pid, signal); /* gone already is fine */
	(void)waitpid(d->pid, NULL, 0);
	d->pid = 0;
}

static void drop_tree(struct daemon_bed *d)
{
	if (d->has_tree)
		mp_done(&d->tree);
	d->has_tree = false;
}

/* ---- calls ---- */

static const msgpack_object *call(struct daemon_bed *d, const char *verb, const struct bytes *args)
{
	struct control_client *c;
	struct err e;
	int rc;

	drop_tree(d);
	if (control_client_open(d->socket, &c, &e) < 0)
		return NULL;
	rc = control_client_call(c, verb, args, WAIT_BOUND_S * 1000, &d->reply, &e);
	control_client_close(c);
	if (rc < 0 || mp_read(&d->tree, d->reply.v, d->reply.n, &e) < 0)
		return NULL;
	d->has_tree = true;
	return mp_root(&d->tree);
}

static void pack_value(struct mp_writer *w, const char *v)
{
	if (strcmp(v, "true") == 0)
		mp_bool(w, true);
	else if (*v && strspn(v, "0123456789") == strlen(v))
		mp_int(w, atoll(v));
	else
		mp_str(w, v);
}

const msgpack_object *daemon_call(struct daemon_bed *d, const char *verb, const char *args)
{
	char copy[512] = "", *save = NULL;
	struct mp_writer w;
	struct bytes b;
	size_t n = 0;
	const msgpack_object *root;

	(void)snprintf(copy, sizeof(copy), "%s", args ? args : "");
	for (const char *p = copy; *p; p++)
		n += *p == '=';
	bytes_init(&b, 4096);
	mp_writer_init(&w, &b);
	mp_map(&w, n);
	for (char *pair = strtok_r(copy, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
		char *eq = strchr(pair, '=');

		*eq = '\0';
		mp_str(&w, pair);
		pack_value(&w, eq + 1);
	}
	root = call(d, verb, &b);
	bytes_done(&b);
	return root;
}

const msgpack_object *daemon_apply(struct daemon_bed *d, const char *text)
{
	const msgpack_object *root;
	struct mp_writer w;
	struct bytes b;

	bytes_init(&b, REPLY_MAX);
	mp_writer_init(&w, &b);
	mp_map(&w, 1);
	mp_str(&w, "files");
	mp_array(&w, 1);
	mp_map(&w, 2);
	mp_key_str(&w, "name", "test.yaml");
	mp_key_str(&w, "text", text);
	root = call(d, "apply", &b);
	bytes_done(&b);
	return root;
}

const char *daemon_text(const msgpack_object *map, const char *key)
{
	static char out[4096];
	const msgpack_object *o = map ? mp_get(map, key) : NULL;

	out[0] = '\0';
	if (o && o->type == MSGPACK_OBJECT_STR)
		(void)snprintf(out, sizeof(out), "%.*s", (int)o->via.str.size, o->via.str.ptr);
	return out;
}

static int64_t number(const msgpack_object *map, const char *key)
{
	const msgpack_object *o = mp_get(map, key);

	if (!o || (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER && o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER))
		return 0;
	return o->via.i64;
}

bool daemon_ok(const msgpack_object *reply)
{
	const msgpack_object *ok = reply ? mp_get(reply, "ok") : NULL;

	return ok && ok->type == MSGPACK_OBJECT_BOOLEAN && ok->via.boolean;
}

bool daemon_wait(struct daemon_bed *d, const char *op, char text[256])
{
	int64_t began = wait_mono_ms();
	char args[OP_ID_MAX + 32];

	(void)snprintf(args, sizeof(args), "op=%s,wait_ms=1000", op);
	while (wait_mono_ms() < began + 2 * WAIT_BOUND_S * 1000) {
		const msgpack_object *reply = daemon_call(d, "wait", args), *r = reply ? mp_get(reply, "result") : NULL;
		const msgpack_object *done = r ? mp_get(r, "done") : NULL, *failed = r ? mp_get(r, "failed") : NULL;

		if (!done)
			continue;
		(void)snprintf(text, 256, "%.255s", daemon_text(r, "text"));
		if (done->via.boolean || failed->via.boolean) {
			wait_told(began, 2 * WAIT_BOUND_S, text);
			return done->via.boolean;
		}
	}
	print_log(d);
	fail_msg("the operation does not end: %s", text);
	return false;
}

void daemon_run(struct daemon_bed *d, const char *text)
{
	const msgpack_object *reply = daemon_apply(d, text);
	char op[OP_ID_MAX], why[256] = "";

	if (!daemon_ok(reply)) {
		print_log(d);
		fail_msg("apply was refused: %s", daemon_text(reply, "error"));
	}
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	if (!daemon_wait(d, op, why)) {
		print_log(d);
		fail_msg("it does not run: %s", why);
	}
}

/* ---- status ---- */

static void fill(const msgpack_object *r, struct daemon_replica *ret)
{
	const msgpack_object *exit = mp_get(r, "last_exit"), *ports = mp_get(r, "ports");

	*ret = (struct daemon_replica){
		.pid = (int)number(r, "pid"), .restarts = (int)number(r, "restarts"), .code = -1};
	(void)snprintf(ret->state, sizeof(ret->state), "%.15s", daemon_text(r, "state"));
	(void)snprintf(ret->health, sizeof(ret->health), "%.15s", daemon_text(r, "health"));
	ret->refused = number(r, "refused");
	if (ports && ports->type == MSGPACK_OBJECT_MAP && ports->via.map.size)
		ret->port = (int)ports->via.map.ptr[0].val.via.i64;
	if (!exit || exit->type != MSGPACK_OBJECT_MAP)
		return;
	(void)snprintf(ret->reason, sizeof(ret->reason), "%.15s", daemon_text(exit, "reason"));
	(void)snprintf(ret->text, sizeof(ret->text), "%.255s", daemon_text(exit, "text"));
	ret->code = (int)number(exit, "code");
}

bool daemon_replica(struct daemon_bed *d, const char *id, struct daemon_replica *ret)
{
	const msgpack_object *reply = daemon_call(d, "status", NULL),
			     *result = daemon_ok(reply) ? mp_get(reply, "result") : NULL;
	const msgpack_object *agents = result ? mp_get(result, "agents") : NULL;

	*ret = (struct daemon_replica){.code = -1};
	for (uint32_t i = 0; agents && i < agents->via.array.size; i++) {
		const msgpack_object *replicas = mp_get(&agents->via.array.ptr[i], "replicas");

		for (uint32_t k = 0; k < replicas->via.array.size; k++) {
			const msgpack_object *r = &replicas->via.array.ptr[k];

			if (strcmp(daemon_text(r, "id"), id) != 0)
				continue;
			fill(r, ret);
			return true;
		}
	}
	return false;
}

bool daemon_state_is(struct daemon_bed *d, const char *id, const char *state)
{
	struct daemon_replica r;

	return daemon_replica(d, id, &r) && strcmp(r.state, state) == 0;
}

int daemon_pid_of(struct daemon_bed *d, const char *id)
{
	struct daemon_replica r;

	return daemon_replica(d, id, &r) && strcmp(r.state, "running") == 0 ? r.pid : 0;
}

bool daemon_has_event(struct daemon_bed *d, const char *agent, const char *kind, const char *part)
{
	char args[256];
	const msgpack_object *reply, *list;

	(void)snprintf(args, sizeof(args), "agent=%s,max=1000", agent);
	reply = daemon_call(d, "events", args);
	list = daemon_ok(reply) ? mp_get(mp_get(reply, "result"), "events") : NULL;
	for (uint32_t i = 0; list && i < list->via.array.size; i++) {
		const msgpack_object *ev = &list->via.array.ptr[i];

		if (strcmp(daemon_text(ev, "kind"), kind) == 0 && strstr(daemon_text(ev, "text"), part))
			return true;
	}
	return false;
}

struct counting {
	struct cgroup *cg;
	int n;
};

static void count_group(void *arg, const char *group)
{
	struct counting *c = arg;
	int pids[256], n = cgroup_pids(c->cg, group, pids, ARRAY_LEN(pids));

	c->n += MAX(n, 0);
}

int daemon_processes(struct daemon_bed *d)
{
	struct counting c = {0};
	struct err e;

	assert_int_equal(cgroup_open("/sys/fs/cgroup", d->cgroup, &c.cg, &e), 0);
	(void)cgroup_each(c.cg, count_group, &c);
	cgroup_close(c.cg);
	return c.n;
}
