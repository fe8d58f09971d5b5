/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See decree.h. What was there before is looked up when the command is given: for people, who are shown what they
 * replace. Whether it may be done is judged where it is decided, on the value that it meets there.
 */
#include "node/decree_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/council.h"
#include "node/node.h"
#include "node/ops.h"
#include "node/register_agent.h"

static const struct value_mem heap = {.alloc = mem_give, .release = mem_take_back};

/* ---- made and freed ---- */

static void decree_free(struct decree *d)
{
	for (size_t i = 0; i < d->n_items; i++) {
		free(d->items[i].file);
		free(d->items[i].replaced);
	}
	free(d->items);
	free(d);
}

/* Whether it can be begun; else rq was refused. */
bool decree_may_begin(struct node *n, struct control_request *rq, const msgpack_object *args, char id[OP_ID_MAX])
{
	char fault[ERR_TEXT_MAX];
	struct err e;

	if (mp_get_strz(args, "op", id, OP_ID_MAX, &e) < 0)
		control_refuse(rq, "usage", "%s", e.text);
	else if (council_fault(n->council, fault, sizeof(fault)))
		control_refuse(rq, "refused", "nothing was changed: %s", fault);
	else if (*id && ops_find(n, id))
		control_refuse(rq, "unknown", "operation %s is under way; repeat it in a moment", id);
	else
		return true;
	return false;
}

/* op: NULL where there was no memory for it; it is forgotten when the rest fails. NULL: rq was refused. */
struct decree *decree_of(struct node *n, struct control_request *rq, struct op *op, size_t items)
{
	struct decree *d = op ? mem_zalloc(1, sizeof(*d)) : NULL;

	if (d)
		d->items = mem_zalloc(items, sizeof(*d->items));
	if (!d || !d->items) {
		if (op)
			ops_forget(n, op);
		free(d);
		control_refuse(rq, "refused", "out of memory");
		return NULL;
	}
	(void)snprintf(d->op, sizeof(d->op), "%s", ops_id(op)); /* fits */
	d->n = n;
	d->rq = rq;
	d->uid = control_peer(rq)->uid;
	for (size_t i = 0; i < items; i++)
		d->items[i].of = d;
	return d;
}

struct decree *decree_new(
	struct node *n, struct control_request *rq, const msgpack_object *args, enum op_goal goal, size_t items)
{
	char id[OP_ID_MAX];

	return decree_may_begin(n, rq, args, id) ? decree_of(n, rq, ops_new(n, id, goal), items) : NULL;
}

struct decree_item *decree_item_add(struct decree *d, const char *agent, const char *change)
{
	struct op *op = ops_find(d->n, d->op);
	struct decree_item *t = &d->items[d->n_items++];

	t->change = change;
	(void)snprintf(t->agent, sizeof(t->agent), "%s", agent); /* names are bounded */
	if (op)
		(void)ops_add(op, agent, -1); /* without memory nobody can wait for it */
	return t;
}

/* ---- the answer ---- */

static void pack(const struct decree *d, struct bytes *out)
{
	struct mp_writer w;

	mp_writer_init(&w, out);
	mp_map(&w, 2);
	mp_key_str(&w, "op", d->op);
	mp_str(&w, "changes");
	mp_array(&w, d->n_items);
	for (size_t i = 0; i < d->n_items; i++) {
		const struct decree_item *t = &d->items[i];

		mp_map(&w, 6);
		mp_key_str(&w, "agent", t->agent);
		mp_key_str(&w, "file", t->file);
		mp_key_str(&w, "change", t->change);
		mp_key_int(&w, "version", t->version);
		mp_key_str(&w, "text", *t->text ? t->text : NULL);
		mp_key_str(&w, "replaced", t->replaced);
	}
}

static size_t count(const struct decree *d, enum agree_outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n_items; i++)
		n += d->items[i].outcome == outcome;
	return n;
}

