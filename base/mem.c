/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The allocator with a fault in it. The countdown is a thread's own, so that it costs one decrement and needs
 * no lock; it exists for tests/oom alone.
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local unsigned long fail_in;
static _Thread_local bool reached;

static bool fails_now(void)
{
	if (fail_in == 0 || --fail_in > 0)
		return false;
	reached = true;
	return true;
}

bool mem_fail_at(unsigned long n)
{
	bool was = reached;

	fail_in = n;
	reached = false;
	return was;
}

void *mem_alloc(size_t n)
{
	return fails_now() ? NULL : malloc(n ? n : 1);
}

void *mem_zalloc(size_t count, size_t size)
{
	return fails_now() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *mem_realloc(void *p, size_t n)
{
	return fails_now() ? NULL : realloc(p, n ? n : 1);
}

void *mem_give(void *ctx, size_t n)
{
	(void)ctx;
	return mem_alloc(n);
}

void mem_take_back(void *ctx, void *p, size_t n)
{
	(void)ctx;
	(void)n;
	free(p);
}

char *mem_strndup(const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *d = mem_alloc(len + 1);

	if (!d)
		return NULL;
	memcpy(d, s, len);
	d[len] = '\0';
	return d;
}

char *mem_strdup(const char *s)
{
	return mem_strndup(s, strlen(s));
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	s = mem_alloc((size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(s, (size_t)n + 1, fmt, ap); /* sized by the first pass */
	va_end(ap);
	return s;
}
