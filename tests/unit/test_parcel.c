/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/parcel: register messages over a link in pieces. They come as they went, the short ones between the pieces of a
 * long one; a piece out of turn costs its message alone; each bound, once full, drops and counts; a link that ends
 * takes all of it along.
 */
#include "node/parcel.h"

#include <errno.h>

#include "tests/lib/consensus_msgs.h"
#include "tests/lib/consensus_story.h"
#include "tests/lib/oom.h"

#define CAME_MAX 8

static struct parcels sends, takes;
static struct parcel_link out, in;
static uint8_t value[MSG_VALUE_MAX];

/* What came whole, in order. */
static struct came {
	enum msg_type type;
	uint64_t round;
	size_t value_n;
} came[CAME_MAX];
static size_t n_came;

static int setup(void **state)
{
	(void)state;
	memset(&sends, 0, sizeof(sends));
	memset(&takes, 0, sizeof(takes));
	n_came = 0;
	parcel_link_init(&out, &sends);
	parcel_link_init(&in, &takes);
	for (size_t i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)(i * 31 >> 3);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	parcel_link_done(&out);
	parcel_link_done(&in);
	assert_int_equal(sends.held + takes.held, 0);
	return 0;
}

static struct msg message(uint64_t round, size_t n)
{
	return (struct msg){.type = MSG_ACCEPT,
		.from = story_node('a'),
		.cfg = story_cfg(1, "abc", ""),
		.round = round,
		.key = story_key("web"),
		.ballot = story_ballot(4, 'a'),
		.value = {value, n}};
}

static int add(uint64_t round, size_t n)
{
	struct msg m = message(round, n);

	return parcel_add(&out, &m);
}

/* How long a value makes a message of exactly n bytes. */
static size_t value_of(size_t n)
{
	struct msg m = message(1, 1000);

	return 1000 + n - wire_msg_size(&m);
}

