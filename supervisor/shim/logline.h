/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_LOGLINE_H
#define SUPERVISOR_SHIM_LOGLINE_H
/*
 * The arithmetic of a log: which bytes of an agent's output make the next whole lines, how they look in the file, and
 * when the file is full. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGLINE_STAMP 28 /* "2026-01-02T03:04:05.678901Z " */

struct logline {
	char stamp[LOGLINE_STAMP];
	size_t stamp_n;	  /* 0: lines are not stamped */
	size_t piece_max; /* a longer line is cut into pieces of this */
	int64_t second;	  /* that `stamp` was made for */
};

struct logline_batch {
	size_t used;	/* bytes of the input that are done with */
	size_t made;	/* bytes of output */
	size_t lines;	/* lines in them */
	bool file_full; /* the next line belongs into the next file */
	bool out_full;	/* the next line did not fit into `out` */
};

/* file_max: bytes of a log file, 0 without bound. A line with its stamp always fits into an empty file. */
void logline_init(struct logline *l, bool stamps, uint64_t file_max);
/* Sets the time of the lines to come: CLOCK_REALTIME in nanoseconds. */
void logline_set_time(struct logline *l, int64_t wall_ns);
/*
 * Makes lines of in[0…n) until something is full or what is left is no whole line; `final` takes that too. `room` is
 * what the file can still take, cap what `out` can (at least stamp + piece_max + 1).
 */
void logline_take(const struct logline *l, const char *in, size_t n, bool final, char *out, size_t cap, uint64_t room,
	struct logline_batch *ret);
/* How many of v[0…n) are whole lines: the bytes up to and with the last newline. */
size_t logline_whole(const char *v, size_t n);
size_t logline_count(const char *v, size_t n);

#endif
