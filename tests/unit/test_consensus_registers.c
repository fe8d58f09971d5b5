/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node's part in the registers: proposals from any node, voters that change, what is chosen and who gets to know it,
 * also when the one who proposed it is gone. The seeds at the end mix all of it with crashes and a bad network.
 * COVEY_SEEDS="FROM TO" runs others than the usual ones.
 */
#include <errno.h>
#include <inttypes.h>

#include "tests/lib/registers_bed.h"
#include "tests/lib/seeds.h"
#include "tests/lib/test.h"

#define SEEDS 60

static bool all_ended(struct rbed *b)
{
	for (uint64_t i = 1; i <= b->token; i++)
		if (b->ended[i] == 0)
			return false;
	return true;
}

static bool settled(struct rbed *b)
{
	return all_ended(b) && rbed_all_know_the_same(b);
}

static uint32_t chosen(const struct rbed *b, uint64_t token)
{
	return b->ended[token] == PROPOSER_CHOSEN + 1;
}

static void has_number(struct rbed *b, int node, int key, uint64_t number)
{
	struct rvalue v;
	uint32_t i = 0;

	assert_true(rbed_knows(b, node, key, &v));
	while (i < v.n && v.v[i] != number)
		i++;
	if (i == v.n)
		fail_msg("n%d does not know that %" PRIu64 " was chosen", node, number);
}

static void vote(struct rbed *b, int node, const char *nodes)
{
	uint32_t was = b->voters_ended[VOTERS_CHANGED];

	assert_int_equal(rbed_vote(b, node, nodes), 0);
	for (int i = 0; b->voters_ended[VOTERS_CHANGED] == was && i < 1000; i++)
		rbed_run(b, 10);
	assert_int_equal(b->voters_ended[VOTERS_CHANGED], was + 1);
	rbed_until(b, rbed_all_know_the_same);
}

static void test_any_node_proposes(void **state)
{
	struct rbed *b = rbed_new(1, 5);
	struct registers_figures f;

	(void)state;
	for (int i = 0; i < 20; i++)
		assert_true(rbed_put(b, i % 5, i % RBED_KEYS) != 0);
	rbed_until(b, settled);
	for (int i = 0; i < 5; i++) {
		registers_figures(b->v[i].r, &f);
		assert_int_equal(f.ended[PROPOSER_CHOSEN], 4);
		assert_int_equal(f.under_way, 0);
	}
	for (uint64_t t = 1; t <= b->token; t++) {
		assert_true(chosen(b, t));
		for (int i = 0; i < 5; i++)
			has_number(b, i, b->key_of[t], t);
	}
	rbed_free(b);
}

static void test_any_voter_may_die(void **state)
{
	struct rbed *b = rbed_new(2, 5);

	(void)state;
	vote(b, 0, "012");
	for (int dead = 0; dead < 3; dead++) {
		uint64_t token;

		rbed_crash(b, dead);
		token = rbed_put(b, 4, 0);
		rbed_until(b, settled);
		assert_true(chosen(b, token));
		has_number(b, 3, 0, token);
		rbed_start(b, dead);
	}
	rbed_until(b, settled);
	rbed_free(b);
}

static int64_t put_takes(struct rbed *b, int node, int64_t then_ms)
{
	int64_t from = b->now_ms;
	uint64_t token = rbed_put(b, node, 0);

	while (b->ended[token] == 0)
		rbed_run(b, 1);
	assert_true(chosen(b, token));
	from = b->now_ms - from;
	if (then_ms > 0)
		rbed_run(b, then_ms);
	return from;
}

/* Its promises are there before it has a change; whoever else changes it in between is not kept from it. */
static void test_who_changes_again_and_again(void **state)
{
	struct rbed *b = rbed_new(7, 5);
	int64_t first, then = 0;

	(void)state;
	vote(b, 0, "012");
	first = put_takes(b, 4, 1000) + put_takes(b, 4, 1000);
	for (int i = 0; i < 10; i++)
		then += put_takes(b, 4, 1000);
	assert_true(10 * first > 3 * then); /* two took as long as more than three do now */
	(void)put_takes(b, 3, 1000);
	(void)put_takes(b, 4, 1000);
	rbed_until(b, settled);
	for (uint64_t t = 1; t <= b->token; t++)
		has_number(b, 0, 0, t);
	rbed_free(b);
}

