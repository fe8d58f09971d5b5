/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections as TCP makes them (net.h tells the model). A way's queue is: frames on their way, each with its time of
 * arrival, then from `unsent` on what waits for the head of it to get through.
 */
#include "tests/sim/net_priv.h"

#include <string.h>

enum frame_kind { FRAME_DATA, FRAME_OPEN, FRAME_FIN, FRAME_KIND_MAX };

static struct net_conn *conn_of(struct net_way *w, int *ret_side)
{
	*ret_side = w->side;
	return CONTAINER_OF(w - w->side, struct net_conn, way[0]);
}

static void drop_frames(struct net *n, struct net_way *w)
{
	while (w->head) {
		struct net_frame *f = w->head;

		w->head = f->next;
		free(f);
	}
	w->tail = &w->head;
	w->unsent = NULL;
	w->bytes = 0;
	w->parked = false;
	heap_del(n->heap, &w->arrival);
}

/* Nobody has it any more: freed, unless a call about it is under way. */
static void may_go(struct net_conn *c)
{
	struct net *n = c->net;

	if (c->end[0].state != NET_GONE || c->end[1].state != NET_GONE || c->held)
		return;
	for (int i = 0; i < 2; i++) {
		drop_frames(n, &c->way[i]);
		heap_del(n->heap, &c->way[i].retry);
		list_del(&c->end[i].of_host);
	}
	n->conns--;
	free(c->data);
	free(c);
}

static void let_go(struct net_conn *c)
{
	c->held--;
	may_go(c);
}

struct net_conn *net_connected(struct net *n, uint32_t from, uint32_t to)
{
	struct net_conn *c = calloc(1, sizeof(*c));

	assert(c);
	c->net = n;
	c->number = ++n->conns_made;
	n->conns++;
	for (int i = 0; i < 2; i++) {
		struct net_end *e = &c->end[i];
		struct net_way *w = &c->way[i];

		e->conn = c;
		e->host = i ? to : from;
		e->state = i ? NET_COMING : NET_OPEN;
		e->heard_us = *n->now_us;
		list_add_tail(&n->hosts[e->host].ends, &e->of_host);
		w->side = i;
		w->tail = &w->head;
		w->arrival.kind = NET_ITEM_ARRIVAL;
		w->retry.kind = NET_ITEM_RETRY;
	}
	return c;
}

static void goes_down(struct net *n, struct net_way *w, const char *why, int64_t at_us)
{
	if (w->why)
		return;
	w->why = why;
	w->told_late = false;
	heap_set(n->heap, &w->retry, at_us);
}

/* The other end's kernel knows the connection no more, and says so. */
static void reset(struct net_conn *c, int side)
{
	struct net *n = c->net;
	uint32_t from = c->end[side].host, to = c->end[1 - side].host;

	net_count(n, to, 0);
	if (c->end[side].state != NET_OPEN || !net_gets_through(n, to, from))
		return;
	goes_down(n, &c->way[side], "reset by the peer", *n->now_us + net_latency_us(n, to, from));
}

/* One try of a packet: whether its sender may go on to the next. */
static bool try(struct net_conn *c, int side, struct net_frame *f, bool again)
{
	struct net *n = c->net;
	struct net_way *w = &c->way[side];
	uint32_t from = c->end[side].host, to = c->end[1 - side].host;
	int64_t now = *n->now_us;
	size_t bytes = f->kind == FRAME_DATA ? f->len + NET_LENGTH + n->p.record_bytes : 0;

	net_count(n, from, bytes);
	if (!net_gets_through(n, from, to))
		return false;
	net_count(n, to, 0);
	if (net_gets_through(n, to, from)) {
		w->unheard = 0;
	} else {
		if (again)
			return false;
		if (w->unheard++ == 0)
			w->unheard_us = now;
		if (w->unheard > NET_WINDOW || now - w->unheard_us > NET_WINDOW_US)
			return false;
	}
	n->hosts[from].out_free_us =
		MAX(now, n->hosts[from].out_free_us) + (int64_t)(bytes + NET_HEADERS) * 1000 / n->p.bytes_a_ms;
	w->last_us = MAX(w->last_us, n->hosts[from].out_free_us + net_latency_us(n, from, to));
	f->at_us = w->last_us;
	if (f == w->head && !w->parked)
		heap_set(n->heap, &w->arrival, f->at_us);
	return true;
}

