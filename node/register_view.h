/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NODE_REGISTER_VIEW_H
#define NODE_REGISTER_VIEW_H
/*
 * What is known of the cluster when something is decided (struct sched_view), out of what members tell (told.h). Pure;
 * memory is the caller's.
 *
 *	told_whole(g, &told);				once for many agents
 *	register_hosts_make(&hosts, &in, &e);
 *	register_view_make(&view, &hosts, "web", &seen, now, &e);	one view of hosts at a time
 *	… view.view …
 *	register_view_done(&view); register_hosts_done(&hosts); told_done(&told);
 *
 * Clocks of other hosts count for nothing: since when a replica is ready is counted from when this node first saw it so
 * (struct register_seen), by CLOCK_MONOTONIC.
 */
#include "base/clock.h"
#include "node/register_root.h"
#include "node/told.h"

struct register_hosts_in {
	const struct gossip *g;		  /* borrowed for the call */
	const struct told *told;	  /* told_whole; borrowed until hosts are done */
	const struct register_root *root; /* who drains, who was forgotten; NULL: it is not known */
	/* Since when the member is in its state, by CLOCK_MONOTONIC. */
	int64_t (*since_ms)(void *ctx, uint64_t id);
	void *ctx;
	struct now now;
	struct value_mem mem;
};

struct register_block {
	void *v;
	size_t n;
};

struct register_hosts {
	const struct told *told;
	struct value_mem mem;
	struct sched_host
		*v; /* owned, as all that follows; `knows` is 0, and reserved is what all agents have together */
	struct register_block *blocks; /* of each: labels, or the name of one that is none of told.members */
	size_t n, cap;
	size_t *where; /* of each of told.members: its place, or SIZE_MAX while it has no record */
};

/* -ENOMEM. register_hosts_done accepts a zeroed one. */
int register_hosts_make(struct register_hosts *ret, const struct register_hosts_in *in, struct err *e) MUST_CHECK;
void register_hosts_done(struct register_hosts *h);

/* Of one agent: which replicas are ready, and since when here. Zeroed at first. */
struct register_ready {
	struct sched_node node;
	uint32_t number;
	uint64_t epoch;
	int64_t mark; /* as told */
	int64_t mono_ms;
};
struct register_seen {
	struct register_ready *v; /* owned; by number, node, epoch */
	size_t n, cap;
};

void register_seen_done(struct register_seen *s, const struct value_mem *mem);

struct register_view {
	struct sched_view view;
	struct sched_host *hosts; /* owned, as the reports */
	struct sched_report *reports;
	size_t cap_hosts, cap_reports;
	struct value_mem mem;
};

/* -ENOMEM: `seen` is then as it was. Borrows from the hosts. */
int register_view_make(struct register_view *ret, const struct register_hosts *h, const char *agent,
	struct register_seen *seen, struct now now, struct err *e) MUST_CHECK;
void register_view_done(struct register_view *v);

/* One replica's value; false: it makes no sense. ready_for_ms is the caller's. *ret_mark: as told, when it is ready. */
bool register_report_of(const struct told_item *item, struct sched_report *ret, int64_t *ret_mark);

#endif
