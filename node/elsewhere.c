/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See elsewhere.h.
 */
#include "node/elsewhere.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_fetch.h"
#include "node/node.h"
#include "node/told.h"

#define CHOICES_MAX 512

/* ---- who has it ---- */

struct runner *elsewhere_own(struct node *n, const char *name)
{
	struct runner *r = roster_runner(n, name);
	char id[REPLICA_ID_MAX];

	if (!r)
		r = roster_runner(n, roster_bare(n, name));
	if (!r && snprintf(id, sizeof(id), "%s/%s", n->cfg->name, name) < REPLICA_ID_MAX)
		r = roster_runner(n, id); /* of agents_dir */
	return r;
}

/* How well a name fits what a member tells, the best first. */
enum fit { FIT_EXACTLY, FIT_OF_NODE, FIT_BARE, FIT_MAX };

static bool has(const struct gossip *g, const struct gossip_member *m, enum elsewhere_kind kind, const char *id)
{
	char key[sizeof(TOLD_REPLICA) + GOSSIP_NAME_MAX + REPLICA_ID_MAX];
	struct gossip_str value;
	int n = snprintf(key, sizeof(key), "%s%s", kind == ELSEWHERE_AGENT ? TOLD_AGENT : TOLD_REPLICA, id);

	return n > 0 && (size_t)n < sizeof(key) && n <= GOSSIP_KEY_MAX &&
	       gossip_value_get(g, m->id, (struct gossip_str){key, (uint16_t)n}, &value);
}

/* And what that member calls it. */
static enum fit fits(const struct gossip *g, const struct gossip_member *m, enum elsewhere_kind kind, const char *name,
	char id[REPLICA_ID_MAX])
{
	const char *node = m->record.name.v;
	size_t n = m->record.name.n;

	(void)snprintf(id, REPLICA_ID_MAX, "%s", name); /* a longer one is nobody's; so below */
	if (has(g, m, kind, id))
		return FIT_EXACTLY;
	if (strncmp(name, node, n) == 0 && name[n] == '/') {
		(void)snprintf(id, REPLICA_ID_MAX, "%s", name + n + 1);
		if (has(g, m, kind, id))
			return FIT_OF_NODE;
	}
	if (snprintf(id, REPLICA_ID_MAX, "%s/%s", node, name) < REPLICA_ID_MAX && has(g, m, kind, id))
		return FIT_BARE;
	return FIT_MAX;
}

/* The same of one that is dead: after all those that are not. */
static unsigned fits_here(const struct gossip *g, const struct gossip_member *m, enum elsewhere_kind kind,
	const char *name, char id[REPLICA_ID_MAX])
{
	unsigned fit = FIT_MAX;

	if (!m->self && m->state <= GOSSIP_DEAD && m->has_record)
		fit = fits(g, m, kind, name, id);
	if (fit == FIT_MAX)
		return 2 * FIT_MAX;
	return fit + (m->state == GOSSIP_DEAD ? FIT_MAX : 0);
}

/* Nodes whose fit is the best: how many; the last of them in *ret. */
static size_t find(
	const struct gossip *g, enum elsewhere_kind kind, const char *name, struct elsewhere *ret, unsigned *ret_best)
{
	struct gossip_member m;
	size_t count = 0;

	*ret_best = 2 * FIT_MAX - 1;
	for (uint32_t at = 0; g && gossip_member_next(g, &at, &m);) {
		char id[REPLICA_ID_MAX];
		unsigned fit = fits_here(g, &m, kind, name, id);

		if (fit > *ret_best)
			continue;
		count = fit < *ret_best ? 1 : count + 1;
		*ret_best = fit;
		ret->member = m.id;
		memcpy(ret->node, m.record.name.v, (size_t)m.record.name.n + 1); /* it ends in a NUL */
		memcpy(ret->id, id, sizeof(ret->id));
	}
	return count;
}

/* "n1/web.0, n2/web.0" */
static void put_choices(
	const struct node *n, enum elsewhere_kind kind, const char *name, unsigned best, char out[CHOICES_MAX])
{
	const struct gossip *g = cluster_core(n->cluster);
	size_t n_members, at = 0;
	AUTO_FREE struct gossip_member *v = told_members(n->cluster, &n_members);

	(void)snprintf(out, CHOICES_MAX, "those that 'covey status' shows"); /* when there is no memory for them */
	for (size_t i = 0; v && i < n_members && at < CHOICES_MAX; i++) {
		char id[REPLICA_ID_MAX];
		bool whole;

		if (fits_here(g, &v[i], kind, name, id) != best)
			continue;
		whole = strchr(id, '/') != NULL;
		at += (size_t)snprintf(out + at, CHOICES_MAX - at, "%s%s%s%s", at ? ", " : "",
			whole ? "" : v[i].record.name.v, whole ? "" : "/", id); /* cut is fine */
	}
}

