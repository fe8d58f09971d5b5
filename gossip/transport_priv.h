/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_TRANSPORT_PRIV_H
#define GOSSIP_TRANSPORT_PRIV_H
/*
 * What the files of the transport share:
 *
 *	transport.c        opening, closing, accepting, whose turn it is, the deadlines
 *	transport_dial.c   from an address to a stream, or to the reason why there is none
 *	transport_door.c   who was accepted and has not said hello: how many of them at a time
 *	transport_link.c   one link: its states, the hello, how it ends
 *	transport_io.c     bytes in, frames out of them, and back
 *	transport_reap.c   a thread that ends and frees what is over
 *	transport_tls.c    certificates
 *	transport_engine.c TLS itself
 *
 * All of it runs on the caller's thread but for the callbacks of nng's aios, which note what fired under `lock`, and
 * the reaper. The caller's thread closes, stops and frees nothing of nng's but in transport_close: that may wait for
 * nng.
 */
#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <pthread.h>

#include "base/list.h"
#include "gossip/transport.h"

#define TRANSPORT_HEAD_BYTES 4

#define TRANSPORT_FIRED_DIAL 1u
#define TRANSPORT_FIRED_RX   2u
#define TRANSPORT_FIRED_TURN 4u

enum transport_state {
	LINK_DIALLING,
	LINK_HELLO, /* a stream; TLS and hello under way */
	LINK_UP,
	LINK_ENDING, /* what was sent goes; what comes is thrown away until the peer closes */
	LINK_DEAD,   /* freed at the end of its turn */
	TRANSPORT_STATE_MAX
};

struct transport_link {
	struct transport *t;
	uint32_t id;
	enum transport_state state;
	bool dialled, by_peer; /* by_peer: ended by the other end */
	bool silenced;	       /* no hook is called for it */
	uint64_t token;
	void *hello;	  /* while in LINK_HELLO */
	bool waits, slow; /* transport_door.c: its hello has not begun; it has had its turn */
	uint32_t order;	  /* of those that wait */
	int64_t began_ms, deadline_ms;
	char remote[TRANSPORT_ADDR_MAX];
	nng_stream_dialer *dialer;
	nng_aio *dial;
	nng_stream *stream;
	nng_aio *rx, *tx;
	bool rx_busy, tx_busy, wants_room; /* wants_room: `writable` is to be called */
	int64_t tx_since_ms, tx_look_ms;   /* tx_look_ms: when a run that is on its way is looked at again */
	struct bytes in;		   /* what came and is no frame yet, from in_at on */
	size_t in_at, rx_bytes, rx_want; /* rx_bytes: room for what is read; rx_want: for what comes at a time, or so */
	struct bytes out[LINK_IN_FLIGHT_MAX]; /* [0] is on its way, from out_at on; each frame with its length */
	size_t n_out, out_at;
	struct list unsent; /* of t->unsent: the last of out is gathered, and has not begun to leave */

	struct list ready; /* the rest: under t->lock; once `gone`, of t->dying */
	bool gone;	   /* the reaper's: what fires is nobody's any more */
	unsigned fired;
};

struct transport {
	const struct transport_hello *hello;
	const struct transport_hooks *hooks;
	void *hello_arg, *arg;
	struct transport_limits limits;
	bool tls, gathers;
	nng_tls_config *server, *client; /* NULL: plain */
	nng_stream_listener *listener;
	nng_aio *accept;
	bool accepting;
	int64_t accept_at_ms; /* after a failure that takes time; 0: at once */
	struct transport_link *links[TRANSPORT_LINKS_MAX];
	size_t dead; /* of them */
	struct list unsent;
	uint32_t generation;
	size_t n_waiting; /* transport_door.c */
	uint32_t order;
	int64_t through_ms;   /* when one of the accepted came through */
	int64_t now_ms;	      /* of this turn */
	int64_t told_from_ms; /* of this minute's telling of who was turned away */
	unsigned told, untold;
	struct transport_stats st;

