/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run from its options to its verdict: the cluster comes together, faults are done to it, all is healed, and within
 * a bound all must agree.
 */
#include "tests/sim/runs.h"

#include <inttypes.h>
#include <string.h>

#include "tests/sim/faults.h"
#include "tests/sim/disaster.h"
#include "tests/sim/mixed.h"
#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole_run.h"

#define S_US	    1000000LL
#define TOGETHER_US (60 * S_US)
#define HEALING_US  (300 * S_US)
#define STORY_LAST  200

/* One machine room, and places as far apart as a continent's. */
struct net_profile runs_net(enum gossip_profile_id profile, bool tls)
{
	struct net_profile p = {.near_us = 80,
		.far_us = 200,
		.jitter_us = 40,
		.break_us = 900 * S_US, /* the kernel's own; nothing finds a lost host sooner but the core */
		.keep_us = 0,
		.dial_us = 3 * S_US,
		.hello_us = 5 * S_US,
		.bytes_a_ms = 125000,
		.hello_bytes = tls ? 3200 : 250,
		.record_bytes = tls ? 29 : 0};

	if (profile == GOSSIP_PROFILE_WAN) {
		p.near_us = 2000;
		p.far_us = 90000;
		p.jitter_us = 3000;
		p.bytes_a_ms = 12500;
	}
	return p;
}

int64_t runs_wait(struct sim *s, int64_t within_us, bool (*done)(struct sim *s, void *arg), void *arg, const char *what)
{
	int64_t begun = s->now_us;
	char text[200];
	uint32_t node;

	if (sim_run(s, begun + within_us, done, arg) || s->failed)
		return s->now_us - begun;
	node = oracle_explain(s, text, sizeof(text));
	sim_fail(s, node, "%s not within %.1f s: %s", what, (double)within_us / S_US, text);
	return within_us;
}

bool runs_together(struct sim *s, int64_t over_us, int64_t within_us)
{
	if (s->o.primed)
		node_prime_all(s);
	else
		(void)node_start(&s->nodes[0], true);
	for (uint32_t i = 1; i < s->o.nodes && !s->o.primed; i++) {
		if (over_us)
			(void)sim_run(s, over_us * i / s->o.nodes, NULL, NULL);
		(void)node_start(&s->nodes[i], false);
	}
	(void)runs_wait(s, within_us, oracle_converged, NULL, "after the start all agree");
	return !s->failed;
}

static void swarm_whole(struct sim *s, struct run *r)
{
	double took;

	if (!runs_together(s, S_US, TOGETHER_US) || !whole_run_found(s))
		return;
	whole_run_begin(s);
	faults_begin(s);
	(void)sim_run(s, s->now_us + (int64_t)(r->minutes * 60 * S_US), NULL, NULL);
	if (s->failed)
		return;
	faults_heal(s);
	whole_run_calm(s);
	(void)sim_run(s, s->now_us + 6 * S_US, NULL, NULL); /* those that leave have ended */
	took = whole_run_heals(s, HEALING_US);
	if (!s->failed)
		oracle_compare_all(s);
	(void)sim_run(s, s->now_us + 30 * S_US, NULL, NULL); /* and it stays so */
	(void)whole_run_heals(s, 30 * S_US);		     /* or a move that has just begun ends */
	figures_add(&r->figures, "s", -1, took + 6, "healed_s");
	figures_add(&r->figures, "", -1, (double)faults_done(s->faults), "faults");
	whole_run_figures(s, &r->figures);
}

static void swarm(struct sim *s, struct run *r)
{
	int64_t took;

	if (!runs_together(s, S_US, TOGETHER_US))
		return;
	faults_begin(s);
	(void)sim_run(s, s->now_us + (int64_t)(r->minutes * 60 * S_US), NULL, NULL);
	if (s->failed)
		return;
	faults_heal(s);
	(void)sim_run(s, s->now_us + 6 * S_US, NULL, NULL); /* those that leave have ended, old disks been noticed */
	took = runs_wait(s, HEALING_US, oracle_converged, NULL, "after all was healed all agree");
	if (!s->failed)
		oracle_compare_all(s);
	(void)sim_run(s, s->now_us + 30 * S_US, NULL, NULL); /* and it stays so */
	if (!s->failed)
		(void)runs_wait(s, 10 * S_US, oracle_converged, NULL, "half a minute later all still agree");
	figures_add(&r->figures, "s", -1, (double)(took + 6 * S_US) / S_US, "healed_s");
	figures_add(&r->figures, "", -1, (double)faults_done(s->faults), "faults");
	figures_add(&r->figures, "", -1, (double)oracle_counts(s)->false_suspects, "false_suspects");
	figures_add(&r->figures, "", -1, (double)oracle_counts(s)->false_dead, "dead_views_of_running");
	figures_add(&r->figures, "", 0, (double)oracle_counts(s)->broken_promises, "well_called_dead");
}

