/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts, and the paths between them: what is lost, how long it takes, what a machine's or process's end does to its
 * connections. These are in net_tcp.c, dials in net_dial.c.
 */
#include "tests/sim/net_priv.h"

#include <string.h>

void net_init(struct net *n, struct heap *heap, const int64_t *now_us, uint32_t hosts, uint64_t seed,
	const struct net_profile *p, const struct net_ops *ops, void *ctx)
{
	*n = (struct net){.heap = heap, .now_us = now_us, .p = *p, .n_hosts = hosts, .ops = ops, .ctx = ctx};
	rng_seed(&n->rng, seed);
	n->hosts = calloc(hosts, sizeof(n->hosts[0]));
	assert(n->hosts);
	for (uint32_t i = 0; i < hosts; i++) {
		list_init(&n->hosts[i].ends);
		list_init(&n->hosts[i].dials);
		n->hosts[i].up = true;
		n->hosts[i].x = (uint16_t)rng_below(&n->rng, 1000);
		n->hosts[i].y = (uint16_t)rng_below(&n->rng, 1000);
	}
}

void net_done(struct net *n)
{
	for (uint32_t i = 0; n->hosts && i < n->n_hosts; i++)
		net_host_lost(n, i);
	assert(n->conns == 0);
	free(n->hosts);
	n->hosts = NULL;
}

void net_due(struct net *n, struct heap_item *item)
{
	switch ((enum net_item)item->kind) {
	case NET_ITEM_ARRIVAL:
		net_arrival(n, CONTAINER_OF(item, struct net_way, arrival));
		break;
	case NET_ITEM_RETRY:
		net_retry(n, CONTAINER_OF(item, struct net_way, retry));
		break;
	case NET_ITEM_DIAL:
		net_dial_due(n, CONTAINER_OF(item, struct net_dial, item));
		break;
	case NET_ITEM_MAX:
		assert(false);
	}
}

static uint32_t either(uint32_t a_ppm, uint32_t b_ppm)
{
	return a_ppm + b_ppm - (uint32_t)((uint64_t)a_ppm * b_ppm / NET_PPM);
}

uint32_t net_loss_ppm(const struct net *n, uint32_t from, uint32_t to)
{
	const struct net_host *a = &n->hosts[from], *b = &n->hosts[to];
	uint32_t loss = n->p.loss_ppm;

	if (!a->up || !b->up || a->group != b->group)
		return NET_PPM;
	if (a->loss_out_ppm || b->loss_in_ppm)
		loss = either(loss, either(a->loss_out_ppm, b->loss_in_ppm));
	for (uint32_t i = 0; i < n->n_pairs; i++)
		if (n->pairs[i].from == from && n->pairs[i].to == to)
			loss = either(loss, n->pairs[i].loss_ppm);
	return loss;
}

bool net_gets_through(struct net *n, uint32_t from, uint32_t to)
{
	uint32_t loss = net_loss_ppm(n, from, to);

	return loss == 0 || (loss < NET_PPM && rng_below(&n->rng, NET_PPM) >= loss);
}

void net_pair_loss(struct net *n, uint32_t from, uint32_t to, uint32_t loss_ppm)
{
	uint32_t i = 0;

	while (i < n->n_pairs && (n->pairs[i].from != from || n->pairs[i].to != to))
		i++;
	if (!loss_ppm) {
		if (i < n->n_pairs)
			n->pairs[i] = n->pairs[--n->n_pairs];
		return;
	}
	if (i == NET_PAIRS_MAX)
		return; /* as many as there can be */
	n->pairs[i].from = from;
	n->pairs[i].to = to;
	n->pairs[i].loss_ppm = loss_ppm;
	n->n_pairs = MAX(n->n_pairs, i + 1);
}

void net_heal(struct net *n)
{
	n->n_pairs = 0;
	for (uint32_t i = 0; i < n->n_hosts; i++) {
		n->hosts[i].loss_in_ppm = n->hosts[i].loss_out_ppm = 0;
		n->hosts[i].group = 0;
	}
}

/* Nearly exponential with this mean, in integers, so that every machine draws the same. */
static int64_t some_us(struct net *n, int64_t mean_us)
{
	uint64_t u = rng_u64(&n->rng);
	int64_t doublings = u ? __builtin_clzll(u) : 63;

	return mean_us * (doublings * 1024 + (int64_t)(u & 1023)) / 1536;
}

