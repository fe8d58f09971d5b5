/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lost majority that is given up: when it is refused, how long it waits, what each state makes of what may happen in
 * it, who goes on, what those who come back drop. COVEY_SEEDS="FROM TO" runs others than the usual seeds.
 */
#include <inttypes.h>
#include <string.h>

#include "consensus/registers_impl.h"
#include "node/agree_impl.h"
#include "tests/lib/root_bed.h"
#include "tests/lib/seeds.h"
#include "tests/lib/test.h"

#define SEEDS	150
#define WAIT_MS 73945 /* (60 s + K_kill)(1 + ρ)/(1 − ρ) */

static const struct uuid another = {{0xc2}};

static const struct agree_recovery *recovery(int node)
{
	return agree_recovery(abed.own[node].a);
}

static uint64_t epoch(int node)
{
	return registers_cfg(abed.b->v[node].r)->epoch;
}

static uint64_t recover(int node, bool off, bool plan)
{
	return rootbed_ask(
		node, (struct agree_root_command){
			      .type = AGREE_ROOT_RECOVER, .cluster = rootbed_cluster, .off = off, .plan = plan});
}

/* So many vote, numbers from 0 on; then those from `from` on are lost, and who is no member. */
static void lost(uint64_t seed, int n, int from)
{
	rootbed_founded(seed, n);
	if (n > 5)
		abed_answered(rootbed_ask(0, rootbed_voters(n)), AGREE_DONE, "");
	rootbed_become((size_t)n, 20000);
	abed_answered(rootbed_about(0, AGREE_ROOT_UNDRAIN, 0, NULL), AGREE_DONE, ""); /* so each of them has it */
	abed_run(1000);
	for (int i = from; i < RBED_NODES_MAX; i++)
		rootbed_crash(i);
	abed_run(1000);
}

static bool is_in_new_era(int node)
{
	const struct register_root *root = rootbed_root(node);

	return root && root->cfg.epoch >= QUORUM_ERA_STEP && recovery(node)->state == AGREE_RECOVERY_NONE;
}

static void goes_on(int node)
{
	for (int ms = 0; !is_in_new_era(node) && ms < 20000; ms += 100)
		abed_run(100);
	assert_true(is_in_new_era(node));
	assert_int_equal(recovery(node)->failed.code, 0);
}

static void all_come_back(int n)
{
	for (int i = 0; i < n; i++)
		if (!abed.b->v[i].up)
			rootbed_start(i);
	for (int ms = 0; !(rootbed_is_number((size_t)n) && rbed_all_know_the_same(abed.b)) && ms < 60000; ms += 100)
		abed_run(100);
	assert_true(rootbed_is_number((size_t)n));
	assert_true(rbed_all_know_the_same(abed.b));
}

/* ---- what is refused ---- */

static void test_what_is_refused(void **state)
{
	struct agree_root_command c = {.type = AGREE_ROOT_RECOVER, .cluster = another};

	(void)state;
	rootbed_begin(1, 4);
	abed_answered(recover(0, true, false), AGREE_REFUSED, "knows nothing of what the cluster has decided");
	abed_answered(rootbed_found(0, rootbed_cluster, NULL), AGREE_DONE, "");
	rootbed_become(3, 5000);
	abed_answered(rootbed_ask(0, c), AGREE_REFUSED, "not the name of this node's cluster");
	c.name = "west";
	abed_answered(rootbed_ask(0, c), AGREE_REFUSED, "not the name of this node's cluster");
	c.name = "east";
	abed_answered(rootbed_ask(0, c), AGREE_REFUSED, "a majority of the voters answers, 3 of 3");
	for (int i = 0; i < 4; i++)
		if (!rootbed_is_voter(i))
			abed_answered(recover(i, true, false), AGREE_REFUSED, "this node does not vote");
	for (int i = 3; i > 0; i--)
		if (rootbed_is_voter(i)) {
			rootbed_crash(i);
			break;
		}
	abed_answered(recover(0, true, false), AGREE_REFUSED, "a majority of the voters answers, 2 of 3");
	assert_true(epoch(0) < QUORUM_ERA_STEP);
	abed_free();
}

