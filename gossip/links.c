/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The links that there are: which of two of a pair stays, which are wanted, which are told what they must know and then
 * closed. Wanted are the neighbours on all rings (everybody, while all are few) and the voters; a link that neither
 * end wants is closed after a while.
 */
#include "gossip/gossip_impl.h"

#define PASSING_MS  500		     /* to tell one all that it must know */
#define MANY_LINKS  (LINKS_SOFT / 2) /* beyond, those without use go soon: a seed that all dial */
#define MANY_MS	    1000
#define SHORT_MS    10000 /* a link that did not live longer is not dialled again at once */
#define WATCHED_MS  1000  /* nor a second one in a row to a member that we watch: it may turn us away each time */
#define CROSSED_MS  5000  /* two ends that dial each other do it within that time */
#define TARGETS_MAX (2 * GOSSIP_RINGS + GOSSIP_VOTERS_MAX + GOSSIP_VISITS_MAX)

struct link *links_of(const struct gossip *g, const struct member *m)
{
	return m->link == FROM_NONE ? NULL : g->links[m->link];
}

bool links_usable(const struct link *l)
{
	return !l->closing;
}

void links_ready(struct link *l)
{
	l->ready = true;
}

void links_urgent(struct link *l, enum gossip_msg_type type, const struct gossip_msg_probe *p)
{
	if (l->urgent_n == URGENT_MAX) {
		l->urgent_at = (l->urgent_at + 1) % URGENT_MAX;
		l->urgent_n--;
	}
	l->urgent[(l->urgent_at + l->urgent_n++) % URGENT_MAX] = (struct urgent){.type = type, .probe = *p};
	links_ready(l);
}

static void detach(struct gossip *g, struct link *l)
{
	struct member *m = members_at(g, l->member);

	sync_end(g, l);
	if (m->link != l->number)
		return;
	m->link = FROM_NONE;
	g->rewire = true;
}

void links_close(struct gossip *g, struct link *l, enum gossip_close why)
{
	if (l->closing)
		return;
	l->closing = true;
	l->why = why;
	detach(g, l);
}

void links_free(struct gossip *g, struct link *l)
{
	detach(g, l);
	for (uint32_t i = 0; i < RELAYS_MAX; i++)
		if (g->relays[i].link == l->number)
			g->relays[i].until_ms = 0;
	if (l->ask)
		gossip_release(g, l->ask, ASK_MAX * sizeof(*l->ask));
	if (l->serve)
		gossip_release(g, l->serve, SERVE_MAX * sizeof(*l->serve));
	g->links[l->number] = NULL;
	g->n_links--;
	gossip_release(g, l, sizeof(*l));
}

/* No link is made of it; the outputs are empty when a step begins. */
static void turn_away(struct gossip *g, const struct gossip_in *in, enum gossip_close why)
{
	struct gossip_out *out = gossip_emit(g, GOSSIP_OUT_CLOSE);

	assert(out);
	out->link = in->link;
	out->why = why;
}

static void pass(struct gossip *g, struct link *l, enum gossip_close why)
{
	l->passing = true;
	l->why = why;
	l->passing_until_ms = g->now.mono_ms + PASSING_MS;
}

/*
 * Two links of one pair. Both ends must keep the same one without asking: that which the smaller id dialled, when both
 * dialled at about the same time; else the newer, since nobody dials whom he hears.
 */
static bool keeps_old(const struct gossip *g, const struct link *old, const struct member *m, bool dialled)
{
	bool old_by_smaller = old->dialled == (g->id < m->id);

	if (old->dialled == dialled || g->now.mono_ms - old->up_ms > CROSSED_MS)
		return false;
	return old_by_smaller;
}

static struct link *link_new(struct gossip *g, const struct gossip_in *in, struct member *m)
{
	struct link *l = gossip_alloc(g, sizeof(*l));

