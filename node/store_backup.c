/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A consistent copy of the store, made on the storage thread between two transactions: written aside, made
 * durable, renamed, so that a file of the asked name is always a whole one. An existing file is replaced. It
 * works on a store that is suspect too: that is when a copy on another disk is wanted.
 */
#include "node/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static int copy(struct store *s, sqlite3 *to, const char *aside, struct err *e)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", s->db, "main");
	int rc;

	if (b)
		(void)sqlite3_backup_step(b, -1); /* told by finish */
	rc = b ? sqlite3_backup_finish(b) : sqlite3_errcode(to);
	if (rc == SQLITE_OK)
		return 0;
	if ((rc & 0xff) == SQLITE_FULL)
		return err_set(e, -ENOSPC, "no room to write '%s': free some space on its disk", aside);
	return err_set(e, (rc & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EIO, "write '%s': %s", aside, sqlite3_errstr(rc));
}

/* Empty, ours alone, whatever was left of an earlier try gone. */
static int make_file(const char *aside, struct err *e)
{
	int fd;

	(void)unlink(aside); /* absent, mostly; if it stays, open says so */
	fd = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(e, "create '%s'", aside);
	(void)close(fd); /* nothing was written through it */
	return 0;
}

static int make_durable(const char *aside, const char *path, struct err *e)
{
	AUTO_CLOSE int fd = open(aside, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(e, "make '%s' durable", aside);
	if (rename(aside, path) < 0)
		return err_errno(e, "rename '%s' to '%s'", aside, path);
	return 0;
}

static int copy_to(struct store *s, const char *aside, struct err *e)
{
	sqlite3 *to = NULL;
	int rc = make_file(aside, e);

	if (rc < 0)
		return rc;
	if (sqlite3_open_v2(aside, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
		rc = copy(s, to, aside, e);
	else
		rc = err_set(e, -EIO, "open '%s': %s", aside, sqlite3_errmsg(to));
	(void)sqlite3_close(to); /* committed, or given up */
	return rc;
}

int store_backup_run(struct store *s, const char *path, struct err *e)
{
	AUTO_FREE char *aside = mem_printf("%s.new", path);
	int rc;

	if (!aside)
		return err_set(e, -ENOMEM, "out of memory for a backup");
	rc = copy_to(s, aside, e);
	if (rc == 0)
		rc = make_durable(aside, path, e);
	if (rc < 0)
		(void)unlink(aside); /* best effort: the fault is told either way */
	return rc;
}
