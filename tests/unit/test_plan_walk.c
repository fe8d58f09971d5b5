/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/plan and supervisor/replica together: an agent of up to eight replicas in virtual time, from a seed.
 * Operators do anything at any time; processes fail to start, die, hang, are not ready; the daemon is restarted. After
 * every step: no replica runs twice, each one's idea of its run is right, replica_check holds, the plan says the same
 * when asked twice. Then the faults end, and all must become as wanted, in bounded time; and a change rolls without too
 * many down.
 *
 * The world here is what node/ is to the cores: it acts on outputs and feeds back what happened.
 */
#include <signal.h>
#include <string.h>

#include "supervisor/plan.h"
#include "tests/lib/test.h"

#define SLOTS	   8
#define VERSIONS   64
#define WALKS	   200
#define STEPS	   400
#define HEAL_MS	   120000
#define PLAN_CALLS 64

enum phase { NONE, PREPARING, UP, STOPPING };

struct one {
	bool exists, held;
	int version; /* of the definition it was told last */
	struct replica r;
	struct replica_saved saved;
	int64_t ready_since_ms;
	enum phase phase; /* what really runs */
	int64_t phase_until_ms;
	uint64_t run;
	enum shim_why why;
	int64_t answer_ms[HEALTH_WHICH_MAX]; /* DEADLINE_NEVER: no probe out */
};

struct world {
	uint64_t seed;
	struct rng rng;
	struct now now;
	bool faults, stopped, removed, paused, deps_ready;
	int64_t desired, plan_again_ms;
	int version;
	struct agent_spec specs[VERSIONS];
	struct one v[SLOTS];
	uint64_t runs;
};

static int64_t below(struct world *w, int64_t n)
{
	return (int64_t)rng_below(&w->rng, (uint64_t)n);
}

static bool one_in(struct world *w, int64_t n)
{
	return below(w, n) == 0;
}

static void begin(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->seed = seed;
	rng_seed(&w->rng, seed);
	w->now = (struct now){.mono_ms = 1, .boot_ms = 1, .wall_ms = 1};
	w->faults = w->deps_ready = true;
	w->desired = below(w, SLOTS + 1);
	w->plan_again_ms = DEADLINE_NEVER;
	for (int i = 0; i < VERSIONS; i++) {
		struct spec_probe probe = {
			.kind = SPEC_PROBE_TCP, .every_ms = 500, .timeout_ms = 300, .failures = 2, .successes = 1};
		struct agent_spec *s = &w->specs[i];

		s->name = "web";
		s->restart = (struct spec_restart){.when = (enum spec_when)below(w, SPEC_WHEN_MAX),
			.backoff = (enum spec_backoff)below(w, SPEC_BACKOFF_MAX),
			.initial_ms = below(w, 2) * 50,
			.max_ms = 1000,
			.jitter_percent = 25,
			.limit = below(w, 6),
			.within_ms = 2000};
		s->stop_signal = SIGTERM;
		s->stop_timeout_ms = 100;
		s->liveness.kind = one_in(w, 2) ? SPEC_PROBE_NONE : SPEC_PROBE_TCP;
		if (s->liveness.kind)
			s->liveness = probe;
		s->readiness.kind = one_in(w, 2) ? SPEC_PROBE_NONE : SPEC_PROBE_TCP;
		if (s->readiness.kind)
			s->readiness = probe;
		s->update.unavailable.n = below(w, 4);
		s->update.min_healthy_ms = below(w, 2) * 300;
	}
}

static void check_one(const struct one *o)
{
	int s = o->r.state;

	replica_check(&o->r);
	assert_int_equal(o->phase != NONE, s == REPLICA_STARTING || s == REPLICA_RUNNING || s == REPLICA_STOPPING);
	assert_int_equal(o->answer_ms[HEALTH_LIVENESS] != DEADLINE_NEVER, o->r.liveness.asking);
	assert_int_equal(o->answer_ms[HEALTH_READINESS] != DEADLINE_NEVER, o->r.readiness.asking);
}

