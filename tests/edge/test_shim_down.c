/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGTERM to a shim is the end of its host, or of the unit that agents live in: the agent is stopped as its definition
 * says, with a daemon or without one.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/shimkit.h"

static unsigned files_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	for (const struct dirent *de = readdir(d); de; de = readdir(d))
		n += de->d_name[0] != '.';
	(void)closedir(d); /* read only */
	return n;
}

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

static void the_agent_is_stopped_as_its_plan_says(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap 'echo bye; exit 5' INT; trap 'echo wrong' TERM; echo up; while :; do sleep 0.01; done");
	p.p.stop_signal = SIGINT;
	p.p.stop_timeout_ms = 60000;
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_int_equal(k->exit.code, 5);
	assert_int_equal(k->exit.why, SHIM_WHY_STOPPED);
	assert_string_equal(k->exit.why_text, "with all agents of its host");
	assert_string_equal(kit_log(k, NULL), "up\nbye\n");
}

/* Whoever ends a host's agents asks until they are gone; the agent hears of it once. */
static void asked_again_it_changes_nothing(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p,
		"trap 'n=$((n+1)); echo heard' TERM; trap 'exit $n' USR1; n=0; echo up; while :; do sleep 0.01; done");
	p.p.stop_signal = SIGTERM;
	p.p.stop_timeout_ms = 60000;
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	for (int i = 0; i < 5; i++) {
		assert_int_equal(kill(k->pid, SIGTERM), 0);
		kit_wait_log(k, "up\nheard\n");
		kit_send(k, SHIM_QUERY, NULL, 0);
		kit_until(k, SHIM_HELLO); /* it has turned, and so read the signal */
	}
	assert_int_equal(k->hello.state, SHIM_STOPPING);
	assert_int_equal(kill(k->hello.pid, SIGUSR1), 0);
	assert_int_equal(kit_end(k)->code, 1);
}

static void who_does_not_go_is_killed_at_its_timeout(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap '' TERM; echo up; while :; do sleep 0.1; done");
	p.p.stop_signal = SIGTERM;
	p.p.stop_timeout_ms = 50;
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	(void)kit_end(k);
	assert_int_equal(k->exit.signal, SIGKILL);
	assert_int_equal(k->exit.escalated, 1);
	assert_int_equal(kit_pids(k), 0);
}

static void without_a_daemon_there_is_a_record(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done");
	kit_run(k, &p); /* its plan is of a daemon that did not say how: TERM */
	kit_wait_log(k, "up\n");
	kit_hang_up(k);
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_int_equal(kit_record(k)->code, 6);
	assert_int_equal(k->exit.why, SHIM_WHY_STOPPED);
	kit_reap(k);
}

/* run_dir is memory, and goes with the host. */
static void the_record_outlives_the_host(struct kit *k, bool daemon)
{
	struct kit_plan p;

	assert_int_equal(mkdir(k->ends, 0700), 0);
	kit_plan(k, &p, "trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done");
	p.dir_ends = k->ends;
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	if (!daemon)
		kit_hang_up(k);
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	if (daemon)
		(void)kit_end(k);
	assert_int_equal(kit_record(k)->code, 6);
	if (!daemon)
		kit_reap(k);
	assert_int_equal(files_in(k->ends), 1); /* and nothing that was written aside */
	assert_int_equal(files_in(k->shims), 0);
}

static void the_record_outlives_the_host_with_a_daemon(void **state)
{
	the_record_outlives_the_host(*state, true);
}

static void the_record_outlives_the_host_without_one(void **state)
{
	the_record_outlives_the_host(*state, false);
}

/* That nobody heard of it is enough: who knows when the next daemon comes. */
static void an_end_without_a_daemon_outlives_the_host(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	assert_int_equal(mkdir(k->ends, 0700), 0);
	kit_plan(k, &p, "trap 'exit 9' USR1; echo up; while :; do sleep 0.01; done");
	p.dir_ends = k->ends;
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_hang_up(k);
	assert_int_equal(kill(k->hello.pid, SIGUSR1), 0);
	assert_int_equal(kit_record(k)->code, 9);
	assert_int_equal(k->exit.why, SHIM_WHY_NONE);
	kit_reap(k);
}

/* What the daemon is told costs no disk. */
static void an_end_that_is_told_stays_in_memory(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exit 2");
	p.dir_ends = k->ends;
	kit_run(k, &p);
	assert_int_equal(kit_end(k)->code, 2);
	assert_int_equal(files_in(k->shims), 1);
}

/* Better there than nowhere. */
static void without_that_folder_it_is_beside_the_sockets(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap 'exit 6' TERM; echo up; while :; do sleep 0.01; done");
	p.dir_ends = k->ends;
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_hang_up(k);
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	assert_int_equal(kit_record(k)->code, 6);
	kit_reap(k);
	assert_int_equal(files_in(k->shims), 1);
}

static void one_that_waits_for_a_plan_goes(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exit 3");
	p.p.flags |= SHIM_FLAG_STAY;
	kit_run(k, &p);
	assert_int_equal(kit_end_of_run(k)->code, 3);
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	kit_reap(k);
}

/* It was told of the end and gone: what its shim still owes is written where it is safe. */
static void one_that_waits_leaves_its_record_there(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	assert_int_equal(mkdir(k->ends, 0700), 0);
	kit_plan(k, &p, "exit 3");
	p.dir_ends = k->ends;
	p.p.flags |= SHIM_FLAG_STAY;
	kit_run(k, &p);
	kit_until(k, SHIM_EXIT);
	assert_int_equal(kill(k->pid, SIGTERM), 0);
	kit_reap(k);
	assert_int_equal(files_in(k->ends) + files_in(k->shims), 1);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_bed, close_bed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_agent_is_stopped_as_its_plan_says),
		CASE(asked_again_it_changes_nothing),
		CASE(who_does_not_go_is_killed_at_its_timeout),
		CASE(without_a_daemon_there_is_a_record),
		CASE(the_record_outlives_the_host_with_a_daemon),
		CASE(the_record_outlives_the_host_without_one),
		CASE(an_end_without_a_daemon_outlives_the_host),
		CASE(an_end_that_is_told_stays_in_memory),
		CASE(without_that_folder_it_is_beside_the_sockets),
		CASE(one_that_waits_for_a_plan_goes),
		CASE(one_that_waits_leaves_its_record_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
