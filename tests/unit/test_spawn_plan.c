/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shim's plan, written out of a definition and read back as a shim reads it.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "supervisor/spawn.h"
#include "tests/lib/test.h"

static const char *argv_of[] = {"/bin/web", "-p", "${PORT_http}", "$$5", NULL};
static struct spec_pair env_of[] = {{"LANG", "C.UTF-8"}, {"URL", "http://127.0.0.1:${PORT_http}/"}};

static struct agent_spec spec_of(void)
{
	return (struct agent_spec){
		.name = "web",
		.user = "dynamic",
		.command = {4, argv_of},
		.directory = "/srv",
		.env = {2, env_of},
		.resources = {.nofile = 512},
		.sandbox = {.no_new_privileges = true, .private_tmp = true},
		.log_max_bytes = 1000,
		.log_keep = 2,
		.log_timestamps = true,
	};
}

struct plan_bed {
	struct agent_spec spec;
	struct cgroup_steps steps;
	struct seccomp_filter filter;
	struct spawn_port port;
	struct spawn_run run;
	struct bytes out;
	struct err e;
};

static void bed_init(struct plan_bed *b)
{
	*b = (struct plan_bed){.spec = spec_of(), .filter = {.fd = -1}, .port = {"http", 8080}};
	b->run = (struct spawn_run){.spec = &b->spec,
		.replica_id = "n1/web.0",
		.file_stem = "n1+web.0",
		.node = "n1",
		.run_dir = "/run/covey",
		.ends_dir = "/var/lib/covey/ends",
		.log_path = "/var/lib/covey/logs/n1+web.0.log",
		.run = 7,
		.gen = 9,
		.epoch = 3,
		.uid = 61200,
		.gid = 61200,
		.ports = &b->port,
		.n_ports = 1,
		.steps = &b->steps,
		.filter = &b->filter,
		.lease_fd = -1};
	bytes_init(&b->out, SHIM_FRAME_MAX);
}

static const struct shim_plan *plan_of(const struct plan_bed *b)
{
	return (const void *)(b->out.v + sizeof(struct shim_msg));
}

static const char *blob_of(const struct plan_bed *b)
{
	return b->out.v + sizeof(struct shim_msg) + sizeof(struct shim_plan);
}

static const char *item(const struct plan_bed *b, uint32_t at, size_t i)
{
	shim_str s;

	memcpy(&s, blob_of(b) + at + i * sizeof(s), sizeof(s));
	return blob_of(b) + s;
}

static bool env_has(const struct plan_bed *b, const char *line)
{
	for (size_t i = 0; i < plan_of(b)->env_n; i++)
		if (strcmp(item(b, plan_of(b)->env_at, i), line) == 0)
			return true;
	return false;
}

static void test_what_an_agent_is_told(void **state)
{
	struct plan_bed b;

	(void)state;
	bed_init(&b);
	assert_int_equal(spawn_plan(&b.run, &b.out, &b.e), 0);
	assert_int_equal(plan_of(&b)->argv_n, 4);
	assert_string_equal(item(&b, plan_of(&b)->argv_at, 2), "8080");
	assert_string_equal(item(&b, plan_of(&b)->argv_at, 3), "$5");
	assert_true(env_has(&b, "COVEY_AGENT=web"));
	assert_true(env_has(&b, "COVEY_REPLICA=n1/web.0"));
	assert_true(env_has(&b, "COVEY_NODE=n1"));
	assert_true(env_has(&b, "COVEY_EPOCH=3"));
	assert_true(env_has(&b, "PORT_http=8080"));
	assert_true(env_has(&b, "URL=http://127.0.0.1:8080/"));
	assert_true(env_has(&b, "NOTIFY_SOCKET=/run/covey/shims/n1+web.0.notify"));
	bytes_done(&b.out);
}

static void test_the_frame_is_whole(void **state)
{
	struct plan_bed b;
	struct shim_msg head;

	(void)state;
	bed_init(&b);
	assert_int_equal(spawn_plan(&b.run, &b.out, &b.e), 0);
	memcpy(&head, b.out.v, sizeof(head));
	assert_int_equal(head.type, SHIM_PLAN);
	assert_int_equal(head.size, b.out.n - sizeof(head));
	assert_int_equal(plan_of(&b)->blob_size, head.size - sizeof(struct shim_plan));
	assert_string_equal(blob_of(&b) + plan_of(&b)->gen_path, "/run/covey/daemon.gen");
	assert_string_equal(blob_of(&b) + plan_of(&b)->dir_ends, "/var/lib/covey/ends");
	assert_int_equal(plan_of(&b)->mounts_n, 3);
	assert_true(plan_of(&b)->flags & SHIM_FLAG_NO_NEW_PRIVS);
	assert_false(plan_of(&b)->flags & SHIM_FLAG_ARMED);
	assert_true(plan_of(&b)->flags & SHIM_FLAG_REMOVE_IPC);
	assert_int_equal(plan_of(&b)->argv_at % 8, 0);
	b.spec.user = "daemon";
	assert_int_equal(spawn_plan(&b.run, &b.out, &b.e), 0);
	assert_false(plan_of(&b)->flags & SHIM_FLAG_REMOVE_IPC);
	bytes_done(&b.out);
}

