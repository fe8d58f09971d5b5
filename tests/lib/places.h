/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_PLACES_H
#define TESTS_LIB_PLACES_H
/*
 * Where each value of a packed message lies, those inside of others too, and the same message with one of them changed.
 */
#include <string.h>

#include "base/unpack.h"
#include "tests/lib/test.h"

struct place {
	size_t at, end;
	enum unpack_kind kind;
};

/* A value of each kind. */
static const struct place_value {
	enum unpack_kind kind;
	const char *v;
	size_t n;
} place_values[] = {{UNPACK_NIL, "\xc0", 1}, {UNPACK_BOOL, "\xc3", 1}, {UNPACK_UINT, "\x01", 1},
	{UNPACK_NEGATIVE, "\xff", 1}, {UNPACK_FLOAT, "\xca\0\0\0\0", 5}, {UNPACK_STR, "\xa1x", 2},
	{UNPACK_BIN, "\xc4\x01x", 3}, {UNPACK_EXT, "\xd4\0x", 3}, {UNPACK_MAP, "\x81\x01\x02", 3},
	{UNPACK_ARRAY, "\x91\x01", 2}};

static inline size_t places(const uint8_t *v, size_t n, struct place *ret, size_t max)
{
	struct unpack u = {.v = v, .n = n};
	size_t count = 0;

	while (u.at < n) {
		struct unpack whole = u;
		struct unpack_head h;

		assert_true(count < max);
		assert_int_equal(unpack_skip(&whole, 8, 10000, NULL), 0);
		ret[count].at = u.at;
		ret[count].end = whole.at;
		assert_int_equal(unpack_next(&u, &h, NULL), 0);
		ret[count++].kind = h.kind;
	}
	return count;
}

/* v of n bytes with another value there, into out; returns how many bytes that are. */
static inline size_t places_replaced(
	const uint8_t *v, size_t n, const struct place *p, const struct place_value *by, uint8_t *out)
{
	memcpy(out, v, p->at);
	memcpy(out + p->at, by->v, by->n);
	memcpy(out + p->at + by->n, v + p->end, n - p->end);
	return p->at + by->n + n - p->end;
}

/* The same with one value more at the end of a short array: [1, ["x"]]. 0: it is no such array. */
static inline size_t places_longer(const uint8_t *v, size_t n, const struct place *p, uint8_t *out)
{
	static const char extra[] = "\x92\x01\x91\xa1x";

	if (p->kind != UNPACK_ARRAY || (v[p->at] & 0xf0) != 0x90 || v[p->at] == 0x9f)
		return 0;
	memcpy(out, v, p->end);
	out[p->at]++;
	memcpy(out + p->end, extra, sizeof(extra) - 1);
	memcpy(out + p->end + sizeof(extra) - 1, v + p->end, n - p->end);
	return n + sizeof(extra) - 1;
}

#endif
