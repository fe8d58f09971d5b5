/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases that are asked for by their sum: a voter does what it would do for all of them, or says that it does not know
 * them.
 */
#include "base/rng.h"
#include "tests/lib/acceptor_story.h"

/* Slots 0 at epoch 1, and 1 at epoch 2, of web. */
static const struct msg_lease two[] = {
	{{3, "web"}, 0, 1, MSG_WHY_NONE},
	{{3, "web"}, 1, 2, MSG_WHY_NONE},
};

static void renew_for(
	struct world *w, char from, uint64_t number, const struct msg_lease *leases, uint32_t n, uint32_t tf_ms)
{
	hear(w, from,
		(struct msg){.type = MSG_RENEW,
			.number = number,
			.tf_ms = tf_ms,
			.leases = leases,
			.n_leases = n,
			.set = msg_leases_sum(leases, n)});
}

static void renew(struct world *w, char from, uint64_t number, const struct msg_lease *leases, uint32_t n)
{
	renew_for(w, from, number, leases, n, 2000);
}

static void again_for(
	struct world *w, char from, uint64_t number, const struct msg_lease *leases, uint32_t n, uint32_t tf_ms)
{
	hear(w, from,
		(struct msg){.type = MSG_RENEW, .number = number, .tf_ms = tf_ms, .set = msg_leases_sum(leases, n)});
}

static void again(struct world *w, char from, uint64_t number, const struct msg_lease *leases, uint32_t n)
{
	again_for(w, from, number, leases, n, 2000);
}

static const struct msg *said(const struct world *w)
{
	assert_int_equal(w->outs.n, 1);
	assert_int_equal(w->outs.v[0].type, ACCEPTOR_OUT_SEND);
	return &w->outs.v[0].msg;
}

static bool is_all(const struct world *w, const struct msg_lease *leases, uint32_t n)
{
	const struct msg *m = said(w);

	return m->type == MSG_GRANT && m->n_leases == 0 && m->set == msg_leases_sum(leases, n);
}

static bool is_unknown(const struct world *w)
{
	return said(w)->type == MSG_REFUSED && said(w)->why == MSG_WHY_SET;
}

/* Guarded from each renewal on; a slot that has moved meanwhile is refused as ever, and then all are named. */
static void test_the_same_again(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11x2");
	renew(&w, 'x', 1, two, 2);
	w.now_ms = 1000;
	again(&w, 'x', 2, two, 2);
	again(&w, 'x', 2, two, 2); /* doubled on the way */
	w.now_ms = 4100;
	w.quiet = true;
	accept_value(&w, 'b', "web", 2, "0x11z3");
	stored(&w, w.write);
	w.quiet = false;
	again(&w, 'x', 3, two, 2);
	TRACE_IS(&w.t, "[     0] x: renew e1; web.0/1; web.1/2\n"
		       "         -> x: grant e1; all\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 3100] [1 b700/2 3100]\n"
		       "[  1000] x: renew e1; the same\n"
		       "         -> x: grant e1; all\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 4100] [1 b700/2 4100]\n"
		       "[  1000] x: renew e1; the same\n"
		       "         -> x: grant e1; web.0/1 a newer renewal came before; web.1/2 a newer renewal came "
		       "before\n"
		       "[  4100] x: renew e1; the same\n"
		       "         -> x: grant e1; web.0/1 granted; web.1/2 the slot is not the asker's there\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b700/1 7200]\n");
	done(&w);
}