static void test_a_plan_does_nothing(void **state)
{
	uint64_t was;

	(void)state;
	lost(2, 3, 1);
	was = epoch(0);
	abed_answered(recover(0, false, true), AGREE_DONE, "");
	assert_false(abed.answers[abed.token].changed);
	assert_int_equal(recovery(0)->n_stay, 1);
	assert_int_equal(recovery(0)->n_gone, 2);
	assert_int_equal(recovery(0)->wait_ms, WAIT_MS);
	abed_run(2 * WAIT_MS);
	assert_true(recovery(0)->state == AGREE_RECOVERY_NONE && epoch(0) == was);
	abed_free();
}

static void test_it_waits_for_leases(void **state)
{
	(void)state;
	lost(3, 3, 1);
	abed_answered(recover(0, false, false), AGREE_DONE, "");
	assert_int_equal(recovery(0)->state, AGREE_RECOVERY_WAIT);
	abed_run(WAIT_MS - 200);
	assert_true(recovery(0)->state == AGREE_RECOVERY_WAIT && epoch(0) < QUORUM_ERA_STEP);
	goes_on(0);
	assert_string_equal(rootbed_who_votes(), "0");
	abed_free();
}

/* ---- every state × what may happen ---- */

enum happening { ASKED_AGAIN, CRASHED, A_MAJORITY_IS_BACK, HAPPENING_MAX };

static void reach(enum agree_recovery_state state)
{
	lost(10 + (uint64_t)state, 3, 1);
	if (state == AGREE_RECOVERY_NONE)
		return;
	(void)recover(0, state == AGREE_RECOVERY_BEGUN, false);
	for (int ms = 0; recovery(0)->state != state && ms < 2 * WAIT_MS; ms++)
		rbed_run(abed.b, 1);
	assert_int_equal(recovery(0)->state, state);
}

static void asked_again(enum agree_recovery_state state)
{
	uint64_t token = recover(0, true, false);

	if (state == AGREE_RECOVERY_NONE)
		abed_answered(token, AGREE_DONE, "");
	else
		abed_answered(token, AGREE_REFUSED, "under way here already");
	abed_run(state == AGREE_RECOVERY_CALL ? 2 * WAIT_MS : WAIT_MS + 10000);
	assert_true(is_in_new_era(0));
}

/* Whatever its disk had by then: it begins again from there, or goes on. */
static void crashed(enum agree_recovery_state state)
{
	uint64_t token;

	rootbed_crash(0);
	rootbed_start(0);
	abed_run(2 * WAIT_MS);
	assert_int_equal(recovery(0)->state, AGREE_RECOVERY_NONE);
	if (state < AGREE_RECOVERY_BEGUN)
		assert_true(epoch(0) < QUORUM_ERA_STEP);
	token = recover(0, true, false);
	if (is_in_new_era(0)) {
		assert_int_equal(state, AGREE_RECOVERY_BEGUN);
		abed_answered(token, AGREE_REFUSED, "a majority of the voters answers, 1 of 1");
	} else {
		abed_answered(token, AGREE_DONE, "");
		goes_on(0);
	}
}

static void is_back(enum agree_recovery_state state)
{
	rootbed_start(1);
	abed_run(WAIT_MS + 10000);
	assert_int_equal(recovery(0)->state, AGREE_RECOVERY_NONE);
	assert_int_equal(epoch(0) >= QUORUM_ERA_STEP, state == AGREE_RECOVERY_BEGUN);
	assert_int_equal(recovery(0)->failed.code != 0, state != AGREE_RECOVERY_NONE && state != AGREE_RECOVERY_BEGUN);
	if (recovery(0)->failed.code)
		assert_non_null(strstr(recovery(0)->failed.text, "a majority of the voters answers, 2 of 3"));
}

