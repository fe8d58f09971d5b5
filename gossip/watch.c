/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Observers: we hear the beats of those whose predecessor we are on the first rings, and accuse one that is silent and
 * that nobody we ask can reach. Only here does time count; all others add up what observers say (state.c).
 *
 *	good → probing → accused → good (it refuted: a higher incarnation)
 *	  ↑ ← ─ ─ ┘ (anything came from it, or a relay reached it)
 *
 * Who refuses to be dialled after its link broke is down while its host is up: it is probed at once, its first
 * observers accuse it early, so that all see it as suspect, and the others later, so that a daemon which comes back
 * within a second is never called dead.
 *
 * When many die at once, some have observers that are all dead themselves, and the vote on others waits for theirs. So
 * whoever accused somebody in vain takes a second look: those of its observers that neither agree nor stand accused are
 * probed as well, and accused when nobody reaches them. That makes them suspect and takes their vote away; dead they
 * are by their own observers alone.
 *
 * After Lifeguard: who is late himself, or hears nobody's answers, is slower to accuse, up to four times; who was
 * paused takes the pause off everybody's silence; who hears nobody at all accuses nobody, but for two alone and for who
 * votes alone. Who has just begun misses nobody whom he has not come to dial yet.
 */
#include "base/sm.h"
#include "gossip/gossip_impl.h"

#define HEALTH_MAX     4
#define GOOD_BEATS     10 /* without a fault: health is a step better */
#define LATE_TELL_MS   1000
#define ALONE_SILENCES 6 /* of a member, until its observer accuses it though nobody agrees with him in others */
#define ROUNDS_MAX     3 /* of asking relays of whom none answers */

static const struct sm_state states[] = {
	[WATCH_GOOD] = {"good", SM_TO(WATCH_PROBING)},
	[WATCH_PROBING] = {"probing", SM_TO(WATCH_GOOD) | SM_TO(WATCH_ACCUSED)},
	[WATCH_ACCUSED] = {"accused", SM_TO(WATCH_GOOD)},
};
_Static_assert(ARRAY_LEN(states) == WATCH_STATE_MAX, "a row for each state");

static void move(struct watch *w, enum watch_state to)
{
	sm_move(states, WATCH_STATE_MAX, &w->state, (int)to);
}

static struct watch *find(struct gossip *g, uint32_t member)
{
	for (uint32_t i = 0; i < g->n_watches; i++)
		if (g->watches[i].member == member)
			return &g->watches[i];
	return NULL;
}

bool watch_has(const struct gossip *g, uint32_t member)
{
	for (uint32_t i = 0; i < g->n_watches; i++)
		if (g->watches[i].member == member)
			return true;
	return false;
}

/* A daemon that dies just after it came refuses, as any. Who turns us away each time must not be dialled each time. */
bool watch_lost(struct gossip *g, uint32_t member, bool short_link)
{
	struct watch *w = find(g, member);
	bool again = w && w->short_link && short_link;

	if (w)
		w->short_link = short_link;
	return w && !again;
}

static int64_t silence(const struct gossip *g)
{
	return g->profile->silence_ms * g->health;
}

static bool is_among(const struct watch *v, size_t n, uint64_t id)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].id == id)
			return true;
	return false;
}

/*
 * Somebody whom we watch from now on has to learn of us first, and to reach us. But where an observer died we take its
 * place in the middle of things: when many die at once the next round must not wait for a whole silence.
 */
static int64_t grace(const struct gossip *g)
{
	return g->died ? g->profile->beat_ms / 2 - silence(g) : g->profile->beat_ms;
}