/* Of several some may be done: the sentence names the first that is not, and how many are. */
static void refuse(const struct decree *d)
{
	size_t done = count(d, AGREE_DONE);
	const struct decree_item *t = d->items;
	char also[64] = "";

	while (t->outcome == AGREE_DONE || (t->outcome != AGREE_UNKNOWN && count(d, AGREE_UNKNOWN) > 0))
		t++;
	if (done > 0)
		(void)snprintf(also, sizeof(also), "; %zu of %zu agents were done", done, d->n_items); /* fits */
	if (t->outcome == AGREE_UNKNOWN)
		control_refuse(d->rq, "unknown",
			"%s: it is not known whether it was decided: no majority of the voters has answered in time%s; "
			"repeat it with --op %s, 'covey explain %s' tells later what became of it",
			t->agent, also, d->op, t->agent);
	else if (t->outcome == AGREE_HELD)
		control_refuse(d->rq, "refused",
			"%s: nothing was changed: a lease of one of its slots was live all the time%s", t->agent, also);
	else
		control_refuse(d->rq, "refused", "%s%s", t->text, also);
}

static void tell(const struct decree *d)
{
	for (size_t i = 0; i < d->n_items; i++) {
		const struct decree_item *t = &d->items[i];

		if (t->outcome == AGREE_DONE && !t->told && strcmp(t->change, "unchanged") != 0)
			node_event(d->n, SEVERITY_INFO, t->change, t->agent, NULL,
				"%s by uid %" PRIu32 ": version %" PRId64 "%s%s", t->change, d->uid, t->version,
				*t->text ? "; " : "", t->text);
	}
}

void decree_finish(struct decree *d)
{
	CLEANUP(bytes_done) struct bytes out;
	struct op *op = ops_find(d->n, d->op);

	bytes_init(&out, CONTROL_FRAME_MAX);
	tell(d);
	if (count(d, AGREE_DONE) == d->n_items) {
		pack(d, &out);
		if (op)
			ops_set_result(d->n, op, &out);
		control_reply(d->rq, &out);
	} else {
		refuse(d);
		if (op)
			ops_forget(d->n, op); /* asked again, each agent's register knows what was done */
	}
	decree_free(d);
}

static void look_at_value(struct decree_item *t, struct msg_bytes value)
{
	struct register_agent r = {0};
	struct err e;

	if (register_agent_read(&r, &heap, value, &e) == 0) {
		t->version = r.v.now.version;
		if (t->compares && t->version == t->version_was && r.v.desired == t->desired_was)
			t->change = "unchanged";
	}
	register_agent_done(&r);
}

static void on_answer(void *arg, const struct agree_answer *a)
{
	struct decree_item *t = arg;
	struct decree *d = t->of;

	t->answered = true;
	t->outcome = a->outcome;
	if (a->outcome == AGREE_DONE)
		look_at_value(t, a->value);
	if (a->outcome == AGREE_DONE && (a->repeat || !a->changed))
		t->change = "unchanged";
	if (a->outcome == AGREE_DONE && a->repeat)
		(void)snprintf(t->text, sizeof(t->text), "it was done before"); /* fits */
	if (a->outcome == AGREE_REFUSED)
		(void)snprintf(t->text, sizeof(t->text), "%s", a->refused.text); /* fits */
	if (++d->n_answered == d->n_items)
		decree_finish(d);
}

/* After the last one has been given; d may be gone then. */
void decree_give(struct decree_item *t, const struct agree_command *cmd)
{
	struct agree_command c = *cmd;
	int rc;

	c.event.op = t->of->op;
	rc = decided_key(t->agent, &c.key) ? council_command(t->of->n->council, &c, on_answer, t) : -EINVAL;
	if (rc < 0) {
		struct agree_answer a = {.outcome = AGREE_REFUSED};

		(void)err_set(&a.refused, rc, "%s",
			rc == -ESHUTDOWN ? "the daemon is stopping" : "out of memory"); /* it is read from there */
		on_answer(t, &a);
	}
}

/* ---- apply ---- */

static bool is_defined(const struct agent *a)
{
	return a && !a->removed && a->scope == SPEC_SCOPE_CLUSTER;
}

/* A definition that asks for autoscaling keeps the number that was reached. */
static int64_t desired_of(const struct agent *a, const struct agent_spec *spec)
{
	if (is_defined(a) && spec->replicas_min != spec->replicas_max)
		return MIN(MAX(a->desired, spec->replicas_min), spec->replicas_max);
	return spec->replicas_initial;
}

