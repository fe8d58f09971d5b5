/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which leased slots a node may run: every input at every state, bounds, a planned stop, and what a value says.
 */
#include <errno.h>

#include "base/rng.h"
#include "tests/lib/holding_story.h"

/* Every input at every state, with what is older and newer: nothing breaks, and what was released stays so. */
static void test_each_input_at_each_state(void **state)
{
	static const enum holding_in_type inputs[] = {
		HOLDING_IN_FOUND, HOLDING_IN_EMPTY, HOLDING_IN_RELEASED, HOLDING_IN_ARMED};
	struct msg_key web = story_key("web");
	uint64_t seen[HOLDING_STATE_MAX] = {0};
	struct rng r;

	(void)state;
	rng_seed(&r, 11);
	for (int round = 0; round < 2000; round++) {
		uint64_t released = 0;
		struct teller w;

		teller_setup(&w, round % 2);
		w.quiet = true;
		teller_number(&w, 1000000);
		for (int i = 0; i < 12; i++) {
			uint64_t epoch = 1 + rng_below(&r, 4);
			struct holding_own own = {.slot = 0, .epoch = epoch, .stop = rng_below(&r, 2)};
			struct holding_in in = {.type = inputs[rng_below(&r, ARRAY_LEN(inputs))],
				.key = web,
				.epoch = epoch,
				.until_ms = rng_below(&r, 3) ? w.now_ms + 100 : HOLDING_UNARMED,
				.own = &own,
				.n_own = rng_below(&r, 3) > 0,
				.next_epoch = epoch + 1};
			struct holding_said said;

			w.now_ms += 50;
			if (rng_below(&r, 2))
				in.type = HOLDING_IN_CHOSEN;
			teller_step(&w, &in);
			if (in.type == HOLDING_IN_RELEASED && w.h.n_slots > 0 && w.h.slots[0].epoch == epoch &&
				w.h.slots[0].state == HOLDING_RELEASED)
				released = MAX(released, epoch);
			while (holding_next(&w.h, &said))
				assert_true(said.epoch > released || said.word == HOLDING_DROP ||
					    said.word == HOLDING_STOP);
			if (w.h.n_slots > 0)
				seen[w.h.slots[0].state]++;
			if (rng_below(&r, 8) == 0)
				teller_step(&w, &(struct holding_in){.type = HOLDING_IN_ARM});
			teller_tick(&w, w.now_ms);
		}
		teller_done(&w);
	}
	for (int i = 0; i < HOLDING_STATE_MAX; i++)
		assert_true(seen[i] > 50);
}

static void test_the_last_slot(void **state)
{
	static struct holding_own own[MSG_LEASES_MAX + 1];
	struct holding_in in = {
		.type = HOLDING_IN_CHOSEN, .key = story_key("web"), .own = own, .n_own = 1, .next_epoch = 9};
	struct teller w;

	(void)state;
	for (uint32_t i = 0; i <= MSG_LEASES_MAX; i++)
		own[i] = (struct holding_own){.slot = i, .epoch = 3};
	teller_setup(&w, false);
	w.quiet = true;
	teller_number(&w, 5000);
	w.mem.fail_in = 1;
	teller_step(&w, &in);
	assert_int_equal(w.rc, -ENOMEM);
	w.mem.fail_in = 2; /* it is in the table, and not yet in the lease */
	teller_step(&w, &in);
	assert_int_equal(w.rc, 0);
	assert_int_equal(holding_deadline_ms(&w.h), HOLDING_AGAIN_MS);
	teller_tick(&w, HOLDING_AGAIN_MS);
	assert_int_equal(w.outs.msg.n_leases, 1);
	in.n_own = MSG_LEASES_MAX + 1;
	teller_step(&w, &in);
	assert_int_equal(w.rc, -ENOSPC);
	teller_tick(&w, HOLDING_AGAIN_MS + 1);
	assert_int_equal(w.outs.msg.n_leases, MSG_LEASES_MAX);
	teller_done(&w);
}

