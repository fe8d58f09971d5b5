/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bad peers cost themselves alone: silent ones are bounded in number and time, frames that cannot be end their link,
 * nobody fills the log, and whatever came and went, descriptors and memory return.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "tests/lib/link_bed.h"
#include "tests/lib/test.h"

#define ANY	"127.0.0.1:0"
#define SILENT	200
#define PENDING 64
#define ROUNDS	1000

static const struct transport_limits usual = {.dial_ms = 0};

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]); /* the test's own */
}

static void test_silent_peers_are_bounded_and_a_good_one_comes_through(void **state)
{
	struct link_end a = {0}, b = {0};
	int fds[SILENT];
	size_t before, most = 0;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	link_open(&b, NULL, NULL, (struct transport_limits){.dial_ms = 60000, .hello_ms = 60000});
	before = link_fds();
	for (size_t i = 0; i < SILENT; i++) {
		fds[i] = link_raw(&a);
		most = MAX(most, link_stats(&a).pending);
		link_turn((struct link_end *[]){&a}, 1);
	}
	link_dial_end(&b, &a, 5);
	while (b.up == 0 && b.failed == 0) {
		link_turn((struct link_end *[]){&a, &b}, 2);
		most = MAX(most, link_stats(&a).pending);
	}
	assert_int_equal(b.failed, 0);
	assert_int_equal(most, PENDING);
	assert_true(link_stats(&a).evicted > 0);
	LINK_UNTIL(link_stats(&a).pending == 0, &a, &b);
	LINK_UNTIL(link_fds() <= before + SILENT + 2, &a, &b); /* their own ends, and the good one's link */
	for (size_t i = 0; i < SILENT; i++)
		LINK_UNTIL(link_raw_closed(fds[i]), &a, &b);
	close_all(fds, SILENT);
	assert_int_equal(a.down + b.down, 0);
	assert_int_equal(link_stats(&a).turned_away, SILENT);
	assert_in_range(a.turned_away, 20, 20 + 20 * WAIT_BOUND_S / 60);
	link_close(&b);
	link_close(&a);
}

/* So many at once, and so many more each time that nobody came through; and none of them is forgotten. */
static void test_few_shake_hands_at_a_time(void **state)
{
	struct link_end a = {0};
	int fds[PENDING / 2];
	int64_t began;

	(void)state;
	link_open(&a, ANY, NULL, (struct transport_limits){.hello_ms = 60000});
	began = wait_mono_ms();
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = link_raw(&a);
	while (a.hellos < ARRAY_LEN(fds)) {
		link_turn((struct link_end *[]){&a}, 1);
		assert_true(a.hellos <= 8 * (1 + (size_t)(wait_mono_ms() - began) / 125));
		assert_true(wait_mono_ms() - began < WAIT_BOUND_S * 1000);
	}
	assert_int_equal(link_stats(&a).pending, ARRAY_LEN(fds));
	for (size_t i = ARRAY_LEN(fds); i-- > 0;) { /* the last ones first: they are heard too */
		link_raw_frame(fds[i], "hello", 5);
		LINK_UNTIL(a.up == ARRAY_LEN(fds) - i, &a);
	}
	close_all(fds, ARRAY_LEN(fds));
	assert_int_equal(link_stats(&a).evicted + a.turned_away, 0);
	link_close(&a);
}

/* One that waits and goes away again takes no other's turn. */
static void test_who_waited_in_vain_costs_nobody(void **state)
{
	struct link_end a = {0};
	int fds[PENDING / 2];

	(void)state;
	link_open(&a, ANY, NULL, usual);
	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = link_raw(&a);
	LINK_UNTIL(link_stats(&a).accepted == ARRAY_LEN(fds), &a);
	close_all(fds, ARRAY_LEN(fds) - 1);
	link_raw_frame(fds[ARRAY_LEN(fds) - 1], "hello", 5);
	LINK_UNTIL(a.up == 1, &a);
	LINK_UNTIL(link_stats(&a).pending == 0, &a);
	assert_int_equal(a.turned_away, MIN(ARRAY_LEN(fds) - 1, (size_t)20));
	close_all(&fds[ARRAY_LEN(fds) - 1], 1);
	link_close(&a);
}

