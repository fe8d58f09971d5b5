/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of which somebody goes away: who asked, the link, the one that is asked; other ways to it; the end of the
 * daemon; no memory.
 */
#include "tests/lib/fetch_bed.h"

/* ---- who goes away ---- */

static void test_who_does_not_wait_any_more_is_not_served(void **state)
{
	struct fetch_ask *a;

	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(fetch_bed_ask(0, 1, &came[1], &a), 0);
	fetch_bed_settle();
	assert_int_equal(bed.v[1].n_serves, 2);
	came[0].left = true;
	fetch_bed_settle();
	fetch_bed_has_failed(&came[0], "gone", "nobody listens");
	assert_int_equal(bed.v[1].unserved, 1);
	fetch_drop(a);
	fetch_bed_settle();
	assert_false(came[1].over);
	assert_int_equal(bed.v[1].unserved, 2);
	fetch_bed_idle();
	/* In the middle of its answer. */
	assert_int_equal(fetch_bed_ask(0, 1, &came[2], &a), 0);
	fetch_bed_settle();
	bed.stopped = true;
	fetch_bed_answer(1, 1000000);
	fetch_bed_settle();
	fetch_drop(a);
	bed.stopped = false;
	fetch_bed_idle();
	assert_false(came[2].over);
	/* Before it was asked. */
	fetch_bed_cut(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[3], &a), 0);
	fetch_drop(a);
	fetch_bed_idle();
	assert_int_equal(bed.v[1].bodies, 3);
}

static void test_a_link_that_is_lost_is_no_end(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	bed.stopped = true;
	fetch_bed_answer(1, 500000);
	fetch_bed_settle();
	fetch_bed_cut(0, 1);
	bed.stopped = false;
	fetch_bed_settle();
	assert_false(came[0].over);
	assert_int_equal(bed.v[0].n_visits, 1); /* it is dialled */
	assert_true(bed.v[0].visits[0] == 2);
	fetch_bed_join(0, 1);
	fetch_bed_settle();
	fetch_bed_answer(1, 400000);
	fetch_bed_settle();
	assert_true(came[0].ok && came[0].right && came[0].bytes == 400000);
	fetch_bed_pass(FETCH_LINGER_MS + 200);
	assert_int_equal(bed.v[0].n_visits, 0);
	assert_true(fetch_is_idle(bed.v[0].f));
	fetch_bed_idle();
}

static void test_a_peer_that_dies_ends_its_questions(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	fetch_bed_cut(0, 1);
	fetch_bed_settle();
	assert_false(came[0].over);
	bed.v[1].absent = "dead";
	fetch_bed_settle();
	fetch_bed_has_failed(&came[0], "away", "n2 went away: it is dead");
	fetch_bed_idle();
}

static void test_silence_has_an_end(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_pass(FETCH_QUIET_MS - 100);
	assert_false(came[0].over);
	fetch_bed_pass(200);
	fetch_bed_has_failed(&came[0], "away", "n2 does not answer: nothing came for 10 s");
	/* The asker takes no more: what it was sent is kept no longer. */
	fetch_bed_answer(1, 10); /* the answer has nobody: the asker's word of it is lost with this link */
	fetch_bed_cut(0, 1);
	fetch_bed_idle();
	fetch_bed_join(0, 1);
	fetch_bed_say_ask(0, 1, 99);
	fetch_bed_answer(1, 100000);
	bed.stopped = true;
	fetch_bed_settle();
	bed.n_q = 0;
	bed.now_ms += FETCH_QUIET_MS;
	fetch_bed_settle();
	assert_int_equal(fetch_bed_figures(1).serves, 0);
	bed.stopped = false;
	fetch_bed_idle();
}

/* ---- other ways ---- */

static void hide(int i)
{
	bed.v[i].hidden = true;
}

/* n1 and n2 cannot be dialled; n3 has a link to each. */
static void test_who_cannot_be_dialled_is_asked_over_a_neighbour(void **state)
{
	(void)state;
	fetch_bed_begin();
	hide(0);
	hide(1);
	fetch_bed_join(0, 2);
	fetch_bed_join(1, 2);
	bed.v[0].ways[0] = 3;
	bed.v[0].n_ways = 1;
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	assert_int_equal(bed.v[2].bodies, 0);
	fetch_bed_answer(1, 300000);
	fetch_bed_settle();
	assert_true(came[0].ok && came[0].right && came[0].bytes == 300000);
	assert_int_equal(fetch_bed_figures(2).passed, 1);
	assert_int_equal(bed.v[0].told_visits, 0);
	fetch_bed_idle();
	/* A refusal comes through; nobody waits any more; the one in between goes away. */
	assert_int_equal(fetch_bed_ask(0, 1, &came[1], NULL), 0);
	fetch_bed_settle();
	fetch_refuse(fetch_bed_next_of(1), "refused", "no");
	fetch_bed_settle();
	fetch_bed_has_failed(&came[1], "refused", "no");
	assert_int_equal(fetch_bed_ask(0, 1, &came[2], NULL), 0);
	fetch_bed_settle();
	came[2].left = true;
	fetch_bed_settle();
	assert_int_equal(bed.v[1].unserved, 1);
	fetch_bed_idle();
	assert_int_equal(fetch_bed_ask(0, 1, &came[3], NULL), 0);
	fetch_bed_settle();
	fetch_bed_cut(0, 2);
	fetch_bed_settle();
	assert_int_equal(bed.v[1].unserved, 2);
	fetch_bed_pass(FETCH_QUIET_MS);
	fetch_bed_has_failed(&came[3], "away", "n2 cannot be dialled, and none of its neighbours can be asked instead");
	fetch_bed_idle();
}

