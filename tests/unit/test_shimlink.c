/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's end of a shim's socket while the shim does not read: an order waits until it does; the newest counts.
 */
#include "node/shimlink.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/lib/oom.h"
#include "tests/lib/test.h"

struct bed {
	struct ev_loop *loop;
	struct shimlink link;
	int shim; /* its end */
	unsigned n_messages, n_closed;
	int took; /* the descriptor that came last; -1: none */
	bool wants;
};

static void on_message(void *arg, uint32_t type, const void *payload, uint32_t size)
{
	struct bed *b = arg;

	(void)type;
	(void)payload;
	(void)size;
	b->n_messages++;
	b->took = b->wants ? shimlink_take_fd(&b->link) : -1;
}

static void on_closed(void *arg)
{
	struct bed *b = arg;

	b->n_closed++;
}

static struct bed bed_make(void)
{
	struct bed b = {.loop = ev_loop_new(EVFLAG_AUTO)};

	assert_non_null(b.loop);
	return b;
}

static void bed_open(struct bed *b)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
	shimlink_init(&b->link, b->loop, on_message, on_closed, b);
	shimlink_attach(&b->link, ends[0]);
	b->shim = ends[1];
}

static void bed_done(struct bed *b)
{
	shimlink_close(&b->link);
	ev_loop_destroy(b->loop);
	(void)close(b->shim);
}

/* One turn of the loop, with what is ready. */
static void turn(struct bed *b)
{
	(void)ev_run(b->loop, EVRUN_NOWAIT);
}

static int order(struct bed *b, int32_t signal)
{
	const struct shim_stop s = {.size = sizeof(s), .signal = signal};

	return shimlink_send_order(&b->link, SHIM_STOP, &s, sizeof(s));
}

static void fill(struct bed *b)
{
	const char v[1000] = "";
	int rc;

	do
		rc = shimlink_send(&b->link, SHIM_LABEL, v, sizeof(v));
	while (rc == 0);
	assert_int_equal(rc, -EAGAIN);
}

/* What the shim reads until nothing is left: the signals of the orders among it. Returns how many. */
static size_t read_orders(struct bed *b, int32_t *ret, size_t cap)
{
	char v[2048];
	size_t n = 0;
	ssize_t got;

	while ((got = recv(b->shim, v, sizeof(v), 0)) > 0) {
		struct shim_msg head;
		struct shim_stop s;

		memcpy(&head, v, sizeof(head));
		if (head.type != SHIM_STOP)
			continue;
		assert_int_equal(got, sizeof(head) + sizeof(s));
		memcpy(&s, v + sizeof(head), sizeof(s));
		assert_true(n < cap);
		ret[n++] = s.signal;
	}
	return n;
}

static void test_an_order_goes_at_once(void **state)
{
	struct bed b = bed_make();
	int32_t got[2];

	(void)state;
	bed_open(&b);
	assert_int_equal(order(&b, 15), 0);
	assert_int_equal(read_orders(&b, got, 2), 1);
	assert_int_equal(got[0], 15);
	turn(&b);
	assert_int_equal(read_orders(&b, got, 2), 0);
	bed_done(&b);
}

static void test_the_newest_order_waits_for_the_shim(void **state)
{
	struct bed b = bed_make();
	int32_t got[2];

	(void)state;
	bed_open(&b);
	fill(&b);
	assert_int_equal(order(&b, 15), -EAGAIN);
	turn(&b);
	assert_int_equal(order(&b, 2), -EAGAIN);
	turn(&b);
	assert_int_equal(read_orders(&b, got, 2), 0); /* the shim reads again */
	turn(&b);
	assert_int_equal(read_orders(&b, got, 2), 1);
	assert_int_equal(got[0], 2);
	turn(&b);
	assert_int_equal(read_orders(&b, got, 2), 0); /* once */
	assert_false(b.link.io.events & EV_WRITE);    /* nothing is waited for: the loop rests */
	bed_done(&b);
}

static void test_one_that_goes_at_once_is_newer(void **state)
{
	struct bed b = bed_make();
	int32_t got[2];

	(void)state;
	bed_open(&b);
	fill(&b);
	assert_int_equal(order(&b, 15), -EAGAIN);
	assert_int_equal(read_orders(&b, got, 2), 0);
	assert_int_equal(order(&b, 9), 0); /* before the loop has seen that there is room */
	turn(&b);
	assert_int_equal(read_orders(&b, got, 2), 1);
	assert_int_equal(got[0], 9);
	bed_done(&b);
}

