/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/electorate: who is to vote, step by step. Nodes are letters; what follows one says how it is: "a" alive, "b?"
 * suspect, "c-" dead for 100 s, "d~" dead for 10 s, "e!" left, "f/" draining, "g<" leaving, "h#" forgotten; "@x" its
 * zone.
 */
#include <string.h>

#include "base/rng.h"
#include "consensus/voters.h"
#include "node/electorate.h"
#include "tests/lib/register_bed.h"

#define HOSTS_MAX 32

static struct world {
	size_t held;
	struct value_mem mem;
	struct register_root root;
	struct sched_host hosts[HOSTS_MAX];
	struct sched_label labels[HOSTS_MAX];
	char values[HOSTS_MAX][2], names[HOSTS_MAX][2];
	size_t n;
	struct quorum_set now;
	int64_t in_ms;
} w;

static struct sched_node node_of(char c)
{
	return (struct sched_node){.hi = (uint64_t)(unsigned char)c << 56, .lo = 7};
}

static void host_of(const char *text)
{
	struct sched_host *h = &w.hosts[w.n];

	w.names[w.n][0] = text[0];
	*h = (struct sched_host){
		.id = node_of(text[0]), .name = w.names[w.n], .schedulable = true, .labels = &w.labels[w.n]};
	w.labels[w.n] = (struct sched_label){"zone", w.values[w.n]};
	for (const char *p = text + 1; *p && *p != ' '; p++)
		switch (*p) {
		case '?':
			h->state = SCHED_SUSPECT;
			break;
		case '-':
		case '~':
			h->state = SCHED_DEAD;
			h->state_for_ms = *p == '-' ? 100000 : 10000;
			break;
		case '!':
			h->state = SCHED_LEFT;
			break;
		case '/':
			h->draining = true;
			break;
		case '<':
			assert_int_equal(register_nodes_add(&w.root, &w.root.leaving, h->id), 0);
			break;
		case '#':
			assert_int_equal(register_nodes_add(&w.root, &w.root.forgotten, h->id), 0);
			break;
		default:
			w.values[w.n][0] = *++p;
			h->n_labels = 1;
		}
	w.n++;
}

static void begin(const char *hosts, const char *voters)
{
	memset(&w, 0, sizeof(w));
	w.mem = rbed_mem(&w.held);
	register_root_init(&w.root, &w.mem);
	w.root.cluster.v[0] = 1;
	for (const char *p = hosts; *p; p += strcspn(p, " "), p += *p == ' ')
		host_of(p);
	for (; *voters; voters++)
		w.now.v[w.now.n++] = register_uuid_of(node_of(*voters));
}

static void end(void)
{
	register_root_done(&w.root);
	assert_int_equal(w.held, 0);
}

static struct electorate_in in_of(const struct sched_view *view)
{
	return (struct electorate_in){.root = &w.root, .now = &w.now, .view = view};
}

static bool votes(const struct quorum_set *s, struct sched_node node)
{
	struct uuid id = register_uuid_of(node);

	return quorum_set_has(s, &id);
}

/* What follows, in order of letters; "": nothing. */
static const char *next(void)
{
	static char out[QUORUM_VOTERS_MAX + 1];
	struct sched_view view = {.hosts = w.hosts, .n_hosts = w.n};
	struct electorate_in in = in_of(&view);
	struct quorum_set set = {0};
	char *p = out;

	if (electorate_next(&in, &set, &w.in_ms)) {
		assert_null(voters_fault(&w.now, &set));
		for (char c = 'a'; c <= 'z'; c++)
			if (votes(&set, node_of(c)))
				*p++ = c;
		assert_int_equal(p - out, set.n);
	}
	*p = '\0';
	return out;
}

static void follows(const char *hosts, const char *voters, const char *expected)
{
	begin(hosts, voters);
	if (strcmp(next(), expected) != 0)
		fail_msg("%s, voters %s: '%s', not '%s'", hosts, voters, next(), expected);
	end();
}

static void test_members_come(void **state)
{
	(void)state;
	follows("a", "a", "");
	follows("a b", "a", "");
	follows("a b c", "a", "abc");
	follows("a b c d", "abc", "");
	follows("a b c d e", "abc", "abcde");
	follows("a b c d e f g", "abcde", "");
	follows("a b c-", "a", ""); /* of three one is dead: nobody votes who is not there */
	follows("a b c?", "a", "");
	follows("a b c/", "a", ""); /* nor one that drains */
	follows("a b c<", "a", "");
	follows("a b c#", "a", "");
	follows("a b c!", "a", "");
	follows("a/ b c", "a", "abc"); /* who drains keeps its vote */
	follows("a", "abc", "");       /* the others are not known here yet: members */
}

