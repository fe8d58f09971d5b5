/* SPDX-License-Identifier: Apache-2.0 */
/*
 * This node's own map: what is put into it, and what the core did not take. Each part of the daemon knows what of its
 * own was not told (cluster_share.c by a hash, council_hint.c by a ballot), and is asked for that after a pause, which
 * doubles as long as something is not taken.
 */
#include "node/cluster_set.h"

#include <string.h>

#include "node/cluster_priv.h"
#include "node/cluster_share.h"
#include "node/council.h"

#define AGAIN_FIRST_MS 1000
#define AGAIN_MAX_MS   60000

static bool is_in_map(const struct cluster *c, const struct gossip_in *in)
{
	struct gossip_str is;

	if (!gossip_value_get(c->g, gossip_id(c->g), in->key, &is))
		return in->removed;
	return !in->removed && is.n == in->value.n && (is.n == 0 || memcmp(is.v, in->value.v, is.n) == 0);
}

/* Twice as long as the last time, where that is not long ago. */
static void ask_again(struct cluster *c)
{
	int64_t now_ms = c->n->now.mono_ms;
	bool recent = now_ms - c->untold_at_ms <= 2 * c->untold_ms;

	if (ev_is_active(&c->untold_timer))
		return;
	c->untold_ms = MAX(recent ? 2 * c->untold_ms : 0, (int64_t)AGAIN_FIRST_MS);
	c->untold_ms = MIN(c->untold_ms, (int64_t)AGAIN_MAX_MS);
	c->untold_at_ms = now_ms + c->untold_ms;
	ev_timer_set(&c->untold_timer, (double)c->untold_ms / 1e3, 0.);
	ev_timer_start(c->n->loop, &c->untold_timer);
}

void cluster_set_lost(struct cluster *c, bool memory)
{
	cluster_event_paced(c, SEVERITY_ERROR, "not-told",
		memory ? "no memory for all that this node tells the others of itself: the rest is told later"
		       : "this node has more to tell the others of itself than fits: the rest is told once it does");
	ask_again(c);
}

bool cluster_set(struct cluster *c, const char *key, const void *v, size_t n)
{
	const struct gossip_in in = {.type = GOSSIP_IN_SET,
		.key = {key, (uint16_t)strlen(key)},
		.value = {v, (uint16_t)n},
		.removed = v == NULL};
	struct gossip_figures was, is;

	if (!c->g)
		return true; /* a core that is made is told all */
	gossip_figures(c->g, &was);
	c->setting = true;
	cluster_in(c, &in);
	c->setting = false;
	gossip_figures(c->g, &is);
	if ((is.no_memory == was.no_memory && is.refused == was.refused) || is_in_map(c, &in)) {
		cluster_arm(c);
		return true;
	}
	cluster_set_lost(c, is.no_memory > was.no_memory);
	cluster_arm(c);
	return false;
}

static void on_untold(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cluster *c = w->data;

	(void)loop;
	(void)revents;
	node_now(c->n);
	if (!c->g)
		return;
	cluster_share_untold(c);
	if (c->n->council)
		council_again(c->n->council);
}

void cluster_set_init(struct cluster *c)
{
	c->untold_at_ms = c->n->now.mono_ms;
	ev_timer_init(&c->untold_timer, on_untold, 0., 0.);
	c->untold_timer.data = c;
}

void cluster_set_done(struct cluster *c)
{
	ev_timer_stop(c->n->loop, &c->untold_timer);
}
