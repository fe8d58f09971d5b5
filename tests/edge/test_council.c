/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real daemons decide together: replicas go over the nodes, wherever they are asked for; restarts of daemons move
 * nothing; a node is drained; a singleton whose daemon hangs ends by its fuse and runs elsewhere; without a majority
 * changes are refused. And what a node alone has had becomes the cluster's.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/cluster_bed.h"
#include "tests/lib/proc.h"

#define WEB  "name: web\ncommand: [/bin/sleep, \"1000\"]\nreplicas: %d\nupdate: {min_healthy: 100ms}\n"
#define PART "name: part\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 3\n"
#define ONLY "name: only\ncommand: [/bin/sleep, \"1000\"]\nkind: singleton\n"
#define EACH "name: each\nkind: every-node\n"

static struct cluster_bed bed;

static int end(void **state)
{
	(void)state;
	cluster_bed_done(&bed);
	return 0;
}

static void has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
}

static const msgpack_object *agent_at(size_t i, const char *name)
{
	return cluster_bed_agent(&bed, i, name);
}

static int64_t number(const msgpack_object *map, const char *key)
{
	int64_t v = -1;

	return map && mp_get_int(map, key, &v, 0, INT64_MAX, NULL) == 0 ? v : -1;
}

/* Running replicas of it on a node, as node i sees it; node NULL: on all. */
static int running_on(size_t i, const char *name, const char *node)
{
	const msgpack_object *a = agent_at(i, name), *v = a ? mp_get(a, "replicas") : NULL;
	int n = 0;

	for (uint32_t k = 0; v && k < v->via.array.size; k++) {
		const msgpack_object *r = &v->via.array.ptr[k];

		if (strcmp(daemon_text(r, "state"), "running") == 0)
			n += !node || strcmp(daemon_text(r, "node"), node) == 0;
	}
	return n;
}

static bool all_run(const char *name, int replicas)
{
	for (size_t i = 0; i < bed.n; i++)
		if (running_on(i, name, NULL) != replicas || number(agent_at(i, name), "desired") != replicas)
			return false;
	return true;
}

static void run_web(size_t i, int replicas)
{
	char text[256];

	(void)snprintf(text, sizeof(text), WEB, replicas); /* fits */
	daemon_run(&bed.v[i], text);
}

static bool is_draining(size_t i, const char *name)
{
	const msgpack_object *v = mp_get(mp_get(daemon_call(&bed.v[i], "nodes", NULL), "result"), "nodes");
	bool draining = false;

	for (uint32_t k = 0; v && k < v->via.array.size; k++)
		if (strcmp(daemon_text(&v->via.array.ptr[k], "name"), name) == 0)
			(void)mp_get_bool(&v->via.array.ptr[k], "draining", &draining, NULL); /* else it is not */
	return draining;
}

static bool three_vote(size_t i)
{
	const char *text = daemon_text(mp_get(daemon_call(&bed.v[i], "voters", NULL), "result"), "text");

	return strncmp(text, "3 voters, ", strlen("3 voters, ")) == 0 && !strstr(text, "under way");
}

/* Of one replica for each node, and all nodes tell the same. */
static void they_are_placed(void)
{
	WAIT_UNTIL(strstr(daemon_text(mp_get(daemon_call(&bed.v[1], "voters", NULL), "result"), "text"), ", epoch "),
		WAIT_BOUND_S);
	run_web(1, 3);
	WAIT_UNTIL(all_run("web", 3), WAIT_BOUND_S);
	for (size_t i = 0; i < bed.n; i++)
		assert_int_equal(running_on(0, "web", bed.v[i].name), 1);
	WAIT_UNTIL(three_vote(2), WAIT_BOUND_S);
}

