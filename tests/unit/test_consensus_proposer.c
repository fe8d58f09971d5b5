/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proposal's story, told to voters a, b and c by node p: both phases, whose value is carried, conflicts, what is lost,
 * leases in the way, and how each ends.
 */
#include "tests/lib/consensus_story.h"

struct world {
	struct proposer p;
	struct proposer_config config;
	struct ballot_source source;
	struct story_mem mem;
	struct proposer_outs outs;
	struct trace t;
	int64_t now_ms;
	const char *to;		       /* what the change makes; NULL: nothing to change */
	enum proposer_verdict verdict; /* where to is NULL */
	int calls;
	char saw[STORY_TEXT_MAX];
	bool quiet;
};

static enum proposer_verdict change(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	struct world *w = ctx;

	w->calls++;
	(void)snprintf(w->saw, sizeof(w->saw), "%.*s", (int)base->value.n, (const char *)base->value.v);
	if (!w->to)
		return w->verdict;
	*ret = story_value(w->to);
	return PROPOSER_CHANGE;
}

static void setup(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->source = (struct ballot_source){.node = story_node('p'), .nonce = 1};
	w->to = "new";
	w->verdict = PROPOSER_SAME;
	w->config = (struct proposer_config){.source = &w->source,
		.reader = &story_reader,
		.mem = story_mem(&w->mem),
		.cfg = story_cfg(1, "abc", ""),
		.key = story_key("web"),
		.round = 77,
		.change = change,
		.ctx = w,
		.round_ms = 10,
		.for_ms = 5000,
		.seed = 5};
}

static void done(struct world *w)
{
	proposer_done(&w->p);
	assert_int_equal(w->mem.bytes, 0);
}

static void step(struct world *w, const struct proposer_in *in)
{
	char dump[256];

	proposer_step(&w->p, in, story_now(w->now_ms), &w->outs);
	proposer_check(&w->p);
	if (w->quiet)
		return;
	if (w->outs.n_to > 0) {
		trace_add(&w->t, "         -> ");
		for (int i = 0; i < w->outs.n_to; i++)
			trace_add(&w->t, "%c", story_name(&w->outs.to[i]));
		trace_add(&w->t, ": ");
		story_add_msg(&w->t, &w->outs.msg);
		trace_add(&w->t, "\n");
	}
	if (w->outs.done)
		TRACE_OUT(&w->t, "%s '%.*s'", proposer_outcome_text(w->p.outcome), (int)proposer_value(&w->p).n,
			(const char *)proposer_value(&w->p).v);
	trace_state(&w->t, proposer_dump(&w->p, dump, sizeof(dump)));
}

static void tick(struct world *w, int64_t at_ms)
{
	w->now_ms = at_ms;
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "tick");
	step(w, &(struct proposer_in){.type = PROPOSER_IN_TICK});
}

static void begin(struct world *w)
{
	proposer_init(&w->p, &w->config, story_now(w->now_ms));
	tick(w, w->now_ms);
}

static void hear(struct world *w, char from, struct msg m)
{
	m.from = story_node(from);
	m.round = 77;
	m.key = story_key("web");
	if (m.cfg.epoch == 0)
		m.cfg.epoch = 1;
	assert_null(msg_fault(&m));
	if (!w->quiet) {
		trace_add(&w->t, "[%6d] %c: ", (int)w->now_ms, from);
		story_add_msg(&w->t, &m);
		trace_add(&w->t, "\n");
	}
	step(w, &(struct proposer_in){.type = PROPOSER_IN_MSG, .msg = &m});
}

static void promise(struct world *w, char from, uint64_t accepted, const char *value)
{
	hear(w, from,
		(struct msg){.type = MSG_PROMISE,
			.ballot = w->p.ballot,
			.accepted = accepted ? story_ballot(accepted, 'z') : (struct ballot){0},
			.value = story_value(value)});
}

static void accepted(struct world *w, char from)
{
	hear(w, from, (struct msg){.type = MSG_ACCEPTED, .ballot = w->p.ballot});
}

static void value(struct world *w, char from, uint64_t ballot, const char *text)
{
	hear(w, from,
		(struct msg){.type = MSG_VALUE,
			.accepted = ballot ? story_ballot(ballot, 'z') : (struct ballot){0},
			.value = story_value(text)});
}

static void refused(struct world *w, char from, uint64_t higher)
{
	hear(w, from, (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_BALLOT, .ballot = story_ballot(higher, 'z')});
}

