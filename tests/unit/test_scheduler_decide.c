/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/decide: what becomes of an agent's slots when nodes die, come back, drain and go, and when people scale,
 * stop, start and remove it; each with and without leases. Changes of the definition are in test_scheduler_rollout.c.
 */
#include <errno.h>

#include "tests/lib/sched_bed.h"

#define SPEC                                                                                                        \
	.failover_grace_ms = 60000, .surge = {.is_percent = true, .n = 25}, .timeout_ms = 600000, .rollback = true, \
	.reserve = {.cpu_milli = 1000, .memory_bytes = INT64_C(1) << 30}

static const struct sched_spec keep = {SPEC};
static const struct sched_spec leased = {SPEC, .leased = true};
static const struct sched_spec single = {SPEC, .kind = SCHED_SINGLETON, .leased = true};
static const struct sched_spec every = {SPEC, .kind = SCHED_EVERY_NODE};
static struct trace trace;
static struct bed bed;

/* n hosts, and `desired` replicas that all serve; the story begins after that, at 0. */
static struct bed *running(const struct sched_spec *spec, int64_t desired, size_t n)
{
	bed_init(&bed, "web");
	for (size_t i = 0; i < n; i++)
		(void)bed_host(&bed, NULL);
	assert_true(bed_apply(&bed, spec, desired));
	bed_wait(&bed, 3000);
	bed.now.mono_ms = 0;
	for (size_t i = 0; i < bed.n_runs; i++)
		bed.runs[i].ready_at_ms = 0;
	for (size_t i = 0; i < n; i++)
		bed.since_ms[i] = 0;
	trace.was[0] = '\0';
	trace.n = 0;
	bed.trace = &trace;
	return &bed;
}

static void test_applied(void **state)
{
	struct bed *b = &bed;

	(void)state;
	bed_init(b, "web");
	for (size_t i = 0; i < 3; i++)
		(void)bed_host(b, NULL);
	b->trace = &trace;
	assert_true(bed_apply(b, &keep, 2));
	bed_wait(b, 2000);
	TRACE_IS(&trace,
		"[     0] decision 1 by n2: a definition was applied; 2 desired instead of 0 (known: 3 alive)\n"
		"         -> slot 0 goes to n2, epoch 1: fewer than desired were there\n"
		"         -> slot 1 goes to n1, epoch 2: fewer than desired were there\n"
		"         = #1 v1 ×2 0:n2@1v1 1:n1@2v1\n");
}

static void test_a_silent_host_dies(void **state)
{
	struct bed *b = running(&keep, 3, 4);

	(void)state;
	(void)bed_lose(b, 0);
	bed_wait(b, 3000);
	(void)bed_back(b, 0);
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: n1 is dead (known: 3 alive, 1 dead)\n"
			 "         -> slot 1 moves from n1 to n4, epoch 4: n1 is dead, its host silent\n"
			 "         = #2 v1 ×3 0:n2@1v1 1:n4@4v1 2:n3@3v1 held n1.1@2\n");
}

static void test_a_daemon_dies_and_its_host_is_up(void **state)
{
	struct bed *b = running(&keep, 3, 4);

	(void)state;
	assert_false(bed_hang(b, 0));
	assert_int_equal(b->out.again_ms, 60000);
	bed_wait(b, 59500);
	TRACE_IS(&trace, "");
	bed_wait(b, 1500);
	(void)bed_back(b, 0);
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[ 60000] decision 2 by n2: what is known has changed (known: 3 alive, 1 dead)\n"
			 "         -> slot 1 moves from n1 to n4, epoch 4: n1 is dead for longer than failover_grace, "
			 "though its host is up\n"
			 "         = #2 v1 ×3 0:n2@1v1 1:n4@4v1 2:n3@3v1 held n1.1@2\n");
}

static void test_a_daemon_comes_back_in_time_and_keeps_all(void **state)
{
	struct bed *b = running(&keep, 3, 3);

	(void)state;
	(void)bed_hang(b, 0);
	bed_wait(b, 30000);
	(void)bed_back(b, 0);
	bed_wait(b, 60000);
	TRACE_IS(&trace, "");
}