static void any_node_takes_any_command(void)
{
	const msgpack_object *reply;

	assert_true(daemon_ok(daemon_call(&bed.v[2], "scale", "agent=web,n=5")));
	WAIT_UNTIL(all_run("web", 5), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[0], "stop", "target=web")));
	WAIT_UNTIL(all_run("web", 0), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[1], "start", "target=web")));
	WAIT_UNTIL(all_run("web", 5), WAIT_BOUND_S);
	has(cluster_bed_refused(&bed, 0, "scale", "agent=wbe,n=2"), "there is no agent 'wbe'");
	reply = daemon_call(&bed.v[0], "scale", "agent=web,n=4,op=once");
	assert_true(daemon_ok(reply));
	assert_true(daemon_ok(daemon_call(&bed.v[1], "scale", "agent=web,n=2,op=once"))); /* elsewhere: known there */
	WAIT_UNTIL(all_run("web", 4), WAIT_BOUND_S);
}

static void a_daemon_that_is_killed_moves_nothing(void)
{
	struct daemon_replica was[4], is;
	char id[16];

	for (int k = 0; k < 4; k++) {
		(void)snprintf(id, sizeof(id), "web.%d", k); /* fits; so below */
		WAIT_UNTIL(daemon_replica(&bed.v[2], id, &was[k]) && was[k].pid > 0, WAIT_BOUND_S);
	}
	daemon_kill(&bed.v[1], SIGKILL);
	assert_true(daemon_ok(daemon_call(&bed.v[2], "scale", "agent=web,n=5"))); /* a majority is left */
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	WAIT_UNTIL(all_run("web", 5), WAIT_BOUND_S);
	for (int k = 0; k < 4; k++) {
		(void)snprintf(id, sizeof(id), "web.%d", k);
		assert_true(daemon_replica(&bed.v[2], id, &is));
		assert_int_equal(is.pid, was[k].pid);
		assert_int_equal(is.restarts, 0);
	}
	WAIT_UNTIL(daemon_ok(daemon_call(&bed.v[1], "explain", "agent=web")), WAIT_BOUND_S); /* once its disk has it */
}

/* In turn, wherever they run. */
static void an_agent_is_restarted(void)
{
	struct daemon_replica was, is;

	WAIT_UNTIL(daemon_replica(&bed.v[0], "web.1", &was) && was.pid > 0, WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[2], "restart", "target=web")));
	WAIT_UNTIL(daemon_replica(&bed.v[0], "web.1", &is) && is.pid > 0 && is.pid != was.pid, WAIT_BOUND_S);
	WAIT_UNTIL(all_run("web", 5), WAIT_BOUND_S);
}

static void a_node_is_drained(void)
{
	has(cluster_bed_does(&bed, 0, "drain", "node=n3"), "n3 drains");
	WAIT_UNTIL(running_on(0, "web", "n3") == 0 && all_run("web", 5), WAIT_BOUND_S);
	assert_true(is_draining(1, "n3") && !is_draining(1, "n2"));
	has(cluster_bed_refused(&bed, 0, "drain", "node=n9"), "there is no node 'n9'");
	has(cluster_bed_does(&bed, 2, "undrain", "node=n3"), "n3 takes work again");
	assert_true(daemon_ok(daemon_call(&bed.v[1], "remove", "agent=web")));
	WAIT_UNTIL(!agent_at(0, "web") && !agent_at(1, "web") && !agent_at(2, "web"), WAIT_BOUND_S);
}

/* Of the entries of a list in what `explain` tells at node i: those that say both of that node. */
static int explained(size_t i, const char *list, const char *node, const char *key, const char *part)
{
	const msgpack_object *v = mp_get(mp_get(daemon_call(&bed.v[i], "explain", "agent=each"), "result"), list);
	int n = 0;

	for (uint32_t k = 0; v && k < v->via.array.size; k++)
		if (strcmp(daemon_text(&v->via.array.ptr[k], "node"), node) == 0)
			n += strstr(daemon_text(&v->via.array.ptr[k], key), part) != NULL;
	return n;
}

/* At each node of each node. */
static bool all_explain(const char *list, const char *key, const char *part)
{
	for (size_t i = 0; i < bed.n; i++)
		for (size_t k = 0; k < bed.n; k++)
			if (explained(i, list, bed.v[k].name, key, part) != 1)
				return false;
	return true;
}

