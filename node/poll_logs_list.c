/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which replicas an agent has, under names that `logs` takes from here: those of this node as they are called here,
 * those of others as members tell. One id on several nodes is told as "n1/web.0", "n2/web.0".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "node/poll_logs.h"
#include "node/report.h"
#include "node/told.h"

struct names {
	struct bytes list; /* packed */
	struct mp_writer w;
	size_t n;
};

static void put(struct names *names, const char *node, const char *id, size_t id_n)
{
	char name[GOSSIP_NAME_MAX + 1 + REPLICA_ID_MAX];

	(void)snprintf(name, sizeof(name), "%s%s%.*s", node ? node : "", node ? "/" : "", (int)id_n, id); /* fits */
	mp_str(&names->w, name);
	names->n++;
}

static bool is_same(const struct told_item *a, const char *id, size_t n)
{
	return a->id.n == n && memcmp(a->id.v, id, n) == 0;
}

static bool is_told(const struct told_item *v, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (is_same(&v[i], id, strlen(id)))
			return true;
	return false;
}

static void put_own(struct names *names, const struct agent *a, const struct told_item *v, size_t n)
{
	for (size_t i = 0; i < a->n_slots; i++) {
		const char *id = a->slots[i] ? a->slots[i]->id : NULL;

		if (id)
			put(names, is_told(v, n, id) ? a->node->cfg->name : NULL, id, strlen(id));
	}
}

/* v: by id. own: the cluster's of this node, or NULL. only: of this member alone; 0: of all. */
static void put_told(
	struct names *names, const struct agent *own, const struct told_item *v, size_t n, const struct elsewhere *only)
{
	for (size_t i = 0; i < n; i++) {
		const struct told_item *x = &v[i];
		char id[REPLICA_ID_MAX];
		bool twice;

		if (x->member->state == GOSSIP_DEAD || !x->member->has_record ||
			(only && x->member->id != only->member))
			continue;
		(void)snprintf(id, sizeof(id), "%.*s", (int)x->id.n, x->id.v); /* a longer one is nobody's */
		twice = (i > 0 && is_same(&v[i - 1], x->id.v, x->id.n)) ||
			(i + 1 < n && is_same(&v[i + 1], x->id.v, x->id.n)) || (own && roster_runner(own->node, id));
		put(names, (only || twice) && !memchr(x->id.v, '/', x->id.n) ? x->member->record.name.v : NULL, x->id.v,
			x->id.n);
	}
}

static void reply(struct control_request *rq, struct names *names)
{
	CLEANUP(bytes_done) struct bytes out = {.max = names->list.max + 64};
	struct mp_writer w;

	mp_writer_init(&w, &out);
	mp_map(&w, 1);
	mp_str(&w, "replicas");
	mp_array(&w, names->n);
	if (names->list.n)
		(void)bytes_add(&out, names->list.v, names->list.n); /* the elements; `failed` tells */
	out.failed |= names->list.failed;
	control_reply(rq, &out);
}

/* False: nobody has one of that name; or it was refused, with *ret_refused. */
static bool list(struct node *n, struct control_request *rq, const char *name, const struct told *t,
	struct names *names, bool *ret_refused)
{
	const struct agent *own = roster_find(n, name), *named = own ? NULL : roster_find(n, roster_bare(n, name));
	struct gossip_str agent = {name, (uint16_t)strlen(name)};
	struct elsewhere at, *only = NULL;
	const struct told_item *v;
	struct err e = {0};
	size_t k = 0;
	int rc;

	if (named || (own && own->scope == SPEC_SCOPE_NODE)) { /* "n1/web" on n1 is what it has of the cluster's, too */
		put_own(names, named ? named : own, NULL, 0);
		return true;
	}
	(void)told_of(t->agents, t->n_agents, agent, &k);
	if (!own && k == 0) { /* "n2/web" of the cluster's on n2, or "web" of somebody's own */
		rc = elsewhere_one(n, ELSEWHERE_AGENT, name, &at, &e);
		if (rc < 0 && *e.text && rc != -ENOENT)
			control_refuse(rq, "refused", "%s", e.text);
		*ret_refused = rc < 0 && rc != -ENOENT;
		if (rc < 0)
			return false;
		only = &at;
		agent = (struct gossip_str){at.id, (uint16_t)strlen(at.id)};
	}
	v = told_of(t->replicas, t->n_replicas, agent, &k);
	if (own)
		put_own(names, own, v, k);
	put_told(names, own, v, k, only);
	return true;
}

void poll_logs_list(struct node *n, struct control_request *rq, const char *name)
{
	bool alone = control_peer(rq)->member, refused = false;
	CLEANUP(told_done) struct told t = {0};
	struct names names = {.list = {.max = (size_t)REPLICAS_MAX * REPLICA_ID_MAX * 2}};
	struct elsewhere at;

	mp_writer_init(&names.w, &names.list);
	if (told_all(alone ? NULL : n->cluster, &t) < 0) {
		control_refuse(rq, "refused", "out of memory");
	} else if (list(n, rq, name, &t, &names, &refused)) {
		reply(rq, &names);
	} else if (!refused &&
		   (elsewhere_own(n, name) || (!alone && elsewhere_one(n, ELSEWHERE_REPLICA, name, &at, NULL) == 0))) {
		put(&names, NULL, name, strlen(name));
		reply(rq, &names);
	} else if (!refused) {
		control_refuse(rq, "refused", "there is no agent or replica '%s'%s; 'covey status' lists them", name,
			alone || !n->cluster ? " on this node" : "");
	}
	bytes_done(&names.list);
}
