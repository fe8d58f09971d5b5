/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: options anywhere, their values checked, moments as people type them, and help made of the tables.
 */
#include "tests/lib/oom.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "cli/cli.h"
#include "cli/when.h"

#define ARGS(...)  ((const char *[]){__VA_ARGS__})
#define PARSE(...) options_parse((int)ARRAY_LEN(ARGS(__VA_ARGS__)), (char *const *)ARGS(__VA_ARGS__), &o, &e)

static void options_stand_anywhere(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(PARSE("--json", "logs", "-fn", "7", "web.0", "--socket=/x", "--timeout", "5m"), 0);
	assert_int_equal(o.n_words, 2);
	assert_string_equal(o.words[0], "logs");
	assert_string_equal(o.words[1], "web.0");
	assert_int_equal(o.given, OPT_BIT(OPT_JSON) | OPT_BIT(OPT_FOLLOW) | OPT_BIT(OPT_LINES) | OPT_BIT(OPT_SOCKET) |
					  OPT_BIT(OPT_TIMEOUT));
	assert_int_equal(o.lines, 7);
	assert_int_equal(o.timeout_ms, 300000);
	assert_string_equal(o.value[OPT_SOCKET], "/x");
	options_done(&o);
	assert_int_equal(PARSE("-n10", "apply", "-", "--", "--json", "-x"), 0);
	assert_int_equal(o.n_words, 4); /* behind -- nothing is an option; - is standard input */
	assert_int_equal(o.lines, 10);
	assert_int_equal(o.timeout_ms, TIMEOUT_DEFAULT_MS);
	assert_false(options_has(&o, OPT_JSON));
	options_done(&o);
	assert_int_equal(PARSE("status", "--op", "a", "--op", "b"), 0);
	assert_string_equal(o.value[OPT_OP], "b"); /* the last one wins */
	assert_int_equal(o.if_version, -1);
	options_done(&o);
}

static void wrong_ones_are_told(void **state)
{
	struct options o;
	struct err e;

	(void)state;
	assert_int_equal(PARSE("status", "--jsn"), -EINVAL);
	assert_string_equal(e.text, "there is no option --jsn");
	assert_int_equal(PARSE("status", "-x"), -EINVAL);
	assert_string_equal(e.text, "there is no option -x");
	assert_int_equal(PARSE("status", "--json=yes"), -EINVAL);
	assert_string_equal(e.text, "--json takes no value");
	assert_int_equal(PARSE("status", "--op"), -EINVAL);
	assert_string_equal(e.text, "--op needs ID");
	assert_int_equal(PARSE("status", "--op="), -EINVAL);
	assert_int_equal(PARSE("logs", "-n", "ten"), -EINVAL);
	assert_string_equal(e.text, "--lines: 'ten' is not a whole number");
	assert_int_equal(PARSE("scale", "--timeout", "soon"), -EINVAL);
	assert_string_equal(e.text, "--timeout: 'soon' is not a duration such as 90s or 5m");
	assert_int_equal(
		PARSE("x", "--op", "0123456789012345678901234567890123456789012345678901234567890123"), -EINVAL);
	assert_int_equal(PARSE("x", "--op", "012345678901234567890123456789012345678901234567890123456789012"), 0);
	options_done(&o);
	assert_int_equal(PARSE("x", "--timeout", "9223372036854775807"), -EINVAL); /* no overflow */
	assert_int_equal(PARSE("x", "--timeout", "90"), 0);
	assert_int_equal(o.timeout_ms, 90000);
	options_done(&o);
}

static void parsing_may_lack_memory(void **state)
{
	(void)state;
	OOM_LOOP (k) {
		struct options o = {0};
		struct err e;
		int rc = PARSE("status", "--json");

		if (oom_hit(&k))
			assert_int_equal(rc, -ENOMEM);
		else
			assert_int_equal(rc, 0);
		options_done(&o);
	}
}

static void names_and_letters_are_unique(void **state)
{
	(void)state;
	for (int i = 0; i < OPT_MAX; i++)
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(option_rows[i].name, option_rows[j].name);
			assert_true(option_rows[i].letter == 0 || option_rows[i].letter != option_rows[j].letter);
		}
	for (size_t i = 0; i < n_commands; i++) {
		assert_ptr_equal(command_find(commands[i].name), &commands[i]);
		assert_non_null(commands[i].run);
		assert_true(commands[i].min_args <= commands[i].max_args);
	}
	assert_null(command_find("stat"));
}

