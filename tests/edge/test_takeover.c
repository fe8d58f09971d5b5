/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a new daemon takes over with a run: its ports, its user, its name. Nobody else is given them, and probes go on
 * to ask where it listens.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

#define LISTEN                                                                                             \
	"[/usr/bin/perl, -MIO::Socket::INET, -e, \"$$s = IO::Socket::INET->new(Listen => 9, LocalPort => " \
	"$$ENV{PORT_http}, ReuseAddr => 1) or die; while ($$c = $$s->accept) { close $$c }\"]"

static void test_ports_are_taken_over(void **state)
{
	struct daemon_replica before, r;
	struct daemon_bed d;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, "name: web\ncommand: " LISTEN "\nports: {http: auto}\n"
		       "health: {readiness: {tcp: {port: http}, every: 100ms, failures: 1}}\n");
	assert_true(daemon_replica(&d, "web.0", &before));
	daemon_kill(&d, SIGKILL);
	daemon_start(&d);
	WAIT_UNTIL(daemon_replica(&d, "web.0", &r) && strcmp(r.health, "healthy") == 0, WAIT_BOUND_S);
	assert_int_equal(r.pid, before.pid);
	assert_int_equal(r.port, before.port);
	daemon_done(&d);
}

static unsigned uid_of(struct daemon_bed *d, const char *id)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d", daemon_pid_of(d, id));
	assert_int_equal(stat(path, &st), 0);
	return st.st_uid;
}

/* The search for a free uid begins at the same one for both of these. */
static void test_a_uid_is_not_given_twice(void **state)
{
	struct daemon_bed d;
	unsigned a, b;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, "name: u26\ncommand: [/bin/sleep, \"1000\"]\n");
	a = uid_of(&d, "u26.0");
	daemon_kill(&d, SIGKILL);
	daemon_start(&d);
	daemon_run(&d, "name: u88\ncommand: [/bin/sleep, \"1000\"]\n");
	b = uid_of(&d, "u88.0");
	assert_int_equal(uid_of(&d, "u26.0"), a);
	assert_int_not_equal(a, b);
	daemon_done(&d);
}

/* The part behind the dot is a node's name here, also when it looks like a number. */
static void test_every_node_on_a_node_named_like_a_number(void **state)
{
	struct daemon_bed d;
	int pid;

	(void)state;
	daemon_init(&d);
	(void)snprintf(d.name, sizeof(d.name), "7up");
	daemon_start(&d);
	daemon_run(&d, "name: all\nkind: every-node\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&d, "all.7up");
	assert_true(pid > 0);
	daemon_kill(&d, SIGKILL);
	daemon_start(&d);
	daemon_run(&d, "name: other\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_int_equal(daemon_pid_of(&d, "all.7up"), pid);
	daemon_done(&d);
}

/* Another kind names its replicas otherwise: what runs keeps its name, and is found again by it. */
static void test_another_kind_after_a_kill(void **state)
{
	struct daemon_bed d;
	int pid;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&d, "web.0");
	assert_true(daemon_ok(daemon_apply(&d, "name: web\nkind: every-node\ncommand: [/bin/sleep, \"1000\"]\n")));
	daemon_kill(&d, SIGKILL);
	daemon_start(&d);
	assert_int_equal(daemon_pid_of(&d, "web.0"), pid);
	assert_int_equal(daemon_processes(&d), 1);
	daemon_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports_are_taken_over),
		cmocka_unit_test(test_a_uid_is_not_given_twice),
		cmocka_unit_test(test_every_node_on_a_node_named_like_a_number),
		cmocka_unit_test(test_another_kind_after_a_kill),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
