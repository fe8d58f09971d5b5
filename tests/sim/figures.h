/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SIM_FIGURES_H
#define TESTS_SIM_FIGURES_H
/*
 * Figures that a run gathers, and how they are told: a line for people, or a document for programs.
 */
#include <stdio.h>

#include "base/util.h"

#define FIGURES_MAX 64

/* Samples of one quantity. */
struct sample {
	double *v; /* owned */
	size_t n, room;
	bool sorted;
};

void sample_add(struct sample *s, double v);
double sample_at(struct sample *s, unsigned percent); /* nearest rank; 0 of none; 100: the greatest */
double sample_mean(const struct sample *s);
void sample_done(struct sample *s);

struct figure {
	char name[48];
	double v;
	const char *unit; /* "ms", "B/s", …; "" is a count */
	double bar;	  /* must not be passed; < 0: none */
};

struct figures {
	struct figure v[FIGURES_MAX];
	size_t n;
};

void figures_add(struct figures *f, const char *unit, double bar, double v, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* name p50, p99, max of the sample */
void figures_sample(struct figures *f, const char *name, const char *unit, struct sample *s);
bool figures_within(const struct figures *f); /* no bar is passed */
void figures_json(const struct figures *f, FILE *to);
void figures_text(const struct figures *f, FILE *to);

#endif
