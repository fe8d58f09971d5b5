/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes agree on about agents: commands from any node, slots that go to nodes and away from those that are lost,
 * the order of rank. Around it a cluster in virtual time (registers_bed.h), whose nodes run what they know to be
 * theirs, and say so. COVEY_SEEDS="FROM TO" runs others than the usual seeds.
 */
#include <errno.h>
#include <inttypes.h>

#include "node/agree.h"
#include "node/register_reader.h"
#include "tests/lib/registers_bed.h"
#include "tests/lib/test.h"

#define SEEDS	 40
#define RUNS_MAX 32
#define READY_MS 300
#define LOOK_MS	 200
#define TOKENS	 256

struct run {
	uint32_t number, version;
	uint64_t epoch;
	int64_t since_ms;
};

/* What a node has beside its registers. */
struct own {
	struct agree *a;
	struct agree_outs outs;
	struct run runs[RBED_KEYS][RUNS_MAX];
	size_t n_runs[RBED_KEYS];
	uint64_t knows[RBED_KEYS];
};

static struct world {
	struct rbed *b;
	struct own own[RBED_NODES_MAX];
	struct sched_host hosts[RBED_NODES_MAX];
	struct sched_report reports[RBED_NODES_MAX * RUNS_MAX];
	struct {
		bool is;
		enum agree_outcome outcome;
		bool repeat;
		char text[ERR_TEXT_MAX];
	} answers[TOKENS];
	uint64_t token;
	struct {
		struct ballot ballot;
		uint64_t hash;
	} chosen[RBED_KEYS][4096];
	size_t n_chosen[RBED_KEYS];
} w;

/* ---- the world ---- */

static const struct sched_spec keeps = {.kind = SCHED_REPLICATED, .surge = {.n = 1}, .timeout_ms = 60000};
static const struct sched_spec other = {.kind = SCHED_REPLICATED, .unavailable = {.n = 1}, .timeout_ms = 60000};
static const struct sched_spec one = {.kind = SCHED_SINGLETON, .timeout_ms = 60000};

static const struct sched_spec *spec(void *ctx, struct msg_bytes text, struct err *e)
{
	(void)ctx;
	switch (text.n > 0 ? text.v[0] : 0) {
	case 'k':
		return &keeps;
	case 'o':
		return &other;
	case '1':
		return &one;
	default:
		(void)err_set(e, -EINVAL, "that is no definition");
		return NULL;
	}
}

static bool view(void *ctx, const char *agent, struct sched_view *ret)
{
	int key = agent[0] - 'a';
	size_t n = 0;

	(void)ctx;
	for (int i = 0; i < w.b->n; i++) {
		const struct own *o = &w.own[i];
		bool up = w.b->v[i].up;

		w.hosts[i] = (struct sched_host){.id = register_node_of(&w.b->v[i].uuid),
			.name = "n",
			.state = up ? SCHED_ALIVE : SCHED_DEAD,
			.state_for_ms = 100000,
			.schedulable = true,
			.cpu_milli = 8000,
			.memory_bytes = (int64_t)8 << 30,
			.knows = o->knows[key]};
		for (size_t k = 0; up && k < o->n_runs[key]; k++) {
			const struct run *r = &o->runs[key][k];
			int64_t ready_for = w.b->now_ms - r->since_ms - READY_MS;

			w.reports[n++] = (struct sched_report){.node = w.hosts[i].id,
				.number = r->number,
				.version = r->version,
				.epoch = r->epoch,
				.up = true,
				.ready = ready_for >= 0,
				.ready_for_ms = MAX(ready_for, (int64_t)0)};
		}
	}
	*ret = (struct sched_view){.hosts = w.hosts, .n_hosts = (size_t)w.b->n, .reports = w.reports, .n_reports = n};
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

static void *give(void *ctx, size_t n)
{
	(void)ctx;
	return malloc(n);
}

static void take_back(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)n;
	free(p);
}

static const struct value_mem heap = {.alloc = give, .release = take_back};

/* ---- a node ---- */

static int make(struct rnode *n, const struct registers_config *c, const struct value_mem *mem)
{
	struct agree_config config = {.registers = *c, .world = {.view = view, .spec = spec}, .write_us = 3000};
	struct own *o = &w.own[n->number];
	int rc;

	w.b = n->b;
	rc = agree_new(&config, mem, rbed_now(n->b), &o->a);
	n->r = rc == 0 ? agree_registers(o->a) : NULL;
	return rc;
}