static void help_comes_from_the_tables(void **state)
{
	struct bytes out = {.max = 65536};

	(void)state;
	help_all(&out);
	for (size_t i = 0; i < n_commands; i++)
		assert_non_null(strstr(out.v, commands[i].help));
	bytes_clear(&out);
	help_command(command_find("logs"), &out);
	assert_non_null(strstr(out.v, "usage: covey logs AGENT|REPLICA [option...]\n"));
	assert_non_null(strstr(out.v, "  -n, --lines N           begin with the last N lines\n"));
	assert_non_null(strstr(out.v, "--timeout T"));
	assert_null(strstr(out.v, "--if-version"));
	for (const char *line = out.v; *line; line = strchr(line, '\n') + 1)
		assert_true(strchr(line, '\n') - line <= 100);
	bytes_done(&out);
}

/* covey(1) says every command as ".Cm NAME" and every option as "Fl -NAME". */
static void the_manual_page_has_all(void **state)
{
	struct bytes page = {.max = 1024 * 1024};
	const char *top = getenv("TOP");
	char path[4096], want[64];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/man/covey.1", top ? top : ".");
	assert_int_equal(io_read_file(AT_FDCWD, path, &page, NULL), 0);
	for (size_t i = 0; i < n_commands; i++) {
		(void)snprintf(want, sizeof(want), "\n.It Cm %s", commands[i].name);
		if (!strstr(page.v, want))
			fail_msg("covey(1) does not have the command %s", commands[i].name);
	}
	for (int i = 0; i < OPT_MAX; i++) {
		if (option_rows[i].letter)
			(void)snprintf(
				want, sizeof(want), "\n.It Fl %c , -%s", option_rows[i].letter, option_rows[i].name);
		else
			(void)snprintf(want, sizeof(want), "\n.It Fl -%s", option_rows[i].name);
		if (!strstr(page.v, want))
			fail_msg("covey(1) does not have the option --%s", option_rows[i].name);
	}
	bytes_done(&page);
}

static void moment_is(const char *s, int64_t want)
{
	int64_t ms = 0;

	assert_int_equal(when_parse_time(s, &ms), 0);
	assert_int_equal(ms, want);
}

static void moments(void **state)
{
	(void)state;
	moment_is("1970-01-01T00:00:00Z", 0);
	moment_is("2026-01-02T03:04:05.678Z", 1767323045678);
	moment_is("2026-01-02T03:04:05Z", 1767323045000);
	moment_is("2026-01-02 03:04:05.6z", 1767323045600);
	moment_is("2026-01-02T05:04:05.678999+02:00", 1767323045678);
	moment_is("2026-01-01T22:34:05-04:30", 1767323045000);
	moment_is("2026-01-02", 1767312000000);
	moment_is("2024-02-29", 1709164800000);
	moment_is("2000-02-29", 951782400000);
	moment_is("2100-03-01", 4107542400000);
	moment_is("9999-12-31T23:59:59Z", 253402300799000);
}

static void no_moments(void **state)
{
	static const char *const bad[] = {"", "yesterday", "2026", "2026-13-01", "2026-00-01", "2026-06-31",
		"2025-02-29", "2100-02-29", "1969-12-31", "2026-01-02T", "2026-01-02T03:04Z", "2026-01-02T03:04:05",
		"2026-01-02T24:00:00Z", "2026-01-02T03:60:00Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05Zx",
		"2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05+24:00", " 2026-01-02", "2026-1-2"};
	int64_t ms = 5;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(when_parse_time(bad[i], &ms), -EINVAL);
	assert_int_equal(ms, 5);
}

static void since_is_a_moment_or_a_while_ago(void **state)
{
	int64_t ms = 0;

	(void)state;
	assert_int_equal(when_parse_since("10m", 1767323045678, &ms), 0);
	assert_int_equal(ms, 1767323045678 - 600000);
	assert_int_equal(when_parse_since("99999d", 1767323045678, &ms), 0);
	assert_int_equal(ms, 0);
	assert_int_equal(when_parse_since("2026-01-02", 1767323045678, &ms), 0);
	assert_int_equal(ms, 1767312000000);
	assert_int_equal(when_parse_since("10 minutes", 0, &ms), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_anywhere),
		cmocka_unit_test(wrong_ones_are_told),
		cmocka_unit_test(parsing_may_lack_memory),
		cmocka_unit_test(names_and_letters_are_unique),
		cmocka_unit_test(help_comes_from_the_tables),
		cmocka_unit_test(the_manual_page_has_all),
		cmocka_unit_test(moments),
		cmocka_unit_test(no_moments),
		cmocka_unit_test(since_is_a_moment_or_a_while_ago),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
