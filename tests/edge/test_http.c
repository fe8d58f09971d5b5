/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading edge over a real socket: what is served and refused, how much waits, clients that leave or say nothing.
 */
#include "node/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/limits.h"
#include "node/http_guard.h"
#include "node/nng_setup.h"
#include "tests/lib/oom.h"
#include "tests/lib/wait.h"

#define REPLY_MAX (64 * 1024)
#define BIG	  (6 * 1024 * 1024)
#define KEPT_MAX  4

struct kept {
	struct http_request *rq;
	const char *path, *query;
};

struct bed {
	struct ev_loop *loop;
	struct http *http;
	ev_async quit;
	pthread_t thread;
	atomic_bool stuck; /* the loop does not come round */
	atomic_int served;
	struct kept kept[KEPT_MAX]; /* "/later", answered by the next "/now" */
	size_t n_kept;
	uint16_t port;
};

static void fill(const char *path, const char *query, struct http_answer *ret)
{
	bytes_init(&ret->body, HTTP_REPLY_MAX);
	if (strcmp(path, "/nothing") == 0)
		return;
	ret->status = strcmp(path, "/bad") == 0 ? 503 : 200;
	if (strcmp(path, "/big") == 0)
		for (size_t i = 0; i < BIG / 16; i++)
			(void)bytes_str(&ret->body, "0123456789abcdef");
	else if (strcmp(path, "/huge") == 0)
		(void)bytes_reserve(&ret->body, (size_t)HTTP_REPLY_MAX + 1);
	else
		(void)bytes_fmt(&ret->body, "%s|%s\n", path, query);
}

static void serve_path(void *arg, struct http_request *rq, const char *path, const char *query)
{
	bool now = strcmp(path, "/now") == 0;
	struct http_answer a = {0};
	struct bed *b = arg;

	while (b->stuck)
		wait_pause();
	b->served++;
	if (strcmp(path, "/later") == 0 && b->n_kept < KEPT_MAX) {
		b->kept[b->n_kept++] = (struct kept){rq, path, query};
		return;
	}
	fill(path, query, &a);
	http_reply(rq, &a);
	for (; now && b->n_kept; b->n_kept--) {
		const struct kept *k = &b->kept[b->n_kept - 1];

		a = (struct http_answer){0};
		fill(k->path, k->query, &a);
		http_reply(k->rq, &a);
	}
}

