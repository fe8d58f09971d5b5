/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scenarios that have bars: how long it takes until all know of an end, what is said while nothing happens, who is
 * called dead and lives. Bars are those of the project's table where the size of the cluster is the table's.
 */
#include "tests/sim/runs.h"

#include <inttypes.h>

#include "tests/sim/faults.h"
#include "tests/sim/node.h"
#include "tests/sim/oracle.h"

#define S_US	      1000000LL
#define TOGETHER_US   (180 * S_US)
#define SETTLE_US     (20 * S_US) /* links are what they will be */
#define WITHIN_US     (120 * S_US)
#define VALUE_LEN     40
#define WITH_MAPS_MAX 2000 /* nodes whose maps are set: more are 100 GB in one process */

static double ms(int64_t us)
{
	return (double)us / 1000;
}

static uint32_t below(struct sim *s, uint32_t bound)
{
	return (uint32_t)rng_below(&s->rng, bound);
}

static void pass(struct sim *s, int64_t us)
{
	(void)sim_run(s, s->now_us + us, NULL, NULL);
}

static bool ready(struct sim *s)
{
	if (!runs_together(s, 0, TOGETHER_US))
		return false;
	pass(s, SETTLE_US);
	return !s->failed;
}

static unsigned trials(const struct run *r, unsigned own)
{
	return r->trials ? r->trials : own;
}

/* A figure of many trials: median and worst, the worst with its bar. */
static void add_times(struct run *r, const char *name, struct sample *v, double bar)
{
	figures_add(&r->figures, "ms", -1, sample_at(v, 50), "%s_p50", name);
	figures_add(&r->figures, "ms", bar, sample_at(v, 100), "%s_max", name);
	sample_done(v);
}

static void add_counts(struct sim *s, struct run *r)
{
	figures_add(&r->figures, "", 0, (double)oracle_counts(s)->calm_dead, "well_called_dead");
	figures_add(&r->figures, "", -1, (double)oracle_counts(s)->false_suspects, "well_called_suspect");
}

/* All start at once; the time until each has all. */
static void go_join(struct sim *s, struct run *r)
{
	int64_t took;

	if (!runs_together(s, 0, TOGETHER_US))
		return;
	took = s->now_us;
	figures_add(&r->figures, "ms", s->o.nodes <= 64 ? 2000 : -1, ms(took), "all_list_all");
	pass(s, S_US);
	add_counts(s, r);
}

static bool all_suspect(struct sim *s, void *victim)
{
	uint32_t v = *(uint32_t *)victim;

	return oracle_count(s, v, ORACLE_SUSPECT) + oracle_count(s, v, ORACLE_DEAD) == oracle_living(s);
}

static bool all_dead(struct sim *s, void *victim)
{
	return oracle_count(s, *(uint32_t *)victim, ORACLE_DEAD) == oracle_living(s);
}

/* One node ends, the way that `how` ends it, and comes back; again and again. */
static void go_one(struct sim *s, struct run *r, bool host_too)
{
	struct sample suspect = {0}, dead = {0}, again = {0};
	unsigned n = trials(r, s->o.nodes > 200 ? 3 : 10);

	if (!ready(s))
		return;
	for (unsigned i = 0; i < n && !s->failed; i++) {
		uint32_t victim = below(s, s->o.nodes);
		struct sim_node *v = &s->nodes[victim];
		int64_t begun = s->now_us;

		oracle_touch(v, true);
		(void)(host_too ? node_lose(v) : node_kill(v)); /* it runs */
		(void)runs_wait(s, WITHIN_US, all_suspect, &victim, "all call it suspect");
		sample_add(&suspect, ms(s->now_us - begun));
		(void)runs_wait(s, WITHIN_US, all_dead, &victim, "all call it dead");
		sample_add(&dead, ms(s->now_us - begun));
		pass(s, 2 * S_US);
		begun = s->now_us;
		if (host_too)
			(void)node_back(v);
		(void)node_start(v, false);
		(void)runs_wait(s, WITHIN_US, oracle_converged, NULL, "it is back for all");
		sample_add(&again, ms(s->now_us - begun));
		oracle_touch(v, false);
		pass(s, SETTLE_US + below(s, S_US));
	}
	add_times(r, "suspect_for_all", &suspect, host_too ? -1 : 300);
	add_times(r, "dead_for_all", &dead, !host_too ? 2000 : s->o.nodes <= 64 ? 3000 : 5000);
	add_times(r, "back_for_all", &again, -1);
	add_counts(s, r);
}

static void go_kill(struct sim *s, struct run *r)
{
	go_one(s, r, false);
}

