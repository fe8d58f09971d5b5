/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/decide: a definition changes: one after the other, with as many beside as surge allows and as few down as
 * unavailable does; what never gets ready goes back by itself; people pause, resume and undo.
 */
#include "tests/lib/sched_bed.h"

#define SPEC                                                                                       \
	.failover_grace_ms = 60000, .timeout_ms = 20000, .rollback = true, .min_healthy_ms = 1000, \
	.reserve = {.cpu_milli = 1000, .memory_bytes = INT64_C(1) << 30}

static const struct sched_expr zone_a = {.label = "zone", .value = "a", .equal = true};
static const struct sched_spec surging = {SPEC, .surge = {.is_percent = true, .n = 25}};
static const struct sched_spec sparing = {SPEC, .unavailable = {.n = 2}};
static const struct sched_spec leased = {SPEC, .leased = true, .surge = {.n = 3}};
static const struct sched_spec in_zone = {SPEC, .surge = {.n = 1}, .require = &zone_a, .n_require = 1};
static const struct sched_spec no_rollback = {.timeout_ms = 20000, .unavailable = {.n = 1}};
static struct trace trace;
static struct bed bed;

static struct bed *running(const struct sched_spec *spec, int64_t desired, size_t n)
{
	bed_init(&bed, "web");
	for (size_t i = 0; i < n; i++)
		(void)bed_host(&bed, i % 2 ? "b" : "a");
	assert_true(bed_apply(&bed, spec, desired));
	bed_wait(&bed, 5000);
	bed.now.mono_ms = 0;
	for (size_t i = 0; i < bed.n_runs; i++)
		bed.runs[i].ready_at_ms = -60000;
	for (size_t i = 0; i < n; i++)
		bed.since_ms[i] = 0;
	assert_int_equal(bed_serving(&bed), desired);
	trace.was[0] = '\0';
	trace.n = 0;
	bed.trace = &trace;
	return &bed;
}

/* As bed_wait; at no time fewer serve. */
static void wait_with(struct bed *b, int64_t ms, int64_t at_least)
{
	for (int64_t i = 0; i < ms; i += BED_TICK_MS) {
		bed_wait(b, BED_TICK_MS);
		assert_true(bed_serving(b) >= at_least);
	}
}

static void test_with_surge_nothing_is_down(void **state)
{
	struct bed *b = running(&surging, 3, 3);

	(void)state;
	assert_true(bed_apply(b, &surging, -1));
	wait_with(b, 20000, 3);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 3 alive)\n"
		"         -> slot 3 goes to n3, epoch 4: its definition has changed\n"
		"         = #2 v2 ×3 [1→2 running] 0:n2@1v1 1:n1@2v1 2:n3@3v1 +3:n3@4v2\n"
		"[  2500] decision 3 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 0 changes to version 2 on n2: its definition has changed\n"
		"         = #3 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v1 2:n3@3v1 +3:n3@4v2\n"
		"[  5000] decision 4 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed\n"
		"         = #4 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n3@3v1 +3:n3@4v2\n"
		"[  7500] decision 5 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 2 changes to version 2 on n3: its definition has changed\n"
		"         = #5 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n3@3v2 +3:n3@4v2\n"
		"[ 10000] decision 6 by n2: what is known has changed; version 2 runs everywhere (known: 3 alive)\n"
		"         -> slot 3 is gone: its definition has changed\n"
		"         = #6 v2 ×3 0:n2@1v2 1:n1@2v2 2:n3@3v2 held n3.3@4\n");
	assert_int_equal(b->n_runs, 3);
}

static void test_without_surge_two_at_a_time(void **state)
{
	struct bed *b = running(&sparing, 3, 3);

	(void)state;
	assert_true(bed_apply(b, &sparing, -1));
	wait_with(b, 20000, 1);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 3 alive)\n"
		"         -> slot 0 changes to version 2 on n2: its definition has changed\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed\n"
		"         = #2 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n3@3v1\n"
		"[  2500] decision 3 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 2 changes to version 2 on n3: its definition has changed\n"
		"         = #3 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n3@3v2\n"
		"[  5000] decision 4 by n2: what is known has changed; version 2 runs everywhere (known: 3 alive)\n"
		"         = #4 v2 ×3 0:n2@1v2 1:n1@2v2 2:n3@3v2\n");
}

