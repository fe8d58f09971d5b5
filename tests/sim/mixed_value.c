/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What N+1 makes of values: node/register_*.c's readers and writers, around which the linker puts these. Its fields are
 * given to the writer as what N found behind the known ones would be, so that the bytes are that one's. Here are the
 * mutants too: an N that leaves out a rule.
 */
#include <errno.h>
#include <string.h>

#include "node/agree_impl.h"
#include "node/register_root.h"
#include "tests/sim/mixed_priv.h"

#define MORE_MAX  96 /* bytes of what is known of N+1's fields in one place */
#define RAISES_OF 5  /* one value in so many that N+1 makes */

#define AGENT_READ struct register_agent *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e
#define ROOT_READ  struct register_root *ret, const struct value_mem *mem, struct msg_bytes bytes, struct err *e
#define ROOT_WRITE const struct register_root *r, uint8_t *out, size_t cap, size_t *ret_n, struct err *e
#define AGENT_WRITE                                                                                          \
	const struct register_agent *base, const struct sched_value *v, struct msg_bytes text, uint8_t *out, \
		size_t cap, size_t *ret_n, struct err *e
#define CFG_PUT	   void *ctx, struct msg_bytes value, const struct quorum_cfg *cfg, struct msg_bytes *ret
#define AGREE_STEP struct agree *a, const struct agree_in *in, struct now now, struct agree_outs *outs

int __real_register_agent_read(AGENT_READ);
int __wrap_register_agent_read(AGENT_READ);
int __real_register_root_read(ROOT_READ);
int __wrap_register_root_read(ROOT_READ);
int __real_register_agent_write(AGENT_WRITE);
int __wrap_register_agent_write(AGENT_WRITE);
int __real_register_root_write(ROOT_WRITE);
int __wrap_register_root_write(ROOT_WRITE);
bool __real_register_cfg_put(CFG_PUT);
bool __wrap_register_cfg_put(CFG_PUT);
const struct register_root *__real_agree_root(struct agree *a);
const struct register_root *__wrap_agree_root(struct agree *a);
int __real_agree_step(AGREE_STEP);
int __wrap_agree_step(AGREE_STEP);

/* All that is made of values is made within it. */
int __wrap_agree_step(AGREE_STEP)
{
	const struct council *c = a->world.ctx;
	struct sim_node *was = mixed_enter(whole_of(c->n)->sn);
	int rc = __real_agree_step(a, in, now, outs);

	(void)mixed_enter(was);
	return rc;
}

/* What it reads once and keeps. */
const struct register_root *__wrap_agree_root(struct agree *a)
{
	const struct council *c = a->world.ctx;
	struct sim_node *was = mixed_enter(whole_of(c->n)->sn);
	const struct register_root *root = __real_agree_root(a);

	(void)mixed_enter(was);
	return root;
}

/* ---- what is read ---- */

static bool leaves_out(const struct sim_node *n, int mutant)
{
	return !n->newer && n->sim->whole->mutant == mutant;
}

static void drop_mores(const struct sim_node *n, const struct value_mem *mem, struct register_mores *m)
{
	if (!leaves_out(n, WHOLE_NO_CARRY) || !m->v)
		return;
	mem->release(mem->ctx, m->v, m->n * sizeof(*m->v));
	*m = (struct register_mores){0};
}

/* To its own code the form that it knows is one that is known. */
static void know_form(const struct sim_node *n, uint32_t *min_version)
{
	if ((n->newer || leaves_out(n, WHOLE_NO_MIN_VERSION)) && *min_version == MIXED_FORM)
		*min_version = REGISTER_VERSION;
}

int __wrap_register_agent_read(AGENT_READ)
{
	struct sim_node *n;
	const struct mixed *x = mixed_at_work(&n);
	int rc = __real_register_agent_read(ret, mem, bytes, e);

	if (!x || rc < 0)
		return rc;
	drop_mores(n, mem, &ret->mores);
	know_form(n, &ret->min_version);
	return 0;
}

int __wrap_register_root_read(ROOT_READ)
{
	struct sim_node *n;
	const struct mixed *x = mixed_at_work(&n);
	int rc = __real_register_root_read(ret, mem, bytes, e);

	if (!x || rc < 0)
		return rc;
	drop_mores(n, mem, &ret->mores);
	know_form(n, &ret->min_version);
	return 0;
}

/* ---- what N+1 puts behind the known fields ---- */

struct more {
	struct register_more *v; /* owned, and the bytes of each, MORE_MAX */
	uint8_t *bytes;
	size_t n;
};

