/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small clusters of real cores: how they find each other, and what each sees when a daemon is killed, a host is lost,
 * a process is paused, a path is cut.
 */
#include "tests/lib/gossip_bed.h"

static const int sizes[] = {2, 3, 5, 11, 32, 64};

/* When the last of those that are up first saw it so; -1: somebody never did. */
static int64_t last_said(struct bed *b, int of, enum gossip_state s)
{
	int64_t last = 0;

	for (int i = 0; i < b->n; i++) {
		if (i == of || b->v[i].how != BED_UP)
			continue;
		if (b->v[i].said_ms[of][s] < 0)
			return -1;
		last = MAX(last, b->v[i].said_ms[of][s]);
	}
	return last;
}

static uint64_t count(struct bed *b, enum gossip_event e)
{
	uint64_t n = 0;

	for (int i = 0; i < b->n; i++)
		n += b->v[i].events[e];
	return n;
}

/* Nobody but these was ever called suspect or dead since bed_mark. */
static void assert_only(struct bed *b, int from, int to)
{
	for (int of = 0; of < b->n; of++)
		for (int i = 0; i < b->n && (of < from || of >= to); i++) {
			assert_int_equal(b->v[i].said_ms[of][GOSSIP_SUSPECT], -1);
			assert_int_equal(b->v[i].said_ms[of][GOSSIP_DEAD], -1);
		}
}

static void test_join(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);

		for (int k = 0; k < b->n; k++)
			bed_start(b, k, k == 0 ? -1 : 0);
		assert_in_range(bed_until(b, 10000, bed_agreed), 0, 300);
		bed_run(b, 20000);
		assert_true(bed_agreed(b));
		for (int k = 0; k < b->n; k++) {
			assert_int_equal(gossip_alive(b->v[k].g), sizes[i]);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_ACCUSED], 0);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_JOINED], sizes[i] - 1);
		}
		bed_free(b);
	}
}

static void test_one_is_alone(void **state)
{
	struct bed *b = bed_new(1);

	(void)state;
	bed_start_all(b);
	bed_run(b, 600000);
	assert_int_equal(gossip_alive(b->v[0].g), 1);
	assert_false(gossip_is_isolated(b->v[0].g));
	assert_int_equal(b->msgs, 0);
	bed_free(b);
}

static void test_daemon_killed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);
		int64_t at;

		bed_start_all(b);
		bed_run(b, 5300);
		at = b->now_ms;
		bed_kill(b, 1);
		bed_run(b, 5000);
		if (sizes[i] > 2) /* of two the only observer makes suspect and dead at once */
			assert_in_range(last_said(b, 1, GOSSIP_SUSPECT) - at, 150, 300);
		assert_in_range(last_said(b, 1, GOSSIP_DEAD) - at, 1000, 2000);
		assert_only(b, 1, 2);
		assert_true(b->v[0].last[GOSSIP_EVENT_DEAD].host_up);
		bed_free(b);
	}
}

/* It has just come: its links are as good as any. */
static void test_daemon_killed_as_it_came(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int64_t lived = 250; lived < 1500; lived += 400) {
			struct bed *b = bed_new(sizes[i]);
			int64_t at;

			bed_start_all(b);
			bed_run(b, 5300);
			bed_kill(b, 1);
			bed_run(b, 500);
			bed_start(b, 1, 0);
			bed_run(b, lived);
			bed_mark(b);
			at = b->now_ms;
			bed_kill(b, 1);
			bed_run(b, 5000);
			if (sizes[i] > 2)
				assert_in_range(last_said(b, 1, GOSSIP_SUSPECT) - at, 150, 300);
			assert_in_range(last_said(b, 1, GOSSIP_DEAD) - at, 1000, 2000);
			assert_only(b, 1, 2);
			bed_free(b);
		}
}

static void test_daemon_restarts_within_a_second(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);

		bed_start_all(b);
		bed_set(b, 1, "k", "first");
		bed_run(b, 5300);
		bed_kill(b, 1);
		bed_run(b, 900);
		bed_start(b, 1, 0);
		bed_set(b, 1, "j", "second");
		bed_run(b, 1000);
		assert_true(bed_agreed(b));
		assert_int_equal(count(b, GOSSIP_EVENT_DEAD), 0);
		for (int k = 0; k < b->n; k++) {
			assert_null(bed_value(b, k, 1, "k"));
			assert_string_equal(bed_value(b, k, 1, "j"), "second");
		}
		bed_free(b);
	}
}

static void test_host_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);
		int64_t at;

		bed_start_all(b);
		bed_run(b, 5900);
		at = b->now_ms;
		bed_lose(b, 1);
		bed_run(b, 8000);
		assert_in_range(last_said(b, 1, GOSSIP_DEAD) - at, 1400, 3000);
		assert_only(b, 1, 2);
		assert_false(b->v[0].last[GOSSIP_EVENT_DEAD].host_up);
		bed_free(b);
	}
}

