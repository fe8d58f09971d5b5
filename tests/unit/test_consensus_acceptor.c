/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A voter's story: nothing is answered before it is durable, promises and accepts never fall, the configuration comes
 * first, and what the disk or memory does not take is undone and told. Leases: test_consensus_acceptor_lease.c.
 */
#include <errno.h>

#include "tests/lib/acceptor_story.h"

static void test_a_change_in_two_phases(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	prepare(&w, 'b', "web", 1);
	stored(&w, 1);
	accept_value(&w, 'b', "web", 1, "one");
	w.now_ms = 5;
	stored(&w, 2);
	hear(&w, 'c', (struct msg){.type = MSG_READ, .key = story_key("web")});
	prepare(&w, 'c', "web", 2);
	stored(&w, 3);
	TRACE_IS(&w.t, "[     0] b: prepare e1 web 1.a100\n"
		       "         -> write 1: web 1.a100 0\n"
		       "         = e1 {a000 a100 a200} disk 0/1 waiting 1 | web 1.a100 0\n"
		       "[     0] stored 1\n"
		       "         -> b: promise e1 web 1.a100 on 0\n"
		       "         = e1 {a000 a100 a200} disk 1/1 waiting 0 | web 1.a100 0\n"
		       "[     0] b: accept e1 web 1.a100 'one'\n"
		       "         -> write 2: web 1.a100 1.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 1/2 waiting 1 | web 1.a100 1.a100\n"
		       "[     5] stored 2\n"
		       "         -> b: accepted e1 web 1.a100\n"
		       "         = e1 {a000 a100 a200} disk 2/2 waiting 0 | web 1.a100 1.a100\n"
		       "[     5] c: read e1 web\n"
		       "         -> c: value e1 web on 1.a100 'one'\n"
		       "[     5] c: prepare e1 web 2.a200\n"
		       "         -> write 3: web 2.a200 1.a100\n"
		       "         = e1 {a000 a100 a200} disk 2/3 waiting 1 | web 2.a200 1.a100\n"
		       "[     5] stored 3\n"
		       "         -> c: promise e1 web 2.a200 on 1.a100 'one'\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | web 2.a200 1.a100\n");
	done(&w);
}

static void test_what_waits_is_answered_in_the_end_and_as_it_was(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	prepare(&w, 'b', "web", 1);
	prepare(&w, 'b', "web", 1); /* doubled on the way */
	accept_value(&w, 'c', "web", 2, "two");
	prepare(&w, 'b', "db", 3);
	hear(&w, 'b', (struct msg){.type = MSG_READ, .key = story_key("web")});
	TRACE_CLEAR(&w.t);
	stored(&w, 1);
	stored(&w, 2);
	stored(&w, 3);
	TRACE_IS(&w.t, "[     0] stored 1\n"
		       "         -> b: promise e1 web 1.a100 on 0\n"
		       "         -> b: promise e1 web 1.a100 on 0\n"
		       "         = e1 {a000 a100 a200} disk 1/3 waiting 3 | db 3.a100 0 | web 2.a200 2.a200\n"
		       "[     0] stored 2\n"
		       "         -> c: accepted e1 web 2.a200\n"
		       "         -> b: value e1 web on 2.a200 'two'\n"
		       "         = e1 {a000 a100 a200} disk 2/3 waiting 1 | db 3.a100 0 | web 2.a200 2.a200\n"
		       "[     0] stored 3\n"
		       "         -> b: promise e1 db 3.a100 on 0\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | db 3.a100 0 | web 2.a200 2.a200\n");
	done(&w);
}

/* Each state of a register × each request: what comes of it. */
enum reg_state { NEW, PROMISED_5, ACCEPTED_5, ACCEPTED_5_PROMISED_7, REG_STATE_MAX };
enum answer { REFUSES, PROMISES, ACCEPTS, TELLS };

static void bring(struct world *w, enum reg_state s)
{
	setup(w);
	w->quiet = true;
	if (s >= PROMISED_5)
		prepare(w, 'b', "web", 5);
	if (s >= ACCEPTED_5)
		accept_value(w, 'b', "web", 5, "five");
	if (s >= ACCEPTED_5_PROMISED_7)
		prepare(w, 'b', "web", 7);
	stored(w, s);
}

