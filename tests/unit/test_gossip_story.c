/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people read of it: the events of a small cluster, told as they come.
 */
#include "tests/lib/gossip_bed.h"

static void test_three_nodes(void **state)
{
	struct bed *b = bed_new(3);

	(void)state;
	b->traced = true;
	for (int i = 0; i < 3; i++)
		bed_start(b, i, i == 0 ? -1 : 0);
	bed_run(b, 5000);
	TRACE_IS(&b->t, "[  1000] n1: n0 joined\n"
			"[  1000] n0: n1 joined\n"
			"[  1000] n2: n0 joined\n"
			"[  1000] n0: n2 joined\n"
			"[  1000] n2: n1 joined\n"
			"[  1005] n1: n2 joined\n");
	bed_kill(b, 1);
	bed_run(b, 3000);
	TRACE_IS(&b->t, "[  6150] n0: n1 accused (host up)\n"
			"[  6150] n0: n1 suspect by n0 (host up)\n"
			"[  6150] n2: n1 suspect by n0 (host up)\n"
			"[  7200] n2: n1 accused (host up)\n"
			"[  7200] n2: n1 dead by n2, n0 (host up)\n"
			"[  7200] n0: n1 dead by n0 (host up)\n");
	bed_start(b, 1, 0);
	bed_run(b, 2000);
	TRACE_IS(&b->t, "[  9000] n1: n0 joined\n"
			"[  9000] n0: n1 returned (restarted)\n"
			"[  9000] n2: n1 returned (restarted)\n"
			"[  9000] n1: n2 joined\n");
	bed_lose(b, 2);
	bed_run(b, 4000);
	TRACE_IS(&b->t, "[ 12916] n0: n2 accused\n"
			"[ 12916] n0: n2 suspect by n0\n"
			"[ 12916] n1: n2 accused\n"
			"[ 12916] n1: n2 suspect by n1\n"
			"[ 12916] n1: n2 dead by n1, n0\n"
			"[ 12916] n0: n2 dead by n0\n");
	bed_free(b);
}

static void test_five_nodes(void **state)
{
	struct bed *b = bed_new(5);

	(void)state;
	bed_start_all(b);
	bed_run(b, 5000 - b->now_ms);
	b->traced = true;
	bed_pause(b, 3, true);
	bed_run(b, 5000);
	TRACE_IS(&b->t, "[  6997] n0: n3 accused (host up)\n"
			"[  6997] n0: n3 suspect by n0 (host up)\n"
			"[  6997] n1: n3 accused (host up)\n"
			"[  6997] n1: n3 suspect by n1 (host up)\n"
			"[  6997] n2: n3 accused (host up)\n"
			"[  6997] n2: n3 suspect by n2 (host up)\n"
			"[  6997] n4: n3 accused (host up)\n"
			"[  6997] n4: n3 suspect by n4 (host up)\n"
			"[  6997] n2: n3 dead by n2, n1, n0 (host up)\n"
			"[  6997] n4: n3 dead by n1, n4, n0 (host up)\n"
			"[  6997] n0: n3 dead by n1, n0 (host up)\n"
			"[  6997] n1: n3 dead by n1, n0 (host up)\n");
	bed_pause(b, 3, false);
	bed_run(b, 1000);
	TRACE_IS(&b->t, "[ 10000] n3: n3 slow\n"
			"[ 10000] n3: n3 refuted\n"
			"[ 10000] n2: n3 returned\n"
			"[ 10000] n4: n3 returned\n"
			"[ 10000] n0: n3 returned\n"
			"[ 10000] n1: n3 returned\n");
	bed_step(b, 4, &(struct gossip_in){.type = GOSSIP_IN_LEAVE});
	bed_run(b, 100);
	TRACE_IS(&b->t, "[ 11000] n0: n4 left\n"
			"[ 11000] n3: n4 left\n"
			"[ 11000] n1: n4 left\n"
			"[ 11000] n2: n4 left\n"
			"[ 11000] n4: n4 left-told\n");
	bed_kill(b, 4);
	bed_run(b, 5000);
	bed_step(b, 0, &(struct gossip_in){.type = GOSSIP_IN_FORGET, .id = b->v[4].id});
	bed_run(b, 100);
	TRACE_IS(&b->t, "[ 16100] n0: n4 forgotten\n"
			"[ 16100] n1: n4 forgotten\n"
			"[ 16100] n2: n4 forgotten\n"
			"[ 16100] n3: n4 forgotten\n");
	bed_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_nodes),
		cmocka_unit_test(test_five_nodes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
