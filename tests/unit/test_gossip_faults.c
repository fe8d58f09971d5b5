/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each allocation fails once, and every bound is filled: it costs what it hits, is told, and heals.
 */
#include <errno.h>

#include "gossip/gossip_impl.h"
#include "tests/lib/gossip_bed.h"

/* The core cannot be made: that is all that happens. */
static void test_new_without_memory(void **state)
{
	struct bed *b = bed_new(1);
	const char *seeds[] = {"a:1", "b:1"};
	struct gossip_mem mem = bed_mem(b);
	struct gossip_config c = {.boot = 1, .seeds = seeds, .n_seeds = 2};
	long n = 0;
	int rc;

	(void)state;
	c.record.uuid[0] = 1;
	c.record.name = (struct gossip_str){"n", 1};
	do {
		struct gossip *g = NULL;

		b->fail_in = ++n;
		b->failed = false;
		rc = gossip_new(&c, &mem, (struct now){0}, &g);
		assert_int_equal(rc, b->failed ? -ENOMEM : 0);
		b->fail_in = 0;
		gossip_free(g);
		assert_int_equal(b->bytes, 0);
	} while (rc != 0);
	assert_in_range(n, 5, 50);
	bed_free(b);
}

static void test_new_with_what_is_none(void **state)
{
	struct bed *b = bed_new(1);
	struct gossip_mem mem = bed_mem(b);
	struct gossip_config c = {.boot = 1};
	struct gossip *g = NULL;

	(void)state;
	c.record.name = (struct gossip_str){"n", 1};
	assert_int_equal(gossip_new(&c, &mem, (struct now){0}, &g), -EINVAL); /* an id of 0 */
	c.record.uuid[0] = 1;
	c.boot = 0;
	assert_int_equal(gossip_new(&c, &mem, (struct now){0}, &g), -EINVAL);
	c.boot = 1;
	c.record.name.n = 0;
	assert_int_equal(gossip_new(&c, &mem, (struct now){0}, &g), -EINVAL);
	assert_null(g);
	bed_free(b);
}

/* One goes, values come, one is lost and another comes back while an allocation fails: all is as it would have been. */
static void test_each_allocation_fails(void **state)
{
	long n = 0;
	bool failed = true;

	(void)state;
	while (failed) {
		struct bed *b = bed_new(4);

		for (int i = 0; i < 3; i++)
			bed_start(b, i, i == 0 ? -1 : 0);
		(void)bed_until(b, 2000, bed_agreed);
		bed_start(b, 3, 0);
		b->fail_in = n += 3;
		bed_run(b, 100);
		for (int k = 0; k < 40; k++)
			bed_set(b, 1, k % 2 ? "a" : "b", k % 3 ? "x" : NULL);
		bed_lose(b, 2);
		bed_run(b, 4000);
		bed_start(b, 2, 0);
		bed_run(b, 100);
		failed = b->failed;
		b->fail_in = 0;
		bed_set(b, 1, "after", "all");
		(void)bed_until(b, 40000, bed_agreed);
		for (int i = 0; i < 4; i++)
			assert_string_equal(bed_value(b, i, 1, "after"), "all");
		bed_free(b);
		assert_in_range(n, 1, 3000);
	}
	assert_true(n > 60);
}

/* What is removed is removed, with memory or without. */
static void test_removing_needs_no_memory(void **state)
{
	struct bed *b;
	bool failed = true;
	long n;

	(void)state;
	for (n = 1; failed; n++) {
		b = bed_new(3);
		bed_start_all(b);
		bed_set(b, 0, "k", "a value of some length");
		bed_set(b, 0, "l", "stays");
		(void)bed_until(b, 2000, bed_agreed);
		b->failed = false;
		b->fail_in = n;
		bed_set(b, 0, "k", NULL);
		failed = b->failed;
		b->fail_in = 0;
		assert_null(bed_value(b, 0, 0, "k"));
		(void)bed_until(b, 40000, bed_agreed);
		for (int i = 0; i < 3; i++) {
			assert_null(bed_value(b, i, 0, "k"));
			assert_string_equal(bed_value(b, i, 0, "l"), "stays");
		}
		bed_set(b, 0, "k", "again");
		(void)bed_until(b, 2000, bed_agreed);
		assert_string_equal(bed_value(b, 1, 0, "k"), "again");
		bed_free(b);
	}
	assert_in_range(n, 3, 1000);
}

struct crowd {
	char name[16];
	struct gossip_record r;
};

