/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node's life consists of: its disk, its clocks, its memory, its process begun and ended. What its process does
 * with the core's outputs and the network's calls is in node_edge.c.
 */
#include "tests/sim/node_priv.h"

#include <inttypes.h>
#include <string.h>

#include "gossip/identity.h"
#include "tests/sim/mixed.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_run.h"

#define CHORE_LATER_US 1000000
#define SINCE_MS       1577836800000 /* of wall clocks: 2020, so that boots are small numbers */

/* Each allocation costs malloc's header too, and is rounded up. */
static size_t cost(size_t n)
{
	return (n + 8 + 15) / 16 * 16;
}

static void *alloc(void *ctx, size_t size)
{
	struct sim_node *n = ctx;
	void *p;

	if (n->memory_fails_ppm && rng_below(&n->sim->rng, NET_PPM) < n->memory_fails_ppm)
		return NULL;
	p = malloc(size);
	assert(p);
	n->bytes += cost(size);
	n->bytes_max = MAX(n->bytes_max, n->bytes);
	return p;
}

static void release(void *ctx, void *p, size_t size)
{
	struct sim_node *n = ctx;

	assert(n->bytes >= cost(size));
	n->bytes -= cost(size);
	free(p);
}

void node_make(struct sim *s, uint32_t number)
{
	struct sim_node *n = &s->nodes[number];

	*n = (struct sim_node){.sim = s,
		.number = number,
		.wake.kind = SIM_ITEM_WAKE,
		.chore.kind = SIM_ITEM_CHORE,
		.calm_us = INT64_MAX};
	for (size_t i = 0; i < sizeof(n->uuid); i++)
		n->uuid[i] = (uint8_t)rng_u64(&s->rng);
	n->uuid[5] = (uint8_t)((n->uuid[5] & 0xf0) | (number >> 16)); /* sim_number_of */
	n->uuid[6] = (uint8_t)(number >> 8);
	n->uuid[7] = (uint8_t)number;
	n->id = gossip_id_of(n->uuid);
	(void)snprintf(n->name, sizeof(n->name), "n%" PRIu32, number);
	(void)snprintf(n->address, sizeof(n->address), "10.%u.%u.%u:7947", number >> 16 & 255, number >> 8 & 255,
		number & 255);
	n->mono_us = 1000000 + (int64_t)rng_below(&s->rng, 1000000000);
	n->boot_us = n->mono_us;
	n->real_us = s->now_us;
	if (s->o.clock_ppm)
		n->ppm = (int32_t)rng_below(&s->rng, 2 * s->o.clock_ppm + 1) - (int32_t)s->o.clock_ppm;
}

void node_done(struct sim_node *n)
{
	heap_del(&n->sim->heap, &n->wake);
	heap_del(&n->sim->heap, &n->chore);
	gossip_free(n->g);
	n->g = NULL;
	assert(n->bytes == 0);
}

/* Real time since its clocks were last read, as they count it. */
static int64_t gone_us(const struct sim_node *n)
{
	int64_t d = n->sim->now_us - n->real_us;

	return d + d * n->ppm / NET_PPM;
}

struct now node_clocks(const struct sim_node *n)
{
	int64_t d = gone_us(n);

	return (struct now){.mono_ms = (n->mono_us + d) / 1000,
		.boot_ms = (n->boot_us + d) / 1000,
		.wall_ms = SINCE_MS + (n->boot_us + d) / 1000};
}

int64_t node_mono_us(const struct sim_node *n)
{
	return n->mono_us + gone_us(n);
}

int64_t node_at_us(const struct sim_node *n, int64_t mono_us)
{
	int64_t wait_us = mono_us > n->mono_us ? mono_us - n->mono_us : 0;
	int64_t at_us = n->real_us + wait_us * NET_PPM / (NET_PPM + n->ppm) + 1;

	at_us = MAX(at_us, n->sim->now_us);
	/* Rounding may be short of it by a little. */
	while (at_us - n->real_us + (at_us - n->real_us) * n->ppm / NET_PPM < wait_us)
		at_us++;
	return at_us;
}

int64_t node_boot_at_us(const struct sim_node *n, int64_t boot_us)
{
	return node_at_us(n, boot_us - (n->boot_us - n->mono_us));
}