int64_t net_latency_us(struct net *n, uint32_t from, uint32_t to)
{
	const struct net_host *a = &n->hosts[from], *b = &n->hosts[to];
	int64_t apart = abs(a->x - b->x) + abs(a->y - b->y);
	int64_t us = n->p.near_us + (n->p.far_us - n->p.near_us) * apart / 2000 + some_us(n, n->p.jitter_us);

	if (n->p.spike_ppm && rng_below(&n->rng, NET_PPM) < n->p.spike_ppm)
		us += n->p.spike_us;
	return us;
}

void net_count(struct net *n, uint32_t host, size_t payload_bytes)
{
	size_t packets = MAX((payload_bytes + NET_SEGMENT - 1) / NET_SEGMENT, 1);

	n->hosts[host].sent_bytes += payload_bytes + packets * NET_HEADERS;
}

void net_process_begins(struct net *n, uint32_t host)
{
	n->hosts[host].process = true;
	n->hosts[host].stopped = false;
}

static void forget_dials(struct net *n, uint32_t host)
{
	LIST_FOREACH_SAFE (at, &n->hosts[host].dials)
		net_dial_free(n, LIST_ENTRY(at, struct net_dial, of_host));
}

void net_process_killed(struct net *n, uint32_t host)
{
	n->hosts[host].process = n->hosts[host].stopped = false;
	forget_dials(n, host);
	LIST_FOREACH_SAFE (at, &n->hosts[host].ends) {
		struct net_end *e = LIST_ENTRY(at, struct net_end, of_host);

		net_close(e->conn, (int)(e - e->conn->end));
	}
}

void net_process_stops(struct net *n, uint32_t host)
{
	n->hosts[host].stopped = true;
}

static void unpark(struct net *n, uint32_t host)
{
	int64_t now = *n->now_us;

	LIST_FOREACH (at, &n->hosts[host].ends) {
		struct net_end *e = LIST_ENTRY(at, struct net_end, of_host);
		struct net_way *in = &e->conn->way[1 - (e - e->conn->end)], *out = &e->conn->way[e - e->conn->end];

		if (in->parked) {
			in->parked = false;
			heap_set(n->heap, &in->arrival, in->head->at_us);
		}
		if (out->told_late) {
			out->told_late = false;
			heap_set(n->heap, &out->retry, now);
		}
	}
	LIST_FOREACH (at, &n->hosts[host].dials) {
		struct net_dial *d = LIST_ENTRY(at, struct net_dial, of_host);

		if (d->parked) {
			d->parked = false;
			heap_set(n->heap, &d->item, now);
		}
	}
}

void net_process_goes_on(struct net *n, uint32_t host)
{
	n->hosts[host].stopped = false;
	unpark(n, host);
}

void net_host_lost(struct net *n, uint32_t host)
{
	n->hosts[host].up = n->hosts[host].process = n->hosts[host].stopped = false;
	forget_dials(n, host);
	LIST_FOREACH_SAFE (at, &n->hosts[host].ends) {
		struct net_end *e = LIST_ENTRY(at, struct net_end, of_host);

		net_end_gone(e->conn, (int)(e - e->conn->end));
	}
}

void net_host_back(struct net *n, uint32_t host)
{
	n->hosts[host].up = true;
}

void net_host_sleeps(struct net *n, uint32_t host)
{
	n->hosts[host].up = false;
	n->hosts[host].stopped = true;
}

/* Its own timers stood still: what it was trying to send is tried at once. */
void net_host_wakes(struct net *n, uint32_t host)
{
	n->hosts[host].up = true;
	n->hosts[host].stopped = false;
	LIST_FOREACH (at, &n->hosts[host].ends) {
		struct net_end *e = LIST_ENTRY(at, struct net_end, of_host);
		struct net_way *out = &e->conn->way[e - e->conn->end];

		e->heard_us = *n->now_us;
		if (out->unsent && !out->why) {
			out->stalled_us = *n->now_us;
			heap_set(n->heap, &out->retry, *n->now_us);
		}
	}
	unpark(n, host);
}
