/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as the loop sees it: jobs are copied into a bounded queue, completions come back in order through
 * one ev_async. The storage thread (store_thread.c) starts with the first job.
 */
#include "node/store_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

#define LOOKASIDE_SIZE	128
#define LOOKASIDE_SLOTS 32

/* SQLite's own memory, kept small. Refused (and so without effect) once SQLite runs: a second store of a
 * test. */
static void configure_sqlite(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	(void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, LOOKASIDE_SIZE, LOOKASIDE_SLOTS);
}

static void complete(struct store *s)
{
	struct list done;
	bool suspect;

	pthread_mutex_lock(&s->lock);
	suspect = s->st.suspect;
	done = s->finished;
	if (list_is_empty(&s->finished)) {
		list_init(&done);
	} else {
		done.next->prev = done.prev->next = &done;
		list_init(&s->finished);
	}
	pthread_mutex_unlock(&s->lock);
	s->completing = true;
	while (!list_is_empty(&done)) {
		struct store_job *j = LIST_ENTRY(done.next, struct store_job, link);

		list_del(&j->link);
		if (j->done)
			j->done(j->arg, j->rc, j->rc < 0 && !j->error ? "out of memory" : j->error);
		free(j->error);
		free(j);
	}
	if (s->watcher)
		s->watcher(s->watcher_arg, suspect);
	s->completing = false;
}

static void on_wake(struct ev_loop *loop, ev_async *w, int revents)
{
	(void)loop;    /* the store knows it */
	(void)revents; /* only one kind */
	complete(w->data);
}

/* Jobs of one turn are one transaction, and one waking of the thread. */
void store_turn(struct store *s)
{
	if (s->wakes)
		pthread_cond_signal(&s->work);
	s->wakes = false;
}

static void on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)revents;
	store_turn(w->data);
}

static int init_sync(struct store *s)
{
	pthread_condattr_t attr;
	int rc;

	if (pthread_condattr_init(&attr) != 0)
		return -ENOMEM;
	rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (rc == 0)
		rc = pthread_cond_init(&s->work, &attr);
	(void)pthread_condattr_destroy(&attr); /* cannot fail on an initialised one */
	if (rc == 0) {
		(void)pthread_mutex_init(&s->lock, NULL);    /* cannot fail with default attributes */
		(void)pthread_mutex_init(&s->db_lock, NULL); /* likewise */
	}
	return -rc;
}

static void free_store(struct store *s)
{
	store_schema_close(s);
	(void)pthread_cond_destroy(&s->work);
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_mutex_destroy(&s->db_lock);
	free(s->dir);
	free(s->path);
	free(s->mark);
	free(s);
}

int store_open(struct ev_loop *loop, const char *data_dir, struct store **ret, struct err *e)
{
	struct store *s = mem_zalloc(1, sizeof(*s));
	int rc;

	if (!s || init_sync(s) < 0) {
		free(s);
		return err_set(e, -ENOMEM, "out of memory while opening the store");
	}
	configure_sqlite();
	s->loop = loop;
	list_init(&s->queue);
	list_init(&s->finished);
	s->dir = mem_strdup(data_dir);
	s->path = mem_printf("%s/covey.db", data_dir);
	rc = s->dir && s->path ? store_schema_open(s, e) : err_set(e, -ENOMEM, "out of memory while opening the store");
	if (rc < 0) {
		free_store(s);
		return rc;
	}
	ev_async_init(&s->wake, on_wake);
	ev_prepare_init(&s->turn, on_turn);
	ev_set_priority(&s->turn, EV_MINPRI); /* after those that give it work at the end of a turn */
	s->wake.data = s->turn.data = s;
	ev_async_start(loop, &s->wake);
	ev_prepare_start(loop, &s->turn);
	*ret = s;
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	assert(!s->completing && !s->grouping);
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (s->thread_started)
		(void)pthread_join(s->thread, NULL); /* ours, joinable, once */
	complete(s);
	ev_async_stop(s->loop, &s->wake);
	ev_prepare_stop(s->loop, &s->turn);
	free_store(s);
}

int store_watch(struct store *s, const char *mark, void (*watcher)(void *arg, bool suspect), void *arg)
{
	assert(!s->thread_started && !s->mark);
	s->mark = mem_strdup(mark);
	if (!s->mark)
		return -ENOMEM;
	s->watcher = watcher;
	s->watcher_arg = arg;
	return 0;
}

const char *store_node_id(const struct store *s)
{
	return s->node_id;
}

const char *store_cluster_id(const struct store *s)
{
	return s->cluster_id;
}

