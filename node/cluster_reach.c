/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a host is up whose daemon says nothing: its kernel takes a connection for a daemon that stands still, and
 * refuses one for a daemon that is gone; a host that is lost answers neither. Nothing is said on that connection.
 * Where a name stands for the address nobody is asked: resolving it would hold the loop up.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "node/cluster_priv.h"

#define BOUND_S 2.0 /* one that answers later is slower than any profile's probes */

static void end(struct cluster_reach *r)
{
	ev_io_stop(r->c->n->loop, &r->io);
	ev_timer_stop(r->c->n->loop, &r->bound);
	(void)close(r->fd); /* nothing was written */
	r->id = 0;
}

static void on_answer(struct ev_loop *loop, ev_io *w, int revents)
{
	struct cluster_reach *r = w->data;
	struct gossip_in in = {.type = GOSSIP_IN_REACHED, .id = r->id};
	struct cluster *c = r->c;
	int error = 0;
	socklen_t n = sizeof(error);

	(void)loop;
	(void)revents;
	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
		error = errno;
	end(r);
	if (error != 0 && error != ECONNREFUSED)
		return;
	node_now(c->n);
	cluster_in(c, &in);
	cluster_arm(c);
}

static void on_bound(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	end(w->data);
}

/* "10.0.0.1:7947", "[::1]:7947": numbers alone. */
static struct addrinfo *numbers(const char *address)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	const char *colon = strrchr(address, ':');
	bool bracketed = address[0] == '[' && colon && colon > address && colon[-1] == ']';
	char host[TRANSPORT_ADDR_MAX];
	struct addrinfo *found;
	int n;

	if (!colon)
		return NULL;
	n = snprintf(host, sizeof(host), "%.*s", (int)(colon - address) - 2 * bracketed, address + bracketed);
	if (n < 0 || (size_t)n >= sizeof(host) || getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return NULL;
	return found;
}

/* -1: it cannot be asked, or is not there. */
static int begin(const char *address)
{
	struct addrinfo *a = numbers(address);
	int fd = a ? socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;

	if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
		(void)close(fd); /* nothing was written */
		fd = -1;
	}
	if (a)
		freeaddrinfo(a);
	return fd;
}

void cluster_reach(struct cluster *c, uint64_t id, const char *address)
{
	struct cluster_reach *r = NULL;

	for (size_t i = 0; i < CLUSTER_REACH_MAX; i++) {
		if (c->reach[i].id == id)
			return;
		r = !r && c->reach[i].id == 0 ? &c->reach[i] : r;
	}
	if (!r)
		return; /* it is not known, then */
	*r = (struct cluster_reach){.c = c, .fd = begin(address)};
	if (r->fd < 0)
		return;
	r->id = id;
	ev_io_init(&r->io, on_answer, r->fd, EV_WRITE);
	ev_timer_init(&r->bound, on_bound, BOUND_S, 0.);
	r->io.data = r->bound.data = r;
	ev_io_start(c->n->loop, &r->io);
	ev_timer_start(c->n->loop, &r->bound);
}

void cluster_reach_end(struct cluster *c)
{
	for (size_t i = 0; i < CLUSTER_REACH_MAX; i++)
		if (c->reach[i].id != 0)
			end(&c->reach[i]);
}