static struct more more_new(size_t max)
{
	struct more m = {.v = calloc(max, sizeof(*m.v)), .bytes = malloc(max * MORE_MAX)};

	assert(m.v && m.bytes);
	return m;
}

static void more_done(struct more *m)
{
	free(m->v);
	free(m->bytes);
}

static uint64_t count_of(const struct register_mores *base, const struct register_key *key)
{
	struct mixed_field f;

	for (size_t i = 0; i < base->n; i++)
		if (mixed_compare_key(&base->v[i].key, key) == 0 && mixed_read_field(base->v[i].bytes, &f))
			return f.count;
	return 0;
}

/* What is there rises; what is not is put there, or not. */
static void put(struct mixed *x, struct more *m, const struct register_mores *base, struct register_key key)
{
	uint64_t count = count_of(base, &key);
	uint8_t *at = m->bytes + m->n * MORE_MAX;
	struct shape_out o;

	if (count == 0 && key.part != REGISTER_VALUE && rng_below(&x->rng, 2))
		return;
	shape_out_init(&o, at, MORE_MAX);
	mixed_put_field(&o.packer, &key, count + 1);
	mixed_put_any(&o.packer, rng_u64(&x->rng));
	assert(!o.full);
	m->v[m->n++] = (struct register_more){.key = key, .bytes = {at, o.n}, .n = 2};
}

static struct register_mores sorted(struct more *m)
{
	qsort(m->v, m->n, sizeof(*m->v), mixed_compare_key); /* the key comes first */
	return (struct register_mores){.v = m->v, .n = m->n};
}

static struct more more_of_agent(struct mixed *x, const struct register_agent *base, const struct sched_value *v)
{
	const struct register_mores *b = &base->mores;
	struct more m = more_new(8 + v->n_slots + v->n_held + v->n_decisions * (1 + (size_t)SCHED_STEPS_MAX));

	put(x, &m, b, (struct register_key){REGISTER_VALUE, 0, {0, 0}});
	put(x, &m, b, (struct register_key){REGISTER_ROLLOUT, 0, {0, 0}});
	put(x, &m, b, (struct register_key){REGISTER_COOLDOWNS, 0, {0, 0}});
	put(x, &m, b, (struct register_key){REGISTER_DEFINITION, v->now.version, {0, 0}});
	if (v->before.version != v->now.version)
		put(x, &m, b, (struct register_key){REGISTER_DEFINITION, v->before.version, {0, 0}});
	for (uint64_t i = 0; i < SCHED_COOLDOWN_MAX; i++)
		put(x, &m, b, (struct register_key){REGISTER_COOLDOWN, i, {0, 0}});
	for (size_t i = 0; i < v->n_slots; i++)
		put(x, &m, b, (struct register_key){REGISTER_SLOT, v->slots[i].number, {0, 0}});
	for (size_t i = 0; i < v->n_held; i++)
		put(x, &m, b, (struct register_key){REGISTER_HELD, v->held[i].number, v->held[i].node});
	for (size_t i = 0; i < v->n_decisions; i++) {
		const struct sched_decision *d = &v->decisions[i];

		put(x, &m, b, (struct register_key){REGISTER_DECISION, d->number, {0, 0}});
		for (uint32_t k = 0; k < MIN(d->n_steps, (uint32_t)SCHED_STEPS_MAX); k++)
			put(x, &m, b, (struct register_key){REGISTER_STEP, d->number, {.lo = k}});
	}
	return m;
}

static void put_nodes(struct mixed *x, struct more *m, const struct register_mores *b, enum register_part part,
	const struct register_nodes *s)
{
	for (size_t i = 0; i < s->n; i++)
		put(x, m, b, (struct register_key){part, 0, s->v[i]});
}

static struct more more_of_root(struct mixed *x, const struct register_root *r)
{
	struct more m = more_new(3 + r->draining.n + r->forgotten.n + r->leaving.n);

	put(x, &m, &r->mores, (struct register_key){REGISTER_VALUE, 0, {0, 0}});
	put(x, &m, &r->mores, (struct register_key){REGISTER_CFG, 0, {0, 0}});
	put(x, &m, &r->mores, (struct register_key){REGISTER_TIMES, 0, {0, 0}});
	put_nodes(x, &m, &r->mores, REGISTER_DRAINING, &r->draining);
	put_nodes(x, &m, &r->mores, REGISTER_FORGOTTEN, &r->forgotten);
	put_nodes(x, &m, &r->mores, REGISTER_LEAVING, &r->leaving);
	return m;
}

