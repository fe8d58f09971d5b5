/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes of a link. In: into a buffer as large as the frame that is coming, or as what came at a time of late, read
 * on when its frames have been taken. Out: frames, each with its length, in runs (a TLS stream of nng's makes a record
 * of each), one at a time on its way: a frame is a run of its own, or with those that were sent in the same turn.
 *
 * A run mostly leaves while nng is told to send it, or goes into the buffer of nng's TLS. So its aio has no callback,
 * which nng would run on a thread of its own: two changes of thread for each run, to learn what is known by then. One
 * that does not fit is looked at again, after a while that is longer the longer it takes (transport_deadline_ms).
 */
#include "gossip/transport_priv.h"

#include <errno.h>
#include <string.h>

#include "base/aio.h"

#define READ_MIN      512
#define KEEP_BYTES    1024 /* a larger buffer is not kept */
#define FRAMES_A_TURN 32   /* of one link: the others have their turn too */
#define IN_MAX	      (TRANSPORT_RUN_MAX + READ_MIN)
#define FRAME_BYTES   (TRANSPORT_HEAD_BYTES + TRANSPORT_FRAME_MAX) /* the longest */
#define RUN_MAX(k)    ((size_t)((k)->t->gathers ? TRANSPORT_RUN_MAX : FRAME_BYTES))

static void on_rx(void *arg)
{
	transport_link_fire(arg, TRANSPORT_FIRED_RX);
}

int transport_io_alloc(struct transport_link *k)
{
	k->in.max = IN_MAX;
	k->rx_want = READ_MIN;
	for (size_t i = 0; i < LINK_IN_FLIGHT_MAX; i++)
		k->out[i].max = RUN_MAX(k);
	return nng_aio_alloc(&k->rx, on_rx, k) == 0 && nng_aio_alloc(&k->tx, NULL, NULL) == 0 ? 0 : -ENOMEM;
}

void transport_io_free(struct transport_link *k)
{
	if (k->stream)
		nng_stream_close(k->stream); /* first: an aio of a TLS stream is not ended by stopping it alone */
	if (k->rx)
		nng_aio_stop(k->rx); /* its callback has run after this */
	if (k->tx)
		nng_aio_stop(k->tx);
	nng_stream_free(k->stream);
	nng_aio_free(k->rx);
	nng_aio_free(k->tx);
	bytes_done(&k->in);
	for (size_t i = 0; i < LINK_IN_FLIGHT_MAX; i++)
		bytes_done(&k->out[i]);
}

static size_t left(const struct transport_link *k)
{
	return k->in.n - k->in_at;
}

static uint32_t announced(const struct transport_link *k)
{
	const unsigned char *v = (const unsigned char *)k->in.v + k->in_at;

	return (uint32_t)v[0] << 24 | (uint32_t)v[1] << 16 | (uint32_t)v[2] << 8 | v[3];
}

/* What was taken makes room; only while nng does not write there. */
static void compact(struct transport_link *k)
{
	k->in.n -= k->in_at;
	if (k->in.n > 0)
		memmove(k->in.v, k->in.v + k->in_at, k->in.n);
	k->in_at = 0;
	if (k->in.n == 0 && k->in.cap > MAX(2 * k->rx_want, (size_t)KEEP_BYTES))
		bytes_done(&k->in);
}

/* A link that brings much at a time is read in larger steps, and in small ones again once it does not. */
static void measure(struct transport_link *k, size_t came)
{
	if (came == k->rx_bytes)
		k->rx_want = MIN(2 * k->rx_want, (size_t)TRANSPORT_RUN_MAX);
	else if (came < k->rx_want / 8)
		k->rx_want = MAX(k->rx_want / 2, (size_t)READ_MIN);
}

void transport_io_read(struct transport_link *k)
{
	size_t want = k->rx_want;
	nng_iov iov;

	if (k->rx_busy || !k->stream || k->state == LINK_DEAD)
		return;
	if (k->state == LINK_ENDING)
		k->in_at = k->in.n; /* thrown away */
	compact(k);
	if (left(k) >= TRANSPORT_HEAD_BYTES) /* its length has been looked at */
		want = MAX(want, TRANSPORT_HEAD_BYTES + announced(k) - left(k));
	if (bytes_reserve(&k->in, MIN(want, k->in.max - k->in.n)) < 0) {
		transport_link_over(k, "out of memory");
		return;
	}
	iov.iov_buf = k->in.v + k->in.n;
	iov.iov_len = MIN(k->in.cap - 1, k->in.max) - k->in.n;
	(void)nng_aio_set_iov(k->rx, 1, &iov);		   /* one always fits */
	nng_aio_set_timeout(k->rx, NNG_DURATION_INFINITE); /* a timeout may end a TLS stream, or do nothing at all */
	k->rx_busy = true;
	k->rx_bytes = iov.iov_len;
	nng_stream_recv(k->stream, k->rx);
}

