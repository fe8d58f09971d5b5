/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_STORE_PRIV_H
#define NODE_STORE_PRIV_H
/*
 * What the files of the store share. Three threads of thought, two threads: the loop owns `thread_started` and `wakes`,
 * the queue and its figures are under `lock`, the database and its statements under `db_lock` (the storage
 * thread holds it while it commits or reads; the loop takes it to read at start only).
 */
#include <pthread.h>
#include <sqlite3.h>

#include "base/list.h"
#include "node/store.h"

#define STORE_APPLICATION_ID 0x436f7679 /* "Covy" */
#define STORE_LAZY_MS	     200	/* lazy jobs alone wait this long for company */
#define STORE_LAZY_MAX	     256	/* of them that wait at most */
#define STORE_WAL_FRAMES     512	/* checkpoint from here on: 2 MiB of log */
#define STORE_TRIM_RUN	     64		/* events dropped at a time */
#define STORE_COMMITS_KEPT   128	/* for the median of the commit's time */

enum store_kind {
	STORE_PUT_AGENT,
	STORE_DEL_AGENT,
	STORE_PUT_REPLICA,
	STORE_DEL_REPLICA,
	STORE_PUT_OP,
	STORE_PUT_EVENT,
	STORE_PUT_META,
	STORE_PUT_CLUSTER,
	STORE_PUT_NOTE,
	STORE_BACKUP, /* the first that is no row */
	STORE_READ_EVENTS,
	STORE_SYNC,
	STORE_VOTE, /* node/votes.h; rows of several tables */
	STORE_KIND_MAX
};

struct votes;
struct votes_row;

struct store_job {
	struct list link;
	enum store_kind kind;
	store_done *done;
	void *arg;
	int rc;
	bool grouped; /* shares its fate with the job before it */
	bool counted; /* with the jobs of groups, see STORE_GROUP_MAX */
	bool lazy;    /* may wait for others */
	char *error;  /* owned; NULL when rc is 0, or there was no memory for it */
	size_t size;  /* of the whole job, counted against STORE_BYTES_MAX */
	union {
		struct store_agent agent;
		struct store_replica replica;
		struct store_op op;
		struct store_event event;
		struct {
			const char *key;
			int64_t value;
		} meta;
		const char *cluster_id;
		struct {
			const char *key, *text;
		} note;
		const char *path;
		struct {
			struct store_events_query q;
			store_event_fn *fn;
		} read;
		struct votes_row *vote;
	} u;
	size_t used;	      /* of v */
	_Alignas(8) char v[]; /* what u points to */
};

enum store_stmt {
	STORE_STMT_KIND_LAST = STORE_PUT_NOTE, /* one each of the kinds that are rows, and: */
	STORE_STMT_BEGIN,
	STORE_STMT_COMMIT,
	STORE_STMT_ROLLBACK,
	STORE_STMT_TRIM, /* of events */
	STORE_STMT_TRIM_OPS,
	STORE_STMT_STATE_PUT, /* this and those below, of node/votes.h, are prepared when they are first used */
	STORE_STMT_STATE_FIND,
	STORE_STMT_PROMISE_PUT,
	STORE_STMT_PROMISE_FIND,
	STORE_STMT_VALUE_ADD,
	STORE_STMT_VALUE_SET,
	STORE_STMT_VALUE_FIND,
	STORE_STMT_LONG_PUT,
	STORE_STMT_LONG_FIND,
	STORE_STMT_RELEASE_PUT,
	STORE_STMT_RELEASE_DROP,
	STORE_STMT_SEEN_PUT,
	STORE_STMT_SEEN_TRIM,
	STORE_STMT_SEEN_DROP,
	STORE_STMT_CHOSEN_PUT,
	STORE_STMT_CHOSEN_DROP,
	STORE_STMT_MAX
};

extern const char *const store_note_keys[STORE_NOTE_MAX]; /* of identity */