static void read_clocks(struct sim_node *n, bool asleep)
{
	int64_t d = gone_us(n);

	n->mono_us += asleep ? 0 : d;
	n->boot_us += d;
	n->real_us = n->sim->now_us;
}

void node_clock(struct sim_node *n, int32_t ppm)
{
	read_clocks(n, n->life == SIM_ASLEEP);
	n->ppm = ppm;
	if (node_lives(n))
		node_set_timer(n);
	if (n->w)
		whole_clock(n);
}

void node_set_timer(struct sim_node *n)
{
	int64_t deadline_ms = gossip_deadline_ms(n->g);

	if (deadline_ms == DEADLINE_NEVER) {
		heap_del(&n->sim->heap, &n->wake);
		return;
	}
	heap_set(&n->sim->heap, &n->wake, node_at_us(n, deadline_ms * 1000));
}

void node_record(const struct sim_node *n, struct gossip_record *ret)
{
	*ret = (struct gossip_record){.name = {n->name, (uint16_t)strlen(n->name)},
		.address = {n->address, (uint16_t)strlen(n->address)},
		.build = {n->newer ? "0.2.0" : "0.1.0", 5},
		.version = 1,
		.wire_min = 1,
		.wire_max = n->newer ? 2 : 1,
		.features = 1,
		.watch_rings = 1,
		.beat_ms = GOSSIP_BEAT_MIN_MS};
	memcpy(ret->uuid, n->uuid, sizeof(ret->uuid));
}

/* The first ones; where these may be lost, whoever was there when it ran last, too. */
static size_t seeds_of(const struct sim_node *n, const char *ret[GOSSIP_SEEDS_MAX])
{
	const struct sim *s = n->sim;
	size_t k = MIN(3u, s->o.nodes);

	for (size_t i = 0; i < k; i++)
		ret[i] = s->nodes[i].address;
	for (uint32_t i = 3; s->whole && s->whole->disaster && i < s->o.room && k < GOSSIP_SEEDS_MAX; i++)
		if (whole_knows(n, s->nodes[i].address))
			ret[k++] = s->nodes[i].address;
	return k;
}

bool node_start(struct sim_node *n, bool founds)
{
	struct sim *s = n->sim;
	const char *seeds[GOSSIP_SEEDS_MAX];
	struct gossip_config c = {.boot = identity_boot(n->boot, n->no_clock ? 0 : SINCE_MS + s->now_us / 1000),
		.profile = s->o.profile,
		.seeds = seeds,
		.n_seeds = seeds_of(n, seeds)};
	struct gossip_mem mem = {.alloc = alloc, .release = release, .ctx = n};
	uint32_t fails_ppm = n->memory_fails_ppm;
	int rc;

	if (node_has_process(n) || n->life == SIM_LOST)
		return false;
	mixed_starts(n);
	memmove(n->boot_was + 1, n->boot_was, (SIM_COPIES_MAX - 1) * sizeof(n->boot_was[0]));
	n->boot_was[0] = n->boot = c.boot;
	n->member |= founds;
	node_record(n, &c.record);
	c.waiting = !n->member;
	c.seed = rng_u64(&s->rng);
	n->life = SIM_RUNS;
	n->leaving = n->told_left = false;
	n->boot_heard = 0;
	n->n_closed = 0;
	n->view_cursor = 0;
	n->memory_fails_ppm = 0; /* a daemon without memory for this ends, and is started again */
	rc = gossip_new(&c, &mem, node_clocks(n), &n->g);
	assert(rc == 0);
	n->memory_fails_ppm = fails_ppm;
	net_process_begins(&s->net, n->number);
	if (!n->faults)
		n->calm_us = s->now_us;
	story_tell(&s->story, s->now_us, n->number, UINT32_MAX, "starts, boot %" PRIu32, n->boot);
	oracle_begins(n);
	for (unsigned i = 0; i < SIM_KEYS_MAX; i++) {
		n->keys[i].set &= !n->keys[i].removed;
		n->keys[i].unsure = true;
	}
	for (unsigned i = 0; i < MIN(n->n_forgot, SIM_FORGOT_MAX); i++)
		node_forget_again(n, n->forgot[i]);
	node_tell_unsure(n);
	node_set_timer(n);
	oracle_stepped(n);
	if (n->w)
		whole_start(n);
	return true;
}