/* They are asked for behind the Accept before it: a change that comes at once finds them, too. */
static void test_who_changes_without_a_pause(void **state)
{
	struct rbed *b = rbed_new(9, 5);
	int64_t first, then = 0;

	(void)state;
	b->in_order = true;
	vote(b, 0, "012");
	for (int node = 0; node < 5; node += 4) { /* one that votes, and one that does not */
		first = put_takes(b, node, 0) + put_takes(b, node, 0);
		then = 0;
		for (int i = 0; i < 20; i++)
			then += put_takes(b, node, 0);
		assert_true(20 * first > 3 * then); /* as above */
	}
	rbed_until(b, settled);
	for (uint64_t t = 1; t <= b->token; t++)
		has_number(b, 0, 0, t);
	rbed_free(b);
}

/* Nobody of the first three is left in the end, and all that they knew is there. */
static void test_voters_move_on(void **state)
{
	static const char *const steps[] = {"01", "012", "0123", "123", "1234", "134", "34", "4"};
	struct rbed *b = rbed_new(3, 5);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		assert_true(rbed_put(b, 4, (int)(i % RBED_KEYS)) != 0);
		rbed_until(b, settled);
		vote(b, 4, steps[i]);
	}
	for (int i = 0; i < 4; i++)
		rbed_crash(b, i);
	assert_true(rbed_put(b, 4, 0) != 0);
	rbed_until(b, settled);
	for (uint64_t t = 1; t <= b->token; t++) {
		assert_true(chosen(b, t));
		has_number(b, 4, b->key_of[t], t);
	}
	assert_int_equal(rbed_vote(b, 4, "0123"), -EINVAL); /* three at a time */
	rbed_free(b);
}

/* A proposal under voters that were replaced goes on under the new ones. */
static void test_voters_change_meanwhile(void **state)
{
	struct rbed *b = rbed_new(7, 5);
	uint64_t token;

	(void)state;
	vote(b, 0, "012");
	assert_int_equal(rbed_vote(b, 0, "123"), 0);
	while (b->voters_ended[VOTERS_CHANGED] < 2)
		rbed_run(b, 1);
	assert_true(registers_cfg(b->v[4].r)->epoch < registers_cfg(b->v[0].r)->epoch);
	token = rbed_put(b, 4, 0);
	rbed_until(b, settled);
	assert_true(chosen(b, token));
	rbed_free(b);
}

/* Its proposer is gone before anybody heard that it was chosen: the voters find out, and tell. */
static void test_what_nobody_tells(void **state)
{
	struct rbed *b = rbed_new(4, 5);
	uint64_t token;

	(void)state;
	vote(b, 0, "012");
	b->silent = true;
	token = rbed_put(b, 4, 1);
	while (b->ended[token] == 0)
		rbed_run(b, 1);
	assert_true(chosen(b, token));
	rbed_crash(b, 4);
	b->silent = false;
	rbed_until(b, settled);
	rbed_run(b, 10000);
	for (int i = 0; i < 4; i++)
		has_number(b, i, 1, token);
	rbed_free(b);
}

/* A ballot has one value: a voter that has accepted it has it, and reads only where word came sooner than the value.
 * Who does not vote reads. */
static void test_who_has_accepted_it_need_not_read(void **state)
{
	struct rbed *b = rbed_new(6, 4);
	size_t reads[4] = {0};

	(void)state;
	vote(b, 0, "012");
	for (int i = 0; i < 20; i++) {
		assert_true(rbed_put(b, 0, i % RBED_KEYS) != 0);
		while (!settled(b)) {
			rbed_run(b, 1);
			for (int k = 1; k < 4; k++)
				reads[k] += registers_under_way(b->v[k].r) > 0;
		}
	}
	assert_true(reads[1] + reads[2] < reads[3]);
	rbed_free(b);
}