struct store {
	struct ev_loop *loop;
	ev_async wake;	  /* completions are there */
	ev_prepare turn;  /* the thread is woken once a turn, for all that was given to it */
	bool wakes;	  /* at the end of this turn */
	char *dir, *path; /* owned */
	char *mark;	  /* owned; made when the store becomes suspect; NULL: none */
	void (*watcher)(void *arg, bool suspect);
	void *watcher_arg;
	char node_id[37], cluster_id[37]; /* the cluster's: "" for none */
	bool thread_started, completing;
	pthread_t thread;

	pthread_mutex_t lock;
	pthread_cond_t work;
	struct list queue, finished; /* of struct store_job */
	size_t n_queued, queued_bytes, n_urgent;
	size_t n_grouped; /* of n_queued */
	bool stopping;
	bool grouping;	       /* between begin and end of a group: the queue is not touched */
	struct list *group_at; /* the last job before the group */
	size_t group_n, group_bytes;
	struct store_stats st;
	int64_t commit_us[STORE_COMMITS_KEPT];

	pthread_mutex_t db_lock;
	sqlite3 *db;
	sqlite3_stmt *stmts[STORE_STMT_MAX];
	int wal_frames;
	int64_t n_events; /* rows of events */
	bool suspect;	  /* the thread's own; st.suspect is what others read */
	bool checkpoint_said;
	struct votes *votes; /* borrowed; NULL: none. Set before the thread runs */
};

/* store_schema.c: opens, checks, makes. On failure s->db may be set; the caller closes. */
int store_schema_open(struct store *s, struct err *e);
/* Of one that was opened, or not: what is committed is in the file then. */
void store_schema_close(struct store *s);
/* A random UUID (RFC 9562, version 4). */
int store_schema_make_id(char out[37], struct err *e);
int store_schema_fsync_dir(const char *dir, struct err *e);
/* What an SQLite failure means: -ENOSPC, -EIO, -ENOMEM, -EUCLEAN, -EBUSY …, with a sentence. */
int store_schema_fault(const struct store *s, struct err *e);
/* An fsync failed: nothing that was written since can be trusted to be on disk. */
bool store_schema_is_fsync(const struct store *s);

/* Prepared at its first use; the store's. */
int store_schema_stmt(struct store *s, enum store_stmt which, sqlite3_stmt **ret, struct err *e);

/* store.c: a job with room for so much content, or NULL. */
struct store_job *store_job_new(enum store_kind kind, size_t content, store_done *done, void *arg);
int store_job_submit(struct store *s, struct store_job *j); /* takes j, also when it is refused; NULL: -ENOMEM */
void store_turn(struct store *s);			    /* the loop is about to wait; tests that do not turn it */

/* No copy is made, so there is nothing to fail; NULL binds NULL. */
static inline void store_bind_text(sqlite3_stmt *st, int at, const char *v)
{
	(void)sqlite3_bind_text(st, at, v, -1, SQLITE_STATIC);
}

static inline void store_bind_blob(sqlite3_stmt *st, int at, const void *v, size_t n)
{
	(void)sqlite3_bind_blob(st, at, v, (int)n, SQLITE_STATIC); /* sizes are bounded by the queue's */
}

static inline void store_bind_int(sqlite3_stmt *st, int at, int64_t v)
{
	(void)sqlite3_bind_int64(st, at, v);
}

/* store_thread.c */
void *store_thread_main(void *arg);
int store_step(struct store *s, sqlite3_stmt *st, struct err *e); /* one that gives no rows; it is reset */
void store_count_out(struct store *s, const struct store_job *j); /* done, or dropped; under `lock` */
/* store_load.c: on the storage thread. */
int store_load_page(struct store *s, const struct store_events_query *q, store_event_fn *fn, void *arg, struct err *e);
/* store_backup.c */
int store_backup_run(struct store *s, const char *path, struct err *e);

#endif
