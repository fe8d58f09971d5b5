/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule about leases is needed: a schedule on which a slot runs twice, or nothing is decided any more, once it is
 * left out, and on which the whole core does neither. Voters are hosts 0, 1, 2; host 3 runs slot 0 of agent k1 and
 * loses touch; it is given to host 4; host 6 proposes.
 */
#include "tests/lib/consensus_bed.h"
#include "tests/lib/test.h"

enum { HOLDER = 3, NEXT = 4, EXTRA = 5, BY = 6, HOSTS = 7 };

#define TWICE "slot 0 of key 1 runs twice: host 3 at epoch 1, host 4 at 3"

enum rules_mutant rules_left_out;

static void cut(struct cbed *b, int one, const char *from)
{
	for (; *from; from++)
		b->cut[one][*from - '0'] = b->cut[*from - '0'][one] = true;
}

static void join(struct cbed *b, int one, const char *with)
{
	for (; *with; with++)
		b->cut[one][*with - '0'] = b->cut[*with - '0'][one] = false;
}

static bool runs(const struct cbed *b, int host)
{
	return b->hosts[host].procs[1][0].running;
}

/* The voters' wait after their start is over. */
static struct cbed *calm(enum rules_mutant m)
{
	struct cbed *b;

	rules_left_out = m;
	b = cbed_new(&(struct cbed_config){.seed = 3,
		.hosts = HOSTS,
		.voters = 3,
		.keys = 2,
		.leases = true,
		.same_clock = true,
		.outcomes_only = true});
	cbed_run(b, 4000);
	return b;
}

/* The holder runs both slots, at epochs 1 and 2. */
static struct cbed *held(enum rules_mutant m)
{
	struct cbed *b = calm(m);

	(void)cbed_move(b, BY, 1, 0, HOLDER, 1000);
	cbed_run(b, 2000);
	assert_true(runs(b, HOLDER));
	return b;
}

static const char *outcome(struct cbed *b)
{
	static char wrong[sizeof(b->wrong)];

	(void)snprintf(wrong, sizeof(wrong), "%s", b->wrong);
	cbed_free(b);
	rules_left_out = M_NONE;
	return wrong;
}

/* The usual end: slot 0 is given to the next, which must run it in the end where the time is enough for that. */
static const char *given(struct cbed *b, int64_t ms)
{
	(void)cbed_move(b, BY, 1, 0, NEXT, ms);
	cbed_run(b, ms);
	return outcome(b);
}

/* The newest value is under way to the disks while the holder comes back and asks. */
static const char *under_way(enum rules_mutant m)
{
	struct cbed *b = held(m);

	cut(b, HOLDER, "012456");
	cbed_run(b, 5000);
	assert_false(runs(b, HOLDER));
	b->disk_ms = 1000;
	(void)cbed_move(b, BY, 1, 0, NEXT, 10000);
	cbed_run(b, 1200); /* promises are durable, accepts handed over */
	join(b, HOLDER, "012");
	cbed_run(b, 3000);
	return outcome(b);
}

static void test_m12_by_the_durable_copy(void **state)
{
	(void)state;
	assert_string_equal(under_way(M_NONE), "");
	assert_string_equal(under_way(M12), TWICE);
}

/* Grants that are long on their way back. */
static const char *late_grants(enum rules_mutant m)
{
	struct cbed *b = held(m);

	b->by_hand = true;
	while (!b->held)
		cbed_run(b, 10);
	for (int i = 0; i < 3; i++)
		assert_true(cbed_hand(b, HOLDER, i, MSG_RENEW));
	b->by_hand = false;
	cut(b, HOLDER, "012456");
	cbed_run(b, 1500);
	(void)cbed_move(b, BY, 1, 0, NEXT, 10000);
	cbed_run(b, 400);
	for (int i = 0; i < 3; i++)
		assert_true(cbed_hand(b, i, HOLDER, MSG_GRANT));
	cbed_run(b, 5000);
	return outcome(b);
}

