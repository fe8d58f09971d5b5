/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_SCHED_BED_H
#define TESTS_LIB_SCHED_BED_H
/*
 * An agent's register and hosts that do as it says, in virtual time: what node/, gossip and consensus are to the
 * scheduler's core. Hosts that are up take the newest value when they look (bed_look), stop what they do not own, start
 * what they own, and say so; replicas are ready start_ms after their start, those of the version `broken` never.
 */
#include <stdio.h>
#include <string.h>

#include "scheduler/decide.h"
#include "scheduler/explain.h"
#include "scheduler/rank.h"
#include "tests/lib/trace.h"

#define BED_HOSTS   12
#define BED_SLOTS   32
#define BED_RUNS    256
#define BED_SPECS   64
#define BED_TICK_MS 500

/* What a host really runs. */
struct bed_run {
	size_t host;
	uint32_t number, version;
	uint64_t epoch;
	bool leased;
	int64_t ready_at_ms, gone_at_ms; /* gone: it is being stopped; 0: not */
};

struct bed {
	struct now now;
	const char *agent;
	struct sched_host hosts[BED_HOSTS];
	char names[BED_HOSTS][8];
	struct sched_label labels[BED_HOSTS][2];
	bool down[BED_HOSTS];	     /* it does nothing: no power */
	bool cut[BED_HOSTS];	     /* it runs on what it had, and hears and tells nothing */
	int64_t since_ms[BED_HOSTS]; /* of the state */
	size_t n_hosts;
	struct bed_run runs[BED_RUNS];
	size_t n_runs;
	struct sched_report reports[BED_RUNS];
	struct sched_value values[2], *value;
	struct sched_slot slots[2][BED_SLOTS];
	struct sched_held held[2][SCHED_HELD_MAX];
	struct place_room rooms[BED_HOSTS];
	struct decide_reports found[BED_SLOTS];
	struct decide_memory memory;
	struct decide_out out;
	struct sched_view view;
	int64_t start_ms, stop_ms;
	uint32_t broken;
	uint32_t alike, as;  /* runs of `alike` are told as of version `as`, which asks for no other; 0: none */
	struct trace *trace; /* NULL: not told */
};

static inline struct sched_node bed_id(size_t i)
{
	return (struct sched_node){.hi = (i + 1) * 0x0101010101010101ULL, .lo = i + 7};
}

static inline void bed_init(struct bed *b, const char *agent)
{
	memset(b, 0, sizeof(*b));
	b->agent = agent;
	b->start_ms = 1000;
	for (size_t i = 0; i < 2; i++)
		sched_init(&b->values[i], b->slots[i], BED_SLOTS, b->held[i], SCHED_HELD_MAX);
	b->value = &b->values[0];
}

/* A host with 4 cores and 8G; zone may be NULL. Returns its index; its name is n1 for the first. */
static inline size_t bed_host(struct bed *b, const char *zone)
{
	size_t i = b->n_hosts++;

	assert_true(i < BED_HOSTS);
	(void)snprintf(b->names[i], sizeof(b->names[i]), "n%zu", i + 1);
	b->hosts[i] = (struct sched_host){.id = bed_id(i),
		.name = b->names[i],
		.schedulable = true,
		.cpu_milli = 4000,
		.memory_bytes = INT64_C(8) << 30,
		.labels = b->labels[i]};
	if (zone)
		b->labels[i][b->hosts[i].n_labels++] = (struct sched_label){.key = "zone", .value = zone};
	return i;
}

static inline const struct sched_slot *bed_owned(const struct bed *b, const struct bed_run *r)
{
	const struct sched_slot *s = sched_slot_of(b->value, r->number);
	struct sched_node id = b->hosts[r->host].id;

	if (!s || s->state != SCHED_RUN)
		return NULL;
	if (sched_same_node(s->node, id) && s->epoch == r->epoch)
		return s;
	return sched_same_node(s->from, id) && s->from_epoch == r->epoch ? s : NULL;
}

static inline struct bed_run *bed_run_of(struct bed *b, size_t host, uint32_t number, uint64_t epoch)
{
	for (size_t i = 0; i < b->n_runs; i++)
		if (b->runs[i].host == host && b->runs[i].number == number && b->runs[i].epoch == epoch)
			return &b->runs[i];
	return NULL;
}

