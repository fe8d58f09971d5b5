/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Made aside under another name, opened as any store is (which checks it and brings it to this schema), changed in one
 * transaction, closed, made durable, and only then given the name that the next start looks for.
 */
#include "node/store_next.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "node/store_priv.h"

#define COPY_BYTES     (1 << 20)
#define EVENTS_SKIPPED 1000000

static int path_of(char **ret, const char *data_dir, const char *name, struct err *e)
{
	*ret = mem_printf("%s/%s", data_dir, name);
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static int remove_store(const char *path, struct err *e)
{
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};

	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		AUTO_FREE char *name = mem_printf("%s%s", path, tails[i]);

		if (!name)
			return err_set(e, -ENOMEM, "out of memory");
		if (unlink(name) < 0 && errno != ENOENT)
			return err_errno(e, "remove '%s'", name);
	}
	return 0;
}

/* ---- the copy ---- */

/* By any name of it. Asked before it is opened: closing it would drop the locks that SQLite has on the one in use. */
static int refuse_one_in_use(const char *data_dir, const char *from, struct err *e)
{
	AUTO_FREE char *path = mem_printf("%s/covey.db", data_dir), *real = realpath(from, NULL);
	AUTO_FREE char *wal = mem_printf("%s-wal", real ? real : from);
	struct stat st, ours;

	if (!path || !wal)
		return err_set(e, -ENOMEM, "out of memory");
	if (stat(from, &st) < 0)
		return err_errno(e, "open '%s'", from);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return err_set(e, -EINVAL, "'%s' is %s", from, S_ISREG(st.st_mode) ? "empty" : "no regular file");
	if (stat(path, &ours) == 0 && ours.st_dev == st.st_dev && ours.st_ino == st.st_ino)
		return err_set(e, -EINVAL, "'%s' is the store of '%s' itself, not a backup", from, data_dir);
	if (stat(wal, &st) < 0 || st.st_size == 0)
		return 0;
	/* Its log holds what the file does not. */
	return err_set(e, -EINVAL,
		"'%s' is a store in use, not a backup: '%s' is beside it; 'covey backup FILE' makes a backup", from,
		wal);
}

/* Before any of it is copied: it may be as large as a disk. */
static int check_header(int in, const char *from, struct err *e)
{
	unsigned char head[72]; /* up to the application's id: https://sqlite.org/fileformat2.html, 1.3 */
	ssize_t n = pread(in, head, sizeof(head), 0);
	uint32_t app;

	if (n < 0)
		return err_errno(e, "read '%s'", from);
	if (n < (ssize_t)sizeof(head))
		return 0; /* told once it is opened */
	if (memcmp(head, "SQLite format 3", 16) != 0)
		return err_set(e, -EUCLEAN, "'%s' is no backup of a store, or damaged: take another backup", from);
	memcpy(&app, head + 68, sizeof(app));
	if (ntohl(app) != STORE_APPLICATION_ID)
		return err_set(e, -EUCLEAN, "'%s' is another program's database: take another backup", from);
	return 0;
}

static int copy_bytes(int in, int out, off_t left, const char *from, const char *to, struct err *e)
{
	ssize_t n = 0;

	for (; left > 0; left -= n) {
		n = sendfile(out, in, NULL, (size_t)MIN(left, (off_t)COPY_BYTES));
		if (n <= 0)
			break;
	}
	return n < 0 ? err_errno(e, "copy '%s' to '%s'", from, to) : 0;
}

static bool is_as_it_was(int fd, const struct stat *was)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size == was->st_size && st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

/* O_NONBLOCK: one that became a FIFO since it was looked at does not hold the daemon. */
static int copy(const char *from, const char *to, struct err *e)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	AUTO_CLOSE int out = -1;
	struct stat st;
	int rc;

	if (in < 0 || fstat(in, &st) < 0)
		return err_errno(e, "open '%s'", from);
	rc = check_header(in, from, e);
	if (rc < 0)
		return rc;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return err_errno(e, "create '%s'", to);
	rc = copy_bytes(in, out, st.st_size, from, to, e);
	if (rc == 0 && !is_as_it_was(in, &st))
		rc = err_set(e, -EBUSY, "'%s' is being written: wait until it is whole", from);
	return rc;
}

/* ---- what is changed in it ---- */

static int exec(struct store *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_schema_fault(s, e);
}

static int put_op(struct store *s, const struct store_op *op, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(
		s->db, "REPLACE INTO ops VALUES((SELECT ifnull(max(seq),0)+1 FROM ops),?,?)", -1, &st, NULL);

	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_text(st, 1, op->id, -1, SQLITE_STATIC); /* no copy, so nothing to fail */
		(void)sqlite3_bind_blob(st, 2, op->saved, (int)op->saved_len, SQLITE_STATIC); /* likewise */
		rc = sqlite3_step(st);
	}
	rc = rc == SQLITE_DONE ? 0 : store_schema_fault(s, e);
	(void)sqlite3_finalize(st); /* repeats the failure that was told already */
	return rc;
}

/* The higher of what it has and what is asked for. */
static int keep_up(struct store *s, const char *key, int64_t least, int64_t more, struct err *e)
{
	char sql[256];

	(void)snprintf(sql, sizeof(sql),
		"REPLACE INTO meta SELECT '%s', max(%lld, ifnull((SELECT value FROM meta WHERE key='%s'), 0)) + %lld",
		key, (long long)least, key, (long long)more); /* fits: keys are ours */
	return exec(s, sql, e);
}

