/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/probe against real servers on 127.0.0.1 that behave and that do not: what is told of each, that none holds
 * a probe longer than its timeout, and what a probe costs.
 */
#include "supervisor/probe.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "tests/lib/test.h"
#include "tests/lib/wait.h"

/* A server of one listening socket; `serve` has one connection at a time, on a thread. */
struct server {
	int fd;
	uint16_t port;
	void (*serve)(struct server *s, int fd);
	const char *answer;
	char request[8192];
	pthread_t thread;
};

static int listen_on(uint16_t *port, int backlog)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(*port)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	*port = ntohs(a.sin_port);
	return fd;
}

static void *server_thread(void *arg)
{
	struct server *s = arg;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		s->serve(s, fd);
		(void)close(fd); /* the probe has gone, or sees it */
	}
	return NULL;
}

static void server_start(struct server *s, void (*serve)(struct server *, int), const char *answer)
{
	memset(s, 0, sizeof(*s));
	s->serve = serve;
	s->answer = answer;
	s->fd = listen_on(&s->port, 16);
	assert_int_equal(pthread_create(&s->thread, NULL, server_thread, s), 0);
}

static void server_stop(struct server *s)
{
	(void)shutdown(s->fd, SHUT_RDWR); /* wakes accept */
	(void)pthread_join(s->thread, NULL);
	(void)close(s->fd); /* nothing was to be kept */
}

static void send_str(int fd, const char *v)
{
	(void)send(fd, v, strlen(v), MSG_NOSIGNAL); /* the probe may have gone */
}

/* Until the request is there, or the peer has gone. */
static void read_request(struct server *s, int fd)
{
	size_t n = 0;
	ssize_t got;

	memset(s->request, 0, sizeof(s->request));
	while (!strstr(s->request, "\r\n\r\n") && n < sizeof(s->request) - 1) {
		got = recv(fd, s->request + n, sizeof(s->request) - 1 - n, 0);
		if (got <= 0)
			return;
		n += (size_t)got;
	}
}

static void until_peer_gone(int fd)
{
	char v[64];

	while (recv(fd, v, sizeof(v), 0) > 0)
		;
}

static void serve_answer(struct server *s, int fd)
{
	read_request(s, fd);
	send_str(fd, s->answer);
}

/* Answers and keeps the connection. */
static void serve_and_keep(struct server *s, int fd)
{
	serve_answer(s, fd);
	until_peer_gone(fd);
}

static void serve_endless(struct server *s, int fd)
{
	char v[65536];

	memset(v, 'x', sizeof(v));
	serve_answer(s, fd);
	while (send(fd, v, sizeof(v), MSG_NOSIGNAL) > 0)
		;
}

static void serve_reset(struct server *s, int fd)
{
	read_request(s, fd);
	(void)setsockopt(
		fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger)); /* close resets */
}

struct answer {
	int calls;
	bool ok;
	int64_t took_ms;
	char text[256];
};

static void on_done(void *arg, bool ok, int64_t took_ms, const char *text)
{
	struct answer *a = arg;

	a->calls++;
	a->ok = ok;
	a->took_ms = took_ms;
	(void)snprintf(a->text, sizeof(a->text), "%s", text); /* fits */
}

static struct answer ask(enum spec_probe_kind kind, const char *path, uint16_t port, int64_t timeout_ms)
{
	struct spec_probe spec = {.kind = kind, .path = path, .timeout_ms = timeout_ms};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct answer a = {0};

	assert_non_null(loop);
	assert_non_null(probe_start(loop, &spec, port, on_done, &a));
	assert_int_equal(a.calls, 0); /* only from the loop */
	(void)ev_run(loop, 0);	      /* returns when nothing is watched any more */
	assert_int_equal(a.calls, 1);
	ev_loop_destroy(loop);
	return a;
}

/* text with PORT for the port's number */
static void assert_told(const struct answer *a, bool ok, uint16_t port, const char *expected)
{
	char number[16], text[256], *at;

	(void)snprintf(number, sizeof(number), "%u", port); /* fits */
	(void)snprintf(text, sizeof(text), "%s", a->text);  /* fits */
	at = strstr(text, number);
	if (at) {
		char tail[256];

		(void)snprintf(tail, sizeof(tail), "PORT%s", at + strlen(number));  /* fits */
		(void)snprintf(at, sizeof(text) - (size_t)(at - text), "%s", tail); /* fits */
	}
	assert_string_equal(text, expected);
	assert_int_equal(a->ok, ok);
}

static void asked_is(void (*serve)(struct server *, int), const char *answer, bool ok, const char *expected)
{
	struct server s;
	struct answer a;

	server_start(&s, serve, answer);
	a = ask(SPEC_PROBE_HTTP, "/healthz", s.port, 20000);
	server_stop(&s);
	assert_told(&a, ok, s.port, expected);
	assert_in_range(a.took_ms, 0, 19999);
}

