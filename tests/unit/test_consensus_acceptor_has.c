/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A voter does not tell a value to who has it.
 */
#include "tests/lib/acceptor_story.h"

static void prepare_with(struct world *w, uint64_t counter, uint64_t has)
{
	hear(w, 'c',
		(struct msg){.type = MSG_PREPARE,
			.key = story_key("web"),
			.ballot = story_ballot(counter, 'c'),
			.accepted = has ? story_ballot(has, 'b') : (struct ballot){0}});
}

static void test_who_has_it_is_not_told(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	prepare_with(&w, 1, 3); /* nothing is there */
	stored(&w, 1);
	accept_value(&w, 'b', "web", 3, "three");
	prepare_with(&w, 4, 3); /* behind it: one write, and then they are answered */
	prepare_with(&w, 4, 3); /* doubled on the way */
	stored(&w, 3);
	prepare_with(&w, 5, 2);
	stored(&w, 4);
	hear(&w, 'c',
		(struct msg){
			.type = MSG_READ, .key = story_key("web"), .accepted = story_ballot(3, 'b')}); /* as ever */
	TRACE_IS(&w.t, "[     0] c: prepare e1 web 1.a200\n"
		       "         -> write 1: web 1.a200 0\n"
		       "         = e1 {a000 a100 a200} disk 0/1 waiting 1 | web 1.a200 0\n"
		       "[     0] stored 1\n"
		       "         -> c: promise e1 web 1.a200 on 0\n"
		       "         = e1 {a000 a100 a200} disk 1/1 waiting 0 | web 1.a200 0\n"
		       "[     0] b: accept e1 web 3.a100 'three'\n"
		       "         -> write 2: web 3.a100 3.a100 and its value\n"
		       "         = e1 {a000 a100 a200} disk 1/2 waiting 1 | web 3.a100 3.a100\n"
		       "[     0] c: prepare e1 web 4.a200\n"
		       "         -> write 3: web 4.a200 3.a100\n"
		       "         = e1 {a000 a100 a200} disk 1/3 waiting 2 | web 4.a200 3.a100\n"
		       "[     0] c: prepare e1 web 4.a200\n"
		       "         = e1 {a000 a100 a200} disk 1/3 waiting 3 | web 4.a200 3.a100\n"
		       "[     0] stored 3\n"
		       "         -> b: accepted e1 web 3.a100\n"
		       "         -> c: promise e1 web 4.a200 on 3.a100\n"
		       "         -> c: promise e1 web 4.a200 on 3.a100\n"
		       "         = e1 {a000 a100 a200} disk 3/3 waiting 0 | web 4.a200 3.a100\n"
		       "[     0] c: prepare e1 web 5.a200\n"
		       "         -> write 4: web 5.a200 3.a100\n"
		       "         = e1 {a000 a100 a200} disk 3/4 waiting 1 | web 5.a200 3.a100\n"
		       "[     0] stored 4\n"
		       "         -> c: promise e1 web 5.a200 on 3.a100 'three'\n"
		       "         = e1 {a000 a100 a200} disk 4/4 waiting 0 | web 5.a200 3.a100\n"
		       "[     0] c: read e1 web\n"
		       "         -> c: value e1 web on 3.a100 'three'\n");
	done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_has_it_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
