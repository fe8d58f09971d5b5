/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fuse of a leased replica, with the real clock: it holds while it is renewed, burns when it is not, and needs no
 * daemon for that. (Sleeps and steps of the clock cannot be had here: tests/unit/test_shim_parts.)
 */
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

static void plan_leased(struct kit *k, struct kit_plan *p, uint32_t more)
{
	kit_plan(k, p, "trap '' TERM; (setsid sleep 1000 &); echo up; while :; do sleep 0.1; done");
	p->p.flags |= SHIM_FLAG_ARMED | more;
}

static void renewed_it_holds_and_then_burns(void **state)
{
	static const uint32_t flags[] = {0, SHIM_FLAG_NEW_PIDNS};
	struct kit *k = *state;
	struct kit_plan p;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		int64_t renewed = 0, ended;

		kit_arm(k, 3000);
		plan_leased(k, &p, flags[i]);
		kit_run(k, &p);
		kit_wait_log(k, "up\n");
		for (int n = 0; n < 40; n++) {
			kit_arm(k, 3000);
			renewed = wait_mono_ms();
			assert_true(kit_poll(k, 100));
			assert_false(k->exited);
		}
		(void)kit_end(k);
		ended = wait_mono_ms();
		assert_int_equal(k->exit.kind, SHIM_FENCED);
		assert_string_equal(k->exit.detail, "its lease ran out before it was renewed");
		assert_int_equal(k->exit.signal, SIGKILL);
		assert_true(ended - renewed >= 2950);
		assert_int_equal(kit_pids(k), 0);
		(void)remove(k->log_path);
	}
}

static void a_lease_that_is_over_starts_nothing(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_arm(k, -1);
	plan_leased(k, &p, SHIM_FLAG_NEW_PIDNS);
	kit_start(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_FENCED);
	assert_int_equal(k->exit.pid, 0);
	assert_string_equal(kit_log(k, NULL), "");
}

static void an_armed_run_without_a_page_does_not_start(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	plan_leased(k, &p, 0);
	kit_start(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_string_equal(k->exit.detail, "lease");
}

static void it_burns_without_a_daemon(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_arm(k, 3000);
	plan_leased(k, &p, SHIM_FLAG_NEW_PIDNS);
	kit_run(k, &p);
	kit_hang_up(k);
	assert_int_equal(kit_record(k)->kind, SHIM_FENCED);
	kit_reap(k);
	assert_int_equal(kit_pids(k), 0);
}

/* The namespace's init watches by itself, so that a shim that is stuck does not keep its replica. */
static void it_burns_though_the_shim_hangs(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_arm(k, 3000);
	plan_leased(k, &p, SHIM_FLAG_NEW_PIDNS);
	kit_run(k, &p);
	assert_int_equal(kill(k->pid, SIGSTOP), 0);
	WAIT_UNTIL(kit_pids(k) == 0, WAIT_BOUND_S);
	assert_int_equal(kill(k->pid, SIGCONT), 0);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_FENCED);
}

/* Unarmed it outlives its daemons; armed by the next one, it burns, by the shim and by the namespace's init alike. */
static void unarmed_it_holds_until_it_is_armed(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	for (int hangs = 0; hangs < 2; hangs++) {
		int64_t armed;

		kit_unarmed(k);
		plan_leased(k, &p, SHIM_FLAG_NEW_PIDNS);
		kit_run(k, &p);
		kit_hang_up(k);
		kit_connect(k);
		kit_send(k, SHIM_QUERY, NULL, 0);
		kit_until(k, SHIM_HELLO);
		assert_int_equal(k->hello.state, SHIM_RUNNING);
		armed = wait_mono_ms();
		kit_arm(k, 3000);
		kit_send(k, SHIM_ARM, NULL, 0);
		kit_until(k, SHIM_ARMED);
		assert_int_equal(k->armed.deadline_boot_ns, k->page->deadline_boot_ns);
		if (hangs) {
			assert_int_equal(kill(k->pid, SIGSTOP), 0);
			WAIT_UNTIL(kit_pids(k) == 0, WAIT_BOUND_S);
			assert_int_equal(kill(k->pid, SIGCONT), 0);
		}
		(void)kit_end(k);
		assert_int_equal(k->exit.kind, SHIM_FENCED);
		assert_true(wait_mono_ms() - armed >= 1450);
		assert_int_equal(kit_pids(k), 0);
	}
}

static void an_armed_run_ends_and_stops_as_any(void **state)
{
	const int nrs[] = {SYS_reboot};
	struct kit *k = *state;
	struct kit_plan p;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	kit_arm(k, 3600000);
	plan_leased(k, &p, SHIM_FLAG_NEW_PIDNS);
	p.argv[2] = "exit 12";
	kit_run(k, &p);
	assert_int_equal(kit_end(k)->code, 12);
	p.argv[0] = "/not/there";
	kit_start(k, &p);
	assert_int_equal(kit_end(k)->kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.stage, SHIM_STAGE_EXEC);
	plan_leased(k, &p, SHIM_FLAG_NEW_PIDNS);
	kit_run(k, &p);
	kit_stop(k, SIGTERM, 100, SHIM_WHY_STOPPED, "");
	assert_int_equal(kit_end(k)->kind, SHIM_SIGNALED);
	assert_int_equal(kit_pids(k), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(renewed_it_holds_and_then_burns),
		CASE(a_lease_that_is_over_starts_nothing),
		CASE(an_armed_run_without_a_page_does_not_start),
		CASE(it_burns_without_a_daemon),
		CASE(it_burns_though_the_shim_hangs),
		CASE(unarmed_it_holds_until_it_is_armed),
		CASE(an_armed_run_ends_and_stops_as_any),
	};

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
