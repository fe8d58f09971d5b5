/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may be a member, and under which name. A record that comes with a link or with a map makes a member of a
 * stranger, begins a new boot of one that is known, or renews what it says of itself. Refused are a record that is not
 * its id's, a second UUID of the same id, and a name of which somebody else is alive. One who is dead or left gives up
 * the name, and is forgotten.
 */
#include "base/utf8.h"
#include "gossip/gossip_impl.h"

bool admit_record_good(const struct gossip_record *r)
{
	return gossip_id_of(r->uuid) != 0 && r->name.n > 0 && r->name.n <= GOSSIP_NAME_MAX &&
	       r->address.n <= GOSSIP_ADDRESS_MAX && r->build.n <= GOSSIP_BUILD_MAX && r->version > 0 &&
	       r->wire_min <= r->wire_max && r->watch_rings >= 1 && r->watch_rings <= GOSSIP_WATCH_RINGS_MAX &&
	       r->beat_ms >= GOSSIP_BEAT_MIN_MS && r->beat_ms <= GOSSIP_BEAT_MAX_MS;
}

static size_t record_size(size_t name_n, size_t address_n, size_t build_n)
{
	return sizeof(struct record) + name_n + address_n + build_n + 3;
}

static char *put(char *at, struct gossip_str s)
{
	if (s.n)
		memcpy(at, s.v, s.n);
	at[s.n] = '\0';
	return at + s.n + 1;
}

struct record *admit_record_new(struct gossip *g, const struct gossip_record *r)
{
	struct record *ret = gossip_alloc(g, record_size(r->name.n, r->address.n, r->build.n));

	if (!ret)
		return NULL;
	memcpy(ret->uuid_rest, r->uuid + 8, sizeof(ret->uuid_rest));
	ret->version = r->version;
	ret->features = r->features;
	ret->wire_min = r->wire_min;
	ret->wire_max = r->wire_max;
	ret->beat_ms = r->beat_ms;
	ret->watch_rings = r->watch_rings;
	ret->name_n = (uint8_t)r->name.n;
	ret->address_n = r->address.n;
	ret->build_n = (uint8_t)r->build.n;
	(void)put(put(put(ret->text, r->name), r->address), r->build);
	return ret;
}

void admit_record_free(struct gossip *g, struct member *m)
{
	struct record *r = m->record;

	if (!r)
		return;
	members_named(g, m, false);
	gossip_release(g, r, record_size(r->name_n, r->address_n, r->build_n));
	m->record = NULL;
}

void admit_record_view(const struct member *m, struct gossip_record *ret)
{
	const struct record *r = m->record;

	*ret = (struct gossip_record){.version = MAX(r->version, 1),
		.features = r->features,
		.wire_min = r->wire_min,
		.wire_max = r->wire_max,
		.watch_rings = r->watch_rings,
		.beat_ms = r->beat_ms};
	for (int i = 0; i < 8; i++)
		ret->uuid[i] = (uint8_t)(m->id >> (56 - 8 * i));
	memcpy(ret->uuid + 8, r->uuid_rest, sizeof(r->uuid_rest));
	ret->name = (struct gossip_str){r->text, r->name_n};
	ret->address = (struct gossip_str){r->text + r->name_n + 1, r->address_n};
	ret->build = (struct gossip_str){r->text + r->name_n + r->address_n + 2, r->build_n};
}

static uint32_t name_hash(struct gossip_str name)
{
	uint64_t h = name.n;

	for (uint16_t i = 0; i < name.n; i++)
		h = h * 0x100000001b3 ^ (uint8_t)name.v[i];
	return (uint32_t)gossip_mix(h);
}

/* Who else has that name; NULL: nobody. */
static struct member *namesake(const struct gossip *g, uint64_t id, uint32_t hash, struct gossip_str name)
{
	uint32_t at = 0;

	for (struct member *m; (m = members_by_name(g, hash, &at));)
		if (m->id != id && !(m->flags & GOSSIP_FLAG_FORGOTTEN) && m->record->name_n == name.n &&
			memcmp(m->record->text, name.v, name.n) == 0)
			return m;
	return NULL;
}

