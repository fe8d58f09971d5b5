/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch.h among the rest of the daemon. A question of another node is one more request of the control protocol, which
 * the table of verbs restricts as it does those of HTTP. What is said here goes on a link only when nothing else waits
 * there to leave: a beat waits behind one such frame at most.
 */
#include "node/cluster_fetch.h"

#include <errno.h>
#include <string.h>

#include "node/cluster_priv.h"
#include "node/verbs.h"

#define LOOK_EVERY_S 0.1

/* ---- links and members ---- */

static uint32_t link_of(void *arg, uint64_t id)
{
	const struct cluster *c = arg;
	struct gossip_member m;

	if (!c->g || !gossip_member_get(c->g, id, &m) || m.link == GOSSIP_NO_LINK)
		return 0;
	return c->links[m.link].at;
}

static void ready(void *arg, uint64_t id)
{
	struct cluster *c = arg;
	struct gossip_member m;

	if (c->g && gossip_member_get(c->g, id, &m) && m.link != GOSSIP_NO_LINK)
		cluster_fetch_say(c, m.link);
}

static void wake(void *arg)
{
	struct cluster *c = arg;

	ev_timer_stop(c->n->loop, &c->fetch_timer);
	ev_timer_set(&c->fetch_timer, 0., LOOK_EVERY_S);
	ev_timer_start(c->n->loop, &c->fetch_timer);
}

static void visit(void *arg, const uint64_t *ids, size_t n)
{
	cluster_in(arg, &(struct gossip_in){.type = GOSSIP_IN_VISIT, .ids = ids, .n_ids = n});
}

/* A neighbour that is here, with a link or that one can be made to. */
static bool may_pass_on(const struct gossip *g, uint64_t id, bool linked)
{
	struct gossip_member m;

	if (!gossip_member_get(g, id, &m) || m.self || m.state != GOSSIP_ALIVE)
		return false;
	return linked ? m.link != GOSSIP_NO_LINK : m.link == GOSSIP_NO_LINK && m.has_record && m.record.address.n > 0;
}

/* Itself, then its neighbours: those that we have a link to first. */
static uint64_t way(void *arg, uint64_t to, unsigned n)
{
	const struct cluster *c = arg;
	uint64_t near[GOSSIP_RINGS];
	struct gossip_member m;
	size_t n_near;

	if (!c->g || !gossip_member_get(c->g, to, &m))
		return 0;
	if ((m.link != GOSSIP_NO_LINK || (m.has_record && m.record.address.n > 0)) && n-- == 0)
		return to;
	n_near = gossip_observers(c->g, to, near);
	for (int linked = 1; linked >= 0; linked--)
		for (size_t i = 0; i < n_near; i++)
			if (may_pass_on(c->g, near[i], linked) && n-- == 0)
				return near[i];
	return 0;
}

static const char *absent(void *arg, uint64_t id)
{
	const struct cluster *c = arg;
	struct gossip_member m;

	if (!c->g || !gossip_member_get(c->g, id, &m))
		return "not known here any more";
	return m.state <= GOSSIP_SUSPECT ? NULL : gossip_state_name(m.state);
}

static const char *name_of(void *arg, uint64_t id)
{
	return cluster_seen_name(arg, id);
}

/* ---- questions of others ---- */

static void on_reply(void *arg, bool ok, const struct bytes *packed, const char *code, const char *error)
{
	struct fetch_serve *s = arg;
	struct bytes reply = {.max = FETCH_ANSWER_MAX};
	struct mp_writer w;

	if (!ok) {
		fetch_refuse(s, code, "%s", error);
		return;
	}
	mp_writer_init(&w, &reply);
	mp_map(&w, 2);
	mp_key_bool(&w, "ok", true);
	mp_str(&w, "result");
	mp_raw(&w, packed);
	fetch_answer(s, &reply);
}

static void handle(struct cluster *c, struct fetch_serve *s, const msgpack_object *question)
{
	static const msgpack_object none = {.type = MSGPACK_OBJECT_MAP};
	struct control_request *rq = NULL;
	const msgpack_object *args = NULL;
	struct node *n = c->n;
	struct err e = {.text = "a question is a map"};
	char verb[32];

	if (question->type != MSGPACK_OBJECT_MAP || mp_get_strz(question, "verb", verb, sizeof(verb), &e) < 0 ||
		mp_get_map(question, "args", &args, &e) < 0) {
		fetch_refuse(s, "usage", "%s", e.text);
		return;
	}
	if (!n->serving || n->ending) {
		fetch_refuse(s, "stopping", "%s begins or ends just now", n->cfg->name);
		return;
	}
	rq = control_request_new(n->control, CONTROL_MEMBER, on_reply, s);
	if (!rq) {
		fetch_refuse(s, "full", "%s has too many requests waiting: try again in a moment", n->cfg->name);
		return;
	}
	fetch_set_work(s, rq); /* it may be answered, and s be gone, before this returns */
	verbs_handle(n, rq, verb, args ? args : &none);
}