static void go_crash(struct sim *s, struct run *r)
{
	go_one(s, r, true);
}

static bool others_dead(struct sim *s, void *victim)
{
	return oracle_count(s, *(uint32_t *)victim, ORACLE_DEAD) == oracle_living(s) - 1;
}

/* One host's network is back; before its links are what they will be, another host is lost. */
static void go_again(struct sim *s, struct run *r)
{
	struct sample dead = {0};
	unsigned n = trials(r, 30);

	if (!ready(s))
		return;
	for (unsigned i = 0; i < n && !s->failed; i++) {
		uint32_t first = below(s, s->o.nodes), victim = (first + 1 + below(s, s->o.nodes - 1)) % s->o.nodes;
		struct sim_node *f = &s->nodes[first], *v = &s->nodes[victim];
		int64_t begun;

		oracle_touch(f, true);
		oracle_touch(v, true);
		s->net.hosts[first].group = 1;
		(void)runs_wait(s, WITHIN_US, others_dead, &first, "all others call it dead");
		pass(s, below(s, 20 * S_US));
		s->net.hosts[first].group = 0;
		(void)runs_wait(s, WITHIN_US, oracle_converged, NULL, "it is back for all");
		pass(s, below(s, 2 * S_US));
		begun = s->now_us;
		(void)node_lose(v);
		(void)runs_wait(s, WITHIN_US, all_dead, &victim, "all call the second one dead");
		sample_add(&dead, ms(s->now_us - begun));
		(void)node_back(v);
		(void)node_start(v, false);
		(void)runs_wait(s, WITHIN_US, oracle_converged, NULL, "both are back for all");
		oracle_touch(f, false);
		oracle_touch(v, false);
		pass(s, SETTLE_US + below(s, S_US));
	}
	add_times(r, "dead_for_all", &dead, s->o.nodes <= 64 ? 4000 : -1);
	add_counts(s, r);
}

/* So many hosts at one instant; until all that live agree. */
static void go_many(struct sim *s, struct run *r, uint32_t many, bool host_too, double bar)
{
	struct sample took = {0};
	uint32_t gone = 0;

	if (!ready(s))
		return;
	while (gone < many) {
		struct sim_node *v = &s->nodes[below(s, s->o.nodes)];

		gone += host_too ? node_lose(v) : node_kill(v);
	}
	sample_add(&took, ms(runs_wait(s, WITHIN_US, oracle_all_agree, NULL, "the living agree")));
	add_times(r, "agreed", &took, bar);
	figures_add(&r->figures, "ms", -1, ms(runs_wait(s, WITHIN_US, oracle_converged, NULL, "their views are equal")),
		"then_equal_views");
	add_counts(s, r);
}

static void go_crash10(struct sim *s, struct run *r)
{
	go_many(s, r, MIN(10u, s->o.nodes / 2), true, 6000);
}

static void go_half(struct sim *s, struct run *r)
{
	go_many(s, r, s->o.nodes / 2, false, 30000);
}

static void go_half_lost(struct sim *s, struct run *r)
{
	go_many(s, r, s->o.nodes / 2, true, 30000);
}

/* Suspect or dead to most. */
static bool is_marked(struct sim *s, uint32_t i)
{
	return oracle_count(s, i, ORACLE_DEAD) + oracle_count(s, i, ORACLE_SUSPECT) > oracle_living(s) / 2;
}

/* A look each second: how many of those with a fault were marked once, and in how many looks, all of them together. */
static void watch_bad(struct sim *s, int64_t us, uint32_t *ret_once, uint32_t *ret_looks)
{
	bool *once = calloc(s->o.nodes, sizeof(*once));

	assert(once);
	*ret_once = *ret_looks = 0;
	for (; us > 0; us -= S_US) {
		pass(s, S_US);
		for (uint32_t i = 0; i < s->o.nodes; i++) {
			if (!s->nodes[i].faults || !is_marked(s, i))
				continue;
			(*ret_looks)++;
			*ret_once += !once[i];
			once[i] = true;
		}
	}
	free(once);
}

/* One in a hundred has this fault all the time: no other may be called dead. */
static void go_bad(struct sim *s, struct run *r, const char *kind)
{
	uint32_t n = MAX(s->o.nodes / 100, 1u), bad = 0, once, looks;
	int64_t us = (int64_t)(r->minutes * 60 * S_US);

	if (!ready(s))
		return;
	oracle_tolerate(s);
	while (bad < n) {
		uint32_t a = below(s, s->o.nodes);

		if (!s->nodes[a].faults)
			bad += faults_one(s, kind, a, us);
	}
	watch_bad(s, us - S_US, &once, &looks);
	figures_add(&r->figures, "", -1, bad, "bad_nodes");
	figures_add(&r->figures, "", -1, once, "of_them_marked_once");
	figures_add(&r->figures, "%", -1, 100.0 * looks * S_US / bad / (double)us, "marked_of_their_time");
	add_counts(s, r);
	faults_heal(s);
	figures_add(&r->figures, "ms", -1, ms(runs_wait(s, WITHIN_US, oracle_converged, NULL, "healed, all agree")),
		"healed");
}

