/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msgpack into bounded bytes. What msgpack-c's packers return is what write_out said, and out->failed keeps
 * that, to be asked once at the end: hence the (void)s.
 */
#include "node/mp.h"

#include <string.h>

#include "base/units.h"
#include "base/utf8.h"

static int write_out(void *data, const char *v, size_t n)
{
	return bytes_add(data, v, n) < 0 ? -1 : 0;
}

void mp_writer_init(struct mp_writer *w, struct bytes *out)
{
	w->out = out;
	msgpack_packer_init(&w->packer, out, write_out);
}

/* What msgpack-c's packers return is what write_out said, and out->failed keeps that: hence the (void)s
 * below. */

void mp_object(struct mp_writer *w, const msgpack_object *o)
{
	(void)msgpack_pack_object(&w->packer, *o);
}

void mp_map(struct mp_writer *w, size_t pairs)
{
	(void)msgpack_pack_map(&w->packer, pairs);
}

void mp_array(struct mp_writer *w, size_t n)
{
	(void)msgpack_pack_array(&w->packer, n);
}

static void pack_cleaned(struct mp_writer *w, const char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		uint32_t c;
		size_t k = utf8_decode(s + i, n - i, &c);

		(void)msgpack_pack_str_body(&w->packer, k ? s + i : UTF8_REPLACEMENT, k ? k : UTF8_REPLACEMENT_LEN);
		i += k ? k : 1;
	}
}

void mp_strn(struct mp_writer *w, const char *s, size_t n)
{
	size_t clean = utf8_clean_len(s, n);

	(void)msgpack_pack_str(&w->packer, clean);
	if (clean == n)
		(void)msgpack_pack_str_body(&w->packer, s, n);
	else
		pack_cleaned(w, s, n);
}

void mp_str(struct mp_writer *w, const char *s)
{
	if (s)
		mp_strn(w, s, strlen(s));
	else
		mp_nil(w);
}

void mp_bin(struct mp_writer *w, const void *v, size_t n)
{
	(void)msgpack_pack_bin(&w->packer, n);
	(void)msgpack_pack_bin_body(&w->packer, v, n);
}

void mp_int(struct mp_writer *w, int64_t v)
{
	(void)msgpack_pack_int64(&w->packer, v);
}

void mp_uint(struct mp_writer *w, uint64_t v)
{
	(void)msgpack_pack_uint64(&w->packer, v);
}

void mp_bool(struct mp_writer *w, bool v)
{
	(void)(v ? msgpack_pack_true(&w->packer) : msgpack_pack_false(&w->packer));
}

void mp_double(struct mp_writer *w, double v)
{
	(void)msgpack_pack_double(&w->packer, v);
}

void mp_nil(struct mp_writer *w)
{
	(void)msgpack_pack_nil(&w->packer);
}

void mp_raw(struct mp_writer *w, const struct bytes *packed)
{
	if (packed->failed || packed->n == 0)
		w->out->failed = true;
	else
		(void)bytes_add(w->out, packed->v, packed->n); /* out->failed tells */
}

void mp_key_str(struct mp_writer *w, const char *key, const char *v)
{
	mp_str(w, key);
	mp_str(w, v);
}

void mp_key_int(struct mp_writer *w, const char *key, int64_t v)
{
	mp_str(w, key);
	mp_int(w, v);
}

void mp_key_bool(struct mp_writer *w, const char *key, bool v)
{
	mp_str(w, key);
	mp_bool(w, v);
}

void mp_key_double(struct mp_writer *w, const char *key, double v)
{
	mp_str(w, key);
	mp_double(w, v);
}

void mp_key_time(struct mp_writer *w, const char *key, int64_t wall_ms)
{
	char text[UNITS_TEXT_MAX];

	mp_key_str(w, key, wall_ms ? units_time(text, wall_ms) : NULL);
}
