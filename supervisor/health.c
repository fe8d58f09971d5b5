/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe's schedule and verdict; the rules are told in health.h. What follows from a verdict is the
 * replica's to decide.
 */
#include "supervisor/health.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"

static const char *const level_names[] = {
	[HEALTH_UNKNOWN] = "unknown",
	[HEALTH_HEALTHY] = "healthy",
	[HEALTH_DEGRADED] = "degraded",
	[HEALTH_UNHEALTHY] = "unhealthy",
};
_Static_assert(ARRAY_LEN(level_names) == HEALTH_LEVEL_MAX, "a name for each level");

const char *health_level_name(enum health_level l)
{
	return (unsigned)l < HEALTH_LEVEL_MAX ? level_names[l] : NULL;
}

void health_copy_text(char *out, size_t n, const char *s)
{
	size_t i = 0;

	for (; s && s[i] && i + 1 < n; i++)
		out[i] = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? ' ' : s[i];
	out[i] = '\0';
}

static bool is_kind(const struct health *h, enum spec_probe_kind kind)
{
	return h->probe && h->probe->kind == kind;
}

static bool is_asked(const struct health *h)
{
	return h->probe && h->probe->kind != SPEC_PROBE_NONE && h->probe->kind != SPEC_PROBE_NOTIFY;
}

static bool is_watchdog(const struct health *h)
{
	return is_kind(h, SPEC_PROBE_NOTIFY) && h->which == HEALTH_LIVENESS;
}

/* Readiness before it was ready for the first time, at a quicker pace than `every`. */
static bool is_eager(const struct health *h, int64_t now_ms)
{
	return h->which == HEALTH_READINESS && h->level == HEALTH_UNKNOWN &&
	       (now_ms - h->start_ms) / 4 < h->probe->every_ms;
}

static bool turn(struct health *h, enum health_level to)
{
	bool changed = h->level != to;

	h->level = to;
	return changed;
}

void health_start(struct health *h, enum health_which which, const struct spec_probe *probe, int64_t now_ms)
{
	uint64_t asked = h->asked, failed = h->failed;

	*h = (struct health){.probe = probe,
		.which = which,
		.start_ms = now_ms + probe->after_ms,
		.next_ms = DEADLINE_NEVER,
		.took_ms = -1,
		.asked = asked,
		.failed = failed};
	if (is_asked(h))
		h->next_ms = h->start_ms;
}

void health_stop(struct health *h)
{
	*h = (struct health){
		.which = h->which, .next_ms = DEADLINE_NEVER, .took_ms = -1, .asked = h->asked, .failed = h->failed};
}

