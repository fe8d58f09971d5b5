/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In a network of its own: a host that is not there is told from one that refuses, whichever way it is not there.
 */
#include <errno.h>
#include <sched.h>

#include "node/nng_setup.h"
#include "tests/lib/link_bed.h"
#include "tests/lib/test.h"

static void ends_as(struct link_end *x, const char *address, enum transport_outcome outcome)
{
	size_t failed = x->failed, so = x->outcomes[outcome];

	link_dial(x, address, 1);
	LINK_UNTIL(x->failed == failed + 1, x);
	if (x->outcomes[outcome] != so + 1)
		fail_msg("%s: %s", address, x->why);
}

static void test_each_way_of_not_being_there(void **state)
{
	struct link_end x = {0};

	(void)state;
	link_open(&x, NULL, NULL, (struct transport_limits){.dial_ms = 20000});
	ends_as(&x, "127.0.0.1:9", TRANSPORT_REFUSED);
	ends_as(&x, "[::1]:9", TRANSPORT_REFUSED);
	ends_as(&x, "198.51.100.1:9", TRANSPORT_UNREACHABLE); /* blackhole */
	ends_as(&x, "198.51.100.2:9", TRANSPORT_UNREACHABLE); /* unreachable */
	ends_as(&x, "198.51.100.3:9", TRANSPORT_UNREACHABLE); /* prohibit */
	ends_as(&x, "203.0.113.1:9", TRANSPORT_UNREACHABLE);  /* no route */
	link_close(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_way_of_not_being_there),
	};
	struct err e;
	int code;

	if (unshare(CLONE_NEWNET) != 0)
		TEST_SKIP_ALL("root, for a network namespace");
	if (system("ip link set lo up && ip route add blackhole 198.51.100.1 && "
		   "ip route add unreachable 198.51.100.2 && ip route add prohibit 198.51.100.3") != 0)
		TEST_SKIP_ALL("ip (Debian package iproute2)");
	if (nng_setup(&e) < 0)
		return 1;
	code = cmocka_run_group_tests(tests, NULL, NULL);
	nng_teardown();
	return code;
}