static void test_a_leased_slot_moves_at_once(void **state)
{
	struct bed *b = running(&leased, 2, 3);

	(void)state;
	(void)bed_hang(b, 0);
	bed_wait(b, 2000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: n1 is dead (known: 2 alive, 1 dead)\n"
			 "         -> slot 1 moves from n1 to n3, epoch 3: n1 is dead; it starts once it has its "
			 "lease, when that of n1 has run out\n"
			 "         = #2 v1 ×2 0:n2@1v1L 1:n3@3v1L\n");
}

static void test_nobody_can_take_it(void **state)
{
	struct bed *b = running(&single, 1, 1);
	char text[SCHED_TEXT_MAX];
	struct decide_in in;

	(void)state;
	assert_false(bed_lose(b, 0));
	in = bed_in(b, &(struct decide_event){.type = SCHED_EVENT_TICK});
	b->out.value = b->value == &b->values[0] ? &b->values[1] : &b->values[0];
	assert_string_equal(decide_pending(&in, 0, &b->out, text, sizeof(text)), "no node for it: 0 alive");
	bed_wait(b, 5000);
	TRACE_IS(&trace, ""); /* its node may come back, and still owns it */
	(void)bed_back(b, 0);
	bed_wait(b, 2000);
	(void)bed_state(b, 0, SCHED_FORGOTTEN, SCHED_EVENT_NODE_GONE);
	bed_wait(b, 2000);
	TRACE_IS(&trace, "[  7000] decision 2 by nobody: n1 is gone for ever; slot 0 is pending: no node for it: 0 "
			 "alive (known: 0 alive)\n"
			 "         -> slot 0 is pending: n1 was forgotten\n"
			 "         = #2 v1 ×1 0:pending\n");
}

static void test_a_drain_starts_the_new_one_first(void **state)
{
	struct bed *b = running(&keep, 3, 3);

	(void)state;
	b->hosts[0].draining = true;
	(void)bed_of(b, SCHED_EVENT_DRAIN, 0);
	bed_wait(b, 3000);
	b->hosts[0].draining = false;
	(void)bed_of(b, SCHED_EVENT_UNDRAIN, 0);
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: n1 drains (known: 3 alive)\n"
			 "         -> slot 1 starts on n2, epoch 4, and runs on n1 until it is ready there: n1 drains\n"
			 "         = #2 v1 ×3 0:n2@1v1 1:n2@4v1(from n1@2) 2:n3@3v1\n"
			 "[  1500] decision 3 by n2: what is known has changed (known: 3 alive)\n"
			 "         -> slot 1 stops on n1: it is ready where it moved to\n"
			 "         = #3 v1 ×3 0:n2@1v1 1:n2@4v1 2:n3@3v1 held n1.1@2\n"
			 "[  3000] decision 4 by n2: n1 takes agents again (known: 3 alive)\n"
			 "         -> slot 0 starts on n1, epoch 5, and runs on n2 until it is ready there: n2 had "
			 "more of them than others\n"
			 "         = #4 v1 ×3 0:n1@5v1(from n2@1) 1:n2@4v1 2:n3@3v1\n"
			 "[  4500] decision 5 by n2: what is known has changed (known: 3 alive)\n"
			 "         -> slot 0 stops on n2: it is ready where it moved to\n"
			 "         = #5 v1 ×3 0:n1@5v1 1:n2@4v1 2:n3@3v1 held n2.0@1\n");
}

static void test_a_drain_stops_a_leased_one_first(void **state)
{
	struct bed *b = running(&single, 1, 2);
	size_t at = sched_same_node(b->value->slots[0].node, bed_id(0)) ? 0 : 1;

	(void)state;
	b->stop_ms = 700;
	b->hosts[at].draining = true;
	(void)bed_of(b, SCHED_EVENT_DRAIN, at);
	bed_wait(b, 4000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: n2 drains (known: 2 alive)\n"
			 "         -> slot 0 stops on n2: n2 drains; under a lease nobody runs it until it was "
			 "released and has started elsewhere\n"
			 "         = #2 v1 ×1 0:stop n2@1v1L\n"
			 "[  1500] decision 3 by n2: what is known has changed (known: 2 alive)\n"
			 "         -> slot 0 goes to n1, epoch 2: n2 drains\n"
			 "         = #3 v1 ×1 0:n1@2v1L\n");
}

