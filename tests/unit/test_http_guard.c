/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of an HTTP server's connections alone, with a listener of the test's own, whose accepting is over before a
 * round begins: exactly those that say nothing, came first to two rounds and are too many are shut down.
 */
#include "node/http_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/lib/oom.h"

#define MANY (HTTP_GUARD_KEPT + 40)

struct bed {
	int listener, client[MANY], server[MANY];
	size_t n;
	uint16_t port;
	struct http_guard g;
};

static int setup(void **state)
{
	static struct bed b;
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(at);

	memset(&b, 0, sizeof(b));
	b.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b.listener, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(b.listener, 16), 0);
	assert_int_equal(getsockname(b.listener, (struct sockaddr *)&at, &n), 0);
	b.port = ntohs(at.sin_port);
	http_guard_init(&b.g, b.port);
	*state = &b;
	return 0;
}

static void come(struct bed *b, size_t n)
{
	const struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(b->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	for (; n; n--, b->n++) {
		assert_true(b->n < MANY);
		b->client[b->n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(b->client[b->n], (const struct sockaddr *)&at, sizeof(at)), 0);
		b->server[b->n] = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
		assert_true(b->server[b->n] >= 0);
	}
}

static void go(struct bed *b)
{
	while (b->n) {
		b->n--;
		assert_int_equal(close(b->client[b->n]) | close(b->server[b->n]), 0);
	}
}

static int teardown(void **state)
{
	struct bed *b = *state;

	go(b);
	http_guard_done(&b->g);
	return close(b->listener);
}

static bool is_shut(const struct bed *b, size_t i)
{
	char c;

	return recv(b->client[i], &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static size_t n_shut(const struct bed *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		n += is_shut(b, i);
	return n;
}

static void test_those_that_are_too_many_are_shut_down(void **state)
{
	struct bed *b = *state;

	assert_int_equal(http_guard_round(&b->g), 0);
	come(b, MANY);
	assert_int_equal(http_guard_round(&b->g), 0); /* seen for the first time */
	assert_int_equal(n_shut(b), 0);
	assert_int_equal(http_guard_round(&b->g), 40);
	assert_int_equal(b->g.cut, 40);
	for (size_t i = 0; i < MANY; i++) /* the first ones are left, and so are the clients' own ends */
		assert_int_equal(is_shut(b, i), i >= HTTP_GUARD_KEPT);
	go(b);
	assert_int_equal(http_guard_round(&b->g), 0);
	assert_int_equal(b->g.n, 0);
	assert_null(b->g.seen);
}

static void test_a_bound_is_no_fault(void **state)
{
	struct bed *b = *state;

	come(b, HTTP_GUARD_KEPT);
	for (int i = 0; i < 3; i++)
		assert_int_equal(http_guard_round(&b->g), 0);
	assert_int_equal(n_shut(b), 0);
}

/* Who came since the last round has a round's time to ask something. */
static void test_newcomers_have_their_time(void **state)
{
	struct bed *b = *state;

	come(b, HTTP_GUARD_KEPT + 1);
	assert_int_equal(http_guard_round(&b->g), 0);
	come(b, 39);
	assert_int_equal(http_guard_round(&b->g), 1);
	assert_int_equal(n_shut(b), 1);
	assert_true(is_shut(b, HTTP_GUARD_KEPT));
	assert_true(http_guard_round(&b->g) >= 39); /* the one from before is there until its server closes it */
	assert_int_equal(n_shut(b), 40);
}

/* Connections of another server in this process are none of its business. */
static void test_other_ports_are_left_alone(void **state)
{
	struct bed *b = *state;

	b->g.port ^= 1;
	come(b, MANY);
	for (int i = 0; i < 3; i++)
		assert_int_equal(http_guard_round(&b->g), 0);
	assert_int_equal(n_shut(b), 0);
}

/* While descriptors do not grow, nothing is looked at. */
static void test_it_does_not_look_without_a_reason(void **state)
{
	struct bed *b = *state;

	come(b, 5);
	assert_int_equal(http_guard_round(&b->g), 0);
	assert_int_equal(b->g.n, 0);
	come(b, HTTP_GUARD_KEPT);
	assert_int_equal(http_guard_round(&b->g), 0);
	assert_int_equal(b->g.n, HTTP_GUARD_KEPT + 5);
}

static void test_without_memory_it_is_the_next_round(void **state)
{
	struct bed *b = *state;

	come(b, MANY);
	(void)mem_fail_at(1);
	assert_int_equal(http_guard_round(&b->g), 0);
	assert_true(mem_fail_at(0));
	assert_int_equal(http_guard_round(&b->g), 0);
	assert_int_equal(http_guard_round(&b->g), 40);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_those_that_are_too_many_are_shut_down),
		TEST(test_a_bound_is_no_fault),
		TEST(test_newcomers_have_their_time),
		TEST(test_other_ports_are_left_alone),
		TEST(test_it_does_not_look_without_a_reason),
		TEST(test_without_memory_it_is_the_next_round),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
