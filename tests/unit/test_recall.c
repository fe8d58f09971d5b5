/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/recall: when a disk is believed, and what is started by it: every stand with every view, every source with every
 * stand, and what each word of another makes of a register. And what asks others for it, as bytes.
 */
#include "node/recall.h"

#include "consensus/wire.h"
#include "tests/lib/consensus_story.h"

static enum recall_stand judge(enum recall_stand was, bool single, size_t answered, size_t silent, int64_t since_ms)
{
	const struct recall_view v = {.single = single, .answered = answered, .silent = silent, .since_ms = since_ms};

	return recall_judge(was, &v);
}

static void a_cluster_of_one_waits_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(judge(RECALL_ASKS, true, 0, 0, 0), RECALL_ALONE);
}

static void the_first_that_answers_is_enough_where_nobody_else_is_linked(void **state)
{
	(void)state;
	assert_int_equal(judge(RECALL_ASKS, false, 0, 0, 0), RECALL_ASKS);
	assert_int_equal(judge(RECALL_ASKS, false, 0, 1, 0), RECALL_ASKS);
	assert_int_equal(judge(RECALL_ASKS, false, 1, 0, 0), RECALL_GOOD);
	assert_int_equal(judge(RECALL_ASKS, false, 1, 1, 0), RECALL_ASKS); /* this one may know better */
	assert_int_equal(judge(RECALL_ASKS, false, 2, 0, 0), RECALL_GOOD);
}

static void a_while_without_anybody(void **state)
{
	(void)state;
	assert_int_equal(judge(RECALL_ASKS, false, 0, 0, RECALL_ALONE_MS - 1), RECALL_ASKS);
	assert_int_equal(judge(RECALL_ASKS, false, 0, 0, RECALL_ALONE_MS), RECALL_ALONE);
}

/* One who is there, and hangs, is waited for longer, and not for ever. */
static void a_while_with_one_who_does_not_answer(void **state)
{
	(void)state;
	for (size_t answered = 0; answered < 2; answered++) {
		assert_int_equal(judge(RECALL_ASKS, false, answered, 1, RECALL_ALONE_MS), RECALL_ASKS);
		assert_int_equal(judge(RECALL_ASKS, false, answered, 1, RECALL_MOST_MS - 1), RECALL_ASKS);
		assert_int_equal(judge(RECALL_ASKS, false, answered, 1, RECALL_MOST_MS), RECALL_ALONE);
	}
}

static void what_was_found_once_stays(void **state)
{
	(void)state;
	for (int64_t ms = 0; ms <= RECALL_MOST_MS; ms += RECALL_ALONE_MS)
		for (size_t silent = 0; silent < 2; silent++) {
			assert_int_equal(judge(RECALL_GOOD, false, 0, silent, ms), RECALL_GOOD);
			assert_int_equal(judge(RECALL_ALONE, false, 1, silent, ms), RECALL_ALONE);
		}
}

/* Whatever was thought of it before, and for good. */
static void an_old_disk(void **state)
{
	const struct recall_view old = {.old = true, .single = true, .answered = 1, .since_ms = RECALL_MOST_MS};

	(void)state;
	for (enum recall_stand was = 0; was < RECALL_STAND_MAX; was++)
		assert_int_equal(recall_judge(was, &old), RECALL_OLD);
	assert_int_equal(judge(RECALL_OLD, true, 1, 0, RECALL_MOST_MS), RECALL_OLD);
}

static void what_is_started(void **state)
{
	static const bool may[RECALL_STAND_MAX][RECALL_SOURCE_MAX] = {
		[RECALL_ASKS] = {[RECALL_HEARD] = true, [RECALL_DISK] = false, [RECALL_PASSED] = false},
		[RECALL_GOOD] = {[RECALL_HEARD] = true, [RECALL_DISK] = true, [RECALL_PASSED] = false},
		[RECALL_ALONE] = {[RECALL_HEARD] = true, [RECALL_DISK] = true, [RECALL_PASSED] = false},
		[RECALL_OLD] = {[RECALL_HEARD] = true, [RECALL_DISK] = false, [RECALL_PASSED] = false},
	};

	(void)state;
	for (enum recall_stand stand = 0; stand < RECALL_STAND_MAX; stand++)
		for (enum recall_source source = 0; source < RECALL_SOURCE_MAX; source++)
			assert_int_equal(recall_may_start(stand, source), may[stand][source]);
}

