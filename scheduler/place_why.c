/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a slot finds no node, as one sentence: how many nodes there are, what is wrong with how many of them, and what
 * the best of those that only lack room would have.
 */
#include <inttypes.h>

#include "base/units.h"
#include "scheduler/place.h"
#include "scheduler/sentence.h"

/* "2 are draining", behind a comma */
static void part(struct sentence *s, size_t n, const char *one, const char *many)
{
	if (n == 0)
		return;
	say(s, ", %zu %s", n, n == 1 ? one : many);
}

/* 1500 → "1.5" */
static char *cpu_text(char *out, int64_t milli)
{
	int n = snprintf(out, UNITS_TEXT_MAX, "%" PRId64 ".%03d", milli / 1000, (int)(milli % 1000)); /* fits */

	while (out[n - 1] == '0')
		out[--n] = '\0';
	if (out[n - 1] == '.')
		out[n - 1] = '\0';
	return out;
}

static int64_t has_cpu(const struct place_room *r)
{
	return r->host->cpu_milli - r->host->reserved_cpu_milli - r->cpu_milli;
}

static int64_t has_memory(const struct place_room *r, bool really)
{
	return r->host->memory_bytes -
	       (really ? r->host->used_memory_bytes : r->host->reserved_memory_bytes + r->memory_bytes);
}

static int64_t has(const struct place_room *r, enum place_fault f)
{
	return f == PLACE_NO_CPU ? has_cpu(r) : has_memory(r, f == PLACE_FULL_MEMORY);
}

/* "(512M are asked for, n2 has 100M)": rooms are walked by rising id, of two that are alike the first is told. */
static void lack(struct sentence *s, const struct place_map *m, const struct place_ask *ask, enum place_fault f)
{
	const struct place_room *best = NULL;
	char want[UNITS_TEXT_MAX], there[UNITS_TEXT_MAX];

	for (size_t i = 0; i < m->n; i++) {
		const struct place_room *r = &m->rooms[i];

		if (place_fault(r, ask->spec, NULL, NULL) == f && (!best || has(r, f) > has(best, f)))
			best = r;
	}
	if (!best)
		return;
	if (f == PLACE_NO_CPU)
		say(s, " (%s is asked for, %s has %s)", cpu_text(want, ask->spec->reserve.cpu_milli), best->host->name,
			cpu_text(there, MAX(has(best, f), (int64_t)0)));
	else
		say(s, " (%s is asked for, %s has %s)", units_size_short(want, ask->spec->reserve.memory_bytes),
			best->host->name, units_size_short(there, MAX(has(best, f), (int64_t)0)));
}

static void say_expr(struct sentence *s, const struct sched_expr *e)
{
	say(s, " %s %s %s", e->label, e->equal ? "==" : "!=", e->value);
}

static void unmet(struct sentence *s, const struct place_ask *ask, const size_t n[SCHED_EXPRS_MAX])
{
	for (size_t i = 0; i < MIN(ask->spec->n_require, (size_t)SCHED_EXPRS_MAX); i++) {
		const struct sched_expr *e = &ask->spec->require[i];

		if (n[i] == 0)
			continue;
		part(s, n[i], "is not", "are not");
		say_expr(s, e);
	}
}

char *place_why(const struct place_map *m, const struct place_ask *ask, char *out, size_t n)
{
	struct sentence s = {.out = out, .n = n};
	size_t count[PLACE_FAULT_MAX] = {0}, unmet_n[SCHED_EXPRS_MAX] = {0}, avoided = 0;

	assert(n > 0 && ask->spec->n_require <= SCHED_EXPRS_MAX);
	out[0] = '\0';
	for (size_t i = 0; i < m->n; i++) {
		size_t which = 0;
		enum place_fault f = place_fault(&m->rooms[i], ask->spec, NULL, &which);

		count[f]++;
		if (f == PLACE_UNMET)
			unmet_n[which]++;
		avoided += f == PLACE_FITS; /* one that is to be avoided */
	}
	say(&s, "no node for it: %zu alive", m->n - count[PLACE_AWAY]);
	part(&s, avoided, "has it", "have it");
	part(&s, count[PLACE_CLOSED], "takes no agents", "take no agents");
	part(&s, count[PLACE_DRAINING], "is draining", "are draining");
	unmet(&s, ask, unmet_n);
	part(&s, count[PLACE_NO_CPU], "has too little cpu free", "have too little cpu free");
	lack(&s, m, ask, PLACE_NO_CPU);
	part(&s, count[PLACE_NO_MEMORY], "has too little memory free", "have too little memory free");
	lack(&s, m, ask, PLACE_NO_MEMORY);
	part(&s, count[PLACE_FULL_MEMORY], "has its memory in use", "have their memory in use");
	lack(&s, m, ask, PLACE_FULL_MEMORY);
	return out;
}

char *place_why_not(const struct sched_spec *spec, const struct sched_host *h, char *out, size_t n)
{
	const struct place_room r = {.host = h};
	struct sentence s = {.out = out, .n = n};
	size_t which = 0;

	assert(n > 0);
	out[0] = '\0';
	if (!h->schedulable) {
		say(&s, "takes no agents");
	} else if (place_lacks(&r, spec, NULL, &which) == PLACE_UNMET) { /* what it uses is not asked about */
		say(&s, "is not");
		say_expr(&s, &spec->require[which]);
	}
	return out;
}