struct store_job *store_job_new(enum store_kind kind, size_t content, store_done *done, void *arg)
{
	struct store_job *j = mem_alloc(sizeof(*j) + content);

	if (!j)
		return NULL;
	memset(j, 0, sizeof(*j));
	list_init(&j->link);
	j->kind = kind;
	j->done = done;
	j->arg = arg;
	j->size = sizeof(*j) + content;
	return j;
}

static const void *keep(struct store_job *j, const void *v, size_t n)
{
	char *at = j->v + j->used;

	if (!v)
		return NULL;
	assert(sizeof(*j) + j->used + n <= j->size);
	memcpy(at, v, n);
	j->used += n;
	return at;
}

static const char *keep_text(struct store_job *j, const char *v)
{
	return v ? keep(j, v, strlen(v) + 1) : NULL;
}

static size_t text_size(const char *v)
{
	return v ? strlen(v) + 1 : 0;
}

/*
 * A group is one change, which cannot be had in parts: what bounds it is memory, and a count that the largest change
 * fits. Groups and the rest are counted apart, so that a large change costs no event its place.
 */
static int has_room(const struct store *s, const struct store_job *j)
{
	if (s->grouping && (s->group_n >= STORE_GROUP_MAX || j->size > STORE_BYTES_MAX - s->group_bytes))
		return -E2BIG;
	if (s->stopping || j->size > STORE_BYTES_MAX - s->queued_bytes)
		return -ENOSPC;
	if (s->grouping)
		return s->n_grouped < STORE_GROUP_MAX ? 0 : -ENOSPC;
	return s->n_queued - s->n_grouped < STORE_QUEUE_MAX ? 0 : -ENOSPC;
}

/* Under the lock, as has_room; store_count_out takes it back. */
static void count_in(struct store *s, struct store_job *j)
{
	j->counted = s->grouping;
	s->n_queued++;
	s->queued_bytes += j->size;
	s->n_grouped += j->counted;
	s->group_n++; /* begun anew with the next group */
	s->group_bytes += j->size;
}

static bool is_alone(const struct list *l, const struct list *e)
{
	return l->next == e && l->prev == e;
}

int store_job_submit(struct store *s, struct store_job *j)
{
	int rc;

	if (!j)
		return -ENOMEM;
	if (!s->thread_started) {
		rc = pthread_create(&s->thread, NULL, store_thread_main, s);
		if (rc != 0) {
			free(j);
			return -rc;
		}
		s->thread_started = true;
	}
	pthread_mutex_lock(&s->lock);
	rc = has_room(s, j);
	if (rc == 0) {
		j->grouped = s->grouping && s->group_at != s->queue.prev;
		list_add_tail(&s->queue, &j->link);
		count_in(s, j);
		s->n_urgent += !j->lazy;
		s->wakes |= s->n_urgent || is_alone(&s->queue, &j->link) || s->n_queued >= STORE_LAZY_MAX;
	}
	pthread_mutex_unlock(&s->lock);
	if (rc < 0)
		free(j);
	return rc;
}

void store_group_begin(struct store *s)
{
	assert(!s->grouping);
	pthread_mutex_lock(&s->lock);
	s->grouping = true;
	s->group_at = s->queue.prev;
	s->group_n = s->group_bytes = 0;
	pthread_mutex_unlock(&s->lock);
}

void store_group_end(struct store *s)
{
	assert(s->grouping);
	pthread_mutex_lock(&s->lock);
	s->grouping = false;
	s->wakes = true;
	pthread_mutex_unlock(&s->lock);
}

void store_group_drop(struct store *s)
{
	assert(s->grouping);
	pthread_mutex_lock(&s->lock);
	while (s->queue.prev != s->group_at) {
		struct store_job *j = LIST_ENTRY(s->queue.prev, struct store_job, link);

		store_count_out(s, j);
		s->n_urgent -= !j->lazy;
		list_del(&j->link);
		free(j);
	}
	pthread_mutex_unlock(&s->lock);
	store_group_end(s);
}

int store_put_agent(struct store *s, const struct store_agent *a, store_done *done, void *arg)
{
	struct store_job *j =
		store_job_new(STORE_PUT_AGENT, text_size(a->name) + a->text_len + a->before_len, done, arg);

	if (j) {
		j->u.agent = *a;
		j->u.agent.name = keep_text(j, a->name);
		j->u.agent.text = keep(j, a->text ? a->text : "", a->text_len);
		j->u.agent.before = keep(j, a->before, a->before_len);
	}
	return store_job_submit(s, j);
}

