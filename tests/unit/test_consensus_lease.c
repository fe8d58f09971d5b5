/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases from both sides: what a voter grants, guards and forbids, and until when a holder may run what.
 */
#include <errno.h>

#include "consensus/lease.h"
#include "tests/lib/acceptor_story.h"

/* A voter whose root register has the times of leases, and which has accepted a value of web's; all durable. */
static void with(struct world *w, const char *value)
{
	setup(w);
	w->quiet = true;
	accept_value(w, 'b', "", 1, "times");
	accept_value(w, 'b', "web", 1, value);
	stored(w, w->write);
	w->quiet = false;
}

static void renew(struct world *w, char from, uint64_t number, uint32_t slot, uint64_t epoch, uint32_t tf_ms)
{
	struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = epoch};

	hear(w, from, (struct msg){.type = MSG_RENEW, .number = number, .tf_ms = tf_ms, .leases = &l, .n_leases = 1});
}

static void release(struct world *w, char from, uint64_t number, uint32_t slot, uint64_t epoch)
{
	struct msg_lease l = {.key = story_key("web"), .slot = slot, .epoch = epoch};

	hear(w, from, (struct msg){.type = MSG_RELEASE, .number = number, .leases = &l, .n_leases = 1});
}

static void test_granted_guarded_and_over(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x11y2");
	renew(&w, 'x', 1, 0, 1, 2000);
	w.now_ms = 100;
	prepare(&w, 'b', "web", 2);
	stored(&w, w.write);
	accept_value(&w, 'b', "web", 2, "0z31y2");
	renew(&w, 'x', 2, 0, 1, 2000);
	w.now_ms = 3100;
	accept_value(&w, 'b', "web", 2, "0z31y2");
	stored(&w, w.write);
	renew(&w, 'x', 3, 0, 1, 2000);
	renew(&w, 'z', 1, 0, 3, 2000);
	TRACE_IS(&w.t, "[     0] x: renew e1; web.0/1\n"
		       "         -> x: grant e1; web.0/1 granted\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 3100]\n"
		       "[   100] b: prepare e1 web 2.a100\n"
		       "         -> write 4: web 2.a100 1.a100\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 2.a100 1.a100 [0 "
		       "b700/1 3100]\n"
		       "[   100] stored 4\n"
		       "         -> b: promise e1 web 2.a100 on 1.a100 '0x11y2' [0x1 3000 ms]\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 1.a100 [0 "
		       "b700/1 3100]\n"
		       "[   100] b: accept e1 web 2.a100 '0z31y2'\n"
		       "         -> b: refused e1 web: a lease is live, 3000 ms left\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 1.a100 [0 "
		       "b700/1 moving 3100]\n"
		       "[   100] x: renew e1; web.0/1\n"
		       "         -> x: grant e1; web.0/1 the slot is about to move\n"
		       "[  3100] b: accept e1 web 2.a100 '0z31y2'\n"
		       "         -> write 5: web 2.a100 2.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 4/5 waiting 1 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[  3100] stored 5\n"
		       "         -> b: accepted e1 web 2.a100\n"
		       "         = e1 {a000 a100 a200} disk 5/5 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[  3100] x: renew e1; web.0/1\n"
		       "         -> x: grant e1; web.0/1 the slot is not the asker's there\n"
		       "[  3100] z: renew e1; web.0/3\n"
		       "         -> z: grant e1; web.0/3 granted\n"
		       "         = e1 {a000 a100 a200} disk 5/5 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b900/3 6200]\n");
	done(&w);
}

