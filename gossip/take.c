/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others say of members: states, maps and digests, held against what is known here. What is news is taken and
 * goes on; what is missing is asked for; whoever is behind is told. Nobody is believed about ourselves.
 */
#include <errno.h>

#include "gossip/gossip_impl.h"

static void serve_state(struct gossip *g, struct link *l, uint64_t id)
{
	sync_serve(g, l, &(struct gossip_want){.id = id}, true);
}

static void forgotten_ourselves(struct gossip *g)
{
	if (g->forgotten)
		return;
	g->forgotten = true;
	state_forget(g, members_at(g, g->self), FROM_NONE);
	gossip_event(g, GOSSIP_EVENT_WE_FORGOTTEN, g->id);
	LINKS_FOREACH(g, l)
	links_close(g, l, GOSSIP_CLOSE_LEFT);
}

/*
 * Of ourselves: whoever accuses us is told that we live. A boot above ours, or a version of this boot that we never
 * made, is of another process with our identity, or the boot counter fell back: people must look.
 */
void take_self(struct gossip *g, uint64_t inc, uint8_t flags, const struct gossip_msg_state *s, uint32_t version)
{
	struct member *m = members_at(g, g->self);
	uint64_t was = members_hash(m);
	struct event *e;

	if (flags & GOSSIP_FLAG_FORGOTTEN) {
		forgotten_ourselves(g);
		return;
	}
	if (state_boot(inc) > state_boot(m->inc) || (state_boot(inc) == state_boot(m->inc) && version > m->version) ||
		(uint32_t)inc == UINT32_MAX) {
		gossip_event_paced(g, &g->clash_told_ms, GOSSIP_EVENT_CLONED, g->id, 0, state_boot(inc));
		return;
	}
	if (!gossip_active(g) || inc < m->inc || (inc == m->inc && flags == 0 && !(s && s->n_accusers)))
		return;
	m->inc = inc + 1;
	members_changed(g, m, was, CHANGE_STATE, FROM_NONE);
	e = gossip_event(g, GOSSIP_EVENT_REFUTED, g->id);
	e->number = (uint32_t)m->inc;
	e->state_was = flags & GOSSIP_FLAG_DEAD ? GOSSIP_DEAD : GOSSIP_SUSPECT;
	e->n_by = s ? s->n_accusers : 0;
	for (int i = 0; s && i < MIN(s->n_accusers, GOSSIP_BY_MAX); i++)
		e->by[i] = s->accusers[i].id;
	if (flags & GOSSIP_FLAG_DEAD)
		state_take_back(g);
}

/*
 * Parts that were cut off from each other call each other dead, and say so when they meet again. Whoever hears a member
 * just now does not take that: he lets it answer. Of one who comes just now he does not while there is a link: not
 * everybody is beaten to. What else is said of it stands, and so does that, when it does not answer.
 */
static bool is_contested(
	struct gossip *g, const struct link *by, const struct member *m, const struct gossip_msg_state *s)
{
	int64_t now = g->now.mono_ms, silence = g->profile->silence_ms;
	struct link *l = links_of(g, m);

	if (s->flags & (GOSSIP_FLAG_LEFT | GOSSIP_FLAG_FORGOTTEN) || !(s->flags & GOSSIP_FLAG_DEAD) || m->flags != 0 ||
		s->incarnation < m->inc || !l || l->passing ||
		(now - l->heard_ms >= silence && now - by->up_ms >= silence))
		return false;
	l->contested = l->verdict = s->incarnation;
	l->verdict_flags = s->flags;
	if (l->verdict_ms == 0 || l->heard_ms >= l->verdict_ms)
		l->verdict_ms = now;
	links_ready(l);
	return true;
}

static void take_verdict(struct gossip *g, struct link *l)
{
	struct member *m = members_at(g, l->member);
	const struct gossip_msg_state s = {.id = m->id, .incarnation = l->verdict, .flags = l->verdict_flags};
	bool answered = l->heard_ms > l->verdict_ms;

	l->verdict_ms = 0;
	if (!answered && m->link == l->number && m->inc == l->verdict)
		(void)state_merge(g, m, &s, FROM_NONE); /* it is known already when this brings nothing */
}

void take_verdicts(struct gossip *g)
{
	LINKS_FOREACH(g, l)
	if (l->verdict_ms != 0 && g->now.mono_ms - l->verdict_ms >= g->profile->probe_ms)
		take_verdict(g, l);
}

