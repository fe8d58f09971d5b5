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

/* The walk before the unpacker's. */

struct walk {
	const unsigned char *v;
	size_t n, at;
	size_t objects; /* promised so far */
	size_t depth;
	uint64_t left[MP_DEPTH_MAX]; /* values still to come at each level */
};

/* What follows a first byte of 0xc0 … 0xdf: `len` bytes that hold a length or count, then `fixed` more bytes.
 */
enum form { FORM_NONE, FORM_PLAIN, FORM_BYTES, FORM_ARRAY, FORM_MAP, FORM_MAX };

static const struct {
	unsigned char form, len, fixed;
} heads[32] = {
	[0xc0 - 0xc0] = {FORM_PLAIN, 0, 0},  /* nil */
	[0xc1 - 0xc0] = {FORM_NONE, 0, 0},   /* never used */
	[0xc2 - 0xc0] = {FORM_PLAIN, 0, 0},  /* false */
	[0xc3 - 0xc0] = {FORM_PLAIN, 0, 0},  /* true */
	[0xc4 - 0xc0] = {FORM_BYTES, 1, 0},  /* bin 8 */
	[0xc5 - 0xc0] = {FORM_BYTES, 2, 0},  /* bin 16 */
	[0xc6 - 0xc0] = {FORM_BYTES, 4, 0},  /* bin 32 */
	[0xc7 - 0xc0] = {FORM_BYTES, 1, 1},  /* ext 8, with its type */
	[0xc8 - 0xc0] = {FORM_BYTES, 2, 1},  /* ext 16 */
	[0xc9 - 0xc0] = {FORM_BYTES, 4, 1},  /* ext 32 */
	[0xca - 0xc0] = {FORM_PLAIN, 0, 4},  /* float 32 */
	[0xcb - 0xc0] = {FORM_PLAIN, 0, 8},  /* float 64 */
	[0xcc - 0xc0] = {FORM_PLAIN, 0, 1},  /* uint 8 */
	[0xcd - 0xc0] = {FORM_PLAIN, 0, 2},  /* uint 16 */
	[0xce - 0xc0] = {FORM_PLAIN, 0, 4},  /* uint 32 */
	[0xcf - 0xc0] = {FORM_PLAIN, 0, 8},  /* uint 64 */
	[0xd0 - 0xc0] = {FORM_PLAIN, 0, 1},  /* int 8 */
	[0xd1 - 0xc0] = {FORM_PLAIN, 0, 2},  /* int 16 */
	[0xd2 - 0xc0] = {FORM_PLAIN, 0, 4},  /* int 32 */
	[0xd3 - 0xc0] = {FORM_PLAIN, 0, 8},  /* int 64 */
	[0xd4 - 0xc0] = {FORM_PLAIN, 0, 2},  /* fixext 1, with its type */
	[0xd5 - 0xc0] = {FORM_PLAIN, 0, 3},  /* fixext 2 */
	[0xd6 - 0xc0] = {FORM_PLAIN, 0, 5},  /* fixext 4 */
	[0xd7 - 0xc0] = {FORM_PLAIN, 0, 9},  /* fixext 8 */
	[0xd8 - 0xc0] = {FORM_PLAIN, 0, 17}, /* fixext 16 */
	[0xd9 - 0xc0] = {FORM_BYTES, 1, 0},  /* str 8 */
	[0xda - 0xc0] = {FORM_BYTES, 2, 0},  /* str 16 */
	[0xdb - 0xc0] = {FORM_BYTES, 4, 0},  /* str 32 */
	[0xdc - 0xc0] = {FORM_ARRAY, 2, 0},  /* array 16 */
	[0xdd - 0xc0] = {FORM_ARRAY, 4, 0},  /* array 32 */
	[0xde - 0xc0] = {FORM_MAP, 2, 0},    /* map 16 */
	[0xdf - 0xc0] = {FORM_MAP, 4, 0},    /* map 32 */
};

struct head {
	uint64_t payload;  /* bytes that belong to the value itself */
	uint64_t children; /* values inside it; a map's keys count too */
};

/* Reads a head of 0xc0 … 0xdf, moving on behind its length. */
static int long_head(struct walk *w, unsigned char first, struct head *ret, struct err *e)
{
	unsigned form = heads[first - 0xc0].form, len = heads[first - 0xc0].len;
	uint64_t count = 0;

	if (form == FORM_NONE)
		return err_set(e, -EBADMSG, "byte %zu: 0x%02x begins nothing", w->at - 1, first);
	if (w->n - w->at < len)
		return err_set(e, -EBADMSG, "cut off in a length");
	for (unsigned i = 0; i < len; i++)
		count = count << 8 | w->v[w->at++];
	*ret = (struct head){.payload = heads[first - 0xc0].fixed};
	if (form == FORM_BYTES)
		ret->payload += count;
	else if (form == FORM_ARRAY)
		ret->children = count;
	else if (form == FORM_MAP)
		ret->children = 2 * count;
	return 0;
}

static int read_head(struct walk *w, struct head *ret, struct err *e)
{
	unsigned char first = w->v[w->at++];

	*ret = (struct head){0};
	if (first >= 0xc0 && first <= 0xdf)
		return long_head(w, first, ret, e);
	if (first >= 0x80 && first <= 0x8f)
		ret->children = 2u * (first & 0x0fu);
	else if (first >= 0x90 && first <= 0x9f)
		ret->children = first & 0x0fu;
	else if (first >= 0xa0 && first <= 0xbf)
		ret->payload = first & 0x1fu;
	return 0;
}

/* One value's head and payload; its children become a level. */
static int walk_value(struct walk *w, struct err *e)
{
	struct head h;
	int rc;

	if (w->at == w->n)
		return err_set(e, -EBADMSG, "cut off after %zu bytes", w->n);
	rc = read_head(w, &h, e);
	if (rc < 0)
		return rc;
	if (h.payload > w->n - w->at)
		return err_set(e, -EBADMSG, "byte %zu: %llu bytes announced, %zu are there", w->at,
			(unsigned long long)h.payload, w->n - w->at);
	w->at += h.payload;
	if (h.children > w->n - w->at) /* each takes a byte at least */
		return err_set(e, -EBADMSG, "byte %zu: %llu values announced, %zu bytes are there", w->at,
			(unsigned long long)h.children, w->n - w->at);
	w->objects += h.children;
	if (w->objects > MP_OBJECTS_MAX)
		return err_set(e, -E2BIG, "more than %d values", MP_OBJECTS_MAX);
	if (h.children == 0)
		return 0;
	if (w->depth == MP_DEPTH_MAX)
		return err_set(e, -E2BIG, "nested deeper than %d", MP_DEPTH_MAX);
	w->left[w->depth++] = h.children;
	return 0;
}

static int walk_all(const void *v, size_t n, struct err *e)
{
	struct walk w = {.v = v, .n = n};
	int rc;

	rc = walk_value(&w, e);
	while (rc == 0 && w.depth > 0) {
		if (w.left[w.depth - 1]-- == 0)
			w.depth--;
		else
			rc = walk_value(&w, e);
	}
	if (rc == 0 && w.at < n)
		rc = err_set(e, -EBADMSG, "%zu bytes too many", n - w.at);
	return rc;
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