/* By newest value "0x1": who asks for what, and what comes of it. */
static void test_each_renewal(void **state)
{
	static const struct {
		char from;
		uint64_t number;
		uint32_t slot, epoch, tf_ms;
		enum msg_why why;
	} v[] = {
		{'x', 5, 0, 1, 2000, MSG_WHY_NONE},
		{'x', 5, 0, 1, 2000, MSG_WHY_NUMBER}, /* doubled on the way */
		{'x', 4, 0, 1, 2000, MSG_WHY_NUMBER},
		{'x', 6, 0, 1, 2000, MSG_WHY_NONE},
		{'y', 7, 0, 1, 2000, MSG_WHY_VALUE},
		{'x', 7, 0, 2, 2000, MSG_WHY_VALUE},
		{'x', 7, 1, 1, 2000, MSG_WHY_VALUE},
		{'x', 7, 0, 1, MSG_TF_MAX_MS + 1, MSG_WHY_TF},
		{'x', 8, 0, 1, 1000, MSG_WHY_NONE},
	};
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		renew(&w, v[i].from, v[i].number, v[i].slot, v[i].epoch, v[i].tf_ms);
		assert_int_equal(w.outs.n, 1);
		assert_int_equal(w.outs.v[0].msg.type, MSG_GRANT);
		assert_int_equal(w.outs.v[0].msg.leases[0].why, v[i].why);
	}
	done(&w);
	setup(&w); /* knows no times of leases */
	w.quiet = true;
	accept_value(&w, 'b', "web", 1, "0x1");
	stored(&w, 1);
	renew(&w, 'x', 1, 0, 1, 2000);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_TF);
	done(&w);
}

/* What a guard of slot 0 (x, 1) forbids, and what it does not. */
static void test_each_value_under_a_guard(void **state)
{
	static const struct {
		const char *value;
		bool may;
	} v[] = {{"0x1", true}, {"0x1new", true}, {"0x11z9", true}, {"1y2", false}, {"", false}, {"0x2", false},
		{"0y1", false}};
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		with(&w, "0x11y2");
		w.quiet = true;
		renew(&w, 'x', 1, 0, 1, 2000);
		accept_value(&w, 'b', "web", 2, v[i].value);
		assert_int_equal(w.outs.v[0].type, v[i].may ? ACCEPTOR_OUT_REGISTER : ACCEPTOR_OUT_SEND);
		if (!v[i].may) {
			assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_GUARD);
			assert_int_equal(w.outs.v[0].msg.left_ms, 3100);
		}
		done(&w);
	}
}

/* It is told by the newest value, and answered when that is durable. */
static void test_a_grant_waits_for_its_value(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	accept_value(&w, 'b', "web", 2, "0y2");
	renew(&w, 'x', 1, 0, 1, 2000);
	renew(&w, 'y', 1, 0, 2, 2000);
	w.now_ms = 40;
	stored(&w, w.write);
	TRACE_IS(&w.t, "[     0] b: accept e1 web 2.a100 '0y2'\n"
		       "         -> write 4: web 2.a100 2.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[     0] x: renew e1; web.0/1\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 2 | / 1.a100 1.a100 | web 2.a100 2.a100\n"
		       "[     0] y: renew e1; web.0/2\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 3 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b800/2 3100]\n"
		       "[    40] stored 4\n"
		       "         -> b: accepted e1 web 2.a100\n"
		       "         -> x: grant e1; web.0/1 the slot is not the asker's there\n"
		       "         -> y: grant e1; web.0/2 granted\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 2.a100 2.a100 [0 "
		       "b800/2 3100]\n");
	done(&w);
}

