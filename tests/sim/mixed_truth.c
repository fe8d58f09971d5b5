/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must be true of values that two versions make in turn. N+1's fields are found in the bytes by what they begin
 * with, wherever they stand, and not by the reader that is looked at.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "node/register_root.h"
#include "tests/sim/mixed_priv.h"

#define MAGIC	  "N+1:"
#define MAGIC_LEN 4
#define FIELD_LEN (MAGIC_LEN + 4 + 4 * 8)
#define DEPTH_MAX 32

int __real_register_agent_read(
	struct register_agent *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e);
int __real_register_root_read(
	struct register_root *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e);

/* For sentences. */
static const char *const parts[REGISTER_PART_MAX] = {[REGISTER_VALUE] = "the value",
	[REGISTER_DEFINITION] = "definition",
	[REGISTER_ROLLOUT] = "the change",
	[REGISTER_COOLDOWNS] = "the pauses",
	[REGISTER_COOLDOWN] = "pause",
	[REGISTER_SLOT] = "slot",
	[REGISTER_HELD] = "an earlier owner of slot",
	[REGISTER_DECISION] = "decision",
	[REGISTER_STEP] = "a step of decision",
	[REGISTER_CFG] = "the voters",
	[REGISTER_TIMES] = "the times",
	[REGISTER_DRAINING] = "a node that drains",
	[REGISTER_FORGOTTEN] = "a node that was forgotten",
	[REGISTER_LEAVING] = "a node that leaves"};

/* ---- fields ---- */

int mixed_compare_key(const void *a, const void *b)
{
	const struct register_key *x = a, *y = b;

	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return sched_compare_node(x->node, y->node);
}

void mixed_put_field(msgpack_packer *p, const struct register_key *key, uint64_t count)
{
	uint8_t v[FIELD_LEN] = MAGIC;

	register_store32(v + MAGIC_LEN, key->part);
	register_store(v + MAGIC_LEN + 4, key->number);
	register_store(v + MAGIC_LEN + 12, key->node.hi);
	register_store(v + MAGIC_LEN + 20, key->node.lo);
	register_store(v + MAGIC_LEN + 28, count);
	(void)msgpack_pack_bin_with_body(p, v, sizeof(v)); /* the writer knows whether it fits */
}

static bool is_field(const struct unpack_head *h, struct mixed_field *ret)
{
	const uint8_t *v = h->bytes;

	if (h->kind != UNPACK_BIN || h->n_bytes != FIELD_LEN || memcmp(v, MAGIC, MAGIC_LEN) != 0)
		return false;
	*ret = (struct mixed_field){
		.key = {.part = (enum register_part)register_load32(v + MAGIC_LEN),
			.number = register_load(v + MAGIC_LEN + 4),
			.node = {.hi = register_load(v + MAGIC_LEN + 12), .lo = register_load(v + MAGIC_LEN + 20)}},
		.count = register_load(v + MAGIC_LEN + 28)};
	return true;
}

bool mixed_read_field(struct msg_bytes more, struct mixed_field *ret)
{
	struct unpack u = {.v = more.v, .n = more.n};
	struct unpack_head h;

	return unpack_next(&u, &h, NULL) == 0 && is_field(&h, ret);
}

static void add(struct mixed_fields *s, struct mixed_field f)
{
	if ((s->n & (s->n - 1)) == 0)
		s->v = realloc(s->v, MAX(s->n * 2, (size_t)1) * sizeof(*s->v));
	assert(s->v);
	s->v[s->n++] = f;
}

/* From here to the end of its array: n values. */
static bool take(struct unpack *u, uint64_t n, struct mixed_field f, struct mixed_fields *ret)
{
	size_t from = u->at;

	for (; n > 0; n--)
		if (unpack_skip(u, DEPTH_MAX, u->n, NULL) < 0)
			return false;
	f.hash = register_hash((struct msg_bytes){u->v + from, u->at - from});
	add(ret, f);
	return true;
}

/* All of one value and what is in it; what follows on a field in its array belongs to it. false: it is none. */
static bool find(struct unpack *u, size_t depth, struct mixed_fields *ret)
{
	struct unpack_head h;

	if (depth == DEPTH_MAX || unpack_next(u, &h, NULL) < 0)
		return false;
	for (uint64_t i = 0; i < h.children; i++) {
		struct unpack ahead = *u;
		struct unpack_head child;
		struct mixed_field f;

		if (unpack_next(&ahead, &child, NULL) < 0)
			return false;
		if (is_field(&child, &f))
			return take(u, h.children - i, f, ret);
		if (!find(u, depth + 1, ret))
			return false;
	}
	return true;
}