static void serve(void *arg, struct fetch_serve *s, const void *body, size_t n)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	struct err e;

	if (mp_read(&t, body, n, &e) < 0)
		fetch_refuse(s, "usage", "%s", e.text);
	else
		handle(arg, s, mp_root(&t)); /* a verb that waits has copied what it needs */
}

static void unserve(void *arg, struct fetch_serve *s)
{
	struct cluster *c = arg;

	control_request_leave(fetch_work(s)); /* whoever keeps it ends it, once it is looked at */
	node_wake_polls(c->n);
}

static const struct fetch_hooks hooks = {.link = link_of,
	.ready = ready,
	.wake = wake,
	.visit = visit,
	.way = way,
	.absent = absent,
	.name = name_of,
	.serve = serve,
	.unserve = unserve};

/* ---- frames ---- */

void cluster_fetch_say(struct cluster *c, uint32_t link)
{
	const struct cluster_link *l = &c->links[link];
	uint8_t frame[TRANSPORT_FRAME_MAX];
	struct gossip_msg msg;
	size_t n;

	while (c->g && l->at && !l->held && fetch_is_busy(c->fetch) && link_of(c, l->id) == l->at &&
		transport_is_idle(c->t, l->at) && fetch_pull(c->fetch, l->id, c->n->now.mono_ms, &msg))
		if (wire_encode(&msg, frame, sizeof(frame), &n) < 0 ||
			transport_send(c->t, l->at, frame, n, c->n->now.mono_ms) < 0)
			c->frames_lost++; /* no memory for it: what it belongs to is given up when nothing comes */
}

void cluster_fetch_take(struct cluster *c, uint32_t link, const struct gossip_msg *m)
{
	const struct cluster_link *l = &c->links[link];

	if (l->at && link_of(c, l->id) == l->at)
		fetch_take(c->fetch, l->id, m, c->n->now.mono_ms);
}

/* ---- looking ---- */

void cluster_fetch_look(struct cluster *c)
{
	if (!fetch_is_idle(c->fetch))
		fetch_look(c->fetch, c->n->now.mono_ms);
}

static void on_look(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;

	(void)revents;
	node_now(c->n);
	cluster_fetch_look(c);
	cluster_arm(c);
	if (fetch_is_idle(c->fetch))
		ev_timer_stop(loop, w);
}

int cluster_fetch_init(struct cluster *c)
{
	c->fetch = fetch_new(gossip_id_of(c->uuid), &hooks, c);
	ev_timer_init(&c->fetch_timer, on_look, 0., LOOK_EVERY_S);
	c->fetch_timer.data = c;
	return c->fetch ? 0 : -ENOMEM;
}

void cluster_fetch_end(struct cluster *c)
{
	fetch_end(c->fetch);
	ev_timer_stop(c->n->loop, &c->fetch_timer);
}

void cluster_fetch_done(struct cluster *c)
{
	fetch_free(c->fetch);
	c->fetch = NULL;
	ev_timer_stop(c->n->loop, &c->fetch_timer);
}

/* ---- asking ---- */

int cluster_fetch_ask(struct cluster *c, const struct cluster_question *q, struct fetch_ask **ret, struct err *e)
{
	CLEANUP(bytes_done) struct bytes body = {.max = 2 * GOSSIP_BODY_MAX};
	const struct fetch_question ask = {.to = q->to, .body = &body, .done = q->done, .gone = q->gone, .arg = q->arg};
	const char *is = absent(c, q->to);
	struct mp_writer w;

	if (is)
		return err_set(e, -EHOSTUNREACH, "%s is %s: it cannot be asked", cluster_seen_name(c, q->to), is);
	mp_writer_init(&w, &body);
	mp_map(&w, 2);
	mp_key_str(&w, "verb", q->verb);
	mp_str(&w, "args");
	mp_raw(&w, q->args);
	return fetch_ask(c->fetch, &ask, c->n->now.mono_ms, ret, e);
}
