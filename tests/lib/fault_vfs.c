/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk with faults for SQLite. Each file of ours is a header before the real VFS's own file.
 */
#include "tests/lib/fault_vfs.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stddef.h>

struct file {
	sqlite3_file base;
	int main_db;		    /* no log, no journal */
	sqlite3_io_methods methods; /* version 1: no shared memory, no mapping; exclusive locking needs neither */
	_Alignas(8) char real[];
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t let_go;
	sqlite3_vfs vfs, *real;
	long full_after, full_beyond, fail_write, fail_sync, fail_db_sync, writes, syncs;
	long let, held; /* syncs that may go on; that wait, or go on just now */
	bool hold;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .let_go = PTHREAD_COND_INITIALIZER, .full_after = -1, .full_beyond = -1};

static sqlite3_file *real(sqlite3_file *f)
{
	return (sqlite3_file *)(void *)((struct file *)(void *)f)->real;
}

static int write_fault(sqlite3_int64 end)
{
	int rc = SQLITE_OK;

	pthread_mutex_lock(&disk.lock);
	disk.writes++;
	if (disk.full_after == 0 || (disk.full_beyond >= 0 && end > disk.full_beyond))
		rc = SQLITE_FULL;
	else if (disk.full_after > 0)
		disk.full_after--;
	if (disk.fail_write > 0 && --disk.fail_write == 0)
		rc = SQLITE_IOERR_WRITE;
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int sync_fault(int main_db)
{
	int rc = SQLITE_OK;

	pthread_mutex_lock(&disk.lock);
	disk.syncs++;
	disk.held++;
	while (disk.hold && disk.let == 0)
		pthread_cond_wait(&disk.let_go, &disk.lock);
	disk.held--;
	disk.let -= disk.hold;
	if (disk.fail_sync > 0 && --disk.fail_sync == 0)
		rc = SQLITE_IOERR_FSYNC;
	if (main_db && disk.fail_db_sync > 0 && --disk.fail_db_sync == 0)
		rc = SQLITE_IOERR_FSYNC;
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static int x_close(sqlite3_file *f)
{
	return real(f)->pMethods->xClose(real(f));
}

static int x_read(sqlite3_file *f, void *v, int n, sqlite3_int64 at)
{
	return real(f)->pMethods->xRead(real(f), v, n, at);
}

static int x_write(sqlite3_file *f, const void *v, int n, sqlite3_int64 at)
{
	int rc = write_fault(at + n);

	return rc ? rc : real(f)->pMethods->xWrite(real(f), v, n, at);
}

static int x_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	return real(f)->pMethods->xTruncate(real(f), n);
}

static int x_sync(sqlite3_file *f, int flags)
{
	int rc = sync_fault(((struct file *)(void *)f)->main_db);

	return rc ? rc : real(f)->pMethods->xSync(real(f), flags);
}

static int x_size(sqlite3_file *f, sqlite3_int64 *n)
{
	return real(f)->pMethods->xFileSize(real(f), n);
}

static int x_lock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xLock(real(f), level);
}

static int x_unlock(sqlite3_file *f, int level)
{
	return real(f)->pMethods->xUnlock(real(f), level);
}

static int x_check(sqlite3_file *f, int *held)
{
	return real(f)->pMethods->xCheckReservedLock(real(f), held);
}

static int x_control(sqlite3_file *f, int op, void *arg)
{
	return real(f)->pMethods->xFileControl(real(f), op, arg);
}

static int x_sector(sqlite3_file *f)
{
	return real(f)->pMethods->xSectorSize(real(f));
}

static int x_traits(sqlite3_file *f)
{
	return real(f)->pMethods->xDeviceCharacteristics(real(f));
}

static int x_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct file *mine = (struct file *)(void *)f;
	int rc;

	(void)vfs;
	f->pMethods = NULL;
	rc = disk.real->xOpen(disk.real, name, real(f), flags, ret_flags);
	if (rc != SQLITE_OK)
		return rc;
	mine->main_db = flags & SQLITE_OPEN_MAIN_DB;
	mine->methods = (sqlite3_io_methods){.iVersion = 1,
		.xClose = x_close,
		.xRead = x_read,
		.xWrite = x_write,
		.xTruncate = x_truncate,
		.xSync = x_sync,
		.xFileSize = x_size,
		.xLock = x_lock,
		.xUnlock = x_unlock,
		.xCheckReservedLock = x_check,
		.xFileControl = x_control,
		.xSectorSize = x_sector,
		.xDeviceCharacteristics = x_traits};
	f->pMethods = &mine->methods;
	return SQLITE_OK;
}

void fault_vfs_install(void)
{
	sqlite3_vfs *was = sqlite3_vfs_find(NULL);

	assert(was && was != &disk.vfs);
	disk.real = was;
	disk.vfs = *was;
	disk.vfs.pNext = NULL;
	disk.vfs.zName = "fault";
	disk.vfs.szOsFile = (int)sizeof(struct file) + was->szOsFile;
	disk.vfs.xOpen = x_open;
	if (sqlite3_vfs_register(&disk.vfs, 1) != SQLITE_OK)
		assert(!"registering cannot fail");
}

static void set(long *at, long v)
{
	pthread_mutex_lock(&disk.lock);
	*at = v;
	pthread_mutex_unlock(&disk.lock);
}

static long get(const long *at)
{
	long v;

	pthread_mutex_lock(&disk.lock);
	v = *at;
	pthread_mutex_unlock(&disk.lock);
	return v;
}

void fault_vfs_full_after(long writes)
{
	set(&disk.full_after, writes);
}

void fault_vfs_full_beyond(long bytes)
{
	set(&disk.full_beyond, bytes);
}

void fault_vfs_fail_write(long nth)
{
	set(&disk.fail_write, nth);
}

void fault_vfs_fail_sync(long nth)
{
	set(&disk.fail_sync, nth);
}

void fault_vfs_fail_db_sync(long nth)
{
	set(&disk.fail_db_sync, nth);
}

void fault_vfs_hold_syncs(bool hold)
{
	pthread_mutex_lock(&disk.lock);
	disk.hold = hold;
	disk.let = 0;
	pthread_cond_broadcast(&disk.let_go);
	pthread_mutex_unlock(&disk.lock);
}

bool fault_vfs_is_holding(void)
{
	bool ret;

	pthread_mutex_lock(&disk.lock);
	ret = disk.hold && disk.held > 0;
	pthread_mutex_unlock(&disk.lock);
	return ret;
}

void fault_vfs_let_sync(void)
{
	pthread_mutex_lock(&disk.lock);
	disk.let++;
	pthread_cond_broadcast(&disk.let_go);
	pthread_mutex_unlock(&disk.lock);
}

void fault_vfs_reset(void)
{
	fault_vfs_full_after(-1);
	fault_vfs_full_beyond(-1);
	fault_vfs_fail_write(0);
	fault_vfs_fail_sync(0);
	fault_vfs_fail_db_sync(0);
	fault_vfs_hold_syncs(false);
	set(&disk.writes, 0);
	set(&disk.syncs, 0);
}

long fault_vfs_writes(void)
{
	return get(&disk.writes);
}

long fault_vfs_syncs(void)
{
	return get(&disk.syncs);
}