static void go_flap(struct sim *s, struct run *r)
{
	go_bad(s, r, "flap");
}

static void go_flap_in(struct sim *s, struct run *r)
{
	go_bad(s, r, "flap-in");
}

static void go_loss(struct sim *s, struct run *r)
{
	go_bad(s, r, "loss80");
}

static bool all_have_it(struct sim *s, void *unused)
{
	(void)unused;
	return oracle_watched(s) == oracle_living(s) - 1;
}

static void set_some(struct sim *s, uint32_t node, unsigned key)
{
	char value[VALUE_LEN];

	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (char)('a' + below(s, 26));
	(void)node_set(&s->nodes[node], key, value, sizeof(value));
}

static void go_spread(struct sim *s, struct run *r)
{
	struct sample last = {0};
	uint32_t missing = 0;

	if (!ready(s))
		return;
	for (unsigned i = 0; i < trials(r, 60) && !s->failed; i++) {
		uint32_t at = below(s, s->o.nodes);
		int64_t begun = s->now_us;

		set_some(s, at, below(s, SIM_KEYS_MAX));
		oracle_watch(s, at);
		if (!sim_run(s, s->now_us + 10 * S_US, all_have_it, NULL))
			missing += oracle_living(s) - 1 - (uint32_t)oracle_watched(s);
		sample_add(&last, ms(s->now_us - begun));
		pass(s, S_US + below(s, S_US));
	}
	figures_add(&r->figures, "ms", 50, sample_at(oracle_watch_ms(s), 50), "node_has_it_p50");
	figures_add(&r->figures, "ms", 250, sample_at(oracle_watch_ms(s), 99), "node_has_it_p99");
	add_times(r, "last_has_it", &last, s->o.nodes <= 64 ? 400 : -1);
	figures_add(&r->figures, "", 0, missing, "missing");
}

/* What is sent and held while nothing happens, each with a map of twelve values, where that many can be held. */
static void go_idle(struct sim *s, struct run *r)
{
	struct sample rate = {0}, bytes = {0};
	int64_t us = (int64_t)(r->minutes * 60 * S_US);
	double bar = s->o.nodes > 64 ? 1500 : s->o.profile == GOSSIP_PROFILE_WAN ? 350 : r->tls ? 2000 : 1200;

	if (!runs_together(s, 0, TOGETHER_US))
		return;
	for (uint32_t i = 0; i < s->o.nodes && s->o.nodes <= WITH_MAPS_MAX; i++)
		for (unsigned k = 0; k < SIM_KEYS_MAX; k++)
			set_some(s, i, k);
	(void)runs_wait(s, WITHIN_US, oracle_converged, NULL, "all have all values");
	pass(s, 60 * S_US);
	for (uint32_t i = 0; i < s->o.nodes; i++)
		s->nodes[i].sent_at_mark = s->net.hosts[i].sent_bytes;
	pass(s, us);
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		uint64_t sent = s->net.hosts[i].sent_bytes - s->nodes[i].sent_at_mark;

		sample_add(&rate, (double)sent * S_US / (double)us);
		sample_add(&bytes, (double)s->nodes[i].bytes);
	}
	figures_add(&r->figures, "B/s", bar, sample_mean(&rate), "sent_mean");
	figures_add(&r->figures, "B/s", s->o.nodes > 64 ? 4000 : -1, sample_at(&rate, 99), "sent_p99");
	figures_add(&r->figures, "B/s", -1, sample_at(&rate, 100), "sent_max");
	figures_add(&r->figures, "B", s->o.nodes <= 1000 ? 8 << 20 : -1, sample_at(&bytes, 100), "core_memory_max");
	figures_add(&r->figures, "", -1, (double)s->net.conns / s->o.nodes, "links_a_node_half");
	add_counts(s, r);
	sample_done(&rate);
	sample_done(&bytes);
}

static bool all_alive(struct sim *s, void *unused)
{
	(void)unused;
	for (uint32_t i = 0; i < s->o.nodes; i++)
		if (oracle_count(s, i, ORACLE_ALIVE) != oracle_living(s))
			return false;
	return true;
}

