/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A later era has begun (consensus/quorum.h): what this node knew that was decided by voters that were given up, and
 * that nobody else has, is dropped and told. See decided.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/council_priv.h"
#include "node/node.h"

static bool is_decision(const struct sched_decision *d, const struct agent *a)
{
	return d->number == a->decided->number && sched_same_node(d->by, a->decided->by) &&
	       d->wall_ms == a->changed_wall_ms;
}

/* A value keeps its last decisions: one that is older than these is not told apart. */
void decided_tell_lost(struct node *n, const struct agent *a, const struct ballot *ballot, const struct sched_value *v)
{
	const struct decided *d = a->decided;

	if (!d || quorum_floor(d->ballot.counter) >= quorum_floor(ballot->counter) || v->n_decisions == 0 ||
		d->number < v->decisions[0].number)
		return;
	for (size_t i = 0; i < v->n_decisions; i++)
		if (is_decision(&v->decisions[i], a))
			return;
	node_event(n, SEVERITY_WARNING, "dropped", a->name, NULL,
		"%s: decision %" PRIu64 " (version %u) is dropped with the voters that were given up: it goes on at "
		"version %u as the others know it",
		a->name, d->number, d->version, v->now.version);
}

/* The roster does with it as with one that was removed. */
void decided_dropped(struct node *n, const struct msg_key *key)
{
	char name[NAME_MAX_LEN + 1];
	struct agent *a;

	(void)snprintf(name, sizeof(name), "%.*s", (int)key->n, key->v); /* fits */
	(void)votes_drop_chosen(n->council->votes, key, node_stored, n); /* full: dropped again after a restart */
	a = roster_find(n, name);
	if (!a || a->scope != SPEC_SCOPE_CLUSTER || !a->decided)
		return;
	node_event(n, SEVERITY_WARNING, "dropped", name, NULL,
		"%s (version %u) is dropped: only voters that were given up had decided it; what runs of it here stops",
		name, a->decided->version);
	council_hold_dropped(n->council, key);
	a->decided->n = 0;
	a->decided->named = false;
	a->removed = true;
	a->desired = 0;
	roster_mark(a);
}