static void test_each_state_and_each_request(void **state)
{
	/* By counter: 4, 5, 6, 7, 8. */
	static const enum answer prepares[REG_STATE_MAX][5] = {
		[NEW] = {PROMISES, PROMISES, PROMISES, PROMISES, PROMISES},
		[PROMISED_5] = {REFUSES, PROMISES, PROMISES, PROMISES, PROMISES},
		[ACCEPTED_5] = {REFUSES, REFUSES, PROMISES, PROMISES, PROMISES},
		[ACCEPTED_5_PROMISED_7] = {REFUSES, REFUSES, REFUSES, PROMISES, PROMISES},
	};
	static const enum answer accepts[REG_STATE_MAX][5] = {
		[NEW] = {ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS},
		[PROMISED_5] = {REFUSES, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS},
		[ACCEPTED_5] = {REFUSES, ACCEPTS, ACCEPTS, ACCEPTS, ACCEPTS},
		[ACCEPTED_5_PROMISED_7] = {REFUSES, ACCEPTS, REFUSES, ACCEPTS, ACCEPTS},
	};
	static const enum msg_type types[] = {MSG_REFUSED, MSG_PROMISE, MSG_ACCEPTED, MSG_VALUE};
	struct world w;

	(void)state;
	for (int s = 0; s < REG_STATE_MAX; s++)
		for (int i = 0; i < 11; i++) {
			enum answer expected = i < 5 ? prepares[s][i] : i < 10 ? accepts[s][i - 5] : TELLS;
			struct acceptor_out *out;

			bring(&w, s);
			if (i < 5)
				prepare(&w, 'b', "web", (uint64_t)(4 + i));
			else if (i < 10)
				accept_value(&w, 'b', "web", (uint64_t)(i - 1), i == 6 ? "five" : "other");
			else
				hear(&w, 'b', (struct msg){.type = MSG_READ, .key = story_key("web")});
			if (w.outs.v[0].type == ACCEPTOR_OUT_REGISTER) {
				assert_int_equal(w.outs.n, 1);
				stored(&w, w.outs.v[0].write);
			}
			assert_int_equal(w.outs.n, 1);
			out = &w.outs.v[0];
			assert_int_equal(out->msg.type, types[expected]);
			if (expected == REFUSES)
				assert_int_equal(out->msg.ballot.counter, s == ACCEPTED_5_PROMISED_7 ? 7 : 5);
			if (expected == PROMISES || expected == TELLS)
				assert_int_equal(out->msg.accepted.counter, s >= ACCEPTED_5 ? 5 : 0);
			done(&w);
		}
}

static void test_a_newer_configuration_comes_first(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.cfg = story_cfg(2, "abc", "abd");
	prepare(&w, 'd', "web", 1);
	stored(&w, 1);
	stored(&w, 2);
	w.cfg = story_cfg(1, "abc", "");
	accept_value(&w, 'b', "web", 9, "old");
	w.cfg = story_cfg(3, "bcd", "");
	prepare(&w, 'd', "web", 4);
	TRACE_IS(&w.t, "[     0] d: prepare e2 web 1.a300\n"
		       "         -> write 1: e2 {a000 a100 a200} > {a000 a100 a300}, guards 0 ms\n"
		       "         -> write 2: web 1.a300 0\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 0/2 waiting 2 | web 1.a300 0\n"
		       "[     0] stored 1\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 1/2 waiting 1 | web 1.a300 0\n"
		       "[     0] stored 2\n"
		       "         -> d: promise e2 web 1.a300 on 0\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 2/2 waiting 0 | web 1.a300 0\n"
		       "[     0] b: accept e1 web 9.a100 'old'\n"
		       "         -> b: refused e2 web: the voters have changed\n"
		       "[     0] d: prepare e3 web 4.a300\n"
		       "         -> write 3: e3 {a100 a200 a300}, guards 0 ms\n"
		       "         -> d: refused e3 web: it is no voter\n"
		       "         = e3 {a100 a200 a300} disk 2/3 waiting 1 | web 1.a300 0\n");
	done(&w);
}