/* What is not on its way goes out, until something gets lost. */
static void send_on(struct net_conn *c, int side)
{
	struct net *n = c->net;
	struct net_way *w = &c->way[side];

	while (w->unsent) {
		if (!try(c, side, w->unsent, false)) {
			n->tries_lost++;
			w->stalled_us = *n->now_us;
			w->rto_us = MIN(NET_RTO_US, 2 * (n->p.far_us + n->p.jitter_us) + 10000); /* the tail probe */
			heap_set(n->heap, &w->retry, *n->now_us + w->rto_us);
			return;
		}
		w->unsent = w->unsent->next;
	}
}

static void queue(struct net_conn *c, int side, enum frame_kind kind, const uint8_t *v, size_t len)
{
	struct net_way *w = &c->way[side];
	struct net_frame *f = malloc(sizeof(*f) + len);

	assert(f);
	*f = (struct net_frame){.len = (uint32_t)len, .kind = (uint8_t)kind};
	if (len)
		memcpy(f->v, v, len);
	*w->tail = f;
	w->tail = &f->next;
	w->bytes += len + NET_LENGTH;
	if (w->unsent)
		return;
	w->unsent = f;
	send_on(c, side);
}

void net_open_other(struct net_conn *c)
{
	queue(c, 0, FRAME_OPEN, NULL, 0);
}

bool net_has_room(const struct net_conn *c, int side)
{
	return c->end[side].state == NET_OPEN && !c->way[side].why && c->way[side].bytes < NET_SNDBUF;
}

void net_send(struct net_conn *c, int side, const uint8_t *v, size_t len)
{
	if (c->end[side].state != NET_OPEN || c->way[side].why)
		return; /* broken, and not yet told */
	c->net->hosts[c->end[side].host].sent_frames++;
	queue(c, side, FRAME_DATA, v, len);
}

void net_close(struct net_conn *c, int side)
{
	struct net_way *w = &c->way[side];

	if (c->end[side].state == NET_GONE)
		return;
	c->end[side].state = NET_GONE;
	c->end[side].owner = NULL;
	if (w->why) { /* was broken already */
		w->why = NULL;
		heap_del(c->net->heap, &w->retry);
	} else if (c->end[1 - side].state != NET_GONE) {
		queue(c, side, FRAME_FIN, NULL, 0);
	}
	may_go(c);
}

void net_end_gone(struct net_conn *c, int side)
{
	c->end[side].state = NET_GONE;
	c->end[side].owner = NULL;
	c->way[side].why = NULL;
	heap_del(c->net->heap, &c->way[side].retry);
	drop_frames(c->net, &c->way[side]);
	may_go(c);
}

static void take(struct net_conn *c, int side, const struct net_frame *f)
{
	struct net *n = c->net;
	struct net_end *e = &c->end[side];

	e->heard_us = c->end[1 - side].heard_us = *n->now_us;
	switch ((enum frame_kind)f->kind) {
	case FRAME_OPEN:
		e->state = NET_OPEN;
		n->ops->up(n->ctx, c, side, 0);
		break;
	case FRAME_DATA:
		n->ops->frame(n->ctx, c, side, f->v, f->len);
		break;
	case FRAME_FIN:
		n->ops->down(n->ctx, c, side, "closed by the peer");
		net_end_gone(c, side);
		break;
	case FRAME_KIND_MAX:
		assert(false);
	}
}

static struct net_frame *head_off(struct net *n, struct net_way *w)
{
	struct net_frame *f = w->head;

	w->head = f->next;
	if (!w->head)
		w->tail = &w->head;
	else if (w->head != w->unsent)
		heap_set(n->heap, &w->arrival, w->head->at_us);
	w->bytes -= f->len + NET_LENGTH;
	return f;
}

