/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/decide over random clusters, each from a seed: hosts of all sizes die, hang, drain, are cut off and come
 * back, people do anything at any time. After every decision what must always be true is; then the faults end, and all
 * becomes as desired, and stays so.
 */
#include "base/rng.h"
#include "tests/lib/sched_bed.h"

#define CLUSTERS 2000
#define STEPS	 60
#define HEAL_MS	 4000000

static const struct sched_expr exprs[] = {
	{.label = "zone", .value = "a", .equal = true},
	{.label = "zone", .value = "b", .equal = false},
	{.label = "disk", .value = "ssd", .equal = true},
};
static const char *const zones[] = {"a", "b", "c"};

static struct bed bed;
static struct rng rng;
static struct sched_spec specs[BED_SPECS];
static size_t n_specs;
static uint64_t seed;

/* The same again, of the same in another order. */
static struct sched_host other_hosts[BED_HOSTS];
static struct sched_report other_reports[BED_RUNS];
static struct sched_value other_value;
static struct sched_slot other_slots[BED_SLOTS];
static struct sched_held other_held[SCHED_HELD_MAX];

#define MUST(cond)                                 \
	do {                                       \
		if (!(cond)) {                     \
			print_story();             \
			_fail(__FILE__, __LINE__); \
		}                                  \
	} while (0)

static void print_line(void *ctx, const struct sched_decision *of, const char *text)
{
	(void)ctx;
	(void)of;
	(void)fprintf(stderr, "  %s\n", text);
}

static void print_story(void)
{
	static char text[8192];

	(void)fprintf(stderr, "seed %llu at %lld\n", (unsigned long long)seed, (long long)bed.now.mono_ms);
	explain_value(bed.value, &bed.view, print_line, NULL);
	(void)fprintf(stderr, "%s\n", sched_dump(bed.value, &bed.view, text, sizeof(text)));
	if (bed.out.changed)
		(void)fprintf(stderr, "next: %s\n", sched_dump(bed.out.value, &bed.view, text, sizeof(text)));
	for (size_t i = 0; i < bed.n_runs; i++)
		(void)fprintf(stderr, "  n%zu runs %u@%llu v%u\n", bed.runs[i].host + 1, bed.runs[i].number,
			(unsigned long long)bed.runs[i].epoch, bed.runs[i].version);
}

static int64_t below(int64_t n)
{
	return (int64_t)rng_below(&rng, (uint64_t)n);
}

static bool one_in(int64_t n)
{
	return below(n) == 0;
}

static const struct sched_spec *new_spec(void)
{
	struct sched_spec *s = &specs[n_specs++ % BED_SPECS];

	*s = (struct sched_spec){.kind = one_in(12)  ? SCHED_EVERY_NODE
					 : one_in(5) ? SCHED_SINGLETON
						     : SCHED_REPLICATED,
		.leased = one_in(3),
		.require = exprs + below(2),
		.n_require = one_in(3),
		.prefer = &exprs[2],
		.n_prefer = one_in(2),
		.spread = one_in(3) ? "zone" : NULL,
		.reserve = {.cpu_milli = below(4) * 250, .memory_bytes = below(4) << 28},
		.failover_grace_ms = 20000,
		.surge = {.is_percent = one_in(2), .n = below(3)},
		.unavailable = {.n = below(3)},
		.min_healthy_ms = below(2) * 1000,
		.timeout_ms = 30000,
		.rollback = one_in(2)};
	if (s->surge.is_percent)
		s->surge.n *= 25;
	return s;
}

static const struct sched_spec *spec_of(const struct sched_value *v, uint32_t version)
{
	return version == v->before.version && v->before.spec ? v->before.spec : v->now.spec;
}

static const struct sched_report *report_of(uint32_t number, struct sched_node node, uint64_t epoch)
{
	const struct sched_host *h = sched_host_of(&bed.view, node);

	for (size_t i = 0; i < bed.view.n_reports && h && h->state <= SCHED_SUSPECT; i++) {
		const struct sched_report *r = &bed.reports[i];

		if (r->number == number && r->epoch == epoch && sched_same_node(r->node, node))
			return r;
	}
	return NULL;
}