static void test_a_restart_waits(void **state)
{
	struct msg_key root = {0}, web = story_key("web");
	struct ballot one = story_ballot(1, 'b');
	struct world w;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.cfg = story_cfg(1, "abc", "");
	w.now_ms = 1000;
	begin(&w, &(struct acceptor_header){.cfg = w.cfg, .lv_max_ms = 8600}, 2, 9); /* once it guarded longer */
	assert_int_equal(acceptor_load(w.a, &root, &one, &one, story_value("times")), 0);
	assert_int_equal(acceptor_load(w.a, &web, &one, &one, story_value("0x1")), 0);
	prepare(&w, 'c', "web", 2);
	stored(&w, w.write);
	accept_value(&w, 'c', "web", 2, "0y2");
	accept_value(&w, 'c', "web", 2, "0x1new");
	renew(&w, 'x', 1, 0, 1, 2000);
	w.now_ms = 9600;
	stored(&w, w.write);
	accept_value(&w, 'c', "web", 3, "0y2");
	TRACE_IS(&w.t,
		"[  1000] c: prepare e1 web 2.a200\n"
		"         -> write 10: web 2.a200 1.a100\n"
		"         = e1 {a000 a100 a200} disk 9/10 waiting 1 restarted | / 1.a100 1.a100 | web 2.a200 1.a100\n"
		"[  1000] stored 10\n"
		"         -> c: promise e1 web 2.a200 on 1.a100 '0x1' [0x1 8600 ms]\n"
		"         = e1 {a000 a100 a200} disk 10/10 waiting 0 restarted | / 1.a100 1.a100 | web 2.a200 1.a100\n"
		"[  1000] c: accept e1 web 2.a200 '0y2'\n"
		"         -> c: refused e1 web: a voter was just started, and waits for leases that it may have "
		"granted, 8600 ms left\n"
		"[  1000] c: accept e1 web 2.a200 '0x1new'\n"
		"         -> write 11: web 2.a200 2.a200 and its value\n"
		"         = e1 {a000 a100 a200} disk 10/11 waiting 1 restarted | / 1.a100 1.a100 | web 2.a200 2.a200\n"
		"[  1000] x: renew e1; web.0/1\n"
		"         = e1 {a000 a100 a200} disk 10/11 waiting 2 restarted | / 1.a100 1.a100 | web 2.a200 2.a200 "
		"[0 b700/1 4100]\n"
		"[  9600] stored 11\n"
		"         -> c: accepted e1 web 2.a200\n"
		"         -> x: grant e1; web.0/1 granted\n"
		"         = e1 {a000 a100 a200} disk 11/11 waiting 0 | / 1.a100 1.a100 | web 2.a200 2.a200\n"
		"[  9600] c: accept e1 web 3.a200 '0y2'\n"
		"         -> write 12: web 3.a200 3.a200 and its value\n"
		"         = e1 {a000 a100 a200} disk 11/12 waiting 1 | / 1.a100 1.a100 | web 3.a200 3.a200\n");
	done(&w);
}

static void test_a_resume_waits_too(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	w.now_ms = 50000;
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_RESUMED});
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_WAIT);
	w.now_ms = 53100;
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_REGISTER);
	done(&w);
}

static void test_a_long_grant_is_on_disk(void **state)
{
	struct msg_key root = {0}, web = story_key("web");
	struct ballot one = story_ballot(1, 'b');
	struct msg_slot was = {.slot = 0, .owner = story_node('x'), .epoch = 1};
	struct world w;

	(void)state;
	with(&w, "0x1");
	renew(&w, 'x', 1, 0, 1, 60000);
	stored(&w, w.write);
	TRACE_IS(&w.t, "[     0] x: renew e1; web.0/1\n"
		       "         -> write 4: 1 leases of x guarded for 73945 ms\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 73945]\n"
		       "[     0] stored 4\n"
		       "         -> x: grant e1; web.0/1 granted\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 "
		       "b700/1 73945]\n");
	done(&w);
	memset(&w, 0, sizeof(w));
	w.cfg = story_cfg(1, "abc", "");
	w.quiet = true;
	begin(&w, &(struct acceptor_header){.cfg = w.cfg, .lv_max_ms = 3100}, 2, 9);
	assert_int_equal(acceptor_load(w.a, &root, &one, &one, story_value("times")), 0);
	assert_int_equal(acceptor_load(w.a, &web, &one, &one, story_value("0x1")), 0);
	assert_int_equal(acceptor_load_long(w.a, &web, &was, 73945), 0);
	was.epoch = 7; /* of a value that is not the newest any more: it was over */
	assert_int_equal(acceptor_load_long(w.a, &web, &was, 73945), 0);
	assert_int_equal(acceptor_left_ms(w.a, story_now(0)), 73945);
	w.now_ms = 73944;
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_GUARD);
	w.now_ms = 73945;
	accept_value(&w, 'b', "web", 2, "0y2");
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_REGISTER);
	done(&w);
}

