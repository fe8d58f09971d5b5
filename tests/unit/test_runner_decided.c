/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a slot of a decision says of the replica that this node has for it: under which version the others are told of
 * it, when, and at which epoch it begins.
 */
#include "tests/lib/roster_bed.h"

#include "node/cluster_priv.h"
#include "node/cluster_share.h"
#include "node/runner_parts.h"
#include "node/told.h"

#define BEFORE 2
#define NEWEST 3
#define OTHER  9 /* what the run says of itself */

/* ---- what is told, caught on its way into the core of gossip ---- */

static int64_t told_version_of; /* of web.0; -1: nothing */
static int agents_told;

bool __wrap_cluster_set(struct cluster *c, const char *key, const void *v, size_t n);
bool __wrap_cluster_set(struct cluster *c, const char *key, const void *v, size_t n)
{
	CLEANUP(mp_done) struct mp_tree t = {0};

	(void)c;
	agents_told += strcmp(key, TOLD_AGENT "web") == 0;
	if (strcmp(key, TOLD_REPLICA "web.0") != 0)
		return true;
	assert_true(n <= GOSSIP_VALUE_MAX);
	told_version_of = told_int(told_read((struct gossip_str){v, (uint16_t)n}, &t), TOLD_REPLICA_VERSION, -1);
	return true;
}

/* A core that is new is told all again. */
static void is_told_under(struct roster_bed *b, int64_t version)
{
	static struct cluster c;

	c.n = &b->n;
	c.cores_made++;
	told_version_of = -1;
	cluster_share_agent(&c, b->a);
	assert_int_equal(told_version_of, version);
}

/* ---- a decision ---- */

/* Of NEWEST, which replaced BEFORE; slot NULL: none of its slots is this node's. */
static struct decided *decide(struct roster_bed *b, const struct decided_slot *slot)
{
	struct decided *d = calloc(1, sizeof(*d) + sizeof(d->slots[0]));

	assert_non_null(d);
	d->version = NEWEST;
	d->before_version = BEFORE;
	d->named = true;
	d->n = slot != NULL;
	if (slot)
		d->slots[0] = *slot;
	free(b->a->decided);
	b->a->decided = d; /* the agent's */
	b->a->version = NEWEST;
	return d;
}

/* Both definitions ask for the same run: which of them it is of says its slot. */
static void test_told_under_the_slots_version(void **state)
{
	struct roster_bed *b = *state;

	roster_bed_define(b, "/bin/a", 1);
	roster_bed_define(b, "/bin/a", 2);
	(void)roster_bed_meet(b, "/bin/a", OTHER, 1);
	(void)decide(b, &(struct decided_slot){.version = BEFORE, .epoch = 1});
	is_told_under(b, BEFORE);
	(void)decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 1});
	is_told_under(b, NEWEST);
}

/* A slot that asks for another run does not make this one what it asks for. */
static void test_told_under_the_version_that_it_runs(void **state)
{
	struct roster_bed *b = *state;

	roster_bed_define(b, "/bin/old", 1);
	roster_bed_define(b, "/bin/new", 1);
	(void)roster_bed_meet(b, "/bin/old", OTHER, 1);
	(void)decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 1});
	is_told_under(b, BEFORE);
	(void)roster_bed_meet(b, "/bin/new", OTHER, 1);
	(void)decide(b, &(struct decided_slot){.version = BEFORE, .epoch = 1});
	is_told_under(b, NEWEST);
}

/* Until the node that it moves to is ready it goes on, and its slot here asks for nothing. */
static void test_told_without_a_slot(void **state)
{
	struct roster_bed *b = *state;

	roster_bed_define(b, "/bin/old", 1);
	roster_bed_define(b, "/bin/new", 1);
	(void)roster_bed_meet(b, "/bin/old", OTHER, 1);
	(void)decide(b, &(struct decided_slot){.version = 0, .epoch = 1});
	is_told_under(b, BEFORE);
	(void)decide(b, NULL);
	is_told_under(b, BEFORE);
	(void)roster_bed_meet(b, "/bin/older", OTHER, 1);
	is_told_under(b, OTHER); /* of neither */
}

/* It is to start anew, though it runs what its slot asks for: it is not that yet. */
static void test_told_of_one_that_is_stale(void **state)
{
	struct roster_bed *b = *state;

	roster_bed_define(b, "/bin/a", 1);
	(void)roster_bed_meet(b, "/bin/a", 1, 1);
	decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 1})->fresh = NEWEST;
	is_told_under(b, 1);
}

/* ---- when it is told ---- */

