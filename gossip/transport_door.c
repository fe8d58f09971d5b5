/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Those who were accepted and have not said hello. They are bounded in time and in number: when there are as many as
 * may be, no more are accepted (they wait in the kernel, which is bounded too).
 *
 * Few of them shake hands at a time, so that on a busy host one is through after the other: where all take turns all
 * end late, and are given up by then. The others wait, and cost nothing but their place. Nobody can tell who is slow
 * from who is silent; but where for TURN_MS nobody came through, those that had their turn do not count any more, and
 * the next ones begin; and when the door is full, the oldest is put out once it had GRACE_MS. So silent peers cost
 * others no more than GRACE_MS each limits.pending of them.
 */
#include "gossip/transport_priv.h"

#include "base/clock.h"

#define SHAKING_MAX 8
#define GRACE_MS    1000
#define TURN_MS	    125 /* so that as many as limits.pending begin within GRACE_MS */

static bool at_door(const struct transport_link *k)
{
	return k && k->state == LINK_HELLO && !k->dialled;
}

static size_t shaking(const struct transport *t)
{
	size_t n = 0;

	for (size_t i = 0; i < TRANSPORT_LINKS_MAX; i++)
		n += at_door(t->links[i]) && !t->links[i]->waits && !t->links[i]->slow;
	return n;
}

/* The one that waits longest; NULL: none does. */
static struct transport_link *next(const struct transport *t)
{
	struct transport_link *best = NULL;

	for (size_t i = 0; i < TRANSPORT_LINKS_MAX && t->n_waiting > 0; i++) {
		struct transport_link *k = t->links[i];

		if (at_door(k) && k->waits && (!best || (int32_t)(k->order - best->order) < 0))
			best = k;
	}
	return best;
}

/* Of those that had their turn. */
static struct transport_link *oldest(const struct transport *t)
{
	struct transport_link *best = NULL;

	for (size_t i = 0; i < TRANSPORT_LINKS_MAX; i++) {
		struct transport_link *k = t->links[i];

		if (k && (k->state == LINK_ENDING || (at_door(k) && !k->waits)) &&
			(!best || k->began_ms < best->began_ms))
			best = k;
	}
	return best;
}

bool transport_door_waits(struct transport_link *k)
{
	struct transport *t = k->t;

	if (k->dialled || (t->n_waiting == 0 && shaking(t) < SHAKING_MAX))
		return false;
	k->waits = true;
	k->order = ++t->order;
	t->n_waiting++;
	return true;
}

void transport_door_left(struct transport_link *k, bool through)
{
	if (k->waits)
		k->t->n_waiting--;
	k->waits = false;
	if (through && !k->dialled)
		k->t->through_ms = k->t->now_ms;
}

static bool is_full(const struct transport *t)
{
	return t->st.pending >= t->limits.pending;
}

static int64_t evict_at(const struct transport *t, const struct transport_link *k)
{
	return MAX(k->began_ms + GRACE_MS, t->through_ms + TURN_MS);
}

static int64_t slow_at(const struct transport *t, const struct transport_link *k)
{
	return MAX(k->began_ms, t->through_ms) + TURN_MS;
}

void transport_door_turn(struct transport *t)
{
	struct transport_link *k = is_full(t) ? oldest(t) : NULL;

	if (k && evict_at(t, k) <= t->now_ms) {
		t->st.evicted++;
		transport_link_over(k, "has not said hello, and others wait");
	}
	for (size_t i = 0; i < TRANSPORT_LINKS_MAX && t->n_waiting > 0; i++)
		if (at_door(t->links[i]) && !t->links[i]->waits && slow_at(t, t->links[i]) <= t->now_ms)
			t->links[i]->slow = true;
	for (size_t n = shaking(t); n < SHAKING_MAX && (k = next(t)); n++)
		transport_link_start(k, t->now_ms);
}

int64_t transport_door_deadline_ms(const struct transport *t)
{
	const struct transport_link *k = is_full(t) ? oldest(t) : NULL;
	int64_t at = k ? evict_at(t, k) : DEADLINE_NEVER;

	for (size_t i = 0; i < TRANSPORT_LINKS_MAX && t->n_waiting > 0; i++)
		if (at_door(t->links[i]) && !t->links[i]->waits && !t->links[i]->slow)
			at = MIN(at, slow_at(t, t->links[i]));
	return at;
}
