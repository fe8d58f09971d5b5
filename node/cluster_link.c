/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links between the transport, which has its own numbers for them, and the core, which has a table of
 * GOSSIP_LINKS_MAX. A peer that lets us in gives us the cluster's id: until that is durable the core does not hear of
 * the link, and what comes on it is kept.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_fetch.h"
#include "node/cluster_priv.h"
#include "node/council.h"

struct held {
	struct gossip_record record; /* borrows from text */
	char text[GOSSIP_NAME_MAX + GOSSIP_ADDRESS_MAX + GOSSIP_BUILD_MAX];
	uint32_t token, boot;
	struct bytes frames; /* each behind its length, 2 bytes */
};

struct cluster_dial *cluster_dial_find(struct cluster *c, uint32_t token)
{
	for (size_t i = 0; i < CLUSTER_DIALS_MAX; i++)
		if (c->dials[i].token == token)
			return &c->dials[i];
	return NULL;
}

/* ---- the hello ---- */

void cluster_link_self(struct cluster *c)
{
	c->self = (struct hello_self){.record = &c->record,
		.boot = c->boot,
		.process = c->n->gen,
		.cluster = *c->id_text ? c->id : NULL,
		.pki = c->pki};
}

/* Known and linked already: a link to it is of no use for the dial that found it, and would be made again and again. */
static bool is_other(const struct cluster *c, const struct cluster_dial *d, const struct hello_peer *p)
{
	struct gossip_member m;

	return d && d->id && d->id != p->id && gossip_member_get(c->g, p->id, &m) && m.link != GOSSIP_NO_LINK;
}

/* What the hello itself cannot know. */
static int check(const struct cluster *c, const struct cluster_dial *d, const struct hello_peer *p, struct err *why)
{
	const uint8_t *ours = *c->id_text ? c->id : c->storing ? c->next_id : NULL;

	if (is_other(c, d, p))
		return err_set(why, -EADDRNOTAVAIL, "%.*s lives there, and not the node that was sought",
			(int)p->record.name.n, p->record.name.v);
	if (p->lets_in && ours && memcmp(ours, p->cluster, IDENTITY_UUID_BYTES) != 0)
		return err_set(why, -EACCES, "%.*s is of another cluster than the one that has let this node in",
			(int)p->record.name.n, p->record.name.v);
	return 0;
}

/* ---- up and down ---- */

static struct gossip_str keep(char **at, struct gossip_str s)
{
	struct gossip_str ret = {*at, s.n};

	memcpy(*at, s.v, s.n);
	*at += s.n;
	return ret;
}

static bool hold(struct cluster_link *l, const struct hello_peer *p, uint32_t token)
{
	struct held *h = mem_zalloc(1, sizeof(*h));
	char *at = h ? h->text : NULL;

	if (!h)
		return false;
	h->record = p->record;
	h->record.name = keep(&at, p->record.name);
	h->record.address = keep(&at, p->record.address);
	h->record.build = keep(&at, p->record.build);
	h->token = token;
	h->boot = p->boot;
	h->frames.max = CLUSTER_HELD_MAX;
	l->held = h;
	return true;
}

static void dial_failed(struct cluster *c, uint32_t token, enum gossip_dial_end how)
{
	struct cluster_dial *d = token ? cluster_dial_find(c, token) : NULL;

	if (d)
		*d = (struct cluster_dial){0};
	if (token)
		cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_DIAL_FAILED, .dial = token, .how = how});
}

static void tell_up(struct cluster *c, uint32_t link, const struct gossip_record *r, uint32_t boot, uint32_t token)
{
	cluster_in(c,
		&(struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = link, .dial = token, .boot = boot, .record = r});
	if (c->n->council && c->links[link].at)
		council_linked(c->n->council, &c->links[link].uuid);
}

/* A free place of the core's, which is the transport's `at` now; -1: none. */
static int place(struct cluster *c, uint32_t at, const struct hello_peer *p)
{
	for (int i = 0; i < GOSSIP_LINKS_MAX; i++)
		if (!c->links[i].at && !c->links[i].ended) {
			c->links[i] = (struct cluster_link){.at = at, .id = p->id};
			memcpy(c->links[i].uuid.v, p->record.uuid, sizeof(c->links[i].uuid.v));
			c->link_of[at % TRANSPORT_LINKS_MAX] = (uint8_t)(i + 1);
			return i;
		}
	return -1;
}

