/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent's register to bytes. Nodes that are named are listed once, in the order in which they first come; a slot
 * says what it reserves only where that is not what the slot before does: ten thousand slots fit.
 */
#include <errno.h>
#include <string.h>

#include "node/register_agent.h"

/* ---- nodes ---- */

/* Found by a table of places, 0 for empty, of a power of two that is at least twice as many. */
struct nodes {
	struct sched_node *v;
	uint32_t *table;
	size_t n, cap, mask;
};

static size_t table_len(size_t cap)
{
	size_t n = 16;

	while (n < 2 * cap)
		n *= 2;
	return n;
}

static void nodes_done(const struct value_mem *mem, struct nodes *s)
{
	if (s->v)
		mem->release(mem->ctx, s->v, s->cap * sizeof(*s->v));
	if (s->table)
		mem->release(mem->ctx, s->table, (s->mask + 1) * sizeof(*s->table));
}

static int nodes_init(const struct value_mem *mem, struct nodes *s, size_t cap)
{
	*s = (struct nodes){.cap = cap, .mask = table_len(cap) - 1};
	s->v = mem->alloc(mem->ctx, cap * sizeof(*s->v));
	s->table = s->v ? mem->alloc(mem->ctx, (s->mask + 1) * sizeof(*s->table)) : NULL;
	if (!s->table) {
		nodes_done(mem, s);
		return -ENOMEM;
	}
	memset(s->table, 0, (s->mask + 1) * sizeof(*s->table));
	return 0;
}

/* Its entry in the table, or the empty one where it would be. UUIDs are random. */
static uint32_t *entry_of(const struct nodes *s, struct sched_node node)
{
	size_t i = (size_t)((node.hi ^ node.lo) * 0x9e3779b97f4a7c15ULL >> 32) & s->mask;

	while (s->table[i] && !sched_same_node(s->v[s->table[i] - 1], node))
		i = (i + 1) & s->mask;
	return &s->table[i];
}

static void nodes_add(struct nodes *s, struct sched_node node)
{
	uint32_t *entry;

	if (!sched_is_node(node))
		return;
	entry = entry_of(s, node);
	if (*entry)
		return;
	assert(s->n < s->cap);
	s->v[s->n++] = node;
	*entry = (uint32_t)s->n;
}

static bool has_lease(const struct sched_slot *s)
{
	return s->leased && s->state != SCHED_PENDING;
}

static void nodes_of_decision(struct nodes *s, const struct sched_decision *d)
{
	nodes_add(s, d->by);
	nodes_add(s, d->subject);
	for (uint32_t i = 0; i < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX); i++) {
		nodes_add(s, d->steps[i].node);
		nodes_add(s, d->steps[i].from);
	}
}

static int nodes_of_value(const struct value_mem *mem, struct nodes *s, const struct sched_value *v)
{
	int rc =
		nodes_init(mem, s, 3 * v->n_slots + v->n_held + v->n_decisions * (size_t)(2 + 2 * SCHED_STEPS_MAX) + 1);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < v->n_slots; i++) {
		if (!has_lease(&v->slots[i]))
			nodes_add(s, v->slots[i].node);
		nodes_add(s, v->slots[i].from);
		nodes_add(s, v->slots[i].last);
	}
	for (size_t i = 0; i < v->n_held; i++)
		nodes_add(s, v->held[i].node);
	for (size_t i = 0; i < v->n_decisions; i++)
		nodes_of_decision(s, &v->decisions[i]);
	return 0;
}

/* ---- fields ---- */

struct agent_out {
	struct register_out out;
	struct nodes nodes;
};

static struct register_key key_of(enum register_part part, uint64_t number)
{
	return (struct register_key){.part = part, .number = number};
}

static void put_node(struct agent_out *w, struct sched_node node)
{
	register_put_uint(&w->out, sched_is_node(node) ? *entry_of(&w->nodes, node) : 0);
}

/* What fits; out.full tells of the rest. */
static void put_leases(struct agent_out *w, const struct sched_value *v)
{
	struct register_out *out = &w->out;
	size_t n = 0;

	for (size_t i = 0; i < v->n_slots; i++)
		n += has_lease(&v->slots[i]);
	(void)msgpack_pack_bin(&out->packer, n * REGISTER_LEASE_LEN); /* out->full tells */
	for (size_t i = 0; i < v->n_slots && !out->full; i++) {
		const struct sched_slot *s = &v->slots[i];
		uint8_t lease[REGISTER_LEASE_LEN];
		struct uuid u;

		if (!has_lease(s))
			continue;
		register_store32(lease, s->number);
		register_store(lease + 4, s->epoch);
		u = register_uuid_of(s->node);
		memcpy(lease + 12, u.v, sizeof(u.v));
		(void)msgpack_pack_bin_body(&out->packer, lease, sizeof(lease)); /* out->full tells */
	}
}

static void put_nodes(struct agent_out *w)
{
	(void)msgpack_pack_bin(&w->out.packer, w->nodes.n * sizeof(struct uuid)); /* out.full tells; so below */
	for (size_t i = 0; i < w->nodes.n && !w->out.full; i++) {
		struct uuid u = register_uuid_of(w->nodes.v[i]);

		(void)msgpack_pack_bin_body(&w->out.packer, u.v, sizeof(u.v));
	}
}

