/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real daemons find each other, and tell of each other: waiting, init, death, return, leaving, forgetting.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/lib/cluster_bed.h"

static struct cluster_bed bed;

static int end(void **state)
{
	(void)state;
	cluster_bed_done(&bed);
	return 0;
}

static const char *cluster_text(size_t i, const char *key)
{
	const msgpack_object *reply = daemon_call(&bed.v[i], "status", NULL);

	return daemon_text(mp_get(mp_get(reply, "result"), "cluster"), key);
}

static bool has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in: %s", part, text);
	return true;
}

/* One file for all hosts: everyone has itself in the list; nobody founds a cluster by itself. */
static void nobody_founds_by_itself(void)
{
	cluster_bed_init(&bed, 3, NULL);
	for (size_t i = 0; i < bed.n; i++)
		daemon_start(&bed.v[i]);
	for (size_t i = 0; i < bed.n; i++) {
		has(cluster_text(i, "text"), "; on the first host run \"covey init\"");
		has(cluster_text(i, "text"), "waiting for 127.0.0.1:");
		assert_string_equal(cluster_text(i, "id"), "");
		assert_int_equal(cluster_bed_members(&bed, i), 1);
		assert_true(daemon_logged(&bed.v[i], 0, "waiting for 127.0.0.1:", "covey init"));
		assert_true(daemon_logged(&bed.v[i], 0, "gossip.insecure: no TLS", ""));
	}
	has(cluster_bed_refused(&bed, 0, "leave", NULL), "in no cluster");
	has(cluster_bed_refused(&bed, 0, "forget", "node=n2"), "it knows no other nodes");
	has(cluster_bed_does(&bed, 0, "init", "op=first"), "n1 founded cluster ");
	has(cluster_bed_does(&bed, 0, "init", "op=first"), "n1 founded cluster "); /* the same answer again */
	has(cluster_bed_refused(&bed, 0, "init", NULL), "belongs to cluster ");
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
}

static void everyone_tells_the_same(void)
{
	char id[64], n2_id[64];

	(void)snprintf(id, sizeof(id), "%s", cluster_text(0, "id"));
	assert_int_equal(strlen(id), 36);
	(void)snprintf(n2_id, sizeof(n2_id), "%s", cluster_bed_field(&bed, 1, "n2", "id"));
	for (size_t i = 0; i < bed.n; i++) {
		char address[32];

		assert_string_equal(cluster_text(i, "id"), id);
		assert_string_equal(cluster_text(i, "text"), "");
		assert_string_equal(cluster_bed_field(&bed, i, "n2", "id"), n2_id);
		(void)snprintf(address, sizeof(address), "127.0.0.1:%d", bed.port[1]);
		assert_string_equal(cluster_bed_field(&bed, i, "n2", "address"), address);
		assert_int_equal(cluster_bed_members(&bed, i), 3);
		WAIT_UNTIL(i == 1 || cluster_bed_told(&bed, i, "joined", "n2 joined", address), WAIT_BOUND_S);
	}
	assert_true(cluster_bed_told(&bed, 0, "founded", "n1 founded cluster", id));
	assert_true(cluster_bed_told(&bed, 1, "let-in", "n2 was let into cluster", id));
}

