/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which leased slots a node may run, and until when, as one node sees it.
 */
#include <errno.h>

#include "tests/lib/holding_story.h"

static void test_it_starts_with_a_quorum_and_a_number(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_chosen(&w, "0/4", 5);
	teller_tick(&w, 0);
	teller_tick(&w, 500);
	teller_tick(&w, 1000); /* the disk said nothing */
	teller_number(&w, 4103);
	teller_tick(&w, 1010);
	w.now_ms = 1300;
	teller_grant(&w, "ac", 8, 0, 4, MSG_WHY_NONE);
	teller_grant(&w, "b", 8, 0, 4, MSG_WHY_VALUE);
	TRACE_IS(&w.t, "[     0] chosen, next 5: 0/4\n"
		       "         = number 7 of 7 | web.0/4 ours\n"
		       "[     0] tick\n"
		       "         -> number 4103 to disk\n"
		       "[   500] tick\n"
		       "[  1000] tick\n"
		       "         -> number 4103 to disk\n"
		       "[  1000] number 4103 is on disk\n"
		       "         = number 7 of 4103 | web.0/4 ours\n"
		       "[  1010] tick\n"
		       "         -> 3 voters: renew number 8 for 2000 ms; web.0/4\n"
		       "         = number 8 of 4103 | web.0/4 ours\n"
		       "[  1300] a: granted, number 8\n"
		       "[  1300] c: granted, number 8\n"
		       "         -> run 0/4 until 3010\n"
		       "         = number 8 of 4103 | web.0/4 ours until 3010\n"
		       "[  1300] b: the slot is not the asker's there, number 8\n"
		       "         -> identity change for web\n"
		       "         = number 8 of 4103 | web.0/4 ours until 3010 unknown\n");
	teller_done(&w);
}

/* A value may be older than what is known, or be said again; an epoch that was left behind does not come back. */
static void test_values_come_in_any_order(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_begin(&w, "0/4 1/5", 6);
	teller_grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	teller_chosen(&w, "", 4); /* from before they were given */
	teller_chosen(&w, "0/2", 4);
	teller_chosen(&w, "1/5", 9); /* 0 is another's, at an epoch up to 8 */
	teller_chosen(&w, "0/4 1/5", 6);
	teller_tick(&w, 700);
	teller_of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	teller_chosen(&w, "0/10 1/5", 11);
	TRACE_IS(&w.t, "[     0] a: granted, number 8\n"
		       "         = number 8 of 4103 | web.0/4 ours | web.1/5 ours\n"
		       "[     0] b: granted, number 8\n"
		       "         -> run 0/4 until 2000\n"
		       "         = number 8 of 4103 | web.0/4 ours until 2000 | web.1/5 ours\n"
		       "[     0] chosen, next 4: nothing\n"
		       "[     0] chosen, next 4: 0/2\n"
		       "[     0] chosen, next 9: 1/5\n"
		       "         -> stop 0/4\n"
		       "         = number 8 of 4103 | web.0/4 lost until 2000 | web.1/5 ours\n"
		       "[     0] chosen, next 6: 0/4 1/5\n"
		       "[   700] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.1/5\n"
		       "         = number 9 of 4103 | web.0/4 lost until 2000 | web.1/5 ours\n"
		       "[   700] empty 0/4\n"
		       "[   700] chosen, next 11: 0/10 1/5\n"
		       "         = number 9 of 4103 | web.0/10 ours | web.1/5 ours\n");
	teller_done(&w);
}

/* The same node again, at a newer epoch: what runs of the older one ends first. */
static void test_a_newer_epoch_of_ours(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_begin(&w, "0/4", 5);
	teller_grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	teller_chosen(&w, "0/7", 8);
	teller_chosen(&w, "0/5", 6);		      /* of between the two */
	teller_grant(&w, "c", 8, 0, 4, MSG_WHY_NONE); /* late */
	teller_of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	teller_tick(&w, 100);
	teller_grant(&w, "ab", 9, 0, 7, MSG_WHY_NONE);
	TRACE_IS(&w.t, "[     0] a: granted, number 8\n"
		       "         = number 8 of 4103 | web.0/4 ours\n"
		       "[     0] b: granted, number 8\n"
		       "         -> run 0/4 until 2000\n"
		       "         = number 8 of 4103 | web.0/4 ours until 2000\n"
		       "[     0] chosen, next 8: 0/7\n"
		       "         -> stop 0/4\n"
		       "         = number 8 of 4103 | web.0/4 lost until 2000 then 7\n"
		       "[     0] chosen, next 6: 0/5\n"
		       "[     0] c: granted, number 8\n"
		       "[     0] empty 0/4\n"
		       "         = number 8 of 4103 | web.0/7 ours\n"
		       "[   100] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.0/7\n"
		       "         = number 9 of 4103 | web.0/7 ours\n"
		       "[   100] a: granted, number 9\n"
		       "[   100] b: granted, number 9\n"
		       "         -> run 0/7 until 2100\n"
		       "         = number 9 of 4103 | web.0/7 ours until 2100\n");
	teller_done(&w);
}

