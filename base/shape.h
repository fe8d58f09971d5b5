/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_SHAPE_H
#define BASE_SHAPE_H
/*
 * Structs to msgpack and back, from tables: a shape is a struct's row of fields, each with its name, kind, place and
 * bounds; what nodes say to each other is tables of these. A struct is an array of its fields by position. Fields
 * beyond those that are known are passed over (a newer peer's), at most SHAPE_DEPTH_MAX levels deep; one that is
 * missing (but for the last ones of a shape that needs fewer), of another type or out of its bounds is refused with a
 * sentence.
 *
 * Decoding borrows from the frame what is longer than a number, and takes no memory but for arrays that a struct only
 * points to: these are of the caller's arena. Every count is compared with the bytes that are there, and with its
 * bound, before anything is taken or filled.
 */
#include <msgpack.h>

#include "base/arena.h"
#include "base/unpack.h"

#define SHAPE_DEPTH_MAX 8

enum shape_kind {
	SHAPE_UINT, /* a uint8_t … uint64_t, or an enum: min … max is its value */
	SHAPE_BOOL, /* a bool */
	SHAPE_TEXT, /* pointer and length (n_at) of clean UTF-8 without control characters; min … max is its length */
	SHAPE_BYTES,  /* the same, of any bytes */
	SHAPE_NAME,   /* as TEXT, in place: at most `size` bytes */
	SHAPE_FIXED,  /* exactly `size` bytes in place */
	SHAPE_STRUCT, /* `of`, in place */
	SHAPE_OPTION, /* the same, or nil: the bool at n_at tells */
	SHAPE_UINTS,  /* an array of uint64_t in place; their count is at n_at: min … max */
	SHAPE_FIXEDS, /* the same of `size` bytes each */
	SHAPE_LIST,   /* the same of `of` */
	SHAPE_FAR,  /* as LIST, where the struct has a pointer to the first: decoded, it is of the arena; none: NULL */
	SHAPE_POOL, /* a run of an array that the outermost struct has: see pool_at */
	SHAPE_KIND_MAX
};

struct shape_field {
	const char *name;
	enum shape_kind kind;
	uint16_t at, size; /* in the struct: offset, and bytes of the field, or of one of them */
	uint64_t min, max;
	const struct shape *of;
	uint16_t n_at, n_size; /* the bool of OPTION; the length or count of all that have one */
	/* POOL: where the struct keeps the index of the run's first; where the outermost struct has the array, and the
	 * uint16_t that counts all in it: at most max. */
	uint16_t first_at, pool_at, pool_n_at;
};

struct shape {
	const char *name;
	const struct shape_field *fields;
	size_t n, size; /* of the fields; of the struct */
	size_t need; /* how many must be there, 0: all; older peers do not say the rest, which then stays as it was */
};

#define SHAPE_SIZE(s, f) sizeof(((struct s *)0)->f)
/* Rows of a table: struct, field, bounds. */
#define SHAPE_U(s, f, lo, hi)                                                                                       \
	{                                                                                                           \
		.name = #f, .kind = SHAPE_UINT, .at = offsetof(struct s, f), .size = SHAPE_SIZE(s, f), .min = (lo), \
		.max = (hi)                                                                                         \
	}
#define SHAPE_B(s, f)                                                                                 \
	{                                                                                             \
		.name = #f, .kind = SHAPE_BOOL, .at = offsetof(struct s, f), .size = SHAPE_SIZE(s, f) \
	}
/* f: a struct of pointer v and length n; NAME: of bytes v in place and their number n. */
#define SHAPE_STR(k, s, f, lo, hi)                                                                      \
	{                                                                                               \
		.name = #f, .kind = (k), .at = offsetof(struct s, f.v), .size = SHAPE_SIZE(s, f.v),     \
		.n_at = offsetof(struct s, f.n), .n_size = SHAPE_SIZE(s, f.n), .min = (lo), .max = (hi) \
	}
#define SHAPE_F(s, f)                                                                                  \
	{                                                                                              \
		.name = #f, .kind = SHAPE_FIXED, .at = offsetof(struct s, f), .size = SHAPE_SIZE(s, f) \
	}
#define SHAPE_IN(s, f, shape_of)                                                                \
	{                                                                                       \
		.name = #f, .kind = SHAPE_STRUCT, .at = offsetof(struct s, f), .of = (shape_of) \
	}
#define SHAPE_OPT(s, f, has, shape_of)                                                           \
	{                                                                                        \
		.name = #f, .kind = SHAPE_OPTION, .at = offsetof(struct s, f), .of = (shape_of), \
		.n_at = offsetof(struct s, has), .n_size = SHAPE_SIZE(s, has)                    \
	}
#define SHAPE_ALL(s, f, count, lo, hi, shape_of)                                                            \
	{                                                                                                   \
		.name = #f, .kind = SHAPE_LIST, .at = offsetof(struct s, f), .of = (shape_of),              \
		.n_at = offsetof(struct s, count), .n_size = SHAPE_SIZE(s, count), .min = (lo), .max = (hi) \
	}
#define SHAPE_US(s, f, count, lo, hi)                                                                            \
	{                                                                                                        \
		.name = #f, .kind = SHAPE_UINTS, .at = offsetof(struct s, f), .n_at = offsetof(struct s, count), \
		.n_size = SHAPE_SIZE(s, count), .min = (lo), .max = (hi)                                         \
	}

#define SHAPE_EACH(k, s, f, count, lo, hi, each, shape_of)                                                  \
	{                                                                                                   \
		.name = #f, .kind = (k), .at = offsetof(struct s, f), .size = (each), .of = (shape_of),     \
		.n_at = offsetof(struct s, count), .n_size = SHAPE_SIZE(s, count), .min = (lo), .max = (hi) \
	}

/* Bytes of a bound, for msgpack-c's packer. */
struct shape_out {
	uint8_t *v; /* borrowed; NULL: the bytes are counted alone */
	size_t n, cap;
	bool full; /* something did not fit */
	msgpack_packer packer;
};

void shape_out_init(struct shape_out *out, uint8_t *v, size_t cap);
/* The fields alone, for an array whose head was written; and a struct as an array. out->full tells. */
void shape_put_fields(struct shape_out *out, const struct shape *s, const void *base);
void shape_put(struct shape_out *out, const struct shape *s, const void *base);

/*
 * The fields of an array of n values, whose head was read. far: for FAR; NULL where the table has none. -EBADMSG, or
 * -ENOMEM where the arena gives no more, with a sentence; *base is then anything.
 */
int shape_get_fields(struct unpack *u, const struct shape *s, size_t n, void *base, struct arena *far, struct err *e);
int shape_get(struct unpack *u, const struct shape *s, void *base, struct err *e); /* without FAR */
/* The head of a message: an array whose first value is its type, below `types`; *ret_fields more follow. `what` is put
 * in front of a fault: -EBADMSG, or -ENOTSUP for a type that is not known. */
int shape_get_type(struct unpack *u, const char *what, unsigned first, unsigned types, unsigned *ret_type,
	size_t *ret_fields, struct err *e);
/* An array's head: how many values are in it. */
int shape_get_array(struct unpack *u, size_t *ret_n, struct err *e);

#endif
