/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people ask: agents of all kinds are applied, scaled, stopped, started, removed; nodes drain, and take work
 * again; at any node, by its council, as decree.c asks it.
 */
#include "tests/sim/whole_run.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tests/sim/disaster.h"
#include "tests/sim/mixed_priv.h"

#define S_US	 1000000LL
#define FOUND_US (30 * S_US)
#define REPLICAS 4 /* at most */

/* A command that was asked, until its answer. */
struct asked {
	struct sim *s;
	struct whole *w;
	struct msg_key key;
	char what[48];
	bool *done;  /* NULL: nobody waits */
	bool beyond; /* by what is known there, its value asks for a newer version */
};

/* ---- answers ---- */

static void on_answer(void *arg, const struct agree_answer *a)
{
	struct asked *k = arg;
	struct whole_run *run = k->s->whole;
	uint64_t *const counts[AGREE_OUTCOME_MAX] = {[AGREE_DONE] = &run->done,
		[AGREE_REFUSED] = &run->refused,
		[AGREE_HELD] = &run->unknown,
		[AGREE_UNKNOWN] = &run->unknown};
	enum agree_outcome outcome = k->w->ending ? AGREE_UNKNOWN : a->outcome;

	++*counts[outcome];
	whole_tell(k->w, "%s: %s", k->what,
		outcome == AGREE_DONE	   ? "done"
		: outcome == AGREE_REFUSED ? a->refused.text
					   : "not known");
	if (!k->w->ending)
		mixed_answered(k->w, k->beyond, a);
	if (outcome == AGREE_DONE && a->value.n > 0)
		whole_run_chosen(k->w, &k->key, &a->ballot, a->value);
	if (k->done && outcome == AGREE_DONE)
		*k->done = true;
	free(k);
}

static struct asked *asked_new(struct sim *s, struct whole *w, const char *what, bool *done)
{
	struct asked *k = calloc(1, sizeof(*k));

	assert(k);
	*k = (struct asked){.s = s, .w = w, .done = done};
	(void)snprintf(k->what, sizeof(k->what), "%s", what); /* cut is fine */
	s->whole->asked++;
	story_tell(&s->story, s->now_us, w->sn->number, UINT32_MAX, "is asked: %s", what);
	return k;
}

void whole_run_ask_root(
	struct sim *s, struct whole *w, const struct agree_root_command *cmd, const char *what, bool *done)
{
	struct asked *k = asked_new(s, w, what, done);
	struct agree_root_command with_op = *cmd;
	char op[24];
	int rc;

	(void)snprintf(op, sizeof(op), "op%" PRIu64, ++s->whole->op); /* fits */
	k->beyond = mixed_is_beyond(w, &k->key);
	with_op.op = op;
	rc = council_root_command(w->n->council, &with_op, on_answer, k);
	assert(rc == 0);
	whole_turn(w->sn);
}

static void ask(struct sim *s, struct whole *w, const struct whole_agent *a, struct decide_event event,
	const char *text, const char *what)
{
	struct asked *k = asked_new(s, w, what, NULL);
	struct agree_command cmd = {.event = event, .text = {(const uint8_t *)text, text ? strlen(text) : 0}};
	char op[24];
	int rc;

	(void)snprintf(op, sizeof(op), "op%" PRIu64, ++s->whole->op); /* fits */
	cmd.event.op = op;
	(void)decided_key(a->name, &cmd.key); /* it is a name */
	k->key = cmd.key;
	k->beyond = mixed_is_beyond(w, &cmd.key);
	rc = council_command(w->n->council, &cmd, on_answer, k);
	assert(rc == 0);
	whole_turn(w->sn);
}

/* ---- definitions ---- */

static const char *definition(const struct whole_agent *a, char *out, size_t n)
{
	static const char *const kinds[WHOLE_KIND_MAX] = {[WHOLE_KEEP] = "kind: replicated\nisolation: keep\n",
		[WHOLE_STOP] = "kind: replicated\nisolation: stop\n",
		[WHOLE_SINGLETON] = "kind: singleton\nisolation: stop\n",
		[WHOLE_ALONE] = "kind: singleton\nisolation: keep\n",
		[WHOLE_EVERYWHERE] = "kind: every-node\n"};

	(void)snprintf(out, n,
		"name: %s\ncommand: [/bin/agent, \"%u\"]\nuser: root\n%shealth: {readiness: {notify: {}}}\n"
		"restart: {limit: 0, initial: 100ms, max: 2s}\nstop: {timeout: 1s}\n%s%s",
		a->name, a->edition, kinds[a->kind], a->kind == WHOLE_EVERYWHERE ? "" : "failover_grace: 5s\n",
		a->kind == WHOLE_KEEP || a->kind == WHOLE_STOP ? "placement: {spread: zone}\n" : ""); /* fits */
	return out;
}

static void apply(struct sim *s, struct whole *w, struct whole_agent *a, int64_t desired)
{
	char text[512], what[48];

	(void)snprintf(
		what, sizeof(what), "apply %s, edition %u, kind %d", a->name, a->edition, (int)a->kind); /* fits */
	ask(s, w, a, (struct decide_event){.type = SCHED_EVENT_APPLY, .desired = desired},
		definition(a, text, sizeof(text)), what);
}

