/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_STORY_H
#define TESTS_SIM_STORY_H
/*
 * What happened last, so that a failure can be read as a golden trace: lines of the newest events, kept in a ring and
 * written only when they are asked for.
 */
#include <stdio.h>

#include "base/util.h"

#define STORY_LINES 16384
#define STORY_TEXT  104

struct story_line {
	int64_t at_us;
	uint32_t node, other; /* UINT32_MAX: none */
	char text[STORY_TEXT];
};

struct story {
	struct story_line *v; /* owned, STORY_LINES of them */
	uint64_t n;	      /* ever told */
	FILE *live;	      /* also written here as they come, if not NULL */
};

void story_init(struct story *s, FILE *live);
void story_done(struct story *s);
void story_tell(struct story *s, int64_t at_us, uint32_t node, uint32_t other, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* The last `most` lines that this node has a part in (UINT32_MAX: all). */
void story_write(const struct story *s, FILE *to, uint32_t node, size_t most);

#endif
