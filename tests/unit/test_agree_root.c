/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of the root register: who founds the cluster, drains, leaves, was forgotten; what follows for agents.
 */
#include <errno.h>
#include <string.h>

#include "consensus/registers_impl.h"
#include "node/agree_impl.h"
#include "node/register_reader.h"
#include "tests/lib/root_bed.h"
#include "tests/lib/test.h"

static const struct msg_key root_key;
static const struct uuid another = {{0xc2}};

/* At whatever moment the daemon ends: asked once more, the cluster is there, once. */
static void test_init_may_be_cut_off(void **state)
{
	bool refused = false, done = false, again = false;

	(void)state;
	for (int ms = 0; ms <= 40; ms++)
		for (int other = 0; other < 2; other++) {
			uint64_t token;

			rootbed_begin(10 + (uint64_t)ms, 1);
			token = rootbed_found(0, rootbed_cluster, "first");
			rbed_run(abed.b, ms);
			done |= abed.answers[token].is;
			rootbed_crash(0);
			rootbed_start(0);
			rbed_run(abed.b, 1);
			token = rootbed_found(0, other ? another : rootbed_cluster, "second");
			for (int i = 0; !abed.answers[token].is && i < 100; i++)
				abed_run(100);
			assert_true(abed.answers[token].is);
			if (abed.answers[token].outcome != AGREE_DONE) {
				assert_true(other);
				abed_answered(token, AGREE_REFUSED, "in the cluster 'east' already");
				refused = true;
			}
			again |= abed.answers[token].repeat;
			rootbed_come(2);
			abed_run(3000);
			assert_string_equal(rootbed_who_votes(), "0");
			assert_memory_equal(&rootbed_root(1)->cluster,
				abed.answers[token].outcome == AGREE_DONE && other ? &another : &rootbed_cluster,
				sizeof(rootbed_cluster));
			assert_int_equal(rootbed_root(1)->cfg.epoch, 1);
			abed_free();
		}
	assert_true(refused && done && again); /* all of it was met with */
}

static void test_what_is_refused(void **state)
{
	struct agree_root_command c;
	int rc = 0;

	(void)state;
	rootbed_begin(5, 3);
	assert_int_equal(abed_ask(1, NULL, &(struct agree_root_command){.type = AGREE_ROOT_DRAIN}, &rc), 0);
	assert_int_equal(rc, -ENOTCONN);
	assert_int_equal(abed_ask(1, NULL, &(struct agree_root_command){.type = AGREE_ROOT_NONE}, &rc), 0);
	assert_int_equal(rc, -EINVAL);
	abed_answered(rootbed_found(0, rootbed_cluster, NULL), AGREE_DONE, "");
	rootbed_become(3, 5000);
	abed_answered(rootbed_found(0, another, NULL), AGREE_REFUSED, "in a cluster already, and founds no other");
	abed_answered(
		rootbed_found(1, rootbed_cluster, NULL), AGREE_REFUSED, "in a cluster already, and founds no other");
	abed_answered(rootbed_ask(1, rootbed_voters(4)), AGREE_REFUSED, "4 voters: 1, 3, 5 or 7 may be asked for");
	abed_answered(rootbed_ask(1, rootbed_voters(9)), AGREE_REFUSED, "9 voters: 1, 3, 5 or 7 may be asked for");
	abed_answered(rootbed_ask(1, rootbed_voters(-2)), AGREE_REFUSED, "-2 voters: 1, 3, 5 or 7 may be asked for");
	c = rootbed_voters(-1);
	c.replace_after_ms = 999;
	abed_answered(rootbed_ask(2, c), AGREE_REFUSED, "after 1 s at least, and 7 days at most");
	abed_answered(rootbed_about(2, AGREE_ROOT_FORGET, 1, NULL), AGREE_REFUSED, "n1 is alive");
	rootbed_crash(1);
	abed_run(1000);
	abed_answered(rootbed_about(2, AGREE_ROOT_FORGET, 1, NULL), AGREE_DONE, "");
	abed_answered(rootbed_about(2, AGREE_ROOT_DRAIN, 1, NULL), AGREE_REFUSED, "n1 was forgotten");
	abed_answered(rootbed_about(2, AGREE_ROOT_LEAVE, 1, NULL), AGREE_REFUSED, "n1 was forgotten");
	c = rootbed_voters(-1);
	c.spread = "zone";
	c.times = AGREE_TIMES_SLOW;
	abed_answered(rootbed_ask(2, c), AGREE_DONE, "");
	assert_string_equal(rootbed_root(2)->spread, "zone");
	assert_int_equal(rootbed_root(2)->times.lv_ms, 8600);
	assert_int_equal(rootbed_root(2)->voters, 0);
	abed_free();
}

