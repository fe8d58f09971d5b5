/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links between transports: they come up, carry frames both ways, hold back whoever is faster than the other end, end
 * as asked, and a dial that comes to nothing says why.
 */
#include <errno.h>
#include <sys/socket.h>

#include "gossip/transport_priv.h"
#include "tests/lib/link_bed.h"
#include "tests/lib/oom.h"
#include "tests/lib/test.h"

#define ANY "127.0.0.1:0"

static const struct transport_limits usual = {.dial_ms = 0};

/* Two ends with one link. */
static void join(struct link_end *a, struct link_end *b)
{
	link_open(a, ANY, NULL, usual);
	link_open(b, ANY, NULL, usual);
	link_dial_end(a, b, 7);
	LINK_UNTIL(a->up == 1 && b->up == 1, a, b);
}

static void part(struct link_end *a, struct link_end *b)
{
	link_close(a);
	link_close(b);
}

static int say(struct link_end *x, const void *v, size_t n)
{
	return transport_send(x->t, x->last, v, n, wait_mono_ms());
}

static void test_frames_go_both_ways_as_they_are(void **state)
{
	static const size_t sizes[] = {1, 4, 40, 1023, 1024, 1025, 4095, TRANSPORT_FRAME_MAX};
	struct link_end a = {0}, b = {.echoes = true};
	char v[TRANSPORT_FRAME_MAX + 1];

	(void)state;
	join(&a, &b);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		memset(v, 'a' + (int)i, sizeof(v));
		assert_int_equal(say(&a, v, sizes[i]), 0);
		LINK_UNTIL(a.frames == i + 1, &a, &b);
		assert_int_equal(a.got_n, sizes[i]);
		assert_int_equal(strspn(a.got, (char[]){(char)('a' + (int)i), 0}), MIN(sizes[i], sizeof(a.got) - 1));
	}
	assert_int_equal(say(&a, v, TRANSPORT_FRAME_MAX + 1), -EMSGSIZE);
	assert_int_equal(say(&a, v, 0), -EMSGSIZE);
	assert_int_equal(link_stats(&a).frames_in, ARRAY_LEN(sizes));
	assert_int_equal(link_stats(&a).frames_out, ARRAY_LEN(sizes));
	assert_int_equal(link_stats(&a).up, 1);
	part(&a, &b);
}

static void test_both_ends_know_their_addresses(void **state)
{
	char local[2][TRANSPORT_ADDR_MAX], remote[2][TRANSPORT_ADDR_MAX], at[TRANSPORT_ADDR_MAX];
	struct link_end a = {0}, b = {0};

	(void)state;
	join(&a, &b);
	assert_true(transport_addresses(a.t, a.last, local[0], remote[0]));
	assert_true(transport_addresses(b.t, b.last, local[1], remote[1]));
	link_address(&b, at);
	assert_string_equal(remote[0], at);
	assert_string_equal(local[0], remote[1]);
	assert_string_equal(local[1], remote[0]);
	assert_false(transport_addresses(a.t, a.last + 1, local[0], remote[0]));
	part(&a, &b);
}

static void test_the_other_end_hears_of_a_hang_up(void **state)
{
	struct link_end a = {0}, b = {0};

	(void)state;
	join(&a, &b);
	transport_hang_up(a.t, a.last, false, wait_mono_ms());
	assert_int_equal(say(&a, "x", 1), -ENOENT);
	LINK_UNTIL(b.down == 1, &a, &b);
	assert_true(b.by_peer);
	assert_string_equal(b.why, "closed by the other end");
	assert_int_equal(a.down, 0);
	LINK_UNTIL(link_stats(&a).up == 0 && link_stats(&b).up == 0, &a, &b);
	part(&a, &b);
}