/* ---- commands ---- */

static struct whole *somebody(struct sim *s)
{
	for (int i = 0; i < 20; i++) {
		struct sim_node *n = &s->nodes[rng_below(&s->whole->rng, s->o.room)];

		if (n->life == SIM_RUNS && n->member && n->w->n && !n->w->ending && !n->leaving)
			return n->w;
	}
	return NULL;
}

static int64_t some_replicas(struct sim *s, const struct whole_agent *a)
{
	if (a->kind == WHOLE_EVERYWHERE)
		return -1;
	if (a->kind == WHOLE_SINGLETON || a->kind == WHOLE_ALONE)
		return 1;
	return 1 + (int64_t)rng_below(&s->whole->rng, REPLICAS);
}

static void drain(struct sim *s, struct whole *w)
{
	struct agree_root_command cmd = {.type = rng_below(&s->whole->rng, 2) ? AGREE_ROOT_DRAIN : AGREE_ROOT_UNDRAIN};
	struct whole *of = somebody(s);
	char what[48];

	if (!of)
		return;
	cmd.node = register_node_of(&of->n->council->self);
	(void)snprintf(what, sizeof(what), "%s n%" PRIu32, cmd.type == AGREE_ROOT_DRAIN ? "drain" : "undrain",
		of->sn->number); /* fits */
	whole_run_ask_root(s, w, &cmd, what, NULL);
}

static void change_kind(struct sim *s, struct whole_agent *a)
{
	static const enum whole_kind other[WHOLE_KIND_MAX] = {[WHOLE_KEEP] = WHOLE_STOP,
		[WHOLE_STOP] = WHOLE_KEEP,
		[WHOLE_SINGLETON] = WHOLE_ALONE,
		[WHOLE_ALONE] = WHOLE_SINGLETON,
		[WHOLE_EVERYWHERE] = WHOLE_EVERYWHERE};

	a->edition++;
	if (rng_below(&s->whole->rng, 4) == 0)
		a->kind = other[a->kind];
}

static void ask_something(struct sim *s)
{
	struct whole_run *run = s->whole;
	struct whole_agent *a = &run->agent[rng_below(&run->rng, run->agents)];
	struct decide_event event = {.desired = -1};
	struct whole *w = somebody(s);
	char what[48];

	if (!w)
		return;
	switch (rng_below(&run->rng, 10)) {
	case 0:
	case 1:
		change_kind(s, a);
		/* fall through */
	case 2:
		apply(s, w, a, some_replicas(s, a));
		return;
	case 3:
	case 4:
		event.type = SCHED_EVENT_SCALE;
		event.desired = (int64_t)rng_below(&run->rng, REPLICAS + 1);
		break;
	case 5:
		event.type = SCHED_EVENT_STOP;
		break;
	case 6:
		event.type = SCHED_EVENT_START;
		break;
	case 7:
		event.type = rng_below(&run->rng, 2) ? SCHED_EVENT_REMOVE : SCHED_EVENT_UNDO;
		break;
	default:
		drain(s, w);
		return;
	}
	(void)snprintf(what, sizeof(what), "%s of %s, %" PRId64,
		event.type == SCHED_EVENT_SCALE	   ? "scale"
		: event.type == SCHED_EVENT_STOP   ? "stop"
		: event.type == SCHED_EVENT_START  ? "start"
		: event.type == SCHED_EVENT_REMOVE ? "remove"
						   : "undo",
		a->name, event.desired); /* fits */
	ask(s, w, a, event, NULL, what);
}

void whole_run_due(struct sim *s)
{
	struct whole_run *run = s->whole;

	if (run->calm)
		return;
	ask_something(s);
	heap_set(&s->heap, &run->next,
		s->now_us + 1 + (int64_t)rng_below(&run->rng, (uint64_t)(120 * S_US / run->asks_a_minute)));
}

/* One that will not come back: what it may still run is waited for until then. */
static bool forget(struct sim *s, struct whole *at, const struct register_root *root, const struct sim_node *n)
{
	struct agree_root_command cmd = {.type = AGREE_ROOT_FORGET};
	struct uuid uuid;
	char what[48];

	memcpy(uuid.v, n->uuid, sizeof(uuid.v));
	cmd.node = register_node_of(&uuid);
	if (register_nodes_has(&root->forgotten, cmd.node))
		return false;
	if (s->now_us > s->whole->undrained_us + 2 * S_US) {
		s->whole->undrained_us = s->now_us;
		(void)snprintf(what, sizeof(what), "forget n%" PRIu32, n->number); /* fits */
		whole_run_ask_root(s, at, &cmd, what, NULL);
	}
	return true;
}