static void test_leases_stop_first_and_keep_their_epochs(void **state)
{
	struct bed *b = running(&leased, 2, 3);

	(void)state;
	assert_true(bed_apply(b, &leased, -1));
	wait_with(b, 20000, 1);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 3 alive)\n"
		"         -> slot 0 changes to version 2 on n2: its definition has changed; under a lease it stops "
		"before it starts again, surge counts as 0\n"
		"         = #2 v2 ×2 [1→2 running] 0:n2@1v2L 1:n1@2v1L\n"
		"[  2500] decision 3 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed; under a lease it stops "
		"before it starts again, surge counts as 0\n"
		"         = #3 v2 ×2 [1→2 running] 0:n2@1v2L 1:n1@2v2L\n"
		"[  5000] decision 4 by n2: what is known has changed; version 2 runs everywhere (known: 3 alive)\n"
		"         = #4 v2 ×2 0:n2@1v2L 1:n1@2v2L\n");
}

static void test_what_never_gets_ready_goes_back(void **state)
{
	struct bed *b = running(&surging, 2, 2);

	(void)state;
	b->broken = 2;
	assert_true(bed_apply(b, &surging, -1));
	wait_with(b, 60000, 2);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 2 alive)\n"
		"         -> slot 2 goes to n1, epoch 3: its definition has changed\n"
		"         = #2 v2 ×2 [1→2 running] 0:n2@1v1 1:n1@2v1 +2:n1@3v2\n"
		"[ 20000] decision 3 by n2: what is known has changed; version 2 goes back to version 1; it got no "
		"further for 20s (known: 2 alive)\n"
		"         -> slot 2 is gone: its definition has changed\n"
		"         = #3 v1 ×2 [2→1 rolled back] 0:n2@1v1 1:n1@2v1 held n1.2@3\n");
	assert_true(bed_apply(b, &surging, -1)); /* the next is the third, and what it goes back to is the first */
	assert_int_equal(b->value->now.version, 3);
	assert_int_equal(b->value->before.version, 1);
}

static void test_not_to_go_back_it_stays(void **state)
{
	struct bed *b = running(&no_rollback, 2, 2);

	(void)state;
	b->broken = 2;
	assert_true(bed_apply(b, &no_rollback, -1));
	wait_with(b, 60000, 1);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 2 alive)\n"
		"         -> slot 0 changes to version 2 on n2: its definition has changed\n"
		"         = #2 v2 ×2 [1→2 running] 0:n2@1v2 1:n1@2v1\n"
		"[ 20000] decision 3 by n2: what is known has changed; the change has failed; it got no further for "
		"20s, and is not to go back by itself (known: 2 alive)\n"
		"         = #3 v2 ×2 [1→2 failed] 0:n2@1v2 1:n1@2v1\n");
	b->broken = 0;
	b->runs[0].ready_at_ms = b->runs[1].ready_at_ms = b->now.mono_ms; /* now both get ready */
	assert_true(bed_do(b, SCHED_EVENT_RESUME));
	wait_with(b, 10000, 1);
	TRACE_IS(&trace,
		"[ 60000] decision 4 by n2: the change was resumed (known: 2 alive)\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed\n"
		"         = #4 v2 ×2 [1→2 running] 0:n2@1v2 1:n1@2v2\n"
		"[ 61500] decision 5 by n2: what is known has changed; version 2 runs everywhere (known: 2 alive)\n"
		"         = #5 v2 ×2 0:n2@1v2 1:n1@2v2\n");
}

