/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads of msgpack (its specification, "Formats"), from one table.
 */
#include "base/unpack.h"

#include <errno.h>

/* What follows a first byte of 0xc0 … 0xdf: `len` bytes that hold a number, length or count, then `fixed` more. */
static const struct {
	unsigned char kind, len, fixed;
} heads[32] = {
	[0xc0 - 0xc0] = {UNPACK_NIL, 0, 0},
	[0xc1 - 0xc0] = {UNPACK_KIND_MAX, 0, 0}, /* never used */
	[0xc2 - 0xc0] = {UNPACK_BOOL, 0, 0},
	[0xc3 - 0xc0] = {UNPACK_BOOL, 0, 0},
	[0xc4 - 0xc0] = {UNPACK_BIN, 1, 0},
	[0xc5 - 0xc0] = {UNPACK_BIN, 2, 0},
	[0xc6 - 0xc0] = {UNPACK_BIN, 4, 0},
	[0xc7 - 0xc0] = {UNPACK_EXT, 1, 1}, /* its type */
	[0xc8 - 0xc0] = {UNPACK_EXT, 2, 1},
	[0xc9 - 0xc0] = {UNPACK_EXT, 4, 1},
	[0xca - 0xc0] = {UNPACK_FLOAT, 0, 4},
	[0xcb - 0xc0] = {UNPACK_FLOAT, 0, 8},
	[0xcc - 0xc0] = {UNPACK_UINT, 1, 0},
	[0xcd - 0xc0] = {UNPACK_UINT, 2, 0},
	[0xce - 0xc0] = {UNPACK_UINT, 4, 0},
	[0xcf - 0xc0] = {UNPACK_UINT, 8, 0},
	[0xd0 - 0xc0] = {UNPACK_NEGATIVE, 1, 0}, /* or not: see signed_head */
	[0xd1 - 0xc0] = {UNPACK_NEGATIVE, 2, 0},
	[0xd2 - 0xc0] = {UNPACK_NEGATIVE, 4, 0},
	[0xd3 - 0xc0] = {UNPACK_NEGATIVE, 8, 0},
	[0xd4 - 0xc0] = {UNPACK_EXT, 0, 2}, /* fixext, with its type */
	[0xd5 - 0xc0] = {UNPACK_EXT, 0, 3},
	[0xd6 - 0xc0] = {UNPACK_EXT, 0, 5},
	[0xd7 - 0xc0] = {UNPACK_EXT, 0, 9},
	[0xd8 - 0xc0] = {UNPACK_EXT, 0, 17},
	[0xd9 - 0xc0] = {UNPACK_STR, 1, 0},
	[0xda - 0xc0] = {UNPACK_STR, 2, 0},
	[0xdb - 0xc0] = {UNPACK_STR, 4, 0},
	[0xdc - 0xc0] = {UNPACK_ARRAY, 2, 0},
	[0xdd - 0xc0] = {UNPACK_ARRAY, 4, 0},
	[0xde - 0xc0] = {UNPACK_MAP, 2, 0},
	[0xdf - 0xc0] = {UNPACK_MAP, 4, 0},
};

/* A number of a signed form is negative only when its first bit says so. */
static enum unpack_kind signed_kind(uint64_t number, unsigned len)
{
	return number >> (8 * len - 1) ? UNPACK_NEGATIVE : UNPACK_UINT;
}

