/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is stopped: an agent of the cluster, or all; and then the node's own ones too, in one answer.
 */
#include <stdio.h>

#include "node/answer.h"
#include "node/council.h"
#include "node/decree_priv.h"
#include "node/node.h"

/* How many of the node's own agents, or of those that were decided, are to be stopped. */
static size_t count_to_stop(const struct node *n, bool decided)
{
	size_t k = 0;

	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);

		k += !a->removed && !a->stopped && (a->decided != NULL) == decided;
	}
	return k;
}

/* Those that were decided, behind the first ones of d, which are done. d may be gone then. */
static void stop_decided(struct decree *d)
{
	static const struct agree_command stop = {.event.type = SCHED_EVENT_STOP};
	size_t first = d->n_items, n;

	LIST_FOREACH (at, &d->n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (!a->removed && !a->stopped && a->decided)
			(void)decree_item_add(d, a->name, "stopped"); /* it is in d */
	}
	n = d->n_items;
	if (first == n)
		decree_finish(d);
	for (size_t i = first; i < n; i++)
		decree_give(&d->items[i], &stop);
}

/* The node's own ones are stopped, and told already. */
static void then_decided(struct answer *an)
{
	struct node *n = an->node;
	struct decree *d = decree_of(n, an->rq, an->op, an->n + count_to_stop(n, true));

	if (!d)
		return;
	for (size_t i = 0; i < an->n; i++) {
		struct decree_item *t = &d->items[d->n_items++];

		(void)snprintf(t->agent, sizeof(t->agent), "%s", an->v[i].agent); /* fits */
		t->change = an->v[i].change;
		t->version = an->v[i].version;
		t->outcome = AGREE_DONE;
		t->answered = t->told = true;
		d->n_answered++;
	}
	stop_decided(d);
}

/* The node's own ones first: where these cannot be stopped nothing is. */
static void stop_both(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char id[OP_ID_MAX];
	struct answer *an = decree_may_begin(n, rq, args, id) ? answer_new(n, rq, args, OP_STOPPED, false) : NULL;

	if (!an)
		return;
	an->then = then_decided;
	LIST_FOREACH (at, &n->roster.order) {
		const struct agent *a = LIST_ENTRY(at, struct agent, order);
		struct stage *s =
			a->removed || a->stopped || a->decided ? NULL : answer_stage(an, a, a->name, "stopped");

		if (s) { /* else answer_send tells */
			s->act = STAGE_STOP;
			s->put = s->stopped = true;
		}
	}
	answer_send(an);
}

static bool stop_all(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	size_t k = count_to_stop(n, true);
	struct decree *d;

	if (k == 0)
		return false;
	if (count_to_stop(n, false) > 0) {
		stop_both(n, rq, args);
		return true;
	}
	d = decree_new(n, rq, args, OP_STOPPED, k);
	if (d)
		stop_decided(d);
	return true;
}

bool decree_stop(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char name[NAME_MAX_LEN + 1];
	bool all = false;

	if (n->council && mp_get_bool(args, "all", &all, NULL) == 0 && all)
		return stop_all(n, rq, args);
	if (!decree_agent(n, args, "target", name))
		return false;
	decree_change(n, rq, args, name, "stopped", OP_STOPPED, &(struct decide_event){.type = SCHED_EVENT_STOP});
	return true;
}
