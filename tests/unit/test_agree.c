/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes agree on about agents: commands from any node, slots that go to nodes and away from those that are lost,
 * the order of rank. Around it a cluster in virtual time (registers_bed.h), whose nodes run what they know to be
 * theirs, and say so. COVEY_SEEDS="FROM TO" runs others than the usual seeds.
 */
#include <errno.h>

#include "node/register_reader.h"
#include "tests/lib/agree_bed.h"
#include "tests/lib/seeds.h"
#include "tests/lib/test.h"

#define SEEDS	 40
#define RUNS_MAX 32
#define READY_MS 300

struct run {
	uint32_t number, version;
	uint64_t epoch;
	int64_t since_ms;
};

/* What a node has beside its registers. */
struct own {
	struct run runs[RBED_KEYS][RUNS_MAX];
	size_t n_runs[RBED_KEYS];
	uint64_t knows[RBED_KEYS];
};

static struct world {
	struct own own[RBED_NODES_MAX];
	struct sched_host hosts[RBED_NODES_MAX];
	struct sched_report reports[RBED_NODES_MAX * RUNS_MAX];
	struct {
		struct ballot ballot;
		uint64_t hash;
	} chosen[RBED_KEYS][4096];
	size_t n_chosen[RBED_KEYS];
} w;

/* ---- the world ---- */

static const struct sched_spec keeps = {.kind = SCHED_REPLICATED, .surge = {.n = 1}, .timeout_ms = 60000};
static const struct sched_spec other = {.kind = SCHED_REPLICATED, .unavailable = {.n = 1}, .timeout_ms = 60000};
static const struct sched_spec big = {
	.kind = SCHED_REPLICATED, .surge = {.n = 1}, .timeout_ms = 60000, .reserve = {.cpu_milli = 6000}};
static const struct sched_spec one = {.kind = SCHED_SINGLETON, .timeout_ms = 60000};

static const struct sched_spec *spec(void *ctx, struct msg_bytes text, struct err *e)
{
	(void)ctx;
	switch (text.n > 0 ? text.v[0] : 0) {
	case 'k':
		return &keeps;
	case 'o':
		return &other;
	case 'b':
		return &big;
	case '1':
		return &one;
	default:
		(void)err_set(e, -EINVAL, "that is no definition");
		return NULL;
	}
}

static bool view(void *ctx, const char *agent, struct sched_view *ret)
{
	int key = *agent ? agent[0] - 'a' : -1; /* of none */
	size_t n = 0;

	(void)ctx;
	for (int i = 0; i < abed.b->n; i++) {
		const struct own *o = &w.own[i];
		bool up = abed.b->v[i].up;

		w.hosts[i] = (struct sched_host){.id = register_node_of(&abed.b->v[i].uuid),
			.name = "n",
			.state = up ? SCHED_ALIVE : SCHED_DEAD,
			.state_for_ms = 100000,
			.schedulable = true,
			.cpu_milli = 8000,
			.memory_bytes = (int64_t)8 << 30,
			.knows = key < 0 ? 0 : o->knows[key]};
		for (size_t k = 0; up && key >= 0 && k < o->n_runs[key]; k++) {
			const struct run *r = &o->runs[key][k];
			int64_t ready_for = abed.b->now_ms - r->since_ms - READY_MS;

			w.reports[n++] = (struct sched_report){.node = w.hosts[i].id,
				.number = r->number,
				.version = r->version,
				.epoch = r->epoch,
				.up = true,
				.ready = ready_for >= 0,
				.ready_for_ms = MAX(ready_for, (int64_t)0)};
		}
	}
	*ret = (struct sched_view){
		.hosts = w.hosts, .n_hosts = (size_t)abed.b->n, .reports = w.reports, .n_reports = n};
	return true;
}

static bool cfg_get(const void *ctx, struct msg_bytes value, struct quorum_cfg *ret)
{
	struct rvalue v = {0};

	(void)ctx;
	if (value.n < offsetof(struct rvalue, v) || value.n > sizeof(v))
		return false;
	memcpy(&v, value.v, value.n);
	*ret = v.cfg;
	return v.cfg.epoch != 0;
}

