/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H
/*
 * A growing run of bytes with a bound. Once an append did not fit (bound or memory) `failed` stays set and
 * later appends do nothing, so that a writer may check once, at the end. A zeroed one with `max` set is ready.
 */
#include <stdarg.h>
#include "base/util.h"

struct bytes {
	char *v; /* owned; NUL-terminated after any successful append, the NUL not counted */
	size_t n;
	size_t cap;
	size_t max; /* n never passes it */
	bool failed;
};

void bytes_init(struct bytes *b, size_t max);
void bytes_done(struct bytes *b);
void bytes_clear(struct bytes *b);		 /* keeps the memory, forgets the content and the failure */
int bytes_reserve(struct bytes *b, size_t more); /* 0, -ENOMEM or -EMSGSIZE */
int bytes_add(struct bytes *b, const void *v, size_t n);
int bytes_str(struct bytes *b, const char *s);
int bytes_fmt(struct bytes *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int bytes_vfmt(struct bytes *b, const char *fmt, va_list ap);
char *bytes_take(struct bytes *b); /* the caller frees; NULL if failed or never written to */

#endif
