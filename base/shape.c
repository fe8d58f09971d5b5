/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk each way over the tables of shape.h. How deep it goes is the tables' affair, not a frame's.
 */
#include "base/shape.h"

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

static const uint8_t *load_pointer(const void *at)
{
	const uint8_t *v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* ---- out ---- */

static int write_out(void *data, const char *v, size_t n)
{
	struct shape_out *out = data;

	if (out->full || n > out->cap - out->n) {
		out->full = true;
		return -1;
	}
	if (out->v && n > 0)
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

static void put_text(struct shape_out *out, const void *v, size_t n)
{
	(void)msgpack_pack_str(&out->packer, n);
	(void)msgpack_pack_str_body(&out->packer, v, n);
}

static void put_array(struct shape_out *out, const struct shape_field *f, const uint8_t *at, size_t n)
{
	assert(n <= f->max);
	(void)msgpack_pack_array(&out->packer, n);
	for (size_t i = 0; i < n; i++)
		if (f->kind == SHAPE_UINTS)
			(void)msgpack_pack_uint64(&out->packer, load(at + i * 8, 8));
		else
			put_bytes(out, at + i * f->size, f->size);
}

static void put_list(struct shape_out *out, const struct shape *of, const uint8_t *at, size_t n, const uint8_t *root)
{
	(void)msgpack_pack_array(&out->packer, n);
	for (size_t i = 0; i < n; i++)
		put_struct(out, of, at + i * of->size, root);
}

static void put_field(struct shape_out *out, const struct shape_field *f, const uint8_t *base, const uint8_t *root)
{
	const uint8_t *at = base + f->at;
	uint64_t n = f->n_size ? load(base + f->n_at, f->n_size) : 0;

	switch (f->kind) {
	case SHAPE_UINT:
		(void)msgpack_pack_uint64(&out->packer, load(at, f->size));
		break;
	case SHAPE_BOOL:
		(void)(load(at, 1) ? msgpack_pack_true(&out->packer) : msgpack_pack_false(&out->packer));
		break;
	case SHAPE_TEXT:
		put_text(out, load_pointer(at), n);
		break;
	case SHAPE_NAME:
		assert(n <= f->size);
		put_text(out, at, n);
		break;
	case SHAPE_BYTES:
		put_bytes(out, load_pointer(at), n);
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
	case SHAPE_FIXEDS:
		put_array(out, f, at, n);
		break;
	case SHAPE_LIST:
	case SHAPE_FAR:
		assert(n <= f->max);
		put_list(out, f->of, f->kind == SHAPE_FAR ? load_pointer(at) : at, n, root);
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

/* What all levels of one decoding share. */
struct in {
	struct unpack *u;
	uint8_t *root;	   /* the outermost struct */
	struct arena *far; /* or NULL */
};

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

static int get_str(struct unpack *u, const struct shape_field *f, uint8_t *base, struct err *e)
{
	struct unpack_head h;
	bool is_bytes = f->kind == SHAPE_BYTES;
	int rc = next_of(u, is_bytes ? UNPACK_BIN : UNPACK_STR, &h, e);

	if (rc == 0)
		rc = check_bounds(f, h.n_bytes, " bytes", e);
	if (rc == 0 && !is_bytes && !is_clean(h.bytes, h.n_bytes))
		rc = err_set(e, -EBADMSG, "has bytes that are no text");
	if (rc < 0)
		return rc;
	store(base + f->n_at, f->n_size, h.n_bytes);
	if (f->kind != SHAPE_NAME) {
		memcpy(base + f->at, &h.bytes, sizeof(h.bytes));
		return 0;
	}
	assert(h.n_bytes <= f->size);
	memset(base + f->at, 0, f->size);
	memcpy(base + f->at, h.bytes, h.n_bytes);
	return 0;
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

static int get_fields(const struct in *in, const struct shape *s, size_t n, uint8_t *base, struct err *e);

static int get_struct(const struct in *in, const struct shape *s, uint8_t *base, struct err *e)
{
	size_t n = 0;
	int rc = shape_get_array(in->u, &n, e);

	return rc < 0 ? rc : get_fields(in, s, n, base, e);
}

static int get_option(const struct in *in, const struct shape_field *f, uint8_t *base, struct err *e)
{
	struct unpack_head h;
	int rc = unpack_next(in->u, &h, e);

	if (rc < 0)
		return rc;
	memset(base + f->at, 0, f->of->size);
	store(base + f->n_at, f->n_size, h.kind != UNPACK_NIL);
	if (h.kind == UNPACK_NIL)
		return 0;
	if (h.kind != UNPACK_ARRAY)
		return refuse_kind(&h, "an array or nil", e);
	return get_fields(in, f->of, h.number, base + f->at, e);
}

/* An array that is pointed to. Each element takes its head, and a byte at least of each field. */
static int get_far(const struct in *in, const struct shape_field *f, size_t n, uint8_t **ret, struct err *e)
{
	size_t left = in->u->n - in->u->at;

	assert(in->far);
	*ret = NULL;
	if (n == 0)
		return 0;
	if (n > left / (1 + f->of->n))
		return err_set(e, -EBADMSG, "%zu announced, %zu bytes are there", n, left);
	*ret = arena_alloc(in->far, n * f->of->size);
	return *ret ? 0 : err_set(e, -ENOMEM, "no memory for %zu of them", n);
}

/* Where the elements go, once their count is known. */
static int get_place(
	const struct in *in, const struct shape_field *f, size_t n, uint8_t *base, uint8_t **ret, struct err *e)
{
	size_t first = f->kind == SHAPE_POOL ? load(in->root + f->pool_n_at, 2) : 0;
	int rc = check_bounds(f, first + n, " in all", e);

	*ret = base + f->at;
	if (rc == 0 && f->kind == SHAPE_FAR) {
		rc = get_far(in, f, n, ret, e);
		memcpy(base + f->at, ret, sizeof(*ret));
	}
	if (rc < 0)
		return rc;
	store(base + f->n_at, f->n_size, n);
	if (f->kind == SHAPE_POOL) {
		*ret = in->root + f->pool_at + first * f->of->size;
		store(base + f->first_at, 2, first);
		store(in->root + f->pool_n_at, 2, first + n);
	}
	return 0;
}

static int get_list(const struct in *in, const struct shape_field *f, uint8_t *base, struct err *e)
{
	uint8_t *at = NULL;
	size_t n = 0;
	int rc = shape_get_array(in->u, &n, e);

	if (rc == 0)
		rc = get_place(in, f, n, base, &at, e);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = get_struct(in, f->of, at + i * f->of->size, e);
		if (rc < 0)
			(void)err_wrap(e, "number %zu", i + 1); /* rc goes on */
	}
	return rc;
}

/* Numbers, or runs of bytes of one length. */
static int get_array(struct unpack *u, const struct shape_field *f, uint8_t *base, struct err *e)
{
	struct unpack_head h;
	size_t n = 0;
	int rc = shape_get_array(u, &n, e);

	if (rc == 0)
		rc = check_bounds(f, n, " in all", e);
	if (rc == 0)
		store(base + f->n_at, f->n_size, n);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (f->kind == SHAPE_FIXEDS) {
			rc = get_fixed(u, f, base + f->at + i * f->size, e);
			continue;
		}
		rc = next_of(u, UNPACK_UINT, &h, e);
		if (rc == 0)
			store(base + f->at + i * 8, 8, h.number);
	}
	return rc;
}

static int get_field(const struct in *in, const struct shape_field *f, uint8_t *base, struct err *e)
{
	void *at = base + f->at;

	switch (f->kind) {
	case SHAPE_UINT:
		return get_uint(in->u, f, at, e);
	case SHAPE_BOOL:
		return get_bool(in->u, at, e);
	case SHAPE_TEXT:
	case SHAPE_BYTES:
	case SHAPE_NAME:
		return get_str(in->u, f, base, e);
	case SHAPE_FIXED:
		return get_fixed(in->u, f, at, e);
	case SHAPE_STRUCT:
		return get_struct(in, f->of, at, e);
	case SHAPE_OPTION:
		return get_option(in, f, base, e);
	case SHAPE_UINTS:
	case SHAPE_FIXEDS:
		return get_array(in->u, f, base, e);
	case SHAPE_LIST:
	case SHAPE_FAR:
	case SHAPE_POOL:
		return get_list(in, f, base, e);
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

static int get_fields(const struct in *in, const struct shape *s, size_t n, uint8_t *base, struct err *e)
{
	size_t need = s->need ? s->need : s->n;
	int rc = 0;

	if (n < need)
		return err_set(e, -EBADMSG, "%zu fields, %zu are needed", n, need);
	for (size_t i = 0; i < MIN(n, s->n) && rc == 0; i++) {
		rc = get_field(in, &s->fields[i], base, e);
		if (rc < 0)
			(void)err_wrap(e, "%s", s->fields[i].name); /* rc goes on */
	}
	for (size_t i = s->n; i < n && rc == 0; i++)
		rc = skip_field(in->u, e);
	return rc;
}

int shape_get_fields(struct unpack *u, const struct shape *s, size_t n, void *base, struct arena *far, struct err *e)
{
	return get_fields(&(struct in){u, base, far}, s, n, base, e);
}

int shape_get(struct unpack *u, const struct shape *s, void *base, struct err *e)
{
	return get_struct(&(struct in){u, base, NULL}, s, base, e);
}

int shape_get_type(struct unpack *u, const char *what, unsigned first, unsigned types, unsigned *ret_type,
	size_t *ret_fields, struct err *e)
{
	struct unpack_head h;
	size_t n = 0;
	int rc = shape_get_array(u, &n, e);

	if (rc == 0 && n == 0)
		rc = err_set(e, -EBADMSG, "is empty");
	if (rc == 0)
		rc = unpack_next(u, &h, e);
	if (rc == 0 && h.kind != UNPACK_UINT)
		rc = err_set(e, -EBADMSG, "begins with %s, must begin with its type", unpack_kind_text(h.kind));
	if (rc < 0) {
		(void)err_wrap(e, "%s", what); /* rc goes on */
		return rc;
	}
	if (h.number < first || h.number >= types)
		return err_set(e, -ENOTSUP, "%s: there is no type %llu", what, (unsigned long long)h.number);
	*ret_type = (unsigned)h.number;
	*ret_fields = n - 1;
	return 0;
}
