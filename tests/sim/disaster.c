/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss, the word of an operator, and who comes back.
 */
#include "tests/sim/disaster.h"

#include <inttypes.h>
#include <string.h>

#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

#define S_US	   1000000LL
#define SEEDS	   3		/* everybody's first addresses (faults_kinds.c): one of them stays */
#define OFF_US	   (76 * S_US)	/* what lost voters have granted is over then (74 s, and the clocks) */
#define BACK_US	   (150 * S_US) /* at most */
#define LOOK_US	   S_US
#define TRIES	   20
#define LOST_OF_10 3 /* hosts that are lost too, and come back */

struct disaster {
	struct heap_item next;
	struct rng rng;
	int64_t lost_us; /* 0: not yet; so the next ones */
	int64_t ask_us, back_us[32];
	bool off;
	struct quorum_cfg before;
	uint64_t epoch; /* the first of the era; 0: not yet */
	uint32_t stay;	/* bits of those who began it */
	uint64_t asked, gone;
};

static struct disaster *of(const struct sim *s)
{
	return s->whole->disaster;
}

static int64_t within(struct disaster *d, int64_t us)
{
	return 1 + (int64_t)rng_below(&d->rng, (uint64_t)us);
}

struct disaster *disaster_new(struct sim *s, uint64_t seed)
{
	struct disaster *d = calloc(1, sizeof(*d));

	assert(d && s->o.room <= ARRAY_LEN(d->back_us));
	rng_seed(&d->rng, seed ^ 0x6469736173746572);
	d->next.kind = SIM_ITEM_DISASTER;
	return d;
}

void disaster_free(struct sim *s)
{
	struct disaster *d = of(s);

	if (!d)
		return;
	heap_del(&s->heap, &d->next);
	free(d);
	s->whole->disaster = NULL;
}

void disaster_begin(struct sim *s)
{
	struct disaster *d = of(s);

	if (d)
		heap_set(&s->heap, &d->next, s->now_us + 2 * S_US + within(d, 40 * S_US));
}

/* ---- the loss ---- */

static struct sim_node *voter(struct sim *s, const struct quorum_cfg *cfg, int i)
{
	uint32_t n = sim_number_of(gossip_id_of(quorum_voter(cfg, i)->v));

	return n < s->o.room ? &s->nodes[n] : NULL;
}

/* Too many voters for those that stay to decide, and not all: a bit of each. 0: not now. */
static uint16_t draw(struct sim *s, struct disaster *d, const struct quorum_cfg *cfg)
{
	int n = quorum_voters(cfg);
	uint16_t all = (uint16_t)((1u << n) - 1), mask = (uint16_t)(1 + rng_below(&d->rng, all));
	bool stays = false, has_seed = false;

	if (mask == all || quorum_reached(cfg, (uint16_t)(all & ~mask)))
		return 0;
	for (int i = 0; i < n; i++) {
		const struct sim_node *v = voter(s, cfg, i);

		if (!v || ((mask >> i & 1) && (v->life != SIM_RUNS || v->leaving)))
			return 0;
		stays |= !(mask >> i & 1) && v->life == SIM_RUNS && !v->forgets && !v->gone && !v->leaving;
	}
	for (uint32_t i = 0; i < SEEDS && i < s->o.room; i++) {
		bool goes = s->nodes[i].gone;

		for (int k = 0; k < n; k++)
			goes |= (mask >> k & 1) && voter(s, cfg, k) == &s->nodes[i];
		has_seed |= !goes && s->nodes[i].life != SIM_ABSENT && !s->nodes[i].leaving && !s->nodes[i].forgets;
	}
	return stays && has_seed ? mask : 0;
}

static void lose(struct sim *s, struct disaster *d, uint16_t mask)
{
	for (int i = 0; i < quorum_voters(&d->before); i++)
		if (mask >> i & 1) {
			struct sim_node *v = voter(s, &d->before, i);

			v->gone = node_lose(v);
			d->gone += v->gone;
		}
	for (uint32_t i = 0; i < s->o.room; i++) {
		struct sim_node *n = &s->nodes[i];

		if (n->life != SIM_RUNS || n->faults > 0 || n->leaving || rng_below(&d->rng, 10) >= LOST_OF_10)
			continue;
		oracle_touch(n, true);
		(void)node_lose(n); /* it runs */
		d->back_us[i] = s->now_us + within(d, BACK_US);
	}
}