static void test_a_drain_with_no_other_node_waits(void **state)
{
	struct bed *b = running(&leased, 1, 1);

	(void)state;
	b->hosts[0].draining = true;
	assert_false(bed_of(b, SCHED_EVENT_DRAIN, 0));
	bed_wait(b, 3000);
	TRACE_IS(&trace, "");
}

static void test_where_it_moves_to_dies_too(void **state)
{
	struct bed *b = running(&keep, 1, 3);
	size_t at = 0, to = 0;

	(void)state;
	while (!sched_same_node(b->value->slots[0].node, bed_id(at)))
		at++;
	b->hosts[at].draining = true;
	(void)bed_of(b, SCHED_EVENT_DRAIN, at);
	while (!sched_same_node(b->value->slots[0].node, bed_id(to)))
		to++;
	(void)bed_lose(b, to);
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: n2 drains (known: 3 alive)\n"
			 "         -> slot 0 starts on n3, epoch 2, and runs on n2 until it is ready there: n2 drains\n"
			 "         = #2 v1 ×1 0:n3@2v1(from n2@1)\n"
			 "[     0] decision 3 by n2: n3 is dead (known: 2 alive, 1 dead)\n"
			 "         -> slot 0 moves from n3 to n1, epoch 3: n3 is dead, its host silent\n"
			 "         = #3 v1 ×1 0:n1@3v1(from n2@1) held n3.0@2\n"
			 "[  1500] decision 4 by n2: what is known has changed (known: 2 alive, 1 dead)\n"
			 "         -> slot 0 stops on n2: it is ready where it moved to\n"
			 "         = #4 v1 ×1 0:n1@3v1 held n3.0@2 n2.0@1\n");
}

/* Two hosts: while the one that it leaves drains it may go nowhere; once that one takes work again it stays there. */
static void test_where_it_moves_to_dies_and_there_is_no_other(void **state)
{
	struct bed *b = running(&keep, 1, 2);
	size_t at = sched_same_node(b->value->slots[0].node, bed_id(0)) ? 0 : 1;

	(void)state;
	b->hosts[at].draining = true;
	(void)bed_of(b, SCHED_EVENT_DRAIN, at);
	assert_false(bed_lose(b, 1 - at));
	bed_wait(b, 3000);
	b->hosts[at].draining = false;
	(void)bed_of(b, SCHED_EVENT_UNDRAIN, at);
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: n2 drains (known: 2 alive)\n"
			 "         -> slot 0 starts on n1, epoch 2, and runs on n2 until it is ready there: n2 drains\n"
			 "         = #2 v1 ×1 0:n1@2v1(from n2@1)\n"
			 "[  3000] decision 3 by n2: n2 takes agents again (known: 1 alive, 1 dead)\n"
			 "         -> slot 0 stops on n1: n1 is dead, its host silent\n"
			 "         = #3 v1 ×1 0:n2@1v1 held n1.0@2\n");
}

