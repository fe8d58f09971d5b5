/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file behind the store: made once and whole, checked at each start, and what SQLite's failures mean in a
 * sentence.
 *
 * A new database is written aside, made durable and renamed, so that a covey.db that is there is always a
 * complete one: an empty file is damage, never a first start (SQLite alone would take it for an empty
 * database). For the same reason a write-ahead log without its database is refused: it would be replayed into
 * the new one.
 */
#include "node/store_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "gossip/identity.h"

#define BUSY_WAIT_MS 1000
#define LOCK_PENDING 0x40000000 /* where SQLite's locks begin (sqlite3 os.h, PENDING_BYTE) */
#define LOCK_LEN     512
#define SQL_LINE_MAX 512
#define HEADER_BYTES 100 /* of an SQLite file */

/* The first two must come before the file is touched: the lock is then taken with the first read and kept. */
static const char pragmas[] = "PRAGMA locking_mode=EXCLUSIVE;"
			      "PRAGMA cache_size=-256;"
			      "PRAGMA mmap_size=0;"
			      "PRAGMA temp_store=MEMORY;"
			      "PRAGMA trusted_schema=OFF;"
			      "PRAGMA synchronous=FULL;";

/* The first schema; what came later is in `upgrades`, for new files too. */
static const char tables[] = "CREATE TABLE identity(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
			     "CREATE TABLE meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
			     "CREATE TABLE agents(name TEXT PRIMARY KEY, version INTEGER NOT NULL, text BLOB "
			     "NOT NULL, desired INTEGER NOT NULL,"
			     " stopped INTEGER NOT NULL, paused INTEGER NOT NULL, removed INTEGER NOT NULL, "
			     "changed_wall_ms INTEGER NOT NULL);"
			     "CREATE TABLE replicas(id TEXT PRIMARY KEY, saved BLOB NOT NULL) WITHOUT ROWID;"
			     "CREATE TABLE events(seq INTEGER PRIMARY KEY, wall_ms INTEGER NOT NULL, "
			     "severity TEXT NOT NULL, kind TEXT NOT NULL,"
			     " agent TEXT, replica TEXT, text TEXT NOT NULL, data BLOB);";

/* From one schema to the next, each in one transaction. */
static const char *const upgrades[] = {
	[1] = "ALTER TABLE agents ADD COLUMN before BLOB;"
	      "CREATE TABLE ops(seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, saved BLOB NOT NULL);",
	/* The value last: what is before it is found without reading it. */
	[2] = "CREATE TABLE vote_state(id INTEGER PRIMARY KEY, body BLOB NOT NULL, sum INTEGER NOT NULL);"
	      "CREATE TABLE vote_promises(key BLOB PRIMARY KEY, ballot BLOB NOT NULL, sum INTEGER NOT NULL) "
	      "WITHOUT ROWID;"
	      "CREATE TABLE vote_values(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, ballot BLOB NOT NULL,"
	      " sum INTEGER NOT NULL, value BLOB NOT NULL);"
	      "CREATE TABLE vote_longs(key BLOB, slot INTEGER, owner BLOB NOT NULL, epoch INTEGER NOT NULL,"
	      " long_ms INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(key, slot)) WITHOUT ROWID;"
	      "CREATE TABLE lease_releases(key BLOB, slot INTEGER, epoch INTEGER NOT NULL, sum INTEGER NOT NULL,"
	      " PRIMARY KEY(key, slot)) WITHOUT ROWID;"
	      "CREATE TABLE voters_seen(id INTEGER PRIMARY KEY, node BLOB NOT NULL UNIQUE, boot INTEGER NOT NULL,"
	      " write INTEGER NOT NULL, sum INTEGER NOT NULL);"
	      "CREATE TABLE chosen_values(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, ballot BLOB NOT NULL,"
	      " sum INTEGER NOT NULL, value BLOB NOT NULL);",
};
_Static_assert(ARRAY_LEN(upgrades) == STORE_SCHEMA_VERSION, "a way from each schema to the next");