static void test_what_is_not_known(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11x2");
	w.quiet = true;
	again(&w, 'x', 1, two, 2); /* never sent */
	assert_true(is_unknown(&w));
	assert_int_equal(said(&w)->number, 1);
	assert_int_equal(acceptor_left_ms(w.a, story_now(0)), 0);
	renew(&w, 'x', 2, two, 2);
	assert_true(is_all(&w, two, 2));
	again(&w, 'x', 3, two, 1);
	assert_true(is_unknown(&w));
	again(&w, 'y', 3, two, 2); /* what another holds is not its own */
	assert_true(is_unknown(&w));
	hear(&w, 'x', (struct msg){.type = MSG_RENEW, .number = 4, .tf_ms = 2000}); /* an older one that has none */
	assert_int_equal(w.outs.n, 0);
	/* Without a sum, and with that of others: each is named, and nothing new is remembered. */
	hear(&w, 'x', (struct msg){.type = MSG_RENEW, .number = 5, .tf_ms = 2000, .leases = two, .n_leases = 1});
	assert_true(said(&w)->n_leases == 1 && said(&w)->set == 0);
	hear(&w, 'x',
		(struct msg){.type = MSG_RENEW, .number = 6, .tf_ms = 2000, .leases = two, .n_leases = 1, .set = 77});
	assert_true(said(&w)->n_leases == 1 && said(&w)->set == 0);
	hear(&w, 'x', (struct msg){.type = MSG_RENEW, .number = 7, .tf_ms = 2000, .set = 77});
	assert_true(is_unknown(&w));
	again(&w, 'x', 8, two, 2);
	assert_true(is_all(&w, two, 2));
	done(&w);
}

/* They may come in any order: what is remembered is of the highest number. */
static void test_one_overtakes_the_other(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11x2");
	w.quiet = true;
	renew(&w, 'x', 1, two, 1);
	again(&w, 'x', 4, two, 2); /* before the one that names them */
	assert_true(is_unknown(&w));
	renew(&w, 'x', 3, two, 2);
	assert_true(is_all(&w, two, 2));
	again(&w, 'x', 6, two, 2);
	assert_true(is_all(&w, two, 2));
	renew(&w, 'x', 5, two, 1); /* late, of other leases */
	assert_int_equal(said(&w)->n_leases, 1);
	assert_int_equal(said(&w)->leases[0].why, MSG_WHY_NUMBER);
	again(&w, 'x', 7, two, 1);
	assert_true(is_unknown(&w));
	again(&w, 'x', 8, two, 2);
	assert_true(is_all(&w, two, 2));
	done(&w);
}

/* Nothing of it is on disk, and what was under way when the disk was full is refused. */
static void test_restarts_and_full_disks(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11x2");
	w.quiet = true;
	renew(&w, 'x', 1, two, 2);
	accept_value(&w, 'b', "web", 2, "0x11x2new");
	again(&w, 'x', 2, two, 2);
	assert_int_equal(w.outs.n, 0); /* waits for that value */
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
	assert_int_equal(w.outs.n, 2);
	assert_true(w.outs.v[1].msg.type == MSG_REFUSED && w.outs.v[1].msg.why == MSG_WHY_FULL);
	assert_int_equal(w.outs.v[1].msg.set, 0);
	again(&w, 'x', 3, two, 2);
	assert_true(is_all(&w, two, 2));
	acceptor_free(w.a);
	begin(&w, &(struct acceptor_header){.cfg = w.cfg, .lv_max_ms = 3100}, 2, 9);
	again(&w, 'x', 4, two, 2);
	assert_true(is_unknown(&w));
	done(&w);
}

/* All of them are written, as if they had been named. */
static void test_a_planned_stop(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11x2");
	w.quiet = true;
	renew(&w, 'x', 1, two, 2);
	again_for(&w, 'x', 2, two, 2, 60000);
	assert_int_equal(w.outs.n, 1);
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_LONG);
	assert_int_equal(w.outs.v[0].n_leases, 2);
	assert_int_equal(w.outs.v[0].leases[1].epoch, 2);
	assert_int_equal(acceptor_left_ms(w.a, story_now(0)), 73945);
	stored(&w, w.write);
	assert_true(is_all(&w, two, 2));
	done(&w);
}

/* ---- what finds no place ---- */