static bool slot_next(const void *ctx, struct msg_bytes value, size_t *at, struct msg_slot *ret)
{
	(void)ctx;
	return register_agent_slot(value, at, ret);
}

static bool no_times(const void *ctx, struct msg_bytes value, struct value_times *ret)
{
	(void)ctx;
	(void)value;
	(void)ret;
	return false;
}

static const struct value_reader reader = {.slot_next = slot_next, .cfg_get = cfg_get, .times_get = no_times};

/* ---- a node ---- */

static void drop(struct rnode *n)
{
	memset(&w.own[n->number], 0, sizeof(w.own[0]));
}

static bool has_run(const struct own *o, int key, const struct sched_slot *s)
{
	for (size_t i = 0; i < o->n_runs[key]; i++)
		if (o->runs[key][i].number == s->number && o->runs[key][i].epoch == s->epoch)
			return true;
	return false;
}

/* It runs what it owns, and nothing else. */
static void act(struct rnode *n, int key, struct msg_bytes value)
{
	struct own *o = &w.own[n->number];
	struct sched_node self = register_node_of(&n->uuid);
	struct register_agent a = {0};
	struct err e;
	size_t left = 0;

	assert_int_equal(register_agent_read(&a, &abed_heap, value, &e), 0);
	o->knows[key] = a.v.number;
	for (size_t i = 0; i < o->n_runs[key]; i++) {
		const struct run *r = &o->runs[key][i];
		bool mine = false;

		for (size_t k = 0; k < a.v.n_slots; k++) {
			const struct sched_slot *s = &a.v.slots[k];

			mine |= s->state == SCHED_RUN && s->number == r->number &&
				((sched_same_node(s->node, self) && s->epoch == r->epoch) ||
					(sched_same_node(s->from, self) && s->from_epoch == r->epoch));
		}
		if (mine)
			o->runs[key][left++] = *r;
	}
	o->n_runs[key] = left;
	for (size_t k = 0; k < a.v.n_slots; k++) {
		const struct sched_slot *s = &a.v.slots[k];

		if (s->state != SCHED_RUN || !sched_same_node(s->node, self))
			continue;
		if (!has_run(o, key, s) && o->n_runs[key] < RUNS_MAX)
			o->runs[key][o->n_runs[key]++] = (struct run){s->number, s->version, s->epoch, n->b->now_ms};
		for (size_t i = 0; i < o->n_runs[key]; i++)
			if (o->runs[key][i].number == s->number && o->runs[key][i].version != s->version) {
				o->runs[key][i].version = s->version;
				o->runs[key][i].since_ms = n->b->now_ms;
			}
	}
	register_agent_done(&a);
}

/* One value a ballot; each is one that can be read. */
static void chosen(struct rnode *n, const struct registers_out *out)
{
	int key = out->key.n ? out->key.v[0] - 'a' : -1;
	uint64_t hash = register_hash(out->value);

	if (key < 0)
		return;
	for (size_t i = 0; i < w.n_chosen[key]; i++)
		if (ballot_cmp(&w.chosen[key][i].ballot, &out->ballot) == 0) {
			assert_true(w.chosen[key][i].hash == hash);
			act(n, key, out->value);
			return;
		}
	assert_true(w.n_chosen[key] < ARRAY_LEN(w.chosen[key]));
	w.chosen[key][w.n_chosen[key]].ballot = out->ballot;
	w.chosen[key][w.n_chosen[key]++].hash = hash;
	act(n, key, out->value);
}

/* ---- the cluster ---- */

/* What replicas are like is told now and then. */
static void look_at_replicas(void)
{
	for (int i = 0; i < abed.b->n; i++)
		for (int k = 0; k < RBED_KEYS; k++)
			abed_tell(i, &(struct agree_in){.type = AGREE_IN_AGENT, .key = rbed_key(k)});
}

static const struct abed_kind kind = {.world = {.view = view, .spec = spec},
	.reader = &reader,
	.chosen = chosen,
	.dropped = drop,
	.look = look_at_replicas};

static void begin(uint64_t seed, const char *voters)
{
	memset(&w, 0, sizeof(w));
	abed_new(seed, 5, &kind);
	if (!*voters)
		return;
	assert_int_equal(rbed_vote(abed.b, 0, voters), 0);
	for (int i = 0; abed.b->voters_ended[VOTERS_CHANGED] == 0 && i < 500; i++)
		abed_run(ABED_LOOK_MS);
	assert_int_equal(abed.b->voters_ended[VOTERS_CHANGED], 1);
}

