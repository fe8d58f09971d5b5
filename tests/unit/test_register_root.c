/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/register_root: what the cluster agrees on about itself, to bytes and back, and what voters read of them.
 */
#include <errno.h>

#include "node/register_reader.h"
#include "node/register_root.h"
#include "tests/lib/register_bed.h"

static uint8_t out[MSG_VALUE_MAX], again[MSG_VALUE_MAX];

static const uint8_t golden[] = {
	0x9f, 0x02, 0x01, 0x00, 0x93, 0x05, /* a root's; min_version, parent; voters: epoch 5 … */
	0xc4, 0x10, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* … 07 … */
	0xc4, 0x20, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* … next 07 … */
	8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,		    /* … and 08 */
	0x93, 0xcd, 0x07, 0xd0, 0xcd, 0x01, 0xf4, 0xcd, 0x0c, 0x1c, /* times: 2000, 500, 3100 */
	0xc4, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* cluster 01 */
	0xa4, 'e', 'a', 's', 't', 0x03, 0xa4, 'z', 'o', 'n', 'e',   /* its name; 3 voters over zones */
	0x02,							    /* feature level */
	0x91, 0x91, 0xc4, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0x01, /* draining: 0a … 01 */
	0x90, 0x91, 0xc4, 0x01, 'x', /* forgotten: none; operations: x */
	0xcd, 0x03, 0xe9,	     /* dead voters are replaced after 1001 ms */
	0x91, 0x91, 0xc4, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0, 0, 0, 0, 0, 0, 0, 0x01, /* leaving: 0b … 01 */
};
#define GOLDEN_FIRST (sizeof(golden) - 23) /* without the fields that came later */

static void make_root(struct register_root *r, const struct value_mem *mem)
{
	register_root_init(r, mem);
	r->cluster.v[0] = 1;
	(void)snprintf(r->name, sizeof(r->name), "east"); /* fits; so below */
	r->cfg = (struct quorum_cfg){.epoch = 5, .old = {.n = 1, .v = {{{7}}}}, .next = {.n = 2, .v = {{{7}}, {{8}}}}};
	r->voters = 3;
	(void)snprintf(r->spread, sizeof(r->spread), "zone");
	r->times = REGISTER_DEFAULT_TIMES;
	r->feature_level = 2;
	assert_int_equal(register_nodes_add(r, &r->draining, (struct sched_node){0xa, 1}), 0);
	(void)snprintf(r->ops[r->n_ops++], sizeof(r->ops[0]), "x");
	r->replace_after_ms = 1001;
	assert_int_equal(register_nodes_add(r, &r->leaving, (struct sched_node){0xb, 1}), 0);
}