/* Whether it could vote: its disk is tried, whatever it has on it. */
static void test_one_that_does_not_vote_is_asked(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.cfg = story_cfg(2, "bcd", "");
	hear(&w, 'b', (struct msg){.type = MSG_SEAL});
	stored(&w, 1);
	hear(&w, 'b', (struct msg){.type = MSG_SEAL});
	hear(&w, 'c', (struct msg){.type = MSG_SEAL});
	stored(&w, 2);
	hear(&w, 'b', (struct msg){.type = MSG_SEAL});
	TRACE_EVENT(&w.t, w.now_ms, "full");
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
	TRACE_IS(&w.t, "[     0] b: seal e2 /\n"
		       "         -> write 1: e2 {a100 a200 a300}, guards 0 ms\n"
		       "         = e2 {a100 a200 a300} disk 0/1 waiting 2\n"
		       "[     0] stored 1\n"
		       "         -> b: sealed e2\n"
		       "         = e2 {a100 a200 a300} disk 1/1 waiting 0\n"
		       "[     0] b: seal e2 /\n"
		       "         -> write 2: e2 {a100 a200 a300}, guards 0 ms\n"
		       "         = e2 {a100 a200 a300} disk 1/2 waiting 2\n"
		       "[     0] c: seal e2 /\n"
		       "         = e2 {a100 a200 a300} disk 1/2 waiting 3\n"
		       "[     0] stored 2\n"
		       "         -> b: sealed e2\n"
		       "         -> c: sealed e2\n"
		       "         = e2 {a100 a200 a300} disk 2/2 waiting 0\n"
		       "[     0] b: seal e2 /\n"
		       "         -> write 3: e2 {a100 a200 a300}, guards 0 ms\n"
		       "         = e2 {a100 a200 a300} disk 2/3 waiting 2\n"
		       "[     0] full\n"
		       "         -> b: refused e2 /: its disk or memory is full\n"
		       "         = e2 {a100 a200 a300} disk 3/3 waiting 0\n");
	done(&w);
}

static void test_a_seal_lists_what_is_there_when_it_is_durable(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	prepare(&w, 'b', "web", 1);
	stored(&w, 1);
	w.cfg = story_cfg(2, "abc", "abd");
	TRACE_CLEAR(&w.t);
	hear(&w, 'd', (struct msg){.type = MSG_SEAL});
	prepare(&w, 'd', "db", 2);
	stored(&w, 3);
	TRACE_IS(&w.t, "[     0] d: seal e2 /\n"
		       "         -> write 2: e2 {a000 a100 a200} > {a000 a100 a300}, guards 0 ms\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 1/2 waiting 2 | web 1.a100 0\n"
		       "[     0] d: prepare e2 db 2.a300\n"
		       "         -> write 3: db 2.a300 0\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 1/3 waiting 3 | db 2.a300 0 | web "
		       "1.a100 0\n"
		       "[     0] stored 3\n"
		       "         -> d: sealed e2 db web\n"
		       "         -> d: promise e2 db 2.a300 on 0\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 3/3 waiting 0 | db 2.a300 0 | web "
		       "1.a100 0\n");
	done(&w);
}

static void test_a_list_comes_page_by_page(void **state)
{
	struct world w;
	struct msg_key last = {0};
	uint32_t n = 0;
	bool more = false;

	(void)state;
	setup(&w);
	w.quiet = true;
	for (int i = 0; i < 150; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "agent%d", (i * 37) % 150);
		prepare(&w, 'b', name, 1);
		stored(&w, (uint64_t)i + 1);
	}
	do {
		const struct msg *m = &w.outs.v[0].msg;

		hear(&w, 'b', (struct msg){.type = MSG_SEAL, .key = last, .more = more});
		assert_int_equal(m->type, MSG_SEALED);
		for (uint32_t i = 0; i < m->n_keys; i++) {
			assert_true(msg_key_cmp(&last, &m->keys[i]) < 0);
			last = m->keys[i];
		}
		n += m->n_keys;
		more = m->more;
	} while (more);
	assert_int_equal(n, 150);
	done(&w);
}