static const struct scenario *scenario_of(const char *name)
{
	for (const struct scenario *at = runs_scenarios; at->name; at++)
		if (strcmp(at->name, name) == 0)
			return at;
	return NULL;
}

const char *runs_scenario_name(size_t i, const char **ret_what)
{
	*ret_what = runs_scenarios[i].what;
	return runs_scenarios[i].name;
}

static void tell_failure(struct sim *s, struct run *r)
{
	if (s->whole)
		whole_run_dump(s, stderr);
	(void)snprintf(r->why, sizeof(r->why), "n%" PRIu32 " at %.3f s: %.200s", s->failed_node,
		(double)s->now_us / S_US, s->why);
	if (s->failed_node == UINT32_MAX)
		(void)snprintf(r->why, sizeof(r->why), "at %.3f s: %.200s", (double)s->now_us / S_US, s->why);
	(void)fprintf(stderr, "the last that n%" PRIu32 " had a part in:\n", s->failed_node);
	story_write(&s->story, stderr, s->failed_node, STORY_LAST);
	for (uint32_t i = 0; i < MIN(s->o.room, 40u); i++)
		if (s->nodes[i].g) {
			char text[1024];

			(void)fprintf(stderr, "n%" PRIu32 ": %s\n", i, gossip_dump(s->nodes[i].g, text, sizeof(text)));
		}
}

/* A swarm's network is drawn too. */
static void draw_net(struct net_profile *p, uint64_t seed)
{
	static const int64_t breaks_s[] = {10, 20, 60, 900}, keeps_s[] = {15, 30, 120, 0};
	struct rng r;

	rng_seed(&r, seed ^ 0x6e6574);
	p->break_us = breaks_s[rng_below(&r, ARRAY_LEN(breaks_s))] * S_US;
	p->keep_us = keeps_s[rng_below(&r, ARRAY_LEN(keeps_s))] * S_US;
	if (rng_below(&r, 3) == 0)
		p->loss_ppm = (uint32_t)rng_below(&r, 20000);
	if (rng_below(&r, 3) == 0) {
		p->spike_ppm = (uint32_t)rng_below(&r, 20000);
		p->spike_us = (int64_t)rng_below(&r, 100000);
	}
}

bool runs_go(struct run *r)
{
	const struct scenario *sc = r->scenario ? scenario_of(r->scenario) : NULL;
	struct sim_options o = {.nodes = r->nodes ? r->nodes
					 : sc	  ? sc->nodes
						  : 5,
		.seed = r->seed,
		.profile = r->profile,
		.live = r->live};
	struct sim *s = calloc(1, sizeof(*s));
	const char *bad;
	bool chosen, ok;

	assert(s);
	r->nodes = o.nodes;
	if (r->minutes <= 0)
		r->minutes = sc ? sc->minutes : 2;
	o.net = runs_net(r->profile, r->tls);
	o.clock_ppm = 100;
	if (!sc) {
		o.room = o.nodes + MIN(o.nodes, 8u);
		o.clock_ppm = r->seed & 1 ? 100000 : 100;
		draw_net(&o.net, r->seed);
	}
	o.quiet = o.nodes > 64;
	o.check_every = r->check_set ? r->check_every : o.nodes <= 32 ? 1 : o.nodes * 4;
	o.whole = r->whole;
	o.primed = r->primed;
	sim_init(s, &o);
	if (r->whole) {
		s->whole = whole_run_new(s, r->seed, r->agents);
		s->whole->mutant = r->mutant;
		s->whole->mixed = r->mixed ? mixed_new(s, r->seed) : NULL;
		s->whole->disaster = r->disaster ? disaster_new(s, r->seed) : NULL;
	}
	s->faults = faults_new(s, r->seed * 0x9e3779b97f4a7c15ULL + 1);
	chosen = faults_choose(s->faults, sc ? "none" : r->faults, &bad);
	assert(chosen); /* main has tried */
	(void)faults_text(s->faults, r->faults_text, sizeof(r->faults_text));
	if (sc)
		sc->go(s, r);
	else if (r->whole)
		swarm_whole(s, r);
	else
		swarm(s, r);
	ok = !s->failed || s->outside;
	if (s->outside)
		figures_add(&r->figures, "", -1, 1, "outside");
	r->virtual_s = (double)s->now_us / S_US;
	r->steps = s->steps;
	r->msgs = s->msgs;
	if (!ok)
		tell_failure(s, r);
	faults_free(s->faults);
	sim_done(s);
	free(s);
	return ok;
}
