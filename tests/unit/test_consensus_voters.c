/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of voters from its first proposal to its end, taken up by another, overtaken, and what it may not do.
 */
#include "consensus/voters.h"
#include "tests/lib/consensus_story.h"

struct world {
	struct voters v;
	struct voters_config config;
	struct story_mem mem;
	struct voters_outs outs;
	struct trace t;
	int64_t now_ms;
	bool quiet;
	char made[STORY_TEXT_MAX];
};

static void text_of(const struct quorum_cfg *cfg, char out[STORY_TEXT_MAX])
{
	size_t n = (size_t)snprintf(out, STORY_TEXT_MAX, "cfg %u ", (unsigned)cfg->epoch);

	for (int i = 0; i < cfg->old.n; i++)
		out[n++] = story_name(&cfg->old.v[i]);
	if (cfg->next.n > 0)
		out[n++] = '>';
	for (int i = 0; i < cfg->next.n; i++)
		out[n++] = story_name(&cfg->next.v[i]);
	out[n] = '\0';
}

static bool cfg_put(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret)
{
	struct world *w = ctx;

	(void)value; /* nothing else stands in it here */
	text_of(cfg, w->made);
	*ret = story_value(w->made);
	return true;
}

static void setup(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->config = (struct voters_config){.self = story_node('p'),
		.reader = &story_reader,
		.cfg_put = cfg_put,
		.ctx = w,
		.mem = story_mem(&w->mem),
		.cfg = story_cfg(1, "abc", ""),
		.target = story_set("abd"),
		.round = 77,
		.round_ms = 10};
}

static void step(struct world *w, const struct voters_in *in)
{
	char dump[512], key[STORY_TEXT_MAX];

	voters_step(&w->v, in, story_now(w->now_ms), &w->outs);
	voters_check(&w->v);
	if (w->quiet)
		return;
	for (int i = 0; i < w->outs.n_sends; i++) {
		trace_add(&w->t, "         -> %c: ", story_name(&w->outs.to[i]));
		story_add_msg(&w->t, &w->outs.sends[i]);
		trace_add(&w->t, "\n");
	}
	for (int i = 0; i < w->outs.n_proposals; i++)
		TRACE_OUT(&w->t, "propose e%u %s", (unsigned)w->outs.cfg.epoch, story_key_text(&w->outs.keys[i], key));
	trace_state(&w->t, voters_dump(&w->v, dump, sizeof(dump)));
}

static void tick(struct world *w, int64_t at_ms)
{
	w->now_ms = at_ms;
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "tick");
	step(w, &(struct voters_in){.type = VOTERS_IN_TICK});
}

static void begin(struct world *w)
{
	voters_init(&w->v, &w->config, story_now(w->now_ms));
	tick(w, w->now_ms);
}

static void done(struct world *w)
{
	voters_done(&w->v);
	assert_int_equal(w->mem.bytes, 0);
}

static void proposed(struct world *w, const char *key, enum proposer_outcome outcome, const char *value)
{
	if (!w->quiet)
		TRACE_EVENT(&w->t, w->now_ms, "%s: %s '%s'", key, proposer_outcome_text(outcome), value);
	step(w, &(struct voters_in){.type = VOTERS_IN_PROPOSED,
			.key = story_key(strcmp(key, "/") == 0 ? "" : key),
			.outcome = outcome,
			.value = story_value(value)});
}

/* The names that follow "page" (of the one before) are separated by blanks. */
static void sealed(struct world *w, char from, const char *page, const char *names, uint32_t left_ms, bool more)
{
	struct msg_key keys[8];
	uint32_t n = 0;
	char text[STORY_TEXT_MAX];
	struct msg m = {.type = MSG_SEALED,
		.from = story_node(from),
		.round = 77,
		.cfg.epoch = w->v.cfg.epoch,
		.key = story_key(page),
		.left_ms = left_ms,
		.more = more};

	(void)snprintf(text, sizeof(text), "%s", names);
	for (char *at = text, *name; (name = strsep(&at, " "));)
		if (*name)
			keys[n++] = story_key(strcmp(name, "/") == 0 ? "" : name);
	m.keys = keys;
	m.n_keys = n;
	assert_null(msg_fault(&m));
	if (!w->quiet) {
		trace_add(&w->t, "[%6d] %c: ", (int)w->now_ms, from);
		story_add_msg(&w->t, &m);
		trace_add(&w->t, "\n");
	}
	step(w, &(struct voters_in){.type = VOTERS_IN_MSG, .msg = &m});
}