/* Of what runs on every node any node tells how it is there, and why there is none. */
static void what_runs_everywhere_is_explained_anywhere(void)
{
	const msgpack_object *v;

	assert_true(daemon_ok(daemon_apply(&bed.v[0], EACH "command: [/bin/sleep, \"1000\"]\n")));
	WAIT_UNTIL(all_explain("replicas", "why", "runs for ") && !all_explain("without", "why", ""), WAIT_BOUND_S);
	v = mp_get(agent_at(1, "each"), "replicas");
	assert_int_equal(v->via.array.size, 3);
	for (uint32_t k = 0; k < v->via.array.size; k++)
		assert_int_equal(number(&v->via.array.ptr[k], "version"), 1);
	assert_true(
		daemon_ok(daemon_apply(&bed.v[0], EACH "command: [/bin/false]\nrestart: {initial: 1h, max: 1h}\n")));
	WAIT_UNTIL(all_explain("replicas", "state", "backoff") && all_explain("replicas", "why", "exited with code 1"),
		WAIT_BOUND_S);
	for (size_t i = 0; i < bed.n; i++)
		assert_string_equal(daemon_text(agent_at(i, "each"), "state"), "backoff");
	assert_true(daemon_ok(daemon_apply(
		&bed.v[0], EACH "command: [/bin/sleep, \"1000\"]\nplacement: {require: [\"zone == a\"]}\n")));
	WAIT_UNTIL(all_explain("without", "why", "is not zone == a") && !all_explain("replicas", "state", ""),
		WAIT_BOUND_S);
	for (size_t i = 0; i < bed.n; i++) {
		WAIT_UNTIL(strcmp(daemon_text(agent_at(i, "each"), "state"), "pending") == 0, WAIT_BOUND_S);
		has(daemon_text(agent_at(i, "each"), "pending_reason"),
			"no node has one: covey explain each tells why");
	}
	assert_true(daemon_ok(daemon_call(&bed.v[2], "remove", "agent=each")));
}

static size_t node_of(const char *name, const char *id)
{
	for (size_t i = 0; i < bed.n; i++) {
		const msgpack_object *a = agent_at(i, name), *v = a ? mp_get(a, "replicas") : NULL;

		for (uint32_t k = 0; v && k < v->via.array.size; k++)
			if (strcmp(daemon_text(&v->via.array.ptr[k], "id"), id) == 0 &&
				strcmp(daemon_text(&v->via.array.ptr[k], "node"), bed.v[i].name) == 0)
				return i;
	}
	fail_msg("%s is nowhere", id);
	return bed.n;
}

/* The new definition has no leases; a slot that it has not come to has, also when all of its node begins anew. */
static void a_slot_keeps_its_lease_while_its_agent_changes(void)
{
	struct daemon_replica r;
	size_t at;
	int pid;

	for (size_t i = 0; i < bed.n; i++) /* ready, as each knows it: what is not is taken at once */
		daemon_run(&bed.v[i], PART "isolation: stop\nupdate: {min_healthy: 100ms}\n");
	WAIT_UNTIL(all_run("part", 3), WAIT_BOUND_S);
	assert_true(
		daemon_ok(daemon_apply(&bed.v[0], PART "isolation: keep\nupdate: {min_healthy: 1h, timeout: 2h}\n")));
	WAIT_UNTIL(running_on(0, "part", NULL) == 4, WAIT_BOUND_S); /* the others wait for that one, for an hour */
	/* Else it would be taken as soon as its node has begun anew. */
	assert_true(daemon_ok(daemon_call(&bed.v[0], "rollout", "agent=part,action=pause")));
	at = node_of("part", "part.0");
	pid = daemon_pid_of(&bed.v[at], "part.0");
	assert_int_not_equal(pid, 0);
	daemon_kill(&bed.v[at], SIGKILL);
	assert_int_equal(kill(proc_parent(pid), SIGKILL), 0);
	(void)kill(pid, SIGKILL); /* mostly it went with its shim */
	daemon_start(&bed.v[at]);
	WAIT_UNTIL(daemon_replica(&bed.v[at], "part.0", &r) && r.pid > 0 && r.pid != pid, WAIT_BOUND_S);
	assert_int_equal(kill(bed.v[at].pid, SIGSTOP), 0);
	WAIT_UNTIL(proc_is_gone(r.pid), WAIT_BOUND_S); /* by its fuse */
	assert_int_equal(kill(bed.v[at].pid, SIGCONT), 0);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[at], "remove", "agent=part")));
	WAIT_UNTIL(!agent_at(at, "part"), WAIT_BOUND_S);
}

