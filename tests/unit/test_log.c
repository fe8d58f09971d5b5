/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log: a line reaches the sink whole, once, and as one line, whatever is in it; what is below the level does not.
 */
#include "base/log.h"

#include <fcntl.h>
#include <string.h>

#include "base/bytes.h"
#include "base/io.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

static char told[8192];

static void keep(enum log_level level, const char *agent, const char *replica, const char *text)
{
	size_t n = strlen(told);

	(void)snprintf(told + n, sizeof(told) - n, "%d %s %s %s\n", (int)level, agent ? agent : "-",
		replica ? replica : "-", text);
}

static int forget(void **state)
{
	(void)state;
	told[0] = '\0';
	log_to(NULL, LOG_LEVEL_INFO);
	return 0;
}

static void test_the_sink_is_told_the_fields(void **state)
{
	(void)state;
	log_to(keep, LOG_LEVEL_DEBUG);
	log_err("disk %s", "full");
	log_line(LOG_LEVEL_INFO, "web", "web.0", "started in %d ms", 7);
	log_debug("x");
	assert_string_equal(told, "0 - - disk full\n2 web web.0 started in 7 ms\n3 - - x\n");
}

static void test_the_level_filters(void **state)
{
	(void)state;
	log_to(keep, LOG_LEVEL_WARN);
	log_err("a");
	log_warn("b");
	log_info("c");
	log_debug("d");
	assert_string_equal(told, "0 - - a\n1 - - b\n");
}

static void test_a_line_stays_one_line(void **state)
{
	(void)state;
	log_to(keep, LOG_LEVEL_INFO);
	log_info("one\n<0>two\x1b[31m\tthree\x7f é");
	assert_string_equal(told, "2 - - one <0>two [31m three  é\n");
}

/* Standard error goes to a file for the length of one line. */
static void standard_error_of(const char *agent, const char *replica, const char *text, struct bytes *out)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	int file = open(tmpdir_path(&dir, "err"), O_CREAT | O_RDWR | O_CLOEXEC, 0600), was = dup(STDERR_FILENO);
	struct err e;

	assert_true(file >= 0 && was >= 0);
	assert_true(dup2(file, STDERR_FILENO) >= 0);
	log_line(LOG_LEVEL_WARN, agent, replica, "%s", text);
	assert_true(dup2(was, STDERR_FILENO) >= 0);
	assert_int_equal(close(file), 0);
	assert_int_equal(close(was), 0);
	assert_int_equal(io_read_file(AT_FDCWD, tmpdir_path(&dir, "err"), out, &e), 0);
}

static void test_standard_error(void **state)
{
	struct bytes out = {.max = 4096};
	char longest[4000];

	(void)state;
	standard_error_of(NULL, NULL, "plain", &out);
	assert_string_equal(out.v, "<4>plain\n");
	standard_error_of("web", NULL, "of an agent", &out);
	assert_string_equal(out.v, "<4>web: of an agent\n");
	standard_error_of("web", "web.0", "of a replica", &out);
	assert_string_equal(out.v, "<4>web.0: of a replica\n");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	standard_error_of("web", "web.0", longest, &out);
	assert_int_equal(out.n, 1023);
	assert_int_equal(out.v[out.n - 1], '\n');
	bytes_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_sink_is_told_the_fields, forget),
		cmocka_unit_test_setup(test_the_level_filters, forget),
		cmocka_unit_test_setup(test_a_line_stays_one_line, forget),
		cmocka_unit_test_setup(test_standard_error, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
