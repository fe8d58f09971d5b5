/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/register_view: what members tell becomes what is known when something is decided. The members are cores of
 * gossip; what they tell is packed here as told.h says.
 */
#include "node/register_view.h"

#include <errno.h>

#include "tests/lib/gossip_bed.h"
#include "tests/lib/register_bed.h"

#define GIB (INT64_C(1) << 30)

static struct bed *b;
static size_t held;

static void set(int node, const char *key, const struct bytes *v)
{
	struct gossip_in in = {.type = GOSSIP_IN_SET,
		.key = {key, (uint16_t)strlen(key)},
		.value = {v->v, (uint16_t)v->n},
		.removed = v->n == 0};

	assert_false(v->failed);
	bed_step(b, node, &in);
}

/* Each of these: the fields up to `n`; those of an older version end before the others. */
static void tell_node(int node, bool draining, double cores, int64_t bytes, const char *zone)
{
	CLEANUP(bytes_done) struct bytes v = {.max = 1000};
	struct mp_writer w;

	mp_writer_init(&w, &v);
	mp_array(&w, TOLD_NODE_MAX);
	mp_bool(&w, true);
	mp_bool(&w, draining);
	mp_double(&w, cores);
	mp_int(&w, bytes);
	mp_map(&w, 2);
	mp_key_str(&w, "zone", zone);
	mp_key_int(&w, "rack", 7); /* no text: passed over */
	set(node, TOLD_NODE, &v);
}

static void tell_use(int node, double cores, int64_t bytes)
{
	CLEANUP(bytes_done) struct bytes v = {.max = 1000};
	struct mp_writer w;

	mp_writer_init(&w, &v);
	mp_array(&w, TOLD_USE_MAX);
	mp_double(&w, cores);
	mp_int(&w, bytes);
	set(node, TOLD_USE, &v);
}

static void tell_agent(int node, const char *key, size_t n, uint64_t knows, int64_t cpu, int64_t memory)
{
	CLEANUP(bytes_done) struct bytes v = {.max = 1000};
	struct mp_writer w;

	mp_writer_init(&w, &v);
	mp_array(&w, n);
	mp_str(&w, "replicated");
	mp_str(&w, "running");
	mp_int(&w, 1);
	mp_int(&w, 4);
	mp_bool(&w, false);
	mp_nil(&w);
	if (n > TOLD_AGENT_KNOWS) {
		mp_uint(&w, knows);
		mp_int(&w, cpu);
		mp_int(&w, memory);
	}
	set(node, key, &v);
}

static void tell_replica(
	int node, const char *key, size_t n, const char *state, int64_t epoch, int64_t version, int64_t ready)
{
	CLEANUP(bytes_done) struct bytes v = {.max = 1000};
	struct mp_writer w;

	mp_writer_init(&w, &v);
	mp_array(&w, n);
	mp_str(&w, state);
	mp_str(&w, "unknown");
	mp_int(&w, -1);
	mp_int(&w, 0);
	mp_int(&w, epoch);
	mp_int(&w, 1);
	mp_nil(&w);
	mp_int(&w, 0);
	mp_nil(&w);
	if (n > TOLD_REPLICA_VERSION) {
		mp_int(&w, version);
		if (ready < 0)
			mp_nil(&w);
		else
			mp_int(&w, ready);
	}
	set(node, key, &v);
}

static int begin(void **state)
{
	(void)state;
	held = 0;
	b = bed_new(3);
	bed_start_all(b);
	for (int i = 0; i < 3; i++) {
		tell_node(i, i == 2, 2.5, 8 * GIB, i ? "b" : "a");
		tell_use(i, 0.25 * i, i * GIB);
	}
	bed_run(b, 2000);
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(held, 0);
	bed_free(b);
	return 0;
}

static int64_t since(void *ctx, uint64_t id)
{
	(void)ctx; /* it is the same for all */
	assert_int_not_equal(id, 0);
	return b->now_ms - 5000;
}

static struct sched_node id_of(int node)
{
	struct gossip_member m;
	struct uuid u;

	assert_true(gossip_member_get(b->v[0].g, b->v[node].id, &m));
	memcpy(u.v, m.record.uuid, sizeof(u.v));
	return register_node_of(&u);
}

