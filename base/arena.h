/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
/*
 * Memory that lives and dies together: a definition and all its strings. A zeroed arena with `max_bytes` set is
 * ready; nothing is freed but the whole.
 */
#include "base/util.h"

struct arena {
	struct arena_block *head; /* owned, newest first */
	size_t used_bytes;	  /* over all blocks */
	size_t max_bytes;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_done(struct arena *a);
/* Zeroed, aligned; NULL when out of memory or past the bound. */
void *arena_alloc(struct arena *a, size_t n) MUST_CHECK;
char *arena_strndup(struct arena *a, const char *s, size_t n) MUST_CHECK;
char *arena_strdup(struct arena *a, const char *s) MUST_CHECK;

#endif