int elsewhere_one(
	const struct node *n, enum elsewhere_kind kind, const char *name, struct elsewhere *ret, struct err *e)
{
	const struct gossip *g = n->cluster ? cluster_core(n->cluster) : NULL;
	char choices[CHOICES_MAX];
	unsigned best;
	size_t count = find(g, kind, name, ret, &best);

	if (count == 0)
		return err_set(e, -ENOENT, "no node has '%s'", name);
	if (count == 1)
		return 0;
	put_choices(n, kind, name, best, choices);
	return err_set(e, -ENOTUNIQ, "%s is on %zu nodes: name one of %s", name, count, choices);
}

/* ---- asking it ---- */

struct forward {
	struct control_request *rq;
	char node[GOSSIP_NAME_MAX + 1];
};

void elsewhere_refuse(struct control_request *rq, const char *node, const struct fetch_answer *a)
{
	if (a->raw) /* it said so itself */
		control_refuse(rq, a->code, "%s: %s", node, a->error);
	else
		control_refuse(rq, a->code, "%s", a->error);
}

static void on_answer(void *arg, const struct fetch_answer *a)
{
	struct forward *w = arg;
	CLEANUP(bytes_done) struct bytes out = {.max = FETCH_ANSWER_MAX};
	struct mp_writer mw;

	if (!a->ok) {
		elsewhere_refuse(w->rq, w->node, a);
	} else {
		mp_writer_init(&mw, &out);
		mp_object(&mw, a->result);
		control_reply(w->rq, &out);
	}
	free(w);
}

static bool is_gone(void *arg)
{
	const struct forward *w = arg;

	return control_is_gone(w->rq);
}

/* args as they are, but for its own name of the thing. */
static void pack_args(struct bytes *out, const msgpack_object *args, const char *key, const char *id)
{
	const msgpack_object *named = mp_get(args, key);
	struct mp_writer w;

	mp_writer_init(&w, out);
	mp_map(&w, args->via.map.size);
	for (uint32_t i = 0; i < args->via.map.size; i++) {
		const msgpack_object_kv *kv = &args->via.map.ptr[i];

		mp_object(&w, &kv->key);
		if (&kv->val == named)
			mp_str(&w, id);
		else
			mp_object(&w, &kv->val);
	}
}

static void ask(struct node *n, struct control_request *rq, const struct elsewhere *at, const char *verb,
	const struct bytes *args)
{
	struct forward *w = mem_zalloc(1, sizeof(*w));
	const struct cluster_question q = {
		.to = at->member, .verb = verb, .args = args, .done = on_answer, .gone = is_gone, .arg = w};
	struct err e = {.code = -ENOMEM, .text = "out of memory"};
	struct fetch_ask *a;

	if (w) {
		w->rq = rq;
		memcpy(w->node, at->node, sizeof(w->node));
	}
	if (w && cluster_fetch_ask(n->cluster, &q, &a, &e) == 0)
		return;
	free(w);
	control_refuse(rq, e.code == -EHOSTUNREACH ? "away" : "refused", "%s", e.text);
}

bool elsewhere_forward(
	struct node *n, struct control_request *rq, const char *verb, const char *key, const msgpack_object *args)
{
	CLEANUP(bytes_done) struct bytes packed = {.max = 2 * GOSSIP_BODY_MAX};
	char name[REPLICA_ID_MAX];
	struct elsewhere at;
	struct err e;
	int rc;

	if (!n->cluster || control_peer(rq)->member || mp_get_strz(args, key, name, sizeof(name), NULL) < 0 || !*name)
		return false;
	rc = elsewhere_one(n, ELSEWHERE_REPLICA, name, &at, &e);
	if (rc == -ENOENT && strcmp(key, "agent") == 0)
		rc = elsewhere_one(n, ELSEWHERE_AGENT, name, &at, &e);
	if (rc == -ENOENT)
		return false;
	if (rc < 0) {
		control_refuse(rq, "refused", "%s", e.text);
		return true;
	}
	pack_args(&packed, args, key, at.id);
	ask(n, rq, &at, verb, &packed);
	return true;
}
