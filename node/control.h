/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_CONTROL_H
#define NODE_CONTROL_H
/*
 * The edge that people and scripts talk to: nng ipc in its framing of req/rep (control_frame.h), one msgpack map a
 * request, one a reply. nng's threads only note what happened and wake the loop; verbs run on the loop. A verb may
 * answer at once or keep the request and answer later (it waits for something), within CONTROL_WAITERS_MAX. A
 * connection has one request at a time; what is sent behind it waits.
 *
 * Request: {"v": 1, "verb": "status", "args": {…}}
 * Reply:   {"ok": true, "result": …} or {"ok": false, "code": "refused" | "usage" | "unknown" | "full", "error": "a
 * sentence"}
 */
#include <ev.h>

#include "base/bytes.h"
#include "base/err.h"
#include "node/mp.h"

struct control;
struct control_request; /* kept until control_reply or control_refuse, exactly one of which ends it */

struct control_peer {
	uint32_t uid, gid;
	int pid;
	bool http;   /* came over HTTP: read verbs only */
	bool member; /* came from another node of the cluster: of what is here alone, and only what may be asked so */
};

/* verb is NUL-terminated; args is a map (perhaps empty), borrowed until the request ends. */
typedef void control_handler(void *arg, struct control_request *rq, const char *verb, const msgpack_object *args);
/* Reply `result` is one packed value. */
void control_reply(struct control_request *rq, const struct bytes *result);
void control_refuse(struct control_request *rq, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The refusal of `apply`: code "faults", the sentence, and beside it `faults`, one packed array. */
void control_refuse_faults(struct control_request *rq, const struct bytes *faults, const char *fmt, ...)
	PRINTF_LIKE(3, 4);
const struct control_peer *control_peer(const struct control_request *rq);
/*
 * Whether the peer of a kept request went away: it must still be ended, the answer goes nowhere. Looked at on a
 * timer.
 */
bool control_is_gone(const struct control_request *rq);

/*
 * path: /run/covey/covey.sock. Mode 0660, group `covey` where there is one; peers are root, or that group's, or
 * allow_uid (tests; (uint32_t)-1: none). A stale socket file is replaced; one that answers is -EADDRINUSE.
 */
int control_open(struct ev_loop *loop, const char *path, uint32_t allow_uid, control_handler *handler, void *arg,
	struct control **ret, struct err *e);
void control_close(struct control *c);		      /* ends what is kept with "the daemon is stopping" */
int control_rebind(struct control *c, struct err *e); /* the socket file was removed: make it again */
struct control_stats {
	uint64_t requests, refused_peers, bad_frames, dropped_full;
	size_t waiting;
};
void control_stats(const struct control *c, struct control_stats *ret);

/* A request that did not come over the socket: answered through done, once, from the loop; not ok: code and error. */
typedef void control_answer(void *arg, bool ok, const struct bytes *packed_result, const char *code, const char *error);
enum control_from { CONTROL_HTTP, CONTROL_MEMBER, CONTROL_FROM_MAX };
struct control_request *control_request_new(struct control *c, enum control_from from, control_answer *done, void *arg);
/* Its peer went away: `done` is not called any more. */
void control_request_leave(struct control_request *rq);

#endif
