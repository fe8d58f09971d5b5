/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answering half of fetch.h: questions of other nodes, for this one or to be passed on, and their answers in
 * pieces.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/fetch_priv.h"

#define TEXT_MAX 1024

static void serve_free(struct fetch_serve *s)
{
	list_del(&s->link);
	s->f->figures.serves--;
	s->f->figures.held -= s->answer.n;
	bytes_done(&s->answer);
	free(s);
}

/* Nobody waits for it any more. */
static void serve_drop(struct fetch_serve *s)
{
	struct fetch *f = s->f;

	f->figures.dropped++;
	if (s->passed)
		fetch_drop(s->passed);
	else if (s->working)
		f->hooks->unserve(f->arg, s);
	serve_free(s);
}

static struct fetch_serve *find(const struct fetch *f, uint64_t peer, uint32_t serial)
{
	LIST_FOREACH (at, &f->serves) {
		struct fetch_serve *s = LIST_ENTRY(at, struct fetch_serve, link);

		if (s->peer == peer && s->serial == serial)
			return s;
	}
	return NULL;
}

uint64_t fetch_peer(const struct fetch_serve *s)
{
	return s->peer;
}

void *fetch_work(const struct fetch_serve *s)
{
	return s->work;
}

void fetch_set_work(struct fetch_serve *s, void *work)
{
	s->work = work;
}

/* ---- answers ---- */

static void answered(struct fetch_serve *s)
{
	struct fetch *f = s->f;

	s->working = false;
	s->passed = NULL;
	s->answered = true;
	s->until_ms = f->now_ms + FETCH_QUIET_MS;
	f->figures.held += s->answer.n;
	f->hooks->ready(f->arg, s->peer);
}

static void refuse(struct fetch_serve *s, const char *code, const char *text)
{
	bytes_done(&s->answer);
	bytes_init(&s->answer, TEXT_MAX + 128);
	fetch_pack_refusal(&s->answer, code, text);
	if (s->answer.failed) {
		s->f->figures.no_memory++;
		serve_free(s); /* the asker gives it up by itself */
		return;
	}
	answered(s);
}

