/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new daemon meets shims in the middle of a change of their agent: what runs goes on with the definition that it was
 * started with, where that is known; what was started with any other is left in peace until it is replaced.
 */
#include "tests/lib/roster_bed.h"

static void test_of_the_newest(void **state)
{
	struct roster_bed *b = *state;
	const struct runner *r;

	roster_bed_define(b, "/bin/old", 1);
	roster_bed_define(b, "/bin/new", 2);
	r = roster_bed_meet(b, "/bin/new", 1, 0);
	assert_ptr_equal(r->spec, b->a->spec);
	assert_int_equal(r->core.liveness.probe->port, 2);
	assert_true(runner_is_current(r));
}

static void test_of_the_one_that_was_replaced(void **state)
{
	struct roster_bed *b = *state;
	const struct runner *r;

	roster_bed_define(b, "/bin/old", 1);
	roster_bed_define(b, "/bin/new", 2);
	r = roster_bed_meet(b, "/bin/old", 1, 0);
	assert_ptr_equal(r->spec, b->a->before);
	assert_int_equal(r->core.liveness.probe->port, 1);
	assert_true(replica_deadline_ms(&r->core) != DEADLINE_NEVER);
	assert_false(runner_is_current(r));
}

static void test_of_one_that_nobody_knows_any_more(void **state)
{
	struct roster_bed *b = *state;
	struct runner *r;

	roster_bed_define(b, "/bin/old", 1);
	roster_bed_define(b, "/bin/new", 2);
	r = roster_bed_meet(b, "/bin/older", 1, 0);
	assert_int_equal(replica_deadline_ms(&r->core), DEADLINE_NEVER);
	assert_int_equal(replica_health(&r->core), HEALTH_UNKNOWN);
	assert_true(replica_is_ready(&r->core)); /* or a change would take all of them down at once */
	assert_true(r->ready_since_ms > 0);
	assert_false(runner_is_current(r));
	roster_bed_define(b, "/bin/older", 3); /* somebody goes back to it */
	assert_true(runner_is_current(r));
	runner_take_spec(r, b->a->spec);
	assert_int_equal(r->core.liveness.probe->port, 3);
	assert_true(replica_deadline_ms(&r->core) != DEADLINE_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_of_the_newest, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(test_of_the_one_that_was_replaced, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(
			test_of_one_that_nobody_knows_any_more, roster_bed_open, roster_bed_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
