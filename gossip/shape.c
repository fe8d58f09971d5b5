/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk each way over the tables of shape.h. How deep it goes is the tables' affair, not a frame's.
 */
#include "gossip/shape.h"

#include <errno.h>
#include <string.h>

#include "base/utf8.h"

/* A number in a struct, of 1, 2, 4 or 8 bytes, in this host's order. */
static uint64_t load(const void *at, size_t size)
{
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (size) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		memcpy(&v16, at, 2);
		return v16;
	case 4:
		memcpy(&v32, at, 4);
		return v32;
	default:
		memcpy(&v64, at, 8);
		return v64;
	}
}

static void store(void *at, size_t size, uint64_t v)
{
	uint32_t v32 = (uint32_t)v;
	uint16_t v16 = (uint16_t)v;

	switch (size) {
	case 1:
		*(uint8_t *)at = (uint8_t)v;
		break;
	case 2:
		memcpy(at, &v16, 2);
		break;
	case 4:
		memcpy(at, &v32, 4);
		break;
	default:
		memcpy(at, &v, 8);
	}
}

/* ---- out ---- */

static int write_out(void *data, const char *v, size_t n)
{
	struct shape_out *out = data;

	if (out->full || n > out->cap - out->n) {
		out->full = true;
		return -1;
	}
	memcpy(out->v + out->n, v, n);
	out->n += n;
	return 0;
}

void shape_out_init(struct shape_out *out, uint8_t *v, size_t cap)
{
	*out = (struct shape_out){.v = v, .cap = cap};
	msgpack_packer_init(&out->packer, out, write_out);
}

/* What msgpack-c's packers return is what write_out said, and out->full keeps that: hence the (void)s. */
static void put_bytes(struct shape_out *out, const void *v, size_t n)
{
	(void)msgpack_pack_bin(&out->packer, n);
	(void)msgpack_pack_bin_body(&out->packer, v, n);
}

static void put_fields(struct shape_out *out, const struct shape *s, const uint8_t *base, const uint8_t *root);

static void put_struct(struct shape_out *out, const struct shape *s, const uint8_t *base, const uint8_t *root)
{
	(void)msgpack_pack_array(&out->packer, s->n);
	put_fields(out, s, base, root);
}

static void put_list(struct shape_out *out, const struct shape *of, const uint8_t *at, size_t n, const uint8_t *root)
{
	(void)msgpack_pack_array(&out->packer, n);
	for (size_t i = 0; i < n; i++)
		put_struct(out, of, at + i * of->size, root);
}

static void put_field(struct shape_out *out, const struct shape_field *f, const uint8_t *base, const uint8_t *root)
{
	const void *at = base + f->at;
	const struct gossip_str *str = at;
	uint64_t n = f->n_size ? load(base + f->n_at, f->n_size) : 0;

	switch (f->kind) {
	case SHAPE_UINT:
		(void)msgpack_pack_uint64(&out->packer, load(at, f->size));
		break;
	case SHAPE_BOOL:
		(void)(load(at, 1) ? msgpack_pack_true(&out->packer) : msgpack_pack_false(&out->packer));
		break;
	case SHAPE_TEXT:
		(void)msgpack_pack_str(&out->packer, str->n);
		(void)msgpack_pack_str_body(&out->packer, str->v, str->n);
		break;
	case SHAPE_BYTES:
		put_bytes(out, str->v, str->n);
		break;
	case SHAPE_FIXED:
		put_bytes(out, at, f->size);
		break;
	case SHAPE_OPTION:
		if (!n) {
			(void)msgpack_pack_nil(&out->packer);
			break;
		}
		FALLTHROUGH;
	case SHAPE_STRUCT:
		put_struct(out, f->of, at, root);
		break;
	case SHAPE_UINTS:
		assert(n <= f->max);
		(void)msgpack_pack_array(&out->packer, n);
		for (size_t i = 0; i < n; i++)
			(void)msgpack_pack_uint64(&out->packer, load((const uint8_t *)at + i * 8, 8));
		break;
	case SHAPE_LIST:
		assert(n <= f->max);
		put_list(out, f->of, at, n, root);
		break;
	case SHAPE_POOL:
		assert(load(base + f->first_at, 2) + n <= f->max);
		put_list(out, f->of, root + f->pool_at + load(base + f->first_at, 2) * f->of->size, n, root);
		break;
	case SHAPE_KIND_MAX:
		abort();
	}
}

