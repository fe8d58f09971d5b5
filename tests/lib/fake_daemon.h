/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FAKE_DAEMON_H
#define TESTS_LIB_FAKE_DAEMON_H
/*
 * A daemon that a test writes the answers of: nng's own rep socket over ipc, so that the command's framing is checked
 * against nng's. And the built `covey`, run against it.
 */
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "node/mp.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

/* n counts the requests from 0. Writes the whole reply; false hangs up instead. Runs on a thread: no asserts. */
typedef bool fake_serve(void *arg, unsigned n, const char *verb, const msgpack_object *args, struct mp_writer *w);

struct fake {
	struct tmpdir dir;
	char path[96];
	nng_socket socket;
	pthread_t thread;
	fake_serve *serve;
	void *arg;
	unsigned n; /* requests so far; read it after fake_stop */
};

static inline void fake_answer(struct fake *f, nng_msg *m)
{
	struct bytes out = {.max = CONTROL_FRAME_MAX};
	struct mp_writer w;
	struct mp_tree t = {0};
	char verb[64] = "";
	bool answered = false;

	mp_writer_init(&w, &out);
	if (mp_read(&t, nng_msg_body(m), nng_msg_len(m), NULL) == 0 &&
		mp_get_strz(mp_root(&t), "verb", verb, sizeof(verb), NULL) == 0)
		answered = f->serve(f->arg, f->n++, verb, mp_get(mp_root(&t), "args"), &w) && !out.failed;
	if (answered) {
		nng_msg *reply;

		if (nng_msg_alloc(&reply, 0) == 0 && nng_msg_append(reply, out.v, out.n) == 0 &&
			nng_sendmsg(f->socket, reply, 0) != 0)
			nng_msg_free(reply);
	} else {
		(void)nng_pipe_close(nng_msg_get_pipe(m)); /* gone already is as good */
	}
	mp_done(&t);
	bytes_done(&out);
}

static inline void *fake_thread(void *arg)
{
	struct fake *f = arg;
	nng_msg *m;

	while (nng_recvmsg(f->socket, &m, 0) == 0) {
		fake_answer(f, m);
		nng_msg_free(m);
	}
	return NULL;
}

static inline void fake_start(struct fake *f, fake_serve *serve, void *arg)
{
	char url[128];

	*f = (struct fake){.dir = tmpdir_make(), .serve = serve, .arg = arg};
	(void)snprintf(f->path, sizeof(f->path), "%s/sock", f->dir.path);
	(void)snprintf(url, sizeof(url), "ipc://%s", f->path);
	assert_int_equal(nng_rep0_open(&f->socket), 0);
	assert_int_equal(nng_listen(f->socket, url, NULL, 0), 0);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_thread, f), 0);
}

static inline void fake_stop(struct fake *f)
{
	(void)nng_close(f->socket); /* ends the thread's receiving */
	assert_int_equal(pthread_join(f->thread, NULL), 0);
	tmpdir_remove(&f->dir);
}

/* One run of `covey`. */
struct ran {
	int status; /* exit status; 128 + signal */
	struct bytes out, err;
};

struct run {
	const char *socket;	 /* --socket; NULL: none given */
	const char *in;		 /* standard input; NULL: empty */
	const char *const *env;	 /* NULL-terminated NAME=VALUE, beside the usual; or NULL */
	unsigned columns;	 /* > 0: on a terminal of this width (standard output and error are one then) */
	const char *const *argv; /* NULL-terminated, without the program */
};

static inline void run_done(struct ran *r)
{
	bytes_done(&r->out);
	bytes_done(&r->err);
}
#define AUTO_RAN CLEANUP(run_done)

static inline void run_exec(const struct run *run)
{
	const char *argv[48] = {"covey"}, *program = getenv("COVEY");
	size_t n = 1;

	if (run->socket) {
		argv[n++] = "--socket";
		argv[n++] = run->socket;
	}
	for (size_t i = 0; run->argv[i] && n < ARRAY_LEN(argv) - 1; i++)
		argv[n++] = run->argv[i];
	(void)unsetenv("COVEY_SOCKET");
	(void)unsetenv("COLUMNS");
	(void)unsetenv("NO_COLOR");
	(void)setenv("TZ", "UTC", 1);
	(void)setenv("TERM", "xterm", 1);
	for (size_t i = 0; run->env && run->env[i]; i++)
		(void)putenv((char *)(uintptr_t)run->env[i]);
	(void)execv(program ? program : "./covey", (char **)argv);
	_exit(99);
}

static inline void run_feed(int fd, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	if (n && write(fd, text, n) != (ssize_t)n) /* tests feed less than a pipe holds */
		fail_msg("standard input was not taken");
	(void)close(fd);
}

/* Reads both to their ends; a terminal's end is EIO. */
static inline void run_drain(struct ran *r, int out, int err)
{
	struct pollfd fds[2] = {{.fd = out, .events = POLLIN}, {.fd = err, .events = POLLIN}};
	struct bytes *to[2] = {&r->out, &r->err};
	char part[4096];

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, 60000) <= 0)
			fail_msg("covey wrote nothing and did not end for 60 s");
		for (int i = 0; i < 2; i++) {
			ssize_t n = fds[i].fd >= 0 && fds[i].revents ? read(fds[i].fd, part, sizeof(part)) : 1;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			if (n > 0)
				assert_int_equal(bytes_add(to[i], part, (size_t)n), 0);
			else
				fds[i].fd = -1;
		}
	}
}

static inline void run_wait(struct ran *r, pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	assert_int_equal(bytes_str(&r->out, ""), 0); /* never NULL */
	assert_int_equal(bytes_str(&r->err, ""), 0);
}

static inline struct ran run_piped(const struct run *run)
{
	struct ran r = {.out = {.max = 1 << 26}, .err = {.max = 1 << 20}};
	int in[2], out[2], err[2];
	pid_t pid;

	assert_int_equal(pipe(in) | pipe(out) | pipe(err), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)dup2(err[1], 2);
		for (int fd = 3; fd < 64; fd++)
			(void)close(fd);
		run_exec(run);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)close(err[1]);
	run_feed(in[1], run->in);
	run_drain(&r, out[0], err[0]);
	(void)close(out[0]);
	(void)close(err[0]);
	run_wait(&r, pid);
	return r;
}

static inline struct ran run_terminal(const struct run *run)
{
	struct ran r = {.out = {.max = 1 << 26}, .err = {.max = 1 << 20}};
	struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)run->columns};
	int master;
	pid_t pid = forkpty(&master, NULL, NULL, &size);

	assert_true(pid >= 0);
	if (pid == 0)
		run_exec(run);
	if (run->in)
		assert_int_equal(write(master, run->in, strlen(run->in)), strlen(run->in));
	run_drain(&r, master, -1);
	(void)close(master);
	run_wait(&r, pid);
	return r;
}

static inline struct ran run_covey(const struct run *run)
{
	return run->columns ? run_terminal(run) : run_piped(run);
}

/* RUN(socket, "status", "--json") */
#define RUN(path, ...) run_covey(&(struct run){.socket = (path), .argv = (const char *const[]){__VA_ARGS__, NULL}})

#endif
