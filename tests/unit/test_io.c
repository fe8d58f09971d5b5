/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/io: a file is read whole or not at all, replaced whole or not at all, whatever fails on the way.
 */
#include "base/io.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/lib/fail_io.h"
#include "tests/lib/oom.h"
#include "tests/lib/tmpdir.h"

static int make(void **state)
{
	struct tmpdir *d = malloc(sizeof(*d));

	assert_non_null(d);
	*d = tmpdir_make();
	*state = d;
	return 0;
}

static int unmake(void **state)
{
	tmpdir_remove(*state);
	free(*state);
	return 0;
}

static void put(const char *path, const void *v, size_t n)
{
	struct err e = {0};

	if (io_replace_file(AT_FDCWD, path, v, n, 0600, false, &e) < 0)
		fail_msg("%s", e.text);
}

static void test_reads_whole_files_up_to_the_bound(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 10000, 65536, 300000};
	const char *path = tmpdir_path(*state, "f");
	char *v = calloc(1, 300000);

	assert_non_null(v);
	for (size_t i = 0; i < 300000; i++)
		v[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct bytes out = {.max = sizes[i]}, small = {.max = sizes[i] - 1};
		struct err e;

		put(path, v, sizes[i]);
		assert_int_equal(io_read_file(AT_FDCWD, path, &out, &e), 0);
		assert_int_equal(out.n, sizes[i]);
		assert_memory_equal(out.v, v, sizes[i]);
		assert_int_equal(out.v[out.n], '\0');
		if (sizes[i] > 0) {
			assert_int_equal(io_read_file(AT_FDCWD, path, &small, &e), -EFBIG);
			assert_int_equal(small.n, 0);
			assert_non_null(strstr(e.text, "larger than"));
		}
		bytes_done(&out);
		bytes_done(&small);
	}
	free(v);
}

static void test_reads_what_has_no_size(void **state)
{
	struct bytes out = {.max = 4096};
	struct err e;

	(void)state;
	assert_int_equal(io_read_file(AT_FDCWD, "/proc/self/stat", &out, &e), 0);
	assert_true(out.n > 10);
	bytes_done(&out);
}

static void refuses(const char *path, int code, const char *text)
{
	struct bytes out = {.max = 100};
	struct err e = {0};

	assert_int_equal(bytes_str(&out, "old"), 0);
	assert_int_equal(io_read_file(AT_FDCWD, path, &out, &e), code);
	assert_int_equal(e.code, code);
	if (!strstr(e.text, text) || !strstr(e.text, path))
		fail_msg("'%s' says neither '%s' nor the path", e.text, text);
	assert_int_equal(out.n, 0);
	bytes_done(&out);
}

static void test_refuses_what_is_no_file(void **state)
{
	const char *path = tmpdir_path(*state, "fifo");

	assert_int_equal(mkfifo(path, 0600), 0);
	refuses(path, -EINVAL, "not a regular file"); /* and does not wait for a writer */
	refuses("/dev/zero", -EINVAL, "not a regular file");
	refuses("/tmp", -EISDIR, "is a directory");
	refuses(tmpdir_path(*state, "absent"), -ENOENT, "No such file or directory");
	refuses(tmpdir_path(*state, "fifo/x"), -ENOTDIR, "Not a directory");
}

static void test_replaces_with_the_exact_mode(void **state)
{
	const char *path = tmpdir_path(*state, "f");
	mode_t was = umask(077);
	struct bytes out = {.max = 100};
	struct stat st;
	struct err e;

	put(path, "first", 5);
	assert_int_equal(io_replace_file(AT_FDCWD, path, "2nd", 3, 0664, true, &e), 0);
	(void)umask(was); /* returns the one set above */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0664);
	assert_int_equal(io_read_file(AT_FDCWD, path, &out, &e), 0);
	assert_string_equal(out.v, "2nd");
	assert_int_equal(access(tmpdir_path(*state, "f.new"), F_OK), -1);
	bytes_done(&out);
}

static void test_replaces_below_a_directory_descriptor(void **state)
{
	struct tmpdir *d = *state;
	AUTO_CLOSE int at = open(d->path, O_DIRECTORY | O_CLOEXEC);
	struct err e;

	assert_int_equal(mkdir(tmpdir_path(d, "sub"), 0700), 0);
	assert_int_equal(io_replace_file(at, "a", "x", 1, 0600, true, &e), 0);
	assert_int_equal(io_replace_file(at, "sub/b", "x", 1, 0600, true, &e), 0);
	assert_int_equal(access(tmpdir_path(d, "a"), F_OK), 0);
	assert_int_equal(access(tmpdir_path(d, "sub/b"), F_OK), 0);
	assert_int_equal(io_replace_file(at, "none/c", "x", 1, 0600, true, &e), -ENOENT);
}

