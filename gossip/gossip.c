/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step: an input changes what is known, then what follows from it is decided, then what is due becomes outputs as
 * far as there is place. The pull is in gossip_pull.c.
 */
#include <errno.h>

#include "gossip/gossip_impl.h"

#define VALUES_MAX_DEFAULT (64u * 1024 * 1024)

void *gossip_alloc(struct gossip *g, size_t n)
{
	void *p = g->mem.alloc(g->mem.ctx, n);

	if (p)
		memset(p, 0, n);
	return p;
}

void gossip_release(struct gossip *g, void *p, size_t n)
{
	g->mem.release(g->mem.ctx, p, n);
}

int64_t gossip_jitter(struct gossip *g, int64_t ms)
{
	return ms * 3 / 4 + (int64_t)rng_below(&g->rng, (uint64_t)ms / 2 + 1);
}

/* Stafford's mix 13, a bijection. */
uint64_t gossip_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

struct gossip_out *gossip_emit(struct gossip *g, enum gossip_out_type type)
{
	struct gossip_out *out;

	if (g->outs->n == GOSSIP_OUTS_MAX)
		return NULL;
	out = &g->outs->v[g->outs->n++];
	*out = (struct gossip_out){.type = type, .link = GOSSIP_NO_LINK};
	return out;
}

bool gossip_active(const struct gossip *g)
{
	return members_at(g, g->self)->flags == 0;
}

static bool seeds_make(struct gossip *g, const struct gossip_config *c)
{
	size_t n = MIN(c->n_seeds, GOSSIP_SEEDS_MAX);

	if (n == 0)
		return true;
	g->seeds = gossip_alloc(g, n * sizeof(*g->seeds));
	if (!g->seeds)
		return false;
	g->n_seeds = (uint32_t)n;
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(c->seeds[i]) + 1;

		g->seeds[i].address = gossip_alloc(g, len);
		if (!g->seeds[i].address)
			return false;
		memcpy(g->seeds[i].address, c->seeds[i], len);
	}
	return true;
}

static bool self_make(struct gossip *g, const struct gossip_config *c)
{
	struct gossip_record r = c->record;
	struct member *m;

	r.version = 1;
	r.watch_rings = g->profile->watch_rings;
	r.beat_ms = g->profile->beat_ms;
	m = members_add(g, g->id, (uint64_t)c->boot << 32);
	if (!m)
		return false;
	g->self = members_index(g, g->id);
	if (!admit_record(g, m, &r, FROM_NONE))
		return false;
	state_settle(g, m);
	return true;
}

static void begin(struct gossip *g, const struct gossip_config *c, struct now now)
{
	const struct profile *p = profile_of(c->profile);

	g->profile = p;
	g->now = now;
	g->id = gossip_id_of(c->record.uuid);
	rng_seed(&g->rng, c->seed);
	g->free_member = g->oldest = g->newest = g->hint = MEMBER_NONE;
	for (int r = 0; r < GOSSIP_RINGS; r++)
		g->pred[r] = g->succ[r] = MEMBER_NONE;
	g->values_max = c->values_max_bytes ? c->values_max_bytes : VALUES_MAX_DEFAULT;
	g->waiting = c->waiting;
	g->health = 1;
	g->heard_ms = now.mono_ms;
	g->flush_at = g->lazy_at = DEADLINE_NEVER;
	g->flushed_ms = now.mono_ms - p->flush_ms;
	g->beat_at = now.mono_ms + (int64_t)rng_below(&g->rng, p->beat_ms);
	g->repair_at = now.mono_ms + gossip_jitter(g, p->repair_ms);
	g->redial.next_ms = now.mono_ms + gossip_jitter(g, p->redial_min_ms);
	g->redial_dead = (uint32_t)g->id;
	g->syncing = GOSSIP_NO_LINK;
	g->deadline_ms = now.mono_ms;
	g->refused_told_ms = g->memory_told_ms = g->many_told_ms = g->clash_told_ms = INT64_MIN;
}

int gossip_new(const struct gossip_config *c, const struct gossip_mem *mem, struct now now, struct gossip **ret)
{
	struct gossip_record r = c->record;
	struct gossip *g;

	r.version = 1;
	r.watch_rings = 1;
	r.beat_ms = GOSSIP_BEAT_MIN_MS;
	if (!admit_record_good(&r) || c->boot == 0 || (unsigned)c->profile >= GOSSIP_PROFILE_MAX)
		return -EINVAL;
	g = mem->alloc(mem->ctx, sizeof(*g));
	if (!g)
		return -ENOMEM;
	memset(g, 0, sizeof(*g));
	g->mem = *mem;
	begin(g, c, now);
	if (!self_make(g, c) || !seeds_make(g, c)) {
		gossip_free(g);
		return -ENOMEM;
	}
	dial_seeds_first(g);
	*ret = g;
	return 0;
}

