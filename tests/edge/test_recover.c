/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lost majority is given up: of three daemons two are killed, after they have decided something that the third did
 * not hear; it goes on alone, by an operator's word; and they come back to it, drop what they alone knew, and follow.
 * All the while a singleton runs in one place at most.
 */
#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/cluster_bed.h"
#include "tests/lib/proc.h"

/* What is placed where a daemon was killed that is not called dead yet goes elsewhere soon. */
#define SLEEPS(name) "name: " name "\ncommand: [/bin/sleep, \"1000\"]\nfailover_grace: 1s\n"
#define WEB	     SLEEPS("web") "replicas: 3\nupdate: {min_healthy: 100ms}\n"
#define ONLY	     "name: only\ncommand: [/bin/sleep, \"%d\"]\nkind: singleton\n"
#define EXTRA	     SLEEPS("extra") "replicas: 3\n"

#define ERA (INT64_C(1) << 32) /* epochs of a later era are not below */

static struct cluster_bed bed;
static char only_mark[16]; /* what the singleton sleeps: nothing else on this host does */

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

/* ---- what is seen ---- */

static const msgpack_object *agent_at(size_t i, const char *name)
{
	return cluster_bed_agent(&bed, i, name);
}

static int running(size_t i, const char *name)
{
	const msgpack_object *a = agent_at(i, name), *v = a ? mp_get(a, "replicas") : NULL;
	int n = 0;

	for (uint32_t k = 0; v && k < v->via.array.size; k++)
		n += strcmp(daemon_text(&v->via.array.ptr[k], "state"), "running") == 0;
	return n;
}

/* Of the singleton, as node i sees it; 0: it has none. */
static int64_t only_epoch(size_t i)
{
	const msgpack_object *a = agent_at(i, "only"), *v = a ? mp_get(a, "replicas") : NULL;
	int64_t epoch = 0;

	if (v && v->via.array.size > 0)
		(void)mp_get_int(&v->via.array.ptr[0], "epoch", &epoch, 0, INT64_MAX, NULL); /* else it is 0 */
	return epoch;
}

static const char *voters(size_t i)
{
	return daemon_text(mp_get(daemon_call(&bed.v[i], "voters", NULL), "result"), "text");
}

static bool sleeps_so_long(const char *pid)
{
	char path[300], cmd[64] = "";
	FILE *f;
	size_t n;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid); /* fits */
	f = fopen(path, "r");
	n = f ? fread(cmd, 1, sizeof(cmd) - 1, f) : 0;
	if (f)
		(void)fclose(f);
	return n > strlen("/bin/sleep") + 1 && strcmp(cmd, "/bin/sleep") == 0 &&
	       strcmp(cmd + strlen("/bin/sleep") + 1, only_mark) == 0;
}

/*
 * Processes of the singleton on this host, whoever started them: at most one at any time. Whom the folder named early
 * may have gone by the time that it names another: of several those count that are there still.
 */
static int only_processes(void)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	char seen[8][16];
	size_t n = 0;
	int still = 0;

	assert_non_null(d);
	while (n < ARRAY_LEN(seen) && (e = readdir(d)))
		if (isdigit((unsigned char)e->d_name[0]) && sleeps_so_long(e->d_name))
			(void)snprintf(seen[n++], sizeof(seen[0]), "%.15s", e->d_name); /* a pid fits */
	(void)closedir(d);
	if (n < 2)
		return (int)n;
	for (size_t i = 0; i < n; i++)
		still += sleeps_so_long(seen[i]);
	assert_in_range(still, 0, 1);
	return still;
}

static bool is_done(size_t i, const char *op)
{
	char args[64];
	const msgpack_object *r;
	bool done = false;

	(void)snprintf(args, sizeof(args), "op=%s", op); /* fits */
	r = mp_get(daemon_call(&bed.v[i], "wait", args), "result");
	(void)only_processes(); /* it asserts */
	return r && mp_get_bool(r, "done", &done, NULL) == 0 && done;
}

/* ---- the story ---- */

static void while_a_majority_is_there_it_is_refused(void)
{
	const char *id = daemon_text(mp_get(mp_get(daemon_call(&bed.v[0], "status", NULL), "result"), "cluster"), "id");
	char cluster[64], args[160];

	(void)snprintf(cluster, sizeof(cluster), "%s", id); /* fits; so below */
	has(cluster_bed_refused(&bed, 0, "recover", NULL), "without it nothing is given up");
	has(cluster_bed_refused(&bed, 0, "recover", "force=true"), "its name is needed, or its id");
	has(cluster_bed_refused(&bed, 0, "recover", "force=true,cluster=west"),
		"that is not the name of this node's cluster");
	(void)snprintf(args, sizeof(args), "force=true,cluster=%s", cluster);
	has(cluster_bed_refused(&bed, 0, "recover", args), "a majority of the voters answers, ");
	has(cluster_bed_refused(&bed, 1, "recover", "plan=true"), "a majority of the voters answers, ");
}

