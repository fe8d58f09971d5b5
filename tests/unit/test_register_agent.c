/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/register_agent: an agent's value to bytes and back, whatever is in it; what voters read of the bytes; and bytes
 * that are cut, changed, or too many. What is not known and carried over: test_register_more.c.
 */
#include <errno.h>

#include "node/register_reader.h"
#include "tests/lib/register_bed.h"
#include "tests/lib/sched_bed.h"

#define MANY 1000

static uint8_t out[MSG_VALUE_MAX], again[MSG_VALUE_MAX];
static struct sched_slot slots[SCHED_SLOTS_MAX];
static struct sched_held held[SCHED_HELD_MAX];
static struct sched_value value = {
	.slots = slots, .cap_slots = SCHED_SLOTS_MAX, .held = held, .cap_held = SCHED_HELD_MAX};

/* What never was, as what a first value is made from. */
static struct register_agent nothing(const struct value_mem *mem)
{
	struct register_agent a;
	struct err e = {0};

	assert_int_equal(register_agent_read(&a, mem, (struct msg_bytes){0}, &e), 0);
	return a;
}

/* Both definitions of a value are this text: bases without them ask for it once, for both versions. */
static struct msg_bytes write_value(const struct register_agent *base, const struct sched_value *v, uint8_t *to)
{
	struct err e = {0};
	size_t n = 0;
	int rc = register_agent_write(base, v, rbed_text("name: web\n"), to, MSG_VALUE_MAX, &n, &e);

	if (rc < 0)
		fail_msg("%s", e.text);
	return (struct msg_bytes){.v = to, .n = n};
}

/* Voters see the slots with a lease and an owner, and no others. */
static void check_leases(struct msg_bytes bytes, const struct sched_value *v)
{
	struct msg_slot s;
	size_t at = 0;

	for (size_t i = 0; i < v->n_slots; i++) {
		const struct sched_slot *is = &v->slots[i];

		if (!is->leased || is->state == SCHED_PENDING)
			continue;
		assert_true(register_reader.slot_next(NULL, bytes, &at, &s));
		assert_int_equal(s.slot, is->number);
		assert_int_equal(s.epoch, is->epoch);
		assert_true(sched_same_node(register_node_of(&s.owner), is->node));
	}
	assert_false(register_reader.slot_next(NULL, bytes, &at, &s));
}

static void check_round(const struct sched_value *v)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem), a;
	struct msg_bytes bytes = write_value(&base, v, out), twice;
	struct err e = {0};

	if (register_agent_read(&a, &mem, bytes, &e) < 0)
		fail_msg("%s", e.text);
	assert_true(rbed_same(v, &a.v));
	assert_int_equal(a.parent, 0);
	if (a.v.now.version)
		assert_memory_equal(a.now.v, "name: web\n", 10);
	rbed_specs(&a.v);
	sched_check(&a.v);
	check_leases(bytes, v);
	/* The same struct, the same bytes; what was read is the same struct, but that it has a parent now. */
	twice = write_value(&base, &a.v, again);
	assert_int_equal(twice.n, bytes.n);
	assert_memory_equal(twice.v, bytes.v, bytes.n);
	twice = write_value(&a, &a.v, again);
	register_agent_done(&a);
	assert_int_equal(register_agent_read(&a, &mem, twice, &e), 0);
	assert_int_equal(a.parent, register_hash(bytes));
	register_agent_done(&a);
	register_agent_done(&base);
	assert_int_equal(n, 0);
}

static void test_values_by_chance(void **state)
{
	struct rng r;

	(void)state;
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		rng_seed(&r, seed);
		rbed_random(&r, &value, rng_below(&r, 30), rng_below(&r, 10), 1 + rng_below(&r, 40));
		check_round(&value);
	}
	rng_seed(&r, 1);
	rbed_random(&r, &value, SCHED_SLOTS_MAX / 4, SCHED_HELD_MAX, 3000);
	check_round(&value);
}

/* ---- what is decided ---- */