/* The host was there when the packet left, and is not now: none of what is on its way was acknowledged. */
static void not_there(struct net *n, struct net_way *w)
{
	bool stalls = w->unsent != NULL;

	w->unsent = w->head;
	if (stalls)
		return;
	w->stalled_us = *n->now_us;
	w->rto_us = NET_RTO_US;
	if (!w->why)
		heap_set(n->heap, &w->retry, *n->now_us + w->rto_us);
}

void net_arrival(struct net *n, struct net_way *w)
{
	int side;
	struct net_conn *c = conn_of(w, &side);
	struct net_end *from = &c->end[side], *to = &c->end[1 - side];
	const struct net_host *host = &n->hosts[to->host];
	struct net_frame *f;

	heap_del(n->heap, &w->arrival);
	if (!host->up) {
		not_there(n, w);
		return;
	}
	if (host->stopped && to->state != NET_GONE) {
		w->parked = true;
		return;
	}
	f = head_off(n, w);
	c->held++;
	if (to->state == NET_GONE || c->way[1 - side].why)
		reset(c, side);
	else
		take(c, 1 - side, f);
	free(f);
	if (from->wants_room && from->state == NET_OPEN && w->bytes < NET_SNDBUF / 2 && !n->hosts[from->host].stopped) {
		from->wants_room = false;
		n->ops->room(n->ctx, c, side);
	}
	let_go(c);
}

static void tell_down(struct net *n, struct net_conn *c, int side)
{
	struct net_way *w = &c->way[side];
	const char *why = w->why;

	if (n->hosts[c->end[side].host].stopped) {
		w->told_late = true;
		return;
	}
	c->held++;
	if (c->end[side].state == NET_OPEN)
		n->ops->down(n->ctx, c, side, why);
	net_end_gone(c, side);
	let_go(c);
}

void net_retry(struct net *n, struct net_way *w)
{
	int side;
	struct net_conn *c = conn_of(w, &side);
	struct net_end *from = &c->end[side], *to = &c->end[1 - side];
	int64_t now = *n->now_us;

	heap_del(n->heap, &w->retry);
	if (w->why) {
		tell_down(n, c, side);
		return;
	}
	if (!w->unsent || !n->hosts[from->host].up)
		return; /* asleep: net_host_wakes goes on */
	if (try(c, side, w->unsent, true)) {
		w->unsent = w->unsent->next;
		send_on(c, side);
		return;
	}
	n->tries_lost++;
	if (now - w->stalled_us >= n->p.break_us) {
		drop_frames(n, w);
		if (from->state == NET_OPEN)
			goes_down(n, w, "timed out", now);
		else if (to->state == NET_COMING)
			net_end_gone(c, 1 - side); /* never was */
		return;
	}
	w->rto_us = MIN(w->rto_us < NET_RTO_US ? NET_RTO_US : w->rto_us * 2, NET_RTO_MAX_US);
	heap_set(n->heap, &w->retry, MIN(now + w->rto_us, MAX(w->stalled_us + n->p.break_us, now + 1)));
}

static void look_after(struct net *n, struct net_conn *c, int side)
{
	struct net_end *e = &c->end[side], *other = &c->end[1 - side];
	bool hears = net_loss_ppm(n, other->host, e->host) < NET_PPM && net_loss_ppm(n, e->host, other->host) < NET_PPM;

	if (e->state != NET_OPEN || !n->hosts[e->host].up)
		return;
	if (hears && other->state != NET_GONE)
		e->heard_us = *n->now_us;
	else if (*n->now_us - e->heard_us >= n->p.keep_us)
		goes_down(n, &c->way[side], hears ? "reset by the peer" : "keepalive timed out", *n->now_us);
}

void net_keepalive(struct net *n)
{
	if (!n->p.keep_us)
		return;
	for (uint32_t i = 0; i < n->n_hosts; i++)
		LIST_FOREACH (at, &n->hosts[i].ends) {
			struct net_end *e = LIST_ENTRY(at, struct net_end, of_host);

			look_after(n, e->conn, (int)(e - e->conn->end));
		}
}