static void test_each_state(void **state)
{
	static void (*const happens[HAPPENING_MAX])(enum agree_recovery_state) = {
		[ASKED_AGAIN] = asked_again, [CRASHED] = crashed, [A_MAJORITY_IS_BACK] = is_back};

	(void)state;
	for (int s = 0; s < AGREE_RECOVERY_MAX; s++)
		for (int h = 0; h < HAPPENING_MAX; h++) {
			reach((enum agree_recovery_state)s);
			happens[h]((enum agree_recovery_state)s);
			all_come_back(3);
			abed_free();
		}
}

/* Who was to stay is lost in the time of the wait: it was not named, so it is not given up. */
static void test_one_more_is_lost_meanwhile(void **state)
{
	(void)state;
	lost(4, 5, 2);
	abed_answered(recover(0, false, false), AGREE_DONE, "");
	assert_int_equal(recovery(0)->n_stay, 2);
	rootbed_crash(1);
	abed_run(WAIT_MS + 10000);
	assert_true(epoch(0) < QUORUM_ERA_STEP);
	assert_non_null(strstr(recovery(0)->failed.text, "has been lost meanwhile"));
	abed_answered(recover(0, true, false), AGREE_DONE, "");
	goes_on(0);
	abed_free();
}

/* ---- who goes on, and with what ---- */

static uint64_t apply(int node, int key)
{
	return abed_ask(node,
		&(struct agree_command){.key = rbed_key(key),
			.event = {.type = SCHED_EVENT_APPLY, .desired = 1},
			.text = {(const uint8_t *)"x", 1}},
		NULL, NULL);
}

static uint64_t scale(int node, int key, int n)
{
	return abed_ask(node,
		&(struct agree_command){.key = rbed_key(key), .event = {.type = SCHED_EVENT_SCALE, .desired = n}}, NULL,
		NULL);
}

static bool is_known(int node, int key)
{
	const struct msg_key k = rbed_key(key);
	struct ballot ballot;
	struct msg_bytes value;

	return registers_get(abed.b->v[node].r, &k, &ballot, &value);
}

/* One of three, two of five, three of seven: all of those. */
static void test_all_that_are_left_go_on(void **state)
{
	(void)state;
	for (int n = 3; n <= 7; n += 2) {
		lost(20 + (uint64_t)n, n, n / 2);
		abed_answered(recover(0, true, false), AGREE_DONE, "");
		assert_int_equal(recovery(0)->n_stay, n / 2);
		for (int i = 0; i < n / 2; i++)
			goes_on(i);
		abed_run(15000); /* where it began with two pairs, somebody ends that */
		abed_answered(apply(0, 0), AGREE_DONE, "");
		all_come_back(n);
		assert_true(is_known(n - 1, 0));
		abed_free();
	}
}

/* What was asked of the lost alone would be asked of them for ever. */
static void test_a_change_of_voters_is_given_up_with_them(void **state)
{
	const struct registers *r;

	(void)state;
	lost(28, 5, 5);
	(void)rootbed_ask(0, rootbed_voters(3));
	r = abed.b->v[0].r;
	for (int ms = 0; !(r->voters && quorum_is_joint(registers_cfg(r))) && ms < 5000; ms++)
		abed_run(1);
	assert_true(r->voters && quorum_is_joint(registers_cfg(r)));
	for (int i = 2; i < 5; i++)
		rootbed_crash(i);
	abed_run(1000);
	assert_non_null(r->voters);
	abed_answered(recover(0, true, false), AGREE_DONE, "");
	goes_on(0);
	goes_on(1);
	assert_true(!r->voters || r->voters->config.cfg.epoch >= QUORUM_ERA_STEP);
	for (int i = 2; i < 5; i++)
		rootbed_start(i);
	for (int ms = 0; !rootbed_is_number(3) && ms < 60000; ms += 100)
		abed_run(100);
	assert_true(rootbed_is_number(3));
	abed_free();
}