static void test_what_was_sent_goes_before_the_end(void **state)
{
	struct link_end a = {0}, b = {0};
	char v[TRANSPORT_FRAME_MAX] = "last words";

	(void)state;
	join(&a, &b);
	for (size_t i = 0; i < LINK_IN_FLIGHT_MAX; i++)
		assert_int_equal(say(&a, v, sizeof(v)), 0);
	transport_hang_up(a.t, a.last, true, wait_mono_ms());
	LINK_UNTIL(b.down == 1, &a, &b);
	assert_int_equal(b.frames, LINK_IN_FLIGHT_MAX);
	assert_string_equal(b.got, "last words");
	LINK_UNTIL(link_stats(&a).pending == 0, &a, &b);
	part(&a, &b);
}

/* The frame, or the hello, stays what it is until its hook returns. */
static void test_a_hook_may_end_its_own_link(void **state)
{
	struct link_end a = {0}, b = {.parts = true}, c = {.parts_at_once = true};
	char v[TRANSPORT_FRAME_MAX];

	(void)state;
	join(&a, &b);
	memset(v, 'v', sizeof(v));
	for (size_t i = 0; i < LINK_IN_FLIGHT_MAX; i++)
		assert_int_equal(say(&a, v, sizeof(v)), 0);
	LINK_UNTIL(a.down == 1, &a, &b);
	assert_int_equal(b.frames, 1);
	assert_int_equal(b.got_n, sizeof(v));
	assert_int_equal(strspn(b.got, "v"), sizeof(b.got) - 1);
	link_open(&c, ANY, NULL, usual);
	link_dial_end(&a, &c, 8);
	LINK_UNTIL(a.down == 2 && c.up == 1, &a, &c);
	LINK_UNTIL(link_stats(&b).pending == 0 && link_stats(&c).pending == 0, &a, &b, &c);
	assert_int_equal(b.down + c.down, 0);
	part(&a, &b);
	link_close(&c);
}

/* The other end of a link of a's, as a plain socket that reads when the test says so. */
static int tether(struct link_end *a, int listener)
{
	int fd = -1;

	LINK_UNTIL((fd = accept(listener, NULL, NULL)) >= 0, a);
	link_raw_frame(fd, "welcome", 7);
	LINK_UNTIL(a->up == 1, a);
	return fd;
}

/* Until nothing is taken any more, for now: how many frames were. */
static size_t stuff(struct link_end *a)
{
	static const char v[TRANSPORT_FRAME_MAX];
	size_t n = 0, before;

	do {
		before = n;
		while (say(a, v, sizeof(v)) == 0)
			n++;
		for (int i = 0; i < 20 && transport_room(a->t, a->last) == 0; i++)
			link_turn(&a, 1);
	} while (n > before);
	return n;
}

static void test_a_slow_reader_holds_its_writer_back(void **state)
{
	char at[TRANSPORT_ADDR_MAX];
	struct link_end a = {0};
	int listener = link_raw_listen(1, at), fd, rc;
	size_t n, writable;

	(void)state;
	link_open(&a, NULL, NULL, usual);
	link_dial(&a, at, 1);
	fd = tether(&a, listener);
	assert_int_equal(transport_room(a.t, a.last), LINK_IN_FLIGHT_MAX);
	n = stuff(&a);
	assert_true(n > LINK_IN_FLIGHT_MAX);
	while ((rc = say(&a, "x", 1)) == 0)
		;
	assert_int_equal(rc, -EAGAIN);
	assert_int_equal(a.down, 0);
	writable = a.writable;
	LINK_UNTIL(link_raw_closed(fd) || a.writable > writable, &a);
	assert_int_equal(a.down, 0);
	assert_int_equal(say(&a, "x", 1), 0);
	link_close(&a);
	(void)close(fd); /* the test's own */
	(void)close(listener);
}

/* Bytes that have come by now, all told. */
static size_t drain(int fd, size_t *total)
{
	char buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		*total += (size_t)n;
	return *total;
}

/* Whether the buffer is full: the frame that was sent last is torn, or has not begun to leave. */
static bool is_torn(struct link_end *a)
{
	return transport_link_find(a->t, a->last)->tx_busy;
}

