/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probes' commands: where the agent is (its mounts, network, groups, rights), ended whole at their end or timeout, two
 * at a time.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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

static struct kit other; /* a second agent's bed, of the cases that have one */

static int open_two(void **state)
{
	kit_open(&other);
	return open_bed(state);
}

static int close_two(void **state)
{
	kit_close(&other);
	return close_bed(state);
}

static void run_agent(struct kit *k)
{
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	kit_run(k, &p);
}

static void start_probe(struct kit *k, struct kit_plan *p, const char *script, uint32_t id, uint32_t timeout_ms)
{
	kit_plan(k, p, script);
	p->p.exec_id = id;
	p->p.timeout_ms = timeout_ms;
	kit_exec(k, p);
}

static const struct shim_exec_done *probe(struct kit *k, const char *script, uint32_t id, uint32_t timeout_ms)
{
	struct kit_plan p;

	start_probe(k, &p, script, id, timeout_ms);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, id);
	return &k->done;
}

static void stop_agent(struct kit *k)
{
	kit_stop(k, SIGTERM, 20000, SHIM_WHY_STOPPED, "");
	assert_int_equal(kit_end(k)->signal, SIGTERM);
	assert_int_equal(k->exit.leftovers, 0);
	assert_int_equal(kit_pids(k), 0);
}

static void its_status_and_first_output_are_told(void **state)
{
	struct kit *k = *state;
	char long_text[128];

	run_agent(k);
	assert_int_equal(probe(k, "echo fine; id -u", 1, 20000)->status, 0);
	assert_string_equal(k->done.output, "fine\n65534\n");
	assert_int_equal(k->done.timed_out, 0);
	assert_int_equal(WEXITSTATUS(probe(k, "echo bad >&2; exit 3", 2, 20000)->status), 3);
	assert_string_equal(k->done.output, "bad\n");
	assert_int_equal(probe(k, "head -c 10000000 /dev/zero | tr '\\0' y", 3, 20000)->status, 0);
	memset(long_text, 'y', 127);
	long_text[127] = '\0';
	assert_string_equal(k->done.output, long_text);
	assert_string_equal(kit_log(k, NULL), ""); /* the agent's log is the agent's */
	assert_int_equal(WTERMSIG(probe(k, "kill -9 $$", 4, 20000)->status), SIGKILL);
	stop_agent(k);
}

static void one_that_cannot_start_says_why(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	run_agent(k);
	kit_plan(k, &p, "");
	p.argv[0] = "/no/probe";
	p.p.exec_id = 9;
	kit_exec(k, &p);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, 9);
	assert_int_equal(k->done.status, -1);
	assert_int_equal(k->done.error, ENOENT);
	assert_int_equal(k->done.stage, SHIM_STAGE_EXEC);
	stop_agent(k);
}

static void one_that_hangs_is_ended_with_all_it_forked(void **state)
{
	struct kit *k = *state;

	run_agent(k);
	(void)probe(k, "echo begun; (setsid sleep 1000 &) ; (setsid setsid sleep 1001 &); sleep 1002", 5,
		100 * WAIT_BOUND_S);
	assert_int_equal(k->done.timed_out, 1);
	assert_int_equal(k->done.status, -1);
	assert_string_equal(k->done.output, "begun\n");
	WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S); /* the agent alone */
	stop_agent(k);
}

static void what_one_leaves_behind_ends_too(void **state)
{
	struct kit *k = *state;

	run_agent(k);
	assert_int_equal(probe(k, "(setsid sleep 1000 &) ; exit 0", 6, 20000)->status, 0);
	WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
	stop_agent(k);
}

static void two_at_a_time(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	run_agent(k);
	start_probe(k, &p, "exec sleep 1000", 1, 60000);
	start_probe(k, &p, "exec sleep 1001", 2, (uint32_t)(100 * WAIT_BOUND_S));
	WAIT_UNTIL(kit_pids(k) == 3, WAIT_BOUND_S);
	(void)probe(k, "true", 3, 1000);
	assert_int_equal(k->done.status, -1);
	assert_int_equal(k->done.error, EBUSY);
	kit_until(k, SHIM_EXEC_DONE);
	assert_int_equal(k->done.exec_id, 2);
	WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
	for (uint32_t i = 0; i < 50; i++) { /* a slot is free again and again */
		WAIT_UNTIL(probe(k, "exit 1", 10 + i, 20000)->error != EBUSY, WAIT_BOUND_S);
		assert_int_equal(WEXITSTATUS(k->done.status), 1);
	}
	stop_agent(k);
}

