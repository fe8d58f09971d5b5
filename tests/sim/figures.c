/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Samples with their percentiles, and the list of figures that a scenario tells.
 */
#include "tests/sim/figures.h"

#include <stdarg.h>

void sample_add(struct sample *s, double v)
{
	if (s->n == s->room) {
		s->room = s->room ? s->room * 2 : 64;
		s->v = realloc(s->v, s->room * sizeof(s->v[0]));
		assert(s->v);
	}
	s->v[s->n++] = v;
	s->sorted = false;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double sample_at(struct sample *s, unsigned percent)
{
	size_t rank = (s->n * percent + 99) / 100;

	if (!s->n)
		return 0;
	if (!s->sorted)
		qsort(s->v, s->n, sizeof(s->v[0]), by_size);
	s->sorted = true;
	return s->v[rank ? rank - 1 : 0];
}

double sample_mean(const struct sample *s)
{
	double sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += s->v[i];
	return s->n ? sum / (double)s->n : 0;
}

void sample_done(struct sample *s)
{
	free(s->v);
	*s = (struct sample){0};
}

void figures_add(struct figures *f, const char *unit, double bar, double v, const char *fmt, ...)
{
	struct figure *g = &f->v[f->n];
	va_list ap;

	assert(f->n < FIGURES_MAX);
	f->n++;
	va_start(ap, fmt);
	(void)vsnprintf(g->name, sizeof(g->name), fmt, ap);
	va_end(ap);
	g->unit = unit;
	g->bar = bar;
	g->v = v;
}

void figures_sample(struct figures *f, const char *name, const char *unit, struct sample *s)
{
	figures_add(f, unit, -1, sample_at(s, 50), "%s_p50", name);
	figures_add(f, unit, -1, sample_at(s, 99), "%s_p99", name);
	figures_add(f, unit, -1, sample_at(s, 100), "%s_max", name);
}

static bool within(const struct figure *g)
{
	return g->bar < 0 || g->v <= g->bar;
}

bool figures_within(const struct figures *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!within(&f->v[i]))
			return false;
	return true;
}

void figures_json(const struct figures *f, FILE *to)
{
	(void)fputc('{', to);
	for (size_t i = 0; i < f->n; i++)
		(void)fprintf(to, "%s\"%s\": %.10g", i ? ", " : "", f->v[i].name, f->v[i].v);
	(void)fputc('}', to);
}

void figures_text(const struct figures *f, FILE *to)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct figure *g = &f->v[i];

		(void)fprintf(to, "  %-36s %12.6g %-4s", g->name, g->v, g->unit);
		if (g->bar >= 0)
			(void)fprintf(to, " %s %g", within(g) ? "within" : "PASSES", g->bar);
		(void)fputc('\n', to);
	}
}