/* An end that was under way already: the shim may stay for another run, which nobody has stopped. */
static void test_the_end_of_the_run_drops_it(void **state)
{
	const struct shim_msg exit = {.type = SHIM_EXIT};
	struct bed b = bed_make();
	int32_t got[2];

	(void)state;
	bed_open(&b);
	fill(&b);
	assert_int_equal(order(&b, 15), -EAGAIN);
	assert_int_equal(send(b.shim, &exit, sizeof(exit), 0), sizeof(exit));
	turn(&b);
	assert_int_equal(b.n_messages, 1);
	assert_int_equal(read_orders(&b, got, 2), 0);
	turn(&b);
	assert_int_equal(read_orders(&b, got, 2), 0);
	bed_done(&b);
}

static void test_a_shim_that_is_gone_is_told_nothing(void **state)
{
	struct bed b = bed_make();

	(void)state;
	bed_open(&b);
	fill(&b);
	assert_int_equal(order(&b, 15), -EAGAIN);
	(void)close(b.shim); /* its end is what the test is about */
	turn(&b);
	assert_int_equal(b.n_closed, 1);
	assert_int_equal(order(&b, 15), -EPIPE);
	turn(&b);
	assert_int_equal(b.n_closed, 1);
	shimlink_close(&b.link);
	ev_loop_destroy(b.loop);
}

static int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* With so many descriptors, all of one file. */
static void send_descriptors(const struct bed *b, int fd, size_t n, size_t bytes)
{
	const struct shim_msg head = {.type = SHIM_HELLO};
	union {
		char bytes[CMSG_SPACE(3 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec iov = {(void *)(uintptr_t)&head, bytes};
	struct msghdr msg = {.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	for (size_t i = 0; i < n; i++)
		memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(fd));
	assert_int_equal(sendmsg(b->shim, &msg, 0), bytes);
}

/* It is the one's that takes it within the message; nobody else's, and none is left open. */
static void test_a_descriptor_that_comes(void **state)
{
	struct bed b = bed_make();
	int file, had;

	(void)state;
	bed_open(&b);
	file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	had = open_descriptors();
	send_descriptors(&b, file, 1, sizeof(struct shim_msg));
	turn(&b);
	assert_int_equal(b.n_messages, 1);
	assert_int_equal(shimlink_take_fd(&b.link), -1);
	assert_int_equal(open_descriptors(), had);
	send_descriptors(&b, file, 1, 1); /* with no message of ours */
	turn(&b);
	assert_int_equal(open_descriptors(), had);
	b.wants = true;
	send_descriptors(&b, file, 1, sizeof(struct shim_msg));
	turn(&b);
	assert_int_equal(b.n_messages, 2);
	assert_true(b.took >= 0 && fcntl(b.took, F_GETFD) == FD_CLOEXEC);
	assert_int_equal(open_descriptors(), had + 1);
	(void)close(b.took); /* of /dev/null; so below */
	assert_int_equal(send(b.shim, &(struct shim_msg){.type = SHIM_HELLO}, sizeof(struct shim_msg), 0),
		sizeof(struct shim_msg));
	turn(&b);
	assert_int_equal(b.took, -1);
	(void)close(file);
	bed_done(&b);
}

static void test_without_memory_it_is_told(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		struct bed b;
		int rc;

		(void)mem_fail_at(0);
		b = bed_make();
		bed_open(&b);
		fill(&b);
		(void)mem_fail_at(o.n);
		rc = order(&b, 15);
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : -EAGAIN);
		bed_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_order_goes_at_once),
		cmocka_unit_test(test_the_newest_order_waits_for_the_shim),
		cmocka_unit_test(test_one_that_goes_at_once_is_newer),
		cmocka_unit_test(test_the_end_of_the_run_drops_it),
		cmocka_unit_test(test_a_shim_that_is_gone_is_told_nothing),
		cmocka_unit_test(test_a_descriptor_that_comes),
		cmocka_unit_test(test_without_memory_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