/* Whose observers we are now: those we watched before keep what we know of them. */
void watch_rewire(struct gossip *g)
{
	struct watch was[ARRAY_LEN(g->watches)];
	uint32_t n_was = g->n_watches, targets[GOSSIP_RINGS], ours[GOSSIP_RINGS];
	size_t n, n_ours = 0;

	memcpy(was, g->watches, sizeof(was));
	for (int r = 0; r < GOSSIP_RINGS && gossip_active(g); r++)
		if (g->succ[r] != MEMBER_NONE && r < rings_watch(members_at(g, g->succ[r])))
			ours[n_ours++] = g->succ[r];
	n = rings_distinct(ours, n_ours, targets);
	for (size_t i = 0; i < n; i++) {
		struct watch *w = &g->watches[i];
		const struct member *m = members_at(g, targets[i]);

		*w = (struct watch){.id = m->id, .member = targets[i], .heard_ms = g->now.mono_ms + grace(g)};
		for (uint32_t k = 0; k < n_was; k++)
			if (was[k].id == m->id)
				*w = was[k];
		w->deputy = false;
	}
	for (uint32_t k = 0; k < n_was && gossip_active(g); k++)
		if (was[k].deputy && was[k].state != WATCH_GOOD && members_in_ring(members_at(g, was[k].member)) &&
			!is_among(g->watches, n, was[k].id))
			g->watches[n++] = was[k];
	g->n_watches = (uint32_t)n;
	g->died = false;
}

void watch_heard(struct gossip *g, uint32_t member)
{
	struct watch *w = find(g, member);

	if (!w)
		return;
	w->heard_ms = MAX(w->heard_ms, g->now.mono_ms);
	w->refused_ms = 0;
	w->reached = false;
	if (w->state == WATCH_PROBING)
		move(w, WATCH_GOOD);
}

static bool host_is_up(const struct watch *w)
{
	return w->refused_ms != 0 || w->reached;
}

static void say(struct gossip *g, const struct watch *w)
{
	struct member *m = members_at(g, w->member);
	struct gossip_msg_state s = {.id = m->id, .incarnation = m->inc, .n_accusers = 1};

	s.accusers[0] = (struct gossip_accuser){.id = g->id, .host_up = host_is_up(w)};
	(void)state_merge(g, m, &s, FROM_NONE); /* when dead already it brings nothing */
}

/*
 * A link on which nothing came for so long may be one whose packets TCP repeats at ever longer pauses: a new one shows
 * it at once when the path is there again, this one would be silent for as long again as the path was cut.
 */
static void drop_link(struct gossip *g, const struct watch *w)
{
	struct link *l = links_of(g, members_at(g, w->member));

	if (l && g->now.mono_ms - l->heard_ms >= silence(g))
		links_close(g, l, GOSSIP_CLOSE_SILENT);
}

static void accuse(struct gossip *g, struct watch *w)
{
	struct event *e = gossip_event(g, GOSSIP_EVENT_ACCUSED, w->id);

	e->host_up = host_is_up(w);
	e->number = (uint64_t)MAX(g->now.mono_ms - w->heard_ms, 0);
	if (w->asked > 0 && w->answered == 0 && g->now.mono_ms - g->heard_ms > g->profile->probe_ms) {
		g->health = MIN(g->health + 1, HEALTH_MAX); /* nobody said a word: it may be us */
		g->good_beats = 0;
	}
	move(w, WATCH_ACCUSED);
	w->accused_ms = g->now.mono_ms;
	w->inc = members_at(g, w->member)->inc;
	drop_link(g, w);
	say(g, w);
}

/* A daemon that stands still has a host that takes connections for it: its work runs on there. */
static void reach(struct gossip *g, const struct watch *w)
{
	const char *address = dial_address(members_at(g, w->member));
	struct gossip_out *out = address && w->refused_ms == 0 ? gossip_emit(g, GOSSIP_OUT_REACH) : NULL;

	if (!out)
		return; /* no place: then it is not known */
	out->id = w->id;
	out->address = address;
}

void watch_reached(struct gossip *g, uint64_t id)
{
	uint32_t member = members_index(g, id);
	struct watch *w = member == MEMBER_NONE ? NULL : find(g, member);

	if (!w || w->state == WATCH_GOOD || host_is_up(w))
		return;
	w->reached = true;
	if (w->state == WATCH_ACCUSED)
		say(g, w);
}

