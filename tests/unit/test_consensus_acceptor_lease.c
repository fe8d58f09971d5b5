/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases as a voter sees them: what it grants, guards and forbids, and until when.
 */
#include "tests/lib/acceptor_story.h"

static void renew(struct world *w, char from, uint64_t number, uint32_t slot, uint64_t epoch, uint32_t tf_ms)
{
	struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = epoch};

	hear(w, from, (struct msg){.type = MSG_RENEW, .number = number, .tf_ms = tf_ms, .leases = &l, .n_leases = 1});
}

static void release(struct world *w, char from, uint64_t number, uint32_t slot, uint64_t epoch)
{
	struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = epoch};

	hear(w, from, (struct msg){.type = MSG_RELEASE, .number = number, .leases = &l, .n_leases = 1});
}

/* What was given out before those were given up who may have given it to another is renewed no more. */
static void test_a_lease_of_an_earlier_era(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	w.cfg = story_cfg(QUORUM_ERA_STEP, "a", "");
	hear(&w, 'b', (struct msg){.type = MSG_SEAL});
	stored(&w, w.write);
	renew(&w, 'x', 1, 0, 1, 2000);
	assert_int_equal(w.outs.n, 1);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_MOVING);
	renew(&w, 'x', 2, 0, QUORUM_ERA_STEP + 1, 2000); /* it is another epoch, which the value does not say */
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_VALUE);
	done(&w);
}

static void test_granted_guarded_and_over(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11y2");
	renew(&w, 'x', 1, 0, 1, 2000);
	w.now_ms = 100;
	prepare(&w, 'b', "web", 2);
	stored(&w, w.write);
	accept_value(&w, 'b', "web", 2, "0z31y2");
	renew(&w, 'x', 2, 0, 1, 2000);
	w.now_ms = 3100;
	accept_value(&w, 'b', "web", 2, "0z31y2");
	stored(&w, w.write);
	renew(&w, 'x', 3, 0, 1, 2000);
	renew(&w, 'z', 1, 0, 3, 2000);
	TRACE_IS(&w.t, "[     0] x: renew e1; web.0/1\n"
		       "         -> x: grant e1; web.0/1 granted\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 3100]\n"
		       "[   100] b: prepare e1 web 2.a100\n"
		       "         -> write 4: web 2.a100 1.a100\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 2.a100 1.a100 [0 "
		       "b700/1 3100]\n"
		       "[   100] stored 4\n"
		       "         -> b: promise e1 web 2.a100 on 1.a100 '0x11y2' [0x1 3000 ms]\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 1.a100 [0 "
		       "b700/1 3100]\n"
		       "[   100] b: accept e1 web 2.a100 '0z31y2'\n"
		       "         -> b: refused e1 web: a lease is live, 3000 ms left\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 1.a100 [0 "
		       "b700/1 moving 3100]\n"
		       "[   100] x: renew e1; web.0/1\n"
		       "         -> x: grant e1; web.0/1 the slot is about to move\n"
		       "[  3100] b: accept e1 web 2.a100 '0z31y2'\n"
		       "         -> write 5: web 2.a100 2.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 4/5 waiting 1 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[  3100] stored 5\n"
		       "         -> b: accepted e1 web 2.a100\n"
		       "         = e1 {a000 a100 a200} disk 5/5 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[  3100] x: renew e1; web.0/1\n"
		       "         -> x: grant e1; web.0/1 the slot is not the asker's there\n"
		       "[  3100] z: renew e1; web.0/3\n"
		       "         -> z: grant e1; web.0/3 granted\n"
		       "         = e1 {a000 a100 a200} disk 5/5 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b900/3 6200]\n");
	done(&w);
}

/* By newest value "0x1": who asks for what, and what comes of it. */
static void test_each_renewal(void **state)
{
	static const struct {
		char from;
		uint64_t number;
		uint32_t slot, epoch, tf_ms;
		enum msg_why why;
	} v[] = {
		{'x', 5, 0, 1, 2000, MSG_WHY_NONE},
		{'x', 5, 0, 1, 2000, MSG_WHY_NUMBER}, /* doubled on the way */
		{'x', 4, 0, 1, 2000, MSG_WHY_NUMBER},
		{'x', 6, 0, 1, 2000, MSG_WHY_NONE},
		{'y', 7, 0, 1, 2000, MSG_WHY_VALUE},
		{'x', 7, 0, 2, 2000, MSG_WHY_VALUE},
		{'x', 7, 1, 1, 2000, MSG_WHY_VALUE},
		{'x', 7, 0, 1, MSG_TF_MAX_MS + 1, MSG_WHY_TF},
		{'x', 8, 0, 1, 1000, MSG_WHY_NONE},
	};
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		renew(&w, v[i].from, v[i].number, v[i].slot, v[i].epoch, v[i].tf_ms);
		assert_int_equal(w.outs.n, 1);
		assert_int_equal(w.outs.v[0].msg.type, MSG_GRANT);
		assert_int_equal(w.outs.v[0].msg.leases[0].why, v[i].why);
	}
	done(&w);
	setup(&w); /* knows no times of leases */
	w.quiet = true;
	accept_value(&w, 'b', "web", 1, "0x1");
	stored(&w, 1);
	renew(&w, 'x', 1, 0, 1, 2000);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_TF);
	done(&w);
}