static const char *later(int rv)
{
	return rv == NNG_ECONNSHUT || rv == NNG_ECLOSED || rv == NNG_ECONNREFUSED ? "closed by the other end"
										  : nng_strerror(rv);
}

/* Why there is nothing more to read, before the hello was through. */
static const char *early(const struct transport_link *k, int rv)
{
	switch (rv) {
	case NNG_ECRYPTO:
	case NNG_EPEERAUTH:
		return k->dialled
			       ? "the TLS handshake failed: its certificate is of another CA, has expired or is for "
				 "another name, or there is no TLS at that port"
			       : "the TLS handshake failed: no certificate, one of another CA or one that has expired, "
				 "or no TLS at all";
	case NNG_ECONNSHUT:
	case NNG_ECLOSED:
	case NNG_ECONNREFUSED: /* nng's word for the end of a TLS stream */
		return k->t->tls ? "closed the connection during the TLS handshake or the hello"
				 : "closed the connection during the hello";
	default:
		return nng_strerror(rv);
	}
}

void transport_io_end_rx(struct transport_link *k)
{
	int rv = nng_aio_result(k->rx);

	k->rx_busy = false;
	if (rv == 0) {
		k->in.n += nng_aio_count(k->rx);
		measure(k, nng_aio_count(k->rx));
		if (k->state == LINK_UP)
			k->t->st.bytes_in += nng_aio_count(k->rx);
		return;
	}
	k->by_peer = true;
	transport_link_over(k, k->state == LINK_UP ? later(rv) : early(k, rv));
}

/* TLS records begin with their type and 3: what a peer says that takes us for the other kind. */
static bool looks_like_tls(const struct transport_link *k)
{
	const unsigned char *v = (const unsigned char *)k->in.v + k->in_at;

	return (v[0] == 0x15 || v[0] == 0x16) && v[1] == 3;
}

/* Whether the length may be believed. */
static bool is_good(struct transport_link *k)
{
	uint32_t n = announced(k);
	struct err e;

	if (n > 0 && n <= TRANSPORT_FRAME_MAX)
		return true;
	k->t->st.bad_frames++;
	if (k->state == LINK_HELLO && looks_like_tls(k))
		(void)err_set(&e, -EPROTO, "speaks TLS, and this node does not (gossip.insecure)");
	else if (k->state == LINK_HELLO)
		(void)err_set(&e, -EPROTO, "speaks another protocol");
	else
		(void)err_set(
			&e, -EPROTO, "announced a frame of %u bytes, which may have 1 to %d", n, TRANSPORT_FRAME_MAX);
	transport_link_over(k, e.text);
	return false;
}

/* The next frame in ret; false: it is not all there. */
static bool next_frame(struct transport_link *k, const char **ret, size_t *ret_n)
{
	if ((k->state != LINK_HELLO && k->state != LINK_UP) || left(k) < TRANSPORT_HEAD_BYTES || !is_good(k))
		return false;
	*ret_n = announced(k);
	if (left(k) < TRANSPORT_HEAD_BYTES + *ret_n)
		return false;
	*ret = k->in.v + k->in_at + TRANSPORT_HEAD_BYTES;
	k->in_at += TRANSPORT_HEAD_BYTES + *ret_n;
	return true;
}

bool transport_io_frames(struct transport_link *k, int64_t now_ms)
{
	const char *frame = NULL;
	size_t n = 0;

	for (int i = 0; i < FRAMES_A_TURN; i++) {
		if (!next_frame(k, &frame, &n))
			return false;
		transport_link_take(k, frame, n, now_ms);
	}
	if (left(k) == 0)
		return false;
	transport_link_fire(k, TRANSPORT_FIRED_TURN);
	return true;
}

/* The next one becomes the first; its memory goes to the end. */
static void rotate(struct transport_link *k)
{
	struct bytes first = k->out[0];

	if (first.cap > MAX(2 * k->rx_want, (size_t)KEEP_BYTES)) /* a link that brings much is told much */
		bytes_done(&first);
	else
		bytes_clear(&first);
	for (size_t i = 1; i < LINK_IN_FLIGHT_MAX; i++)
		k->out[i - 1] = k->out[i];
	k->out[LINK_IN_FLIGHT_MAX - 1] = first;
	k->out_at = 0;
	k->n_out--;
}

