/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_OOM_H
#define TESTS_LIB_OOM_H
/*
 * Fail every allocation once (SQLite's way): the body runs with the first allocation failing, then the second, and so
 * on, until a run ends without reaching the one that should fail. mem_fail_at counts this thread's calls alone.
 *
 *	OOM_LOOP(o) {
 *		rc = thing_make(&t);
 *		if (oom_hit(&o))
 *			assert_int_equal(rc, -ENOMEM);
 *		else
 *			assert_int_equal(rc, 0);
 *		thing_done(&t);
 *	}
 */
#include "base/mem.h"
#include "tests/lib/test.h"

#define OOM_RUNS_MAX 100000

struct oom {
	unsigned long n; /* the allocation that fails in this run */
	bool hit;	 /* it was reached */
};

/* Ends the failing for this run; tells whether one did fail. Call it before what must not fail: asserts, cleanup. */
static inline bool oom_hit(struct oom *o)
{
	if (mem_fail_at(0))
		o->hit = true;
	return o->hit;
}

static inline bool oom_again(struct oom *o)
{
	if (o->n > 0 && !oom_hit(o))
		return false;
	assert_true(o->n < OOM_RUNS_MAX);
	o->hit = false;
	(void)mem_fail_at(++o->n); /* whether the former one was reached is known already */
	return true;
}

#define OOM_LOOP(o) for (struct oom o = {0}; oom_again(&o);)

#endif
