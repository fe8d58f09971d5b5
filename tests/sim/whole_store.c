/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of store.c and its thread: a batch of jobs is under way to the disk at a time, all that wait are the next.
 * A batch is on disk as a whole or not at all; when the daemon is killed in the middle, chance says which. A disk that
 * is full refuses some, an fsync that fails ends the daemon, and the next one finds the mark of it.
 */
#include <errno.h>
#include <string.h>

#include "tests/sim/whole_priv.h"

#define COMMIT_US 3000	 /* at most, of a disk that is well */
#define LAZY_US	  200000 /* as STORE_LAZY_MS */
#define HANDED_US 50	 /* from the thread to the loop */

static const char *const full = "the disk is full";

/* ---- jobs ---- */

static struct whole *whole_of_store(struct store *s)
{
	return whole_of_loop(s->loop);
}

struct store_job *store_job_new(enum store_kind kind, size_t content, store_done *done, void *arg)
{
	struct store_job *j = calloc(1, sizeof(*j) + content + 1);

	assert(j);
	list_init(&j->link);
	j->kind = kind;
	j->done = done;
	j->arg = arg;
	j->size = sizeof(*j) + content;
	return j;
}

static void begin(struct whole *w)
{
	int64_t wait_us = LAZY_US;

	if (!list_is_empty(&w->batch) || w->store.grouping || list_is_empty(&w->store.queue))
		return;
	LIST_FOREACH (at, &w->store.queue)
		if (!LIST_ENTRY(at, struct store_job, link)->lazy)
			wait_us = 0;
	if (wait_us > 0) { /* alone: others may ride along */
		heap_set(&whole_sim(w)->heap, &w->disk_item, whole_sim(w)->now_us + wait_us);
		return;
	}
	while (!list_is_empty(&w->store.queue)) {
		struct list *at = w->store.queue.next;

		list_del(at);
		list_add_tail(&w->batch, at);
	}
	heap_set(&whole_sim(w)->heap, &w->disk_item,
		whole_sim(w)->now_us + HANDED_US + whole_between(w, COMMIT_US / 10, COMMIT_US) + w->slow_us);
}

int store_job_submit(struct store *s, struct store_job *j)
{
	struct whole *w = whole_of_store(s);

	if (!j)
		return -ENOMEM;
	if (s->n_queued >= STORE_QUEUE_MAX) {
		free(j);
		return -ENOSPC;
	}
	s->n_queued++;
	list_add_tail(&s->queue, &j->link);
	begin(w);
	return 0;
}

void store_group_begin(struct store *s)
{
	s->grouping = true;
}

void store_group_end(struct store *s)
{
	s->grouping = false;
	begin(whole_of_store(s));
}

static const void *keep(struct store_job *j, const void *v, size_t n)
{
	char *at = j->v + j->used;

	if (n > 0)
		memcpy(at, v, n);
	j->used += n;
	return at;
}

int store_put_replica(struct store *s, const struct store_replica *r, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_REPLICA, strlen(r->id) + 1 + r->saved_len, done, arg);

	j->lazy = r->lazy;
	j->u.replica = *r;
	j->u.replica.id = keep(j, r->id, strlen(r->id) + 1);
	j->u.replica.saved = keep(j, r->saved, r->saved_len);
	return store_job_submit(s, j);
}

int store_del_replica(struct store *s, const char *id, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_DEL_REPLICA, strlen(id) + 1, done, arg);

	j->u.replica.id = keep(j, id, strlen(id) + 1);
	return store_job_submit(s, j);
}

/* What a node of this simulator has no use for: its time alone. */
static int put_nothing(struct store *s, enum store_kind kind, store_done *done, void *arg)
{
	return store_job_submit(s, store_job_new(kind, 0, done, arg));
}

int store_del_agent(struct store *s, const char *name, store_done *done, void *arg)
{
	(void)name;
	return put_nothing(s, STORE_DEL_AGENT, done, arg);
}

