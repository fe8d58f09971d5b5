/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of a log: lines, stamps, pieces, and when a file is full.
 */
#include <string.h>

#include "base/limits.h"
#include "supervisor/shim/logline.h"
#include "tests/lib/test.h"

#define STAMP_0 "1970-01-01T00:00:00.000000Z "

static char out[1 << 20];

static struct logline_batch take(const struct logline *l, const char *in, bool final, size_t cap, uint64_t room)
{
	struct logline_batch b;

	logline_take(l, in, strlen(in), final, out, cap, room, &b);
	out[b.made] = '\0';
	return b;
}

static void whole_lines_alone(void **state)
{
	struct logline l;
	struct logline_batch b;

	(void)state;
	logline_init(&l, false, 0);
	b = take(&l, "one\n\ntwo\nthr", false, sizeof(out), UINT64_MAX);
	assert_string_equal(out, "one\n\ntwo\n");
	assert_int_equal(b.used, 9);
	assert_int_equal(b.lines, 3);
	assert_false(b.file_full || b.out_full);
	b = take(&l, "thr", true, sizeof(out), UINT64_MAX);
	assert_string_equal(out, "thr\n");
	assert_int_equal(b.used, 3);
	b = take(&l, "", true, sizeof(out), UINT64_MAX);
	assert_int_equal(b.made, 0);
}

static void stamps_before_each(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} days[] = {
		{0, STAMP_0},
		{999999999, "1970-01-01T00:00:00.999999Z "},
		{1767323045678901234, "2026-01-02T03:04:05.678901Z "},
		{951782399000000000, "2000-02-28T23:59:59.000000Z "},
		{951782400000000000, "2000-02-29T00:00:00.000000Z "},
		{951868800000001000, "2000-03-01T00:00:00.000001Z "},
		{4107542400000000000, "2100-03-01T00:00:00.000000Z "},
		{1735689599999999999, "2024-12-31T23:59:59.999999Z "},
	};
	struct logline l;

	(void)state;
	logline_init(&l, true, 0);
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		logline_set_time(&l, days[i].ns);
		(void)take(&l, "x\n", false, sizeof(out), UINT64_MAX);
		assert_memory_equal(out, days[i].text, LOGLINE_STAMP);
		assert_string_equal(out + LOGLINE_STAMP, "x\n");
	}
}

static void a_line_that_does_not_fit_goes_to_the_next_file(void **state)
{
	struct logline l;
	struct logline_batch b;

	(void)state;
	logline_init(&l, false, 1000);
	b = take(&l, "1234\n5678\n", false, sizeof(out), 9);
	assert_true(b.file_full);
	assert_string_equal(out, "1234\n");
	b = take(&l, "1234\n5678\n", false, sizeof(out), 10);
	assert_false(b.file_full);
	assert_int_equal(b.made, 10);
	b = take(&l, "1234\n5678\n", false, 9, UINT64_MAX);
	assert_true(b.out_full);
	assert_int_equal(b.used, 5);
	b = take(&l, "x\n", false, sizeof(out), 0);
	assert_true(b.file_full);
	assert_int_equal(b.used, 0);
}

static void long_lines_are_cut_into_lines(void **state)
{
	static char in[LOG_LINE_MAX * 3 + 2];
	struct logline l;
	struct logline_batch b;

	(void)state;
	logline_init(&l, true, 0);
	logline_set_time(&l, 0);
	memset(in, 'x', sizeof(in) - 1);
	b = take(&l, in, false, sizeof(out), UINT64_MAX);
	assert_int_equal(b.lines, 3); /* and one byte is kept */
	assert_int_equal(b.used, LOG_LINE_MAX * 3);
	assert_int_equal(b.made, 3 * (LOGLINE_STAMP + LOG_LINE_MAX + 1));
	assert_memory_equal(out + LOGLINE_STAMP + LOG_LINE_MAX + 1, STAMP_0, LOGLINE_STAMP);
	in[LOG_LINE_MAX] = '\n'; /* exactly as long as may be: not cut, and no empty line after it */
	in[LOG_LINE_MAX + 1] = '\0';
	b = take(&l, in, false, sizeof(out), UINT64_MAX);
	assert_int_equal(b.lines, 1);
	assert_int_equal(b.used, LOG_LINE_MAX + 1);
}

static void a_line_longer_than_a_file_is_cut_to_it(void **state)
{
	struct logline l;
	struct logline_batch b;

	(void)state;
	logline_init(&l, false, 10);
	b = take(&l, "0123456789abcdef\n", false, sizeof(out), 10);
	assert_string_equal(out, "012345678\n");
	assert_true(b.file_full);
	assert_int_equal(b.used, 9);
	b = take(&l, "9abcdef\n", false, sizeof(out), 10);
	assert_string_equal(out, "9abcdef\n");
}

/* Any way to cut the input and any size of file make the same lines. */
static void however_it_is_read_it_reads_the_same(void **state)
{
	static const char in[] = "a\nbb\n\nccc\ndddd\n\n\neeeee\nf\0g\nlast";
	char got[200];

	(void)state;
	for (size_t step = 1; step < sizeof(in); step++)
		for (uint64_t file = 8; file < 40; file++) {
			size_t at = 0, have = 0, n = 0;
			uint64_t room = file;
			struct logline l;

			logline_init(&l, false, file);
			while (at < sizeof(in) - 1) {
				size_t end = at + have + step < sizeof(in) - 1 ? at + have + step : sizeof(in) - 1;
				struct logline_batch b;

				logline_take(&l, in + at, end - at, end == sizeof(in) - 1, out, 100, room, &b);
				memcpy(got + n, out, b.made);
				n += b.made;
				at += b.used;
				have = end - at;
				room = b.file_full ? file : room - b.made;
			}
			assert_int_equal(n, sizeof(in));
			assert_memory_equal(got, in, sizeof(in) - 1);
			assert_int_equal(got[n - 1], '\n');
		}
}

static void whole_and_count(void **state)
{
	(void)state;
	assert_int_equal(logline_whole("a\nb", 3), 2);
	assert_int_equal(logline_whole("ab", 2), 0);
	assert_int_equal(logline_whole("a\n", 2), 2);
	assert_int_equal(logline_whole("", 0), 0);
	assert_int_equal(logline_count("a\n\nb", 4), 2);
	assert_int_equal(logline_count("", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_lines_alone),
		cmocka_unit_test(stamps_before_each),
		cmocka_unit_test(a_line_that_does_not_fit_goes_to_the_next_file),
		cmocka_unit_test(long_lines_are_cut_into_lines),
		cmocka_unit_test(a_line_longer_than_a_file_is_cut_to_it),
		cmocka_unit_test(however_it_is_read_it_reads_the_same),
		cmocka_unit_test(whole_and_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