void fetch_refuse(struct fetch_serve *s, const char *code, const char *fmt, ...)
{
	char text[TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
	va_end(ap);
	refuse(s, code, text);
}

void fetch_answer(struct fetch_serve *s, struct bytes *reply)
{
	const struct fetch *f = s->f;

	if (reply->failed || reply->n > FETCH_ANSWER_MAX) {
		refuse(s, "refused", "the answer is too large to be sent to another node: run the command there");
	} else if (f->figures.held + reply->n > FETCH_HELD_MAX) {
		refuse(s, "full", "too many answers wait to be read by other nodes: try again in a moment");
	} else {
		bytes_done(&s->answer);
		s->answer = *reply;
		*reply = (struct bytes){.max = reply->max};
		answered(s);
	}
	bytes_done(reply);
}

/* ---- what comes ---- */

static struct fetch_serve *serve_new(struct fetch *f, uint64_t from, uint32_t at, uint32_t serial)
{
	struct fetch_serve *s = mem_zalloc(1, sizeof(*s));

	if (!s) {
		f->figures.no_memory++;
		return NULL;
	}
	*s = (struct fetch_serve){
		.f = f, .peer = from, .at = at, .serial = serial, .answer = {.max = FETCH_ANSWER_MAX}};
	list_add_tail(&f->serves, &s->link);
	f->figures.serves++;
	return s;
}

static void on_passed(void *arg, const struct fetch_answer *a)
{
	struct fetch_serve *s = arg;
	struct bytes reply = {.max = FETCH_ANSWER_MAX};

	if (!a->raw) {
		refuse(s, a->code, a->error);
		return;
	}
	(void)bytes_add(&reply, a->raw->v, a->raw->n); /* `failed` tells */
	fetch_answer(s, &reply);
}

static void pass_on(struct fetch *f, struct fetch_serve *s, const struct gossip_msg_ask *m)
{
	const struct bytes body = {.v = (char *)(uintptr_t)m->body.v, .n = m->body.n}; /* only read */
	const struct fetch_question q = {.to = m->to, .body = &body, .done = on_passed, .arg = s};
	struct err e;

	f->figures.passed++;
	if (fetch_ask_passed(f, &q, &s->passed, &e) < 0)
		refuse(s, "no-way", e.text); /* another neighbour may have room */
}

static bool is_over(const struct fetch_serve *s)
{
	return s->answered && s->sent_bytes == s->answer.n;
}

/* Of this peer; of all; refusals that wait to be read too. */
static bool is_full(struct fetch *f, uint64_t from)
{
	size_t n = 0;

	LIST_FOREACH_SAFE (at, &f->serves)
		if (is_over(LIST_ENTRY(at, struct fetch_serve, link)))
			serve_free(LIST_ENTRY(at, struct fetch_serve, link));
	LIST_FOREACH (at, &f->serves)
		n += LIST_ENTRY(at, const struct fetch_serve, link)->peer == from;
	return n >= FETCH_PEER_MAX || f->figures.serves >= FETCH_MAX;
}

void fetch_serve_ask(struct fetch *f, uint64_t from, uint32_t at, const struct gossip_msg_ask *m)
{
	bool full = is_full(f, from);
	struct fetch_serve *s;

	if (find(f, from, m->serial) || f->figures.serves >= 2 * FETCH_MAX) {
		f->figures.strays++;
		return;
	}
	s = serve_new(f, from, at, m->serial);
	if (!s)
		return;
	if (full) {
		f->figures.refused++;
		refuse(s, "full", "it answers too many questions of other nodes already: try again in a moment");
	} else if (m->to == f->self) {
		f->figures.served++;
		s->working = true;
		f->hooks->serve(f->arg, s, m->body.v, m->body.n);
	} else if (m->passed) {
		f->figures.refused++;
		refuse(s, "no-way", "a question that was passed on is not passed on again");
	} else {
		pass_on(f, s, m);
	}
}

void fetch_serve_more(struct fetch *f, uint64_t from, const struct gossip_msg_more *m)
{
	struct fetch_serve *s = find(f, from, m->serial);

	if (!s || m->taken > s->sent || m->taken < s->taken) {
		f->figures.strays += s != NULL; /* the answer's last piece may have crossed it */
		return;
	}
	s->taken = m->taken;
	s->until_ms = f->now_ms + FETCH_QUIET_MS;
	f->hooks->ready(f->arg, from);
}

void fetch_serve_drop(struct fetch *f, uint64_t from, const struct gossip_msg_drop *m)
{
	struct fetch_serve *s = find(f, from, m->serial);

	if (s)
		serve_drop(s); /* else as above */
}

/* ---- what goes ---- */

static void put_piece(struct fetch_serve *s, struct gossip_msg *ret)
{
	size_t left = s->answer.n - s->sent_bytes, n = MIN(left, (size_t)GOSSIP_BODY_MAX);

	ret->type = GOSSIP_MSG_ANSWER;
	ret->answer = (struct gossip_msg_answer){s->serial, n == left, {s->answer.v + s->sent_bytes, (uint16_t)n}};
	s->sent_bytes += n;
	s->sent++;
	list_del(&s->link); /* the others have their turn first */
	list_add_tail(&s->f->serves, &s->link);
}

bool fetch_serve_pull(struct fetch *f, uint64_t to, uint32_t at, struct gossip_msg *ret)
{
	LIST_FOREACH_SAFE (p, &f->serves) {
		struct fetch_serve *s = LIST_ENTRY(p, struct fetch_serve, link);

		if (s->peer != to || s->at != at || !s->answered)
			continue;
		if (is_over(s)) { /* the piece that was the last has been taken by the link */
			serve_free(s);
			continue;
		}
		if (s->sent - s->taken >= FETCH_WINDOW)
			continue;
		put_piece(s, ret);
		return true;
	}
	return false;
}

/* ---- looking ---- */

void fetch_serve_look(struct fetch *f)
{
	LIST_FOREACH_SAFE (p, &f->serves) {
		struct fetch_serve *s = LIST_ENTRY(p, struct fetch_serve, link);

		if (is_over(s))
			serve_free(s);
		else if (f->hooks->link(f->arg, s->peer) != s->at || (s->answered && f->now_ms >= s->until_ms))
			serve_drop(s);
	}
}

void fetch_serve_end(struct fetch *f)
{
	while (!list_is_empty(&f->serves))
		serve_drop(LIST_ENTRY(f->serves.next, struct fetch_serve, link));
}