static void test_a_silent_peer_has_its_time(void **state)
{
	struct link_end a = {0};
	int fd;

	(void)state;
	link_open(&a, ANY, NULL, (struct transport_limits){.hello_ms = 2000});
	fd = link_raw(&a);
	LINK_UNTIL(link_stats(&a).pending == 1, &a);
	LINK_UNTIL(link_raw_closed(fd), &a);
	assert_string_equal(a.why, "said no hello within 2000 ms");
	close_all(&fd, 1);
	fd = link_raw(&a);
	assert_int_equal(send(fd, "\0\0", 2, 0), 2); /* half a length */
	LINK_UNTIL(link_raw_closed(fd), &a);
	assert_string_equal(a.why, "sent half a hello within 2000 ms");
	close_all(&fd, 1);
	link_close(&a);
}

static void test_what_is_no_hello_is_named(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *why;
	} bad[] = {
		{"GET / HTTP/1.1\r\n\r\n", 18, "speaks another protocol"},
		{"\x16\x03\x01\x02\x00\x01\x00", 7, "speaks TLS, and this node does not (gossip.insecure)"},
		{"\0\0\0\0", 4, "speaks another protocol"},
		{"\0\0\x10\x01", 4, "speaks another protocol"}, /* a byte too long */
		{"\xff\xff\xff\xff", 4, "speaks another protocol"}, {"\0\0\0\1x", 5, "said something else"},
		{"\0\0\0\6hello", 9, "closed the connection during the hello"}, /* a byte short */
	};
	struct link_end a = {0};

	(void)state;
	assert_int_equal(TRANSPORT_FRAME_MAX + 1, 0x1001);
	link_open(&a, ANY, NULL, usual);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = link_raw(&a);

		assert_int_equal(send(fd, bad[i].bytes, bad[i].n, 0), bad[i].n);
		if (strncmp(bad[i].why, "closed", 6) == 0)
			assert_int_equal(shutdown(fd, SHUT_WR), 0);
		LINK_UNTIL(a.turned_away == i + 1, &a);
		assert_string_equal(a.why, bad[i].why);
		LINK_UNTIL(link_raw_closed(fd), &a);
		close_all(&fd, 1);
	}
	assert_int_equal(a.up, 0);
	link_close(&a);
}

static int linked(struct link_end *a)
{
	size_t up = a->up;
	int fd = link_raw(a);

	link_raw_frame(fd, "hello", 5);
	LINK_UNTIL(a->up == up + 1, a);
	return fd;
}

static void test_a_bad_frame_ends_its_link_alone(void **state)
{
	static const char *const bad[] = {"\0\0\x10\x01", "\0\0\0\0", "\x7f\xff\xff\xff"};
	struct link_end a = {.echoes = true};
	int good;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	good = linked(&a);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int fd = linked(&a);

		link_raw_frame(fd, "fine", 4);
		LINK_UNTIL(a.frames == 2 * i + 1, &a);
		assert_int_equal(send(fd, bad[i], 4, 0), 4);
		LINK_UNTIL(a.down == i + 1, &a);
		assert_non_null(strstr(a.why, "which may have 1 to 4096"));
		assert_false(a.by_peer);
		LINK_UNTIL(link_raw_closed(fd), &a);
		close_all(&fd, 1);
		link_raw_frame(good, "still", 5);
		LINK_UNTIL(a.frames == 2 * i + 2, &a);
	}
	assert_int_equal(link_stats(&a).bad_frames, ARRAY_LEN(bad));
	close_all(&good, 1);
	LINK_UNTIL(a.down == ARRAY_LEN(bad) + 1, &a);
	link_close(&a);
}

