/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `covey logs` against a real daemon: over rotated files, of one replica and of several, followed and not.
 */
#include "tests/lib/fake_daemon.h"

#include <signal.h>

#include "tests/lib/daemon.h"
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_over_rotated_files),
	};

	daemon_need_root();
	return cmocka_run_group_tests(tests, begin, end);
}
