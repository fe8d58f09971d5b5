/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent's register out of its bytes. They are walked once; a second time only where something is not known, to write
 * down where that is. Relations between fields are sched_fault's to judge, their types and bounds are judged here.
 */
#include "node/register_agent.h"

#include <errno.h>
#include <string.h>

/* ---- the head ---- */

#define HEAD_LEN 6 /* array16 of the fields, kind, and the shortest head of bytes */

static inline struct msg_slot lease_at(const uint8_t *v)
{
	struct msg_slot s = {.slot = register_load32(v), .epoch = register_load(v + 4)};

	memcpy(s.owner.v, v + 12, sizeof(s.owner.v));
	return s;
}

bool register_agent_leases(struct msg_bytes value, struct msg_bytes *ret)
{
	size_t len, at, n = 0;

	if (value.n < HEAD_LEN || value.v[0] != 0xdc || value.v[3] != REGISTER_AGENT || value.v[4] < 0xc4 ||
		value.v[4] > 0xc6)
		return false;
	len = (size_t)1 << (value.v[4] - 0xc4);
	at = 5 + len;
	if (at > value.n)
		return false;
	for (size_t i = 5; i < at; i++)
		n = n << 8 | value.v[i];
	*ret = (struct msg_bytes){.v = value.v + at, .n = n};
	return n <= value.n - at && n % REGISTER_LEASE_LEN == 0 && n <= (size_t)SCHED_SLOTS_MAX * REGISTER_LEASE_LEN;
}

/* In order, owned, and once given: what the voters' rules rest on. */
static bool make_sense(struct msg_bytes leases)
{
	int64_t last = -1;

	for (const uint8_t *v = leases.v; v < leases.v + leases.n; v += REGISTER_LEASE_LEN) {
		uint32_t slot = register_load32(v);
		uint64_t epoch = register_load(v + 4);

		if ((int64_t)slot <= last || slot >= SCHED_SLOTS_MAX || epoch == 0 || epoch > SCHED_COUNT_MAX ||
			(register_load(v + 12) | register_load(v + 20)) == 0)
			return false;
		last = slot;
	}
	return true;
}

bool register_agent_slot(struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	struct msg_bytes leases;

	if (!register_agent_leases(value, &leases) || *at >= leases.n || (*at == 0 && !make_sense(leases)))
		return false;
	*ret = lease_at(leases.v + *at);
	*at += REGISTER_LEASE_LEN;
	return true;
}

/* ---- the rest ---- */

struct agent_in {
	struct register_in in;
	struct register_agent *a;
	struct msg_bytes leases, nodes; /* UUIDs; what follows names one by its place, from 1 on */
	size_t lease;			/* the next one's offset */
};

static struct register_key key_of(enum register_part part, uint64_t number)
{
	return (struct register_key){.part = part, .number = number};
}

static void *get_room(struct agent_in *r, size_t n, size_t size)
{
	void *v = r->in.rc == 0 && n > 0 ? r->a->mem.alloc(r->a->mem.ctx, n * size) : NULL;

	if (v)
		memset(v, 0, n * size);
	else if (r->in.rc == 0 && n > 0)
		r->in.rc = err_set(r->in.e, -ENOMEM, "no memory for a register's value");
	return v;
}

static struct sched_node get_node(struct agent_in *r, const char *what)
{
	uint64_t i = register_get_uint(&r->in, what, 0, r->nodes.n / sizeof(struct uuid));
	struct uuid u;

	if (i == 0)
		return (struct sched_node){0};
	memcpy(u.v, r->nodes.v + (i - 1) * sizeof(u), sizeof(u));
	return register_node_of(&u);
}

static uint32_t get_u32(struct agent_in *r, const char *what)
{
	return (uint32_t)register_get_uint(&r->in, what, 0, UINT32_MAX);
}

static void get_definition(struct agent_in *r, const char *what, struct sched_def *def, struct msg_bytes *text)
{
	struct register_in *in = &r->in;
	size_t n;

	if (in->rc < 0 || register_get_nil(in))
		return;
	n = register_get_array(in, "row", REGISTER_DEFINITION_FIELDS, UINT16_MAX);
	def->version = (uint32_t)register_get_uint(in, "version", 1, SCHED_VERSION_MAX);
	*text = register_get_bin(in, "text", 1, AGENT_FILE_MAX);
	register_get_more(in, key_of(REGISTER_DEFINITION, def->version), n, REGISTER_DEFINITION_FIELDS);
	register_wrap(in, "%s", what);
}

