/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases as their holder sees them: what may run, and until when; what is released.
 */
#include <errno.h>

#include "consensus/lease.h"
#include "tests/lib/consensus_story.h"

struct holder {
	struct lease l;
	struct story_mem mem;
	struct lease_outs outs;
	struct trace t;
	int64_t now_ms;
	bool quiet;
};

static void holder_setup(struct holder *h)
{
	struct lease_config config = {.self = story_node('x'),
		.cfg = story_cfg(1, "abc", ""),
		.times = {.tf_ms = 2000, .kill_ms = 500, .lv_ms = 3100},
		.number = 100};

	memset(h, 0, sizeof(*h));
	config.mem = story_mem(&h->mem);
	lease_init(&h->l, &config, story_now(0));
}

static int holder_step(struct holder *h, const struct lease_in *in)
{
	char dump[512];
	struct lease_slot s;
	int rc = lease_step(&h->l, in, story_now(h->now_ms), &h->outs);

	lease_check(&h->l);
	if (h->quiet)
		return rc;
	if (h->outs.n_to > 0) {
		TRACE_OUT(&h->t, "%d voters: %s e%u number %u", h->outs.n_to, msg_name(h->outs.msg.type),
			(unsigned)h->outs.msg.cfg.epoch, (unsigned)h->outs.msg.number);
		h->t.n--;
		story_add_leases(&h->t, &h->outs.msg);
		for (unsigned i = 0; i < h->outs.n_to; i++)
			if (lease_msg(&h->outs.msg, h->outs.brief, i).n_leases == 0)
				trace_add(&h->t, "; by the sum to %c", story_name(&h->outs.to[i]));
		trace_add(&h->t, "\n");
	}
	while (lease_changed(&h->l, &s))
		TRACE_OUT(&h->t, "slot %u %s", (unsigned)s.slot,
			s.state == LEASE_EMPTY			  ? "write its release"
			: s.unknown				  ? "identity change"
			: lease_may_run(&s, story_now(h->now_ms)) ? "may run"
								  : "may not run");
	trace_state(&h->t, lease_dump(&h->l, dump, sizeof(dump)));
	return rc;
}

static void holder_tick(struct holder *h, int64_t at_ms)
{
	h->now_ms = at_ms;
	if (!h->quiet)
		TRACE_EVENT(&h->t, at_ms, "tick");
	(void)holder_step(h, &(struct lease_in){.type = LEASE_IN_TICK}); /* answers nothing */
}

static int slot_in(struct holder *h, enum lease_in_type type, uint32_t slot, uint64_t epoch)
{
	static const char *const names[] = {[LEASE_IN_HOLD] = "hold",
		[LEASE_IN_EMPTY] = "empty",
		[LEASE_IN_GONE] = "gone",
		[LEASE_IN_RELEASED] = "released"};

	if (!h->quiet)
		TRACE_EVENT(&h->t, h->now_ms, "%s %u/%u", names[type], (unsigned)slot, (unsigned)epoch);
	return holder_step(
		h, &(struct lease_in){.type = type, .slot = {.key = story_key("web"), .slot = slot, .epoch = epoch}});
}

/* One that asks for slot 0 at epoch 4. */
static void holder_quiet(struct holder *h)
{
	holder_setup(h);
	h->quiet = true;
	(void)slot_in(h, LEASE_IN_HOLD, 0, 4);
}

static void grant(struct holder *h, char from, uint64_t number, uint32_t slot, enum msg_why why)
{
	struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = 4, .why = why};
	struct msg m = {.type = MSG_GRANT,
		.from = story_node(from),
		.cfg.epoch = h->l.config.cfg.epoch,
		.number = number,
		.leases = &l,
		.n_leases = 1};

	if (!h->quiet)
		TRACE_EVENT(&h->t, h->now_ms, "%c: %s number %u", from, msg_why_text(why), (unsigned)number);
	(void)holder_step(h, &(struct lease_in){.type = LEASE_IN_MSG, .msg = &m}); /* answers nothing */
}

