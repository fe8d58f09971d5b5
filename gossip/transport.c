/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, closing, accepting, whose turn it is, and the deadlines. Deadlines are ours alone: a timeout of nng's ends a
 * TLS stream when it comes while reading, and may not come at all while a handshake waits to write.
 */
#include "gossip/transport_priv.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#define ACCEPT_PAUSE_MS 100 /* after an accept that failed for want of descriptors or memory */

/* On a thread of nng's. */
static void on_accept(void *arg)
{
	struct transport *t = arg;

	pthread_mutex_lock(&t->lock);
	t->accepted = true;
	pthread_mutex_unlock(&t->lock);
	t->hooks->wake(t->arg);
}

static bool take_accepted(struct transport *t)
{
	bool accepted;

	pthread_mutex_lock(&t->lock);
	accepted = t->accepted;
	t->accepted = false;
	pthread_mutex_unlock(&t->lock);
	return accepted;
}

bool transport_is_full(struct transport *t)
{
	size_t n = t->st.up + t->st.pending + t->st.dialling + t->dead;

	pthread_mutex_lock(&t->lock);
	n += t->reaping;
	pthread_mutex_unlock(&t->lock);
	return n >= TRANSPORT_LINKS_MAX;
}

static void accept_next(struct transport *t)
{
	if (!t->listener || t->accepting || t->st.pending >= t->limits.pending || t->now_ms < t->accept_at_ms ||
		transport_is_full(t))
		return;
	t->accepting = true;
	nng_stream_listener_accept(t->listener, t->accept);
}

static void end_accept(struct transport *t, int64_t now_ms)
{
	int rv = nng_aio_result(t->accept);
	nng_stream *stream = rv == 0 ? nng_aio_get_output(t->accept, 0) : NULL;
	struct transport_link *k;

	t->accepting = false;
	if (stream) {
		nng_aio_set_output(t->accept, 0, NULL); /* taken */
		t->st.accepted++;
		k = transport_link_new(t);
		if (k)
			transport_link_begin(k, stream, now_ms);
		else
			nng_stream_free(stream);
	} else if (rv != NNG_ECANCELED && rv != NNG_ECONNABORTED) {
		t->st.accept_faults++;
		t->accept_at_ms = now_ms + ACCEPT_PAUSE_MS;
		log_warn("gossip: cannot accept a connection (%s), trying again", nng_strerror(rv));
	}
}

static int64_t link_deadline(const struct transport_link *k)
{
	int64_t at = k->deadline_ms;

	if (k->state == LINK_UP && k->n_out > 0)
		at = k->tx_since_ms + k->t->limits.stall_ms;
	if (k->tx_busy && k->state != LINK_HELLO) /* there it waits for the handshake, and nobody for it */
		at = MIN(at, k->tx_look_ms);
	return k->state == LINK_DEAD ? 0 : at;
}

static void look_at_clock(struct transport *t)
{
	for (size_t i = 0; i < TRANSPORT_LINKS_MAX; i++) {
		struct transport_link *k = t->links[i];

		if (k && k->state != LINK_DEAD && link_deadline(k) <= t->now_ms)
			transport_link_late(k, t->now_ms);
	}
}

static void free_dead(struct transport *t)
{
	for (size_t i = 0; i < TRANSPORT_LINKS_MAX && t->dead > 0; i++)
		if (t->links[i] && t->links[i]->state == LINK_DEAD)
			transport_link_free(t->links[i]);
}

/* The next link that something fired for; NULL: none. */
static struct transport_link *take_ready(struct transport *t, unsigned *ret_fired)
{
	struct transport_link *k = NULL;

	pthread_mutex_lock(&t->lock);
	if (!list_is_empty(&t->ready)) {
		k = LIST_ENTRY(t->ready.next, struct transport_link, ready);
		list_del(&k->ready);
		*ret_fired = k->fired;
		k->fired = 0;
	}
	pthread_mutex_unlock(&t->lock);
	return k;
}