static void get_rollout(struct agent_in *r, struct sched_rollout *roll)
{
	struct register_in *in = &r->in;
	size_t n;

	if (in->rc < 0)
		return;
	n = register_get_array(in, "row", REGISTER_ROLLOUT_FIELDS, UINT16_MAX);
	roll->state = (enum sched_rollout_state)register_get_uint(in, "state", 0, SCHED_ROLLOUT_STATE_MAX - 1);
	roll->from = get_u32(r, "from");
	roll->to = get_u32(r, "to");
	roll->progress = register_get_uint(in, "progress", 0, SCHED_COUNT_MAX);
	register_get_more(in, key_of(REGISTER_ROLLOUT, 0), n, REGISTER_ROLLOUT_FIELDS);
	register_wrap(in, "change");
}

static void get_cooldowns(struct agent_in *r, struct sched_cooldown *v)
{
	struct register_in *in = &r->in;
	size_t n = register_get_array(in, "pauses", SCHED_COOLDOWN_MAX, UINT16_MAX), k;

	for (size_t i = 0; i < SCHED_COOLDOWN_MAX && in->rc == 0; i++) {
		k = register_get_array(in, "pause", REGISTER_COOLDOWN_FIELDS, UINT16_MAX);
		v[i].decision = register_get_uint(in, "decision", 0, SCHED_COUNT_MAX);
		v[i].length_ms = (int64_t)register_get_uint(in, "length", 0, INT64_MAX);
		register_get_more(in, key_of(REGISTER_COOLDOWN, i), k, REGISTER_COOLDOWN_FIELDS);
	}
	register_get_more(in, key_of(REGISTER_COOLDOWNS, 0), n, SCHED_COOLDOWN_MAX);
}

/* As that of the slot before, unless it is said. */
static void get_reserve(struct agent_in *r, struct sched_reserve *reserve)
{
	if (register_get_nil(&r->in))
		return;
	(void)register_get_array(&r->in, "reserve", REGISTER_RESERVE_FIELDS, REGISTER_RESERVE_FIELDS); /* in.rc tells */
	reserve->cpu_milli = (int64_t)register_get_uint(&r->in, "cpu", 0, SCHED_RESERVE_MAX);
	reserve->memory_bytes = (int64_t)register_get_uint(&r->in, "memory", 0, SCHED_RESERVE_MAX);
}

/* The owner under a lease stands at the head alone. */
static void get_lease(struct agent_in *r, struct sched_slot *s)
{
	struct msg_slot lease;

	if (r->in.rc < 0 || !s->leased || s->state == SCHED_PENDING)
		return;
	if (sched_is_node(s->node) || s->epoch != 0 || r->lease >= r->leases.n) {
		(void)register_refuse(&r->in, "its owner is not the lease's"); /* in.rc tells */
		return;
	}
	lease = lease_at(r->leases.v + r->lease);
	r->lease += REGISTER_LEASE_LEN;
	if (lease.slot != s->number)
		(void)register_refuse(&r->in, "the next lease is that of slot %u", lease.slot); /* as above */
	s->node = register_node_of(&lease.owner);
	s->epoch = lease.epoch;
}

static void get_slot(struct agent_in *r, struct sched_slot *s, struct sched_reserve *reserve)
{
	struct register_in *in = &r->in;
	size_t n = register_get_array(in, "slot", REGISTER_SLOT_FIELDS, UINT16_MAX);

	s->number = get_u32(r, "number");
	s->version = get_u32(r, "version");
	s->state = (enum sched_slot_state)register_get_uint(in, "state", 0, SCHED_SLOT_STATE_MAX - 1);
	s->why = (enum sched_why)register_get_uint(in, "why", 0, SCHED_WHY_MAX - 1);
	s->leased = register_get_bool(in, "leased");
	s->extra = register_get_bool(in, "extra");
	s->node = get_node(r, "node");
	s->epoch = register_get_uint(in, "epoch", 0, SCHED_COUNT_MAX);
	s->from = get_node(r, "from");
	s->from_epoch = register_get_uint(in, "from's epoch", 0, UINT64_MAX);
	s->last = get_node(r, "last");
	s->decision = register_get_uint(in, "decision", 0, SCHED_COUNT_MAX);
	get_reserve(r, reserve);
	s->reserve = *reserve;
	register_get_more(in, key_of(REGISTER_SLOT, s->number), n, REGISTER_SLOT_FIELDS);
	get_lease(r, s);
}

static void get_slots(struct agent_in *r)
{
	struct sched_value *v = &r->a->v;
	struct sched_reserve reserve = {0};
	size_t n = register_get_array(&r->in, "slots", 0, SCHED_SLOTS_MAX);

	if (!v->slots)
		v->slots = get_room(r, n, sizeof(*v->slots));
	v->n_slots = v->cap_slots = v->slots ? n : 0;
	for (size_t i = 0; i < v->n_slots && r->in.rc == 0; i++) {
		get_slot(r, &v->slots[i], &reserve);
		register_wrap(&r->in, "slot number %zu", i + 1);
	}
	if (r->in.rc == 0 && r->lease < r->leases.n)
		(void)register_refuse(&r->in, "leases of slots that are not there"); /* in.rc tells */
}

