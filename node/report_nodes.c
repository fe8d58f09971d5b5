/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reading verb `nodes`: the members, what they have, and what of it is used. Of this node as it is now, of the
 * others as they told. What is not known is nil, not 0.
 */
#include <string.h>

#include "base/mem.h"
#include "covey/version.h"
#include "gossip/identity.h"
#include "node/cluster.h"
#include "node/council.h"
#include "node/told.h"
#include "node/report_priv.h"
#include "node/sample.h"

void report_own_use(struct node *n, struct report_use *ret)
{
	*ret = (struct report_use){0};
	sample_all(n);
	MAP_FOREACH (at, &n->roster.runners) {
		const struct runner *r = CONTAINER_OF(at, struct runner, by_stem);
		struct cgroup_usage u;

		if (r->core.state != REPLICA_RUNNING)
			continue;
		ret->replicas++;
		ret->cpu_cores += MAX(sample_usage(r, &u), 0.);
		ret->memory_bytes += MAX(u.memory_bytes, (int64_t)0);
	}
}

void report_own_capacity(const struct node *n, double *ret_cores, int64_t *ret_bytes)
{
	struct sysstat_host host;

	sysstat_host(n->cfg->data_dir, &host);
	*ret_cores = n->cfg->cpu_milli ? (double)n->cfg->cpu_milli / 1e3 : (double)host.cpus;
	*ret_bytes = n->cfg->memory_bytes ? n->cfg->memory_bytes : host.memory_total_bytes;
}

static void pack_capacity(struct mp_writer *w, const char *key, double cores, int64_t bytes)
{
	mp_str(w, key);
	mp_map(w, 2);
	report_key_real(w, "cpu_cores", cores);
	report_key_int(w, "memory_bytes", bytes);
}

void report_pack_labels(struct mp_writer *w, const struct config *cfg)
{
	mp_str(w, "labels");
	mp_map(w, cfg->labels.n);
	for (size_t i = 0; i < cfg->labels.n; i++)
		mp_key_str(w, cfg->labels.v[i].key, cfg->labels.v[i].value);
}

/* Six pairs, as those of others. */
static void pack_own(struct node *n, struct mp_writer *w)
{
	struct report_use use;
	double cores;
	int64_t bytes;

	report_own_use(n, &use);
	report_own_capacity(n, &cores, &bytes);
	mp_key_bool(w, "schedulable", n->cfg->schedulable);
	mp_key_bool(w, "draining", n->council && council_is_draining(n->council, council_self(n->council)));
	report_pack_labels(w, n->cfg);
	pack_capacity(w, "capacity", cores, bytes);
	pack_capacity(w, "used", use.cpu_cores, use.memory_bytes);
	mp_key_int(w, "replicas", use.replicas);
}

static void pack_told_labels(struct mp_writer *w, const msgpack_object *node)
{
	const msgpack_object *v = told_at(node, TOLD_NODE_LABELS, MSGPACK_OBJECT_MAP);
	uint32_t n = v ? MIN(v->via.map.size, (uint32_t)LABELS_MAX) : 0;

	mp_str(w, "labels");
	mp_map(w, n);
	for (uint32_t i = 0; i < n; i++) {
		const msgpack_object_kv *kv = &v->via.map.ptr[i];
		bool text = kv->key.type == MSGPACK_OBJECT_STR && kv->val.type == MSGPACK_OBJECT_STR;

		mp_strn(w, text ? kv->key.via.str.ptr : "?", text ? kv->key.via.str.size : 1);
		mp_strn(w, text ? kv->val.via.str.ptr : "", text ? kv->val.via.str.size : 0);
	}
}

static int64_t told_running(const struct cluster *c, uint64_t id)
{
	const struct gossip *g = cluster_core(c);
	struct gossip_entry e;
	char state[16];
	int64_t n = 0;

	for (uint32_t at = 0; gossip_value_next(g, id, &at, &e);) {
		CLEANUP(mp_done) struct mp_tree t = {0};

		if (e.removed || e.key.n < strlen(TOLD_REPLICA) ||
			memcmp(e.key.v, TOLD_REPLICA, strlen(TOLD_REPLICA)) != 0)
			continue;
		n += strcmp(told_text(told_read(e.value, &t), TOLD_REPLICA_STATE, state, sizeof(state)), "running") ==
		     0;
	}
	return n;
}

