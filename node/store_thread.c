/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The storage thread: takes all jobs that wait, runs them in one transaction, makes it durable, hands them
 * back.
 *
 * When a group fails, it is rolled back and each of its jobs is tried alone, so that one bad row or a disk
 * that is full for the large ones costs the others nothing. After a failed fsync nothing is tried any more:
 * the kernel may have dropped the pages and called them clean, so a later success would promise what is not
 * there, and a checkpoint could copy garbage into the database. The write-ahead log as it was before is still
 * whole, and a restart reads it.
 *
 * Events, and what else nobody waits for, are not worth an fsync each: they wait STORE_LAZY_MS for other work to ride
 * along with.
 */
#include "node/store_priv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

static int64_t mono_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void bind_text(sqlite3_stmt *st, int at, const char *v)
{
	(void)sqlite3_bind_text(st, at, v, -1, SQLITE_STATIC); /* no copy, so nothing to fail; NULL binds NULL */
}

static void bind_blob(sqlite3_stmt *st, int at, const void *v, size_t n)
{
	(void)sqlite3_bind_blob(st, at, v, (int)n, SQLITE_STATIC); /* as above; sizes are bounded by the queue's */
}

static void bind_int(sqlite3_stmt *st, int at, int64_t v)
{
	(void)sqlite3_bind_int64(st, at, v); /* as above */
}

static void bind_agent(sqlite3_stmt *st, const struct store_agent *a)
{
	bind_text(st, 1, a->name);
	bind_int(st, 2, a->version);
	bind_blob(st, 3, a->text, a->text_len);
	bind_int(st, 4, a->desired);
	bind_int(st, 5, a->stopped);
	bind_int(st, 6, a->paused);
	bind_int(st, 7, a->removed);
	bind_int(st, 8, a->changed_wall_ms);
	bind_blob(st, 9, a->before, a->before_len); /* NULL binds NULL */
}

static void bind_event(sqlite3_stmt *st, const struct store_event *ev)
{
	bind_int(st, 1, ev->seq);
	bind_int(st, 2, ev->wall_ms);
	bind_text(st, 3, ev->severity);
	bind_text(st, 4, ev->kind);
	bind_text(st, 5, ev->agent);
	bind_text(st, 6, ev->replica);
	bind_text(st, 7, ev->text);
	bind_blob(st, 8, ev->data, ev->data_len);
}

static void bind_job(sqlite3_stmt *st, const struct store_job *j)
{
	switch (j->kind) {
	case STORE_PUT_AGENT:
		bind_agent(st, &j->u.agent);
		break;
	case STORE_DEL_AGENT:
		bind_text(st, 1, j->u.agent.name);
		break;
	case STORE_PUT_REPLICA:
		bind_text(st, 1, j->u.replica.id);
		bind_blob(st, 2, j->u.replica.saved, j->u.replica.saved_len);
		break;
	case STORE_DEL_REPLICA:
		bind_text(st, 1, j->u.replica.id);
		break;
	case STORE_PUT_OP:
		bind_int(st, 1, j->u.op.seq);
		bind_text(st, 2, j->u.op.id);
		bind_blob(st, 3, j->u.op.saved, j->u.op.saved_len);
		break;
	case STORE_PUT_EVENT:
		bind_event(st, &j->u.event);
		break;
	case STORE_PUT_META:
		bind_text(st, 1, j->u.meta.key);
		bind_int(st, 2, j->u.meta.value);
		break;
	case STORE_PUT_CLUSTER:
		bind_text(st, 1, j->u.cluster_id);
		break;
	case STORE_PUT_NOTE:
		bind_text(st, 1, j->u.note.key);
		bind_text(st, 2, j->u.note.text);
		break;
	case STORE_BACKUP:
	case STORE_READ_EVENTS:
	case STORE_SYNC:
	case STORE_KIND_MAX:
		assert(!"no rows");
	}
}

static int step(struct store *s, sqlite3_stmt *st, struct err *e)
{
	int rc = sqlite3_step(st) == SQLITE_DONE ? 0 : store_schema_fault(s, e);

	if (rc < 0)
		s->suspect = s->suspect || store_schema_is_fsync(s);
	(void)sqlite3_reset(st); /* repeats the failure that was told just above */
	(void)sqlite3_clear_bindings(st);
	return rc;
}

