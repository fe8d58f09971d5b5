/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any messages of any members to the exchange of questions, among questions of its own, answers that it gives, links
 * that come and go, and time that passes. Each question ends once, what it says is in form, its bounds hold, and in the
 * end nothing is left.
 *
 * The input is a row of orders: a byte that says which, a byte that says of whom, and what the order takes.
 */
#include <string.h>

#include "gossip/wire.h"
#include "node/fetch.h"

#define PEERS	   4
#define SERVES_MAX (2 * FETCH_MAX)
#define STEPS_MAX  2000
#define SELF	   99

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum order {
	ORDER_FRAME,
	ORDER_ASK,
	ORDER_ANSWER,
	ORDER_REFUSE,
	ORDER_DROP,
	ORDER_LINK,
	ORDER_TIME,
	ORDER_ABSENT,
	ORDER_MAX
};

struct bed {
	struct fetch *f;
	int64_t now_ms;
	uint32_t link[PEERS], links;
	bool ready[PEERS], absent[PEERS];
	struct fetch_serve *serves[SERVES_MAX];
	size_t n_serves, asked, ended;
	struct fetch_ask *last; /* NULL: it has ended */
};

static bool is_peer(uint64_t id)
{
	return id >= 1 && id <= PEERS;
}

static uint32_t link_of(void *arg, uint64_t id)
{
	const struct bed *b = arg;

	return is_peer(id) ? b->link[id - 1] : 0;
}

static void ready(void *arg, uint64_t id)
{
	struct bed *b = arg;

	if (!is_peer(id))
		abort();
	b->ready[id - 1] = true;
}

static void wake(void *arg)
{
	(void)arg;
}

static void visit(void *arg, const uint64_t *ids, size_t n)
{
	(void)arg;
	for (size_t i = 0; i < n; i++)
		if (!is_peer(ids[i]))
			abort();
	if (n > FETCH_VISITS_MAX)
		abort();
}

static uint64_t way(void *arg, uint64_t to, unsigned n)
{
	(void)arg;
	return n < PEERS ? (to - 1 + n) % PEERS + 1 : 0;
}

static const char *absent(void *arg, uint64_t id)
{
	const struct bed *b = arg;

	return is_peer(id) && !b->absent[id - 1] ? NULL : "dead";
}

static const char *name(void *arg, uint64_t id)
{
	(void)arg;
	(void)id;
	return "n";
}

static void serve(void *arg, struct fetch_serve *s, const void *body, size_t n)
{
	struct bed *b = arg;

	(void)body;
	if (n == 0 || b->n_serves == FETCH_MAX)
		abort();
	b->serves[b->n_serves++] = s;
}

static void unserve(void *arg, struct fetch_serve *s)
{
	struct bed *b = arg;
	size_t i = 0;

	while (i < b->n_serves && b->serves[i] != s)
		i++;
	if (i == b->n_serves)
		abort();
	b->serves[i] = b->serves[--b->n_serves];
}

static const struct fetch_hooks hooks = {link_of, ready, wake, visit, way, absent, name, serve, unserve};

static void on_answer(void *arg, const struct fetch_answer *a)
{
	struct bed *b = arg;

	if (a->ok ? !a->result : !a->code || !a->error)
		abort();
	b->ended++;
	b->last = NULL; /* it may be this one */
}

static void ask(struct bed *b, uint64_t to)
{
	char text[] = "?";
	const struct bytes body = {.v = text, .n = 1, .max = 2};
	const struct fetch_question q = {.to = to, .body = &body, .done = on_answer, .arg = b};

	if (fetch_ask(b->f, &q, b->now_ms, &b->last, NULL) == 0)
		b->asked++;
	else
		b->last = NULL;
}

static void answer(struct bed *b, uint8_t which, bool refuses)
{
	struct bytes reply = {.max = FETCH_ANSWER_MAX};
	struct fetch_serve *s;

	if (b->n_serves == 0)
		return;
	s = b->serves[which % b->n_serves];
	b->serves[which % b->n_serves] = b->serves[b->n_serves - 1];
	b->n_serves--;
	if (refuses) {
		fetch_refuse(s, "refused", "no");
		return;
	}
	for (size_t i = 0; i < (size_t)(which + 1) * 97; i++)
		(void)bytes_str(&reply, "0123456789"); /* `failed` tells */
	fetch_answer(s, &reply);
}

static void say(struct bed *b)
{
	struct gossip_msg m;
	uint8_t out[GOSSIP_FRAME_MAX];
	size_t n;

	for (uint64_t id = 1; id <= PEERS; id++)
		for (unsigned k = 0; b->ready[id - 1]; k++) {
			if (k > 10000)
				abort();
			b->ready[id - 1] = fetch_pull(b->f, id, b->now_ms, &m);
			if (b->ready[id - 1] && (gossip_msg_fault(&m) || wire_encode(&m, out, sizeof(out), &n) < 0))
				abort();
		}
}

struct input {
	const uint8_t *v;
	size_t n;
};

static uint8_t take(struct input *in)
{
	if (in->n == 0)
		return 0;
	in->n--;
	return *in->v++;
}

/* In memory of exactly its size. */
static void frame(struct bed *b, uint64_t from, struct input *in)
{
	size_t told = take(in), n = MIN(told, in->n);
	AUTO_FREE uint8_t *exactly = malloc(n ? n : 1);
	struct gossip_msg m;

	if (!exactly)
		abort();
	memcpy(exactly, in->v, n);
	in->v += n;
	in->n -= n;
	if (wire_decode(exactly, n, &m, NULL) == 0 && m.type >= GOSSIP_MSG_ASK && m.type <= GOSSIP_MSG_DROP)
		fetch_take(b->f, from, &m, b->now_ms);
}

static void order(struct bed *b, struct input *in)
{
	enum order what = (enum order)(take(in) % ORDER_MAX);
	uint8_t whom = take(in);
	size_t i = whom % PEERS;

	switch (what) {
	case ORDER_FRAME:
		frame(b, i + 1, in);
		break;
	case ORDER_ASK:
		ask(b, i + 1);
		break;
	case ORDER_ANSWER:
	case ORDER_REFUSE:
		answer(b, whom, what == ORDER_REFUSE);
		break;
	case ORDER_DROP:
		if (b->last) {
			fetch_drop(b->last);
			b->asked--;
		}
		b->last = NULL;
		break;
	case ORDER_LINK:
		b->link[i] = whom & 0x80 ? 0 : ++b->links;
		break;
	case ORDER_TIME:
		b->now_ms += whom * 50;
		break;
	case ORDER_ABSENT:
		b->absent[i] = whom & 0x80;
		break;
	case ORDER_MAX:
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bed b = {.now_ms = 1000, .link = {1, 2, 3, 0}, .links = 3};
	struct input in = {data, size};
	struct fetch_figures x;

	b.f = fetch_new(SELF, &hooks, &b);
	if (!b.f)
		abort();
	for (unsigned n = 0; in.n > 0 && n < STEPS_MAX; n++) {
		order(&b, &in);
		fetch_look(b.f, b.now_ms);
		say(&b);
		fetch_figures(b.f, &x);
		if (x.asks > FETCH_MAX || x.serves > 2 * FETCH_MAX || x.held > FETCH_HELD_MAX + FETCH_ANSWER_MAX)
			abort();
	}
	fetch_end(b.f);
	fetch_figures(b.f, &x);
	if (x.serves != 0 || x.held != 0 || b.ended != b.asked || b.n_serves != 0)
		abort();
	fetch_free(b.f);
	return 0;
}
