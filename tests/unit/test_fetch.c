/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions between nodes and their answers: the window, the bounds, other ways, links that are lost, those who do not
 * wait any more. A few of node/fetch.h that speak in real frames, over links that the test makes and cuts.
 */
#include "node/fetch.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "gossip/wire.h"
#include "tests/lib/oom.h"

#define NODES	  5
#define FRAMES	  64
#define SERVES	  (2 * FETCH_MAX)
#define ANSWERS	  (FETCH_MAX + 8)
#define NO_MORE   0

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

static uint32_t link_of(void *arg, uint64_t id)
{
	return ((struct peer *)arg)->link[id - 1];
}

static void ready(void *arg, uint64_t id)
{
	((struct peer *)arg)->ready[id - 1] = true;
}

static void wake(void *arg)
{
	(void)arg; /* settle() looks in any case */
}

static void join(int a, int b)
{
	bed.v[a].link[b] = bed.v[b].link[a] = ++bed.links;
}

static void cut(int a, int b)
{
	bed.v[a].link[b] = bed.v[b].link[a] = 0;
}

static void visit(void *arg, const uint64_t *ids, size_t n)
{
	struct peer *p = arg;

	p->n_visits = n;
	p->told_visits++;
	memcpy(p->visits, ids, n * sizeof(*ids));
}

static uint64_t way(void *arg, uint64_t to, unsigned n)
{
	const struct peer *p = arg;

	if ((p->link[to - 1] || !p->b->v[to - 1].hidden) && n-- == 0)
		return to;
	return n < p->n_ways ? p->ways[n] : NO_MORE;
}

static const char *absent(void *arg, uint64_t id)
{
	return ((struct peer *)arg)->b->v[id - 1].absent;
}

static const char *name(void *arg, uint64_t id)
{
	static const char *const names[] = {"n1", "n2", "n3", "n4", "n5"};

	(void)arg;
	return names[id - 1];
}

static void serve(void *arg, struct fetch_serve *s, const void *body, size_t n)
{
	struct peer *p = arg;

	assert_in_range(n, 1, sizeof(p->body) - 1);
	memcpy(p->body, body, n);
	p->body[n] = '\0';
	assert_true(p->n_serves < SERVES);
	p->serves[p->n_serves++] = s;
	p->bodies++;
}

static void unserve(void *arg, struct fetch_serve *s)
{
	struct peer *p = arg;
	size_t i = 0;

	while (p->serves[i] != s)
		i++;
	p->serves[i] = p->serves[--p->n_serves];
	p->unserved++;
}

static const struct fetch_hooks hooks = {link_of, ready, wake, visit, way, absent, name, serve, unserve};

/* ---- the bed ---- */

static void begin(void)
{
	memset(&bed, 0, sizeof(bed));
	memset(came, 0, sizeof(came));
	bed.now_ms = 1000;
	bed.max_frames = FRAMES;
	for (int i = 0; i < NODES; i++) {
		bed.v[i] = (struct peer){.b = &bed, .id = (uint64_t)i + 1};
		bed.v[i].f = fetch_new(bed.v[i].id, &hooks, &bed.v[i]);
		assert_non_null(bed.v[i].f);
	}
}

static int end(void **state)
{
	(void)state;
	for (int i = 0; i < NODES; i++)
		fetch_free(bed.v[i].f);
	memset(&bed, 0, sizeof(bed));
	return 0;
}

static bool pull(int i, int k)
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

static bool deliver(void)
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

static void settle(void)
{
	bool moved;

	do {
		moved = false;
		for (int i = 0; i < NODES; i++) {
			fetch_look(bed.v[i].f, bed.now_ms);
			for (int k = 0; k < NODES; k++)
				while (pull(i, k))
					moved = true;
		}
		while (deliver())
			moved = true;
	} while (moved);
}

static void pass(int64_t ms)
{
	for (int64_t until = bed.now_ms + ms; bed.now_ms < until;) {
		bed.now_ms += MIN(until - bed.now_ms, 100);
		settle();
	}
}