void transport_turn(struct transport *t, int64_t now_ms)
{
	struct transport_link *k;
	unsigned fired = 0;

	t->now_ms = now_ms;
	if (take_accepted(t))
		end_accept(t, now_ms);
	for (int i = 0; i < TRANSPORT_LINKS_MAX; i++) { /* bounded: others on the loop have their turn too */
		k = take_ready(t, &fired);
		if (!k)
			break;
		if (k->state != LINK_DEAD)
			transport_link_turn(k, fired, now_ms);
	}
	look_at_clock(t);
	transport_door_turn(t);
	free_dead(t);
	accept_next(t);
	pthread_mutex_lock(&t->lock);
	fired = !list_is_empty(&t->ready);
	pthread_mutex_unlock(&t->lock);
	if (fired)
		t->hooks->wake(t->arg);
}

int64_t transport_deadline_ms(const struct transport *t)
{
	int64_t at = t->listener && !t->accepting && t->accept_at_ms > t->now_ms ? t->accept_at_ms : DEADLINE_NEVER;

	at = MIN(at, transport_door_deadline_ms(t));
	for (size_t i = 0; i < TRANSPORT_LINKS_MAX; i++)
		if (t->links[i])
			at = MIN(at, link_deadline(t->links[i]));
	return at;
}

static int listen_at(struct transport *t, const char *bind, struct err *e)
{
	char url[STRING_MAX];
	int rv;

	if (!transport_dial_url(t->tls, bind, url, sizeof(url)))
		return err_set(e, -EINVAL, "gossip.bind '%.64s' is no HOST:PORT", bind);
	rv = nng_stream_listener_alloc(&t->listener, url);
	if (rv == 0)
		rv = nng_stream_listener_set_bool(t->listener, NNG_OPT_TCP_NODELAY, true);
	if (rv == 0)
		rv = nng_stream_listener_set_bool(t->listener, NNG_OPT_TCP_KEEPALIVE, true);
	if (rv == 0 && t->tls)
		rv = nng_stream_listener_set_ptr(t->listener, NNG_OPT_TLS_CONFIG, t->server);
	if (rv == 0)
		rv = nng_stream_listener_listen(t->listener);
	if (rv == 0)
		return 0;
	return err_set(e,
		rv == NNG_EADDRINUSE ? -EADDRINUSE
		: rv == NNG_ENOMEM   ? -ENOMEM
				     : -EADDRNOTAVAIL,
		"listen at '%s': %s", bind, nng_strerror(rv));
}

static struct transport *new_transport(const struct transport_config *c)
{
	struct transport *t = mem_zalloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->hello = c->hello;
	t->hello_arg = c->hello_arg;
	t->hooks = c->hooks;
	t->arg = c->arg;
	t->limits = (struct transport_limits){
		.dial_ms = c->limits.dial_ms ? c->limits.dial_ms : 3000,
		.hello_ms = c->limits.hello_ms ? c->limits.hello_ms : 5000,
		.stall_ms = c->limits.stall_ms ? c->limits.stall_ms : 20000,
		.pending = c->limits.pending ? c->limits.pending : 64,
	};
	t->tls = c->tls;
	t->gathers = c->gathers;
	list_init(&t->unsent);
	list_init(&t->ready);
	list_init(&t->dying);
	(void)pthread_mutex_init(&t->lock, NULL);   /* cannot fail with default attributes */
	(void)pthread_cond_init(&t->to_reap, NULL); /* likewise */
	if (nng_aio_alloc(&t->accept, on_accept, t) == 0)
		return t;
	(void)pthread_cond_destroy(&t->to_reap);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
	return NULL;
}

int transport_open(const struct transport_config *c, struct transport **ret, struct err *e)
{
	struct transport *t = new_transport(c);
	int rc;

	if (!t)
		return err_set(e, -ENOMEM, "out of memory for the transport");
	rc = transport_reap_begin(t);
	if (rc < 0)
		(void)err_set(e, rc, "the transport has no thread: %s", strerror(-rc)); /* rc goes on */
	if (rc == 0 && c->tls)
		rc = transport_tls_make(c->tls, &t->server, &t->client, e);
	if (rc == 0 && c->bind)
		rc = listen_at(t, c->bind, e);
	if (rc < 0) {
		transport_close(t);
		return rc;
	}
	accept_next(t);
	*ret = t;
	return 0;
}

