/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_LOGFILE_H
#define SUPERVISOR_SHIM_LOGFILE_H
/*
 * The files of one log: path, path.1, … path.keep, rotated at a size. Whole lines in, whole lines on disk: what
 * cannot be written is dropped by the line, counted, and told in the log itself once there is room again.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOGFILE_NOTE_MAX 160 /* the line about dropped ones, without its stamp */

struct logfile {
	const char *path; /* borrowed */
	uint64_t max;	  /* 0: without bound */
	uint32_t keep;
	int fd; /* -1: it cannot be opened at present */
	uint64_t size;
	uint64_t dropped;     /* lines, in all */
	uint64_t dropped_now; /* since one was written */
	int drop_errno;
};

/* 0, or -errno when there is no way to write there. The file itself is made with the first line: making a thousand
 * takes longer than starting their agents. */
int logfile_open(struct logfile *f);
/* Bytes that the current file still takes. */
uint64_t logfile_room(const struct logfile *f);
/* On to the next file. */
void logfile_rotate(struct logfile *f);
/* Writes whole lines that fit, or drops them. `stamp` goes before a line of our own. */
void logfile_write(struct logfile *f, const char *v, size_t n, const char *stamp, size_t stamp_n);
void logfile_close(struct logfile *f);

#endif