/* A new node has not voted, holds no lease and has been given nothing. What its peers said of theirs stays true. */
static const char no_votes[] = "DELETE FROM vote_state; DELETE FROM vote_promises; DELETE FROM vote_values;"
			       "DELETE FROM vote_longs; DELETE FROM lease_releases; DELETE FROM chosen_values";

static int change(struct store *s, const struct store_op *op, const struct store_counts *counts, struct err *e)
{
	char id[37], sql[128];
	int rc = store_schema_make_id(id, e);

	if (rc < 0)
		return rc;
	(void)snprintf(sql, sizeof(sql), "BEGIN; UPDATE identity SET value='%s' WHERE key='node_id'", id); /* fits */
	rc = exec(s, sql, e);
	if (rc == 0)
		rc = exec(s, no_votes, e);
	if (rc == 0)
		rc = keep_up(s, "boot", counts ? counts->boot : 0, 0, e);
	if (rc == 0)
		rc = keep_up(s, "event_seq", counts ? counts->event_seq : 1, counts ? 0 : EVENTS_SKIPPED, e);
	if (rc == 0 && op)
		rc = put_op(s, op, e);
	return rc < 0 ? rc : exec(s, "COMMIT", e);
}

/* Its log goes into the file, which alone is taken. Closing would do it too, but tells nobody when it fails. */
static int fold_log(struct store *s, struct err *e)
{
	int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_schema_fault(s, e);
}

/* ---- made ---- */

static int make_durable(const char *aside, const char *next, const char *data_dir, struct err *e)
{
	AUTO_CLOSE int fd = open(aside, O_RDONLY | O_CLOEXEC);
	int rc;

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(e, "make '%s' durable", aside);
	if (rename(aside, next) < 0)
		return err_errno(e, "rename '%s' to '%s'", aside, next);
	rc = store_schema_fsync_dir(data_dir, e);
	if (rc < 0)
		(void)unlink(next); /* refused: what is decided from here on must not be replaced by it one day */
	return rc;
}

static int make_at(
	const char *data_dir, char *aside, const struct store_op *op, const struct store_counts *counts, struct err *e)
{
	AUTO_FREE char *dir = mem_strdup(data_dir);
	struct store s = {.path = aside, .dir = dir};
	int rc = dir ? store_schema_open(&s, e) : err_set(e, -ENOMEM, "out of memory");

	if (rc == 0)
		rc = change(&s, op, counts, e);
	if (rc == 0)
		rc = fold_log(&s, e);
	store_schema_close(&s); /* nothing is left to do, or it is given up */
	return rc;
}

/* What is wrong with the content: the name that it has while it is made means nothing to whoever reads it, nor does
 * what is to be done about a store that is damaged. A disk that is full is told of the copy. */
static void blame(struct err *e, const char *aside, const char *from)
{
	struct err made = *e;
	char *at = strstr(made.text, aside), *advice = at ? strstr(at, ": ") : NULL;

	if (!from || !at || (made.code != -EUCLEAN && made.code != -EPROTO))
		return;
	if (made.code == -EUCLEAN && advice)
		*advice = '\0';
	(void)err_set(e, made.code, "%.*s%s%s%s", (int)(at - made.text), made.text, from, at + strlen(aside),
		made.code == -EUCLEAN ? ": take another backup" : "");
}

static int make_aside(const char *data_dir, const char *from, char *aside, const struct store_op *op,
	const struct store_counts *counts, struct err *e)
{
	int rc = from ? refuse_one_in_use(data_dir, from, e) : 0;

	if (rc == 0)
		rc = remove_store(aside, e);
	if (rc == 0 && from)
		rc = copy(from, aside, e);
	if (rc == 0)
		rc = make_at(data_dir, aside, op, counts, e);
	if (rc < 0)
		blame(e, aside, from);
	return rc;
}

int store_next_make(const char *data_dir, const char *from, const struct store_op *op,
	const struct store_counts *counts, struct err *e)
{
	AUTO_FREE char *aside = NULL, *next = NULL;
	int rc = path_of(&aside, data_dir, "covey.db.making", e);

	if (rc == 0)
		rc = path_of(&next, data_dir, "covey.db.next", e);
	if (rc < 0)
		return rc;
	rc = make_aside(data_dir, from, aside, op, counts, e);
	if (rc == 0)
		rc = make_durable(aside, next, data_dir, e);
	if (rc < 0)
		(void)remove_store(aside, NULL); /* best effort: the fault before it is the one to tell */
	return rc;
}

/* The old log goes first, for good: beside the new file it would be replayed into it. Whatever is done when the host
 * dies, the next start goes on from there. */
static int replace(const char *path, const char *next, const char *data_dir, struct err *e)
{
	int rc = remove_store(path, e);

	if (rc == 0)
		rc = store_schema_fsync_dir(data_dir, e);
	if (rc == 0 && rename(next, path) < 0)
		rc = err_errno(e, "rename '%s' to '%s'", next, path);
	return rc < 0 ? rc : store_schema_fsync_dir(data_dir, e);
}

int store_next_take(const char *data_dir, struct err *e)
{
	AUTO_FREE char *aside = NULL, *next = NULL, *path = NULL;
	int rc = path_of(&aside, data_dir, "covey.db.making", e);

	if (rc == 0)
		rc = path_of(&next, data_dir, "covey.db.next", e);
	if (rc == 0)
		rc = path_of(&path, data_dir, "covey.db", e);
	if (rc == 0)
		rc = remove_store(aside, e); /* of a daemon that died over it */
	if (rc < 0)
		return rc;
	if (access(next, F_OK) < 0)
		return errno == ENOENT ? 0 : err_errno(e, "look for '%s'", next);
	rc = replace(path, next, data_dir, e);
	return rc < 0 ? rc : 1;
}
