/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEDULER_EXPLAIN_H
#define SCHEDULER_EXPLAIN_H
/*
 * Decisions as sentences for people: what happened, what was known, what was chosen and why, by whom. Texts only; who
 * asks and who prints is elsewhere. Nodes that the view does not know are told by the first digits of their UUID.
 */
#include "scheduler/sched.h"

#define EXPLAIN_TEXT_MAX 640

/* Text is borrowed for the call. */
typedef void explain_line(void *ctx, const struct sched_decision *of, const char *text);

/* What happened, what was known, and what became of a change under way. Cut when n is too small. Return out. */
char *explain_decision(const struct sched_decision *d, const struct sched_view *view, char *out, size_t n);
/* What became of one slot, and why. */
char *explain_step(const struct sched_step *s, const struct sched_view *view, char *out, size_t n);
/* All decisions that the value remembers, the newest first: each with the steps that are kept of it. */
void explain_value(const struct sched_value *v, const struct sched_view *view, explain_line *line, void *ctx);

#endif
