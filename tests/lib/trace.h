/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_TRACE_H
#define TESTS_LIB_TRACE_H
/*
 * Golden traces: a test drives a core with (event, now), writes down what came of it, and compares the whole with one
 * expected text, so that it reads as a story:
 *
 *	TRACE_IS(&t, "[     0] run\n"
 *		     "         -> start\n"
 *		     "         = starting\n");
 *
 * "[time] event", then a line "-> …" for each output, then "= …" with x_dump when it has changed. When it is not as
 * expected, the trace is printed as C text, to be read, judged and pasted.
 */
#include <inttypes.h>
#include <string.h>

#include "base/util.h"
#include "tests/lib/test.h"

#define TRACE_TEXT_MAX 32768

struct trace {
	size_t n;
	char v[TRACE_TEXT_MAX];
	char was[512]; /* the last dump written */
};

static inline void PRINTF_LIKE(2, 3) trace_add(struct trace *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->v + t->n, sizeof(t->v) - t->n, fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(t->v) - t->n);
	t->n += (size_t)n;
}

/* "[time] event" */
#define TRACE_EVENT(t, at_ms, ...)                                 \
	do {                                                       \
		trace_add(t, "[%6" PRId64 "] ", (int64_t)(at_ms)); \
		trace_add(t, __VA_ARGS__);                         \
		trace_add(t, "\n");                                \
	} while (0)

/* "-> output" */
#define TRACE_OUT(t, ...)                     \
	do {                                  \
		trace_add(t, "         -> "); \
		trace_add(t, __VA_ARGS__);    \
		trace_add(t, "\n");           \
	} while (0)

/* "= dump", if it is another than before */
static inline void trace_state(struct trace *t, const char *dump)
{
	if (strcmp(t->was, dump) == 0)
		return;
	assert_true(strlen(dump) < sizeof(t->was));
	(void)strcpy(t->was, dump); /* fits, as just asserted */
	trace_add(t, "         = %s\n", dump);
}

static inline void trace_print(const char *v, size_t differs_at)
{
	size_t line = 1;

	for (size_t i = 0; i < differs_at; i++)
		line += v[i] == '\n';
	(void)fprintf(stderr, "the trace differs first in line %zu; it is:\n\"", line);
	for (; *v; v++) {
		if (*v == '"' || *v == '\\')
			(void)fputc('\\', stderr);
		if (*v == '\n')
			(void)fputs(v[1] ? "\\n\"\n\"" : "\\n", stderr);
		else
			(void)fputc(*v, stderr);
	}
	(void)fputs("\"\n", stderr);
}

/* Compares and begins anew; the last dump stays known, so that a story may be told in chapters. */
static inline void trace_is(struct trace *t, const char *expected, const char *file, int line)
{
	size_t i = 0;

	t->v[t->n] = '\0';
	while (t->v[i] && t->v[i] == expected[i])
		i++;
	if (t->v[i] != expected[i]) {
		trace_print(t->v, i);
		_fail(file, line);
	}
	t->n = 0;
	t->v[0] = '\0';
}

/* The story so far is told elsewhere. */
#define TRACE_CLEAR(t) ((t)->n = 0)

#define TRACE_IS(t, expected) trace_is(t, expected, __FILE__, __LINE__)

#endif
