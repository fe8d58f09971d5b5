/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root register. See register_root.h.
 */
#include "node/register_root.h"

#include <errno.h>
#include <string.h>

#define ROOT_FIELDS  15
#define FIRST_FIELDS 13 /* those that every root has */
#define CFG_FIELDS   3
#define TIMES_FIELDS 3
#define NODE_FIELDS  1
#define LV_MAX_MS    (10 * 60 * 1000)

static struct register_key key_of(enum register_part part)
{
	return (struct register_key){.part = part};
}

void register_root_init(struct register_root *r, const struct value_mem *mem)
{
	*r = (struct register_root){
		.replace_after_ms = REGISTER_REPLACE_MS, .min_version = REGISTER_VERSION, .mem = *mem};
}

static void release(const struct value_mem *mem, void *v, size_t n)
{
	if (v)
		mem->release(mem->ctx, v, n);
}

void register_root_done(struct register_root *r)
{
	release(&r->mem, r->draining.v, r->draining.cap * sizeof(*r->draining.v));
	release(&r->mem, r->forgotten.v, r->forgotten.cap * sizeof(*r->forgotten.v));
	release(&r->mem, r->leaving.v, r->leaving.cap * sizeof(*r->leaving.v));
	release(&r->mem, r->mores.v, r->mores.n * sizeof(*r->mores.v));
	*r = (struct register_root){0};
}

/* ---- nodes ---- */

