/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion comes from the tables: what each command takes is understood, and half a line draws what may come next.
 * No daemon is asked here: with one, tests/edge/test_completion.sh.
 */
#include <string.h>

#include "cli/complete.h"
#include "tests/lib/test.h"

#include <fcntl.h>
#include <unistd.h>

static char out[65536];

/* What is offered behind the words, the last being under the cursor. */
static const char *offered(size_t n, const char *const *words)
{
	struct cli c = {0};
	int fds[2], was = dup(STDOUT_FILENO);
	size_t have = 0;
	ssize_t got;

	assert_int_equal(pipe(fds), 0);
	assert_true(dup2(fds[1], STDOUT_FILENO) >= 0);
	assert_int_equal(close(fds[1]), 0);
	bytes_init(&c.out, sizeof(out) - 1); /* a pipe takes as much */
	assert_int_equal(complete_run(&c, (int)n, words), CLI_DONE);
	bytes_done(&c.out);
	control_client_close(c.client);
	assert_true(dup2(was, STDOUT_FILENO) >= 0);
	assert_int_equal(close(was), 0);
	while ((got = read(fds[0], out + have, sizeof(out) - 1 - have)) > 0)
		have += (size_t)got;
	assert_int_equal(close(fds[0]), 0);
	out[have] = '\0';
	return out;
}

#define LINE(...) offered(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *const[]){__VA_ARGS__})

static unsigned lines(const char *s)
{
	unsigned n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static void all_that_commands_take_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_commands; i++)
		if (!complete_knows(commands[i].args))
			fail_msg("%s takes '%s', of which completion knows nothing: cli/complete.c", commands[i].name,
				commands[i].args);
	assert_false(complete_knows("AGENT WHAT"));
	assert_false(complete_knows("a|WHAT"));
	assert_true(complete_knows("a | b [FILE...]"));
}

static void commands_come_first(void **state)
{
	(void)state;
	assert_int_equal(lines(LINE("")), n_commands);
	assert_string_equal(LINE("relo"), "reload\thave the daemon read its agents_dir again\n");
	assert_string_equal(LINE("--timeout", "5s", "relo"), "reload\thave the daemon read its agents_dir again\n");
	assert_string_equal(LINE("nothing-such"), "");
	assert_string_equal(LINE("help", "unforget"), "");
	assert_string_equal(LINE("help", "forg"), "forget\ttell the others that a dead node will not come back\n");
}

static void words_of_a_command(void **state)
{
	(void)state;
	assert_string_equal(LINE("rollout", ""), "status\npause\nresume\nundo\n");
	assert_string_equal(LINE("rollout", "p"), "pause\n");
	assert_string_equal(LINE("pki", ""), "init\nissue\nsign\n");
	assert_string_equal(LINE("pki", "sign", ""), ":file\n");
	assert_string_equal(LINE("pki", "init", ""), "");
	assert_string_equal(LINE("apply", ""), ":file\n");
	assert_string_equal(LINE("apply", "a.yaml", "b"), ":file\n");
	assert_string_equal(LINE("backup", "x", ""), ""); /* one file alone */
	assert_string_equal(LINE("status", "--socket", ""), ":file\n");
	assert_string_equal(LINE("status", "--socket", "=", ""), ":file\n");
}

static void options_of_a_command(void **state)
{
	(void)state;
	assert_string_equal(
		LINE("apply", "--if"), "--if-version\trefuse unless the agent is at version N (0: not there yet)\n");
	assert_string_equal(LINE("status", "--if"), "");
	assert_string_equal(LINE("--ver"), "--version\tthe same as the command version\n");
	assert_string_equal(LINE("scale", "--op", ""), ""); /* nobody knows it */
	assert_string_equal(LINE("logs", "-n", ""), "");
}

static void names_need_a_daemon(void **state)
{
	(void)state;
	assert_string_equal(LINE("--socket", "/nonexistent/covey.sock", "logs", ""), "");
	assert_string_equal(LINE("--socket", "/nonexistent/covey.sock", "drain", ""), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_that_commands_take_is_understood),
		cmocka_unit_test(commands_come_first),
		cmocka_unit_test(words_of_a_command),
		cmocka_unit_test(options_of_a_command),
		cmocka_unit_test(names_need_a_daemon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
