/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that an agent's filter does not allow. The kernel holds the caller and asks here: the call is counted
 * by its number, and answered with EPERM, or lets the process die of SIGSYS, or (learn) goes through and is
 * remembered.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "supervisor/shim/kernel.h"
#include "supervisor/shim/os.h"
#include "supervisor/shim/shim.h"
#include "supervisor/shim/text.h"

#define CALLS_A_TURN 64
#define STATUS_MAX   16384 /* a user may be in many groups */

/* The kernel writes as much as it knows of a notification, which may be more than we do. */
union notif {
	struct k_seccomp_notif v;
	char room[256];
};

static void count(struct shim *s, int nr)
{
	struct shim_refused *r = &s->record.refused;

	r->size = sizeof(*r);
	r->total++;
	if (nr >= 0 && (size_t)nr < sizeof(r->learned) * 8)
		r->learned[nr / 8] |= (uint8_t)(1 << nr % 8);
	for (uint32_t i = 0; i < r->kinds; i++)
		if (r->v[i].nr == nr) {
			r->v[i].count++;
			return;
		}
	if (r->kinds == SHIM_REFUSED_KINDS)
		return; /* in the total alone */
	r->v[r->kinds].nr = nr;
	r->v[r->kinds++].count = 1;
}

static uint64_t line_of(const char *status, const char *key, int base)
{
	const char *at = status;
	size_t len = strlen(key);

	while (at && strncmp(at, key, len) != 0) {
		at = strchr(at, '\n');
		if (at)
			at++;
	}
	return at ? strtoull(at + len, NULL, base) : 0;
}

/*
 * Ends the process whose call was refused. SIGSYS says why to whoever waits for it; where it is blocked, ignored or
 * caught only SIGKILL is sure. Returns its process id (of the thread's group).
 */
static int end_process(int tid)
{
	static const char *const masks[] = {"SigBlk:\t", "SigIgn:\t", "SigCgt:\t"};
	char path[32], *status = os_map(STATUS_MAX, false);
	struct text t = TEXT_OVER(path);
	int sig = SIGSYS, tgid;

	text_str(&t, "/proc/");
	text_u64(&t, (uint64_t)tid);
	text_str(&t, "/status");
	if (!status || os_read_file(AT_FDCWD, path, status, STATUS_MAX) <= 0) {
		os_unmap(status, STATUS_MAX);
		(void)kill(tid, SIGKILL); /* in doubt the sure one; gone already is as good */
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(masks); i++)
		if (line_of(status, masks[i], 16) >> (SIGSYS - 1) & 1)
			sig = SIGKILL;
	(void)kill(tid, sig); /* it waits for our answer, so it is there, or was killed by others */
	tgid = (int)line_of(status, "Tgid:\t", 10);
	os_unmap(status, STATUS_MAX);
	return tgid;
}

/* An answer to one call; returns false when none is to be sent. */
static bool decide(struct shim *s, const struct k_seccomp_notif *n, struct k_seccomp_resp *resp)
{
	*resp = (struct k_seccomp_resp){.id = n->id};
	count(s, n->data.nr);
	if (s->flags & SHIM_FLAG_SECCOMP_LEARN) {
		resp->flags = K_SECCOMP_USER_NOTIF_CONTINUE;
		return true;
	}
	s->record.refused_nr_last = n->data.nr;
	resp->error = -EPERM;
	if (!(s->flags & SHIM_FLAG_SECCOMP_KILL))
		return true;
	if (end_process((int)n->pid) == s->agent.pid)
		s->record.killed_by_seccomp = 1;
	return false;
}

void refuse_read(struct shim *s, const struct task *t)
{
	struct pollfd p = {.fd = t->listener, .events = POLLIN};
	bool any = false;

	for (int i = 0; i < CALLS_A_TURN && poll(&p, 1, 0) > 0 && (p.revents & POLLIN); i++) {
		struct k_seccomp_resp resp;
		union notif n;

		memset(&n, 0, sizeof(n));
		if (ioctl(t->listener, K_SECCOMP_NOTIF_RECV, &n) < 0)
			break; /* the caller is gone meanwhile */
		any = true;
		if (decide(s, &n.v, &resp))
			(void)ioctl(t->listener, K_SECCOMP_NOTIF_SEND, &resp); /* as above */
	}
	if (any)
		control_say(s, OWED_REFUSED);
}
