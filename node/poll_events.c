/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb `events`. What is older than memory reaches is read from the disk by the storage thread, a page at a time,
 * packed there, and answered when it comes; the rest of the page is filled from memory. Meanwhile events may fall out
 * of memory: then the next page is read from the disk again, and none is missed.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/poll_priv.h"

#define EVENTS_A_REPLY	 1000
#define EVENTS_REPLY_MAX (1024 * 1024)

struct event_waiter;

/* What was found so far. While it is being read into it is the storage thread's. */
struct found {
	struct event_waiter *waiter; /* NULL: nobody waits for it any more */
	const struct node *node;
	struct bytes list; /* of packed events */
	size_t n, max;
	int64_t last; /* seq of the last one */
	bool full;    /* there may be more */
	bool durable; /* all of it, or the store has said that it cannot be */
	/* of the page that is read, or was: */
	bool reading;
	int64_t before;
	int rc;
	char error[256];
};

struct event_waiter {
	struct waiter w;
	char agent[REPLICA_ID_MAX];
	int64_t from; /* seq: newer ones are still to be looked at */
	int64_t since_ms;
	int64_t tail; /* the newest so many, of which none was looked for yet; 0: from the oldest on */
	struct found *found;
};

static void found_free(struct found *f)
{
	bytes_done(&f->list);
	free(f);
}

static void drop(struct waiter *w)
{
	struct event_waiter *ew = CONTAINER_OF(w, struct event_waiter, w);

	if (!ew->found)
		return;
	if (ew->found->reading)
		ew->found->waiter = NULL; /* on_read frees it */
	else
		found_free(ew->found);
}

/* On the loop or on the storage thread. */
static int pack_event(void *arg, const struct store_event *ev)
{
	struct found *f = arg;
	struct mp_writer w;
	char id[EVENT_ID_MAX];
	const struct bytes data = {.v = (char *)(uintptr_t)ev->data, .n = ev->data_len, .max = ev->data_len};

	mp_writer_init(&w, &f->list);
	mp_map(&w, 9);
	mp_key_str(&w, "id", events_id(f->node->events, ev->seq, id));
	mp_key_time(&w, "time", ev->wall_ms);
	mp_key_str(&w, "node", f->node->cfg->name);
	mp_key_str(&w, "severity", ev->severity);
	mp_key_str(&w, "kind", ev->kind);
	mp_key_str(&w, "agent", ev->agent);
	mp_key_str(&w, "replica", ev->replica);
	mp_key_str(&w, "text", ev->text);
	mp_str(&w, "data");
	if (ev->data_len)
		mp_raw(&w, &data);
	else
		mp_nil(&w);
	f->n++;
	f->last = ev->seq;
	f->full = f->n >= f->max || f->list.n > EVENTS_REPLY_MAX / 2;
	return f->list.failed ? -ENOMEM : f->full;
}

/* ---- from the disk ---- */

static void on_read(void *arg, int rc, const char *error)
{
	struct found *f = arg;
	struct event_waiter *ew = f->waiter;

	f->reading = false;
	if (!ew) {
		found_free(f);
		return;
	}
	f->rc = rc;
	(void)snprintf(f->error, sizeof(f->error), "%s", error ? error : ""); /* a longer one is cut */
	ew->from = f->full ? f->last : f->before - 1;
	(void)node_now(ew->w.node); /* looked at by whom it is tried */
	poll_again(&ew->w);
}

static void start_reading(struct event_waiter *ew, int64_t before, int64_t max, bool newest)
{
	struct found *f = ew->found;
	const struct events_query q = {
		.after = ew->from, .agent = ew->agent, .since_ms = ew->since_ms, .max = max, .newest = newest};

	f->before = before;
	f->reading = true;
	f->rc = events_read(ew->w.node->events, &q, before, pack_event, on_read, f);
	if (f->rc == 0)
		return;
	f->reading = false;
	(void)snprintf(f->error, sizeof(f->error), "%s",
		f->rc == -ENOSPC ? "too much is waiting for the disk already; try again in a moment"
				 : strerror(-f->rc)); /* fits */
}

/* What was told must not be told again as another event by the next daemon: so it is on disk first. */
static void on_durable(void *arg, int rc, const char *error)
{
	struct found *f = arg;
	struct event_waiter *ew = f->waiter;

	(void)rc; /* a store that fails is an event too, and must be told */
	(void)error;
	f->reading = false;
	f->durable = true;
	if (!ew) {
		found_free(f);
		return;
	}
	(void)node_now(ew->w.node); /* as above */
	poll_again(&ew->w);
}

static bool wait_durable(struct event_waiter *ew)
{
	struct found *f = ew->found;

	f->reading = store_sync(ew->w.node->store, on_durable, f) == 0; /* full: told all the same */
	return f->reading;
}

/* ---- the newest few ---- */

struct count {
	int64_t n, first;
};

static int count_event(void *arg, const struct store_event *ev)
{
	struct count *c = arg;

	if (c->n++ == 0)
		c->first = ev->seq;
	return 0;
}

