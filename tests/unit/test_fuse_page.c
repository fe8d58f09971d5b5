/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of a fuse: what its reader sees, that a deadline only moves on, and what is no page.
 */
#include "node/fuse_page.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "supervisor/shim_proto.h"
#include "tests/lib/test.h"

/* As a shim sees it. */
static const struct shim_lease *reader(int fd)
{
	const struct shim_lease *v = mmap(NULL, sizeof(*v), PROT_READ, MAP_SHARED, fd, 0);

	assert_true(v != MAP_FAILED);
	return v;
}

static void test_a_deadline_only_moves_on(void **state)
{
	struct fuse_page p = {0};
	const struct shim_lease *seen;
	struct err e;
	int fd = -1;

	(void)state;
	assert_int_equal(fuse_page_make(&p, 5000, &fd, &e), 0);
	seen = reader(fd);
	(void)close(fd); /* the mappings stay */
	assert_true(seen->deadline_boot_ns == 5000 * INT64_C(1000000));
	assert_int_equal(fuse_page_until_ms(&p), 5000);
	assert_true(fuse_page_extend(&p, 5001));
	assert_true(seen->deadline_boot_ns == 5001 * INT64_C(1000000));
	assert_false(fuse_page_extend(&p, 5001));
	assert_false(fuse_page_extend(&p, 4000));
	assert_false(fuse_page_extend(&p, FUSE_PAGE_UNARMED));
	assert_int_equal(fuse_page_until_ms(&p), 5001);
	fuse_page_close(&p);
	fuse_page_close(&p);				      /* none is fine */
	(void)munmap((void *)(uintptr_t)seen, sizeof(*seen)); /* the test's own */
}

/* The one step that may be to an earlier time: from none. */
static void test_the_first_deadline(void **state)
{
	struct fuse_page p = {0}, next = {0};
	struct err e;
	int fd = -1;

	(void)state;
	assert_int_equal(fuse_page_make(&p, FUSE_PAGE_UNARMED, &fd, &e), 0);
	assert_int_equal(fuse_page_until_ms(&p), FUSE_PAGE_UNARMED);
	assert_false(fuse_page_extend(&p, FUSE_PAGE_UNARMED));
	assert_int_equal(fuse_page_take(&next, fd, &e), 0); /* another daemon, given it by the shim */
	assert_int_equal(fuse_page_until_ms(&next), FUSE_PAGE_UNARMED);
	assert_true(fuse_page_extend(&next, 7));
	assert_int_equal(fuse_page_until_ms(&p), 7);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* taken */
	fuse_page_close(&p);
	fuse_page_close(&next);
}

/* Neither end can cut it off under the other. */
static void test_its_size_is_sealed(void **state)
{
	struct fuse_page p = {0};
	struct err e;
	int fd = -1;

	(void)state;
	assert_int_equal(fuse_page_make(&p, 1, &fd, &e), 0);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	fuse_page_close(&p);
	(void)close(fd); /* the test's own */
}

static void test_what_is_no_page(void **state)
{
	int small = memfd_create("small", MFD_CLOEXEC | MFD_ALLOW_SEALING), plain = memfd_create("plain", MFD_CLOEXEC);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int all[] = {small, plain, null, -1};
	struct err e;

	(void)state;
	assert_int_equal(fcntl(small, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	assert_int_equal(ftruncate(plain, 4096), 0);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct fuse_page p = {0};

		assert_int_equal(fuse_page_take(&p, all[i], &e), -EINVAL);
		assert_null(p.v);
		assert_int_equal(fcntl(all[i], F_GETFD), -1); /* closed */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_deadline_only_moves_on),
		cmocka_unit_test(test_the_first_deadline),
		cmocka_unit_test(test_its_size_is_sealed),
		cmocka_unit_test(test_what_is_no_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
