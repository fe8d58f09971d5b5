/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps of members: how values come to everybody, what becomes of removed ones, what a restart does, and what does not
 * fit.
 */
#include "tests/lib/gossip_bed.h"

static void test_a_value_comes_to_all(void **state)
{
	static const int sizes[] = {2, 3, 5, 11, 32};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);
		uint64_t deltas;

		bed_start_all(b);
		for (int k = 0; k < 20; k++) {
			char value[16];

			(void)snprintf(value, sizeof(value), "v%d", k);
			bed_set(b, k % b->n, "k", value);
			(void)bed_until(b, 400, bed_agreed);
			for (int m = 0; m < b->n; m++)
				assert_string_equal(bed_value(b, m, k % b->n, "k"), value);
			bed_run(b, 300);
		}
		/* By now eager are the links of two rings, and a tree: one message on each of that, two elsewhere. */
		deltas = b->of[GOSSIP_MSG_DELTAS];
		bed_set(b, 0, "k", "last");
		bed_run(b, 300);
		deltas = b->of[GOSSIP_MSG_DELTAS] - deltas;
		assert_in_range(deltas, b->n - 1, 3 * b->n + 1);
		bed_free(b);
	}
}

/* News of all at once makes many links lazy at once; what comes then needs no digest all the same. */
static void test_a_burst_cuts_no_tree(void **state)
{
	enum { N = 32, SOON_MS = 90 /* lan's lazy_ms is 100 */ };
	struct bed *b = bed_new(N);
	char value[16];

	(void)state;
	bed_start_all(b);
	bed_run(b, 1000);
	for (int k = 0; k < 8 * N; k++) {
		(void)snprintf(value, sizeof(value), "v%d", k);
		bed_set(b, k * 5 % N, "k", value);
		if (k % 4 == 3)
			bed_run(b, 2);
	}
	bed_run(b, 1000);
	for (int k = 0; k < N; k++) {
		bed_set(b, k, "k", "last");
		(void)bed_until(b, SOON_MS, bed_agreed);
		bed_run(b, 300);
	}
	bed_free(b);
}

static void test_the_same_value_is_no_change(void **state)
{
	struct bed *b = bed_new(2);
	struct gossip_member m;
	uint32_t version;

	(void)state;
	bed_start_all(b);
	bed_set(b, 0, "k", "v");
	assert_true(gossip_member_get(b->v[0].g, b->v[0].id, &m));
	version = m.version;
	bed_set(b, 0, "k", "v");
	bed_set(b, 0, "absent", NULL);
	assert_true(gossip_member_get(b->v[0].g, b->v[0].id, &m));
	assert_int_equal(m.version, version);
	bed_free(b);
}

static size_t entries(struct bed *b, int at, int of, size_t *ret_removed)
{
	struct gossip_entry e;
	uint32_t i = 0;
	size_t n = 0;

	*ret_removed = 0;
	while (gossip_value_next(b->v[at].g, b->v[of].id, &i, &e)) {
		*ret_removed += e.removed;
		n += !e.removed;
	}
	return n;
}

/* Tombstones are cleared away everywhere, and nobody sees a hole meanwhile: one that was away as little as others. */
static void test_removed_ones_are_compacted(void **state)
{
	struct bed *b = bed_new(3);
	size_t removed;

	(void)state;
	bed_start_all(b);
	bed_set(b, 0, "stays", "here");
	for (int k = 0; k < 200; k++) {
		char key[16];

		if (k == 50)
			bed_pause(b, 2, true);
		(void)snprintf(key, sizeof(key), "k%d", k);
		bed_set(b, 0, key, "v");
		bed_set(b, 0, key, NULL);
		bed_run(b, 20);
		assert_string_equal(bed_value(b, 1, 0, "stays"), "here");
	}
	bed_pause(b, 2, false);
	(void)bed_until(b, 5000, bed_agreed);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(entries(b, i, 0, &removed), 1);
		assert_in_range(removed, 0, 40);
		assert_string_equal(bed_value(b, i, 0, "stays"), "here");
	}
	bed_free(b);
}

