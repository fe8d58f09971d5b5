/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_UNPACK_H
#define BASE_UNPACK_H
/*
 * Reading msgpack head by head, without memory: what a value says of itself is compared with the bytes that are there
 * before it is believed. msgpack-c's own unpacker allocates for each value, and believes counts.
 */
#include "base/err.h"

struct unpack {
	const unsigned char *v; /* borrowed */
	size_t n, at;
};

enum unpack_kind {
	UNPACK_NIL,
	UNPACK_BOOL,
	UNPACK_UINT,
	UNPACK_NEGATIVE,
	UNPACK_FLOAT,
	UNPACK_STR,
	UNPACK_BIN,
	UNPACK_EXT,
	UNPACK_ARRAY,
	UNPACK_MAP,
	UNPACK_KIND_MAX
};

struct unpack_head {
	enum unpack_kind kind;
	uint64_t number;	    /* of a bool (0, 1) or uint; else of the elements (a map's: pairs) */
	const unsigned char *bytes; /* of a str, bin or ext (its type first), or float; borrowed */
	size_t n_bytes;
	uint64_t children; /* values that follow and belong to it: a map's keys count too */
};

/*
 * The next value: its head and bytes are passed, its children come next. They are no more than the bytes that are
 * left. -EBADMSG with a sentence when it is cut off, or begins nothing.
 */
int unpack_next(struct unpack *u, struct unpack_head *ret, struct err *e);

/* Passes one value with all that is in it: at most `depth` levels (UNPACK_DEPTH_MAX at most), `values`; else -E2BIG. */
#define UNPACK_DEPTH_MAX 32
int unpack_skip(struct unpack *u, size_t depth, uint64_t values, struct err *e);

/* "a string", "nil": for sentences. */
const char *unpack_kind_text(enum unpack_kind kind);

#endif
