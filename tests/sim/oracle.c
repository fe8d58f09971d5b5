/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix of who sees whom how, kept up to date from what each core says has changed, and what is checked at each
 * change. Agreement at the end is in oracle_end.c.
 */
#include "tests/sim/oracle_priv.h"

#include <inttypes.h>
#include <string.h>

#include "tests/sim/node.h"

#define CALM_US	       15000000
#define KNOWN_MAX      2048 /* beyond, growth is not checked: a matrix of numbers would be too large */
#define BYTES_BASE     (512 * 1024)
#define BYTES_A_MEMBER 8192

struct oracle *oracle_new(struct sim *s)
{
	struct oracle *o = calloc(1, sizeof(*o));
	size_t room = s->o.room;

	assert(o);
	o->view = calloc(room, room);
	o->count = calloc(room, sizeof(o->count[0]));
	o->got = calloc(room, sizeof(o->got[0]));
	if (room <= KNOWN_MAX)
		o->known = calloc(room * room, sizeof(o->known[0]));
	assert(o->view && o->count && o->got);
	return o;
}

void oracle_free(struct oracle *o)
{
	if (!o)
		return;
	sample_done(&o->watch_ms);
	free(o->view);
	free(o->count);
	free(o->got);
	free(o->known);
	free(o);
}

static uint8_t *row_of(struct sim_node *n)
{
	return n->sim->oracle->view + (size_t)n->number * n->sim->o.room;
}

static void count_row(struct sim_node *n, int by)
{
	struct oracle *o = n->sim->oracle;
	const uint8_t *row = row_of(n);

	n->counted = by > 0;
	o->living += (uint32_t)by;
	o->changed = true;
	for (uint32_t i = 0; i < n->sim->o.room; i++)
		o->count[i].of[row[i]] += (uint32_t)by;
}

void oracle_begins(struct sim_node *n)
{
	struct sim *s = n->sim;

	memset(row_of(n), ORACLE_UNKNOWN, s->o.room);
	if (s->oracle->known)
		memset(s->oracle->known + (size_t)n->number * s->o.room, 0, s->o.room * sizeof(s->oracle->known[0]));
	oracle_returns(n);
}

void oracle_parts(struct sim_node *n)
{
	if (n->counted)
		count_row(n, -1);
}

void oracle_returns(struct sim_node *n)
{
	if (!n->counted && !n->forgotten)
		count_row(n, 1);
}

void oracle_touch(struct sim_node *n, bool begins)
{
	assert(begins || n->faults > 0);
	n->faults += begins ? 1 : -1;
	n->calm_us = n->faults ? INT64_MAX : n->sim->now_us;
	n->sim->oracle->changed = true;
}

static bool calm(const struct sim_node *n)
{
	return node_lives(n) && !n->leaving && !n->forgotten && n->calm_us < n->sim->now_us - CALM_US;
}

/* More than half of those who may say that it is dead are calm. */
static bool is_promised(struct sim_node *viewer, const struct sim_node *subject)
{
	struct sim *s = viewer->sim;
	uint64_t ids[GOSSIP_RINGS];
	size_t n, calm_ones = 0;

	if (!calm(subject))
		return false;
	n = gossip_observers(viewer->g, subject->id, ids);
	for (size_t i = 0; i < n; i++)
		calm_ones += calm(&s->nodes[sim_number_of(ids[i])]);
	return calm_ones * 2 > n;
}

/* Said of a boot that is over, or refuted already. */
static bool is_stale(struct sim_node *subject, uint64_t incarnation)
{
	struct gossip_member self;

	return !node_lives(subject) || !gossip_member_get(subject->g, subject->id, &self) ||
	       incarnation < self.incarnation;
}

/* That verdict stands elsewhere: it was judged when it was made, and is only heard of here. */
static bool is_hearsay(struct sim_node *n, struct sim_node *subject, uint64_t incarnation)
{
	struct sim *s = n->sim;
	struct gossip_member m;

	for (uint32_t i = 0; i < s->o.room; i++)
		if (&s->nodes[i] != n && node_lives(&s->nodes[i]) &&
			gossip_member_get(s->nodes[i].g, subject->id, &m) && m.state == GOSSIP_DEAD &&
			m.incarnation == incarnation)
			return true;
	return false;
}

static void count_fall(struct sim_node *n, struct sim_node *subject, enum oracle_view view, uint64_t incarnation)
{
	struct sim *s = n->sim;
	struct oracle_counts *c = &s->oracle->counts;

	if ((view != ORACLE_SUSPECT && view != ORACLE_DEAD) || is_stale(subject, incarnation))
		return;
	if (view == ORACLE_SUSPECT && calm(subject))
		c->false_suspects++;
	if (view != ORACLE_DEAD)
		return;
	c->false_dead++;
	c->calm_dead += calm(subject);
	if (!is_promised(n, subject) || is_hearsay(n, subject, incarnation))
		return;
	c->broken_promises++;
	if (!s->oracle->tolerates)
		sim_fail(s, n->number, "it calls n%" PRIu32 " dead, who is well", subject->number);
}

