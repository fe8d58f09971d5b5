/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a register's bytes to the next ones: the value is read, its definitions are looked up, the view is asked for,
 * decide_value says what is to be, and that is written. All of it is scratch: it lives as long as the call.
 */
#include <errno.h>
#include <string.h>

#include "node/agree_impl.h"
#include "scheduler/rank.h"

#define SPARE_SLOTS 16
#define SPARE_BYTES 16384 /* a decision, and some slots */

struct scratch {
	const struct value_mem *mem;
	struct register_agent base;
	struct sched_value next;
	struct sched_slot *slots;
	struct sched_held *held;
	struct place_room *rooms;
	struct decide_reports *reports;
	size_t n_slots, n_rooms;
};

static void *take(const struct scratch *s, size_t n, size_t size)
{
	void *p = s->mem->alloc(s->mem->ctx, n * size);

	if (p)
		memset(p, 0, n * size);
	return p;
}

static void give_back(const struct scratch *s, void *p, size_t n, size_t size)
{
	if (p)
		s->mem->release(s->mem->ctx, p, n * size);
}

static void scratch_done(struct scratch *s)
{
	give_back(s, s->slots, s->n_slots, sizeof(*s->slots));
	give_back(s, s->held, SCHED_HELD_MAX, sizeof(*s->held));
	give_back(s, s->rooms, s->n_rooms, sizeof(*s->rooms));
	give_back(s, s->reports, s->n_slots, sizeof(*s->reports));
	register_agent_done(&s->base);
}

/* Place for what one decision may make of the value: no more than twice as many slots, for a surge. */
static bool scratch_begin(struct scratch *s, const struct decide_event *event, size_t n_hosts)
{
	size_t n = MAX(s->base.v.n_slots, (size_t)MAX(MAX(s->base.v.desired, event->desired), (int64_t)0));

	s->n_slots = MIN(2 * n + SPARE_SLOTS, (size_t)SCHED_SLOTS_MAX);
	s->n_rooms = n_hosts + 1;
	s->slots = take(s, s->n_slots, sizeof(*s->slots));
	s->held = take(s, SCHED_HELD_MAX, sizeof(*s->held));
	s->rooms = take(s, s->n_rooms, sizeof(*s->rooms));
	s->reports = take(s, s->n_slots, sizeof(*s->reports));
	if (!s->slots || !s->held || !s->rooms || !s->reports)
		return false;
	sched_init(&s->next, s->slots, s->n_slots, s->held, SCHED_HELD_MAX);
	return true;
}

/* A definition that this version cannot read is as good as none: nothing is decided on it. */
static int find_specs(struct agree *a, struct register_agent *base, struct err *e)
{
	struct sched_def *const defs[] = {&base->v.now, &base->v.before};
	const struct msg_bytes texts[] = {base->now, base->before};

	for (size_t i = 0; i < ARRAY_LEN(defs); i++) {
		if (defs[i]->version == 0)
			continue;
		defs[i]->spec = a->world.spec(a->world.ctx, texts[i], e);
		if (!defs[i]->spec)
			return e->code ? e->code : -ENOMEM;
	}
	return 0;
}

static int event_of(struct agree *a, const struct bid *bid, const struct register_agent *base, struct decide_event *ret,
	struct err *e)
{
	struct msg_bytes text = {bid->text, bid->text_n};

	*ret = bid->event;
	ret->op = *bid->op ? bid->op : NULL;
	ret->spec = NULL;
	if (ret->type != SCHED_EVENT_APPLY)
		return 0;
	ret->same = base->now.n == text.n && text.n > 0 && memcmp(base->now.v, text.v, text.n) == 0;
	ret->same_run = base->now.n > 0 && a->world.same_run && a->world.same_run(a->world.ctx, base->now, text);
	ret->spec = a->world.spec(a->world.ctx, text, e);
	if (ret->spec)
		return 0;
	return e->code ? e->code : -ENOMEM;
}

int agree_room(struct agree *a, struct bid *bid, size_t cap)
{
	if (cap > bid->cap_made) {
		if (bid->made)
			a->mem.release(a->mem.ctx, bid->made, bid->cap_made);
		bid->made = a->mem.alloc(a->mem.ctx, cap);
		bid->cap_made = bid->made ? cap : 0;
	}
	return bid->made ? 0 : -ENOMEM;
}

/* The bytes, in a buffer that grows until they fit. */
static int write_next(struct agree *a, struct bid *bid, const struct scratch *s, struct err *e, size_t *ret_n)
{
	bool same = bid->event.type == SCHED_EVENT_RESTART;
	struct msg_bytes text = same ? s->base.now : (struct msg_bytes){bid->text, bid->text_n};
	size_t cap = MAX(bid->cap_made, s->base.bytes.n + bid->text_n + SPARE_BYTES);
	int rc;

	for (;;) {
		cap = MIN(cap, (size_t)MSG_VALUE_MAX);
		if (agree_room(a, bid, cap) < 0)
			return -ENOMEM;
		rc = register_agent_write(&s->base, &s->next, text, bid->made, bid->cap_made, ret_n, e);
		if (rc != -EMSGSIZE || cap == MSG_VALUE_MAX)
			return rc;
		cap *= 2;
	}
}

/* All that decide_value asks for, on a value that is in s->base. */
struct setting {
	char agent[NAME_MAX_LEN + 1];
	struct decide_event event;
	struct sched_view view;
	struct decide_in in;
	struct decide_out out;
};