/* The agents of all nodes, wherever they run. */
static void replicas_elsewhere_are_shown(void)
{
	struct daemon_replica r, here;
	const msgpack_object *reply;

	daemon_run(&bed.v[2], "name: web\ncommand: [/bin/sleep, \"1000\"]\nreplicas: 2\n"
			      "placement: {require: [\"host == n3\"]}\n");
	WAIT_UNTIL(daemon_state_is(&bed.v[0], "web.1", "running"), WAIT_BOUND_S);
	assert_true(daemon_replica(&bed.v[2], "web.1", &here));
	WAIT_UNTIL(daemon_replica(&bed.v[0], "web.1", &r) && r.pid == here.pid, WAIT_BOUND_S);
	assert_string_equal(r.health, "healthy");
	has(cluster_bed_refused(&bed, 0, "stop", "target=web.1"), "web.1 is on n3");
	has(cluster_bed_refused(&bed, 0, "stop", "target=web.2"), "no agent or replica 'web.2' on this node");
	has(cluster_bed_refused(&bed, 0, "logs", "replica=web.2"), "there is no replica 'web.2'");
	reply = daemon_call(&bed.v[0], "logs", "replica=web.1");
	assert_true(daemon_ok(reply) && mp_get(mp_get(reply, "result"), "inode"));
	WAIT_UNTIL(daemon_state_is(&bed.v[1], "web.0", "running"), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_ok(reply = daemon_call(&bed.v[1], "explain", "agent=web.0")), WAIT_BOUND_S);
	assert_string_equal(daemon_text(mp_get(reply, "result"), "agent"), "web");
	assert_int_equal(kill(r.pid, SIGKILL), 0);
	WAIT_UNTIL(daemon_replica(&bed.v[0], "web.1", &r) && r.restarts == 1 && strcmp(r.reason, "signal") == 0,
		WAIT_BOUND_S);
	WAIT_UNTIL(daemon_replica(&bed.v[2], "web.1", &here) && here.pid > 0 && here.restarts == 1, WAIT_BOUND_S);
	WAIT_UNTIL(daemon_replica(&bed.v[0], "web.1", &r) && r.pid == here.pid, WAIT_BOUND_S);
}

static int64_t agents_decision(const msgpack_object *reply)
{
	const msgpack_object *agents = mp_get(mp_get(reply, "result"), "agents");
	int64_t version = -1;

	assert_true(daemon_ok(reply));
	assert_true(agents && agents->type == MSGPACK_OBJECT_ARRAY && agents->via.array.size == 1);
	assert_int_equal(mp_get_int(&agents->via.array.ptr[0], "decision", &version, 0, INT64_MAX, NULL), 0);
	return version;
}

/* Whoever has changed an agent on one node asks another so when it knows. */
static void a_decision_is_waited_for(void)
{
	int64_t version, known;
	char args[64];

	version = agents_decision(daemon_call(&bed.v[2], "status", "agent=web,brief=true"));
	assert_true(daemon_ok(daemon_call(&bed.v[2], "scale", "agent=web,n=3")));
	(void)snprintf(args, sizeof(args), "agent=web,newer_than=%lld,wait_ms=2000", (long long)version);
	do
		known = agents_decision(daemon_call(&bed.v[0], "status", args));
	while (known <= version); /* its time was up: a slow host */
	(void)snprintf(args, sizeof(args), "agent=web,newer_than=%lld,wait_ms=1", (long long)known);
	assert_int_equal(agents_decision(daemon_call(&bed.v[0], "status", args)), known);
	has(cluster_bed_refused(&bed, 0, "status", "newer_than=1"), "name it");
	has(cluster_bed_refused(&bed, 0, "status", "agent=web,newer_than=-1"), "newer_than");
}

static void a_daemon_that_is_killed_is_told_dead(void)
{
	struct daemon_replica r;

	daemon_kill(&bed.v[2], SIGKILL);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive dead"), WAIT_BOUND_S);
	for (size_t i = 0; i < 2; i++)
		WAIT_UNTIL(cluster_bed_told(&bed, i, "dead", "n3 is dead", ""), WAIT_BOUND_S);
	assert_true(daemon_replica(&bed.v[0], "web.0", &r));
	assert_string_equal(r.state, "lost"); /* as far as anybody can tell */
	has(cluster_bed_refused(&bed, 0, "forget", "node=n2"), "n2 is alive");
	has(cluster_bed_refused(&bed, 0, "forget", "node=n1"), "n1 is this node");
	has(cluster_bed_refused(&bed, 0, "forget", "node=n9"), "there is no node 'n9'; this one knows n");
	has(cluster_bed_refused(&bed, 0, "reset", NULL), "1 other node of the cluster is alive");
}

