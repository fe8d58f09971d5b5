/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/units: tables of what is taken and what is not, with the extremes; what is written is read back; a refusal
 * leaves the caller's value alone.
 */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>

#include "base/rng.h"
#include "tests/lib/test.h"

#define UNTOUCHED (-77)

struct row {
	const char *text;
	int rc;
	int64_t value;
};

static const struct row sizes[] = {
	{"0", 0, 0},
	{"1", 0, 1},
	{"1K", 0, 1024},
	{"256M", 0, 268435456},
	{"3G", 0, 3221225472},
	{"2T", 0, 2199023255552},
	{"0T", 0, 0},
	{"9223372036854775807", 0, INT64_MAX},
	{"8388607T", 0, 8388607LL << 40},
	{"8388608T", -ERANGE, 0},
	{"9223372036854775808", -ERANGE, 0},
	{"99999999999999999999999K", -ERANGE, 0},
	{"", -EINVAL, 0},
	{"K", -EINVAL, 0},
	{"-1", -EINVAL, 0},
	{"+1", -EINVAL, 0},
	{" 1", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"1 K", -EINVAL, 0},
	{"01", -EINVAL, 0},
	{"00", -EINVAL, 0},
	{"1k", -EINVAL, 0},
	{"1KB", -EINVAL, 0},
	{"1KiB", -EINVAL, 0},
	{"1.5G", -EINVAL, 0},
	{"0x10", -EINVAL, 0},
	{"1e3", -EINVAL, 0},
	{"1s", -EINVAL, 0},
};

static const struct row durations[] = {
	{"0", 0, 0},
	{"0ms", 0, 0},
	{"1ms", 0, 1},
	{"100ms", 0, 100},
	{"3s", 0, 3000},
	{"5m", 0, 300000},
	{"2h", 0, 7200000},
	{"7d", 0, 604800000},
	{"9223372036854775807ms", 0, INT64_MAX},
	{"106751991168d", -ERANGE, 0},
	{"1", -EINVAL, 0},
	{"00", -EINVAL, 0},
	{"1.5s", -EINVAL, 0},
	{"1m30s", -EINVAL, 0},
	{"1min", -EINVAL, 0},
	{"1M", -EINVAL, 0},
	{"1S", -EINVAL, 0},
	{"-1s", -EINVAL, 0},
	{"s", -EINVAL, 0},
	{"", -EINVAL, 0},
};

static const struct row millis[] = {
	{"0", 0, 0},
	{"1", 0, 1000},
	{"0.5", 0, 500},
	{"0.25", 0, 250},
	{"0.125", 0, 125},
	{"1.99", 0, 1990},
	{"1.001", 0, 1001},
	{"9223372036854775.807", 0, INT64_MAX},
	{"9223372036854775.808", -ERANGE, 0},
	{"9223372036854776", -ERANGE, 0},
	{"0.1234", -EINVAL, 0},
	{"1.", -EINVAL, 0},
	{".5", -EINVAL, 0},
	{"-0.5", -EINVAL, 0},
	{"0,5", -EINVAL, 0},
	{"1.5.5", -EINVAL, 0},
	{"01.5", -EINVAL, 0},
	{"500m", -EINVAL, 0},
	{"", -EINVAL, 0},
};

static const struct row percents[] = {
	{"0%", 0, 0},
	{"25%", 0, 25},
	{"100%", 0, 100},
	{"250%", 0, 250},
	{"25", -EINVAL, 0},
	{"%", -EINVAL, 0},
	{"25 %", -EINVAL, 0},
	{"2.5%", -EINVAL, 0},
	{"25%%", -EINVAL, 0},
	{"-1%", -EINVAL, 0},
};

static const struct row ints[] = {
	{"0", 0, 0},
	{"65535", 0, 65535},
	{"9223372036854775807", 0, INT64_MAX},
	{"9223372036854775808", -ERANGE, 0},
	{"-0", -EINVAL, 0},
	{"010", -EINVAL, 0},
	{"09", -EINVAL, 0},
	{"1 ", -EINVAL, 0},
	{"1a", -EINVAL, 0},
	{"", -EINVAL, 0},
};