static void test_a_change_is_chosen(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	promise(&w, 'a', 0, "");
	promise(&w, 'a', 0, ""); /* doubled on the way: still one voter */
	promise(&w, 'c', 0, "");
	accepted(&w, 'b');
	accepted(&w, 'b');
	accepted(&w, 'c');
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 1 refused 0 tries 0\n"
		       "[     0] a: promise e1 web 1.af00 on 0\n"
		       "[     0] c: promise e1 web 1.af00 on 0\n"
		       "         -> abc: accept e1 web 1.af00 'new'\n"
		       "         = accepting 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] b: accepted e1 web 1.af00\n"
		       "         = accepting 1.af00 on 0 answered 2 refused 0 tries 0\n"
		       "[     0] b: accepted e1 web 1.af00\n"
		       "[     0] c: accepted e1 web 1.af00\n"
		       "         -> chosen 'new'\n"
		       "         = done 1.af00 on 0 answered 6 refused 0 tries 0: chosen\n");
	assert_int_equal(w.calls, 1);
	done(&w);
}

static void test_the_highest_accepted_value_is_the_base(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.source.counter = 9;
	w.quiet = true;
	begin(&w);
	promise(&w, 'a', 3, "three");
	promise(&w, 'b', 2, "two");
	assert_string_equal(w.saw, "three");
	assert_int_equal(w.p.state, PROPOSER_ACCEPTING);
	done(&w);
}

/* A change that is none carries the value through, so that it is chosen when it is told. */
static void test_nothing_to_change_is_carried_through(void **state)
{
	static const enum proposer_verdict verdicts[] = {PROPOSER_SAME, PROPOSER_REFUSE};
	struct world w;

	(void)state;
	for (int i = 0; i < 2; i++) {
		setup(&w);
		w.to = NULL;
		w.verdict = verdicts[i];
		w.source.counter = 9;
		w.quiet = true;
		begin(&w);
		promise(&w, 'a', 3, "three");
		promise(&w, 'b', 0, "");
		assert_int_equal(w.outs.msg.type, MSG_ACCEPT);
		assert_int_equal(w.outs.n_to, 3);
		accepted(&w, 'a');
		accepted(&w, 'b');
		assert_int_equal(w.p.outcome, i ? PROPOSER_REFUSED : PROPOSER_CHOSEN);
		assert_memory_equal(proposer_value(&w.p).v, "three", 5);
		done(&w);
		/* A name that nobody wrote stays so. */
		begin(&w);
		promise(&w, 'a', 0, "");
		promise(&w, 'b', 0, "");
		assert_int_equal(w.p.outcome, i ? PROPOSER_REFUSED : PROPOSER_CHOSEN);
		done(&w);
	}
}

static void test_a_conflict_backs_off_and_goes_above(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	refused(&w, 'a', 7);
	promise(&w, 'c', 0, "");
	refused(&w, 'b', 9);
	tick(&w, proposer_deadline_ms(&w.p));
	promise(&w, 'c', 9, "nine");
	promise(&w, 'a', 0, "");
	accepted(&w, 'c');
	refused(&w, 'a', 12);
	accepted(&w, 'b');
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: refused e1 web 7.b900: a higher ballot was promised\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 1 tries 0\n"
		       "[     0] c: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 4 refused 1 tries 0\n"
		       "[     0] b: refused e1 web 9.b900: a higher ballot was promised\n"
		       "         = waiting 1.af00 on 0 answered 4 refused 3 tries 1\n"
		       "[     6] tick\n"
		       "         -> abc: prepare e1 web 10.af00\n"
		       "         = preparing 10.af00 on 0 answered 0 refused 0 tries 1\n"
		       "[     6] c: promise e1 web 10.af00 on 9.b900 'nine'\n"
		       "         = preparing 10.af00 on 9.b900 answered 4 refused 0 tries 1\n"
		       "[     6] a: promise e1 web 10.af00 on 0\n"
		       "         -> abc: accept e1 web 10.af00 'new'\n"
		       "         = accepting 10.af00 on 9.b900 answered 0 refused 0 tries 1\n"
		       "[     6] c: accepted e1 web 10.af00\n"
		       "         = accepting 10.af00 on 9.b900 answered 4 refused 0 tries 1\n"
		       "[     6] a: refused e1 web 12.b900: a higher ballot was promised\n"
		       "         = accepting 10.af00 on 9.b900 answered 4 refused 1 tries 1\n"
		       "[     6] b: accepted e1 web 10.af00\n"
		       "         -> chosen 'new'\n"
		       "         = done 10.af00 on 9.b900 answered 6 refused 1 tries 1: chosen\n");
	assert_int_equal(w.calls, 1);
	done(&w);
}