/* What a guard of slot 0 (x, 1) forbids, and what it does not. */
static void test_each_value_under_a_guard(void **state)
{
	static const struct {
		const char *value;
		bool may;
	} v[] = {{"0x1", true}, {"0x1new", true}, {"0x11z9", true}, {"1y2", false}, {"", false}, {"0x2", false},
		{"0y1", false}};
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		with(&w, "0x11y2");
		w.quiet = true;
		renew(&w, 'x', 1, 0, 1, 2000);
		accept_value(&w, 'b', "web", 2, v[i].value);
		assert_int_equal(w.outs.v[0].type, v[i].may ? ACCEPTOR_OUT_REGISTER : ACCEPTOR_OUT_SEND);
		if (!v[i].may) {
			assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_GUARD);
			assert_int_equal(w.outs.v[0].msg.left_ms, 3100);
		}
		done(&w);
	}
}

/* It is told by the newest value, and answered when that is durable. */
static void test_a_grant_waits_for_its_value(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	accept_value(&w, 'b', "web", 2, "0y2");
	renew(&w, 'x', 1, 0, 1, 2000);
	renew(&w, 'y', 1, 0, 2, 2000);
	w.now_ms = 40;
	stored(&w, w.write);
	TRACE_IS(&w.t, "[     0] b: accept e1 web 2.a100 '0y2'\n"
		       "         -> write 4: web 2.a100 2.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[     0] x: renew e1; web.0/1\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 2 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[     0] y: renew e1; web.0/2\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 3 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b800/2 3100]\n"
		       "[    40] stored 4\n"
		       "         -> b: accepted e1 web 2.a100\n"
		       "         -> x: grant e1; web.0/1 the slot is not the asker's there\n"
		       "         -> y: grant e1; web.0/2 granted\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b800/2 3100]\n");
	done(&w);
}

static void test_a_restart_waits(void **state)
{
	struct world w = {.cfg = story_cfg(1, "abc", ""), .now_ms = 1000};

	(void)state;
	with_again(&w, "0x1", 8600); /* longer than by the times now */
	prepare(&w, 'c', "web", 2);
	stored(&w, w.write);
	accept_value(&w, 'c', "web", 2, "0y2");
	accept_value(&w, 'c', "web", 2, "0x1new");
	renew(&w, 'x', 1, 0, 1, 2000);
	w.now_ms = 9600;
	stored(&w, w.write);
	accept_value(&w, 'c', "web", 3, "0y2");
	TRACE_IS(&w.t,
		"[  1000] c: prepare e1 web 2.a200\n"
		"         -> write 10: web 2.a200 1.a100\n"
		"         = e1 {a000 a100 a200} disk 9/10 waiting 1 restarted | / 1.a100 1.a100 | web 2.a200 1.a100\n"
		"[  1000] stored 10\n"
		"         -> c: promise e1 web 2.a200 on 1.a100 '0x1' [0x1 8600 ms]\n"
		"         = e1 {a000 a100 a200} disk 10/10 waiting 0 restarted | / 1.a100 1.a100 | web 2.a200 1.a100\n"
		"[  1000] c: accept e1 web 2.a200 '0y2'\n"
		"         -> c: refused e1 web: a voter was just started, and waits for leases that it may have "
		"granted, 8600 ms left\n"
		"[  1000] c: accept e1 web 2.a200 '0x1new'\n"
		"         -> write 11: web 2.a200 2.a200 and its value\n"
		"         = e1 {a000 a100 a200} disk 10/11 waiting 1 restarted | / 1.a100 1.a100 | web 2.a200 2.a200\n"
		"[  1000] x: renew e1; web.0/1\n"
		"         = e1 {a000 a100 a200} disk 10/11 waiting 2 restarted | / 1.a100 1.a100 | web 2.a200 2.a200 "
		"[0 b700/1 4100]\n"
		"[  9600] stored 11\n"
		"         -> c: accepted e1 web 2.a200\n"
		"         -> x: grant e1; web.0/1 granted\n"
		"         = e1 {a000 a100 a200} disk 11/11 waiting 0 | / 1.a100 1.a100 | web 2.a200 2.a200\n"
		"[  9600] c: accept e1 web 3.a200 '0y2'\n"
		"         -> write 12: web 3.a200 3.a200 and its value\n"
		"         = e1 {a000 a100 a200} disk 11/12 waiting 1 | / 1.a100 1.a100 | web 3.a200 3.a200\n");
	done(&w);
}