static int trim_ops(struct store *s, int64_t oldest, struct err *e)
{
	bind_int(s->stmts[STORE_STMT_TRIM_OPS], 1, oldest);
	return step(s, s->stmts[STORE_STMT_TRIM_OPS], e);
}

static int run_row(struct store *s, const struct store_job *j, struct err *e)
{
	sqlite3_stmt *st = s->stmts[j->kind];
	int rc;

	if (j->kind == STORE_SYNC)
		return 0;
	bind_job(st, j);
	rc = step(s, st, e);
	s->n_events += rc == 0 && j->kind == STORE_PUT_EVENT;
	if (rc == 0 && j->kind == STORE_PUT_OP)
		rc = trim_ops(s, j->u.op.oldest, e);
	return rc;
}

/* Drops the oldest, a run at a time, so that the bound holds and not each event costs a search. */
static int trim(struct store *s, struct err *e)
{
	int64_t drop = s->n_events - EVENTS_KEPT_MAX + STORE_TRIM_RUN;
	int rc;

	if (s->n_events <= EVENTS_KEPT_MAX)
		return 0;
	bind_int(s->stmts[STORE_STMT_TRIM], 1, drop);
	rc = step(s, s->stmts[STORE_STMT_TRIM], e);
	if (rc == 0)
		s->n_events -= drop;
	return rc;
}

static void roll_back(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db)) /* SQLite rolls back by itself after some failures */
		(void)step(s, s->stmts[STORE_STMT_ROLLBACK], NULL); /* the failure before it is the one to tell */
}

/* Jobs from `first` up to `end`, all or none. */
static int transact(struct store *s, struct list *first, const struct list *end, struct err *e)
{
	int64_t n_events = s->n_events;
	int rc = step(s, s->stmts[STORE_STMT_BEGIN], e);

	for (struct list *p = first; rc == 0 && p != end; p = p->next)
		rc = run_row(s, LIST_ENTRY(p, struct store_job, link), e);
	if (rc == 0)
		rc = trim(s, e);
	if (rc == 0)
		rc = step(s, s->stmts[STORE_STMT_COMMIT], e);
	if (rc < 0) {
		roll_back(s);
		s->n_events = n_events;
	}
	return rc;
}

static void end_jobs(struct list *first, const struct list *end, int rc, const struct err *e)
{
	for (struct list *p = first; p != end; p = p->next) {
		struct store_job *j = LIST_ENTRY(p, struct store_job, link);

		free(j->error); /* of the group, when each is tried alone */
		j->error = rc < 0 ? mem_strdup(e->text) : NULL;
		j->rc = rc;
	}
}

static void count_commit(struct store *s, int64_t took_us)
{
	pthread_mutex_lock(&s->lock);
	s->commit_us[s->st.commits++ % STORE_COMMITS_KEPT] = took_us;
	s->st.commit_max_us = MAX(s->st.commit_max_us, took_us);
	pthread_mutex_unlock(&s->lock);
}

static void refuse_suspect(const struct store *s, struct list *first, const struct list *end)
{
	struct err e;

	(void)err_set(&e, -EIO,
		"the disk failed to make '%s' durable earlier: nothing is stored until it was checked and "
		"coveyd restarted",
		s->path);
	end_jobs(first, end, -EIO, &e);
}

/* The first job after `p` that may succeed or fail without it. */
static struct list *unit_end(struct list *p, const struct list *end)
{
	do
		p = p->next;
	while (p != end && LIST_ENTRY(p, struct store_job, link)->grouped);
	return p;
}

static void run_group(struct store *s, struct list *first, struct list *end)
{
	int64_t at = mono_us();
	struct err e = {0};
	int rc;

	if (s->suspect) {
		refuse_suspect(s, first, end);
		return;
	}
	rc = transact(s, first, end, &e);
	end_jobs(first, end, rc, &e);
	if (rc == 0)
		count_commit(s, mono_us() - at);
	if (rc == 0 || unit_end(first, end) == end || s->suspect)
		return;
	for (struct list *p = first, *next; p != end; p = next) {
		next = unit_end(p, end);
		run_group(s, p, next); /* each alone: one level deep */
	}
}