static int find(const struct cluster *c, uint32_t at)
{
	int i = c->link_of[at % TRANSPORT_LINKS_MAX] - 1;

	return i >= 0 && c->links[i].at == at ? i : -1;
}

static void refuse_up(struct cluster *c, uint32_t at, uint32_t token)
{
	transport_hang_up(c->t, at, false, c->n->now.mono_ms);
	dial_failed(c, token, GOSSIP_DIAL_TURNED_AWAY);
}

static void on_up(void *arg, uint32_t at, bool dialled, uint64_t token, void *hello)
{
	struct cluster *c = arg;
	const struct hello_peer *p = &((const struct hello *)hello)->peer;
	struct cluster_dial *d = dialled ? cluster_dial_find(c, (uint32_t)token) : NULL;
	struct err why;
	int i;

	if (check(c, d, p, &why) < 0) {
		log_debug("no link to %s: %s", d ? d->address : "whoever called", why.text);
		refuse_up(c, at, (uint32_t)token);
		return;
	}
	i = place(c, at, p);
	if (i < 0 || (p->lets_in && !*c->id_text && !hold(&c->links[i], p, (uint32_t)token))) {
		if (i >= 0)
			c->links[i] = (struct cluster_link){0};
		refuse_up(c, at, (uint32_t)token);
		return;
	}
	log_debug("link to %.*s is up, %s", (int)p->record.name.n, p->record.name.v, dialled ? "dialled" : "accepted");
	if (d)
		*d = (struct cluster_dial){0};
	if (c->links[i].held)
		cluster_life_let_in(c, p->cluster);
	else
		tell_up(c, (uint32_t)i, &p->record, p->boot, (uint32_t)token);
}

static void on_down(void *arg, uint32_t at, bool by_peer, const char *why)
{
	struct cluster *c = arg;
	int i = find(c, at);
	struct held *h;

	if (i < 0)
		return;
	log_debug("link to %s ended: %s", cluster_seen_name(c, c->links[i].id), why);
	h = c->links[i].held;
	c->links[i].held = NULL;
	cluster_register_drop(c, (uint32_t)i);
	c->links[i] = (struct cluster_link){0};
	if (h) {
		uint32_t token = h->token;

		bytes_done(&h->frames);
		free(h);
		dial_failed(c, token, GOSSIP_DIAL_TURNED_AWAY);
		return;
	}
	cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_LINK_DOWN, .link = (uint32_t)i, .reset = by_peer});
}

void cluster_link_close(struct cluster *c, uint32_t link, bool flush)
{
	struct cluster_link *l = &c->links[link];

	if (!l->at)
		return;
	transport_hang_up(c->t, l->at, flush, c->n->now.mono_ms);
	cluster_register_drop(c, link);
	l->at = 0;
	l->ended = true;
	c->n_ended++;
}

/* ---- frames ---- */

static void take_frame(struct cluster *c, int i, const void *frame, size_t n)
{
	struct gossip_msg msg;
	struct err e;
	int rc = wire_decode(frame, n, &msg, &e);

	if (rc == 0) {
		cluster_in(c, &(struct gossip_in){.type = GOSSIP_IN_MSG, .link = (uint32_t)i, .msg = &msg});
		if (msg.type >= GOSSIP_MSG_ASK && msg.type <= GOSSIP_MSG_DROP)
			cluster_fetch_take(c, (uint32_t)i, &msg);
		else if (msg.type == GOSSIP_MSG_REGISTER)
			cluster_register_take(c, (uint32_t)i, &msg);
		return;
	}
	c->bad_frames++;
	if (rc != -ENOTSUP) /* of a newer version: it knows that we do not */
		cluster_event_paced(c, SEVERITY_WARNING, "bad-frame",
			"a frame from %s is no message: %s; it is ignored", cluster_seen_name(c, c->links[i].id),
			e.text);
}

static void on_frame(void *arg, uint32_t at, const void *frame, size_t n)
{
	struct cluster *c = arg;
	int i = find(c, at);
	const uint8_t len[2] = {(uint8_t)(n >> 8), (uint8_t)n};
	struct held *h = i >= 0 ? c->links[i].held : NULL;

	if (i < 0)
		return;
	if (!h) {
		take_frame(c, i, frame, n);
		return;
	}
	(void)bytes_add(
		&h->frames, len, sizeof(len)); /* `failed` tells: then nothing is replayed, and repair does it */
	(void)bytes_add(&h->frames, frame, n);
}