static void act(struct world *w, struct one *o, const struct replica_out *out)
{
	switch (out->type) {
	case REPLICA_OUT_START:
		assert_int_equal(o->phase, NONE); /* never two */
		o->phase = PREPARING;
		o->phase_until_ms = w->now.mono_ms + below(w, 20);
		o->run = ++w->runs;
		o->why = SHIM_WHY_NONE;
		break;
	case REPLICA_OUT_STOP:
		assert_int_not_equal(o->phase, NONE);
		o->phase = STOPPING;
		o->phase_until_ms = w->now.mono_ms + below(w, 100);
		o->why = out->why;
		break;
	case REPLICA_OUT_PROBE:
		assert_int_equal(o->answer_ms[out->which], DEADLINE_NEVER);
		o->answer_ms[out->which] = w->now.mono_ms + below(w, w->faults ? 1000 : 100);
		break;
	case REPLICA_OUT_PROBE_CANCEL:
		assert_int_not_equal(o->answer_ms[out->which], DEADLINE_NEVER);
		o->answer_ms[out->which] = DEADLINE_NEVER;
		break;
	case REPLICA_OUT_SAVE:
		replica_save(&o->r, &o->saved);
		break;
	default:
		assert_true(out->type == REPLICA_OUT_EVENT && out->text[0] && out->kind);
		break;
	}
}

static bool same_saved(const struct replica_saved *a, const struct replica_saved *b)
{
	return a->restarts == b->restarts && a->tries == b->tries && a->ended_run == b->ended_run &&
	       a->failed == b->failed && a->done == b->done && a->last_exit.reason == b->last_exit.reason &&
	       a->last_exit.at_wall_ms == b->last_exit.at_wall_ms && strcmp(a->last_exit.text, b->last_exit.text) == 0;
}

static void step(struct world *w, struct one *o, const struct replica_in *in)
{
	struct replica_outs outs = {0};
	struct replica_saved now;

	replica_step(&o->r, in, w->now, &outs);
	for (size_t i = 0; i < outs.n; i++)
		act(w, o, &outs.v[i]);
	check_one(o);
	replica_save(&o->r, &now);
	assert_true(same_saved(&now, &o->saved)); /* every change was told */
	if (!replica_is_ready(&o->r))
		o->ready_since_ms = 0;
	else if (o->ready_since_ms == 0)
		o->ready_since_ms = w->now.mono_ms;
}

/* Its run has ended. */
static void ended(struct world *w, struct one *o)
{
	struct shim_exit x = {.kind = SHIM_EXITED, .run = o->run, .why = o->why, .ran_ms = below(w, 20000)};

	if (o->phase == PREPARING)
		x = (struct shim_exit){.kind = SHIM_START_FAILED, .run = o->run, .stage = SHIM_STAGE_EXEC, .error = 2};
	else if (one_in(w, 2))
		x.code = 1;
	else if (one_in(w, 2))
		x = (struct shim_exit){.kind = SHIM_SIGNALED, .run = o->run, .why = o->why, .signal = SIGKILL};
	o->phase = NONE;
	if (one_in(w, 8))
		step(w, o, &(struct replica_in){.type = REPLICA_IN_SHIM_LOST});
	else
		step(w, o, &(struct replica_in){.type = REPLICA_IN_EXITED, .exit = &x});
}

/* The newest definition counts for it. */
static void tell_spec(struct world *w, struct one *o)
{
	o->version = w->version;
	step(w, o, &(struct replica_in){.type = REPLICA_IN_SPEC, .spec = &w->specs[w->version]});
}

static void no_probes(struct one *o)
{
	for (int i = 0; i < HEALTH_WHICH_MAX; i++)
		o->answer_ms[i] = DEADLINE_NEVER;
}

static void move(struct world *w, const struct plan_move *m)
{
	struct one *o = &w->v[m->slot];

	assert_int_equal(o->exists, m->type != PLAN_CREATE);
	switch (m->type) {
	case PLAN_CREATE:
		memset(o, 0, sizeof(*o));
		o->exists = true;
		o->version = w->version;
		no_probes(o);
		replica_init(&o->r, &w->specs[w->version], rng_u64(&w->rng), w->now);
		replica_save(&o->r, &o->saved);
		break;
	case PLAN_RUN:
		tell_spec(w, o);
		step(w, o, &(struct replica_in){.type = REPLICA_IN_RUN});
		break;
	case PLAN_STOP:
		step(w, o, &(struct replica_in){.type = REPLICA_IN_STOP, .why_text = m->why});
		break;
	case PLAN_REPLACE:
		tell_spec(w, o);
		step(w, o,
			&(struct replica_in){.type = REPLICA_IN_RESTART, .why = SHIM_WHY_UPDATE, .why_text = m->why});
		break;
	default:
		assert_int_equal(o->phase, NONE);
		memset(o, 0, sizeof(*o));
		break;
	}
}

