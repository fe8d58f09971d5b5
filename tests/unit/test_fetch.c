/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions between nodes and their answers: as they went, within the window and the bounds, and what is refused.
 */
#include "tests/lib/fetch_bed.h"

/* ---- the window ---- */

static void test_an_answer_comes_as_it_went(void **state)
{
	static const size_t sizes[] = {0, 1, GOSSIP_BODY_MAX - 20, GOSSIP_BODY_MAX - 1, GOSSIP_BODY_MAX,
		2 * GOSSIP_BODY_MAX - 17, 100000, FETCH_ANSWER_MAX - 100};

	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		assert_int_equal(fetch_bed_ask(0, 1, &came[i], NULL), 0);
		fetch_bed_settle();
		assert_string_equal(bed.v[1].body, "what is there?");
		assert_false(came[i].over);
		fetch_bed_answer(1, sizes[i]);
		fetch_bed_settle();
		assert_true(came[i].over && came[i].ok && came[i].right);
		assert_int_equal(came[i].bytes, sizes[i]);
		fetch_bed_idle();
	}
	assert_int_equal(fetch_bed_figures(0).answered, ARRAY_LEN(sizes));
	assert_int_equal(fetch_bed_figures(1).served, ARRAY_LEN(sizes));
	assert_int_equal(fetch_bed_figures(0).strays + fetch_bed_figures(1).strays, 0);
}

static void test_no_more_than_a_window_is_on_its_way(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	bed.stopped = true; /* the asker takes nothing */
	fetch_bed_answer(1, 1000000);
	fetch_bed_settle();
	assert_int_equal(bed.n_q, FETCH_WINDOW);
	bed.now_ms += FETCH_QUIET_MS - 1;
	fetch_bed_settle();
	assert_int_equal(bed.n_q, FETCH_WINDOW);
	bed.stopped = false;
	bed.most = 0;
	fetch_bed_settle();
	assert_true(came[0].ok && came[0].right && came[0].bytes == 1000000);
	assert_in_range(bed.most, 1, FETCH_WINDOW + 1);
	fetch_bed_idle();
}

/* A link that takes one frame at a time: two answers share it. */
static void test_answers_take_turns(void **state)
{
	size_t big;

	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	bed.max_frames = 1;
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(fetch_bed_ask(0, 1, &came[1], NULL), 0);
	fetch_bed_settle();
	big = bed.frames;
	fetch_bed_answer(1, 1000000);
	fetch_bed_answer(1, 3 * GOSSIP_BODY_MAX);
	while (!came[1].over && !came[0].over) {
		for (int i = 0; i < 2; i++)
			for (int k = 0; k < 2; k++)
				(void)fetch_bed_pull(i, k); /* or the link is full */
		(void)fetch_bed_deliver();
	}
	assert_false(came[0].over);
	assert_true(came[1].ok && bed.frames - big < 20);
	fetch_bed_settle();
	assert_true(came[0].ok && came[0].right);
	fetch_bed_idle();
}

/* ---- bounds ---- */

static void test_bounds_of_the_asker(void **state)
{
	struct bytes body = {.max = GOSSIP_BODY_MAX + 1};
	const struct fetch_question q = {.to = 2, .body = &body, .done = fetch_bed_on_answer, .arg = &came[0]};
	struct fetch_ask *a;
	struct err e;

	(void)state;
	fetch_bed_begin();
	assert_int_equal(bytes_reserve(&body, GOSSIP_BODY_MAX + 1), 0);
	memset(body.v, 'x', GOSSIP_BODY_MAX + 1);
	body.n = GOSSIP_BODY_MAX + 1;
	assert_int_equal(fetch_ask(bed.v[0].f, &q, bed.now_ms, &a, &e), -EMSGSIZE);
	assert_non_null(strstr(e.text, "the question to n2 is larger than"));
	bytes_done(&body);
	for (int i = 0; i < FETCH_MAX; i++)
		assert_int_equal(fetch_bed_ask(0, 1, &came[i], NULL), 0);
	assert_int_equal(fetch_bed_ask(0, 1, &came[FETCH_MAX], NULL), -ENOSPC);
	/* Of these some are asked at a time; each that is answered makes place for another one. */
	fetch_bed_join(0, 1);
	for (int i = 0; i < FETCH_MAX; i++) {
		fetch_bed_settle();
		assert_int_equal(bed.v[1].n_serves, MIN(FETCH_PEER_MAX, FETCH_MAX - i));
		fetch_bed_answer(1, 10);
	}
	fetch_bed_settle();
	for (int i = 0; i < FETCH_MAX; i++)
		assert_true(came[i].ok);
	fetch_bed_idle();
}

/* One that asks more than may be is told so, and the others are served. */
static void test_bounds_of_the_asked(void **state)
{
	size_t frames;

	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 4);
	fetch_bed_join(1, 4);
	for (uint32_t i = 1; i <= FETCH_PEER_MAX + 2; i++)
		fetch_bed_say_ask(0, 4, i);
	assert_int_equal(fetch_bed_figures(4).served, FETCH_PEER_MAX);
	assert_int_equal(fetch_bed_figures(4).refused, 2);
	fetch_bed_say_ask(1, 4, 1);
	assert_int_equal(fetch_bed_figures(4).served, FETCH_PEER_MAX + 1);
	fetch_bed_say_ask(0, 4, 3); /* its number is taken */
	assert_int_equal(fetch_bed_figures(4).strays, 1);
	frames = bed.frames;
	fetch_bed_settle();
	assert_int_equal(bed.frames - frames, 2); /* that it is full: nobody asked, which is counted there */
	assert_int_equal(fetch_bed_figures(0).strays, 2);
	fetch_bed_cut(0, 4);
	fetch_bed_settle();
	assert_int_equal(bed.v[4].unserved, FETCH_PEER_MAX);
	fetch_bed_cut(1, 4);
	fetch_bed_idle();
}