/* Its token; 0: it was not taken. */
static uint64_t ask(int node, int key, enum sched_event_type type, const char *text, int64_t desired, const char *op)
{
	return abed_ask(node,
		&(struct agree_command){.key = rbed_key(key),
			.event = {.type = type, .op = op, .desired = desired},
			.text = {(const uint8_t *)text, strlen(text)}},
		NULL, NULL);
}

static size_t ready(int key)
{
	size_t n = 0;

	for (int i = 0; i < abed.b->n; i++)
		for (size_t k = 0; abed.b->v[i].up && k < w.own[i].n_runs[key]; k++)
			n += abed.b->now_ms - w.own[i].runs[key][k].since_ms >= READY_MS;
	return n;
}

static size_t running(int key)
{
	size_t n = 0;

	for (int i = 0; i < abed.b->n; i++)
		n += abed.b->v[i].up ? w.own[i].n_runs[key] : 0;
	return n;
}

static void becomes(int key, size_t n)
{
	for (int i = 0; (ready(key) != n || running(key) != n) && i < 600; i++)
		abed_run(100);
	assert_int_equal(ready(key), n);
	assert_int_equal(running(key), n);
	abed_run(3000); /* and stays */
	assert_int_equal(running(key), n);
}

/* ---- tests ---- */

static void test_an_agent_is_run(void **state)
{
	(void)state;
	begin(1, "012");
	abed_answered(ask(4, 0, SCHED_EVENT_APPLY, "keep", 3, "op1"), AGREE_DONE, "");
	becomes(0, 3);
	abed_answered(ask(1, 0, SCHED_EVENT_SCALE, "", 5, "op2"), AGREE_DONE, "");
	becomes(0, 5);
	abed_answered(ask(3, 0, SCHED_EVENT_SCALE, "", 5, "op2"), AGREE_DONE, "");
	assert_true(abed.answers[abed.token].repeat);
	abed_answered(ask(2, 0, SCHED_EVENT_APPLY, "other", -1, "op3"), AGREE_DONE, "");
	becomes(0, 5);
	abed_answered(ask(0, 0, SCHED_EVENT_STOP, "", -1, "op4"), AGREE_DONE, "");
	becomes(0, 0);
	abed_answered(ask(0, 0, SCHED_EVENT_START, "", -1, "op5"), AGREE_DONE, "");
	becomes(0, 5);
	abed_answered(ask(4, 0, SCHED_EVENT_REMOVE, "", -1, "op6"), AGREE_DONE, "");
	becomes(0, 0);
	abed_free();
}

static void test_a_lost_node_is_made_good(void **state)
{
	(void)state;
	begin(2, "012");
	abed_answered(ask(3, 0, SCHED_EVENT_APPLY, "keep", 4, ""), AGREE_DONE, "");
	abed_answered(ask(3, 1, SCHED_EVENT_APPLY, "1", -1, ""), AGREE_DONE, "");
	becomes(0, 4);
	becomes(1, 1);
	for (int i = 4; i >= 2; i--) { /* no voter, no voter, one of three */
		abed_crash(i);
		becomes(0, 4);
		becomes(1, 1);
	}
	abed_start(2);
	abed_start(3);
	abed_start(4);
	becomes(0, 4);
	becomes(1, 1);
	abed_free();
}

static void test_what_is_refused(void **state)
{
	size_t n;

	(void)state;
	begin(3, "");
	abed_answered(ask(0, 2, SCHED_EVENT_SCALE, "", 3, ""), AGREE_REFUSED, "there is no agent 'c'");
	n = acceptor_keys(registers_voter(abed.b->v[0].r));
	abed_answered(ask(4, 2, SCHED_EVENT_REMOVE, "", -1, ""), AGREE_REFUSED, "there is no agent 'c'");
	assert_int_equal(
		acceptor_keys(registers_voter(abed.b->v[0].r)), n); /* a name that is mistyped is kept nowhere */
	abed_answered(ask(0, 2, SCHED_EVENT_APPLY, "nonsense", 3, ""), AGREE_REFUSED, "that is no definition");
	abed_answered(ask(0, 0, SCHED_EVENT_APPLY, "keep", 1, ""), AGREE_DONE, "");
	becomes(0, 1);
	abed_free();
}

