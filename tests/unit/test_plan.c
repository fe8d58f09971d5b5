/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/plan: what is wanted and what is there, and the moves that follow. Random walks over whole agents are in
 * test_plan_walk.c.
 */
#include "supervisor/plan.h"

#include <string.h>

#include "tests/lib/trace.h"

/*
 * A view written as a line: one word a slot. P pending, S starting, R running, B backoff, X stopping, O stopped, F
 * failed, . none there; then w wanted, r ready (since 0), o outdated, h held; a assigned, z … to rest, e what is there
 * is of another epoch.
 */
static size_t slots_of(const char *line, struct plan_slot *v)
{
	static const char states[] = "PSRBXOF";
	size_t n = 0;

	for (const char *p = line; *p; n++) {
		struct plan_slot *s = &v[n];

		*s = (struct plan_slot){.slot = (int)n, .exists = *p != '.', .current = true};
		if (s->exists) {
			assert_non_null(strchr(states, *p));
			s->state = (enum replica_state)(strchr(states, *p) - states);
		}
		for (p++; *p && *p != ' '; p++) {
			s->wanted |= *p == 'w';
			s->ready |= *p == 'r';
			s->current &= *p != 'o';
			s->held |= *p == 'h';
			s->assigned |= *p == 'a' || *p == 'z';
			s->rests |= *p == 'z';
			s->other_epoch |= *p == 'e';
		}
		p += *p == ' ';
	}
	return n;
}

static struct agent_spec spec;
static struct plan_slot slots[64];

static struct plan_view view_of(const char *line, int64_t desired)
{
	spec = (struct agent_spec){.name = "web"};
	return (struct plan_view){.desired = desired,
		.deps_ready = true,
		.spec = &spec,
		.slots = slots,
		.n_slots = slots_of(line, slots)};
}

/* "create 0, run 0" and what else the answer says, at `now`. */
typedef void planner(const struct plan_view *view, struct now now, struct plan_moves *ret);

static const char *moves_of(planner *fn, const struct plan_view *view, int64_t now_ms, size_t cap)
{
	static const char *const names[] = {[PLAN_CREATE] = "create",
		[PLAN_RUN] = "run",
		[PLAN_STOP] = "stop",
		[PLAN_REPLACE] = "replace",
		[PLAN_FORGET] = "forget"};
	static struct trace t;
	struct plan_move v[64];
	struct plan_moves ret = {.n = 7, .more = true, .cap = cap, .v = v}; /* of the call before */

	_Static_assert(ARRAY_LEN(names) == PLAN_MOVE_MAX, "a name for each move");
	t.n = 0;
	t.v[0] = '\0';
	fn(view, (struct now){.mono_ms = now_ms}, &ret);
	for (size_t i = 0; i < ret.n; i++) {
		assert_non_null(v[i].why);
		trace_add(&t, "%s%s %d", i ? ", " : "", names[v[i].type], v[i].slot);
	}
	if (ret.more)
		trace_add(&t, ", more");
	if (ret.again_ms != DEADLINE_NEVER)
		trace_add(&t, ", again at %" PRId64, ret.again_ms);
	return t.v;
}

static const char *moves_at(const struct plan_view *view, int64_t now_ms, size_t cap)
{
	return moves_of(plan_agent, view, now_ms, cap);
}

static const char *moves(const struct plan_view *view)
{
	return moves_at(view, 1000, ARRAY_LEN(slots));
}

/* Of a cluster: the desired number is not asked. */
static const char *assigned(const char *line)
{
	struct plan_view v = view_of(line, 0);

	return moves_of(plan_assigned, &v, 1000, ARRAY_LEN(slots));
}

static void test_made_and_run(void **state)
{
	struct plan_view v = view_of("", 2);

	(void)state;
	assert_string_equal(moves(&v), "create 0, run 0, create 1, run 1");
	v = view_of("Pw P Swr Rwr Bw Xw Fw Ow", 8);
	assert_string_equal(moves(&v), "run 1");
	v = view_of("O X", 2);
	assert_string_equal(moves(&v), "run 0, run 1");
	v = view_of(". Rw .", 4);
	assert_string_equal(moves(&v), "create 0, run 0, create 2, run 2, create 3, run 3");
	v = view_of("", 0);
	assert_string_equal(moves(&v), "");
}

static void test_starts_wait_for_what_they_depend_on(void **state)
{
	struct plan_view v = view_of("P Rw O", 4);

	(void)state;
	v.deps_ready = false;
	assert_string_equal(moves(&v), "create 3");
}