/* Sends until the last frame is torn, or further until that many are held back; then reads all of them. */
static void fill_and_read(struct link_end *a, int listener, const char *at, size_t held)
{
	static const char v[TRANSPORT_FRAME_MAX];
	const size_t frame = sizeof(v) + 4, hello = 4 + 5;
	size_t sent = 0, total = 0;
	int fd;

	a->up = 0;
	link_dial(a, at, 1);
	fd = tether(a, listener);
	do {
		assert_int_equal(say(a, v, sizeof(v)), 0);
		sent++;
	} while (!is_torn(a) || transport_link_find(a->t, a->last)->n_out < held);
	LINK_UNTIL(drain(fd, &total) == hello + sent * frame, a);
	transport_hang_up(a->t, a->last, false, wait_mono_ms());
	(void)close(fd); /* the test's own */
}

static void test_what_a_turn_has_sent_leaves_together(void **state)
{
	struct link_end a = {.gathers = true}, b = {0};
	char v[1000];
	size_t n = 0;

	(void)state;
	join(&a, &b);
	memset(v, 'v', sizeof(v));
	assert_true(transport_is_idle(a.t, a.last));
	while (transport_room(a.t, a.last) > 0) {
		assert_int_equal(say(&a, v, sizeof(v)), 0);
		n++;
	}
	assert_true(n > TRANSPORT_RUN_MAX / sizeof(v)); /* one run has begun, the next one is full */
	assert_false(transport_is_idle(a.t, a.last));
	LINK_UNTIL(b.frames == n && a.writable == 1, &a, &b);
	assert_int_equal(say(&a, "last words", 10), 0);
	assert_int_equal(b.frames, n);
	transport_hang_up(a.t, a.last, true, wait_mono_ms());
	LINK_UNTIL(b.down == 1, &a, &b);
	assert_int_equal(b.frames, n + 1);
	assert_string_equal(b.got, "last words");
	part(&a, &b);
}

/* However slow the other end is: all of it, in order, and nothing twice. */
static void test_what_was_gathered_comes_whole(void **state)
{
	static const char v[2500];
	const size_t frame = sizeof(v) + 4, hello = 4 + 5;
	char at[TRANSPORT_ADDR_MAX];
	struct link_end a = {.gathers = true};
	int listener = link_raw_listen(1, at), fd;
	size_t sent = 0, total = 0;

	(void)state;
	link_open(&a, NULL, NULL, usual);
	link_dial(&a, at, 1);
	fd = tether(&a, listener);
	for (int turns = 0; turns < 1000; turns++) {
		for (int i = 0; i < 1 + turns % 5 && say(&a, v, sizeof(v)) == 0; i++)
			sent++;
		transport_flush(a.t, wait_mono_ms());
		if (turns % 16 == 0)
			drain(fd, &total);
		if (transport_room(a.t, a.last) == 0)
			LINK_UNTIL(drain(fd, &total) && transport_room(a.t, a.last) > 0, &a);
	}
	LINK_UNTIL(drain(fd, &total) == hello + sent * frame, &a);
	link_close(&a);
	(void)close(fd); /* the test's own */
	(void)close(listener);
}

/* Nobody calls the transport any more once the sender falls silent: it must go on by itself. */
static void test_nothing_that_was_taken_stays_behind(void **state)
{
	char at[TRANSPORT_ADDR_MAX];
	struct link_end a = {0};
	int listener = link_raw_listen(1, at);

	(void)state;
	link_open(&a, NULL, NULL, (struct transport_limits){.stall_ms = 1 << 30}); /* which would look again */
	fill_and_read(&a, listener, at, 1);
	fill_and_read(&a, listener, at, LINK_IN_FLIGHT_MAX);
	link_close(&a);
	(void)close(listener); /* the test's own */
}

static void test_who_never_reads_is_cut_off(void **state)
{
	char at[TRANSPORT_ADDR_MAX];
	struct link_end a = {0};
	int listener = link_raw_listen(1, at), fd;

	(void)state;
	link_open(&a, NULL, NULL, (struct transport_limits){.stall_ms = 300});
	link_dial(&a, at, 1);
	fd = tether(&a, listener);
	(void)stuff(&a);
	LINK_UNTIL(a.down == 1, &a);
	assert_non_null(strstr(a.why, "does not read"));
	assert_false(a.by_peer);
	assert_int_equal(link_stats(&a).stalled, 1);
	link_close(&a);
	(void)close(fd); /* the test's own */
	(void)close(listener);
}