static void test_m13_from_the_reply(void **state)
{
	(void)state;
	assert_string_equal(late_grants(M_NONE), "");
	assert_string_equal(late_grants(M13), TWICE);
}

/* The holder comes back after the slot has moved, and has not heard of it. */
static const char *not_heard(enum rules_mutant m)
{
	struct cbed *b = held(m);

	cut(b, HOLDER, "012456");
	cbed_run(b, 5000);
	(void)cbed_move(b, BY, 1, 0, NEXT, 10000);
	cbed_run(b, 2000);
	assert_true(runs(b, NEXT));
	join(b, HOLDER, "012");
	cbed_run(b, 3000);
	return outcome(b);
}

static void test_m14_whatever_moved(void **state)
{
	(void)state;
	assert_string_equal(not_heard(M_NONE), "");
	assert_string_equal(not_heard(M14), "slot 0 of key 1 runs twice: host 4 at epoch 3, host 3 at 1");
}

/* Voters that read the clock, slept, and then took the frames. */
static const char *old_clock(int stale_ms)
{
	struct cbed *b = held(M_NONE);

	b->stale_ms = stale_ms;
	cbed_run(b, 4000);
	cut(b, HOLDER, "012456");
	return given(b, 6000);
}

static void test_m15_the_clock_before_the_frames(void **state)
{
	(void)state;
	assert_string_equal(old_clock(0), "");
	assert_string_equal(old_clock(2500), TWICE);
}

/* From {0 1 2} to {0 1 5}; the holder reaches 0 and 2 alone, and then nobody; afterwards 1 and 5 decide. */
static const char *both_sets(enum rules_mutant m, bool reaches_old)
{
	struct cbed *b = held(m);
	struct quorum_set set = cbed_set(b, "015");

	cut(b, HOLDER, "1456");
	cbed_run(b, 4000);
	assert_true(runs(b, HOLDER));
	if (!reaches_old)
		cut(b, HOLDER, "02");
	cbed_voters_begin(b, BY, &set);
	for (int i = 0; i < 10000 && b->voters_changed == 0; i += 10)
		cbed_run(b, 10);
	assert_int_equal(b->voters_changed, 1);
	cut(b, HOLDER, "02");
	cut(b, 0, "12456");
	return given(b, 6000);
}

static void test_m16_one_majority_of_grants(void **state)
{
	(void)state;
	assert_string_equal(both_sets(M_NONE, true), "");
	assert_string_equal(both_sets(M16, true), TWICE);
}

static void test_m18_stable_at_once(void **state)
{
	(void)state;
	assert_string_equal(both_sets(M_NONE, false), "");
	assert_string_equal(both_sets(M18, false), TWICE);
}

/* All voters begin again and have forgotten whom they guard; or, of long grants, what was only in memory. */
static const char *restarted(enum rules_mutant m, uint32_t long_ms, int64_t ms)
{
	struct cbed *b = held(m);

	if (long_ms > 0) {
		cbed_long(b, HOLDER, long_ms);
		cbed_run(b, 300);
	}
	cut(b, HOLDER, "012456");
	for (int i = 0; i < 3; i++) {
		cbed_crash(b, i);
		cbed_boot(b, i);
	}
	return given(b, ms);
}

static void test_m17_no_wait_after_a_restart(void **state)
{
	(void)state;
	assert_string_equal(restarted(M_NONE, 0, 8000), "");
	assert_string_equal(restarted(M17, 0, 8000), TWICE);
}

static void test_m22_long_grants_in_memory(void **state)
{
	(void)state;
	assert_string_equal(restarted(M_NONE, 60000, 120000), "");
	assert_string_equal(restarted(M22, 60000, 120000), TWICE);
}

/*
 * The slot was assigned and not yet leased when a proposer got its promises; its Accept comes to 2 alone. The holder
 * lives by the grants of 0 and 1; who reaches 1 and 2 must carry on what 2 has accepted, and 1 guards.
 */
