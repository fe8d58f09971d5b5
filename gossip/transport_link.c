/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One link, from its stream to its end: the hello, then frames for the caller. A link that ended goes to the reaper at
 * the end of the turn, so that a hook may end the very link that it was called for.
 */
#include "gossip/transport_priv.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define ENDING_MS 1000 /* for the peer to read what was said last */
#define TOLD_MAX  20   /* turned away and told, a minute */
#define MINUTE_MS 60000

void transport_link_fire(struct transport_link *k, unsigned what)
{
	struct transport *t = k->t;
	bool wakes;

	pthread_mutex_lock(&t->lock);
	k->fired |= what;
	wakes = !k->gone;
	if (wakes && list_is_empty(&k->ready))
		list_add_tail(&t->ready, &k->ready);
	pthread_mutex_unlock(&t->lock);
	if (wakes)
		t->hooks->wake(t->arg);
}

/* The figures follow the states. */
static size_t *counter(struct transport_link *k)
{
	struct transport_stats *st = &k->t->st;

	switch (k->state) {
	case LINK_DIALLING:
		return &st->dialling;
	case LINK_HELLO:
		return k->dialled ? &st->dialling : &st->pending;
	case LINK_UP:
		return &st->up;
	case LINK_ENDING:
		return &st->pending;
	default:
		return &k->t->dead;
	}
}

static void move(struct transport_link *k, enum transport_state to)
{
	if (k->state == LINK_HELLO)
		transport_door_left(k, to == LINK_UP);
	(*counter(k))--;
	k->state = to;
	(*counter(k))++;
}

static struct transport_link *add(struct transport *t, size_t slot)
{
	struct transport_link *k = mem_zalloc(1, sizeof(*k));

	if (!k)
		return NULL;
	k->t = t;
	list_init(&k->ready);
	list_init(&k->unsent);
	if (transport_io_alloc(k) < 0) {
		transport_io_free(k);
		free(k);
		return NULL;
	}
	do
		k->id = ++t->generation * TRANSPORT_LINKS_MAX + (uint32_t)slot;
	while (k->id < TRANSPORT_LINKS_MAX); /* 0 is no link's */
	k->deadline_ms = DEADLINE_NEVER;
	t->links[slot] = k;
	t->st.dialling++; /* LINK_DIALLING, whoever it is */
	return k;
}

struct transport_link *transport_link_new(struct transport *t)
{
	for (size_t i = 0; i < TRANSPORT_LINKS_MAX && !transport_is_full(t); i++)
		if (!t->links[i])
			return add(t, i);
	return NULL;
}

struct transport_link *transport_link_find(struct transport *t, uint32_t id)
{
	struct transport_link *k = t->links[id % TRANSPORT_LINKS_MAX];

	return k && k->id == id && k->state == LINK_UP && !k->silenced ? k : NULL;
}

static void end_hello(struct transport_link *k)
{
	if (k->hello)
		k->t->hello->end(k->hello);
	k->hello = NULL;
}

/* Not more than TOLD_MAX a minute: whoever knocks must not fill the log. */
static void tell(struct transport_link *k, const char *why)
{
	struct transport *t = k->t;
	struct err e;

	t->st.turned_away++;
	if (k->hello && t->hooks->refused)
		t->hooks->refused(t->arg, k->hello);
	if (t->now_ms - t->told_from_ms >= MINUTE_MS || t->told_from_ms == 0) {
		t->told_from_ms = t->now_ms;
		t->told = 0;
	}
	if (t->told == TOLD_MAX) {
		t->untold++;
		return;
	}
	t->told++;
	if (t->untold == 0) {
		t->hooks->turned_away(t->arg, k->remote, k->hello, why);
		return;
	}
	(void)err_set(&e, -EPROTO, "%s; %u others before it were not told", why, t->untold);
	t->untold = 0;
	t->hooks->turned_away(t->arg, k->remote, k->hello, e.text);
}

void transport_link_failed(struct transport_link *k, enum transport_outcome outcome, const char *why)
{
	enum transport_state was = k->state;
	struct transport *t = k->t;

	if (was == LINK_DEAD)
		return;
	move(k, LINK_DEAD);
	if (!k->silenced) {
		k->silenced = true;
		if (was == LINK_UP)
			t->hooks->down(t->arg, k->id, k->by_peer, why);
		else if (k->dialled)
			t->hooks->dial_failed(t->arg, k->token, outcome, k->hello, why);
		else
			tell(k, why);
	}
	end_hello(k);
	t->hooks->wake(t->arg); /* to be freed */
}

void transport_link_over(struct transport_link *k, const char *why)
{
	transport_link_failed(k, TRANSPORT_TURNED_AWAY, why);
}

void transport_link_end(struct transport_link *k, int64_t now_ms)
{
	move(k, LINK_ENDING);
	end_hello(k);
	k->silenced = true;
	k->deadline_ms = now_ms + ENDING_MS;
	list_del(&k->unsent);
	transport_io_flush(k, now_ms);
	transport_link_fire(
		k, TRANSPORT_FIRED_TURN); /* to be read on: not now, a hook may have a frame of it in hand */
}