static void test_a_release_is_final(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	renew(&w, 'x', 1, 0, 1, 2000);
	release(&w, 'x', 2, 0, 7); /* another epoch */
	release(&w, 'y', 3, 0, 1); /* not its own */
	release(&w, 'x', 1, 0, 1); /* older than the renewal */
	release(&w, 'x', 4, 0, 1);
	renew(&w, 'x', 5, 0, 1, 2000);
	accept_value(&w, 'b', "web", 2, "0y2");
	TRACE_IS(&w.t,
		"[     0] x: renew e1; web.0/1\n"
		"         -> x: grant e1; web.0/1 granted\n"
		"         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 b700/1 "
		"3100]\n"
		"[     0] x: release e1; web.0/7\n"
		"[     0] y: release e1; web.0/1\n"
		"[     0] x: release e1; web.0/1\n"
		"[     0] x: release e1; web.0/1\n"
		"         = e1 {a000 a100 a200} disk 3/3 waiting 0 | / 1.a100 1.a100 | web 1.a100 1.a100 [0 b700/1 0]\n"
		"[     0] x: renew e1; web.0/1\n"
		"         -> x: grant e1; web.0/1 that epoch was released\n"
		"[     0] b: accept e1 web 2.a100 '0y2'\n"
		"         -> write 4: web 2.a100 2.a100 and its value\n"
		"         = e1 {a000 a100 a200} disk 3/4 waiting 1 | / 1.a100 1.a100 | web 2.a100 2.a100\n");
	done(&w);
}

/* Who was about to lose a slot and keeps it after all is granted again. */
static void test_a_value_that_keeps_the_owner(void **state)
{
	struct world w;

	(void)state;
	with(&w, "0x1");
	w.quiet = true;
	renew(&w, 'x', 1, 0, 1, 2000);
	accept_value(&w, 'b', "web", 2, "0y2");
	renew(&w, 'x', 2, 0, 1, 2000);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_MOVING);
	accept_value(&w, 'c', "web", 3, "0x1new");
	stored(&w, w.write);
	renew(&w, 'x', 3, 0, 1, 2000);
	assert_int_equal(w.outs.v[0].msg.leases[0].why, MSG_WHY_NONE);
	done(&w);
}

static void test_how_long(void **state)
{
	(void)state;
	assert_int_equal(value_guard_ms(2000, 500), 3056);
	assert_int_equal(value_guard_ms(6000, 1000), 8556);
	assert_int_equal(value_guard_ms(60000, 500), 73945);
	assert_int_equal(value_guard_ms(UINT32_MAX, UINT32_MAX), UINT32_MAX);
	/* The holder's clock as slow, the voter's as fast as may be: whole, the guard outlasts the fuse. */
	for (uint32_t ms = 1; ms < 100000; ms += 7)
		assert_true((uint64_t)value_wait_ms(ms) * 9 >= (uint64_t)ms * 11);
}

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
	static const char *const names[] = {
		[LEASE_IN_HOLD] = "hold", [LEASE_IN_EMPTY] = "empty", [LEASE_IN_RELEASED] = "released"};

	if (!h->quiet)
		TRACE_EVENT(&h->t, h->now_ms, "%s %u/%u", names[type], (unsigned)slot, (unsigned)epoch);
	return holder_step(
		h, &(struct lease_in){.type = type, .slot = {.key = story_key("web"), .slot = slot, .epoch = epoch}});
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
	struct msg_key web = story_key("web");
	struct holder h;

	(void)state;
	holder_setup(&h);
	h.quiet = true;
	(void)slot_in(&h, LEASE_IN_HOLD, 0, 4);
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_CFG, .cfg = &joint});
	holder_tick(&h, 5);
	assert_int_equal(h.outs.n_to, 5);
	h.now_ms = 1500;
	grant(&h, 'a', 101, 0, MSG_WHY_NONE);
	grant(&h, 'b', 101, 0, MSG_WHY_NONE);
	assert_true(lease_get(&h.l, &web, 0, &s) && s.state == LEASE_ASKED);
	grant(&h, 'e', 101, 0, MSG_WHY_NONE);
	assert_true(lease_get(&h.l, &web, 0, &s) && s.state == LEASE_HELD && s.until_ms == 2005);
	assert_true(lease_may_run(&s, story_now(2004)) && !lease_may_run(&s, story_now(2005)));
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_LONG, .tf_ms = 90000});
	assert_int_equal(h.outs.msg.tf_ms, MSG_TF_MAX_MS);
	lease_done(&h.l);
}