static void test_paused_resumed_undone(void **state)
{
	struct bed *b = running(&sparing, 3, 3);

	(void)state;
	assert_true(bed_apply(b, &sparing, -1));
	bed_wait(b, 500);
	assert_true(bed_do(b, SCHED_EVENT_PAUSE));
	wait_with(b, 40000, 1); /* no time runs out meanwhile */
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 3 alive)\n"
		"         -> slot 0 changes to version 2 on n2: its definition has changed\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed\n"
		"         = #2 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n3@3v1\n"
		"[   500] decision 3 by n2: the change was paused (known: 3 alive)\n"
		"         = #3 v2 ×3 [1→2 paused] 0:n2@1v2 1:n1@2v2 2:n3@3v1\n");
	(void)bed_lose(b, 2); /* what it had not come to stays as it was, elsewhere */
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[ 40500] decision 4 by n2: n3 is dead (known: 2 alive, 1 dead)\n"
			 "         -> slot 2 moves from n3 to n1, epoch 4: n3 is dead, its host silent\n"
			 "         = #4 v2 ×3 [1→2 paused] 0:n2@1v2 1:n1@2v2 2:n1@4v1 held n3.2@3\n");
	assert_true(bed_do(b, SCHED_EVENT_RESUME));
	bed_wait(b, 500);
	assert_true(bed_do(b, SCHED_EVENT_UNDO));
	wait_with(b, 20000, 1);
	TRACE_IS(&trace, "[ 43500] decision 5 by n2: the change was resumed (known: 2 alive, 1 dead)\n"
			 "         -> slot 2 changes to version 2 on n1: its definition has changed\n"
			 "         = #5 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n1@4v2 held n3.2@3\n"
			 "[ 44000] decision 6 by n2: the change was undone; version 2 goes back to version 1 (known: 2 "
			 "alive, 1 dead)\n"
			 "         -> slot 0 changes to version 1 on n2: its definition has changed\n"
			 "         -> slot 2 changes to version 1 on n1: its definition has changed\n"
			 "         = #6 v1 ×3 [2→1 rolled back] 0:n2@1v1 1:n1@2v2 2:n1@4v1 held n3.2@3\n"
			 "[ 46500] decision 7 by n2: what is known has changed (known: 2 alive, 1 dead)\n"
			 "         -> slot 1 changes to version 1 on n1: its definition has changed\n"
			 "         = #7 v1 ×3 [2→1 rolled back] 0:n2@1v1 1:n1@2v1 2:n1@4v1 held n3.2@3\n");
}

static void test_another_zone_moves_what_is_elsewhere(void **state)
{
	struct bed *b = running(&surging, 2, 4);

	(void)state;
	assert_true(bed_apply(b, &in_zone, -1));
	wait_with(b, 20000, 2);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 4 alive)\n"
		"         -> slot 2 goes to n3, epoch 3: its definition has changed\n"
		"         = #2 v2 ×2 [1→2 running] 0:n2@1v1 1:n1@2v1 +2:n3@3v2\n"
		"[  2500] decision 3 by n2: what is known has changed (known: 4 alive)\n"
		"         -> slot 0 moves from n2 to n3, epoch 4: n2 is no node for the changed definition\n"
		"         = #3 v2 ×2 [1→2 running] 0:n3@4v2 1:n1@2v1 +2:n3@3v2 held n2.0@1\n"
		"[  5000] decision 4 by n2: what is known has changed (known: 4 alive)\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed\n"
		"         = #4 v2 ×2 [1→2 running] 0:n3@4v2 1:n1@2v2 +2:n3@3v2\n"
		"[  7500] decision 5 by n2: what is known has changed; version 2 runs everywhere (known: 4 alive)\n"
		"         -> slot 2 is gone: its definition has changed\n"
		"         = #5 v2 ×2 0:n3@4v2 1:n1@2v2 held n3.2@3\n");
}