static void test_an_operation_is_done_once(void **state)
{
	uint64_t token;

	(void)state;
	rootbed_founded(6, 3);
	rootbed_become(3, 5000);
	abed_answered(rootbed_about(0, AGREE_ROOT_DRAIN, 2, "op1"), AGREE_DONE, "");
	assert_true(abed.answers[abed.token].changed);
	abed_answered(rootbed_about(1, AGREE_ROOT_UNDRAIN, 2, "op2"), AGREE_DONE, "");
	abed_answered(rootbed_about(2, AGREE_ROOT_DRAIN, 2, "op1"), AGREE_DONE, "");
	assert_true(abed.answers[abed.token].repeat && !abed.answers[abed.token].changed);
	assert_int_equal(rootbed_root(2)->draining.n, 0);
	abed_answered(rootbed_about(2, AGREE_ROOT_UNDRAIN, 2, NULL), AGREE_DONE, ""); /* nothing is to be done */
	assert_true(!abed.answers[abed.token].repeat && !abed.answers[abed.token].changed);
	for (int i = 0; i < SCHED_OPS_MAX + 3; i++) {
		char op[16];

		(void)snprintf(op, sizeof(op), "more%d", i);
		abed_answered(rootbed_about(1, i % 2 ? AGREE_ROOT_UNDRAIN : AGREE_ROOT_DRAIN, 1, op), AGREE_DONE, "");
	}
	token = rootbed_about(1, AGREE_ROOT_UNDRAIN, 1, "more34");
	abed_answered(token, AGREE_DONE, "");
	assert_true(abed.answers[token].repeat);
	abed_answered(rootbed_about(1, AGREE_ROOT_UNDRAIN, 2, "op1"), AGREE_DONE, ""); /* that one is forgotten */
	assert_false(abed.answers[abed.token].repeat);
	abed_free();
}

/* All of them are done, whoever was asked. */
static void test_many_at_once(void **state)
{
	uint64_t tokens[8];

	(void)state;
	rootbed_founded(7, 5);
	rootbed_become(5, 10000);
	tokens[0] = rootbed_about(0, AGREE_ROOT_DRAIN, 1, NULL);
	tokens[1] = rootbed_about(1, AGREE_ROOT_DRAIN, 2, NULL);
	tokens[2] = rootbed_about(2, AGREE_ROOT_LEAVE, 3, NULL);
	tokens[3] = rootbed_ask(3, rootbed_voters(1));
	tokens[4] = rootbed_about(4, AGREE_ROOT_DRAIN, 0, NULL);
	tokens[5] = rootbed_about(4, AGREE_ROOT_UNDRAIN, 0, NULL);
	for (int i = 0; i < 6; i++)
		abed_answered(tokens[i], AGREE_DONE, "");
	rootbed_become(1, 30000);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(rootbed_root(i)->draining.n, 3);
		assert_int_equal(rootbed_root(i)->leaving.n, 1);
		assert_int_equal(rootbed_root(i)->voters, 1);
	}
	abed_free();
}

static struct sched_node home(int node)
{
	struct sched_slot s;

	return rootbed_slot(node, &s) ? s.node : (struct sched_node){0};
}

static int number_of(struct sched_node id)
{
	for (int i = 0; i < rootbed.present; i++)
		if (sched_same_node(rootbed_id(i), id))
			return i;
	return -1;
}

/* Agents are looked at when somebody drains, or is forgotten. */
static void test_agents_follow(void **state)
{
	int first, second;

	(void)state;
	rootbed_founded(9, 4);
	rootbed_become(3, 5000);
	abed_answered(abed_ask(1,
			      &(struct agree_command){.key = rbed_key(0),
				      .event = {.type = SCHED_EVENT_APPLY, .desired = 1},
				      .text = {(const uint8_t *)"x", 1}},
			      NULL, NULL),
		AGREE_DONE, "");
	abed_run(5000);
	first = number_of(home(3));
	assert_true(first >= 0);
	abed_answered(rootbed_about((first + 1) % 4, AGREE_ROOT_DRAIN, first, NULL), AGREE_DONE, "");
	abed_run(1000);
	second = number_of(home(3));
	assert_true(second >= 0 && second != first);
	abed_free();
}

static struct msg_bytes first_root(uint8_t *out, size_t cap)
{
	struct register_root r;
	struct err e;
	size_t n = 0;

	register_root_init(&r, &abed_heap);
	r.cluster = rootbed_cluster;
	r.cfg = (struct quorum_cfg){.epoch = 1, .old = {.n = 1, .v = {abed.b->v[0].uuid}}};
	r.times = REGISTER_DEFAULT_TIMES;
	assert_int_equal(register_root_write(&r, out, cap, &n, &e), 0);
	register_root_done(&r);
	return (struct msg_bytes){out, n};
}

static struct msg_bytes first_agent(uint8_t *out, size_t cap)
{
	struct register_agent none = {0};
	struct sched_value v;
	struct err e;
	size_t n = 0;