/* The window doubles six times, and no pause is longer than it. */
static void test_the_pauses(void **state)
{
	struct world w;
	int64_t longest[9] = {0};

	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		setup(&w);
		w.quiet = true;
		w.config.seed = seed;
		w.config.for_ms = 1000000;
		begin(&w);
		for (int i = 0; i < 9; i++) {
			refused(&w, 'a', w.p.ballot.counter + 5);
			refused(&w, 'b', w.p.ballot.counter + 5);
			assert_int_equal(w.p.state, PROPOSER_WAITING);
			longest[i] = MAX(longest[i], proposer_deadline_ms(&w.p) - w.now_ms);
			tick(&w, proposer_deadline_ms(&w.p));
		}
		done(&w);
	}
	for (int i = 0; i < 9; i++)
		assert_in_range(longest[i], (20 << MIN(i, 6)) * 9 / 10, 20 << MIN(i, 6));
}

static void test_ranks_wait_for_their_turn(void **state)
{
	struct world w;

	(void)state;
	for (uint32_t rank = 0; rank < 3; rank++) {
		setup(&w);
		w.quiet = true;
		w.config.rank = rank;
		begin(&w);
		assert_int_equal(w.outs.n_to, rank ? 0 : 3);
		assert_int_equal(proposer_deadline_ms(&w.p), 40 * (rank ? rank : 1));
		tick(&w, 40 * rank);
		assert_int_equal(w.p.state, PROPOSER_PREPARING);
		done(&w);
		w.config.read = true; /* disturbs nobody */
		begin(&w);
		assert_int_equal(w.outs.msg.type, MSG_READ);
		done(&w);
	}
}

static void test_what_is_lost_is_sent_again(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	promise(&w, 'b', 0, "");
	tick(&w, 40);
	promise(&w, 'a', 0, "");
	accepted(&w, 'a');
	tick(&w, 80);
	tick(&w, 5000);
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 1.af00\n"
		       "         = preparing 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] b: promise e1 web 1.af00 on 0\n"
		       "         = preparing 1.af00 on 0 answered 2 refused 0 tries 0\n"
		       "[    40] tick\n"
		       "         -> ac: prepare e1 web 1.af00\n"
		       "[    40] a: promise e1 web 1.af00 on 0\n"
		       "         -> abc: accept e1 web 1.af00 'new'\n"
		       "         = accepting 1.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[    40] a: accepted e1 web 1.af00\n"
		       "         = accepting 1.af00 on 0 answered 1 refused 0 tries 0\n"
		       "[    80] tick\n"
		       "         -> bc: accept e1 web 1.af00 'new'\n"
		       "[  5000] tick\n"
		       "         -> unknown 'new'\n"
		       "         = done 1.af00 on 0 answered 1 refused 0 tries 0: not chosen\n");
	done(&w);
}

static void test_newer_voters_end_it(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	begin(&w);
	hear(&w, 'a', (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_EPOCH, .cfg = story_cfg(1, "xyz", "")});
	assert_int_equal(w.p.outcome, PROPOSER_NONE); /* not newer */
	promise(&w, 'a', 0, "");
	hear(&w, 'b', (struct msg){.type = MSG_PROMISE, .ballot = w.p.ballot, .cfg.epoch = 2});
	assert_int_equal(w.p.state, PROPOSER_PREPARING); /* given at another epoch: does not count */
	hear(&w, 'x', (struct msg){.type = MSG_PROMISE, .ballot = w.p.ballot});
	assert_int_equal(w.p.state, PROPOSER_PREPARING); /* no voter */
	hear(&w, 'b', (struct msg){.type = MSG_REFUSED, .why = MSG_WHY_EPOCH, .cfg = story_cfg(2, "abc", "abd")});
	assert_int_equal(w.p.outcome, PROPOSER_EPOCH);
	assert_int_equal(w.p.newer.epoch, 2);
	assert_int_equal(proposer_deadline_ms(&w.p), DEADLINE_NEVER);
	done(&w);
}

