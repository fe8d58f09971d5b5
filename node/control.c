/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket on the loop. One receive of nng is under way at a time; its callback puts the frame into a bounded
 * inbox and wakes the loop. A full inbox takes no further frame until the loop has emptied it: peers wait in nng.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <nng/protocol/reqrep0/rep.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define SEND_QUEUE 256
#define SEND_MS	   1000

/* On a thread of nng's. */
static void on_frame(void *arg)
{
	struct control *c = arg;
	int rv = nng_aio_result(c->aio);
	bool again;

	if (rv == NNG_ECLOSED || rv == NNG_ECANCELED)
		return;
	pthread_mutex_lock(&c->lock);
	if (rv == 0)
		c->inbox[c->n_inbox++] = nng_aio_get_msg(c->aio);
	again = c->n_inbox < CONTROL_INBOX_MAX;
	c->receiving = again;
	pthread_mutex_unlock(&c->lock);
	ev_async_send(c->loop, &c->wake);
	if (again)
		nng_recv_aio(c->socket, c->aio);
}

static size_t take_inbox(struct control *c, nng_msg *v[CONTROL_INBOX_MAX])
{
	bool again;
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = c->n_inbox;
	memcpy(v, c->inbox, n * sizeof(v[0]));
	c->n_inbox = 0;
	again = !c->receiving && !c->closing;
	c->receiving = c->receiving || again;
	pthread_mutex_unlock(&c->lock);
	if (again)
		nng_recv_aio(c->socket, c->aio);
	return n;
}

static void note_who_left(struct control *c)
{
	struct control_peer who;

	if (!control_peers_left(&c->peers))
		return;
	LIST_FOREACH (p, &c->waiting) {
		struct control_request *rq = LIST_ENTRY(p, struct control_request, link);

		if (rq->msg && !rq->gone)
			rq->gone = !control_peers_find(&c->peers, nng_msg_get_pipe(rq->msg).id, &who);
	}
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct control *c = w->data;
	nng_msg *v[CONTROL_INBOX_MAX];
	size_t n = take_inbox(c, v);

	(void)loop;    /* it is c's */
	(void)revents; /* only one kind */
	note_who_left(c);
	for (size_t i = 0; i < n; i++) {
		char verb[CONTROL_VERB_MAX];
		const msgpack_object *args;
		struct control_request *rq = control_request_read(c, v[i], verb, &args);

		if (rq)
			c->handler(c->arg, rq, verb, args);
	}
}

static int open_socket(struct control *c)
{
	int rv = nng_rep0_open_raw(&c->socket);

	if (rv != 0)
		return rv;
	rv = nng_socket_set_size(c->socket, NNG_OPT_RECVMAXSZ, CONTROL_FRAME_MAX);
	if (rv == 0)
		rv = nng_socket_set_int(c->socket, NNG_OPT_SENDBUF, SEND_QUEUE);
	if (rv == 0)
		rv = nng_socket_set_ms(c->socket, NNG_OPT_SENDTIMEO, SEND_MS);
	if (rv == 0)
		rv = control_peers_watch(&c->peers, c->socket);
	if (rv == 0)
		rv = nng_aio_alloc(&c->aio, on_frame, c);
	if (rv != 0)
		(void)nng_close(c->socket); /* just opened */
	return rv;
}

static void free_control(struct control *c)
{
	control_peers_done(&c->peers);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->path);
	free(c);
}

static struct control *new_control(struct ev_loop *loop, const char *path, uint32_t allow_uid)
{
	struct control *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	if (control_peers_init(&c->peers, loop, &c->wake, allow_uid) < 0) {
		free(c);
		return NULL;
	}
	(void)pthread_mutex_init(&c->lock, NULL); /* cannot fail with default attributes */
	list_init(&c->waiting);
	c->loop = loop;
	ev_async_init(&c->wake, on_wake);
	c->wake.data = c;
	c->path = mem_strdup(path);
	if (c->path)
		return c;
	free_control(c);
	return NULL;
}

static void close_socket(struct control *c)
{
	(void)nng_close(c->socket); /* once; its listeners with it; waits for the pipes' callbacks */
	nng_aio_stop(c->aio);
	nng_aio_free(c->aio);
	for (size_t i = 0; i < c->n_inbox; i++)
		nng_msg_free(c->inbox[i]);
}

int control_open(struct ev_loop *loop, const char *path, uint32_t allow_uid, control_handler *handler, void *arg,
	struct control **ret, struct err *e)
{
	struct control *c = new_control(loop, path, allow_uid);
	int rv, rc;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory for the control socket");
	c->handler = handler;
	c->arg = arg;
	rv = open_socket(c);
	if (rv != 0) {
		free_control(c);
		return err_set(e, rv == NNG_ENOMEM ? -ENOMEM : -EIO, "control socket: %s", nng_strerror(rv));
	}
	ev_async_start(loop, &c->wake);
	c->receiving = true;
	nng_recv_aio(c->socket, c->aio);
	rc = control_socket_listen(c, e);
	if (rc == 0) {
		*ret = c;
		return 0;
	}
	close_socket(c);
	ev_async_stop(loop, &c->wake);
	free_control(c);
	return rc;
}

void control_close(struct control *c)
{
	bool answered;

	if (!c)
		return;
	c->closing = true;
	answered = !list_is_empty(&c->waiting);
	(void)unlink(c->path); /* nobody new; gone already is as good */
	while (!list_is_empty(&c->waiting))
		control_refuse(
			LIST_ENTRY(c->waiting.next, struct control_request, link), "refused", "the daemon is stopping");
	if (answered) /* closing drops what was not sent; who has its answer leaves */
		control_peers_await_none(&c->peers, CONTROL_CLOSE_MS);
	close_socket(c);
	ev_async_stop(c->loop, &c->wake);
	free_control(c);
}

int control_rebind(struct control *c, struct err *e)
{
	return control_socket_listen(c, e);
}

void control_stats(const struct control *c, struct control_stats *ret)
{
	struct control_peers *p = (struct control_peers *)&c->peers; /* its lock is no part of its state */

	*ret = c->st;
	pthread_mutex_lock(&p->lock);
	ret->refused_peers = p->refused;
	ret->dropped_full += p->full;
	pthread_mutex_unlock(&p->lock);
}