/* n1 does not hear of it. */
static void two_decide_something(void)
{
	daemon_kill(&bed.v[0], SIGKILL);
	WAIT_UNTIL(cluster_bed_all_see(&bed, "dead alive alive"), WAIT_BOUND_S);
	daemon_run(&bed.v[1], EXTRA);
	assert_true(daemon_ok(daemon_call(&bed.v[2], "scale", "agent=web,n=5")));
	WAIT_UNTIL(running(1, "web") == 5, WAIT_BOUND_S); /* who runs a new one has it on its disk */
	WAIT_UNTIL(only_processes() == 1 && running(2, "only") == 1, WAIT_BOUND_S);
}

/* Their leases end by themselves; then they may be called off. */
static void both_are_lost(void)
{
	daemon_kill(&bed.v[1], SIGKILL);
	daemon_kill(&bed.v[2], SIGKILL);
	WAIT_UNTIL(only_processes() == 0, WAIT_BOUND_S);
	daemon_start(&bed.v[0]);
	WAIT_UNTIL(strstr(voters(0), "3 voters, epoch "), WAIT_BOUND_S);
	has(cluster_bed_refused(&bed, 0, "scale", "agent=web,n=1"), "no majority of the voters is there");
	assert_int_equal(only_processes(), 0);
}

static void the_one_that_is_left_goes_on(void)
{
	char id[64], args[160];
	int64_t epoch = only_epoch(0);

	(void)snprintf(id, sizeof(id), "%s",
		daemon_text(mp_get(mp_get(daemon_call(&bed.v[0], "status", NULL), "result"), "cluster"), "id"));
	has(cluster_bed_does(&bed, 0, "recover", "plan=true"), "the cluster would go on in 74 s with n1; given up: ");
	(void)snprintf(args, sizeof(args), "force=true,hosts_are_off=true,op=give-up,cluster=%.8s", id);
	has(cluster_bed_does(&bed, 0, "recover", args), "the cluster goes on now with n1; given up: ");
	WAIT_UNTIL(is_done(0, "give-up"), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&bed, 0, "recovered", "n1 gave up the voters", "is lost"), WAIT_BOUND_S);
	has(voters(0), "1 voters, epoch ");
	assert_true(daemon_ok(daemon_call(&bed.v[0], "scale", "agent=web,n=2")));
	WAIT_UNTIL(only_processes() == 1 && only_epoch(0) >= ERA, WAIT_BOUND_S);
	assert_true(epoch < ERA);
	has(cluster_bed_refused(&bed, 0, "recover", args + strlen("force=true,hosts_are_off=true,op=give-up,")),
		"without it nothing is given up");
	(void)snprintf(args, sizeof(args), "force=true,hosts_are_off=true,op=again,cluster=%.8s", id);
	has(cluster_bed_refused(&bed, 0, "recover", args), "a majority of the voters answers, 1 of 1");
}

static bool nobody_has(const char *name)
{
	for (size_t i = 0; i < bed.n; i++)
		if (agent_at(i, name))
			return false;
	return only_processes() <= 1;
}

static bool all_run(const char *name, int n)
{
	for (size_t i = 0; i < bed.n; i++)
		if (running(i, name) != n)
			return false;
	return only_processes() <= 1;
}

static bool all_vote(void)
{
	for (size_t i = 0; i < bed.n; i++)
		if (!strstr(voters(i), "3 voters, epoch ") || strstr(voters(i), "under way"))
			return false;
	return only_processes() <= 1;
}

/* One after the other: both at once are a majority, which may hear each other before that they were given up. */
static void the_others_come_back_and_follow(void)
{
	for (size_t i = 1; i < bed.n; i++) {
		daemon_start(&bed.v[i]);
		WAIT_UNTIL(cluster_bed_told(&bed, i, "given-up", bed.v[i].name, "does not vote"), WAIT_BOUND_S);
	}
	WAIT_UNTIL(cluster_bed_all_see(&bed, "alive alive alive") && only_processes() <= 1, WAIT_BOUND_S);
	for (size_t i = 1; i < bed.n; i++) {
		WAIT_UNTIL(
			cluster_bed_told(&bed, i, "dropped", "extra", "only voters that were given up"), WAIT_BOUND_S);
	}
	WAIT_UNTIL(cluster_bed_told(&bed, 1, "dropped", "web: decision ", "goes on at version") ||
			   cluster_bed_told(&bed, 2, "dropped", "web: decision ", "goes on at version"),
		WAIT_BOUND_S);
	WAIT_UNTIL(nobody_has("extra"), WAIT_BOUND_S);
	WAIT_UNTIL(all_run("web", 2) && all_run("only", 1), WAIT_BOUND_S);
	WAIT_UNTIL(all_vote(), WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed.v[2], "scale", "agent=web,n=3")));
	WAIT_UNTIL(all_run("web", 3), WAIT_BOUND_S);
}