static void test_scaled_stopped_started_removed(void **state)
{
	struct bed *b = running(&keep, 1, 3);

	(void)state;
	(void)bed_scale(b, 3);
	bed_wait(b, 1500);
	(void)bed_scale(b, 2);
	bed_wait(b, 500);
	(void)bed_do(b, SCHED_EVENT_STOP);
	bed_wait(b, 1000);
	(void)bed_do(b, SCHED_EVENT_START);
	bed_wait(b, 1500);
	(void)bed_do(b, SCHED_EVENT_REMOVE);
	bed_wait(b, 1000);
	assert_int_equal(b->n_runs, 0);
	(void)bed_apply(b, &keep, 1); /* the name again: numbers go on */
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: the number of replicas was set; 3 desired instead of 1 (known: 3 alive)\n"
		"         -> slot 1 goes to n1, epoch 2: fewer than desired were there\n"
		"         -> slot 2 goes to n3, epoch 3: fewer than desired were there\n"
		"         = #2 v1 ×3 0:n2@1v1 1:n1@2v1 2:n3@3v1\n"
		"[  1500] decision 3 by n2: the number of replicas was set; 2 desired instead of 3 (known: 3 alive)\n"
		"         -> slot 2 is gone: more than desired were there\n"
		"         = #3 v1 ×2 0:n2@1v1 1:n1@2v1 held n3.2@3\n"
		"[  2000] decision 4 by n2: it was stopped (known: 3 alive)\n"
		"         -> slot 1 stops on n1: the agent is stopped\n"
		"         -> slot 0 stops on n2: the agent is stopped\n"
		"         = #4 v1 ×2 stopped 0:stop n2@1v1 1:stop n1@2v1\n"
		"[  3000] decision 5 by n2: it was started (known: 3 alive)\n"
		"         -> slot 0 goes to n2, epoch 4: fewer than desired were there\n"
		"         -> slot 1 goes to n1, epoch 5: fewer than desired were there\n"
		"         = #5 v1 ×2 0:n2@4v1 1:n1@5v1\n"
		"[  4500] decision 6 by n2: it was removed; 0 desired instead of 2 (known: 3 alive)\n"
		"         -> slot 1 is gone: the agent is removed\n"
		"         -> slot 0 is gone: the agent is removed\n"
		"         = #6 v1 ×0 removed held n1.1@5 n2.0@4\n"
		"[  5500] decision 7 by n2: a definition was applied; 1 desired instead of 0 (known: 3 alive)\n"
		"         -> slot 0 goes to n2, epoch 6: fewer than desired were there\n"
		"         = #7 v2 ×1 0:n2@6v2\n");
}

static void test_the_same_with_leases(void **state)
{
	struct bed *b = running(&leased, 2, 3);

	(void)state;
	b->stop_ms = 700;
	(void)bed_scale(b, 1);
	bed_wait(b, 2000);
	(void)bed_do(b, SCHED_EVENT_STOP);
	(void)bed_do(b, SCHED_EVENT_START); /* before it has stopped */
	bed_wait(b, 3000);
	(void)bed_do(b, SCHED_EVENT_REMOVE);
	bed_wait(b, 2000);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: the number of replicas was set; 1 desired instead of 2 (known: 3 alive)\n"
		"         -> slot 1 stops on n1: more than desired were there\n"
		"         = #2 v1 ×1 0:n2@1v1L 1:stop n1@2v1L\n"
		"[  1500] decision 3 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 1 is gone: more than desired were there\n"
		"         = #3 v1 ×1 0:n2@1v1L\n"
		"[  2000] decision 4 by n2: it was stopped (known: 3 alive)\n"
		"         -> slot 0 stops on n2: the agent is stopped\n"
		"         = #4 v1 ×1 stopped 0:stop n2@1v1L\n"
		"[  2000] decision 5 by n2: it was started (known: 3 alive)\n"
		"         = #5 v1 ×1 0:stop n2@1v1L\n"
		"[  3500] decision 6 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 0 goes to n2, epoch 3: fewer than desired were there\n"
		"         = #6 v1 ×1 0:n2@3v1L\n"
		"[  5000] decision 7 by n2: it was removed; 0 desired instead of 1 (known: 3 alive)\n"
		"         -> slot 0 stops on n2: the agent is removed\n"
		"         = #7 v1 ×0 removed 0:stop n2@3v1L\n"
		"[  6500] decision 8 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 0 is gone: the agent is removed\n"
		"         = #8 v1 ×0 removed\n");
	assert_int_equal(b->value->n_slots, 0);
	assert_true(b->value->removed);
}

static void test_a_name_used_again_with_leases_waits(void **state)
{
	struct bed *b = running(&keep, 1, 2);
	size_t at = sched_same_node(b->value->slots[0].node, bed_id(0)) ? 0 : 1;

	(void)state;
	b->cut[at] = true; /* nobody calls it dead yet */
	(void)bed_do(b, SCHED_EVENT_REMOVE);
	(void)bed_apply(b, &leased, 1);
	bed_wait(b, 3000);
	(void)bed_hang(b, at);
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[     0] decision 2 by n2: it was removed; 0 desired instead of 1 (known: 2 alive)\n"
			 "         -> slot 0 is gone: the agent is removed\n"
			 "         = #2 v1 ×0 removed held n2.0@1\n"
			 "[     0] decision 3 by n2: a definition was applied; 1 desired instead of 0; slot 0 is "
			 "pending: may still run on n2 (known: 2 alive)\n"
			 "         -> slot 0 is pending: fewer than desired were there\n"
			 "         = #3 v2 ×1 0:pending held n2.0@1\n");
	(void)bed_back(b, at); /* it learns, and stops it */
	bed_wait(b, 3000);
	TRACE_IS(&trace, "[  6500] decision 4 by n2: what is known has changed (known: 2 alive)\n"
			 "         -> slot 0 goes to n2, epoch 2: fewer than desired were there\n"
			 "         = #4 v2 ×1 0:n2@2v2L\n");
}