static void test_one_voter_is_swapped(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	begin(&w);
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
	sealed(&w, 'a', "", "/ db", 0, true);
	sealed(&w, 'd', "", "", 0, false);
	sealed(&w, 'c', "", "/ web", 900, false);
	tick(&w, 40);
	w.now_ms = 50;
	sealed(&w, 'a', "db", "web", 100, false);
	proposed(&w, "db", PROPOSER_CHOSEN, "x");
	proposed(&w, "web", PROPOSER_UNKNOWN, "");
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
	proposed(&w, "web", PROPOSER_CHOSEN, "y");
	tick(&w, 1149);
	tick(&w, voters_deadline_ms(&w.v));
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 3 abd");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> propose e1 /\n"
		       "         = joint e1 {a000 a100 a200} sealed 0 keys 0/0\n"
		       "[     0] /: chosen 'cfg 2 abc>abd'\n"
		       "         -> a: seal e2 /\n"
		       "         -> b: seal e2 /\n"
		       "         -> c: seal e2 /\n"
		       "         -> d: seal e2 /\n"
		       "         = seal e2 {a000 a100 a200} > {a000 a100 a300} sealed 0 keys 0/0\n"
		       "[     0] a: sealed e2 / db, and more\n"
		       "         -> a: seal e2 db, and more\n"
		       "         = seal e2 {a000 a100 a200} > {a000 a100 a300} sealed 0 keys 0/2\n"
		       "[     0] d: sealed e2\n"
		       "         = seal e2 {a000 a100 a200} > {a000 a100 a300} sealed 8 keys 0/2\n"
		       "[     0] c: sealed e2 / web, 900 ms left\n"
		       "         = seal e2 {a000 a100 a200} > {a000 a100 a300} sealed c keys 0/3\n"
		       "[    40] tick\n"
		       "         -> a: seal e2 db, and more\n"
		       "         -> b: seal e2 /\n"
		       "[    50] a: sealed e2 web, 100 ms left\n"
		       "         -> propose e2 /\n"
		       "         -> propose e2 db\n"
		       "         -> propose e2 web\n"
		       "         = rescan e2 {a000 a100 a200} > {a000 a100 a300} sealed d keys 0/3\n"
		       "[    50] db: chosen 'x'\n"
		       "         = rescan e2 {a000 a100 a200} > {a000 a100 a300} sealed d keys 1/3\n"
		       "[    50] web: unknown ''\n"
		       "         -> propose e2 web\n"
		       "[    50] /: chosen 'cfg 2 abc>abd'\n"
		       "         = rescan e2 {a000 a100 a200} > {a000 a100 a300} sealed d keys 2/3\n"
		       "[    50] web: chosen 'y'\n"
		       "         = wait e2 {a000 a100 a200} > {a000 a100 a300} sealed d keys 3/3\n"
		       "[  1149] tick\n"
		       "[  1150] tick\n"
		       "         -> propose e2 /\n"
		       "         = stable e2 {a000 a100 a200} > {a000 a100 a300} sealed d keys 3/3\n"
		       "[  1150] /: chosen 'cfg 3 abd'\n"
		       "         = done e3 {a000 a100 a300} sealed d keys 3/3: changed\n");
	done(&w);
}