static void test_from_keep_to_leases_and_back(void **state)
{
	struct bed *b = running(&surging, 2, 2);

	(void)state;
	b->stop_ms = 700;
	assert_true(bed_apply(b, &leased, -1));
	wait_with(b, 20000, 1);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 2 alive)\n"
		"         -> slot 0 stops on n2: whether it runs under a lease has changed\n"
		"         = #2 v2 ×2 [1→2 running] 0:stop n2@1v1 1:n1@2v1\n"
		"[  1500] decision 3 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 0 goes to n2, epoch 3: whether it runs under a lease has changed\n"
		"         = #3 v2 ×2 [1→2 running] 0:n2@3v2L 1:n1@2v1\n"
		"[  4000] decision 4 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 1 stops on n1: whether it runs under a lease has changed\n"
		"         = #4 v2 ×2 [1→2 running] 0:n2@3v2L 1:stop n1@2v1\n"
		"[  5500] decision 5 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 1 goes to n1, epoch 4: whether it runs under a lease has changed\n"
		"         = #5 v2 ×2 [1→2 running] 0:n2@3v2L 1:n1@4v2L\n"
		"[  8000] decision 6 by n2: what is known has changed; version 2 runs everywhere (known: 2 alive)\n"
		"         = #6 v2 ×2 0:n2@3v2L 1:n1@4v2L\n");
	assert_true(bed_apply(b, &surging, -1));
	wait_with(b, 20000, 1);
	TRACE_IS(&trace,
		"[ 20000] decision 7 by n2: a definition was applied; version 2 changes to version 3 (known: 2 alive)\n"
		"         -> slot 2 goes to n1, epoch 5: its definition has changed\n"
		"         = #7 v3 ×2 [2→3 running] 0:n2@3v2L 1:n1@4v2L +2:n1@5v3\n"
		"[ 22500] decision 8 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 0 stops on n2: whether it runs under a lease has changed; under a lease nobody runs "
		"it until it was released and has started elsewhere\n"
		"         = #8 v3 ×2 [2→3 running] 0:stop n2@3v2L 1:n1@4v2L +2:n1@5v3\n"
		"[ 24000] decision 9 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 0 goes to n2, epoch 6: whether it runs under a lease has changed\n"
		"         = #9 v3 ×2 [2→3 running] 0:n2@6v3 1:n1@4v2L +2:n1@5v3\n"
		"[ 26500] decision 10 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 1 stops on n1: whether it runs under a lease has changed; under a lease nobody runs "
		"it until it was released and has started elsewhere\n"
		"         = #10 v3 ×2 [2→3 running] 0:n2@6v3 1:stop n1@4v2L +2:n1@5v3\n"
		"[ 28000] decision 11 by n2: what is known has changed (known: 2 alive)\n"
		"         -> slot 1 goes to n1, epoch 7: whether it runs under a lease has changed\n"
		"         = #11 v3 ×2 [2→3 running] 0:n2@6v3 1:n1@7v3 +2:n1@5v3\n"
		"[ 30500] decision 12 by n2: what is known has changed; version 3 runs everywhere (known: 2 alive)\n"
		"         -> slot 2 is gone: its definition has changed\n"
		"         = #12 v3 ×2 0:n2@6v3 1:n1@7v3 held n1.2@5\n");
}

static void test_a_change_that_restarts_nothing(void **state)
{
	struct bed *b = running(&surging, 2, 2);

	(void)state;
	assert_true(bed_event(b,
		&(struct decide_event){.type = SCHED_EVENT_APPLY, .spec = &sparing, .desired = -1, .same_run = true}));
	for (size_t i = 0; i < b->n_runs; i++)
		b->runs[i].version = 2; /* hosts know that by the definition */
	wait_with(b, 3000, 2);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 2 alive)\n"
		"         = #2 v2 ×2 0:n2@1v2 1:n1@2v2\n");
}

/* The same definition, anew: as any change, in turn. */
static void test_a_restart_goes_one_by_one(void **state)
{
	struct bed *b = running(&surging, 3, 3);

	(void)state;
	assert_true(bed_do(b, SCHED_EVENT_RESTART));
	assert_int_equal(b->value->now.version, 2);
	assert_int_equal(b->value->fresh, 2);
	wait_with(b, 20000, 3);
	assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
	for (size_t i = 0; i < b->value->n_slots; i++)
		assert_int_equal(b->value->slots[i].version, 2);
	assert_true(bed_do(b, SCHED_EVENT_STOP));
	assert_false(bed_do(b, SCHED_EVENT_RESTART));
	assert_string_equal(b->out.refused.text, "web is stopped; 'covey start web' starts it");
}

static void test_a_change_over_a_change(void **state)
{
	struct bed *b = running(&sparing, 3, 3);

	(void)state;
	b->broken = 2;
	assert_true(bed_apply(b, &sparing, -1));
	wait_with(b, 3000, 1);
	assert_true(bed_apply(b, &sparing, -1)); /* the mended one */
	wait_with(b, 20000, 1);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: a definition was applied; version 1 changes to version 2 (known: 3 alive)\n"
		"         -> slot 0 changes to version 2 on n2: its definition has changed\n"
		"         -> slot 1 changes to version 2 on n1: its definition has changed\n"
		"         = #2 v2 ×3 [1→2 running] 0:n2@1v2 1:n1@2v2 2:n3@3v1\n"
		"[  3000] decision 3 by n2: a definition was applied; version 2 changes to version 3 (known: 3 alive)\n"
		"         -> slot 0 changes to version 3 on n2: its definition has changed\n"
		"         -> slot 1 changes to version 3 on n1: its definition has changed\n"
		"         = #3 v3 ×3 [1→3 running] 0:n2@1v3 1:n1@2v3 2:n3@3v1\n"
		"[  5500] decision 4 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 2 changes to version 3 on n3: its definition has changed\n"
		"         = #4 v3 ×3 [1→3 running] 0:n2@1v3 1:n1@2v3 2:n3@3v3\n"
		"[  8000] decision 5 by n2: what is known has changed; version 3 runs everywhere (known: 3 alive)\n"
		"         = #5 v3 ×3 0:n2@1v3 1:n1@2v3 2:n3@3v3\n");
}