static bool fields_of(struct msg_bytes value, struct mixed_fields *ret)
{
	struct unpack u = {.v = value.v, .n = value.n};
	bool is = find(&u, 0, ret) && u.at == u.n;

	if (ret->n > 0)
		qsort(ret->v, ret->n, sizeof(*ret->v), mixed_compare_key); /* the key comes first */
	return is;
}

static const struct mixed_field *field_of(const struct mixed_fields *s, const struct register_key *key)
{
	return s->n > 0 ? bsearch(key, s->v, s->n, sizeof(*s->v), mixed_compare_key) : NULL;
}

/* ---- a value, read ---- */

struct either {
	bool is_agent;
	struct register_agent agent;
	struct register_root root;
};

static bool read_value(const struct msg_key *key, struct msg_bytes value, struct either *ret)
{
	struct err e;

	*ret = (struct either){.is_agent = key->n > 0};
	return (ret->is_agent ? __real_register_agent_read(&ret->agent, &council_mem, value, &e)
			      : __real_register_root_read(&ret->root, &council_mem, value, &e)) == 0;
}

static void done(struct either *v)
{
	register_agent_done(&v->agent);
	if (!v->is_agent)
		register_root_done(&v->root);
}

static const struct sched_decision *decision_of(const struct sched_value *v, uint64_t number)
{
	for (size_t i = 0; i < v->n_decisions; i++)
		if (v->decisions[i].number == number)
			return &v->decisions[i];
	return NULL;
}

static bool agent_has(const struct sched_value *v, const struct register_key *k)
{
	const struct sched_decision *d;

	switch (k->part) {
	case REGISTER_DEFINITION:
		return k->number > 0 && (v->now.version == k->number || v->before.version == k->number);
	case REGISTER_SLOT:
		return sched_slot_of(v, (uint32_t)k->number) != NULL;
	case REGISTER_HELD:
		for (size_t i = 0; i < v->n_held; i++)
			if (v->held[i].number == k->number && sched_same_node(v->held[i].node, k->node))
				return true;
		return false;
	case REGISTER_DECISION:
		return decision_of(v, k->number) != NULL;
	case REGISTER_STEP:
		d = decision_of(v, k->number);
		return d && k->node.lo < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX);
	default:
		return true; /* each value has it */
	}
}

/* Whether what the field belongs to is there. */
static bool has(const struct either *v, const struct register_key *k)
{
	if (v->is_agent)
		return agent_has(&v->agent.v, k);
	switch (k->part) {
	case REGISTER_DRAINING:
		return register_nodes_has(&v->root.draining, k->node);
	case REGISTER_FORGOTTEN:
		return register_nodes_has(&v->root.forgotten, k->node);
	case REGISTER_LEAVING:
		return register_nodes_has(&v->root.leaving, k->node);
	default:
		return true; /* as above */
	}
}

/* ---- what was written ---- */

static struct mixed_value *value_of(const struct mixed *x, uint64_t hash)
{
	for (size_t i = x->n_values; i-- > 0;)
		if (x->values[i].hash == hash)
			return &x->values[i];
	return NULL;
}

void mixed_wrote(struct mixed *x, const struct sim_node *n, struct msg_bytes value)
{
	struct mixed_value v = {.hash = register_hash(value), .newer = n->newer};

	x->written += n->newer;
	if (value_of(x, v.hash))
		return; /* it came to the same, of what is the same */
	if (!fields_of(value, &v.fields))
		sim_fail(n->sim, n->number, "it writes what is no value");
	if ((x->n_values & (x->n_values - 1)) == 0)
		x->values = realloc(x->values, MAX(x->n_values * 2, (size_t)1) * sizeof(*x->values));
	assert(x->values);
	x->values[x->n_values++] = v;
}

void mixed_said(const struct sim_node *n, bool is_agent, struct msg_bytes value, const struct register_mores *said)
{
	const struct mixed_value *v = value_of(mixed_of(n->sim), register_hash(value));
	struct either is;

	if (!v || !read_value(&(struct msg_key){.n = is_agent}, value, &is)) {
		sim_fail(n->sim, n->number, "it cannot read what it wrote");
		return;
	}
	for (size_t i = 0; i < said->n; i++)
		if (has(&is, &said->v[i].key) && !field_of(&v->fields, &said->v[i].key))
			sim_fail(n->sim, n->number, "what N+1 says of %s %" PRIu64 " is not in what it wrote",
				parts[said->v[i].key.part], said->v[i].key.number);
	done(&is);
}

/* ---- what must be true ---- */

struct look {
	struct whole *w;
	struct mixed *x;
	const struct msg_key *key;
	struct either is;
	const struct mixed_value *v, *was;
};

static void wrong(const struct look *l, const char *what, const struct register_key *k)
{
	char number[24] = "";

	if (k->number > 0 || k->part == REGISTER_SLOT)
		(void)snprintf(number, sizeof(number), " %" PRIu64, k->number); /* fits */
	sim_fail(whole_sim(l->w), l->w->sn->number,
		"register '%.*s': what N+1 says of %s%s is %s in a value that %s made", (int)l->key->n, l->key->v,
		parts[k->part], number, what, l->v->newer ? "N+1" : "N");
}