static void on_answer(void *arg, const struct fetch_answer *a)
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
		(void)snprintf(c->code, sizeof(c->code), "%s", a->code);    /* fits; so below */
		(void)snprintf(c->error, sizeof(c->error), "%s", a->error);
	}
}

static bool is_left(void *arg)
{
	return ((struct came *)arg)->left;
}

static int ask(int from, int to, struct came *c, struct fetch_ask **ret)
{
	char text[] = "what is there?";
	const struct bytes body = {.v = text, .n = sizeof(text) - 1, .max = sizeof(text)};
	const struct fetch_question q = {
		.to = (uint64_t)to + 1, .body = &body, .done = on_answer, .gone = is_left, .arg = c};
	struct fetch_ask *a;
	struct err e;

	return fetch_ask(bed.v[from].f, &q, bed.now_ms, ret ? ret : &a, &e);
}

/* The oldest that this node was asked. */
static struct fetch_serve *next_of(int i)
{
	struct peer *p = &bed.v[i];
	struct fetch_serve *s = p->serves[0];

	assert_true(p->n_serves > 0);
	memmove(&p->serves[0], &p->serves[1], --p->n_serves * sizeof(s));
	return s;
}

static void answer(int i, size_t bytes)
{
	static uint8_t data[FETCH_ANSWER_MAX];
	struct bytes reply = {.max = FETCH_ANSWER_MAX};
	struct fetch_serve *s = next_of(i);
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

static struct fetch_figures figures(int i)
{
	struct fetch_figures x;

	fetch_figures(bed.v[i].f, &x);
	return x;
}

static void idle(void)
{
	settle();
	for (int i = 0; i < NODES; i++) {
		struct fetch_figures x = figures(i);

		assert_int_equal(x.asks + x.serves + x.held, 0);
		assert_int_equal(bed.v[i].n_serves, 0);
	}
}

static void has_failed(const struct came *c, const char *code, const char *said)
{
	assert_true(c->over && !c->ok);
	assert_string_equal(c->code, code);
	if (!strstr(c->error, said))
		fail_msg("'%s' was not said, but: %s", said, c->error);
}

/* ---- the window ---- */

static void test_an_answer_comes_as_it_went(void **state)
{
	static const size_t sizes[] = {0, 1, GOSSIP_BODY_MAX - 20, GOSSIP_BODY_MAX - 1, GOSSIP_BODY_MAX,
		2 * GOSSIP_BODY_MAX - 17, 100000, FETCH_ANSWER_MAX - 100};

	(void)state;
	begin();
	join(0, 1);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(ask(0, 1, &came[i], NULL), 0);
		settle();
		assert_string_equal(bed.v[1].body, "what is there?");
		assert_false(came[i].over);
		answer(1, sizes[i]);
		settle();
		assert_true(came[i].over && came[i].ok && came[i].right);
		assert_int_equal(came[i].bytes, sizes[i]);
		idle();
	}
	assert_int_equal(figures(0).answered, ARRAY_LEN(sizes));
	assert_int_equal(figures(1).served, ARRAY_LEN(sizes));
	assert_int_equal(figures(0).strays + figures(1).strays, 0);
}

static void test_no_more_than_a_window_is_on_its_way(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	bed.stopped = true; /* the asker takes nothing */
	answer(1, 1000000);
	settle();
	assert_int_equal(bed.n_q, FETCH_WINDOW);
	bed.now_ms += FETCH_QUIET_MS - 1;
	settle();
	assert_int_equal(bed.n_q, FETCH_WINDOW);
	bed.stopped = false;
	bed.most = 0;
	settle();
	assert_true(came[0].ok && came[0].right && came[0].bytes == 1000000);
	assert_in_range(bed.most, 1, FETCH_WINDOW + 1);
	idle();
}