	if (!l)
		return NULL;
	l->number = (uint8_t)in->link;
	l->dialled = in->dial != 0;
	l->eager = l->peer_wants = l->greet_due = true;
	l->member = members_index(g, m->id);
	l->up_ms = l->heard_ms = g->now.mono_ms;
	l->state_cursor = l->map_cursor = g->seq; /* what was before is told by digests */
	l->part_member = MEMBER_NONE;
	g->links[in->link] = l;
	g->n_links++;
	links_ready(l);
	return l;
}

static bool is_full(const struct gossip *g, const struct member *m)
{
	if (g->n_links <= LINKS_SOFT)
		return false;
	for (int r = 0; r < GOSSIP_RINGS; r++)
		if (g->pred[r] == members_self(g, m) || g->succ[r] == members_self(g, m))
			return false;
	return true;
}

static void link_begins(struct gossip *g, struct member *m, const struct gossip_in *in)
{
	bool fell_back = in->boot < state_boot(m->inc);
	struct link *l = link_new(g, in, m);

	if (!l) {
		gossip_no_memory(g, m->id);
		turn_away(g, in, GOSSIP_CLOSE_MEMORY);
		return;
	}
	if (fell_back) {
		gossip_event_paced(g, &g->clash_told_ms, GOSSIP_EVENT_CLONED, m->id, 0, in->boot);
		pass(g, l, GOSSIP_CLOSE_CLASH);
	} else {
		m->link = l->number;
		watch_heard(g, l->member);
	}
	if (m->flags & GOSSIP_FLAG_FORGOTTEN)
		pass(g, l, GOSSIP_CLOSE_FORGOTTEN);
	else if (is_full(g, m))
		pass(g, l, GOSSIP_CLOSE_FULL);
	if (m->flags != 0 || m->accused || fell_back)
		sync_serve(g, l, &(struct gossip_want){.id = m->id}, true);
	g->rewire = true;
}

/* Why a peer that just came may not stay, before anything is known of it. */
static bool is_stranger(struct gossip *g, const struct gossip_in *in)
{
	const struct gossip_record *r = in->record;
	uint64_t id = r ? gossip_id_of(r->uuid) : 0;

	if (!r || !admit_record_good(r) || in->boot == 0) {
		gossip_refuse(g, id, id, GOSSIP_REFUSE_RECORD);
		turn_away(g, in, GOSSIP_CLOSE_CLASH);
	} else if (id == g->id) {
		gossip_event_paced(g, &g->clash_told_ms,
			memcmp(members_at(g, g->self)->record->uuid_rest, r->uuid + 8, 8) == 0
				? GOSSIP_EVENT_CLONED
				: GOSSIP_EVENT_UUID_CLASH,
			id, 0, in->boot);
		turn_away(g, in, GOSSIP_CLOSE_CLASH);
	} else if (!gossip_active(g)) {
		turn_away(g, in, GOSSIP_CLOSE_LEFT);
	} else {
		return false;
	}
	return true;
}

void links_up(struct gossip *g, const struct gossip_in *in)
{
	struct admit a = {.by_link = true};
	struct member *m;
	struct link *old;

	if (in->link >= GOSSIP_LINKS_MAX || g->links[in->link]) {
		g->figures.refused++; /* the edge's mistake */
		return;
	}
	dial_answered(g, in->dial, in->record ? gossip_id_of(in->record->uuid) : 0);
	if (is_stranger(g, in))
		return;
	g->waiting = false;
	m = admit_member(g, (uint64_t)in->boot << 32, in->record, (uint8_t)in->link, &a);
	if (!m) {
		turn_away(g, in, a.why);
		return;
	}
	if (g->n_links == 0)
		dial_first(g);
	old = links_of(g, m);
	if (old && in->boot >= state_boot(m->inc)) {
		if (!a.news && keeps_old(g, old, m, in->dial != 0)) {
			turn_away(g, in, GOSSIP_CLOSE_DOUBLE);
			return;
		}
		links_close(g, old, GOSSIP_CLOSE_DOUBLE);
	}
	link_begins(g, m, in);
}

