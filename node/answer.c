/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change under way. "done" is never said before the store has it, and nothing is taken that the store did not.
 */
#include "node/answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/node.h"
#include "node/trim.h"
#include "node/verbs.h"

#define TRIM_FROM 100 /* a change of so many agents leaves enough behind to give it back */

static void answer_free(struct answer *an)
{
	for (size_t i = 0; i < an->n; i++) {
		spec_unref(an->v[i].spec);
		free(an->v[i].file);
		free(an->v[i].replaced);
	}
	for (size_t i = 0; i < an->n_plan; i++)
		free(an->plan[i]);
	free(an->v);
	free(an->plan);
	bytes_done(&an->packed);
	free(an);
}

struct answer *answer_new(
	struct node *n, struct control_request *rq, const msgpack_object *args, enum op_goal goal, bool dry_run)
{
	char id[OP_ID_MAX];
	struct answer *an;
	struct err e;

	if (mp_get_strz(args, "op", id, sizeof(id), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		return NULL;
	}
	an = mem_zalloc(1, sizeof(*an));
	if (an && !dry_run)
		an->op = ops_new(n, id, goal);
	if (!an || (!dry_run && !an->op)) {
		control_refuse(rq, "refused", "out of memory");
		free(an);
		return NULL;
	}
	an->node = n;
	an->rq = rq;
	an->uid = control_peer(rq)->uid;
	bytes_init(&an->packed, CONTROL_FRAME_MAX);
	return an;
}

static struct stage *stage_new(struct answer *an)
{
	size_t cap = an->cap ? an->cap * 2 : 4;
	struct stage *v = an->v;

	if (an->n == an->cap) {
		v = mem_realloc(an->v, cap * sizeof(*v));
		if (!v)
			return NULL;
		an->v = v;
		an->cap = cap;
	}
	v[an->n] = (struct stage){.slot = -1};
	return &v[an->n++];
}

struct stage *answer_stage(struct answer *an, const struct agent *a, const char *name, const char *change)
{
	struct stage *s = stage_new(an);

