/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A voter is killed at random instants, again and again on the same disk: no promise and no accept that it acknowledged
 * is missing afterwards, each value is that of its ballot, and it votes on.
 */
#include <signal.h>
#include <sys/wait.h>

#include "base/rng.h"
#include "tests/lib/votes_bed.h"

#define KILLS	  50
#define IN_FLIGHT 32
#define ACKS_MAX  400
#define VALUE_MAX 6000

/* What the voter tells before the asker could hear of it. */
struct ack {
	enum msg_type type;
	int at;
	uint64_t counter;
};

struct voter {
	struct vbed w; /* the first */
	struct rng rng;
	int out;
};

static void on_ack(struct vbed *w, const struct msg *m)
{
	struct voter *v = (struct voter *)(void *)w;
	const struct ack a = {.type = m->type, .at = vbed_at(&m->key), .counter = m->ballot.counter};

	if (write(v->out, &a, sizeof(a)) != (ssize_t)sizeof(a))
		_exit(4);
}

/* Keeps so many writes under way; from the loop, never within a step. */
static void on_idle(struct ev_loop *loop, ev_prepare *p, int revents)
{
	struct voter *v = p->data;
	uint64_t flying = v->w.written > v->w.stored ? v->w.written - v->w.stored : 0;

	(void)loop;
	(void)revents;
	if (v->w.n_failed || v->w.n_full || v->w.n_refused)
		_exit(3);
	for (; flying < IN_FLIGHT; flying++)
		vbed_vote(&v->w, 24 + rng_below(&v->rng, VALUE_MAX));
}

static void vote_for_ever(struct voter *v, uint64_t counter)
{
	ev_prepare prepare;

	vbed_open(&v->w);
	v->w.counter = counter;
	v->w.on_ack = on_ack;
	v->w.stored = v->w.written = 0;
	ev_prepare_init(&prepare, on_idle);
	prepare.data = v;
	ev_prepare_start(v->w.b.loop, &prepare);
	on_idle(v->w.b.loop, &prepare, 0);
	ev_run(v->w.b.loop, 0);
	_exit(6);
}

static bool hear(struct voter *v, int from)
{
	struct ack a;
	struct ballot b;

	if (read(from, &a, sizeof(a)) != (ssize_t)sizeof(a))
		return false;
	if (a.at < 0)
		return true;
	b = story_ballot(a.counter, 'b');
	if (a.type == MSG_PROMISE)
		v->w.promised[a.at] = *ballot_max(&v->w.promised[a.at], &b);
	else
		v->w.accepted[a.at] = *ballot_max(&v->w.accepted[a.at], &b);
	return true;
}

static void run_and_kill(struct voter *v, uint64_t acks, uint64_t counter)
{
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(out[0]); /* the reader's */
		ev_loop_fork(v->w.b.loop);
		v->out = out[1];
		vote_for_ever(v, counter);
	}
	assert_int_equal(close(out[1]), 0);
	for (uint64_t i = 0; i < acks; i++)
		assert_true(hear(v, out[0]));
	assert_int_equal(kill(pid, SIGKILL), 0);
	while (hear(v, out[0]))
		continue;
	assert_int_equal(close(out[0]), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* else it failed by itself */
}

/* Above all that is there, and even. */
static uint64_t next_counter(struct vbed *w)
{
	uint64_t most = 0;

	for (int i = 0; i < VBED_KEYS; i++) {
		char name[3] = {'k', (char)('0' + i), '\0'};
		struct msg_key key = story_key(name);
		struct acceptor_image is;

		if (acceptor_get(w->a, &key, &is))
			most = MAX(most, is.promised.counter);
	}
	return most + 2 + most % 2;
}

static void test_nothing_acknowledged_is_missing(void **state)
{
	static struct voter v;
	uint64_t counter = 0;

	(void)state;
	rng_seed(&v.rng, (uint64_t)getpid());
	vbed_make(&v.w);
	for (int i = 0; i < KILLS; i++) {
		run_and_kill(&v, rng_below(&v.rng, ACKS_MAX), counter);
		vbed_open(&v.w);
		vbed_check_kept(&v.w);
		assert_true(next_counter(&v.w) >= counter);
		counter = next_counter(&v.w);
		vbed_close(&v.w);
	}
	assert_true(counter > KILLS);
	vbed_done(&v.w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_acknowledged_is_missing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