static void probe(struct gossip *g, struct watch *w, int64_t until_ms)
{
	move(w, WATCH_PROBING);
	w->inc = members_at(g, w->member)->inc;
	w->until_ms = until_ms;
	w->probed_ms = g->now.mono_ms;
	w->nonce = w->first_nonce = ++g->nonce;
	w->rounds = 1;
	w->answered = 0;
	w->reached = false;
	w->asked = probe_ask(g, w);
	reach(g, w);
}

/* Other relays; the answers of the first ones count as well when they come after all. */
static void probe_again(struct gossip *g, struct watch *w)
{
	w->until_ms = g->now.mono_ms + g->profile->probe_ms * g->health;
	w->probed_ms = g->now.mono_ms;
	w->nonce = ++g->nonce;
	w->rounds++;
	w->asked = probe_ask(g, w);
	reach(g, w);
}

/* Are we among those of its observers that may accuse early: enough to make it suspect, too few to make it dead? */
static bool is_early(const struct gossip *g, const struct member *m)
{
	uint32_t obs[GOSSIP_RINGS], before = 0;
	size_t n = rings_observers(g, m, obs);

	for (size_t i = 0; i < n && obs[i] != g->self; i++)
		before += !state_is_accused(members_at(g, obs[i]));
	return n >= 2 && before < state_need((uint32_t)n);
}

void watch_refused(struct gossip *g, uint32_t member)
{
	struct watch *w = find(g, member);
	int64_t until;

	if (!w || w->refused_ms != 0)
		return;
	w->refused_ms = g->now.mono_ms;
	until = g->now.mono_ms +
		(is_early(g, members_at(g, member)) ? g->profile->refused_early_ms : g->profile->refused_late_ms);
	if (w->state == WATCH_GOOD)
		probe(g, w, until);
	else if (w->state == WATCH_PROBING)
		w->until_ms = MIN(w->until_ms, until);
	else
		say(g, w); /* now that we know that the host is up */
}

void watch_answer(struct gossip *g, const struct gossip_msg_probe *p)
{
	for (uint32_t i = 0; i < g->n_watches; i++) {
		struct watch *w = &g->watches[i];

		if (w->id != p->subject || p->nonce - w->first_nonce > w->nonce - w->first_nonce ||
			w->state != WATCH_PROBING)
			continue;
		w->answered++;
		if (p->verdict == GOSSIP_VERDICT_YES)
			watch_heard(g, w->member);
	}
}

void watch_late(struct gossip *g, int64_t late_ms)
{
	for (uint32_t i = 0; i < g->n_watches; i++) {
		struct watch *w = &g->watches[i];

		w->heard_ms += late_ms;
		w->until_ms += late_ms;
	}
	for (uint32_t i = 0; i < RELAYS_MAX; i++)
		g->relays[i].until_ms += g->relays[i].until_ms ? late_ms : 0;
	g->heard_ms += late_ms;
	g->figures.late_ticks++;
	g->good_beats = 0;
	if (g->health < HEALTH_MAX)
		g->health++;
	if (late_ms >= LATE_TELL_MS)
		gossip_event(g, GOSSIP_EVENT_SLOW, g->id)->number = (uint64_t)late_ms;
	dial_soon(g);
}

static bool hears_nobody(const struct gossip *g)
{
	return g->n_alive > 1 && g->now.mono_ms - g->heard_ms > silence(g);
}

/* Those who live may have had no reason to speak to us: they are asked before we say that we hear nobody. */
static void ask_all(struct gossip *g)
{
	struct gossip_msg_probe p = {.nonce = ++g->nonce};

	g->asked_ms = g->now.mono_ms;
	LINKS_FOREACH(g, l)
	if (links_usable(l) && !l->passing)
		links_urgent(l, GOSSIP_MSG_PROBE, &p);
}