/* What its daemon does not renew, its fuse ends; the others wait for that. */
static void a_singleton_has_one_place(void)
{
	struct daemon_replica r;
	size_t at = 0, other;
	int pid;

	daemon_run(&bed.v[0], ONLY);
	while (at < bed.n && running_on(0, "only", bed.v[at].name) == 0)
		at++;
	assert_in_range(at, 0, bed.n - 1);
	other = (at + 1) % bed.n;
	WAIT_UNTIL(daemon_replica(&bed.v[other], "only.0", &r) && r.pid > 0, WAIT_BOUND_S);
	pid = r.pid;
	assert_int_equal(kill(bed.v[at].pid, SIGSTOP), 0);
	WAIT_UNTIL(
		running_on(other, "only", NULL) == 1 && running_on(other, "only", bed.v[at].name) == 0, WAIT_BOUND_S);
	WAIT_UNTIL(proc_is_gone(pid), WAIT_BOUND_S);
	assert_int_equal(kill(bed.v[at].pid, SIGCONT), 0);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	WAIT_UNTIL(all_run("only", 1), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[at], "remove", "agent=only")));
}

static void n2_and_n3_are_missing(void)
{
	const char *text = cluster_bed_refused(&bed, 0, "scale", "agent=web,n=1");

	has(text, "no majority of the voters is there: of 3 votes those of n");
	has(text, strstr(text, "n2, ") ? "of n2, n3 are missing" : "of n3, n2 are missing");
}

static void without_a_majority_nothing_is_decided(void)
{
	daemon_kill(&bed.v[1], SIGKILL);
	daemon_kill(&bed.v[2], SIGKILL);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive dead dead"), WAIT_BOUND_S);
	n2_and_n3_are_missing();
	has(daemon_text(daemon_apply(&bed.v[0], "name: web\ncommand: [/bin/sleep, \"1\"]\n"), "error"), " are missing");
	assert_true(daemon_ok(daemon_call(&bed.v[0], "status", NULL)));
	daemon_start(&bed.v[1]);
	/* Its link is up a moment before its first word. */
	WAIT_UNTIL(daemon_ok(daemon_call(&bed.v[0], "drain", "node=n3")), WAIT_BOUND_S);
	run_web(0, 2);
}

/* One story: each step goes on from the one before. */
static void test_three_daemons_decide(void **state)
{
	(void)state;
	cluster_bed_init(&bed, 3, NULL);
	cluster_bed_form(&bed);
	they_are_placed();
	any_node_takes_any_command();
	a_daemon_that_is_killed_moves_nothing();
	an_agent_is_restarted();
	a_node_is_drained();
	what_runs_everywhere_is_explained_anywhere();
	a_slot_keeps_its_lease_while_its_agent_changes();
	a_singleton_has_one_place();
	without_a_majority_nothing_is_decided();
}

/* It is believed to be gone when it had its time to be heard of. */
static bool n3_is_forgotten(void)
{
	const msgpack_object *reply = daemon_call(&bed.v[0], "forget", "node=n3");

	if (!daemon_ok(reply) && !strstr(daemon_text(reply, "error"), "no majority"))
		has(daemon_text(reply, "error"), "n3 was not heard of since coveyd began here");
	return daemon_ok(reply);
}

