/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields by position, out of bytes that nobody vouches for and into bytes of a bound. See register_bytes.h.
 */
#include "node/register_bytes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* ---- in ---- */

int register_refuse(struct register_in *in, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (in->rc < 0)
		return in->rc;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
	va_end(ap);
	in->rc = err_set(in->e, -EBADMSG, "%s", text);
	return in->rc;
}

void register_wrap(struct register_in *in, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	if (in->rc >= 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* as above */
	va_end(ap);
	(void)err_wrap(in->e, "%s", text); /* rc stays */
}

static bool next(struct register_in *in, const char *what, enum unpack_kind kind, struct unpack_head *ret)
{
	if (in->rc < 0)
		return false;
	in->rc = unpack_next(&in->u, ret, in->e);
	if (in->rc == 0 && ret->kind != kind)
		in->rc = err_set(
			in->e, -EBADMSG, "is %s, must be %s", unpack_kind_text(ret->kind), unpack_kind_text(kind));
	if (in->rc < 0)
		(void)err_wrap(in->e, "%s", what); /* rc stays */
	return in->rc == 0;
}

static bool is_within(struct register_in *in, const char *what, const char *of, uint64_t n, uint64_t min, uint64_t max)
{
	if (n >= min && n <= max)
		return true;
	(void)register_refuse(in, "%s: %llu%s, must be from %llu to %llu", what, (unsigned long long)n, of,
		(unsigned long long)min, (unsigned long long)max); /* in->rc tells */
	return false;
}

size_t register_get_array(struct register_in *in, const char *what, size_t min, size_t max)
{
	struct unpack_head h;

	return next(in, what, UNPACK_ARRAY, &h) && is_within(in, what, " in it", h.number, min, max) ? h.number : 0;
}

uint64_t register_get_uint(struct register_in *in, const char *what, uint64_t min, uint64_t max)
{
	struct unpack_head h;

	return next(in, what, UNPACK_UINT, &h) && is_within(in, what, "", h.number, min, max) ? h.number : 0;
}

bool register_get_bool(struct register_in *in, const char *what)
{
	struct unpack_head h;

	return next(in, what, UNPACK_BOOL, &h) && h.number != 0;
}

struct msg_bytes register_get_bin(struct register_in *in, const char *what, size_t min, size_t max)
{
	struct unpack_head h;

	if (!next(in, what, UNPACK_BIN, &h) || !is_within(in, what, " bytes", h.n_bytes, min, max))
		return (struct msg_bytes){0};
	return (struct msg_bytes){.v = h.bytes, .n = h.n_bytes};
}

/* The length of a character that may stand in a log; 0: none begins here. */
static size_t clean_char(const char *s, size_t n)
{
	uint32_t c = (unsigned char)*s;
	size_t len = 1;

	if (c >= 0x80)
		len = utf8_decode(s, n, &c);
	return c < 0x20 || (c >= 0x7f && c < 0xa0) ? 0 : len;
}

void register_get_text(struct register_in *in, const char *what, char *out, size_t n)
{
	struct unpack_head h;

	out[0] = '\0';
	if (!next(in, what, UNPACK_STR, &h) || !is_within(in, what, " bytes", h.n_bytes, 0, n - 1))
		return;
	for (size_t i = 0, len; i < h.n_bytes; i += len) {
		len = clean_char((const char *)h.bytes + i, h.n_bytes - i);
		if (len == 0) {
			(void)register_refuse(in, "%s: has bytes that are no text", what); /* in->rc tells */
			return;
		}
	}
	memcpy(out, h.bytes, h.n_bytes);
	out[h.n_bytes] = '\0';
}

void register_get_ops(struct register_in *in, char ops[SCHED_OPS_MAX][OP_ID_MAX + 1], size_t *ret_n)
{
	size_t n = register_get_array(in, "operations", 0, SCHED_OPS_MAX);

	for (size_t i = 0; i < n && in->rc == 0; i++) {
		struct msg_bytes id = register_get_bin(in, "operation", 1, OP_ID_MAX);

		if (in->rc < 0)
			return;
		if (memchr(id.v, '\0', id.n))
			(void)register_refuse(in, "operation: has a NUL"); /* in->rc tells */
		memcpy(ops[i], id.v, id.n);
		ops[i][id.n] = '\0';
	}
	*ret_n = n;
}

bool register_get_nil(struct register_in *in)
{
	if (in->rc < 0 || in->u.at == in->u.n || in->u.v[in->u.at] != 0xc0)
		return false;
	in->u.at++;
	return true;
}

static int compare(const struct register_key *a, const struct register_key *b)
{
	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return sched_compare_node(a->node, b->node);
}

/* They come nearly in order. */
static void keep(struct register_in *in, const struct register_more *m)
{
	size_t i = in->n_more;

	for (; i > 0 && compare(&in->more[i - 1].key, &m->key) > 0; i--)
		in->more[i] = in->more[i - 1];
	in->more[i] = *m;
}

void register_get_more(struct register_in *in, struct register_key key, size_t n, size_t known)
{
	struct register_more m = {.key = key, .bytes.v = in->u.v + in->u.at, .n = n - known};
	size_t from = in->u.at;

	if (in->rc < 0 || n <= known)
		return;
	for (size_t i = known; i < n && in->rc == 0; i++)
		in->rc = unpack_skip(&in->u, REGISTER_DEPTH_MAX, in->u.n, in->e);
	if (in->rc == -E2BIG)
		in->rc = err_set(in->e, -EBADMSG, "nested deeper than %d", REGISTER_DEPTH_MAX);
	if (in->rc < 0)
		return;
	m.bytes.n = in->u.at - from;
	if (in->more)
		keep(in, &m);
	in->n_more++;
}

/* ---- out ---- */

static int write_out(void *data, const char *v, size_t n)
{
	struct register_out *out = data;

	if (out->full || n > out->cap - out->n) {
		out->full = true;
		return -1;
	}
	if (n > 0)
		memcpy(out->v + out->n, v, n);
	out->n += n;
	return 0;
}

void register_out_init(struct register_out *out, uint8_t *v, size_t cap, const struct register_mores *mores)
{
	*out = (struct register_out){.v = v, .cap = cap, .mores = mores};
	msgpack_packer_init(&out->packer, out, write_out);
}

/* What msgpack-c's packers return is what write_out said, and out->full keeps that: hence the (void)s below. */

void register_put_array(struct register_out *out, size_t n)
{
	(void)msgpack_pack_array(&out->packer, n);
}

static const struct register_more *find(const struct register_mores *m, const struct register_key *key)
{
	size_t lo = 0, hi = m ? m->n : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int rc = compare(&m->v[mid].key, key);

		if (rc == 0)
			return &m->v[mid];
		if (rc < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct register_more *register_put_row(struct register_out *out, struct register_key key, size_t known)
{
	const struct register_more *more = find(out->mores, &key);

	register_put_array(out, known + (more ? more->n : 0));
	return more;
}

void register_put_more(struct register_out *out, const struct register_more *more)
{
	if (more)
		(void)write_out(out, (const char *)more->bytes.v, more->bytes.n); /* out->full tells */
}

void register_put_uint(struct register_out *out, uint64_t v)
{
	(void)msgpack_pack_uint64(&out->packer, v);
}

void register_put_bool(struct register_out *out, bool v)
{
	(void)(v ? msgpack_pack_true(&out->packer) : msgpack_pack_false(&out->packer));
}

void register_put_bin(struct register_out *out, const void *v, size_t n)
{
	(void)msgpack_pack_bin(&out->packer, n);
	(void)write_out(out, v, n); /* out->full tells */
}

void register_put_text(struct register_out *out, const char *s)
{
	size_t n = strlen(s), len = 0;

	for (size_t i = 0, k; i < n; i += k ? k : 1, len += k ? k : 1)
		k = clean_char(s + i, n - i);
	(void)msgpack_pack_str(&out->packer, len);
	for (size_t i = 0, k; i < n; i += k ? k : 1) {
		k = clean_char(s + i, n - i);
		(void)write_out(out, k ? s + i : "?", k ? k : 1); /* out->full tells */
	}
}

void register_put_ops(struct register_out *out, const char ops[SCHED_OPS_MAX][OP_ID_MAX + 1], size_t n)
{
	register_put_array(out, n);
	for (size_t i = 0; i < n; i++)
		register_put_bin(out, ops[i], strlen(ops[i]));
}

void register_put_nil(struct register_out *out)
{
	(void)msgpack_pack_nil(&out->packer);
}

/* FNV-1a by eight bytes, folded so that high ones count too. */
uint64_t register_hash(struct msg_bytes value)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ value.n;
	uint8_t last[8] = {0};
	size_t i = 0;

	for (; i + 8 <= value.n; i += 8) {
		h = (h ^ register_load(value.v + i)) * 0x100000001b3ULL;
		h ^= h >> 29;
	}
	if (i < value.n)
		memcpy(last, value.v + i, value.n - i);
	h = (h ^ register_load(last)) * 0x100000001b3ULL;
	return h ^ (h >> 29);
}
