/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/sm: every (state, state) of a table moves exactly where it says, and a move that it does not allow aborts.
 */
#include "base/sm.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/lib/test.h"

enum lamp { OFF, RED, GREEN, LAMP_MAX };

static const struct sm_state lamp[] = {
	[OFF] = {"off", SM_TO(RED)},
	[RED] = {"red", SM_TO(GREEN) | SM_TO(OFF)},
	[GREEN] = {"green", SM_TO(GREEN) | SM_TO(OFF)},
};
_Static_assert(ARRAY_LEN(lamp) == LAMP_MAX, "a row for each state");

static const bool allowed[LAMP_MAX][LAMP_MAX] = {
	[OFF] = {[RED] = true},
	[RED] = {[GREEN] = true, [OFF] = true},
	[GREEN] = {[GREEN] = true, [OFF] = true},
};

/* Whether fn aborts; in a child, without a core file and without its message. */
static bool aborts(void (*fn)(int at, int to), int at, int to)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0}); /* a core file would only be litter */
		(void)signal(SIGABRT, SIG_DFL);
		(void)close(STDERR_FILENO);
		fn(at, to);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void move(int at, int to)
{
	sm_move(lamp, LAMP_MAX, &at, to);
	if (at != to)
		_exit(1);
}

static void test_every_move(void **state)
{
	(void)state;
	for (int at = 0; at < LAMP_MAX; at++)
		for (int to = 0; to < LAMP_MAX; to++) {
			assert_int_equal(sm_may_move(lamp, LAMP_MAX, at, to), allowed[at][to]);
			assert_int_equal(aborts(move, at, to), !allowed[at][to]);
		}
}

static void ask(int at, int to)
{
	(void)sm_may_move(lamp, LAMP_MAX, at, to); /* only whether it aborts is looked at */
}

static void test_a_state_outside_of_the_table_aborts(void **state)
{
	(void)state;
	assert_true(aborts(ask, -1, OFF));
	assert_true(aborts(ask, LAMP_MAX, OFF));
	assert_true(aborts(ask, OFF, -1));
	assert_true(aborts(ask, OFF, LAMP_MAX));
	assert_false(aborts(ask, OFF, GREEN));
}

static void test_a_table_has_up_to_32_states(void **state)
{
	struct sm_state table[32] = {[31] = {"last", SM_TO(31)}};

	(void)state;
	table[0].to = SM_TO(31);
	assert_true(sm_may_move(table, 32, 0, 31));
	assert_true(sm_may_move(table, 32, 31, 31));
	assert_false(sm_may_move(table, 32, 31, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_move),
		cmocka_unit_test(test_a_state_outside_of_the_table_aborts),
		cmocka_unit_test(test_a_table_has_up_to_32_states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
