/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nng's HTTP server, from its threads to the loop and back. What can be refused without the node is refused on nng's
 * thread: methods, hosts, targets, too many at a time. The rest waits in a bounded list for the loop, which renders the
 * answer and finishes the request's aio.
 *
 * nng frees a server some time after it was released, on a thread of its own, and may call the handler until then. So
 * what the handler touches is counted, and outlives struct http.
 */
#include "node/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <nng/nng.h>
#include <nng/supplemental/http/http.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/http_guard.h"
#include "node/http_parse.h"

#define GUARD_S 5.0

struct shared {
	pthread_mutex_t lock;
	int refs; /* struct http's and the handler's */
	struct ev_loop *loop;
	ev_async *wake; /* NULL once closed */
	struct list waiting;
	size_t n_waiting;
	char *node_name, *bind_host; /* owned */
};

struct http {
	struct shared *shared;
	struct ev_loop *loop;
	ev_async wake;
	ev_timer guard_timer;
	struct http_guard guard;
	nng_http_server *server;
	http_handler *handler;
	void *arg;
	size_t n_kept; /* requests that handlers were given and have not ended */
	uint16_t port;
};

struct http_request {
	struct list link;
	struct http *http;
	nng_aio *aio; /* nng's, until it is finished */
	char path[HTTP_PATH_MAX], query[HTTP_QUERY_MAX];
};

static void drop_shared(struct shared *s)
{
	bool last;

	pthread_mutex_lock(&s->lock);
	last = --s->refs == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	(void)pthread_mutex_destroy(&s->lock);
	free(s->node_name);
	free(s->bind_host);
	free(s);
}

static void drop_by_nng(void *s)
{
	drop_shared(s);
}

static int fill(nng_http_res *res, int status, const char *type, const void *body, size_t n)
{
	int rv = nng_http_res_set_status(res, (uint16_t)status);

	if (rv == 0)
		rv = nng_http_res_set_header(res, "Content-Type", type);
	if (rv == 0)
		rv = nng_http_res_set_header(res, "Cache-Control", "no-store");
	if (rv == 0)
		rv = nng_http_res_set_header(res, "X-Content-Type-Options", "nosniff");
	if (rv == 0) /* who asks seldom shall hold no descriptor meanwhile */
		rv = nng_http_res_set_header(res, "Connection", "close");
	if (rv == 0 && status == NNG_HTTP_STATUS_METHOD_NOT_ALLOWED)
		rv = nng_http_res_set_header(res, "Allow", "GET, HEAD");
	if (rv == 0)
		rv = nng_http_res_copy_data(res, body, n);
	return rv;
}

static void finish(nng_aio *aio, int status, const char *type, const void *body, size_t n)
{
	nng_http_res *res = NULL;
	int rv = nng_http_res_alloc(&res);

	if (rv == 0)
		rv = fill(res, status, type, body, n);
	if (rv != 0) {
		nng_http_res_free(res);	 /* NULL is fine */
		nng_aio_finish(aio, rv); /* nng closes the connection */
		return;
	}
	(void)nng_aio_set_output(aio, 0, res); /* there is such an output */
	nng_aio_finish(aio, 0);
}

static void refuse(nng_aio *aio, int status, const char *sentence)
{
	finish(aio, status, "text/plain; charset=utf-8", sentence, strlen(sentence));
}

/* The status and sentence to refuse with, or 0. */
static int check(const struct shared *s, nng_http_req *req, const char **ret_sentence)
{
	const char *method = nng_http_req_get_method(req), *host = nng_http_req_get_header(req, "Host");

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		*ret_sentence = "only GET and HEAD are served here; to change something use the covey command\n";
		return NNG_HTTP_STATUS_METHOD_NOT_ALLOWED;
	}
	/* Only HTTP/1.0 gets here without a Host, and no browser speaks it. */
	if (host && !http_parse_host_ok(host, s->node_name, s->bind_host)) {
		*ret_sentence = "this server answers to an address, localhost and its node's name only: see http in "
				"coveyd.yaml(5)\n";
		return 421;
	}
	return 0;
}