/* A link that takes one frame at a time: two answers share it. */
static void test_answers_take_turns(void **state)
{
	size_t big;

	(void)state;
	begin();
	join(0, 1);
	bed.max_frames = 1;
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(ask(0, 1, &came[1], NULL), 0);
	settle();
	big = bed.frames;
	answer(1, 1000000);
	answer(1, 3 * GOSSIP_BODY_MAX);
	while (!came[1].over && !came[0].over) {
		for (int i = 0; i < 2; i++)
			for (int k = 0; k < 2; k++)
				(void)pull(i, k); /* or the link is full */
		(void)deliver();
	}
	assert_false(came[0].over);
	assert_true(came[1].ok && bed.frames - big < 20);
	settle();
	assert_true(came[0].ok && came[0].right);
	idle();
}

/* ---- bounds ---- */

static void test_bounds_of_the_asker(void **state)
{
	struct bytes body = {.max = GOSSIP_BODY_MAX + 1};
	const struct fetch_question q = {.to = 2, .body = &body, .done = on_answer, .arg = &came[0]};
	struct fetch_ask *a;
	struct err e;

	(void)state;
	begin();
	assert_int_equal(bytes_reserve(&body, GOSSIP_BODY_MAX + 1), 0);
	memset(body.v, 'x', GOSSIP_BODY_MAX + 1);
	body.n = GOSSIP_BODY_MAX + 1;
	assert_int_equal(fetch_ask(bed.v[0].f, &q, bed.now_ms, &a, &e), -EMSGSIZE);
	assert_non_null(strstr(e.text, "the question to n2 is larger than"));
	bytes_done(&body);
	for (int i = 0; i < FETCH_MAX; i++)
		assert_int_equal(ask(0, 1, &came[i], NULL), 0);
	assert_int_equal(ask(0, 1, &came[FETCH_MAX], NULL), -ENOSPC);
	/* Of these some are asked at a time; each that is answered makes place for another one. */
	join(0, 1);
	for (int i = 0; i < FETCH_MAX; i++) {
		settle();
		assert_int_equal(bed.v[1].n_serves, MIN(FETCH_PEER_MAX, FETCH_MAX - i));
		answer(1, 10);
	}
	settle();
	for (int i = 0; i < FETCH_MAX; i++)
		assert_true(came[i].ok);
	idle();
}

static void say(int from, int to, const struct gossip_msg *m)
{
	fetch_take(bed.v[to].f, (uint64_t)from + 1, m, bed.now_ms);
}

static void say_ask(int from, int to, uint32_t serial)
{
	say(from, to, &(struct gossip_msg){
			      .type = GOSSIP_MSG_ASK, .ask = {serial, (uint64_t)to + 1, false, {"?", 1}}});
}

/* One that asks more than may be is told so, and the others are served. */
static void test_bounds_of_the_asked(void **state)
{
	size_t frames;

	(void)state;
	begin();
	join(0, 4);
	join(1, 4);
	for (uint32_t i = 1; i <= FETCH_PEER_MAX + 2; i++)
		say_ask(0, 4, i);
	assert_int_equal(figures(4).served, FETCH_PEER_MAX);
	assert_int_equal(figures(4).refused, 2);
	say_ask(1, 4, 1);
	assert_int_equal(figures(4).served, FETCH_PEER_MAX + 1);
	say_ask(0, 4, 3); /* its number is taken */
	assert_int_equal(figures(4).strays, 1);
	frames = bed.frames;
	settle();
	assert_int_equal(bed.frames - frames, 2); /* that it is full: nobody asked, which is counted there */
	assert_int_equal(figures(0).strays, 2);
	cut(0, 4);
	settle();
	assert_int_equal(bed.v[4].unserved, FETCH_PEER_MAX);
	cut(1, 4);
	idle();
}