	pthread_t reaper;
	bool has_reaper;

	pthread_mutex_t lock;
	struct list ready; /* of struct transport_link */
	bool accepted;
	struct list dying;	/* likewise: to be freed */
	size_t reaping;		/* handed over and not free yet */
	bool closing;		/* the reaper ends when nothing is left */
	pthread_cond_t to_reap; /* there is something in dying, or closing is set */
};

/* transport.c */
bool transport_is_full(struct transport *t); /* of links, those included that are not free yet */

/* transport_door.c */
bool transport_door_waits(struct transport_link *k); /* its hello is begun later, by transport_door_turn */
void transport_door_left(struct transport_link *k, bool through);
void transport_door_turn(struct transport *t);
int64_t transport_door_deadline_ms(const struct transport *t);

/* transport_link.c */
struct transport_link *transport_link_new(struct transport *t);		      /* NULL: full, or out of memory */
struct transport_link *transport_link_find(struct transport *t, uint32_t id); /* one that is up */
void transport_link_begin(struct transport_link *k, nng_stream *stream, int64_t now_ms); /* takes stream */
void transport_link_start(struct transport_link *k, int64_t now_ms);			 /* its hello */
void transport_link_turn(struct transport_link *k, unsigned fired, int64_t now_ms);
void transport_link_take(struct transport_link *k, const void *frame, size_t n, int64_t now_ms);
/* LINK_DEAD, and tells who must know. outcome: of a dial. */
void transport_link_failed(struct transport_link *k, enum transport_outcome outcome, const char *why);
void transport_link_over(struct transport_link *k, const char *why);
void transport_link_late(struct transport_link *k, int64_t now_ms); /* its deadline has come */
void transport_link_end(struct transport_link *k, int64_t now_ms);  /* LINK_ENDING */
void transport_link_free(struct transport_link *k);
void transport_link_fire(struct transport_link *k, unsigned what); /* from any thread */

/* transport_io.c */
int transport_io_alloc(struct transport_link *k);
void transport_io_free(struct transport_link *k);
void transport_io_read(struct transport_link *k); /* asks for more bytes, if they are wanted */
void transport_io_end_rx(struct transport_link *k);
void transport_io_reap(struct transport_link *k, int64_t now_ms);   /* what has left since */
bool transport_io_frames(struct transport_link *k, int64_t now_ms); /* takes those that are there; true: not all */
int transport_io_add(struct transport_link *k, const void *frame, size_t n, int64_t now_ms);
size_t transport_io_room(const struct transport_link *k);	   /* frames of any size */
void transport_io_flush(struct transport_link *k, int64_t now_ms); /* what was gathered leaves */

/* transport_reap.c */
int transport_reap_begin(struct transport *t);	   /* 0, or -EAGAIN: no thread */
void transport_reap_add(struct transport_link *k); /* its, from now on */
void transport_reap_end(struct transport *t);	   /* all that was added is free then */

/* transport_dial.c */
void transport_dial_end(struct transport_link *k, int64_t now_ms); /* its aio has fired */
void transport_dial_free(struct transport_link *k);
void transport_dial_name(nng_stream *s, const char *option, char ret[TRANSPORT_ADDR_MAX]);
bool transport_dial_url(bool tls, const char *address, char *ret, size_t n);

/* transport_engine.c */
int transport_engine_use(void); /* for configurations of TLS made from now on; 0, or nng's */
enum transport_judged {
	TRANSPORT_JUDGED_GOOD, /* it passes where this very file is what judges it */
	TRANSPORT_JUDGED_BAD,
	TRANSPORT_JUDGED_TRY, /* of RSA, or not read: a handshake tells */
	TRANSPORT_JUDGED_MAX
};
enum transport_judged transport_engine_judge(const struct transport_tls *tls);

/* transport_tls.c */
int transport_tls_make(
	const struct transport_tls *tls, nng_tls_config **ret_server, nng_tls_config **ret_client, struct err *e);

#endif
