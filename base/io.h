/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_IO_H
#define BASE_IO_H
/*
 * Whole files and whole writes. Edges only.
 */
#include "base/err.h"
#include "base/bytes.h"

/* Reads a whole regular file into out (its max is the bound; empty after a failure): 0, -EFBIG, -EISDIR, -errno. */
int io_read_file(int dirfd, const char *path, struct bytes *out, struct err *e);
/* Writes all, resuming after short writes and EINTR. */
int io_write_all(int fd, const void *v, size_t n);
/*
 * Replaces path by the content, all or nothing: written to "path.new", renamed, both durable when asked for. The mode
 * is exact (no umask). Two writers of one path are the callers' to prevent.
 */
int io_replace_file(int dirfd, const char *path, const void *v, size_t n, unsigned mode, bool durable, struct err *e);
/* mkdir -p: what is there already is fine, unless it is no directory (-ENOTDIR). */
int io_mkdirs(const char *path, unsigned mode, struct err *e);

#endif
