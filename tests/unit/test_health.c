/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor/health: the pace of a probe and when its verdict turns.
 */
#include "supervisor/health.h"

#include <string.h>

#include "tests/lib/test.h"

static struct spec_probe probe(enum spec_probe_kind kind)
{
	return (struct spec_probe){.kind = kind, .every_ms = 10000, .timeout_ms = 3000, .failures = 3, .successes = 2};
}

/* Asks (it must be due) and answers at once. */
static bool answer(struct health *h, bool ok, int64_t took_ms, int64_t now_ms)
{
	assert_true(health_is_due(h, now_ms));
	health_asked(h, 0, now_ms);
	assert_false(health_is_due(h, now_ms));
	return health_answer(h, ok, took_ms, ok ? "" : "refused", now_ms);
}

/* Each answer in turn, then the level expected: '+' quick, '~' slow, '-' failed. */
static void verdicts(struct health *h, const char *answers, const char *levels)
{
	static const char letters[] = {
		[HEALTH_UNKNOWN] = '?', [HEALTH_HEALTHY] = 'H', [HEALTH_DEGRADED] = 'D', [HEALTH_UNHEALTHY] = 'U'};
	char got[64] = "";

	for (size_t i = 0; answers[i]; i++) {
		enum health_level was = h->level;
		bool changed = answer(h, answers[i] != '-', answers[i] == '~' ? 1501 : 1500, h->next_ms);

		assert_int_equal(changed, h->level != was);
		got[i] = letters[h->level];
	}
	assert_string_equal(got, levels);
}

static void test_when_the_verdict_turns(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_TCP);
	struct health h = {0};

	(void)state;
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	verdicts(&h, "++", "?H");
	verdicts(&h, "-+", "DH");
	verdicts(&h, "--+", "DDH");
	verdicts(&h, "---", "DDU");
	verdicts(&h, "+-++", "UUUH");
	verdicts(&h, "~+~-+", "DHDDH");
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	verdicts(&h, "+-+~", "???D");
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	verdicts(&h, "--+---", "?????U");
	assert_string_equal(h.text, "refused");
	assert_int_equal(h.took_ms, 1500);
}

static void test_counts_go_on_over_runs(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_TCP);
	struct health h = {0};

	(void)state;
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	verdicts(&h, "+-", "??");
	health_stop(&h);
	assert_int_equal(health_deadline_ms(&h), DEADLINE_NEVER);
	assert_int_equal(h.level, HEALTH_UNKNOWN);
	health_start(&h, HEALTH_LIVENESS, &p, 50);
	verdicts(&h, "-", "?");
	assert_int_equal(h.asked, 3);
	assert_int_equal(h.failed, 2);
}

static void test_after_every_and_jitter(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_HTTP);
	struct health h = {0};

	(void)state;
	p.after_ms = 700;
	health_start(&h, HEALTH_LIVENESS, &p, 1000);
	assert_false(health_is_due(&h, 1699));
	assert_int_equal(health_deadline_ms(&h), 1700);
	health_asked(&h, 0, 1700);
	(void)health_answer(&h, true, 1, "", 1800); /* only the pace is looked at */
	assert_int_equal(health_deadline_ms(&h), 11700);
	health_asked(&h, HEALTH_JITTER_MAX - 1, 11700);
	(void)health_answer(&h, true, 1, "", 11800); /* as above */
	assert_int_equal(health_deadline_ms(&h), 11700 + 10000 - 999);
}

