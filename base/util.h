/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H
/*
 * The GNU attributes and small macros that the whole tree uses; nothing else may spell __attribute__.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_LEN(a)	  (sizeof(a) / sizeof((a)[0]))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
#define STRFTIME_LIKE(f)  __attribute__((format(strftime, f, 0)))
#define MUST_CHECK	  __attribute__((warn_unused_result))
#define NO_RETURN	  __attribute__((noreturn))
#define UNUSED		  __attribute__((unused))
#define FALLTHROUGH	  __attribute__((fallthrough))
/* For code that never returns from a stack which is used again: its marks would stay there. */
#define NO_ASAN			      __attribute__((no_sanitize_address))
#define CLEANUP(fn)		      __attribute__((cleanup(fn)))
#define MIN(a, b)		      ((a) < (b) ? (a) : (b))
#define MAX(a, b)		      ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))

static inline void util_free_at(void *p)
{
	free(*(void **)p);
}

static inline void util_close_at(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd); /* nothing to do about it in a cleanup; writers check close themselves */
}

/* A heap pointer freed, a descriptor closed, when its variable leaves the scope. Set to NULL or -1 to keep. */
#define AUTO_FREE  CLEANUP(util_free_at)
#define AUTO_CLOSE CLEANUP(util_close_at)

#endif