static void call_off(struct kit *k, uint32_t id)
{
	const struct shim_call_off off = {.size = sizeof(off), .exec_id = id};

	kit_send(k, SHIM_CALL_OFF, &off, sizeof(off));
}

/* It ends with all it forked, its place is free, and nobody hears of it; the other one goes on. */
static void one_that_is_called_off_gives_its_place_back(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	unsigned heard;

	run_agent(k);
	start_probe(k, &p, "exec sleep 1000", 1, 3600000);
	WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
	for (uint32_t id = 2; id < 10; id++) {
		start_probe(k, &p, "(setsid sleep 1001 &); exec sleep 1002", id, 3600000);
		WAIT_UNTIL(kit_pids(k) == 4, WAIT_BOUND_S);
		call_off(k, id + 1); /* of nobody yet: passed over */
		call_off(k, id);
		WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
		WAIT_UNTIL(probe(k, "exit 4", 100 + id, 20000)->error != EBUSY, WAIT_BOUND_S);
		assert_int_equal(WEXITSTATUS(k->done.status), 4);
	}
	heard = k->n_done;
	call_off(k, 1);
	WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
	stop_agent(k);
	assert_int_equal(k->n_done, heard);
}

static void the_agents_end_ends_them(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char path[200];
	struct stat st;

	run_agent(k);
	start_probe(k, &p, "exec sleep 1000", 1, 60000);
	WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
	assert_int_equal(kill(k->hello.pid, SIGKILL), 0);
	assert_int_equal(kit_end(k)->signal, SIGKILL);
	assert_int_equal(kit_pids(k), 0);
	(void)snprintf(path, sizeof(path), "%s/probe.0", k->kill_dir);
	assert_int_not_equal(stat(path, &st), 0);
}

/* Two that would go on for long, and then a daemon that asks for two of its own. */
static void a_daemon_that_goes_takes_its_probes_along(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	run_agent(k);
	for (int round = 0; round < 3; round++) {
		start_probe(k, &p, "exec sleep 1000", 1, 600000);
		start_probe(k, &p, "exec sleep 1001", 2, 600000);
		WAIT_UNTIL(kit_pids(k) == 3, WAIT_BOUND_S);
		if (round == 1)
			kit_connect(k); /* the new one is there before the old one's end is seen */
		else
			kit_hang_up(k);
		WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
		if (round != 1)
			kit_connect(k);
		WAIT_UNTIL(probe(k, "exit 4", 10, 20000)->error != EBUSY, WAIT_BOUND_S);
		assert_int_equal(WEXITSTATUS(k->done.status), 4);
		start_probe(k, &p, "exec sleep 1002", 11, 600000);
		WAIT_UNTIL(kit_pids(k) == 2, WAIT_BOUND_S);
		WAIT_UNTIL(probe(k, "exit 5", 12, 20000)->error != EBUSY, WAIT_BOUND_S);
		assert_int_equal(WEXITSTATUS(k->done.status), 5);
		kit_hang_up(k);
		WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
		kit_connect(k);
	}
	stop_agent(k);
}

static void in_the_agents_pid_namespace(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	kit_plan(k, &p, "exec sleep 1000");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	kit_run(k, &p);
	kit_plan(k, &p, "until [ \"$(cat /proc/2/comm)\" != sh ]; do sleep 0.01; done; cat /proc/2/comm");
	p.p.flags |= SHIM_FLAG_NEW_PIDNS;
	kit_exec(k, &p);
	kit_until(k, SHIM_EXEC_DONE);
	assert_string_equal(k->done.output, "sleep\n");
	stop_agent(k);
}

static void under_a_filter_of_its_own(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	run_agent(k);
	(void)probe(k, "cd /tmp 2>/dev/null || echo refused", 1, 20000);
	assert_string_equal(k->done.output, "refused\n");
	WAIT_UNTIL(k->refused.total == 1 || (kit_poll(k, 100), false), WAIT_BOUND_S);
	stop_agent(k);
}

