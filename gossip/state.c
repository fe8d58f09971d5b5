/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a member is: what is said of it is merged so that the order does not matter, and what follows is computed from
 * that alone, the same on every node. At one incarnation: a set of accusers, then dead, then left, each above the one
 * before; forgotten above all, at every incarnation; a higher incarnation, which the member alone raises, above all
 * but that.
 *
 * A member is suspect when a quarter of its observers accuse it, and dead when more than half of those do that accuse
 * it or do not stand accused themselves (deviates from Rapid, which counts to a fixed H of K: ours also ends when most
 * of the observers died with it).
 */
#include "gossip/gossip_impl.h"

uint64_t state_boot(uint64_t inc)
{
	return inc >> 32;
}

uint32_t state_need(uint32_t n_obs)
{
	return n_obs <= 4 ? 1 : (n_obs + 3) / 4;
}

int state_accuser(const struct accused *a, uint64_t id)
{
	for (int i = 0; i < a->n; i++)
		if (a->ids[i] == id)
			return i;
	return -1;
}

bool state_is_accused(const struct member *m)
{
	return m->accused && m->accused->suspect;
}

void state_clear(struct gossip *g, struct member *m)
{
	struct accused *a = m->accused;

	if (!a)
		return;
	if (a->prev)
		a->prev->next = a->next;
	else
		g->accused = a->next;
	if (a->next)
		a->next->prev = a->prev;
	m->accused = NULL;
	g->judge = g->accused != NULL;
	gossip_release(g, a, sizeof(*a));
}

static struct accused *accuse_first(struct gossip *g, struct member *m)
{
	struct accused *a = gossip_alloc(g, sizeof(*a));

	if (!a) {
		gossip_no_memory(g, m->id);
		return NULL;
	}
	a->member = members_self(g, m);
	a->next = g->accused;
	if (a->next)
		a->next->prev = a;
	g->accused = a;
	m->accused = a;
	rings_observe(g, a);
	return a;
}

/* By rising id; of too many those with the smallest ids stay, so that the order of merging does not matter. */
static bool accuse_one(struct accused *a, const struct gossip_accuser *by)
{
	int at = state_accuser(a, by->id);

	if (at >= 0) {
		bool news = by->host_up && !(a->up >> at & 1);

		a->up |= (uint16_t)(by->host_up << at);
		return news;
	}
	for (at = 0; at < a->n && a->ids[at] < by->id; at++)
		;
	if (at == ACCUSERS_ALL)
		return false;
	a->n = (uint8_t)MIN(a->n + 1, ACCUSERS_ALL);
	for (int i = a->n - 1; i > at; i--)
		a->ids[i] = a->ids[i - 1];
	a->ids[at] = by->id;
	a->up = (uint16_t)((a->up & ((1u << at) - 1)) | (unsigned)by->host_up << at | (a->up >> at << (at + 1)));
	return true;
}

static bool accuse_all(struct gossip *g, struct member *m, const struct gossip_msg_state *s)
{
	bool news = false;

	if (s->n_accusers == 0 || m->flags != 0 || (!m->accused && !accuse_first(g, m)))
		return false;
	for (int i = 0; i < s->n_accusers; i++)
		news |= accuse_one(m->accused, &s->accusers[i]);
	g->judge |= news;
	return news;
}

static enum gossip_state derive(const struct member *m)
{
	if (m->flags & GOSSIP_FLAG_FORGOTTEN)
		return GOSSIP_FORGOTTEN;
	if (m->flags & GOSSIP_FLAG_LEFT)
		return GOSSIP_LEFT;
	if (m->flags & GOSSIP_FLAG_DEAD)
		return GOSSIP_DEAD;
	return state_is_accused(m) ? GOSSIP_SUSPECT : GOSSIP_ALIVE;
}