/* Gone back from in the middle, and applied again under another number: what runs of it serves. */
static void test_the_same_again_in_the_middle(void **state)
{
	struct bed *b = running(&surging, 4, 4);

	(void)state;
	b->trace = NULL;
	assert_true(bed_apply(b, &surging, -1));
	wait_with(b, 6000, 4);
	assert_true(bed_do(b, SCHED_EVENT_UNDO));
	assert_true(bed_apply(b, &surging, -1));
	assert_int_equal(b->value->now.version, 3);
	b->alike = 2;
	b->as = 3;
	wait_with(b, 18000, 4); /* less than its timeout */
	assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
	for (size_t i = 0; i < b->value->n_slots; i++)
		assert_int_equal(b->value->slots[i].version, 3);
}

/* And gone back from again: what was left of the first time carries the load. */
static void test_twice_gone_back_from(void **state)
{
	struct bed *b = running(&surging, 1, 3);

	(void)state;
	b->trace = NULL;
	assert_true(bed_apply(b, &surging, -1));
	wait_with(b, 2000, 1);
	assert_true(bed_do(b, SCHED_EVENT_UNDO));
	assert_true(bed_apply(b, &surging, -1));
	b->alike = 2;
	b->as = 3;
	while (b->value->slots[0].version != 3 && b->now.mono_ms < 20000)
		bed_wait(b, BED_TICK_MS);
	bed_wait(b, 2000); /* it is ready, and not yet for long */
	assert_int_equal(b->value->n_slots, 2);
	assert_true(bed_do(b, SCHED_EVENT_UNDO));
	wait_with(b, 30000, 1);
	assert_int_equal(b->value->n_slots, 1);
	assert_int_equal(b->value->slots[0].version, 1);
}

/* Its host hears of a change when there is another one already: nobody has that definition any more. */
static void test_a_change_that_was_never_heard_of(void **state)
{
	struct bed *b = running(&leased, 3, 3);
	uint32_t number;

	(void)state;
	b->trace = NULL;
	assert_true(bed_apply(b, &leased, -1));
	for (number = 0; b->value->slots[number].version != 2; number++)
		assert_true(number < 2);
	assert_true(bed_apply(b, &leased, -1));
	wait_with(b, 18000, 2); /* less than its timeout */
	assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
	assert_int_equal(b->value->slots[number].version, 3);
}

static size_t host_of(const struct bed *b, struct sched_node id)
{
	size_t i = 0;

	while (i < b->n_hosts && !sched_same_node(b->hosts[i].id, id))
		i++;
	assert_true(i < b->n_hosts);
	return i;
}

/* Of the version that it moved as nobody has the definition any more, and where it moved to it had not begun. */
static void test_a_change_over_a_move_that_never_ended(void **state)
{
	static const enum sched_host_state ends[] = {SCHED_FORGOTTEN, SCHED_LEFT, SCHED_DEAD, SCHED_ALIVE};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		struct bed *b = running(&surging, 1, 4);
		struct sched_slot *s;
		size_t at, to;

		b->trace = NULL;
		assert_true(bed_apply(b, &surging, -1));
		bed_wait(b, 15000);
		assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
		at = host_of(b, b->value->slots[0].node);
		b->hosts[at].draining = true;
		assert_true(bed_do(b, SCHED_EVENT_TICK));
		s = &b->value->slots[0];
		assert_true(sched_is_node(s->from) && s->version == 2);
		to = host_of(b, s->node);
		b->down[to] = true;
		assert_true(bed_do(b, SCHED_EVENT_UNDO));
		assert_true(bed_apply(b, &surging, -1));
		assert_true(b->value->before.version == 1 && b->value->now.version == 3);
		b->hosts[at].draining = false;
		b->down[to] = ends[i] != SCHED_ALIVE; /* it comes back too late */
		if (b->down[to])
			(void)bed_state(b, to, ends[i], SCHED_EVENT_NODE_DEAD);
		wait_with(b, 18000, 1); /* less than its timeout */
		assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
		assert_int_equal(b->value->n_slots, 1);
		assert_int_equal(b->value->slots[0].version, 3);
	}
}

/* Nothing of it changes any more, so it stays of the version that it is of, also where its node tells of an older one
 * that runs the same.
 */