static void test_a_full_disk_undoes_and_goes_on(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	prepare(&w, 'b', "web", 1);
	stored(&w, 1);
	TRACE_CLEAR(&w.t);
	accept_value(&w, 'b', "web", 1, "one");
	w.cfg = story_cfg(2, "abc", "abd");
	prepare(&w, 'c', "web", 2);
	TRACE_EVENT(&w.t, w.now_ms, "full");
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
	w.cfg = story_cfg(1, "abc", "");
	accept_value(&w, 'b', "web", 1, "one");
	stored(&w, 5);
	TRACE_IS(&w.t, "[     0] b: accept e1 web 1.a100 'one'\n"
		       "         -> write 2: web 1.a100 1.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 1/2 waiting 1 | web 1.a100 1.a100\n"
		       "[     0] c: prepare e2 web 2.a200\n"
		       "         -> write 3: e2 {a000 a100 a200} > {a000 a100 a300}, guards 0 ms\n"
		       "         -> write 4: web 2.a200 1.a100\n"
		       "         = e2 {a000 a100 a200} > {a000 a100 a300} disk 1/4 waiting 3 | web 2.a200 1.a100\n"
		       "[     0] full\n"
		       "         -> b: refused e1 web: its disk or memory is full\n"
		       "         -> c: refused e2 web: its disk or memory is full\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | web 1.a100 0\n"
		       "[     0] b: accept e1 web 1.a100 'one'\n"
		       "         -> write 5: web 1.a100 1.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 4/5 waiting 1 | web 1.a100 1.a100\n"
		       "[     0] stored 5\n"
		       "         -> b: accepted e1 web 1.a100\n"
		       "         = e1 {a000 a100 a200} disk 5/5 waiting 0 | web 1.a100 1.a100\n");
	done(&w);
}

#define ERA QUORUM_ERA_STEP

/* What it says to be accepted, "-": nothing. */
static void has(struct world *w, const char *value)
{
	hear(w, 'b', (struct msg){.type = MSG_READ, .key = story_key("web")});
	assert_int_equal(w->outs.n, 1);
	assert_int_equal(w->outs.v[0].msg.type, MSG_VALUE);
	assert_int_equal(w->outs.v[0].msg.value.n, *value == '-' ? 0 : strlen(value));
	if (*value == '-')
		assert_true(ballot_is_zero(&w->outs.v[0].msg.accepted));
	else
		assert_memory_equal(w->outs.v[0].msg.value.v, value, strlen(value));
}

static void comes_to(struct world *w, uint64_t epoch, const char *voters, bool sealed)
{
	w->cfg = story_cfg(epoch, voters, "");
	if (sealed)
		hear(w, 'b', (struct msg){.type = MSG_SEAL});
	else
		step(w, &(struct acceptor_in){.type = ACCEPTOR_IN_CFG, .cfg = &w->cfg});
	stored(w, w->write);
}

/* Who begins an era has what it had; who is none of those, or comes to it later, has nothing of before. */
static void test_a_later_era(void **state)
{
	static const struct {
		uint64_t epochs[2];
		const char *voters[2];
		bool kept;
	} v[] = {{{ERA}, {"a"}, true}, {{ERA}, {"ab"}, true}, {{ERA, ERA + 2}, {"a", "abc"}, true},
		{{ERA, 5 * ERA}, {"ab", "a"}, true}, {{ERA + 1}, {"ab"}, false}, {{ERA, ERA + 1}, {"b", "ab"}, false},
		{{7 * ERA + 3}, {"abc"}, false}, {{ERA, 2 * ERA + 1}, {"ab", "ab"}, false}, {{4}, {"ab"}, true}};
	struct world w;

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(v); i++) {
		setup(&w);
		w.quiet = true;
		accept_value(&w, 'b', "web", 1, "one");
		stored(&w, w.write);
		for (size_t k = 0; k < 2 && v[i / 2].epochs[k] > 0; k++)
			comes_to(&w, v[i / 2].epochs[k], v[i / 2].voters[k], i % 2);
		has(&w, v[i / 2].kept ? "one" : "-");
		if (!v[i / 2].kept) {
			prepare(&w, 'b', "web", 2); /* of an earlier era: nobody makes such any more */
			assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_BALLOT);
			assert_true(w.outs.v[0].msg.ballot.counter >= ERA);
		}
		accept_value(&w, 'b', "web", w.cfg.epoch + 1, "two");
		stored(&w, w.write);
		has(&w, "two");
		done(&w);
	}
}

