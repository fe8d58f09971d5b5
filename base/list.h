/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_LIST_H
#define BASE_LIST_H
/*
 * An intrusive doubly linked list: the links sit in the element, the list owns nothing.
 */
#include "base/util.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_add_tail(struct list *l, struct list *e)
{
	e->prev = l->prev;
	e->next = l;
	l->prev->next = e;
	l->prev = e;
}

/* Leaves the element initialised, so that removing it again is harmless. */
static inline void list_del(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

#define LIST_ENTRY(p, type, member) CONTAINER_OF(p, type, member)
#define LIST_FOREACH(p, l)	    for (struct list *p = (l)->next; p != (l); p = p->next)
/* The element at hand may be removed. */
#define LIST_FOREACH_SAFE(p, l) \
	for (struct list *p = (l)->next, *p##_next = p->next; p != (l); p = p##_next, p##_next = p->next)

#endif
