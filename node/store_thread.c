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
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/mem.h"
#include "node/votes_priv.h"

static int64_t mono_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail for this clock */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void bind_agent(sqlite3_stmt *st, const struct store_agent *a)
{
	store_bind_text(st, 1, a->name);
	store_bind_int(st, 2, a->version);
	store_bind_blob(st, 3, a->text, a->text_len);
	store_bind_int(st, 4, a->desired);
	store_bind_int(st, 5, a->stopped);
	store_bind_int(st, 6, a->paused);
	store_bind_int(st, 7, a->removed);
	store_bind_int(st, 8, a->changed_wall_ms);
	store_bind_blob(st, 9, a->before, a->before_len); /* NULL binds NULL */
}

static void bind_event(sqlite3_stmt *st, const struct store_event *ev)
{
	store_bind_int(st, 1, ev->seq);
	store_bind_int(st, 2, ev->wall_ms);
	store_bind_text(st, 3, ev->severity);
	store_bind_text(st, 4, ev->kind);
	store_bind_text(st, 5, ev->agent);
	store_bind_text(st, 6, ev->replica);
	store_bind_text(st, 7, ev->text);
	store_bind_blob(st, 8, ev->data, ev->data_len);
}

static void bind_job(sqlite3_stmt *st, const struct store_job *j)
{
	switch (j->kind) {
	case STORE_PUT_AGENT:
		bind_agent(st, &j->u.agent);
		break;
	case STORE_DEL_AGENT:
		store_bind_text(st, 1, j->u.agent.name);
		break;
	case STORE_PUT_REPLICA:
		store_bind_text(st, 1, j->u.replica.id);
		store_bind_blob(st, 2, j->u.replica.saved, j->u.replica.saved_len);
		break;
	case STORE_DEL_REPLICA:
		store_bind_text(st, 1, j->u.replica.id);
		break;
	case STORE_PUT_OP:
		store_bind_int(st, 1, j->u.op.seq);
		store_bind_text(st, 2, j->u.op.id);
		store_bind_blob(st, 3, j->u.op.saved, j->u.op.saved_len);
		break;
	case STORE_PUT_EVENT:
		bind_event(st, &j->u.event);
		break;
	case STORE_PUT_META:
		store_bind_text(st, 1, j->u.meta.key);
		store_bind_int(st, 2, j->u.meta.value);
		break;
	case STORE_PUT_CLUSTER:
		store_bind_text(st, 1, j->u.cluster_id);
		break;
	case STORE_PUT_NOTE:
		store_bind_text(st, 1, j->u.note.key);
		store_bind_text(st, 2, j->u.note.text);
		break;
	case STORE_BACKUP:
	case STORE_READ_EVENTS:
	case STORE_SYNC:
	case STORE_VOTE:
	case STORE_KIND_MAX:
		assert(!"no rows");
	}
}

int store_step(struct store *s, sqlite3_stmt *st, struct err *e)
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
	store_bind_int(s->stmts[STORE_STMT_TRIM_OPS], 1, oldest);
	return store_step(s, s->stmts[STORE_STMT_TRIM_OPS], e);
}

static int run_row(struct store *s, const struct store_job *j, struct err *e)
{
	sqlite3_stmt *st;
	int rc;

	if (j->kind == STORE_SYNC)
		return 0;
	if (j->kind == STORE_VOTE)
		return votes_run(s->votes, j->u.vote, e);
	st = s->stmts[j->kind];
	bind_job(st, j);
	rc = store_step(s, st, e);
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
	store_bind_int(s->stmts[STORE_STMT_TRIM], 1, drop);
	rc = store_step(s, s->stmts[STORE_STMT_TRIM], e);
	if (rc == 0)
		s->n_events -= drop;
	return rc;
}

static void roll_back(struct store *s)
{
	if (!sqlite3_get_autocommit(s->db)) /* SQLite rolls back by itself after some failures */
		(void)store_step(s, s->stmts[STORE_STMT_ROLLBACK], NULL); /* the failure before it is the one to tell */
}

static bool has_vote(struct list *first, const struct list *end)
{
	for (struct list *p = first; p != end; p = p->next)
		if (LIST_ENTRY(p, struct store_job, link)->kind == STORE_VOTE)
			return true;
	return false;
}

static int run_rows(struct store *s, struct list *first, const struct list *end, struct err *e)
{
	int rc = 0;

	for (struct list *p = first; rc == 0 && p != end; p = p->next)
		rc = run_row(s, LIST_ENTRY(p, struct store_job, link), e);
	if (rc == 0)
		rc = trim(s, e);
	if (rc == 0 && s->votes)
		rc = votes_end(s->votes, e);
	return rc;
}

/* Jobs from `first` up to `end`, all or none. A disk on which votes fail for another reason than room is not tried
 * again, and believed in nothing more. */
static int transact(struct store *s, struct list *first, const struct list *end, struct err *e)
{
	int64_t n_events = s->n_events;
	int rc = store_step(s, s->stmts[STORE_STMT_BEGIN], e);

	if (rc == 0)
		rc = run_rows(s, first, end, e);
	if (rc == 0)
		rc = store_step(s, s->stmts[STORE_STMT_COMMIT], e);
	if (rc < 0) {
		roll_back(s);
		s->n_events = n_events;
	}
	if (rc < 0 && rc != -ENOSPC && rc != -ENOMEM && has_vote(first, end))
		s->suspect = true;
	if (s->votes)
		votes_ended(s->votes, rc == 0);
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

/* Failed for good: what a voter wrote after it must not be made. */
static void give_up(struct store *s, struct list *first, const struct list *end)
{
	for (struct list *p = first; p != end; p = p->next) {
		const struct store_job *j = LIST_ENTRY(p, struct store_job, link);

		if (j->kind == STORE_VOTE)
			votes_give_up(s->votes, j->u.vote);
	}
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
	if (rc < 0 && unit_end(first, end) == end)
		give_up(s, first, end);
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

static void move_all(struct list *from, struct list *to)
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
	move_all(&s->queue, batch);
	s->n_urgent = 0;
	pthread_mutex_unlock(&s->lock);
	return !list_is_empty(batch);
}

static void hand_back(struct store *s, struct list *batch)
{
	pthread_mutex_lock(&s->lock);
	LIST_FOREACH (p, batch) {
		const struct store_job *j = LIST_ENTRY(p, struct store_job, link);

		store_count_out(s, j);
		s->st.jobs++;
		s->st.failures += j->rc < 0;
	}
	move_all(batch, &s->finished);
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
}

/* The mark is there before anybody hears of it: whoever starts the daemon anew meets it. */
static void tell_suspect(struct store *s)
{
	static const char text[] = "the disk failed to make the store durable; a restart of the host removes this\n";
	struct err e;

	if (!s->suspect || s->st.suspect) /* nobody else writes it */
		return;
	if (s->mark && io_replace_file(AT_FDCWD, s->mark, text, sizeof(text) - 1, 0600, false, &e) < 0)
		log_err("store: the mark of a disk that failed cannot be made (%s): do not start coveyd before the "
			"host was restarted",
			e.text);
	pthread_mutex_lock(&s->lock);
	s->st.suspect = true;
	pthread_mutex_unlock(&s->lock);
	ev_async_send(s->loop, &s->wake);
	log_err("store: the disk failed to make '%s' durable; nothing more is stored until coveyd is restarted",
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
		tell_suspect(s);
		hand_back(s, &batch);
		pthread_mutex_lock(&s->db_lock);
		checkpoint(s);
		pthread_mutex_unlock(&s->db_lock);
		tell_suspect(s);
	}
	return NULL;
}