/* What is known to be decided is in the roster only once it is on disk. */
static void note_was(struct decree_item *t, const struct agent *a)
{
	struct node *n = t->of->n;
	struct decided_sum sum;
	struct msg_bytes value;
	struct ballot ballot;

	t->compares = true;
	t->version_was = a->version;
	t->desired_was = a->desired;
	if (!a->decided || !council_get(n->council, a->name, &ballot, &value) ||
		ballot_cmp(&ballot, &a->decided->ballot) <= 0 || !decided_sum(n, a->name, &sum))
		return;
	t->version_was = sum.version;
	t->desired_was = sum.desired;
}

static void apply_one(struct decree *d, const struct apply_file *f, int64_t if_version, struct agree_command *cmd)
{
	const struct agent *a = roster_find(d->n, f->spec->name);
	struct decree_item *t = decree_item_add(d, f->spec->name, is_defined(a) ? "changed" : "created");

	if (is_defined(a))
		note_was(t, a);
	council_defined(d->n->council, f->spec);
	t->file = mem_strdup(f->name); /* without it the answer names the agent alone */
	if (is_defined(a))
		t->replaced = mem_strndup(a->spec->text, a->spec->text_len); /* without it no difference is shown */
	*cmd = (struct agree_command){.event = {.type = SCHED_EVENT_APPLY,
					      .if_version = (uint32_t)MAX(if_version, (int64_t)0),
					      .desired = desired_of(a, f->spec)},
		.text = {(const uint8_t *)f->spec->text, f->spec->text_len}};
	if (f->spec->kind == SPEC_EVERY_NODE)
		(void)snprintf(t->text, sizeof(t->text), "a replica on each node that fits"); /* fits; so below */
	else
		(void)snprintf(t->text, sizeof(t->text), "%" PRId64 " replica%s", cmd->event.desired,
			cmd->event.desired == 1 ? "" : "s");
}

struct plan {
	struct bytes lines;
	struct mp_writer w;
	size_t n;
};

static void plan_line(void *ctx, const char *text)
{
	struct plan *p = ctx;

	mp_str(&p->w, text);
	p->n++;
}

/* Each as if the others were not: together they may want more than there is. */
static void plan(struct node *n, struct control_request *rq, const struct apply_batch *b, int64_t if_version)
{
	CLEANUP(bytes_done) struct bytes out;
	struct plan p = {.n = 0};
	struct mp_writer w;
	struct err e = {0};
	int rc = 0;

	bytes_init(&p.lines, CONTROL_FRAME_MAX);
	bytes_init(&out, CONTROL_FRAME_MAX);
	mp_writer_init(&p.w, &p.lines);
	for (size_t i = 0; rc == 0 && i < b->n; i++) {
		const struct agent_spec *spec = b->v[i].spec;
		struct agree_command cmd = {.event = {.type = SCHED_EVENT_APPLY,
						    .if_version = (uint32_t)MAX(if_version, (int64_t)0),
						    .desired = desired_of(roster_find(n, spec->name), spec)},
			.text = {(const uint8_t *)spec->text, spec->text_len}};

		rc = decided_key(spec->name, &cmd.key) ? council_plan(n->council, &cmd, plan_line, &p, &e) : -EINVAL;
	}
	mp_writer_init(&w, &out);
	mp_map(&w, 3);
	mp_key_str(&w, "op", NULL);
	mp_str(&w, "changes");
	mp_array(&w, 0);
	mp_str(&w, "plan");
	mp_array(&w, p.n);
	if (p.lines.n)
		(void)bytes_add(&out, p.lines.v, p.lines.n); /* the elements; out.failed tells */
	out.failed |= p.lines.failed;
	if (rc < 0)
		control_refuse(rq, "refused", "%s", e.code ? e.text : "out of memory");
	else
		control_reply(rq, &out);
	bytes_done(&p.lines);
}