/* Asked at 0, 50, 100, 150, 200, 250, then each a quarter later, until that is `every`; no failure counts before. */
static void test_readiness_is_eager_until_ready(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_TCP);
	struct health h = {0};
	const int64_t from_ms = 1000000;
	int64_t at_ms = from_ms;
	int asked = 0;

	(void)state;
	p.successes = 1;
	health_start(&h, HEALTH_READINESS, &p, from_ms);
	for (; at_ms < from_ms + 40000; asked++) {
		assert_int_equal(h.level, HEALTH_UNKNOWN);
		assert_int_equal(h.failed_in_row, 0);
		assert_false(answer(&h, false, 1, at_ms));
		assert_in_range(health_deadline_ms(&h) - at_ms, 50, MAX(50, (at_ms - from_ms) / 4));
		at_ms = health_deadline_ms(&h);
	}
	assert_in_range(asked, 20, 35);
	assert_false(answer(&h, false, 1, at_ms));
	assert_int_equal(health_deadline_ms(&h), at_ms + 10000);
	assert_int_equal(h.failed_in_row, 1);

	health_start(&h, HEALTH_READINESS, &p, 0);
	assert_true(answer(&h, true, 1, 0));
	assert_int_equal(health_deadline_ms(&h), 10000);
	assert_true(answer(&h, false, 1, 10000));
	assert_int_equal(h.level, HEALTH_DEGRADED);
	assert_int_equal(health_deadline_ms(&h), 20000);
}

static void test_an_answer_that_never_comes_is_a_failure(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_EXEC);
	struct health h = {0};

	(void)state;
	p.failures = 1;
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	assert_false(health_is_overdue(&h, 100000));
	health_asked(&h, 0, 1000);
	assert_int_equal(health_deadline_ms(&h), 4000 + HEALTH_ANSWER_GRACE_MS);
	assert_false(health_is_overdue(&h, 8999));
	assert_true(health_is_overdue(&h, 9000));
	assert_true(health_overdue(&h, 9000));
	assert_int_equal(h.level, HEALTH_UNHEALTHY);
	assert_int_equal(h.took_ms, 8000);
	assert_false(h.asking);
}

/* As often as it takes: it is one question, and no answer. */
static void test_one_that_could_not_be_asked_is_asked_again(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_EXEC);
	struct health h = {0};

	(void)state;
	p.failures = 1;
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	for (int64_t at_ms = 1000; at_ms < 20000; at_ms += HEALTH_BUSY_MS) {
		health_asked(&h, 0, at_ms);
		health_not_asked(&h, at_ms);
		assert_int_equal(health_deadline_ms(&h), at_ms + HEALTH_BUSY_MS);
	}
	assert_int_equal(h.asked, 1);
	assert_int_equal(h.failed, 0);
	assert_int_equal(h.level, HEALTH_UNKNOWN);
	health_asked(&h, 0, 20000);
	assert_false(health_is_overdue(&h, 27999)); /* since it was asked last */
	assert_true(health_overdue(&h, 28000));
	health_asked(&h, 0, 30000);
	assert_int_equal(h.asked, 2);
}

static void test_watchdog(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_NOTIFY);
	struct health h = {0};

	(void)state;
	p.after_ms = 500;
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	assert_int_equal(health_deadline_ms(&h), DEADLINE_NEVER);
	assert_false(health_watch(&h, false, 100));
	assert_int_equal(health_deadline_ms(&h), 30500);
	assert_true(health_watch(&h, true, 20000));
	assert_false(health_watch(&h, true, 30000));
	assert_int_equal(health_deadline_ms(&h), 60000);
	assert_false(health_is_due(&h, 60000));
	assert_false(health_is_overdue(&h, 59999));
	assert_true(health_is_overdue(&h, 60000));
	assert_true(health_overdue(&h, 60000));
	assert_int_equal(h.level, HEALTH_UNHEALTHY);
	assert_string_equal(h.text, "no WATCHDOG=1 for 30s");
	assert_int_equal(h.failed, 1);
	assert_int_equal(health_deadline_ms(&h), DEADLINE_NEVER);
	assert_true(health_watch(&h, true, 60001));
	assert_int_equal(health_deadline_ms(&h), 90001);
	p.every_ms = INT64_MAX / 2;
	assert_false(health_watch(&h, true, 60001));
	assert_int_equal(health_deadline_ms(&h), DEADLINE_NEVER);
}

