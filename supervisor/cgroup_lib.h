/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_CGROUP_LIB_H
#define SUPERVISOR_CGROUP_LIB_H
/*
 * What is asked of libcgroup. Apart from the rest, because its header has a struct cgroup of its own. Not to be called
 * by two threads at once.
 */
#include "base/err.h"

/* Calls fn for each controller that is mounted; fn's negative return ends it, as out of memory. */
int cgroup_lib_mounts(int (*fn)(void *arg, const char *controller, const char *path), void *arg, struct err *e);
/* Makes the group `parent` for the named controllers: 0, or -EIO with libcgroup's reason. */
int cgroup_lib_make(const char *parent, const char *const *controllers, size_t n, struct err *e);

#endif
