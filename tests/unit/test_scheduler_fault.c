/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/sched_fault: a value in which one thing is wrong is told by that thing, and no other.
 */
#include "scheduler/sched.h"

#include <string.h>

#include "tests/lib/test.h"

static const struct sched_spec spec;
static struct sched_slot slots[3];
static struct sched_held held[1];
static struct sched_value v;

/* Slot 0 is pending, 4 moves, 5 runs under a lease. */
static void make_good(void)
{
	sched_init(&v, slots, 3, held, 1);
	v.number = 9;
	v.now = (struct sched_def){.version = 4, .spec = &spec};
	v.before = (struct sched_def){.version = 3, .spec = &spec};
	v.next_version = 5;
	v.next_epoch = 20;
	v.desired = 3;
	v.n_slots = 3;
	slots[0] = (struct sched_slot){.version = 4, .last = {1, 1}};
	slots[1] = (struct sched_slot){.number = 4,
		.version = 4,
		.state = SCHED_RUN,
		.node = {1, 2},
		.epoch = 19,
		.from = {1, 1},
		.from_epoch = 18,
		.decision = 9};
	slots[2] = (struct sched_slot){
		.number = 5, .version = 3, .state = SCHED_RUN, .leased = true, .node = {1, 2}, .epoch = 7};
	v.n_held = 1;
	held[0] = (struct sched_held){.number = SCHED_ANY_SLOT, .node = {2, 2}, .epoch = 19, .decision = 9};
	v.n_decisions = 2;
	v.decisions[0] = (struct sched_decision){.number = 8, .n_steps = 1};
	v.decisions[1] = (struct sched_decision){.number = 9, .n_steps = 12};
	sched_add_op(&v, "op");
}

