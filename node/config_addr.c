/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses as people write them. Names are checked for their form alone; nobody is asked.
 */
#include "node/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/units.h"

#define HOST_MAX 253

static bool is_address(int family, const char *s)
{
	unsigned char any[sizeof(struct in6_addr)];

	return inet_pton(family, s, any) == 1;
}

/* Letters, digits and - in parts of at most 63, not all of the last part digits (that would be a broken address). */
static bool is_host_name(const char *s)
{
	size_t part = 0;
	bool digits = true;

	for (const char *p = s; *p; p++) {
		if (*p == '.') {
			if (part == 0)
				return false;
			part = 0;
			digits = true;
			continue;
		}
		if (!isalnum((unsigned char)*p) && (*p != '-' || part == 0))
			return false;
		digits = digits && isdigit((unsigned char)*p);
		if (++part > 63)
			return false;
	}
	return part > 0 && !digits;
}

/* Splits "host:port" or "[host]:port" into host (copied) and port text; without a port *ret_port is "". */
static int split(const char *s, char host[HOST_MAX + 1], const char **ret_port)
{
	const char *end = strrchr(s, ':');
	bool bracket = *s == '[';
	size_t n;

	if (bracket) {
		end = strchr(++s, ']');
		if (!end || (end[1] && end[1] != ':'))
			return -EINVAL;
		*ret_port = end[1] ? end + 2 : "";
		if (end[1] && !end[2])
			return -EINVAL;
	} else if (!end || strchr(s, ':') != end) { /* no port; more than one ':' is a bare IPv6 address */
		end = s + strlen(s);
		*ret_port = "";
	} else {
		*ret_port = end + 1;
		if (!end[1])
			return -EINVAL;
	}
	n = (size_t)(end - s);
	if (n == 0 || n > HOST_MAX)
		return -EINVAL;
	memcpy(host, s, n);
	host[n] = '\0';
	return !bracket || is_address(AF_INET6, host) ? 0 : -EINVAL;
}

int config_parse_addr(const char *s, uint16_t fallback, bool names, struct arena *a, struct config_addr *ret)
{
	char host[HOST_MAX + 1];
	int64_t port = fallback;
	const char *text;
	bool ipv6;

	if (split(s, host, &text) < 0 || (*text && (units_parse_int(text, &port) < 0 || port > UINT16_MAX)))
		return -EINVAL;
	ipv6 = is_address(AF_INET6, host);
	if (!ipv6 && !is_address(AF_INET, host) && !(names && is_host_name(host)))
		return -EINVAL;
	text = arena_strdup(a, host);
	if (!text)
		return -ENOMEM;
	*ret = (struct config_addr){.host = text, .port = (uint16_t)port, .ipv6 = ipv6};
	return 0;
}
