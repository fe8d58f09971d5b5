/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The asking half of fetch.h: a question from its first word to its answer, the way that it takes, and the links that
 * are made for it.
 */
#include "node/fetch_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define TELL_EVERY (FETCH_WINDOW / 2) /* pieces taken, until that is said */
#define LATER_MS   300		      /* a daemon that begins or ends is asked again */
#define AWAY	   "away"
#define TEXT_MAX   256

_Static_assert((int)FETCH_VISITS_MAX > 1, "one that lingers makes place");

/* ---- one question ---- */

static void ask_free(struct fetch_ask *a)
{
	list_del(&a->link);
	a->f->figures.asks--;
	bytes_done(&a->body);
	bytes_done(&a->answer);
	free(a);
}

/* Its end, for whoever asked. */
static void finish(struct fetch_ask *a, const struct fetch_answer *answer)
{
	fetch_done *done = a->done;
	void *arg = a->arg;

	list_del(&a->link); /* `done` may ask again, and drop others */
	if (answer->ok)
		a->f->figures.answered++;
	else
		a->f->figures.failed++;
	done(arg, answer);
	ask_free(a);
}

static void fail(struct fetch_ask *a, const char *code, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void fail(struct fetch_ask *a, const char *code, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
	va_end(ap);
	finish(a, &(struct fetch_answer){.code = code, .error = text});
}

static const char *name_of(const struct fetch *f, uint64_t id)
{
	return f->hooks->name(f->arg, id);
}

/* All of it begins again, on another link or another way. */
static void wait_again(struct fetch_ask *a)
{
	a->state = FETCH_WAITS;
	a->at = 0;
	a->taken = a->told = 0;
	bytes_clear(&a->answer);
	a->f->hooks->wake(a->f->arg);
}

static void start_over(struct fetch_ask *a)
{
	wait_again(a);
	a->via = 0;
	a->way = 0;
}

static uint32_t next_serial(struct fetch *f)
{
	if (++f->serial == 0)
		f->serial++;
	return f->serial;
}

static int ask(struct fetch *f, const struct fetch_question *q, bool passed, struct fetch_ask **ret, struct err *e)
{
	struct fetch_ask *a;

	if (q->body->failed || q->body->n == 0 || q->body->n > GOSSIP_BODY_MAX)
		return err_set(
			e, -EMSGSIZE, "the question to %s is larger than %d bytes", name_of(f, q->to), GOSSIP_BODY_MAX);
	if (f->figures.asks >= FETCH_MAX || f->ended)
		return err_set(e, -ENOSPC, "%zu questions to other nodes are under way: try again in a moment",
			f->figures.asks);
	a = mem_zalloc(1, sizeof(*a));
	if (!a)
		return err_set(e, -ENOMEM, "out of memory");
	*a = (struct fetch_ask){.f = f,
		.to = q->to,
		.passed = passed,
		.serial = next_serial(f),
		.until_ms = f->now_ms + FETCH_QUIET_MS,
		.way_until_ms = DEADLINE_NEVER,
		.body = {.max = GOSSIP_BODY_MAX},
		.answer = {.max = FETCH_ANSWER_MAX},
		.done = q->done,
		.gone = q->gone,
		.arg = q->arg};
	list_add_tail(&f->asks, &a->link);
	f->figures.asks++;
	if (bytes_add(&a->body, q->body->v, q->body->n) < 0) {
		ask_free(a);
		return err_set(e, -ENOMEM, "out of memory");
	}
	f->figures.asked++;
	*ret = a;
	f->hooks->wake(f->arg);
	return 0;
}

int fetch_ask(struct fetch *f, const struct fetch_question *q, int64_t now_ms, struct fetch_ask **ret, struct err *e)
{
	f->now_ms = now_ms;
	return ask(f, q, false, ret, e);
}

int fetch_ask_passed(struct fetch *f, const struct fetch_question *q, struct fetch_ask **ret, struct err *e)
{
	return ask(f, q, true, ret, e);
}

void fetch_drop(struct fetch_ask *a)
{
	struct fetch *f = a->f;

	if (a->state != FETCH_ASKED) {
		ask_free(a);
		return;
	}
	a->state = FETCH_DROPPED;
	a->gone = NULL;
	bytes_done(&a->answer);
	f->hooks->ready(f->arg, a->via);
}

/* ---- what comes ---- */

void fetch_pack_refusal(struct bytes *out, const char *code, const char *error)
{
	struct mp_writer w;

	mp_writer_init(&w, out);
	mp_map(&w, 3);
	mp_key_bool(&w, "ok", false);
	mp_key_str(&w, "code", code);
	mp_key_str(&w, "error", error);
}

/* False: that was done for long enough. */
static bool ask_later(struct fetch_ask *a)
{
	int64_t now_ms = a->f->now_ms;

	if (a->later_until_ms == 0)
		a->later_until_ms = now_ms + FETCH_QUIET_MS;
	a->later_ms = now_ms + LATER_MS;
	return now_ms < a->later_until_ms;
}

/* It said no. Whoever has no link to it, or is ending, is not asked on; another may be, or the next daemon. */
static void refused(struct fetch_ask *a, const msgpack_object *root)
{
	char code[32] = "", error[TEXT_MAX * 4] = "";

	(void)mp_get_strz(root, "code", code, sizeof(code), NULL); /* an unknown one is a refusal like others */
	(void)mp_get_strz(root, "error", error, sizeof(error), NULL);
	if (strcmp(code, "no-way") == 0 && a->via != a->to) {
		wait_again(a);
		a->via = 0;
	} else if (strcmp(code, "stopping") == 0 && ask_later(a)) {
		start_over(a);
	} else {
		finish(a, &(struct fetch_answer){.code = *code ? code : "refused",
				  .error = *error ? error : "it refused and gave no reason",
				  .raw = &a->answer});
	}
}

static void read_answer(struct fetch_ask *a)
{
	static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *root, *result;
	bool ok = false;

	if (a->answer.failed || mp_read(&t, a->answer.v, a->answer.n, NULL) < 0 ||
		mp_root(&t)->type != MSGPACK_OBJECT_MAP || mp_get_bool(mp_root(&t), "ok", &ok, NULL) < 0) {
		fail(a, "refused", "the answer of %s cannot be read, or there is no memory for it",
			name_of(a->f, a->to));
		return;
	}
	root = mp_root(&t);
	result = mp_get(root, "result");
	if (ok)
		finish(a, &(struct fetch_answer){.ok = true, .result = result ? result : &nil, .raw = &a->answer});
	else
		refused(a, root);
}

static void take_answer(struct fetch *f, uint64_t from, const struct gossip_msg_answer *m)
{
	LIST_FOREACH (at, &f->asks) {
		struct fetch_ask *a = LIST_ENTRY(at, struct fetch_ask, link);

		if (a->serial != m->serial || a->via != from || (a->state != FETCH_ASKED && a->state != FETCH_DROPPED))
			continue;
		if (a->state == FETCH_DROPPED) { /* that is on its way, or needs not be said any more */
			if (m->last)
				ask_free(a);
			return;
		}
		a->taken++;
		a->until_ms = f->now_ms + FETCH_QUIET_MS;
		if (m->body.n > 0)
			(void)bytes_add(&a->answer, m->body.v, m->body.n); /* `failed` tells, at the end */
		if (m->last)
			read_answer(a);
		else if (a->taken - a->told >= TELL_EVERY)
			f->hooks->ready(f->arg, from);
		return;
	}
	f->figures.strays++;
}

void fetch_take(struct fetch *f, uint64_t from, const struct gossip_msg *m, int64_t now_ms)
{
	uint32_t at = f->hooks->link(f->arg, from);

	f->now_ms = now_ms;
	if (m->type == GOSSIP_MSG_ANSWER)
		take_answer(f, from, &m->answer);
	else if (m->type == GOSSIP_MSG_MORE)
		fetch_serve_more(f, from, &m->more);
	else if (m->type == GOSSIP_MSG_DROP)
		fetch_serve_drop(f, from, &m->drop);
	else if (m->type == GOSSIP_MSG_ASK && at != 0 && !f->ended)
		fetch_serve_ask(f, from, at, &m->ask);
	else
		f->figures.strays++; /* of a link that is just being closed */
}

/* ---- what goes ---- */

static bool pull_ask(struct fetch_ask *a, struct gossip_msg *ret)
{
	if (a->state == FETCH_DUE) {
		ret->type = GOSSIP_MSG_ASK;
		ret->ask = (struct gossip_msg_ask){a->serial, a->to, a->passed, {a->body.v, (uint16_t)a->body.n}};
		a->state = FETCH_ASKED;
	} else if (a->state == FETCH_DROPPED) {
		ret->type = GOSSIP_MSG_DROP;
		ret->drop.serial = a->serial;
		ask_free(a);
	} else if (a->state == FETCH_ASKED && a->taken - a->told >= TELL_EVERY) {
		ret->type = GOSSIP_MSG_MORE;
		ret->more = (struct gossip_msg_more){a->serial, a->taken};
		a->told = a->taken;
	} else {
		return false;
	}
	return true;
}

bool fetch_pull(struct fetch *f, uint64_t to, int64_t now_ms, struct gossip_msg *ret)
{
	uint32_t at = f->hooks->link(f->arg, to);

	f->now_ms = now_ms;
	if (at == 0)
		return false;
	LIST_FOREACH_SAFE (p, &f->asks) {
		struct fetch_ask *a = LIST_ENTRY(p, struct fetch_ask, link);

		if (a->via == to && a->at == at && pull_ask(a, ret))
			return true;
	}
	return fetch_serve_pull(f, to, at, ret);
}

/* ---- links that are made for it ---- */

static bool is_wanted(const struct fetch *f, uint64_t id)
{
	LIST_FOREACH (at, &f->asks) {
		const struct fetch_ask *a = LIST_ENTRY(at, const struct fetch_ask, link);

		if (a->via == id && a->state != FETCH_DROPPED)
			return true;
	}
	return false;
}

/* Its place, or one for it; NULL: all are taken. */
static struct fetch_visit *visit_of(struct fetch *f, uint64_t id)
{
	struct fetch_visit *best = NULL;

	for (size_t i = 0; i < FETCH_VISITS_MAX; i++) {
		struct fetch_visit *v = &f->visits[i];

		if (v->id == id)
			return v;
		if ((v->id == 0 || !is_wanted(f, v->id)) && (!best || v->until_ms < best->until_ms))
			best = v;
	}
	return best;
}

static bool visit(struct fetch *f, uint64_t id)
{
	struct fetch_visit *v = visit_of(f, id);

	if (!v)
		return false;
	f->visits_changed |= v->id != id;
	*v = (struct fetch_visit){id, f->now_ms + FETCH_LINGER_MS};
	return true;
}

static void keep_visit(struct fetch *f, uint64_t id)
{
	for (size_t i = 0; i < FETCH_VISITS_MAX; i++)
		if (id && f->visits[i].id == id)
			f->visits[i].until_ms = f->now_ms + FETCH_LINGER_MS;
}

static void tell_visits(struct fetch *f)
{
	uint64_t ids[FETCH_VISITS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < FETCH_VISITS_MAX; i++) {
		struct fetch_visit *v = &f->visits[i];

		if (v->id && v->until_ms <= f->now_ms) {
			*v = (struct fetch_visit){0};
			f->visits_changed = true;
		}
		if (v->id)
			ids[n++] = v->id;
	}
	if (f->visits_changed)
		f->hooks->visit(f->arg, ids, n);
	f->visits_changed = false;
}

/* ---- looking ---- */

/* Those that the one it goes over is answering already. */
static size_t under_way(const struct fetch *f, uint64_t via)
{
	size_t n = 0;

	LIST_FOREACH (at, &f->asks) {
		const struct fetch_ask *a = LIST_ENTRY(at, const struct fetch_ask, link);

		n += a->via == via && a->state != FETCH_WAITS;
	}
	return n;
}

static void no_way(struct fetch_ask *a)
{
	const char *name = name_of(a->f, a->to);

	if (a->f->hooks->way(a->f->arg, a->to, 0) == a->to)
		fail(a, a->passed ? "no-way" : AWAY,
			"no link to %s comes about, and none of its neighbours can be asked instead", name);
	else
		fail(a, a->passed ? "no-way" : AWAY,
			"%s cannot be dialled, and none of its neighbours can be asked instead", name);
}

/* One that is passed on goes over a link that is there, and is not passed on again. */
static bool next_way(struct fetch_ask *a)
{
	struct fetch *f = a->f;
	unsigned way = a->way++;

	a->way_until_ms = DEADLINE_NEVER;
	if (!a->passed)
		a->via = f->hooks->way(f->arg, a->to, way);
	else if (way == 0 && f->hooks->link(f->arg, a->to) != 0)
		a->via = a->to;
	return a->via != 0;
}

/* Towards a link; false: it has ended. */
static bool go_on(struct fetch_ask *a)
{
	struct fetch *f = a->f;
	uint32_t at;

	if (a->via == 0 && !next_way(a)) {
		no_way(a);
		return false;
	}
	at = f->hooks->link(f->arg, a->via);
	if (f->now_ms < a->later_ms)
		return true;
	if (at == 0 && a->way_until_ms == DEADLINE_NEVER && visit(f, a->via))
		a->way_until_ms = f->now_ms + FETCH_WAY_MS;
	if (at == 0 && f->now_ms >= a->way_until_ms)
		a->via = 0; /* the next look takes the next way */
	if (at == 0 || under_way(f, a->via) >= FETCH_PEER_MAX)
		return true;
	a->state = FETCH_DUE;
	a->at = at;
	f->hooks->ready(f->arg, a->via);
	return true;
}

static void look_at(struct fetch_ask *a)
{
	struct fetch *f = a->f;
	bool lost = a->at != 0 && f->hooks->link(f->arg, a->via) != a->at;
	const char *absent;

	if (a->state == FETCH_DROPPED) {
		if (lost || f->now_ms >= a->until_ms)
			ask_free(a);
		return;
	}
	absent = f->hooks->absent(f->arg, a->to);
	if (a->gone && a->gone(a->arg)) {
		a->gone = NULL;
		a->done(a->arg, &(struct fetch_answer){.code = "gone", .error = "nobody listens"});
		fetch_drop(a);
		return;
	}
	if (absent) {
		fail(a, AWAY, "%s went away: it is %s", name_of(f, a->to), absent);
		return;
	}
	if (f->now_ms >= a->until_ms) {
		fail(a, AWAY, "%s does not answer: nothing came for %d s", name_of(f, a->to), FETCH_QUIET_MS / 1000);
		return;
	}
	if (lost)
		start_over(a);
	if (a->state != FETCH_WAITS || go_on(a))
		keep_visit(f, a->via);
}

/* The end of one may end any other, or begin some: no place in the list is held on to. */
static struct fetch_ask *next_unseen(const struct fetch *f)
{
	LIST_FOREACH (at, &f->asks) {
		struct fetch_ask *a = LIST_ENTRY(at, struct fetch_ask, link);

		if (a->round != f->round)
			return a;
	}
	return NULL;
}

void fetch_look(struct fetch *f, int64_t now_ms)
{
	struct fetch_ask *a;

	f->now_ms = now_ms;
	f->round++;
	while ((a = next_unseen(f))) {
		a->round = f->round;
		look_at(a);
	}
	fetch_serve_look(f);
	tell_visits(f);
}

bool fetch_is_busy(const struct fetch *f)
{
	return !list_is_empty(&f->asks) || !list_is_empty(&f->serves);
}

bool fetch_is_idle(const struct fetch *f)
{
	for (size_t i = 0; i < FETCH_VISITS_MAX; i++)
		if (f->visits[i].id)
			return false;
	return !fetch_is_busy(f);
}

void fetch_figures(const struct fetch *f, struct fetch_figures *ret)
{
	*ret = f->figures;
}

/* ---- beginning and end ---- */

struct fetch *fetch_new(uint64_t self, const struct fetch_hooks *hooks, void *arg)
{
	struct fetch *f = mem_zalloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->self = self;
	f->hooks = hooks;
	f->arg = arg;
	list_init(&f->asks);
	list_init(&f->serves);
	return f;
}

void fetch_end(struct fetch *f)
{
	struct fetch_ask *a;

	f->ended = true;
	fetch_serve_end(f); /* those that are passed on drop their question */
	f->round++;
	while ((a = next_unseen(f))) {
		a->round = f->round;
		if (a->state == FETCH_DROPPED)
			ask_free(a);
		else
			fail(a, "stopping", "the daemon is stopping");
	}
}

void fetch_free(struct fetch *f)
{
	if (!f)
		return;
	fetch_end(f);
	while (!list_is_empty(&f->asks)) /* dropped by the end of another one */
		ask_free(LIST_ENTRY(f->asks.next, struct fetch_ask, link));
	free(f);
}