static void check(const struct row *rows, size_t n, int (*parse)(const char *s, int64_t *ret))
{
	for (size_t i = 0; i < n; i++) {
		int64_t v = UNTOUCHED;
		int rc = parse(rows[i].text, &v);

		if (rc != rows[i].rc || v != (rc < 0 ? UNTOUCHED : rows[i].value))
			fail_msg("'%s': %d, %" PRId64, rows[i].text, rc, v);
	}
}

static void test_what_the_parsers_take(void **state)
{
	(void)state;
	check(sizes, ARRAY_LEN(sizes), units_parse_size);
	check(durations, ARRAY_LEN(durations), units_parse_duration);
	check(millis, ARRAY_LEN(millis), units_parse_milli);
	check(percents, ARRAY_LEN(percents), units_parse_percent);
	check(ints, ARRAY_LEN(ints), units_parse_int);
}

static void test_what_is_written_is_read_back(void **state)
{
	char text[UNITS_TEXT_MAX];
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	for (int i = 0; i < 20000; i++) {
		int64_t v = (int64_t)(rng_u64(&r) >> (1 + rng_below(&r, 63))), back = UNTOUCHED;

		v = i % 2 ? v : v & ~0xfffffLL;
		assert_int_equal(units_parse_size(units_size(text, v), &back), 0);
		assert_int_equal(back, v);
		assert_int_equal(units_parse_duration(units_duration(text, v), &back), 0);
		assert_int_equal(back, v);
	}
}

static void test_the_shortest_exact_form(void **state)
{
	char text[UNITS_TEXT_MAX];

	(void)state;
	assert_string_equal(units_size(text, 0), "0");
	assert_string_equal(units_size(text, 10 << 20), "10M");
	assert_string_equal(units_size(text, (10 << 20) + 1), "10485761");
	assert_string_equal(units_size(text, 1536), "1536");
	assert_string_equal(units_duration(text, 0), "0ms");
	assert_string_equal(units_duration(text, 1500), "1500ms");
	assert_string_equal(units_duration(text, 90000), "90s");
	assert_string_equal(units_duration(text, 86400000), "1d");
}

static void test_for_tables(void **state)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} rows[] = {
		{0, "0B"},
		{1023, "1023B"},
		{1024, "1.0K"},
		{10035, "9.8K"},
		{102348, "99.9K"},
		{102349, "100K"},
		{1048063, "1023K"},
		{1048064, "1.0M"},
		{268435456, "256M"},
		{1288490189, "1.2G"},
		{INT64_MAX, "8388608T"},
	};
	char text[UNITS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_string_equal(units_size_short(text, rows[i].bytes), rows[i].text);
}

static void test_ages(void **state)
{
	char text[UNITS_TEXT_MAX];

	(void)state;
	assert_string_equal(units_age(text, -5), "0s");
	assert_string_equal(units_age(text, 59999), "59s");
	assert_string_equal(units_age(text, 60000), "1m00s");
	assert_string_equal(units_age(text, 125000), "2m05s");
	assert_string_equal(units_age(text, 3599999), "59m59s");
	assert_string_equal(units_age(text, 3600000), "1h00m");
	assert_string_equal(units_age(text, 11520000), "3h12m");
	assert_string_equal(units_age(text, 86399999), "23h59m");
	assert_string_equal(units_age(text, 86400000), "1d00h");
	assert_string_equal(units_age(text, 371 * 1000000LL), "4d07h");
	assert_string_equal(units_age(text, INT64_MAX), "106751991167d07h");
}

static void test_times(void **state)
{
	char text[UNITS_TEXT_MAX];

	(void)state;
	assert_string_equal(units_time(text, 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(units_time(text, 1767323045678), "2026-01-02T03:04:05.678Z");
	assert_string_equal(units_time(text, 951782400000), "2000-02-29T00:00:00.000Z");
	assert_string_equal(units_time(text, -1), "1969-12-31T23:59:59.999Z");
	assert_string_equal(units_time(text, INT64_MAX), "292278994-08-17T07:12:55.807Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_parsers_take),
		cmocka_unit_test(test_what_is_written_is_read_back),
		cmocka_unit_test(test_the_shortest_exact_form),
		cmocka_unit_test(test_for_tables),
		cmocka_unit_test(test_ages),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
