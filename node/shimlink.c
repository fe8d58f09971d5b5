/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of a shim's socket.
 */
#include "node/shimlink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/util.h"

#define FRAME_IN_MAX 4096 /* the largest message of a shim is an exit with its label */
#define READS_A_TURN 16
#define SMALL_MAX    (sizeof(struct shim_msg) + 1024)

static void watch(struct shimlink *l, int events)
{
	ev_io_stop(l->loop, &l->io);
	ev_io_set(&l->io, l->fd, events);
	ev_io_start(l->loop, &l->io);
}

static void drop_kept(struct shimlink *l)
{
	if (!l->kept)
		return;
	free(l->kept);
	l->kept = NULL;
	watch(l, EV_READ);
}

static int keep(struct shimlink *l, const char *frame, size_t n)
{
	char *v = mem_alloc(n);

	if (!v)
		return -ENOMEM;
	memcpy(v, frame, n);
	drop_kept(l);
	l->kept = v;
	l->kept_size = n;
	watch(l, EV_READ | EV_WRITE);
	return 0;
}

/* One message, and at most one descriptor with it; the kernel drops others. As recv. */
static ssize_t receive(struct shimlink *l, void *v, size_t size)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {v, size};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(l->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	const struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS &&
		cmsg->cmsg_len == CMSG_LEN(sizeof(l->came)))
		memcpy(&l->came, CMSG_DATA(cmsg), sizeof(l->came));
	return n;
}

int shimlink_take_fd(struct shimlink *l)
{
	int fd = l->came;

	l->came = -1;
	return fd;
}

static void drop_came(struct shimlink *l)
{
	int fd = shimlink_take_fd(l);

	if (fd >= 0)
		(void)close(fd); /* nobody wanted it */
}

/* One message read and told. Returns false when the link is closed. */
static bool take_one(struct shimlink *l)
{
	_Alignas(8) char frame[FRAME_IN_MAX];
	struct shim_msg head;
	ssize_t n = receive(l, frame, sizeof(frame));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		shimlink_close(l);
		l->closed(l->arg);
		return false;
	}
	if ((size_t)n < sizeof(head)) {
		drop_came(l);
		return true; /* no message of ours: ignored */
	}
	memcpy(&head, frame, sizeof(head));
	if (head.type == SHIM_EXIT)
		drop_kept(l); /* what was ordered is so */
	if (head.size == (size_t)n - sizeof(head))
		l->message(l->arg, head.type, frame + sizeof(head), head.size);
	drop_came(l);
	return l->fd >= 0;
}

static void on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct shimlink *l = w->data;

	(void)loop;
	if (revents & EV_WRITE && l->kept && shimlink_send_framed(l, l->kept, l->kept_size) != -EAGAIN)
		drop_kept(l); /* sent; or its end has come, which is read below */
	for (int i = 0; i < READS_A_TURN; i++)
		if (!take_one(l))
			return;
}

void shimlink_init(
	struct shimlink *l, struct ev_loop *loop, shimlink_message *message, shimlink_closed *closed, void *arg)
{
	*l = (struct shimlink){.loop = loop, .fd = -1, .came = -1, .message = message, .closed = closed, .arg = arg};
}

void shimlink_attach(struct shimlink *l, int fd)
{
	assert(l->fd < 0 && fd >= 0);
	l->fd = fd;
	ev_io_init(&l->io, on_io, fd, EV_READ);
	l->io.data = l;
	ev_io_start(l->loop, &l->io);
}

/* By descriptor: the path may be longer than a socket's name may be. */
int shimlink_connect(struct shimlink *l, const char *path, struct err *e)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	AUTO_CLOSE int at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (at < 0)
		return err_errno(e, "open '%s'", path);
	if (fd < 0)
		return err_errno(e, "make a socket");
	(void)snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", at); /* fits */
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_errno(e, "connect '%s'", path);
	shimlink_attach(l, fd);
	fd = -1;
	return 0;
}

void shimlink_close(struct shimlink *l)
{
	if (l->fd < 0)
		return;
	drop_kept(l);
	ev_io_stop(l->loop, &l->io);
	(void)close(l->fd); /* a socket: nothing is buffered on our side */
	l->fd = -1;
}

int shimlink_send_framed(struct shimlink *l, const void *v, size_t n)
{
	if (l->fd < 0)
		return -EPIPE;
	return send(l->fd, v, n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -errno;
}

int shimlink_send_with(struct shimlink *l, const void *v, size_t n, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)v, n};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	if (l->fd < 0)
		return -EPIPE;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(l->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n ? 0 : -errno;
}

/* Returns its bytes. */
static size_t frame_small(char frame[SMALL_MAX], enum shim_msg_type type, const void *payload, uint32_t size)
{
	struct shim_msg head = {.type = type, .size = size};

	assert(size <= SMALL_MAX - sizeof(head));
	memcpy(frame, &head, sizeof(head));
	if (size)
		memcpy(frame + sizeof(head), payload, size);
	return sizeof(head) + size;
}

int shimlink_send(struct shimlink *l, enum shim_msg_type type, const void *payload, uint32_t size)
{
	char frame[SMALL_MAX];

	return shimlink_send_framed(l, frame, frame_small(frame, type, payload, size));
}

int shimlink_send_order(struct shimlink *l, enum shim_msg_type type, const void *payload, uint32_t size)
{
	char frame[SMALL_MAX];
	size_t n = frame_small(frame, type, payload, size);
	int rc = shimlink_send_framed(l, frame, n);

	if (rc == 0)
		drop_kept(l); /* this one is newer */
	else if (rc == -EAGAIN && keep(l, frame, n) < 0)
		rc = -ENOMEM;
	return rc;
}
