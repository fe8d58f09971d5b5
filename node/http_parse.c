/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's target and Host. Pure; whatever a peer sends comes through here first.
 */
#include "node/http_parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 256

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Past "http://host" of the absolute form, which proxies send. */
static const char *skip_origin(const char *s)
{
	if (strncasecmp(s, "http://", 7) != 0)
		return s;
	s = strpbrk(s + 7, "/?");
	return s && *s == '/' ? s : "/";
}

/* One character of the path, decoded; *at moves past it. -EINVAL. */
static int next_char(const char **at)
{
	const char *s = *at;
	int c = (unsigned char)*s++;

	if (c == '%') {
		int high = hex(s[0]), low = high < 0 ? -1 : hex(s[1]);

		if (low < 0)
			return -EINVAL;
		c = high * 16 + low;
		s += 2;
	}
	*at = s;
	return c < ' ' || c == 0x7f ? -EINVAL : c;
}

/* Drops "." and "..", the segment that ends at path[n]. Returns the new length; -EINVAL above the root. */
static ssize_t close_segment(const char *path, size_t n)
{
	size_t at = n;

	while (at > 0 && path[at - 1] != '/')
		at--;
	if (n - at == 1 && path[at] == '.')
		return (ssize_t)at;
	if (n - at != 2 || path[at] != '.' || path[at + 1] != '.')
		return (ssize_t)n;
	if (at <= 1)
		return -EINVAL;
	for (at--; path[at - 1] != '/';)
		at--;
	return (ssize_t)at;
}

static int decode_path(const char *s, size_t len, char path[HTTP_PATH_MAX])
{
	const char *end = s + len;
	size_t n = 0;

	while (s < end) {
		int c = next_char(&s);
		ssize_t m = (ssize_t)n;

		if (c < 0 || s > end)
			return -EINVAL;
		if (c == '/')
			m = close_segment(path, n);
		if (m < 0)
			return (int)m;
		n = (size_t)m;
		if (c == '/' && n > 0 && path[n - 1] == '/')
			continue;
		if (n >= HTTP_PATH_MAX - 1)
			return -ENAMETOOLONG;
		path[n++] = (char)c;
	}
	if (n > 0) {
		ssize_t m = close_segment(path, n);

		if (m < 0)
			return (int)m;
		n = (size_t)m;
	}
	path[n] = '\0';
	return path[0] == '/' ? 0 : -EINVAL;
}

int http_parse_target(const char *target, char path[HTTP_PATH_MAX], char query[HTTP_QUERY_MAX])
{
	const char *s = skip_origin(target), *q;
	size_t len = strcspn(s, "?#"), n;

	if (*s != '/')
		return -EINVAL;
	q = s[len] == '?' ? s + len + 1 : "";
	n = strcspn(q, "#");
	if (n >= HTTP_QUERY_MAX)
		return -ENAMETOOLONG;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)q[i] <= ' ' || q[i] == 0x7f)
			return -EINVAL;
	memcpy(query, q, n);
	query[n] = '\0';
	return decode_path(s, len, path);
}

static bool is_port(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return n <= 5 && s[n] == '\0';
}

/* The name before the port, without brackets and a last dot. */
static bool cut_port(const char *host, char name[HOST_MAX], bool *ret_bracketed)
{
	size_t n;
	const char *rest;

	*ret_bracketed = host[0] == '[';
	if (*ret_bracketed) {
		n = strcspn(++host, "]");
		if (host[n] != ']')
			return false;
		rest = host + n + 1;
	} else {
		n = strcspn(host, ":");
		rest = host + n;
	}
	if (*rest != '\0' && (*rest != ':' || !is_port(rest + 1)))
		return false;
	if (!*ret_bracketed && n > 1 && host[n - 1] == '.')
		n--;
	if (n == 0 || n >= HOST_MAX)
		return false;
	memcpy(name, host, n);
	name[n] = '\0';
	return true;
}

bool http_parse_host_ok(const char *host, const char *node_name, const char *bind_host)
{
	unsigned char address[sizeof(struct in6_addr)];
	char name[HOST_MAX];
	bool bracketed;

	if (!cut_port(host, name, &bracketed))
		return false;
	if (bracketed)
		return inet_pton(AF_INET6, name, address) == 1;
	return inet_pton(AF_INET, name, address) == 1 || strcasecmp(name, "localhost") == 0 ||
	       strcasecmp(name, node_name) == 0 || strcasecmp(name, bind_host) == 0;
}
