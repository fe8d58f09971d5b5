/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb `logs`: of one replica, or of several at their places, each as far as its share of an answer goes. Files
 * are read on the loop: what one answer reads is bounded. What is on other nodes they are asked for (poll_logs_far.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/poll_logs.h"

/* What is new of one replica. */
struct part {
	struct bytes data;
	bool gap, gone, more;
};

/* A read ends with a file, while the next one may be there already. */
static int read_page(const char *path, struct logs_pos *pos, size_t page, struct part *p, struct err *e)
{
	size_t before;
	int rc;

	do {
		bool gap = false;

		before = p->data.n;
		rc = logs_read(path, pos, page - before, &p->data, &gap, e);
		p->gap |= gap;
	} while (rc == 0 && p->data.n > before && p->data.n <= page / 2);
	p->more = p->data.n > page / 2;
	return rc;
}

static int look_at(const struct log_waiter *lw, struct place *at, struct part *ret, struct err *e)
{
	const struct runner *r = elsewhere_own(lw->w.node, at->replica);
	char path[4096];

	*ret = (struct part){.data = {.max = (size_t)lw->page}, .gone = !r};
	return r ? read_page(runner_log_path(r, path, sizeof(path)), &at->pos, (size_t)lw->page, ret, e) : 0;
}

static bool is_news(const struct part *p)
{
	return p->data.n > 0 || p->gap || p->gone;
}

/* The fields that both kinds of answers have. */
static void pack_part(struct mp_writer *mw, const struct place *at, const struct part *p)
{
	mp_key_int(mw, "inode", (int64_t)at->pos.inode);
	mp_key_int(mw, "offset", at->pos.offset);
	mp_key_bool(mw, "gap", p->gap);
	mp_key_bool(mw, "more", p->more);
	mp_str(mw, "data");
	mp_bin(mw, p->data.v, p->data.n);
}

static void refuse_name(const struct log_waiter *lw)
{
	const char *name = lw->places[0].replica;

	if (roster_find(lw->w.node, name))
		control_refuse(lw->w.rq, "refused",
			"%s is an agent: name one of its replicas, as 'covey status %s' lists them", name, name);
	else if (control_peer(lw->w.rq)->member || !lw->w.node->cluster)
		control_refuse(lw->w.rq, "refused", "there is no replica '%s' on this node", name);
	else /* none, or none yet: a node that begins anew tells what it has after it is back */
		control_refuse(lw->w.rq, "unknown", "there is no replica '%s'", name);
}

static bool try_one(struct waiter *w, bool last)
{
	struct log_waiter *lw = CONTAINER_OF(w, struct log_waiter, w);
	CLEANUP(bytes_done) struct bytes out = {.max = LOGS_A_REPLY + PART_MORE};
	struct mp_writer mw;
	struct part p;
	struct err e;
	bool done = true;

	if (look_at(lw, &lw->places[0], &p, &e) < 0) {
		control_refuse(w->rq, "refused", "%s", e.text);
	} else if (p.gone) {
		refuse_name(lw);
	} else if (is_news(&p) || last) {
		mp_writer_init(&mw, &out);
		mp_map(&mw, 5);
		pack_part(&mw, &lw->places[0], &p);
		control_reply(w->rq, &out);
	} else {
		done = false;
	}
	bytes_done(&p.data);
	return done;
}

/* A node that begins anew tells what it has a moment after it is back. */
static bool may_come_back(const struct log_waiter *lw)
{
	return lw->w.node->cluster && !control_peer(lw->w.rq)->member;
}

/* Those with news, into `list`; a log that cannot be read is told and costs the others nothing. */
static size_t collect(struct log_waiter *lw, struct mp_writer *mw)
{
	size_t n = 0;

	for (size_t i = 0; i < lw->n; i++) {
		struct err e;
		struct part p;
		int rc;

		if (lw->places[i].far)
			continue;
		rc = look_at(lw, &lw->places[i], &p, &e);
		if (rc < 0 || is_news(&p) || lw->places[i].begins) {
			mp_map(mw, 9);
			mp_key_str(mw, "replica", lw->places[i].replica);
			pack_part(mw, &lw->places[i], &p);
			mp_key_bool(mw, "gone", p.gone);
			mp_key_bool(mw, "away", p.gone && may_come_back(lw)); /* as far as is known now */
			mp_key_str(mw, "error", rc < 0 ? e.text : NULL);
			n++;
		}
		bytes_done(&p.data);
	}
	return n;
}

static bool try_parts(struct waiter *w, bool last)
{
	struct log_waiter *lw = CONTAINER_OF(w, struct log_waiter, w);
	CLEANUP(bytes_done) struct bytes list = {.max = LOGS_A_REPLY + PLACES_MAX * PART_MORE};
	CLEANUP(bytes_done) struct bytes out = {.max = list.max + PART_MORE};
	struct mp_writer mw;
	size_t n;

	if (lw->n_far > 0 && !poll_far_may_answer(lw))
		return false;
	mp_writer_init(&mw, &list);
	n = collect(lw, &mw) + poll_far_collect(lw, &list);
	if (n == 0 && !last)
		return poll_far_waits(lw);
	mp_writer_init(&mw, &out);
	mp_map(&mw, 1);
	mp_str(&mw, "parts");
	mp_array(&mw, n);
	if (list.failed)
		out.failed = true; /* control_reply says so */
	else if (list.n)
		(void)bytes_add(&out, list.v, list.n); /* the elements, packed above; `failed` tells */
	control_reply(w->rq, &out);
	return true;
}

/* ---- what was asked ---- */

static int read_place(struct node *n, const msgpack_object *o, struct place *at, struct err *e)
{
	int64_t inode = -1, lines = -1;
	const struct runner *r;
	char path[4096];
	int rc = mp_get_strz(o, "replica", at->replica, sizeof(at->replica), e);

	if (rc == 0)
		rc = mp_get_int(o, "inode", &inode, 0, INT64_MAX, e);
	if (rc == 0)
		rc = mp_get_int(o, "offset", &at->pos.offset, 0, INT64_MAX, e);
	if (rc == 0)
		rc = mp_get_int(o, "lines", &lines, 0, INT64_MAX, e);
	if (rc < 0)
		return rc;
	at->begins = inode < 0;
	at->pos.inode = (uint64_t)MAX(inode, (int64_t)0);
	at->lines = lines;
	r = lines >= 0 ? elsewhere_own(n, at->replica) : NULL;
	return r ? logs_tail(runner_log_path(r, path, sizeof(path)), lines, &at->pos, e) : 0;
}

static int read_places(struct log_waiter *lw, const msgpack_object *args, const msgpack_object *list, struct err *e)
{
	int64_t page = LOGS_A_REPLY;
	int rc = mp_get_int(args, "page", &page, 1, LOGS_A_REPLY, e);

	for (size_t i = 0; i < lw->n && rc == 0; i++) {
		const msgpack_object *o = list ? &list->via.array.ptr[i] : args;

		if (o->type != MSGPACK_OBJECT_MAP)
			return err_set(e, -EINVAL, "places: maps are expected");
		rc = read_place(lw->w.node, o, &lw->places[i], e);
	}
	lw->page = MIN(page, LOGS_A_REPLY / (int64_t)lw->n);
	return rc == 0 && list ? poll_far_begin(lw, e) : rc;
}

void poll_logs(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	const msgpack_object *list = NULL;
	struct log_waiter *lw;
	char name[REPLICA_ID_MAX] = "";
	bool wants_list = false;
	struct err e;
	size_t k;

	if (mp_get_array(args, "places", &list, &e) < 0 || mp_get_bool(args, "list", &wants_list, &e) < 0 ||
		mp_get_strz(args, "replica", name, sizeof(name), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		return;
	}
	if (wants_list) {
		poll_logs_list(n, rq, name);
		return;
	}
	if (!list && !elsewhere_own(n, name) && !roster_find(n, name) &&
		elsewhere_forward(n, rq, "logs", "replica", args))
		return;
	k = list ? list->via.array.size : 1;
	if (k < 1 || k > PLACES_MAX) {
		control_refuse(rq, "usage", "places: from 1 to %d of them", PLACES_MAX);
		return;
	}
	lw = poll_waiter_new(n, rq, args, list ? try_parts : try_one, sizeof(*lw) + k * sizeof(lw->places[0]));
	if (!lw)
		return;
	lw->n = k;
	if (read_places(lw, args, list, &e) < 0)
		poll_refuse_usage(&lw->w, &e);
	else
		poll_begin(&lw->w);
}