/* Ended as soon as it knew who votes; the others do not come back at first, one of them never. */
static void test_who_begins_alone_knows_for_whom_it_waits(void **state)
{
	(void)state;
	cluster_bed_init(&bed, 3, NULL);
	cluster_bed_form(&bed);
	WAIT_UNTIL(three_vote(0), WAIT_BOUND_S);
	for (size_t i = 0; i < bed.n; i++)
		daemon_kill(&bed.v[i], SIGTERM);
	daemon_start(&bed.v[0]);
	n2_and_n3_are_missing();
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(n3_is_forgotten(), WAIT_BOUND_S); /* of which nobody has heard since */
	WAIT_UNTIL(!strstr(daemon_text(mp_get(daemon_call(&bed.v[1], "voters", NULL), "result"), "text"), "3 voters"),
		WAIT_BOUND_S);
}

/* Agents of the cluster, and one of n1's own: in one answer, which a retry gets again. */
static void stops_all_of_both(void)
{
	for (int i = 0; i < 2; i++) {
		const msgpack_object *reply = daemon_call(&bed.v[0], "stop", "all=true,op=both"), *changes;

		assert_true(daemon_ok(reply));
		changes = mp_get(mp_get(reply, "result"), "changes");
		assert_int_equal(changes->via.array.size, 2);
		assert_string_equal(daemon_text(&changes->via.array.ptr[0], "agent"), "own");
		assert_string_equal(daemon_text(&changes->via.array.ptr[1], "agent"), "web");
		for (size_t k = 0; k < 2; k++)
			assert_string_equal(daemon_text(&changes->via.array.ptr[k], "change"), "stopped");
	}
	WAIT_UNTIL(all_run("web", 0), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_state_is(&bed.v[0], "n1/own.0", "stopped"), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[1], "stop", "all=true"))); /* nothing is left */
}

/* Asked by a process of its own, which waits for the answer and ends with 0 where that is well. */
static int asks(size_t i, const char *verb, const char *args)
{
	int pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(daemon_ok(daemon_call(&bed.v[i], verb, args)) ? 0 : 1);
	return pid;
}

static int answer_of(int pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool has_begun(size_t i, const char *op)
{
	char args[64];

	(void)snprintf(args, sizeof(args), "op=%s,wait_ms=1", op); /* fits */
	return daemon_ok(daemon_call(&bed.v[i], "wait", args));
}

/* The two that n1 needs for a decision: they are there, and do not answer. */
static void others_get(int signal)
{
	assert_int_equal(kill(bed.v[1].pid, signal), 0);
	assert_int_equal(kill(bed.v[2].pid, signal), 0);
}

static void what_is_asked_again_meanwhile_waits(void)
{
	int pid;

	others_get(SIGSTOP);
	pid = asks(0, "scale", "agent=web,n=4,op=slow");
	WAIT_UNTIL(has_begun(0, "slow"), WAIT_BOUND_S);
	has(cluster_bed_refused(&bed, 0, "scale", "agent=web,n=4,op=slow"),
		"operation slow is under way; repeat it in a moment");
	others_get(SIGCONT);
	assert_int_equal(answer_of(pid), 0);
	assert_true(daemon_ok(daemon_call(&bed.v[0], "scale", "agent=web,n=4,op=slow")));
	WAIT_UNTIL(all_run("web", 4), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
}

/* It has heard of nobody yet: what it is asked waits for them, unless they take longer than it waits for anybody. */
static void who_has_just_come_takes_commands(void)
{
	int64_t asked_ms;
	int pid, rc;

	daemon_kill(&bed.v[0], SIGTERM);
	others_get(SIGSTOP);
	daemon_start(&bed.v[0]);
	asked_ms = wait_mono_ms();
	pid = asks(0, "scale", "agent=web,n=3");
	assert_true(daemon_ok(daemon_call(&bed.v[0], "status", NULL)));
	others_get(SIGCONT);
	rc = answer_of(pid);
	assert_true(rc == 0 || wait_mono_ms() - asked_ms > 4500);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[0], "scale", "agent=web,n=4")));
	WAIT_UNTIL(all_run("web", 4), WAIT_BOUND_S);
}