/* Of an agent, as that node knows it: why it lacks a node; "": it does not. */
static void pending(int node, int key, const char *text)
{
	struct msg_key k = rbed_key(key);
	char out[256];

	assert_string_equal(agree_pending(abed.own[node].a, &k, out, sizeof(out)), text);
}

/* Five nodes of eight processors have room for one each of those that want six; what is decided says so, everywhere. */
static void test_what_has_no_room_says_why(void **state)
{
	static const char full[] = "no node for it: 5 alive, 5 have too little cpu free (6 is asked for, n has 2)";

	(void)state;
	begin(6, "012");
	abed_answered(ask(4, 0, SCHED_EVENT_APPLY, "big", 7, ""), AGREE_DONE, "");
	becomes(0, 5);
	for (int i = 0; i < abed.b->n; i++)
		pending(i, 0, full);
	abed_answered(ask(1, 0, SCHED_EVENT_SCALE, "", 5, ""), AGREE_DONE, "");
	becomes(0, 5);
	for (int i = 0; i < abed.b->n; i++)
		pending(i, 0, "");
	pending(0, 3, ""); /* there is none */
	abed_free();
}

struct plan {
	int n;
	int64_t was_desired, desired;
	size_t run, pending;
};

static void planned(
	void *ctx, const struct sched_value *was, const struct sched_value *next, const struct sched_view *seen)
{
	struct plan *p = ctx;

	p->n++;
	p->was_desired = was->desired;
	p->desired = next->desired;
	p->run = p->pending = 0;
	for (size_t i = 0; i < next->n_slots; i++) {
		p->run += next->slots[i].state == SCHED_RUN;
		p->pending += next->slots[i].state == SCHED_PENDING;
	}
	assert_int_equal(seen->n_hosts, 5);
}

static int plan(int node, int key, enum sched_event_type type, const char *text, int64_t desired, struct plan *ret,
	struct err *e)
{
	return agree_plan(abed.own[node].a,
		&(struct agree_command){.key = rbed_key(key),
			.event = {.type = type, .desired = desired},
			.text = {(const uint8_t *)text, strlen(text)}},
		planned, ret, e);
}

/* What a command would come to, any node can tell, and nothing comes of it. */
static void test_a_plan(void **state)
{
	struct plan p = {0};
	struct err e;

	(void)state;
	begin(7, "012");
	assert_int_equal(plan(3, 0, SCHED_EVENT_APPLY, "big", 7, &p, &e), 0);
	assert_true(p.n == 1 && p.was_desired == 0 && p.desired == 7 && p.run == 5 && p.pending == 2);
	becomes(0, 0);
	pending(3, 0, "");
	abed_answered(ask(4, 0, SCHED_EVENT_APPLY, "keep", 2, ""), AGREE_DONE, "");
	becomes(0, 2);
	assert_int_equal(plan(2, 0, SCHED_EVENT_SCALE, "", 4, &p, &e), 0);
	assert_true(p.n == 2 && p.was_desired == 2 && p.desired == 4 && p.run == 4 && p.pending == 0);
	assert_int_equal(plan(2, 0, SCHED_EVENT_APPLY, "keep", 2, &p, &e), 0); /* as it is */
	assert_true(p.n == 3 && p.was_desired == 2 && p.desired == 2 && p.run == 2);
	assert_true(plan(2, 1, SCHED_EVENT_SCALE, "", 4, &p, &e) < 0);
	assert_string_equal(e.text, "there is no agent 'b'");
	assert_true(plan(2, 0, SCHED_EVENT_APPLY, "nonsense", 4, &p, &e) < 0);
	assert_string_equal(e.text, "that is no definition");
	assert_int_equal(p.n, 3);
	becomes(0, 2);
	abed_free();
}