static void test_who_takes_it_up_begins_at_the_seal(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.config.cfg = story_cfg(2, "abc", "abd");
	begin(&w);
	sealed(&w, 'a', "", "/", 0, false);
	sealed(&w, 'b', "", "/", 0, false);
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 3 abd");
	TRACE_IS(&w.t, "[     0] tick\n"
		       "         -> a: seal e2 /\n"
		       "         -> b: seal e2 /\n"
		       "         -> c: seal e2 /\n"
		       "         -> d: seal e2 /\n"
		       "         = seal e2 {a000 a100 a200} > {a000 a100 a300} sealed 0 keys 0/0\n"
		       "[     0] a: sealed e2 /\n"
		       "         = seal e2 {a000 a100 a200} > {a000 a100 a300} sealed 1 keys 0/1\n"
		       "[     0] b: sealed e2 /\n"
		       "         -> propose e2 /\n"
		       "         = rescan e2 {a000 a100 a200} > {a000 a100 a300} sealed 3 keys 0/1\n"
		       "[     0] /: chosen 'cfg 2 abc>abd'\n"
		       "         -> propose e2 /\n"
		       "         = stable e2 {a000 a100 a200} > {a000 a100 a300} sealed 3 keys 1/1\n"
		       "[     0] /: chosen 'cfg 3 abd'\n"
		       "         = done e3 {a000 a100 a300} sealed 3 keys 1/1: changed\n");
	done(&w);
}

/* a and b are a majority of old, but not with one of new: c and d are none of old. */
static void test_both_majorities_are_sealed(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	w.config.cfg = story_cfg(2, "abc", "ade");
	begin(&w);
	sealed(&w, 'a', "", "/", 0, false);
	sealed(&w, 'b', "", "/", 0, false);
	assert_int_equal(w.v.state, VOTERS_SEAL);
	sealed(&w, 'b', "", "/", 0, false);
	sealed(&w, 'x', "", "/", 0, false); /* no voter */
	assert_int_equal(w.v.state, VOTERS_SEAL);
	sealed(&w, 'd', "", "/", 0, false);
	assert_int_equal(w.v.state, VOTERS_RESCAN);
	done(&w);
}

/* What the root register holds when the change is applied, and what comes of it. */
static void test_the_change_of_the_root(void **state)
{
	static const struct {
		const char *base;
		enum proposer_verdict verdict;
		const char *made;
	} joint[] =
		{
			{"cfg 1 abc", PROPOSER_CHANGE, "cfg 2 abc>abd"},
			{"cfg 2 abc>abd", PROPOSER_SAME, ""},
			{"cfg 2 abc>abe", PROPOSER_REFUSE, ""},
			{"cfg 3 abd", PROPOSER_REFUSE, ""},
			{"nothing", PROPOSER_REFUSE, ""},
		},
	  stable[] = {
		  {"cfg 2 abc>abd", PROPOSER_CHANGE, "cfg 3 abd"},
		  {"cfg 3 abd", PROPOSER_SAME, ""},
		  {"cfg 1 abc", PROPOSER_REFUSE, ""},
		  {"cfg 4 abd>ab", PROPOSER_REFUSE, ""},
	  };
	struct world w;
	struct msg_bytes ret;

	(void)state;
	setup(&w);
	w.quiet = true;
	begin(&w);
	for (size_t i = 0; i < ARRAY_LEN(joint); i++) {
		struct proposer_base base = {.value = story_value(joint[i].base), .written = true};

		w.made[0] = '\0';
		assert_int_equal(voters_change(&w.v, &base, &ret), joint[i].verdict);
		assert_string_equal(w.made, joint[i].made);
	}
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
	sealed(&w, 'a', "", "/", 0, false);
	sealed(&w, 'b', "", "/", 0, false);
	assert_int_equal(voters_change(&w.v, &(struct proposer_base){0}, &ret), PROPOSER_SAME);
	proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
	assert_int_equal(w.v.state, VOTERS_STABLE);
	for (size_t i = 0; i < ARRAY_LEN(stable); i++) {
		struct proposer_base base = {.value = story_value(stable[i].base), .written = true};

		w.made[0] = '\0';
		assert_int_equal(voters_change(&w.v, &base, &ret), stable[i].verdict);
		assert_string_equal(w.made, stable[i].made);
	}
	done(&w);
}