/* What n0 knows; done by forget_all. */
struct known {
	struct told told;
	struct register_hosts hosts;
	struct register_view view;
};

static void know(struct known *k, const struct register_root *root, const char *agent, struct register_seen *seen)
{
	struct now now = {.mono_ms = b->now_ms};
	struct register_hosts_in in = {
		.g = b->v[0].g, .told = &k->told, .root = root, .since_ms = since, .now = now, .mem = rbed_mem(&held)};
	struct err e;

	assert_int_equal(told_whole(b->v[0].g, &k->told), 0);
	assert_int_equal(register_hosts_make(&k->hosts, &in, &e), 0);
	assert_int_equal(register_view_make(&k->view, &k->hosts, agent, seen, now, &e), 0);
}

static void forget_all(struct known *k, struct register_seen *seen)
{
	struct value_mem mem = rbed_mem(&held);

	register_view_done(&k->view);
	register_hosts_done(&k->hosts);
	told_done(&k->told);
	if (seen)
		register_seen_done(seen, &mem);
}

static const struct sched_host *host(const struct known *k, int node)
{
	const struct sched_host *h = sched_host_of(&k->view.view, id_of(node));

	assert_non_null(h);
	return h;
}

static const struct sched_report *report(const struct known *k, int node, uint32_t number)
{
	for (size_t i = 0; i < k->view.view.n_reports; i++) {
		const struct sched_report *r = &k->view.view.reports[i];

		if (r->number == number && sched_same_node(r->node, id_of(node)))
			return r;
	}
	return NULL;
}

static void test_hosts(void **state)
{
	struct register_seen seen = {0};
	struct known k;

	(void)state;
	know(&k, NULL, "web", &seen);
	assert_int_equal(k.view.view.n_hosts, 3);
	assert_int_equal(k.view.view.n_reports, 0);
	for (int i = 0; i < 3; i++) {
		const struct sched_host *h = host(&k, i);

		assert_string_equal(h->name, b->v[i].name);
		assert_int_equal(h->state, SCHED_ALIVE);
		assert_int_equal(h->state_for_ms, 5000);
		assert_true(h->schedulable);
		assert_int_equal(h->draining, i == 2);
		assert_int_equal(h->n_labels, 1);
		assert_string_equal(h->labels[0].key, "zone");
		assert_string_equal(h->labels[0].value, i ? "b" : "a");
		assert_int_equal(h->cpu_milli, 2500);
		assert_int_equal(h->memory_bytes, 8 * GIB);
		assert_int_equal(h->used_cpu_milli, 250 * i);
		assert_int_equal(h->used_memory_bytes, i * GIB);
		assert_int_equal(h->knows, 0);
	}
	forget_all(&k, &seen);
}

static void test_who_is_gone(void **state)
{
	struct value_mem mem = rbed_mem(&held);
	struct register_seen seen = {0};
	struct register_root root;
	struct known k;

	(void)state;
	bed_lose(b, 2);
	(void)bed_run(b, 30000);
	register_root_init(&root, &mem);
	assert_int_equal(register_nodes_add(&root, &root.draining, id_of(1)), 0);
	assert_int_equal(register_nodes_add(&root, &root.forgotten, (struct sched_node){0xabcdef0123456789, 1}), 0);
	know(&k, &root, "web", &seen);
	assert_int_equal(host(&k, 0)->state, SCHED_ALIVE);
	assert_false(host(&k, 0)->draining);
	assert_true(host(&k, 1)->draining);
	assert_int_equal(host(&k, 2)->state, SCHED_DEAD);
	assert_false(host(&k, 2)->host_up);
	/* One that gossip does not know any more. */
	assert_int_equal(k.view.view.n_hosts, 4);
	assert_int_equal(k.view.view.hosts[3].state, SCHED_FORGOTTEN);
	assert_string_equal(k.view.view.hosts[3].name, "abcdef01");
	forget_all(&k, &seen);
	/* One that gossip calls dead is forgotten as soon as the root says so. */
	assert_int_equal(register_nodes_add(&root, &root.forgotten, id_of(2)), 0);
	know(&k, &root, "web", &seen);
	assert_int_equal(k.view.view.n_hosts, 4);
	assert_int_equal(host(&k, 2)->state, SCHED_FORGOTTEN);
	forget_all(&k, &seen);
	register_root_done(&root);
	/* And one that gossip has forgotten, whatever the root says: another one has its name. */
	bed_step(b, 0, &(struct gossip_in){.type = GOSSIP_IN_FORGET, .id = gossip_id(b->v[2].g)});
	know(&k, NULL, "web", &seen);
	assert_int_equal(k.view.view.n_hosts, 3);
	assert_int_equal(host(&k, 2)->state, SCHED_FORGOTTEN);
	forget_all(&k, &seen);
}