/* What one that is dead has used is nothing now. */
static bool is_draining(const struct node *n, const struct gossip_member *m)
{
	struct uuid uuid;

	if (!m->has_record)
		return false;
	memcpy(uuid.v, m->record.uuid, sizeof(uuid.v));
	return council_is_draining(n->council, &uuid);
}

static void pack_told(const struct node *n, const struct gossip_member *m, struct mp_writer *w)
{
	const struct cluster *c = n->cluster;
	CLEANUP(mp_done) struct mp_tree node_tree = {0}, use_tree = {0};
	const msgpack_object *node = told_get(c, m->id, TOLD_NODE, &node_tree);
	const msgpack_object *use = m->state <= GOSSIP_SUSPECT ? told_get(c, m->id, TOLD_USE, &use_tree) : NULL;

	mp_key_bool(w, "schedulable", told_bool(node, TOLD_NODE_SCHEDULABLE, true));
	mp_key_bool(w, "draining", is_draining(n, m));
	pack_told_labels(w, node);
	pack_capacity(w, "capacity", told_real(node, TOLD_NODE_CORES), told_int(node, TOLD_NODE_BYTES, -1));
	pack_capacity(w, "used", told_real(use, TOLD_USE_CORES), told_int(use, TOLD_USE_BYTES, -1));
	mp_key_int(w, "replicas", m->state <= GOSSIP_SUSPECT ? told_running(c, m->id) : 0);
}

static void pack_alone(struct node *n, struct mp_writer *w)
{
	bool waits = n->cluster != NULL;

	mp_map(w, 14);
	mp_key_str(w, "name", n->cfg->name);
	mp_key_str(w, "id", store_node_id(n->store));
	mp_key_str(w, "address", NULL);
	mp_key_str(w, "state", "alive");
	mp_key_time(w, "since", n->started_wall_ms);
	mp_key_int(w, "incarnation", (int64_t)(n->next_run >> 32));
	mp_key_bool(w, "voter", !waits);
	mp_key_str(w, "version", COVEY_VERSION);
	pack_own(n, w);
}

static void pack_member(struct node *n, const struct gossip_member *m, struct mp_writer *w)
{
	char uuid[IDENTITY_UUID_TEXT];
	bool has_address = m->has_record && m->record.address.n > 0;

	mp_map(w, 14);
	mp_key_str(w, "name", m->has_record ? m->record.name.v : "?");
	mp_key_str(w, "id", m->has_record ? identity_text(m->record.uuid, uuid) : NULL);
	mp_key_str(w, "address", has_address ? m->record.address.v : NULL);
	mp_key_str(w, "state", gossip_state_name(m->state));
	mp_key_time(w, "since", m->self ? n->started_wall_ms : cluster_since(n->cluster, m->id));
	mp_key_int(w, "incarnation", (int64_t)m->incarnation);
	mp_key_bool(w, "voter", council_is_voter(n->council, m->id));
	mp_key_str(w, "version", m->has_record ? m->record.build.v : NULL);
	if (m->self)
		pack_own(n, w);
	else
		pack_told(n, m, w);
}

void report_nodes(struct node *n, struct control_request *rq, const msgpack_object *args)
{
	AUTO_FREE struct gossip_member *v = NULL;
	struct mp_writer w;
	struct bytes out;
	size_t members = 0;

	(void)args;
	if (n->cluster)
		v = told_members(n->cluster, &members);
	bytes_init(&out, REPORT_MAX);
	mp_writer_init(&w, &out);
	mp_map(&w, 2);
	mp_key_int(&w, "format", 1);
	mp_str(&w, "nodes");
	mp_array(&w, MAX(members, (size_t)1));
	if (members == 0)
		pack_alone(n, &w);
	for (size_t i = 0; i < members; i++)
		pack_member(n, &v[i], &w);
	report_send(rq, &out);
}