/* What the disk did not take is not so: it is as it was, with all that it had. */
static void test_an_era_that_the_disk_does_not_take(void **state)
{
	struct quorum_cfg first;
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	accept_value(&w, 'b', "web", 1, "one");
	stored(&w, w.write);
	first = w.cfg;
	w.cfg = story_cfg(ERA + 1, "abc", "");
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_CFG, .cfg = &w.cfg});
	assert_int_equal(acceptor_cfg(w.a)->epoch, ERA + 1);
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_FULL});
	assert_int_equal(acceptor_cfg(w.a)->epoch, 1);
	w.cfg = first;
	has(&w, "one");
	done(&w);
}

static void is_known(struct world *w, uint64_t counter, const char *text)
{
	struct value_mem mem = story_mem(&w->mem);
	struct value *v = value_new(&mem, story_value(text));
	struct msg_key key = story_key("web");

	assert_non_null(v);
	step(w, &(struct acceptor_in){
			.type = ACCEPTOR_IN_KNOWN, .key = &key, .ballot = story_ballot(counter, 'c'), .value = v});
	value_unref(&mem, v);
	stored(w, w->write);
}

/* What is chosen is accepted late, below a promise too; never instead of what is newer. */
static void test_what_is_known_to_be_chosen(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	prepare(&w, 'b', "web", 5);
	stored(&w, w.write);
	is_known(&w, 3, "three");
	has(&w, "three");
	prepare(&w, 'c', "web", 4); /* the promise is as it was */
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_BALLOT);
	is_known(&w, 2, "two");
	has(&w, "three");
	accept_value(&w, 'b', "web", 5, "five");
	stored(&w, w.write);
	has(&w, "five");
	done(&w);
}

static bool votes(struct world *w)
{
	prepare(w, 'b', "web", ++w->round + 100);
	return w->outs.v[0].type == ACCEPTOR_OUT_REGISTER;
}

/* (boot, write) that a peer remembers, of a voter that was started as boot 4 with 20 on disk and is at 21. */
static void test_a_disk_that_went_back_in_time(void **state)
{
	static const struct {
		uint64_t boot, write;
		bool votes;
	} v[] = {{3, 20, true}, {3, 21, false}, {4, 21, true}, {4, 22, false}, {5, 1, false}, {0, 0, true}};
	struct world w;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		memset(&w, 0, sizeof(w));
		w.quiet = true;
		w.cfg = story_cfg(1, "abc", "");
		begin(&w, &(struct acceptor_header){.cfg = w.cfg}, 4, 20);
		assert_true(votes(&w));
		stored(&w, 21);
		step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_SEEN, .boot = v[i].boot, .write = v[i].write});
		assert_int_equal(w.outs.n, v[i].votes ? 0 : 1);
		assert_int_equal(votes(&w), v[i].votes);
		if (!v[i].votes)
			assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_ROLLED_BACK);
		done(&w);
	}
}

/* Nobody acknowledges what was promised before the rollback was noticed and is on no disk that counts. */
static void test_what_waits_when_it_is_noticed_is_not_answered(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	prepare(&w, 'b', "web", 1);
	step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_SEEN, .boot = 2, .write = 9});
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_ROLLED_BACK);
	stored(&w, 1);
	assert_int_equal(w.outs.n, 0);
	done(&w);
}

static void test_too_much_waits_for_the_disk(void **state)
{
	struct world w;
	int n = 0;

	(void)state;
	setup(&w);
	w.quiet = true;
	do {
		prepare(&w, 'b', "web", (uint64_t)++n);
		assert_int_equal(w.outs.n, 1);
	} while (w.outs.v[0].type == ACCEPTOR_OUT_REGISTER);
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_BUSY);
	assert_in_range(n, ACCEPTOR_PENDING_MAX - 4, ACCEPTOR_PENDING_MAX);
	stored(&w, (uint64_t)n - 1);
	for (int told = 0; told < n - 1;) { /* sixteen a step, until none is due */
		assert_int_equal(w.outs.n, MIN(n - 1 - told, ACCEPTOR_OUTS_MAX));
		for (size_t i = 0; i < w.outs.n; i++)
			assert_int_equal(w.outs.v[i].msg.ballot.counter, ++told);
		assert_int_equal(acceptor_deadline_ms(w.a), told < n - 1 ? 0 : DEADLINE_NEVER);
		step(&w, &(struct acceptor_in){.type = ACCEPTOR_IN_TICK});
	}
	done(&w);
}

