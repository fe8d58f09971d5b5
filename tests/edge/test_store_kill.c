/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer is killed at random instants, again and again on the same store: nothing that it was told is durable is
 * missing afterwards, and the store opens each time.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/rng.h"
#include "tests/lib/store_bed.h"

#define KILLS	   50
#define IN_FLIGHT  16
#define SAVED_SIZE 1500
#define ACKS_MAX   400

/* The writer: value n of key n % 200, a row beside it, and each answer goes to the pipe. */
struct writer {
	struct store_bed *bed;
	int out;
	int64_t next, first;
};

static void put_next(struct writer *w);

static void on_answer(void *arg, int rc, const char *error)
{
	static int64_t acked;
	struct writer *w = arg;

	(void)error;
	if (rc < 0)
		_exit(3);
	acked = acked ? acked + 1 : w->first;
	if (write(w->out, &acked, sizeof(acked)) != (ssize_t)sizeof(acked))
		_exit(4);
	put_next(w);
}

static void put_next(struct writer *w)
{
	char id[32], saved[SAVED_SIZE] = {0};
	const struct store_replica r = {.id = id, .saved = saved, .saved_len = sizeof(saved)};

	(void)snprintf(id, sizeof(id), "a.%lld", (long long)(w->next % 200));
	(void)snprintf(saved, sizeof(saved), "%lld", (long long)w->next);
	if (store_put_replica(w->bed->s, &r, NULL, NULL) < 0 ||
		store_put_meta(w->bed->s, "newest", w->next, on_answer, w) < 0)
		_exit(5);
	w->next++;
}

static void write_for_ever(struct store_bed *bed, int out)
{
	struct writer w = {.bed = bed, .out = out};

	if (store_open(bed->loop, bed->dir.path, &bed->s, NULL) < 0)
		_exit(2);
	w.first = w.next = store_meta(bed->s, "newest", 0) + 1;
	for (int i = 0; i < IN_FLIGHT; i++)
		put_next(&w);
	ev_run(bed->loop, 0);
	_exit(6);
}

/* Kills it once so many answers were seen, while it goes on; returns the newest that was acknowledged. */
static int64_t run_and_kill(struct store_bed *bed, uint64_t answers)
{
	int64_t v, newest = 0;
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(out[0]); /* the reader's */
		ev_loop_fork(bed->loop);
		write_for_ever(bed, out[1]);
	}
	assert_int_equal(close(out[1]), 0);
	for (uint64_t i = 0; i < answers; i++)
		assert_int_equal(read(out[0], &newest, sizeof(newest)), sizeof(newest));
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (read(out[0], &v, sizeof(v)) == (ssize_t)sizeof(v))
		newest = v;
	assert_int_equal(close(out[0]), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* else it failed by itself */
	return newest;
}

static int check_row(void *arg, const struct store_replica *r)
{
	int64_t *newest = arg, v = atoll(r->saved);

	assert_int_equal(r->saved_len, SAVED_SIZE);
	*newest = MAX(*newest, v);
	return 0;
}

static void test_nothing_acknowledged_is_missing(void **state)
{
	struct store_bed bed;
	struct rng rng;
	int64_t total = 0;

	(void)state;
	rng_seed(&rng, (uint64_t)getpid());
	store_bed_make(&bed);
	for (int i = 0; i < KILLS; i++) {
		int64_t acked = run_and_kill(&bed, rng_below(&rng, ACKS_MAX)), newest, row = 0;

		store_bed_open(&bed);
		newest = store_meta(bed.s, "newest", 0);
		assert_int_equal(store_load_replicas(bed.s, check_row, &row, NULL), 0);
		if (newest < acked)
			fail_msg("kill %d: %lld was acknowledged, %lld is there", i, (long long)acked,
				(long long)newest);
		assert_in_range(row, newest, newest + 1); /* they go in one order */
		total = newest;
		store_bed_close(&bed);
	}
	assert_true(total > KILLS);
	store_bed_done(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_acknowledged_is_missing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