static void test_readiness_by_notify(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_NOTIFY), asked = probe(SPEC_PROBE_TCP);
	struct health h = {0};

	(void)state;
	health_start(&h, HEALTH_READINESS, &p, 0);
	assert_false(health_watch(&h, true, 1));
	assert_int_equal(health_deadline_ms(&h), DEADLINE_NEVER);
	assert_true(health_ready(&h, true));
	assert_int_equal(h.level, HEALTH_HEALTHY);
	assert_false(health_ready(&h, true));
	assert_true(health_ready(&h, false));
	assert_int_equal(h.level, HEALTH_UNHEALTHY);
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	assert_false(health_ready(&h, true));
	health_start(&h, HEALTH_READINESS, &asked, 0);
	assert_false(health_ready(&h, true));
	assert_false(health_watch(&h, true, 0));
}

static void test_no_probe_does_nothing(void **state)
{
	struct spec_probe p = probe(SPEC_PROBE_NONE);
	struct health h = {0};

	(void)state;
	health_start(&h, HEALTH_LIVENESS, &p, 0);
	assert_int_equal(health_deadline_ms(&h), DEADLINE_NEVER);
	assert_false(health_is_due(&h, 1000000));
	assert_false(health_is_overdue(&h, 1000000));
	assert_false(health_answer(&h, false, 1, "late", 5));
	assert_int_equal(h.failed, 0);
}

/* Each field that changes what is asked begins it anew; an equal one only moves the pointer. */
static void test_another_definition(void **state)
{
	static const char *one[] = {"test", "x", NULL}, *other[] = {"test", "y", NULL}, *two[] = {"test", NULL};
	static const char *same[] = {"test", "x", NULL};
	char path[] = "/x";
	struct spec_probe base = probe(SPEC_PROBE_EXEC), v[13];
	struct health h = {0};

	(void)state;
	base.command = (struct spec_strv){2, one};
	base.path = "/x";
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		v[i] = base;
	v[0].command.v = same;
	v[0].path = path;
	v[1].kind = SPEC_PROBE_TCP;
	v[2].port = 1;
	v[3].port_name = "http";
	v[4].path = "/y";
	v[5].path = NULL;
	v[6].command.v = other;
	v[7].command = (struct spec_strv){1, two};
	v[8].every_ms++;
	v[9].timeout_ms++;
	v[10].after_ms++;
	v[11].failures++;
	v[12].successes++;
	assert_false(health_respec(&h, &base, 0)); /* no run */
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		health_start(&h, HEALTH_LIVENESS, &base, 0);
		health_asked(&h, 0, 0);
		assert_int_equal(health_respec(&h, &v[i], 1), i != 0);
		assert_ptr_equal(h.probe, &v[i]);
		assert_int_equal(h.asking, i == 0);
	}
}

static void test_texts_of_others_are_cut_and_cleaned(void **state)
{
	char out[6];

	(void)state;
	health_copy_text(out, sizeof(out),
		"a\nb\x7f"
		"cdef");
	assert_string_equal(out, "a b c");
	health_copy_text(out, sizeof(out), NULL);
	assert_string_equal(out, "");
	assert_string_equal(health_level_name(HEALTH_DEGRADED), "degraded");
	assert_null(health_level_name(HEALTH_LEVEL_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_when_the_verdict_turns),
		cmocka_unit_test(test_counts_go_on_over_runs),
		cmocka_unit_test(test_after_every_and_jitter),
		cmocka_unit_test(test_readiness_is_eager_until_ready),
		cmocka_unit_test(test_an_answer_that_never_comes_is_a_failure),
		cmocka_unit_test(test_one_that_could_not_be_asked_is_asked_again),
		cmocka_unit_test(test_watchdog),
		cmocka_unit_test(test_readiness_by_notify),
		cmocka_unit_test(test_no_probe_does_nothing),
		cmocka_unit_test(test_another_definition),
		cmocka_unit_test(test_texts_of_others_are_cut_and_cleaned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
