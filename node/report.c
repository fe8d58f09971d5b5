/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the reading verbs share: words for an agent's state, and pairs of their documents.
 */
#include "node/report.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "covey/version.h"
#include "node/node.h"
#include "node/report_priv.h"
#include "node/told.h"

/* ---- words ---- */

const char *report_agent_state(const struct agent *a, const struct roster_count *c)
{
	static const enum replica_state worst[] = {
		REPLICA_FAILED, REPLICA_BACKOFF, REPLICA_STOPPING, REPLICA_STARTING, REPLICA_PENDING};
	char why[256];

	if (a->removed)
		return "stopping";
	if (a->stopped)
		return c->alive ? "stopping" : "stopped";
	if (roster_barred(a, why, sizeof(why)))
		return c->alive ? "stopping" : "pending";
	if (c->running >= c->desired)
		return "running";
	for (size_t w = 0; w < ARRAY_LEN(worst); w++)
		for (size_t i = 0; i < a->n_slots; i++)
			if (a->slots[i] && (enum replica_state)a->slots[i]->core.state == worst[w])
				return replica_state_name(worst[w]);
	if (c->running > 0)
		return "running"; /* the others rest: held, or done */
	for (size_t i = 0; i < a->n_slots; i++)
		if (a->slots[i] && a->slots[i]->core.state == REPLICA_STOPPED)
			return "stopped";
	return "pending";
}

const char *report_pending_reason(const struct agent *a, char *out, size_t n)
{
	if (!a->stopped && roster_barred(a, out, n))
		return out;
	for (size_t i = 0; !a->stopped && i < a->spec->depends_on.n; i++) {
		const char *name = a->spec->depends_on.v[i];
		const struct agent *dep = roster_find(a->node, name);
		struct roster_count c = {0};

		if (dep)
			roster_count(dep, &c);
		if (dep && !dep->stopped && !dep->removed && c.ready >= c.desired)
			continue;
		(void)snprintf(out, n, "waits for %s, which %s", name,
			!dep	       ? "is not defined"
			: dep->stopped ? "is stopped"
				       : "is not ready");
		return out;
	}
	return NULL;
}

/* ---- pairs ---- */

void report_key_int(struct mp_writer *w, const char *key, int64_t v)
{
	mp_str(w, key);
	if (v < 0)
		mp_nil(w);
	else
		mp_int(w, v);
}

void report_key_real(struct mp_writer *w, const char *key, double v)
{
	mp_str(w, key);
	if (v < 0)
		mp_nil(w);
	else
		mp_double(w, v);
}

int64_t report_pid(const struct runner *r)
{
	return runner_is_alive(r) && r->core.pid > 0 ? r->core.pid : -1;
}

int64_t report_memory_limit(const struct runner *r)
{
	int64_t v = r->spec->resources.memory_max_bytes;

	return v > 0 ? v : -1;
}

void report_send(struct control_request *rq, struct bytes *out)
{
	if (out->failed)
		control_refuse(rq, "refused", "the answer is larger than %d bytes: ask for one agent", REPORT_MAX);
	else
		control_reply(rq, out);
	bytes_done(out);
}

bool report_is_elsewhere(struct node *n, struct control_request *rq, const char *name)
{
	char where[GOSSIP_NAME_MAX + 1];

	if (!n->cluster || !told_where(n->cluster, name, where))
		return false;
	control_refuse(rq, "refused", "%s is on %s, not on %s: run the command there", name, where, n->cfg->name);
	return true;
}
