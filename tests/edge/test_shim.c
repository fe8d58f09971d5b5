/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A run from its plan to its record: how agents start, end, are stopped, and that nothing of theirs is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/lib/shimkit.h"

static int open_bed(void **state)
{
	static struct kit k;

	kit_open(&k);
	*state = &k;
	return 0;
}

static int close_bed(void **state)
{
	kit_close(*state);
	return 0;
}

static void an_agent_runs_and_its_exit_code_is_told(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	const struct shim_exit *x;

	kit_plan(k, &p, "echo hello; echo again >&2; exit 7");
	p.label = "the daemon's own bytes";
	kit_run(k, &p);
	assert_true(k->hello.pid > 0);
	assert_true(k->hello.started_wall_ms > 0);
	assert_string_equal(k->exit_label, "the daemon's own bytes");
	x = kit_end(k);
	assert_int_equal(x->kind, SHIM_EXITED);
	assert_int_equal(x->code, 7);
	assert_int_equal(x->pid, k->hello.pid);
	assert_int_equal(x->why, SHIM_WHY_NONE);
	assert_int_equal(x->leftovers, 0);
	assert_true(x->rss_max_bytes > 0);
	assert_true(x->ended_wall_ms >= x->started_wall_ms);
	assert_string_equal(k->exit_label, "the daemon's own bytes");
	assert_string_equal(kit_log(k, NULL), "hello\nagain\n");
	assert_int_equal(kit_pids(k), 0);
}

static void a_signal_from_outside_is_told(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	assert_int_equal(kill(k->hello.pid, SIGSEGV), 0);
	assert_int_equal(kit_end(k)->kind, SHIM_SIGNALED);
	assert_int_equal(k->exit.signal, SIGSEGV);
	assert_int_equal(k->exit.why, SHIM_WHY_NONE);
}

/* What a start failed at, by what was asked for. */
static void start_fails(struct kit *k, const struct kit_plan *p, uint32_t stage, int error, const char *detail)
{
	kit_start(k, p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_string_equal(k->exit.detail, detail);
	assert_int_equal(k->exit.stage, stage);
	assert_int_equal(k->exit.error, error);
	assert_int_equal(k->exit.pid, 0);
	assert_int_equal(kit_pids(k), 0);
}

static void a_command_that_is_not_there(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	p.argv[0] = "/nowhere/at-all";
	start_fails(k, &p, SHIM_STAGE_EXEC, ENOENT, "/nowhere/at-all");
	p.argv[0] = "no-such-command-of-ours";
	start_fails(k, &p, SHIM_STAGE_EXEC, ENOENT, "no-such-command-of-ours");
	p.argv[0] = "/etc/passwd";
	start_fails(k, &p, SHIM_STAGE_EXEC, EACCES, "/etc/passwd");
	p.argv[0] = "/bin/sh";
	p.directory = "/no/such/directory";
	start_fails(k, &p, SHIM_STAGE_DIRECTORY, ENOENT, "/no/such/directory");
}

static void a_command_of_another_architecture(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	kit_write(tmpdir_path(&k->dir, "alien"), "\x7f"
						 "ELF no machine of ours");
	assert_int_equal(chmod(tmpdir_path(&k->dir, "alien"), 0755), 0);
	p.argv[0] = tmpdir_path(&k->dir, "alien");
	start_fails(k, &p, SHIM_STAGE_EXEC, ENOEXEC, p.argv[0]);
}

static void groups_that_cannot_be_made_or_joined(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	kit_op(&p, SHIM_OP_MKDIR, "/proc/no-directory", NULL);
	start_fails(k, &p, SHIM_STAGE_CGROUP, ENOENT, "/proc/no-directory");
	p.ops[p.n_ops - 1].type |= SHIM_OP_OPTIONAL;
	kit_op(&p, SHIM_OP_JOIN, "/proc/no-tasks", NULL);
	start_fails(k, &p, SHIM_STAGE_JOIN, ENOENT, "/proc/no-tasks");
	p.ops[p.n_ops - 1].type |= SHIM_OP_OPTIONAL;
	p.argv[2] = "exit 3";
	kit_run(k, &p);
	assert_int_equal(kit_end(k)->code, 3);
}

static void a_log_that_cannot_be_opened(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	(void)snprintf(k->log_path, sizeof(k->log_path), "%s/no/where.log", k->dir.path);
	kit_plan(k, &p, "");
	start_fails(k, &p, SHIM_STAGE_LOG, ENOENT, k->log_path);
}

static void the_command_is_searched_in_the_agents_path(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "");
	(void)mkdir(tmpdir_path(&k->dir, "bin"), 0755);
	kit_write(tmpdir_path(&k->dir, "bin/ours"), "#!/bin/sh\necho found $1\n");
	assert_int_equal(chmod(k->dir.joined, 0755), 0);
	p.argv[0] = "ours";
	p.argv[1] = "it";
	p.argv[2] = NULL;
	(void)snprintf(k->dir.joined, sizeof(k->dir.joined), "PATH=/nowhere::%s/bin:/usr/bin", k->dir.path);
	p.env[0] = k->dir.joined;
	kit_run(k, &p);
	assert_int_equal(kit_end(k)->code, 0);
	assert_string_equal(kit_log(k, NULL), "found it\n");
}

