/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coveyd itself, from its command line: what it checks and prints, and what of its file it says that it does not do.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/lib/daemon.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

static int listen_somewhere(int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

/* What a command line prints, on either output, and its exit status. */
static int run(const char *args, char *out, size_t max)
{
	char command[512];
	size_t n;
	FILE *f;

	(void)snprintf(command, sizeof(command), "./coveyd %s 2>&1", args);
	f = popen(command, "r");
	assert_non_null(f);
	n = fread(out, 1, max - 1, f);
	out[n] = '\0';
	return WEXITSTATUS(pclose(f));
}

static void says(const char *args, int status, const char *words)
{
	char out[8192];
	int got = run(args, out, sizeof(out));

	if (got != status || !strstr(out, words))
		fail_msg("coveyd %s: %d '%s', wanted %d and '%s'", args, got, out, status, words);
}

static void test_what_it_prints(void **state)
{
	(void)state;
	says("--version", 0, "libev 4.");
	says("--version", 0, "sqlite 3.");
#ifdef COVEY_CGROUP_VERSION
	says("--version", 0, "libcgroup " COVEY_CGROUP_VERSION " (built with)");
#else
	says("--version", 0, "libcgroup not known");
#endif
	says("--help", 0, "usage: coveyd");
	says("--nothing", 2, "usage: coveyd");
	says("now", 2, "'now' is not an option");
	says("-c /nonexistent/file", 78, "/nonexistent/file: cannot be read: No such file or directory");
}

static void test_a_check_reads_agents_too(void **state)
{
	char args[256];

	(void)state;
	(void)daemon_file(&bed, "c.yaml", "agents_dir: agents.d\ndata_dir: data\n", 0644);
	(void)snprintf(args, sizeof(args), "--check -c %s/c.yaml", bed.dir.path);
	says(args, 0, "the configuration is good, and so are the 0 files of ");
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed, "agents.d/a.yaml", "name: a\ncommand: [/bin/true]\n", 0644);
	says(args, 0, "and so are the 1 files of ");
	(void)daemon_file(&bed, "agents.d/b.yaml", "name: a\ncommand: [/bin/true]\nx: 1\n", 0644);
	says(args, 1, "/agents.d/b.yaml:3: x: unknown key");
	(void)daemon_file(&bed, "agents.d/b.yaml", "name: a\ncommand: [/bin/true]\n", 0644);
	says(args, 1, "/agents.d/b.yaml:1: name: ");
	(void)daemon_file(&bed, "c.yaml", "x: 1\n", 0644);
	says(args, 1, "/c.yaml:1: x: unknown key");
}

/* An address that is not there, or taken, costs gossip alone, until it is free. */
static void test_an_address_that_is_taken(void **state)
{
	char words[64];
	int port = 0, fd = listen_somewhere(&port);

	(void)state;
	(void)snprintf(bed.extra, sizeof(bed.extra),
		"gossip: {bind: \"127.0.0.1:%d\", advertise: none, insecure: yes}\n", port);
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed, "agents.d/web.yaml", "name: web\ncommand: [/bin/sleep, \"1000\"]\n", 0644);
	daemon_start(&bed);
	(void)snprintf(words, sizeof(words), "127.0.0.1:%d", port); /* fits */
	assert_true(daemon_logged(&bed, 0, words, "agents run, and it is tried again"));
	assert_true(daemon_logged(&bed, 0, "gossip.insecure: no TLS", ""));
	assert_non_null(strstr(daemon_text(daemon_call(&bed, "init", NULL), "error"), words));
	(void)close(fd); /* nothing was written */
	WAIT_UNTIL(daemon_logged(&bed, 0, "gossip: it works now", ""), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed, "init", NULL)));
	WAIT_UNTIL(daemon_state_is(&bed, "n1/web.0", "running"), WAIT_BOUND_S);
}

/* A witness runs nothing of the cluster's, and says why; what ran when it became one is stopped. */
static void test_a_witness(void **state)
{
	const msgpack_object *reply;

	(void)state;
	assert_int_equal(mkdir(tmpdir_path(&bed.dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed, "agents.d/loc.yaml", "name: loc\ncommand: [/bin/sleep, \"1000\"]\n", 0644);
	daemon_start(&bed);
	daemon_run(&bed, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	daemon_kill(&bed, SIGTERM);
	(void)snprintf(bed.name, sizeof(bed.name), "n1, schedulable: no");
	daemon_start(&bed);
	assert_true(daemon_logged(&bed, 0, "node.schedulable: no", "there is no other node"));
	WAIT_UNTIL(daemon_state_is(&bed, "web.0", "stopped"), WAIT_BOUND_S);
	reply = daemon_call(&bed, "status", "agent=web");
	assert_true(daemon_ok(reply));
	reply = &mp_get(mp_get(reply, "result"), "agents")->via.array.ptr[0];
	assert_string_equal(daemon_text(reply, "state"), "pending");
	assert_non_null(strstr(daemon_text(reply, "pending_reason"), "n1 is a witness"));
	WAIT_UNTIL(daemon_pid_of(&bed, "n1/loc.0") > 0, WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed, "restart", "target=web")));
	assert_int_equal(daemon_processes(&bed), 1);
}

/* What an agent requires of a node is required of the only one as well. */
static void test_what_placement_requires(void **state)
{
	const msgpack_object *reply;

	(void)state;
	(void)snprintf(bed.name, sizeof(bed.name), "n1, labels: {zone: a}");
	daemon_start(&bed);
	daemon_run(&bed, "name: here\ncommand: [/bin/sleep, \"1000\"]\nplacement: {require: [\"zone == a\"]}\n");
	assert_true(daemon_ok(daemon_apply(&bed,
		"name: there\ncommand: [/bin/sleep, \"1000\"]\nplacement: {require: [\"zone == a\", \"zone != "
		"a\"]}\n")));
	reply = daemon_call(&bed, "status", "agent=there");
	reply = &mp_get(mp_get(reply, "result"), "agents")->via.array.ptr[0];
	assert_string_equal(daemon_text(reply, "state"), "pending");
	assert_string_equal(daemon_text(reply, "pending_reason"),
		"waits for a node with zone != a, which n1 is not, and there is no other");
	assert_int_equal(daemon_processes(&bed), 1);
	daemon_run(&bed, "name: there\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_int_equal(daemon_processes(&bed), 2);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, begin, end)
	static const struct CMUnitTest tests[] = {
		TEST(test_what_it_prints),
		TEST(test_a_check_reads_agents_too),
		TEST(test_an_address_that_is_taken),
		TEST(test_a_witness),
		TEST(test_what_placement_requires),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