static void put_fields(struct shape_out *out, const struct shape *s, const uint8_t *base, const uint8_t *root)
{
	for (size_t i = 0; i < s->n; i++)
		put_field(out, &s->fields[i], base, root);
}

void shape_put_fields(struct shape_out *out, const struct shape *s, const void *base)
{
	put_fields(out, s, base, base);
}

void shape_put(struct shape_out *out, const struct shape *s, const void *base)
{
	put_struct(out, s, base, base);
}

/* ---- in ---- */

/* Into logs, events and terminals it goes as it is. */
static bool is_clean(const unsigned char *v, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c = v[i];
		size_t len = 1;

		if (c >= 0x80)
			len = utf8_decode((const char *)v + i, n - i, &c);
		if (len == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
		i += len;
	}
	return true;
}

static int refuse_kind(const struct unpack_head *h, const char *wanted, struct err *e)
{
	return err_set(e, -EBADMSG, "is %s, must be %s", unpack_kind_text(h->kind), wanted);
}

static int next_of(struct unpack *u, enum unpack_kind kind, struct unpack_head *ret, struct err *e)
{
	int rc = unpack_next(u, ret, e);

	return rc == 0 && ret->kind != kind ? refuse_kind(ret, unpack_kind_text(kind), e) : rc;
}

int shape_get_array(struct unpack *u, size_t *ret_n, struct err *e)
{
	struct unpack_head h;
	int rc = next_of(u, UNPACK_ARRAY, &h, e);

	if (rc == 0)
		*ret_n = h.number; /* no more than the bytes that are left */
	return rc;
}

static int check_bounds(const struct shape_field *f, uint64_t n, const char *of, struct err *e)
{
	if (n >= f->min && n <= f->max)
		return 0;
	return err_set(e, -EBADMSG, "%llu%s, must be from %llu to %llu", (unsigned long long)n, of,
		(unsigned long long)f->min, (unsigned long long)f->max);
}

static int get_uint(struct unpack *u, const struct shape_field *f, void *at, struct err *e)
{
	struct unpack_head h;
	int rc = next_of(u, UNPACK_UINT, &h, e);

	if (rc == 0)
		rc = check_bounds(f, h.number, "", e);
	if (rc == 0)
		store(at, f->size, h.number);
	return rc;
}

static int get_bool(struct unpack *u, bool *at, struct err *e)
{
	struct unpack_head h;
	int rc = next_of(u, UNPACK_BOOL, &h, e);

	if (rc == 0)
		*at = h.number != 0;
	return rc;
}

static int get_str(struct unpack *u, const struct shape_field *f, struct gossip_str *at, struct err *e)
{
	struct unpack_head h;
	int rc = next_of(u, f->kind == SHAPE_TEXT ? UNPACK_STR : UNPACK_BIN, &h, e);

	if (rc == 0)
		rc = check_bounds(f, h.n_bytes, " bytes", e);
	if (rc == 0 && f->kind == SHAPE_TEXT && !is_clean(h.bytes, h.n_bytes))
		rc = err_set(e, -EBADMSG, "has bytes that are no text");
	if (rc == 0)
		*at = (struct gossip_str){.v = (const char *)h.bytes, .n = (uint16_t)h.n_bytes};
	return rc;
}

static int get_fixed(struct unpack *u, const struct shape_field *f, void *at, struct err *e)
{
	struct unpack_head h;
	int rc = next_of(u, UNPACK_BIN, &h, e);

	if (rc == 0 && h.n_bytes != f->size)
		rc = err_set(e, -EBADMSG, "%zu bytes, must be %u", h.n_bytes, f->size);
	if (rc == 0)
		memcpy(at, h.bytes, f->size);
	return rc;
}

static int get_fields(struct unpack *u, const struct shape *s, size_t n, uint8_t *base, uint8_t *root, struct err *e);

static int get_struct(struct unpack *u, const struct shape *s, uint8_t *base, uint8_t *root, struct err *e)
{
	size_t n = 0;
	int rc = shape_get_array(u, &n, e);

	return rc < 0 ? rc : get_fields(u, s, n, base, root, e);
}