/* Whether the slot of `v` serves, as it is known at `now`, for `was` what it was told. */
static bool serves(const struct sched_value *v, const struct sched_slot *s)
{
	const struct sched_report *r, *f;

	if (s->state != SCHED_RUN)
		return false;
	r = report_of(s->number, s->node, s->epoch);
	f = sched_is_node(s->from) ? report_of(s->number, s->from, s->from_epoch) : NULL;
	if (f && f->ready)
		return true;
	return r && r->ready && r->version == s->version && r->ready_for_ms >= spec_of(v, s->version)->min_healthy_ms;
}

/* Those of `was`, by the definitions of v: what is served is judged by what is known after a change of them. */
static int64_t serving(const struct sched_value *was, const struct sched_value *v)
{
	int64_t n = 0;

	for (size_t i = 0; i < was->n_slots; i++)
		n += serves(v, &was->slots[i]);
	return n;
}

/* Of those that served, how many do so after it: the same owner, the same definition. */
static int64_t still_serving(const struct sched_value *was, const struct sched_value *v)
{
	int64_t n = 0;

	for (size_t i = 0; i < was->n_slots; i++) {
		const struct sched_slot *a = &was->slots[i], *b = sched_slot_of(v, a->number);
		const struct sched_report *r = report_of(a->number, a->node, a->epoch);
		const struct sched_report *f = report_of(a->number, a->from, a->from_epoch);

		if (!serves(v, a) || !b || b->state != SCHED_RUN)
			continue;
		if (r && r->ready && r->version == b->version && b->epoch == a->epoch)
			n++;
		else if (r && r->ready && r->version == a->version && b->from_epoch == a->epoch)
			n++;
		else if (f && f->ready && b->from_epoch == a->from_epoch && sched_is_node(b->from))
			n++;
		else if (f && f->ready && b->epoch == a->from_epoch && sched_same_node(b->node, a->from))
			n++;
	}
	return n;
}

static int64_t doubled(const struct sched_value *v)
{
	int64_t n = 0;

	for (size_t i = 0; i < v->n_slots; i++)
		n += v->slots[i].extra || sched_is_node(v->slots[i].from);
	return n;
}

static void check_bounds(const struct sched_value *was, const struct sched_value *v, enum sched_event_type event)
{
	const struct sched_spec *spec = v->now.spec;
	int64_t surge, unavailable, least, before = serving(was, v), wanted = decide_wanted(v);

	if (!was->now.version || v->stopped || v->removed || was->removed || was->stopped ||
		event == SCHED_EVENT_SCALE || wanted < decide_wanted(was))
		return; /* people may take down what they like */
	surge = spec->leased ? 0 : MIN(sched_share_of(spec->surge, wanted, true), BED_SLOTS - v->desired);
	unavailable = sched_share_of(spec->unavailable, wanted, false);
	if (surge == 0 && unavailable == 0)
		unavailable = 1;
	least = MIN(before, wanted - unavailable);
	MUST(still_serving(was, v) >= least);
	MUST(doubled(v) <= MAX(surge, doubled(was)));
}

/* Each owner's epoch is an old one of the same owner, or a new one, and no two are the same. */
static void check_epoch(const struct sched_value *was, const struct sched_value *v, const struct sched_slot *s,
	struct sched_node node, uint64_t epoch)
{
	const struct sched_slot *a = sched_slot_of(was, s->number);

	for (size_t i = 0; i < v->n_slots; i++)
		if (&v->slots[i] != s)
			MUST(v->slots[i].epoch != epoch && v->slots[i].from_epoch != epoch);
	if (epoch >= was->next_epoch)
		return;
	MUST(a && ((a->epoch == epoch && sched_same_node(a->node, node)) ||
			  (a->from_epoch == epoch && sched_same_node(a->from, node))));
}

static void check_lease(const struct sched_value *was, const struct sched_slot *s)
{
	const struct sched_slot *a = sched_slot_of(was, s->number);
	const struct sched_host *h;

	for (size_t i = 0; i < bed.n_runs; i++) {
		const struct bed_run *r = &bed.runs[i];

		if (r->number == s->number && !r->leased)
			MUST(bed.hosts[r->host].state >= SCHED_LEFT); /* M24 */
	}
	if (!a || !a->leased || a->state == SCHED_PENDING)
		return;
	h = sched_host_of(&bed.view, a->node);
	if (h->state >= SCHED_DEAD)
		return; /* the lease sees to it */
	MUST(a->state == SCHED_STOP);
	MUST(!bed_run_of(&bed, (size_t)(h - bed.hosts), a->number, a->epoch));
}