/* Grants of a long renewal that come after the release. */
static void test_what_was_released_is_not_held_again(void **state)
{
	struct lease_slot s;
	struct msg_key web = story_key("web");
	struct holder h;

	(void)state;
	holder_setup(&h);
	h.quiet = true;
	(void)slot_in(&h, LEASE_IN_HOLD, 0, 4);
	(void)holder_step(&h, &(struct lease_in){.type = LEASE_IN_LONG, .tf_ms = 60000});
	(void)slot_in(&h, LEASE_IN_EMPTY, 0, 4);
	(void)slot_in(&h, LEASE_IN_RELEASED, 0, 4);
	grant(&h, 'a', 101, 0, MSG_WHY_NONE);
	grant(&h, 'b', 101, 0, MSG_WHY_NONE);
	assert_true(lease_get(&h.l, &web, 0, &s) && s.state == LEASE_RELEASED && s.until_ms == 3100);
	lease_done(&h.l);
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
	struct msg_key web = story_key("web");
	struct lease_slot s;
	struct holder h;

	(void)state;
	for (int from = 0; from < LEASE_STATE_MAX; from++)
		for (int i = 0; i < 3; i++) {
			holder_setup(&h);
			h.quiet = true;
			(void)slot_in(&h, LEASE_IN_HOLD, 0, 4);
			holder_tick(&h, 0);
			if (from == LEASE_HELD) {
				grant(&h, 'a', 101, 0, MSG_WHY_NONE);
				grant(&h, 'b', 101, 0, MSG_WHY_NONE);
			}
			if (from >= LEASE_EMPTY)
				(void)slot_in(&h, LEASE_IN_EMPTY, 0, 4);
			if (from == LEASE_RELEASED)
				(void)slot_in(&h, LEASE_IN_RELEASED, 0, 4);
			assert_true(lease_get(&h.l, &web, 0, &s) && s.state == from);
			(void)slot_in(&h, inputs[i], 0, 3); /* of an older epoch: nothing */
			assert_true(lease_get(&h.l, &web, 0, &s) && s.state == from && s.epoch == 4);
			(void)slot_in(&h, inputs[i], 0, 4);
			assert_true(lease_get(&h.l, &web, 0, &s) && s.state == goes[from][i]);
			(void)slot_in(&h, LEASE_IN_HOLD, 0, 5); /* a newer one begins anew */
			assert_true(lease_get(&h.l, &web, 0, &s) && s.state == LEASE_ASKED && s.epoch == 5);
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
		cmocka_unit_test(test_granted_guarded_and_over),
		cmocka_unit_test(test_each_renewal),
		cmocka_unit_test(test_each_value_under_a_guard),
		cmocka_unit_test(test_a_grant_waits_for_its_value),
		cmocka_unit_test(test_a_restart_waits),
		cmocka_unit_test(test_a_resume_waits_too),
		cmocka_unit_test(test_a_long_grant_is_on_disk),
		cmocka_unit_test(test_a_release_is_final),
		cmocka_unit_test(test_a_value_that_keeps_the_owner),
		cmocka_unit_test(test_how_long),
		cmocka_unit_test(test_a_holder),
		cmocka_unit_test(test_both_majorities_grant),
		cmocka_unit_test(test_what_was_released_is_not_held_again),
		cmocka_unit_test(test_each_state_and_each_input),
		cmocka_unit_test(test_the_last_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
