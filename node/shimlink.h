/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SHIMLINK_H
#define NODE_SHIMLINK_H
/*
 * The daemon's end of a shim's socket: whole messages in and out, checked before they are believed. It knows
 * nothing of replicas.
 */
#include <ev.h>

#include "base/err.h"
#include "supervisor/shim_proto.h"

/* Payload is borrowed for the call and `size` bytes long, as its header says. Called on the loop. */
typedef void shimlink_message(void *arg, uint32_t type, const void *payload, uint32_t size);
/* The other end is gone; the link is closed already. Called once. */
typedef void shimlink_closed(void *arg);

struct shimlink {
	struct ev_loop *loop;
	int fd; /* -1: closed */
	ev_io io;
	shimlink_message *message;
	shimlink_closed *closed;
	void *arg;
	int came;   /* a descriptor that came with the message that is being told; -1: none */
	char *kept; /* an order that the shim did not read yet, framed; NULL: none */
	size_t kept_size;
};

void shimlink_init(
	struct shimlink *l, struct ev_loop *loop, shimlink_message *message, shimlink_closed *closed, void *arg);
/* Takes fd. */
void shimlink_attach(struct shimlink *l, int fd);
/* Connects to a shim's socket file: 0, -ECONNREFUSED (nobody there: stale), -errno. */
int shimlink_connect(struct shimlink *l, const char *path, struct err *e);
void shimlink_close(struct shimlink *l);
/* One message; -EPIPE when closed, -EAGAIN when the shim does not read (nothing was sent). */
int shimlink_send(struct shimlink *l, enum shim_msg_type type, const void *payload, uint32_t size);
/*
 * An order that must not be lost: as shimlink_send, but at -EAGAIN it is kept, and sent once the shim reads. A newer
 * one takes its place; the end of the run, or of the link, drops it. -ENOMEM: it could not be kept.
 */
int shimlink_send_order(struct shimlink *l, enum shim_msg_type type, const void *payload, uint32_t size);
/* One message that is already framed (an exec plan). */
int shimlink_send_framed(struct shimlink *l, const void *v, size_t n);
/* Within shimlink_message: the descriptor that came with it, which is the caller's now; -1: there was none. */
int shimlink_take_fd(struct shimlink *l);
/* As shimlink_send_framed, with a descriptor. */
int shimlink_send_with(struct shimlink *l, const void *v, size_t n, int fd);

#endif