static void take(const struct gossip_msg *g)
{
	struct arena lists = {.max_bytes = WIRE_LISTS_MAX};
	struct uuid from = story_node('a');
	struct parcel_whole w;
	struct msg m;
	struct err e;

	assert_null(gossip_msg_fault(g));
	if (!parcel_take(&in, &g->piece, &w))
		return;
	if (wire_msg_decode(w.v, w.n, &from, &lists, &m, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(n_came < CAME_MAX);
	assert_memory_equal(m.value.v, value, m.value.n);
	came[n_came++] = (struct came){m.type, m.round, m.value.n};
	arena_done(&lists);
	parcel_whole_done(&w);
}

/* The next piece is handed on; false: there is none. */
static bool pass(bool *ret_alone)
{
	struct gossip_msg g;
	bool alone;

	if (!parcel_next(&out, &g, &alone))
		return false;
	take(&g);
	parcel_sent(&out, &g, true);
	if (ret_alone)
		*ret_alone = alone;
	return true;
}

static size_t pass_all(void)
{
	size_t n = 0;

	while (pass(NULL))
		n++;
	return n;
}

static void test_messages_come_as_they_went(void **state)
{
	static const size_t sizes[] = {300, GOSSIP_BODY_MAX - 1, GOSSIP_BODY_MAX, GOSSIP_BODY_MAX + 1,
		2 * GOSSIP_BODY_MAX, 2 * GOSSIP_BODY_MAX + 1};
	size_t bytes = 0, pieces = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t each = (sizes[i] + GOSSIP_BODY_MAX - 1) / GOSSIP_BODY_MAX;

		assert_int_equal(add(i + 1, value_of(sizes[i])), 0);
		assert_int_equal(pass_all(), each);
		assert_int_equal(n_came, i + 1);
		assert_int_equal(came[i].round, i + 1);
		assert_int_equal(came[i].value_n, value_of(sizes[i]));
		bytes += sizes[i];
		pieces += each;
	}
	assert_int_equal(add(9, MSG_VALUE_MAX), 0);
	(void)pass_all();
	assert_int_equal(came[n_came - 1].value_n, MSG_VALUE_MAX);
	assert_true(sends.figures.out == n_came && takes.figures.in == n_came);
	assert_true(
		sends.figures.bytes_out == takes.figures.bytes_in && sends.figures.bytes_out > bytes + MSG_VALUE_MAX);
	assert_true(sends.figures.frames_out == takes.figures.frames_in && sends.figures.frames_out > pieces);
	assert_int_equal(sends.held + takes.held, 0);
}

static void test_short_ones_come_between_the_pieces_of_a_long_one(void **state)
{
	bool alone;

	(void)state;
	assert_int_equal(add(1, 10000), 0);
	assert_int_equal(add(2, 10000), 0);
	assert_true(pass(&alone) && !alone);
	assert_int_equal(add(3, 10), 0);
	assert_int_equal(add(4, 10), 0);
	assert_true(pass(&alone) && alone);
	assert_int_equal(came[0].round, 3);
	assert_true(pass(&alone) && alone);
	assert_int_equal(came[1].round, 4);
	(void)pass_all();
	assert_int_equal(n_came, 4);
	assert_true(came[2].round == 1 && came[3].round == 2); /* one long one after the other */
	assert_int_equal(takes.figures.strays + takes.figures.lost, 0);
}

static struct gossip_msg piece(uint32_t size, uint32_t at, uint16_t n)
{
	return (struct gossip_msg){
		.type = GOSSIP_MSG_REGISTER, .piece = {.size = size, .at = at, .body = {(const char *)value, n}}};
}

static void stray(uint32_t size, uint32_t at, uint16_t n)
{
	struct gossip_msg g = piece(size, at, n);
	uint64_t strays = takes.figures.strays;

	take(&g);
	assert_int_equal(takes.figures.strays, strays + 1);
	assert_int_equal(takes.held, 0);
	assert_null(in.in.v);
}

static void test_a_piece_out_of_turn_costs_its_message(void **state)
{
	(void)state;
	stray(10000, 3968, 10); /* of a message that has not begun */
	assert_int_equal(add(1, 10000), 0);
	assert_true(pass(NULL));
	stray(20000, 3968, 10); /* of another size */
	while (pass(NULL))
		;
	assert_int_equal(n_came, 0);
	assert_int_equal(add(2, 10000), 0);
	assert_true(pass(NULL));
	stray((uint32_t)in.in_size, 3967, 10); /* some bytes twice */
	(void)pass_all();
	assert_int_equal(add(3, 10000), 0);
	(void)pass_all();
	assert_int_equal(n_came, 1);
	assert_int_equal(came[0].round, 3);
}

/* As when there is no memory for the frame: what is sent next must not be glued to what came before. */
static void test_a_piece_that_is_lost(void **state)
{
	struct gossip_msg g;
	bool alone;

	(void)state;
	for (int lost = 0; lost < 3; lost++) {
		assert_int_equal(add(1, 10000), 0);
		for (int i = 0; i < lost; i++)
			assert_true(pass(NULL));
		assert_true(parcel_next(&out, &g, &alone));
		parcel_sent(&out, &g, false);
		assert_false(parcel_next(&out, &g, &alone));
		assert_int_equal(add(2, 10000), 0);
		assert_true(pass_all() >= 3);
		assert_int_equal(n_came, lost + 1);
		assert_int_equal(came[lost].round, 2);
	}
	assert_int_equal(sends.figures.lost, 3);
	assert_int_equal(takes.figures.lost, 2); /* the first was lost before it came */
	assert_int_equal(takes.figures.strays, 0);
}

static void test_what_is_too_large_or_does_not_end(void **state)
{
	struct gossip_msg g = piece(WIRE_MSG_MAX + 1, 0, 100);

	(void)state;
	take(&g);
	assert_int_equal(takes.figures.too_large, 1);
	g = piece(UINT32_MAX, 0, 100);
	take(&g);
	assert_int_equal(takes.figures.too_large, 2);
	assert_int_equal(takes.held, 0);
	g = piece(WIRE_MSG_MAX, 0, 100);
	take(&g);
	assert_int_equal(takes.held, WIRE_MSG_MAX);
	assert_true(in.in.cap < 1000); /* memory as it comes, not as it was announced */
	take(&g);
	assert_int_equal(takes.held, WIRE_MSG_MAX); /* begun anew */
	assert_int_equal(takes.figures.lost, 1);
}

static void test_queues_are_bounded(void **state)
{
	size_t small = 0, large = 0;

	(void)state;
	while (add(1, 1000) == 0)
		small++;
	assert_int_equal(add(1, 1000), -ENOBUFS);
	assert_in_range(small, PARCEL_SMALL_MAX / 1400, PARCEL_SMALL_MAX / 1000);
	while (add(1, MSG_VALUE_MAX) == 0)
		large++;
	assert_int_equal(large, PARCEL_LARGE_MAX / (MSG_VALUE_MAX + 300));
	assert_int_equal(sends.figures.full, 3);
	assert_in_range(sends.held, large * MSG_VALUE_MAX, PARCEL_SMALL_MAX + PARCEL_LARGE_MAX);
	parcel_link_done(&out);
	assert_int_equal(sends.figures.lost, small + large);
	assert_int_equal(sends.held, 0);
	assert_int_equal(add(1, 1000), 0); /* it is as new */
	assert_int_equal(sends.figures.full, 3);
}

static void test_all_links_together_are_bounded(void **state)
{
	static struct parcel_link links[64];
	struct msg m = message(1, MSG_VALUE_MAX);
	struct gossip_msg g = piece(WIRE_MSG_MAX, 0, 100);
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		parcel_link_init(&links[i], &sends);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		while (parcel_add(&links[i], &m) == 0)
			n++;
	assert_in_range(n * MSG_VALUE_MAX, PARCEL_HELD_MAX - 2 * MSG_VALUE_MAX, PARCEL_HELD_MAX);
	parcel_link_done(&links[0]);
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		struct parcel_whole w;

		assert_false(parcel_take(&links[i], &g.piece, &w));
		assert_true(sends.held <= PARCEL_HELD_MAX);
	}
	assert_true(links[0].in_size == WIRE_MSG_MAX && links[ARRAY_LEN(links) - 1].in_size == 0);
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		parcel_link_done(&links[i]);
}