static void it_returns(void)
{
	daemon_start(&bed.v[2]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	for (size_t i = 0; i < 2; i++)
		WAIT_UNTIL(cluster_bed_told(&bed, i, "returned", "n3 is back: it was dead", ""), WAIT_BOUND_S);
	WAIT_UNTIL(daemon_state_is(&bed.v[0], "web.0", "running"), WAIT_BOUND_S);
}

/* It lasts until an operator takes it back. */
static void leaving_outlives_a_restart(void)
{
	has(cluster_bed_does(&bed, 1, "leave", NULL), "n2 left cluster ");
	WAIT_UNTIL(strcmp(cluster_bed_state(&bed, 0, "n2"), "left") == 0, WAIT_BOUND_S);
	WAIT_UNTIL(strcmp(cluster_bed_state(&bed, 2, "n2"), "left") == 0, WAIT_BOUND_S);
	assert_true(cluster_bed_told(&bed, 0, "left", "n2 left", ""));
	assert_true(!cluster_bed_told(&bed, 0, "dead", "n2 is dead", "") || cluster_bed_was_late(&bed, 0) ||
		    cluster_bed_was_late(&bed, 1));
	has(cluster_bed_refused(&bed, 1, "leave", NULL), "in no cluster");
	daemon_kill(&bed.v[1], SIGTERM);
	daemon_start(&bed.v[1]);
	has(cluster_text(1, "text"), "left cluster ");
	assert_int_equal(cluster_bed_members(&bed, 1), 1);
	assert_string_equal(cluster_bed_state(&bed, 0, "n2"), "left");
	has(cluster_bed_does(&bed, 1, "init", NULL), "n2 goes back into cluster ");
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&bed, 0, "returned", "n2 is back: it was left", ""), WAIT_BOUND_S);
	/* At once, while its leaving still goes out: what was to end with that does not end what began. */
	has(cluster_bed_does(&bed, 1, "leave", NULL), "n2 left cluster ");
	has(cluster_bed_does(&bed, 1, "init", NULL), "n2 goes back into cluster ");
	daemon_kill(&bed.v[2], SIGKILL);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive dead"), WAIT_BOUND_S);
	daemon_start(&bed.v[2]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
}

/* The list is empty now: it dials whom it knew. */
static void members_are_remembered(void)
{
	WAIT_UNTIL(daemon_logged(&bed.v[1], 0, "members are remembered", ""), WAIT_BOUND_S); /* in some seconds */
	daemon_kill(&bed.v[1], SIGKILL);
	cluster_bed_configure(&bed, 1, "", NULL);
	WAIT_UNTIL(strcmp(cluster_bed_state(&bed, 0, "n2"), "dead") == 0, WAIT_BOUND_S);
	/* Nor does anybody dial it. */
	bed.port[1] = cluster_bed_free_port();
	cluster_bed_configure(&bed, 1, "", NULL);
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
}

static void one_that_is_forgotten_stays_away(void)
{
	daemon_kill(&bed.v[1], SIGKILL);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive dead alive"), WAIT_BOUND_S);
	has(cluster_bed_does(&bed, 0, "forget", "node=n2"), "n2 is forgotten");
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive - alive"), WAIT_BOUND_S);
	daemon_kill(&bed.v[0], SIGKILL); /* at once: what was answered is on its disk */
	WAIT_UNTIL(cluster_bed_told(&bed, 2, "forgotten", "n2 is forgotten", ""), WAIT_BOUND_S);
	daemon_kill(&bed.v[2], SIGKILL);
	daemon_start(&bed.v[0]);
	daemon_start(&bed.v[2]);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive - alive"), WAIT_BOUND_S);
	cluster_bed_configure(&bed, 1, NULL, NULL);
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(strstr(cluster_text(1, "text"), "forgotten by cluster "), WAIT_BOUND_S);
	has(cluster_bed_refused(&bed, 1, "init", NULL), "'covey reset' makes it a new node");
	assert_true(cluster_bed_told(&bed, 1, "we-forgotten", "n2", "covey reset"));
	assert_int_equal(cluster_bed_members(&bed, 0), 2);
	(void)cluster_bed_does(&bed, 1, "reset", "force=true"); /* it begins again by itself */
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive"), WAIT_BOUND_S);
}

/* One story: each step goes on from the one before. */
static void test_the_life_of_a_cluster(void **state)
{
	(void)state;
	nobody_founds_by_itself();
	everyone_tells_the_same();
	replicas_elsewhere_are_shown();
	a_decision_is_waited_for();
	a_daemon_that_is_killed_is_told_dead();
	it_returns();
	leaving_outlives_a_restart();
	members_are_remembered();
	one_that_is_forgotten_stays_away();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_the_life_of_a_cluster, end)};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
