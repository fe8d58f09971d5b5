/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream that does not close: whoever turns the transport does not wait for it, links come and go meanwhile, and its
 * place counts until it is free.
 */
#include <dlfcn.h>
#include <errno.h>
#include <nng/nng.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "tests/lib/link_bed.h"
#include "tests/lib/test.h"

#define ANY "127.0.0.1:0"

static const struct transport_limits usual = {.dial_ms = 0};
static atomic_bool holds; /* the next close */
static atomic_size_t held, of_ours;
static sem_t release;
static pthread_t ours;

/* In the place of nng's own. */
void nng_stream_close(nng_stream *s)
{
	void (*close_it)(nng_stream *) = (void (*)(nng_stream *))dlsym(RTLD_NEXT, "nng_stream_close");

	assert_non_null(close_it);
	if (pthread_equal(pthread_self(), ours)) {
		atomic_fetch_add(&of_ours, 1);
	} else if (atomic_exchange(&holds, false)) {
		atomic_fetch_add(&held, 1);
		while (sem_wait(&release) != 0)
			; /* EINTR */
	}
	close_it(s);
}

static void link_two(struct link_end *a, struct link_end *b)
{
	size_t up = a->up, up_b = b->up;

	link_dial_end(a, b, 1);
	LINK_UNTIL(a->up == up + 1 && b->up == up_b + 1, a, b);
}

/* From here on the thread that ends links stands still. */
static void hold_one(struct link_end *a, struct link_end *b)
{
	size_t was = atomic_load(&held);

	atomic_store(&holds, true);
	transport_hang_up(a->t, a->last, false, wait_mono_ms());
	LINK_UNTIL(atomic_load(&held) == was + 1, a, b);
}

static void test_links_come_and_go_meanwhile(void **state)
{
	struct link_end a = {0}, b = {.echoes = true};

	(void)state;
	link_open(&a, NULL, NULL, usual);
	link_open(&b, ANY, NULL, usual);
	atomic_store(&of_ours, 0);
	link_two(&a, &b);
	hold_one(&a, &b);
	assert_int_equal(b.down, 0); /* it is not closed */
	for (size_t i = 1; i <= 10; i++) {
		link_two(&a, &b);
		assert_int_equal(transport_send(a.t, a.last, "x", 1, wait_mono_ms()), 0);
		LINK_UNTIL(a.frames == i, &a, &b);
		transport_hang_up(a.t, a.last, false, wait_mono_ms());
	}
	assert_int_equal(b.down, 0);
	assert_int_equal(sem_post(&release), 0);
	LINK_UNTIL(b.down == 11, &a, &b);
	assert_int_equal(atomic_load(&of_ours), 0);
	link_close(&a);
	link_close(&b);
}

static int try_dial(struct link_end *x, const char *address)
{
	struct err e;

	return transport_dial(x->t, address, 1, wait_mono_ms(), &e);
}

static void test_a_place_counts_until_it_is_free(void **state)
{
	struct link_end a = {0}, b = {0};
	char nobody[TRANSPORT_ADDR_MAX];
	size_t n = 0;
	int fd = link_raw_listen(-1, nobody); /* bound, and not listened at */

	(void)state;
	link_open(&a, NULL, NULL, usual);
	link_open(&b, ANY, NULL, usual);
	link_two(&a, &b);
	hold_one(&a, &b);
	while (try_dial(&a, nobody) == 0) {
		n++;
		assert_true(n < TRANSPORT_LINKS_MAX);
		LINK_UNTIL(a.failed == n, &a, &b);
	}
	assert_int_equal(n, TRANSPORT_LINKS_MAX - 1);
	assert_int_equal(link_stats(&a).up + link_stats(&a).dialling, 0);
	assert_int_equal(sem_post(&release), 0);
	LINK_UNTIL(try_dial(&a, nobody) == 0, &a, &b);
	LINK_UNTIL(a.failed == n + 1, &a, &b);
	(void)close(fd); /* the test's own */
	link_close(&a);
	link_close(&b);
}

/* What is still to be ended when all ends is ended, and leaves nothing. */
static void test_the_end_waits_for_it(void **state)
{
	size_t before = link_fds();
	struct link_end a = {0}, b = {0};

	(void)state;
	link_open(&a, NULL, NULL, usual);
	link_open(&b, ANY, NULL, usual);
	for (int i = 0; i < 20; i++) {
		link_two(&a, &b);
		transport_hang_up(a.t, a.last, false, wait_mono_ms());
	}
	link_close(&a);
	link_close(&b);
	WAIT_UNTIL(link_fds() <= before, WAIT_BOUND_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links_come_and_go_meanwhile),
		cmocka_unit_test(test_a_place_counts_until_it_is_free),
		cmocka_unit_test(test_the_end_waits_for_it),
	};

	ours = pthread_self();
	if (sem_init(&release, 0, 0) != 0)
		return 1;
	return cmocka_run_group_tests(tests, link_setup, link_teardown);
}