static void what_others_tell_of_a_register(void **state)
{
	static const enum recall_source is[RECALL_SOURCE_MAX][3] = {
		[RECALL_HEARD] = {RECALL_HEARD, RECALL_HEARD, RECALL_HEARD},
		[RECALL_DISK] = {RECALL_DISK, RECALL_HEARD, RECALL_PASSED},
		[RECALL_PASSED] = {RECALL_PASSED, RECALL_PASSED, RECALL_PASSED}, /* until the newer value is here */
	};

	(void)state;
	for (enum recall_source was = 0; was < RECALL_SOURCE_MAX; was++)
		for (int ballot = -1; ballot <= 1; ballot++)
			assert_int_equal(recall_told(was, ballot), is[was][ballot + 1]);
}

/* ---- how it is asked ---- */

#define BALLOT(n) "\x93" n "\xc4\x10\xa0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x01" /* of node a, with nonce 1 */

/* Of a value that came since the start. */
static void what_was_taken(void **state)
{
	(void)state;
	for (int stand = 0; stand < RECALL_STAND_MAX; stand++) {
		enum recall_source now = stand == RECALL_ASKS ? RECALL_DISK : RECALL_HEARD;

		assert_int_equal(recall_taken(RECALL_HEARD, stand, false), RECALL_HEARD);
		assert_int_equal(recall_taken(RECALL_HEARD, stand, true), RECALL_HEARD); /* others decide on and on */
		assert_int_equal(recall_taken(RECALL_DISK, stand, false), now);
		assert_int_equal(recall_taken(RECALL_DISK, stand, true), RECALL_PASSED);
		assert_int_equal(recall_taken(RECALL_PASSED, stand, false), now);
		assert_int_equal(recall_taken(RECALL_PASSED, stand, true), RECALL_PASSED);
	}
}

static void is_said_as(const struct msg *m, const char *is, size_t n)
{
	uint8_t bytes[512];
	size_t len;

	assert_null(msg_fault(m));
	assert_int_equal(wire_msg_encode(m, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(len, n);
	assert_memory_equal(bytes, is, n);
}

#define IS_SAID_AS(m, is) is_said_as(m, is, sizeof(is) - 1)

static void the_messages(void **state)
{
	struct msg_chosen chosen[] = {{story_key("a"), story_ballot(4, 'a')}, {story_key("web"), story_ballot(3, 'a')}};
	struct msg m = {
		.type = MSG_KEPT, .from = story_node('a'), .key = story_key("web"), .chosen = chosen, .n_chosen = 2};

	(void)state;
	IS_SAID_AS(&m, "\x93\x0d\xa3web\x92\x92\xa1"
		       "a" BALLOT("\x04") "\x92\xa3web" BALLOT("\x03"));
	m.type = MSG_KNOWN;
	m.n_chosen = 0;
	IS_SAID_AS(&m, "\x93\x0e\xa3web\x90");
	m.n_chosen = 2;
	chosen[1].key = story_key("a");
	assert_string_equal(msg_fault(&m), "registers out of order");
	chosen[1] = (struct msg_chosen){.key = story_key("b")};
	assert_string_equal(msg_fault(&m), "a register at no ballot");
	chosen[1].ballot = (struct ballot){.counter = BALLOT_COUNTER_MAX + 1};
	assert_string_equal(msg_fault(&m), "a register at no ballot");
	m.n_chosen = MSG_KEYS_MAX + 1;
	assert_string_equal(msg_fault(&m), "too many registers");
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(recall_stand_name(RECALL_ASKS), "asks");
	assert_string_equal(recall_stand_name(RECALL_OLD), "old");
	assert_null(recall_stand_name(RECALL_STAND_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cluster_of_one_waits_for_nothing),
		cmocka_unit_test(the_first_that_answers_is_enough_where_nobody_else_is_linked),
		cmocka_unit_test(a_while_without_anybody),
		cmocka_unit_test(a_while_with_one_who_does_not_answer),
		cmocka_unit_test(what_was_found_once_stays),
		cmocka_unit_test(an_old_disk),
		cmocka_unit_test(what_is_started),
		cmocka_unit_test(what_others_tell_of_a_register),
		cmocka_unit_test(what_was_taken),
		cmocka_unit_test(the_messages),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