static bool meets(const struct sched_spec *spec, const struct sched_host *h)
{
	for (size_t i = 0; i < spec->n_require; i++) {
		const struct sched_expr *e = &spec->require[i];
		bool same = false;

		for (size_t k = 0; k < h->n_labels; k++)
			same |= strcmp(h->labels[k].key, e->label) == 0 && strcmp(h->labels[k].value, e->value) == 0;
		if (same != e->equal)
			return false;
	}
	return true;
}

static void check_room(const struct sched_value *was, const struct sched_value *v, const struct sched_host *h)
{
	int64_t cpu = h->reserved_cpu_milli, memory = h->reserved_memory_bytes;
	bool asks_cpu = false, asks_memory = false;

	for (size_t i = 0; i < v->n_slots; i++) {
		const struct sched_slot *s = &v->slots[i], *a;
		const struct sched_reserve *what = &s->reserve;
		int64_t n = (s->state != SCHED_PENDING && sched_same_node(s->node, h->id)) +
			    (sched_is_node(s->from) && sched_same_node(s->from, h->id));

		cpu += n * what->cpu_milli;
		memory += n * what->memory_bytes;
		if (!sched_same_node(s->node, h->id))
			continue;
		a = s->epoch < was->next_epoch ? sched_slot_of(was, s->number) : NULL;
		asks_cpu |= what->cpu_milli > (a ? a->reserve.cpu_milli : 0);
		asks_memory |= what->memory_bytes > (a ? a->reserve.memory_bytes : 0);
	}
	MUST(!asks_cpu || cpu <= h->cpu_milli);
	MUST(!asks_memory || memory <= h->memory_bytes);
}

static void check_decision(const struct sched_value *was, const struct sched_value *v, enum sched_event_type event)
{
	sched_check(v);
	MUST(v->next_epoch >= was->next_epoch && v->next_version >= was->next_version && v->number == was->number + 1);
	for (size_t i = 0; i < v->n_slots; i++) {
		const struct sched_slot *s = &v->slots[i];
		const struct sched_host *h = sched_host_of(&bed.view, s->node);

		if (s->state == SCHED_PENDING)
			continue;
		check_epoch(was, v, s, s->node, s->epoch);
		MUST(s->version != v->now.version || s->reserve.cpu_milli == v->now.spec->reserve.cpu_milli);
		if (sched_is_node(s->from))
			check_epoch(was, v, s, s->from, s->from_epoch);
		if (h)
			check_room(was, v, h);
		if (s->epoch < was->next_epoch)
			continue;
		MUST(h && h->state == SCHED_ALIVE && h->schedulable && !h->draining);
		MUST(meets(spec_of(v, s->version), h));
		MUST(s->version == v->now.version || s->version == v->before.version);
		if (s->leased)
			check_lease(was, s);
	}
	check_bounds(was, v, event);
}

static void shuffle(void)
{
	memcpy(other_hosts, bed.hosts, sizeof(other_hosts));
	memcpy(other_reports, bed.reports, sizeof(other_reports));
	for (size_t i = bed.n_hosts; i-- > 1;) {
		size_t k = (size_t)below((int64_t)i + 1);
		struct sched_host h = other_hosts[i];

		other_hosts[i] = other_hosts[k];
		other_hosts[k] = h;
	}
	for (size_t i = bed.view.n_reports; i-- > 1;) {
		size_t k = (size_t)below((int64_t)i + 1);
		struct sched_report r = other_reports[i];

		other_reports[i] = other_reports[k];
		other_reports[k] = r;
	}
}

static bool same_decision(const struct sched_value *a, const struct sched_value *b)
{
	static char x[8192], y[8192];
	const struct sched_decision *d = &a->decisions[a->n_decisions - 1], *e = &b->decisions[b->n_decisions - 1];

	if (strcmp(sched_dump(a, &bed.view, x, sizeof(x)), sched_dump(b, &bed.view, y, sizeof(y))) != 0)
		return false;
	return strcmp(explain_decision(d, &bed.view, x, sizeof(x)), explain_decision(e, &bed.view, y, sizeof(y))) == 0;
}