static void must_grow(struct sim_node *n, const struct gossip_member *m, uint32_t subject)
{
	struct sim *s = n->sim;
	struct oracle_known *k;

	if (!s->oracle->known)
		return;
	k = s->oracle->known + (size_t)n->number * s->o.room + subject;
	if (m->state == GOSSIP_FORGOTTEN || m->state == GOSSIP_LEFT) {
		*k = (struct oracle_known){.incarnation = k->incarnation};
		return;
	}
	if (m->incarnation < k->incarnation)
		sim_fail(s, n->number, "incarnation of n%" PRIu32 " fell from %" PRIx64 " to %" PRIx64, subject,
			k->incarnation, m->incarnation);
	if (m->incarnation >> 32 == k->incarnation >> 32 && m->version < k->version)
		sim_fail(s, n->number, "version of n%" PRIu32 "'s map fell from %" PRIu32 " to %" PRIu32, subject,
			k->version, m->version);
	k->incarnation = m->incarnation;
	k->version = m->version;
}

static void must_be_own(struct sim_node *n, const struct gossip_member *m)
{
	struct sim *s = n->sim;

	if (m->state != GOSSIP_ALIVE && !n->leaving && !n->forgotten)
		sim_fail(s, n->number, "it calls itself %s", gossip_state_name(m->state));
	if (m->incarnation >> 32 != n->boot)
		sim_fail(s, n->number, "its boot is %" PRIu32 ", and it says %" PRIu64, n->boot, m->incarnation >> 32);
	if (m->state == GOSSIP_ALIVE)
		oracle_own_map(n);
}

void oracle_own_map(struct sim_node *n)
{
	for (unsigned i = 0; i < SIM_KEYS_MAX; i++) {
		const struct sim_key *k = &n->keys[i];
		char name[16];
		struct gossip_str key = {.v = name}, value;
		bool is;

		if (!k->set || k->unsure)
			continue;
		key.n = (uint16_t)snprintf(name, sizeof(name), "key/%u", i);
		is = gossip_value_get(n->g, n->id, key, &value);
		if (is == k->removed || (is && (value.n != k->len || memcmp(value.v, k->value, k->len) != 0)))
			sim_fail(n->sim, n->number, "its own %s is not what it set", name);
	}
}

static void watch(struct sim_node *n, const struct gossip_member *m, uint32_t subject)
{
	struct sim *s = n->sim;
	struct oracle *o = s->oracle;

	if (subject != o->watched || m->version < o->watch_version || o->got[n->number] == o->watch_round || m->self)
		return;
	o->got[n->number] = o->watch_round;
	o->n_got++;
	o->changed = true;
	sample_add(&o->watch_ms, (double)(s->now_us - o->watch_us) / 1000);
}

static void changed(struct sim_node *n, const struct gossip_member *m)
{
	static const enum oracle_view views[GOSSIP_STATE_MAX] = {
		[GOSSIP_ALIVE] = ORACLE_ALIVE,
		[GOSSIP_SUSPECT] = ORACLE_SUSPECT,
		[GOSSIP_DEAD] = ORACLE_DEAD,
		[GOSSIP_LEFT] = ORACLE_LEFT,
		[GOSSIP_FORGOTTEN] = ORACLE_FORGOTTEN,
	};
	struct sim *s = n->sim;
	struct oracle *o = s->oracle;
	uint32_t subject = sim_number_of(m->id);
	uint8_t *view = row_of(n) + subject, now = (uint8_t)views[m->state];

	assert(subject < s->o.room && s->nodes[subject].id == m->id);
	o->changed |= n->w != NULL; /* maps count too */
	must_grow(n, m, subject);
	if (m->self)
		must_be_own(n, m);
	if (s->nodes[subject].member || m->self)
		watch(n, m, subject);
	if (*view == now)
		return;
	if (n->counted) {
		o->count[subject].of[*view]--;
		o->count[subject].of[now]++;
		o->changed = true;
	}
	*view = now;
	count_fall(n, &s->nodes[subject], now, m->incarnation);
}

void oracle_stepped(struct sim_node *n)
{
	struct gossip_member m;
	size_t most;

	while (gossip_change_next(n->g, &n->view_cursor, &m))
		changed(n, &m);
	most = BYTES_BASE + BYTES_A_MEMBER * gossip_members(n->g);
	if (n->bytes > most)
		sim_fail(n->sim, n->number, "%zu bytes, more than %zu", n->bytes, most);
}

uint32_t oracle_count(const struct sim *s, uint32_t subject, enum oracle_view view)
{
	return s->oracle->count[subject].of[view];
}

uint32_t oracle_living(const struct sim *s)
{
	return s->oracle->living;
}

bool oracle_changed(struct sim *s)
{
	bool was = s->oracle->changed;

	s->oracle->changed = false;
	return was;
}

void oracle_watch(struct sim *s, uint32_t origin)
{
	struct oracle *o = s->oracle;
	struct gossip_member m;
	bool there = gossip_member_get(s->nodes[origin].g, s->nodes[origin].id, &m);

	assert(there);
	o->watched = origin;
	o->watch_version = m.version;
	o->watch_us = s->now_us;
	o->watch_round++;
	o->n_got = 0;
}

size_t oracle_watched(const struct sim *s)
{
	return s->oracle->n_got;
}

struct sample *oracle_watch_ms(struct sim *s)
{
	return &s->oracle->watch_ms;
}

struct oracle_counts *oracle_counts(struct sim *s)
{
	return &s->oracle->counts;
}

void oracle_tolerate(struct sim *s)
{
	s->oracle->tolerates = true;
}
