/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica under a lease: nothing of it is started before it was told that it may run, and what runs goes by the
 * deadlines that it is told (fuse_page.h). Who decides about both is node/holding.h. One without is started when the
 * disk that says so is believed (node/recall.h).
 */
#include <string.h>

#include "node/council.h"
#include "node/node.h"
#include "node/runner_parts.h"

bool runner_may_start(const struct runner *r)
{
	return r->leased ? r->lease_ms > r->node->now.boot_ms : council_recall_may_start(r->agent);
}

void runner_lease_spec(struct runner *r)
{
	const struct decided_slot *s = r->agent->decided ? decided_slot(r->agent, r->slot) : NULL;

	if (r->node->leases)
		r->leased = s ? s->leased : r->agent->scope == SPEC_SCOPE_CLUSTER && r->spec->isolation == SPEC_STOP;
}

void runner_lease_news(struct runner *r)
{
	if (r->lease_fn)
		r->lease_fn(r->lease_arg, r);
}

/* Its first deadline: the shim looks at the page only when told to. It is asked again when it says that it started. */
static void arm(struct runner *r)
{
	r->arming = true;
	if (shimlink_send(&r->link, SHIM_ARM, NULL, 0) < 0)
		log_line(LOG_LEVEL_WARN, r->agent->name, r->id, "its shim does not take the order to arm its fuse yet");
}

static bool has_run(const struct runner *r, uint64_t epoch)
{
	return r->run && r->epoch == epoch && runner_is_alive(r);
}

void runner_extend(struct runner *r, uint64_t epoch, int64_t until_ms)
{
	bool was_unarmed;

	if (!has_run(r, epoch) || !r->page.v)
		return;
	was_unarmed = fuse_page_until_ms(&r->page) == FUSE_PAGE_UNARMED;
	if ((fuse_page_extend(&r->page, until_ms) && was_unarmed) || (r->arming && r->link.fd >= 0))
		arm(r);
}

/* A start that had to wait. */
static void go_on(struct runner *r)
{
	if (!r->lease_waits || r->core.state != REPLICA_STARTING)
		return;
	r->lease_waits = false;
	list_del(&r->waiting);
	list_add_tail(&r->node->roster.starting, &r->waiting);
	roster_start_next(r->node);
}

void runner_lease(struct runner *r, uint64_t epoch, int64_t until_ms)
{
	r->leased |= until_ms > 0; /* else nothing is to be started of that epoch */
	if (epoch < r->lease_epoch)
		return;
	r->lease_epoch = epoch;
	r->lease_ms = until_ms;
	runner_extend(r, epoch, until_ms);
	if (has_run(r, epoch) && !r->page.v && until_ms != FUSE_PAGE_UNARMED && !r->awaiting) {
		runner_restart(r, SHIM_WHY_UPDATE, "it runs without a fuse, and is to run under a lease");
		return;
	}
	if (runner_may_start(r))
		go_on(r);
}

void runner_recalled(struct runner *r)
{
	if (!r->leased && runner_may_start(r))
		go_on(r);
}

bool runner_is_empty(const struct runner *r)
{
	return !r->awaiting && !r->run && !r->launching && !ev_is_active(&r->emptying) && list_is_empty(&r->waiting);
}

bool runner_is_armed(const struct runner *r)
{
	return (!r->run && !r->awaiting) ||
	       (r->page.v && !r->arming && fuse_page_until_ms(&r->page) != FUSE_PAGE_UNARMED);
}

int64_t runner_until_ms(const struct runner *r)
{
	return r->page.v ? fuse_page_until_ms(&r->page) : FUSE_PAGE_UNARMED;
}

int runner_lease_begin(struct runner *r, int *ret_fd, struct err *e)
{
	const struct decided_slot *s = r->agent->decided ? decided_slot(r->agent, r->slot) : NULL;

	fuse_page_close(&r->page); /* of a run before */
	r->arming = false;
	*ret_fd = -1;
	if (!r->leased) {
		r->epoch = s ? s->epoch : r->epoch; /* the plan did not look while its last run was asked about */
		return 0;
	}
	r->epoch = r->lease_epoch;
	return fuse_page_make(&r->page, r->lease_ms, ret_fd, e);
}

void runner_lease_found(struct runner *r)
{
	int fd = shimlink_take_fd(&r->link);
	struct err e;

	fuse_page_close(&r->page);
	if (fd >= 0 && fuse_page_take(&r->page, fd, &e) < 0)
		log_line(LOG_LEVEL_WARN, r->agent->name, r->id, "%s; it is renewed no more, and ends at its deadline",
			e.text);
	runner_extend(r, r->lease_epoch, r->lease_ms); /* as was told before it answered */
	runner_lease_news(r);
}

void runner_lease_started(struct runner *r)
{
	if (r->arming)
		arm(r);
}

void runner_armed(struct runner *r, const struct shim_armed *a)
{
	if (a->deadline_boot_ns == SHIM_LEASE_UNARMED)
		return;
	r->arming = false;
	runner_lease_news(r);
}

void runner_lease_ended(struct runner *r)
{
	fuse_page_close(&r->page);
	r->arming = false;
}
