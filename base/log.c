/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's own log.
 */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static void to_stderr(enum log_level level, const char *agent, const char *replica, const char *text)
{
	static const char *const prefix[] = {
		[LOG_LEVEL_ERR] = "<3>", [LOG_LEVEL_WARN] = "<4>", [LOG_LEVEL_INFO] = "<6>", [LOG_LEVEL_DEBUG] = "<7>"};
	const char *of = replica ? replica : agent;
	char line[LINE_MAX_BYTES];
	int n;

	_Static_assert(ARRAY_LEN(prefix) == LOG_LEVEL_MAX, "a prefix for each level");
	n = snprintf(line, sizeof(line), "%s%s%s%s\n", isatty(STDERR_FILENO) ? "" : prefix[level], of ? of : "",
		of ? ": " : "", text);
	if ((size_t)n >= sizeof(line)) {
		n = sizeof(line) - 1;
		line[n - 1] = '\n';
	}
	(void)!write(STDERR_FILENO, line, (size_t)n); /* a log that cannot be written has nowhere to say so */
}

static log_sink *sink = to_stderr;
static enum log_level most = LOG_LEVEL_INFO;

void log_to(log_sink *to, enum log_level up_to)
{
	sink = to ? to : to_stderr;
	most = up_to;
}

/* What an agent or a peer wrote must not make lines, or terminal sequences, of its own. */
static void one_line(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

void log_line(enum log_level level, const char *agent, const char *replica, const char *fmt, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	if (level > most)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer line is cut */
	va_end(ap);
	one_line(text);
	sink(level, agent, replica, text);
}