/* Of this agent a node has so much reserved, and what is left is that of all others. */
static void test_what_is_known_and_reserved(void **state)
{
	struct register_seen seen = {0};
	struct known k;

	(void)state;
	tell_agent(0, "agent/web", TOLD_AGENT_MAX, 12, 500, GIB);
	tell_agent(1, "agent/web", TOLD_AGENT_MAX, 13, 250, 2 * GIB);
	tell_agent(1, "agent/db", TOLD_AGENT_MAX, 99, 1000, 4 * GIB);
	tell_agent(1, "agent/n1/own", TOLD_AGENT_MAX, 0, 100, 0);
	tell_agent(1, "agent/bad", TOLD_AGENT_MAX, 1, -5, -1);
	tell_agent(2, "agent/web", TOLD_AGENT_KNOWS, 0, 0, 0); /* of an older version */
	bed_run(b, 2000);
	know(&k, NULL, "web", &seen);
	assert_int_equal(host(&k, 0)->knows, 12);
	assert_int_equal(host(&k, 0)->reserved_cpu_milli, 0);
	assert_int_equal(host(&k, 1)->knows, 13);
	assert_int_equal(host(&k, 1)->reserved_cpu_milli, 1100);
	assert_int_equal(host(&k, 1)->reserved_memory_bytes, 4 * GIB);
	assert_int_equal(host(&k, 2)->knows, 0);
	forget_all(&k, &seen);
	know(&k, NULL, "new", &seen);
	assert_int_equal(host(&k, 0)->reserved_cpu_milli, 500);
	assert_int_equal(host(&k, 1)->reserved_cpu_milli, 1350);
	assert_int_equal(host(&k, 1)->knows, 0);
	forget_all(&k, &seen);
}

static void test_reports(void **state)
{
	struct register_seen seen = {0};
	struct known k;

	(void)state;
	tell_replica(0, "replica/web.0", TOLD_REPLICA_MAX, "running", 7, 4, 100);
	tell_replica(0, "replica/web.11", TOLD_REPLICA_MAX, "backoff", 8, 4, -1);
	tell_replica(1, "replica/web.0", TOLD_REPLICA_MAX, "stopping", 5, 3, -1);
	tell_replica(1, "replica/web.2", TOLD_REPLICA_MAX, "flying", 6, 3, 0);	    /* a word of a newer version */
	tell_replica(2, "replica/web.3", TOLD_REPLICA_VERSION, "running", 9, 0, 0); /* of an older one */
	/* None of this agent's slots. */
	tell_replica(1, "replica/webb.1", TOLD_REPLICA_MAX, "running", 1, 1, 1);
	tell_replica(1, "replica/web.00", TOLD_REPLICA_MAX, "running", 1, 1, 1);
	tell_replica(1, "replica/web.x", TOLD_REPLICA_MAX, "running", 1, 1, 1);
	tell_replica(1, "replica/web.", TOLD_REPLICA_MAX, "running", 1, 1, 1);
	tell_replica(1, "replica/web.10000", TOLD_REPLICA_MAX, "running", 1, 1, 1);
	tell_replica(1, "replica/web.4294967296", TOLD_REPLICA_MAX, "running", 1, 1, 1);
	tell_replica(1, "replica/web.5", TOLD_REPLICA_MAX, "running", -1, 1, 1);
	bed_run(b, 2000);
	know(&k, NULL, "web", &seen);
	assert_int_equal(k.view.view.n_reports, 5);
	assert_true(report(&k, 0, 0)->up && report(&k, 0, 0)->ready);
	assert_int_equal(report(&k, 0, 0)->epoch, 7);
	assert_int_equal(report(&k, 0, 0)->version, 4);
	assert_false(report(&k, 0, 11)->up || report(&k, 0, 11)->ready);
	assert_true(report(&k, 1, 0)->up && !report(&k, 1, 0)->ready);
	assert_true(report(&k, 1, 2)->up && report(&k, 1, 2)->ready);
	assert_int_equal(report(&k, 2, 3)->version, 0);
	assert_true(report(&k, 2, 3)->up && !report(&k, 2, 3)->ready);
	forget_all(&k, &seen);
}