/* Sets out from where the newest `tail` begin; those that memory lacks are read. */
static void find_tail(struct event_waiter *ew)
{
	const struct events *events = ew->w.node->events;
	const struct events_query q = {
		.after = ew->from, .agent = ew->agent, .since_ms = ew->since_ms, .max = ew->tail, .newest = true};
	int64_t oldest = events_oldest(events), last, lacks;
	struct count c = {0};

	(void)events_query(events, &q, count_event, &c, &last, NULL); /* fails with its callback, which does not */
	lacks = ew->tail - c.n;
	ew->tail = 0;
	if (lacks > 0 && oldest > ew->from + 1)
		start_reading(ew, oldest, lacks, true);
	else
		ew->from = c.n ? c.first - 1 : last;
}

/* ---- answering ---- */

static void answer(struct event_waiter *ew)
{
	CLEANUP(bytes_done) struct bytes out = {.max = EVENTS_REPLY_MAX + 1024};
	struct found *f = ew->found;
	char id[EVENT_ID_MAX];
	struct mp_writer mw;

	mp_writer_init(&mw, &out);
	mp_map(&mw, 3);
	mp_key_str(&mw, "last", events_id(ew->w.node->events, ew->from, id));
	mp_key_bool(&mw, "more", f->full);
	mp_str(&mw, "events");
	mp_array(&mw, f->n);
	if (f->list.n)
		(void)bytes_add(&out, f->list.v, f->list.n); /* the elements, packed above; `failed` tells */
	control_reply(ew->w.rq, &out);
}

/* What memory has, behind what was read. */
static void take_from_memory(struct event_waiter *ew)
{
	struct found *f = ew->found;
	const struct events_query q = {
		.after = ew->from, .agent = ew->agent, .since_ms = ew->since_ms, .max = (int64_t)(f->max - f->n)};

	f->rc = events_query(ew->w.node->events, &q, pack_event, f, &ew->from, NULL);
	if (f->rc < 0)
		(void)snprintf(f->error, sizeof(f->error), "out of memory"); /* fits */
}

static bool try_events(struct waiter *w, bool last)
{
	struct event_waiter *ew = CONTAINER_OF(w, struct event_waiter, w);
	struct found *f = ew->found;
	int64_t oldest = events_oldest(w->node->events);

	if (f->reading)
		return false; /* also when its time is up: it comes soon */
	if (f->durable) {
		answer(ew);
		return true;
	}
	if (f->rc == 0 && ew->tail)
		find_tail(ew);
	if (!f->reading && f->rc == 0 && !f->full && oldest > ew->from + 1)
		start_reading(ew, oldest, (int64_t)(f->max - f->n), false);
	if (f->reading)
		return false;
	if (f->rc == 0 && !f->full)
		take_from_memory(ew);
	if (f->rc < 0) {
		control_refuse(w->rq, f->rc == -ENOSPC ? "full" : "refused", "%s", f->error);
		return true;
	}
	if (f->n == 0 && !last)
		return false;
	if (f->n && wait_durable(ew))
		return false;
	answer(ew);
	return true;
}

/* ---- what was asked ---- */

static int read_args(struct event_waiter *ew, const msgpack_object *args, struct err *e)
{
	int64_t max = EVENTS_A_REPLY;
	char after[EVENT_ID_MAX], agent[REPLICA_ID_MAX];
	int rc = mp_get_strz(args, "agent", agent, sizeof(agent), e);

	if (rc == 0) /* fits: it is as long */
		(void)snprintf(ew->agent, sizeof(ew->agent), "%s", roster_bare(ew->w.node, agent));
	if (rc == 0)
		rc = mp_get_strz(args, "after", after, sizeof(after), e);
	if (rc == 0)
		rc = events_parse_id(ew->w.node->events, after, &ew->from, e);
	if (rc == 0)
		rc = mp_get_int(args, "since_ms", &ew->since_ms, 0, INT64_MAX, e);
	if (rc == 0)
		rc = mp_get_int(args, "max", &max, 1, EVENTS_A_REPLY, e);
	if (rc == 0)
		rc = mp_get_int(args, "tail", &ew->tail, 0, EVENTS_A_REPLY, e);
	ew->tail = MIN(ew->tail, max);
	ew->found->max = (size_t)max;
	return rc;
}

void poll_events(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct event_waiter *ew = poll_waiter_new(n, rq, args, try_events, sizeof(*ew));
	struct err e = {.text = "out of memory"};

	if (!ew)
		return;
	ew->w.drop = drop;
	ew->found = mem_zalloc(1, sizeof(*ew->found));
	if (!ew->found) {
		poll_refuse_usage(&ew->w, &e);
		return;
	}
	*ew->found = (struct found){.waiter = ew, .node = n, .list = {.max = EVENTS_REPLY_MAX}};
	if (read_args(ew, args, &e) < 0)
		poll_refuse_usage(&ew->w, &e);
	else
		poll_begin(&ew->w);
}
