/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is who: leaving and coming back, forgetting, names and ids that are used twice, disks that were cloned or fell
 * back, and what is kept of those that are gone.
 */
#include "gossip/gossip_impl.h"
#include "tests/lib/gossip_bed.h"

static void in(struct bed *b, int node, enum gossip_in_type type, uint64_t id)
{
	bed_step(b, node, &(struct gossip_in){.type = type, .id = id});
	bed_run(b, 0);
}

static void test_leave_and_return(void **state)
{
	static const int sizes[] = {2, 3, 5, 32};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bed *b = bed_new(sizes[i]);

		bed_start_all(b);
		bed_set(b, 1, "k", "v");
		in(b, 1, GOSSIP_IN_LEAVE, 0);
		assert_int_equal(b->v[1].events[GOSSIP_EVENT_LEFT_TOLD], 1);
		bed_kill(b, 1);
		bed_run(b, 60000);
		for (int k = 0; k < b->n; k++) {
			if (k == 1)
				continue;
			assert_int_equal(bed_state(b, 1, k), GOSSIP_LEFT);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_LEFT], 1);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_DEAD], 0);
			assert_int_equal(b->v[k].events[GOSSIP_EVENT_SUSPECT], 0);
			assert_int_equal(gossip_alive(b->v[k].g), b->n - 1);
		}
		bed_start(b, 1, 0);
		(void)bed_until(b, 2000, bed_agreed);
		assert_int_equal(b->v[0].last[GOSSIP_EVENT_RETURNED].state_was, GOSSIP_LEFT);
		assert_true(b->v[0].last[GOSSIP_EVENT_RETURNED].restarted);
		bed_free(b);
	}
}

static void test_dead_and_return(void **state)
{
	struct bed *b = bed_new(5);
	struct gossip_member m;

	(void)state;
	bed_start_all(b);
	bed_run(b, 2000);
	bed_kill(b, 3);
	bed_run(b, 5000);
	for (int k = 0; k < 5; k++) {
		if (k == 3)
			continue;
		assert_true(gossip_member_get(b->v[k].g, b->v[3].id, &m));
		assert_int_equal(m.state, GOSSIP_DEAD);
		assert_true(m.host_up);
	}
	bed_start(b, 3, 0);
	(void)bed_until(b, 1000, bed_agreed);
	for (int k = 0; k < 5; k++)
		assert_true(k == 3 || b->v[k].last[GOSSIP_EVENT_RETURNED].restarted);
	bed_free(b);
}

static void test_forgotten_for_ever(void **state)
{
	struct bed *b = bed_new(5);

	(void)state;
	bed_start_all(b);
	bed_kill(b, 4);
	bed_run(b, 10000);
	in(b, 0, GOSSIP_IN_FORGET, b->v[4].id);
	bed_run(b, 1000);
	for (int k = 0; k < 4; k++) {
		assert_int_equal(bed_state(b, 4, k), GOSSIP_FORGOTTEN);
		assert_int_equal(gossip_members(b->v[k].g), 4);
	}
	bed_start(b, 4, 2);
	bed_run(b, 60000);
	assert_int_equal(b->v[4].events[GOSSIP_EVENT_WE_FORGOTTEN], 1);
	for (int k = 0; k < 4; k++)
		assert_int_equal(bed_state(b, 4, k), GOSSIP_FORGOTTEN);
	bed_free(b);
}

/* One that lives keeps its name; one that is dead gives it up. */
static void test_one_name_two_ids(void **state)
{
	struct bed *b = bed_new(4);

	(void)state;
	for (int i = 0; i < 3; i++)
		bed_start(b, i, i == 0 ? -1 : 0);
	bed_run(b, 2000);
	(void)strcpy(b->v[3].name, "n2"); /* short enough */
	bed_start(b, 3, 0);
	bed_run(b, 5000);
	assert_true(b->v[0].events[GOSSIP_EVENT_NAME_TAKEN] > 0);
	assert_int_equal(gossip_alive(b->v[0].g), 3);
	bed_kill(b, 2);
	bed_run(b, 70000);
	assert_int_equal(bed_state(b, 2, 0), GOSSIP_FORGOTTEN);
	assert_int_equal(bed_state(b, 3, 1), GOSSIP_ALIVE);
	assert_int_equal(b->v[0].events[GOSSIP_EVENT_REPLACED], 1);
	assert_true(bed_agreed(b));
	bed_free(b);
}

