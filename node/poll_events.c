/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb `events`.
 */
#include <errno.h>
#include <string.h>

#include "node/poll_priv.h"

#define EVENTS_A_REPLY	 1000
#define EVENTS_REPLY_MAX (1024 * 1024)

struct event_waiter {
	struct waiter w;
	char agent[REPLICA_ID_MAX];
	char after[EVENT_ID_MAX];
	int64_t since_ms, max;
	bool tail;
};

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
	struct event_waiter *ew = CONTAINER_OF(w, struct event_waiter, w);
	const struct events_query q = {
		.after = ew->after, .agent = ew->agent, .since_ms = ew->since_ms, .max = ew->max, .tail = ew->tail};
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
	struct event_waiter *w = poll_waiter_new(n, rq, args, try_events, sizeof(*w));
	int64_t tail = 0;
	struct err e;
	int rc;

	if (!w)
		return;
	w->max = EVENTS_A_REPLY;
	rc = mp_get_strz(args, "agent", w->agent, sizeof(w->agent), &e);
	if (rc == 0)
		rc = mp_get_strz(args, "after", w->after, sizeof(w->after), &e);
	if (rc == 0)
		rc = mp_get_int(args, "since_ms", &w->since_ms, 0, INT64_MAX, &e);
	if (rc == 0)
		rc = mp_get_int(args, "max", &w->max, 1, EVENTS_A_REPLY, &e);
	if (rc == 0)
		rc = mp_get_int(args, "tail", &tail, 0, EVENTS_A_REPLY, &e);
	if (rc < 0) {
		poll_refuse_usage(&w->w, &e);
		return;
	}
	w->tail = tail > 0;
	if (w->tail)
		w->max = MIN(w->max, tail);
	poll_begin(&w->w);
}
