/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables: see table.h.
 */
#include "cli/table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define GAP 2

void table_init(struct table *t, const struct table_column *columns, size_t n_columns)
{
	assert(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX);
	*t = (struct table){.columns = columns, .n_columns = n_columns};
	bytes_init(&t->text, TABLE_TEXT_MAX);
}

void table_done(struct table *t)
{
	bytes_done(&t->text);
	free(t->cells);
	*t = (struct table){0};
}

static struct table_cell *new_cell(struct table *t)
{
	size_t cap = t->cap ? t->cap * 2 : 64;
	struct table_cell *cells;

	if (t->n_cells < t->cap)
		return &t->cells[t->n_cells++];
	cells = mem_realloc(t->cells, cap * sizeof(*cells));
	if (!cells) {
		t->failed = true;
		return NULL;
	}
	t->cells = cells;
	t->cap = cap;
	return &t->cells[t->n_cells++];
}

void table_cell(struct table *t, enum tint tint, const char *fmt, ...)
{
	struct bytes raw = {.max = TABLE_TEXT_MAX};
	struct table_cell *cell = new_cell(t);
	va_list ap;

	if (!cell)
		return;
	va_start(ap, fmt);
	(void)bytes_vfmt(&raw, fmt, ap); /* raw.failed tells */
	va_end(ap);
	*cell = (struct table_cell){.at = t->text.n, .tint = tint};
	if (!raw.failed)
		text_clean(&t->text, raw.v, raw.n, 0);
	t->failed |= raw.failed || t->text.failed;
	cell->n = t->text.n - cell->at;
	bytes_done(&raw);
}

/* How the columns are laid out: a width of 0 is a column left out. */
struct layout {
	unsigned width[TABLE_COLUMNS_MAX];
};

static void widest(const struct table *t, struct layout *l)
{
	for (size_t i = 0; i < t->n_columns; i++)
		l->width[i] = (unsigned)strlen(t->columns[i].title);
	for (size_t i = 0; i < t->n_cells; i++) {
		const struct table_cell *cell = &t->cells[i];
		unsigned w = text_width(t->text.v + cell->at, cell->n), *is = &l->width[i % t->n_columns];

		*is = MAX(*is, w);
	}
}

/* What the columns still shown take, at their width or (least) at the width they may shrink to. */
static unsigned total(const struct table *t, const struct layout *l, bool least)
{
	unsigned sum = 0, shown = 0;

	for (size_t i = 0; i < t->n_columns; i++) {
		unsigned w = l->width[i], to = t->columns[i].shrink;

		if (w == 0)
			continue;
		sum += least && to && to < w ? to : w;
		shown++;
	}
	return sum + (shown ? GAP * (shown - 1) : 0);
}

static bool drop_one(const struct table *t, struct layout *l)
{
	size_t worst = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++)
		if (l->width[i] && t->columns[i].drop &&
			(worst == t->n_columns || t->columns[i].drop > t->columns[worst].drop))
			worst = i;
	if (worst == t->n_columns)
		return false;
	l->width[worst] = 0;
	return true;
}

static bool shrink_one(const struct table *t, struct layout *l)
{
	size_t widest_at = t->n_columns;

	for (size_t i = 0; i < t->n_columns; i++) {
		if (t->columns[i].shrink == 0 || l->width[i] <= t->columns[i].shrink)
			continue;
		if (widest_at == t->n_columns || l->width[i] > l->width[widest_at])
			widest_at = i;
	}
	if (widest_at == t->n_columns)
		return false;
	l->width[widest_at]--;
	return true;
}

static void fit(const struct table *t, unsigned width, struct layout *l)
{
	widest(t, l);
	if (width == 0)
		return;
	while (total(t, l, true) > width && drop_one(t, l))
		continue;
	while (total(t, l, false) > width && shrink_one(t, l))
		continue;
}

static size_t last_shown(const struct table *t, const struct layout *l)
{
	size_t last = 0;

	for (size_t i = 0; i < t->n_columns; i++)
		if (l->width[i])
			last = i;
	return last;
}

struct shown {
	const char *s;
	size_t n;
	const char *begin; /* of its tint */
};

/* One cell, padded on the side that its column says; never blanks at the end of a line. */
static void put(const struct table_column *column, struct shown what, unsigned width, bool is_last, struct bytes *out)
{
	unsigned is = MIN(text_width(what.s, what.n), width), pad = width - is;

	if (column->right)
		(void)bytes_fmt(out, "%*s", (int)pad, ""); /* out->failed tells; so below */
	(void)bytes_str(out, what.begin);
	text_clean(out, what.s, what.n, width);
	if (*what.begin)
		(void)bytes_str(out, TINT_END);
	if (!is_last)
		(void)bytes_fmt(out, "%*s", (int)(column->right ? GAP : pad + GAP), "");
}

static void put_titles(const struct table *t, const struct layout *l, bool colour, struct bytes *out)
{
	size_t last = last_shown(t, l);

	for (size_t i = 0; i < t->n_columns; i++) {
		const char *title = t->columns[i].title;

		if (l->width[i])
			put(&t->columns[i], (struct shown){title, strlen(title), colour ? tint_begin(TINT_BOLD) : ""},
				l->width[i], i == last, out);
	}
	(void)bytes_str(out, "\n"); /* out->failed tells */
}

static void put_row(const struct table *t, const struct layout *l, size_t row, bool colour, struct bytes *out)
{
	size_t last = last_shown(t, l);

	for (size_t i = 0; i < t->n_columns; i++) {
		const struct table_cell *cell = &t->cells[row * t->n_columns + i];
		struct shown what = {t->text.v + cell->at, cell->n, colour && cell->n ? tint_begin(cell->tint) : ""};

		if (l->width[i])
			put(&t->columns[i], what, l->width[i], i == last, out);
	}
	(void)bytes_str(out, "\n"); /* out->failed tells */
}

int table_render(const struct table *t, unsigned width, bool colour, struct bytes *out)
{
	size_t rows = t->n_cells / t->n_columns;
	struct layout l;

	if (t->failed)
		return -ENOMEM;
	assert(t->n_cells % t->n_columns == 0);
	fit(t, width, &l);
	put_titles(t, &l, colour, out);
	for (size_t i = 0; i < rows; i++)
		put_row(t, &l, i, colour, out);
	return out->failed ? -ENOMEM : 0;
}