/* What was dropped stays so, though it is on their disks still, and they vote again. */
static void over_restarts_too(void)
{
	for (size_t i = 0; i < bed.n; i++)
		daemon_kill(&bed.v[i], SIGKILL);
	for (size_t i = 0; i < bed.n; i++)
		daemon_start(&bed.v[i]);
	WAIT_UNTIL(all_vote() && all_run("web", 3) && all_run("only", 1), WAIT_BOUND_S);
	assert_true(nobody_has("extra"));
	assert_true(only_epoch(1) >= ERA);
	daemon_run(&bed.v[1], EXTRA);
	WAIT_UNTIL(all_run("extra", 3), WAIT_BOUND_S);
}

static void test_a_lost_majority_is_given_up(void **state)
{
	char text[128];

	(void)state;
	(void)snprintf(only_mark, sizeof(only_mark), "%d", 1000000 + (int)getpid()); /* fits; so below */
	(void)snprintf(text, sizeof(text), ONLY, 1000000 + (int)getpid());
	cluster_bed_init(&bed, 3, NULL);
	cluster_bed_form(&bed);
	daemon_run(&bed.v[0], WEB);
	daemon_run(&bed.v[0], text);
	WAIT_UNTIL(all_vote() && all_run("web", 3) && all_run("only", 1), WAIT_BOUND_S);
	while_a_majority_is_there_it_is_refused();
	two_decide_something();
	both_are_lost();
	the_one_that_is_left_goes_on();
	the_others_come_back_and_follow();
	over_restarts_too();
}

/* ---- an operator's error ---- */

static void recover_alone(size_t i, const char *op)
{
	char id[64], args[160];

	WAIT_UNTIL(*voters(i), WAIT_BOUND_S);
	(void)snprintf(id, sizeof(id), "%s",
		daemon_text(mp_get(mp_get(daemon_call(&bed.v[i], "status", NULL), "result"), "cluster"), "id"));
	(void)snprintf(args, sizeof(args), "force=true,hosts_are_off=true,op=%s,cluster=%s", op, id); /* fits */
	has(cluster_bed_does(&bed, i, "recover", args), "the cluster goes on now with ");
	WAIT_UNTIL(is_done(i, op), WAIT_BOUND_S);
	WAIT_UNTIL(strstr(voters(i), "1 voters, epoch "), WAIT_BOUND_S);
}

static int64_t epoch_told(size_t i)
{
	const char *text = voters(i), *at = strstr(text, "epoch ");

	return at ? strtoll(at + strlen("epoch "), NULL, 10) : 0;
}

static bool all_are_in(int64_t era)
{
	for (size_t i = 0; i < bed.n; i++)
		if (epoch_told(i) / ERA != era)
			return false;
	return true;
}

/* Where they meet the higher epoch wins, whichever side that is, and the other tells what it drops. */
static void test_both_sides_recover(void **state)
{
	int64_t first, second;
	size_t winner;

	(void)state;
	(void)snprintf(only_mark, sizeof(only_mark), "%d", 2000000 + (int)getpid()); /* fits; nothing has it */
	cluster_bed_init(&bed, 3, NULL);
	cluster_bed_form(&bed);
	WAIT_UNTIL(all_vote(), WAIT_BOUND_S);
	has(cluster_bed_does(&bed, 0, "voters", "number=3"), "who is to vote was changed"); /* all of them have it */
	daemon_run(&bed.v[0], WEB);
	daemon_kill(&bed.v[1], SIGKILL);
	daemon_kill(&bed.v[2], SIGKILL);
	recover_alone(0, "east");
	daemon_run(&bed.v[0], SLEEPS("east"));
	first = epoch_told(0) / ERA;
	daemon_kill(&bed.v[0], SIGKILL);
	daemon_start(&bed.v[1]);
	recover_alone(1, "west");
	daemon_run(&bed.v[1], SLEEPS("west"));
	second = epoch_told(1) / ERA;
	daemon_start(&bed.v[0]);
	daemon_start(&bed.v[2]);
	winner = first > second ? 0 : 1;
	WAIT_UNTIL(all_are_in(MAX(first, second)) && all_vote(), WAIT_BOUND_S);
	WAIT_UNTIL(all_run(winner == 0 ? "east" : "west", 1), WAIT_BOUND_S);
	WAIT_UNTIL(nobody_has(winner == 0 ? "west" : "east"), WAIT_BOUND_S);
	WAIT_UNTIL(
		cluster_bed_told(&bed, 1 - winner, "given-up", bed.v[1 - winner].name, "does not vote"), WAIT_BOUND_S);
	WAIT_UNTIL(cluster_bed_told(&bed, 1 - winner, "dropped", winner == 0 ? "west" : "east",
			   "only voters that were given up"),
		WAIT_BOUND_S);
	daemon_run(&bed.v[2], EXTRA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_a_lost_majority_is_given_up, end),
		cmocka_unit_test_teardown(test_both_sides_recover, end),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
