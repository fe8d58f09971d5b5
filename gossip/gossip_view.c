/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shown of the members and their maps.
 */
#include <inttypes.h>
#include <stdio.h>

#include "gossip/gossip_impl.h"

uint64_t gossip_id(const struct gossip *g)
{
	return g->id;
}

uint64_t gossip_id_of(const uint8_t uuid[GOSSIP_UUID_LEN])
{
	uint64_t id = 0;

	for (int i = 0; i < 8; i++)
		id = id << 8 | uuid[i];
	return id;
}

size_t gossip_alive(const struct gossip *g)
{
	return g->n_alive;
}

size_t gossip_members(const struct gossip *g)
{
	return g->n_members - g->n_state[GOSSIP_FORGOTTEN];
}

bool gossip_is_isolated(const struct gossip *g)
{
	return g->isolated;
}

uint64_t gossip_view_hash(const struct gossip *g)
{
	return g->view_hash;
}

uint64_t gossip_changes(const struct gossip *g)
{
	return g->seq;
}

static void show(const struct gossip *g, const struct member *m, struct gossip_member *ret)
{
	*ret = (struct gossip_member){.id = m->id,
		.state = m->state,
		.incarnation = m->inc,
		.version = m->version,
		.link = m->link == FROM_NONE ? GOSSIP_NO_LINK : m->link,
		.self = m->id == g->id,
		.host_up = m->flags & GOSSIP_FLAG_HOST_UP || (m->accused && m->accused->up),
		.n_accusers = m->accused ? m->accused->n : 0,
		.changed = m->seq,
		.has_record = m->record != NULL};
	if (m->record)
		admit_record_view(m, &ret->record);
}

bool gossip_member_get(const struct gossip *g, uint64_t id, struct gossip_member *ret)
{
	const struct member *m = members_find(g, id);

	if (m)
		show(g, m, ret);
	return m != NULL;
}

static bool next(const struct gossip *g, bool forgotten, uint32_t *at, struct gossip_member *ret)
{
	for (; *at < g->n_chunks * CHUNK_MEMBERS; ++*at) {
		const struct member *m = members_at(g, *at);

		if (!m->used || (m->state == GOSSIP_FORGOTTEN) != forgotten || (forgotten && !m->record))
			continue;
		show(g, m, ret);
		++*at;
		return true;
	}
	return false;
}

bool gossip_member_next(const struct gossip *g, uint32_t *at, struct gossip_member *ret)
{
	return next(g, false, at, ret);
}

bool gossip_forgotten_next(const struct gossip *g, uint32_t *at, struct gossip_member *ret)
{
	return next(g, true, at, ret);
}

size_t gossip_forgotten(const struct gossip *g)
{
	return g->n_state[GOSSIP_FORGOTTEN];
}

bool gossip_change_next(struct gossip *g, uint64_t *cursor, struct gossip_member *ret)
{
	uint32_t i;

	if (g->hint != MEMBER_NONE && members_at(g, g->hint)->seq == *cursor)
		i = members_at(g, g->hint)->next;
	else
		i = *cursor == 0 ? g->oldest : spread_after(g, *cursor);
	if (i == MEMBER_NONE)
		return false;
	g->hint = i;
	*cursor = members_at(g, i)->seq;
	show(g, members_at(g, i), ret);
	return true;
}

bool gossip_value_get(const struct gossip *g, uint64_t id, struct gossip_str key, struct gossip_str *ret)
{
	const struct member *m = members_find(g, id);
	const struct slot *s = m ? values_find(m, key) : NULL;

	if (!s || s->e->removed)
		return false;
	*ret = (struct gossip_str){s->e->text + s->e->key_n, s->e->value_n};
	return true;
}

bool gossip_value_next(const struct gossip *g, uint64_t id, uint32_t *at, struct gossip_entry *ret)
{
	const struct member *m = members_find(g, id);

	if (!m || !m->values || *at >= m->values->n)
		return false;
	values_view(&m->values->v[(*at)++], ret);
	return true;
}

size_t gossip_observers(const struct gossip *g, uint64_t id, uint64_t ret[GOSSIP_RINGS])
{
	const struct member *m = members_find(g, id);
	uint32_t obs[GOSSIP_RINGS];
	size_t n = m ? rings_observers(g, m, obs) : 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t o = members_at(g, obs[i])->id;
		size_t at = i;

		for (; at > 0 && ret[at - 1] > o; at--)
			ret[at] = ret[at - 1];
		ret[at] = o;
	}
	return n;
}

void gossip_figures(const struct gossip *g, struct gossip_figures *ret)
{
	*ret = g->figures;
	ret->health = g->health;
	ret->values_bytes = g->values_bytes;
	LINKS_FOREACH(g, l)
	{
		ret->links++;
		ret->links_eager += l->eager;
	}
}

char *gossip_dump(const struct gossip *g, char *out, size_t n)
{
	const struct member *self = members_at(g, g->self);
	struct gossip_figures f;

	gossip_figures(g, &f);
	(void)snprintf(out, n,
		"%u alive, %u suspect, %u dead, %u left, %u links (%u eager), boot %" PRIu64 ".%u, health %u%s%s",
		g->n_state[GOSSIP_ALIVE], g->n_state[GOSSIP_SUSPECT], g->n_state[GOSSIP_DEAD], g->n_state[GOSSIP_LEFT],
		f.links, f.links_eager, state_boot(self->inc), (uint32_t)self->inc, g->health,
		g->isolated ? ", isolated" : "", g->waiting ? ", waiting" : "");
	return out;
}