static void drop(struct rnode *n)
{
	agree_free(w.own[n->number].a);
	memset(&w.own[n->number], 0, sizeof(w.own[0]));
}

static int stepped(struct rnode *n, int rc)
{
	struct own *o = &w.own[n->number];

	agree_check(o->a);
	n->outs = o->outs.registers;
	for (size_t i = 0; i < o->outs.n_answers; i++) {
		const struct agree_answer *r = &o->outs.answers[i];

		assert_true(r->token < TOKENS && !w.answers[r->token].is);
		w.answers[r->token].is = true;
		w.answers[r->token].outcome = r->outcome;
		w.answers[r->token].repeat = r->repeat;
		(void)snprintf(w.answers[r->token].text, ERR_TEXT_MAX, "%s", r->refused.text);
		assert_true((r->outcome == AGREE_REFUSED) == (r->refused.code != 0));
	}
	return rc;
}

static int step(struct rnode *n, const struct registers_in *in)
{
	struct own *o = &w.own[n->number];

	return stepped(n, agree_step(o->a, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = in},
				  rbed_now(n->b), &o->outs));
}

static int64_t deadline(const struct rnode *n)
{
	return agree_deadline_ms(w.own[n->number].a);
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

	assert_int_equal(register_agent_read(&a, &heap, value, &e), 0);
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

static const struct rbed_kind kind = {
	.make = make, .drop = drop, .step = step, .deadline_ms = deadline, .chosen = chosen, .reader = &reader};

/* ---- the cluster ---- */

static void tell_node(int i, const struct agree_in *in)
{
	struct own *o = &w.own[i];

	if (!w.b->v[i].up)
		return;
	assert_int_equal(stepped(&w.b->v[i], agree_step(o->a, in, rbed_now(w.b), &o->outs)), 0);
	rbed_stepped(&w.b->v[i]);
}

static void tell_hosts(enum sched_event_type event, int about)
{
	for (int i = 0; i < w.b->n; i++)
		tell_node(i, &(struct agree_in){.type = AGREE_IN_HOSTS,
				     .event = event,
				     .subject = register_node_of(&w.b->v[about].uuid)});
}

/* Time goes on; what replicas are like is told now and then. */
static void run(int64_t ms)
{
	for (int64_t at = 0; at < ms; at += LOOK_MS) {
		rbed_run(w.b, MIN(ms - at, (int64_t)LOOK_MS));
		for (int i = 0; i < w.b->n; i++)
			for (int k = 0; k < RBED_KEYS; k++)
				tell_node(i, &(struct agree_in){.type = AGREE_IN_AGENT, .key = rbed_key(k)});
	}
}

static void crash(int i)
{
	rbed_crash(w.b, i);
	tell_hosts(SCHED_EVENT_NODE_DEAD, i);
}

static void start(int i)
{
	rbed_start(w.b, i);
	tell_hosts(SCHED_EVENT_NODE_BACK, i);
}

static void begin(uint64_t seed, const char *voters)
{
	struct rbed *b;

	memset(&w, 0, sizeof(w));
	b = rbed_new_of(seed, 5, &kind);
	assert_ptr_equal(b, w.b);
	if (!*voters)
		return;
	assert_int_equal(rbed_vote(b, 0, voters), 0);
	for (int i = 0; b->voters_ended[VOTERS_CHANGED] == 0 && i < 500; i++)
		run(LOOK_MS);
	assert_int_equal(b->voters_ended[VOTERS_CHANGED], 1);
}

static void end(void)
{
	rbed_free(w.b);
}

/* Its token; 0: it was not taken. */
static uint64_t ask(int node, int key, enum sched_event_type type, const char *text, int64_t desired, const char *op)
{
	struct own *o = &w.own[node];
	struct agree_command c = {.token = w.token + 1,
		.key = rbed_key(key),
		.event = {.type = type, .op = op, .desired = desired},
		.text = {(const uint8_t *)text, strlen(text)}};
	int rc = stepped(&w.b->v[node],
		agree_step(o->a, &(struct agree_in){.type = AGREE_IN_COMMAND, .command = &c}, rbed_now(w.b), &o->outs));

	rbed_stepped(&w.b->v[node]);
	if (rc < 0)
		return 0;
	assert_true(w.token + 1 < TOKENS);
	return ++w.token;
}

static void answered(uint64_t token, enum agree_outcome outcome, const char *text)
{
	assert_int_not_equal(token, 0);
	for (int i = 0; !w.answers[token].is && i < 200; i++)
		run(100);
	assert_true(w.answers[token].is);
	if (w.answers[token].outcome != outcome || !strstr(w.answers[token].text, text))
		fail_msg("answered %d: %s", w.answers[token].outcome, w.answers[token].text);
}

static size_t ready(int key)
{
	size_t n = 0;

	for (int i = 0; i < w.b->n; i++)
		for (size_t k = 0; w.b->v[i].up && k < w.own[i].n_runs[key]; k++)
			n += w.b->now_ms - w.own[i].runs[key][k].since_ms >= READY_MS;
	return n;
}

static size_t running(int key)
{
	size_t n = 0;

	for (int i = 0; i < w.b->n; i++)
		n += w.b->v[i].up ? w.own[i].n_runs[key] : 0;
	return n;
}

static void becomes(int key, size_t n)
{
	for (int i = 0; (ready(key) != n || running(key) != n) && i < 600; i++)
		run(100);
	assert_int_equal(ready(key), n);
	assert_int_equal(running(key), n);
	run(3000); /* and stays */
	assert_int_equal(running(key), n);
}

/* ---- tests ---- */

static void test_an_agent_is_run(void **state)
{
	(void)state;
	begin(1, "012");
	answered(ask(4, 0, SCHED_EVENT_APPLY, "keep", 3, "op1"), AGREE_DONE, "");
	becomes(0, 3);
	answered(ask(1, 0, SCHED_EVENT_SCALE, "", 5, "op2"), AGREE_DONE, "");
	becomes(0, 5);
	answered(ask(3, 0, SCHED_EVENT_SCALE, "", 5, "op2"), AGREE_DONE, "");
	assert_true(w.answers[w.token].repeat);
	answered(ask(2, 0, SCHED_EVENT_APPLY, "other", -1, "op3"), AGREE_DONE, "");
	becomes(0, 5);
	answered(ask(0, 0, SCHED_EVENT_STOP, "", -1, "op4"), AGREE_DONE, "");
	becomes(0, 0);
	answered(ask(0, 0, SCHED_EVENT_START, "", -1, "op5"), AGREE_DONE, "");
	becomes(0, 5);
	answered(ask(4, 0, SCHED_EVENT_REMOVE, "", -1, "op6"), AGREE_DONE, "");
	becomes(0, 0);
	end();
}

static void test_a_lost_node_is_made_good(void **state)
{
	(void)state;
	begin(2, "012");
	answered(ask(3, 0, SCHED_EVENT_APPLY, "keep", 4, ""), AGREE_DONE, "");
	answered(ask(3, 1, SCHED_EVENT_APPLY, "1", -1, ""), AGREE_DONE, "");
	becomes(0, 4);
	becomes(1, 1);
	for (int i = 4; i >= 2; i--) { /* no voter, no voter, one of three */
		crash(i);
		becomes(0, 4);
		becomes(1, 1);
	}
	start(2);
	start(3);
	start(4);
	becomes(0, 4);
	becomes(1, 1);
	end();
}

static void test_what_is_refused(void **state)
{
	size_t n;

	(void)state;
	begin(3, "");
	answered(ask(0, 2, SCHED_EVENT_SCALE, "", 3, ""), AGREE_REFUSED, "there is no agent 'c'");
	n = acceptor_keys(registers_voter(w.b->v[0].r));
	answered(ask(4, 2, SCHED_EVENT_REMOVE, "", -1, ""), AGREE_REFUSED, "there is no agent 'c'");
	assert_int_equal(acceptor_keys(registers_voter(w.b->v[0].r)), n); /* a name that is mistyped is kept nowhere */
	answered(ask(0, 2, SCHED_EVENT_APPLY, "nonsense", 3, ""), AGREE_REFUSED, "that is no definition");
	answered(ask(0, 0, SCHED_EVENT_APPLY, "keep", 1, ""), AGREE_DONE, "");
	becomes(0, 1);
	end();
}

/* Each has its turn: of many at once none is lost, and the last one is what is. */
static void test_many_at_once(void **state)
{
	uint64_t tokens[40];

	(void)state;
	begin(4, "012");
	answered(ask(0, 0, SCHED_EVENT_APPLY, "keep", 1, ""), AGREE_DONE, "");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		tokens[i] = ask((int)(i % 2), (int)(i % RBED_KEYS), SCHED_EVENT_APPLY, i % 4 ? "keep" : "other",
			(int64_t)(1 + i % 5), "");
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++)
		answered(tokens[i], AGREE_DONE, "");
	run(30000);
	for (int k = 0; k < RBED_KEYS; k++)
		assert_true(running(k) >= 1 && running(k) <= 5 && ready(k) == running(k));
	end();
}

