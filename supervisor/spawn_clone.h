/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SPAWN_CLONE_H
#define SUPERVISOR_SPAWN_CLONE_H
/*
 * clone3 with a stack of the child's own, which no libc has a call for.
 */
#include <stddef.h>

/*
 * As clone(fn, …, CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, arg), into the group of cgroup v2 whose directory
 * `into` is. fn does not return. stack: aligned to 16, as its size. The child's pid, or -errno; -ENOSYS also where this
 * is not written for the processor.
 */
int spawn_clone_into(int (*fn)(void *), void *stack, size_t size, void *arg, int into);

#endif
