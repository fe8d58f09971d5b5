/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Voters that follow the members by themselves. COVEY_SEEDS="FROM TO" runs others than the usual seeds.
 */
#include <inttypes.h>
#include <string.h>

#include "consensus/registers_impl.h"
#include "node/agree_impl.h"
#include "tests/lib/root_bed.h"
#include "tests/lib/seeds.h"
#include "tests/lib/test.h"

#define SEEDS 200

static void test_a_cluster_grows(void **state)
{
	static const size_t n[] = {[1] = 1, 1, 3, 3, 5, 5, 5};
	struct electorate_count c;
	char text[ERR_TEXT_MAX];

	(void)state;
	rootbed_founded(1, 1);
	for (int i = 1; i <= RBED_NODES_MAX; i++) {
		rootbed_come(i);
		rootbed_become(n[i], 5000);
		assert_true(agree_electorate(abed.own[i - 1].a, &c, text, sizeof(text)));
		assert_int_equal(c.voters, n[i]);
		assert_int_equal(c.wanted, n[i]);
		if (i == 2)
			assert_non_null(strstr(text, "a witness"));
		else
			assert_string_equal(text, "");
	}
	abed_answered(rootbed_ask(6, rootbed_voters(7)), AGREE_DONE, "");
	rootbed_become(7, 5000);
	abed_answered(rootbed_ask(6, rootbed_voters(3)), AGREE_DONE, "");
	rootbed_become(3, 5000);
	for (int i = 0; i < RBED_NODES_MAX; i++) {
		assert_string_equal(rootbed_root(i)->name, "east");
		assert_memory_equal(&rootbed_root(i)->cluster, &rootbed_cluster, sizeof(rootbed_cluster));
		assert_int_equal(rootbed_root(i)->times.lv_ms, 3100);
	}
	abed_free();
}

static int first_voter(void)
{
	return rootbed_who_votes()[0] - '0';
}

static int spare(void)
{
	for (int i = 0; i < rootbed.present; i++)
		if (abed.b->v[i].up && !rootbed_is_voter(i))
			return i;
	return -1;
}

static void test_a_dead_voter_is_replaced(void **state)
{
	char was[QUORUM_VOTERS_MAX + 1];
	int dead, new;

	(void)state;
	rootbed_founded(2, 4);
	rootbed_become(3, 5000);
	(void)snprintf(was, sizeof(was), "%s", rootbed_who_votes());
	dead = first_voter();
	new = spare();
	rootbed_crash(dead);
	abed_run(59000); /* not before */
	assert_string_equal(rootbed_who_votes(), was);
	abed_run(6000);
	assert_true(rootbed_is_number(3) && !rootbed_is_voter(dead) && rootbed_is_voter(new));
	/* Nobody else is there: nothing is taken away. */
	(void)snprintf(was, sizeof(was), "%s", rootbed_who_votes());
	rootbed_crash(new);
	abed_run(200000);
	assert_string_equal(rootbed_who_votes(), was);
	rootbed_start(dead); /* and who comes back may vote again */
	abed_run(10000);
	assert_true(rootbed_is_number(3) && rootbed_is_voter(dead) && !rootbed_is_voter(new));
	/* The time is the root's. */
	rootbed_start(new);
	abed_answered(
		rootbed_ask(dead,
			(struct agree_root_command){.type = AGREE_ROOT_VOTERS, .voters = -1, .replace_after_ms = 5000}),
		AGREE_DONE, "");
	rootbed_crash(dead);
	abed_run(4000);
	assert_true(rootbed_is_voter(dead));
	abed_run(4000);
	assert_false(rootbed_is_voter(dead));
	abed_free();
}