static void test_a_death_takes_no_vote(void **state)
{
	(void)state;
	follows("a b c-", "abc", "");
	follows("a b- c-", "abc", "");
	follows("a b c d- e-", "abcde", "");
	follows("a b c- d", "abc", "abd");
	follows("a b c- d-", "abc", "");
	follows("a b c- d?", "abc", "");
	follows("a b c- d/", "abc", "");
	follows("a b c? d", "abc", "");
	follows("a b- c- d- e- f", "abcde", ""); /* most of those who would vote must live */
	follows("a b- c- d", "abc", "acd");	 /* of two dead one at a time */
	begin("a b c~ d", "abc");
	assert_string_equal(next(), "");
	assert_int_equal(w.in_ms, 50000);
	w.root.replace_after_ms = 10000;
	assert_string_equal(next(), "abd");
	end();
}

static void test_who_goes_loses_its_vote(void **state)
{
	(void)state;
	follows("a b c< d", "abc", "abd");
	follows("a b c! d", "abc", "abd");
	follows("a b c-# d", "abc", "abd");
}

static void test_shrinking(void **state)
{
	char one[8];

	(void)state;
	begin("a b c<", "abc");
	(void)snprintf(one, sizeof(one), "%s", next());
	assert_int_equal(strlen(one), 1);
	assert_true(one[0] == 'a' || one[0] == 'b');
	end();
	follows("a b- c<", "abc", "a");
	follows("a b c d-# e-", "abcde", "abc");   /* the dead one goes with it */
	follows("a b c d<", "abcd", "abc");	   /* never an even number for long */
	follows("a< b d< e f< g", "abdef", "bef"); /* who leaves lives as long */
	follows("a b- c- d< e<", "abcde", "ade");  /* and counts, where the others do not */
	follows("a d< e<", "ade", "a");
	follows("a b<", "b", "a");
	follows("b<", "b", "");
	follows("a- b<", "b", "");
	follows("a b c< d-", "abc", one[0] == 'a' ? "a" : "b"); /* no spare: both go, and come back with d */
}

static void test_the_number_that_is_wanted(void **state)
{
	(void)state;
	begin("a b c d e f g", "abcde");
	w.root.voters = 7;
	assert_string_equal(next(), "abcdefg");
	w.root.voters = 3;
	assert_int_equal(strlen(next()), 3);
	w.root.voters = 1;
	assert_int_equal(strlen(next()), 3);
	w.root.voters = 5;
	assert_string_equal(next(), "");
	end();
	begin("a b c d", "abc");
	w.root.voters = 7; /* as many as there may be */
	assert_string_equal(next(), "");
	end();
}

static void spreads(const char *hosts, const char *voters, const char *expected)
{
	begin(hosts, voters);
	w.root.voters = 3;
	(void)snprintf(w.root.spread, sizeof(w.root.spread), "zone"); /* fits; so below */
	if (strcmp(next(), expected) != 0)
		fail_msg("%s, voters %s: '%s', not '%s'", hosts, voters, next(), expected);
	end();
}

static void test_spread(void **state)
{
	(void)state;
	spreads("a@x b@x c@x d@y e@z", "a", "ade");
	spreads("a@x b@y c@z d@x e@x", "a", "abc");
	spreads("a@x b@x c@y d@x e@z", "a", "ace");
	spreads("a@x b@x c@y d@y", "abc", "");	       /* two and one is as even as it gets */
	spreads("a@x b@y c@z- d@x e@z", "abc", "abe"); /* who comes for a dead one comes from its zone */
	spreads("a@x b@y c@z- d@z e@x", "abc", "abd");
	spreads("a b@x c", "b", "abc");	 /* no zone is one, too */
	begin("a@x b@x c@x d@y", "abc"); /* said later: one moves */
	w.root.voters = 3;
	assert_string_equal(next(), "");
	(void)snprintf(w.root.spread, sizeof(w.root.spread), "zone");
	assert_int_equal(strlen(next()), 3);
	assert_non_null(strchr(next(), 'd'));
	end();
}

static void test_who_did_not_answer(void **state)
{
	struct sched_view view = {.hosts = w.hosts};
	struct sched_node avoid[1];
	struct electorate_in in = in_of(&view);
	struct quorum_set set;
	int64_t in_ms;

	(void)state;
	begin("a b c d e- f", "ace");
	w.root.voters = 3;
	view.n_hosts = w.n;
	in.avoid = avoid;
	assert_true(electorate_next(&in, &set, &in_ms));
	for (int i = 0; i < 3; i++)
		if (!quorum_set_has(&w.now, &set.v[i]))
			avoid[in.n_avoid++] = register_node_of(&set.v[i]);
	assert_int_equal(in.n_avoid, 1);
	assert_true(electorate_next(&in, &set, &in_ms));
	assert_false(votes(&set, avoid[0]));
	end();
}

