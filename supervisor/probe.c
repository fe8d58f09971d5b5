/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes by tcp and http, to 127.0.0.1, non-blocking on the loop. tcp: a connection is enough. http: a GET whose status
 * is 200 to 399; the rest of the answer is not looked at, only read on for a moment and a bounded amount, so that a
 * server that is still writing is not cut off. Every way to fail has its text. Decides nothing about the replica:
 * health.c does.
 */
#include "supervisor/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/limits.h"
#include "base/mem.h"
#include "base/units.h"

#define PROBE_TEXT_MAX	 160
#define PROBE_HEAD	 13 /* "HTTP/1.1 200 " */
#define PROBE_PATH_SHOWN 60
#define PROBE_LINGER_S	 0.1 /* for the rest of an answer whose status is known */

enum probe_step {
	PROBE_FAILED, /* before the loop turned: told at its next turn */
	PROBE_CONNECTING,
	PROBE_SENDING,
	PROBE_READING,
	PROBE_LINGERING, /* the verdict is there */
	PROBE_STEP_MAX
};

struct probe {
	struct ev_loop *loop;
	ev_io io;
	ev_timer timer;
	probe_done *done;
	void *arg;
	int fd;
	enum probe_step at;
	bool ok;
	uint16_t port;
	int64_t timeout_ms, started_ms, took_ms;
	char text[PROBE_TEXT_MAX];
	char head[PROBE_HEAD + 1]; /* of the answer */
	size_t read_n;		   /* of the whole answer */
	size_t request_n, sent_n;
	char path[PROBE_PATH_SHOWN + 1];
	char request[]; /* http */
};

static int64_t mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void release(struct probe *p)
{
	ev_io_stop(p->loop, &p->io);
	ev_timer_stop(p->loop, &p->timer);
	if (p->fd >= 0)
		(void)close(p->fd); /* nothing was to be kept */
	free(p);
}

static void finish(struct probe *p)
{
	p->done(p->arg, p->ok, p->took_ms, p->text);
	release(p);
}

static void PRINTF_LIKE(3, 4) verdict(struct probe *p, bool ok, const char *fmt, ...)
{
	va_list ap;

	p->ok = ok;
	p->took_ms = mono_ms() - p->started_ms;
	va_start(ap, fmt);
	(void)vsnprintf(p->text, sizeof(p->text), fmt, ap); /* cut */
	va_end(ap);
}

static void connect_failed(struct probe *p, const char *why)
{
	verdict(p, false, "connect to 127.0.0.1:%u: %s", p->port, why);
}

static void get_failed(struct probe *p, const char *why)
{
	verdict(p, false, "GET %s on port %u: %s", p->path, p->port, why);
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct probe *p = CONTAINER_OF(t, struct probe, timer);
	char why[64], within[UNITS_TEXT_MAX];

	(void)loop;
	(void)revents;
	(void)snprintf(why, sizeof(why), "%s within %s", p->read_n ? "no complete answer" : "no answer",
		units_duration(within, p->timeout_ms)); /* fits */
	if (p->at == PROBE_CONNECTING)
		connect_failed(p, why);
	else if (p->at == PROBE_SENDING || p->at == PROBE_READING)
		get_failed(p, why);
	finish(p);
}

/* Waits for other events on the socket from now on. */
static void watch(struct probe *p, enum probe_step step, int events)
{
	p->at = step;
	ev_io_stop(p->loop, &p->io);
	ev_io_set(&p->io, p->fd, events);
	ev_io_start(p->loop, &p->io);
}

/*
 * The kernel may have joined the socket with itself: nobody listens on a port of the ephemeral range, and that very
 * port was taken for our end.
 */
static bool is_own_echo(const struct probe *p)
{
	struct sockaddr_in me;
	socklen_t n = sizeof(me);

	return getsockname(p->fd, (struct sockaddr *)&me, &n) == 0 && me.sin_port == htons(p->port);
}

/* Each on_… returns whether the probe is over. */
static bool on_connected(struct probe *p)
{
	socklen_t n = sizeof(int);
	int error = 0;

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	if (!error && is_own_echo(p))
		error = ECONNREFUSED;
	if (error) {
		connect_failed(p, strerror(error));
		return true;
	}
	if (p->request_n == 0) {
		verdict(p, true, "%s", "");
		return true;
	}
	p->at = PROBE_SENDING;
	return false;
}