static void test_leave_and_forget_shrink(void **state)
{
	int i;

	(void)state;
	rootbed_founded(3, 5);
	rootbed_become(5, 10000);
	abed_answered(rootbed_about(1, AGREE_ROOT_LEAVE, 4, NULL), AGREE_DONE, "");
	rootbed_become(3, 10000);
	assert_false(rootbed_is_voter(4));
	abed_answered(rootbed_about(1, AGREE_ROOT_FORGET, 3, NULL), AGREE_REFUSED, "n3 is alive");
	rootbed_crash(3);
	abed_run(1000);
	abed_answered(rootbed_about(4, AGREE_ROOT_FORGET, 3, NULL), AGREE_DONE, "");
	for (int ms = 0; rootbed_is_voter(3) && ms < 10000; ms += 100)
		abed_run(100); /* that all know of it comes before that it votes no more */
	rootbed_become(3, 10000);
	assert_string_equal(rootbed_who_votes(), "012");
	rootbed_crash(2);
	abed_run(1000);
	abed_answered(rootbed_about(1, AGREE_ROOT_FORGET, 2, NULL), AGREE_DONE, "");
	rootbed_become(1, 10000);
	i = first_voter();
	abed_answered(rootbed_about(i, AGREE_ROOT_LEAVE, i, NULL), AGREE_DONE, "");
	rootbed_become(1, 10000);
	assert_int_equal(first_voter(), 1 - i);
	rootbed.left[i] = true;
	rootbed.left[4] = true;
	rootbed_crash(4);
	rootbed_crash(i);
	abed_run(1000);
	abed_answered(rootbed_about(1 - i, AGREE_ROOT_LEAVE, 1 - i, NULL), AGREE_REFUSED,
		"no other node is alive that could vote in its place");
	/* Who comes back is a member again. */
	rootbed.left[i] = false;
	rootbed_start(i);
	abed_answered(rootbed_about(1 - i, AGREE_ROOT_UNDRAIN, i, NULL), AGREE_DONE, "");
	abed_answered(rootbed_about(1 - i, AGREE_ROOT_LEAVE, 1 - i, NULL), AGREE_DONE, "");
	rootbed_become(1, 10000);
	assert_int_equal(first_voter(), i);
	abed_free();
}

static bool is_joint(int node)
{
	return abed.b->v[node].up && quorum_is_joint(registers_cfg(abed.b->v[node].r));
}

static int runner(void)
{
	for (int i = 0; i < rootbed.present; i++)
		if (abed.b->v[i].up && abed.own[i].a->voting.under_way)
			return i;
	return -1;
}

/* Its runner is gone after JOINT: the others end it, and not at once, since it might have come back. */
static void test_what_a_crash_left_behind_is_taken_up(void **state)
{
	int64_t joint_ms;
	int who = -1;

	(void)state;
	rootbed_founded(4, 3);
	rootbed_become(3, 5000);
	rootbed_come(5);
	for (int ms = 0; who < 0 && ms < 5000; ms++) {
		abed_run(1);
		who = runner();
		if (who >= 0 && !(is_joint(who) && is_joint((who + 1) % 3)))
			who = -1;
	}
	assert_true(who >= 0);
	rootbed_crash(who);
	joint_ms = abed.b->now_ms;
	while (!rootbed_is_number(5) && abed.b->now_ms < joint_ms + 60000)
		abed_run(10);
	assert_true(rootbed_is_number(5));
	assert_true(abed.b->now_ms >= joint_ms + 4900);
	assert_true(abed.b->now_ms <= joint_ms + 12000);
	rootbed_start(who);
	rootbed_become(5, 5000);
	abed_free();
}

/* As where rounds are short. */
static void turns_are_close(int node)
{
	for (int i = 0; i < 100; i++)
		pace_took(&abed.own[node].a->registers->pace, PACE_MIN_MS);
}

