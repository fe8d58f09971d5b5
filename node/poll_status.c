/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verb `status`, which may wait for news of one agent: whoever has changed it on one node asks another so when it
 * knows as well.
 */
#include "node/poll_priv.h"
#include "node/report.h"
#include "node/told.h"

struct status_waiter {
	struct waiter w;
	char agent[REPLICA_ID_MAX]; /* "": all */
	int64_t newer_than;	    /* a decision on it, or a version; -1: however it is */
	bool brief;
};

/* As this node knows it: its newest decision, or the newest version that it has itself or that another tells. */
static int64_t version_of(struct node *n, const char *name)
{
	const struct agent *own = roster_find(n, name);
	int64_t told = told_version(n->cluster, name);
	struct decided_sum sum;

	if (!(own && own->scope == SPEC_SCOPE_NODE) && decided_sum(n, name, &sum))
		return sum.decision;

	return own ? MAX(own->version, told) : told;
}

static bool try_status(struct waiter *w, bool last)
{
	const struct status_waiter *sw = CONTAINER_OF(w, struct status_waiter, w);

	if (!last && sw->newer_than >= 0 && version_of(w->node, sw->agent) <= sw->newer_than)
		return false;
	report_status(w->node, w->rq, sw->agent, sw->brief);
	return true;
}

void poll_status(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct status_waiter *w = poll_waiter_new(n, rq, args, try_status, sizeof(*w));
	struct err e;

	if (!w)
		return;
	w->newer_than = -1;
	if (mp_get_strz(args, "agent", w->agent, sizeof(w->agent), &e) < 0 ||
		mp_get_int(args, "newer_than", &w->newer_than, 0, INT64_MAX, &e) < 0 ||
		mp_get_bool(args, "brief", &w->brief, &e) < 0)
		poll_refuse_usage(&w->w, &e);
	else if (w->newer_than >= 0 && !*w->agent)
		poll_refuse_usage(&w->w,
			&(struct err){
				.text = "newer_than is a decision on one agent, or a version of it: name it, too"});
	else
		poll_begin(&w->w);
}
