/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes, durations, cpu shares and times as people write and read them.
 */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit sizes[] = {{"T", 1LL << 40}, {"G", 1LL << 30}, {"M", 1LL << 20}, {"K", 1LL << 10}, {"", 1}};
static const struct unit durations[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

/* Digits, no leading zero; sets *end behind them. */
static int digits(const char *s, int64_t *ret, const char **end)
{
	int64_t n = 0;
	const char *p = s;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return -ERANGE;
	*ret = n;
	*end = p;
	return 0;
}

static int with_unit(const char *s, const struct unit *units, size_t n, int64_t *ret)
{
	const char *end;
	int64_t v;
	int rc = digits(s, &v, &end);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(v, units[i].factor, &v))
			return -ERANGE;
		*ret = v;
		return 0;
	}
	return -EINVAL;
}

int units_parse_size(const char *s, int64_t *ret_bytes)
{
	return with_unit(s, sizes, ARRAY_LEN(sizes), ret_bytes);
}

int units_parse_duration(const char *s, int64_t *ret_ms)
{
	if (strcmp(s, "0") == 0) {
		*ret_ms = 0;
		return 0;
	}
	return with_unit(s, durations, ARRAY_LEN(durations), ret_ms);
}

int units_parse_int(const char *s, int64_t *ret)
{
	const char *end;
	int64_t v;
	int rc = digits(s, &v, &end);

	if (rc < 0)
		return rc;
	if (*end)
		return -EINVAL;
	*ret = v;
	return 0;
}

int units_parse_milli(const char *s, int64_t *ret_milli)
{
	static const int64_t scale[] = {1000, 100, 10, 1};
	const char *end;
	int64_t whole, part = 0, n = 0;
	int rc = digits(s, &whole, &end);

	if (rc < 0)
		return rc;
	if (*end == '.') {
		for (end++; *end >= '0' && *end <= '9' && n < 3; end++, n++)
			part = part * 10 + (*end - '0');
		if (n == 0)
			return -EINVAL;
	}
	if (*end)
		return -EINVAL;
	if (__builtin_mul_overflow(whole, 1000, &whole) || __builtin_add_overflow(whole, part * scale[n], &whole))
		return -ERANGE;
	*ret_milli = whole;
	return 0;
}

int units_parse_percent(const char *s, int64_t *ret_percent)
{
	const char *end;
	int64_t v;
	int rc = digits(s, &v, &end);

	if (rc < 0)
		return rc;
	if (strcmp(end, "%") != 0)
		return -EINVAL;
	*ret_percent = v;
	return 0;
}

static char *exact(char *out, int64_t v, const struct unit *units, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (v % units[i].factor == 0 && (v != 0 || i == n - 1)) {
			(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "%s", v / units[i].factor, units[i].name);
			return out;
		}
	assert(!"the last unit is 1");
	return out;
}

char *units_size(char *out, int64_t bytes)
{
	return exact(out, bytes, sizes, ARRAY_LEN(sizes));
}

char *units_duration(char *out, int64_t ms)
{
	return exact(out, ms, durations, ARRAY_LEN(durations));
}

char *units_size_short(char *out, int64_t bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes) - 1; i++) {
		int64_t f = sizes[i].factor;
		double v = (double)bytes / (double)f;

		if (bytes < f - f / 2048) /* from where "1024K" would be shown on, it is 1.0M */
			continue;
		(void)snprintf(out, UNITS_TEXT_MAX, v < 99.95 ? "%.1f%s" : "%.0f%s", v, sizes[i].name);
		return out;
	}
	(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "B", bytes);
	return out;
}

char *units_age(char *out, int64_t ms)
{
	int64_t s = MAX(ms, (int64_t)0) / 1000;

	if (s < 60)
		(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "s", s);
	else if (s < 3600)
		(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
	else
		(void)snprintf(out, UNITS_TEXT_MAX, "%" PRId64 "d%02" PRId64 "h", s / 86400, s / 3600 % 24);
	return out;
}

char *units_time(char *out, int64_t wall_ms)
{
	int64_t ms = (wall_ms % 1000 + 1000) % 1000;
	time_t s = (time_t)((wall_ms - ms) / 1000);
	char head[UNITS_TEXT_MAX];
	struct tm tm;

	if (!gmtime_r(&s, &tm) || strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		(void)snprintf(out, UNITS_TEXT_MAX, "-");
		return out;
	}
	(void)snprintf(out, UNITS_TEXT_MAX, "%.30s.%03dZ", head, (int)ms);
	return out;
}
