/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the store back: all at start, pages of events later, on the storage thread. Rows are borrowed from SQLite for
 * the call.
 */
#include "node/store_priv.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

struct walk {
	const char *sql;
	int64_t bound;			       /* of the statement's only parameter, where it has one */
	const struct store_events_query *page; /* of its parameters, where it has five */
	int (*row)(const struct walk *w, sqlite3_stmt *st);
	union {
		int (*agent)(void *arg, const struct store_agent *a);
		int (*replica)(void *arg, const struct store_replica *r);
		int (*op)(void *arg, const struct store_op *op);
		int (*event)(void *arg, const struct store_event *ev);
	} fn;
	void *arg;
};

static const char *text(sqlite3_stmt *st, int column)
{
	return (const char *)sqlite3_column_text(st, column);
}

static const char *text_or_empty(sqlite3_stmt *st, int column)
{
	const char *v = text(st, column);

	return v ? v : "";
}

static const void *blob(sqlite3_stmt *st, int column, size_t *ret_len)
{
	const void *v = sqlite3_column_blob(st, column);

	*ret_len = (size_t)sqlite3_column_bytes(st, column);
	return v;
}

/* The parameters are there, and nothing is copied: nothing to fail. */
static void bind(const struct walk *w, sqlite3_stmt *st)
{
	const struct store_events_query *q = w->page;

	if (!q) {
		if (sqlite3_bind_parameter_count(st) > 0)
			(void)sqlite3_bind_int64(st, 1, w->bound);
		return;
	}
	(void)sqlite3_bind_int64(st, 1, q->after);
	(void)sqlite3_bind_int64(st, 2, q->before);
	(void)sqlite3_bind_int64(st, 3, q->since_ms);
	(void)sqlite3_bind_text(st, 4, q->agent && *q->agent ? q->agent : NULL, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(st, 5, q->max);
}

static int run_locked(struct store *s, const struct walk *w, struct err *e)
{
	sqlite3_stmt *st = NULL;
	int step = SQLITE_ROW, rc = 0;

	if (sqlite3_prepare_v2(s->db, w->sql, -1, &st, NULL) != SQLITE_OK)
		return store_schema_fault(s, e);
	bind(w, st);
	while (rc == 0 && (step = sqlite3_step(st)) == SQLITE_ROW)
		rc = w->row(w, st);
	if (rc < 0)
		rc = err_set(e, rc, "reading '%s': %s", s->path, strerror(-rc));
	else
		rc = rc > 0 || step == SQLITE_DONE ? 0 : store_schema_fault(s, e);
	(void)sqlite3_finalize(st); /* repeats the failure that was told already */
	return rc;
}

static int run(struct store *s, const struct walk *w, struct err *e)
{
	int rc;

	pthread_mutex_lock(&s->db_lock);
	rc = run_locked(s, w, e);
	pthread_mutex_unlock(&s->db_lock);
	return rc;
}

static int agent_row(const struct walk *w, sqlite3_stmt *st)
{
	struct store_agent a = {.name = text_or_empty(st, 0), .version = sqlite3_column_int64(st, 1)};

	a.text = blob(st, 2, &a.text_len);
	a.text = a.text ? a.text : "";
	a.desired = sqlite3_column_int64(st, 3);
	a.stopped = sqlite3_column_int(st, 4) != 0;
	a.paused = sqlite3_column_int(st, 5) != 0;
	a.removed = sqlite3_column_int(st, 6) != 0;
	a.changed_wall_ms = sqlite3_column_int64(st, 7);
	a.before = blob(st, 8, &a.before_len);
	return w->fn.agent(w->arg, &a);
}

static int replica_row(const struct walk *w, sqlite3_stmt *st)
{
	struct store_replica r = {.id = text_or_empty(st, 0)};

	r.saved = blob(st, 1, &r.saved_len);
	return w->fn.replica(w->arg, &r);
}

static int op_row(const struct walk *w, sqlite3_stmt *st)
{
	struct store_op op = {.seq = sqlite3_column_int64(st, 0), .id = text_or_empty(st, 1)};

	op.saved = blob(st, 2, &op.saved_len);
	return w->fn.op(w->arg, &op);
}

static int event_row(const struct walk *w, sqlite3_stmt *st)
{
	struct store_event ev = {.seq = sqlite3_column_int64(st, 0),
		.wall_ms = sqlite3_column_int64(st, 1),
		.severity = text_or_empty(st, 2),
		.kind = text_or_empty(st, 3),
		.agent = text(st, 4),
		.replica = text(st, 5),
		.text = text_or_empty(st, 6)};

	ev.data = blob(st, 7, &ev.data_len);
	return w->fn.event(w->arg, &ev);
}

int store_load_agents(struct store *s, int (*fn)(void *arg, const struct store_agent *a), void *arg, struct err *e)
{
	const struct walk w = {
		.sql = "SELECT * FROM agents ORDER BY name", .row = agent_row, .fn.agent = fn, .arg = arg};

	return run(s, &w, e);
}

int store_load_replicas(struct store *s, int (*fn)(void *arg, const struct store_replica *r), void *arg, struct err *e)
{
	const struct walk w = {
		.sql = "SELECT * FROM replicas ORDER BY id", .row = replica_row, .fn.replica = fn, .arg = arg};

	return run(s, &w, e);
}

int store_load_ops(struct store *s, int (*fn)(void *arg, const struct store_op *op), void *arg, struct err *e)
{
	const struct walk w = {.sql = "SELECT * FROM ops ORDER BY seq", .row = op_row, .fn.op = fn, .arg = arg};

	return run(s, &w, e);
}

int store_load_events(
	struct store *s, int64_t max, int (*fn)(void *arg, const struct store_event *ev), void *arg, struct err *e)
{
	/* The inner walk is backwards over the primary key and sorts nothing but its own result. */
	const struct walk w = {.sql = "SELECT * FROM (SELECT * FROM events ORDER BY seq DESC LIMIT ?) ORDER BY seq",
		.bound = MAX(max, (int64_t)0),
		.row = event_row,
		.fn.event = fn,
		.arg = arg};

	return run(s, &w, e);
}

int store_load_page(struct store *s, const struct store_events_query *q, store_event_fn *fn, void *arg, struct err *e)
{
#define PAGE "SELECT * FROM events WHERE seq>?1 AND seq<?2 AND wall_ms>=?3 AND (?4 IS NULL OR agent=?4) ORDER BY seq"
	const struct walk w = {
		.sql = q->newest ? "SELECT * FROM (" PAGE " DESC LIMIT ?5) ORDER BY seq" : PAGE " LIMIT ?5",
		.page = q,
		.row = event_row,
		.fn.event = fn,
		.arg = arg};

	return run_locked(s, &w, e);
}

int64_t store_meta(struct store *s, const char *key, int64_t fallback)
{
	sqlite3_stmt *st = NULL;
	int64_t v = fallback;

	pthread_mutex_lock(&s->db_lock);
	if (sqlite3_prepare_v2(s->db, "SELECT value FROM meta WHERE key=?", -1, &st, NULL) == SQLITE_OK &&
		sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st); /* the fallback stands for a failed read too */
	pthread_mutex_unlock(&s->db_lock);
	return v;
}

char *store_note(struct store *s, enum store_note note)
{
	sqlite3_stmt *st = NULL;
	char *v = NULL;

	pthread_mutex_lock(&s->db_lock);
	if (sqlite3_prepare_v2(s->db, "SELECT value FROM identity WHERE key=?", -1, &st, NULL) == SQLITE_OK &&
		sqlite3_bind_text(st, 1, store_note_keys[note], -1, SQLITE_STATIC) == SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW && sqlite3_column_text(st, 0))
		v = mem_strdup((const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st); /* none stands for a failed read too */
	pthread_mutex_unlock(&s->db_lock);
	return v;
}
