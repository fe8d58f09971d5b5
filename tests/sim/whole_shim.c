/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim and its process, on the host: when it starts, becomes ready, fails, has stopped, is seed's; it says so to the
 * daemon at the other end of its socket, if there is one. With a fuse it ends the process at the deadline of its page,
 * by the host's CLOCK_BOOTTIME, whatever the daemon does; until the last process is dead it takes up to K_kill.
 */
#include <inttypes.h>
#include <string.h>

#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

#define NEVER	INT64_MAX
#define MS	1000
#define KILL_MS 500 /* K_kill: of the host's clock */
#define SOON_US 2000
#define STOP_MS 400

/* ---- the page ---- */

struct whole_page *whole_page_ref(struct whole_page *p)
{
	if (p)
		p->refs++;
	return p;
}

void whole_page_unref(struct whole_page *p)
{
	if (p && --p->refs == 0)
		free(p);
}

static int64_t deadline_us(const struct whole_shim *s)
{
	int64_t ns = s->page ? s->page->lease.deadline_boot_ns : SHIM_LEASE_UNARMED;

	return ns == SHIM_LEASE_UNARMED ? NEVER : ns / 1000;
}

static int64_t boot_us(const struct whole_shim *s)
{
	const struct sim_node *n = s->w->sn;

	return node_mono_us(n) + n->boot_us - n->mono_us;
}

/* ---- its time ---- */

void whole_shim_arm(struct whole_shim *s)
{
	struct sim *sim = whole_sim(s->w);
	int64_t at = MIN(MIN(s->starts_us, s->ready_us), MIN(s->fails_us, s->stops_us));

	at = MIN(at, s->burns_us);
	if (s->state == WHOLE_ENDED || at == NEVER || s->w->sn->life == SIM_ASLEEP)
		heap_del(&sim->heap, &s->item);
	else
		heap_set(&sim->heap, &s->item, MAX(at, sim->now_us));
}

/* When it looks at its page again. */
static void set_fuse(struct whole_shim *s)
{
	int64_t at = deadline_us(s);

	if (whole_sim(s->w)->whole->mutant == WHOLE_NO_FUSE && !s->r) { /* as if the daemon enforced it */
		s->burns_us = NEVER;
		return;
	}
	if (s->leased && !s->burnt)
		s->burns_us = at == NEVER ? NEVER : node_boot_at_us(s->w->sn, at);
}

struct whole_shim *whole_shim_new(struct runner *r, struct whole_page *page)
{
	struct whole *w = whole_of(r->node);
	struct whole_shim *s = calloc(1, sizeof(*s));
	int64_t now = whole_sim(w)->now_us;

	assert(s);
	*s = (struct whole_shim){.item.kind = SIM_ITEM_SHIM,
		.says.kind = SIM_ITEM_SHIM_SAYS,
		.w = w,
		.run = r->run,
		.leased = r->leased,
		.page = whole_page_ref(page),
		.r = r,
		.starts_us = now + whole_between(w, 2, 60) * MS,
		.ready_us = NEVER,
		.fails_us = NEVER,
		.stops_us = NEVER,
		.burns_us = NEVER};
	(void)snprintf(s->stem, sizeof(s->stem), "%s", r->stem); /* fits */
	if (whole_chance(w, whole_sim(w)->whole->slow_start_ppm))
		s->starts_us += whole_between(w, 0, 3000) * MS;
	list_add_tail(&w->shims, &s->link);
	set_fuse(s);
	whole_shim_arm(s);
	return s;
}

void whole_shim_free(struct whole_shim *s)
{
	heap_del(&whole_sim(s->w)->heap, &s->item);
	heap_del(&whole_sim(s->w)->heap, &s->says);
	list_del(&s->link);
	whole_page_unref(s->page);
	free(s);
}

/* ---- what it says ---- */

void whole_shim_say(struct whole_shim *s, unsigned what, int64_t within_us)
{
	if (!s->r)
		return;
	s->due |= what;
	if (!heap_has(&s->says))
		heap_set(&whole_sim(s->w)->heap, &s->says,
			whole_sim(s->w)->now_us + 50 + whole_between(s->w, 0, within_us));
}

