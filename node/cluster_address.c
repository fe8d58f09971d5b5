/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address that others dial, where the configuration binds to every address and names none, so that one file does
 * for all hosts: the one from which this host reaches another of `gossip.join`, or else the only one that it has.
 */
#include "node/cluster_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/io.h"

#define TOLD_MAX 5 /* addresses in a sentence */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse(const struct config_addr *a, union address *ret)
{
	*ret = (union address){0};
	if (a->ipv6) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(a->port);
		return inet_pton(AF_INET6, a->host, &ret->v6.sin6_addr) == 1;
	}
	ret->v4.sin_family = AF_INET;
	ret->v4.sin_port = htons(a->port);
	return inet_pton(AF_INET, a->host, &ret->v4.sin_addr) == 1;
}

/* One that other hosts can dial. */
static bool is_public(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return ntohl(a->v4.sin_addr.s_addr) >> 24 != 127 && ntohl(a->v4.sin_addr.s_addr) >> 16 != 0xa9fe &&
		       a->v4.sin_addr.s_addr != INADDR_ANY;
	return a->any.sa_family == AF_INET6 && !IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr) &&
	       !IN6_IS_ADDR_LINKLOCAL(&a->v6.sin6_addr) && !IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

static void write_host(const union address *a, char ret[CLUSTER_ADDRESS_HOST_MAX])
{
	const void *from = a->any.sa_family == AF_INET ? (const void *)&a->v4.sin_addr : &a->v6.sin6_addr;

	(void)inet_ntop(a->any.sa_family, from, ret, CLUSTER_ADDRESS_HOST_MAX); /* fits */
}

/* What the kernel would send from; nothing is sent. */
static bool source_of(const union address *to, union address *ret)
{
	AUTO_CLOSE int fd = socket(to->any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t n = sizeof(*ret);

	return fd >= 0 && connect(fd, &to->any, to->any.sa_family == AF_INET ? sizeof(to->v4) : sizeof(to->v6)) == 0 &&
	       getsockname(fd, &ret->any, &n) == 0 && is_public(ret);
}

/* How many there are; the first in ret, and some of them in told. */
static size_t only_one(int family, union address *ret, char *told, size_t told_n)
{
	struct ifaddrs *all = NULL;
	size_t n = 0, at = 0;

	*told = '\0';
	if (getifaddrs(&all) < 0)
		return 0;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		char host[CLUSTER_ADDRESS_HOST_MAX];
		union address a = {0};

		if (!i->ifa_addr || i->ifa_addr->sa_family != family || !(i->ifa_flags & IFF_UP))
			continue;
		memcpy(&a, i->ifa_addr, family == AF_INET ? sizeof(a.v4) : sizeof(a.v6));
		if (!is_public(&a))
			continue;
		if (n++ == 0)
			*ret = a;
		write_host(&a, host);
		if (n <= TOLD_MAX && at < told_n)
			at += (size_t)snprintf(told + at, told_n - at, "%s%s", n > 1 ? ", " : "", host);
	}
	freeifaddrs(all);
	return n;
}

int cluster_address_find(const struct config_gossip *g, char ret[CLUSTER_ADDRESS_HOST_MAX], struct err *e)
{
	char told[TOLD_MAX * (CLUSTER_ADDRESS_HOST_MAX + 2)];
	union address to, from;
	size_t n;

	for (size_t i = 0; i < g->n_join; i++)
		if (g->join[i].ipv6 == g->bind.ipv6 && parse(&g->join[i], &to) && source_of(&to, &from)) {
			write_host(&from, ret);
			return 0;
		}
	n = only_one(g->bind.ipv6 ? AF_INET6 : AF_INET, &from, told, sizeof(told));
	if (n == 0)
		return err_set(e, -EADDRNOTAVAIL,
			"this host has no address that others could dial yet, and gossip.advertise names none");
	if (n > 1)
		return err_set(e, -EADDRNOTAVAIL,
			"this host has %zu addresses (%s), and none of them leads to one of gossip.join: "
			"gossip.advertise must say which one others dial, or none",
			n, told);
	write_host(&from, ret);
	return 0;
}