static const struct sched_spec spec = {.surge = {.n = 1}, .failover_grace_ms = 20000, .timeout_ms = 30000};
static const struct sched_spec leased = {.leased = true, .failover_grace_ms = 20000, .timeout_ms = 30000};

static void test_values_that_were_decided(void **state)
{
	static struct bed b;
	struct rng r;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		rng_seed(&r, seed);
		bed_init(&b, "web");
		for (int i = 0; i < 5; i++)
			(void)bed_host(&b, "a");
		assert_true(bed_apply(&b, rng_below(&r, 2) ? &spec : &leased, 4));
		for (int i = 0; i < 60; i++) {
			size_t h = rng_below(&r, 5);

			if (rng_below(&r, 10) == 0)
				(void)bed_apply(&b, rng_below(&r, 2) ? &spec : &leased, (int64_t)rng_below(&r, 8));
			else if (rng_below(&r, 10) == 0)
				(void)bed_do(&b, rng_below(&r, 3) ? SCHED_EVENT_STOP : SCHED_EVENT_REMOVE);
			else if (rng_below(&r, 5) == 0)
				(void)bed_lose(&b, h);
			else if (rng_below(&r, 3) == 0)
				(void)bed_back(&b, h);
			bed_wait(&b, 2000);
			check_round(b.value);
		}
	}
}

static void test_a_removed_agent_keeps_no_definition(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem), a;
	struct msg_bytes bytes;
	struct err e;

	(void)state;
	sched_init(&value, slots, SCHED_SLOTS_MAX, held, SCHED_HELD_MAX);
	value.number = 9;
	value.now = (struct sched_def){.version = 3, .spec = &spec};
	value.next_version = 4;
	value.next_epoch = 77;
	value.removed = true;
	sched_add_op(&value, "that");
	bytes = write_value(&base, &value, out);
	assert_true(bytes.n < 50);
	assert_int_equal(register_agent_read(&a, &mem, bytes, &e), 0);
	assert_int_equal(a.v.now.version, 0);
	assert_int_equal(a.now.n, 0);
	assert_int_equal(a.v.next_version, 4);
	assert_int_equal(a.v.next_epoch, 77);
	assert_true(a.v.removed && sched_has_op(&a.v, "that"));
	register_agent_done(&a);
	/* While something of it must stop, it is needed. */
	assert_true(sched_slot_add(&value, 0));
	slots[0] = (struct sched_slot){.state = SCHED_STOP, .version = 3, .node = {1, 1}, .epoch = 5};
	assert_int_equal(register_agent_read(&a, &mem, write_value(&base, &value, out), &e), 0);
	assert_int_equal(a.v.now.version, 3);
	register_agent_done(&a);
	assert_int_equal(n, 0);
}

/* ---- the bytes themselves ---- */

