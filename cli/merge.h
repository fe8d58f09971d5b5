/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MERGE_H
#define CLI_MERGE_H
/*
 * Lines of several logs as one text, purely: in the order of the times that they begin with, each behind the name of
 * its log ("web.1 | …", aligned) when there are several. Within a log nothing changes place: a line without a time
 * comes right after the one before it, and a clock that was put back holds up the others, not its own log's order.
 */
#include "base/bytes.h"
#include "base/limits.h"

#define MERGE_STAMP    27		     /* "2026-01-02T03:04:05.678901Z" */
#define MERGE_LINE_MAX (LOG_LINE_MAX + 1024) /* longer ones, which no shim writes, come in pieces */

struct merge_source {
	char name[REPLICA_ID_MAX];
	bool ended; /* nothing more comes for now: the others do not wait for it */
	/* merge.c's own */
	size_t order; /* among those of the same time */
	struct bytes buf;
	size_t at, line; /* the first line that was not printed: where, how long with its end (0: not whole) */
	char stamp[MERGE_STAMP + 1];
};

struct merge {
	struct merge_source **v; /* borrowed, in order */
	size_t n;
	struct merge_source **heap; /* of those that have a line; v and heap are owned, of `cap` */
	size_t n_heap, cap, added;
};

void merge_done(struct merge *m); /* the sources are the caller's: merge_source_done */
/* A zeroed source with a name; borrowed until it is dropped. 0 or -ENOMEM. */
int merge_add(struct merge *m, struct merge_source *s);
/* Out of it again. What it had in lines must have been printed. */
void merge_drop(struct merge *m, struct merge_source *s);
void merge_source_done(struct merge_source *s);

/* What the log goes on with. 0 or -ENOMEM, and nothing was taken. */
int merge_feed(struct merge_source *s, const void *v, size_t n);
static inline bool merge_has_line(const struct merge_source *s)
{
	return s->line > 0;
}
/*
 * Appends lines to out until it has `max` bytes, or a source that has not ended has none. False: stopped by max.
 * out->failed tells.
 */
bool merge_lines(struct merge *m, struct bytes *out, size_t max);
/* What is left of a source, half a line, as a line. */
void merge_rest(const struct merge *m, struct merge_source *s, struct bytes *out);

#endif