/* One that has no link to it says so, and the next one is asked. */
static void test_the_next_neighbour_is_asked(void **state)
{
	(void)state;
	fetch_bed_begin();
	hide(1);
	fetch_bed_join(0, 2);
	fetch_bed_join(0, 3);
	fetch_bed_join(1, 3);
	bed.v[0].ways[0] = 3;
	bed.v[0].ways[1] = 4;
	bed.v[0].n_ways = 2;
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	fetch_bed_answer(1, 7);
	fetch_bed_settle();
	assert_true(came[0].ok && came[0].bytes == 7);
	assert_int_equal(fetch_bed_figures(2).passed, 1);
	fetch_bed_cut(1, 3);
	assert_int_equal(fetch_bed_ask(0, 1, &came[1], NULL), 0);
	fetch_bed_settle();
	fetch_bed_has_failed(&came[1], "away", "none of its neighbours can be asked instead");
	fetch_bed_idle();
	/* One that can be dialled, and to which no link comes about. */
	bed.v[1].hidden = false;
	fetch_bed_join(1, 3);
	assert_int_equal(fetch_bed_ask(0, 1, &came[2], NULL), 0);
	fetch_bed_pass(FETCH_WAY_MS - 100);
	assert_int_equal(bed.v[1].n_serves, 0);
	fetch_bed_pass(300);
	fetch_bed_answer(1, 8);
	fetch_bed_settle();
	assert_true(came[2].ok && came[2].bytes == 8);
	fetch_bed_idle();
}

static void test_nothing_is_passed_on_twice(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 2);
	fetch_bed_join(1, 2);
	fetch_bed_say(0, 2, &(struct gossip_msg){.type = GOSSIP_MSG_ASK, .ask = {1, 2, true, {"?", 1}}});
	assert_int_equal(fetch_bed_figures(2).refused, 1);
	assert_int_equal(fetch_bed_figures(2).passed, 0);
	fetch_bed_settle();
	assert_int_equal(bed.v[1].bodies, 0);
	fetch_bed_idle();
}

/* ---- its end, and no memory ---- */

static void test_the_end_of_a_daemon_ends_all(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(fetch_bed_ask(1, 0, &came[1], NULL), 0);
	fetch_bed_settle();
	fetch_end(bed.v[0].f);
	fetch_bed_has_failed(&came[0], "stopping", "the daemon is stopping");
	assert_int_equal(bed.v[0].unserved, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[2], NULL), -ENOSPC);
	fetch_bed_cut(0, 1);
	fetch_bed_pass(FETCH_QUIET_MS + 200);
	fetch_bed_has_failed(&came[1], "away", "");
	fetch_bed_idle();
}

static void test_each_allocation_fails(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		bool asked, got;

		oom_hit(&o);
		fetch_bed_begin();
		fetch_bed_join(0, 1);
		(void)mem_fail_at(o.n);
		o.hit = false;
		asked = fetch_bed_ask(0, 1, &came[0], NULL) == 0;
		fetch_bed_settle();
		if (bed.v[1].n_serves > 0)
			fetch_bed_answer(1, 10000);
		fetch_bed_settle();
		got = came[0].over && came[0].ok;
		if (!oom_hit(&o))
			assert_true(asked && got && came[0].right);
		fetch_bed_pass(FETCH_QUIET_MS + 200);
		assert_true(!asked || came[0].over); /* one way or the other */
		fetch_bed_idle();
		(void)fetch_bed_end(NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_who_does_not_wait_any_more_is_not_served, fetch_bed_end),
		cmocka_unit_test_teardown(test_a_link_that_is_lost_is_no_end, fetch_bed_end),
		cmocka_unit_test_teardown(test_a_peer_that_dies_ends_its_questions, fetch_bed_end),
		cmocka_unit_test_teardown(test_silence_has_an_end, fetch_bed_end),
		cmocka_unit_test_teardown(test_who_cannot_be_dialled_is_asked_over_a_neighbour, fetch_bed_end),
		cmocka_unit_test_teardown(test_the_next_neighbour_is_asked, fetch_bed_end),
		cmocka_unit_test_teardown(test_nothing_is_passed_on_twice, fetch_bed_end),
		cmocka_unit_test_teardown(test_the_end_of_a_daemon_ends_all, fetch_bed_end),
		cmocka_unit_test_teardown(test_each_allocation_fails, fetch_bed_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
