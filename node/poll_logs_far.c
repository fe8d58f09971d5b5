/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs of replicas on other nodes, for a request about several. Each node is asked twice: what it has now, without
 * waiting, and then, when nobody has anything, to wait for more. The first that has some is the answer, and the others
 * are not waited for: whoever reads keeps the places, so nothing is lost, and one that writes all the time keeps nobody
 * from being heard.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_fetch.h"
#include "node/poll_logs.h"

#define PLACE_BYTES (REPLICA_ID_MAX + 64) /* one place in a question */
#define PLACES_EACH 16

_Static_assert(PLACES_EACH *PLACE_BYTES <= GOSSIP_BODY_MAX - 256, "a question's places fit it");
_Static_assert(PLACES_MAX < UINT8_MAX, "a place holds the number of its question");

/* ---- parts ---- */

static void pack_failed(struct far *x, const char *error)
{
	struct mp_writer w;

	bytes_clear(&x->parts);
	x->n_parts = 0;
	mp_writer_init(&w, &x->parts);
	for (size_t i = 0; i < x->lw->n; i++) {
		const struct place *p = &x->lw->places[i];

		if (!p->far || &x->lw->far[p->far - 1] != x)
			continue;
		mp_map(&w, 3);
		mp_key_str(&w, "replica", p->replica);
		mp_key_bool(&w, "away", true);
		mp_key_str(&w, "error", error);
		x->n_parts++;
	}
}

static const struct place *place_of(const struct far *x, const char *id)
{
	for (size_t i = 0; i < x->lw->n; i++) {
		const struct place *p = &x->lw->places[i];

		if (p->far && &x->lw->far[p->far - 1] == x && strcmp(p->id, id) == 0)
			return p;
	}
	return NULL;
}

/* Under the name that was asked for. */
static void take_part(struct far *x, struct mp_writer *w, const msgpack_object *part)
{
	const struct place *p;
	char id[REPLICA_ID_MAX];

	if (part->type != MSGPACK_OBJECT_MAP || mp_get_strz(part, "replica", id, sizeof(id), NULL) < 0 ||
		!(p = place_of(x, id)))
		return;
	mp_map(w, part->via.map.size);
	for (uint32_t i = 0; i < part->via.map.size; i++) {
		const msgpack_object_kv *kv = &part->via.map.ptr[i];

		mp_object(w, &kv->key);
		if (&kv->val == mp_get(part, "replica"))
			mp_str(w, p->replica);
		else
			mp_object(w, &kv->val);
	}
	x->n_parts++;
}

static void on_parts(void *arg, const struct fetch_answer *a)
{
	struct far *x = arg;
	struct log_waiter *lw = x->lw;
	const msgpack_object *parts = NULL;
	char text[512];
	struct mp_writer w;

	x->ask = NULL;
	if (!a->ok) {
		(void)snprintf(text, sizeof(text), "%s%s%s", a->raw ? x->node : "", a->raw ? ": " : "", a->error);
		pack_failed(x, text); /* a longer one was cut */
	} else if (a->result->type != MSGPACK_OBJECT_MAP || mp_get_array(a->result, "parts", &parts, NULL) < 0) {
		pack_failed(x, "the answer cannot be read");
	}
	mp_writer_init(&w, &x->parts);
	for (uint32_t i = 0; parts && i < parts->via.array.size; i++)
		take_part(x, &w, &parts->via.array.ptr[i]);
	(void)node_now(lw->w.node); /* looked at by whom it is tried */
	poll_again(&lw->w);	    /* it may be gone then */
}

/* ---- questions ---- */

static void pack_place(struct mp_writer *w, const struct place *p)
{
	mp_map(w, 1 + (p->begins ? p->lines >= 0 : 2));
	mp_key_str(w, "replica", p->id);
	if (!p->begins) {
		mp_str(w, "inode");
		mp_uint(w, p->pos.inode);
		mp_key_int(w, "offset", p->pos.offset);
	} else if (p->lines >= 0) {
		mp_key_int(w, "lines", p->lines);
	}
}