/* With a replica at once; what is only this node's word on a decision waits until all have that. */
static void test_told_in_the_way_of_nothing(void **state)
{
	struct roster_bed *b = *state;
	static struct cluster c;

	c.n = &b->n;
	c.cores_made++;
	cluster_share_init(&c);
	roster_bed_define(b, "/bin/a", 1);
	roster_bed_define(b, "/bin/a", 2);
	(void)roster_bed_meet(b, "/bin/a", OTHER, 1);
	agents_told = 0;
	decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 1})->number = 4;
	cluster_share_agent(&c, b->a);
	assert_int_equal(agents_told, 1);
	b->a->decided->number = 5;
	cluster_share_agent(&c, b->a);
	b->a->decided->number = 6;
	cluster_share_agent(&c, b->a);
	assert_int_equal(agents_told, 1);
	assert_true(ev_is_active(&c.agents_timer));
	ev_timer_stop(b->n.loop, &c.agents_timer);
	ev_invoke(b->n.loop, &c.agents_timer, EV_TIMER); /* it is due */
	assert_int_equal(agents_told, 2);
	b->a->decided->number = 7;
	cluster_share_agent(&c, b->a);
	(void)decide(b, &(struct decided_slot){.version = BEFORE, .epoch = 2}); /* and that is the replica's, too */
	cluster_share_agent(&c, b->a);
	assert_int_equal(agents_told, 3);
	free(b->a->decided); /* a node alone */
	b->a->decided = NULL;
	cluster_share_agent(&c, b->a);
	assert_int_equal(agents_told, 4);
	cluster_share_done(&c);
}

/* ---- its epoch ---- */

/* The plan passes over one that was found and has not answered: nobody has given it its slot's epoch by then. */
static void test_begins_at_its_slots_epoch(void **state)
{
	struct roster_bed *b = *state;
	struct runner *r;
	struct err e;
	int fd = -1;

	roster_bed_define(b, "/bin/a", 1);
	r = roster_slot(b->a, 0, NULL);
	assert_non_null(r);
	(void)decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 12});
	assert_int_equal(r->epoch, 0);
	assert_true(runner_may_start(r));
	assert_int_equal(runner_lease_begin(r, &fd, &e), 0);
	assert_int_equal(r->epoch, 12);
	assert_int_equal(fd, -1);
	(void)decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 15}); /* it was assigned anew */
	assert_int_equal(runner_lease_begin(r, &fd, &e), 0);
	assert_int_equal(r->epoch, 15);
	(void)decide(b, NULL);
	assert_int_equal(runner_lease_begin(r, &fd, &e), 0);
	assert_int_equal(r->epoch, 15); /* what it has is as good as any */
}

/* Under a lease nothing begins without one, and then at that lease's epoch, whatever the slot says by now. */
static void test_begins_at_its_leases_epoch(void **state)
{
	struct roster_bed *b = *state;
	struct runner *r;
	struct err e;
	int fd = -1;

	roster_bed_define(b, "/bin/a", 1);
	r = roster_slot(b->a, 0, NULL);
	assert_non_null(r);
	(void)decide(b, &(struct decided_slot){.version = NEWEST, .epoch = 12, .leased = true});
	r->leased = true;
	assert_false(runner_may_start(r));
	runner_lease(r, 11, b->n.now.boot_ms + 5000);
	assert_true(runner_may_start(r));
	assert_int_equal(runner_lease_begin(r, &fd, &e), 0);
	assert_int_equal(r->epoch, 11);
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(fuse_page_until_ms(&r->page), b->n.now.boot_ms + 5000);
	runner_lease(r, 10, b->n.now.boot_ms + 9000); /* an older one says nothing any more */
	assert_true(r->lease_epoch == 11 && r->lease_ms == b->n.now.boot_ms + 5000);
	runner_lease(r, 12, b->n.now.boot_ms + 6000);
	assert_int_equal(runner_lease_begin(r, &fd, &e), 0);
	assert_int_equal(r->epoch, 12);
	assert_int_equal(fuse_page_until_ms(&r->page), b->n.now.boot_ms + 6000);
	(void)close(fd);
	runner_lease(r, 13, 0);
	assert_false(runner_may_start(r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_told_under_the_slots_version, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(
			test_told_under_the_version_that_it_runs, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(test_told_without_a_slot, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(test_told_of_one_that_is_stale, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(test_told_in_the_way_of_nothing, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(test_begins_at_its_slots_epoch, roster_bed_open, roster_bed_close),
		cmocka_unit_test_setup_teardown(test_begins_at_its_leases_epoch, roster_bed_open, roster_bed_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