const char *const store_note_keys[STORE_NOTE_MAX] = {
	[STORE_NOTE_KNOWN] = "known", [STORE_NOTE_FORGOTTEN] = "forgotten", [STORE_NOTE_NAMES] = "names"};

int store_put_note(struct store *s, enum store_note note, const char *text, store_done *done, void *arg)
{
	struct store_job *j = store_job_new(STORE_PUT_NOTE, strlen(text) + 1, done, arg);

	j->u.note.key = store_note_keys[note];
	j->u.note.text = keep(j, text, strlen(text) + 1);
	return store_job_submit(s, j);
}

char *store_note(struct store *s, enum store_note note)
{
	const char *text = whole_of_store(s)->disk.notes[note];
	char *copy = text ? strdup(text) : NULL;

	assert(copy || !text);
	return copy;
}

bool whole_knows(const struct sim_node *n, const char *address)
{
	size_t len = strlen(address);

	for (const char *p = n->w->disk.notes[STORE_NOTE_KNOWN]; p && *p; p += strcspn(p, "\n"), p += *p == '\n')
		if (strncmp(p, address, len) == 0 && p[len] == '\n')
			return true;
	return false;
}

int store_watch(struct store *s, const char *mark, void (*watcher)(void *arg, bool suspect), void *arg)
{
	(void)mark;
	s->watcher = watcher;
	s->watcher_arg = arg;
	return 0;
}

const char *store_node_id(const struct store *s)
{
	return s->node_id;
}

/* ---- the disk ---- */

/* As run_group and votes_run: what a voter wrote after a write that failed is not made either. */
static void write_one(struct whole *w, struct store_job *j)
{
	bool votes = j->kind == STORE_VOTE && j->u.vote->what <= VOTES_LONG;
	struct votes *v = w->store.votes;

	if (votes && j->u.vote->turn == v->failed_turn) {
		j->u.vote->refused = true;
		return;
	}
	if (whole_chance(w, w->full_ppm)) {
		j->rc = -ENOSPC;
		if (votes)
			v->failed_turn = j->u.vote->turn;
		return;
	}
	whole_disk_apply(w, j);
}

static void write_batch(struct whole *w)
{
	if (w->fsync_fails) {
		w->fsync_fails = false;
		w->store.suspect = w->suspect = true;
	}
	LIST_FOREACH (at, &w->batch) {
		struct store_job *j = LIST_ENTRY(at, struct store_job, link);

		if (w->store.suspect)
			j->rc = -EIO;
		else
			write_one(w, j);
	}
}

static void free_job(struct whole *w, struct store_job *j)
{
	list_del(&j->link);
	w->store.n_queued--;
	free(j);
}

/* As complete(). */
static void hand_back(struct whole *w)
{
	struct list done;

	list_init(&done);
	while (!list_is_empty(&w->batch)) {
		struct list *at = w->batch.next;

		list_del(at);
		list_add_tail(&done, at);
	}
	while (!list_is_empty(&done)) {
		struct store_job *j = LIST_ENTRY(done.next, struct store_job, link);

		if (j->done)
			j->done(j->arg, j->rc, j->rc < 0 ? full : NULL);
		free_job(w, j);
	}
	w->store.watcher(w->store.watcher_arg, w->store.suspect);
}

void whole_store_due(struct whole *w)
{
	if (list_is_empty(&w->batch)) { /* those that are lazy waited for long enough */
		LIST_FOREACH (at, &w->store.queue)
			LIST_ENTRY(at, struct store_job, link)->lazy = false;
		begin(w);
		return;
	}
	if (!node_lives(w->sn)) { /* its threads stand still too */
		w->disk_waits = true;
		return;
	}
	write_batch(w);
	hand_back(w);
	begin(w);
}