int store_del_agent(struct store *s, const char *name, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_DEL_AGENT, text_size(name), done, arg);

	if (j)
		j->u.agent.name = keep_text(j, name);
	return store_job_submit(s, j);
}

int store_put_replica(struct store *s, const struct store_replica *r, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_REPLICA, text_size(r->id) + r->saved_len, done, arg);

	if (j) {
		j->lazy = r->lazy;
		j->u.replica = *r;
		j->u.replica.id = keep_text(j, r->id);
		j->u.replica.saved = keep(j, r->saved ? r->saved : "", r->saved_len);
	}
	return store_job_submit(s, j);
}

int store_del_replica(struct store *s, const char *id, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_DEL_REPLICA, text_size(id), done, arg);

	if (j)
		j->u.replica.id = keep_text(j, id);
	return store_job_submit(s, j);
}

int store_put_op(struct store *s, const struct store_op *op, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_OP, text_size(op->id) + op->saved_len, done, arg);

	if (j) {
		j->u.op = *op;
		j->u.op.id = keep_text(j, op->id);
		j->u.op.saved = keep(j, op->saved ? op->saved : "", op->saved_len);
	}
	return store_job_submit(s, j);
}

int store_put_event(struct store *s, const struct store_event *ev, store_done *done, void *arg)
{
	assert(ev->severity && ev->kind && ev->text);
	size_t content = text_size(ev->severity) + text_size(ev->kind) + text_size(ev->agent) + text_size(ev->replica) +
			 text_size(ev->text) + ev->data_len;
	struct store_job *j = store_job_new(STORE_PUT_EVENT, content, done, arg);

	if (j) {
		j->lazy = true;
		j->u.event = *ev;
		j->u.event.severity = keep_text(j, ev->severity);
		j->u.event.kind = keep_text(j, ev->kind);
		j->u.event.agent = keep_text(j, ev->agent);
		j->u.event.replica = keep_text(j, ev->replica);
		j->u.event.text = keep_text(j, ev->text);
		j->u.event.data = keep(j, ev->data, ev->data_len);
	}
	return store_job_submit(s, j);
}

int store_put_meta(struct store *s, const char *key, int64_t value, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_META, text_size(key), done, arg);

	if (j) {
		j->u.meta.key = keep_text(j, key);
		j->u.meta.value = value;
	}
	return store_job_submit(s, j);
}

int store_put_cluster(struct store *s, const char *id, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_CLUSTER, text_size(id), done, arg);

	assert(strlen(id) == sizeof(s->cluster_id) - 1);
	if (j)
		j->u.cluster_id = keep_text(j, id);
	return store_job_submit(s, j);
}

const char *const store_note_keys[STORE_NOTE_MAX] = {
	[STORE_NOTE_KNOWN] = "known_members",
	[STORE_NOTE_FORGOTTEN] = "forgotten_members",
	[STORE_NOTE_NAMES] = "voter_names",
};

int store_put_note(struct store *s, enum store_note note, const char *text, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_NOTE, text_size(text), done, arg);

	if (j) {
		j->u.note.key = store_note_keys[note];
		j->u.note.text = keep_text(j, text);
	}
	return store_job_submit(s, j);
}

int store_backup(struct store *s, const char *path, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_BACKUP, text_size(path), done, arg);

	if (j)
		j->u.path = keep_text(j, path);
	return store_job_submit(s, j);
}

int store_read_events(
	struct store *s, const struct store_events_query *q, store_event_fn *fn, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_READ_EVENTS, text_size(q->agent), done, arg);

	if (j) {
		j->u.read.q = *q;
		j->u.read.q.agent = keep_text(j, q->agent);
		j->u.read.fn = fn;
	}
	return store_job_submit(s, j);
}

int store_sync(struct store *s, store_done *done, void *arg)
{
	return store_job_submit(s, store_job_new(STORE_SYNC, 0, done, arg));
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void store_stats(struct store *s, struct store_stats *ret)
{
	int64_t v[STORE_COMMITS_KEPT];
	struct stat st;
	size_t n;

	pthread_mutex_lock(&s->lock);
	*ret = s->st;
	ret->queued = s->n_queued;
	memcpy(v, s->commit_us, sizeof(v));
	pthread_mutex_unlock(&s->lock);
	n = MIN((size_t)ret->commits, (size_t)STORE_COMMITS_KEPT);
	qsort(v, n, sizeof(v[0]), by_value);
	ret->commit_p50_us = n ? v[n / 2] : 0;
	ret->bytes = stat(s->path, &st) == 0 ? (int64_t)st.st_size : 0;
}
