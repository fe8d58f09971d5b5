/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom to dial, and when. Of two that want each other the smaller id dials at once, the other after a pause, unless
 * only it can. Failed dials are repeated after growing, jittered pauses, for ever. The dead, and seeds where nobody
 * known was found, are dialled one at a time, each about as often as one alone, up to a dial each REDIALS pauses: so
 * halves of a cluster that lost each other meet again by themselves, hours later too, at a cost that is bounded. Of
 * members a few are dialled at a time, those whose link was lost aside: whoever refuses says that it is down.
 *
 * Who has no link dials few seeds at a time, and when the first of them is up no member until that one has told who is
 * there, and no news of that came for a while: where all hosts of a site start at once, handshakes with neighbours take
 * the processors that the first links of others need, and while the list grows the neighbours are others each time.
 */
#include "gossip/gossip_impl.h"

#define SEEDS_AT_ONCE 3 /* the first ones of a list are the likeliest to be there */
#define SEEDS_PACED   2 /* under way at a time; one more each SEED_STEP_MS in which none ended */
#define SEED_STEP_MS  500
#define NEWS_DIALS    2	    /* handshakes' time in which somebody new is heard of, while they come */
#define PACE_STEP_MS  250   /* or twice what a dial takes: then another one may begin beside it */
#define BUILD_MAX_MS  20000 /* for all neighbours to be dialled once */
#define OTHERS_DIALS  4	    /* the other end of a pair has so many to dial before us, when all begin */
#define SILENT_DIALS  4	    /* handshakes' time that one takes at most, where all dial at once */
#define REDIALS	      5	    /* pauses of redial_min_ms that lie between the dead, however many they are */
#define ANSWER_MS     60000 /* by then the edge has answered; a dial that it forgot begins anew */

static int64_t pause_of(struct gossip *g, unsigned tries, int64_t min_ms, int64_t max_ms)
{
	return gossip_jitter(g, MIN(min_ms << MIN(tries, 20u), max_ms));
}

static bool can_dial(const struct member *m)
{
	return m->record && m->record->address_n > 0;
}

static const char *address_of(const struct member *m)
{
	return m->record->text + m->record->name_n + 1;
}

const char *dial_address(const struct member *m)
{
	return can_dial(m) ? address_of(m) : NULL;
}

static struct dial *find(struct gossip *g, uint64_t id)
{
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		if (g->dials[i].id == id)
			return &g->dials[i];
	return NULL;
}

static bool is_ours_to_dial(const struct gossip *g, uint64_t id)
{
	return g->id < id || !can_dial(members_at(g, g->self));
}

/* Where handshakes take long, the other end of a pair is given longer to dial. */
static int64_t due_ms(const struct gossip *g, const struct dial *d)
{
	bool waits = d->token == 0 && d->tries == 0 && !d->at_once && !is_ours_to_dial(g, d->id);

	return d->next_ms + (waits ? MIN(OTHERS_DIALS * g->took_ms, g->profile->hold_ms) : 0);
}

void dial_want(struct gossip *g, const struct member *m, int64_t pause_ms)
{
	struct dial *d = find(g, m->id);
	int64_t usual_ms = is_ours_to_dial(g, m->id) ? 0 : g->profile->dial_other_ms;

	if (!can_dial(m))
		return;
	if (!d) {
		d = find(g, 0);
		if (!d)
			return; /* some that are no longer wanted are under way: the next rewiring finds a place */
		*d = (struct dial){.id = m->id, .next_ms = g->now.mono_ms + (pause_ms < 0 ? usual_ms : pause_ms)};
	} else if (pause_ms == 0 && d->token == 0) {
		d->next_ms = g->now.mono_ms;
		d->tries = 0;
	}
	d->at_once |= pause_ms == 0;
	d->lost |= pause_ms >= 0;
	d->wanted = true;
}

void dial_wanted_begin(struct gossip *g)
{
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		g->dials[i].wanted = false;
}

