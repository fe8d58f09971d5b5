/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills a message up to what a frame takes. The sizes are upper bounds of the encoding (msg.h); the codec's tests hold
 * them against the bytes.
 */
#include "gossip/gossip_impl.h"

enum {
	SIZE_MSG = 24,	 /* the message around it all */
	SIZE_STATE = 32, /* beside its accusers */
	SIZE_ACCUSER = 12,
	SIZE_DIGEST = 30,
	SIZE_WANT = 20,
	SIZE_PART = 56,	  /* beside its record and entries */
	SIZE_RECORD = 64, /* beside its strings */
	SIZE_ENTRY = 16,  /* beside key and value */
};

void pack_begin(struct pack *p, struct gossip_msg *m, enum gossip_msg_type type)
{
	m->type = type;
	p->m = m;
	p->used = SIZE_MSG;
	switch (type) {
	case GOSSIP_MSG_STATES:
		m->states.n = 0;
		break;
	case GOSSIP_MSG_DELTAS:
		m->deltas.asked = false;
		m->deltas.n_parts = m->deltas.n_entries = 0;
		break;
	case GOSSIP_MSG_DIGESTS:
		m->digests.n = 0;
		m->digests.serial = 0;
		m->digests.last = false;
		break;
	case GOSSIP_MSG_WANTS:
		m->wants.n = 0;
		m->wants.serial = 0;
		break;
	default:
		break;
	}
}

static bool room(struct pack *p, size_t size)
{
	if (p->used + size > GOSSIP_FRAME_MAX)
		return false;
	p->used += size;
	return true;
}

bool pack_state(struct pack *p, const struct member *m)
{
	struct gossip_msg_states *s = &p->m->states;

	if (s->n == GOSSIP_STATES_MAX || !room(p, SIZE_STATE + SIZE_ACCUSER * (m->accused ? m->accused->n : 0u)))
		return false;
	state_tell(m, &s->v[s->n++]);
	return true;
}

bool pack_digest(struct pack *p, const struct member *m)
{
	struct gossip_msg_digests *d = &p->m->digests;

	if (d->n == GOSSIP_DIGESTS_MAX || !room(p, SIZE_DIGEST))
		return false;
	d->v[d->n++] = (struct gossip_digest){
		.id = m->id, .incarnation = m->inc, .version = m->version, .sum = members_sum(m)};
	return true;
}

bool pack_want(struct pack *p, uint64_t id, const struct member *m)
{
	struct gossip_msg_wants *w = &p->m->wants;

	if (w->n == GOSSIP_WANTS_MAX || !room(p, SIZE_WANT))
		return false;
	w->v[w->n] = (struct gossip_want){.id = id};
	if (m && m->record && m->record->version > 0) {
		w->v[w->n].boot = (uint32_t)state_boot(m->inc);
		w->v[w->n].version = m->version;
	}
	w->n++;
	return true;
}

static size_t record_size(const struct record *r)
{
	return SIZE_RECORD + (size_t)r->name_n + r->address_n + r->build_n;
}

/* Entries beyond `from`, as many as there is place for; returns up to which version all are there. */
static uint32_t pack_entries(struct pack *p, const struct member *m, struct gossip_part *part)
{
	struct gossip_msg_deltas *d = &p->m->deltas;
	const struct values *vs = m->values;
	uint32_t n = vs ? vs->n : 0, at = n, to = part->from;

	while (at > 0 && vs->v[at - 1].version > part->from)
		at--;
	for (; at < n; at++) {
		const struct slot *s = &vs->v[at];

		if (d->n_entries == GOSSIP_ENTRIES_MAX || !room(p, SIZE_ENTRY + (size_t)s->e->key_n + s->e->value_n))
			return to;
		values_view(s, &d->entries[d->n_entries++]);
		part->n++;
		to = s->version;
	}
	return m->version;
}

int pack_map(struct pack *p, const struct member *m, uint32_t from, bool record, uint32_t *ret_to)
{
	struct gossip_msg_deltas *d = &p->m->deltas;
	struct gossip_part *part = &d->parts[d->n_parts];
	size_t was = p->used;

	if (d->n_parts == GOSSIP_PARTS_MAX || !room(p, SIZE_PART + (record ? record_size(m->record) : 0)))
		return PACK_NONE;
	part->id = m->id;
	part->incarnation = m->inc;
	part->from = from;
	part->floor = m->values ? m->values->floor : 0;
	part->floor_to = m->values ? m->values->floor_to : 0;
	part->has_record = record;
	if (record)
		admit_record_view(m, &part->record);
	part->first = d->n_entries;
	part->n = 0;
	part->to = pack_entries(p, m, part); /* from itself when none found place */
	*ret_to = part->to;
	if (part->to < m->version && part->n == 0 && !record) {
		p->used = was;
		return PACK_NONE;
	}
	d->n_parts++;
	return part->to >= m->version ? PACK_ALL : PACK_PART;
}