static size_t place_of(const struct register_nodes *s, struct sched_node node)
{
	size_t lo = 0, hi = s->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (sched_compare_node(s->v[mid], node) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool register_nodes_has(const struct register_nodes *s, struct sched_node node)
{
	size_t i = place_of(s, node);

	return i < s->n && sched_same_node(s->v[i], node);
}

int register_nodes_add(struct register_root *r, struct register_nodes *s, struct sched_node node)
{
	size_t i = place_of(s, node);

	assert(sched_is_node(node));
	if (i < s->n && sched_same_node(s->v[i], node))
		return 0;
	if (s->n == REGISTER_NODES_MAX)
		return -ENOSPC;
	if (s->n == s->cap) {
		size_t cap = MIN(s->cap + s->cap / 2 + 8, (size_t)REGISTER_NODES_MAX);
		struct sched_node *v = r->mem.alloc(r->mem.ctx, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		if (s->n > 0)
			memcpy(v, s->v, s->n * sizeof(*v));
		release(&r->mem, s->v, s->cap * sizeof(*s->v));
		s->v = v;
		s->cap = cap;
	}
	memmove(&s->v[i + 1], &s->v[i], (s->n - i) * sizeof(*s->v));
	s->v[i] = node;
	s->n++;
	return 0;
}

void register_nodes_drop(struct register_nodes *s, struct sched_node node)
{
	size_t i = place_of(s, node);

	if (i == s->n || !sched_same_node(s->v[i], node))
		return;
	s->n--;
	memmove(&s->v[i], &s->v[i + 1], (s->n - i) * sizeof(*s->v));
}

/* ---- what must be true ---- */

const char *register_times_fault(const struct value_times *t)
{
	if (t->tf_ms < 1 || t->tf_ms > MSG_TF_MAX_MS)
		return "a lease lasts from 1 ms to 60 s";
	if (t->kill_ms < 1 || t->kill_ms > MSG_TF_MAX_MS)
		return "the time to the death of the last process is from 1 ms to 60 s";
	if (t->lv_ms < value_guard_ms(t->tf_ms, t->kill_ms))
		return "voters guard a lease for less than its holder may run";
	return t->lv_ms > LV_MAX_MS ? "voters guard a lease for 10 minutes at most" : NULL;
}

static const char *nodes_fault(const struct register_nodes *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!sched_is_node(s->v[i]) || (i > 0 && sched_compare_node(s->v[i - 1], s->v[i]) >= 0))
			return "nodes that are not in the order of their UUIDs, each once";
	return NULL;
}

const char *register_root_fault(const struct register_root *r)
{
	const char *fault = quorum_fault(&r->cfg);

	if (fault)
		return fault;
	if (r->cfg.epoch == 0)
		return "a cluster without voters";
	if (!sched_is_node(register_node_of(&r->cluster)))
		return "a cluster without a UUID";
	if (r->voters > QUORUM_VOTERS_MAX)
		return "more voters are wanted than there may be";
	fault = register_times_fault(&r->times);
	if (!fault)
		fault = nodes_fault(&r->draining);
	if (!fault)
		fault = nodes_fault(&r->forgotten);
	if (!fault)
		fault = nodes_fault(&r->leaving);
	if (!fault && (r->replace_after_ms < REGISTER_REPLACE_MIN_MS || r->replace_after_ms > REGISTER_REPLACE_MAX_MS))
		fault = "a dead voter is replaced after 1 s at least, and 7 days at most";
	for (size_t i = 0; i < r->n_ops && !fault; i++)
		if (r->ops[i][0] == '\0')
			fault = "an operation without an id";
	return fault;
}

/* ---- in ---- */

static void get_set(struct register_in *in, const char *what, struct quorum_set *s)
{
	struct msg_bytes b = register_get_bin(in, what, 0, sizeof(s->v));

	s->n = (uint8_t)(b.n / sizeof(s->v[0]));
	if (b.n % sizeof(s->v[0]))
		(void)register_refuse(in, "%s: %zu bytes are no UUIDs", what, b.n); /* in->rc tells */
	else if (b.n > 0)
		memcpy(s->v, b.v, b.n);
}

static void get_cfg(struct register_in *in, struct quorum_cfg *cfg)
{
	size_t n = register_get_array(in, "voters", CFG_FIELDS, UINT16_MAX);

	cfg->epoch = register_get_uint(in, "epoch", 0, BALLOT_COUNTER_MAX);
	get_set(in, "old voters", &cfg->old);
	get_set(in, "next voters", &cfg->next);
	register_get_more(in, key_of(REGISTER_CFG), n, CFG_FIELDS);
}

static void get_times(struct register_in *in, struct value_times *t)
{
	size_t n = register_get_array(in, "times", TIMES_FIELDS, UINT16_MAX);

	t->tf_ms = (uint32_t)register_get_uint(in, "lease", 0, UINT32_MAX);
	t->kill_ms = (uint32_t)register_get_uint(in, "kill", 0, UINT32_MAX);
	t->lv_ms = (uint32_t)register_get_uint(in, "guard", 0, UINT32_MAX);
	register_get_more(in, key_of(REGISTER_TIMES), n, TIMES_FIELDS);
}

static void get_nodes(struct register_in *in, const char *what, enum register_part part, struct register_root *r,
	struct register_nodes *s)
{
	size_t n;

	if (in->rc < 0)
		return;
	n = register_get_array(in, "rows", 0, REGISTER_NODES_MAX);
	if (!s->v && n > 0) {
		s->v = r->mem.alloc(r->mem.ctx, n * sizeof(*s->v));
		s->cap = s->v ? n : 0;
		if (!s->v)
			in->rc = err_set(in->e, -ENOMEM, "no memory for a register's value");
	}
	s->n = in->rc == 0 ? n : 0;
	for (size_t i = 0; i < s->n; i++) {
		size_t k = register_get_array(in, "row", NODE_FIELDS, UINT16_MAX);
		struct msg_bytes b = register_get_bin(in, "UUID", sizeof(struct uuid), sizeof(struct uuid));
		struct uuid u = {0};

		if (b.n > 0)
			memcpy(u.v, b.v, sizeof(u.v));
		s->v[i] = register_node_of(&u);
		register_get_more(in, (struct register_key){part, 0, s->v[i]}, k, NODE_FIELDS);
	}
	register_wrap(in, "%s", what);
}

/* The head, which is read alone too. */
static size_t get_head(struct register_in *in, struct register_root *r)
{
	size_t n = register_get_array(in, "value", FIRST_FIELDS, UINT16_MAX);

	(void)register_get_uint(in, "kind", REGISTER_ROOT, REGISTER_ROOT); /* in->rc tells */
	r->min_version = (uint32_t)register_get_uint(in, "min_version", 1, UINT32_MAX);
	r->parent = register_get_uint(in, "parent", 0, UINT64_MAX);
	get_cfg(in, &r->cfg);
	get_times(in, &r->times);
	return n;
}

static int get_value(struct register_in *in, struct register_root *r)
{
	size_t n = get_head(in, r);
	struct msg_bytes cluster = register_get_bin(in, "cluster", sizeof(r->cluster.v), sizeof(r->cluster.v));

	if (cluster.n > 0)
		memcpy(r->cluster.v, cluster.v, sizeof(r->cluster.v));
	register_get_text(in, "name", r->name, sizeof(r->name));
	r->voters = (uint32_t)register_get_uint(in, "wanted voters", 0, QUORUM_VOTERS_MAX);
	register_get_text(in, "spread", r->spread, sizeof(r->spread));
	r->feature_level = (uint32_t)register_get_uint(in, "feature level", 0, UINT32_MAX);
	get_nodes(in, "draining", REGISTER_DRAINING, r, &r->draining);
	get_nodes(in, "forgotten", REGISTER_FORGOTTEN, r, &r->forgotten);
	register_get_ops(in, r->ops, &r->n_ops);
	if (n > FIRST_FIELDS)
		r->replace_after_ms = (uint32_t)register_get_uint(in, "replace after", 0, UINT32_MAX);
	if (n > FIRST_FIELDS + 1)
		get_nodes(in, "leaving", REGISTER_LEAVING, r, &r->leaving);
	register_get_more(in, key_of(REGISTER_VALUE), n, ROOT_FIELDS);
	if (in->rc == 0 && in->u.at < in->u.n)
		(void)register_refuse(in, "%zu bytes too many", in->u.n - in->u.at); /* in->rc tells */
	return in->rc;
}

static int walk(struct register_root *r, struct register_more *more, size_t *ret_n, struct err *e)
{
	struct register_in in = {.u = {.v = r->bytes.v, .n = r->bytes.n}, .e = e, .more = more};
	int rc = get_value(&in, r);

	*ret_n = in.n_more;
	return rc;
}

static int read_all(struct register_root *r, struct err *e)
{
	const char *fault;
	size_t n = 0;
	int rc = walk(r, NULL, &n, e);

	if (rc == 0 && n > 0) {
		r->mores.v = r->mem.alloc(r->mem.ctx, n * sizeof(*r->mores.v));
		if (!r->mores.v)
			return err_set(e, -ENOMEM, "no memory for a register's value");
		r->mores.n = n;
		rc = walk(r, r->mores.v, &n, e);
	}
	fault = rc == 0 ? register_root_fault(r) : NULL;
	return fault ? err_set(e, -EBADMSG, "%s", fault) : rc;
}

int register_root_read(struct register_root *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e)
{
	struct register_root r;
	int rc;

	register_root_init(&r, mem);
	r.bytes = bytes;
	if (bytes.n > MSG_VALUE_MAX)
		return err_set(e, -EBADMSG, "a value of %zu bytes, at most %d are allowed", bytes.n, MSG_VALUE_MAX);
	rc = bytes.n > 0 ? read_all(&r, e) : 0;
	if (rc < 0)
		register_root_done(&r);
	else
		*ret = r;
	return rc;
}

bool register_root_cfg(struct msg_bytes value, struct quorum_cfg *ret)
{
	struct register_in in = {.u = {.v = value.v, .n = value.n}};
	struct register_root r = {0};

	(void)get_head(&in, &r); /* in.rc tells */
	if (in.rc < 0 || r.cfg.epoch == 0 || quorum_fault(&r.cfg))
		return false;
	*ret = r.cfg;
	return true;
}

bool register_root_times(struct msg_bytes value, struct value_times *ret)
{
	struct register_in in = {.u = {.v = value.v, .n = value.n}};
	struct register_root r = {0};

	(void)get_head(&in, &r); /* in.rc tells */
	if (in.rc < 0 || register_times_fault(&r.times))
		return false;
	*ret = r.times;
	return true;
}

/* ---- out ---- */

static void put_cfg(struct register_out *out, const struct quorum_cfg *cfg)
{
	const struct register_more *more = register_put_row(out, key_of(REGISTER_CFG), CFG_FIELDS);

	register_put_uint(out, cfg->epoch);
	register_put_bin(out, cfg->old.v, cfg->old.n * sizeof(cfg->old.v[0]));
	register_put_bin(out, cfg->next.v, cfg->next.n * sizeof(cfg->next.v[0]));
	register_put_more(out, more);
}

static void put_times(struct register_out *out, const struct value_times *t)
{
	const struct register_more *more = register_put_row(out, key_of(REGISTER_TIMES), TIMES_FIELDS);

	register_put_uint(out, t->tf_ms);
	register_put_uint(out, t->kill_ms);
	register_put_uint(out, t->lv_ms);
	register_put_more(out, more);
}

static void put_nodes(struct register_out *out, enum register_part part, const struct register_nodes *s)
{
	register_put_array(out, s->n);
	for (size_t i = 0; i < s->n; i++) {
		const struct register_more *more =
			register_put_row(out, (struct register_key){part, 0, s->v[i]}, NODE_FIELDS);
		struct uuid u = register_uuid_of(s->v[i]);

		register_put_bin(out, u.v, sizeof(u.v));
		register_put_more(out, more);
	}
}

static void put_value(struct register_out *out, const struct register_root *r)
{
	const struct register_more *more = register_put_row(out, key_of(REGISTER_VALUE), ROOT_FIELDS);

	register_put_uint(out, REGISTER_ROOT);
	register_put_uint(out, r->min_version);
	register_put_uint(out, r->bytes.n ? register_hash(r->bytes) : 0);
	put_cfg(out, &r->cfg);
	put_times(out, &r->times);
	register_put_bin(out, r->cluster.v, sizeof(r->cluster.v));
	register_put_text(out, r->name);
	register_put_uint(out, r->voters);
	register_put_text(out, r->spread);
	register_put_uint(out, r->feature_level);
	put_nodes(out, REGISTER_DRAINING, &r->draining);
	put_nodes(out, REGISTER_FORGOTTEN, &r->forgotten);
	register_put_ops(out, r->ops, r->n_ops);
	register_put_uint(out, r->replace_after_ms);
	put_nodes(out, REGISTER_LEAVING, &r->leaving);
	register_put_more(out, more);
}

int register_root_write(const struct register_root *r, uint8_t *out, size_t cap, size_t *ret_n, struct err *e)
{
	const char *fault = register_root_fault(r);
	struct register_out w;

	if (r->min_version > REGISTER_VERSION)
		return err_set(e, -ENOTSUP, "the value asks for version %u of its form, and %d is the newest here",
			r->min_version, REGISTER_VERSION);
	if (fault)
		return err_set(e, -EINVAL, "%s", fault);
	register_out_init(&w, out, MIN(cap, (size_t)MSG_VALUE_MAX), &r->mores);
	put_value(&w, r);
	if (w.full)
		return err_set(e, -EMSGSIZE, "it does not fit into %zu bytes", w.cap);
	*ret_n = w.n;
	return 0;
}

bool register_cfg_put(void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret)
{
	struct register_put *put = ctx;
	struct register_root r;
	size_t n;
	int rc;

	if (register_root_read(&r, &put->mem, value, NULL) < 0)
		return false;
	r.cfg = *cfg;
	rc = register_root_write(&r, put->out, put->cap, &n, NULL);
	register_root_done(&r);
	if (rc < 0)
		return false;
	*ret = (struct msg_bytes){.v = put->out, .n = n};
	return true;
}
