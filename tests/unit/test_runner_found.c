/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new daemon meets shims in the middle of a change of their agent: what runs goes on with the definition that it was
 * started with, where that is known; what was started with any other is left in peace until it is replaced.
 */
#include <string.h>

#include "node/events.h"
#include "node/node.h"
#include "node/runner_parts.h"
#include "tests/lib/store_bed.h"
#include "tests/lib/test.h"

struct bed {
	struct store_bed store;
	struct config cfg;
	struct node n;
	struct agent *a;
};

static struct agent_spec *parse(const char *text)
{
	static struct spec_faults faults;
	struct agent_spec *spec = NULL;

	faults = (struct spec_faults){0};
	assert_int_equal(spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &spec, &faults), 0);
	return spec;
}

/* The newest definition, and the probe's port it brings: what runs must not be asked there. */
static void define(struct bed *b, const char *command, int port)
{
	struct agent_spec *spec;
	char text[256];

	(void)snprintf(text, sizeof(text),
		"name: web\ncommand: [%s]\nhealth: {liveness: {tcp: {port: %d}, failures: 1, after: 0}}\n", command,
		port);
	spec = parse(text);
	roster_set_spec(b->a, spec);
	spec_unref(spec);
}

static uint64_t hash_of(const char *command)
{
	struct agent_spec *spec;
	char text[64];
	uint64_t h;

	(void)snprintf(text, sizeof(text), "name: web\ncommand: [%s]\n", command);
	spec = parse(text);
	h = spec->run_hash;
	spec_unref(spec);
	return h;
}

static int open_bed(void **state)
{
	static struct bed b;
	struct err e;

	b = (struct bed){.cfg = {.name = "n1"}};
	store_bed_make(&b.store);
	store_bed_open(&b.store);
	b.cfg.run_dir = b.cfg.data_dir = b.store.dir.path;
	b.n.cfg = &b.cfg;
	b.n.loop = b.store.loop;
	b.n.store = b.store.s;
	(void)node_now(&b.n);
	rng_seed(&b.n.rng, 1);
	assert_int_equal(events_new(b.n.store, "n1", &b.n.events, &e), 0);
	assert_int_equal(roster_init(&b.n, &e), 0);
	assert_int_equal(roster_add(&b.n, "web", SPEC_SCOPE_CLUSTER, &b.a, &e), 0);
	*state = &b;
	return 0;
}

static int close_bed(void **state)
{
	struct bed *b = *state;

	roster_done(&b->n);
	events_free(b->n.events);
	store_bed_done(&b->store);
	return 0;
}

/* A shim of web.0 answers: it runs what was defined with that command. */
static struct runner *meet(struct bed *b, const char *command)
{
	const struct runner_label label = {.size = sizeof(label), .run_hash = hash_of(command), .version = 1};
	const struct shim_hello hello = {.size = sizeof(hello),
		.state = SHIM_RUNNING,
		.run = 7,
		.pid = 41,
		.pid_start = 5,
		.label_size = sizeof(label)};
	struct runner *r = roster_slot(b->a, 0, NULL);

	assert_non_null(r);
	r->awaiting = true;
	b->n.awaiting++;
	runner_hello(r, &hello, false, &label, sizeof(label));
	assert_int_equal(r->core.state, REPLICA_RUNNING);
	assert_int_equal(r->core.pid, 41);
	return r;
}

static void test_of_the_newest(void **state)
{
	struct bed *b = *state;
	const struct runner *r;

	define(b, "/bin/old", 1);
	define(b, "/bin/new", 2);
	r = meet(b, "/bin/new");
	assert_ptr_equal(r->spec, b->a->spec);
	assert_int_equal(r->core.liveness.probe->port, 2);
	assert_true(runner_is_current(r));
}

static void test_of_the_one_that_was_replaced(void **state)
{
	struct bed *b = *state;
	const struct runner *r;

	define(b, "/bin/old", 1);
	define(b, "/bin/new", 2);
	r = meet(b, "/bin/old");
	assert_ptr_equal(r->spec, b->a->before);
	assert_int_equal(r->core.liveness.probe->port, 1);
	assert_true(replica_deadline_ms(&r->core) != DEADLINE_NEVER);
	assert_false(runner_is_current(r));
}

static void test_of_one_that_nobody_knows_any_more(void **state)
{
	struct bed *b = *state;
	struct runner *r;

	define(b, "/bin/old", 1);
	define(b, "/bin/new", 2);
	r = meet(b, "/bin/older");
	assert_int_equal(replica_deadline_ms(&r->core), DEADLINE_NEVER);
	assert_int_equal(replica_health(&r->core), HEALTH_UNKNOWN);
	assert_true(replica_is_ready(&r->core)); /* or a change would take all of them down at once */
	assert_true(r->ready_since_ms > 0);
	assert_false(runner_is_current(r));
	define(b, "/bin/older", 3); /* somebody goes back to it */
	assert_true(runner_is_current(r));
	runner_take_spec(r, b->a->spec);
	assert_int_equal(r->core.liveness.probe->port, 3);
	assert_true(replica_deadline_ms(&r->core) != DEADLINE_NEVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_of_the_newest, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_of_the_one_that_was_replaced, open_bed, close_bed),
		cmocka_unit_test_setup_teardown(test_of_one_that_nobody_knows_any_more, open_bed, close_bed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