static void test_a_release(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_begin(&w, "0/4", 5);
	teller_grant(&w, "ab", 8, 0, 4, MSG_WHY_NONE);
	teller_chosen(&w, "0/4 stop", 5);
	teller_tick(&w, 700);
	teller_grant(&w, "ab", 9, 0, 4, MSG_WHY_NONE); /* it takes its time to end */
	teller_of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	teller_tick(&w, 1700); /* the disk said nothing */
	teller_of_slot(&w, HOLDING_IN_RELEASED, 0, 4, 0);
	teller_tick(&w, 1701);
	teller_chosen(&w, "0/4", 5); /* it is final */
	teller_chosen(&w, "", 5);
	TRACE_IS(&w.t, "[     0] a: granted, number 8\n"
		       "         = number 8 of 4103 | web.0/4 ours\n"
		       "[     0] b: granted, number 8\n"
		       "         -> run 0/4 until 2000\n"
		       "         = number 8 of 4103 | web.0/4 ours until 2000\n"
		       "[     0] chosen, next 5: 0/4 stop\n"
		       "         -> stop 0/4\n"
		       "         = number 8 of 4103 | web.0/4 ending until 2000\n"
		       "[   700] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.0/4\n"
		       "         = number 9 of 4103 | web.0/4 ending until 2000\n"
		       "[   700] a: granted, number 9\n"
		       "[   700] b: granted, number 9\n"
		       "         -> goes on: 0/4 until 2700\n"
		       "         = number 9 of 4103 | web.0/4 ending until 2700\n"
		       "[   700] empty 0/4\n"
		       "         -> write the release of 0/4\n"
		       "         = number 9 of 4103 | web.0/4 empty\n"
		       "[  1700] tick\n"
		       "         -> write the release of 0/4\n"
		       "[  1700] released 0/4\n"
		       "         = number 9 of 4103 | web.0/4 released\n"
		       "[  1701] tick\n"
		       "         -> 3 voters: release number 10 for 0 ms; web.0/4\n"
		       "         = number 10 of 4103 | web.0/4 released\n"
		       "[  1701] chosen, next 5: 0/4\n"
		       "[  1701] chosen, next 5: nothing\n"
		       "         -> drop the release of 0/4\n");
	teller_done(&w);
}

/* The slot moves while its release is being written. */
static void test_a_release_that_is_overtaken(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_begin(&w, "0/4 stop 1/5 stop", 6);
	teller_of_slot(&w, HOLDING_IN_EMPTY, 0, 4, 0);
	teller_of_slot(&w, HOLDING_IN_EMPTY, 1, 5, 0);
	teller_chosen(&w, "1/7", 8);
	teller_of_slot(&w, HOLDING_IN_RELEASED, 0, 4, 0);
	teller_of_slot(&w, HOLDING_IN_RELEASED, 1, 5, 0);
	teller_tick(&w, 1);
	teller_tick(&w, 2);
	TRACE_IS(&w.t, "[     0] empty 0/4\n"
		       "         -> write the release of 0/4\n"
		       "         = number 8 of 4103 | web.0/4 empty | web.1/5 ending\n"
		       "[     0] empty 1/5\n"
		       "         -> write the release of 1/5\n"
		       "         = number 8 of 4103 | web.0/4 empty | web.1/5 empty\n"
		       "[     0] chosen, next 8: 1/7\n"
		       "         = number 8 of 4103 | web.0/4 empty | web.1/5 empty then 7\n"
		       "[     0] released 0/4\n"
		       "         -> drop the release of 0/4\n"
		       "         = number 8 of 4103 | web.0/4 released | web.1/5 empty then 7\n"
		       "[     0] released 1/5\n"
		       "         -> drop the release of 1/5\n"
		       "         = number 8 of 4103 | web.1/7 ours\n"
		       "[     1] tick\n"
		       "         -> 3 voters: release number 9 for 0 ms; web.0/4\n"
		       "         = number 9 of 4103 | web.1/7 ours\n"
		       "[     2] tick\n"
		       "         -> 3 voters: renew number 10 for 2000 ms; web.1/7\n"
		       "         = number 10 of 4103 | web.1/7 ours\n");
	teller_done(&w);
}

