/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HTTP_H
#define NODE_HTTP_H
/*
 * The reading edge for machines: nng's HTTP server. /metrics (Prometheus text), /health/live, /health/ready, and
 * /v1/VERB for each verb marked `read`, as JSON rendered from the same msgpack. GET and HEAD only; the Host header
 * must be an address, localhost, the node's name or the bound host (against DNS rebinding); nothing shows environment
 * values. nng's threads hand the request over; the loop renders, at once or when what was asked for is there; the
 * answer goes back through the request's aio.
 */
#include <ev.h>

#include "base/bytes.h"
#include "base/err.h"

struct http;

struct http_answer {
	int status;		  /* 200, 503, … */
	const char *content_type; /* static */
	struct bytes body;	  /* taken */
};

struct http_request; /* kept until http_reply, which ends it */

/* Runs on the loop. path without the query; query may be "". Both are borrowed until the request ends. */
typedef void http_handler(void *arg, struct http_request *rq, const char *path, const char *query);
/* Once for each request, from within its handler or later, on the loop. Takes what is in `a`; status 0: 404. */
void http_reply(struct http_request *rq, struct http_answer *a);

int http_open(struct ev_loop *loop, const char *bind_host, uint16_t port, const char *node_name, http_handler *handler,
	void *arg, struct http **ret, struct err *e);
void http_close(struct http *h); /* every request that a handler was given must have been ended */
/* The port that is bound, when 0 was asked for. */
uint16_t http_port(const struct http *h);

#endif
