/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node begins: few seeds at a time, no neighbour until the first link has told who is there, then neighbours one
 * after the other; and nobody is missed meanwhile.
 */
#include "gossip/gossip.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "tests/lib/test.h"

#define SEEDS	 16
#define OTHERS	 30
#define LINK	 3
#define SETTLE	 200 /* of the profile, as those below */
#define HOLD	 3000
#define STEP	 250
#define SILENCE	 1900
#define SEED_GAP 500
#define SPREAD	 300 /* all of them, each a dial of 10 ms: within it neighbours begin to be dialled */

static struct gossip *g;
static struct now now;
static char names[OTHERS + 1][8], addresses[OTHERS + 1][24];
static uint32_t under_way[256];
static size_t n_under_way, n_seeds, n_members, most, asks;
static size_t n_dials[OTHERS + 1];
static bool no_address;	 /* of those that are told of */
static uint64_t id_16;	 /* of a member that one test looks at */
static uint32_t dial_16; /* the newest dial to it; 0: none */

static struct gossip_str str(const char *s)
{
	return (struct gossip_str){s, (uint16_t)strlen(s)};
}

/* Member i of the others, 1 …; those from 15 on are ours to dial. */
static struct gossip_record record(int i)
{
	(void)snprintf(names[i], sizeof(names[i]), "m%d", i);		      /* fits */
	(void)snprintf(addresses[i], sizeof(addresses[i]), "10.1.0.%d:1", i); /* fits */
	return (struct gossip_record){.uuid = {[7] = (uint8_t)(i * 4), [15] = 1},
		.name = str(names[i]),
		.address = str(no_address ? "" : addresses[i]),
		.build = str("1"),
		.version = 1,
		.wire_min = 1,
		.wire_max = 1,
		.watch_rings = 5,
		.beat_ms = 1000};
}

static void count_dial(uint64_t id)
{
	for (int i = 1; i <= OTHERS; i++)
		n_dials[i] += gossip_id_of((uint8_t[16]){[7] = (uint8_t)(i * 4), [15] = 1}) == id;
}

static void step(const struct gossip_in *in)
{
	static struct gossip_msg msg;
	struct gossip_outs outs;

	gossip_step(g, in, now, &outs);
	for (size_t i = 0; i < outs.n; i++)
		if (outs.v[i].type == GOSSIP_OUT_DIAL) {
			assert_true(n_under_way < ARRAY_LEN(under_way));
			under_way[n_under_way++] = outs.v[i].dial;
			if (outs.v[i].id == id_16)
				dial_16 = outs.v[i].dial;
			count_dial(outs.v[i].id);
			n_seeds += outs.v[i].id == 0;
			n_members += outs.v[i].id != 0;
		}
	most = n_under_way > most ? n_under_way : most;
	while (gossip_pull(g, LINK, now, &msg))
		asks += msg.type == GOSSIP_MSG_PROBE_ASK;
}

static void begin(int64_t at_ms)
{
	static char text[SEEDS][24];
	const char *seeds[SEEDS];
	const struct gossip_mem mem = {.alloc = mem_give, .release = mem_take_back};
	struct gossip_config c = {
		.record = record(OTHERS / 2), .boot = 1, .profile = GOSSIP_PROFILE_LAN, .seeds = seeds, .seed = 7};

	c.record.uuid[7] += 2; /* half of the others are above */
	c.n_seeds = SEEDS;
	for (int i = 0; i < SEEDS; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "10.0.0.%d:1", i); /* fits */
		seeds[i] = text[i];
	}
	n_under_way = n_seeds = n_members = most = asks = 0;
	now = (struct now){at_ms, at_ms, at_ms};
	assert_int_equal(gossip_new(&c, &mem, now, &g), 0);
}

static void run(int64_t ms)
{
	int64_t until = now.mono_ms + ms;

	while (gossip_deadline_ms(g) <= until) {
		int64_t at = gossip_deadline_ms(g);

		now.mono_ms = now.boot_ms = now.wall_ms = at > now.mono_ms ? at : now.mono_ms;
		step(&(struct gossip_in){.type = GOSSIP_IN_TICK});
	}
	now.mono_ms = now.boot_ms = now.wall_ms = until;
}

/* The oldest dial ends. */
static void ends(enum gossip_dial_end how)
{
	uint32_t token = under_way[0];

	assert_true(n_under_way > 0);
	memmove(under_way, under_way + 1, --n_under_way * sizeof(under_way[0]));
	step(&(struct gossip_in){.type = GOSSIP_IN_DIAL_FAILED, .dial = token, .how = how});
}

/* The oldest dial finds member i, which has just begun too. */
static void finds(int i)
{
	uint32_t token = under_way[0];
	struct gossip_record r = record(i);

	memmove(under_way, under_way + 1, --n_under_way * sizeof(under_way[0]));
	step(&(struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = LINK, .dial = token, .boot = 1, .record = &r});
}

