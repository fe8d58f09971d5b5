/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with a file, kept as FILE:LINE: KEY: text. The words come from the callers; here they are bounded,
 * ordered by line, and made safe to print on a terminal.
 */
#include "supervisor/spec.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Controls (C0, DEL, and C1 as UTF-8 writes it) become '?', so that a file cannot speak to the terminal. */
static void make_printable(char *s)
{
	for (unsigned char *p = (unsigned char *)s; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

/* Leaves no half of a character at the end of a text that was cut, and marks the cut. */
static void mark_cut(char *s, size_t size)
{
	static const char mark[] = "…";
	size_t n = size - sizeof(mark);

	while (n && ((unsigned char)s[n] & 0xc0) == 0x80)
		n--;
	memcpy(s + n, mark, sizeof(mark));
}

void spec_fault_add(struct spec_faults *f, int line, const char *key, const char *fmt, ...)
{
	struct spec_fault *x;
	va_list ap;

	f->total++;
	if (f->n == FAULTS_MAX)
		return;
	x = &f->v[f->n++];
	x->line = line;
	if ((size_t)snprintf(x->key, sizeof(x->key), "%s", key) >= sizeof(x->key))
		mark_cut(x->key, sizeof(x->key));
	va_start(ap, fmt);
	if ((size_t)vsnprintf(x->text, sizeof(x->text), fmt, ap) >= sizeof(x->text))
		mark_cut(x->text, sizeof(x->text));
	va_end(ap);
	make_printable(x->key);
	make_printable(x->text);
}

void spec_fault_sort(struct spec_faults *f)
{
	for (size_t i = 1; i < f->n; i++) {
		struct spec_fault x = f->v[i];
		size_t at = i;

		if (f->v[i - 1].line <= x.line)
			continue;
		for (; at > 0 && f->v[at - 1].line > x.line; at--)
			f->v[at] = f->v[at - 1];
		f->v[at] = x;
	}
}

char *spec_fault_text(const char *file, const struct spec_fault *f, char *out, size_t n)
{
	char line[16] = "";

	if (f->line > 0)
		(void)snprintf(line, sizeof(line), ":%d", f->line); /* fits any int */
	(void)snprintf(
		out, n, "%s%s: %s%s%s", file, line, f->key, *f->key ? ": " : "", f->text); /* a longer path is cut */
	return out;
}

int spec_fault_of_read(struct spec_faults *f, const struct err *e, size_t max_bytes)
{
	if (e->code == -EISDIR)
		spec_fault_add(f, 0, "", "is a directory");
	else if (e->code == -EFBIG)
		spec_fault_add(f, 0, "", "larger than %zu bytes", max_bytes);
	else if (e->code == -EINVAL)
		spec_fault_add(f, 0, "", "not a regular file");
	else
		spec_fault_add(f, 0, "", "cannot be read: %s", strerror(-e->code));
	return -EINVAL;
}