static void replay(struct cluster *c, int i, uint32_t at, const struct bytes *frames)
{
	const uint8_t *v = (const uint8_t *)frames->v;

	for (size_t k = 0; !frames->failed && k < frames->n && c->links[i].at == at;) {
		size_t n = (size_t)v[k] << 8 | v[k + 1];

		take_frame(c, i, v + k + 2, n);
		k += 2 + n;
	}
}

void cluster_link_release(struct cluster *c, bool stored)
{
	for (int i = 0; i < GOSSIP_LINKS_MAX; i++) {
		struct held *h = c->links[i].held;
		uint32_t at = c->links[i].at;

		if (!h)
			continue;
		c->links[i].held = NULL;
		if (stored) {
			tell_up(c, (uint32_t)i, &h->record, h->boot, h->token);
			replay(c, i, at, &h->frames);
		} else {
			transport_hang_up(c->t, at, false, c->n->now.mono_ms);
			c->links[i] = (struct cluster_link){0};
			dial_failed(c, h->token, GOSSIP_DIAL_TURNED_AWAY);
		}
		bytes_done(&h->frames);
		free(h);
	}
}

static void on_writable(void *arg, uint32_t at)
{
	struct cluster *c = arg;
	int i = find(c, at);

	if (i >= 0 && !c->links[i].held)
		cluster_pull(c, (uint32_t)i);
}

/* ---- what did not become a link ---- */

static enum hello_why why_of(const void *hello)
{
	return hello ? ((const struct hello *)hello)->why : HELLO_WHY_NONE;
}

/* We dialled ourselves, or two wait to be let in. */
static bool is_no_news(enum hello_why why)
{
	return why == HELLO_WHY_SELF || why == HELLO_WHY_WAITING;
}

/* address: without the port where it is another one each time, so that a repeat is seen as one. */
static void tell_refused(struct cluster *c, enum hello_why said, const char *to, const char *address, const char *why)
{
	const char *kind = said == HELLO_WHY_CLONE ? "cloned" : "link-refused";

	cluster_event_paced(c, SEVERITY_WARNING, kind, "no link %s %s: %s", to, address, why);
}

static void on_dial_failed(
	void *arg, uint64_t token, enum transport_outcome outcome, const void *hello, const char *why)
{
	static const enum gossip_dial_end ends[] = {
		[TRANSPORT_REFUSED] = GOSSIP_DIAL_REFUSED,
		[TRANSPORT_UNREACHABLE] = GOSSIP_DIAL_UNREACHABLE,
		[TRANSPORT_TURNED_AWAY] = GOSSIP_DIAL_TURNED_AWAY,
	};
	struct cluster *c = arg;
	const struct cluster_dial *d = cluster_dial_find(c, (uint32_t)token);
	enum hello_why said = why_of(hello);

	_Static_assert(ARRAY_LEN(ends) == TRANSPORT_OUTCOME_MAX, "an end for each outcome");
	if (outcome == TRANSPORT_TURNED_AWAY && !is_no_news(said))
		tell_refused(c, said, "to", d ? d->address : "?", why);
	else
		log_debug("no link to %s: %s", d ? d->address : "?", why);
	dial_failed(c, (uint32_t)token, said == HELLO_WHY_SELF ? GOSSIP_DIAL_SELF : ends[outcome]);
}

static void on_refused(void *arg, const void *hello)
{
	const struct hello *h = hello;

	if (h->why == HELLO_WHY_WAITING)
		cluster_in(arg, &(struct gossip_in){.type = GOSSIP_IN_KNOCK, .address = h->peer.record.address});
}

static void on_turned_away(void *arg, const char *address, const void *hello, const char *why)
{
	struct cluster *c = arg;
	enum hello_why said = why_of(hello);
	char host[TRANSPORT_ADDR_MAX];
	char *colon;

	if (is_no_news(said)) {
		log_debug("no link from %s: %s", address, why);
		return;
	}
	(void)snprintf(host, sizeof(host), "%s", address); /* fits */
	colon = strrchr(host, ':');
	if (colon)
		*colon = '\0';
	tell_refused(c, said, "from", host, why);
}

static void on_transport_wake(void *arg)
{
	struct cluster *c = arg;

	ev_async_send(c->n->loop, &c->wake);
}

void cluster_link_hooks(struct cluster *c)
{
	c->hooks = (struct transport_hooks){.wake = on_transport_wake,
		.up = on_up,
		.frame = on_frame,
		.writable = on_writable,
		.down = on_down,
		.dial_failed = on_dial_failed,
		.refused = on_refused,
		.turned_away = on_turned_away};
}