static void test_half_a_frame_and_the_end(void **state)
{
	struct link_end a = {0};
	int fd;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	fd = linked(&a);
	assert_int_equal(send(fd, "\0\0\0\x40xyz", 7, 0), 7);
	LINK_UNTIL(link_stats(&a).bytes_in == 7, &a);
	close_all(&fd, 1);
	LINK_UNTIL(a.down == 1, &a);
	assert_int_equal(a.frames, 0);
	assert_true(a.by_peer);
	link_close(&a);
}

/* It neither reads nor closes: it is waited for no longer than it takes to read what was said last. */
static void test_who_does_not_close_is_closed(void **state)
{
	struct link_end a = {.refuses = true};
	int fd;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	fd = link_raw(&a);
	link_raw_frame(fd, "hello", 5);
	LINK_UNTIL(a.turned_away == 1, &a);
	assert_int_equal(link_stats(&a).pending, 1);
	LINK_UNTIL(link_stats(&a).pending == 0, &a);
	LINK_UNTIL(link_raw_closed(fd), &a);
	close_all(&fd, 1);
	link_close(&a);
}

static void test_nobody_fills_the_log(void **state)
{
	struct link_end a = {0};

	(void)state;
	link_open(&a, ANY, NULL, usual);
	for (size_t i = 0; i < 100; i++) {
		int fd = link_raw(&a);

		link_raw_frame(fd, "what", 4);
		LINK_UNTIL(link_stats(&a).turned_away == i + 1, &a);
		close_all(&fd, 1);
	}
	assert_in_range(a.turned_away, 20, 20 + 20 * WAIT_BOUND_S / 60);
	link_close(&a);
}

static void test_accepting_goes_on_after_descriptors_ran_out(void **state)
{
	struct rlimit was, low;
	struct link_end a = {0};
	int fd, last;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	link_turn((struct link_end *[]){&a}, 1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	fd = link_raw(&a);
	LINK_UNTIL(link_stats(&a).pending == 1, &a);
	close_all(&fd, 1);
	LINK_UNTIL(link_stats(&a).pending == 0, &a);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* the lowest that is free */
	assert_true(fd >= 0);
	close_all(&fd, 1);
	low = (struct rlimit){.rlim_cur = (rlim_t)fd + 1, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	fd = link_raw(&a);
	LINK_UNTIL(link_stats(&a).accept_faults > 0, &a);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	link_raw_frame(fd, "hello", 5);
	LINK_UNTIL(a.up == 1, &a);
	last = fd;
	close_all(&last, 1);
	link_close(&a);
}

static void test_a_thousand_dials_leave_nothing(void **state)
{
	struct link_end a = {0}, b = {0};
	size_t times;

	(void)state;
	link_open(&a, ANY, NULL, usual);
	link_open(&b, ANY, NULL, usual);
	link_dial_and_close(&a, &b, ROUNDS / 5); /* the allocator has its size */
	times = link_dials_leave_nothing(&a, &b, ROUNDS, 256);
	assert_int_equal(link_stats(&b).accepted, times * ROUNDS + ROUNDS / 5);
	link_close(&a);
	link_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silent_peers_are_bounded_and_a_good_one_comes_through),
		cmocka_unit_test(test_few_shake_hands_at_a_time),
		cmocka_unit_test(test_who_waited_in_vain_costs_nobody),
		cmocka_unit_test(test_a_silent_peer_has_its_time),
		cmocka_unit_test(test_what_is_no_hello_is_named),
		cmocka_unit_test(test_a_bad_frame_ends_its_link_alone),
		cmocka_unit_test(test_half_a_frame_and_the_end),
		cmocka_unit_test(test_who_does_not_close_is_closed),
		cmocka_unit_test(test_nobody_fills_the_log),
		cmocka_unit_test(test_accepting_goes_on_after_descriptors_ran_out),
		cmocka_unit_test(test_a_thousand_dials_leave_nothing),
	};

	return cmocka_run_group_tests(tests, link_setup, link_teardown);
}