static void test_a_link_that_ends_takes_both_along(void **state)
{
	(void)state;
	assert_int_equal(add(1, 10000), 0);
	assert_int_equal(add(2, 10), 0);
	assert_true(pass(NULL));
	assert_true(pass(NULL));
	parcel_link_done(&out);
	parcel_link_done(&in);
	assert_int_equal(sends.figures.lost, 1);
	assert_int_equal(takes.figures.lost, 1);
	assert_int_equal(sends.held + takes.held, 0);
	assert_int_equal(add(3, 10000), 0);
	(void)pass_all();
	assert_int_equal(n_came, 2);
	assert_int_equal(came[1].round, 3);
}

static void test_each_allocation_fails(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		uint64_t lost = sends.figures.lost + takes.figures.lost;
		size_t n = n_came = 0;

		n += add(1, 10) == 0;
		n += add(2, 20000) == 0;
		(void)pass_all();
		assert_int_equal(n_came, oom_hit(&o) ? 1 : 2);
		assert_int_equal(sends.figures.lost + takes.figures.lost - lost, o.hit ? 1 : 0);
		assert_true(n >= n_came);
		parcel_link_done(&in);
		assert_int_equal(sends.held + takes.held, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages_come_as_they_went, setup, teardown),
		cmocka_unit_test_setup_teardown(test_short_ones_come_between_the_pieces_of_a_long_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_piece_out_of_turn_costs_its_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_piece_that_is_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_too_large_or_does_not_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_queues_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_links_together_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_link_that_ends_takes_both_along, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_allocation_fails, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
