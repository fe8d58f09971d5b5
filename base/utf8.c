/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict UTF-8 decoding. Agents, their files and peers may send any bytes; what is shown or packed as text
 * went through here first.
 */
#include "base/utf8.h"

/* How many bytes follow the first, what the first contributes, and the least character of that length. */
static size_t lead(unsigned char b, uint32_t *ret_bits, uint32_t *ret_least)
{
	if (b >= 0xc2 && b <= 0xdf) {
		*ret_bits = b & 0x1fu;
		*ret_least = 0x80;
		return 1;
	}
	if (b >= 0xe0 && b <= 0xef) {
		*ret_bits = b & 0x0fu;
		*ret_least = 0x800;
		return 2;
	}
	if (b >= 0xf0 && b <= 0xf4) {
		*ret_bits = b & 0x07u;
		*ret_least = 0x10000;
		return 3;
	}
	return 0;
}

size_t utf8_decode(const char *s, size_t n, uint32_t *ret_char)
{
	uint32_t c, least;
	size_t more;

	if (n == 0)
		return 0;
	if ((unsigned char)s[0] < 0x80) {
		*ret_char = (unsigned char)s[0];
		return 1;
	}
	more = lead((unsigned char)s[0], &c, &least);
	if (more == 0 || n < more + 1)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if (((unsigned char)s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)s[i] & 0x3fu);
	}
	if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*ret_char = c;
	return more + 1;
}

size_t utf8_clean_len(const char *s, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t k = utf8_decode(s + i, n - i, &c);

		len += k ? k : UTF8_REPLACEMENT_LEN;
		i += k ? k : 1;
	}
	return len;
}