static void check_isolated(struct gossip *g)
{
	if (g->isolated || !hears_nobody(g))
		return;
	if (g->asked_ms <= g->heard_ms)
		ask_all(g);
	if (g->n_links > 0 && g->now.mono_ms - g->asked_ms < g->profile->probe_ms)
		return;
	g->isolated = true;
	gossip_event(g, GOSSIP_EVENT_ISOLATED, g->id)->number = (uint64_t)(g->now.mono_ms - g->heard_ms);
	dial_soon(g);
}

/* We are back: what nobody could be heard of meanwhile is no silence of theirs. */
void watch_hears(struct gossip *g)
{
	g->isolated = false;
	g->back_ms = g->now.mono_ms;
	for (uint32_t i = 0; i < g->n_watches; i++) {
		struct watch *w = &g->watches[i];

		if (w->state == WATCH_ACCUSED || w->refused_ms != 0)
			continue;
		if (w->state == WATCH_PROBING)
			move(w, WATCH_GOOD);
		w->heard_ms = MAX(w->heard_ms, g->now.mono_ms);
	}
}

static void look_again(struct gossip *g, const struct watch *w)
{
	const struct member *m = members_at(g, w->member);
	uint32_t obs[GOSSIP_RINGS];
	size_t n = m->accused ? rings_observers(g, m, obs) : 0;

	for (size_t i = 0; i < n && g->n_watches < ARRAY_LEN(g->watches); i++) {
		const struct member *o = members_at(g, obs[i]);
		struct watch *d = &g->watches[g->n_watches];

		if (obs[i] == g->self || state_accuser(m->accused, o->id) >= 0 || state_is_accused(o) ||
			watch_has(g, obs[i]))
			continue;
		*d = (struct watch){.id = o->id, .member = obs[i], .heard_ms = g->now.mono_ms, .deputy = true};
		g->n_watches++;
		probe(g, d, g->now.mono_ms + g->profile->probe_ms * g->health);
	}
}

/* We accused it, and had no memory to say so. */
static bool is_unsaid(const struct gossip *g, const struct watch *w)
{
	const struct member *m = members_at(g, w->member);

	return w->state == WATCH_ACCUSED && m->inc == w->inc && m->flags == 0 &&
	       (!m->accused || (m->accused->n < ACCUSERS_ALL && state_accuser(m->accused, g->id) < 0));
}

/* Accused for so long that all its observers must have noticed, and still not dead. */
static void second_looks(struct gossip *g)
{
	uint32_t n = g->n_watches;

	for (uint32_t i = 0; i < n; i++) {
		const struct watch *w = &g->watches[i];

		if (is_unsaid(g, w))
			say(g, w);
		if (w->deputy && w->state == WATCH_GOOD)
			g->rewire = true; /* it is dropped */
		else if (w->state == WATCH_ACCUSED && members_at(g, w->member)->inc == w->inc &&
			 g->now.mono_ms - w->accused_ms >= g->profile->probe_ms + g->profile->beat_ms)
			look_again(g, w);
	}
}

/*
 * All were asked something before we said that we hear nobody. Whose link has not brought the answer a beat after the
 * first was heard again has one as in drop_link: it is dialled anew, or the two of us would be deaf to each other.
 */
static void drop_stale(struct gossip *g)
{
	if (g->back_ms == 0 || g->isolated || g->now.mono_ms - g->back_ms < g->profile->beat_ms)
		return;
	LINKS_FOREACH(g, l)
	if (links_usable(l) && g->back_ms - l->heard_ms >= g->profile->silence_ms) {
		links_close(g, l, GOSSIP_CLOSE_SILENT);
		if (members_in_ring(members_at(g, l->member)))
			dial_want(g, members_at(g, l->member), 0); /* its end knows nothing of it */
	}
	g->back_ms = 0;
}