void dial_wanted_end(struct gossip *g)
{
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		if (!g->dials[i].wanted && g->dials[i].token == 0)
			g->dials[i].id = 0;
}

static bool alone(const struct gossip *g)
{
	return g->waiting || g->n_alive <= 1 || (g->isolated && g->n_links == 0);
}

static void took(struct gossip *g, int64_t next_ms)
{
	int64_t ms = g->now.mono_ms - (next_ms - ANSWER_MS);

	g->took_ms = g->took_ms ? (3 * g->took_ms + ms) / 4 : ms;
}

static void seed_found(struct gossip *g, uint32_t token, uint64_t id)
{
	for (uint32_t i = 0; i < g->n_seeds; i++)
		if (g->seeds[i].token == token) {
			took(g, g->seeds[i].next_ms);
			g->seeds[i].token = 0;
			g->seeds[i].id = id;
			g->seeds[i].tries = 0;
			g->seeds[i].next_ms = g->now.mono_ms + gossip_jitter(g, g->profile->redial_min_ms);
		}
}

void dial_answered(struct gossip *g, uint32_t token, uint64_t id)
{
	if (token == 0)
		return;
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		if (g->dials[i].token == token) {
			took(g, g->dials[i].next_ms);
			g->dials[i] = (struct dial){0};
		}
	seed_found(g, token, id);
	guests_answered(g, token);
	if (g->redial.token == token) {
		g->redial.token = 0;
		if (g->redial_seed < g->n_seeds)
			g->seeds[g->redial_seed].id = id;
		g->redial.tries = 0;
		g->redial.next_ms = g->now.mono_ms + gossip_jitter(g, g->profile->redial_min_ms);
	}
	g->rewire = true;
}

/* The dead member before which so many others stand that can be dialled; NULL, and how many there are. */
static const struct member *dead_at(const struct gossip *g, uint32_t at, uint32_t *ret_n)
{
	*ret_n = 0;
	if (g->n_state[GOSSIP_DEAD] == 0)
		return NULL;
	MEMBERS_FOREACH(g, m)
	if (m->state == GOSSIP_DEAD && can_dial(m) && (*ret_n)++ == at)
		return m;
	return NULL;
}

/* Each of the dead has its turn about as often as one alone would have. */
static int64_t redial_pause(struct gossip *g)
{
	const struct profile *p = g->profile;
	int64_t all = pause_of(g, g->redial.tries, p->redial_min_ms, p->redial_max_ms);
	uint32_t n;

	(void)dead_at(g, UINT32_MAX, &n);
	return MAX(all / (int64_t)MAX(n, 1u), MIN(all, REDIALS * p->redial_min_ms));
}

static void failed_member(struct gossip *g, struct dial *d, enum gossip_dial_end how)
{
	const struct profile *p = g->profile;
	uint32_t member = members_index(g, d->id);

	d->token = 0;
	/* Where a link was just lost a daemon may be ending, and takes its last connections along. */
	if (!d->at_once && (how == GOSSIP_DIAL_TURNED_AWAY || how == GOSSIP_DIAL_SELF))
		d->tries = (uint8_t)MAX(d->tries, 4);
	d->at_once = false;
	d->next_ms = g->now.mono_ms + pause_of(g, d->tries, p->dial_min_ms, p->dial_max_ms);
	if (d->tries < UINT8_MAX)
		d->tries++;
	if (!d->wanted)
		d->id = 0;
	if (how == GOSSIP_DIAL_REFUSED && member != MEMBER_NONE)
		watch_refused(g, member);
}

/*
 * A node that waits dials two seeds in that time, however many there are: where one list of all is on all hosts, all
 * wait, and each dial between two of them is a handshake of TLS for nothing. One who was let in dials those that wait.
 */
static int64_t waiting_pause(struct gossip *g)
{
	return gossip_jitter(g, g->profile->waiting_max_ms * MAX(g->n_seeds / 2, 1u));
}

