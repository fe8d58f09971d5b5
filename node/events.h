/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H
/*
 * What happened on this node, for people: the newest EVENTS_RING in memory, where questions about them are answered at
 * once, and EVENTS_KEPT_MAX on disk, from which the ring is filled at start and which the storage thread reads for
 * questions that go further back. Events ride along with the store's commits. An id is "NODE:SEQ"; SEQ rises for ever,
 * over restarts too.
 */
#include "base/err.h"
#include "base/list.h"
#include "node/store.h"

#define EVENTS_RING  1000
#define EVENT_ID_MAX 96 /* with its NUL */

struct events;

/* node: its name, borrowed for good. Loads what the store has. */
int events_new(struct store *s, const char *node, struct events **ret, struct err *e);
void events_free(struct events *ev); /* NULL is fine; before store_close; watchers must be gone */

/*
 * seq is given here; text is cut to EVENT_TEXT_MAX. Never fails: what memory or the store's queue had no room for is
 * counted as dropped (from memory, from disk). Watchers are called before it returns.
 */
void events_emit(struct events *ev, const struct store_event *what);

struct events_query {
	int64_t after;	   /* seq: newer ones; 0: from the oldest */
	const char *agent; /* of this agent and its replicas alone; NULL or "": all */
	int64_t since_ms;  /* wall clock; 0: all */
	int64_t max;	   /* at most so many, > 0 */
	bool newest;	   /* the newest `max` instead of the oldest */
};

/*
 * Of those in memory: calls fn for each, oldest first, with what is borrowed for the call: 0 goes on, 1 was the last
 * one it wants, negative fails. *ret_last is the seq to go on from: of the last one given, or the newest there is when
 * all were looked at; `after` again when there is nothing newer.
 */
int events_query(const struct events *ev, const struct events_query *q, store_event_fn *fn, void *arg,
	int64_t *ret_last, struct err *e);
/* The oldest in memory; older ones may be on disk. 0: all that there are are in memory. */
int64_t events_oldest(const struct events *ev);
/* No event so far has this number or a higher one; the store of another time must go on from it. */
int64_t events_reserved(const struct events *ev);
/* Of those on disk that are older than `before`. fn is called on the storage thread, then `done` on the loop. */
int events_read(const struct events *ev, const struct events_query *q, int64_t before, store_event_fn *fn,
	store_done *done, void *arg);

/* "" is 0. -EINVAL: no id of this node. */
int events_parse_id(const struct events *ev, const char *id, int64_t *ret_seq, struct err *e);
char *events_id(const struct events *ev, int64_t seq, char *out); /* into out, of EVENT_ID_MAX; returns it */

/*
 * Called for every event from then on, on the loop, from inside events_emit: it may unwatch itself, and must not
 * emit.
 */
struct events_watch {
	struct list link;
	void (*fn)(void *arg, const struct store_event *e);
	void *arg;
};

void events_watch(struct events *ev, struct events_watch *w); /* w is the caller's, until unwatched */
void events_unwatch(struct events_watch *w);		      /* harmless again */

struct events_stats {
	uint64_t emitted, dropped_memory, dropped_disk;
	int64_t newest_seq;
};
void events_stats(const struct events *ev, struct events_stats *ret);

#endif