static void is_at_its_end(const char *hosts)
{
	struct sched_view view = {.hosts = w.hosts, .n_hosts = w.n};
	struct electorate_in in = in_of(&view);
	struct electorate_count c;
	int living = 0;

	electorate_count(&in, &c);
	for (size_t i = 0; i < w.n; i++)
		living += w.hosts[i].state <= SCHED_SUSPECT && votes(&w.now, w.hosts[i].id) &&
			  !register_nodes_has(&w.root.forgotten, w.hosts[i].id);
	if (living <= w.now.n / 2)
		return; /* nothing can be decided there */
	if (c.voters > c.wanted || (c.voters < c.wanted && c.spares > 1))
		fail_msg("%s: %u vote, of %u", hosts, c.voters, c.wanted);
	for (size_t i = 0; i < w.n && w.now.n > 1; i++)
		if (votes(&w.now, w.hosts[i].id))
			assert_true(w.hosts[i].state != SCHED_LEFT &&
				    !register_nodes_has(&w.root.forgotten, w.hosts[i].id) &&
				    !register_nodes_has(&w.root.leaving, w.hosts[i].id));
}

/* Step by step it comes to an end, whatever the members are; all nodes choose the same, in whatever order they know
 * them. */
static void test_it_comes_to_an_end(void **state)
{
	static const char how[][4] = {"", "", "", "?", "-", "~", "!", "/", "<", "#", "-#"};
	struct rng r;

	(void)state;
	for (uint64_t seed = 1; seed <= 3000; seed++) {
		char hosts[256] = "", voters[8] = "";
		int n;
		size_t at = 0;

		rng_seed(&r, seed);
		n = 1 + (int)rng_below(&r, 9);
		for (int i = 0; i < n; i++)
			at += (size_t)snprintf(hosts + at, sizeof(hosts) - at, "%s%c%s@%c", i ? " " : "", 'a' + i,
				how[rng_below(&r, ARRAY_LEN(how))], (char)('x' + (int)rng_below(&r, 3)));
		for (int i = 0; i < n && i < 1 + 2 * (int)rng_below(&r, 4); i++)
			voters[i] = (char)('a' + i);
		begin(hosts, voters);
		w.root.voters = (uint32_t)(rng_below(&r, 2) ? 0 : 1 + 2 * rng_below(&r, 4));
		if (rng_below(&r, 2))
			(void)snprintf(w.root.spread, sizeof(w.root.spread), "zone");
		for (int steps = 0; *next(); steps++) {
			char text[QUORUM_VOTERS_MAX + 1];

			(void)snprintf(text, sizeof(text), "%s", next());
			for (size_t i = 0; i < w.n / 2; i++) {
				struct sched_host h = w.hosts[i];

				w.hosts[i] = w.hosts[w.n - 1 - i];
				w.hosts[w.n - 1 - i] = h;
			}
			assert_string_equal(next(), text);
			if (steps == 20)
				fail_msg("seed %d: %s, voters %s", (int)seed, hosts, voters);
			w.now.n = 0;
			for (const char *p = text; *p; p++)
				w.now.v[w.now.n++] = register_uuid_of(node_of(*p));
		}
		is_at_its_end(hosts);
		end();
	}
}

static void says(const char *hosts, const char *voters, const char *text)
{
	struct sched_view view = {.hosts = w.hosts};
	struct electorate_in in = in_of(&view);
	char out[ERR_TEXT_MAX];

	begin(hosts, voters);
	view.n_hosts = w.n;
	if (strcmp(electorate_text(&in, out, sizeof(out)), text) != 0)
		fail_msg("%s", out);
	end();
}

static void test_what_is_said(void **state)
{
	struct electorate_count c;
	struct sched_view view = {.hosts = w.hosts};
	struct electorate_in in = in_of(&view);

	(void)state;
	says("a", "a", "");
	says("a b", "a",
		"of 2 nodes 1 votes, and nothing is decided without it: add a third, for which a witness "
		"(schedulable: no) is enough");
	says("a b c", "abc", "");
	says("a b c", "a", "1 of 3 voters: more are being added");
	says("a b c-", "a", "1 of 3 voters: one more living node is needed");
	says("a b- c-", "a", "1 of 3 voters: two more living nodes are needed");
	says("a b c-", "abc",
		"c votes and is dead, and no living node is free to vote in its place: start it, add a node, or forget "
		"it");
	says("a b c~ d", "abc", "c votes and is dead: another takes its vote after 60 s");
	begin("a b c- d", "abc");
	w.root.voters = 7;
	view.n_hosts = w.n;
	electorate_count(&in, &c);
	assert_int_equal(c.members, 4);
	assert_int_equal(c.voters, 3);
	assert_int_equal(c.wanted, 3);
	assert_int_equal(c.spares, 1);
	assert_int_equal(c.dead, 1);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_come),
		cmocka_unit_test(test_a_death_takes_no_vote),
		cmocka_unit_test(test_who_goes_loses_its_vote),
		cmocka_unit_test(test_shrinking),
		cmocka_unit_test(test_the_number_that_is_wanted),
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_who_did_not_answer),
		cmocka_unit_test(test_it_comes_to_an_end),
		cmocka_unit_test(test_what_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
