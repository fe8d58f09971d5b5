/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3339 into milliseconds since 1970. Strict: what strptime lets pass (a 31st of June, blanks) is refused.
 */
#include "cli/when.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

/* Exactly n digits. */
static bool number(const char **s, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		v = v * 10 + (**s - '0');
	}
	*ret = v;
	return true;
}

static bool sign(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

static bool is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int month_days(int y, int m)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[m - 1] + (m == 2 && is_leap(y));
}

/* Days since 1970-01-01; y from 1970 on. */
static int64_t days_of(int y, int m, int d)
{
	int64_t days = (int64_t)(y - 1970) * 365 + (y - 1969) / 4 - (y - 1901) / 100 + (y - 1601) / 400;

	for (int i = 1; i < m; i++)
		days += month_days(y, i);
	return days + d - 1;
}

static bool date(const char **s, int64_t *ret_days)
{
	int y, m, d;

	if (!number(s, 4, &y) || !sign(s, '-') || !number(s, 2, &m) || !sign(s, '-') || !number(s, 2, &d))
		return false;
	if (y < 1970 || m < 1 || m > 12 || d < 1 || d > month_days(y, m))
		return false;
	*ret_days = days_of(y, m, d);
	return true;
}

static bool fraction(const char **s, int64_t *ret_ms)
{
	int64_t ms = 0, scale = 100;

	if (!sign(s, '.'))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++, scale /= 10)
		ms += (**s - '0') * scale;
	*ret_ms = ms;
	return true;
}

static bool offset(const char **s, int64_t *ret_ms)
{
	int h, m, east = **s == '+' ? 1 : -1;

	if (sign(s, 'Z') || sign(s, 'z')) {
		*ret_ms = 0;
		return true;
	}
	if (!sign(s, '+') && !sign(s, '-'))
		return false;
	if (!number(s, 2, &h) || !sign(s, ':') || !number(s, 2, &m) || h > 23 || m > 59)
		return false;
	*ret_ms = (int64_t)east * (h * 60 + m) * 60000;
	return true;
}

static bool clock_time(const char **s, int64_t *ret_ms)
{
	int64_t ms = 0, east;
	int h, m, sec;

	if (!number(s, 2, &h) || !sign(s, ':') || !number(s, 2, &m) || !sign(s, ':') || !number(s, 2, &sec))
		return false;
	if (h > 23 || m > 59 || sec > 60 || !fraction(s, &ms) || !offset(s, &east))
		return false;
	*ret_ms = ((h * 60 + m) * 60 + sec) * (int64_t)1000 + ms - east;
	return true;
}

int when_parse_time(const char *s, int64_t *ret_wall_ms)
{
	int64_t days, ms = 0;

	if (!date(&s, &days))
		return -EINVAL;
	if (*s && (!(sign(&s, 'T') || sign(&s, 't') || sign(&s, ' ')) || !clock_time(&s, &ms)))
		return -EINVAL;
	if (*s)
		return -EINVAL;
	*ret_wall_ms = days * 86400000 + ms;
	return 0;
}

int when_parse_since(const char *s, int64_t now_wall_ms, int64_t *ret_wall_ms)
{
	int64_t ago;

	if (units_parse_duration(s, &ago) < 0)
		return when_parse_time(s, ret_wall_ms);
	*ret_wall_ms = ago < now_wall_ms ? now_wall_ms - ago : 0;
	return 0;
}
