/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences as `diff -u` writes them, compared with expected text, and rebuilt from the script for random texts.
 */
#include "tests/lib/oom.h"
#include "tests/lib/test.h"

#include <errno.h>
#include <string.h>

#include "base/rng.h"
#include "cli/diff.h"

#define BOUND (16 * 1024 * 1024)

static void differ(const char *was, const char *is, const char *want)
{
	struct bytes out = {.max = BOUND};

	assert_int_equal(diff_unified(was, strlen(was), is, strlen(is), false, &out), 0);
	assert_string_equal(out.v ? out.v : "", want);
	bytes_done(&out);
}

static void equal_texts_differ_in_nothing(void **state)
{
	(void)state;
	differ("", "", "");
	differ("a\nb\n", "a\nb\n", "");
}

static void one_line_changed(void **state)
{
	(void)state;
	differ("name: web\nreplicas: 2\nuser: dynamic\n", "name: web\nreplicas: 3\nuser: dynamic\n",
		"@@ -1,3 +1,3 @@\n name: web\n-replicas: 2\n+replicas: 3\n user: dynamic\n");
}

static void three_lines_around(void **state)
{
	(void)state;
	differ("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n",
		"@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
}

/* Seven lines between two changes are a gap, six are not. */
static void changes_far_apart_are_two_hunks(void **state)
{
	(void)state;
	differ("a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
		"@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n");
	differ("a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
		"@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n");
}

static void all_new_and_all_gone(void **state)
{
	(void)state;
	differ("", "a\nb", "@@ -0,0 +1,2 @@\n+a\n+b\n");
	differ("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n");
}

static void lines_put_in_keep_the_rest(void **state)
{
	(void)state;
	differ("a\nb\nc\n", "a\nx\nb\ny\nc\n", "@@ -1,3 +1,5 @@\n a\n+x\n b\n+y\n c\n");
}

static void colours_and_clean_text(void **state)
{
	struct bytes out = {.max = BOUND};

	(void)state;
	assert_int_equal(diff_unified("a\n", 2, "\033b\n", 3, true, &out), 0);
	assert_string_equal(out.v, "@@ -1,1 +1,1 @@\n\033[31m-a\033[0m\n\033[32m+?b\033[0m\n");
	bytes_done(&out);
}

/* Past the bound the middle is replaced as a whole: right, if not short. */
static void too_much_to_compare(void **state)
{
	struct bytes was = {.max = BOUND}, is = {.max = BOUND}, out = {.max = BOUND};
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(bytes_fmt(&was, "a%d\nsame\n", i), 0);
		assert_int_equal(bytes_fmt(&is, "b%d\nsame\n", i), 0);
	}
	assert_int_equal(diff_unified(was.v, was.n, is.v, is.n, false, &out), 0);
	for (size_t i = 0; i < out.n; i++)
		lines += out.v[i] == '\n';
	assert_int_equal(lines, 1 + 2 * 5999 + 1); /* the head, all but the last line twice, the last */
	bytes_done(&was);
	bytes_done(&is);
	bytes_done(&out);
}

/* The lines with ' ' and '-' are what was, those with ' ' and '+' what is, as far as they are shown. */
static void check_script(const char *was, const char *is, const char *script)
{
	const char *at[2] = {was, is};

	for (const char *p = script; *p; p = strchr(p, '\n') + 1) {
		size_t n = (size_t)(strchr(p, '\n') - p);

		if (*p == '@') { /* texts of this test are short: one hunk, from the first line on */
			assert_true(p == script);
			continue;
		}
		for (int side = 0; side < 2; side++) {
			if (*p == (side ? '-' : '+'))
				continue;
			assert_memory_equal(at[side], p + 1, n); /* with its line end, instead of the sign */
			at[side] += n;
		}
	}
	assert_string_equal(at[0], at[1]); /* what is not shown is the same in both */
}

static void random_texts_rebuild(void **state)
{
	struct rng rng;

	(void)state;
	rng_seed(&rng, 7);
	for (int round = 0; round < 3000; round++) {
		char text[2][32];
		struct bytes out = {.max = BOUND};

		for (int side = 0; side < 2; side++) {
			size_t n = rng_below(&rng, 8);

			for (size_t i = 0; i < n; i++)
				memcpy(text[side] + 2 * i, &"a\nb\n"[2 * rng_below(&rng, 2)], 2);
			text[side][2 * n] = '\0';
		}
		/* A common first line would be left out when it is far from a change: these are too short for that. */
		assert_int_equal(diff_unified(text[0], strlen(text[0]), text[1], strlen(text[1]), false, &out), 0);
		if (strcmp(text[0], text[1]) == 0)
			assert_int_equal(out.n, 0);
		else if (strncmp(out.v, "@@ -1,", 6) == 0 || strncmp(out.v, "@@ -0,", 6) == 0)
			check_script(text[0], text[1], out.v);
		bytes_done(&out);
	}
}

static void each_allocation_may_fail(void **state)
{
	(void)state;
	OOM_LOOP (o) {
		struct bytes out = {.max = BOUND};
		int rc = diff_unified("a\nb\nc\n", 6, "a\nx\nc\nd\n", 8, true, &out);

		if (oom_hit(&o))
			assert_int_equal(rc, -ENOMEM);
		else
			assert_int_equal(rc, 0);
		bytes_done(&out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_texts_differ_in_nothing),
		cmocka_unit_test(one_line_changed),
		cmocka_unit_test(three_lines_around),
		cmocka_unit_test(changes_far_apart_are_two_hunks),
		cmocka_unit_test(all_new_and_all_gone),
		cmocka_unit_test(lines_put_in_keep_the_rest),
		cmocka_unit_test(colours_and_clean_text),
		cmocka_unit_test(too_much_to_compare),
		cmocka_unit_test(random_texts_rebuild),
		cmocka_unit_test(each_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
