/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables and text for a terminal: widths, cutting, leaving out, colours, and what would harm a terminal.
 */
#include "tests/lib/oom.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "cli/table.h"

#define BOUND 65536

static const struct table_column columns[] = {
	{"AGENT", false, 5, 0},
	{"STATE", false, 0, 0},
	{"CPU", true, 0, 2},
	{"NOTE", false, 6, 1},
};

static void fill(struct table *t)
{
	table_init(t, columns, ARRAY_LEN(columns));
	table_cell(t, TINT_NONE, "%s", "web");
	table_cell(t, TINT_GOOD, "%s", "running");
	table_cell(t, TINT_NONE, "%.2f", 0.12);
	table_cell(t, TINT_NONE, "-");
	table_cell(t, TINT_NONE, "%s", "a-long-name");
	table_cell(t, TINT_BAD, "%s", "backoff");
	table_cell(t, TINT_NONE, "%.2f", 12.5);
	table_cell(t, TINT_WARN, "%s", "exited with code 1");
}

static void shows(unsigned width, bool colour, const char *want)
{
	struct bytes out = {.max = BOUND};
	struct table t;

	fill(&t);
	assert_int_equal(table_render(&t, width, colour, &out), 0);
	assert_string_equal(out.v, want);
	table_done(&t);
	bytes_done(&out);
}

static void nothing_is_cut_without_a_width(void **state)
{
	(void)state;
	shows(0, false,
		"AGENT        STATE      CPU  NOTE\n"
		"web          running   0.12  -\n"
		"a-long-name  backoff  12.50  exited with code 1\n");
	shows(47, false,
		"AGENT        STATE      CPU  NOTE\n"
		"web          running   0.12  -\n"
		"a-long-name  backoff  12.50  exited with code 1\n");
}

static void the_widest_shrinks_first(void **state)
{
	(void)state;
	shows(46, false,
		"AGENT        STATE      CPU  NOTE\n"
		"web          running   0.12  -\n"
		"a-long-name  backoff  12.50  exited with code…\n");
	shows(35, false,
		"AGENT     STATE      CPU  NOTE\n"
		"web       running   0.12  -\n"
		"a-long-…  backoff  12.50  exited w…\n");
}

/* At the least widths it takes 5 + 7 + 5 + 6 + 3 gaps = 29; below, CPU goes, then NOTE. */
static void columns_are_left_out_by_rank(void **state)
{
	(void)state;
	shows(29, false,
		"AGENT  STATE      CPU  NOTE\n"
		"web    running   0.12  -\n"
		"a-lo…  backoff  12.50  exite…\n");
	shows(28, false,
		"AGENT     STATE    NOTE\n"
		"web       running  -\n"
		"a-long-…  backoff  exited w…\n");
	shows(21, false,
		"AGENT        STATE\n"
		"web          running\n"
		"a-long-name  backoff\n");
	shows(5, false,
		"AGENT  STATE\n"
		"web    running\n"
		"a-lo…  backoff\n");
}

static void colours_do_not_count(void **state)
{
	(void)state;
	shows(46, true,
		"\033[1mAGENT\033[0m        \033[1mSTATE\033[0m      \033[1mCPU\033[0m  \033[1mNOTE\033[0m\n"
		"web          \033[32mrunning\033[0m   0.12  -\n"
		"a-long-name  \033[31mbackoff\033[0m  12.50  \033[33mexited with code…\033[0m\n");
}

static void titles_alone(void **state)
{
	struct bytes out = {.max = BOUND};
	struct table t;

	(void)state;
	table_init(&t, columns, ARRAY_LEN(columns));
	assert_int_equal(table_render(&t, 80, false, &out), 0);
	assert_string_equal(out.v, "AGENT  STATE  CPU  NOTE\n");
	table_done(&t);
	bytes_done(&out);
}

static void width_is(const char *s, unsigned want)
{
	assert_int_equal(text_width(s, strlen(s)), want);
}

static void widths_of_text(void **state)
{
	(void)state;
	width_is("", 0);
	width_is("web.0", 5);
	width_is("grüße", 5);
	width_is("gru\u0308\u00dfe", 5); /* u and a combining diaeresis */
	width_is("日本", 4);
	width_is("\U0001F426x", 3);
	width_is("한", 2);
	width_is("a\xff\xfe", 3); /* each bad byte is shown as one sign */
}

static void cut_is(const char *s, unsigned width, const char *want)
{
	struct bytes out = {.max = BOUND};

	text_clean(&out, s, strlen(s), width);
	assert_string_equal(out.v ? out.v : "", want);
	assert_true(width == 0 || text_width(out.v ? out.v : "", out.n) <= width);
	bytes_done(&out);
}

static void text_is_cut_at_characters(void **state)
{
	(void)state;
	cut_is("grüße", 5, "grüße");
	cut_is("grüße!", 5, "grüß…");
	cut_is("日本語", 5, "日本…");
	cut_is("日本語", 4, "日…"); /* half a character is none */
	cut_is("e\u0301a\u0301xx", 3, "e\u0301a\u0301…");
	cut_is("ab", 1, "…");
	cut_is("abc", 0, "abc");
}

static void what_a_terminal_would_obey_is_not_passed_on(void **state)
{
	(void)state;
	cut_is("\033[2Jx", 0, "?[2Jx");
	cut_is("a\nb\tc\rd", 0, "a b c d");
	cut_is("\x7f\xc2\x9b\x01", 0, "???");
	cut_is("\u202eabc", 0, "?abc"); /* would write from right to left */
	cut_is("a\xc0\xaf", 0, "a??");
}

static void tints_are_escapes(void **state)
{
	(void)state;
	assert_string_equal(tint_begin(TINT_NONE), "");
	for (int i = 1; i < TINT_MAX; i++)
		assert_memory_equal(tint_begin((enum tint)i), "\033[", 2);
}

static void many_rows(void **state)
{
	struct bytes out = {.max = 4 * 1024 * 1024};
	struct table t;
	size_t lines = 0;

	(void)state;
	table_init(&t, columns, ARRAY_LEN(columns));
	for (int i = 0; i < 10000; i++) {
		table_cell(&t, TINT_NONE, "agent-%d", i);
		table_cell(&t, TINT_NONE, "running");
		table_cell(&t, TINT_NONE, "%d", i);
		table_cell(&t, TINT_NONE, "%s", "");
	}
	assert_int_equal(table_render(&t, 60, false, &out), 0);
	for (size_t i = 0; i < out.n; i++)
		lines += out.v[i] == '\n';
	assert_int_equal(lines, 10001);
	table_done(&t);
	bytes_done(&out);
}

static void each_allocation_may_fail(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		struct bytes out = {.max = BOUND};
		struct table t;
		int rc;

		fill(&t);
		rc = table_render(&t, 40, true, &out);
		if (oom_hit(&o))
			assert_int_equal(rc, -ENOMEM);
		else
			assert_int_equal(rc, 0);
		table_done(&t);
		bytes_done(&out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_cut_without_a_width),
		cmocka_unit_test(the_widest_shrinks_first),
		cmocka_unit_test(columns_are_left_out_by_rank),
		cmocka_unit_test(colours_do_not_count),
		cmocka_unit_test(titles_alone),
		cmocka_unit_test(widths_of_text),
		cmocka_unit_test(text_is_cut_at_characters),
		cmocka_unit_test(what_a_terminal_would_obey_is_not_passed_on),
		cmocka_unit_test(tints_are_escapes),
		cmocka_unit_test(many_rows),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
