/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In a network of its own: the address that others dial, where one configuration does for all hosts.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/cluster_address.h"
#include "tests/lib/test.h"

static void ip(const char *arguments)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "ip %s", arguments);
	assert_int_equal(system(command), 0);
}

static struct config_gossip every(bool ipv6, struct config_addr *join, size_t n_join)
{
	return (struct config_gossip){.on = true,
		.bind = {ipv6 ? "::" : "0.0.0.0", 7947, ipv6},
		.finds_address = true,
		.n_join = n_join,
		.join = join};
}

static void finds(const struct config_gossip *g, const char *expected)
{
	char host[CLUSTER_ADDRESS_HOST_MAX];
	struct err e;

	assert_int_equal(cluster_address_find(g, host, &e), 0);
	assert_string_equal(host, expected);
}

static void refuses(const struct config_gossip *g, const char *part)
{
	char host[CLUSTER_ADDRESS_HOST_MAX] = "untouched";
	struct err e;

	assert_int_equal(cluster_address_find(g, host, &e), -EADDRNOTAVAIL);
	if (!strstr(e.text, part))
		fail_msg("no '%s' in: %s", part, e.text);
	assert_string_equal(host, "untouched");
}

/* The story of a host: its network comes up, and then it gets a second one. */
static void test_one_file_for_all_hosts(void **state)
{
	struct config_addr others[] = {
		{"db.example", 7947, false}, {"203.0.113.9", 7947, false}, {"10.9.0.7", 7947, false}};
	struct config_addr own = {"10.8.0.1", 7947, false}, far = {"fd00:9::7", 7947, true};
	struct config_gossip alone = every(false, NULL, 0), listed = every(false, others, ARRAY_LEN(others)),
			     itself = every(false, &own, 1), six = every(true, &far, 1),
			     six_alone = every(true, NULL, 0);

	(void)state;
	ip("link set lo up");
	refuses(&alone, "no address that others could dial yet");
	refuses(&listed, "no address that others could dial yet");
	ip("link add eth0 type veth peer name eth0-end && ip address add 10.9.0.1/24 dev eth0");
	refuses(&alone, "no address that others could dial yet"); /* it is down */
	ip("link set eth0 up");
	finds(&alone, "10.9.0.1");
	finds(&listed, "10.9.0.1");
	ip("address add 169.254.3.4/16 dev eth0"); /* is for this link alone */
	finds(&alone, "10.9.0.1");
	ip("link add eth1 type veth peer name eth1-end && ip address add 10.8.0.1/24 dev eth1 && ip link set eth1 up");
	refuses(&alone, "has 2 addresses (10.9.0.1, 10.8.0.1)");
	finds(&listed, "10.9.0.1");
	finds(&itself, "10.8.0.1");
	refuses(&six_alone, "no address that others could dial yet");
	ip("address add fd00:9::1/64 dev eth0 nodad && ip address add fd00:8::1/64 dev eth1 nodad");
	refuses(&six_alone, "has 2 addresses (fd00:");
	finds(&six, "fd00:9::1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_file_for_all_hosts),
	};

	if (unshare(CLONE_NEWNET) != 0)
		TEST_SKIP_ALL("root, for a network namespace");
	if (system("ip link add probe type veth peer name probe-end && ip link del probe") != 0)
		TEST_SKIP_ALL("ip (Debian package iproute2)");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