/* One to four of 32 are stopped for 5 s: nobody else suffers, and they are back within a second. */
static void test_paused(void **state)
{
	(void)state;
	for (int n = 1; n <= 4; n++) {
		struct bed *b = bed_new(32);

		bed_start_all(b);
		bed_run(b, 5500);
		bed_mark(b);
		for (int k = 1; k <= n; k++)
			bed_pause(b, k, true);
		bed_run(b, 5000);
		for (int k = 1; k <= n; k++)
			bed_pause(b, k, false);
		(void)bed_until(b, 1000, bed_agreed);
		bed_run(b, 10000);
		assert_true(bed_agreed(b));
		assert_only(b, 1, 1 + n);
		bed_free(b);
	}
}

/* A fifth to three fifths die at the same instant. */
static void test_many_die(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (int lost = 1; lost * 10 <= sizes[i] * 6; lost += MAX(1, sizes[i] / 4)) {
			struct bed *b = bed_new(sizes[i]);

			bed_start_all(b);
			bed_run(b, 7200);
			bed_mark(b);
			for (int k = 0; k < lost; k++)
				bed_lose(b, k);
			bed_run(b, 20000);
			for (int k = 0; k < lost; k++)
				if (last_said(b, k, GOSSIP_DEAD) < 0)
					fail_msg("%d of %d lost: %d is not dead", lost, b->n, k);
			assert_only(b, 0, lost);
			bed_free(b);
		}
}

/* Nearly four fifths: many have no observer left that lives. The second look brings it to an end. */
static void test_nearly_all_die(void **state)
{
	static const int lost[] = {25, 50};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lost); i++) {
		struct bed *b = bed_new(i == 0 ? 32 : 64);

		bed_start_all(b);
		bed_run(b, 7200);
		bed_mark(b);
		for (int k = 0; k < lost[i]; k++)
			bed_lose(b, k);
		bed_run(b, 15000);
		for (int k = 0; k < lost[i]; k++)
			if (last_said(b, k, GOSSIP_DEAD) < 0)
				fail_msg("%d of %d lost: %d is not dead", lost[i], b->n, k);
		for (int k = lost[i]; k < b->n; k++)
			assert_int_equal(b->v[b->n - 1].said_ms[k][GOSSIP_DEAD], -1);
		bed_free(b);
	}
}

/* A tick that comes seconds late, before any frame is read: nobody is probed because of it. */
static void test_late_tick(void **state)
{
	struct bed *b = bed_new(5);
	struct gossip_figures f;

	(void)state;
	bed_start_all(b);
	bed_run(b, 5000);
	bed_pause(b, 1, true);
	bed_run(b, 4500);
	b->v[1].how = BED_UP;
	bed_step(b, 1, &(struct gossip_in){.type = GOSSIP_IN_TICK});
	bed_pause(b, 1, false);
	bed_run(b, 2000);
	gossip_figures(b->v[1].g, &f);
	assert_int_equal(f.msgs_out[GOSSIP_MSG_PROBE_ASK], 0);
	assert_int_equal(f.late_ticks, 1);
	bed_free(b);
}

enum outage { STANDS_STILL, IS_LOST, IS_MUTE, OUTAGE_MAX };

/* What is said of the last of them: whether its host is up. It is, of a daemon that stands still, and of no other. */
static void test_a_host_that_answers(void **state)
{
	(void)state;
	for (int how = 0; how < 2 * OUTAGE_MAX; how++) {
		int n = how % 2 ? 5 : 3, x = n - 1;
		struct bed *b = bed_new(n);

		bed_start_all(b);
		bed_run(b, 5500);
		for (int k = 0; k < x; k++)
			bed_cut(b, x, k, how / 2 == IS_MUTE);
		if (how / 2 == STANDS_STILL)
			bed_pause(b, x, true);
		else if (how / 2 == IS_LOST)
			bed_lose(b, x);
		bed_run(b, 5000);
		for (int k = 0; k < x; k++) {
			assert_int_equal(bed_state(b, x, k), GOSSIP_DEAD);
			assert_int_equal(b->v[k].last[GOSSIP_EVENT_DEAD].host_up, how / 2 == STANDS_STILL);
		}
		bed_free(b);
	}
}

static void partition(struct bed *b, int first, bool cut)
{
	for (int i = 0; i < b->n; i++)
		for (int k = 0; k < b->n; k++)
			if ((i < first) != (k < first))
				bed_cut(b, i, k, cut);
}