bool whole_run_tidy(struct sim *s, struct whole *at)
{
	const struct register_root *root = council_root(at->n->council);
	struct agree_root_command cmd = {.type = AGREE_ROOT_UNDRAIN};

	if (!root)
		return false;
	for (uint32_t i = 0; i < s->o.room; i++)
		if (s->nodes[i].gone && forget(s, at, root, &s->nodes[i]))
			return true;
	for (size_t i = 0; i < root->draining.n; i++) {
		if (register_nodes_has(&root->leaving, root->draining.v[i]))
			continue;
		cmd.node = root->draining.v[i];
		if (s->now_us > s->whole->undrained_us + 2 * S_US) {
			s->whole->undrained_us = s->now_us;
			whole_run_ask_root(s, at, &cmd, "undrain one that drains", NULL);
		}
		return true;
	}
	return false;
}

/* ---- a run ---- */

struct whole_run *whole_run_new(struct sim *s, uint64_t seed, uint32_t agents)
{
	struct whole_run *run = calloc(1, sizeof(*run));

	(void)s;
	assert(run);
	rng_seed(&run->rng, seed ^ 0x77686f6c65);
	run->next.kind = SIM_ITEM_WHOLE;
	run->truth = whole_truth_new();
	run->agents = agents ? MIN(agents, (uint32_t)WHOLE_AGENTS_MAX) : 2 + (uint32_t)rng_below(&run->rng, 4);
	run->asks_a_minute = 2 + (uint32_t)rng_below(&run->rng, 40);
	for (uint32_t i = 0; i < run->agents; i++) {
		(void)snprintf(run->agent[i].name, sizeof(run->agent[i].name), "a%" PRIu32, i); /* fits */
		run->agent[i].kind = i == 0 ? WHOLE_SINGLETON : (enum whole_kind)rng_below(&run->rng, WHOLE_KIND_MAX);
	}
	return run;
}

void whole_run_free(struct sim *s)
{
	if (!s->whole)
		return;
	heap_del(&s->heap, &s->whole->next);
	disaster_free(s);
	mixed_free(s);
	whole_truth_free(s->whole->truth);
	free(s->whole);
	s->whole = NULL;
}

static bool is_true(struct sim *s, bool *what, int64_t within_us)
{
	int64_t until_us = s->now_us + within_us;

	while (!*what && !s->failed && s->now_us < until_us)
		(void)sim_run(s, s->now_us + S_US / 20, NULL, NULL);
	return *what && !s->failed;
}

bool whole_run_found(struct sim *s)
{
	struct agree_root_command cmd = {
		.type = AGREE_ROOT_FOUND, .name = "east", .voters = -1, .replace_after_ms = -1};
	bool done = false;

	memset(cmd.cluster.v, WHOLE_CLUSTER, sizeof(cmd.cluster.v));
	whole_run_ask_root(s, s->nodes[0].w, &cmd, "found a cluster", &done);
	if (is_true(s, &done, FOUND_US))
		return true;
	if (!s->failed)
		sim_fail(s, 0, "founds no cluster");
	return false;
}

void whole_run_begin(struct sim *s)
{
	for (uint32_t i = 0; i < s->whole->agents; i++) {
		struct whole *w = somebody(s);

		if (w)
			apply(s, w, &s->whole->agent[i], some_replicas(s, &s->whole->agent[i]));
	}
	heap_set(&s->heap, &s->whole->next, s->now_us + S_US);
	mixed_begin(s);
	disaster_begin(s);
}

void whole_run_killed(struct whole *w)
{
	w->leaves = false;
}

void whole_run_looked(struct whole *w)
{
	const struct council *c = w->n->council;

	disaster_looked(w);
	if (w->c->parcels.held > PARCEL_HELD_MAX || c->hints.n > AGENTS_MAX + 1 || c->n_saw > VOTES_SEEN_MAX ||
		registers_under_way(agree_registers(c->a)) > REGISTERS_PROPOSALS_MAX)
		sim_fail(whole_sim(w), w->sn->number, "holds more than its bounds");
	if (!c->open || w->opened)
		return;
	w->opened = true;
	if (!w->disk.votes_fell || w->told_old || (w->heard == 0 && !council_is_alone_voter(c)))
		return;
	whole_sim(w)->whole->lost_votes |= UINT32_C(1) << w->sn->number;
	whole_tell(w, "votes with an old copy of its disk, and nobody could tell");
}

void whole_run_figures(const struct sim *s, struct figures *f)
{
	const struct whole_run *run = s->whole;

	figures_add(f, "", -1, (double)run->asked, "commands");
	figures_add(f, "", -1, (double)run->done, "done");
	figures_add(f, "", -1, (double)run->refused, "refused");
	figures_add(f, "", -1, (double)run->unknown, "unknown");
	figures_add(f, "", -1, (double)run->chosen, "chosen");
	figures_add(f, "", -1, (double)run->reads, "reads");
	figures_add(f, "", -1, (double)run->begun, "starts");
	figures_add(f, "", -1, (double)run->fenced, "fenced");
	figures_add(f, "", -1, (double)run->misled, "misled");
	if (run->mixed)
		mixed_figures(run->mixed, f);
	if (run->disaster)
		disaster_figures(run->disaster, f);
}