void dial_seeds_first(struct gossip *g)
{
	for (uint32_t i = 0; i < g->n_seeds; i++) {
		bool later = g->waiting && i >= SEEDS_AT_ONCE;

		g->seeds[i].next_ms = g->now.mono_ms + (later ? waiting_pause(g) * (int64_t)i / g->n_seeds : 0);
	}
}

void dial_failed(struct gossip *g, const struct gossip_in *in)
{
	const struct profile *p = g->profile;

	for (uint32_t i = 0; in->dial && i < DIALS_MAX; i++)
		if (g->dials[i].token == in->dial)
			failed_member(g, &g->dials[i], in->how);
	for (uint32_t i = 0; in->dial && i < g->n_seeds; i++) {
		struct seed *s = &g->seeds[i];
		int64_t pause;

		if (s->token != in->dial)
			continue;
		s->token = 0;
		if (in->how == GOSSIP_DIAL_SELF)
			s->id = g->id;
		if (!g->waiting)
			pause = pause_of(g, s->tries, p->dial_min_ms, p->dial_max_ms);
		else if (in->how == GOSSIP_DIAL_REFUSED) /* it begins, as we do: that costs next to nothing */
			pause = pause_of(g, s->tries, p->dial_min_ms, p->waiting_max_ms);
		else
			pause = waiting_pause(g);
		s->next_ms = g->now.mono_ms + pause;
		if (s->tries < UINT8_MAX)
			s->tries++;
	}
	if (in->dial)
		guests_answered(g, in->dial);
	if (in->dial && g->redial.token == in->dial) {
		g->redial.token = 0;
		if (in->how == GOSSIP_DIAL_SELF && g->redial_seed < g->n_seeds)
			g->seeds[g->redial_seed].id = g->id;
		g->redial.next_ms = g->now.mono_ms + redial_pause(g);
		if (g->redial.tries < UINT8_MAX)
			g->redial.tries++;
	}
}

static void soon(struct gossip *g, int64_t *next_ms, uint8_t *tries, uint32_t token)
{
	int64_t at = g->now.mono_ms + (int64_t)rng_below(&g->rng, 20);

	if (token != 0)
		return;
	*next_ms = MIN(*next_ms, at);
	*tries = 0;
}

void dial_soon(struct gossip *g)
{
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		soon(g, &g->dials[i].next_ms, &g->dials[i].tries, g->dials[i].token);
	for (uint32_t i = 0; i < g->n_seeds && !g->waiting; i++) /* a late one that waits would only be later */
		soon(g, &g->seeds[i].next_ms, &g->seeds[i].tries, g->seeds[i].token);
	soon(g, &g->redial.next_ms, &g->redial.tries, g->redial.token);
}

void dial_died(struct gossip *g)
{
	int64_t at = g->now.mono_ms + gossip_jitter(g, g->profile->redial_min_ms);

	g->died = true;
	g->redial.tries = 0;
	if (g->redial.token == 0)
		g->redial.next_ms = MIN(g->redial.next_ms, at);
}

/* False: no place among the outputs. */
bool dial_emit(struct gossip *g, uint32_t *token, int64_t *next_ms, uint64_t id, const char *address)
{
	struct gossip_out *out = gossip_emit(g, GOSSIP_OUT_DIAL);

	if (!out)
		return false;
	if (++g->token == 0)
		g->token++;
	*token = g->token;
	*next_ms = g->now.mono_ms + ANSWER_MS;
	out->dial = g->token;
	out->id = id;
	out->address = address;
	g->figures.dials++;
	return true;
}

/* When there is room for another one, at the latest: handshakes that all begin at once all end late. */
static int64_t paced_until(const struct gossip *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < DIALS_MAX; i++)
		n += g->dials[i].token != 0;
	return n < g->profile->dials ? 0
	       : n >= PACED_MAX	     ? DEADLINE_NEVER
				     : g->dial_ms + MAX(PACE_STEP_MS, 2 * g->took_ms);
}

static bool has_met(const struct gossip *g)
{
	LINKS_FOREACH(g, l)
	if (l->met)
		return true;
	return false;
}

