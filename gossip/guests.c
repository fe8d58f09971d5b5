/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who called while neither they nor we belonged to a cluster. They call again by and by; but when we are the one
 * who founds it, or who is let in first, they need not wait: each is dialled once.
 */
#include <string.h>

#include "gossip/gossip_impl.h"

#define GUESTS_MAX   64 /* the rest call again */
#define GUESTS_PACED 4	/* under way at a time: fewer than a door lets in */

static void drop(struct gossip *g, uint32_t i)
{
	gossip_release(g, g->guests[i].address, strlen(g->guests[i].address) + 1);
	g->guests[i] = g->guests[--g->n_guests];
	if (g->n_guests > 0)
		return;
	gossip_release(g, g->guests, GUESTS_MAX * sizeof(*g->guests));
	g->guests = NULL;
}

void guests_free(struct gossip *g)
{
	while (g->n_guests > 0)
		drop(g, g->n_guests - 1);
}

void guests_knocked(struct gossip *g, struct gossip_str address)
{
	struct guest *to;

	for (uint32_t i = 0; i < g->n_guests; i++)
		if (strlen(g->guests[i].address) == address.n &&
			memcmp(g->guests[i].address, address.v, address.n) == 0)
			return;
	if (address.n == 0 || address.n > GOSSIP_ADDRESS_MAX || g->n_guests == GUESTS_MAX)
		return;
	if (!g->guests)
		g->guests = gossip_alloc(g, GUESTS_MAX * sizeof(*g->guests));
	to = g->guests ? &g->guests[g->n_guests] : NULL;
	if (!to)
		return; /* it calls again */
	*to = (struct guest){.address = gossip_alloc(g, address.n + 1u)};
	if (to->address) {
		memcpy(to->address, address.v, address.n);
		to->address[address.n] = '\0';
		g->n_guests++;
	} else if (g->n_guests == 0) {
		gossip_release(g, g->guests, GUESTS_MAX * sizeof(*g->guests));
		g->guests = NULL;
	}
}

void guests_answered(struct gossip *g, uint32_t token)
{
	for (uint32_t i = 0; i < g->n_guests; i++)
		if (g->guests[i].token == token) {
			drop(g, i);
			return;
		}
}

static uint32_t under_way(const struct gossip *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_guests; i++)
		n += g->guests[i].token != 0;
	return n;
}

bool guests_run(struct gossip *g)
{
	for (uint32_t i = 0; i < g->n_guests && !g->waiting;) {
		struct guest *to = &g->guests[i];

		if (to->token ? to->next_ms <= g->now.mono_ms : dial_knows(g, to->address)) {
			drop(g, i);
			continue;
		}
		if (to->token == 0 && under_way(g) < GUESTS_PACED &&
			!dial_emit(g, &to->token, &to->next_ms, 0, to->address))
			return false;
		i++;
	}
	return true;
}

int64_t guests_deadline(const struct gossip *g)
{
	int64_t at = DEADLINE_NEVER;

	if (g->waiting)
		return at;
	for (uint32_t i = 0; i < g->n_guests; i++)
		if (g->guests[i].token)
			at = MIN(at, g->guests[i].next_ms);
		else if (under_way(g) < GUESTS_PACED)
			return g->now.mono_ms;
	return at;
}
