/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a log over its rotations: the tail, following, what was rotated away, and a writer that never stops.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/limits.h"
#include "supervisor/logs.h"
#include "tests/lib/test.h"
#include "tests/lib/tmpdir.h"

struct bed {
	struct tmpdir dir;
	char log[100];
	struct bytes out;
	struct err e;
};

static int open_bed(void **state)
{
	static struct bed b;

	b.dir = tmpdir_make();
	(void)snprintf(b.log, sizeof(b.log), "%s/web.0.log", b.dir.path);
	bytes_init(&b.out, 1 << 20);
	*state = &b;
	return 0;
}

static int close_bed(void **state)
{
	struct bed *b = *state;

	bytes_done(&b->out);
	tmpdir_remove(&b->dir);
	return 0;
}

static void append(struct bed *b, const char *text)
{
	AUTO_CLOSE int fd = open(b->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void rotate(struct bed *b, int keep)
{
	char from[120], to[120];

	for (int i = keep; i > 0; i--) {
		(void)snprintf(from, sizeof(from), i == 1 ? "%s" : "%s.%d", b->log, i - 1);
		(void)snprintf(to, sizeof(to), "%s.%d", b->log, i);
		(void)rename(from, to); /* not there yet is fine */
	}
}

/* Reads on; the text, and whether there was a gap. */
static const char *read_on(struct bed *b, struct logs_pos *pos, size_t max, bool *ret_gap)
{
	bytes_clear(&b->out);
	assert_int_equal(logs_read(b->log, pos, max, &b->out, ret_gap, &b->e), 0);
	return b->out.v ? b->out.v : "";
}

static const char *tail(struct bed *b, int64_t n)
{
	struct logs_pos pos;
	static char all[4096];
	bool gap = false;

	all[0] = '\0';
	assert_int_equal(logs_tail(b->log, n, &pos, &b->e), 0);
	for (;;) {
		const char *more = read_on(b, &pos, 1000, &gap);

		if (!more[0])
			return all;
		strcat(all, more);
	}
}

static void nothing_was_written_yet(void **state)
{
	struct bed *b = *state;
	struct logs_pos pos = {0};
	bool gap = true;

	assert_string_equal(tail(b, 10), "");
	assert_string_equal(read_on(b, &pos, 100, &gap), "");
	assert_false(gap);
	append(b, "first\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "first\n");
}

static void the_last_lines_over_files(void **state)
{
	struct bed *b = *state;

	append(b, "1\n2\n");
	rotate(b, 3);
	append(b, "3\n4\n5\n");
	rotate(b, 3);
	append(b, "6\n");
	assert_string_equal(tail(b, 0), "");
	assert_string_equal(tail(b, 1), "6\n");
	assert_string_equal(tail(b, 2), "5\n6\n");
	assert_string_equal(tail(b, 4), "3\n4\n5\n6\n");
	assert_string_equal(tail(b, 5), "2\n3\n4\n5\n6\n");
	assert_string_equal(tail(b, 6), "1\n2\n3\n4\n5\n6\n");
	assert_string_equal(tail(b, 1000), "1\n2\n3\n4\n5\n6\n");
}

static void the_tail_of_a_large_file(void **state)
{
	struct bed *b = *state;
	char line[300];

	memset(line, 'x', sizeof(line));
	line[298] = '\n';
	line[299] = '\0';
	for (int i = 0; i < 1000; i++)
		append(b, line);
	append(b, "end\n");
	assert_int_equal(strlen(tail(b, 3)), 2 * 299 + 4);
	assert_string_equal(tail(b, 1), "end\n");
}

static void a_follower_goes_over_rotations(void **state)
{
	struct bed *b = *state;
	struct logs_pos pos;
	bool gap;

	append(b, "a\n");
	assert_int_equal(logs_tail(b->log, 0, &pos, &b->e), 0);
	append(b, "b\n");
	rotate(b, 3);
	append(b, "c\n");
	rotate(b, 3);
	append(b, "d\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "b\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "c\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "d\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "");
	append(b, "e\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "e\n");
	assert_false(gap);
}

static void what_was_rotated_away_is_a_gap(void **state)
{
	struct bed *b = *state;
	AUTO_CLOSE int a = -1; /* held, so that no file made in the same instant gets its inode */
	struct logs_pos pos;
	bool gap;

	append(b, "a\n");
	a = open(b->log, O_RDONLY | O_CLOEXEC);
	assert_int_equal(logs_tail(b->log, 1, &pos, &b->e), 0);
	for (int i = 0; i < 3; i++) {
		rotate(b, 1);
		append(b, i == 0 ? "b\n" : i == 1 ? "c\n" : "d\n");
	}
	assert_string_equal(read_on(b, &pos, 100, &gap), "c\n");
	assert_true(gap);
	assert_string_equal(read_on(b, &pos, 100, &gap), "d\n");
	assert_false(gap);
}

static void only_whole_lines_unless_one_is_too_long(void **state)
{
	struct bed *b = *state;
	struct logs_pos pos = {0};
	bool gap;

	append(b, "one\ntwo\nthr");
	assert_string_equal(read_on(b, &pos, 6, &gap), "one\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "two\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "");
	append(b, "ee\nlonger than asked\n");
	assert_string_equal(read_on(b, &pos, 8, &gap), "three\n");
	assert_string_equal(read_on(b, &pos, 8, &gap), "longer t");
	append(b, "torn");
	rotate(b, 1);
	append(b, "next\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "han asked\n");
	assert_string_equal(read_on(b, &pos, 100, &gap), "torn");
	assert_string_equal(read_on(b, &pos, 100, &gap), "next\n");
}

static void faults_are_told(void **state)
{
	struct bed *b = *state;
	struct logs_pos pos = {0};
	bool gap;

	assert_int_equal(mkdir(b->log, 0755), 0);
	assert_int_equal(logs_tail(b->log, 1, &pos, &b->e), -EINVAL);
	assert_int_equal(logs_read(b->log, &pos, 10, &b->out, &gap, &b->e), -EINVAL);
	assert_non_null(strstr(b->e.text, b->log));
}

static void removing_takes_all(void **state)
{
	struct bed *b = *state;
	char path[120];

	for (int i = 0; i < 4; i++) {
		append(b, "x\n");
		rotate(b, 3);
	}
	assert_int_equal(logs_remove(b->log, &b->e), 0);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), i ? "%s.%d" : "%s", b->log, i);
		assert_int_not_equal(access(path, F_OK), 0);
	}
	assert_int_equal(logs_remove(b->log, &b->e), 0);
}

/* Numbers in order, rotated as fast as can be: a reader that sees no gap sees each number once. */
static void write_numbers(struct bed *b, int n)
{
	char line[16];

	for (int i = 0; i < n; i++) {
		(void)snprintf(line, sizeof(line), "%d\n", i);
		append(b, line);
		if (i % 5 == 4 && i < n - 1)
			rotate(b, 2000);
	}
	_exit(0);
}

static void a_writer_that_rotates_under_the_reader(void **state)
{
	struct bed *b = *state;
	struct logs_pos pos = {0};
	int next = 0, pid = fork();
	bool gap;

	assert_true(pid >= 0);
	if (pid == 0)
		write_numbers(b, 500);
	while (next < 500) {
		const char *at = read_on(b, &pos, 4096, &gap);

		assert_false(gap && next > 0);
		while (*at) {
			assert_int_equal(atoi(at), next);
			next++;
			at = strchr(at, '\n') + 1;
		}
	}
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, open_bed, close_bed)
	const struct CMUnitTest tests[] = {
		CASE(nothing_was_written_yet),
		CASE(the_last_lines_over_files),
		CASE(the_tail_of_a_large_file),
		CASE(a_follower_goes_over_rotations),
		CASE(what_was_rotated_away_is_a_gap),
		CASE(only_whole_lines_unless_one_is_too_long),
		CASE(faults_are_told),
		CASE(removing_takes_all),
		CASE(a_writer_that_rotates_under_the_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
