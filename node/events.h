/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_EVENTS_H
#define NODE_EVENTS_H
/*
 * What happened on this node, for people: the newest EVENTS_RING in memory, where questions are answered, and
 * EVENTS_KEPT_MAX on disk, from which the ring is filled at start. Events ride along with the store's commits.
 * An id is
 * "NODE:SEQ"; SEQ rises for ever, over restarts too.
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
	const char *after; /* an id: newer ones; NULL or "": from the oldest kept */
	const char *agent; /* of this agent and its replicas alone; NULL or "": all */
	int64_t since_ms;  /* wall clock; 0: all */
	int64_t max;	   /* at most so many, > 0 */
	bool tail;	   /* the newest `max` instead of the oldest */
};

/*
 * Calls fn for each, oldest first; what it gets is borrowed for the call, a negative return ends the walk.
 * *ret_last is
 * the sequence to go on from: of the last one given, or the newest there is when all were looked at; `after`
 * again when
 * there is nothing newer. -EINVAL: `after` is no id of this node.
 */
int events_query(const struct events *ev, const struct events_query *q,
	int (*fn)(void *arg, const struct store_event *e), void *arg, int64_t *ret_last, struct err *e);
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