static void test_scaled_down(void **state)
{
	struct plan_view v = view_of("Rwr Rwr Sw X Ow F P .", 1);

	(void)state;
	assert_string_equal(moves(&v), "stop 1, stop 2, forget 4, forget 5, forget 6");
	v = view_of("Rwr Bw Xw", 1);
	assert_string_equal(moves(&v), "stop 1, stop 2");
}

static void test_removed(void **state)
{
	struct plan_view v = view_of("Rwr X O Bw Rwro", 5);

	(void)state;
	v.removed = true;
	v.stopped = true;
	assert_string_equal(moves(&v), "stop 0, forget 2, stop 3, stop 4");
}

static void test_stopped_rests_and_is_seen(void **state)
{
	struct plan_view v = view_of("Rwr X O P Fw Ow Rwro", 8);

	(void)state;
	v.stopped = true;
	assert_string_equal(moves(&v), "stop 0, stop 3, stop 4, stop 5, stop 6, create 7, stop 7");
}

static void test_a_held_replica_rests_alone(void **state)
{
	struct plan_view v = view_of("Rwr Rwrh Oh P", 4);

	(void)state;
	assert_string_equal(moves(&v), "stop 1, run 3");
}

static void test_rolls_one_by_one(void **state)
{
	struct plan_view v = view_of("Rwro Rwro Rwro", 3);

	(void)state;
	assert_string_equal(moves(&v), "replace 0");
	v = view_of("Xw Rwro Rwro", 3);
	assert_string_equal(moves(&v), "");
	v = view_of("Sw Rwro Rwro", 3);
	assert_string_equal(moves(&v), "");
	v = view_of("Rw Rwro Rwro", 3);
	assert_string_equal(moves(&v), "");
	v = view_of("Rwr Rwro Rwro", 3);
	assert_string_equal(moves(&v), "replace 1");
	v = view_of("Rwr Rwr Rwro", 3);
	assert_string_equal(moves(&v), "replace 2");
	v = view_of("Rwr Rwr Rwr", 3);
	assert_string_equal(moves(&v), "");
	v = view_of("Rwro Rwro X", 2); /* one that leaves is not missed */
	assert_string_equal(moves(&v), "replace 0");
}

static void test_the_next_only_after_min_healthy(void **state)
{
	struct plan_view v = view_of("Rwr Rwro Rwro", 3);

	(void)state;
	spec.update.min_healthy_ms = 500;
	slots[0].ready_since_ms = 600;
	assert_string_equal(moves(&v), ", again at 1100");
	assert_string_equal(moves_at(&v, 1099, 64), ", again at 1100");
	assert_string_equal(moves_at(&v, 1100, 64), "replace 1");
	slots[1].current = slots[2].current = true;
	assert_string_equal(moves(&v), "");
	slots[1].current = false;
	slots[1].ready_since_ms = 999; /* an old one that has just come serves as well */
	slots[0].ready_since_ms = 500;
	assert_string_equal(moves(&v), "replace 1");
}

static void test_unavailable_is_how_many_may_be_down(void **state)
{
	struct plan_view v = view_of("Rwro Rwro Rwro Rwro Rwro", 5);

	(void)state;
	spec.update.unavailable = (struct spec_share){.n = 2};
	assert_string_equal(moves(&v), "replace 0, replace 1");
	spec.update.unavailable = (struct spec_share){.is_percent = true, .n = 79};
	assert_string_equal(moves(&v), "replace 0, replace 1, replace 2");
	spec.update.unavailable = (struct spec_share){.is_percent = true, .n = 19};
	assert_string_equal(moves(&v), "replace 0");
	spec.update.unavailable = (struct spec_share){.n = 0};
	assert_string_equal(moves(&v), "replace 0");
	v = view_of("Rwro Rwro P Rwro Rwro", 5);
	spec.update.unavailable = (struct spec_share){.n = 2};
	v.deps_ready = false;
	assert_string_equal(moves(&v), "replace 0");
	v = view_of("Rwro Rwro", 4);
	spec.update.unavailable = (struct spec_share){.n = 3};
	v.deps_ready = false;
	assert_string_equal(moves(&v), "create 2, create 3, replace 0");
}

static void test_what_is_down_anyway_is_replaced_at_once(void **state)
{
	struct plan_view v = view_of("Bwo Fwo Rwro Swo Rwo", 5);

	(void)state;
	assert_string_equal(moves(&v), "replace 0, replace 1, replace 3, replace 4");
}

