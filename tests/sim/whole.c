/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node's daemon as node.c opens, turns and ends it, in the same order; killed, nothing of it is told to anybody.
 */
#include "tests/sim/whole.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "gossip/identity.h"
#include "node/cluster_set.h"
#include "node/cluster_share.h"
#include "node/counted.h"
#include "tests/sim/disaster.h"
#include "tests/sim/mixed.h"
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

#define SERVE_AT_MOST_MS 3000

void whole_make(struct sim_node *n)
{
	static const char *const zones[] = {"a", "b", "c"};
	struct whole *w = calloc(1, sizeof(*w));

	assert(w);
	n->w = w;
	*w = (struct whole){.sn = n,
		.timer.kind = SIM_ITEM_LOOP,
		.disk_item.kind = SIM_ITEM_DISK,
		.cfg = {.data_dir = "data", .run_dir = "run", .schedulable = true}};
	(void)snprintf(w->name, sizeof(w->name), "%s", n->name); /* fits */
	w->labels[0] = (struct spec_pair){"zone", zones[n->number % 3]};
	w->labels[1] = (struct spec_pair){"disk", n->number % 2 ? "ssd" : "hdd"};
	w->cfg.name = w->name;
	w->cfg.labels = (struct spec_pairs){.n = 2, .v = w->labels};
	w->cfg.gossip.on = true;
	list_init(&w->shims);
	list_init(&w->batch);
}

void whole_done(struct sim_node *n)
{
	struct whole *w = n->w;

	if (!w)
		return;
	whole_stop(n);
	whole_host_lost(n);
	whole_disk_done(&w->disk);
	whole_disk_done(&w->copy);
	free(w);
	n->w = NULL;
}

/* ---- opening ---- */

static void open_node(struct whole *w)
{
	struct node *n = calloc(1, sizeof(*n));
	struct err e = {0};
	int rc;

	assert(n);
	w->n = n;
	n->loop = (struct ev_loop *)(void *)w;
	n->cfg = &w->cfg;
	n->lock_fd = -1;
	n->leases = true;
	list_init(&n->ops);
	list_init(&n->late_records);
	list_init(&n->waiters);
	list_init(&n->changes);
	(void)node_now(n);
	n->started_mono_ms = n->now.mono_ms;
	n->started_wall_ms = n->now.wall_ms;
	rng_seed(&n->rng, rng_u64(whole_rng(w)));
	n->gen = rng_u64(&n->rng);
	whole_store_begin(w);
	n->store = &w->store;
	rc = council_open(n, &n->council, &e);
	assert(rc == 0);
	rc = roster_init(n, &e);
	assert(rc == 0);
	n->next_run = ((uint64_t)w->sn->boot << 32) + 1; /* on its disk before anything else: node_start */
	n->boot_kept = true;
	rc = council_load(n->council, &e);
	if (rc < 0)
		sim_fail(whole_sim(w), w->sn->number, "what is on its disk cannot be loaded: %s", e.text);
	whole_adopt(w);
}

static void open_cluster(struct whole *w)
{
	struct cluster *c = calloc(1, sizeof(*c));

	assert(c);
	w->c = c;
	c->n = w->n;
	c->boot = w->sn->boot;
	c->stand = w->sn->member ? CLUSTER_MEMBER : CLUSTER_WAITING;
	memcpy(c->uuid, w->sn->uuid, sizeof(c->uuid));
	c->t = (struct transport *)(void *)w->sn;
	cluster_set_init(c);
	cluster_share_init(c);
	cluster_seen_init(c);
	w->n->cluster = c;
	council_begin(w->n->council);
	c->g = w->sn->g;
	cluster_share_all(c);
	council_anew(w->n->council);
	c->changed = true;
}

/* Gossip begins once all shims have answered (cluster_life.c): at once, here. One that does not is not simulated. */
static void hear_shims(struct whole *w)
{
	LIST_FOREACH_SAFE (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		heap_del(&whole_sim(w)->heap, &s->says);
		while (s->r && s->due)
			whole_shim_told(s);
	}
	LIST_FOREACH (at, &w->shims)
		heap_del(&whole_sim(w)->heap, &LIST_ENTRY(at, struct whole_shim, link)->says);
}

void whole_start(struct sim_node *n)
{
	struct whole *w = n->w;

	assert(!w->n);
	w->ending = w->told_old = w->opened = false;
	w->heard = 0;
	open_node(w);
	hear_shims(w);
	open_cluster(w);
	whole_turn(n);
}

/* ---- the turn ---- */

static void serve_if_ready(struct whole *w)
{
	struct node *n = w->n;

	if (n->serving || (n->awaiting > 0 && n->now.mono_ms - n->started_mono_ms < SERVE_AT_MOST_MS))
		return;
	n->serving = true;
	MAP_FOREACH (at, &n->roster.runners) {
		struct runner *r = CONTAINER_OF(at, struct runner, by_stem);

		if (!r->awaiting)
			runner_go_on(r);
	}
}