static void test_answers_that_are_too_large(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	answer(1, FETCH_ANSWER_MAX);
	settle();
	has_failed(&came[0], "refused", "the answer is too large to be sent to another node");
	idle();
	/* All that wait to be read: nobody takes anything. */
	for (int i = 1; i < NODES; i++)
		join(0, i);
	for (int i = 0; i < 4 * FETCH_PEER_MAX; i++)
		assert_int_equal(ask(1 + i / FETCH_PEER_MAX, 0, &came[1 + i], NULL), 0);
	settle();
	bed.stopped = true;
	for (int i = 0; i < 4 * FETCH_PEER_MAX; i++)
		answer(0, FETCH_ANSWER_MAX - 100);
	assert_in_range(figures(0).held, FETCH_HELD_MAX - FETCH_ANSWER_MAX, FETCH_HELD_MAX + 4 * FETCH_PEER_MAX * 1024);
	bed.stopped = false;
	settle();
	for (int i = 1; i <= 4 * FETCH_PEER_MAX; i++)
		assert_true(came[i].ok ? came[i].right : strcmp(came[i].code, "full") == 0);
	assert_true(came[1].ok && !came[4 * FETCH_PEER_MAX].ok);
	idle();
}

static void test_messages_of_no_question_are_counted(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	say(1, 0, &(struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {77, true, {"x", 1}}});
	assert_int_equal(figures(0).strays, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	join(0, 2); /* another one that answers */
	say(2, 0, &(struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {1, true, {"x", 1}}});
	assert_int_equal(figures(0).strays, 2);
	say(0, 1, &(struct gossip_msg){.type = GOSSIP_MSG_MORE, .more = {1, 5}}); /* more than was sent */
	assert_int_equal(figures(1).strays, 1);
	say(0, 1, &(struct gossip_msg){.type = GOSSIP_MSG_DROP, .drop = {9}}); /* may have crossed its answer */
	assert_int_equal(figures(1).strays, 1);
	assert_false(came[0].over);
	answer(1, 5);
	settle();
	assert_true(came[0].ok);
	idle();
}

/* ---- what is refused ---- */

static void test_a_refusal_is_told(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	fetch_refuse(next_of(1), "usage", "there is no verb '%s'", "x");
	settle();
	has_failed(&came[0], "usage", "there is no verb 'x'");
	assert_int_equal(ask(0, 1, &came[1], NULL), 0);
	settle();
	say(1, 0, &(struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {2, true, {"\xc1", 1}}});
	has_failed(&came[1], "refused", "the answer of n2 cannot be read");
	fetch_refuse(next_of(1), "refused", "late");
	idle();
}

/* A daemon that begins or ends is asked again, for a while. */
static void test_a_daemon_that_begins_is_asked_again(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(ask(0, 1, &came[1], NULL), 0);
	settle();
	fetch_refuse(next_of(1), "stopping", "not now");
	settle();
	assert_false(came[0].over);
	answer(1, 3);
	pass(1000);
	assert_true(came[1].ok);
	answer(1, 2);
	settle();
	assert_true(came[0].ok && came[0].bytes == 2);
	assert_int_equal(ask(0, 1, &came[2], NULL), 0);
	for (int64_t t = 0; t < 2 * FETCH_QUIET_MS && !came[2].over; t += 100) {
		pass(100);
		if (bed.v[1].n_serves > 0)
			fetch_refuse(next_of(1), "stopping", "not now");
	}
	settle();
	has_failed(&came[2], "stopping", "not now");
	idle();
}

/* ---- who goes away ---- */

static void test_who_does_not_wait_any_more_is_not_served(void **state)
{
	struct fetch_ask *a;

	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(ask(0, 1, &came[1], &a), 0);
	settle();
	assert_int_equal(bed.v[1].n_serves, 2);
	came[0].left = true;
	settle();
	has_failed(&came[0], "gone", "nobody listens");
	assert_int_equal(bed.v[1].unserved, 1);
	fetch_drop(a);
	settle();
	assert_false(came[1].over);
	assert_int_equal(bed.v[1].unserved, 2);
	idle();
	/* In the middle of its answer. */
	assert_int_equal(ask(0, 1, &came[2], &a), 0);
	settle();
	bed.stopped = true;
	answer(1, 1000000);
	settle();
	fetch_drop(a);
	bed.stopped = false;
	idle();
	assert_false(came[2].over);
	/* Before it was asked. */
	cut(0, 1);
	assert_int_equal(ask(0, 1, &came[3], &a), 0);
	fetch_drop(a);
	idle();
	assert_int_equal(bed.v[1].bodies, 3);
}

static void test_a_link_that_is_lost_is_no_end(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	bed.stopped = true;
	answer(1, 500000);
	settle();
	cut(0, 1);
	bed.stopped = false;
	settle();
	assert_false(came[0].over);
	assert_int_equal(bed.v[0].n_visits, 1); /* it is dialled */
	assert_true(bed.v[0].visits[0] == 2);
	join(0, 1);
	settle();
	answer(1, 400000);
	settle();
	assert_true(came[0].ok && came[0].right && came[0].bytes == 400000);
	pass(FETCH_LINGER_MS + 200);
	assert_int_equal(bed.v[0].n_visits, 0);
	assert_true(fetch_is_idle(bed.v[0].f));
	idle();
}

static void test_a_peer_that_dies_ends_its_questions(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	cut(0, 1);
	settle();
	assert_false(came[0].over);
	bed.v[1].absent = "dead";
	settle();
	has_failed(&came[0], "away", "n2 went away: it is dead");
	idle();
}

static void test_silence_has_an_end(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	pass(FETCH_QUIET_MS - 100);
	assert_false(came[0].over);
	pass(200);
	has_failed(&came[0], "away", "n2 does not answer: nothing came for 10 s");
	/* The asker takes no more: what it was sent is kept no longer. */
	answer(1, 10); /* the answer has nobody: the asker's word of it is lost with this link */
	cut(0, 1);
	idle();
	join(0, 1);
	say_ask(0, 1, 99);
	answer(1, 100000);
	bed.stopped = true;
	settle();
	bed.n_q = 0;
	bed.now_ms += FETCH_QUIET_MS;
	settle();
	assert_int_equal(figures(1).serves, 0);
	bed.stopped = false;
	idle();
}

/* ---- other ways ---- */

static void hide(int i)
{
	bed.v[i].hidden = true;
}

/* n1 and n2 cannot be dialled; n3 has a link to each. */
static void test_who_cannot_be_dialled_is_asked_over_a_neighbour(void **state)
{
	(void)state;
	begin();
	hide(0);
	hide(1);
	join(0, 2);
	join(1, 2);
	bed.v[0].ways[0] = 3;
	bed.v[0].n_ways = 1;
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	assert_int_equal(bed.v[2].bodies, 0);
	answer(1, 300000);
	settle();
	assert_true(came[0].ok && came[0].right && came[0].bytes == 300000);
	assert_int_equal(figures(2).passed, 1);
	assert_int_equal(bed.v[0].told_visits, 0);
	idle();
	/* A refusal comes through; nobody waits any more; the one in between goes away. */
	assert_int_equal(ask(0, 1, &came[1], NULL), 0);
	settle();
	fetch_refuse(next_of(1), "refused", "no");
	settle();
	has_failed(&came[1], "refused", "no");
	assert_int_equal(ask(0, 1, &came[2], NULL), 0);
	settle();
	came[2].left = true;
	settle();
	assert_int_equal(bed.v[1].unserved, 1);
	idle();
	assert_int_equal(ask(0, 1, &came[3], NULL), 0);
	settle();
	cut(0, 2);
	settle();
	assert_int_equal(bed.v[1].unserved, 2);
	pass(FETCH_QUIET_MS);
	has_failed(&came[3], "away", "n2 cannot be dialled, and none of its neighbours can be asked instead");
	idle();
}

/* One that has no link to it says so, and the next one is asked. */
static void test_the_next_neighbour_is_asked(void **state)
{
	(void)state;
	begin();
	hide(1);
	join(0, 2);
	join(0, 3);
	join(1, 3);
	bed.v[0].ways[0] = 3;
	bed.v[0].ways[1] = 4;
	bed.v[0].n_ways = 2;
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	settle();
	answer(1, 7);
	settle();
	assert_true(came[0].ok && came[0].bytes == 7);
	assert_int_equal(figures(2).passed, 1);
	cut(1, 3);
	assert_int_equal(ask(0, 1, &came[1], NULL), 0);
	settle();
	has_failed(&came[1], "away", "none of its neighbours can be asked instead");
	idle();
	/* One that can be dialled, and to which no link comes about. */
	bed.v[1].hidden = false;
	join(1, 3);
	assert_int_equal(ask(0, 1, &came[2], NULL), 0);
	pass(FETCH_WAY_MS - 100);
	assert_int_equal(bed.v[1].n_serves, 0);
	pass(300);
	answer(1, 8);
	settle();
	assert_true(came[2].ok && came[2].bytes == 8);
	idle();
}

static void test_nothing_is_passed_on_twice(void **state)
{
	(void)state;
	begin();
	join(0, 2);
	join(1, 2);
	say(0, 2, &(struct gossip_msg){.type = GOSSIP_MSG_ASK, .ask = {1, 2, true, {"?", 1}}});
	assert_int_equal(figures(2).refused, 1);
	assert_int_equal(figures(2).passed, 0);
	settle();
	assert_int_equal(bed.v[1].bodies, 0);
	idle();
}

/* ---- its end, and no memory ---- */

static void test_the_end_of_a_daemon_ends_all(void **state)
{
	(void)state;
	begin();
	join(0, 1);
	assert_int_equal(ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(ask(1, 0, &came[1], NULL), 0);
	settle();
	fetch_end(bed.v[0].f);
	has_failed(&came[0], "stopping", "the daemon is stopping");
	assert_int_equal(bed.v[0].unserved, 1);
	assert_int_equal(ask(0, 1, &came[2], NULL), -ENOSPC);
	cut(0, 1);
	pass(FETCH_QUIET_MS + 200);
	has_failed(&came[1], "away", "");
	idle();
}

static void test_each_allocation_fails(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		bool asked, got;

		oom_hit(&o);
		begin();
		join(0, 1);
		(void)mem_fail_at(o.n);
		o.hit = false;
		asked = ask(0, 1, &came[0], NULL) == 0;
		settle();
		if (bed.v[1].n_serves > 0)
			answer(1, 10000);
		settle();
		got = came[0].over && came[0].ok;
		if (!oom_hit(&o))
			assert_true(asked && got && came[0].right);
		pass(FETCH_QUIET_MS + 200);
		assert_true(!asked || came[0].over); /* one way or the other */
		idle();
		(void)end(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_an_answer_comes_as_it_went, end),
		cmocka_unit_test_teardown(test_no_more_than_a_window_is_on_its_way, end),
		cmocka_unit_test_teardown(test_answers_take_turns, end),
		cmocka_unit_test_teardown(test_bounds_of_the_asker, end),
		cmocka_unit_test_teardown(test_bounds_of_the_asked, end),
		cmocka_unit_test_teardown(test_answers_that_are_too_large, end),
		cmocka_unit_test_teardown(test_messages_of_no_question_are_counted, end),
		cmocka_unit_test_teardown(test_a_refusal_is_told, end),
		cmocka_unit_test_teardown(test_a_daemon_that_begins_is_asked_again, end),
		cmocka_unit_test_teardown(test_who_does_not_wait_any_more_is_not_served, end),
		cmocka_unit_test_teardown(test_a_link_that_is_lost_is_no_end, end),
		cmocka_unit_test_teardown(test_a_peer_that_dies_ends_its_questions, end),
		cmocka_unit_test_teardown(test_silence_has_an_end, end),
		cmocka_unit_test_teardown(test_who_cannot_be_dialled_is_asked_over_a_neighbour, end),
		cmocka_unit_test_teardown(test_the_next_neighbour_is_asked, end),
		cmocka_unit_test_teardown(test_nothing_is_passed_on_twice, end),
		cmocka_unit_test_teardown(test_the_end_of_a_daemon_ends_all, end),
		cmocka_unit_test_teardown(test_each_allocation_fails, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
