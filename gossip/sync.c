/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repair, between two. Whoever sees that the other's view has another hash asks for digests of the buckets that are
 * not the same; these come in parts, each answered by what is wanted of it, which is sent before the next part
 * (Scuttlebutt, with the reader in charge). A node asks one link at a time, so that a newcomer is told everything once
 * and not by each neighbour. What repair brings nothing by is done more rarely.
 */
#include "gossip/gossip_impl.h"

#define SYNC_PAUSE_MIN_MS 100
#define SYNC_PAUSE_MAX_MS 16000
#define SYNC_STUCK_MS	  5000

void sync_ask(struct gossip *g, struct link *l, uint64_t id)
{
	if (!l->ask)
		l->ask = gossip_alloc(g, ASK_MAX * sizeof(*l->ask));
	if (!l->ask || l->n_ask == ASK_MAX)
		return; /* the view's hash tells that it is missing */
	for (uint32_t i = 0; i < l->n_ask; i++)
		if (l->ask[i] == id)
			return;
	l->ask[l->n_ask++] = id;
	links_ready(l);
}

void sync_serve(struct gossip *g, struct link *l, const struct gossip_want *w, bool state_only)
{
	if (!l->serve)
		l->serve = gossip_alloc(g, SERVE_MAX * sizeof(*l->serve));
	if (!l->serve)
		return; /* as above */
	for (uint32_t i = 0; i < l->n_serve; i++)
		if (l->serve[i].id == w->id) {
			l->serve[i].told = false;
			if (!state_only)
				l->serve[i] = (struct serve){.id = w->id, .boot = w->boot, .version = w->version};
			return;
		}
	if (l->n_serve == SERVE_MAX)
		return;
	l->serve[l->n_serve++] =
		(struct serve){.id = w->id, .boot = w->boot, .version = w->version, .state = state_only};
	links_ready(l);
}

void sync_wants(struct gossip *g, struct link *l, const struct gossip_msg_wants *m)
{
	for (uint16_t i = 0; i < m->n; i++)
		sync_serve(g, l, &m->v[i], false);
	if (m->serial == 0) {
		g->figures.grafts++;
		spread_graft(g, l);
	} else if (m->serial == l->walk_serial) {
		l->walk_waits = false;
	}
	links_ready(l);
}

void sync_asked(struct gossip *g, struct link *l, const struct gossip_msg_sync *m)
{
	l->walk_mask = m->n == 0 ? UINT32_MAX : 0;
	for (int i = 0; i < m->n; i++)
		l->walk_mask |= (uint32_t)(m->v[i] != g->buckets[i]) << i;
	l->walking = true;
	l->walk_waits = false;
	l->walk_at = 0;
	if (++l->walk_serial == 0)
		l->walk_serial++;
	links_ready(l);
}

/* The other's view, by its greeting or its beat. In a beat the difference may still be under way. */
void sync_view(struct gossip *g, struct link *l, uint64_t hash, bool beat)
{
	l->peer_hash = hash;
	if (hash == g->view_hash) {
		l->met = true;
		l->differ_beats = 0;
		l->sync_wanted = false;
		return;
	}
	if (l->differ_beats < UINT8_MAX)
		l->differ_beats++;
	if (!beat || l->differ_beats >= 4 ||
		(l->differ_beats >= 2 && g->now.mono_ms - g->changed_ms > 2 * g->profile->lazy_ms))
		l->sync_wanted = true;
}

void sync_end(struct gossip *g, struct link *l)
{
	if (!l->syncing)
		return;
	l->syncing = l->sync_due = l->answer_due = false;
	l->met = true;
	g->syncing = GOSSIP_NO_LINK;
	g->sync_pause_ms = l->sync_news ? 0 : MIN(MAX(g->sync_pause_ms * 2, SYNC_PAUSE_MIN_MS), SYNC_PAUSE_MAX_MS);
	g->sync_at = g->now.mono_ms + gossip_jitter(g, g->sync_pause_ms);
	LINKS_FOREACH(g, other)
	if (!l->sync_news)
		other->sync_wanted = false; /* what they said is older than this; beats will tell */
}

static void sync_begin(struct gossip *g, struct link *l)
{
	l->sync_wanted = false;
	if (l->peer_hash == g->view_hash)
		return;
	g->figures.syncs++;
	g->syncing = l->number;
	g->sync_moved_ms = g->now.mono_ms;
	l->syncing = l->sync_due = true;
	l->sync_news = false;
	links_ready(l);
}

void sync_run(struct gossip *g)
{
	uint32_t from;

	if (g->syncing != GOSSIP_NO_LINK && g->now.mono_ms - g->sync_moved_ms >= SYNC_STUCK_MS)
		sync_end(g, g->links[g->syncing]);
	if (g->syncing != GOSSIP_NO_LINK || g->now.mono_ms < g->sync_at || g->n_links == 0)
		return;
	from = (uint32_t)rng_below(&g->rng, GOSSIP_LINKS_MAX);
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX && g->syncing == GOSSIP_NO_LINK; i++) {
		struct link *l = g->links[(from + i) % GOSSIP_LINKS_MAX];

		if (l && links_usable(l) && l->sync_wanted)
			sync_begin(g, l);
	}
}