static void test_a_new_definition_that_fails_stops_the_change(void **state)
{
	struct plan_view v = view_of("Fw Rwro Rwro", 3);

	(void)state;
	assert_string_equal(moves(&v), "");
	v = view_of("Fwo Rwro Rwro", 3); /* yet another definition */
	assert_string_equal(moves(&v), "replace 0");
}

static void test_done_ones_are_not_missed(void **state)
{
	struct plan_view v = view_of("Ow Rwro Rwro", 3);

	(void)state;
	assert_string_equal(moves(&v), "replace 1");
	v = view_of("Owo Rwro", 2);
	assert_string_equal(moves(&v), "replace 0, replace 1");
}

static void test_held_ones_do_not_hold_up_a_change(void **state)
{
	struct plan_view v = view_of("Oh Rwro Rwro", 3);

	(void)state;
	assert_string_equal(moves(&v), "replace 1");
	v = view_of("Xwoh Rwro", 2);
	assert_string_equal(moves(&v), "stop 0, replace 1");
}

static void test_paused_only_rolls_no_further(void **state)
{
	struct plan_view v = view_of("Rwr Rwro Bwo", 4);

	(void)state;
	v.paused = true;
	assert_string_equal(moves(&v), "create 3, run 3");
}

static void test_more_than_fit_come_at_the_next_call(void **state)
{
	struct plan_view v = view_of("", 3);

	(void)state;
	assert_string_equal(moves_at(&v, 0, 6), "create 0, run 0, create 1, run 1, create 2, run 2");
	assert_string_equal(moves_at(&v, 0, 5), "create 0, run 0, create 1, run 1, create 2, more");
	v = view_of("Bwo Bwo", 2);
	assert_string_equal(moves_at(&v, 0, 1), "replace 0, more");
	assert_string_equal(moves_at(&v, 0, 0), ", more");
}

static void test_assigned_slots_alone_run(void **state)
{
	struct plan_view v;

	(void)state;
	assert_string_equal(assigned(".a . .a"), "create 0, run 0, create 2, run 2");
	assert_string_equal(assigned("Rwra . Rwr"), "stop 2");
	assert_string_equal(assigned("O F P X Bw"), "forget 0, forget 1, forget 2, stop 4");
	assert_string_equal(assigned("Fwa Owa"), ""); /* given up, done */
	v = view_of("Pa Rwa", 0);
	v.deps_ready = false;
	assert_string_equal(moves_of(plan_assigned, &v, 0, 4), "");
	v = view_of(".a .a", 0);
	assert_string_equal(moves_of(plan_assigned, &v, 0, 3), "create 0, run 0, create 1, more");
}

/* What may be down at one time was decided already. */
static void test_assigned_ones_change_at_once(void **state)
{
	(void)state;
	assert_string_equal(assigned("Rwroa Rwroa Bwoa"), "replace 0, replace 1, replace 2");
	assert_string_equal(assigned("Rwrz .z Oz"), "stop 0, create 1, stop 1");
	assert_string_equal(assigned("Rwrha"), "stop 0");
}

/* The old run ends first; the replica that is left takes the new epoch. */
static void test_another_epoch_stops_first(void **state)
{
	(void)state;
	assert_string_equal(assigned("Rwrae Xae"), "stop 0");
	assert_string_equal(assigned("Oa"), "run 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_and_run),
		cmocka_unit_test(test_starts_wait_for_what_they_depend_on),
		cmocka_unit_test(test_scaled_down),
		cmocka_unit_test(test_removed),
		cmocka_unit_test(test_stopped_rests_and_is_seen),
		cmocka_unit_test(test_a_held_replica_rests_alone),
		cmocka_unit_test(test_rolls_one_by_one),
		cmocka_unit_test(test_the_next_only_after_min_healthy),
		cmocka_unit_test(test_unavailable_is_how_many_may_be_down),
		cmocka_unit_test(test_what_is_down_anyway_is_replaced_at_once),
		cmocka_unit_test(test_a_new_definition_that_fails_stops_the_change),
		cmocka_unit_test(test_done_ones_are_not_missed),
		cmocka_unit_test(test_held_ones_do_not_hold_up_a_change),
		cmocka_unit_test(test_paused_only_rolls_no_further),
		cmocka_unit_test(test_more_than_fit_come_at_the_next_call),
		cmocka_unit_test(test_assigned_slots_alone_run),
		cmocka_unit_test(test_assigned_ones_change_at_once),
		cmocka_unit_test(test_another_epoch_stops_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