/* It was given the slot, has not said that it knows that it lost it, and runs nothing: it may be about to start it. */
static void test_who_may_be_about_to_start_is_waited_for(void **state)
{
	struct bed *b = &bed;

	(void)state;
	bed_init(b, "web");
	(void)bed_host(b, NULL);
	assert_true(bed_apply(b, &keep, 1));
	assert_true(bed_do(b, SCHED_EVENT_REMOVE));
	assert_true(bed_apply(b, &leased, 1));
	assert_int_equal(b->value->slots[0].state, SCHED_PENDING);
	b->hosts[0].knows = 1; /* of what gave it the slot, not of what took it */
	assert_false(bed_do(b, SCHED_EVENT_TICK));
	b->hosts[0].knows = 2;
	assert_true(bed_do(b, SCHED_EVENT_TICK));
	assert_int_equal(b->value->slots[0].state, SCHED_RUN);
	assert_int_equal(b->value->slots[0].epoch, 2);
}

static void test_every_node_has_no_slots(void **state)
{
	struct bed *b = running(&every, -1, 3);

	(void)state;
	assert_int_equal(b->value->n_slots, 0);
	assert_false(bed_lose(b, 0));
	(void)bed_scale(b, 3);
	TRACE_IS(&trace, "[     0] refused: web runs on every node: it has no number of replicas\n");
}

static void test_load_is_evened_out_one_by_one(void **state)
{
	struct bed *b = running(&keep, 4, 2);

	(void)state;
	(void)bed_host(b, NULL);
	(void)bed_host(b, NULL);
	bed_wait(b, 200000);
	TRACE_IS(&trace, "[   500] decision 2 by n2: what is known has changed (known: 4 alive)\n"
			 "         -> slot 0 starts on n4, epoch 5, and runs on n2 until it is ready there: n2 had "
			 "more of them than others\n"
			 "         = #2 v1 ×4 0:n4@5v1(from n2@1) 1:n1@2v1 2:n1@3v1 3:n2@4v1\n"
			 "[  2000] decision 3 by n2: what is known has changed (known: 4 alive)\n"
			 "         -> slot 0 stops on n2: it is ready where it moved to\n"
			 "         = #3 v1 ×4 0:n4@5v1 1:n1@2v1 2:n1@3v1 3:n2@4v1 held n2.0@1\n"
			 "[ 60500] decision 4 by n2: what is known has changed (known: 4 alive)\n"
			 "         -> slot 1 starts on n3, epoch 6, and runs on n1 until it is ready there: n1 had "
			 "more of them than others\n"
			 "         = #4 v1 ×4 0:n4@5v1 1:n3@6v1(from n1@2) 2:n1@3v1 3:n2@4v1\n"
			 "[ 62000] decision 5 by n2: what is known has changed (known: 4 alive)\n"
			 "         -> slot 1 stops on n1: it is ready where it moved to\n"
			 "         = #5 v1 ×4 0:n4@5v1 1:n3@6v1 2:n1@3v1 3:n2@4v1 held n1.1@2\n");
}