/* What is decided is checked, and decided again by another node that knows the same. */
static bool act(const struct decide_event *ev)
{
	const struct sched_value *was = bed.value;
	struct place_room rooms[BED_HOSTS];
	struct decide_reports found[BED_SLOTS];
	struct sched_view view;
	struct decide_in in;
	struct decide_out out = {.value = &other_value,
		.rooms = rooms,
		.cap_rooms = BED_HOSTS,
		.reports = found,
		.cap_reports = BED_SLOTS};

	bed_tell(&bed);
	shuffle();
	view = (struct sched_view){other_hosts, bed.n_hosts, other_reports, bed.view.n_reports, bed.view.floor};
	in = bed_in(&bed, ev);
	in.view = &view;
	sched_init(&other_value, other_slots, BED_SLOTS, other_held, SCHED_HELD_MAX);
	decide_value(&in, bed.now, &out);
	{
		(void)bed_event(&bed, ev);
		MUST(out.changed == bed.out.changed && out.again_ms == bed.out.again_ms);
		MUST(!out.changed || same_decision(&other_value, bed.value));
		if (out.changed) {
			bed.value = (struct sched_value *)was;
			check_decision(was, bed.out.value, ev->type);
			bed.value = bed.out.value;
		}
	}
	return bed.out.changed;
}

static bool tick(int64_t ms)
{
	bed.now.mono_ms += ms;
	for (size_t i = 0; i < bed.n_hosts; i++)
		if (!bed.down[i] && !bed.cut[i] && !one_in(4))
			bed_look(&bed, i);
	bed_reap(&bed);
	return act(&(struct decide_event){.type = SCHED_EVENT_TICK});
}

static void set_state(size_t h, enum sched_host_state state, bool down, bool cut, enum sched_event_type event)
{
	bed.hosts[h].state = state;
	bed.since_ms[h] = bed.now.mono_ms;
	bed.down[h] = down;
	bed.cut[h] = cut;
	bed_reap(&bed);
	(void)act(&(struct decide_event){.type = event, .subject = bed.hosts[h].id});
}

static void fault(void)
{
	size_t h = (size_t)below((int64_t)bed.n_hosts);

	if (bed.hosts[h].state >= SCHED_LEFT)
		return;
	bed.hosts[h].host_up = one_in(2);
	switch (below(6)) {
	case 0:
		set_state(h, SCHED_DEAD, true, false, SCHED_EVENT_NODE_DEAD);
		break;
	case 1:
		set_state(h, SCHED_DEAD, false, true, SCHED_EVENT_NODE_DEAD);
		break;
	case 2:
		set_state(h, SCHED_SUSPECT, false, one_in(2), SCHED_EVENT_TICK);
		break;
	case 3:
		if (one_in(4))
			set_state(h, SCHED_FORGOTTEN, true, false, SCHED_EVENT_NODE_GONE);
		break;
	case 4:
		bed.hosts[h].draining = !bed.hosts[h].draining;
		(void)act(&(struct decide_event){.type = SCHED_EVENT_DRAIN, .subject = bed.hosts[h].id});
		break;
	default:
		set_state(h, SCHED_ALIVE, false, false, SCHED_EVENT_NODE_BACK);
		break;
	}
}

static void command(void)
{
	static const enum sched_event_type types[] = {SCHED_EVENT_START, SCHED_EVENT_STOP, SCHED_EVENT_REMOVE,
		SCHED_EVENT_PAUSE, SCHED_EVENT_RESUME, SCHED_EVENT_UNDO, SCHED_EVENT_START, SCHED_EVENT_START};
	struct decide_event ev = {.type = types[below((int64_t)ARRAY_LEN(types))], .desired = below(9)};

	if (one_in(2)) {
		ev.type = SCHED_EVENT_APPLY;
		ev.spec = new_spec();
		ev.desired = one_in(2) ? -1 : ev.desired;
	} else if (one_in(3)) {
		ev.type = SCHED_EVENT_SCALE;
	}
	if (ev.type == SCHED_EVENT_APPLY && one_in(4))
		bed.broken = bed.value->next_version;
	(void)act(&ev);
}

