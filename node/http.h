/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_HTTP_H
#define NODE_HTTP_H
/*
 * The reading edge for machines: nng's HTTP server. /metrics (Prometheus text), /health/live, /health/ready, and
 * /v1/VERB for each verb marked `read`, as JSON rendered from the same msgpack. GET and HEAD only; the Host header
 * must be an address, localhost, the node's name or the bound host (against DNS rebinding); nothing shows environment
 * values. nng's threads hand the request over; the loop renders; the answer goes back through the request's aio.
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

/* Runs on the loop. path without the query; query may be "". Answer now. */
typedef void http_handler(void *arg, const char *path, const char *query, struct http_answer *ret);

int http_open(struct ev_loop *loop, const char *bind_host, uint16_t port, const char *node_name, http_handler *handler,
	void *arg, struct http **ret, struct err *e);
void http_close(struct http *h);
/* The port that is bound, when 0 was asked for. */
uint16_t http_port(const struct http *h);

#endif