static void process_over(struct sim_node *n, enum sim_life life, const char *what)
{
	struct sim *s = n->sim;

	story_tell(&s->story, s->now_us, n->number, UINT32_MAX, "%s", what);
	if (n->life == SIM_ASLEEP)
		read_clocks(n, true);
	oracle_parts(n);
	n->life = life;
	heap_del(&s->heap, &n->wake);
	heap_del(&s->heap, &n->chore);
	if (n->w)
		whole_stop(n);
	memset(n->links, 0, sizeof(n->links));
	gossip_free(n->g);
	n->g = NULL;
	if (n->bytes)
		sim_fail(s, n->number, "%zu bytes were not given back", n->bytes);
}

bool node_kill(struct sim_node *n)
{
	if (!node_has_process(n) || n->life == SIM_ASLEEP)
		return false;
	net_process_killed(&n->sim->net, n->number);
	process_over(n, SIM_DOWN, "is killed");
	return true;
}

void node_chore(struct sim_node *n)
{
	uint32_t heard = n->boot_heard;

	if (n->life != SIM_RUNS) { /* later, once it goes on */
		heap_set(&n->sim->heap, &n->chore, n->sim->now_us + CHORE_LATER_US);
		return;
	}
	net_process_killed(&n->sim->net, n->number);
	process_over(n, n->leaving ? SIM_LEFT : SIM_DOWN, n->leaving ? "ends" : "begins again");
	if (n->w && !n->leaving && !heard)
		(void)node_start(n, false); /* was just ended */
	if (heard) {
		n->boot = MAX(n->boot, identity_boot_above(heard) - 1);
		(void)node_start(n, false); /* was just ended */
	}
}

bool node_lose(struct sim_node *n)
{
	if (n->life == SIM_LOST || n->life == SIM_ABSENT)
		return false;
	net_host_lost(&n->sim->net, n->number);
	if (node_has_process(n))
		process_over(n, SIM_LOST, "its host is lost");
	n->life = SIM_LOST;
	if (n->w)
		whole_host_lost(n);
	return true;
}

bool node_back(struct sim_node *n)
{
	if (n->life != SIM_LOST)
		return false;
	n->life = SIM_DOWN;
	n->mono_us = n->boot_us = 1000000;
	n->real_us = n->sim->now_us;
	net_host_back(&n->sim->net, n->number);
	return true;
}

bool node_stop(struct sim_node *n)
{
	if (n->life != SIM_RUNS)
		return false;
	story_tell(&n->sim->story, n->sim->now_us, n->number, UINT32_MAX, "is stopped");
	oracle_parts(n);
	n->life = SIM_STOPPED;
	heap_del(&n->sim->heap, &n->wake);
	net_process_stops(&n->sim->net, n->number);
	return true;
}

static void goes_on(struct sim_node *n)
{
	story_tell(&n->sim->story, n->sim->now_us, n->number, UINT32_MAX, "goes on");
	n->life = SIM_RUNS;
	oracle_returns(n);
	node_set_timer(n);
	for (uint32_t i = 0; i < GOSSIP_LINKS_MAX; i++)
		if (n->links[i].conn)
			node_pull(n, i);
	if (n->w)
		whole_goes_on(n);
}

bool node_go_on(struct sim_node *n)
{
	if (n->life != SIM_STOPPED)
		return false;
	net_process_goes_on(&n->sim->net, n->number);
	goes_on(n);
	return true;
}

bool node_sleep(struct sim_node *n)
{
	if (n->life != SIM_RUNS)
		return false;
	story_tell(&n->sim->story, n->sim->now_us, n->number, UINT32_MAX, "its machine sleeps");
	read_clocks(n, false);
	oracle_parts(n);
	n->life = SIM_ASLEEP;
	heap_del(&n->sim->heap, &n->wake);
	net_host_sleeps(&n->sim->net, n->number);
	if (n->w)
		whole_sleeps(n);
	return true;
}

bool node_wake(struct sim_node *n)
{
	if (n->life != SIM_ASLEEP)
		return false;
	read_clocks(n, true);
	net_host_wakes(&n->sim->net, n->number);
	if (n->w)
		whole_wakes(n);
	goes_on(n);
	return true;
}