/* The fault `n` of a kind leaves the old content or the new one, and nothing beside it. */
static bool replaced_in_spite_of(struct tmpdir *d, enum fault what, long n, bool *ret_reached)
{
	struct bytes out = {.max = 100};
	struct err e = {0};
	bool is_new;
	int rc;

	put(tmpdir_path(d, "f"), "old", 3);
	fault_set(what, n, ENOSPC);
	rc = io_replace_file(AT_FDCWD, tmpdir_path(d, "f"), "new", 3, 0600, true, &e);
	*ret_reached = fault_clear(what);
	assert_int_equal(rc, *ret_reached ? -ENOSPC : 0);
	assert_int_equal(access(tmpdir_path(d, "f.new"), F_OK), -1);
	assert_int_equal(io_read_file(AT_FDCWD, tmpdir_path(d, "f"), &out, &e), 0);
	is_new = strcmp(out.v, "new") == 0;
	assert_true(is_new || strcmp(out.v, "old") == 0);
	bytes_done(&out);
	return is_new;
}

static void test_a_full_disk_leaves_the_old_file(void **state)
{
	bool reached;

	assert_false(replaced_in_spite_of(*state, FAULT_WRITE, 1, &reached));
	assert_true(reached);
	assert_false(replaced_in_spite_of(*state, FAULT_FSYNC, 1, &reached)); /* of the file */
	assert_true(reached);
	assert_true(replaced_in_spite_of(*state, FAULT_FSYNC, 2, &reached)); /* of its directory: told, and there */
	assert_true(reached);
	assert_true(replaced_in_spite_of(*state, FAULT_FSYNC, 3, &reached));
	assert_false(reached);
}

static void *drain(void *fd)
{
	char v[3000];
	size_t n = 0;
	ssize_t r;

	while ((r = read(*(int *)fd, v, sizeof(v))) > 0)
		n += (size_t)r;
	return (void *)n;
}

static void test_writes_all_through_a_pipe_that_is_full(void **state)
{
	size_t n = 1 << 20;
	char *v = calloc(1, n);
	pthread_t reader;
	void *got;
	int fd[2];

	(void)state;
	assert_non_null(v);
	assert_int_equal(pipe(fd), 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, &fd[0]), 0);
	assert_int_equal(io_write_all(fd[1], v, n), 0);
	assert_int_equal(close(fd[1]), 0);
	assert_int_equal(pthread_join(reader, &got), 0);
	assert_int_equal((size_t)got, n);
	assert_int_equal(close(fd[0]), 0);
	assert_int_equal(io_write_all(fd[0], v, 1), -EBADF);
	free(v);
}

static void test_mkdirs(void **state)
{
	struct err e;

	assert_int_equal(io_mkdirs(tmpdir_path(*state, "a/b/c"), 0700, &e), 0);
	assert_int_equal(io_mkdirs(tmpdir_path(*state, "a/b/c/"), 0700, &e), 0);
	assert_int_equal(io_mkdirs(tmpdir_path(*state, "a//b//d"), 0700, &e), 0);
	assert_int_equal(access(tmpdir_path(*state, "a/b/d"), F_OK), 0);
	assert_int_equal(io_mkdirs(tmpdir_path(*state, "long"), 0700, &e), 0);
	assert_int_equal(access(tmpdir_path(*state, "lon"), F_OK), -1);
	put(tmpdir_path(*state, "f"), "", 0);
	assert_int_equal(io_mkdirs(tmpdir_path(*state, "f"), 0700, &e), -ENOTDIR);
	assert_int_equal(io_mkdirs(tmpdir_path(*state, "f/g"), 0700, &e), -ENOTDIR);
	assert_int_equal(io_mkdirs("", 0700, &e), -EINVAL);
	assert_int_equal(io_mkdirs("/", 0700, &e), 0);
}

static void test_every_allocation_fails_once(void **state)
{
	const char *path = tmpdir_path(*state, "f");
	char v[20000] = "x";
	unsigned long runs = 0;

	put(path, v, sizeof(v));
	OOM_LOOP (o) {
		struct bytes out = {.max = sizeof(v)};
		struct err e;
		int rc = io_read_file(AT_FDCWD, path, &out, &e);

		assert_int_equal(rc, oom_hit(&o) ? -ENOMEM : 0);
		assert_int_equal(out.n, o.hit ? 0 : sizeof(v));
		bytes_done(&out);
		runs = o.n;
	}
	assert_true(runs > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reads_whole_files_up_to_the_bound, make, unmake),
		cmocka_unit_test_setup_teardown(test_reads_what_has_no_size, make, unmake),
		cmocka_unit_test_setup_teardown(test_refuses_what_is_no_file, make, unmake),
		cmocka_unit_test_setup_teardown(test_replaces_with_the_exact_mode, make, unmake),
		cmocka_unit_test_setup_teardown(test_replaces_below_a_directory_descriptor, make, unmake),
		cmocka_unit_test_setup_teardown(test_a_full_disk_leaves_the_old_file, make, unmake),
		cmocka_unit_test_setup_teardown(test_writes_all_through_a_pipe_that_is_full, make, unmake),
		cmocka_unit_test_setup_teardown(test_mkdirs, make, unmake),
		cmocka_unit_test_setup_teardown(test_every_allocation_fails_once, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
