/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_STORE_H
#define NODE_STORE_H
/*
 * What must survive: one SQLite file (WAL, synchronous FULL) in data_dir, owned by one storage thread. The loop
 * hands jobs over a bounded queue; the thread takes all that are waiting, runs them in one transaction (group
 * commit), makes it durable, and hands the completions back through one ev_async. Completions come in the order of
 * the jobs. What is read is read at start, before the thread runs, with store_load_*; events, of which there are many,
 * later too, by a job.
 */
#include <ev.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"

#define STORE_SCHEMA_VERSION 3

struct store;

/* rc: 0 durable; -ENOSPC, -EIO, … not done, with a sentence. Called on the loop. */
typedef void store_done(void *arg, int rc, const char *error);

/*
 * Opens DATA_DIR/covey.db (made when absent, mode 0600). Damaged, truncated, locked by another, or of a newer
 * schema: refused with a sentence that says which and what to do. An fsync error later: the job fails with -EIO, and
 * `suspect` is told to everything after it.
 */
int store_open(struct ev_loop *loop, const char *data_dir, struct store **ret, struct err *e);
void store_close(struct store *s); /* finishes what is queued first */
/*
 * Once, before the first job. When the store becomes suspect the file `mark` is made, before any job is told of it. The
 * watcher is called on the loop after each run of completions, and once the store is suspect. 0, or -ENOMEM.
 */
int store_watch(struct store *s, const char *mark, void (*watcher)(void *arg, bool suspect), void *arg);

struct store_agent {
	const char *name;
	int64_t version;
	const char *text; /* the definition as it was given */
	size_t text_len;
	int64_t desired;
	bool stopped, paused, removed;
	int64_t changed_wall_ms;
	const char *before; /* the definition that this one replaced; NULL: none is known */
	size_t before_len;
};

struct store_replica {
	const char *id;	   /* "web.0" or "n1/web.0" */
	const void *saved; /* msgpack of what node/runner.c wants back, opaque here */
	size_t saved_len;
	bool lazy; /* nobody waits for it: a moment later will do */
};

/* A change that was accepted, so that its id is known whatever becomes of the daemon. */
struct store_op {
	int64_t seq, oldest; /* rises; rows below `oldest` are dropped */
	const char *id;
	const void *saved; /* msgpack of what node/ops.c wants back, opaque here */
	size_t saved_len;
};

struct store_event {
	int64_t seq; /* rises for ever on this node */
	int64_t wall_ms;
	const char *severity, *kind, *agent, *replica, *text; /* agent, replica, may be NULL */
	const void *data;				      /* msgpack map, or NULL */
	size_t data_len;
};

/* At start. fn is called for each row; what it gets is borrowed for the call. A negative return ends the walk. */
int store_load_agents(struct store *s, int (*fn)(void *arg, const struct store_agent *a), void *arg, struct err *e);
int store_load_replicas(struct store *s, int (*fn)(void *arg, const struct store_replica *r), void *arg, struct err *e);
/* Oldest first. */
int store_load_ops(struct store *s, int (*fn)(void *arg, const struct store_op *op), void *arg, struct err *e);
/* The newest `max` events, oldest first. */
int store_load_events(
	struct store *s, int64_t max, int (*fn)(void *arg, const struct store_event *ev), void *arg, struct err *e);
int64_t store_meta(struct store *s, const char *key, int64_t fallback); /* at start */
/* The node's UUID, made at first open; 36 characters. */
const char *store_node_id(const struct store *s);
/* The cluster's, that the node founded or was let into, as it was at open; "" for none. */
const char *store_cluster_id(const struct store *s);

/* Texts for the next start, opaque here. */
enum store_note {
	STORE_NOTE_KNOWN,     /* addresses of other members */
	STORE_NOTE_FORGOTTEN, /* members that will not come back */
	STORE_NOTE_NAMES,     /* of other voters */
	STORE_NOTE_MAX
};

/* At start: what store_put_note put last; the caller frees, NULL for none. */
char *store_note(struct store *s, enum store_note note);

/* Jobs. All content is copied. done may be NULL. -ENOSPC when the queue is full: nothing was queued. */
int store_put_agent(struct store *s, const struct store_agent *a, store_done *done, void *arg);
int store_del_agent(struct store *s, const char *name, store_done *done, void *arg);
int store_put_replica(struct store *s, const struct store_replica *r, store_done *done, void *arg);
int store_del_replica(struct store *s, const char *id, store_done *done, void *arg);
int store_put_op(struct store *s, const struct store_op *op, store_done *done, void *arg);
int store_put_event(struct store *s, const struct store_event *ev, store_done *done, void *arg);
int store_put_meta(struct store *s, const char *key, int64_t value, store_done *done, void *arg);
/* A UUID of 36 characters. A data_dir belongs to one cluster for ever: the caller puts it once. */
int store_put_cluster(struct store *s, const char *id, store_done *done, void *arg);
int store_put_note(struct store *s, enum store_note note, const char *text, store_done *done, void *arg);
int store_backup(struct store *s, const char *path, store_done *done, void *arg); /* a consistent copy */

struct store_events_query {
	int64_t after, before; /* by seq, both excluded */
	const char *agent;     /* NULL or "": all */
	int64_t since_ms;      /* wall clock; 0: all */
	int64_t max;
	bool newest; /* the newest `max` of them instead of the oldest */
};
/*
 * Events that are on disk, oldest first, those too that were put before. fn is called on the storage thread, what it
 * gets is borrowed for the call: 0 goes on, 1 was the last one it wants, negative fails. It may touch what `arg` holds
 * until `done` is called.
 */
typedef int store_event_fn(void *arg, const struct store_event *ev);
int store_read_events(
	struct store *s, const struct store_events_query *q, store_event_fn *fn, store_done *done, void *arg);
/*
 * Jobs queued between begin and end are stored all together or not at all, whenever the daemon is killed and however
 * full the disk is. drop instead of end forgets them, and done is called for none. Not nested; nothing of the queue is
 * run meanwhile. A job that is one too many for any group (STORE_GROUP_MAX, STORE_BYTES_MAX) is refused with -E2BIG.
 */
void store_group_begin(struct store *s);
void store_group_end(struct store *s);
void store_group_drop(struct store *s);
/* done is called once all jobs queued before it are durable (or failed). */
int store_sync(struct store *s, store_done *done, void *arg);

struct store_stats {
	uint64_t jobs, commits, failures;
	int64_t commit_p50_us, commit_max_us, bytes;
	size_t queued;
	bool suspect; /* an fsync failed: nothing is promised any more */
};
void store_stats(struct store *s, struct store_stats *ret);

#endif
