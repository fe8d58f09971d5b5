/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/unpack: every head of msgpack's, in each of its lengths, and each of them cut off at every byte; skipping is
 * bounded in depth and number.
 */
#include "base/unpack.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/test.h"

struct row {
	const char *v;
	size_t n;
	enum unpack_kind kind;
	uint64_t number;
	size_t n_bytes;
	uint64_t children;
};

/* Strings and bytes are filled up with 'x' as long as they say. */
static const struct row rows[] = {
	{"\xc0", 1, UNPACK_NIL, 0, 0, 0},
	{"\xc2", 1, UNPACK_BOOL, 0, 0, 0},
	{"\xc3", 1, UNPACK_BOOL, 1, 0, 0},
	{"\x00", 1, UNPACK_UINT, 0, 0, 0},
	{"\x7f", 1, UNPACK_UINT, 127, 0, 0},
	{"\xcc\xff", 2, UNPACK_UINT, 255, 0, 0},
	{"\xcd\x01\x02", 3, UNPACK_UINT, 258, 0, 0},
	{"\xce\xff\xff\xff\xff", 5, UNPACK_UINT, UINT32_MAX, 0, 0},
	{"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9, UNPACK_UINT, UINT64_MAX, 0, 0},
	{"\xff", 1, UNPACK_NEGATIVE, 0, 0, 0},
	{"\xe0", 1, UNPACK_NEGATIVE, 0, 0, 0},
	{"\xd0\x80", 2, UNPACK_NEGATIVE, 0x80, 0, 0},
	{"\xd0\x7f", 2, UNPACK_UINT, 0x7f, 0, 0},
	{"\xd1\x7f\xff", 3, UNPACK_UINT, 0x7fff, 0, 0},
	{"\xd2\xff\xff\xff\xff", 5, UNPACK_NEGATIVE, UINT32_MAX, 0, 0},
	{"\xd3\x00\x00\x00\x00\x00\x00\x00\x09", 9, UNPACK_UINT, 9, 0, 0},
	{"\xca\x00\x00\x00\x00", 5, UNPACK_FLOAT, 0, 4, 0},
	{"\xcb\x00\x00\x00\x00\x00\x00\x00\x00", 9, UNPACK_FLOAT, 0, 8, 0},
	{"\xa0", 1, UNPACK_STR, 0, 0, 0},
	{"\xbf", 1, UNPACK_STR, 31, 31, 0},
	{"\xd9\x20", 2, UNPACK_STR, 32, 32, 0},
	{"\xda\x01\x00", 3, UNPACK_STR, 256, 256, 0},
	{"\xdb\x00\x00\x01\x00", 5, UNPACK_STR, 256, 256, 0},
	{"\xc4\x03", 2, UNPACK_BIN, 3, 3, 0},
	{"\xc5\x00\x03", 3, UNPACK_BIN, 3, 3, 0},
	{"\xc6\x00\x00\x00\x03", 5, UNPACK_BIN, 3, 3, 0},
	{"\xc7\x02", 2, UNPACK_EXT, 2, 3, 0},
	{"\xd4", 1, UNPACK_EXT, 0, 2, 0},
	{"\xd8", 1, UNPACK_EXT, 0, 17, 0},
	{"\x90", 1, UNPACK_ARRAY, 0, 0, 0},
	{"\x9f", 1, UNPACK_ARRAY, 15, 0, 15},
	{"\xdc\x00\x10", 3, UNPACK_ARRAY, 16, 0, 16},
	{"\xdd\x00\x00\x00\x10", 5, UNPACK_ARRAY, 16, 0, 16},
	{"\x82", 1, UNPACK_MAP, 2, 0, 4},
	{"\xde\x00\x02", 3, UNPACK_MAP, 2, 0, 4},
	{"\xdf\x00\x00\x00\x02", 5, UNPACK_MAP, 2, 0, 4},
};

static void every_head(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		size_t all = r->n + r->n_bytes * (r->kind != UNPACK_FLOAT) + (size_t)r->children;
		unsigned char v[512];
		struct unpack_head h;

		memset(v, 'x', sizeof(v));
		memcpy(v, r->v, r->n);
		for (size_t cut = 0; cut < all; cut++) {
			struct unpack u = {.v = v, .n = cut};
			struct err e = {0};

			assert_int_equal(unpack_next(&u, &h, &e), -EBADMSG);
			assert_true(e.text[0]);
		}
		struct unpack u = {.v = v, .n = all};
		assert_int_equal(unpack_next(&u, &h, NULL), 0);
		assert_int_equal(h.kind, r->kind);
		assert_int_equal(h.n_bytes, r->n_bytes);
		assert_int_equal(h.children, r->children);
		if (h.kind != UNPACK_NEGATIVE && h.kind != UNPACK_FLOAT)
			assert_int_equal(h.number, r->number);
		assert_int_equal(u.at + h.children, all);
		assert_non_null(unpack_kind_text(h.kind));
	}
	struct unpack never = {.v = (const unsigned char *)"\xc1", .n = 1};
	assert_int_equal(unpack_next(&never, &(struct unpack_head){0}, NULL), -EBADMSG);
}

static int pass(const char *v, size_t n, size_t depth, uint64_t values, size_t *ret_at)
{
	struct unpack u = {.v = (const unsigned char *)v, .n = n};
	int rc = unpack_skip(&u, depth, values, NULL);

	*ret_at = u.at;
	return rc;
}

static void what_is_skipped_is_bounded(void **state)
{
	static const char v[] = "\x93\x01\x82\xa1k\x91\x02\x03\xc0\xc4\x02zz"
				"\x07";
	unsigned char deep[64];
	size_t at;

	(void)state;
	assert_int_equal(pass(v, sizeof(v) - 1, 3, 100, &at), 0);
	assert_int_equal(v[at], 7);
	assert_int_equal(pass(v, sizeof(v) - 1, 2, 100, &at), -E2BIG);
	assert_int_equal(pass(v, sizeof(v) - 1, 3, 8, &at), 0);
	assert_int_equal(pass(v, sizeof(v) - 1, 3, 7, &at), -E2BIG);
	assert_int_equal(pass(v, 8, 3, 100, &at), -EBADMSG);
	memset(deep, 0x91, sizeof(deep));
	deep[UNPACK_DEPTH_MAX] = 0;
	assert_int_equal(pass((char *)deep, UNPACK_DEPTH_MAX + 1, UNPACK_DEPTH_MAX, 100, &at), 0);
	assert_int_equal(at, UNPACK_DEPTH_MAX + 1);
	deep[UNPACK_DEPTH_MAX] = 0x91;
	assert_int_equal(pass((char *)deep, sizeof(deep), UNPACK_DEPTH_MAX, 100, &at), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_head),
		cmocka_unit_test(what_is_skipped_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
