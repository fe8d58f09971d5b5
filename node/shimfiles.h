/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_SHIMFILES_H
#define NODE_SHIMFILES_H
/*
 * What shims keep in run_dir/shims, by the file stem of their replica: sockets, and records of how runs ended.
 */
#include "node/config.h"

/* out is of 4096 bytes; returns it. */
char *shimfiles_record(const struct config *cfg, const char *stem, uint64_t run, char *out);
/* 0, -ENOENT: it is not there, -errno. */
int shimfiles_remove_record(const struct config *cfg, const char *stem, uint64_t run);
/* Those that a killed shim left. Of a replica that no shim runs, or is about to. */
void shimfiles_remove_sockets(const struct config *cfg, const char *stem);

#endif