/* One to four stand still for five seconds and go on; no other may be called dead, and they are back within one. */
static void go_pause(struct sim *s, struct run *r)
{
	struct sample back = {0};

	if (!ready(s))
		return;
	oracle_tolerate(s);
	for (unsigned i = 0; i < trials(r, 100) && !s->failed; i++) {
		uint32_t still[4], n = 0, want = MIN(1 + below(s, 4), s->o.nodes - 1);

		while (n < want) {
			uint32_t a = below(s, s->o.nodes);

			if (!node_stop(&s->nodes[a]))
				continue;
			oracle_touch(&s->nodes[a], true);
			still[n++] = a;
		}
		pass(s, 5 * S_US);
		for (uint32_t k = 0; k < n; k++)
			(void)node_go_on(&s->nodes[still[k]]); /* it stands still */
		sample_add(&back, ms(runs_wait(s, WITHIN_US, all_alive, NULL, "all call all alive")));
		for (uint32_t k = 0; k < n; k++)
			oracle_touch(&s->nodes[still[k]], false);
		pass(s, SETTLE_US + below(s, S_US));
	}
	add_times(r, "back_for_all", &back, 1000);
	add_counts(s, r);
}

/* Two parts, for so many minutes that each has long called the other dead; then one cluster again. */
static void go_parts(struct sim *s, struct run *r)
{
	if (!ready(s))
		return;
	oracle_tolerate(s);
	for (uint32_t i = 0; i < s->o.nodes; i++) {
		oracle_touch(&s->nodes[i], true);
		s->net.hosts[i].group = i >= s->o.nodes / 3;
	}
	pass(s, (int64_t)(r->minutes * 60 * S_US));
	net_heal(&s->net);
	figures_add(&r->figures, "ms", -1,
		ms(runs_wait(s, 5 * WITHIN_US, oracle_converged, NULL, "the parts are one again")), "one_again");
}

/* Nodes come and go, one after the other; what they took is given back. */
static void go_churn(struct sim *s, struct run *r)
{
	size_t before, most = 0;
	uint32_t guest = s->o.nodes - 1;

	if (!ready(s))
		return;
	before = s->nodes[0].bytes;
	for (unsigned i = 0; i < trials(r, 1000) && !s->failed; i++) {
		(void)node_leave(&s->nodes[guest]); /* it is there, as waited for */
		(void)runs_wait(s, WITHIN_US, oracle_all_agree, NULL, "all know that it left");
		pass(s, S_US / 5);
		(void)node_start(&s->nodes[guest], false);
		(void)runs_wait(s, WITHIN_US, oracle_converged, NULL, "it is back for all");
		most = MAX(most, s->nodes[0].bytes);
	}
	pass(s, 60 * S_US);
	figures_add(&r->figures, "B", -1, (double)before, "core_memory_before");
	figures_add(&r->figures, "B", -1, (double)most, "core_memory_max");
	figures_add(&r->figures, "B", (double)before * 1.1 + 4096, (double)s->nodes[0].bytes, "core_memory_after");
	figures_add(&r->figures, "", -1, (double)s->net.conns, "links");
	add_counts(s, r);
}

const struct scenario runs_scenarios[] = {
	{"join", "all start at once: until each lists all", 64, 1, go_join},
	{"kill", "a daemon is killed, its host lives: until all say suspect, dead, and after its restart alive", 32, 1,
		go_kill},
	{"crash", "a host is lost: the same", 32, 1, go_crash},
	{"again", "a host is lost as another one has just come back: until all say dead", 3, 1, go_again},
	{"crash10", "ten hosts are lost at once: until all agree", 1000, 1, go_crash10},
	{"half", "half of all daemons are killed at once: until the rest agree", 1000, 1, go_half},
	{"half-lost", "half of all hosts are lost at once: until the rest agree", 1000, 1, go_half_lost},
	{"flap", "one in a hundred is heard now and then only: nobody else is called dead", 1000, 3, go_flap},
	{"flap-in", "one in a hundred hears now and then only: nobody else is called dead", 1000, 3, go_flap_in},
	{"loss80", "one in a hundred loses 80 % of its packets: nobody else is called dead", 1000, 3, go_loss},
	{"spread", "a value is set: until all nodes have it", 64, 1, go_spread},
	{"idle", "nothing happens: bytes sent a node, memory of a core", 32, 2, go_idle},
	{"pause", "1 to 4 stand still for 5 s: nobody else is called dead, they are back at once", 32, 1, go_pause},
	{"parts", "two parts for --minutes: until they are one again", 32, 120, go_parts},
	{"churn", "nodes leave and join: memory and links are given back", 8, 1, go_churn},
	{NULL, NULL, 0, 0, NULL},
};
