/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checked trees out of bytes that nobody vouches for, and looking into them.
 *
 * msgpack-c's unpacker believes an array's count and allocates 24 bytes for each element before it has seen
 * one (five bytes make it ask for 96 GB), and goes on as "needs more" where we know that there is no more. So
 * every frame is walked first, without memory, and only what is complete, not too deep and not too much is
 * handed to it.
 */
#include "node/mp.h"

#include <errno.h>
#include <string.h>

#include "base/unpack.h"

/* The walk before the unpacker's. */
static int walk_all(const void *v, size_t n, struct err *e)
{
	struct unpack u = {.v = v, .n = n};
	int rc = unpack_skip(&u, MP_DEPTH_MAX, MP_OBJECTS_MAX, e);

	return rc == 0 && u.at < n ? err_set(e, -EBADMSG, "%zu bytes too many", n - u.at) : rc;
}

int mp_read(struct mp_tree *t, const void *v, size_t n, struct err *e)
{
	msgpack_unpack_return said;
	struct mp_tree tree;
	size_t off = 0;
	int rc;

	rc = walk_all(v, n, e);
	if (rc < 0)
		return rc;
	msgpack_unpacked_init(&tree.unpacked);
	said = msgpack_unpack_next(&tree.unpacked, v, n, &off);
	if (said == MSGPACK_UNPACK_SUCCESS && off == n) {
		*t = tree;
		return 0;
	}
	msgpack_unpacked_destroy(&tree.unpacked);
	if (said == MSGPACK_UNPACK_NOMEM_ERROR)
		return err_set(e, -ENOMEM, "no memory for a message of %zu bytes", n);
	return err_set(e, -EBADMSG, "not a msgpack value");
}

void mp_done(struct mp_tree *t)
{
	msgpack_unpacked_destroy(&t->unpacked);
	*t = (struct mp_tree){0};
}

/* Looking into a map. */

const msgpack_object *mp_get(const msgpack_object *map, const char *key)
{
	size_t n = strlen(key);

	if (!map || map->type != MSGPACK_OBJECT_MAP)
		return NULL;
	for (uint32_t i = 0; i < map->via.map.size; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];

		if (kv->key.type != MSGPACK_OBJECT_STR || kv->key.via.str.size != n)
			continue;
		if (n == 0 || memcmp(kv->key.via.str.ptr, key, n) == 0)
			return kv->val.type == MSGPACK_OBJECT_NIL ? NULL : &kv->val;
	}
	return NULL;
}

int mp_get_str(const msgpack_object *map, const char *key, const char **ret, size_t *ret_n, struct err *e)
{
	const msgpack_object *o = mp_get(map, key);

	if (o && o->type != MSGPACK_OBJECT_STR)
		return err_set(e, -EINVAL, "%s: must be a string", key);
	*ret = o ? o->via.str.ptr : NULL;
	*ret_n = o ? o->via.str.size : 0;
	return 0;
}

int mp_get_strz(const msgpack_object *map, const char *key, char *out, size_t n, struct err *e)
{
	const char *s;
	size_t len;
	int rc;

	assert(n > 0);
	rc = mp_get_str(map, key, &s, &len, e);
	if (rc < 0)
		return rc;
	if (len >= n)
		return err_set(e, -EINVAL, "%s: %zu bytes, at most %zu are allowed", key, len, n - 1);
	if (len && memchr(s, '\0', len))
		return err_set(e, -EINVAL, "%s: must not contain a NUL", key);
	if (len)
		memcpy(out, s, len);
	out[len] = '\0';
	return 0;
}

int mp_get_int(const msgpack_object *map, const char *key, int64_t *ret, int64_t min, int64_t max, struct err *e)
{
	const msgpack_object *o = mp_get(map, key);
	int64_t v;

	if (!o)
		return 0;
	if (o->type != MSGPACK_OBJECT_POSITIVE_INTEGER && o->type != MSGPACK_OBJECT_NEGATIVE_INTEGER)
		return err_set(e, -EINVAL, "%s: must be a whole number", key);
	v = o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 > INT64_MAX ? INT64_MAX : o->via.i64;
	if (v < min || v > max)
		return err_set(e, -EINVAL, "%s: must be from %lld to %lld", key, (long long)min, (long long)max);
	*ret = v;
	return 0;
}

int mp_get_double(const msgpack_object *map, const char *key, double *ret, struct err *e)
{
	const msgpack_object *o = mp_get(map, key);

	if (!o)
		return 0;
	if (o->type == MSGPACK_OBJECT_FLOAT32 || o->type == MSGPACK_OBJECT_FLOAT64)
		*ret = o->via.f64;
	else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
		*ret = (double)o->via.u64;
	else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
		*ret = (double)o->via.i64;
	else
		return err_set(e, -EINVAL, "%s: must be a number", key);
	return 0;
}

int mp_get_bool(const msgpack_object *map, const char *key, bool *ret, struct err *e)
{
	const msgpack_object *o = mp_get(map, key);

	if (o && o->type != MSGPACK_OBJECT_BOOLEAN)
		return err_set(e, -EINVAL, "%s: must be true or false", key);
	if (o)
		*ret = o->via.boolean;
	return 0;
}

int mp_get_map(const msgpack_object *map, const char *key, const msgpack_object **ret, struct err *e)
{
	const msgpack_object *o = mp_get(map, key);

	if (o && o->type != MSGPACK_OBJECT_MAP)
		return err_set(e, -EINVAL, "%s: must be a map", key);
	*ret = o;
	return 0;
}

int mp_get_array(const msgpack_object *map, const char *key, const msgpack_object **ret, struct err *e)
{
	const msgpack_object *o = mp_get(map, key);

	if (o && o->type != MSGPACK_OBJECT_ARRAY)
		return err_set(e, -EINVAL, "%s: must be an array", key);
	*ret = o;
	return 0;
}