/* Of no state when it has none. */
static struct lease_slot slot_of(const struct holder *h, uint32_t slot)
{
	struct msg_key web = story_key("web");
	struct lease_slot s;

	return lease_get(&h->l, &web, slot, &s) ? s : (struct lease_slot){.state = LEASE_STATE_MAX};
}

static bool is(const struct holder *h, uint32_t slot, int state)
{
	return (int)slot_of(h, slot).state == state;
}

static bool is_until(const struct holder *h, int64_t until_ms)
{
	return is(h, 0, LEASE_HELD) && slot_of(h, 0).until_ms == until_ms;
}

/* What a holder of slot 0 at epoch 4, or of 0 and 1, asks for. */
static uint64_t set_of(uint32_t n)
{
	const struct msg_lease v[] = {{story_key("web"), 0, 4, MSG_WHY_NONE}, {story_key("web"), 1, 4, MSG_WHY_NONE}};

	return msg_leases_sum(v, n);
}

/* Of all, from each of them. */
static void grant_all_at(struct holder *h, uint64_t epoch, const char *from, uint64_t number, uint64_t set)
{
	for (; *from; from++) {
		struct msg m = {
			.type = MSG_GRANT, .from = story_node(*from), .cfg.epoch = epoch, .number = number, .set = set};

		if (!h->quiet)
			TRACE_EVENT(&h->t, h->now_ms, "%c: all of number %u", *from, (unsigned)number);
		(void)holder_step(h, &(struct lease_in){.type = LEASE_IN_MSG, .msg = &m}); /* answers nothing */
	}
}

static void grant_all(struct holder *h, const char *from, uint64_t number, uint64_t set)
{
	grant_all_at(h, h->l.config.cfg.epoch, from, number, set);
}

static void unknown(struct holder *h, char from)
{
	struct msg m = {.type = MSG_REFUSED,
		.from = story_node(from),
		.cfg.epoch = 1,
		.why = MSG_WHY_SET,
		.number = h->l.number};

	if (!h->quiet)
		TRACE_EVENT(&h->t, h->now_ms, "%c: %s", from, msg_why_text(m.why));
	(void)holder_step(h, &(struct lease_in){.type = LEASE_IN_MSG, .msg = &m}); /* answers nothing */
}

static void test_a_holder(void **state)
{
	struct holder h;

	(void)state;
	holder_setup(&h);
	assert_int_equal(slot_in(&h, LEASE_IN_HOLD, 0, 4), 0);
	holder_tick(&h, 10);
	h.now_ms = 300;
	grant(&h, 'a', 101, 0, MSG_WHY_NONE);
	grant(&h, 'a', 101, 0, MSG_WHY_NONE); /* doubled: one voter */
	grant(&h, 'b', 101, 0, MSG_WHY_VALUE);
	grant(&h, 'c', 101, 0, MSG_WHY_NONE);
	holder_tick(&h, 676);
	grant(&h, 'a', 102, 0, MSG_WHY_NONE);
	grant(&h, 'b', 101, 0, MSG_WHY_NONE); /* late, of the one before: changes nothing */
	grant(&h, 'c', 102, 0, MSG_WHY_NONE);
	(void)slot_in(&h, LEASE_IN_EMPTY, 0, 4);
	(void)slot_in(&h, LEASE_IN_RELEASED, 0, 4);
	holder_tick(&h, 700);
	grant(&h, 'b', 102, 0, MSG_WHY_NONE); /* final */
	holder_tick(&h, 1342);
	holder_tick(&h, 3800);
	holder_tick(&h, 3801);
	TRACE_IS(&h.t, "[     0] hold 0/4\n"
		       "         -> slot 0 may not run\n"
		       "         = number 100 | web.0/4 asked until 0\n"
		       "[    10] tick\n"
		       "         -> 3 voters: renew e1 number 101; web.0/4\n"
		       "         = number 101 | web.0/4 asked until 0\n"
		       "[   300] a: granted number 101\n"
		       "[   300] a: granted number 101\n"
		       "[   300] b: the slot is not the asker's there number 101\n"
		       "         -> slot 0 identity change\n"
		       "         = number 101 | web.0/4 asked until 0 unknown\n"
		       "[   300] c: granted number 101\n"
		       "         -> slot 0 may run\n"
		       "         = number 101 | web.0/4 held until 2010\n"
		       "[   676] tick\n"
		       "         -> 3 voters: renew e1 number 102; web.0/4\n"
		       "         = number 102 | web.0/4 held until 2010\n"
		       "[   676] a: granted number 102\n"
		       "[   676] b: granted number 101\n"
		       "[   676] c: granted number 102\n"
		       "         -> slot 0 may run\n"
		       "         = number 102 | web.0/4 held until 2676\n"
		       "[   676] empty 0/4\n"
		       "         -> slot 0 write its release\n"
		       "         = number 102 | web.0/4 empty until 2676\n"
		       "[   676] released 0/4\n"
		       "         -> slot 0 may not run\n"
		       "         = number 102 | web.0/4 released until 3776\n"
		       "[   700] tick\n"
		       "         -> 3 voters: release e1 number 103; web.0/4\n"
		       "         = number 103 | web.0/4 released until 3776\n"
		       "[   700] b: granted number 102\n"
		       "[  1342] tick\n"
		       "[  3800] tick\n"
		       "         -> 3 voters: release e1 number 104; web.0/4\n"
		       "         = number 104\n"
		       "[  3801] tick\n");
	lease_done(&h.l);
	assert_int_equal(h.mem.bytes, 0);
}

