/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H
/*
 * Rows of cells to text, purely: columns as wide as their widest cell, and where they do not fit, columns left out
 * in the order of `drop`, then the widest of those that may shrink cut with "…". Widths are those of a terminal:
 * two for what East Asia writes wide, none for combining marks.
 */
#include "base/bytes.h"

enum tint { TINT_NONE, TINT_GOOD, TINT_WARN, TINT_BAD, TINT_DIM, TINT_BOLD, TINT_MAX };

struct table_column {
	const char *title;
	bool right;	 /* figures */
	unsigned shrink; /* may be cut down to this width; 0: never cut */
	unsigned drop;	 /* left out when all else fails: the highest first; 0: never */
};

struct table_cell {
	size_t at, n; /* in `text` */
	enum tint tint;
};

struct table {
	const struct table_column *columns; /* borrowed */
	size_t n_columns;
	struct bytes text;
	struct table_cell *cells; /* owned, row after row */
	size_t n_cells, cap;
	bool failed; /* out of memory: table_render says so */
};

#define TABLE_COLUMNS_MAX 16
#define TABLE_TEXT_MAX	  (64 * 1024 * 1024)

void table_init(struct table *t, const struct table_column *columns, size_t n_columns);
void table_done(struct table *t);
/* The next cell of the row; control characters and what is no UTF-8 are shown as '?', line ends as blanks. */
void table_cell(struct table *t, enum tint tint, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* width 0: as wide as it gets. Every row must be full. 0 or -ENOMEM. */
int table_render(const struct table *t, unsigned width, bool colour, struct bytes *out);

/* Columns that n bytes take on a terminal. */
unsigned text_width(const char *s, size_t n);
/* Bytes of s that fit into `width` columns. */
size_t text_fit(const char *s, size_t n, unsigned width);
/* Appends s, made harmless as table_cell does it, cut to width with "…" (0: not cut). */
void text_clean(struct bytes *out, const char *s, size_t n, unsigned width);
/* The escape that begins a tint ("" for none), and the one that ends any. */
const char *tint_begin(enum tint tint);
#define TINT_END "\033[0m"

#endif
