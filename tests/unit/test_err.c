/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/err: the code goes through unchanged, each caller puts in front what it was doing, and a text that is too long
 * ends in "…" between two characters.
 */
#include "base/err.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/test.h"

static void test_a_fault_gathers_what_everybody_was_doing(void **state)
{
	struct err e = {0};

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&e, "open '%s'", "/x"), -ENOENT);
	assert_int_equal(err_wrap(&e, "start %s", "web.0"), -ENOENT);
	assert_int_equal(e.code, -ENOENT);
	assert_string_equal(e.text, "start web.0: open '/x': No such file or directory");
}

static void test_set_replaces(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "line %d", 3), -EINVAL);
	assert_int_equal(err_set(&e, -ERANGE, "(%s)", e.text), -ERANGE); /* its own text is a fine argument */
	assert_int_equal(e.code, -ERANGE);
	assert_string_equal(e.text, "(line 3)");
}

static void test_nobody_listens(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EPERM, "x"), -EPERM);
	errno = EBUSY;
	assert_int_equal(err_errno(NULL, "x"), -EBUSY);
	assert_int_equal(err_wrap(NULL, "x"), -EIO);
}

static void test_errno_forgotten_is_still_a_fault(void **state)
{
	struct err e;

	(void)state;
	errno = 0;
	assert_int_equal(err_errno(&e, "read"), -EIO);
	assert_int_equal(e.code, -EIO);
}

static void test_the_longest_text_that_fits_is_not_cut(void **state)
{
	char s[ERR_TEXT_MAX];
	struct err e;

	(void)state;
	memset(s, 'a', sizeof(s));
	s[sizeof(s) - 1] = '\0';
	(void)err_set(&e, -EIO, "%s", s); /* the code is known */
	assert_string_equal(e.text, s);
}

static void assert_cut(const struct err *e)
{
	size_t n = strlen(e->text);

	assert_true(n < ERR_TEXT_MAX && n > ERR_TEXT_MAX - 8);
	assert_string_equal(e->text + n - strlen("…"), "…");
}

static void test_a_longer_text_is_cut(void **state)
{
	char s[2 * ERR_TEXT_MAX];
	struct err e;

	(void)state;
	memset(s, 'a', sizeof(s));
	s[ERR_TEXT_MAX] = '\0';		  /* one too many */
	(void)err_set(&e, -EIO, "%s", s); /* the code is known */
	assert_cut(&e);
	s[ERR_TEXT_MAX] = 'a';
	s[sizeof(s) - 1] = '\0';
	(void)err_set(&e, -EIO, "%s", s);
	assert_cut(&e);
	(void)err_wrap(&e, "%s", s);
	assert_cut(&e);
	errno = EIO;
	(void)err_errno(&e, "%s", s);
	assert_cut(&e);
}

static void test_a_cut_never_splits_a_character(void **state)
{
	for (int shift = 0; shift < 4; shift++) {
		char s[2 * ERR_TEXT_MAX] = "aaaa";
		struct err e;

		(void)state;
		s[shift] = '\0';
		while (strlen(s) + 5 < sizeof(s))
			strcat(s, "🦆");
		(void)err_set(&e, -EIO, "%s", s); /* the code is known */
		assert_cut(&e);
		assert_int_equal((strlen(e.text) - strlen("…") - (size_t)shift) % strlen("🦆"), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_fault_gathers_what_everybody_was_doing),
		cmocka_unit_test(test_set_replaces),
		cmocka_unit_test(test_nobody_listens),
		cmocka_unit_test(test_errno_forgotten_is_still_a_fault),
		cmocka_unit_test(test_the_longest_text_that_fits_is_not_cut),
		cmocka_unit_test(test_a_longer_text_is_cut),
		cmocka_unit_test(test_a_cut_never_splits_a_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