/* Each has its turn: of many at once none is lost, and the last one is what is. */
static void test_many_at_once(void **state)
{
	uint64_t tokens[40];

	(void)state;
	begin(4, "012");
	abed_answered(ask(0, 0, SCHED_EVENT_APPLY, "keep", 1, ""), AGREE_DONE, "");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		tokens[i] = ask((int)(i % 2), (int)(i % RBED_KEYS), SCHED_EVENT_APPLY, i % 4 ? "keep" : "other",
			(int64_t)(1 + i % 5), "");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		abed_answered(tokens[i], AGREE_DONE, "");
	abed_run(30000);
	for (int k = 0; k < RBED_KEYS; k++)
		assert_true(running(k) >= 1 && running(k) <= 5 && ready(k) == running(k));
	abed_free();
}

static void test_without_a_quorum(void **state)
{
	uint64_t token;

	(void)state;
	begin(5, "012");
	abed_answered(ask(3, 0, SCHED_EVENT_APPLY, "keep", 3, ""), AGREE_DONE, "");
	becomes(0, 3);
	abed_crash(0);
	abed_crash(1);
	token = ask(3, 0, SCHED_EVENT_SCALE, "", 1, "");
	abed_answered(token, AGREE_UNKNOWN, "");
	abed_start(0);
	abed_answered(ask(3, 0, SCHED_EVENT_SCALE, "", 2, ""), AGREE_DONE, "");
	abed_start(1);
	becomes(0, 2);
	abed_free();
}

static void disturb(void)
{
	static const enum sched_event_type events[] = {
		SCHED_EVENT_SCALE, SCHED_EVENT_SCALE, SCHED_EVENT_STOP, SCHED_EVENT_START, SCHED_EVENT_REMOVE};
	struct rng *r = &abed.b->rng;
	int node = (int)rng_below(r, (uint64_t)abed.b->n), key = (int)rng_below(r, RBED_KEYS);

	switch (rng_below(r, 10)) {
	case 0:
		if (abed.b->v[node].up)
			abed_crash(node);
		break;
	case 1:
	case 2:
		if (!abed.b->v[node].up)
			abed_start(node);
		break;
	case 3:
		if (abed.b->v[node].up && abed.token < ABED_TOKENS - 20)
			(void)ask(node, key, SCHED_EVENT_APPLY, rng_below(r, 2) ? "keep" : "other",
				(int64_t)rng_below(r, 6), "");
		break;
	case 4:
	case 5:
		if (abed.b->v[node].up && abed.token < ABED_TOKENS - 20)
			(void)ask(node, key, events[rng_below(r, ARRAY_LEN(events))], "", (int64_t)rng_below(r, 6), "");
		break;
	default:
		break;
	}
}

static void one_seed(uint64_t seed)
{
	begin(seed, seed % 3 ? "012" : "");
	abed.b->lose_pct = (int)rng_below(&abed.b->rng, 20);
	abed.b->double_pct = (int)rng_below(&abed.b->rng, 10);
	abed.b->late_pct = (int)rng_below(&abed.b->rng, 8);
	abed.b->nomem_pm = rng_below(&abed.b->rng, 2) ? (int)rng_below(&abed.b->rng, 10) : 0;
	for (int i = 0; i < 150; i++) {
		disturb();
		abed_run(1 + (int64_t)rng_below(&abed.b->rng, 300));
	}
	abed.b->lose_pct = abed.b->double_pct = abed.b->late_pct = abed.b->nomem_pm = 0;
	for (int i = 0; i < abed.b->n; i++)
		if (!abed.b->v[i].up)
			abed_start(i);
	abed_run(20000);
	for (int k = 0; k < RBED_KEYS; k++) { /* what is asked for now is what comes to be */
		size_t n = 1 + (size_t)k;

		abed_answered(ask(k, k, SCHED_EVENT_APPLY, "keep", (int64_t)n, ""), AGREE_DONE, "");
		abed_answered(ask(k, k, SCHED_EVENT_START, "", -1, ""), AGREE_DONE, "");
		becomes(k, n);
	}
	assert_true(rbed_all_know_the_same(abed.b));
	abed_free();
}

static void test_seeds(void **state)
{
	(void)state;
	for (struct seeds s = seeds_of(SEEDS); seeds_next(&s);)
		one_seed(s.seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_agent_is_run),
		cmocka_unit_test(test_a_lost_node_is_made_good),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_what_has_no_room_says_why),
		cmocka_unit_test(test_a_plan),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_without_a_quorum),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
