/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's network behaves as TCP does: in order, late when packets are lost, broken for its sender when nothing
 * gets through; who is killed, stopped, lost or asleep is told apart from outside as a real host's peers would.
 */
#include <string.h>

#include "tests/lib/test.h"
#include "tests/sim/net.h"

#define MS 1000LL
#define S  1000000LL

struct bed {
	struct heap heap;
	int64_t now_us;
	struct net net;
	struct net_conn *conn[3]; /* as each host knows it */
	char told[2048];
};

static void PRINTF_LIKE(2, 3) tell(struct bed *b, const char *fmt, ...)
{
	size_t n = strlen(b->told);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(b->told + n, sizeof(b->told) - n, fmt, ap);
	va_end(ap);
}

static const char *on_hello(void *ctx, uint32_t from, uint32_t to, uint64_t token)
{
	(void)ctx;
	(void)from;
	(void)to;
	return token == 13 ? "not you" : NULL;
}

static void on_up(void *ctx, struct net_conn *c, int side, uint64_t token)
{
	struct bed *b = ctx;

	(void)token;
	b->conn[c->end[side].host] = c;
	tell(b, "%u up; ", c->end[side].host);
}

static void on_frame(void *ctx, struct net_conn *c, int side, const uint8_t *v, size_t len)
{
	tell(ctx, "%u gets %.*s; ", c->end[side].host, (int)len, (const char *)v);
}

static void on_down(void *ctx, struct net_conn *c, int side, const char *why)
{
	struct bed *b = ctx;

	b->conn[c->end[side].host] = NULL;
	tell(b, "%u down: %s; ", c->end[side].host, why);
}

static void on_room(void *ctx, struct net_conn *c, int side)
{
	tell(ctx, "%u has room; ", c->end[side].host);
}

static void on_failed(void *ctx, uint32_t from, uint64_t token, enum net_outcome outcome, const char *text)
{
	(void)from;
	(void)outcome;
	tell(ctx, "dial %u: %s; ", (unsigned)token, text);
}

static void on_reached(void *ctx, uint32_t from, uint64_t token)
{
	tell(ctx, "%u reaches %u; ", from, (unsigned)token);
}

static const struct net_ops ops = {on_hello, on_up, on_frame, on_down, on_room, on_failed, on_reached};

static void set_up(struct bed *b)
{
	static const struct net_profile p = {.near_us = 100,
		.far_us = 100,
		.break_us = 10 * S,
		.keep_us = 15 * S,
		.dial_us = 5 * S,
		.hello_us = 5 * S,
		.bytes_a_ms = 125000,
		.hello_bytes = 200};

	*b = (struct bed){0};
	net_init(&b->net, &b->heap, &b->now_us, 3, 1, &p, &ops, b);
	for (uint32_t i = 0; i < 3; i++)
		net_process_begins(&b->net, i);
}

static void tear_down(struct bed *b)
{
	net_done(&b->net);
	assert_null(heap_first(&b->heap));
	heap_done(&b->heap);
}

static void pass(struct bed *b, int64_t us)
{
	int64_t until = b->now_us + us;

	for (struct heap_item *i; (i = heap_first(&b->heap)) && i->at_us <= until;) {
		b->now_us = i->at_us > b->now_us ? i->at_us : b->now_us;
		net_due(&b->net, i);
	}
	b->now_us = until;
}

static void connect_two(struct bed *b)
{
	net_dial(&b->net, 0, 1, 7);
	pass(b, S);
	assert_string_equal(b->told, "0 up; 1 up; ");
	b->told[0] = '\0';
}

static void say(struct bed *b, uint32_t host, const char *text)
{
	struct net_conn *c = b->conn[host];

	net_send(c, c->end[0].host == host ? 0 : 1, (const uint8_t *)text, strlen(text));
}

/* What was told in that time. */
#define TOLD(b, us, expected)                             \
	do {                                              \
		pass(b, us);                              \
		assert_string_equal((b)->told, expected); \
		(b)->told[0] = '\0';                      \
	} while (0)