static void a_stop_signals_then_waits(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.01; done");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_stop(k, SIGTERM, 60000, SHIM_WHY_HEALTH, "liveness failed three times");
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_int_equal(k->exit.code, 5);
	assert_int_equal(k->exit.why, SHIM_WHY_HEALTH);
	assert_string_equal(k->exit.why_text, "liveness failed three times");
	assert_int_equal(k->exit.escalated, 0);
	assert_string_equal(kit_log(k, NULL), "up\nbye\n");
}

static void who_ignores_the_signal_is_killed_after_the_timeout(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap '' TERM; echo up; while :; do sleep 0.1; done");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_stop(k, SIGTERM, 100, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_SIGNALED);
	assert_int_equal(k->exit.signal, SIGKILL);
	assert_int_equal(k->exit.escalated, 1);
	assert_int_equal(k->exit.why, SHIM_WHY_STOPPED);
	assert_int_equal(kit_pids(k), 0);
}

static void a_second_stop_shortens_the_first(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "trap '' TERM; echo up; while :; do sleep 0.1; done");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_stop(k, SIGTERM, 3600000, SHIM_WHY_STOPPED, "slowly");
	kit_send(k, SHIM_QUERY, NULL, 0);
	kit_until(k, SHIM_HELLO);
	assert_int_equal(k->hello.state, SHIM_STOPPING);
	assert_int_equal(k->hello.why, SHIM_WHY_STOPPED);
	kit_stop(k, SIGTERM, 0, SHIM_WHY_STOPPED, "now");
	(void)kit_end(k);
	assert_int_equal(k->exit.signal, SIGKILL);
	assert_string_equal(k->exit.why_text, "now");
}

static void a_stop_that_is_there_before_the_start(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	kit_start(k, &p);
	kit_stop(k, SIGTERM, 0, SHIM_WHY_STOPPED, "at once");
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_SIGNALED);
	assert_int_equal(k->exit.why, SHIM_WHY_STOPPED);
	assert_int_equal(kit_pids(k), 0);
}

static void a_signal_alone_stops_nothing(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	struct shim_stop hup = {.size = sizeof(hup), .signal = SIGHUP};

	kit_plan(k, &p, "trap 'echo again' HUP; echo up; while :; do sleep 0.01; done");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	kit_send(k, SHIM_SIGNAL, &hup, sizeof(hup));
	kit_wait_log(k, "again\n");
	kit_send(k, SHIM_QUERY, NULL, 0);
	kit_until(k, SHIM_HELLO);
	assert_int_equal(k->hello.state, SHIM_RUNNING);
	kit_stop(k, SIGKILL, 0, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
}

static void descendants_that_fled_are_killed(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p,
		"setsid sh -c 'sleep 1000 & sleep 1001 &' >/dev/null 2>&1; (setsid setsid sleep 1002 &) & "
		"nohup sleep 1003 >/dev/null 2>&1 & echo gone; sleep 0.2; exit 0");
	kit_run(k, &p);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_true(k->exit.leftovers >= 4);
	assert_int_equal(kit_pids(k), 0);
}