static void say_hello(struct whole_shim *s, enum shim_msg_type type)
{
	struct {
		struct shim_hello hello;
		struct runner_label label;
	} m = {.hello = {.size = sizeof(m.hello),
		       .version = SHIM_PROTO_VERSION,
		       .run = s->run,
		       .state = s->state == WHOLE_BEGINS ? SHIM_PREPARING
				: s->stop.size > 0	 ? SHIM_STOPPING
							 : SHIM_RUNNING,
		       .pid = s->state == WHOLE_BEGINS ? 0 : 1 + (int32_t)(s->run & 0xffff),
		       .pid_start = type == SHIM_HELLO && s->state == WHOLE_RUNS,
		       .ready = s->ready,
		       .why = s->stop.why,
		       .label_size = sizeof(m.label)},
		.label = s->label};

	runner_message(s->r, type, &m, sizeof(m));
}

static void say_one(struct whole_shim *s, unsigned what)
{
	struct shim_notify ready = {.size = sizeof(ready), .ready = 1};
	struct shim_armed armed = {.size = sizeof(armed)};

	switch (what) {
	case WHOLE_SAYS_HELLO:
		say_hello(s, SHIM_HELLO);
		break;
	case WHOLE_SAYS_STARTED:
		say_hello(s, SHIM_STARTED);
		break;
	case WHOLE_SAYS_READY:
		runner_message(s->r, SHIM_NOTIFY, &ready, sizeof(ready));
		break;
	case WHOLE_SAYS_ARMED:
		armed.deadline_boot_ns = s->page ? s->page->lease.deadline_boot_ns : SHIM_LEASE_UNARMED;
		runner_message(s->r, SHIM_ARMED, &armed, sizeof(armed));
		break;
	default:
		runner_message(s->r, SHIM_EXIT, &s->x, sizeof(s->x));
		break;
	}
}

/* One message, which may end it; the rest come after it. */
void whole_shim_told(struct whole_shim *s)
{
	unsigned what = s->due & -s->due;

	if (!s->r || !what || !node_lives(s->w->sn))
		return; /* a daemon that goes on reads it then */
	s->due &= ~what;
	if (s->due)
		heap_set(&whole_sim(s->w)->heap, &s->says, whole_sim(s->w)->now_us + 10);
	node_now(s->w->n);
	say_one(s, what);
}

/* ---- its life ---- */

void whole_shim_end(struct whole_shim *s, enum shim_exit_kind kind, const char *why)
{
	struct whole *w = s->w;

	whole_tell(w, "%s (run %" PRIu64 ", epoch %" PRIu64 ") %s", s->stem, s->run & 0xffffffff, s->label.epoch, why);
	s->state = WHOLE_ENDED;
	s->record = true;
	s->x = (struct shim_exit){.magic = SHIM_MAGIC,
		.size = sizeof(s->x),
		.version = SHIM_PROTO_VERSION,
		.kind = kind,
		.run = s->run,
		.code = kind == SHIM_EXITED ? 1 : 0,
		.signal = kind == SHIM_SIGNALED || kind == SHIM_FENCED ? 9 : 0,
		.error = kind == SHIM_START_FAILED ? 2 : 0,
		.why = s->stop.size > 0 ? s->stop.why : SHIM_WHY_NONE,
		.ended_wall_ms = node_clocks(w->sn).wall_ms};
	whole_shim_arm(s);
	whole_shim_say(s, WHOLE_SAYS_EXIT, SOON_US);
}