static void test_frames_arrive_in_order_after_the_path_s_time(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	connect_two(&b);
	say(&b, 0, "a");
	say(&b, 0, "b");
	say(&b, 1, "c");
	TOLD(&b, 99, "");
	TOLD(&b, 10, "1 gets a; 0 gets c; 1 gets b; ");
	tear_down(&b);
}

static void test_a_cut_delays_and_then_breaks_for_the_sender_alone(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	connect_two(&b);
	net_pair_loss(&b.net, 0, 1, NET_PPM);
	say(&b, 0, "a");
	TOLD(&b, 300 * MS, "");
	say(&b, 0, "b");
	net_pair_loss(&b.net, 0, 1, 0);
	TOLD(&b, 2 * S, "1 gets a; 1 gets b; ");
	net_pair_loss(&b.net, 0, 1, NET_PPM);
	say(&b, 0, "c");
	TOLD(&b, 9 * S, "");
	TOLD(&b, 2 * S, "0 down: timed out; ");
	say(&b, 1, "d"); /* to an end that is no more; the reset does not get through */
	TOLD(&b, 300 * MS, "");
	net_pair_loss(&b.net, 0, 1, 0);
	say(&b, 1, "e");
	TOLD(&b, S, "1 down: reset by the peer; ");
	tear_down(&b);
}

static void test_without_acknowledgements_a_window_arrives(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	connect_two(&b);
	net_pair_loss(&b.net, 1, 0, NET_PPM);
	for (int i = 0; i < 12; i++)
		say(&b, 0, "x");
	TOLD(&b, S,
		"1 gets x; 1 gets x; 1 gets x; 1 gets x; 1 gets x; 1 gets x; 1 gets x; 1 gets x; 1 gets x; 1 gets x; ");
	TOLD(&b, 11 * S, "0 down: timed out; ");
	tear_down(&b);
}

static void test_a_killed_process_is_told_and_refuses_a_lost_host_is_not(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	connect_two(&b);
	net_process_killed(&b.net, 1);
	TOLD(&b, 10 * MS, "0 down: closed by the peer; ");
	net_dial(&b.net, 0, 1, 8);
	TOLD(&b, 10 * MS, "dial 8: connection refused; ");
	net_reach(&b.net, 0, 1, 1);
	TOLD(&b, 10 * MS, "0 reaches 1; ");
	net_process_begins(&b.net, 1);
	net_dial(&b.net, 0, 1, 9);
	TOLD(&b, 10 * MS, "0 up; 1 up; ");
	net_host_lost(&b.net, 1);
	net_dial(&b.net, 0, 1, 10);
	TOLD(&b, 4 * S, "");
	TOLD(&b, 2 * S, "dial 10: no answer; ");
	net_reach(&b.net, 0, 1, 1);
	TOLD(&b, 6 * S, "");
	pass(&b, 10 * S);
	net_keepalive(&b.net);
	TOLD(&b, S, "0 down: keepalive timed out; ");
	net_host_back(&b.net, 1);
	net_dial(&b.net, 0, 1, 11);
	TOLD(&b, 10 * MS, "dial 11: connection refused; ");
	tear_down(&b);
}

static void test_a_stopped_process_gets_all_once_it_goes_on(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	connect_two(&b);
	net_process_stops(&b.net, 1);
	say(&b, 0, "a");
	pass(&b, 20 * S);
	say(&b, 0, "b");
	net_dial(&b.net, 2, 1, 8);
	TOLD(&b, 6 * S, "dial 8: no hello came; ");
	net_reach(&b.net, 2, 1, 1);
	TOLD(&b, 10 * MS, "2 reaches 1; ");
	net_close(b.conn[0], 0);
	pass(&b, S);
	net_process_goes_on(&b.net, 1);
	TOLD(&b, S, "1 gets a; 1 gets b; 1 down: closed by the peer; ");
	tear_down(&b);
}

