/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host goes down and comes up, as far as one that stays up can play it: run_dir, which is memory, is gone with all
 * processes, and the store knows another start of the host. In order: each shim was asked to stop its agent, and how
 * that ended is known afterwards. By a cut: that nothing is known is told.
 */
#include <dirent.h>
#include <ftw.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/daemon.h"
#include "tests/lib/proc.h"
#include "tests/lib/wait.h"

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Another start of the host: its memory is gone, and its id is another. */
static void host_again(struct daemon_bed *d)
{
	sqlite3 *db;

	assert_int_equal(nftw(tmpdir_path(&d->dir, "run"), remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(sqlite3_open(tmpdir_path(&d->dir, "data/covey.db"), &db), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "UPDATE meta SET value=value+1 WHERE key='host_boot'", NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_changes(db), 1);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int files_in(struct daemon_bed *d, const char *name)
{
	DIR *dir = opendir(tmpdir_path(&d->dir, name));
	int n = 0;

	assert_non_null(dir);
	for (const struct dirent *de = readdir(dir); de; de = readdir(dir))
		n += de->d_name[0] != '.';
	(void)closedir(dir); /* read only */
	return n;
}

#define AGENT(name, trap, timeout)                                                                                  \
	"name: " name "\ncommand: [/bin/sh, -c, \"" trap "; echo up; while :; do sleep 0.05; done\"]\nuser: root\n" \
	"stop: {signal: INT, timeout: " timeout "}\nhealth: {readiness: {exec: {command: [/bin/true]}}}\n"

static bool has_said(struct daemon_bed *d, const char *id)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "data/logs/%s.log", id);
	return daemon_size(d, name) > 0;
}

static void test_how_agents_ended_in_order_is_known(void **state)
{
	static const struct {
		const char *id, *text;
		int code;
	} ends[] = {
		{"good.0", "stopped: with all agents of its host", 0},
		{"code.0", "stopped: with all agents of its host; exited with code 7", 7},
		{"deaf.0", "stopped: with all agents of its host; did not stop within 500ms, killed", 0},
	};
	struct daemon_replica before[ARRAY_LEN(ends)], r;
	struct daemon_bed d;
	int shims[ARRAY_LEN(ends)];

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, AGENT("good", "trap 'exit 0' INT", "60s"));
	daemon_run(&d, AGENT("code", "trap 'exit 7' INT", "60s"));
	daemon_run(&d, AGENT("deaf", "trap '' INT", "500ms"));
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		WAIT_UNTIL(has_said(&d, ends[i].id), WAIT_BOUND_S);
		assert_true(daemon_replica(&d, ends[i].id, &before[i]));
	}
	daemon_kill(&d, SIGTERM);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		shims[i] = proc_parent(before[i].pid);
		assert_int_equal(kill(shims[i], SIGTERM), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		WAIT_UNTIL(proc_is_gone(shims[i]), WAIT_BOUND_S); /* its sockets went before */
	WAIT_UNTIL(daemon_processes(&d) == 0 && files_in(&d, "data/ends") == 3, WAIT_BOUND_S);
	host_again(&d);
	daemon_start(&d);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		WAIT_UNTIL(daemon_state_is(&d, ends[i].id, "running"), WAIT_BOUND_S);
		assert_true(daemon_replica(&d, ends[i].id, &r));
		assert_string_equal(r.text, ends[i].text);
		assert_string_equal(r.reason, "stopped");
		assert_int_equal(r.code, ends[i].code);
	}
	assert_true(daemon_has_event(&d, "deaf", "stopped", "did not stop within 500ms, killed"));
	assert_true(daemon_logged(&d, 0, "it went down in order", "the ends of 3 replicas recorded"));
	assert_false(daemon_logged(&d, 0, "without notice", ""));
	WAIT_UNTIL(files_in(&d, "data/ends") == 0, WAIT_BOUND_S);
	daemon_done(&d);
}

/* A cut of the power is no signal, but SIGKILL is close. */
static void end_with_shim(struct daemon_bed *d, const char *id, int signal)
{
	struct daemon_replica r;
	int shim;

	assert_true(daemon_replica(d, id, &r));
	shim = proc_parent(r.pid);
	daemon_kill(d, signal);
	assert_int_equal(kill(shim, SIGKILL), 0);
	(void)kill(r.pid, SIGKILL); /* mostly it went with its shim */
	WAIT_UNTIL(proc_is_gone(shim) && proc_is_gone(r.pid), WAIT_BOUND_S);
}

static void test_a_cut_is_told_once(void **state)
{
	struct daemon_bed d;
	int64_t at;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	daemon_run(&d, "name: off\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_true(daemon_ok(daemon_call(&d, "stop", "target=off")));
	WAIT_UNTIL(daemon_state_is(&d, "off.0", "stopped"), WAIT_BOUND_S);
	end_with_shim(&d, "web.0", SIGKILL);
	host_again(&d);
	daemon_start(&d);
	WAIT_UNTIL(daemon_state_is(&d, "web.0", "running"), WAIT_BOUND_S);
	assert_true(daemon_has_event(&d, "web", "host", "without notice"));
	assert_false(daemon_has_event(&d, "off", "host", "without notice"));
	daemon_kill(&d, SIGTERM);
	at = daemon_size(&d, "coveyd.log");
	daemon_start(&d);
	WAIT_UNTIL(daemon_state_is(&d, "web.0", "running"), WAIT_BOUND_S);
	assert_false(daemon_logged(&d, at, "without notice", ""));
	daemon_done(&d);
}

/* The daemon was away already: whether the host went down in order nobody knows, and nobody says. */
static void test_what_is_not_known_is_not_told(void **state)
{
	struct daemon_bed d;

	(void)state;
	daemon_init(&d);
	daemon_start(&d);
	daemon_run(&d, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	end_with_shim(&d, "web.0", SIGTERM);
	host_again(&d);
	daemon_start(&d);
	WAIT_UNTIL(daemon_state_is(&d, "web.0", "running"), WAIT_BOUND_S);
	assert_true(daemon_logged(&d, 0, "the host has started anew", "no end of an agent is recorded"));
	assert_false(daemon_logged(&d, 0, "without notice", ""));
	end_with_shim(&d, "web.0", SIGKILL);
	host_again(&d);
	daemon_start(&d);
	assert_true(daemon_has_event(&d, "web", "host", "without notice")); /* that one was not asked to end */
	daemon_done(&d);
}

/* It is no file of ours: that costs the records, and nothing else. */
static void test_a_folder_that_cannot_be(void **state)
{
	struct daemon_bed d;

	(void)state;
	daemon_init(&d);
	assert_int_equal(mkdir(tmpdir_path(&d.dir, "data"), 0700), 0);
	(void)daemon_file(&d, "data/ends", "", 0600);
	daemon_start(&d);
	daemon_run(&d, "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	assert_true(daemon_logged(&d, 0, "data/ends", "how agents end with their host is not kept"));
	daemon_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_how_agents_ended_in_order_is_known),
		cmocka_unit_test(test_a_cut_is_told_once),
		cmocka_unit_test(test_what_is_not_known_is_not_told),
		cmocka_unit_test(test_a_folder_that_cannot_be),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