void watch_beat(struct gossip *g)
{
	check_isolated(g);
	drop_stale(g);
	second_looks(g);
	if (++g->good_beats < GOOD_BEATS)
		return;
	g->good_beats = 0;
	if (g->health > 1)
		g->health--;
}

static bool nobody_agrees(const struct gossip *g)
{
	uint32_t n = 0, alone = 0;

	for (uint32_t i = 0; i < g->n_watches; i++) {
		const struct watch *w = &g->watches[i];
		const struct member *m = members_at(g, w->member);

		n += !w->deputy;
		alone += w->state == WATCH_ACCUSED && m->inc == w->inc && m->accused && m->accused->n == 1;
	}
	return alone > 0 && alone >= n / 2;
}

bool watch_decides_alone(const struct gossip *g)
{
	return g->isolated && g->n_voters == 1 && g->voters[0] == g->id;
}

/*
 * A silence needs a witness. Who lost his own connection hears less and less of everybody: if he accused one after the
 * other, each of them would count for nothing in his view (state.c), his word alone would be enough to make them dead,
 * and that is what he would tell all, once he is heard again. So somebody must have been heard since relays were last
 * asked, and they are asked more than once before their saying nothing means nothing. And whoever accuses half of those
 * whom he watches, and nobody agrees in one of them, waits with the others; but he agrees with whoever spoke first, and
 * does not wait for ever: the few on one side of a cut, each of whom accused another one, would all wait for each
 * other. Two alone have no witness; nor has who votes alone when all others are silent, and nobody decides if he waits.
 */
static void time_is_up(struct gossip *g, struct watch *w)
{
	bool alone = g->n_alive <= 2 || w->refused_ms != 0 || watch_decides_alone(g);

	if (!alone && (g->isolated || g->heard_ms < w->probed_ms))
		w->until_ms = g->now.mono_ms + g->profile->beat_ms;
	else if (!alone && !members_at(g, w->member)->accused && nobody_agrees(g) &&
		 g->now.mono_ms - w->heard_ms < ALONE_SILENCES * silence(g))
		w->until_ms = g->now.mono_ms + g->profile->beat_ms;
	else if (!alone && w->answered == 0 && w->rounds < ROUNDS_MAX) /* or there was nobody to ask: now there is */
		probe_again(g, w);
	else
		accuse(g, w);
}

/* It was heard of as one that lives, by others: what we hold against it is against one that was before. */
static void begin_again(struct gossip *g, struct watch *w)
{
	move(w, WATCH_GOOD);
	w->heard_ms = MAX(w->heard_ms, g->now.mono_ms);
	w->refused_ms = 0;
	w->reached = false;
}

static void run(struct gossip *g, struct watch *w)
{
	int64_t now = g->now.mono_ms;

	if (w->state != WATCH_GOOD && members_at(g, w->member)->inc != w->inc)
		begin_again(g, w);
	switch (w->state) {
	case WATCH_GOOD:
		if (w->deputy || now < w->heard_ms + silence(g))
			break;
		if (dial_is_to_come(g, w->id))
			w->heard_ms += g->profile->beat_ms;
		else
			probe(g, w, now + g->profile->probe_ms * g->health);
		break;
	case WATCH_PROBING:
		if (now < w->until_ms)
			break;
		check_isolated(g);
		time_is_up(g, w);
		break;
	default:
		break;
	}
}

void watch_run(struct gossip *g)
{
	for (uint32_t i = 0; i < g->n_watches; i++)
		run(g, &g->watches[i]);
}

int64_t watch_deadline(const struct gossip *g)
{
	int64_t at = DEADLINE_NEVER;

	for (uint32_t i = 0; i < g->n_watches; i++) {
		const struct watch *w = &g->watches[i];

		if (w->state == WATCH_GOOD && !w->deputy)
			at = MIN(at, w->heard_ms + silence(g));
		else if (w->state == WATCH_PROBING)
			at = MIN(at, w->until_ms);
	}
	return at;
}