static void test_http_status(void **state)
{
	(void)state;
	asked_is(serve_answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true, "");
	asked_is(serve_answer, "HTTP/1.0 204 No Content\r\n\r\n", true, "");
	asked_is(serve_answer, "HTTP/1.1 399\r\n\r\n", true, "");
	asked_is(serve_answer, "HTTP/1.1 200", true, "");
	asked_is(serve_answer, "HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", true, "");
	asked_is(serve_answer, "HTTP/1.1 199 Odd\r\n\r\n", false, "GET /healthz on port PORT: answered 199");
	asked_is(serve_answer, "HTTP/1.1 400 Bad Request\r\n\r\n", false, "GET /healthz on port PORT: answered 400");
	asked_is(serve_answer, "HTTP/1.1 503 Service Unavailable\r\n\r\n", false,
		"GET /healthz on port PORT: answered 503");
}

static void test_http_request(void **state)
{
	char expected[256];
	struct server s;
	struct answer a;

	(void)state;
	server_start(&s, serve_answer, "HTTP/1.1 200 OK\r\n\r\n");
	a = ask(SPEC_PROBE_HTTP, NULL, s.port, 20000);
	server_stop(&s);
	assert_true(a.ok);
	(void)snprintf(expected, sizeof(expected),
		"GET / HTTP/1.1\r\nHost: localhost:%u\r\nUser-Agent: covey\r\nAccept: */*\r\nConnection: close\r\n\r\n",
		s.port); /* fits */
	assert_string_equal(s.request, expected);
}

static void test_http_a_long_path(void **state)
{
	static char path[4097];
	struct server s;
	struct answer a;

	(void)state;
	memset(path, 'p', sizeof(path) - 1);
	path[0] = '/';
	server_start(&s, serve_answer, "HTTP/1.1 414 URI Too Long\r\n\r\n");
	a = ask(SPEC_PROBE_HTTP, path, s.port, 20000);
	server_stop(&s);
	assert_false(a.ok);
	assert_non_null(strstr(a.text, "answered 414"));
	assert_memory_equal(s.request + 4, path, sizeof(path) - 1);
}

static void test_http_that_is_none(void **state)
{
	(void)state;
	asked_is(serve_answer, "SSH-2.0-OpenSSH_9.2\r\n", false,
		"GET /healthz on port PORT: not an HTTP answer: 'SSH-2.0-OpenS'");
	asked_is(serve_answer, "\x16\x03\x01", false, "GET /healthz on port PORT: not an HTTP answer: '...'");
	asked_is(serve_answer, "HTTP/1.1 2000 OK\r\n", false,
		"GET /healthz on port PORT: not an HTTP answer: 'HTTP/1.1 2000'");
	asked_is(serve_answer, "HTTP/2.0 200 OK\r\n", false,
		"GET /healthz on port PORT: not an HTTP answer: 'HTTP/2.0 200 '");
	asked_is(serve_endless, "", false, "GET /healthz on port PORT: not an HTTP answer: 'xxxxxxxxxxxxx'");
	asked_is(serve_answer, "", false, "GET /healthz on port PORT: closed without an answer");
	asked_is(serve_reset, "", false, "GET /healthz on port PORT: Connection reset by peer");
}

/* Neither the rest of an answer nor a connection that is kept holds the verdict up. */
static void test_http_endless_and_kept(void **state)
{
	(void)state;
	asked_is(serve_endless, "HTTP/1.1 200 OK\r\n\r\n", true, "");
	asked_is(serve_endless, "HTTP/1.1 500 Oops\r\n\r\n", false, "GET /healthz on port PORT: answered 500");
	asked_is(serve_and_keep, "HTTP/1.1 200 OK\r\n\r\n", true, "");
}

static void hangs(const char *answer, const char *expected)
{
	int64_t began_ms = wait_mono_ms();
	struct server s;
	struct answer a;

	server_start(&s, serve_and_keep, answer);
	a = ask(SPEC_PROBE_HTTP, "/", s.port, 2000);
	server_stop(&s);
	assert_told(&a, false, s.port, expected);
	assert_in_range(a.took_ms, 1999, 19999);
	assert_in_range(wait_mono_ms() - began_ms, 1999, 19999);
}

static void test_http_hangs(void **state)
{
	(void)state;
	hangs("", "GET / on port PORT: no answer within 2s");
	hangs("HTTP/1", "GET / on port PORT: no complete answer within 2s");
}

static void test_tcp(void **state)
{
	struct server s;
	struct answer a;

	(void)state;
	server_start(&s, serve_and_keep, "");
	a = ask(SPEC_PROBE_TCP, NULL, s.port, 20000);
	server_stop(&s);
	assert_told(&a, true, s.port, "");
}

static void test_nobody_listens(void **state)
{
	uint16_t port = 0;
	struct answer a;

	(void)state;
	assert_int_equal(close(listen_on(&port, 1)), 0);
	a = ask(SPEC_PROBE_TCP, NULL, port, 20000);
	assert_told(&a, false, port, "connect to 127.0.0.1:PORT: Connection refused");
	a = ask(SPEC_PROBE_HTTP, "/", port, 20000);
	assert_told(&a, false, port, "connect to 127.0.0.1:PORT: Connection refused");
}

