/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One daemon a data_dir: the second is refused and told the first's pid; a holder that ends within the wait lets it in.
 */
#include "node/datalock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/lib/tmpdir.h"
#include "tests/lib/wait.h"

static pid_t start_holder(const char *dir)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd;

		if (datalock_take(dir, &fd, NULL) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	assert_int_equal(close(ready[1]), 0);
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(close(ready[0]), 0);
	return pid;
}

static void end_holder(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_the_second_is_refused_and_told_who(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	AUTO_CLOSE int fd = -1;
	struct err e = {0};
	char words[128];
	pid_t pid = start_holder(dir.path);

	(void)state;
	assert_int_equal(datalock_take(dir.path, &fd, &e), -EBUSY);
	assert_int_equal(fd, -1);
	(void)snprintf(words, sizeof(words), "another coveyd (pid %d) uses '%s'", (int)pid, dir.path);
	assert_non_null(strstr(e.text, words));
	end_holder(pid);
	assert_int_equal(datalock_take(dir.path, &fd, &e), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static bool has_open(pid_t pid, const char *path)
{
	char name[64], to[PATH_MAX];
	bool found = false;

	for (int fd = 0; fd < 64 && !found; fd++) {
		ssize_t n;

		(void)snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, fd);
		n = readlink(name, to, sizeof(to) - 1);
		to[MAX(n, (ssize_t)0)] = '\0';
		found = strcmp(to, path) == 0;
	}
	return found;
}

static void wait_until_asked(pid_t pid, const char *path)
{
	WAIT_UNTIL(has_open(pid, path), WAIT_BOUND_S);
}

static void test_a_holder_that_ends_is_waited_for(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	AUTO_CLOSE int fd = -1;
	pid_t pid = start_holder(dir.path), killer;

	(void)state;
	killer = fork();
	assert_true(killer >= 0);
	if (killer == 0) {
		wait_until_asked(getppid(), tmpdir_path(&dir, "lock"));
		_exit(kill(pid, SIGKILL) < 0);
	}
	assert_int_equal(datalock_take(dir.path, &fd, NULL), 0);
	assert_int_equal(waitpid(killer, NULL, 0), killer);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_what_cannot_be_opened_is_told(void **state)
{
	AUTO_TMPDIR struct tmpdir dir = tmpdir_make();
	struct err e = {0};
	int fd = -1;

	(void)state;
	assert_int_equal(datalock_take("/nonexistent", &fd, &e), -ENOENT);
	assert_non_null(strstr(e.text, "/nonexistent/lock"));
	assert_int_equal(symlink("/etc/passwd", tmpdir_path(&dir, "lock")), 0);
	assert_int_equal(datalock_take(dir.path, &fd, &e), -ELOOP);
	assert_int_equal(fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_second_is_refused_and_told_who),
		cmocka_unit_test(test_a_holder_that_ends_is_waited_for),
		cmocka_unit_test(test_what_cannot_be_opened_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
