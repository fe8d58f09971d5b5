/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line difference by the longest common subsequence of what is between the common head and the common tail.
 */
#include "cli/diff.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cli/table.h"

#define AROUND 3

struct line {
	const char *s;
	size_t n;
};

struct lines {
	struct line *v;
	size_t n;
};

/* The script: for each line of the result, where it comes from. */
struct edit {
	char sign; /* ' ', '-', '+' */
	struct line line;
};

struct script {
	struct edit *v;
	size_t n;
};

static int split(const char *s, size_t n, struct lines *ret)
{
	size_t count = 0, k = 0;
	struct line *v;

	for (size_t i = 0; i < n; i++)
		count += s[i] == '\n' || i == n - 1;
	v = mem_zalloc(count, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (size_t i = 0, from = 0; i < n; i++) {
		if (s[i] != '\n' && i != n - 1)
			continue;
		v[k++] = (struct line){s + from, i - from + (s[i] != '\n')};
		from = i + 1;
	}
	*ret = (struct lines){v, count};
	return 0;
}

static bool same(const struct line *a, const struct line *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->s, b->s, a->n) == 0);
}

static void add(struct script *s, char sign, const struct line *line)
{
	s->v[s->n++] = (struct edit){sign, *line};
}

/* common[i][j]: length of the longest common subsequence of a[i…] and b[j…]. */
static int middle(const struct lines *a, const struct lines *b, struct script *s)
{
	size_t wide = b->n + 1, i = 0, j = 0;
	AUTO_FREE uint32_t *common = NULL;

	if (a->n < DIFF_CELLS_MAX && (a->n + 1) * wide <= DIFF_CELLS_MAX) {
		common = mem_zalloc((a->n + 1) * wide, sizeof(*common));
		if (!common)
			return -ENOMEM;
		for (i = a->n; i-- > 0;)
			for (j = b->n; j-- > 0;)
				common[i * wide + j] = same(&a->v[i], &b->v[j]) ? common[(i + 1) * wide + j + 1] + 1
										: MAX(common[(i + 1) * wide + j],
											  common[i * wide + j + 1]);
		i = j = 0;
	}
	while (common && i < a->n && j < b->n) {
		if (same(&a->v[i], &b->v[j])) {
			add(s, ' ', &a->v[i++]);
			j++;
		} else if (common[(i + 1) * wide + j] >= common[i * wide + j + 1]) {
			add(s, '-', &a->v[i++]);
		} else {
			add(s, '+', &b->v[j++]);
		}
	}
	while (i < a->n)
		add(s, '-', &a->v[i++]);
	while (j < b->n)
		add(s, '+', &b->v[j++]);
	return 0;
}

static int compare(const struct lines *a, const struct lines *b, struct script *s)
{
	size_t head = 0, tail = 0;
	struct lines x, y;
	int rc;

	while (head < a->n && head < b->n && same(&a->v[head], &b->v[head]))
		add(s, ' ', &a->v[head++]);
	while (tail < a->n - head && tail < b->n - head && same(&a->v[a->n - 1 - tail], &b->v[b->n - 1 - tail]))
		tail++;
	x = (struct lines){a->v + head, a->n - head - tail};
	y = (struct lines){b->v + head, b->n - head - tail};
	rc = middle(&x, &y, s);
	if (rc < 0)
		return rc;
	for (size_t i = a->n - tail; i < a->n; i++)
		add(s, ' ', &a->v[i]);
	return 0;
}

static void put_hunk(const struct script *s, size_t from, size_t to, const size_t at[2], struct bytes *out)
{
	size_t n[2] = {0, 0};

	for (size_t i = from; i < to; i++) {
		n[0] += s->v[i].sign != '+';
		n[1] += s->v[i].sign != '-';
	}
	(void)bytes_fmt(out, "@@ -%zu,%zu +%zu,%zu @@\n", at[0] + (n[0] > 0), n[0], at[1] + (n[1] > 0),
		n[1]); /* out->failed tells */
}

static void put_line(const struct edit *e, bool colour, struct bytes *out)
{
	const char *begin = !colour	     ? ""
			    : e->sign == '-' ? tint_begin(TINT_BAD)
			    : e->sign == '+' ? tint_begin(TINT_GOOD)
					     : "";

	(void)bytes_fmt(out, "%s%c", begin, e->sign); /* out->failed tells; so below */
	text_clean(out, e->line.s, e->line.n, 0);
	(void)bytes_fmt(out, "%s\n", *begin ? TINT_END : "");
}

/* Where the hunk that starts at `from` ends: AROUND lines behind the last change that is near enough. */
static size_t hunk_end(const struct script *s, size_t from)
{
	size_t last = from;

	for (size_t i = from; i < s->n && i <= last + 2 * AROUND + 1; i++)
		if (s->v[i].sign != ' ')
			last = i;
	return MIN(last + 1 + AROUND, s->n);
}

static void put_script(const struct script *s, bool colour, struct bytes *out)
{
	size_t at[2] = {0, 0}, shown = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t from, to;

		if (s->v[i].sign == ' ')
			continue;
		from = MAX(shown, i > AROUND ? i - AROUND : 0);
		to = hunk_end(s, i);
		for (; shown < from; shown++) {
			at[0]++;
			at[1]++;
		}
		put_hunk(s, from, to, at, out);
		for (; shown < to; shown++) {
			at[0] += s->v[shown].sign != '+';
			at[1] += s->v[shown].sign != '-';
			put_line(&s->v[shown], colour, out);
		}
		i = to - 1;
	}
}

int diff_unified(const char *was, size_t was_n, const char *is, size_t is_n, bool colour, struct bytes *out)
{
	struct lines a = {0}, b = {0};
	struct script s = {0};
	int rc;

	rc = split(was, was_n, &a);
	if (rc == 0)
		rc = split(is, is_n, &b);
	if (rc == 0) {
		s.v = mem_zalloc(a.n + b.n, sizeof(*s.v));
		rc = s.v ? compare(&a, &b, &s) : -ENOMEM;
	}
	if (rc == 0) {
		put_script(&s, colour, out);
		rc = out->failed ? -ENOMEM : 0;
	}
	free(a.v);
	free(b.v);
	free(s.v);
	return rc;
}
