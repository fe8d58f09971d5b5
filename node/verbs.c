/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs. A verb is one row: its name, whether HTTP may ask it, whether it changes anything (changes go
 * one after the other) or has the cluster decide (a node that has only just come waits a moment for its majority), and
 * what answers it.
 */
#include "node/verbs.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "node/apply.h"
#include "node/change.h"
#include "node/cluster.h"
#include "node/council.h"
#include "node/decree_recover.h"
#include "node/decree_root.h"
#include "node/local.h"
#include "node/node.h"
#include "node/ops.h"
#include "node/poll.h"
#include "node/renew.h"
#include "node/report.h"

#define VERB_READ    1u	 /* HTTP may ask it */
#define VERB_CHANGE  2u	 /* one at a time */
#define VERB_MEMBER  8u	 /* another node of the cluster may ask it, as all that HTTP may */
#define VERB_CLUSTER 4u	 /* means nothing without a gossip section */
#define VERB_DECIDED 16u /* the cluster decides it */

typedef void verb_fn(struct node *n, struct control_request *rq, const msgpack_object *args);

struct verb {
	const char *name;
	unsigned flags;
	verb_fn *fn;
	const char *alone; /* CLUSTER: what a node without a gossip section says */
};

static void maintain_drain(struct node *n, struct control_request *rq, const msgpack_object *args);
static void maintain_undrain(struct node *n, struct control_request *rq, const msgpack_object *args);
static void maintain_voters(struct node *n, struct control_request *rq, const msgpack_object *args);
static void maintain_backup(struct node *n, struct control_request *rq, const msgpack_object *args);

static const struct verb verbs[] = {
	{"status", VERB_READ, poll_status, NULL},
	{"nodes", VERB_READ, report_nodes, NULL},
	{"top", VERB_READ, report_top, NULL},
	{"events", VERB_READ, poll_events, NULL},
	{"explain", VERB_READ, report_explain, NULL},
	{"profile", VERB_READ, report_profile, NULL},
	{"version", VERB_READ, report_version, NULL},
	{"logs", VERB_MEMBER, poll_logs, NULL},
	{"wait", 0, poll_wait, NULL},
	{"apply", VERB_CHANGE | VERB_DECIDED, apply_verb, NULL},
	{"scale", VERB_CHANGE | VERB_DECIDED, change_scale, NULL},
	{"start", VERB_CHANGE | VERB_DECIDED, change_start, NULL},
	{"stop", VERB_CHANGE | VERB_DECIDED, change_stop, NULL},
	{"restart", VERB_CHANGE | VERB_DECIDED, change_restart, NULL},
	{"remove", VERB_CHANGE | VERB_DECIDED, change_remove, NULL},
	{"rollout", VERB_CHANGE | VERB_DECIDED, change_rollout, NULL},
	{"drain", VERB_CHANGE | VERB_DECIDED, maintain_drain, NULL},
	{"undrain", VERB_CHANGE | VERB_DECIDED, maintain_undrain, NULL},
	{"reload", VERB_CHANGE, local_reload_verb, NULL}, /* certificates too */
	{"voters", VERB_CHANGE, maintain_voters, NULL},	  /* without arguments it only tells */
	{"backup", 0, maintain_backup, NULL},
	{"restore", VERB_CHANGE, renew_restore, NULL},
	{"reset", VERB_CHANGE, renew_reset, NULL},
	{"init", VERB_CHANGE | VERB_CLUSTER, cluster_verb_init,
		"this node has no gossip section and is a cluster of one already; add gossip and tls to its "
		"configuration first"},
	{"leave", VERB_CHANGE | VERB_CLUSTER, cluster_verb_leave,
		"this node has no gossip section: it is in no cluster that it could leave"},
	{"forget", VERB_CHANGE | VERB_CLUSTER, cluster_verb_forget,
		"this node has no gossip section: it knows no other nodes"},
	{"recover", VERB_CHANGE | VERB_CLUSTER, decree_recover,
		"this node has no gossip section: it is the only voter, and there is no majority to recover"},
};

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

bool verbs_is_read(const char *verb)
{
	const struct verb *v = find(verb);

	return v && (v->flags & VERB_READ);
}

/* ---- changes, one after the other ---- */

struct queued {
	struct list link;
	struct control_request *rq;
	const struct verb *verb;
	const msgpack_object *args; /* borrowed until rq ends */
};

void verbs_begin(struct node *n)
{
	n->changing = true;
}

static bool must_wait(const struct node *n, const struct verb *v)
{
	return ((v->flags & VERB_CHANGE) && n->changing) ||
	       ((v->flags & VERB_DECIDED) && n->council && council_is_coming(n->council));
}

static void queue(struct node *n, const struct verb *v, struct control_request *rq, const msgpack_object *args)
{
	struct queued *q = n->n_changes < CONTROL_WAITERS_MAX ? mem_zalloc(1, sizeof(*q)) : NULL;

	if (!q) {
		control_refuse(rq, "full", "%zu changes wait already; try again in a moment", n->n_changes);
		return;
	}
	q->rq = rq;
	q->verb = v;
	q->args = args;
	n->n_changes++;
	list_add_tail(&n->changes, &q->link);
}

