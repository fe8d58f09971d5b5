/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: read from a frame, kept, ended by exactly one answer.
 */
#include "node/control_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "node/control_frame.h"

#define PROTOCOL_VERSION 1
#define TEXT_MAX_BYTES	 1024

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
	bytes_done(&rq->body);
	free(rq);
}

/* A frame with room for its head, which send_frame fills in. */
static void frame_init(struct bytes *frame, struct mp_writer *w)
{
	static const unsigned char room[CONTROL_HEAD_BYTES];

	bytes_init(frame, CONTROL_HEAD_BYTES + CONTROL_FRAME_MAX);
	(void)bytes_add(frame, room, sizeof(room)); /* `failed` tells */
	mp_writer_init(w, frame);
}

/* Takes frame. */
static void send_frame(struct control_conn *k, uint32_t id, struct bytes *frame)
{
	if (!frame->failed)
		control_frame_head((unsigned char *)frame->v, id, frame->n - CONTROL_HEAD_BYTES);
	control_conn_answer(k, frame);
}

static void send_result(struct control_conn *k, uint32_t id, const struct bytes *result)
{
	struct bytes frame;
	struct mp_writer w;

	frame_init(&frame, &w);
	mp_map(&w, 2);
	mp_key_bool(&w, "ok", true);
	mp_str(&w, "result");
	mp_raw(&w, result);
	send_frame(k, id, &frame);
}

static void send_refusal(
	struct control_conn *k, uint32_t id, const char *code, const char *text, const struct bytes *faults)
{
	struct bytes frame;
	struct mp_writer w;

	frame_init(&frame, &w);
	mp_map(&w, faults ? 4 : 3);
	mp_key_bool(&w, "ok", false);
	mp_key_str(&w, "code", code);
	mp_key_str(&w, "error", text);
	if (faults) {
		mp_str(&w, "faults");
		mp_raw(&w, faults);
	}
	send_frame(k, id, &frame);
}

void control_reply(struct control_request *rq, const struct bytes *result)
{
	bool fits = !result->failed && result->n > 0 && result->n <= CONTROL_FRAME_MAX - STRING_MAX;

	if (!fits) {
		control_refuse(rq, "refused", "the answer is too large, or there was no memory for it");
		return;
	}
	if (rq->done)
		rq->done(rq->arg, true, result, NULL, NULL);
	else if (rq->conn)
		send_result(rq->conn, rq->id, result);
	request_free(rq);
}

static void refuse(
	struct control_request *rq, const char *code, const struct bytes *faults, const char *fmt, va_list ap)
{
	char text[TEXT_MAX_BYTES];

	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when longer */
	if (rq->done)
		rq->done(rq->arg, false, NULL, code, text);
	else if (rq->conn)
		send_refusal(rq->conn, rq->id, code, text, faults);
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
	refuse(rq, "faults", faults->failed || !faults->n ? NULL : faults, fmt, ap);
	va_end(ap);
}

const struct control_peer *control_peer(const struct control_request *rq)
{
	return &rq->peer;
}

bool control_is_gone(const struct control_request *rq)
{
	return !rq->conn && !rq->done;
}

void control_request_leave(struct control_request *rq)
{
	rq->done = NULL;
}

struct control_request *control_request_new(struct control *c, enum control_from from, control_answer *done, void *arg)
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
	rq->peer = (struct control_peer){.uid = CONTROL_NOBODY,
		.gid = CONTROL_NOBODY,
		.pid = -1,
		.http = from == CONTROL_HTTP,
		.member = from == CONTROL_MEMBER};
	c->st.requests++;
	return rq;
}

static int parse(
	struct control_request *rq, char verb[CONTROL_VERB_MAX], const msgpack_object **ret_args, struct err *e)
{
	const msgpack_object *root, *args;
	int64_t version = PROTOCOL_VERSION;
	int rc = mp_read(&rq->tree, rq->body.v, rq->body.n, e);

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

static void dispatch(struct control_request *rq)
{
	struct control *c = rq->control;
	const msgpack_object *args = &no_args;
	char verb[CONTROL_VERB_MAX];
	struct err e;

	if (parse(rq, verb, &args, &e) == 0) {
		c->handler(c->arg, rq, verb, args);
		return;
	}
	c->st.bad_frames++;
	log_warn("control: a bad request of pid %d, uid %u (%s), refusing it", rq->peer.pid, rq->peer.uid, e.text);
	control_refuse(rq, "usage", "%s", e.text);
}

void control_request_take(struct control_conn *k, uint32_t id, struct bytes *body)
{
	struct control *c = k->control;
	bool full = c->st.waiting >= CONTROL_WAITERS_MAX;
	struct control_request *rq = full ? NULL : request_new(c);

	c->st.requests++;
	if (!rq) {
		c->st.dropped_full++;
		bytes_done(body);
		send_refusal(
			k, id, "full", full ? "too many requests are waiting: try again later" : "out of memory", NULL);
		return;
	}
	rq->conn = k;
	k->request = rq;
	rq->peer = k->peer;
	rq->id = id;
	rq->body = *body;
	dispatch(rq);
}
