/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_STORE_BED_H
#define TESTS_LIB_STORE_BED_H
/*
 * A store in a directory of its own with a loop of its own, and waiting for its answers.
 */
#include <ev.h>

#include "node/store_priv.h"
#include "tests/lib/fault_vfs.h"
#include "tests/lib/tmpdir.h"
#include "tests/lib/wait.h"

struct store_bed {
	struct tmpdir dir;
	struct ev_loop *loop;
	struct store *s;
	ev_timer watchdog;
};

/* What was answered: the count, the last code and its sentence. */
struct answers {
	int n, failed, rc;
	char error[256];
};

static inline void store_bed_bark(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
	fail_msg("the store did not answer within %d s", WAIT_BOUND_S);
}

static inline void store_bed_answer(void *arg, int rc, const char *error)
{
	struct answers *a = arg;

	a->n++;
	a->failed += rc < 0;
	a->rc = rc;
	(void)snprintf(a->error, sizeof(a->error), "%s", error ? error : "");
}

static inline void store_bed_open(struct store_bed *b)
{
	struct err e = {0};

	if (store_open(b->loop, b->dir.path, &b->s, &e) < 0)
		fail_msg("store_open: %s", e.text);
}

static inline void store_bed_make(struct store_bed *b)
{
	*b = (struct store_bed){.dir = tmpdir_make(), .loop = ev_loop_new(EVFLAG_AUTO)};
	assert_non_null(b->loop);
}

static inline void store_bed_close(struct store_bed *b)
{
	store_close(b->s);
	b->s = NULL;
}

static inline void store_bed_reopen(struct store_bed *b)
{
	store_bed_close(b);
	store_bed_open(b);
}

static inline void store_bed_done(struct store_bed *b)
{
	store_bed_close(b);
	ev_loop_destroy(b->loop);
	tmpdir_remove(&b->dir);
}

/* Turns the loop until so many answers are there. */
static inline void store_bed_await(struct store_bed *b, const struct answers *a, int n)
{
	ev_timer_init(&b->watchdog, store_bed_bark, WAIT_BOUND_S, 0);
	ev_timer_start(b->loop, &b->watchdog);
	while (a->n < n)
		ev_run(b->loop, EVRUN_ONCE);
	ev_timer_stop(b->loop, &b->watchdog);
}

/* The thread begins, without a turn of the loop, with what it was given, until it waits in a sync that is held. */
static inline void store_bed_await_held(struct store_bed *b)
{
	store_turn(b->s);
	WAIT_UNTIL(fault_vfs_is_holding(), WAIT_BOUND_S);
}

static inline int store_bed_put_meta(struct store_bed *b, const char *key, int64_t value)
{
	struct answers a = {0};

	assert_int_equal(store_put_meta(b->s, key, value, store_bed_answer, &a), 0);
	store_bed_await(b, &a, 1);
	return a.rc;
}

#endif