static int set_up(struct agree *a, const struct bid *bid, const struct decide_memory *memory, struct scratch *s,
	struct setting *t, struct err *e)
{
	int rc;

	memcpy(t->agent, bid->key.v, bid->key.n);
	t->agent[bid->key.n] = '\0';
	if (s->base.min_version > REGISTER_VERSION)
		return err_set(e, -ENOTSUP,
			"%s was written by a newer version of covey than this node's: ask a node that has it",
			t->agent);
	rc = find_specs(a, &s->base, e);
	if (rc == 0)
		rc = event_of(a, bid, &s->base, &t->event, e);
	if (rc < 0)
		return rc;
	if (!a->world.view(a->world.ctx, t->agent, &t->view) || !scratch_begin(s, &t->event, t->view.n_hosts))
		return -ENOMEM;
	t->view.floor = quorum_floor(registers_cfg(a->registers)->epoch);
	t->in = (struct decide_in){.agent = t->agent,
		.was = &s->base.v,
		.view = &t->view,
		.event = &t->event,
		.memory = memory,
		.self = a->self};
	t->out = (struct decide_out){.value = &s->next,
		.rooms = s->rooms,
		.cap_rooms = s->n_rooms,
		.reports = s->reports,
		.cap_reports = s->n_slots};
	return 0;
}

static int decide(struct agree *a, struct bid *bid, const struct decide_memory *memory, struct scratch *s, bool make,
	struct judgement *ret, size_t *ret_n)
{
	struct setting t;
	int rc = set_up(a, bid, memory, s, &t, &ret->refused);

	if (rc < 0)
		return rc;
	decide_value(&t.in, a->now, &t.out);
	ret->changed = t.out.changed;
	ret->repeat = t.out.repeat;
	ret->refused = t.out.refused;
	ret->again_ms = t.out.again_ms;
	return make && t.out.changed && t.out.refused.code == 0 ? write_next(a, bid, s, &ret->refused, ret_n) : 0;
}

int agree_decide(struct agree *a, struct bid *bid, struct ward *w, struct msg_bytes base, bool make,
	struct judgement *ret, size_t *ret_n)
{
	struct scratch s = {.mem = &a->mem};
	int rc;

	*ret = (struct judgement){.again_ms = DEADLINE_NEVER};
	rc = register_agent_read(&s.base, &a->mem, base, &ret->refused);
	if (rc == 0 && w->unseen)
		decide_remember(&w->memory, &s.base.v, a->now);
	w->unseen = rc == -ENOMEM && w->unseen;
	if (rc == 0)
		rc = decide(a, bid, &w->memory, &s, make, ret, ret_n);
	scratch_done(&s);
	return rc;
}

void agree_remember(struct agree *a, struct ward *w)
{
	struct register_agent base = {0};
	struct msg_bytes value;
	struct ballot ballot;
	struct err e;

	if (!w->unseen)
		return;
	w->unseen = false;
	if (registers_get(a->registers, &w->key, &ballot, &value) &&
		register_agent_read(&base, &a->mem, value, &e) == 0) /* else its times begin with the next one */
		decide_remember(&w->memory, &base.v, a->now);
	register_agent_done(&base);
}

uint32_t agree_rank(struct agree *a, const struct msg_key *key)
{
	char agent[NAME_MAX_LEN + 1];
	struct sched_view view;

	memcpy(agent, key->v, key->n);
	agent[key->n] = '\0';
	return a->world.view(a->world.ctx, agent, &view) ? rank_of(agent, &view, a->self) : RANK_NONE;
}

/* ---- for people ---- */

int agree_plan(struct agree *a, const struct agree_command *c, agree_planned *fn, void *ctx, struct err *e)
{
	const struct bid bid = {.key = c->key, .event = c->event, .text = (uint8_t *)c->text.v, .text_n = c->text.n};
	static const struct decide_memory none;
	struct scratch s = {.mem = &a->mem};
	struct msg_bytes value = {0};
	struct ballot ballot;
	struct setting t;
	int rc;

	(void)registers_get(a->registers, &c->key, &ballot, &value); /* else it never was */
	rc = register_agent_read(&s.base, &a->mem, value, e);
	if (rc == 0)
		rc = set_up(a, &bid, &none, &s, &t, e);
	if (rc == 0)
		decide_value(&t.in, a->now, &t.out);
	if (rc == 0 && t.out.refused.code) {
		*e = t.out.refused;
		rc = e->code;
	}
	if (rc == 0)
		fn(ctx, &s.base.v, t.out.changed ? &s.next : &s.base.v, &t.view);
	scratch_done(&s);
	return rc;
}

char *agree_pending(struct agree *a, const struct msg_key *key, char *out, size_t n)
{
	const struct bid bid = {.key = *key, .event = {.desired = -1}};
	static const struct decide_memory none;
	struct scratch s = {.mem = &a->mem};
	struct msg_bytes value;
	struct ballot ballot;
	struct setting t;
	struct err e;

	out[0] = '\0';
	if (registers_get(a->registers, key, &ballot, &value) &&
		register_agent_read(&s.base, &a->mem, value, &e) == 0 && set_up(a, &bid, &none, &s, &t, &e) == 0)
		for (size_t i = 0; i < s.base.v.n_slots && !*out; i++)
			(void)decide_pending(&t.in, s.base.v.slots[i].number, &t.out, out, n); /* it is out */
	scratch_done(&s);
	return out;
}