/* The deadline is by the time before the RENEW was sent, and needs both majorities while JOINT. */
static void test_both_majorities_grant(void **state)
{
	struct quorum_cfg joint = story_cfg(2, "abc", "ade");
	struct lease_slot s;
	struct holder h;

	(void)state;
	holder_quiet(&h);
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_CFG, .cfg = &joint});
	holder_tick(&h, 5);
	assert_int_equal(h.outs.n_to, 5);
	h.now_ms = 1500;
	grant(&h, 'a', 101, 0, MSG_WHY_NONE);
	grant(&h, 'b', 101, 0, MSG_WHY_NONE);
	assert_true(is(&h, 0, LEASE_ASKED));
	grant(&h, 'e', 101, 0, MSG_WHY_NONE);
	assert_true(is_until(&h, 2005));
	s = slot_of(&h, 0);
	assert_true(lease_may_run(&s, story_now(2004)) && !lease_may_run(&s, story_now(2005)));
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_LONG, .tf_ms = 90000});
	assert_int_equal(h.outs.msg.tf_ms, MSG_TF_MAX_MS);
	lease_done(&h.l);
}

/* All are named until a voter says that it remembers them; c is an older one, which never does. */
static void test_by_their_sum(void **state)
{
	struct holder h;

	(void)state;
	holder_setup(&h);
	(void)slot_in(&h, LEASE_IN_HOLD, 0, 4);
	holder_tick(&h, 10);
	grant_all(&h, "ab", 101, set_of(1));
	grant(&h, 'c', 101, 0, MSG_WHY_NONE);
	holder_tick(&h, 676);
	grant_all(&h, "b", 102, set_of(1));
	h.now_ms = 680;
	unknown(&h, 'a');
	unknown(&h, 'a'); /* doubled */
	unknown(&h, 'c');
	unknown(&h, 'z');
	holder_tick(&h, 680);
	h.quiet = true;
	unknown(&h, 'a'); /* late: it has been sent all */
	assert_true(lease_deadline_ms(&h.l) > 680);
	h.quiet = false;
	grant_all(&h, "a", 103, set_of(1));
	(void)slot_in(&h, LEASE_IN_HOLD, 1, 4);
	holder_tick(&h, 681);
	TRACE_IS(&h.t, "[     0] hold 0/4\n"
		       "         -> slot 0 may not run\n"
		       "         = number 100 | web.0/4 asked until 0\n"
		       "[    10] tick\n"
		       "         -> 3 voters: renew e1 number 101; web.0/4\n"
		       "         = number 101 | web.0/4 asked until 0\n"
		       "[    10] a: all of number 101\n"
		       "[    10] b: all of number 101\n"
		       "         -> slot 0 may run\n"
		       "         = number 101 | web.0/4 held until 2010\n"
		       "[    10] c: granted number 101\n"
		       "[   676] tick\n"
		       "         -> 3 voters: renew e1 number 102; web.0/4; by the sum to a; by the sum to b\n"
		       "         = number 102 | web.0/4 held until 2010\n"
		       "[   676] b: all of number 102\n"
		       "[   680] a: it does not remember these leases\n"
		       "[   680] a: it does not remember these leases\n"
		       "[   680] c: it does not remember these leases\n"
		       "[   680] z: it does not remember these leases\n"
		       "[   680] tick\n"
		       "         -> 3 voters: renew e1 number 103; web.0/4; by the sum to b\n"
		       "         = number 103 | web.0/4 held until 2010\n"
		       "[   680] a: all of number 103\n"
		       "[   680] hold 1/4\n"
		       "         -> slot 1 may not run\n"
		       "         = number 103 | web.0/4 held until 2010 | web.1/4 asked until 0\n"
		       "[   681] tick\n"
		       "         -> 3 voters: renew e1 number 104; web.0/4; web.1/4\n"
		       "         = number 104 | web.0/4 held until 2010 | web.1/4 asked until 0\n");
	lease_done(&h.l);
}

