/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROL_CLIENT_H
#define NODE_CONTROL_CLIENT_H
/*
 * The other end of node/control.h, for the `covey` command and tests: one connection, one call at a time,
 * blocking. It
 * speaks nng's ipc framing on a plain socket, so that the command starts no thread and costs no nng.
 */
#include "base/bytes.h"
#include "base/err.h"

struct control_client;

/*
 * -ECONNREFUSED: no daemon answers at path (no such file, or nobody behind it). -EACCES: this user may not. -EPROTO:
 * something else listens there. -ENAMETOOLONG, -ETIMEDOUT, -ENOMEM. The sentence in e says what to do.
 */
int control_client_open(const char *path, struct control_client **ret, struct err *e);

/*
 * Sends {"v": 1, "verb": verb, "args": packed_args} (NULL: an empty map) and waits for the reply, which is put whole
 * into ret_reply (cleared first; its max is the bound): {"ok": …}, to be read with mp_read. timeout_ms: < 0 waits for
 * ever.
 *
 * -EMSGSIZE, -ENOMEM: nothing was sent. After the request has left, the outcome is unknown: -ETIMEDOUT (no reply in
 * time), -ECONNRESET (the daemon went away, or refused this peer), -EPROTO (a reply that is none), -EFBIG (too
 * large).
 * After any failure but -EMSGSIZE and -ENOMEM the connection is used up: later calls are -ENOTCONN.
 */
int control_client_call(struct control_client *c, const char *verb, const struct bytes *packed_args, int timeout_ms,
	struct bytes *ret_reply, struct err *e);
/* Readable when a reply or the end of the connection is there; for callers that watch other descriptors too. */
int control_client_fd(const struct control_client *c);
void control_client_close(struct control_client *c); /* NULL is fine */

#endif
