/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of the control socket. Its memory is bounded by working on one request at a time: the next frame is
 * looked at when the answer before it has left, so a peer that does not read waits for itself. Meanwhile it is read on
 * into a bounded buffer, since that is how its leaving is noticed.
 *
 * We frame nng's streams ourselves instead of using its rep socket: there (1.5.2) a peer that goes away during the
 * handshake ends the listener for good, a slow reader's answers are dropped silently or pile up, and closing loses
 * what was not sent.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <string.h>

#include "base/aio.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/control_frame.h"

#define READ_MIN      4096
#define READ_MAX      ((size_t)1024 * 1024) /* at a time: memory follows what came */
#define IN_MAX	      (CONTROL_HEAD_BYTES + CONTROL_FRAME_MAX)
#define LOOK_MAX_MS   50		  /* an answer that does not fit is looked at again: in 0, 1, 2, … ms */
#define UNFINISHED_MS 10000		  /* for the rest of a hello or a frame, and for reading an answer */
#define KEEP_BYTES    ((size_t)16 * 1024) /* a larger buffer is not kept for the next frame */

void control_conn_fire(struct control_conn *k, unsigned what)
{
	struct control *c = k->control;

	pthread_mutex_lock(&c->lock);
	k->fired |= what;
	if (list_is_empty(&k->ready))
		list_add_tail(&c->ready, &k->ready);
	pthread_mutex_unlock(&c->lock);
	ev_async_send(c->loop, &c->wake);
}

static void on_rx(void *arg)
{
	control_conn_fire(arg, CONTROL_FIRED_RX);
}

static size_t left(const struct control_conn *k)
{
	return k->in.n - k->in_at;
}

/* What was taken makes room; only while nng does not write there. */
static void compact(struct control_conn *k)
{
	if (k->rx_busy || k->in_at == 0)
		return;
	k->in.n -= k->in_at;
	memmove(k->in.v, k->in.v + k->in_at, k->in.n);
	k->in_at = 0;
	if (k->in.n == 0 && k->in.cap > KEEP_BYTES)
		bytes_done(&k->in);
}

/* How much to read: what the frame needs, in steps, so that memory follows what came and not what was announced. */
static size_t wanted(const struct control_conn *k)
{
	struct control_frame f = {.need = CONTROL_HELLO_BYTES};
	size_t n;

	if (k->said_hello && control_frame_look(k->in.v, k->in.n, &f, NULL) < 0)
		return 0; /* told when its turn comes */
	n = f.need > k->in.n ? f.need - k->in.n : 0;
	return MIN(MIN(MAX(n, (size_t)READ_MIN), READ_MAX), IN_MAX - k->in.n);
}

static void read_more(struct control_conn *k)
{
	bool idle;
	nng_iov iov;

	if (k->rx_busy)
		return;
	compact(k);
	iov.iov_len = wanted(k);
	if (iov.iov_len == 0)
		return;
	if (bytes_reserve(&k->in, iov.iov_len) < 0) {
		k->dead = true;
		return;
	}
	iov.iov_buf = k->in.v + k->in.n;
	idle = k->said_hello && k->in.n == 0;
	(void)nng_aio_set_iov(k->rx, 1, &iov); /* one always fits */
	nng_aio_set_timeout(k->rx, idle ? NNG_DURATION_INFINITE : UNFINISHED_MS);
	k->rx_busy = true;
	nng_stream_recv(k->stream, k->rx);
}

static void end_rx(struct control_conn *k)
{
	int rv = nng_aio_result(k->rx);

	k->rx_busy = false;
	if (rv == 0) {
		k->in.n += nng_aio_count(k->rx);
		return;
	}
	if (rv == NNG_ETIMEDOUT && (k->request || k->out.n > 0 || (k->said_hello && left(k) == 0)))
		return; /* it is not the peer that is waited for */
	k->dead = true;
	if (rv == NNG_ETIMEDOUT) {
		k->control->st.bad_frames++;
		log_info("control: pid %d sent half a message and no more, closing", k->peer.pid);
	}
}

static void begin_tx(struct control_conn *k)
{
	nng_iov iov = {.iov_buf = k->out.v + k->out_at, .iov_len = k->out.n - k->out_at};

	(void)nng_aio_set_iov(k->tx, 1, &iov); /* one always fits */
	nng_aio_set_timeout(k->tx, UNFINISHED_MS);
	k->tx_busy = true;
	k->looks = 0;
	nng_stream_send(k->stream, k->tx);
}

static void end_tx(struct control_conn *k)
{
	k->tx_busy = false;
	if (nng_aio_result(k->tx) != 0) {
		k->dead = true;
		return;
	}
	k->out_at += nng_aio_count(k->tx);
	if (k->out_at < k->out.n)
		return;
	k->out_at = 0;
	if (k->out.cap > KEEP_BYTES)
		bytes_done(&k->out);
	else
		bytes_clear(&k->out);
}