/* A grant of all is one of what its renewal asked for: no slot that came since, no newer epoch, none that was over. */
static void test_what_a_grant_of_all_counts_for(void **state)
{
	struct holder h;

	(void)state;
	holder_quiet(&h);
	holder_tick(&h, 0);
	(void)slot_in(&h, LEASE_IN_HOLD, 1, 4);
	grant_all(&h, "abc", 101, set_of(2)); /* not what it asked for */
	grant_all(&h, "abc", 100, set_of(1));
	assert_true(is(&h, 0, LEASE_ASKED));
	grant_all(&h, "abc", 101, set_of(1));
	assert_true(is_until(&h, 2000));
	assert_true(is(&h, 1, LEASE_ASKED));
	holder_tick(&h, 10);
	assert_int_equal(h.outs.brief, 0); /* what was granted are other leases than those now */
	grant_all(&h, "abc", 101, set_of(1));
	assert_true(is(&h, 1, LEASE_ASKED));
	(void)slot_in(&h, LEASE_IN_HOLD, 0, 5);
	(void)slot_in(&h, LEASE_IN_EMPTY, 1, 4);
	grant_all(&h, "abc", 102, set_of(2));
	assert_true(is(&h, 0, LEASE_ASKED) && slot_of(&h, 0).epoch == 5);
	assert_true(is(&h, 1, LEASE_EMPTY));
	lease_done(&h.l);
}

/* Of the same leases as once before, with others in between, nobody knows anything any more. */
static void test_two_sets_in_turn(void **state)
{
	struct holder h;

	(void)state;
	holder_quiet(&h);
	holder_tick(&h, 0);
	(void)slot_in(&h, LEASE_IN_HOLD, 1, 4);
	holder_tick(&h, 10);
	(void)slot_in(&h, LEASE_IN_GONE, 1, 4);
	holder_tick(&h, 1000);
	grant_all(&h, "abc", 101, set_of(1)); /* late: then came 102 */
	holder_tick(&h, 2000);
	assert_int_equal(h.outs.msg.set, set_of(1));
	assert_int_equal(h.outs.brief, 0);
	grant_all(&h, "abc", 103, set_of(1));
	holder_tick(&h, 3000);
	assert_int_equal(h.outs.brief, 7);
	lease_done(&h.l);
}

