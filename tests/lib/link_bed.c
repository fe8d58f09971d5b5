/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transports of a test, turned by the test's own thread.
 */
#include "tests/lib/link_bed.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "node/nng_setup.h"

struct link_hello {
	struct link_end *x;
	bool dialled;
};

static void on_wake(void *arg)
{
	const struct link_end *x = arg;
	const uint64_t one = 1;

	if (write(x->wake_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void *begin(void *arg, bool dialled, uint64_t token)
{
	struct link_hello *h = mem_zalloc(1, sizeof(*h));

	(void)token;
	if (!h)
		return NULL;
	h->x = arg;
	h->dialled = dialled;
	h->x->hellos++;
	return h;
}

static bool is(const void *frame, size_t n, const char *text)
{
	return n == strlen(text) && memcmp(frame, text, n) == 0;
}

static enum transport_verdict feed(void *hello, const void *frame, size_t n, struct bytes *reply, struct err *why)
{
	const struct link_hello *h = hello;

	if (h->x->leaves_hello)
		return TRANSPORT_MORE;
	if (!frame) {
		if (h->dialled)
			(void)bytes_str(reply, "hello"); /* `failed` tells */
		return TRANSPORT_MORE;
	}
	if (h->dialled && is(frame, n, "welcome"))
		return TRANSPORT_DONE;
	if (h->dialled && is(frame, n, "go away")) {
		(void)err_set(why, -EACCES, "told to go away");
		return TRANSPORT_NO;
	}
	if (!h->dialled && is(frame, n, "hello")) {
		(void)bytes_str(reply, h->x->refuses ? "go away" : "welcome");
		if (!h->x->refuses)
			return TRANSPORT_DONE;
		(void)err_set(why, -EACCES, "is not wanted");
		return TRANSPORT_NO;
	}
	(void)err_set(why, -EPROTO, "said something else");
	return TRANSPORT_NO;
}

static void end(void *hello)
{
	((struct link_hello *)hello)->x->ended++;
	free(hello);
}

static void note(struct link_end *x, const char *why)
{
	(void)snprintf(x->why, sizeof(x->why), "%s", why); /* cut is fine */
}

static void note_hello(struct link_end *x, const void *hello)
{
	const struct hello *h = hello;

	if (x->greets && h)
		x->hello_why = h->why;
}

static void on_up(void *arg, uint32_t link, bool dialled, uint64_t token, void *hello)
{
	struct link_end *x = arg;

	assert_non_null(hello);
	if (x->parts_at_once)
		transport_hang_up(x->t, link, true, wait_mono_ms());
	assert_true(dialled == (token != 0));
	if (x->greets) {
		const struct hello *h = hello;

		(void)snprintf(
			x->peer, sizeof(x->peer), "%.*s", h->peer.record.name.n, h->peer.record.name.v); /* fits */
	}
	x->last = link;
	x->up++;
}

static void on_frame(void *arg, uint32_t link, const void *frame, size_t n)
{
	struct link_end *x = arg;
	int rc = 0;

	x->frames++;
	if (x->parts)
		transport_hang_up(x->t, link, true, wait_mono_ms());
	if (x->swallows)
		return;
	x->got_n = n;
	(void)memset(x->got, 0, sizeof(x->got));
	(void)memcpy(x->got, frame, MIN(n, sizeof(x->got) - 1));
	if (x->echoes)
		rc = transport_send(x->t, link, frame, n, wait_mono_ms());
	if (rc == -ENOMEM)
		x->dropped++;
	else
		assert_int_equal(rc, 0);
}

static void on_writable(void *arg, uint32_t link)
{
	struct link_end *x = arg;

	assert_true(transport_room(x->t, link) > 0);
	x->writable++;
}

static void on_down(void *arg, uint32_t link, bool by_peer, const char *why)
{
	struct link_end *x = arg;

	assert_int_equal(transport_room(x->t, link), 0);
	x->down++;
	x->by_peer = by_peer;
	note(x, why);
}

static void on_dial_failed(
	void *arg, uint64_t token, enum transport_outcome outcome, const void *hello, const char *why)
{
	struct link_end *x = arg;

	note_hello(x, hello);
	assert_true(token != 0);
	x->failed++;
	x->outcomes[outcome]++;
	note(x, why);
}

static void on_turned_away(void *arg, const char *address, const void *hello, const char *why)
{
	struct link_end *x = arg;

	note_hello(x, hello);
	assert_non_null(strchr(address, ':'));
	x->turned_away++;
	note(x, why);
}

static const struct transport_hello hello_of_bed = {begin, feed, end};
static const struct transport_hooks hooks_of_bed = {.wake = on_wake,
	.up = on_up,
	.frame = on_frame,
	.writable = on_writable,
	.down = on_down,
	.dial_failed = on_dial_failed,
	.turned_away = on_turned_away};

int link_try_open(struct link_end *x, const char *bind, const struct transport_tls *tls, struct transport_limits limits,
	struct err *e)
{
	const struct transport_config c = {.bind = bind,
		.tls = tls,
		.limits = limits,
		.hello = x->greets ? &transport_hello_signed : &hello_of_bed,
		.hello_arg = x->greets ? (void *)(uintptr_t)x->greets : x,
		.hooks = &hooks_of_bed,
		.arg = x,
		.gathers = x->gathers};
	int rc;

	x->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(x->wake_fd >= 0);
	rc = transport_open(&c, &x->t, e);
	if (rc < 0)
		(void)close(x->wake_fd); /* not used any more */
	return rc;
}

void link_open(struct link_end *x, const char *bind, const struct transport_tls *tls, struct transport_limits limits)
{
	struct err e = {0};

	if (link_try_open(x, bind, tls, limits, &e) < 0)
		fail_msg("transport_open: %s", e.text);
}

void link_close(struct link_end *x)
{
	transport_close(x->t);
	(void)close(x->wake_fd); /* not used any more */
	assert_int_equal(x->hellos, x->ended);
}

void link_dial(struct link_end *x, const char *address, uint64_t token)
{
	struct err e = {0};

	if (transport_dial(x->t, address, token, wait_mono_ms(), &e) < 0)
		fail_msg("%s", e.text);
}

void link_address(const struct link_end *x, char ret[TRANSPORT_ADDR_MAX])
{
	(void)snprintf(ret, TRANSPORT_ADDR_MAX, "127.0.0.1:%d", transport_port(x->t)); /* fits */
}

void link_dial_end(struct link_end *x, const struct link_end *to, uint64_t token)
{
	char address[TRANSPORT_ADDR_MAX];

	link_address(to, address);
	link_dial(x, address, token);
}

struct transport_stats link_stats(const struct link_end *x)
{
	struct transport_stats st;

	transport_stats(x->t, &st);
	return st;
}

void link_turn(struct link_end *const *v, size_t n)
{
	struct pollfd fds[16];
	int64_t now = wait_mono_ms(), at = now + 50;
	uint64_t some;

	assert_true(n <= ARRAY_LEN(fds));
	for (size_t i = 0; i < n; i++) {
		fds[i] = (struct pollfd){.fd = v[i]->wake_fd, .events = POLLIN};
		at = MIN(at, transport_deadline_ms(v[i]->t));
	}
	(void)poll(fds, n, (int)MAX(at - now, 0)); /* EINTR: looked at again */
	for (size_t i = 0; i < n; i++) {
		if (fds[i].revents && read(v[i]->wake_fd, &some, sizeof(some)) < 0)
			assert_int_equal(errno, EAGAIN);
		if (fds[i].revents || transport_deadline_ms(v[i]->t) <= wait_mono_ms())
			transport_turn(v[i]->t, wait_mono_ms());
		transport_flush(v[i]->t, wait_mono_ms());
	}
}

int link_raw(const struct link_end *to)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)transport_port(to->t)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

int link_raw_listen(int backlog, char ret_address[TRANSPORT_ADDR_MAX])
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), small = 4096;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	(void)snprintf(ret_address, TRANSPORT_ADDR_MAX, "127.0.0.1:%d", ntohs(sa.sin_port)); /* fits */
	return fd;
}

