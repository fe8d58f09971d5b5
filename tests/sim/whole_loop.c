/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of libev, of the kernel's clocks, and of what of the daemon is for people alone: timers by a node's own
 * CLOCK_MONOTONIC, on the simulator's heap. What is started within a turn at once comes with the next.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/random.h>

#include "node/report_priv.h"
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

#define LATER_US 10000

/* ---- libev's ---- */

static void drop(struct whole_loop *l, size_t i)
{
	l->v[i].w->active = 0;
	l->v[i] = l->v[--l->n];
	if (i < l->n)
		l->v[i].w->active = (int)i + 1;
}

void ev_timer_start(struct ev_loop *loop, ev_timer *w)
{
	struct whole *o = whole_of_loop(loop);
	struct whole_loop *l = &o->loop;

	if (w->active)
		return;
	if (l->n == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 32;
		l->v = realloc(l->v, l->cap * sizeof(*l->v));
		assert(l->v);
	}
	l->v[l->n] = (struct whole_watch){.w = w,
		.at_us = node_mono_us(o->sn) + (int64_t)(((ev_watcher_time *)w)->at * 1e6),
		.order = ++l->order};
	w->active = (int)++l->n;
}

void ev_timer_stop(struct ev_loop *loop, ev_timer *w)
{
	struct whole_loop *l = &whole_of_loop(loop)->loop;

	if (!w->active)
		return;
	assert((size_t)w->active <= l->n && l->v[w->active - 1].w == w);
	drop(l, (size_t)w->active - 1);
}

void ev_feed_event(struct ev_loop *loop, void *w, int revents)
{
	(void)w; /* council_hold.c: that the loop turns again is all that is meant */
	(void)revents;
	whole_of_loop(loop)->loop.again = true;
}

void ev_now_update(struct ev_loop *loop)
{
	(void)loop; /* it is always now */
}

void ev_break(struct ev_loop *loop, int how)
{
	struct whole *w = whole_of_loop(loop);

	(void)how;
	w->ending = true;
	heap_set(&whole_sim(w)->heap, &w->sn->chore, whole_sim(w)->now_us + 1);
}

/* Within a planned stop: the others go on, and no fault comes between. */
int ev_run(struct ev_loop *loop, int flags)
{
	struct whole *w = whole_of_loop(loop);
	struct sim *s = whole_sim(w);
	struct heap_item *item;

	(void)flags;
	whole_loop_arm(w);
	for (;;) {
		item = heap_first(&s->heap);
		if (item->kind != SIM_ITEM_FAULT && item->kind != SIM_ITEM_FAULT_ENDS && item->kind != SIM_ITEM_WHOLE &&
			item->kind != SIM_ITEM_CHORE && item->kind != SIM_ITEM_MIXED && item->kind != SIM_ITEM_DISASTER)
			break;
		heap_set(&s->heap, item, item->at_us + LATER_US);
	}
	sim_step(s, item);
	return 1;
}

/* ---- the loop ---- */

void whole_loop_arm(struct whole *w)
{
	const struct whole_loop *l = &w->loop;
	int64_t at_us = INT64_MAX;

	for (size_t i = 0; i < l->n; i++)
		at_us = MIN(at_us, l->v[i].at_us);
	if (l->again)
		at_us = INT64_MIN;
	if (!w->n || !node_lives(w->sn) || at_us == INT64_MAX)
		heap_del(&whole_sim(w)->heap, &w->timer);
	else
		heap_set(&whole_sim(w)->heap, &w->timer, node_at_us(w->sn, at_us));
}

void whole_loop_run(struct whole *w)
{
	struct whole_loop *l = &w->loop;
	int64_t now_us = node_mono_us(w->sn);
	uint64_t last = l->order;

	l->again = false;
	for (;;) {
		size_t first = l->n;
		ev_timer *t;

		for (size_t i = 0; i < l->n; i++)
			if (l->v[i].at_us <= now_us && l->v[i].order <= last &&
				(first == l->n || l->v[i].at_us < l->v[first].at_us))
				first = i;
		if (first == l->n)
			return;
		t = l->v[first].w;
		if (t->repeat > 0) {
			l->v[first].at_us = now_us + (int64_t)(t->repeat * 1e6);
			l->v[first].order = ++l->order;
		} else {
			drop(l, first);
		}
		t->cb((struct ev_loop *)(void *)w, t, EV_TIMER);
	}
}

void whole_loop_done(struct whole *w)
{
	free(w->loop.v);
	w->loop = (struct whole_loop){0};
	heap_del(&whole_sim(w)->heap, &w->timer);
}

/* ---- chance ---- */

struct rng *whole_rng(struct whole *w)
{
	return &whole_sim(w)->rng;
}

int64_t whole_between(struct whole *w, int64_t low, int64_t high)
{
	return low + (int64_t)rng_below(whole_rng(w), (uint64_t)(high - low + 1));
}

bool whole_chance(struct whole *w, uint32_t ppm)
{
	return ppm > 0 && rng_below(whole_rng(w), NET_PPM) < ppm;
}

static struct whole *at_work; /* whose loop turns: for getrandom, which is not told */

ssize_t getrandom(void *v, size_t n, unsigned flags)
{
	uint8_t *p = v;

	(void)flags;
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)rng_u64(whole_rng(at_work));
	return (ssize_t)n;
}

/* ---- node.c's ---- */

struct now node_now(struct node *n)
{
	at_work = whole_of(n);
	n->now = node_clocks(at_work->sn);
	return n->now;
}

void node_stored(void *arg, int rc, const char *error)
{
	struct node *n = arg;

	(void)error;
	n->store_failed = rc < 0;
}

void whole_tell(struct whole *w, const char *fmt, ...)
{
	char text[STORY_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine */
	va_end(ap);
	story_tell(&whole_sim(w)->story, whole_sim(w)->now_us, w->sn->number, UINT32_MAX, "%s", text);
}

void node_event(struct node *n, enum replica_severity severity, const char *kind, const char *agent,
	const char *replica, const char *fmt, ...)
{
	char text[STORY_TEXT];
	va_list ap;

	(void)severity;
	(void)agent;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut is fine */
	va_end(ap);
	whole_tell(whole_of(n), "%s %s: %s", kind, replica ? replica : "", text);
}

/* ---- report.c's ---- */

int64_t report_pid(const struct runner *r)
{
	return runner_is_alive(r) && r->run ? (int64_t)(r->run & 0xffff) + 1 : -1;
}

void report_own_use(struct node *n, struct report_use *ret)
{
	(void)n;
	*ret = (struct report_use){.cpu_cores = 0.5, .memory_bytes = (int64_t)1 << 30};
}

void report_own_capacity(const struct node *n, double *ret_cores, int64_t *ret_bytes)
{
	(void)n;
	*ret_cores = 64;
	*ret_bytes = (int64_t)64 << 30;
}

const char *report_agent_state(const struct agent *a, const struct roster_count *n)
{
	return a->stopped ? "stopped" : n->ready >= n->desired ? "running" : "degraded";
}

const char *report_pending_reason(const struct agent *a, char *out, size_t n)
{
	(void)a;
	(void)out;
	(void)n;
	return NULL; /* for people */
}
