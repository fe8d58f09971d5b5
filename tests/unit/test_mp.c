/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack written, read and shown: what is no value is refused before memory is spent on it, and every
 * allocation may fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "node/mp.h"

#define BOUND 65536

static void pack_replica(struct mp_writer *w)
{
	mp_map(w, 9);
	mp_key_str(w, "id", "web.0");
	mp_key_int(w, "restarts", -3);
	mp_key_bool(w, "ready", true);
	mp_key_double(w, "cpu_cores", 0.12);
	mp_key_time(w, "since", 1767323045678);
	mp_key_time(w, "ended", 0);
	mp_str(w, "data");
	mp_bin(w, "a\xff\n", 3);
	mp_str(w, "tags");
	mp_array(w, 2);
	mp_uint(w, UINT64_MAX);
	mp_nil(w);
	mp_str(w, "empty");
	mp_map(w, 0);
}

static const char replica_json[] =
	"{\"id\":\"web.0\",\"restarts\":-3,\"ready\":true,\"cpu_cores\":0.12,"
	"\"since\":\"2026-01-02T03:04:05.678Z\",\"ended\":null,\"data\":\"a\xef\xbf\xbd\\n\","
	"\"tags\":[18446744073709551615,null],\"empty\":{}}";

static void writing_and_reading_agree(void **state)
{
	struct bytes packed = {.max = BOUND}, json = {.max = BOUND};
	struct mp_writer w;
	struct mp_tree t;

	(void)state;
	mp_writer_init(&w, &packed);
	pack_replica(&w);
	assert_false(packed.failed);
	assert_int_equal(mp_read(&t, packed.v, packed.n, NULL), 0);
	assert_int_equal(mp_to_json(mp_root(&t), 0, &json), 0);
	assert_string_equal(json.v, replica_json);
	mp_done(&t);
	mp_done(&t); /* a zeroed one is accepted */
	bytes_done(&packed);
	bytes_done(&json);
}

static void indented_json_is_for_people(void **state)
{
	static const unsigned char v[] =
		"\x82\xa1"
		"a\x92\x01\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00\x05\x80"; /* {"a": [1, inf], 5: {}} */
	struct bytes json = {.max = BOUND};
	struct mp_tree t;

	(void)state;
	assert_int_equal(mp_read(&t, v, sizeof(v) - 1, NULL), 0);
	assert_int_equal(mp_to_json(mp_root(&t), 2, &json), 0);
	assert_string_equal(json.v, "{\n  \"a\": [\n    1,\n    null\n  ],\n  \"5\": {}\n}");
	mp_done(&t);
	bytes_done(&json);
}

/* What a terminal would obey is escaped; text stays text. */
static void json_of(const char *s, const char *want)
{
	struct bytes json = {.max = BOUND};
	msgpack_object o = {.type = MSGPACK_OBJECT_STR, .via.str = {.size = (uint32_t)strlen(s), .ptr = s}};

	assert_int_equal(mp_to_json(&o, 0, &json), 0);
	assert_string_equal(json.v, want);
	bytes_done(&json);
}

static void json_escapes(void **state)
{
	(void)state;
	json_of("", "\"\"");
	json_of("say \"hi\" \\ \t\r\b\f", "\"say \\\"hi\\\" \\\\ \\t\\r\\b\\f\"");
	json_of("\x1b[31m \x7f", "\"\\u001b[31m \\u007f\"");
	json_of("\xc2\x9b", "\"\\u009b\"");
	json_of("gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x90\xa6\"");
}

