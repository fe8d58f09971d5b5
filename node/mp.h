/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_MP_H
#define NODE_MP_H
/*
 * msgpack as we use it: writing into bounded bytes, and reading a checked tree. Thin over msgpack-c.
 */
#include <msgpack.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

struct mp_writer {
	struct bytes *out; /* borrowed; `failed` tells, once, at the end */
	msgpack_packer packer;
};

void mp_writer_init(struct mp_writer *w, struct bytes *out);
void mp_map(struct mp_writer *w, size_t pairs);
void mp_array(struct mp_writer *w, size_t n);
void mp_str(struct mp_writer *w, const char *s); /* NULL packs nil; bytes that are no UTF-8 become U+FFFD */
void mp_strn(struct mp_writer *w, const char *s, size_t n);
void mp_bin(struct mp_writer *w, const void *v, size_t n);
void mp_int(struct mp_writer *w, int64_t v);
void mp_uint(struct mp_writer *w, uint64_t v);
void mp_bool(struct mp_writer *w, bool v);
void mp_double(struct mp_writer *w, double v);
void mp_nil(struct mp_writer *w);
void mp_raw(struct mp_writer *w, const struct bytes *packed); /* one value packed before */
void mp_object(struct mp_writer *w, const msgpack_object *o); /* one that was read */
/* "key": value, for maps */
void mp_key_str(struct mp_writer *w, const char *key, const char *v);
void mp_key_int(struct mp_writer *w, const char *key, int64_t v);
void mp_key_bool(struct mp_writer *w, const char *key, bool v);
void mp_key_double(struct mp_writer *w, const char *key, double v);
void mp_key_time(struct mp_writer *w, const char *key, int64_t wall_ms); /* RFC 3339, or nil when 0 */

/*
 * A tree read from bytes; at most MP_DEPTH_MAX deep and MP_OBJECTS_MAX values, all of v used up. The tree
 * borrows v. Lengths and counts are checked against what is there before anything is allocated for them.
 * mp_done accepts a zeroed tree.
 */
struct mp_tree {
	msgpack_unpacked unpacked;
};

int mp_read(struct mp_tree *t, const void *v, size_t n, struct err *e);
void mp_done(struct mp_tree *t);
static inline const msgpack_object *mp_root(const struct mp_tree *t)
{
	return &t->unpacked.data;
}

/* Looking into a map. Absent or nil: NULL/default and 0; wrong type: -EINVAL, said in e as "KEY: …". */
const msgpack_object *mp_get(const msgpack_object *map, const char *key);
/* Not NUL-terminated. */
int mp_get_str(const msgpack_object *map, const char *key, const char **ret, size_t *ret_n, struct err *e);
/* "" when absent; too long: -EINVAL. */
int mp_get_strz(const msgpack_object *map, const char *key, char *out, size_t n, struct err *e);
int mp_get_int(const msgpack_object *map, const char *key, int64_t *ret, int64_t min, int64_t max, struct err *e);
/* Takes integers too. */
int mp_get_double(const msgpack_object *map, const char *key, double *ret, struct err *e);
int mp_get_bool(const msgpack_object *map, const char *key, bool *ret, struct err *e);
/* Absent, nil: NULL; there and no map, or no array: -EINVAL. */
int mp_get_map(const msgpack_object *map, const char *key, const msgpack_object **ret, struct err *e);
int mp_get_array(const msgpack_object *map, const char *key, const msgpack_object **ret, struct err *e);

/* Renders a tree as JSON (bin as a string, with what is no UTF-8 replaced; a double that JSON cannot say is
 * null). indent: blanks a level, 0 for one line. 0, or negative when out failed. No newline at the end. */
int mp_to_json(const msgpack_object *o, int indent, struct bytes *out);

#endif