/* Reads a head of 0xc0 … 0xdf, moving on behind its number. */
static int long_head(struct unpack *u, unsigned char first, struct unpack_head *h, struct err *e)
{
	unsigned len = heads[first - 0xc0].len;
	uint64_t number = 0;

	h->kind = heads[first - 0xc0].kind;
	if (h->kind == UNPACK_KIND_MAX)
		return err_set(e, -EBADMSG, "byte %zu: 0x%02x begins nothing", u->at - 1, first);
	if (u->n - u->at < len)
		return err_set(e, -EBADMSG, "cut off in a length");
	for (unsigned i = 0; i < len; i++)
		number = number << 8 | u->v[u->at++];
	h->n_bytes = heads[first - 0xc0].fixed;
	if (h->kind == UNPACK_STR || h->kind == UNPACK_BIN || h->kind == UNPACK_EXT)
		h->n_bytes += number;
	else if (h->kind == UNPACK_ARRAY || h->kind == UNPACK_MAP)
		h->children = h->kind == UNPACK_MAP ? 2 * number : number;
	else if (h->kind == UNPACK_NEGATIVE)
		h->kind = signed_kind(number, len);
	else if (h->kind == UNPACK_BOOL)
		number = first & 1;
	h->number = number;
	return 0;
}

static void short_head(unsigned char first, struct unpack_head *h)
{
	if (first < 0x80) {
		h->kind = UNPACK_UINT;
		h->number = first;
	} else if (first < 0x90) {
		h->kind = UNPACK_MAP;
		h->number = first & 0x0fu;
		h->children = 2 * h->number;
	} else if (first < 0xa0) {
		h->kind = UNPACK_ARRAY;
		h->children = h->number = first & 0x0fu;
	} else if (first < 0xc0) {
		h->kind = UNPACK_STR;
		h->n_bytes = h->number = first & 0x1fu;
	} else {
		h->kind = UNPACK_NEGATIVE;
	}
}

int unpack_next(struct unpack *u, struct unpack_head *ret, struct err *e)
{
	struct unpack_head h = {0};
	unsigned char first;
	int rc;

	if (u->at == u->n)
		return err_set(e, -EBADMSG, "cut off after %zu bytes", u->n);
	first = u->v[u->at++];
	if (first >= 0xc0 && first <= 0xdf) {
		rc = long_head(u, first, &h, e);
		if (rc < 0)
			return rc;
	} else {
		short_head(first, &h);
	}
	if (h.n_bytes > u->n - u->at)
		return err_set(
			e, -EBADMSG, "byte %zu: %zu bytes announced, %zu are there", u->at, h.n_bytes, u->n - u->at);
	h.bytes = u->v + u->at;
	u->at += h.n_bytes;
	if (h.children > u->n - u->at) /* each takes a byte at least */
		return err_set(e, -EBADMSG, "byte %zu: %llu values announced, %zu bytes are there", u->at,
			(unsigned long long)h.children, u->n - u->at);
	*ret = h;
	return 0;
}

int unpack_skip(struct unpack *u, size_t depth, uint64_t values, struct err *e)
{
	uint64_t left[UNPACK_DEPTH_MAX + 1] = {1}, promised = 0; /* values still to come at each level; of all */
	struct unpack_head h;
	size_t level = 0;
	int rc;

	assert(depth <= UNPACK_DEPTH_MAX);
	for (;;) {
		while (left[level] == 0) {
			if (level == 0)
				return 0;
			level--;
		}
		left[level]--;
		rc = unpack_next(u, &h, e);
		if (rc < 0)
			return rc;
		promised += h.children;
		if (promised > values)
			return err_set(e, -E2BIG, "more than %llu values", (unsigned long long)values);
		if (h.children == 0)
			continue;
		if (level == depth)
			return err_set(e, -E2BIG, "nested deeper than %zu", depth);
		left[++level] = h.children;
	}
}

const char *unpack_kind_text(enum unpack_kind kind)
{
	static const char *const texts[] = {
		[UNPACK_NIL] = "nil",
		[UNPACK_BOOL] = "true or false",
		[UNPACK_UINT] = "a whole number",
		[UNPACK_NEGATIVE] = "a negative number",
		[UNPACK_FLOAT] = "a float",
		[UNPACK_STR] = "a string",
		[UNPACK_BIN] = "bytes",
		[UNPACK_EXT] = "an extension",
		[UNPACK_ARRAY] = "an array",
		[UNPACK_MAP] = "a map",
	};
	_Static_assert(ARRAY_LEN(texts) == UNPACK_KIND_MAX, "a text a kind");

	return texts[kind];
}
