/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_SENTENCE_H
#define SCHEDULER_SENTENCE_H
/*
 * A text that grows in the caller's memory, part by part.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/util.h"

struct sentence {
	char *out;
	size_t n, at;
};

/* Appends; what does not fit is cut. */
static inline void PRINTF_LIKE(2, 3) say(struct sentence *s, const char *fmt, ...)
{
	va_list ap;
	int more;

	va_start(ap, fmt);
	more = s->at < s->n ? vsnprintf(s->out + s->at, s->n - s->at, fmt, ap) : 0;
	va_end(ap);
	if (more > 0)
		s->at += (size_t)more;
}

#endif
