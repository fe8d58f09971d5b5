/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a daemon knows at its start: see node_load.h.
 */
#include "node/node_load.h"

#include "base/mem.h"
#include "node/adopt.h"
#include "node/council.h"
#include "node/local.h"
#include "node/node.h"
#include "node/ops.h"

/* One that this version does not understand cannot be gone back to. */
static void load_before(struct agent *a, const struct store_agent *row, struct spec_faults *faults)
{
	struct agent_spec *spec = NULL;

	if (row->before && spec_parse(row->before, row->before_len, SPEC_SCOPE_CLUSTER, &spec, faults) == 0)
		roster_set_spec(a, spec);
	spec_unref(spec);
}

static int load_agent(void *arg, const struct store_agent *row)
{
	struct spec_faults *faults = mem_alloc(sizeof(*faults)); /* large, and all but its counts unread */
	struct agent_spec *spec = NULL;
	struct node *n = arg;
	struct agent *a;
	struct err e;

	if (!faults || spec_parse(row->text, row->text_len, SPEC_SCOPE_CLUSTER, &spec, faults) < 0) {
		bool known = faults && faults->n > 0;

		log_err("%s: its stored definition is not understood by this version (line %d: %s: %s); it is left "
			"alone",
			row->name, known ? faults->v[0].line : 0, known ? faults->v[0].key : "",
			known ? faults->v[0].text : "out of memory");
		free(faults);
		n->unread[SPEC_SCOPE_CLUSTER] = true;
		return 0;
	}
	if (roster_add(n, row->name, SPEC_SCOPE_CLUSTER, &a, &e) < 0) {
		log_err("%s: %s", row->name, e.text);
	} else {
		load_before(a, row, faults);
		roster_set_spec(a, spec);
		a->version = row->version;
		a->desired = row->desired;
		a->stopped = row->stopped;
		a->paused = row->paused;
		a->removed = row->removed;
		a->changed_wall_ms = row->changed_wall_ms;
	}
	free(faults);
	spec_unref(spec);
	return 0;
}

/* Records of replicas whose agent is gone are dropped by the plan that removes it; others wait for their slot. */
static int load_replica(void *arg, const struct store_replica *row)
{
	struct runner *r = adopt_runner(arg, row->id);

	if (r)
		runner_restore(r, row->saved, row->saved_len);
	return 0;
}

static int load_op(void *arg, const struct store_op *row)
{
	return ops_restore(arg, row);
}

int node_load(struct node *n, struct err *e)
{
	int rc = store_load_agents(n->store, load_agent, n, e);

	if (rc == 0)
		rc = store_load_ops(n->store, load_op, n, e);
	if (rc < 0)
		return rc;
	if (n->council)
		rc = council_load(n->council, e);
	if (rc < 0)
		return rc;
	if (local_load(n, e) < 0)
		log_err("%s; what runs of it is left alone", e->text);
	return store_load_replicas(n->store, load_replica, n, e);
}
