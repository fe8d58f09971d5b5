/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_POLL_PRIV_H
#define NODE_POLL_PRIV_H
/*
 * What the verbs that may wait share: poll.c keeps them, poll_logs.c and poll_events.c are two of them.
 */
#include "base/list.h"
#include "node/node.h"
#include "node/poll.h"

struct waiter;
/* Answers and returns true, or returns false to be tried again. last: its time is up, it must answer. */
typedef bool poll_try(struct waiter *w, bool last);

/* The first member of what a verb keeps; all of it is one allocation. */
struct waiter {
	struct list link; /* in node.waiters */
	struct node *node;
	struct control_request *rq;
	poll_try *try;
	void (*drop)(struct waiter *w); /* gives back what else it holds; NULL: nothing */
	int64_t until_ms;
};

/* `size` bytes, zeroed but for the waiter; wait_ms is read from args. NULL: refused. */
void *poll_waiter_new(
	struct node *n, struct control_request *rq, const msgpack_object *args, poll_try *try, size_t size);
/* Tries, and keeps it when there is nothing to say yet. */
void poll_begin(struct waiter *w);
/* Refuses it for its arguments' sake and frees it: not one that was begun. */
void poll_refuse_usage(struct waiter *w, const struct err *e);
/* Tries one that was begun: what it waited for may be there. */
void poll_again(struct waiter *w);

#endif
