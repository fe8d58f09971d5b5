/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In place of launch.c, shimlink.c, fuse_page.c, shimfiles.c and adopt.c: a daemon's end of its shims, and what a new
 * daemon finds of them. That a daemon was told of an end is on its disk before the record of it goes, as in counted.c.
 */
#include <errno.h>
#include <string.h>

#include "node/adopt.h"
#include "node/shimfiles.h"
#include "supervisor/probe.h"
#include "tests/sim/whole_priv.h"
#include "tests/sim/whole_run.h"

#define ANSWER_US 700000 /* how long a shim takes to answer a new daemon, at most */
#define STOP_US	  400000
#define SOME_FD	  1000 /* of a socket, of a page: there is none behind it */

static struct whole_page *handed; /* on its way between the ends within one call */

/* ---- fuse_page.c's ---- */

static struct whole_page *page_of(const struct fuse_page *p)
{
	return (struct whole_page *)(void *)p->v;
}

int fuse_page_make(struct fuse_page *p, int64_t until_ms, int *ret_fd, struct err *e)
{
	struct whole_page *page = calloc(1, sizeof(*page));

	(void)e;
	assert(page);
	page->refs = 1;
	page->lease.deadline_boot_ns = until_ms == FUSE_PAGE_UNARMED ? SHIM_LEASE_UNARMED : until_ms * 1000000;
	p->v = &page->lease;
	handed = page;
	*ret_fd = SOME_FD;
	return 0;
}

int fuse_page_take(struct fuse_page *p, int fd, struct err *e)
{
	(void)fd;
	(void)e;
	p->v = &whole_page_ref(handed)->lease;
	return 0;
}

void fuse_page_close(struct fuse_page *p)
{
	whole_page_unref(page_of(p));
	p->v = NULL;
}

int64_t fuse_page_until_ms(const struct fuse_page *p)
{
	int64_t ns = p->v->deadline_boot_ns;

	return ns == SHIM_LEASE_UNARMED ? FUSE_PAGE_UNARMED : ns / 1000000;
}

bool fuse_page_extend(struct fuse_page *p, int64_t until_ms)
{
	int64_t was = p->v->deadline_boot_ns;

	if (until_ms == FUSE_PAGE_UNARMED || (was != SHIM_LEASE_UNARMED && until_ms * 1000000 <= was))
		return false;
	p->v->deadline_boot_ns = until_ms * 1000000;
	return true;
}

/* ---- launch.c's ---- */

static void fill_label(const struct runner *r, struct runner_label *l)
{
	*l = (struct runner_label){.size = sizeof(*l),
		.scope = (uint32_t)r->agent->scope,
		.slot = r->slot,
		.version = roster_version(r),
		.run_hash = r->spec->run_hash,
		.epoch = r->epoch,
		.restarts = r->core.restarts,
		.tries = r->core.history.tries};
	memcpy(l->agent, r->agent->name, sizeof(l->agent));
}

void launch_run(struct runner *r)
{
	struct whole_shim *s;
	struct err e;
	int fd, rc;

	r->lease_waits = !runner_may_start(r);
	if (r->lease_waits)
		return;
	r->run = r->node->next_run++;
	r->run_hash = r->spec->run_hash;
	r->run_version = roster_version(r);
	r->restart_due = false;
	r->launching = true;
	r->node->roster.n_starting++;
	r->node->spawns++;
	handed = NULL;
	rc = runner_lease_begin(r, &fd, &e);
	assert(rc == 0); /* as fuse_page_make */
	s = whole_shim_new(r, handed);
	fill_label(r, &s->label);
	r->link.fd = SOME_FD;
	whole_run_launched(s);
}

void launch_free_uid(struct node *n, struct runner *r)
{
	(void)n;
	(void)r;
}

void launch_take_uid(struct node *n, struct runner *r, uint32_t uid)
{
	(void)n;
	(void)r;
	(void)uid;
}