static void a_fork_bomb_ends_too(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[224], v[32];

	(void)snprintf(path, sizeof(path), "%s/pids.max", k->kill_dir);
	if (k->v2 && access(path, F_OK) < 0)
		return; /* a hybrid host: the controller is on v1, and was tested there */
	kit_plan(k, &p,
		"trap '' TERM; echo up; exec perl -e 'while (1) { fork() // select(undef, undef, undef, 0.01) }'");
	kit_op(&p, SHIM_OP_WRITE, path, "60");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	WAIT_UNTIL(kit_pids(k) > 20, WAIT_BOUND_S);
	kit_stop(k, SIGTERM, 50, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
	assert_int_equal(kit_pids(k), 0);
	assert_string_equal(kit_read(path, v, sizeof(v)), "60\n");
}

static void what_an_earlier_run_left_is_killed_first(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char tasks[224];
	int pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)snprintf(tasks, sizeof(tasks), "%s/cgroup.procs", k->kill_dir);
		kit_write(tasks, "0");
		for (;;)
			(void)pause();
	}
	WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
	kit_plan(k, &p, "exit 0");
	kit_start(k, &p);
	assert_int_equal(waitpid(pid, &(int){0}, 0), pid);
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_int_equal(k->exit.leftovers, 0);
}

static void who_holds_the_output_does_not_hold_the_exit(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[64];
	int held;

	kit_plan(k, &p, "trap 'echo last; exit 0' TERM; echo up; while :; do sleep 0.01; done");
	kit_run(k, &p);
	kit_wait_log(k, "up\n");
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/1", k->hello.pid);
	held = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(held >= 0);
	kit_stop(k, SIGTERM, 60000, SHIM_WHY_STOPPED, "");
	(void)kit_end(k);
	assert_int_equal(k->exit.kind, SHIM_EXITED);
	assert_string_equal(kit_log(k, NULL), "up\nlast\n");
	assert_int_equal(close(held), 0);
}

/* The process that wrote its pid to a file of the bed's. */
static int pid_in(struct kit *k, const char *file)
{
	char v[16];

	return atoi(kit_read(tmpdir_path(&k->dir, file), v, sizeof(v)));
}

/* Only root can leave its group. One has a child, one a session of its own, one was orphaned at once. */
static void who_left_the_group_is_killed_too(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char script[2200], leave[600];

	kit_plan(k, &p, "");
	p.p.uid = p.p.gid = 0;
	(void)snprintf(leave, sizeof(leave), "echo 0 >%s; cd %s; trap \"\" TERM HUP", kit_outside(k), k->dir.path);
	(void)snprintf(script, sizeof(script),
		"sh -c '%s; sleep 1000 & echo $! >below; wait' & setsid sh -c '%s; echo $$ >session; exec sleep 1000' "
		"& "
		"(setsid setsid sh -c '%s; echo $$ >orphan; exec sleep 1000' &) & "
		"cd %s; while [ ! -s below ] || [ ! -s session ] || [ ! -s orphan ]; do :; done; echo up; exit 4",
		leave, leave, leave, k->dir.path);
	p.argv[2] = script;
	for (int i = 0; i < 2; i++) { /* the second: the shim has stayed for it */
		p.p.flags |= SHIM_FLAG_STAY;
		i == 0 ? kit_run(k, &p) : kit_again(k, &p);
		(void)kit_end_of_run(k);
		assert_int_equal(k->exit.kind, SHIM_EXITED);
		assert_int_equal(k->exit.code, 4);
		assert_true(k->exit.leftovers >= 3);
		assert_int_equal(kill(pid_in(k, "below"), 0), -1);
		assert_int_equal(kill(pid_in(k, "session"), 0), -1);
		assert_int_equal(kill(pid_in(k, "orphan"), 0), -1);
		assert_int_equal(unlink(tmpdir_path(&k->dir, "below")), 0);
		assert_int_equal(unlink(tmpdir_path(&k->dir, "session")), 0);
		assert_int_equal(unlink(tmpdir_path(&k->dir, "orphan")), 0);
	}
}