static void checkpoint(struct store *s)
{
	struct err e;

	if (s->suspect || s->wal_frames < STORE_WAL_FRAMES)
		return;
	if (sqlite3_wal_checkpoint_v2(s->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK) {
		s->wal_frames = 0;
		s->checkpoint_said = false;
		return;
	}
	s->suspect = store_schema_is_fsync(s);
	(void)store_schema_fault(s, &e); /* for its sentence */
	if (!s->checkpoint_said)
		log_warn("store: the log stays long: %s", e.text);
	s->checkpoint_said = true;
}

static bool is_alone(const struct list *p)
{
	enum store_kind kind = LIST_ENTRY(p, struct store_job, link)->kind;

	return kind == STORE_BACKUP || kind == STORE_READ_EVENTS;
}

/* The first job from `p` on that cannot share a transaction with those before it. */
static struct list *group_end(struct list *p, struct list *batch)
{
	while (p != batch && !is_alone(p))
		p = p->next;
	return p;
}

/* One that is no part of a transaction. A store that is suspect still reads. */
static void run_alone(struct store *s, struct store_job *j)
{
	struct err e = {0};
	int rc = j->kind == STORE_BACKUP ? store_backup_run(s, j->u.path, &e)
					 : store_load_page(s, &j->u.read.q, j->u.read.fn, j->arg, &e);

	end_jobs(&j->link, j->link.next, rc, &e);
}

static void run_batch(struct store *s, struct list *batch)
{
	pthread_mutex_lock(&s->db_lock);
	for (struct list *p = batch->next; p != batch;) {
		struct list *end = group_end(p, batch);

		if (end != p) {
			run_group(s, p, end);
			p = end;
			continue;
		}
		run_alone(s, LIST_ENTRY(p, struct store_job, link));
		p = p->next;
	}
	pthread_mutex_unlock(&s->db_lock);
}

static void splice(struct list *from, struct list *to)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

static void wait_for_company(struct store *s)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until); /* cannot fail for this clock */
	until.tv_nsec += (long)STORE_LAZY_MS * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!s->n_urgent && !s->stopping && s->n_queued < STORE_LAZY_MAX)
		if (pthread_cond_timedwait(&s->work, &s->lock, &until) == ETIMEDOUT)
			return;
}

/* Under the lock. */
void store_count_out(struct store *s, const struct store_job *j)
{
	s->n_queued--;
	s->queued_bytes -= j->size;
	s->n_grouped -= j->counted;
}

/* Takes all that wait; false once there is nothing and nothing will come. */
static bool take(struct store *s, struct list *batch)
{
	pthread_mutex_lock(&s->lock);
	do {
		while (s->grouping || (list_is_empty(&s->queue) && !s->stopping))
			pthread_cond_wait(&s->work, &s->lock);
		if (!s->n_urgent)
			wait_for_company(s);
	} while (s->grouping);
	splice(&s->queue, batch);
	s->n_urgent = 0;
	pthread_mutex_unlock(&s->lock);
	return !list_is_empty(batch);
}

static void hand_back(struct store *s, struct list *batch)
{
	bool was_suspect;

	pthread_mutex_lock(&s->lock);
	LIST_FOREACH (p, batch) {
		const struct store_job *j = LIST_ENTRY(p, struct store_job, link);

		store_count_out(s, j);
		s->st.jobs++;
		s->st.failures += j->rc < 0;
	}
	splice(batch, &s->finished);
	was_suspect = s->st.suspect;
	s->st.suspect = s->suspect;
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
	if (s->suspect && !was_suspect)
		log_err("store: the disk failed to make '%s' durable; nothing more is stored until coveyd is "
			"restarted",
			s->path);
}

void *store_thread_main(void *arg)
{
	struct store *s = arg;
	struct list batch;
	sigset_t all;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL); /* they are the loop's; cannot fail with these arguments */
	list_init(&batch);
	while (take(s, &batch)) {
		run_batch(s, &batch);
		hand_back(s, &batch);
		pthread_mutex_lock(&s->db_lock);
		checkpoint(s);
		pthread_mutex_unlock(&s->db_lock);
	}
	return NULL;
}