static bool on_sendable(struct probe *p)
{
	ssize_t n = send(p->fd, p->request + p->sent_n, p->request_n - p->sent_n, MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < 0) {
		get_failed(p, strerror(errno));
		return true;
	}
	p->sent_n += (size_t)n;
	if (p->sent_n == p->request_n)
		watch(p, PROBE_READING, EV_READ);
	return false;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The status of "HTTP/1.1 200 ", or -1. */
static int status_of(const char *head)
{
	if (strncmp(head, "HTTP/1.", 7) != 0 || !is_digit(head[7]) || head[8] != ' ' || !is_digit(head[9]) ||
		!is_digit(head[10]) || !is_digit(head[11]) || is_digit(head[12]))
		return -1;
	return (head[9] - '0') * 100 + (head[10] - '0') * 10 + head[11] - '0';
}

static void not_http(struct probe *p)
{
	char why[64], shown[PROBE_HEAD + 1];
	size_t i = 0;

	for (; p->head[i]; i++)
		shown[i] = p->head[i] < 0x20 || p->head[i] > 0x7e ? '.' : p->head[i];
	shown[i] = '\0';
	(void)snprintf(why, sizeof(why), "not an HTTP answer: '%s'", shown); /* fits */
	get_failed(p, why);
}

/* The head of the answer is there, or all that there is of it. */
static void judge(struct probe *p)
{
	int status = status_of(p->head);

	if (status < 0)
		not_http(p);
	else if (status >= 200 && status < 400)
		verdict(p, true, "%s", "");
	else
		verdict(p, false, "GET %s on port %u: answered %d", p->path, p->port, status);
}

/* n bytes more of the answer are in v; true when it is over. */
static bool on_bytes(struct probe *p, const char *v, size_t n)
{
	size_t head_n = MIN(p->read_n, (size_t)PROBE_HEAD);

	if (head_n < PROBE_HEAD)
		memcpy(p->head + head_n, v, MIN(n, PROBE_HEAD - head_n));
	p->read_n += n;
	if (p->at == PROBE_READING && p->read_n >= PROBE_HEAD) {
		judge(p);
		p->at = PROBE_LINGERING;
		ev_timer_stop(p->loop, &p->timer);
		ev_timer_set(&p->timer, PROBE_LINGER_S, 0);
		ev_timer_start(p->loop, &p->timer);
	}
	return p->read_n >= PROBE_REPLY_MAX;
}

static bool on_readable(struct probe *p)
{
	char v[PROBE_REPLY_MAX];
	ssize_t n = recv(p->fd, v, sizeof(v), 0);

	if (n > 0)
		return on_bytes(p, v, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (p->at == PROBE_LINGERING)
		return true;
	if (n < 0)
		get_failed(p, strerror(errno));
	else if (p->read_n == 0)
		get_failed(p, "closed without an answer");
	else
		judge(p);
	return true;
}

static void on_io(struct ev_loop *loop, ev_io *io, int revents)
{
	struct probe *p = CONTAINER_OF(io, struct probe, io);
	bool over = false;

	(void)loop;
	(void)revents;
	if (p->at == PROBE_CONNECTING)
		over = on_connected(p);
	if (!over && p->at == PROBE_SENDING)
		over = on_sendable(p);
	else if (!over && p->at >= PROBE_READING)
		over = on_readable(p);
	if (over)
		finish(p);
}

static void start_connect(struct probe *p)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(p->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};

	if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS && errno != EINTR) {
		connect_failed(p, strerror(errno));
		p->at = PROBE_FAILED;
		return;
	}
	ev_io_init(&p->io, on_io, p->fd, EV_WRITE);
	ev_io_start(p->loop, &p->io);
}

static bool is_path(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return true;
}

static void prepare(struct probe *p, const struct spec_probe *spec, const char *path, size_t max)
{
	p->at = PROBE_CONNECTING;
	(void)snprintf(p->path, sizeof(p->path), "%s", path); /* cut: for people */
	if (spec->kind == SPEC_PROBE_HTTP && is_path(path))
		p->request_n = (size_t)snprintf(p->request, max,
			"GET %s HTTP/1.1\r\nHost: localhost:%u\r\nUser-Agent: covey\r\nAccept: */*\r\nConnection: "
			"close\r\n\r\n",
			path, p->port);
	else if (spec->kind == SPEC_PROBE_HTTP) {
		verdict(p, false, "GET: the path has characters that HTTP does not allow");
		p->at = PROBE_FAILED;
	}
	assert(p->request_n < max);
}

struct probe *probe_start(
	struct ev_loop *loop, const struct spec_probe *spec, uint16_t port, probe_done *done, void *arg)
{
	const char *path = spec->path && spec->path[0] ? spec->path : "/";
	size_t max = strlen(path) + 160;
	struct probe *p = mem_zalloc(1, sizeof(*p) + max);

	assert(spec->kind == SPEC_PROBE_HTTP || spec->kind == SPEC_PROBE_TCP);
	if (!p)
		return NULL;
	p->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (p->fd < 0) {
		free(p);
		return NULL;
	}
	p->loop = loop;
	p->done = done;
	p->arg = arg;
	p->port = port;
	p->timeout_ms = spec->timeout_ms;
	p->started_ms = mono_ms();
	prepare(p, spec, path, max);
	if (p->at == PROBE_CONNECTING)
		start_connect(p);
	ev_now_update(loop); /* the timer counts from now, not from when the loop last woke */
	ev_timer_init(&p->timer, on_timer, p->at == PROBE_FAILED ? 0 : (double)p->timeout_ms / 1000, 0);
	ev_timer_start(loop, &p->timer);
	return p;
}

void probe_cancel(struct probe *p)
{
	if (p)
		release(p);
}