/* As far as it goes at once: most answers leave while nng is told to send them. */
static void write_more(struct control_conn *k)
{
	while (!k->dead && (k->tx_busy || k->out.n > 0)) {
		if (!k->tx_busy)
			begin_tx(k);
		if (!aio_is_over(k->tx)) {
			control_await(k->control, MIN(k->looks++, LOOK_MAX_MS));
			return;
		}
		end_tx(k);
	}
}

static void kick(struct control_conn *k, const char *why)
{
	k->dead = true;
	k->control->st.bad_frames++;
	log_warn("control: pid %d, uid %u: %s, closing its connection", k->peer.pid, k->peer.uid, why);
}

static void take_hello(struct control_conn *k)
{
	if (control_frame_hello(k->in.v + k->in_at, left(k), control_hello_req) < 0) {
		kick(k, "speaks another protocol");
		return;
	}
	if (left(k) < CONTROL_HELLO_BYTES)
		return;
	k->in_at += CONTROL_HELLO_BYTES;
	k->said_hello = true;
}

/* The next frame becomes a request, when it is all there. */
static void take_frame(struct control_conn *k)
{
	struct bytes body = {.max = CONTROL_FRAME_MAX};
	struct control_frame f;
	struct err e;

	if (control_frame_look(k->in.v + k->in_at, left(k), &f, &e) < 0) {
		kick(k, e.text);
		return;
	}
	if (!f.whole)
		return;
	if (bytes_add(&body, k->in.v + k->in_at + CONTROL_HEAD_BYTES, f.body_bytes) < 0) {
		bytes_done(&body);
		k->dead = true; /* rather a lost connection than a client that waits for ever */
		return;
	}
	k->in_at += f.need;
	control_request_take(k, f.id, &body);
}

static bool may_take(const struct control_conn *k)
{
	return !k->dead && left(k) > 0 && !k->request && k->out.n == 0 && !k->control->closing;
}

/* Goes on as far as it goes: at most one request, so that one peer does not keep the loop. */
void control_conn_turn(struct control_conn *k, unsigned fired)
{
	if (fired & CONTROL_FIRED_RX)
		end_rx(k);
	write_more(k);
	if (may_take(k) && !k->said_hello)
		take_hello(k);
	if (may_take(k) && k->said_hello)
		take_frame(k);
	if (!k->dead)
		read_more(k);
	if (k->dead)
		control_conn_free(k);
}

void control_conn_answer(struct control_conn *k, struct bytes *frame)
{
	assert(k->out.n == 0 && !k->tx_busy);
	k->request = NULL;
	if (frame->failed) {
		bytes_done(frame);
		k->dead = true;
		log_warn("control: out of memory for an answer, closing the connection of pid %d", k->peer.pid);
	} else {
		bytes_done(&k->out);
		k->out = *frame;
		*frame = (struct bytes){.max = frame->max};
	}
	write_more(k); /* at once: whoever asked waits, and the rest of the turn is work that nobody waits for */
	if (!k->tx_busy)
		control_conn_fire(k, CONTROL_FIRED_TURN); /* the next request, or its end */
}

void control_conn_flush(struct control_conn *k, const struct timespec *until)
{
	static const struct timespec pause = {.tv_nsec = 1000000};
	struct timespec now;

	for (;;) {
		write_more(k);
		(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
		if (!k->tx_busy || now.tv_sec > until->tv_sec ||
			(now.tv_sec == until->tv_sec && now.tv_nsec >= until->tv_nsec))
			return;
		(void)nanosleep(&pause, NULL); /* cut short is fine */
	}
}

static void free_conn(struct control_conn *k)
{
	struct control *c = k->control;

	if (k->stream)
		nng_stream_close(k->stream);
	if (k->rx)
		nng_aio_stop(k->rx); /* its callback has run after this */
	if (k->tx)
		nng_aio_stop(k->tx);
	pthread_mutex_lock(&c->lock);
	list_del(&k->ready);
	pthread_mutex_unlock(&c->lock);
	nng_stream_free(k->stream);
	nng_aio_free(k->rx);
	nng_aio_free(k->tx);
	bytes_done(&k->in);
	bytes_done(&k->out);
	free(k);
}

void control_conn_free(struct control_conn *k)
{
	if (k->request)
		k->request->conn = NULL; /* gone; its answer goes nowhere */
	list_del(&k->link);
	k->control->n_conns--;
	free_conn(k);
}

int control_conn_new(struct control *c, nng_stream *stream, const struct control_peer *who)
{
	struct control_conn *k = mem_zalloc(1, sizeof(*k));

	if (!k) {
		nng_stream_free(stream);
		return -ENOMEM;
	}
	k->control = c;
	k->stream = stream;
	k->peer = *who;
	k->in.max = IN_MAX;
	k->out.max = IN_MAX;
	list_init(&k->link);
	list_init(&k->ready);
	if (nng_aio_alloc(&k->rx, on_rx, k) != 0 || nng_aio_alloc(&k->tx, NULL, NULL) != 0 ||
		bytes_add(&k->out, control_hello_rep, CONTROL_HELLO_BYTES) < 0) {
		free_conn(k);
		return -ENOMEM;
	}
	list_add_tail(&c->conns, &k->link);
	c->n_conns++;
	control_conn_turn(k, 0);
	return 0;
}