/* The node's own ones are stopped, those of the cluster wait to be: who asked is told that it is not known. */
static void the_end_comes_between_both_halves(void)
{
	int pid;

	WAIT_UNTIL(daemon_state_is(&bed.v[0], "n1/own.0", "running"), WAIT_BOUND_S);
	others_get(SIGSTOP);
	pid = asks(0, "stop", "all=true,op=both");
	WAIT_UNTIL(daemon_state_is(&bed.v[0], "n1/own.0", "stopped"), WAIT_BOUND_S);
	daemon_kill(&bed.v[0], SIGTERM);
	assert_int_equal(answer_of(pid), 1);
	others_get(SIGCONT);
	daemon_start(&bed.v[0]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_ok(daemon_call(&bed.v[0], "stop", "all=true,op=both")), WAIT_BOUND_S);
	WAIT_UNTIL(all_run("web", 0), WAIT_BOUND_S);
	assert_true(daemon_state_is(&bed.v[0], "n1/own.0", "stopped"));
}

static void test_what_ends_or_is_asked_again_before_it_is_decided(void **state)
{
	(void)state;
	cluster_bed_init(&bed, 3, NULL);
	assert_int_equal(mkdir(tmpdir_path(&bed.v[0].dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed.v[0], "agents.d/own.yaml", "name: own\ncommand: [/bin/sleep, \"1000\"]\n", 0644);
	cluster_bed_form(&bed);
	they_are_placed();
	what_is_asked_again_meanwhile_waits();
	who_has_just_come_takes_commands();
	the_end_comes_between_both_halves();
}

static void test_what_a_node_alone_has_becomes_the_clusters(void **state)
{
	char gossip[512];
	int pid;

	(void)state;
	cluster_bed_init(&bed, 2, NULL);
	memcpy(gossip, bed.v[0].extra, sizeof(gossip));
	bed.v[0].extra[0] = '\0';
	daemon_start(&bed.v[0]);
	daemon_run(&bed.v[0], "name: web\ncommand: [/bin/sleep, \"1000\"]\n");
	pid = daemon_pid_of(&bed.v[0], "web.0");
	daemon_kill(&bed.v[0], SIGTERM);
	memcpy(bed.v[0].extra, gossip, sizeof(gossip));
	daemon_start(&bed.v[0]);
	assert_int_equal(daemon_pid_of(&bed.v[0], "web.0"), pid);
	daemon_start(&bed.v[1]);
	has(cluster_bed_does(&bed, 0, "init", NULL), "n1 founded cluster ");
	WAIT_UNTIL(running_on(1, "web", "n1") == 1, WAIT_BOUND_S);
	WAIT_UNTIL(number(agent_at(1, "web"), "decision") > 0, WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[1], "scale", "agent=web,n=2")));
	WAIT_UNTIL(all_run("web", 2), WAIT_BOUND_S);
	assert_int_equal(daemon_pid_of(&bed.v[0], "web.0"), pid);
	daemon_kill(&bed.v[0], SIGKILL);
	assert_int_equal(mkdir(tmpdir_path(&bed.v[0].dir, "agents.d"), 0755), 0);
	(void)daemon_file(&bed.v[0], "agents.d/own.yaml", "name: own\ncommand: [/bin/sleep, \"1000\"]\n", 0644);
	daemon_start(&bed.v[0]);
	WAIT_UNTIL(all_run("web", 2), WAIT_BOUND_S);
	assert_int_equal(daemon_pid_of(&bed.v[0], "web.0"), pid);
	stops_all_of_both();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_three_daemons_decide, end),
		cmocka_unit_test_teardown(test_who_begins_alone_knows_for_whom_it_waits, end),
		cmocka_unit_test_teardown(test_what_ends_or_is_asked_again_before_it_is_decided, end),
		cmocka_unit_test_teardown(test_what_a_node_alone_has_becomes_the_clusters, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