/* Two slots, one with a lease; one decision. What is in it doc/PROTOCOL.md says in this order. */
static const uint8_t golden[] = {
	0xdc, 0x00, 0x14, 0x01,					    /* 20 fields, an agent's */
	0xc4, 0x1c,						    /* leases: */
	0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, /* slot 1, epoch 8 … */
	0x00, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0b, 0xbb, /* … of bbb */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,		    /* … */
	0x01, 0x00,						    /* min_version, parent */
	0xc4, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0xaa, /* nodes: aaa */
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,		    /* … */
	0x92,							    /* slots: */
	0x9d, 0x00, 0x02, 0x01, 0x01, 0xc2, 0xc2, 0x01, 0x07, 0x00, /* 0: aaa's at 7 … */
	0x00, 0x00, 0x01, 0x92, 0xcd, 0x01, 0xf4, 0xcd, 0x04, 0x00, /* … reserves 500 and 1024 */
	0x9d, 0x01, 0x02, 0x02, 0x08, 0xc3, 0xc2, 0x00, 0x00, 0x00, /* 1: under a lease, stops … */
	0x00, 0x00, 0x01, 0xc0,					    /* … the same reserve */
	0x01,							    /* number */
	0x92, 0x02, 0xc4, 0x0a, 'n', 'a', 'm', 'e', ':', ' ', 'w',  /* now: version 2 … */
	'e', 'b', '\n', 0xc0,					    /* … before: none */
	0x03, 0x09, 0x02, 0xc2, 0xc2,				    /* next version, epoch; desired; flags */
	0x94, 0x00, 0x00, 0x00, 0x00,				    /* rollout */
	0x93, 0x92, 0x01, 0xcd, 0xea, 0x60, 0x92, 0x00, 0x00, 0x92, /* pauses: one, for 60000 ms */
	0x00, 0x00,						    /* … */
	0x91, 0x94, 0xce, 0xff, 0xff, 0xff, 0xff, 0x01, 0x03, 0x01, /* earlier owners: some slot, aaa up to 3 */
	0x91, 0xdc, 0x00, 0x13, 0x01, 0x01, 0x04, 0xcd, 0x03, 0xe8, /* decision 1 by aaa, ballot 4, at 1 s … */
	0x01, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x02, /* … apply; 2 alive; version, desired … */
	0x00, 0x00, 0x01, 0x91, 0x98, 0x00, 0x01, 0x00, 0x02, 0xc2, /* … one step: placed, wanted, slot 0 … */
	0x01, 0x00, 0x07, 0xa2, 'o', 'k',			    /* … on aaa at 7; its text */
	0x91, 0xc4, 0x01, 'x',					    /* operations: x */
	0x02,							    /* fresh */
};

static void golden_value(struct sched_value *v)
{
	sched_init(v, slots, SCHED_SLOTS_MAX, held, SCHED_HELD_MAX);
	v->number = 1;
	v->now = (struct sched_def){.version = 2, .spec = &spec};
	v->next_version = 3;
	v->fresh = 2;
	v->next_epoch = 9;
	v->desired = 2;
	v->cooldowns[SCHED_COOLDOWN_EVEN] = (struct sched_cooldown){.decision = 1, .length_ms = 60000};
	v->n_slots = 2;
	slots[0] = (struct sched_slot){.version = 2,
		.state = SCHED_RUN,
		.why = SCHED_WHY_WANTED,
		.node = {0xaaa, 1},
		.epoch = 7,
		.decision = 1,
		.reserve = {500, 1024}};
	slots[1] = slots[0];
	slots[1].number = 1;
	slots[1].state = SCHED_STOP;
	slots[1].why = SCHED_WHY_STOPPED;
	slots[1].leased = true;
	slots[1].node = (struct sched_node){0xbbb, 2};
	slots[1].epoch = 8;
	v->n_held = 1;
	held[0] = (struct sched_held){.number = SCHED_ANY_SLOT, .node = {0xaaa, 1}, .epoch = 3, .decision = 1};
	v->n_decisions = 1;
	v->decisions[0] = (struct sched_decision){.number = 1,
		.by = {0xaaa, 1},
		.ballot = 4,
		.wall_ms = 1000,
		.event = SCHED_EVENT_APPLY,
		.alive = 2,
		.version = 2,
		.desired = 2,
		.n_steps = 1,
		.steps = {{.type = SCHED_STEP_PLACE,
			.why = SCHED_WHY_WANTED,
			.version = 2,
			.node = {0xaaa, 1},
			.epoch = 7}},
		.text = "ok"};
	sched_add_op(v, "x");
	sched_check(v);
}

static void test_golden(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem);
	struct msg_bytes bytes;

	(void)state;
	golden_value(&value);
	bytes = write_value(&base, &value, out);
	for (size_t i = 0; i < MIN(bytes.n, sizeof(golden)); i++)
		if (bytes.v[i] != golden[i])
			fail_msg("byte %zu is 0x%02x, not 0x%02x", i, bytes.v[i], golden[i]);
	assert_int_equal(bytes.n, sizeof(golden));
	check_round(&value);
}

