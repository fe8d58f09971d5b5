/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes through others (SWIM): an observer that hears nothing from a member asks a few relays whether they reach it.
 * A relay probes over a link of its own and says yes, no, or that it has no such link.
 */
#include "gossip/gossip_impl.h"

static bool usable(const struct link *l, const struct watch *w)
{
	return l && links_usable(l) && !l->passing && l->member != w->member;
}

static bool add(uint8_t *v, uint8_t n, uint8_t number)
{
	for (uint8_t i = 0; i < n; i++)
		if (v[i] == number)
			return false;
	v[n] = number;
	return true;
}

/* Those with whom the member is linked too, as far as that can be known, then any. */
static uint8_t choose(struct gossip *g, const struct watch *w, uint8_t *ret, uint8_t max)
{
	const struct member *x = members_at(g, w->member);
	uint32_t from = (uint32_t)rng_below(&g->rng, GOSSIP_LINKS_MAX);
	uint8_t n = 0;

	for (uint32_t i = 0; i < g->n_voters && n < max; i++) {
		const struct member *m = members_find(g, g->voters[i]);
		struct link *l = m ? links_of(g, m) : NULL;

		if (usable(l, w))
			n += add(ret, n, l->number);
	}
	for (int r = 0; r < 2 * GOSSIP_RINGS && n < max; r++) {
		uint32_t index = rings_scan(g, x, r / 2, r % 2);
		struct link *l = index == MEMBER_NONE ? NULL : links_of(g, members_at(g, index));

		if (usable(l, w))
			n += add(ret, n, l->number);
	}
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX && n < max; i++) {
		struct link *l = g->links[(from + i) % GOSSIP_LINKS_MAX];

		if (usable(l, w))
			n += add(ret, n, l->number);
	}
	return n;
}

uint8_t probe_ask(struct gossip *g, const struct watch *w)
{
	struct gossip_msg_probe p = {.nonce = w->nonce, .subject = w->id};
	struct link *own = links_of(g, members_at(g, w->member));
	uint8_t relays[8], n = choose(g, w, relays, MIN(g->profile->relays, 8));

	for (uint8_t i = 0; i < n; i++)
		links_urgent(g->links[relays[i]], GOSSIP_MSG_PROBE_ASK, &p);
	p.subject = 0;
	if (own)
		links_urgent(own, GOSSIP_MSG_PROBE, &p);
	return n;
}

static void answer(struct link *l, uint64_t subject, uint32_t nonce, enum gossip_verdict verdict)
{
	struct gossip_msg_probe p = {.nonce = nonce, .subject = subject, .verdict = verdict};

	links_urgent(l, GOSSIP_MSG_PROBE_ANSWER, &p);
}

static struct relay *free_relay(struct gossip *g)
{
	for (uint32_t i = 0; i < RELAYS_MAX; i++)
		if (g->relays[i].until_ms == 0)
			return &g->relays[i];
	return NULL;
}

static void relay(struct gossip *g, struct link *l, const struct gossip_msg_probe *p)
{
	const struct member *m = members_find(g, p->subject);
	struct link *to = m ? links_of(g, m) : NULL;
	struct relay *r = free_relay(g);

	if (p->subject == g->id) {
		answer(l, p->subject, p->nonce, GOSSIP_VERDICT_YES);
		return;
	}
	if (!to || !r) {
		answer(l, p->subject, p->nonce, GOSSIP_VERDICT_NO_LINK);
		return;
	}
	*r = (struct relay){.link = l->number,
		.ask_nonce = p->nonce,
		.nonce = ++g->nonce,
		.subject = p->subject,
		.until_ms = g->now.mono_ms + g->profile->probe_ms * 4 / 5};
	links_urgent(to, GOSSIP_MSG_PROBE, &(struct gossip_msg_probe){.nonce = r->nonce});
}

static void acked(struct gossip *g, const struct link *l, uint32_t nonce)
{
	for (uint32_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &g->relays[i];

		if (r->until_ms == 0 || r->nonce != nonce || r->subject != members_at(g, l->member)->id)
			continue;
		answer(g->links[r->link], r->subject, r->ask_nonce, GOSSIP_VERDICT_YES);
		r->until_ms = 0;
	}
}

void probe_take(struct gossip *g, struct link *l, const struct gossip_msg *m)
{
	switch (m->type) {
	case GOSSIP_MSG_PROBE_ASK:
		relay(g, l, &m->probe);
		break;
	case GOSSIP_MSG_PROBE:
		links_urgent(l, GOSSIP_MSG_PROBE_ACK, &(struct gossip_msg_probe){.nonce = m->probe.nonce});
		break;
	case GOSSIP_MSG_PROBE_ACK:
		acked(g, l, m->probe.nonce);
		break;
	default:
		watch_answer(g, &m->probe);
		break;
	}
}

void probe_run(struct gossip *g)
{
	for (uint32_t i = 0; i < RELAYS_MAX; i++) {
		struct relay *r = &g->relays[i];

		if (r->until_ms == 0 || g->now.mono_ms < r->until_ms)
			continue;
		answer(g->links[r->link], r->subject, r->ask_nonce, GOSSIP_VERDICT_NO);
		r->until_ms = 0;
	}
}

int64_t probe_deadline(const struct gossip *g)
{
	int64_t at = DEADLINE_NEVER;

	for (uint32_t i = 0; i < RELAYS_MAX; i++)
		if (g->relays[i].until_ms != 0)
			at = MIN(at, g->relays[i].until_ms);
	return at;
}