/* Two that are alive met the cluster at two places at the same time: the one of more boots was here first. */
static bool goes_before(const struct member *was, uint64_t id, uint64_t inc)
{
	uint64_t a = state_boot(was->inc), b = state_boot(inc);

	return a != b ? a > b : was->id < id;
}

static bool name_free(struct gossip *g, uint64_t id, uint64_t inc, const struct gossip_record *r, bool by_link)
{
	struct member *was = namesake(g, id, name_hash(r->name), r->name);

	if (!was)
		return true;
	if (members_in_ring(was) && (by_link || was->id == g->id || goes_before(was, id, inc))) {
		gossip_event_paced(g, &g->clash_told_ms, GOSSIP_EVENT_NAME_TAKEN, id, was->id, 0);
		return false;
	}
	gossip_event(g, GOSSIP_EVENT_REPLACED, was->id)->by[0] = id;
	state_forget(g, was, FROM_NONE);
	return true;
}

/* Another boot: its map begins anew, and so does its record, whose text stays to be shown meanwhile. */
void admit_reboot(struct gossip *g, struct member *m, uint64_t inc)
{
	uint32_t index = members_self(g, m);

	values_drop(g, m);
	LINKS_FOREACH(g, l)
	if (l->part_member == index)
		l->part_member = MEMBER_NONE;
	m->inc = inc;
	m->version = 0;
	if (m->record)
		m->record->version = 0;
}

bool admit_record(struct gossip *g, struct member *m, const struct gossip_record *r, uint8_t from)
{
	uint64_t was = members_hash(m);
	struct record *record = admit_record_new(g, r);

	if (!record) {
		gossip_no_memory(g, m->id);
		return false;
	}
	admit_record_free(g, m);
	m->record = record;
	if (r->version == 1 && m->version == 0)
		m->version = 1; /* it is all that there is up to 1 */
	m->name_hash = name_hash((struct gossip_str){record->text, record->name_n}); /* r may borrow from what went */
	members_named(g, m, true);
	members_changed(g, m, was, CHANGE_MAP, from);
	record->seq = m->seq;
	g->judge |= m->accused != NULL;
	return true;
}

static struct member *stranger(struct gossip *g, uint64_t id, uint64_t inc, const struct gossip_record *r, uint8_t from)
{
	struct member *m = members_add(g, id, inc);

	if (!m)
		return NULL;
	if (!admit_record(g, m, r, from)) {
		members_drop(g, m);
		return NULL;
	}
	state_settle(g, m);
	return m;
}

static bool uuid_is(const struct member *m, const struct gossip_record *r)
{
	return !m->record || memcmp(m->record->uuid_rest, r->uuid + 8, sizeof(m->record->uuid_rest)) == 0;
}

struct member *admit_member(
	struct gossip *g, uint64_t inc, const struct gossip_record *r, uint8_t from, struct admit *a)
{
	uint64_t id = gossip_id_of(r->uuid);
	struct member *m = members_find(g, id);
	bool newer = m && state_boot(inc) > state_boot(m->inc);

	a->news = false;
	if (m && !uuid_is(m, r)) {
		gossip_event_paced(g, &g->clash_told_ms, GOSSIP_EVENT_UUID_CLASH, id, 0, 0);
		a->why = GOSSIP_CLOSE_CLASH;
		return NULL;
	}
	if (m && (m->flags & GOSSIP_FLAG_FORGOTTEN || state_boot(inc) < state_boot(m->inc)))
		return m;
	if (m && !newer && m->record && r->version <= m->record->version)
		return m;
	a->why = GOSSIP_CLOSE_NAME;
	if (!name_free(g, id, inc, r, a->by_link))
		return NULL;
	a->why = GOSSIP_CLOSE_MEMORY;
	a->news = true;
	if (!m)
		return stranger(g, id, inc, r, from);
	if (newer)
		(void)state_merge(g, m, &(struct gossip_msg_state){.id = id, .incarnation = inc}, from);
	return admit_record(g, m, r, from) ? m : NULL;
}
