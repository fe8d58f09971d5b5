/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of cluster.c, cluster_link.c and the transport: links are the simulated network's, the gossip core is
 * stepped by node_edge.c. Register messages are put to bytes, cut in pieces and put together by cluster_register.c.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gossip/transport.h"
#include "node/cluster_share.h"
#include "tests/sim/mixed_priv.h"
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

/* ---- cluster.c's ---- */

const struct gossip *cluster_core(const struct cluster *c)
{
	return c->g;
}

void cluster_in(struct cluster *c, const struct gossip_in *in)
{
	uint8_t more[GOSSIP_VALUE_MAX];
	struct whole *w = whole_of(c->n);
	struct gossip_in told = *in;
	char key[GOSSIP_KEY_MAX + 1];
	size_t n = in->value.n;

	if (in->type == GOSSIP_IN_SET && !in->removed) {
		(void)snprintf(key, sizeof(key), "%.*s", (int)in->key.n, in->key.v); /* fits */
		told.value.v = mixed_told(w->sn, key, in->value.v, &n, more, sizeof(more));
		told.value.n = (uint16_t)n;
	}
	node_step(w->sn, &told);
}

void cluster_arm(struct cluster *c)
{
	if (c->changed)
		cluster_seen_change(c);
}

void cluster_voters(struct cluster *c, const uint64_t *ids, size_t n)
{
	if (!c->g)
		return;
	node_step(whole_of(c->n)->sn, &(struct gossip_in){.type = GOSSIP_IN_VOTERS, .ids = ids, .n_ids = n});
	if (c->changed)
		cluster_seen_change(c);
}

enum cluster_stand cluster_stand(const struct cluster *c)
{
	return whole_of(c->n)->sn->member ? CLUSTER_MEMBER : CLUSTER_WAITING;
}

const char *cluster_fault(const struct cluster *c, char *out, size_t n)
{
	if (whole_of(c->n)->sn->member)
		return NULL;
	(void)snprintf(out, n, "waiting to be let in"); /* fits */
	return out;
}

void cluster_forget_heard(struct cluster *c, uint64_t id)
{
	(void)c; /* node_edge.c keeps it */
	(void)id;
}

void cluster_event_paced(struct cluster *c, enum replica_severity severity, const char *kind, const char *fmt, ...)
{
	struct whole *w = whole_of(c->n);

	(void)severity;
	(void)fmt;
	if (strcmp(kind, "not-told") == 0 && w->sn->memory_fails_ppm > 0)
		return;
	sim_fail(whole_sim(w), w->sn->number, "says '%s', and every frame is well", kind);
}

/* ---- the transport's: a number is the core's and 1 ---- */

static struct sim_link *link_of(struct transport *t, uint32_t at)
{
	struct sim_node *n = (struct sim_node *)(void *)t;

	return at > 0 && at <= GOSSIP_LINKS_MAX && n->links[at - 1].conn ? &n->links[at - 1] : NULL;
}

size_t transport_room(struct transport *t, uint32_t at)
{
	const struct sim_link *l = link_of(t, at);

	return l && net_has_room(l->conn, l->side);
}

bool transport_is_idle(struct transport *t, uint32_t at)
{
	const struct sim_link *l = link_of(t, at);

	return l && net_has_room(l->conn, l->side) && l->conn->way[l->side].bytes == 0;
}

int transport_send(struct transport *t, uint32_t at, const void *frame, size_t n, int64_t now_ms)
{
	struct sim_link *l = link_of(t, at);

	(void)now_ms;
	if (!l)
		return -EPIPE;
	net_send(l->conn, l->side, frame, n);
	l->conn->end[l->side].wants_room = true;
	return 0;
}

/* ---- what node_edge.c tells ---- */

void whole_up(struct sim_node *n, uint32_t link, uint32_t peer)
{
	struct whole *w = n->w;

	if (!w->n)
		return;
	w->c->links[link] = (struct cluster_link){.at = link + 1, .id = n->sim->nodes[peer].id};
	memcpy(w->c->links[link].uuid.v, n->sim->nodes[peer].uuid, sizeof(w->c->links[link].uuid.v));
}

void whole_linked(struct sim_node *n, uint32_t link)
{
	struct whole *w = n->w;

	if (w->n)
		(void)node_now(w->n);
	if (w->n && w->c->links[link].at)
		council_linked(w->n->council, &w->c->links[link].uuid);
}

void whole_down(struct sim_node *n, uint32_t link)
{
	struct whole *w = n->w;

	if (!w->n)
		return;
	cluster_register_drop(w->c, link);
	w->c->links[link] = (struct cluster_link){0};
}

void whole_piece(struct sim_node *n, uint32_t link, const struct gossip_msg_register *piece)
{
	const struct gossip_msg m = {.type = GOSSIP_MSG_REGISTER, .piece = *piece};

	if (n->w->n && n->sim->whole->mutant != WHOLE_CLOCK_BEFORE)
		(void)node_now(n->w->n); /* after the frame was taken */
	if (n->w->n)
		cluster_register_take(n->w->c, link, &m);
}

void whole_say(struct sim_node *n, uint32_t link)
{
	struct sim_node *was = mixed_enter(n);

	if (n->w->n)
		cluster_register_say(n->w->c, link);
	(void)mixed_enter(was);
}

void whole_changed(struct sim_node *n)
{
	if (n->w->c)
		n->w->c->changed = true;
}