static void look_at_field(const struct look *l, const struct mixed_field *was)
{
	const struct mixed_field *is = field_of(&l->v->fields, &was->key);

	if (!is && has(&l->is, &was->key))
		wrong(l, "lost", &was->key);
	else if (is && l->v->newer && is->count <= was->count)
		wrong(l, "not risen", &was->key);
	else if (is && !l->v->newer && is->hash != was->hash)
		wrong(l, "changed", &was->key);
	l->x->carried += is && !l->v->newer;
}

/* Nothing is there but these; each where it belongs; and of N none that was not there before. */
static void look_at_places(const struct look *l)
{
	const struct register_mores *m = l->is.is_agent ? &l->is.agent.mores : &l->is.root.mores;
	struct mixed_field f;

	for (size_t i = 0; i < m->n; i++)
		if (!mixed_read_field(m->v[i].bytes, &f) || mixed_compare_key(&f.key, &m->v[i].key) != 0)
			wrong(l, "in another place", &m->v[i].key);
	if (m->n != l->v->fields.n)
		wrong(l, "where nobody reads it, or twice,", &(struct register_key){.part = REGISTER_VALUE});
	for (size_t i = 0; i < l->v->fields.n && !l->v->newer; i++)
		if (!l->was || !field_of(&l->was->fields, &l->v->fields.v[i].key))
			wrong(l, "new", &l->v->fields.v[i].key);
}

static uint32_t form_of(const struct either *v)
{
	return v->is_agent ? v->agent.min_version : v->root.min_version;
}

static void look_at_form(const struct look *l, struct mixed_value *v)
{
	v->min_version = form_of(&l->is);
	if (l->was && v->min_version < l->was->min_version)
		sim_fail(whole_sim(l->w), l->w->sn->number, "register '%.*s': min_version falls", (int)l->key->n,
			l->key->v);
	if (v->min_version > REGISTER_VERSION && !v->newer)
		sim_fail(whole_sim(l->w), l->w->sn->number, "register '%.*s': N makes a value that asks for N+1",
			(int)l->key->n, l->key->v);
}

void mixed_saw(struct whole *w, const struct msg_key *key, struct msg_bytes value, uint64_t parent)
{
	struct mixed *x = mixed_of(whole_sim(w));
	struct mixed_value *v = x ? value_of(x, register_hash(value)) : NULL;
	struct look l = {.w = w, .x = x, .key = key, .v = v, .was = x && parent ? value_of(x, parent) : NULL};

	if (!x)
		return;
	if (!v || (parent && !l.was)) {
		sim_fail(whole_sim(w), w->sn->number, "register '%.*s': nobody wrote a value%s", (int)key->n, key->v,
			v ? "'s parent" : "");
		return;
	}
	if (!read_value(key, value, &l.is))
		return; /* the caller says so */
	look_at_form(&l, v);
	for (size_t i = 0; l.was && i < l.was->fields.n; i++)
		look_at_field(&l, &l.was->fields.v[i]);
	look_at_places(&l);
	done(&l.is);
}

/* ---- answers ---- */

bool mixed_is_beyond(struct whole *w, const struct msg_key *key)
{
	struct msg_bytes value;
	struct ballot ballot;
	struct either v;
	bool is;

	if (!mixed_of(whole_sim(w)) || w->sn->newer ||
		!registers_get(agree_registers(w->n->council->a), key, &ballot, &value) || !read_value(key, value, &v))
		return false;
	is = form_of(&v) > REGISTER_VERSION;
	done(&v);
	return is;
}

/* It did not come so far that the value was looked at: no voters, too many commands, no memory. */
static bool is_unasked(int code)
{
	return code == -ENOTCONN || code == -EAGAIN || code == -EBUSY || code == -ENOSPC || code == -ENOMEM;
}

void mixed_answered(struct whole *w, bool beyond, const struct agree_answer *a)
{
	static const char sentence[] =
		"was written by a newer version of covey than this node's: ask a node that has it";
	struct mixed *x = mixed_of(whole_sim(w));
	bool refused = a->outcome == AGREE_REFUSED, said = refused && strstr(a->refused.text, sentence);

	if (!x)
		return;
	x->beyond += said;
	if (said && w->sn->newer)
		sim_fail(whole_sim(w), w->sn->number, "N+1 refuses what it knows: %s", a->refused.text);
	if (beyond && (a->outcome == AGREE_DONE || (refused && !said && !is_unasked(a->refused.code))))
		sim_fail(whole_sim(w), w->sn->number, "is asked for what only N+1 can do, and answers: %s",
			refused ? a->refused.text : "done");
}