static bool same(const struct register_nodes *a, const struct register_nodes *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

static void check_round(struct register_root *r, const struct value_mem *mem)
{
	struct register_root a;
	struct err e = {0};
	size_t n = 0, k = 0;

	if (register_root_write(r, out, sizeof(out), &n, &e) < 0 ||
		register_root_read(&a, mem, (struct msg_bytes){out, n}, &e) < 0)
		fail_msg("%s", e.text);
	assert_memory_equal(&a.cluster, &r->cluster, sizeof(a.cluster));
	assert_string_equal(a.name, r->name);
	assert_string_equal(a.spread, r->spread);
	assert_true(quorum_same(&a.cfg, &r->cfg));
	assert_memory_equal(&a.times, &r->times, sizeof(a.times));
	assert_int_equal(a.voters, r->voters);
	assert_int_equal(a.feature_level, r->feature_level);
	assert_true(same(&a.draining, &r->draining) && same(&a.forgotten, &r->forgotten));
	assert_true(same(&a.leaving, &r->leaving));
	assert_int_equal(a.replace_after_ms, r->replace_after_ms);
	assert_int_equal(a.n_ops, r->n_ops);
	for (size_t i = 0; i < a.n_ops; i++)
		assert_string_equal(a.ops[i], r->ops[i]);
	assert_int_equal(register_root_write(&a, again, sizeof(again), &k, &e), 0);
	register_root_done(&a);
	assert_int_equal(register_root_read(&a, mem, (struct msg_bytes){again, k}, &e), 0);
	assert_int_equal(a.parent, register_hash((struct msg_bytes){out, n}));
	register_root_done(&a);
}

static void test_golden(void **state)
{
	size_t held = 0, n = 0;
	struct value_mem mem = rbed_mem(&held);
	struct quorum_cfg cfg;
	struct value_times times;
	struct msg_bytes bytes = {golden, sizeof(golden)};
	struct register_root r;
	struct msg_slot s;
	struct err e;
	size_t at = 0;

	(void)state;
	make_root(&r, &mem);
	assert_int_equal(register_root_write(&r, out, sizeof(out), &n, &e), 0);
	for (size_t i = 0; i < MIN(n, sizeof(golden)); i++)
		if (out[i] != golden[i])
			fail_msg("byte %zu is 0x%02x, not 0x%02x", i, out[i], golden[i]);
	assert_int_equal(n, sizeof(golden));
	check_round(&r, &mem);
	assert_true(register_reader.cfg_get(NULL, bytes, &cfg) && quorum_same(&cfg, &r.cfg));
	assert_true(register_reader.times_get(NULL, bytes, &times));
	assert_int_equal(times.lv_ms, 3100);
	assert_false(register_reader.slot_next(NULL, bytes, &at, &s));
	register_root_done(&r);
	assert_int_equal(held, 0);
}

/* As the first version wrote them: read, and written with all fields. */
static void test_without_the_later_fields(void **state)
{
	size_t held = 0;
	struct value_mem mem = rbed_mem(&held);
	struct register_root r;
	struct err e;

	(void)state;
	for (uint8_t fields = 13; fields < 15; fields++) {
		size_t n = fields == 13 ? GOLDEN_FIRST : GOLDEN_FIRST + 3;

		memcpy(out, golden, n);
		out[0] = 0x90 | fields;
		assert_int_equal(register_root_read(&r, &mem, (struct msg_bytes){out, n}, &e), 0);
		assert_int_equal(r.replace_after_ms, fields == 13 ? REGISTER_REPLACE_MS : 1001);
		assert_int_equal(r.leaving.n, 0);
		assert_string_equal(r.ops[0], "x");
		r.bytes.n = 0; /* borrowed, and `out` is used again */
		check_round(&r, &mem);
		register_root_done(&r);
		assert_int_equal(held, 0);
	}
}

static void test_roots_by_chance(void **state)
{
	size_t held = 0;
	struct value_mem mem = rbed_mem(&held);
	struct register_root r;
	struct rng rng;

	(void)state;
	for (uint64_t seed = 1; seed <= 500; seed++) {
		rng_seed(&rng, seed);
		make_root(&r, &mem);
		r.cfg.epoch = 1 + rbed_number(&rng, BALLOT_COUNTER_MAX - 1);
		r.cfg.next.n = (uint8_t)rng_below(&rng, QUORUM_VOTERS_MAX + 1);
		for (uint8_t i = 0; i < r.cfg.next.n; i++)
			r.cfg.next.v[i] = (struct uuid){{(uint8_t)(1 + i), (uint8_t)rng_below(&rng, 256)}};
		r.times.tf_ms = 1 + (uint32_t)rbed_number(&rng, MSG_TF_MAX_MS);
		r.times.lv_ms = value_guard_ms(r.times.tf_ms, r.times.kill_ms) + (uint32_t)rbed_number(&rng, 1000);
		r.voters = (uint32_t)rng_below(&rng, QUORUM_VOTERS_MAX + 1);
		r.replace_after_ms = REGISTER_REPLACE_MIN_MS + (uint32_t)rbed_number(&rng, REGISTER_REPLACE_MAX_MS);
		r.replace_after_ms = MIN(r.replace_after_ms, (uint32_t)REGISTER_REPLACE_MAX_MS);
		r.feature_level = (uint32_t)rbed_number(&rng, UINT32_MAX);
		for (size_t i = rng_below(&rng, 60); i-- > 0;) {
			assert_int_equal(register_nodes_add(&r, &r.draining, rbed_node(&rng, 40)), 0);
			assert_int_equal(register_nodes_add(&r, &r.forgotten, rbed_node(&rng, 400)), 0);
			assert_int_equal(register_nodes_add(&r, &r.leaving, rbed_node(&rng, 90)), 0);
			register_nodes_drop(&r.draining, rbed_node(&rng, 40));
		}
		r.n_ops = rng_below(&rng, SCHED_OPS_MAX + 1);
		for (size_t i = 0; i < r.n_ops; i++)
			(void)snprintf(r.ops[i], sizeof(r.ops[i]), "%zu", i); /* fits */
		check_round(&r, &mem);
		register_root_done(&r);
	}
	assert_int_equal(held, 0);
}

static bool is_read(const uint8_t *v, size_t len)
{
	size_t held = 0;
	struct value_mem mem = rbed_mem(&held);
	struct msg_bytes bytes = {v, len};
	struct quorum_cfg cfg = {0};
	struct value_times times = {0};
	struct register_root r;
	struct err e = {0};
	int rc = register_root_read(&r, &mem, bytes, &e);

	if (rc < 0) {
		assert_int_equal(rc, -EBADMSG);
		assert_true(e.text[0] != '\0');
		assert_int_equal(held, 0);
		(void)register_reader.cfg_get(NULL, bytes, &cfg); /* whatever they say */
		(void)register_reader.times_get(NULL, bytes, &times);
		return false;
	}
	assert_null(register_root_fault(&r));
	assert_true(register_reader.cfg_get(NULL, bytes, &cfg) && quorum_same(&cfg, &r.cfg));
	assert_true(register_reader.times_get(NULL, bytes, &times) && times.lv_ms == r.times.lv_ms);
	register_root_done(&r);
	assert_int_equal(held, 0);
	return true;
}

static void test_any_byte_may_be_wrong(void **state)
{
	uint8_t v[sizeof(golden) + 1];
	size_t good = 0;

	(void)state;
	for (size_t n = 1; n < sizeof(golden); n++) {
		uint8_t *cut = malloc(n);

		memcpy(cut, golden, n);
		assert_false(is_read(cut, n));
		free(cut);
	}
	memcpy(v, golden, sizeof(golden));
	v[sizeof(golden)] = 0xc0;
	assert_false(is_read(v, sizeof(v)));
	for (size_t i = 0; i < sizeof(golden); i++)
		for (unsigned byte = 0; byte < 256; byte++) {
			memcpy(v, golden, sizeof(golden));
			v[i] = (uint8_t)byte;
			good += is_read(v, sizeof(golden));
		}
	assert_true(good > sizeof(golden));
}

static void test_times(void **state)
{
	struct value_times t = REGISTER_DEFAULT_TIMES;

	(void)state;
	assert_null(register_times_fault(&t));
	t.lv_ms = 3055; /* 2500 · 11 / 9 is 3055.6 */
	assert_string_equal(register_times_fault(&t), "voters guard a lease for less than its holder may run");
	t.lv_ms = 3056;
	assert_null(register_times_fault(&t));
	t = REGISTER_SLOW_TIMES;
	assert_null(register_times_fault(&t));
	t.tf_ms = MSG_TF_MAX_MS + 1;
	assert_non_null(register_times_fault(&t));
	t = (struct value_times){.tf_ms = 2000, .lv_ms = 3100};
	assert_non_null(register_times_fault(&t));
	t = (struct value_times){.tf_ms = 2000, .kill_ms = 500, .lv_ms = 600001};
	assert_non_null(register_times_fault(&t));
}

/* Each is refused in words, and nothing is written. */
static void test_faults(void **state)
{
	size_t held = 0, n = 77;
	struct value_mem mem = rbed_mem(&held);
	struct register_root r, was;
	struct err e;

	(void)state;
	make_root(&was, &mem);
	for (int i = 0; i < 9; i++) {
		r = was;
		if (i == 0)
			r.cfg = (struct quorum_cfg){0};
		else if (i == 1)
			r.cfg.next.v[1] = r.cfg.next.v[0];
		else if (i == 2)
			r.cluster = (struct uuid){0};
		else if (i == 3)
			r.voters = QUORUM_VOTERS_MAX + 1;
		else if (i == 4)
			r.times.lv_ms = 0;
		else if (i == 5)
			r.ops[0][0] = '\0';
		else if (i == 7)
			r.replace_after_ms = REGISTER_REPLACE_MIN_MS - 1;
		else if (i == 8)
			r.replace_after_ms = REGISTER_REPLACE_MAX_MS + 1;
		else
			r.min_version = REGISTER_VERSION + 1;
		e = (struct err){0};
		assert_int_equal(register_root_write(&r, out, sizeof(out), &n, &e), i == 6 ? -ENOTSUP : -EINVAL);
		assert_true(e.text[0] != '\0');
	}
	assert_int_equal(register_root_write(&was, out, sizeof(golden) - 1, &n, &e), -EMSGSIZE);
	assert_int_equal(n, 77);
	register_root_done(&was);
}

static void test_nodes_are_bounded(void **state)
{
	size_t held = 0;
	struct value_mem mem = rbed_mem(&held);
	struct register_root r;

	(void)state;
	make_root(&r, &mem);
	for (uint64_t i = 0; i < REGISTER_NODES_MAX; i++) {
		assert_int_equal(register_nodes_add(&r, &r.forgotten, (struct sched_node){i ^ 0x155, 5}), 0);
		assert_int_equal(register_nodes_add(&r, &r.forgotten, (struct sched_node){i ^ 0x155, 5}), 0);
		if (i >= 1)
			assert_int_equal(register_nodes_add(&r, &r.draining, (struct sched_node){i, 5}), 0);
		if (i >= 1)
			assert_int_equal(register_nodes_add(&r, &r.leaving, (struct sched_node){i, 7}), 0);
	}
	assert_int_equal(r.draining.n, REGISTER_NODES_MAX);
	assert_int_equal(register_nodes_add(&r, &r.forgotten, (struct sched_node){1 << 20, 5}), -ENOSPC);
	assert_int_equal(register_nodes_add(&r, &r.forgotten, (struct sched_node){3, 5}), 0);
	check_round(&r, &mem); /* all full, it fits */
	register_nodes_drop(&r.forgotten, (struct sched_node){3, 5});
	register_nodes_drop(&r.forgotten, (struct sched_node){3, 5});
	assert_false(register_nodes_has(&r.forgotten, (struct sched_node){3, 5}));
	assert_int_equal(r.forgotten.n, REGISTER_NODES_MAX - 1);
	register_root_done(&r);
	assert_int_equal(held, 0);
}

static void test_cfg_put(void **state)
{
	size_t held = 0;
	struct value_mem mem = rbed_mem(&held);
	struct register_put put = {.mem = mem, .out = out, .cap = sizeof(out)};
	const struct quorum_cfg stable = {.epoch = 6, .old = {.n = 2, .v = {{{7}}, {{8}}}}};
	struct quorum_cfg bad = stable, cfg;
	struct msg_bytes is = {0};
	struct register_root r;
	struct err e;

	(void)state;
	assert_true(register_cfg_put(&put, (struct msg_bytes){golden, sizeof(golden)}, &stable, &is));
	assert_true(register_reader.cfg_get(NULL, is, &cfg) && quorum_same(&cfg, &stable));
	assert_int_equal(register_root_read(&r, &mem, is, &e), 0);
	assert_string_equal(r.name, "east");
	assert_int_equal(r.parent, register_hash((struct msg_bytes){golden, sizeof(golden)}));
	register_root_done(&r);
	bad.old.v[1] = bad.old.v[0];
	assert_false(register_cfg_put(&put, (struct msg_bytes){golden, sizeof(golden)}, &bad, &is));
	assert_false(register_cfg_put(&put, (struct msg_bytes){golden, 20}, &stable, &is));
	assert_false(register_cfg_put(&put, (struct msg_bytes){0}, &stable, &is));
	put.cap = 100;
	assert_false(register_cfg_put(&put, (struct msg_bytes){golden, sizeof(golden)}, &stable, &is));
	put.cap = sizeof(out);
	OOM_LOOP (o) {
		bool done = register_cfg_put(&put, (struct msg_bytes){golden, sizeof(golden)}, &stable, &is);

		assert_int_equal(done, !oom_hit(&o));
		assert_int_equal(held, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_without_the_later_fields),
		cmocka_unit_test(test_roots_by_chance),
		cmocka_unit_test(test_any_byte_may_be_wrong),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_nodes_are_bounded),
		cmocka_unit_test(test_cfg_put),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
