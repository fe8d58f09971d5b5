/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures of what is decided: none where a node takes no part, and as things are where it does.
 */
#include "node/council_figures.h"

#include <string.h>

#include "base/mem.h"
#include "node/cluster_priv.h"
#include "node/council_priv.h"
#include "node/register_reader.h"
#include "tests/lib/test.h"

static struct {
	struct node n;
	struct cluster cluster;
	struct council c;
} bed;

static void known(const char *name)
{
	const struct ballot ballot = {.counter = 2, .node = bed.c.self};
	struct msg_key key = {.n = (uint8_t)strlen(name)};

	memcpy(key.v, name, key.n);
	assert_int_equal(registers_load_chosen(
				 agree_registers(bed.c.a), &key, &ballot, (struct msg_bytes){(const uint8_t *)"x", 1}),
		0);
}

/* One of two members votes, or both, or the other one alone. */
static void begin(const char *who)
{
	const struct gossip_mem mem = {.alloc = mem_give, .release = mem_take_back};
	struct gossip_config g = {.boot = 1, .record = {.name = {"n1", 2}, .uuid = {1}, .version = 1, .wire_min = 1}};
	struct agree_config config = {.registers.acceptor = {.boot = 1, .reader = &register_reader}};
	struct quorum_set *set = &config.registers.acceptor.header.cfg.old;

	memset(&bed, 0, sizeof(bed));
	g.record.wire_max = 1;
	bed.n.cluster = &bed.cluster;
	bed.c.n = &bed.n;
	bed.c.self.v[0] = 1;
	for (; *who; who++)
		set->v[set->n++].v[0] = (uint8_t)(*who - '0');
	config.registers.acceptor.header.cfg.epoch = 6;
	config.registers.acceptor.self = bed.c.self;
	assert_int_equal(gossip_new(&g, &mem, bed.n.now, &bed.cluster.g), 0);
	assert_int_equal(agree_new(&config, &council_mem, bed.n.now, &bed.c.a), 0);
}

static void end(void)
{
	agree_free(bed.c.a);
	gossip_free(bed.cluster.g);
}

static void is(int voters, int votes, int quorum)
{
	struct council_figures f;

	council_figures(&bed.c, &f);
	assert_int_equal(f.epoch, 6);
	assert_int_equal(f.voters, voters);
	assert_int_equal(f.votes, votes);
	assert_int_equal(f.quorum, quorum);
}

static void test_nobody_takes_part(void **state)
{
	struct council_figures f;
	int64_t v[sizeof(f) / sizeof(int64_t)];

	(void)state;
	for (int i = 0; i < 2; i++) {
		council_figures(i ? &bed.c : NULL, &f); /* not loaded yet */
		memcpy(v, &f, sizeof(f));
		for (size_t k = 0; k < ARRAY_LEN(v); k++)
			assert_int_equal(v[k], -1);
	}
}

static void test_who_votes(void **state)
{
	(void)state;
	begin("1");
	is(1, 1, 1);
	end();
	begin("12"); /* the other one is not known */
	is(2, 1, 0);
	end();
	begin("2");
	is(1, 0, 0);
	end();
}

static enum proposer_verdict put(void *ctx, const struct proposer_base *base, struct msg_bytes *ret)
{
	(void)ctx;
	(void)base;
	(void)ret;
	return PROPOSER_REFUSE;
}

static void test_what_is_proposed(void **state)
{
	const struct registers_ask ask = {.key = {.n = 1, .v = "a"}, .change = put, .for_ms = 1000};
	const struct registers_in in = {.type = REGISTERS_IN_PROPOSE, .ask = &ask};
	struct registers_outs outs;
	struct council_figures f;
	struct registers *r;

	(void)state;
	begin("12");
	known("");
	known("web");
	known("db");
	r = agree_registers(bed.c.a);
	for (int i = 0; i < 3; i++)
		assert_int_equal(registers_step(r, &in, bed.n.now, &outs), 0);
	council_figures(&bed.c, &f);
	assert_int_equal(f.agents, 2);
	assert_int_equal(f.under_way, 3);
	assert_true(f.chosen == 0 && f.refused == 0 && f.held == 0 && f.unknown == 0);
	assert_int_equal(f.round_ms, registers_round_ms(r));
	bed.n.now.mono_ms += 1000; /* nobody has answered */
	assert_int_equal(registers_step(r, &(struct registers_in){.type = REGISTERS_IN_TICK}, bed.n.now, &outs), 0);
	council_figures(&bed.c, &f);
	assert_int_equal(f.unknown, 3);
	assert_true(f.chosen == 0 && f.refused == 0 && f.held == 0);
	assert_int_equal(registers_step(r, &(struct registers_in){.type = REGISTERS_IN_TICK}, bed.n.now, &outs), 0);
	council_figures(&bed.c, &f);
	assert_int_equal(f.under_way, 0);
	end();
}

static void test_leases(void **state)
{
	struct lease_slot slots[] = {{.state = LEASE_HELD, .until_ms = 200}, {.state = LEASE_HELD, .until_ms = 100},
		{.state = LEASE_ASKED, .until_ms = 200}, {.state = LEASE_HELD, .until_ms = 101},
		{.state = LEASE_RELEASED, .until_ms = 200}};
	struct council_figures f;

	(void)state;
	begin("1");
	bed.n.now.boot_ms = 100;
	bed.c.hold.lease.slots = slots;
	bed.c.hold.lease.n_slots = ARRAY_LEN(slots);
	council_figures(&bed.c, &f);
	assert_int_equal(f.leases, 2);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody_takes_part),
		cmocka_unit_test(test_who_votes),
		cmocka_unit_test(test_what_is_proposed),
		cmocka_unit_test(test_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
