/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text without stdio, whose formatting would cost every shim pages of memory.
 */
#include "supervisor/shim/text.h"

#include <string.h>

void text_mem(struct text *t, const void *v, size_t n)
{
	size_t room = t->cap - t->n - 1;

	if (n > room) {
		n = room;
		t->cut = true;
	}
	memcpy(t->v + t->n, v, n);
	t->n += n;
	t->v[t->n] = '\0';
}

void text_str(struct text *t, const char *s)
{
	text_mem(t, s, strlen(s));
}

void text_u64(struct text *t, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	text_mem(t, digits + at, sizeof(digits) - at);
}

uint64_t text_to_u64(const char *s, size_t n, size_t *ret_used)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < n && s[i] >= '0' && s[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(s[i] - '0');

		if (v > (UINT64_MAX - digit) / 10)
			break;
		v = v * 10 + digit;
	}
	*ret_used = i;
	return v;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_to_hex64(const char *s, size_t n, uint64_t *ret)
{
	uint64_t v = 0;

	if (n != 16)
		return false;
	for (size_t i = 0; i < 16; i++) {
		int digit = hex_digit(s[i]);

		if (digit < 0)
			return false;
		v = v << 4 | (uint64_t)digit;
	}
	*ret = v;
	return true;
}

bool text_find_u64(const char *s, const char *key, uint64_t *ret)
{
	size_t len = strlen(key), used;

	while (s) {
		if (strncmp(s, key, len) == 0 && s[len] == ' ') {
			*ret = text_to_u64(s + len + 1, strlen(s + len + 1), &used);
			return used > 0;
		}
		s = strchr(s, '\n');
		if (s)
			s++;
	}
	return false;
}
