/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: opened, closed, made again; who comes is let in or not; and whose turn it is, each time the loop
 * is woken by what nng's threads have noted.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define FLUSH_S	       2   /* for the last answers to leave, all together */
#define ACCEPT_PAUSE_S 0.1 /* after an accept that failed for want of descriptors or memory */

/* On a thread of nng's. */
static void on_accept(void *arg)
{
	struct control *c = arg;

	pthread_mutex_lock(&c->lock);
	c->accepted = true;
	pthread_mutex_unlock(&c->lock);
	ev_async_send(c->loop, &c->wake);
}

static void let_in(struct control *c, nng_stream *s)
{
	struct control_peer who = {.pid = -1};
	bool known = control_peer_ask(s, &who);

	if (!known || !control_peer_may(c, &who)) {
		c->st.refused_peers++;
		nng_stream_free(s);
		log_warn("control: pid %d, uid %u may not, closing its connection", who.pid, who.uid);
		return;
	}
	if (c->n_conns >= CONTROL_PEERS_MAX) {
		c->st.dropped_full++;
		nng_stream_free(s);
		log_warn("control: %zu are connected, closing the connection of pid %d", c->n_conns, who.pid);
		return;
	}
	if (control_conn_new(c, s, &who) < 0)
		log_warn("control: out of memory, closing the connection of pid %d", who.pid);
}

static void accept_next(struct control *c)
{
	if (c->listener && !c->closing)
		nng_stream_listener_accept(c->listener, c->accept);
}

static void end_accept(struct control *c)
{
	int rv = nng_aio_result(c->accept);

	if (rv == 0)
		let_in(c, nng_aio_get_output(c->accept, 0));
	if (rv == NNG_ENOFILES || rv == NNG_ENOMEM) {
		log_warn("control: cannot accept a connection (%s), trying again", nng_strerror(rv));
		ev_timer_set(&c->accept_again, ACCEPT_PAUSE_S, 0);
		ev_timer_start(c->loop, &c->accept_again);
		return;
	}
	accept_next(c);
}

static void on_accept_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;    /* it is c's */
	(void)revents; /* only one kind */
	accept_next(w->data);
}

static bool take_accepted(struct control *c)
{
	bool accepted;

	pthread_mutex_lock(&c->lock);
	accepted = c->accepted;
	c->accepted = false;
	pthread_mutex_unlock(&c->lock);
	return accepted;
}

/* The next connection that something fired for; NULL: none. */
static struct control_conn *take_ready(struct control *c, unsigned *ret_fired)
{
	struct control_conn *k = NULL;

	pthread_mutex_lock(&c->lock);
	if (!list_is_empty(&c->ready)) {
		k = LIST_ENTRY(c->ready.next, struct control_conn, ready);
		list_del(&k->ready);
		*ret_fired = k->fired;
		k->fired = 0;
	}
	pthread_mutex_unlock(&c->lock);
	return k;
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	struct control *c = w->data;
	struct control_conn *k;
	unsigned fired;

	(void)revents; /* only one kind */
	if (take_accepted(c))
		end_accept(c);
	for (int i = 0; i < CONTROL_PEERS_MAX; i++) { /* bounded: others on the loop have their turn too */
		k = take_ready(c, &fired);
		if (!k)
			return;
		control_conn_turn(k, fired);
	}
	ev_async_send(loop, w);
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct control *c = w->data;

	(void)loop;    /* it is c's */
	(void)revents; /* only one kind */
	LIST_FOREACH_SAFE (at, &c->conns) {
		struct control_conn *k = LIST_ENTRY(at, struct control_conn, link);

		if (k->tx_busy)
			control_conn_turn(k, 0);
	}
}

void control_await(struct control *c, int ms)
{
	ev_tstamp pause = ms / 1e3;

	if (ev_is_active(&c->look) && ev_timer_remaining(c->loop, &c->look) <= pause)
		return;
	ev_timer_stop(c->loop, &c->look);
	ev_timer_set(&c->look, pause, 0);
	ev_timer_start(c->loop, &c->look);
}

static void free_control(struct control *c)
{
	nng_aio_free(c->accept);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->path);
	free(c);
}

static struct control *new_control(struct ev_loop *loop, const char *path)
{
	struct control *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	(void)pthread_mutex_init(&c->lock, NULL); /* cannot fail with default attributes */
	list_init(&c->conns);
	list_init(&c->ready);
	list_init(&c->waiting);
	c->loop = loop;
	c->gid = CONTROL_NOBODY;
	ev_async_init(&c->wake, on_wake);
	c->wake.data = c;
	ev_timer_init(&c->accept_again, on_accept_again, 0, 0);
	c->accept_again.data = c;
	ev_timer_init(&c->look, on_look, 0, 0);
	c->look.data = c;
	c->path = mem_strdup(path);
	if (c->path && nng_aio_alloc(&c->accept, on_accept, c) == 0)
		return c;
	free_control(c);
	return NULL;
}

int control_open(struct ev_loop *loop, const char *path, uint32_t allow_uid, control_handler *handler, void *arg,
	struct control **ret, struct err *e)
{
	struct control *c = new_control(loop, path);
	int rc;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory for the control socket");
	c->allow_uid = allow_uid;
	c->handler = handler;
	c->arg = arg;
	rc = control_socket_listen(c, e);
	if (rc < 0) {
		free_control(c);
		return rc;
	}
	ev_async_start(loop, &c->wake);
	accept_next(c);
	*ret = c;
	return 0;
}

/* Who was accepted just before, and has not been seen, asks again. */
static void close_listener(struct control *c)
{
	control_socket_close(c);
	if (take_accepted(c) && nng_aio_result(c->accept) == 0)
		nng_stream_free(nng_aio_get_output(c->accept, 0));
	ev_timer_stop(c->loop, &c->accept_again);
}

void control_close(struct control *c)
{
	struct timespec until;

	if (!c)
		return;
	c->closing = true;
	close_listener(c);
	while (!list_is_empty(&c->waiting))
		control_refuse(LIST_ENTRY(c->waiting.next, struct control_request, link), "stopping",
			"the daemon is stopping");
	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
	until.tv_sec += FLUSH_S;
	while (!list_is_empty(&c->conns)) {
		struct control_conn *k = LIST_ENTRY(c->conns.next, struct control_conn, link);

		control_conn_flush(k, &until);
		control_conn_free(k);
	}
	ev_async_stop(c->loop, &c->wake);
	ev_timer_stop(c->loop, &c->look);
	free_control(c);
}

int control_rebind(struct control *c, struct err *e)
{
	int rc;

	if (access(c->path, F_OK) == 0)
		return err_set(e, -EEXIST, "'%s' is there", c->path);
	close_listener(c);
	rc = control_socket_listen(c, e);
	if (rc == 0)
		accept_next(c);
	return rc;
}

void control_stats(const struct control *c, struct control_stats *ret)
{
	*ret = c->st;
}