static void make_cluster(void)
{
	int64_t n;

	rng_seed(&rng, seed);
	n = 1 + below(10);
	bed_init(&bed, "web");
	for (int64_t i = 0; i < n; i++) {
		struct sched_host *h = &bed.hosts[bed_host(&bed, one_in(5) ? NULL : zones[below(3)])];

		h->cpu_milli = 500 * (1 + below(8));
		h->memory_bytes = (1 + below(8)) << 28;
		h->reserved_cpu_milli = below(3) * 250;
		h->used_memory_bytes = one_in(8) ? h->memory_bytes : 0;
		h->schedulable = !one_in(8);
		if (one_in(3))
			bed.labels[h - bed.hosts][h->n_labels++] = (struct sched_label){.key = "disk", .value = "ssd"};
	}
	bed.start_ms = 500 * below(6);
	bed.stop_ms = 500 * below(4);
	(void)act(&(struct decide_event){.type = SCHED_EVENT_APPLY, .spec = new_spec(), .desired = below(9)});
}

static void heal(void)
{
	bed.broken = 0;
	for (size_t i = 0; i < bed.n_runs; i++)
		bed.runs[i].ready_at_ms = MIN(bed.runs[i].ready_at_ms, bed.now.mono_ms + bed.start_ms);
	for (size_t i = 0; i < bed.n_hosts; i++) {
		bed.hosts[i].draining = false;
		if (bed.hosts[i].state < SCHED_LEFT)
			set_state(i, SCHED_ALIVE, false, false, SCHED_EVENT_NODE_BACK);
	}
	(void)act(&(struct decide_event){.type = SCHED_EVENT_RESUME});
	(void)act(&(struct decide_event){.type = SCHED_EVENT_START});
}

/* A definition for which some slot has no node: the change fails, and what runs goes on as it was. */
static bool is_stuck(const struct sched_value *v)
{
	bool old = v->rollout.state == SCHED_ROLLOUT_FAILED;

	for (size_t i = 0; i < v->n_slots; i++)
		old |= v->slots[i].state == SCHED_RUN &&
		       (v->slots[i].version != v->now.version || v->slots[i].leased != v->now.spec->leased);
	return old && v->rollout.state >= SCHED_ROLLOUT_FAILED;
}

/* What a surge began then serves in its place, and stays. */
static bool has_pending(const struct sched_value *v)
{
	for (size_t i = 0; i < v->n_slots; i++)
		if (v->slots[i].state == SCHED_PENDING)
			return true;
	return false;
}

static void check_settled(void)
{
	const struct sched_value *v = bed.value;
	int64_t desired = decide_wanted(v);
	struct decide_event ev = {.type = SCHED_EVENT_TICK};
	struct decide_in in = bed_in(&bed, &ev);
	struct decide_out out = bed.out;
	size_t runs = 0;

	out.value = v == &bed.values[0] ? &bed.values[1] : &bed.values[0];
	MUST(v->rollout.state != SCHED_ROLLOUT_RUNNING || v->stopped);
	if (is_stuck(v))
		return;
	MUST(v->n_slots == (size_t)desired || (has_pending(v) && v->n_slots == (size_t)(desired + doubled(v))));
	for (size_t i = 0; i < v->n_slots; i++) {
		const struct sched_slot *s = &v->slots[i];
		char why[SCHED_TEXT_MAX];

		MUST((s->number == i || s->extra) && !sched_is_node(s->from));
		(void)decide_pending(&in, s->number, &out, why, sizeof(why));
		MUST((s->state == SCHED_PENDING) == (why[0] != '\0'));
		if (s->state == SCHED_PENDING)
			continue;
		runs++;
		MUST(s->state == SCHED_RUN && (s->extra || serves(v, s)));
		MUST(sched_host_of(&bed.view, s->node)->state == SCHED_ALIVE);
	}
	MUST(bed.n_runs == runs);
}

static void test_random_clusters(void **state)
{
	(void)state;
	for (seed = 1; seed <= CLUSTERS; seed++) {
		int64_t calm_ms = 0;

		make_cluster();
		for (int i = 0; i < STEPS; i++) {
			if (one_in(6))
				fault();
			if (one_in(8))
				command();
			(void)tick(500 * (1 + below(6)));
		}
		heal();
		for (int64_t at = 0; calm_ms < 100000; at += 4000) {
			MUST(at < HEAL_MS);
			calm_ms = tick(4000) ? 0 : calm_ms + 4000;
		}
		check_settled();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_clusters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