/* While the voters change it does not come: what is under way may be all that the era is to go on from. */
static void may_come(struct sim *s, struct disaster *d)
{
	const struct quorum_cfg *cfg = whole_run_cfg(s);
	uint16_t mask = 0;

	if (!cfg || quorum_is_joint(cfg) || quorum_voters(cfg) < 3)
		return;
	for (int i = 0; i < TRIES && !mask; i++)
		mask = draw(s, d, cfg);
	if (!mask)
		return;
	d->before = *cfg;
	d->lost_us = s->now_us;
	d->off = rng_below(&d->rng, 3) == 0;
	d->ask_us = s->now_us + (d->off ? OFF_US : 0) + within(d, 20 * S_US);
	if (s->whole->mutant == WHOLE_NO_WAIT) {
		d->off = true;
		d->ask_us = s->now_us;
	}
	story_tell(&s->story, s->now_us, UINT32_MAX, UINT32_MAX, "a majority of the voters is lost");
	lose(s, d, mask);
}

/* ---- the operator ---- */

static bool is_under_way(const struct sim *s)
{
	for (uint32_t i = 0; i < s->o.room; i++) {
		const struct whole *w = s->nodes[i].w;

		if (w->n && council_recovery(w->n->council)->state != AGREE_RECOVERY_NONE)
			return true;
	}
	return false;
}

/* A voter that is left, and whose daemon runs; NULL: there is none now. */
static struct sim_node *somebody(struct sim *s, struct disaster *d)
{
	int n = quorum_voters(&d->before), from = (int)rng_below(&d->rng, (uint64_t)n);

	for (int i = 0; i < n; i++) {
		struct sim_node *v = voter(s, &d->before, (from + i) % n);

		if (v->life == SIM_RUNS && v->w->n && !v->w->ending && v->w->n->cluster)
			return v;
	}
	return NULL;
}

static void give_up(struct sim *s, struct disaster *d)
{
	struct agree_root_command cmd = {
		.type = AGREE_ROOT_RECOVER, .voters = -1, .replace_after_ms = -1, .off = d->off};
	struct sim_node *n = somebody(s, d);
	struct err e;

	if (!n || is_under_way(s))
		return;
	if (!council_trust(n->w->n->council, &e)) {
		story_tell(&s->story, s->now_us, n->number, UINT32_MAX, "cannot recover: %s", e.text);
		return;
	}
	memset(cmd.cluster.v, WHOLE_CLUSTER, sizeof(cmd.cluster.v));
	d->asked++;
	whole_run_ask_root(s, n->w, &cmd, "recover", NULL);
}

static void bring_back(struct sim *s, struct disaster *d)
{
	for (uint32_t i = 0; i < s->o.room; i++) {
		struct sim_node *n = &s->nodes[i];

		if (d->back_us[i] == 0 || s->now_us < d->back_us[i])
			continue;
		d->back_us[i] = 0;
		oracle_touch(n, false);
		if (!n->gone && node_back(n))
			(void)node_start(n, false); /* it is down */
	}
}

void disaster_due(struct sim *s)
{
	struct disaster *d = of(s);

	if (!d->lost_us && s->whole->calm)
		return;
	heap_set(&s->heap, &d->next, s->now_us + LOOK_US);
	if (!d->lost_us) {
		may_come(s, d);
		return;
	}
	bring_back(s, d);
	if (d->epoch || s->now_us < d->ask_us)
		return;
	d->ask_us = s->now_us + within(d, 10 * S_US);
	give_up(s, d);
}

/* ---- what comes of it ---- */

void disaster_looked(struct whole *w)
{
	struct sim *s = whole_sim(w);
	struct disaster *d = of(s);
	const struct quorum_cfg *cfg;

	if (!d || !d->lost_us || d->epoch)
		return;
	cfg = council_voters(w->n->council);
	if (quorum_floor(cfg->epoch) == quorum_floor(d->before.epoch))
		return;
	d->epoch = cfg->epoch;
	for (int i = 0; i < quorum_voters(cfg); i++)
		d->stay |= UINT32_C(1) << voter(s, cfg, i)->number;
	whole_tell(w, "an era begins at %" PRIu64, d->epoch);
	if (cfg->epoch != quorum_floor(cfg->epoch))
		sim_fail(s, w->sn->number, "an era begins with another configuration than its first");
}

bool disaster_is_over(const struct sim *s)
{
	const struct disaster *d = of(s);

	for (uint32_t i = 0; d && i < s->o.room; i++)
		if (d->back_us[i] != 0)
			return false;
	return true;
}

bool disaster_is_in_era(const struct whole *w)
{
	const struct disaster *d = of(whole_sim(w));

	return d && d->epoch && council_voters(w->n->council)->epoch >= d->epoch;
}

bool disaster_excuses(const struct sim *s, uint32_t on_disk)
{
	const struct disaster *d = of(s);

	return d && (on_disk & d->stay) == 0;
}

void disaster_figures(const struct disaster *d, struct figures *f)
{
	figures_add(f, "", -1, (double)d->gone, "voters_lost");
	figures_add(f, "", -1, (double)d->asked, "recoveries_asked");
	figures_add(f, "", -1, d->epoch ? 1 : 0, "eras");
}
