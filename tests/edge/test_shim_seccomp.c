/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Refused system calls: named and counted, answered with EPERM or death, or let through and remembered. Filters are
 * written by hand.
 */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/lib/shimkit.h"

static int open_bed(void **state)
{
	static struct kit k;

	kit_open(&k);
	*state = &k;
	return 0;
}

static int close_bed(void **state)
{
	kit_close(*state);
	return 0;
}

static void refused_calls_are_counted_and_named(void **state)
{
	const int nrs[] = {SYS_mkdir, SYS_mkdirat, SYS_chdir};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, ARRAY_LEN(nrs), K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "for i in 1 2 3; do mkdir /tmp/never 2>&1 | grep -o 'not permitted'; done; cd /tmp || exit 8");
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.code, 8);
	assert_non_null(strstr(kit_log(k, NULL), "not permitted\nnot permitted\nnot permitted\n"));
	assert_int_equal(k->exit.refused.total, 4);
	assert_int_equal(k->exit.refused.kinds, 2);
	assert_true(k->exit.refused.v[0].nr == SYS_mkdir || k->exit.refused.v[0].nr == SYS_mkdirat);
	assert_int_equal(k->exit.refused.v[0].count, 3);
	assert_int_equal(k->exit.refused.v[1].nr, SYS_chdir);
	assert_int_equal(k->exit.refused_nr_last, SYS_chdir);
	assert_int_equal(k->exit.killed_by_seccomp, 0);
	assert_int_equal(k->refused.total, 4); /* told before the exit */
}

static void a_refused_call_kills(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "echo before; cd /tmp; echo after");
	p.p.flags |= SHIM_FLAG_SECCOMP_KILL;
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_SIGNALED);
	assert_int_equal(k->exit.signal, SIGSYS);
	assert_int_equal(k->exit.killed_by_seccomp, 1);
	assert_int_equal(k->exit.refused_nr_last, SYS_chdir);
	assert_string_equal(kit_log(k, NULL), "before\n");
}

static void who_ignores_sigsys_dies_too(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "trap '' SYS; cd /tmp; echo after");
	p.p.flags |= SHIM_FLAG_SECCOMP_KILL;
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.signal, SIGKILL);
	assert_int_equal(k->exit.killed_by_seccomp, 1);
	assert_string_equal(kit_log(k, NULL), "");
}

static void a_child_that_is_killed_is_not_the_agent(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "(cd /tmp); echo $?; exit 3");
	p.p.flags |= SHIM_FLAG_SECCOMP_KILL;
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.code, 3);
	assert_int_equal(k->exit.killed_by_seccomp, 0);
	assert_int_equal(k->exit.refused.total, 1);
	assert_non_null(strstr(kit_log(k, NULL), "159\n")); /* 128 + SIGSYS */
}

static bool learned(const struct shim_refused *r, int nr)
{
	return r->learned[nr / 8] >> nr % 8 & 1;
}

static void learning_lets_all_through(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter_learn(k);
	kit_plan(k, &p, "cd /tmp && pwd; exit 2");
	p.p.flags |= SHIM_FLAG_SECCOMP_LEARN;
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.code, 2);
	assert_string_equal(kit_log(k, NULL), "/tmp\n");
	assert_true(learned(&k->exit.refused, SYS_execve));
	assert_true(learned(&k->exit.refused, SYS_chdir));
	assert_true(learned(&k->exit.refused, SYS_exit_group));
	assert_false(learned(&k->exit.refused, SYS_mount));
	assert_int_equal(k->exit.refused_nr_last, 0);
}

/* A filter that refuses the exec itself: asked for by a custom profile, it must fail, not hang. */
static void an_exec_that_is_refused_is_a_failed_start(void **state)
{
	const int nrs[] = {SYS_execve};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "exit 1");
	kit_start(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.stage, SHIM_STAGE_EXEC);
	assert_int_equal(k->exit.error, EPERM);
	assert_int_equal(k->exit.refused_nr_last, SYS_execve);
}

static void a_program_that_is_no_filter_is_a_failed_start(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, NULL, 0, 0);
	assert_int_equal(ftruncate(k->filter, 8), 0); /* it loads a word and returns nothing */
	kit_plan(k, &p, "exit 1");
	kit_start(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.stage, SHIM_STAGE_SECCOMP);
	assert_int_equal(k->exit.error, EINVAL);
}

static void many_refusals_are_told_once_a_second(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;
	struct kit_plan p;
	unsigned told = 0;
	int64_t from;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_plan(k, &p, "i=0; while [ $i -lt 3000 ]; do cd /tmp; i=$((i+1)); done 2>/dev/null; exit 0");
	from = wait_mono_ms();
	kit_run(k, &p);
	while (!k->exited) {
		uint64_t before = k->refused.total;

		assert_true(kit_poll(k, 30000));
		told += k->refused.total != before;
	}
	assert_int_equal(k->exit.refused.total, 3000);
	assert_true(told <= (unsigned)((wait_mono_ms() - from) / 1000 + 3));
	kit_reap(k);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(refused_calls_are_counted_and_named),
		CASE(a_refused_call_kills),
		CASE(who_ignores_sigsys_dies_too),
		CASE(a_child_that_is_killed_is_not_the_agent),
		CASE(learning_lets_all_through),
		CASE(an_exec_that_is_refused_is_a_failed_start),
		CASE(a_program_that_is_no_filter_is_a_failed_start),
		CASE(many_refusals_are_told_once_a_second),
	};

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