static void test_a_sleeping_host_keeps_its_connections(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	connect_two(&b);
	say(&b, 0, "a"); /* on its way, and not taken in */
	net_host_sleeps(&b.net, 1);
	TOLD(&b, 2 * S, "");
	net_host_wakes(&b.net, 1);
	TOLD(&b, 4 * S, "1 gets a; ");
	net_host_sleeps(&b.net, 1);
	say(&b, 0, "b");
	TOLD(&b, 11 * S, "0 down: timed out; ");
	net_host_wakes(&b.net, 1);
	say(&b, 1, "c");
	TOLD(&b, S, "1 down: reset by the peer; ");
	tear_down(&b);
}

static void test_a_full_way_waits_for_room(void **state)
{
	struct bed b;
	uint8_t big[4096] = {'x'};
	unsigned n = 0;

	(void)state;
	set_up(&b);
	connect_two(&b);
	net_process_stops(&b.net, 1);
	while (net_has_room(b.conn[0], 0)) {
		net_send(b.conn[0], 0, big, sizeof(big));
		n++;
	}
	assert_int_equal(n, NET_SNDBUF / sizeof(big));
	b.conn[0]->end[0].wants_room = true;
	TOLD(&b, S, "");
	net_process_goes_on(&b.net, 1);
	pass(&b, S);
	assert_non_null(strstr(b.told, "0 has room; "));
	tear_down(&b);
}

static void test_a_hello_may_be_refused(void **state)
{
	struct bed b;

	(void)state;
	set_up(&b);
	net_dial(&b.net, 0, 1, 13);
	TOLD(&b, S, "dial 13: not you; ");
	net_dial(&b.net, 0, NET_NO_HOST, 14);
	TOLD(&b, 6 * S, "dial 14: no answer; ");
	tear_down(&b);
}

static void test_bytes_are_counted_as_they_leave(void **state)
{
	struct bed b;
	uint64_t a, c;

	(void)state;
	set_up(&b);
	connect_two(&b);
	a = b.net.hosts[0].sent_bytes;
	c = b.net.hosts[1].sent_bytes;
	say(&b, 0, "0123456789012345678901234567890123456789");
	pass(&b, S);
	assert_int_equal(b.net.hosts[0].sent_bytes - a, 40 + 4 + 52);
	assert_int_equal(b.net.hosts[1].sent_bytes - c, 52);
	tear_down(&b);
}

/* Against the plainest way to do it: the soonest of all, and of those of one time the first that was set. */
static void test_the_heap_gives_the_soonest(void **state)
{
	struct heap h = {0};
	struct heap_item items[200] = {{0}};
	struct rng r;

	(void)state;
	rng_seed(&r, 1);
	for (int i = 0; i < 20000; i++) {
		struct heap_item *best = NULL, *item = &items[rng_below(&r, ARRAY_LEN(items))];

		if (rng_below(&r, 3))
			heap_set(&h, item, (int64_t)rng_below(&r, 50));
		else
			heap_del(&h, item);
		for (size_t k = 0; k < ARRAY_LEN(items); k++)
			if (heap_has(&items[k]) &&
				(!best || items[k].at_us < best->at_us ||
					(items[k].at_us == best->at_us && items[k].order < best->order)))
				best = &items[k];
		assert_ptr_equal(heap_first(&h), best);
	}
	heap_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_arrive_in_order_after_the_path_s_time),
		cmocka_unit_test(test_a_cut_delays_and_then_breaks_for_the_sender_alone),
		cmocka_unit_test(test_without_acknowledgements_a_window_arrives),
		cmocka_unit_test(test_a_killed_process_is_told_and_refuses_a_lost_host_is_not),
		cmocka_unit_test(test_a_stopped_process_gets_all_once_it_goes_on),
		cmocka_unit_test(test_a_sleeping_host_keeps_its_connections),
		cmocka_unit_test(test_a_full_way_waits_for_room),
		cmocka_unit_test(test_a_hello_may_be_refused),
		cmocka_unit_test(test_bytes_are_counted_as_they_leave),
		cmocka_unit_test(test_the_heap_gives_the_soonest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
