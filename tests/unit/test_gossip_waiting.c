/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node that waits to be let in, with one long list of seeds as all the others have: it dials few at a time, all of
 * them in turn, and all at once when it is itself the one who founds the cluster.
 */
#include "gossip/gossip.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/lib/test.h"

#define SEEDS 32

static int dials[SEEDS], all_dials;
static enum gossip_dial_end ends = GOSSIP_DIAL_TURNED_AWAY;
static struct gossip *g;
static struct now now;

static void begin(int n_seeds)
{
	static char text[SEEDS][16];
	const char *seeds[SEEDS];
	const struct gossip_mem mem = {.alloc = mem_give, .release = mem_take_back};
	struct gossip_config c = {.record = {.uuid = {1}, .name = {"n1", 2}, .wire_min = 1, .wire_max = 1},
		.boot = 1,
		.profile = GOSSIP_PROFILE_LAN,
		.seeds = seeds,
		.n_seeds = (size_t)n_seeds,
		.waiting = true,
		.seed = 7};

	for (int i = 0; i < n_seeds; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "10.0.0.%d:1", i); /* fits */
		seeds[i] = text[i];
	}
	memset(dials, 0, sizeof(dials));
	all_dials = 0;
	now = (struct now){1000, 1000, 1000};
	assert_int_equal(gossip_new(&c, &mem, now, &g), 0);
}

/* Whoever is dialled waits too. */
static void step(struct gossip_in in)
{
	struct gossip_outs outs;
	struct gossip_in failed[GOSSIP_OUTS_MAX];
	size_t n = 0;

	gossip_step(g, &in, now, &outs);
	for (size_t i = 0; i < outs.n; i++) {
		int seed;

		if (outs.v[i].type != GOSSIP_OUT_DIAL)
			continue;
		assert_int_equal(sscanf(outs.v[i].address, "10.0.0.%d:", &seed), 1);
		dials[seed]++;
		all_dials++;
		failed[n++] = (struct gossip_in){.type = GOSSIP_IN_DIAL_FAILED, .dial = outs.v[i].dial, .how = ends};
	}
	for (size_t i = 0; i < n; i++)
		step(failed[i]);
}

static void run(int64_t ms)
{
	int64_t until = now.mono_ms + ms;

	while (gossip_deadline_ms(g) <= until) {
		int64_t at = gossip_deadline_ms(g);

		now.mono_ms = now.boot_ms = now.wall_ms = at > now.mono_ms ? at : now.mono_ms;
		step((struct gossip_in){.type = GOSSIP_IN_TICK});
	}
	now.mono_ms = until;
}

static void test_many_seeds(void **state)
{
	(void)state;
	begin(SEEDS);
	run(100);
	assert_in_range(all_dials, 3, 4);
	run(60000);
	assert_in_range(all_dials, 60, 240); /* two a second, with jitter, and the first */
	for (int i = 0; i < SEEDS; i++)
		assert_in_range(dials[i], 1, 8);
	all_dials = 0;
	step((struct gossip_in){.type = GOSSIP_IN_FOUNDED});
	run(50);
	assert_in_range(all_dials, SEEDS, 2 * SEEDS);
	gossip_free(g);
}

static void test_two_seeds(void **state)
{
	(void)state;
	begin(2);
	run(100);
	assert_true(dials[0] > 0 && dials[1] > 0);
	run(20000);
	assert_in_range(dials[0], 12, 30); /* each once a second */
	assert_in_range(dials[1], 12, 30);
	gossip_free(g);
}

/* Being late is no reason to dial: it is the dials that make late. */
static void test_lateness_dials_nobody(void **state)
{
	int before;

	(void)state;
	begin(SEEDS);
	run(1000);
	before = all_dials;
	for (int i = 0; i < 10; i++) {
		now.mono_ms += 1000;
		step((struct gossip_in){.type = GOSSIP_IN_TICK});
	}
	assert_in_range(all_dials - before, 0, 45);
	gossip_free(g);
}

/* Those who called meanwhile are dialled by whoever founds the cluster: once each, two at a time, not before. */
static void test_who_called_is_dialled(void **state)
{
	(void)state;
	begin(1);
	for (int i = 1; i < SEEDS; i++) {
		char address[16];
		int n = snprintf(address, sizeof(address), "10.0.0.%d:1", i);

		for (int twice = 0; twice < 2; twice++)
			step((struct gossip_in){.type = GOSSIP_IN_KNOCK, .address = {address, (uint16_t)n}});
	}
	step((struct gossip_in){.type = GOSSIP_IN_KNOCK}); /* it cannot be dialled */
	run(5000);
	for (int i = 1; i < SEEDS; i++)
		assert_int_equal(dials[i], 0);
	step((struct gossip_in){.type = GOSSIP_IN_FOUNDED});
	run(5000);
	for (int i = 1; i < SEEDS; i++)
		assert_int_equal(dials[i], 1);
	gossip_free(g);
}

/* Where nobody listens yet one asks again soon: that is no handshake. */
static void test_who_begins_too(void **state)
{
	(void)state;
	ends = GOSSIP_DIAL_REFUSED;
	begin(1);
	run(1000);
	assert_in_range(dials[0], 4, 8);
	run(20000);
	assert_in_range(dials[0], 16, 40);
	gossip_free(g);
	ends = GOSSIP_DIAL_TURNED_AWAY;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_called_is_dialled),
		cmocka_unit_test(test_who_begins_too),
		cmocka_unit_test(test_many_seeds),
		cmocka_unit_test(test_two_seeds),
		cmocka_unit_test(test_lateness_dials_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
