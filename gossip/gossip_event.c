/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people are to read: events wait in a bounded ring for a place among the outputs. When the ring is full the
 * oldest is lost, and the next one told says how many.
 */
#include "gossip/gossip_impl.h"

#define PACE_MS 1000

struct event *gossip_event(struct gossip *g, enum gossip_event kind, uint64_t id)
{
	struct event *e;

	if (!g->events)
		g->events = gossip_alloc(g, EVENTS_MAX * sizeof(*g->events));
	if (!g->events) {
		g->events_lost++;
		g->spare = (struct event){.kind = (uint8_t)kind, .id = id};
		return &g->spare;
	}
	if (g->n_events == EVENTS_MAX) {
		g->event_at = (g->event_at + 1) % EVENTS_MAX;
		g->n_events--;
		g->events_lost++;
	}
	e = &g->events[(g->event_at + g->n_events++) % EVENTS_MAX];
	*e = (struct event){.kind = (uint8_t)kind, .id = id};
	return e;
}

void gossip_event_by(struct gossip *g, struct event *e, const struct accused *a)
{
	(void)g;
	e->n_by = a ? a->n : 0;
	e->host_up = a && a->up;
	for (int i = 0; i < MIN(e->n_by, GOSSIP_BY_MAX); i++)
		e->by[i] = a->ids[i];
}

void gossip_event_paced(
	struct gossip *g, int64_t *told_ms, enum gossip_event kind, uint64_t id, uint64_t by, uint64_t number)
{
	struct event *e;

	if (*told_ms != INT64_MIN && g->now.mono_ms - *told_ms < PACE_MS)
		return;
	*told_ms = g->now.mono_ms;
	e = gossip_event(g, kind, id);
	e->number = number;
	e->by[0] = by;
	e->n_by = by != 0;
}

void gossip_no_memory(struct gossip *g, uint64_t id)
{
	g->figures.no_memory++;
	gossip_event_paced(g, &g->memory_told_ms, GOSSIP_EVENT_NO_MEMORY, id, 0, 0);
}

void gossip_refuse(struct gossip *g, uint64_t id, uint64_t by, enum gossip_refusal why)
{
	g->figures.refused++;
	gossip_event_paced(g, &g->refused_told_ms, GOSSIP_EVENT_REFUSED, id, by, why);
}

static void fill(struct gossip_out *out, const struct event *e)
{
	out->event = e->kind;
	out->id = e->id;
	out->number = e->number;
	out->n_by = e->n_by;
	out->host_up = e->host_up;
	out->restarted = e->restarted;
	out->state_was = e->state_was;
	memcpy(out->by, e->by, sizeof(out->by));
}

void gossip_events_out(struct gossip *g)
{
	struct gossip_out *out;

	if (g->events_lost > 0 && (out = gossip_emit(g, GOSSIP_OUT_EVENT))) {
		fill(out, &(struct event){.kind = GOSSIP_EVENT_LOST, .number = g->events_lost});
		g->figures.events_lost += g->events_lost;
		g->events_lost = 0;
	}
	while (g->n_events > 0 && (out = gossip_emit(g, GOSSIP_OUT_EVENT))) {
		fill(out, &g->events[g->event_at]);
		g->event_at = (g->event_at + 1) % EVENTS_MAX;
		g->n_events--;
	}
	if (g->events && g->n_events == 0) {
		gossip_release(g, g->events, EVENTS_MAX * sizeof(*g->events));
		g->events = NULL;
	}
}