/* What is read is good, whatever the bytes are, and voters agree with it. */
static bool is_read(const uint8_t *v, size_t len)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct msg_bytes bytes = {.v = v, .n = len};
	struct register_agent a;
	struct err e = {0};
	int rc = register_agent_read(&a, &mem, bytes, &e);

	if (rc < 0) {
		assert_int_equal(rc, -EBADMSG);
		assert_true(e.text[0] != '\0');
		assert_int_equal(n, 0);
		return false;
	}
	rbed_specs(&a.v);
	sched_check(&a.v);
	check_leases(bytes, &a.v);
	register_agent_done(&a);
	assert_int_equal(n, 0);
	return true;
}

static void test_any_byte_may_be_wrong(void **state)
{
	uint8_t v[sizeof(golden) + 1];
	size_t good = 0;

	(void)state;
	for (size_t n = 1; n < sizeof(golden); n++) {
		uint8_t *cut = malloc(n); /* of exactly its size, for the sanitizer */

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
	assert_true(good > sizeof(golden)); /* numbers may be others */
}

static void refused(size_t at, uint8_t byte, const char *why)
{
	uint8_t v[sizeof(golden)];
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent a;
	struct err e;

	memcpy(v, golden, sizeof(v));
	v[at] = byte;
	assert_int_equal(register_agent_read(&a, &mem, (struct msg_bytes){v, sizeof(v)}, &e), -EBADMSG);
	assert_string_equal(e.text, why);
}

static void test_what_is_wrong_is_said(void **state)
{
	(void)state;
	refused(3, REGISTER_ROOT, "kind: 2, must be from 1 to 1");
	refused(9, 2, "slot number 2: the next lease is that of slot 2");
	refused(17, 0, "leases that make no sense");
	refused(17, 9, "a slot has an epoch that was never given");
	refused(18 + 16, 0, "min_version: 0, must be from 1 to 4294967295");
	refused(36 + 18 + 1 + 3, 3, "slot number 1: state: 3, must be from 0 to 2");
	refused(36 + 18 + 1 + 7, 2, "slot number 1: node: 2, must be from 0 to 1");
	refused(36 + 18 + 1 + 20 + 5, 0xc2, "leases of slots that are not there");
	refused(36 + 18 + 1 + 20 + 7, 1, "slot number 2: its owner is not the lease's");
	refused(sizeof(golden) - 2 - 3 - 2, 7, "decision number 1: text: has bytes that are no text");
	refused(sizeof(golden) - 2, 0, "operation: has a NUL");
	refused(sizeof(golden) - 1, 3, "a definition of a version that there never was");
}

/* ---- bounds ---- */

static void test_an_agent_of_a_thousand(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem);
	struct msg_bytes bytes;
	struct rng r;

	(void)state;
	rng_seed(&r, 3);
	do
		rbed_random(&r, &value, MANY, 100, 200);
	while (value.removed || value.n_decisions < SCHED_DECISIONS_MAX);
	while (value.n_ops < SCHED_OPS_MAX)
		sched_add_op(&value, "0123456789abcdef0123456789abcdef");
	bytes = write_value(&base, &value, out);
	print_message("1000 slots at random: %zu bytes\n", bytes.n);
	assert_true(bytes.n < MSG_VALUE_MAX / 4);
	check_round(&value);
}