int64_t sync_deadline(const struct gossip *g)
{
	if (g->syncing != GOSSIP_NO_LINK)
		return g->sync_moved_ms + SYNC_STUCK_MS;
	LINKS_FOREACH(g, l)
	if (links_usable(l) && l->sync_wanted)
		return g->sync_at;
	return DEADLINE_NEVER;
}

bool sync_pull_sync(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	if (!l->sync_due)
		return false;
	l->sync_due = false;
	ret->type = GOSSIP_MSG_SYNC;
	ret->sync.n = GOSSIP_BUCKETS;
	memcpy(ret->sync.v, g->buckets, sizeof(ret->sync.v));
	return true;
}

bool sync_pull_wants(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	uint32_t n = 0;
	struct pack p;

	if (l->n_ask == 0 && !l->answer_due)
		return false;
	pack_begin(&p, ret, GOSSIP_MSG_WANTS);
	while (n < l->n_ask && pack_want(&p, l->ask[n], members_find(g, l->ask[n])))
		n++;
	l->n_ask -= n;
	if (l->n_ask > 0) {
		memmove(l->ask, l->ask + n, l->n_ask * sizeof(*l->ask));
	} else if (l->ask) {
		gossip_release(g, l->ask, ASK_MAX * sizeof(*l->ask));
		l->ask = NULL;
	}
	if (l->answer_due && l->n_ask == 0) {
		ret->wants.serial = l->ask_serial;
		l->answer_due = false;
	} else if (!l->answer_due) {
		l->eager = true;
	}
	return true;
}

/* The map of one that was asked for, as far as there is place. False: the message is full. */
static bool serve_map(struct gossip *g, struct pack *p, struct serve *s)
{
	const struct member *m = members_find(g, s->id);
	bool same = m && state_boot(m->inc) == s->boot, record;
	uint32_t from = same ? s->version : 0, to;
	int rc;

	if (s->state)
		return true;
	s->state = true;
	if (!m || !m->record || m->record->version == 0 || m->flags & (GOSSIP_FLAG_LEFT | GOSSIP_FLAG_FORGOTTEN))
		return true;
	record = from == 0 || m->record->version > from;
	if (same && !record && from >= m->version)
		return true;
	rc = pack_map(p, m, MIN(from, m->version), record, &to);
	s->told = rc == PACK_ALL;
	s->state = rc == PACK_ALL;
	if (rc == PACK_PART) {
		s->boot = (uint32_t)state_boot(m->inc);
		s->version = to;
	}
	return rc == PACK_ALL;
}

static bool serve_states(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	uint32_t n = 0;
	struct pack p;

	pack_begin(&p, ret, GOSSIP_MSG_STATES);
	for (; n < l->n_serve; n++) {
		const struct member *m = members_find(g, l->serve[n].id);

		if (m && !(l->serve[n].told && m->flags == 0 && !m->accused) && !pack_state(&p, m))
			break;
	}
	l->n_serve -= n;
	if (l->n_serve > 0) {
		memmove(l->serve, l->serve + n, l->n_serve * sizeof(*l->serve));
	} else {
		gossip_release(g, l->serve, SERVE_MAX * sizeof(*l->serve));
		l->serve = NULL;
	}
	return ret->states.n > 0;
}

/* First the maps, so that nobody is told of strangers; then the states. */
bool sync_pull_serve(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	struct pack p;

	if (l->n_serve == 0)
		return false;
	pack_begin(&p, ret, GOSSIP_MSG_DELTAS);
	ret->deltas.asked = true;
	for (uint32_t i = 0; i < l->n_serve; i++)
		if (!serve_map(g, &p, &l->serve[i]))
			break;
	return ret->deltas.n_parts > 0 || serve_states(g, l, ret);
}

/* Those that left are not among them: news of that goes with the states, and as an answer to who says otherwise. */
bool sync_pull_walk(struct gossip *g, struct link *l, struct gossip_msg *ret)
{
	struct pack p;

	if (!l->walking || l->walk_waits || l->n_serve > 0)
		return false;
	pack_begin(&p, ret, GOSSIP_MSG_DIGESTS);
	for (; l->walk_at < g->n_chunks * CHUNK_MEMBERS; l->walk_at++) {
		const struct member *m = members_at(g, l->walk_at);

		if (!m->used || members_hash(m) == 0 || !(l->walk_mask >> (m->id >> 59) & 1))
			continue;
		if (!pack_digest(&p, m))
			break;
	}
	ret->digests.serial = l->walk_serial;
	ret->digests.last = ret->digests.n == 0;
	l->walking = !ret->digests.last;
	l->walk_waits = l->walking;
	return true;
}