/* The length of a frame may come byte by byte, and a thousand of them at once. */
static void test_frames_are_found_however_the_bytes_come(void **state)
{
	const unsigned char one[] = {0, 0, 0, 3, 'a', 'b', 'c'};
	unsigned char many[1000 * sizeof(one)];
	struct link_end a = {0};
	int fd;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	fd = link_raw(&a);
	link_raw_frame(fd, "hello", 5);
	LINK_UNTIL(a.up == 1, &a);
	for (size_t i = 0; i < sizeof(one); i++) {
		assert_int_equal(send(fd, one + i, 1, 0), 1);
		LINK_UNTIL(link_stats(&a).bytes_in == i + 1, &a);
	}
	assert_int_equal(a.frames, 1);
	for (size_t i = 0; i < 1000; i++)
		memcpy(many + i * sizeof(one), one, sizeof(one));
	assert_int_equal(send(fd, many, sizeof(many), 0), sizeof(many));
	LINK_UNTIL(a.frames == 1001, &a);
	assert_string_equal(a.got, "abc");
	(void)close(fd); /* seen by the other end */
	LINK_UNTIL(a.down == 1, &a);
	link_close(&a);
}

/* Who does not answer at all is in test_transport_net: a listener whose queue is full answers some. */
static void test_a_dial_tells_refused_from_no_such_name(void **state)
{
	char refused[TRANSPORT_ADDR_MAX], full[TRANSPORT_ADDR_MAX];
	struct link_end a = {0};
	int bound = link_raw_listen(-1, refused), busy = link_raw_listen(0, full);

	(void)state;
	link_open(&a, NULL, NULL, (struct transport_limits){.dial_ms = 10000, .hello_ms = 300});
	link_dial(&a, refused, 1);
	LINK_UNTIL(a.failed == 1, &a);
	assert_int_equal(a.outcomes[TRANSPORT_REFUSED], 1);
	assert_string_equal(a.why, "connection refused");
	link_dial(&a, "no.such.name.invalid:1", 3);
	LINK_UNTIL(a.failed == 2, &a);
	assert_int_equal(a.outcomes[TRANSPORT_UNREACHABLE], 1);
	link_dial(&a, full, 4);
	link_close(&a);	    /* with one under way */
	(void)close(bound); /* the test's own */
	(void)close(busy);
}

static void test_whom_the_hello_refuses_is_told_why(void **state)
{
	struct link_end a = {0}, b = {.refuses = true};

	(void)state;
	link_open(&a, ANY, NULL, usual);
	link_open(&b, ANY, NULL, usual);
	link_dial_end(&a, &b, 3);
	LINK_UNTIL(a.failed == 1 && b.turned_away == 1, &a, &b);
	assert_int_equal(a.outcomes[TRANSPORT_TURNED_AWAY], 1);
	assert_string_equal(a.why, "told to go away");
	assert_string_equal(b.why, "is not wanted");
	LINK_UNTIL(link_stats(&b).pending == 0, &a, &b);
	assert_int_equal(a.up + b.up, 0);
	part(&a, &b);
}

static void test_who_says_no_hello_is_left(void **state)
{
	struct link_end a = {0}, b = {.leaves_hello = true};

	(void)state;
	link_open(&a, NULL, NULL, (struct transport_limits){.hello_ms = 200});
	link_open(&b, ANY, NULL, usual);
	link_dial_end(&a, &b, 3);
	LINK_UNTIL(a.failed == 1, &a, &b);
	assert_int_equal(a.outcomes[TRANSPORT_TURNED_AWAY], 1);
	assert_string_equal(a.why, "said no hello within 200 ms");
	LINK_UNTIL(b.turned_away == 1, &a, &b);
	assert_string_equal(b.why, "closed the connection during the hello");
	part(&a, &b);
}