static void get_held(struct agent_in *r)
{
	struct register_in *in = &r->in;
	struct sched_value *v = &r->a->v;
	size_t n = register_get_array(in, "earlier owners", 0, SCHED_HELD_MAX), k;

	if (!v->held)
		v->held = get_room(r, n, sizeof(*v->held));
	v->n_held = v->cap_held = v->held ? n : 0;
	for (size_t i = 0; i < v->n_held && in->rc == 0; i++) {
		struct sched_held *h = &v->held[i];

		k = register_get_array(in, "row", REGISTER_HELD_FIELDS, UINT16_MAX);
		h->number = get_u32(r, "slot");
		h->node = get_node(r, "node");
		h->epoch = register_get_uint(in, "epoch", 0, SCHED_COUNT_MAX);
		h->decision = register_get_uint(in, "decision", 0, SCHED_COUNT_MAX);
		register_get_more(
			in, (struct register_key){REGISTER_HELD, h->number, h->node}, k, REGISTER_HELD_FIELDS);
		register_wrap(in, "earlier owner number %zu", i + 1);
	}
}

static void get_step(struct agent_in *r, uint64_t decision, size_t i, struct sched_step *s)
{
	struct register_in *in = &r->in;
	size_t n = register_get_array(in, "step", REGISTER_STEP_FIELDS, UINT16_MAX);

	s->type = (enum sched_step_type)register_get_uint(in, "type", 0, SCHED_STEP_MAX - 1);
	s->why = (enum sched_why)register_get_uint(in, "why", 0, SCHED_WHY_MAX - 1);
	s->number = get_u32(r, "slot");
	s->version = get_u32(r, "version");
	s->leased = register_get_bool(in, "leased");
	s->node = get_node(r, "node");
	s->from = get_node(r, "from");
	s->epoch = register_get_uint(in, "epoch", 0, UINT64_MAX);
	register_get_more(in, (struct register_key){REGISTER_STEP, decision, {.lo = i}}, n, REGISTER_STEP_FIELDS);
}

static void get_steps(struct agent_in *r, struct sched_decision *d)
{
	size_t kept, n;

	d->n_steps = get_u32(r, "number of steps");
	kept = MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX);
	n = register_get_array(&r->in, "steps", kept, kept);
	for (size_t i = 0; i < n && r->in.rc == 0; i++)
		get_step(r, d->number, i, &d->steps[i]);
}

static void get_decision(struct agent_in *r, struct sched_decision *d)
{
	struct register_in *in = &r->in;
	size_t n = register_get_array(in, "decision", REGISTER_DECISION_FIELDS, UINT16_MAX);

	d->number = register_get_uint(in, "number", 1, SCHED_COUNT_MAX);
	d->by = get_node(r, "by");
	d->ballot = register_get_uint(in, "ballot", 0, BALLOT_COUNTER_MAX);
	d->wall_ms = (int64_t)register_get_uint(in, "time", 0, INT64_MAX);
	d->event = (enum sched_event_type)register_get_uint(in, "event", 0, SCHED_EVENT_MAX - 1);
	d->subject = get_node(r, "subject");
	d->alive = get_u32(r, "alive");
	d->suspect = get_u32(r, "suspect");
	d->dead = get_u32(r, "dead");
	d->gone = get_u32(r, "gone");
	d->version_was = get_u32(r, "version before");
	d->version = get_u32(r, "version");
	d->desired_was = (int64_t)register_get_uint(in, "desired before", 0, SCHED_SLOTS_MAX);
	d->desired = (int64_t)register_get_uint(in, "desired", 0, SCHED_SLOTS_MAX);
	d->rollout_was =
		(enum sched_rollout_state)register_get_uint(in, "change before", 0, SCHED_ROLLOUT_STATE_MAX - 1);
	d->rollout = (enum sched_rollout_state)register_get_uint(in, "change", 0, SCHED_ROLLOUT_STATE_MAX - 1);
	get_steps(r, d);
	register_get_text(in, "text", d->text, sizeof(d->text));
	register_get_more(in, key_of(REGISTER_DECISION, d->number), n, REGISTER_DECISION_FIELDS);
}

static void get_decisions(struct agent_in *r)
{
	struct sched_value *v = &r->a->v;

	v->n_decisions = register_get_array(&r->in, "decisions", 0, SCHED_DECISIONS_MAX);
	for (size_t i = 0; i < v->n_decisions && r->in.rc == 0; i++) {
		get_decision(r, &v->decisions[i]);
		register_wrap(&r->in, "decision number %zu", i + 1);
	}
}