static void begin_run(struct transport_link *k, int64_t now_ms)
{
	struct bytes *b = &k->out[0];
	nng_iov iov;

	if (k->n_out == 1) /* nothing is added any more to what has begun */
		list_del(&k->unsent);
	iov.iov_buf = b->v + k->out_at;
	iov.iov_len = b->n - k->out_at;
	(void)nng_aio_set_iov(k->tx, 1, &iov);		   /* one always fits */
	nng_aio_set_timeout(k->tx, NNG_DURATION_INFINITE); /* as for reading */
	k->tx_busy = true;
	k->tx_since_ms = now_ms;
	nng_stream_send(k->stream, k->tx);
}

/* false: it has failed. Reading says more, and what the peer said last; else the frame is stalled. */
static bool end_run(struct transport_link *k, int64_t now_ms)
{
	k->tx_busy = false;
	if (nng_aio_result(k->tx) != 0) {
		list_del(&k->unsent); /* not to be tried each turn */
		return false;
	}
	k->out_at += nng_aio_count(k->tx);
	k->tx_since_ms = now_ms;
	if (k->state == LINK_UP)
		k->t->st.bytes_out += nng_aio_count(k->tx);
	if (k->out_at == k->out[0].n)
		rotate(k);
	return true;
}

/* The first run has begun, or may: nothing is added to it. */
static bool is_closed(const struct transport_link *k)
{
	return k->n_out > 1 || (k->n_out == 1 && list_is_empty(&k->unsent));
}

/* As far as it goes at once. */
static void write_more(struct transport_link *k, int64_t now_ms)
{
	bool ended = false;

	while (k->state != LINK_DEAD && (k->tx_busy || is_closed(k))) {
		if (!k->tx_busy)
			begin_run(k, now_ms);
		if (!aio_is_over(k->tx)) {
			k->tx_look_ms = now_ms + aio_pause_ms(now_ms - k->tx_since_ms);
			break;
		}
		if (!end_run(k, now_ms))
			break;
		ended = true;
	}
	if (ended && k->wants_room)
		transport_link_fire(k, TRANSPORT_FIRED_TURN);
}

void transport_io_reap(struct transport_link *k, int64_t now_ms)
{
	if (k->tx_busy)
		write_more(k, now_ms);
}

/* The last run, while it is gathered. */
static struct bytes *gathered(struct transport_link *k)
{
	return list_is_empty(&k->unsent) ? NULL : &k->out[k->n_out - 1];
}

size_t transport_io_room(const struct transport_link *k)
{
	size_t room = (LINK_IN_FLIGHT_MAX - k->n_out) * (RUN_MAX(k) / FRAME_BYTES);

	if (!list_is_empty(&k->unsent))
		room += (RUN_MAX(k) - k->out[k->n_out - 1].n) / FRAME_BYTES;
	return room;
}

/* The run for so many bytes: that which is gathered, or a new one. NULL: full. */
static struct bytes *run_for(struct transport_link *k, size_t n, int64_t now_ms)
{
	struct bytes *b = gathered(k);

	if (b && n <= b->max - b->n)
		return b;
	if (k->n_out == LINK_IN_FLIGHT_MAX)
		return NULL;
	if (k->n_out == 0)
		k->tx_since_ms = now_ms;
	b = &k->out[k->n_out++];
	bytes_clear(b);
	if (k->t->gathers && k->state == LINK_UP && list_is_empty(&k->unsent))
		list_add_tail(&k->t->unsent, &k->unsent);
	return b;
}

/* What was gathered before it waits no longer. */
static void drop_run(struct transport_link *k, int64_t now_ms)
{
	bytes_done(&k->out[--k->n_out]);
	list_del(&k->unsent);
	write_more(k, now_ms);
}

int transport_io_add(struct transport_link *k, const void *frame, size_t n, int64_t now_ms)
{
	const unsigned char head[TRANSPORT_HEAD_BYTES] = {
		(unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8), (unsigned char)n};
	struct bytes *b;

	if (n == 0 || n > TRANSPORT_FRAME_MAX)
		return -EMSGSIZE;
	b = run_for(k, sizeof(head) + n, now_ms);
	if (!b)
		return -EAGAIN;
	if (bytes_reserve(b, sizeof(head) + n) < 0) {
		b->failed = false;
		if (b->n == 0)
			drop_run(k, now_ms);
		return -ENOMEM;
	}
	(void)bytes_add(b, head, sizeof(head)); /* both fit */
	(void)bytes_add(b, frame, n);
	write_more(k, now_ms);
	return 0;
}

void transport_io_flush(struct transport_link *k, int64_t now_ms)
{
	transport_io_reap(k, now_ms);
	if (k->tx_busy)
		return; /* more is gathered until the run before it has left */
	list_del(&k->unsent);
	write_more(k, now_ms);
}