static struct uuid nth(unsigned i)
{
	return (struct uuid){.v = {1, (uint8_t)(i >> 8), (uint8_t)i}};
}

static void ask(struct world *w, unsigned holder, const struct msg_lease *leases, uint32_t n, uint64_t set)
{
	struct msg m = {.type = MSG_RENEW,
		.from = nth(holder),
		.cfg = w->cfg,
		.number = ++w->round,
		.tf_ms = 2000,
		.leases = leases,
		.n_leases = n,
		.set = set};

	step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_MSG, .msg = &m});
}

/* None of them is granted here, and yet they are remembered. */
static bool is_remembered(struct world *w, unsigned holder, const struct msg_lease *leases, uint32_t n)
{
	uint64_t set = msg_leases_sum(leases, n);

	ask(w, holder, leases, n, set);
	ask(w, holder, NULL, 0, set);
	return !is_unknown(w);
}

static void test_the_last_holder(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	for (unsigned i = 0; i < ACCEPTOR_SETS_MAX; i++) {
		w.now_ms = i;
		assert_true(is_remembered(&w, i, two, 2));
	}
	assert_false(is_remembered(&w, ACCEPTOR_SETS_MAX, two, 2)); /* it goes on naming them */
	assert_true(is_remembered(&w, 7, two, 1));		    /* in the place of its own */
	w.now_ms = ACCEPTOR_SET_MS - 1;
	assert_false(is_remembered(&w, ACCEPTOR_SETS_MAX, two, 2));
	ask(&w, 0, NULL, 0, msg_leases_sum(two, 2));
	w.now_ms = ACCEPTOR_SET_MS + 1;
	assert_true(is_remembered(&w, ACCEPTOR_SETS_MAX, two, 2)); /* 1 was silent for so long */
	ask(&w, 1, NULL, 0, msg_leases_sum(two, 2));
	assert_true(is_unknown(&w));
	ask(&w, 0, NULL, 0, msg_leases_sum(two, 2));
	assert_false(is_unknown(&w));
	done(&w);
}

static void test_the_last_lease(void **state)
{
	static struct msg_lease many[MSG_LEASES_MAX];
	struct world w;

	(void)state;
	for (uint32_t i = 0; i < MSG_LEASES_MAX; i++)
		many[i] = (struct msg_lease){.key = story_key("no"), .slot = i, .epoch = 1};
	with(&w, "0x1");
	w.quiet = true;
	for (unsigned i = 0; i < ACCEPTOR_LEASES_MAX / MSG_LEASES_MAX; i++)
		assert_true(is_remembered(&w, i, many, MSG_LEASES_MAX));
	assert_false(is_remembered(&w, 100, many, 1));
	w.now_ms = ACCEPTOR_SET_MS;
	assert_true(is_remembered(&w, 100, many, 1));
	done(&w);
}

/* The n-th allocation of a renewal fails: it is refused, or granted without being remembered. */
static void test_each_allocation_fails(void **state)
{
	struct world w;
	long n = 0;
	bool failed;

	(void)state;
	do {
		with(&w, "0x11x2");
		w.quiet = true;
		w.mem.fail_in = ++n;
		renew(&w, 'x', 1, two, 2);
		failed = w.mem.failed;
		w.mem.fail_in = 0;
		if (said(&w)->type == MSG_REFUSED)
			assert_int_equal(said(&w)->why, MSG_WHY_FULL);
		else
			assert_true(is_all(&w, two, 2) || (said(&w)->n_leases == 2 && said(&w)->set == 0));
		assert_true(failed || is_all(&w, two, 2));
		if (is_all(&w, two, 2))
			assert_int_equal(acceptor_left_ms(w.a, story_now(0)), 3100);
		renew(&w, 'x', 2, two, 2); /* and is well from then on */
		assert_true(is_all(&w, two, 2));
		done(&w);
	} while (failed);
	assert_true(n >= 3);
	with(&w, "0x11x2"); /* by its sum alone */
	w.quiet = true;
	renew(&w, 'x', 1, two, 2);
	w.now_ms = 100;
	w.mem.fail_in = 1;
	again(&w, 'x', 2, two, 2);
	assert_true(said(&w)->type == MSG_REFUSED && said(&w)->why == MSG_WHY_FULL);
	assert_int_equal(acceptor_left_ms(w.a, story_now(100)), 3000); /* of the one before */
	again(&w, 'x', 3, two, 2);
	assert_true(is_all(&w, two, 2));
	done(&w);
}

