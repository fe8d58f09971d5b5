/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A heap of the logs that have a line, the oldest line at its top.
 */
#include "cli/merge.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define BUFFER_MAX (MERGE_LINE_MAX + 512 * 1024)

void merge_done(struct merge *m)
{
	free(m->v);
	free(m->heap);
	*m = (struct merge){0};
}

static int grow(struct merge *m)
{
	size_t cap = MAX(2 * m->cap, (size_t)16);
	struct merge_source **v, **heap;

	if (m->n < m->cap)
		return 0;
	v = mem_realloc(m->v, cap * sizeof(struct merge_source *));
	if (!v)
		return -ENOMEM;
	m->v = v;
	heap = mem_realloc(m->heap, cap * sizeof(struct merge_source *));
	if (!heap)
		return -ENOMEM;
	m->heap = heap;
	m->cap = cap;
	return 0;
}

int merge_add(struct merge *m, struct merge_source *s)
{
	if (grow(m) < 0)
		return -ENOMEM;
	s->order = m->added++;
	s->buf.max = BUFFER_MAX;
	m->v[m->n++] = s;
	return 0;
}

void merge_drop(struct merge *m, struct merge_source *s)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->v[i] != s)
			continue;
		memmove(m->v + i, m->v + i + 1, (m->n - i - 1) * sizeof(struct merge_source *));
		m->n--;
		return;
	}
}

void merge_source_done(struct merge_source *s)
{
	bytes_done(&s->buf);
}

/* "2026-01-02T03:04:05.678901Z " */
static bool is_stamped(const char *v, size_t n)
{
	static const char like[MERGE_STAMP + 2] = "0000-00-00T00:00:00.000000Z ";

	if (n <= MERGE_STAMP)
		return false;
	for (size_t i = 0; i <= MERGE_STAMP; i++)
		if (like[i] == '0' ? v[i] < '0' || v[i] > '9' : v[i] != like[i])
			return false;
	return true;
}

/* Looks for the first line from s->at on. */
static void find_line(struct merge_source *s)
{
	const char *v = s->buf.v + s->at;
	size_t n = s->buf.n - s->at;
	const char *end = n ? memchr(v, '\n', n) : NULL;

	s->line = end ? (size_t)(end - v) + 1 : n >= MERGE_LINE_MAX ? n : 0;
	if (s->line && is_stamped(v, s->line))
		memcpy(s->stamp, v, MERGE_STAMP);
}

int merge_feed(struct merge_source *s, const void *v, size_t n)
{
	if (s->at) {
		memmove(s->buf.v, s->buf.v + s->at, s->buf.n - s->at);
		s->buf.n -= s->at;
		s->at = 0;
	}
	if (n && bytes_add(&s->buf, v, n) < 0)
		return -ENOMEM;
	if (!s->line)
		find_line(s);
	return 0;
}

static bool is_before(const struct merge_source *a, const struct merge_source *b)
{
	int c = strcmp(a->stamp, b->stamp);

	return c ? c < 0 : a->order < b->order;
}

static void sift_down(struct merge *m, size_t i)
{
	struct merge_source *s = m->heap[i];

	for (size_t child; (child = 2 * i + 1) < m->n_heap; i = child) {
		if (child + 1 < m->n_heap && is_before(m->heap[child + 1], m->heap[child]))
			child++;
		if (!is_before(m->heap[child], s))
			break;
		m->heap[i] = m->heap[child];
	}
	m->heap[i] = s;
}

/* False: one that is waited for has no line. */
static bool build(struct merge *m)
{
	m->n_heap = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (merge_has_line(m->v[i]))
			m->heap[m->n_heap++] = m->v[i];
		else if (!m->v[i]->ended)
			return false;
	}
	for (size_t i = m->n_heap / 2; i-- > 0;)
		sift_down(m, i);
	return true;
}

static unsigned width_of(const struct merge *m)
{
	size_t width = 0;

	for (size_t i = 0; i < m->n; i++)
		width = MAX(width, strlen(m->v[i]->name));
	return (unsigned)width;
}

/* The first n bytes that were not printed, as a line. */
static void put(const struct merge *m, unsigned width, struct merge_source *s, size_t n, struct bytes *out)
{
	const char *v = s->buf.v + s->at;

	/* out->failed tells */
	if (m->n > 1)
		(void)bytes_fmt(out, "%-*s | ", (int)width, s->name);
	(void)bytes_add(out, v, n);
	if (v[n - 1] != '\n')
		(void)bytes_str(out, "\n");
	s->at += n;
	find_line(s);
}

bool merge_lines(struct merge *m, struct bytes *out, size_t max)
{
	unsigned width = width_of(m);

	if (!build(m))
		return true;
	while (m->n_heap && out->n < max && !out->failed) {
		struct merge_source *s = m->heap[0];

		put(m, width, s, s->line, out);
		if (!merge_has_line(s)) {
			if (!s->ended)
				return true;
			m->heap[0] = m->heap[--m->n_heap];
		}
		if (m->n_heap)
			sift_down(m, 0);
	}
	return m->n_heap == 0;
}

void merge_rest(const struct merge *m, struct merge_source *s, struct bytes *out)
{
	if (s->at < s->buf.n)
		put(m, width_of(m), s, s->buf.n - s->at, out);
}