/* Each state × what a proposal comes to. */
static void test_each_state_and_each_outcome(void **state)
{
	static const enum voters_state where[] = {VOTERS_JOINT, VOTERS_RESCAN, VOTERS_STABLE};
	/* Of JOINT, RESCAN, STABLE: the outcome, and whether it is proposed again. */
	static const struct {
		enum proposer_outcome outcome;
		bool again[3];
	} v[] = {
		{PROPOSER_REFUSED, {false, true, false}}, /* nobody refuses a RESCAN; if so, again */
		{PROPOSER_EPOCH, {false, false, false}},
		{PROPOSER_HELD, {true, true, true}},
		{PROPOSER_UNKNOWN, {true, true, true}},
	};
	struct world w;

	(void)state;
	for (size_t s = 0; s < ARRAY_LEN(where); s++)
		for (size_t i = 0; i < ARRAY_LEN(v); i++) {
			setup(&w);
			w.quiet = true;
			begin(&w);
			if (where[s] != VOTERS_JOINT) {
				proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
				sealed(&w, 'a', "", "/", 0, false);
				sealed(&w, 'b', "", "/", 0, false);
			}
			if (where[s] == VOTERS_STABLE)
				proposed(&w, "/", PROPOSER_CHOSEN, "cfg 2 abc>abd");
			assert_int_equal(w.v.state, where[s]);
			proposed(&w, "/", v[i].outcome, "cfg 9 xyz");
			assert_int_equal(w.v.outcome, v[i].again[s] ? VOTERS_NONE : VOTERS_OVERTAKEN);
			assert_int_equal(w.outs.n_proposals, v[i].again[s]);
			done(&w);
		}
}

static void test_a_newer_epoch_overtakes_the_seal(void **state)
{
	struct world w;
	struct msg m = {.type = MSG_REFUSED,
		.why = MSG_WHY_EPOCH,
		.from = story_node('a'),
		.round = 77,
		.cfg = story_cfg(3, "abd", "")};

	(void)state;
	setup(&w);
	w.quiet = true;
	w.config.cfg = story_cfg(2, "abc", "abd");
	begin(&w);
	step(&w, &(struct voters_in){.type = VOTERS_IN_MSG, .msg = &m});
	assert_int_equal(w.v.outcome, VOTERS_OVERTAKEN);
	assert_int_equal(voters_deadline_ms(&w.v), DEADLINE_NEVER);
	done(&w);
}

static void test_steps_that_may_be(void **state)
{
	static const struct {
		const char *from, *to;
		bool may;
	} v[] = {{"abc", "abd", true}, {"a", "abc", true}, {"abc", "a", true}, {"abc", "abcde", true},
		{"abc", "ab", true}, {"abc", "abc", false}, {"abc", "ade", false}, {"abc", "", false},
		{"abcd", "a", false}, {"abc", "abdd", false}, {"abc", "bca", false}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct quorum_set from = story_set(v[i].from), to = story_set(v[i].to);

		assert_int_equal(voters_fault(&from, &to) == NULL, v[i].may);
	}
}

/* No memory for a key: given up, for another to take up. */
static void test_no_memory(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	w.quiet = true;
	w.config.cfg = story_cfg(2, "abc", "abd");
	begin(&w);
	w.mem.fail_in = 1;
	sealed(&w, 'a', "", "/ web", 0, false);
	assert_int_equal(w.v.outcome, VOTERS_FULL);
	assert_true(w.outs.done);
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_voter_is_swapped),
		cmocka_unit_test(test_who_takes_it_up_begins_at_the_seal),
		cmocka_unit_test(test_both_majorities_are_sealed),
		cmocka_unit_test(test_the_change_of_the_root),
		cmocka_unit_test(test_each_state_and_each_outcome),
		cmocka_unit_test(test_a_newer_epoch_overtakes_the_seal),
		cmocka_unit_test(test_steps_that_may_be),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