static void test_the_last_name(void **state)
{
	struct world w;
	char name[16];

	(void)state;
	setup(&w);
	w.quiet = true;
	for (int i = 0; i < ACCEPTOR_KEYS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "a%d", i);
		prepare(&w, 'b', name, 1);
		stored(&w, (uint64_t)i + 1);
	}
	assert_int_equal(acceptor_keys(w.a), ACCEPTOR_KEYS_MAX);
	prepare(&w, 'b', "one-more", 1);
	assert_int_equal(w.outs.v[0].msg.why, MSG_WHY_FULL);
	prepare(&w, 'b', "a7", 2);
	assert_int_equal(w.outs.v[0].type, ACCEPTOR_OUT_REGISTER);
	done(&w);
}

/* Each allocation fails once: the request is refused or answered, and the next one finds all in order. */
static void test_no_memory(void **state)
{
	bool more = true;

	(void)state;
	for (long n = 1; more; n++) {
		struct world w;
		enum msg_type got = MSG_TYPE_MAX;

		setup(&w);
		w.quiet = true;
		w.mem.fail_in = n;
		prepare(&w, 'b', "web", 1);
		stored(&w, w.write);
		accept_value(&w, 'b', "web", 1, "0a1");
		stored(&w, w.write);
		hear(&w, 'b', (struct msg){.type = MSG_SEAL});
		more = w.mem.failed;
		w.mem.fail_in = 0;
		accept_value(&w, 'b', "web", 1, "0a1");
		if (w.outs.v[0].type == ACCEPTOR_OUT_REGISTER)
			stored(&w, w.write);
		got = w.outs.v[0].msg.type;
		assert_int_equal(got, MSG_ACCEPTED);
		done(&w);
		assert_true(n < 20);
	}
}

/* What is loaded is what was stored; what no voter writes is refused. */
static void test_loading(void **state)
{
	struct msg_key web = story_key("web");
	struct ballot five = story_ballot(5, 'b'), seven = story_ballot(7, 'c'), zero = {0};
	struct acceptor_image image;
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	assert_int_equal(acceptor_load(w.a, &web, &five, &seven, story_value("x")), -EINVAL);
	assert_int_equal(acceptor_load(w.a, &web, &seven, &five, story_value("x")), 0);
	assert_int_equal(acceptor_load(w.a, &web, &seven, &five, story_value("x")), -EEXIST);
	w.mem.fail_in = 1;
	web = story_key("db");
	assert_int_equal(acceptor_load(w.a, &web, &seven, &five, story_value("x")), -ENOMEM);
	assert_false(acceptor_get(w.a, &web, &image));
	assert_int_equal(acceptor_load(w.a, &web, &seven, &zero, story_value("")), 0);
	assert_true(acceptor_get(w.a, &web, &image) && !image.value);
	web = story_key("web");
	assert_true(acceptor_get(w.a, &web, &image) && image.accepted.counter == 5 && image.promised.counter == 7);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_change_in_two_phases),
		cmocka_unit_test(test_what_waits_is_answered_in_the_end_and_as_it_was),
		cmocka_unit_test(test_each_state_and_each_request),
		cmocka_unit_test(test_a_newer_configuration_comes_first),
		cmocka_unit_test(test_one_that_does_not_vote_is_asked),
		cmocka_unit_test(test_a_seal_lists_what_is_there_when_it_is_durable),
		cmocka_unit_test(test_a_list_comes_page_by_page),
		cmocka_unit_test(test_a_full_disk_undoes_and_goes_on),
		cmocka_unit_test(test_what_is_known_to_be_chosen),
		cmocka_unit_test(test_a_later_era),
		cmocka_unit_test(test_an_era_that_the_disk_does_not_take),
		cmocka_unit_test(test_a_disk_that_went_back_in_time),
		cmocka_unit_test(test_what_waits_when_it_is_noticed_is_not_answered),
		cmocka_unit_test(test_too_much_waits_for_the_disk),
		cmocka_unit_test(test_the_last_name),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_loading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