/* A change that is asked again is answered as it was the first time, whatever has become of its agent since. */
static bool answer_again(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	char id[OP_ID_MAX];
	const struct op *op;

	if (mp_get_strz(args, "op", id, sizeof(id), NULL) < 0)
		return false; /* refused by the verb, with the reason */
	op = ops_find(n, id);
	if (op && ops_result(op)->n == 0)
		control_refuse(rq, "unknown", "operation %s is under way; repeat it in a moment", id);
	else if (op)
		control_reply(rq, ops_result(op));
	return op != NULL;
}

static void run(struct node *n, const struct verb *v, struct control_request *rq, const msgpack_object *args)
{
	if (!(v->flags & VERB_CHANGE) || !answer_again(n, rq, args))
		v->fn(n, rq, args);
}

void verbs_turn(struct node *n)
{
	while (!n->ending && !list_is_empty(&n->changes)) {
		struct queued *q = LIST_ENTRY(n->changes.next, struct queued, link);

		if (must_wait(n, q->verb))
			break;
		list_del(&q->link);
		n->n_changes--;
		run(n, q->verb, q->rq, q->args);
		free(q);
	}
}

void verbs_next(struct node *n)
{
	n->changing = false;
	verbs_turn(n);
}

void verbs_done(struct node *n)
{
	LIST_FOREACH_SAFE (at, &n->changes) {
		struct queued *q = LIST_ENTRY(at, struct queued, link);

		list_del(&q->link);
		control_refuse(q->rq, "stopping", "the daemon is stopping");
		free(q);
	}
}

void verbs_handle(void *arg, struct control_request *rq, const char *verb, const msgpack_object *args)
{
	const struct verb *v = find(verb);
	struct node *n = arg;

	node_now(n);
	if (!v)
		control_refuse(rq, "usage", "there is no verb '%.40s' in this version", verb);
	else if (control_peer(rq)->http && !(v->flags & VERB_READ))
		control_refuse(rq, "refused", "HTTP only reads; use the covey command on the node");
	else if (control_peer(rq)->member && !(v->flags & (VERB_READ | VERB_MEMBER)))
		control_refuse(
			rq, "refused", "another node only reads here; use the covey command on %s", n->cfg->name);
	else if (n->ending)
		control_refuse(rq, "stopping", "the daemon is stopping");
	else if ((v->flags & VERB_CLUSTER) && !n->cluster)
		control_refuse(rq, "refused", "%s", v->alone);
	else if (must_wait(n, v))
		queue(n, v, rq, args);
	else
		run(n, v, rq, args);
}

/* ---- small ones ---- */

static void reply_text(struct control_request *rq, const char *text)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct mp_writer w;

	mp_writer_init(&w, &out);
	mp_map(&w, 1);
	mp_key_str(&w, "text", text);
	control_reply(rq, &out);
}

static void set_drain(struct node *n, struct control_request *rq, const msgpack_object *args, bool drain)
{
	char name[NAME_MAX_LEN + 1];
	bool named = mp_get_strz(args, "node", name, sizeof(name), NULL) == 0;

	if (!named || strcmp(name, n->cfg->name) != 0)
		control_refuse(
			rq, "refused", "this node is %s, a cluster of one: it knows no other nodes", n->cfg->name);
	else if (drain)
		control_refuse(rq, "refused",
			"%s is a cluster of one: there is no node to move its replicas to; 'covey stop --all' stops "
			"them",
			n->cfg->name);
	else
		reply_text(rq, "nothing to do: this node is not drained");
}

static void maintain_drain(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	if (n->council)
		decree_drain(n, rq, args);
	else
		set_drain(n, rq, args, true);
}

static void maintain_undrain(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	if (n->council)
		decree_undrain(n, rq, args);
	else
		set_drain(n, rq, args, false);
}

static void maintain_voters(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 4096};
	struct mp_writer w;

	if (n->council) {
		decree_voters(n, rq, args);
		return;
	}
	mp_writer_init(&w, &out);
	mp_map(&w, 3);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "voters");
	mp_array(&w, 1);
	mp_str(&w, n->cfg->name);
	mp_key_str(&w, "text", "a cluster of one: this node alone decides");
	control_reply(rq, &out);
}

/* ---- backup ---- */

struct backup {
	struct control_request *rq;
	char path[4096];
};

static void on_backup(void *arg, int rc, const char *error)
{
	CLEANUP(bytes_done) struct bytes out = {.max = 8192};
	struct backup *b = arg;
	struct mp_writer w;
	struct stat st;

	if (rc < 0) {
		control_refuse(b->rq, "refused", "%s", error ? error : strerror(-rc));
	} else {
		mp_writer_init(&w, &out);
		mp_map(&w, 2);
		mp_key_str(&w, "path", b->path);
		mp_key_int(&w, "bytes", stat(b->path, &st) == 0 ? st.st_size : 0);
		control_reply(b->rq, &out);
	}
	free(b);
}

static void maintain_backup(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	struct backup *b = mem_zalloc(1, sizeof(*b));
	struct err e = {.text = "out of memory"};

	if (!b || mp_get_strz(args, "path", b->path, sizeof(b->path), &e) < 0) {
		control_refuse(rq, "usage", "%s", e.text);
		free(b);
		return;
	}
	b->rq = rq;
	if (b->path[0] != '/') {
		control_refuse(rq, "usage", "path: an absolute path is needed");
		free(b);
	} else if (store_backup(n->store, b->path, on_backup, b) < 0) {
		control_refuse(rq, "full", "too much is waiting for the disk already; try again in a moment");
		free(b);
	}
}