/* From when it was first seen so; anew when it became ready anew, though nobody looked meanwhile. */
static void test_how_long_it_is_ready(void **state)
{
	struct register_seen seen = {0};
	struct known k;

	(void)state;
	for (int i = 0; i < 3; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "replica/web.%d", 12 - i); /* fits */
		tell_replica(i, key, TOLD_REPLICA_MAX, "running", 7, 4, i == 1 ? -1 : 100);
	}
	bed_run(b, 2000);
	know(&k, NULL, "web", &seen);
	assert_int_equal(report(&k, 0, 12)->ready_for_ms, 0);
	forget_all(&k, NULL);
	assert_int_equal(seen.n, 2);
	bed_run(b, 3000);
	tell_replica(1, "replica/web.11", TOLD_REPLICA_MAX, "running", 7, 4, 55);
	bed_run(b, 1000);
	know(&k, NULL, "web", &seen);
	assert_int_equal(report(&k, 0, 12)->ready_for_ms, 4000);
	assert_int_equal(report(&k, 1, 11)->ready_for_ms, 0);
	assert_int_equal(report(&k, 2, 10)->ready_for_ms, 4000);
	forget_all(&k, NULL);
	tell_replica(0, "replica/web.12", TOLD_REPLICA_MAX, "running", 7, 4, 101);
	tell_replica(2, "replica/web.10", TOLD_REPLICA_MAX, "running", 7, 4, -1);
	bed_run(b, 1000);
	know(&k, NULL, "web", &seen);
	assert_int_equal(report(&k, 0, 12)->ready_for_ms, 0);
	assert_int_equal(report(&k, 1, 11)->ready_for_ms, 1000);
	assert_false(report(&k, 2, 10)->ready);
	assert_int_equal(seen.n, 2);
	forget_all(&k, &seen);
}

static void test_every_allocation_fails_once(void **state)
{
	struct value_mem mem = rbed_mem(&held);
	struct now now = {.mono_ms = b->now_ms};
	struct register_seen seen = {0};
	struct register_root root;
	struct told told;
	struct register_hosts_in in = {
		.g = b->v[0].g, .told = &told, .root = &root, .since_ms = since, .now = now, .mem = mem};
	size_t before;

	(void)state;
	tell_replica(0, "replica/web.0", TOLD_REPLICA_MAX, "running", 7, 4, 100);
	register_root_init(&root, &mem);
	assert_int_equal(register_nodes_add(&root, &root.forgotten, (struct sched_node){1, 1}), 0);
	assert_int_equal(told_whole(b->v[0].g, &told), 0);
	before = held;
	OOM_LOOP (o) {
		struct register_hosts hosts = {0};
		struct register_view view = {0};
		struct err e;
		int rc = register_hosts_make(&hosts, &in, &e);

		if (rc == 0)
			rc = register_view_make(&view, &hosts, "web", &seen, now, &e);
		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		register_view_done(&view);
		register_hosts_done(&hosts);
		if (rc == 0)
			register_seen_done(&seen, &mem);
		assert_int_equal(seen.n, 0);
		assert_int_equal(held, before);
	}
	told_done(&told);
	register_root_done(&root);
	OOM_LOOP (o) {
		assert_int_equal(told_whole(b->v[0].g, &told), oom_hit(&o) ? -ENOMEM : 0);
		told_done(&told);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_hosts, begin, end),
		cmocka_unit_test_setup_teardown(test_who_is_gone, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_known_and_reserved, begin, end),
		cmocka_unit_test_setup_teardown(test_reports, begin, end),
		cmocka_unit_test_setup_teardown(test_how_long_it_is_ready, begin, end),
		cmocka_unit_test_setup_teardown(test_every_allocation_fails_once, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