static void test_what_goes_back_keeps_its_version(void **state)
{
	struct bed *b = running(&surging, 1, 2);
	size_t at;

	(void)state;
	b->trace = NULL;
	assert_true(bed_apply(b, &surging, -1));
	bed_wait(b, 15000);
	assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
	assert_int_equal(b->value->slots[0].version, 2);
	b->alike = 2;
	b->as = 1;
	at = sched_same_node(b->value->slots[0].node, bed_id(0)) ? 0 : 1;
	b->hosts[at].draining = true;
	(void)bed_of(b, SCHED_EVENT_DRAIN, at);
	assert_true(sched_same_node(b->value->slots[0].from, bed_id(at)));
	(void)bed_lose(b, 1 - at);
	b->hosts[at].draining = false;
	(void)bed_of(b, SCHED_EVENT_UNDRAIN, at);
	bed_wait(b, 3000);
	assert_true(sched_same_node(b->value->slots[0].node, bed_id(at)));
	assert_false(sched_is_node(b->value->slots[0].from));
	assert_int_equal(b->value->slots[0].version, 2);
}

/* What was beside the others when leases came runs under one, too: nobody may take that away, so it stops first. */
static void test_one_beside_the_others_under_a_lease(void **state)
{
	struct bed *b = running(&surging, 1, 2);
	size_t at;

	(void)state;
	b->trace = NULL;
	assert_true(bed_apply(b, &surging, -1));
	assert_true(b->value->n_slots == 2 && b->value->slots[1].extra);
	at = host_of(b, b->value->slots[1].node);
	b->hosts[!at].draining = true; /* no room for it */
	b->down[at] = true;
	(void)bed_state(b, at, SCHED_FORGOTTEN, SCHED_EVENT_NODE_GONE);
	assert_int_equal(b->value->slots[1].state, SCHED_PENDING);
	b->hosts[!at].draining = false;
	b->trace = &trace;
	assert_true(bed_apply(b, &leased, -1));
	bed_wait(b, 5000);
	TRACE_IS(&trace,
		"[     0] decision 4 by n2: a definition was applied; version 2 changes to version 3 (known: 1 alive)\n"
		"         -> slot 1 goes to n2, epoch 3: n1 was forgotten\n"
		"         -> slot 0 stops on n2: whether it runs under a lease has changed\n"
		"         = #4 v3 ×1 [1→3 running] 0:stop n2@1v1 +1:n2@3v3L\n"
		"[   500] decision 5 by n2: what is known has changed (known: 1 alive)\n"
		"         -> slot 0 goes to n2, epoch 4: whether it runs under a lease has changed\n"
		"         -> slot 1 stops on n2: its definition has changed; under a lease nobody runs it until it was "
		"released and has started elsewhere\n"
		"         = #5 v3 ×1 [1→3 running] 0:n2@4v3L 1:stop n2@3v3L\n"
		"[  1000] decision 6 by n2: what is known has changed (known: 1 alive)\n"
		"         -> slot 1 is gone: more than desired were there\n"
		"         = #6 v3 ×1 [1→3 running] 0:n2@4v3L\n"
		"[  3000] decision 7 by n2: what is known has changed; version 3 runs everywhere (known: 1 alive)\n"
		"         = #7 v3 ×1 0:n2@4v3L\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_surge_nothing_is_down),
		cmocka_unit_test(test_without_surge_two_at_a_time),
		cmocka_unit_test(test_leases_stop_first_and_keep_their_epochs),
		cmocka_unit_test(test_what_never_gets_ready_goes_back),
		cmocka_unit_test(test_not_to_go_back_it_stays),
		cmocka_unit_test(test_paused_resumed_undone),
		cmocka_unit_test(test_another_zone_moves_what_is_elsewhere),
		cmocka_unit_test(test_from_keep_to_leases_and_back),
		cmocka_unit_test(test_a_change_that_restarts_nothing),
		cmocka_unit_test(test_a_restart_goes_one_by_one),
		cmocka_unit_test(test_a_change_over_a_change),
		cmocka_unit_test(test_the_same_again_in_the_middle),
		cmocka_unit_test(test_twice_gone_back_from),
		cmocka_unit_test(test_a_change_that_was_never_heard_of),
		cmocka_unit_test(test_a_change_over_a_move_that_never_ended),
		cmocka_unit_test(test_what_goes_back_keeps_its_version),
		cmocka_unit_test(test_one_beside_the_others_under_a_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