/* As many slots as there may be, each with two owners: there is room for definitions beside them. */
static void test_as_many_slots_as_there_may_be(void **state)
{
	size_t n = 0, len;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem);
	static char text[AGENT_FILE_MAX + 1];
	struct msg_bytes bytes;
	struct rng r;
	struct err e;

	(void)state;
	rng_seed(&r, 5);
	golden_value(&value);
	value.n_slots = SCHED_SLOTS_MAX;
	value.next_epoch = 3 * SCHED_SLOTS_MAX;
	value.desired = SCHED_SLOTS_MAX;
	for (uint32_t i = 0; i < SCHED_SLOTS_MAX; i++) {
		slots[i] = (struct sched_slot){.number = i,
			.version = 2,
			.state = SCHED_RUN,
			.node = rbed_node(&r, 1000),
			.epoch = SCHED_SLOTS_MAX + i,
			.from = {.hi = 1, .lo = 1 + i % 1000},
			.from_epoch = i + 1,
			.decision = 1,
			.reserve = {250, 1 << 28}};
	}
	bytes = write_value(&base, &value, out);
	print_message("%d slots with two owners: %zu bytes\n", SCHED_SLOTS_MAX, bytes.n);
	assert_true(bytes.n < MSG_VALUE_MAX - 64 * 1024);
	check_round(&value);
	/* One sentence when it does not fit, and when a definition is larger than any. */
	memset(text, 'x', sizeof(text));
	assert_int_equal(register_agent_write(&base, &value, (struct msg_bytes){(uint8_t *)text, AGENT_FILE_MAX}, out,
				 sizeof(out), &len, &e),
		-EMSGSIZE);
	assert_string_equal(e.text, "it does not fit into 524288 bytes with its 10000 slots and definitions");
	assert_int_equal(register_agent_write(&base, &value, (struct msg_bytes){(uint8_t *)text, sizeof(text)}, out,
				 sizeof(out), &len, &e),
		-EINVAL);
	assert_int_equal(n, 0);
}

static void test_it_fits_exactly(void **state)
{
	size_t n = 0, len;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem);
	struct err e;

	(void)state;
	golden_value(&value);
	for (size_t cap = 0; cap <= sizeof(golden); cap++) {
		uint8_t *to = malloc(cap + 1);

		memset(to, 0xee, cap + 1);
		len = 12345;
		assert_int_equal(register_agent_write(&base, &value, rbed_text("name: web\n"), to, cap, &len, &e),
			cap < sizeof(golden) ? -EMSGSIZE : 0);
		assert_int_equal(len, cap < sizeof(golden) ? 12345 : sizeof(golden));
		assert_int_equal(to[cap], 0xee);
		free(to);
	}
}

static void test_what_cannot_be_written(void **state)
{
	size_t n = 0, len;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem);
	struct err e;

	(void)state;
	golden_value(&value);
	assert_int_equal(
		register_agent_write(&base, &value, (struct msg_bytes){0}, out, sizeof(out), &len, &e), -EINVAL);
	assert_string_equal(e.text, "version 2 has no definition");
	slots[1].epoch = 9;
	assert_int_equal(register_agent_write(&base, &value, rbed_text("x"), out, sizeof(out), &len, &e), -EINVAL);
	assert_string_equal(e.text, "a slot has an epoch that was never given");
	slots[1].epoch = 8;
	base.min_version = 2;
	assert_int_equal(register_agent_write(&base, &value, rbed_text("x"), out, sizeof(out), &len, &e), -ENOTSUP);
	assert_string_equal(e.text, "the value asks for version 2 of its form, and 1 is the newest here");
}

/* What is no text (a name that was cut in a character, say) is written so that it can be read. */
static void test_texts_are_clean(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem), a;
	struct err e;

	(void)state;
	golden_value(&value);
	(void)snprintf(value.decisions[0].text, SCHED_TEXT_MAX, "a\x1b[1m\xc2\x85 \xc3\xa4 \xc3");
	assert_int_equal(register_agent_read(&a, &mem, write_value(&base, &value, out), &e), 0);
	assert_string_equal(a.v.decisions[0].text, "a?[1m?? \xc3\xa4 ?");
	register_agent_done(&a);
}

