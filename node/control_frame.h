/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROL_FRAME_H
#define NODE_CONTROL_FRAME_H
/*
 * The bytes on the control socket: nng's ipc framing of the req/rep pair, so that any nng program can be a client. Each
 * end says a hello of 8 bytes; then messages of a type, a length of 8 bytes, and (counted in it) a request id of 4.
 */
#include "base/bytes.h"
#include "base/err.h"

#define CONTROL_HELLO_BYTES 8
#define CONTROL_HEAD_BYTES  13 /* type, length, request id */
#define CONTROL_ID_BYTES    4

extern const unsigned char control_hello_req[CONTROL_HELLO_BYTES]; /* what a client says */
extern const unsigned char control_hello_rep[CONTROL_HELLO_BYTES]; /* what the daemon says */

/* What the first n bytes that came begin with. body is what follows the head; all of it is there when whole. */
struct control_frame {
	uint32_t id;
	size_t body_bytes, need; /* need: of the whole frame with its head; of the head alone while that is not there */
	bool whole;
};

/* 0, or -EPROTO with why: no frame, no request id, longer than CONTROL_FRAME_MAX. */
int control_frame_look(const void *v, size_t n, struct control_frame *ret, struct err *e);
/* Writes a head for a body of that length. */
void control_frame_head(unsigned char out[CONTROL_HEAD_BYTES], uint32_t id, size_t body_bytes);
/* How many of the peer's hello bytes there may be: 0, or -EPROTO as soon as one is wrong. */
int control_frame_hello(const void *v, size_t n, const unsigned char want[CONTROL_HELLO_BYTES]);

#endif
