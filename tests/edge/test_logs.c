/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey logs` against a real daemon: over rotated files, of one replica and of several, followed and not.
 */
#include "tests/lib/daemon.h"
#include "tests/lib/following.h"
#include "tests/lib/wait.h"

static struct daemon_bed bed;

static int begin(void **state)
{
	(void)state;
	daemon_init(&bed);
	daemon_start(&bed);
	return 0;
}

static int end(void **state)
{
	(void)state;
	daemon_done(&bed);
	return 0;
}

/* An agent that writes so many numbered lines and stays. */
static void run_writer(const char *name, int replicas, int lines, const char *logs)
{
	char text[1024];

	(void)snprintf(text, sizeof(text),
		"name: %s\nreplicas: %d\nlogs: %s\n"
		"command: [/bin/sh, -c, 'i=1; while [ $$i -le %d ]; do echo \"$$COVEY_REPLICA says $$i\"; i=$$((i+1)); "
		"done; exec sleep 1000']\n",
		name, replicas, logs, lines);
	daemon_run(&bed, text);
}

/* The number of the last line of what was printed, and how many there are; each must follow the one before. */
static int64_t numbers_of(const struct ran *r, size_t *ret_n)
{
	int64_t before = -1;

	*ret_n = 0;
	assert_int_equal(r->status, 0);
	for (const char *at = r->out.v; (at = strstr(at, " says ")); at++, (*ret_n)++) {
		int64_t n = atoll(at + 6);

		if (before >= 0)
			assert_int_equal(n, before + 1);
		before = n;
	}
	return before;
}

static bool has_written(const char *replica, int64_t last)
{
	AUTO_RAN struct ran r = RUN(bed.socket, "logs", replica, "-n", "1");
	size_t n;

	return r.status == 0 && numbers_of(&r, &n) == last;
}

/* A log of many files is read to its end, from wherever it begins. */
static void test_over_rotated_files(void **state)
{
	size_t n;

	(void)state;
	run_writer("rot", 1, 500, "{max_size: 4K, keep: 20}");
	WAIT_UNTIL(has_written("rot.0", 500), WAIT_BOUND_S);
	assert_true(daemon_size(&bed, "data/logs/rot.0.log.2") > 0);
	{
		AUTO_RAN struct ran all = RUN(bed.socket, "logs", "rot.0");

		assert_int_equal(numbers_of(&all, &n), 500);
		assert_int_equal(n, 500);
	}
	for (int lines = 1; lines < 300; lines += 33) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%d", lines);
		AUTO_RAN struct ran some = RUN(bed.socket, "logs", "rot.0", "-n", text);
		assert_int_equal(numbers_of(&some, &n), 500);
		assert_int_equal(n, lines);
	}
}

/* All lines of all replicas, over rotated files, by the times they begin with, each replica's in its own order. */
static void test_of_all_replicas(void **state)
{
	static const int n_lines = 3000;
	int next[3] = {1, 1, 1};
	char before[28] = "";

	(void)state;
	run_writer("all", 3, n_lines, "{max_size: 64K, keep: 20}");
	WAIT_UNTIL(has_written("all.0", n_lines) && has_written("all.1", n_lines) && has_written("all.2", n_lines),
		WAIT_BOUND_S);
	assert_true(daemon_size(&bed, "data/logs/all.2.log.1") > 0);
	AUTO_RAN struct ran all = RUN(bed.socket, "logs", "all");
	assert_int_equal(all.status, 0);
	for (const char *line = all.out.v; *line; line = strchr(line, '\n') + 1) {
		int replica, same, n;

		assert_int_equal(sscanf(line, "all.%d | %*27s all.%d says %d\n", &replica, &same, &n), 3);
		assert_in_range(replica, 0, 2);
		assert_int_equal(replica, same);
		assert_int_equal(n, next[replica]++);
		assert_true(strncmp(line + 8, before, 27) >= 0);
		memcpy(before, line + 8, 27);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(next[i], n_lines + 1);
}

static void test_the_last_lines_of_each(void **state)
{
	(void)state;
	AUTO_RAN struct ran some = RUN(bed.socket, "logs", "all", "-n", "2");
	AUTO_RAN struct ran one = RUN(bed.socket, "logs", "all.1", "-n", "2");

	assert_int_equal(some.status, 0);
	for (int i = 0; i < 3; i++)
		for (int n = 2999; n <= 3000; n++) {
			char want[64];

			(void)snprintf(want, sizeof(want), "all.%d says %d\n", i, n);
			assert_non_null(strstr(some.out.v, want));
		}
	assert_null(strstr(some.out.v, "says 2998\n"));
	assert_null(strchr(one.out.v, '|'));
}

/* More replicas than one request asks for, some of them without a line. */
static void test_of_many_replicas(void **state)
{
	(void)state;
	daemon_run(&bed, "name: many\nreplicas: 70\ncommand: [/bin/sh, -c, 'case $$COVEY_REPLICA in *5) ;; *) echo \"I "
			 "am $$COVEY_REPLICA.\" ;; esac; exec sleep 1000']\n");
	for (int i = 0; i < 70; i++) {
		char want[64];

		(void)snprintf(want, sizeof(want), "I am many.%d.\n", i);
		WAIT_UNTIL(({
			AUTO_RAN struct ran all = RUN(bed.socket, "logs", "many");
			bool has = strstr(all.out.v, want) != NULL;

			i % 10 == 5 ? !has : has;
		}),
			WAIT_BOUND_S);
	}
}

/* With -f, replicas that come are followed too, and the daemon may be started again. */
static void test_followed(void **state)
{
	static const char def[] =
		"name: fol\nreplicas: 2\ncommand: [/bin/sh, -c, 'echo \"$$COVEY_REPLICA begins\"; trap "
		"\"echo $$COVEY_REPLICA ends; exit\" TERM; while :; do sleep 0.05; done']\n";
	AUTO_FOLLOWING struct following f = {.pid = 0};

	(void)state;
	daemon_run(&bed, def);
	following_begin(
		&f, &(struct run){.socket = bed.socket, .argv = (const char *const[]){"logs", "fol", "-f", NULL}});
	following_until(&f, "fol.0 begins\n");
	following_until(&f, "fol.1 begins\n");
	assert_true(daemon_ok(daemon_call(&bed, "scale", "agent=fol,n=3")));
	following_until(&f, "fol.2 | ");
	following_until(&f, "fol.2 begins\n");
	daemon_kill(&bed, SIGKILL);
	following_until(&f, "going on when it is back\n");
	daemon_start(&bed);
	assert_true(daemon_ok(daemon_call(&bed, "restart", "target=fol.1")));
	following_until(&f, "fol.1 ends\n");
	assert_true(daemon_ok(daemon_call(&bed, "scale", "agent=fol,n=1")));
	assert_true(daemon_ok(daemon_call(&bed, "restart", "target=fol.0")));
	following_until(&f, "fol.0 ends\n");
	assert_true(daemon_ok(daemon_call(&bed, "remove", "agent=fol")));
	following_until(&f, "there is no agent or replica 'fol'");
}

/* A replica that is no more leaves no log; one that is stopped keeps its own. */
static void test_logs_go_with_their_replica(void **state)
{
	(void)state;
	run_writer("gone", 2, 200, "{max_size: 4K, keep: 3}");
	WAIT_UNTIL(has_written("gone.0", 200) && has_written("gone.1", 200), WAIT_BOUND_S);
	assert_true(daemon_size(&bed, "data/logs/gone.1.log.1") > 0);
	assert_true(daemon_ok(daemon_call(&bed, "scale", "agent=gone,n=1")));
	WAIT_UNTIL(daemon_size(&bed, "data/logs/gone.1.log") + daemon_size(&bed, "data/logs/gone.1.log.1") == 0,
		WAIT_BOUND_S);
	assert_true(daemon_ok(daemon_call(&bed, "stop", "target=gone")));
	WAIT_UNTIL(daemon_state_is(&bed, "gone.0", "stopped"), WAIT_BOUND_S);
	assert_true(has_written("gone.0", 200));
	assert_true(daemon_ok(daemon_call(&bed, "remove", "agent=gone")));
	WAIT_UNTIL(daemon_size(&bed, "data/logs/gone.0.log") + daemon_size(&bed, "data/logs/gone.0.log.1") == 0,
		WAIT_BOUND_S);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_rotated_files),
		cmocka_unit_test(test_of_all_replicas),
		cmocka_unit_test(test_the_last_lines_of_each),
		cmocka_unit_test(test_of_many_replicas),
		cmocka_unit_test(test_followed),
		cmocka_unit_test(test_logs_go_with_their_replica),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, begin, end);
}
