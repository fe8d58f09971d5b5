/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of a newer version: each array that may have more fields has some, and what is made of such a value by a node
 * that does not know them has them again, byte for byte, where what they belong to is still there.
 *
 * A value is made newer by going through its bytes: to every array of a kind that may grow the same is added that tells
 * what it belongs to. So what must come out is known: the plain next value, made newer in the same way, but for what is
 * new in it.
 */
#include <errno.h>

#include "node/mp.h"
#include "node/register_root.h"
#include "tests/lib/register_bed.h"

enum at {
	LEAF,
	AGENT,
	SLOTS,
	SLOT,
	DEFINITION,
	ROLLOUT,
	COOLDOWNS,
	COOLDOWN,
	HELDS,
	HELD,
	DECISIONS,
	DECISION,
	STEPS,
	STEP,
	ROOT,
	CFG,
	TIMES,
	NODES,
	NODE,
	AT_MAX
};

/* What is at the i-th place of it. */
static enum at child(enum at at, size_t i)
{
	static const enum at agent[REGISTER_AGENT_FIELDS] = {[5] = SLOTS,
		[7] = DEFINITION,
		[8] = DEFINITION,
		[14] = ROLLOUT,
		[15] = COOLDOWNS,
		[16] = HELDS,
		[17] = DECISIONS};
	static const enum at root[] = {[3] = CFG, [4] = TIMES, [10] = NODES, [11] = NODES, [14] = NODES};
	static const enum at rows[AT_MAX] = {[SLOTS] = SLOT,
		[COOLDOWNS] = COOLDOWN,
		[HELDS] = HELD,
		[DECISIONS] = DECISION,
		[STEPS] = STEP,
		[NODES] = NODE};

	if (at == AGENT)
		return i < ARRAY_LEN(agent) ? agent[i] : LEAF;
	if (at == ROOT)
		return i < ARRAY_LEN(root) ? root[i] : LEAF;
	if (at == DECISION)
		return i == 17 ? STEPS : LEAF;
	return rows[at];
}

static bool grows(enum at at)
{
	return at != LEAF && at != SLOTS && at != HELDS && at != DECISIONS && at != STEPS && at != NODES;
}

struct newer {
	struct mp_writer w;
	struct bytes *out;
	uint64_t parent; /* in the place of the parent that is there, when it is not 0 */
	/* What is not there in the value that was newer: by its first field. */
	uint64_t new_slot, new_version, new_decision;
};

static bool is_new(const struct newer *g, enum at at, uint64_t first)
{
	return (at == SLOT && first == g->new_slot) || (at == DEFINITION && first == g->new_version) ||
	       (at == DECISION && first == g->new_decision);
}

static void copy(struct newer *g, struct unpack *u)
{
	size_t from = u->at;

	assert_int_equal(unpack_skip(u, 8, u->n, NULL), 0);
	(void)bytes_add(g->out, u->v + from, u->at - from); /* failed tells */
}

/* The first field of the array whose head was read. */
static uint64_t first_of(struct unpack u)
{
	struct unpack_head h;

	assert_int_equal(unpack_next(&u, &h, NULL), 0);
	return h.kind == UNPACK_UINT ? h.number : 0;
}

static void grow(struct newer *g, struct unpack *u, enum at at, uint64_t of)
{
	struct unpack_head h;
	struct unpack peek = *u;
	uint64_t first;
	bool more;

	assert_int_equal(unpack_next(&peek, &h, NULL), 0);
	if (at == LEAF || h.kind != UNPACK_ARRAY) {
		copy(g, u);
		return;
	}
	*u = peek;
	first = h.number && at != ROLLOUT && at != CFG ? first_of(*u) : 0; /* those two are what they are of */
	more = grows(at) && !is_new(g, at, first) && !(at == STEP && of == g->new_decision);
	mp_array(&g->w, h.number + (more ? 2 : 0));
	for (size_t i = 0; i < h.number; i++) {
		if (g->parent && ((at == AGENT && i == 3) || (at == ROOT && i == 2))) {
			assert_int_equal(unpack_skip(u, 1, 1, NULL), 0);
			mp_uint(&g->w, g->parent);
			continue;
		}
		grow(g, u, child(at, i), at == DECISION ? first : at == STEPS ? of : i);
	}
	if (!more)
		return;
	/* A map, with what it belongs to; and an array in an array. */
	mp_map(&g->w, 1);
	mp_key_int(&g->w, "of", (int64_t)at);
	mp_array(&g->w, 1);
	mp_array(&g->w, 2);
	mp_uint(&g->w, first);
	mp_str(&g->w, "more");
}

static struct msg_bytes made_newer(struct bytes *out, struct msg_bytes plain, enum at at, struct newer g)
{
	struct unpack u = {.v = plain.v, .n = plain.n};

	bytes_init(out, MSG_VALUE_MAX);
	g.out = out;
	mp_writer_init(&g.w, out);
	grow(&g, &u, at, 0);
	assert_false(out->failed);
	assert_int_equal(u.at, u.n);
	return (struct msg_bytes){.v = (const uint8_t *)out->v, .n = out->n};
}

