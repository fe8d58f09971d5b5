/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts once for all agents; then, of one agent, what each host knows and has reserved for it, and what it says of its
 * replicas. What is told is of another version, or wrong, at worst: a figure that makes no sense is one that is not
 * known, and of whom capacity is not known nothing is placed.
 */
#include "node/register_view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/replica.h"

static const enum sched_host_state states[] = {
	[GOSSIP_ALIVE] = SCHED_ALIVE,
	[GOSSIP_SUSPECT] = SCHED_SUSPECT,
	[GOSSIP_DEAD] = SCHED_DEAD,
	[GOSSIP_LEFT] = SCHED_LEFT,
	[GOSSIP_FORGOTTEN] = SCHED_FORGOTTEN,
};
_Static_assert(ARRAY_LEN(states) == GOSSIP_STATE_MAX, "the scheduler's name for each");

static void *get_room(const struct value_mem *mem, size_t n, size_t size)
{
	void *v = n ? mem->alloc(mem->ctx, n * size) : NULL;

	if (v)
		memset(v, 0, n * size);
	return v;
}

static void release(const struct value_mem *mem, void *v, size_t n)
{
	if (v)
		mem->release(mem->ctx, v, n);
}

static int no_memory(struct err *e)
{
	return err_set(e, -ENOMEM, "no memory for what is known of the cluster");
}

/* ---- a host ---- */

static int64_t figure(int64_t v)
{
	return MIN(MAX(v, (int64_t)0), SCHED_RESERVE_MAX);
}

static int64_t milli(double cores)
{
	return cores > 0 && cores < 1e9 ? (int64_t)(cores * 1000 + 0.5) : 0; /* NaN is neither */
}

static struct sched_node node_of(const struct gossip_member *m)
{
	struct uuid u;

	memcpy(u.v, m->record.uuid, sizeof(u.v));
	return register_node_of(&u);
}

static bool is_label(const msgpack_object *o)
{
	return o->type == MSGPACK_OBJECT_STR && !memchr(o->via.str.ptr, '\0', o->via.str.size);
}

static char *copy(char **at, const msgpack_object *o)
{
	char *v = *at;

	if (o->via.str.size > 0)
		memcpy(v, o->via.str.ptr, o->via.str.size);
	v[o->via.str.size] = '\0';
	*at += o->via.str.size + 1;
	return v;
}

/* Into one block: the rows, and behind them the texts. */
static int take_labels(
	const struct value_mem *mem, const msgpack_object *map, struct sched_host *h, struct register_block *block)
{
	size_t n = map ? MIN(map->via.map.size, (uint32_t)LABELS_MAX) : 0, size = n * sizeof(struct sched_label);
	struct sched_label *v;
	char *at;

	for (size_t i = 0; i < n; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];

		if (is_label(&kv->key) && is_label(&kv->val))
			size += kv->key.via.str.size + kv->val.via.str.size + 2;
	}
	if (n == 0)
		return 0;
	v = mem->alloc(mem->ctx, size);
	if (!v)
		return -ENOMEM;
	*block = (struct register_block){v, size};
	at = (char *)(v + n);
	for (size_t i = 0; i < n; i++) {
		const msgpack_object_kv *kv = &map->via.map.ptr[i];

		if (!is_label(&kv->key) || !is_label(&kv->val))
			continue;
		v[h->n_labels].key = copy(&at, &kv->key);
		v[h->n_labels++].value = copy(&at, &kv->val);
	}
	h->labels = v;
	return 0;
}

static const msgpack_object *read_value(const struct gossip *g, uint64_t id, const char *key, struct mp_tree *t)
{
	const struct gossip_str k = {key, (uint16_t)strlen(key)};
	struct gossip_str v;

	*t = (struct mp_tree){0};
	return gossip_value_get(g, id, k, &v) ? told_read(v, t) : NULL;
}

static int make_host(const struct register_hosts_in *in, const struct gossip_member *m, struct sched_host *h,
	struct register_block *block)
{
	CLEANUP(mp_done) struct mp_tree nt = {0}, ut = {0};
	const msgpack_object *node = read_value(in->g, m->id, TOLD_NODE, &nt);
	const msgpack_object *use = read_value(in->g, m->id, TOLD_USE, &ut);

