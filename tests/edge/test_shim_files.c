/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a killed shim leaves in run_dir goes with its replica: both sockets, under whatever name.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "node/config.h"
#include "tests/lib/daemon.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;
static char name[NAME_MAX_LEN + 1], id[REPLICA_ID_MAX];

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	(void)snprintf(bed.run_dir, sizeof(bed.run_dir), "%s/run", bed.dir.path); /* as by default, and absolute */
	(void)snprintf(name, sizeof(name), "web");				  /* fits */
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

/* Files in run_dir/shims; *ret_letters: one has the short name that stands for one too long. */
static int files(bool *ret_letters)
{
	char path[CONFIG_RUN_DIR_MAX + 16];
	const struct dirent *de;
	int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/shims", bed.run_dir); /* fits */
	d = opendir(path);
	assert_non_null(d);
	*ret_letters = false;
	while ((de = readdir(d))) {
		if (de->d_name[0] == '.')
			continue;
		n++;
		*ret_letters = *ret_letters || !strchr(de->d_name, '.');
	}
	(void)closedir(d); /* read only */
	return n;
}

static int files_there(void)
{
	bool letters;

	return files(&letters);
}

/* Runs an agent that nobody starts again, and that leaves something in its group; its shim's pid. */
static int run_once(void)
{
	char text[512];
	int pid;

	(void)snprintf(text, sizeof(text),
		"name: %s\ncommand: [/bin/sh, -c, \"setsid sleep 1000 & exec sleep 1000\"]\nrestart: {when: never}\n",
		name);
	(void)snprintf(id, sizeof(id), "%s.0", name);
	daemon_run(&bed, text);
	WAIT_UNTIL(daemon_processes(&bed) == 2, WAIT_BOUND_S);
	pid = daemon_pid_of(&bed, id);
	assert_true(pid > 0);
	return proc_parent(pid);
}

static void remove_agent(void)
{
	const msgpack_object *reply;
	char op[OP_ID_MAX], why[256], args[NAME_MAX_LEN + 16];

	(void)snprintf(args, sizeof(args), "agent=%s", name);
	reply = daemon_call(&bed, "remove", args);
	assert_true(daemon_ok(reply));
	(void)snprintf(op, sizeof(op), "%s", daemon_text(mp_get(reply, "result"), "op"));
	assert_true(daemon_wait(&bed, op, why));
}

static void test_they_go_with_the_agent(void **state)
{
	(void)state;
	daemon_start(&bed);
	assert_int_equal(kill(run_once(), SIGKILL), 0);
	WAIT_UNTIL(daemon_state_is(&bed, id, "failed"), WAIT_BOUND_S);
	assert_int_equal(files_there(), 2); /* or this proves nothing */
	remove_agent();
	assert_int_equal(files_there(), 0);
}

static void test_they_go_when_a_new_daemon_finds_nobody_behind_them(void **state)
{
	int shim;

	(void)state;
	daemon_start(&bed);
	shim = run_once();
	daemon_kill(&bed, SIGKILL);
	assert_int_equal(kill(shim, SIGKILL), 0);
	WAIT_UNTIL(proc_is_gone(shim), WAIT_BOUND_S);
	assert_int_equal(files_there(), 2);
	daemon_start(&bed);
	WAIT_UNTIL(daemon_state_is(&bed, id, "failed"), WAIT_BOUND_S);
	assert_int_equal(files_there(), 0);
}

/* The longest run_dir and name: the agent's own socket has a name of ten letters. */
static void test_short_names_of_long_ones_go_too(void **state)
{
	bool letters;
	int n;

	(void)state;
	n = snprintf(bed.run_dir, sizeof(bed.run_dir), "%s/", bed.dir.path);
	memset(bed.run_dir + n, 'r', (size_t)(CONFIG_RUN_DIR_MAX - n));
	bed.run_dir[CONFIG_RUN_DIR_MAX] = '\0';
	(void)snprintf(bed.socket, sizeof(bed.socket), "%s/covey.sock", bed.run_dir);
	memset(name, 'a', NAME_MAX_LEN);
	daemon_start(&bed);
	assert_int_equal(kill(run_once(), SIGKILL), 0);
	WAIT_UNTIL(daemon_state_is(&bed, id, "failed"), WAIT_BOUND_S);
	assert_int_equal(files(&letters), 2);
	assert_true(letters); /* or this proves nothing */
	remove_agent();
	assert_int_equal(files_there(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_they_go_with_the_agent, begin, end),
		cmocka_unit_test_setup_teardown(test_they_go_when_a_new_daemon_finds_nobody_behind_them, begin, end),
		cmocka_unit_test_setup_teardown(test_short_names_of_long_ones_go_too, begin, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