static const char *blocked(enum rules_mutant m)
{
	struct cbed *b = calm(m);
	struct cval assigned;
	uint64_t chosen;

	cut(b, HOLDER, "012456");
	(void)cbed_move(b, NEXT, 1, 0, HOLDER, 1000); /* whose ballot is below EXTRA's */
	cbed_run(b, 1000);
	assigned = b->hosts[0].newest[1];
	b->by_hand = true;
	(void)cbed_move(b, EXTRA, 1, 0, NEXT, 3000);
	cbed_run(b, 0);
	for (int i = 0; i < 3; i++)
		assert_true(cbed_hand(b, EXTRA, i, MSG_PREPARE) && cbed_hand(b, i, EXTRA, MSG_PROMISE));
	join(b, HOLDER, "01");
	b->by_hand = false;
	cut(b, EXTRA, "012346");
	cbed_news(b, HOLDER, 1, &assigned);
	cbed_run(b, 1000);
	assert_true(runs(b, HOLDER));
	assert_true(cbed_hand(b, EXTRA, 2, MSG_ACCEPT));
	cut(b, BY, "0");
	cut(b, 0, "12");
	chosen = b->ops_chosen;
	(void)cbed_begin(b, BY, 1, CBED_NOTHING, 30000);
	cbed_run(b, 30000);
	if (b->ops_chosen == chosen)
		cbed_wrong(b, "a connected majority decides nothing");
	return outcome(b);
}

static void test_m19_goes_on_granting(void **state)
{
	(void)state;
	assert_string_equal(blocked(M_NONE), "");
	assert_string_equal(blocked(M19), "a connected majority decides nothing");
}

/* Given twice in a row; the first of both hears of it and reaches no voter. */
static const char *twice_given(enum rules_mutant m)
{
	struct cbed *b = held(m);

	cut(b, HOLDER, "012456");
	cbed_run(b, 5000);
	cut(b, NEXT, "012");
	(void)cbed_move(b, BY, 1, 0, NEXT, 1000);
	cbed_run(b, 500);
	(void)cbed_move(b, BY, 1, 0, EXTRA, 1000);
	cbed_run(b, 1000);
	assert_true(runs(b, EXTRA));
	return outcome(b);
}

static void test_m20_starts_at_once(void **state)
{
	(void)state;
	assert_string_equal(twice_given(M_NONE), "");
	assert_string_equal(twice_given(M20), "slot 0 of key 1 runs twice: host 4 at epoch 3, host 5 at 4");
}

/* A RELEASE of an epoch that is long over, told again with a new number. */
static const char *old_release(enum rules_mutant m)
{
	struct cbed *b = held(m);
	struct msg_lease l = {.key = cbed_key(1), .slot = 0, .epoch = 99};
	struct msg release = {.type = MSG_RELEASE,
		.from = b->hosts[HOLDER].uuid,
		.cfg = b->hosts[HOLDER].cfg,
		.number = UINT64_MAX / 2,
		.leases = &l,
		.n_leases = 1};

	for (int i = 0; i < 3; i++)
		cbed_send(b, HOLDER, i, &release);
	cbed_run(b, 20);
	cut(b, HOLDER, "012456");
	return given(b, 8000);
}

static void test_m21_whatever_epoch_is_released(void **state)
{
	(void)state;
	assert_string_equal(old_release(M_NONE), "");
	assert_string_equal(old_release(M21), TWICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_m12_by_the_durable_copy),
		cmocka_unit_test(test_m13_from_the_reply),
		cmocka_unit_test(test_m14_whatever_moved),
		cmocka_unit_test(test_m15_the_clock_before_the_frames),
		cmocka_unit_test(test_m16_one_majority_of_grants),
		cmocka_unit_test(test_m17_no_wait_after_a_restart),
		cmocka_unit_test(test_m18_stable_at_once),
		cmocka_unit_test(test_m19_goes_on_granting),
		cmocka_unit_test(test_m20_starts_at_once),
		cmocka_unit_test(test_m21_whatever_epoch_is_released),
		cmocka_unit_test(test_m22_long_grants_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