/* The first link tells of members from … to. */
static void tells(int from, int to)
{
	static struct gossip_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = GOSSIP_MSG_DELTAS;
	for (int i = from; i <= to; i++) {
		struct gossip_part *p = &msg.deltas.parts[msg.deltas.n_parts++];

		*p = (struct gossip_part){.incarnation = 1ull << 32, .to = 1, .has_record = true, .record = record(i)};
		p->id = gossip_id_of(p->record.uuid);
	}
	step(&(struct gossip_in){.type = GOSSIP_IN_MSG, .link = LINK, .msg = &msg});
}

/* And that members from … to are dead. */
static void tells_dead(int from, int to)
{
	static struct gossip_msg msg;

	memset(&msg, 0, sizeof(msg));
	msg.type = GOSSIP_MSG_STATES;
	for (int i = from; i <= to; i++)
		msg.states.v[msg.states.n++] = (struct gossip_msg_state){
			.id = gossip_id_of(record(i).uuid), .incarnation = 1ull << 32, .flags = GOSSIP_FLAG_DEAD};
	step(&(struct gossip_in){.type = GOSSIP_IN_MSG, .link = LINK, .msg = &msg});
}

/* It has told all: its view is as ours. */
static void tells_all(void)
{
	struct gossip_msg msg = {.type = GOSSIP_MSG_GREET,
		.greet = {.incarnation = 1ull << 32, .view_hash = gossip_view_hash(g), .wanted = true}};

	step(&(struct gossip_in){.type = GOSSIP_IN_MSG, .link = LINK, .msg = &msg});
}

static void test_two_seeds_at_a_time(void **state)
{
	(void)state;
	begin(1000);
	run(SEED_GAP - 10);
	assert_int_equal(n_seeds, 2);
	ends(GOSSIP_DIAL_REFUSED); /* the next one takes its place at once */
	assert_int_equal(n_seeds, 3);
	ends(GOSSIP_DIAL_REFUSED);
	assert_int_equal(n_seeds, 4);
	run(SEED_GAP - 10);
	assert_int_equal(n_seeds, 4);
	run(SEED_GAP * 4); /* those that say nothing hold nobody up for long */
	assert_in_range(n_seeds, 7, 9);
	gossip_free(g);
}

static void run_until_one_is_dialled(void)
{
	for (int i = 0; n_members == 0 && i < SPREAD; i += 10)
		run(10);
	assert_int_equal(n_members, 1);
}

static void test_neighbours_wait_for_what_the_first_link_tells(void **state)
{
	(void)state;
	begin(1000);
	run(10);
	finds(1);
	tells(16, 28);
	run(SETTLE + 50);
	assert_int_equal(n_members, 0); /* it has not told all */
	tells_all();
	run_until_one_is_dialled(); /* and had nothing new to tell for a while */
	gossip_free(g);
}

static void test_neighbours_wait_while_the_list_grows(void **state)
{
	(void)state;
	begin(1000);
	run(10);
	finds(1);
	for (int i = 16; i < 26; i++) {
		tells(i, i);
		tells_all();
		run(SETTLE - 20);
		assert_int_equal(n_members, 0);
	}
	run(30);
	run_until_one_is_dialled();
	gossip_free(g);
}

/* What comes late may have been said long ago: so may the news that it waits for. */
static void test_who_is_late_waits(void **state)
{
	(void)state;
	begin(1000);
	run(10);
	finds(1);
	tells(16, 28);
	tells_all();
	for (int i = 0; i < 5; i++) {
		int64_t at = gossip_deadline_ms(g) + SETTLE / 2;

		now = (struct now){at, at, at};
		step(&(struct gossip_in){.type = GOSSIP_IN_TICK});
		assert_int_equal(n_members, 0);
	}
	run(SETTLE + 10);
	run_until_one_is_dialled();
	gossip_free(g);
}

static void test_the_wait_has_an_end(void **state)
{
	int64_t began;

	(void)state;
	begin(1000);
	run(10);
	finds(1);
	began = now.mono_ms;
	for (int i = 2; n_members == 0 && i <= OTHERS; i++) {
		tells(i, i);
		run(SETTLE - 20);
	}
	assert_in_range(now.mono_ms - began, HOLD, HOLD + SETTLE + SPREAD);
	gossip_free(g);
}

static void test_neighbours_one_after_the_other(void **state)
{
	(void)state;
	begin(1000);
	run(10);
	finds(1);
	ends(GOSSIP_DIAL_UNREACHABLE); /* the other seed */
	tells(2, 25);
	tells_all();
	most = 0;
	run(SETTLE + 10);
	run_until_one_is_dialled();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(n_members, 1 + i);
		run(STEP / 4);
		assert_int_equal(n_members, 1 + i);
		ends(GOSSIP_DIAL_TURNED_AWAY);
	}
	assert_int_equal(most, 1);
	run(10000); /* of those that do not answer there are some, not many */
	assert_in_range(most, 2, 3 + 1);
	gossip_free(g);
}