	assert_int_equal(register_agent_read(&none, &abed_heap, (struct msg_bytes){0}, &e), 0);
	sched_init(&v, NULL, 0, NULL, 0);
	assert_int_equal(register_agent_write(&none, &v, (struct msg_bytes){0}, out, cap, &n, &e), 0);
	register_agent_done(&none);
	return (struct msg_bytes){out, n};
}

/* A second life of node 0, alone, which had this on its disk; and one step of it. */
static struct agree *awoken(struct msg_bytes with, struct msg_bytes agent)
{
	static struct agree_outs outs;
	struct agree_config config = {.world = {.view = rootbed_view, .spec = rootbed_spec, .ctx = &abed.b->v[0]}};
	const struct ballot ballot = {.counter = 1, .node = abed.b->v[0].uuid};
	const struct msg_key key = rbed_key(0);
	struct registers_in tick = {.type = REGISTERS_IN_TICK};
	struct agree *a;

	config.registers.acceptor = (struct acceptor_config){.self = abed.b->v[0].uuid,
		.header.cfg = {.epoch = 1, .old = {.n = 1, .v = {abed.b->v[0].uuid}}},
		.boot = 1,
		.reader = &register_reader};
	assert_int_equal(agree_new(&config, &abed_heap, rbed_now(abed.b), &a), 0);
	assert_int_equal(registers_load_chosen(agree_registers(a), &root_key, &ballot, with), 0);
	assert_int_equal(registers_load_chosen(agree_registers(a), &key, &ballot, agent), 0);
	assert_int_equal(agree_step(a, &(struct agree_in){.type = AGREE_IN_REGISTERS, .registers = &tick},
				 rbed_now(abed.b), &outs),
		0);
	return a;
}

/* What was known to be chosen before a start is known after it, agents too. */
static void test_what_was_known_is_known(void **state)
{
	uint8_t bytes[1024], agent[1024];
	char text[512];
	struct agree *a;

	(void)state;
	rootbed_begin(10, 1);
	a = awoken(first_root(bytes, sizeof(bytes)), first_agent(agent, sizeof(agent)));
	assert_non_null(agree_root(a));
	assert_memory_equal(&agree_root(a)->cluster, &rootbed_cluster, sizeof(rootbed_cluster));
	assert_int_equal(strncmp(agree_dump(a, text, sizeof(text)), "1 agents,", 9), 0);
	agree_free(a);
	abed_free();
}

/* A root that a newer version wrote is read, and left alone. */
static void test_a_newer_root_is_left_alone(void **state)
{
	uint8_t bytes[1024], agent[1024];
	struct msg_bytes with;
	struct agree *a;

	(void)state;
	for (uint8_t version = REGISTER_VERSION; version <= REGISTER_VERSION + 1; version++) {
		rootbed_begin(11, 3);
		with = first_root(bytes, sizeof(bytes));
		assert_int_equal(bytes[2], REGISTER_VERSION);
		bytes[2] = version;
		a = awoken(with, first_agent(agent, sizeof(agent)));
		assert_non_null(agree_root(a));
		assert_int_equal(a->voting.due || a->root_ward->turn_at_ms > 0, version == REGISTER_VERSION);
		agree_free(a);
		abed_free();
	}
}

/* Who is next in rank waits for rounds as this node's proposals had them. */
static void test_turns_are_counted_in_rounds(void **state)
{
	uint8_t bytes[1024], agent[1024];
	struct ward w = {.key = {.n = 1, .v = "a"}};
	uint32_t rank, rounds_ms[] = {PACE_MIN_MS, PACE_MAX_MS};
	struct agree *a;

	(void)state;
	rootbed_begin(12, 3);
	a = awoken(first_root(bytes, sizeof(bytes)), first_agent(agent, sizeof(agent)));
	while (agree_rank(a, &w.key) == 0)
		w.key.v[0]++;
	rank = agree_rank(a, &w.key);
	assert_in_range(rank, 1, 2);
	for (size_t i = 0; i < ARRAY_LEN(rounds_ms); i++) {
		w.turn_at_ms = 0;
		assert_false(agree_turn(a, &w));
		assert_int_equal(w.turn_at_ms - a->now.mono_ms, rank * 4 * rounds_ms[i]);
		assert_int_equal(w.look_at_ms, w.turn_at_ms);
		for (int k = 0; k < 100; k++)
			pace_took(&a->registers->pace, PACE_MAX_MS);
	}
	agree_free(a);
	abed_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_may_be_cut_off),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_an_operation_is_done_once),
		cmocka_unit_test(test_many_at_once),
		cmocka_unit_test(test_agents_follow),
		cmocka_unit_test(test_what_was_known_is_known),
		cmocka_unit_test(test_a_newer_root_is_left_alone),
		cmocka_unit_test(test_turns_are_counted_in_rounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
