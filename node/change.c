/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What operators ask for, but for apply (apply.c): scale, start, stop, restart, remove, rollout. A target is an
 * agent, or one of
 * its replicas. Agents of agents_dir may be started, stopped and restarted; what defines them stays with their files.
 */
#include "node/change.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "node/answer.h"
#include "node/decree.h"
#include "node/node.h"
#include "node/report.h"

struct target {
	struct agent *agent;
	struct runner *runner; /* NULL: the whole agent */
};

static int no_such(struct node *n, struct control_request *rq, const char *name)
{
	if (!report_is_elsewhere(n, rq, name))
		control_refuse(rq, "refused",
			"there is no agent or replica '%s' on this node; 'covey status' lists them", name);
	return -ENOENT;
}

/* Refuses rq itself when it fails. */
static int get_target(
	struct node *n, struct control_request *rq, const msgpack_object *args, const char *key, struct target *ret)
{
	char name[REPLICA_ID_MAX];
	struct err e;

	if (mp_get_strz(args, key, name, sizeof(name), &e) < 0 || !*name) {
		control_refuse(rq, "usage", "%s: the name of an agent%s is needed", key,
			strcmp(key, "target") == 0 ? " or replica" : "");
		return -EINVAL;
	}
	*ret = (struct target){.agent = roster_find(n, name)};
	if (!ret->agent && strcmp(key, "target") == 0)
		ret->runner = roster_runner(n, name);
	if (ret->runner)
		ret->agent = ret->runner->agent;
	if (!ret->agent || ret->agent->removed)
		return no_such(n, rq, name);
	return 0;
}

/* Changes of a definition of agents_dir are refused: the file would bring it back. */
static bool refuse_local(struct control_request *rq, const struct agent *a, const char *what)
{
	if (a->scope != SPEC_SCOPE_NODE)
		return false;
	control_refuse(rq, "refused", "%s is defined on this node by %s: %s it there and run 'systemctl reload coveyd'",
		a->name, a->file ? a->file : "a file", what);
	return true;
}

static struct stage *stage_target(struct answer *an, const struct target *t, const char *change)
{
	struct stage *s = answer_stage(an, t->agent, t->agent->name, change);

	if (s && t->runner) {
		s->slot = t->runner->slot;
		(void)snprintf(s->text, sizeof(s->text), "%s alone is %s", t->runner->id, change); /* fits */
	}
	return s;
}

void change_scale(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct answer *an;
	struct stage *s;
	struct target t;
	struct err e;
	int64_t want = -1;

	if (decree_scale(n, rq, args))
		return;
	if (get_target(n, rq, args, "agent", &t) < 0 || refuse_local(rq, t.agent, "change"))
		return;
	if (mp_get_int(args, "n", &want, 0, REPLICAS_MAX, &e) < 0 || want < 0) {
		control_refuse(rq, "usage", "%s", want < 0 ? "n: the number of replicas is needed" : e.text);
		return;
	}
	if (t.agent->spec->kind != SPEC_REPLICATED) {
		control_refuse(rq, "refused", "%s is of kind %s, which has no number of replicas to set", t.agent->name,
			spec_kind_name(t.agent->spec->kind));
		return;
	}
	an = answer_new(n, rq, args, OP_RUNNING, false);
	if (!an)
		return;
	s = stage_target(an, &t, want == t.agent->desired ? "unchanged" : "scaled");
	if (s && want != s->desired) {
		(void)snprintf(s->text, sizeof(s->text), "%" PRId64 " replicas instead of %" PRId64, want, s->desired);
		s->desired = want;
		s->version++;
		s->put = true;
	}
	answer_send(an);
}

void change_start(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct answer *an;
	struct stage *s;
	struct target t;

	if (decree_start(n, rq, args))
		return;
	if (get_target(n, rq, args, "target", &t) < 0)
		return;
	an = answer_new(n, rq, args, OP_RUNNING, false);
	if (!an)
		return;
	s = stage_target(an, &t, "started");
	if (s) {
		s->act = STAGE_START;
		s->stopped = false;
		s->put = true;
	}
	answer_send(an);
}

static void stage_stop(struct answer *an, const struct target *t)
{
	struct stage *s = stage_target(an, t, "stopped");

	if (!s)
		return;
	s->act = STAGE_STOP;
	s->put = !t->runner;
	s->stopped = s->stopped || !t->runner;
}