static void test_no_address_is_no_dial(void **state)
{
	static const char *const bad[] = {"", "x", "x:", ":1", "a/b:1", "u@h:1", "h:1?x", "h:x", "h :1", "tcp://h:1"};
	struct link_end a = {0};
	struct err e;

	(void)state;
	link_open(&a, NULL, NULL, usual);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(transport_dial(a.t, bad[i], 1, 0, &e), -EINVAL);
	assert_int_equal(link_stats(&a).dialling, 0);
	link_close(&a);
}

static void test_dials_at_a_time_are_bounded(void **state)
{
	char full[TRANSPORT_ADDR_MAX];
	struct link_end a = {0};
	int busy = link_raw_listen(0, full);
	struct err e;

	(void)state;
	link_open(&a, NULL, NULL, (struct transport_limits){.dial_ms = 60000, .hello_ms = 60000});
	for (uint64_t i = 0; i < TRANSPORT_DIALS_MAX; i++)
		link_dial(&a, full, 1 + i);
	assert_int_equal(transport_dial(a.t, full, 99, wait_mono_ms(), &e), -EBUSY);
	assert_string_equal(e.text, "64 others are being dialled");
	link_close(&a);
	(void)close(busy); /* the test's own */
}

static void test_an_address_in_use_is_named(void **state)
{
	char at[TRANSPORT_ADDR_MAX];
	int fd = link_raw_listen(1, at);
	struct link_end a = {0};
	struct err e;

	(void)state;
	assert_int_equal(link_try_open(&a, at, NULL, usual, &e), -EADDRINUSE);
	assert_non_null(strstr(e.text, at));
	assert_int_equal(link_try_open(&a, "192.0.2.1:0", NULL, usual, &e), -EADDRNOTAVAIL);
	assert_int_equal(link_try_open(&a, "nowhere", NULL, usual, &e), -EINVAL);
	(void)close(fd); /* the test's own */
}

static void test_memory_may_fail_anywhere(void **state)
{
	struct link_end b = {.echoes = true};

	(void)state;
	link_open(&b, ANY, NULL, usual);
	OOM_LOOP (o) {
		struct link_end a = {0};
		char at[TRANSPORT_ADDR_MAX];
		struct err e;

		b.dropped = 0;
		link_address(&b, at);
		if (link_try_open(&a, ANY, NULL, usual, &e) == 0) {
			if (transport_dial(a.t, at, 1, wait_mono_ms(), &e) == 0)
				LINK_UNTIL(a.up + a.failed == 1, &a, &b);
			if (a.up && say(&a, "x", 1) == 0)
				LINK_UNTIL(a.frames + a.down + b.dropped == 1, &a, &b);
			link_close(&a);
		}
		(void)oom_hit(&o);
	}
	LINK_UNTIL(link_stats(&b).up + link_stats(&b).pending == 0, &b);
	link_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_go_both_ways_as_they_are),
		cmocka_unit_test(test_both_ends_know_their_addresses),
		cmocka_unit_test(test_the_other_end_hears_of_a_hang_up),
		cmocka_unit_test(test_what_was_sent_goes_before_the_end),
		cmocka_unit_test(test_a_hook_may_end_its_own_link),
		cmocka_unit_test(test_a_slow_reader_holds_its_writer_back),
		cmocka_unit_test(test_what_a_turn_has_sent_leaves_together),
		cmocka_unit_test(test_what_was_gathered_comes_whole),
		cmocka_unit_test(test_nothing_that_was_taken_stays_behind),
		cmocka_unit_test(test_who_never_reads_is_cut_off),
		cmocka_unit_test(test_frames_are_found_however_the_bytes_come),
		cmocka_unit_test(test_a_dial_tells_refused_from_no_such_name),
		cmocka_unit_test(test_whom_the_hello_refuses_is_told_why),
		cmocka_unit_test(test_who_says_no_hello_is_left),
		cmocka_unit_test(test_no_address_is_no_dial),
		cmocka_unit_test(test_dials_at_a_time_are_bounded),
		cmocka_unit_test(test_an_address_in_use_is_named),
		cmocka_unit_test(test_memory_may_fail_anywhere),
	};

	return cmocka_run_group_tests(tests, link_setup, link_teardown);
}
