/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dials: a SYN at once, after one second and after three; then the hello of the two daemons, which takes two round
 * trips and both their processes. The one that dialled has the connection first, the other when the first packet that
 * it sends has come.
 */
#include "tests/sim/net_priv.h"

#define SYN_AGAIN_US  1000000 /* doubles */
#define LOOK_AGAIN_US 50000   /* for a process that is stopped */

void net_dial_free(struct net *n, struct net_dial *d)
{
	heap_del(n->heap, &d->item);
	list_del(&d->of_host);
	free(d);
}

static struct net_dial *begin(struct net *n, uint32_t from, uint32_t to, uint64_t token)
{
	struct net_dial *d = calloc(1, sizeof(*d));

	assert(d);
	*d = (struct net_dial){
		.item.kind = NET_ITEM_DIAL, .from = from, .to = to, .token = token, .begun_us = *n->now_us};
	list_add_tail(&n->hosts[from].dials, &d->of_host);
	heap_set(n->heap, &d->item, *n->now_us);
	return d;
}

void net_dial(struct net *n, uint32_t from, uint32_t to, uint64_t token)
{
	(void)begin(n, from, to, token); /* the network's own from here */
}

void net_reach(struct net *n, uint32_t from, uint32_t to, uint64_t token)
{
	begin(n, from, to, token)->reach = true;
}

static void failed(struct net *n, struct net_dial *d, enum net_outcome outcome, const char *text)
{
	uint32_t from = d->from;
	uint64_t token = d->token;
	bool reach = d->reach;

	net_dial_free(n, d);
	if (!reach)
		n->ops->dial_failed(n->ctx, from, token, outcome, text);
}

static int64_t round_trip_us(struct net *n, const struct net_dial *d)
{
	return net_latency_us(n, d->from, d->to) + net_latency_us(n, d->to, d->from);
}

/* Each of a dial's exchanges: lost, it is as if nobody were there. */
static bool exchanged(struct net *n, const struct net_dial *d, size_t bytes)
{
	if (d->to == NET_NO_HOST) {
		net_count(n, d->from, bytes);
		return false;
	}
	net_count(n, d->from, bytes);
	if (!net_gets_through(n, d->from, d->to))
		return false;
	net_count(n, d->to, bytes);
	return net_gets_through(n, d->to, d->from);
}

static int64_t bound_us(const struct net *n, const struct net_dial *d)
{
	return d->greeting ? n->p.hello_us : n->p.dial_us;
}

static void again(struct net *n, struct net_dial *d, int64_t after_us)
{
	heap_set(n->heap, &d->item, MIN(*n->now_us + after_us, d->begun_us + bound_us(n, d)));
}

static void knock(struct net *n, struct net_dial *d)
{
	if (!exchanged(n, d, 8)) {
		again(n, d, SYN_AGAIN_US << MIN(d->tries, 6u));
		d->tries++;
		return;
	}
	d->greeting = true;
	d->begun_us = *n->now_us;
	d->tries = 0;
	d->refusal = n->hosts[d->to].process ? NULL : "connection refused";
	again(n, d, round_trip_us(n, d));
}

static void answered(struct net *n, struct net_dial *d)
{
	uint32_t from = d->from;
	uint64_t token = d->token;

	net_dial_free(n, d);
	n->ops->reached(n->ctx, from, token);
}

static void greet(struct net *n, struct net_dial *d)
{
	const struct net_host *to = &n->hosts[d->to];
	struct net_conn *c;
	uint64_t token = d->token;

	if (d->refusal || (to->up && !to->process)) {
		failed(n, d, NET_REFUSED, "connection refused");
		return;
	}
	if (to->stopped) {
		again(n, d, LOOK_AGAIN_US);
		return;
	}
	if (!exchanged(n, d, n->p.hello_bytes)) {
		again(n, d, NET_RTO_US << MIN(d->tries, 8u));
		d->tries++;
		return;
	}
	d->refusal = n->ops->hello(n->ctx, d->from, d->to, token);
	if (d->refusal) {
		failed(n, d, NET_TURNED_AWAY, d->refusal);
		return;
	}
	c = net_connected(n, d->from, d->to);
	net_dial_free(n, d);
	net_open_other(c);
	n->ops->up(n->ctx, c, 0, token);
}

void net_dial_due(struct net *n, struct net_dial *d)
{
	heap_del(n->heap, &d->item);
	if (n->hosts[d->from].stopped)
		d->parked = true;
	else if (*n->now_us - d->begun_us >= bound_us(n, d))
		failed(n, d, d->greeting ? NET_TURNED_AWAY : NET_UNREACHABLE,
			d->greeting ? "no hello came" : "no answer");
	else if (d->greeting && d->reach)
		answered(n, d);
	else if (d->greeting)
		greet(n, d);
	else
		knock(n, d);
}