static void test_without_a_quorum(void **state)
{
	uint64_t token;

	(void)state;
	begin(5, "012");
	answered(ask(3, 0, SCHED_EVENT_APPLY, "keep", 3, ""), AGREE_DONE, "");
	becomes(0, 3);
	crash(0);
	crash(1);
	token = ask(3, 0, SCHED_EVENT_SCALE, "", 1, "");
	answered(token, AGREE_UNKNOWN, "");
	start(0);
	answered(ask(3, 0, SCHED_EVENT_SCALE, "", 2, ""), AGREE_DONE, "");
	start(1);
	becomes(0, 2);
	end();
}

static void disturb(void)
{
	static const enum sched_event_type events[] = {
		SCHED_EVENT_SCALE, SCHED_EVENT_SCALE, SCHED_EVENT_STOP, SCHED_EVENT_START, SCHED_EVENT_REMOVE};
	struct rng *r = &w.b->rng;
	int node = (int)rng_below(r, (uint64_t)w.b->n), key = (int)rng_below(r, RBED_KEYS);

	switch (rng_below(r, 10)) {
	case 0:
		if (w.b->v[node].up)
			crash(node);
		break;
	case 1:
	case 2:
		if (!w.b->v[node].up)
			start(node);
		break;
	case 3:
		if (w.b->v[node].up && w.token < TOKENS - 20)
			(void)ask(node, key, SCHED_EVENT_APPLY, rng_below(r, 2) ? "keep" : "other",
				(int64_t)rng_below(r, 6), "");
		break;
	case 4:
	case 5:
		if (w.b->v[node].up && w.token < TOKENS - 20)
			(void)ask(node, key, events[rng_below(r, ARRAY_LEN(events))], "", (int64_t)rng_below(r, 6), "");
		break;
	default:
		break;
	}
}