static void test_every_allocation_fails_once(void **state)
{
	size_t n = 0, len = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_agent base = nothing(&mem), a;
	struct err e;

	(void)state;
	golden_value(&value);
	OOM_LOOP (o) {
		int rc = register_agent_write(&base, &value, rbed_text("name: web\n"), out, sizeof(out), &len, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(n, 0);
	}
	OOM_LOOP (o) {
		int rc = register_agent_read(&a, &mem, (struct msg_bytes){out, len}, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		if (rc == 0)
			register_agent_done(&a);
		assert_int_equal(n, 0);
	}
}

/* ---- what voters read ---- */

static void test_what_voters_read(void **state)
{
	static const uint8_t no_array[] = {0xc0};
	struct msg_bytes bytes = {golden, sizeof(golden)}, moved = {out, sizeof(golden)};
	struct quorum_cfg cfg;
	struct value_times times;
	struct msg_slot s;
	size_t at = 0;

	(void)state;
	assert_true(register_reader.slot_next(NULL, bytes, &at, &s));
	assert_int_equal(s.slot, 1);
	assert_int_equal(s.epoch, 8);
	assert_int_equal(s.owner.v[6], 0x0b);
	assert_int_equal(s.owner.v[15], 2);
	assert_false(register_reader.slot_next(NULL, bytes, &at, &s));
	assert_false(value_moves(&register_reader, bytes, bytes, &s));
	memcpy(out, golden, sizeof(golden));
	out[17] = 5;
	assert_true(value_moves(&register_reader, bytes, moved, &s));
	/* What is none of an agent has no slots, and is no configuration. */
	for (size_t n = 0; n <= 33; n++) {
		at = 0;
		assert_false(register_reader.slot_next(NULL, (struct msg_bytes){golden, n}, &at, &s));
	}
	at = 0;
	assert_false(register_reader.slot_next(NULL, (struct msg_bytes){no_array, 1}, &at, &s));
	assert_false(register_reader.cfg_get(NULL, bytes, &cfg));
	assert_false(register_reader.times_get(NULL, bytes, &times));
}

/* Two leases at the head of a value; how many a voter finds in it. */
static int found(uint32_t slot, uint64_t epoch, uint8_t owner)
{
	uint8_t v[6 + 2 * REGISTER_LEASE_LEN] = {0xdc, 0, 20, REGISTER_AGENT, 0xc4, 2 * REGISTER_LEASE_LEN};
	uint8_t *first = v + 6, *second = first + REGISTER_LEASE_LEN;
	struct msg_slot s;
	size_t at = 0;
	int n = 0;

	register_store32(first, 5);
	register_store(first + 4, 1);
	first[REGISTER_LEASE_LEN - 1] = 1;
	register_store32(second, slot);
	register_store(second + 4, epoch);
	second[12] = owner;
	while (register_reader.slot_next(NULL, (struct msg_bytes){v, sizeof(v)}, &at, &s))
		n++;
	return n;
}

/* All of them or none. */
static void test_leases_that_make_no_sense(void **state)
{
	(void)state;
	assert_int_equal(found(6, 1, 1), 2);
	assert_int_equal(found(SCHED_SLOTS_MAX - 1, SCHED_COUNT_MAX, 1), 2);
	assert_int_equal(found(5, 1, 1), 0);
	assert_int_equal(found(4, 1, 1), 0);
	assert_int_equal(found(SCHED_SLOTS_MAX, 1, 1), 0);
	assert_int_equal(found(6, 0, 1), 0);
	assert_int_equal(found(6, SCHED_COUNT_MAX + 1, 1), 0);
	assert_int_equal(found(6, 1, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_by_chance),
		cmocka_unit_test(test_values_that_were_decided),
		cmocka_unit_test(test_a_removed_agent_keeps_no_definition),
		cmocka_unit_test(test_golden),
		cmocka_unit_test(test_any_byte_may_be_wrong),
		cmocka_unit_test(test_what_is_wrong_is_said),
		cmocka_unit_test(test_an_agent_of_a_thousand),
		cmocka_unit_test(test_as_many_slots_as_there_may_be),
		cmocka_unit_test(test_it_fits_exactly),
		cmocka_unit_test(test_what_cannot_be_written),
		cmocka_unit_test(test_texts_are_clean),
		cmocka_unit_test(test_every_allocation_fails_once),
		cmocka_unit_test(test_what_voters_read),
		cmocka_unit_test(test_leases_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
