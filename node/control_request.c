/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: read from a frame, kept, ended by exactly one answer. The frame is kept as long: its header is the way
 * back, and the arguments lie in its body.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

#define PROTOCOL_VERSION 1
#define TEXT_MAX_BYTES	 1024

/* {"ok": true, "result": … */
static const char head_ok[] = "\x82\xa2ok\xc3\xa6result";

static const msgpack_object no_args = {.type = MSGPACK_OBJECT_MAP};

static struct control_request *request_new(struct control *c)
{
	struct control_request *rq = mem_zalloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	rq->control = c;
	list_add_tail(&c->waiting, &rq->link);
	c->st.waiting++;
	return rq;
}

static void request_free(struct control_request *rq)
{
	list_del(&rq->link);
	rq->control->st.waiting--;
	mp_done(&rq->tree);
	nng_msg_free(rq->msg); /* NULL is fine */
	free(rq);
}

/* Takes reply. The header of the request leads back to its peer. */
static void send_msg(struct control *c, const nng_msg *request, nng_msg *reply)
{
	nng_msg *rq = (nng_msg *)request; /* nng knows no const here */
	int rv = nng_msg_header_append(reply, nng_msg_header(rq), nng_msg_header_len(rq));

	if (rv == 0)
		rv = nng_sendmsg(c->socket, reply, NNG_FLAG_NONBLOCK);
	if (rv == NNG_EAGAIN) /* nng moves the queue on by itself; it does not wait for a peer to read */
		rv = nng_sendmsg(c->socket, reply, 0);
	if (rv == 0)
		return;
	nng_msg_free(reply);
	(void)nng_pipe_close(nng_msg_get_pipe(rq)); /* rather a lost connection than a client that waits for ever */
	log_warn("control: an answer could not be sent (%s), closing the connection", nng_strerror(rv));
}

/* Two runs of bytes as one reply, in memory of nng's own. */
static void send_bytes(
	struct control *c, const nng_msg *request, const char *head, size_t n_head, const struct bytes *rest)
{
	nng_msg *reply = NULL;

	if (nng_msg_alloc(&reply, 0) == 0 && nng_msg_append(reply, head, n_head) == 0 &&
		(!rest || !rest->n || nng_msg_append(reply, rest->v, rest->n) == 0)) {
		send_msg(c, request, reply);
		return;
	}
	nng_msg_free(reply);
	(void)nng_pipe_close(nng_msg_get_pipe(request)); /* as above */
	log_warn("control: out of memory for an answer, closing the connection");
}

/* {"ok": false, "code": …, "error": …, and "faults": … when there are some}. */
static void send_refusal(
	struct control *c, const nng_msg *request, const char *code, const char *text, const struct bytes *faults)
{
	struct bytes out = {.max = CONTROL_FRAME_MAX};
	struct mp_writer w;

	mp_writer_init(&w, &out);
	mp_map(&w, faults ? 4 : 3);
	mp_key_bool(&w, "ok", false);
	mp_key_str(&w, "code", code);
	mp_key_str(&w, "error", text);
	if (faults) {
		mp_str(&w, "faults");
		mp_raw(&w, faults);
	}
	if (out.failed)
		(void)nng_pipe_close(nng_msg_get_pipe(request)); /* rather than a client that waits for ever */
	else
		send_bytes(c, request, out.v, out.n, NULL);
	bytes_done(&out);
}

void control_reply(struct control_request *rq, const struct bytes *result)
{
	bool fits = !result->failed && result->n > 0 && result->n <= CONTROL_FRAME_MAX - STRING_MAX;

	if (!fits) {
		control_refuse(rq, "refused", "the answer is too large, or there was no memory for it");
		return;
	}
	if (rq->done)
		rq->done(rq->arg, true, result, NULL);
	else if (!rq->gone)
		send_bytes(rq->control, rq->msg, head_ok, sizeof(head_ok) - 1, result);
	request_free(rq);
}