/* The newest that any of them has, though it is the only one: as many as are left are asked, and not a majority. */
static void test_the_newest_of_any_is_kept(void **state)
{
	(void)state;
	for (int who = 0; who < 3; who++) {
		lost(30 + (uint64_t)who, 7, 7);
		for (int i = 0; i < 3; i++)
			if (i != who)
				rootbed_crash(i);
		abed_answered(apply(who, 0), AGREE_DONE, ""); /* of those that are left it alone has accepted it */
		for (int i = 0; i < 7; i++)
			if (i >= 3)
				rootbed_crash(i);
			else if (i != who)
				rootbed_start(i);
		abed_run(1000);
		abed_answered(recover((who + 1) % 3, true, false), AGREE_DONE, "");
		assert_int_equal(recovery((who + 1) % 3)->n_stay, 3);
		goes_on((who + 1) % 3);
		abed_run(15000);
		for (int i = 0; i < 3; i++)
			assert_true(is_known(i, 0));
		all_come_back(7);
		assert_true(is_known(6, 0));
		abed_free();
	}
}

static uint64_t next_epoch(int node, int key)
{
	const struct msg_key k = rbed_key(key);
	struct register_agent r = {0};
	struct ballot ballot;
	struct msg_bytes value;
	struct err e;
	uint64_t next;

	assert_true(registers_get(abed.b->v[node].r, &k, &ballot, &value));
	assert_int_equal(register_agent_read(&r, &abed_heap, value, &e), 0);
	next = r.v.next_epoch;
	register_agent_done(&r);
	return next;
}

/* It heard what its own voter missed: that is no less known for it. */
static void test_what_it_knows_is_kept(void **state)
{
	const struct msg_key key = rbed_key(1);
	struct acceptor_image is;

	(void)state;
	lost(6, 3, 3);
	abed_answered(apply(0, 0), AGREE_DONE, "");
	abed_run(3000);
	rootbed_crash(0);
	abed_answered(apply(1, 1), AGREE_DONE, "");
	abed_run(2000);
	rootbed_start(0);
	for (int ms = 0; !is_known(0, 1) && ms < 20000; ms += 100)
		abed_run(100);
	assert_true(is_known(0, 1));
	assert_false(acceptor_get(registers_voter(abed.b->v[0].r), &key, &is) && is.value); /* what this is about */
	rootbed_crash(1);
	rootbed_crash(2);
	abed_run(1000);
	abed_answered(recover(0, true, false), AGREE_DONE, "");
	goes_on(0);
	abed_run(3000);
	for (int k = 0; k < 2; k++)
		assert_true(next_epoch(0, k) > quorum_floor(epoch(0)));
	all_come_back(3);
	for (int i = 0; i < 3; i++)
		assert_true(is_known(i, 1));
	abed_free();
}

static void test_what_they_alone_decided_is_dropped(void **state)
{
	struct sched_slot s;

	(void)state;
	lost(5, 3, 3);
	abed_answered(apply(0, 0), AGREE_DONE, "");
	abed_run(3000);
	rootbed_crash(0);
	abed_answered(apply(1, 1), AGREE_DONE, "");
	abed_answered(scale(2, 0, 3), AGREE_DONE, "");
	rootbed_crash(1);
	rootbed_crash(2);
	rootbed_start(0);
	abed_run(1000);
	abed_answered(recover(0, true, false), AGREE_DONE, "");
	goes_on(0);
	all_come_back(3);
	for (int i = 0; i < 3; i++)
		assert_false(is_known(i, 1));
	abed_answered(scale(1, 1, 2), AGREE_REFUSED, "there is no agent 'b'");
	for (int i = 0; i < 3; i++) { /* nor when each of them votes again, after a restart */
		rootbed_crash(i);
		abed_run(2000);
		rootbed_start(i);
		abed_run(2000);
	}
	all_come_back(3);
	abed_run(10000);
	for (int i = 0; i < 3; i++)
		assert_false(is_known(i, 1));
	assert_true(rootbed_slot(1, &s));
	abed_answered(apply(2, 1), AGREE_DONE, "");
	all_come_back(3);
	assert_true(is_known(0, 1));
	abed_free();
}

