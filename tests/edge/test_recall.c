/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real daemons whose disks may be old: what a replica writes at its start tells how often it was started where. An old
 * copy of a disk starts nothing that is another's by now, whether its node votes or not; a host that comes back alone
 * starts what it kept after a while; and hosts that come back together wait for nobody's time to be over.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/recall.h"
#include "tests/lib/cluster_bed.h"
#include "tests/lib/proc.h"

static struct cluster_bed bed;

static int end(void **state)
{
	(void)state;
	for (size_t i = 0; i < bed.n; i++) /* nobody is asked to decide that all stops */
		if (bed.v[i].pid)
			daemon_kill(&bed.v[i], SIGKILL);
	cluster_bed_done(&bed);
	return 0;
}

/* ---- what runs ---- */

static const char *diary(void)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/diary", bed.v[0].dir.path); /* fits */
	return path;
}

/* How often one was started there. */
static int starts(const char *node)
{
	FILE *f = fopen(diary(), "r");
	char line[64];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += strncmp(line, node, strlen(node)) == 0;
	if (f)
		(void)fclose(f); /* read only */
	return n;
}

/* A replica that runs on that node, as it says itself: its pid; 0: none. */
static int runs_on(size_t i)
{
	const msgpack_object *a = cluster_bed_agent(&bed, i, "web"), *v = a ? mp_get(a, "replicas") : NULL;
	int64_t pid = 0;

	for (uint32_t k = 0; v && k < v->via.array.size; k++) {
		const msgpack_object *r = &v->via.array.ptr[k];

		if (strcmp(daemon_text(r, "state"), "running") == 0 &&
			strcmp(daemon_text(r, "node"), bed.v[i].name) == 0)
			(void)mp_get_int(r, "pid", &pid, 0, INT32_MAX, NULL); /* else it is none */
	}
	return (int)pid;
}

static int64_t decision(size_t i)
{
	const msgpack_object *a = cluster_bed_agent(&bed, i, "web");
	int64_t n = -1;

	if (a)
		(void)mp_get_int(a, "decision", &n, 0, INT64_MAX, NULL); /* else it knows of none */
	return n;
}

/* What that node says of why a replica of its is as it is. */
static bool is_explained(size_t i, const char *part)
{
	const msgpack_object *v = mp_get(mp_get(daemon_call(&bed.v[i], "explain", "agent=web"), "result"), "replicas");
	bool found = false;

	for (uint32_t k = 0; v && k < v->via.array.size; k++)
		found |= strstr(daemon_text(&v->via.array.ptr[k], "why"), part) != NULL;
	return found;
}

/* ---- hosts ---- */

/* With all that runs there. */
static void power_off(size_t i)
{
	int pid = runs_on(i);

	daemon_kill(&bed.v[i], SIGKILL);
	if (pid == 0)
		return;
	assert_int_equal(kill(proc_parent(pid), SIGKILL), 0);
	(void)kill(pid, SIGKILL); /* mostly it went with its shim */
	WAIT_UNTIL(daemon_processes(&bed.v[i]) == 0, WAIT_BOUND_S);
}

static void copy_disk(size_t i)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "cp -a %1$s/data %1$s/copy", bed.v[i].dir.path); /* fits; so below */
	assert_int_equal(system(text), 0);
}

static void put_the_copy_back(size_t i)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "rm -r %1$s/data && mv %1$s/copy %1$s/data", bed.v[i].dir.path);
	assert_int_equal(system(text), 0);
}

/* A cluster with a replica on each node. */
static void form(size_t n)
{
	char text[512];

	cluster_bed_init(&bed, n, NULL);
	cluster_bed_form(&bed);
	(void)snprintf(text, sizeof(text),
		"name: web\nuser: root\ncommand: [/bin/sh, -c, \"echo ${COVEY_NODE} >> %s; exec sleep 1000\"]\n"
		"sandbox: {private_tmp: no, read_only: []}\nkind: replicated\nisolation: keep\nreplicas: %zu\nupdate: "
		"{min_healthy: 100ms}\n",
		diary(), n); /* fits */
	daemon_run(&bed.v[0], text);
	for (size_t i = 0; i < n; i++)
		WAIT_UNTIL(runs_on(i) && starts(bed.v[i].name) == 1, WAIT_BOUND_S);
}

/* ---- */

static void an_old_disk_starts_nothing(size_t n)
{
	size_t last = n - 1;
	char drain[32];

	form(n);
	power_off(last);
	copy_disk(last);
	daemon_start(&bed.v[last]);
	WAIT_UNTIL(runs_on(last) && starts(bed.v[last].name) == 2, WAIT_BOUND_S); /* the same disk, as it was */
	(void)snprintf(drain, sizeof(drain), "node=%s", bed.v[last].name);	  /* fits */
	(void)cluster_bed_does(&bed, 0, "drain", drain);
	WAIT_UNTIL(
		!runs_on(last) && starts(bed.v[0].name) + (n > 2 ? starts(bed.v[1].name) : 0) == (int)n, WAIT_BOUND_S);
	power_off(last);
	put_the_copy_back(last);
	daemon_start(&bed.v[last]);
	WAIT_UNTIL(decision(last) == decision(0) && decision(0) > 0, WAIT_BOUND_S);
	WAIT_UNTIL(!runs_on(last), WAIT_BOUND_S);
	assert_int_equal(starts(bed.v[last].name), 2);
	assert_false(cluster_bed_told(&bed, last, "believed", "", ""));
}

static void test_an_old_disk_of_one_that_does_not_vote(void **state)
{
	(void)state;
	an_old_disk_starts_nothing(2); /* one of two votes: the first */
	assert_false(cluster_bed_told(&bed, 1, "rolled-back", "", ""));
}

static void test_an_old_disk_of_a_voter(void **state)
{
	(void)state;
	an_old_disk_starts_nothing(3);
	WAIT_UNTIL(cluster_bed_told(&bed, 2, "rolled-back", "went back in time", ""), WAIT_BOUND_S);
}

static void test_a_host_that_comes_back_alone(void **state)
{
	int64_t at_ms;

	(void)state;
	form(2);
	power_off(0);
	power_off(1);
	at_ms = cluster_bed_wall_ms();
	daemon_start(&bed.v[1]);
	WAIT_UNTIL(is_explained(1, "waits, 10s at most: other members are asked"), WAIT_BOUND_S);
	WAIT_UNTIL(runs_on(1) && starts(bed.v[1].name) == 2, WAIT_BOUND_S);
	assert_true(cluster_bed_wall_ms() - at_ms >= RECALL_ALONE_MS);
	assert_true(cluster_bed_told(&bed, 1, "believed", "no other member has told", bed.v[1].name));
}

static void test_hosts_that_come_back_together(void **state)
{
	(void)state;
	form(3);
	for (size_t i = 0; i < bed.n; i++)
		power_off(i);
	for (size_t i = 0; i < bed.n; i++)
		daemon_launch(&bed.v[i]);
	for (size_t i = 0; i < bed.n; i++)
		WAIT_UNTIL(runs_on(i) && starts(bed.v[i].name) == 2, WAIT_BOUND_S);
	for (size_t i = 0; i < bed.n; i++)
		assert_false(cluster_bed_told(&bed, i, "believed", "", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_an_old_disk_of_one_that_does_not_vote, end),
		cmocka_unit_test_teardown(test_an_old_disk_of_a_voter, end),
		cmocka_unit_test_teardown(test_a_host_that_comes_back_alone, end),
		cmocka_unit_test_teardown(test_hosts_that_come_back_together, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