static void test_a_read_in_one_round(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.read = true;
	begin(&w);
	value(&w, 'a', 3, "three");
	value(&w, 'b', 3, "three");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: read e1 web\n"
		       "         = reading 0 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: value e1 web on 3.b900 'three'\n"
		       "         = reading 0 on 3.b900 answered 1 refused 0 tries 0\n"
		       "[     0] b: value e1 web on 3.b900 'three'\n"
		       "         -> chosen 'three'\n"
		       "         = done 3.b900 on 3.b900 answered 3 refused 0 tries 0: chosen\n");
	done(&w);
	w.quiet = true;
	begin(&w);
	value(&w, 'a', 0, "");
	value(&w, 'c', 0, "");
	assert_int_equal(w.p.outcome, PROPOSER_CHOSEN); /* nobody ever wrote it */
	assert_int_equal(proposer_value(&w.p).n, 0);
	done(&w);
}

/* Voters who do not agree: the newest value may be chosen or not, so that the read sees to it. */
static void test_a_read_that_finishes_what_it_sees(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.read = true;
	w.quiet = true;
	begin(&w);
	value(&w, 'a', 2, "two");
	value(&w, 'b', 3, "three");
	assert_int_equal(w.p.state, PROPOSER_READING); /* c may have three as well */
	value(&w, 'c', 1, "one");
	assert_int_equal(w.p.state, PROPOSER_PREPARING);
	promise(&w, 'a', 2, "two");
	promise(&w, 'b', 3, "three");
	assert_int_equal(w.p.state, PROPOSER_ACCEPTING);
	assert_memory_equal(w.outs.msg.value.v, "three", 5);
	assert_int_equal(w.calls, 0);
	done(&w);
}

static void test_a_read_does_not_wait_for_who_keeps_silent(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.read = true;
	w.quiet = true;
	begin(&w);
	value(&w, 'a', 2, "two");
	value(&w, 'b', 3, "three");
	tick(&w, 40);
	assert_int_equal(w.p.state, PROPOSER_PREPARING);
	assert_int_equal(w.p.ballot.counter, 4);
	done(&w);
}

static void guarded(struct world *w, char from, const char *base, const char *guard, uint32_t left_ms)
{
	struct msg_guard g = {.left_ms = left_ms};
	size_t at = 0;

	assert_true(story_slot_next(NULL, story_value(guard), &at, &g.slot));
	hear(w, from,
		(struct msg){.type = MSG_PROMISE,
			.ballot = w->p.ballot,
			.accepted = story_ballot(1, 'z'),
			.value = story_value(base),
			.guards = &g,
			.n_guards = 1});
}

static void test_a_lease_is_in_the_way(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.to = "0b2";
	w.source.counter = 3;
	begin(&w);
	guarded(&w, 'a', "0a1", "0a1", 900);
	promise(&w, 'b', 1, "0a1");
	guarded(&w, 'c', "0a1", "0a1", 600);
	tick(&w, proposer_deadline_ms(&w.p));
	guarded(&w, 'a', "0a1", "0a1", 10);
	promise(&w, 'b', 1, "0a1");
	promise(&w, 'c', 1, "0a1");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> abc: prepare e1 web 4.af00\n"
		       "         = preparing 4.af00 on 0 answered 0 refused 0 tries 0\n"
		       "[     0] a: promise e1 web 4.af00 on 1.b900 '0a1' [0a1 900 ms]\n"
		       "         = preparing 4.af00 on 1.b900 answered 1 refused 0 tries 0\n"
		       "[     0] b: promise e1 web 4.af00 on 1.b900 '0a1'\n"
		       "         = preparing 4.af00 on 1.b900 answered 3 refused 0 tries 0 held\n"
		       "[     0] c: promise e1 web 4.af00 on 1.b900 '0a1' [0a1 600 ms]\n"
		       "         = waiting 4.af00 on 1.b900 answered 7 refused 0 tries 1 held\n"
		       "[   734] tick\n"
		       "         -> abc: prepare e1 web 5.af00\n"
		       "         = preparing 5.af00 on 0 answered 0 refused 0 tries 1\n"
		       "[   734] a: promise e1 web 5.af00 on 1.b900 '0a1' [0a1 10 ms]\n"
		       "         = preparing 5.af00 on 1.b900 answered 1 refused 0 tries 1\n"
		       "[   734] b: promise e1 web 5.af00 on 1.b900 '0a1'\n"
		       "         = preparing 5.af00 on 1.b900 answered 3 refused 0 tries 1 held\n"
		       "[   734] c: promise e1 web 5.af00 on 1.b900 '0a1'\n"
		       "         -> abc: accept e1 web 5.af00 '0b2'\n"
		       "         = accepting 5.af00 on 1.b900 answered 0 refused 0 tries 1\n");
	done(&w);
}