static void ask(struct far *x, int64_t wait_ms)
{
	CLEANUP(bytes_done) struct bytes args = {.max = 2 * GOSSIP_BODY_MAX};
	const struct cluster_question q = {.to = x->member, .verb = "logs", .args = &args, .done = on_parts, .arg = x};
	struct mp_writer w;
	struct err e;

	bytes_clear(&x->parts);
	x->n_parts = 0;
	mp_writer_init(&w, &args);
	mp_map(&w, 3);
	mp_key_int(&w, "page", x->lw->page * (int64_t)x->n_places); /* it divides by their number */
	mp_key_int(&w, "wait_ms", wait_ms);
	mp_str(&w, "places");
	mp_array(&w, x->n_places);
	for (size_t i = 0; i < x->lw->n; i++) {
		const struct place *p = &x->lw->places[i];

		if (p->far && &x->lw->far[p->far - 1] == x)
			pack_place(&w, p);
	}
	if (cluster_fetch_ask(x->lw->w.node->cluster, &q, &x->ask, &e) < 0) {
		x->ask = NULL;
		pack_failed(x, e.text);
	}
}

static void ask_all(struct log_waiter *lw, int64_t wait_ms)
{
	for (size_t i = 0; i < lw->n_far; i++)
		ask(&lw->far[i], wait_ms);
}

bool poll_far_may_answer(const struct log_waiter *lw)
{
	for (size_t i = 0; i < lw->n_far; i++)
		if (lw->far[i].ask && !lw->waits)
			return false;
	return true;
}

size_t poll_far_collect(const struct log_waiter *lw, struct bytes *list)
{
	size_t n = 0;

	for (size_t i = 0; i < lw->n_far; i++) {
		const struct far *x = &lw->far[i];

		if (x->ask)
			continue;
		if (x->parts.n)
			(void)bytes_add(list, x->parts.v, x->parts.n); /* `failed` tells */
		list->failed |= x->parts.failed;
		n += x->n_parts;
	}
	return n;
}

bool poll_far_waits(struct log_waiter *lw)
{
	if (lw->n_far == 0 || lw->waits)
		return false;
	lw->waits = true;
	ask_all(lw, MAX(lw->w.until_ms - lw->w.node->now.mono_ms, (int64_t)0));
	return false;
}

/* ---- who is asked ---- */

static void drop(struct waiter *w)
{
	struct log_waiter *lw = CONTAINER_OF(w, struct log_waiter, w);

	for (size_t i = 0; i < lw->n_far; i++) {
		if (lw->far[i].ask)
			fetch_drop(lw->far[i].ask);
		bytes_done(&lw->far[i].parts);
	}
	free(lw->far);
}

/* The question to that node which has room for one more place. */
static struct far *far_for(struct log_waiter *lw, const struct elsewhere *at)
{
	struct far *x;

	for (size_t i = 0; i < lw->n_far; i++) {
		x = &lw->far[i];
		if (x->member == at->member && x->n_places < PLACES_EACH)
			return x;
	}
	x = &lw->far[lw->n_far++];
	*x = (struct far){.lw = lw, .member = at->member, .parts = {.max = LOGS_A_REPLY + PLACES_MAX * PART_MORE}};
	memcpy(x->node, at->node, sizeof(x->node));
	return x;
}

int poll_far_begin(struct log_waiter *lw, struct err *e)
{
	struct node *n = lw->w.node;
	struct elsewhere at;

	if (!n->cluster || control_peer(lw->w.rq)->member)
		return 0;
	lw->far = mem_zalloc(lw->n, sizeof(*lw->far));
	if (!lw->far)
		return err_set(e, -ENOMEM, "out of memory");
	lw->w.drop = drop;
	for (size_t i = 0; i < lw->n; i++) {
		struct place *p = &lw->places[i];
		struct far *x;

		/* One that nobody has, or several have, is gone: so says what looks for it here. */
		if (elsewhere_own(n, p->replica) || elsewhere_one(n, ELSEWHERE_REPLICA, p->replica, &at, NULL) < 0)
			continue;
		x = far_for(lw, &at);
		x->n_places++;
		p->far = (uint8_t)(x - lw->far + 1);
		memcpy(p->id, at.id, sizeof(p->id));
	}
	ask_all(lw, 0);
	return 0;
}