static void test_answers_that_are_too_large(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	fetch_bed_answer(1, FETCH_ANSWER_MAX);
	fetch_bed_settle();
	fetch_bed_has_failed(&came[0], "refused", "the answer is too large to be sent to another node");
	fetch_bed_idle();
	/* All that wait to be read: nobody takes anything. */
	for (int i = 1; i < NODES; i++)
		fetch_bed_join(0, i);
	for (int i = 0; i < 4 * FETCH_PEER_MAX; i++)
		assert_int_equal(fetch_bed_ask(1 + i / FETCH_PEER_MAX, 0, &came[1 + i], NULL), 0);
	fetch_bed_settle();
	bed.stopped = true;
	for (int i = 0; i < 4 * FETCH_PEER_MAX; i++)
		fetch_bed_answer(0, FETCH_ANSWER_MAX - 100);
	assert_in_range(fetch_bed_figures(0).held, FETCH_HELD_MAX - FETCH_ANSWER_MAX,
		FETCH_HELD_MAX + 4 * FETCH_PEER_MAX * 1024);
	bed.stopped = false;
	fetch_bed_settle();
	for (int i = 1; i <= 4 * FETCH_PEER_MAX; i++)
		assert_true(came[i].ok ? came[i].right : strcmp(came[i].code, "full") == 0);
	assert_true(came[1].ok && !came[4 * FETCH_PEER_MAX].ok);
	fetch_bed_idle();
}

static void test_messages_of_no_question_are_counted(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	fetch_bed_say(1, 0, &(struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {77, true, {"x", 1}}});
	assert_int_equal(fetch_bed_figures(0).strays, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	fetch_bed_join(0, 2); /* another one that answers */
	fetch_bed_say(2, 0, &(struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {1, true, {"x", 1}}});
	assert_int_equal(fetch_bed_figures(0).strays, 2);
	fetch_bed_say(0, 1, &(struct gossip_msg){.type = GOSSIP_MSG_MORE, .more = {1, 5}}); /* more than was sent */
	assert_int_equal(fetch_bed_figures(1).strays, 1);
	fetch_bed_say(
		0, 1, &(struct gossip_msg){.type = GOSSIP_MSG_DROP, .drop = {9}}); /* may have crossed its answer */
	assert_int_equal(fetch_bed_figures(1).strays, 1);
	assert_false(came[0].over);
	fetch_bed_answer(1, 5);
	fetch_bed_settle();
	assert_true(came[0].ok);
	fetch_bed_idle();
}

/* ---- what is refused ---- */

static void test_a_refusal_is_told(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	fetch_bed_settle();
	fetch_refuse(fetch_bed_next_of(1), "usage", "there is no verb '%s'", "x");
	fetch_bed_settle();
	fetch_bed_has_failed(&came[0], "usage", "there is no verb 'x'");
	assert_int_equal(fetch_bed_ask(0, 1, &came[1], NULL), 0);
	fetch_bed_settle();
	fetch_bed_say(1, 0, &(struct gossip_msg){.type = GOSSIP_MSG_ANSWER, .answer = {2, true, {"\xc1", 1}}});
	fetch_bed_has_failed(&came[1], "refused", "the answer of n2 cannot be read");
	fetch_refuse(fetch_bed_next_of(1), "refused", "late");
	fetch_bed_idle();
}

/* A daemon that begins or ends is asked again, for a while. */
static void test_a_daemon_that_begins_is_asked_again(void **state)
{
	(void)state;
	fetch_bed_begin();
	fetch_bed_join(0, 1);
	assert_int_equal(fetch_bed_ask(0, 1, &came[0], NULL), 0);
	assert_int_equal(fetch_bed_ask(0, 1, &came[1], NULL), 0);
	fetch_bed_settle();
	fetch_refuse(fetch_bed_next_of(1), "stopping", "not now");
	fetch_bed_settle();
	assert_int_equal(bed.v[1].n_serves, 1); /* not at once */
	assert_false(came[0].over);
	fetch_bed_answer(1, 3);
	fetch_bed_pass(1000);
	assert_true(came[1].ok);
	fetch_bed_answer(1, 2);
	fetch_bed_settle();
	assert_true(came[0].ok && came[0].bytes == 2);
	assert_int_equal(fetch_bed_ask(0, 1, &came[2], NULL), 0);
	for (int64_t t = 0; t < 2 * FETCH_QUIET_MS && !came[2].over; t += 100) {
		fetch_bed_pass(100);
		if (bed.v[1].n_serves > 0)
			fetch_refuse(fetch_bed_next_of(1), "stopping", "not now");
	}
	fetch_bed_settle();
	fetch_bed_has_failed(&came[2], "stopping", "not now");
	fetch_bed_idle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_an_answer_comes_as_it_went, fetch_bed_end),
		cmocka_unit_test_teardown(test_no_more_than_a_window_is_on_its_way, fetch_bed_end),
		cmocka_unit_test_teardown(test_answers_take_turns, fetch_bed_end),
		cmocka_unit_test_teardown(test_bounds_of_the_asker, fetch_bed_end),
		cmocka_unit_test_teardown(test_bounds_of_the_asked, fetch_bed_end),
		cmocka_unit_test_teardown(test_answers_that_are_too_large, fetch_bed_end),
		cmocka_unit_test_teardown(test_messages_of_no_question_are_counted, fetch_bed_end),
		cmocka_unit_test_teardown(test_a_refusal_is_told, fetch_bed_end),
		cmocka_unit_test_teardown(test_a_daemon_that_begins_is_asked_again, fetch_bed_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
