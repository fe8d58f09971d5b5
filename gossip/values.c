/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: each member's keys, with the version of their last change. Versions rise by one a change within a boot, over
 * the record too, which counts as an entry. What is removed leaves a tombstone; when there are more of these than
 * living keys the owner gives all that lives, and the record, a new version, and says a floor: what has a version up
 * to it is gone, for everyone who has come as far as the last of the new ones. So no reader ever sees a hole.
 */
#include <errno.h>

#include "gossip/gossip_impl.h"

#define TOMBSTONES_MIN 32 /* fewer are not worth telling all again */

static uint32_t key_hash(struct gossip_str key)
{
	uint64_t h = key.n;

	for (uint16_t i = 0; i < key.n; i++)
		h = h * 0x100000001b3 ^ (uint8_t)key.v[i];
	return (uint32_t)gossip_mix(h);
}

static size_t entry_size(size_t key_n, size_t value_n)
{
	return sizeof(struct entry) + key_n + value_n;
}

static uint32_t size_of(const struct entry *e)
{
	return (uint32_t)entry_size(e->key_n, (size_t)e->value_n + e->spare_n);
}

const struct slot *values_find(const struct member *m, struct gossip_str key)
{
	uint32_t hash = key_hash(key);

	for (uint32_t i = 0; m->values && i < m->values->n; i++) {
		const struct slot *s = &m->values->v[i];

		if (s->hash == hash && s->e->key_n == key.n && memcmp(s->e->text, key.v, key.n) == 0)
			return s;
	}
	return NULL;
}

static void uncount(struct gossip *g, struct values *vs, const struct entry *e)
{
	vs->bytes -= size_of(e);
	g->values_bytes -= size_of(e);
	vs->n_removed -= e->removed;
}

static void entry_free(struct gossip *g, struct values *vs, struct entry *e)
{
	uncount(g, vs, e);
	gossip_release(g, e, size_of(e));
}

static bool slots_room(struct gossip *g, struct values *vs)
{
	uint32_t cap = vs->cap + vs->cap / 2 + 4;
	struct slot *v;

	if (vs->n < vs->cap)
		return true;
	v = gossip_alloc(g, cap * sizeof(*v));
	if (!v)
		return false;
	if (vs->v) {
		memcpy(v, vs->v, vs->n * sizeof(*v));
		gossip_release(g, vs->v, vs->cap * sizeof(*v));
	}
	vs->v = v;
	vs->cap = cap;
	return true;
}

static struct values *values_of(struct gossip *g, struct member *m)
{
	if (!m->values)
		m->values = gossip_alloc(g, sizeof(*m->values));
	return m->values;
}

static struct entry *entry_new(struct gossip *g, const struct gossip_entry *from)
{
	struct entry *e = gossip_alloc(g, entry_size(from->key.n, from->value.n));

	if (!e)
		return NULL;
	e->key_n = (uint8_t)from->key.n;
	e->value_n = from->value.n;
	e->removed = from->removed;
	memcpy(e->text, from->key.v, from->key.n);
	if (from->value.n)
		memcpy(e->text + from->key.n, from->value.v, from->value.n);
	return e;
}

/* That it is removed needs no memory: what said something says so. */
static struct entry *entry_emptied(struct gossip *g, struct values *vs, struct entry *e)
{
	uncount(g, vs, e);
	e->spare_n = (uint16_t)(e->spare_n + e->value_n);
	e->value_n = 0;
	e->removed = true;
	return e;
}

/* The seq is the one that the caller's members_changed is going to give. */
int values_put(struct gossip *g, struct member *m, const struct gossip_entry *from)
{
	uint32_t size = (uint32_t)entry_size(from->key.n, from->value.n), was_size = 0;
	const struct slot *was = values_find(m, from->key);
	uint32_t hash = key_hash(from->key); /* from may borrow from what goes */
	struct values *vs = values_of(g, m);
	struct entry *e;

	if (!vs)
		return -ENOMEM;
	if (was)
		was_size = size_of(was->e);
	if ((!was && vs->n >= GOSSIP_KEYS_MAX) || vs->bytes + size - was_size > GOSSIP_MAP_MAX)
		return -E2BIG;
	if (g->values_bytes + size - was_size > g->values_max || (!was && !slots_room(g, vs)))
		return -ENOMEM;
	e = entry_new(g, from);
	if (!e && (!was || !from->removed))
		return -ENOMEM;
	if (was) {
		uint32_t at = (uint32_t)(was - vs->v);

		if (e)
			entry_free(g, vs, was->e);
		else
			e = entry_emptied(g, vs, was->e);
		memmove(&vs->v[at], &vs->v[at + 1], (vs->n - at - 1) * sizeof(*vs->v));
		vs->n--;
	}
	e->seq = g->seq + 1;
	vs->v[vs->n++] = (struct slot){.e = e, .hash = hash, .version = from->version};
	vs->bytes += size_of(e);
	vs->n_removed += e->removed;
	g->values_bytes += size_of(e);
	return 0;
}

