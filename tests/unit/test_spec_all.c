/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions beside each other: names and circles over many of them, which of them mean the same to a running replica,
 * and what ${…} becomes at a start.
 */
#include "supervisor/spec.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "tests/lib/faults.h"
#include "tests/lib/oom.h"

#define AGENT "name: web\ncommand: [/bin/sh, -c, run]\n"

static struct spec_faults faults; /* large: not on the stack of each test */

static struct agent_spec *good(const char *text)
{
	struct agent_spec *s = NULL;
	int rc = spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &s, &faults);

	if (rc < 0)
		fail_msg("refused (%d):\n%s", rc, faults_text(&faults));
	return s;
}

static void expansion(void **state)
{
	struct spec_pair v[] = {{"A", "1"}, {"AB", "two"}};
	struct spec_pairs vars = {2, v};
	struct err e = {0};
	char *out = NULL;

	(void)state;
	assert_int_equal(spec_expand("x${AB}$$${A}y", &vars, &out, &e), 0);
	assert_string_equal(out, "xtwo$1y");
	free(out);
	assert_int_equal(spec_expand("", &vars, &out, &e), 0);
	assert_string_equal(out, "");
	free(out);
	out = NULL;
	assert_int_equal(spec_expand("${B}", &vars, &out, &e), -ENOENT);
	assert_string_equal(e.text, "${B}: nobody tells that");
	assert_int_equal(spec_expand("a$", &vars, &out, &e), -EINVAL);
	assert_null(out);
	OOM_LOOP (o) {
		int rc = spec_expand("${A}", &vars, &out, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		if (rc == 0)
			free(out);
	}
}

static void shares(void **state)
{
	(void)state;
	assert_int_equal(spec_share_of((struct spec_share){true, 25}, 4, true), 1);
	assert_int_equal(spec_share_of((struct spec_share){true, 25}, 5, true), 2);
	assert_int_equal(spec_share_of((struct spec_share){true, 25}, 5, false), 1);
	assert_int_equal(spec_share_of((struct spec_share){true, 25}, 3, false), 0);
	assert_int_equal(spec_share_of((struct spec_share){false, 7}, 3, true), 7);
	assert_string_equal(spec_kind_name(SPEC_EVERY_NODE), "every-node");
	assert_null(spec_kind_name(SPEC_KIND_MAX));
	assert_string_equal(spec_scope_name(SPEC_SCOPE_NODE), "node");
	assert_null(spec_scope_name(SPEC_SCOPE_MAX));
	assert_string_equal(spec_seccomp_name(SPEC_SECCOMP_LEARN), "learn");
	assert_null(spec_seccomp_name(SPEC_SECCOMP_MAX));
}

static uint64_t hash_of(const char *more)
{
	char text[2048];
	struct agent_spec *s;
	uint64_t h;

	(void)snprintf(text, sizeof(text), AGENT "%s", more); /* ours, and short */
	s = good(text);
	h = s->run_hash;
	spec_unref(s);
	return h;
}

static void run_hash_is_of_what_a_replica_runs_with(void **state)
{
	static const char *const same[] = {"replicas: 5\n", "health: {liveness: {notify: {}}}\n", "depends_on: [x]\n",
		"restart: {when: never}\n", "stop: {timeout: 1s}\n", "update: {surge: 1}\n", "user: dynamic\n",
		"resources: {reserve: {cpu: 1}}\n", "logs: {keep: 3}\n", "# words\n", "placement: {spread: zone}\n"};
	static const char *const other[] = {"env: {A: b}\n", "env: {Ab: \"\"}\n", "user: root\n", "directory: /tmp\n",
		"ports: {a: auto}\n", "ports: {a: 1}\n", "resources: {cpu: 1}\n", "resources: {memory: 1M}\n",
		"resources: {cpuset: \"0\"}\n", "sandbox: {seccomp: strict}\n",
		"sandbox: {seccomp: {allow: [mount]}}\n", "sandbox: {seccomp: {deny: [mount]}}\n",
		"sandbox: {private_tmp: no}\n", "sandbox: {network: none}\n", "sandbox: {writable: [/x]}\n",
		"sandbox: {read_only: []}\n", "isolation: stop\n", "logs: {keep: 4}\n",
		"sandbox: {capabilities: [CAP_CHOWN]}\n", "resources: {memory: 1M, swap: 0}\n"};
	uint64_t base = hash_of(""), seen[ARRAY_LEN(other)];

	(void)state;
	/* A new build that computes another number would restart every replica at an upgrade. */
	assert_int_equal(base, 0xabcfb4d908356d29);
	for (size_t i = 0; i < ARRAY_LEN(same); i++)
		assert_int_equal(hash_of(same[i]), base);
	for (size_t i = 0; i < ARRAY_LEN(other); i++) {
		seen[i] = hash_of(other[i]);
		assert_int_not_equal(seen[i], base);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
	}
}

/* Definitions from "a: b c" lines. */
struct set {
	struct agent_spec *v[1200];
	struct spec_faults *faults[1200];
	size_t n;
};

static void set_add(struct set *set, const char *name, const char *deps)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "name: %s\ncommand: [x]\ndepends_on: [%s]\n", name, deps); /* ours */
	set->v[set->n] = good(text);
	set->faults[set->n] = calloc(1, sizeof(struct spec_faults));
	assert_non_null(set->faults[set->n]);
	set->n++;
}

