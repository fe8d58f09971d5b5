/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to the control socket. Each new pipe is asked for its peer before anything of it is read; who may
 * not is closed at once. The kernel has checked the file's mode before; this is the second lock, for a socket whose
 * mode or group somebody changed.
 *
 * Runs on nng's threads but for the questions of the loop.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NOBODY	    ((uint32_t)-1)
#define STATUS_READ 4096

int control_peers_init(struct control_peers *p, struct ev_loop *loop, ev_async *wake, uint32_t allow_uid)
{
	pthread_condattr_t attr;
	int rc;

	p->loop = loop;
	p->wake = wake;
	p->gid = NOBODY;
	p->allow_uid = allow_uid;
	if (pthread_condattr_init(&attr) != 0)
		return -ENOMEM;
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* a valid clock */
	rc = pthread_cond_init(&p->none, &attr);
	(void)pthread_condattr_destroy(&attr); /* cannot fail on an initialised one */
	if (rc == 0)
		(void)pthread_mutex_init(&p->lock, NULL); /* cannot fail with default attributes */
	return -rc;
}

void control_peers_done(struct control_peers *p)
{
	(void)pthread_cond_destroy(&p->none);
	(void)pthread_mutex_destroy(&p->lock);
}

/* The supplementary groups are nowhere but in /proc: "Groups:\t4 24 990 \n". */
static bool is_in_group(int pid, uint32_t gid)
{
	char path[64], text[STATUS_READ];
	AUTO_CLOSE int fd = -1;
	char *at;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	at = strstr(text, "\nGroups:");
	if (!at)
		return false;
	for (at += strlen("\nGroups:"); *at && *at != '\n';) {
		char *end;
		unsigned long v = strtoul(at, &end, 10);

		if (end == at)
			return false;
		if (v == gid)
			return true;
		at = end + strspn(end, " \t");
	}
	return false;
}

static bool may(const struct control_peers *p, const struct control_peer *who)
{
	if (who->uid == 0 || who->uid == (uint32_t)geteuid())
		return true;
	if (p->allow_uid != NOBODY && who->uid == p->allow_uid)
		return true;
	return p->gid != NOBODY && (who->gid == p->gid || is_in_group(who->pid, p->gid));
}

static bool ask(nng_pipe pipe, struct control_peer *ret)
{
	uint64_t uid, gid, pid;

	if (nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_UID, &uid) != 0 ||
		nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_GID, &gid) != 0 ||
		nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) != 0)
		return false;
	*ret = (struct control_peer){.uid = (uint32_t)uid, .gid = (uint32_t)gid, .pid = (int)pid};
	return true;
}

static void on_come(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct control_peers *p = arg;
	struct control_peer who;
	bool ok = ask(pipe, &who) && may(p, &who), room;

	(void)ev; /* only one kind */
	pthread_mutex_lock(&p->lock);
	room = p->n < CONTROL_PEERS_MAX;
	if (ok && room) {
		p->v[p->n].pipe = pipe.id;
		p->v[p->n++].who = who;
	}
	p->refused += !ok;
	p->full += ok && !room;
	pthread_mutex_unlock(&p->lock);
	if (!ok || !room)
		(void)nng_pipe_close(pipe); /* gone already is as good */
}

static void on_leave(nng_pipe pipe, nng_pipe_ev ev, void *arg)
{
	struct control_peers *p = arg;

	(void)ev; /* only one kind */
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].pipe == pipe.id) {
			p->v[i] = p->v[--p->n];
			p->left = true;
			break;
		}
	if (p->n == 0)
		pthread_cond_broadcast(&p->none);
	pthread_mutex_unlock(&p->lock);
	ev_async_send(p->loop, p->wake);
}

int control_peers_watch(struct control_peers *p, nng_socket s)
{
	int rv = nng_pipe_notify(s, NNG_PIPE_EV_ADD_PRE, on_come, p);

	return rv ? rv : nng_pipe_notify(s, NNG_PIPE_EV_REM_POST, on_leave, p);
}

bool control_peers_find(struct control_peers *p, uint32_t pipe, struct control_peer *ret)
{
	bool found = false;

	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < p->n && !found; i++) {
		found = p->v[i].pipe == pipe;
		if (found)
			*ret = p->v[i].who;
	}
	pthread_mutex_unlock(&p->lock);
	return found;
}

bool control_peers_left(struct control_peers *p)
{
	bool left;

	pthread_mutex_lock(&p->lock);
	left = p->left;
	p->left = false;
	pthread_mutex_unlock(&p->lock);
	return left;
}

void control_peers_await_none(struct control_peers *p, int ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
	until.tv_nsec += (long)ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&p->lock);
	while (p->n > 0 && pthread_cond_timedwait(&p->none, &p->lock, &until) == 0)
		;
	pthread_mutex_unlock(&p->lock);
}