static void settle_event(struct gossip *g, const struct member *m, enum gossip_state was, const struct accused *by)
{
	static const enum gossip_event kinds[GOSSIP_STATE_MAX] = {
		[GOSSIP_ALIVE] = GOSSIP_EVENT_RETURNED,
		[GOSSIP_SUSPECT] = GOSSIP_EVENT_SUSPECT,
		[GOSSIP_DEAD] = GOSSIP_EVENT_DEAD,
		[GOSSIP_LEFT] = GOSSIP_EVENT_LEFT,
		[GOSSIP_FORGOTTEN] = GOSSIP_EVENT_FORGOTTEN,
	};
	enum gossip_event kind = kinds[m->state];
	struct event *e;

	if (m->id == g->id || (was == GOSSIP_STATE_MAX && m->state != GOSSIP_ALIVE && m->state != GOSSIP_DEAD))
		return;
	if (was == GOSSIP_STATE_MAX && m->state == GOSSIP_ALIVE)
		kind = GOSSIP_EVENT_JOINED;
	e = gossip_event(g, kind, m->id);
	e->state_was = (uint8_t)MIN(was, GOSSIP_FORGOTTEN);
	gossip_event_by(g, e, by);
	e->host_up |= (m->flags & GOSSIP_FLAG_HOST_UP) != 0;
	e->restarted = g->rebooted;
}

static void settle(struct gossip *g, struct member *m, const struct accused *by)
{
	enum gossip_state was = m->state, now = derive(m);
	bool was_in = members_in_ring(m);

	if (was == now)
		return;
	m->state = now;
	settle_event(g, m, was, by);
	if (was < GOSSIP_STATE_MAX)
		g->n_state[was]--;
	g->n_state[now]++;
	g->n_gone = g->n_state[GOSSIP_LEFT] + g->n_state[GOSSIP_FORGOTTEN];
	g->n_alive = g->n_state[GOSSIP_ALIVE] + g->n_state[GOSSIP_SUSPECT];
	if (was_in && !members_in_ring(m))
		rings_gone(g, members_self(g, m));
	else if (!was_in && members_in_ring(m))
		rings_joined(g, members_self(g, m));
	if (now == GOSSIP_DEAD)
		dial_died(g);
	g->app_changed = true;
}

void state_settle(struct gossip *g, struct member *m)
{
	settle(g, m, m->accused);
}

uint8_t state_join(unsigned flags)
{
	if (flags & GOSSIP_FLAG_FORGOTTEN)
		return GOSSIP_FLAG_FORGOTTEN;
	if (flags & GOSSIP_FLAG_LEFT)
		return GOSSIP_FLAG_LEFT;
	return flags & GOSSIP_FLAG_DEAD ? (uint8_t)(flags & (GOSSIP_FLAG_DEAD | GOSSIP_FLAG_HOST_UP)) : 0;
}

bool state_merge(struct gossip *g, struct member *m, const struct gossip_msg_state *s, uint8_t from)
{
	uint64_t was = members_hash(m);
	uint8_t flags = state_join((unsigned)m->flags | s->flags);
	struct accused by = {0};
	bool news = false, same;

	if (s->flags & GOSSIP_FLAG_FORGOTTEN && !(m->flags & GOSSIP_FLAG_FORGOTTEN)) {
		state_forget(g, m, from);
		return true;
	}
	if (m->flags & GOSSIP_FLAG_FORGOTTEN || s->incarnation < m->inc)
		return false;
	if (s->incarnation > m->inc) {
		news = true;
		flags = state_join(s->flags);
		state_clear(g, m);
		g->rebooted = state_boot(s->incarnation) > state_boot(m->inc);
		m->alone = false;
		if (g->rebooted)
			admit_reboot(g, m, s->incarnation);
		m->inc = s->incarnation;
		m->flags = flags;
	} else if (flags != m->flags) {
		news = true;
		m->flags = flags;
		if (flags & GOSSIP_FLAG_LEFT)
			admit_reboot(g, m, m->inc);
	}
	if (m->accused && m->flags != 0) {
		by = *m->accused;
		state_clear(g, m);
	}
	news |= accuse_all(g, m, s);
	if (!news)
		return false;
	/* What its sender did not have yet goes back to it, too. */
	same = m->flags == s->flags && (m->accused ? m->accused->n : 0) == s->n_accusers;
	members_changed(g, m, was, CHANGE_STATE, same ? from : FROM_NONE);
	if (g->rebooted && m->state == GOSSIP_ALIVE && m->flags == 0 && m->id != g->id)
		gossip_event(g, GOSSIP_EVENT_RETURNED, m->id)->restarted = true; /* before anybody missed it */
	settle(g, m, by.n ? &by : m->accused);
	g->rebooted = false;
	return true;
}