/* ---- what is written ---- */

/* Where min_version is, of one byte here: behind an agent's leases; of the root behind the head and the kind. */
static uint8_t *form_of(struct msg_bytes value)
{
	struct msg_bytes leases;
	size_t at = value.v[0] == 0xdc ? 4 : 2;

	if (register_agent_leases(value, &leases))
		at = (size_t)(leases.v + leases.n - value.v);
	return (uint8_t *)value.v + at;
}

static bool is_of(const struct mixed *x, struct msg_bytes text)
{
	char head[24];
	size_t n = (size_t)snprintf(head, sizeof(head), "name: %s\n", x->agent);

	return text.n >= n && memcmp(text.v, head, n) == 0;
}

/* is_it: a value of the register that is meant. */
static void set_form(
	struct mixed *x, const struct sim_node *n, bool is_it, struct msg_bytes base, struct msg_bytes value)
{
	bool has = base.n > 0 && *form_of(base) == MIXED_FORM;
	bool raises =
		!has && is_it && base.n > 0 && x->raises && !n->sim->whole->calm && rng_below(&x->rng, RAISES_OF) == 0;

	if (!has && !raises)
		return;
	x->raised |= raises;
	*form_of(value) = MIXED_FORM; /* it was just written */
}

static int write_newer(struct mixed *x, const struct sim_node *n, AGENT_WRITE)
{
	struct more m = more_of_agent(x, base, v);
	struct register_agent with = *base;
	int rc;

	with.mores = sorted(&m);
	rc = __real_register_agent_write(&with, v, text, out, cap, ret_n, e);
	if (rc == 0) {
		set_form(x, n, !x->is_root && is_of(x, base->now), base->bytes, (struct msg_bytes){out, *ret_n});
		mixed_wrote(x, n, (struct msg_bytes){out, *ret_n});
		mixed_said(n, true, (struct msg_bytes){out, *ret_n}, &with.mores);
	}
	more_done(&m);
	return rc;
}

int __wrap_register_agent_write(AGENT_WRITE)
{
	struct sim_node *n;
	struct mixed *x = mixed_at_work(&n);
	int rc;

	if (x && n->newer)
		return write_newer(x, n, base, v, text, out, cap, ret_n, e);
	rc = __real_register_agent_write(base, v, text, out, cap, ret_n, e);
	if (x && rc == 0)
		mixed_wrote(x, n, (struct msg_bytes){out, *ret_n});
	return rc;
}

static int write_newer_root(struct mixed *x, const struct sim_node *n, ROOT_WRITE)
{
	struct more m = more_of_root(x, r);
	struct register_root with = *r;
	int rc;

	with.mores = sorted(&m);
	rc = __real_register_root_write(&with, out, cap, ret_n, e);
	if (rc == 0) {
		set_form(x, n, x->is_root, r->bytes, (struct msg_bytes){out, *ret_n});
		mixed_wrote(x, n, (struct msg_bytes){out, *ret_n});
		mixed_said(n, false, (struct msg_bytes){out, *ret_n}, &with.mores);
	}
	more_done(&m);
	return rc;
}

int __wrap_register_root_write(ROOT_WRITE)
{
	struct sim_node *n;
	struct mixed *x = mixed_at_work(&n);
	int rc;

	if (x && n->newer)
		return write_newer_root(x, n, r, out, cap, ret_n, e);
	rc = __real_register_root_write(r, out, cap, ret_n, e);
	if (x && rc == 0)
		mixed_wrote(x, n, (struct msg_bytes){out, *ret_n});
	return rc;
}

/* It reads and writes within its own file: N+1's is made of ours. */
static bool put_newer(CFG_PUT)
{
	struct register_put *to = ctx;
	struct register_root r;
	size_t n;
	int rc;

	if (__wrap_register_root_read(&r, &to->mem, value, NULL) < 0)
		return false;
	r.cfg = *cfg;
	rc = __wrap_register_root_write(&r, to->out, to->cap, &n, NULL);
	register_root_done(&r);
	if (rc < 0)
		return false;
	*ret = (struct msg_bytes){.v = to->out, .n = n};
	return true;
}

bool __wrap_register_cfg_put(CFG_PUT)
{
	struct sim_node *n;
	struct mixed *x = mixed_at_work(&n);

	if (x && n->newer)
		return put_newer(ctx, value, cfg, ret);
	if (!__real_register_cfg_put(ctx, value, cfg, ret))
		return false;
	if (x)
		mixed_wrote(x, n, *ret);
	return true;
}