	*h = (struct sched_host){.id = node_of(m),
		.name = m->record.name.v,
		.state = states[m->state],
		.host_up = m->host_up,
		.state_for_ms = MAX(in->now.mono_ms - in->since_ms(in->ctx, m->id), (int64_t)0),
		.schedulable = told_bool(node, TOLD_NODE_SCHEDULABLE, false),
		.draining = told_bool(node, TOLD_NODE_DRAINING, false),
		.cpu_milli = milli(told_real(node, TOLD_NODE_CORES)),
		.memory_bytes = figure(told_int(node, TOLD_NODE_BYTES, 0)),
		.used_cpu_milli = milli(told_real(use, TOLD_USE_CORES)),
		.used_memory_bytes = figure(told_int(use, TOLD_USE_BYTES, 0))};
	if (in->root && register_nodes_has(&in->root->draining, h->id))
		h->draining = true;
	if (in->root && register_nodes_has(&in->root->forgotten, h->id))
		h->state = SCHED_FORGOTTEN;
	return take_labels(&in->mem, told_at(node, TOLD_NODE_LABELS, MSGPACK_OBJECT_MAP), h, block);
}

/* ---- all of them ---- */

/* A member that went long ago has no record, and so no UUID: nothing can be told of it. */
static int make_members(struct register_hosts *h, const struct register_hosts_in *in)
{
	for (size_t i = 0; i < in->told->n_members; i++) {
		const struct gossip_member *m = &in->told->members[i];
		int rc;

		h->where[i] = m->has_record ? h->n : SIZE_MAX;
		if (!m->has_record)
			continue;
		rc = make_host(in, m, &h->v[h->n], &h->blocks[h->n]);
		if (rc < 0)
			return rc;
		h->n++;
	}
	return 0;
}

static bool has(const struct register_hosts *h, size_t n, struct sched_node node)
{
	for (size_t i = 0; i < n; i++)
		if (sched_same_node(h->v[i].id, node))
			return true;
	return false;
}

static int add_forgotten(struct register_hosts *h, const struct register_hosts_in *in, struct sched_node node)
{
	char *name;

	if (has(h, h->n, node))
		return 0;
	name = in->mem.alloc(in->mem.ctx, SCHED_NAME_TEXT_MAX);
	if (!name)
		return -ENOMEM;
	(void)sched_name_of(&(struct sched_view){0}, node, name); /* it is name */
	h->blocks[h->n] = (struct register_block){name, SCHED_NAME_TEXT_MAX};
	h->v[h->n++] = (struct sched_host){.id = node, .name = name, .state = SCHED_FORGOTTEN};
	return 0;
}

/*
 * Those that the root knows as forgotten, and gossip no more; and those that gossip does, since their name belongs to
 * another node now: a slot of theirs is lost, and a vote.
 */
static int make_forgotten(struct register_hosts *h, const struct register_hosts_in *in)
{
	struct gossip_member m;
	int rc = 0;

	for (size_t i = 0; rc == 0 && in->root && i < in->root->forgotten.n; i++)
		rc = add_forgotten(h, in, in->root->forgotten.v[i]);
	for (uint32_t at = 0; rc == 0 && gossip_forgotten_next(in->g, &at, &m);)
		rc = add_forgotten(h, in, node_of(&m));
	return rc;
}

static struct sched_host *host_of(const struct register_hosts *h, struct sched_host *v, const struct told_item *item)
{
	size_t i = h->where[item->member - h->told->members];

	return i == SIZE_MAX ? NULL : &v[i];
}

/* That of all agents that a member may tell of can be summed up, and what is placed there added. */
#define RESERVED_MAX (INT64_MAX / GOSSIP_KEYS_MAX / 8)

/* Adds, or takes away again. */
static void count_reserved(struct sched_host *h, const msgpack_object *v, int sign)
{
	h->reserved_cpu_milli += sign * MIN(figure(told_int(v, TOLD_AGENT_CPU, 0)), RESERVED_MAX);
	h->reserved_memory_bytes += sign * MIN(figure(told_int(v, TOLD_AGENT_MEMORY, 0)), RESERVED_MAX);
}