static void test_a_resume_waits_too(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	w.now_ms = 50000;
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_RESUMED});
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_WAIT);
	w.now_ms = 53100;
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_REGISTER);
	done(&w);
}

static void test_a_long_grant_is_on_disk(void **state)
{
	struct msg_key web = story_key("web");
	struct msg_slot was = {.slot = 0, .owner = story_node('x'), .epoch = 1};
	struct world w;

	(void)state;
	with(&w, "0x1");
	renew(&w, 'x', 1, 0, 1, 60000);
	stored(&w, w.write);
	TRACE_IS(&w.t, "[     0] x: renew e1; web.0/1\n"
		       "         -> write 4: 1 leases of x guarded for 73945 ms\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 73945]\n"
		       "[     0] stored 4\n"
		       "         -> x: grant e1; web.0/1 granted\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 73945]\n");
	done(&w);
	memset(&w, 0, sizeof(w));
	w.cfg = story_cfg(1, "abc", "");
	w.quiet = true;
	with_again(&w, "0x1", 3100);
	assert_int_equal(acceptor_load_long(w.a, &web, &was, 73945), 0);
	was.epoch = 7; /* of a value that is not the newest any more: it was over */
	assert_int_equal(acceptor_load_long(w.a, &web, &was, 73945), 0);
	assert_int_equal(acceptor_left_ms(w.a, story_now(0)), 73945);
	w.now_ms = 73944;
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_GUARD);
	w.now_ms = 73945;
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_REGISTER);
	done(&w);
}

static void test_a_release_is_final(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	renew(&w, 'x', 1, 0, 1, 2000);
	release(&w, 'x', 2, 0, 7); /* another epoch */
	release(&w, 'y', 3, 0, 1); /* not its own */
	release(&w, 'x', 1, 0, 1); /* older than the renewal */
	release(&w, 'x', 4, 0, 1);
	renew(&w, 'x', 5, 0, 1, 2000);
	accept_value(&w, 'b', "web", 2, "0y2");
	TRACE_IS(&w.t,
		"[     0] x: renew e1; web.0/1\n"
		"         -> x: grant e1; web.0/1 granted\n"
		"         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 b700/1 "
		"3100]\n"
		"[     0] x: release e1; web.0/7\n"
		"[     0] y: release e1; web.0/1\n"
		"[     0] x: release e1; web.0/1\n"
		"[     0] x: release e1; web.0/1\n"
		"         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 b700/1 0]\n"
		"[     0] x: renew e1; web.0/1\n"
		"         -> x: grant e1; web.0/1 that epoch was released\n"
		"[     0] b: accept e1 web 2.a100 '0y2'\n"
		"         -> write 4: web 2.a100 2.a100 and its value\n"
		"         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 2.a100 2.a100\n");
	done(&w);
}

/* Who was about to lose a slot and keeps it after all is granted again. */
static void test_a_value_that_keeps_the_owner(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	renew(&w, 'x', 1, 0, 1, 2000);
	accept_value(&w, 'b', "web", 2, "0y2");
	renew(&w, 'x', 2, 0, 1, 2000);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_MOVING);
	accept_value(&w, 'c', "web", 3, "0x1new");
	stored(&w, w.write);
	renew(&w, 'x', 3, 0, 1, 2000);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_NONE);
	done(&w);
}

static void test_how_long(void **state)
{
	(void)state;
	assert_int_equal(value_guard_ms(2000, 500), 3056);
	assert_int_equal(value_guard_ms(6000, 1000), 8556);
	assert_int_equal(value_guard_ms(60000, 500), 73945);
	assert_int_equal(value_guard_ms(UINT32_MAX, UINT32_MAX), UINT32_MAX);
	/* The holder's clock as slow, the voter's as fast as may be: whole, the guard outlasts the fuse. */
	for (uint32_t ms = 1; ms < 100000; ms += 7)
		assert_true((uint64_t)value_wait_ms(ms) * 9 >= (uint64_t)ms * 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lease_of_an_earlier_era),
		cmocka_unit_test(test_granted_guarded_and_over),
		cmocka_unit_test(test_each_renewal),
		cmocka_unit_test(test_each_value_under_a_guard),
		cmocka_unit_test(test_a_grant_waits_for_its_value),
		cmocka_unit_test(test_a_restart_waits),
		cmocka_unit_test(test_a_resume_waits_too),
		cmocka_unit_test(test_a_long_grant_is_on_disk),
		cmocka_unit_test(test_a_release_is_final),
		cmocka_unit_test(test_a_value_that_keeps_the_owner),
		cmocka_unit_test(test_how_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