static const char *const statements[] = {
	[STORE_PUT_AGENT] = "REPLACE INTO agents VALUES(?,?,?,?,?,?,?,?,?)",
	[STORE_DEL_AGENT] = "DELETE FROM agents WHERE name=?",
	[STORE_PUT_REPLICA] = "REPLACE INTO replicas VALUES(?,?)",
	[STORE_DEL_REPLICA] = "DELETE FROM replicas WHERE id=?",
	[STORE_PUT_OP] = "REPLACE INTO ops VALUES(?,?,?)",
	[STORE_PUT_EVENT] = "REPLACE INTO events VALUES(?,?,?,?,?,?,?,?)",
	[STORE_PUT_META] = "REPLACE INTO meta VALUES(?,?)",
	[STORE_PUT_CLUSTER] = "REPLACE INTO identity VALUES('cluster_id',?)",
	[STORE_PUT_NOTE] = "REPLACE INTO identity VALUES(?,?)",
	[STORE_STMT_BEGIN] = "BEGIN IMMEDIATE",
	[STORE_STMT_COMMIT] = "COMMIT",
	[STORE_STMT_ROLLBACK] = "ROLLBACK",
	[STORE_STMT_TRIM] = "DELETE FROM events WHERE seq IN (SELECT seq FROM events ORDER BY seq LIMIT ?)",
	[STORE_STMT_TRIM_OPS] = "DELETE FROM ops WHERE seq<?",
	[STORE_STMT_STATE_PUT] = "REPLACE INTO vote_state VALUES(?,?,?)",
	[STORE_STMT_STATE_FIND] = "SELECT sum FROM vote_state WHERE id=?",
	[STORE_STMT_PROMISE_PUT] = "REPLACE INTO vote_promises VALUES(?,?,?)",
	[STORE_STMT_PROMISE_FIND] = "SELECT sum FROM vote_promises WHERE key=?",
	[STORE_STMT_VALUE_ADD] = "INSERT INTO vote_values(ballot,sum,value,key) VALUES(?,?,?,?)",
	[STORE_STMT_VALUE_SET] = "UPDATE vote_values SET ballot=?,sum=?,value=? WHERE id=?",
	[STORE_STMT_VALUE_FIND] = "SELECT sum,id FROM vote_values WHERE key=?",
	[STORE_STMT_LONG_PUT] = "REPLACE INTO vote_longs VALUES(?,?,?,?,?,?)",
	[STORE_STMT_LONG_FIND] = "SELECT sum,owner,epoch,long_ms FROM vote_longs WHERE key=? AND slot=?",
	[STORE_STMT_RELEASE_PUT] = "INSERT INTO lease_releases VALUES(?,?,?,?) ON CONFLICT(key,slot) DO UPDATE "
				   "SET epoch=excluded.epoch,sum=excluded.sum WHERE excluded.epoch>epoch",
	[STORE_STMT_RELEASE_DROP] = "DELETE FROM lease_releases WHERE key=? AND slot=? AND epoch<=?",
	[STORE_STMT_SEEN_PUT] = "REPLACE INTO voters_seen(node,boot,write,sum) SELECT ?1,?2,?3,?4 WHERE NOT EXISTS"
				"(SELECT 1 FROM voters_seen WHERE node=?1 AND (boot,write)>=(?2,?3))",
	[STORE_STMT_SEEN_TRIM] = "DELETE FROM voters_seen WHERE id IN "
				 "(SELECT id FROM voters_seen ORDER BY id DESC LIMIT -1 OFFSET ?)",
	[STORE_STMT_SEEN_DROP] = "DELETE FROM voters_seen WHERE node=?",
	[STORE_STMT_CHOSEN_PUT] = "INSERT INTO chosen_values(key,ballot,sum,value) VALUES(?,?,?,?) ON CONFLICT(key) "
				  "DO UPDATE SET ballot=excluded.ballot,sum=excluded.sum,value=excluded.value "
				  "WHERE excluded.ballot>=ballot",
	[STORE_STMT_CHOSEN_DROP] = "DELETE FROM chosen_values WHERE key=?",
};
_Static_assert(ARRAY_LEN(statements) == STORE_STMT_MAX, "a statement for each");

