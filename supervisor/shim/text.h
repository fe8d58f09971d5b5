/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_SHIM_TEXT_H
#define SUPERVISOR_SHIM_TEXT_H
/*
 * Text without stdio: appending to a buffer of the caller's, and reading numbers. Pure.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends never write past cap and always leave a NUL; what did not fit sets `cut`. */
struct text {
	char *v;
	size_t n, cap;
	bool cut;
};

/* Over a char array. */
#define TEXT_OVER(array)                           \
	{                                          \
		.v = (array), .cap = sizeof(array) \
	}

void text_mem(struct text *t, const void *v, size_t n);
void text_str(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t v);
/* The digits that s begins with, of n bytes; *ret_used is how many there were, 0: none. Stops before an overflow. */
uint64_t text_to_u64(const char *s, size_t n, size_t *ret_used);
/* Exactly 16 hexadecimal digits. */
bool text_to_hex64(const char *s, size_t n, uint64_t *ret);
/* The value after `key` at the beginning of a line ("oom_kill 3"); false when there is no such line. */
bool text_find_u64(const char *s, const char *key, uint64_t *ret);

#endif