bool decree_apply(struct node *n, struct control_request *rq, const msgpack_object *args, const struct apply_batch *b,
	int64_t if_version, bool dry)
{
	AUTO_FREE struct agree_command *cmds = NULL;
	struct decree *d;

	if (!n->council)
		return false;
	if (dry) {
		plan(n, rq, b, if_version);
		return true;
	}
	d = decree_new(n, rq, args, OP_RUNNING, b->n);
	if (!d)
		return true;
	cmds = mem_zalloc(b->n, sizeof(*cmds));
	if (!cmds) {
		control_refuse(rq, "refused", "out of memory");
		decree_free(d);
		return true;
	}
	for (size_t i = 0; i < b->n; i++)
		apply_one(d, &b->v[i], if_version, &cmds[i]);
	for (size_t i = 0; i < b->n; i++)
		decree_give(&d->items[i], &cmds[i]);
	return true;
}

/* ---- the other changes ---- */

/* Whether `key` names an agent of the cluster; a replica, an agent of agents_dir, one that was never decided: not. */
bool decree_agent(struct node *n, const msgpack_object *args, const char *key, char name[NAME_MAX_LEN + 1])
{
	const struct agent *a;

	if (!n->council || mp_get_strz(args, key, name, NAME_MAX_LEN + 1, NULL) < 0 || !spec_name_is_valid(name))
		return false;
	a = roster_find(n, name);
	return !a || (a->scope == SPEC_SCOPE_CLUSTER && a->decided);
}

void decree_change(struct node *n, struct control_request *rq, const msgpack_object *args, const char *agent,
	const char *change, enum op_goal goal, const struct decide_event *event)
{
	struct decree *d = decree_new(n, rq, args, goal, 1);
	const struct agent *a = roster_find(n, agent);
	struct decree_item *t;

	if (!d)
		return;
	t = decree_item_add(d, agent, change);
	if (event->type == SCHED_EVENT_SCALE && is_defined(a)) {
		note_was(t, a);
		(void)snprintf(t->text, sizeof(t->text), "%" PRId64 " replicas instead of %" PRId64, event->desired,
			a->desired); /* fits */
	}
	decree_give(t, &(struct agree_command){.event = *event});
}

bool decree_scale(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char name[NAME_MAX_LEN + 1];
	int64_t want = -1;
	struct err e = {.text = "n: the number of replicas is needed"};

	if (!decree_agent(n, args, "agent", name))
		return false;
	if (mp_get_int(args, "n", &want, 0, REPLICAS_MAX, &e) < 0 || want < 0)
		control_refuse(rq, "usage", "%s", e.text);
	else
		decree_change(n, rq, args, name, "scaled", OP_RUNNING,
			&(struct decide_event){.type = SCHED_EVENT_SCALE, .desired = want});
	return true;
}

bool decree_start(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char name[NAME_MAX_LEN + 1];

	if (!decree_agent(n, args, "target", name))
		return false;
	decree_change(n, rq, args, name, "started", OP_RUNNING, &(struct decide_event){.type = SCHED_EVENT_START});
	return true;
}

bool decree_restart(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char name[NAME_MAX_LEN + 1];

	if (!decree_agent(n, args, "target", name))
		return false;
	decree_change(n, rq, args, name, "restarted", OP_RESTARTED,
		&(struct decide_event){.type = SCHED_EVENT_RESTART, .desired = -1});
	return true;
}

bool decree_remove(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char name[NAME_MAX_LEN + 1];

	if (!decree_agent(n, args, "agent", name))
		return false;
	decree_change(n, rq, args, name, "removed", OP_REMOVED, &(struct decide_event){.type = SCHED_EVENT_REMOVE});
	return true;
}

bool decree_rollout(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	static const struct {
		const char *action, *change;
		enum sched_event_type type;
	} actions[] = {{"pause", "paused", SCHED_EVENT_PAUSE}, {"resume", "resumed", SCHED_EVENT_RESUME},
		{"undo", "undone", SCHED_EVENT_UNDO}};
	char name[NAME_MAX_LEN + 1], action[16];

	if (!decree_agent(n, args, "agent", name) || mp_get_strz(args, "action", action, sizeof(action), NULL) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (strcmp(action, actions[i].action) == 0) {
			decree_change(n, rq, args, name, actions[i].change, OP_RUNNING,
				&(struct decide_event){.type = actions[i].type});
			return true;
		}
	return false;
}