static bool no_space(const struct store *s)
{
	int no = sqlite3_system_errno(s->db);

	return (sqlite3_extended_errcode(s->db) & 0xff) == SQLITE_IOERR &&
	       (no == ENOSPC || no == EDQUOT || no == EFBIG);
}

bool store_schema_is_fsync(const struct store *s)
{
	int code = sqlite3_extended_errcode(s->db);

	return code == SQLITE_IOERR_FSYNC || code == SQLITE_IOERR_DIR_FSYNC;
}

/* The pid that holds SQLite's lock, 0 when it cannot be told. The file must not be open in this process then.
 */
static int holder(const char *path)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = LOCK_PENDING, .l_len = LOCK_LEN};
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 || fcntl(fd, F_GETLK, &fl) < 0 || fl.l_type == F_UNLCK)
		return 0;
	return fl.l_pid;
}

int store_schema_fault(const struct store *s, struct err *e)
{
	int code = sqlite3_extended_errcode(s->db);

	if (store_schema_is_fsync(s))
		return err_set(e, -EIO,
			"the disk failed to make '%s' durable (fsync): check the disk, then restart coveyd", s->path);
	if (no_space(s))
		return err_set(e, -ENOSPC, "no room to write '%s': free some space on its disk", s->path);
	switch (code & 0xff) {
	case SQLITE_FULL:
		return err_set(e, -ENOSPC, "no room to write '%s': free some space on its disk", s->path);
	case SQLITE_NOMEM:
		return err_set(e, -ENOMEM, "out of memory while working on '%s'", s->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(e, -EUCLEAN,
			"'%s' is damaged (%s): restore a backup with \"coveyd --restore FILE\", or move "
			"it away to start anew",
			s->path, sqlite3_errmsg(s->db));
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(e, -EBUSY, "'%s' is locked by another process: end what uses it", s->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return err_set(e, -EACCES, "cannot write '%s' (%s): check its owner, mode and file system", s->path,
			sqlite3_errmsg(s->db));
	case SQLITE_IOERR:
		return err_set(e, -EIO, "the disk failed on '%s': %s", s->path, sqlite3_errmsg(s->db));
	default:
		return err_set(e, -EIO, "'%s': %s", s->path, sqlite3_errmsg(s->db));
	}
}

static int run(struct store *s, const char *sql, struct err *e)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : store_schema_fault(s, e);
}

static int query_int(struct store *s, const char *sql, int64_t *ret, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	rc = rc == SQLITE_ROW ? 0 : store_schema_fault(s, e);
	(void)sqlite3_finalize(st); /* repeats the failure that was told already */
	return rc;
}

int store_schema_make_id(char out[37], struct err *e)
{
	uint8_t r[IDENTITY_UUID_BYTES];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		return err_errno(e, "random bytes for the node's id");
	identity_make(r);
	(void)identity_text(r, out); /* returns out */
	return 0;
}

/* One transaction a step: a file is of one schema or of the next, never between. */
static int upgrade(struct store *s, int from, struct err *e)
{
	char version[64];
	int rc = 0;

	for (int v = from; rc == 0 && v < STORE_SCHEMA_VERSION; v++) {
		(void)snprintf(version, sizeof(version), "PRAGMA user_version=%d; COMMIT;", v + 1); /* fits */
		rc = run(s, "BEGIN IMMEDIATE;", e);
		if (rc == 0)
			rc = run(s, upgrades[v], e);
		if (rc == 0)
			rc = run(s, version, e);
	}
	return rc; /* what was begun and not committed goes with the connection */
}

static int fill_new(struct store *s, const char *path, struct err *e)
{
	char sql[SQL_LINE_MAX], id[37];
	int rc = store_schema_make_id(id, e);

	if (rc < 0)
		return rc;
	if (sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return store_schema_fault(s, e);
	(void)sqlite3_extended_result_codes(s->db, 1); /* cannot fail on an open one */
	(void)snprintf(sql, sizeof(sql),
		"PRAGMA application_id=%d; PRAGMA user_version=%d; INSERT INTO identity "
		"VALUES('node_id','%s'); COMMIT;",
		STORE_APPLICATION_ID, 1, id);
	rc = run(s, "PRAGMA page_size=4096; PRAGMA cache_size=-256; PRAGMA synchronous=FULL; BEGIN;", e);
	if (rc == 0)
		rc = run(s, tables, e);
	if (rc == 0)
		rc = run(s, sql, e);
	return rc < 0 ? rc : upgrade(s, 1, e);
}

int store_schema_fsync_dir(const char *dir, struct err *e)
{
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_errno(e, "make '%s' durable", dir);
	return 0;
}

static void remove_aside(const char *aside)
{
	char journal[4096];

	(void)snprintf(journal, sizeof(journal), "%s-journal", aside);
	(void)unlink(journal); /* absent, mostly; if it stays, creating says so */
	(void)unlink(aside);   /* likewise */
}

static int make_new(struct store *s, struct err *e)
{
	AUTO_FREE char *aside = mem_printf("%s.new", s->path);
	int fd, rc;

	if (!aside)
		return err_set(e, -ENOMEM, "out of memory while opening the store");
	remove_aside(aside);
	fd = open(aside, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(e, "create '%s'", aside);
	(void)close(fd); /* nothing was written through it */
	rc = fill_new(s, aside, e);
	(void)sqlite3_close(s->db); /* committed, or given up */
	s->db = NULL;
	if (rc == 0 && rename(aside, s->path) < 0)
		rc = err_errno(e, "rename '%s'", aside);
	if (rc == 0)
		return store_schema_fsync_dir(s->dir, e);
	remove_aside(aside);
	return rc;
}

/* Before SQLite sees it: is there a file, and can it be a whole one? */
static int find_or_make(struct store *s, struct err *e)
{
	AUTO_FREE char *wal = mem_printf("%s-wal", s->path);
	struct stat st;

	if (!wal)
		return err_set(e, -ENOMEM, "out of memory while opening the store");
	if (stat(s->path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return err_set(e, -EINVAL, "'%s' is not a regular file: move it away", s->path);
		if (st.st_size < HEADER_BYTES)
			return err_set(e, -EUCLEAN,
				"'%s' is truncated to %lld bytes: restore a backup, or move it and '%s' away "
				"to start anew",
				s->path, (long long)st.st_size, wal);
		return 0;
	}
	if (errno != ENOENT)
		return err_errno(e, "stat '%s'", s->path);
	if (stat(wal, &st) == 0)
		return err_set(e, -EUCLEAN,
			"'%s' is missing but its log '%s' is there: restore the file, or move the log away "
			"to start anew",
			s->path, wal);
	return make_new(s, e);
}

static int check_version(struct store *s, int *ret, struct err *e)
{
	int64_t app, version;
	int rc = query_int(s, "PRAGMA application_id", &app, e);

	if (rc == 0)
		rc = query_int(s, "PRAGMA user_version", &version, e);
	if (rc < 0)
		return rc;
	if (app != STORE_APPLICATION_ID)
		return err_set(e, -EUCLEAN, "'%s' is another program's database: move it away", s->path);
	if (version > STORE_SCHEMA_VERSION)
		return err_set(e, -EPROTO,
			"'%s' was written by a newer covey (schema %lld, this one knows %d): install that "
			"version again",
			s->path, (long long)version, STORE_SCHEMA_VERSION);
	if (version < 1)
		return err_set(e, -EUCLEAN, "'%s' has no schema version: it is damaged; restore a backup", s->path);
	*ret = (int)version; /* at most STORE_SCHEMA_VERSION */
	return 0;
}

static int check_whole(struct store *s, struct err *e)
{
	sqlite3_stmt *st = NULL;
	const unsigned char *said;
	int rc = sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	said = rc == SQLITE_ROW ? sqlite3_column_text(st, 0) : NULL;
	if (said && strcmp((const char *)said, "ok") == 0)
		rc = 0;
	else if (said)
		rc = err_set(e, -EUCLEAN,
			"'%s' is damaged (%.120s): restore a backup with \"coveyd --restore FILE\", or move it away "
			"to start anew",
			s->path, said);
	else
		rc = store_schema_fault(s, e);
	(void)sqlite3_finalize(st); /* repeats the failure that was told already */
	return rc;
}

/* Of identity: 1, or 0 when there is no such row. A text of another length is damage. what: how a sentence calls it. */
static int read_uuid(struct store *s, const char *key, const char *what, char ret[37], struct err *e)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(s->db, "SELECT value FROM identity WHERE key=?", -1, &st, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_bytes(st, 0) == 36) {
		memcpy(ret, sqlite3_column_text(st, 0), 37);
		rc = 1;
	} else if (rc == SQLITE_ROW) {
		rc = err_set(e, -EUCLEAN, "'%s' has no %s: it is damaged; restore a backup", s->path, what);
	} else {
		rc = rc == SQLITE_DONE ? 0 : store_schema_fault(s, e);
	}
	(void)sqlite3_finalize(st); /* repeats the failure that was told already */
	return rc;
}

static int read_ids(struct store *s, struct err *e)
{
	int rc = read_uuid(s, "node_id", "node id", s->node_id, e);

	if (rc == 0)
		rc = err_set(e, -EUCLEAN, "'%s' has no node id: it is damaged; restore a backup", s->path);
	if (rc > 0)
		rc = read_uuid(s, "cluster_id", "cluster id", s->cluster_id, e);
	return MIN(rc, 0);
}

int store_schema_stmt(struct store *s, enum store_stmt which, sqlite3_stmt **ret, struct err *e)
{
	sqlite3_stmt **st = &s->stmts[which];

	if (!*st && sqlite3_prepare_v3(s->db, statements[which], -1, SQLITE_PREPARE_PERSISTENT, st, NULL) != SQLITE_OK)
		return store_schema_fault(s, e);
	*ret = *st;
	return 0;
}

static int prepare_all(struct store *s, struct err *e)
{
	sqlite3_stmt *st;
	int rc = 0;

	for (int i = 0; rc == 0 && i < STORE_STMT_STATE_PUT; i++)
		rc = store_schema_stmt(s, i, &st, e);
	return rc;
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct store *s = arg;

	(void)db;   /* ours */
	(void)name; /* there is only main */
	s->wal_frames = frames;
	return SQLITE_OK;
}

static int open_checked(struct store *s, struct err *e)
{
	int version = 0, rc;

	if (sqlite3_open_v2(s->path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		return store_schema_fault(s, e);
	(void)sqlite3_extended_result_codes(s->db, 1); /* cannot fail on an open one */
	(void)sqlite3_busy_timeout(s->db, BUSY_WAIT_MS);
	rc = run(s, pragmas, e);
	if (rc == 0)
		rc = check_version(s, &version, e);
	if (rc == 0)
		rc = run(s, "PRAGMA journal_mode=WAL; BEGIN IMMEDIATE; COMMIT;", e);
	if (rc == 0)
		rc = check_whole(s, e);
	if (rc == 0)
		rc = upgrade(s, version, e);
	if (rc == 0)
		rc = read_ids(s, e);
	if (rc == 0)
		rc = query_int(s, "SELECT count(*) FROM events", &s->n_events, e);
	if (rc == 0)
		rc = prepare_all(s, e);
	/* Checkpoints are ours: SQLite's own swallow an fsync error, and the next one would reset the log. */
	(void)sqlite3_wal_hook(s->db, on_wal, s);
	return rc;
}

int store_schema_open(struct store *s, struct err *e)
{
	int pid, rc = find_or_make(s, e);

	if (rc == 0)
		rc = open_checked(s, e);
	if (rc != -EBUSY)
		return rc;
	(void)sqlite3_close(s->db); /* the question below must not drop locks of ours */
	s->db = NULL;
	pid = holder(s->path);
	if (pid > 0)
		return err_set(e, -EBUSY, "'%s' is locked by process %d: end it first", s->path, pid);
	return rc;
}

void store_schema_close(struct store *s)
{
	for (int i = 0; i < STORE_STMT_MAX; i++) {
		(void)sqlite3_finalize(s->stmts[i]); /* repeats failures told before */
		s->stmts[i] = NULL;
	}
	if (s->db && s->suspect) /* a checkpoint would trust what the disk did not keep */
		(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(s->db); /* all is committed; what fails here is done again by the next open */
	s->db = NULL;
}