static bool enqueue(struct shared *s, struct http_request *rq)
{
	bool room;

	pthread_mutex_lock(&s->lock);
	room = s->wake && s->n_waiting < HTTP_WAITING_MAX;
	if (room) {
		list_add_tail(&s->waiting, &rq->link);
		s->n_waiting++;
		ev_async_send(s->loop, s->wake);
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

/* On a thread of nng's. */
static void on_request(nng_aio *aio)
{
	nng_http_req *req = nng_aio_get_input(aio, 0);
	struct shared *s = nng_http_handler_get_data(nng_aio_get_input(aio, 1));
	const char *sentence;
	struct http_request *rq;
	int rc, status = check(s, req, &sentence);

	if (status) {
		refuse(aio, status, sentence);
		return;
	}
	rq = mem_alloc(sizeof(*rq));
	if (!rq) {
		refuse(aio, NNG_HTTP_STATUS_SERVICE_UNAVAILABLE, "out of memory: try again later\n");
		return;
	}
	list_init(&rq->link);
	rq->aio = aio;
	rc = http_parse_target(nng_http_req_get_uri(req), rq->path, rq->query);
	if (rc == 0 && enqueue(s, rq))
		return;
	free(rq);
	if (rc == -ENAMETOOLONG)
		refuse(aio, NNG_HTTP_STATUS_ENTITY_TOO_LONG, "the path is too long\n");
	else if (rc < 0)
		refuse(aio, NNG_HTTP_STATUS_BAD_REQUEST, "the path cannot be read\n");
	else
		refuse(aio, NNG_HTTP_STATUS_SERVICE_UNAVAILABLE, "too many are waiting: try again later\n");
}

/* The one that has waited longest; NULL: none. */
static struct http_request *take(struct shared *s)
{
	struct http_request *rq = NULL;

	pthread_mutex_lock(&s->lock);
	if (!list_is_empty(&s->waiting)) {
		rq = LIST_ENTRY(s->waiting.next, struct http_request, link);
		list_del(&rq->link);
		s->n_waiting--;
	}
	pthread_mutex_unlock(&s->lock);
	return rq;
}

void http_reply(struct http_request *rq, struct http_answer *a)
{
	int status = a->status ? a->status : NNG_HTTP_STATUS_NOT_FOUND;

	if (a->body.failed)
		refuse(rq->aio, NNG_HTTP_STATUS_INTERNAL_SERVER_ERROR,
			"the answer is too large, or there was no memory\n");
	else if (status == NNG_HTTP_STATUS_NOT_FOUND && a->body.n == 0)
		refuse(rq->aio, NNG_HTTP_STATUS_NOT_FOUND, "there is nothing at this path\n");
	else
		finish(rq->aio, status, a->content_type ? a->content_type : "text/plain; charset=utf-8", a->body.v,
			a->body.n);
	bytes_done(&a->body);
	rq->http->n_kept--;
	free(rq);
}

static void hand_over(struct http *h, struct http_request *rq)
{
	rq->http = h;
	h->n_kept++;
	h->handler(h->arg, rq, rq->path, rq->query);
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct http *h = w->data;
	struct http_request *rq;

	(void)loop;    /* it is h's */
	(void)revents; /* only one kind */
	while ((rq = take(h->shared)))
		hand_over(h, rq);
}

static void on_guard(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct http *h = w->data;
	size_t n = http_guard_round(&h->guard);

	(void)loop;    /* it repeats */
	(void)revents; /* only one kind */
	if (n > 0)
		log_warn("http: %zu connections that asked nothing for %.0f s were too many, closing them", n, GUARD_S);
}

static struct shared *new_shared(struct http *h, const char *bind_host, const char *node_name)
{
	struct shared *s = mem_zalloc(1, sizeof(*s));

	if (!s)
		return NULL;
	(void)pthread_mutex_init(&s->lock, NULL); /* cannot fail with default attributes */
	s->refs = 1;
	s->loop = h->loop;
	s->wake = &h->wake;
	list_init(&s->waiting);
	s->node_name = mem_strdup(node_name);
	s->bind_host = mem_strdup(bind_host);
	if (s->node_name && s->bind_host)
		return s;
	drop_shared(s);
	return NULL;
}

static int add_handler(struct http *h)
{
	nng_http_handler *handler = NULL;
	int rv = nng_http_handler_alloc(&handler, "/", on_request);

	if (rv != 0)
		return rv;
	rv = nng_http_handler_set_tree(handler);
	if (rv == 0)
		rv = nng_http_handler_set_method(handler, NULL);
	if (rv == 0)
		rv = nng_http_handler_collect_body(handler, true, 0);
	if (rv == 0) {
		h->shared->refs++; /* nobody else knows it yet */
		rv = nng_http_handler_set_data(handler, h->shared, drop_by_nng);
	}
	if (rv == 0)
		rv = nng_http_server_add_handler(h->server, handler);
	if (rv != 0)
		nng_http_handler_free(handler);
	return rv;
}

static int bound_port(struct http *h)
{
	nng_sockaddr at;
	int rv = nng_http_server_get_addr(h->server, &at);

	if (rv == 0)
		h->port = ntohs(at.s_family == NNG_AF_INET6 ? at.s_in6.sa_port : at.s_in.sa_port);
	return rv;
}

static int start(struct http *h, const char *bind_host, uint16_t port)
{
	AUTO_FREE char *text = mem_printf(strchr(bind_host, ':') ? "http://[%s]:%u" : "http://%s:%u", bind_host, port);
	nng_url *url = NULL;
	int rv = text ? nng_url_parse(&url, text) : NNG_ENOMEM;

	if (rv == 0)
		rv = nng_http_server_hold(&h->server, url);
	nng_url_free(url); /* NULL is fine */
	if (rv == 0)
		rv = add_handler(h);
	if (rv == 0)
		rv = nng_http_server_start(h->server);
	if (rv == 0)
		rv = bound_port(h);
	return rv;
}

static void free_http(struct http *h)
{
	if (h->server) {
		nng_http_server_stop(h->server);
		nng_http_server_release(h->server);
	}
	if (h->shared)
		drop_shared(h->shared);
	http_guard_done(&h->guard);
	free(h);
}

static int say(int rv, const char *host, uint16_t port, struct err *e)
{
	static const struct {
		int nng, errnum;
	} codes[] = {{NNG_ENOMEM, ENOMEM}, {NNG_EADDRINUSE, EADDRINUSE}, {NNG_EPERM, EACCES},
		{NNG_EADDRINVAL, EADDRNOTAVAIL}};
	int code = -EIO;

	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (codes[i].nng == rv)
			code = -codes[i].errnum;
	return err_set(
		e, code, "http.bind: listen at %s port %u: %s; give it another, or none", host, port, nng_strerror(rv));
}

int http_open(struct ev_loop *loop, const char *bind_host, uint16_t port, const char *node_name, http_handler *handler,
	void *arg, struct http **ret, struct err *e)
{
	struct http *h = mem_zalloc(1, sizeof(*h));
	int rv;

	if (!h)
		return err_set(e, -ENOMEM, "out of memory for http");
	h->loop = loop;
	h->handler = handler;
	h->arg = arg;
	ev_async_init(&h->wake, on_wake);
	h->wake.data = h;
	ev_timer_init(&h->guard_timer, on_guard, GUARD_S, GUARD_S);
	h->guard_timer.data = h;
	h->shared = new_shared(h, bind_host, node_name);
	rv = h->shared ? start(h, bind_host, port) : NNG_ENOMEM;
	if (rv != 0) {
		free_http(h);
		return say(rv, bind_host, port, e);
	}
	http_guard_init(&h->guard, h->port);
	ev_async_start(loop, &h->wake);
	ev_timer_start(loop, &h->guard_timer);
	*ret = h;
	return 0;
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

void http_close(struct http *h)
{
	struct http_request *rq;

	if (!h)
		return;
	assert(h->n_kept == 0);
	pthread_mutex_lock(&h->shared->lock);
	h->shared->wake = NULL; /* who comes from now on is refused on nng's thread */
	pthread_mutex_unlock(&h->shared->lock);
	while ((rq = take(h->shared))) { /* nng waits for each of them before it ends */
		refuse(rq->aio, NNG_HTTP_STATUS_SERVICE_UNAVAILABLE, "the daemon is stopping\n");
		free(rq);
	}
	ev_async_stop(h->loop, &h->wake);
	ev_timer_stop(h->loop, &h->guard_timer);
	free_http(h);
}