/* Two that see different members begin different changes: one comes first, and the other sees it. */
static void test_two_runners(void **state)
{
	int both = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		rootbed_founded(seed, 1);
		for (int v = 0; v < 5; v++) /* 1 sees 0, 1, 2; 3 sees 0, 3, 4; the others nobody */
			for (int i = 0; i < 5; i++)
				rootbed.hidden[v][i] = v == 1 ? i > 2 : v == 3 ? i == 1 || i == 2 : i != v;
		rootbed.hidden[1][0] = rootbed.hidden[3][0] = false;
		for (int v = 0; v < 5; v++)
			turns_are_close(v);
		rootbed_come(5);
		for (int i = 0; i < 500 && strcmp(rootbed_who_votes(), "0") == 0; i++) {
			abed_run(1);
			both += abed.own[1].a->voting.under_way && abed.own[3].a->voting.under_way;
		}
		memset(rootbed.hidden, 0, sizeof(rootbed.hidden));
		for (int i = 0; i < 5; i++)
			abed_tell_hosts(SCHED_EVENT_NODE_BACK, i);
		rootbed_become(5, 60000);
		abed_free();
	}
	assert_true(both > 0);
}

/* A voter dies, and there are two spares: who is given its vote. deaf: one of them whose disk went back; -1: none. */
static int heir(int deaf)
{
	char was[QUORUM_VOTERS_MAX + 1];
	int ret = -1;

	rootbed_founded(8, 5);
	abed_answered(rootbed_ask(0, rootbed_voters(3)), AGREE_DONE, "");
	rootbed_become(3, 10000);
	(void)snprintf(was, sizeof(was), "%s", rootbed_who_votes());
	if (deaf >= 0)
		rbed_input(&abed.b->v[deaf], &(struct registers_in){.type = REGISTERS_IN_SEEN, .boot = 100});
	rootbed_crash(first_voter());
	abed_run(75000);
	assert_true(rootbed_is_number(3));
	for (int i = 0; i < rootbed.present; i++)
		if (rootbed_is_voter(i) && !strchr(was, '0' + i))
			ret = i;
	abed_free();
	return ret;
}

/* Who seems to live and writes nothing is passed over. */
static void test_who_cannot_write_is_passed_over(void **state)
{
	int first = heir(-1), second = heir(first);

	(void)state;
	assert_true(first >= 0 && second >= 0 && first != second);
}

/* Where there is nobody else each asks it again, after 5 s, and then after twice as long each time, up to 60 s. */
static void test_who_cannot_write_is_asked_again(void **state)
{
	const uint32_t *unready;
	int deaf = 2;

	(void)state;
	rootbed_founded(9, 2);
	unready = &abed.b->voters_ended[VOTERS_UNREADY];
	rbed_input(&abed.b->v[deaf], &(struct registers_in){.type = REGISTERS_IN_SEEN, .boot = 100});
	rootbed_come(3);
	abed_run(15000); /* 3 s, 5 s, 3 s, … */
	assert_int_equal(*unready, 2 * 3);
	abed_run(135000);
	assert_int_equal(*unready, 5 * 3);
	abed_run(66000); /* 60 s, 3 s */
	assert_int_equal(*unready, 6 * 3);
	rootbed_crash(deaf);
	rootbed_start(deaf);
	rootbed_become(3, 65000);
	abed_free();
}

/* ---- seeds ---- */

static int living(void)
{
	int n = 0;

	for (int i = 0; i < rootbed.present; i++)
		n += abed.b->v[i].up;
	return n;
}

static void order(int node)
{
	static const enum agree_root_type types[] = {AGREE_ROOT_DRAIN, AGREE_ROOT_UNDRAIN, AGREE_ROOT_UNDRAIN,
		AGREE_ROOT_FORGET, AGREE_ROOT_LEAVE, AGREE_ROOT_VOTERS};
	struct rng *r = &abed.b->rng;
	struct agree_root_command c = rootbed_voters((int)(2 * rng_below(r, 4)) + 1);

	c.type = types[rng_below(r, ARRAY_LEN(types))];
	c.node = rootbed_id((int)rng_below(r, (uint64_t)rootbed.present));
	if (c.type == AGREE_ROOT_VOTERS) {
		c.voters = rng_below(r, 2) ? c.voters : 0;
		c.replace_after_ms = rng_below(r, 2) ? 2000 : 10000;
		c.spread = rng_below(r, 2) ? "zone" : "";
	}
	if (abed.token < ABED_TOKENS - 20)
		(void)rootbed_ask(node, c);
}