/* A planned stop waits until all that runs may do so for long. */
static void test_a_long_renewal(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	w.quiet = true;
	assert_int_equal(holding_least_ms(&w.h), DEADLINE_NEVER);
	teller_chosen(&w, "0/4", 5);
	teller_step(&w, &(struct holding_in){.type = HOLDING_IN_LONG, .tf_ms = 90000});
	assert_int_equal(w.outs.n_to, 0); /* no number is on disk */
	teller_number(&w, 4103);
	assert_int_equal(w.outs.n_to, 3);
	assert_int_equal(w.outs.msg.tf_ms, MSG_TF_MAX_MS);
	assert_int_equal(holding_least_ms(&w.h), 0);
	teller_grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	assert_int_equal(holding_least_ms(&w.h), MSG_TF_MAX_MS);
	w.now_ms = 100;
	teller_step(&w, &(struct holding_in){.type = HOLDING_IN_RESUMED}); /* at once, and not for long */
	assert_int_equal(w.outs.n_to, 3);
	assert_int_equal(w.outs.msg.tf_ms, teller_times.tf_ms);
	teller_done(&w);
}

/* Who knows the leases is told their sum; who has forgotten them gets them at once. */
static void test_by_their_sum(void **state)
{
	const struct msg_lease l = {.key = story_key("web"), .slot = 0, .epoch = 4};
	struct msg m = {
		.type = MSG_GRANT, .from = story_node('b'), .cfg.epoch = 1, .number = 8, .set = msg_leases_sum(&l, 1)};
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	w.quiet = true;
	teller_begin(&w, "0/4", 5);
	w.quiet = true;
	teller_step(&w, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = &m});
	teller_tick(&w, 700);
	assert_int_equal(w.outs.n_to, 3);
	assert_int_equal(w.outs.brief, 2);
	assert_int_equal(lease_msg(&w.outs.msg, w.outs.brief, 0).n_leases, 1);
	m = lease_msg(&w.outs.msg, w.outs.brief, 1);
	assert_true(m.n_leases == 0 && m.set == msg_leases_sum(&l, 1) && m.number == 9);
	assert_true(holding_deadline_ms(&w.h) > 700);
	m = (struct msg){.type = MSG_REFUSED, .from = story_node('b'), .why = MSG_WHY_SET, .cfg.epoch = 1, .number = 9};
	teller_step(&w, &(struct holding_in){.type = HOLDING_IN_MSG, .msg = &m});
	assert_true(holding_deadline_ms(&w.h) <= 700);
	teller_tick(&w, 700);
	assert_true(w.outs.n_to == 3 && w.outs.brief == 0 && w.outs.msg.n_leases == 1);
	teller_done(&w);
}

static void test_what_a_value_gives_a_node(void **state)
{
	const struct sched_node self = {1, 2}, other = {1, 3};
	struct sched_slot slots[] = {
		{.number = 0, .state = SCHED_RUN, .leased = true, .node = self, .epoch = 4},
		{.number = 1, .state = SCHED_RUN, .leased = true, .node = other, .epoch = 5},
		{.number = 2, .state = SCHED_RUN, .node = self, .epoch = 6},
		{.number = 3, .state = SCHED_PENDING, .leased = true, .last = self},
		{.number = 4, .state = SCHED_STOP, .leased = true, .node = self, .epoch = 7},
	};
	const struct sched_value v = {.slots = slots, .n_slots = ARRAY_LEN(slots)};
	struct holding_own own[4];

	(void)state;
	assert_int_equal(holding_own(&v, self, own, 4), 2);
	assert_true(own[0].slot == 0 && own[0].epoch == 4 && !own[0].stop);
	assert_true(own[1].slot == 4 && own[1].epoch == 7 && own[1].stop);
	assert_int_equal(holding_own(&v, self, own, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_input_at_each_state),
		cmocka_unit_test(test_the_last_slot),
		cmocka_unit_test(test_a_long_renewal),
		cmocka_unit_test(test_by_their_sum),
		cmocka_unit_test(test_what_a_value_gives_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