static void put_slot(struct agent_out *w, const struct sched_slot *s, const struct sched_reserve *before)
{
	struct register_out *out = &w->out;
	const struct register_more *more =
		register_put_row(out, key_of(REGISTER_SLOT, s->number), REGISTER_SLOT_FIELDS);
	bool lease = has_lease(s);

	register_put_uint(out, s->number);
	register_put_uint(out, s->version);
	register_put_uint(out, s->state);
	register_put_uint(out, s->why);
	register_put_bool(out, s->leased);
	register_put_bool(out, s->extra);
	put_node(w, lease ? (struct sched_node){0} : s->node);
	register_put_uint(out, lease ? 0 : s->epoch);
	put_node(w, s->from);
	register_put_uint(out, s->from_epoch);
	put_node(w, s->last);
	register_put_uint(out, s->decision);
	if (s->reserve.cpu_milli == before->cpu_milli && s->reserve.memory_bytes == before->memory_bytes) {
		register_put_nil(out);
	} else {
		register_put_array(out, REGISTER_RESERVE_FIELDS);
		register_put_uint(out, (uint64_t)s->reserve.cpu_milli);
		register_put_uint(out, (uint64_t)s->reserve.memory_bytes);
	}
	register_put_more(out, more);
}

static void put_slots(struct agent_out *w, const struct sched_value *v)
{
	static const struct sched_reserve none;

	register_put_array(&w->out, v->n_slots);
	for (size_t i = 0; i < v->n_slots && !w->out.full; i++)
		put_slot(w, &v->slots[i], i ? &v->slots[i - 1].reserve : &none);
}

static void put_definition(struct agent_out *w, uint32_t version, struct msg_bytes text)
{
	const struct register_more *more;

	if (version == 0) {
		register_put_nil(&w->out);
		return;
	}
	more = register_put_row(&w->out, key_of(REGISTER_DEFINITION, version), REGISTER_DEFINITION_FIELDS);
	register_put_uint(&w->out, version);
	register_put_bin(&w->out, text.v, text.n);
	register_put_more(&w->out, more);
}

static void put_rollout(struct agent_out *w, const struct sched_rollout *r)
{
	const struct register_more *more =
		register_put_row(&w->out, key_of(REGISTER_ROLLOUT, 0), REGISTER_ROLLOUT_FIELDS);

	register_put_uint(&w->out, r->state);
	register_put_uint(&w->out, r->from);
	register_put_uint(&w->out, r->to);
	register_put_uint(&w->out, r->progress);
	register_put_more(&w->out, more);
}

static void put_cooldowns(struct agent_out *w, const struct sched_cooldown *v)
{
	const struct register_more *all = register_put_row(&w->out, key_of(REGISTER_COOLDOWNS, 0), SCHED_COOLDOWN_MAX);

	for (size_t i = 0; i < SCHED_COOLDOWN_MAX; i++) {
		const struct register_more *more =
			register_put_row(&w->out, key_of(REGISTER_COOLDOWN, i), REGISTER_COOLDOWN_FIELDS);

		register_put_uint(&w->out, v[i].decision);
		register_put_uint(&w->out, (uint64_t)v[i].length_ms);
		register_put_more(&w->out, more);
	}
	register_put_more(&w->out, all);
}

static void put_held(struct agent_out *w, const struct sched_value *v)
{
	register_put_array(&w->out, v->n_held);
	for (size_t i = 0; i < v->n_held; i++) {
		const struct sched_held *h = &v->held[i];
		const struct register_more *more = register_put_row(
			&w->out, (struct register_key){REGISTER_HELD, h->number, h->node}, REGISTER_HELD_FIELDS);

		register_put_uint(&w->out, h->number);
		put_node(w, h->node);
		register_put_uint(&w->out, h->epoch);
		register_put_uint(&w->out, h->decision);
		register_put_more(&w->out, more);
	}
}

static void put_step(struct agent_out *w, uint64_t decision, size_t i, const struct sched_step *s)
{
	const struct register_more *more = register_put_row(
		&w->out, (struct register_key){REGISTER_STEP, decision, {.lo = i}}, REGISTER_STEP_FIELDS);

	register_put_uint(&w->out, s->type);
	register_put_uint(&w->out, s->why);
	register_put_uint(&w->out, s->number);
	register_put_uint(&w->out, s->version);
	register_put_bool(&w->out, s->leased);
	put_node(w, s->node);
	put_node(w, s->from);
	register_put_uint(&w->out, s->epoch);
	register_put_more(&w->out, more);
}

