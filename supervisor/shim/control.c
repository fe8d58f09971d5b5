/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's messages. One connection is spoken to, the newest; losing it changes nothing but that there is nobody
 * to tell. What could not be told because the daemon does not read is owed and said later in its newest form, so that
 * a daemon that hangs costs no memory and loses nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"

#define MESSAGES_A_TURN	   8
#define PLAN_WAIT_MS	   30000
#define NOTIFY_INTERVAL_MS 100
#define SMALL_MESSAGE	   (sizeof(struct shim_msg) + SHIM_LABEL_MAX)

void frame_free(struct frame *f)
{
	os_unmap(f->v, f->mapped);
	*f = (struct frame){0};
}

/* Receives n bytes; a descriptor that comes with them becomes the filter. */
static bool receive(int fd, void *v, size_t n)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = {v, n};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg;
	int filter;

	if (recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != (ssize_t)n)
		return false;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return true;
	memcpy(&filter, CMSG_DATA(cmsg), sizeof(filter));
	if (dup3(filter, SHIM_FD_FILTER, O_CLOEXEC) < 0)
		return false;
	os_close(&filter);
	return true;
}

/* The next message in memory of its own. */
static int frame_read(int fd, size_t n, struct frame *ret, uint32_t *ret_type)
{
	struct frame f = {.mapped = n};
	struct shim_msg head;

	if (n < sizeof(head) || n > SHIM_FRAME_MAX)
		return -EMSGSIZE;
	f.v = os_map(n, false);
	if (!f.v)
		return -ENOMEM;
	if (!receive(fd, f.v, n)) {
		frame_free(&f);
		return -EIO;
	}
	memcpy(&head, f.v, sizeof(head));
	f.payload = (char *)f.v + sizeof(head);
	f.size = n - sizeof(head);
	*ret = f;
	*ret_type = head.type;
	return 0;
}

int control_wait_plan(struct shim *s)
{
	struct pollfd p = {.fd = s->control, .events = POLLIN};
	uint32_t type;
	char none;
	ssize_t n;
	int rc;

	if (poll(&p, 1, PLAN_WAIT_MS) <= 0)
		return -ETIMEDOUT;
	n = recv(s->control, &none, sizeof(none), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	if (n <= 0)
		return -EPIPE;
	rc = frame_read(s->control, (size_t)n, &s->plan_frame, &type);
	if (rc == 0 && type != SHIM_PLAN) {
		frame_free(&s->plan_frame);
		return -EPROTO;
	}
	return rc;
}

void control_accept(struct shim *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	socklen_t size;
	struct ucred peer;

	if (fd >= 0 && s->waiting) { /* a daemon that knows nothing of our run: its record is there, and no run */
		os_close(&fd);
		life_leave(s);
		return;
	}
	if (fd < 0)
		return; /* gone again */
	size = sizeof(peer);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != 0 && peer.uid != geteuid())) {
		os_close(&fd);
		return;
	}
	os_close(&s->control);
	s->control = fd;
	s->control_full = false;
	s->owed = 0; /* it will ask */
	probe_hang_up(s);
}

int control_send(struct shim *s, uint32_t type, const void *v, size_t n)
{
	struct shim_msg head = {.type = type, .size = (uint32_t)n};
	struct iovec iov[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)v, n}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	if (s->control < 0)
		return -ENOTCONN;
	if (sendmsg(s->control, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	s->control_full = errno == EAGAIN;
	return -errno;
}

/* A new daemon gets the page from the one that goes by it. */
static void add_page(struct msghdr *msg, void *control, size_t n)
{
	const int page = SHIM_FD_LEASE;
	struct cmsghdr *cmsg;

	msg->msg_control = control;
	msg->msg_controllen = n;
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(page));
	memcpy(CMSG_DATA(cmsg), &page, sizeof(page));
}

