/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop: the soonest event, and what it is of.
 */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "tests/sim/faults.h"
#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/whole.h"
#include "tests/sim/whole_run.h"

uint32_t sim_number_of(uint64_t id)
{
	return (uint32_t)(id & 0xfffff); /* node_make puts it there */
}

void sim_init(struct sim *s, const struct sim_options *o)
{
	*s = (struct sim){.o = *o, .sweep.kind = SIM_ITEM_SWEEP, .failed_node = UINT32_MAX};
	s->o.room = MAX(o->room, o->nodes);
	rng_seed(&s->rng, o->seed);
	story_init(&s->story, o->live);
	net_init(&s->net, &s->heap, &s->now_us, s->o.room, rng_u64(&s->rng), &o->net, &node_net_ops, s);
	s->oracle = oracle_new(s);
	s->nodes = calloc(s->o.room, sizeof(s->nodes[0]));
	assert(s->nodes);
	for (uint32_t i = 0; i < s->o.room; i++)
		node_make(s, i);
	for (uint32_t i = 0; o->whole && i < s->o.room; i++)
		whole_make(&s->nodes[i]);
	heap_set(&s->heap, &s->sweep, SIM_SWEEP_US);
}

void sim_done(struct sim *s)
{
	for (uint32_t i = 0; i < s->o.room; i++) {
		whole_done(&s->nodes[i]);
		node_done(&s->nodes[i]);
	}
	if (s->whole)
		whole_run_free(s);
	net_done(&s->net);
	oracle_free(s->oracle);
	story_done(&s->story);
	heap_done(&s->heap);
	free(s->nodes);
	*s = (struct sim){0};
}

void sim_fail(struct sim *s, uint32_t node, const char *fmt, ...)
{
	char text[STORY_TEXT];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->failed ? text : s->why, s->failed ? sizeof(text) : sizeof(s->why), fmt, ap);
	va_end(ap);
	if (s->failed)
		return;
	s->failed = true;
	s->failed_node = node;
	story_tell(&s->story, s->now_us, node, UINT32_MAX, "FAILS: %s", s->why);
}

void sim_step(struct sim *s, struct heap_item *item)
{
	s->now_us = MAX(s->now_us, item->at_us);
	switch (item->kind) {
	case SIM_ITEM_WAKE:
		heap_del(&s->heap, item);
		node_due(CONTAINER_OF(item, struct sim_node, wake));
		return;
	case SIM_ITEM_CHORE:
		heap_del(&s->heap, item);
		node_chore(CONTAINER_OF(item, struct sim_node, chore));
		return;
	case SIM_ITEM_FAULT:
	case SIM_ITEM_FAULT_ENDS:
		faults_due(s, item);
		return;
	case SIM_ITEM_SWEEP:
		net_keepalive(&s->net);
		heap_set(&s->heap, item, s->now_us + SIM_SWEEP_US);
		return;
	default:
		if (!s->whole || !whole_due(s, item))
			net_due(&s->net, item);
	}
}

bool sim_run(struct sim *s, int64_t until_us, bool (*done)(struct sim *s, void *arg), void *arg)
{
	int64_t looked_us = s->now_us;

	if (done && !s->failed && done(s, arg))
		return true;
	while (!s->failed) {
		struct heap_item *item = heap_first(&s->heap);

		if (done && s->now_us >= looked_us + SIM_LOOK_US && oracle_changed(s)) {
			looked_us = s->now_us;
			if (done(s, arg))
				return true;
		}
		if (item->at_us > until_us)
			break;
		sim_step(s, item);
	}
	s->now_us = s->failed ? s->now_us : until_us;
	return !s->failed && done && done(s, arg);
}