/* A run_dir that a private tmp would hide: the notify socket is let through. */
static void test_the_notify_socket_is_reachable(void **state)
{
	struct plan_bed b;

	(void)state;
	bed_init(&b);
	b.run.run_dir = "/tmp/covey";
	assert_int_equal(spawn_plan(&b.run, &b.out, &b.e), 0);
	assert_int_equal(plan_of(&b)->mounts_n, 4);
	bytes_done(&b.out);
}

/* The socket's path that the agent is told, and the one that is let through a private tmp. */
static const char *notify_of(struct plan_bed *b, const char *run_dir, const char *stem)
{
	const struct shim_plan *p;
	const char *told = NULL;

	b->run.run_dir = run_dir;
	b->run.file_stem = stem;
	assert_int_equal(spawn_plan(&b->run, &b->out, &b->e), 0);
	p = plan_of(b);
	for (size_t i = 0; i < p->env_n; i++)
		if (strncmp(item(b, p->env_at, i), "NOTIFY_SOCKET=", 14) == 0)
			told = item(b, p->env_at, i) + 14;
	assert_non_null(told);
	if (strncmp(run_dir, "/tmp/", 5) == 0) {
		const struct shim_mount *m = (const void *)(blob_of(b) + p->mounts_at);

		assert_string_equal(blob_of(b) + m[p->mounts_n - 1].path, told);
	}
	return told;
}

/* One byte more than a client can use, and there is a short name, of its own for each replica, under any run_dir. */
static void test_the_notify_socket_can_be_named(void **state)
{
	char stem[REPLICA_ID_MAX], longest[91] = "/tmp/", other[SHIM_SUN_PATH_MAX + 1];
	struct plan_bed b;

	(void)state;
	bed_init(&b);
	memset(stem, 'a', sizeof(stem));
	stem[SHIM_SUN_PATH_MAX - strlen("/run/covey/shims/") - strlen(".notify")] = '\0';
	assert_int_equal(strlen(notify_of(&b, "/run/covey", stem)), SHIM_SUN_PATH_MAX);
	assert_non_null(strstr(notify_of(&b, "/run/covey", stem), "aaaa.notify"));
	assert_string_equal(notify_of(&b, "/run/coveys", stem), "/run/coveys/shims/s6bu35sete");
	memset(longest + 5, 'x', 85);
	memset(stem, 'a', sizeof(stem));
	stem[REPLICA_ID_MAX - 1] = '\0';
	(void)snprintf(other, sizeof(other), "%s", notify_of(&b, longest, stem));
	assert_int_equal(strlen(other), SHIM_SUN_PATH_MAX);
	stem[REPLICA_ID_MAX - 2] = 'b';
	assert_string_not_equal(notify_of(&b, longest, stem), other);
	bytes_done(&b.out);
}

static void test_an_unknown_name_is_told(void **state)
{
	struct plan_bed b;

	(void)state;
	bed_init(&b);
	env_of[0].value = "${PORT_admin}";
	assert_int_equal(spawn_plan(&b.run, &b.out, &b.e), -ENOENT);
	assert_non_null(strstr(b.e.text, "PORT_admin"));
	env_of[0].value = "C.UTF-8";
	bytes_done(&b.out);
}

static void test_a_plan_is_bounded(void **state)
{
	struct plan_bed b;
	static char big[SHIM_FRAME_MAX];

	(void)state;
	bed_init(&b);
	memset(big, 'x', sizeof(big) - 1);
	b.run.label = big;
	b.run.label_size = sizeof(big);
	assert_int_equal(spawn_plan(&b.run, &b.out, &b.e), -E2BIG);
	bytes_done(&b.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_an_agent_is_told),
		cmocka_unit_test(test_the_frame_is_whole),
		cmocka_unit_test(test_the_notify_socket_is_reachable),
		cmocka_unit_test(test_the_notify_socket_can_be_named),
		cmocka_unit_test(test_an_unknown_name_is_told),
		cmocka_unit_test(test_a_plan_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