int control_send_labelled(struct shim *s, uint32_t type, const void *v, size_t n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct shim_msg head = {.type = type, .size = (uint32_t)n + s->label_size};
	struct iovec iov[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)v, n}, {s->label, s->label_size}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 3};

	if (type == SHIM_HELLO && s->flags & SHIM_FLAG_ARMED)
		add_page(&msg, control, sizeof(control));
	if (s->control < 0)
		return -ENOTCONN;
	if (sendmsg(s->control, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	s->control_full = errno == EAGAIN;
	return -errno;
}

static int send_hello(struct shim *s, uint32_t type)
{
	struct shim_hello h = s->hello;

	h.size = sizeof(h);
	h.version = SHIM_PROTO_VERSION;
	h.run = s->record.run;
	h.state = s->state;
	h.pid = s->record.pid;
	h.pid_start = type == SHIM_HELLO && s->agent.pid ? os_start_time(s->agent.pid) : 0;
	h.started_wall_ms = s->record.started_wall_ms;
	h.ready = s->notify.ready;
	h.watchdog = s->notify.watchdog;
	h.log_bytes = s->log.bytes;
	h.log_dropped_lines = s->log.file.dropped;
	h.refused_total = s->record.refused.total;
	h.why = s->record.why;
	h.label_size = s->label_size;
	h.run_before = s->run_before;
	memcpy(h.status, s->notify.status, sizeof(h.status));
	return control_send_labelled(s, type, &h, sizeof(h));
}

static int send_one(struct shim *s, unsigned what, int64_t now_ms)
{
	switch (what) {
	case OWED_STARTED:
		return send_hello(s, SHIM_STARTED);
	case OWED_HELLO:
		record_pay(s); /* so that who asks finds it */
		return send_hello(s, SHIM_HELLO);
	case OWED_ARMED:
		return control_send(s, SHIM_ARMED,
			&(struct shim_armed){.size = sizeof(struct shim_armed), .deadline_boot_ns = s->fuse.seen_ns},
			sizeof(struct shim_armed));
	case OWED_NOTIFY:
		s->notify_told_ms = now_ms;
		s->notify.size = sizeof(s->notify);
		return control_send(s, SHIM_NOTIFY, &s->notify, sizeof(s->notify));
	default: /* OWED_REFUSED */
		s->refused_told_ms = now_ms;
		return control_send(s, SHIM_REFUSED, &s->record.refused, sizeof(s->record.refused));
	}
}

void control_send_owed(struct shim *s)
{
	int64_t now_ms = os_now_ms(CLOCK_MONOTONIC);

	for (unsigned what = OWED_STARTED; what < OWED_END && s->owed; what <<= 1) {
		bool early = (what == OWED_NOTIFY && now_ms < s->notify_told_ms + NOTIFY_INTERVAL_MS) ||
			     (what == OWED_REFUSED && now_ms < s->refused_told_ms + 1000 && !s->ended);

		if ((s->owed & what) && !early && send_one(s, what, now_ms) != -EAGAIN)
			s->owed &= ~what; /* said, or nobody is there to hear it */
	}
}

int64_t control_deadline_ms(const struct shim *s)
{
	int64_t at = 0;

	if (s->control < 0 || s->control_full)
		return 0;
	if (s->owed & OWED_NOTIFY)
		at = s->notify_told_ms + NOTIFY_INTERVAL_MS;
	if (s->owed & OWED_REFUSED && (at == 0 || s->refused_told_ms + 1000 < at))
		at = s->refused_told_ms + 1000;
	return at;
}

/* What lies unread in a socket when it is closed makes the other end's next read fail, whatever it had been sent. */
int control_send_exit(struct shim *s)
{
	char none;

	while (s->control >= 0 && recv(s->control, &none, sizeof(none), MSG_DONTWAIT) > 0)
		;
	return control_send_labelled(s, SHIM_EXIT, &s->record, sizeof(s->record));
}

void control_say(struct shim *s, unsigned owed)
{
	if (s->control < 0 || s->waiting) /* of a run that is over: it would be taken for the next one's */
		return;
	s->owed |= owed;
	control_send_owed(s);
}

/* A struct of another build: as much as both know, the rest zero. */
static void take_stop(const void *v, size_t n, struct shim_stop *ret)
{
	memset(ret, 0, sizeof(*ret));
	memcpy(ret, v, MIN(n, sizeof(*ret)));
	ret->why_text[sizeof(ret->why_text) - 1] = '\0';
}

static void take_message(struct shim *s, uint32_t type, const void *v, size_t n)
{
	struct shim_call_off off = {0};
	struct shim_stop stop;

	switch (type) {
	case SHIM_QUERY:
		control_say(s, OWED_HELLO);
		break;
	case SHIM_SIGNAL:
		take_stop(v, n, &stop);
		life_signal(s, stop.signal);
		break;
	case SHIM_STOP:
		take_stop(v, n, &stop);
		life_stop(s, &stop);
		break;
	case SHIM_LABEL:
		s->label_size = (uint32_t)MIN(n, sizeof(s->label));
		memcpy(s->label, v, s->label_size);
		break;
	case SHIM_REBIND:
		sockets_check(s);
		break;
	case SHIM_ARM:
		life_arm(s);
		break;
	case SHIM_CALL_OFF:
		memcpy(&off, v, MIN(n, sizeof(off)));
		probe_call_off(s, off.exec_id);
		break;
	default:
		break; /* of a newer daemon, or of no meaning here */
	}
}

/* A message that the stack is too small for: an exec, or nothing of ours. */
static int read_large(struct shim *s, size_t n)
{
	struct frame f;
	uint32_t type;
	char none;
	int rc = frame_read(s->control, n, &f, &type);

	if (rc == -EMSGSIZE || rc == -ENOMEM)
		return recv(s->control, &none, sizeof(none), MSG_DONTWAIT) < 0 ? -errno : 0; /* passed over */
	if (rc < 0)
		return rc;
	if (type == SHIM_PLAN && s->waiting) {
		shim_again(s, &f); /* keeps the frame */
		return 0;
	}
	if (type == SHIM_EXEC)
		probe_exec(s, &f);
	frame_free(&f);
	return 0;
}

static bool is_large(uint32_t type)
{
	return type == SHIM_EXEC || type == SHIM_PLAN;
}

static int read_one(struct shim *s)
{
	char v[SMALL_MESSAGE];
	struct shim_msg head;
	ssize_t n = recv(s->control, v, sizeof(v), MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (n <= 0)
		return -EPIPE;
	memcpy(&head, v, sizeof(head));
	if (n > (ssize_t)sizeof(v) || (n >= (ssize_t)sizeof(head) && is_large(head.type)))
		return read_large(s, (size_t)n);
	(void)recv(s->control, v, sizeof(v), MSG_DONTWAIT); /* the one that was peeked at */
	if (n >= (ssize_t)sizeof(head) && head.size == (size_t)n - sizeof(head))
		take_message(s, head.type, v + sizeof(head), head.size);
	return 0;
}

void control_read(struct shim *s)
{
	for (int i = 0; i < MESSAGES_A_TURN && s->control >= 0 && !s->finished; i++) {
		int rc = read_one(s);

		if (rc == -EAGAIN)
			return;
		if (rc == 0)
			continue;
		os_close(&s->control); /* a daemon that ends or restarts: the next one must find us */
		s->owed = 0;
		probe_hang_up(s);
		if (s->waiting)
			life_leave(s);
		else
			sockets_check(s);
	}
}
