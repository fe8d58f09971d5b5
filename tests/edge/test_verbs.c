/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs: what another node of the cluster, and HTTP, may ask. Nothing that changes anything is even begun.
 */
#include "node/verbs.h"

#include <stdio.h>
#include <string.h>

#include "node/node.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

static const char *const changes[] = {"apply", "scale", "start", "stop", "restart", "remove", "rollout", "drain",
	"undrain", "reload", "voters", "backup", "restore", "reset", "init", "leave", "forget", "recover", "wait"};

struct came {
	unsigned n;
	bool ok;
	char code[32], error[256];
};

static void on_answer(void *arg, bool ok, const struct bytes *packed, const char *code, const char *error)
{
	struct came *c = arg;

	(void)packed;
	c->n++;
	c->ok = ok;
	(void)snprintf(c->code, sizeof(c->code), "%s", code ? code : ""); /* fits; so below */
	(void)snprintf(c->error, sizeof(c->error), "%s", error ? error : "");
}

static struct tmpdir dir;
static struct config cfg = {.name = "n1"};
static struct node node = {.cfg = &cfg};

static int begin(void **state)
{
	char path[128];
	struct err e;

	(void)state;
	dir = tmpdir_make();
	(void)snprintf(path, sizeof(path), "%s/sock", dir.path);
	node.loop = ev_loop_new(0);
	return control_open(node.loop, path, 0, verbs_handle, &node, &node.control, &e);
}

static int end(void **state)
{
	(void)state;
	control_close(node.control);
	ev_loop_destroy(node.loop);
	tmpdir_remove(&dir);
	return 0;
}

static struct came asked(enum control_from from, const char *verb)
{
	static const msgpack_object none = {.type = MSGPACK_OBJECT_MAP};
	struct came c = {0};
	struct control_request *rq = control_request_new(node.control, from, on_answer, &c);

	assert_non_null(rq);
	verbs_handle(&node, rq, verb, &none);
	assert_int_equal(c.n, 1);
	return c;
}

static void test_another_node_only_reads(void **state)
{
	struct came c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		c = asked(CONTROL_MEMBER, changes[i]);
		assert_false(c.ok);
		assert_string_equal(c.code, "refused");
		assert_string_equal(c.error, "another node only reads here; use the covey command on n1");
	}
	c = asked(CONTROL_MEMBER, "nonsense");
	assert_string_equal(c.code, "usage");
}

static void test_http_only_reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct came c = asked(CONTROL_HTTP, changes[i]);

		assert_false(c.ok);
		assert_string_equal(c.error, "HTTP only reads; use the covey command on the node");
	}
	assert_string_equal(asked(CONTROL_HTTP, "logs").code, "refused"); /* what agents write is not for everybody */
	assert_false(verbs_is_read("logs"));
}

/* Whoever does not wait any more is told nothing, and is seen to be gone. */
static void test_one_that_leaves(void **state)
{
	struct came c = {0};
	struct control_request *rq = control_request_new(node.control, CONTROL_MEMBER, on_answer, &c);

	(void)state;
	assert_non_null(rq);
	assert_true(control_peer(rq)->member && !control_peer(rq)->http);
	assert_false(control_is_gone(rq));
	control_request_leave(rq);
	assert_true(control_is_gone(rq));
	control_refuse(rq, "refused", "nobody listens");
	assert_int_equal(c.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_node_only_reads),
		cmocka_unit_test(test_http_only_reads),
		cmocka_unit_test(test_one_that_leaves),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
