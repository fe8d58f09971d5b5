/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_LIB_TEST_H
#define TESTS_LIB_TEST_H
/*
 * What every test program starts with: cmocka and what it needs before it, and how a program says that this host
 * cannot run it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* CMOCKA_TEST_FILTER='*bound*' in the environment runs those of this name alone; cmocka has it as a function. */
#undef cmocka_run_group_tests
#define cmocka_run_group_tests(tests, setup, teardown)         \
	(cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER")), \
		_cmocka_run_group_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown))

#define TEST_EXIT_SKIPPED 77 /* automake's: told apart from passed and failed */

/* Ends the whole program as skipped; the text names the capability that is missing ("cgroup v1 memory controller"). */
#define TEST_SKIP_ALL(...)                                                       \
	do {                                                                     \
		(void)fprintf(stderr, "skipped, this host lacks: " __VA_ARGS__); \
		(void)fputc('\n', stderr);                                       \
		exit(TEST_EXIT_SKIPPED);                                         \
	} while (0)

#endif