static void settle(struct whole *w)
{
	struct node *n = w->n;

	(void)node_now(n);
	if (w->c->changed)
		cluster_seen_change(w->c);
	council_turn(n->council);
	if (w->leaves && council_has_handed_over(n->council)) {
		w->leaves = false;
		(void)node_leave(w->sn);
	}
	if (!list_is_empty(&n->roster.dirty))
		roster_settle(n);
	serve_if_ready(w);
	if (!list_is_empty(&n->roster.starting))
		roster_start_next(n);
	if (!list_is_empty(&n->roster.dirty) || w->c->changed)
		w->loop.again = true;
}

void whole_turn(struct sim_node *n)
{
	struct whole *w = n->w;

	if (!w->n || w->in_turn || !node_lives(n))
		return;
	w->in_turn = true;
	settle(w);
	w->in_turn = false;
	whole_run_looked(w);
	whole_loop_arm(w);
}

bool whole_due(struct sim *s, struct heap_item *item)
{
	struct whole_shim *shim;
	struct whole *w;

	switch ((enum sim_item)item->kind) {
	case SIM_ITEM_LOOP:
		w = CONTAINER_OF(item, struct whole, timer);
		heap_del(&s->heap, item);
		(void)node_now(w->n);
		whole_loop_run(w);
		break;
	case SIM_ITEM_DISK:
		w = CONTAINER_OF(item, struct whole, disk_item);
		heap_del(&s->heap, item);
		whole_store_due(w);
		break;
	case SIM_ITEM_SHIM:
		shim = CONTAINER_OF(item, struct whole_shim, item);
		heap_del(&s->heap, item);
		whole_shim_step(shim);
		return true;
	case SIM_ITEM_SHIM_SAYS:
		shim = CONTAINER_OF(item, struct whole_shim, says);
		w = shim->w;
		heap_del(&s->heap, item);
		whole_shim_told(shim);
		break;
	case SIM_ITEM_WHOLE:
		heap_del(&s->heap, item);
		whole_run_due(s);
		return true;
	case SIM_ITEM_MIXED:
		heap_del(&s->heap, item);
		mixed_due(s);
		return true;
	case SIM_ITEM_DISASTER:
		heap_del(&s->heap, item);
		disaster_due(s);
		return true;
	default:
		return false;
	}
	whole_turn(w->sn);
	return true;
}

void whole_goes_on(struct sim_node *n)
{
	struct whole *w = n->w;

	if (w->disk_waits || !list_is_empty(&w->batch) || (w->n && !list_is_empty(&w->store.queue)))
		heap_set(&n->sim->heap, &w->disk_item, n->sim->now_us + 100);
	w->disk_waits = false;
	if (n->sim->whole->mutant != WHOLE_CLOCK_BEFORE)
		w->loop.again = true;
	LIST_FOREACH (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		if (s->due && !heap_has(&s->says))
			heap_set(&n->sim->heap, &s->says, n->sim->now_us + 10);
		whole_shim_arm(s);
	}
	whole_loop_arm(w);
}

/* ---- its disk ---- */

void whole_copy(struct sim_node *n)
{
	whole_disk_copy(&n->w->copy, &n->w->disk);
	n->w->has_copy = true;
}

bool whole_restore(struct sim_node *n)
{
	if (n->w->n || !n->w->has_copy)
		return false;
	whole_disk_restore(&n->w->disk, &n->w->copy);
	whole_tell(n->w, "an old copy of its disk is put back");
	return true;
}

void whole_wipe(struct sim_node *n)
{
	whole_disk_done(&n->w->disk);
	whole_tell(n->w, "its disk is wiped, and goes on as the same");
}

/* ---- its end ---- */

void whole_farewell(struct sim_node *n)
{
	(void)node_now(n->w->n);
	council_farewell(n->w->n->council);
}

void whole_stop(struct sim_node *n)
{
	struct whole *w = n->w;
	struct node *d = w->n;

	if (!d)
		return;
	w->ending = true;
	whole_run_killed(w);
	council_end(d->council);
	whole_store_end(w);
	LIST_FOREACH (at, &w->shims) { /* their sockets close */
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		s->r = NULL;
		s->due = 0;
		heap_del(&n->sim->heap, &s->says);
	}
	cluster_share_done(w->c);
	cluster_set_done(w->c);
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++)
		cluster_register_drop(w->c, i);
	cluster_seen_done(w->c);
	free(w->c->known);
	free(w->c->names);
	w->c->g = NULL;
	roster_done(d);
	council_close(d->council);
	counted_done(d);
	whole_loop_done(w);
	free(w->c);
	free(d);
	w->c = NULL;
	w->n = NULL;
}