/*
 * More than half of the observers that accuse it or are not accused themselves. Who votes alone and hears nobody waits
 * for no other's word (watch.c).
 */
static bool judged_dead(const struct gossip *g, const struct accused *a, const uint32_t *obs, size_t n_obs)
{
	uint32_t against = 0, count = 0;

	if (watch_decides_alone(g) && state_accuser(a, g->id) >= 0)
		return true;
	for (size_t i = 0; i < n_obs; i++) {
		const struct member *o = members_at(g, obs[i]);

		if (state_accuser(a, o->id) >= 0)
			against++, count++;
		else
			count += !state_is_accused(o);
	}
	return against * 2 > count;
}

static void judge_dead(struct gossip *g, struct member *m)
{
	uint64_t was = members_hash(m);
	struct accused by = *m->accused;

	m->flags = by.up ? GOSSIP_FLAG_DEAD | GOSSIP_FLAG_HOST_UP : GOSSIP_FLAG_DEAD;
	state_clear(g, m);
	members_changed(g, m, was, CHANGE_STATE, FROM_NONE);
	settle(g, m, &by);
	m->alone = g->isolated;
	g->has_alone |= m->alone;
}

static void take_back(struct gossip *g, struct member *m)
{
	uint64_t was = members_hash(m);

	m->alone = false;
	if (m->state != GOSSIP_DEAD)
		return;
	m->flags = 0;
	members_changed(g, m, was, CHANGE_STATE, FROM_NONE);
	state_settle(g, m);
}

/*
 * Who hears nobody and knows of one other living member, or votes alone, calls the others dead. When he then learns
 * that they called him dead, it was he who was cut off: the verdict was his alone, and nobody shall hear of it.
 */
void state_take_back(struct gossip *g)
{
	if (!g->has_alone)
		return;
	g->has_alone = false;
	MEMBERS_FOREACH(g, m)
	if (m->alone)
		take_back(g, m);
}

/* One more look for each that changes: an observer that stands accused, or is gone, may make the difference. */
void state_judge(struct gossip *g)
{
	uint32_t obs[GOSSIP_RINGS];

	while (g->judge) {
		g->judge = false;
		for (struct accused *a = g->accused, *next; a; a = next) {
			struct member *m = members_at(g, a->member);
			bool suspect;

			next = a->next;
			a->n_obs = (uint8_t)rings_distinct(a->pred, rings_watch(m), obs);
			suspect = a->n >= state_need(a->n_obs);
			if (suspect != a->suspect) {
				a->suspect = suspect;
				g->judge = true;
				state_settle(g, m);
			}
			if (a->member != g->self && judged_dead(g, a, obs, a->n_obs)) {
				judge_dead(g, m);
				g->judge = true;
			}
		}
	}
}

void state_tell(const struct member *m, struct gossip_msg_state *ret)
{
	const struct accused *a = m->accused;

	ret->id = m->id;
	ret->incarnation = m->inc;
	ret->flags = m->flags;
	ret->n_accusers = a ? a->n : 0;
	for (int i = 0; i < ret->n_accusers; i++)
		ret->accusers[i] = (struct gossip_accuser){.id = a->ids[i], .host_up = a->up >> i & 1};
}

/* What is kept of it: that it shall not come back, and who it was. */
void state_forget(struct gossip *g, struct member *m, uint8_t from)
{
	uint64_t was = members_hash(m);

	if (m->flags & GOSSIP_FLAG_FORGOTTEN)
		return;
	state_clear(g, m);
	m->flags = GOSSIP_FLAG_FORGOTTEN;
	members_changed(g, m, was, CHANGE_STATE | CHANGE_MAP, from);
	state_settle(g, m);
	values_drop(g, m);
}