static struct gossip_record *someone(struct crowd *c, uint32_t k)
{
	c->r = (struct gossip_record){.version = 1, .wire_min = 1, .wire_max = 1, .watch_rings = 5, .beat_ms = 1000};
	c->r.name = (struct gossip_str){c->name, (uint16_t)snprintf(c->name, sizeof(c->name), "c%u", k)};
	for (int i = 0; i < 8; i++)
		c->r.uuid[i] = (uint8_t)(gossip_mix(k + 1) >> (56 - 8 * i));
	return &c->r;
}

static size_t outs_of(const struct gossip_outs *outs, enum gossip_out_type type)
{
	size_t n = 0;

	for (size_t i = 0; i < outs->n; i++)
		n += outs->v[i].type == type;
	return n;
}

/* All numbers of links taken by strangers: those beyond the soft bound are told all and closed. */
static void test_links_are_bounded(void **state)
{
	struct bed *b = bed_new(1);
	struct gossip *g;
	struct gossip_outs outs;
	struct crowd c;
	size_t full = 0;

	(void)state;
	bed_start_all(b);
	g = b->v[0].g;
	for (uint32_t k = 0; k < GOSSIP_LINKS_MAX + 2; k++) {
		gossip_step(g,
			&(struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = k, .boot = 1, .record = someone(&c, k)},
			(struct now){.mono_ms = b->now_ms}, &outs);
		gossip_check(g);
	}
	assert_int_equal(g->n_links, GOSSIP_LINKS_MAX);
	for (int t = 0; t < 20; t++) {
		b->now_ms += 100;
		gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_TICK}, (struct now){.mono_ms = b->now_ms}, &outs);
		gossip_check(g);
		for (size_t i = 0; i < outs.n; i++)
			full += outs.v[i].type == GOSSIP_OUT_CLOSE && outs.v[i].why == GOSSIP_CLOSE_FULL;
	}
	assert_in_range(full, 1, GOSSIP_LINKS_MAX - LINKS_SOFT);
	bed_free(b);
}

/* More than one list of outputs holds: the rest is due at once, and comes with the next step. */
static void test_outputs_wait_for_their_place(void **state)
{
	struct bed *b = bed_new(1);
	struct gossip *g;
	struct gossip_outs outs;
	struct crowd c;
	size_t ready = 0;
	int steps = 0;

	(void)state;
	bed_start_all(b);
	g = b->v[0].g;
	for (uint32_t k = 0; k < 100; k++)
		gossip_step(g,
			&(struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = k, .boot = 1, .record = someone(&c, k)},
			(struct now){.mono_ms = b->now_ms}, &outs);
	for (uint32_t k = 0; k < 100; k++) { /* all has been said so far */
		static struct gossip_msg m;

		while (gossip_pull(g, k, (struct now){.mono_ms = b->now_ms}, &m))
			;
	}
	b->now_ms += 100; /* a state goes to all of them */
	gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_LEAVE}, (struct now){.mono_ms = b->now_ms}, &outs);
	for (; outs.n == GOSSIP_OUTS_MAX; steps++) {
		ready += outs_of(&outs, GOSSIP_OUT_READY);
		assert_int_equal(gossip_deadline_ms(g), b->now_ms);
		gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_TICK}, (struct now){.mono_ms = b->now_ms}, &outs);
	}
	ready += outs_of(&outs, GOSSIP_OUT_READY);
	assert_int_equal(ready, 100);
	assert_true(steps > 0);
	assert_true(gossip_deadline_ms(g) > b->now_ms);
	bed_free(b);
}

/* Events that find no place: the oldest are lost, and how many is said. */
static void test_events_are_bounded(void **state)
{
	struct bed *b = bed_new(1);
	struct gossip *g;
	struct gossip_outs outs;

	(void)state;
	bed_start_all(b);
	g = b->v[0].g;
	for (uint64_t k = 0; k < EVENTS_MAX + 10; k++)
		gossip_event(g, GOSSIP_EVENT_JOINED, k + 1);
	gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_TICK}, (struct now){.mono_ms = b->now_ms}, &outs);
	assert_int_equal(outs.v[0].event, GOSSIP_EVENT_LOST);
	assert_int_equal(outs.v[0].number, 10);
	assert_int_equal(outs.v[1].id, 11);
	assert_int_equal(gossip_deadline_ms(g), b->now_ms);
	bed_free(b);
}

