/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See told.h. Values come from others, who may be of another version: a wrong one is as good as none.
 */
#include "node/told.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster.h"

/* ---- one value ---- */

static const msgpack_object *at(const msgpack_object *v, unsigned i)
{
	return v && i < v->via.array.size ? &v->via.array.ptr[i] : NULL;
}

const msgpack_object *told_at(const msgpack_object *v, unsigned i, msgpack_object_type type)
{
	const msgpack_object *o = at(v, i);

	return o && o->type == type ? o : NULL;
}

int64_t told_int(const msgpack_object *v, unsigned i, int64_t fallback)
{
	const msgpack_object *o = at(v, i);

	if (o && o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
		return (int64_t)o->via.u64;
	return o && o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? o->via.i64 : fallback;
}

double told_real(const msgpack_object *v, unsigned i)
{
	const msgpack_object *o = at(v, i);

	if (o && (o->type == MSGPACK_OBJECT_FLOAT64 || o->type == MSGPACK_OBJECT_FLOAT32))
		return o->via.f64;
	return (double)told_int(v, i, -1);
}

bool told_bool(const msgpack_object *v, unsigned i, bool fallback)
{
	const msgpack_object *o = told_at(v, i, MSGPACK_OBJECT_BOOLEAN);

	return o ? o->via.boolean : fallback;
}

char *told_text(const msgpack_object *v, unsigned i, char *out, size_t n)
{
	const msgpack_object *o = told_at(v, i, MSGPACK_OBJECT_STR);
	size_t len = o ? MIN((size_t)o->via.str.size, n - 1) : 0;

	if (len)
		memcpy(out, o->via.str.ptr, len);
	out[len] = '\0';
	return out;
}

const msgpack_object *told_read(struct gossip_str v, struct mp_tree *t)
{
	*t = (struct mp_tree){0};
	if (mp_read(t, v.v, v.n, NULL) < 0 || mp_root(t)->type != MSGPACK_OBJECT_ARRAY)
		return NULL;
	return mp_root(t);
}

const msgpack_object *told_get(const struct cluster *c, uint64_t id, const char *key, struct mp_tree *t)
{
	const struct gossip_str k = {key, (uint16_t)strlen(key)};
	const struct gossip *g = cluster_core(c);
	struct gossip_str v;

	*t = (struct mp_tree){0};
	return g && gossip_value_get(g, id, k, &v) ? told_read(v, t) : NULL;
}

/* ---- all members ---- */

static int by_name(const void *a, const void *b)
{
	const struct gossip_member *x = a, *y = b;
	int rc = strcmp(x->has_record ? x->record.name.v : "", y->has_record ? y->record.name.v : "");

	return rc ? rc : (x->id > y->id) - (x->id < y->id);
}

static struct gossip_member *members_of(const struct gossip *g, size_t *ret_n)
{
	size_t n = 0, max = g ? gossip_members(g) : 0;
	struct gossip_member *v = mem_zalloc(max + 1, sizeof(*v));

	*ret_n = 0;
	if (!v)
		return NULL;
	for (uint32_t i = 0; n < max && gossip_member_next(g, &i, &v[n]);)
		n++;
	qsort(v, n, sizeof(*v), by_name);
	*ret_n = n;
	return v;
}

struct gossip_member *told_members(const struct cluster *c, size_t *ret_n)
{
	return members_of(cluster_core(c), ret_n);
}

/* ---- agents and replicas ---- */

static int compare(struct gossip_str a, struct gossip_str b)
{
	int rc = memcmp(a.v, b.v, MIN(a.n, b.n));

	return rc ? rc : (int)a.n - (int)b.n;
}

/* Slots by number: a longer id of the same agent is a later slot. */
static int by_agent(const void *a, const void *b)
{
	const struct told_item *x = a, *y = b;
	int rc = compare(x->agent, y->agent);

	if (rc == 0)
		rc = (int)x->id.n - (int)y->id.n;
	if (rc == 0 && x->id.n)
		rc = memcmp(x->id.v, y->id.v, x->id.n);
	return rc ? rc : by_name(x->member, y->member);
}

/* Whether the key begins so; what follows it is *ret. */
static bool after(struct gossip_str key, const char *prefix, struct gossip_str *ret)
{
	uint16_t n = (uint16_t)strlen(prefix);

	if (key.n <= n || memcmp(key.v, prefix, n) != 0)
		return false;
	*ret = (struct gossip_str){key.v + n, (uint16_t)(key.n - n)};
	return true;
}

/* "web" of "web.0"; all of it when there is no slot in it. */
static struct gossip_str agent_of(struct gossip_str id)
{
	const char *dot = memrchr(id.v, '.', id.n);

	return dot ? (struct gossip_str){id.v, (uint16_t)(dot - id.v)} : id;
}

static bool is_shown(const struct gossip_member *m)
{
	return !m->self && m->state <= GOSSIP_DEAD;
}

/* v NULL: counts alone. */
static size_t collect(
	const struct gossip *g, const struct told *t, const char *prefix, bool replicas, struct told_item *v)
{
	struct gossip_entry e;
	size_t n = 0;

	for (size_t i = 0; i < t->n_members; i++) {
		const struct gossip_member *m = &t->members[i];
		struct gossip_str rest;

		for (uint32_t k = 0; (is_shown(m) || (t->whole && m->self)) && gossip_value_next(g, m->id, &k, &e);) {
			if (e.removed || !after(e.key, prefix, &rest))
				continue;
			if (v)
				v[n] = (struct told_item){.agent = replicas ? agent_of(rest) : rest,
					.id = {rest.v, replicas ? rest.n : 0},
					.value = e.value,
					.member = m};
			n++;
		}
	}
	return n;
}

static struct told_item *sorted(
	const struct gossip *g, const struct told *t, const char *prefix, bool replicas, size_t *ret_n)
{
	size_t n = collect(g, t, prefix, replicas, NULL);
	struct told_item *v = mem_zalloc(n + 1, sizeof(*v));

	if (!v)
		return NULL;
	*ret_n = collect(g, t, prefix, replicas, v);
	qsort(v, n, sizeof(*v), by_agent);
	return v;
}

static int all(const struct gossip *g, bool whole, struct told *ret)
{
	*ret = (struct told){.whole = whole};
	if (!g)
		return 0;
	ret->members = members_of(g, &ret->n_members);
	if (!ret->members)
		return -ENOMEM;
	ret->agents = sorted(g, ret, TOLD_AGENT, false, &ret->n_agents);
	ret->replicas = sorted(g, ret, TOLD_REPLICA, true, &ret->n_replicas);
	return ret->agents && ret->replicas ? 0 : -ENOMEM;
}

int told_all(const struct cluster *c, struct told *ret)
{
	return all(c ? cluster_core(c) : NULL, false, ret);
}

int told_whole(const struct gossip *g, struct told *ret)
{
	return all(g, true, ret);
}

void told_done(struct told *t)
{
	free(t->members);
	free(t->agents);
	free(t->replicas);
	*t = (struct told){0};
}

const struct told_item *told_of(const struct told_item *v, size_t n, struct gossip_str agent, size_t *ret_n)
{
	size_t low = 0, high = n, end;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (compare(v[mid].agent, agent) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (end = low; end < n && compare(v[end].agent, agent) == 0; end++)
		;
	*ret_n = end - low;
	return v + low;
}

int64_t told_version(const struct cluster *c, const char *agent)
{
	const struct gossip *g = c ? cluster_core(c) : NULL;
	char key[sizeof(TOLD_AGENT) + REPLICA_ID_MAX];
	struct gossip_member m;
	int64_t newest = -1;

	(void)snprintf(key, sizeof(key), TOLD_AGENT "%s", agent); /* one that is cut is nobody's */
	for (uint32_t i = 0; g && gossip_member_next(g, &i, &m);) {
		CLEANUP(mp_done) struct mp_tree t = {0};

		if (is_shown(&m))
			newest = MAX(newest, told_int(told_get(c, m.id, key, &t), TOLD_AGENT_VERSION, -1));
	}
	return newest;
}

const char *told_where(const struct cluster *c, const char *name, char *out)
{
	const struct gossip_str want = {name, (uint16_t)MIN(strlen(name), (size_t)UINT16_MAX)};
	CLEANUP(told_done) struct told t = {0};
	struct gossip_str agent = want;
	const struct told_item *v;
	size_t n;

	if (told_all(c, &t) < 0)
		return NULL;
	v = told_of(t.agents, t.n_agents, want, &n);
	if (n == 0) { /* a replica, then */
		agent = agent_of(want);
		v = told_of(t.replicas, t.n_replicas, agent, &n);
		while (n > 0 && compare(v->id, want) != 0)
			v++, n--;
	}
	if (n == 0 || !v->member->has_record)
		return NULL;
	memcpy(out, v->member->record.name.v, (size_t)v->member->record.name.n + 1); /* it ends in a NUL */
	return out;
}
