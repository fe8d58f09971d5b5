/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How wide text is on a terminal, and text that others wrote made harmless for one. The ranges are the wide and the
 * combining ones of Unicode 15 that people meet, not all of its tables.
 */
#include "cli/table.h"

#include <string.h>

#include "base/utf8.h"

struct range {
	uint32_t first, last;
};

static const struct range combining[] = {
	{0x0300, 0x036f},
	{0x0483, 0x0489},
	{0x0591, 0x05bd},
	{0x0610, 0x061a},
	{0x064b, 0x065f},
	{0x0900, 0x0902},
	{0x0e31, 0x0e31},
	{0x0e34, 0x0e3a},
	{0x0e47, 0x0e4e},
	{0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff},
	{0x200b, 0x200f},
	{0x2028, 0x202e},
	{0x2060, 0x2064},
	{0x20d0, 0x20f0},
	{0xfe00, 0xfe0f},
	{0xfe20, 0xfe2f},
	{0xfeff, 0xfeff},
	{0xe0100, 0xe01ef},
};

static const struct range wide[] = {
	{0x1100, 0x115f},
	{0x231a, 0x231b},
	{0x23e9, 0x23ec},
	{0x2614, 0x2615},
	{0x267f, 0x267f},
	{0x26a1, 0x26a1},
	{0x2705, 0x2705},
	{0x274c, 0x274c},
	{0x2e80, 0x303e},
	{0x3041, 0xa4cf},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe30, 0xfe6f},
	{0xff00, 0xff60},
	{0xffe0, 0xffe6},
	{0x1f300, 0x1f64f},
	{0x1f680, 0x1f6ff},
	{0x1f900, 0x1f9ff},
	{0x1fa70, 0x1faff},
	{0x20000, 0x3fffd},
};

static bool is_in(const struct range *v, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n && v[i].first <= c; i++)
		if (c <= v[i].last)
			return true;
	return false;
}

static unsigned char_width(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (is_in(combining, ARRAY_LEN(combining), c))
		return 0;
	return is_in(wide, ARRAY_LEN(wide), c) ? 2 : 1;
}

/* The character at s and its length in bytes; what is no UTF-8 counts as one '?'. */
static size_t next_char(const char *s, size_t n, uint32_t *ret)
{
	size_t k = utf8_decode(s, n, ret);

	if (k)
		return k;
	*ret = '?';
	return 1;
}

unsigned text_width(const char *s, size_t n)
{
	unsigned width = 0;

	for (size_t i = 0; i < n;) {
		uint32_t c;

		i += next_char(s + i, n - i, &c);
		width += char_width(c);
	}
	return width;
}

size_t text_fit(const char *s, size_t n, unsigned width)
{
	unsigned used = 0;
	size_t i = 0;

	while (i < n) {
		uint32_t c;
		size_t k = next_char(s + i, n - i, &c);

		used += char_width(c);
		if (used > width)
			break;
		i += k;
	}
	return i;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069); /* also what turns the direction of writing */
}

static void clean(struct bytes *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t k = next_char(s + i, n - i, &c);

		if (c == '\n' || c == '\t' || c == '\r')
			(void)bytes_str(out, " "); /* out->failed tells */
		else if (c == '?' || is_control(c))
			(void)bytes_str(out, "?"); /* out->failed tells */
		else
			(void)bytes_add(out, s + i, k); /* out->failed tells */
		i += k;
	}
}

void text_clean(struct bytes *out, const char *s, size_t n, unsigned width)
{
	if (width == 0 || text_width(s, n) <= width) {
		clean(out, s, n);
		return;
	}
	clean(out, s, text_fit(s, n, width - 1));
	(void)bytes_str(out, "…"); /* out->failed tells */
}

const char *tint_begin(enum tint tint)
{
	static const char *const escapes[] = {
		[TINT_NONE] = "",
		[TINT_GOOD] = "\033[32m",
		[TINT_WARN] = "\033[33m",
		[TINT_BAD] = "\033[31m",
		[TINT_DIM] = "\033[2m",
		[TINT_BOLD] = "\033[1m",
	};
	_Static_assert(ARRAY_LEN(escapes) == TINT_MAX, "one escape a tint");

	return escapes[tint];
}