static void put_decision(struct agent_out *w, const struct sched_decision *d)
{
	struct register_out *out = &w->out;
	const struct register_more *more =
		register_put_row(out, key_of(REGISTER_DECISION, d->number), REGISTER_DECISION_FIELDS);
	size_t kept = MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX);

	register_put_uint(out, d->number);
	put_node(w, d->by);
	register_put_uint(out, d->ballot);
	register_put_uint(out, (uint64_t)MAX(d->wall_ms, (int64_t)0)); /* a clock before 1970 tells nobody anything */
	register_put_uint(out, d->event);
	put_node(w, d->subject);
	register_put_uint(out, d->alive);
	register_put_uint(out, d->suspect);
	register_put_uint(out, d->dead);
	register_put_uint(out, d->gone);
	register_put_uint(out, d->version_was);
	register_put_uint(out, d->version);
	register_put_uint(out, (uint64_t)d->desired_was);
	register_put_uint(out, (uint64_t)d->desired);
	register_put_uint(out, d->rollout_was);
	register_put_uint(out, d->rollout);
	register_put_uint(out, d->n_steps);
	register_put_array(out, kept);
	for (size_t i = 0; i < kept; i++)
		put_step(w, d->number, i, &d->steps[i]);
	register_put_text(out, d->text);
	register_put_more(out, more);
}

/* ---- the value ---- */

/* The texts of v's definitions: nothing of a version 0. */
struct texts {
	uint32_t now_version, before_version;
	struct msg_bytes now, before;
};

static bool text_of(const struct register_agent *base, uint32_t version, struct msg_bytes new, struct msg_bytes *ret)
{
	if (version == 0)
		*ret = (struct msg_bytes){0};
	else if (version == base->v.now.version)
		*ret = base->now;
	else if (version == base->v.before.version)
		*ret = base->before;
	else
		*ret = new;
	return version == 0 || ret->n > 0;
}

static int find_texts(const struct register_agent *base, const struct sched_value *v, struct msg_bytes new,
	struct texts *ret, struct err *e)
{
	bool keeps = !v->removed || v->n_slots > 0;

	*ret = (struct texts){
		.now_version = keeps ? v->now.version : 0, .before_version = keeps ? v->before.version : 0};
	if (!text_of(base, ret->now_version, new, &ret->now))
		return err_set(e, -EINVAL, "version %u has no definition", ret->now_version);
	if (!text_of(base, ret->before_version, new, &ret->before))
		return err_set(e, -EINVAL, "version %u has no definition", ret->before_version);
	if (MAX(ret->now.n, ret->before.n) > AGENT_FILE_MAX)
		return err_set(e, -EINVAL, "a definition of %zu bytes, at most %d are allowed",
			MAX(ret->now.n, ret->before.n), AGENT_FILE_MAX);
	return 0;
}

static void put_value(
	struct agent_out *w, const struct register_agent *base, const struct sched_value *v, const struct texts *texts)
{
	struct register_out *out = &w->out;
	const struct register_more *more = register_put_row(out, key_of(REGISTER_VALUE, 0), REGISTER_AGENT_FIELDS);

	register_put_uint(out, REGISTER_AGENT);
	put_leases(w, v);
	register_put_uint(out, base->min_version);
	register_put_uint(out, base->bytes.n ? register_hash(base->bytes) : 0);
	put_nodes(w);
	put_slots(w, v);
	register_put_uint(out, v->number);
	put_definition(w, texts->now_version, texts->now);
	put_definition(w, texts->before_version, texts->before);
	register_put_uint(out, v->next_version);
	register_put_uint(out, v->next_epoch);
	register_put_uint(out, (uint64_t)v->desired);
	register_put_bool(out, v->stopped);
	register_put_bool(out, v->removed);
	put_rollout(w, &v->rollout);
	put_cooldowns(w, v->cooldowns);
	put_held(w, v);
	register_put_array(out, v->n_decisions);
	for (size_t i = 0; i < v->n_decisions; i++)
		put_decision(w, &v->decisions[i]);
	register_put_ops(out, v->ops, v->n_ops);
	register_put_uint(out, v->fresh);
	register_put_more(out, more);
}

static int check(const struct register_agent *base, const struct sched_value *v, struct err *e)
{
	const char *fault = sched_fault(v);

	if (base->min_version > REGISTER_VERSION)
		return err_set(e, -ENOTSUP, "the value asks for version %u of its form, and %d is the newest here",
			base->min_version, REGISTER_VERSION);
	return fault ? err_set(e, -EINVAL, "%s", fault) : 0;
}

int register_agent_write(const struct register_agent *base, const struct sched_value *v, struct msg_bytes text,
	uint8_t *out, size_t cap, size_t *ret_n, struct err *e)
{
	struct agent_out w = {0};
	struct texts texts = {0};
	int rc = check(base, v, e);

	if (rc == 0)
		rc = find_texts(base, v, text, &texts, e);
	if (rc < 0)
		return rc;
	if (nodes_of_value(&base->mem, &w.nodes, v) < 0)
		return err_set(e, -ENOMEM, "no memory for a register's value");
	register_out_init(&w.out, out, MIN(cap, (size_t)MSG_VALUE_MAX), &base->mores);
	put_value(&w, base, v, &texts);
	nodes_done(&base->mem, &w.nodes);
	if (w.out.full)
		return err_set(e, -EMSGSIZE, "it does not fit into %zu bytes with its %zu slots and definitions",
			w.out.cap, v->n_slots);
	*ret_n = w.out.n;
	return 0;
}