static void one_seed(uint64_t seed)
{
	begin(seed, seed % 3 ? "012" : "");
	w.b->lose_pct = (int)rng_below(&w.b->rng, 20);
	w.b->double_pct = (int)rng_below(&w.b->rng, 10);
	w.b->late_pct = (int)rng_below(&w.b->rng, 8);
	w.b->nomem_pm = rng_below(&w.b->rng, 2) ? (int)rng_below(&w.b->rng, 10) : 0;
	for (int i = 0; i < 150; i++) {
		disturb();
		run(1 + (int64_t)rng_below(&w.b->rng, 300));
	}
	w.b->lose_pct = w.b->double_pct = w.b->late_pct = w.b->nomem_pm = 0;
	for (int i = 0; i < w.b->n; i++)
		if (!w.b->v[i].up)
			start(i);
	run(20000);
	for (int k = 0; k < RBED_KEYS; k++) { /* what is asked for now is what comes to be */
		size_t n = 1 + (size_t)k;

		answered(ask(k, k, SCHED_EVENT_APPLY, "keep", (int64_t)n, ""), AGREE_DONE, "");
		answered(ask(k, k, SCHED_EVENT_START, "", -1, ""), AGREE_DONE, "");
		becomes(k, n);
	}
	assert_true(rbed_all_know_the_same(w.b));
	end();
}

static void test_seeds(void **state)
{
	const char *told = getenv("COVEY_SEEDS");
	uint64_t from = 1, to = SEEDS;

	(void)state;
	if (told && sscanf(told, "%" SCNu64 " %" SCNu64, &from, &to) != 2)
		fail_msg("COVEY_SEEDS is two numbers: FROM TO");
	for (uint64_t seed = from; seed <= to; seed++) {
		if (told)
			print_message("seed %" PRIu64 "\n", seed);
		one_seed(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_agent_is_run),
		cmocka_unit_test(test_a_lost_node_is_made_good),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_without_a_quorum),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