/* Held all the time: nothing was sent, and that is certain. */
static void test_held_to_the_end(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.to = "0b2";
	w.source.counter = 3;
	w.quiet = true;
	begin(&w);
	while (w.p.state != PROPOSER_DONE) {
		assert_true(w.now_ms <= 5000);
		if (w.p.state == PROPOSER_PREPARING && w.p.answered == 0) {
			guarded(&w, 'a', "0a1", "0a1", 3000);
			guarded(&w, 'b', "0a1", "0a1", 3000);
		}
		tick(&w, proposer_deadline_ms(&w.p));
		assert_true(w.outs.n_to == 0 || w.outs.msg.type == MSG_PREPARE);
	}
	assert_int_equal(w.p.outcome, PROPOSER_HELD);
	done(&w);
}

/* What stands in nobody's way: another slot's guard, one that the change keeps, one that differs from the base. */
static void test_a_guard_that_does_not_hold(void **state)
{
	static const struct {
		const char *base, *guard, *to;
		bool held;
	} v[] = {
		{"0a1", "0a1", "0b2", true},
		{"0a1", "0a1", "new", true}, /* an absent slot is moved too */
		{"0a1", "0a1", "0a11c2", false},
		{"0a1", "1a1", "0b2", false},
		{"0b2", "0a1", "0c3", false},
	};
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		setup(&w);
		w.to = v[i].to;
		w.source.counter = 3;
		w.quiet = true;
		begin(&w);
		guarded(&w, 'a', v[i].base, v[i].guard, 900);
		guarded(&w, 'b', v[i].base, v[i].guard, 900);
		assert_int_equal(w.p.state, v[i].held ? PROPOSER_WAITING : PROPOSER_ACCEPTING);
		done(&w);
	}
}

static void test_a_guard_that_refused_is_waited_for(void **state)
{
	struct world w;
	struct msg m = {.type = MSG_REFUSED, .why = MSG_WHY_GUARD, .left_ms = 900};

	(void)state;
	setup(&w);
	w.quiet = true;
	begin(&w);
	promise(&w, 'a', 0, "");
	promise(&w, 'b', 0, "");
	hear(&w, 'a', m);
	m.left_ms = 1800;
	hear(&w, 'b', m);
	assert_int_equal(w.p.state, PROPOSER_WAITING);
	assert_int_equal(proposer_deadline_ms(&w.p), 1100); /* its clock may be the faster one */
	tick(&w, 5000);
	assert_int_equal(w.p.outcome, PROPOSER_UNKNOWN); /* an Accept was sent */
	done(&w);
}

/* Each allocation fails once: what was not kept is asked for again, and in the end it is chosen. */
static void test_no_memory(void **state)
{
	bool more = true;

	(void)state;
	for (long n = 1; more; n++) {
		struct world w;

		setup(&w);
		w.to = "0a1new";
		w.source.counter = 3;
		w.quiet = true;
		w.mem.fail_in = n;
		begin(&w);
		while (w.p.outcome == PROPOSER_NONE) {
			for (char v = 'a'; v <= 'c' && w.p.state == PROPOSER_PREPARING; v++)
				guarded(&w, v, "0a1", "0a1", 100); /* the change keeps it */
			for (char v = 'a'; v <= 'c' && w.p.state == PROPOSER_ACCEPTING; v++)
				accepted(&w, v);
			if (w.p.outcome == PROPOSER_NONE)
				tick(&w, proposer_deadline_ms(&w.p));
		}
		assert_int_equal(w.p.outcome, PROPOSER_CHOSEN);
		more = w.mem.failed;
		done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_is_chosen),
		cmocka_unit_test(test_the_highest_accepted_value_is_the_base),
		cmocka_unit_test(test_nothing_to_change_is_carried_through),
		cmocka_unit_test(test_a_conflict_backs_off_and_goes_above),
		cmocka_unit_test(test_the_pauses),
		cmocka_unit_test(test_ranks_wait_for_their_turn),
		cmocka_unit_test(test_what_is_lost_is_sent_again),
		cmocka_unit_test(test_newer_voters_end_it),
		cmocka_unit_test(test_a_read_in_one_round),
		cmocka_unit_test(test_a_read_that_finishes_what_it_sees),
		cmocka_unit_test(test_a_read_does_not_wait_for_who_keeps_silent),
		cmocka_unit_test(test_a_lease_is_in_the_way),
		cmocka_unit_test(test_held_to_the_end),
		cmocka_unit_test(test_a_guard_that_does_not_hold),
		cmocka_unit_test(test_a_guard_that_refused_is_waited_for),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
