/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this node tells of itself, where the core has no memory for it: each allocation fails once, and a while later
 * all is told; what was not is said, and nobody hears that a decision is acted on before what came of it. The core is
 * real, and so is what is told.
 */
#include "node/cluster_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "node/cluster_priv.h"
#include "node/cluster_share.h"
#include "node/council_priv.h"
#include "node/register_reader.h"
#include "node/told.h"
#include "tests/lib/test.h"

static struct bed {
	struct config cfg;
	struct node n;
	struct cluster c;
	struct agent *a;
	struct decided decided;
	long fail_in; /* allocations of the core until one fails, 0: none; … */
	bool fail_all, failed;
	int said;
	bool full; /* it is said that it does not fit */
} bed;

/* ---- in place of what has links and people behind it ---- */

void __wrap_cluster_arm(struct cluster *c);
void __wrap_cluster_event_paced(
	struct cluster *c, enum replica_severity severity, const char *kind, const char *fmt, ...);

void __wrap_cluster_arm(struct cluster *c)
{
	gossip_check(c->g);
}

void __wrap_cluster_event_paced(
	struct cluster *c, enum replica_severity severity, const char *kind, const char *fmt, ...)
{
	assert_true(c == &bed.c && severity == SEVERITY_ERROR);
	assert_string_equal(kind, "not-told");
	bed.full |= strstr(fmt, "than fits") != NULL;
	bed.said++;
}

/* ---- the bed ---- */

static void *give(void *ctx, size_t n)
{
	(void)ctx;
	if (bed.fail_all || (bed.fail_in > 0 && --bed.fail_in == 0)) {
		bed.failed = true;
		return NULL;
	}
	return malloc(n);
}

static void begin(void)
{
	static const char text[] = "name: web\ncommand: [/bin/true]\n";
	const struct gossip_mem mem = {.alloc = give, .release = mem_take_back};
	struct gossip_config g = {.boot = 1, .record = {.name = {"n1", 2}, .uuid = {1}, .version = 1, .wire_min = 1}};
	struct agent_spec *spec;
	struct spec_faults faults = {0};
	struct err e;

	memset(&bed, 0, sizeof(bed));
	g.record.wire_max = 1;
	bed.cfg.data_dir = "/";
	bed.n.cfg = &bed.cfg;
	bed.n.cluster = &bed.c;
	bed.n.loop = ev_loop_new(0);
	assert_non_null(bed.n.loop);
	(void)node_now(&bed.n);
	bed.c.n = &bed.n;
	assert_int_equal(gossip_new(&g, &mem, bed.n.now, &bed.c.g), 0);
	cluster_in(&bed.c, &(struct gossip_in){.type = GOSSIP_IN_FOUNDED});
	cluster_set_init(&bed.c);
	cluster_share_init(&bed.c);
	assert_int_equal(roster_init(&bed.n, &e), 0);
	assert_int_equal(spec_parse(text, strlen(text), SPEC_SCOPE_CLUSTER, &spec, &faults), 0);
	assert_int_equal(roster_add(&bed.n, "web", SPEC_SCOPE_CLUSTER, &bed.a, &e), 0);
	roster_set_spec(bed.a, spec);
	spec_unref(spec);
	assert_non_null(roster_slot(bed.a, 0, NULL));
}

static void end(void)
{
	bed.a->decided = NULL;
	cluster_share_done(&bed.c);
	cluster_set_done(&bed.c);
	roster_done(&bed.n);
	gossip_free(bed.c.g);
	ev_loop_destroy(bed.n.loop);
}

/* The replica begins anew, and the node acts on the next decision. */
static void change(int n)
{
	bed.decided.number = n;
	bed.a->decided = &bed.decided;
	bed.a->slots[0]->core.restarts = n;
	cluster_share_agent(&bed.c, bed.a);
}

static int64_t field(const char *key, unsigned at)
{
	CLEANUP(mp_done) struct mp_tree t = {0};
	const msgpack_object *v = told_get(&bed.c, gossip_id(bed.c.g), key, &t);

	return v ? told_int(v, at, -1) : -2;
}

/* What the others may know by now. */
static void nobody_is_misled(int n)
{
	int64_t knows = field(TOLD_AGENT "web", TOLD_AGENT_KNOWS);

	assert_true(knows <= n);
	assert_true(field(TOLD_REPLICA "web.0", TOLD_REPLICA_RESTARTS) >= knows);
}

static void all_is_told(int n)
{
	assert_int_equal(field(TOLD_AGENT "web", TOLD_AGENT_KNOWS), n);
	assert_int_equal(field(TOLD_REPLICA "web.0", TOLD_REPLICA_RESTARTS), n);
	assert_true(field(TOLD_NODE, TOLD_NODE_BYTES) >= 0);
	assert_true(field(TOLD_USE, TOLD_USE_BYTES) >= 0);
}

/* The pause is over. */
static void time_comes(void)
{
	assert_true(ev_is_active(&bed.c.untold_timer));
	ev_timer_stop(bed.n.loop, &bed.c.untold_timer);
	ev_invoke(bed.n.loop, &bed.c.untold_timer, EV_TIMER);
	if (ev_is_active(&bed.c.agents_timer)) {
		ev_timer_stop(bed.n.loop, &bed.c.agents_timer);
		ev_invoke(bed.n.loop, &bed.c.agents_timer, EV_TIMER);
	}
}

/* ---- tests ---- */