static const struct newer nothing_new = {.new_slot = UINT64_MAX, .new_version = UINT64_MAX, .new_decision = UINT64_MAX};

static uint8_t plain_out[MSG_VALUE_MAX], next_out[MSG_VALUE_MAX], out[MSG_VALUE_MAX];
static struct sched_slot slots[64], next_slots[64];
static struct sched_held held[16], next_held[16];
static struct sched_value value = {.slots = slots, .cap_slots = 64, .held = held, .cap_held = 16};

static struct msg_bytes write_next(const struct register_agent *base, const struct sched_value *v, uint8_t *to)
{
	struct err e = {0};
	size_t n = 0;

	if (register_agent_write(base, v, rbed_text("new"), to, MSG_VALUE_MAX, &n, &e) < 0)
		fail_msg("%s", e.text);
	return (struct msg_bytes){to, n};
}

static void read_all(struct register_agent *a, const struct value_mem *mem, struct msg_bytes bytes)
{
	struct err e = {0};

	if (register_agent_read(a, mem, bytes, &e) < 0)
		fail_msg("%s", e.text);
}

/* Something of each kind changes, goes and comes. Returns what is new in it. */
static struct newer change(struct rng *r, struct sched_value *v)
{
	struct newer g = nothing_new;
	struct sched_slot *s = &v->slots[rng_below(r, v->n_slots)];

	if (s->state == SCHED_RUN) {
		s->node = rbed_node(r, 50);
		s->epoch = v->next_epoch++;
		if (sched_same_node(s->node, s->from))
			s->from = (struct sched_node){0};
	}
	sched_slot_drop(v, &v->slots[rng_below(r, v->n_slots)]);
	g.new_slot = 5000;
	s = sched_slot_add(v, 5000);
	assert_non_null(s);
	s->version = v->now.version;
	if (rng_below(r, 2)) {
		g.new_version = v->next_version;
		v->before = v->now;
		v->now = (struct sched_def){.version = v->next_version++, .spec = &rbed_spec};
	}
	v->rollout.state = SCHED_ROLLOUT_PAUSED;
	v->n_held -= v->n_held > 0;
	v->cooldowns[SCHED_COOLDOWN_UP].length_ms = 7;
	g.new_decision = ++v->number;
	if (v->n_decisions == SCHED_DECISIONS_MAX) {
		v->n_decisions--;
		memmove(&v->decisions[0], &v->decisions[1], v->n_decisions * sizeof(v->decisions[0]));
	}
	rbed_decision(r, &v->decisions[v->n_decisions++], v->number, 50);
	sched_add_op(v, "the newest");
	rbed_specs(v);
	sched_check(v);
	return g;
}

static void test_more_is_carried_over(void **state)
{
	CLEANUP(bytes_done) struct bytes a = {0}, b = {0}, c = {0};
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent none, plain, newer;
	struct msg_bytes was, was_newer, is, is_newer, want;
	struct sched_value next;
	struct newer g;
	struct rng r;

	(void)state;
	read_all(&none, &mem, (struct msg_bytes){0});
	for (uint64_t seed = 1; seed <= 500; seed++) {
		rng_seed(&r, seed);
		do
			rbed_random(&r, &value, 20, 8, 12);
		while (value.removed);
		was = write_next(&none, &value, plain_out);
		was_newer = made_newer(&a, was, AGENT, nothing_new);
		assert_true(was_newer.n > was.n + 20 * 13);
		read_all(&plain, &mem, was);
		read_all(&newer, &mem, was_newer);
		assert_true(rbed_same(&plain.v, &newer.v));
		/* Nothing changes: it is as it was, but for its parent. */
		is_newer = write_next(&newer, &newer.v, out);
		g = nothing_new;
		g.parent = register_hash(was_newer);
		want = made_newer(&b, was, AGENT, g);
		assert_int_equal(is_newer.n, want.n);
		assert_memory_equal(is_newer.v, want.v, want.n);
		/* Something does. */
		sched_init(&next, next_slots, 64, next_held, 16);
		assert_true(sched_copy(&next, &newer.v));
		g = change(&r, &next);
		g.parent = register_hash(was_newer);
		is_newer = write_next(&newer, &next, out);
		is = write_next(&plain, &next, next_out);
		want = made_newer(&c, is, AGENT, g);
		assert_int_equal(is_newer.n, want.n);
		assert_memory_equal(is_newer.v, want.v, want.n);
		register_agent_done(&plain);
		register_agent_done(&newer);
		bytes_done(&a);
		bytes_done(&b);
		bytes_done(&c);
	}
	register_agent_done(&none);
	assert_int_equal(n, 0);
}

