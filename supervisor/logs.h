/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_LOGS_H
#define SUPERVISOR_LOGS_H
/*
 * Reading a replica's log, which its shim writes: log_path is the current file, log_path.1 the one before, …
 * A position is (file, offset), so that a reader follows over rotations and misses nothing that is
 * still kept.
 */
#include "base/bytes.h"
#include "base/err.h"

struct logs_pos {
	uint64_t inode; /* stands for a file (its inode and when it was made); 0: from the start of what is kept */
	int64_t offset;
};

/* Finds where the last n lines start (over all kept files). */
int logs_tail(const char *log_path, int64_t n, struct logs_pos *ret, struct err *e);
/* Appends what follows *pos, whole lines where possible, at most max bytes, and moves *pos; nothing new is 0 bytes.
 * When the file of *pos is gone (rotated away), goes on with the oldest kept and sets *ret_gap. */
int logs_read(const char *log_path, struct logs_pos *pos, size_t max, struct bytes *out, bool *ret_gap, struct err *e);
/* Removes a replica's logs. */
int logs_remove(const char *log_path, struct err *e);

#endif