void values_purge(struct gossip *g, struct member *m)
{
	struct values *vs = m->values;
	uint32_t n = 0;

	if (!vs || vs->floor == 0 || m->version < vs->floor_to)
		return;
	while (n < vs->n && vs->v[n].version <= vs->floor)
		entry_free(g, vs, vs->v[n++].e);
	if (n > 0)
		memmove(vs->v, vs->v + n, (vs->n - n) * sizeof(*vs->v));
	vs->n -= n;
}

void values_drop(struct gossip *g, struct member *m)
{
	struct values *vs = m->values;

	if (!vs)
		return;
	while (vs->n > 0)
		entry_free(g, vs, vs->v[--vs->n].e);
	if (vs->v)
		gossip_release(g, vs->v, vs->cap * sizeof(*vs->v));
	gossip_release(g, vs, sizeof(*vs));
	m->values = NULL;
}

/* All that lives gets a new version, the tombstones go. */
static void compact(struct gossip *g, struct member *m)
{
	struct values *vs = m->values;
	uint32_t n = 0;

	if (!vs || vs->n_removed < TOMBSTONES_MIN || vs->n_removed * 2 < vs->n)
		return;
	vs->floor = m->version;
	m->record->version = ++m->version;
	m->record->seq = g->seq + 1;
	for (uint32_t i = 0; i < vs->n; i++) {
		if (vs->v[i].e->removed) {
			entry_free(g, vs, vs->v[i].e);
			continue;
		}
		vs->v[n] = vs->v[i];
		vs->v[n].version = ++m->version;
		vs->v[n++].e->seq = g->seq + 1;
	}
	vs->n = n;
	vs->floor_to = m->version;
}

void values_view(const struct slot *s, struct gossip_entry *ret)
{
	*ret = (struct gossip_entry){.key = {s->e->text, s->e->key_n},
		.value = {s->e->text + s->e->key_n, s->e->value_n},
		.version = s->version,
		.removed = s->e->removed};
}

static bool says_already(const struct member *m, const struct gossip_entry *e)
{
	const struct slot *s = values_find(m, e->key);

	if (!s || s->e->removed || e->removed)
		return e->removed && (!s || s->e->removed);
	return s->e->value_n == e->value.n &&
	       (e->value.n == 0 || memcmp(s->e->text + s->e->key_n, e->value.v, e->value.n) == 0);
}

void values_set(struct gossip *g, const struct gossip_in *in)
{
	struct member *m = members_at(g, g->self);
	struct gossip_entry e = {.key = in->key, .value = in->value, .removed = in->removed};
	uint64_t was = members_hash(m);
	int rc;

	if (e.removed)
		e.value.n = 0;
	if (e.key.n == 0 || e.key.n > GOSSIP_KEY_MAX || e.value.n > GOSSIP_VALUE_MAX) {
		gossip_refuse(g, m->id, m->id, GOSSIP_REFUSE_BOUND);
		return;
	}
	if (!gossip_active(g) || says_already(m, &e))
		return;
	e.version = m->version + 1;
	rc = values_put(g, m, &e);
	if (rc == -E2BIG)
		gossip_refuse(g, m->id, m->id, GOSSIP_REFUSE_BOUND);
	else if (rc < 0)
		gossip_no_memory(g, m->id);
	if (rc < 0)
		return;
	m->version++;
	compact(g, m);
	members_changed(g, m, was, CHANGE_MAP, FROM_NONE);
}

void values_record(struct gossip *g, const struct gossip_record *r)
{
	struct member *m = members_at(g, g->self);
	struct gossip_record record = *r;

	record.version = m->version + 1;
	record.watch_rings = m->record->watch_rings;
	record.beat_ms = m->record->beat_ms;
	if (!admit_record_good(&record) || gossip_id_of(r->uuid) != g->id) {
		gossip_refuse(g, m->id, m->id, GOSSIP_REFUSE_RECORD);
		return;
	}
	if (admit_record(g, m, &record, FROM_NONE)) {
		uint64_t was = members_hash(m);

		m->version++;
		members_changed(g, m, was, CHANGE_MAP, FROM_NONE);
		m->record->seq = m->seq;
	}
}