/* Nor does anybody to whom the value comes with the word. */
static void test_whom_the_value_came_to_need_not_read(void **state)
{
	struct rbed *b = rbed_new(6, 4);

	(void)state;
	vote(b, 0, "012");
	b->along = true;
	for (int i = 0; i < 20; i++) {
		uint64_t token = rbed_put(b, 0, i % RBED_KEYS);

		while (!settled(b)) {
			rbed_run(b, 1);
			assert_int_equal(registers_under_way(b->v[3].r), 0);
		}
		has_number(b, 3, i % RBED_KEYS, token);
	}
	rbed_free(b);
}

/* Who hears that there is something newer, and cannot read it, knows as much; until it has read it. */
static void test_who_is_behind_knows_it(void **state)
{
	struct rbed *b = rbed_new(6, 4);
	struct registers_in in = {.type = REGISTERS_IN_HEARD, .key = rbed_key(0)};
	struct registers *r;
	struct msg_bytes value;
	uint64_t token;

	(void)state;
	vote(b, 0, "012");
	assert_true(rbed_put(b, 0, 0) != 0);
	rbed_until(b, settled);
	r = b->v[3].r;
	assert_false(registers_is_behind(r, &in.key));
	b->silent = true;
	token = rbed_put(b, 0, 0);
	rbed_until(b, all_ended);
	assert_true(registers_get(b->v[0].r, &in.key, &in.ballot, &value));
	assert_false(registers_is_behind(r, &in.key));
	b->lose_pct = 100;
	rbed_input(&b->v[3], &in);
	rbed_run(b, 5000);
	assert_true(registers_is_behind(r, &in.key));
	assert_false(registers_is_behind(r, &(struct msg_key){.n = 1, .v = "z"}));
	b->lose_pct = 0;
	rbed_run(b, 20000);
	assert_false(registers_is_behind(r, &in.key));
	has_number(b, 3, 0, token);
	rbed_free(b);
}

static void test_what_is_refused(void **state)
{
	struct rbed *b = rbed_new(5, 2);
	uint64_t n = 0;

	(void)state;
	rbed_crash(b, 0);
	rbed_crash(b, 1);
	rbed_start(b, 1); /* alone, and nobody has told it who votes */
	assert_int_equal(rbed_put(b, 1, 0), 0);
	assert_int_equal(rbed_vote(b, 1, "01"), -ENOTCONN);
	rbed_start(b, 0);
	while (rbed_put(b, 0, 0) != 0)
		n++;
	assert_int_equal(n, REGISTERS_PROPOSALS_MAX);
	assert_int_equal(rbed_vote(b, 0, "01"), 0);
	assert_int_equal(rbed_vote(b, 0, "01"), -EAGAIN);
	rbed_free(b);
}

/* Of one that is to vote and writes nothing nothing is begun: not dead, not cut off, not with a disk that went back. */
static void test_who_cannot_write_is_not_made_a_voter(void **state)
{
	struct rbed *b = rbed_new(7, 4);
	uint64_t epoch = registers_cfg(b->v[0].r)->epoch;

	(void)state;
	rbed_crash(b, 3);
	assert_int_equal(rbed_vote(b, 0, "023"), 0);
	rbed_run(b, 10000);
	assert_int_equal(b->voters_ended[VOTERS_UNREADY], 1);
	rbed_start(b, 3);
	rbed_input(&b->v[3], &(struct registers_in){.type = REGISTERS_IN_SEEN, .boot = 100});
	assert_int_equal(rbed_vote(b, 0, "023"), 0);
	rbed_run(b, 10000);
	assert_int_equal(b->voters_ended[VOTERS_UNREADY], 2);
	assert_int_equal(registers_cfg(b->v[0].r)->epoch, epoch);
	vote(b, 0, "012"); /* and another change may begin */
	rbed_free(b);
}

