/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a request's target and Host is understood, and what is refused.
 */
#include "node/http_parse.h"

#include <errno.h>
#include <string.h>

#include "tests/lib/test.h"

static void target(const char *t, const char *want_path, const char *want_query)
{
	char path[HTTP_PATH_MAX], query[HTTP_QUERY_MAX];
	int rc = http_parse_target(t, path, query);

	if (rc != 0 || strcmp(path, want_path) != 0 || strcmp(query, want_query) != 0)
		fail_msg("'%s': %d '%s' '%s'", t, rc, path, query);
}

static void bad_target(const char *t, int want)
{
	char path[HTTP_PATH_MAX], query[HTTP_QUERY_MAX];
	int rc = http_parse_target(t, path, query);

	if (rc != want)
		fail_msg("'%s': %d, not %d", t, rc, want);
}

static void test_targets(void **state)
{
	(void)state;
	target("/", "/", "");
	target("/metrics", "/metrics", "");
	target("/v1/status?agent=web&x=%20", "/v1/status", "agent=web&x=%20");
	target("/a?", "/a", "");
	target("/a?b?c", "/a", "b?c");
	target("/a#frag?x", "/a", "");
	target("/a?b#frag", "/a", "b");
	target("http://host:80/a/b", "/a/b", "");
	target("HTTP://host", "/", "");
	target("http://host?x", "/", "");
	target("/%6detrics", "/metrics", "");
	target("/a%2Fb", "/a/b", "");
	target("/%25", "/%", "");
	target("/%256d", "/%6d", ""); /* once */
	target("/gr%C3%BC", "/gr\xc3\xbc", "");
}

static void test_dots_and_slashes(void **state)
{
	(void)state;
	target("//", "/", "");
	target("//a///b//", "/a/b/", "");
	target("/./a", "/a", "");
	target("/a/.", "/a/", "");
	target("/a/..", "/", "");
	target("/a/../b", "/b", "");
	target("/a/b/../../c", "/c", "");
	target("/a/b/..", "/a/", "");
	target("/..a/...", "/..a/...", "");
	target("/a/%2e%2e/b", "/b", "");
	bad_target("/..", -EINVAL);
	bad_target("/../etc/passwd", -EINVAL);
	bad_target("/a/../../b", -EINVAL);
	bad_target("/%2e%2e/b", -EINVAL);
	bad_target("/%2e%2e%2fb", -EINVAL);
}

static void test_bad_targets(void **state)
{
	char long_path[HTTP_PATH_MAX + 1], long_query[HTTP_QUERY_MAX + 3];

	(void)state;
	bad_target("", -EINVAL);
	bad_target("*", -EINVAL);
	bad_target("a", -EINVAL);
	bad_target("?x", -EINVAL);
	bad_target("/%", -EINVAL);
	bad_target("/%4", -EINVAL);
	bad_target("/%zz", -EINVAL);
	bad_target("/%4?1", -EINVAL);
	bad_target("/%00", -EINVAL);
	bad_target("/a%0d%0ab", -EINVAL);
	bad_target("/\x01", -EINVAL);
	bad_target("/\x7f", -EINVAL);
	bad_target("/a?b c", -EINVAL);
	bad_target("/a?\x01", -EINVAL);
	memset(long_path, 'a', sizeof(long_path) - 1);
	long_path[0] = '/';
	long_path[HTTP_PATH_MAX] = '\0';
	bad_target(long_path, -ENAMETOOLONG);
	long_path[HTTP_PATH_MAX - 1] = '\0';
	target(long_path, long_path, "");
	memset(long_query, 'a', sizeof(long_query) - 1);
	memcpy(long_query, "/?", 2);
	long_query[HTTP_QUERY_MAX + 2] = '\0';
	bad_target(long_query, -ENAMETOOLONG);
	long_query[HTTP_QUERY_MAX + 1] = '\0';
	target(long_query, "/", long_query + 2);
}

static bool ok(const char *host)
{
	return http_parse_host_ok(host, "n1", "bound.example");
}

static void test_hosts(void **state)
{
	static const char *const good[] = {"127.0.0.1", "127.0.0.1:7948", "10.1.2.3", "[::1]", "[::1]:7948",
		"[fe80::1]:1", "localhost", "LocalHost:80", "localhost.", "n1", "N1:7948", "n1.", "bound.example",
		"bound.example:1"};
	static const char *const bad[] = {"", ":80", "evil.example", "evil.example:7948", "n1.evil.example",
		"localhost.evil", "127.0.0.1.evil.example", "127.0.0.1:x", "127.0.0.1:123456", "127.0.0.1:1:2", "::1",
		"[::1", "[::1]x", "[n1]", "[127.0.0.1]", "n1 ", "127.1", "0x7f.0.0.1", ".", "n1,localhost", "n1:80 "};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!ok(good[i]))
			fail_msg("'%s' was refused", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (ok(bad[i]))
			fail_msg("'%s' was let in", bad[i]);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_false(ok(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_targets),
		cmocka_unit_test(test_dots_and_slashes),
		cmocka_unit_test(test_bad_targets),
		cmocka_unit_test(test_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