void gossip_free(struct gossip *g)
{
	struct gossip_mem mem;

	if (!g)
		return;
	mem = g->mem;
	LINKS_FOREACH(g, l)
	links_free(g, l);
	members_done(g);
	for (uint32_t i = 0; i < g->n_seeds; i++)
		if (g->seeds[i].address)
			gossip_release(g, g->seeds[i].address, strlen(g->seeds[i].address) + 1);
	guests_free(g);
	if (g->seeds)
		gossip_release(g, g->seeds, g->n_seeds * sizeof(*g->seeds));
	if (g->events)
		gossip_release(g, g->events, EVENTS_MAX * sizeof(*g->events));
	mem.release(mem.ctx, g, sizeof(*g));
}

/* Its peer's own word of its incarnation; and whoever we hold for accused or dead while he speaks must hear of it. */
static void take_peer(struct gossip *g, struct link *l, uint64_t inc, uint64_t view_hash, bool beat)
{
	struct member *m = members_at(g, l->member);

	if (inc > m->inc && state_boot(inc) == state_boot(m->inc))
		(void)state_merge(g, m, &(struct gossip_msg_state){.id = m->id, .incarnation = inc}, l->number);
	if (m->inc >= inc && (m->accused || m->flags != 0))
		sync_serve(g, l, &(struct gossip_want){.id = m->id}, true);
	sync_view(g, l, view_hash, beat);
}

static void take_greet(struct gossip *g, struct link *l, const struct gossip_msg_greet *m)
{
	bool first = !l->greeted;

	l->greeted = true;
	l->peer_wants = m->wanted;
	take_peer(g, l, m->incarnation, m->view_hash, !first);
}

static void heard(struct gossip *g, struct link *l)
{
	l->heard_ms = g->now.mono_ms;
	if (l->passing)
		return;
	g->heard_ms = MAX(g->heard_ms, g->now.mono_ms);
	watch_heard(g, l->member);
	if (g->isolated) {
		watch_hears(g);
		gossip_event(g, GOSSIP_EVENT_HEARS, members_at(g, l->member)->id);
	}
}

static void take(struct gossip *g, const struct gossip_in *in)
{
	struct link *l = in->link < GOSSIP_LINKS_MAX ? g->links[in->link] : NULL;
	const struct gossip_msg *m = in->msg;

	if (!l || !m || (unsigned)m->type >= GOSSIP_MSG_TYPE_MAX)
		return;
	g->figures.msgs_in[m->type]++;
	heard(g, l);
	switch (m->type) {
	case GOSSIP_MSG_BEAT:
		take_peer(g, l, m->beat.incarnation, m->beat.view_hash, true);
		break;
	case GOSSIP_MSG_GREET:
		take_greet(g, l, &m->greet);
		break;
	case GOSSIP_MSG_STATES:
		take_states(g, l, &m->states);
		break;
	case GOSSIP_MSG_DELTAS:
		take_deltas(g, l, &m->deltas);
		break;
	case GOSSIP_MSG_DIGESTS:
		take_digests(g, l, &m->digests);
		break;
	case GOSSIP_MSG_WANTS:
		sync_wants(g, l, &m->wants);
		break;
	case GOSSIP_MSG_SYNC:
		sync_asked(g, l, &m->sync);
		break;
	case GOSSIP_MSG_PRUNE:
		g->figures.prunes++;
		spread_prune(g, l);
		break;
	case GOSSIP_MSG_ASK: /* the daemon's */
	case GOSSIP_MSG_ANSWER:
	case GOSSIP_MSG_MORE:
	case GOSSIP_MSG_DROP:
	case GOSSIP_MSG_REGISTER:
		break;
	default:
		probe_take(g, l, m);
		break;
	}
}

static void leave(struct gossip *g)
{
	struct member *m = members_at(g, g->self);
	uint64_t was = members_hash(m);

	if (!gossip_active(g))
		return;
	m->flags = GOSSIP_FLAG_LEFT;
	members_changed(g, m, was, CHANGE_STATE, FROM_NONE);
	state_settle(g, m);
	g->leaving = true;
	g->flush_at = g->now.mono_ms;
}

static void forget(struct gossip *g, uint64_t id)
{
	struct member *m = members_find(g, id);

	if (id == 0 || id == g->id)
		return;
	if (!m && !(m = members_add(g, id, 1ull << 32))) /* said of nobody: the lowest there is */
		return;
	state_forget(g, m, FROM_NONE);
	if (links_of(g, m))
		sync_serve(g, links_of(g, m), &(struct gossip_want){.id = id}, true);
}

static void take_voters(struct gossip *g, const struct gossip_in *in)
{
	g->n_voters = (uint32_t)MIN(in->n_ids, GOSSIP_VOTERS_MAX);
	if (g->n_voters)
		memcpy(g->voters, in->ids, g->n_voters * sizeof(*g->voters));
	g->rewire = true;
}

/* Dialled at once: somebody waits. */
static void take_visits(struct gossip *g, const struct gossip_in *in)
{
	g->n_visits = (uint32_t)MIN(in->n_ids, GOSSIP_VISITS_MAX);
	if (g->n_visits)
		memcpy(g->visits, in->ids, g->n_visits * sizeof(*g->visits));
	links_rewire(g);
	for (uint32_t i = 0; i < g->n_visits; i++) {
		const struct member *m = members_find(g, g->visits[i]);

		if (m && m->id != g->id && members_in_ring(m) && !links_of(g, m))
			dial_want(g, m, 0);
	}
}

