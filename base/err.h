/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ERR_H
#define BASE_ERR_H
/*
 * An error that explains itself. It lives on the caller's stack; the callee fills it and returns the same
 * negative errno; each caller on the way up puts in front what it was doing:
 *
 *	start web.0: open '/x': No such file or directory
 *
 * Every function accepts a NULL err and then only returns the code (err_wrap, which has none then, -EIO). Arguments may
 * point into the text they replace.
 */
#include <stdarg.h>
#include "base/util.h"

#define ERR_TEXT_MAX 384

struct err {
	int code;		 /* 0, or a negative errno */
	char text[ERR_TEXT_MAX]; /* never ends in a newline; cut with "…" when too long */
};

/* Sets code (a negative errno) and text, and returns code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with ": strerror(errno)" appended; the code is -errno (or -EIO when errno is 0). */
int err_errno(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "what: " in front of the text already there, and returns the code. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