int launch_exec_plan(struct runner *r, const struct spec_strv *command, uint32_t exec_id, int64_t timeout_ms,
	struct bytes *out, struct err *e)
{
	(void)r;
	(void)command;
	(void)exec_id;
	(void)timeout_ms;
	(void)out;
	return err_set(e, -ENOTSUP, "no agent here has a probe by command");
}

/* ---- shimlink.c's ---- */

static struct whole_shim *shim_of(const struct shimlink *l)
{
	struct whole *w = whole_of_loop(l->loop);

	LIST_FOREACH (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		if (l->fd >= 0 && s->r == l->arg)
			return s;
	}
	return NULL;
}

void shimlink_init(
	struct shimlink *l, struct ev_loop *loop, shimlink_message *message, shimlink_closed *closed, void *arg)
{
	*l = (struct shimlink){.loop = loop, .fd = -1, .message = message, .closed = closed, .arg = arg, .came = -1};
}

void shimlink_close(struct shimlink *l)
{
	struct whole_shim *s = shim_of(l);

	l->fd = -1;
	if (!s)
		return;
	s->r = NULL;
	s->due = 0;
}

static void stop(struct whole_shim *s, const struct shim_stop *order)
{
	int64_t at = whole_sim(s->w)->now_us + 1000 + whole_between(s->w, 0, STOP_US);

	if (s->state == WHOLE_ENDED || s->stop.size > 0)
		return;
	s->stop = *order;
	if (s->state == WHOLE_BEGINS)
		at = MAX(at, s->starts_us + 1000);
	if (!s->burnt)
		s->stops_us = at;
	whole_shim_arm(s);
}

int shimlink_send(struct shimlink *l, enum shim_msg_type type, const void *payload, uint32_t size)
{
	struct whole_shim *s = shim_of(l);

	if (!s)
		return -EPIPE;
	if (type == SHIM_STOP) {
		assert(size == sizeof(struct shim_stop));
		stop(s, payload);
	} else if (type == SHIM_ARM) {
		whole_clock(s->w->sn); /* it looks at its page */
		whole_shim_say(s, WHOLE_SAYS_ARMED, 2000);
	} else if (type == SHIM_QUERY) {
		whole_shim_say(s, WHOLE_SAYS_HELLO, whole_chance(s->w, NET_PPM / 4) ? ANSWER_US : 5000);
	}
	return 0;
}

int shimlink_send_order(struct shimlink *l, enum shim_msg_type type, const void *payload, uint32_t size)
{
	return shimlink_send(l, type, payload, size);
}

int shimlink_send_framed(struct shimlink *l, const void *v, size_t n)
{
	(void)l;
	(void)v;
	(void)n;
	return -EPIPE; /* probes by command: none */
}

/* Within HELLO. */
int shimlink_take_fd(struct shimlink *l)
{
	const struct whole_shim *s = shim_of(l);

	handed = s ? s->page : NULL;
	return handed ? SOME_FD : -1;
}

/* ---- what replicas here do not have: probes, groups ---- */

struct probe *probe_start(struct ev_loop *loop, const struct spec_probe *p, uint16_t port, probe_done *done, void *arg)
{
	(void)loop;
	(void)p;
	(void)port;
	(void)done;
	(void)arg;
	return NULL;
}

void probe_cancel(struct probe *p)
{
	assert(!p);
}

int cgroup_kill(const struct cgroup *cg, const char *group)
{
	(void)cg;
	(void)group;
	return 0;
}

/* ---- shimfiles.c's ---- */

int shimfiles_read_record(const struct config *cfg, const char *stem, uint64_t run, struct bytes *out)
{
	(void)cfg; /* an end is told before its socket closes */
	(void)stem;
	(void)run;
	(void)out;
	return -ENOENT;
}