/* Slots up to the highest that exists. */
static size_t slots_now(const struct world *w, struct plan_slot *v)
{
	size_t n = 0;

	for (int i = 0; i < SLOTS; i++) {
		const struct one *o = &w->v[i];

		v[i] = (struct plan_slot){.slot = i,
			.exists = o->exists,
			.state = (enum replica_state)o->r.state,
			.wanted = o->r.wanted,
			.held = o->held,
			.ready = o->ready_since_ms != 0,
			.ready_since_ms = o->ready_since_ms,
			.current = o->version == w->version};
		if (o->exists)
			n = (size_t)i + 1;
	}
	return n;
}

/* Asks the plan and does what it says, until it says nothing. */
static void plan(struct world *w)
{
	for (int calls = 0;; calls++) {
		struct plan_move v[3], again_v[3];
		struct plan_moves ret = {.cap = 3, .v = v}, again = {.cap = 3, .v = again_v};
		struct plan_slot slots[SLOTS];
		struct plan_view view = {.desired = w->desired,
			.stopped = w->stopped,
			.removed = w->removed,
			.deps_ready = w->deps_ready,
			.paused = w->paused,
			.spec = &w->specs[w->version],
			.slots = slots,
			.n_slots = slots_now(w, slots)};

		plan_agent(&view, w->now, &ret);
		plan_agent(&view, w->now, &again);
		assert_int_equal(ret.n, again.n);
		assert_memory_equal(v, again_v, ret.n * sizeof(v[0]));
		w->plan_again_ms = ret.again_ms;
		assert_true(ret.again_ms > w->now.mono_ms);
		for (size_t i = 0; i < ret.n; i++)
			move(w, &v[i]);
		if (ret.n == 0)
			return;
		assert_true(calls < PLAN_CALLS);
	}
}

static void restart_daemon(struct world *w)
{
	for (int i = 0; i < SLOTS; i++) {
		struct one *o = &w->v[i];
		struct shim_hello hello = {.state = o->phase == PREPARING ? SHIM_PREPARING
						    : o->phase == UP	  ? SHIM_RUNNING
									  : SHIM_STOPPING,
			.why = o->why,
			.pid_start = one_in(w, 8) ? 0 : 5};
		bool unknown = o->phase == UP && o->version != w->version && one_in(w, 2);

		if (!o->exists)
			continue;
		no_probes(o);
		o->ready_since_ms = 0;
		replica_init(&o->r, &w->specs[unknown ? w->version : o->version], rng_u64(&w->rng), w->now);
		replica_restore(&o->r, &o->saved);
		replica_check(&o->r);
		if (o->phase == NONE)
			continue;
		if (!unknown && one_in(w, 3))
			ended(w, o);
		else
			step(w, o,
				&(struct replica_in){
					.type = REPLICA_IN_ADOPTED, .pid = 7, .hello = &hello, .unprobed = unknown});
	}
}

/* What an operator, or fate, does. */
static void anything(struct world *w)
{
	struct one *o = &w->v[below(w, SLOTS)];

	switch (below(w, 12)) {
	case 0:
		w->desired = below(w, SLOTS + 1);
		break;
	case 1:
		w->stopped = one_in(w, 2);
		break;
	case 2:
		w->paused = one_in(w, 2);
		break;
	case 3:
		w->deps_ready = !one_in(w, 3);
		break;
	case 4:
		w->removed = one_in(w, 4);
		break;
	case 5:
		w->version = (w->version + 1) % VERSIONS;
		break;
	case 6:
		restart_daemon(w);
		break;
	case 7:
		o->held = o->exists && one_in(w, 2);
		break;
	case 8:
		if (o->exists && !w->stopped && !w->removed && !o->held)
			step(w, o, &(struct replica_in){.type = REPLICA_IN_RESTART});
		break;
	case 9:
		if (o->exists && (o->phase == UP || o->phase == STOPPING))
			ended(w, o);
		break;
	default:
		w->now.mono_ms += below(w, 1000);
		break;
	}
}

static void phase_over(struct world *w, struct one *o)
{
	if (o->phase == STOPPING || (w->faults && one_in(w, o->phase == PREPARING ? 5 : 2))) {
		ended(w, o);
		return;
	}
	if (o->phase == PREPARING) {
		o->phase = UP;
		step(w, o, &(struct replica_in){.type = REPLICA_IN_STARTED, .pid = 7});
	}
	if (o->phase == UP)
		o->phase_until_ms = w->now.mono_ms + 1 + below(w, 2000);
}