static bool same_str(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_probe(const struct spec_probe *a, const struct spec_probe *b)
{
	if (a->kind != b->kind || a->port != b->port || !same_str(a->port_name, b->port_name) ||
		!same_str(a->path, b->path) || a->command.n != b->command.n)
		return false;
	for (size_t i = 0; i < a->command.n; i++)
		if (strcmp(a->command.v[i], b->command.v[i]) != 0)
			return false;
	return a->every_ms == b->every_ms && a->timeout_ms == b->timeout_ms && a->after_ms == b->after_ms &&
	       a->failures == b->failures && a->successes == b->successes;
}

bool health_respec(struct health *h, const struct spec_probe *probe, int64_t now_ms)
{
	if (!h->probe)
		return false;
	if (same_probe(h->probe, probe)) {
		h->probe = probe;
		return false;
	}
	health_start(h, h->which, probe, now_ms);
	return true;
}

bool health_is_due(const struct health *h, int64_t now_ms)
{
	return is_asked(h) && !h->asking && now_ms >= h->next_ms;
}

void health_asked(struct health *h, uint64_t jitter, int64_t now_ms)
{
	int64_t every = h->probe->every_ms;

	assert(is_asked(h) && !h->asking && jitter < HEALTH_JITTER_MAX);
	h->asking = true;
	h->asked += !h->again;
	h->again = false;
	h->asked_ms = now_ms;
	if (is_eager(h, now_ms))
		h->next_ms = now_ms + MIN(every, MAX((int64_t)HEALTH_EAGER_MS, (now_ms - h->start_ms) / 4));
	else
		h->next_ms = now_ms + every - every / 10 * (int64_t)jitter / HEALTH_JITTER_MAX;
}

void health_not_asked(struct health *h, int64_t now_ms)
{
	assert(h->asking);
	h->asking = false;
	h->again = true;
	h->next_ms = now_ms + HEALTH_BUSY_MS;
}

static bool answered_ok(struct health *h)
{
	bool slow = h->took_ms > h->probe->timeout_ms / 2;

	h->failed_in_row = 0;
	h->ok_in_row++;
	if ((h->level == HEALTH_UNKNOWN || h->level == HEALTH_UNHEALTHY) && h->ok_in_row < h->probe->successes)
		return false;
	if (h->level == HEALTH_UNKNOWN && h->which == HEALTH_READINESS)
		h->next_ms = h->asked_ms + h->probe->every_ms; /* no longer eager */
	if (slow)
		(void)snprintf(h->text, sizeof(h->text), "answered after %lld ms", (long long)h->took_ms); /* fits */
	return turn(h, slow ? HEALTH_DEGRADED : HEALTH_HEALTHY);
}

static bool answered_badly(struct health *h, const char *text, int64_t now_ms)
{
	h->failed++;
	h->ok_in_row = 0;
	health_copy_text(h->text, sizeof(h->text), text);
	if (is_eager(h, now_ms))
		return false;
	h->failed_in_row++;
	if (h->failed_in_row >= h->probe->failures)
		return turn(h, HEALTH_UNHEALTHY);
	return h->level == HEALTH_HEALTHY && turn(h, HEALTH_DEGRADED);
}

bool health_answer(struct health *h, bool ok, int64_t took_ms, const char *text, int64_t now_ms)
{
	if (!h->probe || h->probe->kind == SPEC_PROBE_NONE)
		return false;
	h->asking = false;
	h->took_ms = MAX(took_ms, (int64_t)0);
	return ok ? answered_ok(h) : answered_badly(h, text, now_ms);
}

bool health_watch(struct health *h, bool beat, int64_t now_ms)
{
	int64_t silence;

	if (!is_watchdog(h))
		return false;
	if (__builtin_mul_overflow(h->probe->every_ms, h->probe->failures, &silence) ||
		__builtin_add_overflow(MAX(now_ms, h->start_ms), silence, &h->next_ms))
		h->next_ms = DEADLINE_NEVER;
	return beat && turn(h, HEALTH_HEALTHY);
}

bool health_ready(struct health *h, bool ready)
{
	if (!is_kind(h, SPEC_PROBE_NOTIFY) || h->which != HEALTH_READINESS)
		return false;
	health_copy_text(h->text, sizeof(h->text), ready ? "" : "STOPPING=1 was said");
	return turn(h, ready ? HEALTH_HEALTHY : HEALTH_UNHEALTHY);
}

static int64_t answer_by_ms(const struct health *h)
{
	return h->asked_ms + h->probe->timeout_ms + HEALTH_ANSWER_GRACE_MS;
}

bool health_is_overdue(const struct health *h, int64_t now_ms)
{
	if (is_watchdog(h))
		return now_ms >= h->next_ms;
	return h->asking && now_ms >= answer_by_ms(h);
}

bool health_overdue(struct health *h, int64_t now_ms)
{
	char every[UNITS_TEXT_MAX];

	if (!is_watchdog(h))
		return health_answer(h, false, now_ms - h->asked_ms, "the probe was never answered for", now_ms);
	h->failed++;
	h->next_ms = DEADLINE_NEVER;
	(void)snprintf(h->text, sizeof(h->text), "no WATCHDOG=1 for %s",
		units_duration(every, h->probe->every_ms * h->probe->failures)); /* fits */
	return turn(h, HEALTH_UNHEALTHY);
}

int64_t health_deadline_ms(const struct health *h)
{
	return h->asking ? answer_by_ms(h) : h->next_ms;
}
