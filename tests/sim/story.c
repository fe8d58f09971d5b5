/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of the last events' lines.
 */
#include "tests/sim/story.h"

#include <inttypes.h>
#include <stdarg.h>

void story_init(struct story *s, FILE *live)
{
	*s = (struct story){.live = live};
	s->v = calloc(STORY_LINES, sizeof(s->v[0]));
	assert(s->v);
}

void story_done(struct story *s)
{
	free(s->v);
	s->v = NULL;
}

static void write_line(const struct story_line *l, FILE *to)
{
	(void)fprintf(to, "[%10.3f] ", (double)l->at_us / 1000);
	if (l->node != UINT32_MAX)
		(void)fprintf(to, "n%" PRIu32, l->node);
	(void)fprintf(to, " %s\n", l->text);
}

void story_tell(struct story *s, int64_t at_us, uint32_t node, uint32_t other, const char *fmt, ...)
{
	struct story_line *l = &s->v[s->n++ % STORY_LINES];
	va_list ap;

	l->at_us = at_us;
	l->node = node;
	l->other = other;
	va_start(ap, fmt);
	(void)vsnprintf(l->text, sizeof(l->text), fmt, ap);
	va_end(ap);
	if (s->live)
		write_line(l, s->live);
}

void story_write(const struct story *s, FILE *to, uint32_t node, size_t most)
{
	uint64_t oldest = s->n > STORY_LINES ? s->n - STORY_LINES : 0, from = s->n;

	for (uint64_t i = s->n; i > oldest && most; i--) {
		const struct story_line *l = &s->v[(i - 1) % STORY_LINES];

		if (node == UINT32_MAX || l->node == node || l->other == node) {
			from = i - 1;
			most--;
		}
	}
	for (uint64_t i = from; i < s->n; i++) {
		const struct story_line *l = &s->v[i % STORY_LINES];

		if (node == UINT32_MAX || l->node == node || l->other == node)
			write_line(l, to);
	}
}
