/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_MEM_H
#define BASE_MEM_H
/*
 * The allocator of our own code: libc's, with a fault that tests set: the n-th call from now fails. All rooms
 * allocate through here, so that tests/oom can fail every allocation once. Memory is freed with free().
 */
#include "base/util.h"

void *mem_alloc(size_t n) MUST_CHECK;			/* not zeroed */
void *mem_zalloc(size_t count, size_t size) MUST_CHECK; /* zeroed, checked for overflow */
void *mem_realloc(void *p, size_t n) MUST_CHECK;
char *mem_strdup(const char *s) MUST_CHECK;
char *mem_strndup(const char *s, size_t n) MUST_CHECK;
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) MUST_CHECK;

/* The same for a core, which is given its memory (gossip_mem, value_mem): ctx and n are not used. */
void *mem_give(void *ctx, size_t n);
void mem_take_back(void *ctx, void *p, size_t n);

/* The n-th call of this thread from now on fails, once (0: none). Returns whether the last one set was reached. */
bool mem_fail_at(unsigned long n);

#endif