void dial_first(struct gossip *g)
{
	g->first_ms = g->now.mono_ms;
	g->build_ms = g->now.mono_ms + BUILD_MAX_MS;
}

static bool is_to_come(const struct dial *d)
{
	return d->id != 0 && d->wanted && d->tries == 0 && !d->lost;
}

/* Under way for longer than dials take, also where many begin at once: that is a silence, as of one that has a link. */
static bool says_nothing(const struct gossip *g, const struct dial *d)
{
	int64_t began_ms = d->next_ms - ANSWER_MS;

	return d->token != 0 && g->now.mono_ms - began_ms >= MAX(SILENT_DIALS * g->took_ms, g->profile->beat_ms);
}

bool dial_is_to_come(const struct gossip *g, uint64_t id)
{
	for (uint32_t i = 0; i < DIALS_MAX && g->now.mono_ms < g->build_ms; i++)
		if (g->dials[i].id == id)
			return is_to_come(&g->dials[i]) && !says_nothing(g, &g->dials[i]);
	return false;
}

/* Until when members are not dialled, but for those whose link was lost; 0: they are. */
static int64_t held_until(const struct gossip *g)
{
	int64_t at = g->first_ms + g->profile->hold_ms, settle = MAX(g->profile->settle_ms, NEWS_DIALS * g->took_ms);

	if (g->first_ms == 0 || g->n_links == 0)
		return 0;
	return has_met(g) ? MIN(at, MAX(g->first_ms, MAX(g->new_ms, g->late_ms)) + settle) : at;
}

static bool is_paced(const struct gossip *g)
{
	return g->first_ms != 0 || paced_until(g) > g->now.mono_ms;
}

/* ours: those that are ours to dial; their order is the same everywhere, so that two seldom dial each other. */
static bool run_members(struct gossip *g, bool ours)
{
	bool paced = is_paced(g);

	for (uint32_t i = 0; i < DIALS_MAX; i++) {
		struct dial *d = &g->dials[i];
		const struct member *m;
		bool waits = !d->at_once && d->token == 0 && paced;

		if (d->id == 0 || due_ms(g, d) > g->now.mono_ms || waits)
			continue;
		m = members_find(g, d->id);
		if (!m || !d->wanted || !can_dial(m) || !members_in_ring(m) || m->link != FROM_NONE)
			*d = (struct dial){0};
		else if (is_ours_to_dial(g, m->id) != ours)
			continue;
		else if (!dial_emit(g, &d->token, &d->next_ms, d->id, address_of(m)))
			return false;
		else
			g->dial_ms = g->now.mono_ms;
		paced = is_paced(g);
	}
	return true;
}

/* From when on another seed may be dialled. */
static int64_t seeds_paced(const struct gossip *g)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < g->n_seeds; i++)
		n += g->seeds[i].token != 0;
	return n < SEEDS_PACED ? 0 : g->seed_ms + SEED_STEP_MS;
}

static bool run_seeds(struct gossip *g)
{
	for (uint32_t i = 0; i < g->n_seeds && alone(g); i++) {
		struct seed *s = &g->seeds[i];

		if (s->id == g->id || s->next_ms > g->now.mono_ms || seeds_paced(g) > g->now.mono_ms)
			continue;
		if (!dial_emit(g, &s->token, &s->next_ms, 0, s->address))
			return false;
		g->seed_ms = g->now.mono_ms;
	}
	return true;
}

/* One after the other, from another one on at each node: who came back may be any of them. NULL: there is none. */
static const struct member *next_dead(const struct gossip *g)
{
	uint32_t n;

	(void)dead_at(g, UINT32_MAX, &n);
	return n > 0 ? dead_at(g, g->redial_dead % n, &n) : NULL;
}

/* Somebody whom we know is there, under that very address. */
bool dial_knows(const struct gossip *g, const char *address)
{
	MEMBERS_FOREACH(g, m)
	if (m->state <= GOSSIP_DEAD && can_dial(m) && strcmp(address_of(m), address) == 0)
		return true;
	return false;
}