static void test_probes_are_bounded(void **state)
{
	static struct gossip_msg m = {.type = GOSSIP_MSG_PROBE_ASK};
	struct bed *b = bed_new(3);
	struct gossip *g;
	int answers = 0;

	(void)state;
	bed_start_all(b);
	g = b->v[0].g;
	m.probe.subject = b->v[2].id;
	for (uint32_t k = 0; k < 3 * RELAYS_MAX; k++) {
		m.probe.nonce = k;
		gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_MSG, .link = 0, .msg = &m},
			(struct now){.mono_ms = b->now_ms}, &(struct gossip_outs){0});
		gossip_check(g);
	}
	while (gossip_pull(g, 0, (struct now){.mono_ms = b->now_ms}, &m))
		answers += m.type == GOSSIP_MSG_PROBE_ANSWER && m.probe.verdict == GOSSIP_VERDICT_NO_LINK;
	assert_int_equal(answers, URGENT_MAX);
	bed_run(b, 5000);
	assert_true(bed_agreed(b));
	bed_free(b);
}

/* A stranger that offers digests of thousands, and wants what is not there. */
static void test_asks_and_wants_are_bounded(void **state)
{
	static struct gossip_msg m;
	struct bed *b = bed_new(2);
	struct gossip *g;

	(void)state;
	bed_start_all(b);
	g = b->v[0].g;
	for (uint64_t k = 0; k < 20; k++) {
		m.type = GOSSIP_MSG_DIGESTS;
		m.digests = (struct gossip_msg_digests){.n = GOSSIP_DIGESTS_MAX};
		for (uint64_t i = 0; i < GOSSIP_DIGESTS_MAX; i++)
			m.digests.v[i] = (struct gossip_digest){.id = 1000 * (k + 1) + i, .incarnation = 1ull << 32};
		gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_MSG, .link = 0, .msg = &m},
			(struct now){.mono_ms = b->now_ms}, &(struct gossip_outs){0});
		m.type = GOSSIP_MSG_WANTS;
		m.wants = (struct gossip_msg_wants){.n = GOSSIP_WANTS_MAX};
		for (uint64_t i = 0; i < GOSSIP_WANTS_MAX; i++)
			m.wants.v[i] = (struct gossip_want){.id = 1000 * (k + 1) + i};
		gossip_step(g, &(struct gossip_in){.type = GOSSIP_IN_MSG, .link = 0, .msg = &m},
			(struct now){.mono_ms = b->now_ms}, &(struct gossip_outs){0});
		gossip_check(g);
	}
	assert_int_equal(g->links[0]->n_ask, ASK_MAX);
	assert_int_equal(g->links[0]->n_serve, SERVE_MAX);
	bed_run(b, 5000);
	assert_true(bed_agreed(b));
	bed_free(b);
}

/* Every input in every state of a core, with numbers that mean nothing: counted, or ignored. */
static void test_inputs_that_mean_nothing(void **state)
{
	static struct gossip_msg m;
	struct bed *b = bed_new(3);
	struct rng r;

	(void)state;
	rng_seed(&r, 9);
	bed_start_all(b);
	for (int k = 0; k < 4000; k++) {
		struct gossip_in in = {.type = (enum gossip_in_type)rng_below(&r, GOSSIP_IN_MAX),
			.link = (uint32_t)rng_below(&r, 200),
			.dial = (uint32_t)rng_below(&r, 100),
			.how = (enum gossip_dial_end)rng_below(&r, GOSSIP_DIAL_END_MAX),
			.id = rng_below(&r, 4) ? rng_u64(&r) : 0,
			.msg = &m,
			.key = {"key", (uint16_t)rng_below(&r, 4)}};

		if (in.type == GOSSIP_IN_LEAVE || in.type == GOSSIP_IN_LINK_UP || in.type == GOSSIP_IN_RECORD ||
			in.type == GOSSIP_IN_LINK_DOWN)
			continue; /* those have their own tests */
		memset(&m, 0, sizeof(m));
		m.type = (enum gossip_msg_type)rng_below(&r, GOSSIP_MSG_TYPE_MAX + 2);
		if (m.type != 0 && gossip_msg_fault(&m))
			m.type = 0;
		if (in.type == GOSSIP_IN_VOTERS)
			in.n_ids = 0;
		gossip_step(b->v[0].g, &in, (struct now){.mono_ms = b->now_ms}, &(struct gossip_outs){0});
		gossip_check(b->v[0].g);
	}
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_without_memory),
		cmocka_unit_test(test_new_with_what_is_none),
		cmocka_unit_test(test_each_allocation_fails),
		cmocka_unit_test(test_removing_needs_no_memory),
		cmocka_unit_test(test_links_are_bounded),
		cmocka_unit_test(test_outputs_wait_for_their_place),
		cmocka_unit_test(test_events_are_bounded),
		cmocka_unit_test(test_probes_are_bounded),
		cmocka_unit_test(test_asks_and_wants_are_bounded),
		cmocka_unit_test(test_inputs_that_mean_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
