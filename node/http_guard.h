/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HTTP_GUARD_H
#define NODE_HTTP_GUARD_H
/*
 * A bound on the connections of nng's HTTP server, which has none: it keeps each one that says nothing, or half a
 * request, for ever, so that any local user could use up the daemon's descriptors.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HTTP_GUARD_KEPT	 64  /* connections that are left alone, however long they say nothing */
#define HTTP_GUARD_TRACK 512 /* known from one round to the next; a flood of more is seen to in several */

struct http_guard {
	uint16_t port;
	int low_fd;   /* the lowest free descriptor when all was well */
	size_t n;     /* of seen; 0: all is well */
	ino_t *seen;  /* owned; sockets of the last round, HTTP_GUARD_TRACK */
	uint64_t cut; /* connections shut down since the start */
};

void http_guard_init(struct http_guard *g, uint16_t port);
void http_guard_done(struct http_guard *g); /* a zeroed one is fine */
/*
 * Once every few seconds. Nearly free while the number of descriptors does not grow; else the port's connections are
 * counted, and beyond HTTP_GUARD_KEPT those are shut down that were there in the round before. Returns how many.
 */
size_t http_guard_round(struct http_guard *g);

#endif
