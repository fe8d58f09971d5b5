/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parcel.h among the rest of the daemon: which link leads to a node, when it takes a piece, and who is told of what
 * came whole.
 */
#include "node/cluster_register.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_priv.h"

/* The link that the core has to that node, and the node itself at its other end: an id is only half of its UUID. */
static struct cluster_link *link_to(struct cluster *c, const struct uuid *to, uint32_t *ret_link)
{
	struct cluster_link *l;
	struct gossip_member m;

	if (!c->g || !gossip_member_get(c->g, gossip_id_of(to->v), &m) || m.link == GOSSIP_NO_LINK)
		return NULL;
	l = &c->links[m.link];
	*ret_link = m.link;
	return l->at && !l->held && ballot_same_node(&l->uuid, to) ? l : NULL;
}

static struct parcel_link *parcels_of(struct cluster *c, struct cluster_link *l)
{
	if (l->parcels)
		return l->parcels;
	l->parcels = mem_alloc(sizeof(*l->parcels));
	if (l->parcels)
		parcel_link_init(l->parcels, &c->parcels);
	else
		c->parcels.figures.lost++;
	return l->parcels;
}

void cluster_register_drop(struct cluster *c, uint32_t link)
{
	struct parcel_link *p = c->links[link].parcels;

	if (!p)
		return;
	parcel_link_done(p);
	free(p);
	c->links[link].parcels = NULL;
}

/* ---- out ---- */

void cluster_register_say(struct cluster *c, uint32_t link)
{
	const struct cluster_link *l = &c->links[link];
	uint8_t frame[TRANSPORT_FRAME_MAX];
	struct gossip_msg msg;
	bool alone, sent;
	size_t n;

	while (l->at && l->parcels && parcel_next(l->parcels, &msg, &alone)) {
		if (alone ? transport_room(c->t, l->at) == 0 : !transport_is_idle(c->t, l->at))
			return;
		sent = wire_encode(&msg, frame, sizeof(frame), &n) == 0 &&
		       transport_send(c->t, l->at, frame, n, c->n->now.mono_ms) == 0;
		c->frames_lost += !sent;
		parcel_sent(l->parcels, &msg, sent);
	}
}

bool cluster_register_send(struct cluster *c, const struct uuid *to, const struct msg *m)
{
	uint32_t link = GOSSIP_NO_LINK;
	struct cluster_link *l = link_to(c, to, &link);
	struct parcel_link *p;

	if (!l) {
		c->registers_unlinked++;
		return false;
	}
	p = parcels_of(c, l);
	if (!p || parcel_add(p, m) < 0)
		return false;
	cluster_register_say(c, link);
	return true;
}

/* ---- in ---- */

static void heard(struct cluster *c, uint32_t link, const struct parcel_whole *w)
{
	CLEANUP(arena_done) struct arena lists = {.max_bytes = WIRE_LISTS_MAX};
	const struct uuid from = c->links[link].uuid;
	uint64_t id = c->links[link].id;
	struct msg m;
	struct err e;
	int rc = wire_msg_decode(w->v, w->n, &from, &lists, &m, &e);

	if (rc == -ENOMEM) {
		c->parcels.figures.lost++;
		return;
	}
	if (rc < 0) {
		c->registers_bad++;
		if (rc != -ENOTSUP) /* of a newer version: it knows that we do not */
			cluster_event_paced(c, SEVERITY_WARNING, "bad-frame",
				"a register message from %s is none: %s; it is ignored", cluster_seen_name(c, id),
				e.text);
		return;
	}
	if (c->on_register)
		c->on_register(c->on_register_arg, &m);
	else
		c->registers_unheard++;
}

void cluster_register_take(struct cluster *c, uint32_t link, const struct gossip_msg *m)
{
	struct cluster_link *l = &c->links[link];
	struct parcel_link *p = l->at ? parcels_of(c, l) : NULL;
	struct parcel_whole whole;

	if (!p || !parcel_take(p, &m->piece, &whole))
		return;
	heard(c, link, &whole); /* it may end the link */
	parcel_whole_done(&whole);
}

void cluster_register_listen(struct cluster *c, cluster_register_heard *on_register, void *arg)
{
	c->on_register = on_register;
	c->on_register_arg = arg;
}

void cluster_register_figures(const struct cluster *c, struct cluster_register_figures *ret)
{
	*ret = (struct cluster_register_figures){.parcels = c->parcels.figures,
		.unlinked = c->registers_unlinked,
		.unheard = c->registers_unheard,
		.bad = c->registers_bad,
		.held = c->parcels.held};
}