int64_t take_deadline(const struct gossip *g)
{
	int64_t at = DEADLINE_NEVER;

	LINKS_FOREACH(g, l)
	if (l->verdict_ms != 0)
		at = MIN(at, l->verdict_ms + g->profile->probe_ms);
	return at;
}

static void take_state(struct gossip *g, struct link *l, const struct gossip_msg_state *s)
{
	struct member *m = members_find(g, s->id);
	struct gossip_msg_state lives;

	if (s->id == g->id) {
		take_self(g, s->incarnation, s->flags, s, 0);
		return;
	}
	if (!m && s->flags & GOSSIP_FLAG_FORGOTTEN) { /* so that it does not come in by another door */
		m = members_add(g, s->id, s->incarnation);
		if (m)
			state_forget(g, m, l->number);
		return;
	}
	if (!m) {
		if (!(s->flags & GOSSIP_FLAG_LEFT))
			sync_ask(g, l, s->id);
		return;
	}
	if (is_contested(g, l, m, s)) {
		lives = *s;
		lives.flags = 0;
		s = &lives;
	}
	if (state_merge(g, m, s, l->number)) {
		l->news = true;
		if (state_boot(s->incarnation) == state_boot(m->inc) && m->record && m->record->version == 0)
			sync_ask(g, l, s->id);
		return;
	}
	if (m->inc > s->incarnation || state_join((unsigned)m->flags | s->flags) != s->flags)
		serve_state(g, l, s->id);
}

void take_states(struct gossip *g, struct link *l, const struct gossip_msg_states *m)
{
	for (uint16_t i = 0; i < m->n; i++)
		take_state(g, l, &m->v[i]);
}

static void take_floor(struct gossip *g, struct member *m, const struct gossip_part *p)
{
	if (p->floor == 0)
		return;
	if (!m->values)
		m->values = gossip_alloc(g, sizeof(*m->values));
	if (!m->values)
		return; /* no entries either, and the floor is asked for with the next ones */
	if (p->floor_to > m->values->floor_to) {
		m->values->floor = p->floor;
		m->values->floor_to = p->floor_to;
	}
	values_purge(g, m);
}

static void take_map(
	struct gossip *g, struct link *l, struct member *m, const struct gossip_part *p, const struct gossip_entry *e)
{
	uint64_t was = members_hash(m);
	uint32_t version = m->version;
	int rc = 0;

	for (uint16_t i = 0; i < p->n && rc == 0; i++) {
		if (e[i].version <= version)
			continue;
		rc = values_put(g, m, &e[i]);
		if (rc == 0)
			version = e[i].version;
	}
	if (rc == -E2BIG)
		gossip_refuse(g, m->id, members_at(g, l->member)->id, GOSSIP_REFUSE_BOUND);
	else if (rc < 0)
		gossip_no_memory(g, m->id);
	else
		version = p->to;
	if (version == m->version)
		return;
	m->version = version;
	take_floor(g, m, p);
	members_changed(g, m, was, CHANGE_MAP, l->number);
	l->news = true;
}

/*
 * A value of somebody unknown is of one of the many whom a new link has yet to tell us of, or its record went as a
 * digest before the link was eager: it is asked for. What then comes again without a record, nobody may say.
 */
static bool is_nobodys(struct gossip *g, struct link *l, uint64_t id)
{
	if (l->unknown == id)
		return l->met && g->now.mono_ms - l->unknown_ms >= g->profile->probe_ms;
	l->unknown = id;
	l->unknown_ms = g->now.mono_ms;
	return false;
}

/* The member whose map it is; NULL: nothing more is to be done with the part. */
static struct member *part_member(struct gossip *g, struct link *l, const struct gossip_part *p)
{
	uint64_t boot = state_boot(p->incarnation), peer = members_at(g, l->member)->id;
	struct member *m = members_find(g, p->id);
	struct admit a = {0};

