/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_ROSTER_BED_H
#define TESTS_LIB_ROSTER_BED_H
/*
 * A node with a store, a roster and one agent of the cluster, web, but without shims: what one of them would say when a
 * new daemon finds it is said by the test.
 */
#include <string.h>

#include "node/events.h"
#include "node/node.h"
#include "tests/lib/store_bed.h"
#include "tests/lib/test.h"

struct roster_bed {
	struct store_bed store;
	struct config cfg;
	struct node n;
	struct agent *a;
};

static inline struct agent_spec *roster_bed_parse(const char *text)
{
	static struct spec_faults faults;
	struct agent_spec *spec = NULL;

	faults = (struct spec_faults){0};
	assert_int_equal(spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &spec, &faults), 0);
	return spec;
}

/* The newest definition, and the probe's port it brings, for which nothing has to be started anew. */
static inline void roster_bed_define(struct roster_bed *b, const char *command, int port)
{
	struct agent_spec *spec;
	char text[256];

	(void)snprintf(text, sizeof(text),
		"name: web\ncommand: [%s]\nhealth: {liveness: {tcp: {port: %d}, failures: 1, after: 0}}\n", command,
		port); /* fits; so below */
	spec = roster_bed_parse(text);
	roster_set_spec(b->a, spec);
	spec_unref(spec);
}

static inline uint64_t roster_bed_hash(const char *command)
{
	struct agent_spec *spec;
	char text[64];
	uint64_t h;

	(void)snprintf(text, sizeof(text), "name: web\ncommand: [%s]\n", command);
	spec = roster_bed_parse(text);
	h = spec->run_hash;
	spec_unref(spec);
	return h;
}

/* As cmocka's setup and teardown. */
static inline int roster_bed_open(void **state)
{
	static struct roster_bed b;
	struct err e;

	b = (struct roster_bed){.cfg = {.name = "n1"}};
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

static inline int roster_bed_close(void **state)
{
	struct roster_bed *b = *state;

	roster_done(&b->n);
	events_free(b->n.events);
	store_bed_done(&b->store);
	return 0;
}

/* A shim of web.0 answers: it runs what was defined with that command. */
static inline struct runner *roster_bed_meet(struct roster_bed *b, const char *command, int64_t version, uint64_t epoch)
{
	const struct runner_label label = {
		.size = sizeof(label), .run_hash = roster_bed_hash(command), .version = version, .epoch = epoch};
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

#endif