static inline void bed_start(struct bed *b, size_t host, const struct sched_slot *s)
{
	assert_true(b->n_runs < BED_RUNS);
	b->runs[b->n_runs++] = (struct bed_run){.host = host,
		.number = s->number,
		.version = s->version,
		.epoch = s->epoch,
		.leased = s->leased,
		.ready_at_ms = s->version == b->broken ? DEADLINE_NEVER : b->now.mono_ms + b->start_ms};
}

/* Of the others nobody has the definition. */
static inline bool bed_has(const struct bed *b, uint32_t version)
{
	return version == b->value->now.version || version == b->value->before.version;
}

/* One host acts on the newest value. */
static inline void bed_look(struct bed *b, size_t host)
{
	b->hosts[host].knows = b->value->number;
	for (size_t i = 0; i < b->n_runs; i++) {
		struct bed_run *r = &b->runs[i];
		const struct sched_slot *s = r->host == host ? bed_owned(b, r) : NULL;

		if (r->host != host || r->gone_at_ms)
			continue;
		if (!s) {
			r->gone_at_ms = b->now.mono_ms + b->stop_ms;
		} else if (r->version != s->version && sched_same_node(s->node, b->hosts[host].id) &&
			   bed_has(b, s->version)) {
			r->version = s->version;
			r->ready_at_ms = s->version == b->broken ? DEADLINE_NEVER : b->now.mono_ms + b->start_ms;
		}
	}
	for (size_t i = 0; i < b->value->n_slots; i++) {
		const struct sched_slot *s = &b->value->slots[i];

		if (s->state == SCHED_RUN && sched_same_node(s->node, b->hosts[host].id) && bed_has(b, s->version) &&
			!bed_run_of(b, host, s->number, s->epoch))
			bed_start(b, host, s);
	}
}

/* Processes end: those that were told to, and those of hosts without power. */
static inline void bed_reap(struct bed *b)
{
	for (size_t i = b->n_runs; i-- > 0;) {
		struct bed_run *r = &b->runs[i];

		if (b->down[r->host] || (r->gone_at_ms && r->gone_at_ms <= b->now.mono_ms))
			*r = b->runs[--b->n_runs];
	}
}

/* What is known: of hosts that are cut off, what they said last. */
static inline void bed_tell(struct bed *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->view.n_reports; i++)
		for (size_t h = 0; h < b->n_hosts; h++)
			if (b->cut[h] && sched_same_node(b->reports[i].node, b->hosts[h].id))
				b->reports[n++] = b->reports[i];
	for (size_t i = 0; i < b->n_runs; i++) {
		const struct bed_run *r = &b->runs[i];
		int64_t for_ms = b->now.mono_ms - r->ready_at_ms;

		if (b->cut[r->host])
			continue;
		assert_true(n < BED_RUNS);
		b->reports[n++] = (struct sched_report){.node = b->hosts[r->host].id,
			.number = r->number,
			.version = r->version == b->alike && b->alike ? b->as : r->version,
			.epoch = r->epoch,
			.up = true,
			.ready = r->ready_at_ms != DEADLINE_NEVER && for_ms >= 0,
			.ready_for_ms = r->ready_at_ms == DEADLINE_NEVER || for_ms < 0 ? 0 : for_ms};
	}
	for (size_t h = 0; h < b->n_hosts; h++)
		b->hosts[h].state_for_ms = b->now.mono_ms - b->since_ms[h];
	b->view = (struct sched_view){.hosts = b->hosts,
		.n_hosts = b->n_hosts,
		.reports = b->reports,
		.n_reports = n,
		.floor = b->view.floor};
}

static inline void bed_trace(struct bed *b, const char *refused)
{
	const struct sched_decision *d;
	char text[4096];

	if (!b->trace)
		return;
	if (refused) {
		TRACE_EVENT(b->trace, b->now.mono_ms, "refused: %s", refused);
		return;
	}
	d = &b->value->decisions[b->value->n_decisions - 1];
	TRACE_EVENT(b->trace, b->now.mono_ms, "%s", explain_decision(d, &b->view, text, sizeof(text)));
	for (uint32_t i = 0; i < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX); i++)
		TRACE_OUT(b->trace, "%s", explain_step(&d->steps[i], &b->view, text, sizeof(text)));
	trace_state(b->trace, sched_dump(b->value, &b->view, text, sizeof(text)));
}