/* Who wrote a release and ended tells the voters again; and remembers it until it is left behind. */
static void test_a_release_that_was_on_disk(void **state)
{
	struct msg_key web = story_key("web");
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	assert_int_equal(holding_load(&w.h, &web, 0, 4, story_now(0)), 0);
	assert_int_equal(holding_load(&w.h, &web, 1, 3, story_now(0)), 0);
	teller_number(&w, 4103);
	teller_tick(&w, 0);
	teller_chosen(&w, "0/4 1/5", 6);
	teller_of_slot(&w, HOLDING_IN_FOUND, 0, 4, 1000);
	assert_int_equal(w.rc, -ESTALE);
	teller_tick(&w, 1);
	TRACE_IS(&w.t, "[     0] number 4103 is on disk\n"
		       "         = number 7 of 4103 | web.0/4 released | web.1/3 released\n"
		       "[     0] tick\n"
		       "         -> 3 voters: release number 8 for 0 ms; web.0/4; web.1/3\n"
		       "         = number 8 of 4103 | web.0/4 released | web.1/3 released\n"
		       "[     0] chosen, next 6: 0/4 1/5\n"
		       "         -> drop the release of 1/3\n"
		       "         = number 8 of 4103 | web.0/4 released | web.1/5 ours\n"
		       "[     0] found 0/4\n"
		       "[     1] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.1/5\n"
		       "         = number 9 of 4103 | web.0/4 released | web.1/5 ours\n");
	teller_done(&w);
}

/* A daemon that starts again hears of what runs, and of values that may be older than that. */
static void test_found(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_begin(&w, "0/3 2/4", 5);
	w.now_ms = 10;
	teller_of_slot(&w, HOLDING_IN_FOUND, 0, 7, 1500);
	teller_of_slot(&w, HOLDING_IN_FOUND, 1, 8, 1600);
	teller_of_slot(&w, HOLDING_IN_FOUND, 2, 2, 1700);
	teller_of_slot(&w, HOLDING_IN_FOUND, 3, 0, 1800);
	assert_int_equal(w.rc, -ESTALE); /* of no lease */
	teller_chosen(&w, "0/3 2/4", 5);
	teller_tick(&w, 20);
	teller_grant(&w, "abc", 9, 1, 8, MSG_WHY_VALUE);
	teller_tick(&w, 30);
	teller_chosen(&w, "0/7 2/4", 11);
	teller_of_slot(&w, HOLDING_IN_EMPTY, 2, 2, 0);
	TRACE_IS(&w.t,
		"[    10] found 0/7\n"
		"         = number 8 of 4103 | web.0/7 found until 1500 | web.2/4 ours\n"
		"[    10] found 1/8\n"
		"         = number 8 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 | web.2/4 ours\n"
		"[    10] found 2/2\n"
		"         -> stop 2/2\n"
		"         = number 8 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 | web.2/2 lost then "
		"4\n"
		"[    10] found 3/0\n"
		"[    10] chosen, next 5: 0/3 2/4\n"
		"[    20] tick\n"
		"         -> 3 voters: renew number 9 for 2000 ms; web.0/7; web.1/8\n"
		"         = number 9 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 | web.2/2 lost then "
		"4\n"
		"[    20] a: the slot is not the asker's there, number 9\n"
		"         -> identity change for web\n"
		"         = number 9 of 4103 | web.0/7 found until 1500 | web.1/8 found until 1600 unknown | web.2/2 "
		"lost then 4\n"
		"[    20] b: the slot is not the asker's there, number 9\n"
		"[    20] c: the slot is not the asker's there, number 9\n"
		"[    30] tick\n"
		"[    30] chosen, next 11: 0/7 2/4\n"
		"         -> run 0/7 until 1500\n"
		"         -> stop 1/8\n"
		"         = number 9 of 4103 | web.0/7 ours until 1500 | web.1/8 lost until 1600 | web.2/2 lost then "
		"4\n"
		"[    30] empty 2/2\n"
		"         = number 9 of 4103 | web.0/7 ours until 1500 | web.1/8 lost until 1600 | web.2/4 ours\n");
	teller_done(&w);
}

