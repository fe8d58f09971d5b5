/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A msgpack tree as JSON (RFC 8259): what `--json` prints and /v1/… answers. Recursion is bounded by what
 * mp_read lets in. Control characters, also the eight-bit ones that a terminal would obey, are escaped; keys
 * that are no strings are written as strings.
 */
#include "node/mp.h"

#include <inttypes.h>
#include <math.h>

#include "base/utf8.h"

struct json {
	struct bytes *out;
	int indent, depth;
};

static void put_value(struct json *j, const msgpack_object *o);

static void put(struct json *j, const char *s)
{
	(void)bytes_str(j->out, s); /* out->failed tells, once, at the end */
}

static void put_char(struct json *j, const char *s, size_t n, uint32_t c)
{
	static const char *const short_forms[] = {['\b'] = "\\b",
		['\t'] = "\\t",
		['\n'] = "\\n",
		['\f'] = "\\f",
		['\r'] = "\\r",
		['"'] = "\\\"",
		['\\'] = "\\\\"};

	if (c < ARRAY_LEN(short_forms) && short_forms[c])
		put(j, short_forms[c]);
	else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		(void)bytes_fmt(j->out, "\\u%04x", (unsigned)c); /* as in put */
	else
		(void)bytes_add(j->out, s, n); /* as in put */
}

static void put_string(struct json *j, const char *s, size_t n)
{
	put(j, "\"");
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t k = utf8_decode(s + i, n - i, &c);

		if (k)
			put_char(j, s + i, k, c);
		else
			put(j, UTF8_REPLACEMENT);
		i += k ? k : 1;
	}
	put(j, "\"");
}

/* The shortest form that reads back as the same number. */
static void put_double(struct json *j, double v)
{
	char text[40];

	if (!isfinite(v)) {
		put(j, "null");
		return;
	}
	for (int digits = 6; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, v); /* 17 digits and an exponent fit */
		if (strtod(text, NULL) == v)
			break;
	}
	put(j, text);
}

static void new_line(struct json *j)
{
	if (j->indent > 0)
		(void)bytes_fmt(j->out, "\n%*s", j->indent * j->depth, ""); /* as in put */
}

static void put_array(struct json *j, const msgpack_object_array *a)
{
	put(j, "[");
	j->depth++;
	for (uint32_t i = 0; i < a->size; i++) {
		if (i)
			put(j, ",");
		new_line(j);
		put_value(j, &a->ptr[i]);
	}
	j->depth--;
	if (a->size)
		new_line(j);
	put(j, "]");
}

static void put_key(struct json *j, const msgpack_object *key)
{
	bool is_int = key->type == MSGPACK_OBJECT_POSITIVE_INTEGER || key->type == MSGPACK_OBJECT_NEGATIVE_INTEGER;

	if (key->type == MSGPACK_OBJECT_STR || key->type == MSGPACK_OBJECT_BIN) {
		put_value(j, key);
		return;
	}
	put(j, "\"");
	if (is_int)
		put_value(j, key);
	else
		put(j, "?");
	put(j, "\"");
}

static void put_map(struct json *j, const msgpack_object_map *m)
{
	put(j, "{");
	j->depth++;
	for (uint32_t i = 0; i < m->size; i++) {
		if (i)
			put(j, ",");
		new_line(j);
		put_key(j, &m->ptr[i].key);
		put(j, j->indent > 0 ? ": " : ":");
		put_value(j, &m->ptr[i].val);
	}
	j->depth--;
	if (m->size)
		new_line(j);
	put(j, "}");
}

static void put_value(struct json *j, const msgpack_object *o)
{
	switch (o->type) {
	case MSGPACK_OBJECT_BOOLEAN:
		put(j, o->via.boolean ? "true" : "false");
		break;
	case MSGPACK_OBJECT_POSITIVE_INTEGER:
		(void)bytes_fmt(j->out, "%" PRIu64, o->via.u64); /* as in put */
		break;
	case MSGPACK_OBJECT_NEGATIVE_INTEGER:
		(void)bytes_fmt(j->out, "%" PRId64, o->via.i64); /* as in put */
		break;
	case MSGPACK_OBJECT_FLOAT32:
	case MSGPACK_OBJECT_FLOAT64:
		put_double(j, o->via.f64);
		break;
	case MSGPACK_OBJECT_STR:
		put_string(j, o->via.str.ptr, o->via.str.size);
		break;
	case MSGPACK_OBJECT_BIN:
		put_string(j, o->via.bin.ptr, o->via.bin.size);
		break;
	case MSGPACK_OBJECT_ARRAY:
		put_array(j, &o->via.array);
		break;
	case MSGPACK_OBJECT_MAP:
		put_map(j, &o->via.map);
		break;
	case MSGPACK_OBJECT_NIL:
	case MSGPACK_OBJECT_EXT:
	default:
		put(j, "null");
		break;
	}
}

int mp_to_json(const msgpack_object *o, int indent, struct bytes *out)
{
	struct json j = {.out = out, .indent = indent};

	put_value(&j, o);
	return bytes_reserve(out, 0);
}
