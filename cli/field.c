/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields of the daemon's answers: see field.h.
 */
#include "cli/field.h"

#include <string.h>

#include "base/units.h"
#include "cli/table.h"
#include "cli/when.h"

char *field_text(const msgpack_object *map, const char *key, char *out, size_t n)
{
	const msgpack_object *o = mp_get(map, key);
	size_t len = 0;

	if (o && o->type == MSGPACK_OBJECT_STR)
		len = MIN((size_t)o->via.str.size, n - 1);
	if (len)
		memcpy(out, o->via.str.ptr, len);
	out[len] = '\0';
	return out;
}

int64_t field_int(const msgpack_object *map, const char *key, int64_t fallback)
{
	int64_t v = fallback;

	return mp_get_int(map, key, &v, INT64_MIN, INT64_MAX, NULL) < 0 ? fallback : v;
}

double field_double(const msgpack_object *map, const char *key, double fallback)
{
	double v = fallback;

	return mp_get_double(map, key, &v, NULL) < 0 ? fallback : v;
}

bool field_bool(const msgpack_object *map, const char *key)
{
	bool v = false;

	return mp_get_bool(map, key, &v, NULL) == 0 && v;
}

int64_t field_time(const msgpack_object *map, const char *key)
{
	char text[UNITS_TEXT_MAX];
	int64_t ms = 0;

	return when_parse_time(field_text(map, key, text, sizeof(text)), &ms) < 0 ? 0 : ms;
}

uint32_t field_n(const msgpack_object *map, const char *key)
{
	const msgpack_object *o = mp_get(map, key);

	return o && o->type == MSGPACK_OBJECT_ARRAY ? o->via.array.size : 0;
}

const msgpack_object *field_at(const msgpack_object *map, const char *key, uint32_t i)
{
	assert(i < field_n(map, key));
	return &mp_get(map, key)->via.array.ptr[i];
}