static void test_refused_and_repeated(void **state)
{
	struct bed *b = running(&single, 1, 1);
	struct decide_event ev = {.type = SCHED_EVENT_SCALE, .desired = 0, .op = "op-1"};

	(void)state;
	(void)bed_scale(b, 2);
	(void)bed_scale(b, -1);
	(void)bed_scale(b, BED_SLOTS + 1);
	(void)bed_do(b, SCHED_EVENT_PAUSE);
	(void)bed_do(b, SCHED_EVENT_UNDO);
	(void)bed_event(
		b, &(struct decide_event){.type = SCHED_EVENT_APPLY, .spec = &single, .desired = 1, .if_version = 7});
	TRACE_IS(&trace, "[     0] refused: web is a singleton: it has one replica at most\n"
			 "[     0] refused: web: a number of replicas is 0 or more\n"
			 "[     0] refused: web: 33 replicas are too many: at most 32\n"
			 "[     0] refused: web: no change is under way that could be paused: it is idle\n"
			 "[     0] refused: web has no earlier version to go back to\n"
			 "[     0] refused: web is at version 1, not 7\n");
	assert_true(bed_event(b, &ev));
	assert_true(bed_scale(b, 1));
	assert_false(bed_event(b, &ev)); /* done already, whatever came after it */
	assert_true(b->out.repeat);
	assert_int_equal(b->value->desired, 1);
	for (int i = 0; i < SCHED_OPS_MAX; i++) {
		char op[32];

		(void)snprintf(op, sizeof(op), "fill-%d", i);
		ev.op = op;
		assert_true(bed_event(b, &ev));
		assert_int_equal(b->value->n_ops, MIN(i + 2, SCHED_OPS_MAX));
	}
	assert_false(sched_has_op(b->value, "op-1")); /* the oldest goes */
	ev.op = "";
	assert_false(bed_event(b, &ev));
	assert_int_equal(b->out.refused.code, -EINVAL);
	bed_init(b, "web");
	assert_false(bed_scale(b, 1));
	assert_string_equal(b->out.refused.text, "there is no agent 'web'");
}

/* What runs on a node already stays there, whoever has more room. */
static void test_what_a_node_had_is_adopted(void **state)
{
	struct decide_event ev = {.type = SCHED_EVENT_APPLY, .spec = &keep, .desired = 3, .adopt = true};
	struct bed *b = &bed;

	(void)state;
	bed_init(b, "web");
	for (size_t i = 0; i < 3; i++)
		(void)bed_host(b, NULL);
	assert_true(bed_event(b, &ev));
	assert_int_equal(b->value->n_slots, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(sched_same_node(b->value->slots[i].node, b->out.value->decisions[0].by));
	ev.op = "again";
	assert_false(bed_event(b, &ev));
	assert_string_equal(b->out.refused.text, "web: the cluster has an agent of that name");
}

static void test_the_same_definition_is_no_other_version(void **state)
{
	struct decide_event ev = {.type = SCHED_EVENT_APPLY, .spec = &keep, .desired = 2, .same = true, .op = "a"};
	struct bed *b = running(&keep, 2, 3);

	(void)state;
	(void)bed_event(b, &ev);
	assert_int_equal(b->value->now.version, 1);
	assert_int_equal(b->value->rollout.state, SCHED_ROLLOUT_IDLE);
	ev.desired = 3;
	ev.op = "b";
	assert_true(bed_event(b, &ev));
	assert_int_equal(b->value->now.version, 1);
	assert_int_equal(b->value->desired, 3);
}

/* The first decision of an era: what runs under a lease begins anew, and all that is given out is above what was. */
static void test_an_era_begins(void **state)
{
	struct bed *b = running(&single, 1, 3);

	(void)state;
	b->view.floor = 1000;
	assert_true(bed_do(b, SCHED_EVENT_TICK));
	bed_wait(b, 3000);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: voters that were lost were given up, and with them what they alone had "
		"decided (known: 3 alive)\n"
		"         -> slot 0 stops on n2: the voters that were given up may have given it to another; under a "
		"lease nobody runs it until it was released and has started elsewhere\n"
		"         = #2 v1 ×1 0:stop n2@1v1L\n"
		"[   500] decision 3 by n2: what is known has changed (known: 3 alive)\n"
		"         -> slot 0 goes to n2, epoch 1001: fewer than desired were there\n"
		"         = #3 v1 ×1 0:n2@1001v1L\n");
	assert_false(bed_do(b, SCHED_EVENT_TICK));
	b = running(&keep, 2, 3);
	b->view.floor = 1000;
	(void)bed_lose(b, 0);
	bed_wait(b, 3000);
	TRACE_IS(&trace,
		"[     0] decision 2 by n2: voters that were lost were given up, and with them what they alone had "
		"decided (known: 2 alive, 1 dead)\n"
		"         -> slot 1 moves from n1 to n3, epoch 1001: n1 is dead, its host silent\n"
		"         = #2 v1 ×2 0:n2@1v1 1:n3@1001v1 held n1.1@2\n");
	b->view.floor = 2000; /* also of a name that nobody uses */
	assert_true(bed_do(b, SCHED_EVENT_REMOVE));
	bed_wait(b, 3000);
	b->view.floor = 3000;
	trace.n = 0;
	trace.was[0] = '\0';
	assert_true(bed_do(b, SCHED_EVENT_TICK));
	assert_int_equal(b->value->next_epoch, 3001);
	assert_true(b->value->removed);
	bed_init(&bed, "db");
	(void)bed_host(&bed, NULL);
	bed.view.floor = 500;
	assert_false(bed_do(&bed, SCHED_EVENT_TICK)); /* it never was */
	assert_true(bed_apply(&bed, &keep, 1));
	assert_int_equal(bed.value->slots[0].epoch, 501);
	assert_int_equal(bed.value->now.version, 1);
}

