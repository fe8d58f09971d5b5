/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey explain` of what the cluster decides: every node tells the same of an agent, since all of it is in the
 * register. What this node has of its replicas is added.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/cluster.h"
#include "node/council_priv.h"
#include "node/node.h"
#include "node/register_agent.h"
#include "node/report_priv.h"
#include "scheduler/explain.h"

struct lines {
	struct mp_writer w;
	struct bytes b;
	const struct sched_view *view;
	size_t n;
};

static void add_line(void *ctx, const struct sched_decision *of, const char *text)
{
	struct lines *l = ctx;
	char by[SCHED_NAME_TEXT_MAX];

	mp_map(&l->w, 5);
	mp_key_time(&l->w, "time", of->wall_ms);
	mp_key_str(&l->w, "what", text[0] == 'd' ? "decided" : "so");
	mp_key_str(&l->w, "replica", NULL);
	mp_key_str(&l->w, "why", text);
	mp_key_str(&l->w, "by", sched_name_of(l->view, of->by, by));
	l->n++;
}

/* pending: the first reason, "" without one. */
static void pack_summary(struct mp_writer *w, const char *agent, const struct register_agent *r,
	const struct ballot *ballot, const struct sched_view *view, const char *pending)
{
	const char *state = r->v.removed ? "removed" : r->v.stopped ? "stopped" : "wanted";
	struct sched_node node = register_node_of(&ballot->node);
	char by[SCHED_NAME_TEXT_MAX], text[512];

	mp_array(w, *pending ? 2 : 1);
	(void)snprintf(text, sizeof(text),
		"%s is %s: %" PRId64 " replicas, version %" PRIu32 ", by decision %" PRIu64
		", chosen at ballot %" PRIu64 " of %s; its rollout is %s.",
		agent, state, r->v.desired, r->v.now.version, r->v.number, ballot->counter,
		sched_name_of(view, node, by), sched_rollout_name(r->v.rollout.state)); /* fits; so below */
	mp_str(w, text);
	(void)snprintf(text, sizeof(text), "A replica is pending: %s.", pending);
	if (*pending)
		mp_str(w, text);
}

bool report_explain_decided(struct node *n, struct control_request *rq, const struct agent *a)
{
	CLEANUP(bytes_done) struct bytes out = {.max = REPORT_MAX};
	struct lines l = {.b = {.max = REPORT_MAX / 2}};
	struct register_agent r = {0};
	struct sched_view view;
	struct msg_bytes value;
	struct ballot ballot;
	struct mp_writer w;
	char pending[256];
	struct err e;

	if (!n->council || !a->decided)
		return false;
	(void)council_pending(n->council, a->name, pending, sizeof(pending)); /* first: it makes a view anew */
	if (!council_get(n->council, a->name, &ballot, &value) || !council_view(n->council, a->name, &view) ||
		register_agent_read(&r, &council_mem, value, &e) < 0)
		return false;
	l.view = &view;
	mp_writer_init(&l.w, &l.b);
	explain_value(&r.v, &view, add_line, &l);
	mp_writer_init(&w, &out);
	mp_map(&w, 5);
	mp_key_int(&w, "format", 1);
	mp_key_str(&w, "agent", a->name);
	mp_str(&w, "text");
	pack_summary(&w, a->name, &r, &ballot, &view, pending);
	mp_str(&w, "replicas");
	report_pack_replicas(&w, a);
	mp_str(&w, "decisions");
	mp_array(&w, l.n);
	if (l.b.n)
		(void)bytes_add(&out, l.b.v, l.b.n); /* the elements; out.failed tells */
	out.failed |= l.b.failed;
	control_reply(rq, &out);
	bytes_done(&l.b);
	register_agent_done(&r);
	return true;
}