static void count_all(struct register_hosts *h)
{
	for (size_t i = 0; i < h->told->n_agents; i++) {
		CLEANUP(mp_done) struct mp_tree t = {0};
		struct sched_host *host = host_of(h, h->v, &h->told->agents[i]);

		if (host)
			count_reserved(host, told_read(h->told->agents[i].value, &t), 1);
	}
}

int register_hosts_make(struct register_hosts *ret, const struct register_hosts_in *in, struct err *e)
{
	size_t n = in->told->n_members + (in->root ? in->root->forgotten.n : 0) + gossip_forgotten(in->g);
	struct register_hosts h = {.told = in->told, .mem = in->mem, .cap = n};
	int rc = 0;

	h.v = get_room(&h.mem, n, sizeof(*h.v));
	h.blocks = get_room(&h.mem, n, sizeof(*h.blocks));
	h.where = get_room(&h.mem, in->told->n_members, sizeof(*h.where));
	if (n > 0 && (!h.v || !h.blocks || (in->told->n_members > 0 && !h.where)))
		rc = -ENOMEM;
	if (rc == 0)
		rc = make_members(&h, in);
	if (rc == 0)
		rc = make_forgotten(&h, in);
	if (rc < 0) {
		register_hosts_done(&h);
		return no_memory(e);
	}
	count_all(&h);
	*ret = h;
	return 0;
}

void register_hosts_done(struct register_hosts *h)
{
	for (size_t i = 0; h->blocks && i < h->cap; i++)
		release(&h->mem, h->blocks[i].v, h->blocks[i].n);
	release(&h->mem, h->v, h->cap * sizeof(*h->v));
	release(&h->mem, h->blocks, h->cap * sizeof(*h->blocks));
	if (h->told)
		release(&h->mem, h->where, h->told->n_members * sizeof(*h->where));
	*h = (struct register_hosts){0};
}

/* ---- replicas ---- */

/* "7" of "web.7", as it is written and no other way. */
static bool number_of(const struct told_item *item, uint32_t *ret)
{
	uint32_t n = 0;
	size_t at = (size_t)item->agent.n + 1;

	if (item->id.n <= at || (item->id.v[at] == '0' && item->id.n > at + 1))
		return false;
	for (; at < item->id.n; at++) {
		unsigned digit = (unsigned)item->id.v[at] - '0';

		if (digit > 9 || n >= SCHED_SLOTS_MAX)
			return false;
		n = n * 10 + digit;
	}
	*ret = n;
	return n < SCHED_SLOTS_MAX;
}

/* Of a word that is not known: yes. */
static bool may_be_up(const msgpack_object *v)
{
	static const enum replica_state over[] = {
		REPLICA_PENDING, REPLICA_BACKOFF, REPLICA_STOPPED, REPLICA_FAILED, REPLICA_LOST};
	char state[16];

	if (told_int(v, TOLD_REPLICA_PID, -1) > 0)
		return true;
	(void)told_text(v, TOLD_REPLICA_STATE, state, sizeof(state)); /* it is state */
	for (size_t i = 0; i < ARRAY_LEN(over); i++)
		if (strcmp(state, replica_state_name(over[i])) == 0)
			return false;
	return true;
}

bool register_report_of(const struct told_item *item, struct sched_report *ret, int64_t *ret_mark)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_read(item->value, &t);
	int64_t epoch = told_int(v, TOLD_REPLICA_EPOCH, -1), version = told_int(v, TOLD_REPLICA_VERSION, 0);
	uint32_t number;

	if (!v || epoch < 0 || version < 0 || version > UINT32_MAX || !number_of(item, &number))
		return false;
	*ret_mark = told_int(v, TOLD_REPLICA_READY, -1);
	*ret = (struct sched_report){.node = node_of(item->member),
		.number = number,
		.version = (uint32_t)version,
		.epoch = (uint64_t)epoch,
		.up = may_be_up(v),
		.ready = *ret_mark >= 0};
	return true;
}