	if (!s) {
		an->rc = -ENOMEM;
		return NULL;
	}
	s->change = change;
	(void)snprintf(s->agent, sizeof(s->agent), "%s", name); /* names are bounded */
	if (!a)
		return s;
	s->scope = a->scope;
	s->spec = spec_ref(a->spec);
	s->version = a->version;
	s->desired = a->desired;
	s->stopped = a->stopped;
	s->paused = a->paused;
	s->removed = a->removed;
	return s;
}

void answer_set_spec(struct stage *s, struct agent_spec *spec)
{
	spec_unref(s->spec);
	s->spec = spec_ref(spec);
}

int answer_plan(struct answer *an, const char *fmt, ...)
{
	char **v = mem_realloc(an->plan, (an->n_plan + 1) * sizeof(char *));
	char text[512];
	va_list ap;

	if (!v)
		return an->rc = -ENOMEM;
	an->plan = v;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* a longer one is cut */
	va_end(ap);
	v[an->n_plan] = mem_strdup(text);
	if (!v[an->n_plan])
		return an->rc = -ENOMEM;
	an->n_plan++;
	return 0;
}

/* ---- the answer's form ---- */

static void pack_change(struct mp_writer *w, const struct stage *s)
{
	mp_map(w, 6);
	mp_key_str(w, "agent", s->agent);
	mp_key_str(w, "file", s->file);
	mp_key_str(w, "change", s->change);
	mp_key_int(w, "version", s->version);
	mp_key_str(w, "text", *s->text ? s->text : NULL);
	mp_key_str(w, "replaced", s->replaced);
}

static void pack(struct answer *an)
{
	struct mp_writer w;

	mp_writer_init(&w, &an->packed);
	mp_map(&w, an->op ? 2 : 3);
	mp_key_str(&w, "op", an->op ? ops_id(an->op) : NULL);
	mp_str(&w, "changes");
	mp_array(&w, an->n);
	for (size_t i = 0; i < an->n; i++)
		pack_change(&w, &an->v[i]);
	if (an->op)
		return;
	mp_str(&w, "plan");
	mp_array(&w, an->n_plan);
	for (size_t i = 0; i < an->n_plan; i++)
		mp_str(&w, an->plan[i]);
}

/* ---- storing ---- */

static void failed(struct answer *an, int rc, const char *error)
{
	if (an->rc < 0)
		return;
	an->rc = rc;
	(void)snprintf(an->error, sizeof(an->error), "%.250s", error ? error : strerror(-rc)); /* a longer one is cut */
}

static void on_stored(void *arg, int rc, const char *error)
{
	struct answer *an = arg;

	node_stored(an->node, rc, error);
	if (rc < 0)
		failed(an, rc, error);
}

/* What `undo` goes back to once the change is taken. */
static const struct agent_spec *before_of(const struct answer *an, const struct stage *s)
{
	const struct agent *a = roster_find(an->node, s->agent);

	if (!a)
		return NULL;
	return a->spec == s->spec ? a->before : a->spec;
}

static int store_stage(struct answer *an, const struct stage *s)
{
	const struct agent_spec *before = before_of(an, s);
	const struct store_agent row = {.name = s->agent,
		.version = s->version,
		.text = s->spec->text,
		.text_len = s->spec->text_len,
		.desired = s->desired,
		.stopped = s->stopped,
		.paused = s->paused,
		.removed = s->removed,
		.changed_wall_ms = an->node->now.wall_ms,
		.before = before ? before->text : NULL,
		.before_len = before ? before->text_len : 0};
	char key[NAME_MAX_LEN + 16];

	if (s->scope == SPEC_SCOPE_CLUSTER)
		return store_put_agent(an->node->store, &row, on_stored, an);
	(void)snprintf(key, sizeof(key), "stopped:%s", s->agent); /* a name is at most NAME_MAX_LEN */
	return store_put_meta(an->node->store, key, s->stopped, on_stored, an);
}

/* ---- what rows of replicas say of the change ---- */

/* Whether the change asks for a run of it that would not come by itself. */
static bool is_asked_for(const struct stage *s, const struct runner *r)
{
	if (s->slot >= 0 && s->slot != r->slot)
		return false;
	if (s->act == STAGE_START)
		return !runner_is_alive(r) && r->core.wanted; /* given up or done: forgiven; others the plan starts */
	return s->act == STAGE_RESTART && !r->held;
}

/* What the change makes of it. One that is started of a stopped agent leaves the others as they are: each by itself. */
static bool is_held_after(const struct stage *s, const struct agent *a, const struct runner *r)
{
	bool meant = s->slot < 0 || s->slot == r->slot;

	if (s->act == STAGE_STOP)
		return r->held || (meant && s->slot >= 0); /* the plan stops the replicas of a stopped agent */
	if (s->act == STAGE_START)
		return !meant && (r->held || a->stopped);
	return r->held;
}

/* Their rows say so before they are stopped, held or run. Counts the rows in *n. */
static int store_replicas(struct answer *an, const struct stage *s, size_t *n)
{
	const struct agent *a = roster_find(an->node, s->agent);

	for (size_t i = 0; a && i < a->n_slots; i++) {
		struct runner *r = a->slots[i];
		int rc;

		if (!r || (!is_asked_for(s, r) && is_held_after(s, a, r) == r->held))
			continue;
		if (is_asked_for(s, r))
			r->asked_row = an->node->next_run;
		r->held_row = is_held_after(s, a, r);
		rc = runner_store(r, on_stored, an);
		if (rc < 0)
			return rc;
		++*n;
	}
	return 0;
}

/* What the rows say already. */
static void take_rows(const struct stage *s, const struct agent *a)
{
	for (size_t i = 0; i < a->n_slots; i++) {
		struct runner *r = a->slots[i];

		if (!r)
			continue;
		r->held = is_held_after(s, a, r);
		r->asked_run = r->asked_row;
	}
}

/* Rows that say otherwise: of a change that was refused, or of a replica that came while it was stored. */
static void mend_rows(struct answer *an, const struct stage *s)
{
	const struct agent *a = roster_find(an->node, s->agent);

	for (size_t i = 0; a && i < a->n_slots; i++) {
		struct runner *r = a->slots[i];

		if (!r || (r->held == r->held_row && r->asked_run == r->asked_row))
			continue;
		r->held_row = r->held;
		r->asked_row = r->asked_run;
		runner_save(r);
	}
}

/* ---- taking ---- */

static void take_agent(struct answer *an, const struct stage *s)
{
	struct node *n = an->node;
	struct agent *a = roster_find(n, s->agent);
	struct err e;

	if (!a && roster_add(n, s->agent, s->scope, &a, &e) < 0) {
		failed(an, e.code, e.text); /* stored, but not taken before the next start: said so */
		return;
	}
	if (a->scope != s->scope) { /* it was being removed from the other one */
		free(a->file);
		a->file = NULL;
		a->scope = s->scope;
	}
	if (a->spec != s->spec)
		roster_set_spec(a, s->spec);
	a->version = s->version;
	a->desired = s->desired;
	a->stopped = s->stopped;
	a->paused = s->paused;
	a->removed = s->removed;
	a->changed_wall_ms = n->now.wall_ms;
	roster_mark(a);
}

static void take_replica(const struct stage *s, struct runner *r)
{
	switch (s->act) {
	case STAGE_START:
		if (is_asked_for(s, r) && runner_is_asked(r))
			runner_run(r);
		break;
	case STAGE_STOP:
		if (s->slot < 0)
			return; /* the plan stops the replicas of a stopped agent */
		runner_stop(r, SHIM_WHY_STOPPED, "stopped by an operator");
		break;
	case STAGE_RESTART:
		if (r->held || !runner_is_asked(r))
			return;
		r->restart_due = true; /* the plan restarts one after the other */
		roster_mark(r->agent);
		return;
	case STAGE_NONE:
	case STAGE_ACT_MAX:
		return;
	}
	runner_save(r);
}

static void take(struct answer *an, const struct stage *s)
{
	const struct agent *a = roster_find(an->node, s->agent);

	if (a)
		take_rows(s, a);
	if (s->put)
		take_agent(an, s);
	a = roster_find(an->node, s->agent);
	for (size_t i = 0; a && i < a->n_slots; i++)
		if (a->slots[i] && (s->slot < 0 || (size_t)s->slot == i))
			take_replica(s, a->slots[i]);
	if (strcmp(s->change, "unchanged") != 0)
		node_event(an->node, SEVERITY_INFO, s->change, s->agent, NULL,
			"%s by uid %" PRIu32 ": version %" PRId64 "%s%s", s->change, an->uid, s->version,
			*s->text ? "; " : "", s->text);
}

static void finish(struct answer *an)
{
	struct node *n = an->node;

	if (an->rc == 0 && an->packed.failed)
		an->rc = -ENOMEM;
	for (size_t i = 0; i < an->n; i++)
		mend_rows(an, &an->v[i]);
	if (an->op && an->rc == 0 && !an->then)
		ops_set_result(n, an->op, &an->packed);
	else if (an->op && an->rc < 0)
		ops_forget(n, an->op);
	if (an->rc == 0 && an->then)
		an->then(an);
	else if (an->rc == 0)
		control_reply(an->rq, &an->packed);
	else
		control_refuse(an->rq, "refused", "%s%s", an->rc == -ENOMEM ? "" : "nothing was changed: ",
			an->rc == -ENOMEM ? "out of memory" : an->error);
	if (an->n >= TRIM_FROM)
		trim_heap();
	answer_free(an);
	verbs_next(n);
}

static void on_synced(void *arg, int rc, const char *error)
{
	struct answer *an = arg;

	node_now(an->node);
	on_stored(an, rc, error);
	for (size_t i = 0; an->rc == 0 && i < an->n; i++)
		take(an, &an->v[i]);
	roster_settle(an->node); /* shims have their orders before anybody is told */
	finish(an);
}

static void not_queued(struct answer *an, int rc)
{
	if (rc == -E2BIG)
		failed(an, rc, "it is more than is stored as one change; ask for fewer agents at a time");
	else
		failed(an, rc, "too much is waiting for the disk already; try again in a moment");
}

/* Queues all that the change writes; returns how many rows. */
static size_t store_all(struct answer *an)
{
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; an->op && an->rc == 0 && rc == 0 && i < an->n; i++) {
		const struct stage *s = &an->v[i];

		n += s->put;
		rc = s->put ? store_stage(an, s) : 0;
		if (rc == 0)
			rc = store_replicas(an, s, &n);
	}
	if (n > 0 && an->rc == 0 && rc == 0 && !an->then) /* a part of it is not what a retry may be answered with */
		rc = ops_store(an->node, an->op, &an->packed, on_stored, an);
	if (n > 0 && an->rc == 0 && rc == 0)
		rc = store_sync(an->node->store, on_synced, an);
	if (rc < 0)
		not_queued(an, rc);
	return n;
}

void answer_send(struct answer *an)
{
	struct store *store = an->node->store;
	size_t n;

	pack(an);
	for (size_t i = 0; an->op && i < an->n; i++)
		if (ops_add(an->op, an->v[i].agent, an->v[i].slot) < 0)
			an->rc = -ENOMEM;
	verbs_begin(an->node);
	store_group_begin(store); /* all of the change, or nothing of it */
	n = store_all(an);
	if (n > 0 && an->rc == 0) {
		store_group_end(store);
		return;
	}
	store_group_drop(store);
	if (an->rc == 0 && an->op)
		on_synced(an, 0, NULL);
	else
		finish(an); /* a dry run, or the queue is full */
}