/* A minority decides nothing, and says that it does not know. */
static void test_without_a_quorum(void **state)
{
	struct rbed *b = rbed_new(6, 4);
	uint64_t token;

	(void)state;
	vote(b, 0, "012");
	rbed_crash(b, 0);
	rbed_crash(b, 1);
	token = rbed_put(b, 3, 0);
	rbed_until(b, all_ended);
	assert_int_equal(b->ended[token], PROPOSER_UNKNOWN + 1);
	rbed_start(b, 1);
	rbed_until(b, settled);
	token = rbed_put(b, 3, 0);
	rbed_until(b, settled);
	assert_true(chosen(b, token));
	rbed_free(b);
}

static int up(const struct rbed *b)
{
	int n = 0;

	for (int i = 0; i < b->n; i++)
		n += b->v[i].up;
	return n;
}

static void disturb(struct rbed *b)
{
	static const char *const sets[] = {"0", "01", "012", "123", "12", "0123", "023", "01234"};
	int node = (int)rng_below(&b->rng, (uint64_t)b->n);

	switch (rng_below(&b->rng, 8)) {
	case 0:
		if (b->v[node].up)
			rbed_crash(b, node);
		break;
	case 1:
	case 2:
		if (!b->v[node].up)
			rbed_start(b, node);
		break;
	case 3:
		if (b->v[node].up)
			(void)rbed_vote(b, node, sets[rng_below(&b->rng, ARRAY_LEN(sets))]);
		break;
	default:
		if (b->v[node].up && b->token < 300)
			(void)rbed_put(b, node, (int)rng_below(&b->rng, RBED_KEYS));
		break;
	}
}

static uint32_t one(uint64_t seed)
{
	struct rbed *b = rbed_new(seed, 5);
	uint32_t n = 0;

	b->lose_pct = (int)rng_below(&b->rng, 25);
	b->double_pct = (int)rng_below(&b->rng, 10);
	b->late_pct = (int)rng_below(&b->rng, 10);
	b->nomem_pm = rng_below(&b->rng, 2) ? (int)rng_below(&b->rng, 20) : 0;
	b->along = seed % 2 == 0;
	for (int i = 0; i < 300; i++) {
		disturb(b);
		rbed_run(b, 1 + (int64_t)rng_below(&b->rng, 100));
	}
	b->lose_pct = b->double_pct = b->late_pct = b->nomem_pm = 0;
	for (int i = 0; i < b->n; i++)
		if (!b->v[i].up)
			rbed_start(b, i);
	assert_int_equal(up(b), b->n);
	rbed_until(b, rbed_all_know_the_same);
	rbed_run(b, 20000);
	rbed_until(b, rbed_all_know_the_same);
	for (uint64_t t = 1; t <= b->token; t++) {
		if (!chosen(b, t))
			continue;
		n++;
		for (int i = 0; i < b->n; i++)
			has_number(b, i, b->key_of[t], t);
	}
	for (int k = 0; k < RBED_KEYS; k++) /* and new ones can be chosen */
		assert_true(rbed_put(b, k, k) != 0);
	rbed_until(b, rbed_all_know_the_same);
	rbed_run(b, 10000);
	for (uint64_t t = b->token - RBED_KEYS + 1; t <= b->token; t++)
		assert_true(chosen(b, t));
	rbed_free(b);
	return n;
}

static void test_seeds(void **state)
{
	struct seeds s = seeds_of(SEEDS);
	uint64_t n = 0;

	(void)state;
	while (seeds_next(&s))
		n += one(s.seed);
	assert_true(n >= 20 * s.n); /* else it shows nothing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_node_proposes),
		cmocka_unit_test(test_any_voter_may_die),
		cmocka_unit_test(test_who_changes_again_and_again),
		cmocka_unit_test(test_who_changes_without_a_pause),
		cmocka_unit_test(test_voters_move_on),
		cmocka_unit_test(test_voters_change_meanwhile),
		cmocka_unit_test(test_what_nobody_tells),
		cmocka_unit_test(test_who_has_accepted_it_need_not_read),
		cmocka_unit_test(test_whom_the_value_came_to_need_not_read),
		cmocka_unit_test(test_who_is_behind_knows_it),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_who_cannot_write_is_not_made_a_voter),
		cmocka_unit_test(test_without_a_quorum),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