/* Of whom nobody has heard since lost voters were given up, nothing is waited for, but in that decision alone. */
static void test_an_era_begins_without_a_node(void **state)
{
	static const struct sched_spec *const specs[] = {&single, &keep};
	const struct decide_event tick = {.type = SCHED_EVENT_TICK};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(specs); i++) {
		struct bed *b = running(specs[i / 2], 1, 3);
		struct sched_host others[3];
		struct sched_view view = b->view;
		struct decide_in in = bed_in(b, &tick);

		view.hosts = others;
		view.n_reports = view.n_hosts = 0;
		for (size_t k = 0; k < b->n_hosts; k++)
			if (!sched_same_node(b->hosts[k].id, b->value->slots[0].node))
				others[view.n_hosts++] = b->hosts[k];
		assert_int_equal(view.n_hosts, 2);
		view.floor = i % 2 ? 1000 : 0;
		in.view = &view;
		b->out.value = b->value == &b->values[0] ? &b->values[1] : &b->values[0];
		decide_value(&in, b->now, &b->out);
		assert_int_equal(b->out.changed, i % 2);
		if (!b->out.changed)
			continue;
		assert_int_equal(b->out.value->slots[0].epoch, 1001);
		assert_false(sched_same_node(b->out.value->slots[0].node, b->value->slots[0].node));
		assert_int_equal(b->out.value->n_held, specs[i / 2] == &keep); /* it may run it still */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_applied),
		cmocka_unit_test(test_a_silent_host_dies),
		cmocka_unit_test(test_a_daemon_dies_and_its_host_is_up),
		cmocka_unit_test(test_a_daemon_comes_back_in_time_and_keeps_all),
		cmocka_unit_test(test_a_leased_slot_moves_at_once),
		cmocka_unit_test(test_nobody_can_take_it),
		cmocka_unit_test(test_a_drain_starts_the_new_one_first),
		cmocka_unit_test(test_a_drain_stops_a_leased_one_first),
		cmocka_unit_test(test_a_drain_with_no_other_node_waits),
		cmocka_unit_test(test_where_it_moves_to_dies_too),
		cmocka_unit_test(test_where_it_moves_to_dies_and_there_is_no_other),
		cmocka_unit_test(test_scaled_stopped_started_removed),
		cmocka_unit_test(test_the_same_with_leases),
		cmocka_unit_test(test_a_name_used_again_with_leases_waits),
		cmocka_unit_test(test_who_may_be_about_to_start_is_waited_for),
		cmocka_unit_test(test_every_node_has_no_slots),
		cmocka_unit_test(test_load_is_evened_out_one_by_one),
		cmocka_unit_test(test_refused_and_repeated),
		cmocka_unit_test(test_what_a_node_had_is_adopted),
		cmocka_unit_test(test_the_same_definition_is_no_other_version),
		cmocka_unit_test(test_an_era_begins),
		cmocka_unit_test(test_an_era_begins_without_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
