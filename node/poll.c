/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs that may wait. Each tries to answer at once; if it cannot, it is kept in node.waiters and tried again, by the
 * turn of the loop in which something changed. The try itself decides whether its time is up.
 */
#include "node/poll.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/node.h"
#include "node/ops.h"
#include "supervisor/logs.h"

#define WAIT_MAX_MS	 2000
#define LOGS_A_REPLY	 (256 * 1024)
#define EVENTS_A_REPLY	 1000
#define EVENTS_REPLY_MAX (1024 * 1024)

struct waiter;
/* Answers and returns true, or returns false to be tried again. last: its time is up, it must answer. */
typedef bool poll_try(struct waiter *w, bool last);

struct waiter {
	struct list link; /* in node.waiters */
	struct node *node;
	struct control_request *rq;
	poll_try *try;
	int64_t until_ms;
	char name[REPLICA_ID_MAX]; /* op, replica or agent */
	char after[EVENT_ID_MAX];
	struct logs_pos pos;
	int64_t since_ms, max;
	bool tail;
};

static void waiter_free(struct waiter *w)
{
	list_del(&w->link);
	free(w);
}

static struct waiter *waiter_new(struct node *n, struct control_request *rq, const msgpack_object *args, poll_try *try)
{
	struct waiter *w = mem_zalloc(1, sizeof(*w));
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

static void begin(struct waiter *w)
{
	struct node *n = w->node;

	if (w->try(w, w->until_ms <= w->node->now.mono_ms))
		waiter_free(w);
	else
		list_add_tail(&n->waiters, &w->link);
	if (poll_is_waiting(n))
		node_wake_polls(n);
}

static void refuse_usage(struct waiter *w, const struct err *e)
{
	control_refuse(w->rq, "usage", "%s", e->text);
	waiter_free(w);
}

void poll_look(struct node *n)
{
	LIST_FOREACH_SAFE (at, &n->waiters) {
		struct waiter *w = LIST_ENTRY(at, struct waiter, link);
		bool gone = control_is_gone(w->rq);

		if (gone)
			control_refuse(w->rq, "refused", "nobody listens"); /* ends it; the answer goes nowhere */
		if (gone || w->try(w, w->until_ms <= n->now.mono_ms))
			waiter_free(w);
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

		control_refuse(w->rq, "refused", "the daemon is stopping");
		waiter_free(w);
	}
}

/* ---- wait ---- */

static bool try_wait(struct waiter *w, bool last)
{
	const struct op *op = ops_find(w->node, w->name);
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct op_progress p;
	struct mp_writer mw;

	if (!op) {
		control_refuse(w->rq, "unknown",
			"no operation %s is known here: the daemon was started again, or it is long ago", w->name);
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
	struct waiter *w = waiter_new(n, rq, args, try_wait);
	struct err e;

	if (!w)
		return;
	if (mp_get_strz(args, "op", w->name, OP_ID_MAX, &e) < 0) {
		refuse_usage(w, &e);
		return;
	}
	begin(w);
}

/* ---- logs ---- */

static bool try_logs(struct waiter *w, bool last)
{
	CLEANUP(bytes_done) struct bytes data = {.max = LOGS_A_REPLY}, out = {.max = LOGS_A_REPLY + 1024};
	const struct runner *r = roster_runner(w->node, w->name);
	char path[4096];
	struct mp_writer mw;
	bool gap = false;
	struct err e;

	if (!r) {
		if (roster_find(w->node, w->name))
			control_refuse(w->rq, "refused",
				"%s is an agent: name one of its replicas, as 'covey status %s' lists them", w->name,
				w->name);
		else
			control_refuse(w->rq, "refused", "there is no replica '%s' on this node", w->name);
		return true;
	}
	if (logs_read(runner_log_path(r, path, sizeof(path)), &w->pos, LOGS_A_REPLY, &data, &gap, &e) < 0) {
		control_refuse(w->rq, "refused", "%s", e.text);
		return true;
	}
	if (data.n == 0 && !gap && !last)
		return false;
	mp_writer_init(&mw, &out);
	mp_map(&mw, 5);
	mp_key_int(&mw, "inode", (int64_t)w->pos.inode);
	mp_key_int(&mw, "offset", w->pos.offset);
	mp_key_bool(&mw, "gap", gap);
	mp_key_bool(&mw, "more", data.n > LOGS_A_REPLY / 2);
	mp_str(&mw, "data");
	mp_bin(&mw, data.v, data.n);
	control_reply(w->rq, &out);
	return true;
}

static int logs_begin(struct waiter *w, const msgpack_object *args, struct err *e)
{
	int64_t lines = -1, inode = 0;
	char path[4096];
	const struct runner *r;
	int rc = mp_get_strz(args, "replica", w->name, sizeof(w->name), e);

	if (rc == 0)
		rc = mp_get_int(args, "lines", &lines, 0, INT64_MAX, e);
	if (rc == 0)
		rc = mp_get_int(args, "inode", &inode, 0, INT64_MAX, e);
	if (rc == 0)
		rc = mp_get_int(args, "offset", &w->pos.offset, 0, INT64_MAX, e);
	w->pos.inode = (uint64_t)inode;
	r = rc == 0 ? roster_runner(w->node, w->name) : NULL;
	if (r && lines >= 0)
		rc = logs_tail(runner_log_path(r, path, sizeof(path)), lines, &w->pos, e);
	return rc;
}

/* `covey logs web` means its only replica. */
static void name_only_replica(struct waiter *w)
{
	const struct agent *a = roster_find(w->node, w->name);

	if (a && a->n_slots == 1 && a->slots[0])
		(void)snprintf(w->name, sizeof(w->name), "%s", a->slots[0]->id); /* ids fit */
}

void poll_logs(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct waiter *w = waiter_new(n, rq, args, try_logs);
	struct err e;

	if (!w)
		return;
	if (mp_get_strz(args, "replica", w->name, sizeof(w->name), NULL) == 0)
		name_only_replica(w);
	if (logs_begin(w, args, &e) < 0) {
		refuse_usage(w, &e);
		return;
	}
	begin(w);
}

/* ---- events ---- */

struct packing {
	struct mp_writer w;
	const struct node *node;
	size_t n;
};

static int pack_event(void *arg, const struct store_event *ev)
{
	struct packing *p = arg;
	char id[EVENT_ID_MAX];
	const struct bytes data = {.v = (char *)ev->data, .n = ev->data_len, .max = ev->data_len};

	mp_map(&p->w, 9);
	mp_key_str(&p->w, "id", events_id(p->node->events, ev->seq, id));
	mp_key_time(&p->w, "time", ev->wall_ms);
	mp_key_str(&p->w, "node", p->node->cfg->name);
	mp_key_str(&p->w, "severity", ev->severity);
	mp_key_str(&p->w, "kind", ev->kind);
	mp_key_str(&p->w, "agent", ev->agent);
	mp_key_str(&p->w, "replica", ev->replica);
	mp_key_str(&p->w, "text", ev->text);
	mp_str(&p->w, "data");
	if (ev->data_len)
		mp_raw(&p->w, &data);
	else
		mp_nil(&p->w);
	p->n++;
	return p->w.out->n > EVENTS_REPLY_MAX / 2 ? -1 : 0;
}

static bool try_events(struct waiter *w, bool last)
{
	const struct events_query q = {
		.after = w->after, .agent = w->name, .since_ms = w->since_ms, .max = w->max, .tail = w->tail};
	CLEANUP(bytes_done) struct bytes list = {.max = EVENTS_REPLY_MAX}, out = {.max = EVENTS_REPLY_MAX + 1024};
	struct packing p = {.node = w->node};
	char id[EVENT_ID_MAX];
	struct mp_writer mw;
	int64_t newest;
	struct err e;

	mp_writer_init(&p.w, &list);
	if (events_query(w->node->events, &q, pack_event, &p, &newest, &e) == -EINVAL) {
		control_refuse(w->rq, "usage", "%s", e.text);
		return true;
	}
	if (p.n == 0 && !last)
		return false;
	mp_writer_init(&mw, &out);
	mp_map(&mw, 2);
	mp_key_str(&mw, "last", events_id(w->node->events, newest, id));
	mp_str(&mw, "events");
	mp_array(&mw, p.n);
	if (list.n)
		(void)bytes_add(&out, list.v, list.n); /* the elements, packed above; `failed` tells */
	control_reply(w->rq, &out);
	return true;
}

void poll_events(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct waiter *w = waiter_new(n, rq, args, try_events);
	struct err e;
	int rc;

	if (!w)
		return;
	w->max = EVENTS_A_REPLY;
	rc = mp_get_strz(args, "agent", w->name, sizeof(w->name), &e);
	if (rc == 0)
		rc = mp_get_strz(args, "after", w->after, sizeof(w->after), &e);
	if (rc == 0)
		rc = mp_get_int(args, "since_ms", &w->since_ms, 0, INT64_MAX, &e);
	if (rc == 0)
		rc = mp_get_int(args, "max", &w->max, 1, EVENTS_A_REPLY, &e);
	if (rc == 0)
		rc = mp_get_bool(args, "tail", &w->tail, &e);
	if (rc < 0) {
		refuse_usage(w, &e);
		return;
	}
	begin(w);
}
