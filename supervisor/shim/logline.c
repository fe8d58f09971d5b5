/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of a log. A line is never torn across two files and no file grows past its bound, so a line that would not
 * fit goes to the next file whole; a line longer than a file, or than LOG_LINE_MAX, is cut into pieces that are lines
 * of their own. Bytes are not looked at but for the newline: what is binary stays binary.
 */
#include "supervisor/shim/logline.h"

#include <string.h>

#include "base/limits.h"
#include "base/util.h"

void logline_init(struct logline *l, bool stamps, uint64_t file_max)
{
	memset(l, 0, sizeof(*l));
	l->stamp_n = stamps ? LOGLINE_STAMP : 0;
	l->piece_max = LOG_LINE_MAX;
	l->second = INT64_MIN;
	if (file_max && file_max < l->stamp_n + LOG_LINE_MAX + 1)
		l->piece_max = file_max > l->stamp_n + 1 ? (size_t)file_max - l->stamp_n - 1 : 1;
}

static void put_digits(char *at, int64_t v, int n)
{
	while (n-- > 0) {
		at[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* The civil date of a day since 1970-01-01, by whole eras of 400 years that begin in March. */
static void put_date(char *at, int64_t days)
{
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;

	put_digits(at, yoe + era * 400 + (month <= 2), 4);
	put_digits(at + 5, month, 2);
	put_digits(at + 8, doy - (153 * mp + 2) / 5 + 1, 2);
}

void logline_set_time(struct logline *l, int64_t wall_ns)
{
	int64_t second = wall_ns / 1000000000, of_day = second % 86400;

	if (l->stamp_n == 0 || wall_ns < 0)
		return;
	if (second != l->second) {
		memcpy(l->stamp, "0000-00-00T00:00:00.000000Z ", LOGLINE_STAMP);
		put_date(l->stamp, second / 86400);
		put_digits(l->stamp + 11, of_day / 3600, 2);
		put_digits(l->stamp + 14, of_day / 60 % 60, 2);
		put_digits(l->stamp + 17, of_day % 60, 2);
		l->second = second;
	}
	put_digits(l->stamp + 20, wall_ns / 1000 % 1000000, 6);
}

#define EACH_BYTE(b) (~UINT64_C(0) / 255 * (b))

/* Not 0 if one of eight bytes is a newline. */
static uint64_t has_newline(const char *v)
{
	uint64_t word;

	memcpy(&word, v, sizeof(word));
	word ^= EACH_BYTE('\n');
	return (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
}

/* memchr for a newline, 32 bytes at a time: lines are long for it, and musl's goes by eight. */
static const char *find_newline(const char *v, size_t n)
{
	const char *end = v + n;

	while (end - v >= 32 && !(has_newline(v) | has_newline(v + 8) | has_newline(v + 16) | has_newline(v + 24)))
		v += 32;
	while (end - v >= 8 && !has_newline(v))
		v += 8;
	while (v < end && *v != '\n')
		v++;
	return v < end ? v : NULL;
}

/* Length of the next line's body at v, and how many bytes it takes off the input; false: no whole line yet. */
static bool next_line(const struct logline *l, const char *v, size_t n, bool final, size_t *ret_body, size_t *ret_take)
{
	const char *end = find_newline(v, MIN(n, l->piece_max + 1));

	if (end) {
		*ret_body = (size_t)(end - v);
		*ret_take = *ret_body + 1;
		return true;
	}
	if (n <= l->piece_max && !final)
		return false;
	*ret_body = *ret_take = MIN(n, l->piece_max);
	return n > 0;
}

void logline_take(const struct logline *l, const char *in, size_t n, bool final, char *out, size_t cap, uint64_t room,
	struct logline_batch *ret)
{
	struct logline_batch b = {0};
	size_t body, take;

	while (b.used < n && next_line(l, in + b.used, n - b.used, final, &body, &take)) {
		size_t need = l->stamp_n + body + 1;

		if (need > room - b.made) {
			b.file_full = true;
			break;
		}
		if (need > cap - b.made) {
			b.out_full = true;
			break;
		}
		if (l->stamp_n)
			memcpy(out + b.made, l->stamp, LOGLINE_STAMP);
		memcpy(out + b.made + l->stamp_n, in + b.used, body);
		out[b.made + need - 1] = '\n';
		b.made += need;
		b.used += take;
		b.lines++;
	}
	*ret = b;
}

size_t logline_whole(const char *v, size_t n)
{
	while (n > 0 && v[n - 1] != '\n')
		n--;
	return n;
}

size_t logline_count(const char *v, size_t n)
{
	const char *at = v, *end = v + n;
	size_t lines = 0;

	while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
		lines++;
		at++;
	}
	return lines;
}