/* RFC 3629: overlong forms, surrogates, too great and cut characters are no characters. */
static void bad_utf8_becomes_a_sign(void **state)
{
#define SIGN "\xef\xbf\xbd"
	static const struct {
		const char *bytes, *want;
	} v[] = {
		{"ok", "ok"},
		{"\xff", SIGN},
		{"a\xc0\xaf", "a" SIGN SIGN},		   /* overlong '/' */
		{"\xe0\x80\xaf", SIGN SIGN SIGN},	   /* overlong, three bytes */
		{"\xed\xa0\x80", SIGN SIGN SIGN},	   /* a surrogate */
		{"\xf4\x90\x80\x80", SIGN SIGN SIGN SIGN}, /* U+110000 */
		{"\xf0\x9f\x90", SIGN SIGN SIGN},	   /* cut */
		{"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},  /* U+10FFFF */
		{"\x80"
		 "b\xc3",
			SIGN "b" SIGN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(v); i++) {
		struct bytes packed = {.max = BOUND};
		struct mp_writer w;
		struct mp_tree t;

		mp_writer_init(&w, &packed);
		mp_str(&w, v[i].bytes);
		assert_int_equal(mp_read(&t, packed.v, packed.n, NULL), 0);
		assert_int_equal(mp_root(&t)->via.str.size, strlen(v[i].want));
		assert_memory_equal(mp_root(&t)->via.str.ptr, v[i].want, strlen(v[i].want));
		mp_done(&t);
		bytes_done(&packed);
	}
}

static void every_shorter_frame_is_refused(void **state)
{
	struct bytes packed = {.max = BOUND};
	struct mp_writer w;
	struct mp_tree t;
	struct err e;

	(void)state;
	mp_writer_init(&w, &packed);
	pack_replica(&w);
	for (size_t n = 0; n < packed.n; n++) {
		char *part = mem_alloc(n); /* exactly n bytes: a sanitizer sees what is read past them */

		assert_non_null(part);
		memcpy(part, packed.v, n);
		assert_int_equal(mp_read(&t, part, n, &e), -EBADMSG);
		free(part);
	}
	assert_int_equal(bytes_add(&packed, "\xc0", 1), 0);
	assert_int_equal(mp_read(&t, packed.v, packed.n, &e), -EBADMSG);
	assert_string_equal(e.text, "1 bytes too many");
	bytes_done(&packed);
}

/* Every kind of head, complete: the walk and msgpack-c agree on what a value is. */
static void every_head_is_known(void **state)
{
	(void)state;
	for (unsigned first = 0; first < 256; first++) {
		unsigned char v[64] = {(unsigned char)first};
		int complete = 0;

		for (size_t n = 1; n < sizeof(v); n++) {
			struct mp_tree t;

			if (mp_read(&t, v, n, NULL) < 0)
				continue;
			complete++;
			mp_done(&t);
		}
		assert_int_equal(complete, first == 0xc1 ? 0 : 1);
	}
}

static void refused(const void *v, size_t n, int want, const char *says)
{
	struct mp_tree t;
	struct err e;

	assert_int_equal(mp_read(&t, v, n, &e), want);
	if (!strstr(e.text, says))
		fail_msg("'%s' does not say '%s'", e.text, says);
}

static void announced_counts_are_not_believed(void **state)
{
	(void)state;
	refused("\xdd\xff\xff\xff\xff", 5, -EBADMSG, "4294967295 values announced, 0 bytes are there");
	refused("\xdf\xff\xff\xff\xff", 5, -EBADMSG, "8589934590 values announced");
	refused("\xdb\xff\xff\xff\xff", 5, -EBADMSG, "4294967295 bytes announced, 0 are there");
	refused("\xc6\xff\xff\xff\xff", 5, -EBADMSG, "announced");
	refused("\xc9\xff\xff\xff\xff", 5, -EBADMSG, "4294967296 bytes announced");
	refused("\x93\x01\x02", 3, -EBADMSG, "3 values announced, 2 bytes are there");
	refused("\x92\x91\x01", 3, -EBADMSG, "cut off after 3 bytes");
	refused("\xc1", 1, -EBADMSG, "0xc1 begins nothing");
	refused("", 0, -EBADMSG, "cut off after 0 bytes");
}

static void depth_is_bounded(void **state)
{
	char v[MP_DEPTH_MAX + 2];
	struct bytes json = {.max = BOUND};
	struct mp_tree t;

	(void)state;
	memset(v, '\x91', sizeof(v));
	v[MP_DEPTH_MAX] = '\x01';
	assert_int_equal(mp_read(&t, v, MP_DEPTH_MAX + 1, NULL), 0);
	assert_int_equal(mp_to_json(mp_root(&t), 0, &json), 0);
	assert_int_equal(json.n, 2 * MP_DEPTH_MAX + 1);
	mp_done(&t);
	v[MP_DEPTH_MAX] = '\x91';
	v[MP_DEPTH_MAX + 1] = '\x01';
	refused(v, sizeof(v), -E2BIG, "nested deeper than 32");
	bytes_done(&json);
}

static void the_number_of_values_is_bounded(void **state)
{
	size_t n = 5 + (size_t)MP_OBJECTS_MAX + 1;
	unsigned char *v = mem_zalloc(n, 1);
	uint32_t count = MP_OBJECTS_MAX + 1;
	struct mp_tree t;

	(void)state;
	assert_non_null(v);
	v[0] = 0xdd;
	for (int i = 0; i < 4; i++)
		v[1 + i] = (unsigned char)(count >> (24 - 8 * i));
	refused(v, n, -E2BIG, "more than 2097152 values");
	v[4]--;
	assert_int_equal(mp_read(&t, v, n - 1, NULL), 0);
	mp_done(&t);
	free(v);
}

struct packed_map {
	struct bytes packed;
	struct mp_tree t;
};

/* {"s": "text", "nul": "a\0b", "n": -7, "big": 2^64-1, "b": true, "d": 0.5, "nil": nil, "a": [1], "m": {},
 * "s": "again"} */
static void make_map(struct packed_map *m)
{
	struct mp_writer w;

	*m = (struct packed_map){.packed = {.max = BOUND}};
	mp_writer_init(&w, &m->packed);
	mp_map(&w, 10);
	mp_key_str(&w, "s", "text");
	mp_str(&w, "nul");
	mp_strn(&w, "a\0b", 3);
	mp_key_int(&w, "n", -7);
	mp_str(&w, "big");
	mp_uint(&w, UINT64_MAX);
	mp_key_bool(&w, "b", true);
	mp_key_double(&w, "d", 0.5);
	mp_key_str(&w, "nil", NULL);
	mp_str(&w, "a");
	mp_array(&w, 1);
	mp_int(&w, 1);
	mp_str(&w, "m");
	mp_map(&w, 0);
	mp_key_str(&w, "s", "again");
	assert_int_equal(mp_read(&m->t, m->packed.v, m->packed.n, NULL), 0);
}

static void done_map(struct packed_map *m)
{
	mp_done(&m->t);
	bytes_done(&m->packed);
}

static void strings_of_a_map(void **state)
{
	struct packed_map m;
	const msgpack_object *o;
	char five[5] = "old", four[4] = "old";
	const char *s;
	size_t n;
	struct err e;

	(void)state;
	make_map(&m);
	o = mp_root(&m.t);
	assert_int_equal(mp_get_strz(o, "s", five, sizeof(five), &e), 0);
	assert_string_equal(five, "text"); /* the first of two wins */
	assert_int_equal(mp_get_strz(o, "s", four, sizeof(four), &e), -EINVAL);
	assert_string_equal(e.text, "s: 4 bytes, at most 3 are allowed");
	assert_string_equal(four, "old");
	assert_int_equal(mp_get_strz(o, "nul", five, sizeof(five), &e), -EINVAL);
	assert_string_equal(e.text, "nul: must not contain a NUL");
	assert_int_equal(mp_get_strz(o, "n", five, sizeof(five), &e), -EINVAL);
	assert_string_equal(e.text, "n: must be a string");
	assert_int_equal(mp_get_strz(o, "nil", five, sizeof(five), &e), 0);
	assert_string_equal(five, "");
	assert_int_equal(mp_get_str(o, "none", &s, &n, &e), 0);
	assert_null(s);
	assert_int_equal(n, 0);
	assert_null(mp_get(NULL, "s"));
	assert_null(mp_get(mp_get(o, "a"), "s"));
	done_map(&m);
}

static void numbers_of_a_map(void **state)
{
	struct packed_map m;
	const msgpack_object *o;
	int64_t n = 1;
	double d = 1;
	struct err e;

	(void)state;
	make_map(&m);
	o = mp_root(&m.t);
	assert_int_equal(mp_get_int(o, "none", &n, 5, 9, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(mp_get_int(o, "n", &n, -7, -7, &e), 0);
	assert_int_equal(n, -7);
	assert_int_equal(mp_get_int(o, "n", &n, -6, 9, &e), -EINVAL);
	assert_string_equal(e.text, "n: must be from -6 to 9");
	assert_int_equal(mp_get_int(o, "n", &n, -9, -8, &e), -EINVAL);
	assert_int_equal(mp_get_int(o, "big", &n, 0, INT64_MAX - 1, &e), -EINVAL);
	assert_int_equal(mp_get_int(o, "d", &n, 0, 9, &e), -EINVAL);
	assert_string_equal(e.text, "d: must be a whole number");
	assert_int_equal(n, -7);
	assert_int_equal(mp_get_double(o, "d", &d, &e), 0);
	assert_true(d == 0.5);
	assert_int_equal(mp_get_double(o, "n", &d, &e), 0);
	assert_true(d == -7);
	assert_int_equal(mp_get_double(o, "big", &d, &e), 0);
	assert_true(d > 1e19);
	assert_int_equal(mp_get_double(o, "s", &d, &e), -EINVAL);
	assert_string_equal(e.text, "s: must be a number");
	done_map(&m);
}

static void other_values_of_a_map(void **state)
{
	struct packed_map m;
	const msgpack_object *o, *got;
	bool b = false;
	struct err e;

	(void)state;
	make_map(&m);
	o = mp_root(&m.t);
	assert_int_equal(mp_get_bool(o, "b", &b, &e), 0);
	assert_true(b);
	assert_int_equal(mp_get_bool(o, "nil", &b, &e), 0);
	assert_true(b);
	assert_int_equal(mp_get_bool(o, "a", &b, &e), -EINVAL);
	assert_string_equal(e.text, "a: must be true or false");
	assert_int_equal(mp_get_array(o, "a", &got, &e), 0);
	assert_int_equal(got->via.array.size, 1);
	assert_int_equal(mp_get_array(o, "m", &got, &e), -EINVAL);
	assert_int_equal(mp_get_map(o, "m", &got, &e), 0);
	assert_int_equal(got->via.map.size, 0);
	assert_int_equal(mp_get_map(o, "b", &got, &e), -EINVAL);
	assert_int_equal(mp_get_map(o, "none", &got, &e), 0);
	assert_null(got);
	done_map(&m);
}

static void what_does_not_fit_is_told_at_the_end(void **state)
{
	struct bytes out = {.max = 8}, json = {.max = 8}, nothing = {.max = 8};
	msgpack_object o = {.type = MSGPACK_OBJECT_STR, .via.str = {.size = 10, .ptr = "0123456789"}};
	struct mp_writer w;

	(void)state;
	mp_writer_init(&w, &out);
	mp_str(&w, "0123456789");
	mp_int(&w, 1);
	assert_true(out.failed);
	assert_true(mp_to_json(&o, 0, &json) < 0);
	bytes_clear(&out);
	mp_raw(&w, &nothing); /* no value at all would make the frame a lie */
	assert_true(out.failed);
	bytes_done(&out);
	bytes_done(&json);
}

static void each_allocation_may_fail(void **state)
{
	bool reached = true;

	(void)state;
	for (unsigned long n = 1; reached; n++) {
		struct bytes packed = {.max = BOUND}, json = {.max = BOUND};
		struct mp_tree t = {0};
		struct mp_writer w;

		(void)mem_fail_at(n); /* arms; what was set before is over */
		mp_writer_init(&w, &packed);
		pack_replica(&w);
		if (!packed.failed) {
			assert_int_equal(mp_read(&t, packed.v, packed.n, NULL), 0);
			(void)mp_to_json(mp_root(&t), 2, &json); /* json.failed tells */
		}
		reached = mem_fail_at(0);
		assert_int_equal(reached, packed.failed || json.failed);
		mp_done(&t);
		bytes_done(&packed);
		bytes_done(&json);
	}
}

/* Whatever the bytes: refused, or a tree that can be shown. */
static void any_bytes(void **state)
{
	struct rng rng;
	int good = 0;

	(void)state;
	rng_seed(&rng, 20260102);
	for (int round = 0; round < 20000; round++) {
		struct bytes json = {.max = BOUND};
		unsigned char v[24];
		struct mp_tree t;
		size_t n = rng_below(&rng, sizeof(v) + 1);

		for (size_t i = 0; i < n; i++)
			v[i] = (unsigned char)(rng_below(&rng, 2) ? rng_u64(&rng) : 0x80 + rng_below(&rng, 96));
		if (mp_read(&t, v, n, NULL) < 0)
			continue;
		good++;
		assert_int_equal(mp_to_json(mp_root(&t), 1, &json), 0);
		mp_done(&t);
		bytes_done(&json);
	}
	assert_true(good > 100);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(writing_and_reading_agree),
		cmocka_unit_test(indented_json_is_for_people),
		cmocka_unit_test(json_escapes),
		cmocka_unit_test(bad_utf8_becomes_a_sign),
		cmocka_unit_test(every_shorter_frame_is_refused),
		cmocka_unit_test(every_head_is_known),
		cmocka_unit_test(announced_counts_are_not_believed),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(the_number_of_values_is_bounded),
		cmocka_unit_test(strings_of_a_map),
		cmocka_unit_test(numbers_of_a_map),
		cmocka_unit_test(other_values_of_a_map),
		cmocka_unit_test(what_does_not_fit_is_told_at_the_end),
		cmocka_unit_test(each_allocation_may_fail),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