void change_stop(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct answer *an;
	struct target t;
	bool all = false;

	if (decree_stop(n, rq, args))
		return;
	if (mp_get_bool(args, "all", &all, NULL) < 0) {
		control_refuse(rq, "usage", "all: yes or no");
		return;
	}
	if (!all && get_target(n, rq, args, "target", &t) < 0)
		return;
	an = answer_new(n, rq, args, OP_STOPPED, false);
	if (!an)
		return;
	if (!all)
		stage_stop(an, &t);
	LIST_FOREACH (at, &n->roster.order) {
		const struct target each = {.agent = LIST_ENTRY(at, struct agent, order)};

		if (all && !each.agent->removed && !each.agent->stopped)
			stage_stop(an, &each);
	}
	answer_send(an);
}

void change_restart(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct answer *an;
	struct stage *s;
	struct target t;

	if (decree_restart(n, rq, args))
		return;
	if (get_target(n, rq, args, "target", &t) < 0)
		return;
	if (t.agent->stopped || (t.runner && t.runner->held)) {
		control_refuse(rq, "refused", "%s is stopped; 'covey start %s' starts it", t.agent->name,
			t.runner ? t.runner->id : t.agent->name);
		return;
	}
	an = answer_new(n, rq, args, OP_RESTARTED, false);
	if (!an)
		return;
	s = stage_target(an, &t, "restarted");
	if (s)
		s->act = STAGE_RESTART;
	answer_send(an);
}

/* The row goes when nothing of the agent is left; until then it says removed, so that a restart goes on removing. */
void change_remove(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct answer *an;
	struct stage *s;
	struct target t;

	if (decree_remove(n, rq, args))
		return;
	if (get_target(n, rq, args, "agent", &t) < 0 || refuse_local(rq, t.agent, "remove"))
		return;
	an = answer_new(n, rq, args, OP_REMOVED, false);
	if (!an)
		return;
	s = stage_target(an, &t, "removed");
	if (s)
		s->removed = s->put = true;
	answer_send(an);
}

static void rollout_status(struct node *n, struct control_request *rq, const struct agent *a)
{
	CLEANUP(bytes_done) struct bytes out;
	struct roster_count c;
	struct mp_writer w;
	char text[128];

	(void)n;
	roster_count(a, &c);
	bytes_init(&out, 4096);
	mp_writer_init(&w, &out);
	(void)snprintf(text, sizeof(text), "%" PRId64 " of %" PRId64 " run version %" PRId64 "%s", c.current, c.desired,
		a->version, a->paused ? ", paused" : "");
	mp_map(&w, 9);
	mp_key_int(&w, "format", 1);
	mp_key_str(&w, "agent", a->name);
	mp_key_int(&w, "version", a->version);
	mp_key_int(&w, "desired", c.desired);
	mp_key_int(&w, "updated", c.current);
	mp_key_int(&w, "ready", c.ready);
	mp_key_bool(&w, "paused", a->paused);
	mp_key_bool(&w, "done", c.current >= c.desired && c.ready >= c.desired);
	mp_key_str(&w, "text", text);
	control_reply(rq, &out);
}

static void stage_rollout(struct stage *s, const struct agent *a, const char *action)
{
	s->put = true;
	s->paused = strcmp(action, "pause") == 0;
	if (strcmp(action, "undo") != 0)
		return;
	answer_set_spec(s, a->before);
	s->desired = a->before->replicas_initial;
	s->version++;
}

void change_rollout(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct answer *an;
	struct stage *s;
	struct target t;
	char action[16];

	if (decree_rollout(n, rq, args))
		return;
	if (get_target(n, rq, args, "agent", &t) < 0)
		return;
	if (mp_get_strz(args, "action", action, sizeof(action), NULL) < 0)
		action[0] = '\0';
	if (strcmp(action, "status") == 0) {
		rollout_status(n, rq, t.agent);
		return;
	}
	if (refuse_local(rq, t.agent, "change"))
		return;
	if (strcmp(action, "undo") == 0 && !t.agent->before) {
		control_refuse(rq, "refused", "%s: no earlier definition is known to go back to", t.agent->name);
		return;
	}
	if (strcmp(action, "undo") != 0 && strcmp(action, "pause") != 0 && strcmp(action, "resume") != 0) {
		control_refuse(rq, "usage", "rollout: '%s' is not status, pause, resume or undo", action);
		return;
	}
	an = answer_new(n, rq, args, OP_RUNNING, false);
	if (!an)
		return;
	s = stage_target(an, &t,
		strcmp(action, "pause") == 0  ? "paused"
		: strcmp(action, "undo") == 0 ? "undone"
					      : "resumed");
	if (s)
		stage_rollout(s, t.agent, action);
	answer_send(an);
}