/* A full backlog: connections are neither accepted nor refused. */
static void test_nobody_accepts(void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	uint16_t port = 0;
	int fd, waiting[4];
	struct answer a;

	(void)state;
	fd = listen_on(&port, 0);
	to.sin_port = htons(port);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++) {
		waiting[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(waiting[i] >= 0);
		(void)connect(waiting[i], (struct sockaddr *)&to, sizeof(to)); /* EINPROGRESS: it fills the backlog */
	}
	a = ask(SPEC_PROBE_TCP, NULL, port, 150);
	for (size_t i = 0; i < ARRAY_LEN(waiting); i++)
		(void)close(waiting[i]); /* nothing was to be kept */
	(void)close(fd);		 /* as above */
	assert_told(&a, false, port, "connect to 127.0.0.1:PORT: no answer within 150ms");
}

static void test_a_path_that_is_none(void **state)
{
	static const char *const paths[] = {"/a b", "/\r\nX: y", "/\x7f", "/\t"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct answer a = ask(SPEC_PROBE_HTTP, paths[i], 1, 20000);

		assert_told(&a, false, 1, "GET: the path has characters that HTTP does not allow");
	}
}

/* Before and after it has connected. */
static void test_cancelled(void **state)
{
	struct spec_probe spec = {.kind = SPEC_PROBE_HTTP, .path = "/", .timeout_ms = 20000};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct answer a = {0};
	struct server s;

	(void)state;
	server_start(&s, serve_and_keep, "");
	for (int connected = 0; connected < 2; connected++) {
		struct probe *p = probe_start(loop, &spec, s.port, on_done, &a);

		assert_non_null(p);
		if (connected)
			(void)ev_run(loop, EVRUN_ONCE); /* one event: it can be sent */
		probe_cancel(p);
		(void)ev_run(loop, 0); /* returns: nothing is watched */
	}
	probe_cancel(NULL);
	assert_int_equal(a.calls, 0);
	server_stop(&s);
	ev_loop_destroy(loop);
}

static void test_no_descriptor_or_memory_left(void **state)
{
	struct spec_probe spec = {.kind = SPEC_PROBE_TCP, .timeout_ms = 20000};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct rlimit was, none;
	struct answer a = {0};

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){.rlim_cur = 3, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_null(probe_start(loop, &spec, 1, on_done, &a));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_false(mem_fail_at(1));
	assert_null(probe_start(loop, &spec, 1, on_done, &a));
	assert_true(mem_fail_at(0));
	(void)ev_run(loop, 0); /* returns: nothing is watched */
	assert_int_equal(a.calls, 0);
	ev_loop_destroy(loop);
}

/* In a network of its own where the only ephemeral port is the probed one: the kernel joins the socket with itself. */
static int probe_in_a_small_network(void)
{
	static const char range[] = "/proc/sys/net/ipv4/ip_local_port_range";
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	struct answer a;
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		return TEST_EXIT_SKIPPED;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &lo) < 0)
		return TEST_EXIT_SKIPPED;
	(void)close(fd); /* it was only a handle */
	fd = open(range, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "40000 40000", 11) != 11)
		return TEST_EXIT_SKIPPED;
	(void)close(fd); /* written */
	a = ask(SPEC_PROBE_TCP, NULL, 40000, 5000);
	return !a.ok && strcmp(a.text, "connect to 127.0.0.1:40000: Connection refused") == 0 ? 0 : 1;
}

static void test_not_fooled_by_itself(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(probe_in_a_small_network());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == TEST_EXIT_SKIPPED)
		print_message("not tried: this host lacks network namespaces for us\n");
	else
		assert_int_equal(WEXITSTATUS(status), 0);
}

/* 1000 tcp probes every 10 s may cost 20 ms/s: 200 µs each, all told. Says what they cost; bounds it loosely. */
/* What it costs is told, not judged. */
static void test_cost(void **state)
{
	enum { N = 1000 };
	struct spec_probe spec = {.kind = SPEC_PROBE_TCP, .timeout_ms = 20000};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct rusage before, after;
	struct answer a = {0};
	uint16_t port = 0;
	int fd = listen_on(&port, 4096);
	int64_t us;

	(void)state;
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	for (int i = 0; i < N; i++) {
		assert_non_null(probe_start(loop, &spec, port, on_done, &a));
		(void)ev_run(loop, i % 10 == 9 ? 0 : EVRUN_NOWAIT); /* ten at a time */
	}
	assert_int_equal(a.calls, N);
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) *
		     1000000 +
	     after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
	print_message("a tcp probe costs %lld µs\n", (long long)(us / N));
	(void)close(fd); /* nothing was to be kept */
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_http_status),
		cmocka_unit_test(test_http_request),
		cmocka_unit_test(test_http_a_long_path),
		cmocka_unit_test(test_http_that_is_none),
		cmocka_unit_test(test_http_endless_and_kept),
		cmocka_unit_test(test_http_hangs),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_nobody_accepts),
		cmocka_unit_test(test_a_path_that_is_none),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_no_descriptor_or_memory_left),
		cmocka_unit_test(test_not_fooled_by_itself),
		cmocka_unit_test(test_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