static inline struct decide_in bed_in(const struct bed *b, const struct decide_event *ev)
{
	struct decide_in in = {.agent = b->agent, .was = b->value, .view = &b->view, .event = ev, .memory = &b->memory};

	(void)rank_node(b->agent, &b->view, 0, &in.self); /* nobody's, when none is alive */
	return in;
}

/* Decides; what is decided is chosen at once. Returns whether something was. */
static inline bool bed_event(struct bed *b, const struct decide_event *ev)
{
	struct decide_in in;

	bed_tell(b);
	in = bed_in(b, ev);
	b->out.value = b->value == &b->values[0] ? &b->values[1] : &b->values[0];
	b->out.rooms = b->rooms;
	b->out.cap_rooms = BED_HOSTS;
	b->out.reports = b->found;
	b->out.cap_reports = BED_SLOTS;
	decide_value(&in, b->now, &b->out);
	if (b->out.refused.code)
		bed_trace(b, b->out.refused.text);
	if (!b->out.changed)
		return false;
	b->value = b->out.value;
	decide_remember(&b->memory, b->value, b->now);
	bed_trace(b, NULL);
	return true;
}

static inline bool bed_do(struct bed *b, enum sched_event_type type)
{
	return bed_event(b, &(struct decide_event){.type = type, .desired = -1});
}

static inline bool bed_apply(struct bed *b, const struct sched_spec *spec, int64_t desired)
{
	return bed_event(b, &(struct decide_event){.type = SCHED_EVENT_APPLY, .spec = spec, .desired = desired});
}

static inline bool bed_scale(struct bed *b, int64_t desired)
{
	return bed_event(b, &(struct decide_event){.type = SCHED_EVENT_SCALE, .desired = desired});
}

static inline bool bed_of(struct bed *b, enum sched_event_type type, size_t host)
{
	return bed_event(b, &(struct decide_event){.type = type, .subject = b->hosts[host].id});
}

/* Time goes on; hosts act; the steward looks every half second. */
static inline void bed_wait(struct bed *b, int64_t ms)
{
	for (int64_t until = b->now.mono_ms + ms; b->now.mono_ms < until;) {
		b->now.mono_ms += BED_TICK_MS;
		for (size_t i = 0; i < b->n_hosts; i++)
			if (!b->down[i] && !b->cut[i])
				bed_look(b, i);
		bed_reap(b);
		(void)bed_do(b, SCHED_EVENT_TICK);
	}
}

static inline bool bed_state(struct bed *b, size_t host, enum sched_host_state state, enum sched_event_type event)
{
	b->hosts[host].state = state;
	b->since_ms[host] = b->now.mono_ms;
	return bed_of(b, event, host);
}

/* Without power, silent, and called dead. */
static inline bool bed_lose(struct bed *b, size_t host)
{
	b->down[host] = true;
	b->hosts[host].host_up = false;
	bed_reap(b);
	return bed_state(b, host, SCHED_DEAD, SCHED_EVENT_NODE_DEAD);
}

/* Its daemon is gone, what it ran runs on. */
static inline bool bed_hang(struct bed *b, size_t host)
{
	b->cut[host] = true;
	b->hosts[host].host_up = true;
	return bed_state(b, host, SCHED_DEAD, SCHED_EVENT_NODE_DEAD);
}

static inline bool bed_back(struct bed *b, size_t host)
{
	b->down[host] = b->cut[host] = false;
	return bed_state(b, host, SCHED_ALIVE, SCHED_EVENT_NODE_BACK);
}

/* Replicas of wanted slots that serve: at least one run is ready. */
static inline int64_t bed_serving(const struct bed *b)
{
	int64_t n = 0;

	for (uint32_t number = 0; number < BED_SLOTS; number++)
		for (size_t i = 0; i < b->n_runs; i++) {
			const struct bed_run *r = &b->runs[i];

			if (r->number != number || r->gone_at_ms || r->ready_at_ms > b->now.mono_ms)
				continue;
			n++;
			break;
		}
	return n;
}

#endif