static void set_done(struct set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		spec_unref(set->v[i]);
		free(set->faults[i]);
	}
	set->n = 0;
}

static void names_are_one_agent_s_each(void **state)
{
	struct set set = {.n = 0};

	(void)state;
	set_add(&set, "a", "");
	set_add(&set, "b", "a, elsewhere");
	set_add(&set, "a", "");
	assert_int_equal(spec_check_all(set.v, set.n, NULL, NULL, set.faults), -EINVAL);
	assert_string_equal(faults_text(set.faults[0]), "");
	assert_string_equal(faults_text(set.faults[1]), "");
	assert_string_equal(faults_text(set.faults[2]), "1: name: another definition has this name too\n");
	assert_int_equal(spec_check_all(set.v, set.n - 1, NULL, NULL, NULL), 0);
	set_done(&set);
}

static void circles_are_told(void **state)
{
	struct set set = {.n = 0};

	(void)state;
	set_add(&set, "d", "c"); /* leads into the circle, is none of it */
	set_add(&set, "c", "a, x");
	set_add(&set, "a", "b, ok");
	set_add(&set, "b", "c");
	set_add(&set, "ok", "");
	set_add(&set, "p", "q");
	set_add(&set, "q", "p");
	assert_int_equal(spec_check_all(set.v, set.n, NULL, NULL, set.faults), -EINVAL);
	assert_string_equal(faults_text(set.faults[0]), "");
	assert_string_equal(faults_text(set.faults[1]), "3: depends_on: c → a → b → c\n");
	assert_string_equal(faults_text(set.faults[2]), "");
	assert_string_equal(faults_text(set.faults[5]), "3: depends_on: p → q → p\n");
	assert_string_equal(faults_text(set.faults[6]), "");
	set_done(&set);
}

static const struct spec_strv *outside(void *arg, const char *name)
{
	static const char *on_web[] = {"web", NULL};
	static const struct spec_strv deps = {1, on_web}, none = {0, on_web + 1};

	(void)arg;
	return strcmp(name, "db") == 0 ? &deps : strcmp(name, "web") == 0 ? &none : NULL;
}

static void circles_through_what_runs_already(void **state)
{
	struct set set = {.n = 0};

	(void)state;
	set_add(&set, "web", "db, unknown"); /* replaces the web that runs, which depends on nothing */
	assert_int_equal(spec_check_all(set.v, set.n, outside, NULL, set.faults), -EINVAL);
	assert_string_equal(faults_text(set.faults[0]), "3: depends_on: web → db → web\n");
	set_done(&set);
}

static void a_thousand_are_checked_at_once(void **state)
{
	struct set set = {.n = 0};
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (int i = 0; i < 1100; i++) {
		char name[16], deps[200] = "";
		size_t at = 0;

		for (int j = 0; j < 8 && i > 8; j++) /* on earlier ones alone: no circle */
			at += (size_t)snprintf(deps + at, sizeof(deps) - at, "%sn%d", j ? ", " : "", i - 8 + j);
		(void)snprintf(name, sizeof(name), "n%d", i);
		set_add(&set, name, deps);
	}
	assert_int_equal(spec_check_all(set.v, set.n, NULL, NULL, set.faults), 0);
	spec_unref(set.v[0]);
	free(set.faults[0]);
	set.v[0] = set.v[--set.n];
	set.faults[0] = set.faults[set.n];
	set_add(&set, "n0", "n1098");
	set_add(&set, "n1099x", "n0");
	assert_int_equal(spec_check_all(set.v, set.n, NULL, NULL, set.faults), 0);
	set_done(&set);
}

static void a_long_circle_is_cut(void **state)
{
	struct set set = {.n = 0};
	char want[400];

	(void)state;
	for (int i = 0; i < 500; i++) {
		char name[64], next[64];

		(void)snprintf(name, sizeof(name), "agent-of-a-long-circle-%d", i);
		(void)snprintf(next, sizeof(next), "agent-of-a-long-circle-%d", (i + 1) % 500);
		set_add(&set, name, next);
	}
	assert_int_equal(spec_check_all(set.v, set.n, NULL, NULL, set.faults), -EINVAL);
	(void)snprintf(want, sizeof(want),
		"3: depends_on: agent-of-a-long-circle-0 → agent-of-a-long-circle-1 → agent-of-a-long-circle-2 → "
		"agent-of-a-long-circle-3 → agent-of-a-long-circle-4 → agent-of-a-long-circle-5 → … → "
		"agent-of-a-long-circle-0\n");
	assert_string_equal(faults_text(set.faults[0]), want);
	OOM_LOOP (o) {
		int rc = spec_check_all(set.v, set.n, NULL, NULL, NULL);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : -EINVAL);
	}
	set_done(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion),
		cmocka_unit_test(shares),
		cmocka_unit_test(run_hash_is_of_what_a_replica_runs_with),
		cmocka_unit_test(names_are_one_agent_s_each),
		cmocka_unit_test(circles_are_told),
		cmocka_unit_test(circles_through_what_runs_already),
		cmocka_unit_test(a_thousand_are_checked_at_once),
		cmocka_unit_test(a_long_circle_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