static void disturb(void)
{
	struct rng *r = &abed.b->rng;
	int node = (int)rng_below(r, (uint64_t)rootbed.present);

	switch (rng_below(r, 12)) {
	case 0:
		if (abed.b->v[node].up)
			rootbed_crash(node);
		break;
	case 1:
	case 2:
	case 3:
		if (!abed.b->v[node].up)
			rootbed_start(node);
		break;
	case 4:
		rootbed_come(MIN(rootbed.present + 1, RBED_NODES_MAX));
		break;
	case 5:
	case 6:
		if (abed.b->v[node].up)
			order(node);
		break;
	default:
		break;
	}
}

/* As many as there are to be, and all of them may vote, and live. */
static bool is_well(void)
{
	struct electorate_count c;
	char text[ERR_TEXT_MAX];
	const struct register_root *r = rootbed_root(0);

	if (!r || !agree_electorate(abed.own[0].a, &c, text, sizeof(text)) || !rootbed_is_number(c.voters))
		return false;
	for (int i = 0; i < rootbed.present; i++)
		if (rootbed_is_voter(i) && (register_nodes_has(&r->forgotten, rootbed_id(i)) ||
						   (register_nodes_has(&r->leaving, rootbed_id(i)) && c.spares > 0)))
			return false;
	return c.voters == c.wanted || (c.voters < c.wanted && c.spares < 2);
}

static void one_seed(uint64_t seed)
{
	rootbed_founded(seed, 1 + (int)(seed % 5));
	abed.b->lose_pct = (int)rng_below(&abed.b->rng, 20);
	abed.b->double_pct = (int)rng_below(&abed.b->rng, 10);
	abed.b->late_pct = (int)rng_below(&abed.b->rng, 8);
	abed.b->nomem_pm = rng_below(&abed.b->rng, 2) ? (int)rng_below(&abed.b->rng, 10) : 0;
	for (int i = 0; i < RBED_NODES_MAX; i++)
		rootbed.lag_ms[i] = (int64_t)rng_below(&abed.b->rng, 3000);
	for (int i = 0; i < 150; i++) {
		disturb();
		abed_run(1 + (int64_t)rng_below(&abed.b->rng, 800));
	}
	abed.b->lose_pct = abed.b->double_pct = abed.b->late_pct = abed.b->nomem_pm = 0;
	for (int i = 0; i < rootbed.present; i++)
		if (!abed.b->v[i].up)
			rootbed_start(i);
	for (int i = 0; !(is_well() && rbed_all_know_the_same(abed.b)) && i < 300; i++)
		abed_run(1000);
	if (!is_well())
		fail_msg("seed %" PRIu64 ": '%s' vote, of %d that live", seed, rootbed_who_votes(), living());
	assert_true(rbed_all_know_the_same(abed.b));
	assert_memory_equal(&rootbed_root(0)->cluster, &rootbed_cluster, sizeof(rootbed_cluster));
	abed_answered(rootbed_about(rootbed.present - 1, AGREE_ROOT_UNDRAIN, 0, NULL), AGREE_DONE, "");
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
		cmocka_unit_test(test_a_cluster_grows),
		cmocka_unit_test(test_a_dead_voter_is_replaced),
		cmocka_unit_test(test_leave_and_forget_shrink),
		cmocka_unit_test(test_what_a_crash_left_behind_is_taken_up),
		cmocka_unit_test(test_two_runners),
		cmocka_unit_test(test_who_cannot_write_is_passed_over),
		cmocka_unit_test(test_who_cannot_write_is_asked_again),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
