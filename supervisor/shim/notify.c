/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's NOTIFY_SOCKET. Any process of the host can send there; those of the agent's user and of its group are
 * heard. What was said is kept, and told to the daemon in its newest form.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "supervisor/shim/notifymsg.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"

#define DATAGRAMS_A_TURN  16
#define DATAGRAMS_DROPPED 1024 /* more than the kernel keeps (net.unix.max_dgram_qlen) where nobody speaks on */
#define DATAGRAM_MAX	  1024

static bool may_speak(const struct shim *s, const struct ucred *who)
{
	if (who->pid <= 0)
		return false;
	return who->uid == s->uid || group_has(&s->group, who->pid);
}

/* There is room for the sender's credentials alone: descriptors that it sends along are closed by the kernel. */
static ssize_t receive(int fd, char *v, size_t cap, struct ucred *ret_who)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {v, cap};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n < 0 ? NULL : CMSG_FIRSTHDR(&msg);

	*ret_who = (struct ucred){.pid = 0};
	if (cmsg && cmsg->cmsg_type == SCM_CREDENTIALS)
		memcpy(ret_who, CMSG_DATA(cmsg), sizeof(*ret_who));
	return n;
}

void notify_drop(struct shim *s)
{
	char v[8];

	for (int i = 0; i < DATAGRAMS_DROPPED && recv(s->notify_fd, v, sizeof(v), MSG_DONTWAIT) >= 0; i++)
		;
}

void notify_read(struct shim *s)
{
	bool any = false;

	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		char v[DATAGRAM_MAX];
		bool watchdog = false;
		struct ucred who;
		ssize_t n = receive(s->notify_fd, v, sizeof(v), &who);

		if (n < 0)
			break;
		if (!may_speak(s, &who))
			continue;
		any |= notifymsg_take(v, (size_t)n, &s->notify, &watchdog);
		if (watchdog)
			s->hello.watchdog_boot_ms = os_now_ms(CLOCK_BOOTTIME);
	}
	if (any)
		control_say(s, OWED_NOTIFY);
}