static int compare(const struct register_ready *a, const struct register_ready *b)
{
	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return sched_compare_node(a->node, b->node);
}

static const struct register_ready *find(const struct register_seen *s, const struct register_ready *key)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int rc = compare(&s->v[mid], key);

		if (rc == 0)
			return &s->v[mid];
		if (rc < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* They come by rising number: what is moved is little. */
static void insert(struct register_seen *s, const struct register_ready *r)
{
	size_t i = s->n++;

	for (; i > 0 && compare(&s->v[i - 1], r) > 0; i--)
		s->v[i] = s->v[i - 1];
	s->v[i] = *r;
}

static void see(
	const struct register_seen *was, struct register_seen *is, struct sched_report *r, int64_t mark, struct now now)
{
	struct register_ready key = {
		.node = r->node, .number = r->number, .epoch = r->epoch, .mark = mark, .mono_ms = now.mono_ms};
	const struct register_ready *before = find(was, &key);

	if (before && before->mark == mark)
		key.mono_ms = before->mono_ms;
	r->ready_for_ms = MAX(now.mono_ms - key.mono_ms, (int64_t)0);
	insert(is, &key);
}

void register_seen_done(struct register_seen *s, const struct value_mem *mem)
{
	release(mem, s->v, s->cap * sizeof(*s->v));
	*s = (struct register_seen){0};
}

/* ---- an agent's ---- */

static void tell_agent(struct register_view *v, const struct register_hosts *h, const struct told_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		CLEANUP(mp_done) struct mp_tree t = {0};
		struct sched_host *host = host_of(h, v->hosts, &items[i]);
		const msgpack_object *value = host ? told_read(items[i].value, &t) : NULL;

		if (!value)
			continue;
		count_reserved(host, value, -1);
		host->knows = (uint64_t)MAX(told_int(value, TOLD_AGENT_KNOWS, 0), (int64_t)0);
	}
}

int register_view_make(struct register_view *ret, const struct register_hosts *h, const char *agent,
	struct register_seen *seen, struct now now, struct err *e)
{
	const struct gossip_str name = {agent, (uint16_t)strlen(agent)};
	struct register_view v = {.mem = h->mem, .cap_hosts = h->n};
	struct register_seen is = {0};
	const struct told_item *agents, *replicas;
	size_t n_agents, n = 0;
	int64_t mark;

	agents = told_of(h->told->agents, h->told->n_agents, name, &n_agents);
	replicas = told_of(h->told->replicas, h->told->n_replicas, name, &v.cap_reports);
	v.hosts = get_room(&v.mem, v.cap_hosts, sizeof(*v.hosts));
	v.reports = get_room(&v.mem, v.cap_reports, sizeof(*v.reports));
	is.v = get_room(&v.mem, v.cap_reports, sizeof(*is.v));
	is.cap = is.v ? v.cap_reports : 0;
	if ((v.cap_hosts > 0 && !v.hosts) || (v.cap_reports > 0 && (!v.reports || !is.v))) {
		register_seen_done(&is, &v.mem);
		register_view_done(&v);
		return no_memory(e);
	}
	if (h->n > 0)
		memcpy(v.hosts, h->v, h->n * sizeof(*v.hosts));
	tell_agent(&v, h, agents, n_agents);
	for (size_t i = 0; i < v.cap_reports; i++) {
		if (!host_of(h, v.hosts, &replicas[i]) || !register_report_of(&replicas[i], &v.reports[n], &mark))
			continue;
		if (v.reports[n].ready)
			see(seen, &is, &v.reports[n], mark, now);
		n++;
	}
	register_seen_done(seen, &v.mem);
	*seen = is;
	v.view = (struct sched_view){.hosts = v.hosts, .n_hosts = h->n, .reports = v.reports, .n_reports = n};
	*ret = v;
	return 0;
}

void register_view_done(struct register_view *v)
{
	release(&v->mem, v->hosts, v->cap_hosts * sizeof(*v->hosts));
	release(&v->mem, v->reports, v->cap_reports * sizeof(*v->reports));
	*v = (struct register_view){0};
}