/* ---- the same as if they had been named ---- */

static void both(struct world *w, void (*fn)(struct world *w, uint64_t x), uint64_t x)
{
	fn(&w[0], x);
	fn(&w[1], x);
}

static void value_comes(struct world *w, uint64_t x)
{
	static const char *const values[] = {"0x11x2", "0x11x2new", "0x11y3", "0z41x2", "1x2", ""};

	accept_value(w, 'b', "web", x / 8, values[x % ARRAY_LEN(values)]);
}

static void release_comes(struct world *w, uint64_t x)
{
	hear(w, 'x', (struct msg){.type = MSG_RELEASE, .number = x, .leases = &two[x % 2], .n_leases = 1});
}

static void disk_is_done(struct world *w, uint64_t x)
{
	(void)x;
	stored(w, w->write);
}

/* w[0] hears all of them each time, w[1] their sum wherever it may. */
static void renewals(struct world *w, uint64_t number, uint32_t n, uint32_t tf_ms, bool *knows)
{
	const struct msg *m = &w[1].outs.v[0].msg;

	knows[3 - n] = false;
	renew_for(&w[0], 'x', number, two, n, tf_ms);
	if (knows[n])
		again_for(&w[1], 'x', number, two, n, tf_ms);
	else
		renew_for(&w[1], 'x', number, two, n, tf_ms);
	if (w[1].outs.n != 1 || w[1].outs.v[0].type != ACCEPTOR_OUT_SEND)
		return;
	if (m->type == MSG_GRANT && m->set)
		knows[n] = true;
}

static void one_seed(uint64_t seed, unsigned *brief)
{
	struct world w[2];
	char dump[2][512];
	bool knows[3] = {0};
	struct rng r;

	rng_seed(&r, seed);
	for (int i = 0; i < 2; i++) {
		with(&w[i], "0x11x2");
		w[i].quiet = true;
	}
	for (uint64_t at = 16; at < 200; at++) {
		w[0].now_ms = w[1].now_ms += (int64_t)rng_below(&r, 900);
		switch (rng_below(&r, 10)) {
		case 0:
			both(w, value_comes, at * 8 + rng_below(&r, 6));
			break;
		case 1:
			both(w, release_comes, rng_below(&r, 8) ? 1 : at);
			break;
		case 2:
		case 3:
			both(w, disk_is_done, 0);
			break;
		default:
			*brief += knows[2];
			renewals(w, at, rng_below(&r, 8) ? 2 : 1, rng_below(&r, 8) ? 2000 : 60000, knows);
		}
		(void)acceptor_dump(w[0].a, dump[0], sizeof(dump[0]));
		(void)acceptor_dump(w[1].a, dump[1], sizeof(dump[1]));
		assert_string_equal(dump[0], dump[1]); /* guards, to the millisecond */
	}
	done(&w[0]);
	done(&w[1]);
}

static void test_guards_are_the_same(void **state)
{
	unsigned brief = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		one_seed(seed, &brief);
	assert_true(brief > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_again),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_one_overtakes_the_other),
		cmocka_unit_test(test_restarts_and_full_disks),
		cmocka_unit_test(test_a_planned_stop),
		cmocka_unit_test(test_the_last_holder),
		cmocka_unit_test(test_the_last_lease),
		cmocka_unit_test(test_each_allocation_fails),
		cmocka_unit_test(test_guards_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
