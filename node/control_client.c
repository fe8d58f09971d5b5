/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command's end of the control socket, on a plain socket without nng: it starts no thread.
 */
#include "node/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "base/limits.h"
#include "base/mem.h"
#include "node/control_frame.h"
#include "node/mp.h"

#define HELLO_MS 5000
#define ID_MARK	 0x80000000u /* in every id */

struct control_client {
	int fd; /* -1: used up */
	uint32_t id;
};

static int64_t mono_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until fd is ready for `events` or the deadline (< 0: none) has passed: 0 or -ETIMEDOUT, -errno. */
static int wait_for(int fd, short events, int64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = {.fd = fd, .events = events};
		int64_t left = deadline_ms < 0 ? -1 : MAX(deadline_ms - mono_ms(), (int64_t)0);
		int n = poll(&p, 1, (int)MIN(left, (int64_t)INT32_MAX));

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int send_all(int fd, const void *v, size_t n, int64_t deadline_ms)
{
	const char *p = v;

	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc;

		if (w >= 0) {
			p += w;
			n -= (size_t)w;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return errno == EPIPE ? -ECONNRESET : -errno;
		rc = wait_for(fd, POLLOUT, deadline_ms);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int recv_all(int fd, void *v, size_t n, int64_t deadline_ms)
{
	char *p = v;

	while (n) {
		int rc = wait_for(fd, POLLIN, deadline_ms);
		ssize_t r;

		if (rc < 0)
			return rc;
		r = recv(fd, p, n, MSG_DONTWAIT);
		if (r == 0)
			return -ECONNRESET;
		if (r < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (r < 0)
			return -errno;
		p += r;
		n -= (size_t)r;
	}
	return 0;
}

static int say_connect(const char *path, int no, struct err *e)
{
	switch (no) {
	case ENOENT:
	case ECONNREFUSED:
	case ENOTDIR:
		return err_set(e, -ECONNREFUSED, "no daemon answers at '%s': is coveyd running?", path);
	case EACCES:
	case EPERM:
		return err_set(e, -EACCES, "not allowed to use '%s': be root or in the group covey", path);
	case EAGAIN:
		return err_set(e, -ETIMEDOUT, "the daemon at '%s' is too busy to answer", path);
	default:
		return err_set(e, -no, "connect to '%s': %s", path, strerror(no));
	}
}

static int connect_to(const char *path, int *ret_fd, struct err *e)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	const struct timeval bound = {.tv_sec = HELLO_MS / 1000};
	AUTO_CLOSE int fd = -1;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, -ENAMETOOLONG, "'%s' is too long for a socket (%zu characters at most)", path,
			sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(e, "make a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof(bound)); /* bounds connect; without it, it waits */
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0)
		return say_connect(path, errno, e);
	*ret_fd = fd;
	fd = -1;
	return 0;
}

static int shake_hands(int fd, const char *path, struct err *e)
{
	unsigned char theirs[CONTROL_HELLO_BYTES];
	int64_t deadline = mono_ms() + HELLO_MS;
	int rc = send_all(fd, control_hello_req, sizeof(control_hello_req), deadline);

	if (rc == 0)
		rc = recv_all(fd, theirs, sizeof(theirs), deadline);
	if (rc == -ETIMEDOUT)
		return err_set(e, rc, "what listens at '%s' does not answer", path);
	if (rc == -ECONNRESET)
		return err_set(
			e, -ECONNREFUSED, "the daemon at '%s' closed the connection: it is stopping, or full", path);
	if (rc < 0)
		return err_set(e, rc, "talk to '%s': %s", path, strerror(-rc));
	if (memcmp(theirs, control_hello_rep, sizeof(theirs)) != 0)
		return err_set(e, -EPROTO, "what listens at '%s' is no coveyd", path);
	return 0;
}

int control_client_open(const char *path, struct control_client **ret, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct control_client *c;
	int rc = connect_to(path, &fd, e);

	if (rc == 0)
		rc = shake_hands(fd, path, e);
	if (rc < 0)
		return rc;
	c = mem_zalloc(1, sizeof(*c));
	if (!c)
		return err_set(e, -ENOMEM, "out of memory while connecting to '%s'", path);
	c->fd = fd;
	fd = -1;
	*ret = c;
	return 0;
}

int control_client_fd(const struct control_client *c)
{
	return c->fd;
}

void control_client_close(struct control_client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		(void)close(c->fd); /* nothing was left unsent */
	free(c);
}

/* The whole frame; its head is filled in last. */
static int pack(struct bytes *out, uint32_t id, const char *verb, const struct bytes *args)
{
	static const unsigned char room[CONTROL_HEAD_BYTES];
	struct mp_writer w;

	if (strlen(verb) > STRING_MAX || (args && args->n > CONTROL_FRAME_MAX - 2 * STRING_MAX))
		return -EMSGSIZE;
	(void)bytes_add(out, room, sizeof(room)); /* `failed` tells */
	mp_writer_init(&w, out);
	mp_map(&w, 3);
	mp_key_int(&w, "v", 1);
	mp_key_str(&w, "verb", verb);
	mp_str(&w, "args");
	if (args)
		mp_raw(&w, args);
	else
		mp_map(&w, 0);
	if (out->failed)
		return -ENOMEM;
	control_frame_head((unsigned char *)out->v, id, out->n - sizeof(room));
	return 0;
}

static int receive(struct control_client *c, int64_t deadline_ms, struct bytes *ret_reply)
{
	unsigned char head[CONTROL_HEAD_BYTES];
	struct control_frame f;
	int rc = recv_all(c->fd, head, sizeof(head), deadline_ms);

	if (rc < 0)
		return rc;
	if (control_frame_look(head, sizeof(head), &f, NULL) < 0 || f.id != c->id)
		return -EPROTO;
	if (bytes_reserve(ret_reply, f.body_bytes) < 0)
		return -EFBIG; /* or no memory: the reply is lost all the same */
	rc = recv_all(c->fd, ret_reply->v, f.body_bytes, deadline_ms);
	if (rc < 0)
		return rc;
	ret_reply->n = f.body_bytes;
	ret_reply->v[ret_reply->n] = '\0';
	return 0;
}

static int say_lost(int rc, const char *verb, struct err *e)
{
	switch (rc) {
	case -ETIMEDOUT:
		return err_set(e, rc, "%s: the daemon did not answer in time", verb);
	case -ECONNRESET:
		return err_set(e, rc,
			"%s: the daemon closed the connection before it answered: it stopped, or refuses this user",
			verb);
	case -EFBIG:
		return err_set(e, rc, "%s: the answer is too large", verb);
	case -EPROTO:
		return err_set(e, rc, "%s: what listens there is no coveyd", verb);
	default:
		return err_set(e, rc, "%s: %s", verb, strerror(-rc));
	}
}

int control_client_call(struct control_client *c, const char *verb, const struct bytes *packed_args, int timeout_ms,
	struct bytes *ret_reply, struct err *e)
{
	int64_t deadline = timeout_ms < 0 ? -1 : mono_ms() + timeout_ms;
	struct bytes out = {.max = CONTROL_FRAME_MAX};
	int rc;

	if (c->fd < 0)
		return err_set(e, -ENOTCONN, "%s: the connection was lost before", verb);
	bytes_clear(ret_reply);
	c->id = (c->id + 1) | ID_MARK;
	rc = pack(&out, c->id, verb, packed_args);
	if (rc < 0) {
		bytes_done(&out);
		return err_set(e, rc, rc == -ENOMEM ? "%s: out of memory" : "%s: the request is too large", verb);
	}
	rc = send_all(c->fd, out.v, out.n, deadline);
	bytes_done(&out);
	if (rc == 0)
		rc = receive(c, deadline, ret_reply);
	if (rc == 0)
		return 0;
	(void)close(c->fd); /* what comes on it now belongs to no call */
	c->fd = -1;
	return say_lost(rc, verb, e);
}
