/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors that explain themselves (crun's libcrun_error, without its heap).
 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Ends a text that was too long with "…", between two characters of UTF-8. */
static void cut_mark(char *text, int want)
{
	static const char mark[] = "…";
	size_t at = ERR_TEXT_MAX - sizeof(mark);

	if (want < ERR_TEXT_MAX)
		return;
	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, mark, sizeof(mark));
}

/* The arguments may point into e->text itself: everything is formatted beside it. */
static void set_text(struct err *e, const char *fmt, va_list ap)
{
	char text[ERR_TEXT_MAX];

	cut_mark(text, vsnprintf(text, sizeof(text), fmt, ap));
	memcpy(e->text, text, strlen(text) + 1);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	if (!e)
		return code;
	e->code = code;
	va_start(ap, fmt);
	set_text(e, fmt, ap);
	va_end(ap);
	return code;
}

int err_errno(struct err *e, const char *fmt, ...)
{
	int no = errno ? errno : EIO;
	char what[ERR_TEXT_MAX];
	va_list ap;

	if (!e)
		return -no;
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap); /* cut_mark below tells of a cut */
	va_end(ap);
	e->code = -no;
	cut_mark(e->text, snprintf(e->text, sizeof(e->text), "%s: %s", what, strerror(no)));
	return -no;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char what[ERR_TEXT_MAX], was[ERR_TEXT_MAX];
	va_list ap;

	if (!e)
		return -EIO;
	assert(e->code < 0);
	memcpy(was, e->text, sizeof(was));
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap); /* cut_mark below tells of a cut */
	va_end(ap);
	cut_mark(e->text, snprintf(e->text, sizeof(e->text), "%s: %s", what, was));
	return e->code;
}
