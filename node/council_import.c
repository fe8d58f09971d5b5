/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a node alone has had applied becomes the cluster's, once the node belongs to one and something can be decided:
 * with the same processes running on where they are. A name that the cluster has already is the cluster's: then what
 * this node has of it gives way, and that is told.
 */
#include <stdio.h>

#include "node/council_priv.h"
#include "node/node.h"

struct importing {
	struct council *c;
	char agent[NAME_MAX_LEN + 1];
};

static struct agent *agent_of(const struct importing *k)
{
	struct agent *a = roster_find(k->c->n, k->agent);

	return a && a->scope == SPEC_SCOPE_CLUSTER && !a->decided ? a : NULL;
}

static void on_stopped(void *arg, const struct agree_answer *r)
{
	const struct importing *k = arg;

	if (r->outcome != AGREE_DONE)
		log_warn("%s was stopped when its node came to the cluster, and runs there: 'covey stop %s' stops it",
			k->agent, k->agent);
	free(arg);
}

/* It was stopped before: as soon as it is the cluster's it is stopped there. */
static void stop(struct importing *k)
{
	struct agree_command cmd = {.event = {.type = SCHED_EVENT_STOP, .desired = -1}};

	if (!decided_key(k->agent, &cmd.key) || council_command(k->c, &cmd, on_stopped, k) < 0)
		free(k);
}

static void on_answer(void *arg, const struct agree_answer *r)
{
	struct importing *k = arg;
	struct council *c = k->c;
	struct agent *a = agent_of(k);
	bool stopped = a && a->stopped;

	if (a)
		a->importing = false;
	if (r->outcome == AGREE_DONE) {
		node_event(
			c->n, SEVERITY_INFO, "imported", k->agent, NULL, "%s is the cluster's from here on", k->agent);
		if (stopped) {
			stop(k);
			return;
		}
	} else {
		if (r->outcome == AGREE_REFUSED)
			log_warn("%s; what this node has of it gives way", r->refused.text);
		c->import_at_ms = c->n->now.mono_ms + COUNCIL_IMPORT_MS;
	}
	free(k);
}

static void import(struct council *c, struct agent *a)
{
	struct importing *k = mem_zalloc(1, sizeof(*k));
	struct agree_command cmd = {.event = {.type = SCHED_EVENT_APPLY, .adopt = true, .desired = a->desired},
		.text = {(const uint8_t *)a->spec->text, a->spec->text_len}};

	if (!k)
		return;
	k->c = c;
	(void)snprintf(k->agent, sizeof(k->agent), "%s", a->name); /* fits */
	a->importing = decided_key(a->name, &cmd.key) && council_command(c, &cmd, on_answer, k) == 0;
	if (!a->importing)
		free(k);
}

void council_import_turn(struct council *c)
{
	char fault[256];

	if (c->n->now.mono_ms < c->import_at_ms || !c->open || c->n->awaiting > 0 ||
		council_fault(c, fault, sizeof(fault)))
		return;
	c->import_at_ms = DEADLINE_NEVER;
	LIST_FOREACH (at, &c->n->roster.order) {
		struct agent *a = LIST_ENTRY(at, struct agent, order);

		if (a->scope == SPEC_SCOPE_CLUSTER && !a->decided && !a->removed && !a->importing && a->spec)
			import(c, a);
	}
}