/* A map of many messages, to one that was there and to one that comes later. */
static void test_a_map_larger_than_a_message(void **state)
{
	struct bed *b = bed_new(3);
	size_t removed;

	(void)state;
	for (int i = 0; i < 2; i++)
		bed_start(b, i, i == 0 ? -1 : 0);
	for (int k = 0; k < 300; k++) {
		char key[16], value[200];

		(void)snprintf(key, sizeof(key), "key%d", k);
		memset(value, 'a' + k % 26, sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';
		bed_step(b, 0,
			&(struct gossip_in){.type = GOSSIP_IN_SET,
				.key = {key, (uint16_t)strlen(key)},
				.value = {value, (uint16_t)strlen(value)}});
	}
	(void)bed_until(b, 1000, bed_agreed);
	bed_start(b, 2, 1);
	(void)bed_until(b, 2000, bed_agreed);
	for (int i = 0; i < 3; i++)
		assert_int_equal(entries(b, i, 0, &removed), 300);
	bed_free(b);
}

static void test_the_largest_entry_fits(void **state)
{
	static char key[GOSSIP_KEY_MAX], value[GOSSIP_VALUE_MAX];
	struct bed *b = bed_new(2);
	struct gossip_in in = {.type = GOSSIP_IN_SET, .key = {key, sizeof(key)}, .value = {value, sizeof(value)}};
	struct gossip_str ret;

	(void)state;
	memset(key, 'k', sizeof(key));
	memset(value, 'v', sizeof(value));
	bed_start_all(b);
	bed_step(b, 0, &in);
	(void)bed_until(b, 1000, bed_agreed);
	assert_true(gossip_value_get(b->v[1].g, b->v[0].id, in.key, &ret));
	assert_int_equal(ret.n, sizeof(value));
	assert_memory_equal(ret.v, value, sizeof(value));
	bed_free(b);
}

static void test_what_does_not_fit_is_refused(void **state)
{
	static char big[GOSSIP_VALUE_MAX + 1];
	struct bed *b = bed_new(1);
	struct gossip_in in = {.type = GOSSIP_IN_SET, .key = {"k", 1}, .value = {big, sizeof(big)}};
	struct gossip_figures f;
	struct gossip_str ret;
	char key[16];

	(void)state;
	bed_start_all(b);
	bed_step(b, 0, &in);
	in.value.n = 1;
	in.key.n = 0;
	bed_step(b, 0, &in);
	gossip_figures(b->v[0].g, &f);
	assert_int_equal(f.refused, 2);
	assert_int_equal(b->v[0].events[GOSSIP_EVENT_REFUSED], 1); /* one a second is told */
	/* Up to the bound of keys, and not one more. */
	for (int k = 0; k <= GOSSIP_KEYS_MAX; k++) {
		in.key = (struct gossip_str){key, (uint16_t)snprintf(key, sizeof(key), "%d", k)};
		gossip_step(b->v[0].g, &in, (struct now){.mono_ms = b->now_ms}, &(struct gossip_outs){0});
	}
	gossip_figures(b->v[0].g, &f);
	assert_int_equal(f.refused, 3);
	assert_false(gossip_value_get(b->v[0].g, b->v[0].id, in.key, &ret));
	gossip_check(b->v[0].g);
	bed_free(b);
}

/* All maps together have a bound; beyond it values are dropped, told once, and asked for again when there is room. */
static void test_memory_for_values_is_bounded(void **state)
{
	static char value[1000];
	struct bed *b = bed_new(2);
	struct gossip_figures f;

	(void)state;
	b->values_max = 20000;
	bed_start_all(b);
	memset(value, 'x', sizeof(value));
	for (int k = 0; k < 12; k++) {
		char key[2] = {(char)('a' + k), '\0'};
		struct gossip_in in = {.type = GOSSIP_IN_SET, .key = {key, 1}, .value = {value, sizeof(value)}};

		bed_step(b, 0, &in);
		bed_step(b, 1, &in);
	}
	bed_run(b, 5000);
	gossip_figures(b->v[1].g, &f);
	assert_true(f.no_memory > 0 && f.values_bytes <= 20000);
	assert_true(b->v[1].events[GOSSIP_EVENT_NO_MEMORY] > 0);
	for (int k = 0; k < 12; k++) {
		char key[2] = {(char)('a' + k), '\0'};

		if (k != 3)
			bed_set(b, 1, key, NULL);
	}
	bed_run(b, 40000);
	assert_true(bed_agreed(b));
	bed_free(b);
}

static void test_a_restart_begins_anew(void **state)
{
	struct bed *b = bed_new(5);

	(void)state;
	bed_start_all(b);
	for (int k = 0; k < 50; k++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", k);
		bed_set(b, 2, key, "old");
	}
	bed_run(b, 1000);
	bed_kill(b, 2);
	bed_run(b, 100);
	bed_start(b, 2, 0);
	bed_set(b, 2, "k7", "new");
	(void)bed_until(b, 2000, bed_agreed);
	for (int i = 0; i < 5; i++) {
		assert_string_equal(bed_value(b, i, 2, "k7"), "new");
		assert_null(bed_value(b, i, 2, "k8"));
	}
	bed_free(b);
}

static void test_a_record_that_changes(void **state)
{
	struct bed *b = bed_new(5);
	struct gossip_member m;
	struct gossip_record r;

	(void)state;
	bed_start_all(b);
	bed_set(b, 1, "k", "v");
	assert_true(gossip_member_get(b->v[1].g, b->v[1].id, &m));
	r = m.record;
	r.features = 7;
	bed_step(b, 1, &(struct gossip_in){.type = GOSSIP_IN_RECORD, .record = &r});
	(void)bed_until(b, 1000, bed_agreed);
	for (int i = 0; i < 5; i++) {
		assert_true(gossip_member_get(b->v[i].g, b->v[1].id, &m));
		assert_int_equal(m.record.features, 7);
		assert_string_equal(bed_value(b, i, 1, "k"), "v");
	}
	bed_free(b);
}

/* Nobody is believed about others' maps beyond what their owners announced. */
static void test_values_that_are_refused(void **state)
{
	static struct gossip_msg m;
	struct bed *b = bed_new(3);
	struct gossip_part *p = &m.deltas.parts[0];
	struct gossip_figures f;
	struct gossip_in in = {.type = GOSSIP_IN_MSG, .link = 0, .msg = &m};

	(void)state;
	bed_start_all(b);
	m.type = GOSSIP_MSG_DELTAS;
	m.deltas.n_parts = m.deltas.n_entries = 1;
	m.deltas.entries[0] = (struct gossip_entry){.key = {"k", 1}, .value = {"lie", 3}, .version = 9};
	*p = (struct gossip_part){.id = b->v[0].id, .incarnation = 1ull << 32, .from = 8, .to = 9, .n = 1};
	bed_step(b, 0, &in); /* of the receiver */
	assert_int_equal(b->v[0].last[GOSSIP_EVENT_REFUSED].number, GOSSIP_REFUSE_OWN);
	bed_run(b, 2000);
	p->id = 0x123456789;
	bed_step(b, 0, &in); /* of nobody: it is asked for who that is */
	gossip_figures(b->v[0].g, &f);
	assert_int_equal(f.refused, 1);
	bed_run(b, 2000);
	bed_step(b, 0, &in); /* and again, without a record */
	assert_int_equal(b->v[0].last[GOSSIP_EVENT_REFUSED].number, GOSSIP_REFUSE_NO_MEMBER);
	bed_run(b, 2000);
	p->id = b->v[2].id;
	p->incarnation = 9ull << 32;
	bed_step(b, 0, &in); /* of a boot that nobody announced */
	assert_int_equal(b->v[0].last[GOSSIP_EVENT_REFUSED].number, GOSSIP_REFUSE_BOOT);
	gossip_figures(b->v[0].g, &f);
	assert_int_equal(f.refused, 3);
	assert_null(bed_value(b, 0, 0, "k"));
	assert_null(bed_value(b, 0, 2, "k"));
	bed_run(b, 2000);
	assert_true(bed_agreed(b));
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_value_comes_to_all),
		cmocka_unit_test(test_a_burst_cuts_no_tree),
		cmocka_unit_test(test_the_same_value_is_no_change),
		cmocka_unit_test(test_removed_ones_are_compacted),
		cmocka_unit_test(test_a_map_larger_than_a_message),
		cmocka_unit_test(test_the_largest_entry_fits),
		cmocka_unit_test(test_what_does_not_fit_is_refused),
		cmocka_unit_test(test_memory_for_values_is_bounded),
		cmocka_unit_test(test_a_restart_begins_anew),
		cmocka_unit_test(test_a_record_that_changes),
		cmocka_unit_test(test_values_that_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