/* One that answers nothing for two renewals may not know sums any more; and new voters know none. */
static void test_who_is_silent_and_who_is_new(void **state)
{
	struct quorum_cfg joint = story_cfg(2, "abc", "ade"), next = story_cfg(3, "ade", "");
	struct holder h;

	(void)state;
	holder_quiet(&h);
	holder_tick(&h, 0);
	grant_all(&h, "abc", 101, set_of(1));
	holder_tick(&h, 700);
	grant_all(&h, "ab", 102, set_of(1));
	holder_tick(&h, 1400);
	assert_int_equal(h.outs.brief, 7);
	grant_all(&h, "a", 103, set_of(1));
	grant(&h, 'b', 103, 0, MSG_WHY_MOVING); /* not all, and yet an answer */
	holder_tick(&h, 2100);
	assert_int_equal(h.outs.brief, 3);
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_CFG, .cfg = &joint});
	grant_all_at(&h, 1, "abc", 104, set_of(1)); /* counts, of the epoch before */
	assert_true(is_until(&h, 4100));
	holder_tick(&h, 2200);
	assert_int_equal(h.outs.brief, 0);
	grant_all(&h, "ab", 105, set_of(1));
	assert_true(is(&h, 0, LEASE_HELD) && slot_of(&h, 0).until_ms < 4200);
	grant_all(&h, "e", 105, set_of(1));
	assert_true(is_until(&h, 4200));
	holder_tick(&h, 2900);
	assert_int_equal(h.outs.brief, 1 | 2 | 16); /* a, b, e of abcde */
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_CFG, .cfg = &next});
	holder_tick(&h, 3000);
	assert_int_equal(h.outs.brief, 0); /* they have other places */
	grant_all(&h, "ade", 107, set_of(1));
	holder_tick(&h, 3700);
	assert_int_equal(h.outs.brief, 7);
	(void)slot_in(&h, LEASE_IN_EMPTY, 0, 4);
	(void)slot_in(&h, LEASE_IN_RELEASED, 0, 4);
	holder_tick(&h, 3701);
	assert_int_equal(h.outs.msg.type, MSG_RELEASE);
	assert_true(h.outs.brief == 0 && h.outs.msg.set == 0);
	lease_done(&h.l);
}

/* Grants of a long renewal that come after the release. */
static void test_what_was_released_is_not_held_again(void **state)
{
	struct holder h;

	(void)state;
	holder_quiet(&h);
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_LONG, .tf_ms = 60000});
	(void)slot_in(&h, LEASE_IN_EMPTY, 0, 4);
	(void)slot_in(&h, LEASE_IN_RELEASED, 0, 4);
	grant(&h, 'a', 101, 0, MSG_WHY_NONE);
	grant(&h, 'b', 101, 0, MSG_WHY_NONE);
	assert_true(is(&h, 0, LEASE_RELEASED) && slot_of(&h, 0).until_ms == 3100);
	lease_done(&h.l);
}

/* What another owns is asked for no more; a release goes on being told. */
static void test_what_is_gone_is_not_asked_for(void **state)
{
	struct holder h;

	(void)state;
	holder_setup(&h);
	h.quiet = true;
	for (uint32_t i = 0; i < 4; i++)
		(void)slot_in(&h, LEASE_IN_HOLD, i, 4);
	holder_tick(&h, 0);
	grant(&h, 'a', 101, 1, MSG_WHY_NONE);
	grant(&h, 'b', 101, 1, MSG_WHY_NONE);
	(void)slot_in(&h, LEASE_IN_EMPTY, 3, 4);
	(void)slot_in(&h, LEASE_IN_GONE, 0, 4);
	(void)slot_in(&h, LEASE_IN_GONE, 1, 4);
	(void)slot_in(&h, LEASE_IN_GONE, 2, 3); /* of an older epoch: nothing */
	(void)slot_in(&h, LEASE_IN_GONE, 3, 4);
	assert_true(is(&h, 0, LEASE_STATE_MAX));
	assert_true(is(&h, 1, LEASE_STATE_MAX));
	assert_true(is(&h, 2, LEASE_ASKED));
	assert_true(is(&h, 3, LEASE_EMPTY));
	grant(&h, 'c', 101, 1, MSG_WHY_NONE); /* late */
	assert_true(is(&h, 1, LEASE_STATE_MAX));
	lease_done(&h.l);
	assert_int_equal(h.mem.bytes, 0);
}

