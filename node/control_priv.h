/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROL_PRIV_H
#define NODE_CONTROL_PRIV_H
/*
 * What the files of the control socket share:
 *
 *	control.c          the loop's side: frames in, requests to the handler, opening and closing
 *	control_request.c  one request, and its answer
 *	control_peers.c    who is connected, who may be; nng's side of it
 *	control_socket.c   the socket file: stale, live, its mode and group
 */
#include <nng/nng.h>
#include <pthread.h>

#include "base/limits.h"
#include "base/list.h"
#include "node/control.h"

#define CONTROL_INBOX_MAX     16 /* frames between nng and the loop; then peers wait */
#define CONTROL_LISTENERS_MAX 8	 /* each time the file was made again */
#define CONTROL_VERB_MAX      32
#define CONTROL_CLOSE_MS      500 /* for the last answers to leave */

struct control_peers {
	pthread_mutex_t lock;
	pthread_cond_t none;	 /* nobody is connected any more */
	uint32_t gid, allow_uid; /* (uint32_t)-1: none */
	size_t n;
	bool left; /* somebody did, since it was last asked */
	uint64_t refused, full;
	struct {
		uint32_t pipe;
		struct control_peer who;
	} v[CONTROL_PEERS_MAX];
	struct ev_loop *loop; /* woken through `wake` when somebody left */
	ev_async *wake;
};

struct control {
	struct ev_loop *loop;
	ev_async wake;
	char *path; /* owned */
	control_handler *handler;
	void *arg;
	nng_socket socket;
	nng_listener listeners[CONTROL_LISTENERS_MAX]; /* the last one has the file */
	size_t n_listeners;
	bool closing;
	struct control_peers peers;
	struct list waiting; /* of struct control_request */
	struct control_stats st;
	nng_aio *aio;

	pthread_mutex_t lock; /* of what follows */
	nng_msg *inbox[CONTROL_INBOX_MAX];
	size_t n_inbox;
	bool receiving; /* the aio is under way */
};

struct control_request {
	struct control *control;
	struct list link;
	struct control_peer peer;
	bool gone;
	nng_msg *msg; /* owned; NULL when it came over HTTP */
	struct mp_tree tree;
	control_answer *done;
	void *arg;
};

/* control_peers.c */
int control_peers_init(struct control_peers *p, struct ev_loop *loop, ev_async *wake, uint32_t allow_uid);
void control_peers_done(struct control_peers *p);
int control_peers_watch(struct control_peers *p, nng_socket s); /* 0 or an nng error */
bool control_peers_find(struct control_peers *p, uint32_t pipe, struct control_peer *ret);
bool control_peers_left(struct control_peers *p); /* since the last call */
void control_peers_await_none(struct control_peers *p, int ms);

/* control_socket.c: c->socket is open. */
int control_socket_listen(struct control *c, struct err *e);

/* control_request.c: takes msg in any case; NULL when it was answered or dropped already. */
struct control_request *control_request_read(
	struct control *c, nng_msg *msg, char verb[CONTROL_VERB_MAX], const msgpack_object **ret_args);

#endif
