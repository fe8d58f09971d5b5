/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which leased slots nodes run, as hosts in virtual time whose holders are cut off, restart, release, and are moved
 * while voters change. COVEY_SEEDS="FROM TO" runs others than the usual seeds.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/lib/holding_bed.h"
#include "tests/lib/seeds.h"
#include "tests/lib/test.h"

#define SEEDS 150

static struct cbed_config quiet_config(void)
{
	return (struct cbed_config){.seed = 3, .hosts = 4, .voters = 3, .keys = 2, .leases = true};
}

static void is_well(struct cbed *b)
{
	if (b->wrong[0])
		fail_msg("%s", b->wrong);
}

static const struct cproc *proc(const struct cbed *b, int host)
{
	return &b->hosts[host].procs[1][0];
}

/* Slot 0 of the first agent is that host's, and runs there; in how many ms. */
static int64_t move_to(struct cbed *b, int by, int host)
{
	int64_t from = b->now_ms;

	assert_non_null(cbed_move(b, by, 1, 0, host, 20000));
	while (!proc(b, host)->running && !b->wrong[0] && b->now_ms < from + 30000)
		cbed_run(b, 10);
	is_well(b);
	assert_true(proc(b, host)->running);
	return b->now_ms - from;
}

static void cut_off(struct cbed *b, int host, bool off)
{
	for (int i = 0; i < b->config.hosts; i++)
		if (i != host)
			b->cut[i][host] = b->cut[host][i] = off;
}

/* Its deadline passes, and the slot starts elsewhere after that alone. */
static void test_a_holder_that_is_cut_off(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b;

	(void)state;
	for (config.seed = 1; config.seed <= 20; config.seed++) {
		int64_t took;

		b = cbed_new(&config);
		(void)move_to(b, 0, 3);
		cbed_run(b, 5000);
		assert_int_equal(b->fenced, 0);
		cut_off(b, 3, true);
		took = move_to(b, 0, 1);
		assert_true(b->fenced > 0 && !proc(b, 3)->running);
		assert_true(took > 1000 && took < 6000);
		cut_off(b, 3, false);
		cbed_run(b, 5000);
		is_well(b);
		assert_true(proc(b, 1)->running && !proc(b, 3)->running);
		cbed_free(b);
	}
}

/* Within the lease the same process goes on; past it, it was killed, and is started again by the same holder. */
static void test_a_daemon_that_starts_again(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b = cbed_new(&config);
	uint64_t starts, epoch;

	(void)state;
	(void)move_to(b, 0, 3);
	cbed_run(b, 3000);
	starts = b->starts;
	epoch = proc(b, 3)->epoch;
	for (int i = 0; i < 5; i++) {
		cbed_crash(b, 3);
		cbed_run(b, 300);
		cbed_boot(b, 3);
		cbed_run(b, 4000);
		is_well(b);
		assert_true(proc(b, 3)->running);
		assert_int_equal(b->starts, starts);
	}
	cbed_crash(b, 3);
	cbed_run(b, 5000);
	assert_false(proc(b, 3)->running);
	cbed_boot(b, 3);
	(void)cbed_begin(b, 3, 1, CBED_READ, 5000); /* what it knew of values was in memory */
	cbed_run(b, 3000);
	is_well(b);
	assert_true(proc(b, 3)->running);
	assert_int_equal(proc(b, 3)->epoch, epoch);
	cbed_free(b);
}

/* The next owner waits for nobody where the one before has released, and for its guards where it did not. */
static void test_a_release_lets_the_next_owner_start(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b = cbed_new(&config);

	(void)state;
	(void)move_to(b, 0, 3);
	cbed_run(b, 3000);
	cbed_give_up(b, 3, 1, 0);
	cbed_run(b, 1000); /* it takes its time to end */
	assert_true(holding_bed_figures.releases > 0 && !proc(b, 3)->running);
	assert_true(move_to(b, 0, 1) < 400);
	assert_int_equal(b->fenced, 0);
	cbed_run(b, 3000);
	assert_true(holding_bed_figures.drops > 0);
	cut_off(b, 1, true);
	assert_true(move_to(b, 0, 2) > 1500); /* held off until the guards end, and the holder's fuse before them */
	cbed_free(b);
}

/* Nothing restarts, and nothing is killed. */
static void test_voters_change_while_leases_are_held(void **state)
{
	struct cbed_config config = quiet_config();
	struct cbed *b;

	(void)state;
	config.hosts = 5;
	config.vote_s = 1;
	b = cbed_new(&config);
	(void)move_to(b, 0, 3);
	cbed_run(b, 2000);
	assert_int_equal(b->starts, 2); /* both of its slots */
	cbed_run(b, 60000);
	is_well(b);
	assert_true(b->voters_changed > 5);
	assert_int_equal(b->starts, 2);
	assert_int_equal(b->fenced, 0);
	cbed_free(b);
}

