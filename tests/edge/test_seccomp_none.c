/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel without seccomp, played by a filter that answers for it: who wants a filter is told so, who wants none has
 * none.
 */
#include "supervisor/seccomp_impl.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "tests/lib/test.h"

/* From now on seccomp(2) is not there. */
static void take_away(void)
{
	struct sock_filter v[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {.len = ARRAY_LEN(v), .filter = v};

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog), 0);
}

static void test_a_kernel_without_it(void **state)
{
	const struct spec_sandbox s = {.seccomp = SPEC_SECCOMP_DEFAULT}, off = {.seccomp = SPEC_SECCOMP_OFF};
	struct seccomp_filter f = {.fd = -1};
	struct seccomp_cache *c = NULL;
	struct err e = {0};

	(void)state;
	take_away();
	assert_int_equal(seccomp_cache_new("/nonexistent", &c, &e), 0);
	assert_int_equal(seccomp_filter_for(c, &s, &f, &e), -ENOSYS);
	assert_string_equal(
		e.text, "sandbox.seccomp: the kernel has no seccomp; without a filter it starts by 'seccomp: off'");
	assert_int_equal(seccomp_filter_for(c, &off, &f, &e), 0);
	assert_int_equal(f.fd, -1);
	seccomp_cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_kernel_without_it),
	};

	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		TEST_SKIP_ALL("seccomp");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
