/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_FAULT_VFS_H
#define TESTS_LIB_FAULT_VFS_H
/*
 * A disk with faults for SQLite: a VFS over the real one that becomes the default. Its faults are set from the test's
 * thread and met on the storage thread.
 */
#include <stdbool.h>

void fault_vfs_install(void); /* once a process */
void fault_vfs_reset(void);
void fault_vfs_full_after(long writes); /* so many writes still succeed, then the disk is full; -1: there is room */
void fault_vfs_full_beyond(long bytes); /* no file grows past it; -1: no bound */
void fault_vfs_fail_write(long nth);	/* the n-th write from now fails with EIO, once; 0: none */
void fault_vfs_fail_sync(long nth);	/* the n-th sync from now, likewise */
void fault_vfs_fail_db_sync(long nth);	/* of the database's own file: a checkpoint's */
void fault_vfs_hold_syncs(bool hold);	/* syncs wait until they are let go: a slow disk */
void fault_vfs_let_sync(void);		/* one of those that are held */
long fault_vfs_writes(void);		/* since the reset */
bool fault_vfs_is_holding(void);	/* a sync waits */
long fault_vfs_syncs(void);

#endif