/* An operator's error; where they meet the later era is everybody's. */
static void test_both_sides_go_on(void **state)
{
	uint64_t first, second;

	(void)state;
	for (uint64_t seed = 40; seed < 60; seed++) {
		lost(seed, 3, 1);
		abed_answered(recover(0, true, false), AGREE_DONE, "");
		goes_on(0);
		abed_answered(apply(0, 0), AGREE_DONE, "");
		first = epoch(0);
		rootbed_crash(0);
		abed_run(10); /* what it said last comes to nobody */
		rootbed_start(1);
		abed_run(1000);
		abed_answered(recover(1, true, false), AGREE_DONE, "");
		goes_on(1);
		abed_answered(apply(1, 1), AGREE_DONE, "");
		second = epoch(1);
		assert_true(quorum_floor(first) != quorum_floor(second));
		all_come_back(3);
		assert_int_equal(is_known(2, 0), first > second);
		assert_int_equal(is_known(2, 1), second > first);
		assert_int_equal(quorum_floor(epoch(2)), quorum_floor(MAX(first, second)));
		abed_free();
	}
}

/* ---- seeds ---- */

static void disturb(void)
{
	struct rng *r = &abed.b->rng;
	int node = (int)rng_below(r, (uint64_t)rootbed.present);

	switch (rng_below(r, 10)) {
	case 0:
	case 1:
		if (abed.b->v[node].up)
			rootbed_crash(node);
		break;
	case 2:
		if (!abed.b->v[node].up)
			rootbed_start(node);
		break;
	case 3:
		if (abed.b->v[node].up && abed.token < ABED_TOKENS - 20)
			(void)recover(node, rng_below(r, 4) > 0, false);
		break;
	case 4:
		if (abed.b->v[node].up && abed.token < ABED_TOKENS - 20)
			(void)apply(node, (int)rng_below(r, RBED_KEYS));
		break;
	default:
		break;
	}
}

/* As many vote as are to, and all know what was decided. */
static bool is_well(int n)
{
	int voters = MIN(n % 2 ? n : n - 1, 5);

	return rootbed_root(0) && rootbed_is_number((size_t)voters) && rbed_all_know_the_same(abed.b);
}

static void one_seed(uint64_t seed)
{
	int n = 3 + (int)(seed % 5);

	rootbed_founded(seed, n);
	abed.b->lose_pct = (int)rng_below(&abed.b->rng, 20);
	abed.b->double_pct = (int)rng_below(&abed.b->rng, 10);
	abed.b->late_pct = (int)rng_below(&abed.b->rng, 8);
	abed.b->nomem_pm = rng_below(&abed.b->rng, 2) ? (int)rng_below(&abed.b->rng, 10) : 0;
	for (int i = 0; i < 150; i++) {
		disturb();
		abed_run(1 + (int64_t)rng_below(&abed.b->rng, 2000));
	}
	abed.b->lose_pct = abed.b->double_pct = abed.b->late_pct = abed.b->nomem_pm = 0;
	for (int i = 0; i < n; i++)
		if (!abed.b->v[i].up)
			rootbed_start(i);
	for (int i = 0; !is_well(n) && i < 300; i++)
		abed_run(1000);
	if (!is_well(n))
		fail_msg("seed %" PRIu64 ": '%s' vote of %d", seed, rootbed_who_votes(), n);
	assert_memory_equal(&rootbed_root(0)->cluster, &rootbed_cluster, sizeof(rootbed_cluster));
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
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_a_plan_does_nothing),
		cmocka_unit_test(test_it_waits_for_leases),
		cmocka_unit_test(test_each_state),
		cmocka_unit_test(test_one_more_is_lost_meanwhile),
		cmocka_unit_test(test_all_that_are_left_go_on),
		cmocka_unit_test(test_a_change_of_voters_is_given_up_with_them),
		cmocka_unit_test(test_the_newest_of_any_is_kept),
		cmocka_unit_test(test_what_it_knows_is_kept),
		cmocka_unit_test(test_what_they_alone_decided_is_dropped),
		cmocka_unit_test(test_both_sides_go_on),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