static void test_partition_heals(void **state)
{
	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(sizes) - 1; i++) {
		struct bed *b = bed_new(sizes[i]);

		bed_start_all(b);
		bed_run(b, 5000);
		partition(b, b->n / 2, true);
		bed_run(b, 600000);
		bed_set(b, 0, "k", "one side");
		bed_set(b, b->n - 1, "k", "other side");
		bed_run(b, 1000);
		partition(b, b->n / 2, false);
		(void)bed_until(b, 120000, bed_agreed);
		for (int k = 0; k < b->n; k++) {
			assert_string_equal(bed_value(b, k, 0, "k"), "one side");
			assert_string_equal(bed_value(b, k, b->n - 1, "k"), "other side");
		}
		bed_free(b);
	}
}

/* The path from one to another is cut, one way: relays know better. */
static void test_one_way_cut_of_a_pair(void **state)
{
	struct bed *b = bed_new(11);

	(void)state;
	bed_start_all(b);
	bed_run(b, 5000);
	bed_mark(b);
	bed_cut(b, 2, 3, true);
	bed_cut(b, 5, 4, true);
	bed_run(b, 60000);
	assert_only(b, 0, 0);
	assert_true(bed_agreed(b));
	bed_free(b);
}

/* A loop that stands still for three seconds, again and again, accuses nobody because of it. */
static void test_slow_observer(void **state)
{
	struct bed *b = bed_new(11);

	(void)state;
	bed_start_all(b);
	for (int k = 0; k < 10; k++) {
		bed_run(b, 3000);
		bed_pause(b, 1, true);
		bed_run(b, 1500);
		bed_pause(b, 1, false);
	}
	bed_run(b, 1000);
	assert_int_equal(count(b, GOSSIP_EVENT_ACCUSED), 0);
	assert_true(b->v[1].events[GOSSIP_EVENT_SLOW] > 0);
	bed_free(b);
}

static int not_linked(struct bed *b, int node)
{
	for (int i = 0; i < b->n; i++) {
		struct gossip_member m;

		assert_true(gossip_member_get(b->v[node].g, b->v[i].id, &m));
		if (i != node && m.link == GOSSIP_NO_LINK)
			return i;
	}
	fail_msg("all are linked");
	return -1;
}

static bool linked(struct bed *b, int node, int to)
{
	struct gossip_member m;

	return gossip_member_get(b->v[node].g, b->v[to].id, &m) && m.link != GOSSIP_NO_LINK;
}

/* A link to somebody who is no neighbour, at once, for as long as it is wanted, and kept by that one too. */
static void test_visits(void **state)
{
	struct bed *b = bed_new(40);
	uint64_t ids[GOSSIP_VISITS_MAX + 1];
	struct gossip_in in = {.type = GOSSIP_IN_VISIT, .ids = ids};
	int to;

	(void)state;
	bed_start_all(b);
	bed_run(b, 60000); /* those of the beginning that nobody wants are gone */
	to = not_linked(b, 7);
	ids[0] = b->v[to].id;
	ids[1] = b->v[7].id; /* nobody visits himself */
	ids[2] = 4711;	     /* nor somebody who is none */
	in.n_ids = 3;
	bed_step(b, 7, &in);
	bed_run(b, 20);
	assert_true(linked(b, 7, to) && linked(b, to, 7));
	bed_run(b, 120000);
	assert_true(linked(b, 7, to) && linked(b, to, 7));
	in.n_ids = 0;
	bed_step(b, 7, &in);
	bed_run(b, 1000);
	assert_true(linked(b, 7, to)); /* it lingers */
	bed_run(b, 60000);
	assert_false(linked(b, 7, to) || linked(b, to, 7));
	/* More than there may be are not looked at; one that died is not dialled. */
	for (int i = 0; i < GOSSIP_VISITS_MAX; i++)
		ids[i] = 4711;
	ids[GOSSIP_VISITS_MAX] = b->v[to].id;
	in.n_ids = GOSSIP_VISITS_MAX + 1;
	bed_step(b, 7, &in);
	bed_run(b, 5000);
	assert_false(linked(b, 7, to));
	bed_kill(b, to);
	bed_run(b, 10000);
	in.ids = &ids[GOSSIP_VISITS_MAX];
	in.n_ids = 1;
	bed_step(b, 7, &in);
	bed_run(b, 1000);
	assert_false(linked(b, 7, to));
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_one_is_alone),
		cmocka_unit_test(test_daemon_killed),
		cmocka_unit_test(test_daemon_killed_as_it_came),
		cmocka_unit_test(test_daemon_restarts_within_a_second),
		cmocka_unit_test(test_host_lost),
		cmocka_unit_test(test_paused),
		cmocka_unit_test(test_many_die),
		cmocka_unit_test(test_nearly_all_die),
		cmocka_unit_test(test_late_tick),
		cmocka_unit_test(test_partition_heals),
		cmocka_unit_test(test_one_way_cut_of_a_pair),
		cmocka_unit_test(test_a_host_that_answers),
		cmocka_unit_test(test_slow_observer),
		cmocka_unit_test(test_visits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