static void test_a_node_alone(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, true);
	w.h.lease.config.cfg = story_cfg(1, "x", "");
	assert_false(holding_is_armed(&w.h));
	teller_begin(&w, "0/4", 5);
	assert_false(holding_is_armed(&w.h));
	teller_chosen(&w, "0/4 1/5 2/6", 7);
	teller_chosen(&w, "0/4 1/5 2/6 stop", 7);
	teller_tick(&w, 700);
	TRACE_EVENT(&w.t, 700, "arm");
	teller_step(&w, &(struct holding_in){.type = HOLDING_IN_ARM});
	teller_tick(&w, 701);
	teller_grant(&w, "x", 8, 0, 4, MSG_WHY_NONE);
	teller_grant(&w, "x", 8, 1, 5, MSG_WHY_NONE);
	teller_of_slot(&w, HOLDING_IN_ARMED, 0, 4, 0);
	teller_of_slot(&w, HOLDING_IN_ARMED, 1, 5, 0);
	assert_false(holding_is_armed(&w.h));
	teller_of_slot(&w, HOLDING_IN_EMPTY, 2, 6, 0);
	assert_true(holding_is_armed(&w.h));
	teller_chosen(&w, "0/4 1/5 2/6 stop 3/7", 8);
	assert_true(holding_is_armed(&w.h));
	TRACE_IS(&w.t,
		"[     0] chosen, next 7: 0/4 1/5 2/6\n"
		"         -> run 1/5, unarmed\n"
		"         -> run 2/6, unarmed\n"
		"         = number 7 of 4103 alone | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ours "
		"unarmed\n"
		"[     0] chosen, next 7: 0/4 1/5 2/6 stop\n"
		"         -> stop 2/6\n"
		"         = number 7 of 4103 alone | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ending "
		"unarmed\n"
		"[   700] tick\n"
		"[   700] arm\n"
		"         = number 7 of 4103 | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ending unarmed\n"
		"[   701] tick\n"
		"         -> 1 voters: renew number 8 for 2000 ms; web.0/4; web.1/5; web.2/6\n"
		"         = number 8 of 4103 | web.0/4 ours unarmed | web.1/5 ours unarmed | web.2/6 ending unarmed\n"
		"[   701] x: granted, number 8\n"
		"         -> run 0/4 until 2701\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 arming | web.1/5 ours unarmed | web.2/6 ending "
		"unarmed\n"
		"[   701] x: granted, number 8\n"
		"         -> run 1/5 until 2701\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 arming | web.1/5 ours until 2701 arming | "
		"web.2/6 ending unarmed\n"
		"[   701] armed 0/4\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 arming | web.2/6 "
		"ending unarmed\n"
		"[   701] armed 1/5\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 ending "
		"unarmed\n"
		"[   701] empty 2/6\n"
		"         -> write the release of 2/6\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 empty\n"
		"[   701] chosen, next 8: 0/4 1/5 2/6 stop 3/7\n"
		"         = number 8 of 4103 | web.0/4 ours until 2701 | web.1/5 ours until 2701 | web.2/6 empty | "
		"web.3/7 ours\n");
	teller_done(&w);
}

/* Of a time before, whose shim answers late: no start follows until there is a deadline. */
static void test_one_that_is_unarmed_is_found(void **state)
{
	struct teller w;

	(void)state;
	teller_setup(&w, false);
	teller_begin(&w, "0/7", 8);
	assert_true(holding_is_armed(&w.h));
	teller_of_slot(&w, HOLDING_IN_FOUND, 5, 3, HOLDING_UNARMED);
	assert_false(holding_is_armed(&w.h));
	teller_chosen(&w, "0/7 5/3", 8);
	teller_tick(&w, 1);
	teller_grant(&w, "ab", 9, 5, 3, MSG_WHY_NONE);
	assert_false(holding_is_armed(&w.h));
	teller_of_slot(&w, HOLDING_IN_ARMED, 5, 3, 0);
	assert_true(holding_is_armed(&w.h));
	TRACE_IS(&w.t, "[     0] found 5/3\n"
		       "         = number 8 of 4103 | web.0/7 ours | web.5/3 found unarmed\n"
		       "[     0] chosen, next 8: 0/7 5/3\n"
		       "         = number 8 of 4103 | web.0/7 ours | web.5/3 ours unarmed\n"
		       "[     1] tick\n"
		       "         -> 3 voters: renew number 9 for 2000 ms; web.0/7; web.5/3\n"
		       "         = number 9 of 4103 | web.0/7 ours | web.5/3 ours unarmed\n"
		       "[     1] a: granted, number 9\n"
		       "[     1] b: granted, number 9\n"
		       "         -> run 5/3 until 2001\n"
		       "         = number 9 of 4103 | web.0/7 ours | web.5/3 ours until 2001 arming\n"
		       "[     1] armed 5/3\n"
		       "         = number 9 of 4103 | web.0/7 ours | web.5/3 ours until 2001\n");
	teller_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_starts_with_a_quorum_and_a_number),
		cmocka_unit_test(test_values_come_in_any_order),
		cmocka_unit_test(test_a_newer_epoch_of_ours),
		cmocka_unit_test(test_a_release),
		cmocka_unit_test(test_a_release_that_is_overtaken),
		cmocka_unit_test(test_a_release_that_was_on_disk),
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_a_node_alone),
		cmocka_unit_test(test_one_that_is_unarmed_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