static void turn_away(struct transport_link *k, const char *why, bool said, int64_t now_ms)
{
	if (!said) {
		transport_link_over(k, why);
		return;
	}
	k->silenced = true;
	if (k->dialled)
		k->t->hooks->dial_failed(k->t->arg, k->token, TRANSPORT_TURNED_AWAY, k->hello, why);
	else
		tell(k, why);
	transport_link_end(k, now_ms);
}

static void rise(struct transport_link *k)
{
	struct transport *t = k->t;
	void *hello = k->hello;

	move(k, LINK_UP);
	k->deadline_ms = DEADLINE_NEVER;
	k->hello = NULL; /* the hook may end the link */
	t->hooks->up(t->arg, k->id, k->dialled, k->token, hello);
	t->hello->end(hello);
}

static void feed(struct transport_link *k, const void *frame, size_t n, int64_t now_ms)
{
	struct bytes reply = {.max = TRANSPORT_FRAME_MAX};
	struct err why = {0};
	enum transport_verdict v = k->t->hello->feed(k->hello, frame, n, &reply, &why);
	bool said = reply.n > 0;
	int rc = reply.failed ? -ENOMEM : said ? transport_io_add(k, reply.v, reply.n, now_ms) : 0;

	bytes_done(&reply);
	if (rc < 0)
		transport_link_over(k, rc == -EAGAIN ? "does not read the answers of the hello" : "out of memory");
	else if (v == TRANSPORT_DONE)
		rise(k);
	else if (v != TRANSPORT_MORE)
		turn_away(k, why.text, said, now_ms);
}

void transport_link_take(struct transport_link *k, const void *frame, size_t n, int64_t now_ms)
{
	if (k->state == LINK_HELLO) {
		feed(k, frame, n, now_ms);
		return;
	}
	k->t->st.frames_in++;
	k->t->hooks->frame(k->t->arg, k->id, frame, n);
}

void transport_link_begin(struct transport_link *k, nng_stream *stream, int64_t now_ms)
{
	bool waits = transport_door_waits(k);

	move(k, LINK_HELLO);
	k->stream = stream;
	k->deadline_ms = DEADLINE_NEVER; /* those before it have one */
	transport_dial_name(stream, NNG_OPT_REMADDR, k->remote);
	if (!waits)
		transport_link_start(k, now_ms);
}

void transport_link_start(struct transport_link *k, int64_t now_ms)
{
	struct transport *t = k->t;

	if (k->waits)
		transport_door_left(k, false);
	k->began_ms = now_ms;
	k->deadline_ms = now_ms + t->limits.hello_ms;
	k->hello = t->hello->begin(t->hello_arg, k->dialled, k->token);
	if (!k->hello) {
		transport_link_over(k, "out of memory");
		return;
	}
	feed(k, NULL, 0, now_ms);
	transport_io_read(k);
}

void transport_link_turn(struct transport_link *k, unsigned fired, int64_t now_ms)
{
	bool more;

	if (fired & TRANSPORT_FIRED_DIAL && k->state == LINK_DIALLING)
		transport_dial_end(k, now_ms);
	if (fired & TRANSPORT_FIRED_RX)
		transport_io_end_rx(k);
	transport_io_reap(k, now_ms);
	more = transport_io_frames(k, now_ms);
	if (k->wants_room && k->state == LINK_UP && !k->silenced && transport_io_room(k) > 0) {
		k->wants_room = false;
		k->t->hooks->writable(k->t->arg, k->id);
	}
	if (!more)
		transport_io_read(k);
}

void transport_link_late(struct transport_link *k, int64_t now_ms)
{
	const struct transport_limits *l = &k->t->limits;
	struct err e;

	transport_io_reap(k, now_ms);
	if (k->state == LINK_UP && k->n_out > 0 && now_ms - k->tx_since_ms >= l->stall_ms) {
		k->t->st.stalled++;
		(void)err_set(&e, -ETIMEDOUT, "does not read: a frame has waited for %d ms", l->stall_ms);
		transport_link_over(k, e.text);
	}
	if (now_ms < k->deadline_ms)
		return;
	if (k->state == LINK_DIALLING) {
		(void)err_set(&e, -ETIMEDOUT, "no answer within %d ms", l->dial_ms);
		transport_link_failed(k, TRANSPORT_UNREACHABLE, e.text);
	} else if (k->state == LINK_HELLO) {
		(void)err_set(
			&e, -ETIMEDOUT, "%s hello within %d ms", k->in.n > 0 ? "sent half a" : "said no", l->hello_ms);
		transport_link_over(k, e.text);
	} else {
		transport_link_over(k, "ended");
	}
}

void transport_link_free(struct transport_link *k)
{
	struct transport *t = k->t;

	end_hello(k);
	list_del(&k->unsent);
	(*counter(k))--;
	t->links[k->id % TRANSPORT_LINKS_MAX] = NULL;
	transport_reap_add(k);
}