static void dispatch(struct gossip *g, const struct gossip_in *in)
{
	switch (in->type) {
	case GOSSIP_IN_LINK_UP:
		links_up(g, in);
		break;
	case GOSSIP_IN_LINK_DOWN:
		links_down(g, in);
		break;
	case GOSSIP_IN_DIAL_FAILED:
		dial_failed(g, in);
		break;
	case GOSSIP_IN_MSG:
		take(g, in);
		break;
	case GOSSIP_IN_SET:
		values_set(g, in);
		break;
	case GOSSIP_IN_RECORD:
		values_record(g, in->record);
		break;
	case GOSSIP_IN_FOUNDED:
		g->waiting = false;
		dial_soon(g);
		break;
	case GOSSIP_IN_LEAVE:
		leave(g);
		break;
	case GOSSIP_IN_FORGET:
		forget(g, in->id);
		break;
	case GOSSIP_IN_REACHED:
		watch_reached(g, in->id);
		break;
	case GOSSIP_IN_VOTERS:
		take_voters(g, in);
		break;
	case GOSSIP_IN_KNOCK:
		guests_knocked(g, in->address);
		break;
	case GOSSIP_IN_VISIT:
		take_visits(g, in);
		break;
	default: /* a tick */
		break;
	}
}

/* One to each observer that we have a link to; what is done once a beat is done here too. */
static void beat(struct gossip *g)
{
	int64_t period = g->profile->beat_ms;

	if (g->now.mono_ms < g->beat_at)
		return;
	g->beat_at += period;
	if (g->beat_at <= g->now.mono_ms)
		g->beat_at = g->now.mono_ms + period;
	for (int r = 0; r < g->profile->watch_rings && gossip_active(g); r++) {
		struct link *l = g->pred[r] == MEMBER_NONE ? NULL : links_of(g, members_at(g, g->pred[r]));

		if (!l)
			continue;
		l->beat_due = true;
		links_ready(l);
	}
	watch_beat(g);
	links_tend(g);
}

static void repair(struct gossip *g)
{
	uint32_t from;

	if (g->now.mono_ms < g->repair_at)
		return;
	g->repair_at = g->now.mono_ms + gossip_jitter(g, g->profile->repair_ms);
	from = (uint32_t)rng_below(&g->rng, GOSSIP_LINKS_MAX);
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++) {
		struct link *l = g->links[(from + i) % GOSSIP_LINKS_MAX];

		if (!l || !links_usable(l))
			continue;
		l->greet_due = true;
		links_ready(l);
		return;
	}
}

static void check_left(struct gossip *g)
{
	if (!g->leaving || g->left_told)
		return;
	LINKS_FOREACH(g, l)
	if (links_usable(l) && l->state_cursor < g->state_seq)
		return;
	g->left_told = true;
	gossip_event(g, GOSSIP_EVENT_LEFT_TOLD, g->id);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return MIN(a, b);
}

static int64_t deadline(const struct gossip *g)
{
	int64_t at = earlier(earlier(g->beat_at, g->repair_at), earlier(g->flush_at, g->lazy_at));

	if (g->n_events > 0 || g->app_changed || g->judge || g->rewire)
		return g->now.mono_ms;
	LINKS_FOREACH(g, l)
	if (l->closing ? !l->close_told : l->ready && !l->ready_told)
		return g->now.mono_ms;
	at = earlier(earlier(at, take_deadline(g)), earlier(watch_deadline(g), probe_deadline(g)));
	return earlier(at, earlier(dial_deadline(g), sync_deadline(g)));
}

/* What a node says of itself comes by the value: those of one turn of the loop are one piece of news. */
static bool is_said(const struct gossip_in *in)
{
	return in->type == GOSSIP_IN_SET;
}

static void run(struct gossip *g, bool said)
{
	beat(g);
	repair(g);
	watch_run(g);
	take_verdicts(g);
	probe_run(g);
	state_judge(g);
	if (g->rewire)
		links_rewire(g);
	dial_run(g);
	sync_run(g);
	if (!said)
		spread_run(g);
	check_left(g);
}

void gossip_step(struct gossip *g, const struct gossip_in *in, struct now now, struct gossip_outs *outs)
{
	int64_t late = now.mono_ms - g->deadline_ms;

	outs->n = 0;
	g->outs = outs;
	g->now = now;
	if (late > g->profile->beat_ms / 2)
		watch_late(g, late);
	if (late > g->profile->settle_ms / 4)
		g->late_ms = now.mono_ms;
	dispatch(g, in);
	run(g, is_said(in));
	links_out(g);
	gossip_events_out(g);
	if (g->app_changed && gossip_emit(g, GOSSIP_OUT_CHANGED))
		g->app_changed = false;
	g->outs = NULL;
	g->deadline_ms = deadline(g);
}

int64_t gossip_deadline_ms(const struct gossip *g)
{
	return g->deadline_ms;
}