	if (p->has_record && (gossip_id_of(p->record.uuid) != p->id || !admit_record_good(&p->record))) {
		gossip_refuse(g, p->id, peer, GOSSIP_REFUSE_RECORD);
		return NULL;
	}
	if (m && (m->flags & GOSSIP_FLAG_FORGOTTEN || boot < state_boot(m->inc) ||
			 (p->incarnation <= m->inc && m->flags & GOSSIP_FLAG_LEFT))) {
		serve_state(g, l, p->id);
		return NULL;
	}
	if ((!m || boot > state_boot(m->inc)) && (!p->has_record || p->from != 0)) {
		if (m || is_nobodys(g, l, p->id))
			gossip_refuse(g, p->id, peer, m ? GOSSIP_REFUSE_BOOT : GOSSIP_REFUSE_NO_MEMBER);
		sync_ask(g, l, p->id);
		return NULL;
	}
	if (p->has_record) {
		m = admit_member(g, p->incarnation, &p->record, l->number, &a);
		l->news |= a.news;
	}
	if (m && p->incarnation > m->inc)
		l->news |= state_merge(
			g, m, &(struct gossip_msg_state){.id = p->id, .incarnation = p->incarnation}, l->number);
	return m;
}

/* A gap in what was asked for is of our own making (no memory): asking again at once would never end. */
static void take_part(
	struct gossip *g, struct link *l, const struct gossip_part *p, const struct gossip_entry *e, bool asked)
{
	struct member *m;

	if (p->id == g->id) {
		gossip_refuse(g, p->id, members_at(g, l->member)->id, GOSSIP_REFUSE_OWN);
		take_self(g, p->incarnation, 0, NULL, p->to);
		return;
	}
	m = part_member(g, l, p);
	if (!m)
		return;
	if (p->from > m->version || !m->record || m->record->version == 0) {
		if (!asked)
			sync_ask(g, l, p->id);
		l->news |= !asked; /* not the sender's fault */
	} else if (p->to > m->version)
		take_map(g, l, m, p, e);
}

void take_deltas(struct gossip *g, struct link *l, const struct gossip_msg_deltas *m)
{
	l->news = false;
	for (uint16_t i = 0; i < m->n_parts; i++)
		take_part(g, l, &m->parts[i], m->entries + m->parts[i].first, m->asked);
	if (m->asked)
		l->sync_news |= l->news;
	if (l->syncing)
		g->sync_moved_ms = g->now.mono_ms;
	if (m->asked || l->news)
		return;
	g->figures.nothing_new++;
	if (spread_stays(g, l) || g->now.mono_ms - l->up_ms < g->profile->settle_ms)
		return; /* what two say who have just met, both heard of elsewhere: that is no tree yet */
	l->prune_due = true;
	spread_prune(g, l);
	links_ready(l);
}

static void take_digest(struct gossip *g, struct link *l, const struct gossip_digest *d)
{
	const struct member *m = members_find(g, d->id);
	uint64_t boot = state_boot(d->incarnation);

	if (m && boot == state_boot(m->inc) && d->version == m->version)
		spread_known(g, l, m);
	if (d->id == g->id) {
		take_self(g, d->incarnation, d->sum != 0 && !(members_at(g, g->self)->flags) ? GOSSIP_FLAG_DEAD : 0,
			NULL, d->version);
		return;
	}
	if (!m) {
		sync_ask(g, l, d->id);
		return;
	}
	if (m->flags & (GOSSIP_FLAG_FORGOTTEN | GOSSIP_FLAG_LEFT) &&
		(d->incarnation <= m->inc || m->flags & GOSSIP_FLAG_FORGOTTEN)) {
		serve_state(g, l, d->id);
		return;
	}
	if (boot < state_boot(m->inc))
		return;
	if (boot > state_boot(m->inc) || d->version > m->version || d->incarnation > m->inc ||
		(d->incarnation == m->inc && d->sum != 0 && d->sum != members_sum(m) &&
			!(m->flags & GOSSIP_FLAG_HOST_UP))) /* above which there is nothing at this incarnation */
		sync_ask(g, l, d->id);
}

void take_digests(struct gossip *g, struct link *l, const struct gossip_msg_digests *m)
{
	if (m->serial != 0 && !l->syncing)
		return;
	for (uint16_t i = 0; i < m->n; i++)
		take_digest(g, l, &m->v[i]);
	if (m->serial == 0)
		return;
	g->sync_moved_ms = g->now.mono_ms;
	if (m->last) {
		sync_end(g, l);
		return;
	}
	l->ask_serial = m->serial;
	l->answer_due = true;
	links_ready(l);
}