static int get_option(struct unpack *u, const struct shape_field *f, uint8_t *base, uint8_t *root, struct err *e)
{
	struct unpack_head h;
	int rc = unpack_next(u, &h, e);

	if (rc < 0)
		return rc;
	memset(base + f->at, 0, f->of->size);
	store(base + f->n_at, f->n_size, h.kind != UNPACK_NIL);
	if (h.kind == UNPACK_NIL)
		return 0;
	if (h.kind != UNPACK_ARRAY)
		return refuse_kind(&h, "an array or nil", e);
	return get_fields(u, f->of, h.number, base + f->at, root, e);
}

static int get_elements(struct unpack *u, const struct shape *of, size_t n, uint8_t *at, uint8_t *root, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = get_struct(u, of, at + i * of->size, root, e);
		if (rc < 0)
			(void)err_wrap(e, "number %zu", i + 1); /* rc goes on */
	}
	return rc;
}

static int get_list(struct unpack *u, const struct shape_field *f, uint8_t *base, uint8_t *root, struct err *e)
{
	size_t n = 0, first = 0;
	int rc = shape_get_array(u, &n, e);
	uint8_t *at = base + f->at;

	if (rc < 0)
		return rc;
	if (f->kind == SHAPE_POOL) {
		first = load(root + f->pool_n_at, 2);
		at = root + f->pool_at + first * f->of->size;
	}
	rc = check_bounds(f, first + n, " in all", e);
	if (rc < 0)
		return rc;
	store(base + f->n_at, f->n_size, n);
	if (f->kind == SHAPE_POOL) {
		store(base + f->first_at, 2, first);
		store(root + f->pool_n_at, 2, first + n);
	}
	return get_elements(u, f->of, n, at, root, e);
}

static int get_uints(struct unpack *u, const struct shape_field *f, uint8_t *base, struct err *e)
{
	struct unpack_head h;
	size_t n = 0;
	int rc = shape_get_array(u, &n, e);

	if (rc == 0)
		rc = check_bounds(f, n, " in all", e);
	if (rc == 0)
		store(base + f->n_at, f->n_size, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = next_of(u, UNPACK_UINT, &h, e);
		if (rc == 0)
			store(base + f->at + i * 8, 8, h.number);
	}
	return rc;
}

static int get_field(struct unpack *u, const struct shape_field *f, uint8_t *base, uint8_t *root, struct err *e)
{
	void *at = base + f->at;

	switch (f->kind) {
	case SHAPE_UINT:
		return get_uint(u, f, at, e);
	case SHAPE_BOOL:
		return get_bool(u, at, e);
	case SHAPE_TEXT:
	case SHAPE_BYTES:
		return get_str(u, f, at, e);
	case SHAPE_FIXED:
		return get_fixed(u, f, at, e);
	case SHAPE_STRUCT:
		return get_struct(u, f->of, at, root, e);
	case SHAPE_OPTION:
		return get_option(u, f, base, root, e);
	case SHAPE_UINTS:
		return get_uints(u, f, base, e);
	case SHAPE_LIST:
	case SHAPE_POOL:
		return get_list(u, f, base, root, e);
	case SHAPE_KIND_MAX:
		break;
	}
	abort();
}

/* One that is not known. */
static int skip_field(struct unpack *u, struct err *e)
{
	int rc = unpack_skip(u, SHAPE_DEPTH_MAX, u->n, e);

	return rc == -E2BIG ? err_set(e, -EBADMSG, "nested deeper than %d", SHAPE_DEPTH_MAX) : rc;
}

static int get_fields(struct unpack *u, const struct shape *s, size_t n, uint8_t *base, uint8_t *root, struct err *e)
{
	int rc = 0;

	if (n < s->n)
		return err_set(e, -EBADMSG, "%zu fields, %zu are needed", n, s->n);
	for (size_t i = 0; i < s->n && rc == 0; i++) {
		rc = get_field(u, &s->fields[i], base, root, e);
		if (rc < 0)
			(void)err_wrap(e, "%s", s->fields[i].name); /* rc goes on */
	}
	for (size_t i = s->n; i < n && rc == 0; i++)
		rc = skip_field(u, e);
	return rc;
}

int shape_get_fields(struct unpack *u, const struct shape *s, size_t n, void *base, struct err *e)
{
	return get_fields(u, s, n, base, base, e);
}

int shape_get(struct unpack *u, const struct shape *s, void *base, struct err *e)
{
	return get_struct(u, s, base, base, e);
}
