/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FETCH_BED_H
#define TESTS_LIB_FETCH_BED_H
/*
 * A few of node/fetch.h that speak in real frames, over links that the test makes and cuts, in time that it passes. A
 * question is answered when the test says so; came[i] keeps what came of it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "gossip/wire.h"
#include "node/fetch.h"
#include "tests/lib/oom.h"

#define NODES	5
#define FRAMES	64
#define SERVES	(2 * FETCH_MAX)
#define ANSWERS (FETCH_MAX + 8)
#define NO_MORE 0

/* A frame on its way. */
struct frame {
	int to;
	uint64_t from;
	uint8_t v[GOSSIP_FRAME_MAX];
	size_t n;
};

struct bed;

struct peer {
	struct bed *b;
	uint64_t id; /* 1, 2, … */
	struct fetch *f;
	uint32_t link[NODES];
	bool ready[NODES], dials, hidden;
	const char *absent; /* as all others see it */
	uint64_t visits[FETCH_VISITS_MAX], ways[NODES];
	size_t n_visits, n_ways;
	unsigned told_visits;
	struct fetch_serve *serves[SERVES]; /* not answered yet */
	size_t n_serves, unserved, bodies;
	char body[64]; /* of the last question */
};

static struct bed {
	struct peer v[NODES];
	uint32_t links;
	int64_t now_ms;
	struct frame q[FRAMES]; /* not delivered */
	size_t n_q, most, frames, max_frames;
	bool stopped; /* nothing is delivered */
} bed;

/* What came of a question. */
struct came {
	bool over, ok;
	char code[32], error[256];
	size_t bytes;
	bool right; /* the bytes are those that were sent */
	bool left;  /* nobody waits */
};

static struct came came[ANSWERS];

/* ---- hooks ---- */

static inline uint32_t fetch_bed_link_of(void *arg, uint64_t id)
{
	return ((struct peer *)arg)->link[id - 1];
}

static inline void fetch_bed_ready(void *arg, uint64_t id)
{
	((struct peer *)arg)->ready[id - 1] = true;
}

static inline void fetch_bed_wake(void *arg)
{
	(void)arg; /* fetch_bed_settle() looks in any case */
}

static inline void fetch_bed_join(int a, int b)
{
	bed.v[a].link[b] = bed.v[b].link[a] = ++bed.links;
}

static inline void fetch_bed_cut(int a, int b)
{
	bed.v[a].link[b] = bed.v[b].link[a] = 0;
}

static inline void fetch_bed_visit(void *arg, const uint64_t *ids, size_t n)
{
	struct peer *p = arg;

	p->n_visits = n;
	p->told_visits++;
	memcpy(p->visits, ids, n * sizeof(*ids));
}

static inline uint64_t fetch_bed_way(void *arg, uint64_t to, unsigned n)
{
	const struct peer *p = arg;

	if ((p->link[to - 1] || !p->b->v[to - 1].hidden) && n-- == 0)
		return to;
	return n < p->n_ways ? p->ways[n] : NO_MORE;
}

static const char *fetch_bed_absent(void *arg, uint64_t id)
{
	return ((struct peer *)arg)->b->v[id - 1].absent;
}

static const char *fetch_bed_name(void *arg, uint64_t id)
{
	static const char *const names[] = {"n1", "n2", "n3", "n4", "n5"};

	(void)arg;
	return names[id - 1];
}

static inline void fetch_bed_serve(void *arg, struct fetch_serve *s, const void *body, size_t n)
{
	struct peer *p = arg;

	assert_in_range(n, 1, sizeof(p->body) - 1);
	memcpy(p->body, body, n);
	p->body[n] = '\0';
	assert_true(p->n_serves < SERVES);
	p->serves[p->n_serves++] = s;
	p->bodies++;
}

static inline void fetch_bed_unserve(void *arg, struct fetch_serve *s)
{
	struct peer *p = arg;
	size_t i = 0;

	while (p->serves[i] != s)
		i++;
	p->serves[i] = p->serves[--p->n_serves];
	p->unserved++;
}

static const struct fetch_hooks fetch_bed_hooks = {fetch_bed_link_of, fetch_bed_ready, fetch_bed_wake, fetch_bed_visit,
	fetch_bed_way, fetch_bed_absent, fetch_bed_name, fetch_bed_serve, fetch_bed_unserve};

/* ---- the bed ---- */

static inline void fetch_bed_begin(void)
{
	memset(&bed, 0, sizeof(bed));
	memset(came, 0, sizeof(came));
	bed.now_ms = 1000;
	bed.max_frames = FRAMES;
	for (int i = 0; i < NODES; i++) {
		bed.v[i] = (struct peer){.b = &bed, .id = (uint64_t)i + 1};
		bed.v[i].f = fetch_new(bed.v[i].id, &fetch_bed_hooks, &bed.v[i]);
		assert_non_null(bed.v[i].f);
	}
}

static inline int fetch_bed_end(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++)
		fetch_free(bed.v[i].f);
	memset(&bed, 0, sizeof(bed));
	return 0;
}