/* An agent with a /tmp of its own, and a network of its own where asked for, whose first words are the namespace. */
static void run_private(struct kit *k, struct kit_plan *p, uint32_t flags)
{
	kit_plan(k, p, "echo secret >/tmp/of-agent; readlink /proc/self/ns/net; exec sleep 1000");
	kit_mount(p, SHIM_MOUNT_TMPFS, "/tmp", "mode=1777,size=1m");
	p->p.flags |= flags;
	kit_run(k, p);
	kit_wait_log(k, "]\n");
}

/* A probe with that plan but for the command, once one of the two places is free; what it said. */
static const char *ask(struct kit *k, struct kit_plan *p, const char *script)
{
	p->argv[2] = script;
	p->p.timeout_ms = 20000;
	do {
		p->p.exec_id++;
		kit_exec(k, p);
		kit_until(k, SHIM_EXEC_DONE);
	} while (k->done.error == EBUSY);
	if (k->done.status != 0)
		fail_msg("'%s' ended with 0x%x, error %d at stage %u: %s", script, k->done.status, k->done.error,
			k->done.stage, k->done.output);
	return k->done.output;
}

static void own_network(char out[64])
{
	ssize_t n = readlink("/proc/self/ns/net", out, 62);

	assert_true(n > 0);
	memcpy(out + n, "\n", 2);
}

static void in_the_agents_tmp_and_network(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;
	char host[64], path[64], text[64];

	own_network(host);
	run_private(k, &p, SHIM_FLAG_NEW_NET);
	assert_string_equal(ask(k, &p, "cat /tmp/of-agent"), "secret\n");
	assert_string_equal(ask(k, &p, "readlink /proc/self/ns/net"), kit_log(k, NULL));
	assert_string_not_equal(k->done.output, host);
	(void)ask(k, &p, "echo heard >/tmp/of-probe");
	(void)snprintf(path, sizeof(path), "/proc/%d/root/tmp/of-probe", k->hello.pid);
	assert_string_equal(kit_read(path, text, sizeof(text)), "heard\n");
	assert_int_not_equal(access("/tmp/of-probe", F_OK), 0); /* not the host's */
	stop_agent(k);
}

/* What its plan says makes no difference: a definition may have changed since the agent began. */
static void where_the_agent_is_whatever_the_plan_says(void **state)
{
	struct kit *k = *state;
	struct kit_plan p;

	run_private(k, &p, SHIM_FLAG_NEW_NET);
	kit_plan(k, &p, "");
	assert_string_equal(ask(k, &p, "cat /tmp/of-agent"), "secret\n");
	assert_string_equal(ask(k, &p, "readlink /proc/self/ns/net"), kit_log(k, NULL));
	stop_agent(k);
}

/* The host's /tmp and network are an agent's that has none of its own, and so its probe's; another's stay unseen. */
static void nobody_elses_tmp_and_network(void **state)
{
	struct kit *k = *state;
	struct kit_plan p, private;
	char host[64];

	own_network(host);
	run_private(&other, &private, SHIM_FLAG_NEW_NET);
	run_agent(k);
	kit_plan(k, &p, "");
	assert_string_equal(ask(k, &p, "cat /tmp/of-agent 2>/dev/null || echo none"), "none\n");
	assert_string_equal(ask(k, &p, "readlink /proc/self/ns/net"), host);
	kit_mount(&p, SHIM_MOUNT_TMPFS, "/tmp", "mode=1777,size=1m"); /* joined, never made anew */
	p.p.flags |= SHIM_FLAG_NEW_NET;
	assert_string_equal(ask(k, &p, "readlink /proc/self/ns/net"), host);
	stop_agent(k);
	run_private(k, &p, 0); /* a /tmp of its own, the host's network */
	assert_string_equal(ask(k, &p, "readlink /proc/self/ns/net"), host);
	assert_string_equal(ask(k, &p, "cat /tmp/of-agent"), "secret\n");
	stop_agent(k);
	stop_agent(&other);
}

/* Lines of a process's status and limits that say what it may do; those of what it did are left out. */
#define RIGHTS                                                                                        \
	"grep -E '^(Uid|Gid|Groups|Cap[A-Z][a-z]*|NoNewPrivs|Seccomp(_filters)?):' /proc/%s/status; " \
	"grep -vE '^(Max msgqueue|Max locked)' /proc/%s/limits"