/* Each state × each input that is of one slot. */
static void test_each_state_and_each_input(void **state)
{
	static const enum lease_in_type inputs[] = {LEASE_IN_HOLD, LEASE_IN_EMPTY, LEASE_IN_RELEASED};
	static const int goes[LEASE_STATE_MAX][3] = {
		[LEASE_ASKED] = {LEASE_ASKED, LEASE_EMPTY, LEASE_ASKED},
		[LEASE_HELD] = {LEASE_HELD, LEASE_EMPTY, LEASE_HELD},
		[LEASE_EMPTY] = {LEASE_EMPTY, LEASE_EMPTY, LEASE_RELEASED},
		[LEASE_RELEASED] = {LEASE_RELEASED, LEASE_RELEASED, LEASE_RELEASED},
	};
	struct holder h;

	(void)state;
	for (int from = 0; from < LEASE_STATE_MAX; from++)
		for (int i = 0; i < 3; i++) {
			holder_quiet(&h);
			holder_tick(&h, 0);
			if (from == LEASE_HELD) {
				grant(&h, 'a', 101, 0, MSG_WHY_NONE);
				grant(&h, 'b', 101, 0, MSG_WHY_NONE);
			}
			if (from >= LEASE_EMPTY)
				(void)slot_in(&h, LEASE_IN_EMPTY, 0, 4);
			if (from == LEASE_RELEASED)
				(void)slot_in(&h, LEASE_IN_RELEASED, 0, 4);
			assert_true(is(&h, 0, from));
			(void)slot_in(&h, inputs[i], 0, 3); /* of an older epoch: nothing */
			assert_true(is(&h, 0, from) && slot_of(&h, 0).epoch == 4);
			(void)slot_in(&h, inputs[i], 0, 4);
			assert_true(is(&h, 0, goes[from][i]));
			(void)slot_in(&h, LEASE_IN_HOLD, 0, 5); /* a newer one begins anew */
			assert_true(is(&h, 0, LEASE_ASKED) && slot_of(&h, 0).epoch == 5);
			lease_done(&h.l);
		}
}

static void test_the_last_slot(void **state)
{
	struct holder h;

	(void)state;
	holder_setup(&h);
	h.quiet = true;
	h.mem.fail_in = 2;
	assert_int_equal(slot_in(&h, LEASE_IN_HOLD, 0, 1), -ENOMEM);
	for (uint32_t i = 0; i < MSG_LEASES_MAX; i++)
		assert_int_equal(lease_step(&h.l,
					 &(struct lease_in){.type = LEASE_IN_HOLD,
						 .slot = {.key = story_key("web"), .slot = i, .epoch = 1}},
					 story_now(0), &h.outs),
			0);
	assert_int_equal(slot_in(&h, LEASE_IN_HOLD, MSG_LEASES_MAX, 1), -ENOSPC);
	holder_tick(&h, 0);
	assert_int_equal(h.outs.msg.n_leases, MSG_LEASES_MAX);
	lease_done(&h.l);
	assert_int_equal(h.mem.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_holder),
		cmocka_unit_test(test_both_majorities_grant),
		cmocka_unit_test(test_by_their_sum),
		cmocka_unit_test(test_what_a_grant_of_all_counts_for),
		cmocka_unit_test(test_two_sets_in_turn),
		cmocka_unit_test(test_who_is_silent_and_who_is_new),
		cmocka_unit_test(test_what_was_released_is_not_held_again),
		cmocka_unit_test(test_what_is_gone_is_not_asked_for),
		cmocka_unit_test(test_each_state_and_each_input),
		cmocka_unit_test(test_the_last_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