/* Alone nothing has a deadline; the second voter comes once all has one. */
static void test_a_host_alone_gets_company(void **state)
{
	struct cbed_config config = quiet_config();

	(void)state;
	config.voters = 1;
	for (int arm = 0; arm < 2; arm++) {
		struct quorum_set both;
		struct cbed *b;

		holding_bed_figures.alone = true;
		b = cbed_new(&config);
		(void)move_to(b, 0, 0);
		cbed_crash(b, 0);
		cbed_run(b, 20000);
		assert_true(proc(b, 0)->running); /* it survives its daemon for as long as it takes */
		cbed_boot(b, 0);
		cbed_run(b, 2000);
		assert_int_equal(b->starts, 2);
		assert_false(holding_is_armed(holding_bed_of(0)));
		if (arm) {
			holding_bed_arm(b, 0);
			cbed_run(b, 3000);
			assert_true(holding_is_armed(holding_bed_of(0)));
			assert_int_equal(b->starts, 2);
		}
		both = cbed_set(b, "012");
		cbed_voters_begin(b, 0, &both);
		cbed_run(b, 10000);
		for (int i = 1; i < 3; i++) /* as gossip would */
			cbed_learn(b, i, &b->hosts[0].cfg);
		cut_off(b, 0, true);
		(void)cbed_move(b, 1, 1, 0, 2, 20000);
		cbed_run(b, 20000);
		if (arm) {
			is_well(b);
			assert_true(proc(b, 2)->running && !proc(b, 0)->running);
		} else
			assert_non_null(strstr(b->wrong, "runs twice")); /* so it would be */
		cbed_free(b);
	}
	holding_bed_figures.alone = false;
}

/* The seed draws each kind of fault, none of it too. */
static struct cbed_config config_of(uint64_t seed)
{
	struct rng r;
	struct cbed_config c = {.seed = seed, .leases = true};

	rng_seed(&r, seed ^ 0x401d);
	c.hosts = 3 + (int)rng_below(&r, 4);
	c.voters = rng_below(&r, 4) ? 3 : MIN(c.hosts, 5);
	c.keys = 2 + (int)rng_below(&r, 2);
	c.lose_pct = rng_below(&r, 3) ? (int)rng_below(&r, 30) : 0;
	c.double_pct = (int)rng_below(&r, 10);
	c.late_pct = rng_below(&r, 3) ? (int)rng_below(&r, 20) : 0;
	c.crash_s = rng_below(&r, 3) ? 2 + (int)rng_below(&r, 8) : 0;
	c.pause_s = rng_below(&r, 3) ? 2 + (int)rng_below(&r, 8) : 0;
	c.load_ms = 30 + (int)rng_below(&r, 100);
	c.full_pct = rng_below(&r, 3) ? 0 : 1 + (int)rng_below(&r, 5);
	c.nomem_pm = rng_below(&r, 3) ? 0 : 1 + (int)rng_below(&r, 20);
	c.cuts = rng_below(&r, 2);
	c.vote_s = rng_below(&r, 3) ? 1 + (int)rng_below(&r, 4) : 0;
	return c;
}

static void test_seeds(void **state)
{
	struct seeds s = seeds_of(SEEDS);
	uint64_t starts = 0, fenced = 0;

	(void)state;
	memset(&holding_bed_figures, 0, sizeof(holding_bed_figures));
	while (seeds_next(&s)) {
		struct cbed_config config = config_of(s.seed);
		struct cbed *b = cbed_new(&config);

		cbed_run(b, 10000);
		cbed_heal(b, 120000);
		if (b->wrong[0])
			fail_msg("seed %" PRIu64 ": %s", s.seed, b->wrong);
		starts += b->starts;
		fenced += b->fenced;
		cbed_free(b);
	}
	print_message("%" PRIu64 " seeds: %" PRIu64 " starts, %" PRIu64 " fenced, %" PRIu64 " releases, %" PRIu64
		      " identity changes\n",
		s.n, starts, fenced, holding_bed_figures.releases, holding_bed_figures.identities);
	assert_true(starts > 4 * s.n);
	assert_true(fenced > 0 && holding_bed_figures.releases > 0 && holding_bed_figures.identities > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_holder_that_is_cut_off),
		cmocka_unit_test(test_a_daemon_that_starts_again),
		cmocka_unit_test(test_a_release_lets_the_next_owner_start),
		cmocka_unit_test(test_voters_change_while_leases_are_held),
		cmocka_unit_test(test_a_host_alone_gets_company),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