static void get_head(struct agent_in *r)
{
	static const uint8_t nobody[sizeof(struct uuid)];
	struct register_in *in = &r->in;

	r->leases = register_get_bin(in, "leases", 0, (size_t)SCHED_SLOTS_MAX * REGISTER_LEASE_LEN);
	r->a->min_version = (uint32_t)register_get_uint(in, "min_version", 1, UINT32_MAX);
	r->a->parent = register_get_uint(in, "parent", 0, UINT64_MAX);
	r->nodes = register_get_bin(in, "nodes", 0, MSG_VALUE_MAX);
	if (in->rc == 0 && r->nodes.n % sizeof(struct uuid))
		(void)register_refuse(in, "nodes: %zu bytes are no UUIDs", r->nodes.n); /* in->rc tells; so below */
	for (size_t i = 0; i + sizeof(nobody) <= r->nodes.n && in->rc == 0; i += sizeof(nobody))
		if (memcmp(r->nodes.v + i, nobody, sizeof(nobody)) == 0)
			(void)register_refuse(in, "nodes: one without a UUID");
}

/* All of it; `in` has the bytes. */
static int get_value(struct agent_in *r)
{
	struct register_in *in = &r->in;
	struct sched_value *v = &r->a->v;
	struct msg_bytes leases;
	size_t n = register_get_array(in, "value", REGISTER_AGENT_FIELDS, UINT16_MAX);

	(void)register_get_uint(in, "kind", REGISTER_AGENT, REGISTER_AGENT); /* in->rc tells */
	if (in->rc == 0 && (!register_agent_leases(r->a->bytes, &leases) || !make_sense(leases)))
		(void)register_refuse(in, "leases that make no sense"); /* as above */
	get_head(r);
	get_slots(r);
	v->number = register_get_uint(in, "number", 0, SCHED_COUNT_MAX);
	get_definition(r, "definition", &v->now, &r->a->now);
	get_definition(r, "definition before", &v->before, &r->a->before);
	v->next_version = get_u32(r, "next version");
	v->next_epoch = register_get_uint(in, "next epoch", 1, SCHED_COUNT_MAX);
	v->desired = (int64_t)register_get_uint(in, "desired", 0, SCHED_SLOTS_MAX);
	v->stopped = register_get_bool(in, "stopped");
	v->removed = register_get_bool(in, "removed");
	get_rollout(r, &v->rollout);
	get_cooldowns(r, v->cooldowns);
	get_held(r);
	get_decisions(r);
	register_get_ops(in, v->ops, &v->n_ops);
	v->fresh = get_u32(r, "fresh");
	register_get_more(in, key_of(REGISTER_VALUE, 0), n, REGISTER_AGENT_FIELDS);
	if (in->rc == 0 && in->u.at < in->u.n)
		(void)register_refuse(in, "%zu bytes too many", in->u.n - in->u.at); /* as above */
	return in->rc;
}

static int walk(struct register_agent *a, struct register_more *more, size_t *ret_n, struct err *e)
{
	struct agent_in r = {.in = {.u = {.v = a->bytes.v, .n = a->bytes.n}, .e = e, .more = more}, .a = a};
	int rc = get_value(&r);

	*ret_n = r.in.n_more;
	return rc;
}

static int read_all(struct register_agent *a, struct err *e)
{
	const char *fault;
	size_t n = 0;
	int rc = walk(a, NULL, &n, e);

	if (rc == 0 && n > 0) {
		a->mores.v = a->mem.alloc(a->mem.ctx, n * sizeof(*a->mores.v));
		if (!a->mores.v)
			return err_set(e, -ENOMEM, "no memory for a register's value");
		a->mores.n = n;
		rc = walk(a, a->mores.v, &n, e);
	}
	fault = rc == 0 ? sched_fault(&a->v) : NULL;
	return fault ? err_set(e, -EBADMSG, "%s", fault) : rc;
}

int register_agent_read(struct register_agent *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e)
{
	struct register_agent a = {.mem = *mem, .bytes = bytes, .min_version = REGISTER_VERSION};
	int rc;

	sched_init(&a.v, NULL, 0, NULL, 0);
	if (bytes.n > MSG_VALUE_MAX)
		return err_set(e, -EBADMSG, "a value of %zu bytes, at most %d are allowed", bytes.n, MSG_VALUE_MAX);
	rc = bytes.n > 0 ? read_all(&a, e) : 0;
	if (rc < 0)
		register_agent_done(&a);
	else
		*ret = a;
	return rc;
}

static void release(const struct value_mem *mem, void *v, size_t n)
{
	if (v)
		mem->release(mem->ctx, v, n);
}

void register_agent_done(struct register_agent *a)
{
	release(&a->mem, a->v.slots, a->v.cap_slots * sizeof(*a->v.slots));
	release(&a->mem, a->v.held, a->v.cap_held * sizeof(*a->v.held));
	release(&a->mem, a->mores.v, a->mores.n * sizeof(*a->mores.v));
	*a = (struct register_agent){0};
}