static void refuse(
	struct control_request *rq, const char *code, const struct bytes *faults, const char *fmt, va_list ap)
{
	char text[TEXT_MAX_BYTES];

	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when longer */
	if (rq->done)
		rq->done(rq->arg, false, NULL, text);
	else if (!rq->gone)
		send_refusal(rq->control, rq->msg, code, text, faults);
	request_free(rq);
}

void control_refuse(struct control_request *rq, const char *code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(rq, code, NULL, fmt, ap);
	va_end(ap);
}

void control_refuse_faults(struct control_request *rq, const struct bytes *faults, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	refuse(rq, "faults", faults->failed ? NULL : faults, fmt, ap);
	va_end(ap);
}

const struct control_peer *control_peer(const struct control_request *rq)
{
	return &rq->peer;
}

bool control_is_gone(const struct control_request *rq)
{
	return rq->gone;
}

struct control_request *control_request_new(struct control *c, control_answer *done, void *arg)
{
	struct control_request *rq;

	if (c->closing || c->st.waiting >= CONTROL_WAITERS_MAX) {
		c->st.dropped_full++;
		return NULL;
	}
	rq = request_new(c);
	if (!rq)
		return NULL;
	rq->done = done;
	rq->arg = arg;
	rq->peer = (struct control_peer){.uid = (uint32_t)-1, .gid = (uint32_t)-1, .http = true};
	c->st.requests++;
	return rq;
}

static int parse(
	struct control_request *rq, char verb[CONTROL_VERB_MAX], const msgpack_object **ret_args, struct err *e)
{
	const msgpack_object *root, *args;
	int64_t version = PROTOCOL_VERSION;
	int rc = mp_read(&rq->tree, nng_msg_body(rq->msg), nng_msg_len(rq->msg), e);

	if (rc < 0)
		return rc;
	root = mp_root(&rq->tree);
	if (root->type != MSGPACK_OBJECT_MAP)
		return err_set(e, -EINVAL, "a request is a map");
	rc = mp_get_int(root, "v", &version, PROTOCOL_VERSION, PROTOCOL_VERSION, e);
	if (rc == 0)
		rc = mp_get_strz(root, "verb", verb, CONTROL_VERB_MAX, e);
	if (rc < 0)
		return rc;
	if (!verb[0])
		return err_set(e, -EINVAL, "verb: missing");
	args = mp_get(root, "args");
	if (args && args->type != MSGPACK_OBJECT_MAP)
		return err_set(e, -EINVAL, "args: a map is expected");
	*ret_args = args ? args : &no_args;
	return 0;
}

struct control_request *control_request_read(
	struct control *c, nng_msg *msg, char verb[CONTROL_VERB_MAX], const msgpack_object **ret_args)
{
	uint32_t pipe = nng_msg_get_pipe(msg).id;
	struct control_request *rq;
	struct err e;

	c->st.requests++;
	if (c->st.waiting >= CONTROL_WAITERS_MAX) {
		c->st.dropped_full++;
		send_refusal(c, msg, "full", "too many requests are waiting: try again later", NULL);
		nng_msg_free(msg);
		return NULL;
	}
	rq = request_new(c);
	if (!rq) {
		send_refusal(c, msg, "full", "out of memory: try again later", NULL);
		nng_msg_free(msg);
		return NULL;
	}
	rq->msg = msg;
	rq->gone = !control_peers_find(&c->peers, pipe, &rq->peer);
	if (rq->gone) { /* it asked and left: nobody wants the answer, so nothing is done */
		request_free(rq);
		return NULL;
	}
	if (parse(rq, verb, ret_args, &e) < 0) {
		c->st.bad_frames++;
		log_warn("control: a bad request of pid %d, uid %u (%s), refusing it", rq->peer.pid, rq->peer.uid,
			e.text);
		control_refuse(rq, "usage", "%s", e.text);
		return NULL;
	}
	return rq;
}
