/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations as the store has them: what was packed is read back, what is not understood is left out and does no harm,
 * and what is remembered has its bounds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "node/ops.h"
#include "tests/lib/test.h"

static int setup(void **state)
{
	static struct node n;

	n = (struct node){.next_run = 7};
	list_init(&n.ops);
	*state = &n;
	return 0;
}

static int teardown(void **state)
{
	ops_done(*state);
	return 0;
}

static void pack_map(struct bytes *out, const char *key, const char *v)
{
	struct mp_writer w;

	bytes_init(out, CONTROL_FRAME_MAX);
	mp_writer_init(&w, out);
	mp_map(&w, 1);
	mp_key_str(&w, key, v);
	assert_false(out->failed);
}

/* A row of a change of one agent with that answer. */
static void pack_row(struct node *n, const struct bytes *result, struct bytes *out)
{
	struct op *op = ops_new(n, "being packed", OP_STOPPED);

	assert_non_null(op);
	assert_int_equal(ops_add(op, "web", 3), 0);
	bytes_init(out, CONTROL_FRAME_MAX);
	assert_int_equal(ops_pack(op, result, out), 0);
	ops_forget(n, op);
	n->ops_seq = 0;
}

static int take(struct node *n, int64_t seq, const char *id, const void *v, size_t size)
{
	return ops_restore(n, &(struct store_op){.seq = seq, .id = id, .saved = v, .saved_len = size});
}

static void test_what_was_packed_is_read_back(void **state)
{
	struct node *n = *state;
	struct bytes result, row;

	pack_map(&result, "op", "a");
	pack_row(n, &result, &row);
	assert_int_equal(take(n, 5, "a", row.v, row.n), 0);
	assert_non_null(ops_find(n, "a"));
	assert_int_equal(ops_result(ops_find(n, "a"))->n, result.n);
	assert_memory_equal(ops_result(ops_find(n, "a"))->v, result.v, result.n);
	assert_int_equal(n->ops_seq, 5);
	bytes_done(&result);
	bytes_done(&row);
}

static void test_a_row_that_is_not_understood_is_left_out(void **state)
{
	static const struct {
		int64_t seq;
		const char *id;
	} bad[] = {{0, "a"}, {-1, "a"}, {INT64_MIN, "a"}, {INT64_MAX, "a"}, {1, ""},
		{1, "an id that is longer than any that a client may give to an operation of its own"}};
	struct node *n = *state;
	struct bytes result, row, wrong[] = {{.v = NULL}, {.v = (char *)"\x01", .n = 1}, {.v = (char *)"\x82", .n = 1}};

	pack_map(&result, "op", "a");
	pack_row(n, &result, &row);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(take(n, bad[i].seq, bad[i].id, row.v, row.n), 0);
	for (size_t len = 0; len < row.n; len++)
		assert_int_equal(take(n, 1, "a", row.v, len), 0);
	assert_int_equal(n->n_ops, 0);
	bytes_done(&row);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) { /* an answer that could not be sent */
		pack_row(n, &wrong[i], &row);
		assert_int_equal(take(n, 1, "a", row.v, row.n), 0);
		assert_null(ops_find(n, "a"));
		bytes_done(&row);
		n->ops_seq = 0;
	}
	assert_int_equal(n->n_ops, 0);
	assert_int_equal(n->ops_bytes, 0);
	bytes_done(&result);
}

static void test_the_oldest_are_forgotten(void **state)
{
	struct node *n = *state;
	char id[OP_ID_MAX];

	for (int i = 0; i < OPS_MAX + 3; i++) {
		(void)snprintf(id, sizeof(id), "op-%d", i);
		assert_non_null(ops_new(n, id, OP_RUNNING));
	}
	assert_int_equal(n->n_ops, OPS_MAX);
	assert_null(ops_find(n, "op-2"));
	assert_non_null(ops_find(n, "op-3"));
}

static void test_large_answers_are_forgotten_but_the_last(void **state)
{
	static char large[OPS_BYTES_MAX + 1];
	const struct bytes half = {.v = large, .n = OPS_BYTES_MAX / 2}, more = {.v = large, .n = sizeof(large)};
	struct node *n = *state;

	ops_set_result(n, ops_new(n, "a", OP_RUNNING), &half);
	ops_set_result(n, ops_new(n, "b", OP_RUNNING), &half);
	assert_int_equal(n->n_ops, 2);
	ops_set_result(n, ops_new(n, "c", OP_RUNNING), &half);
	assert_null(ops_find(n, "a"));
	assert_int_equal(n->ops_bytes, OPS_BYTES_MAX / 2 * 2);
	ops_set_result(n, ops_new(n, "d", OP_RUNNING), &more);
	assert_int_equal(n->n_ops, 1);
	assert_int_equal(ops_result(ops_find(n, "d"))->n, sizeof(large));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_packed_is_read_back),
		TEST(test_a_row_that_is_not_understood_is_left_out),
		TEST(test_the_oldest_are_forgotten),
		TEST(test_large_answers_are_forgotten_but_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