/* What is due of one replica. */
static void due(struct world *w, struct one *o)
{
	int64_t now_ms = w->now.mono_ms;

	if (o->phase != NONE && o->phase_until_ms <= now_ms)
		phase_over(w, o);
	for (int i = 0; i < HEALTH_WHICH_MAX; i++) {
		bool ok = !w->faults || !one_in(w, 3);

		if (o->answer_ms[i] > now_ms)
			continue;
		o->answer_ms[i] = DEADLINE_NEVER;
		step(w, o,
			&(struct replica_in){.type = REPLICA_IN_PROBE,
				.which = (enum health_which)i,
				.ok = ok,
				.busy = !ok && one_in(w, 2),
				.took_ms = 1,
				.text = "x"});
	}
	if (replica_deadline_ms(&o->r) <= now_ms)
		step(w, o, &(struct replica_in){.type = REPLICA_IN_TICK});
	assert_true(replica_deadline_ms(&o->r) > now_ms || o->r.state != REPLICA_BACKOFF);
}

static int64_t next_ms(const struct world *w)
{
	int64_t at = w->plan_again_ms;

	for (int i = 0; i < SLOTS; i++) {
		const struct one *o = &w->v[i];

		if (!o->exists)
			continue;
		at = MIN(at, replica_deadline_ms(&o->r));
		at = MIN(at, MIN(o->answer_ms[0], o->answer_ms[1]));
		if (o->phase != NONE)
			at = MIN(at, o->phase_until_ms);
	}
	return at;
}

/* Goes to the next thing that happens, and lets it; false when nothing will any more. */
static bool turn(struct world *w)
{
	int64_t at = next_ms(w);

	if (at == DEADLINE_NEVER)
		return false;
	w->now.mono_ms = MAX(w->now.mono_ms, at);
	for (int i = 0; i < SLOTS; i++)
		if (w->v[i].exists)
			due(w, &w->v[i]);
	plan(w);
	return true;
}

static bool is_as_wanted(const struct world *w)
{
	for (int i = 0; i < SLOTS; i++) {
		const struct one *o = &w->v[i];

		if (o->exists != (i < w->desired))
			return false;
		if (o->exists && !(o->ready_since_ms && o->version == w->version && o->r.state == REPLICA_RUNNING))
			return false;
	}
	return true;
}

static int64_t ready_now(const struct world *w)
{
	int64_t n = 0;

	for (int i = 0; i < w->desired; i++)
		n += w->v[i].ready_since_ms != 0;
	return n;
}

static void converge(struct world *w, int64_t at_least_ready)
{
	int64_t until_ms = w->now.mono_ms + HEAL_MS;

	while (!is_as_wanted(w)) {
		if (ready_now(w) < at_least_ready || w->now.mono_ms > until_ms)
			fail_msg("seed %llu: %lld of %lld ready at %lld", (unsigned long long)w->seed,
				(long long)ready_now(w), (long long)w->desired, (long long)w->now.mono_ms);
		if (!turn(w))
			fail_msg("seed %llu: nothing happens any more, and it is not as wanted",
				(unsigned long long)w->seed);
	}
}

/* No more faults; what has ended for good is started by its operator. */
static void heal(struct world *w)
{
	w->faults = w->stopped = w->removed = w->paused = false;
	w->deps_ready = true;
	for (int i = 0; i < SLOTS; i++) {
		struct one *o = &w->v[i];

		o->held = false;
		if (o->exists && (o->r.state == REPLICA_FAILED || o->r.state == REPLICA_STOPPED))
			step(w, o, &(struct replica_in){.type = REPLICA_IN_RUN});
	}
	plan(w);
	for (int i = 0; i < SLOTS; i++)
		w->v[i].phase_until_ms = MIN(w->v[i].phase_until_ms, w->now.mono_ms);
}

static void walk(struct world *w, uint64_t seed)
{
	begin(w, seed);
	for (int i = 0; i < STEPS; i++) {
		if (one_in(w, 4))
			anything(w);
		plan(w);
		(void)turn(w); /* at rest is fine as well: the next operator comes */
	}
	heal(w);
	/* A probe or a stop under way may still end badly; then the operator is there once more. */
	for (int i = 0; i < 200 && !is_as_wanted(w); i++)
		(void)turn(w);
	heal(w);
	converge(w, 0);
}

static void test_walks(void **state)
{
	static struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= WALKS; seed++) {
		int64_t unavailable;

		walk(&w, seed);
		w.version = (w.version + 1) % VERSIONS;
		unavailable = MAX(w.specs[w.version].update.unavailable.n, (int64_t)1);
		plan(&w);
		converge(&w, w.desired - unavailable);
		w.removed = true;
		w.desired = 0;
		plan(&w);
		converge(&w, 0);
		assert_int_equal(next_ms(&w), DEADLINE_NEVER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