static void with_the_agents_rights_alone(void **state)
{
	const int nrs[] = {SYS_chdir};
	struct kit *k = *state;
	char script[300], path[64], agents[4096], probes[4096];
	struct kit_plan p;
	FILE *f;

	kit_filter(k, nrs, 1, K_SECCOMP_RET_USER_NOTIF);
	run_private(k, &p, 0);
	(void)snprintf(script, sizeof(script), "{ " RIGHTS "; } >/tmp/rights", "self", "self");
	(void)ask(k, &p, script);
	(void)snprintf(path, sizeof(path), "/proc/%d/root/tmp/rights", k->hello.pid);
	(void)kit_read(path, probes, sizeof(probes));
	(void)snprintf(path, sizeof(path), "%d", k->hello.pid);
	(void)snprintf(script, sizeof(script), RIGHTS, path, path);
	f = popen(script, "r");
	assert_non_null(f);
	agents[fread(agents, 1, sizeof(agents) - 1, f)] = '\0';
	(void)pclose(f); /* read only */
	assert_non_null(strstr(probes, "Uid:\t65534\t65534\t65534\t65534\n"));
	assert_non_null(strstr(probes, "Seccomp:\t2\n"));
	assert_non_null(strstr(probes, "Max open files"));
	assert_string_equal(probes, agents);
	stop_agent(k);
}

static void in_a_group_below_the_agents_under_its_limits(void **state)
{
	struct kit *k = *state;
	const char *name = strrchr(k->kill_dir, '/');
	char pids_max[224], below[224], line[64];
	bool bounded;
	struct kit_plan p;

	(void)snprintf(pids_max, sizeof(pids_max), "%s/pids.max", k->kill_dir);
	(void)snprintf(below, sizeof(below), "%s/probe.0\n", name);
	bounded = access(pids_max, F_OK) == 0; /* a hybrid host's v2 has no such controller */
	kit_plan(k, &p, "exec sleep 1000");
	kit_op(&p, SHIM_OP_WRITE | SHIM_OP_OPTIONAL, pids_max, "6");
	kit_run(k, &p);
	assert_non_null(
		strstr(ask(k, &p, k->v2 ? "grep ^0: /proc/self/cgroup" : "grep :pids: /proc/self/cgroup"), below));
	if (!k->v2) {
		(void)snprintf(line, sizeof(line), "%s\n", name); /* its memory is the agent's */
		assert_non_null(strstr(ask(k, &p, "grep :memory: /proc/self/cgroup"), line));
	}
	if (bounded) {
		p.argv[2] = "for i in 1 2 3 4 5 6 7; do sleep 1000 & done; wait";
		p.p.exec_id++;
		p.p.timeout_ms = 20000; /* only those that a broken limit lets through are waited for */
		kit_exec(k, &p);
		kit_until(k, SHIM_EXEC_DONE);
		assert_non_null(strstr(k->done.output, "Cannot fork"));
		WAIT_UNTIL(kit_pids(k) == 1, WAIT_BOUND_S);
	}
	stop_agent(k);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(its_status_and_first_output_are_told),
		CASE(one_that_cannot_start_says_why),
		CASE(one_that_hangs_is_ended_with_all_it_forked),
		CASE(what_one_leaves_behind_ends_too),
		CASE(two_at_a_time),
		CASE(one_that_is_called_off_gives_its_place_back),
		CASE(the_agents_end_ends_them),
		CASE(a_daemon_that_goes_takes_its_probes_along),
		CASE(in_the_agents_pid_namespace),
		CASE(under_a_filter_of_its_own),
		CASE(in_the_agents_tmp_and_network),
		CASE(where_the_agent_is_whatever_the_plan_says),
		cmocka_unit_test_setup_teardown(nobody_elses_tmp_and_network, open_two, close_two),
		CASE(with_the_agents_rights_alone),
		CASE(in_a_group_below_the_agents_under_its_limits),
	};
	int rc;

	if (getenv("CASE"))
		cmocka_set_test_filter(getenv("CASE"));
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	if (kit_use_v2())
		rc += cmocka_run_group_tests_name("on cgroup v2", tests, NULL, NULL);
	return rc;
}