/* Its beats cannot come: we have not dialled it. */
static void test_nobody_is_missed_before_it_was_dialled(void **state)
{
	(void)state;
	begin(1000);
	run(10);
	finds(1);
	tells(2, 25);
	for (int i = 0; i < 6; i++) { /* less than the first dials may take, and a silence */
		tells_all();
		run(SILENCE / 4);
	}
	assert_int_equal(asks, 0);
	for (int i = 0; i < 60; i++) { /* but not for ever: all were dialled by then, or should have been */
		tells_all();
		run(SILENCE / 4);
	}
	assert_true(asks > 0);
	gossip_free(g);
}

/* Up to the dial of member 16, of which the first link has told. */
static void begin_dialling_16(void)
{
	begin(1000);
	id_16 = gossip_id_of(record(16).uuid);
	run(10);
	finds(1);
	tells(16, 17);
	tells_all();
	while (dial_16 == 0)
		run(STEP);
}

/* Member 16 is found, and its link is lost again. */
static void finds_and_loses(void)
{
	struct gossip_record r = record(16);

	assert_true(dial_16 != 0);
	step(&(struct gossip_in){
		.type = GOSSIP_IN_LINK_UP, .link = LINK + 1, .dial = dial_16, .boot = 1, .record = &r});
	dial_16 = 0;
	run(10);
	step(&(struct gossip_in){.type = GOSSIP_IN_LINK_DOWN, .link = LINK + 1});
	run(10);
}

/* Its link was short twice, so it is not dialled again for a while: that is no reason not to miss it. Of 17 it is. */
static void test_who_was_lost_is_missed(void **state)
{
	(void)state;
	begin_dialling_16();
	finds_and_loses();
	finds_and_loses(); /* it was dialled at once */
	assert_int_equal(dial_16, 0);
	for (int64_t until = now.mono_ms + 2 * SILENCE; asks == 0 && now.mono_ms < until;) {
		tells_all();
		run(50);
	}
	assert_int_equal(dial_16, 0);
	assert_true(asks > 0);
	gossip_free(g);
}

/* As of a host that was lost while we dialled it. */
static void test_whose_dial_says_nothing_is_missed(void **state)
{
	int64_t begun_ms;

	(void)state;
	begin_dialling_16();
	begun_ms = now.mono_ms;
	while (asks == 0 && now.mono_ms < begun_ms + 3 * SILENCE) {
		tells_all();
		run(50);
	}
	assert_in_range(now.mono_ms - begun_ms, SILENCE, 2 * SILENCE);
	gossip_free(g);
}

/* They stand next to each other and far apart in the table, beside others that cannot be dialled. */
static void test_each_of_the_dead_is_dialled_as_often(void **state)
{
	static const int dead[] = {2, 3, 4, OTHERS};
	enum {
		TURNS = 1600,
		ONE_MS = 60000
	}; /* one alone is dialled once in that, in the end; seeds have their part */
	int64_t begun_ms;
	size_t n = 0;

	(void)state;
	begin(1000);
	run(10);
	finds(1);
	tells(2, 4);
	no_address = true;
	tells(5, OTHERS - 1);
	no_address = false;
	tells(OTHERS, OTHERS);
	tells_dead(2, OTHERS);
	memset(n_dials, 0, sizeof(n_dials));
	begun_ms = now.mono_ms;
	while (n < TURNS) {
		tells_all(); /* its link is there */
		run(500);
		while (n_under_way > 0)
			ends(GOSSIP_DIAL_UNREACHABLE);
		n = 0;
		for (size_t i = 0; i < ARRAY_LEN(dead); i++)
			n += n_dials[dead[i]];
	}
	for (size_t i = 0; i < ARRAY_LEN(dead); i++)
		assert_in_range(n_dials[dead[i]], TURNS / 4 * 8 / 10, TURNS / 4 * 12 / 10);
	for (int i = 5; i < OTHERS; i++)
		assert_int_equal(n_dials[i], 0);
	assert_in_range(now.mono_ms - begun_ms, (int64_t)ONE_MS * TURNS / 4 / 2, (int64_t)ONE_MS * TURNS / 4 * 3 / 2);
	gossip_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_seeds_at_a_time),
		cmocka_unit_test(test_neighbours_wait_for_what_the_first_link_tells),
		cmocka_unit_test(test_neighbours_wait_while_the_list_grows),
		cmocka_unit_test(test_who_is_late_waits),
		cmocka_unit_test(test_the_wait_has_an_end),
		cmocka_unit_test(test_neighbours_one_after_the_other),
		cmocka_unit_test(test_nobody_is_missed_before_it_was_dialled),
		cmocka_unit_test(test_who_was_lost_is_missed),
		cmocka_unit_test(test_whose_dial_says_nothing_is_missed),
		cmocka_unit_test(test_each_of_the_dead_is_dialled_as_often),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