static void on_quit(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

static void *run(void *arg)
{
	struct bed *b = arg;

	ev_run(b->loop, 0);
	http_close(b->http);
	return NULL;
}

static int setup(void **state)
{
	static struct bed b;
	struct err e = {0};

	memset(&b, 0, sizeof(b));
	b.loop = ev_loop_new(EVFLAG_AUTO);
	ev_async_init(&b.quit, on_quit);
	ev_async_start(b.loop, &b.quit);
	if (http_open(b.loop, "127.0.0.1", 0, "n1", serve_path, &b, &b.http, &e) < 0)
		fail_msg("http_open: %s", e.text);
	b.port = http_port(b.http);
	assert_int_equal(pthread_create(&b.thread, NULL, run, &b), 0);
	*state = &b;
	return 0;
}

static int teardown(void **state)
{
	struct bed *b = *state;

	b->stuck = false;
	ev_async_send(b->loop, &b->quit);
	assert_int_equal(pthread_join(b->thread, NULL), 0);
	ev_loop_destroy(b->loop);
	return 0;
}

static int raw_connect(uint16_t port)
{
	const struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const struct timeval bound = {.tv_sec = WAIT_BOUND_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof(bound)), 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All until the server closes; the length. */
static size_t read_reply(int fd, char *reply, size_t max)
{
	size_t n = 0;
	ssize_t r;

	while (n < max - 1 && (r = wait_recv(fd, reply + n, max - 1 - n)) > 0)
		n += (size_t)r;
	reply[n] = '\0';
	assert_int_equal(close(fd), 0);
	return n;
}

/* One request as it is; the status and, after the blank line, the body. */
static int ask_raw(struct bed *b, const char *text, char **ret_body)
{
	static char reply[REPLY_MAX];
	int fd = raw_connect(b->port);
	char *body;

	say(fd, text);
	if (read_reply(fd, reply, sizeof(reply)) == 0)
		return 0;
	assert_int_equal(strncmp(reply, "HTTP/1.1 ", 9), 0);
	body = strstr(reply, "\r\n\r\n");
	assert_non_null(body);
	*ret_body = body + 4;
	return atoi(reply + 9);
}

static void expect(struct bed *b, const char *text, int status, const char *words)
{
	char *body = NULL;
	int got = ask_raw(b, text, &body);

	if (got != status || (words && !strstr(body, words)))
		fail_msg("%s: %d %s", text, got, body ? body : "(nothing)");
}

#define HOST "Host: localhost\r\n\r\n"

static void test_what_is_served(void **state)
{
	struct bed *b = *state;
	char *body;

	expect(b, "GET /metrics HTTP/1.1\r\n" HOST, 200, "/metrics|\n");
	expect(b, "GET /v1/status?agent=web HTTP/1.1\r\n" HOST, 200, "/v1/status|agent=web\n");
	expect(b, "GET //a/./b/../c HTTP/1.1\r\n" HOST, 200, "/a/c|\n");
	expect(b, "GET / HTTP/1.0\r\n\r\n", 200, "/|\n"); /* a health check of old */
	expect(b, "GET /bad HTTP/1.1\r\n" HOST, 503, "/bad|");
	expect(b, "GET /nothing HTTP/1.1\r\n" HOST, 404, "there is nothing at this path");
	expect(b, "GET /huge HTTP/1.1\r\n" HOST, 500, "too large");
	assert_int_equal(ask_raw(b, "HEAD /metrics HTTP/1.1\r\n" HOST, &body), 200);
	assert_string_equal(body, "");
}

static void test_what_is_refused(void **state)
{
	struct bed *b = *state;
	int served = b->served;

	expect(b, "POST /metrics HTTP/1.1\r\n" HOST, 405, "only GET and HEAD");
	expect(b, "DELETE / HTTP/1.1\r\n" HOST, 405, "only GET and HEAD");
	expect(b, "GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421, "answers to an address");
	expect(b, "GET /metrics HTTP/1.1\r\nHost: n1.evil.example:80\r\n\r\n", 421, "coveyd.yaml");
	expect(b, "GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n", 400, NULL);
	expect(b, "GET /../etc/passwd HTTP/1.1\r\n" HOST, 400, "cannot be read");
	expect(b, "GET /%00 HTTP/1.1\r\n" HOST, 400, NULL);
	expect(b, "GET /metrics HTTP/3.7\r\n" HOST, 505, NULL);
	expect(b, "GET /metrics HTTP/1.1\r\nConnection: close\r\nContent-Length: 5\r\n" HOST, 400, NULL);
	assert_int_equal(b->served, served);
	expect(b, "GET /metrics HTTP/1.1\r\nHost: N1:7948\r\n\r\n", 200, NULL);
}

static void test_a_big_answer_is_whole(void **state)
{
	struct bed *b = *state;
	static char reply[BIG + 4096];
	int fd = raw_connect(b->port);
	size_t n;

	say(fd, "GET /big HTTP/1.1\r\n" HOST);
	n = read_reply(fd, reply, sizeof(reply));
	assert_true(n > BIG);
	assert_memory_equal(reply + n - 16, "0123456789abcdef", 16);
	assert_non_null(strstr(reply, "\r\nConnection: close\r\n"));
}

/* Those that wait for something are answered when it is there; others meanwhile. */
static void test_answers_that_come_later(void **state)
{
	struct bed *b = *state;
	static char reply[4096];
	int fd[KEPT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = raw_connect(b->port);
		say(fd[i], "GET /later?n=1 HTTP/1.1\r\n" HOST);
	}
	assert_int_equal(close(fd[0]), 0); /* one does not wait */
	WAIT_UNTIL(b->served == KEPT_MAX, WAIT_BOUND_S);
	expect(b, "GET /metrics HTTP/1.1\r\n" HOST, 200, "/metrics|\n");
	for (size_t i = 1; i < ARRAY_LEN(fd); i++)
		assert_int_equal(recv(fd[i], reply, 1, MSG_DONTWAIT), -1);
	expect(b, "GET /now HTTP/1.1\r\n" HOST, 200, "/now|\n");
	for (size_t i = 1; i < ARRAY_LEN(fd); i++) {
		(void)read_reply(fd[i], reply, sizeof(reply));
		assert_non_null(strstr(reply, "/later|n=1\n"));
	}
}

/* Each costs its sender a connection; the server serves on. */
static void test_garbage(void **state)
{
	static const char *const junk[] = {"\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02",
		"GET / HTTP/1.1\r\nHost\r\n\r\n", "GET  /  HTTP/1.1\r\n" HOST, "G\xff\xfe / HTTP/1.1\r\n" HOST,
		"GET / HTTP/1.1\r\n: x\r\n" HOST};
	struct bed *b = *state;
	static char longest[20000];
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(junk); i++) {
		fd = raw_connect(b->port);
		say(fd, junk[i]);
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
		(void)read_reply(fd, longest, sizeof(longest)); /* whatever it says to that */
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "GET /", 5);
	fd = raw_connect(b->port);
	(void)!send(fd, longest, strlen(longest), MSG_NOSIGNAL); /* it may close meanwhile */
	(void)read_reply(fd, longest, sizeof(longest));
	expect(b, "GET /metrics HTTP/1.1\r\n" HOST, 200, NULL);
}

static void test_clients_that_leave(void **state)
{
	struct bed *b = *state;

	b->stuck = true;
	for (int i = 0; i < 20; i++) {
		int fd = raw_connect(b->port);

		say(fd, "GET /big HTTP/1.1\r\n" HOST);
		assert_int_equal(close(fd), 0);
	}
	for (int i = 0; i < 200; i++)
		assert_int_equal(close(raw_connect(b->port)), 0);
	b->stuck = false;
	WAIT_UNTIL(b->served >= 1, WAIT_BOUND_S);
	expect(b, "GET /metrics HTTP/1.1\r\n" HOST, 200, NULL);
}

static void test_too_many_waiting(void **state)
{
	struct bed *b = *state;
	static char reply[4096];
	int fd[2 * HTTP_WAITING_MAX], full = 0, served = 0;

	b->stuck = true;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = raw_connect(b->port);
		say(fd[i], "GET /metrics HTTP/1.1\r\n" HOST);
	}
	for (bool one = false; !one;) /* the refused ones are answered while the loop stands still */
		for (size_t i = 0; i < ARRAY_LEN(fd) && !one; i++) {
			char c;

			one = recv(fd[i], &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
		}
	b->stuck = false;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		(void)read_reply(fd[i], reply, sizeof(reply));
		full += strstr(reply, " 503 ") != NULL;
		served += strstr(reply, " 200 ") != NULL;
	}
	assert_int_equal(full + served, ARRAY_LEN(fd));
	assert_in_range(full, 1, ARRAY_LEN(fd) - HTTP_WAITING_MAX);
}

/* Closing while some wait: they are told, and nothing of nng's touches what was freed. */
static void test_closing_with_some_waiting(void **state)
{
	struct bed *b = *state;
	static char reply[4096];
	int fd[8];

	b->stuck = true;
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = raw_connect(b->port);
		say(fd[i], "GET /metrics HTTP/1.1\r\n" HOST);
	}
	assert_int_equal(teardown(state), 0);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		(void)read_reply(fd[i], reply, sizeof(reply)); /* served, refused or closed */
	assert_int_equal(setup(state), 0);
	expect(*state, "GET /metrics HTTP/1.1\r\n" HOST, 200, NULL);
}