static void test_no_memory_for_more(void **state)
{
	CLEANUP(bytes_done) struct bytes a = {0};
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent none, newer;
	struct msg_bytes bytes;
	struct rng r;
	struct err e;

	(void)state;
	read_all(&none, &mem, (struct msg_bytes){0});
	rng_seed(&r, 4);
	rbed_random(&r, &value, 4, 2, 3);
	bytes = made_newer(&a, write_next(&none, &value, plain_out), AGENT, nothing_new);
	OOM_LOOP (o) {
		int rc = register_agent_read(&newer, &mem, bytes, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		if (rc == 0)
			register_agent_done(&newer);
		assert_int_equal(n, 0);
	}
}

/* A form that is not known here: what is known of it is read, voters too, and nothing is proposed on it. */
static void test_min_version(void **state)
{
	size_t n = 0, len, at = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent none, a;
	struct msg_bytes bytes;
	struct msg_slot s;
	struct err e;

	(void)state;
	read_all(&none, &mem, (struct msg_bytes){0});
	sched_init(&value, slots, 64, held, 16);
	value.number = 1;
	value.now = (struct sched_def){.version = 1, .spec = &rbed_spec};
	value.next_version = 2;
	value.next_epoch = 5;
	assert_non_null(sched_slot_add(&value, 3));
	slots[0] = (struct sched_slot){
		.number = 3, .version = 1, .state = SCHED_RUN, .leased = true, .node = {1, 2}, .epoch = 4};
	value.n_decisions = 1;
	value.decisions[0] = (struct sched_decision){.number = 1};
	bytes = write_next(&none, &value, plain_out);
	assert_int_equal(plain_out[34], 1);
	plain_out[34] = 7;
	read_all(&a, &mem, bytes);
	assert_int_equal(a.min_version, 7);
	assert_int_equal(a.v.n_slots, 1);
	assert_true(register_agent_slot(bytes, &at, &s) && s.slot == 3);
	assert_int_equal(register_agent_write(&a, &a.v, (struct msg_bytes){0}, out, sizeof(out), &len, &e), -ENOTSUP);
	assert_string_equal(e.text, "the value asks for version 7 of its form, and 1 is the newest here");
	register_agent_done(&a);
}

/* ---- the root ---- */

static void make_root(struct register_root *r, const struct value_mem *mem)
{
	register_root_init(r, mem);
	r->cluster.v[0] = 1;
	(void)snprintf(r->name, sizeof(r->name), "east"); /* fits */
	r->cfg = (struct quorum_cfg){.epoch = 3, .old = {.n = 1, .v = {{{7}}}}};
	r->times = REGISTER_DEFAULT_TIMES;
	for (uint64_t i = 1; i <= 4; i++) {
		assert_int_equal(register_nodes_add(r, &r->draining, (struct sched_node){i, i}), 0);
		assert_int_equal(register_nodes_add(r, &r->forgotten, (struct sched_node){i << 40, i}), 0);
		assert_int_equal(register_nodes_add(r, &r->leaving, (struct sched_node){i << 20, i}), 0);
	}
	(void)snprintf(r->ops[r->n_ops++], sizeof(r->ops[0]), "first"); /* fits */
}

static struct msg_bytes write_root(const struct register_root *r, uint8_t *to)
{
	struct err e = {0};
	size_t n = 0;

	if (register_root_write(r, to, MSG_VALUE_MAX, &n, &e) < 0)
		fail_msg("%s", e.text);
	return (struct msg_bytes){to, n};
}

/* voters_config.cfg_put, and a node that drains no more. */
static void test_more_of_the_root(void **state)
{
	CLEANUP(bytes_done) struct bytes a = {0}, b = {0}, c = {0};
	const struct quorum_cfg joint = {
		.epoch = 4, .old = {.n = 1, .v = {{{7}}}}, .next = {.n = 3, .v = {{{7}}, {{8}}, {{9}}}}};
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_put put = {.mem = mem, .out = out, .cap = sizeof(out)};
	struct register_root r;
	struct msg_bytes was, was_newer, is, want;
	struct newer g = nothing_new;
	struct register_mores mores;
	struct err e;

	(void)state;
	make_root(&r, &mem);
	was = write_root(&r, plain_out);
	was_newer = made_newer(&a, was, ROOT, nothing_new);
	assert_true(register_cfg_put(&put, was_newer, &joint, &is));
	r.cfg = joint;
	g.parent = register_hash(was_newer);
	want = made_newer(&b, write_root(&r, plain_out), ROOT, g);
	assert_int_equal(is.n, want.n);
	assert_memory_equal(is.v, want.v, want.n);
	register_root_done(&r);
	assert_int_equal(register_root_read(&r, &mem, want, &e), 0);
	register_nodes_drop(&r.draining, (struct sched_node){2, 2});
	assert_int_equal(r.draining.n, 3);
	is = write_root(&r, out);
	/* Without it, as if it had never been there; what it had is gone. */
	mores = r.mores;
	r.mores = (struct register_mores){0};
	g.parent = register_hash(want);
	want = made_newer(&c, write_root(&r, plain_out), ROOT, g);
	r.mores = mores;
	assert_int_equal(is.n, want.n);
	assert_memory_equal(is.v, want.v, want.n);
	register_root_done(&r);
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_more_is_carried_over),
		cmocka_unit_test(test_no_memory_for_more),
		cmocka_unit_test(test_min_version),
		cmocka_unit_test(test_more_of_the_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
