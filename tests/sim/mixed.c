/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which node is of which version, and when it becomes another one.
 */
#include "tests/sim/mixed.h"

#include <inttypes.h>
#include <string.h>

#include "tests/sim/mixed_priv.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole.h"

#define S_US	 1000000LL
#define DOWN_US	 (3 * S_US) /* an upgrade takes, at most */
#define AGAIN_US (2 * S_US) /* nobody can be upgraded now */
#define BACK_OF	 6	    /* one in so many goes back */
#define TRIES	 20

static struct sim_node *works; /* whose code runs: for encoders and writers, which are not told */

struct sim_node *mixed_enter(struct sim_node *n)
{
	struct sim_node *was = works;

	works = n;
	return was;
}

struct mixed *mixed_at_work(struct sim_node **ret)
{
	*ret = works;
	return works ? mixed_of(works->sim) : NULL;
}

static bool chance(struct mixed *m, uint32_t of_100)
{
	return rng_below(&m->rng, 100) < of_100;
}

struct mixed *mixed_new(struct sim *s, uint64_t seed)
{
	static const uint32_t firsts[] = {0, 20, 50, 80, 100}, ups[] = {0, 30, 60, 90}, downs[] = {0, 0, 20, 50};
	static const int64_t pauses_us[] = {0, 2 * S_US, 6 * S_US, 15 * S_US};
	struct mixed *m = calloc(1, sizeof(*m));

	assert(m);
	rng_seed(&m->rng, seed ^ 0x6d69786564);
	m->next.kind = SIM_ITEM_MIXED;
	m->first = firsts[rng_below(&m->rng, ARRAY_LEN(firsts))];
	m->up = ups[rng_below(&m->rng, ARRAY_LEN(ups))];
	m->down_again = downs[rng_below(&m->rng, ARRAY_LEN(downs))];
	m->pause_us = pauses_us[rng_below(&m->rng, ARRAY_LEN(pauses_us))];
	m->raises = rng_below(&m->rng, 2) == 0;
	(void)snprintf(m->agent, sizeof(m->agent), "a%" PRIu64, rng_below(&m->rng, s->whole->agents)); /* fits */
	m->is_root = rng_below(&m->rng, 3) == 0;
	if (rng_below(&m->rng, 8) == 0) { /* all are of one version */
		m->first = m->up = 0;
		m->pause_us = 0;
	}
	return m;
}

void mixed_free(struct sim *s)
{
	struct mixed *m = mixed_of(s);

	if (!m)
		return;
	heap_del(&s->heap, &m->next);
	for (size_t i = 0; i < m->n_values; i++)
		free(m->values[i].fields.v);
	free(m->values);
	free(m);
	s->whole->mixed = NULL;
}

/* Nobody changes any more once nothing is done to anybody. */
void mixed_starts(struct sim_node *n)
{
	struct mixed *m = mixed_of(n->sim);
	bool was = n->newer;

	if (!m)
		return;
	if (n->boot == 0)
		n->newer = chance(m, m->first);
	else if (m->down != n && !n->sim->whole->calm)
		n->newer = was ? !chance(m, m->down_again) : chance(m, m->up);
	m->starts += n->newer;
	if (n->newer || was)
		story_tell(&n->sim->story, n->sim->now_us, n->number, UINT32_MAX, "is of version %s",
			n->newer ? "N+1" : "N");
}

/* ---- the rolling upgrade ---- */

static struct sim_node *pick(struct sim *s, struct mixed *m, bool newer)
{
	for (unsigned i = 0; i < TRIES; i++) {
		struct sim_node *n = &s->nodes[rng_below(&m->rng, s->o.room)];

		if (n->life == SIM_RUNS && n->newer == newer && n->faults == 0 && !n->leaving && !n->w->ending)
			return n;
	}
	return NULL;
}

/* As a package does it, or a crash in the middle of it. */
static bool take_down(struct sim *s, struct mixed *m, struct sim_node *n)
{
	story_tell(&s->story, s->now_us, n->number, UINT32_MAX, "is %s", n->newer ? "put back to N" : "upgraded");
	if (rng_below(&m->rng, 4))
		whole_farewell(n);
	if (!node_kill(n))
		return false;
	oracle_touch(n, true);
	n->newer = !n->newer;
	m->down = n;
	return true;
}

static void bring_up(struct mixed *m)
{
	struct sim_node *n = m->down;

	if (!n)
		return;
	oracle_touch(n, false);
	(void)node_start(n, false); /* its host may be lost meanwhile */
	m->down = NULL;
}

void mixed_due(struct sim *s)
{
	struct mixed *m = mixed_of(s);
	struct sim_node *n;

	if (m->down) {
		bring_up(m);
		heap_set(&s->heap, &m->next, s->now_us + 1 + (int64_t)rng_below(&m->rng, (uint64_t)(2 * m->pause_us)));
		return;
	}
	n = pick(s, m, rng_below(&m->rng, BACK_OF) == 0);
	if (n && take_down(s, m, n))
		heap_set(&s->heap, &m->next, s->now_us + 1 + (int64_t)rng_below(&m->rng, DOWN_US));
	else
		heap_set(&s->heap, &m->next, s->now_us + AGAIN_US);
}

void mixed_begin(struct sim *s)
{
	struct mixed *m = mixed_of(s);

	if (m && m->pause_us)
		heap_set(&s->heap, &m->next, s->now_us + m->pause_us);
}

static struct sim_node *a_newer_one(const struct sim *s)
{
	for (uint32_t i = 0; i < s->o.room; i++) {
		struct sim_node *n = &s->nodes[i];

		if (n->life == SIM_RUNS && n->member && n->newer && !n->leaving)
			return n;
	}
	return NULL;
}

void mixed_end(struct sim *s)
{
	struct mixed *m = mixed_of(s);

	if (!m)
		return;
	heap_del(&s->heap, &m->next);
	bring_up(m);
}

void mixed_calm(struct sim *s)
{
	const struct mixed *m = mixed_of(s);

	for (uint32_t i = 0; i < s->o.room && m && m->raised && !a_newer_one(s); i++) {
		struct sim_node *n = &s->nodes[i];

		if (n->life != SIM_RUNS || !n->member || n->leaving || !node_kill(n))
			continue;
		n->newer = true;
		(void)node_start(n, false); /* it is down */
	}
}

struct whole *mixed_to_ask(struct sim *s, struct whole *w)
{
	const struct mixed *m = mixed_of(s);
	const struct sim_node *n = m && m->raised && m->is_root ? a_newer_one(s) : NULL;

	return n && n->w->n ? n->w : w;
}

void mixed_figures(const struct mixed *m, struct figures *f)
{
	figures_add(f, "", -1, (double)m->starts, "newer_starts");
	figures_add(f, "", -1, (double)m->frames, "newer_frames");
	figures_add(f, "", -1, (double)m->odds, "unknown_messages");
	figures_add(f, "", -1, (double)m->written, "newer_values");
	figures_add(f, "", -1, (double)m->carried, "fields_carried");
	figures_add(f, "", -1, (double)m->raised, "min_version_raised");
	figures_add(f, "", -1, (double)m->beyond, "refused_as_newer");
}