/* A seed where nobody was found who is alive, from a random one on; NULL: none. */
static struct seed *some_seed(struct gossip *g)
{
	uint32_t from = g->n_seeds ? (uint32_t)rng_below(&g->rng, g->n_seeds) : 0;

	for (uint32_t i = 0; i < g->n_seeds; i++) {
		struct seed *s = &g->seeds[(from + i) % g->n_seeds];
		const struct member *m = s->id ? members_find(g, s->id) : NULL;

		if (s->token == 0 && s->id != g->id && !(m && (members_in_ring(m) || m->state == GOSSIP_DEAD)) &&
			!dial_knows(g, s->address))
			return s;
	}
	return NULL;
}

static void run_redial(struct gossip *g)
{
	const struct member *m;
	struct seed *s;
	bool done;

	if (g->redial.next_ms > g->now.mono_ms)
		return;
	m = next_dead(g);
	s = alone(g) || (m && rng_below(&g->rng, 4) != 0) ? NULL : some_seed(g);
	g->redial_seed = UINT32_MAX;
	if (s) {
		g->redial_seed = (uint32_t)(s - g->seeds);
		done = dial_emit(g, &g->redial.token, &g->redial.next_ms, 0, s->address);
	} else if (m) {
		done = dial_emit(g, &g->redial.token, &g->redial.next_ms, m->id, address_of(m));
		g->redial_dead += done;
	} else {
		done = true;
		g->redial.next_ms = g->now.mono_ms + gossip_jitter(g, g->profile->redial_max_ms);
	}
	(void)done; /* without a place it stays due */
}

/*
 * All begin at about the same time now, and whoever is to dial us has to have his turn first. Where many are and a dial
 * takes long we begin somewhen in the time in which each could have one: some may still be without their first link.
 */
static void let_go(struct gossip *g)
{
	int64_t spread = MIN((int64_t)g->n_alive * g->took_ms, g->profile->hold_ms);
	int64_t from = g->now.mono_ms + (int64_t)rng_below(&g->rng, (uint64_t)spread + 1);

	g->first_ms = 0;
	for (uint32_t i = 0; i < DIALS_MAX; i++) {
		struct dial *d = &g->dials[i];

		if (d->id != 0 && d->token == 0 && !d->at_once)
			d->next_ms =
				MAX(d->next_ms, from + (is_ours_to_dial(g, d->id) ? 0 : g->profile->dial_other_ms));
	}
}

static bool is_built(const struct gossip *g)
{
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		if (is_to_come(&g->dials[i]))
			return g->now.mono_ms >= g->build_ms;
	return true;
}

void dial_run(struct gossip *g)
{
	if (!gossip_active(g))
		return;
	if (g->first_ms != 0 && held_until(g) <= g->now.mono_ms)
		let_go(g);
	if (g->build_ms != 0 && g->first_ms == 0 && is_built(g))
		g->build_ms = 0;
	if (run_members(g, true) && run_members(g, false) && run_seeds(g) && guests_run(g))
		run_redial(g);
}

int64_t dial_deadline(const struct gossip *g)
{
	int64_t at = MIN(g->redial.next_ms, guests_deadline(g)), held = held_until(g), seeds = seeds_paced(g);
	int64_t paced = MAX(paced_until(g), held);

	if (!gossip_active(g))
		return DEADLINE_NEVER;
	for (uint32_t i = 0; i < DIALS_MAX; i++)
		if (g->dials[i].id != 0)
			at = MIN(at, g->dials[i].at_once || g->dials[i].token != 0
					     ? due_ms(g, &g->dials[i])
					     : MAX(due_ms(g, &g->dials[i]), paced));
	for (uint32_t i = 0; i < g->n_seeds && alone(g); i++)
		if (g->seeds[i].id != g->id)
			at = MIN(at, MAX(g->seeds[i].next_ms, seeds));
	return at;
}
