/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any two quorums of one configuration meet, and so do those of neighbouring epochs; nobody counts twice.
 */
#include "tests/lib/consensus_story.h"

static bool both_meet(const struct quorum_cfg *a, const struct quorum_cfg *b)
{
	int n = quorum_voters(a), m = quorum_voters(b);

	for (uint32_t i = 0; i < 1u << n; i++)
		for (uint32_t k = 0; k < 1u << m; k++) {
			bool meet = false;

			if (!quorum_reached(a, (uint16_t)i) || !quorum_reached(b, (uint16_t)k))
				continue;
			for (int v = 0; v < n; v++) {
				int w = quorum_index(b, quorum_voter(a, v));

				meet = meet || ((i >> v & 1) && w >= 0 && (k >> w & 1));
			}
			if (!meet)
				return false;
		}
	return true;
}

static void test_two_majorities_meet(void **state)
{
	static const char names[] = "abcdefg";

	(void)state;
	for (int n = 1; n <= QUORUM_VOTERS_MAX; n++) {
		char some[8] = {0};
		struct quorum_cfg cfg;

		memcpy(some, names, (size_t)n);
		cfg = story_cfg(1, some, "");
		assert_true(both_meet(&cfg, &cfg));
		assert_true(quorum_reached(&cfg, (uint16_t)((1u << (n / 2 + 1)) - 1)));
		assert_false(quorum_reached(&cfg, (uint16_t)((1u << (n / 2)) - 1)));
	}
}

static void test_neighbours_meet(void **state)
{
	static const struct {
		const char *old, *next;
	} v[] = {{"a", "abc"}, {"abc", "a"}, {"abc", "abd"}, {"abc", "def"}, {"abc", "abcde"}, {"a", "b"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct quorum_cfg before = story_cfg(1, v[i].old, ""), joint = story_cfg(2, v[i].old, v[i].next),
				  after = story_cfg(3, v[i].next, "");

		assert_true(both_meet(&before, &joint) && both_meet(&joint, &joint) && both_meet(&joint, &after));
	}
	assert_false(both_meet(&(struct quorum_cfg){.epoch = 1, .old = story_set("abc")},
		&(struct quorum_cfg){.epoch = 3, .old = story_set("def")}));
}

static void test_who_stands_in_both_sets_has_one_number(void **state)
{
	struct quorum_cfg cfg = story_cfg(2, "abc", "bcd");
	struct uuid e = story_node('e');

	(void)state;
	assert_int_equal(quorum_voters(&cfg), 4);
	for (int i = 0; i < 4; i++) {
		struct uuid node = story_node((char)('a' + i));

		assert_int_equal(quorum_index(&cfg, &node), i);
		assert_true(ballot_same_node(quorum_voter(&cfg, i), &node));
	}
	assert_int_equal(quorum_index(&cfg, &e), -1);
	assert_null(quorum_voter(&cfg, 4));
	assert_true(quorum_reached(&cfg, 0x6)); /* b and c are a majority of both */
	assert_false(quorum_reached(&cfg, 0x3));
	assert_false(quorum_reached(&cfg, 0xc));
	assert_true(quorum_possible(&cfg, 0x9));
	assert_false(quorum_possible(&cfg, 0x6));
}

static void test_an_era_begins_with_all(void **state)
{
	static const char *const names[] = {"a", "ab", "abc", "abcd"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct quorum_set s = story_set(names[i]);
		struct quorum_cfg cfg = quorum_all_of(QUORUM_ERA_STEP * (i + 1), &s);
		uint16_t all = (uint16_t)((1u << s.n) - 1);

		assert_null(quorum_fault(&cfg));
		assert_int_equal(quorum_voters(&cfg), s.n);
		assert_true(quorum_is_first(&cfg));
		for (uint16_t mask = 0; mask <= all; mask++)
			assert_int_equal(quorum_reached(&cfg, mask), mask == all);
		assert_int_equal(quorum_floor(cfg.epoch), cfg.epoch);
		cfg.epoch++;
		assert_false(quorum_is_first(&cfg));
		assert_int_equal(quorum_floor(cfg.epoch), cfg.epoch - 1);
	}
	assert_int_equal(quorum_floor(0), 0);
	assert_int_equal(quorum_floor(QUORUM_ERA_STEP - 1), 0);
	assert_false(quorum_is_first(&(struct quorum_cfg){.epoch = 0}));
}

static void test_faults(void **state)
{
	struct quorum_cfg cfg = story_cfg(1, "abcdefg", "abcdefg");

	(void)state;
	assert_null(quorum_fault(&cfg));
	assert_int_equal(quorum_voters(&cfg), 7);
	cfg.next.n = 8;
	assert_string_equal(quorum_fault(&cfg), "more voters than there may be");
	cfg = story_cfg(1, "aba", "");
	assert_string_equal(quorum_fault(&cfg), "a voter stands twice in one set");
	cfg = story_cfg(1, "ab", "");
	cfg.old.v[1] = (struct uuid){0};
	assert_string_equal(quorum_fault(&cfg), "a voter without a UUID");
	cfg = story_cfg(0, "a", "");
	assert_string_equal(quorum_fault(&cfg), "voters without an epoch");
	cfg = story_cfg(4, "", "a");
	assert_string_equal(quorum_fault(&cfg), "an epoch without voters");
	cfg = story_cfg(UINT64_MAX, "a", "");
	assert_string_equal(quorum_fault(&cfg), "an epoch that nobody counts to");
}

static void test_the_text(void **state)
{
	struct quorum_cfg cfg = story_cfg(3, "ab", ""), joint = story_cfg(4, "a", "abc");
	char text[128];

	(void)state;
	assert_string_equal(quorum_text(&cfg, text, sizeof(text)), "e3 {a000 a100}");
	assert_string_equal(quorum_text(&joint, text, sizeof(text)), "e4 {a000} > {a000 a100 a200}");
	for (size_t n = 1; n < 30; n++) /* cut, never past the end */
		assert_true(strlen(quorum_text(&joint, text, n)) < n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_majorities_meet),
		cmocka_unit_test(test_neighbours_meet),
		cmocka_unit_test(test_who_stands_in_both_sets_has_one_number),
		cmocka_unit_test(test_an_era_begins_with_all),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
