/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SHIMFILES_H
#define NODE_SHIMFILES_H
/*
 * What shims keep, by the file stem of their replica: sockets in run_dir/shims, and records of how runs ended there, or
 * in data_dir/ends, when no daemon heard of the end or the host went down (supervisor/shim_proto.h).
 */
#include "base/bytes.h"
#include "node/config.h"

/* data_dir/ends. out is of 4096 bytes; returns it. */
char *shimfiles_ends(const struct config *cfg, char *out);
/* 0, or -errno of the last place that was looked at. */
int shimfiles_read_record(const struct config *cfg, const char *stem, uint64_t run, struct bytes *out);
/* 0, -ENOENT: it is not there, -errno. */
int shimfiles_remove_record(const struct config *cfg, const char *stem, uint64_t run);
/* Those that a killed shim left. Of a replica that no shim runs, or is about to. */
void shimfiles_remove_sockets(const struct config *cfg, const char *stem);

/* next: the name of the file behind this one, NULL behind the last. */
typedef void shimfiles_fn(void *arg, const char *path, const char *name, const char *next);
/* Each file of run_dir/shims. */
int shimfiles_each(const struct config *cfg, shimfiles_fn *fn, void *arg, struct err *e);
/* Each of run_dir/shims and data_dir/ends, in one order: that of their names, in which numbers count as such. What
 * cannot be read of the second is told, and left. */
int shimfiles_each_record(const struct config *cfg, shimfiles_fn *fn, void *arg, struct err *e);

#endif
