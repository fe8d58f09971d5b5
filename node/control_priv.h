/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROL_PRIV_H
#define NODE_CONTROL_PRIV_H
/*
 * What the files of the control socket share:
 *
 *	control.c          opening, closing, whose turn it is
 *	control_conn.c     one connection: bytes in, frames out of them, one answer at a time
 *	control_frame.c    what the bytes mean
 *	control_peer.c     who may
 *	control_request.c  one request, and its answer
 *	control_socket.c   the socket's file
 *
 * All of it runs on the loop but for the callbacks of nng's aios, which note what fired under `lock` and wake the loop.
 */
#include <nng/nng.h>
#include <pthread.h>
#include <time.h>

#include "base/limits.h"
#include "base/list.h"
#include "node/control.h"

#define CONTROL_VERB_MAX 32
#define CONTROL_NOBODY	 ((uint32_t)-1)

#define CONTROL_FIRED_RX   1u
#define CONTROL_FIRED_TURN 2u

struct control {
	struct ev_loop *loop;
	ev_async wake;
	ev_timer accept_again; /* after a failure that takes time */
	ev_timer look;	       /* some answer is on its way */
	char *path;	       /* owned */
	control_handler *handler;
	void *arg;
	nng_stream_listener *listener; /* NULL: none */
	nng_aio *accept;
	bool closing;
	uint32_t gid, allow_uid; /* CONTROL_NOBODY: none */
	struct list conns;	 /* of struct control_conn */
	size_t n_conns;
	struct list waiting; /* of struct control_request */
	struct control_stats st;

	pthread_mutex_t lock; /* of what follows, and of `ready` and `fired` of each connection */
	struct list ready;    /* of struct control_conn */
	bool accepted;
};

struct control_conn {
	struct control *control;
	struct list link, ready;
	unsigned fired;
	nng_stream *stream;
	nng_aio *rx, *tx;
	bool rx_busy, tx_busy, said_hello, dead;
	int looks; /* at what is on its way, in vain */
	struct control_peer peer;
	struct bytes in;  /* what came and is no request yet */
	struct bytes out; /* what goes, from out_at on */
	size_t in_at, out_at;
	struct control_request *request; /* the one that is being worked on */
};

struct control_request {
	struct control *control;
	struct list link;
	struct control_conn *conn; /* NULL: gone, or it came over HTTP */
	struct control_peer peer;
	uint32_t id;
	struct bytes body; /* what tree lies in */
	struct mp_tree tree;
	control_answer *done;
	void *arg;
};

/* control_conn.c */
int control_conn_new(struct control *c, nng_stream *stream, const struct control_peer *who); /* takes stream */
void control_conn_free(struct control_conn *k);
void control_conn_turn(struct control_conn *k, unsigned fired); /* may free it */
/* The answer to its request, head included: taken. `failed` closes the connection. */
void control_conn_answer(struct control_conn *k, struct bytes *frame);
void control_conn_flush(struct control_conn *k, const struct timespec *until); /* waits for its answer to leave */
void control_conn_fire(struct control_conn *k, unsigned what);		       /* from any thread */

/* control.c: connections whose answers are on their way have their turn in so many ms, or before. */
void control_await(struct control *c, int ms);

/* control_peer.c */
bool control_peer_ask(nng_stream *s, struct control_peer *ret);
bool control_peer_may(const struct control *c, const struct control_peer *who);

/* control_socket.c: c->listener, listening; there must be none. */
int control_socket_listen(struct control *c, struct err *e);
void control_socket_close(struct control *c);

/* control_request.c: a whole frame; it may be answered before this returns. body is taken. */
void control_request_take(struct control_conn *k, uint32_t id, struct bytes *body);

#endif