#define FAULT(text, ...)                                                      \
	do {                                                                  \
		make_good();                                                  \
		__VA_ARGS__;                                                  \
		if (!sched_fault(&v) || strcmp(sched_fault(&v), (text)) != 0) \
			fail_msg("%s: %s", #__VA_ARGS__, sched_fault(&v));    \
	} while (0)

static void test_good(void **state)
{
	(void)state;
	make_good();
	assert_null(sched_fault(&v));
	sched_check(&v);
	sched_init(&v, NULL, 0, NULL, 0);
	assert_null(sched_fault(&v));
	sched_check(&v);
}

static void test_numbers(void **state)
{
	(void)state;
	FAULT("a number that nobody counts to", v.next_version = 0);
	FAULT("a number that nobody counts to", v.next_version = SCHED_VERSION_MAX + 1);
	FAULT("a number that nobody counts to", v.next_epoch = 0);
	FAULT("a number that nobody counts to", v.next_epoch = SCHED_COUNT_MAX + 1);
	FAULT("a number that nobody counts to", v.number = SCHED_COUNT_MAX + 1);
	FAULT("a definition of a version that there never was", v.now.version = 5);
	FAULT("a definition of a version that there never was", v.before.version = 5);
	FAULT("two definitions of one version", v.before.version = 4);
	FAULT("more replicas are desired than there may be", v.desired = -1);
	FAULT("more replicas are desired than there may be", v.desired = SCHED_SLOTS_MAX + 1);
	FAULT("an agent without a definition", v.now.version = 0);
}

static void test_slots(void **state)
{
	(void)state;
	FAULT("more slots than there may be", v.n_slots = 4);
	FAULT("the slots are not in the order of their numbers", slots[2].number = 4);
	FAULT("a slot of a removed agent does not stop", v.removed = true);
	FAULT("a slot is in no state that there is", slots[0].state = SCHED_SLOT_STATE_MAX);
	FAULT("a slot is in no state that there is", slots[0].why = SCHED_WHY_MAX);
	FAULT("a slot has a number that none may have", slots[2].number = SCHED_SLOTS_MAX);
	FAULT("a slot is to run a version that there never was", slots[1].version = 5);
	FAULT("a slot was assigned by a decision that there never was", slots[1].decision = 10);
	FAULT("a pending slot has an owner", slots[0].node.lo = 1);
	FAULT("a pending slot has an owner", slots[0].from.lo = 1);
	FAULT("a pending slot has an owner", slots[0].epoch = 1);
	FAULT("a slot that is not pending has no owner", slots[2].node = (struct sched_node){0});
	FAULT("a slot has an epoch that was never given", slots[2].epoch = 0);
	FAULT("a slot has an epoch that was never given", slots[2].epoch = 20);
	FAULT("a slot with an owner remembers the last one", slots[2].last.hi = 1);
	FAULT("a slot that is under a lease, or stops, has two owners", slots[1].leased = true);
	FAULT("a slot that is under a lease, or stops, has two owners", slots[1].state = SCHED_STOP);
	FAULT("the earlier owner of a slot has no earlier epoch", slots[1].from_epoch = 0);
	FAULT("the earlier owner of a slot has no earlier epoch", slots[1].from_epoch = 19);
	FAULT("a slot moves to where it is", slots[1].from = slots[1].node);
	for (size_t i = 0; i < 3; i++) {
		FAULT("a slot reserves what no host has", slots[i].reserve.cpu_milli = -1);
		FAULT("a slot reserves what no host has", slots[i].reserve.memory_bytes = SCHED_RESERVE_MAX + 1);
	}
}

static void test_earlier_owners(void **state)
{
	(void)state;
	FAULT("more earlier owners than there may be", v.n_held = 2);
	FAULT("an earlier owner is nobody", held[0].node = (struct sched_node){0});
	FAULT("an earlier owner of a slot that none may be", held[0].number = SCHED_SLOTS_MAX);
	FAULT("an earlier owner has an epoch that was never given", held[0].epoch = 20);
	FAULT("an earlier owner lost its slot by a decision that there never was", held[0].decision = 10);
}

static void test_changes_and_pauses(void **state)
{
	(void)state;
	FAULT("a change is in no state that there is", v.rollout.state = SCHED_ROLLOUT_STATE_MAX);
	FAULT("a change is of a version that there never was", v.rollout.from = 5);
	FAULT("a change is of a version that there never was", v.rollout.to = 5);
	FAULT("a change came on by a decision that there never was", v.rollout.progress = 10);
	FAULT("a pause began with a decision that there never was, or has no length", v.cooldowns[2].decision = 10);
	FAULT("a pause began with a decision that there never was, or has no length", v.cooldowns[0].length_ms = -1);
}

static void test_decisions_and_operations(void **state)
{
	(void)state;
	FAULT("more decisions than are kept", v.n_decisions = SCHED_DECISIONS_MAX + 1);
	FAULT("the decisions are not the last ones", v.decisions[0].number = 7);
	FAULT("the decisions are not the last ones", v.number = 10);
	FAULT("a decision is of no kind that there is", v.decisions[1].event = SCHED_EVENT_MAX);
	FAULT("a decision is of no kind that there is", v.decisions[1].rollout = SCHED_ROLLOUT_STATE_MAX);
	FAULT("a decision is of no kind that there is", v.decisions[1].rollout_was = SCHED_ROLLOUT_STATE_MAX);
	FAULT("a decision has a number that none may have", v.decisions[1].desired = -1);
	FAULT("a decision has a number that none may have", v.decisions[1].desired_was = SCHED_SLOTS_MAX + 1);
	FAULT("a decision has a number that none may have", v.decisions[1].ballot = SCHED_COUNT_MAX + 1);
	FAULT("a decision's text has no end", memset(v.decisions[0].text, 'x', SCHED_TEXT_MAX));
	FAULT("a decision has a step of no kind that there is", v.decisions[0].steps[0].type = SCHED_STEP_MAX);
	FAULT("a decision has a step of no kind that there is", v.decisions[1].steps[7].why = SCHED_WHY_MAX);
	FAULT("more operations than are remembered", v.n_ops = SCHED_OPS_MAX + 1);
	FAULT("an operation without an id, or with a longer one than may be", v.ops[0][0] = '\0');
	FAULT("an operation without an id, or with a longer one than may be", memset(v.ops[0], 'x', sizeof(v.ops[0])));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_earlier_owners),
		cmocka_unit_test(test_changes_and_pauses),
		cmocka_unit_test(test_decisions_and_operations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