static int count_closed(const int *fd, size_t n)
{
	int closed = 0;

	for (size_t i = 0; i < n; i++) {
		char c;

		closed += recv(fd[i], &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
	}
	return closed;
}

/* By the server's own guard, a round of which is some seconds; test_http_guard has the guard alone. */
static void test_silent_connections_are_bounded(void **state)
{
	int fd[HTTP_GUARD_KEPT + 40];
	struct bed *b = *state;
	char *body;

	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = raw_connect(b->port);
		say(fd[i], "GET / HTT");
	}
	WAIT_UNTIL(count_closed(fd, ARRAY_LEN(fd)) >= 40, WAIT_BOUND_S);
	assert_int_equal(count_closed(fd, ARRAY_LEN(fd)), 40);
	/* Others are served; a request that takes longer than a round would be one too many itself. */
	WAIT_UNTIL(ask_raw(b, "GET /metrics HTTP/1.1\r\n" HOST, &body) == 200, WAIT_BOUND_S);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		assert_int_equal(close(fd[i]), 0);
}

static void test_what_cannot_be_bound_is_told(void **state)
{
	struct bed *b = *state;
	struct http *h = NULL;
	struct err e = {0};

	assert_int_equal(http_open(b->loop, "127.0.0.1", b->port, "n1", serve_path, b, &h, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, "http.bind: listen at 127.0.0.1 port"));
	assert_int_equal(http_open(b->loop, "192.0.2.1", 1, "n1", serve_path, b, &h, &e), -EADDRNOTAVAIL);
	assert_null(h);
}

static void test_every_allocation_of_opening_fails_once(void **state)
{
	struct bed *b = *state;
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	OOM_LOOP (o) {
		struct http *h = NULL;
		int rc = http_open(loop, "127.0.0.1", 0, "n1", serve_path, b, &h, NULL);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		http_close(h);
	}
	ev_loop_destroy(loop);
}

static int start_nng(void **state)
{
	(void)state;
	return nng_setup(NULL);
}

static int stop_nng(void **state)
{
	(void)state;
	nng_teardown();
	return 0;
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_served),
		TEST(test_what_is_refused),
		TEST(test_a_big_answer_is_whole),
		TEST(test_answers_that_come_later),
		TEST(test_garbage),
		TEST(test_clients_that_leave),
		TEST(test_too_many_waiting),
		TEST(test_closing_with_some_waiting),
		TEST(test_silent_connections_are_bounded),
		TEST(test_what_cannot_be_bound_is_told),
		TEST(test_every_allocation_of_opening_fails_once),
	};

	return cmocka_run_group_tests(tests, start_nng, stop_nng);
}