static void test_a_cloned_disk(void **state)
{
	struct bed *b = bed_new(2);
	struct gossip_member m;
	struct gossip_outs outs;
	struct gossip_record r;

	(void)state;
	bed_start_all(b);
	assert_true(gossip_member_get(b->v[0].g, b->v[0].id, &m));
	r = m.record;
	gossip_step(b->v[0].g, &(struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = 90, .boot = 1, .record = &r},
		(struct now){.mono_ms = b->now_ms}, &outs);
	assert_int_equal(outs.v[0].type, GOSSIP_OUT_CLOSE);
	assert_int_equal(outs.v[0].why, GOSSIP_CLOSE_CLASH);
	assert_int_equal(outs.v[1].event, GOSSIP_EVENT_CLONED);
	bed_run(b, 2000);
	r.uuid[15] ^= 1; /* the same id, another UUID */
	gossip_step(b->v[1].g, &(struct gossip_in){.type = GOSSIP_IN_LINK_UP, .link = 90, .boot = 1, .record = &r},
		(struct now){.mono_ms = b->now_ms}, &outs);
	assert_int_equal(outs.v[0].why, GOSSIP_CLOSE_CLASH);
	assert_int_equal(outs.v[1].event, GOSSIP_EVENT_UUID_CLASH);
	bed_free(b);
}

/* The boot counter fell back with its disk: the node itself is told which boot the others know. */
static void test_amnesia(void **state)
{
	struct bed *b = bed_new(3);

	(void)state;
	b->v[2].boot = 4;
	bed_start_all(b);
	bed_kill(b, 2);
	bed_run(b, 3000);
	b->v[2].boot = 1;
	bed_start(b, 2, 0);
	bed_run(b, 5000);
	assert_true(b->v[0].events[GOSSIP_EVENT_CLONED] > 0);
	assert_true(b->v[2].events[GOSSIP_EVENT_CLONED] > 0);
	assert_int_equal(b->v[2].last[GOSSIP_EVENT_CLONED].id, b->v[2].id);
	assert_int_equal(b->v[2].last[GOSSIP_EVENT_CLONED].number, 5);
	bed_kill(b, 2);
	b->v[2].boot = 5;
	bed_start(b, 2, 0);
	(void)bed_until(b, 2000, bed_agreed);
	bed_free(b);
}

/* And when the counter stayed but the map fell back: the same boot, a version that we never made. */
static void test_a_version_that_we_never_made(void **state)
{
	struct bed *b = bed_new(2);
	static struct gossip_msg m = {.type = GOSSIP_MSG_DIGESTS};

	(void)state;
	bed_start_all(b);
	m.digests.n = 1;
	m.digests.v[0] = (struct gossip_digest){.id = b->v[0].id, .incarnation = 1ull << 32, .version = 77};
	bed_step(b, 0, &(struct gossip_in){.type = GOSSIP_IN_MSG, .link = 0, .msg = &m});
	assert_int_equal(b->v[0].events[GOSSIP_EVENT_CLONED], 1);
	bed_free(b);
}

/* Two thousand that come once and go: what is kept of them is bounded, and so is the memory. */
static void test_many_come_and_go(void **state)
{
	struct bed *b = bed_new(3);
	size_t bytes = 0;

	(void)state;
	for (int i = 0; i < 2; i++)
		bed_start(b, i, i == 0 ? -1 : 0);
	bed_run(b, 1000);
	for (int k = 0; k < 2500; k++) {
		(void)snprintf(b->v[2].name, sizeof(b->v[2].name), "m%d", k);
		b->salt = (uint64_t)k;
		b->v[2].boot = 0;
		bed_start(b, 2, 0);
		bed_run(b, 20);
		assert_int_equal(bed_state(b, 2, 1), GOSSIP_ALIVE);
		in(b, 2, GOSSIP_IN_LEAVE, 0);
		bed_kill(b, 2);
		if (k == 1500)
			bytes = b->bytes;
	}
	assert_in_range(b->bytes, 1, bytes + bytes / 20);
	assert_in_range(gossip_members(b->v[0].g), 2, GOSSIP_GONE_MAX + 3);
	assert_int_equal(b->v[0].g->n_links, 1);
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave_and_return),
		cmocka_unit_test(test_dead_and_return),
		cmocka_unit_test(test_forgotten_for_ever),
		cmocka_unit_test(test_one_name_two_ids),
		cmocka_unit_test(test_a_cloned_disk),
		cmocka_unit_test(test_amnesia),
		cmocka_unit_test(test_a_version_that_we_never_made),
		cmocka_unit_test(test_many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