static inline bool fetch_bed_pull(int i, int k)
{
	struct peer *p = &bed.v[i];
	struct gossip_msg m;
	struct frame *x;

	if (!p->ready[k] || bed.n_q == bed.max_frames)
		return false;
	if (!fetch_pull(p->f, (uint64_t)k + 1, bed.now_ms, &m)) {
		p->ready[k] = false;
		return false;
	}
	assert_null(gossip_msg_fault(&m));
	x = &bed.q[bed.n_q++];
	x->to = k;
	x->from = p->id;
	assert_int_equal(wire_encode(&m, x->v, sizeof(x->v), &x->n), 0);
	bed.most = MAX(bed.most, bed.n_q);
	bed.frames++;
	return true;
}

static inline bool fetch_bed_deliver(void)
{
	struct frame x = bed.q[0];
	struct gossip_msg m;

	if (bed.n_q == 0 || bed.stopped)
		return false;
	memmove(&bed.q[0], &bed.q[1], --bed.n_q * sizeof(x));
	if (!bed.v[x.to].link[x.from - 1])
		return true; /* lost with its link */
	assert_int_equal(wire_decode(x.v, x.n, &m, NULL), 0);
	fetch_take(bed.v[x.to].f, x.from, &m, bed.now_ms);
	return true;
}

static inline void fetch_bed_settle(void)
{
	bool moved;

	do {
		moved = false;
		for (int i = 0; i < NODES; i++) {
			fetch_look(bed.v[i].f, bed.now_ms);
			for (int k = 0; k < NODES; k++)
				while (fetch_bed_pull(i, k))
					moved = true;
		}
		while (fetch_bed_deliver())
			moved = true;
	} while (moved);
}

static inline void fetch_bed_pass(int64_t ms)
{
	for (int64_t until = bed.now_ms + ms; bed.now_ms < until;) {
		bed.now_ms += MIN(until - bed.now_ms, 100);
		fetch_bed_settle();
	}
}

static inline void fetch_bed_on_answer(void *arg, const struct fetch_answer *a)
{
	struct came *c = arg;

	assert_false(c->over); /* once */
	c->over = true;
	c->ok = a->ok;
	c->right = true;
	if (a->ok) {
		assert_int_equal(a->result->type, MSGPACK_OBJECT_BIN);
		c->bytes = a->result->via.bin.size;
		for (size_t i = 0; i < c->bytes; i++)
			c->right &= (uint8_t)a->result->via.bin.ptr[i] == (uint8_t)(i * 31 >> 3);
	} else {
		(void)snprintf(c->code, sizeof(c->code), "%s", a->code); /* fits; so below */
		(void)snprintf(c->error, sizeof(c->error), "%s", a->error);
	}
}

static inline bool fetch_bed_is_left(void *arg)
{
	return ((struct came *)arg)->left;
}

static inline int fetch_bed_ask(int from, int to, struct came *c, struct fetch_ask **ret)
{
	char text[] = "what is there?";
	const struct bytes body = {.v = text, .n = sizeof(text) - 1, .max = sizeof(text)};
	const struct fetch_question q = {.to = (uint64_t)to + 1,
		.body = &body,
		.done = fetch_bed_on_answer,
		.gone = fetch_bed_is_left,
		.arg = c};
	struct fetch_ask *a;
	struct err e;

	return fetch_ask(bed.v[from].f, &q, bed.now_ms, ret ? ret : &a, &e);
}

/* The oldest that this node was asked. */
static inline struct fetch_serve *fetch_bed_next_of(int i)
{
	struct peer *p = &bed.v[i];
	struct fetch_serve *s = p->serves[0];

	assert_true(p->n_serves > 0);
	memmove(&p->serves[0], &p->serves[1], --p->n_serves * sizeof(s));
	return s;
}

static inline void fetch_bed_answer(int i, size_t bytes)
{
	static uint8_t data[FETCH_ANSWER_MAX];
	struct bytes reply = {.max = 2 * FETCH_ANSWER_MAX};
	struct fetch_serve *s = fetch_bed_next_of(i);
	struct mp_writer w;

	for (size_t k = 0; k < bytes; k++)
		data[k] = (uint8_t)(k * 31 >> 3);
	mp_writer_init(&w, &reply);
	mp_map(&w, 2);
	mp_key_bool(&w, "ok", true);
	mp_str(&w, "result");
	mp_bin(&w, data, bytes);
	fetch_answer(s, &reply);
	assert_null(reply.v); /* taken */
}

static inline struct fetch_figures fetch_bed_figures(int i)
{
	struct fetch_figures x;

	fetch_figures(bed.v[i].f, &x);
	return x;
}

static inline void fetch_bed_idle(void)
{
	fetch_bed_settle();
	for (int i = 0; i < NODES; i++) {
		struct fetch_figures x = fetch_bed_figures(i);

		assert_int_equal(x.asks + x.serves + x.held, 0);
		assert_int_equal(bed.v[i].n_serves, 0);
	}
}

static inline void fetch_bed_has_failed(const struct came *c, const char *code, const char *said)
{
	assert_true(c->over && !c->ok);
	assert_string_equal(c->code, code);
	if (!strstr(c->error, said))
		fail_msg("'%s' was not said, but: %s", said, c->error);
}

/* A message without its sender's knowing. */
static inline void fetch_bed_say(int from, int to, const struct gossip_msg *m)
{
	fetch_take(bed.v[to].f, (uint64_t)from + 1, m, bed.now_ms);
}

static inline void fetch_bed_say_ask(int from, int to, uint32_t serial)
{
	fetch_bed_say(from, to,
		&(struct gossip_msg){.type = GOSSIP_MSG_ASK, .ask = {serial, (uint64_t)to + 1, false, {"?", 1}}});
}

#endif
