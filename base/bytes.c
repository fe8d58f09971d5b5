/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing run of bytes with a bound.
 */
#include "base/bytes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define CAP_MIN 63

void bytes_init(struct bytes *b, size_t max)
{
	*b = (struct bytes){.max = max};
}

void bytes_done(struct bytes *b)
{
	free(b->v);
	*b = (struct bytes){.max = b->max};
}

void bytes_clear(struct bytes *b)
{
	b->n = 0;
	b->failed = false;
	if (b->v)
		b->v[0] = '\0';
}

int bytes_reserve(struct bytes *b, size_t more)
{
	size_t cap;
	char *v;

	if (b->failed)
		return -ENOMEM;
	if (more > b->max - b->n || more > PTRDIFF_MAX) {
		b->failed = true;
		return -EMSGSIZE;
	}
	if (b->n + more < b->cap)
		return 0;
	cap = MAX(b->cap * 2, (size_t)CAP_MIN);
	cap = MAX(MIN(cap, b->max), b->n + more) + 1; /* the NUL */
	v = mem_realloc(b->v, cap);
	if (!v) {
		b->failed = true;
		return -ENOMEM;
	}
	b->v = v;
	b->cap = cap;
	return 0;
}

int bytes_add(struct bytes *b, const void *v, size_t n)
{
	int rc = bytes_reserve(b, n);

	if (rc < 0)
		return rc;
	if (n)
		memcpy(b->v + b->n, v, n);
	b->n += n;
	b->v[b->n] = '\0';
	return 0;
}

int bytes_str(struct bytes *b, const char *s)
{
	return bytes_add(b, s, strlen(s));
}

int bytes_vfmt(struct bytes *b, const char *fmt, va_list ap)
{
	va_list again;
	int want, rc;

	va_copy(again, ap);
	want = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(want >= 0);
	rc = bytes_reserve(b, (size_t)want);
	if (rc < 0)
		return rc;
	(void)vsnprintf(b->v + b->n, (size_t)want + 1, fmt, ap); /* the room was reserved just above */
	b->n += (size_t)want;
	return 0;
}

int bytes_fmt(struct bytes *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = bytes_vfmt(b, fmt, ap);
	va_end(ap);
	return rc;
}

char *bytes_take(struct bytes *b)
{
	char *v = b->failed ? NULL : b->v;

	if (!v)
		free(b->v);
	*b = (struct bytes){.max = b->max};
	return v;
}
