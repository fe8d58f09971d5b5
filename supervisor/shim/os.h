/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_OS_H
#define SUPERVISOR_SHIM_OS_H
/*
 * Small files, clocks and temporary memory, without heap or stdio. Everything returns -errno.
 */
#include <time.h>

#include "base/util.h"

/* Stops the shim when what must be is not; its agent ends with it. */
#define MUST(cond) ((cond) ? (void)0 : __builtin_trap())

int64_t os_now_ns(clockid_t clock);
int64_t os_now_ms(clockid_t clock);

/* Memory for a while; NULL when there is none. Shared with children that are forked when `shared`. */
void *os_map(size_t n, bool shared);
void os_unmap(void *v, size_t n);

/* Reads at most cap - 1 bytes and ends them with a NUL; returns how many. */
ssize_t os_read_file(int dirfd, const char *path, char *out, size_t cap);
int os_write_file(int dirfd, const char *path, const char *v);
/* All of it, or -errno. */
int os_write_all(int fd, const void *v, size_t n);
/* mkdir -p, mode 0755. */
int os_mkdirs(const char *path);
void os_close(int *fd);
/* When a process was started, and its parent, as /proc/PID/stat says it; 0 when it cannot be told. */
uint64_t os_start_time(int pid);
uint64_t os_parent(int pid);
bool os_is_ending(int pid); /* it is out of its groups, or will be in a moment, and waits to be reaped then */

#endif
