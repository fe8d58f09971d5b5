/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that may wait. Each tries to answer at once; if it cannot, it is kept in node.waiters and tried again, by the
 * turn of the loop in which something changed. The try itself decides whether its time is up.
 */
#include "node/poll_priv.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "node/ops.h"

#define WAIT_MAX_MS 2000

static void waiter_free(struct waiter *w)
{
	list_del(&w->link);
	if (w->drop)
		w->drop(w);
	free(w);
}

void *poll_waiter_new(
	struct node *n, struct control_request *rq, const msgpack_object *args, poll_try *try, size_t size)
{
	struct waiter *w = mem_zalloc(1, size);
	int64_t wait_ms = 0;
	struct err e;

	if (!w) {
		control_refuse(rq, "refused", "out of memory");
		return NULL;
	}
	if (mp_get_int(args, "wait_ms", &wait_ms, 0, WAIT_MAX_MS, &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		free(w);
		return NULL;
	}
	list_init(&w->link);
	w->node = n;
	w->rq = rq;
	w->try = try;
	w->until_ms = n->now.mono_ms + wait_ms;
	return w;
}

void poll_begin(struct waiter *w)
{
	struct node *n = w->node;

	list_add_tail(&n->waiters, &w->link);
	poll_again(w);
	if (poll_is_waiting(n))
		node_wake_polls(n);
}

void poll_refuse_usage(struct waiter *w, const struct err *e)
{
	control_refuse(w->rq, "usage", "%s", e->text);
	waiter_free(w);
}

void poll_again(struct waiter *w)
{
	if (w->try(w, w->until_ms <= w->node->now.mono_ms))
		waiter_free(w);
}

void poll_look(struct node *n)
{
	LIST_FOREACH_SAFE (at, &n->waiters) {
		struct waiter *w = LIST_ENTRY(at, struct waiter, link);

		if (control_is_gone(w->rq)) {
			control_refuse(w->rq, "refused", "nobody listens"); /* ends it; the answer goes nowhere */
			waiter_free(w);
		} else {
			poll_again(w);
		}
	}
}

bool poll_is_waiting(const struct node *n)
{
	return !list_is_empty(&n->waiters);
}

void poll_done(struct node *n)
{
	LIST_FOREACH_SAFE (at, &n->waiters) {
		struct waiter *w = LIST_ENTRY(at, struct waiter, link);

		control_refuse(w->rq, "stopping", "the daemon is stopping");
		waiter_free(w);
	}
}

/* ---- wait ---- */

struct op_waiter {
	struct waiter w;
	char op[OP_ID_MAX];
};

static bool try_wait(struct waiter *w, bool last)
{
	const struct op_waiter *ow = CONTAINER_OF(w, struct op_waiter, w);
	const struct op *op = ops_find(w->node, ow->op);
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct op_progress p;
	struct mp_writer mw;

	if (!op) {
		control_refuse(w->rq, "unknown",
			"no operation %s is known here: the daemon was started again, or it is long ago", ow->op);
		return true;
	}
	ops_progress(w->node, op, &p);
	if (!p.done && !p.failed && !last)
		return false;
	mp_writer_init(&mw, &out);
	mp_map(&mw, 5);
	mp_key_bool(&mw, "done", p.done);
	mp_key_bool(&mw, "failed", p.failed);
	mp_key_int(&mw, "ready", p.ready);
	mp_key_int(&mw, "total", p.total);
	mp_key_str(&mw, "text", p.text);
	control_reply(w->rq, &out);
	return true;
}

void poll_wait(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct op_waiter *w = poll_waiter_new(n, rq, args, try_wait, sizeof(*w));
	struct err e;

	if (!w)
		return;
	if (mp_get_strz(args, "op", w->op, sizeof(w->op), &e) < 0)
		poll_refuse_usage(&w->w, &e);
	else
		poll_begin(&w->w);
}