static void the_shims_death_ends_the_agent(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
	assert_int_equal(kill(k->pid, SIGKILL), 0);
	WAIT_UNTIL(kit_pids(k) == 0, WAIT_BOUND_S);
}

static void oom_kills_are_counted(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[224];

	if (k->v2)
		(void)snprintf(path, sizeof(path), "%s/memory.max", k->groups[0]); /* fits */
	else
		(void)snprintf(path, sizeof(path), "%s/memory.limit_in_bytes", k->groups[1]); /* fits */
	if (access(path, F_OK) < 0)
		return; /* a hybrid host: the controller is on v1, and was tested there */
	kit_plan(k, &p, "exec tail /dev/zero");
	kit_op(&p, SHIM_OP_WRITE, path, "16777216");
	for (int i = 0; i < 2; i++) { /* the second: only what this run brought */
		kit_run(k, &p);
		(void)kit_end(k);
		assert_int_equal(k->exit.kind, SHIM_SIGNALED);
		assert_int_equal(k->exit.signal, SIGKILL);
		assert_int_equal(k->exit.oom_kills, 1);
	}
}

static void limits_and_the_shims_small_stack(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "ulimit -n; ulimit -s; umask; cat /proc/self/oom_score_adj; trap; kill -PIPE $$");
	p.rlimits[p.n_rlimits++] = (struct shim_rlimit){RLIMIT_NOFILE, 0, 64, 128};
	p.p.umask = 027;
	kit_run(k, &p);
	(void)kit_end(k);
	assert_string_equal(kit_log(k, NULL), "64\n8192\n0027\n0\n");
	assert_int_equal(k->exit.signal, SIGPIPE); /* the daemon ignores it, an agent must not */
}

static void descriptors_of_an_agent_are_three(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec ls /proc/self/fd");
	kit_run(k, &p);
	(void)kit_end(k);
	assert_string_equal(kit_log(k, NULL), "0\n1\n2\n3\n"); /* 3 is the directory that ls reads */
}

static void bad_plans_are_refused(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	struct shim_plan *plan;
	size_t n;
	char *v;

	kit_plan(k, &p, "");
	v = kit_message(k, SHIM_PLAN, &p, &n);
	plan = (struct shim_plan *)(void *)(v + sizeof(struct shim_msg));
	plan->argv_n = 100000;
	kit_start_raw(k, v, n);
	kit_until(k, SHIM_EXIT);
	kit_reap(k);
	assert_int_equal(k->exit.kind, SHIM_START_FAILED);
	assert_int_equal(k->exit.stage, SHIM_STAGE_PLAN);
	assert_int_equal(k->exit.error, E2BIG);
	assert_string_equal(k->exit.detail, "argv");
	kit_hang_up(k);
	kit_start_raw(k, "x", 1);
	kit_until(k, SHIM_EXIT);
	kit_reap(k);
	free(v);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(an_agent_runs_and_its_exit_code_is_told),
		CASE(a_signal_from_outside_is_told),
		CASE(a_command_that_is_not_there),
		CASE(a_command_of_another_architecture),
		CASE(groups_that_cannot_be_made_or_joined),
		CASE(a_log_that_cannot_be_opened),
		CASE(the_command_is_searched_in_the_agents_path),
		CASE(a_stop_signals_then_waits),
		CASE(who_ignores_the_signal_is_killed_after_the_timeout),
		CASE(a_second_stop_shortens_the_first),
		CASE(a_stop_that_is_there_before_the_start),
		CASE(a_signal_alone_stops_nothing),
		CASE(descendants_that_fled_are_killed),
		CASE(a_fork_bomb_ends_too),
		CASE(what_an_earlier_run_left_is_killed_first),
		CASE(who_holds_the_output_does_not_hold_the_exit),
		CASE(who_left_the_group_is_killed_too),
		CASE(the_shims_death_ends_the_agent),
		CASE(oom_kills_are_counted),
		CASE(limits_and_the_shims_small_stack),
		CASE(descriptors_of_an_agent_are_three),
		CASE(bad_plans_are_refused),
	};
	int rc;

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (kit_use_v2())
		rc += cmocka_run_group_tests_name("on cgroup v2", tests, NULL, NULL);
	return rc;
}
