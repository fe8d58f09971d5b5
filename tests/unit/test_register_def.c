/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/register_def: what of a definition counts for the scheduler, and when what runs need not be started anew.
 */
#include "node/register_def.h"

#include <errno.h>

#include "tests/lib/register_bed.h"

static const char full[] =
	"name: web\n"
	"command: [/bin/web]\n"
	"replicas: 3\n"
	"resources: {cpu: 2, memory: 1G, reserve: {cpu: 0.5, memory: 256M}}\n"
	"placement: {require: [\"zone == a\", \"disk != hdd\"], prefer: [\"rack == r1\"], spread: rack}\n"
	"failover_grace: 5s\n"
	"update: {surge: 50%, unavailable: 2, min_healthy: 3s, timeout: 4m, rollback: no}\n";

static struct register_def *parse(const struct value_mem *mem, const char *text)
{
	struct register_def *d = NULL;
	struct err e = {0};

	if (register_def_parse(mem, rbed_text(text), &d, &e) < 0)
		fail_msg("%s", e.text);
	return d;
}

static void check_expr(const struct sched_expr *x, const char *label, bool equal, const char *value)
{
	assert_string_equal(x->label, label);
	assert_string_equal(x->value, value);
	assert_int_equal(x->equal, equal);
}

static void test_all_that_counts(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_def *d = parse(&mem, full);
	const struct sched_spec *s = &d->spec;

	(void)state;
	assert_int_equal(s->kind, SCHED_REPLICATED);
	assert_false(s->leased);
	assert_int_equal(s->n_require, 2);
	check_expr(&s->require[0], "zone", true, "a");
	check_expr(&s->require[1], "disk", false, "hdd");
	assert_int_equal(s->n_prefer, 1);
	check_expr(&s->prefer[0], "rack", true, "r1");
	assert_string_equal(s->spread, "rack");
	assert_int_equal(s->reserve.cpu_milli, 500);
	assert_int_equal(s->reserve.memory_bytes, INT64_C(256) << 20);
	assert_int_equal(s->failover_grace_ms, 5000);
	assert_true(s->surge.is_percent && s->surge.n == 50);
	assert_true(!s->unavailable.is_percent && s->unavailable.n == 2);
	assert_int_equal(s->min_healthy_ms, 3000);
	assert_int_equal(s->timeout_ms, 240000);
	assert_false(s->rollback);
	register_def_free(&mem, d);
	assert_int_equal(n, 0);
}

static void test_kinds_and_leases(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_def *d = parse(&mem, "name: a\ncommand: [/bin/a]\nkind: singleton\n");

	(void)state;
	assert_int_equal(d->spec.kind, SCHED_SINGLETON);
	assert_true(d->spec.leased);
	assert_null(d->spec.spread);
	assert_int_equal(d->spec.n_require + d->spec.n_prefer, 0);
	register_def_free(&mem, d);
	d = parse(&mem, "name: a\ncommand: [/bin/a]\nkind: singleton\nisolation: keep\n");
	assert_false(d->spec.leased);
	register_def_free(&mem, d);
	d = parse(&mem, "name: a\ncommand: [/bin/a]\nkind: every-node\n");
	assert_int_equal(d->spec.kind, SCHED_EVERY_NODE);
	register_def_free(&mem, d);
	d = parse(&mem, "name: a\ncommand: [/bin/a]\nisolation: stop\n");
	assert_true(d->spec.leased);
	register_def_free(&mem, d);
	assert_int_equal(n, 0);
}

static void same(const struct register_def *a, const char *text, bool is)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_def *b = parse(&mem, text);

	assert_int_equal(register_def_same_run(a, b), is);
	register_def_free(&mem, b);
}

static void test_the_same_run(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_def *a = parse(&mem, "name: a\ncommand: [/bin/a]\n");

	(void)state;
	same(a, "# another text\nname: a\ncommand: [/bin/a]\n", true);
	same(a, "name: a\ncommand: [/bin/a]\nreplicas: 5\nplacement: {spread: zone}\nstop: {timeout: 1s}\n", true);
	same(a, "name: a\ncommand: [/bin/a, x]\n", false);
	same(a, "name: a\ncommand: [/bin/a]\nresources: {memory: 64M}\n", false);
	same(a, "name: a\ncommand: [/bin/a]\nisolation: stop\n", false);
	register_def_free(&mem, a);
}

/* Of a newer version, perhaps: one sentence, and whoever cannot read it proposes nothing. */
static void test_a_definition_that_cannot_be_read(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_def *d;
	struct err e;

	(void)state;
	assert_int_equal(
		register_def_parse(&mem, rbed_text("name: a\ncommand: [/bin/a]\nhover: yes\n"), &d, &e), -EINVAL);
	assert_memory_equal(e.text, "the definition cannot be read here: line 3: hover: ", 51);
	assert_int_equal(register_def_parse(&mem, (struct msg_bytes){0}, &d, &e), -EINVAL);
	assert_int_equal(n, 0);
}

static void test_every_allocation_fails_once(void **state)
{
	size_t n = 0;
	struct value_mem mem = rbed_mem(&n);
	struct register_def *d;
	struct err e;

	(void)state;
	OOM_LOOP (o) {
		int rc = register_def_parse(&mem, rbed_text(full), &d, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		if (rc == 0)
			register_def_free(&mem, d);
		assert_int_equal(n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_that_counts),
		cmocka_unit_test(test_kinds_and_leases),
		cmocka_unit_test(test_the_same_run),
		cmocka_unit_test(test_a_definition_that_cannot_be_read),
		cmocka_unit_test(test_every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