void links_down(struct gossip *g, const struct gossip_in *in)
{
	struct link *l = in->link < GOSSIP_LINKS_MAX ? g->links[in->link] : NULL;
	struct member *m;
	bool was_its, now;

	if (!l)
		return;
	m = members_at(g, l->member);
	was_its = m->link == l->number;
	now = g->now.mono_ms - l->up_ms >= SHORT_MS || watch_lost(g, l->member, g->now.mono_ms - l->up_ms < WATCHED_MS);
	links_free(g, l);
	if (was_its && members_in_ring(m))
		dial_want(g, m, now ? 0 : gossip_jitter(g, SHORT_MS));
}

static size_t add_ring(const struct gossip *g, uint32_t *targets)
{
	size_t n = 0;

	if (g->n_alive <= GOSSIP_RINGS) {
		MEMBERS_FOREACH(g, m)
		if (members_in_ring(m) && m_i != g->self)
			targets[n++] = m_i;
		return n;
	}
	memcpy(targets, g->pred, sizeof(g->pred));
	memcpy(targets + GOSSIP_RINGS, g->succ, sizeof(g->succ));
	return 2 * GOSSIP_RINGS;
}

/* Those of ids that are here, behind the first n. */
static size_t add_ids(const struct gossip *g, const uint64_t *ids, uint32_t n_ids, uint32_t *targets, size_t n)
{
	for (uint32_t i = 0; i < n_ids; i++) {
		uint32_t index = members_index(g, ids[i]);

		if (index != MEMBER_NONE && index != g->self && members_in_ring(members_at(g, index)))
			targets[n++] = index;
	}
	return n;
}

static size_t targets_of(const struct gossip *g, uint32_t ret[TARGETS_MAX])
{
	uint32_t all[TARGETS_MAX];
	size_t n = add_ring(g, all);

	n = add_ids(g, g->voters, g->n_voters, all, n);
	n = add_ids(g, g->visits, g->n_visits, all, n);
	return rings_distinct(all, n, ret);
}

void links_rewire(struct gossip *g)
{
	uint32_t targets[TARGETS_MAX];
	size_t n = gossip_active(g) ? targets_of(g, targets) : 0;

	g->rewire = false;
	LINKS_FOREACH(g, l)
	l->wanted = false;
	dial_wanted_begin(g);
	for (size_t i = 0; i < n; i++) {
		const struct member *m = members_at(g, targets[i]);
		struct link *l = links_of(g, m);

		if (l) {
			l->wanted = true;
			if (!l->eager && spread_stays(g, l))
				spread_graft(g, l);
		} else {
			dial_want(g, m, -1);
		}
	}
	dial_wanted_end(g);
	watch_rewire(g);
}

static void tend(struct gossip *g, struct link *l)
{
	int64_t now = g->now.mono_ms, linger = g->n_links > MANY_LINKS ? MANY_MS : g->profile->linger_ms;

	if (l->greeted && l->wanted != l->want_told) {
		l->greet_due = true;
		links_ready(l);
	}
	if (l->wanted || l->peer_wants)
		l->unused_ms = 0;
	else if (l->unused_ms == 0)
		l->unused_ms = now;
	if (l->passing && now >= l->passing_until_ms)
		links_close(g, l, l->why);
	else if (l->unused_ms != 0 && now - l->unused_ms >= linger)
		links_close(g, l, GOSSIP_CLOSE_UNWANTED);
	else if (!members_in_ring(members_at(g, l->member)) && now - l->heard_ms >= g->profile->silent_ms)
		links_close(g, l, GOSSIP_CLOSE_SILENT);
}

void links_tend(struct gossip *g)
{
	LINKS_FOREACH(g, l)
	if (links_usable(l))
		tend(g, l);
}

void links_out(struct gossip *g)
{
	LINKS_FOREACH(g, l)
	{
		struct gossip_out *out;

		if (l->closing ? l->close_told : !l->ready || l->ready_told)
			continue;
		out = gossip_emit(g, l->closing ? GOSSIP_OUT_CLOSE : GOSSIP_OUT_READY);
		if (!out)
			return;
		out->link = l->number;
		out->why = l->why;
		l->close_told = l->closing;
		l->ready_told = true;
	}
}
