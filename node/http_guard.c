/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bound on the connections of nng's HTTP server. They are found among our own descriptors, and shut down through a
 * duplicate that was looked at after it was made: nng may close its own at any instant, and the number may by then be
 * another file.
 */
#include "node/http_guard.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/mem.h"

#define GROWTH 64 /* descriptors more than when all was well: worth a look */
#define LOWEST 16
#define BEYOND 4096 /* numbers looked at beyond the lowest free one */

struct round {
	struct http_guard *g;
	ino_t *now;
	size_t n, cut;
};

/* The last of the lowest few that are free: one or two may be so for an instant only. */
static int lowest_free(void)
{
	int v[LOWEST], n = 0, last = -1;

	while (n < LOWEST && (v[n] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		last = v[n++];
	for (int i = 0; i < n; i++)
		(void)close(v[i]);			/* just made */
	return n == LOWEST ? last : INT32_MAX - BEYOND; /* hardly one is free: surely worth a look */
}

void http_guard_init(struct http_guard *g, uint16_t port)
{
	*g = (struct http_guard){.port = port, .low_fd = lowest_free()};
}

void http_guard_done(struct http_guard *g)
{
	free(g->seen);
	g->seen = NULL;
	g->n = 0;
}

/* The inode of a connection that was accepted at the port, 0 for anything else. */
static ino_t inode_if_ours(int fd, uint16_t port)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	socklen_t n = sizeof(at), n_listening = sizeof(int);
	struct stat st;
	int listening;

	if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) || getsockname(fd, &at.any, &n) < 0)
		return 0;
	if (!(at.any.sa_family == AF_INET && ntohs(at.v4.sin_port) == port) &&
		!(at.any.sa_family == AF_INET6 && ntohs(at.v6.sin6_port) == port))
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n_listening) < 0 || listening)
		return 0;
	return st.st_ino;
}

static bool was_seen(const struct http_guard *g, ino_t ino)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->seen[i] == ino)
			return true;
	return false;
}

static bool cut(int number, ino_t ino, uint16_t port)
{
	AUTO_CLOSE int fd = fcntl(number, F_DUPFD_CLOEXEC, 0);

	if (fd < 0) /* none is left: then it must be by number, or nothing would ever be closed */
		return shutdown(number, SHUT_RDWR) == 0;
	return inode_if_ours(fd, port) == ino && shutdown(fd, SHUT_RDWR) == 0;
}

static void look_at(struct round *r, int number)
{
	ino_t ino = inode_if_ours(number, r->g->port);

	if (ino == 0 || r->n >= HTTP_GUARD_TRACK)
		return;
	r->now[r->n++] = ino;
	if (r->n > HTTP_GUARD_KEPT && was_seen(r->g, ino))
		r->cut += cut(number, ino, r->g->port);
}

static int last_number(int low)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return low;
	return (int)MIN(limit.rlim_cur, (rlim_t)low + BEYOND);
}

size_t http_guard_round(struct http_guard *g)
{
	int low = lowest_free(), last;
	struct round r = {.g = g};

	if (low < g->low_fd + GROWTH && g->n == 0) {
		g->low_fd = MIN(low, g->low_fd);
		return 0;
	}
	r.now = mem_zalloc(HTTP_GUARD_TRACK, sizeof(r.now[0]));
	if (!r.now)
		return 0; /* the next round, perhaps */
	last = last_number(low);
	for (int i = 0; i < last; i++)
		look_at(&r, i);
	free(g->seen);
	g->seen = r.now;
	g->n = r.n;
	g->cut += r.cut;
	if (r.n <= HTTP_GUARD_KEPT) {
		http_guard_done(g);
		g->low_fd = low;
	}
	return r.cut;
}
