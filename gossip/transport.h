/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GOSSIP_TRANSPORT_H
#define GOSSIP_TRANSPORT_H
/*
 * Links to other nodes, over nng's byte streams (tcp://, tls+tcp://): dialled and accepted, opened by a hello that the
 * caller gives, then frames both ways. nng's threads only note what happened and call `wake`; all else runs on the
 * caller's one thread, in transport_turn and the functions below. It decides nothing about who should be linked.
 *
 * A frame is its length, 4 bytes big endian, then as many bytes of payload: 1 … TRANSPORT_FRAME_MAX. Nothing is queued:
 * a link holds at most LINK_IN_FLIGHT_MAX frames that have not left, and is read on only when what came before has
 * been taken. Where frames are gathered, these are runs of frames: what is sent until transport_flush leaves at once,
 * which costs one system call here, and one there with a turn of nng's threads, instead of one a frame.
 *
 * Why streams and not nng's sockets: these hide whether a dial was refused or went unanswered, lose what does not fit
 * silently, and put 8 bytes more into each message.
 *
 * Every function but transport_open may be called from within a hook, but for transport_turn and transport_close.
 * now_ms: CLOCK_MONOTONIC.
 */
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

#define TRANSPORT_ADDR_MAX 64 /* "[v6]:port" with its NUL */

struct transport;

/* What became of a dial that did not become a link. */
enum transport_outcome {
	TRANSPORT_REFUSED,     /* the host is up and said that nobody listens */
	TRANSPORT_UNREACHABLE, /* no answer, no route, no such name */
	TRANSPORT_TURNED_AWAY, /* somebody answered, and there is no link: TLS, the hello, or silence */
	TRANSPORT_OUTCOME_MAX
};

enum transport_verdict { TRANSPORT_MORE, TRANSPORT_DONE, TRANSPORT_NO, TRANSPORT_VERDICT_MAX };

/* How a link begins. None of it may block; all of it runs on the caller's thread. */
struct transport_hello {
	/* A new exchange; NULL: out of memory. token: the dial's; an accepted peer has 0. arg: hello_arg below. */
	void *(*begin)(void *arg, bool dialled, uint64_t token);
	/*
	 * frame: NULL at the beginning, then each that comes, borrowed. reply: one frame to send, if not empty. At
	 * TRANSPORT_NO why is set; the reply, which says it to the peer, still goes.
	 */
	enum transport_verdict (*feed)(void *hello, const void *frame, size_t n, struct bytes *reply, struct err *why);
	void (*end)(void *hello);
};

struct transport_hooks {
	void (*wake)(void *arg); /* from any thread: transport_turn is wanted */
	/* hello: as begun, borrowed; who is at the other end. */
	void (*up)(void *arg, uint32_t link, bool dialled, uint64_t token, void *hello);
	void (*frame)(void *arg, uint32_t link, const void *frame, size_t n); /* borrowed */
	void (*writable)(void *arg, uint32_t link); /* after transport_room or transport_send said that it is full */
	/* It was up. by_peer: the other end closed or reset it. Not after transport_hang_up. */
	void (*down)(void *arg, uint32_t link, bool by_peer, const char *why);
	/* hello, here and below: as begun, borrowed; NULL when it did not come to one. */
	void (*dial_failed)(
		void *arg, uint64_t token, enum transport_outcome outcome, const void *hello, const char *why);
	/* Somebody who was accepted and did not become a link; TOLD_MAX a minute, the others are in the counters. */
	/* One that called: each, where turned_away tells a few a minute. Optional. */
	void (*refused)(void *arg, const void *hello);
	void (*turned_away)(void *arg, const char *address, const void *hello, const char *why);
};

/* PEM texts. Peers are checked both ways: their chain, their dates, and server_name in those that were dialled. */
struct transport_tls {
	const char *ca, *cert, *key, *server_name;
};

struct transport_limits { /* 0: as given here */
	int dial_ms;	  /* 3000: until a dial is unreachable */
	int hello_ms;	  /* 5000: until TLS and hello must be through */
	int stall_ms;	  /* 20000: how long a peer may not read while a frame waits for it */
	size_t pending;	  /* 64: accepted and not through the hello */
};

struct transport_config {
	const char *bind;		 /* HOST:PORT; NULL: dials only */
	const struct transport_tls *tls; /* NULL: plain tcp */
	struct transport_limits limits;
	const struct transport_hello *hello; /* it, its arg and the hooks must outlive the transport */
	void *hello_arg;
	const struct transport_hooks *hooks;
	void *arg;    /* of all hooks */
	bool gathers; /* what is sent on links that are up waits for transport_flush */
};

struct transport_stats {
	uint64_t frames_in, frames_out, bytes_in, bytes_out; /* payload with its length; links that are up */
	uint64_t accepted, dialled, turned_away, evicted, stalled, bad_frames, accept_faults;
	size_t up, pending, dialling;
};

/* nng must have been set up (node/nng_setup.h). With tls its files are tried on ourselves first: RSA takes 30 ms. */
int transport_open(const struct transport_config *c, struct transport **ret, struct err *e);
void transport_close(struct transport *t); /* no hook runs any more; NULL is fine */

/* New certificates for what begins from now on; links that are up go on. On an error all stays as it was. */
int transport_set_tls(struct transport *t, const struct transport_tls *tls, struct err *e);

/* 0: told later by up or dial_failed, with token. -EINVAL: no address; -EBUSY: too many at a time; -ENOMEM. */
int transport_dial(struct transport *t, const char *address, uint64_t token, int64_t now_ms, struct err *e);

/* How many frames the link takes at once. 0 as well when it is gone, or ends. */
size_t transport_room(struct transport *t, uint32_t link);
/* Whether nothing of it waits to leave; if something does, `writable` is called once less of it does. */
bool transport_is_idle(struct transport *t, uint32_t link);
/* 0; -EAGAIN: full; -ENOENT: no such link; -EMSGSIZE; -ENOMEM: dropped. The frame is copied. */
int transport_send(struct transport *t, uint32_t link, const void *frame, size_t n, int64_t now_ms);
/* What was gathered leaves. */
void transport_flush(struct transport *t, int64_t now_ms);
/* No hook is called for it any more. flush: what was sent goes first, and the peer may read it. */
void transport_hang_up(struct transport *t, uint32_t link, bool flush, int64_t now_ms);

/* HOST:PORT of both ends, as the kernel knows them; false when the link is gone. */
bool transport_addresses(
	struct transport *t, uint32_t link, char local[TRANSPORT_ADDR_MAX], char remote[TRANSPORT_ADDR_MAX]);
int transport_port(const struct transport *t); /* that is listened at; 0: none */
void transport_stats(const struct transport *t, struct transport_stats *ret);

/* What happened since; calls the hooks. Wanted after `wake`, and at the deadline, which may come nearer with whatever
 * is sent, flushed or asked for room.
 */
void transport_turn(struct transport *t, int64_t now_ms);
int64_t transport_deadline_ms(const struct transport *t);

#endif
