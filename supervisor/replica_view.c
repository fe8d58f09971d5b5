/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a replica: its health, its deadline, its invariants, a line for traces. Changes nothing.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/replica.h"

int64_t replica_deadline_ms(const struct replica *r)
{
	int64_t live = health_deadline_ms(&r->liveness), ready = health_deadline_ms(&r->readiness);

	return MIN(r->next_ms, MIN(live, ready));
}

/* How bad a level is, for the worse of two. */
static int badness(enum health_level l)
{
	static const int of[] = {
		[HEALTH_HEALTHY] = 0, [HEALTH_DEGRADED] = 1, [HEALTH_UNKNOWN] = 2, [HEALTH_UNHEALTHY] = 3};

	_Static_assert(ARRAY_LEN(of) == HEALTH_LEVEL_MAX, "a rank for each level");
	return of[l];
}

static enum health_level level_of(const struct health *h)
{
	return h->probe && h->probe->kind != SPEC_PROBE_NONE ? h->level : HEALTH_HEALTHY;
}

enum health_level replica_health(const struct replica *r)
{
	enum health_level live = level_of(&r->liveness), ready = level_of(&r->readiness);

	if (r->state != REPLICA_RUNNING || r->unprobed)
		return HEALTH_UNKNOWN;
	return badness(live) > badness(ready) ? live : ready;
}

bool replica_is_ready(const struct replica *r)
{
	enum health_level l = level_of(&r->readiness);

	return r->state == REPLICA_RUNNING && (l == HEALTH_HEALTHY || l == HEALTH_DEGRADED);
}

static void check_health(const struct replica *r, const struct health *h)
{
	assert((unsigned)h->level < HEALTH_LEVEL_MAX);
	assert(h->failed_in_row >= 0 && h->ok_in_row >= 0);
	assert((h->probe != NULL) == (r->state == REPLICA_RUNNING));
	assert(h->probe || (h->level == HEALTH_UNKNOWN && !h->asking && h->next_ms == DEADLINE_NEVER));
	assert(strnlen(h->text, sizeof(h->text)) < sizeof(h->text));
}

void replica_check(const struct replica *r)
{
	int s = r->state;

	assert(r->spec && s >= 0 && s < REPLICA_LOST);
	assert((s == REPLICA_BACKOFF) == (r->next_ms != DEADLINE_NEVER));
	if (s == REPLICA_STARTING || s == REPLICA_RUNNING || s == REPLICA_BACKOFF || s == REPLICA_FAILED)
		assert(r->wanted);
	if (s == REPLICA_PENDING)
		assert(!r->wanted);
	assert(!r->manual || (s == REPLICA_STOPPING && r->wanted));
	assert(r->began || s != REPLICA_RUNNING);
	assert(!r->unprobed || (r->liveness.next_ms == DEADLINE_NEVER && r->readiness.next_ms == DEADLINE_NEVER));
	assert(r->pid == 0 || s == REPLICA_STARTING || s == REPLICA_RUNNING || s == REPLICA_STOPPING);
	assert(r->restarts >= 0 && r->history.tries >= 0 && r->history.n <= RESTART_KEPT);
	for (size_t i = 1; i < r->history.n; i++)
		assert(r->history.at_ms[i - 1] <= r->history.at_ms[i]);
	assert(r->liveness.which == HEALTH_LIVENESS && r->readiness.which == HEALTH_READINESS);
	check_health(r, &r->liveness);
	check_health(r, &r->readiness);
	assert((unsigned)r->last_exit.reason < REASON_MAX);
	assert(strnlen(r->last_exit.text, sizeof(r->last_exit.text)) < sizeof(r->last_exit.text));
	assert(strnlen(r->status, sizeof(r->status)) < sizeof(r->status));
}

static void PRINTF_LIKE(3, 4) add(char *out, size_t n, const char *fmt, ...)
{
	size_t at = strlen(out);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(out + at, n - at, fmt, ap); /* cut */
	va_end(ap);
}

char *replica_dump(const struct replica *r, char *out, size_t n)
{
	assert(n > 0);
	out[0] = '\0';
	add(out, n, "%s", replica_state_name((enum replica_state)r->state));
	if (r->state == REPLICA_STOPPING && r->wanted)
		add(out, n, " to start again");
	if (r->state == REPLICA_STOPPED && r->wanted)
		add(out, n, " (done)");
	if (r->next_ms != DEADLINE_NEVER)
		add(out, n, " until %" PRId64, r->next_ms);
	if (r->pid)
		add(out, n, ", pid %d", r->pid);
	if (r->history.tries)
		add(out, n, ", tries %" PRId64, r->history.tries);
	if (r->state == REPLICA_RUNNING)
		add(out, n, ", %s%s", health_level_name(replica_health(r)), replica_is_ready(r) ? ", ready" : "");
	if (r->status[0])
		add(out, n, ", '%s'", r->status);
	return out;
}