static void test_each_allocation_fails(void **state)
{
	bool failed = true;
	int lost = 0, n;

	(void)state;
	for (n = 1; failed; n++) {
		begin();
		change(1);
		bed.fail_in = n;
		cluster_share_all(&bed.c);
		change(2);
		nobody_is_misled(2);
		failed = bed.failed;
		bed.fail_in = 0;
		lost += bed.said > 0;
		assert_false(bed.full);
		assert_int_equal(ev_is_active(&bed.c.untold_timer) != 0, bed.said > 0);
		if (bed.said > 0)
			time_comes();
		assert_false(ev_is_active(&bed.c.untold_timer));
		all_is_told(2);
		end();
	}
	assert_true(lost >= 4 && n < 1000);
}

static void test_it_is_tried_with_longer_pauses(void **state)
{
	(void)state;
	begin();
	change(1);
	cluster_share_all(&bed.c);
	all_is_told(1);
	bed.fail_all = true;
	change(2);
	nobody_is_misled(2);
	for (int64_t ms = 1000; ms < 200000; ms *= 2) {
		assert_int_equal(bed.c.untold_ms, MIN(ms, (int64_t)60000));
		time_comes();
		nobody_is_misled(2);
	}
	bed.fail_all = false;
	time_comes();
	assert_false(ev_is_active(&bed.c.untold_timer));
	all_is_told(2);
	end();
}

/* What is removed needs nothing, and so no second time. */
static void test_what_is_gone_is_gone(void **state)
{
	(void)state;
	begin();
	change(1);
	cluster_share_all(&bed.c);
	bed.fail_all = true;
	cluster_share_gone(&bed.c, bed.a->slots[0]);
	cluster_share_removed(&bed.c, bed.a);
	assert_int_equal(field(TOLD_AGENT "web", TOLD_AGENT_KNOWS), -2);
	assert_int_equal(field(TOLD_REPLICA "web.0", TOLD_REPLICA_RESTARTS), -2);
	assert_int_equal(bed.said, 0);
	bed.fail_all = false;
	end();
}

/* More keys than there may be: a bound is no want of memory, and is said as what it is. */
static void test_what_does_not_fit_is_tried_again(void **state)
{
	char key[16];

	(void)state;
	begin();
	for (int i = 0; i < GOSSIP_KEYS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i); /* fits */
		assert_true(cluster_set(&bed.c, key, "v", 1));
	}
	change(1);
	assert_true(bed.said > 0 && bed.full);
	assert_int_equal(field(TOLD_AGENT "web", TOLD_AGENT_KNOWS), -2);
	for (int i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i); /* fits */
		assert_true(cluster_set(&bed.c, key, NULL, 0));
	}
	for (int i = 0; i < GOSSIP_KEYS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "k%d", i); /* fits */
		(void)cluster_set(&bed.c, key, NULL, 0);
	}
	time_comes();
	all_is_told(1);
	end();
}

static const struct msg_key web = {.n = 3, .v = "web"};

/* What the council tells to be chosen: that of it which others are to hear. */
static int hints(struct council *c, uint64_t counter)
{
	const struct registers_out out = {.type = REGISTERS_OUT_CHOSEN,
		.key = web,
		.ballot = {.counter = counter, .node = c->self},
		.ours = true};

	if (counter > 0)
		council_hint_chosen(c, &out);
	bed.n.now.mono_ms = c->hints_at_ms + 1000;
	council_hint_turn(c);
	return field(TOLD_CHOSEN "web", TOLD_CHOSEN_EPOCH) == -2 ? 0 : 1;
}

static void test_what_is_chosen_is_told_again(void **state)
{
	struct council c = {.n = &bed.n, .self = {{1}}};
	struct agree_config config = {.registers.acceptor = {.self = c.self, .boot = 1, .reader = &register_reader}};
	struct gossip_str is;
	char was[256];
	size_t was_n;
	const struct gossip_str key = {TOLD_CHOSEN "web", strlen(TOLD_CHOSEN "web")};

	(void)state;
	begin();
	bed.n.council = &c;
	assert_int_equal(agree_new(&config, &council_mem, bed.n.now, &c.a), 0);
	council_hint_init(&c);
	bed.fail_all = true;
	assert_int_equal(hints(&c, 5), 0);
	bed.fail_all = false;
	assert_int_equal(hints(&c, 0), 0); /* nobody asked for it */
	time_comes();
	assert_int_equal(hints(&c, 0), 1);
	assert_true(gossip_value_get(bed.c.g, gossip_id(bed.c.g), key, &is));
	was_n = is.n;
	assert_true(was_n <= sizeof(was));
	memcpy(was, is.v, was_n);
	assert_int_equal(hints(&c, 6), 1);
	assert_true(gossip_value_get(bed.c.g, gossip_id(bed.c.g), key, &is));
	assert_true(is.n == was_n && memcmp(is.v, was, is.n) != 0);
	council_hint_dropped(&c, &web);
	bed.fail_all = true;
	assert_int_equal(hints(&c, 0), 0);
	bed.fail_all = false;
	council_hint_done(&c);
	agree_free(c.a);
	bed.n.council = NULL;
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_allocation_fails),
		cmocka_unit_test(test_it_is_tried_with_longer_pauses),
		cmocka_unit_test(test_what_is_gone_is_gone),
		cmocka_unit_test(test_what_does_not_fit_is_tried_again),
		cmocka_unit_test(test_what_is_chosen_is_told_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