bool link_raw_closed(int fd)
{
	char buf[4096];
	ssize_t n;

	do
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	while (n > 0);
	return n == 0 || errno != EAGAIN;
}

void link_raw_frame(int fd, const void *v, size_t n)
{
	const unsigned char head[4] = {
		(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n};

	assert_int_equal(send(fd, head, sizeof(head), MSG_NOSIGNAL), sizeof(head));
	assert_int_equal(send(fd, v, n, MSG_NOSIGNAL), n);
}

size_t link_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d); /* read only */
	return n;
}

size_t link_rss_kb(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	size_t kb = 0;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, "VmRSS:", 6) == 0)
			kb = strtoul(line + 6, NULL, 10);
	(void)fclose(f); /* read only */
	return kb;
}

int link_setup(void **state)
{
	struct err e;

	(void)state;
	return nng_setup(&e);
}

int link_teardown(void **state)
{
	(void)state;
	nng_teardown();
	return 0;
}

void link_dial_and_close(struct link_end *a, struct link_end *b, size_t rounds)
{
	for (size_t i = 0; i < rounds; i++) {
		size_t up = a->up;

		link_dial_end(a, b, 1);
		LINK_UNTIL(a->up == up + 1, a, b);
		transport_hang_up(a->t, a->last, false, wait_mono_ms());
	}
	LINK_UNTIL(link_stats(a).up == 0 && link_stats(b).up == 0 && link_stats(b).pending == 0, a, b);
}

size_t link_dials_leave_nothing(struct link_end *a, struct link_end *b, size_t rounds, size_t slack_kb)
{
	size_t fds = link_fds(), times = 0, kb;

	do {
		assert_in_range(times, 0, 2);
		kb = link_rss_kb();
		link_dial_and_close(a, b, rounds);
		LINK_UNTIL(link_fds() <= fds, a, b);
		times++;
#ifdef COVEY_SANITIZED /* which keep what was freed for a while */
		break;
#endif
	} while (link_rss_kb() > kb + slack_kb);
	return times;
}