void transport_close(struct transport *t)
{
	if (!t)
		return;
	if (t->listener)
		nng_stream_listener_close(t->listener);
	nng_aio_stop(t->accept); /* its callback has run after this */
	if (t->accepting && nng_aio_result(t->accept) == 0)
		nng_stream_free(nng_aio_get_output(t->accept, 0)); /* was accepted just before */
	for (size_t i = 0; i < TRANSPORT_LINKS_MAX; i++)
		if (t->links[i])
			transport_link_free(t->links[i]);
	transport_reap_end(t);
	nng_stream_listener_free(t->listener);
	nng_aio_free(t->accept);
	if (t->server)
		nng_tls_config_free(t->server);
	if (t->client)
		nng_tls_config_free(t->client);
	(void)pthread_cond_destroy(&t->to_reap);
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

int transport_set_tls(struct transport *t, const struct transport_tls *tls, struct err *e)
{
	nng_tls_config *server = NULL, *client = NULL;
	int rc;

	if (!t->tls)
		return err_set(e, -EINVAL, "tls: this node does without (gossip.insecure)");
	rc = transport_tls_make(tls, &server, &client, e);
	if (rc < 0)
		return rc;
	nng_tls_config_free(t->server); /* each link holds its own */
	nng_tls_config_free(t->client);
	t->server = server;
	t->client = client;
	if (t->listener) {
		(void)nng_stream_listener_set_ptr(t->listener, NNG_OPT_TLS_CONFIG, server); /* as at the start */
		nng_aio_cancel(t->accept); /* the one under way has the old certificates; it is begun again */
	}
	return 0;
}

size_t transport_room(struct transport *t, uint32_t link)
{
	struct transport_link *k = transport_link_find(t, link);
	size_t room;

	if (!k)
		return 0;
	transport_io_reap(k, MAX(t->now_ms, k->tx_since_ms));
	room = transport_io_room(k);
	k->wants_room |= room == 0;
	return room;
}

bool transport_is_idle(struct transport *t, uint32_t link)
{
	struct transport_link *k = transport_room(t, link) > 0 ? transport_link_find(t, link) : NULL;

	if (!k || k->n_out == 0)
		return k != NULL;
	k->wants_room = true;
	return false;
}

int transport_send(struct transport *t, uint32_t link, const void *frame, size_t n, int64_t now_ms)
{
	struct transport_link *k = transport_link_find(t, link);
	int rc;

	if (!k)
		return -ENOENT;
	transport_io_reap(k, now_ms);
	rc = transport_io_add(k, frame, n, now_ms);
	if (rc == 0)
		t->st.frames_out++;
	k->wants_room |= rc == -EAGAIN;
	return rc;
}

void transport_flush(struct transport *t, int64_t now_ms)
{
	LIST_FOREACH_SAFE (at, &t->unsent)
		transport_io_flush(LIST_ENTRY(at, struct transport_link, unsent), now_ms);
}

void transport_hang_up(struct transport *t, uint32_t link, bool flush, int64_t now_ms)
{
	struct transport_link *k = transport_link_find(t, link);

	if (!k)
		return;
	k->silenced = true;
	if (flush)
		transport_link_end(k, now_ms);
	else
		transport_link_over(k, "hung up");
}

bool transport_addresses(
	struct transport *t, uint32_t link, char local[TRANSPORT_ADDR_MAX], char remote[TRANSPORT_ADDR_MAX])
{
	const struct transport_link *k = transport_link_find(t, link);

	if (!k)
		return false;
	transport_dial_name(k->stream, NNG_OPT_LOCADDR, local);
	(void)strcpy(remote, k->remote); /* of the same size */
	return true;
}

int transport_port(const struct transport *t)
{
	int port = 0;

	if (t->listener)
		(void)nng_stream_listener_get_int(t->listener, NNG_OPT_TCP_BOUND_PORT, &port); /* else 0 */
	return port;
}

void transport_stats(const struct transport *t, struct transport_stats *ret)
{
	*ret = t->st;
}
