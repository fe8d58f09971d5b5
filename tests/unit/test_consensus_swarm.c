/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seeds: hosts that propose, change voters, run leased slots, crash, pause and lose what was not durable, by clocks
 * that go wrong by a tenth, on a network that loses, doubles and delays; then all is healed and must be decided.
 * COVEY_SEEDS="FROM TO" runs others than the usual ones.
 */
#include <inttypes.h>

#include "tests/lib/consensus_bed.h"
#include "tests/lib/seeds.h"
#include "tests/lib/test.h"

#define SEEDS 150

/* The seed draws each kind of fault, none of it too. */
static struct cbed_config config_of(uint64_t seed)
{
	struct rng r;
	struct cbed_config c = {.seed = seed};

	rng_seed(&r, seed ^ 0x5eed);
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
	c.leases = rng_below(&r, 4) > 0;
	c.vote_s = rng_below(&r, 3) ? 1 + (int)rng_below(&r, 4) : 0;
	c.older_pct = rng_below(&r, 4) ? 0 : 40;
	return c;
}

static uint64_t brief, brief_granted, sets_unknown, older;

static uint64_t one(uint64_t seed)
{
	struct cbed_config config = config_of(seed);
	struct cbed *b = cbed_new(&config);
	uint64_t chosen;

	cbed_run(b, 8000);
	cbed_heal(b, 120000);
	chosen = b->ops_chosen;
	if (b->wrong[0])
		fail_msg("seed %" PRIu64 ": %s", seed, b->wrong);
	brief += b->brief;
	brief_granted += b->brief_granted;
	sets_unknown += b->sets_unknown;
	older += b->older;
	cbed_free(b);
	return chosen;
}

static void test_seeds(void **state)
{
	struct seeds s = seeds_of(SEEDS);
	uint64_t chosen = 0;

	(void)state;
	while (seeds_next(&s))
		chosen += one(s.seed);
	print_message("%" PRIu64 " seeds, %" PRIu64 " operations decided\n", s.n, chosen);
	print_message("%" PRIu64 " renewals by a sum, %" PRIu64 " granted by one, %" PRIu64
		      " of a sum that was forgotten\n",
		brief, brief_granted, sets_unknown);
	assert_true(chosen > 20 * s.n);
	assert_true(brief > 100 * s.n && brief_granted > 100 * s.n && sets_unknown > 0 && older > 0);
}

/* The same seed is the same run, to the last message. */
static void test_a_seed_is_one_run(void **state)
{
	struct cbed_config config = config_of(5);
	uint64_t msgs[2], tip[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct cbed *b = cbed_new(&config);

		cbed_run(b, 5000);
		msgs[i] = b->msgs;
		tip[i] = b->chain[1][b->tip[1]];
		cbed_free(b);
	}
	assert_int_equal(msgs[0], msgs[1]);
	assert_int_equal(tip[0], tip[1]);
	assert_true(msgs[0] > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_seed_is_one_run),
		cmocka_unit_test(test_seeds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