static void starts(struct whole_shim *s)
{
	struct whole *w = s->w;
	const struct whole_run *run = whole_sim(w)->whole;
	int64_t now = whole_sim(w)->now_us;

	s->starts_us = NEVER;
	if (whole_chance(w, run->fail_ppm / 2)) {
		whole_shim_end(s, SHIM_START_FAILED, "cannot start");
		return;
	}
	s->state = WHOLE_RUNS;
	s->ready_us = now + whole_between(w, 5, 300) * MS;
	if (whole_chance(w, run->slow_start_ppm))
		s->ready_us += whole_between(w, 0, 5000) * MS;
	if (whole_chance(w, run->fail_ppm))
		s->fails_us = now + whole_between(w, 1, 8000) * MS;
	whole_tell(w, "%s (run %" PRIu64 ", epoch %" PRIu64 ") runs%s", s->stem, s->run & 0xffffffff, s->label.epoch,
		s->leased ? " under a lease" : "");
	whole_run_began(s);
	whole_shim_say(s, WHOLE_SAYS_STARTED, SOON_US);
}

static void burns(struct whole_shim *s)
{
	if (deadline_us(s) > boot_us(s) || (whole_sim(s->w)->whole->mutant == WHOLE_NO_FUSE && !s->r)) { /* moved on */
		set_fuse(s);
		return;
	}
	s->burnt = true;
	s->burns_us = NEVER;
	s->starts_us = s->ready_us = s->fails_us = NEVER;
	if (s->state == WHOLE_BEGINS) {
		whole_shim_end(s, SHIM_FENCED, "has no lease any more before it starts");
		return;
	}
	whole_sim(s->w)->whole->fenced++;
	s->stops_us = MIN(s->stops_us, node_boot_at_us(s->w->sn, boot_us(s) + whole_between(s->w, 0, KILL_MS) * MS));
}

void whole_shim_step(struct whole_shim *s)
{
	int64_t now = whole_sim(s->w)->now_us;

	if (s->burns_us <= now) {
		burns(s);
	} else if (s->stops_us <= now) {
		whole_shim_end(
			s, s->burnt ? SHIM_FENCED : SHIM_SIGNALED, s->burnt ? "is ended by its fuse" : "has stopped");
	} else if (s->starts_us <= now) {
		starts(s);
	} else if (s->fails_us <= now) {
		whole_shim_end(s, SHIM_EXITED, "fails");
	} else if (s->ready_us <= now) {
		s->ready_us = NEVER;
		s->ready = true;
		whole_shim_say(s, WHOLE_SAYS_READY, SOON_US);
	}
	whole_shim_arm(s);
}

/* ---- the host's ---- */

void whole_host_lost(struct sim_node *n)
{
	struct whole *w = n->w;

	LIST_FOREACH_SAFE (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		whole_shim_free(s); /* records in run_dir went with it */
	}
	w->suspect = false; /* as the mark did */
}

void whole_sleeps(struct sim_node *n)
{
	LIST_FOREACH (at, &n->w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		heap_del(&n->sim->heap, &s->item);
		heap_del(&n->sim->heap, &s->says);
	}
	n->w->slept_us = n->sim->now_us;
	heap_del(&n->sim->heap, &n->w->disk_item);
	heap_del(&n->sim->heap, &n->w->timer);
}

static void shift(int64_t *at, int64_t by)
{
	if (*at != NEVER)
		*at += by;
}

/* What has a fuse is killed at once, whatever its deadline. */
void whole_wakes(struct sim_node *n)
{
	int64_t by = n->sim->now_us - n->w->slept_us;

	LIST_FOREACH_SAFE (at, &n->w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		if (s->state == WHOLE_ENDED)
			continue;
		shift(&s->starts_us, by);
		shift(&s->ready_us, by);
		shift(&s->fails_us, by);
		shift(&s->stops_us, by);
		if (s->leased) {
			s->state = WHOLE_BEGINS; /* it counts no more */
			whole_shim_end(s, SHIM_FENCED, "is killed at its host's waking");
		} else if (s->state == WHOLE_RUNS) {
			whole_run_began(s);
		}
		whole_shim_arm(s);
	}
}

void whole_clock(struct sim_node *n)
{
	LIST_FOREACH (at, &n->w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		set_fuse(s);
		whole_shim_arm(s);
	}
	whole_loop_arm(n->w);
}