void whole_store_begin(struct whole *w)
{
	struct store *s = &w->store;

	*s = (struct store){.loop = (struct ev_loop *)(void *)w};
	list_init(&s->queue);
	list_init(&s->finished);
	list_init(&w->batch);
	w->disk_waits = false;
	s->path = w->name;
	(void)identity_text(w->sn->uuid, s->node_id); /* it is node_id */
}

static void drop(struct whole *w, struct list *jobs)
{
	while (!list_is_empty(jobs)) {
		struct store_job *j = LIST_ENTRY(jobs->next, struct store_job, link);

		if (j->done)
			j->done(j->arg, -ESHUTDOWN, "killed"); /* nobody acts on it: what it holds is given back */
		free_job(w, j);
	}
}

void whole_store_end(struct whole *w)
{
	heap_del(&whole_sim(w)->heap, &w->disk_item);
	if (!list_is_empty(&w->batch) && whole_chance(w, NET_PPM / 2))
		write_batch(w);
	drop(w, &w->batch);
	drop(w, &w->store.queue);
}

void whole_disk_faults(struct sim_node *n, uint32_t full_ppm, int64_t slow_us)
{
	n->w->full_ppm = MIN(full_ppm, (uint32_t)NET_PPM);
	n->w->slow_us = slow_us;
}

void whole_disk_breaks(struct sim_node *n)
{
	n->w->fsync_fails = true;
}

/* ---- votes_load.c's ---- */

int votes_load(struct votes *v, const struct votes_sink *sink, void *arg, struct err *e)
{
	struct whole *w = whole_of_store(v->s);
	const struct whole_disk *d = &w->disk;
	int rc;

	v->loaded = true;
	if (w->suspect)
		return err_set(e, -EIO, "the disk failed before");
	rc = sink->begin(arg, &d->header, d->write);
	for (size_t i = 0; rc == 0 && i < d->votes.n; i++) {
		const struct whole_reg *r = &d->votes.v[i];

		rc = sink->vote(arg, &r->key, ballot_max(&r->promised, &r->accepted), &r->accepted,
			(struct msg_bytes){r->v, r->v ? r->n : 0});
	}
	for (size_t i = 0; rc == 0 && i < d->n_longs; i++)
		rc = sink->lasting(arg, &d->longs[i].key, &d->longs[i].slot, d->longs[i].long_ms);
	return rc < 0 ? err_set(e, rc, "%s", strerror(-rc)) : 0;
}

int votes_load_leases(struct votes *v, int (*fn)(void *arg, const struct msg_key *key, uint32_t slot, uint64_t epoch),
	void *arg, uint64_t *ret_number, struct err *e)
{
	const struct whole_disk *d = &whole_of_store(v->s)->disk;
	int rc = 0;

	(void)e;
	*ret_number = d->number;
	for (size_t i = 0; rc == 0 && i < d->n_releases; i++)
		rc = fn(arg, &d->releases[i].key, d->releases[i].slot, d->releases[i].epoch);
	return rc;
}

int votes_load_seen(struct votes *v, int (*fn)(void *arg, const struct uuid *node, uint64_t boot, uint64_t write),
	void *arg, struct err *e)
{
	const struct whole_disk *d = &whole_of_store(v->s)->disk;
	int rc = 0;

	(void)e;
	for (size_t i = 0; rc == 0 && i < d->n_seen; i++)
		rc = fn(arg, &d->seen[i].node, d->seen[i].boot, d->seen[i].write);
	return rc;
}

int votes_load_chosen(struct votes *v,
	int (*fn)(void *arg, const struct msg_key *key, const struct ballot *ballot, struct msg_bytes value), void *arg,
	struct err *e)
{
	const struct whole_disk *d = &whole_of_store(v->s)->disk;
	int rc = 0;

	(void)e;
	for (size_t i = 0; rc == 0 && i < d->chosen.n; i++)
		rc = fn(arg, &d->chosen.v[i].key, &d->chosen.v[i].accepted,
			(struct msg_bytes){d->chosen.v[i].v, d->chosen.v[i].n});
	return rc;
}