int shimfiles_remove_record(const struct config *cfg, const char *stem, uint64_t run)
{
	struct whole *w = CONTAINER_OF(cfg, struct whole, cfg);

	LIST_FOREACH (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		if (!s->record || s->run != run || strcmp(s->stem, stem) != 0)
			continue;
		assert(!s->r);
		whole_shim_free(s);
		return 0;
	}
	return -ENOENT;
}

void shimfiles_remove_sockets(const struct config *cfg, const char *stem)
{
	(void)cfg;
	(void)stem;
}

/* ---- adopt.c's ---- */

/* As there: an agent that nobody defines any more, only to have its replicas ended. */
static struct agent *placeholder(struct node *n, const char *name)
{
	static const char text[] = "name: gone\ncommand: [/bin/false]\n";
	struct spec_faults faults = {0};
	struct agent_spec *spec = NULL;
	struct agent *a = NULL;
	int rc = spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &spec, &faults);

	assert(rc == 0);
	if (roster_add(n, name, SPEC_SCOPE_CLUSTER, &a, NULL) == 0) {
		roster_set_spec(a, spec);
		a->removed = true;
	}
	spec_unref(spec);
	return a;
}

static struct runner *runner_of(struct whole *w, const char *stem, const char *name, int slot)
{
	struct map_node *at = map_get(&w->n->roster.runners, stem);
	struct agent *a;

	if (at)
		return CONTAINER_OF(at, struct runner, by_stem);
	a = roster_find(w->n, name);
	if (!a)
		a = placeholder(w->n, name);
	return a ? roster_slot(a, slot, stem) : NULL;
}

static void adopt_record(struct whole *w, struct whole_shim *s)
{
	struct runner *r = runner_of(w, s->stem, s->label.agent, s->label.slot);

	if (!r || s->run <= r->stored_run) {
		whole_shim_free(s);
		return;
	}
	if (s->run <= r->last_run || s->run == r->run)
		return;
	if (r->awaiting)
		r->records_left = true;
	else if (r->run)
		runner_note_exit(r, &s->x);
	else
		(void)runner_exited(r, &s->x, sizeof(s->x)); /* well-formed */
}

/* Sockets first, then records, as there. */
void whole_adopt(struct whole *w)
{
	for (size_t i = 0; i < w->disk.n_replicas; i++) {
		const struct whole_row *row = &w->disk.replicas[i];
		const char *dot = strrchr(row->id, '.');
		char name[NAME_MAX_LEN + 1];
		struct agent *a;
		struct runner *r;

		(void)snprintf(name, sizeof(name), "%.*s", (int)(dot - row->id), row->id); /* fits */
		a = roster_find(w->n, name);
		r = a ? roster_slot(a, a->spec->kind == SPEC_EVERY_NODE ? 0 : atoi(dot + 1), row->id) : NULL;
		if (r)
			runner_restore(r, row->v, row->n);
	}
	LIST_FOREACH (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);
		struct runner *r =
			s->state == WHOLE_ENDED ? NULL : runner_of(w, s->stem, s->label.agent, s->label.slot);

		if (!r || r->link.fd >= 0)
			continue;
		r->link.fd = SOME_FD;
		s->r = r;
		r->awaiting = true;
		w->n->awaiting++;
		(void)shimlink_send(&r->link, SHIM_QUERY, NULL, 0); /* it is there */
	}
	LIST_FOREACH_SAFE (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		if (s->state == WHOLE_ENDED)
			adopt_record(w, s);
	}
}

void adopt_answered(struct runner *r)
{
	struct whole *w = whole_of(r->node);

	if (!r->records_left)
		return;
	r->records_left = false;
	LIST_FOREACH_SAFE (at, &w->shims) {
		struct whole_shim *s = LIST_ENTRY(at, struct whole_shim, link);

		if (s->state == WHOLE_ENDED && !s->r && strcmp(s->stem, r->stem) == 0)
			adopt_record(w, s);
	}
}

void adopt_unanswered(struct runner *r)
{
	r->records_left = true;
	adopt_answered(r);
}
