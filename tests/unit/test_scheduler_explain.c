/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scheduler/explain: what is told of decisions, in whole; and scheduler/sched: the value's bounds.
 */
#include "tests/lib/sched_bed.h"

static const struct sched_spec spec = {
	.surge = {.n = 1}, .timeout_ms = 1000, .rollback = true, .failover_grace_ms = 60000};
static struct trace trace;
static struct bed bed;

static void line(void *ctx, const struct sched_decision *of, const char *text)
{
	trace_add(ctx, "#%d %s\n", (int)of->number, text);
}

static void test_the_newest_first(void **state)
{
	struct bed *b = &bed;

	(void)state;
	bed_init(b, "web");
	for (int i = 0; i < 3; i++)
		(void)bed_host(b, NULL);
	assert_true(bed_apply(b, &spec, 1));
	assert_true(bed_scale(b, 11));
	b->value->decisions[1].ballot = 42;
	explain_value(b->value, &b->view, line, &trace);
	TRACE_IS(&trace, "#2 decision 2 by n2 at ballot 42: the number of replicas was set; 11 desired instead of 1 "
			 "(known: 3 alive)\n"
			 "#2 slot 1 goes to n1, epoch 2: fewer than desired were there\n"
			 "#2 slot 2 goes to n3, epoch 3: fewer than desired were there\n"
			 "#2 slot 3 goes to n3, epoch 4: fewer than desired were there\n"
			 "#2 slot 4 goes to n2, epoch 5: fewer than desired were there\n"
			 "#2 slot 5 goes to n1, epoch 6: fewer than desired were there\n"
			 "#2 slot 6 goes to n2, epoch 7: fewer than desired were there\n"
			 "#2 slot 7 goes to n1, epoch 8: fewer than desired were there\n"
			 "#2 slot 8 goes to n3, epoch 9: fewer than desired were there\n"
			 "#2 and 2 more\n"
			 "#1 decision 1 by n2: a definition was applied; 1 desired instead of 0 (known: 3 alive)\n"
			 "#1 slot 0 goes to n2, epoch 1: fewer than desired were there\n");
	for (int i = 0; i < 9; i++)
		assert_true(bed_scale(b, i)); /* the oldest are forgotten */
	assert_int_equal(b->value->n_decisions, SCHED_DECISIONS_MAX);
	assert_int_equal(b->value->decisions[0].number, 4);
	sched_check(b->value);
}

/* No kind of event, step or reason is without words, and what is not known is no harm. */
static void test_all_have_words(void **state)
{
	struct sched_view nobody = {0};
	char text[EXPLAIN_TEXT_MAX], cut[8];

	(void)state;
	for (unsigned i = 0; i <= SCHED_EVENT_MAX; i++) {
		struct sched_decision d = {.number = 7, .event = (enum sched_event_type)i, .subject = {1, 2}};

		assert_non_null(strstr(explain_decision(&d, &nobody, text, sizeof(text)), "decision 7 by nobody: "));
		assert_null(strstr(text, "%"));
		assert_string_equal(explain_decision(&d, &nobody, cut, sizeof(cut)), "decisio");
	}
	for (unsigned i = 0; i < SCHED_STEP_MAX; i++)
		for (unsigned k = 0; k <= SCHED_WHY_MAX; k++) {
			struct sched_step s = {.type = (enum sched_step_type)i,
				.why = (enum sched_why)k,
				.node = {UINT64_C(0x1234567800000000), 0}};

			assert_true(strlen(explain_step(&s, &nobody, text, sizeof(text))) > 10);
			assert_null(strstr(text, "%"));
		}
}

static void test_earlier_owners_are_bounded(void **state)
{
	struct sched_slot slots[2];
	struct sched_held held[4];
	struct sched_value v;

	(void)state;
	sched_init(&v, slots, 2, held, 4);
	v.next_epoch = 100;
	v.number = 20;
	v.removed = true; /* earlier owners outlast the agent */
	for (uint32_t i = 0; i < 4; i++)
		assert_true(sched_hold(&v, (struct sched_held){i % 2, bed_id(i / 2), i + 1, i}));
	assert_true(sched_hold(&v, (struct sched_held){1, bed_id(1), 9, 9})); /* known already: the higher epoch */
	assert_int_equal(v.n_held, 4);
	assert_int_equal(held[3].epoch, 9);
	assert_true(sched_hold(&v, (struct sched_held){7, bed_id(0), 5, 10})); /* full: that node's become one */
	assert_int_equal(v.n_held, 3);
	assert_int_equal(held[2].number, SCHED_ANY_SLOT);
	assert_int_equal(held[2].epoch, 5);
	assert_true(sched_hold(&v, (struct sched_held){3, bed_id(2), 11, 11}));
	assert_true(sched_hold(&v, (struct sched_held){3, bed_id(3), 12, 12})); /* full: another node's do */
	assert_int_equal(v.n_held, 4);
	assert_false(sched_hold(&v, (struct sched_held){3, bed_id(4), 13, 13}));
	sched_check(&v);
}

static void test_slots_are_bounded(void **state)
{
	struct sched_slot slots[3], few[1];
	struct sched_held held[1];
	struct sched_value v, small;

	(void)state;
	sched_init(&v, slots, 3, held, 1);
	assert_non_null(sched_slot_add(&v, 5));
	assert_non_null(sched_slot_add(&v, 1));
	assert_null(sched_slot_add(&v, 5));
	assert_non_null(sched_slot_add(&v, 3));
	assert_null(sched_slot_add(&v, 4));
	assert_int_equal(slots[1].number, 3);
	sched_slot_drop(&v, sched_slot_of(&v, 1));
	assert_null(sched_slot_of(&v, 1));
	assert_int_equal(slots[0].number, 3);
	sched_init(&small, few, 1, held, 1);
	assert_false(sched_copy(&small, &v));
	assert_int_equal(small.n_slots, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_newest_first),
		cmocka_unit_test(test_all_have_words),
		cmocka_unit_test(test_earlier_owners_are_bounded),
		cmocka_unit_test(test_slots_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
